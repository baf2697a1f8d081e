"""Elements by their numbers, patches, and arrays made from nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.interop.torch.table.arrays import (
    Array,
    Ints,
    Unsupported,
    axis_of,
    cut,
    per_axis,
    ranked,
    wide_kind,
)
from equinet.interop.torch.table.shape import MOST


def index(x: Array, indices: Sequence[Array | None]) -> Array:
    return x[_places(indices)]


def _places(indices: Sequence[Array | None]) -> tuple[Any, ...]:
    """Index arrays in one rank, a whole axis where there is none."""
    given = [i for i in indices if i is not None]
    if any(i.dtype == bool for i in given):
        raise Unsupported("indexing with a mask, of which the data say how many elements it picks: use where")
    rank = max(i.ndim for i in given)
    return tuple(slice(None) if i is None else ranked(i, rank) for i in indices)


def index_select(x: Array, dim: int, index: Array) -> Array:
    return jnp.take(x, index, axis_of(dim, x.ndim), mode="clip")


def index_put(x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False) -> Array:
    at = x.at[_places(indices)]
    values = values.astype(x.dtype)
    return at.add(values) if accumulate else at.set(values)


def gather(x: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    del sparse_grad
    axis = axis_of(dim, x.ndim)
    # PyTorch reads no further along the other axes than the indices reach.
    for other, n in enumerate(index.shape):
        x = x if other == axis else cut(x, other, 0, n)
    return jnp.take_along_axis(x, index, axis, mode="clip")


def embedding(weight: Array, indices: Array, *_: Any) -> Array:
    return jnp.take(weight, indices, 0, mode="clip")


def slice_scatter(
    x: Array, source: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    axis = axis_of(dim, x.ndim)
    end = None if end is None or end >= MOST else end
    place = (*(slice(None),) * axis, slice(start, end, step))
    return x.at[place].set(source.astype(x.dtype))


def select_scatter(x: Array, source: Array, dim: int, index: int) -> Array:
    axis = axis_of(dim, x.ndim)
    at = index % x.shape[axis]
    return slice_scatter(x, jnp.expand_dims(source, axis), axis, at, at + 1)


def unfold_axis(x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows along one axis; their nodes lie along a new last axis."""
    axis = axis_of(dimension, x.ndim)
    count = (x.shape[axis] - size) // step + 1
    if size == step:
        whole = cut(x, axis, 0, count * size)
        return jnp.moveaxis(whole.reshape(*x.shape[:axis], count, size, *x.shape[axis + 1 :]), axis + 1, -1)
    return jnp.stack([cut(x, axis, i, i + step * (count - 1) + 1, step) for i in range(size)], -1)


