"""Small modules of PyTorch that repairs put in place of others; none has parameters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from threading import local
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from equinet.interop.torch import phases

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSES = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class SpreadMean(nn.Module):
    """The mean of a map `[batch, channels, *spatial]`, at each node of a map of some size; None keeps the map's own.

    What reads the map afterwards, with weights of its own for every node, then computes

        Σ_p w_p · mean(x),

    the mean over all shifts of what it computed before: no weight changes, and no shift matters.
    """

    def __init__(self, sizes: Sequence[int | None]) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The map of means."""
        dims = tuple(range(2, x.ndim))
        sizes = [n or x.shape[dim] for dim, n in zip(dims, self.sizes, strict=True)]
        return x.mean(dims, keepdim=True).expand(*x.shape[:2], *sizes)

    def extra_repr(self) -> str:
        return f"sizes={tuple(self.sizes)}"


class Phase(local):
    """The phase that the data chose where a map of some size goes down, for all parts that do so there.

    It lasts for one run, in one thread: a copy has none yet.
    """

    offset: torch.Tensor | None = None

    def __reduce__(self) -> tuple[type[Phase], tuple[()]]:
        return Phase, ()


class Roll(nn.Module):
    """A map `[batch, channels, *spatial]` rolled so that the phase which the data choose comes to the origin.

    With `y[p] = x[p + o]`, what keeps every s-th node of y keeps those of x that the data say, whose norm is the
    largest: a shift of the input moves them with it (Chaman and Dokmanić 2021). The first part that goes down from a
    map chooses; others beside it, such as a shortcut, take the same phase, and what comes up again rolls back.

    Args:
        phase: shared by these.
        stride: s, one per axis.
        kind: "choose", "follow" or "back".
    """

    def __init__(self, phase: Phase, stride: Sequence[int], kind: str) -> None:
        super().__init__()
        self.phase, self.stride, self.kind = phase, list(stride), kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The rolled map."""
        if self.kind == "choose":
            y, self.phase.offset = phases.roll_to_largest(x, self.stride)
            return y
        if self.phase.offset is None:
            raise RuntimeError("this part takes a phase that another chooses, and ran before it")
        turn = phases.roll_to_phase if self.kind == "follow" else phases.roll_from_phase
        return turn(x, self.phase.offset, self.stride)

    def extra_repr(self) -> str:
        return f"{self.kind}, stride={tuple(self.stride)}"


class Wrapped(nn.Module):
    """A pool without padding on a map that is continued around the torus by so many nodes on either side.

    If there is a roll, the map is rolled before.
    """

    def __init__(self, pool: nn.Module, pads: Sequence[tuple[int, int]], roll: Roll | None = None) -> None:
        super().__init__()
        self.pool, self.pads, self.roll = pool, tuple(pads), roll

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the pool makes of the longer map."""
        return self.pool(around(x if self.roll is None else self.roll(x), self.pads))

    def extra_repr(self) -> str:
        return f"pads={self.pads}"


class MeanOver(nn.Module):
    """The mean over a window whose nodes are so far apart, at every node: `[batch, channels, *spatial]`."""

    def __init__(self, window: Sequence[int], dilation: Sequence[int]) -> None:
        super().__init__()
        self.window, self.dilation = tuple(window), tuple(dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A convolution of each channel with a constant."""
        channels, dim = x.shape[1], len(self.window)
        kernel = x.new_ones(channels, 1, *self.window) / prod(self.window)
        convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dim]
        return convolve(x, kernel, dilation=self.dilation, groups=channels)

    def extra_repr(self) -> str:
        return f"window={self.window}, dilation={self.dilation}"


def around(x: torch.Tensor, pads: Sequence[tuple[int, int]]) -> torch.Tensor:
    """A map `[batch, channels, *spatial]` continued around the torus, by `(before, after)` nodes along each axis."""
    flat = [n for pair in reversed(pads) for n in pair]
    return F.pad(x, flat, mode="circular") if any(flat) else x


def _wrapping(base: type[Any]) -> type[Any]:
    class Wrapping(base):
        """A convolution without padding on a map that is continued around the torus; its parameters are as ever.

        If there is a roll, the map is rolled before.
        """

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.pads: tuple[tuple[int, int], ...] = ()
            self.roll: Roll | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(around(x if self.roll is None else self.roll(x), self.pads))

        def extra_repr(self) -> str:
            return f"{super().extra_repr()}, pads={self.pads}"

    Wrapping.__name__ = Wrapping.__qualname__ = f"Wrapping{base.__name__}"
    return Wrapping


def _returning(base: type[Any]) -> type[Any]:
    class Returning(base):
        """A transposed convolution whose map is rolled back; its parameters are as ever."""

        def __init__(self, roll: Roll, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.roll = roll

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.roll(super().forward(x))

    Returning.__name__ = Returning.__qualname__ = f"Returning{base.__name__}"
    return Returning


# By names of this file, so that repaired modules can be pickled.
WrappingConv1d, WrappingConv2d, WrappingConv3d = map(_wrapping, CONVS.values())
ReturningConvTranspose1d, ReturningConvTranspose2d, ReturningConvTranspose3d = map(_returning, TRANSPOSES.values())
WRAPPING = {1: WrappingConv1d, 2: WrappingConv2d, 3: WrappingConv3d}
RETURNING = {1: ReturningConvTranspose1d, 2: ReturningConvTranspose2d, 3: ReturningConvTranspose3d}
