"""Modules and functions from elsewhere as layers: their outputs, their variables, and the symmetry they declare."""

import re
from functools import cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import equinet as eq
from equinet.interop import from_fn, from_linen, from_nnx
from equinet.symmetry.windows import Window
from tests.compiled import apply, init
from tests.interop.networks import SHAPE, descends, differ, images, restored, same, squared

KEY = jax.random.key(0)
WINDOWS = [Window(3, padding="circular")] * 2


class Block(nn.Module):
    """A convolution, a batch norm, dropout."""

    features: int = 4

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.Conv(self.features, (3, 3), padding="CIRCULAR")(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dropout(0.5, deterministic=not train)(nn.relu(x))


class NnxBlock(nnx.Module):
    """The same in NNX."""

    def __init__(self, rngs, features=4):
        self.layers = nnx.List(
            [
                nnx.Conv(2, features, (3, 3), padding="CIRCULAR", rngs=rngs),
                nnx.BatchNorm(features, rngs=rngs),
                nnx.Dropout(0.5, rngs=rngs),
            ]
        )

    def __call__(self, x):
        conv, norm, drop = self.layers
        return drop(nnx.relu(norm(conv(x))))


def convolve(params, x):
    numbers = ("NHWC", "HWIO", "NHWC")
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, params["kernel"], (1, 1), "VALID", dimension_numbers=numbers))


def drawn(key, shape):
    return {"kernel": jax.random.normal(key, (3, 3, shape[-1], 4)) / 4}


def rule(field):
    return field.read(WINDOWS, "taps", 4).pointwise("monotone")


@cache
def module():
    """One for all: made here it would be made wherever tests are collected."""
    return NnxBlock(nnx.Rngs(0))


MADE = {
    "linen": lambda symmetry=rule: from_linen(Block(), symmetry=symmetry),
    "nnx": lambda symmetry=rule: from_nnx(module(), symmetry=symmetry),
    "fn": lambda symmetry=rule: from_fn(convolve, drawn, symmetry=symmetry),
}


def classifier(layer):
    return eq.Sequential(layer, eq.MaxPool(2), eq.GlobalAvgPool(), eq.Dense(3))


def test_linen_computes_what_the_module_does():
    layer, x = from_linen(Block()), images()
    variables = init(layer, 0, SHAPE)
    assert set(variables["params"]) == {"Conv_0", "BatchNorm_0"} and set(variables["state"]) == {"batch_stats"}
    held = {"params": variables["params"], **variables["state"]}
    same(apply(layer, variables, x), jax.jit(Block().apply)(held, x))
    y, state = apply(layer, variables, x, train=True, key=KEY)
    options = {"train": True, "rngs": {"dropout": KEY}, "mutable": ["batch_stats"]}
    wanted, updated = jax.jit(lambda held, x: Block().apply(held, x, **options))(held, x)
    same(state, updated)
    assert differ(state, variables["state"])
    assert differ(y, wanted) and y.shape == wanted.shape  # another draw of the dropout
    assert differ(y, apply(layer, variables, x, train=True, key=jax.random.key(3))[0])
    assert differ(variables, init(layer, 3, SHAPE))


def test_nnx_computes_what_the_module_does():
    layer, x = from_nnx(module()), images()
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module(), (nnx.Param, nnx.BatchStat, nnx.RngCount))))
    variables = layer.init(KEY, SHAPE)
    same(variables, layer.init(jax.random.key(3), SHAPE))
    assert set(variables["params"]["layers"]) == {"0", "1"}
    assert set(variables["state"]["layers"]["1"]) == {"mean", "var"}
    y, state = layer.apply(variables, x, train=True, key=KEY)
    assert differ(y, layer.apply(variables, x, train=True, key=jax.random.key(3))[0])
    same(y, layer.apply(variables, x, train=True, key=KEY)[0])
    same(before, nnx.to_pure_dict(nnx.state(module(), (nnx.Param, nnx.BatchStat, nnx.RngCount))))
    again = NnxBlock(nnx.Rngs(0))
    again.eval()
    same(layer.apply(variables, x), again(x))
    again.train()
    again(x)
    same(state["layers"]["1"], nnx.to_pure_dict(nnx.state(again.layers[1], nnx.BatchStat)))
    with pytest.raises(eq.LayerError, match=r"from_nnx\(NnxBlock\) draws random numbers in training: pass key="):
        layer.apply(variables, x, train=True)


