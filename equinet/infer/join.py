"""Joins: functions of several arrays, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from equinet.infer.digits import Digit, Layout, with_item
from equinet.infer.fields import natural_join, same_lines, unwound
from equinet.infer.values import Constant, Operand, Value, named
from equinet.infer.views import MOST_AXES, as_nodes, freed, freed_axes, refined, repeated, unfolded
from equinet.symmetry.field import Field
from equinet.symmetry.patterns import fix_axes, restrict_to_table
from equinet.symmetry.spans import Span, joined

How = Literal["linear", "affine", "monotone", "any"]
Cuts = list[tuple[list[Digit], list[Digit]]]


def pointwise(value: Value, how: How) -> Value:
    """One function of every element."""
    return value.known(value.field.pointwise(how))


def mixed(value: Value, how: Literal["linear", "affine", "any"], layout: Layout | None = None) -> Value:
    """A function of every node that mixes its free digits."""
    return value.known(value.field.pointwise(how, 1), layout)


def broadcast(value: Value, shape: Sequence[int]) -> Value:
    """An array as `lax` spreads it over the shape of another operand: scalars, and axes of size 1."""
    if value.shape == tuple(shape):
        return value
    if not value.layout:
        return value.laid_out(tuple((Digit(n, uniform=True),) for n in shape))
    sizes = zip(value.shape, value.layout, shape, strict=True)
    return value.laid_out(tuple((Digit(n, uniform=True),) if m == 1 < n else digits for m, digits, n in sizes))


def of_all(arguments: Sequence[Operand]) -> Value:
    """Any function of the entries of several arrays at one place; at least one of them depends on the input."""
    whole, *others = (a for a in arguments if isinstance(a, Value))
    for other in others:
        whole = join(whole, other, linear=False)
    for constant in arguments:
        if isinstance(constant, Constant):
            whole = with_constant(whole, constant, "any")
    return whole


def common_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that operands of one operation are spread over."""
    rank = max(len(shape) for shape in shapes)
    return tuple(max(sizes) for sizes in zip(*(shape for shape in shapes if len(shape) == rank), strict=True))


def with_constant(value: Value, constant: Constant, how: How) -> Value:
    """A function of an array and a constant, element by element.

    Args:
        how: the kind of function where the constant is the same for every node; and, for "monotone", every channel.
    """
    if not constant.shape:
        return pointwise(value, how)
    value = broadcast(value, common_shape([value.shape, constant.shape]))
    constant = spread(constant, value.shape)
    may_differ = any(constant.varies[i] for i in value.moved_axes)
    varies = varying(value, constant, look=may_differ or how == "monotone")
    if how == "monotone" and any(varies):
        how = "any"
    if any(varies[i] for i in value.moved_axes):
        value = value.known(restricted(value.field, value, constant))
    layout = tuple(
        tuple(replace(digit, uniform=False) if varies[i] and digit.uniform else digit for digit in digits)
        for i, digits in enumerate(value.layout)
    )
    return pointwise(value.laid_out(layout), how)


def spread(constant: Constant, shape: Sequence[int]) -> Constant:
    """A constant of the same rank, repeated along its axes of size 1."""
    if constant.shape == tuple(shape) or not constant.shape:
        return constant
    return constant.mapped(lambda array: np.broadcast_to(np.asarray(array), shape), shape, constant.varies)


def varying(value: Value, constant: Constant, *, look: bool = True) -> tuple[bool, ...]:
    """Per array axis, whether a constant that is laid out as a value varies along it; by its values if `look`.

    Along an infinite axis that it does away from the ends.
    """
    if not look:
        return constant.varies
    found = []
    for i, varies in enumerate(constant.varies):
        axis = value.grid_axis(i)
        inside = None if axis is None or not value.endless(axis) else value.inside(axis)
        found.append(varies and constant.varies_among(i, inside))
    return tuple(found)


