"""CIFAR-10's binary format and folders of images, from generated files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data import load
from experiments.data.cifar import CIFAR_LABELS, read_cifar
from experiments.data.image import read_image
from tests.experiments.data.generated import write_cifar, write_image_folder


def test_cifar_records_are_planes_after_a_label(tmp_path: Path) -> None:
    planes = np.zeros((3, 32, 32), np.uint8)
    planes[0, 1, 2], planes[1, 3, 4], planes[2, 5, 6] = 7, 8, 9
    (tmp_path / "one.bin").write_bytes(bytes([3]) + planes.tobytes())
    images, labels = read_cifar(tmp_path / "one.bin")
    assert (images.shape, CIFAR_LABELS[labels[0]]) == ((1, 32, 32, 3), "cat")
    assert (images[0, 1, 2, 0], images[0, 3, 4, 1], images[0, 5, 6, 2], images.sum()) == (7, 8, 9, 24)


def test_cifar_batches_follow_one_another(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    cifar = load("cifar10", tmp_path)
    assert (len(cifar.train), len(cifar.test), cifar.shape) == (20, 4, (32, 32, 3))
    third, labels = read_cifar(tmp_path / "data_batch_3.bin")
    np.testing.assert_allclose((cifar.train[9]["input"] + 1) * 127.5, third[1], atol=1e-4)
    assert cifar.train[9]["target"] == labels[1]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "has 0 bytes, expected a multiple of 3073"),
        (b"\0" * 3072, "has 3072 bytes, expected a multiple of 3073"),
        (b"\0" * 3073 + b"\x0a" + b"\0" * 3072, "record 1 has label 10, expected 0 to 9"),
    ],
)
def test_broken_cifar_files_are_named(tmp_path: Path, raw: bytes, message: str) -> None:
    write_cifar(tmp_path)
    (tmp_path / "data_batch_2.bin").write_bytes(raw)
    with pytest.raises(ValueError, match=f"data_batch_2.bin.*{message}"):
        load("cifar10", tmp_path)


def test_classes_are_the_folders(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    (tmp_path / "train/n01/notes.txt").write_text("no image")
    photographs = load("image_folder", tmp_path)
    assert (len(photographs.train), len(photographs.test), photographs.shape) == (6, 2, (224, 224, 3))
    assert photographs.label_names == ("n01", "n02")
    for split in (photographs.train, photographs.test):
        images, labels = split.arrays()
        assert labels.tolist() == sorted(labels.tolist())
        np.testing.assert_array_equal(images.mean(axis=(1, 2)).argmax(axis=1), labels)


@pytest.mark.parametrize("sides", [(60, 40), (40, 60), (7, 7)])
def test_an_image_is_resized_and_cropped_to_its_centre(tmp_path: Path, sides: tuple[int, int]) -> None:
    # A white disc at the centre stays a disc at the centre, whatever the shape of the image.
    columns, rows = (np.arange(side) - (side - 1) / 2 for side in sides)
    disc = 255 * (rows[:, None] ** 2 + columns[None, :] ** 2 < (min(sides) / 4) ** 2)
    Image.fromarray(disc.astype(np.uint8)).save(tmp_path / "disc.png")
    image = read_image(tmp_path / "disc.png", 56).astype(float) / 255
    assert image.shape == (56, 56, 3)
    places = np.arange(56) - 27.5
    for axis in (0, 1):
        along = image[..., 0].sum(axis=axis)
        assert abs((along * places).sum() / along.sum()) < 0.5
    # The shorter side became 64, so the disc has a radius of 16; coarse pixels blur its edge.
    if min(sides) > 10:
        np.testing.assert_allclose(image[..., 0].sum(), np.pi * 16**2, rtol=0.05)


def test_broken_images_are_named(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    path = tmp_path / "train/n02/1.JPEG"
    whole = path.read_bytes()
    photographs = load("image_folder", tmp_path)
    for raw in (b"", b"no image", whole[: len(whole) - 40]):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=rf"1.JPEG \({len(raw)} bytes\) cannot be read as an image"):
            photographs.train[4]


def test_a_class_to_test_that_is_not_to_train_is_refused(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    (tmp_path / "val/n01").rename(tmp_path / "val/n03")
    with pytest.raises(ValueError, match=r"val has the classes n03, which .*train has not"):
        load("image_folder", tmp_path)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    for path in (tmp_path / "val").glob("*/*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no images CLASS/\*.jpg .* found in .*val"):
        load("image_folder", tmp_path)
