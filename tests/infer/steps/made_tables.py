"""Steps with tables that look alike and are not: made by operations on constants, nearly equal, of signed zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, like

KEY = 7
OF_ONES: dict[str, Callable[[int], Any]] = {
    "random.normal": lambda n: jax.random.normal(jax.random.key(KEY), (n,)),
    "random.bits": lambda n: jax.random.bits(jax.random.key(KEY), (n,)) % 5,
    "random.normal of split keys": lambda n: jax.vmap(jax.random.normal)(jax.random.split(jax.random.key(KEY), n)),
    "random.normal of one key": lambda n: jnp.full(n, jax.random.normal(jax.random.key(KEY))),
    "top_k's places": lambda n: lax.top_k(jnp.ones(n), n)[1],
    "argsort": lambda n: jnp.argsort(jnp.ones(n)),
    "a sort of pairs": lambda n: lax.sort((jnp.ones(n), jnp.arange(n)), num_keys=1)[1],
    "nonzero": lambda n: jnp.nonzero(jnp.ones(n), size=n)[0],
    "cumsum": lambda n: jnp.cumsum(jnp.ones(n)),
    "fft": lambda n: jnp.real(jnp.fft.fft(jnp.ones(n))),
    "qr": lambda n: jnp.linalg.qr(jnp.ones((n, n)))[0][:, 0],
    "lu": lambda n: lax.linalg.lu(jnp.ones((n, n)))[0][:, -1],
    "eigh": lambda n: jnp.abs(lax.linalg.eigh(jnp.ones((n, n)))[0][:, -1]),
    "padded windows": lambda n: lax.reduce_window(
        jnp.ones(n), np.asarray(0, np.float32)[()], lax.add, (3,), (1,), ((1, 1),)
    ),
    "wide windows": lambda n: lax.reduce_window(
        jnp.ones(n), np.asarray(0, np.float32)[()], lax.add, (n // 2 + 1,), (1,), "SAME"
    ),
    "padded": lambda n: jnp.pad(jnp.ones(max(n // 3, 1)), (n // 3, n - n // 3 - max(n // 3, 1))),
    "a scan": lambda n: lax.scan(lambda c, w: (c + w, c), 0.0, jnp.ones(n))[1],
    "a while": lambda n: lax.while_loop(
        lambda s: s[0] < 2, lambda s: (s[0] + 1, s[1] * jnp.arange(1.0, n + 1)), (0, jnp.ones(n))
    )[1],
    "a callback": lambda n: jax.pure_callback(
        lambda v: np.arange(n, dtype=np.float32), jax.ShapeDtypeStruct((n,), jnp.float32), jnp.ones(n)
    ),
    "a uniform loop": lambda n: lax.fori_loop(0, 3, lambda i, c: 2 * c + 1, jnp.ones(n)),
    "uniform windows": lambda n: lax.reduce_window(
        jnp.ones(2 * n), np.asarray(0, np.float32)[()], lax.add, (n + 1,), (1,), "VALID"
    ),
    "a histogram": lambda n: jnp.zeros(n).at[jnp.arange(n)].add(1.0),
    "a histogram of repeated places": lambda n: jnp.zeros(n).at[jnp.arange(n + 1) % n].add(1.0),
    "a gather": lambda n: jnp.arange(2.0 * n)[jnp.arange(n) * 2],
}
"""Functions of a size that make tables of something uniform; not all of the tables are."""

NEARLY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "1 and 1 + 1e-9": lambda u: 1 + 1e-9 * u,
    "1 and 1e-9": lambda u: np.where(u == u.flat[0], 1.0, 1e-9 * (1 + u)),
    "1 and 1e-30": lambda u: np.where(u == u.flat[0], 1.0, 1e-30 * (1 + u)),
    "1/3 and its float32": lambda u: np.where(u == u.flat[0], 1 / 3, float(np.float32(1 / 3))),
    "zeros of either sign": lambda u: np.where(u == u.flat[0], 0.0, -0.0),
    "1 and 0": lambda u: np.where(u == u.flat[0], 1.0, 0.0),
    "1 and −1": lambda u: np.where(u == u.flat[0], 1.0, -1.0),
    "large whole numbers": lambda u: 2.0**52 + u,
}
"""Of a whole number for each node: tables that differ where these do, by little or in a way that hides."""

USES: dict[str, Callable[[Any, Any], Any]] = {
    "times": lambda x, t: x * t,
    "plus": lambda x, t: x + t,
    "the size of a product": lambda x, t: jnp.log(jnp.abs(x * t) + 1e-300),
    "steeply minus the product": lambda x, t: jnp.tanh(1e10 * (x * t - x * jnp.max(jnp.abs(t)))),
    "the angle to": lambda x, t: jnp.arctan2(t, -1 - jnp.abs(x)),
    "a quotient by": lambda x, t: jnp.tanh((1 + x * x) / t),
    "where less than": lambda x, t: jnp.where(1e-12 * jnp.abs(x) < t, x, 2 * x),
    "the sign of": lambda x, t: jnp.copysign(x, t),
    "the larger of": lambda x, t: jnp.maximum(x, t),
    "to the power of": lambda x, t: jnp.power(1 + jnp.abs(x), jnp.clip(t, -3, 3)),
}


def made_table(dice: Dice, value: Value) -> Made:
    """A table along an axis that an operation makes of something uniform, as a factor, a summand, …"""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    name, use = dice.pick(list(OF_ONES)), dice.pick(["times", "plus", "the larger of"])
    shape = [n if a == axis else 1 for a in range(len(value.roles))]

    def fn(x: Any) -> Any:
        table = OF_ONES[name](n).astype(x.dtype).reshape(shape)
        return USES[use](x, jnp.broadcast_to(table, x.shape))

    return Made(f"{use} a table by {name} along {axis}", fn, value.roles)


def near_table(dice: Dice, value: Value) -> Made:
    """A table that is nearly uniform, or symmetric, along an axis."""
    axis = dice.pick(value.space or value.axes("c"))
    pattern, nodes = dice.pattern(value.shape[axis])
    name, use = dice.pick(list(NEARLY)), dice.pick(list(USES))
    table = NEARLY[name](nodes.astype(float))
    shape = [value.shape[axis] if a == axis else 1 for a in range(len(value.roles))]
    return Made(
        f"{use} a table of {name}, {pattern} along {axis}",
        lambda x, t: USES[use](x, jnp.broadcast_to(like(t, x).reshape(shape), x.shape)),
        value.roles,
        (table,),
    )


def near_weights(dice: Dice, value: Value) -> Made:
    """A sum with both neighbours whose weights are nearly alike, the large part taken off and the rest made to show."""
    axis = dice.pick(value.space or value.axes("c"))
    a, b = dice.pick(
        [(1e-9, 1e-9), (1e-9, 3e-9), (1e-12, 0.0), (1 / 3, float(np.float32(1 / 3))), (0.5, 0.5), (1.0, 1 + 1e-9)]
    )
    how = dice.pick(["rolls", "matrix", "convolution"])
    n = value.shape[axis]
    i = np.arange(n)
    matrix = np.eye(n) + a * (i[:, None] == (i + 1) % n) + b * (i[:, None] == (i - 1) % n)

    def fn(x: Any, m: Any) -> Any:
        if how == "rolls":
            y = x + a * jnp.roll(x, 1, axis) + b * jnp.roll(x, -1, axis)
        elif how == "matrix":
            y = jnp.moveaxis(jnp.tensordot(x, like(m, x), axes=((axis,), (1,))), -1, axis)
        else:
            rows = jnp.moveaxis(x, axis, -1).reshape(-1, 1, n)
            wide = jnp.pad(rows, ((0, 0), (0, 0), (1, 1)), mode="wrap")
            y = lax.conv_general_dilated(wide, like(np.asarray([a, 1.0, b]), x)[None, None], (1,), "VALID")
            y = jnp.moveaxis(y.reshape(jnp.moveaxis(x, axis, -1).shape), -1, axis)
        return jnp.tanh((y - x) / max(a, b))

    return Made(f"what {how} with weights {a}, 1, {b} along {axis} add", fn, value.roles, (matrix,))


STEEP: dict[str, Callable[[Any], Any]] = {
    "its size": lambda x: jnp.log(jnp.abs(x) + 1e-300),
    "its sign": jnp.sign,
    "tan": jnp.tan,
    "log": jnp.log,
    "sqrt": jnp.sqrt,
    "arcsin": jnp.arcsin,
    "log1p": jnp.log1p,
    "reciprocal": lambda x: 1 / x,
    "cube root": jnp.cbrt,
    "is it zero": lambda x: (x == 0).astype(x.dtype) + jnp.tanh(x),
    "is it an integer": lambda x: (x == jnp.round(x)).astype(x.dtype) + jnp.tanh(x),
}


def steep(dice: Dice, value: Value) -> Made:
    """A function that is steep, has poles, or is none on a part of the line; NaN becomes a number, or stays."""
    name, kept = dice.pick(list(STEEP)), dice.chance(0.15)
    pooled = value.is_map and dice.chance(0.5)
    window = [2 if role == "s" and n % 2 == 0 else 1 for n, role in zip(value.shape, value.roles, strict=True)]

    def fn(x: Any) -> Any:
        if pooled:
            x = lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, window, window, "VALID")
        y = STEEP[name](x)
        return y if kept else jnp.clip(jnp.nan_to_num(y, nan=-7.0), -1e3, 1e3)

    text = name + (", NaN kept" if kept else "") + (f" of maxima over {window}" if pooled else "")
    return Made(text, fn, value.roles)
