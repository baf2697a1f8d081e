"""What flows through a network in place of an array: the symmetry of a value, exactly.

A `Field` knows the grid and the channels of a value, and how isometries of the network's input move it. It is held in
two steps, so that consecutive window systems compose before they are judged (up-then-pool, pool-then-global-pool):
`base`, the action on an earlier value, and `lines`, what the present value reads of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cached_property
from math import floor, prod
from typing import Any, Literal

from equinet.groups import Isometry, Matrix, SpaceGroup
from equinet.groups.domain import Axis, Domain
from equinet.groups.fibre import Fibre, agree
from equinet.groups.relation import Relation
from equinet.symmetry.lines import (
    Line,
    age_constants,
    collapse_line,
    compose_lines,
    identity_line,
    is_even,
    join_lines,
    pool_rows,
    reading_line,
)
from equinet.symmetry.polyphase import Phase, polyphase_action, strict_action
from equinet.symmetry.ties import Trial
from equinet.symmetry.window_rule import fixes_nodes, line_action, same_moves, tap_action, unwrapping, wrapping
from equinet.symmetry.windows import Reading

Reduce = Literal["taps", "sum", "max"]
Pointwise = Literal["linear", "affine", "monotone", "any"]
Tied = Literal["", "by operations", "by shifts"]
Lost = frozenset[str]
"""What a layer loses: any of "translations" and "operations"."""


@dataclass(frozen=True)
class Span:
    """Receptive field along one axis: output i depends on inputs in `[stride·i + lo, stride·i + hi]`.

    `first` and `last` bound the outputs whose receptive field never touches the border (the valid interior).
    """

    stride: Fraction = Fraction(1)
    lo: Fraction = Fraction(0)
    hi: Fraction = Fraction(0)
    everything: bool = False

    @property
    def centre(self) -> Fraction:
        """Input position that output 0 is centred on."""
        return (self.lo + self.hi) / 2

    @property
    def extent(self) -> int | None:
        """How many inputs an output depends on at most; None: all of them."""
        return None if self.everything else floor(self.hi - self.lo) + 1

    def through(self, reach: tuple[Fraction, Fraction, Fraction]) -> Span:
        """The span of a value that reads this one as `Reading.reach` says."""
        stride, lo, hi = reach
        return replace(self, stride=self.stride * stride, lo=self.stride * lo + self.lo, hi=self.stride * hi + self.hi)

    def join(self, other: Span) -> Span:
        """The span of a value that depends on two (on everything, to be safe, if their strides differ)."""
        everything = self.everything or other.everything or self.stride != other.stride
        return Span(self.stride, min(self.lo, other.lo), max(self.hi, other.hi), everything)


@dataclass(frozen=True)
class Row:
    """One line of a ledger: a layer (or the text of a join), the field before and after it, and why it loses anything.

    Texts are made only when the ledger is read, so that a query pays for none.
    """

    path: tuple[str, ...]
    layer: object
    before: Field
    after: Field
    reason: Callable[[Field, Lost], str]


@dataclass(frozen=True)
class Field:
    """The symmetry of one value of a network.

    Attributes:
        source, input_fibre: the input's domain and channels.
        grid: the value's own grid (dimension 0 after global pooling or flattening).
        fibre: its channels: a number, or a `Fibre` that says how point operations *of the source* move them. Where it
            is one, all operations in `base` are of the fibre's group.
        raw: whether this is the network's input, of which only an `AsFibre` sees more than the number of channels.
        base: action of the source's isometries on the base value.
        base_grid: the base value's grid.
        lines: per axis, what the value reads of the base.
        unmixed: whether the taps of `lines` are channels of their own (space to depth), not yet mixed with each other.
        closed: whether a nonlinear function was applied since, so that reductions no longer compose with `lines`.
        balanced: whether the value is affine in the base, whose mean over all nodes is the same for all inputs.
        unfolded: after space to depth by a factor, that factor and this value at its old places.
        regathered: the same value as a mere gather of a later base, for reductions that do not compose with `lines`.
        parts: two values of which this one is a sum or a concatenation, up to an affine function of each node.
        trial: how the value varies with the input and the weights; None where nothing says so.
        variables: the phases that parameters of `base` belong to, with their axis.
        phases: phases chosen so far in the enclosing scope, for matching layers to use.
        replay, restoring: phases of another part of the network to use, or None; and whether they are there for layers
            that put values back, rather than for those that keep them.
        spans: receptive field per axis of the source.
    """

    source: Domain
    input_fibre: int
    grid: Domain
    fibre: int
    base: Relation
    base_grid: Domain
    lines: tuple[Line, ...]
    raw: bool = False
    trial: Trial | None = field(default=None, repr=False)
    unmixed: bool = False
    closed: bool = False
    balanced: bool = False
    variables: tuple[tuple[Phase, int], ...] = ()
    phases: tuple[Phase, ...] = ()
    replay: tuple[Phase, ...] | None = None
    restoring: bool = False
    spans: tuple[Span, ...] = ()
    unfolded: tuple[tuple[int, ...], Field] | None = field(default=None, repr=False)
    regathered: Field | None = field(default=None, repr=False)
    parts: tuple[Field, Field] | None = field(default=None, repr=False)
    path: tuple[str, ...] = ()
    rows: tuple[Row, ...] = field(default=(), repr=False)

    @staticmethod
    def input(source: Domain, channels: int) -> Field:
        """The input itself; with a `Fibre` for channels, under the operations of its group."""
        lines = tuple(identity_line(axis) for axis in source.wrapped.axes)
        spans = tuple(Span() for _ in source.axes)
        trial, base = Trial.input(source, channels), wrapping(source)
        made = Field(source, channels, source, channels, base, source.wrapped, lines, trial=trial, spans=spans)
        return changed(made.under(channels.group), raw=True) if isinstance(channels, Fibre) else made

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.fibre)

    def under(self, operations: Collection[Matrix]) -> Field:
        """The same field under some of the point operations of the source: a subgroup."""
        kept = set(operations)
        keys = [key for key, _ in self.base.operations if key[0] in kept]
        if len(keys) == len(self.base.operations):
            return self
        base = self.base.only(keys)
        return changed(self, base=base, unfolded=None, regathered=None, parts=None, trial=self.trial)

    def unmoved(self) -> Field:
        """The same field under the operations that move no channel; from here on channels are numbers."""
        if not isinstance(self.fibre, Fibre):
            return self
        kept = changed(self, raw=False).under(self.fibre.kernel)
        if not isinstance(self.input_fibre, Fibre) and any(fixes_nodes(axis) for axis in self.source.axes):
            # Isometries that move the input's nodes alike move the output alike, whatever operation their matrix is.
            base = same_moves(self.source).then(kept.base)
            kept = changed(kept, base=base, regathered=None, parts=None, trial=self.trial)
        return changed(kept, fibre=int(self.fibre))

    def typed(self, fibre: int) -> Field:
        """The same field with another way to say how the same channels move."""
        made = self.under(fibre.group) if isinstance(fibre, Fibre) else self
        return changed(made, fibre=fibre, raw=False)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """`(*spatial, channels)` as layers see it, None along infinite axes."""
        return (*self.grid.sizes, int(self.fibre) if self.raw else self.fibre)

    @cached_property
    def action(self) -> Relation:
        """All pairs of isometries of the input and of this value, wrapped around, that act alike.

        Parameters are the phases. Along a bounded axis too a layer may move its output around (a circular window with
        an even number of taps does), which a later layer may undo or not see; see `unwrapped`.
        """
        if self.at_base:
            return self.base
        return self.base.then(line_action(self.lines, self.base_grid, self.grid.wrapped))

    @cached_property
    def unwrapped(self) -> Relation:
        """All pairs of isometries of the input and of this value that act alike."""
        still = isinstance(self.fibre, Fibre) and self.fibre.is_trivial
        action = self.unmoved().action if still else self.action
        return action if self.grid.wrapped is self.grid else action.then(unwrapping(self.grid))

    @cached_property
    def strict(self) -> Relation:
        """The action where it is known in advance, whatever phases the data choose."""
        return strict_action(self.unwrapped, self.variables, output_fixed=True)

    @cached_property
    def orbit(self) -> SpaceGroup:
        """The isometries that move the output by some shift, which may depend on the data."""
        return strict_action(self.unwrapped, self.variables, output_fixed=False).source

    @cached_property
    def invariance(self) -> SpaceGroup:
        """The isometries of `strict` that leave every node and every channel of the output as it is.

        One that moves the nodes like the identity, on axes of one or two nodes, leaves all as it is too; it is left out
        where a `Fibre` does not say what its matrix does to channels.
        """
        return self.unmoved().strict.kernel & self.strict.source

    def at(self, path: tuple[str, ...]) -> Field:
        """The same field, seen from another place in the network."""
        return changed(self, path=path)

    def recorded(
        self, layer: object, path: tuple[str, ...], before: Field, reason: Callable[[Field, Lost], str]
    ) -> Field:
        """The same field with one more line in its ledger, seen from where `before` was."""
        return changed(self, rows=(*self.rows, Row(path, layer, before, self, reason)), path=before.path)

    def with_rows(self, rows: tuple[Row, ...]) -> Field:
        """The same field with another ledger."""
        return changed(self, rows=rows)

    def scoped(
        self, replay: tuple[Phase, ...] | None, phases: tuple[Phase, ...] = (), restoring: bool = False
    ) -> Field:
        """The same field in another scope of phases."""
        return changed(self, replay=replay, phases=phases, restoring=restoring)

    def in_scope_of(self, other: Field) -> Field:
        """The same field in the scope of phases that `other` is in."""
        return self.scoped(other.replay, other.phases, other.restoring)

    def forked(self) -> Field:
        """The same field at the start of a branch."""
        return self if self.trial is None else changed(self, trial=self.trial.forked())

    def rebase(self) -> Field:
        """The same field with this value as the base."""
        made = changed(self, closed=False) if self.at_base else self.based(self.action, self.variables)
        return changed(made, trial=self.trial)

    def based(self, action: Relation, variables: tuple[tuple[Phase, int], ...]) -> Field:
        """This value as a base that moves by the given action."""
        lines = tuple(identity_line(axis) for axis in self.grid.wrapped.axes)
        return changed(
            self,
            base=action,
            base_grid=self.grid.wrapped,
            lines=lines,
            unmixed=False,
            closed=False,
            balanced=False,
            variables=variables,
            unfolded=None,
            regathered=None,
            parts=None,
        )

    @property
    def at_base(self) -> bool:
        """Whether the value is the base value itself, up to functions of single nodes."""
        return all(line is identity_line(axis) for line, axis in zip(self.lines, self.grid.wrapped.axes, strict=True))

    def aged(self) -> Field:
        """The same field with its constants renamed, so that a zero filled in later is not taken for one of them."""
        again = None if self.regathered is None else self.regathered.aged()
        return changed(self, lines=tuple(age_constants(line) for line in self.lines), unfolded=None, regathered=again)

    @property
    def copies(self) -> bool:
        """Whether every channel of every node copies one node or constant of the base."""
        return all(line.copies and (self.unmixed or line.is_gather) for line in self.lines)

    def pointwise(self, kind: Pointwise = "any", channels: int | None = None) -> Field:
        """Apply one function to every node.

        Args:
            kind: "linear" in the value (zeros stay zeros), "affine" (a bias, frozen batch statistics, a 1×1
                convolution), "monotone" and the same for every channel (relu), or "any".
            channels: the new number of channels, if the function mixes them (freely: no operation may move one).
        """
        if channels is not None:
            return self.unmoved()._pointwise(kind, channels)
        return self._pointwise(kind, None)

    def mixed(self, kind: Literal["affine", "any"] = "any", fibre: int | None = None) -> Field:
        """Apply a function to every node that mixes its channels and commutes with all that moves them."""
        return self._pointwise(kind, self.fibre if fibre is None else fibre)

    def _pointwise(self, kind: Pointwise, channels: int | None) -> Field:
        affine = kind in ("linear", "affine")
        lines = self.lines if kind == "linear" else tuple(age_constants(line) for line in self.lines)
        mixes = channels is not None
        gather = all(line.is_gather for line in lines) if mixes else self.copies
        maximum = any(line.maximum for line in lines)
        opens = (affine and not maximum) or (kind == "monotone" and maximum)
        closed = not gather and (self.closed or not opens)
        unfolded = None
        if self.unfolded is not None and not affine and not mixes:
            factor, there = self.unfolded
            unfolded = factor, there.pointwise(kind)
        again = None if self.regathered is None else self.regathered._pointwise(kind, channels)
        return changed(
            self,
            lines=lines,
            unmixed=self.unmixed and not mixes,
            closed=closed,
            balanced=self.balanced and affine,
            unfolded=unfolded,
            regathered=again,
            parts=self.parts if affine else None,
            fibre=self.fibre if channels is None else channels,
        )

    def globally(self) -> Field:
        """Apply a function of each node and of all nodes in no order (statistics over space, attention)."""
        spans = tuple(replace(span, everything=True) for span in self.spans)
        return changed(self.rebase(), spans=spans, unfolded=None).pointwise("any")

    def normalised(self) -> Field:
        """Take the mean over all nodes from each channel, and divide by a function of all nodes.

        The mean is 0 then, or a bias: a constant, as is that of sums of it in which every node counts alike.
        """
        made = self.globally()
        return made if isinstance(self.fibre, Fibre) else changed(made.rebase(), balanced=True)

    def scaled(self) -> Field:
        """Multiply each channel by a function of the averages over all nodes.

        For an isometry that leaves the averages alone, the factors are as good as fixed.
        """
        averages, base = self.collapse(maximum=False).base, self.base
        if averages != base.forget_target():
            if self.variables:
                return self.globally()
            base = base.restrict(averages.source)
        spans = tuple(replace(span, everything=True) for span in self.spans)
        return changed(self, base=base, spans=spans, regathered=None, balanced=False).pointwise("affine")

    def read(
        self, readings: Sequence[Reading], reduce: Reduce, channels: int | None = None, *, crossable: bool = False
    ) -> Field:
        """Apply a window system, one `Reading` per axis.

        Args:
            reduce: "taps" (free weights, which tell taps and channels apart), "sum" or "max" (per channel).
            channels: the new number of channels.
            crossable: whether exchanging axes may match ordered taps (they carry no weights).
        """
        if channels is not None and isinstance(self.fibre, Fibre):
            return self.unmoved().read(readings, reduce, channels, crossable=crossable)
        if self.grid.axes and set(self.grid.sizes) == {1} and not self.at_base:
            return self.rebase().read(readings, reduce, channels, crossable=crossable)
        grid = self.moved_grid(readings)
        spans = tuple(
            span.through(reading.reach(axis.size))
            for span, reading, axis in zip(self.spans, readings, self.grid.axes, strict=True)
        )
        outer = tuple(
            reading_line(reading, axis, reduce == "max", reduce == "taps" and not crossable)
            for reading, axis in zip(readings, self.grid.wrapped.axes, strict=True)
        )
        gathers = all(line.is_gather for line in outer)
        again = None
        if gathers and not self.copies:
            again = (self.regathered or self.rebase()).read(readings, reduce)
        field_ = self._base_for(any(line.maximum for line in outer), gathers)
        lines = tuple(compose_lines(o, i) for o, i in zip(outer, field_.lines, strict=True))
        if any(line is None for line in lines):
            field_, lines = field_.rebase(), outer
        kept = tuple(line for line in lines if line is not None)
        made = changed(
            self._over(field_),
            grid=grid,
            lines=kept,
            fibre=self.fibre if channels is None else channels,
            spans=spans,
            unfolded=None,
            regathered=again,
            parts=None,
        )
        return made.pointwise("affine", channels) if reduce == "taps" and channels else made

    def read_taps(self, readings: Sequence[Reading], fibre: Fibre) -> Field:
        """Apply a window system whose taps the operations of a group permute as they permute the nodes around a window:
        `f(g·x) = g'·f(x)` if g moves each window to a window *and* each tap to the tap where the operation sends it.

        The channels must move as the layer's weights expect (see `typed`).
        """
        inner = self.under(fibre.group)
        if inner.closed or any(line.maximum or line.codes.shape[1] > 1 for line in inner.lines):
            inner = inner.rebase()
        outer = [reading_line(r, axis, False, False) for r, axis in zip(readings, self.grid.wrapped.axes, strict=True)]
        composed = [compose_lines(o, i) for o, i in zip(outer, inner.lines, strict=True)]
        kept = tuple(line for line in composed if line is not None)
        if len(kept) < len(outer):
            inner, kept = inner.rebase(), tuple(outer)
        grid = self.moved_grid(readings)
        action = tap_action(inner.base, kept, inner.base_grid, grid.wrapped)
        spans = tuple(
            span.through(reading.reach(axis.size))
            for span, reading, axis in zip(self.spans, readings, self.grid.axes, strict=True)
        )
        return changed(inner, grid=grid, fibre=fibre, spans=spans).based(action, inner.variables)

    def _composes(self, maximum: bool, gathers: bool = False) -> bool:
        if gathers or self.copies:
            return True
        return not self.closed and any(line.maximum for line in self.lines) == maximum

    def _base_for(self, maximum: bool, gathers: bool = False) -> Field:
        """This value in a form that a gather, a sum or a maximum composes with."""
        if self._composes(maximum, gathers):
            return self
        if self.regathered is not None and self.regathered._composes(maximum):
            return self.regathered
        return self.rebase()

    def _over(self, other: Field) -> Field:
        """This field with the base of another."""
        return changed(
            self,
            base=other.base,
            base_grid=other.base_grid,
            unmixed=other.unmixed,
            closed=other.closed,
            balanced=other.balanced,
            variables=other.variables,
        )

    def moved_grid(self, readings: Sequence[Reading]) -> Domain:
        """The grid after a window system."""
        axes = []
        for reading, axis in zip(readings, self.grid.axes, strict=True):
            axes.append(axis if axis.size is None else Axis(reading.size(axis.size), axis.boundary))
        return Domain(tuple(axes))

    def collapse(self, *, maximum: bool) -> Field:
        """Global pooling: the average or the maximum over all nodes."""
        if self.parts is not None and not maximum:
            one, other = (part.collapse(maximum=False) for part in self.parts)
            made = one.joined(other, self.fibre).in_scope_of(self)
            return made.with_rows(self.rows).at(self.path)
        lines = tuple(collapse_line(line, maximum) for line in self.lines) if self._composes(maximum) else ()
        kept = tuple(line for line in lines if line is not None)
        if (
            self.balanced
            and not maximum
            and len(kept) == len(self.lines)
            and all(map(is_even, kept, self.base_grid.axes))
        ):
            still = Field.input(self.source, self.input_fibre).unmoved()
            return changed(self, grid=self.source).based(still.base, ())._without_axes()
        if len(kept) < len(self.lines):
            kept = tuple(pool_rows(line, maximum) for line in self.lines)
        point = Domain(tuple(Axis(1, "periodic") for _ in self.grid.axes))
        return changed(self, lines=kept, grid=point)._without_axes()

    def _without_axes(self, channels: int | None = None) -> Field:
        spans = tuple(replace(span, everything=True) for span in self.spans)
        made = changed(self, fibre=self.fibre if channels is None else channels, spans=spans)
        return changed(made, grid=Domain(())).based(self.action.forget_target(), self.variables)

    def fix_positions(self) -> Field:
        """Keep only what leaves every node in place (a table of values, one per position, is added)."""
        still = SpaceGroup.trivial(self.grid.dim, self.grid.wrapped.periods)
        return self.based(self.action.restrict_target(still), self.variables)

    def flatten(self, channels: int | None) -> Field:
        """Turn nodes into channels: only what leaves every node in place is kept, as invariance."""
        return self.unmoved().fix_positions()._without_axes(channels)

    def joined(
        self,
        other: Field,
        channels: int | None = None,
        shared: Sequence[tuple[Phase, Phase]] = (),
        *,
        linear: bool = False,
    ) -> Field:
        """The sum, product or concatenation of two values of one grid: both must move alike.

        Args:
            channels: the fibre of a concatenation; None for a sum or product, whose channels must move alike too.
            linear: whether it is a sum or a concatenation, so that affine branches join to an affine value.
            shared: pairs of a phase of this branch and one of the other that are the same by construction.
        """
        fibre = agree(self.fibre, other.fibre) if channels is None else channels
        if channels is None and not isinstance(fibre, Fibre):
            self, other = self.unmoved(), other.unmoved()
        elif isinstance(fibre, Fibre):
            self, other = self.under(fibre.group), other.under(fibre.group)
        merged = list(self.variables) + [v for v in other.variables if v not in self.variables]

        def spread(field_: Field) -> Relation:
            return field_.action.with_parameters([merged.index(v) for v in field_.variables], len(merged))

        action = spread(self) & spread(other)
        chosen = [(mine, theirs) for mine, theirs in shared if max(mine.stride) > 1]
        for mine, theirs in chosen:
            alike = {a for a, _ in set(mine.operations) & set(theirs.operations)}
            action = action.only(key for key, _ in action.operations if key[0] in alike)
            for axis in range(len(mine.stride)):
                if (mine, axis) in merged and (theirs, axis) in merged:
                    dropped = merged.index((theirs, axis))
                    action = action.identify(merged.index((mine, axis)), dropped)
                    merged.pop(dropped)
        spans = tuple(a.join(b) for a, b in zip(self.spans, other.spans, strict=True))
        made = changed(self, fibre=fibre, spans=spans, parts=None)
        lines = self._joined_lines(other) if linear and not chosen else None
        if lines is not None:
            balanced = self.balanced and other.balanced
            read = changed(made, lines=lines, unmixed=False, balanced=balanced, unfolded=None, regathered=None)
            if read.action & action == action:
                return read
        parts = (self.with_rows(()), other.with_rows(())) if linear and not chosen else None
        return changed(made.based(action, tuple(merged)), parts=parts)

    def _joined_lines(self, other: Field) -> tuple[Line, ...] | None:
        """What the join reads, if both are affine in bases that move alike; else None."""
        affine = not (self.closed or other.closed or any(line.maximum for line in (*self.lines, *other.lines)))
        if not affine or self.variables != other.variables:
            return None
        if self.base != other.base or self.base_grid != other.base_grid:
            return None
        lines = [join_lines(a, b) for a, b in zip(self.lines, other.lines, strict=True)]
        kept = tuple(line for line in lines if line is not None)
        return kept if kept and len(kept) == len(lines) else None

    @cached_property
    def tied(self) -> Tied:
        """What leaves the value as it is for every input, for all that is known, and moves nodes."""
        if self.trial is not None and self.trial.apart:
            return ""
        known = strict_action(self.action, self.variables, output_fixed=True).stabiliser
        if self.trial is None or self.trial.is_tied(self.grid, self.fibre, by_shifts=True):
            return "by shifts"
        if known.is_trivial and not self.trial.is_tied(self.grid, self.fibre):
            return ""
        return "by shifts" if known.lattice != known.periods else "by operations"

    def polyphase(self, stride: tuple[int, ...], *, tied: Tied = "", translations_only: bool = False) -> Field:
        """Keep the polyphase component that a rule chooses from the data; the rule itself is equivariant.

        Appends the phase to `phases`.

        Args:
            tied: how the value that the rule looks at is tied.
            translations_only: whether the rule knows no reflection or rotation.
        """
        if max(stride) == 1:
            return changed(self, phases=(*self.phases, Phase(stride, self.grid)))
        if tied:
            # No rule commutes with isometries that exchange what others, or they themselves, always leave as it is.
            kept = self.under(self.fibre.kernel) if isinstance(self.fibre, Fibre) else self
            unit = Isometry.identity(self.source.dim).matrix
            kept = kept.under([unit]) if tied == "by operations" else kept.fix_positions()
            return kept.polyphase(stride)
        grid = Domain(
            tuple(
                axis if axis.size is None else Axis(axis.size // s, axis.boundary)
                for axis, s in zip(self.grid.axes, stride, strict=True)
            )
        )
        chosen = {}
        for (a, b), _ in sorted(self.action.operations, key=lambda operation: operation[0][0] != operation[0][1]):
            chosen.setdefault(a, b)
        phase = Phase(stride, self.grid, tuple(chosen.items()))
        action = self.action.only(chosen.items())
        relation, moving = polyphase_action(phase, grid, down=True, translations_only=translations_only)
        spans = tuple(
            replace(span.through((Fraction(s), Fraction(0), Fraction(s - 1))), everything=True)
            for span, s in zip(self.spans, stride, strict=True)
        )
        made = changed(self, grid=grid, phases=(*self.phases, phase), spans=spans)
        return made.based(action.then(relation), (*self.variables, *((phase, axis) for axis in moving)))

    def unpolyphase(self, phase: Phase) -> Field:
        """Put the value back at the nodes of a phase chosen before, zeros elsewhere."""
        if max(phase.stride) == 1:
            return self
        grid = phase.grid
        relation, moving = polyphase_action(phase, self.grid, down=False, translations_only=False)
        action = self.action.then(relation).only(phase.operations)
        count = len(self.variables)
        for axis in reversed(moving):
            fresh = count + moving.index(axis)
            if (phase, axis) in self.variables:
                action = action.identify(self.variables.index((phase, axis)), fresh)
            else:
                action = action.fix(fresh)
        spans = tuple(
            replace(span.through((Fraction(1, s), Fraction(1 - s, s), Fraction(0))), everything=True)
            for span, s in zip(self.spans, phase.stride, strict=True)
        )
        return changed(self, grid=grid, spans=spans).based(action, self.variables)

    def unfold(self, factor: tuple[int, ...], readings: Sequence[Reading]) -> Field:
        """Space to depth; remembered, so that the matching depth to space undoes it."""
        if isinstance(self.fibre, Fibre):
            return self.unmoved().unfold(factor, readings)
        made = self.read(readings, "taps")
        unmixed = self.copies or made.base is not self.base
        before = factor, self.with_rows(())
        return changed(made, fibre=self.channels * prod(factor), unmixed=unmixed, unfolded=before)

    def fold(self, factor: tuple[int, ...], readings: Sequence[Reading], channels: int) -> Field:
        """Depth to space."""
        if isinstance(self.fibre, Fibre):
            return self.unmoved().fold(factor, readings, channels)
        if self.unfolded is not None and self.unfolded[0] == factor:
            there = self.unfolded[1]
            return there.in_scope_of(self).with_rows(self.rows).at(self.path)
        # Constants carry no label, yet a bias may have made them differ from one group of channels to the next.
        labelled = self.rebase() if any(line.has_constants for line in self.lines) else self
        return labelled.read(readings, "sum", channels)


_NAMES = tuple(f.name for f in fields(Field))
_VALUE = ("base", "lines", "grid", "closed")
"""Attributes by which fields of different values differ: how the one varies says nothing of how the other does."""


def changed(value: Field, **changes: Any) -> Field:
    """`dataclasses.replace`, in a fifth of the time: a certificate of a ResNet-50 asks for it 400 times."""
    unknown = changes.keys() - set(_NAMES)
    if unknown:
        raise TypeError(f"a field has no {', '.join(sorted(unknown))}")
    made, held = object.__new__(Field), vars(value)
    if "trial" not in changes and not changes.keys().isdisjoint(_VALUE):
        changes["trial"] = None
    # Not by setting attributes, which a frozen class refuses; and without what the old one has cached.
    vars(made).update({name: held[name] for name in _NAMES} | changes)
    return made
