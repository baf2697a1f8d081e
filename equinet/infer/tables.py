"""Tables: which nodes of an earlier value each node along one axis copies, adds up or takes the maximum of.

Code moves arrays about by slices, pads and concatenations, and sums shifted copies of them. As long as it does no more
than that, the result is a table over one value, the stem, so that copies that undo each other, and windows written out
by hand, are judged exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b
from math import gcd, lcm
from typing import Literal

import jax.numpy as jnp
import numpy as np

from equinet.symmetry.windows import FILL, MISSING, Reading

Kind = Literal["gather", "sum", "max"]
_ULPS = 8
"""Units in the last place by which weights may differ that count as equal: what rounding leaves of equal ones."""
_SIMPLE = 5040
"""The largest denominator of a simple fraction."""
_LARGEST = 1 << 40
"""Random integers that stand for weights are larger than integers that are their weights."""
_ONE = 1 << 20
"""How the weight 1 is written beside weights that are no simple fractions."""


@dataclass(frozen=True, eq=False)
class Table:
    """What each node along one axis reads of the stem's nodes along the same axis.

    Attributes:
        nodes: int `[rows, entries]`, `FILL` (`MISSING` on an infinite axis) for a constant.
        weights: float `[rows, entries]`; an entry of weight 0 is not there.
        advance: on an infinite axis, how far the nodes move after all rows; 0 on a finite one.
    """

    nodes: np.ndarray
    weights: np.ndarray
    advance: int = 0

    @staticmethod
    def identity(size: int | None) -> Table:
        """Every node is itself."""
        nodes = np.arange(size or 1)[:, None]
        return Table(nodes, np.ones_like(nodes, float), 0 if size else 1)

    @property
    def constant(self) -> int:
        """How a constant is written."""
        return MISSING if self.advance else FILL

    @property
    def pace(self) -> Fraction:
        """On an infinite axis, how far each row moves on; 0 on a finite one."""
        return Fraction(self.advance, len(self.nodes))

    @property
    def course(self) -> tuple[Fraction, Fraction]:
        """On an infinite axis: the place that row 0 is centred on, and how far each row moves on."""
        stride = self.pace
        read = self.nodes[(self.weights != 0) & (self.nodes != MISSING)]
        middle = Fraction(int(read.sum()), max(read.size, 1))
        return middle - stride * (len(self.nodes) - 1) / 2, stride

    @cached_property
    def is_identity(self) -> bool:
        """Whether every node is itself (of the first ones, on a finite axis)."""
        rows = len(self.nodes)
        if self.nodes.shape[1] > 1 or self.advance not in (0, rows) or (self.weights != 1).any():
            return False
        return bool((self.nodes[:, 0] == np.arange(rows)).all())

    @cached_property
    def is_gather(self) -> bool:
        """Whether every row copies one node or constant."""
        return self.nodes.shape[1] == 1 and bool((self.weights == 1).all())

    @cached_property
    def has_constants(self) -> bool:
        """Whether any row reads a constant."""
        return bool(((self.nodes == self.constant) & (self.weights != 0)).any())

    @cached_property
    def present(self) -> Table:
        """The same table without constants, except in rows of nothing else."""
        absent = (self.nodes == self.constant) & (self.nodes != self.constant).any(1, keepdims=True)
        return replace(self, weights=np.where(absent, 0.0, self.weights)) if absent.any() else self

    def same(self, other: Table) -> bool:
        """Whether two tables read alike."""
        return (
            self.advance == other.advance
            and self.nodes.shape == other.nodes.shape
            and np.array_equal(self.nodes, other.nodes)
            and np.array_equal(self.weights, other.weights)
        )

    def pick(self, rows: np.ndarray) -> Table:
        """The rows with the given numbers, `FILL` for a constant; on a finite axis."""
        there = rows != FILL
        if not there.any():
            return Table(np.full((len(rows), 1), FILL), np.ones((len(rows), 1)))
        nodes = np.where(there[:, None], self.nodes[rows], FILL)
        weights = np.where(there[:, None], self.weights[rows], 0.0)
        weights[~there, 0] = 1.0
        return Table(nodes, weights)

    def strided(self, start: int, step: int) -> Table:
        """On an infinite axis: row i of the new table is row `start + step · i` of this one."""
        period = len(self.nodes)
        count = period // gcd(period, step)
        turns, row = np.divmod(start + step * np.arange(count), period)
        moved = self.nodes[row] + (turns * self.advance)[:, None]
        nodes = np.where(self.nodes[row] == MISSING, MISSING, moved)
        return Table(nodes, self.weights[row], step * count // period * self.advance)

    def repeated(self, period: int) -> Table:
        """On an infinite axis: the same table written with a period of which its own is a divisor."""
        turns = period // len(self.nodes)
        if turns == 1:
            return self
        parts = [np.where(self.nodes == MISSING, MISSING, self.nodes + turn * self.advance) for turn in range(turns)]
        return Table(np.concatenate(parts), np.tile(self.weights, (turns, 1)), turns * self.advance)

    def scaled(self, factor: float | np.ndarray) -> Table:
        """Each row times a factor of its own, or all times one."""
        return replace(self, weights=self.weights * np.reshape(factor, (-1, 1)))

    def reading(self, maximum: bool) -> TableReading:
        """The same as a window system."""
        weights, scale = (self.weights != 0).astype(int), 1
        if not maximum:
            weights, scale = whole(self.weights)
        return TableReading(
            self.nodes.shape,
            self.nodes.astype(np.int64).tobytes(),
            weights.astype(np.int64).tobytes(),
            scale,
            self.advance,
        )


def beside(tables: Sequence[Table]) -> Table:
    """All tables' entries in one row: what a sum or maximum of them reads. Entries of one node are merged."""
    period = lcm(*(len(table.nodes) for table in tables)) if tables[0].advance else len(tables[0].nodes)
    tables = [table.repeated(period) if table.advance else table for table in tables]
    nodes = np.concatenate([table.nodes for table in tables], axis=1)
    weights = np.concatenate([table.weights for table in tables], axis=1)
    order = np.argsort(nodes, axis=1, kind="stable")
    nodes, weights = np.take_along_axis(nodes, order, 1), np.take_along_axis(weights, order, 1)
    for at in range(nodes.shape[1] - 1, 0, -1):
        repeated = nodes[:, at] == nodes[:, at - 1]
        weights[repeated, at - 1] += weights[repeated, at]
        weights[repeated, at] = 0
    return Table(nodes, weights, tables[0].advance)


