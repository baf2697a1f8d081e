"""Arrays `[n, *spatial, channels]` moved, each by its own amount: around a torus, before a window, turned, magnified.

A move by t takes what is at the node p to the node p + t.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp


@jax.jit
def rolled(x: jax.Array, shifts: jax.Array) -> jax.Array:
    """Each moved around its torus by whole shifts `[n, d]`."""
    axes = tuple(range(x.ndim - 2))
    return jax.vmap(lambda one, shift: jnp.roll(one, shift, axis=axes))(x, shifts)


@jax.jit
def phased(x: jax.Array, shifts: jax.Array) -> jax.Array:
    """Each moved around its torus by real shifts `[n, d]`: frequency k of an axis of N nodes times exp(−2πi k t / N).

    On an even axis the frequency N/2 cannot be moved within real signals; it is multiplied by the real part, cos(π t).
    """
    for axis in range(1, x.ndim - 1):
        size = x.shape[axis]
        turns = _along(jnp.arange(size // 2 + 1, dtype=x.dtype) / size, axis, x.ndim)
        angles = -2 * jnp.pi * turns * shifts[:, axis - 1].reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype)
        factors = jax.lax.complex(jnp.cos(angles), jnp.sin(angles))
        # The inverse transform takes the real part at N/2.
        x = jnp.fft.irfft(jnp.fft.rfft(x, axis=axis) * factors, size, axis=axis).astype(x.dtype)
    return x


@partial(jax.jit, static_argnames="axis")
def derivative(x: jax.Array, axis: int) -> jax.Array:
    """The derivative along an axis of the band-limited signal through the nodes of a torus, per node.

    Frequency k is multiplied by 2πi k / N, and N/2 by 0: minus the derivative of `phased` at t = 0.
    """
    size = x.shape[axis]
    factors = 2 * jnp.pi * jnp.arange(size // 2 + 1, dtype=x.dtype) / size
    if size % 2 == 0:
        factors = factors.at[-1].set(0)
    spectrum = jnp.fft.rfft(x, axis=axis) * jax.lax.complex(
        jnp.zeros_like(_along(factors, axis, x.ndim)), _along(factors, axis, x.ndim)
    )
    return jnp.fft.irfft(spectrum, size, axis=axis).astype(x.dtype)


@partial(jax.jit, static_argnames=("window", "reach"))
def windowed(
    x: jax.Array, starts: jax.Array, window: tuple[int, ...], reach: tuple[int, ...], background: float
) -> jax.Array:
    """Of each a window of those sizes, from its own first node `[n, d]`; what lies outside is background.

    Args:
        reach: how far a window goes beyond the array at most, along each axis.
    """
    wide = jnp.pad(x, ((0, 0), *((r, r) for r in reach), (0, 0)), constant_values=jnp.asarray(background, x.dtype))
    sizes = (*window, x.shape[-1])

    def cut(one: jax.Array, start: jax.Array) -> jax.Array:
        places = [start[axis] + r for axis, r in enumerate(reach)]
        return jax.lax.dynamic_slice(one, (*places, jnp.zeros((), starts.dtype)), sizes)

    return jax.vmap(cut)(wide, starts)


@partial(jax.jit, static_argnames=("window", "method"))
def resampled(
    x: jax.Array,
    scales: jax.Array,
    translations: jax.Array,
    window: tuple[int, ...],
    method: str,
    background: float,
) -> jax.Array:
    """Each magnified by scales `[n, d]` and then moved by translations, onto a window of those sizes.

    What lies at p + 1/2 goes to scale · (p + 1/2) + translation, with nodes in the middle of unit cells. Between nodes,
    values are interpolated (`jax.image`, with its antialiasing where a scale is below 1); outside they are background.
    """
    axes, level = tuple(range(x.ndim - 2)), jnp.asarray(background, x.dtype)

    def one(image: jax.Array, scale: jax.Array, translation: jax.Array) -> jax.Array:
        shape = (*window, image.shape[-1])
        return jax.image.scale_and_translate(image, shape, axes, scale, translation, method)

    return jax.vmap(one)(x - level, scales.astype(x.dtype), translations.astype(x.dtype)) + level


@partial(jax.jit, static_argnames="background")
def turned(x: jax.Array, turns: jax.Array, background: float) -> jax.Array:
    """Images `[n, height, width, channels]`, each turned about its centre by `[n, 2]`, the cosine and sine of an angle.

    From the first axis towards the second. Between nodes, values are interpolated linearly; outside they are
    background. A quarter turn of a square image only permutes its nodes.
    """
    height, width = x.shape[1:3]
    rows, columns = jnp.indices((height, width), dtype=x.dtype)
    rows, columns = rows - (height - 1) / 2, columns - (width - 1) / 2

    def one(image: jax.Array, turn: jax.Array) -> jax.Array:
        cosine, sine = turn[0], turn[1]
        from_rows = cosine * rows + sine * columns + (height - 1) / 2
        from_columns = -sine * rows + cosine * columns + (width - 1) / 2

        def channel(values: jax.Array) -> jax.Array:
            return jax.scipy.ndimage.map_coordinates(values, [from_rows, from_columns], 1, cval=background)

        return jax.vmap(channel, -1, -1)(image)

    return jax.vmap(one)(x, turns.astype(x.dtype))


def disc(sizes: tuple[int, ...]) -> jax.Array:
    """Which nodes of an image are in the largest disc about its centre, `[height, width]`."""
    height, width = sizes
    rows, columns = jnp.indices((height, width), dtype=jnp.float32)
    distance = (rows - (height - 1) / 2) ** 2 + (columns - (width - 1) / 2) ** 2
    return distance <= ((min(height, width) - 1) / 2) ** 2 + 1e-3


def _along(values: jax.Array, axis: int, dim: int) -> jax.Array:
    shape = [1] * dim
    shape[axis] = values.size
    return values.reshape(shape)
