"""Accuracy on shifted images, the energy that ways down fold, roughness and cost: each against a count of its own."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet import models
from equinet.train.data import load
from equinet.train.data.examples import Dataset, InMemory
from experiments.cost import multiply_adds, parameters
from experiments.folding import folded_energy, roughness
from experiments.shifted import accuracy_at_distances, accuracy_under_all_shifts, shifts_at


def dots(count: int = 24, size: int = 12) -> Dataset:
    """Images with one bright pixel, labelled by its column."""
    rng = np.random.default_rng(0)
    images = np.full((count, size, size, 1), -1, np.float32)
    columns = rng.integers(0, size, count)
    images[np.arange(count), rng.integers(0, size, count), columns] = 1
    examples = InMemory(images, columns)
    return Dataset.of("dots", "classification", (examples, examples), [str(i) for i in range(size)])


def where(_: Any, x: jax.Array) -> jax.Array:
    """The column of the bright pixel."""
    return x.max(axis=1)[..., 0]


def sees(_: Any, x: jax.Array) -> jax.Array:
    """Class 0 if there is a bright pixel, 1 if not."""
    shown = x.max(axis=(1, 2))
    return jnp.concatenate([shown, -0.5 + 0 * shown], axis=-1)


def test_accuracy_falls_to_what_stays_in_place() -> None:
    dataset = dots()
    right = accuracy_at_distances(dataset, where, None, (0, 1, 3), "circular", seed=0)
    assert right[0].value == 1
    # Of the 8 d shifts at a distance d, 2 move along the other axis alone.
    for distance in (1, 3):
        assert abs(right[distance].value - 2 / (8 * distance)) < 0.3 and right[distance].value < 0.7
    assert accuracy_under_all_shifts(dataset, where, None, seed=0).value < 0.4


def test_background_takes_away_what_leaves_the_image() -> None:
    dataset = dots()
    seen = dataclasses.replace(dataset, test=InMemory(dataset.test.arrays()[0], np.zeros(24, int)))
    assert accuracy_at_distances(seen, sees, None, (8,), "circular", seed=0)[8].value == 1
    assert accuracy_at_distances(seen, sees, None, (8,), "background", seed=0)[8].value < 0.7
    x = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1)
    moved = np.asarray(eq.transforms.Crop(background=-7).move(jnp.asarray(x), np.array([[1, -2]])))[0, ..., 0]
    expected = np.full((4, 4), -7.0)
    for i in range(4):
        for j in range(4):
            if 0 <= i + 1 < 4 and 0 <= j - 2 < 4:
                expected[i + 1, j - 2] = x[0, i, j, 0]
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_shifts_at_a_distance(distance: int) -> None:
    found = {tuple(t) for t in shifts_at(distance).tolist()}
    square = {(i, j) for i in range(-9, 10) for j in range(-9, 10) if max(abs(i), abs(j)) == distance}
    assert found == square


def waves(frequency: int, size: int = 16) -> np.ndarray:
    """Four images of one frequency along the rows, in different places."""
    at = np.arange(size)[:, None] + np.arange(4)[:, None, None] * 3
    wave = np.cos(2 * np.pi * frequency * at / size)
    return np.broadcast_to(wave, (4, size, size))[..., None].astype(np.float32)


@pytest.mark.parametrize(("frequency", "share"), [(1, 0), (4, 0), (5, 1), (8, 1)])
def test_energy_above_the_folding_frequency(frequency: int, share: float) -> None:
    for layer in (eq.BlurPool(2, size=1), eq.PolyphasePool(2)):
        net = eq.Sequential(eq.Identity(), layer)
        found = folded_energy(net, net.init(0, (16, 16, 1)), waves(frequency))
        assert found == [pytest.approx(share, abs=1e-6)]


@pytest.mark.thorough
def test_a_blur_folds_less_than_a_strided_convolution() -> None:
    images = load(size=32).test.take(16).arrays()[0]
    shares = {}
    for down in ("stride", "blur", "max", "conv"):
        net = models.small_cnn((4, 8, 8), down=down, window=3)
        assert isinstance(net, eq.Sequential)
        shares[down] = folded_energy(net, net.init(1, (32, 32, 1)), images)
    assert {name: len(found) for name, found in shares.items()} == dict.fromkeys(shares, 2)
    assert all(blur < 0.5 * other for blur, other in zip(shares["blur"], shares["stride"], strict=True))


def test_roughness_of_filters() -> None:
    net = eq.Sequential(eq.Conv(64, 7), eq.Relu(), eq.Conv(2, 1), eq.MaxPool(2))
    variables = net.init(0, (14, 14, 16))
    assert roughness(net, variables) == [pytest.approx(2, rel=0.05)]  # independent taps; one node has no neighbours
    stripes = (-1.0) ** np.arange(7)
    for kernel, expected in ((jnp.ones(7), 0), (jnp.asarray(stripes), 2)):  # along one axis 4, along the other 0
        one = jnp.broadcast_to(kernel[:, None, None, None], (7, 7, 16, 64))
        params = variables["params"] | {"0_conv": {**variables["params"]["0_conv"], "kernel": one}}
        assert roughness(net, {**variables, "params": params}) == [pytest.approx(expected)]


@pytest.mark.parametrize("readout", ["gap", "flatten"])
@pytest.mark.parametrize("down", ["max", "stride", "conv", "conv_max"])
def test_multiply_adds_are_what_a_count_by_hand_gives(down: str, readout: str) -> None:
    net = models.small_cnn((3, 5), down=down, window=3, classes=4, readout=readout)  # pyright: ignore[reportArgumentType]
    first = {
        "max": 9 * 3 * 64,
        "stride": 25 * 3 * 16,
        "conv": 9 * 3 * 64 + 9 * 3 * 3 * 16,
        "conv_max": 9 * 3 * 64 + 3 * 3 * 64,
    }[down]
    head = 5 * 4 * (16 if readout == "flatten" else 1)
    assert multiply_adds(net, (8, 8, 1)) == first + 9 * 3 * 5 * 16 + head
    made = net.init(0, (8, 8, 1))["params"]
    assert parameters(net, (8, 8, 1)) == sum(leaf.size for leaf in jax.tree.leaves(made))
