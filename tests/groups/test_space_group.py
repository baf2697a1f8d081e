"""Space groups against brute force over every subgroup of small tori, all pairs of them included."""

from collections.abc import Callable
from functools import cache
from itertools import product

import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup, point_group_symbol, signed_permutations
from tests.groups.brute import Subgroup, TorusGroup

SMALL = [(n,) for n in range(1, 9)] + [(1, 1), (2, 2), (2, 4), (3, 4), (3, 3), (1, 1, 1)]
LONGEST = [(2, 4), (3, 4), (3, 3), (1, 1, 1)]
TORI = [*SMALL, (4, 4), (1, 2, 2), (1, 3, 3)]


@cache
def brute(sizes: tuple[int, ...]) -> TorusGroup:
    return TorusGroup(*sizes)


def isometry(torus: TorusGroup, number: int) -> Isometry:
    return Isometry(*torus.elements[number])


def generate(torus: TorusGroup, numbers: Subgroup) -> SpaceGroup:
    elements = [isometry(torus, i) for i in numbers]
    return SpaceGroup.generate(len(torus.sizes), elements, Lattice.diagonal(torus.sizes))


def as_set(torus: TorusGroup, group: SpaceGroup) -> Subgroup:
    numbers = [torus.number[g.matrix, g.shift] for g in group.elements()]
    assert len(numbers) == len(set(numbers)), "an element was listed twice"
    return frozenset(numbers)


@cache
def catalogue(sizes: tuple[int, ...]) -> dict[Subgroup, SpaceGroup]:
    torus = brute(sizes)
    return {subgroup: generate(torus, subgroup) for subgroup in torus.subgroups}


@pytest.mark.parametrize("sizes", TORI, ids=str)
def test_every_subgroup_is_what_its_elements_say(sizes: tuple[int, ...]) -> None:
    torus = brute(sizes)
    whole = frozenset(range(len(torus.elements)))
    everything = catalogue(sizes)[whole]
    wrap = Isometry.translation(tuple(-3 * n for n in sizes))
    for subgroup, group in catalogue(sizes).items():
        assert as_set(torus, group) == subgroup
        assert group.order == len(subgroup)
        assert group.index_in(everything) == len(whole) // len(subgroup)
        assert set(group.point_group) == {torus.elements[i][0] for i in subgroup}
        assert group.is_trivial == (len(subgroup) == 1)
        for i in whole:
            assert (isometry(torus, i) in group) == (i in subgroup)
        assert all(wrap * g in group for g in group.generators)


@pytest.mark.parametrize("sizes", TORI, ids=str)
def test_generators_generate_and_none_is_the_identity(sizes: tuple[int, ...]) -> None:
    periods = Lattice.diagonal(sizes)
    trivial = SpaceGroup.trivial(len(sizes), periods)
    assert trivial.generators == ()
    for group in catalogue(sizes).values():
        assert SpaceGroup.generate(len(sizes), group.generators, periods) == group
        assert not any(g in trivial for g in group.generators)
        assert 2 ** len(group.generators) <= (group.order or 0), "a generator adds nothing"


@pytest.mark.parametrize("sizes", TORI, ids=str)
def test_subgroups_differ_iff_their_groups_differ(sizes: tuple[int, ...]) -> None:
    groups = catalogue(sizes)
    assert len(set(groups.values())) == len(groups) == len({str(group) for group in groups.values()})


@pytest.mark.parametrize("sizes", TORI, ids=str)
def test_text_parses_back(sizes: tuple[int, ...]) -> None:
    periods = Lattice.diagonal(sizes)
    for group in catalogue(sizes).values():
        assert SpaceGroup.parse(str(group), periods=periods) == group


@pytest.mark.parametrize("sizes", TORI, ids=str)
def test_conjugation(sizes: tuple[int, ...]) -> None:
    torus, groups = brute(sizes), catalogue(sizes)
    movers = [torus.number[g.matrix, g.shift] for g in groups[frozenset(range(len(torus.elements)))].generators]
    for (subgroup, group), mover in product(groups.items(), movers):
        assert group.conjugate(isometry(torus, mover)) == groups[torus.conjugate(subgroup, mover)]


def check_pairs(sizes: tuple[int, ...], first: list[Subgroup]) -> None:
    torus, groups = brute(sizes), catalogue(sizes)
    numbers = {s: [torus.number[g.matrix, g.shift] for g in reduced(group)] for s, group in groups.items()}
    for a, b in product(first, groups):
        below = a <= b
        assert (groups[a] <= groups[b]) == below == (groups[b] >= groups[a])
        assert (groups[a] < groups[b]) == (a < b) == (groups[b] > groups[a])
        assert groups[a] & groups[b] == groups[a & b]
        assert groups[a] | groups[b] == groups[torus.join(a, *numbers[b])]
        if below:
            assert groups[a].index_in(groups[b]) == len(b) // len(a)


def reduced(group: SpaceGroup) -> list[Isometry]:
    return [Isometry(g.matrix, group.periods.reduce(g.shift)) for g in group.generators]


