"""No unsound claim: random architectures against brute force over the whole group and every output action."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest

import equinet as eq
from tests.architectures import random_domain, random_network
from tests.oracle import judge


def _run(seeds):
    unsound, loose = [], []
    with jax.enable_x64(True):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            domain = random_domain(rng)
            net = random_network(rng, domain)
            verdict = judge(net, domain, seed=seed)
            if verdict.unsound:
                unsound.append(f"seed {seed}, {domain}, {net}: {verdict.unsound[:3]}")
            if verdict.loose:
                loose.append(f"seed {seed}, {domain}, {net}: {verdict.loose[:3]}")
    for line in loose:
        print("not tight:", line)
    return unsound, loose


@pytest.mark.parametrize("block", range(10))
def test_random_architectures(block):
    unsound, loose = _run(range(10 * block, 10 * block + 10))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= 1, "\n".join(loose)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_random_architectures(block):
    unsound, loose = _run(range(100 * block, 100 * block + 100))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= 3, "\n".join(loose)


@dataclass(frozen=True)
class Overclaims(eq.MaxPool):
    """A pool that declares itself pointwise: wrong."""

    def symmetry(self, field):
        return field.pointwise("any")


@dataclass(frozen=True)
class Underclaims(eq.MaxPool):
    """A pool that declares to tell all positions apart: true of no pool."""

    def symmetry(self, field):
        return super().symmetry(field).fix_positions()


def test_brute_force_finds_a_wrong_claim_and_a_missing_one():
    with jax.enable_x64(True):
        wrong = judge(eq.Sequential(Overclaims(3, 1, "zero"), eq.Gelu()), eq.torus(6))
        assert any("strict claims" in line for line in wrong.unsound)
        missing = judge(eq.Sequential(Underclaims(3, 1, "circular"), eq.Gelu()), eq.torus(6))
        assert not missing.unsound
        assert any("strict misses" in line for line in missing.loose)
