"""The table of primitives: each row's facts against the primitive itself, run on small arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.experimental import io_callback
from jax.extend.core import Primitive as Bound
from jax.extend.core import primitives

import equinet as eq
from equinet.infer.compat import Equation, Program, is_literal, trace
from equinet.infer.constants import as_reshaped
from equinet.infer.formulas import elements, totals
from equinet.infer.formulas.operands import LEAD
from equinet.infer.formulas.residues import conjugated, drawn, from_parts, negative, symbols
from equinet.infer.lazy import Lazy
from equinet.infer.primitives import PRIMITIVES, NoRule, Primitive, called, enter, neutral, operand
from equinet.infer.values import Chosen, Constant
from equinet.ops.linear import linear_p

Seen = tuple[Equation, list[np.ndarray]]
INFER = Path(eq.__file__).parent / "infer"
FLOATS = (np.random.default_rng(0).permutation(12).reshape(4, 3) / 16 + 0.1).astype(np.float32)
OTHER = FLOATS[::-1, ::-1] / 2
ROW = jnp.asarray([2, 0, 1])
TO_EVEN = {"rounding_method": lax.RoundingMethod.TO_NEAREST_EVEN}
PARAMETERS = {
    "integer_pow": {"y": 3},
    "reduce_precision": {"exponent_bits": 5, "mantissa_bits": 3},
    "round": TO_EVEN,
}
WINDOW = {"window_dimensions": (2, 1), "window_strides": (1, 1), "padding": "VALID"}


def windowed(body: Callable[..., Any], start: float) -> Callable[..., Any]:
    return lambda x, y: lax.reduce_window(x, start, body, **WINDOW)


def updated(by: str) -> Callable[..., Any]:
    return lambda x, y: getattr(x.at[:, jnp.asarray([2, 0])], by)(y[:, :2])


@jax.custom_vjp
def with_derivative(x):
    return jnp.tanh(x)


with_derivative.defvjp(lambda x: (jnp.tanh(x), x), lambda x, g: (g,))


@eq.declare(lambda field: field.pointwise("any"))
def declared(x):
    return jnp.tanh(x)


def selected(*, forward: bool):
    """The derivative of a pool, or its gradient."""

    def fn(x, y):
        pool = lambda z: lax.reduce_window(z, -np.inf, lax.max, (2, 1), (2, 1), "VALID")  # noqa: E731
        return jax.jvp(pool, (x,), (y,))[1] if forward else jax.vjp(pool, x)[1](y[:2])[0]

    return fn


# A function of two arrays `[4, 3]` that runs the primitive.
SAMPLES: dict[str, Callable[..., Any]] = {
    "add_any": lambda x, y: primitives.add_jaxvals_p.bind(x, y),
    "approx_top_k": lambda x, y: lax.approx_max_k(x, 2)[0],
    "argmax": lambda x, y: jnp.argmax(x, 1),
    "argmin": lambda x, y: jnp.argmin(x, 1),
    "bitcast_convert_type": lambda x, y: lax.bitcast_convert_type(x, jnp.int32),
    "broadcast_in_dim": lambda x, y: lax.broadcast_in_dim(x, (4, 2, 3), (0, 2)),
    "clamp": lambda x, y: lax.clamp(x[0, 0], x, y[0, 0]),
    "composite": lambda x, y: lax.composite(jnp.tanh, "one")(x),
    "concatenate": lambda x, y: lax.concatenate([x, y], 1),
    "cond": lambda x, y: lax.cond(x[0, 0] > 0, jnp.tanh, jnp.exp, x),
    "conj": lambda x, y: lax.conj(lax.complex(x, y)),
    "convert_element_type": lambda x, y: lax.convert_element_type(
        lax.broadcasted_iota(jnp.int32, (4, 3), 0), jnp.float32
    ),
    "conv_general_dilated": lambda x, y: lax.conv(x[None, None], y[None, None, :2, :2], (1, 1), "VALID"),
    "cumlogsumexp": lambda x, y: lax.cumlogsumexp(x, 1),
    "cummax": lambda x, y: lax.cummax(x, 1),
    "cummin": lambda x, y: lax.cummin(x, 1),
    "cumprod": lambda x, y: lax.cumprod(x, 1),
    "cumsum": lambda x, y: lax.cumsum(x, 1),
    "custom_jvp_call": lambda x, y: jax.nn.relu(x),
    "custom_vjp_call": lambda x, y: with_derivative(x),
    "debug_callback": lambda x, y: jax.debug.callback(lambda v: None, x),
    "debug_print": lambda x, y: jax.debug.print("{}", x),
    "declared": lambda x, y: declared(x),
    "device_put": lambda x, y: jax.device_put(x),
    "dot_general": lambda x, y: lax.dot_general(x, y, (((0,), (0,)), ((), ()))),
    "dynamic_slice": lambda x, y: lax.dynamic_slice(x, (1, 0), (2, 2)),
    "dynamic_update_slice": lambda x, y: lax.dynamic_update_slice(x, y[:2, :2], (1, 0)),
    "fft": lambda x, y: jnp.fft.fft(x, axis=1),
    "custom_linear_solve": lambda x, y: lax.custom_linear_solve(lambda v: 2 * v, x, lambda _, b: b / 2, symmetric=True),
    "gather": lambda x, y: x.at[:, ROW].get(mode="promise_in_bounds"),
    "io_callback": lambda x, y: io_callback(np.tanh, x, x),
    "jit": lambda x, y: jax.jit(jnp.add)(x, y),
    "name": lambda x, y: checkpoint_name(x, "one"),
    "optimization_barrier": lambda x, y: lax.optimization_barrier((x, y)),
    "pad": lambda x, y: lax.pad(x, y[0, 0], ((1, 1, 0), (0, 0, 1))),
    "reduce": lambda x, y: lax.reduce(x, np.float32(1), lambda a, b: a * b + 0 * a, (1,)),
    "reduce_and": lambda x, y: lax.reduce_and((16 * x).astype(int), (1,)),
    "reduce_max": lambda x, y: x.max(1),
    "reduce_min": lambda x, y: x.min(1),
    "reduce_or": lambda x, y: lax.reduce_or((16 * x).astype(int), (1,)),
    "reduce_prod": lambda x, y: x.prod(1),
    "reduce_sum": lambda x, y: x.sum(1),
    "reduce_window": windowed(lambda a, b: a * b, 1.0),
    "reduce_window_max": windowed(lax.max, -jnp.inf),
    "reduce_window_min": windowed(lax.min, jnp.inf),
    "reduce_window_sum": windowed(lax.add, 0.0),
    "reduce_xor": lambda x, y: lax.reduce_xor((16 * x).astype(int), (1,)),
    "remat2": lambda x, y: jax.checkpoint(jnp.add)(x, y),
    "reshape": lambda x, y: lax.reshape(x, (2, 6)),
    "rev": lambda x, y: lax.rev(x, (1,)),
    "rng_bit_generator": lambda x, y: lax.rng_bit_generator(jnp.zeros(4, jnp.uint32), (3,))[1],
    "rng_uniform": lambda x, y: lax.rng_uniform(0.0, 1.0, (3,)),
    "scan": lambda x, y: lax.scan(lambda c, row: (c, jnp.tanh(row)), 0.0, x)[1],
    "scatter": updated("set"),
    "scatter-add": updated("add"),
    "scatter-max": updated("max"),
    "scatter-min": updated("min"),
    "scatter-mul": updated("mul"),
    "scatter-sub": updated("subtract"),
    "select_and_gather_add": selected(forward=True),
    "select_and_scatter_add": selected(forward=False),
    "select_n": lambda x, y: lax.select_n(x > y, x, y),
    "slice": lambda x, y: lax.slice(x, (1, 0), (4, 2), (2, 1)),
    "sort": lambda x, y: lax.sort(x, dimension=1),
    "split": lambda x, y: lax.split(x, (1, 3), 0),
    "squeeze": lambda x, y: lax.squeeze(x[:, :1], (1,)),
    "stack": lambda x, y: jnp.stack([x, y], 1),
    "tile": lambda x, y: lax.tile(x, (2, 3)),
    "top_k": lambda x, y: lax.top_k(x, 2)[0],
    "transpose": lambda x, y: lax.transpose(x, (1, 0)),
    "unstack": lambda x, y: jnp.unstack(x, axis=1)[1],
    "while": lambda x, y: lax.while_loop(lambda c: c.sum() > 1, lambda c: c / 2, x),
}
ELSEWHERE = {
    "layout_constraint": "of compiled code",
    "linear_with_transposes": "equinet's own: tests/ops/test_transposes.py",
    **dict.fromkeys(("pvary", "psum", "psum_invariant", "pmax", "pmin", "all_gather"), "on several devices"),
    **dict.fromkeys(("ppermute", "axis_index", "shard_map", "sharding_constraint"), "on several devices"),
}
"""Rows without a sample here, each with its reason."""
FOUND = {p.name: p for p in vars(primitives).values() if isinstance(p, Bound)}


def equations(fn: Callable[..., Any], arguments: Sequence[Any]) -> Iterator[Seen]:
    """The equations of a function, outermost ones and inside calls, with their operands."""

    def run(program: Program, given: Sequence[Any]) -> Iterator[Seen]:
        known = dict(program.constants) | dict(zip(program.inputs, given, strict=True))
        for equation in program.equations:
            operands = [v.val if is_literal(v) else known[v] for v in equation.inputs]
            yield equation, [np.asarray(one) for one in operands]
            inner = called(equation)
            if inner is not None:
                yield from run(inner, operands[len(operands) - len(inner.inputs) :])
            known.update(zip(equation.outputs, equation.run(operands), strict=True))

    yield from run(trace(fn, arguments)[0], arguments)


def candidates(name: str, first: Any = jnp.float32) -> Iterator[Callable[..., Any]]:
    """The primitive of some arrays, of several types, and with several parameters."""
    kinds = sorted(((jnp.float32, 1), (jnp.int32, 16), (jnp.complex64, 1)), key=lambda one: one[0] != first)
    for kind, scale in kinds:
        for count in (1, 2, 3):
            for given in (PARAMETERS.get(name, {}), {"accuracy": None}):
                yield lambda x, y, c=count, k=kind, g=given, s=scale: FOUND[name].bind(
                    *((s * v).astype(k) for v in (x, y, (x + y) / 2)[:c]), **g
                )


@cache
def sample(name: str, kind: Any = jnp.float32) -> Seen:
    """An equation of a primitive, with operands."""
    arrays = [jnp.asarray(array, kind) for array in (FLOATS, OTHER)]
    for fn in [SAMPLES[name]] if name in SAMPLES else candidates(name, kind):
        try:
            # The last one: earlier ones prepare its operands.
            *_, found = (one for one in equations(fn, arrays) if one[0].name == name)
            run(*found)
        except (AssertionError, AttributeError, KeyError, NotImplementedError, TypeError, ValueError):
            if name in SAMPLES:
                raise
            continue
        return found
    raise LookupError(f"no arrays found that {name} takes: give it a sample")


def run(equation: Equation, operands: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(out) for out in equation.run([jnp.asarray(one) for one in operands])]


def relabelled(array: np.ndarray, kind: str) -> np.ndarray:
    """Other numbers for the same ones: of floats decreasing, and no linear map.

    Args:
        kind: of the operands' type.
    """
    if kind in "iu":
        return (3 * array + 5).astype(array.dtype)
    return 1j * array**3 - 1 if kind == "c" else -(array**3) - 1


def moves(row: Primitive, equation: Equation, operands: Sequence[np.ndarray]) -> bool:
    """Whether it commutes with every relabelling of the numbers: it sees where elements are, not what they are."""
    kind, before = operands[0].dtype.kind, run(equation, operands)
    given = [relabelled(one, kind) if one.dtype == operands[0].dtype else one for one in operands]
    pairs = list(zip(before, run(equation, given), strict=True))
    return bool(pairs) and all(a.dtype.kind != "b" and np.array_equal(relabelled(a, kind), b) for a, b in pairs)


def along(operand: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """The first entry along some axes, everywhere along them."""
    for axis in axes:
        operand = np.broadcast_to(np.take(operand, [0], axis), operand.shape)
    return operand


def varies_as_said(row: Primitive, equation: Equation, operands: Sequence[np.ndarray]) -> bool:
    """Whether no result varies along an axis that it is said not to, whichever axes the operands are uniform along."""
    assert row.varies is not None
    for axes in ((), (0,), (1,), (0, 1)):
        inside = [[a for a in axes if a < one.ndim] for one in operands]
        given = [along(one, some) for one, some in zip(operands, inside, strict=True)]
        constants = [
            Constant(one.shape, Lazy(lambda: None), tuple(i not in some and n > 1 for i, n in enumerate(one.shape)))
            for one, some in zip(given, inside, strict=True)
        ]
        for out in run(equation, given):
            flags = row.varies(equation, constants, out.shape)
            if any(not np.array_equal(out, along(out, [i]), equal_nan=True) for i, f in enumerate(flags) if not f):
                return False
    return True


def test_a_reshape_may_read_axes_in_another_order():
    reads = lambda x: lax.reshape(x, (3, 2, 2), (1, 0))  # noqa: E731
    equation, operands = next(equations(reads, [jnp.asarray(FLOATS)]))
    assert equation.order == (1, 0) and moves(PRIMITIVES["reshape"], equation, operands)
    assert not disproof(PRIMITIVES["reshape"], equation, operands)
    square = next(equations(lambda x: lax.reshape(x, (3, 1, 3), (1, 0)), [jnp.asarray(FLOATS[:3])]))
    assert varies_as_said(PRIMITIVES["reshape"], *square) and not disproof(PRIMITIVES["reshape"], *square)
    in_order = replace(square[0], eqn=square[0].eqn.replace(params=square[0].params | {"dimensions": None}))
    lies = replace(PRIMITIVES["reshape"], varies=lambda _, given, shape: as_reshaped(in_order, given, shape))
    assert not varies_as_said(lies, *square)


LAW: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b,
    "product": lambda a, b: a * b,
    "max": max,
    "min": min,
    "last": lambda a, b: b,
}


def combined(name: str, a: float, b: float, kind: Any) -> float:
    """What a primitive makes of two numbers."""
    one, two = jnp.full((4, 3), a, kind), jnp.full((4, 3), b, kind)
    if name.startswith("scatter") or name == "dynamic_update_slice":
        return SAMPLES[name](one, two)[1, 0].item()
    if name.startswith("reduce"):
        pair = jnp.concatenate([one[:1], two[:1]], 0)
        return (SAMPLES[name](pair, pair) if "window" in name else SAMPLES[name](pair.T, pair.T)).ravel()[0].item()
    return FOUND[name].bind(one, two)[0, 0].item()


def combines_as_said(row: Primitive, kind: Any) -> bool:
    """Whether it is that combination, and n ∘ x tells x."""
    assert row.combination is not None
    law, trace_free = LAW[row.combination], neutral(row.combination, kind)
    pairs = [(2, 3), (3, 2), (2, 2), (-1, 2)] if np.dtype(kind).kind != "b" else [(0, 1), (1, 0), (1, 1), (0, 0)]
    sign = -1 if row.combination == "difference" else 1
    return all(combined(row.name, a, b, kind) == law(a, b) for a, b in pairs) and all(
        combined(row.name, trace_free, b, kind) == sign * b for _, b in pairs
    )


RELATIONS: tuple[Callable[..., tuple[Any, Any]], ...] = (
    lambda names, values: (names, values),
    lambda names, values: (negative(names.T).T, -values),
    lambda names, values: (names[:, [1, 0, 2]], np.conj(values)),
)
COUNTS = (12, 100)
"""Cases of an operation's operands that are judged together; more if no two of fewer are alike."""


