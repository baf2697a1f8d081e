"""What inference does to fields that layers do not: axes that come and go, and tables of values along them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from equinet.domain import Domain
from equinet.field import Field, Span
from equinet.groups import Lattice, Matrix, SpaceGroup, Vector, axis_images
from equinet.groups.homomorphism import Homomorphism, Key, merge_operations
from equinet.groups.space_group import meet_cosets
from equinet.lines import Line


def irregular(field: Field, axes: Sequence[bool]) -> Field:
    """The same field, with receptive fields that are unknown along some axes."""
    if not any(axes):
        return field
    spans = tuple(replace(span, everything=span.everything or odd) for span, odd in zip(field.spans, axes, strict=True))
    return replace(field, spans=spans)


def nothing(field: Field) -> Field:
    """A value without grid axes of which only the identity is known."""
    still = SpaceGroup.trivial(field.source.dim, field.source.periods)
    start = Field.input(field.source, 1)
    made = start.based(start.base.restrict(still).forget_target(), ())
    return replace(made, grid=Domain(()), lines=(), base_grid=Domain(()), spans=())


def permuted(field: Field, order: Sequence[int]) -> Field:
    """The same field with its grid axes in another order: new axis i is old axis `order[i]`."""
    if list(order) == list(range(field.grid.dim)):
        return field
    action, d = field.action, field.source.dim
    coordinates = [*range(d), *(d + i for i in order), *range(d + field.grid.dim, action.lattice.dim)]
    operations = []
    for (a, b), shift in action.operations:
        operations.append(((a, _submatrix(b, order)), tuple(shift[i] for i in coordinates)))
    grid = Domain(tuple(field.grid.axes[i] for i in order))
    return _on(field, grid, action.lattice.project(coordinates), operations, [field.spans[i] for i in order])


def _submatrix(matrix: Matrix, order: Sequence[int]) -> Matrix:
    return tuple(tuple(matrix[i][j] for j in order) for i in order)


def _on(
    field: Field, grid: Domain, lattice: Lattice, operations: list[tuple[Key, Vector]], spans: Sequence[Span]
) -> Field:
    """A field on another grid, given its action."""
    lattice, merged = merge_operations(lattice, operations, len(field.variables))
    action = Homomorphism(
        field.source.dim, grid.dim, lattice, merged, field.action.source_periods, grid.wrapped.periods
    )
    return replace(field, grid=grid, spans=tuple(spans)).based(action, field.variables)


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
            operations.append(((a, _submatrix(b, kept)), tuple(shift[i] for i in coordinates)))
    grid = Domain(tuple(field.grid.axes[i] for i in kept))
    spans = [replace(field.spans[i], everything=True) for i in kept]
    return _on(field, grid, action.lattice.project(coordinates), operations, spans)


def fix_axes(field: Field, axes: Collection[int]) -> Field:
    """Keep only what leaves every node in place along some axes."""
    if not axes:
        return field
    dim, action = field.grid.dim, field.action
    units = [tuple(int(i == j) for j in range(dim)) for i in range(dim) if i not in axes]
    periods = field.grid.wrapped.periods
    lattice = Lattice.span([*units, *periods.basis], dim)
    still = {b for (_, b), _ in action.operations if all(b[i][i] == 1 for i in axes)}
    group = SpaceGroup(lattice, tuple((b, (0,) * dim) for b in sorted(still)), periods)
    return field.based(action.restrict_target(group), field.variables)


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
    return _on(field, field.grid, lattice, operations, field.spans)


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
    made = replace(a, variables=tuple(variables), parts=None)
    return _on(made, grid, first & second, operations, spans)


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
    if a.variables != b.variables or a.base != b.base:
        return False
    if a.base_grid != b.base_grid or len(a.lines) != len(b.lines) or a.unmixed or b.unmixed:
        return False
    return all(_alike(mine, theirs) for mine, theirs in zip(a.lines, b.lines, strict=True))


def _alike(a: Line, b: Line) -> bool:
    """Whether two lines read the same nodes; constants may have other names, if only one name occurs in each."""
    if a is b:
        return True
    if (a.codes.shape, a.scale, a.maximum, a.ordered, a.advance, a.modulus) != (
        b.codes.shape,
        b.scale,
        b.maximum,
        b.ordered,
        b.advance,
        b.modulus,
    ):
        return False
    if not np.array_equal(a.weights, b.weights):
        return False
    names = [np.unique(line.codes[line.codes < 0]) for line in (a, b)]
    mine, theirs = (np.where(line.codes < 0, -1, line.codes) for line in (a, b))
    return max(map(len, names)) <= 1 and np.array_equal(mine, theirs)


def restrict_to_table(field: Field, table: np.ndarray) -> Field:
    """Keep only what leaves a table of values, one per node, as it is.

    Args:
        table: `[*sizes]`, equal integers for equal values; 1 along an axis where it is constant.
    """
    dim = field.grid.dim
    varying = [axis for axis in range(dim) if table.shape[axis] > 1]
    if not varying:
        return field
    if any(field.grid.axes[axis].size is None for axis in varying):
        return fix_axes(field, varying)
    action = field.action
    small = table.reshape([n for n in table.shape if n > 1])
    lattice_here, found = _symmetries(small, {_restriction(b, varying) for (_, b), _ in action.operations} - {None})
    periods = field.grid.wrapped.periods
    rows = [_spread(row, varying, dim) for row in lattice_here.basis]
    rows += [tuple(int(i == j) for j in range(dim)) for i in range(dim) if i not in varying]
    lattice = Lattice.span([*rows, *periods.basis], dim)
    operations = []
    for b in sorted({b for (_, b), _ in action.operations}):
        shift = found.get(_restriction(b, varying))
        if shift is not None:
            operations.append((b, _spread(shift, varying, dim)))
    return field.based(action.restrict_target(SpaceGroup(lattice, tuple(operations), periods)), field.variables)


def _restriction(matrix: Matrix, axes: Sequence[int]) -> Matrix | None:
    """What an operation does to some axes, if it keeps them among themselves."""
    if any((image in axes) != (axis in axes) for axis, (image, _) in enumerate(axis_images(matrix))):
        return None
    return _submatrix(matrix, axes)


def _spread(vector: Vector, axes: Sequence[int], dim: int) -> Vector:
    made = [0] * dim
    for value, axis in zip(vector, axes, strict=True):
        made[axis] = value
    return tuple(made)


def _symmetries(table: np.ndarray, matrices: Collection[Matrix | None]) -> tuple[Lattice, dict[Matrix | None, Vector]]:
    """All translations of a torus that leave a table as it is, and for each operation a shift with which it does."""
    dim = table.ndim
    steps = [_period(table, axis) for axis in range(dim)]
    cell = table[tuple(slice(step) for step in steps)]
    sizes = np.asarray(cell.shape)
    values, counts = np.unique(cell, return_counts=True)
    rare = np.argwhere(cell == values[counts.argmin()])
    rows = [tuple(step if i == axis else 0 for i in range(dim)) for axis, step in enumerate(steps)]

    def fits(matrix: np.ndarray) -> Iterator[Vector]:
        grid = np.indices(cell.shape).reshape(dim, -1)
        turned = matrix @ grid
        for place in rare:
            shift = (place - matrix @ rare[0]) % sizes
            moved = (turned + shift[:, None]) % sizes[:, None]
            if np.array_equal(cell[tuple(moved)], cell.ravel()):
                yield tuple(int(v) for v in shift)

    rows += list(fits(np.eye(dim, dtype=int)))
    found: dict[Matrix | None, Vector] = {}
    for matrix in matrices:
        if matrix is None:
            continue
        images = axis_images(matrix)
        if all(
            steps[axis] == steps[image] and table.shape[axis] == table.shape[image]
            for axis, (image, _) in enumerate(images)
        ):
            shift = next(fits(np.asarray(matrix)), None)
            if shift is not None:
                found[matrix] = shift
    return Lattice.span(rows, dim), found


def _period(table: np.ndarray, axis: int) -> int:
    size = table.shape[axis]
    for step in range(1, size):
        if size % step == 0 and np.array_equal(np.roll(table, step, axis), table):
            return step
    return size


def restrict_source(field: Field, other: Field) -> Field:
    """Keep only what leaves another value, that isometries do not move, as it is."""
    joined = natural_join(field, forget_axes(other, range(other.grid.dim)), [])
    return replace(joined, spans=tuple(replace(span, everything=True) for span in field.spans))
