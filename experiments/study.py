"""Studies: families of runs, what is measured on each, and the tables and figures made of their records.

A study is a list of runs. Each goes to a folder of its own; those that are done are skipped, so that a study that was
cut off goes on with the same command. The records, a line of JSON for each run, are kept in `docs/studies/records`, and
tables, figures and the check that they match are made from these alone.
"""

import dataclasses
import importlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import ml_collections

from equinet.names import check_name
from equinet.train.metrics import Measured
from equinet.train.record import ROOT, RUN, as_json, environment, read_json, read_json_lines, write_json, write_text
from equinet.train.settings import Settings
from equinet.train.trainer import Outcome, build_model, train_and_evaluate
from equinet.train.workdir import first_difference
from experiments.summary import Records

DOCS = ROOT / "docs" / "studies"
RECORD = "record.json"
STUDIES = (
    "why",
    "coset",
    "fcn_vs_maxpool",
    "segmentation",
    "one_d",
    "volume",
    "boundary",
    "rotation",
    "sizes",
    "published",
)


class Study(Protocol):
    """What a module of `experiments.studies` provides."""

    TRAINED: bool
    """Whether its networks are trained, or looked at as they are built."""

    def runs(self) -> Iterable[tuple[str, ml_collections.ConfigDict]]:
        """All runs, each under a name of its own."""
        ...

    def measure(self, run: Settings, outcome: Outcome) -> dict[str, Any]:
        """What is worth keeping of a run besides its metrics, as JSON."""
        ...

    def tables(self, records: Records) -> dict[str, str]:
        """Tables and sentences in Markdown, by the name that their places in the page have."""
        ...

    def figures(self, records: Records, folder: Path) -> list[Path]:
        """Draw the figures into a folder."""
        ...


def load_study(name: str) -> Study:
    """The study called `name`.

    Raises:
        UnknownName: there is none; the message lists the near ones.
    """
    module: Any = importlib.import_module(f"experiments.studies.{check_name(name, STUDIES, 'study')}")
    return module


def run_study(
    name: str,
    workdir: Path,
    *,
    only: str = "",
    smoke: bool = False,
    report: Callable[[str], None] = print,
) -> Records:
    """Train and measure every run that is not done yet; the records of all that are.

    Args:
        name: of the study.
        workdir: every run gets a folder of its own in here.
        only: a regular expression; only runs whose name it matches.
        smoke: a few examples and one epoch for each.
        report: called with a line of text after each run.
    """
    study = load_study(name)
    wanted = [(run, config) for run, config in study.runs() if re.search(only, run)]
    if not wanted:
        raise ValueError(f"no run of {name} matches --only={only!r}; names are like {next(iter(study.runs()))[0]}")
    records = []
    for number, (run, config) in enumerate(wanted, start=1):
        path = workdir / run / RECORD
        config.update(progress=False, smoke=smoke)
        settings = dataclasses.asdict(Settings.of(config))
        if path.exists():
            records.append(_done(path, settings))
            continue
        since = time.perf_counter()
        make = _trained if study.TRAINED else _built
        outcome, starts = make(config, workdir / run, report)
        seconds = time.perf_counter() - since
        record = as_json(
            {
                "run": run,
                "seed": config.seed,
                **outcome.metrics.to_json(),
                **study.measure(Settings.of(config), outcome),
                "commit": ", ".join(dict.fromkeys(start["commit"] for start in starts)),
                "versions": starts[-1]["versions"],
                "platform": starts[-1]["device"]["platform"],
                "seconds": round(seconds, 1),
            }
        )
        write_json(path, {"settings": settings, "record": record})
        records.append(record)
        score = f"{outcome.metrics.score:.3f}, " if study.TRAINED else ""
        report(f"{number}/{len(wanted)} {run}: {score}{seconds:.0f} s")
    return records


def _done(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
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


def keep_records(name: str, records: Records) -> Path:
    """Put the records where tables and figures are made from, in the order of the study's runs.

    They replace those kept of the same runs; those kept of other runs stay.
    """
    path = DOCS / "records" / f"{name}.jsonl"
    found = {record["run"]: record for record in (*(read_json_lines(path) if path.exists() else ()), *records)}
    order = [run for run, _ in load_study(name).runs()]
    # Runs that the study no longer has come last.
    kept = sorted(found.values(), key=lambda record: (*order, record["run"]).index(record["run"]))
    write_text(path, "".join(json.dumps(record, sort_keys=True) + "\n" for record in kept))
    return path


def kept_records(name: str) -> Records:
    """The records that are kept of a study.

    Raises:
        FileNotFoundError: there are none yet.
    """
    path = DOCS / "records" / f"{name}.jsonl"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: python -m scripts.study --study={name} --workdir=… makes it")
    return read_json_lines(path)


def fill_page(text: str, tables: dict[str, str]) -> str:
    """The page with what stands between `<!-- NAME -->` and `<!-- end -->` replaced by the table of that name.

    Raises:
        ValueError: a table without a place, or a place without a table.
    """
    places = re.findall(r"<!-- (\w+) -->\n", text)
    odd = set(places) - {"end"} ^ set(tables)
    if odd:
        raise ValueError(f"tables and places in the page differ: {', '.join(sorted(odd))}")

    def filled(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n{tables[match[1]].strip()}\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n(?:.*?\n)??<!-- end -->", filled, text, flags=re.DOTALL)


def pages() -> Iterator[tuple[Path, str, str]]:
    """Every study's page that has records: its path, its text, and the text that its records make of it."""
    for name in STUDIES:
        path = DOCS / f"{name}.md"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            yield path, text, fill_page(text, load_study(name).tables(kept_records(name)))
