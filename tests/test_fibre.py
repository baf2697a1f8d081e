"""Fibres are representations of point operations by signed permutations."""

import pickle
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from equinet.groups import matmul, signed_permutations
from equinet.groups.fibre import agree, concatenate
from equinet.groups.representation import Representation, point_group
from equinet.layers.base import Context
from equinet.layers.orbits import orbit_count
from tests.compiled import init

SQUARE = signed_permutations(2)
CUBE = point_group("m-3m", 3)
P4M = [eq.Fibre.trivial("4mm"), eq.Fibre.sign("4mm"), eq.Fibre.sign("4mm", "4"), eq.Fibre.vector("4mm")]
P4M += [eq.Fibre.regular("4mm"), eq.Fibre.quotient("4mm", "m_x"), eq.Fibre.vector("4mm") @ eq.Fibre.sign("4mm")]


def product(fibre, a, b):
    """First b, then a."""
    return tuple((fibre(a)[image][0], sign * fibre(a)[image][1]) for image, sign in fibre(b))


@pytest.mark.parametrize("fibre", P4M, ids=str)
def test_every_fibre_multiplies_as_its_group(fibre):
    for a in SQUARE:
        for b in SQUARE:
            assert product(fibre, a, b) == fibre(matmul(a, b))


def test_sizes_add_and_multiply_as_fibres_do():
    regular, vector = eq.Fibre.regular("4mm"), eq.Fibre.vector("4mm")
    fibre = 8 * regular + 2 * vector
    assert int(fibre) == 68 and str(fibre).startswith("8")
    assert str(fibre) == "8·regular(4mm) ⊕ 2·vector"
    assert fibre + vector == 8 * regular + 3 * vector
    assert int(vector @ vector) == 4
    assert pickle.loads(pickle.dumps(fibre)) == fibre
    with pytest.raises(ValueError, match="repeated a whole number of times"):
        assert vector * 0
    with pytest.raises(ValueError, match="need one group"):
        assert regular + eq.Fibre.regular("4")


def test_fibres_are_equal_by_value_and_a_number_is_so_many_plain_channels():
    plain, scalars = eq.Fibre.plain(3), 3 * eq.Fibre.trivial("4mm")
    assert plain == 3 and hash(plain) == hash(3) and str(plain) == "3" and 1 + plain == 4
    assert scalars == 3 * eq.Fibre.trivial("4mm") and hash(scalars) == hash(3 * eq.Fibre.trivial("4mm"))
    assert scalars != 3 and scalars != plain and scalars != 3 * eq.Fibre.trivial("4")
    assert plain.restrict("4mm") == scalars and plain + eq.Fibre.vector("4mm") == scalars + eq.Fibre.vector("4mm")
    assert eq.Fibre.sign("4mm") != 1 and eq.Fibre.vector("4mm") != 2
    assert plain(((0, 1), (1, 0))) == ((0, 1), (1, 1), (2, 1)) and plain.orbits == (0, 1, 2)
    with pytest.raises(AttributeError):
        plain.size = 4  # pyright: ignore[reportAttributeAccessIssue]
    assert eq.Fibre.vector("4mm") != eq.Fibre.quotient("4mm", "4")


def test_characters_of_the_regular_and_of_induced_fibres():
    regular = eq.Fibre.regular("4mm").terms[0][1]
    assert [regular.character(a) for a in regular.group].count(0) == 7
    induced = eq.Fibre.trivial("1").induce("4mm").terms[0][1]
    assert [induced.character(a) for a in induced.group] == [regular.character(a) for a in regular.group]
    for a in CUBE:
        trace = sum(a[i][i] for i in range(3))
        assert eq.Fibre.vector("m-3m", 3).terms[0][1].character(a) == trace


def test_restriction_forgets_operations_and_induction_needs_a_larger_group():
    vector = eq.Fibre.vector("4mm")
    assert vector.restrict("4") == eq.Fibre.vector("4")
    assert eq.Fibre.sign("4mm").restrict("4") == eq.Fibre.sign("4mm").restrict("4").restrict("4")
    assert eq.Fibre.sign("4mm").restrict("4").is_trivial
    with pytest.raises(ValueError, match="no subgroup of 4"):
        eq.Fibre.vector("4").restrict("4mm")
    with pytest.raises(ValueError, match="no subgroup"):
        vector.induce("4")


