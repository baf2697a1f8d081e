"""Real shifts found without a claim: those that networks are certified to keep, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.compiled import init

CIRCULAR: Any = {"padding": "circular"}
KEPT: dict[str, tuple[Callable[[], eq.Layer], tuple[int, ...], str, str]] = {
    # A network, its sizes, the shifts that are found, and those that leave its output as it is.
    "thirds": (lambda: eq.Sequential(eq.AliasFree(eq.Relu(), up=3), eq.IdealDownsample(2)), (8,), "⅓Z", "trivial"),
    "all": (lambda: eq.Sequential(eq.Conv(2, 3, **CIRCULAR), eq.AliasFree(eq.Polynomial(2))), (9,), "R", "trivial"),
    "pixels": (lambda: eq.Sequential(eq.Conv(2, 3, **CIRCULAR), eq.Relu(), eq.AvgPool(2)), (8,), "2Z", "trivial"),
    "thirds, then pixels": (
        lambda: eq.Sequential(eq.AliasFree(eq.Relu(), up=3), eq.IdealDownsample(2), eq.Relu(), eq.GlobalAvgPool()),
        (8,),
        "2Z",
        "2Z",
    ),
    "along one axis": (
        lambda: eq.Sequential(eq.AliasFree(eq.Relu(), up=(1, 2)), eq.GlobalAvgPool()), (4, 6), "Z × ½Z", "Z × ½Z",
    ),
    "smooth along one": (lambda: eq.AliasFree(eq.Polynomial(2), up=(1, 2)), (4, 6), "Z × R", "trivial"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_is_certified_is_found(name: str) -> None:
    make, sizes, strict, invariance = KEPT[name]
    net, torus = make(), eq.torus(*sizes)
    bound = net.bind(init(net, 1, (*sizes, 2)))
    found = eq.discover_shifts(bound, torus, channels=2, key=0, examples=2)
    assert str(found.strict).split(" (")[0] == strict and str(found.invariance).split(" (")[0] == invariance
    certificate = eq.certify(net, torus, 2, translations="real")
    assert found.strict == certificate.strict.translations
    assert eq.verify_shifts(bound, found, key=1, examples=2).passed, "it serves as a claim"
    outside = [error for g, error in found.errors.items() if g not in found.strict]
    assert all(error >= 1e-3 for error in outside) and (outside or strict == "R")
    assert all(error <= 1e-10 for g, error in found.errors.items() if g in found.strict)


def test_shears() -> None:
    """Nodes at one parity of x + y are kept from the others."""
    scale = 1 + jnp.indices((6, 6)).sum(0)[None, :, :, None] % 2

    found = eq.discover_shifts(lambda x: x * scale.astype(x.dtype), eq.torus(6, 6), channels=1, key=0)
    assert found.strict == eq.RealGroup.parse("⟨(1, 1), (0, 2)⟩", periods=eq.torus(6, 6).periods)
    assert found.folded > 1e-3 and "half a turn a node" in str(found)


def test_the_denominator_says_what_is_tried() -> None:
    net = eq.AliasFree(eq.Relu(), up=5)
    bound = net.bind(init(net, 0, (6, 1)))
    for denominator, strict in ((1, "Z (index 1)"), (12, "Z (index 1)"), (5, "⅕Z"), (10, "⅕Z")):
        found = eq.discover_shifts(bound, eq.torus(6), channels=1, key=0, denominator=denominator, examples=2)
        assert str(found.strict) == strict
    g = eq.Isometry.translation((1,))
    assert found.action(g) == g
    with pytest.raises(ValueError, match="is not in the group found"):
        found.action(eq.Isometry.translation((eq.RealGroup.parse("½Z").basis[0][0],)))


def test_functions_of_other_kinds() -> None:
    """Without JAX, in single precision, on bounded axes, on inputs of one's own; and what rounding hides."""
    waves = np.cos(2 * np.pi * np.outer(np.arange(8), np.arange(3)) / 8)[None, :, None, :].astype(np.float32)
    mixed = eq.Domain((eq.periodic(8), eq.bounded(3)))

    def twice(x: np.ndarray) -> np.ndarray:
        return x + np.roll(x, 1, axis=1) * np.arange(3, dtype=x.dtype)[:, None]

    found = eq.discover_shifts(twice, mixed, channels=3, key=0, jit=False, dtype=jnp.float32)
    assert str(found.strict) == "R × 0" and found.dtype == "float32"
    own = eq.discover_shifts(twice, mixed, key=0, jit=False, inputs=np.repeat(waves, 3, axis=2) + 1)
    assert str(own.strict) == "R × 0" and own.removed < 1e-6
    loud = eq.discover_shifts(lambda x: x + 1e5, eq.torus(8), channels=1, key=0, dtype=jnp.float32)
    assert loud.strict.is_trivial and "cannot tell" in str(loud)
    assert eq.discover_shifts(lambda x: x + 1e5, eq.torus(8), channels=1, key=0).strict.real == (0,)


def test_errors() -> None:
    with pytest.raises(ValueError, match="wraps around along no axis"):
        eq.discover_shifts(lambda x: x, eq.box(8), channels=1, key=0)
    with pytest.raises(ValueError, match="has the axes of torus\\(4, 4\\), or none"):
        eq.discover_shifts(lambda x: x.mean(1), eq.torus(4, 4), channels=1, key=0)
    with pytest.raises(ValueError, match="discover_shifts: channels must be"):
        eq.discover_shifts(jnp.tanh, eq.torus(4), channels=bytearray(b"\x00\x00"), key=0)  # pyright: ignore
    with pytest.raises(ValueError, match="denominator must be"):
        eq.discover_shifts(lambda x: x, eq.torus(4), channels=1, key=0, denominator=0)
    with pytest.raises(FloatingPointError, match="discover_shifts: the function returns NaN"):
        eq.discover_shifts(lambda x: x / 0, eq.torus(4), channels=1, key=0)
