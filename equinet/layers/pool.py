"""Max and average pooling, local and global."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag, shown
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, counts, optional
from equinet.layers.local import PaddingSpec, Windowed, paddings, read_shape, windows_of
from equinet.layers.pointwise import check_signs
from equinet.ops.pool import maximum, slide, tile_maximum
from equinet.symmetry.field import Field
from equinet.symmetry.windows import FILL, Window

Ints = int | tuple[int, ...]


def maxima_shape(layer: Layer, shape: Shape, axes: Sequence[Window]) -> Shape:
    """The output shape of maxima over windows.

    Raises:
        LayerError: as `read_shape`, and if a window holds nothing but padding.
    """
    spatial = read_shape(layer, shape, axes)
    for axis, (window, n) in enumerate(zip(axes, shape[:-1], strict=True)):
        if n is not None and (window.nodes(n) == FILL).all(1).any():
            raise LayerError(
                f"{layer}: a window along axis {axis} holds nothing but padding (input shape {shape}), so its maximum "
                f"is −∞: pad by less than the window"
            )
    return (*spatial, shape[-1])


def _stride(value: Any, what: str) -> Ints | None:
    """None, or an integer from 1 on, or one per axis. What else comes second elsewhere is a padding."""
    entries = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(entry, str | list | tuple) for entry in entries):
        given = shown(value)
        raise ValueError(
            f"{what} must be an integer or one per axis; got {given}: give a padding by name, padding={given}"
        )
    return optional(counts)(value, what)


@dataclass(frozen=True)
class MaxPool(Windowed):
    """Maximum over a sliding window; constant padding counts as −∞.

    Declares the window rule for unordered windows; consecutive max pools (and monotone functions between) compose.

    Args:
        window: an int, or one per axis.
        stride: defaults to the window.
        padding: as for `Conv`; default "valid".
    """

    treats_channels = "alike"
    reduce = "max"

    window: Ints
    stride: Ints | None = None
    _: KW_ONLY
    padding: PaddingSpec = "valid"

    def __post_init__(self) -> None:
        check(self, window=counts, stride=_stride, padding=paddings)

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        stride = self.window if self.stride is None else self.stride
        return windows_of(self, shape, self.window, stride, 1, self.padding, "max")

    def output_shape(self, shape: Shape) -> Shape:
        check_signs(self, shape, "AvgPool, BlurPool or PolyphasePool")
        return maxima_shape(self, shape, self.windows(shape))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        axes = self.windows(x.shape[1:])
        if all(
            w.kernel == w.stride and n % w.stride == 0 and w.border(n) == (0, 0)
            for w, n in zip(axes, x.shape[1:-1], strict=True)
        ):
            return tile_maximum(x, tuple(w.stride for w in axes)), state
        return slide(x, axes, jnp.maximum, -jnp.inf), state


@dataclass(frozen=True)
class AvgPool(Windowed):
    """Average over a sliding window.

    Args:
        window, stride, padding: as for `MaxPool`; constant padding is zeros.
        count_padding: divide by the size of the window; if False, by the number of its nodes inside the input.
    """

    treats_channels = "alike"

    window: Ints
    stride: Ints | None = None
    _: KW_ONLY
    padding: PaddingSpec = "valid"
    count_padding: bool = True

    def __post_init__(self) -> None:
        check(self, window=counts, stride=_stride, padding=paddings, count_padding=as_flag)

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        stride = self.window if self.stride is None else self.stride
        return windows_of(self, shape, self.window, stride, 1, self.padding, "sum", count_padding=self.count_padding)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        axes = self.windows(x.shape[1:])
        total = slide(x, axes, jnp.add)
        for axis, (window, n) in enumerate(zip(axes, x.shape[1:-1], strict=True), start=1):
            present = (window.nodes(n) >= 0).sum(1) if not self.count_padding else np.asarray([window.kernel])
            shape = [1] * x.ndim
            shape[axis] = len(present)
            total = total / jnp.asarray(np.maximum(present, 1).reshape(shape), x.dtype)
        return total, state


class _GlobalPool(Layer):
    treats_channels = "alike"
    _maximum = False

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise LayerError(f"{self} needs an input with spatial axes; got shape {shape}")
        if self._maximum:
            check_signs(self, shape, "GlobalAvgPool, or GroupPool(kind='norm') before")
        return (shape[-1],)

    def symmetry(self, field: Field) -> Field:
        return field.collapse(maximum=self._maximum)


@dataclass(frozen=True)
class GlobalAvgPool(_GlobalPool):
    """The mean over all nodes: `[batch, *spatial, channels]` to `[batch, channels]`.

    It turns every isometry under which the layers before are equivariant into one of invariance.
    """

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return x.mean(tuple(range(1, x.ndim - 1))), state


@dataclass(frozen=True)
class GlobalMaxPool(_GlobalPool):
    """The maximum over all nodes: `[batch, *spatial, channels]` to `[batch, channels]`."""

    _maximum = True

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return maximum(x, tuple(range(1, x.ndim - 1))), state
