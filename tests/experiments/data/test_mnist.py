"""The shipped subset, IDX files, and rotated digits."""

import errno
import gzip
import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equinet.train.data import load
from equinet.train.data.idx import read_idx
from equinet.train.data.mnist import DIGITS, FASHION_LABELS, IDX_NAMES, SUBSET, Rotated, read_subset_split, rotate
from scripts.make_subset import make_subset
from tests.experiments.data.generated import write_idx, write_mnist
from tests.experiments.data.hostile import bomb, limited_memory


def test_subset_is_balanced_and_real() -> None:
    subset = load()
    assert (len(subset.train), len(subset.test), subset.classes, subset.shape) == (10_000, 2_000, 10, (28, 28, 1))
    images, labels = subset.train.arrays()
    assert np.bincount(labels).tolist() == [1000] * 10
    assert np.bincount(subset.test.arrays()[1]).tolist() == [200] * 10
    assert len(np.unique(images.reshape(10_000, -1), axis=0)) > 9_990
    # A trouser is darker at the sides than in the middle, whatever the pair.
    trousers = images[labels == FASHION_LABELS.index("Trouser")].mean(axis=0) + 1.0
    assert trousers[:, 10:18].mean() > 10 * trousers[:, :5].mean()


def test_subset_is_small_and_has_its_licence() -> None:
    assert SUBSET.stat().st_size < 8 * 2**20
    assert "Zalando" in (SUBSET.parent / "LICENSE").read_text()


def test_subset_file_is_the_one_recorded() -> None:
    images, _ = read_subset_split(SUBSET.parent, "test")
    assert hashlib.sha256(images.tobytes()).hexdigest().startswith("96315b1732ab731e")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_full_set_is_read_from_a_folder(tmp_path: Path, suffix: str) -> None:
    write_mnist(tmp_path, suffix=suffix)
    full = load("fashion_mnist", tmp_path)
    assert (len(full.train), len(full.test)) == (60, 60)
    images = read_idx(tmp_path / f"train-images-idx3-ubyte{suffix}")
    np.testing.assert_array_equal(full.train.arrays()[0][..., 0], images / np.float32(127.5) - np.float32(1))


def test_make_subset_is_deterministic_and_balanced(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    for name in ("a.npz", "b.npz"):
        make_subset(tmp_path, tmp_path / name, train_per_class=4, test_per_class=2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.bincount(arrays["train_labels"]).tolist() == [4] * 10
        assert np.bincount(arrays["test_labels"]).tolist() == [2] * 10


def test_make_subset_wants_enough_examples(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match="label 0 has 6 examples, expected at least 7"):
        make_subset(tmp_path, tmp_path / "a.npz", train_per_class=7)


def test_a_broken_subset_is_named(tmp_path: Path) -> None:
    (tmp_path / SUBSET.name).write_bytes(SUBSET.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"fashion_mnist_12k.npz has 1000 bytes that are no npz archive"):
        load("fashion_mnist_12k", tmp_path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"PK\3\4", "is not an IDX file"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "IDX type 0x0d, expected unsigned bytes"),
        (b"\0\0\x08\2\0\0\0\1", "is cut short: 8 bytes, its header alone takes 12"),
        (b"\0\0\x08\1\0\0\0\2\7", r"1 bytes of data, expected 2 for shape \(2,\)"),
        (b"\0\0\x08\1\0\0\0\2\7\7\7", r"more than 2 bytes of data, expected 2 for shape \(2,\)"),
        (b"\0\0\x08\2" + b"\0\x0f\x42\x40" * 2, r"says it has the shape \(1000000, 1000000\), 1,000,000,000,000 bytes"),
        (b"\0\0\x08\0", "holds an array of 0 axes, expected 1 to 4"),
        (b"\0\0\x08\xff", "holds an array of 255 axes, expected 1 to 4"),
    ],
)
def test_broken_idx_files_are_named(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "broken").write_bytes(raw)
    with pytest.raises(ValueError, match=f"broken.*{message}"):
        read_idx(tmp_path / "broken")


