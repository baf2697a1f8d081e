"""Many devices, and several processes, give the run of one device up to rounding; checkpoints pass between them."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.record import read_json_lines
from experiments.train import train_and_evaluate
from tests.experiments.test_train import TINY

ROOT = Path(__file__).resolve().parents[2]
SHORT = {**TINY, "smoke": False, "epochs": 1, "batch": 400, "log_every": 1, "checkpoint_every": 10}
PROGRAM = """
import json, sys
from experiments.devices import connect
config, workdir, *rest = sys.argv[1:]
if rest:
    connect(rest[0], int(rest[1]), int(rest[2]))
import jax
from experiments.train import train_and_evaluate
assert (jax.local_device_count(), jax.process_count()) == tuple(json.loads(config).pop("expected"))
train_and_evaluate({k: v for k, v in json.loads(config).items() if k != "expected"}, workdir)
"""


def launch(workdir: Path, devices: int, *place: str, **changed: Any) -> subprocess.Popen[str]:
    config = {**SHORT, **changed, "expected": [devices, int(place[1]) if place else 1]}
    settings = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(config), str(workdir), *place]
    return subprocess.Popen(
        command, cwd=ROOT, env=settings, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]


def two_processes(workdir: Path, **changed: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    finish(*(launch(workdir, 4, address, "2", str(k), **changed) for k in range(2)))


def losses(workdir: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_json_lines(workdir / "metrics.jsonl") if row["split"] == "train"}


def alike(workdir: Path, reference: Path) -> None:
    ours, theirs = losses(workdir), losses(reference)
    assert list(ours) == list(theirs) == list(range(1, 26))
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=2e-4)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("one")
    train_and_evaluate(SHORT, workdir)
    return workdir


def test_eight_devices_give_the_same_curve_and_go_on_from_one(one_device: Path, tmp_path: Path) -> None:
    finish(launch(tmp_path / "eight", 8))
    alike(tmp_path / "eight", one_device)
    moved = tmp_path / "moved"
    shutil.copytree(one_device, moved)
    shutil.rmtree(moved / "checkpoints" / "25")
    finish(launch(moved, 8))
    alike(moved, one_device)
    kept, whole = losses(moved), losses(one_device)
    assert [kept[step] for step in range(1, 21)] == [whole[step] for step in range(1, 21)]


@pytest.mark.slow
def test_two_processes_of_four_devices_give_the_same_curve(one_device: Path, tmp_path: Path) -> None:
    two_processes(tmp_path / "two")
    alike(tmp_path / "two", one_device)
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "25")
    train_and_evaluate(SHORT, tmp_path / "two")
    alike(tmp_path / "two", one_device)


def test_a_batch_that_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    process = launch(tmp_path, 8, batch=100)
    _, errors = process.communicate(timeout=300)
    assert process.returncode and "config.batch is 100, over 8 devices: make it a multiple of 8" in errors
