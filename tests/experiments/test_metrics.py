"""Metrics against classifiers whose answers are known."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.metrics import Share, accuracy, circular_consistency, every_shift, roll_each

SIZE = 6


def images_of(count: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), (count, SIZE, SIZE, 1))


def invariant(variables: Any, x: jax.Array) -> jax.Array:
    """Depends on the sum only: every shift gives the same answer, up to rounding far from the boundary."""
    total = jnp.sign(x).sum(axis=(1, 2))
    return jnp.concatenate([total - variables, -total + variables], axis=-1)


def corner(variables: Any, x: jax.Array) -> jax.Array:
    """The sign of one pixel: a shift gives the sign of another."""
    return jnp.concatenate([x[:, 0, 0] - variables, variables - x[:, 0, 0]], axis=-1)


def test_accuracy_counts_hits() -> None:
    x = images_of(7)
    right = (x[:, 0, 0, 0] < 0).astype(jnp.int32)
    wrong = right.at[:2].set(1 - right[:2])
    assert accuracy(corner, jnp.zeros(()), x, right, batch=3) == Share(1.0, 7)
    assert accuracy(corner, jnp.zeros(()), x, wrong, batch=3) == Share(5 / 7, 7)


def test_an_invariant_classifier_is_consistent() -> None:
    x = images_of(40)
    assert circular_consistency(invariant, jnp.full((), 0.5), x, jax.random.key(1)) == Share(1.0, 40)
    found = every_shift(invariant, jnp.full((), 0.5), x)
    assert (found.consistency, found.unanimous, found.shifts) == (1.0, 1.0, SIZE**2)
    np.testing.assert_array_equal(found.plane, 1.0)


def test_every_shift_is_the_exact_chance_of_agreeing() -> None:
    x = images_of(20)
    found = every_shift(corner, jnp.zeros(()), x)
    signs = np.asarray(x[..., 0] < 0).reshape(20, -1)
    pairs = (signs[:, :, None] == signs[:, None, :]).mean()
    assert found.consistency == pytest.approx(pairs)
    assert found.unanimous == 0.0
    assert found.plane[0, 0] == 1.0
    kept = (np.roll(np.asarray(x[..., 0] < 0), (2, 3), axis=(1, 2))[:, 0, 0] == signs[:, 0]).mean()
    assert found.plane[2, 3] == pytest.approx(kept)


def test_sampled_consistency_estimates_the_exact_one() -> None:
    x, draws = images_of(2000), 10
    exact = every_shift(corner, jnp.zeros(()), x).consistency
    sampled = [circular_consistency(corner, jnp.zeros(()), x, jax.random.key(k)).value for k in range(draws)]
    four_deviations = 4 * (exact * (1 - exact) / (draws * len(x))) ** 0.5
    assert abs(sum(sampled) / draws - exact) < four_deviations
    assert len(set(sampled)) > 1
    assert circular_consistency(corner, jnp.zeros(()), x, jax.random.key(0)).value == sampled[0]


def test_every_image_gets_a_shift_of_its_own() -> None:
    x = images_of(3)
    shifts = jnp.asarray([[0, 0], [1, 0], [5, 2]], jnp.int32)
    rolled = roll_each(x, shifts)
    for one, image, shift in zip(rolled, x, shifts, strict=True):
        np.testing.assert_array_equal(one, np.roll(np.asarray(image), tuple(int(s) for s in shift), axis=(0, 1)))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(2000, 2000, 0.9981, 1.0), (50, 100, 0.4038, 0.5962), (0, 10, 0.0, 0.2775)]
)
def test_wilson_interval(hits: int, n: int, low: float, high: float) -> None:
    assert Share(hits / n, n).interval == pytest.approx((low, high), abs=1e-4)
