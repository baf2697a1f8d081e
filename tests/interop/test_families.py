"""Models of JAX's libraries, each asked as it is: the same network in all of them has the same group and like rows."""

import os
import threading
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import equinet as eq
from equinet.cli import query
from equinet.interop import as_layer
from equinet.interop.family import named_calls
from equinet.readers import reader_of
from tests.scripts.lines import run_line

TORUS, PLANE = eq.torus(8, 8), eq.plane(2)


@pytest.fixture(autouse=True)
def _as_other_libraries_compute():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.Conv(4, (3, 3), padding="CIRCULAR", name="conv")(x)
        x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
        return nn.Dropout(0.5, deterministic=not train)(nn.relu(x))


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = False):
        x = Block(name="block")(x, train)
        return nn.Conv(3, (2, 2), (2, 2), name="down")(x)


class NnxBlock(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), padding="CIRCULAR", rngs=rngs)
        self.norm, self.drop = nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(nnx.relu(self.norm(self.conv(x))))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.block, self.down = NnxBlock(rngs), nnx.Conv(4, 3, (2, 2), (2, 2), rngs=rngs)

    def __call__(self, x):
        return self.down(self.block(x))


def linen():
    return LinenNet()


def linen_with_values():
    return LinenNet().bind(LinenNet().init(jax.random.key(0), jnp.zeros((1, 8, 8, 3))))


def nnx_net():
    net = NnxNet(nnx.Rngs(0))
    net.eval()
    return net


def nnx_without_values():
    net = nnx.eval_shape(lambda: NnxNet(nnx.Rngs(0)))
    net.eval()
    return net


def equinox_net():
    eqx: Any = pytest.importorskip("equinox", reason="equinox is not installed")

    class EqxBlock(eqx.Module):
        conv: Any
        drop: Any

        def __call__(self, x):
            return self.drop(jax.nn.relu(self.conv(x)))

    class EqxNet(eqx.Module):
        block: EqxBlock
        down: Any

        def __call__(self, x):
            return self.down(self.block(x))

    one, two = jax.random.split(jax.random.key(0))
    conv = eqx.nn.Conv2d(3, 4, 3, padding="SAME", padding_mode="CIRCULAR", key=one)
    net = EqxNet(EqxBlock(conv, eqx.nn.Dropout(0.5)), eqx.nn.Conv2d(4, 3, 2, 2, key=two))
    return eqx.nn.inference_mode(net)


def haiku_net():
    hk = pytest.importorskip("haiku", reason="dm-haiku is not installed")

    def net(x, is_training):
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
        x = hk.BatchNorm(True, True, 0.9, name="norm")(hk.Conv2D(4, 3, padding="VALID", name="conv")(x), is_training)
        x = hk.dropout(hk.next_rng_key(), 0.5, x) if is_training else x
        return hk.Conv2D(3, 2, 2, padding="VALID", name="down")(jax.nn.relu(x))

    return hk.transform_with_state(net)


def keras_net():
    keras = pytest.importorskip("keras", reason="keras is not installed")
    layers = keras.layers

    class Wrap(layers.Layer):
        def call(self, x):
            return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")

    parts = [
        keras.Input((8, 8, 3)), Wrap(), layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="norm"),
        layers.ReLU(), layers.Dropout(0.5), layers.Conv2D(3, 2, 2, name="down"),
    ]  # fmt: skip
    return keras.Sequential(parts, name="net")


NETS = [linen, linen_with_values, nnx_net, nnx_without_values, equinox_net, haiku_net, keras_net]
WITH_VALUES = [linen_with_values, nnx_net, equinox_net, keras_net]


@pytest.mark.parametrize("make", NETS)
def test_each_is_asked_as_it_is(make):
    net = make()
    for domain in (TORUS, PLANE):
        if domain == PLANE and make is keras_net:
            continue  # it is made for one size
        found = eq.infer(net, domain, 3, size=8)
        assert str(found.strict) == "2Z × 2Z (p1, index 4)"
    places = {part for row in eq.infer(net, TORUS, 3).ledger for part in ".".join(row.path).split(".")}
    assert {"conv", "down"} <= places
    assert str(eq.infer(net, eq.torus(6, 8) if make is not keras_net else TORUS, 3).strict).startswith("2Z × 2Z")


