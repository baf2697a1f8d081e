"""Claims that inference once made and an input refutes, and programs that it failed on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy.special import betainc

import equinet as eq
from tests.infer.aimed.common import Function

P1, T8, T44, B8 = eq.plane(1), eq.torus(8), eq.torus(4, 4), eq.box(8)
SHIFT, TWO = eq.Isometry.translation((1,)), eq.Isometry.translation((2,))
FLIP, EXCHANGE = eq.Isometry(((-1,),), (7,)), eq.Isometry(((0, 1), (1, 0)), (0, 0))


def convolved(x, kernel):
    """A circular convolution with a kernel of one channel."""
    kernel = jnp.asarray(kernel)
    dim = kernel.ndim
    wide = jnp.pad(x, [(0, 0), *((0, n - 1) for n in kernel.shape), (0, 0)], mode="wrap")
    numbers = ("NWC", "WIO", "NWC") if dim == 1 else ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(wide, kernel[..., None, None], (1,) * dim, "VALID", dimension_numbers=numbers)


def drifting(x):
    """Moved by a hundred nodes, one at a time."""
    return lax.fori_loop(0, 100, lambda _, c: jnp.pad(c[:, 1:], ((0, 0), (0, 1), (0, 0))), x)


def windows(x, taps, padding, turns=12):
    """Windows one after the other, each with a nonlinearity."""
    kernel = jnp.asarray(taps, x.dtype)[:, None, None]
    for _ in range(turns):
        x = lax.conv_general_dilated(x, kernel, (1,), [padding], dimension_numbers=("NWC", "WIO", "NWC"))
        x = jnp.tanh(x)
    return x


def padded(x, *, between=0):
    return lax.pad(x[:, : x.shape[1] // 2], 0.0, ((0, 0, 0), (1, x.shape[1], between), (0, 0, 0)))


COMPLEX = np.asarray([[1, 2j], [5j, 3]], np.complex64)
LEAST = np.finfo(np.float32).min
CASES: dict[str, tuple[Function, eq.Domain, eq.Isometry, dict]] = {
    "whole weights, 2 and 1": (lambda x: convolved(x, np.asarray([2, 1], np.int32)), T8, FLIP, {"dtype": np.int32}),
    "complex weights": (lambda x: convolved(x, COMPLEX), T44, EXCHANGE, {"dtype": np.complex64}),
    "−∞ and the least number": (
        lambda x: jnp.concatenate([jnp.full((2, 2, 1), -np.inf), x, jnp.full((2, 2, 1), LEAST)], 1),
        B8,
        FLIP,
        {},
    ),
    "every other node and every node, added": (lambda x: x[:, ::2] + x[:, 8:24], P1, TWO, {"size": 32}),
    "every other node and every node, the larger": (
        lambda x: jnp.maximum(x[:, ::2], x[:, 8:24]),
        P1,
        TWO,
        {"size": 32},
    ),
    "every other node and every node, interleaved": (
        lambda x: jnp.stack([x[:, ::2], x[:, 8:24]], 2).reshape(2, 32, 1),
        P1,
        TWO,
        {"size": 32},
    ),
    "the middle and a part, added": (lambda x: ((x[:, 8:56] + x[:, :48]) ** 2).sum(1), P1, SHIFT, {"size": 64}),
    "the middle and a part, the larger": (
        lambda x: jnp.exp(jnp.maximum(x[:, 8:56], x[:, :48])).sum(1),
        P1,
        SHIFT,
        {"size": 64},
    ),
    "the middle and a part, interleaved": (
        lambda x: jnp.exp(jnp.stack([x[:, 8:56], x[:, :48]], 2)).reshape(2, 96, 1).sum(1),
        P1,
        SHIFT,
        {"size": 64},
    ),
    "a long drift": (lambda x: (drifting(x) ** 2).sum(1), P1, SHIFT, {"size": 256}),
    "a drift by windows of which one tap counts": (
        lambda x: windows(x, [0, 1], (0, 0), 100).sum(1),
        P1,
        SHIFT,
        {"size": 256},
    ),
    "one tap of a window as large as the input": (
        lambda x: windows(x, [0] * 20 + [1] + [0] * 11, (0, 0), 1).sum(1),
        P1,
        SHIFT,
        {"size": 32},
    ),
    "a window as large as the input": (lambda x: windows(x, range(1, 33), (0, 0), 1).max(1), P1, SHIFT, {"size": 32}),
    "windows without padding, and the middle of what they leave": (
        lambda x: windows(x, [1, 2, 4], (0, 0))[:, 20],
        P1,
        SHIFT,
        {"size": 64},
    ),
    "a half, padded": (padded, P1, SHIFT, {"size": 32}),
    "a half, padded between its nodes": (lambda x: padded(x, between=1), P1, SHIFT, {"size": 32}),
    "a half among zeros": (
        lambda x: jnp.zeros_like(x).at[:, jnp.arange(16)].set(x[:, jnp.arange(16)]),
        P1,
        SHIFT,
        {"size": 32},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refuted_claim_is_not_made(name):
    fn, domain, isometry, options = CASES[name]
    assert isometry not in eq.infer(fn, domain, channels=1, **options).strict


def test_symmetric_whole_weights_keep_reflections():
    assert (
        FLIP in eq.infer(lambda x: convolved(x, np.asarray([2, 1, 2], np.int32)), T8, channels=1, dtype=np.int32).strict
    )


def test_a_crop_that_is_padded_again_moves_with_the_plane():
    fn = lambda x: jnp.pad(x[:, 4:-4], ((0, 0), (4, 4), (0, 0))).sum(1)  # noqa: E731
    assert eq.infer(fn, P1, channels=1, size=32).invariance == P1.group


def test_a_blur_by_slices_moves_with_the_plane():
    def blur(x):
        return x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]

    assert eq.infer(lambda x: jnp.tanh(blur(blur(x))).sum(1), P1, channels=1, size=32).invariance == P1.group


@pytest.mark.parametrize("padding", [(0, 0), (2, 0), (0, 2), (1, 1)], ids=str)
def test_windows_reach_as_far_on_any_input(padding):
    """What twelve of them cut off or move, near a half of this input, is not lost from the plane."""
    certificate = eq.infer(lambda x: windows(x, [1, 2, 4], padding), P1, channels=1, size=64)
    assert certificate.strict.translations == P1.group.translations
    pooled = eq.infer(
        lambda x: windows(windows(x, [1, 2, 4], padding), [1, 3], padding, 3).max(1), P1, channels=1, size=64
    )
    assert pooled.invariance.translations == P1.group.translations


def test_the_least_number_is_not_seen_by_maxima():
    def pooled(x):
        wide = jnp.concatenate([jnp.full((2, 1, 1), LEAST), x, jnp.full((2, 1, 1), LEAST)], 1)
        return jnp.maximum(jnp.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:]).max(1)

    assert eq.infer(pooled, T8, channels=1).invariance == T8.group


@pytest.mark.parametrize("domain", [eq.box(2, 2, 2), eq.torus(4, 4, 4)], ids=str)
def test_attention_over_all_nodes_in_space(domain):
    """The grid of pairs of nodes has six axes."""

    def attention(x):
        scores = jnp.einsum("bijkc,blmnc->bijklmn", x, x)
        weights = jax.nn.softmax(scores.reshape(*x.shape[:4], -1), -1).reshape(scores.shape)
        return jnp.einsum("bijklmn,blmnc->bijkc", weights, x)

    assert eq.infer(attention, domain, channels=2).strict == domain.group


def test_a_loop_of_no_turns():
    scanned = lambda x: lax.scan(lambda c, r: (c + r, c.sum()), x, jnp.zeros(0))[0]  # noqa: E731
    assert eq.infer(scanned, T8, channels=1).strict == T8.group


def test_a_function_of_three_numbers():
    assert eq.infer(lambda x: betainc(1.0, 2.0, jax.nn.sigmoid(x)), T8, channels=1).strict == T8.group
