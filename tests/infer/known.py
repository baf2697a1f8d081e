"""Functions written by hand in plain JAX, with the groups that they keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq

Function = Callable[[Any], Any]
Action = Callable[[eq.Isometry], eq.Isometry]

T6, T8, T9, B5, B6 = eq.torus(6), eq.torus(8), eq.torus(9), eq.box(5), eq.box(6)
T44, T88, B44 = eq.torus(4, 4), eq.torus(8, 8), eq.box(4, 4)


@dataclass(frozen=True)
class Known:
    """A function of `[batch, *spatial, 2 channels]`, its domain, generators of the group it keeps and their images.

    An image of None: the output stays as it is.
    """

    name: str
    fn: Function
    domain: eq.Domain
    images: tuple[tuple[eq.Isometry, eq.Isometry | None], ...]

    @property
    def group(self) -> eq.SpaceGroup:
        """The group kept."""
        return eq.SpaceGroup.generate(self.domain.dim, [g for g, _ in self.images], self.domain.periods)

    def __str__(self) -> str:
        return self.name


def t(*shift: int) -> eq.Isometry:
    """A translation."""
    return eq.Isometry.translation(shift)


def m(shift: int) -> eq.Isometry:
    """The reflection `p ↦ shift − p` of a line."""
    return eq.Isometry(((-1,),), (shift,))


def mx(shift: int) -> eq.Isometry:
    """The reflection of the first of two axes."""
    return eq.Isometry(((-1, 0), (0, 1)), (shift, 0))


def my(shift: int) -> eq.Isometry:
    """The reflection of the second of two axes."""
    return eq.Isometry(((1, 0), (0, -1)), (0, shift))


SWAP = eq.Isometry(((0, 1), (1, 0)), (0, 0))
SHIFTED = np.asarray([1, 2, 3, 0], np.int32)
ROWS = SHIFTED[None, None, :, None]
ALL_OF_T6 = ((t(1), t(1)), (m(0), m(0)))
ALL_OF_T44 = ((t(1, 0), t(1, 0)), (mx(0), mx(0)), (SWAP, SWAP))


def invariant(*elements: eq.Isometry) -> tuple[tuple[eq.Isometry, None], ...]:
    """Each leaves the output as it is."""
    return tuple((g, None) for g in elements)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """Random numbers."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def conv(x: Any, stride: int = 1, kernel: int = 3, outputs: int = 2, circular: bool = True, seed: int = 0) -> Any:
    """A convolution in plain JAX, padded around by (k − 1) // 2 on the left."""
    dim = x.ndim - 2
    w = jnp.asarray(drawn(*(kernel,) * dim, x.shape[-1], outputs, seed=seed) / kernel, x.dtype)
    pads = ((kernel - 1) // 2, kernel // 2)
    spatial = "HWD"[:dim]
    numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    if circular:
        x = jnp.pad(x, ((0, 0), *(pads,) * dim, (0, 0)), mode="wrap")
    padding = [(0, 0)] * dim if circular else [pads] * dim
    return lax.conv_general_dilated(x, w, (stride,) * dim, padding, dimension_numbers=numbers)


def max_pool(x: Any, window: int = 2, stride: int = 2, pad: int = 0) -> Any:
    """A max pool in plain JAX."""
    dim = x.ndim - 2
    sizes, strides = (1, *(window,) * dim, 1), (1, *(stride,) * dim, 1)
    pads = ((0, 0), *((pad, pad),) * dim, (0, 0))
    return lax.reduce_window(x, np.asarray(-np.inf, x.dtype)[()], lax.max, sizes, strides, pads)


def plus(table: np.ndarray) -> Function:
    """`x ↦ x + table` along the first spatial axis."""

    def fn(x: Any) -> Any:
        shape = (1, -1, *(1,) * (x.ndim - 2))
        return x + jnp.broadcast_to(jnp.asarray(table, x.dtype).reshape(shape), x.shape)

    return fn


def space_to_depth(x: Any) -> Any:
    """Pairs of nodes of a line as channels."""
    return x.reshape(x.shape[0], x.shape[1] // 2, 2 * x.shape[2])


def depth_to_space(x: Any) -> Any:
    """The way back."""
    return x.reshape(x.shape[0], x.shape[1] * 2, x.shape[2] // 2)


def among_zeros(x: Any, size: int, where: slice) -> Any:
    """Zeros along a line, some of them set to what comes in."""
    return jnp.zeros((x.shape[0], size, x.shape[2]), x.dtype).at[:, where].set(x)


def added(x: Any, places: Sequence[int]) -> Any:
    """The nodes of a line at other places."""
    return jnp.zeros_like(x).at[:, jnp.asarray(places)].add(x)


def attention(x: Any) -> Any:
    """Softmax attention of all nodes to all."""
    row = x.reshape(x.shape[0], -1, x.shape[-1])
    q, k, v = (row @ jnp.asarray(drawn(x.shape[-1], 3, seed=s), x.dtype) for s in (1, 2, 3))
    share = jax.nn.softmax(jnp.einsum("bnc,bmc->bnm", q, k) / 2, -1)
    return jnp.einsum("bnm,bmc->bnc", share, v).reshape(*x.shape[:-1], 3)


def laplacian(x: Any) -> Any:
    """The discrete Laplacian of each channel, circular: a sum of two second differences."""
    kernel = jnp.asarray([[0, 1, 0], [1, -4, 1], [0, 1, 0]], x.dtype)[:, :, None, None].repeat(x.shape[-1], 3)
    wide = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        wide, kernel, (1, 1), "VALID", dimension_numbers=numbers, feature_group_count=x.shape[-1]
    )


def isotropic(x: Any) -> Any:
    """A cellular automaton's step: what a node and its Laplacian say."""
    seen = jnp.concatenate([x, laplacian(x)], -1)
    return x + jnp.tanh(seen @ jnp.asarray(drawn(4, 2), x.dtype))


PRIMITIVES = (
    Known("an isotropic filter beside its input", isotropic, T44, ALL_OF_T44),
    Known("a function of each entry", lambda x: jnp.tanh(x) * 2, T6, ALL_OF_T6),
    Known("set among zeros", lambda x: among_zeros(x, 12, slice(0, None, 2)), T6, ((t(1), t(2)), (m(0), m(0)))),
    Known("padded by setting", lambda x: among_zeros(x, 8, slice(1, -1)), T6, ((m(5), m(7)),)),
    Known("permuted by adding", lambda x: added(x, [1, 2, 3, 4, 5, 0]), T6, ((t(1), t(1)), (m(0), m(2)))),
    Known("added in disorder", lambda x: added(x, [1, 0, 2, 5, 3, 4]), T6, ((m(5), t(3)),)),
    Known("every other node", lambda x: x[:, ::2], T6, ((t(2), t(1)), (m(0), m(0)))),
    Known("every other node, from the second", lambda x: x[:, 1::2], T6, ((t(2), t(1)), (m(0), m(2)))),
    Known("every third node backwards", lambda x: x[:, ::-3], T6, ((t(3), t(1)), (m(4), m(0)))),
    Known("reversed", lambda x: x[:, ::-1], T6, ((t(1), t(5)), (m(0), m(4)))),
    Known("reversed on a box", lambda x: jnp.flip(x, 1), B5, ((m(4), m(4)),)),
    Known("a value plus its mirror image", lambda x: jnp.tanh(x) + x[:, ::-1] ** 2, T6, ((t(3), t(3)), (m(5), m(5)))),
    Known("rolled", lambda x: jnp.roll(x, 2, 1), T6, ((t(1), t(1)), (m(0), m(4)))),
    Known("a value plus its neighbour", lambda x: jnp.tanh(x) + jnp.roll(x, 1, 1), T6, ((t(1), t(1)),)),
    Known("both neighbours", lambda x: jnp.sin(jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1)), T6, ALL_OF_T6),
    Known("halves exchanged", lambda x: jnp.concatenate([x[:, 3:], x[:, :3]], 1), T6, ALL_OF_T6),
    Known("a circular convolution", conv, T6, ((t(1), t(1)),)),
    Known("a circular convolution, stride 2", lambda x: conv(x, 2), T6, ((t(2), t(1)),)),
    Known("a convolution, stride 2, odd size", lambda x: conv(x, 2), T9, ()),
    Known("a convolution, padded by zeros", lambda x: conv(x, circular=False), T6, ()),
    Known("a convolution of windows of one node", lambda x: conv(x, kernel=1), T6, ALL_OF_T6),
    Known("a max pool", max_pool, T6, ((t(2), t(1)), (m(1), m(0)))),
    Known("a max pool on a box", max_pool, B6, ((m(5), m(2)),)),
    Known("a padded max pool on a box of odd size", lambda x: max_pool(x, 3, 2, 1), B5, ((m(4), m(2)),)),
    Known("a padded max pool on a box of even size", lambda x: max_pool(x, 3, 2, 1), B6, ()),
    Known("running sums", lambda x: jnp.cumsum(x, 1), T6, ()),
    Known("running sums over channels", lambda x: jnp.cumsum(x, 2), T6, ALL_OF_T6),
    Known("the mean", lambda x: jnp.mean(jnp.tanh(x), 1), T6, invariant(t(1), m(0))),
    Known("the sorted values", lambda x: jnp.sort(x, 1).reshape(x.shape[0], -1), T6, invariant(t(1), m(0))),
    Known("sorted channels", lambda x: jnp.sort(x, 2), T6, ALL_OF_T6),
    Known("the largest channel", lambda x: jnp.argmax(x, 2, keepdims=True).astype(x.dtype), T6, ALL_OF_T6),
    Known("the place of the maximum", lambda x: jnp.argmax(x, 1).astype(x.dtype), T6, ()),
    Known("flattened", lambda x: x.reshape(x.shape[0], -1), T6, ()),
    Known("plus a uniform constant", plus(np.full(6, 0.3)), T6, ALL_OF_T6),
    Known("plus a constant of period 2", plus(np.tile([1.0, 2.0], 3)), T6, ((t(2), t(2)), (m(0), m(0)))),
    Known("plus a constant of period 3", plus(np.tile([1.0, 2.0, 5.0], 2)), T6, ((t(3), t(3)),)),
    Known("plus a mirror-symmetric constant", plus(np.asarray([1.0, 2, 5, 5, 2, 1])), T6, ((m(5), m(5)),)),
    Known("plus one symmetric about a node", plus(np.asarray([1.0, 2, 5, 7, 5, 2])), T6, ((m(0), m(0)),)),
    Known("plus the same on a box", plus(np.asarray([1.0, 2, 5, 5, 2, 1])), B6, ((m(5), m(5)),)),
    Known("plus positions", plus(np.arange(6.0)), T6, ()),
    Known("plus the parity of positions",
          lambda x: x + lax.broadcasted_iota(int, x.shape, 1).astype(x.dtype) % 2, T6, ((t(2), t(2)), (m(0), m(0)))),
    Known("every other node set to 0", lambda x: x.at[:, ::2].set(0.0), T6, ((t(2), t(2)), (m(0), m(0)))),
    Known("the first node set to 0", lambda x: x.at[:, 0].set(0.0), T6, ((m(0), m(0)),)),
    Known("pairs as channels", lambda x: jnp.tanh(space_to_depth(x)), T6, ((t(2), t(1)),)),
    Known("pairs as channels and back", lambda x: depth_to_space(jnp.tanh(space_to_depth(x))), T6, ALL_OF_T6),
    Known("each node twice", lambda x: jnp.repeat(x, 2, 1), T6, ((t(1), t(2)), (m(0), m(1)))),
    Known("zeros between nodes", lambda x: lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (0, 1, 1), (0, 0, 0))), T6,
          ((t(1), t(2)), (m(0), m(0)))),
    Known("twice as fine, nearest", lambda x: jax.image.resize(x, (x.shape[0], 12, 2), "nearest"), T6,
          ((t(1), t(2)), (m(0), m(1)))),
    Known("twice as fine, linear", lambda x: jax.image.resize(x, (x.shape[0], 12, 2), "linear"), T6,
          ((m(5), m(11)),)),
    Known("taken at shifted places", lambda x: jnp.take(x, jnp.asarray([2, 3, 4, 5, 0, 1]), 1), T6,
          ((t(1), t(1)), (m(0), m(2)))),
    Known("taken at permuted places", lambda x: x[:, jnp.asarray([1, 0, 2, 3, 4, 5])], T6, ((m(1), m(1)),)),
    Known("taken from one place thrice", lambda x: x[:, jnp.asarray([3, 3, 3])], T6, invariant(m(0))),
    Known("taken at shifted places of each axis", lambda x: x[:, SHIFTED[:, None], (SHIFTED + 1) % 4], T44,
          ((t(1, 0), t(1, 0)), (t(0, 1), t(0, 1)), (mx(0), mx(-2)), (SWAP, t(-1, -2) * SWAP * t(1, 2)))),
    Known("taken row by row, at places per row", lambda x: jnp.take_along_axis(x, ROWS, 2), T44,
          ((t(1, 0), t(1, 0)), (t(0, 1), t(0, 1)), (mx(0), mx(0)), (my(0), my(-2)),
           (SWAP, t(0, -1) * SWAP * t(0, 1)))),
    Known("sums of one row", lambda x: jnp.tanh(x[:, jnp.asarray(1)]).sum(1), T44, invariant(t(0, 1), mx(2), my(0))),
    Known("a slice at a place that the data choose",
          lambda x: lax.dynamic_slice_in_dim(x, jnp.argmax(jnp.sum(x, 2)[0]), 3, 1), T6, ()),
    Known("a constant place", lambda x: lax.dynamic_slice_in_dim(x, jnp.asarray(0), 6, 1), T6, ALL_OF_T6),
    Known("transposed", lambda x: jnp.swapaxes(x, 1, 2), T44,
          ((t(1, 0), t(0, 1)), (mx(0), SWAP * mx(0) * SWAP), (SWAP, SWAP))),
    Known("plus its transpose", lambda x: jnp.tanh(x) + jnp.swapaxes(x, 1, 2), T44,
          ((t(1, 1), t(1, 1)), (SWAP, SWAP), (mx(0) * SWAP * mx(0) * SWAP, mx(0) * SWAP * mx(0) * SWAP))),
    Known("running sums along one axis", lambda x: jnp.cumsum(x, 1), T44, ((t(0, 1), t(0, 1)),
          (eq.Isometry(((1, 0), (0, -1)), (0, 0)), eq.Isometry(((1, 0), (0, -1)), (0, 0))))),
    Known("attention", attention, T44, ALL_OF_T44),
    Known("attention on a box", attention, B44, ((mx(3), mx(3)), (SWAP, SWAP))),
    Known("blocks' maxima", max_pool, T44, ((t(2, 0), t(1, 0)), (mx(1), mx(0)), (SWAP, SWAP))),
    Known("a circular convolution of the plane", conv, T44, ((t(1, 0), t(1, 0)), (t(0, 1), t(0, 1)))),
)  # fmt: skip
"""One primitive each, or a few: the clear cases."""


