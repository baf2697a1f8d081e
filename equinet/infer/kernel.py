"""The window of a convolution or a pool as a program writes it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

import numpy as np

from equinet.symmetry.spans import Reach
from equinet.symmetry.windows import FILL, MISSING, Reading


@dataclass(frozen=True)
class Placement:
    """How a window moves along one axis, as `lax.conv_general_dilated` says it.

    The input's nodes lie `base` apart with zeros between; after padding by `lo` and `hi` (negative to crop), a window
    of `extent` taps, `dilation` apart, is moved by `stride`.
    """

    extent: int
    stride: int
    dilation: int
    base: int
    lo: int
    hi: int


@dataclass(frozen=True)
class Kernel(Placement, Reading):
    """A convolution's window along one axis.

    `taps` says which offsets share a weight: each tap is a weighted sum
    over some of the offsets, `((offset, weight), …)`, over `whole`. For a maximum, those outside the input are absent;
    of a window that reads nothing else, one is a constant.
    """

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
        if self.maximum:
            weights = np.where(absent, 0, weights)
            weights[..., 0] += absent.all(-1)
        return nodes, weights, np.zeros_like(nodes)

    def reads_nothing(self, n: int | None) -> bool:
        """Whether some window lies outside the input."""
        nodes, _, _ = self.table(n)
        return bool((nodes == (MISSING if n is None else FILL)).all((1, 2)).any())

    @property
    def course(self) -> tuple[Fraction, Fraction]:
        """The place in the input that output 0 is centred on, and how far each output moves on."""
        middle = Fraction((self.extent - 1) * self.dilation - 2 * self.lo, 2 * self.base)
        return middle, Fraction(self.stride, self.base)

    @property
    def returns(self) -> bool:
        return False

    def reach(self, n: int | None) -> Reach:
        last = (self.extent - 1) * self.dilation
        return Fraction(self.stride, self.base), Fraction(-self.lo, self.base), Fraction(last - self.lo, self.base)
