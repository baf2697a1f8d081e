"""Lines: window systems along one axis, and their composition.

A line says what each node along one axis of a value is, in terms of the nodes of an earlier value along the same axis.
Lines of consecutive layers compose before they are matched (`equinet.symmetry.window_rule`), so that gathers, sums and
maxima that undo or extend each other are judged as one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd, lcm
from typing import Any

import numpy as np

from equinet.groups.domain import Axis
from equinet.symmetry.windows import FILL, MISSING, Reading

# An entry's code is a label and a node, or a negative number for a constant; UNUSED fills the rows up.
LABEL = 1 << 32
ORIGIN = 1 << 30
_UNUSED = np.iinfo(np.int64).max
_LARGEST_SCALE = 1 << 40
_LIMIT = 1 << 20
"""Entries a line may have before composition stops (the value becomes a new base instead)."""


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
    def terms(self) -> tuple[Any, ...]:
        """All that it is but for its entries."""
        return self.codes.shape, self.scale, self.maximum, self.ordered, self.advance, self.modulus, self.pooled

    def same_as(self, other: Line) -> bool:
        """Whether both read the same: lines are compared as objects elsewhere, where that is all a memo needs."""
        return self is other or (
            self.terms == other.terms
            and np.array_equal(self.codes, other.codes)
            and np.array_equal(self.weights, other.weights)
        )

    @property
    def rows(self) -> int:
        """Number of rows (outputs, or outputs in one period)."""
        return len(self.codes)

    @property
    def taps(self) -> int:
        """Number of taps of each row."""
        return self.codes.shape[1]

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
    def first(self) -> Line:
        """The line's first output alone."""
        return replace(self, codes=self.codes[:1], weights=self.weights[:1])

    @cached_property
    def is_blank(self) -> bool:
        """Whether all outputs are one constant."""
        return self.is_constant and not is_node(self.codes).any()

    def blanked(self, constant: Line) -> Line:
        """The same outputs, all of them the constant of a blank line."""
        rows = np.zeros(self.rows, np.int64)
        return replace(self, codes=constant.codes[rows], weights=constant.weights[rows], scale=constant.scale)

    @cached_property
    def mirrored(self) -> Line:
        """The same outputs with their taps in reversed order."""
        return replace(self, codes=self.codes[:, ::-1], weights=self.weights[:, ::-1])

    @cached_property
    def has_constants(self) -> bool:
        """Whether any entry is a constant."""
        return bool((self.codes < 0).any())

    def shifted(self, rows: int) -> np.ndarray:
        """Codes of rows `rows`, `rows + 1`, …: rolled on a finite axis, continued on an infinite one."""
        index = np.arange(rows, rows + self.rows)
        turns, index = np.divmod(index, self.rows)
        return (
            translate(self.codes[index], (turns * self.advance)[:, None, None]) if self.advance else self.codes[index]
        )

    def reversed(self, last: int) -> np.ndarray:
        """Codes of rows `last`, `last − 1`, …."""
        index = last - np.arange(self.rows)
        turns, index = np.divmod(index, self.rows)
        return (
            translate(self.codes[index], (turns * self.advance)[:, None, None]) if self.advance else self.codes[index]
        )


def is_node(codes: np.ndarray) -> np.ndarray:
    return (codes >= 0) & (codes != _UNUSED)


