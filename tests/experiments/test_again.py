"""Runs that were made again, beside those that are kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.again import compared, expected
from scripts import study
from tests.scripts.lines import run_line


def record(seed: int, accuracy: float, **more: Any) -> dict[str, Any]:
    return {"run": f"net-{seed}", "network": "net", "seed": seed, "accuracy": {"value": accuracy}, **more}


KEPT = [record(seed, value) for seed, value in enumerate((0.80, 0.81, 0.82, 0.81))]
KEPT += [{**record(7, 0.1), "run": "pilot-net-7"}]  # the same network, trained otherwise


@pytest.mark.thorough
def test_one_more_lies_in_its_interval_as_often_as_is_said() -> None:
    draws = np.random.default_rng(0).normal(size=(20_000, 6))
    inside = [low <= one <= high for *found, one in draws for low, high in [expected(np.array(found))]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.005)
    ends = [expected(numbers[:4], 2) for numbers in draws]
    both = [
        low <= min(numbers[4:]) and max(numbers[4:]) <= high for numbers, (low, high) in zip(draws, ends, strict=True)
    ]
    assert np.mean(both) > 0.95


def test_a_run_is_compared_with_the_other_seeds_of_its_network() -> None:
    shown, outside = compared([record(9, 0.815)], KEPT)
    assert not outside and "| net-9 | accuracy | 81.5 | – | 78.1 to 83.9 (4 seeds) | yes |" in shown
    shown, outside = compared(
        [record(9, 0.9, accuracy_circular_all=0.5)], [{**r, "accuracy_circular_all": 0.5} for r in KEPT]
    )
    assert outside == ["net-9: accuracy"] and "| 90.0 | – |" in shown and shown.count("NO") == 1
    # What is kept of the seed itself says nothing of others, but is right if it comes again.
    odd = [*KEPT, record(9, 0.9)]
    assert not compared([record(9, 0.9)], odd)[1]
    assert compared([record(9, 0.91)], odd)[1] == ["net-9: accuracy"]
    with pytest.raises(ValueError, match="net-0: 2 other seeds of it are kept, and 3 are needed"):
        compared([record(0, 0.8)], KEPT[:3])


@pytest.mark.parametrize(("accuracy", "status"), [(0.815, 0), (0.9, 1)])
def test_the_command_fails_where_a_run_lies_outside(
    accuracy: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "run_study", lambda *_, **__: [record(9, accuracy)])
    monkeypatch.setattr(study, "kept_records", lambda name: KEPT)
    ended = run_line(study, ["--study=why", "--workdir=again", "--compare"], tmp_path)
    assert (ended.status or 0, ended.fault, ended.written) == (status, "", ())
    assert f"| net-9 | accuracy | {100 * accuracy:.1f} |" in ended.out
    assert ("not as the other seeds say: net-9: accuracy" in ended.err) == bool(status)


def test_one_page_or_all_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "pages", lambda: [(Path("why.md"), "a", "a"), (Path("sizes.md"), "a", "b")])
    asked = {name: run_line(study, ["--check", *name], tmp_path) for name in ((), ("--study=sizes",), ("--study=why",))}
    assert [ended.status or 0 for ended in asked.values()] == [1, 1, 0]
    assert "not what the records give: sizes.md" in asked[()].err
