"""Space groups: a translation lattice and one coset representative for each point operation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from equinet.checks import MOST_AXES, as_integer, as_integers, as_items, as_kind, shown
from equinet.groups.isometry import (
    Isometry,
    Matrix,
    Vector,
    as_rows,
    identity_matrix,
    inverse_matrix,
    is_signed_permutation,
    matmul,
    matvec,
)
from equinet.groups.lattice import Lattice, solve
from equinet.groups.symbols.plane import plane_group_symbol
from equinet.groups.symbols.point import closure, order_of
from equinet.groups.symbols.text import read_parts, write_group


def _sub(a: Sequence[int], b: Sequence[int]) -> Vector:
    return tuple(x - y for x, y in zip(a, b, strict=True))


def _add(a: Sequence[int], b: Sequence[int]) -> Vector:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def meet_cosets(a: Lattice, at: Sequence[int], b: Lattice, bt: Sequence[int]) -> Vector | None:
    """A vector in both `at + a` and `bt + b`, or None if they are disjoint."""
    if a == b:
        return tuple(at) if _sub(at, bt) in a else None
    zero = (0,) * a.dim
    stacked = Lattice.span([row + row for row in a.basis] + [row + zero for row in b.basis], 2 * a.dim)
    return solve(stacked, a.dim, (*_sub(at, bt), *at))


def _operation(matrix: Matrix, shift: Vector, dim: int) -> tuple[Matrix, Vector]:
    """A point operation with its shift, if they are one."""
    rows = as_rows(matrix, "a point operation: its entries")
    kept = as_integers(shift, "the shift of a point operation")
    if len(rows) != dim or len(kept) != dim or not is_signed_permutation(rows):
        raise ValueError(
            f"a group of isometries of Z^{dim} holds signed permutation matrices and shifts of that size; "
            f"got {shown(rows)} and {shown(kept)}"
        )
    return rows, kept


def _periods(dim: int, given: Lattice | None) -> Lattice:
    """The periods of a group of isometries of Z^dim; none by default."""
    dim = as_integer(dim, "the dimension of a grid", least=0, most=MOST_AXES)
    if given is None:
        return Lattice.zero(dim)
    if as_kind(given, Lattice, "the periods of a group are a lattice, such as Lattice.diagonal((8, 8))").dim != dim:
        raise ValueError(f"the periods {given} lie in Z^{given.dim}; the group acts on Z^{dim}")
    return given


@dataclass(frozen=True, repr=False)
class SpaceGroup:
    """A group of isometries of Z^d: translations L, and for each point operation A one shift `t_A` modulo L.

    An isometry `(A, t)` belongs to the group iff A is one of the operations and `t − t_A ∈ L`. `periods` are the
    translations that act as the identity: `N Z^d` on a torus (L contains them), {0} along bounded and infinite axes.
    Build one with `generate`, `of_translations`, `trivial`, or ask a `Domain` for its group.

    Args:
        lattice: the translations L.
        operations: pairs `(A, t_A)`, one per point operation.
        periods: a sublattice of L, mapped to itself by every operation.

    Raises:
        ValueError: if the periods do not lie in L, or an operation is no isometry of Z^d with exact integers. That
            the operations form a group is not checked.

    Reference: International Tables for Crystallography A, sections 1.4 and 8.1.

    >>> quarter = Isometry(((0, -1), (1, 0)), (3, 0))
    >>> group = SpaceGroup.generate(2, [quarter], periods=Lattice.diagonal((4, 4)))
    >>> group.order, Isometry.identity(2) in group, Isometry.translation((1, 0)) in group
    (4, True, False)
    """

    lattice: Lattice
    operations: tuple[tuple[Matrix, Vector], ...]
    periods: Lattice

    __array_ufunc__ = None  # or numpy's arrays would take `&` and `|` to their entries

    def __post_init__(self) -> None:
        lattice = as_kind(self.lattice, Lattice, "a group of isometries needs a lattice of translations")
        if as_kind(self.periods, Lattice, "a group of isometries needs a lattice of periods").dim != lattice.dim:
            raise ValueError(
                f"a group of isometries needs two lattices in the same Z^d; got {lattice} in Z^{lattice.dim} "
                f"and {self.periods} in Z^{self.periods.dim}"
            )
        given = as_items(self.operations, "the operations of a group are pairs (A, t), matrix and shift")
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given) or not given:
            raise ValueError(f"the operations of a group are pairs (A, t), the identity's too; got {shown(given)}")
        kept = [_operation(matrix, shift, self.dim) for matrix, shift in given]
        reduced = sorted((matrix, self.lattice.reduce(shift)) for matrix, shift in kept)
        object.__setattr__(self, "operations", tuple(reduced))
        if not self.periods <= self.lattice:
            raise ValueError(f"the periods {self.periods} must lie in the translation lattice {self.lattice}")

    @cached_property
    def _hash(self) -> int:
        return hash((self.lattice, self.operations, self.periods))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _shift_of(self) -> Mapping[Matrix, Vector]:
        return dict(self.operations)

    @staticmethod
    def trivial(dim: int, periods: Lattice | None = None) -> SpaceGroup:
        """The group of the translations that act as the identity, and nothing else."""
        kept = _periods(dim, periods)
        return SpaceGroup.of_translations(kept, kept)

    @staticmethod
    def of_translations(lattice: Lattice, periods: Lattice | None = None) -> SpaceGroup:
        """The group of the translations in `lattice`."""
        lattice = as_kind(lattice, Lattice, "a group of translations needs a lattice, such as Lattice.diagonal((2, 2))")
        kept = _periods(lattice.dim, periods)
        return SpaceGroup(lattice + kept, ((identity_matrix(lattice.dim), (0,) * lattice.dim),), kept)

    @staticmethod
    def generate(dim: int, generators: Iterable[Isometry], periods: Lattice | None = None) -> SpaceGroup:
        """The smallest group that contains `generators` and `periods` (by Schreier's lemma).

        Raises:
            ValueError: if a generator has another dimension, or does not map `periods` to itself.
        """
        gens = as_items(generators, "a group is generated by isometries, such as [Isometry.translation((1, 0))]")
        kept = _periods(dim, periods)
        for g in gens:
            if as_kind(g, Isometry, "a group is generated by isometries").dim != dim:
                raise ValueError(f"a group of isometries of Z^{dim} cannot contain {g}, an isometry of Z^{g.dim}")
            if kept.image(g.matrix) != kept:
                raise ValueError(f"{g} does not respect the periods {kept}: rotate or swap only axes of equal size")
        shifts: dict[Matrix, Vector] = {identity_matrix(dim): (0,) * dim}
        translations = list(kept.basis)
        queue = [identity_matrix(dim)]
        while queue:
            a = queue.pop()
            for g in gens:
                product, shift = matmul(a, g.matrix), _add(matvec(a, g.whole_shift), shifts[a])
                if product in shifts:
                    translations.append(_sub(shift, shifts[product]))
                else:
                    shifts[product] = shift
                    queue.append(product)
        return SpaceGroup(Lattice.span(translations, dim), tuple(shifts.items()), kept)

    @property
    def dim(self) -> int:
        """The dimension d of the grid."""
        return self.lattice.dim

    @property
    def translations(self) -> Lattice:
        """The translation lattice L."""
        return self.lattice

    @property
    def translations_text(self) -> str:
        """The translations as text, such as `2Z × Z`."""
        return str(self.lattice)

    @property
    def point_group(self) -> tuple[Matrix, ...]:
        """The point operations that occur, sorted."""
        return tuple(matrix for matrix, _ in self.operations)

    @cached_property
    def order(self) -> int | None:
        """Number of elements modulo the periods; None if infinite."""
        cosets = self.periods.index_in(self.lattice)
        return None if cosets is None else cosets * len(self.operations)

    @property
    def index(self) -> int | None:
        """Index of the translations in Z^d; None if infinite (a bounded axis has no translations)."""
        return self.lattice.determinant or None

    @property
    def is_trivial(self) -> bool:
        """Whether only the identity (modulo the periods) belongs to the group."""
        return len(self.operations) == 1 and self.lattice == self.periods

    def shift_of(self, matrix: Matrix) -> Vector | None:
        """The coset representative `t_A` of a point operation, or None if A does not occur."""
        return self._shift_of.get(
            matrix if type(matrix) is tuple else as_rows(matrix, "a point operation: its entries")
        )

    def __contains__(self, g: Isometry) -> bool:
        as_kind(g, Isometry, "a group of isometries holds isometries, such as Isometry.translation((1, 0))")
        if g.dim != self.dim:
            raise ValueError(f"{g} is an isometry of Z^{g.dim}; this group acts on Z^{self.dim}")
        shift = self._shift_of.get(g.matrix)
        return shift is not None and g.is_whole and _sub(g.whole_shift, shift) in self.lattice

    def _check_comparable(self, other: SpaceGroup) -> None:
        if self.dim != other.dim:
            raise ValueError(f"cannot compare groups of isometries of Z^{self.dim} and Z^{other.dim}")
        if self.periods != other.periods:
            raise ValueError(f"cannot compare groups on different domains: periods {self.periods} and {other.periods}")

    def __le__(self, other: SpaceGroup) -> bool:
        """Inclusion."""
        if not isinstance(other, SpaceGroup):
            return NotImplemented
        self._check_comparable(other)
        return self.lattice <= other.lattice and all(Isometry(a, t) in other for a, t in self.operations)

    def __lt__(self, other: SpaceGroup) -> bool:
        return self != other and self <= other if isinstance(other, SpaceGroup) else NotImplemented

    def __ge__(self, other: SpaceGroup) -> bool:
        return other <= self if isinstance(other, SpaceGroup) else NotImplemented

    def __gt__(self, other: SpaceGroup) -> bool:
        return other < self if isinstance(other, SpaceGroup) else NotImplemented

    def __and__(self, other: SpaceGroup) -> SpaceGroup:
        """Intersection."""
        if not isinstance(other, SpaceGroup):
            return NotImplemented
        self._check_comparable(other)
        if self == other:
            return self
        common = []
        for matrix, shift in self.operations:
            theirs = other.shift_of(matrix)
            coset = None if theirs is None else meet_cosets(self.lattice, shift, other.lattice, theirs)
            if coset is not None:
                common.append((matrix, coset))
        return SpaceGroup(self.lattice & other.lattice, tuple(common), self.periods)

    def __or__(self, other: SpaceGroup) -> SpaceGroup:
        """The smallest group that contains both."""
        if not isinstance(other, SpaceGroup):
            return NotImplemented
        self._check_comparable(other)
        return SpaceGroup.generate(self.dim, (*self.generators, *other.generators), self.periods)

    def index_in(self, other: SpaceGroup) -> int | None:
        """`[other : self]`, or None if infinite.

        Raises:
            ValueError: if this group is not contained in `other`.
        """
        if not self <= as_kind(other, SpaceGroup, "an index needs another group"):
            raise ValueError(f"the index of {self} in {other} needs the first to be a subgroup of the second")
        lattices = self.lattice.index_in(other.lattice)
        return None if lattices is None else lattices * len(other.operations) // len(self.operations)

    @cached_property
    def generators(self) -> tuple[Isometry, ...]:
        """A short generating set modulo the periods: the lattice's basis, then point operations while they add any."""
        found = [Isometry.translation(row) for row in self.lattice.basis if row not in self.periods]
        generated = (identity_matrix(self.dim),)
        for matrix, shift in sorted(self.operations, key=lambda op: (-order_of(op[0]), op[0])):
            if len(generated) < len(self.operations) and matrix not in generated:
                found.append(Isometry(matrix, shift))
                generated = closure([g.matrix for g in found], self.dim)
        return tuple(found)

    def elements(self) -> Iterator[Isometry]:
        """Every element once, shifts reduced modulo the periods.

        Raises:
            ValueError: if the group is infinite.
        """
        if self.order is None:
            raise ValueError(f"{self} is infinite: its elements cannot be listed; see its generators")
        for matrix, shift in self.operations:
            for translation in self.lattice.representatives(self.periods):
                yield Isometry(matrix, self.periods.reduce(_add(shift, translation)))

    def conjugate(self, g: Isometry) -> SpaceGroup:
        """`g G g⁻¹`."""
        if as_kind(g, Isometry, "a group is conjugated by an isometry").dim != self.dim:
            raise ValueError(f"{g} is an isometry of Z^{g.dim}; this group acts on Z^{self.dim}")
        if self.periods.image(g.matrix) != self.periods:
            raise ValueError(f"{g} does not respect the periods {self.periods}")
        back = inverse_matrix(g.matrix)
        moved = []
        for matrix, shift in self.operations:
            new = matmul(matmul(g.matrix, matrix), back)
            moved.append((new, _sub(_add(matvec(g.matrix, shift), g.whole_shift), matvec(new, g.whole_shift))))
        return SpaceGroup(self.lattice.image(g.matrix), tuple(moved), self.periods)

    def __repr__(self) -> str:
        return f"SpaceGroup({self})"

    def __str__(self) -> str:
        """The text of the group, such that `SpaceGroup.parse(text, group.dim, group.periods) == group`.

        >>> glide = Isometry(((-1, 0), (0, 1)), (0, 1))
        >>> print(SpaceGroup.generate(2, [glide, Isometry.translation((1, 0))]))
        Z × 2Z · m_x {-x, y+1} (pg, index 2)
        >>> quarter = Isometry(((0, -1), (1, 0)), (7, 0))
        >>> print(SpaceGroup.generate(2, [quarter, Isometry.translation((2, 0))]))
        2Z × 2Z ⋊ 4 (p4, index 4)
        """
        return write_group(self)

    @staticmethod
    def parse(text: str, dim: int | None = None, periods: Lattice | None = None) -> SpaceGroup:
        """The group with that name: the smallest one that contains the named group and the periods.

        Args:
            text: see `equinet.groups.symbols.text`; notes in parentheses may be left out.
            dim: d, needed if neither the text nor `periods` determines it.
            periods: the translations that act as the identity; none by default.

        Raises:
            ValueError: if the text is not such a name, a symbol is unknown (near matches are listed), dimensions
                differ, the point group does not map the translations or the periods to themselves, or a note is wrong.

        >>> SpaceGroup.parse("2Z × 2Z ⋊ 4mm") == SpaceGroup.parse("2Z x 2Z : 4mm (p4m, index 4)")
        True
        >>> print(SpaceGroup.parse("p4g"), "|", SpaceGroup.parse("4mm", periods=Lattice.diagonal((8, 8))))
        2Z × 2Z · 4mm {-y, x; -x+1, y+1} (p4g, index 4) | 4mm (order 8)
        """
        parts = read_parts(text)
        if parts.unit > 1:
            raise ValueError(f"{shown(text)} has shifts between nodes: read it with RealGroup.parse")
        group = parts.group(dim, periods, SpaceGroup.generate)
        parts.check_notes(group)
        return group

    @property
    def plane_symbol(self) -> str | None:
        """The short symbol of the abstract plane group, such as `p4m`; None unless the translations span a plane."""
        return plane_group_symbol(self.lattice, self.operations)
