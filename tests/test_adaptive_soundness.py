"""No unsound claim about choices between values that a network makes equal: random architectures, brute force."""

import jax
import numpy as np
import pytest

from tests import architectures, group_architectures
from tests.oracle import judge


def _run(draw, seeds):
    unsound, loose = [], []
    with jax.enable_x64(True):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            domain = architectures.adaptive_domain(rng)
            net = draw(rng, domain)
            verdict = judge(net, domain, 1, seed)
            label = f"seed {seed}, {domain}, {net}"
            unsound += [f"{label}: {verdict.unsound[:3]}"] * bool(verdict.unsound)
            loose += [f"{label}: {verdict.loose[:3]}"] * bool(verdict.loose)
            if seed % 50 == 49:
                jax.clear_caches()  # a compiled program for every architecture adds up
    print(*loose, sep="\n")
    return unsound, loose


@pytest.mark.parametrize("made", [architectures, group_architectures], ids=["joins", "fibres"])
def test_random_adaptive_architectures(made):
    unsound, loose = _run(made.random_adaptive_network, range(4))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= 2, "\n".join(loose)


@pytest.mark.slow
@pytest.mark.parametrize("made", [architectures, group_architectures], ids=["joins", "fibres"])
def test_five_hundred_random_adaptive_architectures(made):
    unsound, _ = _run(made.random_adaptive_network, range(500))
    assert not unsound, "\n".join(unsound)
