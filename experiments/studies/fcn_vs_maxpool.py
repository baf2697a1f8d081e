"""Does a fully convolutional network share the translation invariance of a network with max pooling?"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ml_collections

import equinet as eq
from configs.fcn_vs_maxpool import DOWNS, PADDINGS, READOUTS, SEEDS, SIZE, STUDIED, get_config
from equinet.train.drawing import drawing
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.linear import linear_accuracy
from experiments.markdown import percent, table
from experiments.plots import LINEAR, PERCENT, dots, handles, label, linear, style
from experiments.summary import (
    Difference,
    Records,
    agreeing,
    between,
    caption,
    difference,
    estimate,
    group_text,
    in_words,
    mean,
    shared_seeds,
    shifts_text,
    tally,
    values,
)

TRAINED = True
TITLES = {down: label(down) for down in DOWNS}


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for network in STUDIED:
        for seed in SEEDS:  # one after the other, so that they share what is compiled
            config = get_config(network)
            config.seed = seed
            yield f"{network}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The shifts that leave the output alone: computed from the layers, and for the first seed measured as well."""
    domain = eq.torus(SIZE, SIZE)
    made: dict[str, Any] = {"network": run.name, "computed": shifts_text(_computed(outcome.net).invariance)}
    if run.seed == SEEDS[0]:
        found = eq.discover(outcome.net.bind(outcome.variables), domain, key=0, progress=False)
        made["measured"] = shifts_text(found.invariance)
    return made


@cache
def _computed(net: eq.Layer) -> eq.Certificate:
    return eq.certify(net, eq.torus(SIZE, SIZE), channels=1)


def tables(records: Records) -> dict[str, str]:
    plain, shifted = _by_network(records, ""), _by_network(records, "-shifted")
    seeds = sorted({record["seed"] for record in records})
    return {
        "extent": f"{len(records)} runs: {len(plain)} networks trained as they are and {len(shifted)} on shifted "
        f"images, seeds {', '.join(map(str, seeds))}.",
        "agreement": _agreement(records),
        "groups": _groups(plain),
        "pair": _pair_in_words(plain),
        "differences": _differences(plain, shifted),
        "readout_differences": _readout_differences(plain),
        "linear": _linear(plain),
        "circular_gap": _rows(plain, shifted, [f"{down}-circular-gap" for down in DOWNS]),
        "circular_gap_shifted": _shifted(plain, shifted, "circular-gap"),
        "textbook": _rows(plain, shifted, [f"{down}-zero-flatten" for down in DOWNS if down != "none"]),
        "textbook_shifted": _shifted(plain, shifted, "zero-flatten"),
        "caption": caption(
            records, " Networks trained on images as they are; dashed, softmax regression; no mark, not trained."
        ),
    }


Networks = dict[str, list[dict[str, Any]]]


def _by_network(records: Records, suffix: str) -> Networks:
    found: Networks = {}
    for record in records:
        network = record["network"]
        if network.endswith("-shifted") == bool(suffix):
            found.setdefault(network.removesuffix("-shifted"), []).append(record)
    return found


def _agreement(records: Records) -> str:
    equal, measured = agreeing(records)
    return (
        f"The shifts that leave the output alone were computed from the layers for all networks, and measured on the "
        f"trained weights of {measured}: they are the same for {equal} of them."
    )


def _groups(networks: Networks) -> str:
    rows = []
    for down in DOWNS:
        for padding in PADDINGS:
            cells = [networks.get(f"{down}-{padding}-{readout}", []) for readout in READOUTS]
            rows.append([TITLES[down], padding, *map(_group, cells)])
    return table(["downsampling", "padding", *READOUTS], rows)


def _rows(plain: Networks, shifted: Networks, names: Sequence[str]) -> str:
    head = ["downsampling", "invariant under", "accuracy", "circular consistency", "crop consistency"]
    head += ["accuracy, shifted training", "consistency, shifted training"]
    rows = []
    for name in names:
        here, there = plain.get(name, []), shifted.get(name, [])
        rows.append(
            [
                TITLES[name.split("-")[0]],
                _group(here),
                *(estimate(here, key) for key in ("accuracy", "circular_consistency", "crop_consistency")),
                *(estimate(there, key) for key in ("accuracy", "circular_consistency")),
            ]
        )
    rows.append(["softmax regression", "–", percent(linear_accuracy("subset")), *["–"] * 4])
    return table(head, rows)


COMPARED = {
    "accuracy": "accuracy",
    "circular_consistency": "circular consistency",
    "crop_consistency": "crop consistency",
}


def _pair_in_words(plain: Networks) -> str:
    """Strides and max pooling under circular padding and global average pooling, in a sentence."""
    stride, most = plain.get("stride-circular-gap", []), plain.get("max-circular-gap", [])
    if not stride or not most:
        return "–"
    gaps = {key: difference(most, stride, key) for key in COMPARED}
    return (
        "With circular padding and global average pooling the strided network is right on "
        f"{mean(stride, 'accuracy')} % of the test images and the max-pooling one on "
        f"{mean(most, 'accuracy')} %, a difference of {gaps['accuracy']} points; under two circular shifts the "
        f"former answers {mean(stride, 'circular_consistency')} % alike and the latter "
        f"{mean(most, 'circular_consistency')} %, a difference of {gaps['circular_consistency']}."
    )


