"""Inputs to measure on: standard normal ones, and of the kinds on which a claim may fail that holds on those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import shown
from equinet.groups import Isometry, SpaceGroup, axis_images
from equinet.verify.act import channel_sources

NORMAL = "normal"
KINDS = ("few-valued", "large", "sparse", "negative", "tied", "positive", "dithered")
"""The kinds drawn beside normal inputs, in the order in which they are left out where there are few examples."""

FEW_VALUED = ("few-valued", "sparse", "tied", "dithered")
"""Those with equal values, which may be left as they are by an isometry."""

TOLD_APART = ("few-valued", "tied", "dithered")
"""Those whose equal values differ once they are nudged; zeros do not."""

SETTLED = 6
"""The least number of normal examples from which noise and variation are read."""

LARGE = 1e4
"""How much larger than normal inputs the large ones are, if the type's range allows it."""


@dataclass(frozen=True)
class Inputs:
    """Batches to measure on.

    Attributes:
        batches: `[entries, batch, P, C]`.
        nudged: the first of them, every entry moved by one unit in the last place, as many as elements are tested on.
        kinds: of each example, `[entries, batch]`.
        normal: normal inputs and their nudged copies, to take the place of those on which a function is not defined.
    """

    batches: np.ndarray
    nudged: np.ndarray
    kinds: np.ndarray
    normal: tuple[np.ndarray, np.ndarray]

    @property
    def bank(self) -> np.ndarray:
        """The batches, then the nudged ones."""
        return np.concatenate([self.batches, self.nudged])

    @property
    def generic(self) -> np.ndarray:
        """The examples from which noise and variation are read, `[entries, batch]`."""
        return self.kinds == NORMAL

    @property
    def louder(self) -> np.ndarray:
        """By how much each example is larger than the normal ones, at least 1, `[entries, batch]`."""
        size = np.abs(self.batches.astype(np.float64)).mean(axis=(2, 3))
        return np.maximum(1.0, size / (size[self.generic].mean() or 1.0))

    def entries_of(self, *kinds: str) -> list[int]:
        """The entries that hold inputs of some kinds, or the first if none does."""
        return np.flatnonzero(np.isin(self.kinds, kinds).any(axis=1)).tolist() or [0]

    def without(self, undefined: np.ndarray) -> Inputs:
        """The same with normal inputs in place of some."""
        batches, nudged, kinds = self.batches.copy(), self.nudged.copy(), self.kinds.copy()
        batches[undefined], kinds[undefined] = self.normal[0][undefined], NORMAL
        undefined = undefined[: len(nudged)]
        nudged[undefined] = self.normal[1][: len(nudged)][undefined]
        return Inputs(batches, nudged, kinds, self.normal)


