"""A padding for each axis: every layer that pads takes it, and keeps what brute force finds."""

import jax
import numpy as np
import pytest

import equinet as eq
from tests.compiled import apply, init
from tests.oracle import judge

VECTOR = eq.Fibre.regular("2mm")
MIXED = {
    "conv": (eq.Conv(2, 3, padding=("zero", "circular")), (6, 1)),
    "conv, other way around": (eq.Conv(2, 3, padding=("circular", "valid")), (1, 6)),
    "conv, strided": (eq.Conv(2, 3, stride=2, padding=("edge", "circular")), (6, 2)),
    "conv, pairs": (eq.Conv(2, 3, padding=((1, 1), "circular")), (6, 1)),
    "max": (eq.MaxPool(3, stride=1, padding=("reflect", "circular")), (6, 1)),
    "mean": (eq.AvgPool(2, stride=2, padding=("valid", "zero")), (2, 2)),
    "blur": (eq.BlurPool(1, size=3, padding=("edge", "circular")), (6, 1)),
    "max and blur": (eq.MaxBlurPool(2, padding=("valid", "circular")), (6, 2)),
    "transposed": (eq.ConvTranspose(2, 3, stride=2, padding=("zero", "circular")), (6, 1)),
    "transposed, valid": (eq.ConvTranspose(2, 3, stride=2, padding=("circular", "valid")), (1, 6)),
    "linear": (eq.Upsample(2, method="linear", padding=("edge", "circular")), (6, 1)),
}


@pytest.mark.parametrize("name", MIXED)
def test_each_axis_keeps_what_its_padding_keeps(name):
    net, steps = MIXED[name]
    domain = eq.torus(6, 6)
    kept = eq.certify(net, domain, 2).strict
    for axis, step in enumerate(steps):
        along = [n for n in range(6) if eq.Isometry.translation(tuple(n * (i == axis) for i in range(2))) in kept]
        assert along == list(range(0, 6, step))
    with jax.enable_x64(True):
        verdict = judge(net, domain, 2)
    assert not verdict.unsound and not verdict.loose


def test_two_modes_that_are_the_same_are_one():
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    for make in (
        lambda p: eq.Conv(2, 3, padding=p),
        lambda p: eq.MaxPool(3, stride=1, padding=p),
        lambda p: eq.Upsample(2, method="linear", padding=p),
    ):
        one, two = make("circular"), make(("circular", "circular"))
        variables = init(one, 0, (6, 6, 2))
        np.testing.assert_array_equal(apply(one, variables, x), apply(two, variables, x))


def test_a_group_convolution_wants_axes_that_are_exchanged_to_be_padded_alike():
    domain = eq.torus(6, 6)
    alike = eq.GroupConv(eq.Fibre.trivial("4mm"), 3, padding=("circular", "circular"))
    mixed = eq.GroupConv(eq.Fibre.trivial("4mm"), 3, padding=("zero", "circular"))
    assert len(eq.certify(alike, domain, channels=1).strict.point_group) == 8
    assert len(eq.certify(mixed, domain, channels=1).strict.point_group) == 4
    with jax.enable_x64(True):
        assert not judge(mixed, domain, 1).unsound


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: eq.Conv(2, 3, padding=("zero", "same")), "unknown padding 'same': here it is called 'zero'"),
        (lambda: eq.Conv(2, 3, padding=("zero", 1)), "for each a mode or a pair"),
        (lambda: eq.Conv(2, 3, padding=()), "for each a mode or a pair"),
        (
            lambda: eq.Upsample(2, method="linear", padding=("edge", "zero")),
            "use 'edge' or 'circular', for all axes or one each",
        ),
        (lambda: eq.ConvTranspose(2, 3, padding=("edge", "zero")), "use 'zero' or 'circular' or 'valid'"),
        (lambda: eq.Conv(2, 3, padding=("zero",) * 3).init(0, (6, 6, 1)), "padding has 3 entries"),
        (lambda: eq.Upsample(2, method="linear", padding=("edge",)).output_shape((6, 6, 1)), "padding has 1 entries"),
    ],
)
def test_a_padding_that_is_none_is_refused(make, message):
    with pytest.raises(eq.LayerError, match=message):
        make()


def test_suggestions_know_a_padding_for_each_axis():
    found = eq.suggest(eq.Conv(2, 3, padding=("zero", "circular")), eq.torus(8, 8), "Z × Z", channels=1)
    assert "circular padding" in str(found)
    found = eq.suggest(eq.Conv(2, 3, padding=("circular", "circular")), eq.torus(8, 8), "Z × Z", channels=1)
    assert "nothing to change" in str(found)
    found = eq.suggest(eq.Conv(2, 3, stride=2, padding=("valid", "circular")), eq.torus(8, 8), "Z × Z", channels=1)
    assert "Polyphase" in str(found) or "polyphase" in str(found)
