"""The linear baseline: its minimum, what it is judged by, and the records that are kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from equinet.names import UnknownName
from equinet.train.data import load
from equinet.train.record import read_json_lines
from experiments import linear
from experiments.linear import BASELINES, PENALTIES, fit, linear_accuracy


def blobs(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Three classes about three points of the plane, as images of two pixels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=count)
    centres = np.array([[0, 0], [4, 0], [0, 4]])
    return (centres[labels] + noise * rng.standard_normal((count, 2))).reshape(count, 2, 1, 1), labels


def test_classes_that_lines_divide_are_told_apart() -> None:
    inputs, targets = blobs(300, 0.5)
    assert fit(inputs, targets, 3).accuracy(inputs, targets).value > 0.99
    # What no line divides is not: one class in the middle of the other.
    ring = np.concatenate([np.zeros((100, 1)), np.full((100, 1), -1), np.full((100, 1), 1)])
    marks = np.repeat([0, 1, 1], 100)
    assert fit(ring, marks, 2).accuracy(ring, marks).value == pytest.approx(2 / 3)
    # Nor are labels that have nothing to do with the inputs.
    rng = np.random.default_rng(1)
    assert fit(inputs, rng.permutation(targets), 3).accuracy(inputs, rng.permutation(targets)).value < 0.5


def test_the_minimum_is_reached() -> None:
    inputs, targets = blobs(200, 2.0)
    found = fit(inputs, targets, 3)
    assert found.penalty in PENALTIES
    x = np.c_[inputs.reshape(200, 2) - inputs.reshape(200, 2).mean(0), np.ones(200)]

    def loss(weights: np.ndarray) -> float:
        scores = x @ weights
        fits = np.log(np.exp(scores).sum(1)) - scores[np.arange(200), targets]
        return float(fits.mean() + found.penalty / 2 * (weights[:-1] ** 2).sum())

    rng = np.random.default_rng(2)
    for size in (1e-2, 1e-1, 1):
        assert loss(found.weights) < loss(found.weights + size * rng.standard_normal(found.weights.shape))


def test_kept_baselines_are_those_that_are_asked_for() -> None:
    kept = {record["name"]: record for record in read_json_lines(linear.RECORDS)}
    assert list(kept) == list(BASELINES)
    assert all(linear_accuracy(name) == record["accuracy"]["value"] for name, record in kept.items())
    assert kept["subset"]["examples"] == len(load().train)
    assert kept["subset"]["accuracy"]["n"] == len(load().test)
    with pytest.raises(UnknownName, match="no baseline 'leav': did you mean leaf"):
        linear_accuracy("leav")


def test_baselines_are_fitted_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = linear_accuracy("subset")
    monkeypatch.setattr(linear, "RECORDS", tmp_path / "linear.jsonl")
    monkeypatch.setattr(linear, "PENALTIES", (1e-2,))
    asked = linear.Asked("fashion_mnist_12k", size=8, examples=500)
    monkeypatch.setattr(linear, "BASELINES", {"subset": asked})
    linear_accuracy.cache_clear()
    with pytest.raises(FileNotFoundError, match="python -m scripts.study --linear --write makes it"):
        linear_accuracy("subset")
    linear.keep_baselines()
    (record,) = map(json.loads, (tmp_path / "linear.jsonl").read_text().splitlines())
    assert (record["name"], record["examples"], record["penalty"]) == ("subset", 500, 1e-2)
    assert 0.4 < record["accuracy"]["value"] == linear_accuracy("subset") < judged
    # What is there stays until its own is made anew.
    monkeypatch.setattr(linear, "BASELINES", {"other": linear.Asked("nothing"), "subset": asked})
    with pytest.raises(UnknownName, match="no data set 'nothing'"):
        linear.keep_baselines()
    assert len(read_json_lines(linear.RECORDS)) == 1
    linear_accuracy.cache_clear()
