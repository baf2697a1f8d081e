"""Vision transformers: plain, and with shifted windows.

Tokens stay on their grid, `[batch, *spatial, channels]`, so that windows, rolls and poolings mean what they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from equinet.layers import (
    Gelu,
    Hourglass,
    Layer,
    Named,
    PolyphaseRoll,
    PolyphaseUnroll,
    PositionalEmbedding,
    Residual,
    Roll,
    SelfAttention,
    Sequential,
    WindowedAttention,
)
from equinet.models.parts import MOST_BLOCKS, Parts, check_choice, check_counts, make_parts
from equinet.models.shared import Sampled, shares


def _block(
    parts: Parts, name: str, width: int, heads: int, *attention: Layer, anchor: int | None = None
) -> tuple[Layer, ...]:
    """Attention and a network for each token, both added to what they read.

    Args:
        anchor: the side of the windows that the data anchor. They look at the tokens before the norm, after which all
            are of about the same length.
    """
    attended: Layer = Sequential(parts.layer_norm, *attention)
    if anchor is not None:
        attended = Hourglass(PolyphaseRoll(anchor), attended, PolyphaseUnroll(anchor))
    inner = parts.filters.dense(4 * width), parts.function(Gelu()), parts.filters.dense(width, heads)
    return Named(f"{name} attention", Residual(attended)), Named(
        f"{name} mixing", Residual(Sequential(parts.layer_norm, *inner))
    )


@shares(Sampled)
def vit(
    depth: int = 6,
    *,
    width: int = 192,
    heads: int = 3,
    patch: int = 4,
    positions: bool = True,
    classes: int = 10,
    **shared: Unpack[Sampled],
) -> Layer:
    """Vision transformer (Dosovitskiy et al. 2021) with pre-norm blocks and pooled tokens in place of a class token.

    Attention itself commutes with every isometry. The patches and the positions decide the group.

    Args:
        depth: number of blocks.
        width: channels of a token; a multiple of `heads`.
        heads: attention heads.
        patch: size of the patches.
        positions: whether to add a learned table of positions; then only isometries that fix every token survive.
        classes, down, padding, activation, readout, group, dim, match: see `equinet.models.parts`; `down` says how
            patches are made, see `Parts.patches` there. Over a group a head holds whole copies.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small, or for positions over a group.
    """
    parts = make_parts("vit", **shared, keep_size=True)
    check_choice("vit", "positions", positions, (True, False))
    check_counts("vit", width=width, heads=heads, patch=patch, classes=classes)
    if positions and parts.filters.group is not None:
        raise ValueError(
            f"vit: a table of positions tells every node from all others, and nothing of group={shared.get('group')!r} "
            f"would be left: use positions=False"
        )
    check_counts("vit", most=MOST_BLOCKS, depth=depth)
    layers: list[Layer] = [Named("patches", Sequential(*parts.patches(width, patch, heads)))]
    if positions:
        layers.append(PositionalEmbedding())
    for i in range(depth):
        layers += _block(parts, f"block {i}", width, heads, SelfAttention(heads))
    return Sequential(*layers, parts.layer_norm, *parts.head(classes))


@shares(Sampled)
def swin(
    depths: Sequence[int] = (2, 2, 6, 2),
    *,
    width: int = 96,
    heads: int = 3,
    window: int = 4,
    patch: int = 4,
    windows: Literal["fixed", "adaptive"] = "fixed",
    classes: int = 10,
    **shared: Unpack[Sampled],
) -> Layer:
    """Swin-style (Liu et al. 2021): attention within windows; every second block rolls the map by half a window.

    The roll is cyclic and its seam is not masked, so all windows of a torus are treated the same. There are no relative
    positions. Windows have fixed places, so translations by whole windows survive, whatever `down` is. With
    `windows="adaptive"` each attention starts its windows where the data say (`PolyphaseRoll`; every second block, half
    a window further on), and `down="aps"` keeps all translations. (Rojas-Gomez et al. 2023.)

    Args:
        depths: blocks of each stage; channels and heads double from stage to stage, where 2×2 patches are merged.
        width, heads: of the first stage.
        window: nodes along a side of a window; must divide the map at every stage.
        patch: size of the first patches.
        windows: "fixed" or "adaptive".
        classes, down, padding, activation, readout, group, dim, match: as for `vit`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    parts = make_parts("swin", **shared, keep_size=True)
    check_choice("swin", "windows", windows, ("fixed", "adaptive"))
    check_counts("swin", most=MOST_BLOCKS, several=True, depths=depths)
    check_counts("swin", width=width, heads=heads, patch=patch, window=window, classes=classes)
    layers: list[Layer] = [Named("patches", Sequential(*parts.patches(width, patch, heads), parts.layer_norm))]
    for i, count in enumerate(depths):
        features, split = width * 2**i, heads * 2**i
        if i > 0:
            layers.append(Named(f"merge {i}", Sequential(parts.layer_norm, *parts.patches(features, 2, split))))
        for j in range(count):
            inside = WindowedAttention(window, split)
            half = window // 2
            attention = (Roll(-half), inside, Roll(half)) if j % 2 else (inside,)
            anchor = window if windows == "adaptive" else None
            layers += _block(parts, f"stage {i} block {j}", features, split, *attention, anchor=anchor)
    return Sequential(*layers, parts.layer_norm, *parts.head(classes))
