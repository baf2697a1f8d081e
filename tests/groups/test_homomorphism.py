"""Relations between two groups of isometries, against every subgroup of a product of two small tori."""

from collections.abc import Callable
from functools import cache
from itertools import product

import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup
from equinet.groups.relation import Relation
from tests.groups.brute import ProductGroup, Subgroup, TorusGroup

Pairs = frozenset[tuple[int, int]]

PRODUCTS = [((2,), (2,)), ((3,), (3,)), ((4,), (2,)), ((2,), (4,)), ((6,), (3,)), ((1, 1), (2,)), ((2, 1), (1,))]


@cache
def torus(sizes: tuple[int, ...]) -> TorusGroup:
    return TorusGroup(*sizes)


def isometry(sizes: tuple[int, ...], number: int) -> Isometry:
    return Isometry(*torus(sizes).elements[number])


def group(sizes: tuple[int, ...], numbers: Subgroup) -> SpaceGroup:
    return SpaceGroup.generate(len(sizes), [isometry(sizes, i) for i in numbers], Lattice.diagonal(sizes))


def relation(source: tuple[int, ...], target: tuple[int, ...], pairs: Pairs) -> Relation:
    """The smallest relation that holds some pairs."""
    isometries = [(isometry(source, i), isometry(target, j)) for i, j in pairs]
    return Relation.generate(isometries, Lattice.diagonal(source), Lattice.diagonal(target))


@cache
def both(source: tuple[int, ...], target: tuple[int, ...]) -> ProductGroup:
    return ProductGroup(torus(source), torus(target))


@cache
def catalogue(source: tuple[int, ...], target: tuple[int, ...]) -> dict[Pairs, Relation]:
    whole = both(source, target)
    found = [frozenset(map(whole.pair, subgroup)) for subgroup in whole.subgroups]
    return {pairs: relation(source, target, pairs) for pairs in found}


def fibre(pairs: Pairs, inside: Subgroup) -> Subgroup:
    return frozenset(i for i, j in pairs if j in inside)


