"""What can be said of a mean from a few runs."""

from typing import Any

import numpy as np
from scipy import stats


def interval_of(found: Any, comparisons: int = 1) -> tuple[float, float]:
    """The 95 % interval of the mean of some numbers, by Student's t with n − 1 degrees of freedom; of one, itself.

    Args:
        found: `[n]`.
        comparisons: how many intervals are to hold together: each is made at 1 − 0.05 / comparisons (Bonferroni).

    >>> [round(end, 2) for end in interval_of([1, 2, 3])]
    [-0.48, 4.48]
    """
    numbers = np.asarray(found, float)
    if len(numbers) == 1 or np.ptp(numbers) == 0:
        return float(numbers.mean()), float(numbers.mean())
    test: Any = stats.ttest_1samp(numbers, 0)
    ends = test.confidence_interval(1 - 0.05 / comparisons)
    return float(ends.low), float(ends.high)
