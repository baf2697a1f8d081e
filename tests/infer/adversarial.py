"""Functions aimed at conditions of inference rules, judged by brute force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Aimed:
    """A function of `[batch, *spatial, 1]`.

    Attributes:
        tight: whether inference must claim all that it keeps.
        size: on the plane, the size to trace at.
    """

    name: str
    fn: Function
    domain: eq.Domain = eq.torus(8)
    tight: bool = False
    size: int | None = None

    def __str__(self) -> str:
        return self.name


T8, T6, T4, B8 = eq.torus(8), eq.torus(6), eq.torus(4), eq.box(8)
INT = jnp.int32


def by(x: Any, table: Any) -> Any:
    """x times a table along its first spatial axis."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return x * jnp.broadcast_to(jnp.asarray(table).astype(x.dtype).reshape(shape), x.shape)


def number(x: Any) -> Any:
    """Between 0 and 5, from one entry."""
    return jnp.clip(x[0, 0, 0] * 3, 0, 5).astype(int)


def biggest(x: Any) -> Any:
    """Between 0 and 5, from all entries."""
    return jnp.clip(jnp.max(x) * 3, 0, 5).astype(int)


def scalar(x: Any, y: Any) -> Any:
    """x times a number."""
    return x * jnp.broadcast_to(jnp.asarray(y).astype(x.dtype), x.shape)


def pairs(x: Any) -> Any:
    """Maxima of pairs."""
    init = np.asarray(-np.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min, x.dtype)[()]
    return lax.reduce_window(x, init, lax.max, (1, 2, 1), (1, 2, 1), "VALID")


def window(combine: Any, start: float = 0.0, pad: tuple[int, int] = (1, 1)) -> Function:
    """A reduction of windows of three."""
    return lambda x: lax.reduce_window(
        x, np.asarray(start, x.dtype)[()], combine, (1, 3, 1), (1, 1, 1), ((0, 0), pad, (0, 0))
    )


def while_(x: Any, start: Any, body: Any, going: Any) -> Any:
    """Turn while going and at most five times."""
    return lax.while_loop(lambda s: (s[0] < 5) & going(s[1]), lambda s: (s[0] + 1, body(s[1])), (0, start))[1]


def counted_rows(x: Any) -> Any:
    """For each example, how often its first entry is halved."""
    return jax.vmap(lambda r: lax.while_loop(lambda c: c[1] > 0.1, lambda c: (c[0] + 1, c[1] * 0.5), (0, r[0, 0]))[0])(x)


def nested(x: Any) -> Any:
    """A constant, increased in a loop within a loop whose count is an entry's."""
    n = number(x)
    return lax.fori_loop(0, 3, lambda i, c: lax.fori_loop(0, n, lambda j, d: d + 1.0, c), 1.0)


LOOPS = (
    Aimed("a count from an entry", lambda x: scalar(x, lax.fori_loop(0, number(x), lambda i, c: c + 1.0, 1.0))),
    Aimed("a count from all", lambda x: scalar(x, lax.fori_loop(0, biggest(x), lambda i, c: c + 1.0, 1.0)), tight=True),
    Aimed("a counter of each example", lambda x: x * counted_rows(x)[:, None, None].astype(x.dtype)),
    Aimed("a loop within a loop", lambda x: scalar(x, nested(x))),
    Aimed("constants exchanged", lambda x: scalar(x, lax.fori_loop(0, number(x), lambda i, c: (c[1], c[0]), (1.0, 2.0))[0])),
    Aimed("a table rolled", lambda x: by(x, lax.fori_loop(0, biggest(x), lambda i, c: jnp.roll(c, 1), jnp.arange(8.0)))),
    Aimed("a uniform table rolled", lambda x: by(x, lax.fori_loop(0, biggest(x), lambda i, c: jnp.roll(c, 1) + 1, jnp.ones(8)))),
    Aimed("a place that counts", lambda x: jnp.roll(x, lax.fori_loop(0, biggest(x), lambda i, c: c + 1, 0), 1) + x),
    Aimed("a table read at a count", lambda x: scalar(x, jnp.arange(1.0, 9.0)[while_(x, 0, lambda c: c + 1, lambda c: c < number(x))])),
    Aimed("a while of a number, going on an entry",
          lambda x: scalar(x, lax.while_loop(lambda s: s[1] > 0.1, lambda s: (s[0] + 1, s[1] * 0.5), (0, jnp.abs(x[0, 0, 0])))[0])),
    Aimed("a scan of a cond on an entry",
          lambda x: scalar(x, lax.scan(lambda c, w: (lax.cond(x[0, 0, 0] > w, lambda: c + 1, lambda: c), None), 0, jnp.asarray([-1.0, 0.0, 1.0], x.dtype))[0])),
    Aimed("a long scan of a cond on an entry",
          lambda x: scalar(x, lax.scan(lambda c, w: (lax.cond(x[0, 0, 0] > w, lambda: c + 1, lambda: c), None), 0, jnp.linspace(-1, 1, 100).astype(x.dtype))[0])),
    Aimed("a long scan that stacks a constant",
          lambda x: scalar(x, lax.scan(lambda c, w: (jnp.where(x[0, 0, 0] > 0, 1, 0) + c, c), 0, jnp.zeros(100))[1].sum())),
    Aimed("a cond of constants in a loop",
          lambda x: scalar(x, lax.fori_loop(0, 3, lambda i, c: lax.cond(x[0, 0, 0] > 0, lambda d: d + 1, lambda d: d * 2, c), 1.0))),
    Aimed("what is never carried on", lambda x: scalar(x, lax.fori_loop(0, number(x), lambda i, c: 3.0, 1.0))),
    Aimed("a nested while of examples",
          lambda x: x * jax.vmap(lambda r: lax.fori_loop(0, 2, lambda i, c: lax.while_loop(lambda d: d[1] > 0.2, lambda d: (d[0] + 1.0, d[1] * 0.5), (c, r[0, 0]))[0], 0.0))(x).reshape(-1, 1, 1).astype(x.dtype)),
    Aimed("a loop with an array of conditions",
          lambda x: by(x, 1) * jax.vmap(jax.vmap(lambda v: lax.while_loop(lambda c: c[1] > 0.1, lambda c: (c[0] + 1.0, c[1] * 0.5), (0.0, v))[0]))(x[..., 0])[..., None].astype(x.dtype)),
    Aimed("turns of each node, from a table",
          lambda x: jax.vmap(lambda k, r: lax.fori_loop(0, k, lambda i, c: c * 2, r), (0, 1), 1)(jnp.arange(8), x)),
    Aimed("turns of each node, a while, from a table",
          lambda x: jax.vmap(lambda k, r: lax.while_loop(lambda s: s[0] < k, lambda s: (s[0] + 1, jnp.sin(s[1])), (0, r))[1], (0, 1), 1)(jnp.asarray([1, 2, 3, 1, 2, 3, 1, 2]), x)),
    Aimed("places that a loop steps over",
          lambda x: lax.fori_loop(0, biggest(x), lambda i, c: c.at[:, i].multiply(2.0), x)),
    Aimed("a slice in a loop", lambda x: lax.fori_loop(0, 4, lambda i, c: c + lax.dynamic_slice_in_dim(x, i, 1, 1), jnp.zeros_like(x[:, :1]))),
    Aimed("a switch of tables", lambda x: by(x, lax.switch(number(x), [lambda: jnp.ones(8), lambda: 2 * jnp.ones(8), lambda: jnp.ones(8)]))),
    Aimed("a table that is uniform at first",
          lambda x: by(x, lax.fori_loop(0, biggest(x), lambda i, c: jnp.cumsum(c), jnp.ones(8)))),
    Aimed("a loop of two turns whose constant becomes a table",
          lambda x: by(x, lax.fori_loop(0, 2, lambda i, c: jnp.cumsum(c), jnp.ones(8)))),
)  # fmt: skip

