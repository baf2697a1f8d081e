"""Phases that outlive the layer that chose them: hourglasses, shortcuts, readouts."""

import jax
import pytest

import equinet as eq
from tests.oracle import judge

POOL = eq.PolyphasePool(2)
BACK = eq.PolyphaseUpsample(2)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("net", "domain"),
    [
        (eq.Hourglass(POOL, eq.Sequential(eq.BlurPool(1), eq.Residual(eq.Gelu())), BACK), eq.torus(4)),
        (
            eq.Residual(
                eq.Sequential(POOL, eq.Gelu(), eq.GlobalAvgPool()),
                shortcut=eq.Sequential(
                    eq.MaxPool(2, stride=1, padding="circular"), POOL, eq.Gelu(), eq.GlobalAvgPool()
                ),
            ),
            eq.torus(8),
        ),
        (eq.Residual(POOL, shortcut=eq.Sequential(eq.AvgPool(2), eq.Pad((0, 1)), POOL)), eq.box(2)),
        (eq.Hourglass(eq.PolyphasePool(2, blur=3, blur_first=False), eq.Relu(), BACK), eq.torus(2)),
        (eq.Hourglass(eq.PolyphasePool(2, blur=3, blur_first=False), eq.Gelu(), BACK), eq.torus(6)),
        (eq.Sequential(eq.MaxPool(2, stride=1, padding="circular"), POOL), eq.torus(4)),
        (eq.Sequential(eq.MaxPool(4, stride=1, padding="circular"), eq.Hourglass(POOL, eq.Gelu(), BACK)), eq.torus(4)),
        (eq.Hourglass(POOL, eq.Hourglass(POOL, eq.Gelu(), BACK), BACK), eq.torus(8)),
        (eq.Sequential(POOL, eq.Gelu(), POOL, eq.Gelu(), eq.GlobalMaxPool()), eq.torus(8)),
    ],
    ids=str,
)
def test_no_claim_about_phases_is_wrong(net, domain):
    with jax.enable_x64(True):
        assert not judge(net, domain).unsound


def test_interiors_know_what_depends_on_everything():
    everywhere = eq.Sequential(eq.Conv(1, 3), eq.SelfAttention(1))
    assert eq.certify(everywhere, eq.box(8), channels=1).receptive_field == (None,)
    assert eq.certify(everywhere, eq.box(8), channels=1).valid_interior == (None,)
    assert eq.certify(eq.Parallel(eq.Crop(1), eq.Conv(1, 3, stride=2)), eq.box(4), channels=1).valid_interior == (None,)
    assert eq.certify(eq.ConvTranspose(2, 3, stride=2), eq.box(8), channels=1).receptive_field == (2,)
