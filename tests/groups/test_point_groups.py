"""Symbols of all point groups against brute force and the tables of the crystallographers."""

import re
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup, parse_point_group, point_group_symbol
from equinet.groups.isometry import Matrix
from equinet.groups.symbols.point import closure, determinant
from tests.groups.brute import Subgroup, TorusGroup

POINT = {dim: TorusGroup(*(1,) * dim) for dim in (1, 2, 3)}

# How many 2, 3, 4, −1, m, −3, −4 each class has (International Tables A, table 3.2.3.2).
OPERATIONS = {
    "1": (0, 0, 0, 0, 0, 0, 0),
    "-1": (0, 0, 0, 1, 0, 0, 0),
    "2": (1, 0, 0, 0, 0, 0, 0),
    "m": (0, 0, 0, 0, 1, 0, 0),
    "2/m": (1, 0, 0, 1, 1, 0, 0),
    "222": (3, 0, 0, 0, 0, 0, 0),
    "mm2": (1, 0, 0, 0, 2, 0, 0),
    "mmm": (3, 0, 0, 1, 3, 0, 0),
    "4": (1, 0, 2, 0, 0, 0, 0),
    "-4": (1, 0, 0, 0, 0, 0, 2),
    "4/m": (1, 0, 2, 1, 1, 0, 2),
    "422": (5, 0, 2, 0, 0, 0, 0),
    "4mm": (1, 0, 2, 0, 4, 0, 0),
    "-42m": (3, 0, 0, 0, 2, 0, 2),
    "-4m2": (3, 0, 0, 0, 2, 0, 2),
    "4/mmm": (5, 0, 2, 1, 5, 0, 2),
    "3": (0, 2, 0, 0, 0, 0, 0),
    "-3": (0, 2, 0, 1, 0, 2, 0),
    "32": (3, 2, 0, 0, 0, 0, 0),
    "3m": (0, 2, 0, 0, 3, 0, 0),
    "-3m": (3, 2, 0, 1, 3, 2, 0),
    "23": (3, 8, 0, 0, 0, 0, 0),
    "m-3": (3, 8, 0, 1, 3, 8, 0),
    "432": (9, 8, 6, 0, 0, 0, 0),
    "-43m": (3, 8, 0, 0, 6, 0, 6),
    "m-3m": (9, 8, 6, 1, 9, 8, 6),
}
# (determinant, trace) of 2, 3, 4, −1, m, −3, −4.
INVARIANTS = ((1, -1), (1, 0), (1, 1), (-1, -3), (-1, 1), (-1, 0), (-1, -1))


def matrices(dim: int, subgroup: Subgroup) -> list[Matrix]:
    return [POINT[dim].elements[i][0] for i in subgroup]


def plain(symbol: str) -> str:
    short = re.sub(r"_(-?[xyz])+", "", symbol)
    return {"m2m": "mm2", "2mm": "mm2"}.get(short, short)


@pytest.mark.parametrize(("dim", "count", "classes"), [(1, 2, 2), (2, 10, 8), (3, 98, 33)])
def test_every_subgroup_has_one_symbol_that_parses_back(dim: int, count: int, classes: int) -> None:
    brute = POINT[dim]
    symbols = {subgroup: point_group_symbol(matrices(dim, subgroup)) for subgroup in brute.subgroups}
    assert len(symbols) == len(set(symbols.values())) == count
    for subgroup, symbol in symbols.items():
        assert sorted(matrices(dim, subgroup)) == list(parse_point_group(symbol, dim))
    orbits = {frozenset(brute.conjugate(s, g) for g in range(len(brute.elements))) for s in symbols}
    assert len(orbits) == classes
    assert all(len({plain(symbols[s]) for s in orbit}) == 1 for orbit in orbits), "conjugates differ in direction only"


def test_symbols_in_space_agree_with_the_tables() -> None:
    seen = set()
    for subgroup in POINT[3].subgroups:
        group = matrices(3, subgroup)
        symbol = plain(point_group_symbol(group))
        kinds = [(round(np.linalg.det(np.asarray(a, float))), int(np.trace(np.asarray(a)))) for a in group]
        assert tuple(kinds.count(kind) for kind in INVARIANTS) == OPERATIONS[symbol]
        seen.add(symbol)
    assert seen == set(OPERATIONS)


