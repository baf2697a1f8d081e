"""Sums and quotients of whole numbers, and of types of less precision."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

import equinet as eq
from tests.infer.aimed.common import INT, Aimed, Function, capped


def whole(fn: Function) -> Function:
    """A function of whole numbers."""
    return lambda x: fn(capped(x)).astype(x.dtype)


def between(low: int, high: int) -> Function:
    """Whole numbers of 64 bits between two others, modulo 1000."""

    def fn(x: Any) -> Any:
        ends = [jnp.full_like(x[:, :1], end, dtype=jnp.int64) for end in (low, high)]
        return (jnp.concatenate([ends[0], capped(x).astype(jnp.int64), ends[1]], 1) % 1000).astype(x.dtype)

    return fn


two = INT(2)
INTEGERS = (
    Aimed("between 2⁵³ and 2⁵³ + 1", between(2**53, 2**53 + 1), eq.box(8)),
    Aimed("between the least number and the next", between(-(2**63), 1 - 2**63), eq.box(8)),
    Aimed("between 2⁵³ + 1 and itself", between(2**53 + 1, 2**53 + 1), eq.box(8), tight=True),
    Aimed("pairs halved, then added", whole(lambda i: lax.div(i[:, ::2] + i[:, 1::2], two).sum(1))),
    Aimed("averages of pairs, floored", whole(lambda i: ((i[:, ::2] + i[:, 1::2]) // 2).sum(1))),
    Aimed("halved and doubled", whole(lambda i: lax.div(i, two) * two + jnp.roll(i, 1, 1)), tight=True),
    Aimed("halved and doubled, beside its neighbour", whole(lambda i: lax.div(i, two) * two - jnp.roll(i, 1, 1))),
    Aimed(
        "both neighbours halved apart",
        whole(lambda i: lax.div(jnp.roll(i, 1, 1), two) + lax.div(jnp.roll(i, -1, 1) + 1, two)),
    ),
    Aimed(
        "a window sum of halves",
        lambda x: (
            lax.reduce_window(lax.div(capped(x), two), INT(0), lax.add, (1, 2, 1), (1, 2, 1), "VALID")
            .sum(1)
            .astype(x.dtype)
        ),
    ),
    Aimed(
        "halves of a window sum",
        lambda x: (
            lax.div(lax.reduce_window(capped(x), INT(0), lax.add, (1, 2, 1), (1, 2, 1), "VALID"), two)
            .sum(1)
            .astype(x.dtype)
        ),
    ),
    Aimed(
        "halves of a matrix of pairs",
        lambda x: (
            lax.div(
                jnp.einsum("nm,bmc->bnc", jnp.repeat(jnp.eye(4, dtype=int), 2, 1).astype(jnp.int32), capped(x)), two
            )
            .sum(1)
            .astype(x.dtype)
        ),
    ),
    Aimed(
        "sums of bytes",
        lambda x: (capped(x)[:, ::2].astype(jnp.uint8) + capped(x)[:, 1::2].astype(jnp.uint8)).astype(x.dtype).sum(1),
    ),
    Aimed("sums of booleans", lambda x: ((x > 0)[:, ::2] | (x > 0)[:, 1::2]).sum(1).astype(x.dtype)),
    Aimed("booleans added", lambda x: ((x > 0)[:, ::2] + (x > 0)[:, 1::2]).sum(1).astype(x.dtype)),
    Aimed("xor of pairs", whole(lambda i: (i[:, ::2] ^ i[:, 1::2]).sum(1))),
    Aimed("a right shift of sums of pairs", whole(lambda i: ((i[:, ::2] + i[:, 1::2]) >> 1).sum(1))),
    Aimed("remainders of sums of pairs", whole(lambda i: ((i[:, ::2] + i[:, 1::2]) % 3).sum(1))),
    Aimed(
        "a mean of whole numbers, over all", whole(lambda i: lax.div(i.sum(1).astype(jnp.int32), INT(8))), tight=True
    ),
    Aimed("sums of pairs as float16", lambda x: (x[:, ::2] + x[:, 1::2]).astype(jnp.float16).astype(x.dtype).sum(1)),
    Aimed("sums of pairs as int32", lambda x: (x[:, ::2] + x[:, 1::2]).astype(jnp.int32).astype(x.dtype).sum(1)),
    Aimed("its neighbour as float16", lambda x: x + jnp.roll(x, 1, 1).astype(jnp.float16).astype(x.dtype)),
    Aimed(
        "its neighbour as float32",
        lambda x: (
            x - jnp.roll(x, 2, 1) + (jnp.roll(x, 1, 1).astype(jnp.float32).astype(x.dtype) - jnp.roll(x, 1, 1)) * 1e8
        ),
    ),
    Aimed("what float32 loses", lambda x: jnp.tanh(1e7 * (x - x.astype(jnp.float32).astype(x.dtype))), tight=True),
    Aimed(
        "pairs, the second as float16", lambda x: (x[:, ::2] + x[:, 1::2].astype(jnp.float16).astype(x.dtype)).sum(1)
    ),
    Aimed(
        "pairs, the larger, the second as float16",
        lambda x: jnp.maximum(x[:, ::2], x[:, 1::2].astype(jnp.float16).astype(x.dtype)).sum(1),
    ),
    Aimed("halves and doubles of small floats", lambda x: (x[:, ::2] * 1e-300) * 1e-300 * 1e300 * 1e300 + x[:, 1::2]),
    Aimed("a factor that overflows", lambda x: ((x * 1e300) * 1e300)[:, ::2] * 1e-300 * 1e-300 + x[:, 1::2]),
    Aimed("complex halves", lambda x: jnp.real(lax.complex(x, 0 * x)[:, ::2] * 1j + lax.complex(x, 0 * x)[:, 1::2])),
    Aimed(
        "complex times i and back", lambda x: jnp.real((lax.complex(x, x) * 1j)[:, ::2] + lax.complex(x, x)[:, 1::2])
    ),
)