I9 = np.asarray([0, 0, 1, 2, 3, 4, 5, 6, 7])


def places(*index: int) -> Any:
    return jnp.asarray(index)


SCATTERS = (
    Aimed("a number added where places repeat", lambda x: x.at[:, I9].add(1.0)),
    Aimed("a number multiplied where places repeat", lambda x: x.at[:, I9].multiply(2.0)),
    Aimed("small integers, the least", lambda x: x.astype(jnp.int8).at[:, places(0, 3)].min(jnp.int8(0)).astype(x.dtype)),
    Aimed("unsigned integers, the least", lambda x: jnp.abs(x).astype(jnp.uint8).at[:, places(0)].min(jnp.uint8(1)).astype(x.dtype)),
    Aimed("small integers, the largest", lambda x: x.astype(jnp.int8).at[:, places(0)].max(jnp.int8(0)).astype(x.dtype)),
    Aimed("large numbers, the least", lambda x: (1e10 * x).at[:, 0].min(3e9)),
    Aimed("large numbers, the largest", lambda x: (1e10 * x).at[:, 0].max(-3e9)),
    Aimed("updates that cancel", lambda x: x.at[:, places(0, 0, 4)].add(jnp.asarray([1.0, -1.0, 2.0], x.dtype)[None, :, None])),
    Aimed("a number added everywhere", lambda x: x.at[:, :].add(2.0), tight=True),
    Aimed("parts of the value added twice", lambda x: x.at[:, places(0, 0)].add(x[:, 2:4])),
    Aimed("all nodes added in pairs", lambda x: jnp.zeros_like(x[:, :4]).at[:, np.arange(8) // 2].add(x)),
    Aimed("all nodes added wound", lambda x: jnp.zeros_like(x[:, :4]).at[:, np.arange(8) % 4].add(x)),
    Aimed("nine updates of eight places", lambda x: jnp.zeros_like(x).at[:, I9].add(jnp.concatenate([x[:, :1], x], 1))),
    Aimed("nine products at eight places", lambda x: jnp.ones_like(x).at[:, I9].multiply(jnp.concatenate([x[:, :1], x], 1))),
    Aimed("subtracted where places repeat", lambda x: x.at[:, I9].add(-1.5)),
    Aimed("out of bounds, dropped", lambda x: x.at[:, places(0, 9)].add(1.0, mode="drop")),
    Aimed("negative places", lambda x: x.at[:, places(-1, -1)].add(1.0)),
    Aimed("a function of each place", lambda x: x.at[:, places(0, 0)].apply(lambda v: 2 * v)),
    Aimed("a power at repeated places", lambda x: x.at[:, places(0, 0)].power(2)),
    Aimed("sums of segments", lambda x: jax.ops.segment_sum(x[0], places(0, 0, 1, 1, 2, 2, 3, 3), 4)[None].repeat(x.shape[0], 0)),
    Aimed("sums of unequal segments", lambda x: jax.ops.segment_sum(x[0], places(0, 0, 0, 1, 2, 2, 3, 3), 4)[None].repeat(x.shape[0], 0)),
    Aimed("set at repeated places to parts", lambda x: x.at[:, places(1, 5)].set(x[:, places(5, 1)])),
    Aimed("an update that data choose the place of", lambda x: x.at[:, number(x)].set(0.0)),
    Aimed("added into ones", lambda x: jnp.ones_like(x).at[:, places(0, 0, 1, 2, 3, 4, 5, 6)].add(x)),
    Aimed("weights repeated over places", lambda x: by(x, jnp.zeros(8).at[I9].add(1.0))),
)  # fmt: skip


def table(made: Callable[[], Any]) -> Function:
    """Times a table."""
    return lambda x: by(x, made())


def matrix_table(made: Callable[[Any], Any]) -> Function:
    """Times a matrix made of a uniform one."""
    return lambda x: x * made(jnp.ones((8, 8), x.dtype)).astype(x.dtype)[None, :, :, None]


KEY = jax.random.key(0)
RANDOM = {
    "gamma": lambda: jax.random.gamma(KEY, 1.0, (8,)), "beta": lambda: jax.random.beta(KEY, 1.0, 2.0, (8,)),
    "poisson": lambda: jax.random.poisson(KEY, 3.0, (8,)), "dirichlet": lambda: jax.random.dirichlet(KEY, jnp.ones(8)),
    "t": lambda: jax.random.t(KEY, 2.0, (8,)), "categorical": lambda: jax.random.categorical(KEY, jnp.zeros((8, 4))),
    "permutation": lambda: jax.random.permutation(KEY, 8), "choice": lambda: jax.random.choice(KEY, 8, (8,)),
    "laplace": lambda: jax.random.laplace(KEY, (8,)), "loggamma": lambda: jax.random.loggamma(KEY, jnp.ones(8)),
    "binomial": lambda: jax.random.binomial(KEY, 9.0, 0.5, (8,)),
    "keys": lambda: jax.vmap(jax.random.normal)(jax.random.split(KEY, 8)),
    "folded keys": lambda: jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(KEY, i)))(jnp.arange(8)),
    "bits": lambda: jax.random.bits(KEY, (8,)) % 7, "bernoulli": lambda: jax.random.bernoulli(KEY, 0.5, (8,)),
    "cauchy": lambda: jax.random.cauchy(KEY, (8,)), "orthogonal": lambda: jax.random.orthogonal(KEY, 8)[0],
    "rng_bit_generator": lambda: lax.rng_bit_generator(jnp.arange(4, dtype=jnp.uint32), (8,))[1] % 7,
}  # fmt: skip
TABLES = {
    "top_k's places": lambda: lax.top_k(jnp.ones(8), 8)[1], "argsort": lambda: jnp.argsort(jnp.ones(8)),
    "sort of pairs": lambda: lax.sort((jnp.ones(8), jnp.arange(8.0)), num_keys=1)[1],
    "pure_callback": lambda: jax.pure_callback(
        lambda v: np.arange(8, dtype=np.float32), jax.ShapeDtypeStruct((8,), jnp.float32), jnp.zeros(8)),
    "nonzero": lambda: jnp.nonzero(jnp.ones(8), size=8)[0], "cumsum": lambda: jnp.cumsum(jnp.ones(8)),
    "fft": lambda: jnp.real(jnp.fft.fft(jnp.ones(8))), "scan": lambda: lax.scan(lambda c, w: (c + w, c), 0.0, jnp.ones(8))[1],
    "associative scan": lambda: lax.associative_scan(jnp.add, jnp.ones(8)), "linspace": lambda: jnp.linspace(0, 1, 8),
    "map": lambda: lax.map(lambda i: i * 2, jnp.arange(8)), "while": lambda: lax.while_loop(
        lambda s: s[0] < 3, lambda s: (s[0] + 1, jnp.cumsum(s[1])), (0, jnp.ones(8)))[1],
    "one-hot": lambda: jax.nn.one_hot(3, 8), "padded windows": lambda: lax.reduce_window(
        jnp.ones(8), np.float32(0)[()], lax.add, (3,), (1,), ((1, 1),)),
    "convolve": lambda: jnp.convolve(jnp.ones(8), jnp.ones(3), mode="same"), "cummax": lambda: lax.cummax(jnp.arange(8)),
    "gradient of a pool": lambda: jax.grad(lambda z: lax.reduce_window(z, -jnp.inf, lax.max, (2,), (2,), "VALID").sum())(jnp.ones(8)),
    "gather": lambda: jnp.arange(8.0)[jnp.asarray([0, 1, 2, 3, 4, 5, 6, 7])], "repeat": lambda: jnp.repeat(jnp.asarray([1.0, 2.0]), 4),
    "searchsorted": lambda: jnp.searchsorted(jnp.arange(8.0), jnp.arange(8.0)), "eye": lambda: jnp.eye(8)[3],
    "cond": lambda: lax.cond(jnp.asarray(True), lambda: jnp.arange(8.0), lambda: jnp.ones(8)),
    "running bits": lambda: jnp.cumprod(2 * jnp.ones(8)), "digits": lambda: (jnp.arange(8) >> 1) & 1,
}  # fmt: skip
MATRICES = {
    "lu": lambda a: lax.linalg.lu(a)[0], "eigh": lambda a: lax.linalg.eigh(a)[0], "qr": lambda a: jnp.linalg.qr(a)[0],
    "svd": lambda a: jnp.linalg.svd(a)[0], "cholesky": lambda a: jnp.nan_to_num(jnp.linalg.cholesky(a + jnp.eye(8, dtype=a.dtype))),
    "triangular": lambda a: jnp.tril(a), "expm": lambda a: jax.scipy.linalg.expm(jnp.triu(a)), "lu pivots": lambda a: lax.linalg.lu(a)[1].astype(a.dtype)[:, None] * a,
}  # fmt: skip
CONSTANTS = (
    *(Aimed(f"a table of random.{name}", table(made)) for name, made in RANDOM.items() if name != "bernoulli"),
    *(Aimed(f"a table by {name}", table(made)) for name, made in TABLES.items()),
    *(Aimed(f"a matrix by {name}", matrix_table(made), eq.torus(8, 8)) for name, made in MATRICES.items()),
    Aimed("a uniform table of random.gamma, one number", lambda x: scalar(x, jax.random.gamma(KEY, 1.0))),
    Aimed("a uniform table", lambda x: by(x, jnp.full(8, 2.0)), tight=True),
    Aimed("a uniform table, by arithmetic", lambda x: by(x, jnp.tanh(jnp.ones(8)) * 3 + 1), tight=True),
)


