"""Data sets whose files are broken on purpose, from a seed; `python -m` runs a range of them, one line of JSON each.

A case takes valid files of one data set and harms one or two of them: their bytes, the bytes inside their gzip, zip or
PNG, what kind of thing stands at their name, or what lies beside them. What comes of it is a data set that keeps the
interface, or an error of our own.
"""

import gzip
import io
import json
import os
import pickle
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from equinet.train.data import DATASETS, Dataset, load
from tests.experiments.data.generated import WRITERS

SECONDS, MIB = 5, 2048
EDGES = (0, 1, 2, 127, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1)
PNG = b"\x89PNG\r\n\x1a\n"
Harm = Callable[[np.random.Generator, bytes], bytes]


class TookTooLong(BaseException):
    """Not an Exception, so that no reader takes it for its own."""


def flip_bits(rng: np.random.Generator, raw: bytes) -> bytes:
    broken = bytearray(raw)
    for place in rng.integers(0, max(len(raw), 1), rng.integers(1, 9)) if raw else ():
        broken[place] ^= 1 << rng.integers(8)
    return bytes(broken)


def flip_header(rng: np.random.Generator, raw: bytes) -> bytes:
    return flip_bits(rng, raw[:128]) + raw[128:]


def set_field(rng: np.random.Generator, raw: bytes) -> bytes:
    """A number of one, two or four bytes near the start becomes 0, 1 or the most that it can be."""
    size, order = int(rng.choice([1, 2, 4])), "big" if rng.random() < 0.5 else "little"
    place = rng.integers(0, max(min(len(raw), 400) - size, 1))
    value = int(rng.choice(EDGES)) % 256**size
    return raw[:place] + value.to_bytes(size, order) + raw[place + size :]


def cut(rng: np.random.Generator, raw: bytes) -> bytes:
    return raw[: rng.integers(0, max(len(raw), 1))]


def cut_a_little(rng: np.random.Generator, raw: bytes) -> bytes:
    return raw[: -int(rng.integers(1, 40))]


def extend(rng: np.random.Generator, raw: bytes) -> bytes:
    return raw + rng.bytes(int(rng.choice([1, 2, 100, 10_000])))


def lose_a_piece(rng: np.random.Generator, raw: bytes) -> bytes:
    start, length = rng.integers(0, max(len(raw), 1)), rng.choice([1, 2, 7, 400])
    return raw[:start] + raw[start + length :]


def double_a_piece(rng: np.random.Generator, raw: bytes) -> bytes:
    start, length = rng.integers(0, max(len(raw), 1)), rng.choice([1, 4, 100, 5000])
    return raw[: start + length] + raw[start:]


def empty(rng: np.random.Generator, raw: bytes) -> bytes:
    return b""


def noise(rng: np.random.Generator, raw: bytes) -> bytes:
    return rng.bytes(int(rng.choice([1, 4, 16, 400, 100_000])))


def zeros(rng: np.random.Generator, raw: bytes) -> bytes:
    return bytes(int(rng.choice([1, 16, 352, 3073, 100_000])))


def zip_again(rng: np.random.Generator, raw: bytes) -> bytes:
    return gzip.compress(raw, 1)


def strange_text(rng: np.random.Generator, raw: bytes) -> bytes:
    """A word of a text becomes one that is no plain number."""
    words = raw.replace(b"\n", b",").split(b",")
    strange = (
        b"nan",
        b"-inf",
        b"1e999",
        b"1e38",
        b"",
        b":",
        b"7",
        "１２".encode(),
        b"\xff\xfe",
        b"\0",
        b"0x1",
        b"@data\n",
    )
    return raw.replace(words[rng.integers(len(words))], strange[rng.integers(len(strange))], 1)


BYTES: tuple[Harm, ...] = (
    *(flip_bits, flip_header, set_field, set_field, cut, cut_a_little, extend, lose_a_piece, double_a_piece),
    *(empty, noise, zeros, zip_again, strange_text),
)


def harm_bytes(rng: np.random.Generator, raw: bytes) -> bytes:
    return BYTES[rng.integers(len(BYTES))](rng, raw)


def harm_inside(rng: np.random.Generator, raw: bytes) -> bytes:
    """The content of a container is harmed, and the container made anew around it, its check sums right."""
    if raw.startswith(b"\x1f\x8b"):
        return gzip.compress(harm_bytes(rng, gzip.decompress(raw)), 1)
    if raw.startswith(b"PK"):
        return harm_zip(rng, raw)
    if raw.startswith(PNG):
        return harm_png(rng, raw)
    if raw.startswith(b"\x93NUMPY"):
        return raw[:128] + harm_bytes(rng, raw[128:])
    return harm_bytes(rng, raw)


