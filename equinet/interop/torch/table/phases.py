"""Rolls by a phase that the data choose, of `[batch, channels, *spatial]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from equinet.interop import rolls
from equinet.interop.torch.table.arrays import Array


def roll_to_largest(x: Array, stride: Sequence[int]) -> list[Array]:
    y, offset = rolls.roll_to_largest(jnp.moveaxis(x, 1, -1), stride)
    return [jnp.moveaxis(y, -1, 1), offset]


def _by_phase(roll: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, offset, stride: jnp.moveaxis(roll(jnp.moveaxis(x, 1, -1), offset, stride), -1, 1)


TABLE: dict[str, Callable[..., Any]] = {
    "roll_to_largest": roll_to_largest,
    "roll_to_phase": _by_phase(rolls.roll_to_phase),
    "roll_from_phase": _by_phase(rolls.roll_from_phase),
}
