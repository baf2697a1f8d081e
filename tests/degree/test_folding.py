"""The energy above the folding frequency is the error of a stride, phase by phase."""

import itertools
from typing import Any

import numpy as np
import pytest

import equinet as eq


def without_high(x: np.ndarray, strides: tuple[int, ...]) -> np.ndarray:
    """`x` without what a stride folds, wave by wave."""
    for axis, s in enumerate(strides, start=1):
        n = x.shape[axis]
        places = np.arange(n)
        kept = [k for k in range(-n, n) if s == 1 or abs(k) * 2 * s < n]
        kept = kept if s > 1 else list(range(-((n - 1) // 2), n // 2 + 1))
        waves = sum(np.exp(2j * np.pi * k * (places[:, None] - places) / n) for k in kept) / n
        x = np.moveaxis(np.tensordot(np.real(waves), x, (1, axis)), 0, axis)
    return x


@pytest.mark.parametrize(
    ("sizes", "strides"), [((12,), (2,)), ((15,), (3,)), ((16,), (4,)), ((8, 6), (2, 3)), ((8, 5), (4, 1))]
)
def test_it_is_the_mean_error_over_all_phases(sizes: tuple[int, ...], strides: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((3, *sizes, 2)) + 1.5
    low, mean = without_high(x, strides), x.mean(axis=tuple(range(1, len(sizes) + 1)), keepdims=True)
    axes, errors, variation = tuple(range(1, len(sizes) + 1)), [], []
    for phase in itertools.product(*map(range, strides)):
        kept = (slice(None), *(slice(None, None, s) for s in strides))
        full, ideal, around = (np.roll(each, phase, axes)[kept] for each in (x, low, x - mean))
        errors.append(((full - ideal) ** 2).sum())
        variation.append((around**2).sum())
    assert eq.folded_energy(x, strides) == pytest.approx(np.mean(errors) / np.mean(variation), rel=1e-12)
    assert 0.1 < eq.folded_energy(x, strides) < 1
    # Half of the band is another number, and what is left has none.
    assert eq.folded_energy(low, strides) < 1e-20
    assert eq.folded_energy(low + 1e-3 * (x - low), strides) > 1e-8


@pytest.mark.parametrize(("n", "s"), [(9, 3), (10, 2), (15, 5)])
def test_it_is_how_much_outputs_differ_once_they_are_moved_back(n: int, s: int) -> None:
    """For odd N / s, where nothing lies at the folding frequency itself."""
    x, k = np.random.default_rng(1).standard_normal((4, n, 1)), np.fft.fftfreq(n // s, s / n)
    back = []
    for o in range(s):
        spectrum = np.fft.fft(np.roll(x, o, 1)[:, ::s, 0])
        back.append(np.fft.ifft(spectrum * np.exp(2j * np.pi * k * (o / s) * s / n)).real)
    spread = np.square(np.asarray(back) - np.mean(back, 0)).sum() / s
    variation = np.square(x - x.mean(1, keepdims=True)).sum() / s
    assert eq.folded_energy(x, s) == pytest.approx(spread / variation, rel=1e-12)
    assert np.allclose(np.mean(back, 0), without_high(x, (s,))[:, ::s, 0])


def test_edges() -> None:
    assert eq.folded_energy(np.ones((2, 8, 1)), 2) == 0.0
    assert eq.folded_energy(np.random.default_rng(0).normal(size=(2, 8, 1)), 1) == 0.0
    wave = np.cos(np.pi * np.arange(8) / 2)[None, :, None] * np.ones((2, 1, 1))
    assert eq.folded_energy(wave, 2) == pytest.approx(1.0)  # at the folding frequency itself
    many = np.random.default_rng(0).normal(size=(150, 8, 1))
    assert eq.folded_energy(many, 2) == pytest.approx(eq.folded_energy(many[::-1], 2))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: eq.folded_energy(np.ones((2, 9, 1)), 2), r"divides each size; got \(2,\)"),
        (lambda: eq.folded_energy(np.ones((2, 8, 1)), (2, 2)), "divides each size"),
        (lambda: eq.folded_energy(np.ones((2, 8, 1)), 0), "divides each size"),
        (lambda: eq.folded_energy(np.ones((2, 8, 1)), 1.5), "stride must be whole numbers"),
        (lambda: eq.folded_energy(np.ones(8), 2), "images are"),
    ],
)
def test_wrong_use_is_one_line(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