def test_a_function_computes_what_it_does():
    layer, x = from_fn(convolve, drawn), images()
    variables = layer.init(KEY, SHAPE)
    same(layer.apply(variables, x), convolve(variables["params"], x))
    same(variables["params"], drawn(KEY, SHAPE))
    assert layer.apply(variables, x, train=True)[1] == {}
    plain = from_fn(jnp.tanh)
    assert plain.init(KEY, SHAPE) == {"params": {}, "state": {}}
    same(plain.apply(plain.init(KEY, SHAPE), x), jnp.tanh(x))


@pytest.mark.thorough
@pytest.mark.parametrize("name", MADE)
def test_they_are_layers_like_others(name, tmp_path):
    net = classifier(MADE[name]())
    assert net == classifier(MADE[name]()) and hash(net) == hash(classifier(MADE[name]()))
    assert net.output_shape(SHAPE) == (3,)
    variables, x = init(net, 0, SHAPE), images()
    same(jax.jit(net.apply)(variables, x), net.apply(variables, x))

    def loss(params):
        return squared(net.apply({**variables, "params": params}, x))

    params = descends(loss, variables["params"])
    first = next(iter(net.keys))
    assert differ(params[first], variables["params"][first])
    same(restored(variables, tmp_path), variables)
    _, state = jax.jit(lambda v, x: net.apply(v, x, train=True, key=KEY))(variables, x)
    assert jax.tree.structure(state) == jax.tree.structure(variables["state"])
    assert differ(state, variables["state"]) == (name != "fn")


@pytest.mark.parametrize("name", MADE)
def test_a_declared_symmetry_is_certified_and_measured(name):
    net, domain = classifier(MADE[name]()), eq.torus(8, 8)
    certificate = eq.certify(net, domain, 2)
    same_net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.Relu(), *net.layers[1:])
    assert certificate.invariance == eq.certify(same_net, domain, 2).invariance
    assert str(net.layers[0]) in str(certificate) and "as its rule declares" in str(certificate)
    variables = init(net, 0, SHAPE)
    assert eq.verify(net.bind(variables), certificate, key=0).passed
    wrong = eq.certify(classifier(MADE[name](lambda field: field.pointwise("affine", 4))), domain, 2)
    assert not eq.verify(net.bind(variables), wrong, key=0).passed


@pytest.mark.parametrize("name", MADE)
def test_on_the_plane_shapes_are_traced_at_a_size(name):
    layer = MADE[name]()
    assert layer.output_shape((None, None, 2)) == (None, None, 4)
    assert layer.output_shape((None, 6, 2)) == (None, 6, 4)
    certificate = eq.certify(classifier(layer), eq.plane(2), 2)
    assert str(certificate.invariance).startswith("2Z × 2Z")


def test_a_readout_has_no_spatial_axes():
    layer = from_fn(lambda x: x.mean((1, 2)), symmetry=lambda field: field.collapse(maximum=False))
    assert layer.output_shape((None, None, 2)) == layer.output_shape(SHAPE) == (2,)
    assert eq.certify(layer, eq.torus(4, 4), 2).invariance.index == 1
    after = from_fn(lambda x: x @ jnp.ones((2, 3)), symmetry=lambda field: field.pointwise("affine", 3))
    assert eq.Sequential(layer, after).output_shape((None, None, 2)) == (3,)


def test_operations_do_not_move_channels_past_it():
    lift = eq.GroupConv(eq.Fibre.regular("4"), 3, padding="circular")
    net = eq.Sequential(lift, from_fn(jnp.tanh, symmetry=lambda field: field.pointwise("any")), eq.GlobalAvgPool())
    certificate = eq.certify(net, eq.torus(4, 4), 2)
    assert str(certificate.strict) == "Z × Z (p1, index 1)"


def test_a_fibre_is_not_forgotten_without_a_word():
    """The group convolution after a mask would be one on scalars: another network than the one that is meant."""
    lift, mask = eq.GroupConv(eq.Fibre.regular("4"), 3, padding="circular"), jnp.ones((4, 4))
    masked = from_fn(lambda x: x * mask[None, ..., None])
    relu = eq.Relu()
    refused = r"operations move the channels before from_fn\(<lambda>\), regular\(4\), and what that does .*Mask for a"
    for between in (masked, eq.Sequential(masked, relu), eq.Residual(masked), from_fn(jnp.tanh, symmetry=lambda f: f)):
        net = eq.Sequential(lift, between, lift)
        for call in (net.output_shape, lambda shape, net=net: net.init(0, shape)):
            with pytest.raises(eq.LayerError, match=refused.replace(r"<lambda>", ".*")):
                call((4, 4, 1))
        with pytest.raises(eq.LayerError, match=refused.replace(r"<lambda>", ".*")):
            eq.certify(net, eq.torus(4, 4), channels=1)
    for between in (eq.GroupNorm(1), eq.PositionalEmbedding()):
        with pytest.raises(eq.LayerError, match="and what that does to them is not known"):
            eq.Sequential(lift, between, lift).output_shape((4, 4, 1))


