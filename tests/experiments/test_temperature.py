"""The temperature of learned polyphase sampling goes from the start to the end that a config gives."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from equinet.train import step as step_module
from equinet.train.checkpoint import named_leaves, restore_variables
from equinet.train.settings import Settings
from equinet.train.temperature import annealed
from equinet.train.trainer import build_model, train_and_evaluate
from tests.experiments.test_train import TINY, few, metrics, started

LPS = {**TINY, "model": {"name": "small_cnn", "features": (4, 8), "down": "lps"}}


def temperatures(variables: Any) -> list[float]:
    return [float(leaf) for name, leaf in named_leaves(variables).items() if name.endswith("['temperature']")]


@pytest.mark.slow
@pytest.mark.parametrize(("ends", "last"), [((0.25, 2.0), 2.0), ((), 1.0)])
def test_training_ends_at_the_last_temperature(ends: tuple[float, ...], last: float, tmp_path: Path) -> None:
    found = temperatures(train_and_evaluate({**LPS, "temperature": ends}, tmp_path).variables)
    assert found == [pytest.approx(last)]


@pytest.mark.thorough
def test_a_resumed_run_has_the_same_temperatures_and_numbers(tmp_path: Path) -> None:
    config = {**LPS, "checkpoint_every": 1, "temperature": (2.0, 0.25)}
    whole = train_and_evaluate(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    shutil.rmtree(tmp_path / "resumed" / "checkpoints" / "2")
    halfway = restore_variables(tmp_path / "resumed", whole.net, (16, 16, 1))
    assert temperatures(halfway) == [pytest.approx(2.0 * (1 / 8) ** (1 / 2))]
    resumed = train_and_evaluate(config, tmp_path / "resumed")
    assert temperatures(resumed.variables) == temperatures(whole.variables) == [pytest.approx(0.25)]
    jax.tree.map(np.testing.assert_array_equal, resumed.variables, whole.variables)


@pytest.mark.thorough
@pytest.mark.parametrize(("model", "alike"), [(TINY["model"], True), (LPS["model"], False)])
def test_networks_without_a_temperature_are_unaffected(model: dict[str, Any], alike: bool, tmp_path: Path) -> None:
    for name, ends in (("without", ()), ("with", (1.0, 0.1))):
        train_and_evaluate({**TINY, "model": model, "temperature": ends}, tmp_path / name)
    assert (metrics(tmp_path / "with") == metrics(tmp_path / "without")) is alike


@pytest.mark.thorough
def test_a_change_of_temperature_does_not_recompile(monkeypatch: pytest.MonkeyPatch) -> None:
    traces: list[int] = []
    monkeypatch.setattr(step_module, "annealed", lambda *args: traces.append(1) or annealed(*args))
    run = Settings.of({**LPS, "temperature": (1.0, 0.1)})
    state, step = started(build_model(run), run, 16, steps=3)
    found = []
    for number in (1, 2, 3):
        state = step(state, *few(8, 16), jax.random.key(number), number)
        found += temperatures(state.variables)
    assert found == pytest.approx([0.1 ** (number / 3) for number in (1, 2, 3)])
    assert len(traces) == 1
