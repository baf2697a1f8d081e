"""Windows: which input nodes each output node of a local layer reads, axis by axis.

Every local layer here is a product over the axes, so a window system is a list of one-dimensional ones. The same
tables drive the forward pass (padding, pooling) and the declared symmetry, so the two cannot drift apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np

from equinet.symmetry.spans import Reach

FILL = -1
"""Marks a constant (such as zero padding) in an index table."""

Padding = str | tuple[int, int]
MODES = ("circular", "zero", "zero_lower", "valid", "reflect", "edge")


def pad_table(size: int, lo: int, hi: int, mode: str) -> np.ndarray:
    """For each node of the padded axis, the input node it copies, or FILL.

    `mode` is "circular", "reflect" (the border node is not repeated), "edge", or anything else for a constant.

    Raises:
        ValueError: if reflection is asked for wider than `size − 1`.

    >>> pad_table(4, 2, 1, "reflect").tolist()
    [2, 1, 0, 1, 2, 3, 2]
    """
    wide = np.arange(-lo, size + hi)
    if mode == "circular":
        return wide % size
    if mode == "edge":
        return np.clip(wide, 0, size - 1)
    if mode == "reflect":
        if max(lo, hi) > size - 1:
            raise ValueError(
                f"reflect padding of ({lo}, {hi}) needs an axis longer than {max(lo, hi)}; got size {size}: "
                f"use a smaller kernel, a larger input or padding='edge'"
            )
        return np.where(wide < 0, -wide, np.where(wide >= size, 2 * (size - 1) - wide, wide))
    return np.where((wide >= 0) & (wide < size), wide, FILL)


@dataclass(frozen=True)
class Reading(ABC):
    """What a layer reads along one axis.

    `table(n)` gives `(nodes, weights, labels)`, int arrays `[outputs, taps, entries]`: output i is a function of its
    taps in order, each tap a weighted sum (or a maximum) over its entries. Labels tell apart the channel groups that
    entries are taken from. On an infinite axis (`n` None) the table has one period of outputs, after which the nodes
    have moved by `advance`.
    """

    @abstractmethod
    def size(self, n: int) -> int:
        """Number of outputs for n inputs."""

    @property
    def reads(self) -> int:
        """How many nodes an output reads, at most."""
        return 1

    @property
    def period(self) -> int:
        """How many outputs one period has along an infinite axis."""
        return 1

    @abstractmethod
    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The index table for n inputs, or one period of it."""

    @property
    def advance(self) -> int:
        """How far one period of outputs moves along an infinite axis."""
        return 1

    @property
    def returns(self) -> bool:
        """Whether an output may read nodes that `reach` does not name, in place of those beyond an end, for all that is
        known: not where padding is a constant, or repeats an end that the window reads anyway."""
        return True

    @property
    def scale(self) -> int:
        """What weights are divided by; 0 for the largest sum of the weights of a tap, so that it is an average."""
        return 0

    @abstractmethod
    def reach(self, n: int | None) -> Reach:
        """`(stride, lo, hi)`: output i reads within `[stride·i + lo, stride·i + hi]`, before padding folds it back."""