def restricted(field: Field, value: Value, constant: Constant) -> Field:
    """Keep only what leaves a constant, laid out as a value is, as it is."""
    varies = varying(value, constant)
    axes = {digit.axis for i in value.moved_axes if varies[i] for digit in value.layout[i] if digit.axis is not None}
    if constant.array is None:
        return fix_axes(field, axes)
    table = table_of(value, constant.array, axes)
    for axis in filter(value.endless, sorted(axes)):
        rows = named(np.moveaxis(table, axis, 0).reshape(table.shape[axis], -1))
        period = period_of(rows, value.inside(axis))
        if period is None:
            # Nodes along it stay, and the others must leave all that lies along it as it is.
            field = fix_axes(field, {axis})
            first = np.moveaxis(table, axis, -1)
            table = np.expand_dims(named(first.reshape(-1, first.shape[-1])).reshape(first.shape[:-1]), axis)
        else:
            table = table.take(period, axis)
    return restrict_to_table(field, table)


def period_of(row: np.ndarray, inside: np.ndarray) -> np.ndarray | None:
    """Which places along an infinite axis stand for one period of a row of values, the first of them for node 0.

    The least with which inner nodes repeat, at least twice; what is at the ends plays no part. None if there is none.
    """
    inner = np.flatnonzero(inside)
    for period in range(1, len(inner) // 2 + 1):
        if np.array_equal(row[inner[period:]], row[inner[:-period]]):
            return inner[:period][np.argsort(inner[:period] % period)]
    return None


def table_of(value: Value, array: np.ndarray, axes: set[int]) -> np.ndarray:
    """Per node of the grid an integer that says what values the array has there; of size 1 along other axes."""
    digits = [digit for digits in value.layout for digit in digits]
    wide = np.broadcast_to(array, value.shape).reshape([digit.size for digit in digits])
    order: list[int] = []
    sizes = []
    for axis in range(value.dim):
        mine = [i for i, digit in enumerate(digits) if digit.axis == axis]
        mine.sort(key=lambda i: -digits[i].stride)
        if axis in axes:
            order += mine
        sizes.append(value.extents[axis] if axis in axes else 1)
    # Along the axes it does not vary on, one node says it all: one in the middle, since there it may at the ends.
    middle = [d.size // 2 if d.axis is not None and d.axis not in axes else None for d in digits]
    wide = wide[tuple(slice(None) if at is None else slice(at, at + 1) for at in middle)]
    rest = [i for i in range(len(digits)) if i not in order]
    flat = wide.transpose(*order, *rest).reshape(prod(sizes), -1)
    return named(flat).reshape(sizes)


def join(a: Value, b: Value, *, linear: bool) -> Value:
    """A function of two arrays of one shape, element by element; a sum or difference if `linear`.

    An isometry moves it if it moves both arrays, and moves them alike where grid axes lie on each other. If they all
    do, that is an intersection of actions on one grid; of two readings of the same windows nothing is lost at all. If
    not, it is a natural join: grid axes of both, and along those they share both alike.
    """
    shape = common_shape([a.shape, b.shape])
    a, b, cuts, pairs = aligned(broadcast(a, shape), broadcast(b, shape))
    names = {theirs: mine for mine, theirs in pairs.items()}
    extra = [axis for axis in range(b.dim) if axis not in names]
    names |= {axis: a.dim + i for i, axis in enumerate(extra)}
    layout = tuple(tuple(_over(one, two, names) for one, two in zip(*cut, strict=True)) for cut in cuts)
    extents = (*a.extents, *(b.extents[axis] for axis in extra))
    strips = list(a.canvas)
    for mine, theirs in pairs.items():
        strips[mine] = strips[mine].common([b.canvas[theirs]], a.extents[mine])
    canvas = (*strips, *(b.canvas[axis] for axis in extra))
    one, two = a.field, b.field
    one_grid = a.dim == b.dim and all(names[axis] == axis for axis in range(b.dim))
    if not one_grid:
        return Value(natural_join(one, two, list(pairs.items())), extents, layout, canvas=canvas)
    if same_lines(one, two):
        opens = linear and not (one.deferred.closed or two.deferred.closed)
        both = (two if one.deferred.closed else one).with_spans(_spans_of_both(one, two))
        return Value(both.pointwise("affine" if opens else "any"), extents, layout, canvas=canvas)
    if one.fibre.is_plain and two.fibre.is_plain:
        two = replace(two, fibre=one.fibre)
    if len(one.trace.spans) != len(two.trace.spans):
        one, two = (f.with_spans(_spans_of_both(one, two)) for f in (one, two))
    both = one.join(two, linear=linear)
    return Value(both if linear else both.pointwise("any"), extents, layout, canvas=canvas)


def _spans_of_both(one: Field, two: Field) -> Sequence[Span]:
    """What a function of two values of one grid reads."""
    if len(one.trace.spans) != len(two.trace.spans):
        return [Span(everything=True)] * one.grid.dim
    return joined(one.trace.spans, two.trace.spans)


def _over(one: Digit, two: Digit, names: dict[int, int]) -> Digit:
    """The digit of a join where two digits lie on each other: that of a grid axis, if one is."""
    if one.axis is not None:
        return one
    if two.axis is not None:
        return replace(two, axis=names[two.axis])
    return replace(one, uniform=one.uniform and two.uniform, chooses=one.chooses or two.chooses)


@dataclass(frozen=True)
class _Pair:
    """Two values of one shape whose axes are cut alike, and which of their digits lie on each other."""

    a: Value
    b: Value
    cuts: Cuts

    @property
    def digits(self) -> list[tuple[Digit, Digit]]:
        """The digits that lie on each other."""
        return [pair for mine, theirs in self.cuts for pair in zip(mine, theirs, strict=True)]

    @property
    def obstacle(self) -> tuple[int, int] | None:
        """The first two grid axes that lie on each other and cannot be one; None if all can.

        Two are one axis if every digit of either lies on a digit of the other, of equal stride, and they are of one
        size and boundary. Then node i of one lies on node i of the other.
        """
        partner: dict[int, int] = {}
        back: dict[int, int] = {}
        for one, two in self.digits:
            if one.axis is None or two.axis is None:
                continue
            partners = partner.setdefault(one.axis, two.axis), back.setdefault(two.axis, one.axis)
            has_another = partners != (two.axis, one.axis)
            if has_another or one.stride != two.stride or not self._same_kind(one.axis, two.axis):
                return one.axis, two.axis
        for one, two in self.digits:
            # A part of an axis that lies on its partner, while this part lies on something else.
            if one.axis in partner and two.axis is None:
                return one.axis, partner[one.axis]
            if two.axis in back and one.axis is None:
                return back[two.axis], two.axis
        return None

    def _same_kind(self, mine: int, theirs: int) -> bool:
        one, two = self.a.stem.grid.axes[mine], self.b.stem.grid.axes[theirs]
        return one.boundary == two.boundary and self.a.extents[mine] == self.b.extents[theirs]

    def without(self, mine: int, theirs: int) -> tuple[Value, Value]:
        """The two with one of those axes spread over the other, or with blocks of those axes as channels, if that may
        help; else their nodes kept in place."""
        flat = [digit for cut in self.cuts for digit in cut[0]], [digit for cut in self.cuts for digit in cut[1]]
        wider = _spread_over(self.a, flat[0], mine, self.b, [cut[1] for cut in self.cuts], theirs)
        if wider is not None:
            return self.a, wider
        wider = _spread_over(self.b, flat[1], theirs, self.a, [cut[0] for cut in self.cuts], mine)
        if wider is not None:
            return wider, self.b
        a, b = unfolded(self.a, mine, _least(flat[0], mine)), unfolded(self.b, theirs, _least(flat[1], theirs))
        if a is None and b is None:
            return freed_axes(self.a, {mine}), freed_axes(self.b, {theirs})
        return a or self.a, b or self.b


def _least(digits: Sequence[Digit], axis: int) -> int:
    """The size of the least significant digit of a grid axis."""
    return min((digit for digit in digits if digit.axis == axis), key=lambda digit: digit.stride).size


def _spread_over(
    fine: Value, digits: Sequence[Digit], mine: int, coarse: Value, cuts: Sequence[list[Digit]], theirs: int
) -> Value | None:
    """A value on as many nodes as an axis of another one that it lies on, where it repeats: a table of copies.

    Node i of the axis has the digits `i // s % n`. If each lies on a digit of the coarse axis, of stride r, or on one
    along which the coarse value is the same, then that has at i what it has at node `Σ r (i // s % n)`.

    Args:
        digits: of the fine value, cut as those of the coarse one are.
        cuts: the digits of the coarse value, for each array axis.
    """
    count, below = fine.extents[mine], [digit for cut in cuts for digit in cut]
    pairs = [(one, two) for one, two in zip(digits, below, strict=True) if one.axis == mine]
    placed = [two for _, two in pairs if two.axis == theirs]
    repeats = all(two.axis == theirs or (two.axis is None and two.uniform) for _, two in pairs)
    is_all = prod(one.size for one, _ in pairs) == count and sum(two.axis == theirs for two in below) == len(placed)
    is_all = is_all and prod(two.size for two in placed) == coarse.extents[theirs]
    if not repeats or not is_all or len(placed) == len(pairs) or coarse.dim > MOST_AXES:
        return None
    if coarse.endless(theirs):
        return None
    nodes = np.arange(count)
    at = sum((nodes // one.stride % one.size * two.stride for one, two in pairs if two.axis == theirs), 0 * nodes)
    onto = iter(digits)
    layout = [
        tuple(replace(one, axis=theirs) if one.axis == mine else two for two, one in zip(cut, onto, strict=False))
        for cut in cuts
    ]
    if fine.endless(mine):
        repeats_in_order = np.array_equal(at, nodes % coarse.extents[theirs])
        if not repeats_in_order or coarse.stem.grid.axes[theirs].boundary != "periodic":
            return None
        canvas = with_item(coarse.canvas, theirs, fine.canvas[mine])
        extents = with_item(coarse.extents, theirs, count)
        return coarse.known(unwound(coarse.field, theirs), tuple(layout), extents, canvas=canvas)
    coarse = coarse.restem()
    return replace(
        coarse,
        maximum=None,
        tables=with_item(coarse.tables, theirs, coarse.tables[theirs].pick(at)),
        layout=tuple(layout),
        extents=with_item(coarse.extents, theirs, count),
        canvas=with_item(coarse.canvas, theirs, coarse.canvas[theirs].cut_into(count, coarse.extents[theirs])),
    )


def aligned(a: Value, b: Value) -> tuple[Value, Value, Cuts, dict[int, int]]:
    """Two values of one shape with their axes cut alike, and which grid axes lie on each other.

    Where a grid axis lies on something that is neither a grid axis nor uniform, its nodes are kept in place.
    """
    for i in range(len(a.layout)):
        if a.layout[i] != b.layout[i]:
            a, b = repeated(a, i), repeated(b, i)
            # Channels between nodes meet nodes: as nodes too.
            if a.grid_axis(i) is not None:
                b = as_nodes(b, i)
            elif b.grid_axis(i) is not None:
                a = as_nodes(a, i)
    pair = _cut(a, b)
    # Each round takes a digit or an axis from the grid, so there is a last one.
    while (obstacle := pair.obstacle) is not None:
        pair = _cut(*pair.without(*obstacle))
    digits = pair.digits
    places = {one.axis: two.axis for one, two in digits if one.axis is not None and two.axis is not None}
    mine = {one.axis for one, two in digits if one.axis is not None and two.axis is None and not two.uniform}
    theirs = {two.axis for one, two in digits if two.axis is not None and one.axis is None and not one.uniform}
    return held(pair.a, mine), held(pair.b, theirs), pair.cuts, places


def held(value: Value, axes: set[int]) -> Value:
    """The same value with the nodes along some grid axes kept in place."""
    return value.known(fix_axes(value.field, axes)) if axes else value


def _cut(a: Value, b: Value) -> _Pair:
    """Two values with the digits of each array axis cut at the same places; an axis that cannot be is free."""
    if a.shape != b.shape:
        raise ValueError(f"arrays of shapes {a.shape} and {b.shape} do not join element by element")
    while True:
        cuts = [refined(mine, theirs) for mine, theirs in zip(a.layout, b.layout, strict=True)]
        bad = [i for i, cut in enumerate(cuts) if cut is None]
        if not bad:
            return _Pair(a, b, [cut for cut in cuts if cut is not None])
        a, b = freed(a, bad), freed(b, bad)