@pytest.mark.parametrize(
    "sizes", [pytest.param(sizes, marks=pytest.mark.slow) if sizes in LONGEST else sizes for sizes in SMALL], ids=str
)
def test_meet_join_and_inclusion_of_all_pairs(sizes: tuple[int, ...]) -> None:
    check_pairs(sizes, brute(sizes).subgroups)


def class_representatives(torus: TorusGroup) -> list[Subgroup]:
    seen: set[Subgroup] = set()
    kept = []
    for subgroup in torus.subgroups:
        if subgroup not in seen:
            kept.append(subgroup)
            seen.update(torus.conjugate(subgroup, g) for g in range(len(torus.elements)))
    return kept


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sizes",
    [(3, 3), (3, 4), *(pytest.param(sizes, marks=pytest.mark.slow) for sizes in ((4, 4), (1, 2, 2), (1, 3, 3)))],
    ids=str,
)
def test_meet_join_and_inclusion_up_to_conjugation(sizes: tuple[int, ...]) -> None:
    check_pairs(sizes, class_representatives(brute(sizes)))


@pytest.mark.thorough
def test_a_wrong_claim_is_caught() -> None:
    """Negative control: the checks above fail for a group with one coset representative moved by a pixel."""
    torus = brute((4, 4))
    subgroup = next(s for s, g in catalogue((4, 4)).items() if str(g).startswith("2Z × 2Z ⋊ 4mm (p4m"))
    group = catalogue((4, 4))[subgroup]
    matrix, shift = next(op for op in group.operations if op[0] == ((-1, 0), (0, 1)))
    others = tuple(op for op in group.operations if op[0] != matrix)
    wrong = SpaceGroup(group.lattice, (*others, (matrix, (shift[0] + 1, shift[1]))), group.periods)
    assert wrong != group
    assert as_set(torus, wrong) != subgroup
    assert not wrong <= group


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_infinite_groups(dim: int) -> None:
    plane = SpaceGroup.generate(
        dim,
        [Isometry(a, (0,) * dim) for a in signed_permutations(dim)] + [Isometry.translation((1,) + (0,) * (dim - 1))],
    )
    assert plane.order is None
    assert plane.index == 1
    assert len(plane.point_group) == 2**dim * (1, 1, 2, 6)[dim]
    even = SpaceGroup.of_translations(Lattice.diagonal((2,) * dim))
    assert even <= plane
    assert even.index_in(plane) == 2**dim * len(plane.point_group)
    assert SpaceGroup.trivial(dim).index_in(plane) is None
    with pytest.raises(ValueError, match="is infinite: its elements cannot be listed"):
        list(plane.elements())


def test_meet_of_shifted_mirrors_moves_the_centre() -> None:
    """p ↦ −p mod 4 and p ↦ 2 − p mod 6 share p ↦ 8 − p mod 12."""
    a = SpaceGroup.generate(1, [Isometry(((-1,),), (0,)), Isometry.translation((4,))])
    b = SpaceGroup.generate(1, [Isometry(((-1,),), (2,)), Isometry.translation((6,))])
    assert a & b == SpaceGroup.generate(1, [Isometry(((-1,),), (8,)), Isometry.translation((12,))])
    c = SpaceGroup.generate(1, [Isometry(((-1,),), (1,)), Isometry.translation((6,))])
    assert a & c == SpaceGroup.of_translations(Lattice.diagonal((12,)))


def test_dimension_zero() -> None:
    point = SpaceGroup.trivial(0)
    assert point.order == 1
    assert list(point.elements()) == [Isometry.identity(0)]
    assert point & point == point | point == point
    assert str(point) == "trivial"
    assert point_group_symbol(point.point_group) == "1"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SpaceGroup.generate(2, [Isometry.translation((1,))]), r"isometries of Z\^2 cannot contain x\+1"),
        (
            lambda: SpaceGroup.generate(2, [Isometry(((0, 1), (1, 0)), (0, 0))], Lattice.diagonal((4, 6))),
            "y, x does not respect the periods 4Z × 6Z: rotate or swap only axes of equal size",
        ),
        (
            lambda: SpaceGroup(Lattice.diagonal((2,)), ((((1,),), (0,)),), Lattice.diagonal((3,))),
            "the periods 3Z must lie in the translation lattice 2Z",
        ),
        (
            lambda: SpaceGroup.trivial(1) <= SpaceGroup.trivial(2),
            r"groups of isometries of Z\^1 and Z\^2",
        ),
        (
            lambda: SpaceGroup.trivial(1) & SpaceGroup.trivial(1, Lattice.diagonal((4,))),
            "different domains: periods 0 and 4Z",
        ),
        (lambda: Isometry.identity(1) in SpaceGroup.trivial(2), r"x is an isometry of Z\^1; this group acts on Z\^2"),
        (
            lambda: SpaceGroup.of_translations(Lattice.full(1)).index_in(SpaceGroup.trivial(1)),
            "needs the first to be a subgroup of the second",
        ),
        (
            lambda: SpaceGroup.trivial(2, Lattice.diagonal((4, 6))).conjugate(Isometry(((0, 1), (1, 0)), (0, 0))),
            "y, x does not respect the periods 4Z × 6Z",
        ),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
