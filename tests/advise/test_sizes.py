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
    found = legal_sizes(net, require, range(8, 60), boundary, channels=1)  # pyright: ignore[reportArgumentType]
    assert found.congruence == congruence


def test_the_list_is_what_certify_says() -> None:
    found = legal_sizes(eq.Sequential(POOL, POOL, POOL), "4mm", range(8, 60), "box", channels=1)
    # On 8×8 the one window of the three pools holds the whole image: a legal size that no congruence predicts.
    assert found.sizes == (8, 9, 17, 25, 33, 41, 49, 57)
    assert found.exceptions == (8,)
    assert str(found) == "n ≡ 1 (mod 8), also 8: 8, 9, 17, 25, 33, 41, 49, 57"
    for n in range(8, 60):
        assert (len(eq.certify(eq.Sequential(POOL, POOL, POOL), eq.box(n, n), channels=1).strict.point_group) == 8) == (
            n in found.sizes
        )


def test_the_transpose_needs_no_odd_size() -> None:
    assert legal_sizes(
        POOL, lambda c: ((0, 1), (1, 0)) in c.strict.point_group, range(8, 20), "box", channels=1
    ).sizes == tuple(range(8, 20))


def test_sizes_at_which_the_network_cannot_run_are_not_legal() -> None:
    net = eq.Sequential(eq.PolyphasePool(4), eq.GlobalAvgPool())
    found = legal_sizes(net, "Z × Z", range(2, 40), channels=1)
    assert found.sizes == tuple(range(4, 40, 4))
    assert found.congruence == "n ≡ 0 (mod 4)"
    assert legal_sizes(eq.Conv(1, 9, padding="valid"), "trivial", range(4, 40), channels=1).sizes == tuple(range(9, 40))


def test_which_group_is_asked() -> None:
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.PolyphasePool(2))
    assert legal_sizes(net, "Z × Z", range(8, 24), channels=1).congruence == "no n"
    assert legal_sizes(net, "2Z × 2Z", range(8, 24), channels=1).congruence == "n ≡ 0 (mod 2)"
    assert legal_sizes(net, "Z × Z", range(8, 24), channels=1, of="orbit").congruence == "n ≡ 0 (mod 2)"


def test_a_name_means_some_centre_and_a_centre_means_itself() -> None:
    net = eq.MaxPool(3, stride=2, padding="circular")
    torus = eq.certify(net, eq.torus(8, 8), channels=1)
    assert Requirement("2Z × 2Z ⋊ 4mm").holds_for(torus)
    assert Requirement("2Z × 2Z ⋊ 4mm at (0, 0)").holds_for(torus)
    assert not Requirement("2Z × 2Z ⋊ 4mm at (1/2, 1/2)").holds_for(torus)
    assert not Requirement("p4m").holds_for(torus)
    assert Requirement("4mm").holds_for(eq.certify(POOL, eq.box(9, 9), channels=1))
    assert Requirement("4mm at (4, 4)").holds_for(eq.certify(POOL, eq.box(9, 9), channels=1))
    assert not Requirement("4mm at (3, 3)").holds_for(eq.certify(POOL, eq.box(9, 9), channels=1))


def test_a_group_is_taken_element_by_element() -> None:
    group = eq.SpaceGroup.generate(2, [eq.Isometry.translation((4, 0))])
    assert legal_sizes(eq.MaxPool(2), group, range(8, 24), channels=1).congruence == "n ≡ 0 (mod 2)"
    assert legal_sizes(eq.MaxPool(4), group, range(8, 24), channels=1).congruence == "n ≡ 0 (mod 4)"


def test_one_dimension() -> None:
    assert legal_sizes(eq.MaxPool(3), "3Z", range(8, 40), channels=1).congruence == "n ≡ 0 (mod 3)"
    assert legal_sizes(eq.MaxPool(3), "trivial", range(8, 12), channels=1, dim=1).congruence == "every n"


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
        Requirement("Z × Z").holds_for(eq.certify(POOL, eq.torus(8), channels=1))


def pools(*windows: int) -> eq.Layer:
    return eq.Sequential(*(eq.MaxPool(window) for window in windows))


