"""Ideal resampling, beside what one would write first: the transform of all axes at once, cut or padded, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from benchmarks import networks
from benchmarks.common import Way, Work
from equinet.layers import fourier
from equinet.ops.fourier import resample
from equinet.symmetry.spectral import highest


def by_transforms(x: jax.Array, sizes: Sequence[int], tops: Sequence[int | None]) -> jax.Array:
    """What `equinet.ops.fourier.resample` does, by `jnp.fft.rfftn` and `irfftn`."""
    axes = [axis for axis, top in enumerate(tops, start=1) if top is not None]
    if not axes:
        return x
    spectrum = jnp.fft.rfftn(x, axes=axes)
    for axis in axes:
        before, after, top = x.shape[axis], sizes[axis - 1], tops[axis - 1] or 0
        half = axis == axes[-1]
        kept = np.arange(top + 1) if half else np.r_[0 : top + 1, before - top : before]
        places = np.arange(top + 1) if half else np.r_[0 : top + 1, after - top : after]
        shape = list(spectrum.shape)
        shape[axis] = after // 2 + 1 if half else after
        index = (slice(None),) * axis
        spectrum = jnp.zeros(shape, spectrum.dtype).at[(*index, places)].set(jnp.take(spectrum, kept, axis=axis))
    scale = np.prod([sizes[axis - 1] / x.shape[axis] for axis in axes])
    return jnp.fft.irfftn(spectrum, s=[sizes[axis - 1] for axis in axes], axes=axes) * jnp.asarray(scale, x.dtype)


@contextmanager
def all_by_transforms() -> Iterator[None]:
    """Layers that are traced inside resample so."""
    ours = fourier.resample
    fourier.resample = by_transforms
    try:
        yield
    finally:
        fourier.resample = ours


def doubled(nodes: int, channels: int, batch: int) -> Mapping[str, Way]:
    """Maps brought to twice as many nodes along each axis, and the gradient of that."""
    x = jax.random.normal(jax.random.key(0), (batch, nodes, nodes, channels))

    def way(put: Callable[..., jax.Array]) -> Way:
        def loss(x: jax.Array) -> jax.Array:
            return (put(x, (2 * nodes,) * 2, (highest(nodes),) * 2) ** 2).sum()

        made = jax.jit(jax.grad(loss)).lower(x).compile()
        return lambda: made(x)

    return {"jnp.fft": way(by_transforms), "equinet": way(resample)}


def alias_free(batch: int) -> Mapping[str, Way]:
    """A training step of a ResNet-18 that keeps shifts between nodes, beside one that does not."""
    smooth = eq.models.resnet(18, down="ideal", activation="aliasfree", padding="circular", classes=networks.CLASSES)
    with all_by_transforms():
        theirs = networks.step_of(smooth, batch)
    return {
        "not alias-free": networks.resnet_step(batch),
        "jnp.fft": theirs,
        "equinet": networks.step_of(smooth, batch),
    }


def works() -> list[Work]:
    """Sizes on both sides of the rule that chooses a matrix or transforms, and a step of a whole network."""
    return [
        *sizes(),
        Work("alias-free ResNet-18 step, batch 16", partial(alias_free, 16), "jnp.fft", goal=1.0, samples=5),
    ]


def sizes() -> list[Work]:
    """Sizes on both sides of the rule that chooses a matrix or transforms."""
    return [
        Work(
            f"ideal upsampling by 2, {nodes}² × {channels}, batch {batch}",
            partial(doubled, nodes, channels, batch),
            "jnp.fft",
            goal=1.0,
        )
        for nodes, channels, batch in ((8, 64, 64), (32, 64, 16), (128, 16, 4))
    ]
