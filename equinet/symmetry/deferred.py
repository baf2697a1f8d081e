"""What a value reads of an earlier one, while nobody has asked yet how that moves.

Window systems in a row are judged as one: upsampling followed by pooling may be the identity, and the mean of means is
a mean. So a layer only composes its lines with those before it. They are matched against the isometries of the base
(`Deferred.action`) when somebody asks, or when what comes next does not compose with them; the value is a new base
then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from equinet.groups.domain import Axis, Domain
from equinet.groups.relation import Relation
from equinet.symmetry.lines import (
    Line,
    collapse_line,
    compose_lines,
    identity_line,
    is_even,
    join_lines,
    pool_rows,
    rename_constants,
)
from equinet.symmetry.records import updated
from equinet.symmetry.window_rule import line_action

Pointwise = Literal["linear", "affine", "monotone", "any"]
Kind = Literal["copies", "sums", "maxima", "opaque"]
Reduction = Literal["copies", "sums", "maxima"]

COMPOSES: dict[Reduction, frozenset[Kind]] = {
    "copies": frozenset({"copies", "sums", "maxima", "opaque"}),
    "sums": frozenset({"copies", "sums"}),
    "maxima": frozenset({"copies", "maxima"}),
}
"""What each reduction may read without a new base: sums of sums are sums, maxima of maxima maxima."""

COMMUTES: frozenset[tuple[Kind, Pointwise]] = frozenset(
    {("sums", "linear"), ("sums", "affine"), ("maxima", "monotone")}
)
"""Values that are no copies, and functions of single nodes that leave them sums or maxima; others make them opaque."""


@dataclass(frozen=True)
class Deferred:
    """A value as windows on its base.

    Attributes:
        base: how the isometries of the network's input act on the base; parameters are `(phase, axis)`, of phases that
            layers chose.
        base_grid, grid: the nodes of the base and of the value, wrapped around.
        lines: per axis, what the value reads of the base.
        unmixed: whether taps are channels of their own (space to depth), not yet mixed with each other.
        closed: whether a function was applied since with which reductions do not compose.
        balanced: whether the value is affine in the base, whose mean over all nodes is the same for all inputs.
        regathered: the same value as a mere gather of a later base, for reductions that do not compose with `lines`.
    """

    base: Relation
    base_grid: Domain
    grid: Domain
    lines: tuple[Line, ...]
    unmixed: bool = False
    closed: bool = False
    balanced: bool = False
    regathered: Deferred | None = None

    @staticmethod
    def at(base: Relation, grid: Domain) -> Deferred:
        """A value that is its own base."""
        wrapped = grid.wrapped
        return Deferred(base, wrapped, wrapped, tuple(map(identity_line, wrapped.axes)))

    @cached_property
    def is_base(self) -> bool:
        """Whether the value is the base itself, up to functions of single nodes."""
        return self.grid == self.base_grid and all(
            line.same_as(identity_line(axis)) for line, axis in zip(self.lines, self.grid.axes, strict=True)
        )

    @cached_property
    def kind(self) -> Kind:
        """A channel of a node is a copy of a node of the base, a sum or maximum of some, or a function of them."""
        return _kind(self.lines, self.unmixed, self.closed)

    @cached_property
    def action(self) -> Relation:
        """How isometries of the input act on the value; parameters are the phases. Here windows are matched."""
        return self.base if self.is_base else self.base.then(line_action(self.lines, self.base_grid, self.grid))

    def as_base(self) -> Deferred:
        """The same value as its own base."""
        return updated(self, closed=False) if self.is_base else Deferred.at(self.action, self.grid)

    def over(self, base: Relation) -> Deferred:
        """The same windows on the same base, of which less, or the same in other terms, is known."""
        return updated(self, base=base, regathered=None)

    def rename_constants(self) -> Deferred:
        """The same value with its constants renamed, so that a zero filled in later is not taken for one of them."""
        return updated(
            self,
            lines=tuple(map(rename_constants, self.lines)),
            regathered=None if self.regathered is None else self.regathered.rename_constants(),
        )

    def pointwise(self, function: Pointwise, mixes: bool) -> Deferred:
        """One function of every node.

        Args:
            mixes: whether it mixes channels.
        """
        is_renamed = function != "linear" and any(line.has_constants for line in self.lines)
        lines = tuple(map(rename_constants, self.lines)) if is_renamed else self.lines
        unmixed = self.unmixed and not mixes
        kind = _kind(lines, unmixed, self.closed)
        changes = {
            "lines": lines,
            "unmixed": unmixed,
            "closed": kind != "copies" and (kind, function) not in COMMUTES,
            "balanced": self.balanced and function in ("linear", "affine"),
            "regathered": None if self.regathered is None else self.regathered.pointwise(function, mixes),
        }
        # Most change nothing, and then what is known of the value (its action) stays known.
        changes = {name: value for name, value in changes.items() if getattr(self, name) is not value}
        return updated(self, **changes) if changes else self

    def read(self, outer: tuple[Line, ...], grid: Domain, *, labelled: bool = False) -> Deferred:
        """Windows on the value. If y[i] reads x[j], and x[j] reads nodes p of the base, then y[i] reads these p: where
        both add up, both take maxima, or one of them copies. Else the value is a base of its own.

        Args:
            outer: per axis, what they read of it.
            grid: of the result, wrapped around.
            labelled: whether their taps become channels of their own.
        """
        has_one_node = bool(self.grid.axes) and set(self.grid.sizes) == {1}
        if has_one_node and not self.is_base:
            # Nothing moves it, whatever it was made of.
            return self.as_base().read(outer, grid, labelled=labelled)
        gathers = all(line.is_gather for line in outer)
        maxima = any(line.maximum for line in outer)
        inner = self._open_to("copies" if gathers else "maxima" if maxima else "sums")
        lines = _compose_all(outer, inner.lines)
        if lines is None:
            inner, lines = inner.as_base(), outer
        return updated(
            inner,
            lines=lines,
            grid=grid,
            unmixed=inner.kind == "copies" if labelled else inner.unmixed,
            # A copy of a sum is one, but also a copy of a value with a base of its own, of which maxima can be taken.
            regathered=(self.regathered or self.as_base()).read(outer, grid)
            if gathers and self.kind != "copies"
            else None,
        )

    def _open_to(self, reduction: Reduction) -> Deferred:
        """The value in a form that a reduction composes with."""
        forms = (form for form in (self, self.regathered) if form is not None and form.kind in COMPOSES[reduction])
        return next(forms, None) or self.as_base()

    def read_taps(self, outer: tuple[Line, ...]) -> tuple[Deferred, tuple[Line, ...]]:
        """A base, and what windows on the value read of it, tap by tap: nothing is added up before a tap is weighed."""
        adds_up = any(line.maximum or line.taps > 1 for line in self.lines)
        inner = self.as_base() if self.closed or adds_up else self
        lines = _compose_all(outer, inner.lines)
        return (inner.as_base(), outer) if lines is None else (inner, lines)

    def collapse(self, *, maximum: bool) -> Deferred | None:
        """The mean or the maximum over all nodes, as one node; None if it is a constant."""
        lines = None
        if self.kind in COMPOSES["maxima" if maximum else "sums"]:
            lines = _every(collapse_line(line, maximum) for line in self.lines)
        if lines is not None and not maximum and self.balanced and all(map(is_even, lines, self.base_grid.axes)):
            return None
        point = Domain(tuple(Axis(1, "periodic") for _ in self.grid.axes))
        return updated(self, lines=lines or tuple(pool_rows(line, maximum) for line in self.lines), grid=point)

    def join(self, other: Deferred) -> Deferred | None:
        """What a sum or a concatenation reads, if both values are affine in bases that move alike; else None."""
        affine = not any(v.closed or any(line.maximum for line in v.lines) for v in (self, other))
        if not affine or (self.base, self.base_grid) != (other.base, other.base_grid):
            return None
        lines = _every(join_lines(a, b) for a, b in zip(self.lines, other.lines, strict=True))
        if not lines:
            return None
        return updated(self, lines=lines, unmixed=False, balanced=self.balanced and other.balanced, regathered=None)


def _kind(lines: Iterable[Line], unmixed: bool, closed: bool) -> Kind:
    if all(line.copies and (unmixed or line.is_gather) for line in lines):
        return "copies"
    if closed:
        return "opaque"
    return "maxima" if any(line.maximum for line in lines) else "sums"


def _compose_all(outer: Iterable[Line], inner: Iterable[Line]) -> tuple[Line, ...] | None:
    """What is read of a base along each axis through another value; None where that grows too large."""
    return _every(compose_lines(o, i) for o, i in zip(outer, inner, strict=True))


def _every(lines: Iterable[Line | None]) -> tuple[Line, ...] | None:
    """All lines, or None where one is missing."""
    given = tuple(lines)
    kept = tuple(line for line in given if line is not None)
    return kept if len(kept) == len(given) else None
