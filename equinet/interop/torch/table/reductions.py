"""Sums, means, extremes and norms over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.interop.torch.table.arrays import Array, Ints, Missing, axes_of, axis_of, floating

PLACES = Missing("the places of the largest elements along an axis: take the values alone")

Reduce = Callable[..., Array]


def _over(fn: Reduce) -> Callable[..., Array]:
    """A reduction over some axes, over all by default."""

    def run(x: Array, dim: Ints | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
        x = x.astype(dtype) if isinstance(dtype, np.dtype) else x
        return fn(x, axes_of(dim, x.ndim), keepdims=keepdim) if x.ndim else x

    return run


def _mean(x: Array, axes: Any, keepdims: bool) -> Array:
    return jnp.mean(floating(x), axes, keepdims=keepdims)


def _sum(x: Array, axes: Any, keepdims: bool) -> Array:
    whole = x.astype(jax.dtypes.canonicalize_dtype(int)) if np.dtype(x.dtype).kind in "biu" else x
    return jnp.sum(whole, axes, keepdims=keepdims)


def _truth(fn: Reduce) -> Reduce:
    return lambda x, axes, keepdims: fn(x.astype(bool), axes, keepdims=keepdims)


def _extreme(fn: Reduce) -> Callable[..., Any]:
    """The largest or smallest elements along one axis, which PyTorch gives with their places."""
    return lambda x, dim, keepdim=False: (fn(x, axis_of(dim, x.ndim), keepdims=keepdim) if x.ndim else x, PLACES)


def _place(fn: Reduce) -> Callable[..., Array]:
    def run(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        return fn(x, dim, keepdims=keepdim)

    return run


def _variance(x: Array, axes: Any, correction: float, keepdims: bool) -> Array:
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=int))
    centred = x - jnp.mean(x, axes, keepdims=True)
    return jnp.sum(lax.square(centred), axes, keepdims=keepdims) / max(0.0, count - correction)


def variance(
    x: Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Array:
    """Variances over axes. In PyTorch's form without axes the first argument says whether they are unbiased."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = float(unbiased) if correction is None else correction
    return _variance(x, axes_of(dim, x.ndim), correction, keepdim)


def variance_by_correction(
    x: Array, dim: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> Array:
    return _variance(x, axes_of(dim, x.ndim), 1.0 if correction is None else correction, keepdim)


def _root(fn: Callable[..., Array]) -> Callable[..., Array]:
    return lambda *given, **named: jnp.sqrt(fn(*given, **named))


def _with_mean(fn: Callable[..., Array]) -> Callable[..., Any]:
    """Variances and means; a mean is kept in the shape of its variance."""

    def run(x: Array, dim: Any = None, *given: Any, **named: Any) -> tuple[Array, Array]:
        found = fn(x, dim, *given, **named)
        mean = _mean(x, axes_of(None if isinstance(dim, bool) else dim, x.ndim), True)
        return found, mean.reshape(found.shape)

    return run


def vector_norm(
    x: Array, ord: float = 2, dim: Ints | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Array:
    """(Σ |x|^p)^(1/p) over axes; the largest or smallest for p = ±∞, the number of nonzero elements for p = 0."""
    x = floating(x.astype(dtype) if isinstance(dtype, np.dtype) else x)
    axes, size = axes_of(dim, x.ndim), jnp.abs(x)
    if ord == 2:
        return jnp.sqrt(jnp.sum(lax.square(size), axes, keepdims=keepdim))
    if ord == 1:
        return jnp.sum(size, axes, keepdims=keepdim)
    if ord == 0:
        return jnp.sum((x != 0).astype(size.dtype), axes, keepdims=keepdim)
    if np.isinf(ord):
        return (jnp.max if ord > 0 else jnp.min)(size, axes, keepdims=keepdim)
    return jnp.sum(size**ord, axes, keepdims=keepdim) ** (1 / ord)


def norm(x: Array, p: float | None = 2, dim: Ints | None = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return vector_norm(x, 2 if p is None else p, dim, keepdim, dtype=dtype)


def cumulative(fn: Reduce) -> Callable[..., Array]:
    def run(x: Array, dim: int, *, dtype: Any = None) -> Array:
        x = x.astype(dtype) if isinstance(dtype, np.dtype) else x
        whole = x.astype(jax.dtypes.canonicalize_dtype(int)) if np.dtype(x.dtype).kind in "biu" else x
        return fn(whole, axis_of(dim, x.ndim)) if x.ndim else x

    return run


def logsumexp(x: Array, dim: Ints, keepdim: bool = False) -> Array:
    return jax.nn.logsumexp(x, axes_of(dim, x.ndim), keepdims=keepdim)


TABLE: dict[str, Callable[..., Any]] = {
    "mean": _over(_mean),
    "sum": _over(_sum),
    "prod": _over(jnp.prod),
    "prod.dim_int": _over(jnp.prod),
    "amax": _over(jnp.max),
    "amin": _over(jnp.min),
    "max": _over(jnp.max),
    "min": _over(jnp.min),
    "max.dim": _extreme(jnp.max),
    "min.dim": _extreme(jnp.min),
    "argmax": _place(jnp.argmax),
    "argmin": _place(jnp.argmin),
    "any": _over(_truth(jnp.any)),
    "all": _over(_truth(jnp.all)),
    "var": variance,
    "var.correction": variance_by_correction,
    "std": _root(variance),
    "std.correction": _root(variance_by_correction),
    "var_mean": _with_mean(variance),
    "var_mean.correction": _with_mean(variance_by_correction),
    "linalg_vector_norm": vector_norm,
    "norm": norm,
    "cumsum": cumulative(jnp.cumsum),
    "cumprod": cumulative(jnp.cumprod),
    "logsumexp": logsumexp,
}
"""Operations by name: one number for many."""
