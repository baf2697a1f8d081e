"""Convolutions with free kernels, or with kernels that commute with a point group: the one place that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, get_args

from equinet.checks import shown
from equinet.groups import Matrix
from equinet.groups.fibre import Fibre
from equinet.groups.representation import point_group
from equinet.groups.symbols.point import PointGroup
from equinet.layers import Conv, ConvTranspose, Dense, GroupConv, GroupConvTranspose, GroupPool, Layer

Group = str | Sequence[Matrix] | None
Match = Literal["parameters", "cost", "width"]

MATCHES: tuple[str, ...] = get_args(Match)


def read_group(model: str, group: Group, dim: int) -> PointGroup | None:
    """The operations of a model's `group`, sorted.

    Raises:
        ValueError: for an unknown symbol, or something else than a symbol, matrices or None.
    """
    if group is None:
        return None
    try:
        return point_group(group, dim)
    except (TypeError, ValueError) as error:
        hint = "" if isinstance(error, TypeError) else f": {error}"
        shape = "a symbol such as 'p4m', '4mm' or (with dim=3) 'm-3m', matrices, or None"
        raise ValueError(f"{model}: group must be {shape}; got {shown(group)}{hint}") from None


@dataclass(frozen=True)
class Filters:
    """The convolutions of a model, over a point group P or (None) plain.

    Over P a map holds copies of the regular representation, |P| channels each. How many stand for the `width` channels
    of a plain network depends on `match`, each layer by itself, rounded, at least one:

    - "parameters": width / √|P| copies, since a kernel between m copies and n has m n |P| weights a tap;
    - "cost": width / |P| copies, as many channels as the plain network, and about as many multiplications;
    - "width": `width` copies.

    >>> str(Filters(point_group("p4m")).channels(64)), str(Filters(point_group("p4m"), "cost").channels(64))
    ('23·regular(4mm)', '8·regular(4mm)')
    """

    group: PointGroup | None = None
    match: Match = "parameters"

    def channels(self, width: int, multiple: int = 1) -> Fibre:
        """What stands for `width` channels of a plain network; the copies are a multiple of `multiple`."""
        if self.group is None:
            return Fibre.plain(width)
        order = len(self.group)
        share = {"parameters": sqrt(order), "cost": order, "width": 1}[self.match]
        copies = max(round(width / share / multiple), 1) * multiple
        return copies * Fibre.regular(self.group)

    def conv(
        self,
        width: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: str = "zero",
        bias: bool = True,
        depthwise: bool = False,
        multiple: int = 1,
    ) -> Layer:
        """A convolution to `width` channels."""
        out = self.channels(width, multiple)
        if not out.is_plain:
            return GroupConv(out, kernel, stride=stride, padding=padding, depthwise=depthwise, bias=bias)
        groups = width if depthwise else 1
        return Conv(width, kernel, stride=stride, padding=padding, groups=groups, bias=bias)

    def transposed(self, width: int, kernel: int, *, stride: int, padding: str) -> Layer:
        """A transposed convolution to `width` channels."""
        out = self.channels(width)
        if not out.is_plain:
            return GroupConvTranspose(out, kernel, stride=stride, padding=padding)
        return ConvTranspose(width, kernel, stride=stride, padding=padding)

    def dense(self, width: int, multiple: int = 1) -> Layer:
        """A linear map to `width` channels at every node."""
        out = self.channels(width, multiple)
        return Dense(width) if out.is_plain else GroupConv(out, 1)

    def scores(self, classes: int, kernel: int = 1, padding: str = "zero") -> Layer:
        """A convolution to a map of scores, whose channels no operation moves."""
        if self.group is None:
            return Conv(classes, kernel, padding=padding)
        return GroupConv(Fibre.trivial(self.group) * classes, kernel, padding=padding)

    def pooled(self) -> tuple[Layer, ...]:
        """From what operations move to scalars: the maximum over the channels of each copy."""
        return () if self.group is None else (GroupPool(),)
