"""Random weights for a measurement, without compiling a random generator for the shape of every kernel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.layers import Layer
from equinet.layers.base import Variables


def random_variables(net: Layer, shape: Sequence[Any], seed: int) -> Variables:
    """Variables of the shapes that `net.init` gives, its vectors and state as initialised, all kernels normal.

    Args:
        net: any layer.
        shape: `(*spatial, channels)` of the input.
        seed: of the kernels, each of variance 2 / fan-in.

    >>> from equinet.layers import Conv
    >>> random_variables(Conv(2, 3), (8, 8, 1), 0)["params"]["kernel"].shape
    (3, 3, 1, 2)
    """
    size = tuple(shape)
    key = jax.random.key(0)
    like = jax.eval_shape(lambda key: net.init(key, size), key)
    generator = np.random.default_rng(seed)

    def initial(key: jax.Array) -> Variables:
        variables = net.init(key, size)
        return {
            "params": jax.tree.map(lambda leaf: leaf if leaf.ndim < 2 else jnp.zeros(()), variables["params"]),
            "state": variables["state"],
        }

    def drawn(shaped: jax.ShapeDtypeStruct, given: jax.Array) -> jax.Array:
        if len(shaped.shape) < 2:
            return given
        spread = (2.0 / max(prod(shaped.shape[:-1]), 1)) ** 0.5
        return jnp.asarray(spread * generator.standard_normal(shaped.shape), shaped.dtype)

    variables = jax.jit(initial)(key)
    return {"params": jax.tree.map(drawn, like["params"], variables["params"]), "state": variables["state"]}