def harm_zip(rng: np.random.Generator, raw: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen, method = names[rng.integers(len(names))], int(rng.choice([0, 8, 12, 14]))
        for name in names:
            content = old.read(name)
            if name != chosen:
                new.writestr(name, content)
            elif rng.random() < 0.3:
                new.writestr(name, strange_array(rng))
            else:
                new.writestr(name, harm_bytes(rng, content), method)
    return made.getvalue()


def strange_array(rng: np.random.Generator) -> bytes:
    """An `.npy` file of another type or shape, or that claims to be huge."""
    made = io.BytesIO()
    kinds: list[Any] = [np.int64, np.float32, np.float64, bool, "U3", "datetime64[s]", [("a", "i4")], np.uint8]
    shape = tuple(int(each) for each in rng.integers(0, 12, rng.integers(0, 4)))
    array = np.zeros(shape, kinds[rng.integers(len(kinds))])
    if array.dtype.kind == "f":
        array[...] = rng.choice([np.nan, np.inf, 0.7, 200.0])
    np.save(made, array)
    raw = made.getvalue()
    if rng.random() < 0.4:
        huge = str(rng.choice(["(1000000, 1000000)", "(99999999999,)", "(-1,)", "(1.5,)", "(True,)", "(" * 200, "0"]))
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {huge}, }}".ljust(117) + "\n"
        raw = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + raw[-20:]
    return raw


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def harm_png(rng: np.random.Generator, raw: bytes) -> bytes:
    chunks, position = [], len(PNG)
    while position < len(raw):
        length, kind = struct.unpack_from(">I4s", raw, position)
        chunks.append([kind, raw[position + 8 : position + 8 + length]])
        position += 12 + length
    chosen = chunks[rng.integers(len(chunks))]
    what = rng.integers(5)
    if what == 0:
        chosen[1] = harm_bytes(rng, chosen[1])
    elif what == 1:
        chunks[0][1] = set_field(rng, chunks[0][1])
    elif what == 2:
        chosen[0] = [b"IDAT", b"acTL", b"tRNS", b"eXIf", b"PLTE", b"IHDR", b"zTXt", b"ABCD"][rng.integers(8)]
    elif what == 3:
        chunks.insert(int(rng.integers(len(chunks) + 1)), list(chunks[rng.integers(len(chunks))]))
    else:
        for chunk in chunks:
            if chunk[0] == b"IDAT":
                inside = zlib.decompressobj()
                chunk[1] = zlib.compress(harm_bytes(rng, inside.decompress(chunk[1])))
    return PNG + b"".join(png_chunk(kind, data) for kind, data in chunks)


def bomb(head: bytes, mebibytes: int) -> bytes:
    """A gzip stream of `head` and zeros; a thousandth of what it becomes."""
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + first + again * mebibytes


def write_bomb(rng: np.random.Generator, path: Path) -> None:
    """A file of a few megabytes that becomes three gigabytes, after the start of the one that it replaces."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    head = content[: int(rng.choice([0, 4, 16, 352]))]
    if content[:3] == b"\0\0\x08":
        count = int(rng.choice([2**31, 550_000, 10]))
        head = struct.pack(">BBBB3I", 0, 0, 8, 3, count, 32, 32)
    path.unlink()
    zipped = path if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    zipped.write_bytes(bomb(head, 3000))


@contextmanager
def limited_memory(mebibytes: int = 512) -> Iterator[None]:
    """No more than this may be allocated beside what is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + mebibytes * 2**20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def replace_name(rng: np.random.Generator, path: Path) -> str:
    """Something else than a regular file stands at the name of one; or nothing."""
    other = [each for each in sorted(path.parent.iterdir()) if each != path]
    path.unlink()
    what = ["pipe", "folder", "dangling", "loop", "zero", "null", "socket", "missing", "other", "sparse"][
        rng.integers(10)
    ]
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "dangling":
        path.symlink_to(path.parent / "nothing")
    elif what == "loop":
        path.symlink_to(path)
    elif what in ("zero", "null"):
        path.symlink_to(f"/dev/{what}")
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            here = os.getcwd()
            os.chdir(path.parent)
            made.bind(path.name)
            os.chdir(here)
    elif what == "other" and other:
        path.symlink_to(other[rng.integers(len(other))])
    elif what == "sparse":
        with path.open("wb") as file:
            file.truncate(10**12)
    return what