@pytest.mark.parametrize(
    ("symbol", "dim", "generators"),
    [
        ("m", 1, [((-1,),)]),
        ("m_x", 2, [((-1, 0), (0, 1))]),
        ("m_y", 2, [((1, 0), (0, -1))]),
        ("m_x-y", 2, [((0, 1), (1, 0))]),
        ("m_xy", 2, [((0, -1), (-1, 0))]),
        ("2", 2, [((-1, 0), (0, -1))]),
        ("2mm", 2, [((-1, 0), (0, 1)), ((1, 0), (0, -1))]),
        ("2m_xym_x-y", 2, [((0, 1), (1, 0)), ((0, -1), (-1, 0))]),
        ("4", 2, [((0, -1), (1, 0))]),
        ("4mm", 2, [((0, -1), (1, 0)), ((0, 1), (1, 0))]),
        ("m_z", 3, [((1, 0, 0), (0, 1, 0), (0, 0, -1))]),
        ("mm2", 3, [((-1, 0, 0), (0, 1, 0), (0, 0, 1)), ((1, 0, 0), (0, -1, 0), (0, 0, 1))]),
        ("4", 3, [((0, -1, 0), (1, 0, 0), (0, 0, 1))]),
        ("4_x", 3, [((1, 0, 0), (0, 0, -1), (0, 1, 0))]),
        ("3", 3, [((0, 0, 1), (1, 0, 0), (0, 1, 0))]),
        ("-1", 3, [((-1, 0, 0), (0, -1, 0), (0, 0, -1))]),
    ],
)
def test_directions_mean_what_the_docstring_says(symbol: str, dim: int, generators: list[Matrix]) -> None:
    assert parse_point_group(symbol, dim) == closure(generators, dim)
    assert point_group_symbol(closure(generators, dim)) == symbol


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_determinant(dim: int) -> None:
    for matrix, _ in POINT[dim].elements:
        assert determinant(matrix) == round(np.linalg.det(np.asarray(matrix, float)))


PLANE = ("p1", "p2", "pm", "pg", "cm", "pmm", "pmg", "pgg", "cmm", "p4", "p4m", "p4g")
FULL = {"pmm": "p2mm", "pmg": "p2mg", "pgg": "p2gg", "cmm": "c2mm", "p4m": "p4mm", "p4g": "p4gm"}
POINT_OF: dict[str, str] = dict(zip(PLANE, ("1", "2", *["m_x"] * 3, *["2mm"] * 4, "4", "4mm", "4mm"), strict=True))
# Similarities of the plane that map the grid into itself and signed permutations to signed permutations.
SIMILARITIES = [
    [[k * v for v in row] for row in np.asarray(a) @ np.asarray(b)]
    for k in (1, 2, 3)
    for a, _ in POINT[2].elements
    for b in (((1, 0), (0, 1)), ((1, -1), (1, 1)))
]


def moved(group: SpaceGroup, similarity: list[list[int]], shift: tuple[int, int]) -> SpaceGroup:
    """The conjugate by `p ↦ B p + s`, B a similarity or a stretch along the axes."""
    b = np.asarray(similarity)
    back = np.linalg.inv(b.astype(float))
    generators = []
    for g in group.generators:
        a = np.rint(b @ np.asarray(g.matrix) @ back).astype(int)
        t = b @ np.asarray(g.shift) + np.asarray(shift) - a @ np.asarray(shift)
        generators.append(Isometry(tuple(map(tuple, a.tolist())), tuple(t.tolist())))
    return SpaceGroup.generate(2, generators)


@pytest.mark.parametrize("symbol", PLANE)
def test_plane_group_is_recognised_in_every_setting(symbol: str) -> None:
    standard = SpaceGroup.parse(symbol)
    assert SpaceGroup.parse(FULL.get(symbol, symbol)) == standard
    assert standard.plane_symbol == symbol
    assert point_group_symbol(standard.point_group) == POINT_OF[symbol]
    stretches = [] if "4" in symbol else [[[1, 0], [0, 3]], [[2, 0], [0, 1]], [[5, 0], [0, 2]]]
    for similarity, shift in product([*SIMILARITIES, *stretches], [(0, 0), (1, 0), (2, 5)]):
        assert moved(standard, similarity, shift).plane_symbol == symbol


def has_reflection_brute(group: SpaceGroup, matrix: Matrix) -> bool:
    """Whether some element with this matrix is an involution: tried on all shifts of a window."""
    shift, reach = group.shift_of(matrix), range(-12, 13)
    assert shift is not None
    for x, y in product(reach, repeat=2):
        if (x - shift[0], y - shift[1]) in group.lattice:
            g = Isometry(matrix, (x, y))
            if g * g == Isometry.identity(2):
                return True
    return False