def test_broken_gzip_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"\0\0\x08\1\0\0\0\2\7\7")[:-9])
    (tmp_path / "plain.gz").write_bytes(b"\0\0\x08\1\0\0\0\2\7\7")
    for name in ("cut.gz", "plain.gz"):
        with pytest.raises(ValueError, match=rf"{name} has \d+ bytes that are no whole gzip file"):
            read_idx(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (IDX_NAMES["train"][0], np.zeros((60, 4), np.uint8), r"shape \(60, 4\), expected images \[n, height, width\]"),
        (IDX_NAMES["train"][0], np.zeros((0, 28, 28), np.uint8), r"shape \(0, 28, 28\), expected images"),
        (IDX_NAMES["test"][1], np.zeros(59, np.uint8), r"labels of shape \(59,\), expected one for each of 60"),
        (IDX_NAMES["train"][0], np.zeros((60, 0, 0), np.uint8), r"shape \(60, 0, 0\), expected images"),
        (IDX_NAMES["test"][0], np.zeros((60, 1, 2000), np.uint8), r"images \(1, 2000\), expected at most 1024"),
        (IDX_NAMES["test"][1], np.full(60, 12, np.uint8), "holds the label 12, expected 0 to 9"),
    ],
)
def test_files_that_do_not_belong_together_are_named(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    write_mnist(tmp_path, suffix="")
    write_idx(tmp_path / name, array)
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        load("mnist", tmp_path)


def test_right_angles_permute_the_pixels(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    plain, turned = load("mnist", tmp_path), load("rotated_mnist_90", tmp_path)
    assert turned.label_names == DIGITS
    seen = set()
    for index in range(60):
        before, after = plain.train[index], turned.train[index]
        assert before["target"] == after["target"]
        ways = [k for k in range(4) if np.array_equal(np.rot90(before["input"], k), after["input"])]
        assert len(ways) == 1
        seen.update(ways)
    assert seen == {0, 1, 2, 3}


def test_angles_depend_on_the_index_and_the_split_alone() -> None:
    images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
    train, again, test = (Rotated(images, labels, stream, right_angles=False) for stream in (0, 0, 1))
    angles = np.array([train.angle(index) for index in range(4000)])
    assert angles.tolist() == [again.angle(index) for index in range(4000)]
    assert not np.isin(angles, [test.angle(index) for index in range(4000)]).any()
    # Of 4,000 uniform angles, the quarters hold 1,000 each with a standard deviation of 27.
    assert np.abs(np.bincount((angles // 90).astype(int)) - 1000).max() < 5 * 27


def test_rotation_is_counter_clockwise_and_exact_at_right_angles() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    for quarter in range(4):
        np.testing.assert_array_equal(rotate(image, 90.0 * quarter), np.rot90(image, quarter))
    # A smooth blob right of the centre goes up, by as much as it is turned.
    rows, columns = np.indices((28, 28)) - 13.5
    blob = (255 * np.exp(-(rows**2 + (columns - 7) ** 2) / 8)).astype(np.uint8)
    turned = rotate(blob, 30.0).astype(float)
    centre = [(turned * axis).sum() / turned.sum() for axis in (rows, columns)]
    np.testing.assert_allclose(centre, [-7 * np.sin(np.pi / 6), 7 * np.cos(np.pi / 6)], atol=0.1)


@pytest.mark.parametrize("name", ["mnist", "rotated_mnist", "rotated_mnist_90", "fashion_scenes"])
def test_images_of_two_sizes_are_refused(name: str, tmp_path: Path) -> None:
    write_mnist(tmp_path, suffix="")
    write_idx(tmp_path / IDX_NAMES["test"][0], np.zeros((60, 28, 30), np.uint8))
    with pytest.raises(ValueError, match=rf"{tmp_path} holds test images \(28, 30\), expected \(28, 28\)"):
        load(name, tmp_path)


def test_only_square_images_turn_by_right_angles(tmp_path: Path) -> None:
    write_mnist(tmp_path, suffix="")
    for images, _ in IDX_NAMES.values():
        write_idx(tmp_path / images, np.zeros((60, 28, 30), np.uint8))
    assert load("rotated_mnist", tmp_path).shape == (28, 30, 1)
    with pytest.raises(ValueError, match=rf"{tmp_path} holds images \(28, 30\): only square ones"):
        load("rotated_mnist_90", tmp_path)


def test_images_larger_than_a_scene_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, suffix="")
    for images, _ in IDX_NAMES.values():
        write_idx(tmp_path / images, np.zeros((60, 28, 65), np.uint8))
    with pytest.raises(ValueError, match=rf"{tmp_path} holds images \(28, 65\), too large for scenes of 64 × 64"):
        load("fashion_scenes", tmp_path)


def subset(**changes: Any) -> dict[str, Any]:
    """The arrays of a subset with one image of each label."""
    images, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
    arrays = {
        f"{split}_{kind}": array for split in IDX_NAMES for kind, array in (("images", images), ("labels", labels))
    }
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": np.full(10, 200, np.uint8)}, r"\(train_labels\) holds the label 200, expected 0 to 9"),
        ({"test_labels": np.full(10, -5)}, "test_labels.npy holds int64, expected unsigned bytes"),
        ({"test_labels": np.full(10, 0.7)}, "test_labels.npy holds float64, expected unsigned bytes"),
        ({"test_labels": None}, "it holds no test_labels.npy"),
        ({"train_labels": np.zeros(9, np.uint8)}, r"\(train_labels\) holds labels of shape \(9,\), expected one for"),
        ({"train_images": np.full((10, 28, 28), np.nan)}, "train_images.npy holds float64, expected unsigned bytes"),
        ({"train_images": np.zeros((10, 784), np.uint8)}, r"\(train_images\) holds an array of shape \(10, 784\)"),
        ({"test_images": np.zeros((10, 9, 9), np.uint8)}, r"holds test images \(9, 9\), expected \(28, 28\)"),
        ({"test_images": np.array([object()] * 10)}, "test_images.npy holds object, expected unsigned bytes"),
    ],
)
def test_a_subset_of_something_else_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / SUBSET.name, **subset())
    assert len(load("fashion_mnist_12k", tmp_path).train) == 10
    np.savez_compressed(tmp_path / SUBSET.name, **subset(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        load("fashion_mnist_12k", tmp_path)
    assert str(tmp_path) in str(caught.value)


def npy(header: str, content: bytes = b"") -> bytes:
    padded = header.ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + len(padded).to_bytes(2, "little") + padded.encode() + content


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000), }"), "expected at most 67,108,864"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10,), }", bytes(9)), "holds 9 bytes, expected 10"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10,), }", bytes(11)), "more than 10 bytes"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10L,), }", bytes(10)), "its header cannot be read"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }"), r"it says it has the shape \(-1,\)"),
        (npy("(" * 3000), "are no npz archive: its header cannot be read"),
        (b"\x93NUMPY\3\0", r"version \(3, 0\) of the npy format"),
        (b"", "are no npz archive: EOF"),
    ],
)
def test_an_array_that_is_not_as_it_says_is_named(member: bytes, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / SUBSET.name, **subset(train_labels=None))
    with zipfile.ZipFile(tmp_path / SUBSET.name, "a") as archive:
        archive.writestr("train_labels.npy", member)
    with limited_memory(), pytest.raises(ValueError, match=message):
        load("fashion_mnist_12k", tmp_path)


