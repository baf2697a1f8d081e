"""Steps that move axes: reshapes, transposes, patches, tokens, broadcasts."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, fit, like


def transpose(dice: Dice, value: Value) -> Made:
    """Axes in another order; only spatial ones, most of the time."""
    order = np.arange(len(value.roles))
    moved = value.space if dice.chance(0.7) else list(range(len(value.roles)))
    order[moved] = order[dice.rng.permutation(np.asarray(moved, int))]
    axes = order.tolist()
    return Made(f"transposed {axes}", lambda x: jnp.transpose(x, axes), "".join(value.roles[a] for a in axes))


def symmetrised(dice: Dice, value: Value) -> Made | None:
    """The value plus its transpose."""
    if len(value.space) < 2:
        return None
    a, b = value.space[:2]
    if value.shape[a] != value.shape[b]:
        return None
    del dice
    return Made("plus its transpose", lambda x: x + jnp.swapaxes(x, a, b), value.roles)


def split(dice: Dice, value: Value) -> Made | None:
    """One axis as two; the inner or the outer one of a spatial axis becomes channels, or neither."""
    axis = dice.pick(value.space + value.axes("c"))
    n = value.shape[axis]
    factors = [f for f in range(2, n) if n % f == 0]
    if not factors:
        return None
    f = dice.pick(factors)
    shape = [*value.shape[:axis], n // f, f, *value.shape[axis + 1 :]]
    role = value.roles[axis]
    new = dice.pick(["sc", "sc", "cs", "ss"]) if role == "s" else "cc"
    roles = value.roles[:axis] + new + value.roles[axis + 1 :]
    return (
        Made(f"axis {axis} split to {n // f}×{f}", lambda x: x.reshape(x.shape[0], *shape[1:]), roles)
        if axis and value.roles[0] == "b"
        else None
    )


def merge(dice: Dice, value: Value) -> Made | None:
    """Two neighbouring axes as one."""
    places = [i for i in range(1, len(value.roles) - 1) if value.roles[0] == "b"]
    if not places:
        return None
    i = dice.pick(places)
    shape = [*value.shape[1:i], value.shape[i] * value.shape[i + 1], *value.shape[i + 2 :]]
    role = value.roles[i] if value.roles[i] == value.roles[i + 1] else "c"
    roles = value.roles[:i] + role + value.roles[i + 2 :]
    return Made(f"axes {i} and {i + 1} merged", lambda x: x.reshape(x.shape[0], *shape), roles)


def _blocks(x: Any, block: list[int]) -> Any:
    """`[b, N/p, p, …, C]` from `[b, N, …, C]`."""
    shape = [x.shape[0]]
    for n, p in zip(x.shape[1:-1], block, strict=True):
        shape += [n // p, p]
    return x.reshape(*shape, x.shape[-1])


def patches(dice: Dice, value: Value) -> Made | None:
    """Space to depth: each block's entries as channels, mixed by a matrix or not, and back again or not."""
    if not value.is_map:
        return None
    block = [dice.pick([p for p in (2, 3, 1) if n % p == 0]) for n in value.shape[1:-1]]
    if max(block) == 1 or np.prod(block) * value.shape[-1] > 24:
        return None
    dim = len(block)
    width = int(np.prod(block)) * value.shape[-1]
    order = [0, *(2 * i + 1 for i in range(dim)), *(2 * i + 2 for i in range(dim)), 2 * dim + 1]
    back = [0]
    for i in range(dim):
        back += [1 + i, 1 + dim + i]
    back.append(2 * dim + 1)
    kind = dice.pick(["mixed", "as they are", "pooled", "back at once", "sorted"])
    matrix = dice.normal(width, 3, scale=1 / np.sqrt(width))

    def fn(x: Any, w: Any) -> Any:
        blocked = jnp.transpose(_blocks(x, block), order)
        inner = tuple(range(1 + dim, 1 + 2 * dim))
        if kind == "pooled":
            return jnp.max(blocked, inner)
        if kind == "sorted":
            flat = jnp.sort(blocked.reshape(*blocked.shape[: 1 + dim], -1, x.shape[-1]), -2)
            return flat.reshape(*flat.shape[: 1 + dim], width)
        flat = blocked.reshape(*blocked.shape[: 1 + dim], width)
        if kind == "mixed":
            return jnp.tanh(flat) @ like(w, x)
        if kind == "as they are":
            return flat
        again = jnp.tanh(flat).reshape(blocked.shape)
        return jnp.transpose(again, back).reshape(x.shape)

    return Made(f"blocks of {block}, {kind}", fn, value.roles, (matrix,))


def depth_to_space(dice: Dice, value: Value) -> Made | None:
    """Pixel shuffle."""
    if not value.is_map:
        return None
    dim, channels = len(value.space), value.shape[-1]
    if channels % 2**dim:
        return None
    del dice
    kept = channels // 2**dim
    order = [0]
    for i in range(dim):
        order += [1 + i, 1 + dim + i]

    def fn(x: Any) -> Any:
        split = x.reshape(*x.shape[:-1], *(2,) * dim, kept)
        moved = jnp.transpose(split, [*order, 2 * dim + 1])
        return moved.reshape(x.shape[0], *(2 * n for n in x.shape[1:-1]), kept)

    return Made("depth to space by 2", fn, value.roles)


