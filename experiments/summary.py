"""What the runs of one network have in common: means and spreads over the seeds, groups computed and measured."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from experiments.markdown import percent

Records = Sequence[dict[str, Any]]
NO_SHIFT = ("none", "trivial")
"""How the records write a group without translations."""


def by_network(records: Records) -> dict[str, list[dict[str, Any]]]:
    """The records of each network, in the order in which the networks first appear."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        found.setdefault(record["network"], []).append(record)
    return found


def values(records: Records, key: str) -> np.ndarray:
    """A metric of each record, whether it is a share of examples or a plain number."""
    cells = [record[key] for record in records]
    return np.asarray([cell["value"] if isinstance(cell, dict) else cell for cell in cells])


def mean(records: Records, key: str) -> str:
    """The mean over the seeds, in %."""
    return percent(values(records, key).mean())


def spread(records: Records, key: str) -> str:
    """Mean and standard deviation over the seeds, in %; a dash where nothing was run."""
    if not records:
        return "–"
    found = values(records, key)
    return percent(found.mean()) + (f" ± {100 * found.std(ddof=1):.1f}" if len(found) > 1 else "")


@dataclasses.dataclass(frozen=True)
class Difference:
    """One network's metric minus another's, in pairs of runs of one seed.

    Attributes:
        gaps: a number for each pair, two at least.
    """

    gaps: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.gaps))

    def interval(self, comparisons: int = 1) -> tuple[float, float]:
        """The 95 % interval of the mean, by Student's t with n − 1 degrees of freedom.

        Args:
            comparisons: how many intervals are to hold together: each is made at 1 − 0.05 / comparisons (Bonferroni).
        """
        if np.ptp(self.gaps) == 0:
            return self.mean, self.mean
        made: Any = stats.ttest_1samp(self.gaps, 0)
        found = made.confidence_interval(1 - 0.05 / comparisons)
        return float(found.low), float(found.high)

    @property
    def excludes_zero(self) -> bool:
        low, high = self.interval()
        return low > 0 or high < 0

    @property
    def p(self) -> float:
        """The p-value of a two-sided t-test that the mean is 0."""
        if np.ptp(self.gaps) == 0:
            return float(self.mean == 0)
        found: Any = stats.ttest_1samp(self.gaps, 0)
        return float(found.pvalue)

    def p_alike(self, margin: float) -> float:
        """The p-value of two one-sided t-tests: small where the mean lies between −margin and margin for sure.

        Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power approach for assessing the
        equivalence of average bioavailability".
        """
        if np.ptp(self.gaps) == 0:
            return float(abs(self.mean) >= margin)
        above: Any = stats.ttest_1samp(self.gaps, -margin, alternative="greater")
        below: Any = stats.ttest_1samp(self.gaps, margin, alternative="less")
        return float(max(above.pvalue, below.pvalue))

    def verdict(self, margin: float, comparisons: int = 1) -> str:
        """What can be said at 95 % of this and so many other comparisons together: "more", "less", "alike" (within the
        margin), "more, but alike" and so on; "open" where nothing can."""
        low, high = self.interval(comparisons)
        said = ["more"] * (low > 0) + ["less"] * (high < 0) + ["alike"] * (self.p_alike(margin) < 0.05 / comparisons)
        return ", but ".join(said) or "open"

    def text(self, comparisons: int = 1) -> str:
        """In points of a percent, with its interval."""
        low, high = self.interval(comparisons)
        return f"{100 * self.mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]".replace("-", "−")

    def __str__(self) -> str:
        return self.text()


def difference(one: Records, other: Records, key: str) -> Difference:
    """How far a metric of one network is above that of another, run by run of the seeds that both have.

    Raises:
        ValueError: fewer than two seeds in common, so that there is no interval.
    """
    first, second = ({record["seed"]: record for record in records} for records in (one, other))
    shared = sorted(first.keys() & second.keys())
    if len(shared) < 2:
        raise ValueError(f"an interval needs two seeds that both networks have; in common are {shared}")
    gaps = values([first[seed] for seed in shared], key) - values([second[seed] for seed in shared], key)
    return Difference(tuple(gaps.tolist()))


def extent(records: Records) -> str:
    """How many runs, networks and seeds there are, as a sentence."""
    seeds = sorted({record["seed"] for record in records})
    networks = len(by_network(records))
    return (
        f"{len(records)} runs: {networks} networks, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."
    )


def group_text(text: str) -> str:
    """A group of a record, for a table."""
    return "no shift" if text in NO_SHIFT else text


def agreeing(records: Records, computed: str = "computed", measured: str = "measured") -> tuple[int, int]:
    """How many records have the computed group as the measured one, and how many were measured."""
    pairs = [(record[computed], record[measured]) for record in records if measured in record]
    return sum(one == other for one, other in pairs), len(pairs)
