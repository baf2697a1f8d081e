"""Rules of operations that move elements about: reshapes, transposes, slices, pads, concatenations, gathers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from jax.lax import GatherScatterMode

from equinet.fibre import Fibre, concatenate
from equinet.field import Field
from equinet.infer.compat import Equation
from equinet.infer.fields import fix_axes, reflected
from equinet.infer.join import join, mixed, pointwise, with_constant
from equinet.infer.rules.table import NoRule, rule
from equinet.infer.tables import Kernel, Table, continued, interleaved, stacked
from equinet.infer.values import Atom, Chosen, Constant, Cut, Digit, Layout, Spectrum, Strip, Value
from equinet.infer.views import MOST_AXES, freed, plain, read_axis, regrouped
from equinet.windows import FILL


def value_of(atom: Atom) -> Value:
    """An operand that depends on the input.

    Raises:
        NoRule: if it is a phase.
    """
    if not isinstance(atom, Value):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    return atom


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


def picked(value: Value, array_axis: int, rows: np.ndarray, fill: float = 0.0) -> Value:
    """Elements of an array axis by their numbers, `FILL` for a constant."""
    phase = _one_phase(value, array_axis, rows)
    if phase is not None:
        return phase
    if value.grid_axis(array_axis) is None:
        value = plain(value, array_axis)
    axis = value.grid_axis(array_axis)
    layout = tuple((Digit(len(rows)),) if i == array_axis else old for i, old in enumerate(value.layout))
    if axis is None:
        uniform = all(digit.uniform for digit in value.layout[array_axis]) and not (rows == FILL).any()
        if uniform:
            layout = tuple(
                (Digit(len(rows), uniform=True),) if i == array_axis else old for i, old in enumerate(layout)
            )
            return value.laid_out(layout)
        return mixed(value, "affine", layout)
    if value.endless(axis):
        made = _picked_endless(value, array_axis, axis, rows)
        return _held_rows(value, array_axis, axis, len(rows)) if made is None else made
    if value.dim > MOST_AXES:
        return picked(freed(value, [array_axis]), array_axis, rows, fill)
    value = _filled(value, fill) if (rows == FILL).any() else value
    again = None if value.again is None else picked(value.again, array_axis, rows, fill)
    tables = tuple(table.pick(rows) if i == axis else table for i, table in enumerate(value.tables))
    return replace(_retabled(replace(value, again=None), array_axis, axis, tables, len(rows)), again=again)


def _one_phase(value: Value, array_axis: int, rows: np.ndarray) -> Value | None:
    """One element of an array axis that is a part of a grid axis: every so many nodes of it. None if it is not that."""
    digits = value.layout[array_axis]
    if len(rows) != 1 or rows[0] == FILL or len(digits) != 1 or value.dim > MOST_AXES:
        return None
    [digit] = digits
    axis = digit.axis
    if axis is None or value.is_whole(digit):
        return None
    strip = value.canvas[axis]
    if value.endless(axis):
        if digit.stride != 1:
            return None
        kept = value.tables[axis].strided(int(rows[0]), digit.size)
        strip = strip.picked(int(rows[0]), digit.size)
    else:
        nodes = np.arange(value.extents[axis])
        kept = value.tables[axis].pick(nodes[nodes // digit.stride % digit.size == rows[0]])
    again = None
    if value.again is not None:
        again = _one_phase(value.again, array_axis, rows)
        if again is None:
            return None

    def closed_up(other: Digit) -> Digit:
        above = other.axis == axis and other.stride > digit.stride
        return replace(other, stride=other.stride // digit.size) if above else other

    layout = tuple((Digit(1),) if i == array_axis else tuple(map(closed_up, old)) for i, old in enumerate(value.layout))
    extents = tuple(n // digit.size if i == axis else n for i, n in enumerate(value.extents))
    tables = tuple(kept if i == axis else table for i, table in enumerate(value.tables))
    canvas = tuple(strip if i == axis else old for i, old in enumerate(value.canvas))
    return replace(value, tables=tables, layout=layout, extents=extents, canvas=canvas, again=again)


def _filled(value: Value, fill: float) -> Value:
    """The same value, ready to read a constant of the given value."""
    if value.fill != fill and any(table.has_constants for table in value.tables):
        value = value.restem()
    if value.factor != 1 or (value.kind == "sum" and fill) or (value.kind == "max" and fill >= 0):
        value = value.restem()
    return replace(value, fill=fill)


def _retabled(
    value: Value, array_axis: int, axis: int, tables: tuple[Table, ...], extent: int, strip: Strip | None = None
) -> Value:
    """The same value with another number of nodes along one axis, in the same strip of the input unless given."""
    whole = (Digit(extent, axis),)
    strip = value.canvas[axis].cut_into(extent, value.extents[axis]) if strip is None else strip
    layout = tuple(whole if i == array_axis else old for i, old in enumerate(value.layout))
    extents = tuple(extent if i == axis else n for i, n in enumerate(value.extents))
    canvas = tuple(strip if i == axis else old for i, old in enumerate(value.canvas))
    return replace(value, tables=tables, layout=layout, extents=extents, canvas=canvas)


def _held_rows(value: Value, array_axis: int, axis: int, count: int) -> Value:
    """Any rows along a grid axis, under what leaves all its nodes in place."""
    whole = (Digit(count, axis),)
    layout = tuple(whole if i == array_axis else old for i, old in enumerate(value.layout))
    extents = [count if i == axis else n for i, n in enumerate(value.extents)]
    return value.known(fix_axes(value.field, {axis}), layout, extents)


def _picked_endless(value: Value, array_axis: int, axis: int, rows: np.ndarray) -> Value | None:
    """Rows that stand for all of an infinite axis: they read its inner nodes in order, each or every so many of them.

    What they read of its ends is padding. None if they read the inner nodes otherwise, or leave some out.
    """
    inside = np.flatnonzero(value.inside(axis))
    here = np.flatnonzero(np.isin(rows, inside))
    if not here.size or value.dim > MOST_AXES:
        return None
    first, inner = int(here[0]), rows[here[0] : here[-1] + 1]
    # The step shows between inner rows; where there is but one, in all rows.
    steps = np.unique(np.diff(inner if len(inner) > 1 else rows))
    if len(steps) == 1 and steps[0] and FILL not in inner:
        step = int(steps[0])
        if not np.isin((inner[0] - step, inner[-1] + step), inside).any():
            return strided(value, array_axis, axis, int(inner[0]) - step * first, step, len(rows))
    table = continued(Table(rows[:, None], np.ones((len(rows), 1))), value.inside(axis))
    if table is None:
        return None
    value = value.restem()
    tables = tuple(table if i == axis else t for i, t in enumerate(value.tables))
    return _retabled(value, array_axis, axis, tables, len(rows))


def strided(value: Value, array_axis: int, axis: int, start: int, step: int, count: int) -> Value:
    """On an infinite axis: node i is node `start + step · i`."""
    if step < 0:
        strips = [s.picked(start, -1) if i == axis else s for i, s in enumerate(value.canvas)]
        turned = replace(value.known(reflected(value.field, axis, start)), canvas=tuple(strips))
        return strided(turned, array_axis, axis, 0, -step, count)
    again = None if value.again is None else strided(value.again, array_axis, axis, start, step, count)
    tables = tuple(t.strided(start, step) if i == axis else t for i, t in enumerate(value.tables))
    strip = value.canvas[axis].picked(start, step)
    return replace(_retabled(replace(value, again=None), array_axis, axis, tables, count, strip), again=again)


def _with_axis(layout: Layout, array_axis: int, size: int) -> Layout:
    return tuple((Digit(size),) if i == array_axis else old for i, old in enumerate(layout))


@rule("slice")
def _slice(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, shape = part_of(arguments[0]), equation.input_shape(0)
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(shape)
    for i, (start, limit, step) in enumerate(zip(starts, limits, steps, strict=True)):
        if (start, limit, step) != (0, shape[i], 1):
            value = cut(value, i, np.arange(start, limit, step))
    return [value]


@rule("split")
def _split(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, axis, start, made = part_of(arguments[0]), equation.params["axis"], 0, []
    for size in equation.params["sizes"]:
        made.append(cut(value, axis, np.arange(start, start + size)))
        start += size
    return made


@rule("rev")
def _reverse(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value = part_of(arguments[0])
    for i in equation.params["dimensions"]:
        value = cut(value, i, np.arange(value.shape[i])[::-1])
    return [value]


CUTS = ("slice", "split", "rev", "concatenate")
"""Operations whose rules take parts of arrays as what they are; any other sees arrays like any other."""


def part_of(atom: Atom | Cut) -> Value | Cut:
    """An operand that depends on the input, or a part of one.

    Raises:
        NoRule: if it is a phase.
    """
    return atom if isinstance(atom, Cut) else value_of(atom)


def cut(part: Value | Cut, array_axis: int, rows: np.ndarray) -> Value | Cut:
    """Elements of an array axis by their numbers: a `Cut`, if they do not stand for the infinite axis they are of."""
    if isinstance(part, Cut):
        if part.source is not None and part.axis == array_axis:
            return cut(part.source, array_axis, np.asarray(part.rows)[rows])
        made = cut(part.value, array_axis, rows)
        if isinstance(made, Cut):
            return Cut(made.value, part.at_ends or made.at_ends)
        return Cut(made, part.at_ends)
    axis = part.grid_axis(array_axis)
    if axis is None or not part.endless(axis) or _picked_endless(part, array_axis, axis, rows) is not None:
        return picked(part, array_axis, rows)
    at_ends = not part.inside(axis)[rows[rows != FILL]].any()
    return Cut(picked(part, array_axis, rows), at_ends, part, array_axis, tuple(rows.tolist()))


@rule("pad")
def _pad(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, constant = arguments
    config = equation.params["padding_config"]
    if not isinstance(value, Value) or not isinstance(constant, Constant):
        raise NoRule("it pads with a value that depends on the input")
    fill = constant.scalar
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
            whole = _with_digit(value, i, Digit(len(rows), axis))
            value = read_axis(whole, axis, reading, len(rows), {}, "sum")
        else:
            value = picked(value, i, rows, float("nan") if fill is None else fill)
            value = value.restem() if fill is None else value
    return [value]


def _with_digit(value: Value, array_axis: int, digit: Digit) -> Value:
    return value.laid_out(tuple((digit,) if i == array_axis else old for i, old in enumerate(value.layout)))


@rule("concatenate")
def _concatenate(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
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


def concatenated(arguments: Sequence[Atom], at: int, shape: Sequence[int]) -> Value:
    """Arrays one after the other along an axis; at least one of them depends on the input."""
    arguments = [a for a in arguments if isinstance(a, Chosen) or 0 not in a.shape]
    if any(isinstance(a, Cut) for a in arguments):
        whole = _put_together(arguments, at, shape)
        if whole is not None:
            return whole
        arguments = [a.value if isinstance(a, Cut) else a for a in arguments]
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
    parts = [next(replaced) if isinstance(a, Value) else a for a in arguments]
    made = _one_after_another([p for p in parts if not isinstance(p, Chosen)], at, shape)
    return _apart(parts, at, shape) if made is None else made


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
    if any(v.token is not first.token or v.layout != first.layout or v.fill != first.fill for v in values):
        return None
    if first.dim == 0 or first.dim > MOST_AXES or len({v.kind == "max" for v in values}) > 1:
        return None
    if len({v.extents for v in values}) > 1 or (first.kind == "max" and any(v.kind != "max" for v in values)):
        return None
    apart = {
        i for v in values for i, (one, two) in enumerate(zip(first.tables, v.tables, strict=True)) if not one.same(two)
    }
    if len(apart) > 1:
        return None
    (axis,) = apart or {0}
    if any(digit.stride != 1 for digit in first.digits_of(axis)) or len(first.digits_of(axis)) != 1:
        return None
    count = len(values)
    tables = list(first.tables)
    tables[axis] = interleaved([v.tables[axis].scaled(v.factor / first.factor) for v in values])
    layout = [tuple(replace(d, stride=count) if d.axis == axis else d for d in digits) for digits in first.layout]
    layout[at] = (Digit(count, axis),)
    extents = tuple(n * count if i == axis else n for i, n in enumerate(first.extents))
    kind = first.kind if all(v.kind == first.kind and v.factor == first.factor for v in values) else "sum"
    return replace(first, again=None, tables=tuple(tables), layout=tuple(layout), extents=extents, kind=kind)


def _beside(arguments: Sequence[Atom], at: int, shape: Sequence[int]) -> Value:
    """Arrays one after the other along an axis that is free in all of them."""
    values = [plain(a, at) for a in arguments if isinstance(a, Value)]
    values = [v.laid_out(_with_axis(v.layout, at, shape[at])) for v in values]
    made = values[0]
    for other in values[1:]:
        made = join(made, other, linear=True)
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
    fills = {v.fill for v in values if any(t.has_constants for t in v.tables)}
    tables = []
    for p in parts:
        if isinstance(p, Value):
            tables.append(p.tables[axis])
            continue
        if p.scalar is None or first.kind != "gather" or first.factor != 1:
            return None
        fills.add(p.scalar)
        tables.append(Table(np.full((p.shape[at], 1), FILL), np.ones((p.shape[at], 1))))
    if len(fills) > 1:
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
    fill = fills.pop() if fills else 0.0
    return replace(_retabled(replace(first, fill=fill), at, axis, made, shape[at]), again=again)


def _between_ends(parts: Sequence[Atom], at: int, shape: Sequence[int]) -> Value | None:
    """On an infinite axis one part stands for all of it; the others are padding, if they depend on its ends at most."""
    values = [p for p in parts if isinstance(p, Value)]
    others = [p for p in parts if not isinstance(p, Value)]
    axis = values[0].grid_axis(at) if len(values) == 1 else None
    if axis is None or not values[0].endless(axis) or values[0].dim > MOST_AXES:
        return None
    if not all(isinstance(p, Constant) or (isinstance(p, Cut) and p.at_ends) for p in others):
        return None
    start = 0
    for p in parts:
        if isinstance(p, Value):
            break
        start += 0 if isinstance(p, Chosen) else p.shape[at]
    return strided(values[0], at, axis, -start, 1, shape[at])


def _put_together(parts: Sequence[Atom], at: int, shape: Sequence[int]) -> Value | None:
    """Parts that were cut out of one array along an infinite axis, one after the other."""
    if any(isinstance(p, Value) for p in parts):
        return _between_ends(parts, at, shape)
    sources = {id(p.source): p.source for p in parts if isinstance(p, Cut) and not p.at_ends}
    source = sources.popitem()[1] if len(sources) == 1 else None
    if source is None:
        return None
    rows: list[int] = []
    for p in parts:
        if isinstance(p, Chosen | Spectrum) or (isinstance(p, Cut) and p.source is source and p.axis != at):
            return None
        rows += p.rows if isinstance(p, Cut) and p.source is source else [FILL] * p.shape[at]
    made = cut(source, at, np.asarray(rows))
    return made if isinstance(made, Value) else None


def _apart(parts: Sequence[Atom], at: int, shape: Sequence[int]) -> Value:
    """Different arrays one after the other along a grid axis: its nodes must stay where they are."""
    made: Value | None = None
    for part in parts:
        if isinstance(part, Value):
            free = freed(part, [at])
            free = free.laid_out(_with_axis(free.layout, at, shape[at]))
            made = free if made is None else join(made, free, linear=True)
    assert made is not None
    for part in parts:
        if isinstance(part, Constant):
            made = with_constant(made, _widened(part, at, shape[at]), "affine")
    return mixed(made, "affine")


@rule("gather", "dynamic_slice")
def _gather(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    value, *indices = arguments
    if not isinstance(value, Value) or not all(isinstance(i, Constant) and i.array is not None for i in indices):
        return [_unordered(equation, arguments)]
    given = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    return [_moved(value, _places(equation, given), equation.shapes[0])]


@dataclass(frozen=True)
class _Places:
    """Where a gather reads along one axis of its operand: numbers, given along some axes of its result."""

    numbers: np.ndarray
    axes: Sequence[int]

    @property
    def varying(self) -> list[int]:
        """The axes of the result along which the numbers differ."""
        return [axis for i, axis in enumerate(self.axes) if (self.numbers != self.numbers.take([0], axis=i)).any()]

    def row(self, axis: int | None) -> np.ndarray:
        """The numbers along one axis of the result, at the first place of the others; without an axis, one number."""
        return np.atleast_1d(self.numbers[tuple(slice(None) if a == axis else 0 for a in self.axes)])


def _places(equation: Equation, indices: Sequence[np.ndarray]) -> list[_Places]:
    """Where a gather reads, for each axis of its operand.

    Raises:
        NoRule: if it reads out of bounds.
    """
    shape, sizes = equation.input_shape(0), equation.params["slice_sizes"]
    if equation.name == "dynamic_slice":
        starts = [np.clip(int(start), 0, n - size) for start, n, size in zip(indices, shape, sizes, strict=True)]
        return [
            _Places(start + np.arange(size), [at]) for at, (start, size) in enumerate(zip(starts, sizes, strict=True))
        ]
    numbers = equation.params["dimension_numbers"]
    inside = iter(numbers.offset_dims)
    outside = [axis for axis in range(len(equation.shapes[0])) if axis not in numbers.offset_dims]
    batched = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    components = {axis: at for at, axis in enumerate(numbers.start_index_map)}
    found = []
    for axis, (n, size) in enumerate(zip(shape, sizes, strict=True)):
        if axis in batched:
            found.append(_Places(np.arange(n), [outside[batched[axis]]]))
            continue
        starts, along = np.asarray(0), []
        if axis in components:
            starts, along = indices[0][..., components[axis]].astype(np.int64), outside
        if equation.params["mode"] == GatherScatterMode.CLIP:
            starts = np.clip(starts, 0, n - size)
        if ((starts < 0) | (starts > n - size)).any():
            raise NoRule("some of its indices are out of bounds")
        if axis in numbers.collapsed_slice_dims:
            found.append(_Places(starts, along))
        else:
            found.append(_Places(starts[..., None] + np.arange(size), [*along, next(inside)]))
    return found


def _along(row: np.ndarray, axis: int, rank: int) -> np.ndarray:
    return row.reshape([-1 if i == axis else 1 for i in range(rank)])


def _moved(value: Value, places: Sequence[_Places], shape: Sequence[int]) -> Value | Cut:
    """A copy of elements, given the place that each comes from, where each axis is indexed by itself."""
    varying = [read.varying for read in places]
    taken = [axis for axes in varying for axis in axes]
    if any(len(axes) > 1 for axes in varying) or len(set(taken)) != len(taken):
        return _shuffled(value, shape)
    old = value.shape
    sources: list[int | None] = [next(iter(axes), None) for axes in varying]
    for i, read in enumerate(places):
        if sources[i] is None and any(digit.axis is not None for digit in value.layout[i]):
            # One node, again and again, along an axis of the result that nothing else varies along.
            sources[i] = next((axis for axis in reversed(read.axes) if axis not in sources), None)
    changed = {
        i: row
        for i, (read, axis) in enumerate(zip(places, sources, strict=True))
        if not np.array_equal(row := read.row(axis), np.arange(old[i]))
    }
    if len(changed) == 1 and sources == list(range(len(shape))):
        [(i, row)] = changed.items()
        return cut(value, i, row)
    for i, row in changed.items():
        value = picked(value, i, row)
    spent = [i for i, axis in enumerate(sources) if axis is None]
    if any(digit.axis is not None for i in spent for digit in value.layout[i]):
        # One node alone was kept of these axes; it is there no more.
        value = freed(value, spent)
    layout: list[tuple[Digit, ...]] = [(Digit(n, uniform=True),) for n in shape]
    for i, axis in enumerate(sources):
        if axis is not None:
            layout[axis] = value.layout[i]
    return value.laid_out(tuple(layout))


def _shuffled(value: Value, shape: Sequence[int]) -> Value:
    """A copy of elements in another order: nothing that moves a node survives."""
    free = freed(value, list(range(len(value.layout))))
    return mixed(free, "affine", tuple((Digit(n),) for n in shape))


def _unordered(equation: Equation, arguments: Sequence[Atom]) -> Value:
    """A gather or scatter at places that depend on the input: all nodes are kept in place, in every operand."""
    made: Value | None = None
    shape = equation.shapes[0]
    for a in arguments:
        if isinstance(a, Chosen):
            raise NoRule("it is applied to the phase that a polyphase layer chose")
        if isinstance(a, Value):
            loose = _shuffled(a, shape)
            made = loose if made is None else join(made, loose, linear=False)
    assert made is not None
    return pointwise(made, "any")


_NEUTRAL = {"scatter-mul": 1.0, "scatter-min": 2.0**30, "scatter-max": -(2.0**30)}
"""What an operand holds where updates are tried out, so that they show as they are; 0 unless said otherwise."""


@rule("dynamic_update_slice", "scatter", "scatter-add", "scatter-mul", "scatter-min", "scatter-max")
def _scatter(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    operand, updates, indices = _scattered(equation, arguments)
    if isinstance(operand, Chosen) or isinstance(updates, Chosen):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    given = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    if len(given) < len(indices):
        return [_unordered(equation, arguments)]
    shape = equation.shapes[0]
    if isinstance(updates, Value):
        made = _placed(equation, updates, given, _fill(equation, operand))
        if isinstance(operand, Constant) and made is not None:
            return [made]
        made = _shuffled(updates, shape) if made is None else made
        made = join(operand, made, linear=False) if isinstance(operand, Value) else made
    elif isinstance(operand, Value) and isinstance(updates, Constant):
        made = operand
        if updates.array is not None:
            made = with_constant(made, Constant.of(tried(equation, updates.array, given)), "any")
        elif any(updates.varies):
            made = with_constant(made, Constant.arbitrary(shape), "any")
    else:
        raise NoRule("nothing that it moves depends on the input")
    return [pointwise(with_constant(made, Constant.of(touched(equation, given)), "any"), "any")]


def _fill(equation: Equation, operand: Atom) -> float | None:
    """What is where no update lands, and nothing else is: None if that is no number, or if updates change it."""
    if isinstance(operand, Value):
        return 0.0
    if not isinstance(operand, Constant) or operand.scalar is None:
        return None
    sets = equation.name in ("dynamic_update_slice", "scatter")
    return operand.scalar if sets or (equation.name == "scatter-add" and operand.scalar == 0) else None


def _placed(equation: Equation, updates: Value, indices: Sequence[np.ndarray], fill: float | None) -> Value | None:
    """Updates at the places they land at, a number elsewhere; None unless all land, each axis by itself."""
    given, shape = updates.shape, equation.shapes[0]
    if fill is None or len(given) != len(shape):
        return None
    lands = touched(equation, indices)
    if int(lands.sum()) != prod(given):
        return None
    for axis, size in enumerate(given):
        wide = np.broadcast_to(_along(np.arange(size) + 1, axis, len(given)), given)
        found = np.rint(np.real(tried(equation, wide, indices)).astype(np.float64)) - 1
        others = tuple(i for i in range(len(shape)) if i != axis)
        row = found.max(others, where=lands, initial=FILL).astype(np.int64)
        if not np.array_equal(np.sort(row[row != FILL]), np.arange(size)):
            return None
        if (lands & (found != _along(row, axis, len(shape)))).any():
            return None
        if not np.array_equal(row, np.arange(size)):
            updates = picked(updates, axis, row, fill)
    return updates


def touched(equation: Equation, indices: Sequence[np.ndarray]) -> np.ndarray:
    """Where an update at known places lands."""
    return tried(equation, np.asarray(3), indices) != _NEUTRAL.get(equation.name, 0.0)


def tried(equation: Equation, updates: np.ndarray, indices: Sequence[np.ndarray]) -> np.ndarray:
    """What known updates make of an operand that does not show."""
    slicing = equation.name == "dynamic_update_slice"
    wide = np.broadcast_to(updates, equation.input_shape(1 if slicing else 2))
    operand = np.full(equation.shapes[0], _NEUTRAL.get(equation.name, 0.0))
    arguments = [operand, wide, *indices] if slicing else [operand, *indices, wide]
    kinds = [var.aval.dtype for var in equation.inputs]
    cast = [np.asarray(a).astype(kind) for a, kind in zip(arguments, kinds, strict=True)]
    found = np.asarray(equation.run(cast)[0])
    return found if found.dtype.kind in "biufc" else found.astype(np.float32)


def _scattered(equation: Equation, arguments: Sequence[Atom]) -> tuple[Atom, Atom, list[Atom]]:
    if equation.name == "dynamic_update_slice":
        operand, updates, *indices = arguments
        return operand, updates, indices
    operand, index, updates = arguments
    return operand, updates, [index]
