"""What a run leaves behind: metrics as JSON lines, and all that is needed to make it again."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax

from equinet.ops.cpu import tuning
from equinet.train.data.files import check_regular, write_whole

ROOT = Path(__file__).resolve().parents[2]
RUN = "run.json"
"""What a run is, beside what it leaves: see `run_record`."""
PACKAGES = (
    *("equinet-jax", "jax", "jaxlib", "numpy", "python-flint"),
    *("flax", "optax", "orbax-checkpoint", "grain", "torch"),
)


class Unwritable(OSError):
    """The system refused to write a file: the disk is full, the quota used up, the folder not ours."""


class Unreadable(OSError):
    """The system refused to read a file that is there: no permission, no memory, too many open files."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes `path`: a refusal of the system becomes an `Unwritable` that says where and what to do."""
    try:
        yield
    except OSError as error:
        raise Unwritable(
            f"cannot write {path}: {error.strerror or error}. Put that right and give the same command again; what was "
            f"written before is intact"
        ) from error


class JsonLines:
    """Appends one JSON object a line; a line that a full disk cuts short is taken back, so that all are whole.

    Args:
        path: the file; it is made anew, except for the rows there that are to stay.
        keep: says of a row that is there whether it stays; None lets all go.
    """

    def __init__(self, path: Path, keep: Callable[[dict[str, Any]], bool] | None = None) -> None:
        self.path = path
        kept = [row for row in read_json_lines(path) if keep(row)] if keep and path.exists() else []
        write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def write(self, row: dict[str, Any]) -> None:
        """Append `row`; NaN and infinities are refused, since JSON has none."""
        rest, end = (json.dumps(row, allow_nan=False) + "\n").encode(), os.fstat(self._file).st_size
        with writing(self.path):
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                os.ftruncate(self._file, end)
                raise

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Every row of a JSON-lines file; what a kill in the middle of the last line has left of it is passed over.

    Raises:
        ValueError: another line is no JSON object, or the file no text; the message names the line.
    """
    *whole, rest = _text(path).split("\n")
    rows = []
    for number, line in enumerate(whole, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _damaged(path, f"line {number}: {error}") from None
        if not isinstance(row, dict):
            raise _damaged(path, f"line {number} is no JSON object: {line[:40]}")
        rows.append(row)
    with suppress(ValueError, RecursionError):
        row = json.loads(rest)
        if isinstance(row, dict):
            rows.append(row)
    return rows


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        ValueError: it is not JSON; the message names the file.
    """
    text = _text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from None


def _text(path: Path) -> str:
    check_regular(path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, why: object) -> ValueError:
    return ValueError(f"{path} is damaged ({why}): bring back a copy of it, or move it away")


def as_json(value: Any) -> Any:
    """What `value` reads as once it has been through JSON (tuples as lists)."""
    return json.loads(json.dumps(value))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON; see `write_text`."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file; a reader sees the old one or the new one, see `write_whole`."""
    with writing(path):
        write_whole(path, text.encode())


def run_record(config: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Config, seed, versions, commit and device of this run, as JSON."""
    return {"config": config, "seed": config.get("seed"), **environment(), **more}


def environment() -> dict[str, Any]:
    """Versions, commit, code and device, as JSON: what numbers depend on besides the config.

    `code` is a hash of the Python files of this project, those that no commit holds included.
    """
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "code": _code(),
        "device": {
            "platform": jax.default_backend(),
            "kinds": sorted({device.device_kind for device in jax.devices()}),
            "count": jax.device_count(),
            "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        },
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "tuning": dataclasses.asdict(tuning()),
    }


def _code() -> str:
    digest = hashlib.sha256()
    for folder in ("equinet", "experiments", "configs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ("git", "-C", str(ROOT), *arguments), capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
