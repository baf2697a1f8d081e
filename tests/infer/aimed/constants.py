"""Tables that operations make of something uniform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq
from tests.infer.aimed.common import Aimed, Function, by, scalar


def table(made: Callable[[], Any]) -> Function:
    """Times a table."""
    return lambda x: by(x, made())


def matrix_table(made: Callable[[Any], Any]) -> Function:
    """Times a matrix made of a uniform one."""
    return lambda x: x * made(jnp.ones((4, 4), x.dtype)).astype(x.dtype)[None, :, :, None]


KEY = jax.random.key(0)
RANDOM = {
    "gamma": lambda: jax.random.gamma(KEY, 1.0, (8,)),
    "beta": lambda: jax.random.beta(KEY, 1.0, 2.0, (8,)),
    "poisson": lambda: jax.random.poisson(KEY, 3.0, (8,)),
    "dirichlet": lambda: jax.random.dirichlet(KEY, jnp.ones(8)),
    "t": lambda: jax.random.t(KEY, 2.0, (8,)),
    "categorical": lambda: jax.random.categorical(KEY, jnp.zeros((8, 4))),
    "permutation": lambda: jax.random.permutation(KEY, 8),
    "choice": lambda: jax.random.choice(KEY, 8, (8,)),
    "laplace": lambda: jax.random.laplace(KEY, (8,)),
    "loggamma": lambda: jax.random.loggamma(KEY, jnp.ones(8)),
    "binomial": lambda: jax.random.binomial(KEY, 9.0, 0.5, (8,)),
    "keys": lambda: jax.vmap(jax.random.normal)(jax.random.split(KEY, 8)),
    "folded keys": lambda: jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(KEY, i)))(jnp.arange(8)),
    "bits": lambda: jax.random.bits(KEY, (8,)) % 7,
    "bernoulli": lambda: jax.random.bernoulli(KEY, 0.5, (8,)),
    "cauchy": lambda: jax.random.cauchy(KEY, (8,)),
    "orthogonal": lambda: jax.random.orthogonal(KEY, 8)[0],
    "rng_bit_generator": lambda: lax.rng_bit_generator(jnp.arange(4, dtype=jnp.uint32), (8,))[1] % 7,
}
TABLES = {
    "top_k's places": lambda: lax.top_k(jnp.ones(8), 8)[1],
    "argsort": lambda: jnp.argsort(jnp.ones(8)),
    "sort of pairs": lambda: lax.sort((jnp.ones(8), jnp.arange(8.0)), num_keys=1)[1],
    "pure_callback": lambda: jax.pure_callback(
        lambda v: np.arange(8, dtype=np.float32), jax.ShapeDtypeStruct((8,), jnp.float32), jnp.zeros(8)
    ),
    "nonzero": lambda: jnp.nonzero(jnp.ones(8), size=8)[0],
    "cumsum": lambda: jnp.cumsum(jnp.ones(8)),
    "fft": lambda: jnp.real(jnp.fft.fft(jnp.ones(8))),
    "scan": lambda: lax.scan(lambda c, w: (c + w, c), 0.0, jnp.ones(8))[1],
    "associative scan": lambda: lax.associative_scan(jnp.add, jnp.ones(8)),
    "linspace": lambda: jnp.linspace(0, 1, 8),
    "map": lambda: lax.map(lambda i: i * 2, jnp.arange(8)),
    "while": lambda: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, jnp.cumsum(s[1])), (0, jnp.ones(8)))[1],
    "one-hot": lambda: jax.nn.one_hot(3, 8),
    "padded windows": lambda: lax.reduce_window(
        jnp.ones(8), np.asarray(0, np.float32)[()], lax.add, (3,), (1,), ((1, 1),)
    ),
    "convolve": lambda: jnp.convolve(jnp.ones(8), jnp.ones(3), mode="same"),
    "cummax": lambda: lax.cummax(jnp.arange(8)),
    "gradient of a pool": lambda: jax.grad(
        lambda z: lax.reduce_window(z, -jnp.inf, lax.max, (2,), (2,), "VALID").sum()
    )(jnp.ones(8)),
    "gather": lambda: jnp.arange(8.0)[jnp.asarray([0, 1, 2, 3, 4, 5, 6, 7])],
    "repeat": lambda: jnp.repeat(jnp.asarray([1.0, 2.0]), 4),
    "searchsorted": lambda: jnp.searchsorted(jnp.arange(8.0), jnp.arange(8.0)),
    "eye": lambda: jnp.eye(8)[3],
    "cond": lambda: lax.cond(jnp.asarray(True), lambda: jnp.arange(8.0), lambda: jnp.ones(8)),
    "running bits": lambda: jnp.cumprod(2 * jnp.ones(8)),
    "digits": lambda: (jnp.arange(8) >> 1) & 1,
}
MATRICES = {
    "lu": lambda a: lax.linalg.lu(a)[0],
    "eigh": lambda a: lax.linalg.eigh(a)[0],
    "qr": lambda a: jnp.linalg.qr(a)[0],
    "svd": lambda a: jnp.linalg.svd(a)[0],
    "cholesky": lambda a: jnp.nan_to_num(jnp.linalg.cholesky(a + jnp.eye(4, dtype=a.dtype))),
    "triangular": lambda a: jnp.tril(a),
    "expm": lambda a: jax.scipy.linalg.expm(jnp.triu(a)),
    "lu pivots": lambda a: lax.linalg.lu(a)[1].astype(a.dtype)[:, None] * a,
}
CONSTANTS = (
    *(Aimed(f"a table of random.{name}", table(made)) for name, made in RANDOM.items() if name != "bernoulli"),
    *(Aimed(f"a table by {name}", table(made)) for name, made in TABLES.items()),
    *(Aimed(f"a matrix by {name}", matrix_table(made), eq.torus(4, 4)) for name, made in MATRICES.items()),
    Aimed("a uniform table of random.gamma, one number", lambda x: scalar(x, jax.random.gamma(KEY, 1.0))),
    Aimed("a uniform table", lambda x: by(x, jnp.full(8, 2.0)), tight=True),
    Aimed("a uniform table, by arithmetic", lambda x: by(x, jnp.tanh(jnp.ones(8)) * 3 + 1), tight=True),
)
