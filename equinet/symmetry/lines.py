"""Lines: window systems along one axis, and their composition.

A line says what each node along one axis of a value is, in terms of the nodes of an earlier value along the same axis.
Lines of consecutive layers compose before they are matched (`equinet.symmetry.window_rule`), so that gathers, sums and
maxima that undo or extend each other are judged as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd, lcm
from typing import Any

import numpy as np

from equinet.groups.domain import Axis
from equinet.symmetry.tables import LEAST_NAME
from equinet.symmetry.windows import FILL, MISSING, Reading

LABEL, NODE, WEIGHT = range(3)
"""An entry, along the last axis of an array of integers. A label from 0 on says which channel group the node is taken
from, a negative one names a constant (node 0)."""
_NONE = np.iinfo(np.int64).max
"""The label of no entry, which fills the rows up (node and weight 0)."""
_LARGEST_SCALE = 1 << 40
_LARGEST = 1 << 56
"""The largest bound of weights: integers of 64 bits wrap around, and then unequal weights may be equal."""
_LIMIT = 1 << 20
"""Entries a line may have before composition stops (the value becomes a new base instead)."""


@dataclass(frozen=True, eq=False)
class Line:
    """What each node along one axis of a value is, in terms of a base value's nodes along the same axis.

    Attributes:
        entries: int64 `[rows, taps, entries, 3]`, canonical: sorted by label and node, equal ones merged, none last.
        scale: what a weight is divided by.
        maximum: whether a tap is the maximum of its entries, rather than their weighted sum.
        ordered: whether the taps carry free weights of this axis (so that no other axis can match them).
        advance: on an infinite axis, how far the nodes move after all rows; 0 on a finite one.
        modulus: nodes are equal modulo this; 0 if they are not periodic.
        bound: no weight is larger; of one that is a polynomial of random names (`tables.whole`), no coefficient.
        pooled: whether there is one output, that depends on the "set" or the "multiset" of all rows; else empty.
    """

    entries: np.ndarray
    scale: int
    maximum: bool
    ordered: bool
    advance: int
    modulus: int
    bound: int = 1
    pooled: str = ""

    @property
    def terms(self) -> tuple[Any, ...]:
        """All that it is but for its entries."""
        return self.entries.shape, self.scale, self.maximum, self.ordered, self.advance, self.modulus, self.pooled

    @property
    def labels(self) -> np.ndarray:
        """`[rows, taps, entries]`"""
        return self.entries[..., LABEL]

    @property
    def nodes(self) -> np.ndarray:
        """`[rows, taps, entries]`"""
        return self.entries[..., NODE]

    @property
    def weights(self) -> np.ndarray:
        """`[rows, taps, entries]`"""
        return self.entries[..., WEIGHT]

    def same_as(self, other: Line) -> bool:
        """Whether both read the same: lines are compared as objects elsewhere, where that is all a memo needs."""
        return self is other or (self.terms == other.terms and np.array_equal(self.entries, other.entries))

    @property
    def rows(self) -> int:
        """Number of rows (outputs, or outputs in one period)."""
        return len(self.entries)

    @property
    def taps(self) -> int:
        """Number of taps of each row."""
        return self.entries.shape[1]

    @cached_property
    def copies(self) -> bool:
        """Whether every tap copies one node or constant."""
        return self.entries.shape[2] == 1 and bool((self.weights == self.scale).all())

    @property
    def is_gather(self) -> bool:
        """Whether every output copies one node or constant."""
        return self.copies and self.taps == 1

    @cached_property
    def is_constant(self) -> bool:
        """Whether all outputs are the same."""
        return not self.advance and bool((self.entries == self.entries[:1]).all())

    @cached_property
    def first(self) -> Line:
        """The line's first output alone."""
        return replace(self, entries=self.entries[:1])

    @cached_property
    def is_blank(self) -> bool:
        """Whether all outputs are one constant."""
        return self.is_constant and not is_node(self.entries).any()

    def blanked(self, constant: Line) -> Line:
        """The same outputs, all of them the constant of a blank line."""
        return replace(self, entries=constant.entries[np.zeros(self.rows, np.int64)], scale=constant.scale)

    @cached_property
    def mirrored(self) -> Line:
        """The same outputs with their taps in reversed order."""
        return replace(self, entries=self.entries[:, ::-1])

    @cached_property
    def has_constants(self) -> bool:
        """Whether any entry is a constant."""
        return bool((self.labels < 0).any())

    def rows_from(self, first: int, step: int) -> np.ndarray:
        """Entries of rows `first`, `first + step`, …: in turn on a finite axis, continued on an infinite one."""
        turns, row = np.divmod(first + step * np.arange(self.rows), self.rows)
        entries = self.entries[row]
        return translate(entries, (turns * self.advance)[:, None, None]) if self.advance else entries


