"""Hand-written functions on fields and series: spectral convolution, cellular automata, causal convolution, sets."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.gallery.entry import Entry
from experiments.gallery.network import Written
from experiments.gallery.parts import Array

Params = dict[str, Array]
Make = Callable[[Any, tuple[int, ...]], Params]
Run = Callable[[Params, Array], Array]


def fourier_operator(
    width: int = 20, modes: int = 12, layers: int = 4, hidden: int = 128, outputs: int = 1, *, coordinates: bool = True
) -> tuple[Make, Run]:
    """The Fourier neural operator: low frequencies times free matrices, beside a 1×1 convolution.

    Args:
        coordinates: whether each node's place is appended to its channels, as published.
    """

    def make(key: Any, shape: tuple[int, ...]) -> Params:
        inputs = shape[-1] + (2 if coordinates else 0)
        params = _dense("lift", inputs, width) | _dense("hidden", width, hidden) | _dense("out", hidden, outputs)
        for layer in range(layers):
            params |= _dense(f"local_{layer}", width, width)
            corners = (2, modes, modes, width, width)
            params |= {f"spectral_{layer}_{part}_kernel": jnp.zeros(corners) for part in ("real", "imaginary")}
        return params

    def run(params: Params, x: Array) -> Array:
        if coordinates:
            grids = jnp.meshgrid(*(jnp.linspace(0, 1, size) for size in x.shape[1:3]), indexing="ij")
            places = jnp.broadcast_to(jnp.stack(grids, -1), (*x.shape[:3], 2)).astype(x.dtype)
            x = jnp.concatenate([x, places], axis=-1)
        x = _apply(params, "lift", x)
        for layer in range(layers):
            names = (f"spectral_{layer}_{part}_kernel" for part in ("real", "imaginary"))
            kernel = jax.lax.complex(*(params[name] for name in names))
            y = spectral(x, kernel) + _apply(params, f"local_{layer}", x)
            x = jax.nn.gelu(y) if layer < layers - 1 else y
        return _apply(params, "out", jax.nn.gelu(_apply(params, "hidden", x)))

    return make, run


def spectral(x: Array, kernel: Array) -> Array:
    """The lowest frequencies of x, positive and negative along the first axis, times a matrix each; the rest is 0."""
    _, height, width, _ = x.shape
    modes = kernel.shape[1]
    found = jnp.fft.rfft2(x, axes=(1, 2))
    low = jnp.einsum("bxyi,xyio->bxyo", found[:, :modes, :modes], kernel[0])
    high = jnp.einsum("bxyi,xyio->bxyo", found[:, -modes:, :modes], kernel[1])
    y = jnp.zeros((*found.shape[:-1], kernel.shape[-1]), found.dtype)
    y = y.at[:, :modes, :modes].set(low).at[:, -modes:, :modes].set(high)
    return jnp.fft.irfft2(y, s=(height, width), axes=(1, 2))


SOBEL = np.outer([1, 2, 1], [-1, 0, 1]).astype(np.float32) / 8
LAPLACE = np.array([[1, 2, 1], [2, -12, 2], [1, 2, 1]], np.float32) / 16


def automaton(
    filters: tuple[np.ndarray, ...], *, hidden: int = 128, steps: int = 16, boundary: str = "wrap"
) -> tuple[Make, Run]:
    """A neural cellular automaton: every step, fixed filters on every channel, a dense layer, and what is alive grows.

    Args:
        filters: 3×3 kernels; a cell also sees itself.
        hidden: width of the rule.
        steps: how often it is applied, each cell every time.
        boundary: what `jnp.pad` puts around the grid.
    """

    def make(key: Any, shape: tuple[int, ...]) -> Params:
        channels = shape[-1]
        inner = _dense("hidden", (1 + len(filters)) * channels, hidden)
        return inner | {"out_kernel": jnp.zeros((hidden, channels))}

    def neighbours(x: Array) -> Array:
        return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=boundary)  # pyright: ignore[reportArgumentType]

    def seen(x: Array) -> Array:
        channels = x.shape[-1]
        kernel = np.repeat(np.stack(filters, -1)[:, :, None, :], channels, axis=2).reshape(3, 3, 1, -1)
        return jax.lax.conv_general_dilated(
            neighbours(x),
            jnp.asarray(kernel, x.dtype),
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=channels,
        )

    def alive(x: Array) -> Array:
        most = jax.lax.reduce_window(
            neighbours(x[..., 3:4]), -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "VALID"
        )
        return most > 0.1

    def run(params: Params, x: Array) -> Array:
        def step(_: int, x: Array) -> Array:
            before = alive(x)
            y = jax.nn.relu(_apply(params, "hidden", jnp.concatenate([x, seen(x)], axis=-1)))
            x = x + y @ params["out_kernel"]
            return x * (before & alive(x)).astype(x.dtype)

        return jax.lax.fori_loop(0, steps, step, x)

    return make, run


def wavenet(
    width: int = 64, skip: int = 256, classes: int = 256, cycles: int = 3, layers: int = 10
) -> tuple[Make, Run]:
    """WaveNet: causal convolutions of two taps whose dilation doubles, gated, each with a shortcut and a skip.

    Args:
        cycles: how often the dilations start anew at 1.
        layers: in each cycle.
    """
    dilations = [2**layer for _ in range(cycles) for layer in range(layers)]

    def make(key: Any, shape: tuple[int, ...]) -> Params:
        params = _taps("start", shape[-1], width)
        for layer in range(len(dilations)):
            params |= _taps(f"filter_{layer}", width, width) | _taps(f"gate_{layer}", width, width)
            params |= _dense(f"residual_{layer}", width, width) | _dense(f"skip_{layer}", width, skip)
        return params | _dense("hidden", skip, skip) | _dense("out", skip, classes)

    def run(params: Params, x: Array) -> Array:
        x = causal(x, params["start_kernel"], 1)
        total = jnp.zeros((), x.dtype)
        for layer, dilation in enumerate(dilations):
            inner = jnp.tanh(causal(x, params[f"filter_{layer}_kernel"], dilation))
            y = inner * jax.nn.sigmoid(causal(x, params[f"gate_{layer}_kernel"], dilation))
            total = total + _apply(params, f"skip_{layer}", y)
            x = x + _apply(params, f"residual_{layer}", y)
        return _apply(params, "out", jax.nn.relu(_apply(params, "hidden", jax.nn.relu(total))))

    return make, run


def causal(x: Array, kernel: Array, dilation: int) -> Array:
    """A convolution along time that sees the present and the past."""
    past = dilation * (kernel.shape[0] - 1)
    return jax.lax.conv_general_dilated(
        x, kernel, (1,), [(past, 0)], rhs_dilation=(dilation,), dimension_numbers=("NWC", "WIO", "NWC")
    )


def deep_sets(width: int = 64, hidden: int = 256, classes: int = 10) -> tuple[Make, Run]:
    """Every pixel through the same dense layers, the largest of each channel over all pixels, and two more layers."""

    def make(key: Any, shape: tuple[int, ...]) -> Params:
        params = _dense("first", shape[-1], width) | _dense("second", width, hidden)
        return params | _dense("third", hidden, width) | _dense("out", width, classes)

    def run(params: Params, x: Array) -> Array:
        for name in ("first", "second"):
            x = jax.nn.relu(_apply(params, name, x))
        x = jnp.max(x.reshape(x.shape[0], -1, x.shape[-1]), axis=1)
        return _apply(params, "out", jax.nn.relu(_apply(params, "third", x)))

    return make, run


def _dense(name: str, inputs: int, outputs: int) -> Params:
    return {f"{name}_kernel": jnp.zeros((inputs, outputs)), f"{name}_bias": jnp.zeros(outputs)}


def _taps(name: str, inputs: int, outputs: int) -> Params:
    return {f"{name}_kernel": jnp.zeros((2, inputs, outputs))}


def _apply(params: Params, name: str, x: Array) -> Array:
    return x @ params[f"{name}_kernel"] + params[f"{name}_bias"]


def _automaton(title: str, paper: str, *filters: np.ndarray) -> Entry:
    small = Written(*automaton(filters, hidden=8, steps=2))
    return Entry(
        title,
        paper,
        Written(*automaton(filters)),
        (72, 72),
        small,
        (8, 8),
        channels=16,
        small_channels=5,
        written="JAX",
        local=small,
        canvas=(40, 40),
    )


def _operator(title: str, paper: str, parameters: int | None, *, coordinates: bool) -> Entry:
    return Entry(
        title,
        paper,
        Written(*fourier_operator(32, coordinates=coordinates)),
        (421, 421),
        Written(*fourier_operator(4, 2, 2, 5, coordinates=coordinates)),
        (9, 9),
        channels=1,
        parameters=parameters,
        written="JAX",
    )


ENTRIES = {
    "fno": _operator("Fourier neural operator", "Li et al. 2021", 2_368_001, coordinates=True),
    "fno_free": _operator(
        "Fourier neural operator without coordinates", "after Li et al. 2021", None, coordinates=False
    ),
    "automaton": replace(
        _automaton("Neural cellular automaton, Sobel filters", "Mordvintsev et al. 2020", SOBEL, SOBEL.T),
        parameters=8_320,
    ),
    "automaton_isotropic": _automaton("Neural cellular automaton, Laplace filter", "Mordvintsev et al. 2022", LAPLACE),
    "wavenet": Entry(
        "WaveNet: causal, dilated, gated",
        "van den Oord et al. 2016a",
        Written(*wavenet()),
        (4096,),
        Written(*wavenet(4, 5, 4, 1, 4)),
        (24,),
        channels=256,
        small_channels=3,
        written="JAX",
        local=Written(*wavenet(4, 5, 4, 1, 4)),
        canvas=(96,),
    ),
    "deep_sets": Entry(
        "Deep Sets on pixels: largest over the image",
        "Zaheer et al. 2017",
        Written(*deep_sets()),
        (28, 28),
        Written(*deep_sets(4, 6, 5)),
        (8, 8),
        channels=1,
        written="JAX",
    ),
}