@pytest.mark.parametrize("make", WITH_VALUES)
def test_what_has_values_is_measured_as_it_is_and_runs_as_a_layer(make):
    net = make()
    certificate = eq.infer(net, TORUS, 3)
    assert eq.verify(net, certificate, key=0).passed
    assert not eq.verify(net, eq.infer(lambda x: x[:, ::2, ::2], TORUS, 3), key=0).passed
    layer = as_layer(net)
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    reader = reader_of(net)
    assert reader is not None and reader.in_jax
    expected = reader.as_function(net, jnp.float32)(x)
    if make is not linen_with_values:
        np.testing.assert_allclose(layer.apply(layer.init(0, (8, 8, 3)), x), expected, atol=1e-5)
    assert expected.shape == (2, 4, 4, 3)


@pytest.mark.parametrize("make", NETS)
def test_legal_sizes_by_reading_it_again(make):
    if make is keras_net:
        pytest.skip("it is made for one size")
    assert eq.legal_sizes(make(), "2Z × 2Z", range(6, 11), channels=3).sizes == (6, 8, 10)


def test_what_is_missing_is_said():
    class NeedsMask(nn.Module):
        @nn.compact
        def __call__(self, x, mask):
            return x * mask

    class Draws(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x + jax.random.normal(self.make_rng("noise"), x.shape)

    net = nnx_net()
    net.train()
    for model, text in (
        (NeedsMask(), "NeedsMask cannot run on an array of shape .* missing 1 required positional argument: 'mask'"),
        (nn.Sequential([nn.BatchNorm()]), "Sequential cannot run .* in evaluation mode: .*use_running_average"),
        (Draws(), "Draws cannot run .* needs PRNG for .noise."),
        (net, "NnxNet runs in training mode: its part block.drop does; call model.eval"),
    ):
        with pytest.raises(ValueError, match=text) as found:
            eq.infer(model, TORUS, 3)
        assert "\n" not in str(found.value)
    with pytest.raises(ValueError, match=r"LinenNet has no values: bind its variables, module.bind"):
        eq.verify(linen(), eq.infer(linen(), TORUS, 3), key=0)


def test_what_is_missing_is_said_of_equinox_and_haiku():
    hk, eqx = pytest.importorskip("haiku"), pytest.importorskip("equinox")
    with pytest.raises(ValueError, match="EqxNet runs in training mode: its part block.drop does; use equinox.nn"):
        eq.infer(eqx.nn.inference_mode(equinox_net(), False), TORUS, 3)
    draws = hk.transform(lambda x: x + jax.random.normal(hk.next_rng_key(), x.shape))
    with pytest.raises(ValueError, match="Transformed cannot run .* in evaluation mode: MissingRNGError"):
        eq.infer(draws, TORUS, 3)


def test_classes_are_their_own_again_whichever_thread_ends_first():
    class Part:
        def __call__(self, x):
            return x + 1

    part, own, entered, leave = Part(), Part.__call__, threading.Event(), threading.Event()

    def beside():
        with named_calls([("beside", part)]):
            entered.set()
            leave.wait()

    def scope():
        return str(jax.make_jaxpr(lambda x: part(x))(1.0).eqns[0].source_info.name_stack)

    thread = threading.Thread(target=beside, daemon=True)
    thread.start()
    entered.wait()
    with named_calls([("block.part", part)]):
        assert scope() == "block/part"
        leave.set()
        thread.join()
        assert scope() == "block/part"
        with named_calls([("inner", part)]):
            assert scope() == "inner"
    assert Part.__call__ is own and scope() == ""


def test_published_models_of_keras_by_name(tmp_path):
    pytest.importorskip("keras", reason="keras is not installed")
    done = run_line(query, ("--keras=MobileNetV2", "--domain=plane", "--size=64"), tmp_path)
    assert (done.status, done.err) == (0, "") and "strict      32Z × 32Z (p1, index 1024)" in done.out, done
    done = run_line(query, ("--keras=MobileNetV3",), tmp_path)
    assert done.status == 2 and "did you mean MobileNetV2" in done.err, done


def test_a_model_of_transformers_is_asked_as_it_is():
    if not find_spec("transformers"):
        pytest.skip("transformers is not installed")
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "FlaxResNetModel"):
        pytest.skip("this version of transformers has no Flax models")
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic", num_labels=3
    )
    for start in (True, False):
        net = transformers.FlaxResNetModel(config, input_shape=(1, 32, 32, 3), _do_init=start)
        found = eq.infer(net, PLANE, 3, size=32, output="last_hidden_state")
        assert (str(found.strict), found.fibre) == ("8Z × 8Z (p1, index 64)", 8)
        assert any(row.index.endswith("encoder.stages.1.layers.0.shortcut.convolution") for row in found.ledger)


def test_no_library_is_imported_that_no_model_comes_from():
    assert reader_of(lambda x: x) is None
    assert reader_of(np.zeros(3)) is None
