"""Rules of reductions over whole axes, and of operations that go along an axis in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.fields import forget_axes, wound
from equinet.infer.formulas import totals
from equinet.infer.join import held, mixed, of_all, pointwise
from equinet.infer.kernel import Kernel
from equinet.infer.primitives import Formulas, NoRule, Primitive, enter, row_of, value_of
from equinet.infer.rules import spectra
from equinet.infer.rules.windows import combined
from equinet.infer.values import Constant, Digit, Operand, Value, with_item
from equinet.infer.views import MOST_AXES, freed, freed_axes, read_axis, renamed, unfolded
from equinet.symmetry.tables import Table

Kind = Literal["sum", "max", "other"]


def reduced(value: Value, array_axes: Sequence[int], kind: Kind) -> Value:
    """A symmetric function of all elements along some array axes.

    Of all nodes of a grid axis it is a function that no isometry of that axis moves. Of a part of them, those within
    blocks or at one offset of each, the others stay nodes, of an axis with as many.
    """
    gone = [digit for i in array_axes for digit in value.layout[i]]
    if any(digit.axis is None and not (digit.uniform and kind == "max") for digit in gone):
        value = mixed(value, "affine" if kind == "sum" else "any")
    axes = {digit.axis for digit in gone if digit.axis is not None}
    for axis in sorted(axes):
        if sum(digit.axis == axis for digit in gone) < len(value.digits_of(axis)):
            return reduced(_within_blocks(value, array_axes, axis, kind), array_axes, kind)
    layout = tuple(digits for i, digits in enumerate(value.layout) if i not in array_axes)
    if not axes:
        return value.laid_out(layout)
    return _collapsed(value, axes, kind, layout)


def _collapsed(value: Value, axes: set[int], kind: Kind, layout: tuple[tuple[Digit, ...], ...]) -> Value:
    """A symmetric function of all nodes along some grid axes.

    Of all axes, a sum of sums and a maximum of maxima are read as one window over all nodes. A view of an infinite axis
    that lacks inner nodes is not all of it: what moves it moves others in, so all nodes stay.
    """
    kept = [i for i in range(value.dim) if i not in axes]
    value = held(value, {axis for axis in axes if value.is_partial(axis)})
    if not kept and kind != "other" and value.dim <= MOST_AXES:
        field = value.field.collapse(maximum=kind == "max")
    else:
        field = forget_axes(value.field, axes)
    return value.known(field, renamed(layout, {old: new for new, old in enumerate(kept)}), axes=kept)


def _within_blocks(value: Value, array_axes: Sequence[int], axis: int, kind: Kind) -> Value:
    """The same value with less of a grid axis of which only some digits are reduced, and so closer to a whole one.

    If the least digit is reduced, blocks are windows of equal weights, and the blocks are the nodes. If all but that
    one are, it is the nodes, each with all that lie at its offset. Anything else sees blocks as channels.
    """
    first, *others = sorted(value.digits_of(axis), key=lambda digit: digit.stride)
    inside = [digit for i in array_axes for digit in value.layout[i] if digit.axis == axis]
    matches = value.dim <= MOST_AXES
    in_blocks = value.extents[axis] % first.size == 0 and first.stride == 1
    if kind != "other" and matches and in_blocks and first in inside:
        reading = Kernel(
            first.size, first.size, 1, 1, 0, 0, Kernel.equal(first.size), first.size, maximum=kind == "max"
        )
        digits: dict[Digit, tuple[Digit, ...]] = {first: ()}
        for digit in others:
            digits[digit] = (Digit(digit.size, axis, digit.stride // first.size),)
        return read_axis(value, axis, reading, value.extents[axis] // first.size, digits, kind)
    if kind != "other" and matches and first not in inside and len(inside) == len(others):
        return _folded(value, axis, first, others, kind)
    return unfolded(value, axis) or freed_axes(value, {axis})


def _folded(value: Value, axis: int, kept: Digit, gone: Sequence[Digit], kind: Literal["sum", "max"]) -> Value:
    """All nodes at one offset within blocks, added up or the largest of them: an axis wound around the block."""
    if kept.stride != 1 or (value.endless(axis) and value.is_partial(axis)):
        return unfolded(value, axis) or freed_axes(value, {axis})
    layout = tuple(tuple(digit for digit in digits if digit not in gone) for digits in value.layout)
    if value.endless(axis):
        return value.known(wound(value.field, axis, kept.size), layout, with_item(value.extents, axis, kept.size))
    value = value.restem()
    turns = value.extents[axis] // kept.size
    nodes = np.arange(kept.size)[:, None] + kept.size * np.arange(turns)
    return replace(
        value,
        tables=with_item(value.tables, axis, Table(nodes, np.ones(nodes.shape))),
        kind=kind,
        extents=with_item(value.extents, axis, kept.size),
        layout=layout,
    )


def _reduction(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    combination = row_of(equation).combination
    kind: Kind = combination if combination in ("sum", "max") else "other"
    return [reduced(value_of(arguments[0]), equation.params["axes"], kind)]


def _written_out(equation: Equation, arguments: Sequence[Operand]) -> list[Operand]:
    """A reduction whose body is a program, with a start for each array.

    In no order if the body is a known operation on each array by itself. Else it is a function of the elements in
    order, of all arrays that it sees: nodes stay in place.
    """
    count, axes = len(equation.shapes), equation.params["dimensions"]
    if not all(isinstance(a, Constant) for a in arguments[count:]):
        raise NoRule("it reduces from a start that depends on the input")
    kinds = combined(equation)
    if kinds is None or None in kinds:
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
            results.append(reduced(pointwise(argument, "any"), axes, "other"))
    return results


_TIES = "which of several nodes comes first turns on their order where they tie"


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


def _sorted(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    rank = len(equation.input_shape(0))
    axis = equation.params.get("dimension", equation.params.get("axis", rank - 1)) % rank
    if len(arguments) > 1:
        return _sorted_together(equation, arguments, axis)
    value = value_of(arguments[0])
    digits = value.layout[axis]
    axes = {digit.axis for digit in digits if digit.axis is not None}
    # The values in order are a symmetric function of those along the axis, if all of a grid axis lies along it.
    if any(len(value.digits_of(a)) != sum(digit.axis == a for digit in digits) for a in axes):
        value = held(value, axes)
    rest, (shape, *others) = reduced(pointwise(value, "any"), [axis], "other"), equation.shapes
    in_order = rest.laid_out((*rest.layout[:axis], (Digit(shape[axis]),), *rest.layout[axis:]))
    # The places that values come from turn on the order of those that tie: along the axis nothing may move.
    still = freed(pointwise(value, "any"), [axis])
    return [in_order, *(mixed(still, "any", with_item(still.layout, axis, (Digit(n[axis]),))) for n in others)]


def _nearly_sorted(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Some of the largest along an axis, which of them turns on where they are: nodes stay in place."""
    axis = equation.params["reduction_dimension"] % len(equation.input_shape(0))
    still = freed(pointwise(value_of(arguments[0]), "any"), [axis])
    return [mixed(still, "any", with_item(still.layout, axis, (Digit(n[axis]),))) for n in equation.shapes]


