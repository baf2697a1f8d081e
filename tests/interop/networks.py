"""Networks and steps that the tests of all adapters share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq

SHAPE = (8, 8, 2)
NET = eq.Sequential(
    eq.Named("stem", eq.Conv(4, 3, padding="circular")), eq.BatchNorm(), eq.Relu(),
    eq.Residual(eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.BatchNorm())),
    eq.Dropout(0.5), eq.MaxPool(2), eq.GlobalAvgPool(), eq.Dense(3),
)  # fmt: skip


def images(seed: int = 0, count: int = 4) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, *SHAPE)), jnp.float32)


def squared(y: jax.Array) -> jax.Array:
    return jnp.square(y - 1).mean()


def same(a: Any, b: Any, atol: float = 1e-6) -> None:
    """Two pytrees with the same structure and values."""
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol, rtol=1e-5), a, b)


def differ(a: Any, b: Any) -> bool:
    """Whether some array of two pytrees differs."""
    return any(jax.tree.leaves(jax.tree.map(lambda x, y: bool(np.any(np.asarray(x) != np.asarray(y))), a, b)))


def descends(loss: Callable[[Any], jax.Array], params: Any) -> Any:
    """The parameters after one step of optax; the loss must fall."""
    optax = pytest.importorskip("optax")
    optimiser = optax.sgd(0.05)

    @jax.jit
    def step(params: Any) -> tuple[jax.Array, Any]:
        value, gradients = jax.value_and_grad(loss)(params)
        updates, _ = optimiser.update(gradients, optimiser.init(params), params)
        return value, optax.apply_updates(params, updates)

    value, stepped = step(params)
    assert step(stepped)[0] < value
    return stepped


def restored(tree: Any, folder: Any) -> Any:
    """A pytree after a round trip through a checkpoint."""
    ocp = pytest.importorskip("orbax.checkpoint")
    with ocp.StandardCheckpointer() as keeper:
        keeper.save(folder / "checkpoint", tree)
        keeper.wait_until_finished()
        return keeper.restore(folder / "checkpoint", jax.tree.map(jnp.zeros_like, tree))
