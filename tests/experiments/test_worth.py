"""The factor in examples between two networks: against curves whose factor is known."""

import numpy as np
import pytest

from experiments import worth as module
from experiments.worth import factor, worth

COUNTS = (300, 1_000, 3_000, 10_000, 30_000, 50_000)
LOGS = np.log(COUNTS)


def curves(times: float, seeds: int = 5, noise: float = 0.005, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies of two networks, straight in log n, the second of which needs so many times as many examples; what
    differs from seed to seed is mostly shared by the two."""
    rng = np.random.default_rng(seed)
    base = 0.4 + 0.04 * LOGS + rng.normal(0, 0.01, (seeds, 1))
    one, other = (base + rng.normal(0, noise, (seeds, len(COUNTS))) for _ in range(2))
    return one, other - 0.04 * np.log(times)


@pytest.mark.parametrize("times", [0.5, 1, 4, 60])
def test_the_factor_of_curves_where_it_is_known(times: float) -> None:
    one, other = (each.mean(0) for each in curves(times, noise=0))
    assert factor(COUNTS, one, other) == pytest.approx(times)
    found = factor(COUNTS, other, one)
    assert found == pytest.approx(1 / times)
    noisy = worth(COUNTS, *curves(times))
    assert noisy and noisy.interval[0] < times < noisy.interval[1]
    assert noisy.interval[1] < 2.5 * noisy.interval[0]


def test_a_factor_that_changes_along_the_curve_is_a_mean_over_accuracies() -> None:
    counts, one, other = (100, 1000, 10_000), np.array([0.5, 0.7, 0.9]), np.array([0.5, 0.6, 0.9])
    # n_other / n_one in powers of 10: from 0 up to 1/2 at an accuracy of 0.6, down to 0 at 0.9.
    assert factor(counts, one, other) == pytest.approx(10**0.25, rel=1e-3)


def test_intervals_hold_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 100)
    holds = []
    for seed in range(150):
        found = worth(COUNTS, *curves(4, seed=seed))
        assert found
        holds.append(found.interval[0] < 4 < found.interval[1])
    assert 0.9 < np.mean(holds) < 0.99


def test_of_a_plain_shift_the_interval_is_that_of_the_paired_t_test() -> None:
    # All cells of a seed move together, so that log of the factor is a mean of one number for each seed.
    logs = np.array([1.0, 1.5, 1.2, 1.7, 1.1])
    one = np.tile(0.4 + 0.04 * LOGS, (5, 1))
    found = worth(COUNTS, one, one - 0.04 * logs[:, None])
    assert found
    half = 2.7764 * logs.std(ddof=1) / 5**0.5
    assert np.log(found.interval) == pytest.approx([logs.mean() - half, logs.mean() + half], abs=0.05)


def test_where_curves_do_not_overlap_the_factor_is_open() -> None:
    most = COUNTS[-1] / COUNTS[0]
    assert worth(COUNTS, *curves(most / 2)) is not None
    assert worth(COUNTS, *curves(most * 2)) is None and worth(COUNTS, *reversed(curves(most * 2))) is None
    # The means still overlap, but half of the resamples do not.
    one = np.tile(0.4 + 0.04 * LOGS, (5, 1))
    other = one - 0.04 * np.log(0.99 * most) + np.linspace(-0.02, 0.02, 5)[:, None]
    assert factor(COUNTS, one.mean(0), other.mean(0)) == pytest.approx(0.99 * most)
    assert worth(COUNTS, one, other) is None
    flat = np.full((5, len(COUNTS)), 0.7)
    assert worth(COUNTS, flat, flat) is None


def test_a_curve_that_falls_is_made_to_rise() -> None:
    counts, one = (10, 100, 1000), np.array([0.1, 0.2, 0.3])
    assert factor(counts, one, np.array([0.1, 0.22, 0.18])) == factor(counts, one, np.array([0.1, 0.2, 0.2]))


def test_what_does_not_fit_is_refused() -> None:
    one, other = curves(2)
    for wrong in ((one[:1], other[:1]), (one, other[1:]), (one[:, 1:], other[:, 1:]), (one[0], other[0])):
        with pytest.raises(ValueError, match="both need the same seeds, two at least, and 6 counts: got shapes"):
            worth(COUNTS, *wrong)
