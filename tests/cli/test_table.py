"""Finished runs side by side: which are taken together, and what is said of them."""

import csv
import io
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from scipy import stats

from equinet.names import UnknownName
from equinet.train.curves import MOST, draw_curves
from equinet.train.table import read_table
from tests.cli.test_schema import faults


def write_run(
    folder: Path, seed: int, accuracy: float, error: float = 0.1, data: str = "one", code: str = "", **config: Any
) -> Path:
    """A finished run of 20 steps, as the trainer leaves it."""
    model = {"name": "fcn", **config.pop("model", {})}
    settings = {"name": f"run-{seed}", "seed": seed, "epochs": 2, "model": model, **config}
    record = {"config": settings, "seed": seed, "data": data, "steps": 20, "sources": {"mine.py": code}, "starts": []}
    share = {"value": accuracy, "n": 50, "interval95": [0.0, 1.0]}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    result = {"step": 20, "best_step": 20, "accuracy": share, "calibration_error": error}
    (folder / "result.json").write_text(json.dumps(result))
    rows = [{"split": "train", "step": step, "epoch": step / 10, "loss": 3 / step} for step in (5, 10, 15, 20)]
    judged = [
        {"split": "test", "step": step, "accuracy": {**share, "value": accuracy * step / 20}} for step in (10, 20)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (*rows, *judged)))
    return folder


def two_groups(folder: Path) -> list[Path]:
    found = {"aps": (0.9, 0.95, 0.99), "max": (0.7, 0.8)}
    return [
        write_run(folder / f"{down}-{seed}", seed, accuracy, model={"down": down})
        for down, accuracies in found.items()
        for seed, accuracy in enumerate(accuracies)
    ]


def test_means_and_intervals_by_what_differs(run_command, tmp_path: Path) -> None:
    names = [str(folder.relative_to(tmp_path)) for folder in two_groups(tmp_path)]
    done = run_command("table", *names)
    assert not done.status and not done.err, done
    lines = done.out.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["accuracy,", "%"],
        ["model.down", "mean", "95", "%", "interval", "runs", "seeds"],
        ["aps", "94.7", "83.5", "to", "100.0", "3", "0,", "1,", "2"],
        ["max", "75.0", "11.5", "to", "100.0", "2", "0,", "1"],
    ]
    assert lines[5] == "calibration error"
    assert lines[7].split() == ["aps", "0.1", "0.1", "to", "0.1", "3", "0,", "1,", "2"]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("seed", range(20))
def test_intervals_are_those_of_the_textbook(seed: int, tmp_path: Path) -> None:
    """x̄ ± t(0.975, n − 1) · s / √n, whatever the values: tied, few, extreme."""
    chance = random.Random(seed)
    count = chance.randint(2, 6)
    values = [chance.choice((0.0, 0.5, 1.0, chance.random(), chance.random() * 1e-9)) for _ in range(count)]
    (group,) = read_table([write_run(tmp_path / str(n), n, 0.5, error=v) for n, v in enumerate(values)]).groups
    found = group.mean("calibration_error")
    assert found is not None and found.interval is not None
    mean = sum(values) / count
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)
    half = stats.t.ppf(0.975, count - 1) * error
    shown = np.array([found.value, *found.interval])
    np.testing.assert_allclose(shown, np.array([mean, mean - half, mean + half]), atol=1e-12)
    assert not error or shown[2] - mean > 1.2 * stats.norm.ppf(0.975) * error


def as_sets(folders: list[Path]) -> tuple[tuple[str, ...], set[frozenset[str]]]:
    table = read_table(folders)
    return table.settings, {frozenset(run.folder.name for run in group.runs) for group in table.groups}


def test_only_runs_that_differ_in_nothing_but_the_seed_are_taken_together(tmp_path: Path) -> None:
    def runs(**differing: dict[str, Any]) -> list[Path]:
        home = tmp_path / str(len(list(tmp_path.iterdir())))
        return [write_run(home / name, seed, 0.5, **config) for seed, (name, config) in enumerate(differing.items())]

    together = {frozenset({"a", "b"})}
    assert as_sets(runs(a={}, b={})) == ((), together)
    assert as_sets(runs(a={"progress": False}, b={"data_dir": "there"})) == ((), together)
    # A setting that is younger than a record was at its default, in a part of the config too.
    assert as_sets(runs(a={}, b={"batch": 100, "optimiser": {"clip": 0.0}})) == ((), together)
    apart = {frozenset({"a"}), frozenset({"b"})}
    assert as_sets(runs(a={}, b={"optimiser": {"clip": 1.0}})) == (("optimiser.clip",), apart)
    assert as_sets(runs(a={"model": {"features": [2, 4]}}, b={})) == (("model.features",), apart)
    # Nothing tells these apart but what is no setting.
    assert as_sets(runs(a={"data": "one"}, b={"data": "two"})) == (("data",), apart)
    assert as_sets(runs(a={"code": "one"}, b={"code": "two"}))[0] == ("own code",)
    assert as_sets(runs(a={"data": "1", "size": 8}, b={"data": "2", "size": 9})) == (("size",), apart)


