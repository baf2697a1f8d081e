"""Receptive fields along one axis, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from equinet.symmetry.records import updated

Reach = tuple[Fraction, Fraction, Fraction]
"""Stride, lowest and highest node that one layer reads, as `Reading.reach` gives them."""


@dataclass(frozen=True)
class Span:
    """Receptive field along one axis: output i depends on inputs in `[stride·i + lo, stride·i + hi]`."""

    stride: Fraction = Fraction(1)
    lo: Fraction = Fraction(0)
    hi: Fraction = Fraction(0)
    everything: bool = False

    @property
    def centre(self) -> Fraction:
        """Input position that output 0 is centred on."""
        return (self.lo + self.hi) / 2

    @property
    def extent(self) -> int | None:
        """How many inputs an output depends on at most; None: all of them."""
        return None if self.everything else floor(self.hi - self.lo) + 1

    def through(self, reach: Reach) -> Span:
        """The span of a value that reads this one so."""
        stride, lo, hi = reach
        return updated(self, stride=self.stride * stride, lo=self.stride * lo + self.lo, hi=self.stride * hi + self.hi)

    def join(self, other: Span) -> Span:
        """The span of a value that depends on two (on everything, to be safe, if their strides differ)."""
        everything = self.everything or other.everything or self.stride != other.stride
        return Span(self.stride, min(self.lo, other.lo), max(self.hi, other.hi), everything)


def everything(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans of a value that depends on all nodes."""
    return tuple(updated(span, everything=True) for span in spans)
