"""Steps that move entries: slices, shifts, paddings, gathers and scatters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, fit, like

Index = tuple[Any, ...]


def _at(rank: int, axis: int, index: Any) -> Index:
    return (slice(None),) * axis + (index,) + (slice(None),) * (rank - axis - 1)


def slicing(dice: Dice, value: Value) -> Made | None:
    """`x[:, a:b:s]`, reversed or not, along some axes."""
    rank = len(value.roles)
    if not value.space:
        return None
    index: list[slice] = [slice(None)] * rank
    step = dice.pick([2, 2, 3, 1]) * dice.pick([1, 1, -1])
    for axis in dice.some(value.space):
        n = value.shape[axis]
        if dice.goes_wild():
            index[axis] = slice(dice.number(0, n // 2), dice.number(n // 2, n - 1) + 1, dice.pick([1, 2]))
        else:
            start = dice.number(0, max(min(abs(step), n), 1) - 1)
            index[axis] = slice(start if step > 0 else n - 1 - start, None, step)
    if dice.chance(0.15) and value.axes("c"):
        index[value.axes("c")[-1]] = slice(None, None, -1)
    return Made(f"sliced {_text(index)}", lambda x: x[tuple(index)], value.roles)


def _text(index: list[slice]) -> str:
    parts = []
    for s in index:
        ends = ["" if v is None else str(v) for v in (s.start, s.stop)]
        parts.append(":".join(ends) + (f":{s.step}" if s.step not in (None, 1) else ""))
    return "[" + ", ".join(parts) + "]"


def reversal(dice: Dice, value: Value) -> Made:
    """`lax.rev`."""
    axes = dice.some(value.space + value.axes("c"))
    return Made(f"reversed along {axes}", lambda x: lax.rev(x, axes), value.roles)


def roll(dice: Dice, value: Value) -> Made:
    """`jnp.roll`, along some axes, alone or added to the value."""
    axes = dice.some(value.space or value.axes("c"))
    shifts = [dice.number(-2, 2) for _ in axes]
    if dice.chance(0.5):
        return Made(f"rolled by {shifts} along {axes}", lambda x: jnp.roll(x, shifts, axes), value.roles)
    weight = np.asarray(dice.normal())
    return Made(
        f"plus itself rolled by {shifts} along {axes}",
        lambda x, w: x + like(w, x) * jnp.roll(x, shifts, axes),
        value.roles,
        (weight,),
    )


def flattened_roll(dice: Dice, value: Value) -> Made:
    """`jnp.roll` of all entries of an example in one row: spills from row to row."""
    by = dice.number(1, 3) * (1 if dice.goes_wild() else value.shape[-1] * value.shape[-2])
    return Made(
        f"rolled by {by} in one row",
        lambda x: jnp.roll(x.reshape(x.shape[0], -1), by, 1).reshape(x.shape),
        value.roles,
    )


MODES = ("wrap", "reflect", "symmetric", "edge", "constant", "linear_ramp", "maximum", "mean", "minimum")


def padding(dice: Dice, value: Value) -> Made:
    """`jnp.pad` in every mode."""
    mode = dice.pick(MODES) if dice.goes_wild() else "wrap"
    widths = [(0, 0)] * len(value.roles)
    for axis in dice.some(value.space or value.axes("c")):
        widths[axis] = (dice.number(0, 2), dice.number(0, 2))
        if dice.chance(0.2):
            widths[axis] = (value.shape[axis], value.shape[axis] * dice.number(0, 1))
    value_ = dice.pick([0.0, 0.7])
    kwargs = {"constant_values": value_} if mode == "constant" else {}
    kwargs |= {"end_values": value_} if mode == "linear_ramp" else {}
    name = f"padded {mode} {widths}" + (f" with {value_}" if kwargs else "")
    return Made(name, lambda x: jnp.pad(x, widths, mode=mode, **kwargs), value.roles)


def interior_padding(dice: Dice, value: Value) -> Made:
    """`lax.pad`: between entries, and by negative numbers."""
    config = [(0, 0, 0)] * len(value.roles)
    for axis in dice.some(value.space or value.axes("c")):
        # As many zeros after the last entry as between two: a grid twice as fine that wraps.
        config[axis] = (dice.number(-1, 2), dice.number(-1, 2), dice.number(0, 1)) if dice.goes_wild() else (0, 1, 1)
    fill = dice.pick([0.0, 0.4])
    return Made(f"lax.pad {config} with {fill}", lambda x: lax.pad(x, jnp.asarray(fill, x.dtype), config), value.roles)


def taking(dice: Dice, value: Value) -> Made:
    """`jnp.take` with constant indices: permutations, repetitions, shifts, generic."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    i = np.arange(n)
    options = {
        "shifted": (i + dice.number(0, n)) % n,
        "reversed": (dice.number(0, n) - i) % n,
        "every other": i[:: dice.number(1, 2)],
        "each twice": np.repeat(i, 2),
        "all twice": np.tile(i, 2),
    }
    if dice.goes_wild():
        options = {
            "permuted": dice.rng.permutation(n),
            "drawn": dice.rng.integers(0, n, dice.number(1, n)),
            "clipped": np.clip(i + dice.number(-2, 2), 0, n - 1),
            "multiplied": (i * dice.number(2, 5)) % n,
        }
    name = dice.pick(list(options))
    how = dice.pick(["take", "index", "one-hot"])

    def fn(x: Any, places: Any) -> Any:
        if how == "take":
            return jnp.take(x, jnp.asarray(places), axis)
        if how == "index":
            return x[_at(x.ndim, axis, jnp.asarray(places))]
        one_hot = jax.nn.one_hot(jnp.asarray(places), n, dtype=x.dtype)
        return jnp.moveaxis(jnp.tensordot(x, one_hot, axes=((axis,), (1,))), -1, axis)

    return Made(f"{how} {name} {options[name].tolist()} along {axis}", fn, value.roles, (options[name],))