def pools(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """A few numbers of a type, with ties, extremes and opposites among them, and what stands for each as a formula."""
    if kind in "iu":
        return np.asarray([0, 1, 2, 5]), symbols("whole", (4,))[:, 0]
    reals = np.asarray([0.0, 1.0, 3.0, 0.5, np.inf])
    names = symbols("real", (5,))
    if kind == "c":
        reals, parts = np.asarray([2, -1, 1 + 2j, 3 - 1j]), symbols("parts", (6,))
        names = np.concatenate([parts[..., :2], from_parts(parts[..., 2:4], parts[..., 4:])], -1)
        reals, names = np.concatenate([reals, reals.conj()]), np.concatenate([names, conjugated(names)], -1)
    return np.concatenate([reals, -reals]), np.concatenate([names, negative(names)], -1)[:, 0]


def disproof(row: Primitive, equation: Equation, operands: Sequence[np.ndarray], *, of_complex: bool = False) -> str:
    """A disproof by some entries of a few cases, or of many.

    Raises:
        LookupError: if no two entries have one formula, or all have: then nothing is shown.
    """
    try:
        return disproof_by(COUNTS[0], row, equation, operands, of_complex)
    except LookupError:
        return disproof_by(COUNTS[1], row, equation, operands, of_complex)


def disproof_by(
    count: int, row: Primitive, equation: Equation, operands: Sequence[np.ndarray], of_complex: bool
) -> str:
    """Two entries of one formula that are not equal, or of conjugate ones that are not conjugates; empty if none are.

    Operands are filled with a few numbers, unknown ones to the formulas; indices and the like stay as they are.

    Raises:
        LookupError: if no two entries have one formula, or all have: then nothing is shown.
    """
    assert row.formula is not None
    rng = np.random.default_rng(0)
    kinds = [one.dtype.kind for one in operands]
    judged = [k in "fc" or not set(kinds) & set("fc") for k in kinds]
    drawn_ones: list[list[np.ndarray]] = []
    formulas: list[Any] = []
    for operand_, kind, is_judged in zip(operands, kinds, judged, strict=True):
        if not is_judged:
            drawn_ones.append([operand_] * count)
            formulas.append(Constant.of(operand_))
            continue
        numbers, names = pools(kind)
        at = rng.integers(len(numbers), size=(count, *operand_.shape))
        drawn_ones.append([*numbers[at].astype(operand_.dtype)])
        formulas.append(names[:, at])
    results = row.formula(equation, formulas)
    with np.errstate(all="ignore"):
        values = [run(equation, given) for given in zip(*drawn_ones, strict=True)]
    found = 0
    numbers, names = pools(next(k for k, j in zip(kinds, judged, strict=True) if j))
    for out, result in enumerate(results):
        entries = np.broadcast_to(result, (len(result), count, *result.shape[LEAD:])).reshape(len(result), -1).T
        actual = np.stack([each[out] for each in values]).ravel()
        if len(np.unique(actual.astype(complex))) > 1 and len(np.unique(entries, axis=0)) == 1:
            raise LookupError("all entries have one formula")
        found += len(entries) - len(np.unique(entries, axis=0))
        for relation in RELATIONS[: 3 if of_complex else 2 if actual.dtype.kind == "f" else 1]:
            # What an entry is said to be equal, opposite or conjugate to: another one, or an unknown number.
            said = [relation(entries, actual), relation(names.T, numbers)]
            for keys, related in said if actual.dtype.kind in "fc" else said[:1]:
                first = dict(zip(map(tuple, keys), related, strict=True))
                for key, value in zip(map(tuple, entries), actual, strict=True):
                    if not np.isclose(value, first.get(key, value), rtol=1e-4, atol=0, equal_nan=True):
                        return f"{value} and {first[key]} have one formula"
    if not found:
        raise LookupError("no two entries have one formula")
    return ""


def of(fact: Callable[[Primitive], Any]) -> list[str]:
    """The names of the rows that have a fact, and a sample."""
    return [row.name for row in PRIMITIVES.values() if fact(row) and row.name not in ELSEWHERE]


@pytest.mark.thorough
def test_every_row_has_a_sample_and_its_primitive_is_one_of_jax():
    assert set(ELSEWHERE) < set(PRIMITIVES)
    for row in PRIMITIVES.values():
        if row.name not in ELSEWHERE:
            equation, _ = sample(row.name)
            assert equation.name == row.name
    says_something = [row.rule or row.control or row.spectral or row.call for row in PRIMITIVES.values()]
    silent = {name for name, said in zip(PRIMITIVES, says_something, strict=True) if not said}
    assert silent == {row.name for row in PRIMITIVES.values() if not row.repeatable} | {"declared"}


@pytest.mark.thorough
def test_what_moves_commutes_with_every_relabelling_and_nothing_else_does():
    for name in of(lambda row: row.repeatable and not row.call):
        row, (equation, operands) = PRIMITIVES[name], sample(name)
        assert moves(row, equation, operands) == row.moves, name


def test_what_is_quiet_loses_no_element():
    for name in of(lambda row: row.quiet):
        equation, operands = sample(name)
        assert PRIMITIVES[name].moves
        outputs = np.concatenate([out.ravel() for out in run(equation, operands)])
        assert np.isin(np.concatenate([one.ravel() for one in operands]), outputs).all(), name
    for name in ("slice", "gather"):
        equation, operands = sample(name)
        assert not PRIMITIVES[name].quiet
        assert name == "gather" or not np.isin(operands[0], run(equation, operands)[0]).all()


def test_no_result_varies_along_an_axis_that_it_is_said_not_to():
    for name in of(lambda row: row.varies):
        assert varies_as_said(PRIMITIVES[name], *sample(name)), name


@pytest.mark.parametrize("kind", [np.float32, np.int32, np.bool_])
def test_combinations(kind):
    for name in of(lambda row: row.combination):
        row = PRIMITIVES[name]
        if kind != np.bool_ or row.combination in ("max", "min"):
            assert combines_as_said(row, kind), name


@pytest.mark.thorough
def test_entries_of_one_formula_are_equal():
    for name in of(lambda row: row.formula):
        assert not disproof(PRIMITIVES[name], *sample(name)), name


@pytest.mark.thorough
def test_formulas_of_complex_numbers_are_formulas_of_their_conjugates():
    """Where the row does not say so it is false of some functions: they are cut, or choose the upper half."""
    named = of(lambda row: row.formula and (row.moves or row.of_complex))
    with drawn(0, conjugate=True):
        for name in named:
            kind = jnp.float32 if name in ("complex", "conj", "convert_element_type", "select_n") else jnp.complex64
            assert not disproof(PRIMITIVES[name], *sample(name, kind), of_complex=True), name
        for name in ("sqrt", "log", "rsqrt"):
            assert disproof(PRIMITIVES[name], *sample(name, jnp.complex64), of_complex=True), name


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("exp", elements.odd),
        ("exp", elements.even),
        ("sin", elements.even),
        ("tanh", elements.same),
        ("sub", elements.in_any_order),
        ("sub", elements.added),
        ("mul", lambda _, given: given[1:]),
        ("max", lambda _, given: given[:1]),
        ("le", elements.in_any_order),
        ("integer_pow", elements.even),
        ("argmax", totals.of_all),
        ("dynamic_update_slice", lambda _, given: given[:1]),
        ("transpose", lambda equation, given: [given[0].reshape(*given[0].shape[:LEAD], *equation.shapes[0])]),
        ("slice", lambda equation, given: [given[0][:, :, :2, :2]]),
    ],
)
def test_false_formulas_are_found(name, lie):
    assert disproof(replace(PRIMITIVES[name], formula=lie), *sample(name))


