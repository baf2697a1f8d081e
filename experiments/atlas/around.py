"""PyTorch's convolutions and pools around the torus: what a network computes whose paddings are circular."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
MAXIMUM = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
MEAN = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
CONVS = {functional.conv1d: 1, functional.conv2d: 2, functional.conv3d: 3}
TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
TRANSPOSED_CONVS = {
    functional.conv_transpose1d: 1,
    functional.conv_transpose2d: 2,
    functional.conv_transpose3d: 3,
}
POOLS = {
    functional.max_pool1d: MAXIMUM,
    functional.max_pool2d: MAXIMUM,
    functional.max_pool3d: MAXIMUM,
    functional.avg_pool1d: MEAN,
    functional.avg_pool2d: MEAN,
    functional.avg_pool3d: MEAN,
}
"""The names of the arguments, in order."""


class _Circular(TorchFunctionMode):
    """Every padding that a convolution or a pool is given, and every padding of maps, continues the map periodically.

    It acts on the calls, whoever makes them, so that code that pads by functions is changed as modules are. Left as
    they are: unfolding, resizing.
    """

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func in CONVS:
            return _convolution(func, CONVS[func], {**dict(zip(CONV, args, strict=False)), **given})
        if func in TRANSPOSED_CONVS:
            return _transposed(func, TRANSPOSED_CONVS[func], {**dict(zip(TRANSPOSED, args, strict=False)), **given})
        if func in POOLS:
            return _pool(func, {**dict(zip(POOLS[func], args, strict=False)), **given})
        if func is functional.pad:
            return _padded(*args, **given)
        return func(*args, **given)


class _Double(TorchFunctionMode):
    """What is in double precision stays so, where a network computes a part of it in single precision.

    Attention of EfficientViT does; its rounding would count as an error of the group.
    """

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if args and isinstance(args[0], torch.Tensor) and args[0].dtype is torch.float64:
            if func is torch.Tensor.float:
                return args[0]
            args = [_doubled(each) for each in args]
            given = {name: _doubled(each) for name, each in given.items()}
        return func(*args, **given)


def _doubled(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def _convolution(func: Any, dim: int, given: dict[str, Any]) -> Any:
    padding = given.pop("padding", 0)
    if padding == "same":
        sizes = given["weight"].shape[2:]
        spread = [d * (k - 1) for d, k in zip(_per_axis(given.get("dilation", 1), dim), sizes, strict=True)]
        pads = [(total // 2, total - total // 2) for total in spread]
    else:
        pads = [(p, p) for p in _per_axis(0 if padding == "valid" else padding, dim)]
    return func(wrapped(given.pop("input"), pads), **given)


def _transposed(func: Any, dim: int, given: dict[str, Any]) -> Any:
    """Of a map that goes on periodically for as far as a kernel reaches, what lies over the map itself."""
    x, kernel = given.pop("input"), given["weight"].shape[2:]
    stride = _per_axis(given.get("stride", 1), dim)
    dilation, padding = _per_axis(given.get("dilation", 1), dim), _per_axis(given.get("padding", 0), dim)
    more = _per_axis(given.get("output_padding", 0), dim)
    y = func(x, **given)
    ends = [
        -(-(d * (k - 1) + p + o) // s) for d, k, p, o, s in zip(dilation, kernel, padding, more, stride, strict=True)
    ]
    wide = func(wrapped(x, [(end, end) for end in ends]), **given)
    for axis, (end, s) in enumerate(zip(ends, stride, strict=True), start=2):
        wide = wide.narrow(axis, end * s, y.shape[axis])
    return wide


def _pool(func: Any, given: dict[str, Any]) -> Any:
    sizes = given["input"].shape[2:]
    dim, ceil = len(sizes), bool(given.pop("ceil_mode", False))
    kernel, padding = _per_axis(given["kernel_size"], dim), _per_axis(given.pop("padding", 0), dim)
    stride = _per_axis(given.get("stride") or kernel, dim)
    dilation = _per_axis(given.get("dilation", 1), dim)
    windows = zip(sizes, kernel, stride, dilation, padding, strict=True)
    return func(wrapped(given.pop("input"), [_reached(*window, ceil) for window in windows]), **given)


def _reached(size: int, kernel: int, stride: int, dilation: int, pad: int, ceil: bool) -> tuple[int, int]:
    """How many nodes before and after an axis the windows of a pool reach."""
    reach = dilation * (kernel - 1) + 1
    if not ceil:
        return pad, pad
    windows = -((reach - size - 2 * pad) // stride) + 1
    if (windows - 1) * stride >= size + pad:  # PyTorch has no window that starts after the map
        windows -= 1
    return pad, max((windows - 1) * stride + reach - size - pad, 0)


def _per_axis(value: Any, dim: int) -> tuple[int, ...]:
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    return given * dim if len(given) == 1 else given


def _padded(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    axes = len(pad) // 2
    pads = [(pad[2 * i], pad[2 * i + 1]) for i in reversed(range(axes))]
    if mode == "circular" or input.ndim - axes != 2:
        return functional.pad(input, list(pad), mode, value)
    return wrapped(input, pads)


def wrapped(x: Any, pads: Sequence[tuple[int, int]]) -> Any:
    """An array `[batch, channels, *spatial]` with some more nodes before and after each of its axes, from the other
    end; or with fewer, where a number is negative."""
    for axis, (before, after) in enumerate(pads, start=2):
        if before or after:
            nodes = torch.arange(-before, x.shape[axis] + after) % x.shape[axis]
            x = x.index_select(axis, nodes.to(x.device))
    return x


@contextmanager
def around_the_torus() -> Iterator[None]:
    """Networks that run, or are exported, within have circular paddings."""
    with _Circular():
        yield


@contextmanager
def in_double_precision() -> Iterator[None]:
    """Networks that run within on numbers of double precision compute all of it in that."""
    with _Double():
        yield
