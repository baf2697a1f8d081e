"""Rules of concatenation and stacking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from equinet.groups.fibre import concatenate
from equinet.infer.compat import Equation
from equinet.infer.digits import Digit, with_item
from equinet.infer.fields import of_channels
from equinet.infer.formulas import places
from equinet.infer.join import join, mixed, with_constant
from equinet.infer.ledger import Step, tells_nodes_apart
from equinet.infer.primitives import Primitive, enter
from equinet.infer.rows import strided
from equinet.infer.rules import spectra, tokens
from equinet.infer.values import Constant, Ends, Operand, Tokens, Value, one_axis_apart, same_number
from equinet.infer.views import MOST_AXES, freed, plain, retabled
from equinet.symmetry.tables import Table, interleaved, stacked


def _concatenate(equation: Equation, arguments: Sequence[Operand | Ends]) -> list[Value | Tokens]:
    at, shape = equation.params["dimension"], equation.shapes[0]
    result = concatenated(arguments, at, shape)
    axis = result.grid_axis(at) if at in result.moved_axes else None
    is_padding = axis is not None and result.endless(axis)
    beside = tokens.beside_nodes(arguments, at) if is_padding or at not in result.moved_axes else None
    if isinstance(beside, Tokens) and is_padding:
        return [result.also(beside)]
    if beside is not None:
        return [beside]
    if at == len(shape) - 1 and all(part.shape[at] == 1 for part in arguments):
        result.memo["columns"] = tuple(arguments)
    return [result]


def _stack(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    at = equation.params["axis"]
    return [concatenated([with_new_axis(a, at) for a in arguments], at, equation.shapes[0])]


def with_new_axis(part: Operand, at: int) -> Operand:
    """The same array with one more axis, of size 1."""
    if isinstance(part, Value):
        return part.laid_out((*part.layout[:at], (), *part.layout[at:]))
    shape = (*part.shape[:at], 1, *part.shape[at:])
    varies = (*part.varies[:at], False, *part.varies[at:])
    return part.mapped(lambda array: np.expand_dims(np.asarray(array), at), shape, varies)


def concatenated(parts: Sequence[Operand | Ends], at: int, shape: Sequence[int]) -> Value:
    """Arrays one after the other along an axis; at least one of them depends on the input.

    From the most exact answer to the least: what lies between the ends of an infinite axis; a table over one stem, its
    copies in turns or one after the other; channels beside each other; nodes of different arrays, which must stay where
    they are.
    """
    parts = [p for p in parts if 0 not in p.shape]
    if any(isinstance(p, Ends) for p in parts):
        between = _between_ends([plain(p, at) if isinstance(p, Value) else p for p in parts], at, shape)
        if between is not None:
            return between
    arguments = [p.value if isinstance(p, Ends) else p for p in parts]
    values = [a for a in arguments if isinstance(a, Value)]
    if not all(value.stem.fibre.is_plain for value in values):
        return _fibres_beside(values, at, shape)
    in_turns = _in_turns(values, at) if len(values) == len(arguments) else None
    if in_turns is not None:
        return in_turns
    arguments = [plain(a, at) if isinstance(a, Value) else a for a in arguments]
    if all(a.grid_axis(at) is None for a in arguments if isinstance(a, Value)):
        return _beside(arguments, at, shape)
    return _one_after_another(arguments, at, shape) or _apart(arguments, at, shape)


def _fibres_beside(values: Sequence[Value], at: int, shape: Sequence[int]) -> Value:
    """Arrays whose channels operations move, beside each other along the channels, each with its own."""
    first = values[0]
    alike = at == len(shape) - 1 and all(v.layout[:at] == first.layout[:at] for v in values)
    if not alike or any(v.extents != first.extents or v.grid_axis(at) is not None for v in values):
        return concatenated([v.known(v.field.unmoved()) for v in values], at, shape)
    whole, *others = (of_channels(v.field, v.shape[-1]) for v in values)
    for other in others:
        whole = whole.join(other, concatenate([whole.fibre, other.fibre]), linear=True)
    return first.known(whole, with_item(first.layout, at, (Digit(shape[at]),)))


def _in_turns(values: Sequence[Value], at: int) -> Value | None:
    """Tables over one stem, stacked along a new axis: node `f·i + o` of the result is node i of value o, of f values.

    That is one table over the stem if the values put the same number where they read none, and read different nodes
    along one grid axis at most. The offsets o are a digit of that axis.
    """
    first, count = values[0], len(values)
    is_new_axis = not any(value.layout[at] for value in values)
    if count == 1 or not is_new_axis or not 0 < first.dim <= MOST_AXES:
        return None
    axis, one_fill = one_axis_apart(values), all(same_number(v.fill, first.fill) for v in values)
    if axis is None or not one_fill or len({v.kind == "max" for v in values}) > 1:
        return None
    if [digit.stride for digit in first.digits_of(axis)] != [1]:
        return None
    table = interleaved([v.tables[axis].scaled(v.factor / first.factor) for v in values])
    layout = [tuple(replace(d, stride=count) if d.axis == axis else d for d in digits) for digits in first.layout]
    layout[at] = (Digit(count, axis),)
    extent, strip = first.extents[axis] * count, first.canvas[axis]
    if first.endless(axis):
        strip = strip.read_as(first.tables[axis], table)
    else:
        strip = strip.cut_into(extent, first.extents[axis])
    one_kind = all(v.kind == first.kind and v.factor == first.factor for v in values)
    return replace(
        first,
        maximum=None,
        tables=with_item(first.tables, axis, table),
        layout=tuple(layout),
        extents=with_item(first.extents, axis, extent),
        canvas=with_item(first.canvas, axis, strip),
        kind=first.kind if one_kind else "sum",
    )


def _beside(arguments: Sequence[Operand], at: int, shape: Sequence[int]) -> Value:
    """Arrays one after the other along an axis that is free in all of them."""
    values = [a.laid_out(with_item(a.layout, at, (Digit(shape[at]),))) for a in arguments if isinstance(a, Value)]
    whole, *others = values
    for other in others:
        whole = join(whole, other, linear=True)
    if all(v.layout == whole.layout for v in values):
        places = zip(*(v.canvas for v in values), whole.extents, strict=True)
        whole = replace(whole, canvas=tuple(first.common(rest, size) for first, *rest, size in places))
    return _with_constants(whole, arguments, at, shape[at])


def _with_constants(whole: Value, parts: Sequence[Operand], at: int, size: int) -> Value:
    """Arrays one after the other, and the constants among them, along an axis on which nothing moves."""
    for part in parts:
        if isinstance(part, Constant):
            whole = with_constant(whole, _widened(part, at, size), "affine")
    return mixed(whole, "affine")


def _widened(constant: Constant, axis: int, size: int) -> Constant:
    """What a constant that fills a part of a free axis says of the whole of it, as far as symmetry goes."""
    shape, varies = with_item(constant.shape, axis, size), with_item(constant.varies, axis, size > 1)
    widths = [(0, size - n) if i == axis else (0, 0) for i, n in enumerate(constant.shape)]
    return constant.mapped(lambda array: np.pad(np.asarray(array), widths), shape, varies)


def _one_after_another(parts: Sequence[Operand], at: int, shape: Sequence[int]) -> Value | None:
    """Pieces of one stem, and numbers, one after the other along a grid axis: a table over that stem too.

    So it is if all pieces are copies, sums or maxima of it with one factor, which differ in their rows along this axis
    alone, and all numbers are one number, the same that the pieces put where they read none.
    """
    values = [p for p in parts if isinstance(p, Value)]
    first = values[0]
    axis = first.grid_axis(at)
    if axis is None or first.dim > MOST_AXES:
        return None
    if first.endless(axis):
        return _between_ends(parts, at, shape)
    if not all(_continues(first, v, at, axis) for v in values):
        return None
    fills, tables = [v.fill for v in values if any(t.has_constants for t in v.tables)], []
    for p in parts:
        if isinstance(p, Value):
            tables.append(p.tables[axis])
            continue
        if p.fill is None or first.kind != "gather" or first.factor != 1:
            return None
        fills.append(p.fill)
        tables.append(Table.of_constants(p.shape[at]))
    if not all(same_number(fill, fills[0]) for fill in fills):
        return None
    stems = [v.maximum for v in values if v.maximum is not None] if first.kind == "max" else []
    maximum = _one_after_another(stems, at, shape) if stems and len(stems) == len(values) else None
    plainly = replace(first, maximum=None, fill=fills[0] if fills else 0.0)
    return replace(retabled(plainly, at, axis, stacked(tables), shape[at]), maximum=maximum)


def _continues(first: Value, other: Value, at: int, axis: int) -> bool:
    """Whether two tables over one stem differ in nothing but their rows along one array axis, a grid axis of both."""
    if (other.token, other.factor, other.kind, other.dim) != (first.token, first.factor, first.kind, first.dim):
        return False
    same_tables = with_item(other.tables, axis, first.tables[axis]) == first.tables
    same_layout = with_item(other.layout, at, first.layout[at]) == first.layout
    return other.grid_axis(at) == axis and same_tables and same_layout


def _between_ends(parts: Sequence[Operand | Ends], at: int, shape: Sequence[int]) -> Value | None:
    """Parts one after the other along an infinite axis, of which one is a view of all of it, or several are together.

    Whatever else there is depends on the ends of the axis at most: it is padding, and plays no part. None if there is
    no such view, or a second one.
    """
    runs: list[tuple[int, Value | None, bool]] = []  # where it starts, what it is, whether it has inner nodes
    start = 0
    for p in parts:
        value = p.value if isinstance(p, Ends) else p if isinstance(p, Value) else None
        longer = None if value is None or not runs or runs[-1][1] is None else _continued(runs[-1][1], value, at)
        if longer is not None:
            runs[-1] = runs[-1][0], longer, runs[-1][2] or isinstance(p, Value)
        else:
            runs.append((start, value, isinstance(p, Value)))
        start += p.shape[at]
    inner = [(start, value) for start, value, has_inner in runs if value is not None and has_inner]
    if len(inner) != 1:
        return None
    [(start, whole)] = inner
    axis = whole.grid_axis(at)
    if axis is None or whole.dim > MOST_AXES or whole.is_partial(axis):
        return None
    return strided(whole, at, axis, -start, 1, shape[at])


def _continued(one: Value, two: Value, at: int) -> Value | None:
    """Two parts of one array along an infinite axis as one, if the second begins where the first ends."""
    axis, count = one.grid_axis(at), one.shape[at]
    if axis is None or not one.endless(axis) or two.dim != one.dim:
        return None
    follows = _continues(one, two, at, axis) and one.tables[axis].strided(count, 1) == two.tables[axis]
    return strided(one, at, axis, 0, 1, count + two.shape[at]) if follows else None


def _apart(parts: Sequence[Operand], at: int, shape: Sequence[int]) -> Value:
    """Different arrays one after the other along a grid axis: its nodes must stay where they are."""
    loose = [freed(part, [at]) for part in parts if isinstance(part, Value)]
    whole, *others = (value.laid_out(with_item(value.layout, at, (Digit(shape[at]),))) for value in loose)
    for other in others:
        whole = join(whole, other, linear=True)
    return _with_constants(whole, parts, at, shape[at])


def _why_joined(step: Step) -> str:
    if tells_nodes_apart(step):
        return "joined with values that differ from node to node"
    if len(step.before) == 1 and step.constants:
        return "an array of its own lies beside nodes, as a class token does"
    return "different arrays lie one after the other"


enter(
    Primitive(
        "concatenate",
        _concatenate,
        places.joined,
        spectral=spectra.beside,
        tokens=tokens.joined,
        fibres="together",
        sees_ends=True,
        moves=True,
        reason=_why_joined,
    ),
    Primitive("stack", _stack, places.stacked, spectral=spectra.beside, moves=True),
)
