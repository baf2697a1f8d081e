"""One's own network and data: trained, measured, resumed, without a change of the package."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from equinet.names import find, name_of
from equinet.train.data import DATASETS, register_dataset
from equinet.train.networks import build
from equinet.train.settings import Settings

MINE = """
import ml_collections
import numpy as np
import equinet as eq
from equinet.train.data import Dataset, InMemory, register_dataset

def net(width=4, down="max"):
    pool = eq.PolyphasePool(2) if down == "aps" else eq.MaxPool(2)
    return eq.Sequential(eq.Conv(width, 3, padding="circular"), pool, eq.GlobalAvgPool(), eq.Dense(2))

def patches(name, folder, size):
    rng = np.random.default_rng(0)
    def split(count):
        labels = rng.integers(0, 2, count)
        return InMemory(rng.normal(labels[:, None, None, None], size=(count, 8, 8, 3)).astype(np.float32), labels, size)
    return Dataset.of(name, "classification", (split(40), split(20)), ("about 0", "about 1"), background=0.0)

register_dataset("patches", patches, channels=3)

def get_config(arg="max"):
    return ml_collections.ConfigDict({
        "name": arg, "dataset": "patches", "size": 8, "batch": 10, "epochs": 2, "progress": False,
        "optimiser": {"warmup_steps": 2}, "model": {"builder": net, "down": arg},
    })
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    DATASETS.pop("patches", None)


@pytest.mark.thorough
def test_trained_measured_and_gone_on(folder: Path, run_command) -> None:
    asked = run_command("query", "--config=mine.py:aps", "--require=Z × Z")
    assert (asked.status, asked.err) == (0, "") and "mine.py:net(down=aps)" in asked.out
    command = ("--config=mine.py:aps", "--workdir=run")
    trained = run_command("train", *command)
    assert not trained.status, trained
    record = json.loads((folder / "run" / "run.json").read_text())
    assert record["config"]["model"] == {"builder": "mine.py:net", "down": "aps"}
    assert record["sources"] == {"mine.py": MINE}
    measured = run_command("sweep", *command, "--trials=2")
    assert measured.status == 0 and "PASSED: Z × Z" in measured.out
    (folder / "mine.py").write_text(MINE + "# another\n")
    again = run_command("train", *command)
    assert not again.status and "own_code" in again.out
    assert run_command("train", "--config=mine.py:max", "--workdir=run").status == 2  # another run


def test_names_stand_for_functions(folder: Path) -> None:
    assert name_of(find("mine.py:net", "--call")) == "mine.py:net"
    assert name_of(build) == "equinet.train.networks:build"
    assert find(name_of(build), "--call") is build
    for nameless in (lambda: None, 3):
        with pytest.raises(ValueError, match="has no name in a file"):
            name_of(nameless)


def test_builders_that_build_nothing_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"a model has a name or a builder; got name=fcn and builder=mine.py:net"):
        build("fcn", builder="mine.py:net")
    with pytest.raises(ValueError, match=r"builder=mine.py:net: TypeError: .* unexpected keyword argument"):
        build(builder="mine.py:net", wide=3)
    with pytest.raises(ValueError, match="no name in mine.py 'nett': did you mean net"):
        build(builder="mine.py:nett")
    with pytest.raises(ValueError, match="has no name in a file"):
        Settings.of({"model": {"builder": lambda: None}})
    (folder / "number.py").write_text("number = 3\n")
    with pytest.raises(ValueError, match="must be a function that makes a network; got 3"):
        build(builder="number.py:number")


def test_data_sets_of_the_package_are_not_replaced() -> None:
    with pytest.raises(ValueError, match="there is a data set mnist already"):
        register_dataset("mnist", lambda *_: None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a function"):
        register_dataset("mine", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a name"):
        register_dataset(" ", lambda *_: None)  # type: ignore[arg-type]


RETURNS = "InMemory(rng.normal(labels[:, None, None, None], size=(count, 8, 8, 3)).astype(np.float32), labels, size)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            (RETURNS, RETURNS.replace(".astype(np.float32)", ".astype(np.float32)[..., 0]")),
            "inputs of shape [8, 8], but",
        ),
        ((RETURNS, RETURNS.replace("8, 8, 3)", "3, 8, 8)")), "inputs of shape [8, 8, 8], but is registered with dim=2"),
        (("channels=3)", "channels=1)"), "expected 2 axes of space, then 1 channels"),
        (("labels, size)", "labels + 1, size)"), "patches, train split: example 0 has the label 2, expected 0 to 1"),
        (
            ("labels, size)", "np.eye(2, dtype=int)[labels], size)"),
            "need targets of shape [40] or [40, 8, 8], got [40, 2]",
        ),
        (("labels, size)", "labels / 2, size)"), "patches: targets must be integers, got float64"),
        (("labels[:, None", "(0 / labels)[:, None"), "has the value nan at [0, 0, 0], expected finite numbers"),
        (("(split(40), split(20))", "(split(40),)"), "patches needs a training and a test split, got 1"),
        (
            (f"return {RETURNS}", "return labels"),
            "a split of patches must be Examples, such as InMemory(inputs, targets)",
        ),
        (('"classification"', '"clasification"'), "no task 'clasification': did you mean classification"),
        (
            ("return Dataset.of(", "return {1: 2} or Dataset.of("),
            "data set patches: its function must return a Dataset",
        ),
        (
            ("rng = np", "rng = np.nothing"),
            "data set patches: AttributeError: module 'numpy' has no attribute 'nothing'",
        ),
    ],
)
def test_mistakes_in_ones_own_data_are_told_in_a_line(
    change: tuple[str, str], message: str, folder: Path, run_command
) -> None:
    """Before anything is trained or written."""
    assert MINE.count(change[0]) == 1
    (folder / "mine.py").write_text(MINE.replace(*change))
    done = run_command("train", "--config=mine.py", "--workdir=run")
    assert done.status == 2 and message in done.err and not done.fault, done
    assert not (folder / "run").exists()