def strided_cnn(x: Any) -> Any:
    """Two strided convolutions."""
    return conv(jax.nn.relu(conv(x, 2)), 2, seed=1)


def pooled_cnn(x: Any) -> Any:
    """Convolution, max pool, convolution."""
    return conv(max_pool(jax.nn.relu(conv(x))), seed=1)


def classifier(x: Any) -> Any:
    """A max-pool CNN, its average, and a dense layer."""
    y = jnp.mean(jax.nn.relu(pooled_cnn(x)), tuple(range(1, x.ndim - 1)))
    return y @ jnp.asarray(drawn(2, 3), x.dtype)


def flattened(x: Any) -> Any:
    """A max-pool CNN, flattened, and a dense layer."""
    y = pooled_cnn(x).reshape(x.shape[0], -1)
    return y @ jnp.asarray(drawn(y.shape[1], 3), x.dtype)


def transformer(x: Any) -> Any:
    """A vision transformer without positions: patches of 2, a block, the mean of the tokens."""
    n, c = x.shape[1] // 2, x.shape[-1]
    tokens = x.reshape(x.shape[0], n, 2, n, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], n * n, 4 * c)
    h = jnp.tanh(tokens @ jnp.asarray(drawn(4 * c, 3), x.dtype))
    mean = jnp.mean(h, -1, keepdims=True)
    h = h + attention(h - jnp.broadcast_to(mean, h.shape))
    h = h + jax.nn.gelu(h @ jnp.asarray(drawn(3, 3), x.dtype))
    return jnp.mean(h, 1)


