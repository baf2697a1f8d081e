"""What inference does to fields that layers do not: axes that come and go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from equinet.groups import (
    Isometry,
    Lattice,
    Matrix,
    SpaceGroup,
    Vector,
    axis_images,
    identity_matrix,
    matrix_of,
    signed_permutations,
)
from equinet.groups.domain import Axis, Domain
from equinet.groups.fibre import Fibre
from equinet.groups.relation import Key, Relation, joint_parameters, pair_blocks
from equinet.groups.space_group import meet_cosets
from equinet.symmetry.field import Field
from equinet.symmetry.lines import NODE, Line
from equinet.symmetry.spans import Span, everything


def of_channels(field: Field, channels: int) -> Field:
    """The field of an array with so many channels: they move as its fibre says, if that is one of as many."""
    if not field.fibre.is_plain and field.channels == channels:
        return field
    return replace(field.unmoved(), fibre=Fibre.plain(channels))


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
    return start.based(start.action.restrict(still).forget_target(), Domain(())).with_spans(())


def _spans(field: Field) -> tuple[Span, ...]:
    """The spans of a value along its grid axes; a value that has lost its axes may still have those of the input."""
    return field.trace.spans if field.grid.dim else ()


def permuted(field: Field, order: Sequence[int]) -> Field:
    """The same field with its grid axes in another order: new axis i is old axis `order[i]`."""
    if list(order) == list(range(field.grid.dim)):
        return field
    grid = Domain(tuple(field.grid.axes[i] for i in order))
    return field.based(field.action.on_axes(order), grid).with_spans([field.trace.spans[i] for i in order])


def forget_axes(field: Field, axes: Collection[int]) -> Field:
    """A symmetric function of all nodes along some axes: what moves these among themselves leaves it alone."""
    if not axes:
        return field
    kept = [i for i in range(field.grid.dim) if i not in axes]
    grid = Domain(tuple(field.grid.axes[i] for i in kept))
    return field.based(field.action.on_axes(kept), grid).with_spans(everything([field.trace.spans[i] for i in kept]))


def with_axes(field: Field, axes: Sequence[Axis], uniform: Sequence[bool]) -> Field:
    """The same value with more grid axes after its own: along uniform ones it is the same all along, along the others
    its nodes stay in place.

    So where g moves the value by g′, it moves the new one by `g′ × h` for any isometry h of the uniform axes.
    """
    if not axes:
        return field
    action, dim = field.action, field.grid.dim
    grid = Domain((*field.grid.axes, *axes))
    blocks = pair_blocks(action.source_dim, grid.dim, len(action.parameters))

    def wide(row: Vector) -> Vector:
        t, tau, delta = (action.blocks.part(row, name) for name in ("t", "tau", "delta"))
        return blocks.row(t=t, tau=dict(enumerate(tau)), delta=delta)

    def beside(b: Matrix, images: Sequence[tuple[int, int]]) -> Matrix:
        return matrix_of((*axis_images(b), *((dim + image, sign) for image, sign in images)))

    def leaves(images: Sequence[tuple[int, int]]) -> bool:
        return all(
            (image, sign) == (i, 1) or (uniform[i] and uniform[image] and axes[i] == axes[image])
            for i, (image, sign) in enumerate(images)
        )

    free = [blocks.row(tau={dim + i: 1 if same else axes[i].size or 0}) for i, same in enumerate(uniform)]
    lattice = Lattice.span([*map(wide, action.lattice.basis), *free], blocks.dim)
    turns = [images for images in map(axis_images, signed_permutations(len(axes))) if leaves(images)]
    pairs = product(action.operations, turns)
    operations = tuple(((a, beside(b, turn)), wide(shift)) for ((a, b), shift), turn in pairs)
    relation = Relation(lattice, operations, action.source_periods, grid.wrapped.periods, action.parameters)
    return field.based(relation, grid).with_spans([*_spans(field), *(Span(everything=True) for _ in axes)])


def wound(field: Field, axis: int, count: int) -> Field:
    """A symmetric function of the nodes p ≡ c modulo a count along an infinite axis, for each c: an axis of so many
    nodes, wound around. Where node p moves to ±p + t, class c moves to ±c + t."""
    action, grid = field.action, field.grid
    keys = [key for key, _ in action.operations if axis_images(key[1])[axis][0] == axis]
    action = action.only(keys)
    turn = Lattice.span(action.blocks.rows(tau=[_step(grid.dim, axis, count)]), action.blocks.dim)
    periods = action.target_periods + Lattice.span([_step(grid.dim, axis, count)], grid.dim)
    relation = replace(action, lattice=action.lattice + turn, target_periods=periods)
    axes = (*grid.axes[:axis], Axis(count, "periodic"), *grid.axes[axis + 1 :])
    return field.based(relation, Domain(axes)).reading_all()


def unwound(field: Field, axis: int) -> Field:
    """A periodic axis as an infinite one, along which the nodes repeat: what moves node c to c′ moves all p ≡ c to
    nodes p′ ≡ c′, and a translation by all nodes of the former leaves the value as it is."""
    action, grid = field.action, field.grid
    keys = [key for key, _ in action.operations if axis_images(key[1])[axis][0] == axis]
    kept = [row for row in action.target_periods.basis if not row[axis]]
    relation = replace(action.only(keys), target_periods=Lattice.span(kept, grid.dim))
    axes = (*grid.axes[:axis], Axis(None, "infinite"), *grid.axes[axis + 1 :])
    return field.based(relation, Domain(axes)).reading_all()


def _step(dim: int, axis: int, count: int) -> Vector:
    return tuple(count * (i == axis) for i in range(dim))


def reflected(field: Field, axis: int, last: int) -> Field:
    """The nodes of one axis in reversed order: node i is node `last − i` of the field, so that it moves by r g' r
    where the field moves by g', r the reversal."""
    action, blocks, dim = field.action, field.action.blocks, field.grid.dim
    signs = tuple((i, -1 if i == axis else 1) for i in range(dim))
    reversal = Isometry(matrix_of(signs), tuple(last if i == axis else 0 for i in range(dim)))

    def conjugate(b: Matrix, row: Vector) -> tuple[Matrix, Vector]:
        t, tau, delta = (blocks.part(row, name) for name in ("t", "tau", "delta"))
        moved = reversal * Isometry(b, tau) * reversal
        return moved.matrix, blocks.row(t=t, tau=moved.whole_shift, delta=delta)

    rows = [conjugate(identity_matrix(dim), row)[1] for row in action.lattice.basis]
    operations = []
    for (a, b), shift in action.operations:
        flipped, moved = conjugate(b, shift)
        operations.append(((a, flipped), moved))
    result = field.based(replace(action, lattice=Lattice.span(rows, blocks.dim), operations=tuple(operations)))
    spans = field.trace.spans
    return result.with_spans([replace(s, everything=s.everything or i == axis) for i, s in enumerate(spans)])


