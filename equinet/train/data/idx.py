"""The IDX format of MNIST and its relatives: a big-endian header, then unsigned bytes."""

import math
import struct
from pathlib import Path

import numpy as np

from equinet.train.data.files import LARGEST, read_start

UNSIGNED_BYTE = 0x08
MOST_AXES = 4


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, gzipped when its name ends in `.gz`.

    The header is two zero bytes, the type code, the number of axes, then each size as a big-endian 32-bit integer.

    Raises:
        ValueError: not IDX, another type than unsigned bytes, more than four axes or 600 million bytes, or a body that
            is not as long as the header says.
    """
    head = read_start(path, 4 + 4 * MOST_AXES)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise ValueError(f"{path} is not an IDX file: it starts with {head[:4]!r}, expected two zero bytes")
    kind, axes = head[2], head[3]
    if kind != UNSIGNED_BYTE:
        raise ValueError(f"{path} holds IDX type {kind:#04x}, expected unsigned bytes ({UNSIGNED_BYTE:#04x})")
    if not 1 <= axes <= MOST_AXES:
        raise ValueError(f"{path} holds an array of {axes} axes, expected 1 to {MOST_AXES}")
    start = 4 + 4 * axes
    if len(head) < start:
        raise ValueError(f"{path} is cut short: {len(head)} bytes, its header alone takes {start}")
    shape = struct.unpack(f">{axes}I", head[4:start])
    expected = math.prod(shape)
    if expected > LARGEST:
        raise ValueError(f"{path} says it has the shape {shape}, {expected:,} bytes, expected at most {LARGEST:,}")
    raw = read_start(path, start + expected + 1)
    if len(raw) != start + expected:
        found = len(raw) - start if len(raw) < start + expected else f"more than {expected}"
        raise ValueError(f"{path} has {found} bytes of data, expected {expected} for shape {shape}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
