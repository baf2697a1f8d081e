"""The output isometry that explains a transformed output best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from equinet.domain import Domain
from equinet.groups import Isometry, identity_matrix
from equinet.verify.act import Bounds, pack, sources

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
        self.points = np.indices(sizes).reshape(len(sizes), -1)
        self.trusted = self._within(bounds)
        central = self._within(bounds and tuple(_third(limit) for limit in bounds))
        self.anchors = np.where(central.any(), central, self.trusted)

    def _within(self, bounds: Bounds | None) -> np.ndarray:
        kept = np.ones(self.points.shape[1], bool)
        for axis, limit in enumerate(bounds or ()):
            if limit is not None:
                kept &= (self.points[axis] >= limit[0]) & (self.points[axis] < limit[1])
        return kept

    def __call__(self, y: np.ndarray, trials: Sequence[int]) -> tuple[float, Isometry]:
        """The smallest error found and its isometry: within `tol` if any isometry is.

        Args:
            y: f(g·x) on these trials, `[len(trials), batch, P', C']`.
            trials: which references y belongs to.
        """
        refs = self.references[list(trials)].reshape(-1, *self.references.shape[2:])
        signal = self.signals[list(trials)].reshape(len(refs), -1)
        seen = y.reshape(refs.shape)
        projected = seen @ self.weights
        best: tuple[float, Isometry] | None = None
        candidates = self._candidates(projected, signal)
        while block := list(islice(candidates, BLOCK)):
            index, mask = sources(self.sizes, *pack(block), self.bounds)
            comparable = np.ones(index.shape, bool) if mask is None else mask
            gap = np.abs(projected[:, None, :] - signal[:, index]).max(axis=0)
            ranks = np.where(comparable, gap, 0.0).max(axis=1)
            ranks[4 * comparable.sum(axis=1) < self.trusted.sum()] = np.inf
            for at in np.argsort(ranks, kind="stable"):
                if not np.isfinite(ranks[at]) or (best is not None and ranks[at] >= best[0]):
                    break
                error = float(np.abs(seen - refs[:, index[at]])[:, comparable[at]].max())
                if best is None or error < best[0]:
                    best = error, block[at]
            if best is not None and best[0] <= self.tol:
                break
        if best is None:
            return float("inf"), Isometry.identity(len(self.sizes))
        return best

    def _candidates(self, projected: np.ndarray, signal: np.ndarray) -> Iterator[Isometry]:
        group = self.grid.group
        if group.order is not None and group.order <= FEW:
            yield from sorted(group.elements(), key=lambda g: (not g.is_translation, g.shift))
            return
        anchor = int(np.argmax(np.where(self.anchors, np.abs(signal).sum(axis=0), -np.inf)))
        gap = np.abs(projected - signal[:, anchor, None]).max(axis=0)
        gap = np.where(self.trusted, gap, np.inf)
        here = self.points[:, anchor]
        matrices = sorted(group.point_group, key=lambda a: a != identity_matrix(len(here)))
        for at in np.argsort(gap, kind="stable")[: max(1, int((gap <= self.tol).sum()))]:
            for matrix in matrices:
                shift = self.points[:, at] - np.array(matrix, int).reshape(len(here), len(here)) @ here
                h = Isometry(matrix, group.periods.reduce([int(v) for v in shift]))
                if h in group:
                    yield h


def _third(limit: tuple[int, int] | None) -> tuple[int, int] | None:
    if limit is None:
        return None
    lo, hi = limit
    return lo + (hi - lo) // 3, hi - (hi - lo) // 3
