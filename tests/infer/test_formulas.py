"""Formulas of whole programs: residues compute as numbers do, keep the laws that hold, and no others."""

from __future__ import annotations

import time
from functools import reduce
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import equinet as eq
from equinet.infer.compat import trace
from equinet.infer.formulas.operands import Unfollowed
from equinet.infer.formulas.program import cost, evaluated, unknowns
from equinet.infer.formulas.residues import PRIMES, ROWS, UNSIGNED, as_terms, drawn, numbers, of_terms, symbols
from equinet.infer.values import Constant

SHAPE = (2, 4, 6, 3)


def formula(fn, *shapes, like=None):
    """A function's formula of unknowns, or of given whole numbers."""
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    program, _ = trace(fn, given)
    inputs = [symbols(f"x{i}", shape) for i, shape in enumerate(shapes)] if like is None else [*map(in_rows, like)]
    made = evaluated(program, inputs, generic=False)[0]
    assert not isinstance(made, Constant)
    return made


def in_rows(x):
    """Whole numbers modulo the prime of each row."""
    return np.stack([x.astype(np.int64) % prime for prime in (*PRIMES, PRIMES[0])]).astype(np.uint64)[:, None]


def convolved(x, w, **options):
    return lax.conv_general_dilated(x, w, dimension_numbers=("NHWC", "HWIO", "NHWC"), **options)


INDEX = np.asarray([3, 0, 0, 2])
EXACT = {
    "sums": lambda x: x + 3 - 2 * x + x[:, ::-1],
    "a half": lambda x: (x * 4) / 2 - x * 0.5 * 2,
    "powers": lambda x: x**3 + jnp.square(x),
    "moves": lambda x: jnp.roll(x, (1, 2), (1, 2)).transpose(0, 2, 1, 3).reshape(2, 3, -1)[:, ::2, 1:9],
    "padding": lambda x: lax.pad(x, 5.0, ((0, 0, 0), (1, -1, 2), (-2, 3, 0), (0, 0, 1))),
    "places": lambda x: x[:, INDEX][:, :, INDEX] + lax.dynamic_slice_in_dim(x, 1, 1, 2),
    "scatters": lambda x: x.at[:, 1:3].set(x[:, :2]).at[:, :, 0].add(7).at[:, 3].multiply(x[:, 0]),
    "joints": lambda x: jnp.concatenate([x, jnp.tile(x, (1, 1, 2, 1))[:, :, 6:]], 1),
    "choices": lambda x: jnp.where(jnp.arange(6)[:, None] % 2 == 0, x, -x),
    "totals": lambda x: x.sum((1, 2)) * jnp.prod(x[:, :2, :2], (1, 2)),
    "scatters of several": lambda x: jax.vmap(lambda y: jax.ops.segment_sum(y, INDEX.astype(np.int32), 4))(x),
    "running": lambda x: jnp.cumsum(x, 1) + lax.cumsum(x, 2, reverse=True),
    "products": lambda x: jnp.einsum("bhwc,bhvc,wv->bhc", x, x, jnp.arange(36.0).reshape(6, 6)),
    "windows": lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2, 3, 1), (1, 2, 1, 1), "SAME"),
    "convolutions": lambda x: convolved(
        x,
        jnp.arange(54.0).reshape(3, 3, 1, 6),
        window_strides=(1, 2),
        padding=((2, 1), (0, 3)),
        lhs_dilation=(2, 1),
        rhs_dilation=(1, 2),
        feature_group_count=3,
    ),
    "loops": lambda x: lax.scan(lambda c, row: (c + row, c * 2), x[0], x)[1],
    "turns": lambda x: lax.fori_loop(0, 3, lambda i, c: c + i * x, x),
    "gradients": jax.grad(lambda x: jnp.sum((jnp.roll(x, 1, 1) - x) ** 4)),
}
"""Functions of whole numbers that give whole numbers."""


@pytest.mark.parametrize("fn", EXACT.values(), ids=EXACT)
def test_residues_of_whole_numbers_are_those_of_the_result(fn):
    x = np.random.default_rng(0).integers(-3, 4, SHAPE)
    with jax.enable_x64(True):
        want = in_rows(np.asarray(fn(jnp.asarray(x, jnp.float64))))
    got = formula(fn, SHAPE, like=[x])
    assert got.shape == want.shape
    for row in range(UNSIGNED):
        np.testing.assert_array_equal(got[row], want[row])


