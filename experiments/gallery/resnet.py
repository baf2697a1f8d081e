"""Residual networks of 50 layers: the two places of the stride, pre-activation, average-pooled shortcuts, blur."""

from collections.abc import Iterator, Sequence
from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from experiments.gallery.entry import Entry
from experiments.gallery.parts import (
    Array,
    avg_pool,
    batch_norm,
    conv,
    conv_norm_relu,
    max_pool,
    read_out,
    wrapped,
)

Variant = Literal["v1", "v1.5", "d", "blur"]


class ResNet(nn.Module):
    """A strided stem and a max pool, then stages of bottlenecks, all but the first of stride 2.

    The variants differ in where a block goes down by 2. v1: in its first convolution, of 1×1. v1.5: in the 3×3. d: in
    the 3×3, with an average pool on the shortcut, and three convolutions for a stem. blur: a blur goes before every
    other node is left out.
    """

    variant: Variant = "v1.5"
    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    classes: int | None = 1000
    wrap: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        *_, x = stages(x, self.width, self.blocks, variant=self.variant, wrap=self.wrap)
        return read_out(x, self.classes)


def stages(
    x: Array,
    width: int,
    blocks: Sequence[int],
    *,
    variant: Variant = "v1.5",
    wrap: bool = False,
    dilate: Sequence[bool] = (False,) * 4,
) -> Iterator[Array]:
    """The feature map after each stage, within a compact method.

    Args:
        x: images.
        width: channels of the stem.
        blocks: of each stage.
        variant: see `ResNet`.
        wrap: whether convolutions and the stem's pool wrap around.
        dilate: the stages that have their stride replaced by a dilation.
    """
    x = _stem(x, width, variant, wrap)
    dilation = 1
    for stage, (count, dilated) in enumerate(zip(blocks, dilate, strict=False)):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 and not dilated else 1
            # A stage's first block still has the dilation of the stage before it.
            x = Bottleneck(width * 2**stage, stride, dilation, variant, wrap)(x)
            if dilated and block == 0:
                dilation *= 2
        yield x


def _stem(x: Array, width: int, variant: Variant, wrap: bool) -> Array:
    kernels = ((3, width // 2, 2), (3, width // 2, 1), (3, width, 1)) if variant == "d" else ((7, width, 2),)
    for kernel, features, stride in kernels:
        x = conv_norm_relu(x, features, kernel, stride, wrap=wrap)
    if variant == "blur":
        return blur(max_pool(x, 3, 1, 1), 2)
    return max_pool(wrapped(x, 1), 3, 2) if wrap else max_pool(x, 3, 2, 1)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions beside a shortcut."""

    width: int
    stride: int
    dilation: int
    variant: Variant
    wrap: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = conv_norm_relu(x, self.width, 1, self.stride if self.variant == "v1" else 1)
        stride = self.stride if self.variant in ("v1.5", "d") else 1
        y = conv_norm_relu(y, self.width, 3, stride, dilation=self.dilation, wrap=self.wrap)
        if self.variant == "blur" and self.stride > 1:
            y = blur(y, self.stride)
        y = batch_norm(conv(y, 4 * self.width, 1))
        return nn.relu(y + self._shortcut(x))

    def _shortcut(self, x: Array) -> Array:
        if self.stride == 1 and x.shape[-1] == 4 * self.width:
            return x
        stride = self.stride
        if stride > 1 and self.variant == "d":
            x, stride = avg_pool(x, stride), 1
        if stride > 1 and self.variant == "blur":
            x, stride = blur(x, stride), 1
        return batch_norm(conv(x, 4 * self.width, 1, stride))


def blur(x: Array, stride: int) -> Array:
    """The binomial filter of three taps along each axis, on reflected borders, and every `stride`-th node."""
    taps = jnp.array([0.25, 0.5, 0.25], x.dtype)
    filters = jnp.tile(jnp.outer(taps, taps)[:, :, None, None], (1, 1, 1, x.shape[-1]))
    return lax.conv_general_dilated(
        jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"),
        filters,
        (stride, stride),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


class ResNetV2(nn.Module):
    """ResNet with identity mappings: pre-activation blocks, and a last normalisation before the mean."""

    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = max_pool(conv(x, self.width, 7, 2), 3, 2, 1)
        for stage, blocks in enumerate(self.blocks):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = PreActivationBlock(self.width * 2**stage, stride, project=block == 0)(x)
        return read_out(nn.relu(batch_norm(x)), self.classes)


class PreActivationBlock(nn.Module):
    """Normalisation and rectifier before each convolution; the sum is left as it is."""

    width: int
    stride: int
    project: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        before = nn.relu(batch_norm(x))
        shortcut = conv(before, 4 * self.width, 1, self.stride) if self.project else x
        y = conv(before, self.width, 1)
        y = conv(nn.relu(batch_norm(y)), self.width, 3, self.stride)
        return shortcut + conv(nn.relu(batch_norm(y)), 4 * self.width, 1)


def _entry(title: str, paper: str, variant: Variant, parameters: int | None, *, wrap: bool = False) -> Entry:
    small = ResNet(variant, 4, (1, 1), 5, wrap)
    return Entry(
        title,
        paper,
        ResNet(variant, wrap=wrap),
        (224, 224),
        small,
        (32, 32) if wrap else (16, 16),
        parameters=parameters,
        local=small.clone(classes=None),
        canvas=(176, 176),
    )


ENTRIES = {
    "resnet50_v1": _entry("ResNet-50 v1", "He et al. 2016a", "v1", 25_557_032),
    "resnet50": _entry("ResNet-50 v1.5", "Goyal et al. 2017", "v1.5", 25_557_032),
    "resnet50_d": _entry("ResNet-50-D", "He et al. 2019", "d", 25_576_264),
    "resnet50_blur": _entry("ResNet-50, blur pools", "Zhang 2019", "blur", 25_557_032),
    "resnet50_v2": Entry(
        "ResNet-50 v2",
        "He et al. 2016b",
        ResNetV2(),
        (224, 224),
        ResNetV2(4, (1, 1), 5),
        (16, 16),
        parameters=25_549_352,
        local=ResNetV2(4, (1, 1), None),
        canvas=(176, 176),
    ),
    "resnet50_circular": _entry("ResNet-50 v1.5, circular padding", "after He et al. 2016a", "v1.5", None, wrap=True),
}
