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
from equinet.interop.rolls import roll_from_phase, roll_to_largest, roll_to_phase

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
class Resizing:
    """A call that makes a map finer.

    Attributes:
        reach: up to how many nodes away lie the nodes that it reads for one.
    """

    name: str
    reach: int


@dataclass(frozen=True)
class Around:
    """The map is continued around the torus before windows, by as much as their padding says.

    Attributes:
        rolled: whether it is rolled before that, `y[p] = x[p + o]`, so that the nodes which the stride keeps are those
            that the data choose, whose norm is the largest. Parts that go down from maps of one size by one stride,
            such as a shortcut and what it leads around, keep the same nodes.
    """

    rolled: bool = False

    def __call__(self, part: Any, x: jax.Array, phases: Phases, compute: Callable[..., Any]) -> Any:
        """What windows without padding, `compute(x, "VALID")`, make of the map `[…, *spatial, channels]`."""
        dim = len(_per_axis(part.kernel_size))
        if self.rolled:
            x = _rolled(x, _per_axis(part.strides, dim), phases)
        pads = pads_of(part, x.shape[-1 - dim : -1])
        return compute(jnp.pad(x, [(0, 0)] * (x.ndim - 1 - dim) + [*pads, (0, 0)], mode="wrap"), "VALID")


@dataclass(frozen=True)
class Upward:
    """The map is continued around the torus before it is made finer, and what lies over the map itself is kept.

    Attributes:
        reach: by how many nodes.
        factor: how many nodes are made of one, along each axis.
        rolled: whether it is rolled back after that, `y[p + o] = x[p]`, if some part kept the nodes at o of a map of
            those sizes by that stride: they come to where they were.
    """

    reach: int
    factor: Nodes
    rolled: bool = False

    def __call__(self, part: Any, x: jax.Array, phases: Phases, compute: Callable[..., Any]) -> jax.Array:
        """The finer map `[…, *spatial, channels]`."""
        del part
        first = x.ndim - 1 - len(self.factor)
        pads = [(self.reach, self.reach) if first <= axis < x.ndim - 1 else (0, 0) for axis in range(x.ndim)]
        y = compute(jnp.pad(x, pads, mode="wrap"))
        for axis, s in enumerate(self.factor, start=first):
            y = lax.slice_in_dim(y, self.reach * s, (self.reach + x.shape[axis]) * s, axis=axis)
        return _rolled_back(y, self.factor, phases) if self.rolled else y


@dataclass(frozen=True)
class Spread:
    """The mean over all nodes, at each, before weights of their own for each node, of a flattened map.

    A dense layer then computes `Σ_p w_p · mean(x)`, the mean over all shifts of what it computed before.

    Attributes:
        channels: of the map, its last axis.
    """

    channels: int

    def __call__(self, part: Any, x: jax.Array, phases: Phases, compute: Callable[..., Any]) -> Any:
        """What a dense layer makes of the flattened map of means."""
        del part, phases
        nodes = x.reshape(*x.shape[:-1], -1, self.channels)
        return compute(jnp.broadcast_to(nodes.mean(-2, keepdims=True), nodes.shape).reshape(x.shape))


Change = Around | Upward | Spread


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
        return compute(x) if change is None else change(part, x, self.phases, compute)


def _rolled(x: jax.Array, stride: Nodes, phases: Phases) -> jax.Array:
    """The map rolled to the phase of its run, which the first one chooses."""
    dim = len(stride)
    flat = x.reshape(-1, *x.shape[-1 - dim :])
    key = (flat.shape[1:-1], stride)
    if key in phases:
        return roll_to_phase(flat, phases[key], stride).reshape(x.shape)
    y, phases[key] = roll_to_largest(flat, stride)
    return y.reshape(x.shape)


