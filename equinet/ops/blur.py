"""Fixed filters over arrays."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from equinet.ops.windows import taps
from equinet.symmetry.windows import Window, binomial


def _weighted(read: Sequence[jax.Array]) -> jax.Array:
    """The binomial mean of taps. Those of equal weight are added first, so that reversing them changes no bit."""
    size, dtype = len(read), read[0].dtype
    weights = [jnp.asarray(weight / 2.0 ** (size - 1), dtype) for weight in binomial(size)]
    halves = [(read[tap] + read[-1 - tap]) * weights[tap] for tap in range(size // 2)]
    middle = [read[size // 2] * weights[size // 2]] if size % 2 else []
    parts = halves + middle
    return sum(parts[1:], start=parts[0])


def blur(x: jax.Array, axes: tuple[Window, ...]) -> jax.Array:
    """Filter every spatial axis with the normalised binomial filter of its window, as a sum over its taps.

    A depthwise convolution would be 20 to 60 times slower on a CPU.
    """
    for axis, window in enumerate(axes, start=1):
        x = _weighted(taps(x, axis, window))
    return x
