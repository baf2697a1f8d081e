"""Required real shifts: what is suggested, and that it is certified and measured."""

from __future__ import annotations

from typing import Any

import pytest

import equinet as eq
from equinet.advise.require import Requirement

CIRCULAR: Any = {"padding": "circular"}
NET = eq.Sequential(
    eq.Conv(3, 3, **CIRCULAR), eq.Relu(), eq.MaxPool(2), eq.LayerNorm(), eq.GlobalAvgPool(), eq.Dense(2)
)


@pytest.mark.parametrize("wanted", ["R × R", "½Z × ½Z", "R × Z", "1/2Z x Z"])
def test_suggestions_keep_what_is_required(wanted: str) -> None:
    found = eq.suggest(NET, eq.torus(8, 8), wanted, channels=2, of="invariance", limit=2)
    assert found and found.lack is None
    for each in found:
        assert each.certificate.invariance >= eq.RealGroup.parse(wanted, periods=each.domain.periods)
        assert isinstance(each.report, eq.RealReport) and each.report.passed
        assert "ideal resampling" in str(each)


@pytest.mark.thorough
def test_padding_and_readout_are_changed_too() -> None:
    net = eq.Sequential(eq.Conv(2, 3), eq.Relu(), eq.Conv(2, 3, stride=2), eq.Flatten(), eq.Dense(2))
    (first, *_) = eq.suggest(net, eq.torus(8), "R", channels=1, of="invariance")
    assert "circular padding" in str(first) and "global average pooling" in str(first) and first.report is not None


def test_what_holds_needs_no_edit() -> None:
    net = eq.models.fno(1, width=2, modes=2, activation="polynomial")
    (only,) = eq.suggest(net, eq.torus(8, 8), "R × R", channels=1)
    assert only.edits == () and str(only).startswith("nothing to change")


def test_nothing_found_says_so() -> None:
    found = eq.suggest(eq.SelfAttention(1), eq.torus(8), "R", channels=1)
    assert not found and "no edit that was tried keeps R on torus(8)" in str(found)
    with pytest.raises(ValueError, match="asks about a torus"):
        eq.suggest(NET, eq.box(8, 8), "R × R", channels=2)


def test_requirements() -> None:
    plain, real = eq.certify(NET, eq.torus(8, 8), 2), eq.certify(NET, eq.torus(8, 8), 2, translations="real")
    with pytest.raises(ValueError, match="translations='real'"):
        Requirement("R × R").holds_for(plain)
    assert not Requirement("R × R").holds_for(real) and Requirement("2Z × 2Z").holds_for(real)
    assert not Requirement("½Z × ½Z").holds_for(real) and not Requirement("Z × Z").holds_for(real)
    smooth = eq.certify(eq.Lowpass(0.5), eq.torus(8, 8), 2, translations="real")
    for name in ("R × R ⋊ 4mm", "½Z × ½Z ⋊ 4mm", "R × Z", "Z × Z", "4mm"):
        assert Requirement(name).holds_for(smooth), name
    between = eq.certify(eq.AvgPool(2), eq.torus(8, 8), 2, translations="real")
    assert Requirement("4mm").holds_for(between), "about some centre, as asked of whole shifts"
    assert Requirement("4mm at (1/2, 1/2)").holds_for(between) and not Requirement("4mm at (0, 0)").holds_for(between)
    with pytest.raises(ValueError, match="cannot read"):
        Requirement("R R")
    assert Requirement("4mm at (1/2, 1/2)").real is None
