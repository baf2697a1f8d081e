"""The peers: the same work in PyTorch, on arrays `[batch, channels, height, width]`, on a GPU if it sees one.

Needs the packages of `make bench`; nothing else in the project imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

if torch.cuda.is_available():
    torch.set_default_device("cuda")
    # Choose the fastest kernels by trial, as XLA does.
    torch.backends.cudnn.benchmark = True


def waiting(run: Callable[[], object]) -> Callable[[], object]:
    """The same, which returns when the device has done the work."""
    if not torch.cuda.is_available():
        return run

    def waited() -> object:
        found = run()
        torch.cuda.synchronize()
        return found

    return waited


def value_and_gradient(module: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """The sum of squares of the output, and its gradient by x and all weights."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    leaves = [x, *module.parameters()]
    return waiting(lambda: torch.autograd.grad(module(x).square().sum(), leaves))


def forward(module: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """The output alone."""
    module = module.eval()

    def run() -> object:
        with torch.inference_mode():
            return module(x)

    return waiting(run)


def training_step(module: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """Cross entropy, its gradient, a step of gradient descent."""
    optimiser = torch.optim.SGD(module.parameters(), 1e-3)
    module = module.train()

    def step() -> object:
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(module(x), labels)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return waiting(step)


def channels_last(module: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    """Module and input in torch's NHWC memory format."""
    return module.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)


class CircularPad(nn.Module):
    """Pads height and width by wrapping around."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.widths = (before, after, before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.widths, mode="circular")


def conv(inputs: int, features: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> nn.Module:
    """A circular convolution."""
    return nn.Conv2d(inputs, features, kernel, stride, kernel // 2, padding_mode="circular", bias=bias)


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016a), where `down` says how it goes down."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(inputs, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(), conv(width, width), nn.BatchNorm2d(width)
        )
        changes = stride > 1 or inputs != width
        straight = nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.shortcut = nn.Sequential(straight, nn.BatchNorm2d(width)) if changes else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def resnet18(classes: int = 10) -> nn.Module:
    """ResNet-18 with a 3×3 stem, circular padding and strided convolutions."""
    layers: list[nn.Module] = [conv(3, 64), nn.BatchNorm2d(64), nn.ReLU()]
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(BasicBlock(inputs, width, 2 if stage and not block else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


class WideBlock(nn.Module):
    """Norm and ReLU, then two convolutions and a 1×1 shortcut (Zagoruyko and Komodakis 2016)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.start = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.body = nn.Sequential(conv(inputs, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(), conv(width, width))
        self.shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.start(x)
        return self.body(x) + self.shortcut(x)


def wide_resnet(classes: int = 10) -> nn.Module:
    """Wide ResNet 10-2."""
    blocks = WideBlock(16, 32, 1), WideBlock(32, 64, 2), WideBlock(64, 128, 2)
    head = nn.BatchNorm2d(128), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes)
    return nn.Sequential(conv(3, 16), *blocks, *head)


class UNet(nn.Module):
    """A level of a U-Net: two convolutions, and where there are levels below, down to them, up again, and the skip."""

    def __init__(self, inputs: int, width: int, below: int) -> None:
        super().__init__()
        self.first = self.both(inputs, width)
        self.below = UNet(width, 2 * width, below - 1) if below else None
        if below:
            self.up = nn.Sequential(nn.Upsample(scale_factor=2), conv(2 * width, width, bias=True), nn.ReLU())
            self.last = self.both(2 * width, width)

    @staticmethod
    def both(inputs: int, width: int) -> nn.Module:
        """Two convolutions, each with its ReLU."""
        return nn.Sequential(conv(inputs, width, bias=True), nn.ReLU(), conv(width, width, bias=True), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if self.below is None:
            return x
        return self.last(torch.cat([x, self.up(self.below(F.max_pool2d(x, 2)))], 1))


def unet(classes: int = 10) -> nn.Module:
    """A U-Net of three levels below the first, 32 channels at full resolution."""
    return nn.Sequential(UNet(3, 32, 3), nn.Conv2d(32, classes, 1))


def small_cnn(widths: Sequence[int], classes: int = 10) -> nn.Module:
    """Convolution → ReLU → max pooling for each width, global average, dense."""
    layers: list[nn.Module] = []
    inputs = 3
    for width in widths:
        layers += [conv(inputs, width, bias=True), nn.ReLU(), nn.MaxPool2d(2)]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class PolyphaseSampling(nn.Module):
    """Adaptive polyphase sampling of stride 2, written from its definition (Chaman and Dokmanić 2021).

    All components are stacked, their norms over channels and nodes taken, and the largest one of each example is
    gathered. With `blur`, a binomial filter of three taps comes first, as a depthwise convolution.
    """

    def __init__(self, channels: int, blur: bool = False) -> None:
        super().__init__()
        self.blur = blur
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.taps = (taps[:, None] * taps).expand(channels, 1, 3, 3).contiguous()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.blur:
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), self.taps, groups=x.shape[1])
        return self.sampled(x)

    def sampled(self, x: torch.Tensor) -> torch.Tensor:
        """The chosen components."""
        components = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)
        norms = torch.linalg.vector_norm(components, dim=(2, 3, 4))
        return components[torch.arange(len(x)), norms.argmax(1)]


class IndexedPolyphase(PolyphaseSampling):
    """The same in the order of the authors' own layer: the flat map is permuted by an index so that components come one
    after the other, their norms are taken, and one is picked by example."""

    def __init__(self, channels: int, blur: bool = False) -> None:
        super().__init__(channels, blur)
        self.order: torch.Tensor | None = None

    def sampled(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        if self.order is None:
            places = torch.arange(height * width).reshape(height, width)
            self.order = torch.cat([places[i::2, j::2].reshape(-1) for i in (0, 1) for j in (0, 1)])
        flat = torch.index_select(x.reshape(batch, channels, -1), 2, self.order)
        components = flat.reshape(batch, channels, 4, -1).permute(0, 2, 1, 3)
        chosen = torch.linalg.vector_norm(components, dim=(2, 3)).argmax(1)
        return components[torch.arange(batch), chosen].reshape(batch, channels, height // 2, width // 2)


class Attention(nn.Module):
    """Attention within sets of nodes by `scaled_dot_product_attention`, as a model of windows would be written.

    Args:
        channels, heads: of the map.
        along: each axis split in two, `[height, height, width, width]`.
        order: the axes of the split map `[batch, *along, channels]`, those that tell sets apart first.
        places: for each two nodes of a set the entry of the bias that they get, a parameter of each head; or None.
    """

    def __init__(
        self, channels: int, heads: int, along: Sequence[int], order: Sequence[int], places: np.ndarray | None
    ) -> None:
        super().__init__()
        self.heads, self.along, self.order = heads, tuple(along), tuple(order)
        self.back = tuple(int(v) for v in np.argsort(order))
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.places = None if places is None else torch.as_tensor(places)
        self.position_bias = None if places is None else nn.Parameter(torch.zeros(heads, int(places.max()) + 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        split = x.permute(0, 2, 3, 1).reshape(batch, *self.along, channels).permute(self.order)
        nodes = split.shape[3] * split.shape[4]
        heads = self.qkv(split.reshape(-1, nodes, channels)).reshape(-1, nodes, 3, self.heads, channels // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        bias = None if self.position_bias is None else self.position_bias[:, self.places][None]
        mixed = F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2)
        found = self.out(mixed.reshape(-1, nodes, channels)).reshape(split.shape).permute(self.back)
        return found.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
