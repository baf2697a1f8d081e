"""The output isometry that explains a transformed output best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from equinet.groups import Isometry, identity_matrix
from equinet.groups.domain import Domain
from equinet.verify.act import Bounds, pack, sources, within
from equinet.verify.probe import Probe
from equinet.verify.runner import Job

Match = tuple[float, Isometry]
"""The smallest error over output isometries, and the isometry that gives it."""

BLOCK = 256
"""Candidates examined at once."""

FEW = 64
"""Groups up to this order are searched in full."""


class Matcher:
    """Searches the isometries h of the output grid for one with `f(g·x) = h·f(x)`.

    The search covers every isometry although it tries few. Channels are projected to one signal s by weights of unit
    L1 norm, so that errors only shrink. One anchor point p is fixed, where |s| is largest; if h explains y, then h p
    is a point q where the projection of y is within the tolerance of s(p), for all examples at once. So only the
    isometries that send p to such a q remain; they are ranked by their error on the projection, then compared in full.
    On a canvas (`bounds` given) the anchor lies in its central third, and h must leave a quarter of the trusted
    outputs comparable.

    Args:
        references: f(x), `[trials, batch, P', C']`.
        sizes: of the output grid.
        grid: the output's domain.
        bounds: trusted positions; see `sources`.
        tol: the largest absolute error of a match.
    """

    def __init__(
        self, references: np.ndarray, sizes: tuple[int, ...], grid: Domain, bounds: Bounds | None, tol: float
    ) -> None:
        self.references, self.sizes, self.grid, self.bounds, self.tol = references, sizes, grid, bounds, tol
        weights = np.random.default_rng(0).uniform(0.5, 1.0, references.shape[-1])
        self.weights = weights / weights.sum()
        self.signals = references @ self.weights
        self.points = np.indices(sizes).reshape(len(sizes), prod(sizes)).T
        self.trusted = within(sizes, bounds)
        central = within(sizes, bounds and tuple(_third(limit) for limit in bounds))
        self.anchors = central if central.any() else self.trusted
        group, one = grid.group, identity_matrix(len(sizes))
        operations = sorted(group.operations, key=lambda operation: operation[0] != one)
        self.matrices, self.starts = pack([Isometry(a, t) for a, t in operations])
        self.fixed = np.array([axis.boundary == "bounded" for axis in grid.axes])
        few = group.order is not None and group.order <= FEW
        self.everything = pack(sorted(group.elements(), key=lambda g: (not g.is_translation, g.shift))) if few else None

    def __call__(self, y: np.ndarray, trials: Sequence[int]) -> Match:
        """The smallest error found and its isometry: within `tol` if any isometry is.

        Args:
            y: f(g·x) on these trials, `[len(trials), batch, P', C']`.
            trials: which references y belongs to.
        """
        refs = self.references[list(trials)].reshape(-1, *self.references.shape[2:])
        signal = self.signals[list(trials)].reshape(len(refs), -1)
        seen = y.reshape(refs.shape)
        projected = seen @ self.weights
        best, found = float("inf"), None
        for matrices, shifts in self._candidates(projected, signal):
            index, mask = sources(self.sizes, matrices, shifts, self.bounds)
            gap = np.abs(projected[:, None, :] - signal[:, index]).max(axis=0)
            if mask is not None:
                gap = np.where(mask, gap, 0.0)
            ranks = gap.max(axis=1)
            if mask is not None:
                ranks[4 * mask.sum(axis=1) < self.trusted.sum()] = np.inf
            for at in np.argsort(ranks, kind="stable"):
                # Beyond the tolerance the rank alone excludes a match: one such candidate is compared, for the record.
                if ranks[at] >= best or (found is not None and ranks[at] > self.tol):
                    break
                difference = np.abs(seen - refs[:, index[at]])
                error = float((difference if mask is None else difference[:, mask[at]]).max())
                if error < best:
                    best, found = error, (matrices[at], shifts[at])
            if best <= self.tol:
                break
        if found is None:
            return best, Isometry.identity(len(self.sizes))
        matrix, shift = found
        return best, Isometry(matrix.tolist(), self.grid.periods.reduce(shift.tolist()))

    def _candidates(self, projected: np.ndarray, signal: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Matrices `[n, d, d]` and shifts `[n, d]` of the isometries to try, a block at a time."""
        if self.everything is not None:
            yield self.everything
            return
        anchor = int(np.argmax(np.where(self.anchors, np.abs(signal).sum(axis=0), -np.inf)))
        gap = np.abs(projected - signal[:, anchor, None]).max(axis=0)
        gap[~self.trusted] = np.inf
        possible = max(1, int((gap <= self.tol).sum()))
        nearest = self.points[np.argsort(gap, kind="stable")[:possible]]
        turned = self.matrices @ self.points[anchor]
        step = max(1, BLOCK // len(turned))
        for start in range(0, possible, step):
            shifts = nearest[start : start + step, None, :] - turned[None, :, :]
            kept = (shifts == self.starts)[..., self.fixed].all(axis=-1)
            matrices = np.broadcast_to(self.matrices, (*shifts.shape, shifts.shape[-1]))
            if kept.any():
                yield matrices[kept], shifts[kept]


def _third(limit: tuple[int, int] | None) -> tuple[int, int] | None:
    if limit is None:
        return None
    lo, hi = limit
    return lo + (hi - lo) // 3, hi - (hi - lo) // 3


@dataclass(frozen=True, eq=False)
class Explainer:
    """Searches the isometries of the output grid for those that explain what elements do.

    An element that one batch cannot tell from a symmetry is tested on all trials, with one and the same isometry: that
    is what tells a data-dependent shift from an action.

    Attributes:
        probe: the function.
        grid: of its output.
        tol: the largest error of a match.
    """

    probe: Probe
    grid: Domain
    tol: float

    def __call__(
        self, elements: Sequence[Isometry], seen: Iterable[tuple[float, np.ndarray]] | None = None
    ) -> list[Match]:
        """The match of each element.

        Args:
            elements: the elements.
            seen: what `Probe.measure` says of each on the first batch, under the identity, if known.
        """
        if seen is None:
            seen = self.probe.measure([Job(g, self._one) for g in elements])
        return self.confirm(elements, [self.first(error, y) for error, y in seen])

    def first(self, error: float, y: np.ndarray) -> Match:
        """The match of an element on the first batch, from its output and its error under the identity."""
        if self.grid.dim == 0:
            return error, self._one
        return self._matcher(y[None] / self.probe.unit[:1], [0])

    def confirm(self, elements: Sequence[Isometry], found: Sequence[Match]) -> list[Match]:
        """The match of each element, those on all trials that the first batch does not tell from a symmetry."""
        probe, trials, matches = self.probe, range(self.probe.trials), list(found)
        again = [at for at, (error, _) in enumerate(matches) if error <= self.tol]
        if self.grid.dim == 0:
            errors = probe.worst([elements[at] for at in again], [self._one] * len(again))
            seconds = [(error, self._one) for error in errors]
        else:
            outputs = probe.outputs([Job(elements[at], self._one, k) for at in again for k in trials])
            # `zip` of one iterator with itself takes an element's trials at a time.
            alike = zip(*[outputs] * len(trials), strict=True)
            seconds = [self._matcher(np.stack(y) / probe.unit, trials) for y in alike]
        for at, match in zip(again, seconds, strict=True):
            matches[at] = match
        return matches

    @cached_property
    def _one(self) -> Isometry:
        return Isometry.identity(self.grid.dim)

    @cached_property
    def _matcher(self) -> Matcher:
        # In units of an error, of which a channel that is compared no more has infinitely few.
        probe, runner = self.probe, self.probe.runner
        return Matcher(probe.references / probe.unit, runner.out_sizes, self.grid, runner.bounds, self.tol)
