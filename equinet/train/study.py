"""Studies: families of runs, what is measured on each, and the tables and figures made of their records.

A study is a module with a function `runs`. Each run goes to a folder of its own; those that are done are skipped, so
that a study that was cut off goes on with the same command.
"""

import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_collections

from equinet.names import find_module, guarded
from equinet.train.metrics import Measured
from equinet.train.record import RUN, as_json, environment, read_json, write_json
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome, build_model, train_and_evaluate
from equinet.train.workdir import first_difference

RECORD = "record.json"
Record = dict[str, Any]
"""Of a run: its name, its seed, its metrics, what the study measured, and where and how long it ran."""


@dataclasses.dataclass(frozen=True)
class Study:
    """What a module says of a study; its functions have the names of these attributes.

    Attributes:
        name: of the module or file.
        runs: `() -> [(name, config), …]`, all runs, each under a name of its own.
        measure: `(Settings, Outcome) -> dict`, what is worth keeping of a run besides its metrics, as JSON; optional.
        tables: `(records) -> {name: text}`, tables and sentences in Markdown by the name that their places in a page
            have; optional.
        figures: `(records, folder) -> [path, …]`, draws into a folder; optional.
        trained: whether its networks are trained, or looked at as they are built; the module's `TRAINED`, True where it
            has none.
    """

    name: str
    runs: Callable[[], Iterable[tuple[str, ml_collections.ConfigDict]]]
    measure: Callable[[Settings, Outcome], dict[str, Any]] = lambda run, outcome: {}
    tables: Callable[[Sequence[Record]], dict[str, str]] = lambda records: {}
    figures: Callable[[Sequence[Record], Path], list[Path]] = lambda records, folder: []
    trained: bool = True

    @staticmethod
    def of(name: str, module: ModuleType) -> "Study":
        """The study that a module makes.

        Raises:
            ValueError: it has no function `runs`.
        """
        found = {key: getattr(module, key) for key in ("runs", "measure", "tables", "figures") if hasattr(module, key)}
        odd = [key for key, value in found.items() if not callable(value)]
        if odd or "runs" not in found:
            raise ValueError(
                f"{name}: {odd[0] if odd else 'runs'} must be a function: a study is a module whose runs() gives names "
                f"and configs"
            )
        return Study(name, **found, trained=getattr(module, "TRAINED", True))

    def wanted(self, only: str = "", smoke: bool = False) -> list[tuple[str, ml_collections.ConfigDict]]:
        """The runs whose names match a regular expression.

        Raises:
            ValueError: none does, or `runs` gives something else than names, each once, and configs.
        """
        every = guarded(f"{self.name}: runs", lambda: list(self.runs()))
        for each in every:
            pair = isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], str)
            if not pair or not isinstance(each[1], ml_collections.ConfigDict):
                raise ValueError(f"{self.name}: runs must give pairs of a name and a ConfigDict; got {each!r:.100}")
        names = [name for name, _ in every]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{self.name}: runs has two of the name {twice}: give each a name of its own")
        found = [(name, config) for name, config in every if re.search(only, name)]
        if not found:
            raise ValueError(
                f"no run of {self.name} matches --only={only!r}; names are like {names[0] if names else 'none'}"
            )
        for _, config in found:
            config.update(progress=False, smoke=smoke or config.get("smoke", False))
        return found


def read_study(text: str) -> Study:
    """The study of `FILE.py` or `package.module`.

    Raises:
        ValueError: no such file or module, one that raises, or one that is no study.
    """
    return Study.of(text, find_module(text, "the study"))


def run_study(
    study: Study, workdir: Path, *, only: str = "", smoke: bool = False, report: Callable[[str], None] = print
) -> list[Record]:
    """Train and measure every run that is not done yet; the records of all that are.

    Args:
        study: which.
        workdir: every run gets a folder of its own in here.
        only: a regular expression; only runs whose name it matches.
        smoke: a few examples and one epoch for each.
        report: called with a line of text after each run.
    """
    wanted = study.wanted(only, smoke)
    records = []
    for number, (run, config) in enumerate(wanted, start=1):
        path = workdir / run / RECORD
        settings = Settings.of(config)
        if path.exists():
            records.append(_done(path, dataclasses.asdict(settings)))
            continue
        since = time.perf_counter()
        make = _trained if study.trained else _built
        outcome, starts = make(config, workdir / run, report)
        seconds = time.perf_counter() - since
        measured = guarded(f"{study.name}: measure of {run}", lambda: study.measure(settings, outcome))  # noqa: B023
        record = as_json(
            {
                "run": run,
                "seed": settings.seed,
                **outcome.metrics.to_json(),
                **measured,
                "commit": ", ".join(dict.fromkeys(start["commit"] for start in starts)),
                "versions": starts[-1]["versions"],
                "platform": starts[-1]["device"]["platform"],
                "seconds": round(seconds, 1),
            }
        )
        write_json(path, {"settings": dataclasses.asdict(settings), "record": record})
        records.append(record)
        score = f"{outcome.metrics.score:.3f}, " if study.trained else ""
        report(f"{number}/{len(wanted)} {run}: {score}{seconds:.0f} s")
    return records


def done_records(study: Study, workdir: Path, *, only: str = "", smoke: bool = False) -> list[Record]:
    """The records of the runs that are done.

    Raises:
        ValueError: none is, or one is that of a run with other settings.
    """
    paths = [(workdir / run / RECORD, config) for run, config in study.wanted(only, smoke)]
    found = [_done(path, dataclasses.asdict(Settings.of(config))) for path, config in paths if path.exists()]
    if not found:
        raise ValueError(f"no run of {study.name} is done in {workdir}: leave out --tables")
    return found


def _done(path: Path, settings: Mapping[str, Any]) -> Record:
    """The record of a run that is done.

    Raises:
        ValueError: it is that of a run with other settings, a smoke run, say; or damaged.
    """
    held = read_json(path)
    if not isinstance(held, dict) or not isinstance(held.get("record"), dict) or "run" not in held["record"]:
        raise ValueError(f"{path} is no record of a run: move it away, and the run is made again")
    odd = first_difference(held.get("settings") or {}, settings)
    if odd:
        raise ValueError(f"{path} is the record of another run: {odd}. Choose another --workdir")
    return held["record"]


Made = tuple[Outcome, list[dict[str, Any]]]
"""The outcome of a run, and what `environment` said at each of its starts."""


def _trained(config: ml_collections.ConfigDict, workdir: Path, report: Callable[[str], None]) -> Made:
    outcome = train_and_evaluate(config, workdir, report)
    return outcome, read_json(workdir / RUN)["starts"]


def _built(config: ml_collections.ConfigDict, *_: Any) -> Made:
    """The network of a config without weights: a run of no steps."""
    return Outcome(build_model(Settings.of(config)), {}, Measured({}), 0), [environment()]


def fill_page(text: str, tables: Mapping[str, str]) -> str:
    """The page with what stands between `<!-- NAME -->` and `<!-- end -->` replaced by the table of that name.

    Raises:
        ValueError: a table without a place, or a place without a table.

    >>> print(fill_page("<!-- one -->\\nold\\n<!-- end -->", {"one": "new"}))
    <!-- one -->
    new
    <!-- end -->
    """
    places = re.findall(r"<!-- (\w+) -->\n", text)
    odd = set(places) - {"end"} ^ set(tables)
    if odd:
        raise ValueError(f"tables and places in the page differ: {', '.join(sorted(odd))}")

    def filled(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n{tables[match[1]].strip()}\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n(?:.*?\n)??<!-- end -->", filled, text, flags=re.DOTALL)
