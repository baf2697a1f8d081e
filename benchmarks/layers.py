"""Layers, forward and backward (the gradient of the sum of squares by input and weights), against their peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from benchmarks.common import Process, Way, Work
from benchmarks.plain import as_it_comes
from equinet.layers.base import Context
from equinet.train.record import ROOT

HEADS = 4
WINDOWS = (0, 1, 3, 2, 4, 5)
GRID = (0, 2, 4, 1, 3, 5)
"""Which axes come first when each axis of the map is split in two: those that tell sets apart."""

ESCNN = ROOT / ".venv" / "escnn" / "bin" / "python"
BATCH, LARGE = 64, 1024
"""On a CPU, and on an accelerator, where a small batch takes no longer than to start the work."""


def maps() -> tuple[int, int, int, int]:
    """Batch, height, width and channels of the maps that are pooled."""
    return BATCH if jax.default_backend() == "cpu" else LARGE, 32, 32, 64


def ours(
    net: eq.Layer, shape: Sequence[int], fibre: eq.Fibre | None = None, plain: bool = False, dtype: str = "float32"
) -> Way:
    """Value and gradient of a layer, compiled."""
    x = jax.random.normal(jax.random.key(0), tuple(shape), dtype)
    fibre = eq.Fibre.plain(shape[-1]) if fibre is None else fibre
    variables = net.init(jax.random.key(1), (*shape[1:-1], fibre))

    def loss(params: object, x: jax.Array) -> jax.Array:
        y, _ = net.run(params, variables["state"], x, Context(fibre=fibre))
        return (y**2).sum()

    with as_it_comes(plain):
        made = jax.jit(jax.grad(loss, (0, 1))).lower(variables["params"], x).compile()
    return lambda: made(variables["params"], x)


def derived(fn: Callable[[jax.Array], jax.Array]) -> Way:
    """Value and gradient of a function of the maps that are pooled, as JAX derives it."""
    x = jax.random.normal(jax.random.key(0), maps())
    made = jax.jit(jax.grad(lambda x: (fn(x) ** 2).sum())).lower(x).compile()
    return lambda: made(x)


def wrapped(x: jax.Array, before: int, after: int) -> jax.Array:
    """Padded around the torus."""
    return jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)), mode="wrap")


def blurred(x: jax.Array, stride: int) -> jax.Array:
    """A binomial filter of three taps on each axis, as a depthwise convolution."""
    taps = jnp.asarray([1.0, 2.0, 1.0]) / 4
    kernel = jnp.broadcast_to((taps[:, None] * taps)[:, :, None, None], (3, 3, 1, x.shape[-1]))
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        wrapped(x, 1, 1), kernel, (stride, stride), "VALID", dimension_numbers=layout, feature_group_count=x.shape[-1]
    )


def sampled(x: jax.Array) -> jax.Array:
    """The component of stride 2 with the largest norm, of each example."""
    components = jnp.stack([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)
    chosen = (components**2).sum((2, 3, 4)).argmax(1)
    return components[jnp.arange(len(x)), chosen]


def theirs(module: Any, shape: Sequence[int], channels_last: bool = False, dtype: str = "float32") -> Way:
    """The same of a torch module."""
    import torch

    from benchmarks import peers

    kind = getattr(torch, dtype)
    module, x = module.to(kind), torch.randn(shape[0], shape[-1], *shape[1:-1], dtype=kind)
    if channels_last:
        module, x = peers.channels_last(module, x)
    return peers.value_and_gradient(module, x)


def convolution(size: int, channels: int, batch: int = BATCH, dtype: str = "float32") -> Mapping[str, Way]:
    """A circular 3×3 convolution without bias."""
    from benchmarks import peers

    shape = (batch, size, size, channels)
    net = eq.Conv(channels, 3, padding="circular", bias=False)
    conv = partial(peers.conv, channels, channels)
    return {
        "torch": theirs(conv(), shape, dtype=dtype),
        "torch channels_last": theirs(conv(), shape, True, dtype),
        "plain JAX": ours(net, shape, plain=True, dtype=dtype),
        "equinet": ours(net, shape, dtype=dtype),
    }


def max_pool(window: int, stride: int, padding: str) -> Mapping[str, Way]:
    """Max pooling; torch has no circular padding of its own for it."""
    from torch import nn

    from benchmarks import peers

    pool = nn.MaxPool2d(window, stride)
    module = nn.Sequential(peers.CircularPad((window - 1) // 2, window // 2), pool) if padding == "circular" else pool
    net = eq.MaxPool(window, stride=stride, padding=padding)

    def textbook(x: jax.Array) -> jax.Array:
        x = wrapped(x, (window - 1) // 2, window // 2) if padding == "circular" else x
        sides, strides = (1, window, window, 1), (1, stride, stride, 1)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, sides, strides, "VALID")

    return {
        "plain JAX": derived(textbook),
        "torch": theirs(module, maps()),
        "torch channels_last": theirs(module, maps(), True),
        "equinet": ours(net, maps()),
    }


def blur_pool() -> Mapping[str, Way]:
    """Binomial filter of three taps, stride 2; the peer pads by reflection."""
    import antialiased_cnns

    shape = maps()
    pool = partial(antialiased_cnns.BlurPool, shape[-1], filt_size=3, stride=2)
    return {
        "antialiased-cnns": theirs(pool(), shape),
        "antialiased-cnns channels_last": theirs(pool(), shape, True),
        "plain JAX": derived(partial(blurred, stride=2)),
        "equinet": ours(eq.BlurPool(2), shape),
        "equinet, reflected border": ours(eq.BlurPool(2, padding="reflect"), shape),
    }


def polyphase(blur: bool) -> Mapping[str, Way]:
    """Adaptive polyphase sampling."""
    from benchmarks import peers

    shape = maps()
    return {
        "as published": theirs(peers.IndexedPolyphase(shape[-1], blur), shape),
        "stack and gather": theirs(peers.PolyphaseSampling(shape[-1], blur), shape),
        "plain JAX": derived(lambda x: sampled(blurred(x, 1) if blur else x)),
        "equinet": ours(eq.PolyphasePool(2, blur=3 if blur else None), shape),
    }


def rotations(batch: int = 32) -> Mapping[str, Way]:
    """A 3×3 convolution between 16 regular fields of p4, as in training: kernels are expanded in every step.

    escnn has an environment of its own, for the CPU.
    """
    from benchmarks import peers

    shape, fibre = (batch, 32, 32, 64), eq.Fibre.regular("p4") * 16
    net = eq.GroupConv(fibre, 3, padding="circular", bias=False)
    command = str(ESCNN), str(ROOT / "benchmarks" / "escnn_peer.py"), str(batch), "32", "16"
    return {
        **({"escnn": Process(*command)} if jax.default_backend() == "cpu" else {}),
        "torch, plain convolution": theirs(peers.conv(64, 64), shape),
        "equinet": ours(net, shape, fibre),
        "equinet, plain convolution": ours(eq.Conv(64, 3, padding="circular", bias=False), shape),
    }


def attention(net: eq.Layer, size: int, side: int, order: Sequence[int] = WINDOWS) -> Mapping[str, Way]:
    """Attention within sets of `side` nodes along each axis; the peers take the same sets, and their own attention."""
    from benchmarks import peers

    batch, *_, channels = maps()
    x = jax.random.normal(jax.random.key(0), (batch, size, size, channels))
    params = net.init(jax.random.key(1), x.shape[1:])["params"]
    made = jax.jit(jax.grad(lambda params, x: (attended(params, x, side, order) ** 2).sum(), (0, 1)))
    plain = made.lower(params, x).compile()
    places = offsets(side) if "position_bias" in params else None
    module = peers.Attention(channels, HEADS, along(size, size, side, order), order, places)
    return {"torch": theirs(module, x.shape), "plain JAX": lambda: plain(params, x), "equinet": ours(net, x.shape)}


def along(height: int, width: int, side: int, order: Sequence[int]) -> tuple[int, int, int, int]:
    """Each axis split in two, the blocks first."""
    if order == GRID:
        return side, height // side, side, width // side
    return height // side, side, width // side, side


def offsets(side: int) -> np.ndarray:
    """For each two nodes of a square the number of where one lies relative to the other."""
    rows, columns = (v.ravel() for v in np.indices((side, side)))
    return (rows - rows[:, None] + side - 1) * (2 * side - 1) + columns - columns[:, None] + side - 1


def attended(params: Mapping[str, jax.Array], x: jax.Array, side: int, order: Sequence[int]) -> jax.Array:
    """The textbook's attention within sets, by `jax.nn.dot_product_attention`."""
    batch, height, width, channels = x.shape
    split = x.reshape(batch, *along(height, width, side, order), channels).transpose(order)
    nodes = split.reshape(-1, side * side, channels)
    heads = (nodes @ params["qkv"] + params["qkv_bias"][None, None]).reshape(*nodes.shape[:2], 3, HEADS, -1)
    bias = params["position_bias"][:, offsets(side)][None] if "position_bias" in params else None
    mixed = jax.nn.dot_product_attention(heads[:, :, 0], heads[:, :, 1], heads[:, :, 2], bias).reshape(nodes.shape)
    nodes = mixed @ params["out"] + params["out_bias"][None, None]
    return nodes.reshape(split.shape).transpose(np.argsort(order)).reshape(x.shape)


