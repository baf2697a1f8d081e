"""Small functions of known symmetry, written without equinet's layers, and the table of what they keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups import Isometry, Lattice, SpaceGroup
from equinet.groups.domain import Domain, bounded, box, periodic, torus

Function = Callable[[Any], Any]
Action = Callable[[Isometry], Isometry]

WEIGHTS = np.random.default_rng(7).normal(size=(3, 3, 1, 4)).astype(np.float32)


def conv(x: jax.Array, stride: int = 1, padding: str = "circular") -> jax.Array:
    """A 3×3 convolution, one channel to four."""
    if padding == "circular":
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
        padding = "VALID"
    w = jnp.asarray(WEIGHTS, x.dtype)
    return jax.lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(x: jax.Array, window: int = 2, stride: int = 2, pad: int = 0) -> jax.Array:
    """A max pool of each spatial axis, whatever their number."""
    dim = x.ndim - 2
    least = jnp.asarray(-jnp.inf, x.dtype)
    pads = ((0, 0), *((pad, pad),) * dim, (0, 0))
    return jax.lax.reduce_window(
        x, least, jax.lax.max, (1, *(window,) * dim, 1), (1, *(stride,) * dim, 1), pads
    )  # fmt: skip


def polyphase(x: jax.Array) -> jax.Array:
    """The component `x[2i + o]` of largest norm, of a 2-D signal: APS with stride 2."""
    parts = jnp.stack([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=1)
    norms = jnp.sum(parts**2, axis=(2, 3, 4))
    return jnp.take_along_axis(parts, jnp.argmax(norms, axis=1)[:, None, None, None, None], axis=1)[:, 0]


def mean(x: jax.Array) -> jax.Array:
    """Global average pooling of rectified values."""
    return jnp.mean(jax.nn.relu(x), axis=tuple(range(1, x.ndim - 1)))


def same(g: Isometry) -> Isometry:
    """g ↦ g."""
    return g


def halve(g: Isometry) -> Isometry:
    """The action of a stride of 2 centred on even positions: t' = t / 2."""
    return Isometry(g.matrix, tuple(t // 2 for t in g.shift))


def halve_windows(g: Isometry) -> Isometry:
    """The action of 2×2 windows: t' = (t + A c − c) / 2 with c = ½."""
    turned = [sum(row) - 1 for row in g.matrix]
    return Isometry(g.matrix, tuple((2 * t + a) // 4 for t, a in zip(g.shift, turned, strict=True)))


@dataclass(frozen=True)
class Plain:
    """A function as a layer without variables."""

    fn: Function

    def apply(self, variables: Any, x: Any) -> Any:
        return self.fn(x)


@dataclass(frozen=True)
class Bound:
    """A layer with its variables."""

    layer: Any
    variables: Any = ()

    def __call__(self, x: Any) -> Any:
        return self.layer.apply(self.variables, x)


@dataclass(frozen=True)
class Case:
    """A function, the group it keeps on a domain, and how that acts on its output (None: on no spatial axes)."""

    name: str
    fn: Function
    domain: Domain
    group: SpaceGroup
    action: Action | None = same

    @property
    def once(self) -> Bound:
        """The function in a form that is compiled once for all measurements."""
        return Bound(Plain(self.fn))

    def __str__(self) -> str:
        return self.name


def shifts(domain: Domain, *steps: int) -> SpaceGroup:
    """The translations by multiples of `steps`."""
    return SpaceGroup.of_translations(Lattice.diagonal(steps), domain.periods)


def with_point_group(domain: Domain, steps: tuple[int, ...], *generators: Isometry) -> SpaceGroup:
    """Translations by multiples of `steps`, and more."""
    return SpaceGroup.generate(domain.dim, [*shifts(domain, *steps).generators, *generators], domain.periods)


T8, T6, T9, L12, B9, B8 = torus(8, 8), torus(6, 6), torus(9, 9), torus(12), box(9, 9), box(8, 8)
CYLINDER = Domain((periodic(6), bounded(5)))
CUBE = torus(4, 4, 4)
TRANSPOSE = Isometry(((0, 1), (1, 0)), (0, 0))
QUARTER = Isometry(((0, -1), (1, 0)), (0, 0))
MIRROR_Y = Isometry(((1, 0), (0, -1)), (0, 0))
CHECKERS = np.where(np.indices((8, 8)).sum(axis=0) % 2, -1.0, 1.0).astype(np.float32)[None, :, :, None]

CASES = (
    Case("circular conv", conv, T6, shifts(T6, 1, 1)),
    Case("circular conv, pooled", lambda x: max_pool(conv(x)), T8, shifts(T8, 2, 2), halve),
    Case("strided conv", lambda x: conv(x, 2), T8, shifts(T8, 2, 2), halve),
    Case("strided conv of odd size", lambda x: conv(x, 2), T9, shifts(T9, 9, 9), halve),
    Case("zero padding", lambda x: conv(x, padding="SAME"), T6, shifts(T6, 6, 6)),
    Case("roll", lambda x: jnp.roll(x, 1, axis=1) * x**2, T6, with_point_group(T6, (1, 1), MIRROR_Y)),
    Case("pointwise", jnp.tanh, T6, T6.group),
    Case("pool of windows", max_pool, T8,
         with_point_group(T8, (2, 2), TRANSPOSE, Isometry(((-1, 0), (0, 1)), (1, 0))), halve_windows),
    Case("mean", mean, T6, T6.group, None),
    Case("mean of strided conv", lambda x: mean(conv(x, 2)), T8, shifts(T8, 2, 2), None),
    Case("mean of strided conv, odd size", lambda x: mean(conv(x, 2)), T9, shifts(T9, 9, 9), None),
    Case("polyphase", lambda x: polyphase(conv(x)), T8, shifts(T8, 2, 2), halve),
    Case("mean of polyphase", lambda x: mean(polyphase(conv(x))), T8, shifts(T8, 1, 1), None),
    Case("checkerboard", lambda x: jnp.sum(jax.nn.relu(x) * CHECKERS.astype(x.dtype), axis=(1, 2)), T8,
         SpaceGroup.generate(2, [Isometry.translation((1, 1)), QUARTER, TRANSPOSE], T8.periods), None),
    Case("flatten", lambda x: x.reshape(x.shape[0], -1), T6, shifts(T6, 6, 6), None),
    Case("1-D slices", lambda x: jnp.tanh(x * jnp.roll(x, 1, 1) ** 2)[:, ::3], L12, shifts(L12, 3),
         lambda g: Isometry(g.matrix, (g.shift[0] // 3,))),
    Case("padded pool, odd box", lambda x: max_pool(x, 3, 2, 1), B9, B9.group,
         lambda g: Isometry(g.matrix, tuple(t // 2 for t in g.shift))),
    Case("padded pool, even box", lambda x: max_pool(x, 3, 2, 1), B8, SpaceGroup.generate(2, [TRANSPOSE]),
         lambda g: Isometry(g.matrix, tuple(3 * t // 7 for t in g.shift))),
    Case("running sum of a cylinder", lambda x: jnp.cumsum(x, axis=2), CYLINDER,
         with_point_group(CYLINDER, (1, 0), Isometry(((-1, 0), (0, 1)), (0, 0)))),
    Case("3-D", lambda x: jnp.mean(x[:, ::2] ** 2 * jnp.roll(x[:, ::2], 1, 3), axis=(1, 2, 3)), CUBE,
         with_point_group(CUBE, (2, 1, 1), Isometry(((-1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 0, 0)),
                          Isometry(((1, 0, 0), (0, -1, 0), (0, 0, 1)), (0, 0, 0))), None),
)  # fmt: skip


def case(name: str) -> Case:
    """A case by its name."""
    return next(c for c in CASES if c.name == name)
