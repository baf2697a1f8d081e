"""Phases that the data choose, in PyTorch: the choice of `equinet.PolyphaseRoll` to the last bit, and rolls by it.

These are operations of PyTorch's own registry, so that `torch.export` keeps each of them as one, and the table can say
what is declared of it. The choice is made by integers alone (`equinet.ops.selection` says why), and has no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from equinet.groups.fibre import Fibre
from equinet.ops.selection import renamed

Tensor = torch.Tensor

WORD = (1 << 32) - 1
MANTISSA = 23
INFINITE = 0x7F800000


@torch.library.custom_op("equinet::roll_to_largest", mutates_args=())
def roll_to_largest(x: Tensor, stride: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The map rolled so that its component of the largest norm comes to the origin, `y[p] = x[p + o]`, and o.

    Args:
        x: `[batch, channels, *spatial]`.
        stride: s, one per axis, which divides the sizes; the components are `x_o[i] = x[s i + o]`.

    Returns:
        y, and o as int32 `[batch, d]`: one choice for each example.
    """
    offset = _choose(x.detach().float(), tuple(stride))
    return _rolled(x, offset, stride, 1), offset


@torch.library.custom_op("equinet::roll_to_phase", mutates_args=())
def roll_to_phase(x: Tensor, offset: Tensor, stride: Sequence[int]) -> Tensor:
    """The map rolled so that a phase `[batch, d]`, chosen before with some stride, comes to the origin."""
    return _rolled(x, offset, stride, 1)


@torch.library.custom_op("equinet::roll_from_phase", mutates_args=())
def roll_from_phase(x: Tensor, offset: Tensor, stride: Sequence[int]) -> Tensor:
    """The map rolled back, `y[p + o] = x[p]`."""
    return _rolled(x, offset, stride, -1)


def _rolled(x: Tensor, offset: Tensor, stride: Sequence[int], sign: int) -> Tensor:
    for axis, s in enumerate(stride):
        if s > 1:
            size = x.shape[axis + 2]
            nodes = torch.arange(size, device=x.device) + sign * offset[:, axis : axis + 1].long()
            shape = [x.shape[0], *(size if other == axis + 2 else 1 for other in range(1, x.ndim))]
            x = torch.take_along_dim(x, (nodes % size).reshape(shape), axis + 2)
    return x.clone(memory_format=torch.contiguous_format)


@roll_to_largest.register_fake
def _(x: Tensor, stride: Sequence[int]) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty((x.shape[0], len(stride)), dtype=torch.int32)


@roll_to_phase.register_fake
@roll_from_phase.register_fake
def _(x: Tensor, offset: Tensor, stride: Sequence[int]) -> Tensor:
    del offset, stride
    return x.new_empty(x.shape)


def _keep_choice(ctx: Any, inputs: Any, output: Any) -> None:
    (_, ctx.stride), (_, offset) = inputs, output
    ctx.save_for_backward(offset)


def _keep_phase(ctx: Any, inputs: Any, output: Any) -> None:
    del output
    _, offset, ctx.stride = inputs
    ctx.save_for_backward(offset)


roll_to_largest.register_autograd(
    lambda ctx, grad, _: (roll_from_phase(grad, *ctx.saved_tensors, ctx.stride), None), setup_context=_keep_choice
)
roll_to_phase.register_autograd(
    lambda ctx, grad: (roll_from_phase(grad, *ctx.saved_tensors, ctx.stride), None, None), setup_context=_keep_phase
)
roll_from_phase.register_autograd(
    lambda ctx, grad: (roll_to_phase(grad, *ctx.saved_tensors, ctx.stride), None, None), setup_context=_keep_phase
)


