"""What 3-D U-Nets carry over from one hemisphere of a head to the other."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from configs.volume import NETWORKS, SEEDS, get_config
from equinet.train.data import load
from equinet.train.data.volume import BLOCK
from equinet.train.drawing import BLACK, drawing
from equinet.train.metrics import Predict, answers
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome
from experiments.demo import short
from experiments.markdown import percent, scientific, table
from experiments.plots import Look, handles, style
from experiments.seeds import Run, seeded
from experiments.summary import Records, agreeing, between, by_network, extent, group_text

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


def runs() -> Iterable[Run]:
    return seeded(((network, seed) for seed in SEEDS for network in NETWORKS), get_config)


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """The group that moves the labels, computed and measured, how the brain found in a block and in its mirror image
    differ, and how far from equivariant the numbers that labels are read from are, with fresh and with trained weights.
    """
    net, variables = outcome.net, outcome.variables
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    made: dict[str, Any] = {"network": run.name, "parameters": parameters}
    small = eq.torus(SMALL, SMALL, SMALL)
    asked = {"plane": eq.plane(3), "torus": eq.torus(BLOCK, BLOCK, BLOCK), "small": small}
    for name, domain in asked.items():
        made[f"computed_{name}"] = short(eq.certify(net, domain, channels=1).strict)
    if run.seed == SEEDS[0]:
        found = eq.discover(net.bind(variables), small, key=run.seed, progress=False)
        made["measured_small"] = short(found.strict)
    dataset = load(run.dataset, run.data_dir or None, run.size)
    inputs, targets = dataset.test.arrays()
    still, mirrored = (answers(net.apply, variables, x, batch=8)[0] for x in (inputs, np.flip(inputs, ACROSS)))
    back = np.flip(mirrored, -1)
    fresh = net.init(jax.random.key(run.seed), inputs.shape[1:])
    for when, weights in (("fresh", fresh), ("trained", variables)):
        for move in (mirror, shifted):
            made[f"error_{move.__name__}_{when}"] = equivariance_error(net.apply, weights, inputs, move)
    return made | {
        "dice": dice(still, targets),
        "dice_mirrored": dice(back, targets),
        "mirror_equivariance": float((still == back).mean()),
        "dice_by_intensity": dice_by_intensity(dataset.train.arrays(), (inputs, targets)),
    }


def mirror(blocks: np.ndarray) -> np.ndarray:
    """Blocks `[n, *spatial, c]` with left and right exchanged, about the middle of each."""
    return np.flip(blocks, ACROSS)


def shifted(blocks: np.ndarray) -> np.ndarray:
    """Each of the blocks moved by a cyclic shift of its own, drawn from all of them."""
    rng = np.random.default_rng(0)
    steps = rng.integers(blocks.shape[1:-1], size=(len(blocks), 3))
    return np.stack([np.roll(block, step, (0, 1, 2)) for block, step in zip(blocks, steps, strict=True)])


@jax.default_matmul_precision("highest")
def equivariance_error(
    predict: Predict, variables: Any, inputs: np.ndarray, move: Callable[[np.ndarray], np.ndarray], batch: int = 8
) -> float:
    """How far a map's outputs are from moving with its inputs, relative to how far they spread.

    `(Σ ‖f(g·x) − g·f(x)‖² / Σ ‖f(x) − f̄‖²)^½` over blocks x and their nodes, g what `move` does to a block, f̄ the mean
    of each output channel: 0 for an equivariant map, √2 where two answers have nothing to do with each other.
    """
    parts: list[list[np.ndarray]] = [
        [np.asarray(apply(variables, jnp.asarray(x[at : at + batch])), np.float64) for at in range(0, len(x), batch)]
        for apply in (jax.jit(predict),)
        for x in (inputs, move(inputs))
    ]
    still, moved = map(np.concatenate, parts)
    return float(np.sqrt(np.square(moved - move(still)).sum() / np.square(still - still.mean((0, 1, 2, 3))).sum()))


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
        "odd": _odd(records),
        "groups": _groups(records),
        "alike": _alike(records),
        "labels": _labels(records),
        "errors": _errors(records),
        "caption": "*Equivariance errors of one run each, before training (hollow) and after it (filled). The scale is "
        "logarithmic; what is exactly 0 stands at the left end.*",
    }


def _odd(records: Records) -> str:
    """The networks that were measured to keep more than was computed, and what their labels say."""
    odd = [r for r in records if r.get("measured_small", r["computed_small"]) != r["computed_small"]]
    said = [
        f"{TITLES[r['network']]} was computed to keep `{group_text(r['computed_small'])}` and measured to keep "
        f"`{group_text(r['measured_small'])}`; under random shifts {percent(r['shift_equivariance'])} % of its labels "
        "move with the block"
        for r in odd
    ]
    return f"Where they differ: {'; '.join(said)}." if said else "They differ nowhere."


def _groups(records: Records) -> str:
    networks = by_network(records)
    rows = [
        [title, *(group_text(networks[name][0][f"computed_{domain}"]) for domain in ("plane", "torus"))]
        for name, title in TITLES.items()
        if name in networks
    ]
    return table(["network", "unbounded space", f"torus of {BLOCK}³"], rows)


SHARES = {"mirror_equivariance": "mirror", "shift_equivariance": "shifts"}


def _alike(records: Records) -> str:
    """Which networks label every voxel alike under the mirror, and under shifts, and how many the others do."""
    said = []
    for key, title in SHARES.items():
        every = [TITLES[r["network"]] for r in records if r[key] == 1]
        rest = [r[key] for r in records if r[key] < 1]
        others = f"; in the others {between(rest)} are" if rest else ""
        said.append(f"Under the {title}, all voxels are labelled alike in: {', '.join(every) or 'none'}{others}.")
    return " ".join(said)


def _labels(records: Records) -> str:
    networks = by_network(records)
    rows = [
        [title, *(percent(networks[name][0][key]) for key in SHARES)]
        for name, title in TITLES.items()
        if name in networks
    ]
    return table(["network", "voxels labelled alike, %: mirror", "shifts"], rows)


def _errors(records: Records) -> str:
    networks = by_network(records)
    keys = [f"error_{move}_{when}" for move in MOVES for when in ("fresh", "trained")]
    rows = [
        [title, *(scientific(networks[name][0][key]) for key in keys)]
        for name, title in TITLES.items()
        if name in networks
    ]
    return table(["network", "mirror: fresh weights", "trained", "shifts: fresh weights", "trained"], rows)


MOVES = {"mirror": "under the mirror", "shifted": "under cyclic shifts"}
LEAST = 1e-8
"""Where an error of 0 is drawn."""


def figures(records: Records, folder: Path) -> list[Path]:
    """Both errors before and after training, a row for each network."""
    found = by_network(records)
    names = [name for name in TITLES if name in found]
    path = folder / "volume.png"
    with drawing(path, 9.5, 3.8) as figure:
        panels = figure.subplots(1, len(MOVES), sharey=True, sharex=True)
        for panel, (move, title) in zip(panels, MOVES.items(), strict=True):
            for place, name in enumerate(names):
                fresh, trained = (max(found[name][0][f"error_{move}_{when}"], LEAST) for when in ("fresh", "trained"))
                look = {key: value for key, value in style(name.split("_")[0]).items() if key != "label"}
                panel.plot([fresh, trained], [place, place], color=look["color"], linewidth=1)
                panel.plot(fresh, place, **look, markersize=8, markerfacecolor="white", markeredgewidth=1.2)
                panel.plot(trained, place, **look, markersize=8)
            panel.set_title(title)
            panel.set_xscale("log")
            panel.set_xlabel("error (1: the spread of the output)")
            ticks = [LEAST, 1e-6, 1e-4, 1e-2, 1]
            panel.minorticks_off()
            panel.set_xticks(ticks, ["0", *(f"$10^{{{round(np.log10(tick))}}}$" for tick in ticks[1:])])
        panels[0].set_yticks(range(len(names)), [TITLES[name] for name in names])
        panels[0].invert_yaxis()
        look: Look = {"color": BLACK, "marker": "o", "markeredgewidth": 1.2}
        shown = handles([{**look, "markerfacecolor": "white", "label": "fresh weights"}, {**look, "label": "trained"}])
        figure.legend(handles=shown, loc="outside upper right", ncols=2)
    return [path]
