"""Batches in an order that depends on the seed alone, so that training can go on from any step."""

from collections.abc import Iterator

import grain
import jax
import numpy as np

from experiments.data import Examples
from experiments.devices import Layout


def batches(
    examples: Examples, batch: int, seed: int, start: int, steps: int, layout: Layout
) -> Iterator[tuple[jax.Array, jax.Array]]:
    """Inputs and targets of steps `start + 1` to `steps`, split over the devices.

    The examples of a row of passes, each in an order of its own, are dealt out to the processes in turn, so
    that a batch holds the same examples on any number of them.
    """
    passes = -(-steps * batch // len(examples)) + 1
    order = grain.MapDataset.range(len(examples)).seed(seed).shuffle().repeat(passes)
    mine = order[jax.process_index() :: jax.process_count()].map(examples.__getitem__).batch(layout.share(batch))
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
    for row in mine[start:steps].to_iter_dataset(reading):
        yield layout.scatter((np.asarray(row["input"]), np.asarray(row["target"])))
