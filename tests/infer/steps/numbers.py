"""Steps of whole numbers and of conversions: overflow, division, shifts, types that hold less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value

KINDS: dict[str, Any] = {
    kind: getattr(jnp, kind)
    for kind in ["bool_", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "bfloat16", "float32"]
}


def whole(x: Any, kind: Any) -> Any:
    """Whole numbers of some type, by way of an int32: larger ones wrap around."""
    return jnp.clip(jnp.nan_to_num(3 * x), -2e6, 2e6).astype(jnp.int32).astype(kind)


def back(i: Any, x: Any) -> Any:
    """Numbers of the type of x, of order 1."""
    return i.astype(x.dtype) / 4


def conversion(dice: Dice, value: Value) -> Made:
    """To another type and back; alone, added to the value, or beside a neighbour."""
    name = dice.pick(list(KINDS))
    how = dice.pick(["alone", "added", "difference", "its neighbour's"])
    axis = dice.pick(value.space or value.axes("c"))

    def fn(x: Any) -> Any:
        bounded = jnp.clip(x, -1e4, 1e4) if "float" in name else jnp.clip(x, -100, 100)
        y = bounded.astype(KINDS[name]).astype(x.dtype)
        if how == "difference":
            return jnp.tanh(300 * (bounded - y))
        if how == "its neighbour's":
            return x + jnp.roll(y, 1, axis)
        return x + y if how == "added" else y

    return Made(f"to {name} and back, {how}", fn, value.roles)


FUNCTIONS: dict[str, Callable[[Any, int, int], Any]] = {
    "halved": lambda i, k, axis: lax.div(i, i.dtype.type(2)),
    "halved and doubled": lambda i, k, axis: lax.div(i, i.dtype.type(2)) * i.dtype.type(2),
    "floored half of the sum with its neighbour": lambda i, k, axis: (i + jnp.roll(i, 1, axis)) // i.dtype.type(2),
    "halves of both neighbours": lambda i, k, axis: sum(
        lax.div(jnp.roll(i, s, axis), i.dtype.type(2)) for s in (1, -1)
    ),
    "remainder": lambda i, k, axis: i % i.dtype.type(max(k, 2)),
    "times a large number": lambda i, k, axis: i * i.dtype.type(2 ** (8 * i.dtype.itemsize - 3)),
    "plus a large number": lambda i, k, axis: i + i.dtype.type(2 ** (8 * i.dtype.itemsize - 1) - k - 1),
    "negative": lambda i, k, axis: -i,
    "squared": lambda i, k, axis: i * i,
    "complement": lambda i, k, axis: ~i,
    "shifted left": lambda i, k, axis: i << i.dtype.type(8 * i.dtype.itemsize - 3),
    "shifted right": lambda i, k, axis: i >> i.dtype.type(1),
    "xor its neighbour": lambda i, k, axis: i ^ jnp.roll(i, 1, axis),
    "times its neighbour": lambda i, k, axis: i * jnp.roll(i, 1, axis),
    "minus its neighbour": lambda i, k, axis: i - jnp.roll(i, 1, axis),
    "sign": lambda i, k, axis: jnp.sign(i),
}


def integers(dice: Dice, value: Value) -> Made:
    """A function of whole numbers of some type, after the maximum of pairs or before, or not."""
    kind = dice.pick(["int8", "uint8", "int16", "int32", "uint32"])
    name, k = dice.pick(list(FUNCTIONS)), dice.number(1, 3)
    axis = dice.pick(value.space or value.axes("c"))
    pool = dice.pick(["", "", "before", "after"]) if value.shape[axis] % 2 == 0 and value.space else ""
    window = [2 if a == axis else 1 for a in range(len(value.roles))]

    def largest(i: Any) -> Any:
        return lax.reduce_window(i, jnp.iinfo(i.dtype).min, lax.max, window, window, "VALID")

    def fn(x: Any) -> Any:
        i = whole(x, KINDS[kind])
        i = largest(i) if pool == "before" else i
        i = FUNCTIONS[name](i, k, axis)
        return back(largest(i) if pool == "after" else i, x)

    text = f"{kind} {name} {k} along {axis}" + (f", maxima of pairs {pool}" if pool else "")
    return Made(text, fn, value.roles)


def counts(dice: Dice, value: Value) -> Made:
    """Sums, averages and extremes of whole numbers over an axis, rounded as their type rounds."""
    kind = dice.pick(["int8", "uint8", "int32"])
    axes = value.space if dice.chance(0.6) and value.space else [dice.pick(value.space or value.axes("c"))]
    name = dice.pick(["sum", "floored mean", "truncated mean", "max", "or", "how many are the largest"])

    def fn(x: Any) -> Any:
        i = whole(x, KINDS[kind])
        count = i.dtype.type(np.prod([x.shape[a] for a in axes]))
        if name in ("sum", "floored mean", "truncated mean"):
            total = lax.reduce(i, i.dtype.type(0), lax.add, axes)
            total = {"sum": total, "floored mean": total // count, "truncated mean": lax.div(total, count)}[name]
            return back(jnp.broadcast_to(jnp.expand_dims(total, axes), x.shape), x) + x
        if name == "or":
            return x + back(jnp.any(i == 1, tuple(axes), keepdims=True).astype(jnp.int32) + 0 * i.astype(jnp.int32), x)
        top = jnp.broadcast_to(jnp.max(i, tuple(axes), keepdims=True), i.shape)
        if name == "max":
            return back(top, x) * jnp.tanh(x)
        many = jnp.sum((i == top).astype(jnp.int32), tuple(axes), keepdims=True)
        return back(jnp.broadcast_to(many, x.shape), x) + jnp.tanh(x)

    return Made(f"{kind} {name} over {axes}", fn, value.roles)
