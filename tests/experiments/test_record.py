"""What a run leaves behind can be read while it is written, and made again."""

from pathlib import Path

import jax
import pytest

from experiments.record import JsonLines, read_json_lines, run_record, write_json


def test_every_line_is_whole_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "metrics.jsonl"
    with JsonLines(path) as log:
        for step in range(3):
            log.write({"step": step})
            assert len(read_json_lines(path)) == step + 1
    with JsonLines(path) as log:
        log.write({"step": 9})
    assert read_json_lines(path) == [{"step": 9}]


def test_json_has_no_nan(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "metrics.jsonl") as log, pytest.raises(ValueError, match="not JSON compliant"):
        log.write({"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "run.json", float("inf"))
    assert not (tmp_path / "run.json").exists()


def test_record_says_what_ran_where() -> None:
    record = run_record({"seed": 3}, steps=7)
    assert (record["seed"], record["steps"], record["config"]) == (3, 7, {"seed": 3})
    assert record["versions"]["jax"] == jax.__version__
    assert record["device"]["platform"] == jax.default_backend()
    assert record["device"]["count"] == jax.device_count()
    assert {"commit", "modified", "xla_flags"} <= record.keys()
