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


@pytest.mark.parametrize("count", [8, 60])
def test_a_loop_of_sums_reads_each_node_by_few_taps(count, monkeypatch):
    """Four copies of the state in each step would be 4ⁿ taps; what a step reads twice with free weights is one."""
    lines = import_module("equinet.symmetry.lines")
    taps = []
    inner = lines._make
    monkeypatch.setattr(lines, "_make", lambda entries, *rest: taps.append(entries.shape[1]) or inner(entries, *rest))
    lines.join_lines.cache_clear()

    def step(_, x):
        wide = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="edge")
        return x + 0.1 * (wide[:, 2:] + wide[:, :-2] - 2 * x)

    found = eq.infer(lambda x: jax.lax.fori_loop(0, count, step, x), eq.box(8, 8), channels=1)
    assert str(found.strict) == "2mm at (7/2, 7/2) (order 4)"
    assert max(taps) < 200


def test_what_an_output_does_not_depend_on_is_not_told():
    """The ledger of one of several outputs, jit or not, has the operations that it depends on and no others."""
    ramp = np.arange(8.0, dtype=np.float32).reshape(1, 8, 1, 1)
    outputs = lambda x: {"mean": x.mean((1, 2)), "ramp": x * ramp, "twice": x * 2}  # noqa: E731
    for fn in (outputs, jax.jit(outputs)):
        found = {name: eq.infer(fn, eq.torus(8, 8), channels=1, output=name) for name in ("mean", "ramp", "twice")}
        assert [len(each.ledger) for each in found.values()] == [1, 1, 1]
        assert all(each.ledger[-1].strict == each.strict for each in found.values())
        assert "differ from node to node" in str(found["ramp"]) and "no row loses anything" in str(found["twice"])
    both = eq.infer(lambda x: outputs(x)["twice"] + outputs(x)["ramp"], eq.torus(8, 8), channels=1)
    assert "differ from node to node" in str(both)
