"""Networks whose symmetry lies in what their parameters share, or in what the data decides."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from experiments.gallery.entry import Entry
from experiments.gallery.network import Written
from experiments.gallery.parts import Array, batch_norm, conv_norm_relu, max_pool, read_out


class TurnedConv(nn.Module):
    """A convolution of maps `[batch, height, width, turns, channels]` with the four quarter turns of one kernel."""

    features: int
    kernel: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        turns, channels = x.shape[3:]
        shape = (self.kernel, self.kernel, turns, channels, self.features)
        weight = self.param("kernel", nn.initializers.lecun_normal(), shape)
        copies = [jnp.roll(jnp.rot90(weight, turn), turn, axis=2) for turn in range(4)]
        y = jax.lax.conv_general_dilated(
            x.reshape(*x.shape[:3], turns * channels),
            jnp.concatenate(copies, axis=-1).reshape(self.kernel, self.kernel, turns * channels, -1),
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y.reshape(*y.shape[:3], 4, self.features)


class P4Cnn(nn.Module):
    """Group convolutions over the quarter turns, down to one node, and the largest over the turns."""

    width: int = 10
    classes: int = 10

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = x[..., None, :]
        for layer in range(6):
            x = nn.relu(batch_norm(TurnedConv(self.width, 3)(x)))
            if layer == 1:
                pooled = max_pool(x.reshape(*x.shape[:3], -1), 2)
                x = pooled.reshape(*pooled.shape[:3], *x.shape[3:])
        return jnp.max(TurnedConv(self.classes, 4)(x), axis=(1, 2, 3))


class PolyphaseCnn(nn.Module):
    """Circular convolutions, each followed by the one of four subsampled maps whose norm is largest."""

    widths: tuple[int, ...] = (32, 64, 128)
    classes: int | None = 10

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width in self.widths:
            x = largest_phase(conv_norm_relu(x, width, 3, wrap=True))
        return read_out(x, self.classes)


def largest_phase(x: Array) -> Array:
    """Adaptive polyphase sampling: of the maps of even and odd rows and columns, the one of largest norm."""
    phases = jnp.stack([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=1)
    norms = jnp.sum(phases**2, axis=(2, 3, 4))
    return jnp.take_along_axis(phases, jnp.argmax(norms, axis=1)[:, None, None, None, None], axis=1)[:, 0]


def averaged(hidden: int = 64, classes: int = 10) -> tuple[Callable[..., Any], Callable[..., Array]]:
    """The mean of one dense network's answers to the eight rotations and reflections of an image."""

    def make(key: Any, shape: tuple[int, ...]) -> dict[str, Array]:
        _, height, width, channels = shape
        inner = {"hidden_kernel": jnp.zeros((height * width * channels, hidden)), "hidden_bias": jnp.zeros(hidden)}
        return inner | {"out_kernel": jnp.zeros((hidden, classes))}

    def single(params: dict[str, Array], x: Array) -> Array:
        flat = x.reshape(x.shape[0], -1)
        return jax.nn.relu(flat @ params["hidden_kernel"] + params["hidden_bias"]) @ params["out_kernel"]

    def run(params: dict[str, Array], x: Array) -> Array:
        turned = [jnp.rot90(x, turn, axes=(1, 2)) for turn in range(4)]
        answers = [single(params, y) for y in (*turned, *(y[:, :, ::-1] for y in turned))]
        return jnp.mean(jnp.stack(answers), axis=0)

    return make, run


ENTRIES = {
    "p4_cnn": Entry(
        "P4CNN: turned copies of each kernel",
        "Cohen and Welling 2016",
        P4Cnn(),
        (28, 28),
        P4Cnn(2, 3),
        (28, 28),
        channels=1,
        traced=(40, 40),
    ),
    "polyphase_cnn": Entry(
        "Adaptive polyphase sampling",
        "Chaman and Dokmanić 2021",
        PolyphaseCnn(),
        (32, 32),
        PolyphaseCnn((3, 4), 5),
        (16, 16),
    ),
    "averaged": Entry(
        "Dense network averaged over 4mm",
        "Yarotsky 2022",
        Written(*averaged()),
        (28, 28),
        Written(*averaged(6, 5)),
        (8, 8),
        channels=1,
        written="JAX",
    ),
}
