"""Scatters to places that repeat, in every type."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.infer.aimed.common import Aimed, by, number

I9 = np.asarray([0, 0, 1, 2, 3, 4, 5, 6, 7])


def places(*index: int) -> Any:
    return jnp.asarray(index)


SCATTERS = (
    Aimed("a number added where places repeat", lambda x: x.at[:, I9].add(1.0)),
    Aimed("a number multiplied where places repeat", lambda x: x.at[:, I9].multiply(2.0)),
    Aimed(
        "small integers, the least", lambda x: x.astype(jnp.int8).at[:, places(0, 3)].min(jnp.int8(0)).astype(x.dtype)
    ),
    Aimed(
        "unsigned integers, the least",
        lambda x: jnp.abs(x).astype(jnp.uint8).at[:, places(0)].min(jnp.uint8(1)).astype(x.dtype),
    ),
    Aimed(
        "small integers, the largest", lambda x: x.astype(jnp.int8).at[:, places(0)].max(jnp.int8(0)).astype(x.dtype)
    ),
    Aimed("large numbers, the least", lambda x: (1e10 * x).at[:, 0].min(3e9)),
    Aimed("large numbers, the largest", lambda x: (1e10 * x).at[:, 0].max(-3e9)),
    Aimed(
        "updates that cancel",
        lambda x: x.at[:, places(0, 0, 4)].add(jnp.asarray([1.0, -1.0, 2.0], x.dtype)[None, :, None]),
    ),
    Aimed("a number added everywhere", lambda x: x.at[:, :].add(2.0), tight=True),
    Aimed("parts of the value added twice", lambda x: x.at[:, places(0, 0)].add(x[:, 2:4])),
    Aimed("all nodes added in pairs", lambda x: jnp.zeros_like(x[:, :4]).at[:, np.arange(8) // 2].add(x)),
    Aimed("all nodes added wound", lambda x: jnp.zeros_like(x[:, :4]).at[:, np.arange(8) % 4].add(x)),
    Aimed("nine updates of eight places", lambda x: jnp.zeros_like(x).at[:, I9].add(jnp.concatenate([x[:, :1], x], 1))),
    Aimed(
        "nine products at eight places",
        lambda x: jnp.ones_like(x).at[:, I9].multiply(jnp.concatenate([x[:, :1], x], 1)),
    ),
    Aimed("subtracted where places repeat", lambda x: x.at[:, I9].add(-1.5)),
    Aimed("out of bounds, dropped", lambda x: x.at[:, places(0, 9)].add(1.0, mode="drop")),
    Aimed("negative places", lambda x: x.at[:, places(-1, -1)].add(1.0)),
    Aimed("a function of each place", lambda x: x.at[:, places(0, 0)].apply(lambda v: 2 * v)),
    Aimed("a power at repeated places", lambda x: x.at[:, places(0, 0)].power(2)),
    Aimed(
        "sums of segments",
        lambda x: jax.ops.segment_sum(x[0], places(0, 0, 1, 1, 2, 2, 3, 3), 4)[None].repeat(x.shape[0], 0),
    ),
    Aimed(
        "sums of unequal segments",
        lambda x: jax.ops.segment_sum(x[0], places(0, 0, 0, 1, 2, 2, 3, 3), 4)[None].repeat(x.shape[0], 0),
    ),
    Aimed("set at repeated places to parts", lambda x: x.at[:, places(1, 5)].set(x[:, places(5, 1)])),
    Aimed("an update that data choose the place of", lambda x: x.at[:, number(x)].set(0.0)),
    Aimed("added into ones", lambda x: jnp.ones_like(x).at[:, places(0, 0, 1, 2, 3, 4, 5, 6)].add(x)),
    Aimed("weights repeated over places", lambda x: by(x, jnp.zeros(8).at[I9].add(1.0))),
)