def translate(codes: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.where(is_node(codes), codes + by, codes)


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
    nodes = np.arange(axis.size or 1)[:, None, None] + ORIGIN
    modulus = (axis.size or 0) if axis.boundary == "periodic" else 0
    return Line(nodes, np.ones_like(nodes), 1, False, False, 0 if axis.size else 1, modulus)


@lru_cache(maxsize=1 << 12)
def reading_line(reading: Reading, axis: Axis, maximum: bool, ordered: bool) -> Line:
    """The line of one layer over a grid axis."""
    nodes, weights, labels = reading.table(axis.size)
    absent = nodes == (MISSING if axis.size is None else FILL)
    codes = np.where(absent, -1, labels * LABEL + nodes + ORIGIN)
    average = int(weights.reshape(len(weights), weights.shape[1], -1).sum(-1).max())
    scale = 1 if maximum else reading.scale or average
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
        outer_codes = translate(outer_codes[None], turns).reshape(-1, *outer.codes.shape[1:])
        outer_weights = np.tile(outer.weights, (periods, 1, 1))
        advance = periods * outer.advance // inner.rows * inner.advance
    rows, taps, entries = outer_codes.shape
    if rows * taps * entries * inner.codes[0].size > _LIMIT:
        return None
    present = is_node(outer_codes)
    label, node = np.divmod(np.where(present, outer_codes, ORIGIN), LABEL)
    turns, row = np.divmod(node - ORIGIN, inner.rows)
    codes, weights = inner.codes[row], inner.weights[row]
    if inner.advance:
        codes = translate(codes, (turns * inner.advance)[..., None, None])
    if label.any():
        if is_node(codes).any() and (codes[is_node(codes)] >= LABEL).any():
            return None
        codes = translate(codes, (label * LABEL)[..., None, None])
    constant = np.full_like(codes, _UNUSED)
    constant[..., 0] = np.where(present, 0, outer_codes)[..., None]
    weight_of_constant = np.zeros_like(weights)
    weight_of_constant[..., 0] = inner.scale
    codes = np.where(present[..., None, None], codes, constant)
    weights = np.where(present[..., None, None], weights, weight_of_constant) * outer_weights[..., None, None]
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
def rename_constants(line: Line) -> Line:
    """The same line with its constants renamed: after a pointwise function they differ from a fresh zero."""
    if not line.has_constants:
        return line
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
    if not maximum:
        codes, weights = _separate_sums(codes[0], weights[0])
    return _make(codes, weights, 1, maximum, line.ordered, 0, line.advance or line.modulus)


def is_even(total: Line, axis: Axis) -> bool:
    """Whether a total over all rows has every node of an axis, each as often as the others."""
    count = axis.size or total.modulus
    return bool((is_node(total.codes).sum(-1) == count).all() and (np.ptp(total.weights, axis=-1) == 0).all())


def _separate_sums(codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums that a total over all rows consists of, one tap each: one for each tap and label.

    Each is moved on its own, so constants, factors and labels play no further part. Where a window system gives
    every node to every tap (a transposed convolution, say) they are all the same, and one is left.
    """
    label = np.where(is_node(codes), codes // LABEL, -1)
    taps = []
    for tap in range(len(codes)):
        for kind in np.unique(label[tap][label[tap] >= 0]):
            here = label[tap] == kind
            taps.append(_canonical(np.where(here, codes[tap] % LABEL, _UNUSED), weights[tap] * here, False))
    if not taps:
        return codes[None], weights[None]
    entries = max(c.size for c, _ in taps)
    made = np.full((1, len(taps), entries), _UNUSED), np.zeros((1, len(taps), entries), np.int64)
    for tap, (c, w) in enumerate(taps):
        made[0][0, tap, : c.size], made[1][0, tap, : w.size] = c, w // max(np.gcd.reduce(w), 1)
    return made


@lru_cache(maxsize=1 << 12)
def pool_rows(line: Line, maximum: bool) -> Line:
    """One output that averages (or takes the maximum) of one function of every row, whatever the function."""
    if line.advance:
        line = _wound(line)
    line = _unlabelled(line, maximum)
    made = _make(line.codes, line.weights, line.scale, line.maximum, line.ordered, 0, line.modulus)
    return replace(made, pooled="set" if maximum else "multiset")


def _unlabelled(line: Line, maximum: bool) -> Line:
    """A line to pool over in place of the given one, in which labels and places of taps play no part.

    Rows of constants add a constant. Of rows that say in which taps and channels they put their nodes, each such
    pattern has a function of its own, φ_k; if all patterns see the same nodes, Σ_k Σ_i φ_k(x_i) = Σ_i ψ(x_i).
    """
    nodes = is_node(line.codes)
    seeing = nodes.any((1, 2))
    if not seeing.any() or (nodes.any(2).sum(1) > 1).any():
        return line
    seen: dict[bytes, list[bytes]] = {}
    kept: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    for c, w, n in zip(line.codes[seeing], line.weights[seeing], nodes[seeing], strict=True):
        tap = int(n.any(1).argmax())
        labels = set((c[n] // LABEL).tolist())
        if len(labels) > 1:
            return line
        plain = np.where(n, c % LABEL, c)[tap]
        content = plain.tobytes() + w[tap].tobytes()
        kept[content] = plain, w[tap]
        rest = np.delete(c, tap, axis=0).tobytes() + np.delete(w, tap, axis=0).tobytes()
        seen.setdefault(rest + bytes(f"{tap} {labels}", "ascii"), []).append(content)
    shown = [sorted(set(found) if maximum else found) for found in seen.values()]
    if any(other != shown[0] for other in shown):
        return line
    codes, weights = (np.stack([kept[content][i] for content in shown[0]])[:, None] for i in (0, 1))
    return replace(line, codes=codes, weights=weights)


def _wound(line: Line) -> Line:
    """A line of an infinite axis wound around a torus of so many periods that its rows stay apart: a row, unlike a
    sum over all rows, is moved as a whole, so its nodes must not be taken modulo one period each."""
    nodes = line.codes[is_node(line.codes)] % LABEL
    turns = 2 + (2 * int(np.ptp(nodes)) // line.advance if nodes.size else 0)
    codes = np.concatenate([translate(line.codes, np.asarray(k * line.advance)) for k in range(turns)])
    weights = np.tile(line.weights, (turns, 1, 1))
    wound = replace(line, codes=codes, weights=weights, advance=turns * line.advance)
    return replace(wound, codes=_folded(wound), advance=0, modulus=wound.advance)


def _folded(line: Line) -> np.ndarray:
    """Codes of one period of rows, with the nodes of an infinite axis taken modulo that period."""
    if not line.advance:
        return line.codes
    label, node = np.divmod(np.where(is_node(line.codes), line.codes, ORIGIN), LABEL)
    return np.where(is_node(line.codes), label * LABEL + (node - ORIGIN) % line.advance + ORIGIN, line.codes)
