"""Runs that were made again, beside those that are kept: do they lie where another seed may be expected?"""

import numpy as np

from equinet.train.intervals import interval_of
from experiments.markdown import percent, table
from experiments.summary import Records, values

COMPARED = ("accuracy", "accuracy_circular_all")
"""The metrics that are compared, where a record has them."""
FEWEST = 3
"""Seeds that say where another one may be expected, at least."""


def expected(found: np.ndarray, comparisons: int = 1) -> tuple[float, float]:
    """Where one number more, drawn as these were, lies: mean ± t s √(1 + 1/n), the 95 % prediction interval.

    Args:
        found: `[n]`.
        comparisons: how many intervals are to hold together: each is made at 1 − 0.05 / comparisons (Bonferroni).

    >>> [round(end, 2) for end in expected(np.array([1.0, 2.0, 3.0]))]
    [-2.97, 6.97]
    """
    low, high = interval_of(found, comparisons)  # of the mean: ± t s / √n
    half = (high - low) / 2 * np.sqrt(len(found) + 1)
    return float(found.mean() - half), float(found.mean() + half)


def compared(records: Records, kept: Records) -> tuple[str, list[str]]:
    """A table of runs that were made again, and those that lie outside of what the other seeds say.

    A run's name ends with its seed; what stands before is the same for all seeds.

    Raises:
        ValueError: too few of the other seeds of a run are kept.
    """
    cells = [(record, key) for record in records for key in COMPARED if key in record]
    rows, outside = [], []
    for record, key in cells:
        name, [now] = record["run"], values([record], key)
        setting = name.removesuffix(f"-{record['seed']}")
        others = [each for each in kept if each["run"] == f"{setting}-{each['seed']}" and each["run"] != name]
        if len(others) < FEWEST:
            raise ValueError(f"{name}: {len(others)} other seeds of it are kept, and {FEWEST} are needed")
        before = values([each for each in kept if each["run"] == name], key)
        low, high = expected(values(others, key), len(cells))
        # On the machine of the record the same numbers come again, however far they are from others.
        as_expected = low <= now <= high or now in before
        outside += [] if as_expected else [f"{name}: {key}"]
        said = percent(before[0]) if len(before) else "–"
        seeds = f"{percent(low)} to {percent(high)} ({len(others)} seeds)"
        rows.append([name, key, percent(now), said, seeds, "yes" if as_expected else "NO"])
    return table(["run", "metric", "again, %", "kept, %", "expected of one more seed, %", "as expected"], rows), outside