def taking_points(dice: Dice, value: Value) -> Made | None:
    """Gather at constant points of two axes at once."""
    if not value.is_map or len(value.space) != 2:
        return None
    n, m = value.shape[1:3]
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    shift = dice.number(0, n), dice.number(0, m)
    i, j = (i + shift[0]) % n, (j + shift[1]) % m
    name = f"shifted by {shift}"
    if dice.goes_wild():
        i, name = (i + j) % n, name + ", sheared"
    elif n == m and dice.chance(0.3):
        i, j, name = j, i, name + ", transposed"
    return Made(f"gathered at points {name}", lambda x, a, b: x[:, jnp.asarray(a), jnp.asarray(b)], value.roles, (i, j))


def dynamic(dice: Dice, value: Value) -> Made:
    """Slices and updates whose place is computed: from constants, or from the data."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    size = dice.number(1, n)
    kind = dice.pick(["constant", "constant", "argmax", "count"])
    at = dice.number(0, n)

    def start(x: Any) -> Any:
        if kind == "constant":
            return jnp.asarray(at)
        profile = jnp.sum(jnp.cos(x), tuple(a for a in range(x.ndim) if a != axis))
        return jnp.argmax(profile) if kind == "argmax" else jnp.sum(profile > 0.17) % n

    starts = {
        "slice": lambda x: lax.dynamic_slice_in_dim(x, start(x), size, axis),
        "roll": lambda x: jnp.roll(x, start(x), axis),
        "update": lambda x: lax.dynamic_update_slice_in_dim(
            x, jnp.sin(lax.slice_in_dim(x, 0, size, axis=axis)), start(x), axis
        ),
        "doubled, then a slice": lambda x: lax.dynamic_slice_in_dim(
            jnp.concatenate([x, x], axis), start(x) % n, n, axis
        ),
    }
    name = dice.pick(list(starts))
    where = f"{at}" if kind == "constant" else f"the {kind} of a profile"
    return Made(f"dynamic {name} of {size} along {axis} at {where}", starts[name], value.roles)


def scattering(dice: Dice, value: Value) -> Made:
    """`x.at[…].set`, `add`, `multiply`, `max`: of constants or of parts of the value, at constant places."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    options: dict[str, Any] = {":": slice(None), "::2": slice(None, None, 2), "1::2": slice(1, None, 2)}
    if dice.goes_wild():
        options = {"0": slice(0, 1), "1:3": slice(1, 3), "drawn": dice.rng.integers(0, n, 2)}
    name = dice.pick(list(options))
    index = _at(len(value.roles), axis, options[name])
    method = dice.pick(["set", "add", "multiply", "max", "min"])
    own = dice.chance(0.5)
    constant = np.asarray(dice.normal())

    def fn(x: Any, c: Any) -> Any:
        new = jnp.cos(x[index]) if own else like(c, x)
        return getattr(x.at[index], method)(new)

    what = "a function of it" if own else f"{constant:.2f}"
    return Made(f"{method} {name} along {axis} to {what}", fn, value.roles, (constant,))


