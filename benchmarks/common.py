"""Timing two ways of doing one thing alternately, on a machine that is checked to be idle."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax

from experiments.record import run_record

LIMIT = 0.15
"""Share of the CPUs that others may take before a benchmark refuses to report."""


class Busy(RuntimeError):
    """Others used so much of the machine that the timings mean nothing."""


@dataclass(frozen=True)
class Timing:
    """Median seconds of one way of doing something, and its ratio to the peer's (above 1: faster than the peer).

    `compile_s` is the first call, which traces and compiles.
    """

    name: str
    seconds: float
    compile_s: float
    ratio: float


def _cpu_seconds() -> tuple[float, float]:
    """(busy seconds of the whole machine, CPU seconds of this process and its children)."""
    with open("/proc/stat") as stat:
        fields = [int(v) for v in stat.readline().split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])


def alternate(
    ways: Mapping[str, Callable[[], object]], peer: str, samples: int = 9, pause: float = 0.05, check: bool = True
) -> list[Timing]:
    """Time each way in turn, `samples` times, after one untimed call each.

    Args:
        ways: functions without arguments; arrays they return are waited for.
        peer: the one that ratios refer to.
        samples: timed calls of each.
        pause: seconds of rest, then one untimed call, before each timed one.
        check: whether to refuse on a busy machine.

    Raises:
        Busy: if other processes took more than LIMIT of the CPUs meanwhile.
    """
    first = {name: _once(way) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    busy, own, started = *_cpu_seconds(), time.perf_counter()
    for _ in range(samples):
        for name, way in ways.items():
            time.sleep(pause)
            _once(way)
            times[name].append(_once(way))
    busy, own = (after - before for after, before in zip(_cpu_seconds(), (busy, own), strict=True))
    share = max(busy - own, 0) / ((time.perf_counter() - started) * (os.cpu_count() or 1))
    if check and share > LIMIT:
        raise Busy(f"other processes used {share:.0%} of the CPUs (limit {LIMIT:.0%}): run this on an idle machine")
    medians = {name: statistics.median(values) for name, values in times.items()}
    return [Timing(name, medians[name], first[name], medians[peer] / medians[name]) for name in ways]


def _once(way: Callable[[], object]) -> float:
    started = time.perf_counter()
    jax.block_until_ready(way())
    return time.perf_counter() - started


def report(title: str, timings: Sequence[Timing], peer: str, folder: str = "runs/bench") -> None:
    """Print a table and write `<folder>/<title>.json` with the run's record."""
    print(f"\n{title} (ratio: time of {peer} / time)")
    width = max(len(t.name) for t in timings)
    for t in timings:
        print(
            f"  {t.name:<{width}}  {1e3 * t.seconds:9.2f} ms  first call {1e3 * t.compile_s:8.0f} ms  {t.ratio:6.2f}×"
        )
    path = Path(folder) / f"{title.replace(' ', '_')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = run_record({}, command=f"benchmarks: {title}", seconds=sum(t.seconds for t in timings))
    path.write_text(json.dumps({"timings": [asdict(t) for t in timings], "peer": peer, "record": record}, indent=2))
