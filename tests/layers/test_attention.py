"""Attention over fibres: equivariant as declared, and refused where heads would cut copies apart."""

from itertools import product

import jax
import numpy as np
import pytest

import equinet as eq
from equinet.advise.weights import random_variables
from tests.compiled import apply, init

REGULAR = eq.Fibre.regular("4mm")


@pytest.mark.thorough
@pytest.mark.parametrize("attention", [eq.SelfAttention(2), eq.WindowedAttention(2, 2)])
def test_operations_move_the_channels(attention: eq.Layer) -> None:
    domain = eq.torus(4, 4)
    net = eq.Sequential(eq.GroupConv(4 * REGULAR, 3, padding="circular"), attention)
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.fibre == 4 * REGULAR
    assert len(certificate.strict.point_group) == 8
    function = net.bind(random_variables(net, (4, 4, 1), 0))
    assert eq.verify(function, certificate, key=1, mode="sweep", trials=2).passed
    mixed = eq.Sequential(*net.layers, eq.Conv(int(4 * REGULAR), 1))
    function = mixed.bind(random_variables(mixed, (4, 4, 1), 0))
    assert not eq.verify(function, certificate, key=1, trials=2).passed


def test_signs_and_sums() -> None:
    """One head may hold several representations, with signs."""
    domain = eq.torus(4, 4)
    fibre = 2 * eq.Fibre.vector("4mm") + eq.Fibre.sign("4mm") + REGULAR
    net = eq.Sequential(eq.GroupConv(fibre, 3, padding="circular"), eq.SelfAttention(1))
    certificate = eq.certify(net, domain, channels=1)
    assert len(certificate.strict.point_group) == 8
    assert eq.verify(net.bind(random_variables(net, (4, 4, 1), 0)), certificate, key=1, mode="sweep", trials=2).passed
    with pytest.raises(eq.LayerError, match="a head holds whole copies of a representation, so heads=13 must divide"):
        eq.Sequential(eq.GroupConv(fibre, 3), eq.SelfAttention(13)).init(jax.random.key(0), (4, 4, 1))


def test_heads_divide_the_copies() -> None:
    net = eq.Sequential(eq.GroupConv(3 * REGULAR, 3), eq.SelfAttention(2))
    with pytest.raises(eq.LayerError, match=r"heads=2 must divide the copies of a single one; got 3·regular\(4mm\)"):
        net.init(jax.random.key(0), (4, 4, 1))


def _attended(net: eq.WindowedAttention | eq.GridAttention, variables, x: np.ndarray, same_set, offset) -> np.ndarray:
    """Attention node by node: over the nodes of the same set, with the bias of their relative position."""
    params, heads = {k: np.asarray(v, np.float64) for k, v in variables["params"].items()}, net.heads
    nodes = list(product(*map(range, x.shape[:-1])))
    qkv = {p: (x[p] @ params["qkv"] + params["qkv_bias"]).reshape(3, heads, -1) for p in nodes}
    y = np.zeros_like(x)
    for p in nodes:
        others = [q for q in nodes if same_set(p, q)]
        for head in range(heads):
            query, width = qkv[p][0, head], qkv[p][0, head].size
            logits = np.array([query @ qkv[q][1, head] / width**0.5 for q in others])
            if "position_bias" in params:
                logits += [params["position_bias"][head, offset(p, q)] for q in others]
            weights = np.exp(logits - logits.max())
            value = sum(w * qkv[q][2, head] for w, q in zip(weights / weights.sum(), others, strict=True))
            y[p][head * width : (head + 1) * width] = value
    return y @ params["out"] + params["out_bias"]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("grid", [False, True])
def test_sets_of_nodes(grid: bool, bias: bool) -> None:
    """Windows of 3 × 2, and grids of 3 × 2 nodes, of 6 × 4."""
    sides, spaces = (3, 2), (2, 2)
    net = (eq.GridAttention if grid else eq.WindowedAttention)(sides, 2, position_bias=bias)
    with jax.enable_x64(True):
        x = np.random.default_rng(0).normal(size=(6, 4, 4))
        variables = init(net, 0, x.shape)
        assert ("position_bias" in variables["params"]) == bias

        def place(p):
            """Which set along each axis, and where in it."""
            pairs = [divmod(v, space if grid else side) for v, side, space in zip(p, sides, spaces, strict=True)]
            return [pair[::-1] if grid else pair for pair in pairs]

        def same_set(p, q):
            return all(a[0] == b[0] for a, b in zip(place(p), place(q), strict=True))

        def offset(p, q):
            steps = [b[1] - a[1] + side - 1 for a, b, side in zip(place(p), place(q), sides, strict=True)]
            return steps[0] * (2 * sides[1] - 1) + steps[1]

        wanted = _attended(net, variables, x, same_set, offset)
        np.testing.assert_allclose(apply(net, variables, x[None])[0], wanted, atol=1e-12)


def test_a_bias_goes_with_plain_channels() -> None:
    net = eq.Sequential(eq.GroupConv(2 * REGULAR, 3), eq.WindowedAttention(2, 2, position_bias=True))
    with pytest.raises(eq.LayerError, match="is not the same under operations that move channels; got 2·regular"):
        net.init(0, (4, 4, 1))
