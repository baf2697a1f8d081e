"""The atlas's page: sentences, tables and figures that are made from its rows."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from equinet.train.record import ROOT
from equinet.train.study import fill_page
from experiments.atlas.table import NONE, Row, by_axis, inferred, kept, looked_at, nearest, sizes_in, sizes_of, step_of
from experiments.markdown import scientific, table
from experiments.summary import group_text

PAGE = ROOT / "docs" / "atlas.md"
LISTED = 5
"""Architectures that are named where there are more."""
SEEN = 1e-6
"""A finer shift that changes the output by more, in units of what that varies by, is none that is kept."""


def page() -> tuple[str, str]:
    """The page's text, and the text that the rows make of it."""
    text = PAGE.read_text(encoding="utf-8")
    return text, fill_page(text, tables(kept()))


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Tables and sentences in Markdown, by the name that their places in the page have."""
    return {
        "extent": _extent(rows),
        "answer": _answer(inferred(rows)),
        "groups": _groups(inferred(rows)),
        "measured": _measured(inferred(rows)),
        "sizes": _sizes(inferred(rows)),
        "flips": _flips(inferred(rows)),
        "borders": _borders(inferred(rows)),
        "failures": _failures(looked_at(rows)),
        "left": _left(rows),
    }


def families(rows: Iterable[Row]) -> list[str]:
    """Families by library, each once, as they come: `timm's resnet`."""
    return list(dict.fromkeys(f"{library(row)}.{row['family']}" for row in rows))


def library(row: Row) -> str:
    """The library of an architecture."""
    return row["name"].partition(":")[0]


def _extent(rows: Sequence[Row]) -> str:
    seen, found = looked_at(rows), inferred(rows)
    *most, last = (
        f"{name} {'/'.join(sorted({row['version'] for row in seen if library(row) == name}))}"
        for name in dict.fromkeys(map(library, seen))
    )
    versions = " and ".join([", ".join(most), last] if most else [last])
    order = (
        " They are looked at in turns: the smallest of every family, then the second of every family, and so on."
        if len(seen) < len(rows)
        else ""
    )
    return (
        f"{len(found):,} of the {len(rows):,} architectures of {versions} are inferred{' so far' if order else ''}, "
        f"from {len(families(found))} of {len(families(rows))} families; {len(seen) - len(found)} more were tried and "
        f"could not be.{order} {_times(found)}"
    )


def _times(rows: Sequence[Row]) -> str:
    timed = [row for row in rows if row["inferred_seconds"]]
    asked, one = (statistics.median(float(row[each]) for row in timed) for each in ("inferred_seconds", "seconds"))
    of = "" if len(timed) == len(rows) else f" of {len(timed)}"
    whole = sum(float(row["seconds"]) for row in rows) / 60
    return (
        f"`infer` took {asked:.1f} s of processor time in the median{of}, for plane, torus and box; with what builds "
        f"and exports it, and asks about flips, an architecture took {one:.1f} s. All of them took {whole:.0f} minutes "
        f"of one core."
    )


def _answer(rows: Sequence[Row]) -> str:
    keeping = [row for row in rows if step_of(row)]
    features = [row for row in keeping if row["output"] == "features"]
    ((group, count),) = Counter(row["plane"] for row in keeping).most_common(1)
    asked = [row for row in rows if row["torus"]]
    on_torus = [row for row in asked if row["torus"] != "trivial"]
    turned = [row for row in rows if "⋊" in row["plane"] + row["torus"] or row["box"] not in ("", "trivial")]
    return "\n".join(
        [
            f"- **On the plane, where padding plays no part, {len(keeping)} of {len(rows)} keep shifts**, {count} of "
            f"them {group}. {len(features)} of the {len(keeping)} return features without places, which these shifts "
            f"leave as they are. For the other {len(rows) - len(keeping)} no shift is inferred.",
            f"- **On a torus, padded as published, {_keep(on_torus, 'a shift')}**, of {len(asked)} that were asked.",
            f"- **For all values of the weights, {_keep(turned, 'a rotation or a reflection')}.** {_flippable(rows)}",
        ]
    )


def _flipping(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[Row]]:
    """Those asked with symmetric kernels, those that keep flips at some size, and those published for such a size."""
    asked = [row for row in rows if row["flip_sizes"]]
    keeping = [row for row in asked if row["flip_sizes"] != NONE]
    return asked, keeping, [row for row in keeping if row["flip_sizes"] == row["sizes"]]


def _flippable(rows: Sequence[Row]) -> str:
    asked, keeping, there = _flipping(rows)
    return (
        f"With symmetric kernels {len(keeping)} of {len(asked)} keep the flips of an image at some size, "
        f"{len(there)} at the one that they were published for."
    )


def _keep(rows: Sequence[Row], what: str) -> str:
    """That these keep something.

    >>> _keep([], "a shift"), _keep([{"name": "timm:a"}], "a shift")
    ('none is known to keep a shift', '1 keeps a shift (`timm:a`)')
    """
    if not rows:
        return f"none is known to keep {what}"
    return f"{len(rows)} keep{'s' if len(rows) == 1 else ''} {what} ({_named(rows)})"


def _named(rows: Sequence[Row]) -> str:
    return ", ".join(f"`{row['name']}`" for row in rows)


def _groups(rows: Sequence[Row]) -> str:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["plane"], []).append(row)
    ordered = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    return table(
        ["on the plane", "architectures", "families", "such as"],
        [
            [group_text(group), str(len(members)), str(len(families(members))), _some(members)]
            for group, members in ordered
        ],
    )


def _some(rows: Sequence[Row]) -> str:
    """One architecture each of a few families."""
    firsts = {f"{library(row)}.{row['family']}": row for row in reversed(rows)}
    names = [f"`{row['name']}`" for row in list(reversed(firsts.values()))[:LISTED]]
    return ", ".join(names) + (", …" if len(firsts) > LISTED else "")


def _measured(rows: Sequence[Row]) -> str:
    keeping = [row for row in rows if step_of(row)]
    tried, wrong, error = _held(keeping, "holds", "error")
    if not tried:
        return "None of these groups has been measured yet."
    changes, loose = _changed(tried, "finer")
    other = [row for row in keeping if row["not_measured"]]
    return (
        f"{len(tried)} of these {len(keeping)} groups are measured so far. {len(tried) - len(wrong)} of {len(tried)} "
        f"hold, with errors of at most {error} of what the output "
        f"varies by{f', and these do not: {_named(wrong)}' if wrong else ''}. Of {len(changes)} that return features, "
        f"the next finer shifts were tried too: {len(changes) - len(loose)} of them are changed by each of these"
        f"{f', and these keep more than is inferred: {_named(loose)}' if loose else ''}. "
        f"{len(other)} could not be measured, for lack of room or time, or because some windows do not go around."
    )


def _held(rows: Sequence[Row], holds: str, error: str) -> tuple[list[Row], list[Row], str]:
    """Those that were measured, those of them that do not hold, and the largest error; given the columns' names."""
    tried = [row for row in rows if row[holds]]
    worst = max((float(row[error]) for row in tried), default=0.0)
    return tried, [row for row in tried if row[holds] != "yes"], scientific(worst)


