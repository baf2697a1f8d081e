"""Rules of concatenation and stacking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from equinet.groups.fibre import Fibre, concatenate
from equinet.infer.compat import Equation
from equinet.infer.join import join, mixed, with_constant
from equinet.infer.rows import retabled, strided, with_axis
from equinet.infer.rules.table import NoRule, rule
from equinet.infer.tables import Table, interleaved, stacked
from equinet.infer.values import Atom, Chosen, Constant, Digit, Ends, Value, same_number
from equinet.infer.views import MOST_AXES, freed, plain
from equinet.symmetry.field import Field
from equinet.symmetry.windows import FILL


@rule("concatenate")
def _concatenate(equation: Equation, arguments: Sequence[Atom | Ends]) -> list[Atom]:
    return [concatenated(arguments, equation.params["dimension"], equation.shapes[0])]


@rule("stack")
def _stack(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    at, shape = equation.params["axis"], equation.shapes[0]
    rows: list[Atom] = []
    for a in arguments:
        if isinstance(a, Value):
            rows.append(a.laid_out((*a.layout[:at], (), *a.layout[at:])))
        elif isinstance(a, Constant):
            rows.append(_with_new_axis(a, at))
        else:
            rows.append(a)
    return [concatenated(rows, at, shape)]


def _with_new_axis(constant: Constant, at: int) -> Constant:
    """A constant with one more axis, of size 1."""

    shape = (*constant.shape[:at], 1, *constant.shape[at:])
    varies = (*constant.varies[:at], False, *constant.varies[at:])
    return constant.mapped(lambda array: np.expand_dims(np.asarray(array), at), shape, varies)


def concatenated(parts: Sequence[Atom | Ends], at: int, shape: Sequence[int]) -> Value:
    """Arrays one after the other along an axis; at least one of them depends on the input."""
    parts = [p for p in parts if isinstance(p, Chosen) or 0 not in p.shape]
    whole = _between_ends(parts, at, shape) if any(isinstance(p, Ends) for p in parts) else None
    if whole is not None:
        return whole
    arguments = [p.value if isinstance(p, Ends) else p for p in parts]
    values = [a for a in arguments if isinstance(a, Value)]
    if any(isinstance(v.stem.fibre, Fibre) for v in values):
        return _fibres_beside(values, at)
    if any(isinstance(a, Chosen) for a in arguments):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    if len(values) == len(arguments) and (made := _woven(values, at)) is not None:
        return made
    values = [plain(value, at) for value in values]
    axes = {value.grid_axis(at) for value in values}
    if axes == {None}:
        return _beside(arguments, at, shape)
    replaced = iter(values)
    arguments = [next(replaced) if isinstance(a, Value) else a for a in arguments]
    made = _one_after_another([a for a in arguments if not isinstance(a, Chosen)], at, shape)
    return _apart(arguments, at, shape) if made is None else made


def _fibres_beside(values: Sequence[Value], at: int) -> Value:
    """Arrays beside each other whose channels operations move, each its own."""
    first = values[0]
    alike = at == len(first.layout) - 1 and all(v.layout[:at] == first.layout[:at] for v in values)
    if not alike or any(v.extents != first.extents or v.grid_axis(at) is not None for v in values):
        return concatenated([v.known(v.field.unmoved()) for v in values], at, _with_size(values, at))
    made = _counted(first)
    for other in values[1:]:
        more = _counted(other)
        made = made.joined(more, concatenate([made.fibre, more.fibre]), linear=True)
    layout = (*first.layout[:at], (Digit(sum(v.shape[at] for v in values)),))
    return first.known(made, layout)


def _with_size(values: Sequence[Value], at: int) -> tuple[int, ...]:
    shape = values[0].shape
    return (*shape[:at], sum(v.shape[at] for v in values), *shape[at + 1 :])


def _counted(value: Value) -> Field:
    """A value's field with its number of channels, unless it knows more of them."""
    field = value.field
    return field if isinstance(field.fibre, Fibre) else replace(field, fibre=value.shape[-1])


