"""Networks that answer for every pixel: U-Nets, feature pyramids, dilated segmentation."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from experiments.gallery.entry import Entry
from experiments.gallery.parts import Array, conv, conv_norm_relu, global_mean, max_pool
from experiments.gallery.resnet import stages


class UNet(nn.Module):
    """The U-Net of 2015: convolutions without padding, transposed ones on the way up, skips cropped to what is left."""

    width: int = 64
    depth: int = 4
    classes: int = 2

    @nn.compact
    def __call__(self, x: Array) -> Array:
        skips = []
        for level in range(self.depth):
            x = self._pair(x, self.width * 2**level)
            skips.append(x)
            x = max_pool(x, 2)
        x = self._pair(x, self.width * 2**self.depth)
        for level in reversed(range(self.depth)):
            x = nn.ConvTranspose(self.width * 2**level, (2, 2), (2, 2), "VALID")(x)
            x = self._pair(jnp.concatenate([centre(skips[level], x.shape), x], axis=-1), self.width * 2**level)
        return conv(x, self.classes, 1, bias=True)

    def _pair(self, x: Array, features: int) -> Array:
        for _ in range(2):
            x = nn.relu(conv(x, features, 3, pad=0, bias=True))
        return x


def centre(x: Array, shape: tuple[int, ...]) -> Array:
    """The middle of a map, as large as `shape` along the spatial axes."""
    for axis in range(1, x.ndim - 1):
        start = (x.shape[axis] - shape[axis]) // 2
        x = jax.lax.slice_in_dim(x, start, start + shape[axis], axis=axis)
    return x


class ResizedUNet(nn.Module):
    """A U-Net with padding that goes up by resizing the map.

    Args:
        method: of `jax.image.resize`.
        wrap: whether convolutions wrap around.
    """

    width: int = 64
    depth: int = 4
    classes: int = 2
    method: str = "bilinear"
    wrap: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        skips = []
        for level in range(self.depth):
            x = self._pair(x, self.width * 2**level)
            skips.append(x)
            x = max_pool(x, 2)
        x = self._pair(x, self.width * 2 ** (self.depth - 1))
        for level in reversed(range(self.depth)):
            skip = skips[level]
            x = jax.image.resize(x, (*skip.shape[:-1], x.shape[-1]), self.method)
            x = jnp.concatenate([skip, x], axis=-1)
            x = self._pair(x, self.width * 2 ** max(level - 1, 0), x.shape[-1] // 2)
        return conv(x, self.classes, 1, bias=True)

    def _pair(self, x: Array, features: int, first: int | None = None) -> Array:
        for width in (first or features, features):
            x = conv_norm_relu(x, width, 3, wrap=self.wrap)
        return x


class FeaturePyramid(nn.Module):
    """The stages of a ResNet-50, added from the coarsest to the finest, whose map is the output."""

    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    features: int = 256

    @nn.compact
    def __call__(self, x: Array) -> Array:
        maps = list(stages(x, self.width, self.blocks))
        y = conv(maps.pop(), self.features, 1, bias=True)
        while maps:
            finer = maps.pop()
            up = jax.image.resize(y, (*finer.shape[:-1], self.features), "nearest")
            y = conv(finer, self.features, 1, bias=True) + up
        return conv(y, self.features, 3, bias=True)


class DeepLab(nn.Module):
    """DeepLab v3: the last two stages of a ResNet-50 dilated, then convolutions of several dilations side by side with
    the global mean, brought back to the size of the image by linear interpolation."""

    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    features: int = 256
    rates: tuple[int, ...] = (12, 24, 36)
    classes: int = 21
    pooled: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        size = x.shape[1:-1]
        *_, y = stages(x, self.width, self.blocks, dilate=(False, False, True, True))
        branches = [conv_norm_relu(y, self.features, 1)]
        branches += [conv_norm_relu(y, self.features, 3, dilation=rate) for rate in self.rates]
        if self.pooled:
            mean = conv_norm_relu(global_mean(y, keepdims=True), self.features, 1)
            branches.append(jnp.broadcast_to(mean, (*y.shape[:-1], self.features)))
        y = conv_norm_relu(jnp.concatenate(branches, axis=-1), self.features, 1)
        y = conv(conv_norm_relu(y, self.features, 3), self.classes, 1, bias=True)
        return jax.image.resize(y, (y.shape[0], *size, self.classes), "bilinear")


class UNet3d(nn.Module):
    """The 3-D U-Net: channels doubled before each pool, convolutions without padding, transposed ones on the way up."""

    width: int = 32
    depth: int = 3
    classes: int = 3

    @nn.compact
    def __call__(self, x: Array) -> Array:
        skips = []
        for level in range(self.depth + 1):
            features = self.width * 2**level
            x = self._pair(x, features, 2 * features)
            if level < self.depth:
                skips.append(x)
                x = max_pool(x, 2)
        while skips:
            skip = skips.pop()
            x = nn.ConvTranspose(x.shape[-1], (2, 2, 2), (2, 2, 2), "VALID", use_bias=False)(x)
            x = self._pair(jnp.concatenate([centre(skip, x.shape), x], axis=-1), skip.shape[-1], skip.shape[-1])
        return conv(x, self.classes, 1, bias=True)

    def _pair(self, x: Array, first: int, second: int) -> Array:
        for features in (first, second):
            x = conv(x, features, 3, pad=0, bias=True)
            x = nn.relu(nn.BatchNorm(use_running_average=True, use_bias=False, use_scale=False)(x))
        return x


def _resized(title: str, paper: str, parameters: int | None, method: str, *, wrap: bool) -> Entry:
    small = ResizedUNet(4, 2, 2, method, wrap)
    return Entry(
        title,
        paper,
        ResizedUNet(method=method, wrap=wrap),
        (256, 256),
        small,
        (16, 16),
        parameters=parameters,
        local=small,
        canvas=(160, 160),
    )


ENTRIES = {
    "unet": Entry(
        "U-Net: no padding, transposed convolutions",
        "Ronneberger et al. 2015",
        UNet(),
        (572, 572),
        UNet(3, 2, 2),
        (44, 44),
        channels=1,
        parameters=31_030_658,
        local=UNet(3, 2, 2),
        canvas=(172, 172),
    ),
    "unet_bilinear": _resized(
        "U-Net: zero padding, bilinear", "after Ronneberger et al. 2015", 17_263_042, "bilinear", wrap=False
    ),
    "unet_bilinear_circular": _resized(
        "U-Net: circular padding, bilinear", "after Ronneberger et al. 2015", None, "bilinear", wrap=True
    ),
    "unet_nearest_circular": _resized(
        "U-Net: circular padding, nearest", "after Ronneberger et al. 2015", None, "nearest", wrap=True
    ),
    "fpn": Entry(
        "FPN on ResNet-50, finest map",
        "Lin et al. 2017",
        FeaturePyramid(),
        (224, 224),
        FeaturePyramid(4, (1, 1), 4),
        (16, 16),
        local=FeaturePyramid(4, (1, 1), 4),
        canvas=(176, 176),
    ),
    "deeplab_v3": Entry(
        "DeepLab v3 on ResNet-50: dilated pyramid",
        "Chen et al. 2017",
        DeepLab(),
        (520, 520),
        DeepLab(4, (1, 1, 1, 1), 4, (1, 2), 3),
        (32, 32),
        parameters=39_638_869,
        local=DeepLab(4, (1, 1, 1, 1), 4, (1, 2), 3, pooled=False),
        canvas=(352, 352),
    ),
    "unet_3d": Entry(
        "3-D U-Net",
        "Çiçek et al. 2016",
        UNet3d(),
        (132, 132, 116),
        UNet3d(2, 1, 2),
        (18, 20, 22),
        small_channels=1,
        parameters=19_069_955,
        local=UNet3d(2, 1, 2),
        canvas=(60, 60, 60),
    ),
    "unet_3d_circular": Entry(
        "3-D U-Net: circular padding, nearest",
        "after Çiçek et al. 2016",
        ResizedUNet(32, 3, 3, "nearest", wrap=True),
        (64, 64, 64),
        ResizedUNet(4, 1, 2, "nearest", wrap=True),
        (6, 6, 6),
        small_channels=1,
        local=ResizedUNet(4, 1, 2, "nearest", wrap=True),
        canvas=(40, 40, 40),
    ),
}
