"""Isometries: the group laws, on every point operation, and the text."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equinet.groups import Isometry, parse_isometry, signed_permutations


def isometries(dim: int) -> st.SearchStrategy[Isometry]:
    return st.builds(
        Isometry, st.sampled_from(signed_permutations(dim)), st.tuples(*[st.integers(-40, 40) for _ in range(dim)])
    )


@pytest.mark.thorough
@given(st.integers(1, 4).flatmap(lambda d: st.tuples(*[isometries(d)] * 3, st.tuples(*[st.integers(-9, 9)] * d))))
def test_group_laws(drawn: tuple[Isometry, Isometry, Isometry, tuple[int, ...]]) -> None:
    f, g, h, point = drawn
    assert (f * g)(point) == f(g(point))
    assert (f * g) * h == f * (g * h)
    assert f * f.inverse() == f.inverse() * f == Isometry.identity(f.dim) == f**0
    assert f**3 == f * f * f
    assert f**-2 == f.inverse() * f.inverse()


@pytest.mark.thorough
@given(st.integers(1, 5).flatmap(isometries))
def test_triplet_parses_back(g: Isometry) -> None:
    assert parse_isometry(str(g)) == g


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_signed_permutations_are_the_hyperoctahedral_group(dim: int) -> None:
    matrices = signed_permutations(dim)
    lattice_points = list(product(range(-1, 2), repeat=dim))
    isometric = {
        rows
        for rows in product(lattice_points, repeat=dim)
        if all(
            sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) == int(i == j)
            for i, j in product(range(dim), repeat=2)
        )
    }
    assert set(matrices) == isometric
    assert len(matrices) == len(isometric)


def test_arrays_and_lists_become_tuples() -> None:
    assert Isometry([[0, -1], [1, 0]], [7, 0]) == Isometry(((0, -1), (1, 0)), (7, 0))  # pyright: ignore


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Isometry(((1, 0), (0, 1)), (0,)), r"needs a d × d matrix and d shifts; got 2 rows and shift \(0,\)"),
        (lambda: Isometry(((2,),), (0,)), r"signed permutation matrix \(one ±1 per row and column\); got \(\(2,\),\)"),
        (lambda: Isometry(((1, 0), (1, 0)), (0, 0)), "signed permutation matrix"),
        (lambda: Isometry(((1, 0, 0), (0, 1, 0)), (0, 0)), "signed permutation matrix"),
        (lambda: Isometry.identity(2)((1,)), r"an isometry of Z\^2 acts on points of 2 coordinates; got \(1,\)"),
        (lambda: Isometry.identity(2) * Isometry.identity(1), r"cannot compose isometries of Z\^2 and Z\^1"),
        (lambda: parse_isometry("x, q"), "cannot read 'x, q' as an isometry; write a coordinate triplet"),
        (lambda: parse_isometry("x, x"), "signed permutation matrix"),
        (lambda: parse_isometry("x, z"), "cannot read 'x, z' as an isometry"),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
