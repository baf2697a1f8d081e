"""Edits of Flax's models that keep their weights, for `suggest`: what is computed before which of their submodules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from equinet.interop.family import Sizes
from equinet.interop.rolls import roll_to_largest, roll_to_phase

Path = tuple[str, ...]
Nodes = tuple[int, ...]
Phases = dict[tuple[Nodes, Nodes], jax.Array]
"""The phases that the data chose in one run, each by the sizes of the map and the stride."""


@dataclass(frozen=True)
class Windows:
    """What a convolution or a pool of Flax reads, as Flax calls it."""

    name: str
    kernel_size: Nodes
    strides: int | Nodes | None
    padding: Any
    kernel_dilation: int | Nodes | None = None
    input_dilation: int | Nodes | None = None


@dataclass(frozen=True)
class Around:
    """The map is continued around the torus before windows, by as much as their padding says.

    Attributes:
        rolled: whether it is rolled before that, `y[p] = x[p + o]`, so that the nodes which the stride keeps are those
            that the data choose, whose norm is the largest. Parts that go down from maps of one size by one stride,
            such as a shortcut and what it leads around, keep the same nodes.
    """

    rolled: bool = False

    def __call__(self, part: Any, x: jax.Array, phases: Phases) -> jax.Array:
        """The map `[…, *spatial, channels]` for windows without padding."""
        dim = len(_per_axis(part.kernel_size))
        if self.rolled:
            x = _rolled(x, _per_axis(part.strides, dim), phases)
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

    def __call__(self, part: Any, x: jax.Array, phases: Phases) -> jax.Array:
        """The flattened map of means."""
        del part, phases
        nodes = x.reshape(*x.shape[:-1], -1, self.channels)
        return jnp.broadcast_to(nodes.mean(-2, keepdims=True), nodes.shape).reshape(x.shape)


Change = Around | Spread


@dataclass
class Edited:
    """What is computed in one run of an edited model.

    Attributes:
        changes: of its parts, by their paths.
    """

    changes: Mapping[Path, Change]
    phases: Phases = field(default_factory=dict)

    def meet(self, path: Path, part: Any, x: Any, compute: Callable[..., Any]) -> Any:
        """What a part makes of x: `compute(x)`, or with a padding in place of its own."""
        change = self.changes.get(path)
        if change is None:
            return compute(x)
        changed = change(part, x, self.phases)
        return compute(changed, "VALID") if isinstance(change, Around) else compute(changed)


def _rolled(x: jax.Array, stride: Nodes, phases: Phases) -> jax.Array:
    """The map rolled to the phase of its run, which the first one chooses."""
    dim = len(stride)
    flat = x.reshape(-1, *x.shape[-1 - dim :])
    key = (flat.shape[1:-1], stride)
    if key in phases:
        return roll_to_phase(flat, phases[key], stride).reshape(x.shape)
    y, phases[key] = roll_to_largest(flat, stride)
    return y.reshape(x.shape)


def _per_axis(value: Any, dim: int | None = None) -> Nodes:
    if value is None or isinstance(value, int):
        return (1 if value is None else value,) * (dim or 1)
    return tuple(value)


def pads_of(part: Any, sizes: Nodes) -> list[tuple[int, int]]:
    """How many nodes before and after each axis of so many nodes the windows of Flax read."""
    kernel = _per_axis(part.kernel_size)
    dim = len(kernel)
    wide = [d * (k - 1) + 1 for k, d in zip(kernel, _per_axis(part.kernel_dilation, dim), strict=True)]
    padding = part.padding
    if isinstance(padding, str):
        if padding in ("REFLECT", "CIRCULAR"):
            return [((k - 1) // 2, k // 2) for k in wide]
        return [*lax.padtype_to_pads(sizes, wide, _per_axis(part.strides, dim), padding)]
    if isinstance(padding, int):
        return [(padding, padding)] * dim
    return [(pad, pad) if isinstance(pad, int) else tuple(pad) for pad in padding]


class Calls:
    """Names of what has none: by the method that calls it, and how many this has called before."""

    def __init__(self) -> None:
        self.callers: list[tuple[Path, Counter[str]]] = [((), Counter())]

    @contextmanager
    def within(self, caller: Path) -> Iterator[None]:
        """While a method runs."""
        self.callers.append((caller, Counter()))
        try:
            yield
        finally:
            self.callers.pop()

    def named(self, kind: str) -> Path:
        """The path of the next one of a kind."""
        caller, known = self.callers[-1]
        known[kind] += 1
        return (*caller, f"{kind}_{known[kind] - 1}")


@dataclass
class Seen:
    """What is seen of one part while a model runs.

    Attributes:
        part: a module, or the windows of a pool.
        sizes: of the maps that windows are given and make, of those that have one row an example.
        others: those of maps that have not, such as how many nodes each window of a mean has.
        channels: of the flattened map that a dense layer is given.
    """

    part: Any
    sizes: set[tuple[Nodes, Nodes]] = field(default_factory=set)
    others: set[tuple[Nodes, Nodes]] = field(default_factory=set)
    channels: int | None = None

    @property
    def stride(self) -> Nodes | None:
        """Of windows that keep one node out of so many, and leave some to choose from."""
        stride = _per_axis(self.part.strides, len(_per_axis(self.part.kernel_size)))
        divides = all(
            len(before) == len(after) == len(stride)
            and all(n == m * s for n, m, s in zip(before, after, stride, strict=True))
            and prod(after) > 1
            for before, after in self.sizes
        )
        return stride if self.sizes and not self.others and divides and max(stride) > 1 else None


@dataclass
class Watch:
    """What is seen of a model's convolutions, pools and dense layers while it runs on so many examples.

    Attributes:
        parts: in the order in which they run, by their paths; one that runs on several sizes is there once.
    """

    examples: int
    parts: dict[Path, Seen] = field(default_factory=dict)
    last: Nodes = ()

    def meet(self, path: Path, part: Any, x: Any, compute: Callable[..., Any]) -> Any:
        """What a part makes of x."""
        y = compute(x)
        self._note(path, part, x, y)
        return y

    def _note(self, path: Path, part: Any, x: Any, y: Any) -> None:
        seen = self.parts.setdefault(path, Seen(part))
        if hasattr(part, "kernel_size"):
            within = seen.sizes if x.shape[0] == self.examples else seen.others
            within.add((tuple(x.shape[1:-1]), tuple(y.shape[1:-1])))
            self.last = tuple(y.shape)
        elif x.ndim == 2 and len(self.last) > 2 and x.shape[-1] > self.last[-1] and not x.shape[-1] % self.last[-1]:
            seen.channels = self.last[-1]


def several(like: Any) -> tuple[Watch, Any]:
    """What watches a run on several examples, and the shape of these, for the shape of one.

    Maps that have a row for each are told from others so.
    """
    shape = (2, *like.shape[1:])
    return Watch(shape[0]), jax.ShapeDtypeStruct(shape, like.dtype)


def circular(part: Any, seen: Seen) -> Around | None:
    """Pad as if the image were periodic."""
    sizes = seen.sizes | seen.others
    if not sizes or part.padding in ("CIRCULAR", "CAUSAL") or prod(_per_axis(part.input_dilation)) > 1:
        return None
    return Around() if any(any(map(any, pads_of(part, before))) for before, _ in sizes) else None


def spread(part: Any, seen: Seen) -> Spread | None:
    """The mean over all nodes, at each, before weights of their own for each node read it."""
    del part
    return Spread(seen.channels) if seen.channels else None


def adaptive(part: Any, seen: Seen) -> Around | None:
    """The map rolled before a stride, so that it keeps the nodes that the data choose."""
    if not seen.sizes or seen.stride is None or prod(_per_axis(part.input_dilation)) > 1:
        return circular(part, seen)
    return Around(rolled=True)


class Mender(Sizes):
    """How a model of Flax is edited; see `equinet.readers.Editor`.

    Args:
        watch: what was seen of the model.
        replaced: the model with some changes: `(model, {path: change}) -> model`.
    """

    rules = (
        (circular, 1.0, "circular padding in {layers}"),
        (spread, 2.0, "the mean over all nodes, at each of them, before {layers}"),
        (adaptive, 2.5, "the nodes that the data choose kept at every stride, around the torus, in {layers}"),
    )
    together = (circular, spread)
    whole = (circular, adaptive)

    def __init__(self, watch: Watch, replaced: Callable[[Any, dict[Path, Change]], Any]) -> None:
        self.watch, self.replaced = watch, replaced
        if not any(adaptive(seen.part, seen) == Around(rolled=True) for seen in watch.parts.values()):
            self.rules = self.rules[:2]

    def wrap(self, part: Any, where: Any, /) -> Any:
        """See `circular`."""
        return circular(part, where)

    def describe(self, part: Any) -> str:
        """A part, as text."""
        return part.name if isinstance(part, Windows) else super().describe(part)

    def rewrite(self, net: Any, change: Callable[[Path, Any, Any], Any]) -> Any:
        """The model with what `change` puts before its submodules."""
        found = {path: change(path, seen.part, seen) for path, seen in self.watch.parts.items()}
        made = {path: each for path, each in found.items() if each is not None}
        return self.replaced(net, made) if made else net
