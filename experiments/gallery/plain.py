"""Convolutional classifiers in a line: from LeNet to networks without dense layers."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

from experiments.gallery.entry import Entry
from experiments.gallery.network import Nnx
from experiments.gallery.parts import Array, avg_pool, conv, conv_norm_relu, max_pool, read_out


class LeNet5(nn.Module):
    """Two convolutions without padding, each followed by an average of 2×2, and three dense layers."""

    classes: int = 10

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for features in (6, 16):
            x = avg_pool(nn.tanh(conv(x, features, 5, pad=0, bias=True)), 2)
        x = x.reshape(x.shape[0], -1)
        for features in (120, 84):
            x = nn.tanh(nn.Dense(features)(x))
        return nn.Dense(self.classes)(x)


class AlexNet(nn.Module):
    """Five convolutions, the first of stride 4, overlapping pools, and three dense layers."""

    width: int = 64
    hidden: int = 4096
    classes: int = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        w = self.width
        x = nn.relu(conv(x, w, 11, 4, pad=2, bias=True))
        x = max_pool(x, 3, 2)
        x = nn.relu(conv(x, 3 * w, 5, bias=True))
        x = max_pool(x, 3, 2)
        for features in (6 * w, 4 * w, 4 * w):
            x = nn.relu(conv(x, features, 3, bias=True))
        x = max_pool(x, 3, 2)
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.relu(nn.Dense(self.hidden)(x))
        return nn.Dense(self.classes)(x)


class Vgg(nn.Module):
    """3×3 convolutions in stages, a max pool of 2×2 after each, and three dense layers."""

    stages: tuple[tuple[int, ...], ...] = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
    hidden: int = 4096
    classes: int | None = 1000

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for stage in self.stages:
            for features in stage:
                x = nn.relu(conv(x, features, 3, bias=True))
            x = max_pool(x, 2)
        if self.classes is None:
            return x
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.relu(nn.Dense(self.hidden)(x))
        return nn.Dense(self.classes)(x)


class AllConvolutional(nn.Module):
    """Strided convolutions in place of pooling, and the mean over the image of a map per class."""

    width: int = 96
    classes: int = 10
    mean: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        w = self.width
        for features, stride in ((w, 1), (w, 1), (w, 2), (2 * w, 1), (2 * w, 1), (2 * w, 2)):
            x = nn.relu(conv(x, features, 3, stride, bias=True))
        x = nn.relu(conv(x, 2 * w, 3, pad=0, bias=True))
        for features in (2 * w, self.classes):
            x = nn.relu(conv(x, features, 1, bias=True))
        return jnp.mean(x, axis=(1, 2)) if self.mean else x


class NetworkInNetwork(nn.Module):
    """Convolutions followed by 1×1 convolutions, a max and an average pool of 3×3, and a global mean."""

    factor: int = 1
    classes: int = 10
    mean: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        stages = ((5, 192, 160, 96), (5, 192, 192, 192), (3, 192, 192, self.classes * self.factor))
        for index, (kernel, *widths) in enumerate(stages):
            for layer, features in enumerate(widths):
                x = nn.relu(conv(x, features // self.factor, kernel if layer == 0 else 1, bias=True))
            if index < 2:
                x = (max_pool, avg_pool)[index](x, 3, 2, (0, 1))
        return jnp.mean(x, axis=(1, 2)) if self.mean else x


class CircularCnn(nnx.Module):
    """Circular convolutions and max pools, and a global mean: nothing marks the border of a torus.

    Args:
        stages: channels of each stage.
        channels: of the input.
        classes: of the output; None for the feature map.
    """

    def __init__(self, stages: tuple[int, ...], channels: int, classes: int | None, *, rngs: nnx.Rngs) -> None:
        inputs = (channels, *stages)
        self.convs = nnx.List(
            [
                nnx.Conv(a, b, (3, 3), padding="CIRCULAR", use_bias=False, rngs=rngs)
                for a, b in zip(inputs, stages, strict=False)
            ]
        )
        self.norms = nnx.List([nnx.BatchNorm(b, use_running_average=True, rngs=rngs) for b in stages])
        self.head = None if classes is None else nnx.Linear(stages[-1], classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        for convolve, norm in zip(self.convs, self.norms, strict=True):
            x = nnx.relu(norm(convolve(x)))
            x = nnx.max_pool(x, (2, 2), (2, 2))
        return x if self.head is None else self.head(jnp.mean(x, axis=(1, 2)))


class RawWaveform(nn.Module):
    """M5: a long strided filter on the waveform, then four stages of convolution and max pool by 4, and a mean."""

    width: int = 128
    kernel: int = 80
    classes: int | None = 10

    @nn.compact
    def __call__(self, x: Array) -> Array:
        w = self.width
        x = conv_norm_relu(x, w, self.kernel, 4, pad=0, bias=True)
        x = max_pool(x, 4)
        for features in (w, 2 * w, 4 * w):
            x = max_pool(conv_norm_relu(x, features, 3, bias=True), 4)
        return read_out(x, self.classes)


def circular(stages: tuple[int, ...], channels: int, classes: int | None) -> Any:
    """`CircularCnn` from its random streams."""
    return lambda rngs: CircularCnn(stages, channels, classes, rngs=rngs)


ENTRIES = {
    "lenet5": Entry(
        "LeNet-5", "LeCun et al. 1998", LeNet5(), (32, 32), LeNet5(), (32, 32), channels=1, parameters=61_706
    ),
    "alexnet": Entry(
        "AlexNet", "Krizhevsky 2014", AlexNet(), (224, 224), AlexNet(4, 8, 5), (63, 63), parameters=61_100_840
    ),
    "vgg16": Entry(
        "VGG-16",
        "Simonyan and Zisserman 2015",
        Vgg(),
        (224, 224),
        Vgg(((3, 3), (4, 4)), 8, 5),
        (16, 16),
        parameters=138_357_544,
    ),
    "all_convolutional": Entry(
        "All-CNN-C: strides and a global mean",
        "Springenberg et al. 2015",
        AllConvolutional(),
        (32, 32),
        AllConvolutional(4, 5),
        (16, 16),
        parameters=1_369_738,
        local=AllConvolutional(4, 5, mean=False),
        canvas=(96, 96),
    ),
    "network_in_network": Entry(
        "Network in Network: pools and a global mean",
        "Lin et al. 2014",
        NetworkInNetwork(),
        (32, 32),
        NetworkInNetwork(32, 5),
        (16, 16),
        parameters=966_986,
        local=NetworkInNetwork(32, 5, mean=False),
        canvas=(96, 96),
    ),
    "circular_cnn": Entry(
        "Max-pool CNN, circular padding",
        "Schubert et al. 2019",
        Nnx(circular((32, 64, 128), 3, 10)),
        (32, 32),
        Nnx(circular((3, 4, 5), 3, 5)),
        (16, 16),
        written="NNX",
        local=Nnx(circular((3, 4, 5), 3, None)),
        canvas=(96, 96),
    ),
    "m5": Entry(
        "M5, raw waveforms",
        "Dai et al. 2017",
        RawWaveform(),
        (8000,),
        RawWaveform(3, 8, 5),
        (2048,),
        channels=1,
        local=RawWaveform(3, 8, None),
        canvas=(8192,),
    ),
}
