"""Rolls by a phase that the data choose: the layers of the same names, with what these declare."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from equinet.groups.fibre import Fibre
from equinet.layers import Context, Layer, PolyphaseRoll, PolyphaseUnroll


def roll_to_largest(x: jax.Array, stride: Sequence[int]) -> tuple[jax.Array, jax.Array]:
    """`[batch, *spatial, channels]` rolled so that its component of the largest norm comes to the origin, and its
    phase `[batch, d]`."""
    context = Context(fibre=Fibre.plain(x.shape[-1]))
    return _run(PolyphaseRoll(tuple(stride)), x, context), context.chosen[-1]


def roll_to_phase(x: jax.Array, offset: jax.Array, stride: Sequence[int]) -> jax.Array:
    """Rolled so that a phase, chosen before with this stride, comes to the origin."""
    return _run(PolyphaseRoll(tuple(stride)), x, Context(replay=[offset], fibre=Fibre.plain(x.shape[-1])))


def roll_from_phase(x: jax.Array, offset: jax.Array, stride: Sequence[int]) -> jax.Array:
    """Rolled back."""
    context = Context(replay=[offset], restoring=True, fibre=Fibre.plain(x.shape[-1]))
    return _run(PolyphaseUnroll(tuple(stride)), x, context)


def _run(layer: Layer, x: jax.Array, context: Context) -> jax.Array:
    return layer.forward({}, {}, x, context)[0]
