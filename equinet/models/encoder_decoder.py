"""Networks that give a map back."""

from __future__ import annotations

from typing import Literal, Unpack

from equinet.layers import Hourglass, IdealUpsample, Layer, Named, PolyphaseUpsample, Relu, Sequential, Upsample
from equinet.models.parts import check_choice, check_counts, make_parts
from equinet.models.shared import READOUTS, Down, Norm, Readout, Shared, shares

MOST_LEVELS = 16
"""Of a U-Net: each has twice the channels of the one above."""


@shares(Shared)
def unet(
    depth: int = 3,
    *,
    width: int = 16,
    classes: int = 10,
    down: Down = "max",
    up: Literal["nearest", "linear", "ideal", "transpose"] = "nearest",
    readout: Readout | Literal["map"] = "map",
    norm: Norm = "none",
    **shared: Unpack[Shared],
) -> Layer:
    """U-Net (Ronneberger et al. 2015), in any dimension: nested hourglasses with concatenated skips.

    With down="aps" or "lps" the upsampling uses the phases that were chosen. Then the network is equivariant under
    every cyclic shift of an image whose size is divisible by 2^depth.

    Args:
        depth: how often the map is halved.
        width: channels at full resolution; they double at every level.
        classes: channels of the output map, or number of outputs.
        down: see `equinet.models.parts`; "stride" is a convolution of stride 2. Nearest upsampling is
            centred between nodes, as "max", "avg" and "maxblur" are; after "stride", "blur" and "ideal" it loses
            rotations.
        up: the upsampling, unless it is polyphase; "transpose" is a transposed convolution of kernel 2. "ideal" is
            without new frequencies, the match of down="ideal": with activation="polynomial" all real shifts are kept.
        padding: must keep the size. If it is circular, linear interpolation also wraps around.
        readout: "map", one vector per node, or as for `small_cnn`. Over a group the map's channels are scalars.
        norm, activation, group, dim, match: as for `small_cnn`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    known = ("map", *READOUTS)
    parts = make_parts("unet", down=down, norm=norm, readout=readout, **shared, readouts=known, keep_size=True)
    check_counts("unet", least=0, most=MOST_LEVELS, depth=depth)
    check_counts("unet", width=width, classes=classes)
    check_choice("unet", "up", up, ("nearest", "linear", "ideal", "transpose"))

    def both(features: int) -> tuple[Layer, ...]:
        return tuple(layer for _ in range(2) for layer in parts.block(features, 3))

    def upward(features: int) -> tuple[Layer, ...]:
        if down in ("aps", "lps"):
            return (PolyphaseUpsample(2), *parts.block(features, 3))
        if up == "transpose":
            return (parts.filters.transposed(features, 2, stride=2, padding="valid"), parts.function(Relu()))
        if up == "ideal":
            return (IdealUpsample(2), *parts.block(features, 3))
        beyond = "circular" if parts.padding == "circular" else "edge"
        return (Upsample(2, method=up, padding=beyond), *parts.block(features, 3))

    def level(index: int) -> tuple[Layer, ...]:
        features = width * 2**index
        if index == depth:
            return both(features)
        strided = parts.block(features, 3, 2) if down == "stride" else parts.downsample(2)
        glass = Hourglass(
            Sequential(*strided), Sequential(*level(index + 1)), Sequential(*upward(features)), skip="concat"
        )
        return (*both(features), Named(f"level {index}", glass), *both(features))

    ends = (Named("scores", parts.filters.scores(classes)),) if readout == "map" else parts.head(classes)
    return Sequential(*level(0), *ends)
