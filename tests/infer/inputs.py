"""Inputs that find what Gaussian ones cannot: tied, few-valued, sparse, positive, large, integer, signed zeros."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Every entry different, with a scale and an offset of their own for each example."""
    some = (shape[0], *(1,) * (len(shape) - 1))
    x = rng.standard_normal(shape) * rng.uniform(0.5, 1.5, some)
    return x + rng.standard_normal((shape[0], *(1,) * (len(shape) - 2), shape[-1]))


def few_valued(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Two or three of −1, 0 and 1."""
    sets = ((-1.0, 0.0), (0.0, 1.0), (-1.0, 1.0), (-1.0, 0.0, 1.0))
    return np.stack([rng.choice(sets[i % len(sets)], shape[1:]) for i in range(shape[0])])


def blocks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The same, in blocks of two or three nodes along each axis, moved by any number of nodes."""
    x = few_valued(rng, shape)
    for axis in range(1, len(shape) - 1):
        size, shift = int(rng.integers(2, 4)), int(rng.integers(shape[axis]))
        x = x.take(((np.arange(shape[axis]) + shift) % shape[axis]) // size, axis)
    return x


def sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros, and a few entries of either sign."""
    return np.where(rng.random(shape) < min(0.2, 3 / np.prod(shape[1:])), 8 * rng.standard_normal(shape), 0.0)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of many orders of magnitude."""
    return np.exp(2 * rng.standard_normal(shape))


def negative(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Negative, but for one entry here and there."""
    return positive(rng, shape) * np.where(rng.random(shape) < 0.15, 1, -1)


def large(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Whole numbers that small integer types do not hold."""
    return rng.integers(-400, 401, shape).astype(float)


def integer(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Small whole numbers, odd and even."""
    return rng.integers(-6, 7, shape).astype(float)


def quarters(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Multiples of 1/4 around the domain of an arcsine, mostly negative."""
    return rng.integers(-7, 4, shape) / 4


def striped(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A pattern of two to four values along a direction, the same in all channels, one entry changed or none."""
    count, *sizes, channels = shape
    places = np.indices(sizes).reshape(len(sizes), -1)
    x = np.empty((count, places.shape[1], channels))
    for example in x:
        slope, period = rng.integers(0, 3, len(sizes)), int(rng.integers(2, 5))
        example[:] = rng.integers(-2, 3, period)[(slope @ places) % period][:, None]
        if rng.random() < 0.5:
            example[rng.integers(len(example))] += 1
    return x.reshape(shape)


def signed_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0, −0 and 1."""
    return np.asarray([0.0, -0.0, 1.0])[rng.integers(0, 3, shape)]


KINDS: dict[str, Draw] = {
    draw.__name__: draw
    for draw in (
        gaussian,
        few_valued,
        blocks,
        sparse,
        positive,
        negative,
        large,
        integer,
        quarters,
        striped,
        signed_zeros,
    )
}
