"""Rolls by a phase that the data choose, and back: what commutes with some shifts, between them, commutes with all."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import jax

from equinet.layers.base import Context, Params, Shape, State
from equinet.layers.hyperparameters import check, counts
from equinet.layers.polyphase import (
    Ints,
    PhaseChoice,
    PhaseReturn,
    as_norm,
    checked_strides,
    phase_of_largest,
)
from equinet.ops.selection import roll_from_phase, roll_to_phase
from equinet.symmetry.choices import Tied, roll_from_component, roll_to_component
from equinet.symmetry.field import Field
from equinet.symmetry.polyphase import Phase


@dataclass(frozen=True)
class PolyphaseRoll(PhaseChoice):
    """Roll the map so that the phase which the data choose comes to the origin: `y[p] = x[p + o*]`, around the torus.

    The phase is that of `PolyphasePool`: o* = argmax_o ‖x_o‖ over the components `x_o[i] = x[s i + o]`, ties broken
    alike. A shift t of the input moves y by the multiple `t + o* − o*′` of s. So what follows needs to commute with
    shifts by multiples of s only, and between this layer and a `PolyphaseUnroll` in an `Hourglass` it commutes with
    all. With `WindowedAttention` in between, windows start where the data say. (Rojas-Gomez et al. 2023, "Making vision
    transformers truly shift-equivariant", where they start so that their own norms are the largest.)

    After a `LayerNorm` over channels all nodes have nearly the same 2-norm, and rounding would choose: put the roll
    before it, or use `norm=1`.

    Args:
        stride: s, an int or one per axis; it must divide the sizes.
        norm: p of the norm: 1, 2 or `math.inf`.

    Raises:
        ValueError: for another norm.
        LayerError: from init and apply, if the stride does not divide a size.

    >>> import equinet as eq
    >>> windows = eq.WindowedAttention(4, 1)
    >>> anchored = eq.Hourglass(PolyphaseRoll(4), windows, PolyphaseUnroll(4))
    >>> for net in (windows, anchored):
    ...     print(eq.certify(net, eq.torus(8), channels=2).strict)
    4Z ⋊ m (index 4)
    Z (index 1)
    """

    stride: Ints
    _: KW_ONLY
    norm: float = 2

    def __post_init__(self) -> None:
        check(self, stride=counts, norm=as_norm)

    def output_shape(self, shape: Shape) -> Shape:
        checked_strides(self, self.stride, shape)
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        strides = checked_strides(self, self.stride, x.shape[1:])

        def sample(_params: Params, x: jax.Array, offset: jax.Array | None) -> tuple[jax.Array, jax.Array]:
            if offset is None:
                offset = phase_of_largest(jax.lax.stop_gradient(x), strides, self.norm, context.fibre)
            return roll_to_phase(x, offset, strides), offset

        return self.sampled(sample, params, x, context), state

    def at_phase(self, field: Field, strides: tuple[int, ...], ties: Tied) -> Field:
        return roll_to_component(field, strides, tied=ties)


@dataclass(frozen=True)
class PolyphaseUnroll(PhaseReturn):
    """Roll the map back by the phase that a `PolyphaseRoll` chose: `y[p + o*] = x[p]`, around the torus.

    Works only in the `up` part of an `Hourglass`, as `PolyphaseUpsample` does.

    Args:
        stride: s of the matching layer, an int or one per axis.

    Raises:
        LayerError: from apply and certify, outside an `Hourglass`, or if `down` has no matching layer.
    """

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def put(self, x: jax.Array, offset: jax.Array, strides: tuple[int, ...]) -> jax.Array:
        return roll_from_phase(x, offset, strides)

    def put_field(self, field: Field, phase: Phase) -> Field:
        return roll_from_component(field, phase)
