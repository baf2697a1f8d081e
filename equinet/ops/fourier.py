"""Real signals on a torus by their frequencies, one axis at a time.

Frequencies are whole numbers of turns around an axis; those at or above half a turn a node are not distinguished from
lower ones by the nodes, and nothing here keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

MATRIX_UP_TO = 256
"""Nodes along an axis, before or after, up to which a product with the matrix is faster than two transforms."""


def resample(x: jax.Array, sizes: Sequence[int], tops: Sequence[int | None]) -> jax.Array:
    """The signal's frequencies up to a top, sampled at other nodes: `[batch, *spatial, channels]`.

    `y[u] = Σ_{|k| ≤ top} x̂[k] exp(2πi k u / m)` along each axis in turn, m nodes after, `x̂` the Fourier coefficients.

    Args:
        sizes: m per axis.
        tops: the highest frequency kept; None to leave an axis as it is.
    """
    for axis, (size, top) in enumerate(zip(sizes, tops, strict=True), start=1):
        if top is None:
            continue
        by_matrix = max(x.shape[axis], size) <= MATRIX_UP_TO or x.dtype.itemsize < 4
        x = _by_matrix(x, axis, size, top) if by_matrix else _by_transform(x, axis, size, top)
    return x


@lru_cache(maxsize=1 << 8)
def sampling_matrix(nodes: int, size: int, top: int) -> np.ndarray:
    """`[size, nodes]`: what `resample` does along one axis."""
    turns = np.arange(nodes * size) / (nodes * size)
    kernel = (1 + 2 * np.cos(2 * np.pi * np.arange(1, top + 1)[:, None] * turns).sum(0)) / nodes
    return kernel[(np.arange(size)[:, None] * nodes - np.arange(nodes) * size) % (nodes * size)]


def _by_matrix(x: jax.Array, axis: int, size: int, top: int) -> jax.Array:
    matrix = jnp.asarray(sampling_matrix(x.shape[axis], size, top), x.dtype)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    wide = x.reshape(-1, x.shape[axis], int(np.prod(after)))
    result = jnp.einsum("un,bnc->buc", matrix, wide, precision="highest")
    return result.reshape(*before, size, *after)


def _by_transform(x: jax.Array, axis: int, size: int, top: int) -> jax.Array:
    spectrum = jax.lax.slice_in_dim(jnp.fft.rfft(x, axis=axis), 0, top + 1, axis=axis)
    return jnp.fft.irfft(spectrum, n=size, axis=axis) * jnp.asarray(size / x.shape[axis], x.dtype)


def spectral_convolution(x: jax.Array, kernel: jax.Array, modes: Sequence[int]) -> jax.Array:
    """Multiply the channels of each frequency below `modes` by a matrix of its own, and all others by 0.

    Args:
        x: `[batch, *spatial, in]`.
        kernel: `[*frequencies, in, out, 2]`, real and imaginary parts. Frequencies of the last axis are 0 … m − 1, of
            the others 0 … m − 1, −m + 1 … −1. Where that of the last is 0, the matrices of k and −k are made conjugate.
        modes: m per axis.
    """
    axes = tuple(range(1, x.ndim - 1))
    weights = _hermitian(jax.lax.complex(*(jnp.asarray(kernel[..., part]) for part in (0, 1))), modes)
    spectrum = jnp.fft.rfftn(x, axes=axes)
    places = _places(x.shape[1:-1], modes)
    for axis, place in zip(axes, places, strict=True):
        spectrum = jnp.take(spectrum, place, axis=axis)
    mixed = jnp.einsum("b...i,...io->b...o", spectrum, weights.astype(spectrum.dtype), precision="highest")
    shape = (x.shape[0], *x.shape[1:-2], x.shape[-2] // 2 + 1, kernel.shape[-2])
    wide = jnp.zeros(shape, mixed.dtype).at[(slice(None), *np.ix_(*places))].set(mixed)
    return jnp.fft.irfftn(wide, s=x.shape[1:-1], axes=axes)


def _places(sizes: Sequence[int], modes: Sequence[int]) -> list[np.ndarray]:
    """Where the kept frequencies stand in a real transform, per axis."""
    both = [np.concatenate([np.arange(m), np.arange(n - m + 1, n)]) for n, m in zip(sizes, modes, strict=True)]
    return [*both[:-1], np.arange(modes[-1])]


def _hermitian(weights: jax.Array, modes: Sequence[int]) -> jax.Array:
    """The weights for which real signals stay real."""
    at_zero = weights[..., 0, :, :]
    for axis, m in enumerate(modes[:-1]):
        at_zero = jnp.take(at_zero, -np.arange(2 * m - 1) % (2 * m - 1), axis=axis)
    return weights.at[..., 0, :, :].set((weights[..., 0, :, :] + at_zero.conj()) / 2)
