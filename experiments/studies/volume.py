"""What 3-D U-Nets carry over from one hemisphere of a head to the other."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np

import equinet as eq
from configs.volume import NETWORKS, SEEDS, get_config
from experiments.data import load
from experiments.data.volume import BLOCK
from experiments.demo import short
from experiments.markdown import percent, table
from experiments.metrics import answers
from experiments.settings import Settings
from experiments.summary import Records, agreeing, by_network, extent, group_text, spread, values
from experiments.train import Outcome

TRAINED = True
TITLES = {
    "max": "max pooling, zero",
    "stride": "stride, zero",
    "aps": "APS, zero",
    "max_circular": "max pooling, circular",
    "aps_circular": "APS, circular",
    "max_flip": "max pooling, zero, mirrored training",
    "max_mirror": "max pooling, zero, reflection built in",
}
SMALL = 8
"""Size of the torus that trained networks are measured on: twice the total stride."""
ACROSS = -2
"""The axis of inputs that crosses the hemispheres."""


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for seed in SEEDS:
        for network in NETWORKS:
            config = get_config(network)
            config.seed = seed
            yield f"{network}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The group that moves the labels, computed and measured, and how the brain found in a block and in its mirror
    image differ."""
    made: dict[str, Any] = {"network": run.name}
    small = eq.torus(SMALL, SMALL, SMALL)
    asked = {"plane": eq.plane(3), "torus": eq.torus(BLOCK, BLOCK, BLOCK), "small": small}
    for name, domain in asked.items():
        made[f"computed_{name}"] = short(eq.certify(outcome.net, domain).strict)
    if run.seed == SEEDS[0]:
        found = eq.discover(outcome.net.bind(outcome.variables), small, key=run.seed, progress=False)
        made["measured_small"] = short(found.strict)
    dataset = load(run.dataset, run.data_dir or None, run.size)
    inputs, targets = dataset.test.arrays()
    still, mirrored = (
        answers(outcome.net.apply, outcome.variables, x, batch=8)[0] for x in (inputs, np.flip(inputs, ACROSS))
    )
    back = np.flip(mirrored, -1)
    return made | {
        "dice": dice(still, targets),
        "dice_mirrored": dice(back, targets),
        "mirror_equivariance": float((still == back).mean()),
        "dice_by_intensity": dice_by_intensity(dataset.train.arrays(), (inputs, targets)),
    }


def dice(found: np.ndarray, expected: np.ndarray) -> float:
    """2 |found ∩ expected| / (|found| + |expected|) of two masks.

    >>> dice(np.array([1, 1, 0]), np.array([1, 0, 0]))
    0.6666666666666666
    """
    return float(2 * (found * expected).sum() / max(found.sum() + expected.sum(), 1))


def dice_by_intensity(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    """Dice on the test split of the interval of intensities that does best on the training split."""
    levels, marks = np.rint((train[0][..., 0] + 1) * 127.5).astype(int), train[1]
    brain, other = (np.cumsum(np.bincount(levels[marks == label], minlength=256)) for label in (1, 0))
    below = [np.concatenate([[0], counts]) for counts in (brain, other)]
    hits, wrong = (counts[None, 1:] - counts[:-1, None] for counts in below)
    scores = np.triu(2 * hits / np.maximum(hits + wrong + brain[-1], 1))
    low, high = np.unravel_index(scores.argmax(), scores.shape)
    asked = np.rint((test[0][..., 0] + 1) * 127.5)
    return dice(((asked >= low) & (asked <= high)).astype(int), test[1])


def tables(records: Records) -> dict[str, str]:
    equal, measured = agreeing(records, "computed_small", "measured_small")
    return {
        "extent": extent(records),
        "agreement": f"On the torus of {SMALL}³ nodes the group was computed, and measured on the trained weights of "
        f"{measured} networks: the two are the same for {equal} of them.",
        "groups": _groups(records),
        "brain": _brain(records),
        "baseline": f"The best interval of intensities, chosen on the training half, reaches a Dice of "
        f"{percent(records[0]['dice_by_intensity'])} % on the other.",
    }


def _groups(records: Records) -> str:
    networks = by_network(records)
    rows = [
        [title, *(group_text(networks[name][0][f"computed_{domain}"]) for domain in ("plane", "torus"))]
        for name, title in TITLES.items()
        if name in networks
    ]
    return table(["network", "unbounded space", f"torus of {BLOCK}³"], rows)


def _brain(records: Records) -> str:
    networks = by_network(records)
    keys = ("mean_iou", "dice", "dice_mirrored", "mirror_equivariance", "shift_equivariance")
    rows = [
        [title, *(spread(networks[name], key) for key in keys)] for name, title in TITLES.items() if name in networks
    ]
    head = ["network", "mIoU", "Dice", "Dice, blocks mirrored", "mirror equivariance", "shift equivariance"]
    return table(head, rows)


def figures(records: Records, folder: Path) -> list[Path]:
    """Dice as it is and mirrored, and the two equivariances, a row for each network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    found = by_network(records)
    networks = {title: found[name] for name, title in TITLES.items() if name in found}
    dices = {"dice": "blocks as they are", "dice_mirrored": "mirrored, answer put back"}
    shares = {"shift_equivariance": "under cyclic shifts", "mirror_equivariance": "under the mirror"}
    for panel, keys, label in ((left, dices, "Dice, %"), (right, shares, "% of voxels labelled alike")):
        for (key, title), marker, offset in zip(keys.items(), "oD", (-0.12, 0.12), strict=True):
            x = [value for runs_of in networks.values() for value in 100 * values(runs_of, key)]
            y = [place + offset for place, runs_of in enumerate(networks.values()) for _ in runs_of]
            panel.plot(x, y, marker, markersize=7, label=title)
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, ncols=2, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    left.set_yticks(range(len(networks)), networks, fontsize=9)
    left.invert_yaxis()
    path = folder / "volume.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return [path]
