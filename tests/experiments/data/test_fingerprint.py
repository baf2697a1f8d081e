"""Other data have another fingerprint, and the same data the same, wherever they lie."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equinet.train.data import Dataset, InMemory, load
from equinet.train.data.fingerprint import fingerprint


def small(inputs: np.ndarray, targets: np.ndarray, size: int | None = None) -> Dataset:
    split = InMemory(inputs, targets, size)
    return Dataset.of("small", "classification", (split, split), ("a", "b"))


def test_every_byte_in_memory_counts() -> None:
    inputs, targets = np.zeros((5, 4, 4, 1), np.uint8), np.arange(5) % 2
    first = fingerprint(small(inputs, targets))
    assert first == fingerprint(small(inputs.copy(), targets.copy()))
    other = inputs.copy()
    other[3, 2, 1, 0] = 1
    changed = [
        small(other, targets),
        small(inputs, 1 - targets),
        small(inputs, targets, 6),
        small(inputs.astype(np.float32), targets),
        small(inputs[:4], targets[:4]),
        dataclasses.replace(small(inputs, targets), label_names=("b", "a")),
    ]
    assert len({first, *map(fingerprint, changed)}) == 7


def test_scenes_and_splits_are_told_apart() -> None:
    scenes = load("fashion_scenes", size=32)
    assert fingerprint(scenes) == fingerprint(load("fashion_scenes", size=32)) != fingerprint(load("fashion_scenes"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            (tmp_path / "a" / split / label).mkdir(parents=True)
            for number in range(3):
                shade = (40 * number + 10 * len(split), 7, 90)
                Image.new("RGB", (9, 9), shade).save(tmp_path / "a" / split / label / f"{number}.png")
    return tmp_path / "a"


def test_a_folder_of_images_may_be_moved_but_not_changed(folder: Path, tmp_path: Path) -> None:
    first = fingerprint(load("image_folder", folder, 8))
    folder = folder.rename(tmp_path / "b")
    assert fingerprint(load("image_folder", folder, 8)) == first
    (folder / "train" / "cat" / "1.png").rename(folder / "train" / "dog" / "9.png")
    assert fingerprint(load("image_folder", folder, 8)) != first
    (folder / "train" / "dog" / "9.png").rename(folder / "train" / "cat" / "1.png")
    assert fingerprint(load("image_folder", folder, 8)) == first
    shutil.copy(folder / "val" / "dog" / "0.png", folder / "train" / "cat" / "2.png")
    assert fingerprint(load("image_folder", folder, 8)) != first


def test_names_and_labels_of_images_count_that_are_not_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equinet.train.data.fingerprint.SAMPLED", 1)
    found = {fingerprint(load("image_folder", folder, 8))}
    for source, target in (("cat/2.png", "cat/7.png"), ("dog/2.png", "cat/8.png")):
        (folder / "train" / source).rename(folder / "train" / target)
        found.add(fingerprint(load("image_folder", folder, 8)))
    dataset = load("image_folder", folder, 8)
    found.add(fingerprint(dataclasses.replace(dataset, train=dataset.train.take(5))))
    assert len(found) == 4
