"""Rules of reductions over whole axes, and of operations that go along an axis in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.fields import forget_axes, nothing
from equinet.infer.join import held, join, mixed, pointwise, with_constant
from equinet.infer.rules.table import NoRule, rule, value_of
from equinet.infer.tables import Kernel, Table
from equinet.infer.values import Atom, Constant, Digit, Value, free
from equinet.infer.views import MOST_AXES, freed, freed_axes, read_axis, unfolded

Kind = Literal["sum", "max", "other"]


def reduced(value: Value, array_axes: Sequence[int], kind: Kind) -> Value:
    """A symmetric function of all elements along some array axes."""
    gone = [digit for i in array_axes for digit in value.layout[i]]
    if any(digit.axis is None and not (digit.uniform and kind == "max") for digit in gone):
        value = mixed(value, "affine" if kind == "sum" else "any")
    axes = {digit.axis for digit in gone if digit.axis is not None}
    for axis in sorted(axes):
        found = sorted(value.digits_of(axis), key=lambda digit: digit.stride)
        inside = [digit for i in array_axes for digit in value.layout[i] if digit.axis == axis]
        if len(inside) == len(found):
            continue
        # A part of the nodes of an axis: those within blocks, or those at one offset of each.
        value = _within_blocks(value, array_axes, axis, kind)
        return reduced(value, array_axes, kind)
    layout = tuple(digits for i, digits in enumerate(value.layout) if i not in array_axes)
    if not axes:
        return value.laid_out(layout)
    return _collapsed(value, axes, kind, layout)


def _collapsed(value: Value, axes: set[int], kind: Kind, layout: tuple[tuple[Digit, ...], ...]) -> Value:
    kept = [i for i in range(value.dim) if i not in axes]
    value = held(value, {axis for axis in axes if value.is_partial(axis)})
    if not kept and kind != "other" and value.dim <= MOST_AXES:
        field = value.field.collapse(maximum=kind == "max")
    else:
        field = forget_axes(value.field, axes)
    names = {old: new for new, old in enumerate(kept)}
    renamed = tuple(
        tuple(Digit(d.size, names[d.axis], d.stride) if d.axis is not None else d for d in digits) for digits in layout
    )
    return value.known(field, renamed, axes=kept)


def _within_blocks(value: Value, array_axes: Sequence[int], axis: int, kind: Kind) -> Value:
    found = sorted(value.digits_of(axis), key=lambda digit: digit.stride)
    first = found[0]
    whole = value.extents[axis] % first.size == 0 and first.stride == 1 and value.dim <= MOST_AXES
    if whole and kind != "other" and any(first in value.layout[i] for i in array_axes):
        reading = Kernel(
            first.size, first.size, 1, 1, 0, 0, Kernel.equal(first.size), first.size, maximum=kind == "max"
        )
        digits: dict[Digit, tuple[Digit, ...]] = {first: ()}
        for digit in found[1:]:
            digits[digit] = (Digit(digit.size, axis, digit.stride // first.size),)
        return read_axis(value, axis, reading, value.extents[axis] // first.size, digits, kind)
    inside = [digit for i in array_axes for digit in value.layout[i] if digit.axis == axis]
    if first not in inside and len(inside) == len(found) - 1 and kind != "other" and value.dim <= MOST_AXES:
        return _folded(value, axis, first, found[1:], kind)
    return unfolded(value, axis) or freed_axes(value, {axis})


def _folded(value: Value, axis: int, kept: Digit, gone: Sequence[Digit], kind: Literal["sum", "max"]) -> Value:
    """All nodes at one offset within blocks, added up or the largest of them: an axis wound around the block."""
    if value.endless(axis) or kept.stride != 1:
        return unfolded(value, axis) or freed_axes(value, {axis})
    value = value.restem()
    turns = value.extents[axis] // kept.size
    nodes = np.arange(kept.size)[:, None] + kept.size * np.arange(turns)
    table = Table(nodes, np.ones(nodes.shape))
    tables = tuple(table if i == axis else t for i, t in enumerate(value.tables))
    extents = tuple(kept.size if i == axis else n for i, n in enumerate(value.extents))
    layout = tuple(tuple(digit for digit in digits if digit not in gone) for digits in value.layout)
    return replace(value, tables=tables, kind=kind, extents=extents, layout=layout)


@rule("reduce_sum", "reduce_max", "reduce_or", "reduce_and", "reduce_min", "reduce_prod", "reduce_xor")
def _reduction(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    kinds: dict[str, Kind] = {"reduce_sum": "sum", "reduce_max": "max"}
    value = value_of(arguments[0])
    return [reduced(value, equation.params["axes"], kinds.get(equation.name, "other"))]


_TIES = "which of several nodes is chosen turns on rounding where they tie, as symmetric values do"


@rule("argmax", "argmin")
def _place(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, axes = value_of(arguments[0]), equation.params["axes"]
    if any(digit.axis is not None for i in axes for digit in value.layout[i]):
        raise NoRule(_TIES)
    return [reduced(pointwise(value, "any"), axes, "other")]


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _running(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, axis = value_of(arguments[0]), equation.params["axis"]
    value = held(value, {d.axis for d in value.layout[axis] if d.axis is not None})
    return [mixed(value, "any", _not_uniform(value, [axis]))]


def _not_uniform(value: Value, array_axes: Sequence[int]) -> tuple[tuple[Digit, ...], ...]:
    return tuple(
        tuple(d if d.axis is not None else Digit(d.size) for d in digits) if i in array_axes else digits
        for i, digits in enumerate(value.layout)
    )


@rule("sort", "top_k")
def _sorted(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
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
    made = reduced(pointwise(value, "any"), [axis], "other")
    outputs: list[Atom] = []
    for shape in equation.shapes:
        layout = list(made.layout)
        layout.insert(axis, (Digit(shape[axis]),))
        outputs.append(made.laid_out(tuple(layout)))
    # Of the places that values come from nothing is known: where they tie, rounding decides.
    return [outputs[0], *(Value(nothing(made.field), (), free(*shape)) for shape in equation.shapes[1:])]


def _sorted_together(equation: Equation, arguments: Sequence[Atom], axis: int) -> list[Atom]:
    """Several arrays in the order of one of them: nothing may move along the axis."""
    if any(digit.axis is not None for a in arguments if isinstance(a, Value) for digit in a.layout[axis]):
        raise NoRule(_TIES)
    values = [freed(value_of(a), [axis]) for a in arguments if not isinstance(a, Constant)]
    made = values[0]
    for other in values[1:]:
        made = join(made, other, linear=False)
    for constant in arguments:
        if isinstance(constant, Constant):
            made = with_constant(made, constant, "any")
    return [mixed(made, "any", _not_uniform(made, [axis]))] * len(equation.shapes)
