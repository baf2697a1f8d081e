"""A grid of runs: every combination of some settings, each in a folder of its own, named by what sets it apart."""

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import ml_collections

from equinet.names import as_value, check_name, split_at_commas
from equinet.train.devices import is_main_process
from equinet.train.record import RUN, read_json
from equinet.train.settings import Settings, base
from equinet.train.trainer import Diverged, build_model, train_and_evaluate
from equinet.train.workdir import RESULT, first_difference

MOST_RUNS = 10_000


class Failed(RuntimeError):
    """Some runs of a grid diverged; the others are done."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A run of a grid.

    Attributes:
        name: of its folder, such as `down=aps,seed=1`.
        config: its config.
    """

    name: str
    config: ml_collections.ConfigDict


def grid(config: ml_collections.ConfigDict, texts: Sequence[str]) -> list[Point]:
    """Every combination of the values of some entries of a config, those of the last entry changing fastest.

    Args:
        config: what the runs have in common.
        texts: an entry and its values each, `config.model.down=stride,aps`; commas in brackets do not part values.

    Raises:
        ValueError: a text of another form, an entry that the config does not have (the near ones are listed) or that is
            named twice, a value of another kind than the config's, or two runs that would share a folder.
    """
    whole = base()
    whole.update(config)
    axes = [_axis(whole, text) for text in texts]
    entries = [entry for entry, _ in axes]
    if len(set(entries)) < len(entries):
        raise ValueError(f"--grid names config.{next(e for e in entries if entries.count(e) > 1)} twice: say it once")
    count = prod(len(values) for _, values in axes)
    if count > MOST_RUNS:
        raise ValueError(f"--grid makes {count} runs, at most {MOST_RUNS}: leave out some values")
    points: dict[str, Point] = {}
    for values in product(*(values for _, values in axes)):
        changes = dict(zip(entries, values, strict=True))
        name = _name(changes)
        if name in points:
            raise ValueError(f"--grid has two runs for the folder {name}: leave out a value, or give them apart")
        points[name] = Point(name, _changed(whole, changes))
    return list(points.values())


def train_grid(points: Sequence[Point], workdir: Path, report: Callable[[str], None] = print) -> list[Path]:
    """Train every run that is not done yet; the folders of all that are.

    Every config is looked at, and every folder that is there already, before the first run starts. A run that diverges
    does not keep the others from being trained.

    Args:
        points: the runs.
        workdir: gets a folder for each.
        report: called with a line of text before and after each run, on the first process.

    Raises:
        ValueError: a config that makes no sense, or a folder that holds another run.
        Failed: some runs diverged.
        Stopped: a signal ended a run; the same call goes on from there.
    """
    told = report if is_main_process() else lambda _: None
    done = {point.name: _is_done(point, workdir / point.name) for point in points}
    diverged = []
    for number, point in enumerate(points, start=1):
        label = f"{number}/{len(points)} {point.name}"
        if done[point.name]:
            told(f"{label}: done before")
            continue
        since = time.perf_counter()
        told(f"{label}: starts")
        try:
            outcome = train_and_evaluate(point.config, workdir / point.name, report)
        except Diverged as error:
            diverged.append(point.name)
            told(f"{label}: {error}")
            continue
        score = next(iter(outcome.metrics.values))
        told(f"{label}: {score.replace('_', ' ')} {outcome.metrics.score:.4g}, {time.perf_counter() - since:.0f} s")
    if diverged:
        raise Failed(f"{len(diverged)} of {len(points)} runs diverged: {', '.join(diverged)}; the others are done")
    return [workdir / point.name for point in points]


def _is_done(point: Point, folder: Path) -> bool:
    """Whether a run needs no training; its config is looked at, and what its folder holds."""
    settings = Settings.of(point.config)
    build_model(settings)
    if settings.smoke or not (folder / RUN).exists():
        return False
    record = read_json(folder / RUN)
    stored = record.get("config") if isinstance(record, dict) else None
    if not isinstance(stored, dict):
        raise ValueError(
            f"{folder / RUN} is damaged: bring back a copy of it, or remove the run's folder to start anew"
        )
    odd = first_difference(stored, dataclasses.asdict(settings))
    if odd:
        raise ValueError(f"{folder} holds another run: {odd}. Choose another --workdir, or remove that folder")
    return (folder / RESULT).exists()


def _axis(config: ml_collections.ConfigDict, text: str) -> tuple[str, list[Any]]:
    """The path of an entry, without `config.`, and its values."""
    path, equals, values = text.partition("=")
    path = path.strip().removeprefix("config.")
    if not equals or not path or not values.strip():
        raise ValueError(f"--grid={text}: write an entry and its values, such as --grid=config.model.down=stride,aps")
    known = dict(_flat(config))
    check_name(path, known, "entry of the config")
    return path, [_value(known[path], each) for each in split_at_commas(values)]


def _flat(config: Mapping[str, Any] | ml_collections.ConfigDict, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping | ml_collections.ConfigDict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _value(now: Any, text: str) -> Any:
    """A value for an entry, as its flag would read it: text for text, `true` for yes or no."""
    value = as_value(text)
    if isinstance(now, bool):
        return {"true": True, "false": False}.get(str(value).lower(), value)
    return text.strip() if isinstance(now, str) and not isinstance(value, str) else value


def _changed(config: ml_collections.ConfigDict, changes: Mapping[str, Any]) -> ml_collections.ConfigDict:
    result = config.copy_and_resolve_references()
    for path, value in changes.items():
        try:
            result.update_from_flattened_dict({path: value})
        except (TypeError, ValueError):
            now = type(dict(_flat(config))[path]).__name__
            raise ValueError(f"--grid: config.{path} is a value of the kind {now}; got {value!r}") from None
    return result


def _name(changes: Mapping[str, Any]) -> str:
    """What sets a run apart, as the name of a folder: short names of entries, unless two share one."""
    short = [path.rpartition(".")[2] for path in changes]
    names = [last if short.count(last) == 1 else path for last, path in zip(short, changes, strict=True)]
    return ",".join(f"{name}={_shown(value)}" for name, value in zip(names, changes.values(), strict=True))


def _shown(value: Any) -> str:
    text = "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return re.sub(r"[^\w.+-]+", "-", text)
