"""Residual networks: ResNet, wide ResNet, ConvNeXt-style.

Where a block goes down, its shortcut goes down in the same manner, so that the two windows share their centres; with
a polyphase layer in both, `Residual` makes the shortcut keep the phase that the body chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

from equinet.checks import as_real
from equinet.layers import Dropout, Gelu, Layer, LayerNorm, Named, Relu, Residual, Sequential
from equinet.models.parts import MOST_BLOCKS, MOST_TAPS, Parts, check_choice, check_counts, make_parts
from equinet.models.shared import Normed, Sampled, shares

RESNET_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def _shortcut(parts: Parts, width: int, stride: int) -> Layer:
    conv = parts.conv(width, 1, parts.stride(stride), "valid")
    return Sequential(*parts.downsample(stride), conv, *parts.normalise(width))


def _basic_block(parts: Parts, inputs: int, width: int, stride: int) -> tuple[Layer, ...]:
    body = Sequential(*parts.block(width, 3, stride), parts.conv(width, 3), *parts.normalise(width))
    changes = stride > 1 or inputs != width
    return Residual(body, shortcut=_shortcut(parts, width, stride) if changes else None), parts.function(Relu())


def _bottleneck(parts: Parts, inputs: int, width: int, stride: int) -> tuple[Layer, ...]:
    wide = 4 * width
    body = Sequential(
        *parts.block(width, 1, padding="valid"),
        *parts.block(width, 3, stride),
        parts.conv(wide, 1, padding="zero"),
        *parts.normalise(wide),
    )
    changes = stride > 1 or inputs != wide
    return Residual(body, shortcut=_shortcut(parts, wide, stride) if changes else None), parts.function(Relu())


@shares(Normed, norm="batch")
def resnet(
    depth: int = 18,
    *,
    stem: Literal["cifar", "imagenet"] = "cifar",
    width: int = 64,
    classes: int = 10,
    **shared: Unpack[Normed],
) -> Layer:
    """ResNet (He et al. 2016a): basic blocks at depths 18 and 34, bottlenecks (stride on the 3×3) at 50.

    Every block that downsamples is convolution → norm → relu → `downsample` → convolution, as in Zhang 2019 for
    "blur" and Chaman and Dokmanić 2021 for "aps". Published with zero padding.

    Args:
        depth: 18, 34 or 50.
        stem: "cifar", one 3×3 convolution (total stride 8); "imagenet", a 7×7 convolution of stride 2 and
            a max pooling of window 3 and stride 2 (total stride 32).
        width: channels of the first stage.
        classes, down, padding, activation, readout, norm, group, dim, match: see `equinet.models.parts`; the padding
            must keep the size.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.

    >>> from equinet import certify, torus
    >>> print(certify(resnet(18, group="p4m", down="aps"), torus(32, 32), 3).invariance)
    Z × Z ⋊ 4mm (p4m, index 1)
    """
    parts = make_parts("resnet", **shared, keep_size=True)
    check_counts("resnet", width=width, classes=classes)
    check_choice("resnet", "depth", depth, tuple(RESNET_STAGES))
    check_choice("resnet", "stem", stem, ("cifar", "imagenet"))
    first = parts.block(width, 3)
    if stem == "imagenet":
        first = (*parts.block(width, 7, 2), *parts.pool_stage(3, 2))
    block, expansion = (_bottleneck, 4) if depth == 50 else (_basic_block, 1)
    stages, inputs = [], width
    for i, count in enumerate(RESNET_STAGES[depth]):
        features, layers = width * 2**i, []
        for j in range(count):
            layers += block(parts, inputs, features, 2 if i > 0 and j == 0 else 1)
            inputs = features * expansion
        stages.append(Named(f"stage {i}", Sequential(*layers)))
    return Sequential(Named("stem", Sequential(*first)), *stages, *parts.head(classes))


@shares(Normed, norm="batch")
def wide_resnet(
    depth: int = 16,
    *,
    widen: int = 4,
    width: int = 16,
    classes: int = 10,
    dropout: float = 0.0,
    **shared: Unpack[Normed],
) -> Layer:
    """Wide ResNet (Zagoruyko and Komodakis 2016): three stages of pre-activation basic blocks, with total stride 4.

    If a block changes the channels or downsamples, norm and relu come before both branches, as published.

    Args:
        depth: 6 k + 4 for k blocks a stage.
        widen: factor on the channels of every stage.
        width: channels of the stem.
        dropout: rate between the two convolutions of a block.
        classes, down, padding, activation, readout, norm, group, dim, match: as for `resnet`.

    Raises:
        ValueError: for a choice that does not exist, or a depth that is not 6 k + 4.
    """
    parts = make_parts("wide_resnet", **shared, keep_size=True)
    check_counts("wide_resnet", width=width, widen=widen, classes=classes)
    check_counts("wide_resnet", most=MOST_BLOCKS, depth=depth)
    as_real(dropout, "wide_resnet: dropout", least=0, most=1)
    count, rest = divmod(depth - 4, 6)
    if count < 1 or rest:
        raise ValueError(f"wide_resnet: depth must be 6 k + 4, such as 10, 16, 22 or 28; got {depth}")
    layers: list[Layer] = [Named("stem", parts.conv(width, 3))]
    inputs = width
    for i in range(3):
        features = width * widen * 2**i
        for j in range(count):
            stride = 2 if i > 0 and j == 0 else 1
            changes = stride > 1 or inputs != features
            start = (*parts.normalise(inputs), parts.function(Relu()))
            body = Sequential(
                *(() if changes else start),
                *parts.block(features, 3, stride),
                *((Dropout(dropout),) if dropout else ()),
                parts.conv(features, 3),
            )
            block = Residual(body)
            if changes:
                straight = parts.conv(features, 1, parts.stride(stride), "valid")
                block = Sequential(*start, Residual(body, shortcut=Sequential(*parts.downsample(stride), straight)))
            layers.append(Named(f"stage {i} block {j}", block))
            inputs = features
    return Sequential(*layers, *parts.normalise(inputs), parts.function(Relu()), *parts.head(classes))


@shares(Sampled)
def convnext(
    depths: Sequence[int] = (3, 3, 9, 3),
    *,
    width: int = 96,
    patch: int = 4,
    kernel: int = 7,
    classes: int = 10,
    epsilon: float = 1e-5,
    exact: bool = False,
    **shared: Unpack[Sampled],
) -> Layer:
    """ConvNeXt-style (Liu et al. 2022): patches, then stages of depthwise convolutions and pointwise mixing.

    A block adds a depthwise `kernel × kernel` → layer norm over channels → dense to 4 × → gelu → dense. Between
    stages comes a layer norm and the embedding of 2×2 patches. (Without layer scale and stochastic depth.)

    Args:
        depths: blocks of each stage; the channels double from stage to stage.
        width: channels of the first stage.
        patch: size of the first patches.
        kernel: of the depthwise convolutions.
        epsilon: of the layer norms; published with 1e-6.
        exact: whether gelus are computed by the error function, as published.
        classes, down, padding, activation, readout, group, dim, match: as for `resnet`; `down` says how patches are
            made, see `equinet.models.parts.Parts.patches`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    parts = make_parts("convnext", **shared, keep_size=True)
    check_counts("convnext", most=MOST_BLOCKS, several=True, depths=depths)
    check_counts("convnext", most=MOST_TAPS, patch=patch, kernel=kernel)
    check_counts("convnext", width=width, classes=classes)
    norm = replace(parts.layer_norm, epsilon=as_real(epsilon, "convnext: epsilon", least=0))
    filters, gelu = parts.filters, Gelu(exact=exact)
    layers: list[Layer] = [Named("stem", Sequential(*parts.patches(width, patch), norm))]
    for i, count in enumerate(depths):
        features = width * 2**i
        if i > 0:
            layers.append(Named(f"down {i}", Sequential(norm, *parts.patches(features, 2))))
        for j in range(count):
            depthwise = filters.conv(features, kernel, padding=parts.padding, depthwise=True)
            mixing = filters.dense(4 * features), parts.function(gelu), filters.dense(features)
            body = Sequential(depthwise, norm, *mixing)
            layers.append(Named(f"stage {i} block {j}", Residual(body)))
    *pooled, dense = parts.head(classes)
    return Sequential(*layers, *pooled, LayerNorm(epsilon=norm.epsilon), dense)
