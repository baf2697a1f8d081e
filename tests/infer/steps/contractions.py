"""Steps that contract: matrices over channels and over space, attention, resizing, the Fourier transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.infer.steps.dice import Dice, Made, Value, fit, like


def mixing_channels(dice: Dice, value: Value) -> Made | None:
    """A matrix over the channels: by `@`, einsum, or `dot_general`, which puts them last."""
    if len(value.axes("c")) != 1:
        return None
    axis = value.axes("c")[0]
    n, m = value.shape[axis], dice.number(2, 3)
    matrix = dice.normal(n, m, scale=n**-0.5)
    letters = "abdefg"[: len(value.roles)]
    into = letters[:axis] + "z" + letters[axis + 1 :]
    if dice.chance(0.5):
        return Made(
            f"einsum {letters},{letters[axis]}z->{into}",
            lambda x, w: jnp.einsum(f"{letters},{letters[axis]}z->{into}", x, like(w, x)),
            value.roles,
            (matrix,),
        )
    moved = value.roles[:axis] + value.roles[axis + 1 :]
    if dice.chance(0.5):
        return Made(
            f"dot_general over axis {axis}",
            lambda x, w: lax.dot_general(x, like(w, x), (((axis,), (0,)), ((), ()))),
            moved + "c",
            (matrix,),
        )
    return Made(
        f"dot_general over axis {axis}, weights first",
        lambda x, w: lax.dot_general(like(w, x), x, (((0,), (axis,)), ((), ()))),
        "c" + moved,
        (matrix,),
    )


def circulant(dice: Dice, n: int) -> tuple[str, np.ndarray]:
    """An `n × n` matrix that commutes with shifts, with reflections, with all permutations, or with nothing."""
    i, j = np.indices((n, n))
    kernel = dice.normal(n, scale=n**-0.5)
    if dice.goes_wild():
        band = np.abs(i - j) <= 1
        return dice.pick([("generic", dice.normal(n, n, scale=n**-0.5)), ("banded", kernel[np.abs(i - j)] * band)])
    mean = np.full((n, n), kernel[0]) + kernel[1 % n] * np.eye(n)
    blocks = np.where(i // 2 == j // 2, kernel[(i - j) % 2], kernel[0])
    table = dice.normal(n, n, scale=n**-0.5)
    return dice.pick(
        [
            ("circulant", kernel[(i - j) % n]),
            ("symmetric circulant", kernel[np.minimum((i - j) % n, (j - i) % n)]),
            ("permutable", mean),
            ("uniform", np.full((n, n), kernel[0])),
            ("centrosymmetric", (table + table[::-1, ::-1]) / 2),
            ("in pairs", blocks),
            ("shift", np.eye(n)[(np.arange(n) + dice.number(0, n - 1)) % n]),
            ("Hankel", kernel[(i + j) % n]),
        ]
    )


def mixing_nodes(dice: Dice, value: Value) -> Made:
    """A matrix along one spatial axis."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    name, matrix = circulant(dice, n)
    return Made(
        f"{name} matrix along axis {axis}",
        lambda x, w: jnp.moveaxis(jnp.tensordot(x, like(w, x), axes=((axis,), (1,))), -1, axis),
        value.roles,
        (matrix,),
    )


def mixing_tokens(dice: Dice, value: Value) -> Made | None:
    """An MLP over all nodes, as in a mixer: free, or built to commute with shifts."""
    if not value.is_map or np.prod(value.shape[1:-1]) > 80:
        return None
    sizes = value.shape[1:-1]
    count = int(np.prod(sizes))
    nodes = np.stack(np.unravel_index(np.arange(count), sizes))
    kernel = dice.normal(*sizes, scale=count**-0.5)
    delta = (nodes[:, :, None] - nodes[:, None, :]) % np.asarray(sizes)[:, None, None]
    matrix, name = kernel[tuple(delta)], "circulant"
    if dice.goes_wild():
        matrix, name = dice.normal(count, count, scale=count**-0.5), "free"
    elif dice.chance(0.4):
        matrix, name = kernel.flat[0] * np.ones((count, count)) + np.eye(count), "permutable"
    channels = value.shape[-1]

    def fn(x: Any, w: Any) -> Any:
        row = x.reshape(x.shape[0], count, channels)
        return jnp.tanh(jnp.einsum("nm,bmc->bnc", like(w, x), row)).reshape(x.shape)

    return Made(f"{name} mixing of tokens", fn, value.roles, (matrix,))


