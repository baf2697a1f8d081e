"""Steps that scatter to places that may repeat, with every way to combine, in every type."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.infer.steps.dice import Dice, Made, Value, like
from tests.infer.steps.numbers import KINDS, back, whole


def _places(dice: Dice, n: int) -> tuple[str, np.ndarray]:
    """Places along an axis, some of them more than once."""
    i = np.arange(n)
    options = {
        "each twice": np.repeat(i, 2),
        "all twice": np.tile(i, 2),
        "each once": dice.rng.permutation(n),
        "every other twice": np.repeat(i[::2], 2),
        "every other once more": np.concatenate([i, i[::2]]),
        "all from the end": i - n,
    }
    if dice.goes_wild() or dice.chance(0.3):
        options = {
            "the first once more": np.concatenate([[0], i]),
            "drawn": dice.rng.integers(0, n, dice.number(2, n + 1)),
            "the first twice": np.asarray([0, 0]),
            "some beyond the end": dice.rng.integers(0, 2 * n, n),
        }
    name = dice.pick(list(options))
    return name, options[name]


def repeated(dice: Dice, value: Value) -> Made:
    """`x.at[…]` of a number, a table or parts of the value, at places that repeat."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    name, places = _places(dice, n)
    method = dice.pick(["add", "multiply", "min", "max", "set", "subtract", "apply", "power", "divide"])
    kind = (
        dice.pick(["int8", "uint8", "int32", "float32"]) if dice.chance(0.3) and method in ("add", "min", "max") else ""
    )
    what = dice.pick(["a number", "a table", "parts of it"]) if method not in ("set", "apply", "power") else "a number"
    number, row = dice.normal(), dice.normal(len(places))
    if what == "a table" and dice.chance(0.5):
        row = np.where(np.arange(len(places)) % 2, -1.0, 1.0) * row[0]
    sources = np.abs(places)[::-1] % n
    shape = [len(places) if a == axis else 1 for a in range(len(value.roles))]
    index = (slice(None),) * axis

    def fn(x: Any, p: Any, c: Any, r: Any) -> Any:
        p = jnp.asarray(p)
        held = whole(x, KINDS[kind]) if "int" in kind else x.astype(jnp.float32) if kind else x
        at = held.at[(*index, p)]
        if method == "apply":
            made = at.apply(lambda v: jnp.sin(2 * v))
        elif what == "a number":
            made = at.power(2) if method == "power" else getattr(at, method)(jnp.asarray(c).astype(held.dtype))
        else:
            new = like(r, x).reshape(shape) if what == "a table" else jnp.take(x, jnp.asarray(sources), axis)
            new = jnp.broadcast_to(new, [len(places) if a == axis else m for a, m in enumerate(x.shape)])
            if method == "divide":
                new = 1 + jnp.abs(new)
            made = getattr(at, method)(new.astype(held.dtype))
        return back(made, x) if "int" in kind else made.astype(x.dtype)

    text = f"{kind} {method} along {axis} at {name} {places.tolist()} of {what}"
    return Made(text, fn, value.roles, (places, np.asarray(number), row))


