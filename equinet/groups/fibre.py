"""Fibres: how point operations move the channels of a node.

`(g·x)[g p] = ρ(A) x[p]`, ρ a direct sum of representations by signed permutations. A shape has a fibre in the place of
its number of channels. A plain number stands for channels that no operation moves, and becomes a fibre where it comes
in (`as_fibre`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from equinet.checks import as_integer, as_items, as_kind, is_integer, shown
from equinet.groups import Matrix, point_group_symbol
from equinet.groups.representation import (
    Images,
    Representation,
    point_group,
    quotient_representation,
    sign_representation,
    trivial_representation,
    vector_representation,
)
from equinet.groups.symbols.point import PointGroup

Group = str | Sequence[Matrix]
Terms = tuple[tuple[int, Representation], ...]

MOST_CHANNELS = 1 << 20
"""Of a fibre, which says of each how it moves."""


def _is_term(term: Any) -> bool:
    """Whether it is a number of copies and a representation."""
    if not isinstance(term, list | tuple) or len(term) != 2:
        return False
    copies, rep = term
    return is_integer(copies) and copies >= 1 and isinstance(rep, Representation)


def _check_size(channels: int) -> None:
    if channels > MOST_CHANNELS:
        raise ValueError(f"a fibre has at most {MOST_CHANNELS} channels; got {shown(channels)}")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Fibre:
    """A direct sum `m₁·ρ₁ ⊕ m₂·ρ₂ ⊕ …` of representations of one point group P, or plain channels.

    Channels are ordered by term, then by copy, then by basis vector. `+` is the direct sum, `k *` repeats, `@` is
    the tensor product; a number stands for so many plain channels, and equals them. `int(fibre)` is the number of
    channels, and a fibre can stand in the shape of an array.

    Args:
        terms: pairs (copies, representation).

    Attributes:
        terms: those pairs; none of plain channels, which no operation of any group moves.
        size: the number of channels.
        forgotten: of plain channels: the fibre that they were before a layer that treated each of them differently, and
            that layer. A layer that reads fibres refuses them, rather than become another network.

    Raises:
        ValueError: without terms, with copies below 1, or with representations of different groups.

    >>> fibre = 8 * Fibre.regular("4mm") + 2 * Fibre.vector("4mm")
    >>> print(fibre, fibre.size)
    8·regular(4mm) ⊕ 2·vector 68
    >>> Fibre.plain(3) == 3, 3 * Fibre.trivial("4mm") == 3
    (True, False)
    """

    terms: Terms
    size: int
    forgotten: tuple[Fibre, str] | None = None
    __array_ufunc__ = None  # or numpy's integers would multiply the number of channels, and drop how they move

    def __init__(self, terms: Terms) -> None:
        given = as_items(terms, "a fibre is made of terms, pairs (copies, representation)")
        if not given or not all(map(_is_term, given)):
            raise ValueError(
                f"a fibre needs terms (copies, representation) with at least one copy each, such as those of "
                f"Fibre.regular('4'); got {shown(given)}"
            )
        if len({rep.group for _, rep in given}) > 1:
            raise ValueError(
                f"the terms of a fibre need one group; got {', '.join(str(rep) for _, rep in given)}: restrict some"
            )
        merged: list[tuple[int, Representation]] = []
        for copies, rep in given:
            if merged and merged[-1][1] == rep:
                copies += merged.pop()[0]
            merged.append((int(copies), rep))
        size = sum(copies * rep.size for copies, rep in merged)
        _check_size(size)
        vars(self).update(terms=tuple(merged), size=size)

    @staticmethod
    def plain(size: int, forgotten: tuple[Fibre, str] | None = None) -> Fibre:
        """So many channels that no operation moves, whatever the group."""
        fibre = object.__new__(Fibre)
        vars(fibre).update(terms=(), size=size, forgotten=forgotten)
        return fibre

    @staticmethod
    def trivial(group: Group, dim: int = 2) -> Fibre:
        """One channel on which operations act trivially: a scalar. The group is given as for `point_group`."""
        return Fibre(((1, trivial_representation(point_group(group, dim))),))

    @staticmethod
    def sign(group: Group, even: Group | None = None, dim: int = 2) -> Fibre:
        """One channel that changes its sign outside a subgroup of index 2, by default with det A: a pseudo-scalar."""
        subgroup = None if even is None else point_group(even, dim)
        return Fibre(((1, sign_representation(point_group(group, dim), subgroup)),))

    @staticmethod
    def regular(group: Group, dim: int = 2) -> Fibre:
        """One channel per operation of the group; the group permutes them as it multiplies its own elements."""
        whole = point_group(group, dim)
        return Fibre(((1, quotient_representation(whole, point_group("1", len(whole[0])))),))

    @staticmethod
    def quotient(group: Group, subgroup: Group, dim: int = 2) -> Fibre:
        """One channel per coset gK of a subgroup K, permuted as P multiplies the cosets."""
        return Fibre(((1, quotient_representation(point_group(group, dim), point_group(subgroup, dim))),))

    @staticmethod
    def vector(group: Group, dim: int = 2) -> Fibre:
        """A vector: one channel per axis, transformed as the axes are."""
        return Fibre(((1, vector_representation(point_group(group, dim))),))

    @property
    def is_plain(self) -> bool:
        """Whether it is a number of channels only."""
        return not self.terms

    @property
    def short(self) -> int | Fibre:
        """What one would write: the number of plain channels, or the fibre."""
        return self.size if self.is_plain else self

    @property
    def group(self) -> PointGroup:
        """P, its operations sorted; empty if the channels are plain."""
        return self.terms[0][1].group if self.terms else ()

    @property
    def dim(self) -> int:
        """The dimension that P acts on; 0 if the channels are plain."""
        return len(self.group[0]) if self.terms else 0

    def forget(self, layer: object) -> Fibre:
        """Plain channels that were this fibre before a layer."""
        return self if self.is_plain else Fibre.plain(self.size, None if self.is_trivial else (self, str(layer)))

    @cached_property
    def is_trivial(self) -> bool:
        """Whether no operation moves a channel."""
        return all(rep.is_trivial for _, rep in self.terms)

    @cached_property
    def is_permutation(self) -> bool:
        """Whether no operation changes the sign of a channel."""
        return all(rep.is_permutation for _, rep in self.terms)

    def __call__(self, matrix: Matrix) -> Images:
        """For each channel, the channel and sign that an operation sends it to.

        Raises:
            ValueError: if it is not in the group.
        """
        if self.is_plain:
            return tuple((channel, 1) for channel in range(self.size))
        return tuple((start + i, sign) for start, rep in self._blocks for i, sign in rep(matrix))

    @cached_property
    def _blocks(self) -> tuple[tuple[int, Representation], ...]:
        """Every copy of every representation, with its first channel."""
        reps = [rep for copies, rep in self.terms for _ in range(copies)]
        return tuple(zip([0, *accumulate(rep.size for rep in reps)], reps, strict=False))

    @cached_property
    def kernel(self) -> frozenset[Matrix]:
        """The operations of P that move no channel."""
        return frozenset(a for a in self.group if all(rep.character(a) == rep.size for _, rep in self.terms))

    @cached_property
    def orbits(self) -> tuple[int, ...]:
        """For each channel, the number of its orbit: the channels that operations send it to, within its copy."""
        if self.is_plain:
            return tuple(range(self.size))
        numbers: list[int] = []
        for _, rep in self._blocks:
            start = max(numbers, default=-1) + 1
            numbers += [start + number for number in rep.orbits]
        return tuple(numbers)

    @cached_property
    def invariants(self) -> tuple[int, ...]:
        """For each channel, its entry ±1 in the invariant vector of its orbit; 0 if that has none."""
        return (1,) * self.size if self.is_plain else tuple(v for _, rep in self._blocks for v in rep.invariants)

    @cached_property
    def split(self) -> tuple[Fibre, tuple[int, ...]]:
        """A sum of representations that permute their channels transitively (or change signs), and the order for it.

        Channel c of that fibre is channel `order[c]` of this one.

        >>> fibre, order = Fibre.regular("4mm").restrict("4").split
        >>> print(fibre, order)
        2·regular(4) (0, 3, 4, 7, 1, 5, 2, 6)
        """
        terms: list[tuple[int, Representation]] = []
        order: list[int] = []
        start = 0
        for copies, rep in self.terms:
            for part, vectors in rep.split():
                terms.append((copies, part))
                order += [start + copy * rep.size + v for copy in range(copies) for v in vectors]
            start += copies * rep.size
        return Fibre(tuple(terms)), tuple(order)

    def restrict(self, group: Group) -> Fibre:
        """The same channels under a subgroup, in the same order; plain channels under any group.

        Raises:
            ValueError: if it is no subgroup.
        """
        if self.is_plain:
            return Fibre(self._under(point_group(group)))
        return Fibre(tuple((copies, rep.restrict(group)) for copies, rep in self.terms))

    def induce(self, group: Group) -> Fibre:
        """The fibre of a larger group on functions of its cosets with values in this one.

        Raises:
            ValueError: if this one's group is no subgroup of it.
        """
        return Fibre(tuple((copies, rep.induce(group)) for copies, rep in self.terms))

    def __add__(self, other: int | Fibre) -> Fibre:
        """The direct sum; a plain number stands for so many scalars."""
        other = as_fibre(other, "what is added to a fibre", least=0)
        group = self.group or other.group
        return Fibre(self._under(group) + other._under(group)) if group else Fibre.plain(self.size + other.size)

    def __radd__(self, other: int) -> Fibre:
        return as_fibre(other, "what is added to a fibre", least=0) + self

    def _under(self, group: PointGroup) -> Terms:
        """Its terms; plain channels as scalars of a group."""
        return self.terms or (((self.size, trivial_representation(group)),) if self.size else ())

    def __mul__(self, copies: int) -> Fibre:
        """So many copies of the whole sum, one after the other."""
        if not is_integer(copies) or copies < 1:
            raise ValueError(f"a fibre is repeated a whole number of times, at least once; got {shown(copies)}")
        copies = int(copies)
        if self.is_plain:
            return Fibre.plain(copies * self.size)
        _check_size(copies * self.size)
        if len(self.terms) == 1:
            return Fibre(((copies * self.terms[0][0], self.terms[0][1]),))
        return Fibre(self.terms * copies)

    __rmul__ = __mul__

    def __matmul__(self, other: Fibre) -> Fibre:
        """The tensor product, term by term.

        Raises:
            ValueError: if the groups differ.
        """
        as_kind(other, Fibre, "a tensor product needs another fibre")
        _check_size(self.size * other.size)
        return Fibre(tuple((m * n, a @ b) for m, a in self.terms for n, b in other.terms))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Fibre):
            return self.terms == other.terms and self.size == other.size
        return self.is_plain and is_integer(other) and self.size == other

    def __hash__(self) -> int:
        return hash(self.terms or self.size)

    def __bool__(self) -> bool:
        return self.size > 0

    def __index__(self) -> int:
        return self.size

    def __str__(self) -> str:
        if self.is_plain:
            return str(self.size)
        names = [(f"{copies}·" if copies > 1 else "") + rep.name for copies, rep in self.terms]
        return " ⊕ ".join([f"{names[0]}({point_group_symbol(self.group)})", *names[1:]])

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def as_fibre(channels: int | Fibre | None, what: str = "a number of channels", least: int = 0) -> Fibre:
    """A fibre as it is, and a number as so many plain channels; None, which is not known, as none."""
    if isinstance(channels, Fibre):
        return channels
    return Fibre.plain(0 if channels is None else as_integer(channels, what, least=least))


def as_channels(channels: int | Fibre | None, asker: str, network: object, sizes: Sequence[int | None]) -> Fibre:
    """What a user calls the channels of the input; where that is nothing, what else tells their number.

    Args:
        channels: an exact integer (numpy's too) of at least 1, a `Fibre`, or None.
        asker: who needs it, for the error.
        network, sizes: see `told_channels`.

    Raises:
        ValueError: for anything else.
    """
    if channels is None:
        return Fibre.plain(told_channels(asker, network, sizes))
    if not isinstance(channels, Fibre) and not (is_integer(channels) and channels >= 1):
        raise ValueError(f"{asker} needs a whole number of input channels, at least one; got {channels!r}")
    return as_fibre(channels)


def told_channels(asker: str, network: object, sizes: Sequence[int | None], inputs: Any = None) -> int:
    """How many channels the input has, where nobody says: those of given inputs, or those that weights are made for.

    Args:
        asker: who needs it, for the error.
        network: if it is bound to its variables, it has a method `input_channels`, which says what they tell.
        sizes: of the input's axes, None where they are infinite.
        inputs: examples `[n, *sizes, channels]`, or None.

    Returns:
        That number; 1, with a warning, where neither tells it.

    Raises:
        ValueError: if the inputs are no such array.
    """
    shape = tuple(getattr(inputs, "shape", ()))
    if shape and len(shape) == len(sizes) + 2:
        return shape[-1]
    if shape:
        wanted = ", ".join("size" if n is None else str(n) for n in sizes)
        raise ValueError(f"{asker}: inputs are examples [n, {wanted}, channels]; got shape {shape}")
    tell = getattr(network, "input_channels", None)
    told = None if tell is None else tell(sizes)
    if told is None:
        warnings.warn(
            f"{asker} takes 1 input channel, since no weights tell how many there are: pass channels=, such as "
            f"channels=3, or a network whose weights tell it, net.bind(variables)",
            stacklevel=4,
        )
        return 1
    return told


def agree(a: Fibre, b: Fibre) -> Fibre:
    """What is known of the channels of a sum of two values: their fibre if it is one, under the operations of both."""
    if a.forgotten or b.forgotten:
        return a if a.forgotten else b
    if a == b or (a.size == b.size and a.is_trivial and b.is_trivial):
        return b if a.is_plain else a
    common = tuple(m for m in a.group if m in set(b.group))
    if len(common) > 1 and a.restrict(common) == b.restrict(common):
        return a.restrict(common)
    return Fibre.plain(a.size)


def concatenate(fibres: Sequence[Fibre]) -> Fibre:
    """The direct sum, under the operations of all that any moves; what nothing moves stands for so many scalars."""
    stated = [fibre for fibre in fibres if not fibre.is_plain]
    moving = [fibre for fibre in stated if not fibre.is_trivial]
    if not moving and len({fibre.group for fibre in stated}) != 1:
        return Fibre.plain(sum(fibre.size for fibre in fibres))
    common = tuple(m for m in (moving or stated)[0].group if all(m in set(fibre.group) for fibre in moving))
    parts = [fibre if fibre in moving else Fibre.plain(fibre.size) for fibre in fibres if fibre.size]
    return Fibre(tuple(term for part in parts for term in part.restrict(common).terms))