def interpolating(dice: Dice, value: Value) -> Made:
    """A matrix from one spatial axis to another: averages of pairs, circular interpolation, or anything."""
    axis = dice.pick(value.space or value.axes("c"))
    n = value.shape[axis]
    eye = np.eye(n)
    up = np.empty((2 * n, n))
    up[::2], up[1::2] = eye, (eye + np.roll(eye, -1, 0)) / 2
    options = {"circular interpolation": up, "each twice": np.repeat(eye, 2, 0)}
    if n % 2 == 0:
        options["averages of pairs"] = (eye[::2] + eye[1::2]) / 2
    if dice.goes_wild():
        options = {"generic": dice.normal(dice.number(2, 5), n, scale=n**-0.5)}
    name = dice.pick(list(options))
    return Made(
        f"{name} along axis {axis}",
        lambda x, w: jnp.moveaxis(jnp.tensordot(x, like(w, x), axes=((axis,), (1,))), -1, axis),
        value.roles,
        (options[name],),
    )


def resizing(dice: Dice, value: Value) -> Made:
    """`jax.image.resize`, a method of which clamps at the ends, by a whole factor or not."""
    method = dice.pick(["nearest", "nearest", "linear", "cubic", "lanczos3"])
    axes = value.space or value.axes("c")
    factors = {
        axis: dice.pick([2.0, 0.5] if value.shape[axis] % 2 == 0 else [2.0, 1.0])
        if not dice.goes_wild()
        else dice.pick([1.5, 0.7])
        for axis in axes
    }
    shape = [max(round(n * factors.get(axis, 1)), 1) for axis, n in enumerate(value.shape)]
    antialias = dice.chance(0.5)
    return Made(
        f"image.resize to {shape[1:]}, {method}, antialias {antialias}",
        lambda x: jax.image.resize(x, shape if value.roles[0] != "b" else [x.shape[0], *shape[1:]], method, antialias),
        value.roles,
    )


def attention(dice: Dice, value: Value) -> Made | None:
    """Softmax attention of all nodes to all, or along one axis; with a table of relative positions or without."""
    if not value.is_map or np.prod(value.shape[1:-1]) > 80:
        return None
    sizes, channels = value.shape[1:-1], value.shape[-1]
    q, k, v = (dice.normal(channels, 3, scale=channels**-0.5) for _ in range(3))
    axial = len(sizes) == 2 and dice.chance(0.3)
    count = sizes[1] if axial else int(np.prod(sizes))
    table = np.zeros((1, 1))
    name = "no positions"
    if dice.chance(0.4):
        if dice.goes_wild():
            table, name = dice.normal(count, count), "free table"
        elif len(sizes) == 1 or axial:
            kind, table = circulant(dice, count)
            name = f"{kind} table"
    causal = dice.goes_wild() and dice.chance(0.5)
    if causal:
        table, name = np.where(np.tri(count) > 0, 0.0, -1e9), "causal"
    extra = dice.pick(["", "sigmoid", "one-hot"]) if dice.chance(0.3) else ""

    def fn(x: Any, wq: Any, wk: Any, wv: Any, bias: Any) -> Any:
        row = x if axial else x.reshape(x.shape[0], 1, count, channels)
        query, key, what = (row @ like(w, x) for w in (wq, wk, wv))
        scores = jnp.einsum("brnc,brmc->brnm", query, key)
        scores = scores / np.sqrt(3) + jnp.broadcast_to(like(bias, x).reshape(1, 1, *bias.shape), scores.shape)
        if extra == "sigmoid":
            share = jax.nn.sigmoid(scores) / count
        elif extra == "one-hot":
            share = jax.nn.one_hot(jnp.argmax(scores, -1), count, dtype=x.dtype)
        else:
            share = jax.nn.softmax(scores, -1)
        return jnp.einsum("brnm,brmc->brnc", share, what).reshape(*x.shape[:-1], 3)

    where = "along the last axis" if axial else "over all nodes"
    return Made(f"attention {where}, {name} {extra}", fn, value.roles, (q, k, v, table))


def channel_attention(dice: Dice, value: Value) -> Made | None:
    """Attention of channels to channels, scores summed over the nodes."""
    if not value.is_map:
        return None
    del dice
    count, channels = int(np.prod(value.shape[1:-1])), value.shape[-1]

    def fn(x: Any) -> Any:
        row = x.reshape(x.shape[0], count, channels)
        share = jax.nn.softmax(jnp.einsum("bnc,bnd->bcd", row, row) / count, -1)
        return jnp.einsum("bcd,bnd->bnc", share, row).reshape(x.shape)

    return Made("attention of channels", fn, value.roles)


def products(dice: Dice, value: Value) -> Made | None:
    """Gram matrices: of channels over all nodes, of nodes over channels; correlations along an axis."""
    if not value.is_map:
        return None
    count, channels = int(np.prod(value.shape[1:-1])), value.shape[-1]
    name = dice.pick(["channels", "nodes", "autocorrelation"])
    if name == "channels":
        return Made(
            "Gram matrix of channels",
            lambda x: jnp.einsum("bnc,bnd->bcd", *[x.reshape(x.shape[0], count, channels)] * 2) / count,
            "bcc",
        )
    if name == "nodes" and len(value.space) == 1:
        return Made("Gram matrix of nodes", lambda x: jnp.einsum("bnc,bmc->bnm", x, x), "bs" + dice.pick(["s", "c"]))
    axis = dice.pick(value.space)
    n = value.shape[axis]
    return Made(
        f"circular autocorrelation along {axis}",
        lambda x: jnp.stack([jnp.mean(x * jnp.roll(x, k, axis), axis) for k in range(n)], axis),
        value.roles,
    )


