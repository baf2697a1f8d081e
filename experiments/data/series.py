"""One-dimensional data: inertial measurements of exercises, and the contours of leaves."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.examples import Dataset, InMemory
from experiments.data.files import find_files, read_bytes

WATCH_FILE = "watch_dataset.npy"
WATCH_WINDOW, WATCH_STEP, WATCH_CHANNELS = 128, 64, 6
TEST_SUBJECTS = (8, 9, 10)
ARRAY_PARTS = {
    "_codecs": ("encode",),
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
}
LEAF_FILES = ("OSULeaf_TRAIN.ts", "OSULeaf_TEST.ts")
LEAF_LABELS = ("1", "2", "3", "4", "5", "6")


def load_watch(name: str, folder: Path, size: int | None) -> Dataset:
    """Windows `[128, 6]` of a watch's accelerometer and gyroscope at 50 Hz; the label is the exercise.

    Windows start every 64 samples and stay inside a recording. Subjects 1 to 7 are the training split (2,460 windows),
    8 to 10 the test split (1,145). Each channel is scaled to mean 0 and variance 1 over the training windows, so that
    the zeros of a longer `size` are its mean.
    """
    (path,) = find_files(folder, [WATCH_FILE])
    data = _read_pickled(path)
    recordings, labels, subjects = _check_watch(path, data)
    inputs, targets, held_out = [], [], []
    for series, label, subject in zip(recordings, labels, subjects, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(series, WATCH_WINDOW, axis=0)[::WATCH_STEP]
        inputs.append(windows.swapaxes(1, 2))
        targets += [label] * len(windows)
        held_out += [subject in TEST_SUBJECTS] * len(windows)
    windows, test = np.concatenate(inputs), np.asarray(held_out)
    if test.all() or not test.any():
        raise ValueError(f"{path} has subjects {sorted(set(subjects))}, expected some of {TEST_SUBJECTS} and others")
    mean, deviation = windows[~test].mean(axis=(0, 1)), windows[~test].std(axis=(0, 1))
    windows, target = ((windows - mean) / deviation).astype(np.float32), np.asarray(targets, np.int32)
    splits = (InMemory(windows[chosen], target[chosen], size) for chosen in (~test, test))
    return Dataset.of(name, "classification", splits, [str(label) for label in data["y_labels"]], 0.0)


def load_leaf(name: str, folder: Path, size: int | None) -> Dataset:
    """Contours `[427, 1]` of leaves, standardised in the file to mean 0 and variance 1; the label is the species.

    A contour is closed: a cyclic shift starts it elsewhere, as rotating the leaf would. Padding would tear it, so
    another `size` resamples it, by linear interpolation along the closed contour. The labels are the numbers that the
    file gives its six species. 200 training and 242 test contours.
    """
    paths, splits, length = find_files(folder, LEAF_FILES), [], 0
    for path in paths:
        contours, labels = read_ts(path)
        length = length or contours.shape[1]
        if contours.shape[1] != length:
            raise ValueError(f"{path} holds contours of length {contours.shape[1]}, expected {length} as in {paths[0]}")
        unknown = sorted(set(labels) - set(LEAF_LABELS))
        if unknown:
            raise ValueError(f"{path} holds the labels {', '.join(unknown)}, expected {', '.join(LEAF_LABELS)}")
        targets = np.asarray([LEAF_LABELS.index(label) for label in labels], np.int32)
        splits.append(InMemory(resample_closed(contours, size)[..., None], targets))
    return Dataset.of(name, "classification", splits, LEAF_LABELS, 0.0)


def resample_closed(contours: np.ndarray, size: int | None) -> np.ndarray:
    """Closed contours `[n, length]` at `size` equally spaced points, from the first one on."""
    length = contours.shape[1]
    if size is None or size == length:
        return contours
    places = np.arange(size) * (length / size)
    return np.stack([np.interp(places, np.arange(length), one, period=length) for one in contours]).astype(np.float32)


def read_ts(path: Path) -> tuple[np.ndarray, list[str]]:
    """Series `[n, length]` and their labels from a `.ts` file of series that have one channel and one length.

    After a line `@data`, each line is a series: values between commas, a colon, the label.

    Raises:
        ValueError: no data, a line that cannot be read, or series of different lengths.
    """
    lines = read_bytes(path).decode(errors="replace").splitlines()
    start = next((number for number, line in enumerate(lines, 1) if line.strip().lower() == "@data"), len(lines))
    series, labels = [], []
    for number, line in enumerate(lines[start:], start + 1):
        values, _, label = line.strip().rpartition(":")
        try:
            series.append(np.array([float(value) for value in values.split(",")], np.float32))
        except ValueError:
            raise ValueError(f"{path}, line {number}: found {line[:40]!r}, expected VALUE,VALUE,…:LABEL") from None
        if len(series[-1]) != len(series[0]):
            raise ValueError(f"{path}, line {number}: {len(series[-1])} values, expected {len(series[0])} as before")
        labels.append(label)
    if not series:
        raise ValueError(f"{path} holds no series: expected a line @data with series after it")
    return np.stack(series), labels


class _PlainUnpickler(pickle.Unpickler):
    """Reads arrays and built-in containers only: a file from elsewhere can run no code."""

    def find_class(self, module: str, name: str, /) -> Any:
        if name not in ARRAY_PARTS.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)


def _read_pickled(path: Path) -> dict[str, Any]:
    """The dict in an npy file that holds nothing else."""
    raw = read_bytes(path)
    stream = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        _, _, dtype = read_header(stream)
        if not dtype.hasobject:
            raise ValueError(f"it holds {dtype}")
        return _PlainUnpickler(stream).load().item()
    except (ValueError, TypeError, EOFError, AttributeError, IndexError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} has {len(raw)} bytes that are no npy file with one dict: {error}") from error


def _check_watch(path: Path, data: Any) -> tuple[list[np.ndarray], list[int], list[int]]:
    expected = {"X", "y", "subject", "y_labels"}
    if not isinstance(data, dict) or not expected <= data.keys():
        found = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{path} holds {found}, expected a dict with {', '.join(sorted(expected))}")
    recordings, labels, subjects = list(data["X"]), np.asarray(data["y"]), np.asarray(data["subject"])
    if not len(recordings) == len(labels) == len(subjects):
        raise ValueError(f"{path}: {len(recordings)} recordings, {len(labels)} labels and {len(subjects)} subjects")
    for number, series in enumerate(recordings):
        if series.ndim != 2 or series.shape[1] != WATCH_CHANNELS or len(series) < WATCH_WINDOW:
            raise ValueError(
                f"{path}: recording {number} has shape {series.shape}, "
                f"expected [{WATCH_WINDOW} or more, {WATCH_CHANNELS}]"
            )
    if not 0 <= labels.min() <= labels.max() < len(data["y_labels"]):
        raise ValueError(f"{path}: labels reach from {labels.min()} to {labels.max()}, of {len(data['y_labels'])}")
    return recordings, labels.tolist(), subjects.tolist()
