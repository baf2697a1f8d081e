"""Layers on the frequencies of a map, which keep real shifts; every axis wraps around.

A frequency is a whole number of turns around an axis. Real shifts act on those below half a turn a node; the one of
exactly half a turn, which an even number of nodes has, is dropped wherever frequencies are.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import jax

from equinet.checks import as_flag, as_kind, is_real, shown
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.conv import add_bias
from equinet.layers.hyperparameters import check, count, counts, per_axis
from equinet.layers.local import read_shape
from equinet.layers.pointwise import Elementwise
from equinet.ops.fourier import resample, spectral_convolution
from equinet.symmetry.field import Field, changed
from equinet.symmetry.spectral import downsampled, filtered, highest, upsampled
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Nearest, Window

Ints = int | tuple[int, ...]
Share = float | Fraction


def _shares(value: Any, what: str) -> Fraction | tuple[Fraction, ...]:
    """Numbers above 0 and up to 1, exactly as they are given."""
    single = not isinstance(value, list | tuple)
    entries = (value,) if single else tuple(value)
    if not entries or not all(is_real(entry) and 0 < entry <= 1 for entry in entries):
        raise ValueError(f"{what} must be above 0 and at most 1, one number or one per axis; got {shown(value)}")
    kept = tuple(map(Fraction, entries))
    return kept[0] if single else kept


class _Spectral(Layer):
    """What layers on frequencies share: `infer` takes what they declare."""

    treats_channels = "alike"
    marked = "always"

    def reason(self, before: Field, lost: Lost) -> str:
        del before
        return "the axes differ in what is kept of them" if "operations" in lost else ""


@dataclass(frozen=True)
class Lowpass(_Spectral):
    """Keep the frequencies below a share of the highest that the nodes tell apart: `|k| < cutoff · n / 2`.

    A linear map that commutes with all real shifts. With `Fraction(2, 3)` a product of two such maps folds nothing back
    onto the frequencies that the next one keeps: the two-thirds rule of pseudo-spectral codes (Orszag 1971).

    Args:
        cutoff: a number above 0 and up to 1, for every axis or one per axis; write a third as a `Fraction`.

    Raises:
        ValueError: for another cutoff.
    """

    cutoff: Share | tuple[Share, ...]

    def __post_init__(self) -> None:
        check(self, cutoff=_shares)

    def _tops(self, shape: Shape) -> tuple[int | Fraction, ...]:
        """The highest frequency kept along each axis; on an infinite one, the share."""
        shares = per_axis(self.cutoff, shape, "cutoff", self, _shares)
        return tuple(
            Fraction(c) if n is None else ceil(Fraction(c) * n / 2) - 1 for n, c in zip(shape[:-1], shares, strict=True)
        )

    def output_shape(self, shape: Shape) -> Shape:
        self._tops(shape)
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return resample(x, x.shape[1:-1], [int(top) for top in self._tops(x.shape[1:])]), state

    def symmetry(self, field: Field) -> Field:
        return filtered(field, self._tops(field.shape))  # pyright: ignore[reportArgumentType]


class _Resampling(_Spectral):
    def reason(self, before: Field, lost: Lost) -> str:
        facts = [super().reason(before, lost)]
        if "translations" in lost:
            facts.append("only shifts from one kept node to another move nodes to nodes")
        return "; ".join(filter(None, facts))


@dataclass(frozen=True)
class IdealDownsample(_Resampling):
    """Keep every s-th node, after the frequencies that these nodes cannot tell apart: `|k| ≥ n / 2s`.

    It commutes with all real shifts, which move its output by t / s. If one or two nodes are left, they hold the mean,
    which no isometry changes.

    Args:
        stride: s, an int or one per axis.

    Raises:
        LayerError: from init and apply, if a size is no multiple of its stride.
    """

    stride: Ints

    def __post_init__(self) -> None:
        check(self, stride=counts)

    def _strides(self, shape: Shape) -> tuple[int, ...]:
        strides = per_axis(self.stride, shape, "stride", self)
        if any(n is not None and n % s for n, s in zip(shape[:-1], strides, strict=True)):
            raise LayerError(f"{self}: the strides {strides} must divide the sizes {shape[:-1]}: use another size")
        return strides

    def output_shape(self, shape: Shape) -> Shape:
        return (*read_shape(self, shape, [Window(1, s) for s in self._strides(shape)]), shape[-1])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return _down(x, self._strides(x.shape[1:])), state

    def symmetry(self, field: Field) -> Field:
        return downsampled(field, self._strides(field.shape))


@dataclass(frozen=True)
class IdealUpsample(_Resampling):
    """The trigonometric polynomial through the nodes at f times as many: `y[f i] = x[i]` but for the frequency n / 2.

    It commutes with all real shifts, which move its output by f · t.

    Args:
        factor: f, an int or one per axis.
    """

    factor: Ints

    def __post_init__(self) -> None:
        check(self, factor=counts)

    def _factors(self, shape: Shape) -> tuple[int, ...]:
        return per_axis(self.factor, shape, "factor", self)

    def output_shape(self, shape: Shape) -> Shape:
        return (*read_shape(self, shape, [Nearest(f) for f in self._factors(shape)]), shape[-1])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return _up(x, self._factors(x.shape[1:])), state

    def symmetry(self, field: Field) -> Field:
        return upsampled(field, self._factors(field.shape))


def _down(x: jax.Array, strides: tuple[int, ...]) -> jax.Array:
    sizes = [n // s for n, s in zip(x.shape[1:-1], strides, strict=True)]
    return resample(x, sizes, [None if s == 1 else highest(n) for n, s in zip(sizes, strides, strict=True)])


def _up(x: jax.Array, factors: tuple[int, ...]) -> jax.Array:
    sizes = [n * f for n, f in zip(x.shape[1:-1], factors, strict=True)]
    tops = [None if f == 1 else highest(n) for n, f in zip(x.shape[1:-1], factors, strict=True)]
    return resample(x, sizes, tops)


@dataclass(frozen=True)
class AliasFree(_Spectral):
    """A function of each value on a finer grid: upsample by `up`, apply it, keep what the nodes can tell apart.

    It commutes with shifts by multiples of 1 / up of a node. A polynomial of degree up to 2 · up − 1 commutes with all
    real shifts. (Karras et al. 2021, "Alias-free generative adversarial networks"; Michaeli et al. 2023.)

    Args:
        activation: a function of each value, such as `Relu()` or `Polynomial(2)`.
        up: an int or one per axis.

    Raises:
        TypeError: if the activation is no such layer.
    """

    activation: Layer
    _: KW_ONLY
    up: Ints = 2

    def __post_init__(self) -> None:
        as_kind(self.activation, Elementwise, "AliasFree needs a function of each value, such as Relu()")
        check(self, up=counts)

    def _factors(self, shape: Shape) -> tuple[int, ...]:
        return per_axis(self.up, shape, "up", self)

    def output_shape(self, shape: Shape) -> Shape:
        factors = self._factors(shape)
        read_shape(self, shape, [Nearest(f) for f in factors])
        return self.activation.output_shape(shape)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return self.activation.setup(key, shape)

    def channels_read(self, params: Params) -> int | None:
        return self.activation.channels_read(params)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        factors = self._factors(x.shape[1:])
        y, state = self.activation.forward(params, state, _up(x, factors), context)
        return _down(y, factors), state

    def symmetry(self, field: Field) -> Field:
        factors = self._factors(field.shape)
        if max(factors) == 1:
            return self.activation.symmetry(field)
        # Nodes come back to where they were, so all isometries of the grid survive that do not exchange factors.
        result = downsampled(self.activation.symmetry(upsampled(field, factors)), factors)
        return changed(filtered(field, factors), bands=result.bands)

    def reason(self, before: Field, lost: Lost) -> str:
        fine = self.activation.symmetry(upsampled(before, self._factors(before.shape)))
        return "; ".join(filter(None, (super().reason(before, lost), fine.bands.folded)))


@dataclass(frozen=True)
class SpectralConv(_Spectral):
    """A convolution with one matrix per frequency: `ŷ[k] = W[k] x̂[k]` for `|k| < modes`, and 0 above.

    It commutes with all real shifts, whatever the size of the map: the weights belong to frequencies, so it runs on
    other resolutions. (Li et al. 2021, "Fourier neural operator for parametric partial differential equations".)

    Args:
        features: output channels.
        modes: how many frequencies from 0 on, an int or one per axis.
        bias: whether to add a number per channel.

    Raises:
        LayerError: from init and apply, if a map has not so many frequencies below half a turn a node.
    """

    treats_channels = "apart"

    features: int
    modes: Ints
    _: KW_ONLY
    bias: bool = True

    def __post_init__(self) -> None:
        check(self, features=count, modes=counts, bias=as_flag)

    def _modes(self, shape: Shape) -> tuple[int, ...]:
        modes = per_axis(self.modes, shape, "modes", self)
        for axis, (n, m) in enumerate(zip(shape[:-1], modes, strict=True)):
            if n is not None and m - 1 > highest(n):
                raise LayerError(
                    f"{self}: axis {axis} of an input of shape {shape} has {highest(n) + 1} frequencies below half a "
                    f"turn a node; got modes {m}: use fewer"
                )
        return modes

    def output_shape(self, shape: Shape) -> Shape:
        self._modes(shape)
        return (*shape[:-1], self.features)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        *others, last = self._modes(shape)
        channels = int(shape[-1])
        kernel = jax.random.normal(key, (*(2 * m - 1 for m in others), last, channels, self.features, 2))
        params = {"kernel": kernel * channels**-0.5}
        return ({**params, "bias": jax.numpy.zeros(self.features)} if self.bias else params), {}

    def channels_read(self, params: Params) -> int | None:
        return params["kernel"].shape[-3]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        modes = self._modes(x.shape[1:])
        wide = x if x.dtype.itemsize >= 4 else x.astype("float32")
        y = spectral_convolution(wide, params["kernel"].astype(wide.dtype), modes).astype(x.dtype)
        return add_bias(y, params), state

    def symmetry(self, field: Field) -> Field:
        tops = [m - 1 for m in self._modes(field.shape)]
        return filtered(field.unmoved(), tops, is_symmetric=False).pointwise("affine", self.features)

    def reason(self, before: Field, lost: Lost) -> str:
        del before
        return "free weights tell the directions of a frequency apart" if "operations" in lost else ""
