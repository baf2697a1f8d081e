"""Many devices, and several processes, give the run of one device up to rounding; checkpoints pass between them."""

import contextlib
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from equinet.train.data import InMemory
from equinet.train.devices import Layout
from equinet.train.pipeline import batches
from equinet.train.record import read_json_lines
from equinet.train.trainer import train_and_evaluate
from tests.experiments.launching import finish, launch
from tests.experiments.test_train import TINY

SHORT = {
    **TINY,
    "smoke": False,
    "epochs": 1,
    "batch": 400,
    "log_every": 1,
    "checkpoint_every": 10,
    "eval_epochs": 0,
    "model": {"name": "wide_resnet", "depth": 10, "widen": 1, "width": 4, "dropout": 0.3},
    "augment": {"shift": True, "crop": 2, "flip": True},
}
Told = Callable[[int, int], tuple[tuple[str, ...], dict[str, str]]]
"""`(port, process) -> flags, environment`: how one of two processes learns of the other."""


def as_flags(port: int, process: int) -> tuple[tuple[str, ...], dict[str, str]]:
    return (f"--coordinator=127.0.0.1:{port}", "--processes=2", f"--process={process}"), {}


def as_slurm(port: int, process: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """What srun tells two tasks on one host; JAX derives the port from the number of the job, 61440 + job mod 4096."""
    told = {"JOB_ID": port - 61440, "STEP_NODELIST": "localhost", "NTASKS": 2, "PROCID": process, "LOCALID": process}
    return (), {f"SLURM_{name}": str(value) for name, value in told.items()}


def free_port() -> int:
    """A free port among those that Slurm's job numbers stand for."""
    for port in range(61440, 65536):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def devices_of(workdir: Path) -> int:
    return json.loads((workdir / "run.json").read_text())["starts"][0]["device"]["count"]


def losses(workdir: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_json_lines(workdir / "metrics.jsonl") if row["split"] == "train"}


def alike(workdir: Path, reference: Path) -> None:
    ours, theirs = losses(workdir), losses(reference)
    assert list(ours) == list(theirs) == list(range(1, 26))
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=2e-4)
    ours, theirs = (json.loads((folder / "result.json").read_text()) for folder in (workdir, reference))
    assert ours.keys() == theirs.keys()
    for name in ("accuracy", "circular_consistency", "crop_consistency"):
        assert abs(ours[name]["value"] - theirs[name]["value"]) <= 2 / theirs[name]["n"], name


@pytest.fixture(scope="module")
def one_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("one")
    train_and_evaluate(SHORT, workdir)
    return workdir


@pytest.mark.slow
def test_eight_devices_give_the_same_curve(one_device: Path, tmp_path: Path) -> None:
    finish(launch(tmp_path / "eight", SHORT, devices=8))
    assert (devices_of(one_device), devices_of(tmp_path / "eight")) == (1, 8)
    alike(tmp_path / "eight", one_device)


@pytest.mark.slow
def test_eight_devices_go_on_from_one_along_the_same_curve(one_device: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(one_device, moved)
    shutil.rmtree(moved / "checkpoints" / "25")
    finish(launch(moved, SHORT, devices=8))
    alike(moved, one_device)
    kept, whole = losses(moved), losses(one_device)
    assert [kept[step] for step in range(1, 21)] == [whole[step] for step in range(1, 21)]


@pytest.mark.slow
@pytest.mark.parametrize("told", [as_flags, as_slurm])
def test_two_processes_of_four_devices_give_the_same_curve(told: Told, one_device: Path, tmp_path: Path) -> None:
    port = free_port()
    places = [told(port, process) for process in range(2)]
    finish(*(launch(tmp_path / "two", SHORT, *flags, devices=4, **environment) for flags, environment in places))
    assert devices_of(tmp_path / "two") == 8
    alike(tmp_path / "two", one_device)
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "25")
    train_and_evaluate(SHORT, tmp_path / "two")
    alike(tmp_path / "two", one_device)


def test_processes_read_one_block_each_of_the_batches_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn at random for an example goes by its place in the batch."""
    examples = InMemory(np.arange(40, dtype=np.float32).reshape(10, 2, 2, 1), np.arange(10))

    def read(process: int, processes: int) -> list[list[int]]:
        monkeypatch.setattr(jax, "process_index", lambda: process)
        monkeypatch.setattr(jax, "process_count", lambda: processes)
        layout = Layout.of_all_devices()
        monkeypatch.setattr(Layout, "scatter", lambda self, tree: tree)
        return [targets.tolist() for _, targets in batches(examples, 4, 3, 1, 6, layout)]

    whole = read(0, 1)
    assert len(whole) == 5 and len({*map(tuple, whole)}) == 5
    assert [a + b for a, b in zip(read(0, 2), read(1, 2), strict=True)] == whole


def test_a_batch_that_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    """As any process that is used wrongly: with status 2 and a line, and nothing is written."""
    process = launch(tmp_path / "run", {**SHORT, "batch": 100}, devices=8)
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (2, "config.batch is 100, over 8 devices: make it a multiple of 8\n")
    assert not (tmp_path / "run").exists()
