"""Timing ways of doing one thing in turn, on a machine that is checked to be idle."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax

from equinet.train.record import run_record

LIMIT = 0.15
"""Share of the CPUs that others may take before a benchmark refuses to report."""

LONG = 0.05
"""Seconds that a sample lasts, at least: it is the mean of as many calls."""

Way = Callable[[], object]


class Busy(RuntimeError):
    """Others used so much of the machine that the timings mean nothing."""


@dataclass(frozen=True)
class Work:
    """One row of the benchmark page.

    Attributes:
        title: what is done.
        ways: makes the ways of doing it, functions without arguments; arrays that they return are waited for.
        peer: the way that ratios refer to.
        ours: the way that the targets are for.
        goal, stretch: ratios to reach, time of the peer over our time.
        within: seconds to stay within, in place of a goal; `stretch` is in seconds then.
        samples: of each way.
        growth: the curve of the page that the row is a point of, and how large what grows is there.
    """

    title: str
    ways: Callable[[], Mapping[str, Way]]
    peer: str
    ours: str = "equinet"
    goal: float | None = None
    stretch: float | None = None
    within: float | None = None
    samples: int = 9
    growth: tuple[str, float] | None = None


@dataclass(frozen=True)
class Timing:
    """Median seconds of one way of doing something, and its ratio to the peer's (above 1: faster than the peer).

    `low` and `high` are the quartiles; `first` is the first call, which traces and compiles.
    """

    name: str
    seconds: float
    low: float
    high: float
    first: float
    ratio: float


def child_environment() -> dict[str, str]:
    """For a process of its own: JAX as it comes."""
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}


class Process:
    """A way of doing something in a process of its own, for settings that hold for a whole process.

    The command reads lines, does its work once for each, and answers with a line.
    """

    running: tuple[int, ...] = ()

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
        )
        Process.running = (*Process.running, self._process.pid)

    def __call__(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")


def _cpu_seconds() -> tuple[float, float]:
    """(busy seconds of the whole machine, CPU seconds of this process and its children)."""
    tick = os.sysconf("SC_CLK_TCK")
    fields = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    idle = fields[3] + fields[4]
    own = sum(os.times()[:4])
    for process in Process.running:
        with suppress(FileNotFoundError):
            own += sum(map(int, Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / tick
    return (sum(fields) - idle) / tick, own


def measure(work: Work, pause: float = 0.05, check: bool = True) -> dict[str, Any]:
    """Time each way in turn; the row as JSON.

    Args:
        work: what to time.
        pause: seconds of rest, then one untimed call, before each sample.
        check: whether to refuse on a busy machine.

    Raises:
        Busy: if other processes took more than LIMIT of the CPUs meanwhile.
    """
    _start_afresh()
    ways = work.ways()
    first = {name: _once(way) for name, way in ways.items()}
    calls = {name: max(1, round(LONG / _once(way))) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    before, started = _cpu_seconds(), time.perf_counter()
    for _ in range(work.samples):
        for name, way in ways.items():
            time.sleep(pause)
            _once(way)
            times[name].append(sum(_once(way) for _ in range(calls[name])) / calls[name])
    busy, own = (now - then for now, then in zip(_cpu_seconds(), before, strict=True))
    share = max(busy - own, 0) / ((time.perf_counter() - started) * (os.cpu_count() or 1))
    if check and share > LIMIT:
        raise Busy(f"{work.title}: other processes used {share:.0%} of the CPUs (limit {LIMIT:.0%})")
    medians = {name: statistics.median(values) for name, values in times.items()}
    timings = []
    for name, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        timings.append(Timing(name, medians[name], low, high, first[name], medians[work.peer] / medians[name]))
    return {
        "title": work.title,
        "peer": work.peer,
        "ours": work.ours,
        "goal": work.goal,
        "stretch": work.stretch,
        "within": work.within,
        "growth": work.growth,
        "timings": [asdict(timing) for timing in timings],
        "others": share,
    }


def _start_afresh() -> None:
    """Give back what earlier rows left: programs, and the heap that `tune_cpu` keeps.

    A heap in pieces costs a sweep of ResNet-18 a sixth of its time.
    """
    jax.clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def _once(way: Way) -> float:
    started = time.perf_counter()
    jax.block_until_ready(way())
    return time.perf_counter() - started


def standing(row: Mapping[str, Any]) -> str:
    """Whether a row reaches its target: "stretch", "reached", "missed", or nothing if it has none."""
    ours = next(timing for timing in row["timings"] if timing["name"] == row["ours"])
    # Both as numbers that are to be large.
    found, goal, stretch = ours["ratio"], row["goal"], row["stretch"]
    if row["within"] is not None:
        found, goal, stretch = -ours["seconds"], -row["within"], None if stretch is None else -stretch
    if goal is None:
        return ""
    if stretch is not None and found >= stretch:
        return "stretch"
    return "reached" if found >= goal else "missed"


def show(row: Mapping[str, Any]) -> None:
    """Print a row as a table."""
    print(f"\n{row['title']}  {standing(row)}")
    width = max(len(timing["name"]) for timing in row["timings"])
    for t in row["timings"]:
        print(
            f"  {t['name']:<{width}}  {1e3 * t['seconds']:9.2f} ms  ({1e3 * t['low']:.2f} to {1e3 * t['high']:.2f})  "
            f"first call {1e3 * t['first']:8.0f} ms  {t['ratio']:6.2f}×",
            flush=True,
        )


def _processor() -> str:
    """What the system calls the processor; virtual machines give several generations one name, so numbers too."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = [line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line] if cpuinfo.exists() else []
    facts = {name.strip(): value.strip() for name, value in reversed(lines)}
    if "model name" not in facts:
        return platform.processor()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def machine() -> dict[str, Any]:
    """The machine, versions and process-wide settings of a run."""
    return {
        "cpu": _processor(),
        **run_record({}, command="python -m benchmarks"),
    }
