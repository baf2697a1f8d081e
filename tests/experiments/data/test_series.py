"""One-dimensional data from generated files."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equinet.train.data import load
from equinet.train.data.series import LEAF_FILES, WATCH_FILE, resample_closed
from tests.experiments.data.generated import write_leaf, write_watch


def test_windows_stay_inside_a_recording_and_splits_inside_their_subjects(tmp_path: Path) -> None:
    write_watch(tmp_path)
    watch = load("seglearn_watch", tmp_path)
    # Recording i is 128 + 40 i long: 1 + (40 i) // 64 windows; the last three are the test subjects'.
    counts = [1 + 40 * number // 64 for number in range(10)]
    assert (len(watch.train), len(watch.test)) == (sum(counts[:7]), sum(counts[7:]))
    assert (watch.shape, watch.classes) == ((128, 6), 7)
    windows, labels = watch.train.arrays()
    assert labels.tolist() == [number % 7 for number in range(7) for _ in range(counts[number])]
    # The second window of a recording starts 64 samples after its first.
    np.testing.assert_array_equal(windows[2, 64:], windows[3, :64])
    np.testing.assert_allclose(windows.mean(axis=(0, 1)), 0.0, atol=1e-5)
    np.testing.assert_allclose(windows.std(axis=(0, 1)), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": None}, r"holds \['subject', 'y', 'y_labels'\], expected a dict with X, subject, y, y_labels"),
        ({"y": np.arange(9)}, "10 recordings, 9 labels and 10 subjects"),
        ({"X": [np.zeros((200, 5))] * 10}, r"recording 0 has shape \(200, 5\), expected \[128 or more, 6\]"),
        ({"X": [np.zeros((127, 6))] * 10}, r"recording 0 has shape \(127, 6\)"),
        ({"y": np.full(10, 7)}, "labels reach from 7 to 7, of 7"),
        ({"y": np.full(10, -1)}, "labels reach from -1 to -1, of 7"),
        ({"y": np.full(10, 0.7)}, "y and subject must be rows of whole numbers, y_labels strings"),
        ({"y_labels": [1, 2]}, "y and subject must be rows of whole numbers, y_labels strings"),
        ({"X": [], "y": np.zeros(0, int), "subject": np.zeros(0, int)}, "0 recordings, 0 labels and 0 subjects"),
        ({"X": [np.full((200, 6), np.nan)] * 10}, "recording 0: value nan, expected finite numbers up to 1e"),
        ({"X": [np.full((200, 6), 1e300)] * 10}, r"recording 0: value 1e\+300, expected finite numbers up to 1e"),
        ({"X": [np.full((200, 6), -(2**63))] * 10}, "recording 0: value -9.22.*, expected finite numbers up to 1e"),
        ({"X": [np.ones((200, 6))] * 10}, "channel 0 is constant over the training subjects"),
        ({"X": "text"}, "found str, expected a list"),
        ({"X": [np.zeros((200, 6), complex)] * 10}, "recording 0: found an array of something else than numbers"),
        ({"subject": np.ones(10, int)}, r"has subjects \[1\], expected some of \(8, 9, 10\) and others"),
    ],
)
def test_watch_data_that_is_not_as_published_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_watch(tmp_path)
    data = {**np.load(tmp_path / WATCH_FILE, allow_pickle=True).item(), **changes}
    data = {key: value for key, value in data.items() if value is not None}
    np.save(tmp_path / WATCH_FILE, np.array(data, object), allow_pickle=True)
    with pytest.raises(ValueError, match=f"{WATCH_FILE}.*{message}"):
        load("seglearn_watch", tmp_path)


@pytest.mark.parametrize("length", [4, 70, 200, 3000])
def test_a_truncated_npy_file_is_named(tmp_path: Path, length: int) -> None:
    write_watch(tmp_path)
    path = tmp_path / WATCH_FILE
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=rf"{WATCH_FILE} has {length} bytes that are no npy file with one dict"):
        load("seglearn_watch", tmp_path)


def test_an_npy_file_of_numbers_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / WATCH_FILE, np.zeros(5))
    with pytest.raises(ValueError, match=rf"{WATCH_FILE} has \d+ bytes that are no npy file with one dict"):
        load("seglearn_watch", tmp_path)


class Harmful:
    """Unpickled without care, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_an_npy_file_that_goes_on_is_named(tmp_path: Path) -> None:
    write_watch(tmp_path)
    with (tmp_path / WATCH_FILE).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=rf"{WATCH_FILE} has \d+ bytes that are no npy .*: it goes on after its end"):
        load("seglearn_watch", tmp_path)


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    np.save(tmp_path / WATCH_FILE, np.array({"X": Harmful(tmp_path / "made")}, object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"asks for \w+.mkdir, which no array needs"):
        load("seglearn_watch", tmp_path)
    assert not (tmp_path / "made").exists()


def test_contours_are_read_with_their_labels(tmp_path: Path) -> None:
    write_leaf(tmp_path)
    leaf = load("osu_leaf", tmp_path)
    assert (len(leaf.train), len(leaf.test), leaf.shape, leaf.classes) == (6, 6, (21, 1), 6)
    contours, labels = leaf.test.arrays()
    assert labels.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(contours[2, :, 0], np.cos(3 * 2 * np.pi * np.arange(21) / 21), atol=1e-5)


def test_resampling_keeps_a_contour_closed() -> None:
    angles = 2 * np.pi * np.arange(420) / 420
    contour = np.cos(3 * angles)[None].astype(np.float32)
    finer = resample_closed(contour, 448)
    np.testing.assert_allclose(finer[0], np.cos(6 * np.pi * np.arange(448) / 448), atol=1e-3)
    # Starting elsewhere, by a step that both grids have, gives the same contour from there.
    np.testing.assert_allclose(
        resample_closed(np.roll(contour, 15, axis=1), 448), np.roll(finer, 16, axis=1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no series: expected a line @data"),
        ("@data\n", "holds no series"),
        ("1.0,2.0:1\n", "holds no series"),
        ("@data\n1.0,2.0:1\n1.0,2.", "line 3: found '1.0,2.', expected VALUE,VALUE,…:LABEL"),
        ("@data\n1.0,2.0:1\n1.0,x:1", "line 3: found '1.0,x:1', expected"),
        ("@data\n1.0,2.0:1\n1.0:1", "line 3: 1 values, expected 2 as before"),
        ("@data\n1.0,nan:1", "line 2: value nan, expected finite numbers up to 1e"),
        ("@data\n1.0,1e999:1", "line 2: value inf, expected finite numbers up to 1e"),
        ("@data\n1.0,1e39:1", r"line 2: value 1e\+39, expected finite numbers up to 1e"),
        ("@data\n1.0:" + "long" * 100, "holds the labels longlonglonglonglong, expected 1, 2"),
        ("@data\n1.0:\033[2J", r"holds the labels �\[2J, expected 1, 2"),
        ("@data\n1.0,2.0:7", "holds the labels 7, expected 1, 2, 3, 4, 5, 6"),
    ],
)
def test_broken_ts_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    write_leaf(tmp_path)
    (tmp_path / LEAF_FILES[0]).write_text(text)
    with pytest.raises(ValueError, match=f"{LEAF_FILES[0]}.*{message}"):
        load("osu_leaf", tmp_path)


def test_contours_of_two_lengths_are_refused(tmp_path: Path) -> None:
    write_leaf(tmp_path)
    (tmp_path / LEAF_FILES[1]).write_text("@data\n1.0,2.0:1\n")
    with pytest.raises(ValueError, match=rf"{LEAF_FILES[1]} holds contours of length 2, expected 21 as in .*TRAIN.ts"):
        load("osu_leaf", tmp_path)
