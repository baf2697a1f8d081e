"""Small items of clothing in one of two corners of a canvas, whose label says which (Kayhan and van Gemert 2020)."""

from pathlib import Path

import numpy as np

from equinet.train.data.examples import Dataset, InMemory
from equinet.train.data.mnist import SUBSET, read_split, read_splits, read_subset_split

ITEM, SHRUNK = 8, 3
"""Nodes along an item, each the mean of so many pixels along each axis."""
CORNERS = ("upper left", "lower right")
MOST = {"train": 1000, "test": 500}
"""Images of a split; each makes two examples."""


def load_corners(name: str, folder: Path, size: int | None, *, step: int) -> Dataset:
    """Items `[8 + step, 8 + step, 1]` at (0, 0) and at (step, step), values from 0 (background) to 1.

    A larger size is a wider margin of background on all sides. Every image of Fashion-MNIST is there twice, once in
    each corner, so that the item itself tells nothing.

    Raises:
        ValueError: as `read_splits` does, or images that are smaller than 24 × 24.
    """
    read = read_subset_split if folder == SUBSET.parent else read_split
    splits = []
    for (images, _), most in zip(read_splits(folder, read), MOST.values(), strict=True):
        if min(images.shape[1:]) < ITEM * SHRUNK:
            raise ValueError(
                f"{folder} holds images {images.shape[1:]}, expected at least {ITEM * SHRUNK} along a side"
            )
        splits.append(InMemory(*in_corners(images[:most], step), size))
    return Dataset.of(name, "classification", splits, CORNERS, background=0.0)


def in_corners(images: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Canvases `[2n, 8 + step, 8 + step, 1]` of images `[n, height, width]` of bytes, one after the other in both
    corners, and the corners `[2n]`."""
    top, left = ((length - ITEM * SHRUNK) // 2 for length in images.shape[1:])
    middle = images[:, top : top + ITEM * SHRUNK, left : left + ITEM * SHRUNK]
    items = middle.reshape(len(images), ITEM, SHRUNK, ITEM, SHRUNK).mean((2, 4)) / 255
    placed = np.zeros((len(images), 2, ITEM + step, ITEM + step, 1), np.float32)
    placed[:, 0, :ITEM, :ITEM, 0] = items
    placed[:, 1, step:, step:, 0] = items
    return placed.reshape(-1, *placed.shape[2:]), np.tile(np.arange(2, dtype=np.uint8), len(images))
