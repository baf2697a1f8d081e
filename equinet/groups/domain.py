"""Domains: which transformations of the input are asked about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Literal, Never

import numpy as np

from equinet.checks import as_choice, as_integer, as_items, is_integer, is_real, shown
from equinet.groups import Isometry, Lattice, Matrix, SpaceGroup, Vector, axis_images, signed_permutations
from equinet.groups.isometry import as_rows, is_signed_permutation

Boundary = Literal["periodic", "bounded", "infinite"]

MOST_AXES = 4
"""Of a grid whose group is asked for: with d axes it has up to 2^d d! point operations."""

MOST_JOINED = 2 * MOST_AXES
"""Of any grid: attention has one over pairs of nodes."""

_MADE_OF = f"a domain is made of at most {MOST_AXES} axes, such as (periodic(8), bounded(9))"

MOST_ALONG = 1 << 20
"""Nodes along an axis that are listed."""

MOST_NODES = 1 << 26
"""Of a grid whose nodes are listed."""


@dataclass(frozen=True)
class Axis:
    """One axis of a grid: its size (None if infinite) and what lies beyond its ends.

    Raises:
        ValueError: if the boundary is unknown, or the size is no exact integer of at least 1.
    """

    size: int | None
    boundary: Boundary

    def __post_init__(self) -> None:
        as_choice(self.boundary, ("periodic", "bounded", "infinite"), "the boundary of an axis")
        if (self.size is None) != (self.boundary == "infinite"):
            raise ValueError(
                f"a periodic or bounded axis needs a size and an infinite one has none; got size {shown(self.size)} of "
                f"a {self.boundary} axis"
            )
        if self.size is not None:
            object.__setattr__(self, "size", as_integer(self.size, "the size of an axis", least=1))

    def __str__(self) -> str:
        return "Z" if self.size is None else f"{self.size}" + ("°" if self.boundary == "periodic" else "")


def periodic(size: int) -> Axis:
    """An axis that wraps around."""
    return Axis(size, "periodic")


def bounded(size: int) -> Axis:
    """An axis with two ends."""
    return Axis(size, "bounded")


def infinite() -> Axis:
    """An axis without ends."""
    return Axis(None, "infinite")


@dataclass(frozen=True)
class Domain:
    """A grid with a boundary along each axis; its group is all the isometries that map it to itself.

    Isometries are maps of Z^d modulo the periods. So along a periodic axis of size 1 or 2 a reflection counts as a
    separate element, although it moves the points in the same way as a shift.

    >>> torus(4, 4).group.order, box(4, 4).group.order, Domain((periodic(8), bounded(9))).group.order
    (128, 8, 32)
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        axes = as_items(self.axes, _MADE_OF)
        if not all(isinstance(axis, Axis) for axis in axes) or len(axes) > MOST_JOINED:
            raise ValueError(f"{_MADE_OF}; got {shown(axes)}")
        object.__setattr__(self, "axes", axes)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @cached_property
    def sizes(self) -> tuple[int | None, ...]:
        """Size of each axis, None where infinite."""
        return tuple(axis.size for axis in self.axes)

    @property
    def is_finite(self) -> bool:
        """Whether every axis has a size."""
        return None not in self.sizes

    @cached_property
    def periods(self) -> Lattice:
        """The translations that act as the identity."""
        return Lattice.diagonal([axis.size or 0 if axis.boundary == "periodic" else 0 for axis in self.axes])

    @cached_property
    def wrapped(self) -> Domain:
        """The grid with its bounded axes wrapped around, which has more isometries."""
        if all(axis.boundary != "bounded" for axis in self.axes):
            return self
        return Domain(tuple(periodic(axis.size) if axis.size else axis for axis in self.axes))

    def shift_of(self, matrix: Matrix) -> Vector | None:
        """The smallest shift with which a point operation maps the grid to itself, or None if none does.

        Along a bounded axis it is the only one: 0, or size − 1 where the axis is reversed.

        Raises:
            ValueError: if it is no signed permutation of this many axes.
        """
        rows = as_rows(matrix, "a point operation: its entries")
        if len(rows) != self.dim or not is_signed_permutation(rows):
            raise ValueError(f"{self} is moved by signed permutations of {self.dim} axes; got {shown(rows)}")
        shift = [0] * self.dim
        for axis, (image, sign) in enumerate(axis_images(rows)):
            if self.axes[axis] != self.axes[image]:
                return None
            if sign < 0 and self.axes[image].boundary == "bounded":
                shift[image] = (self.axes[image].size or 1) - 1
        return tuple(shift)

    @cached_property
    def group(self) -> SpaceGroup:
        """All isometries of the grid.

        Raises:
            ValueError: if it has more than four axes.
        """
        if self.dim > MOST_AXES:
            raise ValueError(f"{_MADE_OF}, if its group is asked for; got {self.dim}")
        steps = [0 if axis.boundary == "bounded" else 1 for axis in self.axes]
        found = [(matrix, self.shift_of(matrix)) for matrix in signed_permutations(self.dim)]
        kept = tuple((matrix, shift) for matrix, shift in found if shift is not None)
        return SpaceGroup(Lattice.diagonal(steps), kept, self.periods)

    def index_map(self, g: Isometry) -> np.ndarray:
        """The flat index of `g p` for every flat index p (row-major), an int array of length ∏ sizes.

        Raises:
            ValueError: if the domain is infinite, or g does not map it to itself.
        """
        if not self.is_finite:
            raise ValueError(f"{self} has no finite index map")
        if g not in self.group:
            raise ValueError(f"{g} is not an isometry of {self}")
        if prod(size or 1 for size in self.sizes) > MOST_NODES:
            raise ValueError(f"{self} has too many nodes for an index map, which lists them: at most {MOST_NODES}")
        sizes = [size or 1 for size in self.sizes]
        if not sizes:
            return np.zeros(1, dtype=np.int64)
        points = np.indices(sizes).reshape(len(sizes), -1)
        moved = np.asarray(g.matrix) @ points + np.asarray(g.whole_shift)[:, None]
        return np.asarray(np.ravel_multi_index(tuple(moved % np.asarray(sizes)[:, None]), sizes))

    def __str__(self) -> str:
        kinds = {axis.boundary for axis in self.axes}
        if kinds == {"infinite"}:
            return f"plane({self.dim})"
        if len(kinds) == 1:
            name = "torus" if kinds == {"periodic"} else "box"
            return f"{name}({', '.join(str(axis.size) for axis in self.axes)})"
        return "domain(" + ", ".join(str(axis) for axis in self.axes) + ")" if self.axes else "point"


