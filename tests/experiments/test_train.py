"""Training works, can be made again to the last bit, and stops with a reason."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import equinet as eq
from experiments import checkpoint
from experiments.data import load
from experiments.optimiser import optimiser
from experiments.record import read_json_lines
from experiments.settings import OptimiserSettings, Settings
from experiments.train import Diverged, build_model, make_step, to_device, train_and_evaluate
from experiments.train import TrainState as State

TINY = {
    "name": "tiny",
    "model": {"name": "small_cnn", "features": (4, 8), "down": "max"},
    "size": 16,
    "batch": 32,
    "epochs": 2,
    "log_every": 3,
    "progress": False,
    "smoke": True,
}


def metrics(workdir: Path) -> list[dict[str, Any]]:
    """The metrics without what depends on the clock."""
    rows = read_json_lines(workdir / "metrics.jsonl")
    return [{name: value for name, value in row.items() if name != "images_per_second"} for row in rows]


def test_a_run_leaves_its_record_metrics_and_checkpoint(tmp_path: Path) -> None:
    outcome = train_and_evaluate(TINY, tmp_path)
    assert (outcome.steps, outcome.accuracy.n, outcome.consistency.n) == (16, 64, 64)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["config"]["model"]["features"] == [4, 8]
    assert {"seed", "versions", "commit", "device", "parameters"} <= record.keys()
    rows = metrics(tmp_path)
    assert [row["step"] for row in rows if row["split"] == "train"] == [3, 6, 9, 12, 15, 16]
    assert [row["step"] for row in rows if row["split"] == "test"] == [8, 16]
    assert rows[-1]["circular_consistency"] == outcome.consistency.to_json()
    restored = checkpoint.restore(tmp_path, outcome.net, (16, 16, 1))
    jax.tree.map(np.testing.assert_array_equal, restored, outcome.variables)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_and_evaluate({**TINY, "seed": seed, "epochs": 1}, tmp_path / name)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    assert metrics(tmp_path / "a") != metrics(tmp_path / "c")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    wild = OptimiserSettings(name="sgd", learning_rate=1e30, warmup_steps=1)
    config = {**TINY, "optimiser": vars(wild), "epochs": 1}
    with pytest.raises(
        Diverged, match=r"the loss of tiny is (nan|inf) at step \d+.*Lower --config.optimiser.learning_rate"
    ):
        train_and_evaluate(config, tmp_path)


def test_training_learns(tmp_path: Path) -> None:
    """Memorises a handful of images: gradients reach every layer."""
    images, labels = to_device(load(size=16).train.take(16))
    net = eq.Sequential(eq.Conv(16, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool(), eq.Dense(10))
    tx = optimiser(OptimiserSettings(learning_rate=3e-2, weight_decay=0.0, warmup_steps=1), 200)
    variables = net.init(jax.random.key(0), (16, 16, 1))
    state, step = State(variables, tx.init(variables["params"])), make_step(net, tx)
    losses = []
    for _ in range(200):
        state, row = step(state, images, labels, jax.random.key(0))
        losses.append(float(row["loss"]))
    assert losses[-1] < 0.5 * losses[0]


def test_a_step_compiles_once() -> None:
    net = eq.Sequential(eq.Conv(4, 3), eq.Relu(), eq.GlobalAvgPool(), eq.Dense(10))
    tx = optimiser(OptimiserSettings(), 10)
    step = make_step(net, tx)
    images, labels = to_device(load(size=8).train.take(8))
    for seed in range(3):
        variables = net.init(jax.random.key(seed), (8, 8, 1))
        step(State(variables, tx.init(variables["params"])), images, labels, jax.random.key(seed))
    assert step._cache_size() == 1  # pyright: ignore[reportFunctionMemberAccess]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "small_cn"}, "no model 'small_cn': did you mean small_cnn"),
        ({"name": "fcn", "dwn": "aps"}, "no argument of fcn 'dwn': did you mean down"),
        ({"name": "fcn", "down": "apss"}, r"down must be one of .*'aps'.*; got 'apss'"),
        ({}, "config.model names no architecture; known are small_cnn, fcn"),
    ],
)
def test_unknown_models_list_the_near_ones(model: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_model(Settings(model=model))


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a batch of 300 is larger than the training split of 256 images"):
        train_and_evaluate({**TINY, "batch": 300}, tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*: train first"):
        checkpoint.restore(tmp_path, eq.Dense(2), (3,))
    checkpoint.save(tmp_path, eq.Dense(2).init(jax.random.key(0), (3,)))
    with pytest.raises(ValueError, match="belongs to another network: .*bias.* is .*2,.* there, expected .*4,"):
        checkpoint.restore(tmp_path, eq.Dense(4), (3,))
