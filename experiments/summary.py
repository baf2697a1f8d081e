"""What the runs of one network have in common: means and spreads over the seeds, groups computed and measured."""

import dataclasses
import math
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
    """The mean of one network's metric minus another's, each pair of runs of one seed, with its 95 % interval.

    The interval is mean ± t · s / √n for n differences of standard deviation s, t being Student's at 97.5 % with n − 1
    degrees of freedom. No correction is made for how many differences are looked at.
    """

    mean: float
    half: float

    @property
    def excludes_zero(self) -> bool:
        return abs(self.mean) > self.half

    def __str__(self) -> str:
        """In points of a percent."""
        low, high = 100 * (self.mean - self.half), 100 * (self.mean + self.half)
        return f"{100 * self.mean:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


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
    n = len(gaps)
    return Difference(float(gaps.mean()), float(stats.t.ppf(0.975, n - 1) * gaps.std(ddof=1)) / math.sqrt(n))


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