def filtered(x, factors):
    """With a factor for each frequency."""
    spectrum = jnp.fft.fft(x, axis=1)
    return jnp.real(jnp.fft.ifft(spectrum * jnp.asarray(factors, spectrum.dtype)[None, :, None, None], axis=1))


SPECTRAL = {
    "there and back": (lambda x: jnp.real(jnp.fft.ifft2(jnp.fft.fft2(x, axes=(1, 2)), axes=(1, 2))), lambda x: x),
    "by halves": (lambda x: jnp.fft.irfftn(jnp.fft.rfftn(x, axes=(1, 2)), (4, 6), axes=(1, 2)), lambda x: x),
    "by odd halves": (lambda x: jnp.fft.irfft(jnp.fft.rfft(x, axis=3), 3, axis=3), lambda x: x),
    "reversed": (lambda x: jnp.fft.fft(x, axis=1), lambda x: jnp.conj(jnp.fft.fft(x, axis=1))[:, -jnp.arange(4)]),
    "Parseval": (
        lambda x: (
            (jnp.abs(jnp.fft.fft(x, axis=1)) ** 2).sum(1)[..., None] * 0
            + jnp.real(jnp.fft.fft(x, axis=1) * jnp.conj(jnp.fft.fft(x, axis=1))).sum(1)[..., None]
        ),
        lambda x: 4 * (x**2).sum(1)[..., None],
    ),
    "parts": (
        lambda x: jnp.imag(1j * jnp.fft.fft(x, axis=2)) + jnp.real(lax.complex(x, 2 * x)),
        lambda x: jnp.real(jnp.fft.fft(x, axis=2)) + x,
    ),
    "a convolution": (
        lambda x: filtered(x, [3, 1, -1, 1]),
        lambda x: x + jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1),
    ),
}


@pytest.mark.parametrize("pair", SPECTRAL.values(), ids=SPECTRAL)
def test_transforms_are_what_they_are(pair):
    x = np.random.default_rng(0).standard_normal(SHAPE)
    with jax.enable_x64(True):
        first, second = (np.asarray(fn(jnp.asarray(x))) for fn in pair)
    np.testing.assert_allclose(first, second * np.ones_like(first), atol=1e-9)
    with drawn(0, conjugate=True):
        one, two = (formula(fn, SHAPE)[:UNSIGNED] for fn in pair)
    np.testing.assert_array_equal(one, two)
    with drawn(1, conjugate=True):
        assert (one != formula(pair[0], SHAPE)[:UNSIGNED]).mean() > 0.99


def test_the_imaginary_part_of_a_root_is_not_taken_for_nothing():
    roots = lambda x: jnp.imag(jnp.sqrt(lax.complex(x, 0 * x))) * jnp.arange(8.0)[None, :, None]  # noqa: E731
    assert eq.infer(roots, eq.torus(8), 1).strict.order == 1


def turned(x, k=1):
    return jnp.rot90(x, k, (1, 2))


