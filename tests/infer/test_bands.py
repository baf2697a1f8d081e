"""Real shifts inferred from programs: what is known to be kept, brute force on random programs, and aimed attacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.numpy import fft

import equinet as eq
from equinet.infer.bands import arithmetic, run, windows
from tests.infer.spectral_programs import judged

Fn = Callable[[jax.Array], jax.Array]


def low(x: jax.Array, top: int, axis: int = 1) -> jax.Array:
    """Without the frequencies above a top, by a mask."""
    n = x.shape[axis]
    mask = jnp.expand_dims(jnp.arange(n // 2 + 1) <= top, [i for i in range(x.ndim) if i != axis])
    return fft.irfft(jnp.where(mask, fft.rfft(x, axis=axis), 0), n=n, axis=axis)


def widened(x: jax.Array, size: int) -> jax.Array:
    """At other nodes: the spectrum padded with zeros, or cut."""
    return fft.irfft(fft.rfft(x, axis=1), n=size, axis=1) * jnp.asarray(size / x.shape[1], x.dtype)


def filtered(x: jax.Array) -> jax.Array:
    """By the whole transform, with weights for which real signals stay real."""
    weights, spectrum = jnp.exp(-(fft.fftfreq(x.shape[1]) ** 2))[None, :, None], fft.fft(x, axis=1)
    return fft.ifft(spectrum * weights.astype(spectrum.dtype), axis=1).real


def convolved(x: jax.Array) -> jax.Array:
    """A spectral convolution as operators have it: corners of the spectrum, each with a matrix per frequency."""
    rng = np.random.default_rng(0)
    weights = jnp.asarray(rng.normal(size=(2, 2, 2, 2, 3)) + 1j * rng.normal(size=(2, 2, 2, 2, 3)))
    spectrum = fft.rfft2(x, axes=(1, 2))
    made = jnp.zeros((*spectrum.shape[:-1], 3), spectrum.dtype)
    weights = weights.astype(spectrum.dtype)
    made = made.at[:, :2, :2].set(jnp.einsum("bxyi,xyio->bxyo", spectrum[:, :2, :2], weights[0]))
    made = made.at[:, -2:, :2].set(jnp.einsum("bxyi,xyio->bxyo", spectrum[:, -2:, :2], weights[1]))
    return fft.irfft2(made, s=x.shape[1:3], axes=(1, 2))


def stepped(x: jax.Array) -> jax.Array:
    """Burgers' equation in a loop, with the two-thirds rule."""
    n = x.shape[1]
    k = np.arange(n // 2 + 1)[None, :, None]
    keep, slope, damping = k < n / 3, jnp.asarray(0.1j * k), jnp.asarray(1 + 0.1 * k**2 + 0j)

    def turn(_: int, spectrum: jax.Array) -> jax.Array:
        product = fft.rfft(fft.irfft(spectrum, n=n, axis=1) ** 2, axis=1)
        moved = spectrum - slope.astype(spectrum.dtype) * jnp.where(keep, product, 0)
        return moved / damping.astype(spectrum.dtype)

    start = jnp.where(keep, fft.rfft(x, axis=1), 0)
    return fft.irfft(jax.lax.fori_loop(0, 3, turn, start), n=n, axis=1)


def slid(x: jax.Array, size: int = 3, stride: int = 1, mode: str = "wrap", short: int = 0) -> jax.Array:
    """A convolution with a kernel of random weights, padded as Flax does it; or by fewer nodes than it reads."""
    weights = jnp.asarray(np.random.default_rng(size).normal(size=(size, x.shape[-1], 2)), x.dtype)
    wide = jnp.pad(x, ((0, 0), ((size - 1) // 2, size // 2 - short), (0, 0)), mode=mode)
    return jax.lax.conv_general_dilated(wide, weights, (stride,), "VALID", dimension_numbers=("NHC", "HIO", "NHC"))


def alias_free(function: Fn, x: jax.Array) -> jax.Array:
    """Two layers of a network, with a function between the nodes in each, and every other node kept after the first."""
    n = x.shape[1]
    x = low(function(widened(slid(x), 2 * n)), (n - 1) // 4)[:, ::4]
    return low(function(widened(slid(x, 2), 2 * n)), (n - 1) // 4)[:, ::4]


def halved(x: jax.Array) -> jax.Array:
    """By halves until little is left, and the sum of all of them."""
    start = (jnp.zeros_like(x), slid(x))
    return jax.lax.while_loop(lambda c: (c[1] ** 2).mean() > 0.01, lambda c: (c[0] + c[1], c[1] / 2), start)[0]


def branched(choice: Fn, x: jax.Array) -> jax.Array:
    """One convolution or another."""
    return jax.lax.cond(choice(x), slid, lambda x: slid(x, 4) + 1.0, x)


def stacked(x: jax.Array) -> jax.Array:
    """A loop over the weights of layers."""
    layers = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 2)), x.dtype)
    return jax.lax.scan(lambda x, weights: (slid(x @ weights), None), x, layers)[0]


KEPT: dict[str, tuple[Fn, tuple[int, ...], str]] = {
    # A function, its sizes, and the shifts that it keeps.
    "low-pass": (lambda x: low(x, 3), (12,), "R"),
    "all frequencies": (lambda x: low(x, 9), (8,), "R"),
    "square": (lambda x: x**2, (8,), "Z"),
    "square of half": (lambda x: low(x, 2) ** 2, (9,), "R"),
    "two-thirds rule": (lambda x: low(low(x, 3) ** 2, 3), (12,), "R"),
    "one more": (lambda x: low(low(x, 4) ** 2, 4), (12,), "Z"),
    "relu between nodes": (lambda x: low(jnp.maximum(widened(x, 24), 0), 3)[:, ::2], (8,), "⅓Z"),
    "cubic between nodes": (lambda x: low(widened(x, 16) ** 3, 3)[:, ::2], (8,), "R"),
    "fifth power between nodes": (lambda x: low(widened(x, 16) ** 5, 3)[:, ::2], (8,), "½Z"),
    "every other": (lambda x: x[:, ::2], (8,), "2Z"),
    "every other of half": (lambda x: low(x, 1)[:, 1::2], (8,), "R"),
    "whole transform": (filtered, (9,), "R"),
    "rolled": (lambda x: (jnp.roll(x, 1, 1) - jnp.roll(x, -1, 1)) * jnp.mean(x, 1, keepdims=True), (8,), "R"),
    "one axis": (lambda x: low(jnp.abs(x), 1, axis=2) * 2, (4, 6), "Z × Z"),
    "the other axis": (lambda x: jnp.abs(jnp.sum(low(x, 2, axis=2), axis=1, keepdims=True)) + 0 * x, (4, 6), "R × Z"),
    "spectral convolution": (convolved, (6, 5), "R × R"),
    "loop": (stepped, (12,), "R"),
    "energy": (lambda x: jnp.mean(x**2, axis=(1, 2)), (4, 5), "R × R"),
    "third moment": (lambda x: jnp.mean(x**3, axis=1), (8,), "Z"),
    "third moment of two thirds": (lambda x: jnp.mean(low(x, 2) ** 3, axis=1), (8,), "R"),
    "circular convolution": (slid, (8,), "R"),
    "circular convolution of an odd size": (lambda x: slid(x, 4), (9,), "R"),
    "strided": (lambda x: slid(x, stride=2), (8,), "2Z"),
    "strided, half of a half turn left": (lambda x: slid(low(x, 1), stride=2), (8,), "R"),
    "strided, half a turn of the coarse nodes left": (lambda x: slid(low(x, 2), stride=2), (8,), "2Z"),
    "strided thrice": (lambda x: slid(low(x, 1), stride=3), (9,), "R"),
    "convolution that folds after a square": (lambda x: slid(low(x, 2) ** 2), (8,), "Z"),
    "convolution after a square": (lambda x: slid(low(x, 2) ** 2), (9,), "R"),
    "alias-free by hand": (lambda x: alias_free(jnp.square, x), (16,), "R"),
    "alias-free relu by hand": (lambda x: alias_free(jax.nn.relu, x), (16,), "½Z"),
    "mean of two": (lambda x: jax.lax.reduce_window(
        jnp.pad(x, ((0, 0), (0, 1), (0, 0)), mode="wrap"), 0.0, jax.lax.add, (1, 2, 1), (1, 1, 1), "VALID"), (8,), "R"),
    "largest of two": (lambda x: jax.lax.reduce_window(
        x, -jnp.inf, jax.lax.max, (1, 2, 1), (1, 2, 1), "VALID"), (8,), "2Z"),
    "branch by energy": (lambda x: branched(lambda x: (x**2).mean() > 0.7, x), (8,), "R"),
    "branch by third moment": (lambda x: branched(lambda x: (x**3).mean() > 0.1, x), (8,), "Z"),
    "loop until little is left": (halved, (9,), "R"),
    "loop over layers": (stacked, (8,), "R"),
    "power": (lambda x: jnp.abs(fft.rfft(x, axis=1)) ** 2, (8,), "R"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_is_known_to_be_kept_is_inferred(name: str) -> None:
    fn, sizes, wanted = KEPT[name]
    certificate = eq.infer(fn, eq.torus(*sizes), channels=2, translations="real")
    assert isinstance(certificate, eq.RealCertificate)
    assert str(certificate.strict.translations).split(" (")[0] == wanted
    assert certificate.strict >= eq.infer(fn, eq.torus(*sizes), channels=2).strict


@pytest.mark.parametrize(
    "name", ["two-thirds rule", "relu between nodes", "loop", "alias-free by hand", "alias-free relu by hand"]
)
def test_what_is_inferred_is_measured(name: str) -> None:
    fn, sizes, _ = KEPT[name]
    certificate = eq.infer(fn, eq.torus(*sizes), channels=2, translations="real", dtype=jnp.float32)
    report = eq.verify_shifts(fn, certificate, key=0, examples=2)
    assert report.passed and report.worst[1] <= 1e-10 and report.tight, str(report)
    assert all(error >= 1e-3 for error in report.outside.values())


ATTACKS: dict[str, Fn] = {
    "half a turn a node": lambda x: fft.irfft(fft.rfft(x**2, axis=1), n=8, axis=1),
    "padded at the end": lambda x: fft.ifft(jnp.pad(fft.fft(x, axis=1), ((0, 0), (0, 4), (0, 0))), axis=1).real,
    "a rolled spectrum": lambda x: fft.irfft(jnp.roll(fft.rfft(x, axis=1), 1, axis=1), n=8, axis=1),
    "a spectrum left centred": lambda x: fft.ifft(fft.fftshift(fft.fft(x, axis=1), axes=1), axis=1).real,
    "a spectrum turned around": lambda x: fft.irfft(jnp.conj(fft.rfft(x, axis=1)), n=8, axis=1),
    "its real part": lambda x: fft.irfft(jax.lax.complex(fft.rfft(x, axis=1).real, 0 * x[:, :5]), n=8, axis=1),
    "one entry set": lambda x: fft.irfft(fft.rfft(x, axis=1).at[:, 1].set(1.0), n=8, axis=1),
    "one entry added": lambda x: fft.irfft(fft.rfft(x, axis=1).at[:, 2].add(1.0), n=8, axis=1),
    "written to twice": lambda x: fft.irfft(
        (0 * fft.rfft(x, axis=1)).at[:, jnp.array([1, 1])].set(fft.rfft(x, axis=1)[:, 1:3]), n=8, axis=1
    ),
    "squared spectrum": lambda x: fft.irfft(fft.rfft(x, axis=1) ** 2, n=8, axis=1),
    "back to other nodes than it is placed for": lambda x: fft.ifft(fft.fft(x, axis=1)[:, :6], axis=1).real,
    "forwards twice": lambda x: fft.fft(fft.fft(x, axis=1), axis=1).real,
    "channels along nodes": lambda x: jnp.where(jnp.arange(8)[None, :, None] < 4, x, jnp.flip(x, -1)),
    "weights along nodes": lambda x: low(x * jnp.arange(8.0)[None, :, None], 2),
    "a constant along nodes": lambda x: low(x, 2) + jnp.arange(8.0)[None, :, None],
    "a mean put at one node": lambda x: x + jnp.pad(x.mean(1, keepdims=True), ((0, 0), (0, 7), (0, 0))),
    "a mirror": lambda x: x[:, ::-1],
    "a loop that squares": lambda x: jax.lax.fori_loop(0, 3, lambda _, y: y**2, low(x, 1)),
    "a division by zero": lambda x: fft.irfft(
        fft.rfft(x, axis=1) / jnp.arange(5)[None, :, None].astype(fft.rfft(x, axis=1).dtype), n=8, axis=1
    ),
    "zeros beyond the ends": lambda x: slid(x, mode="constant"),
    "ends repeated": lambda x: slid(x, mode="edge"),
    "a node too few": lambda x: jnp.pad(slid(x, short=1), ((0, 0), (0, 1), (0, 0))),
    "half a turn a node, halved": lambda x: slid(low(x, 2) ** 2, 2),
    "a branch by one node": lambda x: branched(lambda x: x[0, 0, 0] > 0.1, x),
    "a branch by a largest value": lambda x: branched(lambda x: x.max() > 0.9, x),
    "a branch that is a mirror": lambda x: jax.lax.cond((x**2).mean() > -1, lambda x: x, lambda x: x[:, ::-1], x),
    "a loop by one node": lambda x: jax.lax.while_loop(lambda x: x[0, 0, 0] > 0.1, lambda x: x / 2, x),
    "a loop that squares, until": lambda x: jax.lax.while_loop(
        lambda x: (x**2).mean() > 0.1, lambda x: 0.1 * x**2, low(x, 1)),
    "a loop from nothing": lambda x: jax.lax.while_loop(
        lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] + x * jnp.arange(8.0)[None, :, None]), (0, jnp.zeros_like(x)))[1],
    "numbers of the first turn": lambda x: jax.lax.fori_loop(
        0, 2, lambda _, y: jnp.flip(jnp.cumsum(y, 1), 1), jnp.broadcast_to(x.mean(1, keepdims=True), x.shape)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_aimed_attacks(name: str) -> None:
    """Each breaks some real shift; none that it breaks is claimed."""
    fn, torus = ATTACKS[name], eq.torus(8)
    certificate = eq.infer(fn, torus, channels=2, translations="real")
    assert not real(certificate)
    with jax.enable_x64(True), np.errstate(all="ignore"):
        finite = np.isfinite(np.asarray(fn(jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 2)))))).all()
    if finite:
        assert eq.verify_shifts(fn, certificate, key=0, examples=2).passed


def _judge(seeds: range) -> tuple[list[str], int, int]:
    found = [made for seed in seeds if (made := judged(seed)) is not None]
    unsound = [f"{made.text}: {made.unsound[:3]}" for made in found if made.unsound]
    return unsound, sum(made.claimed > 0 for made in found), sum(bool(made.loose) for made in found)


def test_random_programs() -> None:
    unsound, claimed, _ = _judge(range(24))
    assert not unsound, unsound
    assert claimed >= 8, "the programs keep something"


@pytest.mark.slow
def test_a_thousand_random_programs() -> None:
    unsound, claimed, loose = _judge(range(1000))
    assert not unsound, unsound
    assert claimed >= 500 and loose <= 250


def around(x: jax.Array, padding: windows.Padding, outside: float) -> jax.Array:
    """Padding with nodes from the other end, where it is with zeros."""
    if any(min(lo, hi) < 0 or inner for lo, hi, inner in padding):
        return jax.lax.pad(x, jnp.asarray(outside, x.dtype), padding)
    return jnp.pad(x, [(lo, hi) for lo, hi, _ in padding], mode="wrap")


WRONG: dict[str, tuple[Any, str, Any, int]] = {
    # What is put in a rule's place, and the program from which on random ones are tried.
    "functions that are taken for linear ones": (arithmetic, "degree_of", lambda *_: 1, 0),
    "choices that nothing is lost by": (run, "chosen", lambda value, _: value, 0),
    "windows that go around where there is a border": (windows, "_padded", around, 40),
    "maxima that are taken for sums": (windows, "POOLS", {"reduce_window_max": (jax.lax.add, 0.0)}, 160),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random programs refute it."""
    module, rule, wrong, start = WRONG[name]
    monkeypatch.setattr(module, rule, wrong)
    assert any((made := judged(seed)) is not None and made.unsound for seed in range(start, start + 40))


def real(certificate: eq.Certificate) -> tuple[int, ...]:
    """The axes along which all shifts are kept."""
    return eq.RealGroup.of(certificate.strict).real


def test_parameters_layouts_and_types() -> None:
    weights = {"w": jnp.ones((9, 2, 2), jnp.complex64)}

    def layer(p: Any, x: jax.Array) -> jax.Array:
        return fft.irfft(jnp.einsum("bki,kio->bko", fft.rfft(x, axis=1), p["w"]), n=16, axis=1)

    shapes = jax.eval_shape(lambda: weights)
    found = eq.infer(layer, eq.torus(16), channels=2, params=shapes, translations="real")
    assert real(found) == (0,)
    first = eq.infer(
        lambda x: jnp.moveaxis(low(jnp.moveaxis(x, 1, 2), 2), 2, 1), eq.torus(8), 2, layout="BCS", translations="real"
    )
    assert real(first) == (0,)
    one = eq.infer(lambda x: low(x[None], 2)[0], eq.torus(8), 2, layout="SC", translations="real")
    assert real(one) == (0,)
    whole = eq.infer(lambda x: x + 1, eq.torus(8), 2, dtype=jnp.int32, translations="real")
    assert not real(whole), "integers are no trigonometric polynomials"
    mixed = eq.infer(lambda x: low(x, 2), eq.Domain((eq.periodic(8), eq.bounded(3))), 1, translations="real")
    assert real(mixed) == (0,)
    with pytest.raises(ValueError, match="asks about a torus"):
        eq.infer(lambda x: x, eq.box(8), 1, translations="real")
    with pytest.raises(ValueError, match="translations must be 'nodes' or 'real'"):
        eq.infer(lambda x: x, eq.torus(8), 1, translations="all")  # pyright: ignore[reportArgumentType]


def test_actions_and_reasons() -> None:
    half = eq.infer(lambda x: low(x, 1)[:, ::2], eq.torus(8), 1, translations="real")
    g = eq.Isometry.translation((eq.RealGroup.parse("½Z").basis[0][0],))
    assert str(half.action(g)) == "x+1/4" and half.ledger[-1].layer == "by its frequencies"
    square = eq.infer(lambda x: x**2, eq.torus(8), 1, translations="real")
    assert "translations R → Z: 3 frequencies, 4 to 6, fold on 8 nodes" in str(square)
    lost = eq.infer(
        lambda x: jnp.sort(x, 1),
        eq.torus(8),
        1,
        translations="real",
    )
    assert "what sort does to frequencies is not known (test_bands.py" in lost.ledger[-1].reason
