"""The infinite plane against a torus that every stride divides: with circular padding the two must agree.

Certificates on tori are checked against brute force elsewhere; an infinite axis cannot be swept.
"""

import numpy as np
import pytest

import equinet as eq

SIZE = 48


def circular_network(rng, dim):
    """Random layers that a torus of 48 nodes closes up around, and perhaps a readout."""
    draws = [
        lambda: eq.Conv(4, int(rng.integers(1, 4)), stride=int(rng.integers(1, 3)), padding="circular"),
        lambda: eq.Conv(4, (1, 3, 3)[:dim], padding="circular"),
        lambda: eq.ConvTranspose(4, int(rng.integers(1, 4)), stride=2, padding="circular"),
        lambda: eq.MaxPool(int(rng.integers(1, 4)), stride=int(rng.integers(1, 3)), padding="circular"),
        lambda: eq.AvgPool(int(rng.integers(1, 4)), stride=int(rng.integers(1, 3)), padding="circular"),
        lambda: eq.BlurPool(int(rng.integers(1, 3)), size=int(rng.integers(1, 5))),
        lambda: eq.MaxBlurPool(2),
        lambda: eq.Upsample(2),
        lambda: eq.Upsample(2, method="linear", padding="circular"),
        lambda: eq.PixelUnshuffle(2),
        lambda: eq.Sequential(eq.Conv(4 * 2**dim, 1), eq.PixelShuffle(2)),
        lambda: eq.Roll(int(rng.integers(-2, 3))),
        lambda: eq.PolyphasePool(2),
        lambda: eq.Hourglass(eq.PolyphasePool(2), eq.Relu(), eq.PolyphaseUpsample(2)),
        lambda: eq.WindowedAttention(2, 1),
        eq.Relu,
        eq.Gelu,
        eq.BatchNorm,
    ]
    layers = []
    for _ in range(int(rng.integers(1, 6))):
        layer = draws[int(rng.integers(len(draws)))]()
        try:
            shape = eq.Sequential(*layers, layer).output_shape((SIZE,) * dim + (4,))
        except eq.LayerError:
            continue
        if 6 <= (shape[0] or 0) <= 96 and int(shape[-1]) <= 64:
            layers.append(layer)
    readout = [(), (eq.GlobalAvgPool(),), (eq.GlobalMaxPool(),), (eq.Gelu(), eq.GlobalAvgPool())][int(rng.integers(4))]
    return eq.Sequential(*layers, *readout)


def wrapped(group, dim):
    """A group of the plane, taken modulo the torus."""
    periods = eq.Lattice.diagonal((SIZE,) * dim)
    return eq.SpaceGroup(group.translations + periods, group.operations, periods)


@pytest.mark.parametrize("seed", range(120))
def test_the_plane_agrees_with_a_torus_that_closes_up(seed):
    rng = np.random.default_rng(seed)
    dim = 1 + seed % 2
    net = circular_network(rng, dim)
    plane, torus = eq.certify(net, eq.plane(dim), 4), eq.certify(net, eq.torus(*(SIZE,) * dim), 4)
    for name in ("strict", "orbit"):
        assert wrapped(getattr(plane, name), dim) == getattr(torus, name), f"{name} of {net}"
    if not torus.output.dim:
        assert wrapped(plane.invariance, dim) == torus.invariance, f"invariance of {net}"
