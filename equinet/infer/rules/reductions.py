"""Rules of reductions over whole axes, and of operations that go along an axis in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equinet.infer.compat import Equation
from equinet.infer.digits import Digit, with_item
from equinet.infer.formulas import totals
from equinet.infer.join import held, mixed, of_all, pointwise
from equinet.infer.primitives import Formulas, NoRule, Primitive, Wiring, enter, row_of, value_of
from equinet.infer.reduced import Kind, reduced
from equinet.infer.rules import spectra, tokens
from equinet.infer.rules.windows import body_of_pairs, combined
from equinet.infer.values import Constant, Operand, Value
from equinet.infer.views import freed


def _reduction(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    combination = row_of(equation).combination
    kind: Kind = combination if combination in ("sum", "max") else "other"
    return [reduced(value_of(arguments[0]), equation.params["axes"], kind)]


def _written_out(equation: Equation, arguments: Sequence[Operand]) -> list[Operand]:
    """A reduction whose body is a program, with a start for each array.

    In no order if the body is a known operation on each array by itself. Else it is a function of the elements in
    order: nodes stay in place.
    """
    count, axes = len(equation.shapes), equation.params["dimensions"]
    if not all(isinstance(a, Constant) for a in arguments[count:]):
        raise NoRule("it reduces from a start that depends on the input")
    kinds = combined(equation)
    if kinds is None:
        whole = of_all([freed(a, axes) if isinstance(a, Value) else a for a in arguments[:count]])
        return [reduced(pointwise(whole, "any"), axes, "other")] * count
    results: list[Operand] = []
    for argument, kind, shape in zip(arguments[:count], kinds, equation.shapes, strict=True):
        if isinstance(argument, Constant):
            results.append(Constant.arbitrary(shape))
        elif kind in ("sum", "max"):
            how = "affine" if kind == "sum" else "monotone"
            results.append(pointwise(reduced(argument, axes, kind), how))
        else:
            alike = freed(argument, axes) if kind is None else argument
            results.append(reduced(pointwise(alike, "any"), axes, "other"))
    return results


_TIES = "of equal values the first one counts, and which is first changes"
_SORTED = "values in order have no place on the grid; of equal ones the first comes first"


def _place(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Where an extreme is: nodes along the axis stay in place, since among equal ones their order decides."""
    value, axes = value_of(arguments[0]), equation.params["axes"]
    return [reduced(pointwise(freed(value, axes), "any"), axes, "other")]


def _running(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value, axis = value_of(arguments[0]), equation.params["axis"]
    value = held(value, {d.axis for d in value.layout[axis] if d.axis is not None})
    return [mixed(value, "any", _not_uniform(value, [axis]))]


def _not_uniform(value: Value, array_axes: Sequence[int]) -> tuple[tuple[Digit, ...], ...]:
    return tuple(
        tuple(d if d.axis is not None else Digit(d.size) for d in digits) if i in array_axes else digits
        for i, digits in enumerate(value.layout)
    )


def _sorted(equation: Equation, arguments: Sequence[Operand]) -> Sequence[Operand]:
    rank = len(equation.input_shape(0))
    axis = equation.params.get("dimension", equation.params.get("axis", rank - 1)) % rank
    if len(arguments) > 1:
        return _sorted_together(equation, arguments, axis)
    value = value_of(arguments[0])
    in_order, (_, *others) = _in_order(value, axis, equation.shapes[0][axis]), equation.shapes
    # The places that values come from turn on the order of those that tie: along the axis nothing may move.
    still = freed(pointwise(value, "any"), [axis])
    return [in_order, *(mixed(still, "any", with_item(still.layout, axis, (Digit(n[axis]),))) for n in others)]


def _in_order(value: Value, axis: int, count: int) -> Value:
    """The first of the values along an axis, in order."""
    digits = value.layout[axis]
    axes = {digit.axis for digit in digits if digit.axis is not None}
    # The values in order are a symmetric function of those along the axis, if all of a grid axis lies along it.
    if any(len(value.digits_of(a)) != sum(digit.axis == a for digit in digits) for a in axes):
        value = held(value, axes)
    rest = reduced(pointwise(value, "any"), [axis], "other")
    return rest.laid_out((*rest.layout[:axis], (Digit(count),), *rest.layout[axis:]))


def _nearly_sorted(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Some of the largest along an axis, which of them turns on where they are: nodes stay in place."""
    axis = equation.params["reduction_dimension"] % len(equation.input_shape(0))
    still = freed(pointwise(value_of(arguments[0]), "any"), [axis])
    return [mixed(still, "any", with_item(still.layout, axis, (Digit(n[axis]),))) for n in equation.shapes]


def _sorted_together(equation: Equation, arguments: Sequence[Operand], axis: int) -> list[Operand]:
    """Several arrays in the order of the first of them: these, the keys, as they are without the others. Which of the
    others belong to keys that tie turns on where they are: nodes along the axis stay in place."""
    keys = arguments[: equation.params["num_keys"]]
    whole = of_all([a if isinstance(a, Constant) else freed(a, [axis]) for a in arguments])
    together = mixed(whole, "any", _not_uniform(whole, [axis]))
    ordered: Operand = Constant.arbitrary(equation.shapes[0])
    if any(isinstance(a, Value) for a in keys):
        ordered = _in_order(of_all(keys), axis, equation.shapes[0][axis])
    return [ordered if at < len(keys) else together for at in range(len(arguments))]


def _with_keys(equation: Equation) -> Wiring:
    return Wiring(apart=[[*range(equation.params["num_keys"]), at] for at in range(len(equation.outputs))])


_IN_ORDER = "it runs along an axis in order"


def _total(name: str, formula: Formulas, **facts: Any) -> Primitive:
    return Primitive(name, _reduction, formula, tokens=tokens.reduced, reason=_TOGETHER, **facts)


_TOGETHER = "nodes of one block are taken together"
enter(
    _total("reduce_sum", totals.summed, of_complex=True, spectral=spectra.totalled, combination="sum"),
    _total("reduce_max", totals.largest, combination="max"),
    _total("reduce_min", totals.largest, combination="min"),
    _total("reduce_prod", totals.multiplied, combination="product"),
    _total("reduce_or", totals.of_all),
    _total("reduce_and", totals.of_all),
    _total("reduce_xor", totals.of_all),
    Primitive("reduce", _written_out, wiring=body_of_pairs, reason=_TOGETHER),
    Primitive("argmax", _place, totals.place_of_extreme, reason=_TIES),
    Primitive("argmin", _place, totals.place_of_extreme, reason=_TIES),
    Primitive("cumsum", _running, totals.running, of_complex=True, reason=_IN_ORDER),
    Primitive("cumprod", _running, totals.running, reason=_IN_ORDER),
    Primitive("cummax", _running, totals.running, reason=_IN_ORDER),
    Primitive("cummin", _running, totals.running, reason=_IN_ORDER),
    Primitive("cumlogsumexp", _running, totals.running, reason=_IN_ORDER),
    Primitive("sort", _sorted, totals.in_order, wiring=_with_keys, reason=_SORTED),
    Primitive("approx_top_k", _nearly_sorted, reason="which of the largest are found depends on where they are"),
    Primitive("top_k", _sorted, totals.in_order, reason=_SORTED),
)
