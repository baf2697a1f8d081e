"""What turning, reflecting and shifting images does to a classifier's answers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.train.metrics import Predict, Share, answers

Matrix = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Elements:
    """A group of isometries of a square torus, drawn from uniformly: some point operations, with every shift or none.

    Attributes:
        operations: the point operations, about the centre of the image.
        shifts: whether every shift is in the group too.
    """

    operations: tuple[Matrix, ...]
    shifts: bool = False

    def act(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Each of `images` `[n, size, size, c]`, moved by an element of its own."""
        made = np.empty_like(images)
        which = rng.integers(len(self.operations), size=len(images))
        for number, matrix in enumerate(self.operations):
            made[which == number] = turned(images[which == number], matrix)
        if not self.shifts:
            return made
        steps = rng.integers(images.shape[1], size=(len(images), 2))
        return np.stack([np.roll(one, step, (0, 1)) for one, step in zip(made, steps, strict=True)])


def turned(images: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Square images `[n, size, size, c]`, moved by a point operation about their centre.

    >>> image = np.arange(4).reshape(1, 2, 2, 1)
    >>> turned(image, ((0, -1), (1, 0)))[0, ..., 0].tolist()
    [[1, 3], [0, 2]]
    """
    exchanged = np.swapaxes(images, 1, 2) if matrix[0][0] == 0 else images
    return exchanged[:, :: sum(matrix[0]), :: sum(matrix[1])]


def consistency(predict: Predict, variables: Any, images: np.ndarray, group: Elements, seed: int) -> Share:
    """The share of images that are answered alike under two elements of a group, drawn anew for every image."""
    rng = np.random.default_rng(seed)
    one, other = (answers(predict, variables, group.act(images, rng))[0] for _ in range(2))
    return Share(float((one == other).mean()), len(images))


def invariance_error(predict: Predict, variables: Any, images: np.ndarray, group: Elements, seed: int) -> float:
    """How far elements of a group move the logits, relative to how far images differ in them.

    `(Σ ‖f(g·x) − f(x)‖² / Σ ‖f(x) − f̄‖²)^½` over images x, an element g drawn for each, f̄ the mean of f(x).
    """
    rng = np.random.default_rng(seed)
    plain, moved = (_logits(predict, variables, part) for part in (images, group.act(images, rng)))
    return float(np.sqrt(np.square(moved - plain).sum() / np.square(plain - plain.mean(0)).sum()))


@jax.default_matmul_precision("highest")
def _logits(predict: Predict, variables: Any, images: np.ndarray, batch: int = 250) -> np.ndarray:
    parts: Sequence[np.ndarray] = [
        np.asarray(predict(variables, jnp.asarray(images[start : start + batch])), np.float64)
        for start in range(0, len(images), batch)
    ]
    return np.concatenate(parts)
