"""Training changes no group: what is certified and measured before it is certified and measured after it."""

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from tests.compiled import init

DOMAIN = eq.torus(8, 8)


def trained(net, variables, steps=80):
    """Weights after a few steps of gradient descent: noise, or its shifts along one axis averaged, are told apart."""
    noise = jax.random.normal(jax.random.key(1), (48, 8, 8, 1))
    labels = jnp.arange(48) % 3
    streaks = [(noise + jnp.roll(noise, 1, axis) + jnp.roll(noise, 2, axis)) / 2 for axis in (1, 2)]
    x = jnp.where((labels == 0)[:, None, None, None], noise, streaks[0])
    x = jnp.where((labels == 2)[:, None, None, None], streaks[1], x)

    @jax.jit
    def step(variables):
        def loss(params):
            logits, state = net.apply({**variables, "params": params}, x, train=True)
            return -jax.nn.log_softmax(logits)[jnp.arange(48), labels].mean(), state

        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        params = jax.tree.map(lambda p, g: p - 0.2 * g, variables["params"], gradient)
        return {"params": params, "state": state}, value

    losses = []
    for _ in range(steps):
        variables, value = step(variables)
        losses.append(float(value))
    assert losses[-1] < 0.9 * losses[0], "the network did not learn, so nothing is shown"
    return variables


@pytest.mark.thorough
@pytest.mark.parametrize("down", [eq.MaxPool(2), eq.PolyphasePool(2), eq.BlurPool(2)], ids=lambda d: type(d).__name__)
def test_a_trained_network_keeps_the_groups_of_its_initialisation(down):
    body = (eq.Conv(6, 3, padding="circular"), eq.BatchNorm(), eq.Relu(), down, eq.Conv(6, 3, padding="circular"))
    net = eq.Sequential(*body, eq.Relu(), eq.GlobalAvgPool(), eq.Dense(3))
    before = init(net, 0, (8, 8, 1))
    after = trained(net, before)
    certificate = eq.certify(net, DOMAIN, channels=1)
    for variables in (before, after):
        report = eq.verify(net.bind(variables), certificate, key=jax.random.key(3), mode="sweep", progress=False)
        assert report.sound and report.tight, str(report)
        found = eq.discover(net.bind(variables), DOMAIN, channels=1, key=jax.random.key(4), progress=False)
        assert found.strict == certificate.strict
