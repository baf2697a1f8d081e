"""How far do zero, reflect and circular padding carry the border inwards, and with it the knowledge of position?"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np

import equinet as eq
from configs.fcn_vs_maxpool import PADDINGS, SEEDS, SIZE, get_config
from experiments import boundary as border
from experiments.boundary import CROP, EDGE, MARGIN
from experiments.demo import split_readout
from experiments.markdown import percent, table
from experiments.settings import Settings
from experiments.summary import Records, by_network, extent, mean
from experiments.train import Outcome

TRAINED = True
DOWNS = {"none": "full resolution", "stride": "stride", "max": "max pooling", "blur": "blur"}
EPOCHS, SCENES, PROBED = 1, 32, 480
KINDS = {"crop": "crop error", "cyclic": "cyclic error", "probe": "position probe"}
SHOWN = 5
"""Rows from each border in the tables."""


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for down in DOWNS:
        for padding in PADDINGS:
            for seed in SEEDS:
                config = get_config(f"{down}-{padding}-gap")
                config.update(seed=seed, epochs=EPOCHS)
                yield f"{down}-{padding}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The nodes that no border reaches, computed and measured, and what the nodes near it show of it."""
    net, variables = split_readout(outcome)
    stride = int(eq.certify(net, eq.plane(2)).stride[0])
    free, still = border.interior(net, CROP), border.rolled_interior(net, CROP, stride)
    cropped = border.crop_error(net, variables, _scenes(SCENES, CROP + 2 * MARGIN), stride)
    rolled = border.cyclic_error(net, variables, _scenes(SCENES, CROP), stride)
    return {
        "network": run.name.removesuffix("-gap"),
        "stride": stride,
        "computed": free,
        "measured": border.exact_square(cropped),
        "cyclic_computed": still,
        "cyclic_measured": border.exact_square(rolled),
        "least_error": float(
            min(errors[errors > border.TOLERANCE].min() for errors in (cropped, rolled) if errors.any())
        ),
        "free_in_training": border.interior(net, SIZE),
        "crop": border.by_row(cropped, free),
        "cyclic": border.by_row(rolled, still),
        "probe": border.probe(net, variables, _scenes(PROBED, CROP), free),
    }


@cache
def _scenes(count: int, size: int) -> np.ndarray:
    return border.mosaics(count, size, seed=size)


def tables(records: Records) -> dict[str, str]:
    return {
        "extent": extent(records),
        "agreement": _agreement(records),
        "margins": _margins(records),
        **{kind: _profile(records, kind) for kind in KINDS},
        "chance": _chance(records),
    }


def _agreement(records: Records) -> str:
    equal = sum(record["computed"] == record["measured"] for record in records)
    still = sum(record["cyclic_computed"] == record["cyclic_measured"] for record in records)
    least = min(record["least_error"] for record in records)
    ends = [errors[-1] / errors[0] for record in records for errors in _within(record, "crop") if len(errors) > 1]
    return (
        f"Computed and measured interior are the same, node by node, in {equal} of {len(records)} runs under cropping "
        f"and in {still} of {len(records)} under rolling. Inside, errors are rounding; the smallest of any node "
        f"outside is {percent(least)} % of the map's root mean square. At the last node of a margin of two nodes or "
        f"more the crop error is still {_range(ends)} % of that at the border."
    )


def _within(record: dict[str, Any], kind: str) -> list[list[float]]:
    """From each border, the values in the rows that it reaches."""
    before, after = _margin(record)
    return [record[kind][:before], record[kind][EDGE : EDGE + after]]


def _beyond(record: dict[str, Any], kind: str) -> list[float]:
    before, after = _margin(record)
    return record[kind][before:EDGE] + record[kind][EDGE + after :]


def _margin(record: dict[str, Any]) -> tuple[int, int]:
    first, last = record["computed"]
    return first, CROP // record["stride"] - 1 - last


