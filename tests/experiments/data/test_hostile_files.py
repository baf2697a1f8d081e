"""Files from a stranger: a data set that keeps the interface, or one line of our own; see `hostile`."""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from equinet.train.data import DATASETS, Dataset, InMemory, load
from tests.experiments.data.generated import WRITERS
from tests.experiments.data.hostile import MIB, SECONDS, outcome

ROOT = Path(__file__).resolve().parents[3]
FEW, MANY = 150, 1500


@pytest.mark.parametrize(("seed", "count"), [(0, FEW), pytest.param(1, MANY, marks=pytest.mark.slow)])
def test_hostile_files_are_read_or_refused(seed: int, count: int) -> None:
    """In a process of its own, so that a crash is seen, and memory is counted from the start."""
    command = [sys.executable, "-m", "tests.experiments.data.hostile", str(seed), "0", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == count, f"ended with {done.returncode} after {rows[-1:]}: {done.stderr[-2000:]}"
    assert not done.stderr
    assert [row for row in rows if row["outcome"].startswith("FAULT")] == []
    assert max(row["seconds"] for row in rows) < SECONDS
    assert max(row["mib"] for row in rows) < MIB
    # Neither all are refused nor all read, in every format.
    for name in DATASETS:
        kinds = {row["outcome"].split(":")[0] for row in rows if row["name"] == name}
        assert kinds == {"read", "refused"} or count == FEW
    assert sum(row["outcome"] == "read" for row in rows) > count / 20
    assert sum(row["outcome"].startswith("refused") for row in rows) > count / 2


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    assert outcome(name, tmp_path) == "read"


def raising(error: Exception) -> Callable[..., Dataset]:
    def read(name: str, folder: Path) -> Dataset:
        raise error

    return read


def giving(inputs: Any, targets: Any) -> Callable[..., Dataset]:
    """A data set that looks at nothing, of examples as they are."""

    def read(name: str, folder: Path) -> Any:
        split = SimpleNamespace(arrays=lambda: (inputs, targets))
        whole = InMemory(np.zeros((1, 2, 2, 1), np.float32), np.zeros(1, np.int32))
        dataset = Dataset("name", "classification", whole, whole, ("a", "b"), (2, 2, 1))
        for each in ("train", "test"):
            object.__setattr__(dataset, each, Listed(split))
        return dataset

    return read


class Listed:
    def __init__(self, few: Any) -> None:
        self.few = few

    def __len__(self) -> int:
        return len(self.few.arrays()[0])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        inputs, targets = self.few.arrays()
        return {"input": inputs[index], "target": targets[index]}

    def take(self, count: int) -> "Listed":
        return self

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.few.arrays()


def warning(name: str, folder: Path) -> Dataset:
    warnings.warn("odd", stacklevel=1)
    return load(name)


def endless(name: str, folder: Path) -> Dataset:
    while True:
        with suppress(Exception):  # as a reader might; it must not swallow the alarm
            sum(range(1000))


PLAIN = np.zeros((3, 2, 2, 1), np.float32)


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (raising(KeyError("x")), "KeyError"),
        (raising(OSError("{folder} is bad")), "OSError"),
        (raising(UnicodeDecodeError("utf-8", b"{folder}", 0, 1, "x")), "UnicodeDecodeError"),
        (raising(ValueError("bad")), "ValueError bad"),
        (raising(ValueError("{folder}: one\ntwo")), "ValueError .*: one"),
        (raising(ValueError("{folder}" + "long" * 300)), "ValueError"),
        (raising(ValueError("{folder}: Unable to allocate 9 TiB")), "Unable to allocate"),
        (giving(PLAIN * np.nan, np.zeros(3, np.int32)), "values"),
        (giving(PLAIN, np.full(3, 2, np.int32)), "values"),
        (giving(PLAIN, np.full(3, -1, np.int32)), "values"),
        (giving(PLAIN.astype(float), np.zeros(3, np.int32)), "inputs .* float64"),
        (giving(PLAIN[:, :1], np.zeros(3, np.int32)), "inputs"),
        (giving(PLAIN, np.zeros(3)), "targets .* float64"),
        (warning, "warns odd"),
        (endless, "more than 1 s of CPU"),
    ],
)
def test_a_fault_is_seen(read: Callable[..., Any], found: str, tmp_path: Path) -> None:
    def placed(name: str, folder: Path) -> Dataset:
        try:
            return read(name, folder)
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            raise ValueError(str(error).replace("{folder}", str(folder))) from error

    made = outcome("mnist", tmp_path, placed, 1)
    assert made.startswith("FAULT") and re.search(found, made), made


def test_the_control_of_the_controls(tmp_path: Path) -> None:
    """What is no fault is not taken for one."""
    assert outcome("mnist", tmp_path, giving(PLAIN, np.zeros(3, np.int32))) == "read"
    refused = outcome("mnist", tmp_path, raising(ValueError(f"{tmp_path}/x is broken")))
    assert refused == f"refused: {tmp_path}/x is broken"
