"""Fibres: how point operations move the channels of a node.

A fibre is a number of channels that knows how they move: `(g·x)[g p] = ρ(A) x[p]`, ρ a direct sum of representations by
signed permutations. It stands where a shape has its number of channels, and plain numbers are channels that no
operation moves. Sizes add and multiply as fibres do, so a fibre *is* an integer.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
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


class Fibre(int):
    """A direct sum `m₁·ρ₁ ⊕ m₂·ρ₂ ⊕ …` of representations of one point group P; as an integer, its number of channels.

    Channels are ordered by term, then by copy, then by basis vector. `+` is the direct sum, `k *` repeats, `@` is
    the tensor product. A fibre on which every operation acts trivially equals its size.

    Args:
        terms: pairs (copies, representation).

    Raises:
        ValueError: without terms, with copies below 1, or with representations of different groups.

    >>> fibre = 8 * Fibre.regular("4mm") + 2 * Fibre.vector("4mm")
    >>> print(fibre, int(fibre))
    8·regular(4mm) ⊕ 2·vector 68
    >>> 3 * Fibre.trivial("4mm") == 3
    True
    """

    terms: Terms
    __array_ufunc__ = None  # or numpy's integers would multiply the number of channels, and drop how they move

    def __new__(cls, terms: Terms) -> Fibre:
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
        made = super().__new__(cls, size)
        made.terms = tuple(merged)
        return made

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
    def group(self) -> PointGroup:
        """P, its operations sorted."""
        return self.terms[0][1].group

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
        return tuple((start + i, sign) for start, rep in self._blocks for i, sign in rep(matrix))

    @cached_property
    def _blocks(self) -> tuple[tuple[int, Representation], ...]:
        """Every copy of every representation, with its first channel."""
        reps = [rep for copies, rep in self.terms for _ in range(copies)]
        return tuple(zip([0, *accumulate(rep.size for rep in reps)], reps, strict=False))

    @cached_property
    def kernel(self) -> frozenset[Matrix]:
        """The operations that move no channel."""
        return frozenset(a for a in self.group if all(rep(a) == rep(self._one) for _, rep in self.terms))

    @property
    def _one(self) -> Matrix:
        dim = len(self.group[0])
        return tuple(tuple(int(i == j) for j in range(dim)) for i in range(dim))

    @cached_property
    def orbits(self) -> tuple[int, ...]:
        """For each channel, the number of its orbit: the channels that operations send it to, within its copy."""
        made: list[int] = []
        for _, rep in self._blocks:
            start = max(made, default=-1) + 1
            made += [start + number for number in rep.orbits]
        return tuple(made)

    @cached_property
    def invariants(self) -> tuple[int, ...]:
        """For each channel, its entry ±1 in the invariant vector of its orbit; 0 if that has none."""
        return tuple(entry for _, rep in self._blocks for entry in rep.invariants)

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
        """The same channels under a subgroup, in the same order.

        Raises:
            ValueError: if it is no subgroup.
        """
        return Fibre(tuple((copies, rep.restrict(group)) for copies, rep in self.terms))

    def induce(self, group: Group) -> Fibre:
        """The fibre of a larger group on functions of its cosets with values in this one.

        Raises:
            ValueError: if this one's group is no subgroup of it.
        """
        return Fibre(tuple((copies, rep.induce(group)) for copies, rep in self.terms))

    def __add__(self, other: int) -> Fibre:
        """The direct sum; a plain number stands for so many scalars."""
        return Fibre(self.terms + self._terms_of(other))

    def __radd__(self, other: int) -> Fibre:
        return Fibre(self._terms_of(other) + self.terms)

    def _terms_of(self, other: int) -> Terms:
        if isinstance(other, Fibre):
            return other.terms
        scalars = as_integer(other, "what is added to a fibre", least=0)
        return ((scalars, trivial_representation(self.group)),) if scalars else ()

    def __mul__(self, copies: int) -> Fibre:
        """So many copies of the whole sum, one after the other."""
        if not is_integer(copies) or isinstance(copies, Fibre) or copies < 1:
            raise ValueError(f"a fibre is repeated a whole number of times, at least once; got {shown(copies)}")
        copies = int(copies)
        _check_size(copies * int(self))
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
        _check_size(int(self) * int(other))
        return Fibre(tuple((m * n, a @ b) for m, a in self.terms for n, b in other.terms))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Fibre) and not (self.is_trivial and other.is_trivial):
            return self.terms == other.terms
        return is_integer(other) and int(self) == int(other) and (isinstance(other, Fibre) or self.is_trivial)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(int(self)) if self.is_trivial else hash(self.terms)

    def __reduce__(self) -> tuple[Any, ...]:
        return Fibre, (self.terms,)

    def __str__(self) -> str:
        names = [(f"{copies}·" if copies > 1 else "") + rep.name for copies, rep in self.terms]
        return " ⊕ ".join([f"{names[0]}({point_group_symbol(self.group)})", *names[1:]])

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Forgotten(int):
    """A number of channels that operations moved, until a layer told them apart, for all that is known of it.

    A plain number, but that it says so: a layer that reads fibres refuses it, rather than become another network.

    Attributes:
        fibre: what they were.
        by: the layer, as text.
    """

    fibre: Fibre
    by: str

    @staticmethod
    def of(channels: int | None, by: object) -> int | None:
        """What a layer that tells channels apart makes of as many: plain numbers stay what they are."""
        if not isinstance(channels, Fibre) or channels.is_trivial:
            return channels if channels is None or isinstance(channels, Forgotten) else int(channels)
        made = Forgotten(channels)
        made.fibre, made.by = channels, str(by)
        return made

    def __eq__(self, other: object) -> bool:
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return int(self) != other

    __hash__ = int.__hash__


def as_channels(
    channels: int | None, asker: str, *, network: object = None, sizes: Sequence[int | None] = (), inputs: Any = None
) -> int:
    """A number of channels as an int, and a fibre as it is; where none is given, what else tells it.

    Args:
        channels: an exact integer (numpy's too) of at least 1, a `Fibre`, or None.
        asker: who needs it, for the error.
        network, sizes, inputs: see `told_channels`.

    Raises:
        ValueError: for anything else.
    """
    if channels is None:
        return told_channels(asker, network, sizes, inputs)
    if isinstance(channels, Fibre):
        return channels
    if not is_integer(channels) or channels < 1:
        raise ValueError(f"{asker} needs a whole number of input channels, at least one; got {channels!r}")
    return int(channels)


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


def agree(a: int, b: int) -> int:
    """What is known of the channels of a sum of two values: their fibre if it is one, under the operations of both."""
    if a == b:
        return a if isinstance(a, Fibre) else b
    if isinstance(a, Fibre) and isinstance(b, Fibre) and int(a) == int(b):
        common = tuple(m for m in a.group if m in set(b.group))
        if len(common) > 1 and a.restrict(common) == b.restrict(common):
            return a.restrict(common)
    return next((channels for channels in (a, b) if isinstance(channels, Forgotten)), int(a))


def concatenate(fibres: Sequence[int]) -> int:
    """The direct sum, under the operations of all that any moves; what nothing moves stands for so many scalars."""
    typed = [fibre for fibre in fibres if isinstance(fibre, Fibre)]
    moving = [fibre for fibre in typed if not fibre.is_trivial]
    if not moving and len({fibre.group for fibre in typed}) != 1:
        return sum(map(int, fibres))
    common = tuple(m for m in (moving or typed)[0].group if all(m in set(fibre.group) for fibre in moving))
    total: int = 0
    for fibre in fibres:
        total = total + (fibre.restrict(common) if isinstance(fibre, Fibre) and fibre in moving else int(fibre))
    return total if isinstance(total, Fibre) else Fibre.trivial(common, len(common[0])) * total
