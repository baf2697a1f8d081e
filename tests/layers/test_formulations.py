"""The formulations that layers use, chosen for speed, against the textbook's in float64: values and gradients."""

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.layers.base import LayerError
from equinet.symmetry.windows import binomial, pad_table
from tests.compiled import init

PADDINGS = ("circular", "zero", "zero_lower", "valid", "reflect", "edge", 1)
SIZES = ((6, 7), (9,))


def _padded(x, layer, fill):
    """x padded by a gather, on every axis."""
    windows = layer.windows(x.shape[1:])
    for axis, (window, n) in enumerate(zip(windows, x.shape[1:-1], strict=True), start=1):
        if window.mode == "zero":
            widths = [(0, 0)] * x.ndim
            widths[axis] = window.border(n)
            x = jnp.pad(x, widths, constant_values=fill)
        else:
            lo, hi = window.border(n)
            x = jnp.take(x, pad_table(n, lo, hi, window.mode), axis)
    return x


def _reduced(x, layer, combine, start, size):
    dim = x.ndim - 2
    window, strides = (1, *(size,) * dim, 1), (1, *(layer.stride,) * dim, 1)
    return jax.lax.reduce_window(_padded(x, layer, start), start, combine, window, strides, "VALID")


def _convolved(x, kernel, layer):
    letters = "DHW"[-(x.ndim - 2) :]
    spec = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    strides, dilations = (layer.stride,) * (x.ndim - 2), (layer.dilation,) * (x.ndim - 2)
    return jax.lax.conv_general_dilated(
        _padded(x, layer, 0.0), kernel, strides, "VALID", None, dilations, spec, feature_group_count=layer.groups
    )


def _generic(fn, args):
    """A function's value, and the gradient of a generic function of it."""

    def value(*args):
        y = fn(*args)
        return (jnp.sin(y) * jnp.arange(y.size, dtype=y.dtype).reshape(y.shape)).sum(), y

    return jax.value_and_grad(value, tuple(range(len(args))), has_aux=True)(*args)


def _compare(cases):
    """Same value and same gradient of a generic function of it, for all cases `(name, one, other, arguments)`.

    One program computes all of one side: compiling many takes three times as long. The sides have a program each, so
    that what they share is computed twice.
    """
    names, ones, others, arguments = zip(*cases, strict=True)

    def each(functions):
        return jax.jit(lambda all_: [_generic(fn, args) for fn, args in zip(functions, all_, strict=True)])(arguments)

    for name, found, expected in zip(names, each(ones), each(others), strict=True):
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=name)


def _pooled(net, size):
    """The layer's function and the textbook's."""
    start, combine = (-jnp.inf, jax.lax.max) if isinstance(net, eq.MaxPool) else (0.0, jax.lax.add)

    def textbook(x):
        total = _reduced(x, net, combine, start, size)
        return total if isinstance(net, eq.MaxPool) else total / size ** (x.ndim - 2)

    return lambda x: net.apply({"params": {}, "state": {}}, x), textbook


def _blurred(net, size):
    conv = eq.Conv(2, size, stride=net.stride, padding=net.padding, groups=2)
    taps = np.asarray(binomial(size)) / 2.0 ** (size - 1)

    def textbook(x):
        kernel = taps if x.ndim == 3 else taps[:, None] * taps
        return _convolved(x, jnp.asarray(np.repeat(kernel[..., None, None], 2, -1)), conv)

    return lambda x: net.apply({"params": {}, "state": {}}, x), textbook


def _convolution(net, size):
    del size

    def ours(x, kernel):
        return net.apply({"params": {"kernel": kernel}, "state": {}}, x)

    return ours, lambda x, kernel: _convolved(x, kernel, net)


def _fits(net, sizes):
    try:
        net.output_shape((*sizes, 2))
    except eq.LayerError:
        return False
    return True


