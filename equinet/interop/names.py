"""Variables as nested dictionaries with names, as Flax keeps them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
from jax.tree_util import keystr, tree_flatten_with_path

from equinet.layers import Layer, LayerError

Path = tuple[str, ...]


@lru_cache(maxsize=1 << 8)
def outline(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    """The variables `{"params": …, "state": …}` of a layer without their values.

    Raises:
        LayerError: if the layer cannot run on an input of this shape.
    """
    return jax.eval_shape(lambda: layer.init(jax.random.key(0), shape))


def nest_paths(paths: Sequence[Path], values: Sequence[Any]) -> dict[str, Any]:
    """Nested dictionaries with the given values at the given paths."""
    nested: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=True):
        inner = nested
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return nested


def lookup(layer: Layer, found: Mapping[str, Any], paths: Sequence[Path]) -> list[Any]:
    """The values at the given paths.

    Raises:
        LayerError: if an entry is missing.
    """
    values = []
    for path in paths:
        value: Any = found
        for name in path:
            if not isinstance(value, Mapping) or name not in value:
                raise LayerError(f"the variables are those of another network: {layer} has one at {'/'.join(path)}")
            value = value[name]
        values.append(value)
    return values


def leaf_paths(tree: Any) -> list[Path]:
    """Names on the way to each leaf of parameters or state, in the order of the leaves.

    They are the keys of the dicts: `("0_conv", "kernel")`. Parameters that are one array are called `value`.
    """
    return [
        tuple(keystr((key,), simple=True) for key in path) or ("value",) for path, _ in tree_flatten_with_path(tree)[0]
    ]
