"""Ctrl-C and SIGTERM lose no step."""

import gc
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from equinet.train.checkpoint import last_state
from equinet.train.data import load
from equinet.train.record import read_json_lines
from equinet.train.stopping import Signals, Stopped
from equinet.train.trainer import train_and_evaluate
from tests.experiments.launching import launch
from tests.experiments.test_resume import wait_for_lines
from tests.experiments.test_scale import SHORT, as_flags, free_port
from tests.experiments.test_train import TINY

SCORED = {**TINY, "smoke": False, "examples": 400, "batch": 20, "epochs": 2, "eval_epochs": 1, "log_every": 5}


def stop_in_evaluation(workdir: Path, monkeypatch: pytest.MonkeyPatch, number_of_calls: int) -> None:
    """Send this process a SIGTERM in the midst of an evaluation, where an error would be dropped."""
    from equinet.train import metrics
    from equinet.train import trainer as train

    calls, answered, measure, answer = [], [], train.evaluate, metrics._answer_batch

    def interrupted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return measure(*arguments, **options)

    def counted(*arguments: Any) -> Any:
        if len(calls) == number_of_calls:
            answered.append(1)
            if len(answered) == 2:

                def collected(*_: Any) -> None:
                    gc.callbacks.remove(collected)
                    os.kill(os.getpid(), signal.SIGTERM)

                gc.callbacks.append(collected)
                gc.collect()
        return answer(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "evaluate", interrupted)
        patch.setattr(metrics, "_answer_batch", counted)
        with pytest.raises(Stopped, match=r"stopped by SIGTERM after step (20|40) of 40"):
            train_and_evaluate(SCORED, workdir, report=lambda _: None)
    assert len(answered) == 2, "it ended with the batch under way"


@pytest.mark.thorough
@pytest.mark.parametrize("number_of_calls", [1, 2])
def test_an_evaluation_that_is_broken_off_is_made_up_for(
    number_of_calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_and_evaluate(SCORED, tmp_path / "whole")
    stop_in_evaluation(tmp_path / "run", monkeypatch, number_of_calls)
    assert last_state(tmp_path / "run")[0] == 20 * number_of_calls
    train_and_evaluate(SCORED, tmp_path / "run", report=lambda _: None)
    rows, others = (read_json_lines(tmp_path / name / "metrics.jsonl") for name in ("whole", "run"))
    for row in (*rows, *others):
        row.pop("images_per_second", None)
    assert rows == others
    assert (tmp_path / "whole" / "result.json").read_text() == (tmp_path / "run" / "result.json").read_text()


@pytest.mark.thorough
def test_before_the_first_step_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return load(*arguments)

    monkeypatch.setattr("equinet.train.trainer.load", interrupted)
    with pytest.raises(Stopped, match=r"^stopped by Ctrl-C$"):
        train_and_evaluate(TINY, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_handlers_are_put_back_and_a_second_signal_is_not_noted() -> None:
    before = signal.getsignal(signal.SIGINT)
    reached: list[str] = []

    def twice() -> None:
        with Signals():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("noted")
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("not noted")

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert reached == ["noted"]
    assert signal.getsignal(signal.SIGINT) is before
    with Signals() as signals:
        signals.check(1)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped) as caught:
            signals.check()
        signals.check(2)
    assert caught.value.status == 143


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            signals.check()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def stopped_after(seconds: float, number: signal.Signals, workdir: Path) -> None:
    """Start a run, send it a signal after some time, and see that it ends in a line; from the start it goes on."""
    process = launch(workdir, {**SCORED, "epochs": 2000})
    time.sleep(seconds)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    # While Python itself starts, nothing can be said.
    assert process.returncode in (128 + number, -number), errors
    assert errors.count("\n") <= 1, errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_ends_a_run_in_a_line(number: signal.Signals, tmp_path: Path) -> None:
    """While modules are imported, data read, networks compiled, steps made, and networks evaluated."""
    dice = random.Random(number)
    for attempt in range(12):
        stopped_after(dice.uniform(0.1, 15), number, tmp_path / str(attempt))


@pytest.mark.slow
def test_two_processes_stop_after_the_same_step(tmp_path: Path) -> None:
    """Only one of them is told."""
    config = {**SHORT, "checkpoint_every": 1000, "epochs": 20}
    port = free_port()

    def started() -> list[subprocess.Popen[str]]:
        return [launch(tmp_path / "two", config, *as_flags(port, process)[0], devices=4) for process in range(2)]

    both = started()
    wait_for_lines(both[0], tmp_path / "two", 30)
    both[1].send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [143, 143], said
    steps = {step for text in said for step in re.findall(r"stopped by SIGTERM after step (\d+) of 500", text)}
    assert steps == {str(last_state(tmp_path / "two")[0])}, said
