"""What is inferred of every layer, run as plain JAX, equals what the layer declares; and is never more."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from tests.cases import CASES
from tests.infer.oracle import infer
from tests.oracle import random_weights

EXCEPTIONS: dict[str, str] = {}
"""Cases of which less is inferred than declared on some domain, each with its reason."""


def alike(one: eq.Certificate, other) -> bool:
    """Whether both say the same: groups, grid, and the images of generators."""
    same = one.strict == other.strict and one.orbit == other.orbit and one.invariance == other.invariance
    if not same or one.output.sizes != other.output.sizes:
        return False
    indices = one.output.index_map
    return all(
        (indices(one.action(g)) == indices(other.action(g))).all() for g in one.strict.generators if one.output.dim
    )


def within(one, other: eq.Certificate) -> bool:
    """Whether the first claims no more than the second."""
    if not (one.strict <= other.strict and one.orbit <= other.orbit and one.invariance <= other.invariance):
        return False
    if not one.output.dim or not other.output.dim:
        return True
    indices = other.output.index_map
    return all((indices(one.action(g)) == indices(other.action(g))).all() for g in one.strict.generators)


def pairs(case: str):
    """For each domain of a case, what is declared and what is inferred."""
    make, domains = CASES[case]
    for domain in domains:
        net, shape = make(), (*(n or 1 for n in domain.sizes), 2)
        variables = random_weights(net, shape, np.random.default_rng(5))
        bound = net.bind(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), variables))
        yield domain, eq.certify(net, domain, 2), infer(bound, domain, 2)


@pytest.mark.parametrize("case", CASES)
def test_inferred_equals_declared(case):
    different = []
    for domain, declared, inferred in pairs(case):
        assert within(inferred, declared), f"{case} on {domain}: {inferred!r} is more than {declared!r}"
        if not alike(declared, inferred):
            different.append(f"{case} on {domain}: inferred {inferred!r}, declared {declared!r}")
    if case in EXCEPTIONS:
        assert different, f"{case} is no exception any more: {EXCEPTIONS[case]}"
    else:
        assert not different, "\n".join(different)


def test_exceptions_are_cases():
    assert set(EXCEPTIONS) <= set(CASES)
