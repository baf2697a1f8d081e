"""Image files, JPEG and PNG, as bytes.

Pillow decodes the pixels. It gets only the parts of a file that hold them, in a size that the memory can take, since it
warns of metadata, reads a PNG whose data end early as if it were whole, and takes images that fill the memory.
"""

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from equinet.train.data.files import one_line, read_bytes

MOST_BYTES, MOST_PIXELS = 2**26, 50_000_000
"""Of a file, and of its image."""
MOST_PASSES = 20
"""Over a progressive JPEG of the most pixels; smaller ones may have more."""
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
START_OF_SCAN, EXIF, JFIF, ADOBE, COMMENT = 0xDA, 0xE1, 0xE0, 0xEE, 0xFE
PNG_PARTS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
MOST_CHUNKS = 2**16
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced PNG: the first column and row, and the steps between columns and between rows."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""
ORIENTATION, SHORT = 0x0112, 3


def read_image(path: Path, side: int) -> np.ndarray:
    """The centre of an image file as bytes `[side, side, 3]`: a square of 7/8 of the shorter side, resized.

    So the shorter side becomes 8/7 of `side`, 256 for 224, by bilinear interpolation. What the content is decides, not
    the ending of the name.

    - Grey values, palettes and CMYK (inverted, as Adobe writes it) become RGB; colour profiles are not applied.
    - Of 16 bits a channel the upper eight count.
    - The EXIF orientation is applied: an image lies as a viewer shows it.
    - A PNG that is transparent anywhere is refused, since its background is not in the file; so is an animated one.
    - Of a JPEG with several pictures (MPO), the first counts.
    - A PNG that was damaged or cut short is refused. A JPEG has no check sum: it is refused where it was cut short, but
      a flipped bit may change its pixels unnoticed.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: the file is no JPEG and no PNG, is refused as above, or has more than 50 million pixels.
    """
    raw = read_bytes(path, MOST_BYTES)
    try:
        if raw.startswith(PNG):
            image, orientation = _open_png(raw)
        elif raw.startswith(JPEG):
            image, orientation = _open_jpeg(raw)
        else:
            raise ValueError(f"it is no JPEG and no PNG: it starts with {raw[:8]!r}")
        edge = min(image.size) * 7 / 8
        left, top = ((length - edge) / 2 for length in image.size)
        box = (left, top, left + edge, top + edge)
        square = _to_rgb(image).resize((side, side), Image.Resampling.BILINEAR, box)
        return np.asarray(square.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else square)
    except Exception as error:  # Pillow does not say all that it raises
        raise ValueError(f"{path} ({len(raw)} bytes) cannot be read as an image: {one_line(error)}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I;16":
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        if lowest != 255:
            raise ValueError("it is transparent in places: put it on a background")
    return image.convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(f"it has {width} × {height} pixels, expected at most {MOST_PIXELS:,}")


def _open_jpeg(raw: bytes) -> tuple[Image.Image, int]:
    """The image, not decoded yet, and its EXIF orientation."""
    kept, orientation, position = [raw[:2]], 1, 2
    while (marker := int.from_bytes(raw[position + 1 : position + 2])) != START_OF_SCAN:
        if position + 4 > len(raw):
            raise ValueError("it is cut short")
        if raw[position] != 0xFF or marker in (0x00, 0xD9):
            raise ValueError(f"it is damaged at byte {position}")
        if marker == 0xFF:  # padding
            position += 1
            continue
        (length,) = struct.unpack_from(">H", raw, position + 2)
        part = raw[position : position + 2 + length]
        if marker == EXIF and part[4:10] == b"Exif\0\0":
            orientation = _orientation(part[10:])
        if marker in (JFIF, ADOBE) or marker not in (*range(0xE0, 0xF0), COMMENT):
            kept.append(part)
        position += 2 + length
    image = JpegImageFile(BytesIO(b"".join([*kept, raw[position:]])))
    _check_size(*image.size)
    passes = raw.count(bytes([0xFF, START_OF_SCAN]))
    if passes * image.width * image.height > MOST_PASSES * MOST_PIXELS:
        raise ValueError(f"it takes {passes} passes over {image.width} × {image.height} pixels")
    return image, orientation


def _open_png(raw: bytes) -> tuple[Image.Image, int]:
    """The image, not decoded yet, and its EXIF orientation."""
    chunks = list(_png_chunks(raw))
    kinds = [kind for kind, _, _ in chunks]
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1 or kinds[-1] != b"IEND":
        raise ValueError("it is cut short, or its header does not come first")
    if b"acTL" in kinds:
        raise ValueError("it is animated")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if width == 0 or height == 0 or depth not in (1, 2, 4, 8, 16) or colour not in PNG_CHANNELS:
        raise ValueError(f"it has {width} × {height} pixels of {depth} bits and colour type {colour}")
    _check_size(width, height)
    if b"tRNS" in kinds and colour != PALETTE:
        raise ValueError("one of its colours is transparent: put it on a background")
    bits, expected = depth * PNG_CHANNELS[colour], 0
    for x, y, right, down in PNG_PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-max(width - x, 0) // right), -(-max(height - y, 0) // down)
        expected += rows * (1 + -(-columns * bits // 8)) if columns else 0
    found = _inflated((data for kind, data, _ in chunks if kind == b"IDAT"), expected)
    if found < expected:
        raise ValueError(f"it is cut short: its data are {found} bytes, expected {expected}")
    orientation = next((_orientation(data) for kind, data, _ in chunks if kind == b"eXIf"), 1)
    image = PngImageFile(BytesIO(PNG + b"".join(whole for kind, _, whole in chunks if kind in PNG_PARTS)))
    if colour == PALETTE:
        colours = sum(len(data) for kind, data, _ in chunks if kind == b"PLTE") // 3
        image.load()
        if int(np.asarray(image).max()) >= colours:
            raise ValueError(f"it names colour {np.asarray(image).max()} of a palette of {colours}")
    return image, orientation


def _png_chunks(raw: bytes) -> Iterable[tuple[bytes, bytes, bytes]]:
    """The kind and the data of each chunk, and the chunk as a whole."""
    position, kind = len(PNG), b""
    for _ in range(MOST_CHUNKS):
        if kind == b"IEND":
            return
        if len(raw) < position + 12:
            raise ValueError("it is cut short")
        length, kind = struct.unpack_from(">I4s", raw, position)
        whole = raw[position : position + 12 + length]
        if len(whole) < 12 + length:
            raise ValueError("it is cut short")
        if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
            raise ValueError(f"it is damaged between bytes {position} and {position + len(whole)}")
        yield kind, whole[8:-4], whole
        position += len(whole)
    raise ValueError(f"it has more than {MOST_CHUNKS} chunks")


def _inflated(parts: Iterable[bytes], most: int) -> int:
    """How many bytes the parts of a zlib stream hold, counted up to `most` without keeping them."""
    stream, count, piece = zlib.decompressobj(), 0, 2**20
    for part in parts:
        while count < most:
            found = len(stream.decompress(part, piece))
            count, part = count + found, stream.unconsumed_tail
            if found < piece and not part:
                break
    return min(count, most)


def _orientation(exif: bytes) -> int:
    """The orientation in EXIF data; 1, upright, where they hold none that can be read, as in every viewer."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for position in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, position)
            if (tag, kind) == (ORIENTATION, SHORT):
                return value
    except struct.error:
        pass
    return 1
