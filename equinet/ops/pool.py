"""Maxima and sums over windows of arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np

from equinet.ops.windows import phases, pick, split_tiles, taps
from equinet.symmetry.windows import Window


def slide(
    x: jax.Array, axes: tuple[Window, ...], combine: Callable[[jax.Array, jax.Array], jax.Array], value: float = 0.0
) -> jax.Array:
    """Combine the taps of each window, axis after axis; constant padding is `value`.

    Faster on a CPU than `lax.reduce_window` and its gradient.
    """
    for axis, window in enumerate(axes, start=1):
        x = reduce(combine, taps(x, axis, window, value))
    return x


def spread_windows(x: jax.Array, axis: int, nodes: np.ndarray) -> jax.Array:
    """The windows of an index table `[outputs, largest window]`, their nodes along a new axis; 0 where it says FILL."""
    picked = pick(x, axis, nodes.reshape(-1))
    return picked.reshape(*x.shape[:axis], *nodes.shape, *x.shape[axis + 1 :])


_settled = jax.lax.optimization_barrier


"""Numbers that are computed once.

A derivative looks for the maximum among the numbers that it is of. Where a compiler computes those again in another
loop, they may be rounded otherwise, and none is the maximum: 0 / 0.
"""


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def maximum(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """`x.max(axes)`. Where several entries are the largest, each has its share of the derivative."""
    return x.max(axes)


@maximum.defjvp
def _maximum_jvp(
    axes: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    return jax.jvp(lambda x: x.max(axes), _settled(primals), tangents)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def tile_maximum(x: jax.Array, sides: tuple[int, ...]) -> jax.Array:
    """The maximum of each tile. Where several entries are the largest, each has its share of the derivative.

    The derivative of a chain of maxima takes half as long again.
    """
    for axis, side in enumerate(sides, start=1):
        x = reduce(jnp.maximum, phases(x, axis, side))
    return x


@tile_maximum.defjvp
def _tile_maximum_jvp(
    sides: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    [x], [moved] = _settled(primals), tangents
    y = tile_maximum(x, sides)
    inside = tuple(range(2, 2 * len(sides) + 1, 2))
    tiles, largest = split_tiles(x, sides), jnp.expand_dims(y, inside)
    parts = [x]
    for axis, side in enumerate(sides, start=1):
        parts = [phase for part in parts for phase in phases(part, axis, side)]
    # Small integers are exact in every dtype up to here; bfloat16 has none between 256 and 258.
    largest_of = [(part == y).astype(jnp.float32) for part in parts]
    count = sum(largest_of[1:], start=largest_of[0]).astype(x.dtype)
    along = jnp.where(tiles == largest, split_tiles(moved, sides), jnp.zeros((), x.dtype)).sum(inside)
    return y, along / count
