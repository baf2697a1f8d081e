"""The folder of a run: who uses it, what run it holds, and every start of that run."""

import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from experiments.devices import is_main_process
from experiments.record import RUN, as_json, environment, read_json, write_json, writing
from experiments.settings import Settings

LOCK = "lock"
FREE = ("progress", "tensorboard", "data_dir")
"""Settings that may differ from start to start: they do not change what is computed."""
TRACES = ("checkpoints", "metrics.jsonl", "result.json")
"""What shows that a folder held a run."""


class InUse(RuntimeError):
    """Another process works in the folder."""


class Workdir:
    """A folder that one run has to itself while this is entered. The main process alone locks and writes it.

    `run.json` holds what the run is: `config`, `seed`, `data` (see `fingerprint`), an `id` made of these, and `starts`,
    the time, commit, versions and devices of each start and the step that it went on from.

    Args:
        path: the folder; made if it is not there.
        run: what is to be run in it.
        data: the fingerprint of the data.
        report: called with a line of text where something has changed since the last start.
        more: what else `run.json` says of the run.

    Raises (on entering):
        InUse: another process holds the folder; the message says which.
        ValueError: the folder holds another run (another config, other data), or its `run.json` is missing or damaged.
        Unwritable: it cannot be written.
    """

    def __init__(self, path: Path, run: Settings, data: str, report: Callable[[str], None], **more: Any) -> None:
        self.path, self.id = path, ""
        self._run, self._data, self._report, self._more = run, data, report, more
        self._lock: int | None = None
        self._record: dict[str, Any] = {}

    def __enter__(self) -> "Workdir":
        if is_main_process():
            self._hold()
            try:
                self._record = self._claimed()
            except BaseException:
                self.__exit__()
                raise
            self.id = self._record["id"]
        if jax.process_count() > 1:
            letters = np.frombuffer(self.id.encode().ljust(16), np.uint8)
            self.id = bytes(np.asarray(multihost_utils.broadcast_one_to_all(letters), np.uint8)).decode()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def started(self, step: int) -> None:
        """Add this start to the record: from which step, when, and where."""
        if not is_main_process():
            return
        here = environment()
        starts = self._record["starts"]
        if starts:
            changed = [f"{name} {there} → {now}" for name, there, now in _differences(starts[-1], here)]
            if changed:
                self._report(f"{self._run.name or self.path}: since its last start changed {'; '.join(changed)}")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._record["starts"] = [*starts, {"time": now, "step": step, **here}]
        write_json(self.path / RUN, self._record)

    def _hold(self) -> None:
        """Lock the folder by a lock of the system on a file in it, which ends with the process, however that ends."""
        path = self.path / LOCK
        with writing(path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 200).decode(errors="replace").strip() or "another process"
            os.close(lock)
            raise InUse(
                f"{self.path} is in use by {holder}: wait until that has ended, or choose another --workdir"
            ) from None
        except OSError as error:
            self._report(
                f"{self.path}: this file system has no locks ({error.strerror}); start one run in it at a time"
            )
        self._lock = lock
        with writing(path):
            os.ftruncate(lock, 0)
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(lock, f"process {os.getpid()} on {platform.node() or 'this host'}, since {now}\n".encode())

    def _claimed(self) -> dict[str, Any]:
        """The record of the run in this folder, as it was found or new."""
        path = self.path / RUN
        config = dataclasses.asdict(self._run)
        if not path.exists():
            traces = [name for name in TRACES if (self.path / name).exists()]
            if traces:
                raise ValueError(
                    f"{self.path} holds {' and '.join(traces)} of a run, but no {RUN} that says which: bring that file "
                    f"back, or remove the folder to start anew"
                )
            # Written before anything else, so that no kill leaves states of a run that nothing names.
            identity = hashlib.sha256(json.dumps([as_json(config), self._data], sort_keys=True).encode())
            record = {
                "id": identity.hexdigest()[:16],
                "config": config,
                "seed": self._run.seed,
                "data": self._data,
                **self._more,
                "starts": [],
            }
            write_json(path, record)
            return record
        record = _checked(path)
        # A setting that is younger than the record was at its default.
        there = {**as_json(dataclasses.asdict(Settings())), **record["config"]}
        mine = as_json(config)
        odd = sorted(k for k in there.keys() | mine.keys() if there.get(k) != mine.get(k) and k not in FREE)
        if odd:
            raise ValueError(
                f"{self.path} holds another run: config.{odd[0]} is {there.get(odd[0])} there and {mine.get(odd[0])} "
                f"here. Choose another --workdir, or remove that folder"
            )
        if record["data"] != self._data:
            raise ValueError(
                f"{self.path} holds a run on other data: {self._run.dataset} had the fingerprint {record['data']} "
                f"there, and has {self._data} here. Bring the data back, or choose another --workdir"
            )
        return record


def _checked(path: Path) -> dict[str, Any]:
    """The record of a run, if it has all that one has."""
    record = read_json(path)
    entries = record if isinstance(record, dict) else {}
    sound = {
        "id": isinstance(entries.get("id"), str),
        "config": isinstance(entries.get("config"), dict),
        "data": isinstance(entries.get("data"), str),
        "starts": isinstance(entries.get("starts"), list) and all(isinstance(s, dict) for s in entries["starts"]),
    }
    odd = [name for name, right in sound.items() if not right]
    if odd:
        raise ValueError(
            f"{path} is damaged ({odd[0]!r} is missing or odd): bring back a copy of it, or remove the run's folder to "
            f"start anew"
        )
    return entries


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], name: str = "") -> list[tuple[str, Any, Any]]:
    """What differs between two records of where a run was started, entry by entry."""
    found: list[tuple[str, Any, Any]] = []
    for key in sorted(there.keys() | here.keys()):
        if name == "" and key in ("time", "step"):
            continue
        a, b = there.get(key), here.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(a, b, f"{name}{key}.")
        elif as_json(a) != as_json(b):
            found.append((f"{name}{key}", a, b))
    return found
