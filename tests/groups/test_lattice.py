"""Lattices against point sets: all sublattices of Z² up to index 8, and random ones of any rank in Z³."""

from collections.abc import Callable
from itertools import combinations, product
from math import gcd, lcm

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinet.groups import Lattice, signed_permutations
from equinet.groups.isometry import Vector

Rows = tuple[Vector, ...]

SUBLATTICES: list[Rows] = [
    ((index // c, b), (0, c)) for index in range(1, 9) for c in range(1, index + 1) if index % c == 0 for b in range(c)
]


def index_of(rows: Rows) -> int:
    return rows[0][0] * rows[1][1]


def points(rows: Rows, size: int) -> np.ndarray:
    """Which points of Z² modulo `size` are integer combinations of the rows."""
    found = np.zeros((size, size), bool)
    found[0, 0] = True
    for row in rows:
        found = np.any([np.roll(found, (k * row[0], k * row[1]), (0, 1)) for k in range(size)], axis=0)
    return found


def as_points(lattice: Lattice, size: int) -> np.ndarray:
    return np.asarray([[(x, y) in lattice for y in range(size)] for x in range(size)])


def test_there_are_as_many_sublattices_as_divisor_sums_say() -> None:
    assert len(SUBLATTICES) == sum(d for n in range(1, 9) for d in range(1, n + 1) if n % d == 0) == 56


@pytest.mark.parametrize("rows", SUBLATTICES, ids=str)
def test_one_sublattice(rows: Rows) -> None:
    index = index_of(rows)
    (p, q), (_, c) = rows
    lattice = Lattice.span(rows, 2)
    assert lattice == Lattice.span([(p, q + 5 * c), (-p, -q - c), (0, -c)], 2), "the basis is canonical"
    assert lattice.determinant == lattice.index_in(Lattice.full(2)) == index
    brute = points(rows, index)
    np.testing.assert_array_equal(as_points(lattice, index), brute)
    reduced = {v: lattice.reduce(v) for v in product(range(-index, index), repeat=2)}
    assert len(set(reduced.values())) == index
    assert all(brute[(v[0] - r[0]) % index, (v[1] - r[1]) % index] for v, r in reduced.items())
    for matrix in signed_permutations(2):
        image = np.zeros_like(brute)
        image[tuple(np.asarray(matrix) @ np.argwhere(brute).T % index)] = True
        np.testing.assert_array_equal(as_points(lattice.image(matrix), index), image)
    for matrix in (((2, 0), (0, 2)), ((1, 1), (1, -1)), ((1, 2), (0, 1)), ((0, 0), (3, 0))):
        moved = np.asarray(matrix) @ np.indices((index, index)).reshape(2, -1) % index
        inside = brute[tuple(moved)].reshape(index, index)
        np.testing.assert_array_equal(as_points(lattice.preimage(matrix, 2), index), inside)
    line = lattice.preimage(((1,), (2,)), 1)
    assert [(k,) in line for k in range(index)] == [bool(brute[k, 2 * k % index]) for k in range(index)]
    assert lattice.project([1]) == Lattice.diagonal([gcd(rows[0][1], rows[1][1])])


@pytest.mark.parametrize("first", SUBLATTICES, ids=str)
def test_all_pairs(first: Rows) -> None:
    a = Lattice.span(first, 2)
    for second in SUBLATTICES:
        b = Lattice.span(second, 2)
        size = lcm(index_of(first), index_of(second))
        in_a, in_b, joined = points(first, size), points(second, size), points((*first, *second), size)
        assert (a & b).determinant == size**2 // int((in_a & in_b).sum())
        assert (a + b).determinant == size**2 // int(joined.sum())
        assert all(tuple(v) in a & b for v in np.argwhere(in_a & in_b).tolist())
        assert all(joined[row[0] % size, row[1] % size] for row in (a + b).basis)
        assert (a <= b) == bool((in_a <= in_b).all())
        if b <= a:
            index = b.index_in(a)
            cosets = list(a.representatives(b))
            assert index == int(in_a.sum()) // int(in_b.sum()) == len(cosets) == len(set(cosets))
            assert all(v in a and b.reduce(v) == v for v in cosets)


def divisor(rows: Rows, size: int) -> int:
    """The gcd of all minors of one size: an invariant that adding a row keeps iff the row was in the span."""
    found = 0
    for kept in combinations(rows, size):
        for columns in combinations(range(3), size):
            found = gcd(found, round(float(np.linalg.det(np.asarray([[r[c] for c in columns] for r in kept], float)))))
    return found


def rank(rows: Rows) -> int:
    return max((size for size in range(1, 4) if divisor(rows, size)), default=0)


def contains(rows: Rows, v: Vector) -> bool:
    size = rank(rows)
    if rank((*rows, v)) > size:
        return False
    return size == 0 or divisor(rows, size) == divisor((*rows, v), size)


VECTORS = st.tuples(*[st.integers(-4, 4)] * 3)
ROWS = st.lists(VECTORS, max_size=4).map(tuple)


@given(ROWS, VECTORS)
def test_membership_in_space(rows: Rows, v: Vector) -> None:
    lattice = Lattice.span(rows, 3)
    assert lattice.rank == rank(rows)
    assert (v in lattice) == contains(rows, v)
    assert contains(rows, tuple(x - y for x, y in zip(v, lattice.reduce(v), strict=True)))


@pytest.mark.thorough
@given(ROWS, ROWS, VECTORS)
def test_meet_and_join_in_space(first: Rows, second: Rows, v: Vector) -> None:
    a, b = Lattice.span(first, 3), Lattice.span(second, 3)
    for u in (v, *first, *second, *(a & b).basis, *(a + b).basis):
        assert (u in a & b) == (contains(first, u) and contains(second, u))
        assert (u in a + b) == contains((*first, *second), u)
    assert a.rank + b.rank == (a & b).rank + (a + b).rank
    assert a & b <= a <= a + b
    if a.rank == b.rank == 3:
        assert a.determinant * b.determinant == (a & b).determinant * (a + b).determinant
    assert (a & b).index_in(a) == b.index_in(a + b)


@given(ROWS, st.tuples(VECTORS, VECTORS, VECTORS), VECTORS)
def test_image_and_preimage_in_space(rows: Rows, matrix: Rows, v: Vector) -> None:
    lattice = Lattice.span(rows, 3)
    moved = tuple(sum(a * x for a, x in zip(row, v, strict=True)) for row in matrix)
    assert (v in lattice.preimage(matrix, 3)) == contains(rows, moved)
    assert lattice.image(matrix).preimage(matrix, 3) >= lattice
    assert lattice.preimage(matrix, 3).image(matrix) == lattice & Lattice.full(3).image(matrix)


def test_degenerate_lattices() -> None:
    zero, line = Lattice.zero(2), Lattice.span([(2, 4)], 2)
    assert zero <= line <= Lattice.full(2)
    assert (zero.rank, line.rank, zero.determinant, line.determinant) == (0, 1, 0, 0)
    assert zero & line == zero == line & Lattice.span([(1, 0)], 2)
    assert line.index_in(Lattice.full(2)) is None
    assert line.index_in(Lattice.span([(1, 2)], 2)) == 2
    assert list(zero.representatives(zero)) == [(0, 0)]
    assert sorted(Lattice.span([(1, 2)], 2).representatives(line)) == [(0, 0), (1, 2)]
    assert Lattice.full(0) == Lattice.zero(0) == Lattice.full(0) & Lattice.zero(0)
    assert () in Lattice.zero(0)
    assert Lattice.full(0).determinant == 1


def test_text() -> None:
    shown = [Lattice.diagonal((2, 1)), Lattice.diagonal((0, 3)), Lattice.span([(1, 1), (0, 2)], 2), Lattice.zero(2)]
    assert [str(lattice) for lattice in shown] == ["2Z × Z", "0 × 3Z", "⟨(1, 1), (0, 2)⟩", "0 × 0"]
    assert [lattice.steps for lattice in shown] == [(2, 1), (0, 3), None, (0, 0)]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Lattice.span([(1, 2, 3)], 2), r"in Z\^2 needs 2 coordinates; got \(1, 2, 3\)"),
        (
            lambda: Lattice.diagonal((2,)).index_in(Lattice.diagonal((3,))),
            "index of 2Z in 3Z needs the first to lie",
        ),
        (lambda: Lattice.full(1).representatives(Lattice.zero(1)), "0 has infinite index in Z"),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
