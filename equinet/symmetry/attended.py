"""Attention within sets of nodes: which nodes each node attends to, axis by axis."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from equinet.symmetry.spans import Reach
from equinet.symmetry.windows import FILL, MISSING, Reading


@dataclass(frozen=True)
class Attended(Reading):
    """Output i reads its own node and the nodes of a set that it is in.

    Args:
        count: the number of nodes of a set.
        positions: whether it tells them apart by their distance from its own within the set. Else they are in no order.
    """

    count: int
    positions: bool = False

    def size(self, n: int) -> int:
        return n

    @property
    def reads(self) -> int:
        return 2 * self.count

    @abstractmethod
    def sets(self, n: int | None) -> tuple[np.ndarray, np.ndarray]:
        """For each output the nodes of its set in order, `[outputs, count]`, and its own place among them."""

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes, own = self.sets(n)
        if self.positions:
            place = own[:, None] + np.arange(1 - self.count, self.count)
            inside = (place >= 0) & (place < self.count)
            found = np.take_along_axis(nodes, np.where(inside, place, 0), 1)
            nodes = np.where(inside, found, MISSING if n is None else FILL)[:, :, None]
            return nodes, np.ones_like(nodes), np.zeros_like(nodes)
        itself = np.take_along_axis(nodes, own[:, None], 1)
        nodes = np.stack([np.tile(itself, (1, self.count)), nodes], axis=1)
        weights = np.ones_like(nodes)
        weights[:, 0, 1:] = 0
        return nodes, weights, np.zeros_like(nodes)


@dataclass(frozen=True)
class Blocks(Attended):
    """Sets of consecutive nodes: blocks of `count` tile the axis."""

    @property
    def advance(self) -> int:
        return self.count

    @property
    def period(self) -> int:
        return self.count

    def sets(self, n: int | None) -> tuple[np.ndarray, np.ndarray]:
        outputs = np.arange(self.count if n is None else n)
        own = outputs % self.count
        return (outputs - own)[:, None] + np.arange(self.count), own

    def reach(self, n: int | None) -> Reach:
        return 1, 1 - self.count, self.count - 1


@dataclass(frozen=True)
class Spaced(Attended):
    """Sets of `count` nodes at equal distances d = n / count: the nodes that are alike modulo d.

    The distance depends on the size, so there is no such thing on an infinite axis: layers refuse it there.
    """

    def sets(self, n: int | None) -> tuple[np.ndarray, np.ndarray]:
        outputs, distance = np.arange(n or self.count), (n or self.count) // self.count
        return (outputs % distance)[:, None] + distance * np.arange(self.count), outputs // distance

    def reach(self, n: int | None) -> Reach:
        size = n or self.count
        return 1, size // self.count - size, size - size // self.count
