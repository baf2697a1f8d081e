"""Convolutions with free weights."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag
from equinet.layers.base import BATCH, Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, count, counts, per_axis
from equinet.layers.local import PaddingSpec, Windowed, each_axis, modes, paddings, windows_of
from equinet.ops.conv import convolve, convolve_windows
from equinet.ops.windows import pad_axis
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import Transposed, Window

Ints = int | tuple[int, ...]


def he_normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """A kernel `[*taps, in, out]` of variance 2 / fan-in (He et al. 2015)."""
    return jax.random.normal(key, shape) * (2.0 / prod(shape[:-1])) ** 0.5


def add_bias(y: jax.Array, params: Params) -> jax.Array:
    """Add the bias per channel, if the parameters have one."""
    if "bias" not in params:
        return y
    return y + params["bias"].astype(y.dtype).reshape((1,) * (y.ndim - 1) + (-1,))


def _check_kernel(layer: Layer, params: Params, groups: int, x: jax.Array) -> None:
    if not isinstance(params["kernel"], jax.Array | np.ndarray):
        raise LayerError(f"{layer}: its weights are those of another layer: it needs one kernel, as init makes it")
    made_for = params["kernel"].shape[-2] * groups
    if params["kernel"].ndim != x.ndim or made_for != x.shape[-1]:
        raise LayerError(
            f"{layer}: its weights are for {params['kernel'].ndim - 2} spatial axes and {made_for} channels; got an "
            f"input of shape {x.shape}: {BATCH}"
        )


class _Convolution(Windowed):
    """What both convolutions share."""

    reduce = "taps"

    features: int
    kernel: Ints
    groups: int
    bias: bool

    @property
    def makes(self) -> int:
        return self.features

    def output_shape(self, shape: Shape) -> Shape:
        result = super().output_shape(shape)
        channels = int(shape[-1])
        if channels % self.groups or self.features % self.groups:
            raise LayerError(
                f"{self}: groups={self.groups} must divide the {channels} input channels and {self.features} features"
            )
        return result

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        taps = per_axis(self.kernel, shape, "kernel", self)
        params = {"kernel": he_normal(key, (*taps, int(shape[-1]) // self.groups, self.features))}
        return ({**params, "bias": jnp.zeros(self.features)} if self.bias else params), {}

    def channels_read(self, params: Params) -> int | None:
        return params["kernel"].shape[-2] * self.groups


@dataclass(frozen=True)
class Conv(_Convolution):
    """Convolution (cross-correlation) `y[i] = b + Σ_τ W_τ x[s i + d τ − lo]`.

    Declares the window rule for ordered windows: it keeps translations by multiples of the stride that map the grid to
    itself, and the reversal of an axis only if the kernel along that axis is 1.

    Args:
        features: output channels.
        kernel, stride, dilation: an int, or one per axis.
        padding: "circular" | "zero" (SAME) | "zero_lower" (SAME_LOWER) | "valid" | "reflect" | "edge", for all axes or
            one per axis; per axis also a pair (lo, hi) of zeros. Circular, reflect and edge add (k−1)//2 nodes before
            and k//2 after, where k is the size of the dilated kernel. A panorama, which wraps around along axis 1, has
            ("zero", "circular").
        groups: feature groups; if it is the number of input channels, the convolution is depthwise.
        bias: whether to add b.

    Raises:
        LayerError: from init and apply, if the window does not fit or the groups do not divide the channels.
    """

    features: int
    kernel: Ints
    _: KW_ONLY
    stride: Ints = 1
    dilation: Ints = 1
    padding: PaddingSpec = "zero"
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        check(self, features=count, kernel=counts, stride=counts, dilation=counts)
        check(self, padding=paddings, groups=count, bias=as_flag)

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        return windows_of(self, shape, self.kernel, self.stride, self.dilation, self.padding, "taps")

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        _check_kernel(self, params, self.groups, x)
        y = convolve_windows(x, params["kernel"], self.windows(x.shape[1:]), self.groups)
        return add_bias(y, params), state


transposed_padding = modes("zero", "circular", "valid")
"""A padding of a transposed convolution."""


@dataclass(frozen=True)
class ConvTranspose(_Convolution):
    """Transposed convolution: inputs `stride` apart with zeros between, then a convolution of stride 1.

    Args:
        padding: "zero" and "circular" give n·stride outputs, "valid" (n−1)·stride + k; for all axes, or one per axis.
        features, kernel, stride, dilation, groups, bias: as for `Conv`.
    """

    features: int
    kernel: Ints
    _: KW_ONLY
    stride: Ints = 1
    dilation: Ints = 1
    padding: str | tuple[str, ...] = "zero"
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        check(self, features=count, kernel=counts, stride=counts, dilation=counts)
        check(self, padding=transposed_padding, groups=count, bias=as_flag)

    def windows(self, shape: Shape) -> tuple[Transposed, ...]:
        kernels = per_axis(self.kernel, shape, "kernel", self)
        strides = per_axis(self.stride, shape, "stride", self)
        dilations = per_axis(self.dilation, shape, "dilation", self)
        borders = each_axis(self.padding, len(kernels), self)
        return tuple(map(Transposed, kernels, strides, dilations, borders))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        _check_kernel(self, params, self.groups, x)
        axes = self.windows(x.shape[1:])
        strides, dilations = tuple(r.stride for r in axes), tuple(r.dilation for r in axes)
        borders = []
        for axis, (reading, n) in enumerate(zip(axes, x.shape[1:-1], strict=True), start=1):
            before = reading.lead
            after = reading.size(n) - (n - 1) * reading.stride - 1 + reading.extent - 1 - before
            if reading.padding == "circular":
                wide = -(-(reading.extent - 1) // reading.stride)
                x = pad_axis(x, axis, wide, wide, "circular")
                before -= wide * reading.stride
                after -= wide * reading.stride
            borders.append((before, after))
        ones = (1,) * len(axes)
        y = convolve(x, params["kernel"].astype(x.dtype), ones, dilations, tuple(borders), self.groups, strides)
        return add_bias(y, params), state

    def reason(self, before: Field, lost: Lost) -> str:
        wraps = all(
            reading.padding == "circular" or axis.boundary != "periodic"
            for reading, axis in zip(self.windows(before.shape), before.grid.axes, strict=True)
        )
        facts = ["the border is marked by zeros"] if "translations" in lost and not wraps else []
        return "; ".join(facts + ["a free kernel tells directions apart"] * ("operations" in lost))
