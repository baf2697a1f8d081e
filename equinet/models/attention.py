"""Vision transformers: plain, and with shifted windows.

Tokens stay on their grid, `[batch, *spatial, channels]`, so that windows, rolls and poolings mean what they say.
"""

from __future__ import annotations

from collections.abc import Sequence

from equinet.layers import (
    Dense,
    Gelu,
    Layer,
    LayerNorm,
    Named,
    PositionalEmbedding,
    Residual,
    Roll,
    SelfAttention,
    Sequential,
    WindowedAttention,
)
from equinet.models.parts import Down, Padding, Readout, check_counts, check_options, head, patches


def _block(name: str, features: int, *attention: Layer) -> tuple[Layer, ...]:
    mixing = Sequential(LayerNorm(), Dense(4 * features), Gelu(), Dense(features))
    return Named(f"{name} attention", Residual(Sequential(LayerNorm(), *attention))), Named(
        f"{name} mixing", Residual(mixing)
    )


def vit(
    depth: int = 6,
    *,
    width: int = 192,
    heads: int = 3,
    patch: int = 4,
    positions: bool = True,
    classes: int = 10,
    down: Down = "stride",
    padding: Padding = "circular",
    readout: Readout = "gap",
) -> Layer:
    """Vision transformer (Dosovitskiy et al. 2021) with pre-norm blocks and pooled tokens in place of a class token.

    Attention itself commutes with every isometry; the group is decided by the patches and the positions.

    Args:
        depth: number of blocks.
        width: channels of a token; a multiple of `heads`.
        heads: attention heads.
        patch: size of the patches.
        positions: whether to add a learned table of positions, which leaves only what keeps every token in place.
        classes, down, padding, readout: see `equinet.models.parts`; `down` says how patches are made, see `patches`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    check_options("vit", down, padding, readout, keep_size=True)
    check_counts("vit", "depth", depth)
    layers: list[Layer] = [Named("patches", Sequential(*patches(width, patch, down, padding)))]
    if positions:
        layers.append(PositionalEmbedding())
    for i in range(depth):
        layers += _block(f"block {i}", width, SelfAttention(heads))
    return Sequential(*layers, LayerNorm(), *head(readout, classes))


def swin(
    depths: Sequence[int] = (2, 2, 6, 2),
    *,
    width: int = 96,
    heads: int = 3,
    window: int = 4,
    patch: int = 4,
    classes: int = 10,
    down: Down = "stride",
    padding: Padding = "circular",
    readout: Readout = "gap",
) -> Layer:
    """Swin-style (Liu et al. 2021): attention within windows; every second block rolls the map by half a window.

    The roll is cyclic and nothing masks its seam, so that on a torus all windows are alike; no relative positions.
    Windows lie at fixed places: translations by whole windows survive, whatever `down` is.

    Args:
        depths: blocks of each stage; channels and heads double from stage to stage, where 2×2 patches are merged.
        width, heads: of the first stage.
        window: nodes along a side of a window; must divide the map at every stage.
        patch: size of the first patches.
        classes, down, padding, readout: as for `vit`.

    Raises:
        ValueError: for a choice that does not exist or a count that is too small.
    """
    check_options("swin", down, padding, readout, keep_size=True)
    check_counts("swin", "depths", depths)
    layers: list[Layer] = [Named("patches", Sequential(*patches(width, patch, down, padding), LayerNorm()))]
    for i, count in enumerate(depths):
        features, split = width * 2**i, heads * 2**i
        if i > 0:
            layers.append(Named(f"merge {i}", Sequential(LayerNorm(), *patches(features, 2, down, padding))))
        for j in range(count):
            inside = WindowedAttention(window, split)
            half = window // 2
            attention = (Roll(-half), inside, Roll(half)) if j % 2 else (inside,)
            layers += _block(f"stage {i} block {j}", features, *attention)
    return Sequential(*layers, LayerNorm(), *head(readout, classes))
