"""What functions that are aimed at a condition of a rule are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq

Function = Callable[[Any], Any]


T8 = eq.torus(8)


@dataclass(frozen=True)
class Aimed:
    """A function of `[batch, *spatial, 1]`.

    Attributes:
        tight: whether inference must claim all that it keeps; on the plane, what it must claim.
    """

    name: str
    fn: Function
    domain: eq.Domain = T8
    tight: bool | str = False

    def __str__(self) -> str:
        return self.name


INT = jnp.int32


def by(x: Any, table: Any) -> Any:
    """x times a table along its first spatial axis."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return x * jnp.broadcast_to(jnp.asarray(table).astype(x.dtype).reshape(shape), x.shape)


def number(x: Any) -> Any:
    """Between 0 and 5, from one entry."""
    return jnp.clip(x[0, 0, 0] * 3, 0, 5).astype(int)


def biggest(x: Any) -> Any:
    """Between 0 and 5, from all entries."""
    return jnp.clip(jnp.max(x) * 3, 0, 5).astype(int)


def scalar(x: Any, y: Any) -> Any:
    """x times a number."""
    return x * jnp.broadcast_to(jnp.asarray(y).astype(x.dtype), x.shape)


def pairs(x: Any) -> Any:
    """Maxima of pairs."""
    init = np.asarray(-np.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min, x.dtype)[()]
    return lax.reduce_window(x, init, lax.max, (1, 2, 1), (1, 2, 1), "VALID")


def window(combine: Any, start: float = 0.0, pad: tuple[int, int] = (1, 1)) -> Function:
    """A reduction of windows of three."""
    return lambda x: lax.reduce_window(
        x, np.asarray(start, x.dtype)[()], combine, (1, 3, 1), (1, 1, 1), ((0, 0), pad, (0, 0))
    )


def capped(x: Any) -> Any:
    """To small integers and back, through an int32."""
    return jnp.clip(x, -1e6, 1e6).astype(jnp.int32)
