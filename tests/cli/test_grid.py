"""Grids of runs: every combination in a folder of its own, what is done is skipped, what is wrong is told first."""

import os
import signal
from itertools import product
from pathlib import Path
from typing import Any

import ml_collections
import pytest

from equinet.train import grid as grids
from equinet.train.data import DATASETS
from equinet.train.grid import Point
from equinet.train.trainer import Diverged
from tests.cli.test_own_training import MINE

GRID = ("--grid=config.model.down=max,aps", "--grid=config.seed=0,1")
NAMES = ["down=max,seed=0", "down=max,seed=1", "down=aps,seed=0", "down=aps,seed=1"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.py").write_text(MINE.replace('"epochs": 2', '"epochs": 1'))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    DATASETS.pop("patches", None)


def grid(config: ml_collections.ConfigDict, texts: list[str]) -> list[Any]:
    """Points, whose configs have attributes that no type tells of."""
    found = grids.grid(config, texts)
    assert all(isinstance(point, Point) for point in found)
    return found


def config(**more: object) -> ml_collections.ConfigDict:
    model = {"name": "small_cnn", "down": "max", "features": (8, 16), "bias": True, "more": {"down": "x"}}
    return ml_collections.ConfigDict({"model": model, **more})


def test_every_combination_is_a_run() -> None:
    texts = ["config.model.features=(2,2),[4, 8]", "seed=0,3", "config.optimiser.learning_rate=1,0.5"]
    points = grid(config(), texts)
    found = [(p.config.model.features, p.config.seed, p.config.optimiser.learning_rate) for p in points]
    assert found == list(product([(2, 2), (4, 8)], [0, 3], [1.0, 0.5]))
    assert len({point.name for point in points}) == 8
    assert points[0].name == "features=2x2,seed=0,learning_rate=1" and "/" not in "".join(p.name for p in points)
    assert points[0].config.epochs == 5 and points[0].config.model.down == "max"


def test_entries_that_share_a_last_name_are_told_apart() -> None:
    (point,) = grid(config(), ["model.down=aps", "model.more.down=y"])
    assert point.name == "model.down=aps,model.more.down=y"
    assert (point.config.model.down, point.config.model.more.down) == ("aps", "y")


def test_values_are_read_as_flags_would_read_them() -> None:
    names = [point.config.name for point in grid(config(name="x"), ["name=3,aps,'q'"])]
    assert names == ["3", "aps", "q"]
    assert [point.config.model.bias for point in grid(config(), ["model.bias=true,False"])] == [True, False]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], "--grid=seed: write an entry and its values, such as --grid=config.model.down=stride,aps"),
        (["seed="], "--grid=seed=: write an entry and its values"),
        (["config.model.dwon=a"], "no entry of the config 'model.dwon': did you mean model.down"),
        (["model=3"], "no entry of the config 'model'"),
        (["seed=1.5"], "--grid: config.seed is a value of the kind int; got 1.5"),
        (["seed=one"], "--grid: config.seed is a value of the kind int; got 'one'"),
        (["model.bias=perhaps"], "--grid: config.model.bias is a value of the kind bool; got 'perhaps'"),
        (["seed=1,2", "config.seed=3"], "--grid names config.seed twice"),
        (["seed=1,2,1"], "--grid has two runs for the folder seed=1"),
        (["name=a/b,a:b"], "--grid has two runs for the folder name=a-b"),
        (["seed=" + ",".join(map(str, range(200))), "epochs=" + ",".join(map(str, range(1, 200)))], "makes 39800 runs"),
    ],
)
def test_grids_that_cannot_be(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match="^" + ".*" * (message[0] == "m")) as caught:
        grid(config(), texts)
    assert message in str(caught.value)


@pytest.mark.thorough
def test_a_grid_is_trained_gone_on_with_and_tabulated(folder: Path, run_command) -> None:
    command = ("--config=mine.py", "--workdir=runs", *GRID)
    trained = run_command("train", *command)
    assert not trained.status and not trained.err, trained
    assert sorted(path.name for path in (folder / "runs").iterdir()) == sorted(NAMES)
    assert [line.split()[1] for line in trained.out.splitlines() if line.endswith("starts")] == [
        f"{name}:" for name in NAMES
    ]
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()}
    again = run_command("train", *command)
    assert again.out.count("done before") == 4 and "starts" not in again.out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # One more seed: what is there is not trained again. The table is that of `equinet table`.
    more = run_command("train", *command[:3], "--grid=config.seed=0,1,2")
    assert more.out.count("done before") == 4 and more.out.count("starts") == 2
    table = run_command("table", *(f"runs/{path.name}" for path in sorted((folder / "runs").iterdir())))
    assert not table.status and "2  0, 1" not in table.out and table.out.count("3  0, 1, 2") == 10
    assert set(table.out.splitlines()) <= set(more.out.splitlines())
    # Another config in a folder that is there is found before anything is trained.
    other = run_command("train", *command[:2], "--config.batch=5", "--grid=config.model.down=new,aps", GRID[1])
    assert other.status == 2 and "holds another run: config.batch is 10 there and 5 here" in other.err
    assert not (folder / "runs" / "down=new,seed=0").exists()


def test_wrong_settings_are_told_before_the_first_run(folder: Path, run_command) -> None:
    for wrong, message in (("config.seed=0,-1", "config.seed must be at least 0"), ("config.model.width=a,b", "width")):
        done = run_command("train", "--config=mine.py", "--workdir=runs", f"--grid={wrong}")
        assert done.status == 2 and message in done.err and not done.fault, done
    assert not (folder / "runs").exists()


@pytest.mark.thorough
def test_ctrl_c_ends_a_grid_with_one_line(folder: Path, run_command, monkeypatch: pytest.MonkeyPatch) -> None:
    train, begun = grids.train_and_evaluate, []

    def stopped(*arguments):
        begun.append(arguments)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return train(*arguments)

    monkeypatch.setattr(grids, "train_and_evaluate", stopped)
    command = ("--config=mine.py", "--workdir=runs", *GRID)
    ended = run_command("train", *command)
    assert ended.status == 130 and len(ended.err.splitlines()) == 1, ended
    resumed = run_command("train", *command)
    assert not resumed.status and resumed.out.count("done before") == 1 and resumed.out.count("starts") == 3


def test_a_run_that_diverges_does_not_stop_the_others(
    folder: Path, run_command, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = grids.train_and_evaluate

    def diverges(config, *arguments):
        if config["seed"] == 0:
            raise Diverged("the loss was NaN")
        return train(config, *arguments)

    monkeypatch.setattr(grids, "train_and_evaluate", diverges)
    done = run_command("train", "--config=mine.py", "--workdir=runs", *GRID)
    assert done.status == 1 and done.out.count("starts") == 4 and done.out.count("the loss was NaN") == 2
    assert done.err == f"2 of 4 runs diverged: {NAMES[0]}, {NAMES[2]}; the others are done\n"
