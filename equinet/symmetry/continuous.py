"""Which real shifts a value on a torus keeps: its frequencies, axis by axis.

A network reads inputs without frequencies at or above half a turn a node: trigonometric polynomials, which real shifts
move by phases. Every value is samples of functions on the torus that move with the input, by some group of shifts: one
function at equidistant nodes or, where f nodes were put in place of one, f functions in turn (its *phases*), each at
every f-th node. A function may have more frequencies than its nodes can tell apart, and then they *fold*. Three facts
carry all:

- What slides along an axis is done between the nodes as well (a convolution, a function of each value, a window): it is
  done to the functions. Frequencies stay, multiply with the degree of a polynomial, or become unbounded. No shift is
  lost: a stride of s takes fewer samples, and r outputs to every s nodes are r functions in turn.
- What reads single frequencies (a low-pass, a mean) reads those of the function, if none has folded onto them. For f
  functions in turn these are the frequencies below those at which the spectrum repeats, as for so many nodes only.
- Whatever else is done to the nodes commutes with real shifts that move nodes to nodes, if it commutes with those at
  all; the function is then any other through the same nodes.

The shifts along an axis are a closed subgroup of the circle: n equal steps around it, or all (n = 0). So subgroups meet
in the greatest common divisor. Their action on a value with m nodes is m/N nodes for each of the input's N.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd, lcm
from typing import Any

import numpy as np

from equinet.groups.domain import Domain
from equinet.symmetry.windows import FILL, Reading


@dataclass(frozen=True)
class Band:
    """A value along one axis of a torus.

    Attributes:
        nodes: n, at which each function is sampled; the value has `phases` times as many.
        shifts: how many equal steps around the axis the functions move by; 0 for all real shifts.
        top: their highest frequency, in turns around the axis; None if it has no bound. Frequencies of n − top and
            above are not what they seem.
        phases: how many functions there are.
        low: a frequency L and steps around the axis by which those up to L move, where that is more than `shifts`:
            onto higher ones something has folded. None if there is nothing to say.
    """

    nodes: int
    shifts: int = 0
    top: int | None = 0
    phases: int = 1
    low: tuple[int, int] | None = None

    @staticmethod
    def input(nodes: int) -> Band:
        """Of an input, which has no frequency at or above half a turn a node."""
        return Band(nodes, 0, (nodes - 1) // 2)

    @property
    def size(self) -> int:
        """Nodes of the value."""
        return self.nodes * self.phases

    @property
    def whole(self) -> int:
        """Steps around the axis by which all nodes move to nodes of the same function."""
        return gcd(self.shifts, self.nodes)

    @property
    def usable(self) -> int:
        """Those by which the value itself moves as the trigonometric polynomial through its nodes."""
        return self.shifts if self.phases == 1 and self.folds == 0 else self.whole

    @property
    def folds(self) -> int | None:
        """How many frequencies fold; None if there is no bound."""
        return None if self.top is None else max(self.top - (self.nodes - 1) // 2, 0)

    @property
    def folded(self) -> str:
        """Which frequencies fold, as text; nothing where none do."""
        if self.folds is None or self.top is None:
            return f"frequencies without bound fold on {self.nodes} nodes"
        if not self.folds:
            return f"the spectrum repeats after {self.nodes} frequencies" if self.phases > 1 else ""
        first = self.top - self.folds + 1
        which = (
            f"frequency {first} folds" if self.folds == 1 else f"{self.folds} frequencies, {first} to {self.top}, fold"
        )
        return f"{which} on {self.nodes} nodes"

    @property
    def on_nodes(self) -> Band:
        """Of a function of the nodes that moves with them and knows nothing between them."""
        return Band(self.size, self.whole, self.size // 2)

    def _reads(self, top: int, degree: int = 1) -> bool:
        """Whether frequencies up to `top` of a power of the value are those of the functions."""
        return self.top is not None and degree * self.top + top < self.nodes

    def lowpass(self, top: int | None) -> Band:
        """Without frequencies above `top`, if one is given."""
        if top is None:
            return self
        if self.low is not None and top <= self.low[0]:
            return Band(self.size, self.low[1], top)
        value, low = self, self.low
        if not self._reads(top):
            value = self.on_nodes
            low = None if self.top is None or self.top >= self.nodes else (self.nodes - self.top - 1, self.shifts)
        return Band(self.size, value.shifts, top if value.top is None else min(value.top, top), low=low)

    def resampled(self, size: int) -> Band:
        """The function through the nodes, which does not fold, at more or fewer nodes."""
        return Band(size, self.shifts, self.top, low=self.low)

    def kept_by_mean(self, degree: int = 1) -> int:
        """The shifts that leave the mean of the value's powers up to a degree alone."""
        kept = self.shifts if self._reads(0, degree) else self.whole
        return kept if self.low is None or degree > 1 else lcm(kept, self.low[1])

    @property
    def kept_by_all(self) -> int:
        """The shifts that leave any function of all nodes alone that does not tell them apart, such as the maximum."""
        return self.shifts if self.top == 0 else self.whole

    def scale(self, degree: int) -> Band:
        """Taken times a function of such means, or with one added."""
        return replace(self, shifts=gcd(self.shifts, self.kept_by_mean(degree)), low=None)

    def function(self, degree: int | None) -> Band:
        """A polynomial of a degree of each value; None for any function."""
        if self.top == 0 or self.top is None:
            return self
        return self if degree == 1 else Band(self.nodes, self.shifts, degree and degree * self.top, self.phases)

    def read(self, reading: Reading, degree: int | None) -> Band:
        """Windows: sums of a window's nodes (degree 1), or any function of them (None)."""
        size = reading.size(self.size)
        if self.top == 0 and self.phases == 1 and are_alike(reading, self.size):
            return Band(size, self.shifts)
        # What moves windows to windows, and functions to themselves.
        step = lcm(shift_of_windows(reading, self.size), self.phases)
        # On two nodes a function other than the sum, which may follow, would not know the constant that is left.
        vanishes = degree == 1 and self.phases == 1 and 2 * (self.top or 0) == self.nodes > 2
        top = self.nodes // 2 - 1 if vanishes and has_zero(reading, self.nodes) else self.function(degree).top
        low = self.low if step == self.phases == 1 and degree == 1 and size == self.size else None
        return Band(self.size // step, self.shifts, top, size * step // self.size, low)

    def chosen(self, stride: int) -> Band:
        """Every s-th node, from one on that depends on all of them."""
        size = self.size // stride or 1
        if self.top == 0 and self.phases == 1:
            return Band(size, self.shifts)
        return Band(size, 1 if self.size % stride else gcd(self.whole, size), size // 2)

    def join(self, other: Band, *, product: bool) -> Band:
        """A sum or concatenation, or a product."""
        tops = None if self.top is None or other.top is None else (self.top, other.top)
        top = None if tops is None else sum(tops) if product else max(tops)
        phases = lcm(self.phases, other.phases)
        return Band(self.size // phases, gcd(self.shifts, other.shifts), top, phases)


@lru_cache(maxsize=1 << 12)
def are_alike(reading: Reading, nodes: int) -> bool:
    """Whether all outputs are the same function of their windows, which have no padding: constants stay constant."""
    rows, weights, labels = reading.table(nodes)
    if weights.shape[1] == 1:
        weights = weights.sum(-1)
    return bool((rows != FILL).all()) and all(bool((table == table[:1]).all()) for table in (weights, labels))


@lru_cache(maxsize=1 << 12)
def has_zero(reading: Reading, nodes: int) -> bool:
    """Whether sums of fixed weights make nothing of the frequency of half a turn a node, as means of two do."""
    rows, weights, _ = (table[0] for table in reading.table(nodes))
    return len(rows) == 1 and int((weights * (-1) ** rows).sum()) == 0


@lru_cache(maxsize=1 << 12)
def shift_of_windows(reading: Reading, nodes: int) -> int:
    """The least number of nodes, a divisor of all, by which windows move to windows around a circle of nodes.

    If all the nodes move by t, the outputs move in proportion.
    """
    outputs, (rows, weights, labels) = reading.size(nodes), reading.table(nodes)
    for step in (t for t in range(1, nodes) if nodes % t == 0 and t * outputs % nodes == 0):
        move = step * outputs // nodes
        moved = np.where(rows == FILL, FILL, (rows + step) % nodes)
        pairs = ((rows, moved), (weights, weights), (labels, labels))
        if all(np.array_equal(np.roll(at, -move, axis=0), kept) for at, kept in pairs):
            return step
    return nodes


@dataclass(frozen=True)
class Bands:
    """The bands of a value, one for each axis of the input's torus; none if nobody asks, or nothing is known.

    Attributes:
        axes: the bands; along a bounded axis one without shifts.
        pooled: whether the value has no axes any more. Then its bands say what it is invariant under.
    """

    axes: tuple[Band, ...] = ()
    pooled: bool = False

    @staticmethod
    def input(domain: Domain) -> Bands:
        """Of an input on a finite domain."""
        return Bands(tuple(_start(axis.size or 1, axis.boundary == "periodic") for axis in domain.axes))

    def _each(self, change: Callable[..., Band], *along: Sequence[Any]) -> Bands:
        """Each band changed, given what there is for its axis."""
        if self.pooled or not self.axes:
            return self
        return Bands(tuple(change(*each) for each in zip(self.axes, *along, strict=True)))

    @property
    def shifts(self) -> tuple[int, ...]:
        """Per axis, the steps around it by which the value moves as it stands."""
        return tuple(band.shifts if self.pooled else band.usable for band in self.axes)

    @property
    def folded(self) -> str:
        """Which frequencies fold, as text; nothing where none do."""
        return "; ".join(dict.fromkeys(band.folded for band in self.axes if band.folded and band.shifts != 1))

    @property
    def on_nodes(self) -> Bands:
        """Of a function of all nodes, with weights of its own for each pair, that moves with them."""
        return self._each(lambda band: band.on_nodes)

    @property
    def at_rest(self) -> Bands:
        """Of a function that tells nodes apart."""
        return self._each(lambda band: Band(band.size, 1, band.size // 2))

    def function(self, degree: int | None) -> Bands:
        """A polynomial of a degree of each value; None for any function."""
        return self._each(lambda band: band.function(degree))

    def scale(self, degree: int) -> Bands:
        """Taken times a function of means, over all nodes, of the value's powers up to a degree."""
        return self._each(lambda band: band.scale(degree))

    def lowpass(self, tops: Sequence[int | None]) -> Bands:
        """Without the frequencies above some, one per axis, or None for all."""
        return self._each(Band.lowpass, tops)

    def resampled(self, sizes: Sequence[int | None]) -> Bands:
        """The same function at other nodes."""
        return self._each(lambda band, n: band.resampled(n or 1), sizes)

    def read(self, readings: Sequence[Reading], degree: int | None) -> Bands:
        """Windows, one per axis: sums of their nodes (degree 1), or any function of them (None)."""
        return self._each(lambda band, reading: band.read(reading, degree), readings)

    def chosen(self, strides: Sequence[int]) -> Bands:
        """Every s-th node, from one on that depends on all of them."""
        return self._each(Band.chosen, strides)

    def pool(self, *, maximum: bool) -> Bands:
        """The mean or the maximum over all nodes."""
        if self.pooled:
            return self
        kept = (band.kept_by_all if maximum else band.kept_by_mean() for band in self.axes)
        return Bands(tuple(Band(1, shifts) for shifts in kept), pooled=True)

    @property
    def flattened(self) -> Bands:
        """The nodes as channels."""
        if self.pooled:
            return self
        return Bands(tuple(Band(1, band.shifts if band.top == 0 else 1) for band in self.axes), pooled=True)

    def join(self, other: Bands, *, product: bool) -> Bands:
        """A sum or concatenation, or a product; nothing where one is not known."""
        if not self.axes or not other.axes or self.pooled != other.pooled:
            return UNKNOWN
        pairs = zip(self.axes, other.axes, strict=True)
        return Bands(tuple(a.join(b, product=product) for a, b in pairs), self.pooled)


UNKNOWN = Bands()


def _start(nodes: int, is_periodic: bool) -> Band:
    return Band.input(nodes) if is_periodic else Band(nodes, 1, None)
