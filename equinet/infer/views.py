"""Views: how reshapes, transposes and broadcasts rearrange the digits of a value, and how to undo them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import gcd

import numpy as np

from equinet.infer.digits import Digit, Layout, with_item
from equinet.infer.fields import forget_axes
from equinet.infer.kernel import Kernel
from equinet.infer.strips import Strip
from equinet.infer.values import Tokens, Value
from equinet.symmetry.field import Reduce
from equinet.symmetry.patterns import fix_axes
from equinet.symmetry.tables import Table
from equinet.symmetry.windows import Nearest, Reading, Rolled, Shuffle


def regrouped(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """The layout of a reshaped array; None if an axis is cut where no digit can be.

    The digits of all axes, one after the other, are the digits of an entry's place in memory, which a reshape keeps.
    They are dealt out from the last one on: each axis takes digits until their sizes multiply to its own. A digit of
    size `m · n` may be cut into one of m and one of n.
    """
    digits = [digit for axis in layout for digit in axis]
    axes: list[tuple[Digit, ...]] = []
    for size in reversed(shape):
        kept: list[Digit] = []
        left = size
        while left > 1:
            if not digits:
                return None
            digit = digits.pop()
            if left % digit.size:
                common = gcd(left, digit.size)
                if common != left:
                    return None
                major, digit = digit.split(common)
                digits.append(major)
            kept.append(digit)
            left //= digit.size
        # A grid axis of one node: with an axis of size 1, or with what it is repeated along.
        if digits and digits[-1].size == 1 and (size == 1 or (kept and all(digit.uniform for digit in kept))):
            kept.append(digits.pop())
        axes.append(tuple(reversed(kept)))
    return tuple(reversed(axes))


def refined(a: Sequence[Digit], b: Sequence[Digit]) -> tuple[list[Digit], list[Digit]] | None:
    """Two views of one axis, cut at the same places; None if they cannot be."""
    left, right = list(a), list(b)
    mine: list[Digit] = []
    theirs: list[Digit] = []
    while left or right:
        one = left.pop() if left else Digit(1)
        two = right.pop() if right else Digit(1)
        if one.size != two.size:
            small = min(one.size, two.size)
            if max(one.size, two.size) % small or small == 1:
                return None
            if one.size > small:
                major, one = one.split(small)
                left.append(major)
            else:
                major, two = two.split(small)
                right.append(major)
        mine.insert(0, one)
        theirs.insert(0, two)
    return mine, theirs


def freed(value: Value, array_axes: Sequence[int]) -> Value:
    """Keep only what leaves every node in place along some array axes, which then are as free as channels."""
    axes = {digit.axis for i in array_axes for digit in value.layout[i] if digit.axis is not None}
    still = freed_axes(value, axes)
    merged = [(Digit(still.shape[i]),) if i in array_axes else digits for i, digits in enumerate(still.layout)]
    return still.laid_out(tuple(merged))


def freed_axes(value: Value, axes: set[int]) -> Value:
    """Keep only what leaves every node in place along some grid axes, which are grid axes no more."""
    if not axes:
        return value
    kept = [i for i in range(value.dim) if i not in axes]
    names = {old: new for new, old in enumerate(kept)}
    field = forget_axes(fix_axes(value.field, axes), axes)
    return value.known(field, renamed(value.layout, names), axes=kept)


def unmoved(value: Value) -> Value:
    """The same value under what moves no channel."""
    return value if value.stem.fibre.is_plain else value.known(value.field.unmoved())


def without_spare_axes(value: Value) -> Value:
    """The same value without grid axes that no array axis stands for: they have one node, which is not moved."""
    named = {digit.axis for digits in value.layout for digit in digits}
    return freed_axes(value, {axis for axis in range(value.dim) if axis not in named})


def without_tokens(tokens: Tokens) -> Value:
    """The same as an array like any other, in which nodes beside tokens stay in place."""
    value, cut = tokens.nodes, [i for i, pair in enumerate(tokens.beside) if any(pair)]
    value = freed_axes(value, {digit.axis for i in cut for digit in value.layout[i] if digit.axis is not None})
    sizes = zip(tokens.shape, value.layout, strict=True)
    return value.laid_out(tuple((Digit(n),) if i in cut else old for i, (n, old) in enumerate(sizes)))


def renamed(layout: Layout, names: Mapping[int, int]) -> Layout:
    """A layout in terms of other grid axes; digits of an axis without a name are free."""
    return tuple(
        tuple(
            digit
            if digit.axis is None
            else replace(digit, axis=names[digit.axis])
            if digit.axis in names
            else Digit(digit.size)
            for digit in digits
        )
        for digits in layout
    )


MOST_AXES = 3
"""Windows are matched on grids of up to so many axes; products of values may have more."""


def read_axis(
    value: Value,
    axis: int,
    reading: Reading,
    extent: int,
    digits: Mapping[Digit, tuple[Digit, ...]],
    reduce: Reduce,
) -> Value:
    """Apply a window system along one grid axis, with what becomes of the digits of that axis."""
    readings: list[Reading] = [reading if i == axis else Rolled(0) for i in range(value.dim)]
    field = value.field.read(readings, reduce)
    layout = tuple(tuple(new for digit in old for new in (digits.get(digit, (digit,)))) for old in value.layout)
    strip, extents = value.canvas[axis], with_item(value.extents, axis, extent)
    centred = strip.reading(*reading.course) if isinstance(reading, Kernel) else None
    strip = centred or strip.cut_into(extent, value.extents[axis])
    return value.known(field, layout, extents, canvas=with_item(value.canvas, axis, strip))


def retabled(value: Value, array_axis: int, axis: int, table: Table, extent: int, strip: Strip | None = None) -> Value:
    """The same value through another table along one grid axis, in the same strip of the input unless given.

    Args:
        extent: the number of nodes along the axis then, which is all of an array axis.
    """
    strip = value.canvas[axis].cut_into(extent, value.extents[axis]) if strip is None else strip
    return replace(
        value,
        tables=with_item(value.tables, axis, table),
        layout=with_item(value.layout, array_axis, (Digit(extent, axis),)),
        extents=with_item(value.extents, axis, extent),
        canvas=with_item(value.canvas, axis, strip),
    )


def plain(value: Value, array_axis: int) -> Value:
    """The same value with an array axis that is free, or one whole grid axis, so that a window may run over it.

    Blocks of nodes become channels, each offset with its own (space to depth), and channels become nodes (depth to
    space); where nothing better is known, only what leaves the nodes in place is kept. Of one value it is one value, so
    that its pieces are known to belong together.
    """
    if ("plain", array_axis) not in value.memo:
        value.memo["plain", array_axis] = _plain(value, array_axis)
    return value.memo["plain", array_axis]


def _plain(value: Value, array_axis: int) -> Value:
    digits = value.layout[array_axis]
    if all(digit.axis is None for digit in digits) or value.grid_axis(array_axis) is not None:
        return value
    nodes = as_nodes(value, array_axis)
    if nodes is not value:
        return nodes
    partial = [digit for digit in digits if digit.axis is not None and not value.is_whole(digit)]
    for digit in partial:
        channels = unfolded(value, digit.axis or 0)
        if channels is not None:
            return plain(channels, array_axis)
    return freed(value, [array_axis])


def repeated(value: Value, array_axis: int) -> Value:
    """The same value; where an array axis repeats the nodes of a grid axis (upsampling), these are its nodes."""
    digits = value.layout[array_axis]
    if len(digits) == 2 and digits[1].uniform:
        return as_nodes(value, array_axis)
    return value


def as_nodes(value: Value, array_axis: int) -> Value:
    """The same value; where channels lie between the nodes of a grid axis, or it is repeated, these are nodes."""
    if len(value.layout[array_axis]) != 2:
        return value
    major, minor = value.layout[array_axis]
    if major.uniform and value.is_whole(minor) and value.dim <= MOST_AXES and minor.axis is not None:
        return _tiled(value, array_axis, major.size, minor.axis)
    if major.axis is not None and minor.axis is None and value.is_whole(major) and value.dim <= MOST_AXES:
        factor, axis = minor.size, major.axis
        extent = value.extents[axis] * factor
        reading = Nearest(factor) if minor.uniform else Shuffle(factor, axis)
        layout = with_item(value.layout, array_axis, (Digit(extent, axis),))
        return read_axis(value.laid_out(layout), axis, reading, extent, {}, "sum")
    return value


def _tiled(value: Value, array_axis: int, count: int, axis: int) -> Value:
    """All nodes of a grid axis so many times, one copy after the other."""
    if value.endless(axis):
        return value
    value = value.restem()
    extent = value.extents[axis] * count
    table = value.tables[axis].pick(np.arange(extent) % value.extents[axis])
    return retabled(value, array_axis, axis, table, extent, value.canvas[axis])


def unfolded(value: Value, axis: int, factor: int | None = None) -> Value | None:
    """Blocks of a grid axis as channels, a label for each offset. None if the digits of the axis do not show blocks.

    Args:
        factor: the nodes of a block; those that the least significant digit counts, unless given.
    """
    first, *others = sorted(value.digits_of(axis), key=lambda digit: digit.stride)
    is_cut = factor is not None and factor < first.size
    factor = factor or first.size
    if first.stride != 1 or not (others or is_cut) or first.size % factor or value.extents[axis] % factor:
        return None
    if value.dim > MOST_AXES:
        return None
    reading = Kernel(factor, factor, 1, 1, 0, 0, Kernel.free(factor))
    above = (replace(first, size=first.size // factor),) if is_cut else ()
    coarser = {first: (*above, Digit(factor))}
    for digit in others:
        coarser[digit] = (replace(digit, stride=digit.stride // factor),)
    return read_axis(value, axis, reading, value.extents[axis] // factor, coarser, "taps")
