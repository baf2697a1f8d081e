"""Residual networks: ResNet, wide ResNet, ConvNeXt-style.

Where a block goes down, its shortcut goes down in the same manner, so that the two windows share their centres; with
a polyphase layer in both, `Residual` makes the shortcut keep the phase that the body chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from equinet.layers import Conv, Dense, Dropout, Gelu, Layer, LayerNorm, Named, Relu, Residual, Sequential
from equinet.models.parts import (
    Down,
    Norm,
    Padding,
    Readout,
    check_choice,
    check_counts,
    check_options,
    conv_block,
    conv_stride,
    downsample,
    head,
    normalise,
    patches,
    pool_stage,
)

RESNET_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def _shortcut(features: int, stride: int, down: Down, padding: Padding, norm: Norm) -> Layer:
    conv = Conv(features, 1, stride=conv_stride(down, stride), padding="valid", bias=norm == "none")
    return Sequential(*downsample(down, stride, padding), conv, *normalise(norm, features))


def _basic_block(
    inputs: int, features: int, stride: int, down: Down, padding: Padding, norm: Norm
) -> tuple[Layer, ...]:
    second = Conv(features, 3, padding=padding, bias=norm == "none")
    body = Sequential(*conv_block(features, 3, stride, down, padding, norm), second, *normalise(norm, features))
    changes = stride > 1 or inputs != features
    return Residual(body, _shortcut(features, stride, down, padding, norm) if changes else None), Relu()


def _bottleneck(inputs: int, features: int, stride: int, down: Down, padding: Padding, norm: Norm) -> tuple[Layer, ...]:
    wide = 4 * features
    body = Sequential(
        *conv_block(features, 1, 1, down, "valid", norm),
        *conv_block(features, 3, stride, down, padding, norm),
        Conv(wide, 1, bias=norm == "none"),
        *normalise(norm, wide),
    )
    changes = stride > 1 or inputs != wide
    return Residual(body, _shortcut(wide, stride, down, padding, norm) if changes else None), Relu()


def resnet(
    depth: int = 18,
    *,
    stem: Literal["cifar", "imagenet"] = "cifar",
    width: int = 64,
    classes: int = 10,
    down: Down = "stride",
    padding: Padding = "circular",
    readout: Readout = "gap",
    norm: Norm = "batch",
) -> Layer:
    """ResNet (He et al. 2016): basic blocks at depths 18 and 34, bottlenecks (stride on the 3×3) at 50.

    Every block that goes down is convolution → norm → relu → `downsample` → convolution, as in Zhang 2019 for
    "blur" and Chaman and Dokmanić 2021 for "aps". Published with zero padding.

    Args:
        depth: 18, 34 or 50.
        stem: "cifar", one 3×3 convolution (the network goes down by 8); "imagenet", a 7×7 convolution of stride 2 and
            a max pooling of window 3 and stride 2 (by 32).
        width: channels of the first stage.
        classes, down, padding, readout, norm: see `equinet.models.parts`; the padding must keep the size.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    check_options("resnet", down, padding, readout, norm, keep_size=True)
    check_choice("resnet", "depth", depth, tuple(RESNET_STAGES))
    check_choice("resnet", "stem", stem, ("cifar", "imagenet"))
    first = conv_block(width, 3, 1, down, padding, norm)
    if stem == "imagenet":
        first = (*conv_block(width, 7, 2, down, padding, norm), *pool_stage(down, 3, 2, padding))
    block, expansion = (_bottleneck, 4) if depth == 50 else (_basic_block, 1)
    stages, inputs = [], width
    for i, count in enumerate(RESNET_STAGES[depth]):
        features, layers = width * 2**i, []
        for j in range(count):
            layers += block(inputs, features, 2 if i > 0 and j == 0 else 1, down, padding, norm)
            inputs = features * expansion
        stages.append(Named(f"stage {i}", Sequential(*layers)))
    return Sequential(Named("stem", Sequential(*first)), *stages, *head(readout, classes))


