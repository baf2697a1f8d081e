"""Formulas of single elements, of one array or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.formulas.operands import Formula, Unfollowed, given, is_float, named, wide
from equinet.infer.formulas.residues import (
    UNSIGNED,
    Residues,
    aligned,
    as_terms,
    conjugated,
    even_function,
    from_parts,
    function,
    imaginary_part,
    inverted,
    negative,
    odd_function,
    of_terms,
    plus,
    power,
    real_part,
    symmetric_function,
    times,
)
from equinet.infer.values import Constant


def unknown(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    arrays = [given(a) for a in arguments]
    if equation.name in _OF_SIGNED_ZEROS and any(_has_zeros(a) for a in arrays):
        raise Unfollowed("a function that tells 0 from −0, of 0")
    return [wide(equation, function(named(equation), arrays))]


_OF_SIGNED_ZEROS = ("atan2", "nextafter", "pow", "rsqrt", "rem", "div")


def _has_zeros(array: Residues) -> bool:
    """Whether any formula is 0, whatever its sign."""
    return not array[:UNSIGNED].all()


def _inverse(array: Residues) -> Residues:
    """1 / x, of which nothing is known but its sign."""
    if _has_zeros(array):
        raise Unfollowed("a division by zero")
    return odd_function("inverse", array)


def same(_: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [given(a) for a in arguments]


def converted(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """The same number where the new type of floats has all numbers of the old one."""
    kinds = equation.inputs[0].aval.dtype, equation.params["new_dtype"]
    if jnp.issubdtype(kinds[0], jnp.inexact) and jnp.issubdtype(kinds[1], jnp.complexfloating):
        return same(equation, arguments)
    if jnp.issubdtype(kinds[0], jnp.complexfloating):
        return [real_part(given(arguments[0]))]
    if all(jnp.issubdtype(kind, jnp.floating) for kind in kinds):
        old, new = map(jnp.finfo, kinds)
        if old.nmant <= new.nmant and old.maxexp <= new.maxexp and old.minexp >= new.minexp:
            return same(equation, arguments)
    if all(jnp.issubdtype(kind, jnp.integer) for kind in kinds):
        return [as_integers(*kinds, given(arguments[0]))]
    return unknown(equation, arguments)


def as_integers(old: Any, new: Any, array: Residues) -> Residues:
    """Whole numbers of one type as those of another, where sums may wrap around later or earlier."""
    return function(f"{old} as {new}", [array])


def added(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    a, b = aligned([given(a, term=True) for a in arguments])
    return [wide(equation, plus(a, b))]


def difference(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    a, b = aligned([given(a, term=True) for a in arguments])
    return [wide(equation, plus(a, negative(b)))]


def product(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    a, b = aligned([given(a, factor=True) for a in arguments])
    return [wide(equation, times(a, b))]


def quotient(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """A product with an inverse, of which nothing is known but its sign where the denominator is no known number."""
    a, b = arguments
    if not is_float(equation):
        return unknown(equation, arguments)
    if isinstance(b, Constant):
        below = given(b)
        if _has_zeros(below):
            raise Unfollowed("a division by zero")
        below = inverted(below)
    else:
        below = _inverse(b)
    over, below = aligned([given(a, factor=True), below])
    return [wide(equation, times(over, below))]


def negated(_: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [negative(given(arguments[0]))]


def raised(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    exponent, base = equation.params.get("y", 2), given(arguments[0])
    if exponent < 1:
        return unknown(equation, arguments) if not exponent else [power(_inverse(base), -exponent)]
    return [power(base, exponent)]


def odd(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [odd_function(named(equation), given(arguments[0]))] if is_float(equation) else unknown(equation, arguments)


def even(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    if _is_complex(equation) and equation.name == "abs":
        z = given(arguments[0])
        return [function("magnitude", [times(z, conjugated(z))])]
    return [even_function(named(equation), given(arguments[0]))] if is_float(equation) else unknown(equation, arguments)


def in_any_order(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    a, b = (given(a) for a in arguments)
    return [wide(equation, symmetric_function(named(equation), a, b))]


def turned_around(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """`a > b` as `b < a`."""
    name = named(equation).replace(equation.name, {"gt": "lt", "ge": "le"}[equation.name], 1)
    return [wide(equation, function(name, [given(a) for a in arguments[::-1]]))]


def extreme(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """A maximum of two unknowns is a sum of terms; one with a known number a function of the other."""
    which = equation.name
    for constant, other in (arguments, arguments[::-1]):
        if isinstance(constant, Constant):
            if constant.scalar == (-np.inf if which == "max" else np.inf):
                return [wide(equation, given(other))]
            return in_any_order(equation, arguments)
    a, b = (as_terms(which, given(a)) for a in arguments)
    return [of_terms(which, a + b)]


def chosen(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    which, *cases = arguments
    wides = [wide(equation, given(case)) for case in cases]
    if not isinstance(which, Constant):
        return [wide(equation, function("chosen", [wide(equation, which), *wides]))]
    if which.array is None:
        raise Unfollowed("a choice by something unknown")
    result = wides[0]
    for at, case in enumerate(wides):
        result = np.where(which.array == at, case, result)
    return [result]


def _is_complex(equation: Equation) -> bool:
    return bool(jnp.issubdtype(equation.inputs[0].aval.dtype, jnp.complexfloating))


def real(_: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [real_part(given(arguments[0]))]


def imaginary(_: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [imaginary_part(given(arguments[0]))]


def conjugate(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    z = given(arguments[0])
    return [conjugated(z) if _is_complex(equation) else z]


def of_parts(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    a, b = aligned([given(a, term=True) for a in arguments])
    return [wide(equation, from_parts(a, b))]
