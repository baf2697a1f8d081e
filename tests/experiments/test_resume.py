"""A run that is killed at any moment goes on to the same last bit."""

import dataclasses
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equinet.cli import train
from equinet.train.checkpoint import Checkpoints, CorruptCheckpoint, last_state
from equinet.train.record import Unwritable, read_json_lines
from equinet.train.settings import Settings
from equinet.train.trainer import train_and_evaluate
from equinet.train.workdir import _identity, first_difference
from tests.experiments.launching import finish, flags_of, launch
from tests.experiments.test_train import TINY
from tests.scripts.lines import run_line

LONG = {
    **TINY,
    "smoke": False,
    "epochs": 1,
    "batch": 50,
    "log_every": 7,
    "checkpoint_every": 20,
    "eval_epochs": 0,
    "ema": 0.9,
    "augment": {"shift": True, "flip": True},
}


def left_behind(workdir: Path) -> tuple[list[dict[str, Any]], Any, dict[str, np.ndarray]]:
    """Metrics without the clock's part, the result, and every array of the last checkpoint."""
    rows = read_json_lines(workdir / "metrics.jsonl")
    last, state = last_state(workdir)
    assert last == 200
    untimed = [{name: value for name, value in row.items() if name != "images_per_second"} for row in rows]
    return untimed, json.loads((workdir / "result.json").read_text()), state


def same(a: Path, b: Path) -> None:
    (rows, result, state), (others, other, there) = left_behind(a), left_behind(b)
    assert rows == others
    assert result == other
    assert state.keys() == there.keys()
    for name, leaf in state.items():
        np.testing.assert_array_equal(leaf, there[name], err_msg=name, strict=True)


def wait_for_lines(process: subprocess.Popen[str], workdir: Path, lines: int) -> None:
    """Until the log of a running process holds so many lines."""
    log = workdir / "metrics.jsonl"
    while process.poll() is None and (not log.exists() or len(read_json_lines(log)) < lines):
        time.sleep(0.005)


def killed_and_resumed(workdir: Path, kills: list[tuple[int, float]]) -> None:
    """Start the run and kill it so many seconds after its log holds so many lines, for each; then let it finish."""
    for lines, seconds in kills:
        process = launch(workdir, LONG)
        wait_for_lines(process, workdir, lines)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    finish(launch(workdir, LONG))


def stop(process: subprocess.Popen[str], workdir: Path, number: signal.Signals, name: str, lines: int) -> None:
    """Send a run a signal once its log holds so many lines: it saves its state and ends with a line."""
    wait_for_lines(process, workdir, lines)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    told = re.fullmatch(
        rf"tiny: stopped by {name} after step (\d+) of 200; the same command goes on from there\n", errors
    )
    assert told, errors
    step, _ = last_state(workdir)
    assert step == int(told[1]) >= 7 * lines