def _rolled_back(x: jax.Array, stride: Nodes, phases: Phases) -> jax.Array:
    """The map rolled back from the phase that was chosen for maps of its sizes, if one was."""
    dim = len(stride)
    flat = x.reshape(-1, *x.shape[-1 - dim :])
    phase = phases.get((flat.shape[1:-1], stride))
    if phase is None or len(phase) != len(flat):
        return x
    return roll_from_phase(flat, phase, stride).reshape(x.shape)


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
        part: a module, the windows of a pool, or what makes a map finer.
        sizes: of the maps that windows are given and make, of those that have one row an example.
        others: those of maps that have not, such as how many nodes each window of a mean has.
        channels: of the flattened map that a dense layer is given.
        owner: the path of the mean that this pool counts the nodes of.
    """

    part: Any
    sizes: set[tuple[Nodes, Nodes]] = field(default_factory=set)
    others: set[tuple[Nodes, Nodes]] = field(default_factory=set)
    channels: int | None = None
    owner: Path | None = None

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

    @property
    def factor(self) -> Nodes | None:
        """How many nodes a part that makes maps finer makes of one, along each axis; None of other parts."""
        if not is_upward(self.part) or self.others or not self.sizes:
            return None
        found = {tuple(0 if m % n else m // n for n, m in zip(*each, strict=True)) for each in self.sizes}
        return found.pop() if len(found) == 1 and all(map(all, found)) else None


def is_upward(part: Any) -> bool:
    """Whether it makes maps finer: a transposed convolution or a resizing."""
    return isinstance(part, Resizing) or hasattr(part, "transpose_kernel")


@dataclass
class Watch:
    """What is seen of a model's convolutions, pools and dense layers while it runs on so many examples.

    Attributes:
        parts: in the order in which they run, by their paths; one that runs on several sizes is there once.
    """

    examples: int
    parts: dict[Path, Seen] = field(default_factory=dict)
    last: Nodes = ()
    before: tuple[Path, Any, Nodes] | None = None

    def meet(self, path: Path, part: Any, x: Any, compute: Callable[..., Any]) -> Any:
        """What a part makes of x."""
        y = compute(x)
        self._note(path, part, x, y)
        return y

    def _note(self, path: Path, part: Any, x: Any, y: Any) -> None:
        seen = self.parts.setdefault(path, Seen(part))
        if hasattr(part, "kernel_size") or isinstance(part, Resizing):
            within = seen.sizes if x.shape[0] == self.examples else seen.others
            within.add((tuple(x.shape[1:-1]), tuple(y.shape[1:-1])))
            self.last = tuple(y.shape)
            called, self.before = self.before, (path, part, tuple(x.shape))
            if (
                called
                and isinstance(part, Windows)
                and called[1:] == (part, (self.examples, *x.shape[1:-1], called[2][-1]))
            ):
                seen.owner = called[0] if x.shape[0] != self.examples else None
        elif x.ndim == 2 and len(self.last) > 2 and x.shape[-1] > self.last[-1] and not x.shape[-1] % self.last[-1]:
            seen.channels = self.last[-1]


def several(like: Any) -> tuple[Watch, Any]:
    """What watches a run on several examples, and the shape of these, for the shape of one.

    Maps that have a row for each are told from others so.
    """
    shape = (2, *like.shape[1:])
    return Watch(shape[0]), jax.ShapeDtypeStruct(shape, like.dtype)


def circular(part: Any, seen: Seen) -> Around | Upward | None:
    """Pad as if the image were periodic."""
    if is_upward(part):
        reach = _reach(part)
        return Upward(reach, seen.factor) if seen.factor and reach else None
    sizes = seen.sizes | seen.others
    if not sizes or part.padding in ("CIRCULAR", "CAUSAL") or prod(_per_axis(part.input_dilation)) > 1:
        return None
    return Around() if any(any(map(any, pads_of(part, before))) for before, _ in sizes) else None


def _reach(part: Any) -> int:
    """By how many nodes a map is continued so that what is made of it goes around the torus."""
    if isinstance(part, Resizing):
        return part.reach
    if part.padding == "CIRCULAR":
        return 0
    strides = _per_axis(part.strides, len(_per_axis(part.kernel_size)))
    dilation = _per_axis(part.kernel_dilation, len(strides))
    wide = [d * (k - 1) for k, d in zip(_per_axis(part.kernel_size), dilation, strict=True)]
    if isinstance(part.padding, str) and all(w < s for w, s in zip(wide, strides, strict=True)):
        return 0  # what is made of one node lies over it
    return max(w // s for w, s in zip(wide, strides, strict=True)) + 1


def spread(part: Any, seen: Seen) -> Spread | None:
    """The mean over all nodes, at each, before weights of their own for each node read it."""
    del part
    return Spread(seen.channels) if seen.channels else None


def adaptive(part: Any, seen: Seen) -> Around | Upward | None:
    """The map rolled before a stride, so that it keeps the nodes that the data choose, and back where it comes up."""
    if seen.factor and max(seen.factor) > 1:
        return Upward(_reach(part), seen.factor, rolled=True)
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
        return part.name if isinstance(part, Windows | Resizing) else super().describe(part)

    def rewrite(self, net: Any, change: Callable[[Path, Any, Any], Any]) -> Any:
        """The model with what `change` puts before its submodules."""
        parts = self.watch.parts
        found = {path: change(path, seen.part, seen) for path, seen in parts.items() if seen.owner is None}
        replacements = {path: each for path, each in found.items() if each is not None}
        replacements |= {path: Around() for path, seen in parts.items() if seen.owner in replacements}
        return self.replaced(net, replacements) if replacements else net
