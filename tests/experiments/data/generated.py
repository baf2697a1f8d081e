"""Small generated files in every format that a data set is read from."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from equinet.train.data.cifar import CIFAR_FILES
from equinet.train.data.idx import UNSIGNED_BYTE
from equinet.train.data.mnist import IDX_NAMES, SUBSET
from equinet.train.data.series import LEAF_FILES, WATCH_FILE
from equinet.train.data.volume import VOLUME_FILES


def write_idx(path: Path, array: np.ndarray) -> None:
    """Unsigned bytes as IDX, gzipped where the name ends in `.gz`."""
    raw = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def write_mnist(folder: Path, per_class: int = 6, suffix: str = ".gz") -> None:
    """Images with a frame of background and pixels above it, in the format and under the names of the full set."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for images_name, labels_name in IDX_NAMES.values():
        labels = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), per_class))
        images = np.pad(rng.integers(1, 256, (len(labels), 20, 20), dtype=np.uint8), ((0, 0), (4, 4), (4, 4)))
        write_idx(folder / f"{images_name}{suffix}", images)
        write_idx(folder / f"{labels_name}{suffix}", labels)


def write_subset(folder: Path) -> None:
    labels = np.arange(10, dtype=np.uint8)
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    train, test = {"train_images": images, "train_labels": labels}, {"test_images": images, "test_labels": labels}
    np.savez_compressed(folder / SUBSET.name, **train, **test)


def write_watch(folder: Path) -> None:
    rng = np.random.default_rng(0)
    recordings = np.empty(10, object)
    recordings[:] = [rng.normal(3.0, 2.0, (128 + 40 * number, 6)) for number in range(10)]
    data = {
        "X": recordings,
        "y": np.arange(10) % 7,
        "subject": np.arange(1, 11),
        "y_labels": ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"],
    }
    np.save(folder / WATCH_FILE, np.array(data, object), allow_pickle=True)


def write_leaf(folder: Path, length: int = 21) -> None:
    angles = 2 * np.pi * np.arange(length) / length
    for name in LEAF_FILES:
        rows = [f"{','.join(f'{v:.6f}' for v in np.cos(order * angles))}:{order}" for order in range(1, 7)]
        (folder / name).write_text("\n".join(["# contours", "@problemName OSULeaf", "@data", *rows]) + "\n")


def nifti(volume: np.ndarray, kind: int = 2, slope: float = 1.0, offset: float = 352.0) -> bytes:
    """A NIfTI-1 file of unsigned bytes `[x, y, z]`."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, volume.ndim, *volume.shape, *[1] * (7 - volume.ndim))
    struct.pack_into("<2h", header, 70, kind, 8)
    struct.pack_into("<3f", header, 108, offset, slope, 0.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + volume.tobytes(order="F")


def write_colin(folder: Path) -> None:
    head = np.random.default_rng(0).integers(1, 256, (21, 24, 20), dtype=np.uint8)
    brain = np.where(np.indices(head.shape).sum(axis=0) < 30, head, np.uint8(0))
    for name, volume in zip(VOLUME_FILES, (head, brain), strict=True):
        (folder / name).write_bytes(nifti(volume))


def write_cifar(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in (*CIFAR_FILES["train"], *CIFAR_FILES["test"]):
        records = rng.integers(0, 256, (4, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())


def write_image_folder(folder: Path, sides: tuple[int, int] = (60, 40)) -> None:
    """Two classes of photographs, one reddish and one greenish."""
    for split, count in (("train", 3), ("val", 1)):
        for label, colour in (("n01", (250, 10, 10)), ("n02", (10, 250, 10))):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", sides, colour).save(folder / split / label / f"{number}.JPEG")


# What writes the files of each data set. A new data set gets a row here.
WRITERS: dict[str, Callable[[Path], None]] = {
    "fashion_mnist_12k": write_subset,
    "fashion_mnist": write_mnist,
    "mnist": write_mnist,
    "rotated_mnist": write_mnist,
    "rotated_mnist_90": write_mnist,
    "fashion_scenes": write_mnist,
    "fashion_corners": write_mnist,
    "fashion_corners_17": write_mnist,
    "seglearn_watch": write_watch,
    "osu_leaf": write_leaf,
    "colin27": write_colin,
    "cifar10": write_cifar,
    "image_folder": write_image_folder,
}
