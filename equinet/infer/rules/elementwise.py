"""Rules of functions of single elements, of one array or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.join import How, broadcast, common_shape, join, pointwise, with_constant
from equinet.infer.rules.table import NoRule, rule
from equinet.infer.strips import Strip
from equinet.infer.tables import Table, beside, snapped
from equinet.infer.values import LEAST, Atom, Chosen, Constant, Value, same_number

# fmt: off
INCREASING = (
    "asinh", "atan", "cbrt", "ceil", "erf", "exp", "exp2", "expm1", "floor", "logistic", "round", "sign", "sinh",
    "tanh",
)
UNARY = (
    "abs", "acos", "acosh", "asin", "atanh", "bessel_i0e", "bessel_i1e", "bitcast_convert_type", "clz", "conj", "cos",
    "cosh", "digamma", "erf_inv", "erfc", "imag", "integer_pow", "is_finite", "lgamma", "log", "log1p", "not",
    "population_count", "real", "reduce_precision", "rsqrt", "sin", "sqrt", "square", "tan",
)
BINARY = (
    "and", "atan2", "complex", "eq", "eq_to", "ge", "gt", "igamma", "igamma_grad_a", "igammac", "le", "le_to", "lt",
    "lt_to", "ne", "nextafter", "or", "polygamma", "pow", "random_gamma_grad", "rem",
    "shift_left", "shift_right_arithmetic", "shift_right_logical", "xor", "zeta",
)
SAME = (
    "copy", "copy_p", "device_put", "layout_constraint", "name", "optimization_barrier", "pvary",
    "sharding_constraint", "stop_gradient",
)
# fmt: on
ELEMENTWISE = {
    *(set(INCREASING) | set(UNARY) | set(BINARY) | set(SAME)) - {"bitcast_convert_type"},
    *("add", "add_any", "clamp", "convert_element_type", "div", "max", "min", "mul", "neg", "select_n", "sub"),
    "regularized_incomplete_beta",
}
"""Operations that do the same at every place, so that of operands that do not vary along an axis nothing varies."""


def _only(arguments: Sequence[Atom]) -> Value:
    (value,) = arguments
    if not isinstance(value, Value):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    return value


@rule(*SAME)
def _same(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    del equation
    return list(arguments)


def _is_real(equation: Equation) -> bool:
    """Whether the operand is of real floats."""
    return bool(jnp.issubdtype(equation.inputs[0].aval.dtype, jnp.floating))


@rule(*INCREASING)
def _increasing(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    """Of all real numbers, and NaN of NaN: `max(f(a), f(b)) = f(max(a, b))`. Functions of a part of them are not here:
    of a maximum of two numbers with one outside the domain they know nothing.
    """
    return [pointwise(_only(arguments), "monotone" if _is_real(equation) else "any")]


@rule(*UNARY)
def _unary(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    if equation.name == "bitcast_convert_type" and equation.shapes[0] != equation.input_shape(0):
        raise NoRule("it changes the number of bytes of an element")
    return [pointwise(_only(arguments), "any")]


@rule("convert_element_type")
def _convert(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    """The identity between floats if no bit is lost, and increasing if some are. Of integers increasing, if the new
    type has numbers for all of them: others wrap around or collapse, as floats do that become integers, NaN with them.
    """
    value, old, new = _only(arguments), equation.inputs[0].aval.dtype, equation.params["new_dtype"]
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


@rule("neg")
def _negative(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    del equation
    value = _only(arguments)
    return [pointwise(value, "any") if value.kind == "max" else replace(value, factor=-value.factor)]


@rule("mul", "div")
def _scale(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    """Linear: of integers too, whose products wrap around as sums do, but whose quotients are cut off."""
    (a, b), divides = arguments, equation.name == "div"
    floats = not jnp.issubdtype(equation.inputs[0].aval.dtype, jnp.integer)
    how = "linear" if floats or not divides else "any"
    reach = 2.0 ** (jnp.finfo(equation.inputs[0].aval.dtype).maxexp // 4) if floats else 0.0
    if isinstance(a, Value) and isinstance(b, Constant):
        return [_scaled(a, b, reach, inverse=divides) or with_constant(a, b, how)]
    if isinstance(a, Constant) and isinstance(b, Value):
        if divides:
            return [with_constant(b, a, "any")]
        return [_scaled(b, a, reach, inverse=False) or with_constant(b, a, how)]
    return [_joined(arguments, linear=False)]


def _scaled(value: Value, constant: Constant, reach: float, *, inverse: bool) -> Value | None:
    """A copy or sum of nodes times a number, or times one number for each node along one axis.

    Args:
        reach: how large or small a product of such numbers may be, lest values of ordinary size overflow on the way.
    """
    value = value.again or value
    if value.kind == "max" or not value.layout or not reach:
        return None
    if constant.shape:
        value = broadcast(value, common_shape([value.shape, constant.shape]))
    if any(varies and i not in value.moved_axes for i, varies in enumerate(constant.varies)):
        return None
    factor = constant.scalar
    if factor is not None:
        if not np.isfinite(factor) or (inverse and not factor):
            return pointwise(value, "any")
        factor = float(snapped(np.asarray(factor, constant.array.dtype))) if constant.array is not None else factor
        factor = value.factor * (1 / factor if inverse else factor)
        return replace(value, factor=factor) if 1 / reach < abs(factor) < reach else None
    varying = [i for i, varies in enumerate(constant.actually_varies) if varies]
    if len(varying) != 1 or constant.array is None or constant.array.dtype.kind != "f":
        return None
    axis = value.grid_axis(varying[0])
    if axis is None or value.endless(axis) or (value.fill and value.tables[axis].has_constants):
        return None
    row = constant.array[tuple(slice(None) if i == varying[0] else 0 for i in range(constant.array.ndim))]
    if not np.isfinite(row).all() or not row.all():
        return None
    row = snapped(row)
    tables = list(value.tables)
    tables[axis] = tables[axis].scaled(1 / row if inverse else row)
    sizes = np.abs(value.factor * tables[axis].weights[tables[axis].weights != 0])
    if (sizes <= 1 / reach).any() or (sizes >= reach).any():
        return None
    return replace(value, tables=tuple(tables), kind="sum")


@rule("add", "sub", "add_any")
def _sum(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Value):
        merged = _summed(a, replace(b, factor=-b.factor) if equation.name == "sub" else b)
        return [merged or join(a, b, linear=True)]
    return [_with(arguments, "affine")]


@rule("max")
def _maximum(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    del equation
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Value):
        return [_greatest(a, b) or join(a, b, linear=False)]
    return [_with(arguments, "monotone")]


@rule("min")
def _minimum(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    del equation
    return [_with(arguments, "monotone")]


@rule(*BINARY)
def _binary(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    del equation
    return [_with(arguments, "any")]


@rule("clamp", "select_n", "regularized_incomplete_beta")
def _several(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    if equation.name == "clamp" and not any(isinstance(a, Value) for a in (arguments[0], arguments[2])):
        lo, value, hi = arguments
        scalars = all(isinstance(c, Constant) and not any(c.actually_varies) for c in (lo, hi))
        if isinstance(value, Value) and scalars:
            return [pointwise(value, "monotone")]
    shape = equation.shapes[0]
    values = [a for a in arguments if isinstance(a, Value)]
    if any(isinstance(a, Chosen) for a in arguments):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    made = values[0]
    for other in values[1:]:
        made = join(made, other, linear=False)
    for constant in arguments:
        if isinstance(constant, Constant):
            made = with_constant(made, constant, "any")
    if made.shape != shape:
        raise NoRule("its operands have other shapes than its result")
    return [pointwise(made, "any")]


def _with(arguments: Sequence[Atom], how: How) -> Value:
    """A function of two operands, of the given kind in the first where the second is a constant."""
    a, b = arguments
    if isinstance(a, Value) and isinstance(b, Constant):
        return with_constant(a, b, how)
    if isinstance(a, Constant) and isinstance(b, Value):
        return with_constant(b, a, how)
    return _joined(arguments, linear=how == "affine")


def _joined(arguments: Sequence[Atom], *, linear: bool) -> Value:
    a, b = arguments
    if not isinstance(a, Value) or not isinstance(b, Value):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    return join(a, b, linear=linear)


def _one_axis_apart(a: Value, b: Value) -> int | None:
    """The only grid axis along which two tables over one stem differ (any, if none); None if there are more."""
    if a.token is not b.token or a.layout != b.layout or a.extents != b.extents or a.dim == 0:
        return None
    apart = [i for i, (one, two) in enumerate(zip(a.tables, b.tables, strict=True)) if not one.same(two)]
    if any(a.tables[i].pace != b.tables[i].pace for i in apart if a.endless(i)):
        return None
    return None if len(apart) > 1 else (apart or [0])[0]


def _canvas(value: Value, axis: int, table: Table) -> tuple[Strip, ...]:
    """The strips of a value that is read through another table along one axis."""
    if not value.endless(axis):
        return value.canvas
    strip = value.canvas[axis].read_as(value.tables[axis], table)
    return tuple(strip if i == axis else old for i, old in enumerate(value.canvas))


def _summed(a: Value, b: Value) -> Value | None:
    """The sum of two tables over one stem, as a table."""
    a, b = a.again or a, b.again or b
    axis = _one_axis_apart(a, b)
    if axis is None or "max" in (a.kind, b.kind):
        return None
    if any(v.fill and table.has_constants for v in (a, b) for table in v.tables):
        return None
    tables = list(a.tables)
    tables[axis] = beside([a.tables[axis], b.tables[axis].scaled(b.factor / a.factor)])
    if not (tables[axis].weights != 0).any(1).all():
        return None  # a row that cancels out
    return replace(a, tables=tuple(tables), kind="sum", fill=0.0, canvas=_canvas(a, axis, tables[axis]))


def _greatest(a: Value, b: Value) -> Value | None:
    """The maximum of two tables over one stem, as a table."""
    axis = _one_axis_apart(a, b)
    if axis is None or "sum" in (a.kind, b.kind) or a.factor != 1 or b.factor != 1:
        return None
    filled = [v for v in (a, b) if any(table.has_constants for table in v.tables)]
    if not all(same_number(v.fill, filled[0].fill) for v in filled):
        return None
    for value in (a, b):
        if value.kind == "gather" and not all(table.is_gather for table in value.tables):
            return None
    tables = list(a.tables)
    made = beside([a.tables[axis], b.tables[axis]])
    tables[axis] = replace(made, weights=(made.weights != 0).astype(float))
    fill, canvas = filled[0].fill if filled else 0.0, _canvas(a, axis, tables[axis])
    made = replace(a, tables=tuple(tables), kind="max", fill=fill, again=None, canvas=canvas)
    return replace(made, again=made.restem())
