"""A small program as a whole: isometries under which its output is the same formula, whatever its steps keep.

Rules judge one operation after another, and what one of them loses is lost, though a later one may not care: a maximum
of rolls does not tell which was first. So the output is evaluated as a formula (`formulas/`), for the input and for
the input moved by each of some isometries. Where both are one formula, but for where it stands, the isometry is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, product
from math import gcd
from typing import Any

import numpy as np

from equinet.groups import (
    Isometry,
    Matrix,
    SpaceGroup,
    Vector,
    axis_images,
    identity_matrix,
    inverse_matrix,
    matmul,
    matrix_of,
    signed_permutations,
)
from equinet.groups.domain import Axis, Domain
from equinet.groups.fibre import Fibre
from equinet.groups.lattice import Lattice
from equinet.groups.relation import Relation
from equinet.infer.arrays import channels_of, output_channels_of
from equinet.infer.compat import Equation, Program
from equinet.infer.formulas.operands import LEAD, IsComplex, Unfollowed
from equinet.infer.formulas.program import cost, evaluated, has_products, unknowns
from equinet.infer.formulas.residues import ROWS, Residues, drawn, negative
from equinet.infer.ledger import Step
from equinet.infer.values import Constant, Held, Tokens, Value
from equinet.infer.weights.final import judged
from equinet.infer.weights.states import Along, Nodes

MOST = 2.0**25
"""Numbers that may be made, for all isometries together, as `cost` counts them: some tenths of a second."""
_FEW = 4
"""Isometries that are tried of a filter though that takes up to four times as many numbers: enough for a quarter turn
and a mirror."""
_SHORT = 64
"""Operations of a short program; a longer one is a network, as a rule, and is tried if it is smaller by far. A filter,
which has neither weights of its own nor products of matrices, may be twice as long."""
_BATCH = 2
"""Isometries that are tried at once."""
_SHIFTS = 16
"""Shifts that are tried of each point operation, at most."""
_PLACES = 64
"""Places of the output that are tried for one node, at most."""


@dataclass(frozen=True)
class Traced:
    """A program of some parameters and one array, and how the array lies on a grid.

    Attributes:
        shapes: those of the parameters, then that of the array.
        layout: B, S and C, the axes of the array.
        output_layout: those of the output.
        generic: whether what it closes over is arbitrary.
        values: what the rules say of its variables.
        steps: its operations.
    """

    program: Program
    shapes: tuple[tuple[int, ...], ...]
    layout: str
    output_layout: str
    generic: bool
    values: Mapping[Any, Held]
    steps: Sequence[Step]


def widened(
    traced: Traced, source: Domain, output: Domain, known: Relation, moves: tuple[Fibre, Fibre] | None = None
) -> Relation:
    """What is known of how a program moves its output, and what its formulas show.

    Args:
        output: the grid of the output.
        known: pairs (g, g') that are known; g moves the source, g' the output.
        moves: how point operations move the channels of input and output, if they move any: only isometries with
            these operations are tried, and g moves the output by g' and its channels.
    """
    everything = source.group if moves is None else _with_operations(source.group, moves)
    # The output may be the same for isometries of its own, which only a short program is looked at for.
    alike = _is_short(traced) and output.dim > 0
    if not source.is_finite or known.parameters or (known.source == everything and not alike):
        return known
    left = affordable(traced)
    if left < 2:
        return known
    # Rules do not follow channels that move, and so do not say what is lost for good.
    allowed = within(traced, source, known.source) if moves is None else everything
    if allowed <= known.source and not alike:
        return known
    trial = Trial(traced, source, output, moves)
    try:
        still = Isometry.identity(source.dim)
        before = trial.nodes([still])[0]
        known = generated(known, [(still, h) for h in _fits(before, before, output, still.matrix)])
        for candidates in (_translations, turned):
            tried: set[Isometry] = set()
            # A few at a time, since those that are found may leave less to try.
            while batch := list(islice(candidates(source, allowed, known.source, tried), min(left, _BATCH))):
                found = zip(batch, trial.nodes(batch), strict=True)
                pairs = [(g, h) for g, after in found for h in images(before, after, output, g.matrix)]
                known, left = generated(known, pairs), left - len(batch)
                tried.update(batch)
    except Unfollowed:
        pass
    return known


def affordable(traced: Traced) -> int:
    """How many isometries may be tried of a program."""
    most = MOST if _is_short(traced) else MOST / 8
    each = max(ROWS * cost(traced.program, 4 * most), 1)
    few = min(_FEW, int(4 * most / each)) if _is_filter(traced) else 0
    return max(int(most / each), few) - 1


def _is_short(traced: Traced) -> bool:
    return len(traced.program.equations) <= _SHORT * (1 + _is_filter(traced))


def _is_filter(traced: Traced) -> bool:
    return len(traced.shapes) == 1 and not traced.generic and not has_products(traced.program)


def _with_operations(group: SpaceGroup, moves: tuple[Fibre, Fibre]) -> SpaceGroup:
    """The isometries whose point operations are those of some fibres; plain ones are of any group."""
    known = [set(fibre.group) for fibre in moves if not fibre.is_plain]
    kept = tuple((a, t) for a, t in group.operations if all(a in operations for operations in known))
    return SpaceGroup(group.lattice, kept, group.periods)


def within(traced: Traced, source: Domain, kept: SpaceGroup) -> SpaceGroup:
    """Isometries that are not lost for good; if a layout is odd, rules may say less than of what is made of it."""
    for var in reversed(judged(traced.program, len(traced.shapes) - 1, traced.generic, _nodes_of(traced.steps))):
        found = traced.values[var]
        value = found.nodes if isinstance(found, Tokens) else found
        if isinstance(value, Value) and not value.stem.variables and kept <= value.field.strict.source:
            return value.field.strict.source
    return source.group


def _nodes_of(steps: Sequence[Step]) -> Nodes:
    """Whether nodes lie along axes of what an operation reads."""
    by_equation: dict[int, list[Step]] = {}
    for step in steps:
        by_equation.setdefault(id(step.equation.eqn), []).append(step)

    def nodes(equation: Equation, axes: Sequence[int]) -> Along:
        found = by_equation.get(id(equation.eqn), [])
        kinds: list[Along] = [_nodes_along(value, axes) for step in found for value in step.before]
        return kinds[0] if kinds and kinds.count(kinds[0]) == len(kinds) else "some"

    return nodes


def _nodes_along(value: Value, axes: Sequence[int]) -> Along:
    layout = value.layout
    if any(axis >= len(layout) for axis in axes):
        return "some"  # of a number, which is spread over them
    over = {digit.axis for axis in axes for digit in layout[axis]} - {None}
    rest = {digit.axis for axis, digits in enumerate(layout) if axis not in axes for digit in digits}
    if not over:
        return "none"
    return "some" if over & rest else "all"


def _translations(
    source: Domain, allowed: SpaceGroup, kept: SpaceGroup, tried: Collection[Isometry]
) -> Iterator[Isometry]:
    """Shifts along one axis, or along two at once, that are not kept: steps of one node; after these, of divisors of
    the sizes."""
    axes = [i for i, axis in enumerate(source.axes) if axis.boundary == "periodic"]
    sizes = {i: source.axes[i].size or 1 for i in axes}
    steps = [{i: 1} for i in axes]
    steps += [{i: step} for i in axes for step in range(2, sizes[i]) if sizes[i] % step == 0]
    for i, j in combinations(axes, 2):
        common = gcd(sizes[i], sizes[j])
        one, two = sizes[i] // common, sizes[j] // common
        steps += [{i: s * one, j: t * s * two} for s in range(1, common) if common % s == 0 for t in (1, -1)]
    for step in steps:
        shift = tuple(step.get(i, 0) for i in range(source.dim))
        g = Isometry.translation(shift)
        if shift in allowed.lattice and shift not in kept.lattice and g not in tried:
            yield g


def turned(source: Domain, allowed: SpaceGroup, kept: SpaceGroup, tried: Collection[Isometry]) -> Iterator[Isometry]:
    """Point operations that are not kept, those of the highest order first, about the centre of the array; after these,
    with other shifts, of which no two differ by a translation that is kept."""
    spans = [_span(axis, i, kept.lattice) for i, axis in enumerate(source.axes)]
    others: list[Isometry] = []
    turns: set[Matrix] = set()
    for matrix, base in sorted(source.group.operations, key=lambda operation: _first(operation[0])):
        if matrix in kept.point_group or matrix not in allowed.point_group:
            continue
        reverses = zip(source.axes, _signs(matrix), strict=True)
        centre = [0 if axis.boundary == "bounded" else -(sign < 0) for axis, sign in reverses]
        moved = (Isometry(matrix, shift) for shift in _shifts(base, centre, spans, kept.lattice))
        first, *more = islice((g for g in moved if g in allowed), _SHIFTS)  # one at least
        others += more
        if inverse_matrix(matrix) in turns:  # as good as tried
            others.append(first)
        elif first not in tried:
            yield first
        turns.add(matrix)
    yield from (g for g in others if g not in tried)


def _first(matrix: Matrix) -> tuple[int, int]:
    """Which point operations come first: turns of the highest order, and mirrors before others of their order."""
    return -_order(matrix), round(float(np.linalg.det(np.asarray(matrix))))


def _order(matrix: Matrix) -> int:
    """The least power that is the identity."""
    power, count = matrix, 1
    while power != identity_matrix(len(matrix)):
        power, count = matmul(power, matrix), count + 1
    return count


def _span(axis: Axis, at: int, kept: Lattice) -> range:
    """The shifts along an axis up to the least that is kept."""
    if axis.boundary != "periodic":
        return range(1)
    sizes = range(1, (axis.size or 1) + 1)
    return range(next(n for n in sizes if tuple(n * (i == at) for i in range(kept.dim)) in kept))


def _shifts(base: Vector, centre: Sequence[int], spans: Sequence[range], kept: Lattice) -> Iterator[Vector]:
    seen = set()
    for move in product(*spans):
        shift = tuple(b + c + m for b, c, m in zip(base, centre, move, strict=True))
        if kept.reduce(shift) not in seen:
            seen.add(kept.reduce(shift))
            yield shift


def _signs(matrix: Matrix) -> list[int]:
    signs = [1] * len(matrix)
    for image, sign in axis_images(matrix):
        signs[image] = sign
    return signs


@dataclass(frozen=True)
class Trial:
    """A program, the grids of its input and output, and how operations move the channels of both."""

    traced: Traced
    source: Domain
    output: Domain
    moves: tuple[Fibre, Fibre] | None

    def nodes(self, isometries: Sequence[Isometry]) -> np.ndarray:
        """A number for each node of the output, for the input moved by each isometry: `[isometries, *grid]`."""
        try:
            with drawn(0, conjugate=False):
                return self._nodes(isometries)
        except IsComplex:
            found = np.uint64(0)
            for number in range(2):
                with drawn(number, conjugate=True):
                    found = found * np.uint64(0x9E3779B97F4A7C15) + self._nodes(isometries)
            return np.asarray(found)

    def _nodes(self, isometries: Sequence[Isometry]) -> np.ndarray:
        traced = self.traced
        *shapes, shape = traced.shapes
        *kinds, kind = (var.aval.dtype for var in traced.program.inputs)
        at = LEAD + traced.layout.index("S")
        x = unknowns("input", shape, kind)
        flat = x.reshape(*x.shape[:at], -1, *x.shape[at + self.source.dim :])
        cases = np.empty((ROWS, len(isometries), *flat.shape[LEAD:]), flat.dtype)
        for case, g in enumerate(isometries):
            moved = flat[:, 0] if self.moves is None else self._in_the_input(flat[:, 0], g)
            cases[:, case][(*(slice(None),) * (at - 1), self.source.index_map(g))] = moved
        given = enumerate(zip(shapes, kinds, strict=True))
        parameters = [unknowns(f"parameter {i}", one, kind) for i, (one, kind) in given]
        inputs = [*parameters, cases.reshape(ROWS, len(isometries), *shape)]
        (result,) = evaluated(traced.program, inputs, traced.generic, traced.values)
        if isinstance(result, Constant):
            raise Unfollowed("a constant")
        result = np.broadcast_to(result, (ROWS, len(isometries), *result.shape[LEAD:]))
        if self.moves is not None:
            back = [self._back_in_the_output(result[:, case], g) for case, g in enumerate(isometries)]
            result = np.stack(back, 1)
        return _per_node(result, self.output.dim, traced.output_layout)

    def _in_the_input(self, array: Residues, g: Isometry) -> Residues:
        """The input with its channels moved; all its nodes are along one axis."""
        assert self.moves is not None
        return _channels_moved(array, self.moves[0], g.matrix, channels_of(self.traced.layout, 1))

    def _back_in_the_output(self, array: Residues, g: Isometry) -> Residues:
        """The output with its channels moved as the inverse moves them."""
        assert self.moves is not None
        at = output_channels_of(self.traced.output_layout, self.source.dim, array.ndim - 1)
        return _channels_moved(array, self.moves[1], inverse_matrix(g.matrix), at)


def _channels_moved(array: Residues, fibre: Fibre, matrix: Matrix, axis: int | None) -> Residues:
    """An array `[rows, *shape]` whose channels an operation has moved, along an axis of its shape; if it has no such
    axis, it is one channel."""
    if fibre.is_plain:
        return array
    images = fibre(matrix)
    if axis is None:
        return negative(array) if images[0][1] < 0 else array
    result = np.empty_like(array)
    for channel, (image, sign) in enumerate(images):
        part = array.take(channel, 1 + axis)
        result[(*(slice(None),) * (1 + axis), image)] = negative(part) if sign < 0 else part
    return result


def _per_node(result: Residues, dim: int, layout: str) -> np.ndarray:
    """All that stands at one node as one number of 64 bits."""
    first = LEAD + layout.index("S")
    grid = range(first, first + dim)
    rest = [0, *(i for i in range(LEAD, result.ndim) if i not in grid)]
    turned = result.transpose(1, *grid, *rest)
    flat = turned.reshape(*turned.shape[: 1 + dim], -1)
    weights = np.random.default_rng(0).integers(1 << 62, size=flat.shape[-1], dtype=np.uint64)
    return (flat * (np.uint64(2) * weights + np.uint64(1))).sum(-1, dtype=np.uint64)


def images(before: np.ndarray, after: np.ndarray, grid: Domain, preferred: Matrix) -> Iterator[Isometry]:
    """Isometries of the output's grid that take one array of nodes to another: the identity, and one more."""
    if np.array_equal(before, after):
        yield Isometry.identity(grid.dim)
    yield from islice(_fits(before, after, grid, preferred), 1)


def _fits(before: np.ndarray, after: np.ndarray, grid: Domain, preferred: Matrix) -> Iterator[Isometry]:
    """All isometries of the output's grid, but for the identity, that take one array of nodes to another."""
    still = Isometry.identity(grid.dim)
    if not grid.dim or not np.array_equal(np.sort(before, None), np.sort(after, None)):
        return
    matrices = sorted(signed_permutations(grid.dim), key=lambda matrix: matrix != preferred)
    for matrix in matrices:
        base = grid.shift_of(matrix)
        if base is None:
            continue
        turned = _moved(before, matrix, base)
        values, counts = np.unique(turned, return_counts=True)
        rarest = values[counts.argmin()]
        start = np.argwhere(turned == rarest)[0]
        for place in np.argwhere(after == rarest)[:_PLACES]:
            step = [int(s) for s in place - start]
            if any(s and axis.boundary == "bounded" for s, axis in zip(step, grid.axes, strict=True)):
                continue
            found = Isometry(matrix, tuple(b + s for b, s in zip(base, step, strict=True)))
            if np.array_equal(np.roll(turned, step, range(grid.dim)), after) and found != still:
                yield found


def _moved(nodes: np.ndarray, matrix: Matrix, shift: Sequence[int]) -> np.ndarray:
    """Nodes moved by `p ↦ A p + t`, around the border."""
    images = axis_images(matrix)
    order = [next(i for i, (image, _) in enumerate(images) if image == axis) for axis in range(len(images))]
    turned = nodes.transpose(order)
    for axis, old in enumerate(order):
        if images[old][1] < 0:
            turned = np.roll(np.flip(turned, axis), 1, axis)
        turned = np.roll(turned, shift[axis], axis)
    return turned


def generated(known: Relation, pairs: Sequence[tuple[Isometry, Isometry]]) -> Relation:
    """The relation that some pairs and a known one generate."""
    if not pairs:
        return known
    d, dim = known.source_dim, known.source_dim + known.target_dim
    periods = Lattice.span(known.blocks.rows(t=known.source_periods.basis, tau=known.target_periods.basis), dim)

    def beside(a: Matrix, b: Matrix) -> Matrix:
        return matrix_of((*axis_images(a), *((d + image, sign) for image, sign in axis_images(b))))

    generators = [Isometry(beside(a, b), shift) for (a, b), shift in known.operations]
    generators += [Isometry.translation(row) for row in known.lattice.basis]
    generators += [Isometry(beside(g.matrix, h.matrix), (*g.shift, *h.shift)) for g, h in pairs]
    group = SpaceGroup.generate(dim, generators, periods)
    operations = []
    for matrix, shift in group.operations:
        images = axis_images(matrix)
        a, b = images[:d], [(image - d, sign) for image, sign in images[d:]]
        operations.append(((matrix_of(tuple(a)), matrix_of(tuple(b))), shift))
    return replace(known, lattice=group.lattice, operations=tuple(operations))
