"""Relations between two groups of isometries, against every subgroup of a product of two small tori."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product

import numpy as np
import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup, restriction
from equinet.groups.blocks import Blocks
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
    """The smallest relation that holds some pairs (g, g'): the group that g ⊕ g' generate in the sum of two spaces."""
    d, e = len(source), len(target)
    sums = []
    for i, j in pairs:
        g, h = isometry(source, i), isometry(target, j)
        sums.append(
            Isometry(tuple(r + (0,) * e for r in g.matrix) + tuple((0,) * d + r for r in h.matrix), g.shift + h.shift)
        )
    graph = SpaceGroup.generate(d + e, sums, Lattice.diagonal(source + target))
    parts = [((restriction(m, range(d)), restriction(m, range(d, d + e))), shift) for m, shift in graph.operations]
    operations = tuple(((a, b), shift) for (a, b), shift in parts if a is not None and b is not None)
    return Relation(graph.lattice, operations, Lattice.diagonal(source), Lattice.diagonal(target))


def holds(found: Relation, g: Isometry, h: Isometry) -> bool:
    """Whether (g, h) is one of the pairs."""
    shift = dict(found.operations).get((g.matrix, h.matrix))
    return (
        shift is not None
        and [a - b for a, b in zip(g.whole_shift + h.whole_shift, shift, strict=True)] in found.lattice
    )


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
        assert pairs == {(i, j) for i, j in everything if holds(found, isometry(source, i), isometry(target, j))}
        left, right = frozenset(i for i, _ in pairs), frozenset(j for _, j in pairs)
        assert found.source == group(source, left)
        assert found.inverse().source == group(target, right)
        assert found.kernel == group(source, fibre(pairs, frozenset([0])))
        assert found.stabiliser == group(target, frozenset(j for i, j in pairs if i == 0))
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
def test_restriction_to_every_subgroup(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    relations = catalogue(source, target)
    for pairs, found in relations.items():
        for inside in torus(target).subgroups:
            smaller = group(target, inside)
            assert found.restrict_target(smaller).source == group(source, fibre(pairs, inside))
            assert found.restrict_target(smaller) == relations[frozenset(p for p in pairs if p[1] in inside)]
        for inside in torus(source).subgroups:
            smaller = group(source, inside)
            assert found.restrict(smaller) == relations[frozenset(p for p in pairs if p[0] in inside)]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("source", "target"),
    [PRODUCTS[0], PRODUCTS[1], pytest.param(*PRODUCTS[2], marks=pytest.mark.slow), PRODUCTS[6]],
    ids=str,
)
def test_equalizer_of_every_two(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    relations = catalogue(source, target)
    for (a, first), (b, second) in product(relations.items(), repeat=2):
        assert first & second == relations[a & b]
        assert (first & second).source == group(source, frozenset(i for i, _ in a & b))


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
        assert same.source == same.inverse().source == inside
        assert same.kernel.is_trivial
        assert same.then(same) == same
        assert all(same(g) == g for g in inside.elements())


Rows = frozenset[tuple[int, ...]]

MODULUS = 3
"""Of each parameter: where a relation holds all that change by it, a finite set of (t, τ, δ) says the same."""
KEYS = [(((sign,),), ((sign,),)) for sign in (1, -1)]


def moduli(source: int, target: int, parameters: Sequence[str]) -> tuple[int, ...]:
    return (source, target, *(MODULUS for _ in parameters))


def finite(found: Relation, *, reflected: bool) -> Rows:
    """All (t, τ, δ…) of the translations, or of the reflections, of a relation between two circles."""
    shift = dict(found.operations).get(KEYS[reflected])
    sizes = moduli(found.source_periods.basis[0][0], found.target_periods.basis[0][0], found.parameters)
    if shift is None:
        return frozenset()
    rows = product(*map(range, sizes))
    return frozenset(row for row in rows if [a - b for a, b in zip(row, shift, strict=True)] in found.lattice)


def drawn(rng: np.random.Generator, source: int, target: int, names: str) -> Relation:
    """A random lattice, and a random shift of reflections."""
    sizes = moduli(source, target, names)
    rows = [*Lattice.diagonal(sizes).basis, *rng.integers(0, 12, (2, len(sizes))).tolist()]
    operations = ((KEYS[0], (0,) * len(sizes)), (KEYS[1], tuple(rng.integers(0, 12, len(sizes)).tolist())))
    periods = Lattice.diagonal((source,)), Lattice.diagonal((target,))
    return Relation(Lattice.span(rows, len(sizes)), operations, *periods, tuple(names))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("reflected", [False, True])
def test_parameters_go_by_name(seed: int, reflected: bool) -> None:
    """Each operation on relations with parameters, against the sets of (t, τ, δ…) themselves."""
    rng = np.random.default_rng(seed)
    one, other, back = drawn(rng, 4, 2, "ab"), drawn(rng, 4, 2, "bc"), drawn(rng, 2, 3, "bc")
    mine, theirs, after = (finite(found, reflected=reflected) for found in (one, other, back))
    values = range(MODULUS)

    def shows(found: Relation, rows: set[tuple[int, ...]]) -> None:
        assert finite(found, reflected=reflected) == rows

    shows(one.over(("b", "c", "a")), {(t, u, b, c, a) for t, u, a, b in mine for c in values})
    shows(one.fix("a"), {(t, u, b) for t, u, a, b in mine if a == 0})
    shows(one.drop("a"), {(t, u, b) for t, u, _, b in mine})
    shows(one.identify("a", "b"), {(t, u, a) for t, u, a, b in mine if a == b})
    shows(one & other, {(*row, c) for row in mine for c in values if (*row[:2], row[3], c) in theirs})
    composed = {(t, w, a, b, c) for t, u, a, b in mine for w in range(3) for c in values if (u, w, b, c) in after}
    shows(one.then(back), composed)
    assert one.then(back).parameters == (one & other).parameters == ("a", "b", "c")
    for step, output_fixed in product(values, [False, True]):
        still = {row for row in finite(one, reflected=False) if row[0] == 0 and not (output_fixed and row[1])}
        assert one.parameter_moves("a", step, output_fixed=output_fixed) == any(a == step for _, _, a, _ in still)
        moves = any((a, b) == (0, step) for _, _, a, b in still)
        assert one.parameter_moves("b", step, output_fixed=output_fixed) == moves


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
        (lambda: Blocks.of(t=2, tau=1).row(t=(1,)), r"the blocks have the sizes .*'t': 2.*; got {'t': \(1,\)}"),
    ],
)
def test_errors_say_what_was_wrong(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