def _woven(values: Sequence[Value], at: int) -> Value | None:
    """Tables over one stem, stacked along a new axis: the offsets within blocks of nodes."""
    first = values[0]
    if len(values) == 1 or any(digits for digits in [value.layout[at] for value in values]):
        return None
    if any(v.token is not first.token or v.layout != first.layout for v in values):
        return None
    if first.dim == 0 or first.dim > MOST_AXES or len({v.kind == "max" for v in values}) > 1:
        return None
    if not all(same_number(v.fill, first.fill) for v in values):
        return None
    if len({v.extents for v in values}) > 1 or (first.kind == "max" and any(v.kind != "max" for v in values)):
        return None
    apart = {
        i for v in values for i, (one, two) in enumerate(zip(first.tables, v.tables, strict=True)) if not one.same(two)
    }
    if len(apart) > 1:
        return None
    (axis,) = apart or {0}
    if first.endless(axis) and len({v.tables[axis].pace for v in values}) > 1:
        return None
    if any(digit.stride != 1 for digit in first.digits_of(axis)) or len(first.digits_of(axis)) != 1:
        return None
    count = len(values)
    tables = list(first.tables)
    tables[axis] = interleaved([v.tables[axis].scaled(v.factor / first.factor) for v in values])
    layout = [tuple(replace(d, stride=count) if d.axis == axis else d for d in digits) for digits in first.layout]
    layout[at] = (Digit(count, axis),)
    extents = tuple(n * count if i == axis else n for i, n in enumerate(first.extents))
    canvas = list(first.canvas)
    if first.endless(axis):
        canvas[axis] = canvas[axis].read_as(first.tables[axis], tables[axis])
    else:
        canvas[axis] = canvas[axis].cut_into(extents[axis], first.extents[axis])
    kind = first.kind if all(v.kind == first.kind and v.factor == first.factor for v in values) else "sum"
    return replace(
        first,
        again=None,
        tables=tuple(tables),
        layout=tuple(layout),
        extents=extents,
        canvas=tuple(canvas),
        kind=kind,
    )


def _beside(arguments: Sequence[Atom], at: int, shape: Sequence[int]) -> Value:
    """Arrays one after the other along an axis that is free in all of them."""
    values = [plain(a, at) for a in arguments if isinstance(a, Value)]
    values = [v.laid_out(with_axis(v.layout, at, shape[at])) for v in values]
    made, *others = values
    for other in others:
        made = join(made, other, linear=True)
    if all(other.layout == values[0].layout for other in others) and made.layout == values[0].layout:
        places = zip(*(v.canvas for v in values), made.extents, strict=True)
        made = replace(made, canvas=tuple(first.common(rest, size) for first, *rest, size in places))
    for constant in arguments:
        if isinstance(constant, Constant):
            made = with_constant(made, _widened(constant, at, shape[at]), "affine")
    return mixed(made, "affine")


def _widened(constant: Constant, axis: int, size: int) -> Constant:
    """What a constant that fills a part of a free axis says of the whole of it, as far as symmetry goes."""
    shape = tuple(size if i == axis else n for i, n in enumerate(constant.shape))
    varies = tuple(n > 1 if i == axis else v for i, (n, v) in enumerate(zip(shape, constant.varies, strict=True)))
    widths = [(0, size - n) if i == axis else (0, 0) for i, n in enumerate(constant.shape)]
    return constant.mapped(lambda array: np.pad(np.asarray(array), widths), shape, varies)