def channel_shuffle(dice: Dice, value: Value) -> Made | None:
    """Channels split into groups, the groups exchanged."""
    if value.roles[-1] != "c" or value.shape[-1] < 4 or value.shape[-1] % 2:
        return None
    del dice

    def fn(x: Any) -> Any:
        grouped = x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2)
        return jnp.swapaxes(grouped, -1, -2).reshape(x.shape)

    return Made("channel shuffle", fn, value.roles)


def tokens(dice: Dice, value: Value) -> Made | None:
    """Space flattened to a row of tokens, something done there, and back."""
    if not value.is_map:
        return None
    count, channels = int(np.prod(value.shape[1:-1])), value.shape[-1]
    matrix, table = dice.normal(channels, channels, scale=channels**-0.5), dice.normal(1, count, channels)
    options = ["mixing of channels", "centred", "sorted"]
    if dice.goes_wild():
        options = ["positions", "shifted", "running", "reversed"]
    name = dice.pick(options)

    def fn(x: Any, w: Any, t: Any) -> Any:
        row = x.reshape(x.shape[0], count, channels)
        row = {
            "mixing of channels": lambda r: jnp.tanh(r @ like(w, r)),
            "centred": lambda r: r - jnp.broadcast_to(jnp.mean(r, 1, keepdims=True), r.shape),
            "sorted": lambda r: jnp.sort(r, 1),
            "positions": lambda r: r + fit(t, r),
            "shifted": lambda r: jnp.roll(r, 1, 1),
            "running": lambda r: jnp.cumsum(r, 1) / count,
            "reversed": lambda r: r[:, ::-1],
        }[name](row)
        return row.reshape(x.shape)

    return Made(f"as tokens: {name}", fn, value.roles, (matrix, table))


def class_token(dice: Dice, value: Value) -> Made | None:
    """A token put before the others, or features set apart: it takes part in a mean of all."""
    if not value.is_map:
        return None
    count, channels = int(np.prod(value.shape[1:-1])), value.shape[-1]
    token = dice.normal(1, 1, channels)
    read = dice.chance(0.5)

    def fn(x: Any, t: Any) -> Any:
        row = x.reshape(x.shape[0], count, channels)
        first = jnp.broadcast_to(like(t, x), (x.shape[0], 1, channels))
        row = jnp.concatenate([first, row], 1)
        weights = jnp.exp(jnp.sin(row))
        share = weights / jnp.broadcast_to(jnp.sum(weights, 1, keepdims=True), row.shape)
        mixed = row + jnp.broadcast_to(jnp.sum(share * row, 1, keepdims=True), row.shape)
        return mixed[:, 0] if read else mixed[:, 1:].reshape(x.shape)

    name = "read" if read else "dropped"
    return Made(f"a class token, mixed and {name}", fn, "bc" if read else value.roles, (token,))


def as_batch(dice: Dice, value: Value) -> Made | None:
    """Axes folded into the batch, something done there, and back."""
    if not value.is_map:
        return None
    matrix = dice.normal(value.shape[-1], value.shape[-1])
    name = dice.pick(["pixels", "rows"])
    axis_of_rows = 1

    def fn(x: Any, w: Any) -> Any:
        if name == "pixels":
            return jnp.tanh(x.reshape(-1, x.shape[-1]) @ like(w, x)).reshape(x.shape)
        rows = x.reshape(-1, *x.shape[2:])
        return (rows - jnp.broadcast_to(jnp.mean(rows, axis_of_rows, keepdims=True), rows.shape)).reshape(x.shape)

    return Made(f"{name} as a batch", fn, value.roles, (matrix,))


def new_axis(dice: Dice, value: Value) -> Made:
    """A channel axis more, of size 1 or 2."""
    axis = dice.number(1, len(value.roles))
    roles = value.roles[:axis] + "c" + value.roles[axis:]
    if dice.chance(0.5):
        return Made(f"expanded at {axis}", lambda x: jnp.expand_dims(x, axis), roles)
    return Made(
        f"broadcast to 2 at {axis}",
        lambda x: lax.broadcast_in_dim(
            x, (*x.shape[:axis], 2, *x.shape[axis:]), [a + (a >= axis) for a in range(x.ndim)]
        ),
        roles,
    )


def squeeze(dice: Dice, value: Value) -> Made | None:
    """An axis of size 1 dropped."""
    axes = [a for a, (n, role) in enumerate(zip(value.shape, value.roles, strict=True)) if n == 1 and role != "b"]
    axes = [a for a in axes if value.roles[a] == "s" or len(value.axes("c")) > 1]
    if not axes:
        return None
    axis = dice.pick(axes)
    return Made(f"squeezed at {axis}", lambda x: jnp.squeeze(x, axis), value.roles[:axis] + value.roles[axis + 1 :])


def spread(dice: Dice, value: Value) -> Made | None:
    """Axes of size 1 spread over a few nodes."""
    axes = [a for a in value.space if value.shape[a] == 1]
    if not axes:
        return None
    size = dice.number(3, 5)
    return Made(
        f"spread over {size} along {axes}",
        lambda x: jnp.broadcast_to(x, [size if a in axes else n for a, n in enumerate(x.shape)]),
        value.roles,
    )


def flatten(dice: Dice, value: Value) -> Made | None:
    """Space and channels to features, mixed by a matrix."""
    if value.roles[0] != "b" or len(value.roles) < 3:
        return None
    width = int(np.prod(value.shape[1:]))
    matrix = dice.normal(width, 3, scale=width**-0.5)
    return Made("flattened and dense", lambda x, w: x.reshape(x.shape[0], -1) @ like(w, x), "bc", (matrix,))
