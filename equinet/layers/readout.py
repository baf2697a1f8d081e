"""Layers that tell positions apart, and dense layers."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod

import jax
import jax.numpy as jnp

from equinet.checks import as_flag
from equinet.layers.base import BATCH, Context, Layer, LayerError, Params, Shape, State
from equinet.layers.conv import add_bias
from equinet.layers.hyperparameters import check, count, number
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost


@dataclass(frozen=True)
class Flatten(Layer):
    """`[batch, *spatial, channels]` to `[batch, nodes · channels]`.

    Positions become channels: only isometries that fix every node survive, and the output is invariant under them.
    """

    def output_shape(self, shape: Shape) -> Shape:
        return (0,) if None in shape or not int(shape[-1]) else (prod(int(n or 1) for n in shape),)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return x.reshape(x.shape[0], -1), state

    def symmetry(self, field: Field) -> Field:
        return field.flatten(self.output_shape(field.shape)[0] or None)

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return "flattening turns positions into channels"


@dataclass(frozen=True)
class Dense(Layer):
    """`y = W x + b` over the channels, with the same W and b at every node (a 1×1 convolution, on a map).

    Args:
        features: output channels.
        bias: whether to add b.
    """

    features: int
    _: KW_ONLY
    bias: bool = True

    def __post_init__(self) -> None:
        check(self, features=count, bias=as_flag)

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.features)

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        kernel = jax.random.normal(key, (shape[-1], self.features)) * (1.0 / shape[-1]) ** 0.5
        return {"kernel": kernel, **({"bias": jnp.zeros(self.features)} if self.bias else {})}, {}

    def channels_read(self, params: Params) -> int | None:
        return params["kernel"].shape[0]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        if params["kernel"].shape[0] != x.shape[-1]:
            raise LayerError(
                f"{self}: its weights are for {params['kernel'].shape[0]} channels; got shape {x.shape}: {BATCH}"
            )
        y = x @ params["kernel"].astype(x.dtype)
        return add_bias(y, params), state

    def symmetry(self, field: Field) -> Field:
        return field.pointwise("affine", self.features)


@dataclass(frozen=True)
class PositionalEmbedding(Layer):
    """Add a learned table with one vector per node; only isometries that fix every node survive.

    Args:
        scale: standard deviation of the initial table.
    """

    treats_channels = "each"

    _: KW_ONLY
    scale: float = 0.02

    def __post_init__(self) -> None:
        check(self, scale=number(least=0))

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        return {"table": self.scale * jax.random.normal(key, shape)}, {}

    def channels_read(self, params: Params) -> int | None:
        return params["table"].shape[-1]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        if x.shape[1:] != params["table"].shape:
            raise LayerError(f"{self}: made for shape {params['table'].shape}; got {x.shape[1:]}: {BATCH}")
        return x + params["table"].astype(x.dtype)[None], state

    def symmetry(self, field: Field) -> Field:
        return field.fix_positions()

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return "a table of positions tells nodes apart"
