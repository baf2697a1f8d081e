"""What weights of their own lose for good is not sought in formulas; what a formula regains is."""

from __future__ import annotations

from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import equinet as eq

WHOLE = import_module("equinet.infer.whole")


def around(x, w, stride=1):
    """A circular convolution."""
    wide = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
    return convolved(wide, w, "VALID", stride)


def convolved(x, w, padding="SAME", stride=1):
    return lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pooled(x, least=False):
    """The means, or the least, of windows of two by two."""
    window = (1, 2, 2, 1)
    if least:
        return lax.reduce_window(x, jnp.inf, lax.min, window, window, "VALID")
    return lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / 4


def normed(x, axes):
    """With mean 0 and variance 1 along some axes."""
    y = x - x.mean(axes, keepdims=True)
    return y * lax.rsqrt((y**2).mean(axes, keepdims=True) + 1e-5)


def attention(x, w):
    """Among all nodes, which stand one after the other."""
    q, k, v = (x @ w[name] for name in "qkv")
    return jax.nn.softmax(q @ k.swapaxes(1, 2), -1) @ v


def tokens(x, p):
    """Patches of two by two as tokens."""
    return convolved(x, p, "VALID", 2).reshape(x.shape[0], -1, p.shape[-1])


def beside(token, y):
    """A token before all others."""
    return jnp.concatenate([jnp.tile(token, (y.shape[0], 1, 1)), y], 1)


def around_a_token(token, y):
    """The first half of all nodes, a token, and the others: an axis that the rules do not follow."""
    return jnp.concatenate([y[:, :8], jnp.tile(token, (y.shape[0], 1, 1)), y[:, 8:]], 1)


def unit(*shape):
    return np.zeros(shape, np.float32)


def conv(inputs, outputs):
    return unit(3, 3, inputs, outputs)


def spectral(p, x):
    """A factor for each frequency, beside a dense layer."""
    waves = jnp.fft.rfft2(x, axes=(1, 2))
    y = jnp.fft.irfft2(waves * lax.complex(p["re"], p["im"]), s=x.shape[1:3], axes=(1, 2))
    return jnp.tanh(y + x @ p["local"])


def residual(p, x):
    """Two blocks, the last of which has differences of neighbours, and a mean over all nodes."""
    x = jnp.tanh(around(x, p["in"]))
    x = x + around(jax.nn.gelu(around(normed(x, (1, 2, 3)) * p["g"], p["a"])), p["b"])
    x = x + p["s"] * ((jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1)) - 2 * x)
    return jax.nn.relu(normed(x, (3,)) * p["h"]).mean((1, 2)) @ p["out"]


def turns(p, x):
    """A loop with the same weights in every turn."""
    return lax.fori_loop(0, 3, lambda _, c: jnp.tanh(c + around(c, p)), x)


