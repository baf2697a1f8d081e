"""Weights in and out where they do not fit, or only seem to: an error that names both, and no wrong answer."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import equinet as eq
from equinet.interop.torch.weights import from_state, read_weights, to_state

RANDOM = np.random.default_rng(0)


def values(*shape, dtype=np.float32):
    return RANDOM.normal(size=shape).astype(dtype)


def norm(name, count):
    return {
        f"{name}.weight": values(count), f"{name}.bias": values(count), f"{name}.running_mean": values(count),
        f"{name}.running_var": np.abs(values(count)) + 0.5, f"{name}.num_batches_tracked": np.array(7),
    }  # fmt: skip


def conv(name, outputs, inputs, *kernel, bias=True):
    return {f"{name}.weight": values(outputs, inputs, *kernel)} | ({f"{name}.bias": values(outputs)} if bias else {})


def dense(name, outputs, inputs):
    return {f"{name}.weight": values(outputs, inputs), f"{name}.bias": values(outputs)}


def convolved(x, state, name, **options):
    """What PyTorch's definition of a convolution gives, channels in front."""
    weight = state[f"{name}.weight"]
    strides = (1,) * (weight.ndim - 2)
    y = lax.conv_general_dilated(x, weight, strides, [(n // 2, n // 2) for n in weight.shape[2:]], **options)
    bias = state.get(f"{name}.bias", np.zeros(len(weight), np.float32))
    return y + bias.reshape(1, -1, *(1,) * (weight.ndim - 2))


def normed(x, state, name):
    shape = (1, -1, *(1,) * (x.ndim - 2))
    weight, bias, mean, var = (state[f"{name}.{own}"].reshape(shape) for own in
                               ("weight", "bias", "running_mean", "running_var"))  # fmt: skip
    return (x - mean) / np.sqrt(var + np.float32(1e-5)) * weight + bias


def full(x, state, name):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"].reshape(1, -1)


def flat(x):
    return x.reshape(len(x), -1)


ZERO = {"padding": "zero_lower"}
COMPUTED = {
    "depthwise": (
        eq.Sequential(eq.Conv(8, 3, groups=4, **ZERO)), conv("conv1", 8, 1, 3, 3), (6, 5, 4),
        lambda x, s: convolved(x, s, "conv1", feature_group_count=4),
    ),
    "grouped, as many in as out": (
        eq.Sequential(eq.Conv(6, 3, groups=2, bias=False, **ZERO)), conv("conv1", 6, 3, 3, 3, bias=False), (5, 5, 6),
        lambda x, s: convolved(x, s, "conv1", feature_group_count=2),
    ),
    "a kernel of two sizes": (
        eq.Sequential(eq.Conv(4, (3, 5), **ZERO)), conv("conv1", 4, 4, 3, 5), (6, 6, 4),
        lambda x, s: convolved(x, s, "conv1"),
    ),
    "one axis": (
        eq.Sequential(eq.Conv(3, 3, **ZERO)), conv("conv1", 3, 3, 3), (7, 3), lambda x, s: convolved(x, s, "conv1"),
    ),
    "three axes": (
        eq.Sequential(eq.Conv(2, 3, **ZERO)), conv("conv1", 2, 2, 3, 3, 3), (4, 3, 5, 2),
        lambda x, s: convolved(x, s, "conv1"),
    ),
    "a norm between the map that is flattened and a dense layer": (
        eq.Sequential(eq.Conv(2, 1), eq.Flatten(), eq.BatchNorm(), eq.Dense(5)),
        conv("conv1", 2, 3, 1, 1) | norm("bn1", 24) | dense("fc", 5, 24), (3, 4, 3),
        lambda x, s: full(normed(flat(convolved(x, s, "conv1")), s, "bn1"), s, "fc"),
    ),
    "as many values out of a dense layer as in": (
        eq.Sequential(eq.Flatten(), eq.Dense(24), eq.Dense(24)), dense("fc1", 24, 24) | dense("fc2", 24, 24), (3, 4, 2),
        lambda x, s: full(full(flat(x), s, "fc1"), s, "fc2"),
    ),
    "a scale after a norm": (
        eq.Sequential(eq.Conv(3, 3, **ZERO), eq.BatchNorm()),
        conv("blocks.0.conv1", 3, 3, 3, 3) | norm("blocks.0.bn1", 3) | {"blocks.0.gamma": values(3)}, (5, 4, 3),
        lambda x, s: s["blocks.0.gamma"].reshape(1, -1, 1, 1)
        * normed(convolved(x, s, "blocks.0.conv1"), s, "blocks.0.bn1"),
    ),
    "weights that are not contiguous, in order of another language, and of two precisions": (
        eq.Sequential(eq.Conv(4, 3, **ZERO)),
        {"conv1.weight": np.asfortranarray(values(8, 4, 3, 3)[::2]).astype(np.float64), "conv1.bias": values(8)[::-2]},
        (5, 5, 4), lambda x, s: convolved(x, {k: v.astype(np.float32) for k, v in s.items()}, "conv1"),
    ),
    "a convolution of one tap for a dense layer": (
        eq.Sequential(eq.GlobalAvgPool(), eq.Dense(5)), {"fc.weight": values(5, 4, 1, 1), "fc.bias": values(5)},
        (3, 3, 4),
        lambda x, s: full(x.mean((2, 3)), {k: v.reshape(v.shape[:2]) for k, v in s.items()}, "fc"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPUTED)
def test_what_goes_in_computes_what_it_did_and_comes_out_again(name):
    net, state, shape, compute = COMPUTED[name]
    variables = from_state(net, state, shape)
    x = values(2, *shape)
    found = net.apply(variables, jnp.asarray(x))
    known = compute(jnp.moveaxis(jnp.asarray(x), -1, 1), state)
    np.testing.assert_allclose(found, jnp.moveaxis(known, 1, -1), atol=1e-4)
    assert np.std(known) > 0.1
    back = to_state(net, variables, state, shape)
    assert {name: (value.shape, value.dtype) for name, value in back.items()} == {
        name: (value.shape, value.dtype) for name, value in state.items()
    }
    again = from_state(net, back, shape)
    assert all(map(np.array_equal, jax.tree.leaves(again), jax.tree.leaves(variables)))
    if not any(name.endswith("gamma") for name in state):
        for own, value in back.items():
            if not own.endswith("num_batches_tracked"):
                np.testing.assert_array_equal(value, state[own].astype(np.float32))


PLAIN = eq.Sequential(eq.Conv(4, 3, **ZERO), eq.BatchNorm(), eq.GlobalAvgPool(), eq.Dense(3))
SHAPE = (6, 6, 2)
STATE = conv("conv1", 4, 2, 3, 3) | norm("bn1", 4) | dense("fc", 3, 4)


def without(*names):
    return {name: value for name, value in STATE.items() if name not in names}


REFUSED = {
    "names of two modules exchanged": (
        {name.replace("conv1", "?").replace("fc", "conv1").replace("?", "fc"): v for name, v in STATE.items()},
        "layer 0 and conv1: bias has shape",
    ),
    "no statistics": (without("bn1.running_var"), "there is no bn1.running_var for variance"),
    "no bias": (without("fc.bias"), "there is no fc.bias for bias"),
    "one module less": (without("fc.bias", "fc.weight"), "3 layers with weights, and the weights are of 2 modules"),
    "one more": (STATE | dense("fc2", 3, 3), "3 layers with weights, and the weights are of 4 modules"),
    "what the file has besides": (STATE | {"optimizer": values(3)}, "the weights are of 4 modules"),
    "an array besides": (STATE | {"fc.mask": values(3, 4)}, "layer 3 has nothing for fc.mask"),
    "a prefix": ({f"module.{n}": v for n, v in STATE.items()}, "does not say when it is used"),
    "a bias of as many values in rows": (STATE | {"conv1.bias": values(2, 2)}, "bias has shape"),
    "a transposed matrix": (STATE | {"fc.weight": values(4, 3)}, "kernel has shape"),
    "whole numbers": (STATE | {"fc.weight": np.ones((3, 4), np.int8)}, "of floating point; got int8 at 'fc.weight'"),
    "complex ones": (STATE | {"fc.bias": values(3).astype(np.complex64)}, "of floating point; got complex64"),
    "more channels in": (STATE | {"conv1.weight": values(4, 3, 3, 3)}, "kernel has shape"),
    "a scale of nothing": (STATE | {"blocks.0.gamma": values(4)}, "there is nothing in blocks.0"),
    "a checkpoint around the weights": ({"state_dict": STATE, "epoch": 3}, "arrays by their names"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_weights_that_do_not_fit_are_refused(name):
    state, text = REFUSED[name]
    with pytest.raises((eq.LayerError, ValueError), match=text) as found:
        from_state(PLAIN, state, SHAPE)
    assert "\n" not in str(found.value)


VARIABLES = from_state(PLAIN, STATE, SHAPE)
UNFIT = {
    "a bias that the network has not": (STATE | {"fc.mask": values(3)}, "layer 3 has nothing for fc.mask"),
    "a transposed matrix": (STATE | {"fc.weight": values(4, 3)}, "kernel does not fit fc.weight"),
    "rows of as many values": (STATE | {"fc.weight": values(2, 6)}, "kernel does not fit fc.weight"),
    "no place for statistics": (without("bn1.running_mean"), "mean does not fit bn1.running_mean"),
    "another width": (STATE | {"conv1.weight": values(8, 2, 3, 3)}, "kernel does not fit conv1.weight"),
    "whole numbers": (STATE | {"fc.weight": np.ones((3, 4), np.int8)}, "of floating point; got int8"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_places_that_do_not_fit_are_refused(name):
    like, text = UNFIT[name]
    with pytest.raises((eq.LayerError, ValueError), match=text):
        to_state(PLAIN, VARIABLES, like, SHAPE)


def test_a_bias_that_the_network_lacks_is_not_made_up():
    net = eq.Sequential(eq.Conv(4, 3, bias=False, **ZERO))
    variables = net.init(0, SHAPE)
    with pytest.raises(eq.LayerError, match="layer 0 has nothing for conv1.bias"):
        to_state(net, variables, conv("conv1", 4, 2, 3, 3), SHAPE)


def test_variables_of_another_network_are_refused():
    other = eq.Sequential(eq.Conv(5, 3, **ZERO), eq.BatchNorm(), eq.GlobalAvgPool(), eq.Dense(3)).init(0, SHAPE)
    for variables in (other, {"params": VARIABLES["params"]}, VARIABLES["params"]):
        with pytest.raises(eq.LayerError, match="the variables are not those that the network has"):
            to_state(PLAIN, variables, STATE, SHAPE)


def test_layers_that_compute_otherwise_take_no_weights():
    """PyTorch's transposed convolution has inputs before outputs, and a dense layer may read a map beside others."""
    up = eq.Sequential(eq.ConvTranspose(4, 3, bias=False))
    with pytest.raises(eq.LayerError, match="layer 0 is a ConvTranspose: weights of other networks go into"):
        from_state(up, conv("conv1", 4, 4, 3, 3, bias=False), (6, 6, 4))
    beside = eq.Sequential(eq.Parallel(eq.Flatten(), eq.GlobalAvgPool(), join="concat"), eq.Dense(3))
    with pytest.raises(eq.LayerError, match=r"after a flattened map of shape \(2, 3, 4\); its weights are for 28"):
        from_state(beside, dense("fc", 3, 28), (2, 3, 4))


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_comes_in_and_goes_out(dtype, tmp_path):
    halves = {name: v if name.endswith("tracked") else v.astype(dtype) for name, v in STATE.items()}
    variables = from_state(PLAIN, halves, SHAPE)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(variables["params"]["3_dense"]["bias"], halves["fc.bias"].astype(np.float32))
    back = to_state(PLAIN, variables, halves, SHAPE)
    wanted = np.float16 if dtype == np.float16 else np.float32
    assert {back[name].dtype for name in back if not name.endswith("tracked")} == {np.dtype(wanted)}
    np.testing.assert_array_equal(back["conv1.weight"].astype(dtype), halves["conv1.weight"])
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(halves, tmp_path / "halves.safetensors", metadata={"format": "pt"})
    read = read_weights(tmp_path / "halves.safetensors")
    assert read["fc.bias"].dtype == dtype and all(np.array_equal(read[name], halves[name]) for name in halves)


def test_values_that_want_only_shapes_need_none():
    like = {name: SimpleNamespace(shape=value.shape, dtype=value.dtype) for name, value in STATE.items()}
    back = to_state(PLAIN, VARIABLES, like, SHAPE)
    assert all(np.array_equal(back[name], STATE[name]) for name in STATE if not name.endswith("tracked"))
