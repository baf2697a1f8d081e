"""From image to image: critics on patches, style transfer, super-resolution, masked convolutions, diffusion."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

from experiments.gallery.entry import Entry
from experiments.gallery.network import Nnx, Written
from experiments.gallery.parts import Array, batch_norm, conv


def instance_norm(x: Array) -> Array:
    """Every channel of every example normalised over space, without parameters."""
    return nn.InstanceNorm(use_bias=False, use_scale=False, epsilon=1e-5)(x)


class PatchGan(nn.Module):
    """The critic of pix2pix, whose every output has seen a patch of 70×70."""

    width: int = 64
    layers: int = 3

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.leaky_relu(conv(x, self.width, 4, 2, pad=1, bias=True), 0.2)
        for layer in range(1, self.layers + 1):
            features = self.width * min(2**layer, 8)
            x = conv(x, features, 4, 2 if layer < self.layers else 1, pad=1)
            x = nn.leaky_relu(batch_norm(x), 0.2)
        return conv(x, 1, 4, pad=1, bias=True)


class StyleGenerator(nn.Module):
    """CycleGAN's generator: reflected borders, two strides down, nine residual blocks, two transposed strides up."""

    width: int = 64
    blocks: int = 9

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        x = self._layer(self._reflected(x, 3), self.width, 7, 1, 0)
        for level in (1, 2):
            x = self._layer(x, self.width * 2**level, 3, 2, 1)
        for _ in range(self.blocks):
            y = self._layer(self._reflected(x, 1), x.shape[-1], 3, 1, 0)
            x = x + instance_norm(conv(self._reflected(y, 1), x.shape[-1], 3, pad=0, bias=True))
        for level in (1, 0):
            # Padded such that every size is doubled.
            x = nn.ConvTranspose(self.width * 2**level, (3, 3), (2, 2), [(1, 2), (1, 2)])(x)
            x = nn.relu(instance_norm(x))
        return nn.tanh(conv(self._reflected(x, 3), channels, 7, pad=0, bias=True))

    def _layer(self, x: Array, features: int, kernel: int, stride: int, pad: int) -> Array:
        return nn.relu(instance_norm(conv(x, features, kernel, stride, pad=pad, bias=True)))

    def _reflected(self, x: Array, pad: int) -> Array:
        return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


