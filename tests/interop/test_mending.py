"""Repairs of Flax models: what they compute, what they keep, and that the user's model stays as it is."""

import itertools
import threading
from collections import Counter
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.linen import pooling
from flax.linen.pooling import avg_pool, max_pool

import equinet as eq
from equinet.advise.edits import leaf_edits
from equinet.interop import pools
from equinet.interop.mending import pads_of
from equinet.readers import reader_of

SIZE = 8
T8 = eq.torus(SIZE, SIZE)


class Block(nn.Module):
    """A residual block, written with setup."""

    features: int

    def setup(self):
        self.first = nn.Conv(self.features, (3, 3), strides=2)
        self.norm = nn.BatchNorm(use_running_average=True)
        self.second = nn.Conv(self.features, (3, 3), padding=1, use_bias=False)
        self.shortcut = nn.Conv(self.features, (1, 1), strides=(2, 2))

    def __call__(self, x):
        return nn.relu(self.second(nn.relu(self.norm(self.first(inputs=x)))) + self.shortcut(x))


class Classifier(nn.Module):
    """A network with compact parts, told of training, that flattens its last map."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.relu(nn.Conv(4, (5, 5), kernel_dilation=1, name="stem")(x))
        x = Block(6)(x)
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(3, name="head")(x.reshape(x.shape[0], -1))


class NnxBlock(nnx.Module):
    def __init__(self, inputs, outputs, rngs):
        self.first = nnx.Conv(inputs, outputs, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, use_running_average=True, rngs=rngs)
        self.second = nnx.Conv(outputs, outputs, (3, 3), padding=[(1, 1), (1, 1)], rngs=rngs)
        self.shortcut = nnx.Conv(inputs, outputs, (1, 1), strides=2, rngs=rngs)

    def __call__(self, x):
        return nnx.relu(self.second(nnx.relu(self.norm(self.first(inputs=x)))) + self.shortcut(x))


class NnxClassifier(nnx.Module):
    def __init__(self, rngs):
        self.body = nnx.Sequential(nnx.Conv(2, 4, (5, 5), rngs=rngs), nnx.relu, NnxBlock(4, 6, rngs))
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(6 * (SIZE // 4) ** 2, 3, rngs=rngs)

    def __call__(self, x):
        x = self.drop(nnx.max_pool(self.body(x), (2, 2), strides=(2, 2)))
        return self.head(x.reshape(x.shape[0], -1))


def linen_model():
    model, x = Classifier(), jnp.ones((1, SIZE, SIZE, 2))
    return model.bind(drawn(jax.jit(model.init)(jax.random.key(0), x)))


def nnx_model():
    model = NnxClassifier(nnx.Rngs(0))
    model.eval()
    nnx.update(model, drawn(nnx.state(model, nnx.Param)))
    return model


def drawn(variables):
    """No weight is 0 or 1, which would hide what it does."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda v: jnp.asarray(v + 0.1 * np.abs(rng.normal(size=v.shape)), v.dtype), variables)


MODELS = {"linen": linen_model, "nnx": nnx_model}


def variables_of(model):
    return model.variables if isinstance(model, nn.Module) else nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))


def images(seed=0, size=SIZE):
    return np.random.default_rng(seed).normal(size=(3, size, size, 2)).astype(np.float32)


def run(model, x):
    """The model's output, by one program."""
    return np.asarray(jax.jit(lambda x: model(x))(x))


