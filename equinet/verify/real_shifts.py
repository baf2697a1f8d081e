"""Claims about real shifts put to the test, by phases on inputs whose frequencies real shifts act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_function, as_kind, shown
from equinet.groups import Isometry, RealGroup
from equinet.groups.domain import Domain, periodic
from equinet.groups.isometry import in_plain_types
from equinet.verify.act import ChannelAction, act
from equinet.verify.gauge import BREAKING
from equinet.verify.inputs import draw, given
from equinet.verify.options import Options, as_options
from equinet.verify.plain import finite, written
from equinet.verify.program import make_program, precision

DENOMINATOR = 7919
"""Shifts along a real axis are drawn among the multiples of one over this prime, which no lattice of a network has."""

DRAWN = 4
"""Of them per axis."""

MARGIN = 8.0
"""The tolerance, in units of the rounding that is measured."""


@dataclass(frozen=True)
class RealReport:
    """The errors of real shifts, measured.

    Attributes:
        domain: of the input.
        group: the claimed group.
        errors: of each claimed element that was tried, relative to how much the output varies; largest over channels.
        outside: of shifts half as long as the least that is claimed, moved as the others are.
        tol: the largest error that counts as rounding: `MARGIN` times what is changed by a shift of the input there and
            back, by inputs that differ in the last place, or in the last place of the outputs.
        folded: the share of the output's variation at half a turn a node, which fractions of a node cannot move: the
            floor under what they can show. 0 where it has no such frequency.
        removed: that share of the inputs given, which was taken from them.
        dtype: of the arithmetic.
    """

    domain: Domain
    group: RealGroup
    errors: Mapping[Isometry, float]
    outside: Mapping[Isometry, float]
    tol: float
    folded: float
    removed: float
    dtype: str

    @property
    def worst(self) -> tuple[Isometry, float]:
        """The claimed element with the largest error."""
        return max(self.errors.items(), key=lambda item: item[1])

    @property
    def verdict(self) -> str:
        """ "passed", "failed" or "cannot tell", where rounding could hide what breaks a symmetry; that is no pass."""
        if self.tol > BREAKING:
            return "cannot tell"
        return "passed" if self.worst[1] <= self.tol else "failed"

    @property
    def passed(self) -> bool:
        """Whether all claimed elements hold, as far as rounding lets one tell."""
        return self.verdict == "passed"

    @property
    def tight(self) -> bool:
        """Whether none of the shifts outside holds."""
        return all(error > self.tol for error in self.outside.values())

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def as_dict(self) -> dict[str, Any]:
        """All of the report in plain types; None for an error that is not finite."""
        g, error = self.worst
        return {
            "translations": "real",
            "domain": str(self.domain),
            "group": str(self.group),
            "verdict": self.verdict,
            "passed": self.passed,
            "tight": self.tight,
            "tolerance": self.tol,
            "folded": self.folded,
            "removed": self.removed,
            "dtype": self.dtype,
            "worst": {"element": str(g), "error": finite(error)},
            "elements": [
                {
                    "element": str(g),
                    "matrix": [list(row) for row in g.matrix],
                    "shift": in_plain_types(g.shift),
                    "claimed": errors is self.errors,
                    "error": finite(error),
                }
                for errors in (self.errors, self.outside)
                for g, error in errors.items()
            ],
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON text, also written to `path` if one is given."""
        return written(self.as_dict(), path, allow_nan=False)

    def _lines(self) -> Iterator[str]:
        g, error = self.worst
        yield f"{self.verdict}: {self.group} on {self.domain}, {self.dtype}"
        yield f"  {len(self.errors)} elements, largest error {error:.1e} at {g}; tolerance {self.tol:.1e}"
        if self.outside:
            least, smallest = min(self.outside.items(), key=lambda item: item[1])
            yield f"  outside: {len(self.outside)} shifts, smallest error {smallest:.1e} at {least}"
        if self.folded > self.tol:
            yield f"  {self.folded:.1e} of the output is at half a turn a node, which fractions of a node do not move"
        if self.removed:
            yield f"  {self.removed:.1e} of the inputs was at half a turn a node, and taken from them"


