"""Functions of parameters and an array: a claim is for all values of the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq
from tests.infer.aimed.common import T8, by, scalar

NUMBERS = tuple(np.asarray(v) for v in (1.0, 0.0, -2.0, 0.3))
COUNTS = tuple(np.asarray(v) for v in (0, 1, 3, 5))
TABLES = (np.ones(8), np.arange(8.0), np.tile([1.0, -1.0], 4), np.asarray([1.0, 1e-9] * 4))
NINE = jnp.asarray([0, 0, 1, 2, 3, 4, 5, 6, 7])


@dataclass(frozen=True, eq=False)
class OfParameters:
    """A function of parameters and of `[batch, nodes, 1]`.

    Attributes:
        values: parameters to judge it with.
        tight: whether inference must claim everything.
    """

    name: str
    fn: Callable[[Any, Any], Any]
    values: tuple[np.ndarray, ...] = NUMBERS
    tight: bool = False
    domain: eq.Domain = T8

    def __str__(self) -> str:
        return self.name


def added(places: Any, method: str) -> Callable[[Any, Any], Any]:
    """A number combined with the value at some places."""
    return lambda p, x: getattr(x.at[:, places], method)(p.astype(x.dtype))


PARAMETERS = (
    *(
        OfParameters(f"{method} where places repeat", added(NINE, method))
        for method in ("add", "multiply", "min", "max")
    ),
    OfParameters("set where places repeat", added(NINE, "set"), tight=True),
    OfParameters("add everywhere", added(slice(None), "add"), tight=True),
    OfParameters("set at a place", added(jnp.asarray([2]), "set")),
    OfParameters("times a number", lambda p, x: scalar(x, p), tight=True),
    OfParameters("times a table", lambda p, x: by(x, p), TABLES),
    OfParameters("plus a table", lambda p, x: x + p.astype(x.dtype)[None, :, None], TABLES),
    OfParameters("times the mean of a table", lambda p, x: scalar(x, p.mean()), TABLES, tight=True),
    OfParameters("times a table minus itself", lambda p, x: by(x, p - p), TABLES),
    OfParameters("times a table of ones to its power", lambda p, x: by(x, jnp.ones(8) ** p), TABLES),
    OfParameters("a sum with both neighbours", lambda p, x: x + scalar(jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1), p)),
    OfParameters("a sum with a neighbour", lambda p, x: x + scalar(jnp.roll(x, 1, 1), p)),
    OfParameters("rolled by a count", lambda p, x: jnp.roll(x, p, 1), COUNTS),
    OfParameters("the node of a number", lambda p, x: jnp.broadcast_to(x[:, p][:, None], x.shape), COUNTS),
    OfParameters("a slice at a count", lambda p, x: lax.dynamic_slice_in_dim(x, p, 3, 1).max(1), COUNTS),
    OfParameters("an update at a count", lambda p, x: lax.dynamic_update_slice_in_dim(x, 2 * x[:, :1], p, 1), COUNTS),
    OfParameters("turns of a count", lambda p, x: lax.fori_loop(0, p, lambda i, c: c + jnp.roll(c, 1, 1), x), COUNTS),
    OfParameters(
        "turns of a count, nodes alone",
        lambda p, x: lax.fori_loop(0, p, lambda i, c: jnp.sin(c), x),
        COUNTS,
        tight=True,
    ),
    OfParameters(
        "a table in so many turns",
        lambda p, x: by(x, lax.fori_loop(0, p, lambda i, c: jnp.cumsum(c), jnp.ones(8))),
        COUNTS,
    ),
    OfParameters(
        "turns of each node",
        lambda p, x: jax.vmap(lambda k, r: lax.fori_loop(0, k, lambda i, c: 2 * c, r), (0, 1), 1)(p.astype(int), x),
        TABLES,
    ),
    OfParameters(
        "a branch by a number", lambda p, x: lax.cond(p > 0.5, lambda y: jnp.roll(y, 1, 1), lambda y: y[:, ::-1], x)
    ),
    OfParameters("where a table is positive", lambda p, x: jnp.where((p > 0)[None, :, None], x, 2 * x), TABLES),
    OfParameters("one-hot of a count", lambda p, x: by(x, jax.nn.one_hot(p, 8)), COUNTS),
    OfParameters("places of the largest", lambda p, x: by(x, jnp.argsort(p)), TABLES),
    OfParameters("taken in the order of a table", lambda p, x: x[:, jnp.argsort(p)], TABLES),
    OfParameters(
        "maxima of pairs times a number",
        lambda p, x: scalar(x.reshape(x.shape[0], 4, 2, 1).max(2), p).max(1),
    ),
    OfParameters(
        "the maximum of pairs, clipped from above",
        lambda p, x: jnp.minimum(x.reshape(x.shape[0], 4, 2, 1).max(2), p.astype(x.dtype)).max(1),
    ),
    OfParameters(
        "noise by a key", lambda p, x: by(x, jax.random.normal(jax.random.key(p.astype(jnp.uint32)), (8,))), COUNTS
    ),
)
