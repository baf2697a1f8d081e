"""Rules of functions of single elements, of one array or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.constants import as_operands
from equinet.infer.digits import with_item
from equinet.infer.formulas import elements
from equinet.infer.join import How, broadcast, common_shape, join, of_all, period_of, pointwise, with_constant
from equinet.infer.ledger import Step, tells_nodes_apart
from equinet.infer.primitives import Formulas, NoRule, Primitive, Rule, enter, one_by_one, value_of
from equinet.infer.rounding import snapped
from equinet.infer.rules import phases, spectra, tokens
from equinet.infer.stencils import with_stencil
from equinet.infer.strips import Strip
from equinet.infer.values import LEAST, Atom, Constant, Operand, Value, one_axis_apart, same_number
from equinet.symmetry.tables import Table, beside


def _same(_: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    return list(arguments)


def _is_real(equation: Equation) -> bool:
    """Whether the operand is of real floats."""
    return bool(jnp.issubdtype(equation.inputs[0].aval.dtype, jnp.floating))


def _increasing(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Of all real numbers, and NaN of NaN: `max(f(a), f(b)) = f(max(a, b))`. Functions of a part of them are not here:
    of a maximum of two numbers with one outside the domain they know nothing.
    """
    return [pointwise(value_of(arguments[0]), "monotone" if _is_real(equation) else "any")]


