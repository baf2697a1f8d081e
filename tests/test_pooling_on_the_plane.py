"""Global pooling of an unbounded signal: a window is moved as a whole, so a shift must bring windows onto windows."""

import pytest

import equinet as eq


@pytest.mark.parametrize(
    ("window", "pool", "step"),
    [
        (eq.MaxPool(2), eq.GlobalAvgPool(), 2),
        (eq.MaxPool(3, stride=2), eq.GlobalAvgPool(), 2),
        (eq.AvgPool(2), eq.GlobalMaxPool(), 2),
        (eq.Conv(2, 3, stride=3), eq.GlobalMaxPool(), 3),
        (eq.AvgPool(2), eq.GlobalAvgPool(), 1),
        (eq.MaxPool(2), eq.GlobalMaxPool(), 1),
        (eq.MaxPool(3, stride=1), eq.GlobalAvgPool(), 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("dim", [1, 2])
def test_shifts_that_bring_windows_onto_windows(window: eq.Layer, pool: eq.Layer, step: int, dim: int) -> None:
    certificate = eq.certify(eq.Sequential(window, eq.Relu(), pool), eq.plane(dim), channels=1)
    relu_between_sums = isinstance(window, eq.AvgPool) and isinstance(pool, eq.GlobalAvgPool)
    expected = 2 if relu_between_sums else step
    assert certificate.invariance.translations == eq.Lattice.diagonal((expected,) * dim)
    linear = eq.certify(eq.Sequential(window, pool), eq.plane(dim), channels=1)
    assert linear.invariance.translations == eq.Lattice.diagonal((step,) * dim)
