"""What the study of published results measures on a trained network, experiment by experiment."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from configs.published import EXAMPLES, GROUPS, ITEM, get_config
from equinet.train.data import Examples, load
from equinet.train.metrics import Share, answers
from equinet.train.networks import smoothed
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome, build_model
from experiments.deformation import deformed, sensitivities, variation
from experiments.demo import short
from experiments.folding import roughness
from experiments.placement import alike
from experiments.turning import Elements, Matrix, invariance_error, turned

MEASURED_SIZES = range(27, 34)
TURNS = Elements(eq.Fibre.trivial("4").group)
QUARTER: Matrix = ((0, -1), (1, 0))
ANGLES = (0, 90, 180, 270)
TURNED_DIGITS, COMPARED_DIGITS = 2000, 100
"""Test digits that accuracies at right angles, and errors at each size, are measured on."""
COMPARED_ITEMS = 200
DEFORMED = 128
"""Test images, as in the paper."""
SIGMAS = (0.0, 0.5, 1.0, 2.0)
UNSEEN = 40_000
"""Training images after the first `EXAMPLES` that make up, with the 10,000 of the test split, the published 50,000."""


def measure(run: Settings, outcome: Outcome) -> dict[str, Any]:
    """What its experiment asks of a network."""
    net = outcome.net
    if not isinstance(net, eq.Sequential):
        raise TypeError(f"a stack is expected, got {net}")
    experiment = run.name.split("-")[0]
    asked = {"pixels": _measure_pixels, "corners": _measure_corners, "deform": _measure_deform}
    found = asked.get(experiment, _measure_digits)(run, net, outcome.variables)
    return {"network": run.name, "experiment": experiment, "epochs": run.epochs, **found}


def _images(run: Settings, size: int | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first test images of a run's data, fewer in a smoke run, and their labels."""
    return _loaded(run.dataset, run.data_dir, size, 32 if run.smoke else count)


