"""Every file in configs/ runs from the command line, on generated files where its data does not ship with it."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from experiments.record import ROOT, read_json_lines
from tests.experiments.data.generated import WRITERS
from tests.experiments.launching import call

CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem not in ("__init__", "common"))
SHIPPED = ("fashion_mnist_12k", "fashion_scenes")


def config_of(name: str, arg: str | None = None) -> Any:
    module = importlib.import_module(f"configs.{name}")
    return module.get_config(arg) if arg else module.get_config()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "cifar_aps" else name for name in CONFIGS]
)
def test_every_config_runs(name: str, tmp_path: Path) -> None:
    config, more = config_of(name), []
    if config.dataset not in SHIPPED:
        (tmp_path / "data").mkdir()
        WRITERS[config.dataset](tmp_path / "data")
        more = [f"--config.data_dir={tmp_path / 'data'}"]
    command = (f"--config=configs/{name}.py", "--config.smoke=true", f"--workdir={tmp_path / 'run'}")
    # A smoke run takes a few steps: compiling them is most of its work.
    done = call("scripts.train", *command, *more, XLA_FLAGS="--xla_backend_optimization_level=0")
    assert done.returncode == 0, done.stderr
    rows = read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["split"] for row in rows] == ["train", "test"]
    score = "mean_iou" if config.model.name == "unet" else "accuracy"
    assert list(rows[-1])[2] == score


@pytest.mark.parametrize("name", CONFIGS)
def test_every_network_of_a_config_can_be_named(name: str) -> None:
    networks = importlib.import_module(f"configs.{name}").NETWORKS
    for arg in networks:
        assert config_of(name, arg).name == arg
