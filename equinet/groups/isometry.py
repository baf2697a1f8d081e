"""Isometries of a grid: signed permutations followed by shifts, by whole numbers of nodes or fractions of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import permutations, product

from equinet.checks import MOST_AXES, as_integer, as_integers, as_items, as_rationals, shown

Vector = tuple[int, ...]
Shift = tuple[int | Fraction, ...]
"""A vector of rational numbers; the whole ones are ints."""
Matrix = tuple[Vector, ...]
Images = tuple[tuple[int, int], ...]
"""Where each axis goes: the axis and the sign."""


@cache
def identity_matrix(dim: int) -> Matrix:
    """The `dim × dim` identity as nested tuples."""
    return tuple(tuple(int(i == j) for j in range(dim)) for i in range(dim))


@cache
def matmul(a: Matrix, b: Matrix) -> Matrix:
    """Matrix product of nested tuples."""
    columns = tuple(zip(*b, strict=True))
    return tuple(tuple(sum(x * y for x, y in zip(row, col, strict=True)) for col in columns) for row in a)


def matvec(a: Matrix, v: Sequence[int]) -> Vector:
    """Matrix times vector."""
    return tuple(sum(x * y for x, y in zip(row, v, strict=True)) for row in a)


@cache
def inverse_matrix(a: Matrix) -> Matrix:
    """Inverse of a signed permutation, which is its transpose."""
    return tuple(zip(*a, strict=True))


@cache
def signed_permutations(dim: int) -> tuple[Matrix, ...]:
    """All `2^d d!` signed permutation matrices of dimension `dim`, the identity first.

    >>> [len(signed_permutations(d)) for d in (0, 1, 2, 3)]
    [1, 2, 8, 48]
    """
    return tuple(
        matrix_of(tuple(zip(images, signs, strict=True)))
        for images in permutations(range(dim))
        for signs in product((1, -1), repeat=dim)
    )


def matrix_of(images: Images) -> Matrix:
    """The signed permutation that sends each axis to `(image axis, sign)`; see `axis_images`."""
    size = len(images)
    rows = [[0] * size for _ in range(size)]
    for column, (row, sign) in enumerate(images):
        rows[row][column] = sign
    return tuple(map(tuple, rows))


@cache
def axis_images(a: Matrix) -> Images:
    """For each input axis, the output axis and sign it is sent to.

    >>> axis_images(((0, -1), (1, 0)))
    ((1, 1), (0, -1))
    """
    return tuple(next((row, a[row][column]) for row in range(len(a)) if a[row][column]) for column in range(len(a)))


def restriction(a: Matrix, axes: Sequence[int]) -> Matrix | None:
    """What a signed permutation does to some axes, in their order, if it keeps them among themselves; else None.

    >>> restriction(((0, 1, 0), (1, 0, 0), (0, 0, -1)), (2,))
    ((-1,),)
    """
    if any((image in axes) != (axis in axes) for axis, (image, _) in enumerate(axis_images(a))):
        return None
    return tuple(tuple(a[i][j] for j in axes) for i in axes)


@cache
def is_signed_permutation(a: Matrix) -> bool:
    """Whether every row and column of `a` has one nonzero entry, and that entry is ±1."""
    size = len(a)
    return (
        all(len(row) == size for row in a)
        and all(sorted(map(abs, line)) == [0] * (size - 1) + [1] for line in (*a, *zip(*a, strict=True)))
        if size
        else True
    )


def as_rows(matrix: Iterable[Iterable[int]], what: str) -> Matrix:
    """A matrix of exact integers as nested tuples.

    Raises:
        ValueError: if it has no rows of exact integers; the message names `what`.
    """
    rows = as_items(matrix, f"{what} must be whole numbers in rows, such as ((0, -1), (1, 0))")
    return tuple(as_integers(row, what) for row in rows)


def in_plain_types(vector: Iterable[int | Fraction]) -> list[int | str]:
    """Whole numbers, and fractions as text, for JSON.

    >>> in_plain_types((2, Fraction(1, 2)))
    [2, '1/2']
    """
    return [value if isinstance(value, int) else str(value) for value in vector]


@dataclass(frozen=True, slots=True)
class Isometry:
    """The map `p ↦ A p + t` of R^d; of the grid Z^d if t is whole.

    Args:
        matrix: A, a signed permutation matrix as nested tuples of ints.
        shift: t, a tuple of ints and numbers of type `Fraction`. (NumPy integers are accepted too; floats never are,
            even if they are whole.) Entries that are whole are kept as ints.

    Raises:
        ValueError: if an entry is no exact number, `matrix` is no signed permutation, or the sizes differ.

    >>> quarter = Isometry(((0, -1), (1, 0)), (7, 0))
    >>> quarter((2, 3))
    (4, 2)
    >>> str(quarter * quarter)
    '-x+7, -y+7'
    >>> quarter * quarter.inverse() == Isometry.identity(2)
    True
    >>> print(Isometry.translation((Fraction(1, 2), 0)) * quarter)
    -y+15/2, x
    """

    matrix: Matrix
    shift: Shift

    def __post_init__(self) -> None:
        rows = as_rows(self.matrix, "an isometry moves nodes to nodes: the entries of its matrix")
        object.__setattr__(self, "matrix", rows)
        object.__setattr__(self, "shift", as_rationals(self.shift, "the shift of an isometry"))
        if len(self.matrix) != len(self.shift):
            raise ValueError(
                f"an isometry needs a d × d matrix and d shifts; got {len(self.matrix)} rows and shift "
                f"{shown(self.shift)}"
            )
        if not is_signed_permutation(self.matrix):
            raise ValueError(
                f"an isometry of the grid needs a signed permutation matrix (one ±1 per row and column); "
                f"got {shown(self.matrix)}"
            )

    @staticmethod
    def identity(dim: int) -> Isometry:
        """The identity of Z^dim."""
        return _identity(as_integer(dim, "the dimension of a grid", least=0, most=MOST_AXES))

    @staticmethod
    def translation(shift: Sequence[int | Fraction]) -> Isometry:
        """The translation by `shift`, in nodes.

        Raises:
            ValueError: if a number is no exact one.

        >>> print(Isometry.translation((Fraction(1, 2), 0)))
        x+1/2, y
        >>> Isometry.translation((0.5, 0))
        Traceback (most recent call last):
        ValueError: the shift of a translation must be whole numbers or fractions; got (0.5, 0): write Fraction(1, 2)...
        """
        kept = as_rationals(shift, "the shift of a translation")
        return Isometry(identity_matrix(len(kept)), kept)

    @property
    def is_whole(self) -> bool:
        """Whether nodes move to nodes: t is whole."""
        return all(type(t) is int for t in self.shift)

    @property
    def whole_shift(self) -> Vector:
        """t, where nodes move to nodes.

        Raises:
            ValueError: if t is not whole.
        """
        return as_integers(self.shift, f"{self} is asked to move nodes to nodes: its shift")

    @property
    def dim(self) -> int:
        """The dimension d of the grid."""
        return len(self.shift)

    @property
    def is_translation(self) -> bool:
        """Whether A is the identity."""
        return self.matrix == identity_matrix(self.dim)

    def __call__(self, point: Sequence[int | Fraction]) -> Shift:
        """The image `A p + t` of a point."""
        kept = as_rationals(point, "a point of the grid")
        if len(kept) != self.dim:
            raise ValueError(f"an isometry of Z^{self.dim} acts on points of {self.dim} coordinates; got {shown(kept)}")
        image = (sum(a * x for a, x in zip(row, kept, strict=True)) for row in self.matrix)
        return as_rationals(tuple(x + t for x, t in zip(image, self.shift, strict=True)), "a point of the grid")

    def __mul__(self, other: Isometry) -> Isometry:
        """Composition: `(g * h)(p) = g(h(p))`."""
        if not isinstance(other, Isometry):
            return NotImplemented
        if other.dim != self.dim:
            raise ValueError(f"cannot compose isometries of Z^{self.dim} and Z^{other.dim}")
        return Isometry(matmul(self.matrix, other.matrix), self(other.shift))

    def __pow__(self, exponent: int) -> Isometry:
        """Repeated composition; negative exponents invert."""
        exponent = as_integer(exponent, "the exponent of an isometry")
        square = self if exponent >= 0 else self.inverse()
        result, left = _identity(self.dim), abs(exponent)
        while left:
            result, left = result * square if left % 2 else result, left // 2
            square = square * square if left else square
        return result

    def inverse(self) -> Isometry:
        """`p ↦ A⁻¹ (p − t)`."""
        back = inverse_matrix(self.matrix)
        return Isometry(back, tuple(-sum(a * t for a, t in zip(row, self.shift, strict=True)) for row in back))

    def __str__(self) -> str:
        """The coordinate triplet of the International Tables, such as `-y+7, x` or `x+1/2, y`."""
        letters = "xyz" if self.dim <= 3 else [f"x{i}" for i in range(self.dim)]
        parts = []
        for row, t in zip(self.matrix, self.shift, strict=True):
            column = next(i for i, v in enumerate(row) if v)
            parts.append(
                ("-" if row[column] < 0 else "") + letters[column] + (f"{'+' if t > 0 else ''}{t}" if t else "")
            )
        return ", ".join(parts) if parts else "identity"


@cache
def _identity(dim: int) -> Isometry:
    return Isometry(identity_matrix(dim), (0,) * dim)