def is_node(entries: np.ndarray) -> np.ndarray:
    """Which entries are nodes, neither constants nor none."""
    return (entries[..., LABEL] >= 0) & (entries[..., LABEL] != _NONE)


def translate(entries: np.ndarray, by: np.ndarray | int) -> np.ndarray:
    """The same entries with their nodes moved."""
    moved = entries + np.zeros_like(by)[..., None]
    moved[..., NODE] += np.where(is_node(entries), by, 0)
    return moved


def in_order(entries: np.ndarray) -> np.ndarray:
    """The same entries of each tap by label, those of one label by node."""
    if entries.shape[-2] == 1:
        return entries
    order = np.lexsort((entries[..., NODE], entries[..., LABEL]))
    return np.take_along_axis(entries, order[..., None], -2)


def _nothing(*shape: int) -> np.ndarray:
    """An array of no entries."""
    entries = np.zeros((*shape, 3), np.int64)
    entries[..., LABEL] = _NONE
    return entries


def _canonical(entries: np.ndarray, maximum: bool) -> np.ndarray:
    """Sort entries, merge equal ones (adding weights, or keeping one for a maximum), drop weight 0."""
    entries = np.where(entries[..., WEIGHT:] == 0, _nothing(), entries)
    if entries.shape[-2] == 1:
        return entries
    entries = in_order(entries)
    places = entries[..., : NODE + 1]
    repeated = (places[..., 1:, :] == places[..., :-1, :]).all(-1) & (entries[..., 1:, LABEL] != _NONE)
    if repeated.any():
        starts = np.concatenate([np.ones_like(repeated[..., :1]), ~repeated], axis=-1)
        group = (*np.indices(starts.shape)[:-1], np.cumsum(starts, axis=-1) - 1)
        merged = _nothing(*starts.shape)
        merged[(*group, slice(NODE + 1))] = places
        np.add.at(merged[..., WEIGHT], group, entries[..., WEIGHT])
        entries = merged
    used = entries[..., LABEL] != _NONE
    entries = entries[..., : max(int(used.sum(-1).max(initial=0)), 1), :]
    if maximum:
        entries[..., WEIGHT] = entries[..., LABEL] != _NONE
    return entries


def _make(
    entries: np.ndarray, scale: int, maximum: bool, ordered: bool, advance: int, modulus: int, bound: int
) -> Line:
    entries = _canonical(entries, maximum)
    if not maximum:
        common = gcd(scale, *np.unique(entries[..., WEIGHT]).tolist())
        entries[..., WEIGHT] //= common
        scale //= common
    if entries.shape[1] > 1 and (entries == entries[:, :1]).all():
        entries, ordered = entries[:, :1], False
    copies = entries.shape[1:3] == (1, 1) and bool((entries[..., WEIGHT] == scale).all())
    return Line(entries, scale, maximum and not copies, ordered and entries.shape[1] > 1, advance, modulus, bound)


@lru_cache(maxsize=1 << 12)
def identity_line(axis: Axis) -> Line:
    """Every node is itself."""
    nodes = np.arange(axis.size or 1)[:, None, None]
    entries = np.stack([np.zeros_like(nodes), nodes, np.ones_like(nodes)], axis=-1)
    modulus = (axis.size or 0) if axis.boundary == "periodic" else 0
    return Line(entries, 1, False, False, 0 if axis.size else 1, modulus)


@lru_cache(maxsize=1 << 12)
def reading_line(reading: Reading, axis: Axis, maximum: bool, ordered: bool) -> Line:
    """The line of one layer over a grid axis."""
    nodes, weights, labels = reading.table(axis.size)
    absent = nodes == (MISSING if axis.size is None else FILL)
    entries = np.stack([np.where(absent, -1, labels), np.where(absent, 0, nodes), weights], axis=-1).astype(np.int64)
    average = int(weights.reshape(len(weights), weights.shape[1], -1).sum(-1).max())
    scale = 1 if maximum else reading.scale or average
    modulus = (axis.size or 0) if axis.boundary == "periodic" else 0
    advance = 0 if axis.size else reading.advance
    sizes = np.abs(weights)
    bound = 1 if maximum else int(sizes.max(initial=1, where=sizes < LEAST_NAME))
    return _make(entries, scale, maximum, ordered, advance, modulus, bound)


