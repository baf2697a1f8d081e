"""NumPy's own files: `.npz` archives of unsigned bytes, and `.npy` files that hold a pickle."""

import io
import math
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from equinet.train.data.files import one_line, read_bytes
from equinet.train.data.pickled import elements, read_pickle

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENTRY, MOST_ENTRIES = b"PK\1\2", 100
"""What an entry of an archive's table begins with, and how many there may be."""


def read_npz(path: Path, names: Sequence[str], most: int) -> list[np.ndarray]:
    """The arrays of these names in an `.npz` archive, all of unsigned bytes and of at most `most` bytes each.

    Raises:
        ValueError: the file is no such archive, an array is missing, too large, or of another type.
    """
    raw = read_bytes(path, most)
    try:
        if raw.count(ENTRY) > MOST_ENTRIES:
            raise ValueError(f"it has more than {MOST_ENTRIES} entries")
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return [_read_member(archive, f"{name}.npy", most) for name in names]
    except Exception as error:  # zipfile says neither all that it raises nor raises it early
        raise ValueError(f"{path} has {len(raw)} bytes that are no npz archive: {one_line(error)}") from error


def read_npy_object(path: Path, most: int) -> Any:
    """The one object in an `.npy` file that NumPy pickled, as the tree that `read_pickle` gives.

    Raises:
        ValueError: it is no such file, or longer than `most` bytes.
    """
    raw = read_bytes(path, most)
    stream = io.BytesIO(raw)
    try:
        shape, _, dtype = _read_header(stream)
        if not dtype.hasobject or shape != ():
            raise ValueError(f"it holds an array of shape {shape} of {dtype}")
        (found,) = elements(read_pickle(stream))
        if stream.read(1):
            raise ValueError("it goes on after its end")
        return found
    except Exception as error:  # neither NumPy nor pickletools says all that it raises
        raise ValueError(
            f"{path} has {len(raw)} bytes that are no npy file with one dict: {one_line(error)}"
        ) from error


def _read_member(archive: zipfile.ZipFile, name: str, most: int) -> np.ndarray:
    if name not in archive.namelist():
        raise ValueError(f"it holds no {name}")
    entry = archive.getinfo(name)
    if entry.compress_type not in METHODS or entry.flag_bits & 1:
        raise ValueError(f"{name} is encrypted, or compressed in a way that NumPy does not write")
    with archive.open(entry) as stream:
        shape, fortran, dtype = _read_header(stream)
        expected = math.prod(shape)
        if dtype != np.uint8:
            raise ValueError(f"{name} holds {dtype}, expected unsigned bytes")
        if expected > most:
            raise ValueError(f"{name} says it has the shape {shape}, expected at most {most:,} bytes")
        content = stream.read(expected + 1)
    if len(content) != expected:
        found = len(content) if len(content) < expected else f"more than {expected}"
        raise ValueError(f"{name} holds {found} bytes, expected {expected} for shape {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"it has version {version} of the npy format, expected 1.0 or 2.0")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings(action="error"):  # a header that NumPy has to mend is none that it wrote
            shape, fortran, dtype = read(stream)
    except Exception as error:  # of its parser, of which NumPy says nothing
        raise ValueError("its header cannot be read") from error
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"it says it has the shape {str(shape)[:60]}")
    return shape, fortran, dtype