def interleaved(tables: Sequence[Table]) -> Table:
    """Row `f·i + o` is row i of table o, of f tables."""
    period = lcm(*(len(table.nodes) for table in tables)) if tables[0].advance else len(tables[0].nodes)
    tables = [table.repeated(period) if table.advance else table for table in tables]
    entries = max(table.nodes.shape[1] for table in tables)
    fill = tables[0].constant

    def widened(array: np.ndarray, value: float) -> np.ndarray:
        return np.pad(array, ((0, 0), (0, entries - array.shape[1])), constant_values=value)

    nodes = np.stack([widened(table.nodes, fill) for table in tables], axis=1).reshape(-1, entries)
    weights = np.stack([widened(table.weights, 0) for table in tables], axis=1).reshape(-1, entries)
    return Table(nodes, weights, tables[0].advance)


def stacked(tables: Sequence[Table]) -> Table:
    """All rows of the first table, then those of the second, and so on; on a finite axis."""
    entries = max(table.nodes.shape[1] for table in tables)

    def widened(array: np.ndarray, value: float) -> np.ndarray:
        return np.pad(array, ((0, 0), (0, entries - array.shape[1])), constant_values=value)

    nodes = np.concatenate([widened(table.nodes, FILL) for table in tables])
    return Table(nodes, np.concatenate([widened(table.weights, 0) for table in tables]))


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether numbers are equal, each but for a few units in its last place."""
    if a.dtype.kind == "c":
        return equal(np.real(a), np.real(b)) and equal(np.imag(a), np.imag(b))
    if a.dtype.kind != "f":
        return bool((a == b).all())
    rounding = _ULPS * float(jnp.finfo(a.dtype).eps)
    one, two = a.astype(np.float64), b.astype(np.float64)
    return bool((np.abs(one - two) <= rounding * np.minimum(np.abs(one), np.abs(two))).all())


def snapped(array: np.ndarray) -> np.ndarray:
    """The same numbers in double precision, where those that differ by a few units in the last place become one, and
    simple fractions what they were before they were rounded.

    Each is compared with its like, never with the largest: a small one is not zero beside a large one.
    """
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    rounding = _ULPS * float(jnp.finfo(array.dtype).eps)
    sizes, where = np.unique(np.abs(array.astype(np.float64)), return_inverse=True)
    kept = sizes.copy()
    for at in range(1, len(sizes)):
        if sizes[at] <= kept[at - 1] * (1 + rounding):
            kept[at] = kept[at - 1]
    simple = np.asarray([float(Fraction(float(v)).limit_denominator(_SIMPLE)) for v in kept])
    close = np.abs(simple - kept) <= rounding / 2 * kept
    if len(np.unique(simple[close])) == len(np.unique(kept[close])):
        kept = np.where(close, simple, kept)
    return np.copysign(kept[where.ravel()].reshape(array.shape), array)


def whole(weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers that stand for the given weights, and the one that stands for 1.

    Simple fractions become integers over a common denominator. If not all weights are such, each of the others is given
    a random number of its own: sums of products of these are equal only if they are whatever the weights are.
    """
    sizes, where = np.unique(np.abs(weights), return_inverse=True)
    simple = [Fraction(float(v)).limit_denominator(_SIMPLE) for v in sizes]
    close = all(abs(float(f) - v) <= 2.0**-44 * v for f, v in zip(simple, sizes, strict=True))
    scale = lcm(*(f.denominator for f in simple)) if close and len(set(simple)) == len(sizes) else 0
    if 0 < scale <= _ONE and max(simple, default=0) * scale < _LARGEST:
        numbers = [int(f * scale) for f in simple]
    else:
        scale = _ONE
        exact = [Fraction(float(v)) * _ONE for v in sizes]
        short = [f.denominator == 1 and f < _LARGEST for f in exact]
        numbers = [int(f) if is_short else _name(v) for f, is_short, v in zip(exact, short, sizes, strict=True)]
    signs = np.sign(weights).ravel().astype(np.int64)
    return (np.asarray(numbers, np.int64)[where.ravel()] * signs).reshape(weights.shape), scale


