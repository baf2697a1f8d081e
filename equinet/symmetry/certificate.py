"""Certificates: the exact symmetry of a function on a domain, and the ledger of where it was lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from math import ceil, floor
from pathlib import Path
from typing import Any

from equinet.checks import as_target
from equinet.groups import Isometry, RealGroup, SpaceGroup
from equinet.groups.domain import Domain
from equinet.groups.fibre import Fibre
from equinet.groups.symbols.point import point_group_symbol
from equinet.symmetry import report
from equinet.symmetry.borders import border_share
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
    channels: Fibre
    spans: tuple[Span, ...]
    strict: SpaceGroup | RealGroup
    orbit: SpaceGroup | RealGroup
    invariance: SpaceGroup | RealGroup
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
        domain: of the input.
        field: the symmetry of the output.
        stages: for a network of layers, a function of `net.bind(variables)` that cuts the network wherever `strict`
            changes, into pairs of a part and the certificate up to that part. None if no parts are known.
    """

    domain: Domain
    field: Field
    stages: Callable[[Any], Sequence[Any]] | None = None

    @property
    def output(self) -> Domain:
        """The output's grid; of dimension 0 after global pooling or flattening."""
        return self.field.grid

    @property
    def channels(self) -> int | Fibre:
        """The channels of the input; a `Fibre` if point operations act on them."""
        return self.field.input_fibre.short

    @property
    def fibre(self) -> int | Fibre:
        """The channels of the output; a `Fibre` if point operations (of the input) act on them."""
        return self.field.fibre.short

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
        """φ(g), an isometry of `output`; channels on a fibre move by g's own operation, `fibre(g.matrix)`.

        On few nodes several isometries do the same: φ(g) is one of them, and its operation need not be that of g.

        Raises:
            ValueError: if g is not in `strict`.
        """
        return self.field.strict(g)

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """Per input axis, how many input nodes one output node steps over."""
        return tuple(Fraction(span.stride) for span in self.field.trace.spans)

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

        Inside every map on the way, too: where a `Crop` has cut is a border to the layers behind it. On these outputs
        the group of the infinite plane holds, whatever the padding. Also None along axes without a size, and if an
        output depends on every input.
        """
        if not self.output.dim:
            return (None,) * self.domain.dim
        return tuple(_interior(span) for span in self.field.trace.spans)

    def border_share(self, shift: Sequence[int], unbounded: Certificate) -> Fraction:
        """The largest share of outputs in which a border can make a difference, once what is seen is shifted.

        Of two crops of one larger image, the second shows everything moved by t. If t is in the strict group of the
        infinite plane, the output at node i of the first is that at node i + φ(t) of the second, wherever both nodes
        are in the `valid_interior`, for all images and all weights. The share is that of all others, among nodes i for
        which both exist. Ends along an axis without a shift make no difference, if the strict group on a domain that
        has them holds t. See "What a border can touch" in `docs/theory.md`.

        Args:
            shift: t, in pixels.
            unbounded: the certificate of the same network on `plane(d)`; or on a domain that is infinite along some
                axes, such as those of the shift, and as here along the others.

        Raises:
            ValueError: if t is not in the strict group of `unbounded`, no two nodes of the outputs show the same, or
                paddings are placed otherwise there (the stride does not divide the size).

        >>> import equinet as eq
        >>> net = eq.Sequential(eq.Conv(4, 3), eq.Relu(), eq.MaxPool(2), eq.Conv(4, 3))
        >>> on = {d: eq.certify(net, d, channels=1) for d in (eq.box(32, 32), eq.plane(2))}
        >>> print(on[eq.box(32, 32)].border_share((2, 0), on[eq.plane(2)]))
        9/20
        """
        return border_share(self, shift, unbounded)

    @property
    def sheltered(self) -> tuple[tuple[int, int] | None, ...]:
        """Per axis, the first and last input that no output reads in which a border has a part, or None if none.

        Let a global average or maximum follow. An object on a constant background that lies within these inputs, before
        and after a shift in the strict group of the infinite plane, then gives the same result: see "On a finite
        image" in `docs/theory.md`. So an object needs that distance from the ends, and no more. Also None if that is
        not known, as with circular or reflected padding, which show other parts of the image beyond its ends.
        """
        if not self.output.dim:
            return (None,) * self.domain.dim
        found = [span.sheltered for span in self.field.trace.spans]
        if any(each is None for each in found):
            return (None,) * len(found)
        return tuple((ceil(each[0]), floor(each[1])) for each in found if each is not None)

    @cached_property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """A row per layer: the groups of the network up to it, and what it lost and why."""
        return tuple(_ledger_row(row) for row in self.field.trace.rows)

    def to_json(self) -> str:
        """The certificate as JSON: groups as text and generators, and the ledger."""
        return json.dumps(report.as_dict(self), indent=2, ensure_ascii=False)

    def to_frame(self) -> Any:
        """The ledger as a pandas data frame, a row per layer.

        Raises:
            ModuleNotFoundError: without pandas; `to_json` has the same rows.
        """
        return import_module("pandas").DataFrame(report.records(self))

    def to_html(self, path: str | Path | None = None) -> str:
        """The certificate as a piece of HTML without scripts, as notebooks show it; also written to `path`."""
        target = None if path is None else as_target(path, "to_html")
        text = report.html(self)
        if target is not None:
            target.write_text(text, encoding="utf-8")
        return text

    def _repr_html_(self) -> str:
        return report.html(self)

    def __repr__(self) -> str:
        return f"Certificate({self.domain}: strict {self.strict}, invariance {self.invariance})"

    def table(self) -> str:
        """The ledger as text, one row per layer. (Printing a certificate shows only the rows that lose something.)"""
        return report.table(self)

    def __str__(self) -> str:
        return report.answer(self)


def _interior(span: Span) -> tuple[int, int] | None:
    if span.inner is None or span.everything or span.inner[0] > span.inner[1]:
        return None
    return span.inner


def _ledger_row(row: Row) -> LedgerRow:
    before, after = row.before.strict.source, row.after.strict.source
    return ledger_row(row, (before, row.before.orbit), (after, row.after.orbit, row.after.invariance))


def ledger_row(
    row: Row,
    before: tuple[SpaceGroup | RealGroup, SpaceGroup | RealGroup],
    after: tuple[SpaceGroup | RealGroup, SpaceGroup | RealGroup, SpaceGroup | RealGroup],
    why: str = "",
) -> LedgerRow:
    """The row of a certificate.

    Args:
        before: the groups strict and orbit before the layer.
        after: the groups strict, orbit and invariance after it.
        why: another reason than the layer's own.
    """
    changes = _changes(before[0], after[0])
    if after[1] != after[0] and after[1] != before[1]:
        changes += [f"orbit {change}" for change in _changes(before[1], after[1])]
    which = {
        "translations": not _are_kept(before[0], after[0]),
        "operations": not set(before[0].point_group) <= set(after[0].point_group),
    }
    nothing_lost = before[0] <= after[0] and before[1] <= after[1]
    own = "" if nothing_lost else row.reason(row.before, frozenset(name for name, gone in which.items() if gone))
    return LedgerRow(
        row.path,
        str(row.layer),
        row.after.grid,
        row.after.fibre,
        row.after.trace.spans,
        *after,
        "; ".join(changes),
        "; ".join(filter(None, (why, own))),
    )


def _are_kept(before: SpaceGroup | RealGroup, after: SpaceGroup | RealGroup) -> bool:
    """Whether all translations of one group are in another."""
    if isinstance(before, RealGroup) or isinstance(after, RealGroup):
        return RealGroup.of(before).translations <= RealGroup.of(after).translations
    return before.lattice <= after.lattice


def _changes(before: SpaceGroup | RealGroup, after: SpaceGroup | RealGroup) -> list[str]:
    if before == after:
        return []
    changes = []
    gained = _are_kept(before, after)
    if not gained or not _are_kept(after, before):
        old, new = map(_translations, (before, after))
        changes.append(f"{'regains' if gained else 'translations'} {new if gained else f'{old} → {new}'}")
    if before.point_group != after.point_group:
        old, new = point_group_symbol(before.point_group), point_group_symbol(after.point_group)
        gained = set(before.point_group) <= set(after.point_group)
        changes.append(f"regains {new}" if gained else f"point group {old} → {new}")
    return changes or ["other centres of its point operations"]


def _translations(group: SpaceGroup | RealGroup) -> str:
    real = isinstance(group, RealGroup) and bool(group.real)
    fine = group.fine if isinstance(group, RealGroup) else group
    return "none" if fine.lattice == fine.periods and not real else group.translations_text
