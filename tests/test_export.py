"""A frozen network exports to plain layers with the same outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.compiled import apply, init
from tests.oracle import random_weights

REGULAR, VECTOR = eq.Fibre.regular("4mm"), eq.Fibre.vector("4mm")
NETS = {
    "classifier": eq.Sequential(
        eq.GroupConv(2 * REGULAR, 3, padding="circular"), eq.BatchNorm(), eq.Relu(), eq.MaxPool(2),
        eq.Residual(eq.Sequential(eq.GroupConv(2 * REGULAR, 3, padding="zero"), eq.Relu())),
        eq.Named("sampling", eq.PolyphasePool(2)), eq.SqueezeExcite(ratio=1), eq.GlobalAvgPool(), eq.GroupPool(),
        eq.Dense(3),
    ),
    "hourglass": eq.Sequential(
        eq.GroupConv(REGULAR, 3),
        eq.Hourglass(
            eq.PolyphasePool(2), eq.GroupConv(REGULAR, 3, padding="circular", depthwise=True), eq.PolyphaseUpsample(2),
            skip="concat",
        ),
        eq.GroupConvTranspose(VECTOR + eq.Fibre.sign("4mm"), 2, stride=2), eq.BatchNorm(), eq.NormRelu(),
    ),
    "branches": eq.Parallel(eq.GroupConv(VECTOR, 3, bias=False), eq.Conv(2, 3), join="concat"),
}  # fmt: skip


def leaves(net):
    return [net] if not net.children else [leaf for _, child in net.children for leaf in leaves(child)]


@pytest.mark.thorough
@pytest.mark.parametrize("name", NETS)
def test_the_plain_network_computes_the_same(name):
    net, shape = NETS[name], (8, 8, 2)
    with jax.enable_x64(True):
        variables = random_weights(net, shape, np.random.default_rng(0))
        plain, weights = eq.export(net, variables, shape)
        x = np.random.default_rng(1).normal(size=(3, *shape))
        np.testing.assert_allclose(apply(plain, weights, x), apply(net, variables, x), atol=1e-12)
    assert not any(isinstance(leaf, (eq.GroupConv, eq.GroupConvTranspose)) for leaf in leaves(plain))
    assert any(isinstance(leaf, (eq.Conv, eq.ConvTranspose)) for leaf in leaves(plain))


@pytest.mark.thorough
def test_other_weights_export_to_other_numbers_and_the_group_is_forgotten():
    net, shape = NETS["classifier"], (8, 8, 2)
    one, other = (eq.export(net, init(net, seed, shape), shape) for seed in (0, 1))
    assert one[0] == other[0]
    kernels = [weights["params"]["0_conv"]["kernel"] for _, weights in (one, other)]
    assert float(jnp.abs(kernels[0] - kernels[1]).max()) > 0.1
    domain = eq.torus(8, 8)
    assert len(eq.certify(net, domain, 2).strict.point_group) == 8
    assert len(eq.certify(one[0], domain, 2).strict.point_group) == 1


def test_variables_of_another_network_are_refused():
    net = NETS["classifier"]
    with pytest.raises(eq.LayerError, match="those of another network"):
        eq.export(net, init(NETS["hourglass"], 0, (8, 8, 2)), (8, 8, 2))
