"""Steps inside control flow and transformations: jit, checkpoint, scans, loops, branches, gradients, maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, like
from tests.infer.steps.pointwise import UNARY

Inner = Callable[[Any, Any], Any]


def keeping(dice: Dice, value: Value) -> tuple[str, Inner]:
    """A function that keeps the shape, with one weight: of single entries, of neighbours, or telling places apart."""
    axis = dice.pick(value.space or value.axes("c"))
    if dice.goes_wild():
        return dice.pick(
            [
                ("running sums", lambda x, w: jnp.tanh(lax.cumsum(x, axis) * w)),
                ("the first entry doubled", lambda x, w: x.at[(slice(None),) * axis + (0,)].multiply(2 * w)),
                ("reversed", lambda x, w: jnp.flip(x, axis) * jnp.cos(w)),
            ]
        )
    return dice.pick(
        [
            ("tanh", lambda x, w: jnp.tanh(w * x)),
            ("its neighbour", lambda x, w: jnp.tanh(x + w * jnp.roll(x, 1, axis))),
            ("both neighbours", lambda x, w: jnp.sin(w * x + jnp.roll(x, 1, axis) + jnp.roll(x, -1, axis))),
            ("its mean", lambda x, w: jnp.cos(x - w * jnp.broadcast_to(jnp.mean(x, axis, keepdims=True), x.shape))),
        ]
    )


@jax.custom_jvp
def _soft_sign(x: Any) -> Any:
    return x / (1 + jnp.abs(x))


@_soft_sign.defjvp
def _soft_sign_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return _soft_sign(x), dx / (1 + jnp.abs(x)) ** 2


@jax.custom_vjp
def _straight_through(x: Any) -> Any:
    return jnp.floor(x + 0.417)


_straight_through.defvjp(lambda x: (_straight_through(x), ()), lambda _, g: (g,))


def wrapped(dice: Dice, value: Value) -> Made:
    """A call of a function that a transformation made."""
    name, inner = keeping(dice, value)
    weight = np.asarray(dice.normal())
    calls: dict[str, Inner] = {
        "jit": jax.jit(inner),
        "checkpoint": jax.checkpoint(inner),  # pyright: ignore[reportPrivateImportUsage]
        "jit of jit": jax.jit(lambda x, w: jax.jit(inner)(x, w) + x),
        "custom_jvp": lambda x, w: _soft_sign(inner(x, w)),
        "custom_vjp": lambda x, w: _straight_through(2 * inner(x, w)),
        "vmap over the batch": jax.vmap(lambda x, w: inner(x[None], w)[0], in_axes=(0, None)),
        "gradient": lambda x, w: jax.grad(lambda y: jnp.sum(jnp.sin(inner(y, w))))(x),
        "jvp": lambda x, w: jax.jvp(lambda y: inner(y, w), (x,), (jnp.cos(x),))[1],
    }
    options = [c for c in calls if c != "vmap over the batch" or value.roles[0] == "b"]
    call = dice.pick(options)
    return Made(f"{call} of {name}", lambda x, w: calls[call](x, like(w, x)), value.roles, (weight,))


def scanned(dice: Dice, value: Value) -> Made:
    """A scan over a stack of weights, or over the nodes of an axis."""
    weights = dice.normal(3)
    name, inner = keeping(dice, value)
    if not dice.goes_wild() or not value.space:
        unroll = dice.number(1, 2)
        return Made(
            f"scan of {name} over 3 weights, unroll {unroll}",
            lambda x, w: lax.scan(lambda h, one: (inner(h, one), None), x, like(w, x), unroll=unroll)[0],
            value.roles,
            (weights,),
        )
    axis = dice.pick(value.space)
    reverse = dice.chance(0.3)

    def recurrent(x: Any, w: Any) -> Any:
        rows = jnp.moveaxis(x, axis, 0)
        a = like(w[:1], x).reshape(())
        _, out = lax.scan(
            lambda h, row: ((y := jnp.tanh(a * h + row)), y), jnp.zeros_like(rows[0]), rows, reverse=reverse
        )
        return jnp.moveaxis(out, 0, axis)

    return Made(f"a recurrence along axis {axis}, reverse {reverse}", recurrent, value.roles, (weights,))


def mapped(dice: Dice, value: Value) -> Made:
    """`lax.map` or `vmap` over the nodes of an axis: the same for each."""
    axis = dice.pick(value.space or value.axes("c"))
    how = dice.pick(["lax.map", "vmap"])
    name = dice.pick(["tanh", "minus its mean", "times its place"] if dice.goes_wild() else ["tanh", "minus its mean"])

    def one(row: Any) -> Any:
        return jnp.tanh(row) if name == "tanh" else row - jnp.mean(row)

    def fn(x: Any) -> Any:
        if how == "vmap":
            return jax.vmap(one, axis, axis)(x)
        rows = jnp.moveaxis(x, axis, 0)
        if name == "times its place":
            places = jnp.arange(rows.shape[0], dtype=x.dtype)
            return jnp.moveaxis(lax.map(lambda pair: pair[0] * jnp.cos(pair[1]), (rows, places)), 0, axis)
        return jnp.moveaxis(lax.map(one, rows), 0, axis)

    return Made(f"{how} of {name} over axis {axis}", fn, value.roles)


def looped(dice: Dice, value: Value) -> Made:
    """fori_loop and while_loop, the number of steps constant or from the data."""
    name, inner = keeping(dice, value)
    weight = np.asarray(0.7 + abs(dice.normal()))
    corner = (slice(None),) + (0,) * (len(value.roles) - 1)
    conditions: dict[str, Callable[[Any], Any]] = {
        "the largest mean square over 0.2": lambda x: jnp.max(jnp.mean(x**2, tuple(range(1, x.ndim)))) > 0.2,
        "the largest entry over 0.5": lambda x: jnp.max(x) > 0.5,
    }
    if dice.goes_wild():
        conditions = {
            "the first entry positive": lambda x: jnp.max(x[corner]) > 0.113,
            "the first half larger": lambda x: jnp.sum(jnp.cumsum(x.reshape(-1))) > 0.11,
        }
    condition = dice.pick(list(conditions))

    def counted(x: Any, w: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, h: inner(h, w) / (1 + i).astype(x.dtype), x)

    def started(x: Any, w: Any) -> Any:
        return lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, inner(s[1], w)), (jnp.zeros((), int), x))[1]

    def until(x: Any, w: Any) -> Any:
        return lax.while_loop(
            lambda s: (s[0] < 4) & conditions[condition](s[1]),
            lambda s: (s[0] + 1, inner(s[1], w) * 0.8),
            (jnp.zeros((), int), x),
        )[1]

    loops: dict[str, Inner] = {"fori_loop of 3": counted, "while_loop of 2": started}
    if dice.chance(0.5):
        loops = {f"while_loop while {condition}": until}
    loop = dice.pick(list(loops))
    return Made(f"{loop}: {name}", lambda x, w: loops[loop](x, like(w, x)), value.roles, (weight,))


def branched(dice: Dice, value: Value) -> Made:
    """cond and switch, on the data or on a constant; or both computed and one selected."""
    (name_a, a), (name_b, b) = keeping(dice, value), keeping(dice, value)
    weight = np.asarray(dice.normal())
    corner = (0,) * len(value.roles)
    tests: dict[str, Callable[[Any, Any], Any]] = {
        "the mean is positive": lambda x, w: jnp.mean(x) > 0.013,
        "the largest entry is over 2": lambda x, w: jnp.max(x) > 2,
        "the weight is positive": lambda x, w: w > 0,
    }
    if dice.goes_wild():
        tests = {
            "the first entry is positive": lambda x, w: x[corner] > 0.013,
            "the first entry is the larger": lambda x, w: x[corner] > jnp.mean(x),
        }
    test = dice.pick(list(tests))
    how = dice.pick(["cond", "switch", "select"])

    def fn(x: Any, w: Any) -> Any:
        w = like(w, x)
        which = tests[test](x, w)
        if how == "cond":
            return lax.cond(which, a, b, x, w)
        if how == "switch":
            return lax.switch(which.astype(int), [b, a, lambda x, w: x], x, w)
        return jnp.where(which, a(x, w), b(x, w))

    return Made(f"{how} if {test}: {name_a}, else {name_b}", fn, value.roles, (weight,))


def chained(dice: Dice, value: Value) -> Made:
    """Several functions of each entry in one call."""
    names = [dice.pick(list(UNARY)) for _ in range(3)]

    def fn(x: Any) -> Any:
        for name in names:
            x = UNARY[name](x)
        return x

    return Made(f"jit of {', '.join(names)}", jax.jit(fn), value.roles)
