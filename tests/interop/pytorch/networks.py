"""Small networks of PyTorch, of every family, and what they keep of a torus or a box."""

import torch
import torch.nn.functional as F
from torch import nn


def circular(inputs: int, outputs: int, kernel: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="circular", **options)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, fn, **parts):
        super().__init__()
        self.fn = fn
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *given, **named):
        return self.fn(self, *given, **named)


class Windows(nn.Module):
    """Attention within windows of w × w nodes, moved on by half of one (Liu et al. 2021)."""

    def __init__(self, channels: int, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift
        self.qkv = nn.Linear(channels, 3 * channels)
        self.bias = nn.Parameter(torch.randn(1, window**2, window**2))

    def forward(self, x):
        b, c, h, w = x.shape
        n = self.window
        x = x.permute(0, 2, 3, 1).roll((-self.shift, -self.shift), (1, 2))
        x = x.reshape(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)
        q, k, v = self.qkv(x).chunk(3, -1)
        x = F.scaled_dot_product_attention(q, k, v, self.bias)
        x = x.reshape(b, h // n, w // n, n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return x.roll((self.shift, self.shift), (1, 2)).permute(0, 3, 1, 2)


class Spectral(nn.Module):
    """A filter of the lowest frequencies (Li et al. 2021)."""

    def __init__(self, channels: int, modes: int):
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(torch.randn(channels, channels, modes, modes, 2))

    def forward(self, x):
        m = self.modes
        low = torch.fft.rfft2(x)[:, :, :m, :m]
        made = torch.einsum("bchw,cdhw->bdhw", low, torch.view_as_complex(self.weight))
        return torch.fft.irfft2(F.pad(made, (0, x.shape[3] // 2 + 1 - m, 0, x.shape[2] - m)), s=x.shape[2:])


class Stripes(nn.Module):
    """A table that repeats every four nodes, kept in a buffer."""

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("stripes", torch.where(torch.arange(size) % 4 < 2, 1.0, -1.0)[:, None])

    def forward(self, x):
        return x * self.stripes


class Positions(nn.Module):
    """A token for every patch of 2 × 2 nodes, told by its position, and attention (Dosovitskiy et al. 2021)."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.patch = nn.Conv2d(2, channels, 2, 2)
        self.position = nn.Parameter(torch.randn(1, (size // 2) ** 2, channels))
        self.attention = nn.MultiheadAttention(channels, 2, batch_first=True)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        x = self.norm(self.patch(x).flatten(2).transpose(1, 2) + self.position)
        return self.attention(x, x, x, need_weights=False)[0].mean(1)


class Squeeze(nn.Module):
    """A gate for every channel (Hu et al. 2018)."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * self.fc2(F.silu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


def residual() -> nn.Module:
    inner = nn.Sequential(circular(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), circular(4, 2, 3))
    return Function(lambda self, x: torch.relu_(self.inner(x) + x), inner=inner)


NETWORKS = {
    "residual": (residual, "Z × Z (p1, index 1)"),
    "pooled": (
        lambda: nn.Sequential(
            circular(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        ),
        "2Z × 2Z (p1, index 4)",
    ),
    "strided": (lambda: nn.Conv2d(2, 3, 2, 2, groups=1), "2Z × 2Z (p1, index 4)"),
    "zeros": (lambda: nn.Conv2d(2, 3, 3, padding=1), "trivial"),
    "max pool": (lambda: nn.MaxPool2d(2), "2Z × 2Z ⋊ 4mm (p4m, index 4)"),
    "mean pool": (lambda: nn.AvgPool2d((2, 4)), None),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d((4, 6)), None),
    "adaptive max": (lambda: nn.AdaptiveMaxPool2d((4, 2)), None),
    "nearest": (lambda: nn.Upsample(scale_factor=2), None),
    "fewer": (lambda: nn.Upsample(scale_factor=0.5), None),
    "two thirds": (lambda: nn.Upsample(size=(12, 12)), None),
    "shuffle": (
        lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(8, 8, 1), nn.PixelShuffle(2)),
        "2Z × 2Z (p1, index 4)",
    ),
    "unfold": (lambda: nn.Sequential(nn.Unfold(2, stride=2), nn.Fold((8, 8), 2, stride=2)), None),
    "transposed": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2, 2), nn.ConvTranspose2d(3, 2, 2, 2)),
        "2Z × 2Z (p1, index 4)",
    ),
    "windows": (lambda: Windows(2, 4, 2), "4Z × 4Z (p1, index 16)"),
    "spectral": (lambda: Spectral(2, 3), "Z × Z (p1, index 1)"),
    "stripes": (lambda: Stripes(8), None),
    "positions": (lambda: Positions(4, 8), "trivial"),
    "squeeze": (lambda: Squeeze(2), "Z × Z ⋊ 4mm (p4m, index 1)"),
    "norms": (
        lambda: nn.Sequential(nn.GroupNorm(1, 2), nn.GELU(), nn.InstanceNorm2d(2), nn.Mish()),
        "Z × Z ⋊ 4mm (p4m, index 1)",
    ),
    "mirror": (lambda: Function(lambda self, x: x + x.flip(3)), None),
    "rolled": (lambda: Function(lambda self, x: x * x.roll(1, 2)), None),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), None),
    "context": (
        lambda: Function(lambda self, x: x + F.interpolate(x.mean((2, 3), keepdim=True), size=(8, 8), mode="bilinear")),
        "Z × Z ⋊ 4mm (p4m, index 1)",
    ),
    "replicate": (lambda: nn.Sequential(nn.ReplicationPad2d(1), nn.MaxPool2d(3, 1)), None),
    "reflect": (lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.AvgPool2d(3, 1)), None),
    "overhang": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), None),
}
"""By name: how it is made, with 2 channels on 8 × 8 nodes, and what it keeps of the torus if that is known by hand."""
FAST = ("residual", "pooled", "shuffle", "stripes", "overhang")
