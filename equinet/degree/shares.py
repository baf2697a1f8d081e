"""Shares and other means over independent examples, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from equinet.verify.plain import finite

RESAMPLES = 1000
"""Of the bootstrap."""


@dataclass(frozen=True)
class Share:
    """The mean of a number between 0 and 1 over `n` independent examples, with its 95 % Wilson interval.

    The interval is ((p + z²/2n) ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with z = 1.96: all shares q with
    `|p − q| ≤ z √(q(1−q)/n)`. Of hits and misses the variance is q(1−q). A number between 0 and 1 with mean q, such as
    the share of 64 transforms under which an image keeps its answer, varies by at most that, so the interval covers at
    least as often; it does not take an image's transforms for independent. Unlike p ± z √(p(1−p)/n) it does not shrink
    to a point when every example agrees.

    >>> Share(1.0, 2000)
    1.0000 [0.9981, 1.0000] (n=2000)
    """

    value: float
    n: int

    @staticmethod
    def of(values: np.ndarray) -> Share:
        """Of one number for each example, or an array for each, the mean of which counts."""
        return Share(float(np.mean(values)), len(values))

    @property
    def interval(self) -> tuple[float, float]:
        z2n = 1.96**2 / self.n
        centre = (self.value + z2n / 2) / (1 + z2n)
        half = math.sqrt(1.96**2 * max(self.value * (1 - self.value), 0.0) / self.n + z2n**2 / 4) / (1 + z2n)
        return max(0.0, centre - half), min(1.0, centre + half)

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        return {"value": self.value, "n": self.n, "interval95": list(self.interval)}

    def __repr__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} [{low:.4f}, {high:.4f}] (n={self.n})"


@dataclass(frozen=True)
class Estimate:
    """A statistic of `n` independent examples, with its 95 % interval."""

    value: float
    n: int
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        return {"value": finite(self.value), "n": self.n, "interval95": list(map(finite, self.interval))}

    def __repr__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4g} [{low:.4g}, {high:.4g}] (n={self.n})"


def estimate(statistic: Callable[[np.ndarray], np.ndarray], n: int) -> Estimate:
    """A statistic with its percentile bootstrap interval (Efron and Tibshirani 1993), the same one each time.

    Examples are drawn anew as wholes, with all that was measured on each: the transforms of one image are no
    independent examples.

    Args:
        statistic: from the numbers of examples `[…, n]`, drawn with replacement, to its values `[…]`.
        n: how many examples there are.
    """
    value = float(statistic(np.arange(n)))
    stats = import_module("scipy.stats")
    with np.errstate(divide="ignore", invalid="ignore"):
        found = stats.bootstrap(
            (np.arange(n),),
            lambda drawn, axis: statistic(drawn),
            n_resamples=RESAMPLES,
            batch=100,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
    return Estimate(value, n, (float(found.low), float(found.high)))


def mean_iou(shared: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """The mean over classes of |answered ∩ true| / |answered ∪ true|, from both counts `[…, classes]`.

    Classes that neither occur nor are answered have no part in it.
    """
    each = np.where(joint > 0, shared / np.maximum(joint, 1), 0.0)
    return each.sum(-1) / np.maximum((joint > 0).sum(-1), 1)


def ratio(error: np.ndarray, variation: np.ndarray) -> np.ndarray:
    """(mean error / mean variation)^½ over the last axis; 0 where nothing changes, ∞ where outputs do not vary."""
    above, below = error.mean(-1, dtype=np.float64), variation.mean(-1, dtype=np.float64)
    varies = np.where(below > 0, below, 1.0)
    return np.where(above == 0, 0.0, np.where(below > 0, np.sqrt(above / varies), np.inf))
