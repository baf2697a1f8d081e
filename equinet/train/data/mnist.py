"""MNIST and Fashion-MNIST: the subset that ships here, the full sets from IDX files, and digits that are rotated."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from equinet.train.data.examples import Computed, Dataset, InMemory
from equinet.train.data.files import find_files
from equinet.train.data.idx import read_idx
from equinet.train.data.npy import read_npz

SUBSET = Path(__file__).resolve().parents[1] / "datasets" / "fashion_mnist_12k.npz"
FASHION_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple(str(digit) for digit in range(10))
IDX_NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
SPLITS = tuple(IDX_NAMES)
ROTATION_SEED = 20070724
MOST_PIXELS = 1024
"""Along a side of an image."""
SUBSET_BYTES = 2**26
"""Of each array of a subset: all of Fashion-MNIST takes 55 million."""

Read = Callable[[Path, str], tuple[np.ndarray, np.ndarray]]
"""`(folder, split) -> images [n, height, width], labels [n]`, both unsigned bytes."""


def read_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A split from its two IDX files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, holds a label above 9 or images without pixels or above 1,024 × 1,024; or the two
            do not belong together.
    """
    paths = find_files(folder, IDX_NAMES[split])
    images, labels = map(read_idx, paths)
    return _check_split(images, labels, *map(str, paths))


def read_subset_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A split of the shipped subset.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is broken, or holds what `read_split` refuses.
    """
    (path,) = find_files(folder, [SUBSET.name])
    names = f"{split}_images", f"{split}_labels"
    images, labels = read_npz(path, names, SUBSET_BYTES)
    return _check_split(images, labels, *(f"{path} ({name})" for name in names))


def _check_split(images: np.ndarray, labels: np.ndarray, *sources: str) -> tuple[np.ndarray, np.ndarray]:
    if images.ndim != 3 or 0 in images.shape:
        raise ValueError(f"{sources[0]} holds an array of shape {images.shape}, expected images [n, height, width]")
    if max(images.shape[1:]) > MOST_PIXELS:
        raise ValueError(f"{sources[0]} holds images {images.shape[1:]}, expected at most {MOST_PIXELS} along a side")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{sources[1]} holds labels of shape {labels.shape}, expected one for each of {len(images)}")
    if labels.max() > 9:
        raise ValueError(f"{sources[1]} holds the label {labels.max()}, expected 0 to 9: see label {labels.argmax()}")
    return images, labels


def read_splits(folder: Path, read: Read) -> list[tuple[np.ndarray, np.ndarray]]:
    """The training and the test split, with images of one size.

    Raises:
        ValueError: the test images have another size than the training images; or as `read` does.
    """
    train, test = (read(folder, split) for split in SPLITS)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{folder} holds test images {test[0].shape[1:]}, expected {train[0].shape[1:]} as the training images are"
        )
    return [train, test]


def load_images(name: str, folder: Path, size: int | None, *, read: Read, labels: Sequence[str]) -> Dataset:
    """Images `[28, 28, 1]` with a label each."""
    splits = [InMemory(images[..., None], targets, size) for images, targets in read_splits(folder, read)]
    return Dataset.of(name, "classification", splits, labels)


def load_rotated(name: str, folder: Path, size: int | None, *, right_angles: bool) -> Dataset:
    """MNIST with every image rotated, see `Rotated`. 60,000 and 10,000 images, not the older set of 12,000 and 50,000.

    An image is rotated at its native size and padded afterwards.

    Raises:
        ValueError: right angles for images that are not square; or as `read_splits` does.
    """
    splits = []
    for number, (images, labels) in enumerate(read_splits(folder, read_split)):
        if right_angles and images.shape[1] != images.shape[2]:
            raise ValueError(f"{folder} holds images {images.shape[1:]}: only square ones can be turned by 90 degrees")
        splits.append(Computed(Rotated(images, labels, number, right_angles), len(images), size))
    return Dataset.of(name, "classification", splits, DIGITS)


@dataclasses.dataclass(frozen=True, eq=False)
class Rotated:
    """Images rotated counter-clockwise about their centre, each by an angle that its index decides.

    Right angles permute the pixels. Any other angle interpolates bilinearly, with background outside the image, and
    rounds to whole bytes.

    Attributes:
        images: `[n, height, width]`, unsigned bytes; square for right angles.
        labels: `[n]`.
        stream: tells the splits apart, so that they do not share their angles.
        right_angles: 0, 90, 180 or 270 degrees, rather than any angle, uniformly.
    """

    images: np.ndarray
    labels: np.ndarray
    stream: int
    right_angles: bool

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        angle = self.angle(index)
        image = self.images[index]
        turned = np.rot90(image, round(angle / 90)) if self.right_angles else rotate(image, angle)
        return turned[..., None], self.labels[index]

    def angle(self, index: int) -> float:
        """Degrees, counter-clockwise."""
        rng = np.random.default_rng((ROTATION_SEED, self.stream, index))
        return 90.0 * rng.integers(4) if self.right_angles else rng.uniform(0.0, 360.0)


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """An image `[height, width]` of bytes, rotated counter-clockwise about its centre by bilinear interpolation."""
    turned = ndimage.rotate(image.astype(np.float32), degrees, reshape=False, order=1, mode="grid-constant")
    return np.rint(turned).astype(np.uint8)


def balanced(images: np.ndarray, labels: np.ndarray, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `per_class` examples of every label, in the order they stand in the full split.

    No randomness: the same full split always gives the same subset.

    Raises:
        ValueError: a label with fewer examples than asked.
    """
    chosen = []
    for label in np.unique(labels):
        found = np.flatnonzero(labels == label)
        if len(found) < per_class:
            raise ValueError(f"label {label} has {len(found)} examples, expected at least {per_class}")
        chosen.append(found[:per_class])
    order = np.sort(np.concatenate(chosen))
    return images[order], labels[order]
