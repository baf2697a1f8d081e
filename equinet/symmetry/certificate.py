"""Certificates: the exact symmetry of a function on a domain, and the ledger of where it was lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import Any

from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain
from equinet.groups.fibre import Fibre
from equinet.groups.symbols.point import point_group_symbol
from equinet.symmetry.field import Field
from equinet.symmetry.spans import Span
from equinet.symmetry.trace import Row


@dataclass(frozen=True)
class LedgerRow:
    """The row of one layer in a certificate.

    Attributes:
        path: names of the layer and of the layers that contain it, outermost first.
        layer: the layer, as text.
        grid, channels: of its output.
        spans: stride, centre and receptive field, per axis of the input.
        strict, orbit, invariance: the groups of the network up to and including this layer.
        lost: what this layer lost or won back, as text; empty if nothing.
        reason: why.
    """

    path: tuple[str, ...]
    layer: str
    grid: Domain
    channels: int
    spans: tuple[Span, ...]
    strict: SpaceGroup
    orbit: SpaceGroup
    invariance: SpaceGroup
    lost: str
    reason: str

    @property
    def index(self) -> str:
        """The path as one word, such as `3.body.0`."""
        return ".".join(self.path)


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """What `certify` proves about a network: lower bounds that hold for all weights and inputs.

    With adaptive polyphase layers they hold for all inputs for which an equivariant choice exists. None exists if an
    isometry exchanges the leading phases of a map and leaves the map unchanged (a constant map, say).

    Attributes:
        domain, channels: of the input.
        field: the symmetry of the output.
        stages: for a network of layers, a function of `net.bind(variables)` that cuts the network wherever `strict`
            changes, into pairs of a part and the certificate up to that part. None if no parts are known.
    """

    domain: Domain
    channels: int
    field: Field
    stages: Callable[[Any], Sequence[Any]] | None = None

    @property
    def output(self) -> Domain:
        """The output's grid; of dimension 0 after global pooling or flattening."""
        return self.field.grid

    @property
    def fibre(self) -> int:
        """The channels of the output; a `Fibre` if point operations (of the input) act on them."""
        return self.field.fibre

    @cached_property
    def strict(self) -> SpaceGroup:
        """H: all g with `f(g·x) = φ(g)·f(x)`, φ known in advance; `action` moves the nodes, and `fibre` channels."""
        return self.field.strict.source

    @cached_property
    def orbit(self) -> SpaceGroup:
        """All g for which `f(g·x)` is some shift of `φ(g)·f(x)`, a shift that may depend on x. Contains `strict`."""
        return self.field.orbit

    @cached_property
    def invariance(self) -> SpaceGroup:
        """ker φ: all g with `f(g·x) = f(x)`."""
        return self.field.invariance

    @property
    def adaptive(self) -> bool:
        """Whether a layer chooses from the data which nodes to keep; inputs without such a choice are excepted."""
        return any(row.after.variables or row.after.scope.phases for row in self.field.trace.rows)

    def action(self, g: Isometry) -> Isometry:
        """φ(g), an isometry of `output`.

        Raises:
            ValueError: if g is not in `strict`.
        """
        return self.field.strict(g)

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """Per input axis, how many input nodes one output node steps over."""
        return tuple(span.stride for span in self.field.trace.spans)

    @property
    def centre(self) -> tuple[Fraction, ...]:
        """Per input axis, the input position that output node 0 is centred on."""
        return tuple(span.centre for span in self.field.trace.spans)

    @property
    def receptive_field(self) -> tuple[int | None, ...]:
        """Per input axis, how many input nodes an output node depends on at most; None: all of them."""
        return tuple(span.extent for span in self.field.trace.spans)

    @property
    def valid_interior(self) -> tuple[tuple[int, int] | None, ...]:
        """Per axis, the first and last output whose receptive field stays inside the input, or None if none does.

        On these outputs the group of the infinite plane holds, whatever the padding. Also None along axes without a
        size, and if an output depends on every input.
        """
        if not self.output.dim:
            return (None,) * self.domain.dim
        return tuple(
            _interior(span, n, m)
            for span, n, m in zip(self.field.trace.spans, self.domain.sizes, self.output.sizes, strict=True)
        )

    @cached_property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """A row per layer: the groups of the network up to it, and what it lost and why."""
        return tuple(_ledger_row(row) for row in self.field.trace.rows)

    def to_json(self) -> str:
        """The certificate as JSON: groups as text and generators, and the ledger."""
        return json.dumps(_as_dict(self), indent=2, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"Certificate({self.domain}: strict {self.strict}, invariance {self.invariance})"

    def table(self) -> str:
        """The ledger as text, one row per layer. (Printing a certificate shows only the rows that lose something.)"""
        return _as_table(self)

    def __str__(self) -> str:
        return _answer(self)


def _interior(span: Span, size: int | None, outputs: int | None) -> tuple[int, int] | None:
    if size is None or outputs is None or span.everything:
        return None
    first = max(ceil(-span.lo / span.stride), 0)
    last = min(floor((size - 1 - span.hi) / span.stride), outputs - 1)
    return (first, last) if first <= last else None


def _ledger_row(row: Row) -> LedgerRow:
    before, after = row.before.strict.source, row.after.strict.source
    orbit_before, orbit = row.before.orbit, row.after.orbit
    changes = _changes(before, after)
    if orbit != after and orbit != orbit_before:
        changes += [f"orbit {change}" for change in _changes(orbit_before, orbit)]
    lost = "; ".join(changes)
    which = {
        "translations": not before.lattice <= after.lattice,
        "operations": not set(before.point_group) <= set(after.point_group),
    }
    nothing_lost = before <= after and orbit_before <= orbit
    return LedgerRow(
        row.path,
        str(row.layer),
        row.after.grid,
        row.after.fibre,
        row.after.trace.spans,
        after,
        orbit,
        row.after.invariance,
        lost,
        "" if nothing_lost else row.reason(row.before, frozenset(name for name, gone in which.items() if gone)),
    )


def _changes(before: SpaceGroup, after: SpaceGroup) -> list[str]:
    if before == after:
        return []
    changes = []
    if before.lattice != after.lattice:
        gained = before.lattice <= after.lattice
        old, new = (_translations(group) for group in (before, after))
        changes.append(f"{'regains' if gained else 'translations'} {new if gained else f'{old} → {new}'}")
    if before.point_group != after.point_group:
        old, new = point_group_symbol(before.point_group), point_group_symbol(after.point_group)
        gained = set(before.point_group) <= set(after.point_group)
        changes.append(f"regains {new}" if gained else f"point group {old} → {new}")
    return changes or ["other centres of its point operations"]


def _translations(group: SpaceGroup) -> str:
    return "none" if group.lattice == group.periods else str(group.lattice)


def _grid(domain: Domain) -> str:
    return "×".join("∞" if n is None else str(n) for n in domain.sizes) or "–"


def _fraction(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):g}"


