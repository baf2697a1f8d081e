"""What tells one data set from another: a hash of its examples."""

import hashlib

import numpy as np

from equinet.train.data.examples import Checked, Computed, Dataset, Examples, InMemory
from equinet.train.data.folder import ImageFiles

SAMPLED = 64
"""Of examples that are computed, so many are read."""


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of the examples and the names of the labels, as 16 hexadecimal digits.

    Every byte of examples in memory counts. Of those that are read or made when they are asked for, 64 at equal
    distances count, how many there are, and the names and labels of image files: more would take as long as a pass.
    """
    digest = hashlib.sha256(repr((dataset.task, dataset.label_names, dataset.shape, dataset.background)).encode())
    for split in (dataset.train, dataset.test):
        for part in _parts(split):
            digest.update(part if isinstance(part, bytes) else part.data)
    return digest.hexdigest()[:16]


def _parts(split: Examples) -> list[bytes | np.ndarray]:
    if isinstance(split, InMemory):
        arrays = [split.inputs, split.targets]
        described = [f"{array.dtype}{array.shape}".encode() for array in arrays]
        return [repr(split.size).encode(), *described, *map(np.ascontiguousarray, arrays)]
    parts: list[bytes | np.ndarray] = [repr(len(split)).encode()]
    examples = split.examples if isinstance(split, Checked) else split
    if isinstance(examples, Computed) and isinstance(examples.source, ImageFiles):
        chosen = slice(examples.start, examples.start + examples.count)
        files = [f"{path.parent.name}/{path.name}" for path in examples.source.files[chosen]]
        parts.append(repr((files, examples.source.labels[chosen])).encode())
    for place in np.linspace(0, len(split) - 1, min(SAMPLED, len(split))).astype(int):
        example = split[place]
        parts += [np.ascontiguousarray(example["input"]), np.ascontiguousarray(example["target"])]
    return parts