def test_an_archive_of_very_many_entries_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / SUBSET.name, "w") as archive:
        for number in range(200):
            archive.writestr(str(number), b"")
    with pytest.raises(ValueError, match="it has more than 100 entries"):
        load("fashion_mnist_12k", tmp_path)


def test_gzip_bombs_take_no_room(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / f"{IDX_NAMES['train'][0]}.gz"
    header = b"\0\0\x08\3" + (60).to_bytes(4) + (28).to_bytes(4) * 2
    path.write_bytes(bomb(header, 3000))
    with limited_memory(), pytest.raises(ValueError, match=f"{path} has more than 47040 bytes of data"):
        load("mnist", tmp_path)
    path.write_bytes(bomb(b"", 3000))
    with limited_memory(), pytest.raises(ValueError, match=f"{path} holds IDX type 0x00"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "device"])
def test_only_files_are_read(kind: str, tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / f"{IDX_NAMES['test'][1]}.gz"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nothing")
    for read in (lambda: load("mnist", tmp_path), lambda: read_idx(path)):
        with pytest.raises(ValueError, match=f"{path} is a {kind}, expected a regular file"):
            read()


def test_the_subset_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match=r"--out=.*/a must end in \.npz"):
        make_subset(tmp_path, tmp_path / "a", train_per_class=4, test_per_class=2)
    (tmp_path / "a.npz").write_bytes(b"before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*a\.npz: No space left on device"):
        make_subset(tmp_path, tmp_path / "a.npz", train_per_class=4, test_per_class=2)
    assert [path.name for path in tmp_path.glob("a*")] == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == b"before"


def full(path: Path, content: bytes) -> int:
    """A disk that has room for ten bytes more."""
    with path.open("wb") as file:
        file.write(content[:10])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