def _choose(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """The offsets `[batch, d]` of the components with the largest 2-norm; what the map holds breaks ties."""
    x = torch.where(x.abs() < torch.finfo(x.dtype).tiny, 0.0, x)  # as XLA takes them
    found = _leaders(_norms(x, stride))
    if (found.sum(1) > 1).any():
        whole, directed = _content_keys(x, stride)
        alike = ((whole[:, :, None] == whole[:, None, :]) & found[:, None, :]).sum(-1)
        found = _leaders([-alike, whole, directed], found)
    flat = found.int().argmax(1)
    return torch.stack(torch.unravel_index(flat, stride), -1).int()


def _leaders(keys: Sequence[Tensor], among: Tensor | None = None) -> Tensor:
    """The components, `[batch, phases]`, that come first in the lexicographic order of the keys."""
    found = torch.ones_like(keys[0], dtype=torch.bool) if among is None else among
    for key in keys:
        best = key.where(found, key.min()).amax(1, keepdim=True)
        found = found & (key == best)
    return found


def _by_phase(x: Tensor, stride: tuple[int, ...], combine: Callable[[Tensor, list[int]], Tensor]) -> Tensor:
    """What `combine` makes of all values of each component of `[batch, channels, *spatial]`: `[batch, phases]`."""
    sizes = [n for size, s in zip(x.shape[2:], stride, strict=True) for n in (size // s, s)]
    return combine(x.reshape(*x.shape[:2], *sizes), [1, *range(2, x.ndim * 2 - 2, 2)]).flatten(1)


def _norms(x: Tensor, stride: tuple[int, ...]) -> list[Tensor]:
    """Whole numbers that order the components by their 2-norm, most significant first.

    Squares of values, scaled by a power of two so that the largest of an example lies in [1, 2), are cut to multiples
    of 2^-44 and added as integers, in two parts. Components with NaN come before those with infinities, and those
    before finite ones.
    """
    largest = _by_phase(x.view(torch.int32) & 0x7FFFFFFF, stride, lambda v, axes: v.amax(axes))
    broken = (largest >= INFINITE).long() + (largest > INFINITE).long()
    exponent = (largest.amax(1) >> MANTISSA).long()
    front = (-1, *(1,) * (x.ndim - 1))
    scale = ((254 - exponent).clamp(1, 253) << MANTISSA).int().view(torch.float32).reshape(front)
    # The inverse of the largest powers of two is too small to be normal.
    half = torch.where(exponent == 254, 0.5, 1.0).to(scale.dtype).reshape(front)
    square = (x * half * scale) ** 2
    moved = square.where(square < 4, 0.0) * 2.0 ** (MANTISSA - 2)
    high = moved.round()
    low = ((moved - high) * 2.0**MANTISSA).long() + (1 << (MANTISSA - 1))
    high, low = (_by_phase(part, stride, lambda v, axes: v.sum(axes)) for part in (high.long(), low))
    return [broken, high + (low >> MANTISSA), low & ((1 << MANTISSA) - 1)]


def _mix(h: Tensor) -> Tensor:
    """A bijection of words of 32 bits, held in 64, that spreads every bit (the finaliser of MurmurHash3)."""
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & WORD
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & WORD
    return h ^ (h >> 16)


def _content_keys(x: Tensor, stride: tuple[int, ...]) -> list[Tensor]:
    """Two statistics of what the map holds, seen from the nodes of each phase; see `equinet.ops.selection`."""
    dim, channels = len(stride), x.shape[1]
    salts = _mix(torch.arange(1, max(channels, 2 * dim) + 1, device=x.device))
    zeroless = torch.where(x == 0, 0.0, x).view(torch.int32).long() & WORD
    by_channel = salts[:channels].reshape(-1, *(1,) * dim)
    nodes = _mix(_mix(zeroless ^ by_channel).sum(1, keepdim=True) & WORD)
    turns = sum(n // 2 for n in x.shape[2:])
    keys = []
    for directions in renamed(stride, x.shape[2:], Fibre.plain(channels))[0]:
        h = nodes
        for _ in range(turns):
            total = h * 0x9E3779B1
            for number, direction in enumerate(directions):
                total = total + _mix(h.roll((1, -1)[number % 2], number // 2 + 2) ^ salts[int(direction)])
            h = _mix(total & WORD)
        keys.append(_by_phase(_mix(h), stride, lambda v, axes: v.sum(axes)) & WORD)
    return [torch.stack([_mix(key) for key in keys]).sum(0) & WORD, keys[0]]