def wide_resnet(
    depth: int = 16,
    widen: int = 4,
    *,
    width: int = 16,
    classes: int = 10,
    dropout: float = 0.0,
    down: Down = "stride",
    padding: Padding = "circular",
    readout: Readout = "gap",
    norm: Norm = "batch",
) -> Layer:
    """Wide ResNet (Zagoruyko and Komodakis 2016): three stages of pre-activation basic blocks, going down by 4.

    Where a block changes the channels or goes down, norm and relu come before both branches, as published.

    Args:
        depth: 6 k + 4 for k blocks a stage.
        widen: factor on the channels of every stage.
        width: channels of the stem.
        dropout: rate between the two convolutions of a block.
        classes, down, padding, readout, norm: as for `resnet`.

    Raises:
        ValueError: for a choice that does not exist, or a depth that is not 6 k + 4.
    """
    check_options("wide_resnet", down, padding, readout, norm, keep_size=True)
    count, rest = divmod(depth - 4, 6)
    if count < 1 or rest:
        raise ValueError(f"wide_resnet: depth must be 6 k + 4, such as 10, 16, 22 or 28; got {depth}")
    bias = norm == "none"
    layers: list[Layer] = [Named("stem", Conv(width, 3, padding=padding, bias=bias))]
    inputs = width
    for i in range(3):
        features = width * widen * 2**i
        for j in range(count):
            stride = 2 if i > 0 and j == 0 else 1
            changes = stride > 1 or inputs != features
            start = (*normalise(norm, inputs), Relu())
            body = Sequential(
                *(() if changes else start),
                *conv_block(features, 3, stride, down, padding, norm),
                *((Dropout(dropout),) if dropout else ()),
                Conv(features, 3, padding=padding, bias=bias),
            )
            block = Residual(body)
            if changes:
                straight = Conv(features, 1, stride=conv_stride(down, stride), padding="valid", bias=bias)
                block = Sequential(*start, Residual(body, Sequential(*downsample(down, stride, padding), straight)))
            layers.append(Named(f"stage {i} block {j}", block))
            inputs = features
    return Sequential(*layers, *normalise(norm, inputs), Relu(), *head(readout, classes))


def convnext(
    depths: Sequence[int] = (3, 3, 9, 3),
    *,
    width: int = 96,
    patch: int = 4,
    kernel: int = 7,
    classes: int = 10,
    down: Down = "stride",
    padding: Padding = "circular",
    readout: Readout = "gap",
) -> Layer:
    """ConvNeXt-style (Liu et al. 2022): patches, then stages of depthwise convolutions and pointwise mixing.

    A block adds a depthwise `kernel × kernel` → layer norm over channels → dense to 4 × → gelu → dense. Between
    stages comes a layer norm and the embedding of 2×2 patches. (Without layer scale and stochastic depth.)

    Args:
        depths: blocks of each stage; the channels double from stage to stage.
        width: channels of the first stage.
        patch: size of the first patches.
        kernel: of the depthwise convolutions.
        classes, down, padding, readout: as for `resnet`; `down` says how patches are made, see `patches`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    check_options("convnext", down, padding, readout, keep_size=True)
    check_counts("convnext", "depths", depths)
    layers: list[Layer] = [Named("stem", Sequential(*patches(width, patch, down, padding), LayerNorm()))]
    for i, count in enumerate(depths):
        features = width * 2**i
        if i > 0:
            layers.append(Named(f"down {i}", Sequential(LayerNorm(), *patches(features, 2, down, padding))))
        for j in range(count):
            depthwise = Conv(features, kernel, padding=padding, groups=features)
            body = Sequential(depthwise, LayerNorm(), Dense(4 * features), Gelu(), Dense(features))
            layers.append(Named(f"stage {i} block {j}", Residual(body)))
    pooled = head(readout, classes)
    return Sequential(*layers, pooled[0], LayerNorm(), pooled[1])
