"""What is known of an array that may be one of several: a branch's, or that of some turn of a loop."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import numpy as np

from equinet.infer.bands.arithmetic import Known
from equinet.infer.bands.values import Nodes, Turning, as_turning, nothing
from equinet.infer.values import Constant
from equinet.symmetry.continuous import Band


def at_any_turn(value: Known) -> Known:
    """What is carried, without what holds of its numbers in the first turn only: those that count turns are any, and
    none that turn are known to be equal."""
    if isinstance(value, Constant):
        is_known = bool(value.shape) and value.array is not None
        return value if is_known else Constant.arbitrary(value.shape)
    return Turning.of(value.frequency, value.shifts, value.zero) if isinstance(value, Turning) else value


def covers(known: Known, found: Known) -> bool:
    """Whether what is found is at least what is known."""
    if isinstance(known, Nodes) and isinstance(found, Nodes):
        return known.axis == found.axis and _wider(known.band, found.band) == known.band
    if isinstance(known, Turning) and isinstance(found, Turning | Constant):
        merged = either(known, found)
        assert isinstance(merged, Turning)
        pairs = ((merged.frequency, known.frequency), (merged.shifts, known.shifts), (merged.zero, known.zero))
        return all(np.array_equal(one, two) for one, two in pairs)
    return isinstance(known, Constant) and isinstance(found, Constant) and _are_same(known, found)


def either(one: Known, two: Known) -> Known:
    """What is known of an array that may be either, by a choice that no shift changes."""
    if isinstance(one, Constant) and isinstance(two, Constant):
        return _some_constant(one, two)
    if isinstance(one, Constant) and isinstance(two, Nodes):
        one = _as_nodes(one, two)
    if isinstance(two, Constant) and isinstance(one, Nodes):
        two = _as_nodes(two, one)
    if isinstance(one, Nodes) and isinstance(two, Nodes) and one.axis == two.axis:
        return Nodes(one.shape, one.axis, _wider(one.band, two.band))
    if isinstance(one, Nodes) or isinstance(two, Nodes):
        return nothing(one.shape)
    one, two = as_turning(one), as_turning(two)
    shifts = np.gcd(np.gcd(one.shifts, two.shifts), np.where(one.zero | two.zero, 0, one.frequency - two.frequency))
    return Turning.of(np.where(one.zero, two.frequency, one.frequency), shifts, one.zero & two.zero)


def _are_same(known: Constant, found: Constant) -> bool:
    """Whether a constant, which may be arbitrary, can be another one."""
    return known.array is None or (found.array is not None and np.array_equal(known.array, found.array))


def _some_constant(one: Constant, two: Constant) -> Known:
    """Arbitrary numbers count as finite, and as none that is 0."""
    if one.array is not None and _are_same(one, two):
        return one
    arrays = [each.array for each in (one, two) if each.array is not None]
    are_numbers = all(np.isfinite(array).all() and array.all() for array in arrays)
    return Constant.arbitrary(one.shape) if are_numbers else nothing(one.shape)


def _as_nodes(constant: Constant, like: Nodes) -> Known:
    """What is the same all around is nodes of functions that are constant."""
    return constant if constant.varies_among(like.axis) else Nodes(like.shape, like.axis, Band(like.band.size))


def _wider(one: Band, two: Band) -> Band:
    return one.join(two, product=False)


def choosing(which: Known) -> int:
    """The shifts that leave a choice as it is."""
    return 0 if isinstance(which, Constant) else int(np.gcd.reduce(as_turning(which).staying.reshape(-1)))


def chosen(value: Known, shifts: int) -> Known:
    """An array of which one thing is known, whichever it is, by a choice that some shifts leave as it is."""
    if not shifts:
        return value
    if isinstance(value, Nodes):
        return replace(value, band=replace(value.band, shifts=gcd(value.band.shifts, shifts), low=None))
    turning = as_turning(value)
    return Turning.of(turning.frequency, np.gcd(turning.shifts, shifts), turning.zero)
