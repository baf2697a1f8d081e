"""Image data sets: the Fashion-MNIST subset that ships here, or a full set of IDX files from a folder."""

import dataclasses
from pathlib import Path

import numpy as np

from experiments.idx import find_idx, read_idx
from experiments.names import check_name

SUBSET = Path(__file__).resolve().parent / "datasets" / "fashion_mnist_12k.npz"
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

# Data set name -> label names. `fashion_mnist_12k` ships with the repository, the others are read from a folder.
DATASETS: dict[str, tuple[str, ...]] = {
    "fashion_mnist_12k": FASHION_LABELS,
    "fashion_mnist": FASHION_LABELS,
    "mnist": DIGITS,
}
IDX_STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclasses.dataclass(frozen=True)
class Split:
    """Images `[n, height, width]` of unsigned bytes and their labels `[n]`."""

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.images.dtype != np.uint8:
            raise ValueError(f"expected uint8 images [n, h, w], got {self.images.dtype} {self.images.shape}")
        if self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"{len(self.images)} images but labels of shape {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, count: int) -> "Split":
        """The first `count` examples."""
        return Split(self.images[:count], self.labels[:count])


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A training and a test split with the names of their labels."""

    name: str
    train: Split
    test: Split
    label_names: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(self.label_names)


def load(name: str = "fashion_mnist_12k", data_dir: str | Path | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: a key of `DATASETS`.
        data_dir: the folder with the four IDX files, plain or gzipped; not needed for the shipped subset.

    Raises:
        UnknownName: an unknown name; the message lists the near ones.
        ValueError: a folder for the shipped subset, which takes none.
        FileNotFoundError: a missing file; the message says how to get it.
    """
    check_name(name, DATASETS, "data set")
    if name == "fashion_mnist_12k":
        if data_dir:
            raise ValueError(
                f"fashion_mnist_12k ships with the repository and takes no data_dir, got {str(data_dir)!r}; "
                "for the full set use dataset=fashion_mnist"
            )
        return _load_subset()
    folder = Path(data_dir) if data_dir else Path("data") / name
    return Dataset(name, _load_split(name, folder, "train"), _load_split(name, folder, "test"), DATASETS[name])


def _load_subset() -> Dataset:
    if not SUBSET.is_file():
        raise FileNotFoundError(
            f"{SUBSET} is missing. It is part of the repository (git checkout restores it) and can be made again: "
            "python -m scripts.get_data --dataset=fashion_mnist, then python -m scripts.make_subset"
        )
    with np.load(SUBSET, allow_pickle=False) as arrays:
        train, test = (Split(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in ("train", "test"))
    return Dataset("fashion_mnist_12k", train, test, FASHION_LABELS)


def _load_split(name: str, folder: Path, split: str) -> Split:
    paths = [find_idx(folder, stem) for stem in IDX_STEMS[split]]
    missing = [stem for stem, path in zip(IDX_STEMS[split], paths, strict=True) if path is None]
    if missing:
        raise FileNotFoundError(
            f"{name}: {', '.join(missing)} (plain or .gz) not found in {folder}. "
            f"Get them with: python -m scripts.get_data --dataset={name} --data_dir={folder}"
        )
    images, labels = (read_idx(path) for path in paths if path is not None)
    return Split(images, labels)


def to_float(images: np.ndarray, size: int) -> np.ndarray:
    """Bytes `[n, h, w]` to float32 `[n, size, size, 1]` in [−1, 1], centred on a canvas of the background's value.

    The background of MNIST-like images is 0, so a larger canvas is filled with 0 before the values are scaled, and a
    smaller one is a centre crop. 28 → 32 adds two pixels on each side, which lets strides 2, 4 and 8 divide the size.
    """
    for axis in (1, 2):
        extra = size - images.shape[axis]
        before, after = extra // 2, extra - extra // 2
        if extra >= 0:
            widths = [(0, 0)] * images.ndim
            widths[axis] = (before, after)
            images = np.pad(images, widths)
        else:
            images = np.take(images, range(-before, -before + size), axis=axis)
    return (images.astype(np.float32) / np.float32(127.5) - np.float32(1.0))[..., None]


def balanced(split: Split, per_class: int) -> Split:
    """The first `per_class` examples of every label, in the order they stand in the full split.

    No randomness: the same full split always gives the same subset.

    Raises:
        ValueError: a label with fewer examples than asked.
    """
    chosen = []
    for label in np.unique(split.labels):
        found = np.flatnonzero(split.labels == label)
        if len(found) < per_class:
            raise ValueError(f"label {label} has {len(found)} examples, expected at least {per_class}")
        chosen.append(found[:per_class])
    order = np.sort(np.concatenate(chosen))
    return Split(split.images[order], split.labels[order])
