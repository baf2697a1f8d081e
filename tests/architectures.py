"""Random architectures from every public layer, small enough for brute force."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

import equinet as eq
from equinet.interop import from_fn

Random = np.random.Generator
MODES = ("circular", "zero", "zero_lower", "valid", "reflect", "edge")


def _square(x):
    return x * x


def _cosine(x):
    return jnp.cos(x)


def _ints(rng: Random, dim: int, low: int, high: int):
    """One integer, or one per axis."""
    if rng.random() < 0.7:
        return int(rng.integers(low, high + 1))
    return tuple(int(v) for v in rng.integers(low, high + 1, dim))


def _padding(rng: Random, dim: int, kernel=1):
    """A mode, or explicit pairs narrower than the kernel."""
    choice = rng.integers(10)
    if choice < 4:
        return "circular"
    if choice < 9:
        return str(rng.choice(MODES))
    widest = kernel if isinstance(kernel, int) else min(kernel)
    return tuple((int(a), int(b)) for a, b in rng.integers(0, widest, (dim, 2)))


def _stride(rng: Random, dim: int):
    return 1 if rng.random() < 0.55 else _ints(rng, dim, 1, 3)


def _conv(rng: Random, shape):
    channels = shape[-1]
    groups = channels if rng.random() < 0.2 else 1
    features = channels * int(rng.integers(1, 3)) if groups > 1 else int(rng.integers(2, 4))
    dim = len(shape) - 1
    kernel = _ints(rng, dim, 1, 4)
    return eq.Conv(
        features,
        kernel,
        stride=_stride(rng, dim),
        dilation=1 if rng.random() < 0.8 else 2,
        padding=_padding(rng, dim, kernel),
        groups=groups,
        bias=bool(rng.random() < 0.7),
    )


def _conv_transpose(rng: Random, shape):
    dim = len(shape) - 1
    padding = str(rng.choice(["circular", "zero", "valid"]))
    return eq.ConvTranspose(2, _ints(rng, dim, 1, 3), stride=_ints(rng, dim, 1, 2), padding=padding)


def _max_pool(rng: Random, shape):
    dim = len(shape) - 1
    window = _ints(rng, dim, 1, 3)
    stride = None if rng.random() < 0.5 else _stride(rng, dim)
    return eq.MaxPool(window, stride=stride, padding=_padding(rng, dim, window))


def _avg_pool(rng: Random, shape):
    dim = len(shape) - 1
    stride = None if rng.random() < 0.5 else _stride(rng, dim)
    window = _ints(rng, dim, 1, 3)
    return eq.AvgPool(window, stride=stride, padding=_padding(rng, dim, window), count_padding=bool(rng.random() < 0.5))


def _blur_padding(rng: Random):
    return "circular" if rng.random() < 0.6 else str(rng.choice(MODES))


def _resample(rng: Random, shape):
    dim = len(shape) - 1
    choice = rng.integers(7)
    if choice == 0:
        return eq.Upsample(_ints(rng, dim, 1, 2))
    if choice == 1:
        return eq.Upsample(_ints(rng, dim, 1, 2), method="linear", padding=str(rng.choice(["edge", "circular"])))
    if choice == 2:
        return eq.PixelUnshuffle(2)
    if choice == 3:
        return eq.Sequential(eq.PixelUnshuffle(2), eq.Relu(), eq.PixelShuffle(2))
    if choice == 4:
        mixed = (eq.Conv(2, 3, padding="circular"), eq.Relu()) if rng.random() < 0.7 else ()
        return eq.Sequential(eq.Conv(2 * 2**dim, 1), eq.PixelShuffle(2), *mixed)
    if choice == 5:
        mode = str(rng.choice(["zero", "circular", "edge", "reflect"]))
        return eq.Pad(int(rng.integers(1, 3)), mode=mode, value=float(rng.choice([0.0, 1.0])))
    return eq.Crop(1) if rng.random() < 0.5 else eq.Roll(int(rng.integers(-2, 3)))


def _pointwise(rng: Random, shape):
    del shape
    simple = [eq.Relu, eq.Gelu, eq.Silu, eq.Tanh, eq.Sigmoid, eq.LeakyRelu, eq.Elu, eq.Softplus, eq.Identity]
    extra: list[Callable[[], eq.Layer]] = [
        lambda: eq.Pointwise(_square),
        lambda: eq.Pointwise(_cosine),
        lambda: eq.Dropout(0.5),
    ]
    pool = simple + extra
    return pool[int(rng.integers(len(pool)))]()


def _norm(rng: Random, shape):
    """A normalisation of more than two numbers (of two, only the order would be left), and a nonlinearity or none."""
    options = [eq.BatchNorm()]
    if np.prod(shape[:-1]) > 2:
        options += [eq.LayerNorm(axes="all"), eq.InstanceNorm(), eq.GroupNorm(shape[-1]), eq.GroupNorm(1)]
    if shape[-1] > 2:
        options += [eq.LayerNorm(), eq.LayerNorm()]
    norm = options[int(rng.integers(len(options)))]
    return eq.Sequential(norm, eq.Gelu()) if rng.random() < 0.7 else norm


def _mixing(rng: Random, shape):
    choice = rng.integers(6)
    if choice == 0:
        return eq.SelfAttention(1)
    if choice == 1:
        return eq.WindowedAttention(2, 1)
    if choice == 2:
        return eq.SqueezeExcite(ratio=1)
    if choice == 3:
        return eq.Dense(int(rng.integers(2, 4)))
    if choice == 4:
        return eq.Sequential(eq.PositionalEmbedding(), eq.Gelu()) if rng.random() < 0.3 else eq.Relu()
    return eq.Named("block", _conv(rng, shape))


def _polyphase(rng: Random, shape):
    dim = len(shape) - 1
    stride = 2 if rng.random() < 0.7 else _ints(rng, dim, 1, 3)
    if rng.random() < 0.2:
        return eq.LearnedPolyphasePool(stride)
    norm = [1, 2, float("inf")][int(rng.integers(3))]
    blur = 3 if rng.random() < 0.4 and min(shape[:-1]) > 2 else None
    # The 1-norms of all components of a blurred map of one sign are equal, so that rounding alone would decide.
    return eq.PolyphasePool(stride, norm=norm, blur=blur, blur_first=norm != 1 and bool(rng.random() < 0.5))


def _blur(rng: Random, shape):
    dim = len(shape) - 1
    if rng.random() < 0.6:
        return eq.BlurPool(_ints(rng, dim, 1, 2), size=int(rng.integers(1, 5)), padding=_blur_padding(rng))
    return eq.MaxBlurPool(_ints(rng, dim, 1, 2), window=2, size=3, padding=_blur_padding(rng))


def _branch(rng: Random, shape):
    choice = rng.integers(5)
    if choice == 0:
        inner = eq.Sequential(_conv_keeping(rng, shape), eq.Relu())
        return eq.Residual(inner)
    if choice == 1:
        down = eq.Conv(shape[-1], 3, stride=2, padding=_padding(rng, len(shape) - 1, 3))
        return eq.Residual(eq.Sequential(down, eq.Relu()), shortcut=eq.Sequential(eq.AvgPool(2), eq.Conv(shape[-1], 1)))
    if choice == 2:
        body = eq.Sequential(_conv_keeping(rng, shape), eq.PolyphasePool(2), eq.Relu())
        return eq.Residual(body, shortcut=eq.Sequential(eq.PolyphasePool(2), eq.Conv(shape[-1], 1)))
    join = str(rng.choice(["add", "concat", "mul"]))
    first = _conv_keeping(rng, shape)
    second = _conv_keeping(rng, shape) if rng.random() < 0.5 else eq.MaxPool(3, stride=1, padding="circular")
    return eq.Parallel(first, second, join=join)  # pyright: ignore[reportArgumentType]


def _conv_keeping(rng: Random, shape):
    padding = "circular" if rng.random() < 0.7 else str(rng.choice(["zero", "zero_lower", "reflect", "edge"]))
    return eq.Conv(shape[-1], _ints(rng, len(shape) - 1, 1, 3), padding=padding)


def _hourglass(rng: Random, shape):
    channels = shape[-1]
    inner = eq.Sequential(_conv_keeping(rng, shape), eq.Relu()) if rng.random() < 0.7 else eq.Roll(1)
    pairs = [
        (eq.MaxPool(2), eq.Upsample(2)),
        (eq.PolyphasePool(2), eq.PolyphaseUpsample(2)),
        (eq.PolyphasePool(2), eq.Sequential(eq.PolyphaseUpsample(2), eq.Conv(channels, 3, padding="circular"))),
        (eq.AvgPool(2), eq.ConvTranspose(channels, 2, stride=2, padding="circular")),
    ]
    down, up = pairs[int(rng.integers(len(pairs)))]
    skip = [None, "add", "concat"][int(rng.integers(3))]
    return eq.Hourglass(down, inner, up, skip=skip)  # pyright: ignore[reportArgumentType]


DRAWS = (_conv, _conv, _conv, _conv_transpose, _max_pool, _max_pool, _avg_pool, _blur, _resample, _resample)
DRAWS += (_pointwise, _pointwise, _pointwise, _norm, _mixing, _polyphase, _polyphase, _branch, _hourglass)


def random_domain(rng: Random) -> eq.Domain:
    """A small domain: mostly tori, sometimes boxes and cylinders, of one to three dimensions."""
    dim = int(rng.choice([1, 1, 1, 2, 2, 3]))
    sizes = [int(n) for n in rng.integers(*((3, 13), (3, 7), (2, 5))[dim - 1], dim)]
    if rng.random() < 0.6:
        sizes = [sizes[0]] * dim
    kind = rng.random()
    if kind < 0.6 and np.prod(sizes) <= 36:
        return eq.torus(*sizes)
    if kind < 0.9:
        return eq.box(*sizes)
    return eq.Domain(tuple(eq.periodic(n) if rng.random() < 0.5 else eq.bounded(n) for n in sizes))


def random_network(rng: Random, domain: eq.Domain, channels: int = 2) -> eq.Layer:
    """A random network that runs on the domain: one to five parts, then perhaps a readout."""
    shape = (*(n or 1 for n in domain.sizes), channels)
    layers: list[eq.Layer] = []
    wanted = int(rng.integers(1, 6))
    for _ in range(40):
        if len(layers) == wanted:
            break
        layer = DRAWS[int(rng.integers(len(DRAWS)))](rng, shape)
        try:
            after = layer.output_shape(shape)
        except eq.LayerError:
            continue
        sizes = [int(n or 1) for n in after]
        if min(sizes[:-1]) < min(2, *shape[:-1]):
            continue  # what is left of one node tells little of the windows before it
        if np.prod(sizes[:-1]) <= (40, 80, 100)[domain.dim - 1] and sizes[-1] <= 16 and max(sizes[:-1]) <= 24:
            layers.append(layer)
            shape = tuple(sizes)
    readout = rng.random()
    if readout < 0.2:
        layers += [eq.GlobalAvgPool(), eq.Dense(3)]
    elif readout < 0.35:
        layers += [eq.GlobalMaxPool()]
    elif readout < 0.45:
        layers += [eq.Flatten(), eq.Dense(3)]
    return eq.Sequential(*layers)


def _woven(rng: Random, shape):
    """A value joined with a shift, an image or an average of itself: such joins may look alike all over."""
    half = [n // 2 for n in shape[:-1]]
    image = [
        eq.Roll(tuple(half)),
        eq.Roll(tuple(h if rng.random() < 0.6 else 0 for h in half)),
        eq.Roll(int(rng.integers(1, 4))),
        from_fn(_flipped),
        eq.AvgPool(_ints(rng, len(half), 1, 3), stride=1, padding="circular"),
    ][int(rng.integers(5))]
    if rng.random() < 0.3:
        image = eq.Sequential(eq.AvgPool(3, stride=1, padding="circular"), image)
    join = str(rng.choice(["add", "mul", "concat"]))
    return eq.Residual(image) if rng.random() < 0.4 else eq.Parallel(eq.Identity(), image, join=join)  # pyright: ignore


def _flipped(x):
    return x[:, ::-1]


def adaptive_end(rng: Random, sizes, channels):
    """An hourglass or a pool that chooses phases, on sizes that 2 or 4 divides; and perhaps a readout."""
    stride = 4 if all(n % 4 == 0 for n in sizes) and rng.random() < 0.3 else 2
    blur = 3 if rng.random() < 0.2 else None
    pool = eq.PolyphasePool(stride, norm=2, blur=blur, blur_first=bool(rng.random() < 0.5))
    if rng.random() < 0.15:
        pool = eq.LearnedPolyphasePool(stride, hidden=4)
    if rng.random() < 0.6:
        return [eq.Hourglass(pool, eq.Identity(), eq.PolyphaseUpsample(stride))]
    shortcut = eq.Residual(pool, shortcut=eq.PolyphasePool(stride)) if rng.random() < 0.3 and channels else pool
    return [shortcut, eq.Gelu(), [eq.GlobalAvgPool(), eq.GlobalMaxPool(), eq.Identity()][int(rng.integers(3))]]


def rolled_end(rng: Random, shape):
    """A layer between a roll to a chosen phase and the roll back, or a readout of what is rolled."""
    stride = 4 if all(n % 4 == 0 for n in shape[:-1]) and rng.random() < 0.3 else 2
    roll = eq.PolyphaseRoll(stride, norm=(1, 2, float("inf"))[int(rng.integers(3))])
    body = [
        eq.WindowedAttention(stride, 1, position_bias=bool(rng.random() < 0.3)),
        eq.Sequential(eq.Roll(1), eq.WindowedAttention(stride, 1), eq.Roll(-1)),
        _conv_keeping(rng, shape),
        eq.MaxPool(2, stride=1, padding="circular"),
        eq.Sequential(eq.AvgPool(2), eq.Upsample(2)),
        eq.Sequential(eq.MaxPool(2), eq.Gelu(), eq.Upsample(2)),
        eq.Roll(1),
        eq.PositionalEmbedding(),
    ][int(rng.integers(8))]
    if rng.random() < 0.25:
        return [roll, body, eq.Gelu(), [eq.MaxPool(2), eq.GlobalAvgPool(), eq.GlobalMaxPool()][int(rng.integers(3))]]
    anchored = eq.Hourglass(roll, body, eq.PolyphaseUnroll(stride))
    if rng.random() < 0.4:
        anchored = eq.Residual(anchored)
    ends = ([], [eq.Gelu(), eq.GlobalMaxPool()], [eq.PolyphasePool(2), eq.Gelu(), eq.GlobalAvgPool()])
    return [anchored, *ends[int(rng.integers(3))]]


def adaptive_domain(rng: Random) -> eq.Domain:
    """A torus or a box of one or two axes whose sizes 2 divides, of two nodes and up."""
    dim = 1 if rng.random() < 0.6 else 2
    sizes = [int(n) for n in rng.choice([2, 4, 6, 8] if dim == 1 else [2, 4, 6], dim)]
    sizes = [sizes[0]] * dim if rng.random() < 0.6 else sizes
    return eq.torus(*sizes) if rng.random() < 0.7 else eq.box(*sizes)


def random_adaptive_network(rng: Random, domain: eq.Domain, channels: int = 1, rolled: bool = False) -> eq.Layer:
    """Some layers that may make values equal by construction, and one that chooses between them."""
    draws = (_woven, _woven, _conv_keeping, _norm, _pointwise, _max_pool, _resample)
    shape, layers = (*(n or 1 for n in domain.sizes), channels), []
    wanted = int(rng.integers(1, 4))
    while len(layers) < wanted:
        layer = draws[int(rng.integers(len(draws)))](rng, shape)
        try:
            after = layer.output_shape(shape)
        except eq.LayerError:
            continue
        if len(after) == len(shape) and all(n and n % 2 == 0 for n in after[:-1]) and max(after[:-1]) <= 12:
            layers.append(layer)
            shape = (*after[:-1], int(after[-1]))
    return eq.Sequential(*layers, *(rolled_end(rng, shape) if rolled else adaptive_end(rng, shape[:-1], False)))


def random_rolled_network(rng: Random, domain: eq.Domain, channels: int = 1) -> eq.Layer:
    """The same, where the choice is of a roll."""
    return random_adaptive_network(rng, domain, channels, rolled=True)
