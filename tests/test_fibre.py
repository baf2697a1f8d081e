"""Fibres are representations of point operations by signed permutations."""

import pytest

import equinet as eq
from equinet.groups import axis_images, matmul, signed_permutations

SQUARE = signed_permutations(2)


def test_the_vector_fibre_moves_channels_as_the_grid_moves():
    vector = eq.Fibre(2, tuple((a, a) for a in SQUARE))
    for a in SQUARE:
        assert vector(a) == axis_images(a)
        for b in SQUARE:
            moved = [vector(a)[channel] for channel, _ in vector(b)]
            assert [c for c, _ in moved] == [c for c, _ in vector(matmul(a, b))]


def test_the_fibre_of_ordinary_channels_is_trivial_and_flows_through_a_network():
    field = eq.certify(eq.Sequential(eq.Conv(5, 3), eq.PixelUnshuffle(2)), eq.torus(8, 8), 3).field
    assert field.fibre == eq.Fibre(20) and field.fibre.is_trivial
    assert all(field.fibre(a) == tuple((c, 1) for c in range(20)) for a in SQUARE)


def test_what_is_no_representation_is_refused():
    with pytest.raises(ValueError, match="no representation"):
        eq.Fibre(1, ((((1,),), ((-1,),)),))
    with pytest.raises(ValueError, match="signed permutations of that size"):
        eq.Fibre(2, ((((1,),), ((1,),)),))
    with pytest.raises(ValueError, match="is a representation of"):
        eq.Fibre(1, ((((1,),), ((1,),)),))(((-1,),))