def capped(x: Any) -> Any:
    """To small integers and back, through an int32."""
    return jnp.clip(x, -1e6, 1e6).astype(jnp.int32)


def through(kind: Any) -> Function:
    """The maximum of what a conversion makes of the maxima of pairs."""
    return lambda x: pairs(x).astype(kind).astype(x.dtype).max(1)


def of_pairs(fn: Function) -> Function:
    """The maximum of a function of the maxima of pairs."""
    return lambda x: fn(pairs(x)).max(1)


def of_integers(fn: Function, kind: Any = jnp.int32) -> Function:
    """The same of whole numbers."""
    return lambda x: fn(pairs(capped(x).astype(kind))).max(1).astype(x.dtype)


MONOTONE = (
    Aimed("tanh", of_pairs(jnp.tanh), tight=True), Aimed("exp", of_pairs(jnp.exp), tight=True),
    Aimed("three times", of_pairs(lambda x: 3 * x + 1)), Aimed("relu", of_pairs(jax.nn.relu), tight=True),
    *(Aimed(name, of_pairs(fn)) for name, fn in {
        "tan": jnp.tan, "log": jnp.log, "sqrt": jnp.sqrt, "arcsin": jnp.arcsin, "log1p": jnp.log1p, "arccosh": jnp.arccosh,
        "arctanh": jnp.arctanh, "erf_inv": lax.erf_inv, "reciprocal": lambda x: 1 / x, "minus": lambda x: -x,
        "times -2": lambda x: -2 * x, "over -2": lambda x: x / -2, "from 1": lambda x: 1 - x, "square": jnp.square, "cosh": jnp.cosh,
        "rsqrt": lax.rsqrt, "1 over log": lambda x: 1 / jnp.log(jnp.abs(x) + 2), "log of relu": lambda x: jnp.log(jax.nn.relu(x)),
        "log of a clip": lambda x: jnp.log(jnp.clip(x, -1, 2)), "lgamma": lax.lgamma, "digamma": lax.digamma, "modulo": lambda x: x % 3,
        "fmod": lambda x: jnp.fmod(x, 3.0), "times 0": lambda x: x * 0, "0 over": lambda x: 0 / x,
        "clamped backwards": lambda x: lax.clamp(jnp.asarray(1.0, x.dtype), x, jnp.asarray(-1.0, x.dtype)),
        "power 0.5": lambda x: jnp.power(x, 0.5), "cube": lambda x: x**3, "exp - 1 over": lambda x: jnp.expm1(x) / x,
        "log of a sum": lambda x: jnp.log(x + 3), "nextafter": lambda x: jnp.nextafter(x, 0.0 * x), "floor": jnp.floor,
        "round of a log": lambda x: jnp.round(jnp.log(x)),
        "minimum with a number": lambda x: jnp.minimum(x, 0.5),
        "NaN to number of a log": lambda x: jnp.nan_to_num(jnp.log(x)), "sinh over": lambda x: jnp.sinh(1 / x),
        "where": lambda x: jnp.where(x > 1, -x, x), "erf": lax.erf, "signed log": lambda x: jnp.sign(x) * jnp.log(jnp.abs(x)),
        "atan of tan": lambda x: jnp.arctan(jnp.tan(x)), "logit": jax.scipy.special.logit, "cbrt": jnp.cbrt,
    }.items()),
    *(Aimed(f"to {np.dtype(kind).name}", through(kind)) for kind in (bool, jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.int32, jnp.uint32, jnp.float16)),
    *(Aimed(f"whole numbers {name}", of_integers(fn)) for name, fn in {
        "times 2²⁴": lambda i: i * INT(2**24), "plus 2³¹ − 3": lambda i: i + INT(2**31 - 3), "to uint8": lambda i: i.astype(jnp.uint8),
        "to int8": lambda i: i.astype(jnp.int8), "to bool": lambda i: i.astype(bool), "times −1": lambda i: -i, "shifted left": lambda i: i << 28,
        "shifted right": lambda i: i >> 1, "squared": lambda i: i * i, "over −2": lambda i: lax.div(i, INT(-2)), "to the power 3": lambda i: i**3,
        "complemented": lambda i: ~i, "remainder": lambda i: i % 3, "and 3": lambda i: i & 3, "subtracted": lambda i: INT(-(2**31) + 2) - i,
        "over 0": lambda i: lax.div(i, INT(0)), "to int16": lambda i: i.astype(jnp.int16), "abs": abs, "sign": lambda i: jnp.sign(i),
    }.items()),
    *(Aimed(f"bytes {name}", of_integers(fn, jnp.uint8)) for name, fn in {
        "minus 1": lambda i: i - jnp.uint8(1), "times 3": lambda i: i * jnp.uint8(3), "to int8": lambda i: i.astype(jnp.int8), "plus 200": lambda i: i + jnp.uint8(200),
    }.items()),
    Aimed("a maximum of pairs of bytes, to int8, twice", lambda x: pairs(pairs(capped(x)).astype(jnp.int8)).astype(x.dtype)),
    Aimed("a minimum of pairs of a log", lambda x: jnp.min(jnp.log(pairs(x)), 1)),
    Aimed("a maximum of conversions of a joint maximum", lambda x: jnp.maximum(x, jnp.roll(x, 1, 1)).astype(jnp.int8).astype(x.dtype)[:, ::2].max(1)),
)  # fmt: skip


