"""What sliding windows do with arrays: nodes picked along an axis, padding, tiles, phases and taps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from equinet.ops.transposes import with_transposes
from equinet.symmetry.windows import FILL, Window, pad_table

_MOST_READERS = 8


"""Of one node, up to which they are added up one by one."""


def pick(x: jax.Array, axis: int, places: np.ndarray) -> jax.Array:
    """`y[i] = x[places[i]]` along an array axis, 0 where `places[i]` is FILL.

    A gather from known places becomes part of the loop that reads it; slices that are put together branch at every
    entry. Its transpose picks too, unless some node is read many times: what JAX derives scatters.
    """
    n = x.shape[axis]
    if np.array_equal(places, np.arange(n)):
        return x
    if places[0] != FILL and np.array_equal(places, np.arange(len(places)) + places[0]):
        return jax.lax.slice_in_dim(x, int(places[0]), int(places[-1]) + 1, axis=axis)
    if np.unique(places[places != FILL], return_counts=True)[1].max(initial=0) > _MOST_READERS:
        return _taken(x, axis, places)
    return _picking(axis, n, tuple(np.asarray(places).tolist()))(x)


def _taken(x: jax.Array, axis: int, places: np.ndarray) -> jax.Array:
    inside = (places != FILL).reshape(-1, *(1,) * (x.ndim - 1 - axis))
    y = jnp.take(x, np.where(places == FILL, 0, places), axis=axis, mode="clip")
    return y if inside.all() else jnp.where(inside, y, jnp.zeros((), x.dtype))


@lru_cache(maxsize=1 << 10)
def _picking(axis: int, n: int, places: tuple[int, ...]) -> Callable[[jax.Array], jax.Array]:
    """`pick` from n nodes, with its transpose."""
    rows = np.asarray(places)

    def transpose(u: jax.Array) -> jax.Array:
        parts = [pick(u, axis, readers) for readers in _readers(rows, n)]
        return sum(parts[1:], start=parts[0])

    return with_transposes(lambda x: _taken(x, axis, rows), {0: transpose})


def _readers(places: np.ndarray, n: int) -> list[np.ndarray]:
    """For each of n nodes the first place that reads it, or FILL; then the second, and so on."""
    found = []
    left = np.asarray(places).copy()
    while not found or (left != FILL).any():
        nodes, first = np.unique(left, return_index=True)
        rows = np.full(n, FILL)
        rows[nodes[nodes != FILL]] = first[nodes != FILL]
        left[first] = FILL
        found.append(rows)
    return found


def pad_axis(x: jax.Array, axis: int, lo: int, hi: int, mode: str, value: float = 0.0) -> jax.Array:
    """Pad one array axis as `pad_table` says; constants are `value`."""
    if lo == hi == 0:
        return x
    if mode in ("circular", "reflect", "edge"):
        return pick(x, axis, pad_table(x.shape[axis], lo, hi, mode))
    widths = [(0, 0)] * x.ndim
    widths[axis] = (lo, hi)
    return jnp.pad(x, widths, constant_values=jnp.asarray(value, x.dtype))


def pad_input(x: jax.Array, readings: Sequence[Window], value: float = 0.0) -> jax.Array:
    """Pad every spatial axis as its window asks; zero padding beyond the last window's reach is kept."""
    for axis, window in enumerate(readings, start=1):
        lo, hi = window.border(x.shape[axis])
        x = pad_axis(x, axis, lo, hi, window.mode, value)
    return x


def split_tiles(x: jax.Array, sides: Sequence[int]) -> jax.Array:
    """`[batch, *spatial, channels]` to `[batch, n₁, s₁, n₂, s₂, …, channels]` with `x[s i + o]` at (i, o).

    Axis by axis: under explicit sharding no reshape may split two.
    """
    for axis, s in zip(range(1, 2 * len(sides), 2), sides, strict=True):
        x = x.reshape(*x.shape[:axis], x.shape[axis] // s, s, *x.shape[axis + 1 :])
    return x


def merge_tiles(x: jax.Array, dim: int) -> jax.Array:
    """The inverse of `split_tiles`."""
    for axis in range(1, dim + 1):
        x = jax.lax.collapse(x, axis, axis + 2)
    return x


def phases(x: jax.Array, axis: int, stride: int) -> list[jax.Array]:
    """The polyphase components `x[stride · i + o]` along an axis whose size is a multiple of the stride.

    By reshaping: strided slices are several times slower on a CPU, and their transposes more so.
    """
    if stride == 1:
        return [x]
    if x.shape[axis] == stride:
        return [jax.lax.slice_in_dim(x, o, o + 1, axis=axis) for o in range(stride)]
    split = x.reshape(*x.shape[:axis], -1, stride, *x.shape[axis + 1 :])
    return [jax.lax.index_in_dim(split, o, axis + 1, keepdims=False) for o in range(stride)]


def taps(x: jax.Array, axis: int, window: Window, value: float = 0.0) -> list[jax.Array]:
    """The taps of a window at all its places along an axis: `x[s i + d τ − lo]` at i, for each τ.

    Args:
        x: `[batch, *spatial, channels]`.
        axis: of the array.
        window: says how the axis is padded.
        value: of constant padding.
    """
    n = x.shape[axis]
    nodes = window.nodes(n)
    if (nodes == FILL).any():
        lo, hi = window.border(n)
        x = pad_axis(x, axis, lo, hi, window.mode, value)
        nodes = np.arange(len(nodes))[:, None] * window.stride + np.arange(window.kernel) * window.dilation
    return [pick(x, axis, places) for places in nodes.T]
