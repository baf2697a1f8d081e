"""What a network costs: its parameters, and the multiply–adds of an image."""

import math
from collections.abc import Sequence
from typing import Any

import jax

import equinet as eq


def parameters(net: eq.Layer, shape: Sequence[int]) -> int:
    """How many numbers are learned, for inputs `[*spatial, channels]`."""
    params = jax.eval_shape(lambda: net.init(0, shape))["params"]
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def multiply_adds(net: eq.Layer, shape: Sequence[int]) -> int:
    """Multiply–adds of the convolutions and dense layers of a stack, for one input `[*spatial, channels]`.

    A layer with a kernel of k numbers that is applied at m nodes takes k · m.

    >>> multiply_adds(eq.Sequential(eq.Conv(8, 3, padding="circular"), eq.MaxPool(2), eq.Conv(4, 1)), (6, 6, 2))
    5472
    """
    variables, total = jax.eval_shape(lambda: net.init(0, shape)), 0
    sizes: tuple[Any, ...] = tuple(shape)
    for layer, params, _ in net.chain(variables["params"], variables["state"]):
        sizes = layer.output_shape(sizes)
        if isinstance(params, dict) and "kernel" in params:
            total += math.prod(params["kernel"].shape) * math.prod(n or 0 for n in sizes[:-1])
    return total
