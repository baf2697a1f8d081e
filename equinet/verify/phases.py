"""What real shifts are measured with: inputs on which they act, arrays moved by them, and a measure of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups import Isometry, Matrix
from equinet.groups.domain import Domain, periodic
from equinet.ops.moves import phased
from equinet.verify.act import ChannelAction, act, channel_sources
from equinet.verify.claims import as_claimed
from equinet.verify.inputs import SETTLED, draw, given
from equinet.verify.options import Options, by_its_framework
from equinet.verify.program import make_program

DENOMINATOR = 7919
"""Random shifts are multiples of one over this prime, which no lattice of a network has."""

DRAWN = 4
"""Of them per axis."""

MARGIN = 8.0
"""The tolerance, in units of the rounding that is measured."""


@dataclass(frozen=True)
class Moves:
    """How isometries with fractions move arrays on a domain: whole nodes by index, the rest by phases."""

    domain: Domain
    fibre: ChannelAction | None = None

    def __call__(self, g: Isometry, x: np.ndarray, turn: Matrix | None = None) -> np.ndarray:
        """`g·x`. Channels move by the operation of g, or by `turn`, that of the isometry of the input which g stands
        for: on few nodes, or none, operations that do different things to channels move nodes alike."""
        whole = Isometry(g.matrix, tuple(floor(t) for t in g.shift))
        if self.fibre is not None:
            index, sign = channel_sources(self.fibre, g.matrix if turn is None else turn)
            x = x[..., index] * sign.astype(x.dtype)
        moved = np.asarray(act(whole, x, self.domain))
        rest = [float(t - floor(t)) for t in g.shift]
        if not any(rest):
            return moved
        with jax.enable_x64(True):
            wide = jnp.asarray(moved, jnp.float64)
            return np.asarray(phased(wide, jnp.asarray([rest] * len(moved)))).astype(x.dtype)


@dataclass(frozen=True)
class PhaseBench:
    """A function on inputs that real shifts act on.

    Attributes:
        run: the function, which keeps the batch and gives finite real numbers.
        x, nudged: examples without frequencies at half a turn a node, and the same with their last places changed.
        y: their outputs.
        unit: how much each channel of the output varies.
        move: how inputs move.
        removed: the share of the inputs given that was at half a turn a node, and taken from them.
        least: the rounding that there is at least: a unit in the last place of the outputs.
    """

    run: Callable[[np.ndarray], np.ndarray]
    x: np.ndarray
    nudged: np.ndarray
    y: np.ndarray
    unit: np.ndarray
    move: Moves
    removed: float
    least: float

    def moved(self, g: Isometry) -> np.ndarray:
        """f(g·x)."""
        return self.run(self.move(g, self.x))

    def error(self, y: np.ndarray, expected: np.ndarray) -> float:
        """The largest difference over examples and nodes, relative to how much the channel varies."""
        return float((np.abs(y - expected) / self.unit).max())

    def tolerance(self, elements: Sequence[Isometry]) -> float:
        """The largest error that counts as rounding: `MARGIN` times what changes the outputs for inputs moved there and
        back, for inputs changed in the last place, or by the last place of the outputs."""
        again = (self.nudged, *(self.move(g.inverse(), self.move(g, self.x)) for g in elements))
        return MARGIN * max(self.least, *(self.error(self.run(each), self.y) for each in again))

    def folded(self, output: Domain) -> float:
        """The share of the outputs at half a turn a node, which fractions of a node do not move."""
        return self.error(without_folding(self.y, output), self.y)


def make_phase_bench(
    fn: Any, options: Options, domain: Domain, channels: int, fibre: ChannelAction | None, asker: str
) -> PhaseBench:
    """Run a function on examples; to be called under the `precision` of the options, as is all that the bench does.

    Raises:
        ValueError: if it does not keep the batch, or gives no real numbers, or the inputs given are none.
        FloatingPointError: if it returns NaN or inf.
    """
    fn, options = by_its_framework(fn, options)
    program = make_program(fn, options.dtype, options.jit)

    def run(batch: np.ndarray) -> np.ndarray:
        y = np.asarray(program.evaluate(program.variables, jnp.asarray(batch) if options.jit else batch))
        if not np.issubdtype(y.dtype, np.floating) or y.ndim < 2 or len(y) != len(batch):
            raise ValueError(
                f"{asker}: the function turned {batch.shape} into {y.shape} of {y.dtype}; it must keep the batch and "
                f"give real numbers, [batch, *spatial, channels]"
            )
        if not np.isfinite(y).all():
            raise FloatingPointError(f"{asker}: the function returns NaN or inf")
        return y

    sizes = tuple(n or 1 for n in domain.sizes)
    x, nudged, removed = _inputs(options, sizes, channels)
    many, x = x, x[: len(nudged)]
    # What is compared is computed in batches of one size, as a function may depend on its whole batch.
    with as_claimed(fn, sizes, channels):
        y = run(x)
    settled = run(many) if len(many) > len(x) else y
    unit = _variation(settled)
    least = float(jnp.finfo(options.dtype).eps) * max(1.0, float((np.abs(settled) / unit).max()))
    return PhaseBench(run, x, nudged, y, unit, Moves(domain, fibre), removed, least)


def rates(domain: Domain, output: Domain) -> list[Fraction]:
    """Per axis, nodes of the output for each node of the input; none where the output has no axes."""
    return [Fraction(m or 1, n or 1) for m, n in zip(output.sizes, domain.sizes, strict=True)] if output.dim else []


def in_proportion(g: Isometry, along: Sequence[Fraction]) -> Isometry:
    """A shift in nodes of an output, at so many of them for each node of the input."""
    if not along:
        return Isometry.identity(0)
    return Isometry.translation([t * rate for t, rate in zip(g.shift, along, strict=True)])


def random_shift(axes: Sequence[int], sizes: Sequence[int], rng: np.random.Generator) -> Isometry:
    """A shift by multiples of 1 / `DENOMINATOR` along some axes of a torus."""
    return Isometry.translation(
        [Fraction(int(rng.integers(1, DENOMINATOR * n)), DENOMINATOR) * (i in axes) for i, n in enumerate(sizes)]
    )


def without_folding(x: np.ndarray, domain: Domain) -> np.ndarray:
    """Without the frequencies at half a turn a node, along the axes that wrap around."""
    for axis, along in enumerate(domain.axes, start=1):
        if along.boundary == "periodic" and x.shape[axis] % 2 == 0:
            wave = ((-1.0) ** np.arange(x.shape[axis])).astype(x.dtype)
            wave = wave.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
            x = x - wave * (x * wave).mean(axis, keepdims=True)
    return x


def _inputs(options: Options, sizes: tuple[int, ...], channels: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Examples without the frequencies at half a turn a node, as many of them as are asked for with their last places
    changed, and the share of those given that was taken from them.

    At least `SETTLED` are drawn: of fewer one cannot tell how much an average over nodes varies.
    """
    torus = Domain(tuple(map(periodic, sizes)))
    if options.inputs is None:
        count = max(options.batch, SETTLED)
        normal = draw(options.key, (count, *sizes, channels), options.dtype)
        x, nudged = np.split(without_folding(normal, torus), 2)
        return x, nudged[: options.batch], 0.0
    count = len(options.inputs)
    told = given(options.inputs, 1, count, sizes, channels, options.dtype)
    x, nudged = (each[0].reshape(count, *sizes, channels) for each in (told.batches, told.nudged))
    kept = without_folding(x, torus)
    return kept, without_folding(nudged, torus), float((np.abs(kept - x) / _variation(x)).max())


def _variation(y: np.ndarray) -> np.ndarray:
    """How much each channel varies; of one that does not, how large the output is."""
    flat = y.reshape(-1, y.shape[-1])
    varies, loudest = np.ptp(flat, axis=0), np.abs(flat).max() or 1.0
    return np.where(varies > 1e-6 * loudest, varies, loudest)


def half_turns(folded: float, removed: float, tol: float) -> Iterator[str]:
    """What a report says of half a turn a node: how much of the output is there, and of the inputs given was."""
    if folded > tol:
        yield f"  {folded:.1e} of the output is at half a turn a node, which fractions of a node do not move"
    if removed:
        yield f"  {removed:.1e} of the inputs was at half a turn a node, and taken from them"
