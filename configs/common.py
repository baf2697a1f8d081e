"""What the configs share: the trainer's settings at their defaults."""

import dataclasses

import ml_collections

from equinet.train.settings import Settings


def base() -> ml_collections.ConfigDict:
    """Every setting at its default; a config changes some and adds its model."""
    return ml_collections.ConfigDict(dataclasses.asdict(Settings()))
