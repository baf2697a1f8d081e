"""What convolutions and pools share: windows per axis, padding, shapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

from equinet.checks import MOST, is_integer, shown
from equinet.groups.domain import MOST_ALONG, Axis
from equinet.layers.base import Layer, LayerError, Shape
from equinet.layers.hyperparameters import Check, per_axis
from equinet.layers.spelling import PADDINGS
from equinet.symmetry.field import Field, Reduce
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import MODES, Padding, Reading, Window

PaddingSpec = str | int | tuple[str | tuple[int, int], ...]


def axis_padding(padding: PaddingSpec, dim: int, layer: Layer) -> tuple[Padding, ...]:
    """The padding of each axis, from one for all of them or one each.

    Raises:
        LayerError: for an unknown mode or malformed pairs, or too few or too many.
    """
    try:
        found = paddings(padding, "padding")
    except ValueError as error:
        raise LayerError(f"{layer}: {error}") from None
    return ((found, found),) * dim if isinstance(found, int) else each_axis(found, dim, layer)


def each_axis(padding: str | tuple[Any, ...], dim: int, layer: Layer) -> tuple[Any, ...]:
    """One padding per axis, from a mode for all or one entry each.

    Raises:
        LayerError: if there are too few or too many.
    """
    if isinstance(padding, str):
        return (padding,) * dim
    if len(padding) != dim:
        raise LayerError(f"{layer}: padding has {len(padding)} entries, {shown(padding)}, for {dim} axes")
    return padding


def paddings(value: Any, what: str) -> PaddingSpec:
    """A mode of padding for all axes, an int for all ends, or per axis a mode or a pair (lo, hi)."""
    if isinstance(value, str):
        return _mode(value, what)
    if is_integer(value) and 0 <= value <= MOST:
        return int(value)
    entries = tuple(value) if isinstance(value, list | tuple) else ()
    if not entries or not all(isinstance(entry, str) or is_pair(entry) for entry in entries):
        raise ValueError(
            f"{what} is one mode for all axes, or for each a mode or a pair (lo, hi) of integers ≥ 0; "
            f"got {shown(value)}"
        )
    return tuple(_mode(entry, what) if isinstance(entry, str) else (int(entry[0]), int(entry[1])) for entry in entries)


def _mode(value: str, what: str) -> str:
    if value not in MODES:
        meant = PADDINGS.get(value.lower())
        hint = f": here it is called {meant!r}" if meant else f"; use one of {', '.join(MODES)} or pairs (lo, hi)"
        raise ValueError(f"unknown {what} {shown(value)}{hint}")
    return value


def kept_size(padding: PaddingSpec) -> PaddingSpec:
    """The padding, but circular in place of "valid", which makes the map smaller."""
    if isinstance(padding, tuple):
        return tuple("circular" if entry == "valid" else entry for entry in padding)
    return "circular" if padding == "valid" else padding


def modes(*accepted: str) -> Check:
    """One of some modes of padding for all axes, or one per axis."""

    def as_checked(value: Any, what: str) -> str | tuple[str, ...]:
        entries = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not entries or not all(isinstance(entry, str) and entry in accepted for entry in entries):
            raise ValueError(
                f"unknown {what} {shown(value)}; use {' or '.join(map(repr, accepted))}, for all axes or one each"
            )
        return value if isinstance(value, str) else entries

    return as_checked


def is_pair(value: Any) -> bool:
    """Whether it is (lo, hi), numbers of nodes at the two ends of an axis."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(is_integer(v) and 0 <= v <= MOST for v in value)


def windows_of(
    layer: Layer,
    shape: Shape,
    kernel: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    dilation: int | tuple[int, ...],
    padding: PaddingSpec,
    reduce: str,
    weights: Sequence[tuple[int, ...]] | None = None,
) -> tuple[Window, ...]:
    """One `Window` per axis of an input of `shape`."""
    kernels = per_axis(kernel, shape, "kernel", layer)
    strides = per_axis(stride, shape, "stride", layer)
    dilations = per_axis(dilation, shape, "dilation", layer)
    paddings = axis_padding(padding, len(kernels), layer)
    filters = weights or (None,) * len(kernels)
    return tuple(
        _window(k, s, d, p, reduce, w)
        for k, s, d, p, w in zip(kernels, strides, dilations, paddings, filters, strict=True)
    )


_window = lru_cache(maxsize=1 << 10)(Window)
"""A network has few different ones, of which each layer is asked several times."""

MOST_READ = 1 << 22
"""Taps of all outputs along an axis, which are listed to be matched."""


MOST_PERIOD = 1 << 12
"""Outputs in one period along an infinite axis."""


