"""Digits: how an axis of an array is made up of axes whose nodes are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar


@dataclass(frozen=True)
class Digit:
    """A part of an array axis, whose index is a mixed-radix number with the most significant digit first.

    Attributes:
        size: how many values it takes.
        axis: the field's axis whose nodes it counts; None if isometries do not move along it.
        stride: how many nodes of that axis it steps over.
        uniform: whether the array is the same all along it (only where `axis` is None).
        chooses: whether an adaptive layer made a choice of its own for each index (of the examples, say).
    """

    size: int
    axis: int | None = None
    stride: int = 1
    uniform: bool = False
    chooses: bool = False

    def split(self, minor: int) -> tuple[Digit, Digit]:
        """Two digits for one, the less significant of size `minor`."""
        return (
            replace(self, size=self.size // minor, stride=self.stride * minor),
            replace(self, size=minor),
        )


Layout = tuple[tuple[Digit, ...], ...]
Item = TypeVar("Item")


def with_item(items: Sequence[Item], at: int, new: Item) -> tuple[Item, ...]:
    """The same items but for one."""
    return (*items[:at], new, *items[at + 1 :])


def tidy(digits: Sequence[Digit]) -> tuple[Digit, ...]:
    """The same axis with neighbouring digits put together where they are one, and digits of size 1 left out.

    Two free digits are one, of the product of their sizes. Two of one grid axis are, if the first steps over all that
    the second counts: `i = i₁ · n₂ s₂ + i₂ · s₂`.
    """
    kept: list[Digit] = []
    for digit in digits:
        if digit.size == 1 and digit.axis is None:
            continue
        last = kept[-1] if kept else None
        if (
            last is not None
            and (last.axis, last.uniform, last.chooses) == (digit.axis, digit.uniform, digit.chooses)
            and (digit.axis is None or last.stride == digit.stride * digit.size)
        ):
            kept[-1] = replace(digit, size=last.size * digit.size)
        else:
            kept.append(digit)
    return tuple(kept)


def free(*sizes: int) -> Layout:
    """Axes along which no isometry moves anything."""
    return tuple((Digit(n),) for n in sizes)
