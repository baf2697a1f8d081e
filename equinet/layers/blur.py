"""Anti-aliased downsampling: a binomial low-pass filter, then a stride."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import jax
import jax.numpy as jnp

from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, counts, per_axis
from equinet.layers.local import PaddingSpec, Windowed, paddings, read_shape, window_reason, windows_of
from equinet.layers.pointwise import check_signs
from equinet.layers.pool import maxima_shape
from equinet.ops.blur import blur
from equinet.ops.pool import slide
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Extend, Window, binomial

Ints = int | tuple[int, ...]


def blur_windows(
    layer: Layer, shape: Shape, size: Ints, stride: Ints, padding: PaddingSpec, *, odd: bool = False
) -> tuple[Window, ...]:
    """The windows of a binomial filter, one per axis.

    Raises:
        LayerError: unless every size is from 1 to 7 (and odd, if asked).
    """
    sizes = per_axis(size, shape, "filter size", layer)
    if any(k > 7 for k in sizes):
        raise LayerError(f"{layer}: binomial filters have sizes 1 to 7; got {size}")
    if odd and any(k % 2 == 0 for k in sizes):
        raise LayerError(f"{layer}: an even filter size {size} moves the image by half a node; use an odd one")
    return windows_of(layer, shape, sizes, stride, 1, padding, "sum", [binomial(k) for k in sizes])


@dataclass(frozen=True)
class BlurPool(Windowed):
    """Binomial low-pass filter, then a stride: `y[i] = 2^(1−k) Σ_τ C(k−1, τ) x[s i + τ − lo]` along each axis.

    The filter is symmetric, so it declares the window rule for unordered windows. (Zhang 2019, "Making convolutional
    networks shift-invariant again".)

    Args:
        stride: s, an int or one per axis.
        size: k, the number of taps, 1 to 7; an int or one per axis.
        padding: as for `Conv`; constant padding is zeros.

    Raises:
        LayerError: from init and apply, if the filter does not fit or has an unknown size.
    """

    treats_channels = "alike"

    stride: Ints
    _: KW_ONLY
    size: Ints = 3
    padding: PaddingSpec = "circular"

    def __post_init__(self) -> None:
        check(self, stride=counts, size=counts, padding=paddings)

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        return blur_windows(self, shape, self.size, self.stride, self.padding)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return blur(x, self.windows(x.shape[1:])), state


@dataclass(frozen=True)
class MaxBlurPool(Layer):
    """Max pooling as a dense maximum (stride 1) followed by `BlurPool`.

    Args:
        stride: of the blur; an int or one per axis.
        window: of the maximum.
        size: taps of the binomial filter, 1 to 7.
        padding: as for `Conv`, of both steps; where it is constant it is −∞ for the maximum, zeros for the blur.

    Raises:
        LayerError: from init and apply, if a window does not fit or the filter has an unknown size.
    """

    treats_channels = "alike"

    stride: Ints
    _: KW_ONLY
    window: Ints = 2
    size: Ints = 3
    padding: PaddingSpec = "circular"

    def __post_init__(self) -> None:
        check(self, stride=counts, window=counts, size=counts, padding=paddings)

    def _maximum(self, shape: Shape) -> tuple[Window, ...]:
        return windows_of(self, shape, self.window, 1, 1, self.padding, "max")

    def _blur(self, shape: Shape) -> tuple[Window, ...]:
        return blur_windows(self, shape, self.size, self.stride, self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        check_signs(self, shape, "BlurPool")
        dense = maxima_shape(self, shape, self._maximum(shape))
        return (*read_shape(self, dense, self._blur(dense)), shape[-1])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        axes = self._maximum(x.shape[1:])
        dense = slide(x, axes, jnp.maximum, -jnp.inf)
        return blur(dense, self._blur(dense.shape[1:])), state

    def symmetry(self, field: Field) -> Field:
        if self.padding != "valid":
            dense = field.read(self._maximum(field.shape), "max")
            return dense.read(self._blur(dense.shape), "sum")
        # The maxima of all windows, wrapped ones included, move like a periodic grid, whatever the blur reads of them.
        around = windows_of(self, field.shape, self.window, 1, 1, "circular", "max")
        ends = [(window.extent - 1) // 2 for window in around], [window.extent // 2 for window in around]
        dense = field.read(around, "max").read([Extend(-lo, -hi) for lo, hi in zip(*ends, strict=True)], "sum")
        return dense.read(self._blur(dense.shape), "sum")

    def reason(self, before: Field, lost: Lost) -> str:
        return window_reason(self._blur(before.shape), before, lost)
