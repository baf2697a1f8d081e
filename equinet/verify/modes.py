"""How elements are chosen: all of them, generators, or one of each coset."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from equinet.groups import Isometry, SpaceGroup
from equinet.verify.bench import Bench
from equinet.verify.cosets import doublings, half_turns, outside_cosets, word_length
from equinet.verify.report import Report
from equinet.verify.runner import Job
from equinet.verify.shared import Amplified, Stage, make_shared

KEPT = 1 << 14
"""Groups up to this order keep their list of elements for the next sweep."""


def by_elements(bench: Bench) -> Report:
    """Every element of the domain's group."""
    claim, probe = bench.claim, bench.probe
    whole = claim.whole
    split = _split if whole.order is not None and whole.order <= KEPT else _split.__wrapped__
    claimed, outside = split(whole, claim.group)
    point = Isometry.identity(bench.grid.dim)
    actions = {g: bench.action(g) for g in claimed}
    # Elements take the batches in turn, in no order of their own; generators take all, for what fails seldom.
    turns = np.random.default_rng(0).integers(probe.trials, size=len(claimed)).tolist()
    sure = [g for g in claim.group.generators if g in actions]
    jobs = [Job(g, h, k) for (g, h), k in zip(actions.items(), turns, strict=True)]
    jobs += [Job(g, actions[g], k) for g in sure for k in range(probe.trials)]
    jobs += [Job(g, point) for g in outside]
    explainer, errors, matches = bench.explainer(probe.tol), dict.fromkeys(claimed, 0.0), []
    # One run for all, so that all chunks but the last are full.
    for job, (error, y) in zip(jobs, probe.measure(jobs), strict=True):
        if job.g in actions:
            errors[job.g] = max(error, errors[job.g])
        else:
            matches.append(explainer.first(error, y))
    explained = dict(zip(outside, explainer.confirm(outside, matches), strict=True))
    errors |= {g: error for g, (error, _) in explained.items()}
    actions |= {g: h for g, (_, h) in explained.items()}
    return make_report(bench, "sweep", errors, actions, measured_outside=True)


@lru_cache(maxsize=4)
def _split(whole: SpaceGroup, claimed: SpaceGroup) -> tuple[tuple[Isometry, ...], tuple[Isometry, ...]]:
    """The elements of a finite group inside and outside a claimed one."""
    inside: list[Isometry] = []
    outside: list[Isometry] = []
    for g in whole.elements():
        (inside if g in claimed else outside).append(g)
    return tuple(inside), tuple(outside)


@dataclass(frozen=True)
class Claimed:
    """Errors of claimed elements: of generators, and of elements far from them.

    Attributes:
        errors: of generators, and of products for which they do not vouch.
        far: of elements far away, where all of those hold.
        actions: the output isometry of each.
        bound: the most that any claimed element can have, None if that is infinite.
    """

    errors: dict[Isometry, float]
    far: dict[Isometry, float]
    actions: dict[Isometry, Isometry]
    bound: float | None


def by_generators(bench: Bench, generators: Sequence[Isometry]) -> Report:
    """The claimed group by its generators."""
    found = _claimed(bench, generators)
    return make_report(bench, "generators", found.errors, found.actions, far=found.far, bound=found.bound)


def by_cosets(bench: Bench, generators: Sequence[Isometry], mode: str, stages: Sequence[Stage], memory: int) -> Report:
    """The claimed group by its generators, then one element of each coset outside; `stages` share work if given."""
    claim, probe = bench.claim, bench.probe
    shared = make_shared(probe, stages, claim.whole, claim.group, memory) if stages else None
    found = _claimed(bench, generators)
    bound = found.bound if shared is None else (found.bound or 0.0) + shared.slack
    holds = max((*found.errors.values(), *found.far.values())) <= probe.tol
    explain = bench.explainer(probe.tol + (bound or 0.0) if holds else probe.tol)
    outside = list(dict.fromkeys(bench.align(g) for g in outside_cosets(claim.whole, claim.group)))
    try:
        explained = explain(outside, None if shared is None else shared.measure(outside))
    except Amplified:
        warnings.warn(
            "a stage keeps its group to its own tolerance, and what it leaves is amplified by those that follow: no "
            "work is shared",
            stacklevel=4,
        )
        explained = explain(outside)
    errors = found.errors | {g: error for g, (error, _) in zip(outside, explained, strict=True)}
    actions = found.actions | {g: h for g, (_, h) in zip(outside, explained, strict=True)}
    return make_report(bench, mode, errors, actions, far=found.far, measured_outside=True, bound=bound)