class Espcn(nnx.Module):
    """Three convolutions at low resolution, whose channels become the pixels of the enlarged image.

    Args:
        width: channels of the first convolution.
        factor: of the enlargement.
        padding: of all convolutions.
    """

    def __init__(self, width: int = 64, factor: int = 3, padding: str = "SAME", *, rngs: nnx.Rngs) -> None:
        self.factor = factor
        sizes = ((5, 1, width), (3, width, width // 2), (3, width // 2, factor**2))
        self.layers = nnx.List([nnx.Conv(a, b, (k, k), padding=padding, rngs=rngs) for k, a, b in sizes])

    def __call__(self, x: Array) -> Array:
        first, second, last = self.layers
        x = last(nnx.tanh(second(nnx.tanh(first(x)))))
        batch, height, width, _ = x.shape
        x = x.reshape(batch, height, width, self.factor, self.factor)
        return x.transpose(0, 1, 3, 2, 4).reshape(batch, height * self.factor, width * self.factor, 1)


def srcnn(width: int = 64) -> tuple[Callable[..., dict[str, Array]], Callable[..., Array]]:
    """SRCNN without a framework, on one example `[channels, height, width]`: its parameters, and the function."""
    shapes = {"first": (width, 1, 9, 9), "second": (width // 2, width, 5, 5), "last": (1, width // 2, 5, 5)}

    def make(key: Array, shape: tuple[int, ...]) -> dict[str, Array]:
        kernels = {f"{name}_kernel": jax.random.normal(key, size) for name, size in shapes.items()}
        return kernels | {f"{name}_bias": jnp.zeros(size[0]) for name, size in shapes.items()}

    def run(params: dict[str, Array], x: Array) -> Array:
        for name in shapes:
            x = jax.lax.conv(x[None], params[f"{name}_kernel"], (1, 1), "VALID")[0]
            x = x + params[f"{name}_bias"][:, None, None]
            x = x if name == "last" else jax.nn.relu(x)
        return x

    return make, run


class PixelCnn(nn.Module):
    """Convolutions that see the pixels above and to the left: the kernel's entries at and after the centre are 0."""

    width: int = 128
    blocks: int = 15
    levels: int = 256

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h = self.width
        x = self._masked(x, 2 * h, 7, centre=False)
        for _ in range(self.blocks):
            y = conv(nn.relu(x), h, 1, bias=True)
            y = self._masked(nn.relu(y), h, 3, centre=True)
            x = x + conv(nn.relu(y), 2 * h, 1, bias=True)
        for _ in range(2):
            x = conv(nn.relu(x), 2 * h, 1, bias=True)
        return conv(nn.relu(x), self.levels, 1, bias=True)

    def _masked(self, x: Array, features: int, kernel: int, *, centre: bool) -> Array:
        mask = np.zeros((kernel, kernel, 1, 1), np.float32)
        mask[: kernel // 2] = 1
        mask[kernel // 2, : kernel // 2 + centre] = 1
        shape = (kernel, kernel, x.shape[-1], features)
        return nn.Conv(features, (kernel, kernel), mask=jnp.broadcast_to(mask, shape))(x)


class DiffusionUNet(nn.Module):
    """The noise predictor of DDPM at one step of time, which enters every block as a vector.

    Args:
        attend: side of the maps that have self-attention.
        time: the step.
    """

    width: int = 128
    multiples: tuple[int, ...] = (1, 2, 2, 2)
    blocks: int = 2
    attend: int = 16
    groups: int = 32
    time: int = 500

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels, levels = x.shape[-1], len(self.multiples)
        time = nn.Dense(4 * self.width)(nn.swish(nn.Dense(4 * self.width)(self._embedded())))
        x = conv(x, self.width, 3, bias=True)
        skips = [x]
        for level, multiple in enumerate(self.multiples):
            for _ in range(self.blocks):
                x = self._attended(self._block(x, self.width * multiple, time))
                skips.append(x)
            if level < levels - 1:
                x = nn.Conv(x.shape[-1], (3, 3), 2, "SAME")(x)
                skips.append(x)
        x = self._block(self._attention(self._block(x, x.shape[-1], time)), x.shape[-1], time)
        for level, multiple in reversed(list(enumerate(self.multiples))):
            for _ in range(self.blocks + 1):
                x = jnp.concatenate([x, skips.pop()], axis=-1)
                x = self._attended(self._block(x, self.width * multiple, time))
            if level:
                x = conv(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2), x.shape[-1], 3, bias=True)
        return conv(nn.swish(self._norm(x)), channels, 3, bias=True)

    def _embedded(self) -> Array:
        """Sines and cosines of the time, `[1, width]`."""
        half = self.width // 2
        angles = self.time * jnp.exp(-jnp.log(10000.0) * jnp.arange(half) / (half - 1))
        return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)])[None]

    def _norm(self, x: Array) -> Array:
        return nn.GroupNorm(self.groups)(x)

    def _block(self, x: Array, features: int, time: Array) -> Array:
        y = conv(nn.swish(self._norm(x)), features, 3, bias=True)
        y = y + nn.Dense(features)(nn.swish(time))[:, None, None, :]
        y = conv(nn.swish(self._norm(y)), features, 3, bias=True)
        return y + (x if x.shape[-1] == features else nn.Dense(features)(x))

    def _attended(self, x: Array) -> Array:
        return self._attention(x) if x.shape[1] == self.attend else x

    def _attention(self, x: Array) -> Array:
        y = self._norm(x)
        query, key, value = (nn.Dense(x.shape[-1])(y) for _ in range(3))
        logits = jnp.einsum("bhwc,bijc->bhwij", query, key) / x.shape[-1] ** 0.5
        weights = nn.softmax(logits.reshape(*logits.shape[:3], -1)).reshape(logits.shape)
        return x + nn.Dense(x.shape[-1])(jnp.einsum("bhwij,bijc->bhwc", weights, value))


def _espcn(title: str, paper: str, padding: str) -> Entry:
    small = Nnx(lambda rngs: Espcn(4, 2, padding, rngs=rngs))
    return Entry(
        title,
        paper,
        Nnx(lambda rngs: Espcn(padding=padding, rngs=rngs)),
        (85, 85),
        small,
        (8, 8),
        channels=1,
        written="NNX",
        local=small,
        canvas=(48, 48),
    )


ENTRIES = {
    "patch_gan": Entry(
        "PatchGAN",
        "Isola et al. 2017",
        PatchGan(),
        (256, 256),
        PatchGan(3, 2),
        (32, 32),
        channels=6,
        parameters=2_768_705,
        local=PatchGan(3, 2),
        canvas=(144, 144),
    ),
    "cyclegan": Entry(
        "CycleGAN's generator: reflected borders",
        "Zhu et al. 2017",
        StyleGenerator(),
        (256, 256),
        StyleGenerator(3, 1),
        (16, 16),
        parameters=11_378_179,
    ),
    "espcn": _espcn("ESPCN: pixel shuffle", "Shi et al. 2016", "SAME"),
    "espcn_circular": _espcn("ESPCN, circular padding", "after Shi et al. 2016", "CIRCULAR"),
    "srcnn": Entry(
        "SRCNN, channels first, one example",
        "Dong et al. 2014",
        Written(*srcnn()),
        (64, 64),
        Written(*srcnn(4)),
        (20, 20),
        channels=1,
        parameters=57_281,
        written="JAX",
        layout="CS",
        local=Written(*srcnn(4)),
        canvas=(64, 64),
    ),
    "pixel_cnn": Entry(
        "PixelCNN",
        "van den Oord et al. 2016b",
        PixelCnn(),
        (28, 28),
        PixelCnn(3, 1, 4),
        (12, 12),
        channels=1,
        local=PixelCnn(3, 1, 4),
        canvas=(48, 48),
    ),
    "ddpm": Entry(
        "Diffusion U-Net: group norm, attention, time",
        "Ho et al. 2020",
        DiffusionUNet(),
        (32, 32),
        DiffusionUNet(8, (1, 2), 1, 8, 4),
        (16, 16),
        parameters=35_746_307,
    ),
}
