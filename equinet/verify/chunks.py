"""How many elements a compiled step takes."""

from __future__ import annotations

from collections.abc import Sequence

import jax

EXAMPLES = {"cpu": 32}
"""Examples in a chunk of large inputs, where the chunk is chosen here; more do not run faster on a CPU."""

MANY = 256
"""The same on an accelerator."""

SMALL = 1 << 15
"""Entries up to which a chunk of small inputs grows."""

STARTING = 4
"""Elements that take as long as it takes to start a chunk, about."""


def default_chunk(jobs: int, batch: int, entries: int) -> int:
    """Elements per step: all of few, 64 at most (256 on an accelerator), fewer with many examples or entries.

    Args:
        jobs: elements to measure.
        batch: examples of each.
        entries: of the inputs of each.

    >>> default_chunk(5, 2, 128), default_chunk(5000, 2, 128), default_chunk(5000, 2, 2 * 32 * 32 * 3)
    (8, 64, 16)
    """
    examples = EXAMPLES.get(jax.default_backend(), MANY)
    room = max(1, examples // batch, min(64, SMALL // entries))
    return min(1 << (jobs - 1).bit_length(), 1 << (room.bit_length() - 1))


def fitting_chunk(runs: Sequence[int], most: int) -> int:
    """Elements per step for several runs of few: what the last chunk of a run lacks is evaluated all the same.

    The power of two c that takes least, with `c + STARTING` for each chunk.

    Args:
        runs: how many elements each run measures.
        most: the largest chunk.

    >>> fitting_chunk([1, 4, 16, 63], 32), fitting_chunk([1024], 32)
    (16, 32)
    """

    def taken(chunk: int) -> int:
        return sum(-(-run // chunk) * (chunk + STARTING) for run in runs)

    return min((1 << k for k in reversed(range(most.bit_length()))), key=taken)
