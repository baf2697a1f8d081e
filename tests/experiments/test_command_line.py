"""The command lines: what they say about wrong input, and that they run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from equinet.cli.main import COMMANDS
from equinet.train.record import ROOT
from tests.experiments.launching import call
from tests.scripts.lines import load_scripts, run_line


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like the root of the repository to what is run in it."""
    for name in ("configs", "README.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config=configs/fashon.py",), "no config configs/fashon.py: did you mean configs/fashion.py? Known: "),
        (("--config", "configs/fashon.py:aps"), "no config configs/fashon.py: did you mean configs/fashion.py?"),
        (("--config=configs/fashion.py:apx",), "no network in configs/fashion.py 'apx': did you mean"),
        (
            ("--config=configs/fashion.py:aps", "--config.sed=3"),
            'configs/fashion.py has no such entry: --config.sed=3. Did you mean "seed" instead of "sed"?',
        ),
        (
            ("--config=configs/fashion.py:aps", "--config.model.group=p4"),
            "configs/fashion.py has no such entry: --config.model.group=p4.",
        ),
        (("--config=configs/fashion.py:aps", "--wrkdir=x"), "no flag --wrkdir: did you mean --workdir?"),
        (("--workdir=x",), "say which experiment: --config=FILE.py"),
        (("--config=configs/fashion.py:aps", "--workdir="), "--workdir is empty: name a folder"),
        (("--config=configs/fashion.py:aps", "--workdir=README.md"), "README.md is a file: name a folder"),
        (("--config=configs/fashion.py:aps", "--workdir=x", "more"), "unexpected arguments: more"),
        (("--config=configs/fashion.py:aps",), "say where the run goes: --workdir=FOLDER"),
        (
            ("--config=configs/__init__.py",),
            "configs/__init__.py has no function get_config: a config is a file with one",
        ),
        (("--config=README.md",), "(README.md, line "),
    ],
)
def test_wrong_input_is_answered_in_a_line(
    arguments: tuple[str, ...], message: str, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run_line(load_scripts(monkeypatch, ["train"])["train"], arguments, clone)
    assert (ended.status, ended.fault) == (2, "")
    assert message in ended.err


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
            "config.optimiser.learning_rate must be at least 0, got -1.0",
        ),
        (
            ("train", "--config=configs/fashion.py:aps", "--coordinator=localhost", "--processes=2", "--process=0"),
            "--coordinator=localhost: say HOST:PORT, such as localhost:1234",
        ),
        (
            ("train", "--config=configs/fashion.py:aps", "--config.model.name=small_cn"),
            "no model 'small_cn': did you mean",
        ),
        (("train", "--config=configs/fashion.py:aps", "--config.batch=20000"), "a batch of 20000 is larger than the"),
        (
            ("train", "--config=configs/fashion.py:aps", "--config.optimiser.warmup_steps=1001"),
            "config.optimiser.warmup_steps is 1001, but the run has 1000 steps",
        ),
        (("train", "--config=configs/fashion.py:aps", "--config.optimiser.clip=-1"), "clip must be at least 0, got -1"),
        (
            ("train", "--config=configs/fashion.py:aps", "--config.augment.crop=32"),
            "crop is 32, of examples of size 32",
        ),
        (
            ("train", "--config=configs/fashion.py:max", "--config.augment.crop=28", "--config.size=0"),
            "config.augment.crop is 28, of examples of size 28: it can move all of one away",
        ),
        (("scripts.study", "--study=sizes", "--only=(("), "--only=(( is no regular expression"),
        (("scripts.study", "--study=sizes", "--linear", "--write"), "leave out --study=sizes"),
        (
            ("scripts.study", "--check", "--write"),
            "--write makes them anew: say one",
        ),
        (("scripts.study", "--linear"), "--linear fits baselines for the pages, which change: say --write too"),
        (("scripts.study", "--study=sizes", "--workdir=x", "--smoke", "--write"), "so leave out --write"),
        (("scripts.study", "--compare"), "--compare is about the runs of --study in --workdir, and changes nothing"),
    ],
)
def test_a_run_that_cannot_be_is_answered_in_a_line(
    arguments: tuple[str, ...], message: str, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, *flags = arguments
    ended = run_line(load_scripts(monkeypatch, [script])[script], [*flags, "--workdir=run"], clone)
    assert (ended.status, ended.fault) == (2, "")
    assert message in ended.err


def test_a_terminal_that_cannot_show_a_sign_gets_its_number() -> None:
    asked = ("scripts.query", "--model=fcn", "--channels=1", "--model_args=features=(2,2)", "--size=8", "--require=4mm")
    lacking = call(*asked, PYTHONIOENCODING="ascii")
    assert (lacking.returncode, lacking.stderr) == (1, "")
    assert "2Z \\xd7 2Z" in lacking.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="stands for a full disk")
def test_output_that_finds_no_room_is_told() -> None:
    command = [
        sys.executable,
        "-m",
        "scripts.query",
        "--model=fcn",
        "--channels=1",
        "--model_args=features=(2,2)",
        "--size=8",
    ]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "[Errno 28] No space left on device\n")


@pytest.mark.parametrize("script", ["train", "demo", "get_data", "make_subset"])
def test_every_flag_is_documented(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run_line(load_scripts(monkeypatch, [script])[script], ["--help"], tmp_path)
    assert (f"equinet {script}" if script in COMMANDS else f"scripts.{script}") in ended.out, ended
    assert "(no help available)" not in ended.out


def test_smoke_run(tmp_path: Path) -> None:
    """In a process of its own, which tunes the CPU."""
    config = ("--config=configs/fashion.py:max", "--config.model.features=(4, 8)", "--config.size=8")
    done = call("scripts.train", *config, f"--workdir={tmp_path}", "--smoke")
    assert done.returncode == 0, done.stderr
    assert "accuracy 0." in done.stdout
    assert "circular consistency" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        *("run.lock", "run.json", "metrics.jsonl", "checkpoints", "scores.json", "result.json")
    }
    assert json.loads((tmp_path / "run.json").read_text())["config"]["model"]["features"] == [4, 8]