def natural_join(a: Field, b: Field, shared: Sequence[tuple[int, int]]) -> Field:
    """The product of two values that share some axes: axes of a, then those of b that are not shared.

    `(g, h)` is kept where h moves a as g does, and b as g does; along shared axes both alike. So each action is written
    on the axes of the product, where it says nothing of the others, and the two are intersected.
    """
    at_b = {j: i for i, j in shared}
    extra = [j for j in range(b.grid.dim) if j not in at_b]
    place = [at_b[j] if j in at_b else a.grid.dim + extra.index(j) for j in range(b.grid.dim)]
    grid = Domain((*a.grid.axes, *(b.grid.axes[j] for j in extra)))
    names = joint_parameters(a.action, b.action)
    blocks = pair_blocks(a.source.dim, grid.dim, len(names))

    def spread(field: Field, places: Sequence[int]) -> tuple[Lattice, list[tuple[Key, Vector]]]:
        action = field.action.over(names)

        def wide(row: Vector) -> Vector:
            t, tau, delta = (action.blocks.part(row, name) for name in ("t", "tau", "delta"))
            return blocks.row(t=t, tau=dict(zip(places, tau, strict=True)), delta=delta)

        free = [blocks.row(tau={i: 1}) for i in range(grid.dim) if i not in places]
        lattice = Lattice.span([*map(wide, action.lattice.basis), *free], blocks.dim)
        return lattice, [(key, wide(shift)) for key, shift in action.operations]

    first, mine = spread(a, range(a.grid.dim))
    second, theirs = spread(b, place)
    operations: list[tuple[Key, Vector]] = []
    for ((matrix, one), shift), ((other_matrix, two), other) in product(mine, theirs):
        joint = _joint(one, two, place, grid.dim) if matrix == other_matrix else None
        coset = None if joint is None else meet_cosets(first, shift, second, other)
        if joint is not None and coset is not None:
            operations.append(((matrix, joint), coset))
    periods = a.action.source_periods, grid.wrapped.periods
    action = Relation(first & second, tuple(operations), *periods, names)
    beside = _spans(b)
    spans = [*_spans(a), *(beside[j] for j in extra)]
    return a.based(action, grid).with_spans(everything(spans))


def _joint(one: Matrix, two: Matrix, place: Sequence[int], dim: int) -> Matrix | None:
    """The operation that acts as `one` on the first axes and as `two` on the axes at `place`, if there is one."""
    images = dict(enumerate(axis_images(one)))
    for axis, (image, sign) in enumerate(axis_images(two)):
        at, to = place[axis], (place[image], sign)
        if images.setdefault(at, to) != to:
            return None
    if sorted(image for image, _ in images.values()) != list(range(dim)):
        return None
    return matrix_of(tuple(images[axis] for axis in range(dim)))


def same_lines(a: Field, b: Field) -> bool:
    """Whether two values are functions of the same windows of one base."""
    one, two = a.deferred, b.deferred
    if (one.base, one.base_grid) != (two.base, two.base_grid):
        return False
    if len(one.lines) != len(two.lines) or one.unmixed or two.unmixed:
        return False
    return all(_alike(mine, theirs) for mine, theirs in zip(one.lines, two.lines, strict=True))


def _alike(a: Line, b: Line) -> bool:
    """Whether two lines read the same nodes; constants may have other names, if only one name occurs in each."""
    if a is b:
        return True
    names = [np.unique(line.labels[line.labels < 0]) for line in (a, b)]
    if a.terms != b.terms or max(map(len, names)) > 1:
        return False
    mine, theirs = (np.maximum(line.labels, -1) for line in (a, b))
    return (mine == theirs).all() and bool((a.entries[..., NODE:] == b.entries[..., NODE:]).all())


def restrict_source(field: Field, other: Field) -> Field:
    """Keep only what leaves another value, that isometries do not move, as it is."""
    return natural_join(field, forget_axes(other, range(other.grid.dim)), [])
