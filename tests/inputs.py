"""Images on which rules that choose or compare go wrong: few values, equal components, patterns that look alike.

On Gaussian images no two values are equal, so that nothing ties; here almost everything does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import numpy as np

Random = np.random.Generator
Sizes = tuple[int, ...]


def few_valued(rng: Random, sizes: Sizes) -> np.ndarray:
    """Each node one of two or three values."""
    return rng.choice(rng.integers(-2, 3, int(rng.integers(2, 4))) + 0.5, sizes)


def sparse(rng: Random, sizes: Sizes) -> np.ndarray:
    """Zero but for one to three nodes."""
    flat = np.zeros(int(np.prod(sizes)))
    flat[rng.integers(0, flat.size, int(rng.integers(1, 4)))] = 1.0
    return flat.reshape(sizes)


def positive(rng: Random, sizes: Sizes) -> np.ndarray:
    """Positive and of all magnitudes."""
    return np.exp(2 * rng.standard_normal(sizes))


def stripes(rng: Random, sizes: Sizes) -> np.ndarray:
    """A function of one coordinate, or of the sum of all."""
    nodes = np.indices(sizes)
    along = int(rng.integers(0, len(sizes) + 1))
    coordinate, period = (nodes.sum(0), gcd(*sizes)) if along == len(sizes) else (nodes[along], sizes[along])
    return rng.integers(0, 3, period)[coordinate % period] + 1.0


def checkerboard(rng: Random, sizes: Sizes) -> np.ndarray:
    """Two values in turns, in blocks of some size, with a few nodes exchanged."""
    block = int(rng.integers(1, 3))
    board = (np.indices(sizes) // block).sum(0) % 2
    if rng.random() < 0.7:
        board = board ^ (rng.random(sizes) < 0.1)
    return board + 1.0


def dither(rng: Random, sizes: Sizes) -> np.ndarray:
    """A gradient or a constant, compared with a matrix of thresholds that repeats."""
    period = int(rng.integers(2, 5))
    thresholds = rng.permutation(period ** len(sizes)).reshape((period,) * len(sizes)) / period ** len(sizes)
    nodes = np.indices(sizes)
    slope = rng.integers(-1, 2, len(sizes)) / np.asarray(sizes)
    return 1.0 + (rng.random() + np.tensordot(slope, nodes, 1) > thresholds[tuple(nodes % period)])


def shuffled_components(rng: Random, sizes: Sizes) -> np.ndarray:
    """All polyphase components of stride 2 have the same values, in any order or each an image of the first."""
    steps = [2 if n % 2 == 0 else 1 for n in sizes]
    content = rng.integers(0, 3, [n // s for n, s in zip(sizes, steps, strict=True)]) + rng.random()
    made = np.empty(sizes)
    alike = rng.random() < 0.5
    for offset in np.ndindex(*steps):
        part = rng.permutation(content.ravel()).reshape(content.shape)
        if alike:
            axes = [axis for axis in range(content.ndim) if rng.random() < 0.5]
            part = np.roll(np.flip(content, tuple(axes)), rng.integers(0, 9, content.ndim), range(content.ndim))
            part = part.T if part.shape == part.T.shape and rng.random() < 0.5 else part
        made[tuple(slice(o, None, s) for o, s in zip(offset, steps, strict=True))] = part
    return made


def equitable(rng: Random, sizes: Sizes) -> np.ndarray:
    """In the plane, two values so that every node has two neighbours of each: which are where is all that differs.

    `x[i, j] = 1 + (i + φ[(i + j) mod n]) mod 2`: (i + 1, j) and (i, j + 1) differ, and so do (i − 1, j) and (i, j − 1).
    Of φ as many are 1 on even places as on odd ones.
    """
    period = gcd(*sizes)
    phi, half = np.zeros(period, int), period // 2
    ones = (half + int(rng.integers(2))) // 2
    for side in (0, 1):
        phi[side : 2 * half : 2] = rng.permutation(np.arange(half) < ones)
    nodes = np.indices(sizes)
    return 1.0 + (nodes[0] + phi[nodes.sum(0) % period]) % 2


FAMILIES: tuple[Callable[[Random, Sizes], np.ndarray], ...] = (
    equitable,
    shuffled_components,
    few_valued,
    dither,
    stripes,
    checkerboard,
    sparse,
    positive,
)


def structured(rng: Random, sizes: Sizes, channels: int, count: int) -> np.ndarray:
    """Images `[count, *sizes, channels]`, each of one family, which differs from one to the next.

    Channels are of one pattern each, or all of one, with factors of 1 or −1.
    """
    made = np.empty((count, *sizes, channels))
    first = int(rng.integers(len(FAMILIES)))
    for number, image in enumerate(made):
        draw = FAMILIES[(first + number) % len(FAMILIES)]
        same = draw(rng, sizes)
        alone = rng.random() < 0.5
        for channel in range(channels):
            image[..., channel] = rng.choice([-1.0, 1.0, 1.0]) * (draw(rng, sizes) if alone else same)
    return made
