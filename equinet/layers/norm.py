"""Normalisation: the same affine map at every node, with statistics of channels, of space, or of the training data.

Where operations move channels, scales, biases and running statistics are one per orbit of channels.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from equinet.groups.fibre import Fibre
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, choice, count, fraction, positive
from equinet.layers.orbits import orbit_count, orbit_invariants, orbit_means, spread, spread_invariant
from equinet.symmetry.field import Field


def _channels(value: jax.Array, x: jax.Array) -> jax.Array:
    """A vector over the channels, ready to broadcast with x."""
    return value.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


def _widened(x: jax.Array) -> jax.Array:
    """x in the precision that statistics are taken in: at least float32."""
    return x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)


def _moments(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)


def _orbit_moments(x: jax.Array, fibre: Fibre) -> tuple[jax.Array, jax.Array]:
    """Mean (along the invariant vector) and variance of each orbit of channels, over examples and nodes."""
    mean, variance = (m.reshape(-1) for m in _moments(x, tuple(range(x.ndim - 1))))
    if fibre.is_trivial:
        return mean, variance
    common = orbit_invariants(mean, fibre)
    return common, orbit_means(variance + jnp.square(mean - spread_invariant(common, fibre)), fibre)


@partial(jax.jit, static_argnames="count", inline=True)
def _identity(count: int) -> tuple[Params, State]:
    """Scales, biases and running statistics that change nothing, traced once for each number of channels."""
    params = {"scale": jnp.ones(count), "bias": jnp.zeros(count)}
    return params, {"mean": jnp.zeros(count), "variance": jnp.ones(count)}


class _Scaled(Layer):
    """A normalisation followed by a scale and a bias per channel."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        del key
        return _identity(orbit_count(shape[-1]))[0], {}

    def channels_read(self, params: Params) -> int | None:
        return params["scale"].shape[0]


@partial(jax.jit, static_argnames=("fibre", "epsilon"), inline=True)
def _frozen(x: jax.Array, params: Params, state: State, *, fibre: Fibre, epsilon: float) -> jax.Array:
    """`scale · (x − mean) / √(variance + ε) + bias` with running statistics, as one affine map.

    Inlined where it is called: a network has it many times, and JAX traces it once for each shape.
    """
    wide = _widened(x)
    mean, variance = state["mean"].astype(wide.dtype), state["variance"].astype(wide.dtype)
    return _scaled(wide, params, mean, variance, fibre, epsilon).astype(x.dtype)


def _scaled(
    wide: jax.Array, params: Params, mean: jax.Array, variance: jax.Array, fibre: Fibre, epsilon: float
) -> jax.Array:
    factor = params["scale"].astype(wide.dtype) * jax.lax.rsqrt(variance + epsilon)
    offset = spread_invariant(params["bias"].astype(wide.dtype) - mean * factor, fibre)
    return wide * _channels(spread(factor, fibre), wide) + _channels(offset, wide)


def _affine(params: Params, x: jax.Array, fibre: Fibre, dtype: jnp.dtype) -> jax.Array:
    scale, bias = spread(params["scale"], fibre), spread_invariant(params["bias"], fibre)
    return (x * _channels(scale, x) + _channels(bias, x)).astype(dtype)


@dataclass(frozen=True)
class BatchNorm(_Scaled):
    """`y = scale · (x − mean) / √(variance + ε) + bias`, per channel.

    Training uses the statistics of the batch, over examples and nodes, and updates the running statistics with them.
    Evaluation uses the running statistics, and is an affine function of each value. (Ioffe and Szegedy 2015.)

    Args:
        momentum: share of the running statistics that a training step keeps.
        epsilon: ε.

    Raises:
        ValueError: unless 0 ≤ momentum < 1 and ε > 0.
    """

    treats_channels = "by fibre"

    _: KW_ONLY
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check(self, momentum=fraction, epsilon=positive)

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        del key
        return _identity(orbit_count(shape[-1]))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        fibre = context.fibre
        if not context.train:
            return _frozen(x, dict(params), dict(state), fibre=fibre, epsilon=self.epsilon), state
        wide = _widened(x)
        mean, variance = _orbit_moments(wide, fibre)
        state = {"mean": self._moved(state["mean"], mean), "variance": self._moved(state["variance"], variance)}
        return _scaled(wide, params, mean, variance, fibre, self.epsilon).astype(x.dtype), state

    def _moved(self, running: jax.Array, batch: jax.Array) -> jax.Array:
        return self.momentum * running + (1 - self.momentum) * jax.lax.stop_gradient(batch).astype(running.dtype)

    def symmetry(self, field: Field) -> Field:
        return field.pointwise("affine")


