"""Batches in an order that depends on the seed alone, so that training can go on from any step."""

from collections.abc import Iterator

import grain
import jax
import numpy as np

from equinet.train.data import Examples
from equinet.train.devices import Layout


def batches(
    examples: Examples, batch: int, seed: int, start: int, steps: int, layout: Layout
) -> Iterator[tuple[jax.Array, jax.Array]]:
    """Inputs and targets of steps `start + 1` to `steps`, split over the devices.

    A batch holds the same examples in the same order on any number of devices and processes, since what is drawn at
    random for an example (augmentation, dropout) goes by its place. Every process reads its own part, one block.
    """
    passes = -(-steps * batch // len(examples)) + 1
    mine = layout.share(batch)
    first = jax.process_index() * mine

    def read(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = [examples[place] for place in places[first : first + mine]]
        return np.stack([row["input"] for row in rows]), np.stack([row["target"] for row in rows])

    order = grain.MapDataset.range(len(examples)).seed(seed).shuffle().repeat(passes).batch(batch).map(read)
    for row in order[start:steps].to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)):
        yield layout.scatter(row)
