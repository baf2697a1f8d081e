"""Steps that reduce, order and normalise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, like

REDUCE: dict[str, Callable[..., Any]] = {
    "mean": jnp.mean,
    "sum": lambda x, axes, keepdims: jnp.sum(x, axes, keepdims=keepdims) / np.sqrt(np.prod([x.shape[a] for a in axes])),
    "max": jnp.max,
    "min": jnp.min,
    "var": jnp.var,
    "logsumexp": jax.nn.logsumexp,
    "prod": lambda x, axes, keepdims: jnp.prod(jnp.cos(x / 3), axes, keepdims=keepdims),
    "any": lambda x, axes, keepdims: jnp.any(x > 1.317, axes, keepdims=keepdims).astype(x.dtype),
    "all": lambda x, axes, keepdims: jnp.all(x > -1.317, axes, keepdims=keepdims).astype(x.dtype),
}


def _axes(dice: Dice, value: Value) -> list[int]:
    """Channels, one spatial axis, all spatial axes, or both."""
    channels, space = value.axes("c"), value.space
    if not space:
        return channels or [len(value.roles) - 1]
    one = [dice.pick(space)]
    options = [one] if dice.goes_wild() else [channels, space, space + channels, one]
    return sorted(dice.pick([axes for axes in options if axes]))


def reduction(dice: Dice, value: Value) -> Made:
    """A reduction, after which the axes have size 1, or the value is spread over them again."""
    name = dice.pick(list(REDUCE))
    axes = _axes(dice, value)
    reduce = REDUCE[name]
    if dice.chance(0.5):
        return Made(f"{name} over axes {axes}, kept", lambda x: reduce(x, tuple(axes), keepdims=True), value.roles)
    weight = np.asarray(dice.normal())
    return Made(
        f"plus its {name} over axes {axes}",
        lambda x, w: x + like(w, x) * jnp.broadcast_to(reduce(x, tuple(axes), keepdims=True), x.shape),
        value.roles,
        (weight,),
    )


def dropping(dice: Dice, value: Value) -> Made | None:
    """A reduction that drops an axis."""
    axes = value.axes("c")[1:] + value.space
    if not axes:
        return None
    axis = dice.pick(axes)
    name = dice.pick(list(REDUCE))
    roles = value.roles[:axis] + value.roles[axis + 1 :]
    return Made(f"{name} over axis {axis}", lambda x: REDUCE[name](x, (axis,), keepdims=False), roles)


ORDER: dict[str, Callable[[Any, int], Any]] = {
    "sort": lambda x, axis: jnp.sort(x, axis),
    "descending sort": lambda x, axis: jnp.sort(x, axis, descending=True),
    "argsort": lambda x, axis: jnp.argsort(x, axis).astype(x.dtype) / x.shape[axis],
    "argmax": lambda x, axis: jnp.argmax(x, axis, keepdims=True).astype(x.dtype) / x.shape[axis],
    "argmin": lambda x, axis: jnp.argmin(x, axis, keepdims=True).astype(x.dtype) / x.shape[axis],
    "top_k": lambda x, axis: jnp.moveaxis(lax.top_k(jnp.moveaxis(x, axis, -1), min(2, x.shape[axis]))[0], -1, axis),
    "one-hot of argmax": lambda x, axis: jax.nn.one_hot(jnp.argmax(x, axis), x.shape[axis], dtype=x.dtype, axis=axis),
    "x where it is largest": lambda x, axis: jnp.take_along_axis(x, jnp.argmax(x, axis, keepdims=True), axis),
    "x where it is largest but for its sign": lambda x, axis: jnp.take_along_axis(
        x, jnp.argmax(jnp.abs(x), axis, keepdims=True), axis
    ),
    "x where its whole part is least": lambda x, axis: jnp.take_along_axis(
        x, jnp.argmin(jnp.floor(x), axis, keepdims=True), axis
    ),
    "x in its own order": lambda x, axis: jnp.take_along_axis(x, jnp.argsort(x, axis), axis),
    "x in the order of its whole part": lambda x, axis: jnp.take_along_axis(x, jnp.argsort(jnp.floor(x), axis), axis),
    "x next to where it is largest": lambda x, axis: jnp.take_along_axis(
        x, jnp.argmax(x, axis, keepdims=True) - 1, axis
    ),
    "median": lambda x, axis: jnp.median(x, axis, keepdims=True),
    "softmax": lambda x, axis: jax.nn.softmax(x, axis),
    "log_softmax": lambda x, axis: jax.nn.log_softmax(x, axis),
    "one-hot of the place of the maximum, times x": lambda x, axis: (
        x * jax.nn.one_hot(jnp.argmax(x, axis), x.shape[axis], dtype=x.dtype, axis=axis)
    ),
}


def order(dice: Dice, value: Value) -> Made:
    """Sorts, arguments of extremes, softmax, along some axis."""
    name = dice.pick(list(ORDER))
    axes = value.axes("c")
    if dice.chance(0.5):
        axes = value.space or axes
    axis = dice.pick(axes or value.space)
    return Made(f"{name} along axis {axis}", lambda x: ORDER[name](x, axis), value.roles)


def sort_of_pairs(dice: Dice, value: Value) -> Made:
    """One array ordered by another along a spatial axis, or by both."""
    axis = dice.pick(value.space or value.axes("c"))
    weight = np.asarray(dice.normal())
    keys, at = dice.pick([(1, 0), (1, 1), (2, 0), (2, 1)])

    def fn(x: Any, w: Any) -> Any:
        first = jnp.rint(x) if keys == 2 else jnp.sin(2 * x) + like(w, x) * x
        return lax.sort((first, x), dimension=axis, num_keys=keys)[at]

    return Made(f"number {at} of two ordered along axis {axis} by {keys} of them", fn, value.roles, (weight,))


def _normalised(x: Any, axes: tuple[int, ...]) -> Any:
    mean = jnp.broadcast_to(jnp.mean(x, axes, keepdims=True), x.shape)
    var = jnp.broadcast_to(jnp.mean((x - mean) ** 2, axes, keepdims=True), x.shape)
    return (x - mean) * lax.rsqrt(var + 0.05)


def normalisation(dice: Dice, value: Value) -> Made:
    """Layer, instance, group and batch normalisation, written out; now and then over one spatial axis."""
    channels, space, batch = value.axes("c"), value.space, value.axes("b")
    options = {
        "layer": channels,
        "instance": space,
        "whole": space + channels,
        "batch": batch + space,
        "jnp.std": space,
    }
    if dice.goes_wild() and space:
        options = {"one axis": [dice.pick(space)], "batch alone": batch}
    name = dice.pick([name for name, axes in options.items() if axes] or ["layer"])
    axes = tuple(options[name])
    if name == "jnp.std":
        return Made(
            f"divided by its jnp.std over {axes}",
            lambda x: x / (0.3 + jnp.broadcast_to(jnp.std(x, axes, keepdims=True), x.shape)),
            value.roles,
        )
    return Made(f"{name} normalisation over axes {axes}", lambda x: _normalised(x, axes), value.roles)


def group_normalisation(dice: Dice, value: Value) -> Made | None:
    """Statistics over space and groups of channels, by a reshape."""
    if not value.is_map or value.shape[-1] % 2 or value.shape[-1] < 4:
        return None
    space = tuple(value.space)
    del dice

    def fn(x: Any) -> Any:
        split = x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2)
        return _normalised(split, (*space, split.ndim - 1)).reshape(x.shape)

    return Made("group normalisation, 2 groups", fn, value.roles)


def squeeze_excite(dice: Dice, value: Value) -> Made | None:
    """Channels scaled by a function of their averages."""
    if not value.is_map:
        return None
    space, channels = tuple(value.space), value.shape[-1]
    maximum = dice.chance(0.3)
    weights = dice.normal(channels, 2), dice.normal(2, channels)

    def fn(x: Any, down: Any, up: Any) -> Any:
        squeezed = jnp.max(x, space) if maximum else jnp.mean(x, space)
        scale = jax.nn.sigmoid(jax.nn.relu(squeezed @ like(down, x)) @ like(up, x))
        return x * jnp.broadcast_to(jnp.expand_dims(scale, space), x.shape)

    return Made(f"squeeze-excite of the {'maximum' if maximum else 'average'}", fn, value.roles, weights)