@pytest.mark.thorough
def test_what_follows_a_function_may_mix_channels_or_say_what_they_are():
    regular = eq.Fibre.regular("4")
    lift = eq.GroupConv(regular, 3, padding="circular")
    half = from_fn(lambda x: x / 2)
    assert eq.Sequential(lift, half, eq.Conv(4, 3), eq.Relu()).output_shape((4, 4, 1)) == (4, 4, 4)
    assert eq.Sequential(lift, half, eq.GlobalAvgPool(), eq.Dense(3)).output_shape((4, 4, 1)) == (3,)
    assert eq.Sequential(eq.GroupConv(2 * eq.Fibre.trivial("4"), 3), half, lift).output_shape((4, 4, 1))[-1] == regular
    said = eq.Sequential(lift, half, eq.AsFibre(regular), lift)
    meant = eq.Sequential(lift, eq.Pointwise(lambda x: x / 2, odd=True), lift)
    for net, order in ((said, 1), (meant, 4)):
        assert len(eq.certify(net, eq.torus(4, 4), channels=1).strict.point_group) == order
    shapes = [[own["kernel"][0].shape for own in net.init(0, (4, 4, 1))["params"].values()] for net in (said, meant)]
    assert shapes[0] == shapes[1], "the same network, of which less is known"


def test_modes_have_many_names():
    class Silent(nn.Module):
        @nn.compact
        def __call__(self, x, *, deterministic, use_running_average: bool, training=False):
            return x + (0 if deterministic and use_running_average and not training else 1)

    layer, x = from_linen(Silent()), images()
    variables = layer.init(KEY, SHAPE)
    assert variables == {"params": {}, "state": {}}
    same(layer.apply(variables, x), x)
    same(layer.apply(variables, x, train=True)[0], x + 1)

    class Plain(nnx.Module):
        def __call__(self, x, train):
            return x + int(train)

    layer = from_nnx(Plain())
    variables = layer.init(KEY, SHAPE)
    same(layer.apply(variables, x), x)
    same(layer.apply(variables, x, train=True)[0], x + 1)


def test_variables_that_appear_in_a_call_are_left():
    class Sower(nnx.Module):
        def __call__(self, x):
            self.seen = nnx.Intermediate(x)
            return x

    layer = from_nnx(Sower())
    assert layer.apply(layer.init(KEY, SHAPE), images(), train=True)[1] == {}


def test_variables_of_another_module():
    layer = from_nnx(module())
    with pytest.raises(eq.LayerError, match=r"another network: from_nnx\(NnxBlock\) has one at layers/0/bias"):
        layer.apply({"params": {}, "state": {}}, images())


class Cut(nn.Module):
    """A part, and the channels that are left of what it makes."""

    part: nn.Module
    kept: Any = (2,)

    @nn.compact
    def __call__(self, x):
        return self.part(x)[..., : self.kept[0]]


def test_linen_modules_with_lists():
    """The list of `Sequential`, as Flax writes it, is as good as a tuple; what else cannot be hashed is named."""
    listed = nn.Sequential([nn.Conv(4, (3, 3), padding="CIRCULAR"), nn.Sequential([nn.relu, nn.Dense(3)])])
    for module in (listed, Cut(listed), nn.Sequential([Cut(listed), nn.Dense(2)])):
        layer, x = from_linen(module), images()
        variables = init(layer, 0, SHAPE)
        same(apply(layer, variables, x), jax.jit(module.apply)({"params": variables["params"]}, x))
        assert str(eq.certify(layer, eq.torus(8, 8), 2).strict) == "Z × Z (p1, index 1)"
        assert layer == from_linen(module.clone()) and hash(layer) == hash(from_linen(module.clone()))
    assert isinstance(listed.layers, list)
    for module in (Cut(listed, [2]), nn.Sequential([Cut(listed, [2])]), Cut(Cut(listed, [2]))):
        with pytest.raises(ValueError, match=r"^from_linen: kept of Cut cannot be hashed, .* a tuple .*; got \[2\]$"):
            from_linen(module)


