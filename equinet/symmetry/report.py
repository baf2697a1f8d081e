"""Certificates as text, HTML and plain records: the answer first, then what lost something, then every row."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from equinet import markup
from equinet.groups import RealGroup, SpaceGroup
from equinet.groups.domain import Domain
from equinet.groups.fibre import Fibre
from equinet.groups.isometry import in_plain_types
from equinet.groups.symbols.words import in_words
from equinet.symmetry.spans import Exact

if TYPE_CHECKING:
    from equinet.symmetry.certificate import Certificate, LedgerRow

VERSION = 1
"""Of what `as_dict` gives: it grows when an entry changes its meaning or goes, not when one is added."""

WIDTH = 80
"""Columns of a terminal that text fits into; a name, a reason or a group that is longer alone is never cut."""


def answer(cert: Certificate, more: str = "table()") -> str:
    """The groups first, then what lost something and why: neighbours that lose the same for the same reason together.

    Fits `WIDTH` columns. `more` is how the reader asks for all rows.
    """
    lines = [*_groups(cert), *_ends(cert)]
    lost = [row for row in cert.ledger if row.lost]
    lines += [""] if lost else []
    for rows in _alike(lost):
        lines += [*_place(rows), *_wrapped(why(rows[0]), _label(rows[0], "  "))]
    rest = len(cert.ledger) - len(lost)
    if lost and rest:
        lines += ["", f"{rest} of {len(cert.ledger)} rows lose nothing; {more} lists all"]
    elif rest:
        lines += ["", f"no row loses anything; {more} lists all {rest}"]
    return "\n".join(lines)


def table(cert: Certificate) -> str:
    """Every row of the ledger; below it what it lost and why, and the group that is left where that changes.

    Fits `WIDTH` columns, where names, layers and groups are not longer by themselves.
    """
    header = ("layer", "grid", "channels", "stride", "sees")
    cells = [
        (f"{row.index}  {row.layer}", grid(row.grid), str(row.channels.size), _stride(row), _sees(row))
        for row in cert.ledger
    ]
    widths = [max(map(len, column)) for column in zip(header[1:], *(row[1:] for row in cells), strict=True)]
    room = max(WIDTH - sum(widths) - 2 * len(widths), 20)
    widths = [min(max(len(first) for first, *_ in [header, *cells]), room), *widths]
    lines, before = [_aligned(header, widths)], ""
    for row, line in zip(cert.ledger, cells, strict=True):
        lines.append(_aligned((_cut(line[0], row.index, widths[0]), *line[1:]), widths))
        lines += _wrapped(why(row), _label(row, "    ")) if row.lost else []
        lines += _wrapped(_after(row), "    left: ") if _after(row) != before else []
        before = _after(row)
    return "\n".join(lines)


def _groups(cert: Certificate) -> Iterator[str]:
    yield f"strict      {cert.strict}"
    if cert.orbit != cert.strict:
        yield f"orbit       {cert.orbit}"
    yield f"invariance  {cert.invariance}"


def _ends(cert: Certificate) -> Iterator[str]:
    yield f"input       {cert.domain}, {_channels(cert.field.input_fibre)}"
    yield f"output      {output(cert)}"


def _place(rows: Sequence[LedgerRow]) -> list[str]:
    """Where it was lost: one layer with its arguments, several by name."""
    return _wrapped(", ".join(row.index for row in rows) if len(rows) > 1 else f"{rows[0].index}  {rows[0].layer}")


def _cut(text: str, name: str, room: int) -> str:
    """A name and what follows it; only the latter is cut."""
    return text if len(text) <= room else f"{text[: max(room - 1, len(name))]}…"


def _wrapped(text: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * (len(first) or 4), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([first, *(cell.strip().rjust(width) for cell, width in zip(rest, widths[1:], strict=True))])


def grid(domain: Domain) -> str:
    """The sizes of a grid."""
    return "×".join("∞" if n is None else str(n) for n in domain.sizes) or "–"


def _sees(row: LedgerRow) -> str:
    """The receptive field."""
    return "×".join("all" if span.extent is None else str(span.extent) for span in row.spans)


def _fraction(value: Exact) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):g}"


def _stride(row: LedgerRow) -> str:
    return "×".join(_fraction(span.stride) for span in row.spans) if row.grid.dim else "–"


def _after(row: LedgerRow) -> str:
    return f"{row.strict}{'' if row.orbit == row.strict else f' (orbit: {row.orbit})'}"


def why(row: LedgerRow) -> str:
    """What a row lost, and why; empty if nothing."""
    return f"{row.lost}: {row.reason}" if row.lost and row.reason else row.lost


def _channels(fibre: Fibre) -> str:
    return f"{fibre.size} channel{'s' if fibre.size > 1 else ''}" + ("" if fibre.is_plain else f": {fibre}")


def sentence(cert: Certificate) -> str:
    """The answer in words."""
    strict, invariance = in_words(cert.strict), in_words(cert.invariance)
    if strict == invariance:
        return f"invariant under {strict}"
    return f"equivariant under {strict}; invariant under {invariance}"


def output(cert: Certificate) -> str:
    """The grid and the channels of the output."""
    return f"{cert.output if cert.output.dim else 'no spatial axes'}, {_channels(cert.field.fibre)}"


def losses(cert: Certificate) -> list[tuple[str, str, str]]:
    """Where something was lost or won back, what, and why: neighbours that lose the same for the same reason together.

    What was lost begins with "loses", what was won back with "regains".
    """
    rows = _alike([row for row in cert.ledger if row.lost])
    return [(", ".join(row.index for row in each), _what(each[0]), each[0].reason) for each in rows]


def _what(row: LedgerRow) -> str:
    return row.lost if _regains(row) else f"loses {row.lost}"


def _label(row: LedgerRow, indent: str) -> str:
    return indent if _regains(row) else f"{indent}lost: "


def _regains(row: LedgerRow) -> bool:
    """Whether nothing was lost, but something won back."""
    return row.lost.startswith("regains")


def html(cert: Certificate) -> str:
    """The certificate as HTML: the groups in words and as symbols, what lost something, and all rows folded away."""
    lost = losses(cert)
    return markup.block(
        markup.table((), [(kind, in_words(group), str(group)) for kind, group in named(cert)]),
        *(markup.quiet(" ".join(end.split())) for end in _ends(cert)),
        *(markup.loss(names, what, reason) for names, what, reason in lost),
        "" if lost else markup.line("No row loses anything."),
        markup.folded(f"all {len(cert.ledger)} rows", _html_table(cert.ledger)),
    )


def _alike(lost: Sequence[LedgerRow]) -> list[list[LedgerRow]]:
    """Neighbours that lose the same for the same reason."""
    return [list(rows) for _, rows in groupby(lost, key=lambda row: (row.lost, row.reason))]


def named(cert: Certificate) -> Iterator[tuple[str, SpaceGroup]]:
    """The groups that a certificate states, each after what it is; the orbit group only where it is another."""
    yield "equivariant under", cert.strict
    if cert.orbit != cert.strict:
        yield "up to a shift that depends on the input", cert.orbit
    yield "invariant under", cert.invariance


def _html_table(ledger: Sequence[LedgerRow]) -> str:
    head = ("layer", "", "grid", "channels", "stride", "sees", "equivariant under", "lost here, and why")
    rows = [
        (
            *(row.index, row.layer, grid(row.grid), str(row.channels.size), _stride(row), _sees(row), _after(row)),
            why(row),
        )
        for row in ledger
    ]
    return markup.table(head, rows, (bool(row.lost) for row in ledger))


def records(cert: Certificate) -> list[dict[str, Any]]:
    """The ledger as a dict per row."""
    return [
        {
            "layer": row.index,
            "description": row.layer,
            "grid": list(row.grid.sizes),
            "channels": _described(row.channels),
            "stride": [str(span.stride) for span in row.spans] if row.grid.dim else [],
            "receptive_field": [span.extent for span in row.spans],
            "strict": str(row.strict),
            "orbit": str(row.orbit),
            "invariance": str(row.invariance),
            "lost": row.lost,
            "reason": row.reason,
        }
        for row in cert.ledger
    ]


def as_dict(cert: Certificate) -> dict[str, Any]:
    """The whole certificate in plain types."""
    return {
        "version": VERSION,
        "domain": str(cert.domain),
        "channels": _described(cert.field.input_fibre),
        "output": {"grid": list(cert.output.sizes), "channels": _described(cert.field.fibre)},
        "strict": _describe(cert.strict),
        "orbit": _describe(cert.orbit),
        "invariance": _describe(cert.invariance),
        "action": [
            {"element": str(g), "output": str(cert.action(g)) if cert.output.dim else "identity"}
            for g in cert.strict.generators
        ],
        "stride": [str(s) for s in cert.stride],
        "centre": [str(c) for c in cert.centre],
        "receptive_field": list(cert.receptive_field),
        "valid_interior": [list(v) if v else None for v in cert.valid_interior],
        "ledger": records(cert),
    }


def _described(fibre: Fibre) -> int | str:
    return fibre.size if fibre.is_plain else str(fibre)


def _describe(group: SpaceGroup | RealGroup) -> dict[str, Any]:
    is_real = isinstance(group, RealGroup)
    basis = group.basis if is_real else group.lattice.basis
    return {
        "name": str(group),
        "words": in_words(group),
        "order": group.order,
        "index": None if is_real else group.index,
        "translations": [in_plain_types(row) for row in basis],
        **({"real_axes": list(group.real)} if is_real else {}),
        "generators": [{"matrix": g.matrix, "shift": in_plain_types(g.shift)} for g in group.generators],
    }