def stencil(dice: Dice, value: Value) -> Made | None:
    """A weighted sum of translates along all axes, of the value and of its sine; the kernel may be symmetric."""
    axes = value.space
    if not axes:
        return None
    ends = [[1 if b == a else 0 for b in axes] for a in axes]
    shifts = [*ends, *([-s for s in end] for end in ends), [0] * len(axes)]
    if dice.chance(0.4):
        shifts = [[int(n) for n in dice.rng.integers(-2, 3, len(axes))] for _ in shifts]
    weights = [1.0 if dice.chance(0.85) else float(dice.pick([2, -1, 0.5])) for _ in shifts]
    squared = [dice.chance(0.2) for _ in shifts]

    def fn(x: Any) -> Any:
        y = jnp.sin(x)
        return sum(w * jnp.roll(y if q else x, s, axes) for s, w, q in zip(shifts, weights, squared, strict=True))

    return Made(f"stencil {shifts} of weights {weights}", fn, value.roles)


def _cleared(spectrum: Any, axis: int, at: int) -> Any:
    return spectrum.at[(slice(None),) * axis + (at,)].set(0)


_STEPS: dict[str, Callable[[Any, int], Any]] = {
    "without the mean": lambda s, axis: _cleared(s, axis, 0),
    "without frequency 1": lambda s, axis: _cleared(s, axis, 1 % s.shape[axis]),
    "shifted frequencies": lambda s, axis: jnp.fft.ifftshift(jnp.fft.fftshift(s, axis) * 2, axis),
    "frequencies shifted twice": lambda s, axis: jnp.fft.fftshift(jnp.fft.fftshift(s, axis), axis),
    "turned phases": lambda s, axis: jnp.conj(s) * s * s,
    "conjugates": lambda s, axis: jnp.conj(s),
    "squares": lambda s, axis: s**2,
    "power by conjugates": lambda s, axis: s * jnp.conj(s),
    "stacked": lambda s, axis: (jnp.stack([s, 2 * s]) * 3).sum(0),
    "joined": lambda s, axis: jnp.concatenate(
        [jnp.take(s, jnp.arange(1), axis), 2 * jnp.take(s, jnp.arange(1, s.shape[axis]), axis)], axis
    ),
    "reversed frequencies": lambda s, axis: jnp.flip(s, axis),
    "a loop": lambda s, axis: lax.fori_loop(0, 3, lambda _, t: t / 2 + s, s),
}
"""What happens to a filtered spectrum, along its first transformed axis."""


def fourier(dice: Dice, value: Value) -> Made:
    """A filter between a Fourier transform and its inverse, along some axes; or the power spectrum."""
    axes = dice.some(value.space or value.axes("c"))
    name = dice.pick(["filter", "low pass", "power", "real filter of rfft", "phase", *_STEPS])
    shape = [n if a in axes else 1 for a, n in enumerate(value.shape)]
    filter_ = dice.normal(*shape)
    if name == "low pass" or dice.chance(0.4):
        for axis in axes:
            n = value.shape[axis]
            filter_ = np.take(filter_, np.minimum(np.arange(n), n - np.arange(n)), axis)
    if name == "low pass":
        waves = np.meshgrid(*(np.minimum(np.arange(n), n - np.arange(n)) for n in shape), indexing="ij")
        filter_ = np.where(np.maximum.reduce(waves) <= 1, filter_, 0.0)
    if name == "real filter of rfft":
        axis = axes[-1]
        n = value.shape[axis]
        half = filter_[tuple(slice(0, n // 2 + 1) if a == axis else slice(0, 1) for a in range(len(shape)))]
        return Made(
            f"{name} along {axis}",
            lambda x, f: jnp.fft.irfft((s := jnp.fft.rfft(x, axis=axis)) * fit(f, s), n, axis),
            value.roles,
            (half,),
        )
    count = float(np.prod([value.shape[a] for a in axes]))

    def fn(x: Any, f: Any) -> Any:
        spectrum = jnp.fft.fftn(x, axes=axes)
        if name == "power":
            return jnp.abs(spectrum) ** 2 / count
        if name in _STEPS:
            return jnp.real(jnp.fft.ifftn(_STEPS[name](spectrum * fit(f, spectrum), axes[0]), axes=axes))
        if name == "phase":
            return jnp.real(jnp.fft.ifftn(spectrum * jnp.exp(1j * fit(f, spectrum)), axes=axes))
        return jnp.real(jnp.fft.ifftn(spectrum * fit(f, spectrum), axes=axes))

    return Made(f"Fourier {name} along {axes}", fn, value.roles, (filter_,))
