"""Symmetric functions of all elements along some axes, whatever order they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from equinet.infer.digits import Digit, with_item
from equinet.infer.fields import forget_axes, wound
from equinet.infer.join import held, mixed
from equinet.infer.kernel import Kernel
from equinet.infer.values import Value
from equinet.infer.views import MOST_AXES, freed_axes, read_axis, renamed, unfolded
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
