"""The table of all architectures: one row each, as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from equinet.train.record import ROOT, write_text

TABLE = ROOT / "docs" / "atlas" / "atlas.csv"
COLUMNS = {
    "name": "as `equinet query --torch=` takes it; of Keras keras:NAME, where NAME is for --keras=",
    "family": "the file in which its library defines it",
    "year": "of the first paper on arXiv that this file cites",
    "sizes": "of the input it was published with, in nodes per axis",
    "channels": "of that input",
    "parameters": "how many numbers are learned",
    "asked": "which output is asked about, if it returns several",
    "output": "map or features",
    "plane": "the group on the plane, where padding plays no part",
    "plane_invariance": "the part of it that leaves the output as it is",
    "steps": "the translations of it, in nodes per axis; 0 for none",
    "plane_loss": "the last layer that loses translations on the plane, and why",
    "torus": "the group on the torus of these sizes, padded as published",
    "torus_invariance": "the part of it that leaves the output as it is",
    "torus_loss": "the last layer that loses translations on the torus, and why",
    "box": "the group on a box of these sizes, padded as published",
    "stride": "of the last map, in nodes of the input per axis",
    "receptive_field": "of a node of that map, in nodes of the input; all of it, if it reads all",
    "interior": "the nodes of that map that no padding reaches, first..last per axis",
    "operations": "rows of the certificate",
    "symmetric": "the group on the plane if its kernels are symmetric, drawn at random; only if shifts are kept",
    "flip_sizes": "the nearest size at which a box, padded as published, keeps the flips of all axes with such kernels",
    "turn_sizes": "that size, if the box keeps the quarter turns too",
    "flip_loss": "the last layer that loses flips or turns on the plane with such kernels, and why",
    "flip_failure": "why the flips are not known",
    "measured_sizes": "the torus that the group on the plane was measured on, with circular paddings",
    "holds": "whether it holds there, in float64",
    "error": "the largest, in units of how much the output varies",
    "finer": "the least change of features under the next finer shifts, in the same units",
    "not_measured": "why it was not measured",
    "flips_hold": "whether what a box of that size keeps with symmetric kernels holds there, in float64",
    "flip_error": "the largest, in the same units",
    "flip_change": "of features under flips at the published size with such kernels, if that is another one",
    "flips_not_measured": "why the flips were not measured",
    "failure": "why it was not inferred",
    "seconds": "of the processor, for all of it but the measurement",
    "inferred_seconds": "of these, for `infer` of the plane, the torus and the box, as published",
    "measured_seconds": "of the processor, for the measurement",
    "flip_seconds": "of the processor, for that of the flips",
    "version": "of the library",
    "torch": "the version of PyTorch, where it runs",
    "jax": "the version of JAX",
}
"""What the columns hold. An architecture that nobody has looked at yet has a name and a family."""
MEASURED = {
    "measured_seconds": (("plane", "steps"), ("measured_sizes", "holds", "error", "finer", "not_measured")),
    "flip_seconds": (("symmetric", "flip_sizes"), ("flips_hold", "flip_error", "flip_change", "flips_not_measured")),
}
"""The column that is filled once a claim is measured; what the claim is, and what else a measurement fills in."""
GROUPS = ("plane", "plane_invariance", "torus", "torus_invariance", "box", "symmetric")
NONE = "none"
"""Where it is known that there is nothing."""
ERRORS = ("error", "finer", "flip_error", "flip_change")
Row = Mapping[str, str]


def as_row(record: Mapping[str, Any]) -> dict[str, str]:
    """A record as text, cell by cell; groups without their index, which the translations say.

    >>> row = as_row({"name": "timm:a", "plane": "8Z × 8Z (p1, index 64)", "error": 2.5e-13, "holds": True})
    >>> row["plane"], row["error"], row["holds"], row["torus"]
    ('8Z × 8Z', '2.5e-13', 'yes', '')
    """
    unknown = record.keys() - COLUMNS.keys()
    if unknown:
        raise ValueError(f"the record of {record['name']} has {', '.join(sorted(unknown))}, which the table has not")
    return {column: _cell(column, record.get(column)) for column in COLUMNS}


def _cell(column: str, value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if column in GROUPS:
        return re.sub(r" \([^()]*index[^()]*\)$", "", value)
    return f"{value:.2g}" if isinstance(value, float) and column in ERRORS else str(value)


def as_text(rows: Iterable[Row]) -> str:
    """Rows as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def keep(records: Iterable[Mapping[str, Any]], known: Mapping[str, str]) -> Path:
    """Put records into the table. They replace the rows of the same names, but for what was measured of the same group;
    the other rows stay.

    Args:
        known: every architecture there is, and its family: those without a row get one that says no more.
    """
    rows = {name: as_row({"name": name, "family": family}) for name, family in known.items()}
    rows |= {row["name"]: row for row in (kept() if TABLE.exists() else ())}
    for row in map(as_row, records):
        before = rows.get(row["name"], {})
        for seconds, (claim, found) in MEASURED.items():
            if not row[seconds] and all(before.get(each) == row[each] for each in claim):
                row |= {each: before[each] for each in (*found, seconds)}
        rows[row["name"]] = row
    write_text(TABLE, as_text(sorted(rows.values(), key=lambda row: row["name"])))
    return TABLE


