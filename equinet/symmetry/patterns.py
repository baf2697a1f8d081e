"""Tables of values, one per node of a field's grid, and the isometries that leave them as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

import numpy as np

from equinet.groups import Lattice, Matrix, SpaceGroup, Vector, axis_images, restriction
from equinet.groups.domain import Domain
from equinet.groups.relation import Relation
from equinet.symmetry.field import Field


def restrict_to_table(field: Field, table: np.ndarray) -> Field:
    """Keep only what leaves a table of values, one per node, as it is.

    Args:
        table: `[*sizes]`, equal integers for equal values; 1 along an axis where it is constant, and one period from
            node 0 on along an infinite one.
    """
    dim = field.grid.dim
    varying = [axis for axis in range(dim) if table.shape[axis] > 1]
    if not varying:
        return field
    action = field.action
    small = table.reshape([n for n in table.shape if n > 1])
    lattice_here, found = _symmetries(small, {restriction(b, varying) for (_, b), _ in action.operations} - {None})
    periods = field.grid.wrapped.periods
    rows = [_spread(row, varying, dim) for row in lattice_here.basis]
    rows += [tuple(int(i == j) for j in range(dim)) for i in range(dim) if i not in varying]
    lattice = Lattice.span([*rows, *periods.basis], dim)
    operations = []
    for b in sorted({b for (_, b), _ in action.operations}):
        shift = found.get(restriction(b, varying))
        if shift is not None:
            operations.append((b, _spread(shift, varying, dim)))
    return field.based(action.restrict_target(SpaceGroup(lattice, tuple(operations), periods)))


def _spread(vector: Vector, axes: Sequence[int], dim: int) -> Vector:
    wide = [0] * dim
    for value, axis in zip(vector, axes, strict=True):
        wide[axis] = value
    return tuple(wide)


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


def fix_axes(field: Field, axes: Collection[int]) -> Field:
    """Keep only what leaves every node in place along some axes."""
    return field.based(_fixed(field.action, field.grid, frozenset(axes))) if axes else field


@lru_cache(maxsize=1 << 10)  # each step of a loop asks the same again
def _fixed(action: Relation, grid: Domain, axes: frozenset[int]) -> Relation:
    units = [tuple(int(i == j) for j in range(grid.dim)) for i in range(grid.dim) if i not in axes]
    periods = grid.wrapped.periods
    lattice = Lattice.span([*units, *periods.basis], grid.dim)
    still = {b for (_, b), _ in action.operations if all(b[i][i] == 1 for i in axes)}
    group = SpaceGroup(lattice, tuple((b, (0,) * grid.dim) for b in sorted(still)), periods)
    return action.restrict_target(group)
