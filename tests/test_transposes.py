"""Transposes given by hand: used in reverse mode, and no derivative of any kind differs from the plain function's."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.ops.transposes import only_plain, with_transposes
from tests.compiled import init
from tests.oracle import random_weights


@pytest.fixture(autouse=True)
def marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Marks are on here, whatever the run asked for."""
    with jax.enable_x64(True):
        only_plain(False)
        yield
        only_plain(request.config.getoption("--plain"))


def _product():
    """A bilinear function whose transposes are told apart from the derived ones by a factor."""
    return with_transposes(lambda x, w: x * w, {0: lambda u, w: 3 * u * w})


def test_reverse_mode_calls_the_given_transpose():
    product, one = _product(), jnp.ones(())
    assert jax.grad(product)(one, 5 * one) == 15
    assert jax.grad(product, 1)(5 * one, one) == 5
    assert jax.linear_transpose(lambda x: product(x, 5 * one), one)(one) == (15,)
    assert jax.linear_transpose(lambda w: product(5 * one, w), one)(one) == (5,)
    only_plain(True)
    assert jax.grad(product)(one, 5 * one) == 5


def test_forward_mode_is_that_of_the_function():
    product, one = _product(), jnp.ones(())
    assert jax.jvp(product, (2 * one, 5 * one), (one, one)) == (10, 7)
    assert jax.jvp(jax.jit(product), (2 * one, 5 * one), (one, one)) == (10, 7)


def test_what_vmap_does_not_map_is_transposed_by_jax():
    both = with_transposes(lambda x, w: x * w, {0: lambda u, w: 3 * u * w, 1: lambda x, u: 7 * x * u})
    x, w = jnp.arange(1.0, 4.0), jnp.asarray(5.0)
    by_x, by_w = jax.grad(lambda x, w: jax.vmap(both, (0, None))(x, w).sum(), (0, 1))(x, w)
    np.testing.assert_array_equal(by_x, [15, 15, 15])
    assert by_w == 6
    by_x, by_w = jax.grad(lambda x, w: jax.vmap(both)(x, w).sum(), (0, 1))(x, x)
    np.testing.assert_array_equal(by_x, 3 * x)
    np.testing.assert_array_equal(by_w, 7 * x)


LAYERS = {
    "conv": (eq.Conv(3, 3, padding="circular"), (5, 4, 2)),
    "conv, even": (eq.Conv(2, (2, 4), padding="circular"), (5, 6, 2)),
    "conv, dilated": (eq.Conv(2, 3, dilation=(1, 2), padding="circular"), (4, 5, 2)),
    "conv, groups": (eq.Conv(6, 3, padding="circular", groups=2), (4, 3, 4)),
    "conv, 3-D, depthwise": (eq.Conv(4, 3, padding="circular", groups=2), (3, 4, 2, 2)),
    "conv, wider than the map": (eq.Conv(2, 7, padding="circular"), (2, 5, 1)),
    "group conv": (eq.GroupConv(eq.Fibre.regular("p4m"), 3, padding="circular"), (4, 4, 2)),
    "max pool": (eq.MaxPool(2, stride=1, padding="circular"), (5, 4, 2)),
    "max pool, strided": (eq.MaxPool(3, stride=2, padding="circular"), (4, 6, 2)),
    "blur": (eq.BlurPool(1), (5, 4, 2)),
    "blur, even, wider than the map": (eq.BlurPool(1, size=6), (2, 3, 1)),
    "blur, strided": (eq.BlurPool(2), (4, 6, 2)),
    "polyphase": (eq.Hourglass(eq.PolyphasePool(2), eq.Conv(2, 1), eq.PolyphaseUpsample(2)), (4, 4, 2)),
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "polyphase" else name for name in LAYERS]
)
def test_every_derivative_is_that_of_the_plain_layer(name):
    net, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    variables = random_weights(net, shape, rng)
    params = variables["params"]
    x, v = rng.normal(size=(2, 3, *shape))
    weights = rng.normal(size=jax.eval_shape(net.apply, variables, x).shape)

    def value(params, x):
        return (jnp.sin(net.apply({**variables, "params": params}, x)) * weights[: len(x)]).sum()

    def derivatives(params, x, v):
        gradient = jax.grad(value, (0, 1))
        single = jax.vmap(lambda x: jax.grad(value, 1)(params, x[None])[0])
        over_batch = jax.grad(lambda p: jax.vmap(lambda x: value(p, x[None]))(x).sum())
        return {
            "value": value(params, x),
            "gradient": gradient(params, x),
            "forward mode": jax.jvp(lambda x: value(params, x), (x,), (v,)),
            "forward over reverse": jax.jvp(lambda x: gradient(params, x), (x,), (v,))[1],
            "reverse over reverse": jax.grad(lambda x: (gradient(params, x)[1] * v).sum())(x),
            "Jacobian": jax.jacfwd(lambda t: net.apply({**variables, "params": params}, x + t * v))(0.5),
            "Hessian": jax.hessian(lambda t: value(params, x + t * v))(0.5),
            "by example": single(x),
            "summed over examples": over_batch(params),
            "rematerialised": jax.grad(jax.checkpoint(value), (0, 1))(params, x),
        }

    marked = jax.jit(derivatives)(params, x, v)
    only_plain(True)
    plain = jax.jit(derivatives)(params, x, v)
    for kind, expected in plain.items():
        for one, other in zip(jax.tree.leaves(marked[kind]), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11, err_msg=kind)


@pytest.mark.parametrize("name", ["conv", "conv, groups", "blur", "blur, strided", "max pool", "polyphase"])
def test_the_given_transposes_are_in_use(name):
    net, shape = LAYERS[name]
    x = jnp.ones((2, *shape))
    variables = random_weights(net, shape, np.random.default_rng(0))

    def program():
        return str(jax.make_jaxpr(jax.grad(lambda x: net.apply(variables, x).sum()))(x))

    marked = program()
    only_plain(True)
    assert marked != program()


def test_in_bfloat16_the_gradient_is_bfloat16():
    net = eq.Conv(3, 3, padding="circular")
    x = jnp.ones((1, 4, 4, 2), jnp.bfloat16)
    variables = init(net, 0, x.shape[1:])
    by_params, by_x = jax.jit(jax.grad(lambda v, x: net.apply(v, x).astype(jnp.float32).sum(), (0, 1)))(variables, x)
    assert by_x.dtype == jnp.bfloat16
    assert by_params["params"]["kernel"].dtype == variables["params"]["kernel"].dtype


def test_convolutions_train_under_shard_map():
    net = eq.Sequential(eq.Conv(3, 3, padding="circular"), eq.Relu(), eq.Conv(2, 3, padding="circular"))
    variables = init(net, 0, (4, 4, 1))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1))

    def gradient(variables, x):
        return jax.grad(lambda params: (net.apply({**variables, "params": params}, x) ** 2).sum())(variables["params"])

    mesh, part = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("data",)), jax.sharding.PartitionSpec
    each = jax.shard_map(gradient, mesh=mesh, in_specs=(part(), part("data")), out_specs=part())
    for one, other in zip(
        *map(jax.tree.leaves, (jax.jit(each)(variables, x), jax.jit(gradient)(variables, x))), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
