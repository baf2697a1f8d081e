"""Layers that resize or move the grid: upsampling, depth to space and back, padding, cropping, rolling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from math import prod
from typing import Any, Literal

import jax
import jax.numpy as jnp

from equinet.checks import MOST, as_flag, is_integer, shown
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, choice, counts, number, per_axis
from equinet.layers.local import Windowed, each_axis, is_pair, modes, needs_size, read_shape
from equinet.layers.pointwise import check_signs
from equinet.ops.resample import resample
from equinet.ops.windows import merge_tiles, pad_axis, split_tiles
from equinet.symmetry.field import Field
from equinet.symmetry.resampling import METHODS, Method, Resample
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Extend, Nearest, Reading, Rolled, Shuffle, Window

Ints = int | tuple[int, ...]
Factors = int | Fraction | tuple[int | Fraction, ...]
Widths = int | tuple[int, int] | tuple[tuple[int, int], ...]


_MOST_PARTS = 64


def factors(value: Any, what: str) -> Factors:
    """A factor of at least 1, exactly, or one per axis: integers, or fractions of at most 64 parts."""
    single = not isinstance(value, list | tuple)
    entries = (value,) if single else tuple(value)
    if not entries or not all(isinstance(entry, Fraction | float) or is_integer(entry) for entry in entries):
        raise ValueError(f"{what} must be an integer, a Fraction or a float, or one per axis; got {shown(value)}")
    if not all(1 <= entry <= MOST for entry in entries):
        raise ValueError(f"{what} must be at least 1 and at most {MOST}; got {shown(value)}")
    found = tuple(entry if isinstance(entry, Fraction) else Fraction(entry) for entry in entries)
    if any(entry.denominator > _MOST_PARTS for entry in found):
        raise ValueError(
            f"{what} must be a fraction of at most {_MOST_PARTS} parts; {shown(value)} is none: use Fraction(p, q), or "
            f"Resize for a size"
        )
    plain = tuple(int(entry) if entry.denominator == 1 else entry for entry in found)
    return plain[0] if single else plain


class _Resampled(Windowed):
    """Reads the map at evenly spaced positions, along each axis in turn."""

    treats_channels = "alike"

    method: Method
    padding: str | tuple[str, ...]
    align_corners: bool

    def _check(self) -> None:
        check(self, method=choice(*METHODS), padding=modes("edge", "circular"), align_corners=as_flag)
        around = "circular" in (self.padding if isinstance(self.padding, tuple) else (self.padding,))
        if self.align_corners and (around or self.method == "nearest"):
            raise LayerError(
                f"{type(self).__name__}: aligned corners are for linear and cubic interpolation with padding 'edge': a "
                f"circle has no corners; got method {self.method!r} and padding {self.padding!r}"
            )

    def _readings(self, shape: Shape, sizes: Sequence[tuple[Fraction | None, int | None]]) -> tuple[Resample, ...]:
        """One reading per axis, of the given factor or number of outputs each."""
        if None in shape[:-1] and (self.align_corners or sizes[0][0] is None):
            what = "where the corners are" if self.align_corners else "the factor"
            raise needs_size(self, what)
        paddings = each_axis(self.padding, len(sizes), self)
        return tuple(
            Resample(self.method, factor, outputs, padding, self.align_corners)
            for padding, (factor, outputs) in zip(paddings, sizes, strict=True)
        )

    def windows(self, shape: Shape) -> Sequence[Resample]:
        raise NotImplementedError

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        for axis, reading in enumerate(self.windows(x.shape[1:]), start=1):
            x = resample(x, axis, reading)
        return x, state

    def reason(self, before: Field, lost: Lost) -> str:
        facts = []
        for reading, n, axis in zip(self.windows(before.shape), before.shape[:-1], before.grid.axes, strict=True):
            if "translations" not in lost or axis.boundary == "bounded":
                continue
            scale = Fraction(reading.size(n), n) if n else reading.factor or Fraction(1)
            if axis.boundary == "periodic" and reading.padding == "edge" and self.method != "nearest":
                facts.append("edge padding marks the border")
            elif scale.denominator > 1:
                facts.append(f"nodes lie alike on both grids every {scale.denominator}")
        return "; ".join(dict.fromkeys(facts))


@dataclass(frozen=True)
class Upsample(_Resampled):
    """Upsampling by a factor f, an integer or a fraction.

    Output i reads at (i + 1/2) / f − 1/2, along each axis in turn; there are ⌊f n⌋ of them. "nearest" takes the nearest
    node (for integers `y[i] = x[i // f]`), "linear" interpolates between two, "cubic" between four, with Keys' kernel
    for a = −1/2 (Keys 1981). Where f = p / q in lowest terms, shifts by multiples of q survive.

    Args:
        factor: f ≥ 1, or one per axis: an int, a `Fraction`, or a float that is a fraction of at most 64 parts.
        method: "nearest", "linear" or "cubic".
        padding: "edge" or "circular", what interpolation reads beyond the ends; for all axes or one per axis.
        align_corners: read at i (n − 1) / (m − 1) instead, so that the corners of the m outputs are those of the n
            inputs. No shift survives then.

    Raises:
        LayerError: for an unknown method or padding, or corners that are aligned where there are none.

    >>> from fractions import Fraction
    >>> import equinet as eq
    >>> print(eq.certify(Upsample(Fraction(3, 2), method="linear", padding="circular"), eq.torus(8), channels=1).strict)
    2Z ⋊ m (index 2)
    """

    factor: Factors
    _: KW_ONLY
    method: Method = "nearest"
    padding: str | tuple[str, ...] = "edge"
    align_corners: bool = False

    def __post_init__(self) -> None:
        check(self, factor=factors)
        self._check()

    @property
    def whole(self) -> Ints | None:
        """The factor, if it is an integer along every axis."""
        if not isinstance(self.factor, tuple):
            return None if isinstance(self.factor, Fraction) else self.factor
        found = tuple(factor for factor in self.factor if not isinstance(factor, Fraction))
        return found if len(found) == len(self.factor) else None

    def windows(self, shape: Shape) -> tuple[Resample, ...]:
        given = per_axis(self.factor, shape, "factor", self, factors)
        return self._readings(shape, [(Fraction(factor), None) for factor in given])


@dataclass(frozen=True)
class Resize(_Resampled):
    """Resample to a fixed size, smaller or larger, whatever the size of the map.

    As `Upsample` with f = m / n, the sizes after and before. There is no low-pass filter: what a smaller grid cannot
    hold is aliased, as with a stride.

    Args:
        size: m, an int or one per axis.
        method, padding, align_corners: as for `Upsample`; default "linear".

    Raises:
        LayerError: as for `Upsample`, and on an infinite axis, where a size means nothing.
    """

    size: Ints
    _: KW_ONLY
    method: Method = "linear"
    padding: str | tuple[str, ...] = "edge"
    align_corners: bool = False

    def __post_init__(self) -> None:
        check(self, size=counts)
        self._check()

    def windows(self, shape: Shape) -> tuple[Resample, ...]:
        return self._readings(shape, [(None, size) for size in per_axis(self.size, shape, "size", self)])


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
        channels = int(shape[-1]) * prod(factors)
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
        if int(shape[-1]) % prod(factors):
            raise LayerError(
                f"{self}: {prod(factors)}, the product of the factors, must divide the channels; "
                f"got {shape[-1]}: put a convolution with a multiple of {prod(factors)} features before it"
            )
        return factors

    def output_shape(self, shape: Shape) -> Shape:
        factors = self._factors(shape)
        spatial = read_shape(self, shape, [Nearest(f) for f in factors])
        return (*spatial, int(shape[-1]) // prod(factors))

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


def _shifts(value: Any, what: str) -> Ints:
    """An integer, or one per axis; may be negative."""
    return counts(value, what, least=-MOST)


@dataclass(frozen=True)
class Roll(Layer):
    """Cyclic shift: `y[i] = x[i − shift mod n]`.

    Args:
        shift: an int for every axis, or one per axis; may be negative.
    """

    treats_channels = "alike"

    shift: Ints

    def __post_init__(self) -> None:
        check(self, shift=_shifts)

    def _shifts(self, shape: Shape) -> tuple[int, ...]:
        return per_axis(self.shift, shape, "shift", self, _shifts)

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
