"""Variables as nested dictionaries with names, as Flax keeps them, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
from jax.tree_util import keystr, tree_flatten_with_path

from equinet.layers import Layer, LayerError, Named

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
    made: dict[str, Any] = {}
    for path, value in zip(paths, values, strict=True):
        inner = made
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return made


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


def leaf_paths(layer: Layer, tree: Any) -> list[Path]:
    """Names on the way to each leaf of a layer's parameters or state, in the order of the leaves.

    Layers of a network are named by their type and place, or as `Named` says: `("Conv_0", "kernel")`. A layer whose
    parameters are one array calls it `value`.
    """
    children = layer.children
    if not children or not isinstance(tree, tuple) or len(tree) != len(children):
        return [_path(path) for path, _ in tree_flatten_with_path(tree)[0]]
    return [
        (name, *path)
        for name, (_, child), part in zip(_names(children), children, tree, strict=True)
        for path in leaf_paths(child, part)
    ]


def _path(path: tuple[Any, ...]) -> Path:
    return tuple(keystr((entry,), simple=True) for entry in path) or ("value",)


def _names(children: Sequence[tuple[str, Layer]]) -> list[str]:
    """A name for each child, no two alike."""
    names = []
    for name, child in children:
        if name.isdigit():
            name = child.name if isinstance(child, Named) else f"{type(child).__name__}_{name}"
        names.append(re.sub(r"\W+", "_", name))
    return names if len(set(names)) == len(names) else [f"{i}_{name}" for i, name in enumerate(names)]