ATTENDS = {"p": unit(2, 2, 1, 3), "q": unit(3, 3), "k": unit(3, 3), "v": unit(3, 3)}
LOST = {
    "a convolution with a border": (lambda p, x: jnp.tanh(convolved(x, p)).mean((1, 2)), conv(1, 2)),
    "a circular one, and a pool": (
        lambda p, x: pooled(jnp.tanh(around(x, p["a"])), least=True) @ p["b"],
        {"a": conv(1, 2), "b": unit(2, 3)},
    ),
    "blocks": (
        residual,
        {
            "in": conv(1, 2),
            "g": unit(1, 1, 1, 2),
            "a": conv(2, 2),
            "b": conv(2, 2),
            "s": unit(1, 1, 1, 2),
            "h": unit(1, 1, 1, 2),
            "out": unit(2, 3),
        },
    ),
    "frequencies": (spectral, {"re": unit(1, 8, 5, 1), "im": unit(1, 8, 5, 1), "local": unit(1, 1)}),
    "places": (
        lambda p, x: attention(jnp.tanh(beside(p["t"], tokens(x, p["p"])) + p["w"]), p)[:, 0],
        {**ATTENDS, "t": unit(1, 1, 3), "w": unit(1, 17, 3)},
    ),
    "a masked kernel": (
        lambda p, x: jnp.tanh(convolved(x, p * np.triu(np.ones((3, 3)))[:, :, None, None])),
        conv(1, 2),
    ),
    "a loop": (turns, conv(1, 1)),
}
"""Networks on an 8×8 torus, and the shapes of their parameters, all that rules lose of which is lost for good."""
REGAINED = {
    "a sum of squares": (lambda p, x: (around(x, p) ** 2).sum((1, 2)), conv(1, 2)),
    "a sum of places": (
        lambda p, x: (jnp.tanh(x @ p["a"]) + p["b"]).sum((1, 2)),
        {"a": unit(1, 2), "b": unit(1, 8, 8, 2)},
    ),
    "turned copies": (lambda p, x: jnp.maximum(around(x, p), around(x, p[:, ::-1])), conv(1, 2)),
    "copies of one kernel": (lambda p, x: jnp.tanh(around(x, p)) + jnp.tanh(around(x, p[::-1, ::-1])), conv(1, 2)),
    "a kernel made the same": (
        lambda p, x: jnp.tanh(around(x, (p + jnp.rot90(p)) + jnp.rot90(p + jnp.rot90(p), 2))),
        conv(1, 2),
    ),
    "one row of weights": (lambda p, x: jnp.tanh(around(x, jnp.broadcast_to(p, (3, 3, 1, 2)))), unit(1, 3, 1, 2)),
    "neighbours": (
        lambda p, x: (lambda y: jnp.roll(y, 1, 1) * jnp.roll(y, -1, 1))(jnp.tanh(x @ p["a"])) @ p["b"],
        {"a": unit(1, 2), "b": unit(2, 3)},
    ),
    "neighbours side by side": (
        lambda p, x: (
            (lambda y: jnp.concatenate([jnp.roll(y, 1, 1), jnp.roll(y, -1, 1)], 3).max(3, keepdims=True))(
                jnp.tanh(x @ p["a"])
            )
            @ p["b"]
        ),
        {"a": unit(1, 2), "b": unit(1, 3)},
    ),
    "around a token": (
        lambda p, x: attention(jnp.tanh(around_a_token(p["t"], tokens(x, p["p"]))), p)[:, 8],
        {**ATTENDS, "t": unit(1, 1, 3)},
    ),
    "one after the other along nodes": (
        lambda p, x: jnp.tanh((lambda y: jnp.concatenate([y, jnp.exp(y)], 1))(jnp.tanh(x @ p["a"])) @ p["b"]).sum(
            (1, 2)
        ),
        {"a": unit(1, 2), "b": unit(2, 3)},
    ),
}
"""Some in which a formula shows more than the rules do."""


def inferred(case, domain=None):
    fn, params = case
    return eq.infer(fn, domain or eq.torus(8, 8), 1, params=params)


@pytest.mark.parametrize("case", LOST.values(), ids=LOST)
def test_what_is_lost_for_good_is_not_sought(case, monkeypatch):
    tried = []
    with monkeypatch.context() as patch:
        patch.setattr(WHOLE, "within", lambda traced, source, kept: source.group)
        patch.setattr(WHOLE, "MOST", 2.0**40)
        everything = inferred(case)
    nodes = WHOLE.Trial.nodes
    monkeypatch.setattr(WHOLE.Trial, "nodes", lambda trial, given: tried.extend(given) or nodes(trial, given))
    assert inferred(case).strict == everything.strict
    # The output as it is may be the same for isometries of its own.
    assert set(tried) <= {eq.Isometry.identity(2)}


@pytest.mark.parametrize("case", REGAINED.values(), ids=REGAINED)
def test_what_a_formula_regains_is_sought(case, monkeypatch):
    found = inferred(case).strict
    monkeypatch.setattr(WHOLE, "within", lambda traced, source, kept: source.group)
    assert found == inferred(case).strict
    monkeypatch.setattr(WHOLE, "MOST", 1.0)
    assert inferred(case).strict < found


def test_a_number_of_the_whole_input_may_be_spread_over_an_array():
    """JAX adds a number to an array as it is: it has no axes along which nodes could lie."""

    def fn(weights, x):
        return jnp.tanh(jnp.sum(jnp.tanh(x * weights))) + jnp.arange(8.0)[None, :, None] + 0 * x

    found = eq.infer(fn, eq.torus(8), 1, params=jax.ShapeDtypeStruct((1, 1, 1), jnp.float32))
    assert found.output.sizes == (8,)
