"""How far do zero, reflect and circular padding carry the border inwards, and with it the knowledge of position?"""

from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np

import equinet as eq
from configs.fcn_vs_maxpool import PADDINGS, SIZE, get_config
from equinet.train.drawing import drawing
from equinet.train.intervals import interval_of
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments import boundary as border
from experiments.boundary import CROP, EDGE, MARGIN
from experiments.demo import split_readout
from experiments.linear import linear_accuracy
from experiments.markdown import percent, table
from experiments.plots import PERCENT, handles, interval, label, series
from experiments.summary import Records, between, by_network, caption, extent, values

TRAINED = True
DOWNS = {down: label(down) for down in ("none", "stride", "max", "blur")}
EPOCHS, SCENES, PROBED = 1, 32, 480
SEEDS = range(5)
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
    stride = int(eq.certify(net, eq.plane(2), channels=1).stride[0])
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
        "answer": _answer(records),
        "trained": _trained(records),
        "caption": caption(records, " Dotted, the last node of the interior computed for that padding."),
    }


def _answer(records: Records) -> str:
    """What the runs show, with its numbers."""
    if set(by_network(records)) != {f"{down}-{padding}" for down in DOWNS for padding in PADDINGS}:
        return "–"
    networks = [found[0] for found in by_network(records).values()]
    equal = sum(r["computed"] == r["measured"] and r["cyclic_computed"] == r["cyclic_measured"] for r in records)
    full, down = ([r for r in networks if (r["stride"] == 1) == same] for same in (True, False))
    wide, narrow = (sorted({side * r["stride"] for r in some for side in _margin(r)}) for some in (full, down))
    free = {r["network"]: _free_in_training(r) for r in down}
    some, none = (sorted({DOWNS[name.split("-")[0]] for name, n in free.items() if bool(n) == left}) for left in (1, 0))
    rolls = [r for r in records if r["network"].endswith("circular")]
    whole = sum(r["cyclic_measured"] == [0, CROP // r["stride"] - 1] for r in rolls)
    rows = rows_within(records, "zero")
    least = min(interval_of(row)[0] for row in rows)
    lines = [
        f"The interior that no border reaches, computed from the layers, is the one measured on the trained weights in "
        f"{equal} of {len(records)} runs, node by node: rounding inside, an error at every node outside. Its margin is "
        f"{_to(wide)} pixels wide at full resolution, and {_to(narrow)} with the total stride of the others. On the "
        f"{SIZE}×{SIZE} images that the networks were trained on this leaves, of the networks that go down, some node "
        f"to {', '.join(some) or 'none'} and none to {', '.join(none) or 'none'}.",
        "Circular padding changes the map near the border too, but it does not tell a node where it is: the map rolls "
        f"along with the scene at every node in {whole} of {len(rolls)} runs, and a linear probe is right on "
        f"{_range(_probed(records, 'circular'))} %, 50 % being chance.",
        f"Zero padding tells it: within the margin the probe is right on {_range([*map(np.mean, rows)])} % in the mean "
        f"over the seeds, row by row, and the interval of no row reaches below {percent(least)} % (single runs: "
        f"{_range(_probed(records, 'zero', True))} %). With reflect padding single runs are right on "
        f"{_range(_probed(records, 'reflect', True))} %. Beyond the margin they are right on "
        f"{_range([p for pad in ('zero', 'reflect') for p in _probed(records, pad, False)])} % with both.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _to(found: list[int]) -> str:
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _free_in_training(record: dict[str, Any]) -> int:
    """How many nodes of the map of a training image no border reaches."""
    free = record["free_in_training"]
    return (free[1] - free[0] + 1) ** 2 if free else 0


def _probed(records: Records, padding: str, within: bool | None = None) -> list[float]:
    """What the probe is right on, in every run with a padding, in all rows or in those within or beyond the margin."""
    found = [record for record in records if record["network"].endswith(padding)]
    if within is None:
        return [value for record in found for value in record["probe"]]
    if within:
        return [value for row in rows_within(records, padding) for value in row.tolist()]
    return [value for record in found for value in _beyond(record, "probe")]


def _trained(records: Records) -> str:
    """How well the networks are trained."""
    means = [values(found, "accuracy").mean() for found in by_network(records).values()]
    return (
        f"After that epoch the networks are right on {between(means)} of the test images in the mean, where softmax "
        f"regression on the pixels is on {percent(linear_accuracy('subset'))} %: trained weights, not good ones, and "
        "accuracies are not compared here."
    )


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


def rows_within(records: Records, padding: str) -> list[np.ndarray]:
    """What the probe finds in each row that a border reaches, with one padding: a value for each seed."""
    networks = [found for name, found in by_network(records).items() if name.endswith(padding)]
    return [row for found in networks for row in np.array([[*chain(*_within(r, "probe"))] for r in found]).T]


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
        start, stop = first["cyclic_computed"]
        rows.append(
            [
                DOWNS[down],
                padding,
                f"{before} / {after}",
                f"{before * stride} / {after * stride}",
                f"{_free_in_training(first)} of {(SIZE // stride) ** 2}",
                f"{start} to {stop} of {CROP // stride}",
            ]
        )
    head = ["downsampling", "padding", "margin, nodes", "margin, pixels", "free nodes in training"]
    return table([*head, "rows that roll along"], rows)


def _profile(records: Records, kind: str) -> str:
    """Means over the seeds, ± half the 95 % interval, by distance from the first border, then from the last one."""
    rows = []
    for network, found in by_network(records).items():
        down, padding = network.split("-")
        seen = np.array([record[kind] for record in found])
        shown = [*seen.T[:SHOWN], *seen.T[EDGE : EDGE + SHOWN]]
        rows.append([DOWNS[down], padding, *map(_cell, shown)])
    head = ["downsampling", "padding", *(f"{side} {place}" for side in ("top", "bottom") for place in range(SHOWN))]
    return table(head, rows)


def _cell(found: np.ndarray) -> str:
    """Shares in %; a bare 0 where they are rounding."""
    if found.max() < 1e-10:
        return "0"
    low, high = interval_of(found)
    return f"{percent(found.mean())} ± {percent((high - low) / 2)}"


def _chance(records: Records) -> str:
    """What the probe finds where there is nothing to find, and where there may be."""
    beyond = [value for padding in ("zero", "reflect") for value in _probed(records, padding, False)]
    return (
        f"Over all rows and runs, the probe is right on {_range(_probed(records, 'circular'))} % with circular "
        f"padding, and on {_range(beyond)} % beyond the computed margin with the other two: this is chance, as it "
        f"comes out on these scenes. Within the margin it is right on {_range(_probed(records, 'zero', True))} % with "
        f"zero padding and on {_range(_probed(records, 'reflect', True))} % with reflect padding."
    )


def _range(found: list[float]) -> str:
    if not found:
        return "–"
    return f"{percent(min(found))} to {percent(max(found))}"


def figures(records: Records, folder: Path) -> list[Path]:
    """Errors and probe by distance from the bottom border, a column for each way down, a colour for each padding."""
    networks = by_network(records)
    looks = series({padding: f"{padding} padding" for padding in PADDINGS})
    path = folder / "boundary.png"
    with drawing(path, 10, 7.5) as figure:
        panels = figure.subplots(len(KINDS), len(DOWNS), sharex=True, sharey="row")
        for column, (down, title) in zip(panels.T, DOWNS.items(), strict=True):
            for panel, kind in zip(column, KINDS, strict=True):
                for shift, (padding, look) in zip((-0.08, 0, 0.08), looks.items(), strict=True):
                    found = networks.get(f"{down}-{padding}", [])
                    if not found:
                        continue
                    seen = 100 * np.array([record[kind][EDGE:] for record in found])
                    within = PERCENT if kind == "probe" else (0, np.inf)
                    interval(panel, np.arange(EDGE) + shift, seen, within=within, **{**look, "markersize": 4.5})
                    if kind == "crop":
                        last = CROP // found[0]["stride"] - 1 - found[0]["computed"][1]
                        panel.axvline(last + shift, color=look["color"], linestyle=":", linewidth=1.5)
            column[0].set_title(title)
            column[-1].set_xlabel("nodes from the bottom border")
        for row, (kind, title) in zip(panels, KINDS.items(), strict=True):
            row[0].set_ylabel(f"{title}, %")
            for panel in row:
                if kind != "probe":
                    panel.set_yscale("symlog", linthresh=0.1)
                    panel.set_ylim(-0.03, 300)
                    panel.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
                    panel.minorticks_off()
        figure.legend(handles=handles(looks.values()), loc="outside upper right", ncols=len(looks))
    return [path]
