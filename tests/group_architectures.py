"""Random architectures with group layers, small enough for brute force."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import equinet as eq
from equinet.groups.fibre import as_fibre
from equinet.groups.intertwiners import is_mapped_to_itself
from equinet.groups.symbols.point import PointGroup
from equinet.layers.base import Shape, shape_out
from tests import architectures
from tests.fibres import Random, is_generic, random_fibre, random_group, random_subgroup

MODES = ("circular", "circular", "circular", "zero", "zero_lower", "valid", "reflect", "edge")
SMALL = 1e-2
"""Added where a layer divides by a norm, so that the rounding of values that are always zero stays small."""


def _group(rng: Random, shape: Shape) -> PointGroup:
    """The group of the channels, sometimes a subgroup; any group where nothing moves them."""
    fibre = shape[-1]
    if fibre.is_plain:
        return random_group(rng, len(shape) - 1)
    return random_subgroup(rng, fibre.group) if rng.random() < 0.15 else fibre.group


def _kernel(rng: Random, group: PointGroup, most: int):
    taps = tuple(int(k) for k in rng.integers(1, most + 1, len(group[0])))
    return taps if rng.random() < 0.3 and all(is_mapped_to_itself(taps, a) for a in group) else taps[0]


def group_conv(rng: Random, shape: Shape, out: eq.Fibre | None = None, keep: bool = False):
    """A group convolution with generic kernels, of the same size if `keep`; None if none was found."""
    group = out.group if out is not None else _group(rng, shape)
    for _ in range(8):
        target = random_fibre(rng, group, most=8) if out is None else out
        kernel = _kernel(rng, group, 3)
        taps = (kernel,) * len(group[0]) if isinstance(kernel, int) else kernel
        if not is_generic(taps, shape[-1].restrict(group), target):
            continue
        bias = bool(rng.random() < 0.7)
        if not keep and rng.random() < 0.15:
            padding = str(rng.choice(["circular", "zero", "valid"]))
            return eq.GroupConvTranspose(
                target, kernel, stride=int(rng.integers(1, 3)), dilation=1, padding=padding, bias=bias
            )
        stride = 1 if keep or rng.random() < 0.55 else int(rng.integers(1, 4))
        dilation = 1 if keep or rng.random() < 0.85 else 2
        padding = "circular" if keep else str(rng.choice(MODES))
        return eq.GroupConv(target, kernel, stride=stride, dilation=dilation, padding=padding, bias=bias)
    return None


def _has_signs(shape: Shape) -> bool:
    return not shape[-1].is_permutation


def _nonlinearity(rng: Random, shape: Shape) -> eq.Layer:
    if _has_signs(shape) or rng.random() < 0.15:
        return eq.NormRelu(epsilon=SMALL) if rng.random() < 0.7 else eq.Tanh()
    return (eq.Relu, eq.Relu, eq.Gelu, eq.Silu)[int(rng.integers(4))]()


def _block(rng: Random, shape: Shape) -> eq.Layer | None:
    layer = group_conv(rng, shape)
    return layer and eq.Sequential(layer, _nonlinearity(rng, (*shape[:-1], layer.out)))


def _norm(rng: Random, shape: Shape) -> eq.Layer:
    made = [eq.BatchNorm()]
    if np.prod(shape[:-1]) > 2:
        made += [eq.InstanceNorm(epsilon=SMALL), eq.LayerNorm(axes="all", epsilon=SMALL)]
    if shape[-1].size > 2:
        made += [eq.LayerNorm(epsilon=SMALL)]
    return eq.Sequential(made[int(rng.integers(len(made)))], _nonlinearity(rng, shape))


def _pool(rng: Random, shape: Shape) -> eq.Layer:
    window, stride, padding = int(rng.integers(1, 4)), int(rng.integers(1, 4)), str(rng.choice(MODES))
    choice = rng.integers(4)
    if choice == 0:
        return eq.BlurPool(min(stride, 2), size=int(rng.integers(1, 4)))
    if choice == 1 and not _has_signs(shape):
        return eq.MaxPool(window, stride=stride, padding=padding)
    if choice == 2 and not _has_signs(shape):
        return eq.MaxBlurPool(min(stride, 2), window=2, size=3)
    return eq.AvgPool(window, stride=stride, padding=padding)


def _channels(rng: Random, shape: Shape) -> eq.Layer | None:
    """A layer that works on channels alone."""
    fibre = shape[-1]
    if fibre.is_plain:
        return eq.SqueezeExcite(ratio=1)
    choice = rng.integers(6)
    if choice == 0:
        return eq.GroupPool(kind="norm" if _has_signs(shape) else str(rng.choice(["max", "mean", "norm"])))
    if choice == 1:
        return eq.Restrict(random_subgroup(rng, fibre.group))
    if choice == 2:
        return eq.Dropout(0.3)
    if choice == 3:
        return eq.SqueezeExcite(ratio=1)
    if choice == 4:
        fields = random_fibre(rng, fibre.group, most=6)
        out = fields + sum(count for count, _ in fields.terms) * eq.Fibre.trivial(fibre.group)
        layer = group_conv(rng, shape, out)
        return layer and eq.Sequential(layer, eq.Gated())
    regular = eq.Fibre.regular(fibre.group)
    layer = group_conv(rng, shape, regular)
    pool = eq.CosetPool(random_subgroup(rng, fibre.group), kind=str(rng.choice(["max", "mean"])))
    return layer and eq.Sequential(layer, pool)


def _polyphase(rng: Random, shape: Shape) -> eq.Layer | None:
    if min(shape[:-1]) < 4:
        return None  # kernels under a group may make all values on so few nodes equal, from which no rule can choose
    if rng.random() < 0.25:
        return eq.LearnedPolyphasePool(2, hidden=4)
    return eq.PolyphasePool(2, norm=(1, 2, float("inf"))[int(rng.integers(3))])


def _hourglass(rng: Random, shape: Shape) -> eq.Layer | None:
    fibre = shape[-1]
    inner = eq.Conv(fibre.size, 1) if fibre.is_plain else group_conv(rng, shape, fibre, keep=True)
    pairs = [(eq.PolyphasePool(2), eq.PolyphaseUpsample(2)), (eq.AvgPool(2), eq.Upsample(2))]
    down, up = pairs[int(rng.random() < 0.3 or min(shape[:-1]) < 4)]
    skip = (None, "add", "concat")[int(rng.integers(3))]
    return inner and eq.Hourglass(down, eq.Sequential(inner, _nonlinearity(rng, shape)), up, skip=skip)


def _branch(rng: Random, shape: Shape) -> eq.Layer | None:
    fibre = None if shape[-1].is_plain else shape[-1]
    body = group_conv(rng, shape, fibre, keep=True)
    if body is None:
        return None
    body = eq.Sequential(body, _nonlinearity(rng, (*shape[:-1], body.out)))
    if fibre is None:
        return eq.Parallel(body, eq.Conv(2, 1), join="concat")
    choice = rng.integers(4)
    if choice == 0:
        return eq.Parallel(body, eq.Identity(), join="concat")
    if choice == 1:
        return eq.Parallel(body, eq.AvgPool(3, stride=1, padding="circular"), join="mul")
    if choice == 2:
        return eq.Residual(eq.Sequential(body, eq.PolyphasePool(2)), shortcut=eq.PolyphasePool(2))
    return eq.Residual(body)


def _free(rng: Random, shape: Shape) -> eq.Layer:
    """A layer that knows nothing of fibres."""
    draws = architectures.DRAWS
    return draws[int(rng.integers(len(draws)))](rng, (*shape[:-1], shape[-1].size))


DRAWS: tuple[Callable[[Random, Shape], eq.Layer | None], ...] = (_block, _block, _block, _block, _norm, _pool, _pool)
DRAWS += (_channels, _channels, _polyphase, _hourglass, _branch, _branch, _free)


def random_domain(rng: Random) -> eq.Domain:
    """As for other architectures, mostly in the plane; none on which brute force takes long."""
    while True:
        domain = architectures.random_domain(rng)
        if (domain.group.order or 0) <= 400 and (domain.dim > 1 or rng.random() < 0.4):
            return domain


def random_network(rng: Random, domain: eq.Domain) -> tuple[eq.Layer, int | eq.Fibre]:
    """A random network that runs on the domain, with at least one group layer, and the channels of its input."""
    sizes = tuple(n or 1 for n in domain.sizes)
    while True:
        channels: int | eq.Fibre = int(rng.integers(1, 3))
        if rng.random() < 0.3:
            channels = random_fibre(rng, random_group(rng, domain.dim), most=6)
        shape: Shape = (*sizes, as_fibre(channels))
        first = group_conv(rng, shape)
        if first is None or not _runs(first, shape):
            continue
        layers: list[eq.Layer] = [*([eq.AsFibre(channels)] if isinstance(channels, eq.Fibre) else []), first]
        shape = shape_out(first, shape)
        layers.append(_nonlinearity(rng, shape))
        wanted = len(layers) + int(rng.integers(1, 5))
        for _ in range(40):
            if len(layers) >= wanted:
                break
            layer = DRAWS[int(rng.integers(len(DRAWS)))](rng, shape)
            if layer is None or not _runs(layer, shape):
                continue
            after = shape_out(layer, shape)
            nodes = [n or 1 for n in after[:-1]]
            if min(nodes) < min(2, *shape[:-1]):
                continue
            if np.prod(nodes) <= (40, 80, 100)[domain.dim - 1] and (after[-1].size or 1) <= 16 and max(nodes) <= 24:
                layers.append(layer)
                shape = after
        readout = rng.random()
        if readout < 0.15:
            layers += [eq.GlobalAvgPool(), eq.Dense(3)]
        elif readout < 0.25 and not shape[-1].is_plain:
            layers += [eq.GroupPool(kind="norm"), eq.GlobalAvgPool()]
        elif readout < 0.35 and not _has_signs(shape):
            layers += [eq.GlobalMaxPool()]
        elif readout < 0.4:
            layers += [eq.Flatten(), eq.Dense(3)]
        return eq.Sequential(*layers), channels


def random_adaptive_network(rng: Random, domain: eq.Domain, channels: int = 1) -> eq.Layer:
    """Group convolutions between any fibres, also such that no kernel commutes with both, and a choice after them."""
    shape: Shape = (*(n or 1 for n in domain.sizes), as_fibre(channels))
    group = random_group(rng, domain.dim)
    layers: list[eq.Layer] = []
    while len(layers) < 2 or rng.random() < 0.4:
        padding = str(rng.choice(["circular", "circular", "edge", "reflect"]))
        stride = 2 if rng.random() < 0.2 else 1
        layer = eq.GroupConv(
            random_fibre(rng, group, most=8), int(rng.integers(1, 4)), stride=stride, dilation=1, padding=padding
        )
        if not _runs(layer, shape) or any(n is None or n % 2 for n in shape_out(layer, shape)[:-1]):
            continue
        shape = shape_out(layer, shape)
        layers.append(layer)
        if rng.random() < 0.4:
            layers.append(_nonlinearity(rng, shape))
    ends = [end for end in architectures.adaptive_end(rng, shape[:-1], True) if _runs(end, shape)]
    return eq.Sequential(*layers, *ends)


def _runs(layer: eq.Layer, shape: Shape) -> bool:
    try:
        shape_out(layer, shape)
    except eq.LayerError:
        return False
    return True
