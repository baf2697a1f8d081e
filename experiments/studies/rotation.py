"""Does a network know a digit when it is turned? Plain and group convolutions, with three ways down."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np

import equinet as eq
from configs.rotation import DATA, DOWNS, GROUPS, SEEDS, SIZE, get_config
from experiments.data import load
from experiments.demo import short
from experiments.markdown import scientific, table
from experiments.metrics import Share, answers
from experiments.settings import Settings
from experiments.summary import Records, agreeing, by_network, extent, spread, values
from experiments.train import Outcome
from experiments.turning import Elements, consistency, invariance_error

TRAINED = True
TITLES = {"stride": "stride", "max": "max pooling", "aps": "APS"}
TESTS = {"upright": "mnist", "right_angles": "rotated_mnist_90", "any_angle": "rotated_mnist"}
TURNS = Elements(eq.Fibre.trivial("4").group)
EVERYTHING = Elements(eq.Fibre.trivial("4mm").group, shifts=True)
IMAGES = 1000
"""Test images that consistency and errors are measured on; accuracies are on all of them."""


def runs() -> Iterable[tuple[str, ml_collections.ConfigDict]]:
    for data in DATA:
        for group in GROUPS:
            for down in DOWNS:
                for seed in SEEDS:
                    config = get_config(f"{data}-{group}-{down}")
                    config.seed = seed
                    yield f"{data}-{group}-{down}-{seed}", config


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """Accuracy on turned digits, consistency under turns and under everything, and what is left alone exactly."""
    net, variables = outcome.net, outcome.variables
    images = _images("mnist")[0][:IMAGES]
    fresh = net.init(jax.random.key(run.seed), (SIZE, SIZE, 1))
    made: dict[str, Any] = {
        "network": run.name,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "computed": short(_computed(net)),
        **{f"accuracy_{name}": _accuracy(outcome, data) for name, data in TESTS.items()},
        "consistency_turns": consistency(net.apply, variables, images, TURNS, run.seed).to_json(),
        "consistency_everything": consistency(net.apply, variables, images, EVERYTHING, run.seed).to_json(),
        "error_turns_before": invariance_error(net.apply, fresh, images, TURNS, run.seed),
        "error_turns": invariance_error(net.apply, variables, images, TURNS, run.seed),
        "error_everything_before": invariance_error(net.apply, fresh, images, EVERYTHING, run.seed),
        "error_everything": invariance_error(net.apply, variables, images, EVERYTHING, run.seed),
    }
    if run.seed == SEEDS[0]:
        found = eq.discover(net.bind(variables), eq.torus(SIZE, SIZE), key=0, progress=False)
        made["measured"] = short(found.invariance)
    return made


@cache
def _computed(net: eq.Layer) -> eq.SpaceGroup:
    return eq.certify(net, eq.torus(SIZE, SIZE)).invariance


@cache
def _images(data: str) -> tuple[np.ndarray, np.ndarray]:
    """The test images of a data set, and their labels."""
    examples = load(data, None, SIZE).test
    rows = [examples[place] for place in range(len(examples))]
    return np.stack([row["input"] for row in rows]), np.asarray([row["target"] for row in rows])


def _accuracy(outcome: Outcome, data: str) -> dict[str, Any]:
    images, labels = _images(data)
    found, _ = answers(outcome.net.apply, outcome.variables, images)
    return Share(float((found == labels).mean()), len(labels)).to_json()


def tables(records: Records) -> dict[str, str]:
    equal, measured = agreeing(records)
    return {
        "extent": extent(records),
        "agreement": f"The group that leaves the ten numbers alone was computed from the layers for every network, and "
        f"measured on the trained weights of {measured}: the two are the same for {equal} of them.",
        "parameters": _parameters(records),
        **{data: _of_training(records, data) for data in DATA},
        "errors": _errors(records),
    }


def _rows(records: Records, data: str) -> list[tuple[list[str], Records]]:
    """The group and the way down of each network, with its records."""
    networks = by_network(records)
    named = [(group, down, networks.get(f"{data}-{group}-{down}", [])) for group in GROUPS for down in DOWNS]
    return [([group, TITLES[down]], found) for group, down, found in named if found]


def _parameters(records: Records) -> str:
    counts = {group: sorted({r["parameters"] for r in records if f"-{group}-" in r["network"]}) for group in GROUPS}
    return "Parameters: " + ", ".join(f"{group} {'/'.join(map(str, n))}" for group, n in counts.items() if n) + "."


def _of_training(records: Records, data: str) -> str:
    head = ["convolutions", "down", "invariant under", "upright", "right angles", "any angle"]
    head += ["consistency, turns", "consistency, turns, reflections and shifts"]
    keys = [*(f"accuracy_{name}" for name in TESTS), "consistency_turns", "consistency_everything"]
    rows = [
        [*name, found[0]["computed"], *(spread(found, key) for key in keys)] for name, found in _rows(records, data)
    ]
    return table(head, rows)


def _errors(records: Records) -> str:
    head = ["convolutions", "down", "turns: fresh weights", "trained", "everything: fresh weights", "trained"]
    keys = ("error_turns_before", "error_turns", "error_everything_before", "error_everything")
    rows = [
        [*name, *(scientific(values(found, key).mean()) for key in keys)] for name, found in _rows(records, "upright")
    ]
    return table(head, rows)


def figures(records: Records, folder: Path) -> list[Path]:
    """Accuracy at right angles against upright: groups by colour, ways down by marker, a panel for each training."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    panels = figure.subplots(1, len(DATA), sharex=True, sharey=True)
    colours = {group: f"C{place}" for place, group in enumerate(GROUPS)}
    markers = dict(zip(DOWNS, "osD", strict=True))
    networks = by_network(records)
    for panel, data in zip(panels, DATA, strict=True):
        for group, colour in colours.items():
            for down, marker in markers.items():
                found = networks.get(f"{data}-{group}-{down}", [])
                x, y = (100 * values(found, f"accuracy_{name}") for name in ("upright", "right_angles"))
                panel.plot(x, y, marker, color=colour, markersize=8, alpha=0.8)
        panel.set_title(f"trained {data}")
        panel.set_xlabel("accuracy on upright digits, %")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy at right angles, %")
    handles = [Line2D([], [], color=c, marker="o", ls="", label=group) for group, c in colours.items()]
    handles += [Line2D([], [], color="black", marker=m, ls="", label=TITLES[down]) for down, m in markers.items()]
    panels[-1].legend(handles=handles, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    path = folder / "rotation.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return [path]
