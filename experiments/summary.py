"""What the runs of one network have in common: means and spreads over the seeds, groups computed and measured."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

import equinet as eq
from equinet.train.intervals import interval_of
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


def estimate(records: Records, key: str) -> str:
    """A share's mean over the seeds and its 95 % interval, in %; a dash where nothing was run.

    The interval ends at 0 and 100. A single run has none.
    """
    if not records:
        return "–"
    found = values(records, key)
    if len(found) == 1:
        return percent(found[0])
    low, high = (percent(min(max(end, 0.0), 1.0)) for end in interval_of(found))
    return f"{percent(found.mean())} [{low}, {high}]"


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
        """The 95 % interval of the mean; see `interval_of`."""
        return interval_of(self.gaps, comparisons)

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
        """In points of a percent, with its interval; what rounds to 0 has no minus."""
        mean, low, high = (round(100 * value, 1) + 0.0 for value in (self.mean, *self.interval(comparisons)))
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")

    def __str__(self) -> str:
        return self.text()


def verdict(holds: bool | None, seeds: int, planned: int) -> str:
    """What became of a prediction, None where its intervals leave that open.

    There is none before all seeds that are planned, so that nobody stops where it suits.

    >>> verdict(True, 5, 5), verdict(False, 5, 5), verdict(None, 5, 5), verdict(True, 2, 5)
    ('holds', 'refuted', 'open', 'open: 2 of 5 seeds')
    """
    if seeds < planned:
        return f"open: {seeds} of {planned} seeds"
    return {True: "holds", False: "refuted", None: "open"}[holds]


def shared_seeds(one: Records, other: Records) -> int:
    """How many seeds two networks both have; from two on there is an interval of their difference."""
    return len({record["seed"] for record in one} & {record["seed"] for record in other})


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


def tally(gaps: Sequence[Difference]) -> str:
    """On which side of 0 the 95 % intervals of some differences lie, each for itself.

    >>> up, down = Difference((0.1, 0.1)), Difference((-0.2, -0.2))
    >>> tally([up, up])
    'both 95 % intervals lie above 0'
    >>> tally([up, down, Difference((0.2, -0.1))])
    'of three 95 % intervals, one lies above 0, one lies below 0, one holds 0'
    """
    signs = [np.sign(gap.mean) * gap.excludes_zero for gap in gaps]
    sides = ((1, "lies above 0", "lie above 0"), (-1, "lies below 0", "lie below 0"), (0, "holds 0", "hold 0"))
    found = [(signs.count(sign), one, several) for sign, one, several in sides if signs.count(sign)]
    if len(found) == 1:
        count, one, several = found[0]
        every = "both" if count == 2 else f"all {in_words(count)}"
        return f"the 95 % interval {one}" if count == 1 else f"{every} 95 % intervals {several}"
    said = ", ".join(f"{in_words(count)} {one if count == 1 else several}" for count, one, several in found)
    return f"of {in_words(len(gaps))} 95 % intervals, {said}"


def between(found: Any) -> str:
    """The least and the greatest of some shares, in %."""
    return f"{percent(min(found))} to {percent(max(found))} %"


def extent(records: Records) -> str:
    """How many runs, networks and seeds there are, as a sentence."""
    seeds = sorted({record["seed"] for record in records})
    networks = len(by_network(records))
    return (
        f"{len(records)} runs: {networks} networks, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."
    )


def in_words(count: int) -> str:
    """A small number as a word.

    >>> in_words(3), in_words(24)
    ('three', '24')
    """
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if count < len(words) else str(count)


def caption(records: Records, more: str = "") -> str:
    """What a figure of means shows, and of how many seeds."""
    found = len({record["seed"] for record in records})
    return f"*Means and their 95 % intervals (Student's t) over {in_words(found)} seeds; faint, single seeds.{more}*"


def shifts_text(group: eq.SpaceGroup) -> str:
    """The translations of a group, as records write them."""
    return "none" if group.lattice == group.periods else str(group.lattice)


def group_text(text: str) -> str:
    """A group of a record, for a table."""
    return "no shift" if text in NO_SHIFT else text


def agreeing(records: Records, computed: str = "computed", measured: str = "measured") -> tuple[int, int]:
    """How many records have the computed group as the measured one, and how many were measured."""
    pairs = [(record[computed], record[measured]) for record in records if measured in record]
    return sum(one == other for one, other in pairs), len(pairs)
