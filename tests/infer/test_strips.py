"""Which nodes of a view of an infinite axis are inner ones, against the definition, node by node."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from equinet.infer.strips import Strip


def drawn(rng: np.random.Generator) -> tuple[Strip, int]:
    """A strip anywhere about the input, in either direction or of no width, and a number of nodes."""
    at, step = (Fraction(int(rng.integers(-16, 40)), int(rng.choice([8, 16, 24, 32]))) for _ in range(2))
    return Strip(at, step * int(rng.integers(-2, 3)) / 8), int(rng.integers(0, 20))


@pytest.mark.parametrize("seed", range(4))
def test_inner_nodes_lie_between_the_ends_at_least_in_part(seed: int) -> None:
    rng, kinds = np.random.default_rng(seed), set[tuple[int, bool, bool]]()
    for _ in range(300):
        strip, size = drawn(rng)
        edges = [strip.at + strip.step * i for i in range(size + 1)]
        pairs = [sorted(edges[i : i + 2]) for i in range(size)]
        found = strip.inside(size)
        assert found.tolist() == [low < 1 - strip.end and high > strip.end for low, high in pairs]
        kinds.add(((strip.step > 0) - (strip.step < 0), bool(found.any()), bool(found.all())))
    assert {(sign, True, False) for sign in (-1, 1)} <= kinds
