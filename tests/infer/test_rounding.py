"""What rounding can do is told from what is so."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import equinet as eq
from tests.infer.claims import equivariant, invariant
from tests.infer.oracle import EVERY_KIND, judge
from tests.infer.rounding import noise


def noise_of(fn, *numbers):
    with jax.enable_x64(True):
        return noise(fn, np.asarray(numbers, float)[None, :, None])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: jnp.floor(x * 2 + 0.5),
        lambda x: jnp.argmax(x, 1).astype(x.dtype),
        lambda x: (x == jnp.roll(x, 1, 1)).astype(x.dtype),
        lambda x: lax.while_loop(lambda s: s.max() > 1, lambda s: s / 2, x),
        lambda x: lax.scan(lambda c, w: (c + w * x, c), x, jnp.arange(3.0))[0],
        lambda x: jax.vmap(lambda r: lax.while_loop(lambda s: s.max() > 1, lambda s: s / 2, r))(x),
        lambda x: lax.cond(x[0, 0, 0] > 0, jnp.negative, jax.jit(jnp.abs), x),
    ],
)
def test_small_dyadic_numbers_are_exact(fn):
    assert not noise_of(fn, 1, -2, 0.5, 1).any()


def test_jumps_where_rounding_decides_are_uncertain():
    assert (noise_of(lambda x: jnp.floor(3 * (x / 3)), 1, 2, 5, 7) == 1).any()
    assert noise_of(lambda x: jnp.log(jnp.abs(jnp.sin(x) + 1 - 1 - jnp.sin(x))), 1, 2).max() > 1
    assert (noise_of(lambda x: jnp.floor(jnp.einsum("bnc,n->bc", x, jnp.asarray([0.3, 0.7]))), 1, 1) == 1).all()
    assert 0 < noise_of(jnp.sin, 1, 2, 3).max() < 1e-13
    assert noise_of(lambda x: 1e8 * (jnp.sin(x) - jnp.cos(x)), 1, 2).max() < 1e-5


@pytest.mark.thorough
def test_a_difference_by_rounding_refutes_nothing():
    def sums(x):
        return jnp.sign(jnp.sum(x / 3, 1) - jnp.sum(x[:, ::-1] / 3, 1))

    domain = eq.torus(7)
    assert not judge(sums, domain, claim=invariant(domain), kinds=EVERY_KIND, loosely=True).unsound
    assert judge(lambda x: jnp.sign(x[:, 0]), domain, claim=invariant(domain), kinds=EVERY_KIND).unsound


def test_a_choice_that_rounding_makes_refutes_nothing():
    """x c / c is x, and in floating point more than x at some nodes: no claim says at which."""
    factors = np.random.default_rng(0).normal(size=(1, 6, 1))

    def chosen(x, step=0.0):
        back = x * factors.astype(x.dtype) / factors.astype(x.dtype)
        return jnp.where(back > x + step * (jnp.arange(6, dtype=x.dtype)[None, :, None] - 2.5), back, 3 * x).mean(1)

    domain = eq.torus(6)
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 6, 1)))
        assert jnp.abs(chosen(x) - chosen(x[:, ::-1])).max() > 1e-2
    assert not judge(chosen, domain, channels=1, claim=invariant(domain)).unsound
    assert judge(lambda x: chosen(x, 0.3), domain, channels=1, claim=invariant(domain)).unsound


def test_there_is_one_zero():
    """The sign that a program gives a zero is no part of a claim, as rounding is none."""

    def angles(x):
        return jnp.arctan2(jnp.sort(x * jnp.roll(x, 1, 1), 1), -1)

    def of_one_zero(x):
        products = jnp.sort(x * jnp.roll(x, 1, 1), 1)
        return jnp.arctan2(jnp.where(products == 0, 0.0, products), -1)

    domain = eq.torus(6)
    groups = [eq.infer(fn, domain, channels=1).invariance for fn in (angles, of_one_zero)]
    assert groups == [domain.group] * 2
    assert not judge(of_one_zero, domain, channels=1, kinds=EVERY_KIND).unsound
    assert judge(angles, domain, channels=1, claim=invariant(domain), kinds=EVERY_KIND).unsound
    # So do compilers: −0 + 0.0 would be 0.
    assert np.signbit(jax.jit(lambda x: x + 0.0)(jnp.float32(-0.0)))


@pytest.mark.parametrize("kind", [jnp.float32, jnp.float16, jnp.bfloat16])
def test_rounding_is_that_of_the_type(kind):
    unit = float(jnp.finfo(kind).eps)
    assert unit < noise_of(lambda x: (x.astype(kind) / kind(3)).astype(x.dtype), 1, 5).max() < 50 * unit
    assert not noise_of(lambda x: (x.astype(kind) + kind(3)).astype(x.dtype), 1, 5).any()
    assert not noise_of(lambda x: (x / 4).astype(kind).astype(x.dtype), 1, 5).any()


def test_quiet_channels_and_infinities_count():
    domain = eq.torus(4)

    def quiet(x):
        table = jnp.asarray([1.0, 1.001, 1.0, 1.0], x.dtype)[None, :, None]
        return jnp.concatenate([1e8 * x, 1e-8 * x * table], -1)

    assert judge(quiet, domain, claim=equivariant(domain), loosely=True).unsound
    assert judge(lambda x: jnp.log(x.at[:, 0].multiply(-1)), domain, claim=equivariant(domain), loosely=True).unsound
    assert not judge(jnp.log, domain, claim=equivariant(domain), loosely=True).unsound
    assert judge(lambda x: lax.complex(x, jnp.cumsum(x, 1)), domain, claim=equivariant(domain), loosely=True).unsound


def test_what_is_rounded_of_a_complex_number_is_small_beside_the_number():
    """The real part of ±√2 i, from a Fourier transform, is what rounding left of 0."""
    found = noise_of(lambda x: jnp.fft.rfft(x, axis=1)[:, 1].real, -1, 0, -1, 0, -1, -1, -1, -1)
    assert 1e-17 < found.max() < 1e-14
