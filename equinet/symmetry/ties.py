"""Values that a network makes equal whatever its input: there nothing can be chosen by what they are.

A map is *tied* if some isometry that moves nodes, with some operation on channels, leaves it as it is for every input:
`y[h p] = ρ(B) y[p]`. See "Where no adaptive claim can hold" in docs/theory.md. That a map is not tied is proved by its
layers (`equinet.layers.trials`), or by running the network: one input on which the two sides differ is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from equinet.groups import Isometry, signed_permutations
from equinet.groups.domain import Domain, torus
from equinet.groups.fibre import Fibre
from equinet.symmetry.windows import FILL, Reading, Window

DRAWS = 4
"""How often a network is run with drawn weights, each time others."""
EXAMPLES = 4
"""Inputs in each run."""
TOLERANCE = 1e-3
"""Values that differ by less, relative to the largest of their channel, count as equal: then less is claimed."""
ROUNDING = 1000
"""Times what is lost of numbers of order 1, as inputs and weights are: what is smaller counts as zero."""
STAND_IN = (64, 64, 24)
"""Size of the torus that stands for an infinite grid of one, two or three axes."""

QUICKLY = {"xla_backend_optimization_level": 0}
"""What is compiled runs a few times."""

NOT_KNOWN, APART, FREE = range(3)

Cases = list[list[np.ndarray]]
"""Arrays `[examples, *spatial, channels]` in which a value must not look tied in any case, and does not in one if it
does not in some array: the initial weights are a case, all drawn ones another; and so is each turn of a loop."""


def mapped(fn: Callable[..., Any], *cases: Sequence[Sequence[Any]] | None) -> Any:
    """`fn` of each array, or of those in the same place; None where one is."""
    if any(one is None for one in cases):
        return None
    return [[fn(*arrays) for arrays in zip(*case, strict=True)] for case in zip(*cases, strict=True)]  # pyright: ignore


def drawn_weights(rng: np.random.Generator, shape: Sequence[int], name: str) -> np.ndarray:
    """Numbers for a parameter of that shape, where its path ends in a name: none is zero, variances are positive."""
    value = rng.standard_normal(tuple(shape))
    if len(shape) > 1:
        value = value * (1.5 / np.sqrt(max(np.prod(shape[:-1]), 1)))
    _, _, last = name.rpartition("[")
    return np.exp(0.3 * value) if "var" in last else value


class Later:
    """Something that is computed when it is first asked for, or None where nothing says how."""

    def __init__(self, make: Callable[[], Any] | None = None) -> None:
        self.make = make

    def __call__(self) -> Any:
        """Its value."""
        if self.make is not None:
            self.value, self.make = self.make(), None
        return getattr(self, "value", None)


@dataclass(frozen=True)
class Trial:
    """How a value varies with input and weights.

    Attributes:
        apart: FREE if for some weights and a family of inputs `y[p] = F(u_p)`, with numbers u_p that are independent of
            each other, where F grows in all channels of some copy of a permutation representation (a plain channel is
            one); APART if at least no node's number is a function of another's. Both say that the value is not tied.
        spare: whether in addition all channels but one may be constants, and not all the same.
        mute: whether some weights, used since branches parted, make the value the same constant at all nodes.
        drawn: what it was in runs of the network, as `Cases`; None where it could not be run.
    """

    apart: int = NOT_KNOWN
    spare: bool = False
    mute: bool = False
    drawn: Later = field(default_factory=Later)

    @staticmethod
    def input(domain: Domain, channels: int, stand_in: Sequence[int] | None = None) -> Trial:
        """Gaussian inputs; where the domain is infinite, one and others that differ from it at a node in the middle.

        Args:
            stand_in: sizes of the arrays.
        """

        sizes = stand_in or [STAND_IN[domain.dim - 1] if n is None else n for n in domain.sizes]

        def draw(seed: int) -> np.ndarray:
            x = np.random.default_rng(seed).standard_normal((EXAMPLES, *sizes, channels))
            if not domain.is_finite:
                # Where one change does not show, behind a maximum or in a component that is not kept, another may.
                x[1:] = x[:1]
                for at, change in enumerate((1.0, 0.25, 2.0), start=1):
                    x[(at, *(min(n // 2 + at, n - 1) for n in sizes))] += change
            return x

        return Trial(FREE, channels > 2, drawn=Later(lambda: [[draw(0)], [draw(seed) for seed in range(1, DRAWS + 1)]]))

    def fork(self) -> Trial:
        """The same value at the start of a branch."""
        return replace(self, mute=False)

    def filtered(self, readings: Sequence[Reading], shape: Sequence[int | None], run: Callable[[Any], Any]) -> Trial:
        """A sum over windows of the value.

        Args:
            readings, shape: of the sum and of the value.
            run: makes its array.
        """
        drawn = Later(lambda: mapped(lambda x: np.asarray(run(x)), self.drawn()))
        return Trial(windows_apart(readings, shape, self.apart), drawn=drawn)

    def is_tied(self, grid: Domain, fibre: Fibre, by_shifts: bool = False) -> bool:
        """Whether the value, on that grid, is tied for all that is known; or whether a shift ties it."""
        if self.apart:
            return False
        drawn = self.drawn()
        return drawn is None or any(is_tied(arrays, grid, fibre, by_shifts) for arrays in drawn)


def is_tied(drawn: Sequence[np.ndarray], grid: Domain, fibre: Fibre, by_shifts: bool = False) -> bool:
    """Whether all arrays `[examples, *spatial, channels]` are left as they are by some isometry that moves nodes.

    Args:
        by_shifts: whether by a shift, which moves no channel.

    On an infinite grid: whether the change that a change of one input node makes fails to fade away.
    """
    if not grid.is_finite:
        return not any(_fades(x, grid) for x in drawn)
    relative, least = _tolerances(drawn[0])
    x = np.concatenate([np.asarray(one, np.float64) for one in drawn])
    x = x[np.isfinite(x).reshape(len(x), -1).all(1)]
    sizes = x.shape[1:-1]
    torus_, flat = torus(*sizes), x.reshape(len(x), -1, x.shape[-1])
    scale = np.abs(flat).max(1, keepdims=True, initial=0)
    nodes = np.arange(flat.shape[1])
    group = [None] if by_shifts or fibre.is_plain else fibre.group
    unit = Isometry.identity(torus_.dim).matrix
    operations = [a for a in signed_permutations(torus_.dim) if torus_.shift_of(a) is not None]
    operations = [unit] if by_shifts else operations
    for b in group:
        moved, bound = flat, scale
        if b is not None:
            moved, bound = np.empty_like(flat), np.empty_like(scale)
            for channel, (image, sign) in enumerate(fibre(b)):
                moved[..., image], bound[..., image] = sign * flat[..., channel], scale[..., channel]
        close = np.maximum(relative * np.maximum(scale, bound), least)
        for place in np.flatnonzero((np.abs(flat - moved[:, :1]) <= close).all((0, 2))):
            shift = tuple(map(int, np.unravel_index(place, sizes)))
            for a in operations:
                images = torus_.index_map(Isometry(a, shift))
                if (images != nodes).any() and (np.abs(flat[:, images] - moved) <= close).all():
                    return True
    return False


def _fades(x: np.ndarray, grid: Domain) -> bool:
    """Whether a map differs from the first, by a local change of the input, somewhere, and at most nodes not at all.

    Then an isometry that leaves every map as it is sends the places where they differ to themselves, wherever the input
    is changed, and so moves no node. Said of grids without ends only.
    """
    if any(axis.size is not None for axis in grid.axes) or len(x) < 2 or not np.isfinite(x).all():
        return False
    relative, least = _tolerances(x)
    changes, scale = np.abs(x[1:] - x[0]).max(-1), np.abs(x).max()
    shown = [change.max() > max(relative * scale, least) for change in changes]
    fades = [(change <= least * scale).mean() > 0.5 for change in changes]
    return any(one and other for one, other in zip(shown, fades, strict=True))


def _tolerances(x: np.ndarray) -> tuple[float, float]:
    """What counts as equal, relative to the largest value, and absolutely."""
    lost = {2: 2.0**-7, 4: 2.0**-23}.get(x.dtype.itemsize, 2.0**-52)
    return max(TOLERANCE, 16 * lost), min(ROUNDING * lost, 0.1)


def windows_apart(readings: Sequence[Reading], shape: Sequence[int | None], apart: int) -> int:
    """How apart sums or maxima over windows are, of values that are `apart`."""
    kinds = [_kind(reading, n) for reading, n in zip(readings, shape[:-1], strict=True)]
    if all(kind == "gather" for kind in kinds):
        return apart
    if apart < FREE or "alike" in kinds:
        return NOT_KNOWN
    return APART if "overlapping" in kinds else FREE


@lru_cache(maxsize=1 << 12)
def _kind(reading: Reading, n: int | None) -> str:
    """How the windows of a pool along an axis differ from each other."""
    nodes, weights, _ = reading.table(n)
    nodes, weights = nodes[:, 0], weights[:, 0]
    if n is None:
        if len(nodes) > 1:
            return "alike"  # for all that is looked at
        used = nodes[0][weights[0] != 0]
        return "gather" if used.size == 1 else "overlapping" if np.ptp(used) >= reading.advance else "disjoint"
    maximum = isinstance(reading, Window) and reading.reduce == "max"
    nodes, weights = _merged(np.where((nodes != FILL) & (weights != 0), nodes, n), weights, n)
    weights = np.minimum(weights, 1) if maximum else weights  # what is in a window twice is no larger for that
    present = nodes < n
    if not present.any(1).all() or len(np.unique(np.hstack([nodes, weights]), axis=0)) < len(nodes):
        return "alike"
    if (np.bincount(nodes[present], minlength=n) <= 1).all():
        return "gather" if (present.sum(1) == 1).all() else "disjoint"
    # Averages of unequal totals might be proportional.
    return "overlapping" if maximum or np.unique(weights.sum(1)).size == 1 else "alike"


def _merged(nodes: np.ndarray, weights: np.ndarray, none: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of nodes and weights in order, each node once with all its weight; `none`, of weight 0, fills them up."""

    def ordered(nodes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(nodes, axis=1, kind="stable")
        return np.take_along_axis(nodes, order, 1), np.take_along_axis(weights, order, 1)

    nodes, weights = ordered(nodes, np.where(nodes == none, 0, weights))
    for tap in range(1, nodes.shape[1]):
        again = nodes[:, tap] == nodes[:, tap - 1]
        weights[:, tap] += np.where(again, weights[:, tap - 1], 0)
        nodes[again, tap - 1], weights[again, tap - 1] = none, 0
    return ordered(nodes, weights)


@lru_cache(maxsize=1 << 12)
def taps_apart(reading: Reading, n: int | None) -> tuple[bool, ...]:
    """For each tap, whether it reads a node of its own at every place."""
    nodes = reading.table(n)[0][:, :, 0]
    if n is None:
        return (len(nodes) == 1,) * nodes.shape[1]
    return tuple((tap != FILL).all() and np.unique(tap).size == tap.size for tap in nodes.T)
