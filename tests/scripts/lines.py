"""Command lines in this process: what one ends with, and what is wrong with how it ends."""

import contextlib
import importlib
import io
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from unittest import mock

import numpy as np
import pytest
from absl import flags

from equinet.cli.command import run
from equinet.cli.main import COMMANDS

SECONDS, MEMORY = 5, 2 * 2**30
"""What a line may take, of a processor and beside what was there before."""


class Accepted(BaseException):
    """In place of the work that a line asks for."""


class Hangs(BaseException):
    """A line was stopped."""


@dataclass(frozen=True)
class Ended:
    """How a command line ended.

    Attributes:
        status: its exit status; None where it was accepted and its work would have begun.
        out, err: what it printed.
        seconds: of the processor.
        escaped: what nothing caught: with a process of its own, a traceback.
        written: files and folders that are new.
    """

    status: int | None
    out: str = ""
    err: str = ""
    seconds: float = 0.0
    escaped: BaseException | None = None
    written: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """What is wrong with it; empty where nothing is."""
        if self.escaped is not None:
            return f"{type(self.escaped).__name__} escapes: {self.escaped}"
        if self.seconds > SECONDS:
            return f"it took {self.seconds:.0f} s"
        if self.written:
            return f"it has written {', '.join(self.written)}"
        if self.status in (None, 0):
            return f"it is accepted, with an error: {self.err}" if self.err else ""
        if self.status not in (1, 2):
            return f"it ends with status {self.status}"
        if self.status == 1 and not self.err and self.out:
            return ""  # the answer is no
        if len(self.err.splitlines()) != 1 or not self.err.strip():
            return f"it answers in {len(self.err.splitlines())} lines: {self.err}"
        if any(sign in self.err for sign in ("Traceback", "Unable to allocate", "MemoryError", "Hangs")):
            return f"nobody thought of it: {self.err}"
        return ""


def run_line(script: ModuleType | Any, arguments: Sequence[str], folder: Path) -> Ended:
    """Run `python -m scripts.NAME …` or `equinet NAME …` here, in `folder`, up to where its work would begin.

    The CPU is not tuned: that would stay so for tests that follow in this process, and for the processes they start.
    """
    there, known = set(folder.rglob("*")), set(flags.FLAGS)
    out, err = io.StringIO(), io.StringIO()
    hooks, argv = (sys.excepthook, sys.unraisablehook), sys.argv
    status, escaped, since = None, None, time.process_time()
    sys.argv = [script.__name__, *arguments]
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(60)
    try:
        # What warns in a library is no answer of the command's: a process shows it to those who ask for it only.
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _untuned(script),
            mock.patch.object(sys, "dont_write_bytecode", True),  # what Python keeps of an import is no result
        ):
            run(script.main, script.define_flags)
    except Accepted:
        pass
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        escaped = error
    finally:
        signal.alarm(0)
        seconds = time.process_time() - since
        sys.argv = argv
        sys.excepthook, sys.unraisablehook = hooks
        for name in set(flags.FLAGS) - known - {"help", "helpshort", "helpfull", "helpxml", "?"}:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()
        sys.modules.pop("config_config", None)  # a file that defines nothing would find what the last one defined
    written = tuple(sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - there))
    return Ended(status, out.getvalue(), err.getvalue(), seconds, escaped, written)


def _untuned(script: ModuleType | Any) -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(script, "tune_cpu") if hasattr(script, "tune_cpu") else contextlib.nullcontext()


def load_scripts(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> dict[str, ModuleType]:
    """The scripts, with `Accepted` raised in place of their work: training, measuring, fetching, making pages."""
    homes = {
        name: f"equinet.cli.{name}" if name in COMMANDS else f"scripts.{name}" for name in names if "." not in name
    }
    found = {name: importlib.import_module(homes.get(name, name)) for name in names}
    works = ("scripts.study.run_study", "scripts.study.make_pages", "scripts.demo.run_demo", "equinet.cli.sweep.verify")
    more = (
        "scripts.study.keep_baselines",
        "equinet.cli.sweep.discover",
        "equinet.cli.sweep.verify_shifts",
        "equinet.cli.sweep.discover_shifts",
        "scripts.get_data.get_data",
        "equinet.train.trainer.init_state",
        "equinet.cli.suggest.suggest",
        "equinet.cli.explore.make_server",
        "equinet.cli.query.legal_sizes",
        "equinet.cli.study.run_study",
    )
    for work in (*works, *more, "experiments.gallery.page.examine", "experiments.gallery.page.page"):
        module, name = work.rsplit(".", 1)
        monkeypatch.setattr(importlib.import_module(module), name, accept)
    monkeypatch.setattr(np, "savez_compressed", accept)
    for script in found.values():
        if hasattr(script, "tune_cpu"):
            monkeypatch.setattr(script, "tune_cpu", lambda: None)
    return found


def accept(*_: Any, **__: Any) -> NoReturn:
    raise Accepted


@contextlib.contextmanager
def little_memory() -> Iterator[Callable[[], int]]:
    """Within, twice `MEMORY` more can be had; gives how much more has been taken, in bytes."""
    before, limits = _peak(), resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 * MEMORY, limits[1]))
    try:
        yield lambda: _peak() - before
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _stop(*_: Any) -> NoReturn:
    raise Hangs("a minute has passed")
