"""Rules of operations that move elements about: reshapes, transposes, slices, pads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.join import held
from equinet.infer.rows import part_of, picked
from equinet.infer.rules.table import NoRule, rule, value_of
from equinet.infer.tables import Kernel
from equinet.infer.values import Atom, Constant, Digit, Ends, Value, same_number
from equinet.infer.views import MOST_AXES, freed, read_axis, regrouped
from equinet.symmetry.windows import FILL


@rule("reshape")
def _reshape(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, shape = value_of(arguments[0]), equation.shapes[0]
    if equation.params.get("dimensions") is not None:
        raise NoRule("it reorders dimensions")
    made = regrouped(value.layout, shape)
    if made is None:
        value = freed(value, list(range(len(value.layout))))
        made = regrouped(tuple((Digit(n),) for n in value.shape), shape)
        if made is None:
            made = tuple((Digit(n),) for n in shape)
    return [value.laid_out(made)]


@rule("squeeze", "expand_dims")
def _squeeze(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, gone = value_of(arguments[0]), {d % len(equation.input_shape(0)) for d in equation.params["dimensions"]}
    return [value.laid_out(tuple(digits for i, digits in enumerate(value.layout) if i not in gone))]


@rule("transpose")
def _transpose(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value = value_of(arguments[0])
    return [value.laid_out(tuple(value.layout[i] for i in equation.params["permutation"]))]


@rule("broadcast_in_dim")
def _broadcast(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, shape = value_of(arguments[0]), equation.shapes[0]
    layout: list[tuple[Digit, ...]] = [(Digit(n, uniform=True),) for n in shape]
    old = equation.input_shape(0)
    for i, at in enumerate(equation.params["broadcast_dimensions"]):
        if old[i] == shape[at]:
            layout[at] = value.layout[i]
    return [value.laid_out(tuple(layout))]


def _part(atom: Atom | Ends) -> Value | Ends:
    return atom if isinstance(atom, Ends) else value_of(atom)


@rule("slice")
def _slice(equation: Equation, arguments: Sequence[Atom | Ends]) -> list[Value | Ends]:
    value, shape = _part(arguments[0]), equation.input_shape(0)
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(shape)
    for i, (start, limit, step) in enumerate(zip(starts, limits, steps, strict=True)):
        if (start, limit, step) != (0, shape[i], 1):
            value = part_of(value, i, np.arange(start, limit, step))
    return [value]


@rule("split")
def _split(equation: Equation, arguments: Sequence[Atom | Ends]) -> list[Value | Ends]:
    value, axis, start, made = _part(arguments[0]), equation.params["axis"], 0, []
    for size in equation.params["sizes"]:
        made.append(part_of(value, axis, np.arange(start, start + size)))
        start += size
    return made


@rule("rev")
def _reverse(equation: Equation, arguments: Sequence[Atom | Ends]) -> list[Value | Ends]:
    value = _part(arguments[0])
    for i in equation.params["dimensions"]:
        value = part_of(value, i, np.arange(value.shape[i])[::-1])
    return [value]


SEES_ENDS = ("slice", "split", "rev", "concatenate")
"""Operations whose rules take ends of an axis as what they are; any other sees arrays like any other."""


@rule("pad")
def _pad(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, constant = arguments
    config = equation.params["padding_config"]
    if not isinstance(value, Value) or not isinstance(constant, Constant):
        raise NoRule("it pads with a value that depends on the input")
    fill = constant.fill
    value = value if fill is not None else value.restem()
    for i, (lo, hi, between) in enumerate(config):
        if not (lo or hi or between):
            continue
        size = equation.input_shape(0)[i]
        wide = np.full((size - 1) * (between + 1) + 1 if size else 0, FILL)
        wide[:: between + 1] = np.arange(size)
        rows = np.concatenate([np.full(max(lo, 0), FILL), wide, np.full(max(hi, 0), FILL)])
        rows = rows[max(-lo, 0) : len(rows) - max(-hi, 0)]
        axis = value.grid_axis(i)
        if axis is not None and value.endless(axis) and between and min(lo, hi) >= 0 and value.dim <= MOST_AXES:
            reading = Kernel(1, 1, 1, between + 1, lo, hi, Kernel.free(1))
            if value.is_partial(axis) and max(lo, hi) > between:
                value = held(value, {axis})  # what is put beside it takes the place of nodes in the middle of the axis
            whole = _with_digit(value, i, Digit(len(rows), axis))
            value = read_axis(whole, axis, reading, len(rows), {}, "sum")
            value = (
                value if fill is not None and same_number(fill, 0.0) else value.known(value.field.rename_constants())
            )
        else:
            value = picked(value, i, rows, float("nan") if fill is None else fill)
            value = value.restem() if fill is None else value
    return [value]


def _with_digit(value: Value, array_axis: int, digit: Digit) -> Value:
    return value.laid_out(tuple((digit,) if i == array_axis else old for i, old in enumerate(value.layout)))