def test_invariants_are_left_alone_by_every_operation():
    for fibre in P4M:
        entries = fibre.invariants
        for a in SQUARE:
            moved = [0] * int(fibre)
            for channel, (image, sign) in enumerate(fibre(a)):
                moved[image] = sign * entries[channel]
            assert tuple(moved) == entries
    assert eq.Fibre.vector("4mm").invariants == (0, 0)
    assert eq.Fibre.vector("m_x").invariants == (0, 1)


def test_orbits_are_numbered_apart_whatever_their_order():
    """Restricted to half turns, the first and the last quarter turn share an orbit."""
    half = eq.Fibre.regular("4").restrict("2")
    assert half.orbits[0] == half.orbits[-1]
    assert len(set(half.orbits)) == 2 == orbit_count(half)
    assert (half + half).orbits == (*half.orbits, *(2 + n for n in half.orbits))
    x = jnp.arange(8.0).reshape(1, 8)
    net = eq.Sequential(eq.NormRelu(), eq.GroupPool(kind="max"))
    assert net.output_shape((half + half,)) == (4,)
    y, _ = net.forward(net.setup(jax.random.key(0), (half + half,))[0], {}, x, Context(fibre=half + half))
    expected = [max(float(x[0, c]) for c in range(8) if (half + half).orbits[c] == n) for n in range(4)]
    assert y[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_sums_and_concatenations_of_fibres():
    regular, restricted = eq.Fibre.regular("4mm"), eq.Fibre.regular("4mm").restrict("4")
    assert agree(regular, regular) == regular
    assert agree(regular, restricted) == restricted
    assert agree(regular, eq.Fibre.plain(8)) == 8
    assert str(concatenate([regular, eq.Fibre.plain(2)])) == "regular(4mm) ⊕ 2·trivial"
    assert concatenate([regular, restricted]) == restricted + restricted
    assert concatenate([eq.Fibre.plain(3), eq.Fibre.plain(4)]) == 7
    assert concatenate([regular, eq.Fibre.trivial("m_x")]) == regular + 1
    assert concatenate([2 * eq.Fibre.trivial("4"), eq.Fibre.trivial("m_x")]) == 3


def test_ordinary_channels_stay_numbers_through_a_network():
    certificate = eq.certify(eq.Sequential(eq.Conv(5, 3), eq.PixelUnshuffle(2)), eq.torus(8, 8), 3)
    assert certificate.field.fibre == 20 and certificate.field.fibre.is_plain
    assert (type(certificate.channels), type(certificate.fibre), certificate.fibre) == (int, int, 20)


def test_what_is_no_representation_is_refused():
    group = point_group([((-1,),)])
    with pytest.raises(ValueError, match="no representation"):
        Representation("odd", group, (((0, 1),), ((0, -1),)))
    with pytest.raises(ValueError, match="not signed permutations"):
        Representation("odd", group, (((1, 1),), ((0, 1),)))
    with pytest.raises(ValueError, match="is a representation of 4"):
        eq.Fibre.regular("4")(((-1, 0), (0, 1)))
    with pytest.raises(ValueError, match="did you mean"):
        eq.Fibre.regular("4mn")
    # A shear generates infinitely many matrices.
    with pytest.raises(ValueError, match="generated by signed permutation matrices .*; got .*1, 1.*, .*0, 1"):
        eq.Fibre.regular([((1, 1), (0, 1))])
    with pytest.raises(ValueError, match="needs 2"):
        eq.Fibre.sign("4mm", "1")


@dataclass(frozen=True)
class Gain(eq.Layer):
    """A number for every channel, by someone who has not heard of fibres."""

    def output_shape(self, shape):
        return shape

    def setup(self, key, shape):
        return {"gain": jax.random.normal(key, (shape[-1],))}, {}

    def forward(self, params, state, x, context):
        return x * params["gain"].astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,)), state

    def symmetry(self, field):
        return field.pointwise("affine")


