"""Three-dimensional data: the head of Colin27 with the mask of its brain, from NIfTI files."""

import math
import struct
from pathlib import Path

import numpy as np

from equinet.train.data.examples import Dataset, InMemory
from equinet.train.data.files import find_files, read_start

VOLUME_FILES = ("ch2.nii", "ch2bet.nii")
VOLUME_LABELS = ("outside", "brain")
BLOCK, TRAIN_STEP, FACTOR = 32, 8, 2
HEADER, UNSIGNED_BYTE, LARGEST_SIDE = 348, 2, 256
LARGEST_OFFSET = 2**20
"""Bytes before the data: extensions of the header may stand there."""


def load_colin(name: str, folder: Path, size: int | None) -> Dataset:
    """Blocks `[32, 32, 32, 1]` of a head at 2 mm, and which of their voxels are brain.

    The head is the average of 27 scans of one person, 181 × 217 × 181 voxels of 1 mm. It is cut at the plane between
    the hemispheres (left out), averaged over 2 × 2 × 2 voxels, and filled up with background, away from the cut, until
    blocks tile it. A voxel is brain if half of what it averages is. The axes of a block run towards top, front and
    right, so that reversing the last one exchanges the hemispheres.

    Training blocks start every 8 voxels of the left half (585), test blocks tile the right half (24), so that counts
    over the test split are counts over the hemisphere. One person, reflected: this tests whether a network carries what
    it learned over to the mirror image, not whether it generalises to other heads.
    """
    head, brain = find_files(folder, VOLUME_FILES)
    intensity, mask = read_nifti(head), read_nifti(brain) > 0
    if intensity.shape != mask.shape:
        raise ValueError(f"{brain} has shape {mask.shape}, expected {intensity.shape} as in {head}")
    if len(intensity) < 2 * FACTOR or min(intensity.shape) < FACTOR:
        raise ValueError(f"{head} has shape {intensity.shape}, expected 4 × 2 × 2 voxels or more")
    half = len(intensity) // 2
    splits = []
    for side, outer, step in ((slice(half), 0, TRAIN_STEP), (slice(-half, None), 1, BLOCK)):
        inputs = _blocks(np.rint(downsample(intensity[side])).astype(np.uint8), outer, step)
        targets = _blocks((downsample(mask[side]) >= 0.5).astype(np.uint8), outer, step)
        splits.append(InMemory(inputs[..., None], targets, size))
    return Dataset.of(name, "segmentation", splits, VOLUME_LABELS)


def downsample(volume: np.ndarray) -> np.ndarray:
    """The mean of every 2 × 2 × 2 voxels, float32; an odd last layer is left out."""
    x, y, z = (length // FACTOR for length in volume.shape)
    cells = volume[: x * FACTOR, : y * FACTOR, : z * FACTOR].astype(np.float32)
    return cells.reshape(x, FACTOR, y, FACTOR, z, FACTOR).mean(axis=(1, 3, 5))


def read_nifti(path: Path) -> np.ndarray:
    """The volume `[x, y, z]` of unsigned bytes in a NIfTI-1 file, gzipped when its name ends in `.gz`.

    Raises:
        ValueError: not NIfTI-1, no three axes of at most 256 voxels, another type than unsigned bytes, values that are
            scaled, data inside the header, or a body that is not as long as the header says.
    """
    raw = read_start(path, HEADER + 4)
    if len(raw) < HEADER + 4:
        raise ValueError(f"{path} is cut short: {len(raw)} bytes, a NIfTI header alone takes {HEADER + 4}")
    (length,), magic = struct.unpack_from("<i", raw), raw[344:348]
    if length != HEADER or magic != b"n+1\0":
        raise ValueError(f"{path} is not a NIfTI-1 file: size {length} and magic {magic!r}, expected 348 and b'n+1\\0'")
    axes, *sizes = struct.unpack_from("<8h", raw, 40)
    shape = tuple(sizes[:3])
    if not 3 <= axes <= 7 or min(shape) < 1 or any(count > 1 for count in sizes[3:axes]):
        raise ValueError(f"{path} holds a volume of shape {tuple(sizes[: max(axes, 0)])}, expected three axes")
    if max(shape) > LARGEST_SIDE:
        raise ValueError(
            f"{path} holds a volume of shape {shape}, expected at most {LARGEST_SIDE} voxels along an axis"
        )
    (kind,) = struct.unpack_from("<h", raw, 70)
    offset, slope, intercept = struct.unpack_from("<3f", raw, 108)
    if kind != UNSIGNED_BYTE or slope not in (0.0, 1.0) or intercept != 0.0:
        raise ValueError(
            f"{path} holds NIfTI type {kind} scaled by {slope} and {intercept}, "
            f"expected unsigned bytes ({UNSIGNED_BYTE}) as they are"
        )
    if not HEADER + 4 <= offset <= LARGEST_OFFSET or offset % 1:
        raise ValueError(f"{path} says that its data start at byte {offset:g}, expected {HEADER + 4} or a few more")
    start, expected = int(offset), math.prod(shape)
    raw = read_start(path, start + expected + 1)
    if len(raw) != start + expected:
        found = max(len(raw) - start, 0) if len(raw) < start + expected else f"more than {expected}"
        raise ValueError(f"{path} has {found} bytes of data, expected {expected} for shape {shape}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape, order="F")


def _blocks(half: np.ndarray, outer: int, step: int) -> np.ndarray:
    """Blocks `[n, 32, 32, 32]`, the first axis of `half` last, filled up at its start (`outer` = 0) or its end (1)."""
    missing = [-length % BLOCK for length in half.shape]
    across = (0, missing[0]) if outer else (missing[0], 0)
    filled = np.pad(half, (across, (0, missing[1]), (0, missing[2])))
    windows = np.lib.stride_tricks.sliding_window_view(filled, (BLOCK,) * 3)
    return windows[::step, ::step, ::step].reshape(-1, BLOCK, BLOCK, BLOCK).swapaxes(1, 3)
