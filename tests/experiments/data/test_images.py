"""CIFAR-10's binary format and folders of images, from generated files."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from equinet.train.data import load
from equinet.train.data.cifar import CIFAR_LABELS, read_cifar
from equinet.train.data.image import read_image
from tests.experiments.data.generated import write_cifar, write_image_folder
from tests.experiments.data.hostile import PNG, bomb, limited_memory, png_chunk


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


def read(tmp_path: Path, raw: bytes, side: int = 8) -> np.ndarray:
    (tmp_path / "image.png").write_bytes(raw)
    return read_image(tmp_path / "image.png", side)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def png(rows: bytes, width: int = 8, height: int = 8, depth: int = 8, colour: int = 0, *, more: bytes = b"") -> bytes:
    """A PNG of these rows, each after the byte that says how it is filtered."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG + png_chunk(b"IHDR", header) + more + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


GREY = (b"\0" + bytes([200]) * 8) * 8


def test_grey_values_of_16_bits_keep_their_upper_eight(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    raw = saved(Image.fromarray(values))
    assert Image.open(io.BytesIO(raw)).mode == "I;16"
    plain = saved(Image.fromarray((values >> 8).astype(np.uint8)))
    np.testing.assert_array_equal(read(tmp_path, raw), read(tmp_path, plain))
    assert read(tmp_path, raw)[..., 0].std() > 50
    # Colours of 16 bits, which Pillow cannot write, likewise.
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in values)
    np.testing.assert_array_equal(read(tmp_path, png(rows, depth=16, colour=2)), read(tmp_path, plain))


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "WEBP"])
def test_what_is_no_jpeg_and_no_png_is_refused_whatever_its_name(tmp_path: Path, kind: str) -> None:
    mode = "F" if kind == "TIFF" else "RGB"
    with pytest.raises(
        ValueError, match=r"image\.png \(\d+ bytes\) cannot be read as an image: it is no JPEG and no PNG"
    ):
        read(tmp_path, saved(Image.new(mode, (8, 8)), kind))


def test_a_jpeg_may_be_named_png(tmp_path: Path) -> None:
    assert abs(int(read(tmp_path, saved(Image.new("RGB", (8, 8), (90, 90, 90)), "JPEG")).mean()) - 90) < 3


def test_a_whole_png_is_read(tmp_path: Path) -> None:
    assert (read(tmp_path, png(GREY)) == 200).all()


@pytest.mark.parametrize("colour", [0, 3, 2, 4, 6])
def test_a_png_whose_data_end_early_is_refused(tmp_path: Path, colour: int) -> None:
    """Its check sums are right; Pillow would fill up what is missing with black."""
    channels = {0: 1, 3: 1, 2: 3, 4: 2, 6: 4}[colour]
    row, palette = b"\0" + b"\xff" * 8 * channels, png_chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    assert read(tmp_path, png(row * 8, colour=colour, more=palette)).shape == (8, 8, 3)
    for rows in (1, 7):
        raw = png(row * rows, colour=colour, more=palette)
        assert np.asarray(Image.open(io.BytesIO(raw))).size == 64 * (1 if colour == 3 else channels)
        with pytest.raises(ValueError, match=f"it is cut short: its data are {len(row) * rows} bytes, expected"):
            read(tmp_path, raw)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("sides", [(1, 1), (5, 3), (8, 8), (9, 17)])