def operations() -> tuple[bytes, ...]:
    """Of pickles of arrays, and others; each kind about as often as the next."""
    names = [b"numpy\nndarray", b"numpy\ndtype", b"_codecs\nencode", b"numpy.core.multiarray\n_reconstruct"]
    names += [b"numpy._core.multiarray\nscalar", b"os\nsystem", b"builtins\ngetattr", b"copyreg\n_reconstructor"]
    words = [b"f8", b"O8", b"V8", b"O", b"latin1", b"<", b"|", b"x" * 8, b"\xc3\xbf" * 8, b"X", b"y", b"subject"]
    return (
        *(b"c" + name + b"\n" for name in names[:4] * 3 + names[4:]),
        *(b"X" + struct.pack("<I", len(word)) + word for word in words),
        *(b"C" + bytes([len(word)]) + word for word in words[:8]),
        *(b"K" + bytes([number]) for number in (0, 1, 3, 8, 63, 255)),
        *(code + bytes([number]) for code in (b"q", b"h") for number in range(4)),
        *(b"r" + struct.pack("<I", number) for number in (5, 2**32 - 1)),
        *(8 * (b"R", b"b", b"(", b"t", b")", b"\x85", b"\x86", b"\x87", b"]", b"a", b"e", b"}", b"s", b"u")),
        *(4 * (b"N", b"\x88", b"\x89", b"\x94", b"J\xff\xff\xff\xff")),
        *(b"\x81", b"\x93", b"o", b"\x92", b"2", b"0", b"1"),
        *(b"\x8e" + struct.pack("<Q", 2**60), b"\x96" + struct.pack("<Q", 2**40)),
    )


OPERATIONS = operations()


def random_pickle(rng: np.random.Generator) -> bytes:
    """Operations in a random order, with the names that pickles of arrays may use among others."""
    start = b"\x80\x04" if rng.random() < 0.5 else b""
    chosen = rng.integers(len(OPERATIONS), size=rng.integers(3, 60))
    return start + b"".join(OPERATIONS[each] for each in chosen) + b"."


def harm_pickle(rng: np.random.Generator, path: Path) -> None:
    raw = path.read_bytes()
    what = rng.integers(3)
    if what == 0:
        path.write_bytes(raw[:128] + random_pickle(rng))
    elif what == 1:
        place = int(rng.integers(128, len(raw)))
        path.write_bytes(raw[:place] + random_pickle(rng)[2:-1] + raw[place:])
    else:
        data = np.load(path, allow_pickle=True).item()
        key = list(data)[rng.integers(len(data))]
        odd: list[Any] = [None, 7, "text", [], {}, np.zeros(0), np.zeros((3, 3)), np.full(10, np.nan), [np.nan] * 10]
        odd += [[data] * 10, np.full(10, 2**62), np.array([object()] * 10), [np.full((200, 6), np.nan)] * 10]
        odd += [[np.zeros((200, 6))] * 10, [np.full((200, 6), 1e300)] * 10, [np.zeros((200, 6), "c16")] * 10]
        data[key] = odd[rng.integers(len(odd))]
        np.save(path, np.array(data, object), allow_pickle=True)


def write_images(rng: np.random.Generator, folder: Path) -> None:
    """Images of every kind that is read, beside those that are there."""
    place = folder / "train" / "n01"
    pixels = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    image = Image.fromarray(pixels, "RGBA")
    for mode in ("L", "1", "P", "RGB", "RGBA", "LA"):
        image.convert(mode).save(place / f"a{mode}.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(place / "aI.png")
    exif = Image.Exif()
    exif[0x0112] = int(rng.integers(1, 9))
    exif[0x011A] = 72.0
    for mode in ("L", "RGB", "CMYK"):
        image.convert("RGB").convert(mode).save(place / f"a{mode}.jpg", exif=exif, progressive=bool(rng.integers(2)))


def harm_folder(rng: np.random.Generator, folder: Path) -> str:
    """What lies beside the images is strange."""
    place = folder / "train"
    what = ["hidden", "nested", "webp", "gif", "stray", "empty", "unprintable", "tiff", "animated", "escape"][
        rng.integers(10)
    ]
    image = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    if what == "hidden":
        (place / ".git").mkdir()
        image.save(place / ".git" / "a.png")
    elif what == "nested":
        (place / "n01" / "more").mkdir()
    elif what in ("webp", "gif"):
        image.save(place / "n01" / f"a.{what}")
    elif what == "stray":
        image.save(place / "a.png")
    elif what == "empty":
        (place / "n03").mkdir()
    elif what == "unprintable":
        (place / "n\n4").mkdir()
        image.save(place / "n\n4" / "a.png")
    elif what == "tiff":
        Image.fromarray(rng.random((20, 30), np.float32)).save(place / "n01" / "a.png", "TIFF")
    elif what == "animated":
        image.save(place / "n01" / "a.png", save_all=True, append_images=[image.rotate(90)])
    elif rng.random() < 0.5:
        image.save(place / "n01" / "\033[2J.png")
    else:
        (place / os.fsdecode(b"n\xff")).mkdir()
        image.save(place / os.fsdecode(b"n\xff") / "a.png")
    return what


def write_case(folder: Path, number: int, seed: int) -> tuple[str, str]:
    """Write the files of a case; the name of its data set, and what was done to it."""
    rng = np.random.default_rng((seed, number))
    names = sorted(DATASETS)
    name = names[number % len(names)]
    WRITERS[name](folder)
    if name == "image_folder":
        write_images(rng, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if name != "image_folder":
        for path in files:
            if path.suffix != ".gz" and rng.random() < 0.3:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 1))
                path.unlink()
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    chance = rng.random()
    if name == "image_folder" and chance < 0.25:
        return name, harm_folder(rng, folder)
    if name == "seglearn_watch" and path.suffix == ".npy" and chance < 0.6:
        harm_pickle(rng, path)
        return name, f"pickle {path.name}"
    if chance < 0.1:
        return name, f"{replace_name(rng, path)} {path.name}"
    if chance < 0.16:
        write_bomb(rng, path)
        return name, f"bomb {path.name}"
    if chance < 0.22:
        other = files[rng.integers(len(files))]
        shutil.copy(other, path) if other != path else path.rename(path.with_suffix(".gz"))
        return name, f"{path.name} is {other.name}"
    if chance < 0.26:
        path.write_bytes(foreign(rng))
        return name, f"{path.name} of another format"
    harm = harm_inside if chance < 0.7 else harm_bytes
    path.write_bytes(harm(rng, path.read_bytes()))
    return name, f"{harm.__name__} {path.name}"


