"""Architectures on which composing layer by layer loses what the network keeps: the certificate equals brute force."""

import jax
import pytest

import equinet as eq
from tests.oracle import judge

CIRCULAR = eq.Conv(2, 2, padding="circular")
NETWORKS = {
    "the average of a concatenation is that of its branches": (
        eq.Sequential(
            eq.Gelu(),
            eq.Parallel(CIRCULAR, eq.MaxPool(3, stride=1, padding="circular"), join="concat"),
            eq.GlobalAvgPool(),
        ),
        eq.torus(6),
    ),
    "the average of a sum is that of its terms": (
        eq.Sequential(eq.Residual(eq.Sequential(CIRCULAR, eq.Relu(), CIRCULAR)), eq.GlobalAvgPool()),
        eq.torus(6),
    ),
    "three branches, the last of them told apart by a nonlinearity": (
        eq.Sequential(
            eq.Parallel(eq.Identity(), CIRCULAR, eq.Sequential(CIRCULAR, eq.Relu()), join="concat"),
            eq.Gelu(),
            eq.GlobalAvgPool(),
        ),
        eq.torus(5),
    ),
    "squeeze-excite scales": (
        eq.Sequential(eq.AvgPool((3, 1), stride=1, padding="circular"), eq.SqueezeExcite(ratio=1), eq.GlobalAvgPool()),
        eq.torus(4, 4),
    ),
    "squeeze-excite of a crop scales by the average of the crop": (
        eq.Sequential(eq.Crop(1), eq.SqueezeExcite(ratio=1), eq.Crop(1), eq.GlobalAvgPool()),
        eq.torus(8),
    ),
    "an even circular window moves a box around, which a global pool does not see": (
        eq.Sequential(eq.MaxBlurPool(1), eq.Gelu(), eq.GlobalAvgPool()),
        eq.box(5, 6),
    ),
    "a roll on a box": (
        eq.Sequential(eq.Hourglass(eq.PolyphasePool(2), eq.Roll(1), eq.PolyphaseUpsample(2)), eq.GlobalAvgPool()),
        eq.box(12),
    ),
    "zeros between nodes on a box": (
        eq.Sequential(
            eq.ConvTranspose(2, 1, stride=2, padding="circular"), eq.InstanceNorm(), eq.Gelu(), eq.GlobalAvgPool()
        ),
        eq.box(6),
    ),
    "a polyphase pool of stride 1 does nothing": (
        eq.Sequential(eq.MaxPool(2, padding=((1, 1), (1, 0))), eq.PolyphasePool(1, norm=1), eq.GlobalMaxPool()),
        eq.box(5, 5),
    ),
    "a constant is one more value of a maximum": (
        eq.Sequential(eq.Relu(), eq.Pad(2, value=1.0), eq.GlobalMaxPool()),
        eq.torus(5),
    ),
    "a constant is not taken for a zero": (
        eq.Sequential(eq.Silu(), eq.Pad(1, value=1.0), eq.MaxPool(2, stride=1, padding="zero_lower")),
        eq.torus(7),
    ),
    "offsets of a transposed convolution are pooled away": (
        eq.Sequential(eq.ConvTranspose(2, 2, stride=2, padding="circular"), eq.Relu(), eq.GlobalAvgPool()),
        eq.torus(3, 3),
    ),
    "the taps of a transposed convolution all see everything": (
        eq.Sequential(eq.Tanh(), eq.ConvTranspose(2, (3, 1), stride=2, padding="valid"), eq.GlobalAvgPool()),
        eq.torus(3, 3),
    ),
    "depth to space goes back to what was there": (
        eq.Sequential(
            eq.ConvTranspose(2, 2, stride=2), eq.Relu(), eq.PixelUnshuffle(2), eq.Relu(), eq.PixelShuffle(2),
            eq.GlobalAvgPool(),
        ),
        eq.torus(3, 3),
    ),
    "windows that cover both axes, of unequal outputs": (
        eq.Sequential(
            eq.MaxPool((3, 2), stride=1, padding=((1, 1), (0, 0))),
            eq.MaxPool((3, 3), stride=1, padding="circular"),
            eq.BlurPool(1, size=2),
        ),
        eq.torus(3, 3),
    ),
    "one axis of constants makes the map a constant": (
        eq.Sequential(eq.ConvTranspose(2, 1, stride=2), eq.Crop(1), eq.Sigmoid(), eq.BlurPool((2, 1), size=1)),
        eq.box(3, 3),
    ),
    "a map of one node": (
        eq.Sequential(eq.AvgPool(2), eq.ConvTranspose(2, 2, stride=2, padding="circular")),
        eq.box(3, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_certificate_is_what_brute_force_finds(name):
    net, domain = NETWORKS[name]
    with jax.enable_x64(True):
        verdict = judge(net, domain)
    assert not verdict.unsound
    assert not verdict.loose


def test_a_joint_average_is_not_taken_for_its_first_part():
    """The average of x is invariant under every flip, that of relu(conv(x)) is not."""
    net = eq.Sequential(
        eq.Parallel(eq.Identity(), eq.Sequential(CIRCULAR, eq.Relu()), join="concat"), eq.GlobalAvgPool()
    )
    certificate = eq.certify(net, eq.torus(6), 2)
    assert certificate.invariance == eq.certify(eq.Sequential(CIRCULAR, eq.Relu()), eq.torus(6), 2).strict
    three = eq.Parallel(eq.Identity(), eq.Identity(), eq.Sequential(CIRCULAR, eq.Relu()), join="add")
    assert eq.certify(eq.Sequential(three, eq.GlobalAvgPool()), eq.torus(6), 2).invariance == certificate.invariance
