"""Small modules of PyTorch that repairs put in place of others; none has parameters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


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


class Wrapped(nn.Module):
    """A pool without padding on a map that is continued around the torus by so many nodes on either side."""

    def __init__(self, pool: nn.Module, pads: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.pool, self.pads = pool, tuple(pads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the pool makes of the longer map."""
        return self.pool(around(x, self.pads))

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
        kernel = x.new_ones(channels, 1, *self.window) / torch.tensor(self.window).prod().item()
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
        """A convolution without padding on a map that is continued around the torus; its parameters are as ever."""

        pads: tuple[tuple[int, int], ...] = ()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(around(x, self.pads))

        def extra_repr(self) -> str:
            return f"{super().extra_repr()}, pads={self.pads}"

    Wrapping.__name__ = Wrapping.__qualname__ = f"Wrapping{base.__name__}"
    return Wrapping


WRAPPING = {dim: _wrapping(base) for dim, base in CONVS.items()}
