"""The IDX format of MNIST and its relatives: a big-endian header, then unsigned bytes."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from experiments.data.files import read_bytes

UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, gzipped when its name ends in `.gz`.

    The header is two zero bytes, the type code, the number of axes, then each size as a big-endian 32-bit integer.

    Raises:
        ValueError: not IDX, another type than unsigned bytes, or a body that is not as long as the header says.
    """
    raw = read_bytes(path)
    if len(raw) < 4 or raw[:2] != b"\0\0":
        raise ValueError(f"{path} is not an IDX file: it starts with {raw[:4]!r}, expected two zero bytes")
    kind, axes = raw[2], raw[3]
    if kind != UNSIGNED_BYTE:
        raise ValueError(f"{path} holds IDX type {kind:#04x}, expected unsigned bytes ({UNSIGNED_BYTE:#04x})")
    start = 4 + 4 * axes
    if len(raw) < start:
        raise ValueError(f"{path} is cut short: {len(raw)} bytes, its header alone takes {start}")
    shape = struct.unpack(f">{axes}I", raw[4:start])
    if len(raw) - start != math.prod(shape):
        raise ValueError(f"{path} has {len(raw) - start} bytes of data, expected {math.prod(shape)} for shape {shape}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as IDX, gzipped when the name ends in `.gz`."""
    if array.dtype != np.uint8:
        raise ValueError(f"IDX files here hold unsigned bytes, got {array.dtype}")
    raw = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
