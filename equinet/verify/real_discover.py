"""The real shifts that a black box keeps, measured without a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import MOST, as_function, as_integer
from equinet.groups import Isometry, Lattice, RealGroup, SpaceGroup
from equinet.groups.domain import Axis, Domain, as_domain
from equinet.groups.fibre import told_channels
from equinet.groups.isometry import in_plain_types
from equinet.groups.real_group import scaled_lattice
from equinet.verify.discover import search
from equinet.verify.gauge import BREAKING
from equinet.verify.options import Options, as_options
from equinet.verify.phases import (
    DRAWN,
    Moves,
    PhaseBench,
    half_turns,
    in_proportion,
    make_phase_bench,
    random_shift,
    rates,
)
from equinet.verify.plain import finite, written
from equinet.verify.program import precision


@dataclass(frozen=True, repr=False)
class DiscoveredShifts:
    """The real shifts that were found for a black box. They can serve as the claim of `verify_shifts`.

    Attributes:
        domain, channels: of the input.
        strict: all shifts tried, and their products, that move the output in proportion; R along an axis for which
            random multiples of 1/7919 do.
        invariance: those that leave the output as it is.
        output: the output's grid.
        errors: of each shift that was tried, moving the output in proportion.
        tol: the largest error that counts as rounding. Above 10⁻³ nothing can be told, and no shift is reported.
        folded: the share of the output's variation at half a turn a node, which fractions of a node cannot move: the
            floor under what they can show. 0 where it has no such frequency.
        removed: that share of the inputs given, which was taken from them.
        dtype: of the arithmetic.
    """

    domain: Domain
    channels: int
    strict: RealGroup
    invariance: RealGroup
    output: Domain
    errors: Mapping[Isometry, float]
    tol: float
    folded: float
    removed: float
    dtype: str
    fibre: None = None

    def action(self, g: Isometry) -> Isometry:
        """φ(g): the shift of the output in proportion to its nodes.

        Raises:
            ValueError: if g is not in `strict`.
        """
        if g not in self.strict:
            raise ValueError(f"({g}) is not in the group found, {self.strict}")
        return in_proportion(g, rates(self.domain, self.output))

    def __repr__(self) -> str:
        return f"DiscoveredShifts({self.domain}: strict {self.strict}, invariance {self.invariance})"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def as_dict(self) -> dict[str, Any]:
        """What was found in plain types; None for an error that is not finite."""
        return {
            "translations": "real",
            "domain": str(self.domain),
            "strict": str(self.strict),
            "invariance": str(self.invariance),
            "elements_measured": len(self.errors),
            "tolerance": finite(self.tol),
            "folded": self.folded,
            "removed": self.removed,
            "dtype": self.dtype,
            "elements": [
                {"element": str(g), "shift": in_plain_types(g.shift), "kept": g in self.strict, "error": finite(error)}
                for g, error in self.errors.items()
            ],
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """What was found as JSON text, also written to `path` if one is given."""
        return written(self.as_dict(), path, allow_nan=False)

    def _lines(self) -> Iterator[str]:
        measured = f"{len(self.errors)} shifts measured, {self.dtype}"
        yield f"{self.strict} on {self.domain}, invariant under {self.invariance} ({measured})"
        if self.tol > BREAKING:
            yield f"  cannot tell: rounding hides errors below {self.tol:.1e}; use float64, or other inputs"
        held = [error for g, error in self.errors.items() if g in self.strict]
        broken = {g: error for g, error in self.errors.items() if g not in self.strict}
        if held:
            yield f"  those that hold reach {max(held):.1e}; tolerance {self.tol:.1e}"
        if broken:
            g, error = min(broken.items(), key=lambda item: item[1])
            yield f"  those that break start at {error:.1e}, at {g}"
        yield from half_turns(self.folded, self.removed, self.tol)


def discover_shifts(
    fn: Any,
    domain: Domain,
    *,
    key: jax.Array | int,
    channels: int | None = None,
    denominator: int = 12,
    examples: int = 4,
    dtype: Any = jnp.float64,
    inputs: Any = None,
    jit: bool = True,
) -> DiscoveredShifts:
    """Find the real shifts τ for which `f(T_τ x)` is f(x), moved by τ · m/n nodes along an axis of n nodes to m.

    Inputs have no frequency at half a turn a node, and a shift multiplies frequency k by `exp(−2πi k τ / n)`. Along
    each axis that wraps around, `DRAWN` = 4 random shifts are tried; if all hold, R is reported. Of the others, those
    by multiples of 1 / `denominator` of a node that hold form a lattice, which is found as `discover` finds it: by its
    elements of prime order. Point operations, and shifts that move the output otherwise, are asked of `discover`.

    Args:
        fn: `[batch, *spatial, channels]` to an array of the same batch, with as many axes or none, or
            `net.bind(variables)`, or a `torch.nn.Module`. One shift moves all examples of a batch.
        domain: a finite domain; along bounded axes nothing is moved.
        key: a JAX key, or an int seed.
        channels: of the input, unless a network with its variables or `inputs` tell it.
        denominator: of the shifts; 12 tries halves, thirds, quarters, sixths and twelfths of a node.
        examples: how many inputs are moved. How much the output varies is read from at least 6.
        dtype, inputs, jit: as for `verify_shifts`.

    Raises:
        ValueError: if the domain is infinite or wraps around nowhere, or for options that make no sense.
        FloatingPointError: if the function returns NaN or inf.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.AliasFree(eq.Relu(), up=3), eq.IdealDownsample(2))
    >>> found = discover_shifts(net.bind(net.init(0, (8, 1))), eq.torus(8), channels=1, key=0)
    >>> print(found.strict)
    ⅓Z
    """
    as_domain(domain, "discover_shifts", finite=True)
    moving = [axis for axis, along in enumerate(domain.axes) if along.boundary == "periodic"]
    if not moving:
        raise ValueError(f"discover_shifts: {domain} wraps around along no axis: use a torus")
    as_function(fn, "discover_shifts measures a function of one array, such as net.bind(variables)")
    options = as_options(Options(key, examples, 1, dtype, jit, inputs=inputs), "discover_shifts")
    unit = as_integer(denominator, "discover_shifts: denominator", least=1, most=1 << 10)
    if channels is None:
        channels = told_channels("discover_shifts", fn, domain.sizes, inputs)
    width = as_integer(channels, "discover_shifts: channels", least=1, most=MOST)
    sizes, rng = [n or 1 for n in domain.sizes], np.random.default_rng(0)
    random = {axis: [random_shift([axis], sizes, rng) for _ in range(DRAWN)] for axis in moving}
    with precision(options.dtype):
        bench = make_phase_bench(fn, options, domain, width, None, "discover_shifts")
        output = _output(bench.y, domain)
        tol, tried = bench.tolerance([shifts[0] for shifts in random.values()]), _Tried(bench, domain, output)

        def found(errors: Callable[[Isometry], float]) -> RealGroup:
            def holds(g: Isometry) -> bool:
                return errors(g) <= tol <= BREAKING

            real = [axis for axis in moving if all(map(holds, random[axis]))]
            return _found(domain, moving, real, unit, holds)

        strict, invariance = found(tried.moving), found(tried.staying)
        folded = bench.folded(output)
    return DiscoveredShifts(
        domain,
        width,
        strict,
        invariance,
        output,
        {g: moves for g, (moves, _) in tried.errors.items()},
        tol,
        folded,
        bench.removed,
        jnp.dtype(options.dtype).name,
    )


@dataclass(frozen=True)
class _Tried:
    """The errors of shifts, each evaluated once: of the output moved in proportion, and of the output as it is."""

    bench: PhaseBench
    domain: Domain
    output: Domain
    errors: dict[Isometry, tuple[float, float]] = field(default_factory=dict)

    def _both(self, g: Isometry) -> tuple[float, float]:
        if g not in self.errors:
            y, h = self.bench.moved(g), in_proportion(g, rates(self.domain, self.output))
            moves = self.bench.error(y, Moves(self.output)(h, self.bench.y))
            self.errors[g] = moves, self.bench.error(y, self.bench.y)
        return self.errors[g]

    def moving(self, g: Isometry) -> float:
        return self._both(g)[0]

    def staying(self, g: Isometry) -> float:
        return self._both(g)[1]


def _output(y: np.ndarray, domain: Domain) -> Domain:
    """The grid of an output that has the axes of the input, or none.

    Raises:
        ValueError: if it has others.
    """
    sizes = y.shape[1:-1]
    if sizes and len(sizes) != domain.dim:
        raise ValueError(f"discover_shifts: an output has the axes of {domain}, or none; got shape {y.shape}")
    return Domain(tuple(Axis(n, axis.boundary) for n, axis in zip(sizes, domain.axes, strict=False)))


def _found(
    domain: Domain, moving: Sequence[int], real: Sequence[int], unit: int, holds: Callable[[Isometry], bool]
) -> RealGroup:
    """All shifts along the real axes, and the multiples of 1/unit that hold."""
    steps = [[int(i == axis) for i in range(domain.dim)] for axis in moving]
    known = [step for axis, step in zip(moving, steps, strict=True) if axis in real]
    periods = scaled_lattice(domain.periods, unit)
    whole = SpaceGroup.of_translations(Lattice.span(steps, domain.dim), periods + Lattice.span(known, domain.dim))

    def nodes(elements: Sequence[Isometry]) -> list[bool]:
        return [holds(Isometry.translation([Fraction(t, unit) for t in g.whole_shift])) for g in elements]

    lattice = search(whole, nodes, 1).lattice
    return RealGroup(SpaceGroup.of_translations(lattice, periods), unit, tuple(real))
