"""Reductions by functions that are no sum or maximum, places of extremes, orders, gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq
from tests.infer.aimed.common import Aimed, Function, pairs, window


def largest(size: int, pad: tuple[int, int], start: float = -np.inf, base: int = 1) -> Function:
    """The maxima of windows of so many nodes, which lie apart; some windows may hold none."""
    return lambda x: lax.reduce_window(
        x, np.asarray(start, x.dtype)[()], lax.max, (1, size, 1), (1, 1, 1), ((0, 0), pad, (0, 0)), (1, base, 1)
    )


def finite(x: Any) -> Any:
    """No less than −9."""
    return jnp.maximum(x, -9)


EMPTY = (
    Aimed(
        "nothing, through a relu, and nothing",
        lambda x: finite(largest(1, (0, 1))(jax.nn.relu(largest(1, (1, 0))(x)))),
        eq.box(8),
    ),
    Aimed(
        "nothing in wider windows, through exp",
        lambda x: finite(largest(2, (0, 2))(jnp.exp(largest(2, (2, 0))(x)))),
        eq.box(8),
    ),
    Aimed("nothing from 0 and from −∞", lambda x: finite(largest(1, (0, 1))(largest(1, (1, 0), 0.0)(x))), eq.box(8)),
    Aimed(
        "nothing beside a zero of padding",
        lambda x: finite(largest(1, (0, 1))(jnp.pad(x, ((0, 0), (1, 0), (0, 0))))),
        eq.box(8),
    ),
    Aimed(
        "nothing, then a zero of padding",
        lambda x: finite(jnp.pad(largest(1, (1, 0))(x), ((0, 0), (0, 1), (0, 0)))),
        eq.box(8),
    ),
    Aimed(
        "nothing between nodes",
        lambda x: finite(largest(1, (1, 0))(jnp.tanh(largest(1, (0, 1), base=2)(x)))),
    ),
    Aimed("nothing at both ends", lambda x: finite(largest(2, (2, 2))(x)), eq.box(8), tight=True),
)
REDUCERS = (
    *EMPTY,
    *(
        Aimed(f"windows by {name}", window(fn), domain)
        for domain in (eq.box(8), eq.torus(8))
        for name, fn in {
            "b + b": lambda a, b: b + b,
            "a + a": lambda a, b: a + a,
            "b": lambda a, b: b,
            "a": lambda a, b: a,
            "a − b": lambda a, b: a - b,
            "a + 2b": lambda a, b: a + 2 * b,
            "max(b, b)": lambda a, b: lax.max(b, b),
            "a + 1": lambda a, b: a + 1.0,
            "max(a, 0)": lambda a, b: lax.max(a, 0.0 * b),
            "2ab": lambda a, b: 2 * a * b,
            "min(a, max)": lambda a, b: lax.min(a, lax.max(a, b)),
            "|a + b|": lambda a, b: abs(a + b),
        }.items()
    ),
    Aimed(
        "windows by a + b",
        lambda x: window(lambda a, b: a + b, pad=(0, 0))(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")),
        tight=True,
    ),
    Aimed(
        "windows by b + a",
        lambda x: window(lambda a, b: b + a, pad=(0, 0))(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")),
        tight=True,
    ),
    Aimed("windows from 5", window(lax.add, 5.0), eq.box(8), tight=True),
    Aimed("windows of maxima from 0", window(lax.max, 0.0), eq.box(8), tight=True),
    Aimed(
        "one window of all, a − b",
        lambda x: lax.reduce_window(x, np.asarray(0.0, x.dtype)[()], lambda a, b: a - b, (1, 8, 1), (1, 8, 1), "VALID"),
    ),
    *(
        Aimed(f"a reduction by {name}", lambda x, f=fn: lax.reduce(x, np.asarray(0.0, x.dtype)[()], f, (1,)))
        for name, fn in {
            "b": lambda a, b: b,
            "a": lambda a, b: a,
            "b + b": lambda a, b: b + b,
            "a − b": lambda a, b: a - b,
            "a + b": lambda a, b: a + b,
        }.items()
    ),
    Aimed("a scan by an associative b", lambda x: lax.associative_scan(lambda a, b: b, x, axis=1)),
    Aimed("a scan by an associative a", lambda x: lax.associative_scan(lambda a, b: a, x, axis=1)),
    Aimed("running sums and back", lambda x: jnp.diff(jnp.cumsum(jnp.pad(x, ((0, 0), (1, 0), (0, 0))), 1), axis=1)),
    Aimed(
        "two maxima at once",
        lambda x: lax.reduce_window(
            (x, jnp.zeros_like(x)),
            (np.asarray(-np.inf, x.dtype)[()], np.asarray(0, x.dtype)[()]),
            lambda a, b: (jnp.maximum(a[0], b[0]), jnp.maximum(a[1], b[1])),
            (1, 2, 1),
            (1, 2, 1),
            "VALID",
        )[0],
    ),
    Aimed("the gradient of a max pool", jax.grad(lambda x: jnp.sum(jnp.sin(pairs(x))))),
    Aimed(
        "the gradient of overlapping maxima",
        jax.grad(
            lambda x: jnp.sum(
                jnp.sin(lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 3, 1), (1, 1, 1), "SAME"))
            )
        ),
    ),
    Aimed("the gradient of a maximum", jax.grad(lambda x: jnp.sum(jnp.max(x, 1) ** 2))),
    Aimed(
        "the gradient of a sort",
        jax.grad(lambda x: jnp.sum(jnp.sort(x, 1) * jnp.arange(8.0)[None, :, None].astype(x.dtype))),
    ),
    Aimed("the first largest", lambda x: jax.nn.one_hot(jnp.argmax(x, 1), 8, axis=1, dtype=x.dtype)),
    Aimed("the largest place", lambda x: jnp.argmax(x, 1).astype(x.dtype)),
    Aimed("the order", lambda x: jnp.argsort(x, 1).astype(x.dtype)),
    Aimed("all sorted by another", lambda x: lax.sort((jnp.round(x), x), dimension=1, num_keys=1)[1]),
    Aimed(
        "top 3",
        lambda x: jnp.moveaxis(lax.top_k(jnp.moveaxis(x, 1, 2), 3)[0], 2, 1).reshape(x.shape[0], -1),
        tight=True,
    ),
    Aimed("the median", lambda x: jnp.median(x, 1), tight=True),
    Aimed("places of top 3", lambda x: lax.top_k(jnp.moveaxis(x, 1, 2), 3)[1].reshape(x.shape[0], -1).astype(x.dtype)),
    Aimed("how many are the largest", lambda x: (x == jnp.max(x, 1, keepdims=True)).sum(1).astype(x.dtype), tight=True),
    Aimed("unique values", lambda x: jnp.unique(x[0], size=8)[None].repeat(x.shape[0], 0)[..., None]),
    Aimed(
        "values at nonzero places", lambda x: x[0, jnp.nonzero(x[0, :, 0] > 0, size=3)[0]][None].repeat(x.shape[0], 0)
    ),
)
