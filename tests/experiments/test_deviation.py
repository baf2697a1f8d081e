"""The deviation is 0 up to the layer that loses the shift, and not after it."""

import jax
import numpy as np
import pytest

import equinet as eq
from experiments.deviation import deviation_by_layer

NET = eq.Sequential(
    eq.Conv(4, 3, padding="circular"),
    eq.Relu(),
    eq.MaxPool(2),
    eq.Conv(4, 3, padding="circular"),
    eq.Relu(),
    eq.GlobalAvgPool(),
)


def deviations(net: eq.Sequential, shift: tuple[int, int]) -> list[float]:
    x = np.random.default_rng(0).standard_normal((6, 8, 8, 2)).astype(np.float32)
    variables = net.init(jax.random.key(0), (8, 8, 2))
    return list(deviation_by_layer(net, variables, x, shift).values())


def test_it_begins_at_the_layer_that_loses_the_shift() -> None:
    found = deviations(NET, (1, 0))
    assert found[:2] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert all(0.1 < value < 2**0.5 for value in found[2:5])
    assert found[5] > 0.01


def test_it_is_nothing_for_a_shift_that_is_kept() -> None:
    assert deviations(NET, (2, 4)) == pytest.approx([0.0] * 6, abs=1e-5)
    adaptive = eq.Sequential(*NET.layers[:2], eq.PolyphasePool(2), *NET.layers[3:])
    assert deviations(adaptive, (1, 3)) == pytest.approx([0.0] * 6, abs=1e-5)


def test_layers_go_by_index_and_name() -> None:
    x = np.zeros((1, 8, 8, 2), np.float32)
    names = list(deviation_by_layer(NET, NET.init(jax.random.key(0), (8, 8, 2)), x, (1, 0)))
    assert names[2] == "2 MaxPool(2)"
