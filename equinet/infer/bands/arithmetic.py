"""Operations on single elements, sums and products: what they do to functions, and to numbers that turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import jax.numpy as jnp
import numpy as np

from equinet.infer.bands.values import Nodes, Turning, as_turning, nothing
from equinet.infer.compat import Equation
from equinet.infer.values import Constant

Known = Nodes | Turning | Constant

SUMS = frozenset({"add", "sub", "add_any"})
LINEAR = frozenset({"neg", "real", "imag", "conj", "copy", "stop_gradient", "complex", "optimization_barrier"})
"""Of real and imaginary parts, with real weights."""
FUNCTIONS = frozenset(
    {
        *("abs", "sign", "floor", "ceil", "round", "exp", "exp2", "log", "log1p", "expm1"),
        *("tanh", "sinh", "cosh", "asinh", "acosh", "atanh", "sin", "cos", "tan", "asin"),
        *("acos", "atan", "atan2", "sqrt", "rsqrt", "cbrt", "logistic", "erf", "erfc", "erf_inv"),
        *("is_finite", "not", "and", "or", "xor", "max", "min", "pow", "rem", "nextafter"),
        *("clamp", "eq", "ne", "lt", "le", "gt", "ge", "select_n", "square", "integer_pow"),
        *("mul", "div", "convert_element_type", "reduce_precision"),
    }
)
"""Others of each element by itself."""
ORDERLESS = frozenset({"reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"})


def elementwise(equation: Equation, arguments: Sequence[Known]) -> Nodes | Turning | None:
    """The result of a function of each element; None if the operation is none."""
    if equation.name not in SUMS | LINEAR | FUNCTIONS or len(equation.shapes) != 1:
        return None
    shape = equation.shapes[0]
    wide = [_spread(each, shape) for each in arguments]
    if any(isinstance(each, Nodes) for each in wide):
        return _of_nodes(equation, wide) or nothing(shape)
    return _of_turning(equation, wide)


def _spread(value: Known, shape: tuple[int, ...]) -> Known:
    """A single number at every place."""
    if value.shape == shape:
        return value
    if isinstance(value, Constant):
        return value.mapped(lambda array: np.broadcast_to(np.asarray(array), shape), shape, (False,) * len(shape))
    turning = as_turning(value)
    return turning.taken(np.zeros(shape, int))


def degree_of(equation: Equation, arguments: Sequence[Known]) -> int | None:
    """The degree of an operation as a polynomial in each of its operands that is of nodes; None if none."""
    name = equation.name
    constants = [each for each in arguments if isinstance(each, Constant)]
    if name in SUMS | LINEAR or name == "mul":
        # A weight that is not finite is none.
        return 1 if name in SUMS | LINEAR or all(map(_is_finite, constants)) else None
    if name == "square":
        return 2
    if name == "integer_pow":
        return equation.params["y"] if equation.params["y"] >= 1 else None
    if name == "div" and isinstance(arguments[1], Constant):
        return 1 if _is_finite(arguments[1], inverse=True) else None
    if name == "div" and isinstance(arguments[1], Turning):
        return None if arguments[1].zero.any() else 1
    if name == "convert_element_type":
        old, new = equation.inputs[0].aval.dtype, equation.params["new_dtype"]
        return 1 if jnp.issubdtype(old, jnp.inexact) and jnp.issubdtype(new, jnp.inexact) else None
    return None


def _is_finite(constant: Constant, *, inverse: bool = False) -> bool:
    """Whether numbers, or their inverses, are finite; parameters that are arbitrary are, and are not zero."""
    array = constant.array
    return array is None or bool(np.isfinite(array).all() and not (inverse and (array == 0).any()))


def _of_nodes(equation: Equation, arguments: Sequence[Known]) -> Nodes | None:
    """Of functions on the circle, with what is the same all around it; None where something is not."""
    nodes = [each for each in arguments if isinstance(each, Nodes)]
    axis, shape = nodes[0].axis, nodes[0].shape
    if any(each.axis != axis for each in nodes) or not all(_is_same_along(each, axis) for each in arguments):
        return None
    degree, product = degree_of(equation, arguments), equation.name == "mul"
    band = reduce(lambda a, b: a.join(b, product=product), (each.band for each in nodes[1:]), nodes[0].band)
    band = band if degree == 1 else band.function(degree)
    still = [each for each in arguments if isinstance(each, Turning)]
    if still:
        shifts = int(np.gcd.reduce([band.shifts, *(np.gcd.reduce(each.staying.reshape(-1)) for each in still)]))
        band = replace(band, shifts=shifts, low=None)
    return Nodes(shape, axis, band)


def _is_same_along(value: Known, axis: int) -> bool:
    """Whether an array is one number along an axis, if it is not of nodes."""
    if isinstance(value, Constant):
        return not value.varies_among(axis)
    if isinstance(value, Turning):
        return value.name is not None and bool((value.name == value.name.take([0], axis=axis)).all())
    return True


def _of_turning(equation: Equation, arguments: Sequence[Known]) -> Turning:
    """Of numbers that turn. A product turns by the sum of their frequencies; a sum of two by shifts that turn both
    alike; anything else stays where all stay."""
    name, parts = equation.name, [as_turning(each) for each in arguments]
    first, shape = parts[0], equation.shapes[0]
    new = _names(parts)
    if name in ("neg", "copy", "stop_gradient", "optimization_barrier"):
        return Turning.of(first.frequency, first.shifts, first.zero, new)
    if name == "convert_element_type" and degree_of(equation, arguments) == 1 and not _drops_phases(equation):
        return Turning.of(first.frequency, first.shifts, first.zero, new)
    if name == "conj":
        return Turning.of(-first.frequency, first.shifts, first.zero, new)
    if name in SUMS:
        return replace(both(*parts), name=new)
    if name in ("square", "integer_pow") and degree_of(equation, arguments) is not None:
        return Turning.of(first.frequency * (degree_of(equation, arguments) or 1), first.shifts, first.zero, new)
    if (name == "mul" or name == "div") and degree_of(equation, arguments) == 1:
        second = parts[1]
        sign = 1 if name == "mul" else -1
        zero = first.zero | second.zero if name == "mul" else first.zero
        shifts = np.gcd(first.shifts, second.shifts)
        return Turning.of(first.frequency + sign * second.frequency, shifts, zero, new)
    staying = np.gcd.reduce([each.staying for each in parts])
    if name == "abs":
        staying = first.shifts
    return Turning.of(np.zeros(shape, int), staying, np.zeros(shape, bool), new)


def _drops_phases(equation: Equation) -> bool:
    """Whether complex numbers become real."""
    old, new = equation.inputs[0].aval.dtype, equation.params["new_dtype"]
    return bool(jnp.issubdtype(old, jnp.complexfloating) and not jnp.issubdtype(new, jnp.complexfloating))


def _names(parts: Sequence[Turning]) -> np.ndarray | None:
    """Names of results: equal where all operands are."""
    if len(parts) == 1 or not parts[0].zero.size:
        return parts[0].name
    found = [each.name.reshape(-1) for each in parts if each.name is not None]
    if len(found) < len(parts):
        return None
    rows = np.stack(found, axis=-1)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(parts[0].shape)


def both(a: Turning, b: Turning) -> Turning:
    """Sums: of κ and κ' by the steps n for which n | κ − κ', which turn both alike."""
    shifts = np.gcd(np.gcd(a.shifts, b.shifts), np.where(a.zero | b.zero, 0, a.frequency - b.frequency))
    return Turning.of(np.where(a.zero, b.frequency, a.frequency), shifts, a.zero & b.zero)


def summed(value: Turning, axes: Sequence[int]) -> Turning:
    """Sums along some axes, with any weights."""
    kept = [axis for axis in range(len(value.shape)) if axis not in axes]
    shape = tuple(value.shape[axis] for axis in kept)
    rows = [
        np.transpose(each, [*kept, *axes]).reshape(*shape, -1) for each in (value.frequency, value.shifts, value.zero)
    ]
    frequency, shifts, zero = rows
    if not zero.shape[-1]:
        return Turning.of(np.zeros(shape, int), np.zeros(shape, int), np.ones(shape, bool))
    first = np.take_along_axis(frequency, np.argmin(zero, axis=-1)[..., None], axis=-1)
    apart = np.where(zero, 0, frequency - first)
    return Turning.of(first[..., 0], np.gcd.reduce(np.gcd(shifts, apart), axis=-1), np.asarray(zero.all(-1)))


def reduced(equation: Equation, argument: Known) -> Nodes | Turning | None:
    """Sums, and other functions of many elements that do not tell them apart; None if the operation is none."""
    if equation.name not in ORDERLESS | {"reduce_sum"}:
        return None
    axes, shape, adds = tuple(equation.params["axes"]), equation.shapes[0], equation.name == "reduce_sum"
    if isinstance(argument, Nodes):
        band = argument.band
        if argument.axis in axes:
            return Turning.still(shape, band.kept_by_mean() if adds else band.kept_by_all)
        axis = argument.axis - sum(each < argument.axis for each in axes)
        return Nodes(shape, axis, band if adds else band.function(None))
    turning = as_turning(argument)
    if adds:
        return summed(turning, axes)
    staying = turning.staying
    for axis in sorted(axes, reverse=True):
        staying = np.gcd.reduce(staying, axis=axis)
    return Turning.of(np.zeros(shape, int), staying, np.zeros(shape, bool))


def product(equation: Equation, arguments: Sequence[Known]) -> Nodes | Turning:
    """A matrix product: of functions with weights that are the same all around, or with each other; of numbers that
    turn, with any weights."""
    a, b = arguments
    shape = equation.shapes[0]
    (summed_a, summed_b), (batch_a, batch_b) = equation.params["dimension_numbers"]
    if isinstance(a, Nodes) and isinstance(b, Nodes):
        if a.axis in batch_a and b.axis in batch_b and batch_a.index(a.axis) == batch_b.index(b.axis):
            return Nodes(shape, batch_a.index(a.axis), a.band.join(b.band, product=True))
        return nothing(shape)
    if isinstance(b, Constant):
        one, weights, contracted, theirs, batch, batched, before = a, b, summed_a, summed_b, batch_a, batch_b, 0
    elif isinstance(a, Constant):
        free_a = len(a.shape) - len(summed_a) - len(batch_a)
        one, weights, contracted, theirs, batch, batched, before = b, a, summed_b, summed_a, batch_b, batch_a, free_a
    else:
        return nothing(shape)
    pairs = dict(zip((*contracted, *batch), (*theirs, *batched), strict=True))
    others = [axis for axis in range(len(one.shape)) if axis not in pairs]
    places = {axis: at for at, axis in enumerate(batch)}
    places |= {axis: len(batch) + before + at for at, axis in enumerate(others)}
    if isinstance(one, Nodes):
        if one.axis in pairs and weights.varies_among(pairs[one.axis]):
            return nothing(shape)
        if one.axis in contracted:
            return Turning.still(shape, one.band.kept_by_mean())
        return one.linear(shape, places[one.axis])
    rows = summed(as_turning(one), list(contracted))
    left = [axis for axis in range(len(one.shape)) if axis not in contracted]
    wide = [1] * len(shape)
    for axis in left:
        wide[places[axis]] = one.shape[axis]
    order = np.argsort([places[axis] for axis in left])
    spread = [
        np.broadcast_to(np.transpose(each, order).reshape(wide), shape)
        for each in (rows.frequency, rows.shifts, rows.zero)
    ]
    return Turning.of(*spread)
