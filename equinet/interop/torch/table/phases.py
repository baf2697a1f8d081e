"""Rolls by a phase that the data choose: the layers of the same names, with what these declare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from equinet.groups.fibre import Fibre
from equinet.interop.torch.table.arrays import Array
from equinet.layers import Context, Layer, PolyphaseRoll, PolyphaseUnroll


def roll_to_largest(x: Array, stride: Sequence[int]) -> list[Array]:
    context = Context(fibre=Fibre.plain(x.shape[1]))
    return [_run(PolyphaseRoll(tuple(stride)), x, context), context.chosen[-1]]


def roll_to_phase(x: Array, offset: Array, stride: Sequence[int]) -> Array:
    return _run(PolyphaseRoll(tuple(stride)), x, Context(replay=[offset], fibre=Fibre.plain(x.shape[1])))


def roll_from_phase(x: Array, offset: Array, stride: Sequence[int]) -> Array:
    context = Context(replay=[offset], restoring=True, fibre=Fibre.plain(x.shape[1]))
    return _run(PolyphaseUnroll(tuple(stride)), x, context)


def _run(layer: Layer, x: Array, context: Context) -> Array:
    """What a layer makes of `[batch, channels, *spatial]`."""
    return jnp.moveaxis(layer.forward({}, {}, jnp.moveaxis(x, 1, -1), context)[0], -1, 1)


TABLE: dict[str, Callable[..., Any]] = {
    "roll_to_largest": roll_to_largest,
    "roll_to_phase": roll_to_phase,
    "roll_from_phase": roll_from_phase,
}
