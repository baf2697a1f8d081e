"""Small functions of images, of one axis at a time, of physics and of primitives, as users of each field write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq

Function = Callable[[Any], Any]
SQUARE, LINE = eq.torus(4, 4), eq.torus(6)
WAVES = np.fft.fftfreq(6) * 6
IDIOMS: dict[str, tuple[Function, eq.Domain]] = {}
"""Functions of `[batch, *spatial, 2 channels]` by name, with the domain that they are asked about."""


def on(domain: eq.Domain) -> Callable[[Function], Function]:
    """Enters a function into the table."""

    def entered(fn: Function) -> Function:
        IDIOMS[fn.__name__] = fn, domain
        return fn

    return entered


def drawn(*shape: int) -> Any:
    """Random numbers."""
    return jnp.asarray(np.random.default_rng(shape).standard_normal(shape))


def around(x: Any) -> Any:
    """Padded by one node, around the torus."""
    return jnp.pad(x, ((0, 0), *[(1, 1)] * (x.ndim - 2), (0, 0)), mode="wrap")


def neighbours(x: Any) -> Any:
    """The sum of the four next nodes, less four times this one."""
    return sum(jnp.roll(x, shift, (1, 2)) for shift in ((0, 1), (1, 0), (0, -1), (-1, 0))) - 4 * x


@on(SQUARE)
def cutout_mean(x: Any) -> Any:
    return jnp.where(x > x.mean((1, 2), keepdims=True), x, x.mean((1, 2), keepdims=True))


@on(SQUARE)
def local_contrast(x: Any) -> Any:
    m = sum(jnp.roll(x, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    return (x - m) / jnp.sqrt(jnp.abs(x * x - m * m).mean((1, 2), keepdims=True) + 1)


@on(SQUARE)
def unsharp(x: Any) -> Any:
    return x + 0.5 * (x - lax.reduce_window(around(x), 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "VALID") / 9)


@on(SQUARE)
def se_by_max(x: Any) -> Any:
    return x * jax.nn.sigmoid(x.max((1, 2)) @ drawn(2, 2))[:, None, None]


@on(SQUARE)
def gem(x: Any) -> Any:
    return (jnp.abs(x) ** 3).mean((1, 2)) ** (1 / 3)


@on(SQUARE)
def spp(x: Any) -> Any:
    return jnp.concatenate([x.max((1, 2)), x.reshape(-1, 2, 2, 2, 2, 2).max((2, 4)).reshape(x.shape[0], -1)], -1)


@on(SQUARE)
def blur_down(x: Any) -> Any:
    return (x[:, ::2] + x[:, 1::2])[:, :, ::2]


@on(SQUARE)
def gram(x: Any) -> Any:
    y = x.reshape(x.shape[0], -1, x.shape[-1])
    return jnp.einsum("bnc,bnd->bcd", y, y).reshape(x.shape[0], -1)


@on(SQUARE)
def hist_eq(x: Any) -> Any:
    s = jnp.sort(x.reshape(x.shape[0], -1, 2), 1)
    return jax.vmap(lambda a, b: jnp.stack([jnp.searchsorted(a[:, i], b[..., i]) for i in range(2)], -1))(s, x).astype(
        x.dtype
    )


@on(SQUARE)
def rank_pixels(x: Any) -> Any:
    y = x.reshape(x.shape[0], -1, 2)
    return (y[:, :, None] > y[:, None]).sum(2).reshape(x.shape).astype(x.dtype)


@on(SQUARE)
def otsu_like(x: Any) -> Any:
    h = jax.vmap(lambda a: jnp.histogram(a[..., 0], bins=4, range=(-2.0, 2.0))[0])(x).astype(x.dtype)
    t = jnp.argmax(h, 1)
    return x * (t[:, None, None, None] + 1)


@on(SQUARE)
def median3(x: Any) -> Any:
    return jnp.median(jnp.stack([jnp.roll(x, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)]), 0)


@on(SQUARE)
def dilate_minus_erode(x: Any) -> Any:
    p = around(x)
    return lax.reduce_window(p, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "VALID") - lax.reduce_window(
        p, jnp.inf, lax.min, (1, 3, 3, 1), (1, 1, 1, 1), "VALID"
    )


@on(SQUARE)
def nms(x: Any) -> Any:
    return jnp.where(lax.reduce_window(around(x), -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "VALID") == x, x, 0)


@on(SQUARE)
def bilateral(x: Any) -> Any:
    n = d = 0
    for s in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        y = jnp.roll(x, s, (1, 2))
        w = jnp.exp(-((x - y) ** 2))
        n += w * y
        d += w
    return n / d


@on(SQUARE)
def canny_mag(x: Any) -> Any:
    gx = jnp.roll(x, 1, 1) - jnp.roll(x, -1, 1)
    gy = jnp.roll(x, 1, 2) - jnp.roll(x, -1, 2)
    return jnp.hypot(gx, gy)


@on(SQUARE)
def structure_tensor(x: Any) -> Any:
    gx = jnp.roll(x, 1, 1) - jnp.roll(x, -1, 1)
    gy = jnp.roll(x, 1, 2) - jnp.roll(x, -1, 2)
    a, b, d = (gx * gx, gx * gy, gy * gy)
    return a * d - b * b - 0.05 * (a + d) ** 2


@on(SQUARE)
def pixel_shuffle_conv(x: Any) -> Any:
    return (
        lax.conv_general_dilated(
            around(x), drawn(3, 3, 2, 8), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        .reshape(-1, 4, 4, 2, 2, 2)
        .transpose(0, 1, 3, 2, 4, 5)
        .reshape(-1, 8, 8, 2)
    )


@on(SQUARE)
def tokens_mean_attn(x: Any) -> Any:
    y = x.reshape(x.shape[0], -1, 2)
    q = y.mean(1, keepdims=True)
    a = jax.nn.softmax((q * y).sum(-1), -1)
    return (a[..., None] * y).sum(1)


@on(SQUARE)
def topk_mean(x: Any) -> Any:
    return lax.top_k(jnp.moveaxis(x.reshape(x.shape[0], -1, 2), 1, 2), 3)[0].mean(-1)


@on(SQUARE)
def trimmed(x: Any) -> Any:
    return jnp.sort(x.reshape(x.shape[0], -1, 2), 1)[:, 3:-3].mean(1)


@on(SQUARE)
def softmax_rows(x: Any) -> Any:
    return jax.nn.softmax(x, 1)


@on(SQUARE)
def rowwise_lstm(x: Any) -> Any:
    return jnp.moveaxis(
        lax.scan(lambda h, r: (jnp.tanh(h + r),) * 2, jnp.zeros_like(x[:, 0]), jnp.moveaxis(x, 1, 0))[1], 0, 1
    )


@on(SQUARE)
def strip_pool(x: Any) -> Any:
    return x * jax.nn.sigmoid(x.mean(1, keepdims=True) + x.mean(2, keepdims=True))


@on(SQUARE)
def axial(x: Any) -> Any:
    a = jax.nn.softmax(jnp.einsum("bhwc,bgwc->bwhg", x, x), -1)
    return jnp.einsum("bwhg,bgwc->bhwc", a, x)


@on(SQUARE)
def cumulative_cols(x: Any) -> Any:
    return jnp.cumsum(x, 2) / jnp.arange(1, 5)[None, None, :, None]


@on(SQUARE)
def lat_weight(x: Any) -> Any:
    return x * jnp.cos(jnp.linspace(-1, 1, 4))[None, :, None, None]


@on(SQUARE)
def skew_rows(x: Any) -> Any:
    return jnp.stack([jnp.roll(x[:, i], i, 1) for i in range(4)], 1)


@on(LINE)
def burgers(x: Any) -> Any:
    return x - 0.1 * x * (jnp.roll(x, -1, 1) - jnp.roll(x, 1, 1))


@on(LINE)
def spectral_derivative(x: Any) -> Any:
    return jnp.fft.ifft(1j * WAVES[None, :, None] * jnp.fft.fft(x, axis=1), axis=1).real


@on(LINE)
def wave_energy(x: Any) -> Any:
    return (x**2).sum(1) + ((jnp.roll(x, 1, 1) - x) ** 2).sum(1)


@on(LINE)
def upwind(x: Any) -> Any:
    u = x[..., :1]
    return jnp.where(u > 0, x - jnp.roll(x, 1, 1), jnp.roll(x, -1, 1) - x)


@on(LINE)
def minmod(x: Any) -> Any:
    a = x - jnp.roll(x, 1, 1)
    b = jnp.roll(x, -1, 1) - x
    return jnp.where(a * b > 0, jnp.sign(a) * jnp.minimum(jnp.abs(a), jnp.abs(b)), 0)


@on(SQUARE)
def game_of_life(x: Any) -> Any:
    a = (x > 0).astype(x.dtype)
    n = sum(jnp.roll(a, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
    return ((n == 3) | (n == 2) & (a > 0)).astype(x.dtype)


@on(SQUARE)
def ising_energy(x: Any) -> Any:
    s = jnp.sign(x)
    return -(s * (jnp.roll(s, 1, 1) + jnp.roll(s, 1, 2))).sum((1, 2))


@on(SQUARE)
def gray_scott(x: Any) -> Any:
    u, v = (x[..., 0], x[..., 1])
    r = u * v * v
    return jnp.stack([u + 0.1 * neighbours(u) - r, v + 0.05 * neighbours(v) + r], -1)


@on(SQUARE)
def poisson(x: Any) -> Any:
    kk = jnp.fft.fftfreq(4) * 4
    k2 = kk[:, None] ** 2 + kk[None] ** 2
    X = jnp.fft.fft2(x, axes=(1, 2))
    return jnp.fft.ifft2(
        jnp.where((k2 == 0)[None, :, :, None], 0, X / jnp.where(k2 == 0, 1, k2)[None, :, :, None]), axes=(1, 2)
    ).real


@on(SQUARE)
def vorticity(x: Any) -> Any:
    u, v = (x[..., 0], x[..., 1])
    return (jnp.roll(v, -1, 1) - jnp.roll(v, 1, 1) - (jnp.roll(u, -1, 2) - jnp.roll(u, 1, 2)))[..., None]


@on(LINE)
def jacobi(x: Any) -> Any:
    return lax.fori_loop(0, 3, lambda i, u: (jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1) + x) / 3, jnp.zeros_like(x))


@on(LINE)
def bincount_weights(x: Any) -> Any:
    return jax.vmap(lambda a: jnp.bincount(jnp.clip(a[:, 0], 0, 3).astype(int), weights=a[:, 1], length=4))(x)


@on(LINE)
def mode_value(x: Any) -> Any:
    return jax.vmap(lambda a: jnp.argmax(jnp.bincount(jnp.clip(a[:, 0], 0, 3).astype(int), length=4)))(x).astype(
        x.dtype
    )[:, None]


@on(LINE)
def unique_sorted(x: Any) -> Any:
    s = jnp.sort(x, 1)
    return jnp.where(jnp.concatenate([jnp.ones_like(s[:, :1], bool), s[:, 1:] != s[:, :-1]], 1), s, 0).sum(1)


@on(LINE)
def logcumsum(x: Any) -> Any:
    return lax.cumlogsumexp(x, axis=2)


@on(LINE)
def nan_to_mean(x: Any) -> Any:
    m = jnp.isnan(x)
    return jnp.where(m, jnp.nanmean(x, 1, keepdims=True), x)


@on(LINE)
def nanquantile_gate(x: Any) -> Any:
    return x * (x > jnp.nanquantile(x, 0.3, axis=1, keepdims=True))


@on(LINE)
def one_hot_counts(x: Any) -> Any:
    i = jnp.clip(x[..., 0], 0, 3).astype(int)
    return x * (jax.nn.one_hot(i, 4).sum(1)[:, None] @ drawn(4, 2))


@on(LINE)
def scatter_mean(x: Any) -> Any:

    def f(a):
        i = jnp.clip(a[:, 0], 0, 2).astype(int)
        s = jnp.zeros((3, 2)).at[i].add(a)
        n = jnp.zeros(3).at[i].add(1.0)
        return (s / (n[:, None] + 1))[i]

    return jax.vmap(f)(x)


@on(LINE)
def kmeans_step(x: Any) -> Any:
    cen = drawn(3, 2)
    d = ((x[:, :, None] - cen[None, None]) ** 2).sum(-1)
    i = jnp.argmin(d, -1)
    w = jax.nn.one_hot(i, 3)
    return (jnp.einsum("bnk,bnc->bkc", w, x) / (w.sum(1)[..., None] + 1)).reshape(x.shape[0], -1)


@on(LINE)
def vq(x: Any) -> Any:
    cen = drawn(3, 2)
    i = jnp.argmin(((x[:, :, None] - cen[None, None]) ** 2).sum(-1), -1)
    return cen[i]


@on(LINE)
def read_where_largest(x: Any) -> Any:
    return jnp.take_along_axis(x, jnp.argmax(x, 1, keepdims=True), 1)[:, 0]


@on(LINE)
def read_in_order(x: Any) -> Any:
    return jnp.take_along_axis(x, jnp.argsort(x, 1), 1)[:, :2].reshape(x.shape[0], -1)


@on(SQUARE)
def largest_of_a_picture(x: Any) -> Any:
    return jax.vmap(lambda a: a[..., 0].ravel()[jnp.argmax(a[..., 0])])(x)[:, None]


@on(SQUARE)
def shells(x: Any) -> Any:
    power = jnp.abs(jnp.fft.fft2(x[..., 0], axes=(1, 2))) ** 2
    waves = np.fft.fftfreq(4) * 4
    shell = np.round(np.hypot(waves[:, None], waves)).astype(int).ravel()
    return jax.vmap(lambda q: jax.ops.segment_sum(q.ravel(), jnp.asarray(shell), 4))(power)


@on(LINE)
def added_at_a_channel(x: Any) -> Any:
    return x.at[jnp.arange(x.shape[0])[:, None], jnp.arange(6), jnp.argmax(x, -1)].add(jnp.tanh(x[..., 0]))


@on(SQUARE)
def cleared_at_a_channel(x: Any) -> Any:
    batch = jnp.arange(x.shape[0])[:, None, None]
    return x.at[batch, jnp.arange(4)[:, None], jnp.arange(4), jnp.argmax(x, -1)].set(0.0)


@on(SQUARE)
def jacobian_of_arakawa(x: Any) -> Any:
    p, w = x[..., :1], x[..., 1:]

    def d(a, axis):
        return (jnp.roll(a, -1, axis) - jnp.roll(a, 1, axis)) / 2

    first = d(p, 1) * d(w, 2) - d(p, 2) * d(w, 1)
    return first + d(p * d(w, 2), 1) - d(p * d(w, 1), 2) + d(w * d(p, 1), 2) - d(w * d(p, 2), 1)


@on(SQUARE)
def conjugate_gradients(x: Any) -> Any:
    rest = x - x.mean((1, 2), keepdims=True)
    u, p = jnp.zeros_like(rest), rest
    for _ in range(2):
        applied = 4.1 * p - sum(jnp.roll(p, s, a) for s in (1, -1) for a in (1, 2))
        before = (rest * rest).sum((1, 2), keepdims=True)
        step = before / ((p * applied).sum((1, 2), keepdims=True) + 1e-9)
        u, rest = u + step * p, rest - step * applied
        p = rest + (rest * rest).sum((1, 2), keepdims=True) / (before + 1e-9) * p
    return u


@on(SQUARE)
def red_and_black(x: Any) -> Any:
    red = (np.add.outer(np.arange(4), np.arange(4)) % 2)[None, :, :, None]

    def around_it(a):
        return jnp.tanh(sum(jnp.roll(a, s, axis) for s in (1, -1) for axis in (1, 2)))

    half = jnp.where(red == 0, around_it(x), x)
    return jnp.where(red == 1, around_it(half), half)


@on(SQUARE)
def slot_attention(x: Any) -> Any:
    nodes, slots = x.reshape(-1, 16, 2), jnp.broadcast_to(drawn(2, 2), (x.shape[0], 2, 2))
    for _ in range(2):
        share = jax.nn.softmax(jnp.einsum("bnc,bsc->bns", nodes, slots), -1)
        slots = jnp.einsum("bns,bnc->bsc", share / (share.sum(1, keepdims=True) + 1e-8), nodes)
    return slots.reshape(x.shape[0], -1)
