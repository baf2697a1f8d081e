"""Outputs for many elements, each part of a network evaluated once per coset of the group that is kept up to there.

Let v_k be what stage k of a network returns, and H_k the group that acts on it: `v_k(h·x) = φ_k(h)·v_k(x)`. For all
elements h r of a coset `H_k r` the value is known from that of r, by moving its entries. So stage k + 1 reads
`φ_k(h)·v_k(r·x)`, and stage k runs once per coset, however many elements are asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, Protocol, cast

import numpy as np

from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain
from equinet.verify.act import ChannelAction, pack, pack_channels
from equinet.verify.cosets import coset, word_length
from equinet.verify.gauge import gauge
from equinet.verify.probe import Job, Probe, progress_bar
from equinet.verify.program import difference, move

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

    @property
    def channels(self) -> ChannelAction | None:
        """What point operations do to the values' channels."""
        fibre = self.prefix.fibre
        return cast(ChannelAction, fibre) if callable(fibre) else None

    def kept(self, y: np.ndarray, batch: int) -> np.ndarray:
        """`[inputs, batch, P, C]` from an array `[inputs · batch, …]`."""
        return y.reshape(-1, batch, prod(self.sizes), y[0].size // prod(self.sizes))


@dataclass(frozen=True)
class Moves:
    """Inputs of a stage: for each, which kept value is moved, by what, and the element that stands for it."""

    which: list[int]
    by: list[Isometry]
    elements: list[Isometry]


class Shared:
    """A network in stages. Values are kept after a stage if its group is larger than that after the next, holds on
    `CHECKED` batches at the stage's own tolerance, and the values of all its cosets take at most `memory` bytes.

    Args:
        probe: of the network, its program in these stages.
        stages: the parts.
        whole: the group whose elements will be asked for.
        claimed: the group kept by all of the network.
        memory: bytes.
    """

    def __init__(
        self, probe: Probe, stages: Sequence[Stage], whole: SpaceGroup, claimed: SpaceGroup, memory: int
    ) -> None:
        self.probe, self.stages = probe, stages
        self.slack, self.cuts = 0.0, []
        for cut, error, values in self._measured(possible_cuts(stages, whole, claimed)):
            if error is None or cosets(cut.group, whole) * values.nbytes // len(values) > memory:
                continue
            self.slack += (word_length(cut.group) or 0) * error
            self.cuts.append(cut)

    def _measured(self, cuts: Sequence[Cut]) -> Iterator[tuple[Cut, float | None, np.ndarray]]:
        """Each cut with the largest error of its group's generators, None if they do not hold, and some values."""
        probe, trials = self.probe, range(min(CHECKED, self.probe.trials))
        one = Isometry.identity(len(probe.sizes))
        asked = _asked(cuts)
        first = len(probe.inputs.batches)
        which = [*trials, *(first + k for k in trials), *(k for _ in asked for k in trials)]
        elements = [one] * (2 * len(trials)) + [g for g in asked for _ in trials]
        values, start, moves = probe.bank, 0, Moves(which, elements, elements)
        sizes, channels = probe.sizes, probe.into
        for cut in cuts:
            reached = list(self._through(start, cut.after + 1, values, sizes, channels, moves))
            values = cut.kept(np.concatenate(reached), probe.batch)
            yield cut, self._error(cut, values, asked, len(trials)), values
            start, sizes, channels = cut.after + 1, cut.sizes, None
            moves = Moves(list(range(len(elements))), [Isometry.identity(len(sizes))] * len(elements), elements)

    def _error(self, cut: Cut, values: np.ndarray, asked: Sequence[Isometry], trials: int) -> float | None:
        kept, nudged, moved = np.split(values, [trials, 2 * trials])
        generators = [g for g in asked if g in cut.group.generators]
        if not generators:
            return 0.0
        of = [at * trials + k for at, g in enumerate(asked) if g in cut.group.generators for k in range(trials)]
        images = [cut.prefix.action(g) for g in generators for _ in range(trials)]
        sources = [g.inverse() for g in generators for _ in range(trials)]
        back = None if cut.channels is None else pack_channels(cut.channels, sources)
        which = np.array(list(range(trials)) * len(generators))
        probe = self.probe
        found = gauge(kept, nudged, probe.inputs.generic[:trials], probe.eps)
        if found.chaotic:
            return None
        errors, _, _ = difference(
            np, moved[of], kept, found.unit, which, pack(images), back, out_sizes=cut.sizes, bounds=None
        )
        error, tol = float(errors.max()), found.tol
        if error <= tol:
            return error
        warnings.warn(
            f"up to stage {cut.after} the network is said to keep {cut.group}, and breaks it by {error:.1e} "
            f"(tolerance {tol:.1e}): no work is shared there",
            stacklevel=2,
        )
        return None

    def measure(self, elements: Sequence[Isometry]) -> Iterator[tuple[float, np.ndarray]]:
        """What `Probe.measure` says of each element on the first batch of the bank, under the output's identity.

        Some elements, as many as a chunk has, are measured without sharing too.

        Raises:
            FloatingPointError: if one is NaN or infinite.
            Amplified: the two differ by more than the groups of the stages allow.
        """
        if not elements:
            return
        probe, wanted, plan = self.probe, list(elements), []
        still = Isometry.identity(len(probe.out_sizes))
        sample = elements[:: -(-len(elements) // probe.chunk)]
        direct = dict(zip(sample, probe.outputs([Job(g, still) for g in sample]), strict=True))
        for cut in reversed(self.cuts):
            moves, wanted = _share(wanted, cut)
            plan.append(moves)
        plan.append(Moves([0] * len(wanted), wanted, wanted))
        ends = [*(cut.after + 1 for cut in self.cuts), len(self.stages)]
        values, sizes, channels = probe.bank, probe.sizes, probe.into
        with progress_bar(sum(-(-len(m.which) // probe.chunk) for m in plan), probe.progress) as advance:
            for cut, (start, end), moves in zip(self.cuts, pairwise([0, *ends]), reversed(plan), strict=False):
                reached = self._through(start, end, values, sizes, channels, moves, advance)
                values = cut.kept(np.concatenate(list(reached)), probe.batch)
                sizes, channels = cut.sizes, cut.channels
            last = self.cuts[-1].after + 1 if self.cuts else 0
            for y, part in zip(
                self._through(last, len(self.stages), values, sizes, channels, plan[0], advance),
                probe.chunks(elements),
                strict=True,
            ):
                back = None if probe.back is None else pack_channels(probe.back, [g.inverse() for g in part])
                first = np.zeros(len(part), np.int32)
                errors, finite, y = difference(
                    np, y, probe.references, probe.gauge.unit, first, pack([still] * len(part)), back,
                    out_sizes=probe.out_sizes, bounds=probe.bounds,
                )  # fmt: skip
                for at, g in enumerate(part):
                    probe.check_finite(bool(finite[at]), g)
                    if g in direct and (np.abs(y[at] - direct[g]) / probe.unit[0]).max() > probe.tol + self.slack:
                        raise Amplified
                    yield float(errors[at]), y[at]

    def _through(
        self,
        start: int,
        end: int,
        values: Any,
        sizes: tuple[int, ...],
        channels: ChannelAction | None,
        moves: Moves,
        advance: Callable[[], None] = lambda: None,
    ) -> Iterator[np.ndarray]:
        """Stages from `start` to `end` on moved values, a chunk at a time."""
        probe = self.probe
        values = probe.kept(values)
        for part in probe.chunks(range(len(moves.which))):
            padded = [*part, *[part[-1]] * (probe.chunk - len(part))]
            which = np.array([moves.which[at] for at in padded], np.int32)
            by = pack([moves.by[at] for at in padded])
            into = None if channels is None else pack_channels(channels, [moves.elements[at] for at in padded])
            x = move(values, *probe.placed((which, by, into)), sizes=sizes)
            for evaluate, variables in zip(
                probe.program.stages[start:end], probe.program.variables[start:end], strict=True
            ):
                x = evaluate(variables, x)
            yield np.asarray(x)[: len(part) * probe.batch]
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