def im2col(x: Array, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Array:
    """Windows as columns `[batch, channels · k₁ · k₂, windows]`: for each tap, every so many nodes of the input."""
    (k1, k2), (d1, d2), (p1, p2), (s1, s2) = (per_axis(v, 2) for v in (kernel_size, dilation, padding, stride))
    alone = x.ndim == 3
    x = x[None] if alone else x
    x = jnp.pad(x, ((0, 0), (0, 0), (p1, p1), (p2, p2))) if p1 or p2 else x
    batch, channels, n1, n2 = x.shape
    m1, m2 = (n1 - d1 * (k1 - 1) - 1) // s1 + 1, (n2 - d2 * (k2 - 1) - 1) // s2 + 1
    if (k1, k2, d1, d2) == (s1, s2, 1, 1):
        whole = x[:, :, : m1 * k1, : m2 * k2] if (n1, n2) != (m1 * k1, m2 * k2) else x
        taps = jnp.transpose(whole.reshape(batch, channels, m1, k1, m2, k2), (0, 1, 3, 5, 2, 4))
    else:
        rows = [cut(x, 2, i * d1, i * d1 + s1 * (m1 - 1) + 1, s1) for i in range(k1)]
        parts = [cut(row, 3, j * d2, j * d2 + s2 * (m2 - 1) + 1, s2) for row in rows for j in range(k2)]
        taps = jnp.stack(parts, 2)
    y = taps.reshape(batch, channels * k1 * k2, m1 * m2)
    return y[0] if alone else y


def col2im(
    x: Array, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Array:
    """Columns laid back and added up where windows overlap: the transpose of `im2col`."""
    sizes = per_axis(output_size, 2)
    (k1, k2), (d1, d2), (p1, p2), (s1, s2) = (per_axis(v, 2) for v in (kernel_size, dilation, padding, stride))
    alone = x.ndim == 2
    x = x[None] if alone else x
    n1, n2 = sizes[0] + 2 * p1, sizes[1] + 2 * p2
    m1, m2 = (n1 - d1 * (k1 - 1) - 1) // s1 + 1, (n2 - d2 * (k2 - 1) - 1) // s2 + 1
    batch, channels = x.shape[0], x.shape[1] // (k1 * k2)
    taps = x.reshape(batch, channels, k1, k2, m1, m2)
    if (k1, k2, d1, d2, m1 * k1, m2 * k2) == (s1, s2, 1, 1, n1, n2):
        y = jnp.transpose(taps, (0, 1, 4, 2, 5, 3)).reshape(batch, channels, n1, n2)
    else:
        y = jnp.zeros((batch, channels, n1, n2), x.dtype)
        for i in range(k1):
            for j in range(k2):
                edges = [(0, 0, 0), (0, 0, 0)]
                for at, m, n, step in ((i * d1, m1, n1, s1), (j * d2, m2, n2, s2)):
                    edges.append((at, n - at - step * (m - 1) - 1, step - 1))
                y = y + lax.pad(taps[:, :, i, j], np.zeros((), x.dtype)[()], edges)
    y = cut(cut(y, 2, p1, n1 - p1), 3, p2, n2 - p2)
    return y[0] if alone else y


def _typed(dtype: Any, *values: Any) -> Any:
    """The type of a new array: as asked, or as its numbers are."""
    return dtype if isinstance(dtype, np.dtype) else wide_kind(values)


def arange(*ends: Any, dtype: Any = None) -> Array:
    return jnp.asarray(np.arange(*ends), _typed(dtype, *ends))


def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None) -> Array:
    return jnp.asarray(np.linspace(start, end, steps), _typed(dtype, 0.0))


def full(size: Sequence[int], value: Any, *, dtype: Any = None) -> Array:
    return jnp.full(tuple(size), value, _typed(dtype, value))


def full_like(x: Array, value: Any, *, dtype: Any = None) -> Array:
    return jnp.full(x.shape, value, dtype if isinstance(dtype, np.dtype) else x.dtype)


def _constant(value: float) -> Callable[..., Array]:
    return lambda size, *, dtype=None: full(size, value, dtype=_typed(dtype, 0.0))


def _constant_like(value: float) -> Callable[..., Array]:
    return lambda x, *, dtype=None: full_like(x, value, dtype=dtype)


def _new(value: float) -> Callable[..., Array]:
    return lambda x, size, *, dtype=None: full(size, value, dtype=dtype if isinstance(dtype, np.dtype) else x.dtype)


def eye(n: int, m: int | None = None, *, dtype: Any = None) -> Array:
    return jnp.eye(n, m, dtype=_typed(dtype, 0.0))


def scalar_tensor(value: Any, *, dtype: Any = None) -> Array:
    return jnp.asarray(value, _typed(dtype, 0.0))


TABLE: dict[str, Callable[..., Any]] = {
    "index": index,
    "_unsafe_index": index,
    "index_select": index_select,
    "index_put": index_put,
    "gather": gather,
    "take_along_dim": lambda x, index, dim: jnp.take_along_axis(x, index, axis_of(dim, x.ndim), mode="clip"),
    "embedding": embedding,
    "slice_scatter": slice_scatter,
    "select_scatter": select_scatter,
    "unfold": unfold_axis,
    "im2col": im2col,
    "col2im": col2im,
    "arange": arange,
    "linspace": linspace,
    "full": full,
    "full_like": full_like,
    "new_full": lambda x, size, value, *, dtype=None: full(size, value, dtype=_typed(dtype, x)),
    "zeros": _constant(0),
    "ones": _constant(1),
    "empty": _constant(0),
    "zeros_like": _constant_like(0),
    "ones_like": _constant_like(1),
    "empty_like": _constant_like(0),
    "new_zeros": _new(0),
    "new_ones": _new(1),
    "new_empty": _new(0),
    "eye": eye,
    "scalar_tensor": scalar_tensor,
}
"""Operations by name: elements picked or set by position, and new arrays."""
