"""Repairs of PyTorch modules: what they compute, what they keep, and that the user's module stays as it is."""

import itertools
from importlib import import_module

import jax.numpy as jnp
import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import equinet as eq  # noqa: E402
from equinet.interop.torch import edits  # noqa: E402

SIZE = 12


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.norm(self.conv1(x)))) + self.shortcut(x))


def body():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 5, padding=2), nn.MaxPool2d(3, 2, 1), Block(4, 6, 2)).eval().double()


def classifier():
    return nn.Sequential(*body(), nn.Flatten(), nn.Linear(6 * (SIZE // 4) ** 2, 3)).eval().double()


def edited(module, rule, size=SIZE):
    """The module with a rule followed wherever it can be."""
    editor = edits.Editor(module, (1, 2, size, size))
    return editor.rewrite(module, lambda path, part, place: rule(part, place))


def images(seed=0, size=SIZE):
    return torch.randn(3, 2, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def same(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


@pytest.mark.parametrize(
    "window",
    [
        lambda: nn.Conv2d(2, 3, 3, 2, 1),
        lambda: nn.Conv2d(2, 3, 2, 2),
        lambda: nn.Conv2d(2, 3, (2, 3), (2, 1), (0, 1)),
        lambda: nn.Conv2d(2, 3, 3, padding="same", dilation=2),
        lambda: nn.Conv2d(2, 3, 4, padding="same"),
        lambda: nn.MaxPool2d(2),
        lambda: nn.MaxPool2d(3, 2, 1),
        lambda: nn.AvgPool2d(2),
        lambda: nn.AvgPool2d(3, 2, 1),
    ],
)
def test_where_every_node_is_kept_the_kept_ones_are_as_before(window):
    """Convolutions and pools of every kind, alone and after a stride: what dilation gives at every s-th node is what
    the network with circular padding gives."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(2, 2, 2, 2), window(), nn.Conv2d(window().__dict__.get("out_channels", 2), 2, 1))
    module = module.eval().double()
    wrapped, dense = edited(module, edits.circular), edited(module, edits.dense)
    x = images()
    y, z = wrapped(x), dense(x)
    assert z.shape[2:] == x.shape[2:]
    steps = [n // m for n, m in zip(z.shape[2:], y.shape[2:], strict=True)]
    same(z[:, :, :: steps[0], :: steps[1]], y)
    for shift in ((1, 0), (3, 2), (0, 5)):
        same(dense(x.roll(shift, (2, 3))), z.roll(shift, (2, 3)))
    assert (wrapped(x.roll(1, 3)) - y).abs().max() > 1e-3  # what has strides does not keep that shift


@pytest.mark.parametrize(
    "pool", [nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, count_include_pad=False)]
)
def test_means_over_windows_at_every_node_are_read_as_other_parts_are(pool):
    module = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), pool, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval().double()
    dense = edited(module, edits.dense)
    claim = eq.infer(dense, eq.torus(SIZE, SIZE), channels=2)
    assert claim.invariance.translations == eq.torus(SIZE, SIZE).group.translations
    same(dense(images().roll((1, 2), (2, 3))), dense(images()))
    assert not any(g.is_translation for g in eq.infer(module, claim.domain, channels=2).strict.generators)


def test_networks_with_shortcuts():
    wrapped, dense = edited(body(), edits.circular), edited(body(), edits.dense)
    same(dense(images())[:, :, ::4, ::4], wrapped(images()))


def test_a_mean_before_flattening_is_the_mean_over_all_shifts():
    """Σ_p w_p · mean(x) is the mean of Σ_p w_p x_{p+t} over all shifts t."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(2 * SIZE**2, 3)).eval().double()
    x = images()
    shifts = itertools.product(range(SIZE), range(SIZE))
    mean = torch.stack([module(x.roll(shift, (2, 3))) for shift in shifts]).mean(0)
    same(edited(module, edits.spread)(x), mean)
    assert (module(x) - mean).abs().max() > 1e-3


def test_padding_around_the_torus_is_that_of_a_larger_image():
    """On an image that is repeated, a network without circular padding gives the same away from the ends."""
    module = body()
    y = edited(module, edits.circular)(images())
    large = module(images().repeat(1, 1, 5, 5))
    n = y.shape[-1]
    same(large[:, :, 2 * n : 3 * n, 2 * n : 3 * n], y)


@pytest.mark.parametrize(("of", "require"), [("invariance", "4Z × 4Z"), ("invariance", "Z × Z")])
def test_suggestions_hold_for_every_shift(of, require):
    module = classifier()
    before, text = {name: value.clone() for name, value in module.state_dict().items()}, str(module)
    found = eq.suggest(module, eq.torus(SIZE, SIZE), require, 2, of=of)
    assert found and found.lack is None
    assert not eq.verify(module, found[0].certificate, key=0, dtype=jnp.float64).passed  # as it was it lacks them
    for each in found:
        assert each.report.passed
        report = eq.verify(each.net, each.certificate, mode="sweep", shifts_only=True, key=1, dtype=jnp.float64)
        assert report.sound, report
        assert each.net.state_dict().keys() == before.keys()
        assert all(torch.equal(each.net.state_dict()[name], value) for name, value in before.items())
        assert each.expense.parameters[0] == each.expense.parameters[1]
        each.net[0].weight.data.zero_()
    assert str(module) == text
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())


def test_what_is_shown_says_where_and_what_it_costs():
    module = classifier()
    found = eq.suggest(module, eq.torus(SIZE, SIZE), "4Z × 4Z", 2, of="invariance", limit=1)
    text = str(found)
    assert text.startswith("circular padding in 4 layers (0, 1, 2.conv1, 2.conv2) and the mean over all nodes, at each")
    assert "Flatten (layer 3) → invariance 4Z × 4Z (p1, index 16); weights as they are, 1 × the operations" in text


def test_sizes_windows_and_what_no_edit_gives():
    sizes = eq.suggest(body(), eq.torus(14, 14), "4Z × 4Z", 2, measure=False)
    assert sizes[0].edits[1] == "size torus(12, 12) instead of torus(14, 14)" and sizes[0].report is None
    pool = nn.MaxPool2d(3, 2, 1).eval()
    texts = [each.edits[0] for each in eq.suggest(pool, eq.box(8, 8), "4mm", 1)]
    assert "windows that tile (as wide as the stride) in MaxPool2d (layer MaxPool2d)" in texts
    assert any(text.startswith("size box(") for text in texts)
    none = eq.suggest(nn.Conv2d(2, 2, 3, padding=1).eval(), eq.torus(8, 8), "4mm", 2)
    assert none == [] and "a free kernel tells directions apart" in none.lack.reason
    has = eq.suggest(nn.Conv2d(2, 2, 1).eval(), eq.torus(8, 8), "4mm", 2)
    assert [each.edits for each in has] == [()]


def test_on_the_plane_it_is_measured_on_a_torus():
    module = nn.Sequential(*body(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval().double()
    found = eq.suggest(module, eq.plane(2), "Z × Z", 2, of="invariance")
    assert all(each.report.passed and each.report.domain.is_finite for each in found)
    assert [any(text in each.edits[0] for text in ("the data choose", "dilation")) for each in found] == [True, True]


class Own(nn.Conv2d):
    """A convolution that computes otherwise than its class says."""

    def forward(self, x):
        return super().forward(x) * torch.arange(x.shape[3], dtype=x.dtype)


def test_parts_that_compute_otherwise_are_left_alone():
    module = Own(2, 2, 3, padding=1).eval()
    assert all(
        edited(module, rule) is not None and str(edited(module, rule)) == str(module) for rule, *_ in edits.RULES
    )
    ceil = nn.MaxPool2d(3, 2, ceil_mode=True)
    assert edits.circular(ceil, None) is None and edits.tiling(ceil, None) is None


def test_modules_that_cannot_be_repaired_say_so_in_a_line():
    with pytest.raises(ValueError, match="runs in training mode"):
        eq.suggest(body().train(), eq.torus(8, 8), "Z × Z", 2)
    with torch.device("meta"):
        bare = nn.Conv2d(2, 2, 3, padding=1).eval()
    assert eq.suggest(bare, eq.torus(8, 8), "Z × Z", 2, measure=False)
    with pytest.raises(ValueError, match="has no values"):
        eq.suggest(bare, eq.torus(8, 8), "Z × Z", 2)


def test_a_pool_keeps_its_divisor_and_a_pool_of_one_axis_is_edited():
    x = images()
    pool = nn.AvgPool2d(3, 2, 1, divisor_override=5).eval()
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="circular")
    same(edited(pool, edits.circular)(x), nn.AvgPool2d(3, 2, divisor_override=5)(padded))
    assert edits.dense(pool, edits.Place((12, 12), (1, 1))) is None
    line = nn.Sequential(nn.AvgPool1d(2), nn.AvgPool1d(3, 2, 1)).eval()
    editor = edits.Editor(line, (1, 2, 16))
    dense = editor.rewrite(line, lambda path, part, place: edits.dense(part, place))
    wrapped = editor.rewrite(line, lambda path, part, place: edits.circular(part, place))
    signal = torch.randn(1, 2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    same(dense(signal)[:, :, ::4], wrapped(signal))


class Slicing(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 2, 2, 2), nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.last(self.first(x)[:, :, ::2, ::2])


@pytest.mark.parametrize(
    "other",
    [
        lambda: nn.MaxPool2d(2, 2, ceil_mode=True),
        lambda: nn.ConvTranspose2d(2, 2, 2, 2),
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 2, 2)),
        lambda: Own(2, 2, 2, 2),
        lambda: nn.PixelUnshuffle(1),
        lambda: nn.Conv2d(2, 2, 7),
    ],
)
def test_strides_are_dilations_only_if_all_of_them_can_be(other):
    module = nn.Sequential(nn.Conv2d(2, 2, 2, 2), other(), nn.Conv2d(2, 2, 1)).eval().double()
    assert str(edited(module, edits.dense)) == str(module)
    assert str(edited(Slicing().eval().double(), edits.dense)) == str(Slicing())


def test_parts_with_hooks_are_left_alone_and_shared_ones_replaced_under_both_names():
    hooked = nn.Conv2d(2, 2, 3, padding=1)
    hooked.register_forward_hook(lambda part, given, made: made * 2)
    assert (
        edits.circular(hooked, None) is None
        and edits.circular(nn.MaxPool2d(3, 2, 1, return_indices=True), None) is None
    )
    conv = nn.Conv2d(2, 2, 3, padding=1)
    made = edited(nn.Sequential(conv, conv).eval().double(), edits.circular)
    assert [part.padding_mode for part in made] == ["circular"] * 2 and made[0].weight is made[1].weight


def test_claims_about_the_orbit_are_measured_after_a_mean():
    module = nn.Conv2d(2, 2, 3, padding=1).eval()
    (found,) = eq.suggest(module, eq.torus(6, 6), "Z × Z", 2, of="orbit", limit=1)
    assert found.report.passed and "circular" in found.edits[0]


class Functional(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.conv, self.pool, self.mean = nn.Conv2d(2, 4, 1), pool, nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return torch.flatten(self.mean(self.pool(torch.relu(self.conv(x)))), 1)


def test_functions_in_the_place_of_modules_are_named():
    """What `suggest` cannot edit. The same network of modules has suggestions; on a box there is nothing to win."""
    ask = {"require": "Z × Z", "channels": 2, "of": "invariance", "measure": False}
    net = Functional(lambda x: F.max_pool2d(x, kernel_size=2)).eval()
    found = eq.suggest(net, eq.torus(8, 8), **ask)
    advice = "max_pool2d is called as a function, and only modules are edited: write nn.MaxPool2d"
    assert found == [] and found.lack.reason.splitlines()[-1].strip() == advice
    assert eq.suggest(Functional(nn.MaxPool2d(2)).eval(), eq.torus(8, 8), **ask)
    assert "function" not in str(eq.suggest(net, eq.box(8, 8), **ask))


def test_functions_of_one_node_or_within_parts_are_not_named():
    shape = (1, 2, 8, 8)
    for pool in (nn.MaxPool2d(2), nn.MaxPool2d(8), lambda x: F.avg_pool2d(x, 8)):
        assert edits.Editor(net := Functional(pool).eval(), shape).unedited(net) == ""
    net = nn.Sequential(Functional(lambda x: F.avg_pool2d(F.conv2d(x, torch.ones(4, 4, 1, 1, device=x.device)), 2)))
    assert edits.Editor(net, shape).unedited(net).endswith("only modules are edited: write nn.Conv2d, nn.AvgPool2d")


def test_what_is_too_slow_is_not_measured_and_says_so(monkeypatch):
    monkeypatch.setattr(import_module("equinet.advise.suggest"), "MEASURED", 1)
    monkeypatch.setattr(edits.Editor, "rules", [rule for rule in edits.RULES if rule[0] is edits.dense])
    module = nn.Sequential(nn.Conv2d(2, 2, 2, 2), nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(1)).eval()
    ask = {"domain": eq.torus(8, 8), "require": "Z × Z", "channels": 2, "of": "invariance"}
    found = eq.suggest(module, **ask)
    assert found == [] and "measure=False" in found.lack.reason and "every node kept" in found.lack.remedies[0]
    assert eq.suggest(module, **ask, measure=False)[0].report is None


def test_real_shifts_are_asked_of_layers():
    with pytest.raises(ValueError, match="asked of layers"):
        eq.suggest(body(), eq.torus(8, 8), "R × R", 2)
