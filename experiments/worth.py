"""What one network is worth in training examples of another: how many times as many the other needs to do as well."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

LEVELS, RESAMPLES = 200, 1000
MOST_OPEN = 0.05
"""Of the resamples, how many may have no accuracy in common."""


@dataclasses.dataclass(frozen=True)
class Worth:
    """A factor between numbers of training examples, with its 95 % interval, and the accuracies it is a mean over."""

    factor: float
    interval: tuple[float, float]
    reached: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.interval
        return f"{_short(self.factor)} [{_short(low)}, {_short(high)}]"


def worth(counts: Sequence[int], one: np.ndarray, other: np.ndarray) -> Worth | None:
    """How many times as many examples `other` needs for the accuracy of `one`; None where that is open.

    Accuracy is a function of log n, linear between the counts that were run, of the mean over the seeds. The factor is
    the geometric mean of n_other / n_one over all accuracies that both reach; see `factor`.

    Its interval is that of Student's t, in log n, with the standard error of a bootstrap that draws seeds (the two
    networks of one seed together) with replacement. A bootstrap of s seeds alone is too narrow by √((s − 1) / s), and
    by the tails of t: of a plain mean, this interval is the paired t-interval.

    It is open if the mean curves reach no accuracy in common, or those of more than 5 % of the resamples.

    Args:
        counts: numbers of examples, rising.
        one, other: `[seeds, counts]`, accuracies; row by row of the same seeds, two at least.

    Raises:
        ValueError: for shapes that do not fit, or fewer than two seeds.
    """
    if one.shape != other.shape or one.ndim != 2 or one.shape[1] != len(counts) or len(one) < 2:
        raise ValueError(
            f"both need the same seeds, two at least, and {len(counts)} counts: got shapes {one.shape} and "
            f"{other.shape}"
        )
    seeds, means = len(one), (one.mean(0), other.mean(0))
    found = factor(counts, *means)
    drawn = np.random.default_rng(0).integers(0, seeds, (RESAMPLES, seeds))
    resampled = [factor(counts, one[rows].mean(0), other[rows].mean(0)) for rows in drawn]
    shared = np.log([each for each in resampled if each is not None])
    if found is None or len(shared) < (1 - MOST_OPEN) * RESAMPLES:
        return None
    half = stats.t.ppf(0.975, seeds - 1) * shared.std() * np.sqrt(seeds / (seeds - 1))
    low, high = np.exp(np.log(found) + np.array([-half, half]))
    return Worth(found, (float(low), float(high)), reached_by_both(*means))


def factor(counts: Sequence[int], one: np.ndarray, other: np.ndarray) -> float | None:
    """The geometric mean of n_other / n_one over all accuracies that two curves reach; None if there are none.

    A curve that falls somewhere is replaced by the nearest one that does not.

    >>> counts, curve = (100, 1000, 10_000), np.array([0.5, 0.6, 0.7])
    >>> round(factor(counts, curve, curve - 0.05), 6), factor(counts, curve, curve - 0.2)
    (3.162278, None)
    """
    low, high = reached_by_both(one, other)
    if low >= high:
        return None
    levels = low + (high - low) * (np.arange(LEVELS) + 0.5) / LEVELS
    first, second = (np.interp(levels, _rising(curve), np.log(counts)) for curve in (one, other))
    return float(np.exp((second - first).mean()))


def reached_by_both(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The least and the largest accuracy that both curves reach; the least is the larger if there is none."""
    curves = _rising(one), _rising(other)
    return float(max(curve[0] for curve in curves)), float(min(curve[-1] for curve in curves))


def _rising(curve: np.ndarray) -> np.ndarray:
    return optimize.isotonic_regression(curve).x


def _short(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.2g}" if value < 100 else f"{value:,.0f}"
