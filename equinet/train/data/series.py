"""One-dimensional data: inertial measurements of exercises, and the contours of leaves."""

import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from equinet.train.data.examples import Dataset, InMemory
from equinet.train.data.files import find_files, one_line, read_bytes
from equinet.train.data.npy import read_npy_object
from equinet.train.data.pickled import elements, numbers

WATCH_FILE = "watch_dataset.npy"
WATCH_WINDOW, WATCH_STEP, WATCH_CHANNELS = 128, 64, 6
TEST_SUBJECTS = (8, 9, 10)
WATCH_BYTES, WATCH_SAMPLES = 2**26, 2**20
"""Of the file, and of all its recordings: the published ones take 18 million and 380 thousand."""
LEAF_FILES = ("OSULeaf_TRAIN.ts", "OSULeaf_TEST.ts")
LEAF_LABELS = ("1", "2", "3", "4", "5", "6")
TS_BYTES = 2**24
"""Of a .ts file: the published ones take 1.2 million."""
LARGEST_VALUE, LEAST_DEVIATION = 1e6, 1e-6
"""Of a measurement, and of a channel that says anything."""


def load_watch(name: str, folder: Path, size: int | None) -> Dataset:
    """Windows `[128, 6]` of a watch's accelerometer and gyroscope at 50 Hz; the label is the exercise.

    Windows start every 64 samples and stay inside a recording. Subjects 1 to 7 are the training split (2,460 windows),
    8 to 10 the test split (1,145). Each channel is scaled to mean 0 and variance 1 over the training windows, so that
    the zeros of a longer `size` are its mean.
    """
    (path,) = find_files(folder, [WATCH_FILE])
    recordings, labels, subjects, label_names = _read_watch(path)
    inputs, targets, held_out = [], [], []
    for series, label, subject in zip(recordings, labels, subjects, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(series, WATCH_WINDOW, axis=0)[::WATCH_STEP]
        inputs.append(windows.swapaxes(1, 2))
        targets += [label] * len(windows)
        held_out += [subject in TEST_SUBJECTS] * len(windows)
    windows, test = np.concatenate(inputs), np.asarray(held_out)
    if test.all() or not test.any():
        found = reprlib.repr(sorted(set(subjects)))
        raise ValueError(f"{path} has subjects {found}, expected some of {TEST_SUBJECTS} and others")
    mean, deviation = windows[~test].mean(axis=(0, 1)), windows[~test].std(axis=(0, 1))
    if deviation.min() < LEAST_DEVIATION:
        raise ValueError(f"{path}: channel {deviation.argmin()} is constant over the training subjects")
    windows, target = ((windows - mean) / deviation).astype(np.float32), np.asarray(targets, np.int32)
    splits = (InMemory(windows[chosen], target[chosen], size) for chosen in (~test, test))
    return Dataset.of(name, "classification", splits, label_names, 0.0)


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
            shown = ", ".join(one_line(label, 20) for label in unknown[:5])
            raise ValueError(f"{path} holds the labels {shown}, expected {', '.join(LEAF_LABELS)}")
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
        ValueError: no data, a line that cannot be read, a value that is not finite or above a million, or series of
            different lengths.
    """
    lines = read_bytes(path, TS_BYTES).decode(errors="replace").splitlines()
    start = next((number for number, line in enumerate(lines, 1) if line.strip().lower() == "@data"), len(lines))
    series, labels = [], []
    for number, line in enumerate(lines[start:], start + 1):
        values, _, label = line.strip().rpartition(":")
        try:
            one = np.array([float(value) for value in values.split(",")])
        except ValueError:
            raise ValueError(f"{path}, line {number}: found {line[:40]!r}, expected VALUE,VALUE,…:LABEL") from None
        _check_values(one, f"{path}, line {number}")
        series.append(one.astype(np.float32))
        if len(series[-1]) != len(series[0]):
            raise ValueError(f"{path}, line {number}: {len(series[-1])} values, expected {len(series[0])} as before")
        labels.append(label)
    if not series:
        raise ValueError(f"{path} holds no series: expected a line @data with series after it")
    return np.stack(series), labels


def _read_watch(path: Path) -> tuple[list[np.ndarray], list[int], list[int], list[str]]:
    """Recordings, label and subject of each, and what the labels stand for.

    Raises:
        ValueError: the file is not one dict of arrays, or these are not as published.
    """
    data = read_npy_object(path, WATCH_BYTES)
    expected = {"X", "y", "subject", "y_labels"}
    if not isinstance(data, dict) or not expected <= data.keys():
        found = reprlib.repr(sorted(data)) if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{path} holds {found}, expected a dict with {', '.join(sorted(expected))}")
    try:
        trees, labels, subjects = elements(data["X"]), numbers(data["y"]), numbers(data["subject"])
        label_names = elements(data["y_labels"])
        whole = labels.dtype.kind in "iu" and subjects.dtype.kind in "iu" and labels.ndim == subjects.ndim == 1
        if not whole or not all(isinstance(name, str) for name in label_names):
            raise ValueError("y and subject must be rows of whole numbers, y_labels strings")
        if not len(trees) == len(labels) == len(subjects) > 0:
            raise ValueError(f"{len(trees)} recordings, {len(labels)} labels and {len(subjects)} subjects")
        recordings = _read_recordings(trees)
        if not 0 <= labels.min() <= labels.max() < len(label_names):
            raise ValueError(f"labels reach from {labels.min()} to {labels.max()}, of {len(label_names)}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return recordings, labels.tolist(), subjects.tolist(), label_names


def _read_recordings(trees: list[Any]) -> list[np.ndarray]:
    """All recordings; a pickle may name one array again and again, so their sum is bounded, too."""
    recordings, samples = [], 0
    for number, tree in enumerate(trees):
        try:
            series = numbers(tree)
        except ValueError as error:
            raise ValueError(f"recording {number}: {error}") from error
        if series.ndim != 2 or series.shape[1] != WATCH_CHANNELS or len(series) < WATCH_WINDOW:
            raise ValueError(
                f"recording {number} has shape {series.shape}, expected [{WATCH_WINDOW} or more, {WATCH_CHANNELS}]"
            )
        samples += len(series)
        if samples > WATCH_SAMPLES:
            raise ValueError(f"more than {WATCH_SAMPLES:,} samples")
        with np.errstate(invalid="ignore"):  # of a NaN, which is refused below
            recordings.append(series.astype(np.float64))
        _check_values(recordings[-1], f"recording {number}")
    return recordings


def _check_values(values: np.ndarray, where: str) -> None:
    """Raise unless all are numbers that a measurement can have; NaN compares as false."""
    bad = ~(np.abs(values) <= LARGEST_VALUE)
    if bad.any():
        raise ValueError(f"{where}: value {values[bad][0]}, expected finite numbers up to {LARGEST_VALUE:g}")