def _name(weight: float) -> int:
    """A random integer of 41 bits, the same for the same weight wherever it occurs."""
    return int.from_bytes(blake2b(np.float64(weight).tobytes(), digest_size=5).digest()) | _LARGEST


def continued(table: Table, inputs: int, inner: Callable[[np.ndarray], np.ndarray]) -> Table | None:
    """A table on as many nodes as one on an infinite axis: its rows that read inner nodes, if they repeat, each so many
    nodes further, and go on to read them all.

    Other rows are padding: they must not be where the table, continued, would read inner nodes, of these or of what the
    view of the axis lacks.

    Args:
        inputs: how many nodes it is on.
        inner: which of some nodes, of these or of what the view lacks, are inner ones.
    """
    there, inside = (table.weights != 0) & (table.nodes != FILL), inner(np.arange(inputs))
    reading = np.flatnonzero((there & inside[table.nodes]).any(1))
    if not reading.size:
        return None
    rows = np.arange(reading[0], reading[-1] + 1)
    if (table.nodes[rows] == FILL)[table.weights[rows] != 0].any():
        return None
    order = np.argsort(np.where(table.weights != 0, table.nodes, inputs), axis=1, kind="stable")
    nodes = np.take_along_axis(table.nodes, order, 1)
    weights = np.take_along_axis(table.weights, order, 1)
    found = _repeats(nodes[rows], weights[rows])
    if found is None:
        return None
    period, advance = found
    for beyond in (nodes[rows[:period]] - advance, nodes[rows[-period:]] + advance):
        if inside[beyond[(beyond >= 0) & (beyond < inputs)]].any():
            return None
    others = np.concatenate([np.arange(rows[0]), np.arange(rows[-1] + 1, len(nodes))])
    turns, like = np.divmod(others - rows[0], period)
    replaced = (nodes[rows[0] + like] + turns[:, None] * advance)[weights[rows[0] + like] != 0]
    if inner(replaced).any():
        return None
    first = -(-int(rows[0]) // period) * period
    kept = np.arange(first, first + period)
    return Table(nodes[kept] - first // period * advance, weights[kept], advance)


def _repeats(nodes: np.ndarray, weights: np.ndarray) -> tuple[int, int] | None:
    """After how many rows a table repeats, at least twice, and how far its nodes are then; the fewest rows."""
    for period in range(1, len(nodes) // 2 + 1):
        there = weights[:-period] != 0
        steps = (nodes[period:] - nodes[:-period])[there]
        one_step = steps.size and steps[0] > 0 and (steps == steps[0]).all()
        if one_step and np.array_equal(weights[period:], weights[:-period]):
            return period, int(steps[0])
    return None


@dataclass(frozen=True)
class TableReading(Reading):
    """A table as a window system: one tap, the sum or maximum of its row's entries."""

    shape: tuple[int, int]
    nodes: bytes
    weights: bytes
    whole: int
    moves: int

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        nodes, weights = (np.frombuffer(data, np.int64).reshape(self.shape) for data in (self.nodes, self.weights))
        return nodes, weights

    def size(self, n: int) -> int:
        return self.shape[0]

    @property
    def advance(self) -> int:
        return self.moves

    @property
    def scale(self) -> int:
        return self.whole

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes, weights = self._arrays()
        return nodes[:, None], weights[:, None], np.zeros_like(nodes)[:, None]

    @property
    def is_regular(self) -> bool:
        """Whether all rows are the first one moved by a constant stride, so that `reach` bounds them."""
        nodes, weights = self._arrays()
        present = (nodes != FILL) & (nodes != MISSING) & (weights != 0)
        if len(nodes) == 1 or not present.all():
            return bool(present.all())
        steps = np.diff(nodes, axis=0)
        turn = self.moves - (nodes[-1] - nodes[0]) if self.moves else steps[0]
        return bool((steps == steps[0, 0]).all() and (turn == steps[0, 0]).all() and steps[0, 0] > 0)

    def reach(self, n: int | None) -> tuple[Fraction, Fraction, Fraction]:
        nodes, _ = self._arrays()
        if not self.is_regular:
            return Fraction(1), Fraction(0), Fraction(0)
        stride = self.moves if len(nodes) == 1 else int(nodes[1, 0] - nodes[0, 0])
        return Fraction(max(stride, 1)), Fraction(int(nodes[0].min())), Fraction(int(nodes[0].max()))


@dataclass(frozen=True)
class Kernel(Reading):
    """A convolution's window along one axis, as `lax.conv_general_dilated` places it.

    The input's nodes lie `base` apart with zeros between; after padding by `lo` and `hi` (negative to crop), a window
    of taps `dilation` apart is moved by `stride`. `taps` says which offsets share a weight: each tap is a weighted sum
    over some of the offsets, `((offset, weight), …)`, over `whole`. For a maximum, those outside the input are absent.
    """

    extent: int
    stride: int
    dilation: int
    base: int
    lo: int
    hi: int
    taps: tuple[tuple[tuple[int, int], ...], ...]
    whole: int = 1
    maximum: bool = False

    @property
    def scale(self) -> int:
        return self.whole

    @staticmethod
    def free(size: int) -> tuple[tuple[tuple[int, int], ...], ...]:
        """A weight for each offset."""
        return tuple(((offset, 1),) for offset in range(size))

    @staticmethod
    def equal(size: int) -> tuple[tuple[tuple[int, int], ...], ...]:
        """One weight for all offsets."""
        return (tuple((offset, 1) for offset in range(size)),)

    def size(self, n: int) -> int:
        wide = (n - 1) * self.base + 1 + self.lo + self.hi
        return max((wide - (self.extent - 1) * self.dilation - 1) // self.stride + 1, 0)

    @property
    def _period(self) -> int:
        return self.base // gcd(self.base, self.stride)

    @property
    def advance(self) -> int:
        return self._period * self.stride // self.base

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outputs = np.arange(self._period if n is None else self.size(n))
        entries = max(len(tap) for tap in self.taps)
        offsets = np.asarray([[tap[min(e, len(tap) - 1)][0] for e in range(entries)] for tap in self.taps])
        weights = np.asarray([[tap[e][1] if e < len(tap) else 0 for e in range(entries)] for tap in self.taps])
        fine = outputs[:, None, None] * self.stride + offsets * self.dilation - self.lo
        nodes, absent = np.floor_divide(fine, self.base), fine % self.base != 0
        if n is not None:
            absent |= (nodes < 0) | (nodes >= n)
        nodes = np.where(absent, MISSING if n is None else FILL, nodes)
        weights = np.broadcast_to(weights, nodes.shape)
        return nodes, np.where(absent, 0, weights) if self.maximum else weights, np.zeros_like(nodes)

    @property
    def course(self) -> tuple[Fraction, Fraction]:
        """The place in the input that output 0 is centred on, and how far each output moves on."""
        middle = Fraction((self.extent - 1) * self.dilation - 2 * self.lo, 2 * self.base)
        return middle, Fraction(self.stride, self.base)

    @property
    def returns(self) -> bool:
        return False

    def reach(self, n: int | None) -> tuple[Fraction, Fraction, Fraction]:
        last = (self.extent - 1) * self.dilation
        return Fraction(self.stride, self.base), Fraction(-self.lo, self.base), Fraction(last - self.lo, self.base)
