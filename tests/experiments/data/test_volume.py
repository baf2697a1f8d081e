"""NIfTI volumes and the blocks of a head, from generated files."""

import gzip
import math
import re
from pathlib import Path

import numpy as np
import pytest

from equinet.train.data import load
from equinet.train.data.volume import VOLUME_FILES, downsample, read_nifti
from tests.experiments.data.generated import nifti, write_colin
from tests.experiments.data.hostile import limited_memory


def test_nifti_is_read_in_its_order(tmp_path: Path) -> None:
    volume = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a.nii").write_bytes(nifti(volume))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti(volume)))
    for name in ("a.nii", "a.nii.gz"):
        np.testing.assert_array_equal(read_nifti(tmp_path / name), volume)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is cut short: 0 bytes, a NIfTI header alone takes 352"),
        (b"\1" * 400, "is not a NIfTI-1 file: size 16843009 and magic"),
        (nifti(np.zeros((2, 3, 4), np.uint8))[:-1], r"has 23 bytes of data, expected 24 for shape \(2, 3, 4\)"),
        (nifti(np.zeros((2, 3), np.uint8)), r"holds a volume of shape \(2, 3\), expected three axes"),
        (nifti(np.zeros((2, 3, 4, 2), np.uint8)), r"holds a volume of shape \(2, 3, 4, 2\), expected three axes"),
        (nifti(np.zeros((2, 3, 4), np.uint8), kind=16), "holds NIfTI type 16 scaled by 1.0 and 0.0, expected unsigned"),
        (nifti(np.zeros((2, 3, 4), np.uint8), slope=0.5), "holds NIfTI type 2 scaled by 0.5"),
        (
            nifti(np.zeros((2, 3, 4), np.uint8)) + b"7",
            r"has more than 24 bytes of data, expected 24 for shape \(2, 3, 4\)",
        ),
        (nifti(np.zeros((2, 3, 257), np.uint8)), r"shape \(2, 3, 257\), expected at most 256 voxels along an axis"),
        *(
            (
                nifti(np.zeros((2, 3, 4), np.uint8), offset=offset),
                re.escape(f"its data start at byte {offset:g}, expected 352"),
            )
            for offset in (0.0, 348.0, 351.0, 352.5, -352.0, 1e30, math.inf, math.nan)
        ),
    ],
)
def test_broken_nifti_files_are_named(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "broken.nii").write_bytes(raw)
    with pytest.raises(ValueError, match=f"broken.nii.*{message}"):
        read_nifti(tmp_path / "broken.nii")


def test_downsampling_averages_and_leaves_out_an_odd_layer() -> None:
    volume = np.zeros((3, 2, 2), np.uint8)
    volume[0], volume[2] = 8, 200
    np.testing.assert_array_equal(downsample(volume), [[[4.0]]])


def test_a_mirrored_head_gives_mirrored_halves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(1, 256, (72, 40, 30), dtype=np.uint8)
    plane = rng.integers(1, 256, (1, 40, 30), dtype=np.uint8)
    head = np.concatenate([left, plane, left[::-1]])
    for name in VOLUME_FILES:
        (tmp_path / name).write_bytes(nifti(head))
    halves = load("colin27", tmp_path)
    # Each half is 36 × 20 × 15 after averaging, so 64 × 32 × 32 when filled: 5 starts to train at, 2 blocks to test.
    assert (len(halves.train), len(halves.test)) == (5, 2)
    train, test = halves.train.arrays()[0], halves.test.arrays()[0]
    np.testing.assert_array_equal(test[0], train[4][:, :, ::-1])
    np.testing.assert_array_equal(test[1], train[0][:, :, ::-1])
    # Training blocks overlap: each starts 8 voxels after the one before.
    np.testing.assert_array_equal(train[1][:, :, :24], train[0][:, :, 8:])


def test_the_test_blocks_hold_every_voxel_of_the_right_half_once(tmp_path: Path) -> None:
    write_colin(tmp_path)
    _, masks = load("colin27", tmp_path).test.arrays()
    brain = read_nifti(tmp_path / VOLUME_FILES[1]) > 0
    assert masks.sum() == (downsample(brain[-10:]) >= 0.5).sum() > 0


def test_volumes_of_two_shapes_are_refused(tmp_path: Path) -> None:
    write_colin(tmp_path)
    (tmp_path / VOLUME_FILES[1]).write_bytes(nifti(np.zeros((2, 3, 4), np.uint8)))
    with pytest.raises(ValueError, match=r"ch2bet.nii has shape \(2, 3, 4\), expected \(21, 24, 20\) as in .*ch2.nii"):
        load("colin27", tmp_path)


def test_data_may_start_after_extensions_of_the_header(tmp_path: Path) -> None:
    volume = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    raw = nifti(volume, offset=368.0)
    (tmp_path / "a.nii").write_bytes(raw[:352] + bytes(16) + raw[352:])
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii"), volume)


def test_a_volume_too_small_to_cut_is_refused(tmp_path: Path) -> None:
    for name in VOLUME_FILES:
        (tmp_path / name).write_bytes(nifti(np.zeros((3, 3, 4), np.uint8)))
    with pytest.raises(ValueError, match=r"ch2.nii has shape \(3, 3, 4\), expected 4 × 2 × 2 voxels or more"):
        load("colin27", tmp_path)


@pytest.mark.parametrize("shape", [(256, 256, 256), (4, 256, 256)])
def test_the_largest_volumes_fit_the_memory(shape: tuple[int, int, int], tmp_path: Path) -> None:
    for name in VOLUME_FILES:
        (tmp_path / name).write_bytes(nifti(np.zeros(shape, np.uint8)))
    with limited_memory(2048):
        assert load("colin27", tmp_path).shape == (32, 32, 32, 1)
