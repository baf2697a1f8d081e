"""What the architectures share: downsampling of every kind, norms, readouts."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Literal, get_args

from equinet.layers import (
    AvgPool,
    BatchNorm,
    BlurPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    LearnedPolyphasePool,
    MaxBlurPool,
    MaxPool,
    PolyphasePool,
    Relu,
)

Down = Literal["stride", "max", "avg", "blur", "maxblur", "aps", "lps"]
Padding = Literal["circular", "zero", "zero_lower", "reflect", "edge", "valid"]
Readout = Literal["gap", "gmp", "flatten"]
Norm = Literal["none", "batch", "group", "instance", "layer"]

DOWNS: tuple[str, ...] = get_args(Down)
PADDINGS: tuple[str, ...] = get_args(Padding)
READOUTS: tuple[str, ...] = get_args(Readout)
NORMS: tuple[str, ...] = get_args(Norm)


def check_choice(model: str, argument: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise a ValueError that lists the choices unless `value` is one of them."""
    if value not in choices:
        shown = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{model}: {argument} must be one of {shown}; got {value!r}")


def check_counts(model: str, argument: str, counts: int | Sequence[int], least: int = 1) -> None:
    """Raise a ValueError unless there are counts and all are integers of at least `least`."""
    listed = (counts,) if isinstance(counts, int) else tuple(counts)
    if not listed or not all(isinstance(count, int) and count >= least for count in listed):
        raise ValueError(f"{model}: {argument} must be integers of at least {least}; got {counts!r}")


def check_options(
    model: str, down: str, padding: str, readout: str, norm: str = "none", *, keep_size: bool = False
) -> None:
    """Check the arguments that the models share.

    Args:
        model: the model's name, for the message.
        down, padding, readout, norm: see `Down`, `Padding`, `Readout`, `Norm`.
        keep_size: whether the model needs a padding that keeps the size (so not "valid").

    Raises:
        ValueError: for a value that is none of the choices; the message lists them.
    """
    check_choice(model, "down", down, DOWNS)
    fitting = tuple(p for p in PADDINGS if p != "valid") if keep_size else PADDINGS
    check_choice(model, "padding", padding, fitting)
    check_choice(model, "readout", readout, READOUTS)
    check_choice(model, "norm", norm, NORMS)


def conv_stride(down: Down, stride: int) -> int:
    """The stride of a convolution that `downsample` follows: `stride` itself for down="stride", else 1."""
    return stride if down == "stride" else 1


def downsample(down: Down, stride: int, padding: Padding) -> tuple[Layer, ...]:
    """What follows a convolution (of stride `conv_stride(down, stride)`) and its nonlinearity to go down by `stride`.

    - "stride": nothing, the convolution itself is strided;
    - "max", "avg": pooling over windows that tile;
    - "blur": a binomial filter of 2 `stride` − 1 taps (7 at most), then every `stride`-th node: conv → relu → blur ↓;
    - "maxblur": maxima over `stride` nodes at stride 1, then "blur";
    - "aps": the polyphase component of the largest norm; "lps": the one that a learned score prefers.

    On a padding of "valid" the blur is padded as if circular, so that maps do not shrink twice.
    """
    if stride == 1 or down == "stride":
        return ()
    border = "circular" if padding == "valid" else padding
    if down == "max":
        return (MaxPool(stride),)
    if down == "avg":
        return (AvgPool(stride),)
    taps = min(2 * stride - 1, 7)
    if down == "blur":
        return (BlurPool(stride, taps, border),)
    if down == "maxblur":
        return (MaxBlurPool(stride, stride, taps, border),)
    return (PolyphasePool(stride),) if down == "aps" else (LearnedPolyphasePool(stride),)


def pool_stage(down: Down, window: int, stride: int, padding: Padding) -> tuple[Layer, ...]:
    """A max pooling of overlapping windows, made in the manner of `down`.

    "stride" and "max" are the textbook's; "avg" averages; for the others the maximum is taken at stride 1 and
    `downsample` goes down ("blur" and "maxblur" are then the same).
    """
    if down in ("stride", "max"):
        return (MaxPool(window, stride, padding),)
    if down == "avg":
        return (AvgPool(window, stride, padding),)
    return (MaxPool(window, 1, padding), *downsample("blur" if down == "maxblur" else down, stride, padding))


def patches(features: int, size: int, down: Down, padding: Padding) -> tuple[Layer, ...]:
    """Embed patches: a linear map of `size`-wide patches that tile, for down="stride", and for the other kinds the
    same map at every node, then `downsample`."""
    if down == "stride":
        return (Conv(features, size, stride=size, padding="valid"),)
    return (Conv(features, size, padding=padding), *downsample(down, size, padding))


def normalise(norm: Norm, features: int) -> tuple[Layer, ...]:
    """The norm of a map with `features` channels: one layer, or none.

    "group" uses groups of 8 channels or fewer; "layer" is over the channels of each node.
    """
    if norm == "batch":
        return (BatchNorm(),)
    if norm == "group":
        return (GroupNorm(features // gcd(features, 8)),)
    if norm == "instance":
        return (InstanceNorm(),)
    return (LayerNorm(),) if norm == "layer" else ()


def conv_block(
    features: int, kernel: int, stride: int, down: Down, padding: Padding, norm: Norm = "none"
) -> tuple[Layer, ...]:
    """Convolution → norm → relu → `downsample`."""
    conv = Conv(features, kernel, stride=conv_stride(down, stride), padding=padding, bias=norm == "none")
    return (conv, *normalise(norm, features), Relu(), *downsample(down, stride, padding))


def head(readout: Readout, classes: int) -> tuple[Layer, ...]:
    """From a map to `classes` numbers.

    "gap" and "gmp" pool over all nodes and are invariant to whatever moves the map; "flatten" keeps only what leaves
    every node in place.
    """
    pools: dict[str, Layer] = {"gap": GlobalAvgPool(), "gmp": GlobalMaxPool(), "flatten": Flatten()}
    return (pools[readout], Dense(classes))
