"""Turned images, and what turning does to answers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.groups import Isometry, signed_permutations
from equinet.verify.act import act
from experiments.turning import Elements, consistency, invariance_error, turned

SQUARE = signed_permutations(2)
IMAGES = np.asarray(jax.random.normal(jax.random.key(0), (40, 6, 6, 1)))


@pytest.mark.parametrize("matrix", SQUARE)
def test_images_are_turned_as_isometries_act(matrix: Any) -> None:
    about_centre = Isometry(matrix, tuple(5 if sum(row) < 0 else 0 for row in matrix))
    np.testing.assert_array_equal(turned(IMAGES, matrix), act(about_centre, IMAGES, eq.torus(6, 6)))


def total(_: Any, x: jax.Array) -> jax.Array:
    """Two numbers that nothing moves."""
    y = x.sum((1, 2, 3))
    return jnp.stack([y, -y], axis=-1)


def corner(_: Any, x: jax.Array) -> jax.Array:
    """Two numbers that say what is in a corner."""
    return jnp.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], axis=-1)


@pytest.mark.parametrize("shifts", [False, True])
def test_what_nothing_moves_is_consistent_and_what_is_in_a_corner_is_not(shifts: bool) -> None:
    group = Elements(SQUARE, shifts)
    assert consistency(total, None, IMAGES, group, 0).value == 1.0
    assert invariance_error(total, None, IMAGES, group, 0) < 1e-5
    assert consistency(corner, None, IMAGES, group, 0).value < 0.8
    assert invariance_error(corner, None, IMAGES, group, 0) > 0.5