def draw(key: jax.Array | int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Standard normal batches of a shape, then each with every entry moved by one unit in the last place.

    Drawn on the host from the words of the key: nothing is compiled.
    """
    rng = np.random.default_rng(words(key))
    x = rng.normal(size=shape).astype(dtype)
    return np.concatenate([x, _nudged(x, rng.choice([-1.0, 1.0], size=shape).astype(dtype))])


def words(key: jax.Array | int) -> list[int]:
    """The numbers that a key is made of."""
    if isinstance(key, int):
        return [(key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF]
    return np.asarray(jax.random.key_data(key)).ravel().tolist()


def _nudged(x: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return x + x * signs * np.asarray(jnp.finfo(x.dtype).eps, x.dtype)


def drawn(key: jax.Array | int, trials: int, batch: int, sizes: tuple[int, ...], channels: int, dtype: Any) -> Inputs:
    """`trials` batches in which up to half of the examples, the last ones, are of other kinds than normal.

    Normal batches follow, none of which is nudged, until there are `SETTLED` normal examples.
    """
    special = KINDS[: trials * batch // 2]
    more = max(0, -(-(SETTLED - trials * batch + len(special)) // batch))
    points = int(np.prod(sizes))
    normal, copies = np.split(draw(key, (trials + more, batch, points, channels), dtype), 2)
    batches, nudged = normal.copy(), copies[:trials].copy()
    kinds = np.full((trials + more, batch), NORMAL, dtype="<U10")
    rng = np.random.default_rng([*words(key), 1])
    for at, kind in enumerate(special):
        place = divmod(trials * batch - len(special) + at, batch)
        example = _example(rng, kind, sizes, normal[place].astype(np.float64), dtype)
        if example is None:
            continue
        batches[place], kinds[place] = example.astype(dtype), kind
        nudged[place] = _nudged(batches[place], rng.choice([-1.0, 1.0], size=example.shape).astype(dtype))
    return Inputs(batches, nudged, kinds, (normal, copies))


def given(inputs: Any, trials: int, batch: int, sizes: tuple[int, ...], channels: int, dtype: Any) -> Inputs:
    """Batches of the user's own examples: of many, some that are spread evenly over them; all in turn, if they are few.

    Raises:
        ValueError: if they are not `[n, *sizes, channels]`, or not finite.
    """
    try:
        x = np.asarray(inputs)
    except (RecursionError, TypeError, ValueError):
        x = np.asarray(None)
    if not np.issubdtype(x.dtype, np.number) and x.dtype != bool:
        raise ValueError(f"inputs are an array of numbers; got {shown(inputs)}")
    if x.ndim != len(sizes) + 2 or x.shape[1:] != (*sizes, channels) or not len(x):
        wanted = ", ".join(map(str, (*sizes, channels)))
        raise ValueError(f"inputs are examples [n, {wanted}]; got shape {x.shape}")
    count, n = trials * batch, len(x)
    taken = x[np.arange(count) % n if n <= count else np.arange(count) * n // count]
    if not np.isfinite(taken).all():
        raise ValueError("inputs hold NaN or inf")
    batches = taken.astype(dtype).reshape(trials, batch, -1, channels)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=batches.shape).astype(dtype)
    kinds = np.full((trials, batch), NORMAL, dtype="<U10")
    nudged = _nudged(batches, signs)
    return Inputs(batches, nudged, kinds, (batches, nudged))


def _example(
    rng: np.random.Generator, kind: str, sizes: tuple[int, ...], x: np.ndarray, dtype: Any
) -> np.ndarray | None:
    """An example `[P, C]` of a kind from a normal one, or None if the grid has none."""
    if kind == "few-valued":
        return rng.integers(-2, 3, size=x.shape)
    if kind == "large":
        return x * min(LARGE, float(jnp.finfo(dtype).max) ** 0.4)
    if kind == "sparse":
        kept = rng.permutation(len(x)) < min(max(3, len(x) // 10), -(-len(x) // 2))
        return np.where(kept[:, None], x, 0.0)
    if kind == "negative":
        return -np.abs(x)
    if kind == "positive":
        return np.abs(x)
    return _tied(rng, sizes, x) if kind == "tied" else _dithered(rng, sizes, x)


def _tied(rng: np.random.Generator, sizes: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """The same values in every polyphase component, in another order in each: all norms are equal.

    Values are multiples of 1/16, whose squares are summed without rounding.
    """
    factors = [next((p for p in (2, 3) if n % p == 0), 1) for n in sizes]
    phase = np.zeros(sizes, int)
    for places, factor in zip(np.indices(sizes), factors, strict=True):
        phase = phase * factor + places % factor
    result = np.empty_like(x)
    count = len(x) // int(np.prod(factors))
    for component in range(int(np.prod(factors))):
        result[np.flatnonzero(phase.ravel() == component)] = np.round(16 * x[rng.permutation(count)]) / 16
    return result


def _dithered(rng: np.random.Generator, sizes: tuple[int, ...], x: np.ndarray) -> np.ndarray | None:
    """Two values in a pattern whose nodes all have equally many neighbours of each: an equitable colouring.

    On fewer than 12 nodes most such patterns are fixed by an isometry that exchanges components.
    """
    if len(sizes) != 2 or (around := gcd(*sizes)) % 4 or around < 12:
        return None
    flipped = np.empty(around, int)
    for parity in (0, 1):
        # Equally many on even and odd diagonals, so that the components have equal norms.
        flipped[parity::2] = rng.permutation(np.arange(around // 2) < around // 4)
    i, j = np.indices(sizes)
    values = np.round(16 * x[:2]) / 16
    values[1] += values[0] == values[1]
    return values[((i + flipped[(i + j) % around]) % 2).ravel()]


def stabiliser(x: np.ndarray, sizes: tuple[int, ...], group: SpaceGroup, fibre: Any) -> list[Isometry]:
    """Generators of the elements of a group that leave an example as it is, found by correlation.

    Args:
        x: `[P, C]`.
        sizes: of its grid.
        group: of isometries of that grid.
        fibre: the channels; if it can be called, what point operations do to them.
    """
    found: list[Isometry] = []
    fixing = SpaceGroup.trivial(len(sizes), group.periods)
    for g in _fixing(x.astype(np.float64).reshape(*sizes, -1), group, fibre):
        if g not in fixing:
            found.append(g)
            fixing = SpaceGroup.generate(len(sizes), found, group.periods)
    return found


def _fixing(x: np.ndarray, group: SpaceGroup, fibre: Any) -> Iterator[Isometry]:
    axes, one = tuple(range(x.ndim - 1)), Isometry.identity(x.ndim - 1)
    # One channel leaves few to be compared in full.
    first = x[..., 0]
    spectrum, energy = np.fft.rfftn(first), float((first**2).sum())
    for matrix, _ in group.operations:
        turned = _turned(x, matrix, fibre)
        alike = np.fft.irfftn(spectrum * np.conj(np.fft.rfftn(turned[..., 0])), first.shape, axes)
        for shift in np.argwhere(alike >= energy * (1 - 1e-9)):
            g = Isometry(matrix, tuple(map(int, shift)))
            if g != one and g in group and np.array_equal(np.roll(turned, g.whole_shift, axes), x):
                yield g


def _turned(x: np.ndarray, matrix: Any, fibre: Any) -> np.ndarray:
    """`A·x` on a torus: `(A·x)[A p] = ρ(A) x[p]`."""
    moves: Any = fibre if callable(fibre) else None
    if moves is not None:
        index, sign = channel_sources(moves, matrix)
        x = x[..., index] * sign
    places = np.indices(x.shape[:-1])
    return x[tuple(sign * places[image] % x.shape[image] for image, sign in axis_images(matrix))]