def _unary(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    if equation.shapes[0] != equation.input_shape(0):
        raise NoRule("it changes the number of bytes of an element")
    return [pointwise(value_of(arguments[0]), "any")]


def _convert(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """The identity between floats if no bit is lost, and increasing if some are. Of integers increasing, if the new
    type has numbers for all of them: others wrap around or collapse, as floats do that become integers, NaN with them.
    """
    value, old, new = value_of(arguments[0]), equation.inputs[0].aval.dtype, equation.params["new_dtype"]
    if _is_rounded(old) and _is_rounded(new):
        # Padding that is the least number of the old type is not that of the new one.
        exact = _holds_all(old, new) and (old == new or value.fill != LEAST)
        return [value if exact else pointwise(value, "monotone")]
    whole = jnp.issubdtype(old, jnp.integer) or jnp.issubdtype(old, jnp.bool_)
    exact = whole and (_is_rounded(new) or (jnp.issubdtype(new, jnp.integer) and np.can_cast(old, new, "safe")))
    return [pointwise(value, "monotone" if exact else "any")]


def _holds_all(old: Any, new: Any) -> bool:
    """Whether a type of floats has all numbers of another one."""
    small, large = jnp.finfo(old), jnp.finfo(new)
    return small.nmant <= large.nmant and small.maxexp <= large.maxexp and small.minexp >= large.minexp


def _is_rounded(kind: Any) -> bool:
    """Whether a type is of floats of two bytes or more: smaller ones have no infinity, or little else."""
    return bool(jnp.issubdtype(kind, jnp.floating)) and jnp.dtype(kind).itemsize > 1


def _negative(_: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value = value_of(arguments[0])
    return [pointwise(value, "any") if value.kind == "max" else replace(value, factor=-value.factor)]


def _product(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Linear in one operand where the other is a constant; of integers too, whose products wrap around as sums do."""
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Value):
        return [join(a, b, linear=False)]
    value, constant = (value_of(a), b) if isinstance(b, Constant) else (value_of(b), a)
    assert isinstance(constant, Constant)
    return [_scaled(value, constant, _reach(equation), inverse=False) or with_constant(value, constant, "linear")]


def _quotient(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Linear in the numerator where the denominator is a constant; not of integers, whose quotients are cut off."""
    a, b = arguments
    if not isinstance(a, Value) or not isinstance(b, Constant):
        return [_with(arguments, "any")]
    reach = _reach(equation)
    return [_scaled(a, b, reach, inverse=True) or with_constant(a, b, "linear" if reach else "any")]


def _reach(equation: Equation) -> float:
    """How large or small products of constants may be, lest values of ordinary size overflow on the way; of integers,
    which do not scale, 0."""
    kind = equation.inputs[0].aval.dtype
    return 0.0 if jnp.issubdtype(kind, jnp.integer) else 2.0 ** (jnp.finfo(kind).maxexp // 4)


def _scaled(value: Value, constant: Constant, reach: float, *, inverse: bool) -> Value | None:
    """A table of copies or sums of nodes times a number, or times one number for each node along one axis, as a table.

    None where the factor is no weight of one: it is not known or not finite, or 0, by which nodes that differ become
    equal; it varies along channels, or along more than one axis; or its products leave the reach.
    """
    value = value.maximum or value
    if value.kind == "max" or not value.layout or not reach:
        return None
    if constant.shape:
        value = broadcast(value, common_shape([value.shape, constant.shape]))
    if any(varies and i not in value.moved_axes for i, varies in enumerate(constant.varies)):
        return None
    array, factor = constant.array, constant.scalar
    if array is not None and factor is not None:
        if not np.isfinite(factor) or (inverse and not factor):
            return pointwise(value, "any")
        number = float(snapped(np.asarray(factor, array.dtype)))
        number = value.factor * (1 / number if inverse else number)
        return replace(value, factor=number) if 1 / reach < abs(number) < reach else None
    varying = [i for i, varies in enumerate(constant.actually_varies) if varies]
    if len(varying) != 1 or array is None or array.dtype.kind != "f":
        return None
    axis = value.grid_axis(varying[0])
    if axis is None or (value.fill and value.tables[axis].has_constants):
        return None
    row, table = array[tuple(slice(None) if i == varying[0] else 0 for i in range(array.ndim))], value.tables[axis]
    if not np.isfinite(row).all():
        return None
    row = snapped(row)
    if value.endless(axis):
        # One period of weights, and the table with a period of which that is a divisor.
        period = period_of(row, value.inside(axis))
        if period is None:
            return None
        table = table.repeated(lcm(len(table.nodes), len(period)))
        row = np.resize(row[period], len(table.nodes))
    if not row.all():
        return None
    table = table.scaled(1 / row if inverse else row)
    sizes = np.abs(value.factor * table.weights[table.weights != 0])
    in_reach = (sizes > 1 / reach).all() and (sizes < reach).all()
    return replace(value, tables=with_item(value.tables, axis, table), kind="sum") if in_reach else None


def _sum(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Value):
        return [_total(a, b)]
    value, constant = (a, b) if isinstance(a, Value) else (value_of(b), a)
    if isinstance(constant, Constant) and constant.scalar == 0 and equation.shapes[0] == value.shape:
        return [value]
    return [_with(arguments, "affine")]


def _difference(_: Equation, arguments: Sequence[Operand]) -> list[Value]:
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Value):
        return [_total(a, replace(b, factor=-b.factor))]
    return [_with(arguments, "affine")]


def _maximum(_: Equation, arguments: Sequence[Operand]) -> list[Value]:
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Value):
        return [_greatest(a, b) or join(a, b, linear=False)]
    return [_with(arguments, "monotone")]


def _minimum(_: Equation, arguments: Sequence[Operand]) -> list[Value]:
    return [_with(arguments, "monotone")]


def _binary(_: Equation, arguments: Sequence[Operand]) -> list[Value]:
    return [_with(arguments, "any")]


def _clamped(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Increasing, between two numbers."""
    low, value, high = arguments
    bounds = [c for c in (low, high) if isinstance(c, Constant) and not any(c.actually_varies)]
    if isinstance(value, Value) and len(bounds) == 2:
        return [pointwise(value, "monotone")]
    return _several(equation, arguments)


def _several(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Any function of the entries of all operands at one place."""
    whole = of_all(arguments)
    if whole.shape != equation.shapes[0]:
        raise NoRule("its operands have other shapes than its result")
    return [pointwise(whole, "any")]


def _with(arguments: Sequence[Operand], how: How) -> Value:
    """A function of two operands, of the given kind in the first where the second is a constant."""
    a, b = arguments
    if isinstance(b, Constant):
        return with_constant(value_of(a), b, how)
    if isinstance(a, Constant):
        return with_constant(b, a, how)
    return join(a, b, linear=how == "affine")


def _canvas(value: Value, axis: int, table: Table) -> tuple[Strip, ...]:
    """The strips of a value that is read through another table along one axis."""
    if not value.endless(axis):
        return value.canvas
    return with_item(value.canvas, axis, value.canvas[axis].read_as(value.tables[axis], table))


def _total(a: Value, b: Value) -> Value:
    """The sum of two arrays: a table, or what moves both, and what a stencil says."""
    return _summed(a, b) or with_stencil(join(a, b, linear=True), a, b)


def _summed(a: Value, b: Value) -> Value | None:
    """The sum of two tables over one stem, as a table: of weighted sums of the same nodes.

    None where it is none: a maximum is no sum, a constant that is not 0 would have to be added up, and where all
    weights of a row cancel out, rounding is left, of which nothing is known.
    """
    a, b = a.maximum or a, b.maximum or b
    axis = one_axis_apart([a, b])
    if axis is None or "max" in (a.kind, b.kind):
        return None
    if any(v.fill and table.has_constants for v in (a, b) for table in v.tables):
        return None
    tables = list(a.tables)
    # A zero that is added to a node leaves it alone.
    tables[axis] = beside([a.tables[axis], b.tables[axis].scaled(b.factor / a.factor)]).present
    if not (tables[axis].weights != 0).any(1).all():
        return None  # a row that cancels out
    return replace(a, tables=tuple(tables), kind="sum", fill=0.0, canvas=_canvas(a, axis, tables[axis]))


def _greatest(a: Value, b: Value) -> Value | None:
    """The maximum of two tables over one stem, as a table: of the maxima of the same nodes.

    None where it is none: of multiples and sums, and where the constants among them are not one number.
    """
    axis = one_axis_apart([a, b])
    if axis is None or "sum" in (a.kind, b.kind) or a.factor != 1 or b.factor != 1:
        return None
    filled = [v for v in (a, b) if any(table.has_constants for table in v.tables)]
    if not all(same_number(v.fill, filled[0].fill) for v in filled):
        return None
    for value in (a, b):
        if value.kind == "gather" and not all(table.is_gather for table in value.tables):
            return None
    tables = list(a.tables)
    both = beside([a.tables[axis], b.tables[axis]])
    tables[axis] = replace(both, weights=(both.weights != 0).astype(float))
    fill, canvas = filled[0].fill if filled else 0.0, _canvas(a, axis, tables[axis])
    greatest = replace(a, tables=tuple(tables), kind="max", fill=fill, maximum=None, canvas=canvas)
    return replace(greatest, maximum=greatest.restem())


def _each(name: str, rule: Rule, formula: Formulas = elements.unknown, **facts: Any) -> Primitive:
    """The row of what does the same at every place."""
    return Primitive(name, rule, varies=as_operands, formula=formula, tokens=tokens.each, **facts)


def _algebraic(name: str, rule: Rule, formula: Formulas, **facts: Any) -> Primitive:
    """The row of what has a formula of complex numbers too."""
    return _each(name, rule, formula, of_complex=True, **facts)


def _why_combined(step: Step) -> str:
    if len(step.before) > 1:
        return ""
    if jnp.issubdtype(step.equation.inputs[0].aval.dtype, jnp.complexfloating):
        return "frequencies have factors of their own"
    return "combined with values that differ from node to node" if tells_nodes_apart(step) else ""


def _passed(name: str, **facts: Any) -> Primitive:
    """The row of what gives back its operands."""
    facts |= {"fibres": "permuted", "takes_phases": True, "moves": True, "quiet": True, "wiring": one_by_one}
    return _each(name, _same, elements.same, **facts)


# fmt: off
enter(
    _passed("copy", spectral=spectra.same), _passed("stop_gradient", spectral=spectra.same),
    _passed("device_put"), _passed("layout_constraint"), _passed("name"), _passed("optimization_barrier"),
    _passed("pvary"), _passed("sharding_constraint"),
    _each("convert_element_type", _convert, elements.converted, spectral=spectra.same, moves=True, quiet=True),
    _algebraic("neg", _negative, elements.negated, spectral=spectra.same),
    _algebraic("add", _sum, elements.added, spectral=spectra.summed, combination="sum", fibres="together",
               reason=_why_combined),
    _algebraic("add_any", _sum, elements.added, spectral=spectra.summed),
    _algebraic("sub", _difference, elements.difference, spectral=spectra.summed, fibres="together",
               reason=_why_combined),
    _algebraic("mul", _product, elements.product, spectral=phases.multiplied, reason=_why_combined),
    _algebraic("div", _quotient, elements.quotient, spectral=phases.divided, reason=_why_combined),
    _algebraic("select_n", _several, elements.chosen, spectral=spectra.chosen, reason=_why_combined),
    _algebraic("integer_pow", _unary, elements.raised, spectral=phases.raised),
    _algebraic("square", _unary, elements.raised, spectral=phases.raised),
    _algebraic("conj", _unary, elements.conjugate, spectral=phases.conjugated),
    _algebraic("real", _unary, elements.real), _algebraic("imag", _unary, elements.imaginary),
    _algebraic("complex", _binary, elements.of_parts),
    _each("max", _maximum, elements.extreme, combination="max", fibres="permuted"),
    _each("min", _minimum, elements.extreme, combination="min", fibres="permuted"),
    _each("clamp", _clamped), _each("regularized_incomplete_beta", _several),
    # Increasing on all real numbers.
    _each("exp", _increasing, of_complex=True, fibres="permuted"), _each("logistic", _increasing, fibres="permuted"),
    _each("erf", _increasing, elements.odd, fibres="permuted"),
    _each("tanh", _increasing, elements.odd, of_complex=True, fibres="permuted"),
    _each("sinh", _increasing, elements.odd, of_complex=True), _each("asinh", _increasing, elements.odd),
    _each("atan", _increasing, elements.odd), _each("cbrt", _increasing, elements.odd),
    _each("sign", _increasing, elements.odd),
    _each("ceil", _increasing), _each("exp2", _increasing), _each("expm1", _increasing), _each("floor", _increasing),
    _each("round", _increasing),
    # Of one number.
    _each("sin", _unary, elements.odd, of_complex=True, fibres="permuted"),
    _each("cos", _unary, elements.even, of_complex=True, fibres="permuted"),
    _each("cosh", _unary, elements.even, of_complex=True),
    _each("abs", _unary, elements.even, of_complex=True, spectral=phases.magnitude),
    _each("asin", _unary, elements.odd), _each("atanh", _unary, elements.odd), _each("erf_inv", _unary, elements.odd),
    _each("tan", _unary, elements.odd),
    _each("acos", _unary), _each("acosh", _unary), _each("bessel_i0e", _unary), _each("bessel_i1e", _unary),
    _each("clz", _unary), _each("digamma", _unary), _each("erfc", _unary), _each("is_finite", _unary),
    _each("lgamma", _unary), _each("log", _unary), _each("log1p", _unary), _each("not", _unary),
    _each("population_count", _unary), _each("reduce_precision", _unary), _each("rsqrt", _unary),
    _each("sqrt", _unary),
    Primitive("bitcast_convert_type", _unary),
    # Of two numbers.
    _each("and", _binary, elements.in_any_order), _each("or", _binary, elements.in_any_order),
    _each("xor", _binary, elements.in_any_order), _each("eq", _binary, elements.in_any_order),
    _each("ne", _binary, elements.in_any_order), _each("gt", _binary, elements.turned_around),
    _each("ge", _binary, elements.turned_around), _each("lt", _binary), _each("le", _binary),
    _each("atan2", _binary), _each("eq_to", _binary), _each("le_to", _binary), _each("lt_to", _binary),
    _each("igamma", _binary), _each("igamma_grad_a", _binary), _each("igammac", _binary),
    _each("nextafter", _binary), _each("polygamma", _binary), _each("pow", _binary), _each("rem", _binary),
    _each("shift_left", _binary), _each("shift_right_arithmetic", _binary), _each("shift_right_logical", _binary),
    _each("zeta", _binary),
)
# fmt: on
