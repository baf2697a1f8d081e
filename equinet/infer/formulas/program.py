"""A program's output as formulas of its input, which residues stand for.

What does not depend on the input or on arbitrary parameters is a `Constant`, computed as it is. An operation that is
not followed ends it: `Unfollowed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.declare import declaration
from equinet.infer.compat import Equation, Program, each_turn, is_literal
from equinet.infer.constants import folded
from equinet.infer.formulas.operands import LEAD, Formula, IsComplex, Unfollowed, alike, given
from equinet.infer.formulas.residues import Residues, complex_symbols, function, has_conjugates, symbols
from equinet.infer.lazy import Lazy
from equinet.infer.primitives import called, row_of
from equinet.infer.values import Constant

_TURNS = 64
"""Turns of a loop that are followed, if it is not known before how many there are."""
_CALL = 1500
"""What an operation takes, however few numbers it makes: about 0.1 ms."""


def cost(program: Program, most: float) -> float:
    """About how long it takes for one case, in numbers that are added, of some nanoseconds each; infinite where it is
    more than `most`."""
    total = 0.0
    for equation in program.equations:
        inner, turns = called(equation), 1
        bodies = [] if inner is None else [inner]
        if equation.name == "scan":
            bodies, turns = [Program.of(equation.params["jaxpr"])], equation.params["length"]
        elif equation.name == "while":
            bodies, turns = [Program.of(equation.params["body_jaxpr"])], 8
        elif equation.name == "cond":
            bodies = [Program.of(branch) for branch in equation.params["branches"]]
        total += turns * sum(cost(body, most) for body in bodies)
        if not bodies:
            total += _CALL + _effort(equation)
        if total > most:
            return np.inf
    return total


def _effort(equation: Equation) -> float:
    """Of one operation: to multiply and add up takes a quarter, what is read for a maximum eight times as long."""
    numbers = sum(map(prod, equation.shapes))
    if equation.name == "dot_general":
        (axes, _), _ = equation.params["dimension_numbers"]
        return numbers * (2 + prod(equation.input_shape(0)[axis] for axis in axes) / 4)
    if equation.name == "fft":
        return numbers * (2 + sum(equation.params["fft_lengths"]) / 4)
    if equation.name == "conv_general_dilated":
        kernel = equation.input_shape(1)
        return numbers * (2 + prod(kernel) / kernel[equation.params["dimension_numbers"].rhs_spec[0]] / 4)
    if row_of(equation).combination in ("max", "min"):
        numbers = 8 * max(numbers, prod(equation.input_shape(0)))
    return numbers * (1 + prod(equation.params.get("window_dimensions", ())) / 4)


def has_products(program: Program) -> bool:
    """Whether there are convolutions or products of matrices, whose formulas take longest."""
    if any(equation.name in ("conv_general_dilated", "dot_general") for equation in program.equations):
        return True
    return any(has_products(inner) for inner in map(called, program.equations) if inner is not None)


def unknowns(name: str, shape: Sequence[int], kind: Any) -> Residues:
    """An array of independent unknowns of a type.

    Raises:
        IsComplex: if they are complex and there are no conjugates.
    """
    if not jnp.issubdtype(kind, jnp.complexfloating):
        return symbols(name, shape)
    if not has_conjugates():
        raise IsComplex
    return complex_symbols(name, shape)


def evaluated(
    program: Program, arguments: Sequence[Formula], generic: bool, known: Mapping[Any, object] | None = None
) -> list[Formula]:
    """The formulas of a program's outputs.

    Args:
        known: what is known of variables already; numbers are not computed again.

    Raises:
        Unfollowed: if an operation is not followed.
    """
    held: dict[Any, Formula] = {}
    for var, array in program.constants:
        arbitrary = generic and jnp.issubdtype(array.dtype, jnp.inexact)
        name = f"closed over {id(array)}"  # an inner program has others, and the same at each turn of a loop
        held[var] = unknowns(name, array.shape, array.dtype) if arbitrary else Constant.of(array)
    held.update(zip(program.inputs, arguments, strict=True))

    def read(var: Any) -> Formula:
        return Constant.of(np.asarray(var.val)) if is_literal(var) else held[var]

    def run(inner: Program, given: Sequence[Formula]) -> list[Formula]:
        return evaluated(inner, given, generic)

    for equation in program.equations:
        before = [found for found in map((known or {}).get, equation.outputs) if isinstance(found, Constant)]
        is_known = len(before) == len(equation.outputs) and all(found.lazy is not None for found in before)
        results = before if is_known else _step(equation, [read(var) for var in equation.inputs], run)
        held.update(zip(equation.outputs, results, strict=True))
    return [read(var) for var in program.outputs]


Run = Callable[[Program, Sequence[Formula]], list[Formula]]


def _step(equation: Equation, arguments: list[Formula], run: Run) -> Sequence[Formula]:
    inner, row = called(equation), row_of(equation)
    if inner is not None:
        return run(inner, arguments[len(arguments) - len(inner.inputs) :])
    known = [a for a in arguments if isinstance(a, Constant)]
    if not row.repeatable or declaration(equation.eqn) is not None:
        raise Unfollowed(equation.name)
    if len(known) == len(arguments):
        return folded(equation, known)
    if equation.is_collective:
        return arguments
    if equation.name in _CONTROL:
        return _CONTROL[equation.name](equation, arguments, run)
    kinds = [var.aval.dtype for var in (*equation.inputs, *equation.outputs)]
    if any(jnp.issubdtype(kind, jax.dtypes.extended) for kind in kinds):
        raise Unfollowed(f"{equation.name} of keys")
    if any(jnp.issubdtype(kind, jnp.complexfloating) for kind in kinds):
        if not has_conjugates():
            raise IsComplex
        if not (row.moves or row.of_complex):
            raise Unfollowed(f"{equation.name} of complex numbers")
    if row.formula is None:
        raise Unfollowed(equation.name)
    results = row.formula(equation, arguments)
    for result, shape in zip(results, equation.shapes, strict=True):
        assert result.shape[LEAD:] == shape, f"{equation.name}: {result.shape[LEAD:]} is not {shape}"
    return results


def _scan(equation: Equation, arguments: Sequence[Formula], run: Run) -> list[Formula]:
    if not equation.params["length"]:
        raise Unfollowed("a loop without turns")

    def row(atom: Formula, at: int) -> Formula:
        if isinstance(atom, Constant):
            return atom.mapped(lambda array: array[at], atom.shape[1:], atom.varies[1:])
        return atom[:, :, at]

    def stack(atoms: Sequence[Formula]) -> Formula:
        known = [a.lazy for a in atoms if isinstance(a, Constant) and a.lazy is not None]
        if len(known) == len(atoms):
            shape, rows = (len(known), *atoms[0].shape), Lazy(lambda *each: np.stack([*map(np.asarray, each)]), *known)
            return Constant(shape, rows, (True,) * len(shape))
        return np.stack(alike([given(a) for a in atoms]), LEAD)

    return each_turn(equation, arguments, run, row, stack)


def _while(equation: Equation, arguments: Sequence[Formula], run: Run) -> Sequence[Formula]:
    params = equation.params
    test, body = Program.of(params["cond_jaxpr"]), Program.of(params["body_jaxpr"])
    n, m = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    carry = arguments[m:]
    for _ in range(_TURNS):
        (going,) = run(test, [*arguments[:n], *carry])
        if not isinstance(going, Constant) or going.shape or going.array is None:
            break
        if not going.array.any():
            return carry
        carry = run(body, [*arguments[n:m], *carry])
    raise Unfollowed("a loop whose turns are not known")


def _cond(equation: Equation, arguments: Sequence[Formula], run: Run) -> Sequence[Formula]:
    which, *operands = arguments
    branches = [Program.of(branch) for branch in equation.params["branches"]]
    if isinstance(which, Constant):
        if which.array is None:
            raise Unfollowed("a branch by something unknown")
        return run(branches[int(np.clip(int(which.array.ravel()[0]), 0, len(branches) - 1))], operands)
    results = [[given(a) for a in run(branch, operands)] for branch in branches]
    found = []
    for cases in zip(*results, strict=True):
        wide = which.reshape(*which.shape, *(1,) * (cases[0].ndim - LEAD))
        found.append(function("branch", [wide, *cases]))
    return found


_CONTROL = {"scan": _scan, "while": _while, "cond": _cond}