def _sorted_together(equation: Equation, arguments: Sequence[Operand], axis: int) -> list[Value]:
    """Several arrays in the order of one of them: nodes along the axis stay in place."""
    whole = of_all([a if isinstance(a, Constant) else freed(a, [axis]) for a in arguments])
    return [mixed(whole, "any", _not_uniform(whole, [axis]))] * len(equation.shapes)


_IN_ORDER = "it runs along an axis in order"


def _total(name: str, formula: Formulas, **facts: Any) -> Primitive:
    return Primitive(name, _reduction, formula, reason=_TOGETHER, **facts)


_TOGETHER = "nodes of one block are taken together"
enter(
    _total("reduce_sum", totals.summed, of_complex=True, spectral=spectra.totalled, combination="sum"),
    _total("reduce_max", totals.largest, combination="max"),
    _total("reduce_min", totals.largest, combination="min"),
    _total("reduce_prod", totals.multiplied, combination="product"),
    _total("reduce_or", totals.of_all),
    _total("reduce_and", totals.of_all),
    _total("reduce_xor", totals.of_all),
    Primitive("reduce", _written_out, reason=_TOGETHER),
    Primitive("argmax", _place, totals.of_all_in_order, reason=_TIES),
    Primitive("argmin", _place, totals.of_all_in_order, reason=_TIES),
    Primitive("cumsum", _running, totals.running, of_complex=True, reason=_IN_ORDER),
    Primitive("cumprod", _running, totals.running, reason=_IN_ORDER),
    Primitive("cummax", _running, totals.running, reason=_IN_ORDER),
    Primitive("cummin", _running, totals.running, reason=_IN_ORDER),
    Primitive("cumlogsumexp", _running, totals.running, reason=_IN_ORDER),
    Primitive("sort", _sorted, totals.in_order, reason=_TIES),
    Primitive("approx_top_k", _nearly_sorted, reason="which are found turns on where they are"),
    Primitive("top_k", _sorted, totals.in_order, reason=_TIES),
)
