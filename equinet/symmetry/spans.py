"""Receptive fields along one axis, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from equinet.symmetry.records import updated

if TYPE_CHECKING:
    from equinet.symmetry.windows import Reading

Exact = int | Fraction
"""An int where it is whole, which takes a tenth of the time."""

Reach = tuple[Exact, Exact, Exact]
"""Stride, lowest and highest node that one layer reads, as `Reading.reach` gives them."""


@dataclass(frozen=True)
class Span:
    """Receptive field along one axis: output i depends on inputs in `[stride·i + lo, stride·i + hi]`.

    Attributes:
        stride, lo, hi: as above.
        everything: whether it depends on all of them.
        inner: the first and the last output that no border has a part in: all that it reads, in every layer on the way,
            is there. None on an axis without ends; the first lies behind the last if there is no such output.
        returns: whether what lies beyond an end may stand for something else (another end, a mirrored node).
    """

    stride: Exact = 1
    lo: Exact = 0
    hi: Exact = 0
    everything: bool = False
    inner: tuple[int, int] | None = None
    returns: bool = False

    @staticmethod
    def of_input(size: int | None) -> Span:
        """That of the input itself, along an axis of so many nodes."""
        return Span(inner=None if size is None else (0, size - 1))

    @property
    def centre(self) -> Fraction:
        """Input position that output 0 is centred on."""
        return Fraction(self.lo + self.hi) / 2

    @property
    def extent(self) -> int | None:
        """How many inputs an output depends on at most; None: all of them."""
        return None if self.everything else floor(self.hi - self.lo) + 1

    @property
    def sheltered(self) -> tuple[Exact, Exact] | None:
        """The first and the last input that no output reads in which a border has a part, on the whole axis.

        None if there is none, or it is not known: where outputs read what lies elsewhere in place of a border.
        """
        if self.inner is None or self.everything or self.returns or self.inner[0] > self.inner[1]:
            return None
        first, last = self.inner
        found = self.stride * (first - 1) + self.hi + 1, self.stride * (last + 1) + self.lo - 1
        return found if found[0] <= found[1] else None

    def through(self, reach: Reach, outputs: int | None = None, *, returns: bool = False) -> Span:
        """The span of a value that reads this one so.

        Args:
            reach: what an output reads.
            outputs: how many there are.
            returns: whether one reads nodes from elsewhere in place of those beyond an end.
        """
        stride, lo, hi = reach
        inner = None
        if self.inner is not None and outputs is not None:
            # It reads whole nodes, of which none may lie before the first or behind the last.
            first = (self.inner[0] - 1 - lo) // stride + 1
            last = -((hi - self.inner[1] - 1) // stride) - 1
            inner = max(first, 0), min(last, outputs - 1)
        return updated(
            self,
            stride=self.stride * stride,
            lo=self.stride * lo + self.lo,
            hi=self.stride * hi + self.hi,
            inner=inner,
            returns=self.returns or returns,
        )

    def join(self, other: Span) -> Span:
        """The span of a value that depends on two (on everything, to be safe, if their strides differ)."""
        everything = self.everything or other.everything or self.stride != other.stride
        inner = None
        if self.inner is not None and other.inner is not None:
            inner = max(self.inner[0], other.inner[0]), min(self.inner[1], other.inner[1])
        lo, hi = min(self.lo, other.lo), max(self.hi, other.hi)
        return Span(self.stride, lo, hi, everything, inner, self.returns or other.returns)


def everything(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans of a value that depends on all nodes."""
    return tuple(updated(span, everything=True) for span in spans)


def joined(ones: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """Spans of a value that depends on two, axis by axis."""
    return tuple(one.join(other) for one, other in zip(ones, others, strict=True))


def read_spans(
    spans: Sequence[Span], readings: Sequence[Reading], before: Sequence[int | None], after: Sequence[int | None]
) -> tuple[Span, ...]:
    """Spans of a value that reads another so, along each axis, with the sizes of both."""
    return tuple(
        span.through(reading.reach(n), m, returns=reading.returns)
        for span, reading, n, m in zip(spans, readings, before, after, strict=True)
    )
