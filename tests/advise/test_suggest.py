"""Suggestions: each known remedy is found, is minimal, and is certified and measured."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from equinet import models
from equinet.advise import Requirement, suggest
from equinet.advise.edits import leaf_edits, rewrite
from equinet.advise.why import lack
from tests.compiled import apply, init

POOL = eq.MaxPool(3, stride=2, padding=1)


def conv(features: int = 2, **arguments: object) -> eq.Layer:
    return eq.Conv(features, 3, **{"padding": "circular", **arguments})  # pyright: ignore[reportArgumentType]


def test_nothing_to_change() -> None:
    (only,) = suggest(conv(), eq.torus(8, 8), "Z × Z", channels=1)
    assert only.edits == ()
    assert str(only).startswith("nothing to change → Z × Z")


def test_sizes_and_windows_win_back_the_square() -> None:
    found = suggest(POOL, eq.box(12, 12), "4mm", channels=1, limit=3)
    edits = [each.edits for each in found]
    assert edits[0] == ("size box(11, 11) instead of box(12, 12)",)
    assert ("size box(13, 13) instead of box(12, 12)",) in edits
    assert any("windows that tile" in text for (text,) in edits)
    assert [each.cost for each in found] == sorted(each.cost for each in found)
    for each in found:
        assert Requirement("4mm").holds_for(each.certificate)
        assert each.report is not None
        assert each.report.passed


def test_windows_centred_on_nodes() -> None:
    found = suggest(eq.MaxPool(2), eq.box(9, 9), "4mm", channels=1, measure=False)
    assert any("windows centred on nodes" in text for each in found for text in each.edits)


def test_padding_is_changed_where_it_must_be() -> None:
    net = eq.Sequential(conv(), eq.Named("guilty", eq.Sequential(conv(padding="zero"))), conv(), eq.GlobalAvgPool())
    found = suggest(net, eq.torus(8, 8), "Z × Z", channels=1)
    assert found[0].edits == ("circular padding in Conv(2, 3) (layer guilty.0)",)
    assert len(found) == 1


@pytest.mark.thorough
def test_polyphase_layers_and_global_pooling() -> None:
    net = eq.Sequential(conv(stride=2), eq.Relu(), eq.MaxPool(2), eq.Flatten(), eq.Dense(3))
    found = suggest(net, eq.torus(8, 8), "Z × Z", channels=1, limit=1)
    text = " and ".join(found[0].edits)
    assert "global average pooling instead of Flatten() (layer 3)" in text
    assert "polyphase sampling instead of the stride of" in text
    assert found[0].report is not None
    assert found[0].report.passed


def test_orbit_needs_polyphase_sampling_only() -> None:
    net = eq.Sequential(conv(), eq.MaxPool(2))
    assert not suggest(net, eq.torus(8, 8), "Z × Z", channels=1, measure=False)
    (found,) = suggest(net, eq.torus(8, 8), "Z × Z", channels=1, of="orbit")
    assert found.edits == ("polyphase sampling instead of the stride of MaxPool(2) (layer 1)",)


def test_what_sees_the_whole_plane_is_measured_on_a_torus() -> None:
    net = eq.Sequential(conv(padding="zero"), eq.MaxPool(2), eq.GlobalAvgPool())
    (found,) = suggest(net, eq.plane(2), "Z × Z", channels=1)
    assert found.domain == eq.plane(2)
    assert found.report is not None
    assert found.report.domain == eq.torus(16, 16)


def test_an_hourglass_comes_up_at_the_phase_it_kept() -> None:
    net = models.unet(1, width=2)
    found = suggest(net, eq.torus(8, 8), "Z × Z", channels=1, limit=1, measure=False)
    assert found[0].certificate.output == eq.torus(8, 8)
    assert "MaxPool(2)" in found[0].edits[0]
    assert "Upsample(2, padding=circular)" in found[0].edits[0]


def test_positions_are_dropped() -> None:
    net = eq.Sequential(conv(), eq.PositionalEmbedding(), eq.GlobalAvgPool())
    (found, *_) = suggest(net, eq.torus(6, 6), "Z × Z", channels=1, measure=False)
    assert found.edits == ("no positions: drop PositionalEmbedding() (layer 1)",)


@dataclass(frozen=True)
class Liar(eq.Identity):
    """Declares that it changes nothing and multiplies each row by its number."""

    def forward(self, params: Any, state: Any, x: jax.Array, context: Any) -> tuple[jax.Array, Any]:
        del params, context
        return x * jax.numpy.arange(1.0, 1 + x.shape[1]).reshape(1, -1, *(1,) * (x.ndim - 2)), state


def test_what_measurement_contradicts_is_not_shown() -> None:
    net = eq.Sequential(Liar(), conv(), eq.Flatten())
    assert suggest(net, eq.torus(6, 6), "Z × Z", channels=1, measure=False)
    assert suggest(net, eq.torus(6, 6), "Z × Z", channels=1) == []


def test_nothing_is_found_for_what_no_edit_gives() -> None:
    assert suggest(conv(), eq.box(9, 9), "4mm", channels=1, measure=False) == []


def test_the_budget_bounds_the_search() -> None:
    calls = 0

    def never(certificate: eq.Certificate) -> bool:
        nonlocal calls
        calls += 1
        return False

    assert suggest(eq.Sequential(POOL, conv(padding="zero")), eq.box(32, 32), never, channels=1, budget=10) == []
    assert calls <= 11


def test_rewriting_keeps_the_rest_of_the_network() -> None:
    net = models.resnet(width=4, norm="none")
    assert rewrite(net, lambda path, leaf, up: None) == net
    ledger = {row.path for row in eq.certify(net, eq.torus(16, 16), 3).ledger}
    for edit in leaf_edits(net):
        assert {path for path, _ in edit.paths} <= ledger


def test_wrong_input() -> None:
    with pytest.raises(ValueError, match="is about dimension 2, asked of dimension 1"):
        suggest(conv(), eq.torus(8), "Z × Z", channels=1)
    with pytest.raises(ValueError, match="suggest: limit must be a whole number of at least 1; got 0"):
        suggest(conv(), eq.torus(8, 8), "Z × Z", channels=1, limit=0)
    with pytest.raises(eq.LayerError, match="MaxPool"):
        suggest(eq.MaxPool(9), eq.torus(4, 4), "trivial", channels=1)


def test_a_size_at_which_the_network_runs_is_found() -> None:
    net = eq.Sequential(conv(), eq.PolyphasePool(4), eq.GlobalAvgPool())
    (found, *_) = suggest(net, eq.torus(9, 9), "Z × Z", channels=1, measure=False)
    assert found.edits == ("size torus(8, 8) instead of torus(9, 9)",)


def test_the_suggested_network_can_be_trained_on() -> None:
    (found, *_) = suggest(
        eq.Sequential(conv(padding="zero"), eq.GlobalAvgPool()), eq.torus(6, 6), "Z × Z", channels=1, measure=False
    )
    variables = init(found.net, 0, (6, 6, 1))
    assert apply(found.net, variables, np.ones((2, 6, 6, 1), np.float32)).shape == (2, 2)


def test_group_convolutions_are_edited_as_plain_ones_are():
    regular = eq.Fibre.regular("4")
    net = eq.Sequential(
        eq.GroupConv(regular, 3), eq.Relu(), eq.GroupConv(regular, 3, stride=2), eq.GlobalAvgPool(), eq.GroupPool()
    )
    domain = eq.torus(8, 8)
    wanted = eq.SpaceGroup.parse("Z × Z ⋊ 4", periods=domain.periods)
    assert not wanted <= eq.certify(net, domain, channels=1).invariance
    found = eq.suggest(net, domain, channels=1, require="Z × Z ⋊ 4", of="invariance")
    assert found
    for suggestion in found:
        assert wanted <= eq.certify(suggestion.net, suggestion.domain, channels=1).invariance


def test_strided_group_convolutions_are_mended() -> None:
    net = models.small_cnn((2, 2), group="p4", down="stride", match="cost")
    first = eq.suggest(net, eq.torus(8, 8), "p4", channels=1)[0]
    assert first.certificate.strict == eq.SpaceGroup.parse("p4", periods=eq.torus(8, 8).periods)
    assert first.report is not None
    assert first.report.passed


def test_no_size_on_which_nothing_is_asked() -> None:
    """On torus(3, 3) a shift by 3 is the identity."""
    for net, n in ((conv(stride=2), 4), (conv(padding="zero"), 5)):
        for suggestion in suggest(net, eq.torus(n, n), "3Z × 3Z", channels=1, measure=False):
            assert suggestion.domain != eq.torus(3, 3)
            assert not suggestion.certificate.strict.is_trivial
    found = suggest(conv(padding="zero"), eq.torus(4, 4), "3Z × 3Z", channels=1, measure=False)
    assert [each.domain for each in found] == [eq.torus(4, 4)], "the padding is changed, not the question"


def test_the_group_that_was_asked_is_shown() -> None:
    (found,) = suggest(
        eq.Sequential(conv(), eq.MaxPool(2)), eq.torus(8, 8), "Z × Z", channels=1, of="orbit", measure=False
    )
    assert str(found).endswith("→ orbit Z × Z (p1, index 1)")
    pooled = eq.Sequential(conv(padding="zero"), eq.GlobalAvgPool())
    (found, *_) = suggest(pooled, eq.torus(8, 8), "Z × Z", channels=1, of="invariance", measure=False)
    assert str(found).endswith("→ invariance Z × Z ⋊ 4mm (p4m, index 1)")


def remedies(net: eq.Layer, domain: eq.Domain, require: str, **options: Any) -> tuple[str, tuple[str, ...]]:
    found = suggest(net, domain, require, channels=1, measure=False, **options)
    assert found == []
    assert found.lack is not None
    assert str(found) == f"no suggestion: {found.lack}"
    return found.lack.reason, found.lack.remedies


def test_a_group_network_helps_where_kernels_tell_directions_apart() -> None:
    reason, help_ = remedies(eq.Sequential(conv(), eq.Relu(), eq.MaxPool(2)), eq.torus(8, 8), "4mm")
    assert reason.startswith("on torus(8, 8) it is lost at layer 0, Conv(2, 3, padding=circular): point group 4mm → 1")
    assert help_ == ("a group network: it holds with GroupConv over 4mm in place of Conv",)


def test_a_readout_helps_where_the_output_moves() -> None:
    reason, help_ = remedies(conv(), eq.torus(8, 8), "Z × Z", of="invariance")
    assert reason == "on torus(8, 8) it moves the output, a map on torus(8, 8): nothing has pooled over its nodes"
    assert help_[0] == "another readout: it holds after a GlobalAvgPool() at the end"
    assert help_[1].startswith("another question: the strict group has it")


def test_a_boundary_helps_where_the_domain_has_no_shifts() -> None:
    reason, help_ = remedies(conv(), eq.box(8, 8), "Z × Z")
    assert reason == "box(8, 8) has no such isometries: its own group is 4mm at (7/2, 7/2) (order 8)"
    assert help_ == ("another boundary: it holds on torus(8, 8)",)


def test_another_size_helps_where_strides_do_not_go_in() -> None:
    net, requirement = eq.Sequential(conv(stride=2), conv(stride=2)), Requirement("4Z × 4Z")
    found = lack(net, eq.torus(9, 9), 1, requirement, larger=[eq.torus(11, 11), eq.torus(12, 12)])
    assert "stride 2 does not divide 9" in found.reason
    assert found.remedies[0] == "another size: it holds on torus(12, 12)"
    assert lack(net, eq.torus(9, 9), 1, requirement, larger=[eq.torus(12, 12)], budget=2).remedies == ()


def test_every_remedy_of_a_group_is_certified() -> None:
    """The network that is described, written out."""
    regular = eq.Fibre.regular("4mm")
    net = eq.Sequential(eq.GroupConv(regular, 3, padding="circular"), eq.Relu(), eq.MaxPool(2))
    assert Requirement("4mm").holds_for(eq.certify(net, eq.torus(8, 8), channels=1))
