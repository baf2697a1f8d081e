"""The table of layers and small architectures that drives the tests; every public layer must appear in it."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

import equinet as eq

CIRCULAR = eq.Conv(2, 3, padding="circular")

# For each case: a layer, and the domains on which it is checked against brute force (2 input channels).
D1, T2, B2, MIXED = eq.torus(6), eq.torus(4, 4), eq.box(5, 5), eq.Domain((eq.periodic(4), eq.bounded(4)))
EVERYWHERE = (D1, T2, B2, MIXED)
EVEN = (D1, T2, eq.box(4, 4), MIXED, eq.torus(2, 2))


def turning(dim: int) -> eq.Fibre:
    """A regular fibre of reversals in 1-D, of quarter turns in 2-D."""
    return eq.Fibre.regular("m_x", 1) if dim == 1 else eq.Fibre.regular("4")


LIFT = eq.GroupConv(turning(2), 3, padding="circular")
VECTORS = eq.GroupConv(2 * eq.Fibre.vector("4mm") + 2 * eq.Fibre.trivial("4mm"), 3)
SQUARES = (T2, B2, MIXED)
FOURS = (T2, MIXED, eq.box(4, 4))
STRIPES = np.arange(4)[:, None] % 2 + np.full(4, 0.5)
FRAME = np.pad(np.ones((2, 2)), 1)
WINDOW = np.array([0.0, 0.25, 1.0, 1.0, 0.25, 0.0])

CASES: dict[str, tuple[Callable[[], eq.Layer], tuple[eq.Domain, ...]]] = {
    "Conv": (lambda: eq.Conv(3, 3, stride=2, padding="circular"), EVERYWHERE),
    "Conv depthwise": (lambda: eq.Conv(4, 2, padding="zero", groups=2), EVERYWHERE),
    "Conv 1×1": (lambda: eq.Conv(3, 1), EVERYWHERE),
    "Conv dilated": (lambda: eq.Conv(3, 2, dilation=2, padding="circular"), EVERYWHERE),
    "ConvTranspose": (lambda: eq.ConvTranspose(2, 3, stride=2, padding="circular"), EVERYWHERE),
    "MaxPool": (lambda: eq.MaxPool(3, stride=2, padding="circular"), EVERYWHERE),
    "AvgPool": (lambda: eq.AvgPool(2, stride=1, padding="zero", count_padding=False), EVERYWHERE),
    "MaxPool dilated": (lambda: eq.MaxPool(2, stride=1, dilation=2, padding="circular"), EVERYWHERE),
    "MaxPool beyond the end": (lambda: eq.MaxPool(2, stride=3, ceil_mode=True), EVERYWHERE),
    "AdaptiveAvgPool": (lambda: eq.AdaptiveAvgPool(2), EVERYWHERE),
    "AdaptiveMaxPool": (lambda: eq.Sequential(CIRCULAR, eq.AdaptiveMaxPool(3)), EVERYWHERE),
    "GlobalAvgPool": (lambda: eq.GlobalAvgPool(), EVERYWHERE),
    "GlobalMaxPool": (lambda: eq.Sequential(CIRCULAR, eq.GlobalMaxPool()), EVERYWHERE),
    "BlurPool": (lambda: eq.BlurPool(2), EVERYWHERE),
    "MaxBlurPool": (lambda: eq.MaxBlurPool(2), EVERYWHERE),
    "PolyphasePool": (lambda: eq.PolyphasePool(2), EVEN),
    "PolyphasePool blurred": (lambda: eq.PolyphasePool(2, norm=1, blur=3, blur_first=False), EVEN),
    "LearnedPolyphasePool": (lambda: eq.LearnedPolyphasePool(2), EVEN),
    "PolyphaseUpsample": (lambda: eq.Hourglass(eq.PolyphasePool(2), CIRCULAR, eq.PolyphaseUpsample(2)), EVEN),
    "PolyphaseRoll": (lambda: eq.Sequential(eq.PolyphaseRoll(2), CIRCULAR), EVEN),
    "PolyphaseUnroll": (
        lambda: eq.Hourglass(eq.PolyphaseRoll(2), eq.WindowedAttention(2, 1), eq.PolyphaseUnroll(2)),
        EVEN,
    ),
    "Hourglass": (lambda: eq.Hourglass(eq.MaxPool(2), eq.Relu(), eq.Upsample(2), skip="concat"), EVEN),
    "Upsample": (lambda: eq.Upsample(2), EVERYWHERE),
    "Upsample linear": (lambda: eq.Upsample(2, method="linear", padding="circular"), EVERYWHERE),
    "Upsample cubic": (lambda: eq.Upsample(1.5, method="cubic", padding="circular"), EVERYWHERE),
    "Upsample between corners": (lambda: eq.Upsample(2, method="linear", align_corners=True), EVERYWHERE),
    "Resize": (lambda: eq.Resize(3, padding="circular"), EVERYWHERE),
    "PixelShuffle": (lambda: eq.Sequential(eq.Conv(8, 1), eq.PixelShuffle(2)), (T2, B2, MIXED)),
    "PixelUnshuffle": (lambda: eq.PixelUnshuffle(2), EVEN),
    "PixelUnshuffle undone": (lambda: eq.Sequential(eq.PixelUnshuffle(2), eq.Gelu(), eq.PixelShuffle(2)), EVEN),
    "Pad": (lambda: eq.Pad(1, mode="edge"), EVERYWHERE),
    "Pad then crop": (lambda: eq.Sequential(eq.Pad(1), eq.Crop(1)), EVERYWHERE),
    "Crop": (lambda: eq.Crop(1), EVERYWHERE),
    "Roll": (lambda: eq.Roll(1), EVERYWHERE),
    "Relu": (lambda: eq.Relu(), EVERYWHERE),
    "LeakyRelu": (lambda: eq.LeakyRelu(), (D1,)),
    "Elu": (lambda: eq.Elu(), (D1,)),
    "Softplus": (lambda: eq.Softplus(), (D1,)),
    "Sigmoid": (lambda: eq.Sigmoid(), (D1,)),
    "Tanh": (lambda: eq.Tanh(), (D1,)),
    "Gelu": (lambda: eq.Gelu(), (D1,)),
    "Silu": (lambda: eq.Silu(), (D1,)),
    "Pointwise": (lambda: eq.Sequential(eq.Pad(1), eq.Pointwise(jnp.cos), eq.Conv(2, 3)), (D1, B2)),
    "Identity": (lambda: eq.Identity(), (D1,)),
    "Dropout": (lambda: eq.Dropout(0.5), (D1,)),
    "BatchNorm": (
        lambda: eq.Sequential(eq.AvgPool(2, stride=1, padding="zero"), eq.BatchNorm(), eq.GlobalAvgPool()),
        EVERYWHERE,
    ),
    "LayerNorm": (lambda: eq.LayerNorm(), EVERYWHERE),
    "LayerNorm all": (lambda: eq.LayerNorm(axes="all"), EVERYWHERE),
    "GroupNorm": (lambda: eq.GroupNorm(1), EVERYWHERE),
    "InstanceNorm": (lambda: eq.InstanceNorm(), EVERYWHERE),
    "SqueezeExcite": (lambda: eq.SqueezeExcite(ratio=1), EVERYWHERE),
    "SelfAttention": (lambda: eq.SelfAttention(1), EVERYWHERE),
    "WindowedAttention": (lambda: eq.WindowedAttention(2, 1), EVEN),
    "WindowedAttention with biases": (lambda: eq.WindowedAttention(2, 1, position_bias=True), EVEN),
    "GridAttention": (lambda: eq.GridAttention(2, 1), EVEN),
    "GridAttention with biases": (lambda: eq.GridAttention(2, 1, position_bias=True), (D1, *EVEN)),
    "Flatten": (lambda: eq.Sequential(eq.MaxPool(2), eq.Flatten()), EVERYWHERE),
    "Dense": (lambda: eq.Dense(3), EVERYWHERE),
    "PositionalEmbedding": (lambda: eq.Sequential(eq.AvgPool(2), eq.PositionalEmbedding()), EVERYWHERE),
    "Mask": (lambda: eq.Mask(STRIPES), FOURS),
    "Mask of a window": (
        lambda: eq.Sequential(CIRCULAR, eq.Mask(WINDOW), eq.AvgPool(2, stride=1, padding="circular")),
        (D1, eq.box(6)),
    ),
    "Mask of a frame": (
        lambda: eq.Sequential(eq.MaxPool(3, stride=1, padding="circular"), eq.Mask(FRAME), eq.MaxPool(2)),
        FOURS,
    ),
    "Mask along one axis": (lambda: eq.Mask(STRIPES[:, :1]), FOURS),
    "Mask of one number": (lambda: eq.Sequential(eq.MaxPool(2), eq.Mask([[-2]]), eq.GlobalAvgPool()), FOURS),
    "Mask on a fibre": (lambda: eq.Sequential(LIFT, eq.Relu(), eq.Mask(FRAME), LIFT, eq.GroupPool()), FOURS),
    "Mask before sampling": (lambda: eq.Sequential(CIRCULAR, eq.Mask(FRAME + 1), eq.PolyphasePool(2)), FOURS),
    "Sequential": (lambda: eq.Sequential(CIRCULAR, eq.Relu(), eq.MaxPool(2)), EVERYWHERE),
    "Residual": (lambda: eq.Residual(eq.MaxPool(3, stride=1, padding="zero")), EVERYWHERE),
    "Residual sharing a phase": (
        lambda: eq.Residual(
            eq.Sequential(CIRCULAR, eq.Relu(), eq.PolyphasePool(2)),
            shortcut=eq.Sequential(eq.PolyphasePool(2), eq.Conv(2, 1)),
        ),
        EVEN,
    ),
    "Parallel": (lambda: eq.Parallel(eq.MaxPool(3, stride=2, padding="circular"), eq.AvgPool(2), join="concat"), EVEN),
    "Parallel choosing apart": (lambda: eq.Parallel(eq.PolyphasePool(2), eq.PolyphasePool(2, norm=1)), EVEN),
    "GroupConv": (lambda: eq.Sequential(LIFT, eq.Relu(), eq.GroupConv(turning(2), 3, stride=2)), SQUARES),
    "GroupConv 1-D": (lambda: eq.GroupConv(turning(1), 2, padding="circular"), (D1, eq.box(5))),
    "GroupConv of scalars": (
        lambda: eq.Sequential(eq.GroupConv(2 * eq.Fibre.trivial("4"), 3), eq.GroupConv(eq.Fibre.trivial("1"), (1, 2))),
        SQUARES,
    ),
    "GroupConv depthwise": (
        lambda: eq.Sequential(
            eq.GroupConv(2 * turning(2), 1), eq.Relu(), eq.GroupConv(2 * turning(2), 3, depthwise=True)
        ),
        SQUARES,
    ),
    "GroupConvTranspose": (
        lambda: eq.Sequential(LIFT, eq.Relu(), eq.GroupConvTranspose(turning(2), 2, stride=2, padding="valid")),
        SQUARES,
    ),
    "GroupPool": (lambda: eq.Sequential(LIFT, eq.BatchNorm(), eq.GroupPool(), eq.GlobalAvgPool()), SQUARES),
    "GroupPool norm": (lambda: eq.Sequential(VECTORS, eq.GroupPool(kind="norm")), SQUARES),
    "CosetPool": (lambda: eq.Sequential(LIFT, eq.CosetPool("2"), eq.GroupConv(turning(2), 3)), SQUARES),
    "Restrict": (lambda: eq.Sequential(LIFT, eq.Restrict("2"), eq.GroupConv(eq.Fibre.sign("2", "1"), 3)), SQUARES),
    "Restrict of mirrors": (
        lambda: eq.Sequential(eq.GroupConv(eq.Fibre.regular("4mm"), 3), eq.Restrict("4"), eq.CosetPool("2"), LIFT),
        SQUARES,
    ),
    "Restrict and norms": (
        lambda: eq.Sequential(LIFT, eq.Restrict("2"), eq.BatchNorm(), eq.NormRelu(), eq.LayerNorm(), eq.GroupPool()),
        SQUARES,
    ),
    "NormRelu": (lambda: eq.Sequential(VECTORS, eq.NormRelu(), eq.LayerNorm(), eq.GlobalAvgPool()), SQUARES),
    "Gated": (lambda: eq.Sequential(VECTORS, eq.Gated(), eq.InstanceNorm(), eq.AvgPool(2)), SQUARES),
    "AsFibre": (
        lambda: eq.Sequential(eq.Conv(2, 1), eq.AsFibre(eq.Fibre.vector("4mm")), eq.GroupConv(turning(2), 3)),
        SQUARES,
    ),
    "Fibre mixed freely": (lambda: eq.Sequential(LIFT, eq.Relu(), eq.Conv(2, 3, padding="circular")), SQUARES),
    "Fibre gated": (lambda: eq.Sequential(LIFT, eq.SqueezeExcite(ratio=1), eq.Dropout(0.1), eq.MaxPool(2)), SQUARES),
    "Fibre attending": (
        lambda: eq.Sequential(LIFT, eq.SelfAttention(1), eq.WindowedAttention(2, 1)),
        (T2, eq.box(4, 4)),
    ),
    "Fibre sampled": (lambda: eq.Sequential(LIFT, eq.Relu(), eq.PolyphasePool(2), LIFT), (T2, eq.box(4, 4))),
    "Fibre joined": (
        lambda: eq.Sequential(
            eq.Parallel(LIFT, eq.Identity(), join="concat"), eq.Residual(eq.GroupConv(turning(2) + 2, 3)), LIFT
        ),
        SQUARES,
    ),
    "Lowpass": (lambda: eq.Lowpass(0.75), (D1, eq.torus(6, 6), B2, MIXED)),
    "Lowpass along one axis": (lambda: eq.Lowpass((1, 0.5)), (eq.torus(6, 6), B2)),
    "IdealDownsample": (lambda: eq.IdealDownsample(2), (D1, eq.torus(6, 6), eq.box(6, 6))),
    "IdealDownsample to the mean": (
        lambda: eq.IdealDownsample(3),
        (eq.torus(6), eq.torus(3, 3), eq.torus(6, 9), eq.box(6, 6)),
    ),
    "IdealDownsample of a fibre to the mean": (
        lambda: eq.Sequential(LIFT, eq.Relu(), eq.IdealDownsample((2, 4))),
        SQUARES[:1],
    ),
    "IdealUpsample": (lambda: eq.IdealUpsample(2), EVERYWHERE),
    "IdealUpsample and back": (lambda: eq.Sequential(eq.IdealUpsample(2), eq.IdealDownsample(2)), EVERYWHERE),
    "AliasFree": (lambda: eq.AliasFree(eq.Gelu()), EVERYWHERE),
    "AliasFree along one axis": (lambda: eq.AliasFree(eq.Relu(), up=(1, 2)), (T2, B2)),
    "AliasFree polynomial": (lambda: eq.AliasFree(eq.Polynomial(2)), EVERYWHERE),
    "AliasFree on a fibre": (
        lambda: eq.Sequential(LIFT, eq.AliasFree(eq.Polynomial(2)), LIFT, eq.AliasFree(eq.Relu()), eq.GroupPool()),
        SQUARES,
    ),
    "Polynomial": (lambda: eq.Polynomial(2), EVERYWHERE),
    "SpectralConv": (lambda: eq.SpectralConv(3, 2), (D1, T2, eq.torus(5, 6), MIXED)),
    "Named": (lambda: eq.Named("stem", CIRCULAR), (D1,)),
}
