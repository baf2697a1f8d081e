"""Runs side by side: grouped by the settings in which they differ, with means and 95 % intervals over the seeds."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from equinet.names import check_name
from equinet.train.intervals import interval_of
from equinet.train.record import RUN, as_json, read_json, read_json_lines
from equinet.train.settings import Settings
from equinet.train.workdir import FREE, METRICS, RESULT

VERSION = 1
"""Of `Table.as_dict`: it grows when an entry changes its meaning or goes, not when one is added."""
APART = ("seed", "name", *FREE)
"""Settings that do not set runs apart: what they are called, what does not change what is computed, and the seed."""
PARTS = ("optimiser", "augment")
"""Settings that are dicts with defaults of their own."""
NO_METRICS = ("step", "best_step")
MISSING = "–"


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that is done.

    Attributes:
        folder: its workdir.
        name, seed: of its config.
        settings: what else its config says, by names such as `model.down`; lists as text.
        data, code: a fingerprint of its data, and of the user's own files that it is made of.
        metrics: by name, in the order of the record.
        shares: the metrics that are shares of examples, from 0 to 1.
        steps, epochs: its length.
    """

    folder: Path
    name: str
    seed: int
    settings: Mapping[str, Any]
    data: str
    code: str
    metrics: Mapping[str, float]
    shares: frozenset[str]
    steps: int
    epochs: int

    def curve(self, split: str, metric: str) -> dict[int, float]:
        """What the log says of a metric on a split ("train", "validation" or "test"), by step.

        Raises:
            ValueError: the log is damaged.
        """
        rows = [row for row in read_json_lines(self.folder / METRICS) if row.get("split") == split and metric in row]
        return {row["step"]: _number(row[metric]) for row in rows}


@dataclasses.dataclass(frozen=True)
class SeedMean:
    """The mean of a metric over the seeds, with its interval.

    Attributes:
        values: one for each seed.
        share: whether they are shares of examples; the interval then ends at 0 and 1.
    """

    values: tuple[float, ...]
    share: bool

    @property
    def value(self) -> float:
        """The mean."""
        return float(np.mean(self.values))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean by Student's t; one run has none."""
        if len(self.values) == 1:
            return None
        low, high = interval_of(self.values)
        return (max(low, 0.0), min(high, 1.0)) if self.share else (low, high)

    def text(self) -> tuple[str, str]:
        """The mean and the interval; shares in %."""
        show = (lambda value: f"{100 * value:.1f}") if self.share else (lambda value: f"{value:.3g}")
        ends = self.interval
        return show(self.value), MISSING if ends is None else f"{show(ends[0])} to {show(ends[1])}"


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only.

    Attributes:
        settings: those in which it differs from other groups.
        runs: by seed.
    """

    settings: Mapping[str, Any]
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)

    @property
    def title(self) -> str:
        """What it is called: its settings, or the name of its runs where there is no other group."""
        told = {name: value for name, value in self.settings.items() if value != MISSING}
        said = ", ".join(f"{name.rpartition('.')[2]}={value}" for name, value in told.items())
        return said or self.runs[0].name or "all runs"

    def mean(self, metric: str) -> SeedMean | None:
        """None where a run does not have the metric."""
        if any(metric not in run.metrics for run in self.runs):
            return None
        return SeedMean(tuple(run.metrics[metric] for run in self.runs), metric in self.runs[0].shares)


@dataclasses.dataclass(frozen=True)
class Table:
    """Groups of runs.

    Attributes:
        groups: in the order in which their runs were named.
        left_out: what is no run that is done, or one that is here already: its folder, and why.
        metrics: those that are shown.
    """

    groups: tuple[Group, ...]
    left_out: tuple[tuple[Path, str], ...] = ()
    metrics: tuple[str, ...] = ()

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """The settings in which the groups differ."""
        return tuple(self.groups[0].settings)

    def rows(self) -> Iterator[tuple[str, Group, SeedMean]]:
        """Metric by metric, every group that has it."""
        for metric in self.metrics:
            for group in self.groups:
                mean = group.mean(metric)
                if mean is not None:
                    yield metric, group, mean

    def __str__(self) -> str:
        """A block for each metric, a line for each group; shares in %."""
        return "\n\n".join("\n".join(self._block(metric)) for metric in self.metrics)

    def _block(self, metric: str) -> Iterator[str]:
        found = [(group, mean) for name, group, mean in self.rows() if name == metric]
        cells = [
            (
                *map(str, group.settings.values()),
                *mean.text(),
                str(len(group.runs)),
                ", ".join(map(str, group.seeds)),
            )
            for group, mean in found
        ]
        unit = ", %" if found and found[0][1].share else ""
        head = (*self.settings, "mean", "95 % interval", "runs", "seeds")
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        yield f"{metric.replace('_', ' ')}{unit}"
        left = (*range(len(self.settings)), len(head) - 1)
        for row in (head, *cells):
            aligned = (
                cell.ljust(width) if place in left else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            yield f"  {'  '.join(aligned)}".rstrip()

    def records(self) -> list[dict[str, Any]]:
        """A row for each metric of each group, such as a data frame takes; shares from 0 to 1."""
        found = []
        for metric, group, mean in self.rows():
            low, high = mean.interval or (None, None)
            seeds = " ".join(map(str, group.seeds))
            measured = {"metric": metric, "mean": mean.value, "low": low, "high": high}
            found.append({**group.settings, **measured, "runs": len(group.runs), "seeds": seeds})
        return found

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain types."""
        return {
            "version": VERSION,
            "settings": list(self.settings),
            "groups": [
                {
                    "settings": dict(group.settings),
                    "seeds": list(group.seeds),
                    "runs": [str(run.folder) for run in group.runs],
                    "metrics": [
                        {
                            "metric": metric,
                            "share": mean.share,
                            "mean": mean.value,
                            "interval95": None if mean.interval is None else list(mean.interval),
                            "values": list(mean.values),
                        }
                        for metric, owner, mean in self.rows()
                        if owner is group
                    ],
                }
                for group in self.groups
            ],
            "left_out": [{"run": str(folder), "why": why} for folder, why in self.left_out],
        }