def _differences(plain: Networks, shifted: Networks) -> str:
    """Max pooling minus strides, a row for each padding, readout and training, and how many intervals exclude 0."""
    rows: list[list[str]] = []
    found: dict[str, list[Difference]] = {key: [] for key in COMPARED}
    for training, networks in (("as they are", plain), ("shifted", shifted)):
        for padding in PADDINGS:
            for readout in READOUTS:
                most, stride = (networks.get(f"{down}-{padding}-{readout}", []) for down in ("max", "stride"))
                if len(most) < 2 or len(stride) < 2:
                    continue
                gaps = {key: difference(most, stride, key) for key in COMPARED}
                for key, gap in gaps.items():
                    found[key].append(gap)
                rows.append([padding, readout, training, *map(str, gaps.values())])
    clear = {key: [gap.mean > 0 for gap in gaps if gap.excludes_zero] for key, gaps in found.items()}
    counts = [
        f"{title}, {sum(clear[key])} for max pooling and {len(clear[key]) - sum(clear[key])} for strides"
        for key, title in COMPARED.items()
    ]
    head = ["padding", "readout", "training images", *COMPARED.values()]
    return f"{table(head, rows)}\n\nIntervals that exclude 0, of {len(rows)}: {'; '.join(counts)}."


def _readout_differences(plain: Networks) -> str:
    """What a global maximum or a flatten readout is right on beyond a global mean, with circular padding."""
    rows: list[list[str]] = []
    found: list[tuple[Difference, ...]] = []
    for down in DOWNS:
        gap, largest, flat = (plain.get(f"{down}-circular-{readout}", []) for readout in ("gap", "gmp", "flatten"))
        if min(map(len, (gap, largest, flat))) < 2:
            continue
        found.append(tuple(difference(*pair, "accuracy") for pair in ((largest, gap), (flat, gap), (flat, largest))))
        rows.append([TITLES[down], *map(str, found[-1])])
    names = ("maximum − mean", "flatten − mean", "flatten − maximum")
    said = [f"{name}: {tally(gaps)}." for name, gaps in zip(names, zip(*found, strict=True), strict=False)]
    return f"{table(['downsampling', *names], rows)}\n\nBy column, {' '.join(said)}"


def _shifted(plain: Networks, shifted: Networks, setting: str) -> str:
    """What training on shifted images changes in the networks of a setting that do not keep all shifts."""
    pairs = [(shifted.get(f"{down}-{setting}", []), plain.get(f"{down}-{setting}", [])) for down in DOWNS]
    pairs = [(one, other) for one, other in pairs if shared_seeds(one, other) > 1 and one[0]["computed"] != "Z × Z"]
    if not pairs:
        return "–"
    consistent = [values(one, "circular_consistency") for one, _ in pairs]
    gaps = {key: [difference(*pair, key) for pair in pairs] for key in ("circular_consistency", "accuracy")}
    return (
        f"Training on shifted images, in these {in_words(len(pairs))} networks without all shifts: circular "
        f"consistency minus that without, {tally(gaps['circular_consistency'])}; it comes to "
        f"{between([c.mean() for c in consistent])} in the mean, and to all images in "
        f"{in_words(sum(c.max() == 1 for c in consistent))} of them. Accuracy on images as they are, minus that "
        f"without: {tally(gaps['accuracy'])}."
    )


def _linear(plain: Networks) -> str:
    """The linear baseline, and how many networks it is ahead of."""
    judged = linear_accuracy("subset")
    below = {name for name, found in plain.items() if values(found, "accuracy").mean() < judged}
    mean_of = {name for name in plain if name.endswith("circular-gap")}
    return (
        f"Softmax regression on the pixels of the same images is right on {percent(judged)} % of the test images. The "
        f"means of {len(below)} of the {len(plain)} networks trained on images as they are lie below that, among them "
        f"those of {len(below & mean_of)} of the {len(mean_of)} with circular padding and a global mean."
    )


def _group(records: Records) -> str:
    """The shifts that leave the output alone."""
    return group_text(records[0]["computed"]) if records else "–"


SETTINGS = {
    "circular-gap": "circular, mean",
    "circular-gmp": "circular, maximum",
    "circular-flatten": "circular, flatten",
    "circular-conv": "circular, convolution",
    "zero-gap": "zero, mean",
    "zero-flatten": "zero, flatten",
    "reflect-gap": "reflect, mean",
}
"""Padding and readout of what was trained, in the order in which the figure shows it."""


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy and circular consistency, a row for each way down, a row of panels for each padding and readout."""
    networks = _by_network(records, "")
    path = folder / "fcn_vs_maxpool.png"
    with drawing(path, 8.5, 14) as figure:
        panels = figure.subplots(len(SETTINGS), 2, sharey=True, sharex="col")
        for row, (setting, name) in zip(panels, SETTINGS.items(), strict=True):
            for panel, key in zip(row, COMPARED, strict=False):
                found = {down: networks.get(f"{down}-{setting}", []) for down in DOWNS}
                dots(panel, [(TITLES[d], 100 * values(r, key), style(d)) for d, r in found.items()], within=PERCENT)
                panel.set_title(f"padding and readout: {name}", fontsize=10)
            linear(row[0], 100 * linear_accuracy("subset"), flat=True)
        for panel, title in zip(panels[-1], COMPARED.values(), strict=False):
            panel.set_xlabel(f"{title}, % of test images")
        figure.legend(handles=handles([LINEAR]), loc="outside upper right")
    return [path]
