"""Layers as Flax modules: the same outputs, native variables, and everything that Flax users do to a module."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import equinet as eq
from equinet.interop import to_linen, to_nnx
from equinet.interop.names import leaf_paths, lookup, nest_paths, outline
from tests.cases import CASES
from tests.compiled import apply
from tests.interop.networks import NET, SHAPE, descends, differ, images, restored, same, squared

KEY = jax.random.key(0)


def linen(net, shape=SHAPE):
    model = to_linen(net)
    return model, jax.jit(model.init)(KEY, jnp.zeros((1, *shape)))


def variables_of(net, params, state, shape=SHAPE):
    """Variables of a layer from the dictionaries of a module."""
    return {
        name: jax.tree.unflatten(jax.tree.structure(like), lookup(net, found, leaf_paths(like)))
        for (name, like), found in zip(outline(net, shape).items(), (params, state), strict=True)
    }


def nnx_variables(net, model, shape=SHAPE):
    held = nnx.to_pure_dict(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    return variables_of(net, held.get("params", {}), held.get("state", {}), shape)


@pytest.mark.parametrize("name", CASES)
def test_every_layer_is_the_same_program(name):
    build, domains = CASES[name]
    net, shape = build(), (*domains[0].sizes, 2)
    x = jnp.zeros((2, *shape))
    variables = outline(net, shape)
    model = to_linen(net)
    graph, like = nnx.split(nnx.eval_shape(lambda: to_nnx(net, shape, nnx.Rngs(params=0))))

    def nested(variables):
        return {name: nest_paths(leaf_paths(tree), jax.tree.leaves(tree)) for name, tree in variables.items() if tree}

    def by_linen(variables, x):
        held = nested(variables)
        return model.apply({"params": held.get("params", {}), "batch_stats": held.get("state", {})}, x)

    def by_nnx(variables, x):
        paths = [tuple(path) for path, _ in nnx.to_flat_state(like)]
        found = zip(nnx.to_flat_state(like), lookup(net, nested(variables), paths), strict=True)
        held = nnx.from_flat_state([(path, variable.replace(value)) for (path, variable), value in found])
        return nnx.merge(graph, held)(x)

    wanted = program(net.apply, variables, x)
    assert program(by_linen, variables, x) == wanted
    assert program(by_nnx, variables, x) == wanted


def program(fn, *arguments) -> str:
    """What a function does, without the addresses by which JAX tells functions apart that have one name."""
    return re.sub("0x[0-9a-f]+|(?<=[ _])7f[0-9a-f]{10}", "", str(jax.make_jaxpr(fn)(*arguments)))


@pytest.mark.thorough
def test_the_same_outputs():
    model, held = linen(NET)
    x = images()
    same(jax.jit(model.apply)(held, x), apply(NET, variables_of(NET, held["params"], held["batch_stats"]), x))
    other = to_nnx(NET, SHAPE, nnx.Rngs(0))
    same(other(x), apply(NET, nnx_variables(NET, other), x))


def test_linen_variables_are_native():
    _, held = linen(NET)
    assert set(held) == {"params", "batch_stats"}
    shapes = jax.tree.map(jnp.shape, held)
    assert shapes["params"]["stem"] == {"kernel": (3, 3, 2, 4), "bias": (4,)}
    assert shapes["batch_stats"]["3_residual"] == {"body": {"1_batch_norm": {"mean": (4,), "variance": (4,)}}}
    assert all(isinstance(entry.key, str) for path, _ in jax.tree_util.tree_leaves_with_path(held) for entry in path)
    assert set(linen(eq.Relu())[1]) == set()


def test_linen_in_training():
    model, held = linen(NET)
    x = images()
    y, updated = model.apply(held, x, train=True, rngs={"dropout": KEY}, mutable=["batch_stats"])
    assert differ(updated["batch_stats"], held["batch_stats"])
    variables = variables_of(NET, held["params"], held["batch_stats"])
    _, state = NET.apply(variables, x, train=True, key=KEY)
    # Dropout comes after the statistics: they do not depend on its key.
    same(updated["batch_stats"]["3_residual"]["body"]["1_batch_norm"], state["3_residual"]["body"]["1_batch_norm"])
    other = model.apply(held, x, train=True, rngs={"dropout": jax.random.key(9)}, mutable=["batch_stats"])[0]
    assert differ(y, other)
    with pytest.raises(eq.LayerError, match=r"layer 4 \(Dropout\).*from the stream 'dropout'"):
        model.apply(held, x, train=True, mutable=["batch_stats"])
    with pytest.raises(Exception, match="immutable"):
        model.apply(held, x, train=True, rngs={"dropout": KEY})


def test_linen_initial_statistics_are_untouched():
    model = to_linen(NET)
    rngs = {"params": KEY, "dropout": KEY}
    held = jax.jit(model.init, static_argnames="train")(rngs, images(), train=True)
    same(held["batch_stats"]["1_batch_norm"], {"mean": np.zeros(4), "variance": np.ones(4)})


def test_linen_learns(tmp_path):
    model, held = linen(NET)
    x, statistics = images(), held["batch_stats"]
    run = jax.jit(model.apply)
    y = model.apply(held, x)
    same(run(held, x), y)
    params = descends(
        lambda params: squared(model.apply({"params": params, "batch_stats": statistics}, x)), held["params"]
    )
    after = {"params": params, "batch_stats": statistics}
    assert differ(run(after, x), y)
    same(restored(after, tmp_path), after)


def test_linen_inside_a_linen_module():
    class Whole(nn.Module):
        @nn.compact
        def __call__(self, x, train: bool = False):
            x = to_linen(NET)(x, train)
            return nn.Dense(2)(nn.remat(type(to_linen(NET)), static_argnums=(2,))(eq.Dense(4))(x, train))

    model, x = Whole(), images()
    held = jax.jit(model.init)(KEY, x)
    assert set(held["params"]) == {"LinenLayer_0", "CheckpointLinenLayer_0", "Dense_0"}
    y, updated = model.apply(held, x, train=True, rngs={"dropout": KEY}, mutable=["batch_stats"])
    assert y.shape == (4, 2) and differ(updated["batch_stats"], held["batch_stats"])
    gradients = jax.jit(jax.grad(lambda params: squared(model.apply({**held, "params": params}, x))))(held["params"])
    assert jax.tree.structure(gradients) == jax.tree.structure(held["params"])


def test_linen_variables_of_another_network():
    model, held = linen(NET)
    with pytest.raises(eq.LayerError, match="those of another network: .* has one at 1_batch_norm/bias"):
        model.apply({**held, "params": {}}, images())
    with pytest.raises(eq.LayerError, match=r"PolyphasePool\(2\)"):
        to_linen(eq.PolyphasePool(2)).init(KEY, jnp.zeros((1, 5, 5, 1)))


def test_nnx_variables_are_native():
    model = to_nnx(NET, SHAPE, nnx.Rngs(0))
    graph, params, statistics, rest = nnx.split(model, nnx.Param, nnx.BatchStat, ...)
    kernel = params["params"]["stem"]["kernel"]
    assert isinstance(kernel, nnx.Param) and kernel.shape == (3, 3, 2, 4)
    assert set(nnx.to_pure_dict(statistics)["state"]) == {"1_batch_norm", "3_residual"}
    assert set(nnx.to_pure_dict(rest)) == {"rngs"}
    hash(graph)
    assert not nnx.to_pure_dict(nnx.split(to_nnx(NET, SHAPE, nnx.Rngs(params=0)), (nnx.Param, nnx.BatchStat), ...)[2])
    again = nnx.merge(graph, params, statistics, rest)
    same(again(images()), model(images()))


def test_nnx_in_training():
    net = eq.Sequential(*NET.layers[:4])
    model, x = to_nnx(net, SHAPE, nnx.Rngs(0)), images()
    before = nnx_variables(net, model)
    y, state = net.apply(before, x, train=True)
    same(model(x), net.apply(before, x))
    same(model(x, train=True), y)
    same(nnx_variables(net, model)["state"], state)
    same(nnx_variables(net, model)["params"], before["params"])
    model.train()
    assert differ(model(x), model(x, train=False))
    model.eval()
    same(model(x), model(x, train=False))


def test_nnx_draws_from_its_stream():
    model, x = to_nnx(NET, SHAPE, nnx.Rngs(params=0, dropout=1)), images()
    first, second = model(x, train=True), model(x, train=True)
    assert differ(first, second)
    again = to_nnx(NET, SHAPE, nnx.Rngs(params=0, dropout=1))
    same(again(x, train=True), first)
    with pytest.raises(eq.LayerError, match=r"layer 4 \(Dropout\).*from the stream 'dropout'"):
        to_nnx(NET, SHAPE, nnx.Rngs(params=0))(x, train=True)


def test_nnx_learns():
    optax = pytest.importorskip("optax")
    model, x = to_nnx(NET, SHAPE, nnx.Rngs(0)), images()
    optimiser = nnx.Optimizer(model, optax.sgd(0.05), wrt=nnx.Param)
    before = nnx_variables(NET, model)

    @nnx.jit
    def step(model, optimiser, x):
        loss, gradients = nnx.value_and_grad(lambda model: squared(model(x)))(model)
        optimiser.update(model, gradients)
        return loss

    first, second = step(model, optimiser, x), step(model, optimiser, x)
    assert second < first
    after = nnx_variables(NET, model)
    assert differ(after["params"], before["params"])
    same(after["state"], before["state"])
    nnx.jit(lambda model, x: model(x, train=True))(model, x)
    assert differ(nnx_variables(NET, model)["state"], before["state"])


def test_nnx_gradients_are_those_of_the_layer():
    model, x = to_nnx(NET, SHAPE, nnx.Rngs(0)), images()
    held = nnx_variables(NET, model)
    wanted = jax.jit(jax.grad(lambda params: squared(NET.apply({**held, "params": params}, x))))(held["params"])
    found = nnx.to_pure_dict(nnx.jit(nnx.grad(lambda model: squared(model(x))))(model))["params"]
    same(
        variables_of(NET, found, {"unused": 0} and nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))["state"])[
            "params"
        ],
        wanted,
    )


def test_nnx_checkpoints(tmp_path):
    model, x = to_nnx(NET, SHAPE, nnx.Rngs(0)), images()
    held = nnx.state(model, (nnx.Param, nnx.BatchStat))
    found = restored(nnx.to_pure_dict(held), tmp_path)
    other = to_nnx(NET, SHAPE, nnx.Rngs(7))
    assert differ(other(x), model(x))
    nnx.replace_by_pure_dict(held, found)
    nnx.update(other, held)
    same(other(x), model(x))


def test_nnx_takes_other_sizes_where_the_layer_does():
    model = to_nnx(NET, SHAPE, nnx.Rngs(0))
    assert model(jnp.zeros((2, 12, 16, 2))).shape == (2, 3)
    with pytest.raises(eq.LayerError, match=r"stem"):
        model(jnp.zeros((2, 8, 8, 3)))
