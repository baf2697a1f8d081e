"""Tables: what each node along one axis reads of an earlier value, node by node.

Code moves arrays about by slices, pads and concatenations, and sums shifted copies of them. As long as it does no more
than that, the result is a table over one value, the stem, so that copies that undo each other, and windows written out
by hand, are judged exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import blake2b
from math import gcd, lcm
from secrets import token_bytes

import numpy as np

from equinet.symmetry.spans import Reach
from equinet.symmetry.windows import FILL, MISSING, Reading

SIMPLE = 5040
"""The largest denominator of a simple fraction."""
LEAST_NAME = 1 << 40
"""Random integers that stand for weights are larger than integers that are their weights."""
_SECRET = token_bytes(16)
"""Of this process: so nobody can look for weights whose random integers are equal."""
_ONE = 1 << 20
"""How the weight 1 is written beside weights that are no simple fractions."""


@dataclass(frozen=True, eq=False)
class Table(Reading):
    """A reading given row by row: one tap, the weighted sum or the maximum of the row's entries.

    Tables are equal where they read alike.

    Attributes:
        nodes: int `[rows, entries]`, `FILL` (`MISSING` on an infinite axis) for a constant.
        weights: float `[rows, entries]`; an entry of weight 0 is not there.
        turn: on an infinite axis, how far the nodes move after all rows; 0 on a finite one.
    """

    nodes: np.ndarray
    weights: np.ndarray
    turn: int = 0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Table)
            and self.advance == other.advance
            and np.array_equal(self.nodes, other.nodes)
            and np.array_equal(self.weights, other.weights)
        )

    def __hash__(self) -> int:
        return hash((self.advance, self.nodes.tobytes()))

    @staticmethod
    @lru_cache(maxsize=1 << 8)
    def identity(size: int | None) -> Table:
        """Every node is itself."""
        nodes = np.arange(size or 1)[:, None]
        weights = np.ones_like(nodes, float)
        nodes.flags.writeable = weights.flags.writeable = False  # it is shared
        return Table(nodes, weights, 0 if size else 1)

    @staticmethod
    def of_constants(count: int) -> Table:
        """So many nodes of a finite axis, each of them a constant."""
        return Table(np.full((count, 1), FILL), np.ones((count, 1)))

    def size(self, n: int) -> int:
        return len(self.nodes)

    @property
    def advance(self) -> int:
        return self.turn

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.nodes[:, None], self._integers[0][:, None], np.zeros_like(self.nodes)[:, None]

    @property
    def scale(self) -> int:
        return self._integers[1]

    @cached_property
    def _integers(self) -> tuple[np.ndarray, int]:
        return whole(self.weights)

    @cached_property
    def stride(self) -> int | None:
        """How far each row lies from the one before, if all are the first one moved on and read no constant."""
        turn = self.nodes[:1] + self.advance if self.advance else self.nodes[:0]
        steps = np.diff(self.nodes, axis=0, append=turn)
        stride = int(steps[0, 0]) if steps.size else 1
        return stride if stride > 0 and (steps == stride).all() and self.seen.all() else None

    def reach(self, n: int | None) -> Reach:
        # Without a stride no such bounds are known, and whoever asks says so (`fields.irregular`).
        if self.stride is None:
            return 1, 0, 0
        return self.stride, int(self.nodes[0].min()), int(self.nodes[0].max())

    @property
    def constant(self) -> int:
        """How a constant is written."""
        return MISSING if self.advance else FILL

    @cached_property
    def seen(self) -> np.ndarray:
        """Which entries are nodes that play a part, bool `[rows, entries]`."""
        return (self.weights != 0) & (self.nodes != self.constant)

    @property
    def pace(self) -> Fraction:
        """On an infinite axis, how far each row moves on; 0 on a finite one."""
        return Fraction(self.advance, len(self.nodes))

    @property
    def course(self) -> tuple[Fraction, Fraction]:
        """On an infinite axis: the place that row 0 is centred on, and how far each row moves on."""
        read = self.nodes[self.seen]
        middle = Fraction(int(read.sum()), max(read.size, 1))
        return middle - self.pace * (len(self.nodes) - 1) / 2, self.pace

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

    def pick(self, rows: np.ndarray) -> Table:
        """The rows with the given numbers, `FILL` for a constant; on a finite axis."""
        given = rows != FILL
        if not given.any():
            return Table.of_constants(len(rows))
        nodes = np.where(given[:, None], self.nodes[rows], FILL)
        weights = np.where(given[:, None], self.weights[rows], 0.0)
        weights[~given, 0] = 1.0
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


def beside(tables: Sequence[Table]) -> Table:
    """All tables' entries in one row: what a sum or maximum of them reads. Entries of one node are merged."""
    tables = _of_one_period(tables)
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
    tables = _of_one_period(tables)
    nodes, weights = (np.stack(parts, axis=1) for parts in _of_one_width(tables))
    return Table(nodes.reshape(-1, nodes.shape[-1]), weights.reshape(-1, nodes.shape[-1]), tables[0].advance)