SAME = {
    "a maximum in another order": (
        lambda a, b, c: jnp.maximum(jnp.maximum(a, b), c),
        lambda a, b, c: jnp.maximum(b, jnp.maximum(c, a)),
    ),
    "a sum in another order": (lambda a, b, c: (a + b) - c, lambda a, b, c: (b - c) + a),
    "an even function": (lambda a, b, c: jnp.cos(a - b), lambda a, b, c: jnp.cos(b - a)),
    "an odd function": (lambda a, b, c: jnp.sin(a - b) * c, lambda a, b, c: -jnp.sin(b - a) * c),
    "distributed": (lambda a, b, c: a * (b + c), lambda a, b, c: a * c + a * b),
    "sorted": (
        lambda a, b, c: jnp.sort(jnp.stack([a, b, c]), 0)[1],
        lambda a, b, c: jnp.sort(jnp.stack([c, a, b]), 0)[1],
    ),
    "compared": (lambda a, b, c: jnp.where(a > b, a, c), lambda a, b, c: jnp.where(b < a, a, c)),
    "a quotient": (lambda a, b, c: a / (b * c) * 3, lambda a, b, c: 3 * a / (c * b)),
    "in any order": (lambda a, b, c: jnp.stack([a, b, c]).min(0), lambda a, b, c: jnp.stack([c, b, a]).min(0)),
    "windows": (
        lambda a, b, c: lax.reduce_window(a, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME"),
        lambda a, b, c: turned(lax.reduce_window(turned(a), -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME"), -1),
    ),
    "read where the maximum is": (
        lambda a, b, c: jnp.take_along_axis(a, jnp.argmax(a, 1, keepdims=True), 1),
        lambda a, b, c: a[:, ::-1].max(1, keepdims=True),
    ),
    "read where the minimum is": (
        lambda a, b, c: jax.vmap(lambda x: x.ravel()[jnp.argmin(x)])(a),
        lambda a, b, c: a.min((1, 2, 3)),
    ),
    "read in its own row where the maximum is": (
        lambda a, b, c: a[:, 0, :, 0][jnp.arange(2), jnp.argmax(a[:, 0, :, 0], 1)],
        lambda a, b, c: a[:, 0, :, 0].max(1),
    ),
    "read in the order of its values": (
        lambda a, b, c: jnp.take_along_axis(a, jnp.argsort(a, 2), 2)[:, :, :2],
        lambda a, b, c: jnp.sort(a[:, :, ::-1], 2)[:, :, :2],
    ),
    "read where the largest are": (
        lambda a, b, c: jnp.take_along_axis(a, lax.top_k(a, 2)[1], 3),
        lambda a, b, c: lax.top_k(a[..., ::-1], 2)[0],
    ),
    "the largest of several updates": (
        lambda a, b, c: a.at[:, jnp.asarray([0, 0])].max(b[:, :2]),
        lambda a, b, c: a.at[:, jnp.asarray([0, 0])].max(b[:, 1::-1]),
    ),
}
OTHER = {
    "a function of the parts": (lambda a, b, c: jnp.exp(a + b), lambda a, b, c: jnp.exp(a) * jnp.exp(b)),
    "neither odd nor even": (lambda a, b, c: jnp.exp(a - b), lambda a, b, c: jnp.exp(b - a)),
    "a maximum of two and a third": (lambda a, b, c: jnp.maximum(a, b) + c, lambda a, b, c: jnp.maximum(a, c) + b),
    "a factor of a maximum": (lambda a, b, c: c * jnp.maximum(a, b), lambda a, b, c: jnp.maximum(c * a, c * b)),
    "a maximum and a minimum": (lambda a, b, c: jnp.maximum(a, b), lambda a, b, c: jnp.minimum(a, b)),
    "what cancels": (lambda a, b, c: (a + b) - b, lambda a, b, c: a),
    "infinities times 0": (lambda a, b, c: jnp.log(a) * 0 + b, lambda a, b, c: b),
    "−0": (lambda a, b, c: jnp.exp(a * -0.0), lambda a, b, c: jnp.exp(a * 0.0)),
    "the place of a tie": (
        lambda a, b, c: jnp.argmax(jnp.stack([a, b, c]), 0),
        lambda a, b, c: jnp.argmax(jnp.stack([b, a, c]), 0),
    ),
    "another array, where they tie": (
        lambda a, b, c: jnp.take_along_axis(b, jnp.argmax(a, 1, keepdims=True), 1),
        lambda a, b, c: jnp.take_along_axis(b[:, ::-1], jnp.argmax(a[:, ::-1], 1, keepdims=True), 1),
    ),
    "the maximum of another row": (
        lambda a, b, c: jnp.take_along_axis(a, jnp.argmax(a, 1, keepdims=True)[:, :, ::-1], 1),
        lambda a, b, c: a.max(1, keepdims=True),
    ),
    "what is next to the maximum": (
        lambda a, b, c: jnp.take_along_axis(a, jnp.argmax(a, 1, keepdims=True) - 1, 1),
        lambda a, b, c: a.max(1, keepdims=True),
    ),
    "the maximum where the minimum is": (
        lambda a, b, c: jnp.take_along_axis(a, jnp.argmin(a, 1, keepdims=True), 1),
        lambda a, b, c: a.max(1, keepdims=True),
    ),
    "whole numbers that wrap around": (
        lambda a, b, c: (a.astype(jnp.int8) + b.astype(jnp.int8)).astype(jnp.int32),
        lambda a, b, c: a.astype(jnp.int8).astype(jnp.int32) + b.astype(jnp.int8).astype(jnp.int32),
    ),
    "a choice": (lambda a, b, c: jnp.where(a > b, a, c), lambda a, b, c: jnp.where(b > a, a, c)),
    "nearly equal weights": (lambda a, b, c: a * 0.3 + b, lambda a, b, c: a * 0.30001 + b),
    "whole numbers": (lambda a, b, c: a.astype(int) // 2, lambda a, b, c: (a / 2).astype(int)),
}
"""Pairs of functions that are not the same, and are not taken for it."""


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_what_is_the_same_by_a_law_has_the_same_residues(pair):
    one, two = (formula(fn, *[(2, 4, 4, 3)] * 3) for fn in pair)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_what_is_not_the_same_has_other_residues(pair):
    one, two = (formula(fn, *[(2, 4, 4, 3)] * 3) for fn in pair)
    assert (one != two).any(0).all()


def test_terms_of_maxima_go_back():
    x = symbols("x", (1000,))
    np.testing.assert_array_equal(of_terms("max", as_terms("max", x)), x)
    assert (of_terms("max", as_terms("min", x)) != x).mean() > 0.99


@pytest.mark.parametrize("kind", [np.float32, np.int32, np.int64, np.uint8, bool])
def test_known_numbers_are_what_they_are(kind):
    given = np.asarray([0, 1, 3, 100], kind)
    np.testing.assert_array_equal(numbers(given)[0, 0], given.astype(np.uint64))
    for row, prime in enumerate(PRIMES):
        third = numbers(np.asarray([1 / 3], np.float32))[row, 0, 0]
        assert third * np.uint64(3) % np.uint64(prime) == 1


@pytest.mark.parametrize("row", range(UNSIGNED))
@pytest.mark.parametrize("of_floats", [True, False])
def test_known_numbers_that_are_equal_modulo_one_prime_are_not_equal(row, of_floats):
    prime = PRIMES[row]
    # m 2ᵉ ≡ a modulo the prime, and a float of single precision.
    pairs = ((a, e, a * pow(2, -e, prime) % prime) for a in range(1, 100) for e in range(8, 40))
    a, number = next((a, m << e) for a, e, m in pairs if m < 1 << 24 and m << e > prime)
    assert number % prime == a and float(np.float32(number)) == number
    table = np.full((1, 6, 1), a, np.float32 if of_floats else np.int64)
    table[0, 2] = number

    def scaled(x):
        return x * table.astype(x.dtype) if of_floats else x.astype(jnp.int64) * table

    with jax.enable_x64(True):
        assert eq.infer(scaled, eq.torus(6), 1).strict.order == 2  # that about the node
        x = np.asarray([1.0, 2, 3, 4, 5, 6]).reshape(1, 6, 1)
        assert np.ptp(scaled(jnp.asarray(np.roll(x, 1, 1))) - np.roll(scaled(jnp.asarray(x)), 1, 1)) > 1e6


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: lax.while_loop(lambda c: c.sum() > 1, lambda c: c / 2, x),
        lambda x: x[jnp.argmax(x[:, 0, 0, 0]), jnp.argmax(x[0, :, 0, 0])],
        lambda x: x.at[:, jnp.asarray([0, 0])].set(x[:, :2]),
        lambda x: x.at[:, jnp.asarray([0, 0])].multiply(x[:, :2]),
        lambda x: 1 / (x - x),
        lambda x: jnp.arctan2(x * 0, x),
        lambda x: lax.linalg.cholesky(x[..., :1] @ x[..., :1].swapaxes(-1, -2)),
    ],
)
def test_what_is_not_followed_ends_it(fn):
    with pytest.raises(Unfollowed):
        formula(fn, SHAPE)


OF_COMPLEX = {
    "magnitudes of waves": (lambda x: jnp.abs(jnp.fft.fft(x, axis=1)), "Z"),
    "a correlation": (lambda x: (x * jnp.conj(jnp.roll(x, 1, 1))).sum(1), "Z"),
    "its real part": (lambda x: (x * jnp.conj(jnp.roll(x, 1, 1))).sum(1).real, "Z ⋊ m"),
    "its imaginary part": (lambda x: (x * jnp.conj(jnp.roll(x, 1, 1))).sum(1).imag, "Z"),
    "its magnitude": (lambda x: jnp.abs((x * jnp.conj(jnp.roll(x, 1, 1))).sum(1)), "Z ⋊ m"),
    "real parts and imaginary parts": (lambda x: (x.real * jnp.roll(x, 1, 1).imag).sum(1), "Z"),
    "a product of neighbours": (lambda x: (x * jnp.roll(x, 1, 1)).sum(1), "Z ⋊ m"),
}


@pytest.mark.parametrize("name", OF_COMPLEX)
def test_complex_inputs_are_not_their_conjugates(name):
    fn, group = OF_COMPLEX[name]
    claim = eq.infer(fn, eq.torus(5), 1, dtype=jnp.complex64).invariance
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 5, 1)) + 1j * rng.normal(size=(2, 5, 1)), jnp.complex64)
    before, after = np.asarray(fn(x)), np.asarray(fn(x[:, ::-1]))
    flip = eq.Isometry(((-1,),), (4,))
    assert (flip in claim) == np.allclose(before, after, atol=1e-4)
    assert str(claim).startswith(f"{group} (")


