"""Steps of one node each: functions of one value, of a value and a constant, of two values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, fit, like

# Jumps lie off the values that differences and rectified values take exactly, where rounding would decide.
UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "gelu": jax.nn.gelu,
    "exact gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "abs": jnp.abs,
    "negative": lambda x: -x,
    "bounded cube": lambda x: x**3 / (1 + x**2),
    "sin": lambda x: jnp.sin(3 * x),
    "cos": lambda x: jnp.cos(3 * x),
    "bell": lambda x: jnp.exp(-(x**2)),
    "erf": lax.erf,
    "rsqrt(1 + x²)": lambda x: lax.rsqrt(1 + jnp.square(x)),
    "log(1 + x²)": lambda x: jnp.log1p(x * x),
    "clip": lambda x: jnp.clip(x, -0.7, 1.1),
    "lax.clamp": lambda x: lax.clamp(jnp.asarray(-0.5, x.dtype), x, jnp.asarray(0.9, x.dtype)),
    "where": lambda x: jnp.where(x > 0, x, 0.1 * x),
    "where with constants": lambda x: jnp.where((x > 0.137) & ~(x > 1.71), 1.0, x),
    "signed root": lambda x: jnp.sign(x) * jnp.sqrt(jnp.abs(x)),
    "floor": lambda x: jnp.floor(2 * x + 0.371),
    "to integers and back": lambda x: jnp.round(3 * x + 0.213).astype(int).astype(x.dtype),
    "modulo": lambda x: (x + 0.319) % 1.7,
    "nan_to_num": jnp.nan_to_num,
    "stop_gradient": lax.stop_gradient,
    "atan2": lambda x: jnp.arctan2(x, 1 + jnp.abs(x)),
    "power": lambda x: jnp.power(jnp.abs(x) + 0.5, 0.7),
    "through complex": lambda x: jnp.real(jnp.exp(lax.complex(-jnp.abs(x), x))) + jnp.angle(lax.complex(1 + x**2, x)),
}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": jnp.add,
    "subtract": jnp.subtract,
    "multiply by bounded": lambda a, b: a * jnp.tanh(b),
    "divide by positive": lambda a, b: a / (1 + jnp.abs(b)),
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "larger or tripled": lambda a, b: jnp.where(a > b, a, 3 * b),
    "select": lambda a, b: lax.select_n(b > 0.093, a, -a),
}


def unary(dice: Dice, value: Value) -> Made:
    """A function of each entry."""
    name = dice.pick(list(UNARY))
    return Made(name, UNARY[name], value.roles)


def with_scalar(dice: Dice, value: Value) -> Made:
    """A function of each entry and a number."""
    name = dice.pick(list(BINARY))
    constant = dice.normal()
    return Made(f"{name} {constant:.2f}", lambda x, c: BINARY[name](x, fit(c, x)), value.roles, (np.asarray(constant),))


def with_constant(dice: Dice, value: Value) -> Made:
    """A function of each entry and a table."""
    name = dice.pick(list(BINARY))
    text, constant = dice.table(value)
    if dice.chance(0.3):
        return Made(f"{name} of {text} and", lambda x, c: BINARY[name](fit(c, x), x) / 2, value.roles, (constant,))
    return Made(f"{name} {text}", lambda x, c: BINARY[name](x, fit(c, x)), value.roles, (constant,))


def masked(dice: Dice, value: Value) -> Made:
    """Keep the entries where a table, made while tracing, says so."""
    axis = dice.pick(value.space or [len(value.roles) - 1])
    n = value.shape[axis]
    rules: dict[str, Callable[[Any], Any]] = {
        "every other node": lambda i: i % 2 == 0,
        "the first half": lambda i: i < n // 2,
        "all nodes": lambda i: i >= 0,
        "the ends": lambda i: (i == 0) | (i == n - 1),
    }
    name = dice.pick(["all nodes", "every other node", "the ends"] if not dice.goes_wild() else list(rules))
    return Made(
        f"where({name} along axis {axis}, ·, 0)",
        lambda x: jnp.where(rules[name](lax.broadcasted_iota(int, x.shape, axis)), x, jnp.zeros_like(x)),
        value.roles,
    )


def noise(dice: Dice, value: Value) -> Made:
    """Random numbers from a constant key: a table, as far as symmetry goes."""
    seed = dice.number(0, 99)
    axes = set(range(len(value.roles))) - set(value.space) - set(value.axes("b"))
    if dice.goes_wild():
        axes |= set(value.space)
    shape = tuple(n if i in axes else 1 for i, n in enumerate(value.shape))

    def add(x: Any) -> Any:
        return x + jnp.broadcast_to(jax.random.normal(jax.random.key(seed), shape, x.dtype), x.shape)

    def drop(x: Any) -> Any:
        kept = jax.random.bernoulli(jax.random.key(seed), 0.7, shape)
        return jnp.where(jnp.broadcast_to(kept, x.shape), x / 0.7, jnp.zeros_like(x))

    if dice.chance(0.5):
        return Made(f"plus noise[{shape}]", add, value.roles)
    return Made(f"dropout[{shape}]", drop, value.roles)


def two(dice: Dice, value: Value) -> Made:
    """A function of each entry of two values of one shape."""
    name = dice.pick(list(BINARY))
    weights = dice.normal(2)
    if dice.chance(0.3):
        return Made(
            "weighted sum",
            lambda a, b, w: a * fit(w[0], a) + b * fit(w[1], b),
            value.roles,
            (weights,),
        )
    return Made(name, BINARY[name], value.roles)


def gate(dice: Dice, value: Value) -> Made:
    """One value by the averages of another, channel by channel; `value` is a map."""
    del dice
    space = tuple(value.space)
    return Made(
        "gated by the averages of",
        lambda a, b: a * jnp.broadcast_to(jax.nn.sigmoid(jnp.mean(b, space, keepdims=True)), a.shape),
        value.roles,
    )


def affine(dice: Dice, value: Value) -> Made:
    """A scale and an offset per channel."""
    shape = [n if role == "c" else 1 for n, role in zip(value.shape, value.roles, strict=True)]
    constants = dice.normal(*shape), dice.normal(*shape)
    return Made("affine per channel", lambda x, w, b: x * fit(w, x) + fit(b, x), value.roles, constants)


def identity_of_constants(dice: Dice, value: Value) -> Made:
    """Arithmetic on constants alone, then with the value: whether they vary is found through what was done to them."""
    text, constant = dice.table(value)
    _, other = dice.table(value)
    rolled = value.space and dice.chance(0.5)
    axis = dice.pick(value.space) if rolled else 0

    def fn(x: Any, c: Any, d: Any) -> Any:
        made = jnp.tanh(fit(c, x)) * jnp.cos(fit(d, x))
        return x + (jnp.roll(made, 1, axis) if rolled else like(np.asarray(2.0), x) * made)

    return Made(f"plus arithmetic on {text} and another", fn, value.roles, (constant, other))
