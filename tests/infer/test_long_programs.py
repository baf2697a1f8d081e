"""The work of inference grows with a program's length, and not faster."""

from __future__ import annotations

from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.infer.compat import Equation
from equinet.infer.values import named

STENCILS = import_module("equinet.infer.stencils")


def steps(count, mirrored=False):
    """A sum of ever more arrays, now and then of a roll."""

    def fn(x):
        for i in range(count):
            x = x + jnp.tanh(x)
            if i % 10 == 0:
                x = x + jnp.roll(x, 1, 1) + (jnp.roll(x, -1, 1) if mirrored else 0.0)
        return x

    return fn


@pytest.mark.parametrize("mirrored", [False, True])
def test_work_grows_as_a_program_does(mirrored, monkeypatch):
    """Rolls along one axis lose quarter turns: each sum is asked whether a stencil has them still."""
    calls = []
    for name in ("_composed", "_moved"):
        inner = getattr(STENCILS, name)
        monkeypatch.setattr(STENCILS, name, lambda *given, inner=inner: calls.append(None) or inner(*given))
    counts = []
    for count in (40, 80, 160):
        calls.clear()
        assert len(eq.infer(steps(count, mirrored), eq.torus(6, 6), 1).strict.point_group) == 4
        counts.append(len(calls))
    once, twice = np.diff(counts)
    assert counts[0] > 0 and twice <= 2.2 * once


def test_each_sum_of_a_few_stems_is_a_stencil_of_them():
    """The limit on stems leaves what hand-written schemes need: of nine arrays, each moved its own way."""
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]

    def fn(x):
        return sum((jnp.roll(jnp.sin(x * (1.0 + i * i + j * j)), (i, j), (1, 2)) for i, j in around), 0 * x)

    assert len(eq.infer(fn, eq.torus(6, 6), 1).strict.point_group) == 8


@pytest.mark.parametrize("depth", [1500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_constants_many_operations_deep_are_computed_once(depth, monkeypatch):
    ran = []
    run = Equation.run
    monkeypatch.setattr(Equation, "run", lambda *given: ran.append(None) or run(*given))

    @jax.jit
    def made(c):
        for _ in range(depth // 2):
            c = c * 1.0 + 0.5
        return c

    table = np.asarray([0.0, 1, 2, 0, 1, 2], np.float32)[None, :, None]
    found = eq.infer(lambda x: x * made(jnp.asarray(table)), eq.torus(6), 1)
    assert str(found.strict) == "3Z (index 3)"
    assert depth <= len(ran) < depth + 20


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.complex64, np.int32, bool])
def test_rows_have_one_name_if_they_are_equal_to_the_last_bit(kind):
    rng = np.random.default_rng(0)
    numbers = rng.choice([0.0, -0.0, 1.0, np.nextafter(np.float32(1), 2), np.nan], (40, 2, 3))
    if np.dtype(kind).kind in "ib":
        numbers = np.nan_to_num(numbers)
    rows = numbers.astype(kind)
    names = named(rows)
    for one, row in zip(names, rows, strict=True):
        np.testing.assert_array_equal(names == one, [other.tobytes() == row.tobytes() for other in rows])


def test_a_row_may_be_as_wide_as_a_map():
    """They used to be sorted entry by entry: a mask of all windows took longer than the rest of a network."""
    rows = np.zeros((64, 1 << 16), np.float32)
    rows[::3, -1] = 1
    np.testing.assert_array_equal(named(rows) == named(rows)[0], rows[:, -1] == 1)
