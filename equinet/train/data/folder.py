"""A folder of image files in the layout of ImageNet, read one by one."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from equinet.train.data.examples import Computed, Dataset
from equinet.train.data.files import check_regular
from equinet.train.data.image import read_image

DEFAULT_SIZE = 224
SUFFIXES = (".jpg", ".jpeg", ".png")
NOTES = (".txt", ".md", ".csv", ".json", ".xml")
"""Files that may lie beside the images."""


def load_folder(name: str, folder: Path, size: int | None) -> Dataset:
    """Colour images `[size, size, 3]`, 224 by default, from `train/CLASS/*.jpg` and `val/CLASS/*.jpg`.

    The classes are the folders in `train`, in alphabetical order. Only names are listed here, images are read when they
    are asked for, see `read_image`; `arrays` reads them all, so `take` first. Names with a dot in front and notes
    (.txt, .md, .csv, .json, .xml) are left out; anything else that is no image is refused, so that none is left out
    unnoticed.

    Raises:
        FileNotFoundError: a split is missing or has no images.
        ValueError: a class to test that is not among those to train, a class to train without images, or something in a
            split that is neither an image in a class nor left out.
    """
    side = DEFAULT_SIZE if size is None else size
    train, val = (_list_images(folder / split) for split in ("train", "val"))
    strange = sorted(val.keys() - train.keys())
    if strange:
        raise ValueError(f"{folder / 'val'} has the classes {', '.join(strange)}, which {folder / 'train'} has not")
    empty = [label for label, files in train.items() if not files]
    if empty:
        raise ValueError(f"{folder / 'train' / empty[0]} has no images: fill or remove it")
    numbers = {label: number for number, label in enumerate(train)}
    splits = []
    for listed in (train, val):
        files = tuple(path for label in listed for path in listed[label])
        labels = tuple(numbers[label] for label in listed for _ in listed[label])
        splits.append(Computed(ImageFiles(files, labels, side), len(files)))
    return Dataset.of(name, "classification", splits, train)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files and their labels; each is read as `read_image` does."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    side: int

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return read_image(self.files[index], self.side), np.asarray(self.labels[index], np.int32)


def _list_images(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The image files of each class, in alphabetical order."""
    listed = {}
    for label in _visible(folder) if folder.is_dir() else ():
        if not Path(label.path).is_dir():
            raise ValueError(f"{label.path} is no folder of a class: move it into one, or away")
        entries = _visible(Path(label.path))
        for entry in entries:
            if Path(entry.name).suffix.lower() not in SUFFIXES:
                raise ValueError(
                    f"{entry.path} is no {', '.join(SUFFIXES)} file: convert or remove it, so that none is left out"
                )
            if not entry.is_file(follow_symlinks=False):
                check_regular(Path(entry.path))
        listed[label.name] = tuple(Path(entry.path) for entry in entries)
    if not any(listed.values()):
        raise FileNotFoundError(f"no images CLASS/*.jpg (or .jpeg, .png) found in {folder}")
    return listed


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name, but for hidden names and notes."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {error.strerror}") from error
    seen = sorted((each for each in entries if not _is_left_out(each)), key=lambda each: each.name)
    for each in seen:
        if not each.name.isprintable():
            raise ValueError(f"{folder} holds something with the name {each.name!r}: rename it")
    return seen


def _is_left_out(entry: os.DirEntry[str]) -> bool:
    note = entry.name.lower().endswith(NOTES) and entry.is_file(follow_symlinks=False)
    return note or entry.name.startswith(".")
