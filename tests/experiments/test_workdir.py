"""A folder belongs to one run and one process at a time, and its record says what made what is in it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from equinet.train.record import read_json_lines
from equinet.train.settings import Settings
from equinet.train.trainer import train_and_evaluate
from equinet.train.workdir import InUse, Workdir
from tests.experiments.test_train import TINY


def silent(_: str) -> None:
    pass


def entered(path: Path, data: str = "d") -> Workdir:
    return Workdir(path, Settings.of(TINY), data, silent)


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    told = rf"{tmp_path} is in use by process {os.getpid()} on .*, since 20.*: wait"
    with entered(tmp_path), pytest.raises(InUse, match=told):
        entered(tmp_path).__enter__()
    with entered(tmp_path):
        pass


def test_the_record_is_there_before_anything_else(tmp_path: Path) -> None:
    """A run that is killed before its first checkpoint can be started again."""
    with entered(tmp_path / "run"):
        assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.lock", "run.json"}
    (tmp_path / "run" / "checkpoints").mkdir()
    with entered(tmp_path / "run"):
        pass


def test_every_start_is_recorded_and_what_changed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    train_and_evaluate(TINY, tmp_path, report=said.append)
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=")
    monkeypatch.setattr("equinet.train.record.PACKAGES", ("jax",))
    monkeypatch.setattr("equinet.train.record._version", lambda name: "0.0.1")
    train_and_evaluate(TINY, tmp_path, report=said.append)
    first, second = json.loads((tmp_path / "run.json").read_text())["starts"]
    assert (first["step"], second["step"]) == (0, 2)
    assert (second["xla_flags"], second["versions"]["jax"]) == ("--xla_dump_to=", "0.0.1")
    assert len(said) == 2, said
    assert "\n" not in said[0]
    assert said[0].startswith("tiny: since its last start changed ")
    assert f"versions.jax {first['versions']['jax']} → 0.0.1" in said[0]


def test_other_data_are_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_and_evaluate(TINY, tmp_path)
    there = contents(tmp_path)
    monkeypatch.setattr("equinet.train.trainer.fingerprint", lambda dataset: "0123456789abcdef")
    with pytest.raises(ValueError, match=r"holds a run on other data: .* 0123456789abcdef here\. Bring the data back"):
        train_and_evaluate(TINY, tmp_path)
    assert contents(tmp_path) == there


DAMAGED = {
    "not UTF-8": (b'{"config": "\xff"}', r"run\.json is damaged \('utf-8' codec.*\): bring back a copy"),
    "cut short": (b'{"config": ', r"run\.json is damaged \(.*\): bring back a copy"),
    "empty": (b"", r"run\.json is damaged"),
    "a list": (
        b"[]",
        r"damaged \('starts' is missing or odd\): .* or remove the run's folder to start anew",
    ),
    "another id": (b'{"id": "x", "config": {}, "data": "y", "starts": []}', r"damaged \('id' is missing or odd"),
    "without a config": (b'{"id": "x", "data": "y", "starts": []}', r"run\.json is damaged \('config' is missing"),
    "odd starts": (b'{"id": "x", "config": {}, "data": "y", "starts": [3]}', r"damaged \('starts' is missing or odd"),
    "nested": (b"[" * 100000, r"run\.json is damaged"),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("tiny")
    train_and_evaluate(TINY, workdir)
    return workdir


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.lock"
    }


def check_refused(workdir: Path, message: str) -> None:
    """A start is refused in one line, and leaves everything as it was."""
    there = contents(workdir)
    with pytest.raises(ValueError, match=message) as caught:
        train_and_evaluate(TINY, workdir)
    assert "\n" not in str(caught.value)
    assert contents(workdir) == there


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_record_is_named_and_nothing_lost(kind: str, tiny: Path, tmp_path: Path) -> None:
    text, message = DAMAGED[kind]
    shutil.copytree(tiny, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(text)
    check_refused(tmp_path / "run", message)


def test_a_missing_record_does_not_start_anew(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    check_refused(tmp_path / "run", r"checkpoints and metrics.jsonl and .* of a run, but no run.json")
    shutil.rmtree(tmp_path / "run")
    train_and_evaluate(TINY, tmp_path / "run")


ROWS = {
    "not UTF-8": (b'\xff\xfe{"step": 1}\n', r"metrics\.jsonl is damaged \('utf-8'"),
    "a list": (b"[]\n", r"metrics\.jsonl is damaged \(line 1 is no JSON object: \[\]\)"),
    "without a step": (b'{"split": "train"}\n', r"metrics\.jsonl is damaged \(a row without step or split: \{'split'"),
    "an odd step": (b'{"split": "train", "step": "1"}\n', r"metrics\.jsonl is damaged \(a row without step or split"),
    "half a line in the middle": (b'{"split": "tr\n{"split": "train", "step": 1}\n', r"damaged \(line 1: Unterminated"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_damaged_log_is_named_and_nothing_lost(kind: str, tiny: Path, tmp_path: Path) -> None:
    text, message = ROWS[kind]
    shutil.copytree(tiny, tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_bytes(text)
    check_refused(tmp_path / "run", message)


def test_a_run_whose_checkpoints_are_gone_does_not_begin_anew(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    check_refused(tmp_path / "run", r"holds a run that has been further, but no checkpoint of it: bring")


def test_a_refused_start_writes_nothing_in_the_lock(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "run")
    (tmp_path / "run" / "run.lock").write_text("mine")
    with pytest.raises(ValueError, match="holds another run"):
        train_and_evaluate({**TINY, "seed": 1}, tmp_path / "run")
    assert (tmp_path / "run" / "run.lock").read_text() == "mine"


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl"])
def test_a_pipe_is_no_record(name: str, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    os.mkfifo(tmp_path / "run" / name)
    with pytest.raises(ValueError, match=rf"{name} is a pipe, expected a regular file"):
        train_and_evaluate(TINY, tmp_path / "run")


def test_what_a_kill_has_left_of_the_last_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert read_json_lines(tmp_path / "rows") == [{"step": 1}, {"step": 2}]
    (tmp_path / "rows").write_text('{"step": 1}\n{"step": 2}')
    assert read_json_lines(tmp_path / "rows") == [{"step": 1}, {"step": 2}]