def on_an_accelerator() -> list[Work]:
    """The rows there: convolutions take TF32 of float32 numbers in both libraries, as they do unless told otherwise."""
    convolutions = [
        Work(
            f"convolution 3×3 circular, {n}² × {c}, batch {LARGE}, {dtype}",
            partial(convolution, n, c, LARGE, dtype),
            "torch channels_last",
        )
        for dtype in ("float32", "bfloat16")
        for n, c in ((32, 64), (16, 128), (8, 256), (4, 512))
    ]
    others = [
        replace(work, title=f"{work.title}, batch {LARGE}", goal=None, stretch=None) for work in without_weights()
    ]
    rotated = partial(rotations, LARGE)
    fields = Work(f"p4 convolution, 16 regular fields, batch {LARGE}", rotated, "torch, plain convolution")
    return [*convolutions, *others, fields]


def without_weights() -> list[Work]:
    """Pooling, blur and sampling."""
    return [
        Work("max pool 2×2/2", partial(max_pool, 2, 2, "valid"), "torch channels_last", goal=1.0, stretch=1.3),
        Work("max pool 3×3/2 circular", partial(max_pool, 3, 2, "circular"), "torch", goal=1.5, stretch=2.0),
        Work("max pool 2×2/1 circular", partial(max_pool, 2, 1, "circular"), "torch", goal=3.5, stretch=5.0),
        Work("blur pool 3/2", blur_pool, "antialiased-cnns", goal=1.8, stretch=2.5),
        Work("adaptive polyphase sampling", partial(polyphase, False), "as published", goal=10.0, stretch=15.0),
        Work("blur 3 and adaptive polyphase sampling", partial(polyphase, True), "as published", goal=5.0, stretch=8.0),
    ]


