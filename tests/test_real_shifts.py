"""Real shifts: the table of steps, and random stacks against phases on band-limited signals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from equinet.groups import Lattice
from equinet.layers.pointwise import Elementwise
from equinet.symmetry.attended import Blocks
from equinet.symmetry.continuous import Band
from equinet.symmetry.windows import Nearest, Window
from tests.real_stacks import CIRCULAR, SHIFTS, SOUND, SOUND_IN_SINGLE, Stack, along_axes, judged, member

HALF = Fraction(1, 2)


def circular(kernel: int, stride: int, reduce: str = "taps") -> Window:
    return Window(kernel, stride, padding="circular", reduce=reduce)


STEPS: dict[str, tuple[Callable[[Band], Band], Band, Band]] = {
    # A step, a value, and what becomes of it: nodes, shifts (0 for all), highest frequency, functions in turn.
    "convolution": (lambda b: b.read(circular(3, 1), 1), Band(16, 0, 7), Band(16, 0, 7)),
    "strided, nothing folds": (lambda b: b.read(circular(3, 2), 1), Band(16, 0, 3), Band(8, 0, 3)),
    "strided, folds": (lambda b: b.read(circular(3, 2), 1), Band(16, 0, 7), Band(8, 0, 7)),
    "strided, does not divide": (lambda b: b.read(circular(3, 2), 1), Band(15, 0, 7), Band(1, 0, 7, 8)),
    "zero padding": (lambda b: b.read(Window(3, padding="zero"), 1), Band(16, 0, 7), Band(1, 0, 7, 16)),
    "maximum": (lambda b: b.read(circular(2, 1, "max"), None), Band(16, 0, 7), Band(16, 0, None)),
    "means of two": (lambda b: b.read(circular(2, 1, "sum"), 1), Band(16, 0, 8), Band(16, 0, 7)),
    "means of three": (lambda b: b.read(circular(3, 1, "sum"), 1), Band(16, 0, 8), Band(16, 0, 8)),
    "copies": (lambda b: b.read(Nearest(2), 1), Band(16, 0, 7), Band(16, 0, 7, 2)),
    "copies of copies": (lambda b: b.read(Nearest(3), 1), Band(16, 0, 7, 2), Band(16, 0, 7, 6)),
    "every other copy": (lambda b: b.read(circular(1, 2), 1), Band(16, 0, 7, 6), Band(16, 0, 7, 3)),
    "every third of two": (lambda b: b.read(circular(1, 3), 1), Band(15, 0, 7, 2), Band(5, 0, 7, 2)),
    "copies of a constant": (lambda b: b.read(Nearest(2), 1), Band(16, 0, 0), Band(32, 0, 0)),
    "blocks": (lambda b: b.read(Blocks(4), None), Band(16, 0, 7), Band(4, 0, None, 4)),
    "low-pass": (lambda b: b.lowpass(5), Band(16, 0, 10), Band(16, 0, 5)),
    "low-pass of what folded": (lambda b: b.lowpass(6), Band(16, 0, 10), Band(16, 16, 6, low=(5, 0))),
    "low-pass of a low-pass": (lambda b: b.lowpass(4), Band(16, 16, 6, low=(5, 0)), Band(16, 0, 4)),
    "square of a low-pass": (lambda b: b.function(2), Band(16, 16, 3, low=(2, 0)), Band(16, 16, 6)),
    "low-pass of copies": (lambda b: b.lowpass(7), Band(16, 0, 7, 2), Band(32, 0, 7)),
    "low-pass among images": (lambda b: b.lowpass(9), Band(16, 0, 7, 2), Band(32, 16, 9, low=(8, 0))),
    "square": (lambda b: b.function(2), Band(16, 0, 5), Band(16, 0, 10)),
    "any function": (lambda b: b.function(None), Band(16, 0, 5), Band(16, 0, None)),
    "any function of a constant": (lambda b: b.function(None), Band(16, 0, 0), Band(16, 0, 0)),
    "all nodes in no order": (lambda b: b.on_nodes, Band(16, 24, 5), Band(16, 8, 8)),
    "every other one, chosen": (lambda b: b.chosen(2), Band(16, 0, 5), Band(8, 8, 4)),
    "times means of squares": (lambda b: b.scale(2), Band(16, 0, 7), Band(16, 0, 7)),
    "times means of squares that fold": (lambda b: b.scale(2), Band(16, 0, 8), Band(16, 16, 8)),
    "sum": (lambda b: b.join(Band(16, 24, 3), product=False), Band(16, 36, 5), Band(16, 12, 5)),
    "sum with copies": (lambda b: b.join(Band(8, 0, 3, 2), product=False), Band(16, 0, 5), Band(8, 0, 5, 2)),
    "product": (lambda b: b.join(Band(16, 0, 3), product=True), Band(16, 0, 5), Band(16, 0, 8)),
}


@pytest.mark.parametrize("step", STEPS)
def test_steps(step: str) -> None:
    change, before, after = STEPS[step]
    assert change(before) == after


def test_means() -> None:
    assert [Band(16, 0, top).kept_by_mean() for top in (15, 16)] == [0, 16]
    assert [Band(16, 0, top).kept_by_mean(2) for top in (7, 8)] == [0, 16]
    assert Band(16, 16, 6, low=(5, 0)).kept_by_mean() == 0 and Band(16, 16, 6, low=(5, 0)).kept_by_mean(2) == 16
    assert Band(16, 0, 7).kept_by_all == 16 and Band(16, 0, 0).kept_by_all == 0


CIRC: dict[str, Any] = {"padding": "circular"}
CLAIMS: dict[str, tuple[Callable[[], eq.Layer], tuple[int, ...], str, str]] = {
    # A network, its sizes, its group and what it is invariant under, as text.
    "relu": (lambda: eq.Relu(), (8,), "Z ⋊ m", "trivial"),
    "alias-free relu": (lambda: eq.AliasFree(eq.Relu(), up=3), (8,), "⅓Z ⋊ m", "trivial"),
    "alias-free cubic": (lambda: eq.AliasFree(eq.Polynomial(3)), (8, 8), "R × R ⋊ 4mm", "trivial"),
    "alias-free quartic": (lambda: eq.AliasFree(eq.Polynomial(4)), (9, 9), "½Z × ½Z ⋊ 4mm", "trivial"),
    "two-thirds rule": (
        lambda: eq.Sequential(eq.Lowpass(Fraction(2, 3)), eq.Polynomial(2), eq.Lowpass(Fraction(2, 3))),
        (12,),
        "R ⋊ m",
        "trivial",
    ),
    "without it": (lambda: eq.Sequential(eq.Polynomial(2), eq.Lowpass(Fraction(2, 3))), (12,), "Z ⋊ m", "trivial"),
    "strided": (lambda: eq.Sequential(eq.Conv(2, 3, stride=2, **CIRC), eq.Relu()), (8,), "2Z", "trivial"),
    "ideal, then averaged": (
        lambda: eq.Sequential(
            eq.Conv(2, 3, **CIRC), eq.AliasFree(eq.Relu()), eq.IdealDownsample(2), eq.GlobalAvgPool(), eq.Dense(2)
        ),
        (8, 8),
        "½Z × ½Z",
        "½Z × ½Z",
    ),
    "along one axis": (lambda: eq.AliasFree(eq.Relu(), up=(1, 2)), (6, 6), "Z × ½Z ⋊ 2mm", "trivial"),
    "operator": (
        lambda: eq.Sequential(eq.SpectralConv(2, 2), eq.Polynomial(3), eq.LayerNorm(axes="all")),
        (8, 8),
        "R × R",
        "trivial",
    ),
    "operator, averaged": (
        lambda: eq.Sequential(eq.SpectralConv(2, 2), eq.Polynomial(3), eq.InstanceNorm(), eq.IdealUpsample(2),
                              eq.GlobalAvgPool()), (9, 7), "R × R", "R × R"),
    "group convolution": (
        lambda: eq.Sequential(
            eq.GroupConv(eq.Fibre.regular("4mm"), 3, padding="circular"), eq.AliasFree(eq.Relu()), eq.GroupPool()
        ),
        (8, 8),
        "Z × Z ⋊ 4mm",
        "trivial",
    ),
    "group convolution, averaged": (
        lambda: eq.Sequential(
            eq.GroupConv(eq.Fibre.regular("4"), 3, padding="circular"), eq.AliasFree(eq.Relu()),
            eq.GroupPool(kind="mean"), eq.GlobalAvgPool(),
        ),
        (6, 6),
        "½Z × ½Z ⋊ 4",
        "½Z × ½Z ⋊ 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_claims(name: str) -> None:
    """What a network is known to keep is what it is certified to keep, and what phases show that it keeps."""
    make, sizes, strict, invariance = CLAIMS[name]
    net, torus = make(), eq.torus(*sizes)
    certificate = eq.certify(net, torus, 3, translations="real")
    assert str(certificate.strict).split(" (")[0] == strict
    assert str(certificate.invariance).split(" (")[0] == invariance
    plain = eq.certify(net, torus, 3)
    assert plain.strict <= certificate.strict and plain.invariance <= certificate.invariance
    assert certificate.strict.whole >= plain.strict
    _shows(net, certificate, sizes)


ACTIVATIONS = (
    eq.Relu(), eq.LeakyRelu(), eq.Elu(), eq.Softplus(), eq.Sigmoid(), eq.Tanh(), eq.Silu(), eq.Gelu(),
    eq.Gelu(exact=True),
)  # fmt: skip
AROUND: dict[str, tuple[Callable[[eq.Layer], eq.Layer], tuple[int, ...], str]] = {
    # Networks around a function of each value, with their sizes and group.
    "on its own grid": (lambda layer: layer, (8,), "Z ⋊ m"),
    "alias-free": (lambda layer: eq.AliasFree(layer), (8,), "½Z ⋊ m"),
    "alias-free, averaged": (
        lambda layer: eq.Sequential(
            eq.Conv(2, 3, **CIRC), eq.AliasFree(layer), eq.IdealDownsample(2), eq.GlobalAvgPool(), eq.Dense(2)
        ),
        (8, 8),
        "½Z × ½Z",
    ),
}


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("around", AROUND)
def test_functions_of_each_value(around: str, activation: eq.Layer) -> None:
    """Smooth functions fold little of signals near zero, so the signals are large, and what they lose is seen."""
    make, sizes, strict = AROUND[around]
    certificate = eq.certify(make(activation), eq.torus(*sizes), 3, translations="real")
    assert str(certificate.strict).split(" (")[0] == strict
    _shows(make(activation), certificate, sizes, amplitude=16)


def test_every_function_of_each_value_is_tried() -> None:
    others = {eq.Polynomial, eq.Pointwise}  # the one keeps more and is among the claims, the other is any of these
    kinds = {kind for kind in vars(eq).values() if isinstance(kind, type) and issubclass(kind, Elementwise)}
    assert kinds == {type(layer) for layer in ACTIVATIONS} | others


@pytest.mark.thorough
@pytest.mark.parametrize("block", range(6))
def test_random_stacks(block: int) -> None:
    unsound, loose = _judge(range(8 * block, 8 * block + 8))
    assert not unsound, unsound
    assert len(loose) <= 2, loose


@pytest.mark.slow
def test_five_thousand_random_stacks() -> None:
    """At least 97 of a hundred are tight."""
    unsound, loose = _judge(range(5000))
    assert not unsound, unsound
    assert len(loose) <= 150, loose


def _shows(net: eq.Layer, certificate: Any, sizes: tuple[int, ...], amplitude: float = 1) -> None:
    """Shifts that are claimed hold to rounding, and each other breaks what is claimed by at least a thousandth."""
    shifts = along_axes(sizes)
    for double, rounding in ((True, SOUND), (False, SOUND_IN_SINGLE)):
        with jax.enable_x64(double):
            errors = Stack(net, sizes, seed=1, amplitude=amplitude).errors(shifts)
        for shift, error in zip(shifts, errors, strict=True):
            kept = member(shift, certificate.strict)
            assert error.moves <= rounding if kept else error.moves >= 1e-3, (double, shift, error)


def _judge(seeds: range) -> tuple[list[str], list[str]]:
    unsound, loose = [], []
    with jax.enable_x64(True):
        for seed in seeds:
            found = judged(seed)
            text = f"seed {seed}, sizes {found.sizes}, {found.net}, {found.strict}"
            unsound += [f"{text}: {found.unsound[:3]}"] if found.unsound else []
            loose += [f"{text}: {found.loose[:3]}"] if found.loose else []
            if seed % 50 == 49:
                jax.clear_caches()
    return unsound, loose


@dataclass(frozen=True)
class Overclaims(eq.Relu):
    """A function that declares itself a polynomial: wrong."""

    def symmetry(self, field: Any) -> Any:
        return field.pointwise("monotone", degree=1)


@dataclass(frozen=True)
class Largest(eq.MaxPool):
    """A function of unordered windows, declared as such functions are."""

    def symmetry(self, field: Any) -> Any:
        return field.rebase().read(self.windows(field.shape), "sum").pointwise("any")


def test_functions_of_windows_are_no_sums() -> None:
    """Sums of two nodes make nothing of what alternates; on two nodes a constant is left, but of no other function."""
    for size in (4, 8):
        net = eq.Sequential(eq.AvgPool(size // 2), Largest(2, stride=1, padding="circular"), eq.GlobalAvgPool())
        certificate = eq.certify(net, eq.torus(size), 3, translations="real")
        with jax.enable_x64(True):
            stack = Stack(net, (size,), seed=0)
            errors = stack.errors(along_axes((size,)))
        for shift, error in zip(along_axes((size,)), errors, strict=True):
            assert not member(shift, certificate.strict) or error.moves <= SOUND, (size, shift, certificate.strict)


def test_a_wrong_declaration_is_found() -> None:
    with jax.enable_x64(True):
        stack = Stack(Overclaims(), (8,), seed=0)
        certificate = eq.certify(Overclaims(), eq.torus(8), 3, translations="real")
        assert str(certificate.strict).startswith("R")
        assert stack.errors([(HALF,)])[0].moves > 1e-3


def test_actions() -> None:
    net = eq.Sequential(eq.AliasFree(eq.Relu()), eq.IdealDownsample(2))
    certificate = eq.certify(net, eq.torus(8, 8), 3, translations="real")
    half = eq.Isometry.translation((HALF, 0))
    assert half in certificate.strict
    assert certificate.action(half) == eq.Isometry.translation((Fraction(1, 4), 0))
    turned = half * eq.Isometry(((0, -1), (1, 0)), (0, 0))
    assert certificate.action(turned * turned) == certificate.action(turned) ** 2
    third = eq.Isometry.translation((Fraction(1, 3), 0))
    with pytest.raises(ValueError, match="is not in ½Z × ½Z"):
        certificate.action(third)
    smooth = eq.certify(eq.AliasFree(eq.Polynomial(2)), eq.torus(9), 3, translations="real")
    for t in SHIFTS[:-1]:
        g = eq.Isometry.translation((Fraction(t),))
        assert smooth.action(g) == g and smooth.action(g.inverse()) == eq.Isometry.translation((9 - Fraction(t),))


def test_the_ledger_says_what_folds() -> None:
    net = eq.Sequential(
        eq.Lowpass(Fraction(2, 3)), eq.Polynomial(2), eq.Lowpass(Fraction(2, 3)), eq.AliasFree(eq.Relu())
    )
    ledger = eq.certify(net, eq.torus(12), 1, translations="real").ledger
    assert [row.lost for row in ledger] == ["", "translations R → Z", "regains R", "translations R → ½Z"]
    assert ledger[1].reason == "frequency 6 folds on 12 nodes"
    assert "frequencies without bound fold on 24 nodes" in ledger[3].reason


def test_certificates_of_real_shifts_print() -> None:
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.AliasFree(eq.Relu()), eq.IdealDownsample((1, 2)))
    certificate = eq.certify(net, eq.torus(8, 8), 1, translations="real")
    assert "translations R × R → ½Z × ½Z: frequencies without bound fold on 16 nodes" in str(certificate)
    assert "½Z × ½Z" in certificate.table() and "½Z × ½Z" in certificate.to_html()
    told = json.loads(certificate.to_json())
    assert told["strict"]["translations"] == [["1/2", 0], [0, "1/2"]] and told["strict"]["real_axes"] == []
    assert {row["element"]: row["output"] for row in told["action"]} == {"x+1/2, y": "x+1/2, y", "x, y+1/2": "x, y+1/4"}
    smooth = eq.certify(eq.Lowpass(0.5), eq.torus(8, 8), 1, translations="real")
    assert json.loads(smooth.to_json())["strict"]["real_axes"] == [0, 1]
    assert json.loads(smooth.to_json())["strict"]["words"] == "every real shift, quarter turns, mirrors"


def test_what_is_not_asked_does_not_change() -> None:
    net = eq.Sequential(eq.AliasFree(eq.Relu()), eq.IdealDownsample(2))
    assert isinstance(eq.certify(net, eq.torus(8), 1).strict, eq.SpaceGroup)
    mixed = eq.certify(net, eq.Domain((eq.periodic(8), eq.bounded(8))), 1, translations="real")
    assert mixed.strict.translations.translations_text == "½Z × 0"
    assert mixed.strict.periods == Lattice.diagonal((8, 0))
    for domain in (eq.plane(2), eq.box(8, 8)):
        with pytest.raises(ValueError, match="asks about a torus"):
            eq.certify(net, domain, 1, translations="real")
    with pytest.raises(ValueError, match="translations must be 'nodes' or 'real'"):
        eq.certify(net, eq.torus(8), 1, translations="all")  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize("sizes", [(8,), (7,), (6, 5)])
def test_dimensions_that_do_not_close_up_say_so(sizes: tuple[int, ...]) -> None:
    for layer, message in (
        (eq.IdealDownsample(4), "must divide the sizes"),
        (eq.SpectralConv(2, 5), "frequencies below half a turn a node"),
    ):
        with pytest.raises(eq.LayerError, match=message):
            layer.init(0, (*sizes[:-1], 7, 2))
    for wrong in (0, 1.5, -0.5, "1/2", float("nan"), True):
        with pytest.raises(ValueError, match="cutoff must be above 0"):
            eq.Lowpass(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="degrees go up to 16"):
        eq.Polynomial(17)
    with pytest.raises(TypeError, match="needs a function of each value"):
        eq.AliasFree(eq.Conv(2, 3, **CIRCULAR))


def test_relu_is_what_polynomials_start_near() -> None:
    x = np.linspace(-2, 2, 101)[None, :, None]
    errors = []
    for degree in (1, 2, 4, 8):
        layer = eq.Polynomial(degree)
        y = np.asarray(layer.apply(layer.init(0, (101, 1)), jax.numpy.asarray(x)))
        errors.append(float(np.sqrt(np.mean((y - np.maximum(x, 0)) ** 2 * np.exp(-(x**2) / 2)))))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1