@pytest.mark.parametrize("as_parameter", [True, False])
@pytest.mark.parametrize("kind", [jnp.float32, jnp.complex64])
def test_complex_parameters_are_not_their_conjugates(kind, as_parameter):
    """w x + w̄ y and w y + w̄ x are conjugates, so of one magnitude, where x and y are real."""
    weight = np.full((1, 1), 1 + 2j, np.complex64)

    def weighed(w, x):
        x = x.astype(w.dtype)
        return jnp.abs(w * x[:, 0] + jnp.conj(w) * x[:, 5])

    if as_parameter:
        claim = eq.infer(weighed, eq.torus(6), 1, dtype=kind, params=weight)
    else:
        claim = eq.infer(lambda x: weighed(jnp.asarray(weight), x), eq.torus(6), 1, dtype=kind, generic=True)
    assert (eq.Isometry(((-1,),), (5,)) in claim.invariance) == (kind == jnp.float32)


def least(x):
    """The least neighbour, which does not say on which side it is; a rule of one operation after another sees two."""
    return jnp.minimum(jnp.roll(x, 1, 1), jnp.roll(x, -1, 1))


def test_a_program_that_is_too_large_is_not_tried(monkeypatch):
    assert len(eq.infer(least, eq.torus(6), 1).strict.point_group) == 2
    monkeypatch.setattr(import_module("equinet.infer.whole"), "MOST", 10.0)
    assert len(eq.infer(least, eq.torus(6), 1).strict.point_group) == 1


