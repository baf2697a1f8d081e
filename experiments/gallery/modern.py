"""Networks of patches without attention: ConvNeXt, ConvMixer, PoolFormer, MLP-Mixer."""

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

from experiments.gallery.entry import Entry
from experiments.gallery.network import Nnx
from experiments.gallery.parts import Array, avg_pool, conv, global_mean


class ConvNeXt(nn.Module):
    """Patches of 4×4, depthwise 7×7 convolutions, and strided 2×2 convolutions between stages."""

    widths: tuple[int, ...] = (96, 192, 384, 768)
    blocks: tuple[int, ...] = (3, 3, 9, 3)
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for index, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            if index == 0:
                x = self._norm(conv(x, width, 4, 4, pad=0, bias=True))
            else:
                x = conv(self._norm(x), width, 2, 2, pad=0, bias=True)
            for block in range(blocks):
                y = self._norm(conv(x, width, 7, groups=width, bias=True))
                y = nn.Dense(width)(nn.gelu(nn.Dense(4 * width)(y), approximate=False))
                x = x + y * self.param(f"gamma_{index}_{block}", nn.initializers.constant(1e-6), (width,))
        if self.classes is None:
            return x
        return nn.Dense(self.classes)(self._norm(global_mean(x)))

    def _norm(self, x: Array) -> Array:
        return nn.LayerNorm(epsilon=1e-6)(x)


class ConvMixer(nnx.Module):
    """Patches, then depthwise and 1×1 convolutions in turn, all of one width.

    Args:
        width: channels.
        depth: blocks.
        kernel: of the depthwise convolutions.
        patch: side of a patch.
        classes: of the output; None for the feature map.
        padding: of the depthwise convolutions.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        kernel: int,
        patch: int,
        classes: int | None,
        *,
        padding: str = "SAME",
        rngs: nnx.Rngs,
    ) -> None:
        def norm() -> nnx.BatchNorm:
            return nnx.BatchNorm(width, use_running_average=True, rngs=rngs)

        self.patches = nnx.Conv(3, width, (patch, patch), (patch, patch), padding="VALID", rngs=rngs)
        self.across = nnx.List(
            [
                nnx.Conv(width, width, (kernel, kernel), padding=padding, feature_group_count=width, rngs=rngs)
                for _ in range(depth)
            ]
        )
        self.along = nnx.List([nnx.Conv(width, width, (1, 1), rngs=rngs) for _ in range(depth)])
        self.norms = nnx.List([norm() for _ in range(2 * depth + 1)])
        self.head = None if classes is None else nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        first, *norms = self.norms
        x = first(nnx.gelu(self.patches(x)))
        for across, along, one, other in zip(self.across, self.along, norms[::2], norms[1::2], strict=True):
            x = x + one(nnx.gelu(across(x)))
            x = other(nnx.gelu(along(x)))
        return x if self.head is None else self.head(global_mean(x))


class PoolFormer(nn.Module):
    """The layout of a transformer with a mean over 3×3 in place of attention; means leave out what is off the map."""

    widths: tuple[int, ...] = (64, 128, 320, 512)
    blocks: tuple[int, ...] = (2, 2, 6, 2)
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for index, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            kernel, stride, pad = (7, 4, 2) if index == 0 else (3, 2, 1)
            x = conv(x, width, kernel, stride, pad=pad, bias=True)
            for block in range(blocks):
                scales = [self.param(f"gamma_{index}_{block}_{part}", nn.initializers.ones, (width,)) for part in "ab"]
                y = self._norm(x)
                mean = avg_pool(y, 3, 1, 1, count_include_pad=False)
                x = x + scales[0] * (mean - y)
                y = nn.Dense(width)(nn.gelu(nn.Dense(4 * width)(self._norm(x)), approximate=False))
                x = x + scales[1] * y
        return self._head(x)

    def _norm(self, x: Array) -> Array:
        return nn.GroupNorm(num_groups=1, epsilon=1e-5)(x)

    def _head(self, x: Array) -> Array:
        x = self._norm(x)
        return x if self.classes is None else nn.Dense(self.classes)(global_mean(x))


class MlpMixer(nn.Module):
    """Patches as tokens; a dense network across tokens and one across channels in turn."""

    patch: int = 16
    width: int = 512
    tokens: int = 256
    hidden: int = 2048
    depth: int = 8
    classes: int = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = conv(x, self.width, self.patch, self.patch, pad=0, bias=True)
        x = x.reshape(x.shape[0], -1, self.width)
        for _ in range(self.depth):
            y = jnp.swapaxes(nn.LayerNorm()(x), 1, 2)
            x = x + jnp.swapaxes(self._mlp(y, self.tokens), 1, 2)
            x = x + self._mlp(nn.LayerNorm()(x), self.hidden)
        return nn.Dense(self.classes)(jnp.mean(nn.LayerNorm()(x), axis=1))

    def _mlp(self, x: Array, hidden: int) -> Array:
        return nn.Dense(x.shape[-1])(nn.gelu(nn.Dense(hidden)(x)))


def _mixer(width: int, depth: int, kernel: int, patch: int, classes: int | None, padding: str = "SAME") -> Nnx:
    return Nnx(lambda rngs: ConvMixer(width, depth, kernel, patch, classes, padding=padding, rngs=rngs))


ENTRIES = {
    "convnext_t": Entry(
        "ConvNeXt-T",
        "Liu et al. 2022",
        ConvNeXt(),
        (224, 224),
        ConvNeXt((4, 5), (1, 1), 5),
        (16, 16),
        parameters=28_589_128,
        local=ConvNeXt((4, 5), (1, 1), None),
        canvas=(256, 256),
    ),
    "convmixer": Entry(
        "ConvMixer-768/32",
        "Trockman and Kolter 2022",
        _mixer(768, 32, 7, 7, 1000),
        (224, 224),
        _mixer(5, 2, 3, 4, 5),
        (16, 16),
        parameters=21_110_248,
        written="NNX",
        local=_mixer(5, 2, 3, 4, None),
        canvas=(96, 96),
    ),
    "convmixer_circular": Entry(
        "ConvMixer-768/32, circular padding",
        "after Trockman and Kolter 2022",
        _mixer(768, 32, 7, 7, 1000, "CIRCULAR"),
        (224, 224),
        _mixer(5, 2, 3, 4, 5, "CIRCULAR"),
        (16, 16),
        written="NNX",
        local=_mixer(5, 2, 3, 4, None, "CIRCULAR"),
        canvas=(96, 96),
    ),
    "poolformer_s12": Entry(
        "PoolFormer-S12",
        "Yu et al. 2022",
        PoolFormer(),
        (224, 224),
        PoolFormer((4, 5), (1, 1), 5),
        (16, 16),
        parameters=11_915_176,
    ),
    "mlp_mixer": Entry(
        "MLP-Mixer-S/16",
        "Tolstikhin et al. 2021",
        MlpMixer(),
        (224, 224),
        MlpMixer(4, 6, 5, 8, 1, 5),
        (16, 16),
        parameters=18_528_264,
    ),
}