def _changed(rows: Sequence[Row], change: str) -> tuple[list[Row], list[Row]]:
    """Those of which a control was measured, and those of them that it does not change; given the column's name."""
    changes = [row for row in rows if row[change]]
    return changes, [row for row in changes if float(row[change]) <= SEEN]


def misfits(rows: Sequence[Row]) -> list[Row]:
    """Architectures that keep a shift on the plane, and were published for a size that its step does not divide."""
    return [row for row in rows if any(n % s for n, s in zip(sizes_of(row), step_of(row), strict=False))]


def legal_sizes(row: Row) -> str:
    """The sizes nearest to the published ones that the steps divide: `288×288`; empty if no shift is kept."""
    return by_axis(nearest(n, s) for n, s in zip(sizes_of(row), step_of(row), strict=False))


def _sizes(rows: Sequence[Row]) -> str:
    keeping, odd = [row for row in rows if step_of(row)], misfits(rows)
    said = (
        f"{len(keeping) - len(odd)} of the {len(keeping)} that keep a shift on the plane were published for sizes that "
        f"its step divides."
    )
    if not odd:
        return said
    rest = f"The {len(odd)} others need another size as well:" if len(odd) > 1 else "The other needs another size too:"
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in odd:
        alike.setdefault((row["sizes"], group_text(row["plane"]), legal_sizes(row)), []).append(row)
    lines = [[*key, str(len(members)), _some(members)] for key, members in sorted(alike.items())]
    head = ["published for", "on the plane", "nearest legal size", "architectures", "such as"]
    return f"{said} {rest}\n\n{table(head, lines)}"