def read_table(folders: Iterable[Path], metrics: Sequence[str] = ()) -> Table:
    """The runs in some folders, those that differ in their seed only together.

    Args:
        folders: workdirs. What is not a run that is done, or a copy of one, is left out, with a reason.
        metrics: those to show; all by default.

    Raises:
        ValueError: no run is done; the message has the reasons.
        UnknownName: no run has such a metric; the near ones are listed.
    """
    found: list[Run] = []
    left_out: list[tuple[Path, str]] = []
    for folder in folders:
        try:
            run = read_run(folder)
        except (ValueError, OSError) as error:
            left_out.append((folder, str(error)))
            continue
        same = next((other.folder for other in found if _same(run, other) and run.seed == other.seed), None)
        if same is None:
            found.append(run)
        else:
            left_out.append((folder, f"the same run as {same}, config and seed"))
    if not found:
        reasons = "; ".join(f"{folder}: {why}" for folder, why in left_out[:4])
        raise ValueError(f"no run is done: {reasons or 'no folder is named'}{'; …' if len(left_out) > 4 else ''}")
    known = tuple(dict.fromkeys(name for run in found for name in run.metrics))
    shown = tuple(check_name(name, known, "metric") for name in metrics) or known
    return Table(_groups(found), tuple(left_out), shown)


def read_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        ValueError: it holds none, or one that is not done, or whose record is damaged.
    """
    if not folder.is_dir():
        raise ValueError("no folder of a run")
    if not (folder / RUN).exists():
        inner = any(folder.glob(f"*/{RUN}"))
        raise ValueError(f"no run: it has no {RUN}{f'; its folders have: name {folder}/*' if inner else ''}")
    record = read_json(folder / RUN)
    config = record.get("config") if isinstance(record, dict) else None
    if not isinstance(config, dict) or not isinstance(record.get("seed"), int) or not record.get("steps"):
        raise ValueError(f"{RUN} is damaged: it has no config, seed or number of steps")
    if not (folder / RESULT).exists():
        rows = read_json_lines(folder / METRICS) if (folder / METRICS).exists() else []
        raise ValueError(
            f"not done: the log ends at step {rows[-1].get('step', 0) if rows else 0} of {record['steps']}"
        )
    result = read_json(folder / RESULT)
    if not isinstance(result, dict) or not result.keys() - NO_METRICS:
        raise ValueError(f"{RESULT} is damaged: it has no metrics")
    metrics = {name: value for name, value in result.items() if name not in NO_METRICS}
    odd = [name for name, value in metrics.items() if _number(value) is None]
    if odd:
        raise ValueError(f"{RESULT} is damaged: {odd[0]} is no number")
    settings = _completed(config)
    return Run(
        folder,
        str(settings["name"]),
        record["seed"],
        dict(_flat({name: value for name, value in settings.items() if name not in APART})),
        str(record.get("data")),
        hashlib.sha256(json.dumps(record.get("sources"), sort_keys=True).encode()).hexdigest()[:8],
        {name: _number(value) for name, value in metrics.items()},
        frozenset(name for name, value in metrics.items() if isinstance(value, dict)),
        record["steps"],
        int(settings["epochs"]),
    )


def _completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with every setting: one that is younger than a record was at its default."""
    usual = as_json(dataclasses.asdict(Settings()))
    for name in PARTS:
        if not isinstance(config.get(name, {}), Mapping):
            raise ValueError(f"{RUN} is damaged: config.{name} is no dict")
    found = {**usual, **config, **{name: {**usual[name], **config.get(name, {})} for name in PARTS}}
    if _number(found["epochs"]) is None:
        raise ValueError(f"{RUN} is damaged: config.epochs is no number")
    return found


def _number(value: Any) -> Any:
    """A metric as a number, whether it is a share of examples or a plain one; None if it is neither."""
    found = value.get("value") if isinstance(value, dict) else value
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _flat(entries: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", ",".join(map(str, value)) if isinstance(value, list) else value


def _same(one: Run, other: Run) -> bool:
    return (one.settings, one.data, one.code) == (other.settings, other.data, other.code)


def _groups(runs: Sequence[Run]) -> tuple[Group, ...]:
    parts: list[list[Run]] = []
    for run in runs:
        part = next((part for part in parts if _same(part[0], run)), None)
        if part is None:
            parts.append([run])
        else:
            part.append(run)
    firsts = [part[0] for part in parts]
    names = list(dict.fromkeys(name for run in firsts for name in run.settings))
    differing = [name for name in names if len({json.dumps(run.settings.get(name, MISSING)) for run in firsts}) > 1]
    columns: dict[str, Callable[[Run], Any]] = {
        name: (lambda run, name=name: run.settings.get(name, MISSING)) for name in differing
    }
    # Data and code of one's own are no settings. They are shown where nothing else tells two groups apart.
    for name, read in (("data", lambda run: run.data), ("own code", lambda run: run.code)):
        alike = [(one, other) for one in firsts for other in firsts if one.settings == other.settings]
        if any(read(one) != read(other) for one, other in alike):
            columns[name] = read
    return tuple(
        Group({name: read(part[0]) for name, read in columns.items()}, tuple(sorted(part, key=lambda run: run.seed)))
        for part in parts
    )
