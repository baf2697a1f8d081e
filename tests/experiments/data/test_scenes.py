"""Scenes: pixels and masks agree, and the splits share no item."""

from pathlib import Path

import numpy as np

from equinet.train.data import load
from equinet.train.data.mnist import SUBSET, read_subset_split
from equinet.train.data.scenes import SCENE_LABELS, Scenes
from tests.experiments.data.generated import write_mnist


def test_scenes_come_from_the_shipped_subset() -> None:
    scenes = load("fashion_scenes")
    assert (len(scenes.train), len(scenes.test), scenes.classes, scenes.shape) == (10_000, 2_000, 11, (64, 64, 1))
    assert scenes.label_names == SCENE_LABELS
    images, masks = scenes.train.take(500).arrays()
    np.testing.assert_array_equal(images[..., 0] > -1.0, masks > 0)
    assert 0.74 < (masks == 0).mean() < 0.79
    assert np.bincount(masks.ravel()).min() > 10_000
    items = [len(np.unique(mask)) - 1 for mask in masks]
    assert (min(items), max(items)) == (1, 4)


def test_scenes_are_the_same_every_time_and_differ_between_splits() -> None:
    first, second = (load("fashion_scenes").train.take(20).arrays() for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert len(np.unique(first[0].reshape(20, -1), axis=0)) == 20
    assert not np.array_equal(first[0], load("fashion_scenes").test.take(20).arrays()[0])


def test_a_mask_holds_the_class_of_the_item_that_is_seen() -> None:
    # Ten images of one brightness each, its label's: the scene tells which item every pixel shows.
    images = (np.arange(1, 11, dtype=np.uint8) * 20)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    scenes = Scenes(images, np.arange(10, dtype=np.uint8), stream=0)
    for index in range(50):
        scene, mask = scenes(index)
        np.testing.assert_array_equal(scene[..., 0], mask * 20)
        assert len(np.unique(mask)) > 1


def test_training_scenes_show_training_items() -> None:
    images, labels = read_subset_split(SUBSET.parent, "train")
    scenes = Scenes(images[:1], labels[:1], stream=0)
    scene, mask = scenes(0)
    assert set(np.unique(scene)) <= set(np.unique(images[0]))
    assert set(np.unique(mask)) == {0, labels[0] + 1}


def test_the_full_set_is_used_where_its_folder_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    scenes = load("fashion_scenes", tmp_path)
    assert (len(scenes.train), len(scenes.test)) == (60, 60)
