"""CIFAR-10 in its binary format."""

from pathlib import Path

import numpy as np

from equinet.train.data.examples import Dataset, InMemory
from equinet.train.data.files import find_files, read_bytes

CIFAR_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
SIDE, CHANNELS = 32, 3
RECORD = 1 + CHANNELS * SIDE * SIDE
RECORDS = 10_000


def load_cifar(name: str, folder: Path, size: int | None) -> Dataset:
    """Colour images `[32, 32, 3]` with a label each: 50,000 to train on, 10,000 to test on."""
    paths = {split: find_files(folder, files) for split, files in CIFAR_FILES.items()}
    splits = []
    for files in paths.values():
        images, labels = zip(*map(read_cifar, files), strict=True)
        splits.append(InMemory(np.concatenate(images), np.concatenate(labels), size))
    return Dataset.of(name, "classification", splits, CIFAR_LABELS)


def read_cifar(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images `[n, 32, 32, 3]` and labels `[n]`, both unsigned bytes.

    A record is 3,073 bytes: the label, then the red, the green and the blue plane, row by row. A file has at most
    10,000 of them, as in CIFAR-10.

    Raises:
        ValueError: the file is no whole number of records, has too many, or holds a label above 9.
    """
    raw = np.frombuffer(read_bytes(path, RECORDS * RECORD), np.uint8)
    if len(raw) == 0 or len(raw) % RECORD:
        raise ValueError(
            f"{path} has {len(raw)} bytes, expected a multiple of {RECORD} ({RECORDS:,} records in CIFAR-10)"
        )
    records = raw.reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() >= len(CIFAR_LABELS):
        raise ValueError(
            f"{path}: record {int(labels.argmax())} has label {labels.max()}, expected 0 to {len(CIFAR_LABELS) - 1}"
        )
    planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
