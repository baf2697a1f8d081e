"""Text of groups: what it says, that it parses back, and what is refused."""

from contextlib import suppress
from functools import cache
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equinet.groups import (
    Isometry,
    Lattice,
    Matrix,
    SpaceGroup,
    parse_isometry,
    signed_permutations,
)
from equinet.groups.symbols.plane import full_plane_symbol
from equinet.groups.symbols.point import _tables, parse_point_group
from equinet.groups.symbols.text import says_where
from tests.groups.brute import TorusGroup

SHORT = ("p1", "p2", "pm", "pg", "cm", "pmm", "pmg", "pgg", "cmm", "p4", "p4m", "p4g")
FLIP, TURN = ((-1, 0), (0, 1)), ((0, -1), (1, 0))


def group(*generators: Isometry, steps: tuple[int, ...] = (), periods: tuple[int, ...] = ()) -> SpaceGroup:
    dim = generators[0].dim if generators else len(steps)
    shifts = [Isometry.translation(row) for row in Lattice.diagonal(steps).basis]
    return SpaceGroup.generate(dim, [*generators, *shifts], Lattice.diagonal(periods) if periods else None)


def centred(*doubled: int, matrices: tuple[Matrix, ...] = (FLIP, TURN)) -> list[Isometry]:
    """Point operations about the point `doubled / 2`."""
    found = []
    for a in matrices:
        image = [sum(x * c for x, c in zip(row, doubled, strict=True)) for row in a]
        found.append(Isometry(a, tuple((c - i) // 2 for c, i in zip(doubled, image, strict=True))))
    return found


CASES = [
    (group(steps=(2, 2)), "2Z × 2Z (p1, index 4)"),
    (group(steps=(2, 0)), "2Z × 0"),
    (group(steps=(4,), periods=(12,)), "4Z (index 4)"),
    (group(steps=(1, 0), periods=(8, 0)), "Z × 0 (order 8)"),
    (group(*centred(7, 7), steps=(2, 2), periods=(8, 8)), "2Z × 2Z ⋊ 4mm (p4m, index 4)"),
    (group(*centred(0, 0), steps=(2, 2), periods=(8, 8)), "2Z × 2Z ⋊ 4mm at (0, 0) (p4m, index 4)"),
    (group(*centred(1, 1), steps=(2, 2)), "2Z × 2Z ⋊ 4mm (p4m, index 4)"),
    (group(*centred(8, 8), periods=(9, 9)), "4mm (order 8)"),
    (group(*centred(6, 8, matrices=(FLIP,)), periods=(9, 9)), "m_x at (3, 0) (order 2)"),
    (group(*centred(7, 7)), "4mm at (7/2, 7/2) (order 8)"),
    (group(*centred(0, 0)), "4mm (order 8)"),
    (group(*centred(0, 0), Isometry.translation((1, 1))), "⟨(1, 1), (0, 2)⟩ ⋊ 4mm at (0, 0) (p4m, index 2)"),
    (group(Isometry(TURN, (0, 0)), Isometry.translation((2, 1))), "⟨(1, 3), (0, 5)⟩ ⋊ 4 at (0, 0) (p4, index 5)"),
    (group(Isometry(FLIP, (0, 1)), steps=(1, 0)), "Z × 2Z · m_x {-x, y+1} (pg, index 2)"),
    (group(Isometry(FLIP, (0, 2)), periods=(4, 4)), "m_x {-x, y+2} (order 2)"),
    (group(*centred(3, matrices=(((-1,),),)), steps=(4,)), "4Z ⋊ m (index 4)"),
    (group(*centred(0, matrices=(((-1,),),)), steps=(4,)), "4Z ⋊ m at (0) (index 4)"),
    (SpaceGroup.trivial(2), "trivial"),
    (SpaceGroup.trivial(2, Lattice.diagonal((4, 4))), "trivial"),
]


@pytest.mark.parametrize(("found", "text"), CASES, ids=[text for _, text in CASES])
def test_text(found: SpaceGroup, text: str) -> None:
    assert str(found) == text
    assert SpaceGroup.parse(text, found.dim, found.periods) == found


@pytest.mark.thorough
@pytest.mark.parametrize("doubled", [(0, 0, 0), (3, 3, 3), (8, 8, 8), (14, 14, 14)], ids=str)
def test_every_group_of_a_cube_parses_back(doubled: tuple[int, int, int]) -> None:
    point = TorusGroup(1, 1, 1)
    for subgroup in point.subgroups:
        operations = centred(*doubled, matrices=tuple(point.elements[i][0] for i in subgroup))
        for step in (0, 1, 2, 4):
            found = group(*operations, steps=(step,) * 3)
            assert SpaceGroup.parse(str(found), dim=3) == found


@cache
def isometries(dim: int) -> st.SearchStrategy[Isometry]:
    return st.builds(
        Isometry, st.sampled_from(signed_permutations(dim)), st.tuples(*[st.integers(-6, 6) for _ in range(dim)])
    )


@pytest.mark.thorough
@given(st.integers(1, 4).flatmap(lambda dim: st.lists(isometries(dim), min_size=1, max_size=3)))
def test_any_group_of_the_plane_parses_back(generators: list[Isometry]) -> None:
    found = group(*generators)
    assert SpaceGroup.parse(str(found), found.dim) == found


@given(st.lists(isometries(2), min_size=1, max_size=2), st.sampled_from([1, 2, 3, 6, 12]))
def test_any_group_of_a_torus_parses_back(generators: list[Isometry], size: int) -> None:
    found = group(*generators, periods=(size, size))
    assert SpaceGroup.parse(str(found), periods=found.periods) == found


@pytest.mark.thorough
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))
def test_the_unwritten_centre_is_the_centre_of_the_image(dim: int, step: int, times: int) -> None:
    size = step * times
    operations = centred(*(size - 1,) * dim, matrices=signed_permutations(dim))
    found = group(*operations, steps=(step,) * dim, periods=(size,) * dim)
    assert " at " not in str(found)
    assert set(operations) <= {g for g in operations if g in found}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2Z x 2Z : 4mm", "2Z × 2Z ⋊ 4mm"),
        ("2Zx2Z⋊4mm", "2Z × 2Z ⋊ 4mm"),
        ("<(1,1), (0,2)>", "⟨(1, 1), (0, 2)⟩"),
        ("Z × 2Z . m_x {-x,y+1}", "Z × 2Z · m_x {-x, y+1}"),
        ("Z × Z ⋊ 4mm (p4mm)", "p4m"),
        ("p4mm", "p4m"),
        ("Z × Z ⋊ 4mm (index 1)", "Z × Z ⋊ 4mm"),
        ("p4m (p4mm, index 1)", "p4m"),
        ("  2Z  ×\t2Z\n⋊ 4mm at( 1/2 , 0.5 ) ( index 4 )", "2Z × 2Z ⋊ 4mm"),
        ("pg {-x, y+1}", "pg"),
        ("pg {-x+1, y + 1}", "Z × 2Z · m_x {-x+1, y+1}"),
        ("p4m {-y+4, x; y, x}", "Z × Z ⋊ 4mm"),
        ("Z × Z ⋊ D4", "p4m"),
        ("C4", "4"),
        ("⟨(+1, 1),(0,2) , (2, 0)⟩", "⟨(1, 1), (0, 2)⟩"),
        ("{-x, y}", "m_x"),
    ],
)
def test_other_spellings(text: str, same: str) -> None:
    assert SpaceGroup.parse(text, dim=2) == SpaceGroup.parse(same, dim=2)


