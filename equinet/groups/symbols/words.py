"""Space groups in plain words, for those who do not read crystallographers' symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equinet.groups.symbols.plane import has_reflection
from equinet.groups.symbols.point import determinant, point_group_symbol

if TYPE_CHECKING:
    from equinet.groups.space_group import SpaceGroup

_TURNS = {1: "", 2: "half turns", 4: "quarter turns"}


def in_words(group: SpaceGroup) -> str:
    """What a space group is made of.

    >>> from equinet import SpaceGroup
    >>> in_words(SpaceGroup.parse("8Z × 8Z"))
    'shifts by multiples of 8 along each axis'
    >>> in_words(SpaceGroup.parse("Z × Z ⋊ 4mm"))
    'every shift, quarter turns, mirrors'
    """
    shifts, turns = _shifts(group), _operations(group)
    if not shifts and not turns:
        return "the identity alone"
    return ", ".join(part for part in (shifts, turns) if part)


def _shifts(group: SpaceGroup) -> str:
    basis, dim = group.lattice.basis, group.dim
    if group.lattice == group.periods:
        return ""
    if any(sum(v != 0 for v in row) > 1 for row in basis):
        return f"the shifts of the lattice spanned by {', '.join(map(str, basis))}"
    steps = [next((abs(row[i]) for row in basis if row[i]), 0) for i in range(dim)]
    periods = [next((abs(row[i]) for row in group.periods.basis if row[i]), 0) for i in range(dim)]
    steps = [0 if step == period != 1 else step for step, period in zip(steps, periods, strict=True)]
    if len(set(steps)) == 1:
        where = " along each axis" if dim > 1 else ""
        return "every shift" if steps[0] == 1 else f"shifts by multiples of {steps[0]}{where}"
    return "shifts " + " and ".join(
        f"{'by any number' if step == 1 else f'by multiples of {step}'} along axis {axis}"
        for axis, step in enumerate(steps)
        if step
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