def _plain(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return nodes, np.ones_like(nodes), np.zeros_like(nodes)


def _shares(counted: np.ndarray) -> np.ndarray:
    """Equal integer weights of the entries that an average counts, in proportion to 1 over their number.

    An output that counts nothing is the constant 0, written as one entry of padding.
    """
    counts = counted.sum(1, keepdims=True)
    common = np.lcm.reduce(np.maximum(counts, 1).ravel())
    weights = np.where(counted, common // np.maximum(counts, 1), 0)
    weights[:, :1] += np.where(counts == 0, common, 0)
    return weights


@dataclass(frozen=True)
class Window(Reading):
    """A sliding window: `kernel` taps, `dilation` apart, moved by `stride`.

    Padding is a mode or an explicit pair. "zero" is XLA's SAME (its total depends on stride and size, the odd pixel
    goes after), "zero_lower" SAME_LOWER; "circular", "reflect" and "edge" put (k−1)//2 nodes before and k//2 after,
    k the dilated kernel, whatever the stride.

    Args:
        reduce: "taps" for a kernel with free weights, "sum" for fixed weights, "max".
        weights: the fixed weights of a "sum" (default: all equal).
        count_padding: whether an equal-weight sum divides by the window or by the nodes that exist.
        ceil: whether a last window may reach beyond the padding, if it starts within the input or the padding before
            it; what it reads beyond is neither summed nor counted.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: Padding = "valid"
    reduce: str = "taps"
    weights: tuple[int, ...] | None = None
    count_padding: bool = True
    ceil: bool = False

    @property
    def extent(self) -> int:
        """Length of the dilated kernel."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def mode(self) -> str:
        """The border rule: a mode of `pad_table`."""
        return self.padding if self.padding in ("circular", "reflect", "edge") else "zero"

    @property
    def reads(self) -> int:
        return self.kernel

    def border(self, n: int | None) -> tuple[int, int]:
        """Padding before and after; for an infinite axis that of a size the stride divides."""
        lo, hi = self._padding(n)
        if self.ceil and n is not None:
            full, beyond = divmod(n + lo + hi - self.extent, self.stride)
            if beyond and (full + 1) * self.stride < n + lo:
                hi += self.stride - beyond
        return lo, hi

    def _padding(self, n: int | None) -> tuple[int, int]:
        if isinstance(self.padding, tuple):
            return self.padding
        if self.padding == "valid":
            return 0, 0
        if self.padding in ("zero", "zero_lower"):
            if n is None:
                total = max(self.extent - self.stride, 0)
            else:
                total = max((-(-n // self.stride) - 1) * self.stride + self.extent - n, 0)
            small, large = total // 2, total - total // 2
            return (small, large) if self.padding == "zero" else (large, small)
        return (self.extent - 1) // 2, self.extent // 2

    def size(self, n: int) -> int:
        return (n + sum(self.border(n)) - self.extent) // self.stride + 1

    @property
    def advance(self) -> int:
        return self.stride

    def nodes(self, n: int | None) -> np.ndarray:
        """`[outputs, kernel]`: the node under each tap, or FILL."""
        taps = np.arange(self.kernel) * self.dilation
        if n is None:
            return taps[None] - self.border(None)[0]
        padded = pad_table(n, *self.border(n), self.mode)
        return padded[np.arange(self.size(n))[:, None] * self.stride + taps]

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes = self.nodes(n)
        if self.reduce == "taps":
            return _plain(nodes[:, :, None])
        if self.reduce == "max":
            weights = np.where((nodes != FILL) | (n is None), 1, 0)
        elif self.weights is not None:
            weights = np.tile(np.asarray(self.weights), (len(nodes), 1))
        else:
            weights = _shares(self.counted(n))
        return nodes[:, None], weights[:, None], np.zeros_like(nodes)[:, None]

    def counted(self, n: int | None) -> np.ndarray:
        """Which taps an average divides by, bool `[outputs, kernel]`."""
        nodes = self.nodes(n)
        if n is None or not (self.ceil or not self.count_padding):
            return np.ones_like(nodes, bool)
        if not self.count_padding:
            return nodes != FILL
        places = np.arange(len(nodes))[:, None] * self.stride + np.arange(self.kernel) * self.dilation
        return places < n + sum(self._padding(n))

    @property
    def returns(self) -> bool:
        return self.mode in ("circular", "reflect")

    def reach(self, n: int | None) -> Reach:
        lo = -self.border(n)[0]
        return self.stride, lo, lo + self.extent - 1


def reach_of(step: Fraction, nodes: np.ndarray, read: np.ndarray | None = None) -> Reach:
    """The reach of a table of nodes `[outputs, entries]`, of which all are read or some, with outputs `step` apart."""
    beyond = nodes * step.denominator - step.numerator * np.arange(len(nodes))[:, None]
    found = beyond if read is None else beyond[read]
    return step, Fraction(int(found.min()), step.denominator), Fraction(int(found.max()), step.denominator)


@dataclass(frozen=True)
class Adaptive(Reading):
    """Windows for a fixed number of outputs m: output i reads the nodes from ⌊i n / m⌋ up to ⌈(i + 1) n / m⌉ − 1.

    A number of outputs means nothing on an infinite axis: layers refuse it there.

    Args:
        outputs: m.
        reduce: "sum" for an average, or "max".
    """

    outputs: int
    reduce: str = "sum"

    def size(self, n: int) -> int:
        return self.outputs

    def nodes(self, n: int) -> np.ndarray:
        """`[outputs, largest window]`: the nodes of each window, then FILL."""
        index = np.arange(self.outputs)
        starts, ends = index * n // self.outputs, -(-(index + 1) * n // self.outputs)
        nodes = starts[:, None] + np.arange((ends - starts).max())
        return np.where(nodes < ends[:, None], nodes, FILL)

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes = self.nodes(n or 1)
        weights = (nodes != FILL).astype(np.int64) if self.reduce == "max" else _shares(nodes != FILL)
        return nodes[:, None], weights[:, None], np.zeros_like(nodes)[:, None]

    def reach(self, n: int | None) -> Reach:
        nodes = self.nodes(n or 1)
        return reach_of(Fraction(n or 1, self.outputs), nodes, nodes != FILL)


@dataclass(frozen=True)
class Transposed(Reading):
    """A transposed convolution: inputs `stride` apart with zeros between, then a window of stride 1.

    "zero" and "circular" give n·stride outputs; "valid" gives (n−1)·stride + k, k the dilated kernel.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: str = "zero"

    @property
    def extent(self) -> int:
        """Length of the dilated kernel."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def reads(self) -> int:
        return self.kernel

    @property
    def period(self) -> int:
        return self.stride

    @property
    def lead(self) -> int:
        """How far the first tap of output 0 lies before input 0, on the fine grid."""
        return self.extent - 1 if self.padding == "valid" else self.extent // 2

    def size(self, n: int) -> int:
        return (n - 1) * self.stride + self.extent if self.padding == "valid" else n * self.stride

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outputs = self.stride if n is None else self.size(n)
        fine = np.arange(outputs)[:, None] + np.arange(self.kernel) * self.dilation - self.lead
        if n is not None and self.padding == "circular":
            fine = fine % (n * self.stride)
        nodes = np.floor_divide(fine, self.stride)
        absent = fine % self.stride != 0
        if n is not None:
            absent |= (nodes < 0) | (nodes >= n)
        return _plain(np.where(absent, MISSING if n is None else FILL, nodes)[:, :, None])

    @property
    def returns(self) -> bool:
        return self.padding == "circular"

    def reach(self, n: int | None) -> Reach:
        return (
            Fraction(1, self.stride),
            Fraction(-self.lead, self.stride),
            Fraction(self.extent - 1 - self.lead, self.stride),
        )


MISSING = -(1 << 29)
"""FILL for infinite axes, where −1 is a node."""


@dataclass(frozen=True)
class Nearest(Reading):
    """Nearest-neighbour upsampling: output i copies input i // factor."""

    factor: int

    @property
    def period(self) -> int:
        return self.factor

    def size(self, n: int) -> int:
        return n * self.factor

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outputs = self.factor if n is None else self.size(n)
        return _plain((np.arange(outputs) // self.factor)[:, None, None])

    @property
    def returns(self) -> bool:
        return False

    def reach(self, n: int | None) -> Reach:
        return Fraction(1, self.factor), Fraction(1 - self.factor, self.factor), 0


@dataclass(frozen=True)
class Shuffle(Reading):
    """Depth to space: output `factor·i + o` copies input i of channel group o."""

    factor: int
    axis: int

    @property
    def period(self) -> int:
        return self.factor

    def size(self, n: int) -> int:
        return n * self.factor

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outputs = np.arange(self.factor if n is None else self.size(n))
        labels = 0 if self.factor == 1 else 1 + 4096 * self.axis + outputs % self.factor
        nodes = (outputs // self.factor)[:, None, None]
        return nodes, np.ones_like(nodes), np.zeros_like(nodes) + np.reshape(labels, (-1, 1, 1))

    @property
    def returns(self) -> bool:
        return False

    def reach(self, n: int | None) -> Reach:
        return Nearest(self.factor).reach(n)


@dataclass(frozen=True)
class Extend(Reading):
    """Padding and cropping: `lo` nodes before and `hi` after, negative to remove; modes as in `pad_table`."""

    lo: int
    hi: int
    mode: str = "zero"

    def size(self, n: int) -> int:
        return n + self.lo + self.hi

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if n is None:
            return _plain(np.full((1, 1, 1), -self.lo))
        table = pad_table(n, max(self.lo, 0), max(self.hi, 0), self.mode)
        table = table[max(-self.lo, 0) : len(table) - max(-self.hi, 0)]
        return _plain(table[:, None, None])

    @property
    def returns(self) -> bool:
        # A node far beyond an end that repeats it reads that end, and `reach` names only itself.
        return self.mode != "zero"

    def reach(self, n: int | None) -> Reach:
        return 1, -self.lo, -self.lo


@dataclass(frozen=True)
class Rolled(Reading):
    """A cyclic shift: output i copies input i − shift."""

    shift: int

    def size(self, n: int) -> int:
        return n

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if n is None:
            return _plain(np.full((1, 1, 1), -self.shift))
        return _plain(((np.arange(n) - self.shift) % n)[:, None, None])

    def reach(self, n: int | None) -> Reach:
        return 1, -self.shift, -self.shift


def binomial(size: int) -> tuple[int, ...]:
    """The binomial filter of `size` taps, unnormalised.

    >>> binomial(5)
    (1, 4, 6, 4, 1)
    """
    return tuple(comb(size - 1, k) for k in range(size))
