"""When a process joins others, and when it must not wait for any."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from equinet.ops.arrays import check_room
from equinet.train.devices import connect
from equinet.train.trainer import train_and_evaluate

BATCH_SHELL = {"JOB_ID": "71", "NTASKS": "4", "PROCID": "0", "LOCALID": "0", "JOB_NODELIST": "n[1-2]"}
TASK = {**BATCH_SHELL, "PROCID": "2", "STEP_ID": "0", "STEP_NODELIST": "n[1-2]", "STEP_NUM_TASKS": "4"}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What `jax.distributed.initialize` is called with, in an environment without Slurm."""
    found: list[tuple[object, ...]] = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *arguments: found.append(arguments))
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    return found


@pytest.mark.parametrize(
    ("environment", "joins"),
    [
        pytest.param(TASK, True, id="a task of srun"),
        pytest.param({k: v for k, v in TASK.items() if k != "STEP_NUM_TASKS"}, True, id="all that JAX looks for"),
        pytest.param({}, False, id="no Slurm"),
        pytest.param(BATCH_SHELL, False, id="the shell of sbatch"),
        pytest.param({**TASK, "PROCID": "0", "STEP_NUM_TASKS": "1"}, False, id="the shell of salloc"),
        pytest.param({**TASK, "PROCID": "0", "NTASKS": "1", "STEP_NUM_TASKS": "1"}, False, id="the only task"),
    ],
)
def test_a_process_joins_the_other_tasks_of_its_slurm_step(
    environment: dict[str, str], joins: bool, calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    connect(None, None, None)
    assert calls == ([()] if joins else [])


def test_named_hosts_come_before_slurm(calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TASK.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    connect("host:1234", 2, 0)
    assert calls == [("host:1234", 2, 0)]


@pytest.mark.parametrize("given", [("host:1234", None, None), (None, 2, 0), ("host:1234", 2, None)])
def test_a_host_named_by_halves_is_refused(given: tuple[object, ...], calls: list[tuple[object, ...]]) -> None:
    with pytest.raises(ValueError, match="--coordinator, --processes and --process go together"):
        connect(*given)
    assert calls == []


def test_what_does_not_fit_into_memory_is_refused() -> None:
    check_room([jax.ShapeDtypeStruct((1000, 1000), jnp.float32)], "this network")
    with pytest.raises(
        ValueError, match=r"this network would take 3,725,290\.3 GiB, the memory has [\d,]+\.\d: make it"
    ):
        check_room([jax.ShapeDtypeStruct((10**9, 10**6), jnp.float32)], "this network")


def test_a_network_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    model = {"name": "small_cnn", "features": (2**23, 2**23), "down": "max"}
    with pytest.raises(ValueError, match="this network with its optimiser would take .* GiB"):
        train_and_evaluate({"model": model, "smoke": True, "progress": False}, tmp_path / "run")
    assert not (tmp_path / "run").exists()
