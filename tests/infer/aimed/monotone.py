"""The maximum of a function of maxima of pairs: the same as without the pairs only if the function increases."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.aimed.common import INT, Aimed, Function, capped, pairs


def through(kind: Any) -> Function:
    """The maximum of what a conversion makes of the maxima of pairs."""
    return lambda x: pairs(x).astype(kind).astype(x.dtype).max(1)


def of_pairs(fn: Function) -> Function:
    """The maximum of a function of the maxima of pairs."""
    return lambda x: fn(pairs(x)).max(1)


def of_integers(fn: Function, kind: Any = jnp.int32) -> Function:
    """The same of whole numbers."""
    return lambda x: fn(pairs(capped(x).astype(kind))).max(1).astype(x.dtype)


MONOTONE = (
    Aimed("tanh", of_pairs(jnp.tanh), tight=True),
    Aimed("exp", of_pairs(jnp.exp), tight=True),
    Aimed("three times", of_pairs(lambda x: 3 * x + 1)),
    Aimed("relu", of_pairs(jax.nn.relu), tight=True),
    *(
        Aimed(name, of_pairs(fn))
        for name, fn in {
            "tan": jnp.tan,
            "log": jnp.log,
            "sqrt": jnp.sqrt,
            "arcsin": jnp.arcsin,
            "log1p": jnp.log1p,
            "arccosh": jnp.arccosh,
            "arctanh": jnp.arctanh,
            "erf_inv": lax.erf_inv,
            "reciprocal": lambda x: 1 / x,
            "minus": lambda x: -x,
            "times -2": lambda x: -2 * x,
            "over -2": lambda x: x / -2,
            "from 1": lambda x: 1 - x,
            "square": jnp.square,
            "cosh": jnp.cosh,
            "rsqrt": lax.rsqrt,
            "1 over log": lambda x: 1 / jnp.log(jnp.abs(x) + 2),
            "log of relu": lambda x: jnp.log(jax.nn.relu(x)),
            "log of a clip": lambda x: jnp.log(jnp.clip(x, -1, 2)),
            "lgamma": lax.lgamma,
            "digamma": lax.digamma,
            "modulo": lambda x: x % 3,
            "fmod": lambda x: jnp.fmod(x, 3.0),
            "times 0": lambda x: x * 0,
            "0 over": lambda x: 0 / x,
            "clamped backwards": lambda x: lax.clamp(jnp.asarray(1.0, x.dtype), x, jnp.asarray(-1.0, x.dtype)),
            "power 0.5": lambda x: jnp.power(x, 0.5),
            "cube": lambda x: x**3,
            "exp - 1 over": lambda x: jnp.expm1(x) / x,
            "log of a sum": lambda x: jnp.log(x + 3),
            "nextafter": lambda x: jnp.nextafter(x, 0.0 * x),
            "floor": jnp.floor,
            "round of a log": lambda x: jnp.round(jnp.log(x)),
            "minimum with a number": lambda x: jnp.minimum(x, 0.5),
            "NaN to number of a log": lambda x: jnp.nan_to_num(jnp.log(x)),
            "sinh over": lambda x: jnp.sinh(1 / x),
            "where": lambda x: jnp.where(x > 1, -x, x),
            "erf": lax.erf,
            "signed log": lambda x: jnp.sign(x) * jnp.log(jnp.abs(x)),
            "atan of tan": lambda x: jnp.arctan(jnp.tan(x)),
            "logit": jax.scipy.special.logit,
            "cbrt": jnp.cbrt,
        }.items()
    ),
    *(
        Aimed(f"to {np.dtype(kind).name}", through(kind))
        for kind in (bool, jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.int32, jnp.uint32, jnp.float16)
    ),
    *(
        Aimed(f"whole numbers {name}", of_integers(fn))
        for name, fn in {
            "times 2²⁴": lambda i: i * INT(2**24),
            "plus 2³¹ − 3": lambda i: i + INT(2**31 - 3),
            "to uint8": lambda i: i.astype(jnp.uint8),
            "to int8": lambda i: i.astype(jnp.int8),
            "to bool": lambda i: i.astype(bool),
            "times −1": lambda i: -i,
            "shifted left": lambda i: i << 28,
            "shifted right": lambda i: i >> 1,
            "squared": lambda i: i * i,
            "over −2": lambda i: lax.div(i, INT(-2)),
            "to the power 3": lambda i: i**3,
            "complemented": lambda i: ~i,
            "remainder": lambda i: i % 3,
            "and 3": lambda i: i & 3,
            "subtracted": lambda i: INT(-(2**31) + 2) - i,
            "over 0": lambda i: lax.div(i, INT(0)),
            "to int16": lambda i: i.astype(jnp.int16),
            "abs": abs,
            "sign": lambda i: jnp.sign(i),
        }.items()
    ),
    *(
        Aimed(f"bytes {name}", of_integers(fn, jnp.uint8))
        for name, fn in {
            "minus 1": lambda i: i - jnp.uint8(1),
            "times 3": lambda i: i * jnp.uint8(3),
            "to int8": lambda i: i.astype(jnp.int8),
            "plus 200": lambda i: i + jnp.uint8(200),
        }.items()
    ),
    Aimed(
        "a maximum of pairs of bytes, to int8, twice",
        lambda x: pairs(pairs(capped(x)).astype(jnp.int8)).astype(x.dtype),
    ),
    Aimed("a minimum of pairs of a log", lambda x: jnp.min(jnp.log(pairs(x)), 1)),
    Aimed(
        "a maximum of conversions of a joint maximum",
        lambda x: jnp.maximum(x, jnp.roll(x, 1, 1)).astype(jnp.int8).astype(x.dtype)[:, ::2].max(1),
    ),
)