def test_the_ledger_says_that_the_formula_shows_it():
    *_, row = eq.infer(least, eq.torus(6), 1).ledger
    assert (row.path, row.layer, row.lost) == (("output",), "the formula as a whole", "regains m")


@pytest.mark.parametrize(
    ("fn", "kept"),
    [
        (lambda x: x + jnp.roll(x, 4, 1), "4Z (index 4)"),
        (lambda x: x * jnp.roll(x, 4, 1), "4Z (index 4)"),
        (lambda x: x + 2 * jnp.roll(x, 4, 1), "trivial"),
        (lambda x: x - jnp.roll(x, 4, 1), "trivial"),
        (lambda x: x + jnp.roll(x, 3, 1), "trivial"),
    ],
)
def test_an_output_that_is_the_same_for_two_isometries(fn, kept):
    """Both are kept and move it; what tells them apart leaves it as it is."""
    made = eq.infer(fn, eq.torus(8), channels=1)
    assert str(made.invariance) == kept
    assert str(made.strict.lattice) == "Z"
    x = np.random.default_rng(0).standard_normal((2, 8, 1)).astype(np.float32)
    for shift in range(1, 8):
        still = np.allclose(fn(jnp.roll(x, shift, 1)), fn(jnp.asarray(x)), atol=1e-6)
        assert still == (eq.Isometry.translation((shift,)) in made.invariance)


@pytest.mark.parametrize("cast", [True, False])
def test_a_place_in_a_type_that_does_not_hold_it_is_another_place(cast):
    """299 is 43 in eight bits: what is read there is no maximum."""

    def narrow(v):
        at = jnp.argmax(v[:, 0]).astype(jnp.uint8) if cast else lax.argmax(v[:, 0], 0, jnp.uint8)
        return jnp.take(v, at, axis=0, mode="clip")

    assert str(eq.infer(jax.vmap(narrow), eq.torus(256), channels=1).strict) == "Z ⋊ m (index 1)"
    assert eq.infer(jax.vmap(narrow), eq.torus(300), channels=1).strict.is_trivial


@pytest.mark.parametrize(("units", "equal"), [(0, True), (4, True), (30, False), (200, False)])
def test_weights_that_differ_by_more_than_units_in_the_last_place_are_others(units, equal):
    other = 0.1
    for _ in range(units):
        other = float(np.nextafter(other, 1))
    with jax.enable_x64(True):
        weighed = lambda x: 0.1 * jnp.roll(x, 1, 1) + other * jnp.roll(x, -1, 1)  # noqa: E731
        found = eq.infer(lambda x: (weighed(x) > 0.1).astype(x.dtype), eq.torus(6), channels=1, dtype=jnp.float64)
    assert str(found.strict) == ("Z ⋊ m (index 1)" if equal else "Z (index 1)")


