"""Max and average pooling, local and global."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag, shown
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, counts, optional, per_axis
from equinet.layers.local import PaddingSpec, Windowed, needs_size, paddings, read_shape, windows_of
from equinet.layers.pointwise import check_signs
from equinet.ops.pool import maximum, slide, spread_windows, tile_maximum
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost
from equinet.symmetry.windows import FILL, Adaptive, Window

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
class _Pool(Windowed):
    """What pools over sliding windows share."""

    treats_channels = "alike"

    window: Ints
    stride: Ints | None = None
    _: KW_ONLY
    padding: PaddingSpec = "valid"
    dilation: Ints = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        check(self, window=counts, stride=_stride, padding=paddings, dilation=counts, ceil_mode=as_flag)
        given = self.padding if isinstance(self.padding, tuple) else (self.padding,)
        taken = [entry for entry in given if isinstance(entry, str) and entry != "valid"]
        if self.ceil_mode and taken:
            raise LayerError(
                f"{type(self).__name__}: ceil_mode goes with padding 'valid' or explicit pairs; {taken[0]!r} says "
                f"itself how many outputs there are"
            )

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        stride = self.window if self.stride is None else self.stride
        found = windows_of(self, shape, self.window, stride, self.dilation, self.padding, self.reduce)
        return tuple(replace(window, ceil=self.ceil_mode) for window in found)


@dataclass(frozen=True)
class MaxPool(_Pool):
    """Maximum over a sliding window; constant padding counts as −∞.

    Declares the window rule for unordered windows; consecutive max pools (and monotone functions between) compose.

    Args:
        window: an int, or one per axis.
        stride: defaults to the window.
        padding: as for `Conv`; default "valid".
        dilation: distance between the nodes of a window.
        ceil_mode: keep a last window that reaches beyond the end, if it starts within the input or the padding before
            it. With padding "valid" or explicit pairs.
    """

    reduce = "max"

    def output_shape(self, shape: Shape) -> Shape:
        check_signs(self, shape, "AvgPool, BlurPool or PolyphasePool")
        return maxima_shape(self, shape, self.windows(shape))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        axes = self.windows(x.shape[1:])
        if all(
            w.kernel == w.extent == w.stride and n % w.stride == 0 and w.border(n) == (0, 0)
            for w, n in zip(axes, x.shape[1:-1], strict=True)
        ):
            return tile_maximum(x, tuple(w.stride for w in axes)), state
        return slide(x, axes, jnp.maximum, -jnp.inf), state


@dataclass(frozen=True)
class AvgPool(_Pool):
    """Average over a sliding window.

    Args:
        window, stride, padding, dilation, ceil_mode: as for `MaxPool`; constant padding is zeros.
        count_padding: divide by the size of the window, less what `ceil_mode` lets reach beyond the padding; if False,
            by the number of its nodes inside the input.
    """

    _: KW_ONLY
    count_padding: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, count_padding=as_flag)

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        return tuple(replace(window, count_padding=self.count_padding) for window in super().windows(shape))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        axes = self.windows(x.shape[1:])
        counts = [window.counted(n).sum(1) for window, n in zip(axes, x.shape[1:-1], strict=True)]
        return _divide(slide(x, axes, jnp.add), counts), state


def _divide(total: jax.Array, counts: Sequence[np.ndarray]) -> jax.Array:
    """Sums over windows, divided by how many nodes each counts along each axis."""
    for axis, count in enumerate(counts, start=1):
        count = np.maximum(count[:1] if (count == count[0]).all() else count, 1)
        total = total / jnp.asarray(np.expand_dims(count, [i for i in range(total.ndim) if i != axis]), total.dtype)
    return total


class _AdaptivePool(Windowed):
    treats_channels = "alike"

    size: Ints

    def __post_init__(self) -> None:
        check(self, size=counts)

    def windows(self, shape: Shape) -> tuple[Adaptive, ...]:
        sizes = per_axis(self.size, shape, "size", self)
        if None in shape[:-1]:
            raise needs_size(self, "how wide its windows are", "AvgPool or MaxPool")
        return tuple(Adaptive(size, self.reduce) for size in sizes)

    def reason(self, before: Field, lost: Lost) -> str:
        del lost
        return f"windows for {self.size} outputs of {'×'.join(map(str, before.shape[:-1]))} nodes lie at fixed places"


@dataclass(frozen=True)
class AdaptiveAvgPool(_AdaptivePool):
    """Averages over windows that tile the map into a fixed number of outputs, whatever its size.

    Output i of m reads the nodes from ⌊i n / m⌋ up to ⌈(i + 1) n / m⌉ − 1 along an axis of n nodes. Where m divides n
    it is an `AvgPool` of n / m; elsewhere windows overlap and few shifts are left. (He et al. 2015, spatial pyramid
    pooling; not to be confused with adaptive polyphase sampling.)

    Args:
        size: m, an int or one per axis.

    Raises:
        LayerError: on an infinite axis, where a number of outputs means nothing.

    >>> import equinet as eq
    >>> print(eq.certify(AdaptiveAvgPool(4), eq.torus(12, 12), channels=1).strict)
    3Z × 3Z ⋊ 4mm (p4m, index 9)
    """

    size: Ints

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        windows, counts = self.windows(x.shape[1:]), []
        for axis, window in enumerate(windows, start=1):
            nodes = window.nodes(x.shape[axis])
            counts.append((nodes != FILL).sum(1))
            x = spread_windows(x, axis, nodes).sum(axis + 1)
        return _divide(x, counts), state


@dataclass(frozen=True)
class AdaptiveMaxPool(_AdaptivePool):
    """Maxima over the windows of `AdaptiveAvgPool`.

    Args:
        size: as there.

    Raises:
        LayerError: as there, and on channels that operations give signs.
    """

    reduce = "max"

    size: Ints

    def output_shape(self, shape: Shape) -> Shape:
        check_signs(self, shape, "AdaptiveAvgPool")
        return super().output_shape(shape)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        for axis, window in enumerate(self.windows(x.shape[1:]), start=1):
            nodes = window.nodes(x.shape[axis])
            windows = spread_windows(x, axis, np.where(nodes == FILL, nodes[:, :1], nodes))
            x = maximum(windows, (axis + 1,))
        return x, state


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
