"""A study of one's own, from one's own folder: run, gone on with, tabulated, put into a page."""

import json
import sys
from pathlib import Path

import pytest

from equinet.train import study as runner
from equinet.train.data import DATASETS
from tests.cli.test_own_training import MINE

STUDY = """
import equinet as eq
import mine

def runs():
    for down in ("max", "aps"):
        for seed in range(2):
            config = mine.get_config(down)
            config.epochs, config.seed = 1, seed
            yield f"{down}-{seed}", config

def measure(run, outcome):
    return {"network": run.model["down"], "group": str(eq.certify(outcome.net, eq.torus(8, 8), 3).invariance)}

def tables(records):
    groups = [f"{record['run']}: {record['group']}" for record in records]
    return {"groups": "\\n".join(groups), "count": str(len(records))}

def figures(records, folder):
    folder.mkdir(exist_ok=True)
    (folder / "figure.txt").write_text("drawn")
    return [folder / "figure.txt"]
"""
GROUPS = {"max": "2Z × 2Z (p1, index 4)", "aps": "Z × Z (p1, index 1)"}
TABLE = [f"{down}-{seed}: {group}" for down, group in GROUPS.items() for seed in (0, 1)]
PAGE = "# Mine\n<!-- groups -->\nold\n<!-- end -->\n<!-- count -->\n<!-- end -->\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.py").write_text(MINE.replace('"epochs": 2', '"epochs": 1, "seed": 0'))
    (tmp_path / "study.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # that of another test
    yield tmp_path
    DATASETS.pop("patches", None)
    sys.modules.pop("mine", None)


def test_a_study_of_ones_own(folder: Path, run_command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_command("study", "study.py", "--list").out.split() == ["max-0", "max-1", "aps-0", "aps-1"]
    some = run_command("study", "study.py", "--workdir=runs", "--only=max")
    assert not some.status and not some.err and "1/2 max-0: " in some.out and "aps" not in some.out, some
    listed = run_command("study", "--study=study.py", "--list", "--workdir=runs").out.splitlines()
    assert listed == ["max-0  done", "max-1  done", "aps-0", "aps-1"]
    done = run_command("study", "study.py", "--workdir=runs")
    assert done.out.splitlines()[-6:] == [*TABLE, "", "4"] and "max-0: 0" not in done.out
    record = json.loads((folder / "runs" / "aps-1" / "record.json").read_text())["record"]
    assert (record["run"], record["seed"], record["network"]) == ("aps-1", 1, "aps") and record["accuracy"]["n"] == 20

    monkeypatch.setattr(runner, "train_and_evaluate", lambda *_: pytest.fail("these runs were done"))
    (folder / "page.md").write_text(PAGE)
    made = run_command("study", "study.py", "--workdir=runs", "--tables", "--page=page.md", "--figures=drawn")
    assert made.out.splitlines() == ["page.md", "drawn/figure.txt"] and (folder / "drawn" / "figure.txt").exists()
    lines = (folder / "page.md").read_text().splitlines()
    assert lines == ["# Mine", "<!-- groups -->", *TABLE, "<!-- end -->", "<!-- count -->", "4", "<!-- end -->"]
    other = run_command("study", "study.py", "--workdir=runs", "--smoke", "--tables")
    assert other.status == 2 and "is the record of another run: config.smoke" in other.err


def test_a_study_needs_its_runs_only(folder: Path, run_command) -> None:
    (folder / "study.py").write_text(STUDY.partition("def measure")[0])
    done = run_command("study", "study.py", "--workdir=runs", "--only=-0")
    assert not done.status and "accuracy, %" in done.out and "model.down" in done.out, done


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def runs", "def run"), "study.py: runs must be a function: a study is a module whose runs() gives"),
        (("def tables(records):", "tables = 3\ndef other(records):"), "study.py: tables must be a function"),
        (
            ("for down in", "for down in nothing or"),
            "study.py: runs: NameError: name 'nothing' is not defined (study.py:6)",
        ),
        (('yield f"{down}-{seed}"', 'yield "same"'), "study.py: runs has two of the name same"),
        (
            ('yield f"{down}-{seed}", config', "yield config"),
            "study.py: runs must give pairs of a name and a ConfigDict",
        ),
        (("import mine", "import my"), "the study: ModuleNotFoundError: No module named 'my' (study.py:3)"),
        (("config.epochs, config.seed = 1", "config.epochs, config.seed = 0"), "config.epochs must be at least 1"),
    ],
)
def test_studies_that_are_none(change: tuple[str, str], message: str, folder: Path, run_command) -> None:
    assert STUDY.count(change[0]) == 1
    (folder / "study.py").write_text(STUDY.replace(*change))
    done = run_command("study", "study.py", "--workdir=runs")
    assert done.status == 2 and message in done.err and not done.fault, done
    assert not (folder / "runs").exists()


def test_wrong_use_is_told_in_a_line(folder: Path, run_command) -> None:
    for line, message in (
        ((), "name one study, such as: equinet study my_study.py --workdir=runs/mine; got none"),
        (("study.py", "mine.py", "--list"), "got study.py and mine.py"),
        (("study.py",), "say where the runs go: --workdir=runs/mine"),
        (("gone.py", "--list"), "the study: there is no file gone.py"),
        (("no.such.module", "--list"), "No module named 'no'"),
        (("study.py", "--list", "--only=(("), "--only=(( is no regular expression"),
        (("study.py", "--list", "--only=zzz"), "no run of study.py matches --only='zzz'; names are like max-0"),
        (("study.py", "--workdir=runs", "--tables"), "no run of study.py is done in runs"),
        (("study.py", "--workdir=runs", "--page=gone.md"), "--page=gone.md: there is no such file"),
        (("study.py", "--workdir=study.py"), "--workdir=study.py: study.py is a file"),
    ):
        done = run_command("study", *line)
        assert done.status == 2 and message in done.err and not done.fault, (line, done)
