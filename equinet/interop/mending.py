"""Edits of Flax's models that keep their weights, for `suggest`: what is computed before which of their submodules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from equinet.interop.family import Sizes

Path = tuple[str, ...]


@dataclass(frozen=True)
class Around:
    """A convolution's input is continued around the torus, by as much as its padding says."""

    def __call__(self, part: Any, x: jax.Array) -> jax.Array:
        """The longer map, for the convolution without padding."""
        dim = len(_per_axis(part.kernel_size))
        pads = pads_of(part, x.shape[-1 - dim : -1])
        return jnp.pad(x, [(0, 0)] * (x.ndim - 1 - dim) + [*pads, (0, 0)], mode="wrap")


@dataclass(frozen=True)
class Spread:
    """The mean over all nodes, at each, before weights of their own for each node, of a flattened map.

    A dense layer then computes `Σ_p w_p · mean(x)`, the mean over all shifts of what it computed before.

    Attributes:
        channels: of the map, its last axis.
    """

    channels: int

    def __call__(self, part: Any, x: jax.Array) -> jax.Array:
        """The flattened map of means."""
        del part
        nodes = x.reshape(*x.shape[:-1], -1, self.channels)
        return jnp.broadcast_to(nodes.mean(-2, keepdims=True), nodes.shape).reshape(x.shape)


Change = Around | Spread


def _per_axis(value: Any, dim: int | None = None) -> tuple[int, ...]:
    if value is None or isinstance(value, int):
        return (1 if value is None else value,) * (dim or 1)
    return tuple(value)


def pads_of(part: Any, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """How many nodes before and after each axis of so many nodes a convolution of Flax reads."""
    kernel = _per_axis(part.kernel_size)
    dim = len(kernel)
    wide = [d * (k - 1) + 1 for k, d in zip(kernel, _per_axis(part.kernel_dilation, dim), strict=True)]
    padding = part.padding
    if isinstance(padding, str):
        if padding == "REFLECT":
            return [((k - 1) // 2, k // 2) for k in wide]
        return [*lax.padtype_to_pads(sizes, wide, _per_axis(part.strides, dim), padding)]
    if isinstance(padding, int):
        return [(padding, padding)] * dim
    return [(pad, pad) if isinstance(pad, int) else tuple(pad) for pad in padding]


@dataclass
class Watch:
    """What is seen of a model's convolutions and dense layers while it runs.

    Attributes:
        parts: in the order in which they run, by their paths; one that runs on several sizes is there once.
        sizes: of the maps that convolutions are given.
        channels: of the flattened map that a dense layer is given.
    """

    parts: dict[Path, Any] = field(default_factory=dict)
    sizes: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    channels: dict[Path, int] = field(default_factory=dict)
    last: tuple[int, ...] = ()

    def note(self, path: Path, part: Any, x: Any, y: Any) -> None:
        """That a part made y of x."""
        self.parts.setdefault(path, part)
        if hasattr(part, "kernel_size"):
            self.sizes[path] = tuple(x.shape[1:-1])
            self.last = tuple(y.shape)
        elif x.ndim == 2 and len(self.last) > 2 and x.shape[-1] > self.last[-1] and not x.shape[-1] % self.last[-1]:
            self.channels[path] = self.last[-1]


def circular(part: Any, where: Any) -> Around | None:
    """Pad as if the image were periodic."""
    sizes, _ = where
    if not sizes or part.padding in ("CIRCULAR", "CAUSAL") or prod(_per_axis(part.input_dilation)) > 1:
        return None
    return Around() if any(map(any, pads_of(part, sizes))) else None


def spread(part: Any, where: Any) -> Spread | None:
    """The mean over all nodes, at each, before weights of their own for each node read it."""
    del part
    return Spread(where[1]) if where[1] else None


class Mender(Sizes):
    """How a model of Flax is edited; see `equinet.readers.Editor`.

    Args:
        watch: what was seen of the model.
        replaced: the model with some changes: `(model, {path: change}) -> model`.
    """

    rules = (
        (circular, 1.0, "circular padding in {layers}"),
        (spread, 2.0, "the mean over all nodes, at each of them, before {layers}"),
    )
    together = (circular, spread)
    whole = (circular,)

    def __init__(self, watch: Watch, replaced: Callable[[Any, dict[Path, Change]], Any]) -> None:
        self.watch, self.replaced = watch, replaced

    def wrap(self, part: Any, where: Any, /) -> Any:
        """See `circular`."""
        return circular(part, where)

    def rewrite(self, net: Any, change: Callable[[Path, Any, Any], Any]) -> Any:
        """The model with what `change` puts before its submodules."""
        made = {path: found for path, found in self._changes(change) if found is not None}
        return self.replaced(net, made) if made else net

    def _changes(self, change: Callable[[Path, Any, Any], Any]) -> Iterator[tuple[Path, Any]]:
        for path, part in self.watch.parts.items():
            where = (self.watch.sizes.get(path, ()), self.watch.channels.get(path))
            yield path, change(path, part, where)
