"""JAX as it comes: no formulation of equinet's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp

from equinet.layers import conv
from equinet.ops.transposes import only_plain
from equinet.symmetry.windows import Window


def textbook(x: jax.Array, kernel: jax.Array, axes: tuple[Window, ...], groups: int = 1) -> jax.Array:
    """A convolution of circular or zero padding: `jnp.pad`, then `lax.conv_general_dilated`."""
    for axis, window in enumerate(axes, start=1):
        widths = [(0, 0)] * x.ndim
        widths[axis] = window.border(x.shape[axis])
        x = jnp.pad(x, widths, mode="wrap" if window.mode == "circular" else "constant")
    strides, dilations = tuple(w.stride for w in axes), tuple(w.dilation for w in axes)
    return conv.convolve(x, kernel.astype(x.dtype), strides, dilations, ((0, 0),) * len(axes), groups)


@contextmanager
def as_it_comes(on: bool = True) -> Iterator[None]:
    """Convolutions of the layers that are traced inside are the textbook's, and every transpose JAX's own."""
    ours = conv.convolve_windows
    if on:
        conv.convolve_windows = textbook
        only_plain(True)
    try:
        yield
    finally:
        if on:
            conv.convolve_windows = ours
            only_plain(False)