@lru_cache(maxsize=1 << 12)
def compose_lines(outer: Line, inner: Line) -> Line | None:
    """The outer line with each of its nodes p replaced by row p of the inner line; None if it grows too large.

    Σ_e w_e · (Σ_i v_ei · x[q_ei]) = Σ_{e, i} (w_e · v_ei) · x[q_ei] with the entries (v_ei, q_ei) of row p_e. Taps of
    such a row become taps of their own; a constant stays what it is. Labels are those of one of the lines.
    """
    scale, (entries, advance) = outer.scale * inner.scale, _in_whole_periods(outer, inner)
    is_large = entries[..., NODE].size * inner.entries[0, ..., NODE].size > _LIMIT or scale > _LARGEST_SCALE
    maximum = outer.maximum or inner.maximum
    # A tap reads a node through each of its entries once at most.
    largest = max(inner.bound, inner.scale) if outer.has_constants else inner.bound
    bound = 1 if maximum else outer.bound * entries.shape[2] * largest
    if is_large or bound > _LARGEST or (_has_labels(entries) and _has_labels(inner.entries)):
        return None
    read = _rows_read(entries, inner)
    # [rows, taps · inner taps, entries · inner entries, 3]
    entries = read.swapaxes(2, 3).reshape(len(read), outer.taps * inner.taps, -1, 3)
    return _make(entries, scale, maximum, outer.ordered or inner.ordered, advance, inner.modulus, bound)


def _in_whole_periods(outer: Line, inner: Line) -> tuple[np.ndarray, int]:
    """The outer line's entries, with a period that is whole periods of an infinite inner line; and how far the nodes of
    the base move in it."""
    if not inner.advance:
        return outer.entries, 0
    periods = lcm(outer.advance, inner.rows) // outer.advance if outer.advance else 1
    turns = np.arange(periods)[:, None, None, None] * outer.advance
    entries = translate(outer.entries[None], turns).reshape(-1, *outer.entries.shape[1:])
    return entries, periods * outer.advance // inner.rows * inner.advance


def _has_labels(entries: np.ndarray) -> bool:
    return bool((is_node(entries) & (entries[..., LABEL] > 0)).any())


def _rows_read(entries: np.ndarray, inner: Line) -> np.ndarray:
    """For each entry w · p row p of a line times w, `[rows, taps, entries, inner taps, inner entries, 3]`.

    The label of the entry goes to each node of that row; for a constant it is that constant alone.
    """
    present = is_node(entries)
    turns, row = np.divmod(entries[..., NODE], inner.rows)
    read = inner.entries[row]
    if inner.advance:
        read = translate(read, (turns * inner.advance)[..., None, None])
    read[..., LABEL] += np.where(is_node(read), np.where(present, entries[..., LABEL], 0)[..., None, None], 0)
    constant = _nothing(*read.shape[:-1])
    constant[..., 0, LABEL], constant[..., 0, WEIGHT] = entries[..., None, LABEL], inner.scale
    read = np.where(present[..., None, None, None], read, constant)
    read[..., WEIGHT] *= entries[..., None, None, WEIGHT]
    return read


@lru_cache(maxsize=1 << 12)
def rename_constants(line: Line) -> Line:
    """The same line with its constants renamed: after a pointwise function they differ from a fresh zero."""
    if not line.has_constants:
        return line
    entries = line.entries.copy()
    entries[..., LABEL] -= line.labels < 0
    return _make(entries, line.scale, line.maximum, line.ordered, line.advance, line.modulus, line.bound)


