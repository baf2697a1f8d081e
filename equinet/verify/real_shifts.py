"""Claims about real shifts put to the test, by phases on inputs whose frequencies real shifts act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_function, as_kind, shown
from equinet.groups import Isometry, RealGroup
from equinet.groups.domain import Domain
from equinet.groups.isometry import in_plain_types
from equinet.verify.gauge import BREAKING
from equinet.verify.options import Options, as_options
from equinet.verify.phases import DRAWN, Moves, half_turns, in_proportion, make_phase_bench, random_shift, rates
from equinet.verify.plain import finite, no_axes_lines, written
from equinet.verify.program import precision


@dataclass(frozen=True)
class RealReport:
    """The errors of real shifts, measured.

    Attributes:
        domain: of the input.
        group: the claimed group.
        errors: of each claimed element that was tried, relative to how much the output varies; largest over channels.
        outside: of shifts half as long as the least that is claimed, moved as the others are.
        tol: the largest error that counts as rounding: 8 times what is changed by a shift of the input there and back,
            by inputs that differ in the last place, or in the last place of the outputs.
        folded: the share of the output's variation at half a turn a node, which fractions of a node cannot move: the
            floor under what they can show. 0 where it has no such frequency.
        removed: that share of the inputs given, which was taken from them.
        dtype: of the arithmetic.
        output: the grid of the output that is claimed.
        returned: the shape of the output for one input.
    """

    domain: Domain
    group: RealGroup
    errors: Mapping[Isometry, float]
    outside: Mapping[Isometry, float]
    tol: float
    folded: float
    removed: float
    dtype: str
    output: Domain
    returned: tuple[int, ...]

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
            "returned": list(self.returned),
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
        if self.verdict == "failed":
            yield from no_axes_lines(self.output.dim, self.returned)
        if self.outside:
            least, smallest = min(self.outside.items(), key=lambda item: item[1])
            yield f"  outside: {len(self.outside)} shifts, smallest error {smallest:.1e} at {least}"
        yield from half_turns(self.folded, self.removed, self.tol)


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
        fn: as for `verify`. One shift moves all examples of a batch, so one that mixes them is not refused.
        claim: a `RealCertificate`, or what has its `domain`, `channels`, `strict`, `action`, `output` and `fibre`.
        key: a JAX key, or an int seed.
        examples: how many inputs are moved. How much the output varies is read from at least 6.
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
    fibres: list[Any] = [f if callable(f) else None for f in (claim.channels, claim.fibre)]
    with precision(options.dtype):
        bench = make_phase_bench(fn, options, domain, int(claim.channels), fibres[0], "verify_shifts")
        output = claim.output if claim.output.dim else Domain(())
        if output.dim and bench.y.shape[1:-1] != output.sizes:
            raise ValueError(f"the claim says that the output lies on {output}; got sizes {bench.y.shape[1:-1]}")
        back = Moves(output, fibres[1])
        elements, outside = _elements(group, np.random.default_rng(0)), _outside(group)
        actions = {g: claim.action(g) for g in elements}
        actions |= {g: in_proportion(g, rates(domain, output)) for g in outside}
        errors = {g: bench.error(bench.moved(g), back(h, bench.y, g.matrix)) for g, h in actions.items()}
        tol = bench.tolerance(elements)
    return RealReport(
        domain,
        group,
        {g: errors[g] for g in elements},
        {g: errors[g] for g in outside},
        tol,
        bench.folded(output),
        bench.removed,
        jnp.dtype(options.dtype).name,
        output,
        bench.y.shape[1:],
    )


def _elements(group: RealGroup, rng: np.random.Generator) -> list[Isometry]:
    """The identity, generators, random shifts along the real axes, and products of the two."""
    found = [Isometry.identity(group.dim), *group.generators]
    sizes = [max((abs(row[axis]) for row in group.periods.basis), default=1) or 1 for axis in range(group.dim)]
    found += [random_shift([axis], sizes, rng) for axis in group.real for _ in range(DRAWN)]
    return [*found, *(random_shift(group.real, sizes, rng) * g for g in found if group.real)]


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