def stacked(tables: Sequence[Table]) -> Table:
    """All rows of the first table, then those of the second, and so on; on a finite axis."""
    nodes, weights = map(np.concatenate, _of_one_width(tables))
    return Table(nodes, weights)


def _of_one_period(tables: Sequence[Table]) -> list[Table]:
    """Tables along one axis, with as many rows each."""
    period = lcm(*(len(table.nodes) for table in tables))
    return [table.repeated(period) for table in tables]


def _of_one_width(tables: Sequence[Table]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The nodes and the weights of tables, with as many entries in each row."""
    entries = max(table.nodes.shape[1] for table in tables)

    def wide(array: np.ndarray, value: int) -> np.ndarray:
        missing = entries - array.shape[1]
        return np.hstack([array, np.full((len(array), missing), value)]) if missing else array

    return [wide(table.nodes, table.constant) for table in tables], [wide(table.weights, 0) for table in tables]


@lru_cache(maxsize=1 << 16)
def nearest_fraction(number: float) -> Fraction:
    """The simple fraction that is nearest to a number. Programs hold the same few numbers again and again."""
    return Fraction(number).limit_denominator(SIMPLE)


def whole(weights: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers that stand for the given weights, and the one that stands for 1.

    Simple fractions, but for eight units in the last place, become integers over a common denominator. If not all
    weights are such, each of the others is given a random number of its own: sums of products of these are equal only
    if they are whatever the weights are.
    """
    sizes, where = np.unique(np.abs(weights), return_inverse=True)
    simple = [*map(nearest_fraction, sizes.tolist())]
    close = all(abs(float(f) - v) <= 2.0**-49 * v for f, v in zip(simple, sizes, strict=True))
    scale = lcm(*(f.denominator for f in simple)) if close and len(set(simple)) == len(sizes) else 0
    if 0 < scale <= _ONE and max(simple, default=0) * scale < LEAST_NAME:
        numbers = [int(f * scale) for f in simple]
    else:
        scale = _ONE
        exact = [Fraction(float(v)) * _ONE for v in sizes]
        short = [f.denominator == 1 and f < LEAST_NAME for f in exact]
        numbers = [int(f) if is_short else _name(v) for f, is_short, v in zip(exact, short, sizes, strict=True)]
    signs = np.sign(weights).ravel().astype(np.int64)
    return (np.asarray(numbers, np.int64)[where.ravel()] * signs).reshape(weights.shape), scale


def _name(weight: float) -> int:
    """A random integer of 63 bits, the same for the same weight wherever it occurs."""
    digest = blake2b(np.float64(weight).tobytes(), digest_size=8, key=_SECRET).digest()
    return int.from_bytes(digest) >> 2 | 1 << 62
