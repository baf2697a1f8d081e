"""The gallery's records, one a model, and the tables of its page, which are made from them."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from equinet.train.record import ROOT, as_json, read_json_lines, run_record, write_text
from equinet.train.study import fill_page
from experiments.gallery import GALLERY
from experiments.gallery.entry import Entry
from experiments.gallery.examine import KINDS, at_its_size, in_small
from experiments.markdown import table
from experiments.summary import NO_SHIFT, Records, group_text

PAGE = ROOT / "docs" / "gallery.md"
RECORDS = ROOT / "docs" / "studies" / "records" / "gallery.jsonl"
LINE = re.compile(r"\w+\.py:\d+")
"""The line of a model's code in a row of its ledger."""


def examine(name: str) -> dict[str, Any]:
    """The record of a model: all that is inferred and measured, and with what."""
    entry = GALLERY[name]
    made = run_record({"seed": 0})
    return as_json(
        {
            "model": name,
            "parameters": entry.count(),
            "native": at_its_size(entry),
            "small": in_small(entry),
            "commit": made["commit"],
            "versions": made["versions"],
            "platform": made["device"]["platform"],
        }
    )


def keep(records: Records) -> Path:
    """Write the records where the page is made from."""
    write_text(RECORDS, "".join(json.dumps(record, sort_keys=True) + "\n" for record in records))
    return RECORDS


def kept() -> Records:
    """The records that are kept.

    Raises:
        FileNotFoundError: there are none yet.
    """
    if not RECORDS.exists():
        raise FileNotFoundError(f"{RECORDS} is not there: python -m scripts.gallery --workdir=… makes it")
    return read_json_lines(RECORDS)


def page() -> tuple[str, str]:
    """The page's text, and the text that the records make of it."""
    text = PAGE.read_text(encoding="utf-8")
    return text, fill_page(text, tables(kept()))


def tables(records: Records) -> dict[str, str]:
    """Tables and sentences in Markdown, by the name that their places in the page have."""
    return {
        "extent": _extent(records),
        "groups": _groups(records),
        "agreement": _agreement(records),
        "measured": _measured(records),
        "torus": _losses(records, "torus"),
        "plane": _descents(records),
    }


def _entries(records: Records) -> Iterator[tuple[Entry, dict[str, Any]]]:
    for record in records:
        yield GALLERY[record["model"]], record


def _extent(records: Records) -> str:
    known = sum(entry.parameters == record["parameters"] for entry, record in _entries(records))
    written = {kind: sum(e.written == kind for e, _ in _entries(records)) for kind in ("Linen", "NNX", "JAX")}
    seconds = sorted(found["seconds"] for record in records for found in record["native"].values())
    return (
        f"{len(records)} models: {written['Linen']} in Linen, {written['NNX']} in NNX, {written['JAX']} in JAX alone. "
        f"{known} have, to the last one, the number of parameters that their papers or reference implementations "
        f"give. An inference took {seconds[len(seconds) // 2]:.1f} seconds in the median, tracing included."
    )


def _groups(records: Records) -> str:
    head = ["model", "published in", "input", "output", *KINDS, "measured beyond that"]
    rows = []
    for entry, record in _entries(records):
        native = record["native"]
        sizes = "×".join(map(str, (*entry.size, entry.channels)))
        output = "×".join(map(str, native["torus"]["output"])) or "–"
        groups = (group_text(native[kind]["group"]) for kind in KINDS)
        rows.append([entry.title, entry.paper, sizes, output, *groups, _beyond(record)])
    return table(head, rows)


