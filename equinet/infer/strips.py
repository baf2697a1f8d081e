"""Where a view of an infinite axis lies in the input that a program was traced at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from math import ceil, floor

import numpy as np

from equinet.infer.kernel import Kernel
from equinet.symmetry.tables import Table
from equinet.symmetry.windows import FILL


@dataclass(frozen=True)
class Strip:
    """Where the nodes of an axis lie in the traced input, from 0 to 1: node i fills `[at + step i, at + step (i + 1)]`.

    On an infinite axis an array is a view of all of it, and the ends of the input play no part: what an operation does
    there may be padding. An operation that tells inner nodes apart, or sums over a view that lacks some, does so on the
    infinite axis too. An end is an eighth of the input, or the three nodes that padding may reach; a quarter at most.
    """

    at: Fraction
    step: Fraction

    @staticmethod
    @cache
    def whole(size: int) -> Strip:
        """That of the input itself."""
        return Strip(Fraction(0), Fraction(1, max(size, 1)))

    def picked(self, start: int, step: int) -> Strip:
        """That of every so many nodes from one on."""
        return self.reading(Fraction(start), Fraction(step))

    def reading(self, centre: Fraction, stride: Fraction) -> Strip:
        """That of windows so many nodes apart, the first one centred on a node."""
        return Strip(self.at + self.step * (centre + (1 - stride) / 2), self.step * stride)

    def under(self, size: int, kernel: Kernel, count: int, *, any_size: bool) -> Strip:
        """That of so many windows that slide over so many nodes.

        Each may lie anywhere among what it reads, so that what windows cut off or move at the ends of the input is no
        part of the axis that is lost: they reach as far on any input. One that reaches further than half of the nodes
        is where it is centred, since it may be meant for all of them; but not if it is as wide on an input of any size,
        as parameters say.
        """
        centre, stride = kernel.course
        slack = Fraction((kernel.extent - 1) * kernel.dilation, 2 * kernel.base)
        if 4 * slack > size and not any_size:
            return self.reading(centre, stride)
        first = centre + (1 - stride) / 2
        low = min(max(Fraction(0), first - slack), first + slack)
        high = min(max(Fraction(size), first + count * stride - slack), first + count * stride + slack)
        return Strip(self.at + self.step * low, self.step * (high - low) / count)

    def read_as(self, old: Table, new: Table) -> Strip:
        """That of another table over one stem, given that this is the strip of a table over it."""
        (centre, stride), (other, pace) = old.course, new.course
        step = self.step / stride
        return Strip(self.at - step * (centre + (1 - stride) / 2), step).reading(other, pace)

    def cut_into(self, size: int, before: int) -> Strip:
        """The same part of the input, in so many nodes."""
        return self if size == before else Strip(self.at, self.step * before / max(size, 1))

    def common(self, others: Sequence[Strip], size: int) -> Strip:
        """What strips of so many nodes all cover, as far as it goes; in the direction of this one.

        Node i of a join reads node i of each: it stands for what all of them stand for. Where they are less than a node
        apart, as those of the offsets within blocks are, that is the strip in the middle. A strip that runs the other
        way is taken as its mirror image.
        """
        if all(other == self for other in others):
            return self
        places = [self.at, *(other.at for other in others)]
        within_a_node = max(places) - min(places) <= abs(self.step)
        if within_a_node and all(other.step == self.step for other in others):
            return Strip((max(places) + min(places)) / 2, self.step)
        low, high = sorted((self.at, self.at + self.step * size))
        for other in others:
            edges = sorted((other.at, other.at + other.step * size))
            runs_back = (self.step < 0) != (other.step < 0)
            edges = [1 - edges[1], 1 - edges[0]] if runs_back else edges
            low, high = max(low, edges[0]), min(high, edges[1])
        width = max(high - low, Fraction(0)) / max(size, 1)
        return Strip(low, width) if self.step > 0 else Strip(low + width * size, -width)

    @cached_property
    def end(self) -> Fraction:
        """How much of the input an end is."""
        return max(Fraction(1, 8), min(Fraction(1, 4), 3 * abs(self.step)))

    def inside(self, size: int) -> np.ndarray:
        """Which of so many nodes are inner ones: those that lie between the ends at least in part."""
        first, last = _inner_range(self, size)
        nodes = np.arange(size)
        return (nodes >= first) & (nodes < last)

    def inner(self, nodes: np.ndarray) -> np.ndarray:
        """Which of some nodes are inner ones, of those too that are before and after the ones that there are."""
        low, high = int(nodes.min(initial=0)), int(nodes.max(initial=0))
        return self.picked(low, 1).inside(high - low + 1)[nodes - low]

    def covers(self, size: int) -> bool:
        """Whether so many nodes are all between the ends, or more."""
        low, high = sorted((self.at, self.at + self.step * size))
        return low <= self.end and high >= 1 - self.end

    def continued(self, table: Table, inputs: int) -> Table | None:
        """A table on so many nodes as one on an infinite axis: its rows that read inner nodes, if they repeat, each so
        many nodes further, and go on to read them all.

        Other rows are padding: they must not be where the table, continued, would read inner nodes, of these or of what
        the view of the axis lacks.
        """
        inside = self.inside(inputs)
        reading = np.flatnonzero((table.seen & inside[table.nodes]).any(1))
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
        if self.inner(replaced).any():
            return None
        first = -(-int(rows[0]) // period) * period
        kept = np.arange(first, first + period)
        return Table(nodes[kept] - first // period * advance, weights[kept], advance)


@lru_cache(maxsize=1 << 12)  # programs ask it of the same few strips again and again
def _inner_range(strip: Strip, size: int) -> tuple[int, int]:
    """The inner ones of so many nodes: the first, and the one after the last."""
    if not strip.step:
        return 0, size if strip.end < strip.at < 1 - strip.end else 0
    low, high = sorted((edge - strip.at) / strip.step for edge in (strip.end, 1 - strip.end))
    return floor(low), ceil(high)


def _repeats(nodes: np.ndarray, weights: np.ndarray) -> tuple[int, int] | None:
    """After how many rows a table repeats, at least twice, and how far its nodes are then; the fewest rows."""
    for period in range(1, len(nodes) // 2 + 1):
        counts = weights[:-period] != 0
        steps = (nodes[period:] - nodes[:-period])[counts]
        one_step = steps.size and steps[0] > 0 and (steps == steps[0]).all()
        if one_step and np.array_equal(weights[period:], weights[:-period]):
            return period, int(steps[0])
    return None