@dataclass(frozen=True)
class LayerNorm(_Scaled):
    """Normalise each example over its channels at every node, or over channels and space together.

    A scale and a bias per channel follow. If operations change the signs of channels, no mean is subtracted, and the
    mean square replaces the variance. (Ba et al. 2016.)

    Args:
        axes: "channels" (each node separately) or "all" (one mean and one deviation per example).
        epsilon: added to the variance.

    Raises:
        ValueError: for other axes or ε ≤ 0.
    """

    treats_channels = "by fibre"

    _: KW_ONLY
    axes: Literal["channels", "all"] = "channels"
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check(self, axes=choice("channels", "all"), epsilon=positive)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        wide, fibre = _widened(x), context.fibre
        over = (x.ndim - 1,) if self.axes == "channels" else tuple(range(1, x.ndim))
        if not fibre.is_permutation:
            centred, variance = wide, jnp.square(wide).mean(over, keepdims=True)
        else:
            mean, variance = _moments(wide, over)
            centred = wide - mean
        return _affine(params, centred * jax.lax.rsqrt(variance + self.epsilon), fibre, x.dtype), state

    def symmetry(self, field: Field) -> Field:
        if self.axes == "all":
            return field.normalise() if field.channels == 1 else field.standardise()
        return field.mix("any")


@dataclass(frozen=True)
class GroupNorm(_Scaled):
    """Normalise each example over space and groups of consecutive channels; a scale and a bias per channel follow.

    (Wu and He 2018.)

    Args:
        groups: number of groups; it must divide the channels.
        epsilon: added to the variance.

    Raises:
        ValueError: if groups < 1 or ε ≤ 0.
        LayerError: from init and apply, if the groups do not divide the channels.
    """

    treats_channels = "each"

    groups: int
    _: KW_ONLY
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check(self, groups=count, epsilon=positive)

    def output_shape(self, shape: Shape) -> Shape:
        if int(shape[-1]) % self.groups:
            raise LayerError(f"{self}: groups={self.groups} must divide the channels; got {shape[-1]}")
        return shape

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        return super().setup(key, (*shape[:-1], Fibre.plain(int(shape[-1]))))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        wide = _widened(x).reshape(*x.shape[:-1], self.groups, -1)
        mean, variance = _moments(wide, (*range(1, x.ndim - 1), x.ndim))
        normal = (wide - mean) * jax.lax.rsqrt(variance + self.epsilon)
        return _affine(params, normal.reshape(x.shape), Fibre.plain(x.shape[-1]), x.dtype), state

    def symmetry(self, field: Field) -> Field:
        return field.normalise() if self.groups == field.channels else field.standardise()


@dataclass(frozen=True)
class InstanceNorm(_Scaled):
    """Normalise each channel of each example over space; a scale and a bias per channel follow.

    (Ulyanov et al. 2016.)

    Args:
        epsilon: added to the variance.

    Raises:
        ValueError: if ε ≤ 0.
        LayerError: from init and apply, if the input has no spatial axes.
    """

    treats_channels = "by fibre"

    _: KW_ONLY
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check(self, epsilon=positive)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise LayerError(f"{self} normalises over spatial axes; got shape {shape}: use LayerNorm after the readout")
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        wide = _widened(x)
        mean, variance = _moments(wide, tuple(range(1, x.ndim - 1)))
        return _affine(params, (wide - mean) * jax.lax.rsqrt(variance + self.epsilon), context.fibre, x.dtype), state

    def symmetry(self, field: Field) -> Field:
        return field.normalise()
