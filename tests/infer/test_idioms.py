"""What inference says of small functions that nobody wrote for it is what brute force finds, no less and no more."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from tests.infer.idioms import IDIOMS
from tests.infer.oracle import judge


@pytest.mark.parametrize("name", IDIOMS)
def test_the_group_is_what_brute_force_finds(name: str):
    fn, domain = IDIOMS[name]
    # Written with the promotions that JAX has by default.
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        verdict = judge(fn, domain, 2, kinds={"few_valued": 1, "integer": 1})
    assert not verdict.unsound
    assert not verdict.loose


def nearby(x):
    return [jnp.roll(x, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)]


def bilateral(x, tilt=0.0):
    weights = [jnp.exp(-((y - x) ** 2) + tilt * i) for i, y in enumerate(nearby(x))]
    return sum(w * y for w, y in zip(weights, nearby(x), strict=True)) / sum(weights)


@pytest.mark.parametrize("size", [16, 64])
def test_turns_of_filters_are_found_at_sizes_in_use(size: int):
    torus = eq.torus(size, size)
    assert eq.infer(bilateral, torus, 2).strict == torus.group
    assert eq.infer(lambda x: jnp.sort(jnp.stack(nearby(x)), 0)[2:7].mean(0), torus, 2).strict == torus.group
    tilted = eq.infer(partial(bilateral, tilt=0.1), torus, 2).strict
    assert tilted.lattice == torus.group.lattice and len(tilted.point_group) == 1
