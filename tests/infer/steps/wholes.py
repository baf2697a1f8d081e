"""Steps that keep more than each of their operations does: sums and extremes of moved copies, turned copies of one
kernel, tokens beside others; and such as only look like them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.infer.steps.dice import Dice, Made, Value, like


def _shifts(dice: Dice, count: int) -> list[tuple[int, ...]]:
    """Neighbours along each of some axes; one of them left out, or moved further, where symmetry is to break."""
    found = [tuple(s * (i == axis) for i in range(count)) for axis in range(count) for s in (1, -1)]
    if dice.chance(0.5):
        found.append((0,) * count)
    if dice.goes_wild():
        found[dice.number(0, len(found) - 1)] = tuple(dice.number(-1, 2) for _ in range(count))
    return found


def of_neighbours(dice: Dice, value: Value) -> Made | None:
    """A function of a node's neighbours that does not tell them apart, or one that does."""
    axes = dice.some(value.space)
    if not axes:
        return None
    shifts = _shifts(dice, len(axes))
    how = dice.pick(["max", "min", "product", "median", "sum of sines", "sum of cubes", "the first less the largest"])

    def fn(x: Any) -> Any:
        rolls = [jnp.roll(x, shift, axes) for shift in shifts]
        if how == "max":
            return jnp.max(jnp.stack(rolls), 0)
        if how == "min":
            return jnp.min(jnp.stack(rolls), 0)
        if how == "median":
            return jnp.sort(jnp.stack(rolls, -1), -1)[..., len(shifts) // 2]
        if how == "product":
            return jnp.prod(jnp.stack([jnp.cos(roll) for roll in rolls]), 0)
        if how == "the first less the largest":
            return rolls[0] - jnp.max(jnp.stack(rolls), 0)
        return sum((jnp.sin(roll - x) if how == "sum of sines" else (roll - x) ** 3 for roll in rolls), 0 * x)

    return Made(f"{how} of rolls by {shifts} along {axes}", fn, value.roles)


def gradient(dice: Dice, value: Value) -> Made | None:
    """The gradient of an energy of differences."""
    axes = value.space
    if not axes:
        return None
    power, weights = dice.pick([2, 3, 4]), dice.normal(len(axes)) if dice.goes_wild() else np.ones(len(axes))
    cosine = dice.chance(0.3)

    def energy(x: Any) -> Any:
        total = 0.0
        for axis, w in zip(axes, weights, strict=True):
            d = jnp.roll(x, 1, axis) - x
            total += w * jnp.sum(jnp.cos(d) if cosine else d**power)
        return total + jnp.sum(x**2)

    name = "cosine" if cosine else f"power {power}"
    return Made(f"gradient of an energy of {name}, weights {weights.tolist()}", jax.grad(energy), value.roles)


def turned_kernels(dice: Dice, value: Value) -> Made | None:
    """The largest or the sum of what turned or reversed copies of one kernel give."""
    if not value.is_map or len(value.space) > 2:
        return None
    dim, channels = len(value.space), value.shape[-1]
    kernel = dice.normal(*(3,) * dim, channels, 2)
    copies = [(k, False) for k in range(4)] if dim == 2 else [(0, False), (0, True)]
    copies = copies[: dice.number(1, 3)] if dice.goes_wild() else copies
    how, spatial = dice.pick(["max", "sum of sines", "mean kernel"]), "HW"[:dim]
    numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")

    def convolved(x: Any, w: Any) -> Any:
        wide = jnp.pad(x, ((0, 0), *((1, 1),) * dim, (0, 0)), mode="wrap")
        return jax.lax.conv_general_dilated(wide, w, (1,) * dim, "VALID", dimension_numbers=numbers)

    def fn(x: Any, w: Any) -> Any:
        w = like(w, x)
        turned = [jnp.flip(w, 0) if flip else jnp.rot90(w, k) if dim == 2 else w for k, flip in copies]
        if how == "mean kernel":
            return convolved(x, jnp.mean(jnp.stack(turned), 0))
        found = [convolved(x, one) for one in turned]
        return jnp.max(jnp.stack(found), 0) if how == "max" else sum((jnp.sin(one) for one in found), 0 * found[0])

    return Made(f"{how} of {len(copies)} copies of a kernel", fn, value.roles, (kernel,))


def beside_tokens(dice: Dice, value: Value) -> Made | None:
    """A block or two of attention among all nodes and tokens before or after them, and what one of these gets, or what
    the nodes get. The first token is a constant or depends on the data; tables and sums may tell entries apart."""
    if not value.is_map:
        return None
    channels, count = value.shape[-1], int(np.prod(value.shape[1:-1]))
    token, of_token, last = dice.normal(1, 1, channels), dice.chance(0.5), dice.chance(0.3)
    wild = dice.goes_wild()
    start = dice.pick(["one node", "mean", "constant"] if wild else ["mean", "largest", "constant", "constant"])
    how = dice.pick(["softmax", "factorised", "masked", "a table", "a mask", "a sum" if wild else "softmax"])
    blocks = 1 if wild else dice.number(1, 2)
    table = dice.normal(1, count + 1, 1)
    if how == "a table" and not wild:
        table[:] = table[:, 1:2]
        table[:, -1 if last else 0] += 1.0
    # Who sees whom: only neighbours in the joined array, or nodes do not see the token, or it does not see itself.
    seen = np.ones((count + 1, count + 1), bool)
    if wild:
        seen = abs(np.arange(count + 1)[:, None] - np.arange(count + 1)) < 2
    else:
        seen[slice(None) if dice.chance(0.5) else -last, -last] = False

    def mixed(t: Any, w: Any) -> Any:
        q = jnp.sin(t)
        if how == "factorised":
            return jnp.einsum("bnc,bcd->bnd", q, jnp.einsum("bnc,bnd->bcd", jax.nn.softmax(t, 1), t))
        if how == "a sum":
            return q * jnp.einsum("bnc,n->bc", t, like(w, t)[0, :, 0])[:, None]
        logits = jnp.einsum("bnc,bmc->bnm", q, q)
        share = jax.nn.softmax(jnp.where(seen[None], logits, -jnp.inf) if how == "a mask" else logits, -1)
        y = jnp.einsum("bnm,bmc->bnc", jnp.where(share > 0.02, share, 0) if how == "masked" else share, t)
        return y * like(w, t) if how == "a table" else y

    def fn(x: Any, w: Any, table: Any) -> Any:
        flat = x.reshape(x.shape[0], count, channels)
        own = {"mean": flat.mean, "largest": flat.max}.get(start, lambda *_, **__: flat[:, 1:2])(1, keepdims=True)
        own = jnp.broadcast_to(like(w, x), (x.shape[0], 1, channels)) + (0 if start == "constant" else own)
        t = jnp.concatenate([flat, own] if last else [own, flat], 1)
        for _ in range(blocks):
            t = t + mixed(t, table)
            around = t[:, :-1] if last else t[:, 1:]
            t = t + jnp.pad(jnp.cos(around), ((0, 0), (0, 1) if last else (1, 0), (0, 0)))
        y = (t[:, -1:] if last else t[:, :1]) if of_token else t[:, :-1] if last else t[:, 1:]
        return x + y.reshape(x.shape[0], *(1,) * len(value.space), -1) if of_token else y.reshape(x.shape)

    text = (
        f"{blocks} × {how} beside a token ({start}, {'last' if last else 'first'}), {'its' if of_token else 'theirs'}"
    )
    return Made(text, fn, value.roles, (token, table))


def below_a_row(dice: Dice, value: Value) -> Made | None:
    """The largest of each column of a map with one more row, which may vary from column to column."""
    if not value.is_map or len(value.space) != 2:
        return None
    varies, last = dice.goes_wild(), dice.chance(0.3)
    row = np.broadcast_to(dice.normal(1, 1, value.shape[2] if varies else 1, value.shape[-1]), (1, 1, *value.shape[2:]))

    def fn(x: Any) -> Any:
        more = jnp.broadcast_to(like(row, x), (x.shape[0], *row.shape[1:]))
        return x + jnp.concatenate([x, more] if last else [more, x], 1).max(1, keepdims=True)

    return Made(f"the largest of columns with {'some' if varies else 'a'} number below them", fn, value.roles)


def among_offsets(dice: Dice, value: Value) -> Made | None:
    """Attention among the nodes at one offset of all blocks along an axis, or among those of one block."""
    if not value.is_map:
        return None
    axis = dice.pick(value.space)
    factors = [f for f in range(2, value.shape[axis]) if value.shape[axis] % f == 0]
    if not factors:
        return None
    f, over_blocks = dice.pick(factors), dice.chance(0.5)
    inner = (*value.shape[1:axis], value.shape[axis] // f, f, *value.shape[axis + 1 :])

    def fn(x: Any) -> Any:
        y = jnp.moveaxis(x.reshape(x.shape[0], *inner), axis if over_blocks else axis + 1, -2)
        share = jax.nn.softmax(jnp.einsum("...nc,...mc->...nm", jnp.sin(y), jnp.sin(y)), -1)
        y = jnp.einsum("...nm,...mc->...nc", share, y)
        return jnp.moveaxis(y, -2, axis if over_blocks else axis + 1).reshape(x.shape)

    where = "at one offset" if over_blocks else "of one block"
    return Made(f"attention among nodes {where} of {f} along {axis}", fn, value.roles)


def pooled_by_slices(dice: Dice, value: Value) -> Made | None:
    """Slices of an axis, each pooled by itself, side by side; not all of one size where none divides it."""
    axis = dice.pick(value.space or [0])
    if not value.is_map or value.shape[axis] < 3:
        return None
    n, how = value.shape[axis], dice.pick(["mean", "max", "std"])
    count = dice.number(2, n - 1)
    ends = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]

    def fn(x: Any) -> Any:
        parts = [jax.lax.slice_in_dim(x, a, b, axis=axis) for a, b in ends]
        pool = {"mean": jnp.mean, "max": jnp.max, "std": lambda y, a: jnp.mean(y**2, a) - jnp.mean(y, a) ** 2}[how]
        return jnp.stack([pool(part, axis) for part in parts], axis)

    return Made(f"{how} of slices {ends} along {axis}", fn, value.roles)


def streamed(dice: Dice, value: Value) -> Made | None:
    """Rolls by several known shifts at once, as `vmap` has them, weighed or one for each channel."""
    if not value.is_map:
        return None
    axes = value.space
    shifts = dice.rng.integers(-1, 2, (value.shape[-1], len(axes)))

    def fn(x: Any) -> Any:
        roll = lambda y, s: jnp.roll(y, [s[i] for i in range(len(axes))], axes)  # noqa: E731
        return jax.vmap(roll, in_axes=(-1, 0), out_axes=-1)(x, jnp.asarray(shifts))

    return Made(f"channels streamed by {shifts.tolist()}", fn, value.roles)


def cancelled(dice: Dice, value: Value) -> Made:
    """What a table adds and takes away again, or what it multiplies and divides."""
    name, table = dice.table(value)
    table, times = table + 10 * np.sign(table) + (table == 0), dice.chance(0.5)
    add = lambda x, t: (x + 1e6 * like(t, x)) - 1e6 * like(t, x)  # noqa: E731
    fn = (lambda x, t: x * like(t, x) / like(t, x)) if times else (lambda x, t: add(x, t) - x)
    return Made(f"{'times and by' if times else 'plus and less'} {name}", fn, value.roles, (table,))
