"""Rules of operations that move elements about: reshapes, transposes, slices, pads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.constants import as_reshaped, as_spread, as_tiled, as_transposed
from equinet.infer.digits import Digit, free, with_item
from equinet.infer.formulas import places
from equinet.infer.join import held
from equinet.infer.kernel import Kernel
from equinet.infer.ledger import Step, has_border, shown
from equinet.infer.primitives import Formulas, NoRule, Primitive, Rule, enter, value_of
from equinet.infer.rows import part_of, picked
from equinet.infer.rules import spectra, tokens
from equinet.infer.values import Constant, Ends, Operand, Tokens, Value, same_number
from equinet.infer.views import MOST_AXES, freed, read_axis, regrouped
from equinet.symmetry.windows import FILL


def _reshape(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value, shape = value_of(arguments[0]), equation.shapes[0]
    if equation.order is not None:
        value = value.laid_out(tuple(value.layout[i] for i in equation.order))
    layout = regrouped(value.layout, shape)
    if layout is None:
        return [freed(value, list(range(len(value.layout)))).laid_out(free(*shape))]
    return [value.laid_out(layout)]


def _squeeze(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value, gone = value_of(arguments[0]), {d % len(equation.input_shape(0)) for d in equation.params["dimensions"]}
    return [value.laid_out(tuple(digits for i, digits in enumerate(value.layout) if i not in gone))]


def _transpose(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value = value_of(arguments[0])
    return [value.laid_out(tuple(value.layout[i] for i in equation.params["permutation"]))]


def _broadcast(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value, shape = value_of(arguments[0]), equation.shapes[0]
    layout: list[tuple[Digit, ...]] = [(Digit(n, uniform=True),) for n in shape]
    old = equation.input_shape(0)
    for i, at in enumerate(equation.params["broadcast_dimensions"]):
        if old[i] == shape[at]:
            layout[at] = value.layout[i]
    return [value.laid_out(tuple(layout))]


def _tile(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """An array so many times, one copy after the other: a digit more along each axis, along which it is the same."""
    value, counts = value_of(arguments[0]), equation.params["reps"]
    return [value.laid_out(tuple((Digit(n, uniform=True), *old) for n, old in zip(counts, value.layout, strict=True)))]


def _unstack(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    value, axis = value_of(arguments[0]), equation.params["axis"]
    parts = [picked(value, axis, np.asarray([at])) for at in range(len(equation.shapes))]
    return [part.laid_out((*part.layout[:axis], *part.layout[axis + 1 :])) for part in parts]


def _part(atom: Operand | Ends) -> Value | Ends:
    return atom if isinstance(atom, Ends) else value_of(atom)


def _slice(equation: Equation, arguments: Sequence[Operand | Ends]) -> list[Value | Ends]:
    value, shape = _part(arguments[0]), equation.input_shape(0)
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(shape)
    for i, (start, limit, step) in enumerate(zip(starts, limits, steps, strict=True)):
        if (start, limit, step) != (0, shape[i], 1):
            value = part_of(value, i, np.arange(start, limit, step))
    return [value]


def _split(equation: Equation, arguments: Sequence[Operand | Ends]) -> list[Operand | Ends]:
    value, axis, ends = _part(arguments[0]), equation.params["axis"], np.cumsum(equation.params["sizes"])
    return [
        part_of(value, axis, np.arange(end - size, end)) if size else Constant.empty(var.aval)
        for size, end, var in zip(equation.params["sizes"], ends, equation.outputs, strict=True)
    ]


def _reverse(equation: Equation, arguments: Sequence[Operand | Ends]) -> list[Value | Ends]:
    value = _part(arguments[0])
    for i in equation.params["dimensions"]:
        value = part_of(value, i, np.arange(value.shape[i])[::-1])
    return [value]


def _pad(equation: Equation, arguments: Sequence[Operand]) -> Sequence[Value | Tokens]:
    """A number before, after and between the entries along some axes; beside nodes that it would mark, as tokens."""
    result = _padded(equation, arguments)
    wide = [i for i, edges in enumerate(equation.params["padding_config"]) if any(edges)]
    beside = None if not wide or wide[0] in result.moved_axes else tokens.padded(equation, arguments)
    return [result] if beside is None else beside


def _padded(equation: Equation, arguments: Sequence[Operand]) -> Value:
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
            whole = with_item(value.layout, i, (Digit(len(rows), axis),))
            value = read_axis(value.laid_out(whole), axis, reading, len(rows), {}, "sum")
            value = (
                value if fill is not None and same_number(fill, 0.0) else value.known(value.field.rename_constants())
            )
        else:
            value = picked(value, i, rows, float("nan") if fill is None else fill)
            value = value.restem() if fill is None else value
    return value


def _why_cut(step: Step) -> str:
    strides = step.equation.params["strides"] or (1,)
    return f"stride {shown(strides)}" if max(strides) > 1 else "a part is cut out"


def _why_padded(step: Step) -> str:
    return "padding marks the border" if has_border(step) else ""


def _moving(name: str, rule: Rule, formula: Formulas, **facts: Any) -> Primitive:
    return Primitive(name, rule, formula, moves=True, **facts)


def _keeping(name: str, rule: Rule, formula: Formulas, **facts: Any) -> Primitive:
    """The row of what moves elements and loses none."""
    return _moving(name, rule, formula, quiet=True, **facts)


_NODES = "nodes become channels"
enter(
    _keeping(
        "reshape",
        _reshape,
        places.shaped,
        tokens=tokens.reshaped,
        spectral=spectra.reshaped,
        varies=as_reshaped,
        reason=_NODES,
    ),
    _keeping("squeeze", _squeeze, places.shaped, tokens=tokens.reshaped, spectral=spectra.reshaped, varies=as_reshaped),
    _keeping(
        "transpose",
        _transpose,
        places.transposed,
        tokens=tokens.transposed,
        spectral=spectra.transposed,
        varies=as_transposed,
    ),
    _keeping(
        "broadcast_in_dim", _broadcast, places.spread, tokens=tokens.spread, spectral=spectra.spread, varies=as_spread
    ),
    _keeping("tile", _tile, places.tiled, varies=as_tiled),
    _moving(
        "slice", _slice, places.sliced, tokens=tokens.sliced, spectral=spectra.sliced, sees_ends=True, reason=_why_cut
    ),
    _moving("split", _split, places.split, tokens=tokens.split, sees_ends=True, reason="a part is cut out"),
    _moving("unstack", _unstack, places.unstacked),
    _moving("rev", _reverse, places.turned, spectral=spectra.turned, sees_ends=True, reason="an axis is reversed"),
    _moving("pad", _pad, places.padded, tokens=tokens.padded, spectral=spectra.padded, reason=_why_padded),
)
