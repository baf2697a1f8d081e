"""Edits of a module of PyTorch that keep its weights, for `suggest`: what takes the place of which part of a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import nn

from equinet.interop.torch.functions import unedited
from equinet.interop.torch.parts import (
    CONVS,
    RETURNING,
    TRANSPOSES,
    WRAPPING,
    MeanOver,
    Phase,
    Roll,
    SpreadMean,
    Wrapped,
)

Path = tuple[str, ...]
Change = Callable[[Path, Any, Any], Any]
Sizes = tuple[int, ...]

DIMS = {kind: dim for dim, kind in CONVS.items()} | {
    kind: dim
    for dim in (1, 2, 3)
    for kind in (
        *(getattr(nn, f"{name}{dim}d") for name in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")),
        *(getattr(nn, f"{name}Pad{dim}d") for name in ("Zero", "Constant", "Reflection", "Replication")),
    )
}
"""Parts that are edited, by their number of axes. One that computes otherwise than its class says is left alone."""
WEIGHTED = frozenset(CONVS.values())
PARTS = (SpreadMean, Wrapped, MeanOver)
SPREADING = tuple(
    getattr(nn, f"{name}{dim}d")
    for dim in (1, 2, 3)
    for name in ("Conv", "ConvTranspose", "MaxPool", "AvgPool", "LPPool", "MaxUnpool")
) + (
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.Upsample,
    nn.Fold,
    nn.Unfold,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
)
"""Parts of which some read several nodes, or keep some of them."""


@dataclass(frozen=True)
class Place:
    """Where a part stands in a network, on an input of some size.

    Attributes:
        sizes: nodes of its own input along each axis.
        steps: nodes of the network's input from one of these to the next, along each axis; () if that is no number.
        roll: if the part goes down or comes up between two sizes: the phase shared there, the stride, and whether the
            part chooses the phase, follows or rolls back.
    """

    sizes: Sizes
    steps: Sizes
    roll: tuple[Phase, Sizes, str] | None = None


def per_axis(value: Any, dim: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * dim


def kind_of(part: Any) -> Any:
    """The class of PyTorch that a part is of, if it can be edited: it computes what that class says and no more."""
    kind = next((kind for kind in type(part).__mro__ if kind in DIMS), None)
    if kind is None or type(part).forward is not kind.forward or "forward" in vars(part):
        return None
    if getattr(type(part), "_conv_forward", None) is not getattr(kind, "_conv_forward", None):
        return None
    hooked = part._forward_hooks or part._forward_pre_hooks
    returns = getattr(part, "return_indices", False)
    plain = {"weight", "bias"} if kind in WEIGHTED else set()
    if hooked or returns or set(part._parameters) != plain or part._buffers or part._modules:
        return None
    return kind


def axes_of(part: Any) -> int | None:
    """The number of axes of a part that can be edited; None for any other."""
    return DIMS.get(kind_of(part))


def is_conv(part: Any) -> bool:
    return isinstance(part, tuple(CONVS.values())) and axes_of(part) is not None


def is_pool(part: Any) -> bool:
    """Whether a part is a pool over windows of a fixed size, each of which ends within the padded map."""
    return (
        axes_of(part) is not None and hasattr(part, "kernel_size") and hasattr(part, "ceil_mode") and not part.ceil_mode
    )


def window_of(part: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Kernel, stride, dilation and padding of a convolution or a pool, along each axis."""
    dim = axes_of(part) or 0
    kernel, dilation = per_axis(part.kernel_size, dim), per_axis(getattr(part, "dilation", 1), dim)
    stride = per_axis(kernel if part.stride is None else part.stride, dim)
    if part.padding == "valid":
        pads = ((0, 0),) * dim
    elif part.padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = tuple((total // 2, total - total // 2) for total in totals)
    else:
        pads = tuple((p, p) for p in per_axis(part.padding, dim))
    return kernel, stride, dilation, pads


def convolution(
    part: Any, stride: Sizes, dilation: Sizes, pads: tuple[tuple[int, int], ...], roll: Roll | None = None
) -> Any:
    """The convolution with the same parameters, under the same names, around the torus."""
    dim = axes_of(part) or 0
    alike = roll is None and all(low == high for low, high in pads)
    new = (CONVS if alike else WRAPPING)[dim](
        part.in_channels,
        part.out_channels,
        part.kernel_size,
        stride=stride,
        padding=tuple(low for low, _ in pads) if alike else 0,
        dilation=dilation,
        groups=part.groups,
        bias=part.bias is not None,
        padding_mode="circular" if alike and any(low for low, _ in pads) else "zeros",
        device="meta",
    )
    if not alike:
        new.pads, new.roll = pads, roll
    new.weight, new.bias = part.weight, part.bias
    return new.train(part.training)


def pool(part: Any, **options: Any) -> Any:
    """The pool with other options."""
    known = ["kernel_size", "stride", "padding", "ceil_mode", "dilation", "count_include_pad", "divisor_override"]
    return kind_of(part)(**{name: options.get(name, getattr(part, name)) for name in known if hasattr(part, name)})


def circular(part: Any, place: Place | None) -> Any:
    """Pad as if the image were periodic."""
    del place
    if is_conv(part) or is_pool(part):
        _, stride, dilation, pads = window_of(part)
        if not any(map(any, pads)) or getattr(part, "padding_mode", "zeros") == "circular":
            return None
        if is_conv(part):
            return convolution(part, stride, dilation, pads)
        return Wrapped(pool(part, padding=0), pads)
    if axes_of(part) is not None and type(part).__name__.endswith(("Pad1d", "Pad2d", "Pad3d")):
        return getattr(nn, f"CircularPad{axes_of(part)}d")(part.padding)
    return None


def tiling(part: Any, place: Place | None) -> Any:
    """Pool over windows that tile."""
    del place
    inner = part.pool if isinstance(part, Wrapped) else part
    if not is_pool(inner):
        return None
    kernel, stride, dilation, pads = window_of(inner)
    if min(stride) == 1 or max(dilation) > 1 or (kernel == stride and not any(map(any, pads))):
        return None
    return pool(inner, kernel_size=stride, stride=stride, padding=0)


def centred(part: Any, place: Place | None) -> Any:
    """Pool over windows of odd size, centred on nodes and padded alike on both sides."""
    del place
    if not is_pool(part):
        return None
    kernel, stride, dilation, pads = window_of(part)
    wanted = tuple(s // 2 * 2 + 1 for s in stride)
    padding = tuple(s // 2 for s in stride)
    if len(set(stride)) > 1 or stride[0] == 1 or max(dilation) > 1:
        return None
    if kernel == wanted and pads == tuple((p, p) for p in padding):
        return None
    return pool(part, kernel_size=wanted, stride=stride, padding=padding)


def spread(part: Any, place: Place | None) -> Any:
    """The mean over all nodes, at each, before weights of their own for each node read it."""
    if isinstance(part, nn.Flatten):
        if place is None or set(place.sizes) == {1} or (part.start_dim, part.end_dim) != (1, -1):
            return None
        return nn.Sequential(SpreadMean(place.sizes), part)
    if axes_of(part) is None or not hasattr(part, "output_size"):
        return None
    sizes = per_axis(part.output_size, axes_of(part) or 0)
    return None if set(sizes) == {1} else SpreadMean(sizes)


def dense(part: Any, place: Place | None) -> Any:
    """No stride: windows at every node, their own nodes as far apart as the strides before have taken them.

    On a torus whose sizes the strides divide it computes, at the nodes that the strides keep, what the network does
    with circular padding; and at the others what that does on shifted inputs (the algorithme à trous).
    """
    if place is None or not place.steps or not (is_conv(part) or is_pool(part)):
        return None
    kernel, stride, dilation, pads = window_of(part)
    if max(place.steps) == max(stride) == 1:
        return circular(part, place)
    apart = tuple(step * d for step, d in zip(place.steps, dilation, strict=True))
    # The window of node i begins where it did, and its end follows.
    whole = tuple(
        (low * step, (k - 1) * a - low * step)
        for (low, _), step, k, a in zip(pads, place.steps, kernel, apart, strict=True)
    )
    if any(high < 0 for _, high in whole):
        return None
    ones = (1,) * len(stride)
    if is_conv(part):
        return convolution(part, ones, apart, whole)
    if hasattr(part, "dilation"):
        return Wrapped(pool(part, stride=1, padding=0, dilation=apart), whole)
    return None if getattr(part, "divisor_override", None) else Wrapped(MeanOver(kernel, apart), whole)


def adaptive(part: Any, place: Place | None) -> Any:
    """The map rolled before a stride, so that it keeps the nodes that the data choose; and rolled back, coming up."""
    if place is None or place.roll is None:
        return circular(part, place)
    roll = Roll(*place.roll)
    if roll.kind != "back":
        _, stride, dilation, pads = window_of(part)
        if is_conv(part):
            return convolution(part, stride, dilation, pads, roll)
        return Wrapped(pool(part, padding=0), pads, roll)
    if isinstance(part, nn.Upsample):
        return nn.Sequential(part, roll)
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "dilation")
    new = RETURNING[len(roll.stride)](roll, **{name: getattr(part, name) for name in names}, bias=False, device="meta")
    new.weight, new.bias = part.weight, part.bias
    return new.train(part.training)


RULES = (
    (circular, 1.0, "circular padding in {layers}"),
    (tiling, 2.0, "windows that tile (as wide as the stride) in {layers}"),
    (centred, 2.0, "windows centred on nodes, padded alike on both sides, in {layers}"),
    (spread, 2.0, "the mean over all nodes, at each of them, instead of {layers}"),
    (adaptive, 2.5, "the nodes that the data choose kept at every stride, around the torus, in {layers}"),
    (dense, 3.0, "every node kept: dilation in place of the strides, around the torus, in {layers}"),
)


class Editor:
    """How a module is edited, for inputs of one shape; see `equinet.readers.Editor`."""

    rules = RULES
    wrap = staticmethod(circular)
    together = (circular, spread)
    # Each network is exported anew, which is too slow to find out which parts could do without.
    whole = (circular, adaptive, dense)
    budget = 60

    def __init__(self, module: Any, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.places = _places(module, shape)
        if not self._is_dense(module, shape):
            self.places = {name: replace(place, steps=()) for name, place in self.places.items()}
        if not any(place.roll for place in self.places.values()):
            self.rules = tuple(rule for rule in RULES if rule[0] is not adaptive)

    def _is_dense(self, module: Any, shape: tuple[int, ...]) -> bool:
        """Whether `dense` leaves all nodes to every part: nothing else goes down, in a part or in code."""
        if not any(place.steps for place in self.places.values()):
            return False
        edited = self.rewrite(module, lambda path, part, place: dense(part, place))
        windows = {name for name, part in _leaves(module) if is_conv(part) or is_pool(part)}
        # What reads the map at the end may have weights for another number of nodes.
        seen = _run(edited, shape, partly=True)
        return all(seen.get(name, {None}) == {(shape[2:], shape[2:])} for name in windows)

    def rewrite(self, module: Any, change: Change) -> Any:
        """A copy with other parts; it holds the same parameters and buffers."""
        edited = copy.deepcopy(module, {id(held): held for held in (*module.parameters(), *module.buffers())})
        for name, part in _leaves(edited):
            path = tuple(name.split(".")) if name else (type(module).__name__,)
            other = change(path, part, self.places.get(name))
            if other is not None and not name:
                return other.train(module.training)
            if other is not None:
                edited.set_submodule(name, other.train(module.training))
        return edited

    def describe(self, part: Any) -> str:
        """A part, as text."""
        return type(part).__name__

    def unedited(self, module: Any) -> str:
        """The functions that are called where modules could be."""
        return unedited(on_meta(module), self.shape, _real(module))

    def averaged(self, module: Any) -> Any:
        """With the mean over all nodes at the end."""
        return nn.Sequential(module, SpreadMean((1,) * len(self.shape[2:]))).train(module.training)

    def separate(self, module: Any) -> Any:
        """A copy with parameters of its own."""
        return copy.deepcopy(module)


def _leaves(module: Any) -> list[tuple[str, Any]]:
    """The parts that may be replaced, by all their names."""

    def within(name: str, part: Any) -> Iterator[tuple[str, Any]]:
        held = {} if isinstance(part, PARTS) else part._modules
        children = [(own, child) for own, child in held.items() if child is not None]
        if not children:
            yield name, part
        for own, child in children:
            yield from within(f"{name}.{own}" if name else own, child)

    return list(within("", module))


def _every(module: Any) -> list[tuple[str, Any]]:
    """All parts, by all their names."""
    return list(module.named_modules(remove_duplicate=False))


def _places(module: Any, shape: tuple[int, ...]) -> dict[str, Place]:
    """Where every part stands; parts that run at several resolutions, or at none, are left out.

    Steps are told of all convolutions and pools or of none, since strides go together.
    """
    places = {}
    phases: dict[tuple[Sizes, Sizes], Phase] = {}
    for name, seen in _run(module, shape).items():
        here = next(iter(seen))[0]
        if len({sizes for sizes, _ in seen}) == 1 and all(here):
            steps = tuple(whole // n for whole, n in zip(shape[2:], here, strict=True) if whole % n == 0)
            part = module.get_submodule(name)
            goes = _goes_down(part, seen)
            roll = _roll(part, next(iter(seen)), phases)
            places[name] = Place(here, steps if goes and len(steps) == len(here) else (), roll)
    windows = [name for name, part in _every(module) if isinstance(part, SPREADING)]
    if all(name in places and places[name].steps for name in windows):
        return places
    return {name: replace(place, steps=()) for name, place in places.items()}


def _goes_down(part: Any, seen: set[tuple[Sizes, Sizes]]) -> bool:
    """Whether a part can be edited and keeps one node out of every stride, if it reads several nodes at all."""
    if not isinstance(part, SPREADING):
        return True
    if not (is_conv(part) or is_pool(part)):
        return False
    stride = window_of(part)[1]
    return all(
        len(after) == len(before) and all(n == m * s for n, m, s in zip(before, after, stride, strict=True))
        for before, after in seen
    )


def _roll(
    part: Any, seen: tuple[Sizes, Sizes], phases: dict[tuple[Sizes, Sizes], Phase]
) -> tuple[Phase, Sizes, str] | None:
    """What a part does between two sizes, in the order in which parts run; see `Place`."""
    before, after = seen
    low, high = sorted((before, after), key=prod)
    if len(low) != len(high) or not all(low) or any(n % m for n, m in zip(high, low, strict=True)) or low == high:
        return None
    stride = tuple(n // m for n, m in zip(high, low, strict=True))
    if (is_conv(part) or is_pool(part)) and before == high and window_of(part)[1] == stride:
        kind = "follow" if (high, stride) in phases else "choose"
        return phases.setdefault((high, stride), Phase()), stride, kind
    if (type(part) is nn.Upsample or type(part) in TRANSPOSES.values()) and after == high and (high, stride) in phases:
        return phases[high, stride], stride, "back"
    return None


def _run(module: Any, shape: tuple[int, ...], partly: bool = False) -> dict[str, set[tuple[Sizes, Sizes]]]:
    """The sizes of the maps that parts are given and give, by their names.

    If the module cannot run to its end: nothing, or those up to there.
    """
    bare = on_meta(module)
    found: dict[str, set[tuple[Sizes, Sizes]]] = {}

    def note(name: str, given: tuple[Any, ...], output: Any) -> None:
        if given and isinstance(given[0], torch.Tensor) and given[0].ndim == len(shape):
            after = tuple(output.shape[2:]) if isinstance(output, torch.Tensor) else ()
            found.setdefault(name, set()).add((tuple(given[0].shape[2:]), after))

    for name, part in _leaves(bare):
        part.register_forward_hook(lambda part, given, output, name=name: note(name, given, output))
    try:
        with torch.no_grad():
            bare(torch.empty(shape, device="meta", dtype=_real(module)))
    except Exception:
        return found if partly else {}
    return found


def on_meta(module: Any) -> Any:
    """A copy without values."""
    moved = {id(held): held.to("meta") for held in (*module.parameters(), *module.buffers())}
    for held in module.parameters():
        moved[id(held)] = nn.Parameter(moved[id(held)], requires_grad=held.requires_grad)
    return copy.deepcopy(module, moved)


def _real(module: Any) -> Any:
    return next((held.dtype for held in module.parameters() if held.dtype.is_floating_point), torch.float32)


def expense(module: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The number of parameters of a module, and of floating point operations on an input of some shape."""
    from torch.utils.flop_counter import FlopCounterMode

    count = FlopCounterMode(display=False)
    try:
        with count, torch.no_grad():
            on_meta(module)(torch.empty(shape, device="meta", dtype=_real(module)))
    except Exception:
        return None  # it makes arrays elsewhere
    return sum(held.numel() for held in module.parameters()), count.get_total_flops()
