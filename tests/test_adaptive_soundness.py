"""No unsound claim about choices between values that a network makes equal: random architectures, brute force."""

import jax
import numpy as np
import pytest

from tests import architectures, group_architectures
from tests.oracle import judge, undecidable


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


DRAWS = {
    "joins": architectures.random_adaptive_network,
    "fibres": group_architectures.random_adaptive_network,
    "rolls": architectures.random_rolled_network,
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", DRAWS)
def test_random_adaptive_architectures(kind):
    unsound, loose = _run(DRAWS[kind], range(4))
    assert not unsound, "\n".join(unsound)
    assert len(loose) <= 2, "\n".join(loose)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DRAWS)
def test_five_hundred_random_adaptive_architectures(kind):
    unsound, _ = _run(DRAWS[kind], range(500))
    assert not unsound, "\n".join(unsound)


def test_a_rule_cannot_choose_between_what_is_equal_in_single_precision():
    """As attention makes of two nodes that attend to almost the same."""
    apart = 1 + np.array([0, 4e-9, 1e-6])
    maps = np.stack([np.ones(3), apart], axis=1)[..., None]
    leading = np.ones((3, 2), bool)
    assert undecidable(maps, (2,), leading, 1).tolist() == [True, True, False]
