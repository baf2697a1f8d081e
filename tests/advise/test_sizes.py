"""Sizes that keep a group: known answers, and what a requirement means."""

import pytest

import equinet as eq
from equinet.advise import Requirement, legal_sizes
from equinet.advise.sizes import explain

POOL = eq.MaxPool(3, stride=2, padding=1)


@pytest.mark.parametrize(
    ("net", "require", "boundary", "congruence"),
    [
        (POOL, "4mm", "box", "n ≡ 1 (mod 2)"),
        (eq.Sequential(POOL, POOL), "4mm", "box", "n ≡ 1 (mod 4)"),
        (eq.Sequential(POOL, POOL, POOL), "4mm", "box", "n ≡ 1 (mod 8)"),
        (eq.Sequential(eq.MaxPool(2), eq.MaxPool(2)), "4mm", "box", "n ≡ 0 (mod 4)"),
        (eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.MaxPool(2)), "2Z × 2Z", "torus", "n ≡ 0 (mod 2)"),
        (eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.MaxPool(2)), "Z × Z", "torus", "no n"),
        (eq.Conv(2, 3, padding="circular"), "Z × Z", "torus", "every n"),
        (eq.Conv(2, 3), "Z × Z", "torus", "no n"),
        (eq.Conv(2, 3), "Z × Z", "plane", "every n"),
        (POOL, "4mm", "plane", "every n"),
    ],
)
def test_known_answers(net: eq.Layer, require: str, boundary: str, congruence: str) -> None:
    found = legal_sizes(net, require, range(8, 60), boundary)  # pyright: ignore[reportArgumentType]
    assert found.congruence == congruence


def test_the_list_is_what_certify_says() -> None:
    found = legal_sizes(eq.Sequential(POOL, POOL, POOL), "4mm", range(8, 60), "box")
    # On 8×8 the one window of the three pools holds the whole image: a legal size that no congruence predicts.
    assert found.sizes == (8, 9, 17, 25, 33, 41, 49, 57)
    assert found.exceptions == (8,)
    assert str(found) == "n ≡ 1 (mod 8), also 8: 8, 9, 17, 25, 33, 41, 49, 57"
    for n in range(8, 60):
        assert (len(eq.certify(eq.Sequential(POOL, POOL, POOL), eq.box(n, n)).strict.point_group) == 8) == (
            n in found.sizes
        )


def test_the_transpose_needs_no_odd_size() -> None:
    assert legal_sizes(POOL, lambda c: ((0, 1), (1, 0)) in c.strict.point_group, range(8, 20), "box").sizes == tuple(
        range(8, 20)
    )


def test_sizes_at_which_the_network_cannot_run_are_not_legal() -> None:
    net = eq.Sequential(eq.PolyphasePool(4), eq.GlobalAvgPool())
    found = legal_sizes(net, "Z × Z", range(2, 40))
    assert found.sizes == tuple(range(4, 40, 4))
    assert found.congruence == "n ≡ 0 (mod 4)"
    assert legal_sizes(eq.Conv(1, 9, padding="valid"), "trivial", range(4, 40)).sizes == tuple(range(9, 40))


def test_which_group_is_asked() -> None:
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.PolyphasePool(2))
    assert legal_sizes(net, "Z × Z", range(8, 24)).congruence == "no n"
    assert legal_sizes(net, "2Z × 2Z", range(8, 24)).congruence == "n ≡ 0 (mod 2)"
    assert legal_sizes(net, "Z × Z", range(8, 24), of="orbit").congruence == "n ≡ 0 (mod 2)"


def test_a_name_means_some_centre_and_a_centre_means_itself() -> None:
    net = eq.MaxPool(3, 2, padding="circular")
    torus = eq.certify(net, eq.torus(8, 8))
    assert Requirement("2Z × 2Z ⋊ 4mm").met(torus)
    assert Requirement("2Z × 2Z ⋊ 4mm at (0, 0)").met(torus)
    assert not Requirement("2Z × 2Z ⋊ 4mm at (1/2, 1/2)").met(torus)
    assert not Requirement("p4m").met(torus)
    assert Requirement("4mm").met(eq.certify(POOL, eq.box(9, 9)))
    assert Requirement("4mm at (4, 4)").met(eq.certify(POOL, eq.box(9, 9)))
    assert not Requirement("4mm at (3, 3)").met(eq.certify(POOL, eq.box(9, 9)))


def test_a_group_is_taken_element_by_element() -> None:
    group = eq.SpaceGroup.generate(2, [eq.Isometry.translation((4, 0))])
    assert legal_sizes(eq.MaxPool(2), group, range(8, 24)).congruence == "n ≡ 0 (mod 2)"
    assert legal_sizes(eq.MaxPool(4), group, range(8, 24)).congruence == "n ≡ 0 (mod 4)"


def test_one_dimension() -> None:
    assert legal_sizes(eq.MaxPool(3), "3Z", range(8, 40)).congruence == "n ≡ 0 (mod 3)"
    assert legal_sizes(eq.MaxPool(3), "trivial", range(8, 12), dim=1).congruence == "every n"


def test_explain_finds_the_smallest_modulus() -> None:
    assert explain([n for n in range(8, 60) if n % 6 in (0, 2, 4)], range(8, 60), 8) == (2, (0,), 8)
    assert explain([], range(8, 60), 8) == (1, (), 8)
    assert explain([8, 9, 11, 12, 14, 17, 23, 29, 31, 37], range(8, 40), 8)[0] == 0
    assert explain([n for n in range(12, 80) if n % 5 == 2], range(8, 80), 12) == (5, (2,), 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"require": "4m"}, "4m"),
        ({"require": "Z × Z", "dim": 1}, "dimension"),
        ({"require": 3}, "require is a SpaceGroup, a name such as '4mm' or a predicate; got 3"),
        ({"require": "4mm", "of": "exact"}, "of must be 'strict', 'orbit' or 'invariance'; got 'exact'"),
        ({"require": "4mm", "boundary": "disk"}, "boundary must be 'torus', 'box' or 'plane'; got 'disk'"),
        ({"require": "4mm", "sizes": []}, "legal_sizes needs sizes of at least 1"),
    ],
)
def test_wrong_input(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        legal_sizes(POOL, **arguments)


def test_a_requirement_of_another_dimension() -> None:
    with pytest.raises(ValueError, match=r"Z × Z is about dimension 2; the domain torus\(8\) has 1"):
        Requirement("Z × Z").met(eq.certify(POOL, eq.torus(8)))
