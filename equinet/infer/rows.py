"""Elements of an array axis by their numbers: what a slice, a gather or a padding reads along it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equinet.infer.digits import Digit, with_item
from equinet.infer.fields import reflected
from equinet.infer.join import mixed
from equinet.infer.values import Ends, Value, same_number
from equinet.infer.views import MOST_AXES, freed, plain, retabled
from equinet.symmetry.patterns import fix_axes
from equinet.symmetry.tables import Table
from equinet.symmetry.windows import FILL


def picked(value: Value, array_axis: int, rows: np.ndarray, fill: float = 0.0) -> Value:
    """Elements of an array axis by their numbers, `FILL` for a constant.

    Along a grid axis a table of copies of its stem, which whatever follows may undo; of a maximum, of both its forms.
    Along a free axis a mixture of what is not moved. On more axes than windows are matched on, and in an order that is
    no view of an infinite axis, under what leaves all nodes in place.
    """
    phase = _one_phase(value, array_axis, rows)
    if phase is not None:
        return phase
    if value.grid_axis(array_axis) is None:
        value = plain(value, array_axis)
    axis = value.grid_axis(array_axis)
    if axis is None:
        uniform = all(digit.uniform for digit in value.layout[array_axis]) and not (rows == FILL).any()
        layout = with_item(value.layout, array_axis, (Digit(len(rows), uniform=uniform),))
        return value.laid_out(layout) if uniform else mixed(value, "affine", layout)
    if value.endless(axis):
        return _picked_endless(value, array_axis, axis, rows) or _held_rows(value, array_axis, axis, len(rows))
    if value.dim > MOST_AXES:
        return picked(freed(value, [array_axis]), array_axis, rows, fill)
    value = _filled(value, fill, axis) if (rows == FILL).any() else value
    maximum = None if value.maximum is None else picked(value.maximum, array_axis, rows, fill)
    table = value.tables[axis].pick(rows)
    return replace(retabled(replace(value, maximum=None), array_axis, axis, table, len(rows)), maximum=maximum)


def _one_phase(value: Value, array_axis: int, rows: np.ndarray) -> Value | None:
    """One element of an array axis that is a part of a grid axis: every so many nodes of it. None if it is not that.

    Where a digit d of size f and stride s is set to r, nodes r s + k (f s) + j with j < s are left. Digits of greater
    stride step over f times fewer of them.
    """
    digits = value.layout[array_axis]
    is_one_row = len(rows) == 1 and rows[0] != FILL
    if not is_one_row or len(digits) != 1 or value.dim > MOST_AXES:
        return None
    [digit] = digits
    axis = digit.axis
    # One block of all, as any row of an axis whose nodes are blocks, is picked from these.
    if axis is None or digit.stride == max(other.stride for other in value.digits_of(axis)):
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
    maximum = None
    if value.maximum is not None:
        maximum = _one_phase(value.maximum, array_axis, rows)
        if maximum is None:
            return None

    def closed_up(other: Digit) -> Digit:
        above = other.axis == axis and other.stride > digit.stride
        return replace(other, stride=other.stride // digit.size) if above else other

    return replace(
        value,
        tables=with_item(value.tables, axis, kept),
        layout=with_item([tuple(map(closed_up, old)) for old in value.layout], array_axis, (Digit(1),)),
        extents=with_item(value.extents, axis, value.extents[axis] // digit.size),
        canvas=with_item(value.canvas, axis, strip),
        maximum=maximum,
    )


def _filled(value: Value, fill: float, axis: int) -> Value:
    """The same value, ready to read a constant of the given value along an axis."""
    if not same_number(value.fill, fill) and any(table.has_constants for table in value.tables):
        value = value.restem()
    keeps_zero = same_number(fill, 0.0)
    if keeps_zero and value.factor < 0 and value.kind != "max":
        # A zero that is put beside the nodes has no sign of theirs.
        negative = with_item(value.tables, axis, value.tables[axis].scaled(-1.0))
        value = replace(value, factor=-value.factor, tables=negative, kind="sum")
    if (value.factor != 1 and not keeps_zero) or (value.kind == "sum" and fill) or (value.kind == "max" and fill >= 0):
        value = value.restem()
    return replace(value, fill=fill)


def _held_rows(value: Value, array_axis: int, axis: int, count: int) -> Value:
    """Any rows along a grid axis, under what leaves all its nodes in place."""
    layout = with_item(value.layout, array_axis, (Digit(count, axis),))
    return value.known(fix_axes(value.field, {axis}), layout, with_item(value.extents, axis, count))


def _picked_endless(value: Value, array_axis: int, axis: int, rows: np.ndarray) -> Value | None:
    """Rows that are a view of an infinite axis: its inner nodes in order, each or every so many of them.

    What they read of its ends is padding. None if they read inner nodes otherwise, or one node alone.
    """
    inside = value.inside(axis)
    if value.dim > MOST_AXES or len(rows) == 1:
        return None
    here = np.flatnonzero((rows != FILL) & inside[rows])
    first, inner = (int(here[0]), rows[here[0] : here[-1] + 1]) if here.size else (0, rows)
    # The step shows between inner rows; where there is but one, in all rows.
    steps = np.unique(np.diff(inner if len(inner) > 1 else rows))
    one_step = len(steps) == 1 and steps[0] != 0
    if one_step and FILL not in inner:
        step = int(steps[0])
        # Beyond what is read in order, other rows may take the place of inner nodes, of the array or of what it lacks.
        before, after = inner[0] - step * np.arange(1, first + 1), inner[-1] + step * np.arange(1, len(rows) - first)
        after = after[: len(rows) - first - len(inner)]
        replaced = np.concatenate([before, after])
        if not value.canvas[axis].inner(replaced).any():
            return strided(value, array_axis, axis, int(inner[0]) - step * first, step, len(rows))
    table = value.canvas[axis].continued(Table(rows[:, None], np.ones((len(rows), 1))), len(inside))
    if table is None:
        return None
    value = value.restem()
    return retabled(value, array_axis, axis, table, len(rows), value.canvas[axis].reading(*table.course))


def strided(value: Value, array_axis: int, axis: int, start: int, step: int, count: int) -> Value:
    """On an infinite axis: node i is node `start + step · i`."""
    if step < 0:
        strips = with_item(value.canvas, axis, value.canvas[axis].picked(start, -1))
        backward = replace(value.known(reflected(value.field, axis, start)), canvas=strips)
        return strided(backward, array_axis, axis, 0, -step, count)
    maximum = None if value.maximum is None else strided(value.maximum, array_axis, axis, start, step, count)
    table, strip = value.tables[axis].strided(start, step), value.canvas[axis].picked(start, step)
    return replace(retabled(replace(value, maximum=None), array_axis, axis, table, count, strip), maximum=maximum)


def part_of(part: Value | Ends, array_axis: int, rows: np.ndarray) -> Value | Ends:
    """Elements of an array axis by their numbers, which may be of the ends of an infinite axis alone."""
    if isinstance(part, Ends):
        return Ends(picked(part.value, array_axis, rows))
    if _one_phase(part, array_axis, rows) is None:
        part = plain(part, array_axis)
    axis = part.grid_axis(array_axis)
    at_ends = axis is not None and part.endless(axis) and not part.inside(axis)[rows[rows != FILL]].any()
    return Ends(picked(part, array_axis, rows)) if at_ends else picked(part, array_axis, rows)