def _margins(records: Records) -> str:
    rows = []
    for network, found in by_network(records).items():
        first = found[0]
        (down, padding), stride = network.split("-"), first["stride"]
        before, after = _margin(first)
        training = first["free_in_training"]
        free = (training[1] - training[0] + 1) ** 2 if training else 0
        start, stop = first["cyclic_computed"]
        rows.append(
            [
                DOWNS[down],
                padding,
                f"{before} / {after}",
                f"{before * stride} / {after * stride}",
                f"{free} of {(SIZE // stride) ** 2}",
                f"{start} to {stop} of {CROP // stride}",
                mean(found, "accuracy"),
            ]
        )
    head = ["downsampling", "padding", "margin, nodes", "margin, pixels", "free nodes in training"]
    return table([*head, "rows that roll along", "accuracy"], rows)


def _profile(records: Records, kind: str) -> str:
    """Means over the seeds by distance from the first border (rows at the top), then from the last one."""
    rows = []
    for network, found in by_network(records).items():
        down, padding = network.split("-")
        values = np.mean([record[kind] for record in found], axis=0)
        shown = [*values[:SHOWN], *values[EDGE : EDGE + SHOWN]]
        rows.append([DOWNS[down], padding, *map(_cell, shown)])
    head = ["downsampling", "padding", *(f"{side} {place}" for side in ("top", "bottom") for place in range(SHOWN))]
    return table(head, rows)


def _cell(share: float) -> str:
    """A share in %; a bare 0 where it is rounding."""
    return "0" if share < 1e-10 else percent(share)


def _chance(records: Records) -> str:
    """What the probe finds where there is nothing to find, and where there may be."""
    of = {padding: [r for r in records if r["network"].endswith(padding)] for padding in PADDINGS}
    circular = [value for record in of["circular"] for value in record["probe"]]
    beyond = [value for padding in ("zero", "reflect") for r in of[padding] for value in _beyond(r, "probe")]
    zero, reflect = (
        [value for r in of[padding] for side in _within(r, "probe") for value in side]
        for padding in ("zero", "reflect")
    )
    return (
        f"Over all rows and runs, the probe is right on {_range(circular)} % with circular padding, and on "
        f"{_range(beyond)} % beyond the computed margin with the other two: this is chance, as it comes out on these "
        f"scenes. Within the margin it is right on {_range(zero)} % with zero padding and on {_range(reflect)} % with "
        f"reflect padding."
    )


def _range(found: list[float]) -> str:
    if not found:
        return "–"
    return f"{percent(min(found))} to {percent(max(found))}"


def figures(records: Records, folder: Path) -> list[Path]:
    """Errors and probe by distance from the top border, a column for each way down, a colour for each padding."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.5), layout="constrained")
    panels = figure.subplots(len(KINDS), len(DOWNS), sharex=True, sharey="row")
    networks = by_network(records)
    distance = np.arange(EDGE)
    for column, (down, title) in zip(panels.T, DOWNS.items(), strict=True):
        for panel, kind in zip(column, KINDS, strict=True):
            for colour, (padding, marker) in enumerate(zip(PADDINGS, "osD", strict=True)):
                found = networks.get(f"{down}-{padding}", [])
                for record in found:
                    shown = 100 * np.array(record[kind][EDGE:])
                    label = padding if record is found[0] else None
                    panel.plot(distance, shown, f"{marker}-", color=f"C{colour}", markersize=4, lw=1, label=label)
                if kind == "crop" and found:
                    size = CROP // found[0]["stride"]
                    panel.axvline(size - 1.5 - found[0]["computed"][1], color=f"C{colour}", ls=":", lw=1.5)
            panel.grid(alpha=0.3)
        column[0].set_title(title)
        column[-1].set_xlabel("nodes from the bottom border")
    for panel, (kind, title) in zip(panels[:, 0], KINDS.items(), strict=True):
        panel.set_ylabel(f"{title}, %")
        if kind != "probe":
            panel.set_yscale("symlog", linthresh=0.1)
            panel.set_ylim(bottom=-0.03)
    panels[0, 0].legend(fontsize=8)
    path = folder / "boundary.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return [path]
