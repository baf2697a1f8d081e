"""Layers in which every node listens to all nodes, or to those of its block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag
from equinet.groups.fibre import Fibre, as_fibre
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.group_conv import GroupConv
from equinet.layers.hyperparameters import check, count, counts, per_axis
from equinet.layers.local import needs_size, read_shape
from equinet.layers.orbits import orbit_count, orbit_invariants, spread, spread_invariant
from equinet.symmetry.attended import Attended, Blocks, Spaced
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost

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

    >>> import equinet as eq
    >>> print(eq.certify(SqueezeExcite(), eq.torus(8, 8), channels=4).strict)
    Z × Z ⋊ 4mm (p4m, index 1)
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

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
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
        return field.scale()


def _expanded(params: Params, fibre: Fibre) -> Params:
    """The parameters of attention over plain channels that computes the same."""
    result = {}
    for name, layer in _maps(fibre).items():
        result[name] = layer.dense_kernel(params[name], fibre, fibre.dim).reshape(fibre.size, -1)
        result[f"{name}_bias"] = spread_invariant(params[name]["bias"], layer.out)
    return result


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
        fibre = as_fibre(shape[-1])
        if not fibre.is_plain and self.heads != 1:
            copies = [count for count, _ in fibre.terms]
            if len(copies) > 1 or copies[0] % self.heads:
                raise LayerError(
                    f"{self}: a head holds whole copies of a representation, so heads={self.heads} must divide the "
                    f"copies of a single one; got {fibre}"
                )
        if fibre.size % self.heads:
            raise LayerError(f"{self}: heads={self.heads} must divide the channels; got {shape[-1]}")
        return shape

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        fibre, channels = shape[-1], shape[-1].size
        first, second = jax.random.split(key)
        if not fibre.is_plain:
            one = (1,) * fibre.dim
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

    def _attend(self, params: Params, x: jax.Array, fibre: Fibre, bias: jax.Array | None = None) -> jax.Array:
        """Attention within sets, `[sets, nodes, channels]`; a bias of the logits is `[heads, nodes, nodes]`."""
        sets, nodes, channels = x.shape
        params = params if fibre.is_plain else _expanded(params, fibre)
        split = _dense(params, "qkv", x).reshape(sets, nodes, 3, self.heads, channels // self.heads)
        query, key, value = split[:, :, 0], split[:, :, 1], split[:, :, 2]
        scale = jnp.asarray((channels // self.heads) ** -0.5, x.dtype)
        logits = jnp.einsum("snhc,smhc->shnm", query * scale, key)
        logits = logits if bias is None else logits + bias[None].astype(x.dtype)
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


class _SetAttention(_Attention):
    """Attention within sets of nodes that tile the map; a product of sets along each axis."""

    marked = "always"
    side_by_side: ClassVar[bool] = True
    position_bias: bool

    def _along(self, shape: Shape) -> tuple[Attended, ...]:
        """The sets along each axis."""
        raise NotImplementedError

    def _sets(self, given: Ints, shape: Shape, what: str) -> tuple[int, ...]:
        """How many nodes a set has along each axis.

        Raises:
            LayerError: if they do not divide the sizes.
        """
        counts = per_axis(given, shape, what, self)
        if any(n is not None and n % count for n, count in zip(shape[:-1], counts, strict=True)):
            raise LayerError(
                f"{self}: {what}s of {counts} must divide the sizes; got {shape[:-1]}: "
                f"pad or crop the map, or use another {what}"
            )
        return counts

    def output_shape(self, shape: Shape) -> Shape:
        along = self._along(self._check(shape))
        if self.position_bias and not as_fibre(shape[-1]).is_plain:
            raise LayerError(
                f"{self}: a bias for each relative position is not the same under operations that move channels; got "
                f"{shape[-1]}: leave position_bias out, or put a GroupPool before it"
            )
        return (*read_shape(self, shape, along), shape[-1])

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        params, state = super().setup(key, shape)
        if self.position_bias:
            offsets = prod(2 * one.count - 1 for one in self._along(shape))
            params["position_bias"] = 0.02 * jax.random.normal(jax.random.fold_in(key, 2), (self.heads, offsets))
        return params, state

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        counts, sizes = [one.count for one in self._along(x.shape[1:])], x.shape[1:-1]
        # Each axis is split in two: sets side by side, or sets that take turns.
        across = [n // count for n, count in zip(sizes, counts, strict=True)]
        pairs = zip(across, counts, strict=True) if self.side_by_side else zip(counts, across, strict=True)
        split = [v for pair in pairs for v in pair]
        first, second = range(1, len(split), 2), range(2, len(split) + 1, 2)
        order = (0, *first, *second) if self.side_by_side else (0, *second, *first)
        order = (*order, len(split) + 1)
        sets = x.reshape(x.shape[0], *split, x.shape[-1]).transpose(order)
        bias = params["position_bias"][:, _offsets(counts)] if self.position_bias else None
        mixed = self._attend(params, sets.reshape(-1, prod(counts), x.shape[-1]), context.fibre, bias)
        back = sorted(range(len(order)), key=order.__getitem__)
        return mixed.reshape(sets.shape).transpose(back).reshape(x.shape), state

    def symmetry(self, field: Field) -> Field:
        along = self._along(field.shape)
        if not field.fibre.is_plain:
            return field.rebase().read(along, "taps", crossable=True).mix("any")
        crossable = not self.position_bias
        return field.rebase().read(along, "taps", field.channels, crossable=crossable).pointwise("any")


def _offsets(counts: Sequence[int]) -> np.ndarray:
    """For each two nodes of a set `[nodes, nodes]`, the number of their relative position."""
    place = np.indices(counts).reshape(len(counts), -1)
    relative = place[:, None, :] - place[:, :, None] + np.asarray(counts)[:, None, None] - 1
    return np.asarray(np.ravel_multi_index(tuple(relative), [2 * count - 1 for count in counts]))


@dataclass(frozen=True)
class WindowedAttention(_SetAttention):
    """Every node attends to the nodes of its block; blocks of `window` nodes tile each axis.

    Isometries that map blocks to blocks survive; with a bias for each relative position only shifts of these do. (Liu
    et al. 2021, without shifted windows: `Roll` shifts them.)

    Args:
        window: side of a block, an int or one per axis; it must divide the sizes.
        heads: number of heads; it must divide the channels, or the copies where operations move channels.
        position_bias: add to each logit a parameter of the head and of where one node lies relative to the other.

    Raises:
        LayerError: from init and apply, if the windows do not divide the sizes or the heads the channels, or operations
            move channels and there is a bias.
    """

    window: Ints
    heads: int
    _: KW_ONLY
    position_bias: bool = False

    def __post_init__(self) -> None:
        check(self, window=counts, heads=count, position_bias=as_flag)

    def _along(self, shape: Shape) -> tuple[Blocks, ...]:
        return tuple(Blocks(window, self.position_bias) for window in self._sets(self.window, shape, "window"))

    def reason(self, before: Field, lost: Lost) -> str:
        del before
        told = "; biases tell positions in them apart" if self.position_bias and "operations" in lost else ""
        return f"windows of {self.window} lie at fixed places{told}"


@dataclass(frozen=True)
class GridAttention(_SetAttention):
    """Every node attends to the nodes of a grid of `grid` nodes along each axis, which are as far apart as possible.

    The map is split into blocks, `grid` along each axis, and the nodes at the same place of every block attend to each
    other. Without a bias every isometry of a torus survives: which nodes are n / grid apart depends on no origin. With
    one, those do that leave each node at its place in its grid.
    (Tu et al. 2022, MaxViT.)

    Args:
        grid: nodes along a side, an int or one per axis; it must divide the sizes.
        heads, position_bias: as for `WindowedAttention`.

    Raises:
        LayerError: as for `WindowedAttention`, and on an infinite axis, where the distance means nothing.

    >>> import equinet as eq
    >>> print(eq.certify(GridAttention(2, 1), eq.torus(8), channels=2).strict)
    Z ⋊ m (index 1)
    >>> print(eq.certify(GridAttention(2, 1, position_bias=True), eq.torus(8), channels=2).strict)
    m at (3/2) (order 2)
    """

    side_by_side = False

    grid: Ints
    heads: int
    _: KW_ONLY
    position_bias: bool = False

    def __post_init__(self) -> None:
        check(self, grid=counts, heads=count, position_bias=as_flag)

    def _along(self, shape: Shape) -> tuple[Spaced, ...]:
        sides = self._sets(self.grid, shape, "grid")
        if None in shape[:-1]:
            raise needs_size(self, "how far its nodes are apart", "WindowedAttention")
        return tuple(Spaced(side, self.position_bias) for side in sides)

    def reason(self, before: Field, lost: Lost) -> str:
        del before
        told = "biases tell positions in a grid apart" if self.position_bias and lost else ""
        return told