def _check(make, pair, sizes: Any, sides, least):
    """All paddings and windows: `make(window, padding)` is the layer, `pair` its function and the textbook's."""
    rng, cases = np.random.default_rng(0), []
    for grid, padding, side in product(sizes, PADDINGS, sides):
        pads = padding if isinstance(padding, str) else ((padding, 0),) * len(grid)
        net = make(side, pads)
        if not _fits(net, grid):
            continue
        args = [rng.standard_normal((2, *grid, 2))]
        if isinstance(net, eq.Conv):
            args.append(rng.standard_normal((*[side] * len(grid), 2 // net.groups, net.features)))
        cases.append((f"{net} on {grid}", *pair(net, side), args))
    assert len(cases) >= least
    with jax.enable_x64(True):
        _compare(cases)


STRIDES = [1, 2, 3]
DILATED = [(1, 1), (2, 1), (3, 1), (1, 2)]


@pytest.mark.thorough
@pytest.mark.parametrize("stride", STRIDES[:2])
def test_pools(stride):
    _check(lambda k, p: eq.MaxPool(k, stride=stride, padding=p), _pooled, SIZES[:1], (2, 3), 10)
    _check(lambda k, p: eq.AvgPool(k, stride=stride, padding=p), _pooled, SIZES[1:], (3,), 5)


def test_tiles_are_pooled_alike():
    _check(lambda k, p: eq.MaxPool(2, stride=2, padding=p), _pooled, ((6, 8),), (2,), 1)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_equal_entries_of_a_tile_share_its_derivative(dtype):
    gradient = jax.jit(jax.grad(lambda x: eq.MaxPool(20).apply({"params": {}, "state": {}}, x).sum()))
    shares = np.asarray(gradient(np.zeros((1, 20, 20, 1), dtype)), np.float64)
    np.testing.assert_allclose(shares, 1 / 400, rtol=1e-2)
    row = jax.jit(jax.grad(lambda x: eq.MaxPool(2).apply({"params": {}, "state": {}}, x).sum()))
    found = np.asarray(row(np.asarray([[[1.0], [1.0], [0.0], [3.0]]], dtype)))
    np.testing.assert_array_equal(found[0, :, 0], [0.5, 0.5, 0, 1])


P4 = eq.Fibre.regular("p4")
MAXIMA = {
    "tiles": eq.MaxPool(2),
    "windows": eq.MaxPool(3, stride=2, padding="circular"),
    "blurred": eq.MaxBlurPool(2),
    "global": eq.GlobalMaxPool(),
    "channels": eq.GroupPool(kind="max"),
    "cosets": eq.CosetPool("2"),
}


# What is blurred is fused with what reads it by XLA's older code generator, which fast runs use.
@pytest.mark.thorough
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "blurred")) for n in MAXIMA])
def test_a_derivative_finds_the_maximum_of_what_is_computed_before(name):
    """Compilers may round what a normalisation gives otherwise where the derivative reads it; without JIT none can."""
    if name == "global" and jax.__version_info__ < (0, 11):
        # With few optimisations these versions lose the barrier before they fuse a sum with what it reads.
        jax.config.update("jax_disable_most_optimizations", False)
    net = eq.Sequential(eq.GroupConv(P4, 1), eq.BatchNorm(), MAXIMA[name])
    x = np.random.default_rng(1).normal(size=(16, 8, 8, 4)).astype(np.float32)
    variables = init(net, 0, (8, 8, 4))
    scaled = jax.tree.map(lambda p: np.asarray(p) + np.float32(0.3), variables["params"])

    def loss(params, x):
        y, _ = net.apply({**variables, "params": params}, x, train=True)
        return jnp.square(y).sum()

    found = jax.jit(jax.grad(loss, (0, 1)))(scaled, x)
    with jax.disable_jit():
        expected = jax.grad(loss, (0, 1))(scaled, x)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.thorough
@pytest.mark.parametrize("stride", STRIDES[:2])
def test_blur(stride):
    _check(lambda k, p: eq.BlurPool(stride, size=k, padding=p), _blurred, SIZES[:1], (3, 4), 10)


@pytest.mark.thorough
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_convolutions(stride, dilation):
    _check(
        lambda k, p: eq.Conv(4, k, stride=stride, dilation=dilation, padding=p, groups=2, bias=False),
        _convolution,
        SIZES[:1],
        (1, 3),
        10,
    )


@pytest.mark.slow
@pytest.mark.parametrize("stride", STRIDES)
def test_all_windows_without_weights(stride):
    sizes = (*SIZES, (8, 5), (4, 4, 6))
    for make in (eq.MaxPool, eq.AvgPool):
        _check(lambda k, p, make=make: make(k, stride=stride, padding=p), _pooled, sizes, (1, 2, 3, 4), 80)
    _check(lambda k, p: eq.BlurPool(stride, size=k, padding=p), _blurred, sizes[:3], (1, 2, 3, 5), 50)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("stride", "dilation"), DILATED)
def test_all_windows_with_weights(stride, dilation, groups):
    make = lambda k, p: eq.Conv(4, k, stride=stride, dilation=dilation, padding=p, groups=groups, bias=False)  # noqa: E731
    _check(make, _convolution, (*SIZES, (8, 5), (4, 3, 4)), (1, 2, 3, 4), 60)


def test_edge_padding_of_many_nodes():
    x = np.random.default_rng(0).normal(size=(1, 5, 1)).astype(np.float32)
    layer = eq.Pad(((7, 20),), mode="edge")
    u = np.arange(32, dtype=np.float32)
    gradient = jax.jit(jax.grad(lambda x: (layer.apply({"params": {}, "state": {}}, x)[0, :, 0] * u).sum()))
    np.testing.assert_allclose(np.asarray(gradient(x))[0, :, 0], [u[:8].sum(), u[8], u[9], u[10], u[11:].sum()])


def test_a_maximum_of_nothing_but_padding_is_refused():
    for layer in (eq.MaxPool(2, stride=1, padding=((3, 3),)), eq.MaxBlurPool(1, window=2, padding=((3, 3),))):
        with pytest.raises(LayerError, match="holds nothing but padding"):
            layer.init(0, (8, 1))