def scatter_to_zeros(dice: Dice, value: Value) -> Made:
    """Entries added into zeros at constant places, as the gradient of a gather does."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    shift = dice.number(0, n)
    options = {"shifted": (n, (np.arange(n) + shift) % n), "halved": ((n + 1) // 2, np.arange(n) // 2)}
    if n % 2 == 0:
        options["folded"] = (n // 2, np.arange(n) % (n // 2))
    if dice.goes_wild():
        options = {"drawn": (n, dice.rng.integers(0, n, n))}
    name = dice.pick(list(options))
    size, places = options[name]

    def fn(x: Any, p: Any) -> Any:
        shape = [size if a == axis else m for a, m in enumerate(x.shape)]
        return jnp.zeros(shape, x.dtype).at[_at(x.ndim, axis, jnp.asarray(p))].add(x)

    return Made(f"added into {size} zeros along {axis}, {name} {places.tolist()}", fn, value.roles, (places,))


def by_data(dice: Dice, value: Value) -> Made:
    """`take_along_axis` at places that the data choose."""
    axis = dice.pick(value.space or value.axes("c"))
    kinds: dict[str, Callable[[Any], Any]] = {
        "argsort": lambda x: jnp.argsort(jnp.cos(x), axis),
        "the argmax": lambda x: jnp.argmax(jnp.cos(x), axis, keepdims=True),
        "its own argmax, shifted": lambda x: (jnp.argmax(x, axis, keepdims=True) + 1) % x.shape[axis],
    }
    name = dice.pick(list(kinds))
    return Made(f"taken along {axis} at {name}", lambda x: jnp.take_along_axis(x, kinds[name](x), axis), value.roles)


def concatenation(dice: Dice, value: Value) -> Made:
    """Parts or functions of the value side by side, along space or channels."""
    axis = dice.pick(value.axes("c") if not dice.goes_wild() and value.axes("c") else value.space or value.axes("c"))
    n = value.shape[axis]
    cut = dice.number(1, max(n - 1, 1))
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "halves exchanged": lambda x, c: jnp.concatenate(
            [lax.slice_in_dim(x, cut, n, axis=axis), lax.slice_in_dim(x, 0, cut, axis=axis)], axis
        ),
        "twice": lambda x, c: jnp.concatenate([x, x], axis),
        "with a function of it": lambda x, c: jnp.concatenate([x, jnp.tanh(x)], axis),
        "with its mirror image": lambda x, c: jnp.concatenate([x, jnp.flip(x, axis)], axis),
        "with a constant": lambda x, c: jnp.concatenate([x, fit(c, lax.slice_in_dim(x, 0, 1, axis=axis))], axis),
        "stacked and merged": lambda x, c: jnp.stack([x, jnp.sin(x)], axis + 1).reshape(
            *x.shape[:axis], 2 * n, *x.shape[axis + 1 :]
        ),
    }
    name = dice.pick(list(ways))
    constant = np.asarray(dice.normal())
    return Made(f"concatenated along {axis}: {name} (cut {cut})", ways[name], value.roles, (constant,))


def repetition(dice: Dice, value: Value) -> Made:
    """`jnp.repeat` and `jnp.tile`."""
    axis = dice.pick(value.space or value.axes("c"))
    if dice.chance(0.5):
        return Made(f"each entry twice along {axis}", lambda x: jnp.repeat(x, 2, axis), value.roles)
    reps = [2 if a == axis else 1 for a in range(len(value.roles))]
    return Made(f"tiled twice along {axis}", lambda x: jnp.tile(x, reps), value.roles)


def position(dice: Dice, value: Value) -> Made:
    """A function of the coordinate along an axis, added; some of them are symmetric."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    functions: dict[str, Callable[[Any], Any]] = {
        "distance to the centre": lambda i: jnp.abs(i - (n - 1) / 2),
        "parity": lambda i: i % 2,
        "a wave of two nodes": lambda i: jnp.cos(jnp.pi * i),
    }
    if dice.goes_wild():
        functions = {"coordinate": lambda i: i / n, "a wave of n nodes": lambda i: jnp.cos(2 * jnp.pi * i / n)}
    name = dice.pick(list(functions))
    return Made(
        f"plus its {name} along {axis}",
        lambda x: x + functions[name](lax.broadcasted_iota(x.dtype, x.shape, axis)),
        value.roles,
    )
