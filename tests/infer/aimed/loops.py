"""Loops: what they carry, where they end."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tests.infer.aimed.common import Aimed, biggest, by, number, scalar


def while_(x: Any, start: Any, body: Any, going: Any) -> Any:
    """Turn while going and at most five times."""
    return lax.while_loop(lambda s: (s[0] < 5) & going(s[1]), lambda s: (s[0] + 1, body(s[1])), (0, start))[1]


def counted_rows(x: Any) -> Any:
    """For each example, how often its first entry is halved."""
    return jax.vmap(lambda r: lax.while_loop(lambda c: c[1] > 0.1, lambda c: (c[0] + 1, c[1] * 0.5), (0, r[0, 0]))[0])(
        x
    )


def nested(x: Any) -> Any:
    """A constant, increased in a loop within a loop whose count is an entry's."""
    n = number(x)
    return lax.fori_loop(0, 3, lambda i, c: lax.fori_loop(0, n, lambda j, d: d + 1.0, c), 1.0)


LOOPS = (
    Aimed("a count from an entry", lambda x: scalar(x, lax.fori_loop(0, number(x), lambda i, c: c + 1.0, 1.0))),
    Aimed("a count from all", lambda x: scalar(x, lax.fori_loop(0, biggest(x), lambda i, c: c + 1.0, 1.0)), tight=True),
    Aimed("a counter of each example", lambda x: x * counted_rows(x)[:, None, None].astype(x.dtype)),
    Aimed("a loop within a loop", lambda x: scalar(x, nested(x))),
    Aimed(
        "constants exchanged",
        lambda x: scalar(x, lax.fori_loop(0, number(x), lambda i, c: (c[1], c[0]), (1.0, 2.0))[0]),
    ),
    Aimed(
        "a table rolled", lambda x: by(x, lax.fori_loop(0, biggest(x), lambda i, c: jnp.roll(c, 1), jnp.arange(8.0)))
    ),
    Aimed(
        "a uniform table rolled",
        lambda x: by(x, lax.fori_loop(0, biggest(x), lambda i, c: jnp.roll(c, 1) + 1, jnp.ones(8))),
    ),
    Aimed("a place that counts", lambda x: jnp.roll(x, lax.fori_loop(0, biggest(x), lambda i, c: c + 1, 0), 1) + x),
    Aimed(
        "a table read at a count",
        lambda x: scalar(x, jnp.arange(1.0, 9.0)[while_(x, 0, lambda c: c + 1, lambda c: c < number(x))]),
    ),
    Aimed(
        "a while of a number, going on an entry",
        lambda x: scalar(
            x, lax.while_loop(lambda s: s[1] > 0.1, lambda s: (s[0] + 1, s[1] * 0.5), (0, jnp.abs(x[0, 0, 0])))[0]
        ),
    ),
    Aimed(
        "a scan of a cond on an entry",
        lambda x: scalar(
            x,
            lax.scan(
                lambda c, w: (lax.cond(x[0, 0, 0] > w, lambda: c + 1, lambda: c), None),
                0,
                jnp.asarray([-1.0, 0.0, 1.0], x.dtype),
            )[0],
        ),
    ),
    Aimed(
        "a long scan of a cond on an entry",
        lambda x: scalar(
            x,
            lax.scan(
                lambda c, w: (lax.cond(x[0, 0, 0] > w, lambda: c + 1, lambda: c), None),
                0,
                jnp.linspace(-1, 1, 100).astype(x.dtype),
            )[0],
        ),
    ),
    Aimed(
        "a long scan that stacks a constant",
        lambda x: scalar(
            x, lax.scan(lambda c, w: (jnp.where(x[0, 0, 0] > 0, 1, 0) + c, c), jnp.asarray(0), jnp.zeros(100))[1].sum()
        ),
    ),
    Aimed(
        "a cond of constants in a loop",
        lambda x: scalar(
            x, lax.fori_loop(0, 3, lambda i, c: lax.cond(x[0, 0, 0] > 0, lambda d: d + 1, lambda d: d * 2, c), 1.0)
        ),
    ),
    Aimed("what is never carried on", lambda x: scalar(x, lax.fori_loop(0, number(x), lambda i, c: 3.0, 1.0))),
    Aimed(
        "a nested while of examples",
        lambda x: (
            x
            * jax.vmap(
                lambda r: lax.fori_loop(
                    0,
                    2,
                    lambda i, c: lax.while_loop(lambda d: d[1] > 0.2, lambda d: (d[0] + 1.0, d[1] * 0.5), (c, r[0, 0]))[
                        0
                    ],
                    0.0,
                )
            )(x)
            .reshape(-1, 1, 1)
            .astype(x.dtype)
        ),
    ),
    Aimed(
        "a loop with an array of conditions",
        lambda x: (
            by(x, 1)
            * jax.vmap(
                jax.vmap(
                    lambda v: lax.while_loop(
                        lambda c: c[1] > 0.1, lambda c: (c[0] + 1.0, c[1] * 0.5), (jnp.zeros(()), v)
                    )[0]
                )
            )(x[..., 0])[..., None].astype(x.dtype)
        ),
    ),
    Aimed(
        "turns of each node, from a table",
        lambda x: jax.vmap(lambda k, r: lax.fori_loop(0, k, lambda i, c: c * 2, r), (0, 1), 1)(jnp.arange(8), x),
    ),
    Aimed(
        "turns of each node, a while, from a table",
        lambda x: jax.vmap(
            lambda k, r: lax.while_loop(lambda s: s[0] < k, lambda s: (s[0] + 1, jnp.sin(s[1])), (0, r))[1], (0, 1), 1
        )(jnp.asarray([1, 2, 3, 1, 2, 3, 1, 2]), x),
    ),
    Aimed(
        "places that a loop steps over",
        lambda x: lax.fori_loop(0, biggest(x), lambda i, c: c.at[:, i].multiply(2.0), x),
    ),
    Aimed(
        "a slice in a loop",
        lambda x: lax.fori_loop(0, 4, lambda i, c: c + lax.dynamic_slice_in_dim(x, i, 1, 1), jnp.zeros_like(x[:, :1])),
    ),
    Aimed(
        "a switch of tables",
        lambda x: by(x, lax.switch(number(x), [lambda: jnp.ones(8), lambda: 2 * jnp.ones(8), lambda: jnp.ones(8)])),
    ),
    Aimed(
        "a table that is uniform at first",
        lambda x: by(x, lax.fori_loop(0, biggest(x), lambda i, c: jnp.cumsum(c), jnp.ones(8))),
    ),
    Aimed(
        "a loop of two turns whose constant becomes a table",
        lambda x: by(x, lax.fori_loop(0, 2, lambda i, c: jnp.cumsum(c), jnp.ones(8))),
    ),
)
