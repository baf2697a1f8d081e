"""Normalisation and attention: the numbers, running statistics, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.compiled import apply, init

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, size=(4, 6, 4, 8)).astype(np.float32)

LAYERS = [
    eq.BatchNorm(),
    eq.LayerNorm(),
    eq.LayerNorm(axes="all"),
    eq.GroupNorm(4),
    eq.InstanceNorm(),
    eq.SqueezeExcite(),
    eq.SelfAttention(2),
    eq.WindowedAttention(2, 2),
]


def _variables(layer: eq.Layer, shape: tuple[int, ...] = X.shape[1:]) -> dict:
    return init(layer, 0, shape)


def _apply(layer: eq.Layer, x: np.ndarray = X) -> np.ndarray:
    return np.asarray(apply(layer, _variables(layer, x.shape[1:]), x))


def _normalised(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (eq.LayerNorm(), (3,)),
        (eq.LayerNorm(axes="all"), (1, 2, 3)),
        (eq.InstanceNorm(), (1, 2)),
        (eq.GroupNorm(8), (1, 2)),
    ],
)
def test_statistics_are_over_the_right_axes(layer, axes):
    np.testing.assert_allclose(_apply(layer), _normalised(X, axes), atol=1e-5)


def test_groups_of_consecutive_channels():
    expected = _normalised(X.reshape(4, 6, 4, 2, 4), (1, 2, 4)).reshape(X.shape)
    np.testing.assert_allclose(_apply(eq.GroupNorm(2)), expected, atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS[:5])
def test_scale_and_bias(layer):
    variables = _variables(layer)
    params = {"scale": np.arange(1, 9, dtype=np.float32), "bias": np.arange(8, dtype=np.float32)}
    y = apply(layer, {**variables, "params": params}, X)
    np.testing.assert_allclose(y, _apply(layer) * np.arange(1, 9) + np.arange(8), rtol=1e-4, atol=1e-4)


def test_batch_norm_trains_on_the_batch_and_runs_on_averages():
    layer = eq.BatchNorm(momentum=0.75)
    variables = _variables(layer)
    y, state = apply(layer, variables, X, train=True)
    np.testing.assert_allclose(y, _normalised(X, (0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(state["mean"], 0.25 * X.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(state["variance"], 0.75 + 0.25 * X.var((0, 1, 2)), rtol=1e-5)
    z = apply(layer, {**variables, "state": state}, X)
    expected = (X - np.asarray(state["mean"])) / np.sqrt(np.asarray(state["variance"]) + 1e-5)
    np.testing.assert_allclose(z, expected, atol=1e-5)


def test_statistics_of_bfloat16_are_taken_in_float32():
    x = jnp.asarray(1000 + RNG.normal(size=(2, 64, 64, 1)), jnp.bfloat16)
    layer = eq.LayerNorm(axes="all")
    y = apply(layer, _variables(layer, (64, 64, 1)), x)
    assert y.dtype == jnp.bfloat16
    expected = _normalised(np.asarray(x.astype(jnp.float32)), (1, 2, 3))
    np.testing.assert_allclose(np.asarray(y.astype(jnp.float32)), expected, atol=0.03, rtol=0.01)


@pytest.mark.parametrize("layer", [eq.BatchNorm(), eq.LayerNorm(), eq.LayerNorm(axes="all"), eq.GroupNorm(2)])
def test_works_after_the_readout(layer):
    assert _apply(layer, X[:, 0, 0]).shape == (4, 8)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_shape_and_dtype_are_kept(layer, dtype):
    y = apply(layer, _variables(layer), X.astype(dtype))
    assert (y.shape, y.dtype) == (X.shape, dtype)
    assert layer.output_shape(X.shape[1:]) == X.shape[1:]


def test_squeeze_excite_gates_channels():
    gate = _apply(eq.SqueezeExcite()) / X
    np.testing.assert_allclose(gate, np.broadcast_to(gate[:, :1, :1], X.shape), rtol=1e-4)
    assert ((gate > 0) & (gate < 1)).all()


def test_attention_agrees_with_its_definition():
    layer = eq.SelfAttention(2)
    variables = _variables(layer)
    params = jax.tree.map(np.asarray, variables["params"])
    x = X.reshape(4, 24, 8)
    q, k, v = np.split(x @ params["qkv"], 3, axis=-1)
    heads = []
    for h in (slice(0, 4), slice(4, 8)):
        logits = q[..., h] @ k[..., h].swapaxes(1, 2) / 2.0
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v[..., h])
    expected = (np.concatenate(heads, -1) @ params["out"]).reshape(X.shape)
    np.testing.assert_allclose(apply(layer, variables, X), expected, atol=1e-4, rtol=1e-4)


def test_windowed_attention_is_attention_within_blocks():
    layer, whole = eq.WindowedAttention((3, 2), 2), eq.SelfAttention(2)
    variables = _variables(layer)
    y = np.asarray(apply(layer, variables, X))
    block = apply(whole, variables, X[:, 3:6, 2:4])
    np.testing.assert_allclose(y[:, 3:6, 2:4], block, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (eq.GroupNorm(3), (4, 8), "groups=3 must divide the channels; got 8"),
        (eq.InstanceNorm(), (8,), "normalises over spatial axes"),
        (eq.SqueezeExcite(), (8,), "needs an input with spatial axes"),
        (eq.SelfAttention(3), (4, 8), "heads=3 must divide the channels"),
        (eq.WindowedAttention(3, 2), (4, 8), "must divide the sizes"),
    ],
)
def test_bad_shapes(layer, shape, text):
    with pytest.raises(eq.LayerError, match=text):
        layer.output_shape(shape)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: eq.BatchNorm(momentum=1.0), "momentum must be in"),
        (
            lambda: eq.LayerNorm(axes="space"),  # pyright: ignore[reportArgumentType]
            "axes must be",
        ),
        (lambda: eq.GroupNorm(0), "groups must be an integer of at least 1"),
        (lambda: eq.InstanceNorm(epsilon=0.0), "epsilon must be positive"),
    ],
)
def test_bad_hyperparameters(make, text):
    with pytest.raises(ValueError, match=text):
        make()
