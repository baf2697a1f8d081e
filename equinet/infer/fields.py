"""What inference does to fields that layers do not: axes that come and go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from equinet.groups import Lattice, Matrix, SpaceGroup, Vector, axis_images
from equinet.groups.domain import Domain
from equinet.groups.relation import Key, Relation, merge_operations
from equinet.groups.space_group import meet_cosets
from equinet.symmetry.field import Field
from equinet.symmetry.lines import Line
from equinet.symmetry.patterns import submatrix
from equinet.symmetry.polyphase import Phase
from equinet.symmetry.spans import Span, everything


def irregular(field: Field, axes: Sequence[bool]) -> Field:
    """The same field, with receptive fields that are unknown along some axes."""
    if not any(axes):
        return field
    spans = field.trace.spans
    return field.with_spans([replace(s, everything=s.everything or odd) for s, odd in zip(spans, axes, strict=True)])


def nothing(field: Field) -> Field:
    """A value without grid axes of which only the identity is known."""
    still = SpaceGroup.trivial(field.source.dim, field.source.periods)
    start = Field.input(field.source, 1)
    return start.based(start.action.restrict(still).forget_target(), (), Domain(())).with_spans(())


def permuted(field: Field, order: Sequence[int]) -> Field:
    """The same field with its grid axes in another order: new axis i is old axis `order[i]`."""
    if list(order) == list(range(field.grid.dim)):
        return field
    action, d = field.action, field.source.dim
    coordinates = [*range(d), *(d + i for i in order), *range(d + field.grid.dim, action.lattice.dim)]
    operations = []
    for (a, b), shift in action.operations:
        operations.append(((a, submatrix(b, order)), tuple(shift[i] for i in coordinates)))
    grid = Domain(tuple(field.grid.axes[i] for i in order))
    return _on(field, grid, action.lattice.project(coordinates), operations, [field.trace.spans[i] for i in order])


def _on(
    field: Field,
    grid: Domain,
    lattice: Lattice,
    operations: list[tuple[Key, Vector]],
    spans: Sequence[Span],
    variables: tuple[tuple[Phase, int], ...] | None = None,
) -> Field:
    """A field on another grid, given its action, and the phases of its parameters where they are others."""
    variables = field.variables if variables is None else variables
    lattice, merged = merge_operations(lattice, operations, len(variables))
    action = Relation(field.source.dim, grid.dim, lattice, merged, field.action.source_periods, grid.wrapped.periods)
    return field.based(action, variables, grid).with_spans(spans)


def forget_axes(field: Field, axes: Collection[int]) -> Field:
    """A symmetric function of all nodes along some axes: what moves these among themselves leaves it alone."""
    if not axes:
        return field
    kept = [i for i in range(field.grid.dim) if i not in axes]
    action, d = field.action, field.source.dim
    coordinates = [*range(d), *(d + i for i in kept), *range(d + field.grid.dim, action.lattice.dim)]
    operations = []
    for (a, b), shift in action.operations:
        if all((image in axes) == (axis in axes) for axis, (image, _) in enumerate(axis_images(b))):
            operations.append(((a, submatrix(b, kept)), tuple(shift[i] for i in coordinates)))
    grid = Domain(tuple(field.grid.axes[i] for i in kept))
    spans = everything([field.trace.spans[i] for i in kept])
    return _on(field, grid, action.lattice.project(coordinates), operations, spans)


def reflected(field: Field, axis: int, last: int) -> Field:
    """The nodes of one axis in reversed order: node i is node `last − i` of the field."""
    dim, d, action = field.grid.dim, field.source.dim, field.action

    def turned(vector: Vector, shift: int) -> Vector:
        made = list(vector)
        made[d + axis] = shift - made[d + axis]
        return tuple(made)

    lattice = Lattice.span([turned(row, 0) for row in action.lattice.basis], action.lattice.dim)
    operations = []
    for (a, b), shift in action.operations:
        # i ↦ c − i on this axis: conjugate A' by the reversal R, t' ↦ R t' + c − R A' R c.
        signs = [-1 if i == axis else 1 for i in range(dim)]
        flipped = tuple(tuple(signs[i] * signs[j] * b[i][j] for j in range(dim)) for i in range(dim))
        moved = [signs[i] * v for i, v in enumerate(shift[d : d + dim])]
        moved[axis] += last
        moved = [v - flipped[i][axis] * last for i, v in enumerate(moved)]
        operations.append(((a, flipped), (*shift[:d], *moved, *shift[d + dim :])))
    return _on(field, field.grid, lattice, operations, field.trace.spans)


def natural_join(a: Field, b: Field, shared: Sequence[tuple[int, int]]) -> Field:
    """The product of two values that share some axes: axes of a, then those of b that are not shared.

    `(g, h)` is kept where h moves a as g does, and b as g does; along shared axes both alike.
    """
    d, at_b = a.source.dim, {j: i for i, j in shared}
    extra = [j for j in range(b.grid.dim) if j not in at_b]
    place = [at_b.get(j, a.grid.dim + (extra.index(j) if j in extra else 0)) for j in range(b.grid.dim)]
    dim = a.grid.dim + len(extra)
    variables = list(a.variables) + [v for v in b.variables if v not in a.variables]
    size = d + dim + len(variables)

    def lifted(field: Field, places: Sequence[int]) -> tuple[Lattice, dict[Key, Vector]]:
        where = [*range(d), *(d + p for p in places), *(d + dim + variables.index(v) for v in field.variables)]

        def wide(row: Vector) -> Vector:
            made = [0] * size
            for value, position in zip(row, where, strict=True):
                made[position] = value
            return tuple(made)

        units = [tuple(int(i == j) for j in range(size)) for i in range(size) if i not in where]
        lattice = Lattice.span([*map(wide, field.action.lattice.basis), *units], size)
        return lattice, {key: wide(shift) for key, shift in field.action.operations}

    first, mine = lifted(a, range(a.grid.dim))
    second, theirs = lifted(b, place)
    operations: list[tuple[Key, Vector]] = []
    for (matrix, one), shift in mine.items():
        for (other_matrix, two), other in theirs.items():
            joint = _joint(one, two, place, dim) if matrix == other_matrix else None
            met = None if joint is None else meet_cosets(first, shift, second, other)
            if joint is not None and met is not None:
                operations.append(((matrix, joint), met))
    grid = Domain((*a.grid.axes, *(b.grid.axes[j] for j in extra)))
    spans = [Span(everything=True)] * dim
    return _on(a, grid, first & second, operations, spans, tuple(variables))


def _joint(one: Matrix, two: Matrix, place: Sequence[int], dim: int) -> Matrix | None:
    """The operation that acts as `one` on the first axes and as `two` on the axes at `place`, if there is one."""
    images: dict[int, tuple[int, int]] = dict(enumerate(axis_images(one)))
    for axis, (image, sign) in enumerate(axis_images(two)):
        at, to = place[axis], (place[image], sign)
        if images.setdefault(at, to) != to:
            return None
    if sorted(image for image, _ in images.values()) != list(range(dim)):
        return None
    rows = [[0] * dim for _ in range(dim)]
    for column, (row, sign) in images.items():
        rows[row][column] = sign
    return tuple(tuple(row) for row in rows)


def same_lines(a: Field, b: Field) -> bool:
    """Whether two values are functions of the same windows of one base."""
    one, two = a.deferred, b.deferred
    if (one.variables, one.base, one.base_grid) != (two.variables, two.base, two.base_grid):
        return False
    if len(one.lines) != len(two.lines) or one.unmixed or two.unmixed:
        return False
    return all(_alike(mine, theirs) for mine, theirs in zip(one.lines, two.lines, strict=True))


def _alike(a: Line, b: Line) -> bool:
    """Whether two lines read the same nodes; constants may have other names, if only one name occurs in each."""
    if a is b:
        return True
    if a.terms != b.terms or not np.array_equal(a.weights, b.weights):
        return False
    names = [np.unique(line.codes[line.codes < 0]) for line in (a, b)]
    mine, theirs = (np.where(line.codes < 0, -1, line.codes) for line in (a, b))
    return max(map(len, names)) <= 1 and np.array_equal(mine, theirs)


def restrict_source(field: Field, other: Field) -> Field:
    """Keep only what leaves another value, that isometries do not move, as it is."""
    joined = natural_join(field, forget_axes(other, range(other.grid.dim)), [])
    return joined.with_spans(everything(field.trace.spans))
