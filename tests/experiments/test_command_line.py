"""The command lines: what they say about wrong input, and that they run."""

import json
from pathlib import Path

import pytest

from tests.experiments.launching import call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config=configs/fashon.py",), "no config configs/fashon.py: did you mean configs/fashion.py? Known: "),
        (("--config", "configs/fashon.py:aps"), "no config configs/fashon.py: did you mean configs/fashion.py?"),
        (("--config=configs/fashion.py:apx",), "no network in configs/fashion.py 'apx': did you mean"),
        (("--config=configs/fashion.py:aps", "--config.sed=3"), 'Did you mean "seed" instead of "sed"?'),
        (("--config=configs/fashion.py:aps", "--wrkdir=x"), "no flag --wrkdir: did you mean --workdir?"),
        (("--config=configs/fashion.py:aps",), "Flag --workdir must have a value other than None."),
        (("--config=configs/common.py",), "has no attribute 'get_config'"),
        (("--config=README.md",), "(README.md, line "),
    ],
)
def test_wrong_input_is_answered_in_a_line(arguments: tuple[str, ...], message: str) -> None:
    done = call("scripts.train", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("train", "--config=configs/fashion.py:aps", "--config.model.classes=5"),
            "has 10 labels, this model scores 5",
        ),
        (("train", "--config=configs/fashion.py:aps", "--config.dataset=fashion_scenes"), "a label for each point"),
        (("train", "--config=configs/fashion.py:aps", "--config.seed=-5"), "config.seed must be at least 0, got -5"),
        (
            ("train", "--config=configs/fashion.py:aps", "--config.optimiser.learning_rate=-1.0"),
            "a number, 0 or more; got -1.0",
        ),
        (
            ("train", "--config=configs/fashion.py:aps", "--coordinator=localhost", "--processes=2", "--process=0"),
            "--coordinator=localhost: say HOST:PORT, such as localhost:1234",
        ),
        (("study", "--study=sizes", "--only=(("), "--only=(( is no regular expression"),
        (("study", "--study=sizes", "--tables"), "leave out --study=sizes"),
    ],
)
def test_a_run_that_cannot_be_is_answered_in_a_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    script, *flags = arguments
    done = call(f"scripts.{script}", *flags, f"--workdir={tmp_path}")
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unknown_model_is_answered_in_a_line(tmp_path: Path) -> None:
    config = ("--config=configs/fashion.py:aps", "--config.model.name=small_cn")
    done = call("scripts.train", *config, f"--workdir={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith("no model 'small_cn': did you mean small_cnn?")


@pytest.mark.parametrize("script", ["train", "demo", "get_data", "make_subset"])
def test_every_flag_is_documented(script: str) -> None:
    done = call(f"scripts.{script}", "--help")
    assert f"scripts.{script}" in done.stdout
    assert "(no help available)" not in done.stdout


def test_smoke_run(tmp_path: Path) -> None:
    config = ("--config=configs/fashion.py:max", "--config.model.features=(4, 8)")
    done = call("scripts.train", *config, f"--workdir={tmp_path}", "--smoke")
    assert done.returncode == 0, done.stderr
    assert "accuracy 0." in done.stdout
    assert "circular consistency" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        *("lock", "run.json", "metrics.jsonl", "checkpoints", "result.json")
    }
    assert json.loads((tmp_path / "run.json").read_text())["config"]["model"]["features"] == [4, 8]
