"""Training works, can be made again to the last bit, and stops with a reason."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq
from equinet.train.augment import augment
from equinet.train.checkpoint import named_leaves, restore_variables
from equinet.train.data import load
from equinet.train.devices import Layout
from equinet.train.metrics import Share
from equinet.train.record import Unwritable, read_json_lines
from equinet.train.settings import AugmentSettings, OptimiserSettings, Settings
from equinet.train.step import TrainState, make_step
from equinet.train.trainer import Diverged, build_model, init_state, split, train_and_evaluate

NAMED = "fashion_mnist_12k"
TINY = {
    "name": "tiny",
    "model": {"name": "small_cnn", "features": (4, 8), "down": "max"},
    "size": 16,
    "optimiser": {"warmup_steps": 1},
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


def started(net: eq.Layer, run: Settings, size: int, steps: int = 200, seed: int = 0) -> tuple[TrainState, Any]:
    """A state and a step function for a network on images of a size."""
    shape, everywhere = (size, size, 1), Layout.of_all_devices()
    state = init_state(net, run.optimiser, steps, jax.random.key(seed), shape, bool(run.ema), everywhere)
    return state, make_step(net, run.optimiser, steps, run.augment, run.precision, run.ema, temperature=run.temperature)


def few(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    return load(size=size).train.take(count).arrays()


def test_a_run_leaves_its_record_metrics_and_checkpoints(tmp_path: Path) -> None:
    outcome = train_and_evaluate(TINY, tmp_path)
    assert (outcome.steps, outcome.share("accuracy").n) == (2, 32)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["config"]["model"]["features"] == [4, 8]
    assert {"id", "seed", "data", "steps", "parameters"} <= record.keys()
    (start,) = record["starts"]
    assert start["step"] == 0 and {"time", "versions", "commit", "device"} <= start.keys()
    rows = metrics(tmp_path)
    assert [(row["split"], row["step"]) for row in rows] == [("train", 2), ("test", 2)]
    assert rows[-1]["circular_consistency"] == outcome.share("circular_consistency").to_json()
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["accuracy"] == outcome.share("accuracy").to_json()
    restored = restore_variables(tmp_path, outcome.net, (16, 16, 1))
    jax.tree.map(np.testing.assert_array_equal, restored, outcome.variables)


@pytest.mark.thorough
def test_the_last_two_and_the_best_checkpoint_are_kept(tmp_path: Path) -> None:
    small = {"smoke": False, "examples": 400, "batch": 100, "epochs": 4}
    config = {**TINY, **small, "ema": 0.5, "tensorboard": True}
    outcome = train_and_evaluate(config, tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    scores = {row["step"]: row["accuracy"]["value"] for row in metrics(tmp_path) if row["split"] == "test"}
    assert list(scores) == [4, 8, 12, 16]
    best = max(scores, key=lambda step: (scores[step], step))
    assert result["best_step"] == best
    assert {int(path.name) for path in (tmp_path / "checkpoints").iterdir()} == {best, 12, 16}
    assert list((tmp_path / "tensorboard").glob("events.*"))
    averaged = restore_variables(tmp_path, outcome.net, (16, 16, 1))
    jax.tree.map(np.testing.assert_array_equal, averaged, outcome.variables)


@pytest.mark.thorough
def test_validation_images_judge_instead_of_the_test_split(tmp_path: Path) -> None:
    config = {**TINY, "smoke": False, "epochs": 2, "batch": 500, "examples": 1000, "validation": 600, "dataset": NAMED}
    outcome = train_and_evaluate(config, tmp_path)
    rows = metrics(tmp_path)
    assert [(row["split"], row["step"]) for row in rows] == [
        ("validation", 2),
        ("train", 3),
        ("train", 4),
        ("test", 4),
        ("validation", 4),
    ]
    whole = load(NAMED, size=16)
    last = whole.train.arrays()[0][-600:], whole.train.arrays()[1][-600:]
    right = np.argmax(outcome.net.apply(outcome.variables, last[0]), -1) == last[1]
    assert outcome.share("validation_accuracy") == Share(int(right.sum()) / 600, 600)
    assert outcome.share("accuracy").n == len(whole.test)
    scores = {row["step"]: row["accuracy"]["value"] for row in rows if row["split"] == "validation"}
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["best_step"] == max(scores, key=lambda step: (scores[step], step))
    # A run that is done is judged again alike, and other validation images are another run.
    assert train_and_evaluate(config, tmp_path).metrics == outcome.metrics
    assert metrics(tmp_path) == rows
    with pytest.raises(ValueError, match="validation"):
        train_and_evaluate({**config, "validation": 601}, tmp_path)


def test_no_image_is_both_learned_from_and_held_out() -> None:
    whole = load(NAMED)
    dataset, held_out = split(whole, 0, 2000)
    assert (len(dataset.train), len(held_out.test), dataset.test) == (8000, 2000, whole.test)
    np.testing.assert_array_equal(dataset.train.arrays()[0], whole.train.arrays()[0][:8000])
    np.testing.assert_array_equal(held_out.test.arrays()[0], whole.train.arrays()[0][8000:])
    assert len(split(whole, 300, 0)[0].train) == 300 and split(whole, 300, 0)[1].test is whole.test
    for examples, validation in ((9000, 1001), (0, 10_000), (10_001, 0)):
        with pytest.raises(ValueError, match=r"has 10000 training examples, too few for config\.\w+=\d+"):
            split(whole, examples, validation)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_and_evaluate({**TINY, "seed": seed}, tmp_path / name)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    assert metrics(tmp_path / "a") != metrics(tmp_path / "c")


@pytest.mark.thorough
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    wild = OptimiserSettings(name="sgd", learning_rate=1e3, warmup_steps=1)
    config = {**TINY, "optimiser": vars(wild), "smoke": False, "batch": 500, "epochs": 1, "checkpoint_every": 1}
    with pytest.raises(
        Diverged, match=r"the loss of tiny was NaN or infinite in .*Lower --config.optimiser.learning_rate"
    ):
        train_and_evaluate(config, tmp_path)
    net = build_model(Settings.of(config))
    kept = restore_variables(tmp_path, net, (16, 16, 1))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"precision": "bfloat16"},
        {"optimiser": OptimiserSettings("sgd", 0.3, "constant", 1, momentum=0.9, clip=1.0)},
        {"optimiser": OptimiserSettings("lion", 3e-3, "linear", 1)},
        {"optimiser": OptimiserSettings("lamb", 3e-2, "step", 1)},
        {"optimiser": OptimiserSettings("adam", 3e-2, "cosine", 1)},
    ],
)
def test_training_learns(changed: dict[str, Any]) -> None:
    """Memorises a handful of images: gradients reach every layer."""
    images, labels = few(16, 16)
    net = eq.Sequential(eq.Conv(16, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool(), eq.Dense(10))
    run = Settings(**{"optimiser": OptimiserSettings(learning_rate=3e-2, weight_decay=0.0, warmup_steps=1), **changed})
    state, step = started(net, run, 16)
    losses = []
    for _ in range(200):
        before = float(state.sums["loss"])
        state = step(state, images, labels, jax.random.key(0), 1)
        losses.append(float(state.sums["loss"]) - before)
    assert losses[-1] < 0.5 * losses[0]
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(state.variables)} == {"float32"}


def test_a_step_compiles_once() -> None:
    net = eq.Sequential(eq.Conv(4, 3), eq.Relu(), eq.GlobalAvgPool(), eq.Dense(10))
    run = Settings(augment=AugmentSettings(shift=True, crop=2, flip=True), ema=0.9)
    _, step = started(net, run, 8)
    images, labels = few(8, 8)
    for seed in range(3):
        state, _ = started(net, run, 8, seed=seed)
        step(state, images, labels, jax.random.key(seed), seed)
    assert step.__wrapped__._cache_size() == 1


def test_the_average_follows_the_parameters() -> None:
    net = eq.Sequential(eq.GlobalAvgPool(), eq.Dense(10))
    images, labels = few(8, 8)
    run = Settings(ema=0.75, optimiser=OptimiserSettings("sgd", 0.1, "constant", 0))
    state, step = started(net, run, 8)
    before = jax.tree.map(np.array, state.average)
    after = step(state, images, labels, jax.random.key(0), 1)
    expected = jax.tree.map(lambda a, p: 0.75 * a + 0.25 * p, before, after.variables["params"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), after.average, expected)


def test_a_step_takes_the_memory_of_its_state() -> None:
    net = eq.Sequential(eq.Conv(4, 3), eq.BatchNorm(), eq.GlobalAvgPool(), eq.Dense(10))
    images, labels = few(8, 8)
    state, step = started(net, Settings(ema=0.5), 8)
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    arguments = state, images, labels, jax.random.key(0), 1
    jitted = step.__wrapped__
    plain = jax.jit(jitted.__wrapped__)
    taken, kept = (fn.lower(*arguments).compile().memory_analysis() for fn in (jitted, plain))
    assert taken is not None and kept is not None
    assert taken.alias_size_in_bytes >= held and kept.alias_size_in_bytes == 0
    assert taken.peak_memory_in_bytes <= kept.peak_memory_in_bytes - held
    copy = jax.tree.map(jnp.copy, state)
    after = step(*arguments)
    with pytest.raises(
        ValueError, match=r"a state that an earlier step has taken, .*: give it the state that that step"
    ):
        step(*arguments)
    jax.tree.map(np.testing.assert_array_equal, step(copy, *arguments[1:]), after)


def test_running_statistics_stay_exact_at_low_precision() -> None:
    net = eq.Sequential(eq.BatchNorm(momentum=0.99), eq.GlobalAvgPool(), eq.Dense(10))
    run = Settings(precision="bfloat16", optimiser=OptimiserSettings("sgd", 0.0, "constant", 0))
    state, step = started(net, run, 8)
    images, labels = few(8, 8)
    for number in range(1, 601):
        state = step(state, images, labels, jax.random.key(0), number)
    [mean] = [leaf for name, leaf in named_leaves(state.variables).items() if name.endswith("['mean']")]
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), atol=4e-3)


@pytest.mark.thorough
def test_augmentation_moves_masks_with_their_images() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(1, 100, (64, 6, 6, 1)).astype(np.float32)
    y = x[..., 0].astype(np.int32)
    for settings in (AugmentSettings(shift=True), AugmentSettings(crop=2), AugmentSettings(flip=True)):
        moved, masks = augment(settings, jax.random.key(1), x, y, background=0.0)
        np.testing.assert_array_equal(moved[..., 0], masks)
        changed = (np.asarray(moved) != x).any((1, 2, 3))
        assert changed.sum() > 0 and len(np.unique(np.asarray(moved).sum((1, 2, 3)))) > 1
    moved, labels = augment(AugmentSettings(shift=True), jax.random.key(1), x, y[:, 0, 0], background=0.0)
    np.testing.assert_array_equal(labels, y[:, 0, 0])
    np.testing.assert_array_equal(np.sort(np.asarray(moved).reshape(64, -1)), np.sort(x.reshape(64, -1)))


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
    with pytest.raises(ValueError, match="a batch of 20000 is larger than the training split of 10000 examples"):
        train_and_evaluate({**TINY, "smoke": False, "batch": 20000}, tmp_path)


def test_a_workdir_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match=r"cannot write .*/file/run/run.lock: Not a directory"):
        train_and_evaluate(TINY, tmp_path / "file" / "run")


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*: train first"):
        restore_variables(tmp_path, eq.Dense(2), (3,))
    outcome = train_and_evaluate(TINY, tmp_path)
    other = build_model(Settings(model={**TINY["model"], "features": (4, 9)}))
    with pytest.raises(ValueError, match=r"belongs to another network: .* is .*8.* there, expected .*9"):
        restore_variables(tmp_path, other, (16, 16, 1))
    assert outcome.steps == 2