def kept() -> list[dict[str, str]]:
    """The rows of the table.

    Raises:
        FileNotFoundError: there is none yet.
        ValueError: if it has other columns.
    """
    if not TABLE.exists():
        raise FileNotFoundError(f"{TABLE} is not there: python -m scripts.atlas --workdir=… --table makes it")
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if list(reader.fieldnames or ()) != list(COLUMNS):
            raise ValueError(f"{TABLE} has other columns than {', '.join(COLUMNS)}: bring back a copy of it")
        return list(reader)


def looked_at(rows: Sequence[Row]) -> list[Row]:
    """The rows of architectures that were looked at."""
    return [row for row in rows if row["plane"] or row["failure"]]


def inferred(rows: Sequence[Row]) -> list[Row]:
    """The rows of architectures that were inferred, on the plane at least."""
    return [row for row in rows if row["plane"]]


def step_of(row: Mapping[str, Any]) -> tuple[int, ...]:
    """The steps of the translations that are kept on the plane, along each axis; () if some axis keeps none.

    >>> step_of({"steps": "32×32"}), step_of({"steps": "0×0"})
    ((32, 32), ())
    """
    steps = tuple(int(step) for step in row["steps"].split("×") if step)
    return steps if all(steps) else ()


def unmeasured(row: Mapping[str, Any]) -> list[str]:
    """What is claimed and not measured yet: the columns that will say how long that took.

    >>> unmeasured({"steps": "32×32", "flip_sizes": "225×225"}), unmeasured({"steps": "0×0"})
    (['measured_seconds', 'flip_seconds'], [])
    >>> unmeasured({"steps": "32×32", "measured_seconds": "1.5", "flip_sizes": "none"})
    []
    """
    claims = {"measured_seconds": step_of(row), "flip_seconds": row.get("flip_sizes", "") not in ("", NONE)}
    return [seconds for seconds, is_claimed in claims.items() if is_claimed and row.get(seconds, "") == ""]


def sizes_of(row: Row) -> tuple[int, ...]:
    """The sizes that it was published with."""
    return sizes_in(row["sizes"])


def by_axis(numbers: Iterable[Any]) -> str:
    """What a cell holds of each axis.

    >>> by_axis((16, 112, 112))
    '16×112×112'
    """
    return "×".join(map(str, numbers))


def sizes_in(text: str) -> tuple[int, ...]:
    """The sizes that a cell holds: of `by_axis`, the other way round.

    >>> sizes_in("16×112×112")
    (16, 112, 112)
    """
    return tuple(map(int, text.split("×")))


def nearest(size: int, step: int) -> int:
    """The multiple of a step that is nearest to a size; the larger of two.

    >>> nearest(224, 32), nearest(224, 64), nearest(299, 32), nearest(5, 32)
    (224, 256, 288, 32)
    """
    return max(step, (2 * size + step) // (2 * step) * step)
