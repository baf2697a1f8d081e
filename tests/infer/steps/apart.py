"""Steps of which one axis is not understood, or is read by the data, and the others are to be kept."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, like


def different_parts(dice: Dice, value: Value) -> Made | None:
    """Different functions of an array one after the other along a spatial axis."""
    if not value.space:
        return None
    axis = dice.pick(value.space)
    if dice.chance(0.5):
        half = value.shape[axis] // 2
        return Made(
            f"a function of a half along {axis}",
            lambda x: jnp.concatenate(
                [jnp.sin(lax.slice_in_dim(x, 0, half, axis=axis)), lax.slice_in_dim(x, half, None, axis=axis)], axis
            ),
            value.roles,
        )
    return Made(f"with its sine along {axis}", lambda x: jnp.concatenate([x, jnp.sin(x)], axis), value.roles)


def _by_value(x: Any, n: int) -> Any:
    """Whole numbers from 0 to n − 1 that depend on the data, ties and extremes among them."""
    return jnp.clip(jnp.floor(jnp.nan_to_num(2 * x)) + n // 2, 0, n - 1).astype(jnp.int32)


def looked_up(dice: Dice, value: Value) -> Made:
    """A table at places that each element says."""
    table = dice.normal(dice.number(2, 5))
    return Made(
        f"looked up in {len(table)} numbers", lambda x, t: like(t, x)[_by_value(x, len(table))], value.roles, (table,)
    )


def taken_along(dice: Dice, value: Value) -> Made | None:
    """`jnp.take_along_axis` at places that depend on the data."""
    if "b" not in value.roles or len(value.roles) < 3:
        return None
    channels = value.axes("c")
    axis = dice.pick(channels) if channels and dice.chance(0.7) else dice.pick(value.space or channels or [1])
    n = value.shape[axis]
    how = dice.pick(["its values", "its order", "its largest", "its sum"])

    def fn(x: Any) -> Any:
        if how == "its values":
            return jnp.take_along_axis(x, _by_value(jnp.roll(x, 1, axis), n), axis)
        if how == "its order":
            return jnp.take_along_axis(jnp.sin(x), jnp.argsort(jnp.rint(x), axis), axis)
        if how == "its largest":
            return x + jnp.take_along_axis(jnp.sin(x), jnp.argmax(jnp.rint(x), axis, keepdims=True), axis)
        return x + jnp.take_along_axis(jnp.sin(x), _by_value(x.sum(axis, keepdims=True), n), axis)

    return Made(f"taken along {axis} by {how}", fn, value.roles)


def windows_by_index(dice: Dice, value: Value) -> Made | None:
    """`x[:, s·i + a]`: windows by a table of indices, weighed, added up or taken the largest of."""
    spatial = [axis for axis in value.space if value.shape[axis] > 2]
    if not spatial:
        return None
    axis = dice.pick(spatial)
    n = value.shape[axis]
    stride = dice.pick([s for s in (1, 2, 3) if n % s == 0])
    width = dice.number(1, min(n, stride + 2))
    table = (stride * np.arange(n // stride)[:, None] + np.arange(width) + dice.number(0, 1)) % n
    if dice.goes_wild():
        table[-1, 0] = table[0, 0]
    turned = dice.chance(0.3)
    table = table.T if turned else table
    inner = axis if turned else axis + 1
    how = dice.pick(["weighed", "mean", "max", "first and last"])
    weights = dice.normal(width)

    def fn(x: Any, w: Any) -> Any:
        y = jnp.take(x, table, axis)
        if how == "weighed":
            return jnp.tensordot(y, like(w, x), (inner, 0))
        if how == "mean":
            return y.mean(inner)
        if how == "max":
            return y.max(inner)
        return jnp.sin(jnp.take(y, 0, inner)) + jnp.take(y, -1, inner)

    return Made(f"windows {table.shape} of stride {stride} by index along {axis}, {how}", fn, value.roles, (weights,))


def with_blocks(dice: Dice, value: Value) -> Made | None:
    """An array and what is computed of its blocks along an axis, or of the nodes at one offset of each, in views."""
    axis = dice.pick(value.space or [0])
    n = value.shape[axis]
    factors = [f for f in range(2, n) if n % f == 0]
    if not factors or not value.is_map:
        return None
    f = dice.pick(factors)
    shape = (*value.shape[1:axis], n // f, f, *value.shape[axis + 1 :])
    over = dice.pick([axis, axis + 1])
    how = dice.pick(["max", "mean", "mixed", "first"])
    weights = dice.normal(shape[over - 1], shape[over - 1])
    as_tokens = dice.chance(0.5)

    def fn(x: Any, w: Any) -> Any:
        y = x.reshape(x.shape[0], *shape)
        if how == "mixed":
            z = jnp.moveaxis(jnp.tensordot(y, like(w, x), (over, 0)), -1, over)
        elif how == "first":
            z = jnp.take(y, jnp.asarray([0]), over)
        else:
            z = (jnp.max if how == "max" else jnp.mean)(y, over, keepdims=True)
        if not as_tokens:
            return (jnp.sin(y) * z).reshape(x.shape)
        wide = jnp.broadcast_to(z, y.shape).reshape(x.shape[0], -1, x.shape[-1])
        return (x.reshape(wide.shape) + jnp.sin(wide)).reshape(x.shape)

    what = "tokens" if as_tokens else "blocks"
    return Made(f"{what} with {how} over {over} of {n // f}×{f} at {axis}", fn, value.roles, (weights,))


def set_by_place(dice: Dice, value: Value) -> Made | None:
    """`x.at[…]` of slices along one axis, at known places or at places that depend on the data."""
    axis = dice.pick(value.space or value.axes("c"))
    if value.roles[0] != "b" or axis == 0:
        return None
    n, count = value.shape[axis], dice.number(1, 2)
    places = dice.rng.integers(0, n, count)
    of_data = dice.chance(0.4)
    method = dice.pick(["set", "add", "multiply", "max"])
    index = (slice(None),) * axis

    def fn(x: Any) -> Any:
        p = (places + _by_value(x[:1].sum(), n)) % n if of_data else jnp.asarray(places)
        return getattr(x.at[(*index, p)], method)(jnp.take(jnp.sin(x), jnp.asarray(places), axis))

    what = f"{places.tolist()} and more" if of_data else str(places.tolist())
    return Made(f"at[{what}] along {axis} {method}", fn, value.roles)


def mapped(dice: Dice, value: Value) -> Made | None:
    """`lax.map` over the slices of an axis."""
    axis = dice.pick(value.space or value.axes("c"))
    how = dice.pick(["sine", "less its mean", "sorted", "added to a roll", "less the first"])
    rest = [i for i in range(len(value.roles)) if i != axis]
    if len(rest) < 2:
        return None
    inner = dice.number(1, len(rest) - 1)

    def one(row: Any) -> Any:
        if how == "sine":
            return jnp.sin(row)
        if how == "less its mean":
            return row - row.mean(inner, keepdims=True)
        if how == "sorted":
            return jnp.sort(row, inner)
        if how == "added to a roll":
            return row + jnp.roll(row, 1, inner)
        return row - jnp.take(row, jnp.asarray([0]), inner)

    fn = lambda x: jnp.moveaxis(lax.map(one, jnp.moveaxis(x, axis, 0)), 0, axis)  # noqa: E731
    return Made(f"map over {axis} of {how} along {inner}", fn, value.roles)


def dense(dice: Dice, value: Value) -> Made | None:
    """A matrix along one spatial axis."""
    if not value.space:
        return None
    axis = dice.pick(value.space)
    matrix = dice.normal(value.shape[axis], value.shape[axis])

    def fn(x: Any, m: Any) -> Any:
        return jnp.moveaxis(jnp.tensordot(x, like(m, x), (axis, 0)), -1, axis)

    return Made(f"dense along {axis}", fn, value.roles, (matrix,))


def unknown(dice: Dice, value: Value) -> Made | None:
    """What has no rule, of a whole map or of each node's channels."""
    if not value.is_map:
        return None
    rows = dice.chance(0.5)

    def fn(x: Any) -> Any:
        y = x.mean(tuple(value.space), keepdims=True) if rows else x
        flat = y.reshape(x.shape[0], -1)
        scaled = jnp.eye(flat.shape[1], dtype=x.dtype) + flat[:, :, None] * flat[:, None] / (1 + (flat**2).sum())
        root = jax.lax.linalg.cholesky(scaled)
        return x + root[:, -1].reshape(y.shape)

    return Made("a Cholesky factor " + ("of means" if rows else "of all"), fn, value.roles)
