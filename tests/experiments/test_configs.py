"""Every file in configs/ runs, on generated files where its data does not ship with it."""

import importlib
from pathlib import Path
from typing import Any

import jax
import pytest

from equinet.train.record import ROOT, read_json_lines
from equinet.train.trainer import TrainState, train_and_evaluate
from tests.experiments.data.generated import WRITERS
from tests.experiments.launching import call

CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem not in ("__init__", "common"))
SHIPPED = ("fashion_mnist_12k", "fashion_scenes")

ALL = {"examples": 0, "validation": 0}
"""Generated sets are small: all of them is learned from."""


def config_of(name: str, arg: str | None = None) -> Any:
    module = importlib.import_module(f"configs.{name}")
    return module.get_config(arg) if arg else module.get_config()


def data_of(config: Any, folder: Path) -> str:
    """Where its data is: generated in `folder` unless it ships with the repository."""
    if config.dataset in SHIPPED:
        return config.data_dir
    folder.mkdir()
    WRITERS[config.dataset](folder)
    return str(folder)


def check_log(config: Any, workdir: Path) -> None:
    rows = read_json_lines(workdir / "metrics.jsonl")
    assert [row["split"] for row in rows] == ["train", "test"]
    score = "mean_iou" if config.model.name == "unet" else "accuracy"
    assert list(rows[-1])[2] == score


@pytest.mark.slow  # the fast tests follow all to where training starts, and train some in tests of studies
@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_runs(name: str, tmp_path: Path) -> None:
    config = config_of(name)
    config.update(smoke=True, progress=False, data_dir=data_of(config, tmp_path / "data"), **ALL)
    train_and_evaluate(config, tmp_path / "run", report=lambda _: None)
    check_log(config, tmp_path / "run")


class Starts(BaseException):
    """Training would start."""


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_reaches_its_first_step(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data are read, its network fits them, and the state before the first step has shapes."""

    def start(state: TrainState, what: str) -> None:
        assert what == "this network with its optimiser"
        assert all(leaf.size for leaf in jax.tree.leaves(state.variables["params"]))
        raise Starts

    monkeypatch.setattr("equinet.train.trainer.check_room", start)
    config = config_of(name)
    config.update(smoke=True, progress=False, data_dir=data_of(config, tmp_path / "data"), **ALL)
    with pytest.raises(Starts):
        train_and_evaluate(config, tmp_path / "run", report=lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_runs_from_the_command_line(name: str, tmp_path: Path) -> None:
    config, folder = config_of(name), tmp_path / "data"
    more = [f"--config.{setting}={value}" for setting, value in ALL.items()]
    if config.dataset not in SHIPPED:
        more.append(f"--config.data_dir={data_of(config, folder)}")
    command = (f"--config=configs/{name}.py", "--config.smoke=true", f"--workdir={tmp_path / 'run'}")
    done = call("scripts.train", *command, *more)
    assert done.returncode == 0, done.stderr
    check_log(config, tmp_path / "run")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_network_of_a_config_can_be_named(name: str) -> None:
    networks = importlib.import_module(f"configs.{name}").NETWORKS
    for arg in networks:
        assert config_of(name, arg).name == arg