def foreign(rng: np.random.Generator) -> bytes:
    """A valid file of another format."""
    made = io.BytesIO()
    what = rng.integers(5)
    if what == 0:
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("a.txt", "text")
    elif what == 1:
        np.save(made, np.arange(10))
    elif what == 2:
        Image.new("RGB", (9, 9)).save(made, "BMP")
    elif what == 3:
        made.write(pickle.dumps({"X": [1, 2]}))
    else:
        made.write(b"<html><body>404 Not Found</body></html>")
    return made.getvalue()


def fault(dataset: Dataset) -> str:
    """What a data set breaks of its interface; empty where it keeps it."""
    for split in (dataset.train, dataset.test):
        few = split.take(40)
        inputs, targets = few.arrays()
        spatial = dataset.shape[:-1] if dataset.task == "segmentation" else ()
        if (inputs.shape, inputs.dtype) != ((len(few), *dataset.shape), np.float32):
            return f"inputs {inputs.shape} {inputs.dtype}"
        if (targets.shape, targets.dtype) != ((len(few), *spatial), np.int32):
            return f"targets {targets.shape} {targets.dtype}"
        if not np.isfinite(inputs).all() or not 0 <= targets.min() <= targets.max() < dataset.classes:
            return "values"
        last = split[len(split) - 1]
        if last["input"].shape != dataset.shape or not np.isfinite(last["input"]).all():
            return "the last example"
    return ""


def outcome(name: str, folder: Path, read: Callable[[str, Path], Dataset] = load, seconds: int = SECONDS) -> str:
    """`read`, `refused: …`, or `FAULT: …`."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = outcome_of(name, folder, read, seconds)
    return f"FAULT: warns {warned[0].message}" if warned else found


def outcome_of(name: str, folder: Path, read: Callable[[str, Path], Dataset], seconds: int) -> str:
    try:
        with at_most(seconds):
            broken = fault(read(name, folder))
        return f"FAULT: {broken}" if broken else "read"
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        named = str(folder) in text or text.startswith(f"{name}, ")
        ours = type(error) in (ValueError, FileNotFoundError) and named and text.isprintable() and len(text) < 1000
        memory = "allocate" in text or "MemoryError" in text
        return f"refused: {text}" if ours and not memory else f"FAULT: {type(error).__name__} {text}"
    except TookTooLong:
        return f"FAULT: more than {seconds} s of CPU or {10 * seconds} s"
    except BaseException:
        return f"FAULT: {traceback.format_exc()}"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Of CPU, so that others on the machine do not count; and ten times as long by the clock, for what waits."""

    def stop(*_: object) -> None:
        raise TookTooLong

    for kind in (signal.SIGVTALRM, signal.SIGALRM):
        signal.signal(kind, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def peak_mib() -> int:
    """The most memory that this program has held. `getrusage` would count in what the process that started it held."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024


def main(seed: int, first: int, count: int) -> None:
    """Run the cases, each in a folder of its own; a line of JSON says what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (3 * MIB * 2**20,) * 2)
    for number in range(first, first + count):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            name, harm = write_case(folder, number, seed)
            start, size = time.process_time(), (None, None, 16, 40)[number % 4]
            found = outcome(name, folder, partial(load, size=size))
        spent = round(time.process_time() - start, 3)
        row = {"number": number, "name": name, "harm": harm, "outcome": found, "seconds": spent, "mib": peak_mib()}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
