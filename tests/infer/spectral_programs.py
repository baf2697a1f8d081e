"""Random programs on nodes and spectra, and what real shifts do to them by brute force.

A program is written once for numpy and for JAX: numpy runs it, on inputs that are moved by phases in
`tests/real_stacks.py`; JAX only writes it down. Steps are drawn without a look at whether they keep anything: masks of
any kind, spectra that are cut, padded, rolled, turned around and put in the wrong place, products of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from equinet.infer.bands.run import bands_of
from equinet.infer.compat import trace
from equinet.infer.whole import Traced
from tests.infer.sliding_steps import controlled, sliding
from tests.real_stacks import SHIFTS, band_limited, shifted

SIZES = ((8,), (9,), (12,), (15,), (16,), (7,), (6, 6), (5, 8), (8, 6), (4, 9))
CHANNELS = 2
LARGEST = 48
SOUND = 1e-9
ROUNDING = 1e-12
"""Of the largest number on the way: what is less is 0, whatever the input."""
Step = Callable[[Any, Any], Any]


@dataclass
class Program:
    """Steps, each a function of a module of arrays (numpy, or JAX's) and an array.

    Attributes:
        sizes: of the input's axes.
        now: those of the array that has been made, whose axes are `[batch, *axes, channels]` unless it is `flat`.
        spectrum: which axis is transformed, and to half of its frequencies or all; None if none is.
    """

    sizes: tuple[int, ...]
    now: list[int]
    steps: list[tuple[str, Step]] = field(default_factory=list)
    spectrum: tuple[int, str] | None = None
    nodes: int = 0
    flat: bool = False

    def __call__(self, xp: Any, x: Any) -> Any:
        for _, step in self.steps:
            x = step(xp, x)
        return x

    def largest(self, x: np.ndarray) -> float:
        """The largest number on the way."""
        found = 0.0
        for _, step in self.steps:
            x = step(np, x)
            found = max(found, float(np.abs(x).max(initial=0.0)))
        return found

    def __str__(self) -> str:
        return f"{self.sizes}: {' | '.join(name for name, _ in self.steps)}"

    def add(self, name: str, step: Step) -> None:
        self.steps.append((name, step))


def along(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)


def put(xp: Any, x: Any, at: Any, values: Any) -> Any:
    if xp is np:
        x = x.copy()
        x[at] = values
        return x
    return x.at[at].set(values)


def random_program(seed: int) -> Program:
    """Up to nine steps."""
    rng = np.random.default_rng(seed)
    sizes = SIZES[rng.integers(len(SIZES))]
    made = Program(sizes, list(sizes))
    for _ in range(int(rng.integers(1, 10))):
        if made.flat:
            break
        (_on_spectrum if made.spectrum else _on_nodes)(made, rng)
    if made.spectrum and rng.random() < 0.9:
        _back(made, rng)
    return made


def _on_nodes(p: Program, rng: np.random.Generator) -> None:
    axis = int(rng.integers(len(p.now))) + 1
    n, rank = p.now[axis - 1], len(p.now) + 2
    c = float(rng.integers(1, 4))
    k = int(rng.integers(0, n // 2 + 1))
    mix = rng.integers(-2, 3, size=(CHANNELS, CHANNELS)).astype(float)
    pattern = along(rng.integers(1, 3, size=n).astype(float), axis, rank)
    short = along(np.resize(rng.integers(1, 3, size=rng.integers(1, 4)), n).astype(float), axis, rank)

    def low(xp: Any, x: Any) -> Any:
        spectrum = xp.fft.rfft(x, axis=axis)
        mask = along((np.arange(n // 2 + 1) <= k).astype(float), axis, rank)
        return xp.fft.irfft(spectrum * mask, n=n, axis=axis)

    def divided(xp: Any, x: Any) -> Any:
        return x / (1.0 + (x**2).mean(tuple(range(1, rank - 1)), keepdims=True))

    options: list[tuple[str, Step]] = [
        (f"low{k}", low),
        (f"low{k}", low),
        ("square", lambda xp, x: x**2),
        ("cube", lambda xp, x: x * x * x + 1.0),
        ("relu", lambda xp, x: xp.maximum(x, 0.0)),
        ("abs", lambda xp, x: xp.abs(x)),
        (f"affine{c}", lambda xp, x: c * x - 0.5),
        (f"roll{k}", lambda xp, x: xp.roll(x, k, axis=axis)),
        (f"stencil{k}", lambda xp, x: xp.roll(x, k, axis=axis) - 2.0 * x + xp.roll(x, -1, axis=axis)),
        (f"advect{k}", lambda xp, x: x * (xp.roll(x, 1, axis=axis) - xp.roll(x, -1, axis=axis))),
        ("flip", lambda xp, x: xp.flip(x, axis)),
        ("mix", lambda xp, x: xp.einsum("...i,ij->...j", x, mix)),
        ("pattern", lambda xp, x: x * pattern),
        ("short pattern", lambda xp, x: x + short),
        ("centred", lambda xp, x: x - x.mean(axis, keepdims=True)),
        ("divided", divided),
        ("times its maximum", lambda xp, x: x * x.max(axis, keepdims=True)),
        ("swapped", lambda xp, x: xp.concatenate([x[..., 1:], 2.0 * x[..., :1]], axis=-1)),
        ("joined", lambda xp, x: xp.concatenate([xp.roll(x[..., :1], k, axis=axis), x[..., :1]], axis=-1)),
        ("in memory", lambda xp, x: (x.reshape(x.shape[0], -1) * 2.0).reshape(x.shape)),
        ("transposed", lambda xp, x: xp.swapaxes(xp.swapaxes(x, 0, axis) + 1.0, 0, axis)),
        (
            "cut and put back",
            lambda xp, x: xp.concatenate([xp.take(x, np.arange(k, n), axis), xp.take(x, np.arange(k), axis)], axis),
        ),
        ("cut in a wrong place", lambda xp, x: xp.take(x, np.r_[0, 0 : n - 1], axis)),
        ("one node written", lambda xp, x: put(xp, x, (slice(None), 0), 0.0)),
        ("sorted channels", lambda xp, x: xp.sort(x, axis=-1)),
        ("running sum", lambda xp, x: xp.cumsum(x, axis=axis)),
        ("where", lambda xp, x: xp.where(x > 0, x, 0.5 * x)),
        ("with the other channel", lambda xp, x: x * xp.flip(x, -1)),
        ("diagonal", lambda xp, x: xp.where(along(np.arange(n) % 2 == 0, axis, rank), x, xp.flip(x, -1))),
    ]
    name, step = options[rng.integers(len(options))]
    draw = rng.random()
    if draw < 0.36:
        return _forth(p, axis, rng)
    if draw < 0.46 and n * 2 <= LARGEST and len(p.now) == 1:
        m = int(rng.choice([2, 3])) * n if 3 * n <= LARGEST else 2 * n
        p.add(f"up to {m}", lambda xp, x: xp.fft.irfft(xp.fft.rfft(x, axis=axis), n=m, axis=axis) * (m / n))
        p.now[axis - 1] = m
        return None
    if draw < 0.56:
        s = int(rng.choice([2, 2, 3]))
        start = int(rng.integers(s))
        if n % s == 0 and n > s:
            at = (slice(None),) * axis + (slice(start, None, s),)
            p.add(f"every {s} from {start}", lambda xp, x: x[at])
            p.now[axis - 1] = n // s
            return None
    if rng.random() < 0.25:
        text, slid, now = sliding(rng, p.now, axis - 1, CHANNELS)
        if max(now) <= LARGEST:
            p.add(text, slid)
            p.now = now
            return None
    if rng.random() < 0.12:
        return p.add(*controlled(rng, axis))
    if draw < 0.6 and 2 * n <= LARGEST:
        p.add("repeated", lambda xp, x: xp.repeat(x, 2, axis=axis))
        p.now[axis - 1] = 2 * n
        return None
    if draw < 0.66:
        axes = tuple(range(1, rank - 1))
        readouts: list[tuple[str, Step]] = [
            ("mean", lambda xp, x: x.mean(axes)),
            ("energy", lambda xp, x: (x**2).mean(axes)),
            ("maximum", lambda xp, x: x.max(axes)),
            ("power", lambda xp, x: (xp.abs(xp.fft.rfft(x, axis=axis)) ** 2).sum(axes)),
            ("triple", lambda xp, x: (x**3).mean(axes)),
            ("first node", lambda xp, x: x[(slice(None), *(0 for _ in axes))]),
            ("weighed", lambda xp, x: (x * pattern).mean(axes)),
            ("moved product", lambda xp, x: (x * xp.roll(x, k, axis=axis)).mean(axes)),
        ]
        p.add(*readouts[rng.integers(len(readouts))])
        p.flat = True
        return None
    p.add(name, step)
    return None


def _forth(p: Program, axis: int, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["half", "full"]))
    transform = (
        (lambda xp, x: xp.fft.rfft(x, axis=axis)) if kind == "half" else (lambda xp, x: xp.fft.fft(x, axis=axis))
    )
    p.add(f"{kind} spectrum along {axis}", transform)
    p.spectrum, p.nodes = (axis, kind), p.now[axis - 1]
    if kind == "half":
        p.now[axis - 1] = p.nodes // 2 + 1


def _back(p: Program, rng: np.random.Generator) -> None:
    assert p.spectrum is not None
    axis, kind = p.spectrum
    count = p.now[axis - 1]
    n = p.nodes if rng.random() < 0.7 else int(rng.choice([max(2 * count - 2, 2), 2 * count - 1, p.nodes + 1]))
    if kind == "half":
        p.add(f"back to {n}", lambda xp, x: xp.fft.irfft(x, n=n, axis=axis))
        p.now[axis - 1] = n
    elif rng.random() < 0.8:
        p.add("back", lambda xp, x: xp.fft.ifft(x, axis=axis).real)
    else:
        p.add("back, forwards", lambda xp, x: xp.fft.fft(x, axis=axis).real)
    p.spectrum = None


def _on_spectrum(p: Program, rng: np.random.Generator) -> None:
    assert p.spectrum is not None
    axis, kind = p.spectrum
    m, rank = p.now[axis - 1], len(p.now) + 2
    k = int(rng.integers(0, m + 1))
    signed = np.arange(m) if kind == "half" else np.fft.fftfreq(m, 1 / m)
    weights = along(rng.integers(-2, 3, size=m) + 1j * rng.integers(-1, 2, size=m), axis, rank)
    mask = along((np.abs(signed) <= rng.integers(0, p.nodes // 2 + 1)).astype(float), axis, rank)
    holes = along((rng.random(m) < 0.6).astype(float), axis, rank)
    angles = along(np.exp(1j * signed * float(rng.integers(1, 4))), axis, rank)
    rows = np.arange(m)
    chosen = rng.permutation(m)[: max(1, m // 2)]
    at = (slice(None),) * axis

    options: list[tuple[str, Step]] = [
        ("mask", lambda xp, x: x * mask),
        ("mask", lambda xp, x: xp.where(mask > 0, x, 0.0)),
        ("holes", lambda xp, x: x * holes),
        ("weights", lambda xp, x: x * weights),
        ("derivative", lambda xp, x: x * (1j * along(signed, axis, rank))),
        ("angles", lambda xp, x: x * angles),
        ("power", lambda xp, x: x * xp.conj(x)),
        ("squared", lambda xp, x: x * x),
        ("turned", lambda xp, x: xp.conj(x)),
        ("reversed", lambda xp, x: xp.flip(x, axis)),
        (f"rolled {k}", lambda xp, x: xp.roll(x, k, axis=axis)),
        ("centred", lambda xp, x: xp.fft.ifftshift(xp.fft.fftshift(x, axes=axis) * 2.0, axes=axis)),
        ("centred and left so", lambda xp, x: xp.fft.fftshift(x, axes=axis)),
        ("a constant added", lambda xp, x: x + 1.0),
        ("one entry added", lambda xp, x: x + along((rows == k % m).astype(float), axis, rank)),
        ("magnitude", lambda xp, x: xp.abs(x) + 0j),
        ("real part", lambda xp, x: x.real + 0j),
        ("mean taken", lambda xp, x: put(xp, x, (*at, 0), 0.0)),
        ("some put anew", lambda xp, x: put(xp, xp.zeros_like(x), (*at, chosen), xp.take(x, chosen, axis))),
        ("some put elsewhere", lambda xp, x: put(xp, 0 * x, (*at, np.sort(chosen)), xp.take(x, chosen, axis))),
        ("added to itself rolled", lambda xp, x: x + xp.roll(x, 1, axis=axis)),
        ("normed", lambda xp, x: x / (1.0 + (xp.abs(x) ** 2).sum(axis, keepdims=True))),
        ("mixed channels", lambda xp, x: xp.einsum("...i,ij->...j", x, np.array([[1.0, 2.0], [0.0, 1j]]))),
        ("mixed per frequency", lambda xp, x: xp.moveaxis(
            xp.einsum("...ki,kij->...kj", xp.moveaxis(x, axis, -2), np.resize(weights.ravel(), (m, 2, 2))), -2, axis)),
    ]  # fmt: skip
    draw = rng.random()
    if draw < 0.3:
        return _back(p, rng)
    if draw < 0.4:
        kept = int(rng.integers(1, m + 1))
        p.add(f"first {kept}", lambda xp, x: x[(*at, slice(0, kept))])
        p.now[axis - 1] = kept
        return None
    if draw < 0.5:
        more = int(rng.integers(1, 4))
        before = int(rng.integers(0, 2)) if rng.random() < 0.3 else 0
        widths = [(before, more) if i == axis else (0, 0) for i in range(rank)]
        p.add(f"padded {before}, {more}", lambda xp, x: xp.pad(x, widths))
        p.now[axis - 1] = m + before + more
        return None
    if draw < 0.56 and kind == "full":
        low, high = (m + 1) // 2, m - (m + 1) // 2
        gap = [int(rng.integers(1, 6))]

        def widened(xp: Any, x: Any) -> Any:
            zeros = xp.zeros((*x.shape[:axis], gap[0], *x.shape[axis + 1 :]), x.dtype)
            return xp.concatenate([x[(*at, slice(0, low))], zeros, x[(*at, slice(m - high, m))]], axis=axis)

        p.add(f"padded inside {gap[0]}", widened)
        p.now[axis - 1] = m + gap[0]
        return None
    p.add(*options[rng.integers(len(options))])
    return None


@dataclass(frozen=True)
class Outcome:
    """A program against brute force: shifts that are claimed and fail, and those that hold and are not claimed."""

    text: str
    claimed: int
    unsound: list[tuple[int, object, float]]
    loose: list[tuple[int, object]]


def judged(seed: int) -> Outcome | None:
    """One random program; None if it does not run, or gives complex numbers, nothing finite, or rounding alone."""
    program = random_program(seed)
    rng = np.random.default_rng(seed + 1)
    shape = (4, *program.sizes, CHANNELS)
    x = np.concatenate([rng.standard_normal(shape), np.sign(rng.standard_normal(shape[1:]))[None]])
    spike = np.zeros((1, *shape[1:]))
    spike[(0, *(0,) * len(program.sizes))] = 3.0
    x = band_limited(np.concatenate([x, spike, np.ones_like(spike)]))
    with np.errstate(all="ignore"):
        try:
            y = np.asarray(program(np, x))
        except (ValueError, IndexError):
            return None
        if np.iscomplexobj(y) or not np.isfinite(y).all() or np.abs(y).max() > 1e12:
            return None
        if np.abs(y).max() < ROUNDING * program.largest(x):
            return None
    dim, wide = len(program.sizes), y.ndim > 2
    output = eq.torus(*y.shape[1:-1]) if wide else eq.Domain(())
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        like = jax.ShapeDtypeStruct((2, *program.sizes, CHANNELS), jnp.float64)
        traced = Traced(trace(lambda x: program(jnp, x), [like])[0], (like.shape,), "BSC", "BSC", False, {}, [])
        bands, _ = bands_of(traced, eq.torus(*program.sizes), program.sizes, output, jnp.float64)
    unsound, loose, claimed = [], [], 0
    # What is zero but for rounding is compared with the input.
    scale = max(float(np.abs(y).max()), 1e-5)
    varies = np.ptp(y.reshape(-1, y.shape[-1]), axis=0).max() > 1e-9 * scale
    for axis, (n, steps) in enumerate(zip(program.sizes, bands.shifts, strict=True)):
        claimed += steps != 1
        for t in SHIFTS:
            shift = tuple(t if i == axis else 0 for i in range(dim))
            moved = np.asarray(program(np, shifted(x, shift)))
            expected = y
            if wide:
                rate = Fraction(y.shape[axis + 1], n)
                expected = shifted(y, [s * rate if isinstance(s, int | Fraction) else s * float(rate) for s in shift])
            error = float(np.abs(moved - expected).max() / scale)
            held = steps == 0 or (not isinstance(t, float) and (Fraction(t) * steps / n).denominator == 1)
            if held and not error <= SOUND:
                unsound.append((axis, t, error))
            if not held and error <= SOUND and varies:
                loose.append((axis, t))
    return Outcome(str(program), claimed, unsound, loose)