def _one_after_another(parts: Sequence[Value | Constant], at: int, shape: Sequence[int]) -> Value | None:
    """Pieces of one stem, and constants, one after the other along a grid axis: again a table over that stem."""
    values = [p for p in parts if isinstance(p, Value)]
    first = values[0]
    axis = first.grid_axis(at)
    if axis is None or first.dim > MOST_AXES:
        return None
    if first.endless(axis):
        return _between_ends(parts, at, shape)
    for v in values:
        alike = v.token is first.token and v.factor == first.factor and v.kind == first.kind
        if not alike or v.grid_axis(at) != axis or v.dim != first.dim:
            return None
        if any(not one.same(two) for i, (one, two) in enumerate(zip(first.tables, v.tables, strict=True)) if i != axis):
            return None
        if any(one != two for i, (one, two) in enumerate(zip(first.layout, v.layout, strict=True)) if i != at):
            return None
    fills = [v.fill for v in values if any(t.has_constants for t in v.tables)]
    tables = []
    for p in parts:
        if isinstance(p, Value):
            tables.append(p.tables[axis])
            continue
        if p.fill is None or first.kind != "gather" or first.factor != 1:
            return None
        fills.append(p.fill)
        tables.append(Table(np.full((p.shape[at], 1), FILL), np.ones((p.shape[at], 1))))
    if not all(same_number(fill, fills[0]) for fill in fills):
        return None
    if first.kind == "max":
        values_again = [p.again if isinstance(p, Value) else p for p in parts]
        again = None
        if all(p is not None for p in values_again):
            again = _one_after_another([p for p in values_again if p is not None], at, shape)
        first = replace(first, again=None)
    else:
        again = None
    made = tuple(stacked(tables) if i == axis else t for i, t in enumerate(first.tables))
    fill = fills[0] if fills else 0.0
    return replace(retabled(replace(first, fill=fill), at, axis, made, shape[at]), again=again)


def _between_ends(parts: Sequence[Atom | Ends], at: int, shape: Sequence[int]) -> Value | None:
    """On an infinite axis one part that is a view of all of it, or several that are so together; the others are padding
    that depends on its ends at most."""
    joined: list[tuple[int, Value | None, bool]] = []
    start = 0
    for p in parts:
        if isinstance(p, Chosen):
            return None
        one = p.value if isinstance(p, Ends) else p if isinstance(p, Value) else None
        last = joined[-1][1] if joined else None
        both = None if one is None or last is None else _continued(last, one, at)
        if both is not None:
            joined[-1] = joined[-1][0], both, joined[-1][2] or isinstance(p, Value)
        else:
            joined.append((start, one, isinstance(p, Value)))
        start += p.shape[at]
    inner = [(start, v) for start, v, is_inner in joined if v is not None and is_inner]
    if len(inner) != 1:
        return None
    [(start, whole)] = inner
    axis = whole.grid_axis(at)
    if axis is None or whole.dim > MOST_AXES or whole.is_partial(axis):
        return None
    return strided(whole, at, axis, -start, 1, shape[at])


def _continued(one: Value, two: Value, at: int) -> Value | None:
    """Two parts of one array along an infinite axis as one, if the second begins where the first ends."""
    axis = one.grid_axis(at)
    alike = one.token is two.token and one.kind == two.kind and one.factor == two.factor
    if axis is None or not alike or two.grid_axis(at) != axis or not one.endless(axis) or one.dim != two.dim:
        return None
    if any(a != b for i, (a, b) in enumerate(zip(one.layout, two.layout, strict=True)) if i != at):
        return None
    count = one.shape[at]
    for i, (a, b) in enumerate(zip(one.tables, two.tables, strict=True)):
        if not (a.strided(count, 1) if i == axis else a).same(b):
            return None
    return strided(one, at, axis, 0, 1, count + two.shape[at])


def _apart(parts: Sequence[Atom], at: int, shape: Sequence[int]) -> Value:
    """Different arrays one after the other along a grid axis: its nodes must stay where they are."""
    made: Value | None = None
    for part in parts:
        if isinstance(part, Value):
            free = freed(part, [at])
            free = free.laid_out(with_axis(free.layout, at, shape[at]))
            made = free if made is None else join(made, free, linear=True)
    assert made is not None
    for part in parts:
        if isinstance(part, Constant):
            made = with_constant(made, _widened(part, at, shape[at]), "affine")
    return mixed(made, "affine")