def is_centred_brute(lattice: Lattice, matrix: Matrix) -> bool:
    """Whether a lattice vector has components along and across the mirror that are not lattice vectors."""
    for v in product(range(-9, 10), repeat=2):
        image = tuple(sum(a * b for a, b in zip(row, v, strict=True)) for row in matrix)
        doubled = tuple(a + b for a, b in zip(v, image, strict=True))
        if v in lattice and (any(x % 2 for x in doubled) or tuple(x // 2 for x in doubled) not in lattice):
            return True
    return False


@pytest.mark.parametrize(
    ("sizes", "absent"),
    [
        pytest.param((4, 4), "", marks=pytest.mark.slow),
        ((2, 2), ""),
        ((2, 4), "p4 p4m p4g"),
        ((6, 2), "p4 p4m p4g"),
        ((3, 4), "p4 p4m p4g cm cmm pgg"),
    ],
    ids=str,
)
def test_plane_groups_of_every_torus_subgroup(sizes: tuple[int, int], absent: str) -> None:
    """The definitions, read off the elements: which mirrors are reflections, which lattices are centred."""
    torus = TorusGroup(*sizes)
    seen = set()
    for subgroup in torus.subgroups:
        elements = [Isometry(*torus.elements[i]) for i in subgroup]
        group = SpaceGroup.generate(2, elements, Lattice.diagonal(sizes))
        flips = [a for a in group.point_group if round(np.linalg.det(np.asarray(a, float))) < 0]
        reflections = [has_reflection_brute(group, a) for a in flips]
        centred = any(is_centred_brute(group.lattice, a) for a in flips)
        turns = {1: 1, 2: 2, 4: 4}[len(group.point_group) // (2 if flips else 1)]
        expected = {
            (1, False): f"{'c' if centred else 'p'}{'m' if centred or any(reflections) else 'g'}",
            (2, False): "cmm" if centred else f"p{'m' * sum(reflections)}{'g' * (2 - sum(reflections))}",
            (4, False): "p4m" if all(reflections) else "p4g",
        }.get((turns, not flips), f"p{turns}")
        assert group.plane_symbol == expected
        seen.add(expected)
    assert seen == set(PLANE) - set(absent.split())


def test_glides_mirrors_and_centring_are_told_apart() -> None:
    """Negative control: three groups with the same point group and index."""
    flip = ((-1, 0), (0, 1))
    rectangle = [Isometry.translation((2, 0)), Isometry.translation((0, 2))]
    pm = SpaceGroup.generate(2, [*rectangle, Isometry(flip, (0, 0))])
    pg = SpaceGroup.generate(2, [*rectangle, Isometry(flip, (0, 1))])
    cm = SpaceGroup.generate(2, [*rectangle, Isometry.translation((1, 1)), Isometry(flip, (0, 0))])
    assert [g.plane_symbol for g in (pm, pg, cm)] == ["pm", "pg", "cm"]
    assert pm.index == pg.index == 4
    assert pm <= cm
    assert not pg <= cm


def test_only_plane_groups_have_plane_symbols() -> None:
    assert SpaceGroup.trivial(2).plane_symbol is None
    assert SpaceGroup.of_translations(Lattice.diagonal((2, 0))).plane_symbol is None
    assert SpaceGroup.of_translations(Lattice.full(3)).plane_symbol is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: parse_point_group("C6", 2), "'C6' has turns by 60°, .* '2' is what acts on the grid"),
        (lambda: parse_point_group("6mm", 2), "'6mm' has turns by 60°, .* '2mm' is what acts on the grid"),
        (lambda: parse_point_group("3", 2), "'3' has turns by 120°, .* '1' is what acts on the grid"),
        (lambda: parse_point_group("C12", 2), "'C12' has turns by 30°, .* '4' is what acts on the grid"),
        (lambda: parse_point_group("SO(2)", 2), "turns by any angle, .* '4' is what acts on the grid"),
        (lambda: parse_point_group("O(2)", 2), "turns by any angle, .* '4mm' is what acts on the grid"),
        (lambda: parse_point_group("4nm", 2), r"unknown point group '4nm' in 2-D; did you mean one of 4mm"),
        (lambda: parse_point_group("zzz", 1), r"unknown point group 'zzz' in 1-D; did you mean one of 1, m\?"),
        (lambda: parse_point_group("m", 2), "'m' has several orientations in 2-D; say which: m_x, m_y, m_x-y, m_xy"),
        (lambda: parse_point_group("2/m", 3), "'2/m' has several orientations in 3-D; say which: 2_z/m_z"),
        (lambda: parse_point_group("1", 4), "point groups have symbols in 0 to 3 dimensions; got '1' in 4"),
        (lambda: point_group_symbol([((-1,),)]), "not a point group of the grid"),
        (lambda: point_group_symbol([]), "not a point group of the grid"),
        (lambda: SpaceGroup.parse("p5m"), "unknown plane group 'p5m'; did you mean one of"),
        (lambda: SpaceGroup.parse("p31m"), "'p31m' has threefold axes: it does not act on the square grid"),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