@pytest.mark.parametrize(("source", "target"), PRODUCTS, ids=str)
def test_the_parts_of_every_relation(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    for pairs, found in catalogue(source, target).items():
        everything = product(range(torus(source).order), range(torus(target).order))
        assert pairs == {(i, j) for i, j in everything if (isometry(source, i), isometry(target, j)) in found}
        left, right = frozenset(i for i, _ in pairs), frozenset(j for _, j in pairs)
        single = len(left) == len(pairs)
        assert found.source == group(source, left)
        assert found.image == group(target, right)
        assert found.kernel == group(source, fibre(pairs, frozenset([0])))
        assert found.stabiliser == group(target, frozenset(j for i, j in pairs if i == 0))
        assert found.is_single_valued == single
        assert found.inverse() == relation(target, source, frozenset((j, i) for i, j in pairs))
        assert found.inverse().inverse() == found
        for i in range(torus(source).order):
            g = isometry(source, i)
            if i in left:
                image = found(g)
                assert (i, torus(target).number[image.matrix, image.shift]) in pairs
            else:
                with pytest.raises(ValueError, match="is not in .*, the group this action is defined on"):
                    found(g)


@pytest.mark.parametrize(("source", "target"), PRODUCTS, ids=str)
def test_images_of_generators_define_a_homomorphism_iff_every_relation_holds(
    source: tuple[int, ...], target: tuple[int, ...]
) -> None:
    periods, whole, valid = (Lattice.diagonal(source), Lattice.diagonal(target)), both(source, target), 0
    for pairs in catalogue(source, target):
        images = dict(sorted(pairs))
        numbers = [i * torus(target).order + j for i, j in images.items()]
        generated = frozenset(map(whole.pair, whole.join(frozenset([0]), *numbers)))
        isometries = {isometry(source, i): isometry(target, j) for i, j in images.items()}
        if len(generated) == len(images):
            assert Relation.from_images(isometries, *periods) == relation(source, target, generated)
            valid += 1
        else:
            with pytest.raises(ValueError, match="a relation fails among them"):
                Relation.from_images(isometries, *periods)
    assert 0 < valid < len(catalogue(source, target))


@pytest.mark.parametrize(("source", "target"), PRODUCTS, ids=str)
def test_preimage_image_and_restriction_of_every_subgroup(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    relations = catalogue(source, target)
    for pairs, found in relations.items():
        for inside in torus(target).subgroups:
            smaller = group(target, inside)
            assert found.preimage(smaller) == group(source, fibre(pairs, inside))
            assert found.restrict_target(smaller) == relations[frozenset(p for p in pairs if p[1] in inside)]
        for inside in torus(source).subgroups:
            smaller = group(source, inside)
            assert found.image_of(smaller) == group(target, frozenset(j for i, j in pairs if i in inside))
            assert found.restrict(smaller) == relations[frozenset(p for p in pairs if p[0] in inside)]


@pytest.mark.parametrize(
    ("source", "target"),
    [PRODUCTS[0], PRODUCTS[1], pytest.param(*PRODUCTS[2], marks=pytest.mark.slow), PRODUCTS[6]],
    ids=str,
)
def test_equalizer_of_every_two(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    relations = catalogue(source, target)
    for (a, first), (b, second) in product(relations.items(), repeat=2):
        assert first & second == relations[a & b]
        assert first.equalizer(second) == group(source, frozenset(i for i, _ in a & b))


@pytest.mark.parametrize(
    ("source", "middle", "target"),
    [((2,), (2,), (2,)), ((3,), (3,), (3,)), ((4,), (2,), (2,)), ((2,), (1, 1), (2,)), ((1,), (2, 1), (1,))],
    ids=str,
)
def test_composition_of_every_two(source: tuple[int, ...], middle: tuple[int, ...], target: tuple[int, ...]) -> None:
    direct = catalogue(source, target)
    for (a, first), (b, second) in product(catalogue(source, middle).items(), catalogue(middle, target).items()):
        assert first.then(second) == direct[frozenset((i, k) for i, j in a for m, k in b if j == m)]


@pytest.mark.parametrize(("source", "target"), PRODUCTS, ids=str)
def test_forgetting_the_target_keeps_the_source(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    for found in catalogue(source, target).values():
        assert found.forget_target().source == found.source == found.forget_target().kernel


@pytest.mark.parametrize("sizes", [(4,), (2, 2), (3, 2)], ids=str)
def test_identity(sizes: tuple[int, ...]) -> None:
    for subgroup in torus(sizes).subgroups:
        inside = group(sizes, subgroup)
        same = Relation.identity(inside)
        assert same.source == same.image == inside
        assert same.kernel.is_trivial
        assert same.then(same) == same
        assert all(same(g) == g for g in inside.elements())


@pytest.mark.parametrize(
    ("size", "target", "scale", "offset"),
    [
        (n, m, s, c)
        for n, m, s in product((1, 2, 3, 4, 6, 8), (1, 2, 3, 4), (1, 2, 3, 4, -1))
        if s * m % n == 0
        for c in range(max(s, 2))
    ],
)
def test_sampling_a_circle(size: int, target: int, scale: int, offset: int) -> None:
    """The pairs with `g σ = σ g'` as maps from Z to Z modulo N, tried one by one."""
    fine, coarse = torus((size,)), torus((target,))
    whole = [group((n,), frozenset(range(t.order))) for n, t in ((size, fine), (target, coarse))]
    found = Relation.affine(*whole, scale=(scale,), offset=(offset,))
    pairs = frozenset(
        (i, j)
        for i, j in product(range(fine.order), range(coarse.order))
        if isometry((size,), i).matrix == isometry((target,), j).matrix
        and all(
            (isometry((size,), i)((scale * p + offset,))[0] - scale * isometry((target,), j)((p,))[0] - offset) % size
            == 0
            for p in range(target)
        )
    )
    assert found == relation((size,), (target,), pairs)


@pytest.mark.parametrize(("size", "target", "scale"), [(9, 5, 2), (9, 4, 2), (8, 3, 3), (3, 1, 2), (6, 2, 1)])
def test_sampling_a_circle_that_does_not_close_leaves_the_identity(size: int, target: int, scale: int) -> None:
    whole = [group((n,), frozenset(range(torus((n,)).order))) for n in (size, target)]
    found = Relation.affine(*whole, scale=(scale,), offset=(0,))
    assert found.source.is_trivial
    assert found.image.is_trivial


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Relation.identity(SpaceGroup.trivial(2)).then(Relation.identity(SpaceGroup.trivial(1))),
            "cannot compose: the first maps to dimension 2, the second starts from dimension 1",
        ),
        (
            lambda: Relation.identity(SpaceGroup.trivial(2)) & Relation.identity(SpaceGroup.trivial(1)),
            "two actions between the same spaces",
        ),
        (
            lambda: Relation.affine(SpaceGroup.trivial(1), SpaceGroup.trivial(1), (0,), (0,)),
            r"need 1 entries each, scale without zeros; got \(0,\) and \(0,\)",
        ),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
