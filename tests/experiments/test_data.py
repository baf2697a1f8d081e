"""The shipped subset, IDX files, and what is said when data is missing."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from experiments import data
from experiments.idx import read_idx, write_idx
from scripts.get_data import SOURCES, STEMS, get_data
from scripts.make_subset import make_subset


def fake_full_set(folder: Path, per_class: int = 6, suffix: str = ".gz") -> None:
    """Generated images in the format and under the names of the full set."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for images, labels in data.IDX_STEMS.values():
        classes = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), per_class))
        write_idx(folder / f"{labels}{suffix}", classes)
        write_idx(folder / f"{images}{suffix}", rng.integers(0, 256, (len(classes), 28, 28), dtype=np.uint8))


def test_subset_is_balanced_and_real() -> None:
    subset = data.load()
    assert (len(subset.train), len(subset.test), subset.classes) == (10_000, 2_000, 10)
    assert np.bincount(subset.train.labels).tolist() == [1000] * 10
    assert np.bincount(subset.test.labels).tolist() == [200] * 10
    assert subset.train.images.shape[1:] == (28, 28)
    assert len(np.unique(subset.train.images.reshape(10_000, -1), axis=0)) > 9_990
    # A trouser is darker at the sides than in the middle, whatever the pair.
    trousers = subset.train.images[subset.train.labels == data.FASHION_LABELS.index("Trouser")].mean(axis=0)
    assert trousers[:, 10:18].mean() > 10 * trousers[:, :5].mean()


def test_subset_is_small_and_has_its_licence() -> None:
    assert data.SUBSET.stat().st_size < 8 * 2**20
    assert "Zalando" in (data.SUBSET.parent / "LICENSE").read_text()


def test_subset_file_is_the_one_recorded() -> None:
    images = data.load().test.images
    assert hashlib.sha256(images.tobytes()).hexdigest().startswith("96315b1732ab731e")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_full_set_is_read_from_a_folder(tmp_path: Path, suffix: str) -> None:
    fake_full_set(tmp_path, suffix=suffix)
    full = data.load("fashion_mnist", tmp_path)
    assert (len(full.train), len(full.test)) == (60, 60)


def test_make_subset_is_deterministic_and_balanced(tmp_path: Path) -> None:
    fake_full_set(tmp_path)
    for name in ("a.npz", "b.npz"):
        make_subset(tmp_path, tmp_path / name, train_per_class=4, test_per_class=2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.bincount(arrays["train_labels"]).tolist() == [4] * 10
        assert np.bincount(arrays["test_labels"]).tolist() == [2] * 10


def test_make_subset_wants_enough_examples(tmp_path: Path) -> None:
    fake_full_set(tmp_path)
    with pytest.raises(ValueError, match="label 0 has 6 examples, expected at least 7"):
        make_subset(tmp_path, tmp_path / "a.npz", train_per_class=7)


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m scripts.get_data --dataset=mnist --data_dir="):
        data.load("mnist", tmp_path)


def test_missing_subset_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SUBSET", tmp_path / "absent.npz")
    with pytest.raises(FileNotFoundError, match=r"python -m scripts.make_subset"):
        data.load()


def test_unknown_data_set_lists_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no data set 'fashion_mnst': did you mean fashion_mnist"):
        data.load("fashion_mnst")
    with pytest.raises(ValueError, match="takes no data_dir"):
        data.load("fashion_mnist_12k", "/somewhere")


def test_get_data_refuses_other_content(tmp_path: Path) -> None:
    fake_full_set(tmp_path / "fake")
    with pytest.raises(ValueError, match="is not the published mnist: SHA-256"):
        get_data("mnist", tmp_path / "out", tmp_path / "fake")
    with pytest.raises(FileNotFoundError, match="holds neither train-images-idx3-ubyte nor"):
        get_data("mnist", tmp_path / "out", tmp_path)
    assert len(STEMS) == len(SOURCES["mnist"].sha256)


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
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "broken")


def test_to_float_pads_with_background_and_crops_the_centre() -> None:
    images = np.full((1, 4, 4), 255, np.uint8)
    padded = data.to_float(images, 6)
    assert padded.shape == (1, 6, 6, 1)
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded[0, 1:-1, 1:-1], 1.0)
    assert padded[0, 0].max() == padded[0, -1].max() == padded[0, :, 0].max() == padded[0, :, -1].max() == -1.0
    ramp = np.arange(5, dtype=np.uint8)[None, :, None] * np.ones((1, 1, 5), np.uint8)
    cropped = (data.to_float(ramp, 3)[0, :, 0, 0] + 1) * 127.5
    np.testing.assert_allclose(cropped, [1, 2, 3], atol=1e-4)
