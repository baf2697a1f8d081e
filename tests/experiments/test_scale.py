"""Many devices, and several processes, give the run of one device up to rounding; checkpoints pass between them."""

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from experiments.record import read_json_lines
from experiments.train import train_and_evaluate
from tests.experiments.launching import finish, launch
from tests.experiments.test_train import TINY

SHORT = {**TINY, "smoke": False, "epochs": 1, "batch": 400, "log_every": 1, "checkpoint_every": 10}


def two_processes(workdir: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    place = (f"--coordinator={address}", "--processes=2")
    finish(*(launch(workdir, SHORT, *place, f"--process={k}", devices=4) for k in range(2)))


def devices_of(workdir: Path) -> int:
    return json.loads((workdir / "run.json").read_text())["device"]["count"]


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
    finish(launch(tmp_path / "eight", SHORT, devices=8))
    assert (devices_of(one_device), devices_of(tmp_path / "eight")) == (1, 8)
    alike(tmp_path / "eight", one_device)
    moved = tmp_path / "moved"
    shutil.copytree(one_device, moved)
    shutil.rmtree(moved / "checkpoints" / "25")
    finish(launch(moved, SHORT, devices=8))
    alike(moved, one_device)
    kept, whole = losses(moved), losses(one_device)
    assert [kept[step] for step in range(1, 21)] == [whole[step] for step in range(1, 21)]


@pytest.mark.slow
def test_two_processes_of_four_devices_give_the_same_curve(one_device: Path, tmp_path: Path) -> None:
    two_processes(tmp_path / "two")
    assert devices_of(tmp_path / "two") == 8
    alike(tmp_path / "two", one_device)
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "25")
    train_and_evaluate(SHORT, tmp_path / "two")
    alike(tmp_path / "two", one_device)


def test_a_batch_that_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    process = launch(tmp_path / "run", {**SHORT, "batch": 100}, devices=8)
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (1, "config.batch is 100, over 8 devices: make it a multiple of 8\n")
