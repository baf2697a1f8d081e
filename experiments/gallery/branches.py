"""Convolutional classifiers whose maps branch and meet: concatenation, depthwise stages, gates."""

import jax.numpy as jnp
from flax import linen as nn

from experiments.gallery.entry import Entry
from experiments.gallery.parts import (
    Array,
    avg_pool,
    batch_norm,
    conv,
    conv_norm_relu,
    global_mean,
    max_pool,
    read_out,
)


class DenseNet(nn.Module):
    """Every layer of a block reads the maps of all before it; averages of 2×2 between blocks."""

    growth: int = 32
    blocks: tuple[int, ...] = (6, 12, 24, 16)
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = max_pool(conv_norm_relu(x, 2 * self.growth, 7, 2), 3, 2, 1)
        for index, layers in enumerate(self.blocks):
            if index:
                x = avg_pool(conv(nn.relu(batch_norm(x)), x.shape[-1] // 2, 1), 2)
            for _ in range(layers):
                y = conv(nn.relu(batch_norm(x)), 4 * self.growth, 1)
                y = conv(nn.relu(batch_norm(y)), self.growth, 3)
                x = jnp.concatenate([x, y], axis=-1)
        return read_out(nn.relu(batch_norm(x)), self.classes)


Inception = tuple[int, tuple[int, int], tuple[int, int], int]
INCEPTIONS: tuple[tuple[Inception, ...], ...] = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)
"""Channels of the 1×1 convolution, of the two before and at the 3×3, likewise for the 5×5, and after the pool."""


class GoogLeNet(nn.Module):
    """Inception blocks: convolutions of three sizes and a max pool side by side. Without the training's side heads."""

    stem: tuple[int, int] = (64, 192)
    stages: tuple[tuple[Inception, ...], ...] = INCEPTIONS
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        first, second = self.stem
        x = local_response(self._halved(self._conv(x, first, 7, 2)))
        x = local_response(self._conv(self._conv(x, first, 1), second, 3))
        for stage in self.stages:
            x = self._halved(x)
            for block in stage:
                x = self._inception(x, *block)
        return read_out(x, self.classes)

    def _halved(self, x: Array) -> Array:
        return max_pool(x, 3, 2, (0, 1))

    def _conv(self, x: Array, features: int, kernel: int, stride: int = 1) -> Array:
        return nn.relu(conv(x, features, kernel, stride, bias=True))

    def _inception(self, x: Array, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> Array:
        branches = [
            self._conv(x, one, 1),
            self._conv(self._conv(x, three[0], 1), three[1], 3),
            self._conv(self._conv(x, five[0], 1), five[1], 5),
            self._conv(max_pool(x, 3, 1, 1), pooled, 1),
        ]
        return jnp.concatenate(branches, axis=-1)


def local_response(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75) -> Array:
    """Each entry divided by a power of the squares around it, along channels."""
    around = jnp.pad(x**2, ((0, 0), (0, 0), (0, 0), (size // 2, size // 2)))
    total = sum(around[..., start : start + x.shape[-1]] for start in range(size))
    return x / (1 + alpha / size * total) ** beta


def rounded(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, not below 9/10 of the channels asked for.

    >>> rounded(24), rounded(10.0), rounded(12.0)
    (24, 16, 16)
    """
    near = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * channels else near


class MobileNetV2(nn.Module):
    """Inverted residuals: out to more channels, a depthwise 3×3, and back, without a rectifier at the end."""

    factor: float = 1.0
    repeats: tuple[int, ...] = (1, 2, 3, 4, 3, 3, 1)
    last: int = 1280
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        widths, strides = (16, 24, 32, 64, 96, 160, 320), (1, 2, 2, 2, 1, 2, 1)
        x = nn.relu6(batch_norm(conv(x, rounded(32 * self.factor), 3, 2)))
        for index, (width, stride, repeat) in enumerate(zip(widths, strides, self.repeats, strict=True)):
            for block in range(repeat):
                x = self._block(x, rounded(width * self.factor), stride if block == 0 else 1, 1 if index == 0 else 6)
        x = nn.relu6(batch_norm(conv(x, self.last, 1)))
        return read_out(x, self.classes)

    def _block(self, x: Array, features: int, stride: int, expand: int) -> Array:
        inside = expand * x.shape[-1]
        y = x if expand == 1 else nn.relu6(batch_norm(conv(x, inside, 1)))
        y = nn.relu6(batch_norm(conv(y, inside, 3, stride, groups=inside)))
        y = batch_norm(conv(y, features, 1))
        return x + y if stride == 1 and x.shape == y.shape else y


class EfficientNet(nn.Module):
    """B0: inverted residuals with a gate computed from the global mean. "SAME" pads strides on one side."""

    factor: float = 1.0
    repeats: tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        widths, strides = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1)
        kernels = (3, 3, 5, 3, 5, 5, 3)
        x = nn.swish(self._norm(self._conv(x, self._width(32), 3, 2)))
        for index, row in enumerate(zip(widths, strides, kernels, self.repeats, strict=True)):
            width, stride, kernel, repeat = row
            for block in range(repeat):
                expand = 1 if index == 0 else 6
                x = self._block(x, self._width(width), kernel, stride if block == 0 else 1, expand)
        x = nn.swish(self._norm(self._conv(x, self._width(1280), 1)))
        return read_out(x, self.classes)

    def _width(self, channels: int) -> int:
        return max(2, round(channels * self.factor))

    def _conv(self, x: Array, features: int, kernel: int, stride: int = 1, groups: int = 1) -> Array:
        layer = nn.Conv(features, (kernel, kernel), stride, "SAME", feature_group_count=groups, use_bias=False)
        return layer(x)

    def _norm(self, x: Array) -> Array:
        return batch_norm(x, 1e-3)

    def _block(self, x: Array, features: int, kernel: int, stride: int, expand: int) -> Array:
        inside = expand * x.shape[-1]
        y = x if expand == 1 else nn.swish(self._norm(self._conv(x, inside, 1)))
        y = nn.swish(self._norm(self._conv(y, inside, kernel, stride, groups=inside)))
        gate = nn.swish(nn.Dense(max(1, x.shape[-1] // 4))(global_mean(y, keepdims=True)))
        y = y * nn.sigmoid(nn.Dense(inside)(gate))
        y = self._norm(self._conv(y, features, 1))
        return x + y if stride == 1 and x.shape == y.shape else y


class ShuffleNetV2(nn.Module):
    """Half of the channels pass by, the other half goes through a depthwise 3×3, and the halves are interleaved."""

    stem: int = 24
    widths: tuple[int, ...] = (116, 232, 464)
    repeats: tuple[int, ...] = (4, 8, 4)
    last: int = 1024
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = max_pool(conv_norm_relu(x, self.stem, 3, 2), 3, 2, 1)
        for width, repeat in zip(self.widths, self.repeats, strict=True):
            x = self._joined(self._down(x, width // 2), self._branch(x, width // 2, 2))
            for _ in range(repeat - 1):
                left, right = jnp.split(x, 2, axis=-1)
                x = self._joined(left, self._branch(right, width // 2, 1))
        return read_out(conv_norm_relu(x, self.last, 1), self.classes)

    def _branch(self, x: Array, features: int, stride: int) -> Array:
        return self._down(conv_norm_relu(x, features, 1), features, stride)

    def _down(self, x: Array, features: int, stride: int = 2) -> Array:
        x = batch_norm(conv(x, x.shape[-1], 3, stride, groups=x.shape[-1]))
        return conv_norm_relu(x, features, 1)

    def _joined(self, left: Array, right: Array) -> Array:
        """The channels of both, taken in turn."""
        return jnp.stack([left, right], axis=-1).reshape(*left.shape[:-1], -1)


ENTRIES = {
    "densenet121": Entry(
        "DenseNet-121",
        "Huang et al. 2017",
        DenseNet(),
        (224, 224),
        DenseNet(3, (1, 1), 5),
        (16, 16),
        parameters=7_978_856,
        local=DenseNet(3, (1, 1), None),
        canvas=(176, 176),
    ),
    "googlenet": Entry(
        "GoogLeNet: Inception",
        "Szegedy et al. 2015",
        GoogLeNet(),
        (224, 224),
        GoogLeNet((3, 4), (((2, (2, 3), (2, 3), 2),),), 5),
        (16, 16),
        parameters=6_998_552,
        local=GoogLeNet((3, 4), (((2, (2, 3), (2, 3), 2),),), None),
        canvas=(208, 208),
    ),
    "mobilenet_v2": Entry(
        "MobileNetV2",
        "Sandler et al. 2018",
        MobileNetV2(),
        (224, 224),
        MobileNetV2(0.1, (1, 1, 1, 0, 0, 0, 0), 8, 5),
        (16, 16),
        parameters=3_504_872,
        local=MobileNetV2(0.1, (1, 1, 1, 0, 0, 0, 0), 8, None),
        canvas=(160, 160),
    ),
    "efficientnet_b0": Entry(
        "EfficientNet-B0: squeeze and excitation",
        "Tan and Le 2019",
        EfficientNet(),
        (224, 224),
        EfficientNet(0.1, (1, 1, 1, 0, 0, 0, 0), 5),
        (16, 16),
        parameters=5_288_548,
    ),
    "shufflenet_v2": Entry(
        "ShuffleNetV2",
        "Ma et al. 2018",
        ShuffleNetV2(),
        (224, 224),
        ShuffleNetV2(4, (4,), (2,), 6, 5),
        (16, 16),
        parameters=2_278_604,
        local=ShuffleNetV2(4, (4,), (2,), 6, None),
        canvas=(176, 176),
    ),
}