def verify_shifts(
    fn: Any,
    claim: Any,
    *,
    key: jax.Array | int,
    examples: int = 4,
    dtype: Any = jnp.float64,
    inputs: Any = None,
    jit: bool = True,
) -> RealReport:
    """Measure whether `f(g·x) = φ(g)·f(x)` for elements g of a group with real shifts.

    A shift by a fraction of a node multiplies frequency k by `exp(−2πi k t / n)`, on inputs that have none at half a
    turn a node. Tried are the generators of the group, random shifts along its real axes, and products of the two; and
    outside of it shifts half as long as the least along each axis. An error is the largest difference over examples
    and nodes, divided by how much the channel varies; the largest over channels.

    Args:
        fn: as for `verify`.
        claim: a `RealCertificate`, or what has its `domain`, `channels`, `strict`, `action`, `output` and `fibre`.
        key: a JAX key, or an int seed.
        examples: how many inputs are drawn.
        dtype: float64 (needs no global flag) or float32.
        inputs: your own examples `[n, *sizes, channels]`, in place of random ones.
        jit: False for code that is not JAX.

    Raises:
        TypeError: if the claim is no such certificate.
        ValueError: for options that make no sense, or an output of other sizes than is claimed.
        FloatingPointError: if the function returns NaN or inf.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.AliasFree(eq.Relu()), eq.IdealDownsample(2))
    >>> certificate = eq.certify(net, eq.torus(8), channels=2, translations="real")
    >>> report = verify_shifts(net.bind(net.init(0, (8, 2))), certificate, key=0)
    >>> report.passed, report.tight
    (True, True)
    """
    group = getattr(claim, "strict", None)
    if not isinstance(group, RealGroup):
        raise TypeError(
            f"verify_shifts tests a certificate of real shifts, certify(net, torus, translations='real'); got "
            f"{shown(claim)} of type {type(claim).__name__}"
        )
    as_function(fn, "verify_shifts measures a function of one array, such as net.bind(variables)")
    options = as_options(Options(key, examples, 1, dtype, jit, inputs=inputs), "verify_shifts")
    domain = as_kind(claim.domain, Domain, "a certificate has the domain of the input")
    sizes = tuple(n or 1 for n in domain.sizes)
    with precision(options.dtype):
        program = make_program(fn, options.dtype, options.jit)
        x, nudged, removed = _inputs(options, sizes, int(claim.channels))
        fibres: list[Any] = [f if callable(f) else None for f in (claim.channels, claim.fibre)]
        there = _Moves(domain, fibres[0])

        def run(batch: np.ndarray) -> np.ndarray:
            y = np.asarray(program.evaluate(program.variables, jnp.asarray(batch) if options.jit else batch))
            if not np.issubdtype(y.dtype, np.floating) or y.ndim < 2 or len(y) != len(batch):
                raise ValueError(
                    f"verify_shifts: the function turned {batch.shape} into {y.shape} of {y.dtype}; it must keep the "
                    f"batch and give real numbers, [batch, *spatial, channels]"
                )
            if not np.isfinite(y).all():
                raise FloatingPointError("verify_shifts: the function returns NaN or inf")
            return y

        y = run(x)
        output = claim.output if claim.output.dim else Domain(())
        if output.dim and y.shape[1:-1] != output.sizes:
            raise ValueError(f"the claim says that the output lies on {output}; got sizes {y.shape[1:-1]}")
        back, unit = _Moves(output, fibres[1]), _variation(y)
        elements = _elements(group, np.random.default_rng(0))
        outside = _outside(group)
        rates = [Fraction(m or 1, n) for m, n in zip(output.sizes, sizes, strict=True)] if output.dim else []
        actions = {g: claim.action(g) for g in elements}
        actions |= {g: _scaled(g, rates) for g in outside}
        errors = {g: _error(run(there(g, x)), back(h, y), unit) for g, h in actions.items()}
        least = float(jnp.finfo(options.dtype).eps) * max(1.0, float((np.abs(y) / unit).max()))
        again = [nudged, *(there(g.inverse(), there(g, x)) for g in elements)]
        rounding = max(least, *(_error(run(each), y, unit) for each in again))
    return RealReport(
        domain,
        group,
        {g: errors[g] for g in elements},
        {g: errors[g] for g in outside},
        MARGIN * rounding,
        _error(_without_folding(y, output), y, unit),
        removed,
        jnp.dtype(options.dtype).name,
    )