def _claimed(bench: Bench, generators: Sequence[Isometry]) -> Claimed:
    claim, probe, canvas = bench.claim, bench.probe, bench.canvas
    aligned = [bench.align(g) for g in generators]
    if canvas is None:
        far, halves = doublings(claim.group), half_turns(claim.group)
    else:
        canvas.check_overlap([bench.action(g) for g in aligned], probe.runner.out_sizes)
        far = halves = canvas.far(probe.runner.out_sizes)
    actions = {g: bench.action(g) for g in aligned}
    actions |= {g: bench.action(g) for g in map(bench.align, _doubtful_products(bench, aligned))}
    beyond = {g: bench.action(g) for g in (*far, *halves) if g not in actions}
    jobs = [Job(g, h, k) for g, h in actions.items() for k in range(probe.trials)]
    # Errors of generators add up; what they add up to is seen on one batch for each element far away. Which of equal
    # values comes first is seen from farthest away.
    once = [Job(g, h, at % probe.trials) for at, (g, h) in enumerate(beyond.items()) if g not in halves]
    once += [Job(g, beyond[g], k) for g in halves if g in beyond for k in probe.inputs.entries_of("few-valued", "tied")]
    worst = dict.fromkeys([*actions, *beyond], 0.0)
    for job, error in zip([*jobs, *once], probe.errors([*jobs, *once]), strict=True):
        worst[job.g] = max(error, worst[job.g])
    errors = {g: worst[g] for g in actions}
    seen = {job.g: worst[job.g] for job in once} if max(errors.values()) <= probe.tol else {}
    length = word_length(claim.group, doubled=canvas is None)
    bound = None if length is None else length * max((*errors.values(), *seen.values()))
    return Claimed(errors, seen, actions | {g: beyond[g] for g in seen}, bound)


def _doubtful_products(bench: Bench, generators: Sequence[Isometry]) -> list[Isometry]:
    """Products g k of two generators for which φ(g k) is not φ(g) φ(k): no generator vouches for them."""
    periods, identity, found = bench.grid.periods, Isometry.identity(bench.grid.dim), []
    for g in generators:
        for k in generators:
            ratio = bench.action(g * k).inverse() * bench.action(g) * bench.action(k)
            if ratio.matrix != identity.matrix or ratio.whole_shift not in periods:
                product = g * k
                found.append(Isometry(product.matrix, bench.claim.domain.periods.reduce(product.whole_shift)))
    return found


def make_report(
    bench: Bench,
    mode: str,
    errors: dict[Isometry, float],
    actions: dict[Isometry, Isometry],
    *,
    measured_outside: bool = False,
    far: dict[Isometry, float] | None = None,
    bound: float | None = None,
) -> Report:
    """The report of measured elements; if one fails, with the channel in which it does.

    Raises:
        ValueError: if one fails since the function mixes the examples of a batch.
    """
    claim, probe, runner = bench.claim, bench.probe, bench.probe.runner
    report = Report(
        mode=mode,
        domain=claim.domain,
        group=claim.group,
        errors=errors,
        actions=actions,
        tol=probe.tol,
        floor=probe.gauge.floor,
        scale=probe.gauge.scale,
        dtype=runner.dtype.name,
        sizes=runner.sizes,
        returned=bench.returned,
        measured_outside=measured_outside,
        bound=bound,
        examples=runner.batch * probe.trials,
        far=far or {},
        hidden=probe.hidden,
        constant=bool((probe.references == probe.references[:1, :1, :1]).all()),
    )
    if not report.passed:
        # Elements of one chunk are not moved alike.
        probe.check_apart()
    if report.sound is not False:
        return report
    worst, _ = report.worst
    return replace(report, culprit=bench.blame(worst, actions[worst]))
