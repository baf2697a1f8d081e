"""Resampling: reading an axis at evenly spaced positions between its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from equinet.symmetry.spans import Reach
from equinet.symmetry.windows import Padding, Reading, pad_table, reach_of

Method = Literal["nearest", "linear", "cubic"]
METHODS: tuple[Method, ...] = ("nearest", "linear", "cubic")


def _nearest_weights(part: np.ndarray, whole: int) -> tuple[int, np.ndarray]:
    return 1, np.ones((len(part), 1), np.int64)


def _linear_weights(part: np.ndarray, whole: int) -> tuple[int, np.ndarray]:
    return whole, np.stack([whole - part, part], axis=-1)


def _cubic_weights(part: np.ndarray, whole: int) -> tuple[int, np.ndarray]:
    """Keys' kernel with a = −1/2, times 2 whole³, at distances 1 + t, t, 1 − t and 2 − t, where t = part / whole.

    Within 1 it is (3 |d|³ − 5 |d|² + 2) / 2, from there to 2 (−|d|³ + 5 |d|² − 8 |d| + 4) / 2.
    """
    near, far = np.stack([part, whole - part]), np.stack([whole + part, 2 * whole - part])
    inner = 3 * near**3 - 5 * near**2 * whole + 2 * whole**3
    outer = -(far**3) + 5 * far**2 * whole - 8 * far * whole**2 + 4 * whole**3
    return 2 * whole**3, np.stack([outer[0], *inner, outer[1]], axis=-1)


_WEIGHTS = {"nearest": _nearest_weights, "linear": _linear_weights, "cubic": _cubic_weights}
_BEFORE = {"nearest": 0, "linear": 0, "cubic": 1}
"""How many nodes are read before the one at or below the position."""
_READ = {"nearest": 1, "linear": 2, "cubic": 4}


@dataclass(frozen=True)
class Resample(Reading):
    """Output i reads at (i + 1/2) / s − 1/2, or with aligned corners at i (n − 1) / (m − 1), m the number of outputs.

    Exactly one of `factor` (s; m = ⌊s n⌋) and `outputs` (m; s = m / n) is given. "nearest" takes the node at
    ⌊position + 1/2⌋, "linear" the two around the position, "cubic" four, with Keys' kernel for a = −1/2 (Keys 1981).

    Args:
        padding: what is read beyond the ends, "edge" or "circular".
        corners: whether the first and last outputs are the first and last inputs. Neither these nor a number of outputs
            mean anything on an infinite axis: layers refuse them there.
    """

    method: Method
    factor: Fraction | None = None
    outputs: int | None = None
    padding: Padding = "edge"
    corners: bool = False

    @property
    def reads(self) -> int:
        return _READ[self.method]

    @property
    def period(self) -> int:
        return self._scale(None).numerator

    @property
    def advance(self) -> int:
        return self._scale(None).denominator

    def size(self, n: int) -> int:
        return int(n * self._scale(n))

    def _scale(self, n: int | None) -> Fraction:
        """s, outputs per input."""
        return Fraction(self.outputs or 1, n or 1) if self.factor is None else self.factor

    def positions(self, n: int | None) -> tuple[np.ndarray, int]:
        """Where each output reads, or each of one period, as whole numbers of parts, and how many parts a node has."""
        count = self.period if n is None else self.size(n)
        index = np.arange(count, dtype=np.int64)
        if self.corners:
            return index * ((n or 1) - 1), max(count - 1, 1)
        scale = self._scale(n)
        return (2 * index + 1) * scale.denominator - scale.numerator, 2 * scale.numerator

    @property
    def wide(self) -> int:
        """How many nodes beyond an end are read at most."""
        return self.reads // 2

    def weighed(self, n: int | None) -> tuple[np.ndarray, np.ndarray, int]:
        """`(nodes, weights, whole)`, arrays `[outputs, read]`: output i is Σ weights[i] x[nodes[i]] / whole.

        Nodes beyond the ends, by at most `wide`, are not folded back.
        """
        parts, whole = self.positions(n)
        if self.method == "nearest":
            parts = parts + whole // 2
        below = np.floor_divide(parts, whole)
        total, weights = _WEIGHTS[self.method](parts - whole * below, whole)
        nodes = below[:, None] - _BEFORE[self.method] + np.arange(self.reads)
        return nodes, weights, total

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes, weights, _ = self.weighed(n)
        if n is not None:
            nodes = pad_table(n, self.wide, self.wide, str(self.padding))[nodes + self.wide]
        return nodes[:, None], weights[:, None], np.zeros_like(nodes)[:, None]

    @property
    def returns(self) -> bool:
        return self.padding == "circular"

    def reach(self, n: int | None) -> Reach:
        nodes, _, _ = self.weighed(n)
        step = Fraction((n or 1) - 1, max(len(nodes) - 1, 1)) if self.corners else 1 / self._scale(n)
        return reach_of(step, nodes)