@dataclass(frozen=True)
class _Moves:
    """How isometries with fractions move arrays on a domain: whole nodes by index, the rest by phases."""

    domain: Domain
    fibre: ChannelAction | None

    def __call__(self, g: Isometry, x: np.ndarray) -> np.ndarray:
        whole = Isometry(g.matrix, tuple(floor(t) for t in g.shift))
        moved = np.asarray(act(whole, x, self.domain, self.fibre))
        for axis, t in enumerate(g.shift, start=1):
            if t != floor(t):
                frequencies = np.arange(x.shape[axis] // 2 + 1).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
                turns = np.exp(-2j * np.pi * frequencies * float((t - floor(t)) / x.shape[axis]))
                spectrum = np.fft.rfft(moved.astype(np.float64), axis=axis) * turns
                moved = np.fft.irfft(spectrum, n=x.shape[axis], axis=axis).astype(x.dtype)
        return moved


def _without_folding(x: np.ndarray, domain: Domain) -> np.ndarray:
    """Without the frequencies at half a turn a node, along the axes that wrap around."""
    for axis, along in enumerate(domain.axes, start=1):
        if along.boundary == "periodic" and x.shape[axis] % 2 == 0:
            wave = ((-1.0) ** np.arange(x.shape[axis])).astype(x.dtype)
            wave = wave.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
            x = x - wave * (x * wave).mean(axis, keepdims=True)
    return x


def _inputs(options: Options, sizes: tuple[int, ...], channels: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Examples without the frequencies at half a turn a node, the same with their last places changed, and the share of
    those given that was taken from them."""
    torus = Domain(tuple(map(periodic, sizes)))
    if options.inputs is None:
        normal = draw(options.key, (options.batch, *sizes, channels), options.dtype)
        x, nudged = np.split(_without_folding(normal, torus), 2)
        return x, nudged, 0.0
    count = len(options.inputs)
    told = given(options.inputs, 1, count, sizes, channels, options.dtype)
    x, nudged = (each[0].reshape(count, *sizes, channels) for each in (told.batches, told.nudged))
    kept = _without_folding(x, torus)
    return kept, _without_folding(nudged, torus), _error(kept, x, _variation(x))


def _variation(y: np.ndarray) -> np.ndarray:
    """How much each channel varies; of one that does not, how large the output is."""
    flat = y.reshape(-1, y.shape[-1])
    varies, loudest = np.ptp(flat, axis=0), np.abs(flat).max() or 1.0
    return np.where(varies > 1e-6 * loudest, varies, loudest)


def _error(y: np.ndarray, expected: np.ndarray, unit: np.ndarray) -> float:
    return float((np.abs(y - expected) / unit).max())


def _elements(group: RealGroup, rng: np.random.Generator) -> list[Isometry]:
    """The identity, generators, random shifts along the real axes, and products of the two."""
    found = [Isometry.identity(group.dim), *group.generators]
    sizes = [max((abs(row[axis]) for row in group.periods.basis), default=1) or 1 for axis in range(group.dim)]

    def drawn(axes: Sequence[int]) -> Isometry:
        shift = [
            Fraction(int(rng.integers(1, DENOMINATOR * sizes[i])), DENOMINATOR) * (i in axes) for i in range(group.dim)
        ]
        return Isometry.translation(shift)

    found += [drawn([axis]) for axis in group.real for _ in range(DRAWN)]
    return [*found, *(drawn(group.real) * g for g in found if group.real)]


def _outside(group: RealGroup) -> list[Isometry]:
    """Along each axis that is not real, half of the least shift that belongs to the group."""
    found = []
    for axis in range(group.dim):
        steps = [
            abs(row[axis]) for row in group.basis if row[axis] and not any(row[:axis]) and not any(row[axis + 1 :])
        ]
        period = next((abs(row[axis]) for row in group.periods.basis if row[axis]), 0)
        if axis not in group.real and period:
            half = Fraction(min([*steps, period])) / 2
            found.append(Isometry.translation([half if i == axis else 0 for i in range(group.dim)]))
    return [g for g in found if g not in group]


def _scaled(g: Isometry, rates: Sequence[Fraction]) -> Isometry:
    """A shift in nodes of the output."""
    if not rates:
        return Isometry.identity(0)
    return Isometry.translation([t * rate for t, rate in zip(g.shift, rates, strict=True)])
