"""Operations that move elements about: axes joined, cut, swapped, laid side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
from jax import lax

from equinet.interop.torch.table.arrays import Array, Ints, axes_of, axis_of, cut, ranked, together

MOST = 1 << 62
"""Ends of slices from here on mean the end of the axis."""


def view(x: Array, shape: Sequence[int]) -> Array:
    return x.reshape(tuple(shape))


def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    first, last = axis_of(start_dim, x.ndim), axis_of(end_dim, x.ndim)
    return x.reshape(*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


def unflatten(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    at = axis_of(dim, x.ndim)
    known = prod(n for n in sizes if n != -1)
    whole = [x.shape[at] // known if n == -1 else n for n in sizes]
    return x.reshape(*x.shape[:at], *whole, *x.shape[at + 1 :])


def permute(x: Array, dims: Sequence[int]) -> Array:
    return jnp.transpose(x, axes_of(dims, x.ndim) if len(dims) else ())


def transpose(x: Array, dim0: int, dim1: int) -> Array:
    return x.swapaxes(axis_of(dim0, x.ndim), axis_of(dim1, x.ndim)) if x.ndim else x


def move(x: Array, source: Ints, destination: Ints) -> Array:
    return jnp.moveaxis(x, axes_of(source, x.ndim), axes_of(destination, x.ndim))


def expand(x: Array, size: Sequence[int], implicit: bool = False) -> Array:
    del implicit
    wide = ranked(x, len(size))
    return jnp.broadcast_to(wide, [m if n == -1 else n for n, m in zip(size, wide.shape, strict=True)])


def repeat(x: Array, repeats: Sequence[int]) -> Array:
    return jnp.tile(ranked(x, max(x.ndim, len(repeats))), tuple(repeats))


def repeat_interleave(x: Array, repeats: int, dim: int | None = None, *, output_size: Any = None) -> Array:
    del output_size
    x, axis = (x.reshape(-1), 0) if dim is None else (x, axis_of(dim, x.ndim))
    wide = jnp.broadcast_to(jnp.expand_dims(x, axis + 1), (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :]))
    return wide.reshape(*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :])


def cat(tensors: Sequence[Array], dim: int = 0) -> Array:
    # An empty vector is left out, whatever the others are.
    given = [x for x in tensors if x.shape != (0,)] or list(tensors[:1])
    return jnp.concatenate(together(*given), axis_of(dim, given[0].ndim))


def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    return jnp.stack(together(*tensors), axis_of(dim, tensors[0].ndim + 1))


def split_sizes(x: Array, sizes: Sequence[int], dim: int = 0) -> list[Array]:
    at, axis = 0, axis_of(dim, x.ndim)
    parts = []
    for n in sizes:
        parts.append(cut(x, axis, at, at + n))
        at += n
    return parts


def split(x: Array, split_size: Ints, dim: int = 0) -> list[Array]:
    if not isinstance(split_size, int):
        return split_sizes(x, split_size, dim)
    n = x.shape[axis_of(dim, x.ndim)]
    return split_sizes(x, [min(split_size, n - at) for at in range(0, n, split_size)] or [0], dim)


def chunk(x: Array, chunks: int, dim: int = 0) -> list[Array]:
    n = x.shape[axis_of(dim, x.ndim)]
    return split(x, max(1, -(-n // chunks)), dim)


def tensor_split(x: Array, sections: Ints, dim: int = 0) -> list[Array]:
    n = x.shape[axis_of(dim, x.ndim)]
    if isinstance(sections, int):
        return split_sizes(x, [n // sections + (i < n % sections) for i in range(sections)], dim)
    ends = [min(max(end + n if end < 0 else end, 0), n) for end in sections]
    return split_sizes(x, [max(0, b - a) for a, b in zip([0, *ends], [*ends, n], strict=True)], dim)


def unbind(x: Array, dim: int = 0) -> list[Array]:
    axis = axis_of(dim, x.ndim)
    return [select(x, axis, i) for i in range(x.shape[axis])]


def slice_of(x: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    axis = axis_of(dim, x.ndim)
    first, last, step = slice(start, None if end is None or end >= MOST else end, step).indices(x.shape[axis])
    return cut(x, axis, first, max(first, last), step)


def select(x: Array, dim: int, index: int) -> Array:
    axis = axis_of(dim, x.ndim)
    at = index % x.shape[axis]
    return lax.squeeze(cut(x, axis, at, at + 1), (axis,))


def narrow(x: Array, dim: int, start: int, length: int) -> Array:
    return slice_of(x, dim, start, start + length if start >= 0 else start + length or None)


def squeeze(x: Array, dim: Ints | None = None) -> Array:
    axes = [axis for axis in (range(x.ndim) if dim is None else axes_of(dim, x.ndim)) if x.ndim]
    return lax.squeeze(x, [axis for axis in axes if x.shape[axis] == 1])


def unsqueeze(x: Array, dim: int) -> Array:
    return jnp.expand_dims(x, axis_of(dim, x.ndim + 1))


def flip(x: Array, dims: Sequence[int]) -> Array:
    return lax.rev(x, axes_of(dims, x.ndim)) if len(dims) else x


def roll(x: Array, shifts: Ints, dims: Ints = ()) -> Array:
    if not isinstance(dims, int) and not len(dims):
        return jnp.roll(x.reshape(-1), shifts if isinstance(shifts, int) else shifts[0]).reshape(x.shape)
    return jnp.roll(x, shifts, axes_of(dims, x.ndim))


def rot90(x: Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> Array:
    first, second = axes_of(dims, x.ndim)
    return jnp.rot90(x, k, (first, second))


def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """Channels become nodes: r² channels of a node are the r × r nodes in its place."""
    r, (c, h, w) = upscale_factor, x.shape[-3:]
    rank = x.ndim - 3
    parts = x.reshape(*x.shape[:-3], c // r**2, r, r, h, w)
    moved = jnp.transpose(parts, (*range(rank), *(rank + i for i in (0, 3, 1, 4, 2))))
    return moved.reshape(*x.shape[:-3], c // r**2, h * r, w * r)


def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    """Nodes become channels, as `pixel_shuffle` backwards."""
    r, (c, h, w) = downscale_factor, x.shape[-3:]
    rank = x.ndim - 3
    parts = x.reshape(*x.shape[:-3], c, h // r, r, w // r, r)
    moved = jnp.transpose(parts, (*range(rank), *(rank + i for i in (0, 2, 4, 1, 3))))
    return moved.reshape(*x.shape[:-3], c * r**2, h // r, w // r)


def channel_shuffle(x: Array, groups: int) -> Array:
    split = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    return split.swapaxes(1, 2).reshape(x.shape)


def tile(x: Array, dims: Sequence[int]) -> Array:
    return jnp.tile(x, tuple(dims))


def meshgrid(tensors: Sequence[Array], indexing: str = "ij") -> list[Array]:
    return jnp.meshgrid(*tensors, indexing=indexing)


def diagonal(x: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    return jnp.diagonal(x, offset, dim1, dim2)


TABLE: dict[str, Callable[..., Any]] = {
    "view": view,
    "_unsafe_view": view,
    "reshape": view,
    "view_as": lambda x, other: x.reshape(other.shape),
    "reshape_as": lambda x, other: x.reshape(other.shape),
    "flatten": flatten,
    "unflatten": unflatten,
    "permute": permute,
    "transpose": transpose,
    "swapaxes": transpose,
    "swapdims": transpose,
    "t": lambda x: x.swapaxes(0, 1) if x.ndim > 1 else x,
    "numpy_T": jnp.transpose,
    "mT": lambda x: x.swapaxes(-1, -2),
    "movedim": move,
    "moveaxis": move,
    "expand": expand,
    "broadcast_to": expand,
    "expand_as": lambda x, other: expand(x, other.shape),
    "repeat": repeat,
    "tile": tile,
    "repeat_interleave": repeat_interleave,
    "cat": cat,
    "concat": cat,
    "concatenate": cat,
    "stack": stack,
    "split": split,
    "split_with_sizes": split_sizes,
    "unsafe_split": split,
    "chunk": chunk,
    "unsafe_chunk": chunk,
    "tensor_split": tensor_split,
    "unbind": unbind,
    "slice": slice_of,
    "select": select,
    "narrow": narrow,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "flip": flip,
    "roll": roll,
    "rot90": rot90,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
    "native_channel_shuffle": channel_shuffle,
    "meshgrid": meshgrid,
    "diagonal": diagonal,
    "tril": lambda x, diagonal=0: jnp.tril(x, diagonal),
    "triu": lambda x, diagonal=0: jnp.triu(x, diagonal),
}
"""Operations by name: the same elements elsewhere."""
