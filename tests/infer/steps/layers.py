"""Steps that are equinet's own layers, run as plain JAX."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import equinet as eq
from tests.architectures import DRAWS
from tests.infer.steps.dice import Dice, Made, Value, like


def layer(dice: Dice, value: Value) -> Made | None:
    """A random layer or block with random weights; it may declare its symmetry."""
    if not value.is_map:
        return None
    net = DRAWS[dice.number(0, len(DRAWS) - 1)](dice.rng, value.shape[1:])
    try:
        if min(n or 1 for n in net.output_shape(value.shape[1:])[:-1]) < 1:
            return None
        shapes = jax.eval_shape(lambda key: net.init(key, value.shape[1:]), jax.random.key(0))
    except eq.LayerError:
        return None
    leaves, tree = jax.tree.flatten_with_path(shapes)
    weights = []
    for path, leaf in leaves:
        drawn = dice.normal(*leaf.shape, scale=1.5 / np.sqrt(max(np.prod(leaf.shape[:-1]), 1)))
        weights.append(np.abs(drawn) + 0.5 if "var" in jax.tree_util.keystr(path) else drawn)

    def fn(x: Any, *constants: Any) -> Any:
        return net.apply(jax.tree.unflatten(tree, [like(c, x) for c in constants]), x)

    return Made(f"layer {net}", fn, value.roles, tuple(weights))
