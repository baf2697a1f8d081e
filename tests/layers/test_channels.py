"""How many channels an input has: said, or told by weights or inputs, and never a silent 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from equinet import models
from tests.compiled import init

WARNING = r" takes 1 input channel, since no weights tell how many there are: pass channels=, such as channels=3"
VECTOR = eq.Fibre.vector("4")
NETS: dict[str, tuple[eq.Layer, tuple[int, ...]]] = {
    "conv": (eq.Conv(4, 3), (8, 8, 5)),
    "groups": (eq.Conv(4, 3, groups=2), (8, 8, 4)),
    "depthwise": (eq.Conv(6, 3, groups=3), (8, 8, 3)),
    "transpose": (eq.ConvTranspose(4, 2, stride=2), (8, 8, 3)),
    "dense": (eq.Dense(3), (8, 8, 2)),
    "group conv": (eq.Sequential(eq.MaxPool(2), eq.GroupConv(eq.Fibre.regular("4"), 3)), (8, 8, 3)),
    "fibre": (eq.Sequential(eq.AsFibre(VECTOR), eq.GroupConv(eq.Fibre.regular("4"), 3)), (8, 8, 2)),
    "norm": (eq.Sequential(eq.LayerNorm(), eq.GlobalAvgPool()), (8, 8, 7)),
    "squeeze": (eq.SqueezeExcite(), (8, 8, 6)),
    "attention": (eq.SelfAttention(2), (8, 8, 4)),
    "branches": (eq.Parallel(eq.MaxPool(2), eq.Conv(3, 2, stride=2)), (8, 8, 3)),
    "residual": (eq.Named("block", eq.Residual(eq.Sequential(eq.Relu(), eq.Conv(3, 3)))), (8, 8, 3)),
    "unet": (models.unet(2, width=2, down="aps"), (8, 8, 2)),
    "flatten": (models.small_cnn((2, 2), readout="flatten"), (8, 8, 3)),
    "vit": (models.vit(1, width=6), (8, 8, 2)),
}


def zeros(net: eq.Layer, shape: tuple[int, ...]) -> Any:
    """Variables of the right shapes: only these tell how many channels there are."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(lambda: net.init(0, shape)))


@pytest.mark.parametrize("name", NETS)
def test_weights_tell(name: str) -> None:
    net, shape = NETS[name]
    bound, domain = net.bind(zeros(net, shape)), eq.torus(*shape[:-1])
    found = eq.certify(bound, domain)
    assert found.channels == shape[-1]
    assert found.strict == eq.certify(net, domain, shape[-1]).strict


@pytest.mark.thorough
def test_inference_and_measurement_read_them_too() -> None:
    net, domain = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.MaxPool(2)), eq.torus(8)
    bound = net.bind(init(net, 0, (8, 3)))
    assert eq.infer(bound, domain).channels == 3
    assert eq.discover(bound, domain, key=0).channels == 3
    assert eq.verify(bound, eq.certify(bound, domain).strict, domain, action=lambda g: _halved(g), key=0).passed
    assert str(eq.legal_sizes(bound, "2Z").congruence) == "n ≡ 0 (mod 2)"
    (kept,) = eq.suggest(bound, domain, "2Z", measure=False)
    assert kept.certificate.channels == 3
    own = np.random.default_rng(0).normal(size=(64, 8, 3)).astype(np.float32)
    assert eq.discover(lambda x: x[:, ::2], domain, key=0, inputs=own).channels == 3


def _halved(g: eq.Isometry) -> eq.Isometry:
    return eq.Isometry(g.matrix, tuple(t // 2 for t in g.shift))


@pytest.mark.parametrize(
    "net",
    [eq.MaxPool(2), eq.Sequential(eq.PixelUnshuffle(2), eq.Conv(8, 3)), eq.Sequential()],
    ids=["no weights", "weights behind other channels", "nothing"],
)
def test_where_weights_do_not_tell_it_is_one_as_for_any_function(net: eq.Layer) -> None:
    bound, domain = net.bind(zeros(net, (8, 8, 2))), eq.torus(8, 8)
    with pytest.warns(UserWarning, match=WARNING):
        found = eq.certify(bound, domain)
    assert found.channels == 1
    assert found.strict == eq.certify(bound, domain, channels=1).strict
    assert eq.certify(bound, domain, channels=2).channels == 2


def test_a_network_without_weights_is_inferred() -> None:
    bound = eq.MaxPool(2).bind(eq.MaxPool(2).init(0, (6, 1)))
    with pytest.warns(UserWarning, match="^infer" + WARNING):
        found = eq.infer(bound, eq.torus(6))
    assert found.channels == 1
    assert found.strict == eq.certify(eq.MaxPool(2), eq.torus(6), channels=1).strict


def test_weights_that_one_contradicts_are_not_run() -> None:
    net = eq.Sequential(eq.PixelUnshuffle(2), eq.Conv(8, 3))
    bound = net.bind(zeros(net, (8, 8, 2)))
    with pytest.warns(UserWarning, match=WARNING), pytest.raises(eq.LayerError, match=r"weights are for .* 8 channels"):
        eq.infer(bound, eq.torus(8, 8))


POOL, LINE = eq.MaxPool(2), eq.torus(8)
BOUND = POOL.bind(POOL.init(0, (8, 1)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: eq.certify(POOL, LINE),
        lambda: eq.infer(abs, LINE),
        lambda: eq.discover(abs, LINE, key=0),
        lambda: eq.verify(abs, LINE.group, LINE, key=0),
        lambda: eq.assert_equivariant(abs, LINE.group, None, LINE, key=0),
        lambda: eq.legal_sizes(POOL, "2Z"),
        lambda: eq.suggest(POOL, LINE, "Z"),
        lambda: eq.certify(BOUND, LINE),
        lambda: eq.infer(BOUND, LINE),
        lambda: eq.discover(BOUND, LINE, key=0),
        lambda: eq.verify(BOUND, eq.certify(POOL, LINE, 1).strict, LINE, action=lambda g: _halved(g), key=0),
        lambda: eq.legal_sizes(BOUND, "2Z"),
        lambda: eq.suggest(BOUND, LINE, "Z"),
    ],
)
def test_no_number_is_assumed_silently(ask: Callable[[], Any]) -> None:
    with pytest.warns(UserWarning, match=WARNING):
        ask()