def test_a_layer_that_says_nothing_of_channels_is_taken_to_tell_them_apart():
    regular = eq.Fibre.regular("4")
    lift = eq.GroupConv(regular, 3, padding="circular")
    for after in ((), (lift,), (eq.Dense(2),)):
        net, domain = eq.Sequential(lift, Gain(), *after), eq.torus(4, 4)
        certificate = eq.certify(net, domain, channels=1)
        assert certificate.strict.lattice == eq.certify(lift, domain, channels=1).strict.lattice
        assert len(certificate.strict.point_group) == 1
        assert certificate.fibre == net.output_shape((4, 4, 1))[-1]
    assert len(eq.certify(eq.Sequential(lift, lift), eq.torus(4, 4), channels=1).strict.point_group) == 4


def _subgroups(group):
    """All subgroups generated by two operations."""
    return {point_group([a, b]) for a in group for b in group}


@pytest.mark.parametrize(
    "fibre",
    [
        eq.Fibre.regular("4mm"),
        2 * eq.Fibre.quotient("4mm", "m_x") + eq.Fibre.regular("4mm"),
        3 * eq.Fibre.quotient("4mm", "2") + 2 * eq.Fibre.vector("4mm") + eq.Fibre.sign("4mm"),
        eq.Fibre.regular("mmm", 3),
        2 * eq.Fibre.quotient("m-3m", "4mm", 3),
    ],
    ids=str,
)
def test_a_restricted_fibre_splits_into_representations_of_the_subgroup(fibre):
    """Each channel of the split is moved as the one that it was."""
    for subgroup in _subgroups(fibre.group):
        whole = fibre.restrict(subgroup)
        split, order = whole.split
        assert split.group == whole.group
        assert sorted(order) == list(range(int(fibre)))
        for a in subgroup:
            moved, images = whole(a), split(a)
            assert [(order[to], sign) for to, sign in images] == [moved[c] for c in order]
        for _, rep in split.terms:
            assert len(set(rep.orbits)) == 1 or not rep.is_permutation
        assert split.split == (split, tuple(range(int(fibre))))


def test_a_regular_representation_splits_into_regular_ones():
    for subgroup in ("1", "2", "4", "m_x", "m_x-y", "2mm", "2m_xym_x-y", "4mm"):
        copies = 8 // len(point_group(subgroup))
        assert eq.Fibre.regular("4mm").restrict(subgroup).split[0] == copies * eq.Fibre.regular(subgroup)
        net = eq.Sequential(eq.GroupConv(eq.Fibre.regular("4mm"), 3, padding="circular"), eq.Restrict(subgroup))
        assert eq.certify(net, eq.torus(5, 5), channels=1).fibre == copies * eq.Fibre.regular(subgroup)


def test_other_names_of_groups():
    assert eq.Fibre.regular("D4") == eq.Fibre.regular("4mm")
    assert eq.Fibre.regular("C4") == eq.Fibre.regular("4")
    assert eq.Fibre.quotient("D4", "D2") == eq.Fibre.quotient("4mm", "2mm")
    for wrong, message in (
        (4, 'got 4: write "4"'),
        ("8", "'8' has turns by 45°, which move nodes of the square grid off it: '4' is what acts on the grid"),
        ("D8", "'D8' has turns by 45°, which move nodes of the square grid off it: '4mm' is what acts"),
        ("D1", "several orientations in 2-D; say which: m_x"),
        (None, "a point group needs a symbol"),
    ):
        with pytest.raises(ValueError, match=message):
            eq.Fibre.regular(wrong)


SCALARS = 4 * eq.Fibre.trivial("4mm")
LEARNED = eq.LearnedPolyphasePool(2)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (eq.AsFibre(SCALARS), "4mm"),
        (eq.Sequential(eq.AsFibre(SCALARS), eq.GroupNorm(2)), "1"),
        (eq.GroupConv(2 * eq.Fibre.trivial("4"), 3, padding="circular"), "4"),
    ],
    ids=["scalars of a group", "scalars whose group is forgotten", "scalars of a smaller group than the kernels'"],
)
def test_a_learned_choice_commutes_with_the_group_of_its_scalars(before: eq.Layer, kept: str) -> None:
    """The convolutions of the choice are over that group; which other operations move no channel does not matter."""
    net, domain = eq.Sequential(before, eq.Relu(), LEARNED), eq.torus(6, 6)
    certificate = eq.certify(net, domain, channels=4)
    assert set(certificate.strict.point_group) == set(point_group(kept))
    report = eq.verify(net.bind(init(net, 3, (6, 6, 4))), certificate, key=1, mode="sweep", trials=2)
    assert report.sound
