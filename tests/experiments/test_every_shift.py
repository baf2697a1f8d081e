"""A network with adaptive polyphase pooling answers every image alike under every shift, before and after training."""

from pathlib import Path

import jax
import pytest

import equinet as eq
from equinet.train.data import load
from equinet.train.trainer import train_and_evaluate


def flips(down: str, workdir: Path, images: int, epochs: int) -> tuple[list[int], int]:
    """Of the (image, shift) pairs, those answered otherwise than the image: untrained, trained; and their number."""
    config = {
        "name": down,
        "model": {"name": "small_cnn", "features": (8, 16, 32, 32), "down": down},
        "optimiser": {"learning_rate": 1e-2},
        "epochs": epochs,
        "eval_epochs": 0,
        "progress": False,
    }
    outcome = train_and_evaluate(config, workdir)
    shown, _ = load(size=32).test.take(images).arrays()
    fresh = outcome.net.init(jax.random.key(7), (32, 32, 1))
    flipped = []
    for variables in (fresh, outcome.variables):
        same = eq.consistency(outcome.net.bind(variables), shown, eq.transforms.Circular()).same
        assert same is not None
        flipped.append(int((same == 0).sum()))
    return flipped, len(shown) * 32 * 32


@pytest.mark.slow
def test_no_flip_in_a_million_pairs(tmp_path: Path) -> None:
    found, pairs = flips("aps", tmp_path, images=1000, epochs=3)
    assert pairs == 1_024_000
    assert found == [0, 0]


@pytest.mark.slow
def test_max_pooling_flips_some(tmp_path: Path) -> None:
    found, _ = flips("max", tmp_path, images=50, epochs=3)
    assert found[1] > 100
