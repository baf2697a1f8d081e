"""Steps of loops whose count or condition depends on the data, on a table, or on another loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.control import keeping
from tests.infer.steps.dice import Dice, Made, Value, like

Count = Callable[[Any], Any]


def _count(dice: Dice, value: Value) -> tuple[str, Count]:
    """From 0 to 4: of all entries, or of one."""
    corner = (0,) * len(value.roles)
    options: dict[str, Count] = {
        "the largest entry": lambda x: jnp.max(x),
        "the mean": lambda x: jnp.mean(x),
        "the number of positive entries": lambda x: jnp.sum(x > 0.1131).astype(x.dtype) / 4,
    }
    if dice.goes_wild() or dice.chance(0.2):
        options = {
            "the first entry": lambda x: x[corner],
            "the first entry's size": lambda x: abs(x[corner]),
            "the first half": lambda x: jnp.mean(x.reshape(-1)[: max(x.size // 2, 1)]),
        }
    name = dice.pick(list(options))
    return name, lambda x: jnp.clip(jnp.nan_to_num(2 * options[name](x) + 0.3137), 0, 4).astype(int)


def carrying(dice: Dice, value: Value) -> Made:
    """A loop that carries constants, so many turns as the data say; the value is multiplied by what comes out."""
    count_name, count = _count(dice, value)
    axis = dice.pick(value.space or value.axes("c"))
    n, w = value.shape[axis], float(dice.normal())
    name, nodes = dice.pattern(n)
    row = np.asarray([1.0 + 0.3 * k for k in range(n)])[nodes]
    shape = [n if a == axis else 1 for a in range(len(value.roles))]

    def number(x: Any, turns: Any) -> Any:
        return lax.fori_loop(0, turns, lambda i, c: c + w, jnp.ones((), x.dtype))

    def exchanged(x: Any, turns: Any) -> Any:
        one = jnp.ones((), x.dtype)
        return lax.fori_loop(0, turns, lambda i, c: (c[1], c[0]), (one, 2 * one))[0]

    def until(x: Any, turns: Any) -> Any:
        one = jnp.ones((), x.dtype)
        return lax.while_loop(lambda s: s[0] < turns, lambda s: (s[0] + 1, s[1] * 1.5), (0 * turns, one))[1]

    def nested(x: Any, turns: Any) -> Any:
        return lax.fori_loop(0, 2, lambda i, c: lax.fori_loop(0, turns, lambda j, d: d + 0.5, c), jnp.ones((), x.dtype))

    def rolled(x: Any, turns: Any) -> Any:
        return lax.fori_loop(0, turns, lambda i, c: jnp.roll(c, 1), like(row, x)).reshape(shape)

    def summed(x: Any, turns: Any) -> Any:
        return lax.fori_loop(0, turns, lambda i, c: jnp.cumsum(c) / n, like(row, x)).reshape(shape)

    def scaled(x: Any, turns: Any) -> Any:
        return lax.fori_loop(0, turns, lambda i, c: 0.7 * c + 1, like(row, x)).reshape(shape)

    def looked_up(x: Any, turns: Any) -> Any:
        return like(np.arange(1.0, 6.0), x)[lax.fori_loop(0, turns, lambda i, c: c + 1, 0)]

    def branched(x: Any, turns: Any) -> Any:
        one = jnp.ones((), x.dtype)
        return lax.scan(lambda c, k: (lax.cond(turns > k, lambda: c + 1, lambda: c), None), one, jnp.arange(3))[0]

    loops = {f.__name__: f for f in (number, exchanged, until, nested, rolled, summed, scaled, looked_up, branched)}
    loop = dice.pick(list(loops))

    def fn(x: Any) -> Any:
        found = loops[loop](x, count(x))
        return x * jnp.broadcast_to(found, x.shape)

    table = f" of a table {name} along {axis}" if loop in ("rolled", "summed", "scaled") else ""
    return Made(f"times a constant {loop}{table}, turns from {count_name}", fn, value.roles)


def of_each(dice: Dice, value: Value) -> Made:
    """Loops of each example, node or entry: so many turns as its data or a table say."""
    over = dice.pick(["examples", "nodes", "entries"])
    axis = value.axes("b")[0] if over == "examples" else dice.pick(value.space or value.axes("c"))
    name, nodes = dice.pattern(value.shape[axis])
    turns = np.resize([1, 2, 3, 0, 2, 1, 3, 2], value.shape[axis])[nodes]
    by_table = over == "nodes" and dice.chance(0.6)
    one_entry = dice.goes_wild() or dice.chance(0.2)
    own = dice.chance(0.5)

    def one(row: Any, k: Any) -> Any:
        level = (row.reshape(-1)[0] if one_entry else jnp.max(row)) if not by_table else row.dtype.type(0)
        turned = lax.while_loop(
            lambda s: (s[0] < 4) & ((s[0] < k) if by_table else (s[1] > 0.1131)),
            lambda s: (s[0] + 1, s[1] * 0.5, jnp.sin(1.3 * s[2])),
            (jnp.asarray(0), level, row),
        )
        return turned[2] if own else row * turned[0].astype(row.dtype)

    def fn(x: Any, k: Any) -> Any:
        if over == "entries":
            return jax.vmap(lambda v: one(v, 0))(x.reshape(-1)).reshape(x.shape)
        return jax.vmap(one, (axis, 0), axis)(x, jnp.asarray(k))

    told = f"a table {name}" if by_table else "one entry" if one_entry else "its largest"
    what = "a function, so often" if own else "times how many turns"
    return Made(f"for each of the {over} along {axis}: {what} as {told} says", fn, value.roles, (turns,))


def stepping(dice: Dice, value: Value) -> Made:
    """A loop over places: what is read or written moves with the counter."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    size = dice.pick([s for s in (1, 2, n // 2) if s and n % s == 0])
    turns = n // size if not dice.goes_wild() else dice.number(1, n // size)
    name = dice.pick(["sum of functions", "largest", "each doubled", "weighted sum"])

    def fn(x: Any) -> Any:
        def part(i: Any) -> Any:
            return lax.dynamic_slice_in_dim(x, i * size, size, axis)

        first = part(0)
        if name == "each doubled":
            return lax.fori_loop(
                0, turns, lambda i, c: lax.dynamic_update_slice_in_dim(c, 2 * part(i), i * size, axis), x
            )
        if name == "largest":
            found = lax.fori_loop(0, turns, lambda i, c: jnp.maximum(c, part(i)), first)
        elif name == "weighted sum":
            found = lax.fori_loop(0, turns, lambda i, c: c + (1 + i).astype(x.dtype) * part(i), first)
        else:
            found = lax.fori_loop(0, turns, lambda i, c: c + jnp.sin(part(i)), first)
        return jnp.broadcast_to(jnp.max(found, axis, keepdims=True), x.shape) + jnp.tanh(x)

    return Made(f"over {turns} parts of {size} along {axis}: {name}", fn, value.roles)


def until_settled(dice: Dice, value: Value) -> Made:
    """A loop of a function of the value, as long as the data say, beside a constant that it carries."""
    name, function = keeping(dice, value)
    count_name, count = _count(dice, value)
    weight = np.asarray(0.7 + abs(dice.normal()))

    def fn(x: Any, w: Any) -> Any:
        turned, many = lax.fori_loop(
            0, count(x), lambda i, s: (0.7 * function(s[0], like(w, x)), s[1] + 1.0), (x, jnp.ones((), x.dtype))
        )
        return turned + jnp.broadcast_to(many, x.shape)

    return Made(f"{name}, so often as {count_name} says, and the count", fn, value.roles, (weight,))