def edited(model, *numbers):
    """The model with some of the rules followed wherever they can be."""
    reader: Any = reader_of(model)
    editor = reader.editor(model, (1, 2, SIZE, SIZE))
    for rule in (editor.rules[number][0] for number in numbers):
        model = editor.rewrite(model, lambda path, part, where, rule=rule: rule(part, where))
    return model


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_suggestions_hold_for_every_shift_and_keep_the_weights(name):
    model = MODELS[name]()
    before, was = jax.tree.map(np.array, variables_of(model)), run(model, images())
    found = eq.suggest(model, T8, "4Z × 4Z", 2, of="invariance", limit=1)
    each: Any = found[0]
    assert each.edits[0].startswith("circular padding in Conv (layer ") and each.edits[0].count("Conv (layer") == 3
    assert each.edits[1].startswith("the mean over all nodes, at each of them, before ") and "head" in each.edits[1]
    assert str(each.certificate.invariance) == "4Z × 4Z (p1, index 16)" and each.report.passed
    assert each.expense.parameters[0] == each.expense.parameters[1]
    report = eq.verify(each.net, each.certificate, mode="sweep", shifts_only=True, key=1, dtype=jnp.float64)
    assert report.sound, report
    assert not eq.verify(model, each.certificate, key=0, dtype=jnp.float64).passed  # as it was it lacks them
    for kept in (variables_of(each.net), variables_of(model)):
        assert jax.tree.structure(before) == jax.tree.structure(kept)
        assert all(map(np.array_equal, jax.tree.leaves(before), jax.tree.leaves(kept)))
    assert np.array_equal(run(model, images()), was) and not np.allclose(run(each.net, images()), was)


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_a_mended_model_computes_what_its_edits_say(name):
    """Around the torus it gives, at its place, what it gave inside an image that is repeated; and a mean before a
    dense layer makes that its mean over all shifts of the flattened map."""
    body = {"linen": lambda: Block(6).bind(drawn(jax.jit(Block(6).init)(jax.random.key(0), images()))),
            "nnx": lambda: NnxBlock(2, 6, nnx.Rngs(0))}[name]()  # fmt: skip
    around, x = edited(body, 0), images()
    large = run(body, np.tile(x, (1, 5, 5, 1)))[:, SIZE : SIZE + SIZE // 2, SIZE : SIZE + SIZE // 2]
    np.testing.assert_allclose(run(around, x), large, atol=1e-5)
    assert np.abs(run(body, x) - large).max() > 1e-3

    class Flat(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(3)(nn.Conv(2, (1, 1))(x).reshape(x.shape[0], -1))

    class NnxFlat(nnx.Module):
        def __init__(self, rngs):
            self.conv, self.head = nnx.Conv(2, 2, 1, rngs=rngs), nnx.Linear(2 * SIZE**2, 3, rngs=rngs)

        def __call__(self, x):
            return self.head(self.conv(x).reshape(x.shape[0], -1))

    flat = {
        "linen": lambda: Flat().bind(jax.jit(Flat().init)(jax.random.key(0), x)),
        "nnx": lambda: NnxFlat(nnx.Rngs(0)),
    }[name]()
    shifts = itertools.product(range(SIZE), range(SIZE))
    shifted = np.concatenate([np.roll(x, shift, (1, 2)) for shift in shifts])
    mean = run(flat, shifted).reshape(SIZE**2, len(x), -1).mean(0)
    np.testing.assert_allclose(run(edited(flat, 1), x), mean, atol=1e-5)
    assert np.abs(run(flat, x) - mean).max() > 1e-3


@pytest.mark.parametrize("padding", ["SAME", "VALID", "REFLECT", "CIRCULAR", 2, [(1, 0), (2, 3)], (1, 2)])
@pytest.mark.parametrize("strides", [1, 2, (1, 3)])
def test_the_padded_map_gives_as_many_nodes_as_flax_makes(padding, strides):
    conv = nn.Conv(1, (4, 3), strides=strides, kernel_dilation=(1, 2), padding=padding)
    sizes = jax.eval_shape(lambda x: conv.init_with_output(jax.random.key(0), x)[0], jnp.ones((1, 12, 12, 1))).shape
    step = (strides,) * 2 if isinstance(strides, int) else strides
    ends = zip(pads_of(conv, (12, 12)), (4, 5), step, strict=True)
    assert sizes[1:3] == tuple((12 + sum(pad) - k) // s + 1 for pad, k, s in ends)


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_the_nodes_that_the_data_choose_win_all_shifts(name):
    """Of every image it computes what the circular network does of one of its shifts, of all shifts the same."""
    model = MODELS[name]()
    adaptive, around = edited(model, 2, 1), edited(model, 0, 1)
    certificate = eq.infer(adaptive, T8, 2)
    assert str(certificate.invariance) == "Z × Z (p1, index 1)"
    assert eq.verify(adaptive, certificate, key=0, dtype=jnp.float64).passed
    assert not eq.verify(around, certificate, key=0, dtype=jnp.float64).passed
    shifts = itertools.product(range(4), range(4))
    shifted = jnp.concatenate([jnp.roll(images()[:1], shift, (1, 2)) for shift in shifts])
    found, known = adaptive(shifted), around(shifted)
    np.testing.assert_allclose(found, jnp.broadcast_to(found[:1], found.shape), atol=1e-5)
    assert jnp.abs(known - found[:1]).max(-1).min() < 1e-5
    assert jnp.abs(known - known[:1]).max() > 1e-3
    kept = [jax.tree.leaves_with_path(variables_of(each)) for each in (model, adaptive)]
    assert [path for path, _ in kept[0]] == [path for path, _ in kept[1]]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(*kept, strict=True))


def pooled(x):
    """A pool in a function that jit keeps, and one that divides by how many nodes each window has."""
    return avg_pool(KEPT(x), (3, 3), (2, 2), "SAME", count_include_pad=False)


KEPT = jax.jit(lambda x: max_pool(x, (3, 3), (1, 1), "SAME"))


class Pooled(nn.Module):
    @nn.compact
    def __call__(self, x):
        return self.inner(nn.Conv(2, (1, 1))(x))

    def inner(self, x):
        return pooled(x)


class NnxPooled(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 2, (1, 1), rngs=rngs)

    def __call__(self, x):
        return pooled(self.conv(x))


@pytest.fixture
def lenient():
    """Flax divides real numbers by whole ones."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def pooled_model(name):
    variables = Pooled().init(jax.random.key(0), images())
    return Pooled().bind(variables) if name == "linen" else NnxPooled(nnx.Rngs(0))


@pytest.mark.thorough
@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("name", MODELS)
def test_pools_go_around_and_the_model_as_it_was_does_not(name):
    model, x = pooled_model(name), images()
    was, tiled = model(x), jnp.tile(x, (1, 5, 5, 1))
    large = model(tiled)[:, SIZE : SIZE + SIZE // 2, SIZE : SIZE + SIZE // 2]
    around = edited(model, 0)
    for _ in range(2):  # what jit has kept of one is not taken for the other
        np.testing.assert_allclose(around(x), large, atol=1e-5)
        assert np.array_equal(model(x), was) and np.abs(was - large).max() > 1e-2
    certificate = eq.infer(around, T8, 2)
    assert str(certificate.strict.lattice) == "2Z × 2Z"
    assert eq.verify(around, certificate, key=0, dtype=jnp.float64).passed
    assert not eq.verify(model, certificate, key=0, dtype=jnp.float64).passed
    assert str(eq.infer(model, T8, 2).strict.lattice) == "8Z × 8Z"


@pytest.mark.thorough
@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("name", MODELS)
def test_pools_choose_the_nodes_that_they_keep(name):
    certificate = eq.infer(edited(pooled_model(name), 2), T8, 2)
    assert str(certificate.orbit.lattice) == "Z × Z" and str(certificate.strict.lattice) == "2Z × 2Z"
    assert eq.verify(edited(pooled_model(name), 2), certificate, key=0, dtype=jnp.float64).passed


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("name", MODELS)
def test_what_a_mean_counts_its_nodes_by_is_no_pool_of_its_own(name):
    """It is named once, and is edited where the mean is."""
    model = pooled_model(name)
    reader: Any = reader_of(model)
    for edit in leaf_edits(model, reader.editor(model, (1, 2, SIZE, SIZE))):
        assert Counter(text for _, text in edit.paths) == {"max_pool": 1, "avg_pool": 1}, edit
    x, alone = jnp.ones((1, SIZE, SIZE, 2)), edited(NnxPooled(nnx.Rngs(0)), 0)
    assert np.ptp(alone(x), axis=(1, 2)).max() < 1e-6


def test_pools_are_met_in_their_own_thread_and_no_longer_than_asked():
    seen, x, own = [], images(), pooling.pool

    def meet(windows, x, compute):
        seen.append(windows.name)
        return compute(x)

    def beside():
        for _ in range(20):
            max_pool(x, (2, 2))

    thread = threading.Thread(target=beside)
    with pools.intercepted(meet, "outer"), pools.intercepted(meet, "inner"):
        thread.start()
        max_pool(x, (2, 2))
        thread.join()
    assert seen == ["max_pool", "max_pool"]
    with pytest.raises(RuntimeError, match="it ends"), pools.intercepted(meet, "fails"):
        raise RuntimeError("it ends")
    assert pooling.pool is own


@pytest.mark.thorough
def test_a_part_that_keeps_what_its_model_chooses_does_not_run_alone():
    with pytest.raises(ValueError, match="call the model, not its parts"):
        edited(nnx_model(), 2).body(images())


class Own(nn.Conv):
    """A convolution that computes otherwise than its class says."""

    def __call__(self, x):
        return super().__call__(x) * jnp.arange(x.shape[2], dtype=x.dtype).reshape(1, 1, -1, 1)


@pytest.mark.thorough
def test_what_computes_otherwise_is_left_alone_and_its_lack_is_said():
    model = Own(2, (3, 3)).bind(jax.jit(Own(2, (3, 3)).init)(jax.random.key(0), images()))
    assert edited(model, 0) is model
    found = eq.suggest(model, T8, "2Z × 2Z", 2)
    assert found == [] and found.lack and found.lack.reason


@pytest.mark.thorough
def test_a_model_without_values_is_repaired_unmeasured():
    found = eq.suggest(Block(4), T8, "2Z × 2Z", 2, measure=False)
    assert str(found[0].certificate.strict) == "2Z × 2Z (p1, index 4)" and found[0].report is None
    names = jax.tree.structure(jax.eval_shape(Block(4).init, jax.random.key(0), images()))
    assert jax.tree.structure(jax.eval_shape(found[0].net.init, jax.random.key(0), images())) == names
    with jax.numpy_dtype_promotion("standard"), pytest.raises(ValueError, match="has no values: bind its variables"):
        eq.suggest(Block(4), T8, "2Z × 2Z", 2)
