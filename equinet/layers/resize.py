"""Layers that resize or move the grid: upsampling, depth to space and back, padding, cropping, rolling."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Any, Literal

import jax
import jax.numpy as jnp

from equinet.checks import MOST, is_integer, shown
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, choice, counts, number, per_axis
from equinet.layers.local import Windowed, each_axis, is_pair, modes, read_shape
from equinet.layers.pointwise import check_signs
from equinet.ops.windows import merge_tiles, pad_axis, split_tiles
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Extend, Linear, Nearest, Reading, Rolled, Shuffle, Window

Ints = int | tuple[int, ...]
Widths = int | tuple[int, int] | tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Upsample(Windowed):
    """Upsampling by an integer factor.

    "nearest" copies, `y[i] = x[i // f]`; "linear" interpolates with half-pixel centres, output i at
    (i + 1/2) / f − 1/2, along each axis in turn.

    Args:
        factor: f, an int or one per axis.
        method: "nearest" or "linear".
        padding: "edge" or "circular", what linear interpolation reads beyond the ends; for all axes or one per axis.

    Raises:
        ValueError: for an unknown method or padding.
    """

    treats_channels = "alike"

    factor: Ints
    _: KW_ONLY
    method: Literal["nearest", "linear"] = "nearest"
    padding: str | tuple[str, ...] = "edge"

    def __post_init__(self) -> None:
        check(self, factor=counts, method=choice("nearest", "linear"), padding=modes("edge", "circular"))

    def windows(self, shape: Shape) -> tuple[Nearest | Linear, ...]:
        factors = per_axis(self.factor, shape, "factor", self)
        if self.method == "nearest":
            return tuple(Nearest(f) for f in factors)
        return tuple(map(Linear, factors, each_axis(self.padding, len(factors), self)))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        for axis, reading in enumerate(self.windows(x.shape[1:]), start=1):
            if reading.factor == 1:
                continue
            if isinstance(reading, Nearest):
                x = jnp.repeat(x, reading.factor, axis=axis)
            else:
                x = _interpolate(x, axis, reading)
        return x, state


def _interpolate(x: jax.Array, axis: int, reading: Linear) -> jax.Array:
    """One axis of linear interpolation: the offsets within a block of outputs are shifted sums of the input."""
    n, factor = x.shape[axis], reading.factor
    wide = pad_axis(x, axis, 1, 1, reading.padding)
    nodes, weights, _ = reading.table(None)
    blocks = []
    for (before, _), (left, right) in zip(nodes[:, 0], weights[:, 0], strict=True):
        low = jax.lax.slice_in_dim(wide, before + 1, before + 1 + n, axis=axis)
        high = jax.lax.slice_in_dim(wide, before + 2, before + 2 + n, axis=axis) if right else low
        shares = [jnp.asarray(weight / (left + right), x.dtype) for weight in (left, right)]
        blocks.append(low * shares[0] + high * shares[1] if right else low)
    stacked = jnp.stack(blocks, axis=axis + 1)
    return stacked.reshape(*x.shape[:axis], n * factor, *x.shape[axis + 1 :])


@dataclass(frozen=True)
class PixelUnshuffle(Layer):
    """Space to depth: `y[i, (o, c)] = x[f i + o, c]`, offsets o in row-major order before the channels c.

    Args:
        factor: f, an int or one per axis.

    Raises:
        LayerError: from init and apply, if a size is no multiple of its factor.
    """

    factor: Ints

    def __post_init__(self) -> None:
        check(self, factor=counts)

    def _factors(self, shape: Shape) -> tuple[int, ...]:
        factors = per_axis(self.factor, shape, "factor", self)
        if any(n is not None and n % f for n, f in zip(shape[:-1], factors, strict=True)):
            raise LayerError(
                f"{self}: the factors {factors} must divide the sizes {shape[:-1]}: pad or crop the map before it"
            )
        return factors

    def output_shape(self, shape: Shape) -> Shape:
        factors = self._factors(shape)
        channels = int(shape[-1] or 1) * prod(factors)
        if channels > MOST:
            raise LayerError(f"{self} makes {channels} channels of {shape[-1]}; at most {MOST}: use a smaller factor")
        return (*read_shape(self, shape, [Window(f, f) for f in factors]), channels)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        factors = self._factors(x.shape[1:])
        return _offsets_to_channels(x, factors), state

    def symmetry(self, field: Field) -> Field:
        factors = self._factors(field.shape)
        return field.unfold(factors, [Window(f, f) for f in factors])

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return f"blocks of {self.factor} lie at fixed places, and channels tell the offsets in them apart"


def _offsets_to_channels(x: jax.Array, factors: tuple[int, ...]) -> jax.Array:
    dim = len(factors)
    order = (0, *range(1, 2 * dim, 2), *range(2, 2 * dim + 1, 2), 2 * dim + 1)
    return jax.lax.collapse(split_tiles(x, factors).transpose(order), dim + 1)


@dataclass(frozen=True)
class PixelShuffle(Layer):
    """Depth to space: `y[f i + o, c] = x[i, (o, c)]`, the inverse of `PixelUnshuffle`.

    Args:
        factor: f, an int or one per axis.

    Raises:
        LayerError: from init and apply, if the channels are no multiple of the product of the factors.
    """

    factor: Ints

    def __post_init__(self) -> None:
        check(self, factor=counts)

    def _factors(self, shape: Shape) -> tuple[int, ...]:
        factors = per_axis(self.factor, shape, "factor", self)
        if (shape[-1] or 1) % prod(factors):
            raise LayerError(
                f"{self}: {prod(factors)}, the product of the factors, must divide the channels; "
                f"got {shape[-1]}: put a convolution with a multiple of {prod(factors)} features before it"
            )
        return factors

    def output_shape(self, shape: Shape) -> Shape:
        factors = self._factors(shape)
        spatial = read_shape(self, shape, [Nearest(f) for f in factors])
        return (*spatial, (shape[-1] or 1) // prod(factors))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        factors = self._factors(x.shape[1:])
        dim = len(factors)
        sizes = x.shape[1:-1]
        split = x.reshape(x.shape[0], *sizes, *factors, -1)
        order = (0, *(v for axis in range(dim) for v in (1 + axis, 1 + dim + axis)), 2 * dim + 1)
        return merge_tiles(split.transpose(order), dim), state

    def symmetry(self, field: Field) -> Field:
        factors = self._factors(field.shape)
        readings = [Shuffle(f, axis) for axis, f in enumerate(factors)]
        return field.fold(factors, readings, field.channels // prod(factors))

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return "each offset shows channels of its own"


def _pairs(layer: Layer, width: Widths, shape: Shape) -> tuple[tuple[int, int], ...]:
    """`(lo, hi)` per axis from an int, one pair for all axes, or a pair per axis.

    Raises:
        LayerError: if they are malformed or negative.
    """
    dim = len(per_axis(1, shape, "width", layer))
    if isinstance(width, int):
        return ((width, width),) * dim
    pairs: tuple[Any, ...] = (width,) * dim if isinstance(width[0], int) else width
    if len(pairs) != dim:
        raise LayerError(
            f"{layer}: width must be an int, a pair (lo, hi) ≥ 0 or {dim} pairs, one per axis; got {shown(width)}"
        )
    return pairs


def widths(value: Any, what: str) -> Widths:
    """How many nodes are put on or taken off: an int, one pair (lo, hi) for all axes, or a pair per axis."""
    if is_integer(value) and 0 <= value <= MOST:
        return int(value)
    pairs = tuple(value) if isinstance(value, list | tuple) else ()
    if is_pair(pairs):
        lo, hi = map(int, pairs)
        return lo, hi
    if not pairs or not all(map(is_pair, pairs)):
        raise ValueError(f"{what} must be an int, a pair (lo, hi) ≥ 0 or pairs, one per axis; got {shown(value)}")
    return tuple((int(lo), int(hi)) for lo, hi in pairs)


@dataclass(frozen=True)
class Pad(Windowed):
    """Add nodes at the ends of every axis.

    Args:
        width: an int, a pair (lo, hi), or a pair for each axis.
        mode: "zero" (the constant `value`), "circular", "reflect" (the border node is not repeated) or "edge".
        value: the constant.

    Raises:
        ValueError: for an unknown mode.
        LayerError: from init and apply, if a width is malformed or too wide to reflect.
    """

    treats_channels = "alike"

    width: Widths
    _: KW_ONLY
    mode: Literal["zero", "circular", "reflect", "edge"] = "zero"
    value: float = 0.0

    def __post_init__(self) -> None:
        check(self, width=widths, mode=choice("zero", "circular", "reflect", "edge"), value=number())

    def windows(self, shape: Shape) -> tuple[Extend, ...]:
        readings = tuple(Extend(lo, hi, self.mode) for lo, hi in _pairs(self, self.width, shape))
        for axis, (n, reading) in enumerate(zip(shape[:-1], readings, strict=True)):
            if self.mode == "reflect" and n is not None and max(reading.lo, reading.hi) > n - 1:
                raise LayerError(
                    f"{self}: to reflect ({reading.lo}, {reading.hi}) nodes an axis must be longer; got size {n} "
                    f"along axis {axis}: use mode='edge' or a smaller width"
                )
        return readings

    def output_shape(self, shape: Shape) -> Shape:
        if self.value and self.mode == "zero":
            check_signs(self, shape, "zeros, or another mode")
        return super().output_shape(shape)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        for axis, reading in enumerate(self.windows(x.shape[1:]), start=1):
            x = pad_axis(x, axis, reading.lo, reading.hi, self.mode, self.value)
        return x, state

    def symmetry(self, field: Field) -> Field:
        if self.mode != "zero" or not self.value:
            return super().symmetry(field)
        # A constant of its own: neither the zeros before it nor those after it may be taken for it.
        return super().symmetry(field.rename_constants()).rename_constants()


@dataclass(frozen=True)
class Crop(Windowed):
    """Remove nodes at the ends of every axis.

    Args:
        width: an int, a pair (lo, hi), or a pair for each axis.

    Raises:
        LayerError: from init and apply, if a width is malformed or nothing is left.
    """

    treats_channels = "alike"

    width: Widths

    def __post_init__(self) -> None:
        check(self, width=widths)

    def windows(self, shape: Shape) -> tuple[Extend, ...]:
        return tuple(Extend(-lo, -hi) for lo, hi in _pairs(self, self.width, shape))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        for axis, reading in enumerate(self.windows(x.shape[1:]), start=1):
            x = jax.lax.slice_in_dim(x, -reading.lo, x.shape[axis] + reading.hi, axis=axis)
        return x, state


@dataclass(frozen=True)
class Roll(Layer):
    """Cyclic shift: `y[i] = x[i − shift mod n]`.

    Args:
        shift: an int for every axis, or one per axis; may be negative.
    """

    treats_channels = "alike"

    shift: Ints

    def __post_init__(self) -> None:
        check(self, shift=lambda value, what: counts(value, what, least=-MOST))

    def _shifts(self, shape: Shape) -> tuple[int, ...]:
        return per_axis(self.shift, shape, "shift", self, least=-MOST)

    def output_shape(self, shape: Shape) -> Shape:
        self._shifts(shape)
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        shifts = self._shifts(x.shape[1:])
        return jnp.roll(x, shifts, axis=tuple(range(1, x.ndim - 1))), state

    def symmetry(self, field: Field) -> Field:
        readings: list[Reading] = [Rolled(shift) for shift in self._shifts(field.shape)]
        return field.read(readings, "sum")