def test_the_data_of_a_png_are_counted(tmp_path: Path, depth: int, sides: tuple[int, int]) -> None:
    """Interlaced, too: one byte less than the passes take is one too few."""
    width, height = sides
    plain = height * (1 + -(-width * depth // 8))
    passes = [(range(x, width, dx), range(y, height, dy)) for x, y, dx, dy in ADAM7]
    woven = sum(len(rows) * (1 + -(-len(columns) * depth // 8)) for columns, rows in passes if columns)
    for interlaced, size in ((0, plain), (1, woven)):
        header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, interlaced)
        for count in (size, size - 1):
            data = png_chunk(b"IDAT", zlib.compress(bytes(count)))
            raw = PNG + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")
            if count == size:
                assert not read(tmp_path, raw).any()
            else:
                with pytest.raises(ValueError, match=f"its data are {count} bytes, expected {size}"):
                    read(tmp_path, raw)


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def test_a_png_that_is_damaged_anywhere_is_refused(tmp_path: Path) -> None:
    raw = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)))
    for place in range(len(raw)):
        broken = bytearray(raw)
        broken[place] ^= 16
        with pytest.raises(ValueError, match="cannot be read as an image"):
            read(tmp_path, bytes(broken))
        with pytest.raises(ValueError, match="cannot be read as an image"):
            read(tmp_path, raw[:place])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (png(GREY, more=png_chunk(b"tRNS", b"\0\7")), "one of its colours is transparent"),
        (png(GREY, more=png_chunk(b"acTL", bytes(8))), "it is animated"),
        (png(GREY, more=png_chunk(b"IHDR", bytes(13))), "its header does not come first"),
        (PNG + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""), "its header does not come first"),
        (png(GREY, colour=3), "it names colour 200 of a palette of 0"),
        (png(GREY, colour=3, more=png_chunk(b"PLTE", bytes(600))), "it names colour 200 of a palette of 200"),
        (png(GREY, colour=5), "8 bits and colour type 5"),
        (png(GREY, depth=3), "3 bits and colour type 0"),
        (png(b"", width=0), "0 × 8 pixels"),
        (png(GREY, width=100_000, height=1000), "100000 × 1000 pixels, expected at most 50,000,000"),
        (png(GREY)[:-12] + png_chunk(b"IDAT", b"") * 70_000, "more than 65536 chunks"),
    ],
)
def test_a_png_that_says_something_else_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, raw)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_transparent_image_is_refused_and_an_opaque_one_read(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (10, 10, 10, 255))
    assert (read(tmp_path, saved(image.convert(mode))) == 10).all()
    image.putpixel((7, 7), (10, 10, 10, 254))
    with pytest.raises(ValueError, match="it is transparent in places: put it on a background"):
        read(tmp_path, saved(image.convert(mode)))


def test_a_transparent_colour_of_a_palette_is_refused_where_it_is_used(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 10, 10])
    for alpha in (b"\xff\xff", b"\x00\xff"):
        assert (read(tmp_path, saved(image, transparency=alpha)) == 10).all()
    with pytest.raises(ValueError, match="it is transparent in places: put it on a background"):
        read(tmp_path, saved(image, transparency=b"\xff\xfe"))


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert (read(tmp_path, saved(image)) == (10, 200, 30)).all()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    found = read(tmp_path, saved(cyan, "JPEG", quality=95)).astype(int)
    assert np.abs(found - (0, 255, 255)).max() < 6


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_exif_orientation_is_applied(tmp_path: Path, kind: str) -> None:
    """An image lies as Pillow's own rule would lay it, which here is not asked."""
    quarters = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((16, 16), np.uint8))
    seen = set()
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        raw = saved(Image.fromarray(quarters), kind, exif=exif)
        found = read(tmp_path, raw, 16)[2:-2:11, 2:-2:11, 0].astype(int)
        corners = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(raw))))[4:-4:23, 4:-4:23].astype(int)
        assert np.abs(found - corners).max() < 5
        seen.add(tuple((found // 70).ravel().tolist()))
    assert len(seen) == 8


@pytest.mark.parametrize(
    "exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"nothing", b"II*\0" + bytes(4)]
)
def test_exif_data_that_cannot_be_read_leave_an_image_as_it_is(tmp_path: Path, exif: bytes) -> None:
    image = Image.new("L", (8, 8), 7)
    for kind in ("PNG", "JPEG"):
        raw = saved(image, kind, exif=b"Exif\0\0" + exif)
        assert abs(int(read(tmp_path, raw).mean()) - 7) < 3


def test_of_several_pictures_in_a_jpeg_the_first_counts(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (16, 16), (value,) * 3) for value in (40, 200))
    raw = saved(first, "MPO", save_all=True, append_images=[second])
    assert abs(int(read(tmp_path, raw).mean()) - 40) < 3


def test_an_animated_png_is_refused(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (16, 16), (value,) * 3) for value in (40, 200))
    with pytest.raises(ValueError, match="it is animated"):
        read(tmp_path, saved(first, save_all=True, append_images=[second]))


@pytest.mark.parametrize("sides", [(1, 60_000), (60_000, 1)])
def test_a_narrow_image_takes_no_room(tmp_path: Path, sides: tuple[int, int]) -> None:
    raw = saved(Image.new("L", sides, 7))
    with limited_memory():
        assert (read(tmp_path, raw, 224) == 7).all()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_says_that_it_is_huge_is_refused(tmp_path: Path, progressive: bool) -> None:
    raw = saved(Image.new("L", (64, 32)), "JPEG", progressive=progressive)
    place = raw.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    with pytest.raises(ValueError, match="it has 65535 × 65535 pixels, expected at most 50,000,000"):
        read(tmp_path, raw[:place] + b"\xff" * 4 + raw[place + 4 :])


def test_a_jpeg_of_many_passes_is_refused(tmp_path: Path) -> None:
    raw = saved(Image.new("L", (4000, 4000)), "JPEG", progressive=True)
    scan = raw[raw.rindex(b"\xff\xda") : -2]
    with pytest.raises(ValueError, match=r"it takes \d+ passes over 4000 × 4000 pixels"):
        read(tmp_path, raw[:-2] + scan * 100 + raw[-2:])


def test_a_jpeg_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    raw = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)), "JPEG")
    for length in (*range(3, 700, 7), len(raw) - 40):
        with pytest.raises(ValueError, match="cannot be read as an image"):
            read(tmp_path, raw[:length])


