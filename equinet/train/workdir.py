"""The folder of a run: who uses it, what run it holds, and every start of that run."""

import dataclasses
import errno
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

from equinet.train.checkpoint import NAME, SCORES
from equinet.train.devices import is_main_process
from equinet.train.record import RUN, Unwritable, as_json, environment, read_json, write_json, writing
from equinet.train.settings import Settings

LOCK = "run.lock"
FREE = ("progress", "tensorboard", "data_dir")
"""Settings that may differ from start to start: they do not change what is computed."""
METRICS, RESULT = "metrics.jsonl", "result.json"
TRACES = (NAME, METRICS, RESULT, SCORES)
"""What shows that a folder held a run."""


class InUse(RuntimeError):
    """Another process works in the folder."""


class Workdir:
    """A folder that one run has to itself while this is entered. The main process alone locks and writes it.

    `run.json` holds what the run is: `config`, `seed`, `data` (see `fingerprint`), an `id` made of these, and `starts`,
    the time, commit, versions and devices of each start and the step that it went on from. What the run uses of the
    user's own files is kept there as text.

    Args:
        path: the folder; made if it is not there.
        run: what is to be run in it.
        data: the fingerprint of the data.
        report: called with a line of text where something has changed since the last start.
        sources: the user's own files that the run is made of, as text by path.
        more: what else `run.json` says of the run.

    Raises (on entering):
        InUse: another process holds the folder; the message says which.
        ValueError: the folder holds another run (another config, other data), or its `run.json` is missing or damaged.
        Unwritable: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        run: Settings,
        data: str,
        report: Callable[[str], None],
        sources: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.path, self.id = path, ""
        self._run, self._data, self._report, self._more = run, data, report, more
        self._sources = dict(sources or {})
        self._lock: int | None = None
        self._record: dict[str, Any] = {}

    def __enter__(self) -> "Workdir":
        try:
            if is_main_process():
                self._hold()
                self._record = self._claimed()
                self._sign()
                self.id = self._record["id"]
        except BaseException:
            self.__exit__()
            self._tell()  # so that the others do not wait
            raise
        self._tell()
        return self

    def _tell(self) -> None:
        """The identity of the run, from the main process to the others; none where it could not start."""
        if jax.process_count() == 1:
            return
        letters = np.frombuffer(self.id.encode().ljust(16), np.uint8)
        self.id = bytes(np.asarray(multihost_utils.broadcast_one_to_all(letters), np.uint8)).decode().strip()
        if not self.id and not is_main_process():
            raise InUse("the first process could not start this run; its message says why")

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def check_start(self, step: int) -> None:
        """Refuse to begin at the first step where the run has been further: its states are gone.

        Raises:
            ValueError: that is so.
        """
        further = any(start.get("step") for start in self._record.get("starts", ()))
        if step == 0 and is_main_process() and (further or (self.path / RESULT).exists()):
            raise ValueError(
                f"{self.path} holds a run that has been further, but no checkpoint of it: bring checkpoints/ back, or "
                f"move the folder away to start anew"
            )

    def started(self, step: int) -> None:
        """Add this start to the record: from which step, when, and where."""
        if not is_main_process():
            return
        here = environment()
        if self._sources:
            here["own_code"] = hashlib.sha256(json.dumps(self._sources, sort_keys=True).encode()).hexdigest()[:16]
        starts = self._record["starts"]
        if starts:
            changed = [
                f"{name} {stored or 'none'} → {now or 'none'}" for name, stored, now in _differences(starts[-1], here)
            ]
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
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._lock, 200).decode(errors="replace").strip() or "another process"
            raise InUse(
                f"{self.path} is in use by {holder}: wait until that has ended, or choose another --workdir"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):
                raise Unwritable(f"cannot lock {path}: {error.strerror}. Put that right and start again") from error
            self._report(f"{self.path}: no locks on this file system ({error.strerror}); start one run in it at a time")

    def _sign(self) -> None:
        """Say in the lock who holds it."""
        assert self._lock is not None
        with writing(self.path / LOCK):
            os.ftruncate(self._lock, 0)
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(self._lock, f"process {os.getpid()} on {platform.node() or 'this host'}, since {now}\n".encode())

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
            record = {
                "id": _identity(as_json(config), self._data),
                "config": config,
                "seed": self._run.seed,
                "data": self._data,
                **self._more,
                "sources": self._sources,
                "starts": [],
            }
            write_json(path, record)
            return record
        record = _checked(path)
        odd = first_difference(record["config"], config)
        if odd:
            raise ValueError(f"{self.path} holds another run: {odd}. Choose another --workdir, or remove that folder")
        if record["data"] != self._data:
            raise ValueError(
                f"{self.path} holds a run on other data: {self._run.dataset} had the fingerprint {record['data']} "
                f"there, and has {self._data} here. Bring the data back, or choose another --workdir"
            )
        return record


def first_difference(stored: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    """What tells two configs of runs apart, in words; empty where they make the same run."""
    # A setting that is younger than a record was at its default.
    stored, mine = {**as_json(dataclasses.asdict(Settings())), **stored}, as_json(current)
    odd = sorted(k for k in stored.keys() | mine.keys() if stored.get(k) != mine.get(k) and k not in FREE)
    return f"config.{odd[0]} is {stored.get(odd[0])} there and {mine.get(odd[0])} here" if odd else ""


def _identity(config: Any, data: str) -> str:
    return hashlib.sha256(json.dumps([config, data], sort_keys=True).encode()).hexdigest()[:16]


def _checked(path: Path) -> dict[str, Any]:
    """The record of a run, if it has all that one has."""
    record = read_json(path)
    entries = record if isinstance(record, dict) else {}
    starts = entries.get("starts")
    sound = {
        "starts": isinstance(starts, list) and all(isinstance(start, dict) for start in starts),
        "data": isinstance(entries.get("data"), str),
        "config": isinstance(entries.get("config"), dict),
    }
    sound["id"] = all(sound.values()) and entries.get("id") == _identity(entries["config"], entries["data"])
    odd = [name for name, right in sound.items() if not right]
    if odd:
        raise ValueError(
            f"{path} is damaged ({odd[0]!r} is missing or odd): bring back a copy of it, or remove the run's folder to "
            f"start anew"
        )
    return entries


def _differences(stored: Mapping[str, Any], current: Mapping[str, Any], name: str = "") -> list[tuple[str, Any, Any]]:
    """What differs between two records of where a run was started, entry by entry."""
    found: list[tuple[str, Any, Any]] = []
    for key in sorted(stored.keys() | current.keys()):
        if name == "" and key in ("time", "step", "modified"):
            continue
        a, b = stored.get(key), current.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(a, b, f"{name}{key}.")
        elif as_json(a) != as_json(b):
            found.append((f"{name}{key}", a, b))
    return found
