"""Every data set by name, and how to get it."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

from equinet.names import check_name, guarded
from equinet.train.data.cifar import load_cifar
from equinet.train.data.corners import load_corners
from equinet.train.data.examples import Dataset
from equinet.train.data.folder import load_folder
from equinet.train.data.mnist import (
    DIGITS,
    FASHION_LABELS,
    SUBSET,
    load_images,
    load_rotated,
    read_split,
    read_subset_split,
)
from equinet.train.data.scenes import load_scenes
from equinet.train.data.series import load_leaf, load_watch
from equinet.train.data.volume import load_colin

MOST_VALUES = 2**24
"""Of an example: 4,096 × 4,096 grey pixels."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set that can be loaded.

    Attributes:
        load: `(name, folder, size) -> Dataset`.
        home: the folder that is read when no other is named.
        how: the sentence that says how to get the files; `{folder}` stands for the folder.
        dim: number of spatial axes of an input.
        channels: of an input.
    """

    load: Callable[[str, Path, int | None], Dataset]
    home: Path
    how: str
    dim: int = 2
    channels: int = 1


def _fetched(load: Callable[[str, Path, int | None], Dataset], source: str, dim: int = 2, channels: int = 1) -> Entry:
    how = f"Get them with: python -m scripts.get_data --dataset={source} --data_dir={{folder}}"
    return Entry(load, Path("data") / source, how, dim, channels)


_images = partial(load_images, read=read_split)
_COMPOSED = (
    "Without data_dir, {what} are made from the subset in the repository. "
    "Get the full set with: python -m scripts.get_data --dataset=fashion_mnist --data_dir={{folder}}"
)


def _corners(step: int) -> Entry:
    return Entry(partial(load_corners, step=step), SUBSET.parent, _COMPOSED.format(what="images"))


DATASETS: dict[str, Entry] = {
    "fashion_mnist_12k": Entry(
        partial(load_images, read=read_subset_split, labels=FASHION_LABELS),
        SUBSET.parent,
        "It ships with the repository and needs no data_dir (git checkout restores it) and can be made again: "
        "python -m scripts.get_data --dataset=fashion_mnist, then python -m scripts.make_subset. "
        "The full set is dataset=fashion_mnist",
    ),
    "fashion_mnist": _fetched(partial(_images, labels=FASHION_LABELS), "fashion_mnist"),
    "mnist": _fetched(partial(_images, labels=DIGITS), "mnist"),
    "rotated_mnist": _fetched(partial(load_rotated, right_angles=False), "mnist"),
    "rotated_mnist_90": _fetched(partial(load_rotated, right_angles=True), "mnist"),
    "fashion_scenes": Entry(
        load_scenes,
        SUBSET.parent,
        _COMPOSED.format(what="scenes"),
    ),
    "fashion_corners": _corners(16),
    "fashion_corners_17": _corners(17),
    "seglearn_watch": _fetched(load_watch, "seglearn_watch", dim=1, channels=6),
    "osu_leaf": _fetched(load_leaf, "osu_leaf", dim=1),
    "colin27": _fetched(load_colin, "colin27", dim=3),
    "cifar10": Entry(
        load_cifar,
        Path("data/cifar10"),
        "No package holds CIFAR-10: download its binary version (cifar-10-binary.tar.gz) from its home page and unpack "
        "the six .bin files into {folder}, or name their folder as data_dir",
        channels=3,
    ),
    "image_folder": Entry(
        load_folder,
        Path("data/image_folder"),
        "Name as data_dir a folder with train/CLASS/*.jpg and val/CLASS/*.jpg, such as that of ImageNet, "
        "which is free for research after registration at its home page",
        channels=3,
    ),
}


BUILT_IN = frozenset(DATASETS)


def register_dataset(
    name: str,
    load: Callable[[str, Path, int | None], Dataset],
    *,
    dim: int = 2,
    channels: int = 3,
    data_dir: str | Path = ".",
    how: str = "Put its files there, or name another folder as data_dir.",
) -> None:
    """Add a data set of one's own to `DATASETS`, for instance at the top of a config file.

    Args:
        name: what `config.dataset` calls it.
        load: `(name, folder, size) -> Dataset`, see `Dataset.of`.
        dim: number of spatial axes of an input.
        channels: of an input.
        data_dir: the folder that is read when no other is named.
        how: the sentence that says how to get the files.

    Raises:
        ValueError: the name is that of another data set, or no name.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"register_dataset needs a name; got {name!r}")
    if not callable(load):
        raise ValueError(f"register_dataset needs a function (name, folder, size) -> Dataset for {name}; got {load!r}")
    if name in BUILT_IN:
        raise ValueError(f"there is a data set {name} already: choose another name")
    DATASETS[name] = Entry(load, Path(data_dir), how, dim, channels)


def load(name: str = "fashion_mnist_12k", data_dir: str | Path | None = None, size: int | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: a key of `DATASETS`.
        data_dir: the folder with its files, plain or gzipped; where None, the one that `scripts.get_data` fills, or the
            repository's own for what ships with it.
        size: what every axis of space is padded to with background, or cropped to, about the centre; None keeps the
            native size. `osu_leaf` is resampled and `image_folder` resized instead.

    Raises:
        UnknownName: an unknown name; the message lists the near ones.
        ValueError: a size below 1, or that makes an example of more than 2²⁴ values; a file that is broken, or holds
            what no such file can need; or inputs of other axes or channels than the data set is registered with. The
            message names it, what was found and what expected.
        FileNotFoundError: a missing file; the message says how to get it.
    """
    entry = DATASETS[check_name(name, DATASETS, "data set")]
    if size is not None:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"size must be 1 or more, got {size}")
        if size**entry.dim * entry.channels > MOST_VALUES:
            raise ValueError(f"size {size} makes examples of {name} too large, expected at most {MOST_VALUES:,} values")
    folder = Path(data_dir) if data_dir else entry.home
    try:
        found = entry.load(name, folder, size) if name in BUILT_IN else _of_ones_own(name, entry, folder, size)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: {error}. {entry.how.format(folder=folder)}") from error
    except OSError as error:
        raise ValueError(f"{name}: {folder} cannot be read: {error.strerror or error}") from error
    *sizes, channels = found.shape
    if (len(sizes), channels) != (entry.dim, entry.channels):
        raise ValueError(
            f"{name} gives inputs of shape {list(found.shape)}, but is registered with dim={entry.dim}, "
            f"channels={entry.channels}: expected {entry.dim} axes of space, then {entry.channels} channels (an axis "
            f"of length 1 for grey images). Mend the arrays, or what register_dataset is told"
        )
    return found


def _of_ones_own(name: str, entry: Entry, folder: Path, size: int | None) -> Dataset:
    """What a registered function loads; whatever goes wrong in it is told in a line that names the data set."""
    try:
        found = guarded(f"data set {name}", lambda: entry.load(name, folder, size), passed=(OSError, ValueError))
    except ValueError as error:
        raise ValueError(str(error) if name in str(error) else f"{name}: {error}") from error
    if not isinstance(found, Dataset):
        raise ValueError(
            f"data set {name}: its function must return a Dataset, see Dataset.of; got {type(found).__name__}"
        )
    return found