def whole(fn: Function) -> Function:
    """A function of whole numbers."""
    return lambda x: fn(capped(x)).astype(x.dtype)


two = INT(2)
INTEGERS = (
    Aimed("pairs halved, then added", whole(lambda i: lax.div(i[:, ::2] + i[:, 1::2], two).sum(1))),
    Aimed("averages of pairs, floored", whole(lambda i: ((i[:, ::2] + i[:, 1::2]) // 2).sum(1))),
    Aimed("halved and doubled", whole(lambda i: lax.div(i, two) * two + jnp.roll(i, 1, 1)), tight=True),
    Aimed("halved and doubled, beside its neighbour", whole(lambda i: lax.div(i, two) * two - jnp.roll(i, 1, 1))),
    Aimed("both neighbours halved apart", whole(lambda i: lax.div(jnp.roll(i, 1, 1), two) + lax.div(jnp.roll(i, -1, 1) + 1, two))),
    Aimed("a window sum of halves", lambda x: lax.reduce_window(lax.div(capped(x), two), INT(0), lax.add, (1, 2, 1), (1, 2, 1), "VALID").sum(1).astype(x.dtype)),
    Aimed("halves of a window sum", lambda x: lax.div(lax.reduce_window(capped(x), INT(0), lax.add, (1, 2, 1), (1, 2, 1), "VALID"), two).sum(1).astype(x.dtype)),
    Aimed("halves of a matrix of pairs", lambda x: lax.div(jnp.einsum("nm,bmc->bnc", jnp.repeat(jnp.eye(4, dtype=int), 2, 1).astype(jnp.int32), capped(x)), two).sum(1).astype(x.dtype)),
    Aimed("sums of bytes", lambda x: (capped(x)[:, ::2].astype(jnp.uint8) + capped(x)[:, 1::2].astype(jnp.uint8)).astype(x.dtype).sum(1)),
    Aimed("sums of booleans", lambda x: ((x > 0)[:, ::2] | (x > 0)[:, 1::2]).sum(1).astype(x.dtype)),
    Aimed("booleans added", lambda x: ((x > 0)[:, ::2] + (x > 0)[:, 1::2]).sum(1).astype(x.dtype)),
    Aimed("xor of pairs", whole(lambda i: (i[:, ::2] ^ i[:, 1::2]).sum(1))),
    Aimed("a right shift of sums of pairs", whole(lambda i: ((i[:, ::2] + i[:, 1::2]) >> 1).sum(1))),
    Aimed("remainders of sums of pairs", whole(lambda i: ((i[:, ::2] + i[:, 1::2]) % 3).sum(1))),
    Aimed("a mean of whole numbers, over all", whole(lambda i: lax.div(i.sum(1).astype(jnp.int32), INT(8))), tight=True),
    Aimed("sums of pairs as float16", lambda x: (x[:, ::2] + x[:, 1::2]).astype(jnp.float16).astype(x.dtype).sum(1)),
    Aimed("sums of pairs as int32", lambda x: (x[:, ::2] + x[:, 1::2]).astype(jnp.int32).astype(x.dtype).sum(1)),
    Aimed("its neighbour as float16", lambda x: x + jnp.roll(x, 1, 1).astype(jnp.float16).astype(x.dtype)),
    Aimed("its neighbour as float32", lambda x: x - jnp.roll(x, 2, 1) + (jnp.roll(x, 1, 1).astype(jnp.float32).astype(x.dtype) - jnp.roll(x, 1, 1)) * 1e8),
    Aimed("what float32 loses", lambda x: jnp.tanh(1e7 * (x - x.astype(jnp.float32).astype(x.dtype))) , tight=True),
    Aimed("pairs, the second as float16", lambda x: (x[:, ::2] + x[:, 1::2].astype(jnp.float16).astype(x.dtype)).sum(1)),
    Aimed("pairs, the larger, the second as float16", lambda x: jnp.maximum(x[:, ::2], x[:, 1::2].astype(jnp.float16).astype(x.dtype)).sum(1)),
    Aimed("halves and doubles of small floats", lambda x: (x[:, ::2] * 1e-300) * 1e-300 * 1e300 * 1e300 + x[:, 1::2]),
    Aimed("a factor that overflows", lambda x: ((x * 1e300) * 1e300)[:, ::2] * 1e-300 * 1e-300 + x[:, 1::2]),
    Aimed("complex halves", lambda x: jnp.real(lax.complex(x, 0 * x)[:, ::2] * 1j + lax.complex(x, 0 * x)[:, 1::2])),
    Aimed("complex times i and back", lambda x: jnp.real((lax.complex(x, x) * 1j)[:, ::2] + lax.complex(x, x)[:, 1::2])),
)  # fmt: skip


def steep(x: Any) -> Any:
    """Of which the order of magnitude shows."""
    return jnp.log(jnp.abs(x) + 1e-300)


def mixed_by(kernel: Any, n: int = 8) -> Function:
    """A circulant matrix along the line."""
    i = np.arange(n)
    row = np.zeros(n)
    row[: len(kernel)] = kernel
    matrix = row[(i[:, None] - i) % n]
    return lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(matrix, x.dtype), x)


def convolved(kernel: Any, stride: int = 1) -> Function:
    """A circular convolution with a given kernel."""

    def fn(x: Any) -> Any:
        w = jnp.asarray(kernel, x.dtype)[:, None, None]
        wide = jnp.pad(x, ((0, 0), ((len(kernel) - 1) // 2, len(kernel) // 2), (0, 0)), mode="wrap")
        return lax.conv_general_dilated(wide, w, (stride,), "VALID", dimension_numbers=("NHC", "HIO", "NHC"))

    return fn


def along(row: Any) -> Function:
    """Times a table."""
    return lambda x: by(x, jnp.asarray(row))


TINY = {
    "1e-8 and 2e-8": [1, 1e-8, 1, 2e-8] * 2, "1e-12 and 0": [1, 1e-12, 1, 0] * 2, "1 and 1 + 1e-9": [1, 1, 1, 1 + 1e-9] * 2,
    "1e-20 and −1e-20": [1, 1e-20, 1, -1e-20] * 2, "1e-200 and 3e-200": [1, 1e-200, 1, 3e-200] * 2, "1/3 and its float32": [1 / 3, float(np.float32(1 / 3))] * 4,
    "1e12 and 1e12 + 1": [1e12, 1e12 + 1] * 4, "0.1 and 0.1 + 1e-8": [0.1, 0.1 + 1e-8] * 4,
}  # fmt: skip
WEIGHTS = (
    *(Aimed(f"a table of {name}", lambda x, r=row: steep(by(x, jnp.asarray(r, x.dtype)))) for name, row in TINY.items() if "1 +" not in name and "+ 1" not in name and "float32" not in name),
    *(Aimed(f"differences by a table of {name}", lambda x, r=row: jnp.tanh(1e10 * (by(x, jnp.asarray(r, x.dtype)) - r[0] * x))) for name, row in TINY.items()),
    *(Aimed(f"a table of {name}, then a sum with its neighbour", lambda x, r=row: steep(by(x, jnp.asarray(r, x.dtype)) + jnp.roll(by(x, jnp.asarray(r, x.dtype)), 1, 1))) for name, row in TINY.items()),
    *(Aimed(f"{how.__name__} by {kernel}", lambda x, k=kernel, h=how: jnp.tanh(1e9 * (h(k)(x) - h([v if i == 1 else 0 for i, v in enumerate(k)])(x))))
      for kernel in ([9e-8, 1, 2e-8], [1e-9, 1, 3e-9], [1e-12, 1, 0], [1, 5, 1 + 1e-9], [1 / 3, 1, 0.33333334], [1, 2, -1], [1e-30, 1, 2e-30]) for how in (mixed_by, convolved)),
    Aimed("a matrix with entries of 9e-8", lambda x: jnp.tanh(1e8 * (jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(8) + 9e-8 * np.eye(8, k=1) * (np.arange(8) == 2)[:, None], x.dtype), x) - x))),
    Aimed("weights that cancel", lambda x: steep(x + 1e-9 * jnp.roll(x, 1, 1) - x)),
    Aimed("tables that cancel", lambda x: steep(by(x, jnp.asarray([1.0, 2] * 4)) - by(x, jnp.asarray([1.0, 1] * 4)))),
    Aimed("pairs with weights that differ by 1e-8", lambda x: jnp.tanh(1e9 * ((x[:, ::2] + (1 + 1e-8) * x[:, 1::2]) - (x[:, ::2] + x[:, 1::2])))),
    Aimed("pairs with a weight of 1e-9", lambda x: steep((x[:, ::2] + 1e-9 * x[:, 1::2]) - x[:, ::2])),
    Aimed("concatenated pieces of nearly one factor", lambda x: jnp.tanh(1e9 * (jnp.concatenate([x[:, :4], (1 + 1e-8) * x[:, 4:]], 1) - x))),
    Aimed("a Fourier filter with entries of 1e-9", lambda x: jnp.tanh(1e8 * (jnp.real(jnp.fft.ifft(jnp.fft.fft(x, axis=1) * jnp.asarray([1, 1 + 1e-7j, 1, 1, 1, 1, 1, 1], complex)[None, :, None], axis=1)) - x))),
    Aimed("equal weights, zero bias", lambda x: jnp.tanh(convolved([0.5, 0.5, 0.5])(x)), tight=True),
    Aimed("zero weights", lambda x: convolved([0.0, 0.0, 0.0])(x) + x), Aimed("one weight among zeros", lambda x: convolved([0.0, 0.0, 1.0])(x) + x),
    Aimed("symmetric weights", lambda x: jnp.tanh(convolved([0.5, 2.0, 0.5])(x)), tight=True),
    Aimed("opposite weights", lambda x: jnp.abs(convolved([-0.5, 0.0, 0.5])(x))), Aimed("weights of a bias table", lambda x: x + jnp.asarray([1.0, 1 + 1e-12] * 4, x.dtype)[None, :, None]),
    Aimed("a table of 2⁵³ and 2⁵³ + 1", lambda x: jnp.where((jnp.asarray([2**53, 2**53 + 1] * 4) % 2 == 0)[None, :, None], x, 2 * x)),
    Aimed("a comparison with 1e-9", lambda x: jnp.where(jnp.abs(x) * 0 > jnp.asarray([0, -1e-300] * 4, x.dtype)[None, :, None], x, 2 * x)),
)  # fmt: skip

SIGNS = [0.0, -0.0] * 4
ZEROS = (
    Aimed("an angle from a table of zeros", lambda x: jnp.arctan2(jnp.broadcast_to(jnp.asarray(SIGNS, x.dtype)[None, :, None], x.shape), -jnp.abs(x) - 1)),
    Aimed("a quotient by a table of zeros", lambda x: jnp.tanh(jnp.square(x) / jnp.asarray(SIGNS, x.dtype)[None, :, None])),
    Aimed("a copied sign", lambda x: jnp.copysign(x, jnp.broadcast_to(jnp.asarray(SIGNS, x.dtype)[None, :, None], x.shape))),
    Aimed("zeros of a constant product", lambda x: jnp.tanh(jnp.square(x) / (jnp.asarray([1.0, -1.0] * 4, x.dtype) * 0)[None, :, None])),
    Aimed("padded by 0 and −0", lambda x: jnp.tanh(1 / jnp.concatenate([jnp.zeros_like(x[:, :1]), jnp.abs(x), -jnp.zeros_like(x[:, :1])], 1)), eq.box(8)),
    Aimed("set to 0 and −0", lambda x: jnp.tanh(1 / jnp.abs(x).at[:, 0].set(0.0).at[:, 4].set(-0.0))),
    Aimed("times 0 and −0", lambda x: jnp.tanh(1 / by(jnp.abs(x), jnp.asarray(SIGNS)))),
    Aimed("sums with 0 and −0", lambda x: jnp.tanh(1 / (-jnp.abs(x) * 0 + jnp.asarray(SIGNS, x.dtype)[None, :, None]))),
    Aimed("the bits of zeros", lambda x: by(x, lax.bitcast_convert_type(jnp.asarray(SIGNS, jnp.float32), jnp.int32) >> 30)),
    Aimed("branches at zeros", lambda x: jnp.where(jnp.signbit(jnp.asarray(SIGNS, x.dtype))[None, :, None], x, 2 * x)),
    Aimed("NaN in a table", lambda x: jnp.nan_to_num(x * jnp.asarray([np.nan, 1.0] * 4, x.dtype)[None, :, None])),
    Aimed("complex zeros", lambda x: jnp.angle(lax.complex(-jnp.abs(x) - 1, 0 * x) + jnp.asarray([0j, complex(0, -0.0)] * 4)[None, :, None])),
)  # fmt: skip

REDUCERS = (
    *(Aimed(f"windows by {name}", window(fn), domain) for domain in (eq.box(8), eq.torus(8)) for name, fn in {
        "b + b": lambda a, b: b + b, "a + a": lambda a, b: a + a, "b": lambda a, b: b, "a": lambda a, b: a, "a − b": lambda a, b: a - b, "a + 2b": lambda a, b: a + 2 * b,
        "max(b, b)": lambda a, b: lax.max(b, b), "a + 1": lambda a, b: a + 1.0, "max(a, 0)": lambda a, b: lax.max(a, 0.0 * b), "2ab": lambda a, b: 2 * a * b,
        "min(a, max)": lambda a, b: lax.min(a, lax.max(a, b)), "|a + b|": lambda a, b: abs(a + b)}.items()),
    Aimed("windows by a + b", lambda x: window(lambda a, b: a + b, pad=(0, 0))(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")), tight=True),
    Aimed("windows by b + a", lambda x: window(lambda a, b: b + a, pad=(0, 0))(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")), tight=True),
    Aimed("windows from 5", window(lax.add, 5.0), eq.box(8), tight=True), Aimed("windows of maxima from 0", window(lax.max, 0.0), eq.box(8), tight=True),
    Aimed("one window of all, a − b", lambda x: lax.reduce_window(x, np.asarray(0.0, x.dtype)[()], lambda a, b: a - b, (1, 8, 1), (1, 8, 1), "VALID")),
    *(Aimed(f"a reduction by {name}", lambda x, f=fn: lax.reduce(x, np.asarray(0.0, x.dtype)[()], f, (1,))) for name, fn in {
        "b": lambda a, b: b, "a": lambda a, b: a, "b + b": lambda a, b: b + b, "a − b": lambda a, b: a - b, "a + b": lambda a, b: a + b}.items()),
    Aimed("a scan by an associative b", lambda x: lax.associative_scan(lambda a, b: b, x, axis=1)),
    Aimed("a scan by an associative a", lambda x: lax.associative_scan(lambda a, b: a, x, axis=1)),
    Aimed("running sums and back", lambda x: jnp.diff(jnp.cumsum(jnp.pad(x, ((0, 0), (1, 0), (0, 0))), 1), axis=1)),
    Aimed("two maxima at once", lambda x: lax.reduce_window((x, jnp.zeros_like(x)), (np.asarray(-np.inf, x.dtype)[()], np.asarray(0, x.dtype)[()]),
          lambda a, b: (jnp.maximum(a[0], b[0]), jnp.maximum(a[1], b[1])), (1, 2, 1), (1, 2, 1), "VALID")[0]),
    Aimed("the gradient of a max pool", jax.grad(lambda x: jnp.sum(jnp.sin(pairs(x))))),
    Aimed("the gradient of overlapping maxima", jax.grad(lambda x: jnp.sum(jnp.sin(lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 3, 1), (1, 1, 1), "SAME"))))),
    Aimed("the gradient of a maximum", jax.grad(lambda x: jnp.sum(jnp.max(x, 1) ** 2))),
    Aimed("the gradient of a sort", jax.grad(lambda x: jnp.sum(jnp.sort(x, 1) * jnp.arange(8.0)[None, :, None].astype(x.dtype)))),
    Aimed("the first largest", lambda x: jax.nn.one_hot(jnp.argmax(x, 1), 8, axis=1, dtype=x.dtype)),
    Aimed("the largest place", lambda x: jnp.argmax(x, 1).astype(x.dtype)), Aimed("the order", lambda x: jnp.argsort(x, 1).astype(x.dtype)),
    Aimed("all sorted by another", lambda x: lax.sort((jnp.round(x), x), dimension=1, num_keys=1)[1]),
    Aimed("top 3", lambda x: jnp.moveaxis(lax.top_k(jnp.moveaxis(x, 1, 2), 3)[0], 2, 1).reshape(x.shape[0], -1), tight=True),
    Aimed("the median", lambda x: jnp.median(x, 1), tight=True), Aimed("places of top 3", lambda x: lax.top_k(jnp.moveaxis(x, 1, 2), 3)[1].reshape(x.shape[0], -1).astype(x.dtype)),
    Aimed("how many are the largest", lambda x: (x == jnp.max(x, 1, keepdims=True)).sum(1).astype(x.dtype), tight=True),
    Aimed("unique values", lambda x: jnp.unique(x[0], size=8)[None].repeat(x.shape[0], 0)[..., None]),
    Aimed("values at nonzero places", lambda x: x[0, jnp.nonzero(x[0, :, 0] > 0, size=3)[0]][None].repeat(x.shape[0], 0)),
)  # fmt: skip

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


def plane1(name: str, fn: Function, *, tight: bool = False, size: int = 32) -> Aimed:
    return Aimed(name, fn, P1, tight, size)


def plane2(name: str, fn: Function, *, tight: bool = False, size: int = 32) -> Aimed:
    return Aimed(name, fn, P2, tight, size)


def ramp(x: Any) -> Any:
    """The coordinate along the first axis."""
    return lax.broadcasted_iota(x.dtype, x.shape, 1)


PLANE = (
    plane2("the maximum of half", lambda x: half(x).max((1, 2))), plane2("the mean of half", lambda x: half(x).mean((1, 2))),
    plane2("the maximum of half, along both", lambda x: half(half(x), 2).max((1, 2))), plane2("quadrants", quadrants),
    plane2("a half by split", lambda x: jnp.split(x, 2, 1)[0].max((1, 2))), plane2("a half by take", lambda x: jnp.take(x, jnp.arange(x.shape[1] // 2), axis=1).mean((1, 2))),
    plane2("a half by a dynamic slice", lambda x: lax.dynamic_slice_in_dim(x, 0, x.shape[1] // 2, 1).sum((1, 2))),
    plane2("halves in a loop", lambda x: lax.fori_loop(0, 2, lambda i, c: c + (1 + i).astype(x.dtype) * lax.dynamic_slice_in_dim(x, i * (x.shape[1] // 2), x.shape[1] // 2, 1).max((1, 2)), jnp.zeros_like(x[:, 0, 0]))),
    plane2("a row repeated", lambda x: jnp.repeat(x[:, 16:17], x.shape[1], 1)), plane2("one node", lambda x: x[:, 16, 16]), plane2("a row's maximum", lambda x: x[:, 15].max(1)),
    plane2("a row by an index, many times", lambda x: x[:, jnp.full(x.shape[1], 16)]), plane2("the upper rows by a mask", lambda x: jnp.where(ramp(x) < 16, x, 0.0).max((1, 2))),
    plane2("a reshape to halves", lambda x: x.reshape(x.shape[0], 2, -1, *x.shape[2:]).max(2).sum((1, 2))), plane2("halves as channels", lambda x: jnp.concatenate(jnp.split(x, 2, 1), -1)),
    plane2("halves as channels, their maxima", lambda x: jnp.concatenate(jnp.split(x, 2, 1), -1).max((1, 2))),
    plane1("a half's maximum, of two halves", lambda x: half(x).max(1) + 2 * x[:, x.shape[1] // 2 :].max(1)), plane1("20 and 12", lambda x: jnp.concatenate([x[:, :20], 2 * x[:, 20:]], 1)),
    plane1("17 and 15, added", lambda x: jnp.concatenate([x[:, :17], x[:, 17:] + 1], 1)), plane1("20 and 12, of one factor", lambda x: jnp.concatenate([2 * x[:, :20], 2 * x[:, 20:]], 1), tight=True),
    plane1("20 and 12 exchanged", lambda x: jnp.concatenate([x[:, 20:], x[:, :20]], 1)), plane1("rolled by 2", lambda x: jnp.roll(x, 2, 1), tight=True), plane1("rolled by 12", lambda x: jnp.roll(x, 12, 1)),
    plane1("20 and 12 of a function", lambda x: jnp.concatenate([x[:, :20], jnp.tanh(x[:, 20:])], 1)), plane1("a mirror image after it", lambda x: jnp.concatenate([x, x[:, ::-1]], 1)),
    plane1("twice", lambda x: jnp.concatenate([x, x], 1)), plane1("thrice by wrapping", lambda x: jnp.pad(x, ((0, 0), (32, 32), (0, 0)), mode="wrap")), plane1("tiled", lambda x: jnp.tile(x, (1, 2, 1))),
    plane1("the mirror image around, far", lambda x: jnp.pad(x, ((0, 0), (31, 31), (0, 0)), mode="reflect")), plane1("by two indices", lambda x: x[:, jnp.concatenate([jnp.arange(20), jnp.arange(12)])]),
    plane1("backwards from the middle", lambda x: jnp.concatenate([x[:, :20], x[:, 20:][:, ::-1]], 1)), plane1("every other, then every node", lambda x: jnp.concatenate([x[:, :20:2], x[:, 20:]], 1)),
    plane1("an index with a jump", lambda x: x[:, jnp.asarray([*range(16), *range(17, 32)])]), plane1("an index with a repeat", lambda x: x[:, jnp.asarray([*range(16), *range(15, 31)])]),
    plane1("set in the middle", lambda x: x.at[:, 16].set(0.0)), plane1("a half set", lambda x: x.at[:, :16].set(0.0)), plane1("a half doubled", lambda x: x.at[:, :16].multiply(2.0)), plane1("a third updated", lambda x: lax.dynamic_update_slice_in_dim(x, x[:, :10] * 2, 11, 1)),
    plane1("set in the middle, then the maximum", lambda x: x.at[:, 16].set(5.0).max(1)), plane1("among zeros", lambda x: jnp.zeros((x.shape[0], 64, x.shape[2]), x.dtype).at[:, 16:48].set(x)),
    plane1("a half among zeros", lambda x: jnp.zeros_like(x).at[:, :16].set(x[:, 16:])), plane1("a table", lambda x: x * jnp.linspace(1, 2, 32).astype(x.dtype)[None, :, None]), plane1("a table that steps", lambda x: x * jnp.where(jnp.arange(32) < 16, 1.0, 2.0).astype(x.dtype)[None, :, None]),
    plane1("a table that steps late", lambda x: x * jnp.where(jnp.arange(32) < 23, 1.0, 2.0).astype(x.dtype)[None, :, None]), plane1("a period of 2", lambda x: x * jnp.tile(jnp.asarray([1.0, 2.0], x.dtype), 16)[None, :, None]),
    plane1("a bump of averages of ones", lambda x: x + jnp.convolve(jnp.ones(32), jnp.ones(17), mode="same").astype(x.dtype)[None, :, None]), plane1("the coordinate", lambda x: x + ramp(x)), plane1("the distance to the middle", lambda x: x + abs(ramp(x) - 15.5)),
    plane1("padded ones cut down", lambda x: x + jnp.pad(jnp.ones(8), 12).astype(x.dtype)[None, :, None]), plane1("a window sum of ones as wide as a half", lambda x: x * lax.reduce_window(jnp.ones(32), np.float32(0)[()], lax.add, (21,), (1,), "SAME").astype(x.dtype)[None, :, None]),
    plane1("running sums", lambda x: jnp.cumsum(x, 1)), plane1("a Fourier filter", lambda x: jnp.real(jnp.fft.ifft(jnp.fft.fft(x, axis=1) * jnp.arange(32).astype(complex)[None, :, None], axis=1))), plane1("a full matrix", lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.random.default_rng(0).standard_normal((32, 32)), x.dtype), x)),
    plane1("a matrix of two bands", lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.where(np.arange(32)[:, None] < 24, np.eye(32), 2 * np.eye(32)), x.dtype), x)), plane1("a banded matrix", lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(32) + 2 * np.eye(32, k=1), x.dtype), x), tight=True),
    plane1("a matrix with one other row", lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(32) + np.diag(np.arange(32) == 16), x.dtype), x)), plane1("a matrix with another row near a quarter", lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(np.eye(32) + np.diag(np.arange(32) == 9), x.dtype), x)),
    plane1("resized to a half and joined", lambda x: jnp.concatenate([jax.image.resize(x, (x.shape[0], 16, x.shape[2]), "linear")] * 2, 1)), plane1("the first pair doubled, in blocks of half", lambda x: (x.reshape(x.shape[0], 2, 16, x.shape[2]) * jnp.asarray([1.0, 2.0], x.dtype)[None, :, None, None]).reshape(x.shape)),
    plane1("attention within halves", lambda x: (lambda h: (jax.nn.softmax(jnp.einsum("bgnc,bgmc->bgnm", h, h), -1) @ h).reshape(x.shape))(x.reshape(x.shape[0], 2, 16, x.shape[2]))), plane1("rolled within halves", lambda x: jnp.roll(x.reshape(x.shape[0], 2, 16, x.shape[2]), 1, 2).reshape(x.shape)),
    plane1("halves exchanged by blocks", lambda x: x.reshape(x.shape[0], 2, 16, x.shape[2])[:, ::-1].reshape(x.shape)), plane1("halves interleaved", lambda x: jnp.swapaxes(x.reshape(x.shape[0], 2, 16, x.shape[2]), 1, 2).reshape(x.shape)), plane1("blocks of 8 pooled", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2]).max(2)),
    plane1("blocks of 8, the second", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2])[:, 1].max(1)), plane1("one of each block of 8", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2])[:, :, 1].max(1), tight=True), plane1("the first halves of blocks of 8", lambda x: x.reshape(x.shape[0], 4, 8, x.shape[2])[:, :, :4].max((1, 2))),
    plane1("a scan of blocks", lambda x: lax.scan(lambda h, row: (0.5 * h + row, None), jnp.zeros_like(x[:, 0]), jnp.moveaxis(x, 1, 0))[0]), plane1("two crops added", lambda x: x[:, :24] + x[:, 8:]), plane1("two crops multiplied, then the maximum", lambda x: (x[:, :24] * x[:, 8:]).max(1), tight=True),
    plane1("cropped to the middle, then the maximum", lambda x: x[:, 12:20].max(1)), plane1("cropped to the middle", lambda x: x[:, 12:20]), plane1("a pool over a half", lambda x: lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 16, 1), (1, 16, 1), "VALID").sum(1)),
    plane1("a pool of windows of half, the first", lambda x: lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, (1, 16, 1), (1, 16, 1), "VALID")[:, 0]), plane1("a convolution with a kernel of half, one output", lambda x: valid(x, np.arange(1.0, 33))[:, 0]), plane1("padded far on one side", lambda x: jnp.pad(x, ((0, 0), (32, 0), (0, 0))).reshape(x.shape[0], 2, 32, x.shape[2]).sum(1)),
    plane1("sorted", lambda x: jnp.sort(x, 1)), plane1("top 3", lambda x: lax.top_k(jnp.moveaxis(x, 1, 2), 3)[0].reshape(x.shape[0], -1)), plane1("compared with node 16", lambda x: jnp.where(x > x[:, 16:17], x, 0.0)), plane1("minus its last node", lambda x: x - x[:, -1:]), plane1("gated by a half's mean", lambda x: x * jnp.tanh(half(x).mean(1, keepdims=True))),
    plane1("argmax", lambda x: jnp.argmax(x, 1).astype(x.dtype)), plane1("a place chosen by data", lambda x: lax.dynamic_slice_in_dim(x, jnp.argmax(x[0, :, 0]), 1, 1)), plane1("centred on the largest", lambda x: jnp.roll(x, -jnp.argmax(x[0, :, 0]), 1)[:, :4].max(1)),
    # Right ones, which must keep their claims.
    plane2("the maximum", lambda x: x.max((1, 2)), tight=True), plane2("a strided pool's mean", lambda x: pool2(x).mean((1, 2)), tight=True), plane2("a bias, then the mean", lambda x: jnp.tanh(pool2(x) + 0.7).mean((1, 2)), tight=True), plane2("normalised over all", lambda x: (x - x.mean((1, 2), keepdims=True)) * lax.rsqrt(x.var((1, 2), keepdims=True) + 0.1), tight=True),
    plane1("valid windows", lambda x: jnp.tanh(valid(x)), tight=True), plane1("valid windows, a cropped shortcut", lambda x: x[:, 1:-1] + jnp.tanh(valid(x)), tight=True), plane1("down and up and a shortcut", lambda x: x + jnp.repeat(pool2(x), 2, 1), tight=True), plane1("valid windows, then the mean", lambda x: jnp.tanh(valid(x) + 1).mean(1), tight=True),
    plane1("padded by zeros", lambda x: jnp.tanh(valid(jnp.pad(x, ((0, 0), (1, 1), (0, 0))))), tight=True), plane1("padded by its edge", lambda x: valid(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")), tight=True), plane1("pixel shuffle", lambda x: jnp.tanh(x.reshape(x.shape[0], 16, 2 * x.shape[2])).reshape(x.shape), tight=True),
    plane1("linear twice as fine", lambda x: jax.image.resize(x, (x.shape[0], 64, x.shape[2]), "linear"), tight=True), plane1("attention of all nodes", lambda x: jax.nn.softmax(jnp.einsum("bnc,bmc->bnm", x, x), -1) @ x, tight=True), plane1("backwards", lambda x: x[:, ::-1], tight=True),
)  # fmt: skip