def attentions() -> list[Work]:
    """Attention among all nodes of a map, within windows, within grids."""
    window, grid = (kind(8, HEADS, position_bias=True) for kind in (eq.WindowedAttention, eq.GridAttention))
    return [
        Work("attention, 16² × 64, 4 heads", partial(attention, eq.SelfAttention(HEADS), 16, 16), "torch"),
        Work("attention within windows of 8², 32² × 64, 4 heads", partial(attention, window, 32, 8), "torch"),
        Work("attention within grids of 8², 32² × 64, 4 heads", partial(attention, grid, 32, 8, GRID), "torch"),
    ]


def works() -> list[Work]:
    """The rows."""
    if jax.default_backend() != "cpu":
        return on_an_accelerator()
    wide = [
        Work(
            f"convolution 3×3 circular, {n}² × {c}, batch 64",
            partial(convolution, n, c),
            "torch",
            goal=1.0,
            stretch=1.1,
        )
        for n, c in ((16, 128), (8, 256), (4, 512))
    ]
    sizes = [
        Work(
            f"convolution 3×3 circular, {n}² × 64, batch 16",
            partial(convolution, n, 64, 16),
            "torch",
            growth=("convolution", n),
        )
        for n in (8, 16, 32, 64)
    ]
    return [
        Work(
            "convolution 3×3 circular, 32² × 64, batch 64",
            partial(convolution, 32, 64),
            "torch",
            goal=0.85,
            stretch=1.0,
        ),
        *wide,
        *sizes,
        *without_weights(),
        *attentions(),
        Work("p4 convolution, 16 regular fields", rotations, "escnn", goal=0.95, stretch=1.15),
    ]
