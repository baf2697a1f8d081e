"""The verdict by cosets is the full sweep's, and the bound it rests on holds."""

from itertools import product

import numpy as np
import pytest

from equinet.groups import Isometry, Lattice, SpaceGroup
from equinet.groups.domain import Domain, bounded, box, periodic, plane, torus
from equinet.verify import verify
from equinet.verify.cosets import outside_cosets, word_length
from tests.verify.functions import CASES, TRANSPOSE, Case, case, shifts

DOMAINS = (torus(4, 4), torus(2, 3), torus(6), box(4, 4), Domain((periodic(4), bounded(3))), torus(2, 2, 2))


def subgroups(domain: Domain) -> list[SpaceGroup]:
    """The subgroups of a domain's group that two of its elements generate, some of them."""
    elements = list(domain.group.elements())
    step = max(1, len(elements) // 12)
    pairs = product(elements[::step], elements[1 :: 2 * step])
    return list(dict.fromkeys(SpaceGroup.generate(domain.dim, pair, domain.periods) for pair in pairs))


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_cosets_partition_the_group(domain: Domain) -> None:
    for group in subgroups(domain):
        covered = [domain_reduced(h * g, domain) for g in outside_cosets(domain.group, group) for h in group.elements()]
        assert len(covered) == len(set(covered))
        assert set(covered) == {g for g in domain.group.elements() if g not in group}


def domain_reduced(g: Isometry, domain: Domain) -> Isometry:
    return Isometry(g.matrix, domain.periods.reduce(g.shift))


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_no_element_needs_more_generators_than_the_word_length(domain: Domain) -> None:
    for group in subgroups(domain):
        letters = [*group.generators, *(g.inverse() for g in group.generators)]
        reached = {Isometry.identity(domain.dim)}
        frontier, rounds = set(reached), 0
        while frontier:
            frontier = {domain_reduced(g * h, domain) for g in frontier for h in letters} - reached
            reached |= frontier
            rounds += bool(frontier)
        assert len(reached) == group.order
        length = word_length(group)
        assert length is not None
        assert rounds <= length


def test_infinite_groups() -> None:
    assert word_length(plane(2).group) is None
    with pytest.raises(ValueError, match="infinitely many cosets: the claimed translations are 0"):
        list(outside_cosets(plane(1).group, SpaceGroup.trivial(1)))


def claims(c: Case) -> list[SpaceGroup]:
    """The true group, smaller ones and larger ones."""
    smaller = [SpaceGroup.trivial(c.domain.dim, c.domain.periods)]
    smaller += [SpaceGroup.generate(c.domain.dim, [g], c.domain.periods) for g in c.group.generators[-2:]]
    larger = [SpaceGroup.generate(c.domain.dim, [*c.group.generators, g], c.domain.periods) for g in outside(c)[:2]]
    return list(dict.fromkeys([c.group, *smaller, *larger]))


def outside(c: Case) -> list[Isometry]:
    return [g for g in c.domain.group.elements() if g not in c.group][::17]


@pytest.mark.parametrize("c", [c for c in CASES if c.domain.dim < 3], ids=str)
def test_verdict_by_cosets_is_the_verdict_of_the_sweep(c: Case) -> None:
    for group in claims(c):
        full = verify(c.once, group, c.domain, channels=1, mode="sweep", action=c.action, key=0)
        fast = verify(c.once, group, c.domain, channels=1, mode="cosets", action=c.action, key=1)
        assert (fast.sound, fast.tight, fast.passed) == (full.sound, full.tight, full.passed), (full, fast)
        assert full.passed == (group == c.group)
        index = group.index_in(c.domain.group)
        assert index is not None
        assert len(fast.outside) <= index - 1
        # Each coset's elements share their representative's verdict.
        for g, error in fast.outside.items():
            for h in list(group.elements())[:: max(1, (group.order or 1) // 8)]:
                element = domain_reduced(h * g, c.domain)
                assert (full.errors[element] <= full.tol) == (error <= fast.tol)


def test_errors_within_a_coset_differ_by_no_more_than_the_bound() -> None:
    # A function that keeps its claim only nearly: each generator has a visible error ε, and every coset feels it.
    domain = torus(8)
    leak = np.random.default_rng(0).normal(size=(1, 8, 1)) * 1e-4
    keep = shifts(domain, 2)

    def fn(x: np.ndarray) -> np.ndarray:
        return (np.tanh(x) * (1 + leak.astype(x.dtype)))[:, ::2].sum(axis=1) / 4

    fast = verify(
        fn, keep, domain, channels=1, mode="cosets", key=0, jit=False, tol=1e-2, batch=64, trials=1, dtype="float64"
    )
    full = verify(
        fn, keep, domain, channels=1, mode="sweep", key=0, jit=False, tol=1e-2, batch=64, trials=1, dtype="float64"
    )
    assert fast.bound is not None
    assert 1e-6 < fast.bound < 1e-2
    for g, error in fast.outside.items():
        for h in keep.elements():
            there = full.errors[domain_reduced(h * g, domain)]
            assert abs(there - error) <= 2 * fast.bound
    assert len(fast.errors) < len(full.errors)


def test_few_elements_are_measured() -> None:
    c = case("pool of windows")
    report = verify(c.fn, c.group, c.domain, channels=1, mode="cosets", action=c.action, key=0)
    index = c.group.index_in(c.domain.group)
    assert index == 4
    assert len(report.outside) == 3
    assert "differ from their representative's by at most" in str(report)


def test_a_loose_claim_names_the_coset_that_holds() -> None:
    c = case("mean")
    half = SpaceGroup.generate(2, [*shifts(c.domain, 2, 1).generators, TRANSPOSE * TRANSPOSE], c.domain.periods)
    report = verify(c.fn, half, c.domain, channels=1, mode="cosets", key=0)
    assert report.sound
    assert report.tight is False
    assert set(report.counterexamples) == set(report.outside)
    assert half.lattice == Lattice.diagonal((2, 1))


@pytest.mark.parametrize("mode", ["generators", "cosets", "sweep"])
@pytest.mark.parametrize("c", [c for c in CASES if c.domain.dim < 3], ids=str)
def test_shifts_only_asks_of_translations_whatever_the_mode(c: Case, mode: str) -> None:
    of_shifts = SpaceGroup.of_translations(c.group.lattice, c.group.periods)
    report = verify(c.once, c.group, c.domain, channels=1, mode=mode, action=c.action, shifts_only=True, key=0)
    assert report.passed
    assert report.group == of_shifts
    assert all(g.is_translation for g in (*report.errors, *report.outside))
    if (more := [g for g in outside(c) if g.is_translation]) and mode != "generators":
        larger = SpaceGroup.generate(c.domain.dim, [*c.group.generators, more[0]], c.domain.periods)
        assert not verify(
            c.once, larger, c.domain, channels=1, mode=mode, action=c.action, shifts_only=True, key=0
        ).sound