@pytest.mark.thorough
def test_a_run_that_is_stopped_then_started_twice_then_killed_goes_on_bit_for_bit(whole: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    stop(launch(workdir, LONG), workdir, signal.SIGTERM, "SIGTERM", 5)
    first = launch(workdir, LONG)
    wait_for_lines(first, workdir, 17)
    first.send_signal(signal.SIGSTOP)
    second = run_line(train, flags_of(workdir, LONG), tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert (second.status, second.fault) == (1, "") and f"is in use by process {first.pid} on" in second.err
    train_and_evaluate(LONG, workdir, report=lambda _: None)
    same(whole, workdir)


FAR_APART = {**LONG, "checkpoint_every": 1000}
"""No checkpoint is due before the end."""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name", "lines"), [(signal.SIGTERM, "SIGTERM", 5), (signal.SIGINT, "Ctrl-C", 17)])
def test_a_signal_saves_a_state_that_was_not_due(
    number: signal.Signals, name: str, lines: int, whole: Path, tmp_path: Path
) -> None:
    stop(launch(tmp_path / "run", FAR_APART), tmp_path / "run", number, name, lines)
    finish(launch(tmp_path / "run", FAR_APART))
    same(whole, tmp_path / "run")


@pytest.mark.slow
def test_the_first_of_two_starts_is_untouched_by_the_second(whole: Path, tmp_path: Path) -> None:
    first = launch(tmp_path / "run", LONG)
    wait_for_lines(first, tmp_path / "run", 2)
    first.send_signal(signal.SIGSTOP)
    second = launch(tmp_path / "run", LONG)
    _, errors = second.communicate(timeout=300)
    first.send_signal(signal.SIGCONT)
    finish(first)
    assert second.returncode == 1
    assert errors.count("\n") == 1 and f"is in use by process {first.pid} on" in errors
    same(whole, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_ten_kills_at_random_moments(seed: int, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)
    lines = sorted(chance.sample(range(1, 27), 10))
    killed_and_resumed(tmp_path / "run", [(line, chance.uniform(0.0, 0.05)) for line in lines])
    same(whole, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(("room", "lines"), [(0, 10), (0, 12), (200, 12), (1000, 12)])
def test_a_full_disk_stops_a_run_in_a_line_and_it_goes_on_once_there_is_room(
    room: int, lines: int, whole: Path, tmp_path: Path
) -> None:
    """A limit stands for the disk: from then on the system refuses to write more than so many bytes of a file."""
    workdir, config = tmp_path / "run", {**LONG, "tensorboard": True}
    process = launch(workdir, config)
    wait_for_lines(process, workdir, lines)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, room))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert re.fullmatch(rf"cannot write {workdir}/\S+: File too large\. Put that right .*\n", errors), errors
    assert {path.name for path in workdir.iterdir()} == {
        *("run.lock", "run.json", "metrics.jsonl", "checkpoints", "tensorboard")
    }
    finish(launch(workdir, config))
    same(whole, workdir)


@pytest.mark.thorough
def test_a_finished_run_is_evaluated_again_and_not_trained(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    said: list[str] = []
    train_and_evaluate(LONG, tmp_path / "copy", report=said.append)
    assert said[-1] == "tiny: goes on from step 200 of 200"
    assert not [line for line in said if "checkpoint" in line]
    same(whole, tmp_path / "copy")


def test_a_refusal_that_tensorstore_tells_of_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(message: str) -> Callable[..., None]:
        def save(*_: object, **__: object) -> None:
            raise ValueError(message)

        return save

    with Checkpoints(tmp_path) as saved:
        monkeypatch.setattr(saved._manager, "save", told("OUT_OF_RANGE: Failed to write 9 bytes [os_error_code='28']"))
        with pytest.raises(Unwritable, match=r"cannot write .*/checkpoints: No space left on device\. Put that right"):
            saved.save(1, {"x": np.ones(3)})
        monkeypatch.setattr(saved._manager, "save", told("no such thing"))
        with pytest.raises(ValueError, match="^no such thing$"):
            saved.save(1, {"x": np.ones(3)})


def test_a_refusal_at_the_end_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What orbax notes about a checkpoint is written by a thread, which tells of a full disk when all is closed."""
    saved = Checkpoints(tmp_path)
    close = saved._manager.close

    def full() -> None:
        close()
        raise OSError(27, "File too large")

    monkeypatch.setattr(saved._manager, "close", full)
    with pytest.raises(Unwritable, match=r"cannot write .*/checkpoints: File too large\. Put that right"):
        saved.close()


def damage(folder: Path) -> None:
    """Overwrite the middle of every file that holds arrays of a checkpoint."""
    files = [path for path in folder.rglob("d/*") if path.is_file()]
    assert files
    for file in files:
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(64)
        file.write_bytes(content)


# orbax leaves tasks behind where it fails in the midst of reading, and Python tells of each as it is thrown away.
@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_used(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    damage(copy / "checkpoints" / "200")
    said: list[str] = []
    train_and_evaluate(LONG, copy, report=said.append)
    assert re.match("checkpoint of step 200: .*: moved to .*/damaged/200, going on without it", said[0])
    assert said[-1] == "tiny: goes on from step 180 of 200"
    same(whole, copy)
    damage(copy / "checkpoints" / "180")
    damage(copy / "checkpoints" / "200")
    with pytest.raises(CorruptCheckpoint, match=r"no checkpoint in .* can be read .*step 200: .*move the folder of"):
        train_and_evaluate(LONG, copy, report=said.append)


def test_a_folder_with_another_run_is_refused(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    with pytest.raises(ValueError, match=r"holds another run: config.seed is 0 there and 1 here"):
        train_and_evaluate({**LONG, "seed": 1}, tmp_path / "copy")
    path = tmp_path / "copy" / "run.json"
    record = json.loads(path.read_text())
    del record["config"]["temperature"]
    # As a record from before there was this setting.
    assert first_difference(record["config"], dataclasses.asdict(Settings.of(LONG))) == ""
    record["id"] = _identity(record["config"], record["data"])
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"holds another run: config.temperature is \[\] there and \[1.0, 0.1\] here"):
        train_and_evaluate({**LONG, "temperature": (1.0, 0.1)}, tmp_path / "copy")
