"""Parameters and state are dicts by the names of layers, in every combination and through what changes a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import DictKey, tree_flatten_with_path

import equinet as eq
from equinet import models
from equinet.layers.combine import in_a_row
from tests.cases import CASES
from tests.compiled import apply, init

KEY = jax.random.key(0)
CONV = eq.Conv(2, 1)


def outline(net: eq.Layer, shape: tuple[int, ...]) -> Any:
    return jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(lambda: net.init(KEY, shape)))


def test_names_given_and_names_by_place_and_kind() -> None:
    inner = eq.Sequential(CONV, eq.Named("norm", eq.BatchNorm()))
    net = eq.Sequential(
        eq.Named("stem", CONV),
        eq.Relu(),
        eq.Residual(inner, shortcut=eq.Named("straight", CONV)),
        eq.Parallel(CONV, eq.GroupConv(2 * eq.Fibre.trivial("4"), 1, bias=False), join="concat"),
        eq.Named("glass", eq.Hourglass(eq.MaxPool(2), CONV, eq.Upsample(2))),
    )
    kernel = {"kernel": (1, 1, 2, 2), "bias": (2,)}
    made = outline(net, (4, 4, 2))
    assert made["params"] == {
        "stem": kernel,
        "2_residual": {"body": {"0_conv": kernel, "norm": {"scale": (2,), "bias": (2,)}}, "straight": kernel},
        "3_parallel": {"0_conv": kernel, "1_group_conv": {"kernel": ((1, 2, 2),)}},
        "glass": {"inner": {"kernel": (1, 1, 4, 2), "bias": (2,)}},
    }
    assert made["state"] == {"2_residual": {"body": {"norm": {"mean": (2,), "variance": (2,)}}}}


@pytest.mark.parametrize("name", CASES)
def test_every_way_to_a_number_is_made_of_names(name: str) -> None:
    build, domains = CASES[name]
    paths, _ = tree_flatten_with_path(jax.eval_shape(lambda: build().init(KEY, (*domains[0].sizes, 2))))
    for path, _ in paths:
        names = [key for key in path if isinstance(key, DictKey)]
        # Only a group convolution's kernel has numbered parts: one for each pair of representations.
        assert names == list(path) or (names == list(path[:-1]) and names[-1].key == "kernel"), path


@pytest.mark.parametrize(
    "make",
    [
        lambda: eq.Sequential(eq.Named("a", CONV), eq.Relu(), eq.Named("a", CONV)),
        lambda: eq.Sequential(CONV, eq.Named("0_conv", CONV)),
        lambda: eq.Residual(eq.Named("a", CONV), shortcut=eq.Named("a", CONV)),
        lambda: eq.Parallel(eq.Named("a", CONV), eq.Named("a", CONV)),
        lambda: eq.Hourglass(eq.Named("up", CONV), CONV, CONV),
    ],
)
def test_two_layers_of_one_name_are_refused_where_the_network_is_made(make: Callable[[], eq.Layer]) -> None:
    with pytest.raises(eq.LayerError, match=r"layers \d and \d are both called .*: give each a name"):
        make()


def test_a_name_may_come_again_in_another_network() -> None:
    block = eq.Sequential(eq.Named("a", CONV), eq.Relu())
    net = eq.Sequential(eq.Named("a", block), eq.Named("b", block))
    variables = init(net, 0, (4, 4, 2))
    assert list(variables["params"]) == ["a", "b"]
    # Cut out of their networks they stand in one: by place and kind.
    row, params, _ = in_a_row(net.chain(variables["params"], variables["state"]))
    assert list(params) == ["0_conv", "2_conv"]
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    np.testing.assert_array_equal(apply(row, {"params": params, "state": {}}, x), apply(net, variables, x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {**p, "neck": {}}, r"its layers are stem, 1_relu, head; got neck$"),
        (lambda p: {"stem": p["stem"]}, r"params\['head'\]\['bias'\] should be an array of shape \(3,\); got nothing"),
        (lambda p: tuple(p.values()), r"its layers are stem, 1_relu, head; got no names, \("),
    ],
)
def test_variables_of_another_network(change: Callable[[Any], Any], message: str) -> None:
    net = eq.Sequential(eq.Named("stem", CONV), eq.Relu(), eq.Named("head", eq.Dense(3)))
    variables = init(net, 0, (4, 4, 2))
    x = np.ones((1, 4, 4, 2), np.float32)
    assert apply(net, variables, x).shape == (1, 4, 4, 3)
    with pytest.raises(eq.LayerError, match=message):
        net.apply({**variables, "params": change(variables["params"])}, x)


@pytest.mark.parametrize("name", models.MODELS)
def test_training_gives_back_state_of_the_same_names(name: str) -> None:
    net = models.build(name, **({"window": 1} if name == "swin" else {}))
    variables = jax.eval_shape(lambda: net.init(KEY, (32, 32, 3)))
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    _, state = jax.eval_shape(lambda v, x: net.apply(v, x, train=True, key=0), variables, x)
    assert jax.tree.structure(state) == jax.tree.structure(variables["state"])
