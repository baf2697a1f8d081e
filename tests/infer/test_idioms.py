"""What inference says of small functions that nobody wrote for it is what brute force finds, no less and no more."""

from __future__ import annotations

import jax
import pytest

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