@cache
def _loaded(dataset: str, folder: str, size: int | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    return load(dataset, folder or None, size).test.take(count).arrays()


def _fresh(run: Settings, net: eq.Layer) -> Any:
    shape = (run.size, run.size, 1)
    return net.init(jax.random.key(run.seed), shape)


# One pixel more or less


def _measure_pixels(run: Settings, net: eq.Sequential, variables: Any) -> dict[str, Any]:
    """The group on the image, whether the turn about its centre is in it and how far it moves the output, size by size,
    and the accuracy on turned digits."""
    images, labels = _images(run, run.size, TURNED_DIGITS)
    accuracy, moved = {}, images
    for angle in ANGLES:
        right = answers(net.apply, variables, moved)[0] == labels
        accuracy[str(angle)] = Share(float(right.mean()), len(labels)).to_json()
        moved = turned(moved, QUARTER)
    turned_ones = np.mean([accuracy[str(angle)]["value"] for angle in ANGLES[1:]])
    sizes = MEASURED_SIZES[1:3] if run.smoke else MEASURED_SIZES
    both = {group: build_model(replace(run, model=_over(run.name, group))) for group in GROUPS}
    return {
        "computed": short(eq.certify(net, eq.box(run.size, run.size), channels=1).invariance),
        "angles": accuracy,
        "turned": float(turned_ones),
        "lost": float(accuracy["0"]["value"] - turned_ones),
        "sizes": {
            str(size): {
                "trained": _error(run, net, variables, size),
                **{f"computed_{group}": turns(other, size) for group, other in both.items()},
                **{f"fresh_{group}": _error(run, other, _fresh(run, other), size) for group, other in both.items()},
            }
            for size in sizes
        },
    }


def _over(name: str, group: str) -> dict[str, Any]:
    """The arguments of the stack of that name over another group."""
    _, _, down, size = name.split("-")
    return dict(Settings.of(get_config(f"pixels-{group}-{down}-{size}")).model)


@cache
def turns(net: eq.Layer, size: int) -> bool:
    """Whether quarter turns about the centre of a square image leave a network's output alone, by its certificate."""
    about_centre = eq.Isometry(QUARTER, tuple(size - 1 if sum(row) < 0 else 0 for row in QUARTER))
    return about_centre in eq.certify(net, eq.box(size, size), channels=1).invariance


def _error(run: Settings, net: eq.Layer, variables: Any, size: int) -> float:
    return invariance_error(net.apply, variables, _images(run, size, COMPARED_DIGITS)[0], TURNS, run.seed)


# The place of an item


def _measure_corners(run: Settings, net: eq.Sequential, variables: Any) -> dict[str, Any]:
    """Whether the group says that the two corners cannot be told apart, and how far they are apart in the output."""
    padding, step, margin = run.name.split("-")[1:]
    images, _ = _images(run, run.size, 2 * COMPARED_ITEMS)
    return {
        "padding": padding,
        "step": int(step),
        "margin": int(margin),
        "alike": alike(net, run.size, ITEM, (int(margin), int(margin) + int(step))),
        "gap_fresh": _gap(net, _fresh(run, net), images),
        "gap": _gap(net, variables, images),
    }


def _gap(net: eq.Layer, variables: Any, images: np.ndarray) -> float:
    """The root mean square by which outputs for an item in the two corners differ, over that of the outputs."""
    found = np.asarray(jax.jit(net.apply)(variables, jnp.asarray(images)), np.float64)
    return float(np.sqrt(((found[::2] - found[1::2]) ** 2).mean() / (found**2).mean()))


# Deformations


def _measure_deform(run: Settings, net: eq.Sequential, variables: Any) -> dict[str, Any]:
    """Sensitivity of each map and smoothness of the kernels, before and after training, and for other starts."""
    images, _ = _images(run, run.size, DEFORMED)
    moved = deformed(images, run.seed)
    # The trainer draws its weights from the first of three keys.
    fresh = net.init(jax.random.split(jax.random.key(run.seed), 3)[0], (run.size, run.size, 1))
    found: dict[str, Any] = {}
    for when, weights in (("before", fresh), ("after", variables)):
        found[f"sensitivity_{when}"] = sensitivities(net, weights, images, moved)
        found[f"last_{when}"] = found[f"sensitivity_{when}"][-1]
        found[f"variation_{when}"] = float(np.mean(variation(net, weights)))
        found[f"roughness_{when}"] = float(np.mean(roughness(net, weights)))
    if run.name.endswith("plain"):
        starts = {sigma: with_smooth_kernels(fresh, sigma) for sigma in SIGMAS}
        found["starts"] = {f"{s:g}": sensitivities(net, weights, images, moved)[-1] for s, weights in starts.items()}
    return found


def with_smooth_kernels(variables: Any, sigma: float) -> Any:
    """The variables with every kernel of more than a node convolved with a Gaussian; as they are for 0."""

    def smooth(leaf: jax.Array) -> jax.Array:
        return smoothed(leaf, sigma) if sigma and leaf.ndim == 4 and min(leaf.shape[:2]) > 1 else leaf

    return {**variables, "params": jax.tree.map(smooth, variables["params"])}


# Rotated digits


def _measure_digits(run: Settings, net: eq.Sequential, variables: Any) -> dict[str, Any]:
    """The test error on 50,000 digits that nothing was learned from or chosen by."""
    data = load(run.dataset, run.data_dir or None, run.size)
    few = run.smoke
    parts = [data.test.take(32), data.train.take(32, EXAMPLES % len(data.train))] if few else []
    wrong = [_wrong(net, variables, part) for part in parts or (data.test, data.train.take(UNSEEN, EXAMPLES))]
    return {
        "computed": short(eq.certify(net, eq.box(run.size, run.size), channels=1).invariance),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "error": Share(float(np.concatenate(wrong).mean()), sum(map(len, wrong))).to_json(),
    }


def _wrong(net: eq.Layer, variables: Any, examples: Examples, at_once: int = 2000) -> np.ndarray:
    found = []
    for start in range(0, len(examples), at_once):
        inputs, labels = examples.take(at_once, start).arrays()
        found.append(answers(net.apply, variables, inputs)[0] != labels)
    return np.concatenate(found)