def _check_listed(layer: Layer, shape: Shape, axis: int, reading: Reading, outputs: int, most: int) -> None:
    if outputs > most or outputs * reading.reads > MOST_READ:
        raise LayerError(
            f"{layer}: {outputs} outputs that read {reading.reads} nodes each, along axis {axis} of an input of shape "
            f"{shape}, are too many to be listed: at most {most}, and {MOST_READ} nodes in all"
        )


def read_shape(layer: Layer, shape: Shape, readings: Sequence[Reading]) -> tuple[int | None, ...]:
    """Spatial sizes after `readings`.

    Raises:
        LayerError: if nothing is left along an axis, or a stride exceeds the map, or the padding cannot be made.
    """
    sizes = []
    for axis, (n, reading) in enumerate(zip(shape[:-1], readings, strict=True)):
        if n is None:
            _check_listed(layer, shape, axis, reading, reading.period, MOST_PERIOD)
            sizes.append(None)
            continue
        if isinstance(reading, Window):
            padded = n + sum(reading.border(n))
            if reading.stride > n:
                raise LayerError(
                    f"{layer}: stride {reading.stride} is larger than the map, of size {n} along axis {axis}: "
                    f"use a larger input or fewer strides before this layer"
                )
            if reading.extent > padded:
                raise LayerError(
                    f"{layer}: a window of extent {reading.extent} does not fit a padded map of size {padded} "
                    f"along axis {axis} (input shape {shape}): use a larger input, a smaller window or more padding"
                )
            if reading.mode == "reflect" and max(reading.border(n)) > n - 1:
                raise LayerError(
                    f"{layer}: reflect padding of {reading.border(n)} needs a map larger than "
                    f"{max(reading.border(n))}; got size {n} along axis {axis}: use padding='edge' or a smaller kernel"
                )
        size = reading.size(n)
        if size < 1:
            raise LayerError(f"{layer}: nothing is left along axis {axis} of an input of shape {shape}")
        _check_listed(layer, shape, axis, reading, size, MOST_ALONG)
        sizes.append(size)
    return tuple(sizes)


def needs_size(layer: Layer, what: str, other: str = "") -> LayerError:
    """That a layer means nothing on an infinite axis, since `what` depends on the size; `other` layers do."""
    hint = f", or use {other}" if other else ""
    return LayerError(f"{layer}: {what} depends on the size of the map: ask on a torus or a box{hint}")


def window_reason(readings: Sequence[Window], before: Field, lost: Lost, *, free: bool = True) -> str:
    """Why sliding windows lose isometries of the grid they run over, as text for the ledger.

    Args:
        free: whether their taps, if they have any, carry free weights.
    """
    facts = []
    for window, axis in zip(readings, before.grid.axes, strict=True):
        if "translations" in lost:
            facts += _why_translations(window, axis)
        if "operations" in lost and free and window.reduce == "taps" and window.kernel > 1:
            facts.append("a free kernel tells directions apart")
        elif "operations" in lost and axis.boundary == "bounded" and axis.size is not None:
            first = -window.border(axis.size)[0]
            last = (window.size(axis.size) - 1) * window.stride + first + window.extent - 1
            if first + last != axis.size - 1:
                facts.append(f"the windows do not lie symmetrically on {axis.size} nodes")
    return "; ".join(dict.fromkeys(facts))


def _why_translations(window: Window, axis: Axis) -> list[str]:
    facts = []
    if axis.boundary == "periodic" and window.mode != "circular":
        if window.padding == "valid" and window.extent > window.stride:
            facts.append("valid windows do not wrap around")
        elif any(window.border(axis.size)):
            facts.append(f"{window.mode} padding marks the border")
    if axis.boundary == "periodic" and (axis.size or 1) % window.stride:
        facts.append(f"stride {window.stride} does not divide {axis.size}")
    elif axis.boundary != "bounded" and window.stride > 1:
        facts.append(f"stride {window.stride} keeps multiples of {window.stride}")
    return facts


class Windowed(Layer):
    """A layer each of whose outputs reads a window of nodes, by one `Reading` per axis, and that declares just this.

    Subclasses say what they read (`windows`), and what they make of it.
    """

    reduce: ClassVar[Reduce] = "sum"
    """What is made of a window: "taps", with free weights that tell taps and channels apart, "sum" or "max"."""

    @property
    def makes(self) -> int | None:
        """The channels of the output; None: those of the input."""
        return None

    def windows(self, shape: Shape) -> Sequence[Reading]:
        """What it reads of an input of that shape, a `Reading` per axis."""
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        return (*read_shape(self, shape, self.windows(shape)), shape[-1] if self.makes is None else self.makes)

    def symmetry(self, field: Field) -> Field:
        return field.read(self.windows(field.shape), self.reduce, self.makes)

    def reason(self, before: Field, lost: Lost) -> str:
        windows = [reading for reading in self.windows(before.shape) if isinstance(reading, Window)]
        return window_reason(windows, before, lost) if windows else ""
