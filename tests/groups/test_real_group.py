"""Real groups against sets of rational isometries, closed by multiplying them out."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equinet import Isometry, Lattice, RealGroup, SpaceGroup
from equinet.groups import matmul, matvec, signed_permutations

FINEST = 12
"""Shifts are multiples of 1/12 of a node on a torus of one node a side: 144 × 8 isometries of the plane."""

Element = tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]


def closed(dim: int, generators: Iterable[Element]) -> frozenset[Element]:
    """Every product of the generators, shifts in twelfths modulo 12."""
    one = (signed_permutations(dim)[0], (0,) * dim)
    found, queue, gens = {one}, [one], list(generators)
    while queue:
        a, t = queue.pop()
        for b, s in gens:
            new = matmul(a, b), tuple((x + y) % FINEST for x, y in zip(matvec(a, s), t, strict=True))
            if new not in found:
                found.add(new)
                queue.append(new)
    return frozenset(found)


def isometry(element: Element) -> Isometry:
    return Isometry(element[0], tuple(Fraction(t, FINEST) for t in element[1]))


@st.composite
def generating(draw: st.DrawFn, dim: int) -> tuple[list[Element], tuple[int, ...]]:
    """Isometries, and axes with all real shifts."""
    steps = st.sampled_from([0, 0, 1, 2, 3, 4, 6])
    matrices = st.sampled_from(signed_permutations(dim))
    gens = draw(st.lists(st.tuples(matrices, st.tuples(*[steps] * dim)), max_size=2))
    shifts = draw(st.lists(st.tuples(*[steps] * dim), max_size=2))
    one = signed_permutations(dim)[0]
    real = draw(st.sampled_from([(), (), (0,), (dim - 1,), tuple(range(dim))]))
    return [*gens, *((one, shift) for shift in shifts)], real


def both(dim: int, drawn: tuple[list[Element], tuple[int, ...]]) -> tuple[RealGroup, list[Element]]:
    """The group, and what generates the twelfths in it."""
    gens, real = drawn
    group = RealGroup.generate(dim, map(isometry, gens), Lattice.full(dim), real)
    units = [(signed_permutations(dim)[0], tuple(int(i == axis) for i in range(dim))) for axis in real]
    return group, [*gens, *units]


def shadow(group: RealGroup) -> frozenset[Element]:
    """The members whose shifts are twelfths, asked one by one."""
    everything = product(signed_permutations(group.dim), product(range(FINEST), repeat=group.dim))
    return frozenset(element for element in everything if isometry(element) in group)


@pytest.mark.parametrize("dim", [1, 2])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_members_meets_and_joins(dim: int, data: st.DataObject) -> None:
    one, made_one = both(dim, data.draw(generating(dim)))
    two, made_two = both(dim, data.draw(generating(dim)))
    first, second = closed(dim, made_one), closed(dim, made_two)
    assert shadow(one) == first and shadow(two) == second
    assert shadow(one & two) == first & second
    assert shadow(one | two) == closed(dim, [*made_one, *made_two])
    assert (one & two) <= one <= (one | two)
    finer = [axis for axis in range(dim) if any(_seventh(dim, axis) in group for group in (one, two))]
    assert finer == sorted({*one.real, *two.real})
    assert (one <= two) == (first <= second and set(one.real) <= set(two.real))
    if one.real == two.real and first <= second:
        assert one.index_in(two) == len(second) // len(first)
    if not one.real:
        assert one.order == len(first) == len(set(one.elements()))
    for group in (one, two, one & two, one | two):
        assert RealGroup.parse(str(group), dim, group.periods) == group


def _seventh(dim: int, axis: int) -> Isometry:
    """A shift that no group without all shifts along the axis has here."""
    return Isometry.translation([Fraction(int(i == axis), 7) for i in range(dim)])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("½Z × ½Z", "½Z × ½Z (p1)"),
        ("1/2Z x (1/2)Z", "½Z × ½Z (p1)"),
        ("R × Z", "R × Z"),
        ("R × R ⋊ 4mm", "R × R ⋊ 4mm"),
        ("5/7Z × 0", "(5/7)Z × 0"),
        ("R", "R"),
        ("R ⋊ m", "R ⋊ m"),
        ("2Z × 2Z ⋊ 4mm", "2Z × 2Z ⋊ 4mm (p4m, index 4)"),
        ("½Z × ½Z ⋊ 4mm at (1/8, 1/8)", "½Z × ½Z ⋊ 4mm at (1/8, 1/8) (p4m)"),
        ("⟨(1/2, 1/2), (0, 1)⟩", "⟨(1/2, 1/2), (0, 1)⟩ (p1)"),
        ("½Z × Z · m_x {-x, y+1/2}", "½Z × Z · m_x {-x, y+1/2} (pg)"),
        ("pg {-x+1/2, y+1}", "Z × 2Z · m_x {-x+1/2, y+1} (pg)"),
        ("R × ½Z × ½Z ⋊ m_x", "R × ½Z × ½Z ⋊ m_x"),
        ("⟨(R, 0, 0), (0, 1/2, 1/2), (0, 0, 1)⟩", "⟨(R, 0, 0), (0, 1/2, 1/2), (0, 0, 1)⟩"),
        ("4mm at (1/4, 1/4)", "4mm at (1/4, 1/4) (order 8)"),
        ("trivial", "trivial"),
    ],
)
def test_text(text: str, written: str) -> None:
    group = RealGroup.parse(text, None if text[0] != "t" else 2)
    assert str(group) == written
    assert RealGroup.parse(written, group.dim) == group


def test_between_groups_of_nodes() -> None:
    nodes, halves = SpaceGroup.parse("Z × Z ⋊ 4mm"), RealGroup.parse("½Z × ½Z ⋊ 4mm")
    half = Isometry.translation((Fraction(1, 2), 0))
    assert half in halves and half not in nodes and half * half in nodes
    assert nodes < halves < RealGroup.parse("R × R ⋊ 4mm")
    assert halves > nodes and not halves <= nodes
    assert nodes == RealGroup.of(nodes) and hash(nodes) == hash(RealGroup.of(nodes))
    assert nodes & halves == nodes == halves & nodes and halves.whole == nodes
    assert nodes | halves == halves
    assert RealGroup.of(nodes).index_in(halves) == 4 and nodes != halves
    assert RealGroup.parse("R × R").order is None and RealGroup.parse("R × Z").generators == (
        Isometry.translation((0, 1)),
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match="RealGroup.parse"):
        SpaceGroup.parse("½Z × ½Z")
    with pytest.raises(ValueError, match="write Fraction\\(1, 2\\)"):
        Isometry.translation((0.5, 0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="is no|infinite"):
        RealGroup.parse("R × Z").elements()
    with pytest.raises(ValueError, match="index 4"):
        RealGroup.parse("½Z × ½Z (index 4)")
    with pytest.raises(ValueError, match="whole numbers"):
        SpaceGroup.generate(1, [Isometry.translation((Fraction(1, 2),))])
    with pytest.raises(ValueError, match="cannot contain the real axes"):
        RealGroup.generate(1, [], real=(1,))
    with pytest.raises(ValueError, match="cannot contain x, an isometry of R"):
        RealGroup.generate(2, [Isometry.identity(1)])
    with pytest.raises(TypeError, match="the periods of a group are a lattice"):
        RealGroup.parse("R", periods=4)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="do not keep the real axes"):
        RealGroup(SpaceGroup.parse("Z × Z ⋊ 4mm"), 1, (0,))
    with pytest.raises(ValueError, match="different domains"):
        RealGroup.parse("R", periods=Lattice.diagonal((4,))).__and__(SpaceGroup.parse("Z"))
    with pytest.raises(ValueError, match="takes the axes of R to others"):
        RealGroup.parse("R × ½Z ⋊ 4mm")
    for text in ("½", "1/0Z × Z", "½½Z", "R R", "RZ", "⟨(R, 1), (0, 1)⟩", "Z/2"):
        with pytest.raises(ValueError, match="cannot read|unknown"):
            RealGroup.parse(text)
