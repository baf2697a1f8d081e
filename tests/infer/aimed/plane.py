"""On the plane: what tells one half of the array from the other is no end of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq
from tests.infer.aimed.common import Aimed, Function

P1, P2 = eq.plane(1), eq.plane(2)


def quadrants(x: Any) -> Any:
    """Maxima of four quadrants, each with weights of its own."""
    n, m = x.shape[1] // 2, x.shape[2] // 2
    found = [x[:, i : i + n, j : j + m].max((1, 2)) for i in (0, n) for j in (0, m)]
    return sum((one * w for one, w in zip(found, (1.0, 2.0, -1.0, 0.5), strict=True)), 0 * found[0])


def valid(x: Any, kernel: Any = (1.0, 2.0, 5.0)) -> Any:
    """A convolution without padding along the first axis."""
    n = x.shape[1] - len(kernel) + 1
    return sum((w * x[:, i : i + n] for i, w in enumerate(kernel)), 0 * x[:, :n])


def pool2(x: Any) -> Any:
    """Maxima of blocks."""
    ones = (1,) * (x.ndim - 2)
    block = (1, *(2 * one for one in ones), 1)
    return lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, block, block, "VALID")


def half(x: Any, axis: int = 1) -> Any:
    return lax.slice_in_dim(x, 0, x.shape[axis] // 2, axis=axis)


def plane1(name: str, fn: Function, *, tight: str = "") -> Aimed:
    return Aimed(name, fn, P1, tight)


def plane2(name: str, fn: Function, *, tight: str = "") -> Aimed:
    return Aimed(name, fn, P2, tight)


def ramp(x: Any) -> Any:
    """The coordinate along the first axis."""
    return lax.broadcasted_iota(x.dtype, x.shape, 1)


PLANE = (
    plane2("the maximum of half", lambda x: half(x).max((1, 2))),
    plane2("the mean of half", lambda x: half(x).mean((1, 2))),
    plane2("the maximum of half, along both", lambda x: half(half(x), 2).max((1, 2))),
    plane2("quadrants", quadrants),
    plane2("a half by split", lambda x: jnp.split(x, 2, 1)[0].max((1, 2))),
    plane2("a half by take", lambda x: jnp.take(x, jnp.arange(x.shape[1] // 2), axis=1).mean((1, 2))),
    plane2("a half by a dynamic slice", lambda x: lax.dynamic_slice_in_dim(x, 0, x.shape[1] // 2, 1).sum((1, 2))),
    plane2(
        "halves in a loop",
        lambda x: lax.fori_loop(
            0,
            2,
            lambda i, c: (
                c
                + (1 + i).astype(x.dtype)
                * lax.dynamic_slice_in_dim(x, i * (x.shape[1] // 2), x.shape[1] // 2, 1).max((1, 2))
            ),
            jnp.zeros_like(x[:, 0, 0]),
        ),
    ),
    plane2("a row repeated", lambda x: jnp.repeat(x[:, 16:17], x.shape[1], 1)),
    plane2("one node", lambda x: x[:, 16, 16]),
    plane2("a row's maximum", lambda x: x[:, 15].max(1)),
    plane2("a row by an index, many times", lambda x: x[:, jnp.full(x.shape[1], 16)]),
    plane2("the upper rows by a mask", lambda x: jnp.where(ramp(x) < 16, x, 0.0).max((1, 2))),
    plane2("a reshape to halves", lambda x: x.reshape(x.shape[0], 2, -1, *x.shape[2:]).max(2).sum((1, 2))),
    plane2("halves as channels", lambda x: jnp.concatenate(jnp.split(x, 2, 1), -1)),
    plane2("halves as channels, their maxima", lambda x: jnp.concatenate(jnp.split(x, 2, 1), -1).max((1, 2))),
    plane1("a half's maximum, of two halves", lambda x: half(x).max(1) + 2 * x[:, x.shape[1] // 2 :].max(1)),
    plane1("20 and 12", lambda x: jnp.concatenate([x[:, :20], 2 * x[:, 20:]], 1)),
    plane1("17 and 15, added", lambda x: jnp.concatenate([x[:, :17], x[:, 17:] + 1], 1)),
    plane1("20 and 12, of one factor", lambda x: jnp.concatenate([2 * x[:, :20], 2 * x[:, 20:]], 1), tight="Z ⋊ m"),
    plane1("20 and 12 exchanged", lambda x: jnp.concatenate([x[:, 20:], x[:, :20]], 1)),
    plane1("rolled by 2", lambda x: jnp.roll(x, 2, 1), tight="Z ⋊ m"),
    plane1("rolled by 12", lambda x: jnp.roll(x, 12, 1)),
    plane1("20 and 12 of a function", lambda x: jnp.concatenate([x[:, :20], jnp.tanh(x[:, 20:])], 1)),
    plane1("a mirror image after it", lambda x: jnp.concatenate([x, x[:, ::-1]], 1)),
    plane1("twice", lambda x: jnp.concatenate([x, x], 1)),
    plane1("thrice by wrapping", lambda x: jnp.pad(x, ((0, 0), (32, 32), (0, 0)), mode="wrap")),
    plane1("tiled", lambda x: jnp.tile(x, (1, 2, 1))),
    plane1("the mirror image around, far", lambda x: jnp.pad(x, ((0, 0), (31, 31), (0, 0)), mode="reflect")),
    plane1("by two indices", lambda x: x[:, jnp.concatenate([jnp.arange(20), jnp.arange(12)])]),
    plane1("backwards from the middle", lambda x: jnp.concatenate([x[:, :20], x[:, 20:][:, ::-1]], 1)),
    plane1("every other, then every node", lambda x: jnp.concatenate([x[:, :20:2], x[:, 20:]], 1)),
    plane1("an index with a jump", lambda x: x[:, jnp.asarray([*range(16), *range(17, 32)])]),
    plane1("an index with a repeat", lambda x: x[:, jnp.asarray([*range(16), *range(15, 31)])]),
    plane1("set in the middle", lambda x: x.at[:, 16].set(0.0)),
    plane1("a half set", lambda x: x.at[:, :16].set(0.0)),
    plane1("a half doubled", lambda x: x.at[:, :16].multiply(2.0)),
    plane1("a third updated", lambda x: lax.dynamic_update_slice_in_dim(x, x[:, :10] * 2, 11, 1)),
    plane1("set in the middle, then the maximum", lambda x: x.at[:, 16].set(5.0).max(1)),
    plane1("among zeros", lambda x: jnp.zeros((x.shape[0], 64, x.shape[2]), x.dtype).at[:, 16:48].set(x)),
    plane1("a half among zeros", lambda x: jnp.zeros_like(x).at[:, :16].set(x[:, 16:])),
    plane1("a table", lambda x: x * jnp.linspace(1, 2, 32).astype(x.dtype)[None, :, None]),
    plane1("a table that steps", lambda x: x * jnp.where(jnp.arange(32) < 16, 1.0, 2.0).astype(x.dtype)[None, :, None]),
    plane1(
        "a table that steps late", lambda x: x * jnp.where(jnp.arange(32) < 23, 1.0, 2.0).astype(x.dtype)[None, :, None]
    ),
    plane1("a period of 2", lambda x: x * jnp.tile(jnp.asarray([1.0, 2.0], x.dtype), 16)[None, :, None]),
    plane1(
        "a bump of averages of ones",
        lambda x: x + jnp.convolve(jnp.ones(32), jnp.ones(17), mode="same").astype(x.dtype)[None, :, None],
    ),
    plane1("the coordinate", lambda x: x + ramp(x)),
    plane1("the distance to the middle", lambda x: x + abs(ramp(x) - 15.5)),
    plane1("padded ones cut down", lambda x: x + jnp.pad(jnp.ones(8), 12).astype(x.dtype)[None, :, None]),
    plane1(
        "a window sum of ones as wide as a half",
        lambda x: (
            x
            * lax.reduce_window(jnp.ones(32), np.asarray(0, np.float32)[()], lax.add, (21,), (1,), "SAME").astype(
                x.dtype
            )[None, :, None]
        ),
    ),
    plane1("running sums", lambda x: jnp.cumsum(x, 1)),
    plane1(
        "a Fourier filter",
        lambda x: jnp.real(
            jnp.fft.ifft(jnp.fft.fft(x, axis=1) * jnp.arange(32).astype(complex)[None, :, None], axis=1)
        ),
    ),
    plane1(
        "a full matrix",
        lambda x: jnp.einsum(
            "nm,bmc->bnc", jnp.asarray(np.random.default_rng(0).standard_normal((32, 32)), x.dtype), x
        ),
    ),
    plane1(
        "a matrix of two bands",
        lambda x: jnp.einsum(
            "nm,bmc->bnc", jnp.asarray(np.where(np.arange(32)[:, None] < 24, np.eye(32), 2 * np.eye(32)), x.dtype), x
        ),
    ),
    plane1(
        "a banded matrix",
        lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(32) + 2 * np.eye(32, k=1), x.dtype), x),
        tight="Z",
    ),
    plane1(
        "a matrix with one other row",
        lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(32) + np.diag(np.arange(32) == 16), x.dtype), x),
    ),
    plane1(
        "a matrix with another row near a quarter",
        lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(32) + np.diag(np.arange(32) == 9), x.dtype), x),
    ),
    plane1(
        "resized to a half and joined",
        lambda x: jnp.concatenate([jax.image.resize(x, (x.shape[0], 16, x.shape[2]), "linear")] * 2, 1),
    ),
    plane1(
        "the first pair doubled, in blocks of half",
        lambda x: (
            x.reshape(x.shape[0], 2, 16, x.shape[2]) * jnp.asarray([1.0, 2.0], x.dtype)[None, :, None, None]
        ).reshape(x.shape),
    ),
    plane1(
        "attention within halves",
        lambda x: (lambda h: (jax.nn.softmax(jnp.einsum("bgnc,bgmc->bgnm", h, h), -1) @ h).reshape(x.shape))(
            x.reshape(x.shape[0], 2, 16, x.shape[2])
        ),
    ),
    plane1("rolled within halves", lambda x: jnp.roll(x.reshape(x.shape[0], 2, 16, x.shape[2]), 1, 2).reshape(x.shape)),
    plane1("halves exchanged by blocks", lambda x: x.reshape(x.shape[0], 2, 16, x.shape[2])[:, ::-1].reshape(x.shape)),
    plane1(
        "halves interleaved", lambda x: jnp.swapaxes(x.reshape(x.shape[0], 2, 16, x.shape[2]), 1, 2).reshape(x.shape)
    ),
    plane1("blocks of 8 pooled", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2]).max(2)),
    plane1("blocks of 8, the second", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2])[:, 1].max(1)),
    plane1(
        "one of each block of 8",
        lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2])[:, :, 1].max(1),
        tight="8Z ⋊ m at (1)",
    ),
    plane1("the first halves of blocks of 8", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2])[:, :, :4].max((1, 2))),
    plane1(
        "a scan of blocks",
        lambda x: lax.scan(lambda h, row: (0.5 * h + row, None), jnp.zeros_like(x[:, 0]), jnp.moveaxis(x, 1, 0))[0],
    ),
    plane1("two crops added", lambda x: x[:, :24] + x[:, 8:]),
    plane1("two crops multiplied, then the maximum", lambda x: (x[:, :24] * x[:, 8:]).max(1)),
    plane1("two crops of the ends multiplied, then the maximum", lambda x: (x[:, :30] * x[:, 2:]).max(1), tight="Z"),
    plane1("cropped to the middle, then the maximum", lambda x: x[:, 12:20].max(1)),
    plane1("cropped to the middle", lambda x: x[:, 12:20]),
    plane1(
        "a pool over a half",
        lambda x: lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 16, 1), (1, 16, 1), "VALID").sum(
            1
        ),
    ),
    plane1(
        "a pool of windows of half, the first",
        lambda x: lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 16, 1), (1, 16, 1), "VALID")[
            :, 0
        ],
    ),
    plane1("a convolution with a kernel of half, one output", lambda x: valid(x, np.arange(1.0, 33))[:, 0]),
    plane1(
        "padded far on one side",
        lambda x: jnp.pad(x, ((0, 0), (32, 0), (0, 0))).reshape(x.shape[0], 2, 32, x.shape[2]).sum(1),
    ),
    plane1("sorted", lambda x: jnp.sort(x, 1)),
    plane1("top 3", lambda x: lax.top_k(jnp.moveaxis(x, 1, 2), 3)[0].reshape(x.shape[0], -1)),
    plane1("compared with node 16", lambda x: jnp.where(x > x[:, 16:17], x, 0.0)),
    plane1("minus its last node", lambda x: x - x[:, -1:]),
    plane1("gated by a half's mean", lambda x: x * jnp.tanh(half(x).mean(1, keepdims=True))),
    plane1("argmax", lambda x: jnp.argmax(x, 1).astype(x.dtype)),
    plane1("a place chosen by data", lambda x: lax.dynamic_slice_in_dim(x, jnp.argmax(x[0, :, 0]), 1, 1)),
    plane1("centred on the largest", lambda x: jnp.roll(x, -jnp.argmax(x[0, :, 0]), 1)[:, :4].max(1)),
    # Right ones, which must keep their claims.
    plane2("the maximum", lambda x: x.max((1, 2)), tight="Z × Z ⋊ 4mm"),
    plane2("a strided pool's mean", lambda x: pool2(x).mean((1, 2)), tight="2Z × 2Z ⋊ 4mm"),
    plane2("a bias, then the mean", lambda x: jnp.tanh(pool2(x) + 0.7).mean((1, 2)), tight="2Z × 2Z ⋊ 4mm"),
    plane2(
        "normalised over all",
        lambda x: (x - x.mean((1, 2), keepdims=True)) * lax.rsqrt(x.var((1, 2), keepdims=True) + 0.1),
        tight="Z × Z ⋊ 4mm",
    ),
    plane1("valid windows", lambda x: jnp.tanh(valid(x)), tight="Z"),
    plane1("valid windows, a cropped shortcut", lambda x: x[:, 1:-1] + jnp.tanh(valid(x)), tight="Z"),
    plane1("down and up and a shortcut", lambda x: x + jnp.repeat(pool2(x), 2, 1), tight="2Z ⋊ m"),
    plane1("valid windows, then the mean", lambda x: jnp.tanh(valid(x) + 1).mean(1), tight="Z"),
    plane1("padded by zeros", lambda x: jnp.tanh(valid(jnp.pad(x, ((0, 0), (1, 1), (0, 0))))), tight="Z"),
    plane1("padded by its edge", lambda x: valid(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")), tight="Z"),
    plane1(
        "pixel shuffle", lambda x: jnp.tanh(x.reshape(x.shape[0], 16, 2 * x.shape[2])).reshape(x.shape), tight="Z ⋊ m"
    ),
    plane1(
        "linear twice as fine", lambda x: jax.image.resize(x, (x.shape[0], 64, x.shape[2]), "linear"), tight="Z ⋊ m"
    ),
    plane1("attention of all nodes", lambda x: jax.nn.softmax(jnp.einsum("bnc,bmc->bnm", x, x), -1) @ x, tight="Z ⋊ m"),
    plane1("backwards", lambda x: x[:, ::-1], tight="Z ⋊ m"),
)