def test_names_as_requirements() -> None:
    periods = Lattice.diagonal((9, 9))
    assert SpaceGroup.parse("Z × Z", dim=2) == group(steps=(1, 1))
    assert SpaceGroup.parse("4mm", dim=2).point_group == parse_point_group("4mm", 2)
    assert SpaceGroup.parse("4mm", periods=periods) == group(*centred(8, 8), periods=(9, 9))
    assert SpaceGroup.parse("p4m", periods=periods).order == 81 * 8
    assert SpaceGroup.parse("2Z × 2Z", periods=periods) == SpaceGroup.parse("Z × Z", periods=periods), (
        "2 has an inverse modulo 9"
    )
    assert SpaceGroup.parse("1", dim=2).is_trivial


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "cannot read '' as a group; write '2Z × 2Z ⋊ 4mm'"),
        ("2Z ⋊ 4mm)", {}, "cannot read '2Z ⋊ 4mm\\)' as a group"),
        ("4mm", {}, "'4mm' does not tell its dimension: pass dim= or periods="),
        ("trivial", {}, "does not tell its dimension"),
        ("2Z × 2Z", {"dim": 3}, "is about dimension 2, asked of dimension 3: .*, such as 'Z × Z × Z'$"),
        (
            "p4m",
            {"dim": 1},
            "'p4m' is about dimension 2, asked of dimension 1: name .*, such as 'Z'$",
        ),
        ("Z ⋊ m at (0, 0)", {}, "'Z ⋊ m at .0, 0.' mixes dimensions 1, 2; check dim= and periods="),
        ("Z", {"dim": 2, "periods": Lattice.diagonal((4, 4, 4))}, "mixes dimensions 1, 2, 3"),
        ("5mm", {"dim": 2}, "'5mm' has turns by 72°, which move nodes of the square grid off it: 'm_x' is what acts"),
        ("mm", {"dim": 2}, "unknown point group 'mm' in 2-D; did you mean one of"),
        ("trival", {"dim": 2}, "unknown point group 'trival' in 2-D; did you mean one of"),
        ("p4n", {}, "unknown plane group 'p4n'; did you mean one of .*p4"),
        ("p6m", {}, "'p6m' has threefold axes"),
        ("p4m at (1, 1)", {}, "a plane symbol stands alone"),
        ("m", {"dim": 2}, "'m' has several orientations in 2-D; say which"),
        ("4mm at (1/2, 0)", {}, r"the point group about \(1/2, 0\) does not map the grid to itself"),
        ("4mm at (a, 0)", {}, "cannot read 'a, 0' as coordinates"),
        ("⟨⟩", {}, "cannot read '⟨⟩' as a lattice"),
        ("⟨(1, 2), (1)⟩", {}, "as a lattice; write its basis"),
        ("Z × 2Z ⋊ 4mm at (0, 0)", {}, "the operations generate more translations: Z × Z, not Z × 2Z"),
        ("4Z × 4Z · m_x {-x, y+1}", {}, "the operations generate more translations"),
        ("2Z × 2Z ⋊ 4 {-x, y}", {}, "the generators have point group m_x"),
        ("4", {"periods": Lattice.diagonal((4, 6))}, "rotate or swap only axes of equal size|does not map the grid"),
        ("2Z × 2Z ⋊ 4mm (p4g, index 4)", {}, "the note 'p4g' is not true of this group; it has p4m, index 4"),
        ("2Z × 2Z (index 2)", {}, "the note 'index 2' is not true of this group; it has p1, index 4"),
        ("p4m (index 2)", {}, "the note 'index 2' is not true of this group; it has p4m, index 1"),
        ("pg {x+1, -y}", {}, "with the translations Z × 2Z of pg these generators make pm on Z × 2Z"),
        ("⟨1, 1), (0, 2)⟩", {}, "as a lattice; write its basis"),
        ("⟨(1/2, 1), (0, 2)⟩", {}, "has shifts between nodes: read it with RealGroup.parse"),
        ("⟨(1/2., 1), (0, 2)⟩", {}, "as a lattice; write its basis"),
        ("⟨(1, 1) (0, 2)⟩", {}, "as a lattice; write its basis"),
        ("4mm at (1_0, 0)", {}, "cannot read '1_0, 0' as coordinates"),
        ("4mm at (1,, 0)", {}, "cannot read '1,, 0' as coordinates"),
        ("4mm at (\u0661, 0)", {}, "as coordinates"),
        ("4mm at (1e9, 0)", {}, "as coordinates"),
        ("4mm at (1/0, 0)", {}, "a denominator is 0"),
        ("m_x {-x, y+1_0}", {}, "as an isometry"),
        ("m_x {-x 1, y}", {}, "as an isometry"),
        ("Z × Z × Z × Z × Z", {}, "it has 5 axes; groups are read in up to 4"),
        (4, {}, "a group is read from text; got 4"),
        ("4mm", {"dim": 2.0}, "dim must be a whole number of at least 0; got 2.0: write 2"),
    ],
)
def test_errors_say_what_was_wrong(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpaceGroup.parse(text, **options)


@pytest.mark.parametrize(
    "text",
    [
        "⋊",
        "()",
        "{}",
        "at (0, 0)",
        "(order 1)",
        "⋊ 4mm",
        "Z × Z ⋊",
        "Z × Z 4mm",
        "Z × Z · 4mm",
        "Z × Z ⋊ trivial",
        "trivial (order 1)",
        "trivial at (0, 0)",
        "4mm ()",
        "4mm at ()",
        "4mm at (0, 0) {-y, x}",
        "Z × Z at (0, 0)",
        "<(1, 1), (0, 2)⟩",
        "\u0662Z × Z",
        "²Z × Z",
        "4 mm",
        "4mm at (0, 0",
        "Z ×",
    ],
)
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot read .* as a group; write"):
        SpaceGroup.parse(text, 2)


FRAGMENTS = [
    *(
        "Z",
        "2Z",
        "0",
        " ",
        "×",
        "x",
        "⋊",
        ":",
        "·",
        ".",
        "4mm",
        "m_x",
        "pg",
        "p4m",
        "trivial",
        "at",
        "(",
        ")",
        "1",
        ",",
    ),
    *("1/2", "-", "+", "{", "}", ";", "-x", "y", "y+1", "⟨", "⟩", "<", ">", "index", "4", "_", "/", "1_0"),
]


@settings(max_examples=400, deadline=200)
@given(st.one_of(st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join), st.text(max_size=30)))
def test_any_text_is_a_group_or_refused(text: str) -> None:
    for dim in (None, 1, 2, 3):
        try:
            found = SpaceGroup.parse(text, dim)
        except ValueError:
            continue
        assert SpaceGroup.parse(str(found), found.dim) == found


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "2Z x ",
        "2Zx",
        "m",
        "-",
        "(",
        "⟨(1,",
        "(1,1), ",
        "1,",
        "{x,",
        "{-x, y; ",
        "4mm at (1,",
        "p4",
        "9",
        "x ",
        "Z ⋊ ",
    ],
)
@pytest.mark.parametrize("around", ["{}", "{}!", "Z {}", "⟨{}⟩", "4mm at ({})", "Z × Z ⋊ 4mm {}", "4mm ({})"])
def test_reading_is_linear(text: str, around: str) -> None:
    long = around.format(text * 4000)
    begun = process_time()
    with suppress(ValueError):
        SpaceGroup.parse(long, 2)
    assert process_time() - begun < 1, "400 blanks took 21 s when blanks could be read in several ways"
    with pytest.raises(ValueError, match="cannot read"):
        parse_isometry(long)
    assert process_time() - begun < 2


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_every_symbol_names_a_group(dim: int) -> None:
    _, symbols = _tables(dim)
    for symbol, operations in symbols.items():
        assert SpaceGroup.parse(symbol, dim).point_group == operations
        steps = " × ".join(["4Z"] * dim)
        assert not dim or SpaceGroup.parse(f"{steps} ⋊ {symbol}", dim).point_group == operations


@pytest.mark.parametrize("short", SHORT)
def test_every_plane_symbol_names_a_group(short: str) -> None:
    full = full_plane_symbol(short)
    found = SpaceGroup.parse(short)
    assert found.plane_symbol == short
    assert SpaceGroup.parse(full) == found == SpaceGroup.parse(f"{short} ({full})")
    operations = "; ".join(str(g) for g in found.generators if not g.is_translation)
    assert not operations or SpaceGroup.parse(f"{full} {{{operations}}}") == found


def test_a_name_says_where_however_it_is_spaced() -> None:
    assert all(map(says_where, ("4mm at (0, 0)", "4mm at(0,0)", "4mm\tat (0, 0)", "pg {-x, y+1}", "Z×2Z·m_x{-x, y+1}")))
    assert not any(map(says_where, ("4mm", "p4m", "Z × Z ⋊ 4mm (index 1)", "trivial", "2Z")))
