"""Lines: window systems along one axis, composed and matched exactly.

The window rule (h, h') belongs to a layer's action iff the window of output `h'(i)` is `h` applied to the window of
output i, for every i. For products of axes it splits into one rule per pair of axes: an isometry that sends axis a to
axis b matches the rows of a's line with the rows of b's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import permutations, product
from math import gcd, lcm

import numpy as np

from equinet.domain import Axis, Domain
from equinet.groups import Lattice, Matrix, Vector, axis_images, signed_permutations
from equinet.groups.homomorphism import Homomorphism, merge_operations
from equinet.windows import FILL, MISSING, Reading

# An entry's code is a label and a node, or a negative number for a constant; UNUSED fills the rows up.
_LABEL = 1 << 32
_ORIGIN = 1 << 30
_UNUSED = np.iinfo(np.int64).max
_LARGEST_SCALE = 1 << 40
_LIMIT = 1 << 20
"""Entries a line may have before composition stops (the value becomes a new base instead)."""

Signs = tuple[int, int]
Matches = dict[Signs, tuple[int, int]]
Images = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Line:
    """What each node along one axis of a value is, in terms of a base value's nodes along the same axis.

    Attributes:
        codes, weights: `[rows, taps, entries]`, canonical: sorted by code, equal codes merged, unused ones last.
        scale: what a weight is divided by.
        maximum: whether a tap is the maximum of its entries, rather than their weighted sum.
        ordered: whether the taps carry free weights of this axis (so that no other axis can match them).
        advance: on an infinite axis, how far the nodes move after all rows; 0 on a finite one.
        modulus: nodes are equal modulo this; 0 if they are not periodic.
        pooled: whether there is one output, that depends on the "set" or the "multiset" of all rows; else empty.
    """

    codes: np.ndarray
    weights: np.ndarray
    scale: int
    maximum: bool
    ordered: bool
    advance: int
    modulus: int
    pooled: str = ""

    @property
    def rows(self) -> int:
        """Number of rows (outputs, or outputs in one period)."""
        return len(self.codes)

    @cached_property
    def copies(self) -> bool:
        """Whether every tap copies one node or constant."""
        return self.codes.shape[2] == 1 and bool((self.weights == self.scale).all())

    @property
    def is_gather(self) -> bool:
        """Whether every output copies one node or constant."""
        return self.copies and self.codes.shape[1] == 1

    @cached_property
    def is_constant(self) -> bool:
        """Whether all outputs are the same."""
        if self.advance:
            return False
        return bool((self.codes == self.codes[:1]).all() and (self.weights == self.weights[:1]).all())

    @cached_property
    def has_constants(self) -> bool:
        """Whether any entry is a constant."""
        return bool((self.codes < 0).any())

    def shifted(self, rows: int) -> np.ndarray:
        """Codes of rows `rows`, `rows + 1`, …: rolled on a finite axis, continued on an infinite one."""
        index = np.arange(rows, rows + self.rows)
        turns, index = np.divmod(index, self.rows)
        return (
            _translate(self.codes[index], (turns * self.advance)[:, None, None]) if self.advance else self.codes[index]
        )

    def reversed(self, last: int) -> np.ndarray:
        """Codes of rows `last`, `last − 1`, …."""
        index = last - np.arange(self.rows)
        turns, index = np.divmod(index, self.rows)
        return (
            _translate(self.codes[index], (turns * self.advance)[:, None, None]) if self.advance else self.codes[index]
        )


def _is_node(codes: np.ndarray) -> np.ndarray:
    return (codes >= 0) & (codes != _UNUSED)


def _translate(codes: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.where(_is_node(codes), codes + by, codes)


def _canonical(codes: np.ndarray, weights: np.ndarray, maximum: bool) -> tuple[np.ndarray, np.ndarray]:
    """Sort entries by code, merge equal ones (adding weights, or keeping one for a maximum), drop weight 0."""
    codes = np.where(weights == 0, _UNUSED, codes)
    if codes.shape[-1] == 1:
        return codes, weights
    order = np.argsort(codes, axis=-1, kind="stable")
    codes = np.take_along_axis(codes, order, -1)
    weights = np.take_along_axis(weights, order, -1)
    repeated = (codes[..., 1:] == codes[..., :-1]) & (codes[..., 1:] != _UNUSED)
    if repeated.any():
        starts = np.concatenate([np.ones_like(repeated[..., :1]), ~repeated], axis=-1)
        group = np.cumsum(starts, axis=-1) - 1
        merged = np.zeros_like(weights)
        where = tuple(np.indices(codes.shape)[:-1])
        np.add.at(merged, (*where, group), weights)
        kept = np.full_like(codes, _UNUSED)
        kept[(*where, group)] = codes
        codes, weights = kept, np.where(kept == _UNUSED, 0, merged)
    used = max(int((codes != _UNUSED).sum(-1).max(initial=0)), 1)
    codes, weights = codes[..., :used], weights[..., :used]
    return codes, np.where(codes == _UNUSED, 0, 1) if maximum else weights


def _make(
    codes: np.ndarray, weights: np.ndarray, scale: int, maximum: bool, ordered: bool, advance: int, modulus: int
) -> Line:
    codes, weights = _canonical(codes, weights, maximum)
    if not maximum:
        common = gcd(scale, *np.unique(weights).tolist())
        weights, scale = weights // common, scale // common
    same = (codes == codes[:, :1]).all() and (weights == weights[:, :1]).all()
    if codes.shape[1] > 1 and same:
        codes, weights, ordered = codes[:, :1], weights[:, :1], False
    copies = codes.shape[1:] == (1, 1) and bool((weights == scale).all())
    return Line(codes, weights, scale, maximum and not copies, ordered and codes.shape[1] > 1, advance, modulus)


@lru_cache(maxsize=1 << 12)
def identity_line(axis: Axis) -> Line:
    """Every node is itself."""
    nodes = np.arange(axis.size or 1)[:, None, None] + _ORIGIN
    modulus = (axis.size or 0) if axis.boundary == "periodic" else 0
    return Line(nodes, np.ones_like(nodes), 1, False, False, 0 if axis.size else 1, modulus)


@lru_cache(maxsize=1 << 12)
def reading_line(reading: Reading, axis: Axis, maximum: bool, ordered: bool) -> Line:
    """The line of one layer over a grid axis."""
    nodes, weights, labels = reading.table(axis.size)
    absent = nodes == (MISSING if axis.size is None else FILL)
    codes = np.where(absent, -1, labels * _LABEL + nodes + _ORIGIN)
    scale = 1 if maximum else int(weights.reshape(len(weights), weights.shape[1], -1).sum(-1).max())
    modulus = (axis.size or 0) if axis.boundary == "periodic" else 0
    advance = 0 if axis.size else reading.advance
    return _make(codes, weights, scale, maximum, ordered, advance, modulus)


@lru_cache(maxsize=1 << 12)
def compose_lines(outer: Line, inner: Line) -> Line | None:
    """The outer line with each of its nodes replaced by that row of the inner line; None if it grows too large."""
    outer_codes, advance = outer.codes, 0
    outer_weights = outer.weights
    if inner.advance:
        periods = lcm(outer.advance, inner.rows) // outer.advance if outer.advance else 1
        turns = np.arange(periods)[:, None, None, None] * outer.advance
        outer_codes = _translate(outer_codes[None], turns).reshape(-1, *outer.codes.shape[1:])
        outer_weights = np.tile(outer.weights, (periods, 1, 1))
        advance = periods * outer.advance // inner.rows * inner.advance
    rows, taps, entries = outer_codes.shape
    if rows * taps * entries * inner.codes[0].size > _LIMIT:
        return None
    is_node = _is_node(outer_codes)
    label, node = np.divmod(np.where(is_node, outer_codes, _ORIGIN), _LABEL)
    turns, row = np.divmod(node - _ORIGIN, inner.rows)
    codes, weights = inner.codes[row], inner.weights[row]
    if inner.advance:
        codes = _translate(codes, (turns * inner.advance)[..., None, None])
    if label.any():
        if _is_node(codes).any() and (codes[_is_node(codes)] >= _LABEL).any():
            return None
        codes = _translate(codes, (label * _LABEL)[..., None, None])
    constant = np.full_like(codes, _UNUSED)
    constant[..., 0] = np.where(is_node, 0, outer_codes)[..., None]
    weight_of_constant = np.zeros_like(weights)
    weight_of_constant[..., 0] = inner.scale
    codes = np.where(is_node[..., None, None], codes, constant)
    weights = np.where(is_node[..., None, None], weights, weight_of_constant) * outer_weights[..., None, None]
    # [rows, taps, entries, inner taps, inner entries] → [rows, taps · inner taps, entries · inner entries]
    shape = (rows, taps * inner.codes.shape[1], -1)
    codes = codes.swapaxes(2, 3).reshape(shape)
    weights = weights.swapaxes(2, 3).reshape(shape)
    scale = outer.scale * inner.scale
    if scale > _LARGEST_SCALE:
        return None
    maximum = outer.maximum or inner.maximum
    return _make(codes, weights, scale, maximum, outer.ordered or inner.ordered, advance, inner.modulus)


@lru_cache(maxsize=1 << 12)
def age_constants(line: Line) -> Line:
    """The same line with its constants renamed: after a pointwise function they differ from a fresh zero."""
    codes = np.where(line.codes < 0, line.codes - 1, line.codes)
    return _make(codes, line.weights, line.scale, line.maximum, line.ordered, line.advance, line.modulus)


@lru_cache(maxsize=1 << 12)
def join_lines(a: Line, b: Line) -> Line | None:
    """Both lines' taps, one after the other: what a sum or concatenation of two values reads."""
    if (a.rows, a.advance, a.modulus) != (b.rows, b.advance, b.modulus):
        return None
    entries, scale = max(a.codes.shape[2], b.codes.shape[2]), lcm(a.scale, b.scale)
    if scale > _LARGEST_SCALE:
        return None

    def widened(array: np.ndarray, fill: int) -> np.ndarray:
        return np.pad(array, ((0, 0), (0, 0), (0, entries - array.shape[2])), constant_values=fill)

    codes = np.concatenate([widened(line.codes, _UNUSED) for line in (a, b)], axis=1)
    weights = np.concatenate([widened(line.weights, 0) * (scale // line.scale) for line in (a, b)], axis=1)
    single = a.codes.shape[1] == b.codes.shape[1] == 1
    return _make(codes, weights, scale, False, not single, a.advance, a.modulus)


@lru_cache(maxsize=1 << 12)
def collapse_line(line: Line, maximum: bool) -> Line | None:
    """One output that averages (or takes the maximum) over all rows."""
    if line.codes.size > _LIMIT:
        return None
    codes = _folded(line).swapaxes(0, 1).reshape(1, line.codes.shape[1], -1)
    weights = line.weights.swapaxes(0, 1).reshape(1, line.codes.shape[1], -1)
    scale = 1 if maximum else line.scale * line.rows
    return _make(codes, weights, scale, maximum, line.ordered, 0, line.advance or line.modulus)


@lru_cache(maxsize=1 << 12)
def pool_rows(line: Line, maximum: bool) -> Line:
    """One output that averages (or takes the maximum) of one function of every row, whatever the function."""
    if line.advance:
        line = _wound(line)
    made = _make(line.codes, line.weights, line.scale, line.maximum, line.ordered, 0, line.modulus)
    return replace(made, pooled="set" if maximum else "multiset")


def _wound(line: Line) -> Line:
    """A line of an infinite axis wound around a torus of so many periods that its rows stay apart: a row, unlike a
    sum over all rows, is moved as a whole, so its nodes must not be taken modulo one period each."""
    nodes = line.codes[_is_node(line.codes)] % _LABEL
    turns = 2 + (2 * int(np.ptp(nodes)) // line.advance if nodes.size else 0)
    codes = np.concatenate([_translate(line.codes, np.asarray(k * line.advance)) for k in range(turns)])
    weights = np.tile(line.weights, (turns, 1, 1))
    wound = replace(line, codes=codes, weights=weights, advance=turns * line.advance)
    return replace(wound, codes=_folded(wound), advance=0, modulus=wound.advance)


def _folded(line: Line) -> np.ndarray:
    """Codes of one period of rows, with the nodes of an infinite axis taken modulo that period."""
    if not line.advance:
        return line.codes
    label, node = np.divmod(np.where(_is_node(line.codes), line.codes, _ORIGIN), _LABEL)
    return np.where(_is_node(line.codes), label * _LABEL + (node - _ORIGIN) % line.advance + _ORIGIN, line.codes)


def _act(line: Line, codes: np.ndarray, sign: int, shift: int) -> np.ndarray:
    """Codes after the base nodes p are moved to `sign·p + shift`, in canonical order (weights: see `_moved`)."""
    is_node = _is_node(codes)
    label, node = np.divmod(np.where(is_node, codes, _ORIGIN), _LABEL)
    moved = sign * (node - _ORIGIN) + shift
    if line.modulus:
        moved %= line.modulus
    return np.where(is_node, label * _LABEL + moved + _ORIGIN, codes)


def _moved(line: Line, sign: int, shift: int) -> tuple[np.ndarray, np.ndarray]:
    codes = _act(line, line.codes, sign, shift)
    if codes.shape[-1] == 1:
        return codes, line.weights
    order = np.argsort(codes, axis=-1, kind="stable")
    return np.take_along_axis(codes, order, -1), np.take_along_axis(line.weights, order, -1)


def _same(line: Line, sign: int, first: int, codes: np.ndarray, weights: np.ndarray) -> bool:
    """Whether rows `first`, `first + sign`, … of a line equal the given rows."""
    index = (first + sign * np.arange(line.rows)) % line.rows
    if not np.array_equal(line.weights[index], weights):
        return False
    return np.array_equal(line.shifted(first) if sign > 0 else line.reversed(first), codes)


def _keys(line: Line) -> dict[bytes, list[int]]:
    """Rows by their content; on an infinite axis by their content up to a shift."""
    found: dict[bytes, list[int]] = {}
    for row in range(line.rows):
        codes = line.codes[row]
        if line.advance:
            codes = _translate(codes, np.asarray(-_anchor(codes)))
        found.setdefault(codes.tobytes() + line.weights[row].tobytes(), []).append(row)
    return found


def _anchor(codes: np.ndarray) -> int:
    nodes = codes[_is_node(codes)]
    return int(nodes[0] % _LABEL) - _ORIGIN if nodes.size else 0


def _images(a: Line, b: Line, sign: int, shift: int, periodic_rows: bool, keys: dict[bytes, list[int]]) -> list[Signs]:
    """All `(s', t')` with row `s' i + t'` of b equal to row i of a moved by `(sign, shift)`, on a finite axis."""
    codes, weights = _moved(a, sign, shift)
    if a.pooled:
        return [(1, 0)] if _content(a, codes, weights) == _content(b, b.codes, b.weights) else []
    starts = keys.get(codes[0].tobytes() + weights[0].tobytes(), [])
    found = []
    for s in (1, -1):
        for first in starts:
            if not periodic_rows and first != (0 if s > 0 else b.rows - 1):
                continue
            if _same(b, s, first, codes, weights):
                found.append((s, first))
    return found


def _content(line: Line, codes: np.ndarray, weights: np.ndarray) -> list[bytes]:
    """The rows without their order, and for a maximum without their number."""
    rows = [c.tobytes() + w.tobytes() for c, w in zip(codes, weights, strict=True)]
    return sorted(set(rows) if line.pooled == "set" else rows)


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


@lru_cache(maxsize=1 << 13)
def match_axis(line: Line, axis: Axis, out: Axis) -> tuple[Lattice, Matches]:
    """The window rule along one axis.

    Returns the lattice of the pairs of translations `(t, t')`, and for each pair of signs `(s, s')` one pair
    `(t, t')` such that `p ↦ s p + t` on the base axis moves the output as `i ↦ s' i + t'` (if there is one).
    """
    if axis.boundary == "infinite" and line.advance:
        return _match_infinite(line)
    if line.modulus:
        lattice = _periodic_lattice(line, out)
        step = lattice.project([0]).steps or (0,)
        return lattice, _finite_matches(line, line, out, range(step[0] or 1))
    size = axis.size or 1
    return Lattice.zero(2), _finite_matches(line, line, out, None, bounded=size)


def _periodic_lattice(line: Line, out: Axis) -> Lattice:
    modulus = line.modulus
    wraps = out.boundary == "periodic"
    keys = _keys(line)
    rows = [(modulus, 0)] + ([(0, out.size or 1)] if wraps else [])
    for t in [0, *_divisors(modulus)]:
        images = [first for s, first in _images(line, line, 1, t, wraps, keys) if s == 1]
        rows += [(t, first) for first in images]
        if t and images:
            break
    return Lattice.span(rows, 2)


def _finite_matches(a: Line, b: Line, out: Axis, shifts: range | None, bounded: int = 0) -> Matches:
    keys = _keys(b)
    found: Matches = {}
    for sign in (1, -1):
        for t in shifts if shifts is not None else (0 if sign > 0 else bounded - 1,):
            for s, first in _images(a, b, sign, t, out.boundary == "periodic", keys):
                found.setdefault((sign, s), (t, first))
    return found


def _match_infinite(line: Line) -> tuple[Lattice, Matches]:
    rows = [(line.advance, line.rows)]
    found: Matches = {(1, 1): (0, 0)}
    anchor = _anchor(line.codes[0])
    for first in range(line.rows):
        t = _anchor(line.codes[first]) - anchor
        if _same(line, 1, first, *_moved(line, 1, t)):
            rows.append((t, first))
        codes, _ = _moved(line, -1, 0)
        t = _anchor(line.codes[first]) - _anchor(codes[0])
        if (-1, -1) not in found and _same(line, -1, first, *_moved(line, -1, t)):
            found[-1, -1] = (t, first)
    return Lattice.span(rows, 2), found


@lru_cache(maxsize=1 << 13)
def match_axes(a: Line, b: Line, axis: Axis, out: Axis) -> Matches:
    """The window rule for isometries that send axis a to axis b, two equal axes with equal outputs."""
    if a.ordered or b.ordered or a.codes.shape != b.codes.shape or a.maximum != b.maximum or a.scale != b.scale:
        return {}
    if a.advance != b.advance or a.modulus != b.modulus or a.pooled != b.pooled:
        return {}
    if a.advance:
        return _match_infinite_pair(a, b)
    if a.modulus:
        step = match_axis(b, axis, out)[0].project([0]).steps or (0,)
        return _finite_matches(a, b, out, range(step[0] or 1))
    return _finite_matches(a, b, out, None, bounded=axis.size or 1)


def _match_infinite_pair(a: Line, b: Line) -> Matches:
    found: Matches = {}
    for sign, first in product((1, -1), range(b.rows)):
        codes, _ = _moved(a, sign, 0)
        t = _anchor(b.codes[first]) - _anchor(codes[0])
        if (sign, sign) not in found and _same(b, sign, first, *_moved(a, sign, t)):
            found[sign, sign] = (t, first)
    return found


def fixes_nodes(axis: Axis) -> bool:
    """Whether reversing an axis moves no node, up to a shift: sizes 1 and, if periodic, 2."""
    return axis.size == 1 or (axis.boundary == "periodic" and axis.size == 2)


@lru_cache(maxsize=1 << 10)
def canonical_operations(grid: Domain) -> tuple[Images, ...]:
    """Point operations of a grid as `(image axis, sign)` per axis, one for each way to move its nodes."""
    found = []
    for matrix in signed_permutations(grid.dim):
        images = axis_images(matrix)
        if grid.shift_of(matrix) is None:
            continue
        if all(
            (sign > 0 or not fixes_nodes(grid.axes[axis])) and (image == axis or grid.axes[axis].size != 1)
            for axis, (image, sign) in enumerate(images)
        ):
            found.append(images)
    return tuple(found)


def matrix_of(images: Images) -> Matrix:
    """The signed permutation that sends each axis to `(image axis, sign)`."""
    size = len(images)
    rows = [[0] * size for _ in range(size)]
    for column, (row, sign) in enumerate(images):
        rows[row][column] = sign
    return tuple(tuple(row) for row in rows)


@lru_cache(maxsize=1 << 12)
def line_action(lines: tuple[Line, ...], base: Domain, out: Domain) -> Homomorphism:
    """All pairs (g, g') of isometries of the two grids that satisfy the window rule along every axis.

    Only one representative is listed of the output isometries that move no node apart (see `canonical_operations`).
    """
    dim = base.dim
    own = [match_axis(line, axis, to) for line, axis, to in zip(lines, base.axes, out.axes, strict=True)]
    rows = []
    for axis, (lattice, _) in enumerate(own):
        for t, there in lattice.basis:
            row = [0] * (2 * dim)
            row[axis], row[dim + axis] = t, there
            rows.append(tuple(row))
    rows += [row + (0,) * dim for row in base.periods.basis] + [(0,) * dim + row for row in out.periods.basis]
    lattice = Lattice.span(rows, 2 * dim)
    operations = []
    for images in canonical_operations(base):
        choices = []
        for axis, (image, sign) in enumerate(images):
            if base.axes[axis] != base.axes[image] or out.axes[axis] != out.axes[image]:
                break
            matches = (
                own[axis][1]
                if axis == image
                else match_axes(lines[axis], lines[image], base.axes[axis], out.axes[axis])
            )
            choices.append([(there, pair) for (here, there), pair in matches.items() if here == sign])
        else:
            operations += _pairs(images, choices, lines, base, out)
    return Homomorphism(dim, dim, *merge_operations(lattice, operations), base.periods, out.periods)


def _pairs(
    images: Images, choices: list[list[tuple[int, tuple[int, int]]]], lines: tuple[Line, ...], base: Domain, out: Domain
) -> Iterator[tuple[tuple[Matrix, Matrix], Vector]]:
    """The pairs of isometries for one point operation of the base, given the matches along each axis.

    Along axes on which the output is constant, output axes may be exchanged freely.
    """
    dim = base.dim
    still = [axis for axis, line in enumerate(lines) if line.is_constant]
    for chosen, order in product(product(*choices), permutations(still)):
        swap = dict(zip(still, order, strict=True))
        if any(out.axes[i] != out.axes[j] for i, j in swap.items()):
            continue
        shift = [0] * (2 * dim)
        signed = []
        for axis, ((image, _), (sign, (t, there))) in enumerate(zip(images, chosen, strict=True)):
            to = swap.get(image, image)
            shift[image], shift[dim + to] = t, there
            signed.append(_canonical_image(out, axis, to, sign))
        yield (matrix_of(images), matrix_of(tuple(signed))), tuple(shift)


def _canonical_image(grid: Domain, axis: int, image: int, sign: int) -> tuple[int, int]:
    """Where an axis goes, by the canonical isometry that moves the nodes alike."""
    return (axis if grid.axes[axis].size == 1 else image), (1 if fixes_nodes(grid.axes[axis]) else sign)


def whole_group(domain: Domain) -> Homomorphism:
    """The identity on a domain: each isometry paired with the canonical one that moves the nodes alike."""
    group = domain.group
    exact = Homomorphism.identity(group)
    operations = []
    for (a, _), shift in exact.operations:
        signed = tuple(_canonical_image(domain, axis, image, sign) for axis, (image, sign) in enumerate(axis_images(a)))
        there = [0 if domain.axes[i].size == 1 else t for i, t in enumerate(shift[domain.dim :])]
        operations.append(((a, matrix_of(signed)), (*shift[: domain.dim], *there)))
    return Homomorphism(
        domain.dim, domain.dim, exact.lattice, tuple(operations), exact.source_periods, exact.target_periods
    )
