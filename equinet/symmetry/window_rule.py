"""Matching lines: the window rule, decided exactly.

The rule: (h, h') belongs to a layer's action iff the window of output `h'(i)` is `h` applied to the window of output
i, for every i. For products of axes it splits into one rule per pair of axes: an isometry that sends axis a to axis b
matches the rows of a's line with the rows of b's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce
from itertools import permutations, product
from operator import add

import numpy as np

from equinet.groups import Lattice, Matrix, Vector, axis_images, matrix_of, signed_permutations
from equinet.groups.domain import Axis, Domain
from equinet.groups.isometry import Images
from equinet.groups.relation import Key, Relation, pair_blocks
from equinet.symmetry.lines import LABEL, NODE, WEIGHT, Line, in_order, is_node

Signs = tuple[int, int]
Matches = dict[Signs, tuple[int, int]]


_FEW = 8
"""Shifts that are tried one by one: to look for likely ones takes longer."""


def _move(line: Line, sign: int, shift: int, rows: slice = slice(None)) -> np.ndarray:
    """Entries after the base nodes p are moved to `sign·p + shift`, in canonical order."""
    entries = line.entries[rows].copy()
    nodes = sign * entries[..., NODE] + shift
    entries[..., NODE] = np.where(is_node(entries), nodes % line.modulus if line.modulus else nodes, 0)
    return in_order(entries)


def _same(line: Line, sign: int, first: int, entries: np.ndarray) -> bool:
    """Whether rows `first`, `first + sign`, … of a line equal the given rows."""
    return np.array_equal(line.rows_from(first, sign), entries)


@lru_cache(maxsize=1 << 8)
def _factors(width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1 << 63, size=width, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _hash(values: np.ndarray) -> np.ndarray:
    """A number for each row of an array: the same for the same rows, and seldom for others."""
    flat = values.reshape(len(values), -1).astype(np.uint64)
    return flat @ _factors(flat.shape[1])


@lru_cache(maxsize=1 << 6)
def _row_numbers(line: Line) -> np.ndarray:
    """A number for each row, its content hashed."""
    return _hash(line.entries)


@lru_cache(maxsize=1 << 6)
def _rarest(line: Line) -> int:
    """A row whose content is among the rarest: few rows of another line can be its image."""
    _, first, counts = np.unique(_row_numbers(line), return_index=True, return_counts=True)
    return int(first[counts.argmin()])


def _marks(line: Line, sign: int) -> np.ndarray:
    """A number for each node of the base: which taps of what kind of rows read it, whatever their other nodes.

    A match that moves nodes by `sign·p + shift` moves these numbers alike.
    """
    # In a maximum over all rows a row counts once.
    rows = np.unique(_row_numbers(line), return_index=True)[1] if line.pooled == "set" else slice(None)
    entries = line.entries[rows]
    present, labels = is_node(entries), entries[..., LABEL]
    kind, tap = _hash(labels), _hash(np.arange(line.taps)[:, None])
    weight = _hash(entries[..., WEIGHT].reshape(-1, 1)).reshape(labels.shape)
    read = kind[:, None, None] + tap[:, None] + weight
    read = (read ^ (read >> np.uint64(29))) * (labels.astype(np.uint64) * np.uint64(2) + np.uint64(1))
    marks = np.zeros(line.modulus, np.uint64)
    np.add.at(marks, (sign * entries[..., NODE])[present] % line.modulus, read[present])
    return marks


def _shifts(a: Line, b: Line, sign: int, below: int) -> list[int]:
    """The shifts below a bound with which a's nodes can be moved to b's, in order; others cannot match.

    `b[p] = a[p − t]` for all p: an occurrence of one sequence in the other, written twice. So this is linear.
    """
    if below <= _FEW:
        return list(range(below))
    size, (marks, image) = a.modulus, (_marks(a, sign), _marks(b, 1))
    shifts = [0] if np.array_equal(marks, image) else []
    once, twice, width = image.tobytes(), np.tile(marks, 2).tobytes(), marks.itemsize
    at = twice.find(once, width * (size - below + 1))
    while 0 <= at < width * size:
        if at % width == 0:  # else it starts in the middle of a number
            shifts.append(size - at // width)
        at = twice.find(once, at + 1)
    return sorted(shifts)


def _anchor(entries: np.ndarray) -> int:
    """The first node of a row; 0 if it has none."""
    nodes = entries[is_node(entries)][:, NODE]
    return int(nodes[0]) if nodes.size else 0


def _images(a: Line, b: Line, sign: int, shift: int) -> list[Signs]:
    """The `(s', t')` with row `s' i + t'` of b equal to row i of a moved by `(sign, shift)`, on a finite axis.

    Of those that differ by a period of b's rows, one.
    """
    row = _rarest(a)
    [number] = _hash(_move(a, sign, shift, slice(row, row + 1)))
    places = np.flatnonzero(_row_numbers(b) == number)
    if not places.size:
        return []
    entries = _move(a, sign, shift)
    if a.pooled:
        return [(1, 0)] if _content(a, entries) == _content(b, b.entries) else []
    starts = {s: np.unique((places - s * row) % b.rows % _row_period(b)).tolist() for s in (1, -1)}
    return [(s, first) for s in starts for first in starts[s] if _same(b, s, first, entries)]


@lru_cache(maxsize=1 << 6)
def _row_period(line: Line) -> int:
    """After how many rows a line on a finite axis repeats itself."""
    numbers = _row_numbers(line)
    for period in _divisors(line.rows):
        if np.array_equal(numbers[period:], numbers[: line.rows - period]) and (
            period == line.rows or np.array_equal(line.entries[period:], line.entries[:-period])
        ):
            return period
    return line.rows


def _content(line: Line, entries: np.ndarray) -> list[bytes]:
    """The rows without their order, and for a maximum without their number."""
    rows = [row.tobytes() for row in entries]
    return sorted(set(rows) if line.pooled == "set" else rows)


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


@lru_cache(maxsize=1 << 13)
def match_axis(line: Line) -> tuple[Lattice, Matches]:
    """The window rule along one axis.

    Returns the lattice of the pairs of translations `(t, t')`, and for each pair of signs `(s, s')` one pair
    `(t, t')` such that `p ↦ s p + t` on the base axis moves the output as `i ↦ s' i + t'` (if there is one).
    """
    lattice = _infinite_lattice(line) if line.advance else _periodic_lattice(line)
    return lattice, _matches(line, line, lattice)


def _matches(a: Line, b: Line, translations: Lattice) -> Matches:
    """One match for each pair of signs, given the pairs of translations of b."""
    return _infinite_matches(a, b) if a.advance else _finite_matches(a, b, translations)


def _periodic_lattice(line: Line) -> Lattice:
    rows = [(line.modulus, 0), (0, line.rows if line.pooled else _row_period(line))]
    for t in [0, *_divisors(line.modulus)]:
        images = [first for s, first in _images(line, line, 1, t) if s == 1]
        rows += [(t, first) for first in images]
        if t and images:
            break
    return Lattice.span(rows, 2)


def _infinite_lattice(line: Line) -> Lattice:
    shifts = [_anchor(row) - _anchor(line.entries[0]) for row in line.entries]
    rows = [(t, first) for first, t in enumerate(shifts) if _same(line, 1, first, _move(line, 1, t))]
    return Lattice.span([(line.advance, line.rows), *rows], 2)


def _finite_matches(a: Line, b: Line, translations: Lattice) -> Matches:
    matches: Matches = {}
    step = (translations.project([0]).steps or (0,))[0] or 1
    for sign in (1, -1):
        for t in _shifts(a, b, sign, step):
            for s, first in _images(a, b, sign, t):
                matches.setdefault((sign, s), (t, first))
    return matches


def _infinite_matches(a: Line, b: Line) -> Matches:
    """Row 0 goes to some row, and its first node to that of the other, so few shifts can do it."""
    matches: Matches = {}
    for sign, first in product((1, -1), range(b.rows)):
        t = _anchor(b.entries[first]) - _anchor(_move(a, sign, 0)[0])
        if (sign, sign) not in matches and _same(b, sign, first, _move(a, sign, t)):
            matches[sign, sign] = (t, first)
    return matches


@lru_cache(maxsize=1 << 13)
def match_axes(a: Line, b: Line) -> Matches:
    """The window rule for isometries that send axis a to axis b, two equal axes with equal outputs."""
    return {} if a.ordered or a.terms != b.terms else _matches(a, b, match_axis(b)[0])


def fixes_nodes(axis: Axis) -> bool:
    """Whether reversing an axis moves no node, up to a shift: sizes 1 and, if periodic, 2."""
    return axis.size == 1 or (axis.boundary == "periodic" and axis.size == 2)


@lru_cache(maxsize=1 << 10)
def canonical_operations(grid: Domain) -> tuple[Images, ...]:
    """Point operations of a grid as `(image axis, sign)` per axis, one for each way to move its nodes."""
    possible = (matrix for matrix in signed_permutations(grid.dim) if grid.shift_of(matrix) is not None)
    return tuple(axis_images(a) for a in possible if canonical_matrix(grid, axis_images(a)) == a)


@lru_cache(maxsize=1 << 12)
def line_action(lines: tuple[Line, ...], base: Domain, out: Domain) -> Relation:
    """All pairs (g, g') of isometries of two grids, wrapped around, that satisfy the window rule along every axis.

    Only one representative is listed of the output isometries that move no node apart (see `canonical_operations`).
    """
    # A constant along one axis is a constant, whatever the other axes say.
    blank = next((line for line in lines if line.is_blank), None)
    if blank is not None:
        lines = tuple(line.blanked(blank) if line.advance == 0 else line for line in lines)
    blocks = pair_blocks(base.dim, out.dim)
    rows = blocks.rows(t=base.periods.basis, tau=out.periods.basis)
    for axis, line in enumerate(lines):
        rows += [blocks.row(t={axis: t}, tau={axis: tau}) for t, tau in match_axis(line)[0].basis]
    still = [axis for axis, line in enumerate(lines) if line.is_constant]
    operations = []
    for images in canonical_operations(base):
        choices = [_choices(lines, axis, *where, base, out) for axis, where in enumerate(images)]
        operations += _pairs(matrix_of(images), images, choices, out, still)
    return Relation(Lattice.span(rows, blocks.dim), tuple(operations), base.periods, out.periods)


def _choices(
    lines: tuple[Line, ...], axis: int, image: int, sign: int, base: Domain, out: Domain
) -> list[tuple[int, int, int]]:
    """All `(s', t, τ)` such that outputs move as `i ↦ s' i + τ` if nodes of an axis go to `sign·p + t` of its image."""
    if base.axes[axis] != base.axes[image]:
        return []
    if axis == image:
        matches = match_axis(lines[axis])[1]
    elif lines[axis].is_constant and lines[image].is_constant:
        matches = match_axes(lines[axis].first, lines[image].first)
    else:
        matches = match_axes(lines[axis], lines[image]) if out.axes[axis] == out.axes[image] else {}
    return [(target, *pair) for (source, target), pair in matches.items() if source == sign]


def _pairs(
    moved: Matrix, images: Images, choices: Sequence[Sequence[tuple[int, int, int]]], out: Domain, still: Sequence[int]
) -> Iterator[tuple[Key, Vector]]:
    """The pairs ((A, A'), (t, τ)) for one point operation A, given the choices of `(s', t, τ)` along each axis.

    Args:
        moved: A, as it moves the nodes of the base.
        still: axes along which the output is constant: they may be exchanged freely.
    """
    blocks = pair_blocks(len(images), out.dim)
    for chosen, order in product(product(*choices), permutations(still)):
        swap = dict(zip(still, order, strict=True))
        ends = [swap.get(image, image) for image, _ in images]
        if any(out.axes[axis] != out.axes[end] for axis, end in enumerate(ends)):
            continue
        signs, t, tau = zip(*chosen, strict=True) if chosen else ((), (), ())
        target = canonical_matrix(out, tuple(zip(ends, signs, strict=True)))
        starts = [image for image, _ in images]
        yield (moved, target), blocks.row(t=dict(zip(starts, t, strict=True)), tau=dict(zip(ends, tau, strict=True)))


def tap_action(action: Relation, lines: tuple[Line, ...], base: Domain, out: Domain) -> Relation:
    """An action on a base value, taken on by what reads it with taps that each operation permutes.

    `p_{A k}(h i) = g p_k(i)` for every output i and tap k, where g is of the operation A: the taps of a reversed axis
    come in reversed order, and those of an axis sent to another along that one.
    """
    parts = []
    for turn in _turns(action, base):
        rule = _tap_rule(tuple(sorted(turn.items())), lines, base, out)
        parts.append(action.only((a, b) for b, a in turn.items()).then(rule))
    lattice = reduce(add, (part.lattice for part in parts))
    operations = tuple(entry for part in parts for entry in part.operations)
    return Relation(lattice, operations, action.source_periods, out.periods, action.parameters)


def _turns(action: Relation, base: Domain) -> list[dict[Matrix, Matrix]]:
    """The operations of the source, by what they do to the nodes of the base, in turns in which no two act alike.

    The operation itself says where taps go, not what it does to the nodes: on an axis of one or two nodes a reversal
    moves no node but does move taps.
    """
    turns: list[dict[Matrix, Matrix]] = []
    for (a, b), _ in action.operations:
        if canonical_matrix(base, axis_images(a)) != b:
            continue
        turn = next((turn for turn in turns if b not in turn), None)
        if turn is None:
            turns.append(turn := {})
        turn[b] = a
    return turns


@lru_cache(maxsize=1 << 12)
def _tap_rule(turn: tuple[tuple[Matrix, Matrix], ...], lines: tuple[Line, ...], base: Domain, out: Domain) -> Relation:
    """The pairs (g, g') that move windows to windows; `turn` says what moves the nodes, and with it the taps."""
    operations = []
    for moved, taps in turn:
        images = axis_images(taps)
        choices = [_tap_choices(lines, axis, *where, base) for axis, where in enumerate(images)]
        operations += _pairs(moved, images, choices, out, still=())
    return Relation(line_action(lines, base, out).lattice, tuple(operations), base.periods, out.periods)


def _tap_choices(lines: tuple[Line, ...], axis: int, image: int, sign: int, base: Domain) -> list[tuple[int, int, int]]:
    """As `_choices`, where taps are moved with the nodes: those of a reversed axis come in reversed order."""
    if base.axes[axis] != base.axes[image]:
        return []
    line = lines[axis].mirrored if sign < 0 else lines[axis]
    nodes = 1 if fixes_nodes(base.axes[axis]) else sign
    return [(target, *pair) for (source, target), pair in match_axes(line, lines[image]).items() if source == nodes]


def canonical_matrix(grid: Domain, images: Images) -> Matrix:
    """The canonical operation that moves the nodes as the given one does, up to a shift."""
    axes = grid.axes
    return matrix_of(
        tuple(
            (axis if axes[axis].size == 1 else image, 1 if fixes_nodes(axes[axis]) else sign)
            for axis, (image, sign) in enumerate(images)
        )
    )


@lru_cache(maxsize=1 << 10)
def wrapping(domain: Domain) -> Relation:
    """Each isometry of a domain, paired with the canonical one of the wrapped domain that moves the nodes alike: the
    pairs (t, τ) with τ − t a period, and τ = 0 along axes of one node."""
    around, exact = domain.wrapped, Relation.identity(domain.group)
    blocks, operations = exact.blocks, []
    for (a, _), shift in exact.operations:
        t = blocks.part(shift, "t")
        tau = {i: v for i, v in enumerate(t) if domain.axes[i].size != 1}
        operations.append(((a, canonical_matrix(around, axis_images(a))), blocks.row(t=t, tau=tau)))
    lattice = exact.lattice + Lattice.span(blocks.rows(tau=around.periods.basis), blocks.dim)
    return Relation(lattice, tuple(operations), exact.source_periods, around.periods)


@lru_cache(maxsize=1 << 10)
def same_moves(domain: Domain) -> Relation:
    """The pairs of isometries of a domain that move its nodes alike."""
    return wrapping(domain).then(wrapping(domain).inverse())


@lru_cache(maxsize=1 << 10)
def unwrapping(domain: Domain) -> Relation:
    """The pairs of isometries of the wrapped domain and canonical ones of the domain that move the nodes alike."""
    canonical = {matrix_of(images) for images in canonical_operations(domain)}
    back = wrapping(domain).inverse()
    return back.only(key for key, _ in back.operations if key[1] in canonical)
