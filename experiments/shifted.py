"""How often a classifier is right on images that are shifted by a given distance."""

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

import equinet as eq
from equinet.train.data import Dataset
from equinet.train.metrics import Predict, Share, answers, in_parts

Border = Literal["circular", "background"]
Drawn = Callable[[np.random.Generator, int], np.ndarray]
"""`(random numbers, n) -> shifts [n, d]`."""


def shifts_at(distance: int, dim: int = 2) -> np.ndarray:
    """All shifts whose largest component is `distance`, `[count, dim]`.

    >>> shifts_at(1, 1).tolist(), len(shifts_at(2)), shifts_at(0).tolist()
    ([[-1], [1]], 16, [[0, 0]])
    """
    steps = np.arange(-distance, distance + 1)
    every = np.stack(np.meshgrid(*[steps] * dim, indexing="ij"), -1).reshape(-1, dim)
    return every[np.abs(every).max(1) == distance]


def accuracy_at_distances(
    dataset: Dataset, predict: Predict, variables: Any, distances: tuple[int, ...], border: Border, seed: int
) -> dict[int, Share]:
    """Accuracy on the test split, every image moved by a shift of its own.

    The shift is drawn uniformly from those whose largest component is the distance; see `shifts_at`.

    Args:
        border: whether what leaves an image comes back at its other side, or gives way to background.
        seed: of the shifts; each distance has its own.
    """
    every = {distance: shifts_at(distance, len(dataset.shape) - 1) for distance in distances}
    return {
        distance: _accuracy(dataset, predict, variables, border, (seed, distance), _one_of(shifts))
        for distance, shifts in every.items()
    }


def _one_of(shifts: np.ndarray) -> Drawn:
    return lambda rng, count: rng.choice(shifts, count)


def accuracy_under_all_shifts(dataset: Dataset, predict: Predict, variables: Any, seed: int) -> Share:
    """Accuracy on the test split, every image rolled by a shift drawn from all of its torus."""
    sizes = dataset.shape[:-1]

    def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.integers(0, sizes, (count, len(sizes)))

    return _accuracy(dataset, predict, variables, "circular", (seed,), drawn)


def _accuracy(
    dataset: Dataset,
    predict: Predict,
    variables: Any,
    border: Border,
    seed: tuple[int, ...],
    drawn: Drawn,
) -> Share:
    crop = eq.transforms.Crop(background=dataset.background)
    move = eq.transforms.Circular().move if border == "circular" else crop.move
    rng, right = np.random.default_rng(seed), 0
    for inputs, targets in in_parts(dataset.test):
        shifts = drawn(rng, len(inputs))
        moved = np.asarray(move(jnp.asarray(inputs), shifts))
        right += int((answers(predict, variables, moved)[0] == targets).sum())
    return Share(right / len(dataset.test), len(dataset.test))
