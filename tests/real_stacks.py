"""Random stacks of layers, and what real shifts do to them by brute force: phases on inputs, in float64.

The shifts of a signal are computed here from its Fourier series, apart from everything in the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import jax
import numpy as np

import equinet as eq
from tests.oracle import QUICKLY, random_weights

CIRCULAR = {"padding": "circular"}
SHIFTS = (*(Fraction(1, n) for n in (6, 5, 4, 3, 2)), Fraction(2, 3), Fraction(3, 2), 1, 2, 3, 4, 0.5773502691896258)
"""Tried along each axis; the last stands for those that no lattice has."""
SOUND, SOUND_IN_SINGLE = 1e-10, 1e-4


def band_limited(x: np.ndarray) -> np.ndarray:
    """Signals without the frequencies at half a turn a node, along every spatial axis."""
    for axis in range(1, x.ndim - 1):
        if x.shape[axis] % 2 == 0:
            wave = (-1.0) ** np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
            x = x - wave * (x * wave).mean(axis, keepdims=True)
    return x


def shifted(x: np.ndarray, shift: Sequence[Fraction | float | int]) -> np.ndarray:
    """The trigonometric polynomials through the nodes, moved by `shift` nodes; whole shifts move nodes to nodes."""
    for axis, t in enumerate(shift, start=1):
        if t == int(t):
            x = np.roll(x, int(t), axis)
            continue
        turns = np.fft.fftfreq(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        x = np.fft.ifft(np.fft.fft(x, axis=axis) * np.exp(-2j * np.pi * turns * float(t)), axis=axis).real
    return x


@dataclass(frozen=True)
class Measured:
    """What one shift does to a stack: the error relative to the output, and to how it varies."""

    moves: float
    stays: float


class Stack:
    """A network with random weights on random signals."""

    def __init__(
        self, net: eq.Layer, sizes: tuple[int, ...], seed: int, channels: int = 3, amplitude: float = 1.0
    ) -> None:
        self.net, self.sizes = net, sizes
        rng = np.random.default_rng(seed)
        variables = random_weights(net, (*sizes, channels), rng)
        noise = rng.standard_normal((4, *sizes, channels))
        few = np.sign(noise[:1])
        spike = np.zeros_like(few)
        spike[(0, *(0,) * len(sizes))] = 3.0
        self.x = amplitude * band_limited(np.concatenate([noise, few, spike, np.ones_like(few)]))
        self.f = jax.jit(lambda x: net.apply(variables, x), compiler_options=QUICKLY)

    def errors(self, shifts: Sequence[Sequence[Fraction | float | int]]) -> list[Measured]:
        """For each shift, in one batch."""
        moved = np.asarray(self.f(np.concatenate([self.x, *(shifted(self.x, shift) for shift in shifts)])))
        self.y, *parts = moved.reshape(len(shifts) + 1, len(self.x), *moved.shape[1:])
        scale = np.abs(self.y).max() or 1.0
        found = []
        for shift, part in zip(shifts, parts, strict=True):
            expected = self.y
            if self.y.ndim > 2:
                rates = [Fraction(m, n) for m, n in zip(self.y.shape[1:-1], self.sizes, strict=True)]
                expected = shifted(self.y, [t * r if t == 0 or isinstance(t, int | Fraction) else t * float(r)
                                            for t, r in zip(shift, rates, strict=True)])  # fmt: skip
            found.append(Measured(np.abs(part - expected).max() / scale, np.abs(part - self.y).max() / scale))
        return found


def along_axes(sizes: tuple[int, ...]) -> list[tuple[Fraction | float | int, ...]]:
    """The shifts tried along each axis, and some along all."""
    dim = len(sizes)
    single = [tuple(t if i == axis else 0 for i in range(dim)) for axis in range(dim) for t in SHIFTS]
    return single if dim == 1 else [*single, *((t,) * dim for t in SHIFTS)]


def member(shift: Sequence[Fraction | float | int], group: eq.RealGroup) -> bool:
    """Whether a shift belongs to a group; the one that no lattice has, where all shifts along its axes do."""
    if any(isinstance(t, float) for t in shift):
        shift = [Fraction(1, 7919) if isinstance(t, float) else t for t in shift]
    return eq.Isometry.translation(shift) in group  # pyright: ignore[reportArgumentType]


def random_stack(rng: np.random.Generator, sizes: tuple[int, ...]) -> eq.Layer:
    """One to five layers, then perhaps a readout."""
    dim = len(sizes)

    def pick(*options):
        return options[rng.integers(len(options))]

    def function() -> eq.Layer:
        return pick(eq.Relu, eq.Gelu, lambda: eq.Polynomial(2), lambda: eq.Polynomial(3), eq.Tanh)()

    def layer() -> eq.Layer:
        return pick(
            lambda: eq.Conv(3, pick(1, 2, 3), stride=pick(1, 1, 2), padding=pick("circular", "circular", "zero")),
            lambda: eq.Lowpass(pick(Fraction(1, 3), Fraction(1, 2), Fraction(2, 3), Fraction(3, 4), 1)),
            lambda: eq.IdealDownsample(pick(2, 2, 3)),
            lambda: eq.IdealUpsample(pick(2, 2, 3)) if dim < 3 else eq.Lowpass(Fraction(2, 3)),
            lambda: eq.AliasFree(function(), up=2 if dim == 3 else pick(2, 2, 3)),
            function,
            function,
            lambda: eq.MaxPool(pick(2, 3), stride=pick(1, 2), **CIRCULAR),
            lambda: eq.AvgPool(2, stride=pick(1, 2), **CIRCULAR),
            lambda: eq.BlurPool(2, **CIRCULAR),
            lambda: pick(eq.LayerNorm(axes="all"), eq.LayerNorm(), eq.InstanceNorm(), eq.SqueezeExcite(ratio=1)),
            lambda: eq.BatchNorm(),
            lambda: eq.SpectralConv(3, pick(1, 2)),
            lambda: eq.Upsample(2, method=pick("nearest", "linear"), **CIRCULAR) if dim < 3 else eq.Roll(1),
            lambda: eq.Residual(pick(eq.Conv(3, 3, **CIRCULAR), function(), eq.AliasFree(function()))),
            lambda: eq.Parallel(function(), eq.SpectralConv(3, 2), join=pick("add", "mul")),
            lambda: eq.Parallel(eq.Identity(), eq.Conv(3, 3, **CIRCULAR), join="mul"),
            lambda: pick(eq.PolyphasePool(2), eq.SelfAttention(1), eq.PixelUnshuffle(2)),
        )()

    layers: list[eq.Layer] = []
    for _ in range(1 + rng.integers(5)):
        fresh = layer()
        if isinstance(fresh, eq.PixelUnshuffle):
            fresh = eq.Sequential(fresh, eq.Conv(3, 1))
        try:
            shape = eq.Sequential(*layers, fresh).output_shape((*sizes, 3))
        except eq.LayerError:
            continue
        if max(n or 1 for n in shape[:-1]) <= (6 * sizes[0] if dim == 1 else 2 * max(sizes)):
            layers.append(fresh)
    readout = pick(
        (), (), (eq.GlobalAvgPool(),), (eq.GlobalAvgPool(), eq.Dense(2)), (eq.GlobalMaxPool(),), (eq.Flatten(),)
    )
    return eq.Sequential(*layers, *readout)


SIZES = ((8,), (9,), (12,), (15,), (16,), (24,), (6, 6), (5, 5), (8, 6), (9, 6), (4, 4, 4), (6, 5, 4))


@dataclass(frozen=True)
class Outcome:
    """A stack against brute force: what is claimed and fails, and what holds and is not claimed."""

    net: eq.Layer
    sizes: tuple[int, ...]
    strict: eq.RealGroup
    unsound: list[tuple[object, float]]
    loose: list[object]


def judged(seed: int) -> Outcome:
    """One random stack, compared."""
    rng = np.random.default_rng(seed)
    sizes = SIZES[rng.integers(len(SIZES))]
    net = random_stack(rng, sizes)
    certificate = eq.certify(net, eq.torus(*sizes), 3, translations="real")
    stack = Stack(net, sizes, seed)
    shifts = along_axes(sizes)
    unsound, loose = [], []
    errors = stack.errors(shifts)
    varies = np.ptp(stack.y.reshape(-1, stack.y.shape[-1]), axis=0).max() > 1e-9 * (np.abs(stack.y).max() or 1.0)
    for shift, error in zip(shifts, errors, strict=True):
        if member(shift, certificate.strict):
            if not error.moves <= SOUND:
                unsound.append((shift, error.moves))
        elif error.moves <= SOUND and varies:
            loose.append(shift)
        if member(shift, certificate.invariance) and not error.stays <= SOUND:
            unsound.append((shift, error.stays))
    return Outcome(net, sizes, certificate.strict, unsound, loose)
