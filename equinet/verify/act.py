"""An isometry as an array operation: `(g·x)[g p] = x[p]`, carried out as one gather."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import numpy as np

from equinet.checks import as_function, as_kind, shown
from equinet.groups import Isometry, Matrix
from equinet.groups.domain import Domain

Bounds = tuple[tuple[int, int] | None, ...]
ChannelAction = Callable[[Matrix], Sequence[tuple[int, int]]]
"""What a point operation does to channels: for each, the one it is sent to and the sign. A `Fibre` is one."""


def pack(isometries: Sequence[Isometry]) -> tuple[np.ndarray, np.ndarray]:
    """Matrices `[n, d, d]` and shifts `[n, d]` of n isometries, int32."""
    dim = isometries[0].dim
    matrices = np.array([g.matrix for g in isometries], dtype=np.int32).reshape(len(isometries), dim, dim)
    shifts = np.array([g.whole_shift for g in isometries], dtype=np.int32).reshape(len(isometries), dim)
    return matrices, shifts


def pack_channels(fibre: ChannelAction, isometries: Sequence[Isometry]) -> tuple[np.ndarray, np.ndarray]:
    """Where each channel comes from and with what sign, `[n, C]` each, int32."""
    tables = {g.matrix: channel_sources(fibre, g.matrix) for g in isometries}
    index, sign = zip(*(tables[g.matrix] for g in isometries), strict=True)
    return np.stack(index), np.stack(sign)


def channel_sources(fibre: ChannelAction, matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """For each channel, the channel it comes from and the sign, `[C]` each."""
    images = fibre(matrix)
    index, sign = np.empty(len(images), np.int32), np.empty(len(images), np.int32)
    for channel, (image, s) in enumerate(images):
        index[image], sign[image] = channel, s
    return index, sign


def sources(sizes: Sequence[int], matrices: Any, shifts: Any, bounds: Bounds | None = None) -> tuple[Any, Any]:
    """Where each point of a grid takes its value from, for n isometries at once.

    `(g·x)[p] = x[g⁻¹ p]` with `g⁻¹ p = Aᵀ (p − t)`, wrapped around every axis. Runs on numpy arrays and under `jax.jit`
    alike, so that one compiled program serves every element.

    Args:
        sizes: the sizes of the grid, P points in all.
        matrices: `[n, d, d]`, signed permutations.
        shifts: `[n, d]`.
        bounds: for each axis the range `[lo, hi)` of trusted positions, or None where the axis wraps around.

    Returns:
        Flat indices `[n, P]`, and the mask `[n, P]` of the positions p for which p and g⁻¹ p, not wrapped, are both
        within the bounds (None without bounds).
    """
    count = matrices.shape[0]
    points = np.indices(tuple(sizes), dtype=np.int32).reshape(len(sizes), prod(sizes))
    offsets = [points[axis][None, :] - shifts[:, axis, None] for axis in range(len(sizes))]
    index: Any = np.zeros((count, prod(sizes)), dtype=np.int32)
    mask: Any = None
    for axis, size in enumerate(sizes):
        source = sum(matrices[:, row, axis, None] * offset for row, offset in enumerate(offsets))
        index = index * size + source % size
        limit = None if bounds is None else bounds[axis]
        if limit is not None:
            here = (points[axis] >= limit[0]) & (points[axis] < limit[1])
            inside = here[None, :] & (source >= limit[0]) & (source < limit[1])
            mask = inside if mask is None else mask & inside
    return index, mask


def within(sizes: Sequence[int], bounds: Bounds | None) -> np.ndarray:
    """Which points of a grid lie within the bounds, `[P]`."""
    kept = np.ones(prod(sizes), bool)
    for place, limit in zip(np.indices(tuple(sizes)).reshape(len(sizes), prod(sizes)), bounds or (), strict=False):
        if limit is not None:
            kept &= (place >= limit[0]) & (place < limit[1])
    return kept


def act(g: Isometry, x: jax.Array | np.ndarray, domain: Domain, fibre: ChannelAction | None = None) -> Any:
    """`g·x`: the array with `(g·x)[b, g p, :] = ρ(A) x[b, p, :]`.

    Args:
        g: an isometry of `domain`.
        x: `[batch, *spatial, channels]`; on a domain of dimension 0, any array, returned as it is.
        domain: a finite domain with the sizes of x.
        fibre: ρ, such as a `Fibre`; None if channels stay as they are.

    Raises:
        ValueError: if the sizes differ, the domain is infinite, or g does not map it to itself.

    >>> from equinet.groups.domain import torus
    >>> act(Isometry.translation((1,)), np.arange(4.0).reshape(1, 4, 1), torus(4)).ravel().tolist()
    [3.0, 0.0, 1.0, 2.0]
    """
    as_kind(domain, Domain, "act needs the domain of the array")
    if as_kind(g, Isometry, "act needs an isometry").dim != domain.dim:
        raise ValueError(f"{g} is an isometry of Z^{g.dim}; {domain} has dimension {domain.dim}")
    if not isinstance(x, jax.Array | np.ndarray):
        raise TypeError(f"act moves an array [batch, *spatial, channels]; got {shown(x)} of type {type(x).__name__}")
    if fibre is not None:
        as_function(fibre, "act: fibre is a function of a point operation, such as a Fibre")
    if fibre is not None and (x.ndim < 1 or len(fibre(g.matrix)) != x.shape[-1]):
        raise ValueError(f"act: the fibre has {len(fibre(g.matrix))} channels; got an array of shape {x.shape}")
    if fibre is not None:
        index, sign = channel_sources(fibre, g.matrix)
        x = x[..., index] * sign.astype(x.dtype)
    if domain.dim == 0:
        return x
    if tuple(x.shape[1:-1]) != domain.sizes:
        raise ValueError(
            f"an array on {domain} has shape [batch, {', '.join(map(str, domain.sizes))}, channels]; got {x.shape}"
        )
    source = domain.index_map(g.inverse())
    return x.reshape(x.shape[0], -1, x.shape[-1])[:, source].reshape(x.shape)
