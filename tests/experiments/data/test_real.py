"""The published files, where `scripts.get_data` has brought them."""

from pathlib import Path

import numpy as np
import pytest

from equinet.train.data import DATASETS, Dataset, load

ROOT = Path(__file__).resolve().parents[3]

# Name -> training and test examples, shape, classes.
PUBLISHED = {
    "fashion_mnist": (60_000, 10_000, (28, 28, 1), 10),
    "mnist": (60_000, 10_000, (28, 28, 1), 10),
    "rotated_mnist": (60_000, 10_000, (28, 28, 1), 10),
    "rotated_mnist_90": (60_000, 10_000, (28, 28, 1), 10),
    "seglearn_watch": (2460, 1145, (128, 6), 7),
    "osu_leaf": (200, 242, (427, 1), 6),
    "colin27": (585, 24, (32, 32, 32, 1), 2),
    "cifar10": (50_000, 10_000, (32, 32, 3), 10),
}


def published(name: str) -> Dataset:
    home, how = DATASETS[name].home, DATASETS[name].how
    folder = ROOT / home
    if not folder.is_dir():
        pytest.skip(f"{home} is not there. {how.format(folder=home)}")
    return load(name, folder)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_and_shapes_are_the_published_ones(name: str) -> None:
    dataset = published(name)
    assert (len(dataset.train), len(dataset.test), dataset.shape, dataset.classes) == PUBLISHED[name]
    for split in (dataset.train, dataset.test):
        inputs, targets = split.take(200).arrays()
        assert np.isfinite(inputs).all()
        assert len(np.unique(targets)) > 1


def test_the_brain_lies_in_the_head_and_is_as_large_on_both_sides() -> None:
    colin = published("colin27")
    inputs, masks = colin.test.arrays()
    assert inputs[masks == 1].mean() > inputs[masks == 0].mean() + 0.5
    # The right half of the brain, in litres: a voxel is 2 mm wide.
    assert 0.7 < masks.sum() * 8e-6 < 1.1


def test_contours_are_closed_and_standardised() -> None:
    contours, _ = published("osu_leaf").train.arrays()
    steps = np.abs(np.diff(contours[..., 0], axis=1)).mean()
    assert np.abs(contours[:, 0, 0] - contours[:, -1, 0]).mean() < 2 * steps
    np.testing.assert_allclose(contours.std(axis=1), 1.0, atol=0.01)
