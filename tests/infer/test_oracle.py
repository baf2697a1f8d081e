"""The judge judged: it agrees with `certify` on layers, refutes what is wrong and finds what is missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.cases import CASES
from tests.infer.claims import enlarged, equivariant, invariant, nothing
from tests.infer.oracle import against, as_bsc, evaluate, judge
from tests.oracle import random_weights

DATA_DEPENDENT = ("Polyphase", "polyphase", "phase", "Fibre sampled", "choosing apart")
LAYERS = [case for case in CASES if not any(word in case for word in DATA_DEPENDENT)]


@pytest.mark.parametrize("case", LAYERS)
def test_certificates_of_layers_are_what_brute_force_finds(case):
    make, domains = CASES[case]
    net, domain = make(), domains[0]
    shape = (*(n or 1 for n in domain.sizes), 2)
    with jax.enable_x64(True):
        variables = random_weights(net, shape, np.random.default_rng(3))
    verdict = judge(net.bind(variables), domain, claim=eq.certify(net, domain, 2))
    assert not verdict.unsound and not verdict.loose, verdict


def shift_and_square(x):
    return jnp.roll(x, 1, 1) + x**2


def test_claims_that_are_too_large_are_refuted():
    assert judge(shift_and_square, eq.torus(5), claim=invariant(eq.torus(5))).unsound
    assert judge(shift_and_square, eq.torus(5), claim=equivariant(eq.torus(5))).unsound
    assert not judge(jnp.tanh, eq.torus(5), claim=equivariant(eq.torus(5))).unsound
    wrong_grid = judge(lambda x: x[:, :3], eq.torus(5), claim=equivariant(eq.torus(5)))
    assert "claims an output on torus(5)" in wrong_grid.unsound[0]


def test_a_wrong_action_is_refuted():
    claim = equivariant(eq.torus(6))
    assert not judge(jnp.tanh, eq.torus(6), claim=claim).unsound
    assert judge(lambda x: jnp.tanh(x)[:, ::-1], eq.torus(6), claim=claim).unsound


def test_claims_that_are_too_small_are_completed():
    verdict = judge(jnp.tanh, eq.torus(5), claim=nothing(eq.torus(5)))
    assert not verdict.unsound
    assert sum("which acts on torus(5)" in line for line in verdict.loose) == 9
    pooled = judge(lambda x: jnp.mean(x, 1), eq.torus(5), claim=nothing(eq.torus(5)))
    assert any("invariance misses" in line for line in pooled.loose)


def test_a_claim_enlarged_by_one_element_is_refuted():
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.Relu(), eq.MaxPool(2))
    domain = eq.torus(6)
    with jax.enable_x64(True):
        bound = net.bind(random_weights(net, (6, 2), np.random.default_rng(0)))
        values = [evaluate(bound, domain, 2)]
    claim = eq.certify(net, domain, 2)
    assert not against(claim, values)[0]
    for g in domain.group.elements():
        if g not in claim.strict:
            assert all(against(larger, values)[0] for larger in enlarged(claim, domain, g))


def test_the_batch_is_moved_as_a_whole():
    """Statistics over the batch: every example moves, or the function would have no symmetry."""

    def centred(x):
        return x - jnp.broadcast_to(jnp.mean(x, 0, keepdims=True), x.shape)

    verdict = judge(centred, eq.torus(4), claim=equivariant(eq.torus(4)))
    assert not verdict.unsound


def test_other_arrays_closed_over_are_tried_too():
    def scaled(table):
        return lambda x: x * jnp.broadcast_to(jnp.asarray(table, x.dtype), x.shape)

    domain = eq.torus(4)
    uniform, generic = scaled(np.ones((1, 4, 1))), scaled(np.arange(1.0, 5.0)[None, :, None])
    assert not judge(uniform, domain, claim=equivariant(domain)).unsound
    assert judge(uniform, domain, claim=equivariant(domain), generic=[generic]).unsound


@pytest.mark.parametrize(("layout", "axis"), [("BSC", 1), ("BCS", 2), ("SBC", 0), ("CSB", 1), ("SC", 0), ("CS", 1)])
def test_layouts_are_seen_as_one(layout, axis):
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
    seen = as_bsc(lambda x: jnp.cumsum(x, axis), layout)(jnp.asarray(x))
    np.testing.assert_allclose(seen, np.cumsum(x, 1), atol=1e-5)
    space = tuple(range(layout.index("S"), layout.index("S") + 2))
    features = as_bsc(lambda x: jnp.mean(x, space), layout)(jnp.asarray(x))
    np.testing.assert_allclose(features, np.mean(x, (1, 2)), atol=1e-5)


def test_one_channel_needs_no_axis():
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 1))
    for layout, axis in (("BS", 1), ("S", 0)):
        seen = as_bsc(lambda x, a=axis: jnp.cumsum(x, a), layout)(jnp.asarray(x))
        np.testing.assert_allclose(seen, np.cumsum(x, 1), atol=1e-5)
    with pytest.raises(ValueError, match="a layout is"):
        as_bsc(jnp.tanh, "SXC")


def test_functions_that_cannot_be_judged():
    with pytest.raises(FloatingPointError):
        evaluate(lambda x: jnp.log(x - 100), eq.torus(4), 2)
    with pytest.raises(ValueError, match="gives an output of shape"):
        evaluate(lambda x: jnp.mean(x, 0), eq.torus(4), 2)