def test_calls_run_what_their_parameter_holds():
    for name in of(lambda row: row.call):
        equation, operands = sample(name)
        program = called(equation)
        assert program is not None
        inside = program.run(operands[len(operands) - len(program.inputs) :])
        for one, two in zip(inside, run(equation, operands), strict=True):
            np.testing.assert_array_equal(np.asarray(one), two)
    assert PRIMITIVES[linear_p.name].call == "call"


def test_channels_that_move_pass():
    mixing = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    for name in of(lambda row: row.fibres == "permuted"):
        equation, operands = sample(name)
        swapped = run(equation, [one[:, ::-1] for one in operands])
        assert all(np.array_equal(a[:, ::-1], b) for a, b in zip(run(equation, operands), swapped, strict=True)), name
    for name in of(lambda row: row.fibres == "together"):
        equation, operands = sample(name)
        before, after = run(equation, operands)[0], run(equation, [one @ mixing for one in operands])[0]
        apart = np.kron(np.eye(before.shape[1] // 3), mixing)
        np.testing.assert_allclose(before @ apart, after, rtol=1e-5, atol=1e-5)


def test_what_takes_phases_hands_them_on():
    for name in of(lambda row: row.takes_phases and row.rule):
        equation, operands = sample(name)
        assert all(np.array_equal(a, b) for a, b in zip(operands, run(equation, operands), strict=True)), name
    with pytest.raises(NoRule, match="it is applied to the phase that a polyphase layer chose"):
        operand(Chosen(None))  # pyright: ignore[reportArgumentType]


def test_what_is_summed_is_in_no_order():
    [name] = of(lambda row: row.summed)
    row, (equation, operands) = PRIMITIVES[name], sample(name)
    assert row.summed is not None
    shuffled = [np.flip(one, tuple(axes)) for one, axes in zip(operands, row.summed(equation), strict=True)]
    np.testing.assert_allclose(run(equation, shuffled)[0], run(equation, operands)[0], rtol=1e-5)
    others = [np.flip(one, 1) for one in operands]
    assert not np.allclose(run(equation, others)[0], run(equation, operands)[0])


def test_false_facts_are_found():
    """A row that says of one primitive what holds of another."""
    for fake, fact in (("tanh", "moves"), ("sort", "moves"), ("add", "moves"), ("reduce_max", "moves")):
        assert not moves(PRIMITIVES[fake], *sample(fake)), fact
    for fake, of_what in (("cumsum", "tanh"), ("sort", "transpose"), ("pad", "tanh"), ("rev", "transpose")):
        row, (equation, operands) = PRIMITIVES[of_what], sample(fake)
        lies = replace(row, varies=lambda equation, arguments, shape: (False,) * len(shape))
        assert not varies_as_said(lies, equation, operands)
    for name, lie in (("add", "max"), ("max", "min"), ("scatter-mul", "sum"), ("scatter-add", "last")):
        assert not combines_as_said(replace(PRIMITIVES[name], combination=lie), np.float32)  # pyright: ignore[reportArgumentType]


def test_a_primitive_has_one_row():
    with pytest.raises(ValueError, match="primitive tanh has a rule already"):
        enter(Primitive("tanh"))


def test_no_other_place_asks_for_a_primitive_by_its_name():
    """But the language's own file, and those that run programs: on arrays, residues, bands, weights."""
    asks = re.compile(r"\.name (==|!=|in|not in) |\.name\.\w+\(")
    found = {path.name for path in INFER.rglob("*.py") if asks.search(path.read_text())}
    on_residues = {"elements.py", "program.py", "totals.py"}
    on_bands, on_weights = (
        {"arithmetic.py", "movement.py", "run.py", "values.py", "windows.py"},
        {"arrays.py", "walk.py"},
    )
    assert found == {"compat.py", "evaluate.py", "primitives.py"} | on_residues | on_bands | on_weights
    assert {path.name for path in (INFER / "formulas").glob("*.py")} >= on_residues
    assert {path.name for path in (INFER / "bands").glob("*.py")} >= on_bands
    assert {path.name for path in (INFER / "weights").glob("*.py")} >= on_weights
