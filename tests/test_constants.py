"""Constants and remembered shapes that once let a certificate claim too much."""

import jax
import pytest

import equinet as eq
from tests.oracle import judge

CONV = eq.Conv(2, 3, stride=2, padding="circular")
EMPTY_FIRST = eq.AvgPool(1, stride=1, padding=((1, 0),), count_padding=False)
EMPTY_LAST = eq.AvgPool(1, stride=1, padding=((0, 1),), count_padding=False)

CASES = {
    "depth to space undone after a closed value": (
        eq.Sequential(CONV, eq.Relu(), eq.PixelUnshuffle(2), eq.PixelShuffle(2)),
        eq.torus(8),
    ),
    "depth to space undone after maxima": (
        eq.Sequential(eq.MaxPool(2), eq.PixelUnshuffle(2), eq.Relu(), eq.PixelShuffle(2)),
        eq.torus(8),
    ),
    "padding by two values": (eq.Sequential(eq.Pad((1, 0)), eq.Pad((0, 1), value=1.0)), eq.box(3)),
    "padding by two values, the other way round": (
        eq.Sequential(eq.Pad((1, 0), value=1.0), eq.Pad((0, 1), value=2.0)),
        eq.box(3),
    ),
    "constants of two channel groups": (
        eq.Sequential(eq.Pad(1), eq.Dense(2), eq.PixelShuffle(2), eq.Crop(1), eq.AvgPool(5, stride=1)),
        eq.box(2),
    ),
    "averages of nothing, before and after a bias": (eq.Sequential(EMPTY_FIRST, eq.Dense(2), EMPTY_LAST), eq.box(3)),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_false_is_claimed(name):
    net, domain = CASES[name]
    with jax.enable_x64(True):
        assert judge(net, domain).unsound == []