@pytest.mark.parametrize("name", ["a.webp", "a.bmp", "a.gif", "a.tiff", "a.heic", "a", "a.png~", "more"])
def test_what_would_be_left_out_is_refused(tmp_path: Path, name: str) -> None:
    write_image_folder(tmp_path)
    place = tmp_path / "train/n01" / name
    place.mkdir() if name == "more" else place.write_bytes(b"an image")
    with pytest.raises(ValueError, match=rf"n01/{name} is no \.jpg, \.jpeg, \.png file: convert or remove it"):
        load("image_folder", tmp_path)


def test_hidden_names_and_notes_are_left_out(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    for split in ("train", "val"):
        for hidden in (".git", ".ipynb_checkpoints"):
            (tmp_path / split / hidden).mkdir()
            Image.new("RGB", (8, 8)).save(tmp_path / split / hidden / "a.png")
        for note in (".DS_Store", "n01/.DS_Store", "n01/.hidden.png", "README.md", "n01/labels.TXT", "n01/boxes.xml"):
            (tmp_path / split / note).write_text("note")
    photographs = load("image_folder", tmp_path)
    assert (photographs.label_names, len(photographs.train), len(photographs.test)) == (("n01", "n02"), 6, 2)


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling", "loop", "device"])
def test_only_files_are_images(tmp_path: Path, kind: str) -> None:
    write_image_folder(tmp_path)
    path = tmp_path / "val/n02/a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"dangling": "nothing", "loop": "a.png", "device": "/dev/zero"}[kind])
    found = {"dangling": "a link to nothing", "loop": "a link to nothing"}.get(kind, f"a {kind}")
    with pytest.raises(ValueError, match=rf"a\.png is {found}, expected a regular file"):
        load("image_folder", tmp_path)
    with pytest.raises(ValueError, match=rf"a\.png is {found}, expected a regular file"):
        read_image(path, 8)


def test_a_link_to_a_file_is_one(tmp_path: Path) -> None:
    write_image_folder(tmp_path)
    (tmp_path / "val/n02/a.png").symlink_to(tmp_path / "val/n01/0.JPEG")
    assert len(load("image_folder", tmp_path).test) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda train: (train / "n03").mkdir(), "n03 has no images: fill or remove it"),
        (lambda train: (train / "a.png").write_bytes(b""), r"a\.png is no folder of a class"),
        (lambda train: (train / "n\n3").mkdir(), r"train holds something with the name 'n\\n3': rename it"),
        (lambda train: (train / "n01/\033.png").touch(), r"n01 holds something with the name '\\x1b\.png': rename it"),
    ],
)
def test_a_split_holds_classes_alone(tmp_path: Path, change: Any, message: str) -> None:
    write_image_folder(tmp_path)
    change(tmp_path / "train")
    with pytest.raises(ValueError, match=message):
        load("image_folder", tmp_path)


def test_a_file_of_more_records_than_cifar_has_is_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    (tmp_path / "test_batch.bin.gz").write_bytes(bomb(b"", 3000))
    with limited_memory(), pytest.raises(ValueError, match="test_batch.bin.gz holds more than 30,730,000 bytes"):
        load("cifar10", tmp_path)
