"""Runs of a study that differ from a network's config in their seed alone."""

from collections.abc import Callable, Iterable, Iterator

import ml_collections

Run = tuple[str, ml_collections.ConfigDict]
"""The name of a run, and its config."""


def seeded(
    networks: Iterable[tuple[str, int]], get_config: Callable[[str], ml_collections.ConfigDict]
) -> Iterator[Run]:
    """A run called NETWORK-SEED of each network and seed, in their order."""
    for network, seed in networks:
        config = get_config(network)
        config.seed = seed
        yield f"{network}-{seed}", config