def _agreement(records: Records) -> str:
    finite = [record["small"][kind] for record in records for kind in ("torus", "box")]
    plane = [record["small"]["plane"] for record in records if "plane" in record["small"]]
    measured = [cell for cell in (*finite, *plane) if cell["elements"]]
    swept = [cell["tight"] for cell in plane if cell["tight"] is not None]
    claimed = sum(cell["group"] not in NO_SHIFT for cell in measured)
    return (
        f"{len(measured)} inferred groups of small networks were measured, {claimed} of them with more than the "
        f"identity, on {sum(cell['elements'] for cell in measured):,} elements. All that was inferred holds in "
        f"{sum(cell['sound'] for cell in measured)} of {len(measured)}. Nothing more holds in "
        f"{sum(cell['tight'] for cell in finite)} of {len(finite)} on torus and box, and in {sum(swept)} of "
        f"{len(swept)} on the plane."
    )


def _measured(records: Records) -> str:
    head = ["model", "in small", *KINDS, "largest error", "measured beyond that"]
    rows = []
    for entry, record in _entries(records):
        small = record["small"]
        groups = (_shown(small[kind]) if kind in small else "–" for kind in KINDS)
        error = max(cell["error"] for cell in small.values())
        sizes = "×".join(map(str, (*entry.small_size, entry.few)))
        rows.append([entry.title, sizes, *groups, f"{error:.0e}", _beyond(record)])
    return table(head, rows)


def _shown(cell: dict[str, Any]) -> str:
    """The inferred group of a small network, in brackets if it was not measured."""
    group = group_text(cell["group"])
    return group if cell["elements"] else f"({group})"


def _beyond(record: dict[str, Any]) -> str:
    """What the small network was measured to keep and is not inferred, by the kind of domain; a dash for nothing."""
    found = [f"{kind}: {_more(cell)}" for kind, cell in record["small"].items() if cell["tight"] is False]
    return "; ".join(found) or "–"


def _more(cell: dict[str, Any]) -> str:
    return group_text(cell["measured"]) if "measured" in cell else "more"


def _losses(records: Records, kind: str) -> str:
    """A row for each place that loses something."""
    head = ["model", "where", "what is lost", "why"]
    rows = []
    for entry, record in _entries(records):
        for number, loss in enumerate(record["native"][kind]["losses"]):
            rows.append([entry.title if number == 0 else "", _where(loss), loss["lost"], loss["why"]])
    return table(head, rows)


def _descents(records: Records) -> str:
    """A row for each model: the translations that are left, and the places that they were lost at, in order."""
    rows = []
    for entry, record in _entries(records):
        found = record["native"]["plane"]
        places = [_where(loss) for loss in found["losses"] if "translations" in loss["lost"]]
        rows.append([entry.title, group_text(found["group"]), ", ".join(places) or "–"])
    return table(["model", "on the plane", "translations lost at"], rows)


def _where(loss: dict[str, str]) -> str:
    """The module that loses something, as far as it is in one, and the line of the code."""
    line = LINE.search(f"{loss['layer']} {loss['at']}")
    scopes = "" if LINE.match(loss["at"]) else f"`{loss['at'].partition('.')[2] or loss['at']}` "
    return f"{scopes}{line[0] if line else ''}".strip()


def as_text(record: dict[str, Any]) -> Sequence[str]:
    """A record for the eye."""
    entry = GALLERY[record["model"]]
    lines = [f"{entry.title} ({entry.paper}), {record['parameters']:,} parameters"]
    for kind in KINDS:
        found = record["native"][kind]
        lines.append(f"  {kind:6} {found['group']}; invariant under {found['invariance']}  ({found['seconds']} s)")
        lines += [f"         {loss['at']} {loss['layer']}: {loss['lost']}: {loss['why']}" for loss in found["losses"]]
    for kind, cell in record["small"].items():
        lines.append(f"  in small, {kind:6} {cell['group']}: {_verdict(cell)}")
    return lines


def _verdict(cell: dict[str, Any]) -> str:
    if not cell["elements"]:
        return "not measured"
    if not cell["sound"]:
        return f"DOES NOT HOLD, error {cell['error']:.1e}"
    beyond = {True: ", and nothing else does", False: f", and more does: {_more(cell)}", None: ""}[cell["tight"]]
    return f"holds{beyond}"
