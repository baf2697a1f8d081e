"""The group of a black box, measured without a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet import markup
from equinet.checks import as_function, as_kind
from equinet.groups import Isometry, Lattice, Matrix, SpaceGroup, Vector, identity_matrix, matmul
from equinet.groups.domain import Domain, as_domain
from equinet.groups.fibre import told_channels
from equinet.verify.act import ChannelAction
from equinet.verify.bench import Bench, make_bench
from equinet.verify.claims import Claim
from equinet.verify.gauge import Hidden, hidden_lines
from equinet.verify.options import MEMORY, Options, as_options, by_its_framework
from equinet.verify.program import precision

STAGES, MORE = 3, 4
"""Searches, at most, and how many times as many inputs each takes as the one before."""
DRAWS = 3
"""Draws of inputs on which the generators are measured again after a search, where outputs take few values."""

Holds = Callable[[Sequence[Isometry]], list[bool]]


@dataclass(frozen=True, repr=False)
class Discovered:
    """The group that was found for a black box. It can serve as the claim of `verify`.

    Args:
        domain: of the input.
        channels: of the input.
        strict: all g with `f(g·x) = φ(g)·f(x)` for some isometry φ(g) of the output grid, the same for every input.
        invariance: those with `f(g·x) = f(x)`.
        images: φ of the generators of `strict`.
        output: the output grid.
        measured: how many elements were evaluated.
        tol: the largest relative error that counts as rounding.
        dtype: of the arithmetic.
        fibre: how point operations act on the channels of the output, as given.
        hidden: channels for which no verdict is possible, since rounding hides errors in them. If there are any, only
            the identity is reported.
        examples: on how many inputs each generator did what it is said to do.
    """

    domain: Domain
    channels: int
    strict: SpaceGroup
    invariance: SpaceGroup
    images: tuple[tuple[Isometry, Isometry], ...]
    output: Domain
    measured: int
    tol: float
    dtype: str
    fibre: ChannelAction | None = None
    hidden: tuple[Hidden, ...] = ()
    examples: int = 0

    def action(self, g: Isometry) -> Isometry:
        """φ(g), an isometry of the output grid: the product of the images along a word for g in the generators.

        It is unique up to output isometries that fix every output.

        Raises:
            ValueError: if g is not in `strict`.
        """
        if g not in self.strict:
            raise ValueError(f"({g}) is not in the group found, {self.strict}")
        images = dict(self.images)
        source, image = Isometry.identity(g.dim), Isometry.identity(self.output.dim)
        for letter in _word(self.strict, g.matrix):
            source, image = source * letter, image * images[letter]
        rest = [x - y for x, y in zip(g.whole_shift, source.whole_shift, strict=True)]
        for row in self.strict.lattice.basis:
            at = next(i for i, v in enumerate(row) if v)
            times = rest[at] // row[at]
            rest = [x - times * y for x, y in zip(rest, row, strict=True)]
            # A basis vector that is no generator is a period and acts as the identity.
            image = images.get(Isometry.translation(row), Isometry.identity(self.output.dim)) ** times * image
        return Isometry(image.matrix, self.output.periods.reduce(image.whole_shift))

    @property
    def told(self) -> str:
        """What the answer rests on."""
        return f"{self.measured} elements measured, each generator on {self.examples} inputs"

    def __repr__(self) -> str:
        return f"Discovered({self.domain}: strict {self.strict}, invariance {self.invariance})"

    def _repr_html_(self) -> str:
        return markup.block(
            markup.table((), [("equivariant under", str(self.strict)), ("invariant under", str(self.invariance))]),
            markup.quiet(f"on {self.domain}, {self.told}"),
            *(markup.line(line) for line in hidden_lines(self.hidden, self.dtype)),
            markup.folded("how generators act", markup.table(("element", "on the output"), _pairs(self.images))),
        )

    def __str__(self) -> str:
        lines = [f"{self.strict} on {self.domain}, invariant under {self.invariance} ({self.told})"]
        lines += [f"  ({g}) acts on the output as ({h})" for g, h in self.images]
        lines += hidden_lines(self.hidden, self.dtype)
        return "\n".join(lines)


def _pairs(images: Sequence[tuple[Isometry, Isometry]]) -> list[tuple[str, str]]:
    return [(str(g), str(h)) for g, h in images]


def discover(
    fn: Callable[[Any], Any],
    domain: Domain,
    *,
    key: jax.Array | int,
    channels: int | None = None,
    fibre: ChannelAction | None = None,
    output: Domain | None = None,
    batch: int = 2,
    trials: int = 8,
    dtype: Any = jnp.float32,
    jit: bool = True,
    chunk: int | None = None,
    memory: int = MEMORY,
    tol: float | None = None,
    inputs: Any = None,
    progress: bool | None = None,
) -> Discovered:
    """Find the largest group of isometries that act on the output of `fn`, and how.

    An element holds if one isometry of the output grid explains f(g·x) for all examples; see `verify` for errors and
    tolerance. The translations that hold form a lattice. The search enlarges a sublattice T of it: as long as some
    translation outside T holds, one of prime order modulo T holds. So only the lines of order p in Z^d / T are tested,
    for the primes p that divide its index: a few dozen evaluations, sheared lattices included. Then each point
    operation is tested with its possible shifts modulo T (those whose powers and conjugates stay within what was
    found), until one holds.

    What is found is what no input refuted. An output that takes few values, as labels do, may show a break on a few
    inputs only: then the generators are measured on three times as many others, and if one breaks there, the search
    starts again on four times as many inputs, twice at most. The answer says on how many inputs each generator held.

    Args:
        fn: `[batch, *spatial, channels]` to an array of the same batch, or `net.bind(variables)`, or a
            `torch.nn.Module`. It treats each example by itself.
        domain: a finite domain.
        key: a JAX key, or an int seed.
        channels: of the input; a `Fibre` if point operations act on them (then only those of its group are tested).
            A network with its variables tells it, and so do `inputs`.
        fibre: how point operations act on the channels of the output; None: trivially.
        output: the output grid, unless it has the sizes of the output array and the boundaries of the input.
        batch, trials, dtype, jit, chunk, memory, tol, inputs, progress: as for `verify`.

    Raises:
        ValueError: if the domain is infinite, or as for `verify`.
        FloatingPointError: if the function returns NaN or inf.

    >>> from equinet.groups.domain import torus
    >>> found = discover(lambda x: x[:, ::2], torus(8), channels=1, key=0)
    >>> str(found.strict.lattice), str(found.action(Isometry.translation((4,))))
    ('2Z', 'x+2')
    """
    as_domain(domain, "discover", finite=True)
    options = as_options(Options(key, batch, trials, dtype, jit, chunk, memory, tol, inputs, progress), "discover")
    fn, options = by_its_framework(fn, options)
    if fibre is not None:
        as_function(fibre, "discover: fibre is a function of a point operation, such as a Fibre")
    if output is not None:
        as_kind(output, Domain, "discover: output is the output's grid, such as torus(16, 16)")
    if channels is None:
        channels = told_channels("discover", fn, domain.sizes, inputs)
    claim = Claim(domain, channels, SpaceGroup.trivial(domain.dim, domain.periods), output=output, fibre=fibre)
    with precision(options.dtype):
        found = _Found.by(make_bench(fn, claim, options))
        for stage in range(1, STAGES):
            if found.holds_on(options.anew(DRAWS * stage + draw) for draw in range(DRAWS)):
                break
            options = replace(options.anew(DRAWS * stage), trials=MORE * options.trials)
            found = _Found.by(make_bench(fn, claim, options), measured=found.measured)
    return Discovered(
        domain=domain,
        channels=channels,
        fibre=fibre,
        strict=found.strict,
        invariance=found.invariance,
        images=found.images,
        output=found.bench.grid,
        measured=found.measured,
        tol=found.bench.probe.tol,
        dtype=found.bench.probe.runner.dtype.name,
        hidden=found.bench.probe.hidden,
        examples=found.examples,
    )


@dataclass
class _Found:
    """What a search on some inputs found: groups, how generators act, and on how many examples they were seen to."""

    bench: Bench
    strict: SpaceGroup
    invariance: SpaceGroup
    images: tuple[tuple[Isometry, Isometry], ...]
    measured: int
    examples: int

    @staticmethod
    def by(bench: Bench, *, measured: int = 0) -> _Found:
        """Searched on a bench, after so many elements."""
        claim = bench.claim
        bench.probe.check_apart()
        bench = bench.where_choices_are_possible(claim.whole, acts=False)
        probe, limit, hidden = bench.probe, bench.probe.tol, bench.probe.hidden
        explain = bench.explainer(limit)

        def acts(elements: Sequence[Isometry]) -> list[bool]:
            nonlocal measured
            measured += len(elements)
            return [error <= limit and not hidden for error, _ in explain(elements)]

        def fixes(elements: Sequence[Isometry]) -> list[bool]:
            nonlocal measured
            measured += len(elements)
            return [error <= limit for error in _errors_of_rest(bench, elements)]

        strict = search(claim.whole, acts, probe.runner.chunk)
        is_alone = bench.grid.dim == 0 and claim.fibre is None
        invariance = strict if is_alone else search(strict, fixes, probe.runner.chunk)
        images = zip(strict.generators, [h for _, h in explain(strict.generators)], strict=True)
        return _Found(bench, strict, invariance, tuple(images), measured, probe.trials * probe.runner.batch)

    def holds_on(self, others: Iterable[Options]) -> bool:
        """Whether the generators do what they did on other inputs too, if outputs take so few values that a break may
        not have shown."""
        if not self.images or not _is_few_valued(self.bench.probe.references):
            return True
        for options in others:
            bench = self.bench.on_others(options).where_choices_are_possible(self.bench.claim.whole, acts=False)
            errors = bench.probe.worst(*zip(*self.images, strict=True))
            errors += _errors_of_rest(bench, self.invariance.generators)
            self.measured += len(errors)
            if max(errors) > bench.probe.tol and not bench.probe.hidden:
                return False
            self.examples += bench.probe.trials * options.batch
        return True


def _errors_of_rest(bench: Bench, elements: Sequence[Isometry]) -> list[float]:
    """How far elements are from changing nothing."""
    point = Isometry.identity(bench.grid.dim)
    return bench.probe.worst(elements, [point] * len(elements), still=True)


def _is_few_valued(outputs: np.ndarray) -> bool:
    """Whether a fourth of the numbers are others again, as of labels or thresholds."""
    return 4 * len(np.unique(outputs)) <= 3 * outputs.size


def search(whole: SpaceGroup, holds: Holds, chunk: int) -> SpaceGroup:
    """The largest subgroup of `whole` whose elements hold, asked for in blocks of `chunk`."""
    lattice = _search_lattice(whole, holds)
    found = SpaceGroup.of_translations(lattice, whole.periods)
    for matrix, start in whole.operations:
        if matrix in found.point_group or lattice.image(matrix) != lattice:
            continue
        shifts = (
            tuple(x + y for x, y in zip(start, step, strict=True)) for step in whole.lattice.representatives(lattice)
        )
        possible = [Isometry(matrix, whole.periods.reduce(lattice.reduce(shift))) for shift in shifts]
        possible = [
            g
            for g in possible
            if SpaceGroup.generate(whole.dim, [*found.generators, g], whole.periods).lattice == lattice
        ]
        for start_at in range(0, len(possible), chunk):
            block = possible[start_at : start_at + chunk]
            g = next((g for g, ok in zip(block, holds(block), strict=True) if ok), None)
            if g is not None:
                found = SpaceGroup.generate(whole.dim, [*found.generators, g], whole.periods)
                break
    return found


def _search_lattice(whole: SpaceGroup, holds: Holds) -> Lattice:
    lattice = whole.periods
    while True:
        index = lattice.index_in(whole.lattice)
        assert index is not None, "a finite domain has a finite index"
        candidates = [
            Isometry.translation(lattice.reduce(v)) for p in _primes(index) for v in _lines(lattice, whole.lattice, p)
        ]
        kept = [g.whole_shift for g, ok in zip(candidates, holds(candidates), strict=True) if ok] if candidates else []
        if not kept:
            return lattice
        lattice = lattice + Lattice.span(kept, lattice.dim)


def _lines(lattice: Lattice, whole: Lattice, p: int) -> Iterator[Vector]:
    """One vector v of `whole` for each subgroup of order p of whole / lattice."""
    for lead in range(lattice.rank):
        for tail in product(range(p), repeat=lattice.rank - lead - 1):
            weights = (*(0,) * lead, 1, *tail)
            total = [sum(w * row[i] for w, row in zip(weights, lattice.basis, strict=True)) for i in range(lattice.dim)]
            if all(v % p == 0 for v in total):
                v = tuple(x // p for x in total)
                if v in whole:
                    yield v


def _primes(n: int) -> list[int]:
    return [p for p in range(2, n + 1) if n % p == 0 and all(p % q for q in range(2, isqrt(p) + 1))]


def _word(group: SpaceGroup, matrix: Matrix) -> list[Isometry]:
    """Generators of `group` whose product has the given point operation."""
    letters = [g for g in group.generators if not g.is_translation]
    words: dict[Matrix, list[Isometry]] = {identity_matrix(group.dim): []}
    queue = [identity_matrix(group.dim)]
    for a in queue:
        for letter in letters:
            product = matmul(a, letter.matrix)
            if product not in words:
                words[product] = [*words[a], letter]
                queue.append(product)
    return words[matrix]
