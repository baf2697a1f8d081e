"""Metrics against classifiers whose answers are known."""

import dataclasses
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.degree.shares import mean_iou
from equinet.train.data import Dataset, InMemory
from equinet.train.devices import Layout
from equinet.train.metrics import (
    Predict,
    Share,
    answers,
    calibration_error,
    confusion,
    evaluate,
)

SIZE = 6


def images_of(count: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), (count, SIZE, SIZE, 1))


def dataset_of(task: Literal["classification", "segmentation"], x: jax.Array, targets: jax.Array) -> Dataset:
    """A data set with these test examples."""
    examples = InMemory(np.asarray(x), np.asarray(targets))
    return Dataset.of("made up", task, (examples, examples), "ab")


def invariant(variables: Any, x: jax.Array) -> jax.Array:
    """Depends on the sum only: every shift gives the same answer, up to rounding far from the boundary."""
    total = jnp.sign(x).sum(axis=(1, 2))
    return jnp.concatenate([total - variables, -total + variables], axis=-1)


def corner(variables: Any, x: jax.Array) -> jax.Array:
    """The sign of one pixel: a shift gives the sign of another."""
    return jnp.concatenate([x[:, 0, 0] - variables, variables - x[:, 0, 0]], axis=-1)


def sampled_consistency(predict: Predict, variables: Any, x: jax.Array, seed: int) -> Share:
    images = dataset_of("classification", x, jnp.zeros(len(x), jnp.int32))
    found = evaluate(images, predict, variables, key=jax.random.key(seed))["circular_consistency"]
    assert isinstance(found, Share)
    return found


def test_accuracy_counts_hits() -> None:
    x = images_of(7)
    right = (x[:, 0, 0, 0] < 0).astype(jnp.int32)
    wrong = right.at[:2].set(1 - right[:2])
    for labels, share in ((right, 1.0), (wrong, 5 / 7)):
        found = evaluate(dataset_of("classification", x, labels), corner, jnp.zeros(()), quick=True)
        assert found["accuracy"] == Share(share, 7)
        assert found.score == share


def test_answers_do_not_depend_on_how_they_are_cut_into_batches() -> None:
    x = images_of(7)
    whole, sure = answers(corner, jnp.zeros(()), x)
    cut, unsure = answers(corner, jnp.zeros(()), x, batch=3)
    np.testing.assert_array_equal(whole, cut)
    np.testing.assert_allclose(sure, unsure)
    there, _ = answers(corner, jnp.zeros(()), x, Layout.of_all_devices())
    np.testing.assert_array_equal(whole, there)


def test_mean_iou_is_the_mean_over_classes_of_shared_over_joint_pixels() -> None:
    targets = np.asarray([[0, 0, 1, 1], [2, 2, 2, 2]])
    found = np.asarray([[0, 1, 1, 1], [2, 2, 2, 0]])

    def iou(table: np.ndarray) -> float:
        shared = np.diagonal(table)
        return float(mean_iou(shared, table.sum(0) + table.sum(1) - shared))

    assert iou(confusion(found, targets, 5)) == pytest.approx((1 / 3 + 2 / 3 + 3 / 4) / 3)
    assert iou(confusion(targets, targets, 5)) == 1.0


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    def found(share: float) -> float:
        """The error of a classifier that is always sure to 3/4, and right on a share of the examples."""

        def predict(_: Any, x: jax.Array) -> jax.Array:
            return jnp.broadcast_to(jnp.log(jnp.asarray([[3.0, 1.0]])), (len(x), 2))

        labels = jnp.asarray(np.arange(100) >= 100 * share, jnp.int32)
        made = evaluate(dataset_of("classification", images_of(100), labels), predict, None, key=jax.random.key(0))
        assert made["calibration_error"] == made["calibration_error_shifted"]
        return float(made["calibration_error"])  # pyright: ignore[reportArgumentType]

    assert found(0.75) == pytest.approx(0.0, abs=1e-6)
    assert found(0.25) == pytest.approx(0.5)
    bins = np.asarray([[50.0, 50.0], [50.0, 50.0], [0.95 * 50, 0.55 * 50]])
    assert calibration_error(bins) == pytest.approx((0.05 + 0.45) / 2)


def test_crop_consistency_moves_without_wrapping() -> None:
    """The sign of one pixel at the border: what comes in there is background."""
    images = dataset_of("classification", images_of(400), jnp.zeros(400, jnp.int32))
    key = jax.random.key(0)
    found = evaluate(dataclasses.replace(images, background=5.0), corner, jnp.zeros(()), key=key)
    other = evaluate(images, invariant, jnp.full((), 0.5), key=key)
    crop, circular = found["crop_consistency"], found["circular_consistency"]
    assert isinstance(crop, Share) and isinstance(circular, Share)
    assert 0.4 < circular.value < 0.6 < crop.value < 1.0
    assert other["circular_consistency"] == Share(1.0, 400)
    assert 0 <= float(found["calibration_error"]) <= 1  # pyright: ignore[reportArgumentType]


def test_segmentation_is_judged_by_pixels_and_by_how_labels_move() -> None:
    x = images_of(10)
    scenes = dataset_of("segmentation", x, (x[..., 0] < 0).astype(jnp.int32))

    def local(_: Any, x: jax.Array) -> jax.Array:
        return jnp.concatenate([x, -x], axis=-1)

    def fixed(_: Any, x: jax.Array) -> jax.Array:
        there = jnp.broadcast_to(jnp.linspace(-1, 1, SIZE)[None, :, None, None], x.shape)
        return jnp.concatenate([there, -there], axis=-1)

    key = jax.random.key(0)
    good = evaluate(scenes, local, jnp.zeros(()), key=key)
    assert (good["mean_iou"], good["pixel_accuracy"], good["shift_equivariance"]) == (1.0, 1.0, 1.0)
    bad = evaluate(scenes, fixed, jnp.zeros(()), key=key)
    assert float(bad["shift_equivariance"]) < 0.9 and bad.score < 0.6  # pyright: ignore[reportArgumentType]


def test_an_invariant_classifier_is_consistent() -> None:
    x = images_of(40)
    assert sampled_consistency(invariant, jnp.full((), 0.5), x, seed=1) == Share(1.0, 40)


@pytest.mark.thorough
def test_sampled_consistency_estimates_the_exact_one() -> None:
    x, draws = images_of(2000), 10
    every = eq.consistency(partial(corner, jnp.zeros(())), x, eq.transforms.Circular()).agreement
    assert every is not None
    exact = every.value
    sampled = [sampled_consistency(corner, jnp.zeros(()), x, seed).value for seed in range(draws)]
    four_deviations = 4 * (exact * (1 - exact) / (draws * len(x))) ** 0.5
    assert abs(sum(sampled) / draws - exact) < four_deviations
    assert len(set(sampled)) > 1
    assert sampled_consistency(corner, jnp.zeros(()), x, seed=0).value == sampled[0]


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(2000, 2000, 0.9981, 1.0), (50, 100, 0.4038, 0.5962), (0, 10, 0.0, 0.2775)]
)
def test_wilson_interval(hits: int, n: int, low: float, high: float) -> None:
    assert Share(hits / n, n).interval == pytest.approx((low, high), abs=1e-4)
