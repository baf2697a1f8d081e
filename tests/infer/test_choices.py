"""Adaptive layers choose for each example, and each mapped slice, apart: what mixes these knows no one shift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq

T8, ALL = eq.torus(8), eq.torus(8).group
POOL = eq.PolyphasePool(2)


def pooled(x):
    return POOL.apply({"params": {}, "state": {}}, x)


def by_channel(x):
    """Pooled channel by channel, each with a choice of its own."""
    return jax.vmap(lambda v: pooled(v[..., None])[..., 0], 2, 2)(x)


def mixing(x):
    return jnp.tanh(x @ jnp.ones((3, 2)))


MIXED = {
    "mapped channels": lambda x: mixing(by_channel(x)).sum(1),
    "softmax over examples": lambda x: (jax.nn.softmax(pooled(x), 0) ** 2).sum(1),
    "maximum over examples": lambda x: jnp.exp(pooled(x).max(0, keepdims=True)).sum(1),
    "sum over examples": lambda x: jnp.tanh(pooled(x).sum(0, keepdims=True)).sum(1),
    "examples against each other": lambda x: jnp.tanh(jnp.einsum("anc,bnc->abn", pooled(x), pooled(x))).sum(2),
    "examples reversed": lambda x: jnp.tanh(pooled(x) + pooled(x)[::-1]).sum(1),
}
APART = {
    "one choice": lambda x: mixing(pooled(x)).sum(1),
    "mapped channels, pooled, then mixed": lambda x: mixing(jnp.tanh(by_channel(x)).sum(1)),
    "examples, pooled, then mixed": lambda x: (
        jnp.tanh(pooled(x)).sum(1) - jnp.tanh(pooled(x)).sum(1).mean(0, keepdims=True)
    ),
    "two in a row": lambda x: jnp.tanh(pooled(jnp.tanh(pooled(x)))).sum(1),
    "mapped twice": lambda x: jnp.tanh(by_channel(jnp.tanh(by_channel(x)))).sum(1),
}


def error(fn, shift):
    """How far a shift moves the output, which has no nodes, over several batches."""
    x = np.random.default_rng(0).standard_normal((20, 2, 8, 3)).astype(np.float32)
    run = jax.jit(lambda batches: jax.lax.map(fn, batches))
    y, z = (np.asarray(run(batches)) for batches in (x, np.roll(x, shift, 2)))
    return np.abs(y - z).max()


@pytest.mark.thorough
@pytest.mark.parametrize("fn", MIXED.values(), ids=MIXED)
def test_what_mixes_choices_keeps_no_change_of_them(fn):
    kept = eq.infer(fn, T8, 3).invariance
    assert eq.Isometry.translation((1,)) not in kept
    assert error(fn, 1) > 1e-2
    if eq.Isometry.translation((2,)) in kept:
        assert error(fn, 2) < 1e-4


@pytest.mark.parametrize("fn", APART.values(), ids=APART)
def test_choices_that_stay_apart_keep_every_shift(fn):
    assert eq.infer(fn, T8, 3).invariance == ALL
    assert error(fn, 1) < 1e-4
