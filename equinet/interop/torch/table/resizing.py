"""Resizing: a matrix along each axis where values are mixed, slices and repeats where they are only picked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.interop.torch.table.arrays import Array, applied, per_axis

Scales = Sequence[float | None]
Filter = Callable[[np.ndarray], np.ndarray]


def _asked(x: Array, dim: int, output_size: Any, factors: Any) -> tuple[tuple[int, ...], Scales]:
    """Sizes of the output, and the factors that they were asked by."""
    sizes = x.shape[-dim:]
    if output_size is not None:
        return per_axis(output_size, dim), factors or (None,) * dim
    return tuple(int(n * f) for n, f in zip(sizes, factors, strict=True)), factors


def _scale(n: int, m: int, factor: float | None, align_corners: bool) -> float:
    """Nodes of the input from one node of the output to the next."""
    if align_corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1 / factor if factor else n / m


def _sources(n: int, m: int, factor: float | None, align_corners: bool) -> np.ndarray:
    """Where in the input the nodes of the output lie."""
    scale = _scale(n, m, factor, align_corners)
    return np.arange(m) * scale if align_corners else (np.arange(m) + 0.5) * scale - 0.5


def linear_matrix(n: int, m: int, factor: float | None, align_corners: bool) -> np.ndarray:
    """Each output lies between two inputs; beyond the ends, at the last one."""
    source = np.maximum(_sources(n, m, factor, align_corners), 0)
    low = np.minimum(source.astype(int), n - 1)
    part = np.clip(source - low, 0, 1)
    matrix = np.zeros((m, n))
    np.add.at(matrix, (np.arange(m), low), 1 - part)
    np.add.at(matrix, (np.arange(m), np.minimum(low + 1, n - 1)), part)
    return matrix


def cubic_matrix(n: int, m: int, factor: float | None, align_corners: bool) -> np.ndarray:
    """Keys's cubic over four inputs, a = −3/4; beyond the ends, the last one again."""
    source = _sources(n, m, factor, align_corners)
    low = np.floor(source).astype(int)
    matrix = np.zeros((m, n))
    for tap in range(-1, 3):
        weight = cubic(source - low - tap, -0.75)
        np.add.at(matrix, (np.arange(m), np.clip(low + tap, 0, n - 1)), weight)
    return matrix


def cubic(x: np.ndarray, a: float) -> np.ndarray:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def smooth_matrix(
    weight: Filter, reach: float, n: int, m: int, factor: float | None, align_corners: bool
) -> np.ndarray:
    """A filter as wide as the step between outputs, where that is more than one input; its weights sum to 1."""
    scale = _scale(n, m, factor, align_corners)
    wide = max(scale, 1.0)
    matrix = np.zeros((m, n))
    for i in range(m):
        centre = scale * (i + 0.5)
        first = max(int(centre - reach * wide + 0.5), 0)
        nodes = np.arange(first, min(int(centre + reach * wide + 0.5), n))
        weights = weight((nodes - centre + 0.5) / wide)
        matrix[i, nodes] = weights / weights.sum()
    return matrix


Matrix = Callable[[int, int, float | None, bool], np.ndarray]


def _mixed(dim: int, matrix: Matrix) -> Callable[..., Array]:
    def run(x: Array, output_size: Any, align_corners: bool, *factors: Any) -> Array:
        given = factors[0] if len(factors) == 1 and not isinstance(factors[0], float) else factors
        sizes, scales = _asked(x, dim, output_size, given)
        for axis, m, factor in zip(range(x.ndim - dim, x.ndim), sizes, scales, strict=True):
            n = x.shape[axis]
            if n == 1:
                # Every output is the one input: a repeat shows that they are alike, a matrix does not.
                x = nodes(x, axis, np.zeros(m, int))
            elif (n, factor or 1.0) != (m, 1.0):
                x = applied(matrix(n, m, factor, align_corners), x, axis)
        return x

    return run


def _picked(dim: int, shift: float) -> Callable[..., Array]:
    """The nearest input: of the place i·n/m that an output has, or of its middle (i + ½)·n/m."""

    def run(x: Array, output_size: Any, *factors: Any) -> Array:
        given = factors[0] if len(factors) == 1 and not isinstance(factors[0], float) else factors
        sizes, scales = _asked(x, dim, output_size, given)
        real = np.float64 if x.dtype == np.float64 else np.float32
        for axis, m, factor in zip(range(x.ndim - dim, x.ndim), sizes, scales, strict=True):
            n = x.shape[axis]
            scale = real(_scale(n, m, factor, False))
            numbers = np.floor((np.arange(m, dtype=real) + real(shift)) * scale).astype(int)
            x = nodes(x, axis, np.minimum(numbers, n - 1))
        return x

    return run


def nodes(x: Array, axis: int, numbers: np.ndarray) -> Array:
    """Nodes by their numbers, without a table where these repeat.

    If the same pattern recurs every n/g inputs and m/g outputs, with g the greatest common divisor, it is slices of
    parts of n/g nodes: every so many nodes, or each of them several times.
    """
    n, m = x.shape[axis], len(numbers)
    parts = gcd(n, m)
    inner, outputs = n // parts, m // parts
    first = numbers[:outputs]
    recurs = (numbers.reshape(parts, outputs) == first + inner * np.arange(parts)[:, None]).all()
    if not recurs or first.max() >= inner:
        return jnp.take(x, jnp.asarray(numbers), axis, mode="clip")
    split = x.reshape(*x.shape[:axis], parts, inner, *x.shape[axis + 1 :])
    if inner == 1:
        result = jnp.broadcast_to(split, (*split.shape[: axis + 1], outputs, *split.shape[axis + 2 :]))
    else:
        pieces = [split[(slice(None),) * (axis + 1) + (slice(j, j + 1),)] for j in first.tolist()]
        result = jnp.concatenate(pieces, axis + 1)
    return result.reshape(*x.shape[:axis], m, *x.shape[axis + 1 :])


def _linear(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _smooth(weight: Filter, reach: float) -> Matrix:
    return lambda n, m, factor, align_corners: smooth_matrix(weight, reach, n, m, factor, align_corners)


TABLE: dict[str, Callable[..., Any]] = {
    **{f"upsample_nearest{d}d": _picked(d, 0.0) for d in (1, 2, 3)},
    **{f"_upsample_nearest_exact{d}d": _picked(d, 0.5) for d in (1, 2, 3)},
    "upsample_linear1d": _mixed(1, linear_matrix),
    "upsample_bilinear2d": _mixed(2, linear_matrix),
    "upsample_trilinear3d": _mixed(3, linear_matrix),
    "upsample_bicubic2d": _mixed(2, cubic_matrix),
    "_upsample_bilinear2d_aa": _mixed(2, _smooth(_linear, 1.0)),
    "_upsample_bicubic2d_aa": _mixed(2, _smooth(lambda x: cubic(x, -0.5), 2.0)),
}
"""Operations by name: arrays of another size."""
