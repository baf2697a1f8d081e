"""Claims about real shifts: those that hold pass, those that do not fail, and reports say what was measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.compiled import init

CIRCULAR: Any = {"padding": "circular"}
SMOOTH = eq.Sequential(eq.Conv(4, 3, **CIRCULAR), eq.AliasFree(eq.Polynomial(2)), eq.IdealDownsample(2))
HALVES = eq.Sequential(eq.Conv(4, 3, **CIRCULAR), eq.AliasFree(eq.Relu()), eq.IdealDownsample(2))
WHOLE = eq.Sequential(eq.Conv(4, 3, **CIRCULAR), eq.Relu(), eq.AvgPool(2))
TURNED = eq.Sequential(
    eq.GroupConv(eq.Fibre.regular("4mm"), 3, **CIRCULAR),
    eq.AliasFree(eq.Polynomial(3)),
    eq.GroupConv(2 * eq.Fibre.vector("4mm"), 3, **CIRCULAR),
)


def bound(net: eq.Layer, sizes: tuple[int, ...]) -> eq.Bound:
    return net.bind(init(net, 1, (*sizes, 2)))


def certificate(net: eq.Layer, sizes: tuple[int, ...]) -> eq.RealCertificate:
    return eq.certify(net, eq.torus(*sizes), 2, translations="real")


@pytest.mark.parametrize(
    ("net", "sizes"),
    [(SMOOTH, (8,)), (SMOOTH, (6, 10)), (HALVES, (8, 8)), (WHOLE, (8,)), (TURNED, (7, 7)), (TURNED, (8, 8))],
)
def test_what_is_certified_is_measured(net: eq.Layer, sizes: tuple[int, ...]) -> None:
    claim = certificate(net, sizes)
    report = eq.verify_shifts(bound(net, sizes), claim, key=0)
    assert report.passed and report.worst[1] <= 1e-10 and report.tight, str(report)
    assert all(error >= 1e-3 for error in report.outside.values())
    assert all(g in claim.strict for g in report.errors) and not any(g in claim.strict for g in report.outside)


FEW = {
    "valid, two nodes along an axis": (eq.GroupConv(eq.Fibre.regular("2"), 3, padding="valid"), (12, 4)),
    "pools, two nodes along both": (
        eq.Sequential(eq.GroupConv(eq.Fibre.vector("4mm"), 3, **CIRCULAR), eq.NormRelu(), eq.AvgPool(4)),
        (8, 8),
    ),
    "no nodes": (
        eq.Sequential(eq.GroupConv(eq.Fibre.regular("4mm"), 3, **CIRCULAR), eq.Relu(), eq.GlobalAvgPool()),
        (6, 6),
    ),
}


@pytest.mark.parametrize("name", FEW)
def test_channels_move_by_the_operation_of_the_input_however_few_nodes_are_left(name: str) -> None:
    net, sizes = FEW[name]
    claim = certificate(net, sizes)
    turn = next(g for g in claim.strict.generators if not g.is_translation)
    assert claim.action(turn).matrix != turn.matrix  # on so few nodes it does what another operation does
    report = eq.verify_shifts(bound(net, sizes), claim, key=0)
    assert report.passed, report

    parts = ("domain", "channels", "strict", "action", "output")
    wrong = SimpleNamespace(**{name: getattr(claim, name) for name in parts}, fibre=eq.Fibre.plain(int(claim.fibre)))
    assert not eq.verify_shifts(bound(net, sizes), wrong, key=0).passed


def test_averaged_networks_are_invariant() -> None:
    net = eq.Sequential(SMOOTH, eq.GlobalAvgPool(), eq.Dense(3))
    claim = certificate(net, (8, 8))
    assert str(claim.invariance) == "R × R"
    report = eq.verify_shifts(bound(net, (8, 8)), claim, key=0, dtype=jnp.float32)
    assert report.passed and "no spatial axes" not in str(report)
    broken = eq.verify_shifts(bound(SMOOTH, (8, 8)), claim, key=0)
    assert not broken.passed and "the claim's output has no spatial axes" in str(broken)


def test_wrong_claims_fail() -> None:
    claim = certificate(SMOOTH, (8, 8))
    report = eq.verify_shifts(bound(HALVES, (8, 8)), claim, key=0)
    assert not report.passed and report.worst[1] > 1e-3 and str(report).startswith("failed: R × R")
    halves = replace(certificate(HALVES, (8, 8)))
    other = eq.verify_shifts(bound(WHOLE, (8, 8)), halves, key=0)
    assert not other.passed and str(other).startswith("failed: ½Z × ½Z")
    assert other.folded > 1e-3 and "half a turn a node" in str(other)


@pytest.mark.thorough
@pytest.mark.parametrize("examples", [1, 2, 4, 8])
def test_functions_of_a_whole_batch(examples: int) -> None:
    """Their outputs are compared in batches of one size; what breaks a shift is seen in these too."""
    claim = certificate(eq.Lowpass(0.5), (8,))

    def normed(x: jax.Array) -> jax.Array:
        return (x - x.mean((0, 1), keepdims=True)) / x.std((0, 1), keepdims=True)

    def branched(x: jax.Array) -> jax.Array:
        return jax.lax.cond(jnp.square(x).sum() > 75, jnp.negative, lambda x: 2 * x, x)

    for fn in (normed, branched):
        report = eq.verify_shifts(fn, claim, key=0, examples=examples)
        assert report.passed and report.worst[1] <= 1e-10, str(report)
        at_nodes = eq.verify_shifts(lambda x, fn=fn: jax.nn.relu(fn(x)), claim, key=0, examples=examples)
        assert not at_nodes.passed and at_nodes.worst[1] > 1e-3, str(at_nodes)


def test_your_own_inputs() -> None:
    x = np.random.default_rng(0).standard_normal((3, 8, 8, 2))
    report = eq.verify_shifts(bound(HALVES, (8, 8)), certificate(HALVES, (8, 8)), key=0, inputs=x)
    assert report.passed and report.removed > 0.01 and "taken from them" in str(report)
    smooth = np.ones((2, 8, 8, 2)) + np.cos(np.arange(8) * np.pi / 4)[:, None, None]
    assert eq.verify_shifts(bound(HALVES, (8, 8)), certificate(HALVES, (8, 8)), key=0, inputs=smooth).removed < 1e-12


def test_errors() -> None:
    plain = eq.certify(HALVES, eq.torus(8, 8), 2)
    with pytest.raises(TypeError, match="certify\\(net, torus, translations='real'\\)"):
        eq.verify_shifts(bound(HALVES, (8, 8)), plain, key=0)
    with pytest.raises(TypeError, match="tested by verify_shifts"):
        eq.verify(bound(HALVES, (8, 8)), certificate(HALVES, (8, 8)), key=0)
    for wrong in (lambda x: None, lambda x: x[:1], lambda x: x.sum(), lambda x: x > 0):
        with pytest.raises(ValueError, match="it must keep the batch and give real numbers"):
            eq.verify_shifts(wrong, certificate(HALVES, (8, 8)), key=0)
    with pytest.raises(TypeError, match="a function of one array"):
        eq.verify_shifts(HALVES, certificate(HALVES, (8, 8)), key=0)
    with pytest.raises(ValueError, match="the output lies on"):
        eq.verify_shifts(lambda x: x, certificate(HALVES, (8, 8)), key=0)
    with pytest.raises(FloatingPointError, match="NaN"):
        eq.verify_shifts(lambda x: jnp.log(-jnp.abs(x)), certificate(eq.Identity(), (8,)), key=0)


def test_functions_without_jit() -> None:
    claim = certificate(eq.Lowpass(0.5), (9,))
    weights = np.asarray(eq.Lowpass(0.5).apply({"params": {}, "state": {}}, jnp.asarray(np.eye(9)[:, :, None])))

    def filtered(x: np.ndarray) -> np.ndarray:
        return np.einsum("ijk,bic->bjc", weights.astype(x.dtype), x)

    assert eq.verify_shifts(filtered, claim, key=0, jit=False, dtype=jnp.float32).passed
    with jax.enable_x64(False):
        assert not eq.verify_shifts(
            lambda x: x * jnp.asarray(np.arange(9.0)[None, :, None], x.dtype), claim, key=0
        ).passed