def _flips(rows: Sequence[Row]) -> str:
    """Of those that were asked with symmetric kernels."""
    asked, keeping, there = _flipping(rows)
    if not asked:
        return "None of these has been asked yet."
    turning = [row for row in keeping if row["turn_sizes"] != NONE]
    rules: dict[str, list[Row]] = {}
    for row in keeping:
        rules.setdefault(flip_rule(row), []).append(row)
    ordered = sorted(rules.items(), key=lambda each: (-len(each[1]), each[0]))
    head = ["a box keeps its flips at", "architectures", "published so", "turns too", "such as"]
    lines = [
        [
            rule,
            str(len(members)),
            str(len([row for row in members if row in there])),
            str(len([row for row in members if row in turning])),
            _some(members),
        ]
        for rule, members in ordered
    ]
    lost = [row for row in asked if row not in keeping]
    return (
        f"{len(keeping)} of {len(asked)} that were asked keep the flips along all axes at some size, {len(turning)} of "
        f"them quarter turns too. {len(there)} were published for such a size. For {len(lost)} no such size is known"
        f"{f' ({_some(lost)})' if lost else ''}. {_measured_flips(keeping)}\n\n{table(head, lines)}"
    )


def _measured_flips(rows: Sequence[Row]) -> str:
    tried, wrong, error = _held(rows, "flips_hold", "flip_error")
    if not tried:
        return "None of these is measured yet."
    changes, loose = _changed(tried, "flip_change")
    return (
        f"{len(tried)} of these are measured at that size: {len(tried) - len(wrong)} of {len(tried)} hold, with errors "
        f"of at most {error}{f', and these do not: {_named(wrong)}' if wrong else ''}. At the size that they were "
        f"published for, if it is another one, flips change {len(changes) - len(loose)} of {len(changes)} that return "
        f"features{f', but not {_named(loose)}' if loose else ''}."
    )


def flip_rule(row: Row) -> str:
    """The sizes at which flips are kept, as the nearest one and the steps give them.

    >>> flip_rule({"steps": "32×32", "flip_sizes": "225×225"})
    'n ≡ 1 (mod 32)'
    >>> flip_rule({"steps": "1×16×16", "flip_sizes": "16×113×113"})
    'every n × n ≡ 1 (mod 16) × n ≡ 1 (mod 16)'
    """
    each = [
        f"n ≡ {size % step} (mod {step})" if step > 1 else "every n"
        for size, step in zip(sizes_in(row["flip_sizes"]), step_of(row), strict=True)
    ]
    return each[0] if len(set(each)) == 1 else " × ".join(each)


