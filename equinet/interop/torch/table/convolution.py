"""Convolutions, in every direction, and padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.interop.torch.table.arrays import Array, Ints, Unsupported, along, cut, per_axis

Pairs = Sequence[tuple[int, int]]


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Array:
    """A convolution `[batch, channels, *spatial]` with a kernel `[out, in / groups, *sizes]`."""
    dim = weight.ndim - 2
    dilation = per_axis(dilation, dim)
    if padding == "valid":
        pairs: Pairs = ((0, 0),) * dim
    elif padding == "same":
        spans = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pairs = [(span // 2, span - span // 2) for span in spans]
    else:
        pairs = [(p, p) for p in per_axis(padding, dim)]  # pyright: ignore[reportArgumentType]
    return _convolved(x, weight, bias, per_axis(stride, dim), pairs, (1,) * dim, dilation, groups)


def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Array:
    """The transpose of a convolution: a kernel `[in, out / groups, *sizes]`, turned, over the input set apart.

    Input node i adds its kernel at output nodes s·i − p + d·t, t its taps. So output node o reads (o + p − d·t) / s:
    a convolution with steps of 1 over the input with s − 1 zeros between its nodes, the kernel read backwards, and
    d·(k − 1) − p zeros in front.
    """
    dim = weight.ndim - 2
    stride, dilation, sizes = per_axis(stride, dim), per_axis(dilation, dim), weight.shape[2:]
    more = per_axis(output_padding, dim)
    edges = [d * (k - 1) - p for d, k, p in zip(dilation, sizes, per_axis(padding, dim), strict=True)]
    pairs = [(edge, edge + m) for edge, m in zip(edges, more, strict=True)]
    inputs, outputs = weight.shape[:2]
    kernel = weight.reshape(groups, inputs // groups, outputs, *sizes).swapaxes(1, 2)
    kernel = lax.rev(kernel.reshape(groups * outputs, inputs // groups, *sizes), range(2, dim + 2))
    return _convolved(x, kernel, bias, (1,) * dim, pairs, stride, dilation, groups)


def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> Array:
    if transposed:
        return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(x, weight, bias, stride, padding, dilation, groups)


def _convolved(
    x: Array,
    kernel: Array,
    bias: Array | None,
    stride: tuple[int, ...],
    pairs: Pairs,
    apart: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Array:
    alone = x.ndim == kernel.ndim - 1
    y = lax.conv_general_dilated(
        x[None] if alone else x, kernel, stride, pairs, apart, dilation, feature_group_count=groups
    )
    y = y if bias is None else y + along(bias, y.ndim)
    return y[0] if alone else y


def pad(x: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """More nodes at the ends, pairs from the last axis on; fewer where a number is below zero."""
    pairs = [(0, 0)] * x.ndim
    for i, pair in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        pairs[x.ndim - 1 - i] = (int(pair[0]), int(pair[1]))
    if mode == "constant":
        edges = [(low, high, 0) for low, high in pairs]
        return lax.pad(x, np.asarray(value or 0, x.dtype)[()], edges) if any(pad) else x
    known = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in known:
        raise Unsupported(f"padding of the mode {mode!r}; {', '.join(known)} and constant are known")
    for axis, (low, high) in enumerate(pairs):
        x = cut(x, axis, max(0, -low), x.shape[axis] - max(0, -high))
    grown = [(max(0, low), max(0, high)) for low, high in pairs]
    return jnp.pad(x, grown, known[mode]) if any(map(any, grown)) else x


def _padded(mode: str) -> Callable[[Array, Sequence[int]], Array]:
    return lambda x, padding: pad(x, padding, mode)


TABLE: dict[str, Callable[..., Any]] = {
    "conv1d": conv,
    "conv2d": conv,
    "conv3d": conv,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "conv_transpose3d": conv_transpose,
    "convolution": convolution,
    "_convolution": lambda *given, **_: convolution(*given[:9]),
    "pad": pad,
    "constant_pad_nd": lambda x, pad_, value=0: pad(x, pad_, "constant", value),
    "_pad_circular": _padded("circular"),
    **{f"reflection_pad{d}d": _padded("reflect") for d in (1, 2, 3)},
    **{f"replication_pad{d}d": _padded("replicate") for d in (1, 2, 3)},
}
"""Operations by name: kernels that every node applies, and nodes beyond the ends."""
