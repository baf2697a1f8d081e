"""What is known of an array when the input moves by real shifts along one axis of its torus, of N nodes.

The other axes of the input are channels to this one. An array is one of four things: a `Constant`; `Nodes` of functions
that move with the input; numbers that turn in the complex plane, as Fourier coefficients do (`Turning`); or elements of
such arrays put anywhere (`Moved`), which are nodes or not as soon as somebody asks.

The shifts by which something is known to move are n equal steps around the axis: all multiples of N/n, 0 standing for
all real ones. Every array is at least `Turning` by n = 1, the shifts around the whole axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from equinet.infer.values import Constant, named
from equinet.symmetry.continuous import Band

MOST = 1 << 20
"""Elements of an array that is followed; larger ones are not."""

MOST_PHASES = 4
"""Functions that take turns among the nodes of one array."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes of functions on the circle along one array axis, a function for each place along the others.

    A shift of the input by τ among `band.shifts` moves all functions by τ. Of complex arrays, real and imaginary parts.
    """

    shape: tuple[int, ...]
    axis: int
    band: Band

    def linear(self, shape: Sequence[int], axis: int) -> Nodes:
        """Sums over channels, with weights that are the same for all nodes."""
        return Nodes(tuple(shape), axis, self.band)


@dataclass(frozen=True, eq=False)
class Turning:
    """Numbers that a shift by τ multiplies by exp(−2πi κ τ / N), for each number κ and the shifts of its own.

    Attributes:
        frequency: κ, in turns around the axis. With κ = 0 the number stays as it is.
        shifts: the steps around the axis by which it does; 0 for all.
        zero: whether it is 0, whatever the input; then the others are 0.
        name: equal for numbers that are equal; None if no two are known to be.
    """

    frequency: np.ndarray
    shifts: np.ndarray
    zero: np.ndarray
    name: np.ndarray | None = None

    @staticmethod
    def of(frequency: np.ndarray, shifts: np.ndarray, zero: np.ndarray, name: np.ndarray | None = None) -> Turning:
        """Numbers of which those that are zero have frequency 0, which any shift leaves as it is."""
        return Turning(np.where(zero, 0, frequency), np.where(zero, 0, shifts), zero, name)

    @staticmethod
    def still(shape: Sequence[int], shifts: int) -> Turning:
        """Numbers that some shifts leave as they are."""
        frequency, steps, zero = (np.broadcast_to(np.asarray(each), tuple(shape)) for each in (0, shifts, False))
        return Turning(frequency, steps, zero)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.zero.shape

    @property
    def staying(self) -> np.ndarray:
        """The steps that leave each number as it is."""
        return np.gcd(self.shifts, self.frequency)

    def taken(self, index: np.ndarray) -> Turning:
        """Elements at flat places."""
        name = index if self.name is None else self.name.reshape(-1)[index]
        frequency, shifts, zero = (each.reshape(-1)[index] for each in (self.frequency, self.shifts, self.zero))
        return Turning(frequency, shifts, zero, name)

    @property
    def is_unknown(self) -> bool:
        """Whether it is only known to depend on the input."""
        return bool((self.shifts == 1).all())


def nothing(shape: Sequence[int]) -> Turning:
    """An array of which nothing is known but that it depends on the input."""
    return Turning.still(shape, 1)


def as_turning(value: Nodes | Turning | Constant) -> Turning:
    """The same as numbers that turn: constants do by any shift, nodes by those around the whole axis."""
    if isinstance(value, Turning):
        return value
    if isinstance(value, Nodes):
        return nothing(value.shape)
    array = value.array
    if array is None or not array.size:
        return Turning.still(value.shape, 0)
    name = named(np.reshape(array, (-1, 1))).reshape(value.shape)
    return Turning(np.zeros(value.shape, int), np.zeros(value.shape, int), np.asarray(array == 0), name)


@dataclass(frozen=True, eq=False)
class Moved:
    """Elements of arrays, each put somewhere.

    Attributes:
        sources: the arrays, constants among them.
        index: for each element its place in all sources, flat and one after the other.
    """

    sources: tuple[Nodes | Constant, ...]
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.index.shape


def settled(value: Nodes | Turning | Constant | Moved) -> Nodes | Turning | Constant:
    """What an array of elements is: nodes along one of its axes, or nothing that is known."""
    if not isinstance(value, Moved):
        return value
    places = _places(value)
    axes = [axis for axis, n in enumerate(value.shape) if n > 1]
    found = (_along(value, axis, phases, *places) for phases in range(1, MOST_PHASES + 1) for axis in axes)
    return next((nodes for nodes in found if nodes is not None), nothing(value.shape))


def _places(value: Moved) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each element the source, its channel there (of a constant its value), and its node."""
    sizes = [prod(source.shape) for source in value.sources]
    starts = np.cumsum([0, *sizes])
    source = np.searchsorted(starts, value.index, side="right") - 1
    channels, nodes = [], []
    for each in value.sources:
        if isinstance(each, Constant):
            name = as_turning(each).name
            channels.append(np.arange(prod(each.shape)) if name is None else name.reshape(-1))
            nodes.append(np.zeros(prod(each.shape), int))
        else:
            at = np.arange(prod(each.shape)).reshape(each.shape)
            row = np.moveaxis(at, each.axis, -1)
            channel, node = np.empty_like(at), np.empty_like(at)
            np.moveaxis(channel, each.axis, -1)[...] = np.arange(row[..., 0].size).reshape(row[..., :1].shape)
            np.moveaxis(node, each.axis, -1)[...] = np.arange(row.shape[-1])
            channels.append(channel.reshape(-1))
            nodes.append(node.reshape(-1))
    return source, np.concatenate(channels)[value.index], np.concatenate(nodes)[value.index]


def _along(
    value: Moved, axis: int, phases: int, source: np.ndarray, channel: np.ndarray, node: np.ndarray
) -> Nodes | None:
    """Nodes along an axis of so many functions in turn, if of each they are every s-th, all around.

    `y[u] = V((a + s u) N / n)` are nodes of V moved by −a N / n, which moves as V does.
    """
    count, left = divmod(value.shape[axis], phases)
    if left or (phases > 1 and count == 1):
        return None
    turns = [np.moveaxis(each, axis, -1).reshape(-1, count, phases) for each in (source, channel, node)]
    source, channel, node = (np.moveaxis(each, -1, 1).reshape(-1, count) for each in turns)
    if (source != source[:, :1]).any() or (channel != channel[:, :1]).any():
        return None
    band: Band | None = None
    for number, each in enumerate(value.sources):
        rows = node[source[:, 0] == number]
        if not len(rows):
            continue
        part = Band(count, 0, 0)
        if isinstance(each, Nodes):
            stride, left = divmod(each.band.size, count)
            steps = (rows - rows[:, :1]) % each.band.size
            whole = phases == stride == 1 and (rows == np.arange(count)).all()
            if left or (steps != stride * np.arange(count)).any() or (each.band.phases > 1 and not whole):
                return None
            low = each.band.low if phases == stride == 1 else None
            part = each.band if whole else Band(count, each.band.shifts, each.band.top, low=low)
        if part.phases == 1:
            part = replace(part, phases=phases)
        band = part if band is None else band.join(part, product=False)
    return None if band is None else Nodes(value.shape, axis, band)
