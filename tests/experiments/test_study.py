"""Studies: runs are skipped once done, and pages are what their records give."""

from pathlib import Path
from typing import Any

import pytest

from experiments import study
from experiments.names import UnknownName
from experiments.studies import fcn_vs_maxpool
from experiments.study import STUDIES, fill_page, load_study, pages, run_study


def test_pages_are_what_their_records_give() -> None:
    found = list(pages())
    assert found
    for path, text, made in found:
        assert text == made, f"{path}: python -m scripts.study --tables"


def test_a_study_skips_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    only = "^(stride|aps)-circular-gap-0$"
    records = run_study("fcn_vs_maxpool", tmp_path, only=only, smoke=True, report=said.append)
    assert [record["run"] for record in records] == ["stride-circular-gap-0", "aps-circular-gap-0"]
    assert [record["computed"] for record in records] == ["8Z × 8Z", "Z × Z"]
    assert [record["measured"] for record in records] == ["8Z × 8Z", "Z × Z"]
    assert len(said) == 2

    def trained_again(*_: Any, **__: Any) -> None:
        raise AssertionError("this run was done")

    monkeypatch.setattr(study, "train_and_evaluate", trained_again)
    assert run_study("fcn_vs_maxpool", tmp_path, only=only, smoke=True, report=said.append) == records
    with pytest.raises(ValueError, match="no run of fcn_vs_maxpool matches --only='zzz'"):
        run_study("fcn_vs_maxpool", tmp_path, only="zzz")


def test_unknown_studies_list_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="no study 'fcn_vs_maxpol': did you mean fcn_vs_maxpool"):
        load_study("fcn_vs_maxpol")
    assert {path.stem for path in Path(fcn_vs_maxpool.__file__).parent.glob("[!_]*.py")} == set(STUDIES)


def test_a_page_and_its_tables_must_match() -> None:
    page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    assert fill_page(page, {"one": "1", "two": "2"}) == (
        "a\n<!-- one -->\n1\n<!-- end -->\nb\n<!-- two -->\n2\n<!-- end -->\n"
    )
    assert fill_page(fill_page(page, {"one": "1", "two": "2"}), {"one": "3", "two": "4"}).count("<!-- end -->") == 2
    with pytest.raises(ValueError, match="tables and places in the page differ: two"):
        fill_page(page, {"one": "1"})


def record(network: str, seed: int, accuracy: float, consistency: float) -> dict[str, Any]:
    shares = {"accuracy": accuracy, "circular_consistency": consistency, "crop_consistency": 0.5}
    made: dict[str, Any] = {name: {"value": value, "n": 10} for name, value in shares.items()}
    return {"network": network, "seed": seed, "computed": "8Z × 8Z", **made}


def test_tables_give_means_over_seeds() -> None:
    records = [record("max-circular-gap", seed, 0.8 + 0.01 * seed, 0.9) for seed in range(3)]
    records[0]["measured"] = "4Z × 4Z"
    tables = fcn_vs_maxpool.tables(records)
    assert "| max pooling | 8Z × 8Z | 81.0 ± 1.0 | 90.0 ± 0.0 | 50.0 ± 0.0 | – | – |" in tables["circular_gap"]
    assert "| max pooling | 81.0 / 90.0 | – | – | – |" in tables["readouts"]
    assert "of 1: they are the same for 0 of them" in tables["agreement"]