def _borders(rows: Sequence[Row]) -> str:
    """How much of the last map paddings reach."""
    known = [row for row in rows if row["interior"]]
    if not known:
        return "None of these has been asked yet."
    local = [row for row in known if "all" not in row["receptive_field"]]
    free = [row for row in local if row["interior"] != NONE]
    wider = [row for row in local if _is_wider(row)]
    return (
        f"In {len(known) - len(local)} of {len(known)} architectures a node of the last map reads the whole image, "
        f"through attention or means over all nodes. Of the {len(local)} others, {len(wider)} read windows that are "
        f"wider than the image. {len(free)} have nodes in the last map that no padding reaches ({_some(free)})."
    )


def _is_wider(row: Row) -> bool:
    return any(n > size for n, size in zip(sizes_in(row["receptive_field"]), sizes_of(row), strict=True))


def _failures(rows: Sequence[Row]) -> str:
    failed = [row for row in rows if not row["plane"]]
    partly = [row for row in rows if row["plane"] and row["failure"]]
    if not failed and not partly:
        return "None that was tried."
    lines = [[f"`{row['name']}`", "plane, torus" if not row["plane"] else "torus", _plain(row["failure"])]
             for row in (*failed, *partly)]  # fmt: skip
    return table(["architecture", "not asked on", "why"], lines)


def _plain(text: str) -> str:
    """A message in a cell of a table."""
    return re.sub(r"[|<>*_`]", " ", text)[:160]


def _left(rows: Sequence[Row]) -> str:
    left = len(rows) - len(looked_at(rows))
    if not left:
        return "All architectures have been looked at."
    return f"{left:,} architectures have not been looked at yet."


HEAD = (
    ("Architecture", "name", "What equinet query --torch= takes, or of Keras --keras="),
    ("Plane", "plane", "The group where padding plays no part"),
    ("Input", "input", "Nodes per axis that it was published for"),
    ("Nearest legal size", "legal", "That the steps on the plane divide"),
    ("Flips at", "flips", "The nearest size at which a box keeps its flips, if kernels are symmetric"),
    ("Measured", "measured", "The largest error in float64, around a torus"),
    ("Torus as published", "torus", "The group on a torus of the published size, padded as published"),
    ("Parameters, millions", "parameters", "How many numbers are learned"),
    ("Family", "family", "The file in which the library defines it"),
    ("Last loss on the plane", "loss", "The layer that loses translations last, and why"),
)
"""Columns of the table on the page: title, key, and what a pointer over it shows."""


FRAME = """<link rel="stylesheet" href="_static/tabulator.min.css">
<link rel="stylesheet" href="_static/atlas.css">
<script src="_static/tabulator.min.js" defer></script>
<script src="_static/atlas.js" defer></script>
<div id="atlas">
<p><input id="atlas-search" type="search" placeholder="Search: resnet 64Z" aria-label="Search the architectures"></p>
<p id="atlas-count" aria-live="polite"></p>
<table id="atlas-table">
{table}
</table>
</div>
"""


def html_table(rows: Sequence[Row]) -> str:
    """The table that the page shows, in HTML; a script makes it one to search, filter and sort."""
    head = "".join(f'<th data-field="{key}" title="{escape(tip)}">{title}</th>' for title, key, tip in HEAD)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>" for row in looked_at(rows)
    )
    return FRAME.format(table=f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>")


def _cells(row: Row) -> list[str]:
    """The cells of a row, in the order of HEAD."""
    known = bool(row["plane"])
    measured = {"yes": f"holds, {row['error']}", "no": "DOES NOT HOLD"}.get(row["holds"], "–")
    return [
        row["name"],
        group_text(row["plane"]) if known else "–",
        row["sizes"] or "–",
        (legal_sizes(row) or "none") if known else "–",
        (row["flip_sizes"] or "–") if known else "–",
        measured,
        group_text(row["torus"]) if row["torus"] else "–",
        _millions(row),
        row["family"],
        row["plane_loss"] if known else _plain(row["failure"]),
    ]


def _millions(row: Row) -> str:
    return f"{int(row['parameters']) / 1e6:.1f}" if row["parameters"] else "–"