@pytest.mark.parametrize(
    ("net", "require", "boundary", "sizes", "congruence", "following"),
    [
        (pools(17, 19), "323Z", "torus", range(8, 257), "n ≡ 0 (mod 323)", 323),
        (pools(67), "67Z × 67Z", "torus", range(8, 67), "n ≡ 0 (mod 67)", 67),
        (pools(17, 19), "17Z", "torus", range(8, 257), "no n", 323),
        (pools(2, 2, 2, 2), "16Z", "torus", range(8, 12), "n ≡ 0 (mod 16)", 16),
        (pools(2, 2, 2, 2), "m", "box", range(17, 30), "n ≡ 0 (mod 16)", 32),
        (eq.Sequential(*[POOL] * 4), "m", "box", range(18, 30), "n ≡ 1 (mod 16)", 33),
        (pools(2, 2), "4Z", "torus", [100], "n ≡ 0 (mod 4)", None),
        (pools(2, 2), "4Z", "torus", [101], "n ≡ 0 (mod 4)", 104),
        (eq.Conv(2, 3, padding="valid"), "300Z", "torus", range(301, 400), "no n tried", None),
    ],
    ids=str,
)
def test_the_rule_is_found_beyond_the_sizes_tried(net, require, boundary, sizes, congruence, following) -> None:
    dim = 2 if "×" in require else 1
    requirement = Requirement(require, dim=dim)
    found = legal_sizes(net, require, sizes, boundary, channels=1, dim=dim)
    assert (found.congruence, found.next) == (congruence, following)
    assert found.tried == tuple(sizes)
    made = eq.torus if boundary == "torus" else eq.box
    if following is not None:
        assert f"none of the sizes tried, {sizes[0]} to {sizes[-1]}; the next is {following}" in str(found)
        assert requirement.holds_for(eq.certify(net, made(*(following,) * dim), channels=1))
        between = range(sizes[-1] + 1, following)
        for n in between:
            try:
                assert not requirement.holds_for(eq.certify(net, made(*(n,) * dim), channels=1))
            except eq.LayerError:
                continue


def test_a_single_legal_size_makes_no_rule() -> None:
    """On 323 nodes one window holds all: its maximum moves with nothing. On 646 there are two."""
    found = legal_sizes(pools(17, 19), "17Z", range(8, 257), channels=1, dim=1)
    assert str(found) == "no n from 324 on, also 323: none of the sizes tried, 8 to 256; the next is 323"


def test_a_size_on_which_nothing_is_asked_makes_no_rule() -> None:
    """On torus(10) a shift by 300 is the identity, which every network has."""
    found = legal_sizes(eq.Conv(2, 3), "300Z", range(8, 100), channels=1, dim=1)
    assert found.sizes == (10, 12, 15, 20, 25, 30, 50, 60, 75)
    assert found.congruence == "no congruence"


def test_of_a_function_nothing_is_known_beyond() -> None:
    found = legal_sizes(pools(2), lambda c: c.domain.sizes[0] == 300, range(8, 20), channels=1, dim=1)
    assert (found.congruence, found.sizes, found.next) == ("no n tried", (), None)
    assert "is false of the certificate on torus(19)" in str(found)


def test_no_size_says_why_and_what_would_help() -> None:
    found = legal_sizes(eq.Sequential(CIRCULAR, eq.MaxPool(2)), "Z × Z", range(8, 24), channels=1)
    assert found.lack is not None
    assert str(found).startswith(
        "no n: on torus(22, 22) it is lost at layer 1, MaxPool(2): translations Z × Z → 2Z × 2Z"
    )
    assert any("GlobalAvgPool() at the end, with polyphase sampling" in remedy for remedy in found.lack.remedies)
    assert legal_sizes(CIRCULAR, "Z × Z", range(8, 12), channels=1).lack is None


CIRCULAR = eq.Conv(2, 3, padding="circular")


@pytest.mark.parametrize(
    ("net", "require", "boundary", "sizes", "text"),
    [
        # Few sizes, or sizes that leave out others, look as if another rule held.
        (pools(12), "12Z", "torus", range(12, 24), "n ≡ 0 (mod 12): 12"),
        (pools(12), "12Z", "torus", [12, 24], "n ≡ 0 (mod 12): 12, 24"),
        (pools(5), "5Z", "torus", range(5, 40, 5), "n ≡ 0 (mod 5): 5, 10, 15, 20, 25, 30, 35"),
        (POOL, "m", "box", range(9, 16, 2), "n ≡ 1 (mod 2): 9, 11, 13, 15"),
        # The next one is found, whichever class it is in.
        (POOL, "m", "box", range(8, 33, 2), "n ≡ 1 (mod 2): none of the sizes tried, 8 to 32; the next is 33"),
        # An exception among sizes that were not asked for, and a network that runs on none of those that were.
        (eq.PolyphasePool(2), "Z", "torus", [1, 5, 9], "no n from 3 on"),
        (eq.PolyphasePool(2), "Z", "torus", [1, 2, 5, 9], "no n, also 2: 2"),
        (eq.Conv(1, 9, padding="valid"), "trivial", "torus", [4, 5], "no n tried"),
        # A function may ask for anything: only sizes without gaps show how it goes on.
        (pools(5), lambda c: c.strict.index == 5, "torus", range(5, 40, 5), "no congruence: 10, 15, 20, 25, 30, 35"),
    ],
)
def test_a_rule_holds_of_the_sizes_that_were_not_asked_for(net, require, boundary, sizes, text) -> None:
    found = legal_sizes(net, require, sizes, boundary, channels=1, dim=1)
    assert str(found).split(": on ")[0].split(": the requirement")[0].startswith(text), found
    requirement, made = Requirement(require, dim=1), eq.torus if boundary == "torus" else eq.box
    for n in range(found.start, 80) if found.modulus else ():
        try:
            held = requirement.holds_for(eq.certify(net, made(n), channels=1))
        except eq.LayerError:
            held = False
        assert held == (n % found.modulus in found.residues), n