def segments(dice: Dice, value: Value) -> Made | None:
    """Sums of segments of an axis, of equal length or not, spread over it again or not."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    sizes = [p for p in range(2, n + 1) if n % p == 0]
    if not sizes:
        return None
    size = dice.pick(sizes)
    ids = np.arange(n) // size if dice.chance(0.6) else np.arange(n) % size
    if dice.goes_wild():
        ids = np.sort(dice.rng.integers(0, n // size, n))
    count = int(ids.max()) + 1
    name = dice.pick(["sum", "max", "min"])
    spread = dice.chance(0.5)

    def fn(x: Any, p: Any) -> Any:
        rows = jnp.moveaxis(x, axis, 0)
        reduce = {"sum": jax.ops.segment_sum, "max": jax.ops.segment_max, "min": jax.ops.segment_min}[name]
        found = jnp.clip(reduce(rows, jnp.asarray(p), count), -50, 50)
        return jnp.moveaxis(found[jnp.asarray(p)] + rows if spread else found, 0, axis)

    how = ", spread" if spread else ""
    return Made(f"segment {name} along {axis} by {ids.tolist()}{how}", fn, value.roles, (ids,))


def counted(dice: Dice, value: Value) -> Made | None:
    """Entries put together by their own values, as a histogram does; in a way that their order may decide, or not."""
    if not value.is_map:
        return None
    bins, method = dice.number(2, 4), dice.pick(["add", "add", "max", "min", "multiply", "set"])
    what = dice.pick(["one", "one", "the values", "the values of the other channel", "a table"])
    spread, row = dice.chance(0.5), dice.normal(int(np.prod([value.shape[a] for a in value.space])))

    def of_one(x: Any, r: Any) -> Any:
        """Of one example `[*space, channels]`: a number for each bin, or that of its own bin at every node."""
        flat = x.reshape(-1, x.shape[-1])
        level = jnp.clip(jnp.floor(jnp.tanh(flat[:, 0]) * 2) + 1, 0, bins - 1).astype(jnp.int32)
        options = {"one": jnp.ones_like(flat[:, 0]), "the values": flat[:, 0], "a table": like(r, x)}
        new = jnp.tanh(options.get(what, flat[:, -1]))
        found = getattr(jnp.ones(bins, x.dtype).at[level], method)(new)
        return found[level].reshape(*x.shape[:-1], 1) * jnp.ones_like(x) if spread else jnp.cumsum(found)

    how = ", read where they lie" if spread else ""
    roles = value.roles if spread else "bc"
    return Made(
        f"{method} of {what} in {bins} bins by value{how}",
        lambda x, r: jax.vmap(lambda a: of_one(a, r))(x),
        roles,
        (row,),
    )


def own_rows(dice: Dice, value: Value) -> Made | None:
    """`x[b, i, c]` with places along a spatial axis that the data choose, and counts along the others, or backwards."""
    if not value.is_map:
        return None
    axis, backward = dice.pick(value.space), dice.goes_wild()

    def fn(x: Any) -> Any:
        n = x.shape[axis]
        chosen = jnp.clip(jnp.floor(jnp.abs(x) * 2), 0, n - 1).astype(jnp.int32)
        counts = [jnp.arange(m).reshape([-1 if i == a else 1 for i in range(x.ndim)]) for a, m in enumerate(x.shape)]
        counts = [c[::-1] if backward and i in value.space else c for i, c in enumerate(counts)]
        return x[tuple(chosen if a == axis else c for a, c in enumerate(counts))]

    return Made(f"read along {axis} at places by value{', backwards' * backward}", fn, value.roles)


def landing_in_own_rows(dice: Dice, value: Value) -> Made | None:
    """`x.at[b, i, c]` with places along one axis that the data choose, and counts along the others; or backwards along
    space, or along a diagonal."""
    if not value.is_map:
        return None
    axis, method = dice.pick([*value.space, *value.axes("c")]), dice.pick(["add", "set", "max"])
    others = [a for a in value.space if a != axis]
    how = dice.pick(["backwards", "along a diagonal"]) if dice.goes_wild() else ""
    if how == "along a diagonal" and len({value.shape[a] for a in others}) != 1:
        return None
    a_number = how == "along a diagonal" or dice.chance(0.5)

    def fn(x: Any) -> Any:
        mean = x.mean(axis, keepdims=True)
        index = [jnp.arange(m).reshape([-1 if i == a else 1 for i in range(x.ndim)]) for a, m in enumerate(x.shape)]
        index[axis] = jnp.clip(jnp.floor(jnp.abs(mean) * 3), 0, x.shape[axis] - 1).astype(jnp.int32)
        for a in others:
            index[a] = index[others[0]] if how == "along a diagonal" else index[a][::-1] if how else index[a]
        return getattr(x.at[tuple(index)], method)(jnp.asarray(0.5, x.dtype) if a_number else jnp.tanh(mean))

    text = f"{method} of {'a number' if a_number else 'means'} along {axis} at places by value {how}"
    return Made(text, fn, value.roles)