@lru_cache(maxsize=1 << 12)
def join_lines(a: Line, b: Line) -> Line | None:
    """Both lines' taps, one after the other: what a sum or concatenation of two values reads; None if too many.

    Taps that carry free weights are there once: two of them with free weights are one.
    """
    if (a.rows, a.advance, a.modulus) != (b.rows, b.advance, b.modulus) or a.nodes.size + b.nodes.size > _LIMIT:
        return None
    scale = lcm(a.scale, b.scale)
    bound = max(line.bound * (scale // line.scale) for line in (a, b))
    if scale > _LARGEST_SCALE or bound > _LARGEST:
        return None
    parts = _of_one_width([a.entries, b.entries])
    for line, part in zip((a, b), parts, strict=True):
        part[..., WEIGHT] *= scale // line.scale
    single = a.taps == b.taps == 1
    entries = np.concatenate(parts, axis=1)
    if not single:
        seen = {entries[:, tap].tobytes(): tap for tap in reversed(range(entries.shape[1]))}
        entries = entries[:, sorted(seen.values())]
    return _make(entries, scale, False, not single, a.advance, a.modulus, bound)


def _of_one_width(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Copies of arrays of entries, filled up with none to as many for each tap."""
    width = max(part.shape[-2] for part in parts)
    return [np.concatenate([p, _nothing(*p.shape[:-2], width - p.shape[-2])], axis=-2) for p in parts]


@lru_cache(maxsize=1 << 12)
def collapse_line(line: Line, maximum: bool) -> Line | None:
    """One output that averages (or takes the maximum) over all rows."""
    bound = line.bound * line.rows * line.entries.shape[2]
    if line.nodes.size > _LIMIT or bound > _LARGEST:
        return None
    entries = _fold(line).swapaxes(0, 1).reshape(1, line.taps, -1, 3)
    if not maximum:
        entries = _separate_sums(entries[0])
    return _make(entries, 1, maximum, line.ordered, 0, line.advance or line.modulus, bound)


def is_even(total: Line, axis: Axis) -> bool:
    """Whether a total over all rows has every node of an axis, each as often as the others."""
    count = axis.size or total.modulus
    return bool((is_node(total.entries).sum(-1) == count).all() and (np.ptp(total.weights, axis=-1) == 0).all())


def _separate_sums(taps: np.ndarray) -> np.ndarray:
    """The sums that a total over all rows consists of, one tap each: one for each tap and label.

    Each is moved on its own, so constants, factors and labels play no further part. Where a window system gives
    every node to every tap (a transposed convolution, say) they are all the same, and one is left.
    """
    sums = []
    for tap in taps:
        nodes = tap[is_node(tap)]
        for label in np.unique(nodes[:, LABEL]):
            total = nodes[nodes[:, LABEL] == label]
            total[:, LABEL] = 0
            total = _canonical(total, False)
            total[:, WEIGHT] //= max(np.gcd.reduce(total[:, WEIGHT]), 1)
            sums.append(total)
    return np.stack(_of_one_width(sums))[None] if sums else taps[None]


@lru_cache(maxsize=1 << 12)
def pool_rows(line: Line, maximum: bool) -> Line:
    """One output that averages (or takes the maximum) of one function of every row, whatever the function."""
    if line.advance:
        line = _wind(line)
    line = _without_labels(line, maximum)
    line = _make(line.entries, line.scale, line.maximum, line.ordered, 0, line.modulus, line.bound)
    return replace(line, pooled="set" if maximum else "multiset")


def _without_labels(line: Line, maximum: bool) -> Line:
    """A line to pool over in place of the given one, in which labels and places of taps play no part.

    Rows of constants add a constant. Of rows that say in which taps and channels they put their nodes, each such
    pattern has a function of its own, φ_k; if all patterns see the same nodes, Σ_k Σ_i φ_k(x_i) = Σ_i ψ(x_i).
    """
    nodes = is_node(line.entries)
    seeing = nodes.any((1, 2))
    if not seeing.any() or (nodes.any(2).sum(1) > 1).any():
        return line
    seen: dict[bytes, list[bytes]] = {}
    kept: dict[bytes, np.ndarray] = {}
    for row, at in zip(line.entries[seeing], nodes[seeing], strict=True):
        tap = int(at.any(1).argmax())
        labels = set(row[at][:, LABEL].tolist())
        if len(labels) > 1:
            return line
        plain = row[tap].copy()
        plain[at[tap], LABEL] = 0
        kept[plain.tobytes()] = plain
        pattern = np.delete(row, tap, axis=0).tobytes() + bytes(f"{tap} {labels}", "ascii")
        seen.setdefault(pattern, []).append(plain.tobytes())
    shown = [sorted(set(contents) if maximum else contents) for contents in seen.values()]
    if any(other != shown[0] for other in shown):
        return line
    return replace(line, entries=np.stack([kept[content] for content in shown[0]])[:, None])


def _wind(line: Line) -> Line:
    """A line of an infinite axis wound around a torus of so many periods that its rows stay apart: a row, unlike a
    sum over all rows, is moved as a whole, so its nodes must not be taken modulo one period each."""
    nodes = line.nodes[is_node(line.entries)]
    turns = 2 + (2 * int(np.ptp(nodes)) // line.advance if nodes.size else 0)
    entries = np.concatenate([translate(line.entries, turn * line.advance) for turn in range(turns)])
    wound = replace(line, entries=entries, advance=turns * line.advance)
    return replace(wound, entries=_fold(wound), advance=0, modulus=wound.advance)


def _fold(line: Line) -> np.ndarray:
    """Entries of one period of rows, with the nodes of an infinite axis taken modulo that period."""
    entries = line.entries.copy()
    if line.advance:
        entries[..., NODE] %= line.advance
    return entries
