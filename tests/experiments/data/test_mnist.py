"""The shipped subset, IDX files, and rotated digits."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from experiments.data import load
from experiments.data.idx import read_idx, write_idx
from experiments.data.mnist import DIGITS, FASHION_LABELS, IDX_NAMES, SUBSET, Rotated, read_subset_split, rotate
from scripts.make_subset import make_subset
from tests.experiments.data.generated import write_mnist


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