def transformer_with_positions(x: Any) -> Any:
    """The same with an embedding of positions."""
    return transformer(x + jnp.asarray(drawn(1, *x.shape[1:]), x.dtype).repeat(x.shape[0], 0))


def unet(x: Any) -> Any:
    """One level down and up, with a skip connection."""
    h = jax.nn.relu(conv(x))
    low = jax.nn.relu(conv(max_pool(h), seed=1))
    for axis in range(1, x.ndim - 1):
        low = jnp.repeat(low, 2, axis)
    return conv(jnp.concatenate([h, low], -1), seed=2)


def windowed(x: Any) -> Any:
    """Attention within pairs of a line, and then within pairs of the line moved by one, with a table of biases."""

    def within_pairs(x: Any) -> Any:
        pairs = x.reshape(x.shape[0], -1, 2, x.shape[-1])
        q, k, v = (pairs @ jnp.asarray(drawn(2, 2, seed=s), x.dtype) for s in (1, 2, 3))
        bias = jnp.asarray(drawn(1, 1, 2, 2), x.dtype)
        share = jax.nn.softmax(jnp.einsum("bwic,bwjc->bwij", q, k) + bias, -1)
        return jnp.einsum("bwij,bwjc->bwic", share, v).reshape(x.shape)

    x = x + within_pairs(x)
    return x + jnp.roll(within_pairs(jnp.roll(x, -1, 1)), 1, 1)


EVEN_SHIFTS = ((t(2, 0), t(1, 0)), (t(0, 2), t(0, 1)))
NETWORKS = (
    Known("a strided CNN", strided_cnn, T88, ((t(4, 0), t(1, 0)), (t(0, 4), t(0, 1)))),
    Known("a max-pool CNN", pooled_cnn, T88, EVEN_SHIFTS),
    Known("a max-pool CNN of odd size", pooled_cnn, eq.torus(9, 9), ()),
    Known("its classifier", classifier, T88, invariant(t(2, 0), t(0, 2))),
    Known("flattened", flattened, T88, ()),
    Known("a transformer without positions", transformer, T88, invariant(t(2, 0), t(0, 2))),
    Known("a transformer with positions", transformer_with_positions, T88, ()),
    Known("a U-Net", unet, T88, ((t(2, 0), t(2, 0)), (t(0, 2), t(0, 2)))),
    Known("a U-Net of a line", unet, T8, ((t(2), t(2)),)),
    Known("attention within windows that move", windowed, T8, ((t(2), t(2)),)),
    Known("a strided CNN of a line", strided_cnn, T8, ((t(4), t(1)),)),
)
"""Whole networks."""
