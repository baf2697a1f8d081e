"""A folder of image files in the layout of ImageNet, read one by one."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.data.examples import Computed, Dataset

DEFAULT_SIZE = 224
SUFFIXES = (".jpg", ".jpeg", ".png")


def load_folder(name: str, folder: Path, size: int | None) -> Dataset:
    """Colour images `[size, size, 3]`, 224 by default, from `train/CLASS/*.jpg` and `val/CLASS/*.jpg`.

    The classes are the folders in `train`, in alphabetical order. Only names are listed here, images are read when they
    are asked for; `arrays` reads them all, so `take` first.

    Raises:
        FileNotFoundError: a split is missing or has no images.
        ValueError: a class to test that is not among those to train.
    """
    side = DEFAULT_SIZE if size is None else size
    listed = {split: _list_images(folder / split) for split in ("train", "val")}
    classes = tuple(sorted({path.parent.name for path in listed["train"]}))
    strange = sorted({path.parent.name for path in listed["val"]} - set(classes))
    if strange:
        raise ValueError(f"{folder / 'val'} has the classes {', '.join(strange)}, which {folder / 'train'} has not")
    numbers = {label: number for number, label in enumerate(classes)}
    splits = (
        Computed(ImageFiles(files, tuple(numbers[path.parent.name] for path in files), side), len(files))
        for files in listed.values()
    )
    return Dataset.of(name, "classification", splits, classes)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files and their labels; each is read as `read_image` does."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    side: int

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return read_image(self.files[index], self.side), np.asarray(self.labels[index], np.int32)


def read_image(path: Path, side: int) -> np.ndarray:
    """An image file as bytes `[side, side, 3]`: its centre, after the shorter side became 8/7 of `side` (256 for 224).

    Raises:
        ValueError: the file is no image, or is cut short.
    """
    try:
        with Image.open(path) as image:
            scale = side * 8 / 7 / min(image.size)
            width, height = (max(side, round(length * scale)) for length in image.size)
            left, top = (width - side) // 2, (height - side) // 2
            resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(resized.crop((left, top, left + side, top + side)))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path} ({path.stat().st_size} bytes) cannot be read as an image: {error}") from error


def _list_images(folder: Path) -> tuple[Path, ...]:
    files = tuple(sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES))
    if not files:
        raise FileNotFoundError(f"no images CLASS/*.jpg (or .jpeg, .png) found in {folder}")
    return files
