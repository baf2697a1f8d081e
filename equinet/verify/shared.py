"""Outputs for many elements, each part of a network evaluated once per coset of the group that is kept up to there.

Let v_k be what stage k of a network returns, and H_k the group that acts on it: `v_k(h·x) = φ_k(h)·v_k(x)`. For all
elements h r of a coset `H_k r` the value is known from that of r, by moving its entries. So stage k + 1 reads
`φ_k(h)·v_k(r·x)`, and stage k runs once per coset, however many elements are asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Protocol

import numpy as np

from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain
from equinet.verify.cosets import coset, word_length
from equinet.verify.gauge import gauge
from equinet.verify.probe import Probe, check_finite
from equinet.verify.program import difference, make_move, move
from equinet.verify.progress import progress_bar
from equinet.verify.runner import Job, Runner

CHECKED = 2
"""Batches on which each stage's group is measured."""


class Prefix(Protocol):
    """What is known of a network up to and including a stage; a `Certificate` says it."""

    @property
    def strict(self) -> SpaceGroup:
        """The group that acts on the value."""
        ...

    @property
    def output(self) -> Domain:
        """The value's grid."""
        ...

    @property
    def fibre(self) -> Any:
        """The value's channels: a number, or a `ChannelAction` too."""
        ...

    def action(self, g: Isometry) -> Isometry:
        """How an element moves the value's grid."""
        ...


class Stage(Protocol):
    """A part of a network: a bound layer, and what is known of the network up to and including it."""

    @property
    def fn(self) -> Callable[[Any], Any]:
        """The part."""
        ...

    @property
    def upto(self) -> Prefix:
        """The network up to it."""
        ...


class Amplified(Exception):
    """A stage's error within its tolerance is more than that at the end of the network."""


@dataclass(frozen=True)
class Cut:
    """A place where values are kept: after stage `after`, `group` acting on them."""

    after: int
    group: SpaceGroup
    prefix: Prefix

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the values' grid."""
        return tuple(n for n in self.prefix.output.sizes if n is not None)


@dataclass(frozen=True)
class Moves:
    """Inputs of a stage: for each, which kept value is moved, by what, and the element that stands for it."""

    which: list[int]
    by: list[Isometry]
    elements: list[Isometry]