def highest(x, turns):
    """Each node moves towards the highest of its neighbours, so many times: the same from all sides."""

    def step(_, y):
        around = [jnp.roll(y, by, axis) for axis in (1, 2) for by in (1, -1)]
        return y + 0.1 * (reduce(jnp.maximum, around) - y)

    return lax.fori_loop(0, turns, step, x)


def test_no_turn_of_a_long_loop_is_forgotten():
    """What one of them breaks is lost."""
    for turns in (3, 100, 100_000):
        assert str(eq.infer(lambda x, n=turns: highest(x, n), eq.torus(6, 6), 1).strict) == "Z × Z ⋊ 4mm (p4m, index 1)"

    def uneven(x):
        factors = jnp.where(jnp.arange(100) == 99, 1.0, 0.0)
        turn = lambda y, factor: (highest(y, 1) + factor * jnp.roll(y, 1, 1), None)  # noqa: E731
        return lax.scan(turn, x, factors)[0]

    assert str(eq.infer(uneven, eq.torus(6, 6), 1).strict) == "Z × Z ⋊ m_y (pm, index 1)"


def convolution(size, inputs, outputs, groups=1):
    kernel = np.random.default_rng(0).normal(size=(size, size, inputs // groups, outputs)).astype(np.float32)
    names = ("NHWC", "HWIO", "NHWC")
    how = {"dimension_numbers": names, "feature_group_count": groups}
    return lambda x: lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **how)


@pytest.mark.parametrize(
    ("fn", "channels"),
    [
        (convolution(3, 1, 1), 1),
        (convolution(7, 1, 1), 1),
        (convolution(3, 8, 8), 8),
        (convolution(3, 8, 8, groups=8), 8),
        (lambda x: x @ jnp.eye(32), 32),
        (lambda x: jnp.maximum(x, 2 * x), 8),
        (lambda x: x.max((1, 2)), 8),
        (lambda x: sum(10 * [x], x), 8),
        (lambda x: lax.fori_loop(0, 100, lambda i, y: y + y[:, ::-1], x[:, :2, :2]), 1),
    ],
)
def test_the_cost_of_a_program_is_about_the_time_that_its_formula_takes(fn, channels):
    """In numbers of ten billionths of a second."""
    program, _ = trace(fn, [jax.ShapeDtypeStruct((2, 16, 16, channels), jnp.float32)])
    with drawn(0, conjugate=False):
        x = np.concatenate(2 * [unknowns("input", (2, 16, 16, channels), jnp.float32)], 1)
        times = []
        for _ in range(5):
            since = time.process_time()
            evaluated(program, [x], generic=False)
            times.append(time.process_time() - since)
    each = min(times) / (ROWS * 2 * cost(program, np.inf))
    assert 1e-9 < each < 1e-7


def product_of_bytes(a):
    return lax.dot_general(a, jnp.ones((1, 1), jnp.int8), (((2,), (0,)), ((), ())), preferred_element_type=jnp.int32)


def convolution_of_bytes(a):
    how = {"dimension_numbers": ("NHC", "HIO", "NHC"), "preferred_element_type": jnp.int32}
    return lax.conv_general_dilated(a, jnp.ones((1, 1, 1), jnp.int8), (1,), "VALID", **how)


@pytest.mark.parametrize("product", [product_of_bytes, convolution_of_bytes])
def test_sums_that_wrap_around_before_a_wider_product_are_others(product):
    """100 + 100 is −56 as a byte, and 200 as the sum of two products."""

    def fn(x):
        a = x.astype(jnp.int8)
        b = jnp.roll(a, 2, 1)
        return jnp.concatenate([product(a + b)[:, :2], (product(a) + product(b))[:, 2:]], 1)

    domain = eq.torus(4)
    found, x = eq.infer(fn, domain, channels=1), np.full((1, 4, 1), 100, np.float32)
    y = np.asarray(fn(x))
    assert sorted(y.ravel()) == [-56, -56, 200, 200]
    for g in found.strict.elements():
        moved = np.empty_like(y)
        moved[:, domain.index_map(found.action(g))] = y
        np.testing.assert_array_equal(fn(x), moved)  # g leaves x as it is
