"""What goes wrong first: each error says what came and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq

NET = eq.Sequential(eq.Conv(2, 3), eq.BatchNorm(), eq.GlobalAvgPool())
SHAPE = (4, 4, 3)
X = jnp.ones((2, *SHAPE))


@pytest.fixture(scope="module")
def variables() -> Any:
    return NET.init(0, SHAPE)


@dataclass(frozen=True)
class Silent(eq.Layer):
    """A layer that computes and declares nothing."""

    def output_shape(self, shape: Any) -> Any:
        return shape

    def forward(self, params: Any, state: Any, x: jax.Array, context: Any) -> Any:
        del params, context
        return x, state


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: eq.certify(net, eq.torus(4, 4), 3),
        lambda net: eq.legal_sizes(net, "Z × Z", [4, 8], channels=3),
        lambda net: eq.suggest(net, eq.torus(4, 4), "Z × Z", channels=3),
    ],
)
def test_a_layer_without_a_declaration_is_named_by_its_place(ask: Callable[[eq.Layer], Any]) -> None:
    net = eq.Sequential(eq.Relu(), eq.Residual(eq.Sequential(eq.Relu(), Silent())))
    place = r"^layer 1 \(Residual\) → body \(Sequential\) → layer 1 \(Silent\): Silent is a layer of yours that does "
    with pytest.raises(NotImplementedError, match=place + r"not define symmetry\(self, field\).*fix_positions"):
        ask(net)


MADE: dict[str, tuple[eq.Layer, str]] = {
    "conv": (eq.Sequential(eq.Conv(2, 3)), r"weights are for 3 spatial axes .* got an input of shape \(2, 4, 4, 3\): "),
    "flatten": (eq.Sequential(eq.Flatten(), eq.Dense(2)), r"weights are for 96 channels; got shape \(2, 48\): "),
    "table": (eq.PositionalEmbedding(), r"made for shape \(2, 4, 4, 3\); got \(4, 4, 3\): "),
}


@pytest.mark.parametrize("name", MADE)
def test_a_shape_with_the_batch(name: str) -> None:
    net, message = MADE[name]
    made = net.init(0, X.shape)
    with pytest.raises(eq.LayerError, match=message + "init takes a shape without the batch"):
        net.apply(made, X)


def test_a_shape_of_too_many_axes_or_an_array_in_its_place() -> None:
    with pytest.raises(
        eq.LayerError, match=r"got shape \(2, 4, 4, 4, 1\): init takes \(\*spatial, channels\), without"
    ):
        eq.Conv(2, 3).init(0, (2, 4, 4, 4, 1))
    with pytest.raises(eq.LayerError, match=r"an array of shape \(2, 4, 4, 3\): give x.shape\[1:\], without the batch"):
        NET.init(0, X)  # pyright: ignore[reportArgumentType]


def test_one_example(variables: Any) -> None:
    with pytest.raises(eq.LayerError, match=r"got an input of shape \(4, 4, 3\): .* and apply an array with it"):
        NET.apply(variables, X[0])


@pytest.mark.parametrize("call", [NET, jax.jit(NET)], ids=["called", "compiled"])
def test_a_call_without_weights(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"^Sequential is called without its variables: net.bind\(variables\)\(x\), or"):
        call(X)


@pytest.mark.parametrize("use", [lambda v: NET.apply(v, X), NET.bind], ids=["apply", "bind"])
def test_variables_that_lack_a_part(use: Callable[[Any], Any], variables: Any) -> None:
    use(variables)
    for given, message in (
        ({"params": variables["params"]}, r'got no "state": give that of init, or the one that apply\(…, train=True\)'),
        (variables["params"], r"a dict of '0_conv, 1_batch_norm': if these are the parameters, give all that init"),
        ((variables["params"], variables["state"]), r'needs variables {"params": …, "state": …}.*; got \(\{'),
    ):
        with pytest.raises(eq.LayerError, match=message):
            use(given)


def test_state_that_is_missing_inside_is_named(variables: Any) -> None:
    with pytest.raises(eq.LayerError, match=r"state\['1_batch_norm'\]\['mean'\] should be an array of shape \(2,\)"):
        NET.apply({**variables, "state": {}}, X)


def test_arguments_the_other_way_round(variables: Any) -> None:
    with pytest.raises(TypeError, match=r"apply\(variables, x\) needs an array x, \[batch, \*spatial, channels\]; got"):
        NET.apply(X, variables)  # pyright: ignore[reportArgumentType]


def test_doubles_of_numpy_are_taken_without_a_warning(variables: Any) -> None:
    x = np.random.default_rng(0).normal(size=X.shape)
    assert x.dtype == np.float64
    y = NET.apply(variables, x)
    assert y.dtype == jnp.float32 and jnp.array_equal(y, NET.apply(variables, jnp.asarray(x)))


CIRCULAR = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.GlobalAvgPool())
BOUND = CIRCULAR.bind(CIRCULAR.init(0, SHAPE))
SHIFTS = eq.transforms.Circular(within=1)


@pytest.mark.parametrize(
    "ask",
    [lambda x: eq.consistency(BOUND, x, SHIFTS), lambda x: eq.error_profile(BOUND, x)],
    ids=["kept", "profile"],
)
def test_images_of_another_shape_than_the_network_takes(ask: Callable[[Any], Any]) -> None:
    for x, read in (
        (np.ones(SHAPE), r"got \(4, 4, 3\), 4 of 4 nodes with channels 3, which the network does not take: layer 0"),
        (np.ones((6, 4, 4, 1)), r"got \(6, 4, 4, 1\), 6 of 4 × 4 nodes with channels 1, .* for 2 spatial axes and 3"),
    ):
        with pytest.raises(ValueError, match=rf"^images are \[n, \*spatial, channels\]; {read}") as caught:
            ask(x)
        assert "init takes" not in str(caught.value)
    ask(np.random.default_rng(0).normal(size=(6, *SHAPE)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda n: eq.verify(BOUND, eq.certify(CIRCULAR, eq.torus(4, 4), n), key=0),
        lambda n: eq.discover(BOUND, eq.torus(4, 4), channels=n, key=0),
        lambda n: eq.verify_shifts(BOUND, eq.certify(CIRCULAR, eq.torus(4, 4), n, translations="real"), key=0),
        lambda n: eq.discover_shifts(BOUND, eq.torus(4, 4), channels=n, key=0),
    ],
    ids=["verify", "discover", "verify_shifts", "discover_shifts"],
)
def test_a_claim_about_other_channels_than_the_weights_read(ask: Callable[[int], Any]) -> None:
    with pytest.raises(ValueError, match="^the claim is about inputs of 1 channels, the weights read 3: certify or "):
        ask(1)
    ask(3)
