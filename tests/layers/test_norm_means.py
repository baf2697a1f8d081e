"""A mean over space after a norm over space is a bias: the same for every input, and so for every isometry."""

import numpy as np
import pytest

import equinet as eq
from tests.compiled import apply
from tests.oracle import random_weights

T = eq.torus(8, 8)
ALL = T.group


def conv(features, **options):
    return eq.Conv(features, 3, **{"padding": "circular"} | options)


def tailed(*layers):
    """A strided convolution, which keeps even shifts, then the layers, then the mean over space."""
    return eq.Sequential(conv(3, stride=2), *layers, eq.GlobalAvgPool())


CONSTANT = {
    "norm": tailed(eq.InstanceNorm()),
    "groups of one channel": tailed(eq.GroupNorm(3)),
    "one channel": eq.Sequential(conv(1, stride=2), eq.LayerNorm(axes="all"), eq.GlobalAvgPool()),
    "affine": tailed(eq.InstanceNorm(), eq.BatchNorm(), eq.Dense(2)),
    "convolution": tailed(eq.InstanceNorm(), conv(2)),
    "average": tailed(eq.InstanceNorm(), eq.AvgPool(2)),
    "upsampling": tailed(eq.InstanceNorm(), eq.Upsample(2)),
    "shortcut": tailed(eq.InstanceNorm(), eq.Residual(conv(3))),
    "two norms": tailed(eq.Parallel(eq.InstanceNorm(), eq.Sequential(conv(3), eq.InstanceNorm()))),
}
NOT_CONSTANT = {
    "zero padding": tailed(eq.InstanceNorm(), eq.Conv(2, 3)),
    "stride": tailed(eq.InstanceNorm(), conv(2, stride=2)),
    "nonlinearity": tailed(eq.InstanceNorm(), eq.Relu()),
    "gates": tailed(eq.InstanceNorm(), eq.Relu(), eq.SqueezeExcite(ratio=2)),
    "groups": tailed(eq.GroupNorm(1)),
    "sum with what has no norm": tailed(eq.Residual(eq.InstanceNorm())),
    "concatenation with it": tailed(eq.Parallel(eq.Identity(), eq.InstanceNorm(), join="concat")),
    "product": tailed(eq.InstanceNorm(), eq.Parallel(eq.Identity(), conv(3), join="mul")),
    "maximum": eq.Sequential(conv(3, stride=2), eq.InstanceNorm(), eq.GlobalMaxPool()),
    "a norm, forgotten": tailed(eq.InstanceNorm(), eq.Tanh(), conv(2)),
}


def spread(net):
    """How far outputs lie apart, over two images and all their shifts, for weights that are all drawn."""
    rng = np.random.default_rng(0)
    variables = random_weights(net, (8, 8, 1), rng)
    x = rng.normal(size=(2, 8, 8, 1)).astype(np.float32)
    moved = np.concatenate([np.roll(x, (i, j), (1, 2)) for i in range(2) for j in range(2)])
    y = np.asarray(apply(net, variables, moved))
    return np.ptp(y, axis=0).max() / np.abs(y).max()


@pytest.mark.parametrize("net", CONSTANT.values(), ids=CONSTANT)
def test_the_mean_after_a_norm_is_a_constant(net):
    assert spread(net) < 1e-5
    for domain in (T, eq.torus(9, 9), eq.box(8, 8)):
        if net is CONSTANT["average"] and domain.sizes == (9, 9):
            continue
        assert eq.certify(net, domain, channels=1).invariance == domain.group


@pytest.mark.parametrize("net", NOT_CONSTANT.values(), ids=NOT_CONSTANT)
def test_other_means_are_none(net):
    assert spread(net) > 1e-3
    assert eq.certify(net, T, channels=1).invariance < ALL


def test_on_the_plane():
    assert eq.certify(CONSTANT["convolution"], eq.plane(2), channels=1).invariance == eq.plane(2).group
    assert eq.certify(NOT_CONSTANT["stride"], eq.plane(2), channels=1).invariance < eq.plane(2).group


def test_channels_that_move_keep_their_fibre():
    net = eq.Sequential(
        eq.GroupConv(eq.Fibre.regular("4"), 3, padding="circular"), eq.InstanceNorm(), eq.GlobalAvgPool()
    )
    assert eq.certify(net, T, channels=1).fibre == eq.Fibre.regular("4")
