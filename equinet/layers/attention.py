"""Layers in which every node listens to all nodes, or to those of its block."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod

import jax
import jax.numpy as jnp

from equinet.groups.fibre import Fibre
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.group_conv import GroupConv
from equinet.layers.hyperparameters import check, count, counts, per_axis
from equinet.layers.local import read_shape
from equinet.layers.orbits import orbit_count, orbit_invariants, spread, spread_invariant
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Blocks

Ints = int | tuple[int, ...]


def _matrix(key: jax.Array, inputs: int, outputs: int) -> jax.Array:
    return jax.random.normal(key, (inputs, outputs)) * (1.0 / inputs) ** 0.5


def _dense(params: Params, name: str, x: jax.Array) -> jax.Array:
    y = x @ params[name].astype(x.dtype)
    return y + params[f"{name}_bias"].astype(x.dtype).reshape((1,) * (y.ndim - 1) + (-1,))


@dataclass(frozen=True)
class SqueezeExcite(Layer):
    """Scale every channel by a gate from the means of all: `y = x · sigmoid(W₂ relu(W₁ mean(x) + b₁) + b₂)`.

    (Hu et al. 2018.)

    Args:
        ratio: the hidden layer of the gate has channels / ratio units, at least one. On a fibre there
            is one gate per orbit of channels, computed from the invariant components of the orbits.

    Raises:
        LayerError: from init and apply, if the input has no spatial axes or ratio < 1.
    """

    treats_channels = "by fibre"

    _: KW_ONLY
    ratio: int = 4

    def __post_init__(self) -> None:
        check(self, ratio=count)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise LayerError(f"{self} needs an input with spatial axes; got shape {shape}: move it before the readout")
        return shape

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        channels = orbit_count(shape[-1])
        hidden = max(channels // self.ratio, 1)
        first, second = jax.random.split(key)
        return {
            "squeeze": _matrix(first, channels, hidden),
            "squeeze_bias": jnp.zeros(hidden),
            "excite": _matrix(second, hidden, channels),
            "excite_bias": jnp.zeros(channels),
        }, {}

    def channels_read(self, params: Params) -> int | None:
        return params["squeeze"].shape[0]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        means = orbit_invariants(x.mean(tuple(range(1, x.ndim - 1))), context.fibre)
        hidden = _dense(params, "squeeze", means)
        gate = jax.nn.sigmoid(_dense(params, "excite", jnp.maximum(hidden, jnp.zeros((), x.dtype))))
        gate = spread(gate, context.fibre)
        return x * gate.reshape(x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]), state

    def symmetry(self, field: Field) -> Field:
        return field.scaled()


def _expanded(params: Params, fibre: Fibre) -> Params:
    """The parameters of attention over plain channels that computes the same."""
    dim, made = len(fibre.group[0]), {}
    for name, layer in _maps(fibre).items():
        made[name] = layer.dense_kernel(params[name], fibre, dim).reshape(int(fibre), -1)
        made[f"{name}_bias"] = spread_invariant(params[name]["bias"], layer.out)
    return made


def _maps(fibre: Fibre) -> dict[str, GroupConv]:
    """To queries, keys and values one after the other, and to the output."""
    return {"qkv": GroupConv(3 * fibre, 1), "out": GroupConv(fibre, 1)}


class _Attention(Layer):
    """Multi-head attention among sets of nodes, without positions.

    Where operations move channels, queries, keys, values and outputs are 1×1 group convolutions and a head holds whole
    copies: operations move queries and keys alike, so that the weights stay what they are.
    """

    treats_channels = "by fibre"

    heads: int

    def _check(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise LayerError(f"{self} needs an input with spatial axes; got shape {shape}: move it before the readout")
        fibre = shape[-1] or 0
        if isinstance(fibre, Fibre) and self.heads != 1:
            copies = [count for count, _ in fibre.terms]
            if len(copies) > 1 or copies[0] % self.heads:
                raise LayerError(
                    f"{self}: a head holds whole copies of a representation, so heads={self.heads} must divide the "
                    f"copies of a single one; got {fibre}"
                )
        if fibre % self.heads:
            raise LayerError(f"{self}: heads={self.heads} must divide the channels; got {shape[-1]}")
        return shape

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        fibre, channels = shape[-1], int(shape[-1])
        first, second = jax.random.split(key)
        if isinstance(fibre, Fibre):
            one = (1,) * len(fibre.group[0])
            keys = zip(_maps(fibre).items(), (first, second), strict=True)
            return {name: layer.setup(key, (*one, fibre))[0] for (name, layer), key in keys}, {}
        return {
            "qkv": _matrix(first, channels, 3 * channels),
            "qkv_bias": jnp.zeros(3 * channels),
            "out": _matrix(second, channels, channels),
            "out_bias": jnp.zeros(channels),
        }, {}

    def channels_read(self, params: Params) -> int | None:
        return params["out"].shape[0]

    def _attend(self, params: Params, x: jax.Array, fibre: int) -> jax.Array:
        """Attention within the sets of x `[sets, nodes, channels]`."""
        sets, nodes, channels = x.shape
        params = _expanded(params, fibre) if isinstance(fibre, Fibre) else params
        split = _dense(params, "qkv", x).reshape(sets, nodes, 3, self.heads, channels // self.heads)
        query, key, value = split[:, :, 0], split[:, :, 1], split[:, :, 2]
        scale = jnp.asarray((channels // self.heads) ** -0.5, x.dtype)
        logits = jnp.einsum("snhc,smhc->shnm", query * scale, key)
        weights = jax.nn.softmax(logits if x.dtype.itemsize >= 4 else logits.astype(jnp.float32)).astype(x.dtype)
        mixed = jnp.einsum("shnm,smhc->snhc", weights, value)
        return _dense(params, "out", mixed.reshape(sets, nodes, channels))


@dataclass(frozen=True)
class SelfAttention(_Attention):
    """Every node attends to all nodes: `y_i = W Σ_j softmax_j(q_i · k_j / √c) v_j`, per head, without positions.

    A permutation of the nodes permutes the outputs, so every isometry survives. (Vaswani et al. 2017.)

    Args:
        heads: number of heads; it must divide the channels, or the copies where operations move channels.

    Raises:
        LayerError: from init and apply, if the heads do not divide the channels or there are no spatial axes.
    """

    heads: int

    def __post_init__(self) -> None:
        check(self, heads=count)

    def output_shape(self, shape: Shape) -> Shape:
        return self._check(shape)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        return self._attend(params, x.reshape(x.shape[0], -1, x.shape[-1]), context.fibre).reshape(x.shape), state

    def symmetry(self, field: Field) -> Field:
        return field.globally()


@dataclass(frozen=True)
class WindowedAttention(_Attention):
    """Every node attends to the nodes of its block; blocks of `window` nodes tile each axis. No positions.

    Isometries that map blocks to blocks survive. (Liu et al. 2021, without shifted windows: `Roll` shifts them.)

    Args:
        window: side of a block, an int or one per axis; it must divide the sizes.
        heads: number of heads; it must divide the channels, or the copies where operations move channels.

    Raises:
        LayerError: from init and apply, if the windows do not divide the sizes or the heads the channels.
    """

    marked = "always"

    window: Ints
    heads: int

    def __post_init__(self) -> None:
        check(self, window=counts, heads=count)

    def _windows(self, shape: Shape) -> tuple[int, ...]:
        windows = per_axis(self.window, shape, "window", self)
        if any(n is not None and n % w for n, w in zip(shape[:-1], windows, strict=True)):
            raise LayerError(
                f"{self}: windows of {windows} must divide the sizes; got {shape[:-1]}: "
                f"pad or crop the map, or use another window"
            )
        return windows

    def output_shape(self, shape: Shape) -> Shape:
        windows = self._windows(self._check(shape))
        return (*read_shape(self, shape, [Blocks(window) for window in windows]), shape[-1])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        windows = self._windows(x.shape[1:])
        dim, sizes = len(windows), x.shape[1:-1]
        split = [v for n, w in zip(sizes, windows, strict=True) for v in (n // w, w)]
        order = (0, *range(1, 2 * dim, 2), *range(2, 2 * dim + 1, 2), 2 * dim + 1)
        blocks = x.reshape(x.shape[0], *split, x.shape[-1]).transpose(order)
        mixed = self._attend(params, blocks.reshape(-1, prod(windows), x.shape[-1]), context.fibre)
        mixed = mixed.reshape(blocks.shape)
        back = sorted(range(len(order)), key=order.__getitem__)
        return mixed.transpose(back).reshape(x.shape), state

    def symmetry(self, field: Field) -> Field:
        blocks = [Blocks(window) for window in self._windows(field.shape)]
        if isinstance(field.fibre, Fibre):
            return field.rebase().read(blocks, "taps", crossable=True).mixed("any")
        return field.rebase().read(blocks, "taps", field.channels, crossable=True).pointwise("any")

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return f"windows of {self.window} lie at fixed places"