def test_what_cannot_run_is_named():
    layer = from_fn(lambda x: x @ jnp.ones((3, 1)), symmetry=rule)
    with pytest.raises(eq.LayerError, match=r"from_fn\(<lambda>\) cannot run on an input of shape \(8, 8, 2\): .*dot"):
        layer.init(KEY, SHAPE)
    with pytest.raises(eq.LayerError, match=r"layer 1 \(FromFunction\): from_fn"):
        eq.certify(eq.Sequential(eq.Relu(), layer), eq.torus(8, 8), 2)
    for fn in (lambda x: (x, x), lambda x: x.sum(), lambda x: x[0]):
        with pytest.raises(eq.LayerError, match=r"must turn \[batch, \*spatial, channels\] into one such array"):
            from_fn(fn).output_shape((4, 2))
    with pytest.raises(eq.LayerError, match=r"turns .* \(4, 4, 2\) into .* \(4, 2\): it must keep the spatial axes"):
        from_fn(lambda x: x.mean(1)).output_shape((4, 4, 2))
    with pytest.raises(ValueError, match=r"size must be at least 1; got 0"):
        from_fn(jnp.tanh, size=0)


def test_a_rule_of_another_shape_is_refused():
    layer = from_fn(lambda x: x[:, ::2, ::2], symmetry=lambda field: field.pointwise("any"))
    with pytest.raises(
        eq.LayerError, match=r"the rule makes a field of shape \(8, 8, 2\), the function one of \(4, 4, 2\)"
    ):
        eq.certify(layer, eq.torus(8, 8), 2)


def inferred(layer, domain):
    """The certificate of a layer without a rule."""
    return eq.certify(layer, domain, 2)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("domain", [eq.torus(8, 8), eq.box(8, 8), eq.plane(2)], ids=str)
def test_symmetry_is_inferred_from_the_program(name, domain):
    found = inferred(classifier(MADE[name](None)), domain)
    wanted = eq.certify(classifier(MADE[name]()), domain, 2)
    assert found.strict == wanted.strict and found.invariance == wanted.invariance


def test_inference_after_the_readout():
    net = eq.Sequential(eq.MaxPool(2), eq.GlobalAvgPool(), from_linen(nn.Dense(3)), from_fn(jax.nn.softmax))
    assert inferred(net, eq.torus(8, 8)).invariance == eq.certify(net.layers[0], eq.torus(8, 8), channels=1).strict


def test_what_is_inferred_holds_for_all_values_of_the_variables():
    class Positions(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x + self.param("table", nn.initializers.zeros, (1, *x.shape[1:]))

    assert inferred(from_linen(Positions()), eq.torus(8, 8)).strict.order == 1


def test_constants_of_a_function_without_parameters_are_read():
    for table, index in ((jnp.ones((1, 8, 1)), 1), (jnp.arange(8.0).reshape(1, 8, 1), 8)):
        assert inferred(from_fn(lambda x, table=table: x * table), eq.torus(8)).strict.index == index


def moved_and_put_back(x):
    ahead = jnp.roll(x, 1, 1)
    return jnp.roll(ahead, -1, 1)


def every_second(x):
    behind = jnp.roll(x, 1, 2)
    return behind[:, ::2].mean((1, 2))


def test_the_ledger_says_what_a_function_loses_and_on_which_line():
    """Of what is lost on the way and regained it does not speak."""
    for first, channels in ((eq.Relu(), 1), (eq.Conv(2, 1), 2)):
        net = eq.Sequential(first, from_fn(moved_and_put_back), from_fn(every_second))
        _, kept, lost = eq.certify(net, eq.torus(8, 8), channels=channels).ledger
        assert kept.lost == kept.reason == ""
        assert lost.lost == "translations Z × Z → 2Z × Z; point group 4mm → 2mm"
        assert re.fullmatch(r"stride 2 at test_from\.py:\d+ \(every_second\)", lost.reason)
    (strided,) = eq.certify(from_linen(nn.Conv(2, (3, 3), 2)), eq.torus(8, 8), channels=1).ledger
    assert strided.reason == "stride 2×2; zero padding; a free kernel tells directions apart at Conv"
    declared = from_fn(every_second, symmetry=lambda field: field.fix_positions().collapse(maximum=False))
    assert eq.certify(declared, eq.torus(8, 8), channels=1).ledger[0].reason == "as its rule declares"
