"""Pooling: windows laid out by stride, padding and dilation, and windows that fit a given number of outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import gcd, prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.interop.torch.table.arrays import Array, Ints, Missing, applied, cut, per_axis

INDICES = Missing("the indices of a max pool, as return_indices=True gives: take its values alone")


def max_pool(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    *,
    dim: int,
) -> Array:
    kernel, dilation = per_axis(kernel_size, dim), per_axis(dilation, dim)
    stride, padding = per_axis(stride or kernel, dim), per_axis(padding, dim)
    pairs = _edges(x.shape[-dim:], kernel, stride, padding, dilation, ceil_mode)
    least = -np.inf if jnp.issubdtype(x.dtype, jnp.floating) else np.iinfo(x.dtype).min
    front = (1,) * (x.ndim - dim)
    return lax.reduce_window(
        x,
        np.asarray(least, x.dtype)[()],
        lax.max,
        (*front, *kernel),
        (*front, *stride),
        ((0, 0),) * len(front) + tuple(pairs),
        window_dilation=(*front, *dilation),
    )


def avg_pool(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dim: int,
) -> Array:
    """Means over windows.

    A window that reaches over an end is divided by the number of nodes in it: of the input, or of the input with its
    padding. What `ceil_mode` adds beyond the padding counts for neither.
    """
    kernel = per_axis(kernel_size, dim)
    stride, padding = per_axis(stride or kernel, dim), per_axis(padding, dim)
    pairs = _edges(x.shape[-dim:], kernel, stride, padding, (1,) * dim, ceil_mode)
    total = _window_sums(x, kernel, stride, pairs)
    if divisor_override is not None:
        return total / divisor_override
    counted = padding if count_include_pad else (0,) * dim
    reaches_over = any(max(pair) > most for pair, most in zip(pairs, counted, strict=True))
    if not reaches_over:
        return total / prod(kernel)
    ones = jnp.ones([n + 2 * most for n, most in zip(x.shape[-dim:], counted, strict=True)], x.dtype)
    rest = [(low - most, high - most) for (low, high), most in zip(pairs, counted, strict=True)]
    counts = _window_sums(ones, kernel, stride, rest)
    return total / jnp.expand_dims(counts, tuple(range(x.ndim - dim)))


def _window_sums(x: Array, kernel: Sequence[int], stride: Sequence[int], pairs: Sequence[tuple[int, int]]) -> Array:
    front = (1,) * (x.ndim - len(kernel))
    edges = ((0, 0),) * len(front) + tuple(pairs)
    return lax.reduce_window(x, np.zeros((), x.dtype)[()], lax.add, (*front, *kernel), (*front, *stride), edges)


def _edges(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> list[tuple[int, int]]:
    """What is added at both ends of each axis; with `ceil_mode` as far as the last window reaches."""
    pairs = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        span = d * (k - 1) + 1
        last = -(-(n + 2 * p - span) // s)
        # A window that would start beyond the input and its first padding is left out.
        last -= last * s >= n + p
        pairs.append((p, max(p, last * s + span - n - p) if ceil_mode else p))
    return pairs


def _adaptive(x: Array, dim: int, output_size: Sequence[int | None], pool: Callable[..., Array], mean: bool) -> Array:
    """Pooling to a given number of outputs: output i reads the nodes from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉.

    Where m divides n these are windows as of any pool. Else means are a matrix, and maxima those of slices.
    """
    sizes = x.shape[-dim:]
    wanted = [n if m is None else m for n, m in zip(sizes, per_axis(output_size, dim), strict=True)]  # pyright: ignore
    if all(m == 1 for m in wanted):
        axes = tuple(range(x.ndim - dim, x.ndim))
        return jnp.mean(x, axes, keepdims=True) if mean else jnp.max(x, axes, keepdims=True)
    if all(n % m == 0 for n, m in zip(sizes, wanted, strict=True)):
        return pool(x, [n // m for n, m in zip(sizes, wanted, strict=True)])
    for axis, m in zip(range(x.ndim - dim, x.ndim), wanted, strict=True):
        n = x.shape[axis]
        ends = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
        if mean:
            x = applied(np.array([[(a <= at < b) / (b - a) for at in range(n)] for a, b in ends]), x, axis)
            continue
        # In parts that no window crosses: n/g nodes, g the greatest common divisor.
        parts = gcd(n, m)
        split = x.reshape(*x.shape[:axis], parts, n // parts, *x.shape[axis + 1 :])
        pieces = [jnp.max(cut(split, axis + 1, a, b), axis + 1, keepdims=True) for a, b in ends[: m // parts]]
        x = jnp.concatenate(pieces, axis + 1).reshape(*x.shape[:axis], m, *x.shape[axis + 1 :])
    return x


def _adaptive_avg_pool(dim: int) -> Callable[..., Array]:
    return lambda x, output_size: _adaptive(x, dim, output_size, partial(avg_pool, dim=dim), True)


def _adaptive_max_pool(dim: int) -> Callable[..., Any]:
    return lambda x, output_size: (_adaptive(x, dim, output_size, partial(max_pool, dim=dim), False), INDICES)


def _with_indices(pool: Callable[..., Array]) -> Callable[..., Any]:
    return lambda *given, **named: (pool(*given, **named), INDICES)


TABLE: dict[str, Callable[..., Any]] = {
    **{f"max_pool{d}d": partial(max_pool, dim=d) for d in (1, 2, 3)},
    **{f"max_pool{d}d_with_indices": _with_indices(partial(max_pool, dim=d)) for d in (1, 2, 3)},
    **{f"avg_pool{d}d": partial(avg_pool, dim=d) for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d": _adaptive_avg_pool(d) for d in (1, 2, 3)},
    **{f"_adaptive_avg_pool{d}d": _adaptive_avg_pool(d) for d in (2, 3)},
    **{f"adaptive_max_pool{d}d": _adaptive_max_pool(d) for d in (1, 2, 3)},
}
"""Operations by name: maxima and means over windows."""
