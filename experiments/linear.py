"""Softmax regression on the values of an example: the accuracy that a network has to beat to be worth its layers."""

import dataclasses
import json
from functools import cache
from typing import Any

import numpy as np
from scipy import optimize, special

from equinet.names import check_name
from equinet.train.data import load
from equinet.train.metrics import Share
from equinet.train.record import ROOT, environment, read_json_lines, write_text

RECORDS = ROOT / "docs" / "studies" / "records" / "linear.jsonl"
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of the squared weights; the best on held-out examples is taken."""
HELD_OUT = 5
"""Every fifth training example chooses the penalty."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a baseline learns from, and what it is judged by.

    Attributes:
        dataset: whose training split is learned from, and whose test split it is judged by.
        size: of an axis of space; see `load`.
        examples: how many training examples, from the first on; all where 0.
    """

    dataset: str
    size: int | None = None
    examples: int = 0


BASELINES = {
    "subset": Asked("fashion_mnist_12k"),
    "fashion": Asked("fashion_mnist", examples=10_000),
    "leaf": Asked("osu_leaf", size=432),
    "watch": Asked("seglearn_watch", size=128),
}


@dataclasses.dataclass(frozen=True)
class Linear:
    """`x ↦ argmax_c ⟨w_c, x − m⟩ + b_c`, m the mean of the training examples.

    Attributes:
        mean: `[values]`.
        weights: `[values + 1, classes]`, the biases last.
        penalty: that of the squared weights.
    """

    mean: np.ndarray
    weights: np.ndarray
    penalty: float

    def accuracy(self, inputs: np.ndarray, targets: np.ndarray) -> Share:
        """Of examples `[n, …]` with labels `[n]`."""
        found = (_flat(inputs) - self.mean) @ self.weights[:-1] + self.weights[-1]
        return Share(float((found.argmax(1) == targets).mean()), len(targets))


def fit(inputs: np.ndarray, targets: np.ndarray, classes: int) -> Linear:
    """Softmax regression on examples `[n, …]` with labels `[n]`.

    The mean cross entropy plus λ/2 of the sum of the squared weights (biases left out) has one minimum, which L-BFGS
    goes to; λ is the penalty that is right on most of the held-out examples when the others are learned from, of equal
    ones the smallest. Then all are learned from.
    """
    held = np.arange(len(targets)) % HELD_OUT == HELD_OUT - 1
    tried = [_fit(inputs[~held], targets[~held], classes, penalty) for penalty in PENALTIES]
    best = max(tried, key=lambda made: made.accuracy(inputs[held], targets[held]).value)
    return _fit(inputs, targets, classes, best.penalty)


def _fit(inputs: np.ndarray, targets: np.ndarray, classes: int, penalty: float) -> Linear:
    x = _flat(inputs)
    mean = x.mean(0)
    x = np.concatenate([x - mean, np.ones((len(x), 1), x.dtype)], axis=1)
    marks = np.eye(classes, dtype=x.dtype)[targets]
    counted = np.ones((x.shape[1], 1))
    counted[-1] = 0  # biases are free

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, classes)
        scores = special.log_softmax(x @ weights.astype(x.dtype), axis=1)
        slope = x.T @ ((np.exp(scores) - marks) / len(x)) + penalty * counted * weights
        return -(scores * marks).sum() / len(x) + penalty / 2 * (counted * weights**2).sum(), slope.ravel()

    start = np.zeros(x.shape[1] * classes)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-4})
    return Linear(mean, found.x.reshape(-1, classes), penalty)


def _flat(inputs: np.ndarray) -> np.ndarray:
    return inputs.reshape(len(inputs), -1)


def baseline(name: str) -> dict[str, Any]:
    """The record of a baseline: what it learned from, and its accuracy on the test split."""
    asked = BASELINES[name]
    dataset = load(asked.dataset, None, asked.size)
    train = dataset.train.take(asked.examples) if asked.examples else dataset.train
    made = fit(*train.arrays(), dataset.classes)
    known = environment()
    return {
        "name": name,
        "examples": len(train),
        "penalty": made.penalty,
        "accuracy": made.accuracy(*dataset.test.arrays()).to_json(),
        "commit": known["commit"],
        "versions": known["versions"],
    }


def keep_baselines() -> None:
    """Fit all baselines and keep their records, a line of JSON each; each is kept as soon as it is there."""
    kept = _kept() if RECORDS.exists() else {}
    for name in BASELINES:
        kept[name] = baseline(name)
        write_text(
            RECORDS, "".join(json.dumps(kept[each], sort_keys=True) + "\n" for each in BASELINES if each in kept)
        )


def _kept() -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in read_json_lines(RECORDS)}


@cache
def linear_accuracy(name: str) -> float:
    """The accuracy that is kept of a baseline, a key of `BASELINES`.

    Raises:
        FileNotFoundError: no baseline is kept yet.
    """
    check_name(name, BASELINES, "baseline")
    if not RECORDS.exists():
        raise FileNotFoundError(f"{RECORDS} is not there: python -m scripts.study --linear --write makes it")
    return _kept()[name]["accuracy"]["value"]
