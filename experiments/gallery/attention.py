"""Networks with attention: vision transformers with and without positions, and shifted windows."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from experiments.gallery.entry import Entry
from experiments.gallery.parts import Array, conv


class VisionTransformer(nn.Module):
    """Patches as tokens under self-attention over all of them.

    Args:
        positions: whether a learned vector is added to every token, by its place.
        token: whether a class token is read out; else the mean over tokens.
    """

    patch: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
    classes: int = 1000
    positions: bool = True
    token: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = conv(x, self.width, self.patch, self.patch, pad=0, bias=True)
        x = x.reshape(x.shape[0], -1, self.width)
        if self.token:
            token = self.param("token", nn.initializers.zeros, (1, 1, self.width))
            x = jnp.concatenate([jnp.tile(token, (x.shape[0], 1, 1)), x], axis=1)
        if self.positions:
            x = x + self.param("positions", nn.initializers.normal(0.02), (1, *x.shape[1:]))
        for _ in range(self.depth):
            y = nn.LayerNorm(epsilon=1e-6)(x)
            x = x + nn.MultiHeadDotProductAttention(self.heads, deterministic=True)(y, y)
            y = nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm(epsilon=1e-6)(x)), approximate=False)
            x = x + nn.Dense(self.width)(y)
        x = nn.LayerNorm(epsilon=1e-6)(x)
        return nn.Dense(self.classes)(x[:, 0] if self.token else jnp.mean(x, axis=1))


class SwinTransformer(nn.Module):
    """Attention within windows, which every other layer are shifted by half a window.

    The shift is a roll: windows at the border hold patches of opposite sides, and a mask keeps these apart.
    """

    patch: int = 4
    window: int = 7
    width: int = 96
    blocks: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    classes: int | None = 1000
    masked: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.LayerNorm()(conv(x, self.width, self.patch, self.patch, pad=0, bias=True))
        for stage, (blocks, heads) in enumerate(zip(self.blocks, self.heads, strict=True)):
            if stage:
                x = self._merge(x)
            for block in range(blocks):
                # Where one window covers the whole map there is nothing to shift.
                shift = self.window // 2 if block % 2 and min(x.shape[1:3]) > self.window else 0
                x = x + WindowAttention(self.window, shift, heads, self.masked)(nn.LayerNorm()(x))
                y = nn.gelu(nn.Dense(4 * x.shape[-1])(nn.LayerNorm()(x)), approximate=False)
                x = x + nn.Dense(x.shape[-1])(y)
        x = nn.LayerNorm()(x)
        return x if self.classes is None else nn.Dense(self.classes)(jnp.mean(x, axis=(1, 2)))

    def _merge(self, x: Array) -> Array:
        """The four patches of each 2×2 side by side in channels, then half as many."""
        parts = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return nn.Dense(2 * x.shape[-1], use_bias=False)(nn.LayerNorm()(jnp.concatenate(parts, axis=-1)))


class WindowAttention(nn.Module):
    """Self-attention within windows of a map rolled by `shift`, with a learned bias for each relative position."""

    window: int
    shift: int
    heads: int
    masked: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch, height, width, channels = x.shape
        side, depth = self.window, channels // self.heads
        x = jnp.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.reshape(batch, height // side, side, width // side, side, channels)
        tokens = jnp.swapaxes(x, 2, 3).reshape(batch, -1, side * side, channels)
        parts = nn.Dense(3 * channels)(tokens).reshape(*tokens.shape[:3], 3, self.heads, depth)
        query, key, value = jnp.moveaxis(parts, 3, 0)
        logits = jnp.einsum("bwihd,bwjhd->bwhij", query, key) / depth**0.5 + self._bias()
        if self.shift and self.masked:
            logits = logits + shifted_mask(height, width, side, self.shift)
        mixed = jnp.einsum("bwhij,bwjhd->bwihd", nn.softmax(logits), value)
        y = nn.Dense(channels)(mixed.reshape(tokens.shape))
        y = y.reshape(batch, height // side, width // side, side, side, channels)
        y = jnp.swapaxes(y, 2, 3).reshape(batch, height, width, channels)
        return jnp.roll(y, (self.shift, self.shift), (1, 2))

    def _bias(self) -> Array:
        """A bias for each head and pair of places in a window, `[heads, window², window²]`."""
        side = self.window
        table = self.param("bias_table", nn.initializers.normal(0.02), ((2 * side - 1) ** 2, self.heads))
        places = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
        apart = places[:, None] - places[None, :] + side - 1
        return jnp.moveaxis(table[apart[..., 0] * (2 * side - 1) + apart[..., 1]], -1, 0)


def shifted_mask(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """0 for places of a window that lay together before the roll, −100 for others, `[windows, 1, window², window²]`."""

    def region(size: int) -> np.ndarray:
        at = np.arange(size)
        return (at >= size - window).astype(int) + (at >= size - shift)

    regions = 3 * region(height)[:, None] + region(width)[None, :]
    regions = regions.reshape(height // window, window, width // window, window)
    regions = regions.swapaxes(1, 2).reshape(-1, window * window)
    apart = regions[:, :, None] != regions[:, None, :]
    return np.where(apart, np.float32(-100), np.float32(0))[:, None]


ENTRIES = {
    "vit_s16": Entry(
        "ViT-S/16: class token, positions",
        "Dosovitskiy et al. 2021; Touvron et al. 2021",
        VisionTransformer(),
        (224, 224),
        VisionTransformer(4, 8, 2, 2, 5),
        (16, 16),
        parameters=22_050_664,
    ),
    "vit_s16_mean": Entry(
        "ViT-S/16: mean over tokens, no positions",
        "after Dosovitskiy et al. 2021",
        VisionTransformer(positions=False, token=False),
        (224, 224),
        VisionTransformer(4, 8, 2, 2, 5, positions=False, token=False),
        (16, 16),
    ),
    "swin_t": Entry(
        "Swin-T",
        "Liu et al. 2021",
        SwinTransformer(),
        (224, 224),
        SwinTransformer(2, 4, 4, (2, 2), (1, 2), 5),
        (32, 32),
        parameters=28_288_354,
        local=SwinTransformer(2, 4, 4, (2, 2), (1, 2), None),
        canvas=(160, 160),
    ),
    "swin_t_unmasked": Entry(
        "Swin-T without masks",
        "after Liu et al. 2021",
        SwinTransformer(masked=False),
        (448, 448),
        SwinTransformer(2, 4, 4, (2, 2), (1, 2), 5, masked=False),
        (32, 32),
        local=SwinTransformer(2, 4, 4, (2, 2), (1, 2), None, masked=False),
        canvas=(160, 160),
    ),
}
