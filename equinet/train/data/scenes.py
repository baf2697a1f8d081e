"""Segmentation scenes: items of Fashion-MNIST scattered over a canvas, every pixel labelled with its item's class."""

import dataclasses
from pathlib import Path

import numpy as np

from equinet.train.data.examples import Computed, Dataset
from equinet.train.data.mnist import FASHION_LABELS, SUBSET, read_split, read_splits, read_subset_split

CANVAS = 64
ITEMS = (2, 4)
SEED = 20170825
SCENE_LABELS = ("background", *FASHION_LABELS)


def load_scenes(name: str, folder: Path, size: int | None) -> Dataset:
    """As many scenes as the split has images: 10,000 and 2,000 from the shipped subset, 60,000 and 10,000 in full.

    Raises:
        ValueError: the images of the split are larger than the canvas; or as `read_splits` does.
    """
    read = read_subset_split if folder == SUBSET.parent else read_split
    splits = []
    for number, (images, labels) in enumerate(read_splits(folder, read)):
        if max(images.shape[1:]) > CANVAS:
            raise ValueError(f"{folder} holds images {images.shape[1:]}, too large for scenes of {CANVAS} × {CANVAS}")
        splits.append(Computed(Scenes(images, labels, number), len(images), size))
    return Dataset.of(name, "segmentation", splits, SCENE_LABELS)


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes `[64, 64, 1]` with masks `[64, 64]`, decided by their index.

    Two to four images of the split, drawn with replacement, lie upright at uniform places that keep them whole; later
    ones cover earlier ones where they are not background. A pixel that is not 0 belongs to the item it came from, whose
    class plus 1 the mask holds; the background is 0 in both.

    Attributes:
        images: `[n, height, width]`, unsigned bytes.
        labels: `[n]`.
        stream: tells the splits apart.
    """

    images: np.ndarray
    labels: np.ndarray
    stream: int

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((SEED, self.stream, index))
        scene, mask = np.zeros((2, CANVAS, CANVAS), np.uint8)
        height, width = self.images.shape[1:]
        for _ in range(rng.integers(ITEMS[0], ITEMS[1] + 1)):
            item = rng.integers(len(self.images))
            top, left = rng.integers(CANVAS - height + 1), rng.integers(CANVAS - width + 1)
            place = slice(top, top + height), slice(left, left + width)
            image = self.images[item]
            np.copyto(scene[place], image, where=image > 0)
            np.copyto(mask[place], self.labels[item] + np.uint8(1), where=image > 0)
        return scene[..., None], mask
