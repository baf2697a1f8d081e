"""Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Any

import jax.numpy as jnp

from equinet.interop.torch.table.arrays import Array, axes_of, cut, floating

Norm = str | None


def _one(fn: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, n=None, dim=-1, norm=None: fn(floating(x), n, dim, norm)


def _many(fn: Callable[..., Array], default: tuple[int, ...] | None) -> Callable[..., Array]:
    def run(x: Array, s: Sequence[int] | None = None, dim: Any = default, norm: Norm = None) -> Array:
        if dim is None:
            dim = range(-len(s), 0) if s is not None else range(x.ndim)
        axes = axes_of(dim, x.ndim)
        if s is not None and -1 in s:
            raise ValueError("a size of -1 in a Fourier transform")
        return fn(floating(x), None if s is None else tuple(s), axes, norm)

    return run


def _factor(code: int, count: int) -> float:
    """What PyTorch multiplies by, given as a number: 0 nothing, 1 by the root of the number of nodes, 2 by all."""
    return (1.0, 1 / sqrt(count), 1 / count)[code]


def real_to_complex(x: Array, dim: Sequence[int], normalization: int, onesided: bool) -> Array:
    axes = axes_of(dim, x.ndim)
    y = jnp.fft.rfftn(x, axes=axes) if onesided else jnp.fft.fftn(x, axes=axes)
    return y * _factor(normalization, prod(x.shape[axis] for axis in axes))


def complex_to_real(x: Array, dim: Sequence[int], normalization: int, last_dim_size: int) -> Array:
    axes = axes_of(dim, x.ndim)
    sizes = [x.shape[axis] for axis in axes[:-1]] + [last_dim_size]
    x = cut(x, axes[-1], 0, last_dim_size // 2 + 1)
    return jnp.fft.irfftn(x, sizes, axes) * (prod(sizes) * _factor(normalization, prod(sizes)))


def complex_to_complex(x: Array, dim: Sequence[int], normalization: int, forward: bool) -> Array:
    axes = axes_of(dim, x.ndim)
    count = prod(x.shape[axis] for axis in axes)
    y = jnp.fft.fftn(x, axes=axes) if forward else jnp.fft.ifftn(x, axes=axes) * count
    return y * _factor(normalization, count)


def _shift(fn: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, dim=None: fn(x, axes_of(dim, x.ndim))


TABLE: dict[str, Callable[..., Any]] = {
    **{f"fft_{name}": _one(getattr(jnp.fft, name)) for name in ("fft", "ifft", "rfft", "irfft")},
    **{f"fft_{name}": _many(getattr(jnp.fft, name), (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2")},
    **{f"fft_{name}": _many(getattr(jnp.fft, name), None) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    "fft_fftshift": _shift(jnp.fft.fftshift),
    "fft_ifftshift": _shift(jnp.fft.ifftshift),
    "_fft_r2c": real_to_complex,
    "_fft_c2r": complex_to_real,
    "_fft_c2c": complex_to_complex,
}
"""Operations by name: into frequencies and back."""