def as_domain(domain: Domain, asker: str, *, finite: bool = False) -> Domain:
    """A domain of an input, along whose axes nodes are listed.

    Args:
        domain: what was given.
        asker: who needs it, for the error.
        finite: whether it must have a size along every axis.

    Raises:
        TypeError: if it is no domain, or one without axes.
        ValueError: if it is infinite where it must not be, or too large to be listed.
    """
    if not isinstance(domain, Domain) or not domain.dim:
        raise TypeError(
            f"{asker} needs a domain, such as eq.torus(32, 32), eq.box(32, 32) or eq.plane(2); got {shown(domain)}"
        )
    if domain.dim > MOST_AXES:
        raise ValueError(f"{asker}: {_MADE_OF}; got {domain.dim}")
    if finite and not domain.is_finite:
        raise ValueError(f"{asker} needs a finite domain, such as torus(32, 32); got {domain}")
    if any(size is not None and size > MOST_ALONG for size in domain.sizes):
        raise ValueError(
            f"{asker}: {domain} has more than {MOST_ALONG} nodes along an axis, which are listed one by one: ask on a "
            f"smaller size with the same remainder modulo the strides, or on plane({domain.dim})"
        )
    return domain


def _axes(sizes: Iterable[int], boundary: Boundary, name: str) -> Domain:
    kept = tuple(sizes)
    if not 1 <= len(kept) <= 3 or not all(is_integer(size) and size >= 1 for size in kept):
        raise ValueError(
            f"{name} needs one to three sizes, whole numbers of at least 1; got {shown(kept)}: {_remedy(kept, name)}"
        )
    return Domain(tuple(Axis(size, boundary) for size in kept))


def _remedy(sizes: tuple[Any, ...], name: str) -> str:
    """What to write in place of sizes that are none: the same as whole numbers, if that is what they say."""
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        return f"unpack them, {name}(*sizes)"
    told = [int(size) if isinstance(size, str) and size.isdecimal() and size.isascii() else size for size in sizes]
    whole = [int(size) for size in told if is_real(size) and size == int(size) >= 1]
    meant = whole if whole and len(whole) == len(sizes) <= 3 else [32, 32]
    return f"write {name}({', '.join(map(str, meant))})"


def torus(*sizes: int) -> Domain:
    """Cyclic shifts modulo the sizes, with every flip, rotation and transpose that respects them.

    >>> print(torus(8, 8).group, "|", torus(8, 6).group)
    Z × Z ⋊ 4mm (p4m, index 1) | Z × Z ⋊ 2mm (pmm, index 1)
    """
    return _axes(sizes, "periodic", "torus")


def box(*sizes: int) -> Domain:
    """A bounded image: only the flips, rotations and transposes about its centre.

    >>> print(box(8, 8).group)
    4mm at (7/2, 7/2) (order 8)
    """
    return _axes(sizes, "bounded", "box")


def plane(dim: int, *sizes: Never) -> Domain:
    """All of Z^d and its point operations: padding and size play no part.

    Args:
        dim: the number d of axes.
        *sizes: none; a plane has no sizes.

    Raises:
        ValueError: unless dim is 1, 2 or 3 and stands alone.

    >>> print(plane(2), plane(2).group)
    plane(2) Z × Z ⋊ 4mm (p4m, index 1)
    """
    if sizes or not is_integer(dim) or dim not in (1, 2, 3):
        got = shown((dim, *sizes) if sizes else dim)
        meant = len(sizes) + 1 if len(sizes) in (1, 2) else 2
        raise ValueError(f"plane needs a dimension of 1, 2 or 3, and has no sizes; got {got}: write plane({meant})")
    return Domain(tuple(infinite() for _ in range(dim)))
