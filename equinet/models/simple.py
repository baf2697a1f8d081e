"""Plain stacks: a small network of three stages, a fully convolutional one, VGG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack

from equinet.checks import shown
from equinet.layers import BlurPool, Dense, Flatten, GlobalAvgPool, GlobalMaxPool, Layer, Named, Sequential
from equinet.layers.local import kept_size
from equinet.models.parts import MOST_TAPS, Parts, check_choice, check_counts, make_parts, pool_stage
from equinet.models.shared import DOWNS, READOUTS, Down, Norm, Normed, Readout, Shared, shares

Way = Down | Literal["none", "conv", "conv_max"]
MORE_CONVOLUTIONS = ("conv", "conv_max")
"""Ways down of `small_cnn` that have one more convolution in a stage."""
VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _stages(parts: Parts, widths: tuple[int, ...], kernel: int) -> list[Layer]:
    """A block for each width; all but the last go down by 2."""
    strides = [2] * (len(widths) - 1) + [1]
    return [
        Named(f"stage {i}", Sequential(*parts.block(width, kernel, stride)))
        for i, (width, stride) in enumerate(zip(widths, strides, strict=True))
    ]


def _going_down(parts: Parts, down: str, width: int, kernel: int, window: int) -> tuple[Layer, ...]:
    """A stage that goes down by 2 in one of Springenberg's ways, so that with each a node sees the same.

    Args:
        kernel: size of a convolution.
        window: nodes that a pool, or what stands for it, is over.
    """
    if down == "stride":
        return parts.block(width, kernel + window - 1, 2)
    if down == "conv":
        return (*parts.block(width, kernel), *replace(parts, down="stride").block(width, window, 2))
    more = parts.block(width, 1) if down == "conv_max" else ()
    border = kept_size(parts.padding)
    pool = (
        (BlurPool(2, size=window, padding=border),)
        if down == "blur"
        else pool_stage(parts.down, window, 2, parts.padding)
    )
    return (*parts.block(width, kernel), *more, *pool)


@shares(Shared)
def small_cnn(
    features: Sequence[int] = (16, 32, 64),
    *,
    classes: int = 10,
    kernel: int = 3,
    down: Way | Sequence[Way] = "max",
    window: int = 0,
    readout: Readout | Literal["conv"] = "gap",
    norm: Norm = "none",
    head_kernel: int = 4,
    **shared: Unpack[Shared],
) -> Layer:
    """A stack of convolution → norm → relu, with downsampling by 2 between the stages, in any dimension.

    With the default readout, `down` alone decides its certificate on a torus of even sizes.

    Args:
        features: channels of each stage; the map is downsampled `len(features) − 1` times.
        classes: number of outputs.
        kernel: size of the convolutions.
        down, padding, activation, readout, norm: see `equinet.models.parts`. Padding is circular by default, since a
            finite image loses nothing under cyclic shifts. There are more kinds of downsampling: "none" keeps the size,
            and two of Springenberg et al. 2015 have one more convolution per stage: "conv" a strided one in place of a
            pool, "conv_max" a 1×1 one before the max pool. A tuple has one kind for each stage but the last.
            There is one more readout: "conv" is a fully connected layer written as a convolution without padding whose
            kernel covers the last map, then global average pooling (of one node, unless the input is larger).
        window: 0 for textbook pools, which tile, and strides on convolutions of size `kernel`. If not 0, pools, blurs
            and the convolution of "conv" have this size, and with "stride" a convolution that downsamples has size
            kernel + window − 1, so that the receptive fields are the same. Adaptive polyphase layers have no window.
            With "blur", a window of 1 is plain subsampling: every second node is kept unchanged.
        head_kernel: size of the kernel of the "conv" readout.
        group, dim, match: see `equinet.models.parts.make_parts`.

    Raises:
        ValueError: for a choice that does not exist, a count that is too small, or a tuple `down` that has not one kind
            for each stage but the last.
    """
    parts = make_parts("small_cnn", down="max", norm=norm, readout=readout, readouts=(*READOUTS, "conv"), **shared)
    check_counts("small_cnn", several=True, features=features)
    check_counts("small_cnn", most=MOST_TAPS, head_kernel=head_kernel, kernel=kernel)
    check_counts("small_cnn", classes=classes)
    check_counts("small_cnn", least=0, most=MOST_TAPS, window=window)
    several = isinstance(down, list | tuple)
    ways: tuple[Any, ...] = tuple(down) if several else (down,) * (len(features) - 1)
    if len(ways) != len(features) - 1:
        raise ValueError(
            f"small_cnn: down must be one way, or one for each of the {len(features)} stages but the last; got "
            f"{shown(down)}"
        )
    for way in ways if several else (down,):
        check_choice("small_cnn", "down", way, (*DOWNS, "none", *MORE_CONVOLUTIONS))

    def stage(width: int, way: Way) -> tuple[Layer, ...]:
        if way == "none":
            return parts.block(width, kernel)
        if way in MORE_CONVOLUTIONS:
            return _going_down(parts, way, width, kernel, window or 2)
        own = replace(parts, down=way)
        if way in ("aps", "lps") or not window:
            return own.block(width, kernel, 2)
        return _going_down(own, way, width, kernel, window)

    stages = [
        Named(f"stage {i}", Sequential(*stage(width, way)))
        for i, (width, way) in enumerate(zip(features, (*ways, "none"), strict=True))
    ]
    if readout == "conv":
        return Sequential(
            *stages, Named("scores", parts.filters.scores(classes, head_kernel, "valid")), GlobalAvgPool()
        )
    return Sequential(*stages, *parts.head(classes))


@shares(Normed)
def fcn(
    features: Sequence[int] = (16, 32, 64),
    *,
    classes: int = 10,
    kernel: int = 3,
    **shared: Unpack[Normed],
) -> Layer:
    """A fully convolutional network (Springenberg et al. 2015), in any dimension: every stage but the last goes down
    by 2 with its convolution, a 1×1 convolution gives one map per class, and the maps are pooled.

    Args:
        features, classes, kernel, down, padding, activation, readout, norm, group, dim, match: as for `small_cnn`. With
            readout="flatten" the class maps are flattened and mixed by a dense layer, which ties the network to one
            size.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    parts = make_parts("fcn", **shared)
    check_counts("fcn", several=True, features=features)
    check_counts("fcn", most=MOST_TAPS, kernel=kernel)
    check_counts("fcn", classes=classes)
    stages = _stages(parts, tuple(features), kernel)
    scores = Named("scores", parts.filters.scores(classes))
    pools: dict[str, tuple[Layer, ...]] = {"gap": (GlobalAvgPool(),), "gmp": (GlobalMaxPool(),)}
    return Sequential(*stages, scores, *pools.get(parts.readout, (Flatten(), Dense(classes))))


@shares(Normed, down="max", norm="batch")
def vgg(
    depth: int = 16,
    *,
    width: int = 64,
    classes: int = 10,
    **shared: Unpack[Normed],
) -> Layer:
    """VGG (Simonyan and Zisserman 2015): five stages of 3×3 convolutions, each with downsampling by 2 at its end.

    Published with zero padding, max pooling and a flatten readout.

    Args:
        depth: 11, 13, 16 or 19, the number of weight layers of the published network.
        width: channels of the first stage; they double up to eight times that.
        classes, down, padding, activation, readout, norm, group, dim, match: as for `small_cnn`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    parts = make_parts("vgg", **shared)
    check_counts("vgg", width=width, classes=classes)
    check_choice("vgg", "depth", depth, tuple(VGG_STAGES))
    stages = []
    for i, count in enumerate(VGG_STAGES[depth]):
        channels = width * min(2**i, 8)
        blocks = [layer for j in range(count) for layer in parts.block(channels, 3, 2 if j == count - 1 else 1)]
        stages.append(Named(f"stage {i}", Sequential(*blocks)))
    return Sequential(*stages, *parts.head(classes))