def test_what_is_no_finished_run_is_named_in_a_line(run_command, tmp_path: Path) -> None:
    runs = two_groups(tmp_path / "runs")
    (runs[0] / "result.json").unlink()
    (runs[1] / "run.json").write_text("{")
    (runs[2] / "result.json").write_text('{"step": 20, "accuracy": "high"}')
    (tmp_path / "file").touch()
    write_run(tmp_path / "copy", 1, 0.8, model={"down": "max"})
    names = [*(f"runs/{run.name}" for run in runs), "copy", "runs", "gone", "file"]
    done = run_command("table", *names, "--metrics=accuracy")
    assert not done.status and done.out.splitlines()[2].split() == ["75.0", "11.5", "to", "100.0", "2", "0,", "1"], done
    said = dict(line.removeprefix("left out ").split(": ", 1) for line in done.err.splitlines())
    assert said["runs/aps-0"] == "not done: the log ends at step 20 of 20"
    assert "runs/aps-1/run.json is damaged" in said["runs/aps-1"]
    assert said["runs/aps-2"] == "result.json is damaged: accuracy is no number"
    assert said["copy"] == "the same run as runs/max-1, config and seed"
    assert said["runs"] == "no run: it has no run.json; its folders have: name runs/*"
    assert said["gone"] == said["file"] == "no folder of a run"
    only = run_command("table", "gone", "runs/aps-0")
    assert only.status == 2 and only.err.startswith("no run is done: gone: no folder of a run; runs/aps-0: not done")


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ([], "no config, seed or number of steps"),
        ({"config": {}, "seed": 0}, "no config, seed or number of steps"),
        ({"config": {"optimiser": 3}, "seed": 0, "steps": 3}, "optimiser is no dict"),
        ({"config": {"epochs": 0}, "seed": 0, "steps": 0}, "no config, seed or number of steps"),
        ({"config": {"epochs": "two"}, "seed": 0, "steps": 3}, "epochs is no number"),
    ],
)
def test_damaged_records_are_left_out(record: Any, why: str, run_command, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 0, 0.5)
    (run / "run.json").write_text(json.dumps(record))
    done = run_command("table", "run")
    assert done.status == 2 and not done.fault and why in done.err, done


def test_wrong_use_is_told_in_a_line(run_command, tmp_path: Path) -> None:
    run = two_groups(tmp_path)[0].name
    for line, message in (
        ((), "name the folders of the runs: equinet table runs/*"),
        ((run, "--json", "--csv"), "--csv and --json are two ways to print: say one"),
        ((run, "--metrics=acuracy"), "no metric 'acuracy': did you mean accuracy"),
        ((run, "--plot=no/curves.png"), "--plot=no/curves.png: there is no folder no"),
        ((run, "--plot=curves.foo"), "end its name in one of ."),
    ):
        done = run_command("table", *line)
        assert (done.status, done.out, done.fault) == (2, "", "") and message in done.err, done
    with pytest.raises(UnknownName):
        read_table([tmp_path / run], ["loss"])


def test_rows_for_programs(run_command, tmp_path: Path) -> None:
    names = [folder.name for folder in two_groups(tmp_path)]
    rows = list(csv.DictReader(io.StringIO(run_command("table", "--csv", *names).out)))
    assert [(row["model.down"], row["metric"], row["seeds"]) for row in rows] == [
        ("aps", "accuracy", "0 1 2"),
        ("max", "accuracy", "0 1"),
        ("aps", "calibration_error", "0 1 2"),
        ("max", "calibration_error", "0 1"),
    ]
    found = json.loads(run_command("table", *names, "nothing", "--json").out)
    assert not faults("table", found) and found["left_out"][0]["run"] == "nothing"
    assert found["groups"][1]["metrics"][0]["mean"] == float(rows[1]["mean"]) == 0.75
    assert faults("table", {**found, "groups": [{"settings": {}}]}) and faults("table", {**found, "more": 1})
    (alone,) = json.loads(run_command("table", f"--run={names[0]}", "--json").out)["groups"]
    assert alone["seeds"] == [0] and alone["metrics"][0]["interval95"] is None


def test_curves_are_drawn(run_command, tmp_path: Path) -> None:
    names = [folder.name for folder in two_groups(tmp_path)]
    assert not run_command("table", *names, "--plot=curves.png").status
    picture = np.asarray(imread(tmp_path / "curves.png"))[..., :3]
    for colour in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0)):  # one for each group
        assert (np.abs(255 * picture - np.array(colour)).max(-1) < 30).sum() > 100
    assert not (np.abs(255 * picture - np.array((0, 0x9E, 0x73))).max(-1) < 30).any()
    before = (tmp_path / "curves.png").read_bytes()
    run_command("table", *names, "--plot=curves.png")
    assert (tmp_path / "curves.png").read_bytes() == before
    for name in names:  # judged after training only
        rows = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        (tmp_path / name / "metrics.jsonl").write_text("\n".join([*rows[:4], rows[5]]) + "\n")
    assert not run_command("table", *names, "--plot=curves.png").status
    many = [write_run(tmp_path / "many" / str(n), 0, 0.5, batch=n + 1) for n in range(MOST + 1)]
    with pytest.raises(ValueError, match=f"{MOST + 1} groups of runs to tell apart, at most {MOST}"):
        draw_curves(read_table(many), tmp_path / "many.png")
