"""The gallery's records, one a model, and the tables of its page, which are made from them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.gallery import GALLERY
from experiments.gallery.entry import Entry
from experiments.gallery.examine import KINDS, at_its_size, in_small
from experiments.markdown import table
from experiments.record import ROOT, as_json, read_json_lines, run_record, write_text
from experiments.study import fill_page
from experiments.summary import Records, group_text

PAGE = ROOT / "docs" / "gallery.md"
RECORDS = ROOT / "docs" / "studies" / "records" / "gallery.jsonl"


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
    write_text(RECORDS, "".join(json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n" for record in records))
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
        "losses": _losses(records),
    }


def _rows(records: Records) -> Iterator[tuple[Entry, dict[str, Any]]]:
    for record in records:
        yield GALLERY[record["model"]], record


def _extent(records: Records) -> str:
    known = [record for entry, record in _rows(records) if entry.parameters == record["parameters"]]
    written = {kind: sum(e.written == kind for e, _ in _rows(records)) for kind in ("Linen", "NNX", "JAX")}
    return (
        f"{len(records)} models, {written['Linen']} in Linen, {written['NNX']} in NNX, {written['JAX']} in JAX alone; "
        f"{len(known)} have to the last one the parameters that their papers or reference implementations have."
    )


def _groups(records: Records) -> str:
    head = ["model", "published in", "input", "output", *KINDS]
    rows = []
    for entry, record in _rows(records):
        native = record["native"]
        sizes = "×".join(map(str, (*entry.size, entry.channels)))
        rows.append([entry.title, entry.paper, sizes, _output(native), *(_group(native[kind]) for kind in KINDS)])
    return table(head, rows)


def _output(native: dict[str, Any]) -> str:
    return "×".join(map(str, native["torus"]["output"])) or "answers"


def _group(found: dict[str, Any]) -> str:
    return group_text(found["group"])


def _agreement(records: Records) -> str:
    finite = [record["small"][kind] for record in records for kind in ("torus", "box")]
    plane = [record["small"]["plane"] for record in records if "plane" in record["small"]]
    everything = [*finite, *plane]
    tight = sum(cell["tight"] for cell in finite)
    swept = [cell for cell in plane if cell["tight"] is not None]
    return (
        f"In small, {len(everything)} groups were inferred and measured, on {sum(c['elements'] for c in everything):,} "
        f"elements: what was inferred holds for {sum(cell['sound'] for cell in everything)} of them. On torus and box "
        f"the inferred group is all that is measured for {tight} of {len(finite)}; on the plane for "
        f"{sum(cell['tight'] for cell in swept)} of {len(swept)}."
    )


def _measured(records: Records) -> str:
    head = ["model", "in small", *(f"{kind}: inferred" for kind in KINDS), "largest error", "measured beyond that"]
    rows = []
    for entry, record in _rows(records):
        small = record["small"]
        error = max(cell["error"] for cell in small.values())
        beyond = [f"{kind}: {cell['measured']}" for kind, cell in small.items() if not cell["tight"] and "measured" in cell]
        cells = [_group(small[kind]) if kind in small else "–" for kind in KINDS]
        rows.append([entry.title, "×".join(map(str, entry.small_size)), *cells, f"{error:.0e}", "; ".join(beyond) or "–"])
    return table(head, rows)


def _losses(records: Records) -> str:
    head = ["model", "where", "line", "what is lost", "why"]
    rows = []
    for entry, record in _rows(records):
        for kind in ("torus", "plane"):
            for loss in record["native"][kind]["losses"]:
                rows.append([entry.title, kind, f"`{loss['at']}` {loss['layer']}", loss["lost"], loss["why"]])
    return table(head, rows)


def as_text(record: dict[str, Any]) -> Sequence[str]:
    """A record for the eye."""
    entry = GALLERY[record["model"]]
    lines = [f"{entry.title} ({entry.paper}), {record['parameters']:,} parameters"]
    for kind in KINDS:
        found = record["native"][kind]
        lines.append(f"  {kind:6} {found['group']}; invariant under {found['invariance']}  ({found['seconds']} s)")
        lines += [f"         {loss['at']}: {loss['lost']}: {loss['why']}" for loss in found["losses"]]
    for kind, cell in record["small"].items():
        verdict = "holds" if cell["sound"] else "DOES NOT HOLD"
        more = {True: ", nothing else does", False: ", more does", None: ""}[cell["tight"]]
        found = f", measured {cell['measured']}" if "measured" in cell else ""
        lines.append(f"  in small, {kind:6} {cell['group']} {verdict}{more}{found}")
    return lines
