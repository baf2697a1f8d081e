"""A run that is killed at any moment goes on to the same last bit."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.checkpoint import CorruptCheckpoint
from experiments.record import read_json_lines
from experiments.train import train_and_evaluate
from tests.experiments.test_train import TINY

ROOT = Path(__file__).resolve().parents[2]
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


def launch(workdir: Path) -> subprocess.Popen[bytes]:
    program = (
        "import json, sys; from experiments.train import train_and_evaluate; "
        "train_and_evaluate(json.loads(sys.argv[1]), sys.argv[2])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(LONG), str(workdir)], cwd=ROOT, stdout=subprocess.DEVNULL
    )


def left_behind(workdir: Path) -> tuple[list[dict[str, Any]], Any, dict[str, np.ndarray]]:
    """Metrics without the clock's part, the result, and every array of the last checkpoint."""
    import orbax.checkpoint as ocp

    rows = read_json_lines(workdir / "metrics.jsonl")
    with ocp.CheckpointManager(workdir / "checkpoints", options=ocp.CheckpointManagerOptions(read_only=True)) as saved:
        last = saved.latest_step()
        assert last == 200
        state = saved.restore(last, args=ocp.args.Composite(state=ocp.args.StandardRestore()))["state"]
    untimed = [{name: value for name, value in row.items() if name != "images_per_second"} for row in rows]
    return untimed, json.loads((workdir / "result.json").read_text()), state


def same(a: Path, b: Path) -> None:
    (rows, result, state), (others, other, there) = left_behind(a), left_behind(b)
    assert rows == others
    assert result == other
    assert state.keys() == there.keys()
    for name, leaf in state.items():
        np.testing.assert_array_equal(leaf, there[name], err_msg=name, strict=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbs."""
    workdir = tmp_path_factory.mktemp("whole")
    assert launch(workdir).wait() == 0
    return workdir


def killed_and_resumed(workdir: Path, kills: list[tuple[int, float]]) -> None:
    """Start the run and kill it so many seconds after its log holds so many lines, for each; then let it finish."""
    log = workdir / "metrics.jsonl"
    for lines, seconds in kills:
        process = launch(workdir)
        while process.poll() is None and (not log.exists() or len(read_json_lines(log)) < lines):
            time.sleep(0.005)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert launch(workdir).wait() == 0


def test_a_killed_run_goes_on_bit_for_bit(whole: Path, tmp_path: Path) -> None:
    killed_and_resumed(tmp_path / "run", [(17, 0.0)])
    same(whole, tmp_path / "run")


@pytest.mark.slow
def test_ten_kills_at_random_moments(whole: Path, tmp_path: Path) -> None:
    chance = random.Random(0)
    lines = sorted(chance.sample(range(1, 27), 10))
    killed_and_resumed(tmp_path / "run", [(line, chance.uniform(0.0, 0.05)) for line in lines])
    same(whole, tmp_path / "run")


def test_a_finished_run_is_evaluated_again_and_not_trained(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    said: list[str] = []
    train_and_evaluate(LONG, tmp_path / "copy", report=said.append)
    assert said == ["tiny: goes on from step 200 of 200"]
    same(whole, tmp_path / "copy")


def damage(folder: Path) -> None:
    """Overwrite the middle of the largest file of a checkpoint."""
    file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    file.write_bytes(content)


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_used(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    damage(copy / "checkpoints" / "200")
    said: list[str] = []
    train_and_evaluate(LONG, copy, report=said.append)
    assert said[0].startswith("checkpoint of step 200: ") and said[1] == "tiny: goes on from step 180 of 200"
    damage(copy / "checkpoints" / "180")
    damage(copy / "checkpoints" / "200")
    with pytest.raises(CorruptCheckpoint, match=r"no checkpoint in .* can be read .*step 200: .*remove the folder"):
        train_and_evaluate(LONG, copy, report=said.append)


def test_a_folder_with_another_run_is_refused(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    with pytest.raises(ValueError, match=r"holds another run: config.seed is 0 there and 1 here"):
        train_and_evaluate({**LONG, "seed": 1}, tmp_path / "copy")
    record = json.loads((tmp_path / "copy" / "run.json").read_text())
    del record["config"]["temperature"]
    (tmp_path / "copy" / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"holds another run: config.temperature is \[\] there and \[1.0, 0.1\] here"):
        train_and_evaluate({**LONG, "temperature": (1.0, 0.1)}, tmp_path / "copy")
    train_and_evaluate(LONG, tmp_path / "copy")  # as a record from before there was this setting
    (tmp_path / "copy" / "run.json").write_text('{"config": ')
    with pytest.raises(ValueError, match=r"run.json is damaged"):
        train_and_evaluate(LONG, tmp_path / "copy")
