"""Random changes to training examples, on the device; every example has a key of its own."""

import jax
import jax.numpy as jnp

from equinet.train.settings import AugmentSettings


def check_crop(settings: AugmentSettings, shape: tuple[int, ...]) -> None:
    """Raise unless a crop leaves something of an example `[*spatial, channels]`.

    Raises:
        ValueError: it can move all of it away.
    """
    smallest = min(shape[:-1])
    if settings.crop >= smallest:
        raise ValueError(
            f"config.augment.crop is {settings.crop}, of examples of size {smallest}: it can move all of one away, so "
            f"make it smaller"
        )


def augment(
    settings: AugmentSettings, key: jax.Array, inputs: jax.Array, targets: jax.Array, background: float
) -> tuple[jax.Array, jax.Array]:
    """Change each of `inputs` `[batch, *spatial, channels]`, and its mask `[batch, *spatial]` if targets are masks.

    Args:
        background: what inputs hold where a crop has moved them away; masks hold 0 there.
    """
    if settings == AugmentSettings():
        return inputs, targets
    dim = inputs.ndim - 2
    masked = targets.ndim == inputs.ndim - 1

    def one(key: jax.Array, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        shift_key, crop_key, flip_key = jax.random.split(key, 3)
        axes = tuple(range(dim))
        if settings.shift:
            sizes = jnp.asarray(x.shape[:dim], jnp.int32)
            by = jax.random.randint(shift_key, (dim,), jnp.zeros(dim, jnp.int32), sizes)
            x = jnp.roll(x, by, axes)
            y = jnp.roll(y, by, axes) if masked else y
        if settings.crop:
            start = jax.random.randint(crop_key, (dim,), 0, 2 * settings.crop + 1)
            x = _moved(x, start, settings.crop, dim, background)
            y = _moved(y, start, settings.crop, dim, 0) if masked else y
        if settings.flip:
            turned = jax.random.bernoulli(flip_key)
            x = jnp.where(turned, jnp.flip(x, dim - 1), x)
            y = jnp.where(turned, jnp.flip(y, dim - 1), y) if masked else y
        return x, y

    return jax.vmap(one)(jax.random.split(key, len(inputs)), inputs, targets)


def _moved(x: jax.Array, start: jax.Array, reach: int, dim: int, fill: float) -> jax.Array:
    """The window of a padded map that starts at `start`, of the map's own size."""
    wide = jnp.pad(x, [(reach, reach)] * dim + [(0, 0)] * (x.ndim - dim), constant_values=fill)
    origin = [*start, *[jnp.zeros((), start.dtype)] * (x.ndim - dim)]
    return jax.lax.dynamic_slice(wide, origin, x.shape)
