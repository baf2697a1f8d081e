"""Convolutions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from equinet.ops.transposes import with_transposes
from equinet.ops.windows import pad_axis, pad_input, taps
from equinet.symmetry.windows import Window


def _specification(dim: int) -> tuple[str, str, str]:
    letters = "DHW"[-dim:]
    return f"N{letters}C", f"{letters}IO", f"N{letters}C"


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    borders: tuple[tuple[int, int], ...],
    groups: int = 1,
    input_dilation: tuple[int, ...] | None = None,
) -> jax.Array:
    """Cross-correlation of `[batch, *spatial, in]` with `[*taps, in / groups, out]`, zero borders."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        borders,
        lhs_dilation=input_dilation,
        rhs_dilation=dilations,
        dimension_numbers=_specification(len(strides)),
        feature_group_count=groups,
    )


def convolve_windows(x: jax.Array, kernel: jax.Array, axes: tuple[Window, ...], groups: int = 1) -> jax.Array:
    """Convolve a map, padded as its windows say, by the formulation that suits them."""
    kernel = kernel.astype(x.dtype)
    ones, none = (1,) * len(axes), ((0, 0),) * len(axes)
    strides, dilations = tuple(w.stride for w in axes), tuple(w.dilation for w in axes)
    if max(strides) > 1 and max(w.kernel for w in axes) == 1:
        # The nodes that are read make a map of their own, and the convolution runs over all of it.
        for axis, window in enumerate(axes, start=1):
            [x] = taps(x, axis, window)
        return convolve(x, kernel, ones, ones, none, groups)
    borders = tuple(w.border(n) for w, n in zip(axes, x.shape[1:-1], strict=True))
    if all(w.mode == "zero" for w in axes):
        return convolve(x, kernel, strides, dilations, borders, groups)
    if max(strides) == 1 and all(w.mode == "circular" for w in axes):
        return _convolve_around(x, kernel, dilations, borders, groups)
    return convolve(pad_input(x, axes), kernel, strides, dilations, none, groups)


def _convolve_around(
    x: jax.Array, kernel: jax.Array, dilations: tuple[int, ...], borders: tuple[tuple[int, int], ...], groups: int
) -> jax.Array:
    """Circular convolution of stride 1.

    On a CPU its transpose in x is taken as a circular convolution too, by the reversed kernel with channels exchanged.
    What JAX derives convolves all of the padded map and folds the border back: (n + k − 1)^d places in place of n^d.
    """
    return _around(jax.typeof(x), jax.typeof(kernel), dilations, borders, groups)(x, kernel)


@lru_cache(maxsize=1 << 10)
def _around(
    source: Any, weights: Any, dilations: tuple[int, ...], borders: tuple[tuple[int, int], ...], groups: int
) -> Callable[..., jax.Array]:
    """The same for maps and kernels of given types."""
    ones, none = (1,) * len(borders), ((0, 0),) * len(borders)

    def forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
        for axis, (lo, hi) in enumerate(borders, start=1):
            x = pad_axis(x, axis, lo, hi, "circular")
        return convolve(x, kernel, ones, dilations, none, groups)

    def by_reversal(u: jax.Array, kernel: jax.Array) -> jax.Array:
        return _convolve_around(u, _reversed(kernel, groups), dilations, tuple((hi, lo) for lo, hi in borders), groups)

    def derived(u: jax.Array, kernel: jax.Array) -> jax.Array:
        [found] = jax.linear_transpose(lambda x: forward(x, kernel), source)(u)
        return found

    def in_input(u: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.platform_dependent(u, kernel, cpu=by_reversal, default=derived)

    def in_kernel(x: jax.Array, u: jax.Array) -> jax.Array:
        # Derived, but of a map padded anew: to keep the padded one from the forward pass takes longer.
        [found] = jax.linear_transpose(lambda kernel: forward(x, kernel), weights)(u)
        return found

    return with_transposes(forward, {0: in_input, 1: in_kernel})


def _reversed(kernel: jax.Array, groups: int) -> jax.Array:
    """A kernel `[*taps, in / groups, out]` with taps reversed and channels exchanged: `[*taps, out / groups, in]`."""
    *counts, inputs, outputs = kernel.shape
    parts = kernel.reshape(*counts, inputs, groups, outputs // groups)
    turned = jnp.flip(parts, range(len(counts))).swapaxes(-3, -1)
    return turned.reshape(*counts, outputs // groups, groups * inputs)
