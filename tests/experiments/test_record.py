"""What a run leaves behind can be read while it is written, and made again."""

import subprocess
import sys
from pathlib import Path

import jax
import pytest

from equinet.train.record import ROOT, JsonLines, read_json_lines, run_record, write_json


def test_every_line_is_whole_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "metrics.jsonl"
    with JsonLines(path) as log:
        for step in range(3):
            log.write({"step": step})
            assert len(read_json_lines(path)) == step + 1
    with JsonLines(path) as log:
        log.write({"step": 9})
    assert read_json_lines(path) == [{"step": 9}]


FULL = """
import resource, sys
from pathlib import Path
from equinet.train.record import ROOT, JsonLines, Unwritable, write_json
folder = Path(sys.argv[1])
write_json(folder / "result.json", "old")
with JsonLines(folder / "metrics.jsonl") as log:
    log.write({"step": 0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
    for write in (lambda: log.write({"step": 1}), lambda: write_json(folder / "result.json", "new" * 9)):
        try:
            write()
        except Unwritable as error:
            print(error)
"""


def test_what_a_full_disk_cuts_short_is_taken_back(tmp_path: Path) -> None:
    """The limit of 20 bytes a file falls into the second line, and into the new result."""
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    for name, line in zip(("metrics.jsonl", "result.json"), done.stdout.splitlines(), strict=True):
        assert line.startswith(f"cannot write {tmp_path / name}: File too large. Put that right and give the same")
    files = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert files == {"metrics.jsonl": '{"step": 0}\n', "result.json": '"old"\n'}


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
