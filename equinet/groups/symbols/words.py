"""Space groups in plain words, for those who do not read crystallographers' symbols."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from equinet.groups.symbols.plane import has_reflection
from equinet.groups.symbols.point import determinant, point_group_symbol
from equinet.groups.symbols.text import write_translations

if TYPE_CHECKING:
    from equinet.groups.real_group import RealGroup
    from equinet.groups.space_group import SpaceGroup

_TURNS = {1: "", 2: "half turns", 4: "quarter turns"}


def in_words(group: SpaceGroup | RealGroup) -> str:
    """What a group of isometries is made of.

    >>> from equinet import SpaceGroup
    >>> in_words(SpaceGroup.parse("8Z × 8Z"))
    'shifts by multiples of 8 along each axis'
    >>> in_words(SpaceGroup.parse("Z × Z ⋊ 4mm"))
    'every shift, quarter turns, mirrors'
    >>> from equinet import RealGroup
    >>> in_words(RealGroup.parse("R × R ⋊ 4mm")), in_words(RealGroup.parse("R × ½Z"))
    ('every real shift, quarter turns, mirrors', 'shifts by any real number along axis 0 and by multiples of 1/2 ...')
    """
    fine: Any = getattr(group, "fine", group)
    shifts = _shifts(fine, getattr(group, "denominator", 1), getattr(group, "real", ()))
    turns = _operations(fine)
    if not shifts and not turns:
        return "the identity alone"
    return ", ".join(part for part in (shifts, turns) if part)


_REAL = Fraction(-1)
"""In place of a step, where all real shifts are there."""
_EVERY = {Fraction(1): "every shift", _REAL: "every real shift"}
_ANY = {Fraction(1): "by any number", _REAL: "by any real number"}


def _shifts(group: SpaceGroup, unit: int, real: Sequence[int]) -> str:
    """The translations of a group on a grid of `unit` points a node, with all shifts along the real axes."""
    basis, dim = group.lattice.basis, group.dim
    if group.lattice == group.periods and not real:
        return ""
    if any(sum(v != 0 for v in row) > 1 for row in basis):
        return f"the shifts of the lattice spanned by {write_translations(group.lattice, unit, real)[1:-1]}"
    steps = [Fraction(next((abs(row[i]) for row in basis if row[i]), 0), unit) for i in range(dim)]
    periods = [Fraction(next((abs(row[i]) for row in group.periods.basis if row[i]), 0), unit) for i in range(dim)]
    steps = [Fraction(0) if step == period != 1 else step for step, period in zip(steps, periods, strict=True)]
    steps = [_REAL if axis in real else step for axis, step in enumerate(steps)]
    if len(set(steps)) == 1:
        where = " along each axis" if dim > 1 else ""
        return _EVERY.get(steps[0], f"shifts by multiples of {steps[0]}{where}")
    return "shifts " + " and ".join(
        f"{_ANY.get(step, f'by multiples of {step}')} along axis {axis}" for axis, step in enumerate(steps) if step
    )


def _operations(group: SpaceGroup) -> str:
    matrices = group.point_group
    if len(matrices) == 1:
        return ""
    if group.dim == 1:
        return "reversal"
    if group.dim > 2:
        return f"the {len(matrices)} operations of the point group {point_group_symbol(matrices)}"
    turns = sum(determinant(matrix) == 1 for matrix in matrices)
    reflects = [has_reflection(group.lattice, a, shift) for a, shift in group.operations if determinant(a) < 0]
    mirrors = (any(reflects) and "mirrors", not all(reflects) and "glides")
    return ", ".join(part for part in (_TURNS[turns], *mirrors) if part)