def _answer(cert: Certificate) -> str:
    """The groups first, then what lost something."""
    orbit = [] if cert.orbit == cert.strict else [f"orbit       {cert.orbit}"]
    lines = [
        f"strict      {cert.strict}",
        *orbit,
        f"invariance  {cert.invariance}",
        f"input       {cert.domain}, {_channels(cert.channels)}",
        f"output      {cert.output if cert.output.dim else 'no spatial axes'}, {_channels(cert.fibre)}",
    ]
    lost = [row for row in cert.ledger if row.lost]
    if lost:
        cells = [(row.index, row.layer, _after(row), _why(row)) for row in lost]
        lines += ["", *_aligned([("lost at", "", "strict group", "what, and why"), *cells], (24, 52, 60))]
    rest = len(cert.ledger) - len(lost)
    if lost and rest:
        lines += ["", f"{rest} of {len(cert.ledger)} rows lose nothing; table() lists all"]
    elif rest:
        lines += ["", f"no row loses anything; table() lists all {rest}"]
    return "\n".join(lines)


def _as_table(cert: Certificate) -> str:
    """Every row of the ledger."""
    header = ("layer", "", "grid", "channels", "stride", "sees", "strict group", "lost here, and why")
    rows: list[tuple[str, ...]] = [header]
    for row in cert.ledger:
        stride = "×".join(_fraction(s.stride) for s in row.spans) if row.grid.dim else "–"
        sees = "×".join("all" if s.extent is None else str(s.extent) for s in row.spans)
        grid, channels = _grid(row.grid), str(int(row.channels))
        rows.append((row.index, row.layer, grid, channels, stride, sees, _after(row), _why(row)))
    return "\n".join(_aligned(rows, (24, 52, 12, 8, 9, 9, 60)))


def _after(row: LedgerRow) -> str:
    return f"{row.strict}{'' if row.orbit == row.strict else f' (orbit: {row.orbit})'}"


def _why(row: LedgerRow) -> str:
    return f"{row.lost}: {row.reason}" if row.lost and row.reason else row.lost


def _aligned(rows: Sequence[tuple[str, ...]], limits: tuple[int, ...]) -> list[str]:
    """Rows with their cells below each other; those longer than their column's limit are cut. The last has none."""
    cut = [
        [cell if len(cell) <= most else cell[: most - 1] + "…" for cell, most in zip(row[:-1], limits, strict=True)]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), row[-1]]).rstrip()
        for cells, row in zip(cut, rows, strict=True)
    ]


def _channels(count: int) -> str:
    size = int(count)
    return f"{size} channel{'s' if size > 1 else ''}" + (f": {count}" if isinstance(count, Fibre) else "")


def _described(channels: int) -> int | str:
    return str(channels) if isinstance(channels, Fibre) else channels


def _describe(group: SpaceGroup) -> dict[str, Any]:
    return {
        "name": str(group),
        "order": group.order,
        "index": group.index,
        "translations": [list(row) for row in group.lattice.basis],
        "generators": [{"matrix": g.matrix, "shift": g.shift} for g in group.generators],
    }


def _as_dict(cert: Certificate) -> dict[str, Any]:
    return {
        "domain": str(cert.domain),
        "channels": _described(cert.channels),
        "output": {"grid": list(cert.output.sizes), "channels": _described(cert.fibre)},
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
        "ledger": [
            {
                "layer": row.index,
                "description": row.layer,
                "grid": list(row.grid.sizes),
                "channels": _described(row.channels),
                "strict": str(row.strict),
                "orbit": str(row.orbit),
                "invariance": str(row.invariance),
                "lost": row.lost,
                "reason": row.reason,
            }
            for row in cert.ledger
        ],
    }
