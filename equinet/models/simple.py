"""Plain stacks: a small network of three stages, a fully convolutional one, VGG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from equinet.layers import Conv, GlobalAvgPool, GlobalMaxPool, Layer, Named, Sequential
from equinet.models.parts import (
    Down,
    Norm,
    Padding,
    Readout,
    check_choice,
    check_counts,
    check_options,
    conv_block,
    head,
)

VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _stages(
    widths: tuple[int, ...], kernel: int, down: Down, padding: Padding, norm: Norm, factor: int = 2
) -> list[Layer]:
    """A block for each width; all but the last go down by `factor`."""
    strides = [factor] * (len(widths) - 1) + [1]
    return [
        Named(f"stage {i}", Sequential(*conv_block(width, kernel, stride, down, padding, norm)))
        for i, (width, stride) in enumerate(zip(widths, strides, strict=True))
    ]


def small_cnn(
    features: Sequence[int] = (16, 32, 64),
    *,
    classes: int = 10,
    kernel: int = 3,
    down: Down | Literal["none"] = "max",
    padding: Padding = "circular",
    readout: Readout | Literal["conv"] = "gap",
    norm: Norm = "none",
    head_kernel: int = 4,
) -> Layer:
    """A stack of convolution → norm → relu, going down by 2 between the stages, in any dimension.

    With the default readout its certificate on a torus of even sizes is decided by `down` alone.

    Args:
        features: channels of each stage; the map shrinks `len(features) − 1` times.
        classes: numbers that come out.
        kernel: size of the convolutions.
        down, padding, readout, norm: see `equinet.models.parts`. Padding is circular by default, since cyclic shifts
            are the ones that a finite image survives whole. One more way down, "none", keeps the size; one more
            readout, "conv", is a fully connected layer written as a convolution without padding whose kernel covers
            the last map, and global average pooling of what is left (one node, unless the input is larger).
        head_kernel: size of that kernel.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    way = "stride" if down == "none" else down
    check_options("small_cnn", way, padding, "gap" if readout == "conv" else readout, norm)
    check_counts("small_cnn", "features", features)
    check_counts("small_cnn", "head_kernel", head_kernel)
    stages = _stages(tuple(features), kernel, way, padding, norm, 1 if down == "none" else 2)
    if readout == "conv":
        return Sequential(*stages, Named("scores", Conv(classes, head_kernel, padding="valid")), GlobalAvgPool())
    return Sequential(*stages, *head(readout, classes))


def fcn(
    features: Sequence[int] = (16, 32, 64),
    *,
    classes: int = 10,
    kernel: int = 3,
    down: Down = "stride",
    padding: Padding = "circular",
    readout: Readout = "gap",
    norm: Norm = "none",
) -> Layer:
    """A fully convolutional network (Springenberg et al. 2015), in any dimension: every stage but the last goes down
    by 2 with its convolution, a 1×1 convolution gives one map per class, and the maps are pooled.

    Args:
        features, classes, kernel, down, padding, readout, norm: as for `small_cnn`. With readout="flatten" the class
            maps are flattened and mixed by a dense layer, which ties the network to one size.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    check_options("fcn", down, padding, readout, norm)
    check_counts("fcn", "features", features)
    stages = _stages(tuple(features), kernel, down, padding, norm)
    scores = Named("scores", Conv(classes, 1))
    pools: dict[str, Layer] = {"gap": GlobalAvgPool(), "gmp": GlobalMaxPool()}
    ends = (pools[readout],) if readout in pools else head(readout, classes)
    return Sequential(*stages, scores, *ends)


def vgg(
    depth: int = 16,
    *,
    width: int = 64,
    classes: int = 10,
    down: Down = "max",
    padding: Padding = "circular",
    readout: Readout = "gap",
    norm: Norm = "batch",
) -> Layer:
    """VGG (Simonyan and Zisserman 2015): five stages of 3×3 convolutions, each going down by 2 at its end.

    Published with zero padding, max pooling and a flatten readout.

    Args:
        depth: 11, 13, 16 or 19, the number of weight layers of the published network.
        width: channels of the first stage; they double up to eight times that.
        classes, down, padding, readout, norm: as for `small_cnn`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    check_options("vgg", down, padding, readout, norm)
    check_choice("vgg", "depth", depth, tuple(VGG_STAGES))
    stages = []
    for i, count in enumerate(VGG_STAGES[depth]):
        channels = width * min(2**i, 8)
        blocks = [
            layer
            for j in range(count)
            for layer in conv_block(channels, 3, 2 if j == count - 1 else 1, down, padding, norm)
        ]
        stages.append(Named(f"stage {i}", Sequential(*blocks)))
    return Sequential(*stages, *head(readout, classes))
