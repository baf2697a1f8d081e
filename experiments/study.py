"""The studies of this repository: their names, and the records, pages and figures that are kept of them.

The records, a line of JSON for each run, are kept in `docs/studies/records`; tables, figures and the check that they
match are made from these alone. `equinet.train.study` runs a study.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

from equinet.names import check_name
from equinet.train.record import ROOT, read_json_lines, write_text
from equinet.train.study import Study, fill_page
from experiments.summary import Records

DOCS = ROOT / "docs" / "studies"
STUDIES = (
    "why",
    "coset",
    "subpixel",
    "fcn_vs_maxpool",
    "segmentation",
    "one_d",
    "volume",
    "boundary",
    "rotation",
    "sizes",
    "published",
)


def load_study(name: str) -> Study:
    """The study called `name`.

    Raises:
        UnknownName: there is none; the message lists the near ones.
    """
    return Study.of(name, importlib.import_module(f"experiments.studies.{check_name(name, STUDIES, 'study')}"))


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
        raise FileNotFoundError(
            f"{path} is not there: python -m scripts.study --study={name} --workdir=… --write makes it"
        )
    return read_json_lines(path)


def pages() -> Iterator[tuple[Path, str, str]]:
    """Every study's page that has records: its path, its text, and the text that its records make of it."""
    for name in STUDIES:
        path = DOCS / f"{name}.md"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            yield path, text, fill_page(text, load_study(name).tables(kept_records(name)))