@dataclass(frozen=True, eq=False)
class Shared:
    """A network in stages, and where its values are kept.

    Attributes:
        probe: of the network, its program in these stages.
        cuts: where.
        slack: the most that the errors of the cuts' groups add up to.
    """

    probe: Probe
    cuts: tuple[Cut, ...]
    slack: float

    def measure(self, elements: Sequence[Isometry]) -> Iterator[tuple[float, np.ndarray]]:
        """What `Probe.measure` says of each element on the first batch of the bank, under the output's identity.

        Some elements, as many as a chunk has, are measured without sharing too.

        Raises:
            FloatingPointError: if one is NaN or infinite.
            Amplified: the two differ by more than the groups of the stages allow.
        """
        if not elements:
            return
        probe, runner, wanted, plan = self.probe, self.probe.runner, list(elements), []
        _, still = runner.one
        sample = elements[:: -(-len(elements) // runner.chunk)]
        direct = dict(zip(sample, probe.outputs([Job(g, still) for g in sample]), strict=True))
        for cut in reversed(self.cuts):
            moves, wanted = _share(wanted, cut)
            plan.append(moves)
        plan.append(Moves([0] * len(wanted), wanted, wanted))
        values, start = _inputs(probe), 0
        with progress_bar(sum(-(-len(m.which) // runner.chunk) for m in plan), runner.progress) as advance:
            for cut, moves in zip(self.cuts, reversed(plan), strict=False):
                values, start = _after(runner, cut, start, values, moves, advance), cut.after + 1
            last = _through(runner, start, len(runner.program.stages), values, plan[0], advance)
            for y, part in zip(last, runner.chunks(elements), strict=True):
                back = make_move([0] * len(part), [still] * len(part), runner.back, [g.inverse() for g in part])
                errors, finite, y = difference(
                    np, y, probe.references, probe.gauge.unit, back, out_sizes=runner.out_sizes, bounds=runner.bounds
                )
                for at, g in enumerate(part):
                    check_finite(bool(finite[at]), g)
                    if g in direct and (np.abs(y[at] - direct[g]) / probe.unit[0]).max() > probe.tol + self.slack:
                        raise Amplified
                    yield float(errors[at]), y[at]


def make_shared(probe: Probe, stages: Sequence[Stage], whole: SpaceGroup, claimed: SpaceGroup, memory: int) -> Shared:
    """Choose where to keep values: after a stage whose group is larger than that after the next, holds on `CHECKED`
    batches at the stage's own tolerance, if the values of all its cosets take at most `memory` bytes.

    Args:
        probe: of the network, its program in these stages.
        stages: the parts.
        whole: the group whose elements will be asked for.
        claimed: the group kept by all of the network.
        memory: bytes.
    """
    cuts, slack = [], 0.0
    for cut, error, size in _errors(probe, possible_cuts(stages, whole, claimed)):
        if error is not None and cosets(cut.group, whole) * size <= memory:
            slack += (word_length(cut.group) or 0) * error
            cuts.append(cut)
    return Shared(probe, tuple(cuts), slack)


def _errors(probe: Probe, cuts: Sequence[Cut]) -> Iterator[tuple[Cut, float | None, int]]:
    """Each cut with the largest error of its group's generators, None if they do not hold, and an element's bytes."""
    trials, asked = range(min(CHECKED, probe.trials)), _asked(cuts)
    one, _ = probe.runner.one
    first = len(probe.inputs.batches)
    which = [*trials, *(first + k for k in trials), *(k for _ in asked for k in trials)]
    elements = [one] * (2 * len(trials)) + [g for g in asked for _ in trials]
    values, start, moves = _inputs(probe), 0, Moves(which, elements, elements)
    for cut in cuts:
        values, start = _after(probe.runner, cut, start, values, moves), cut.after + 1
        # They have been moved already.
        values = replace(values, channels=None)
        moves = Moves(list(range(len(elements))), [Isometry.identity(len(cut.sizes))] * len(elements), elements)
        yield cut, _error(probe, cut, values.array, asked, len(trials)), values.array[0].nbytes


def _error(probe: Probe, cut: Cut, values: np.ndarray, asked: Sequence[Isometry], trials: int) -> float | None:
    """The largest error of the generators of a cut's group, None if it is beyond the tolerance or cannot be told."""
    kept, nudged, moved = np.split(values, [trials, 2 * trials])
    generators = [g for g in asked if g in cut.group.generators]
    if not generators:
        return 0.0
    of = [at * trials + k for at, g in enumerate(asked) if g in cut.group.generators for k in range(trials)]
    images = [cut.prefix.action(g) for g in generators for _ in range(trials)]
    sources = [g.inverse() for g in generators for _ in range(trials)]
    back = make_move(list(range(trials)) * len(generators), images, cut.prefix.fibre, sources)
    found = gauge(kept, nudged, probe.inputs.generic[:trials], probe.runner.eps)
    if found.chaotic:
        return None
    errors, _, _ = difference(np, moved[of], kept, found.unit, back, out_sizes=cut.sizes, bounds=None)
    error, tol = float(errors.max()), found.tol
    if error <= tol:
        return error
    warnings.warn(
        f"up to stage {cut.after} the network is said to keep {cut.group}, and breaks it by {error:.1e} "
        f"(tolerance {tol:.1e}): no work is shared there",
        stacklevel=2,
    )
    return None


@dataclass(frozen=True, eq=False)
class Values:
    """What enters a stage: an array `[entries, batch, P, C]`, its grid, and its channels."""

    array: Any
    sizes: tuple[int, ...]
    channels: Any


def _inputs(probe: Probe) -> Values:
    return Values(probe.bank.inputs, probe.runner.sizes, probe.runner.channels)


def _after(
    runner: Runner, cut: Cut, start: int, values: Values, moves: Moves, advance: Callable[[], object] = lambda: None
) -> Values:
    """The values at a cut."""
    y = np.concatenate(list(_through(runner, start, cut.after + 1, values, moves, advance)))
    array = y.reshape(-1, runner.batch, prod(cut.sizes), y[0].size // prod(cut.sizes))
    return Values(array, cut.sizes, cut.prefix.fibre)


def _through(
    runner: Runner, start: int, end: int, values: Values, moves: Moves, advance: Callable[[], object]
) -> Iterator[np.ndarray]:
    """Stages from `start` to `end` on moved values, a chunk at a time."""
    array, program = runner.kept(values.array), runner.program
    for part in runner.chunks(range(len(moves.which))):
        padded = [*part, *[part[-1]] * (runner.chunk - len(part))]
        which, by, elements = ([of[at] for at in padded] for of in (moves.which, moves.by, moves.elements))
        x = move(array, runner.placed(make_move(which, by, values.channels, elements)), sizes=values.sizes)
        for evaluate, variables in zip(program.stages[start:end], program.variables[start:end], strict=True):
            x = evaluate(variables, x)
        yield np.asarray(x)[: len(part) * runner.batch]
        advance()


def possible_cuts(stages: Sequence[Stage], whole: SpaceGroup, claimed: SpaceGroup) -> list[Cut]:
    """Where values might be kept: after each stage whose group is larger than that after the next."""
    groups = [stage.upto.strict & whole for stage in stages[:-1]]
    cuts = [Cut(k, group, stages[k].upto) for k, group in enumerate(groups)]
    return [cut for cut, after in zip(cuts, [*groups, claimed][1:], strict=True) if cut.group != after]


def cosets(group: SpaceGroup, whole: SpaceGroup) -> int:
    """How many there are of a subgroup of a finite group."""
    index = group.index_in(whole)
    assert index is not None, "a finite domain has a finite index"
    return index


def runs(stages: Sequence[Stage], whole: SpaceGroup, claimed: SpaceGroup, trials: int) -> list[int]:
    """About how many elements each part will run on: those that check groups, then one of each coset."""
    cuts = possible_cuts(stages, whole, claimed)
    checks = min(CHECKED, trials) * (3 + len(_asked(cuts)))
    return [checks, *(cosets(group, whole) for group in (*(cut.group for cut in cuts), claimed))]


def _asked(cuts: Sequence[Cut]) -> list[Isometry]:
    """The generators of all groups."""
    return list(dict.fromkeys(g for cut in cuts for g in cut.group.generators))


def _share(wanted: Sequence[Isometry], cut: Cut) -> tuple[Moves, list[Isometry]]:
    """What moves the values of few elements to those of all that are wanted, and the few."""
    places: dict[Any, int] = {}
    kept: list[Isometry] = []
    which, elements = [], []
    for g in wanted:
        at = places.setdefault(coset(g, cut.group), len(kept))
        if at == len(kept):
            kept.append(g)
        which.append(at)
        elements.append(g * kept[at].inverse())
    return Moves(which, [cut.prefix.action(h) for h in elements], elements), kept
