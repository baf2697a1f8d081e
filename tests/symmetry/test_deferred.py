"""What composes with what, as a table; and records that are changed."""

from itertools import product

import pytest

import equinet as eq
from equinet.symmetry.deferred import COMMUTES, COMPOSES
from equinet.symmetry.field import Field, changed
from equinet.symmetry.records import updated
from equinet.symmetry.spans import Span

COPIES = eq.Identity()
SUMS = eq.AvgPool(3, stride=1, padding="circular")
MAXIMA = eq.MaxPool(3, stride=1, padding="circular")
OPAQUE = eq.Sequential(SUMS, eq.Gelu())
KINDS = {"copies": COPIES, "sums": SUMS, "maxima": MAXIMA, "opaque": OPAQUE}


def value(layer: eq.Layer) -> Field:
    return eq.certify(layer, eq.torus(12), channels=1).field


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_value_is_told(kind):
    assert value(KINDS[kind]).deferred.kind == kind


@pytest.mark.parametrize(("kind", "reduction"), list(product(KINDS, COMPOSES)))
def test_a_reduction_reads_the_base_where_the_table_says_so(kind, reduction):
    before = value(KINDS[kind])
    layer = {"copies": eq.Upsample(2), "sums": eq.AvgPool(2), "maxima": eq.MaxPool(2)}[reduction]
    after = layer.symmetry(before)
    same_base = after.deferred.base is before.deferred.base and not after.deferred.is_base
    assert same_base == (kind in COMPOSES[reduction])


@pytest.mark.parametrize(
    ("kind", "function", "layer"),
    [
        ("sums", "affine", eq.BatchNorm()),
        ("sums", "monotone", eq.Relu()),
        ("sums", "any", eq.Gelu()),
        ("maxima", "affine", eq.BatchNorm()),
        ("maxima", "monotone", eq.Relu()),
        ("maxima", "any", eq.Gelu()),
    ],
)
def test_what_a_function_makes_of_a_value(kind, function, layer):
    after = layer.symmetry(value(KINDS[kind])).deferred.kind
    assert after == (kind if (kind, function) in COMMUTES else "opaque")


def test_means_of_means_and_maxima_of_maxima_are_judged_as_one():
    """A mean of maxima is not, nor a maximum of means: those keep multiples of the stride only."""
    shift = eq.Isometry.translation((1,))
    tiles = eq.MaxPool(2)
    assert shift in eq.certify(eq.Sequential(eq.AvgPool(2), eq.GlobalAvgPool()), eq.torus(12), channels=1).invariance
    assert shift in eq.certify(eq.Sequential(eq.MaxPool(2), eq.GlobalMaxPool()), eq.torus(12), channels=1).invariance
    assert shift not in eq.certify(eq.Sequential(tiles, eq.GlobalAvgPool()), eq.torus(12), channels=1).invariance
    assert (
        shift not in eq.certify(eq.Sequential(eq.AvgPool(2), eq.GlobalMaxPool()), eq.torus(12), channels=1).invariance
    )


def test_a_record_is_changed_by_name_and_forgets_what_was_computed_of_it():
    field = value(SUMS)
    assert field.orbit == changed(field, raw=False).orbit and "orbit" not in vars(changed(field, raw=True))
    assert updated(Span(), everything=True) == Span(everything=True)
    with pytest.raises(TypeError, match="a Span has no stripe"):
        updated(Span(), stripe=1)


def test_what_varied_says_nothing_of_another_value():
    start = Field.input(eq.torus(12), 1)
    assert start.trial is not None and changed(start, raw=True).trial is start.trial
    assert changed(start, grid=eq.torus(6)).trial is None
