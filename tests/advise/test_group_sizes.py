"""The sizes at which a group network keeps the quarter turn of an image: what is claimed is what is measured."""

import jax
import numpy as np
import pytest

import equinet as eq
from tests.oracle import QUICKLY, _with_channels, random_weights

R, M = eq.Fibre.regular("4"), eq.Fibre.regular("4mm")
QUARTER = ((0, -1), (1, 0))


def conv(kernel, stride=1, padding="zero", out=R):
    return eq.GroupConv(out, kernel, stride=stride, padding=padding)


def stack(*layers):
    return eq.Sequential(*(part for layer in layers for part in (layer, eq.Tanh())))


STACKS = {
    "3, strides 2 2": stack(conv(3, 2), conv(3, 2)),
    "3, strides 2 2, centred padding": stack(conv(3, 2, ((1, 1), (1, 1))), conv(3, 2, ((1, 1), (1, 1)))),
    "2, stride 2, valid": stack(conv(3), conv(2, 2, "valid"), conv(2, 2, "valid")),
    "3, stride 3, circular": stack(conv(3, 3, "circular", M), conv(3, 1, "circular", M)),
    "5 and 4, strides 2 1, edge": stack(conv(5, 2, "edge"), conv(4, 1, "valid")),
    "3, stride 2, reflect, pooled": eq.Sequential(
        stack(conv(3, 2, "reflect")), eq.MaxPool(3, stride=2), eq.GroupPool()
    ),
    "arrows, stride 2": stack(conv(3, 2, out=eq.Fibre.vector("4mm")), conv(3, 2, "valid", eq.Fibre.vector("4"))),
    "pooled shortcut": eq.Residual(
        stack(conv(3, 2, ((1, 1), (1, 1)))), shortcut=eq.Sequential(eq.AvgPool(2, stride=2, padding="zero"), conv(1))
    ),
    "aligned shortcut": eq.Residual(
        stack(conv(3, 2, ((1, 1), (1, 1)))),
        shortcut=eq.Sequential(eq.AvgPool(3, stride=2, padding=((1, 1), (1, 1))), conv(1)),
    ),
    "down and up": eq.Sequential(stack(conv(2, 2, "valid")), eq.GroupConvTranspose(R, 2, stride=2, padding="valid")),
    "invariant": eq.Sequential(stack(conv(3, 2), conv(3, 2)), eq.GroupPool(kind="norm"), eq.GlobalAvgPool()),
}


def measured(net, n, rng):
    """Whether the outputs for an image and for its turned copy are each other's turned copies."""
    try:
        net.output_shape((n, n, 1))
    except eq.LayerError:
        return False
    variables = random_weights(net, (n, n, 1), rng)
    x = rng.standard_normal((1, n, n, 1))
    run = jax.jit(net.apply, compiler_options=QUICKLY)
    y, turned = np.asarray(run(variables, np.concatenate([x, np.rot90(x, axes=(1, 2))])))
    expected = _with_channels(np.rot90(y) if y.ndim > 1 else y, net.output_shape((n, n, 1))[-1], QUARTER)
    return expected.shape == turned.shape and float(np.abs(expected - turned).max()) < 1e-9 * np.abs(y).max()


def _check(name, sizes):
    net, rng = STACKS[name], np.random.default_rng(0)
    claimed = eq.legal_sizes(net, "4", sizes, channels=1, boundary="box").sizes
    with jax.enable_x64(True):
        found = tuple(n for n in sizes if measured(net, n, rng))
    assert claimed == found
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["3, strides 2 2, centred padding", "arrows, stride 2", "pooled shortcut"])
def test_legal_sizes_are_those_measured(name):
    found = _check(name, range(8, 15))
    assert len(found) < 7


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_legal_sizes_are_those_measured_up_to_eighty(name):
    _check(name, range(8, 81))
    jax.clear_caches()


def test_a_fibre_at_the_input():
    """Sizes for an image of arrows, given as the channels."""
    vector = eq.Fibre.vector("4mm")
    net = eq.Sequential(eq.AsFibre(vector), eq.GroupConv(vector, 3, stride=2, padding=((1, 1), (1, 1))))
    assert eq.legal_sizes(net, "4mm", range(8, 40), boundary="box", channels=vector).congruence == "n ≡ 1 (mod 2)"
