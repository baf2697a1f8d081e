"""No unsound claim about networks of group layers: random architectures against brute force."""

import jax
import numpy as np
import pytest

import equinet as eq
from tests.group_architectures import random_domain, random_network
from tests.oracle import judge
from tests.reasons import reason


def _run(seeds, explain=False):
    """Judge the architectures of some seeds: counterexamples to soundness, and to tightness, with a reason if asked."""
    unsound, loose = [], {}
    with jax.enable_x64(True):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            domain = random_domain(rng)
            net, channels = random_network(rng, domain)
            verdict = judge(net, domain, channels, seed)
            label = f"seed {seed}, {domain}, {channels!r}, {net}"
            if verdict.unsound:
                unsound.append(f"{label}: {verdict.unsound[:3]}")
            if verdict.loose:
                loose[f"{label}: {verdict.loose[:3]}"] = reason(net, domain, seed, channels) if explain else None
            if seed % 50 == 49:
                jax.clear_caches()  # a compiled program for every architecture adds up
    print(*(f"not tight: {case}\n    because of {cause}" for case, cause in loose.items()), sep="\n")
    return unsound, loose


@pytest.mark.thorough
@pytest.mark.parametrize("block", range(2))
def test_random_group_architectures(block):
    unsound, loose = _run(range(5 * block, 5 * block + 5))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= 2, "\n".join(loose)


@pytest.mark.slow
def test_five_hundred_random_group_architectures():
    unsound, loose = _run(range(500))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= 90, "\n".join(loose)


@pytest.mark.thorough
@pytest.mark.parametrize("seeds", [range(1000, 1020), pytest.param(range(1020, 1050), marks=pytest.mark.slow)])
def test_the_certificate_has_the_channels_of_the_network(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        domain = random_domain(rng)
        net, channels = random_network(rng, domain)
        assert eq.certify(net, domain, channels).fibre == net.output_shape((*domain.sizes, channels))[-1], net
