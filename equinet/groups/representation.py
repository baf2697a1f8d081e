"""Representations of point groups by signed permutations: exact integers, no rounding anywhere.

A representation ρ of a point group P gives each operation A a matrix with one entry ±1 in every row and column, held as
the image and sign of each basis vector: `ρ(A) e_c = sign · e_image`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from equinet.groups.isometry import Matrix, axis_images, inverse_matrix, matmul
from equinet.groups.plane_groups import is_plane_symbol, parse_plane_group
from equinet.groups.point_groups import PointGroup, closure, determinant, parse_point_group, point_group_symbol

Images = tuple[tuple[int, int], ...]
"""For each basis vector, the one it is sent to and the sign."""


def point_group(group: str | Sequence[Matrix], dim: int = 2) -> PointGroup:
    """The elements of a point group, sorted.

    Args:
        group: a Hermann–Mauguin symbol (`"4mm"`, `"m_x"`, in 3-D `"m-3m"`), a plane-group symbol whose point group is
            meant (`"p4m"`), or matrices that generate it.
        dim: the dimension that a point-group symbol is read in.

    Raises:
        ValueError: for an unknown symbol; the near ones are listed.

    >>> len(point_group("p4m")), len(point_group("m-3m", 3)), len(point_group([((-1,),)]))
    (8, 48, 2)
    """
    if not isinstance(group, str):
        matrices = tuple(tuple(tuple(int(v) for v in row) for row in matrix) for matrix in group)
        if not matrices:
            raise ValueError('a point group needs a symbol or matrices; got none: the trivial group is "1"')
        return closure(matrices, len(matrices[0]))
    if dim == 2 and is_plane_symbol(group):
        return parse_plane_group(group).point_group
    return parse_point_group(group, dim)


@dataclass(frozen=True)
class Representation:
    """A homomorphism ρ from a point group to signed permutations. Two that act alike are equal, whatever their names.

    Args:
        name: as `str` shows it, without the group.
        group: the point group's elements, sorted.
        images: ρ of each of them.

    Raises:
        ValueError: if ρ is no homomorphism.

    >>> flip = ((-1,),)
    >>> odd = Representation("odd", point_group([flip]), (((0, -1),), ((0, 1),)))
    >>> odd(flip), odd.character(flip), odd.is_permutation
    (((0, -1),), -1, False)
    """

    name: str = field(compare=False)
    group: PointGroup
    images: tuple[Images, ...]

    def __post_init__(self) -> None:
        size = len(self.images[0])
        if any(sorted(i for i, _ in image) != list(range(size)) for image in self.images):
            raise ValueError(f"{self.name}: its images are not signed permutations of {size} basis vectors")
        for a in self.group:
            for b in self.group:
                if _product(self(a), self(b)) != self(matmul(a, b)):
                    raise ValueError(f"{self.name} is no representation: ρ fails on the product of {a} and {b}")

    @cached_property
    def _table(self) -> dict[Matrix, Images]:
        return dict(zip(self.group, self.images, strict=True))

    def __call__(self, matrix: Matrix) -> Images:
        """ρ(A), the image and sign of each basis vector.

        Raises:
            ValueError: if A is not in the group.
        """
        if matrix not in self._table:
            raise ValueError(f"{self} is a representation of {point_group_symbol(self.group)}; got {matrix}")
        return self._table[matrix]

    def __str__(self) -> str:
        return f"{self.name}({point_group_symbol(self.group)})"

    @property
    def size(self) -> int:
        """The dimension of ρ."""
        return len(self.images[0])

    @cached_property
    def is_permutation(self) -> bool:
        """Whether no basis vector ever changes its sign."""
        return all(sign > 0 for image in self.images for _, sign in image)

    @cached_property
    def is_trivial(self) -> bool:
        """Whether nothing moves."""
        return all(image == _still(self.size) for image in self.images)

    def character(self, matrix: Matrix) -> int:
        """The trace of ρ(A)."""
        return sum(sign for c, (image, sign) in enumerate(self(matrix)) if image == c)

    @cached_property
    def orbits(self) -> tuple[int, ...]:
        """For each basis vector, the number of its orbit (whatever the signs)."""
        first = [min(image[c][0] for image in self.images) for c in range(self.size)]
        numbers = {c: n for n, c in enumerate(sorted(set(first)))}
        return tuple(numbers[c] for c in first)

    @cached_property
    def invariants(self) -> tuple[int, ...]:
        """For each basis vector, its entry ±1 in the invariant vector of its orbit; 0 if that has none."""
        made = []
        for c in range(self.size):
            first = min(image[c][0] for image in self.images)
            signs = {image[c][1] for image in self.images if image[c][0] == first}
            made.append(signs.pop() if len(signs) == 1 else 0)
        return tuple(made)

    def restrict(self, group: PointGroup) -> Representation:
        """The same action of a subgroup.

        Raises:
            ValueError: if it is no subgroup.
        """
        if group == self.group:
            return self
        if not set(group) <= set(self.group):
            raise ValueError(f"{_symbol(group)} is no subgroup of {_symbol(self.group)}, which acts on {self}")
        name = self.name if self.name in ("trivial", "sign", "vector") else f"{self.name}({_symbol(self.group)})↓"
        return Representation(name, group, tuple(self(a) for a in group))

    def induce(self, group: PointGroup) -> Representation:
        """The representation of a larger group on functions of its cosets with values in this one.

        Raises:
            ValueError: if this one's group is no subgroup of it.
        """
        if group == self.group:
            return self
        cosets = _cosets(group, self.group)
        size = self.size

        def image(a: Matrix) -> Images:
            moved = []
            for first, _ in cosets:
                there = matmul(a, first)
                to = next(j for j, (_, members) in enumerate(cosets) if there in members)
                inside = self(matmul(inverse_matrix(cosets[to][0]), there))
                moved += [(to * size + i, sign) for i, sign in inside]
            return tuple(moved)

        return Representation(f"{self.name}({_symbol(self.group)})↑", group, tuple(image(a) for a in group))

    def __matmul__(self, other: Representation) -> Representation:
        """The tensor product; entry (i, j) comes at i · size + j.

        Raises:
            ValueError: if the groups differ.
        """
        if self.group != other.group:
            raise ValueError(f"a tensor product needs one group; got {self} and {other}: restrict one of them")

        def image(a: Matrix) -> Images:
            return tuple((i * other.size + j, s * t) for i, s in self(a) for j, t in other(a))

        return Representation(f"{self.name}⊗{other.name}", self.group, tuple(image(a) for a in self.group))


def _symbol(group: PointGroup) -> str:
    return point_group_symbol(group)


def _still(size: int) -> Images:
    return tuple((c, 1) for c in range(size))


def _product(first: Images, second: Images) -> Images:
    """First the second, then the first."""
    return tuple((first[i][0], sign * first[i][1]) for i, sign in second)


@lru_cache(maxsize=1 << 8)
def _cosets(group: PointGroup, subgroup: PointGroup) -> tuple[tuple[Matrix, frozenset[Matrix]], ...]:
    """The cosets gK, each with its first element g."""
    if not set(subgroup) <= set(group):
        raise ValueError(f"{_symbol(subgroup)} is no subgroup of {_symbol(group)}")
    found: list[tuple[Matrix, frozenset[Matrix]]] = []
    for g in group:
        if not any(g in members for _, members in found):
            found.append((g, frozenset(matmul(g, k) for k in subgroup)))
    return tuple(found)


@lru_cache(maxsize=1 << 8)
def coset_numbers(group: PointGroup, subgroup: PointGroup) -> tuple[int, ...]:
    """For each element g of the group, the number of its coset gK: its channel in `quotient_representation`."""
    number = {a: n for n, (_, members) in enumerate(_cosets(group, subgroup)) for a in members}
    return tuple(number[a] for a in group)


def _one_dimensional(name: str, group: PointGroup, sign: Callable[[Matrix], int]) -> Representation:
    return Representation(name, group, tuple(((0, sign(a)),) for a in group))


@lru_cache(maxsize=1 << 8)
def trivial_representation(group: PointGroup) -> Representation:
    """ρ(A) = 1: a scalar."""
    return _one_dimensional("trivial", group, lambda _: 1)


@lru_cache(maxsize=1 << 8)
def sign_representation(group: PointGroup, even: PointGroup | None = None) -> Representation:
    """ρ(A) = 1 on a subgroup of index 2 and −1 elsewhere; by default ρ(A) = det A, a pseudo-scalar.

    Raises:
        ValueError: if `even` is no subgroup of index 1 or 2.
    """
    if even is None:
        return _one_dimensional("sign", group, determinant)
    if len(_cosets(group, even)) > 2:
        raise ValueError(f"{_symbol(even)} has index {len(group) // len(even)} in {_symbol(group)}; a sign needs 2")
    return _one_dimensional(f"sign[{_symbol(even)}]", group, lambda a: 1 if a in even else -1)


@lru_cache(maxsize=1 << 8)
def quotient_representation(group: PointGroup, subgroup: PointGroup) -> Representation:
    """P permutes its cosets gK, `A: gK ↦ A g K`; with K trivial the regular representation.

    Raises:
        ValueError: if K is no subgroup.
    """
    cosets = _cosets(group, subgroup)
    number = dict(zip(group, coset_numbers(group, subgroup), strict=True))
    name = "regular" if len(subgroup) == 1 else f"quotient[{_symbol(subgroup)}]"
    return Representation(
        name, group, tuple(tuple((number[matmul(a, first)], 1) for first, _ in cosets) for a in group)
    )


@lru_cache(maxsize=1 << 8)
def vector_representation(group: PointGroup) -> Representation:
    """ρ(A) = A: an arrow."""
    return Representation("vector", group, tuple(axis_images(a) for a in group))
