"""What flows through a network in place of an array: the symmetry of a value, exactly.

A `Field` knows the grid and the channels of a value, and how isometries of the network's input move it
(`equinet.symmetry.deferred`); the phases that adaptive layers chose in its scope; and how it came about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Literal

from equinet.groups import Matrix, SpaceGroup
from equinet.groups.domain import Axis, Domain
from equinet.groups.fibre import Fibre, agree, as_fibre
from equinet.groups.relation import Relation
from equinet.symmetry.continuous import UNKNOWN, Bands
from equinet.symmetry.deferred import Deferred, Pointwise
from equinet.symmetry.lines import Line, reading_line
from equinet.symmetry.polyphase import Phase, same_phases, strict_action
from equinet.symmetry.records import updated
from equinet.symmetry.spans import Span, everything, joined, read_spans
from equinet.symmetry.ties import Trial
from equinet.symmetry.trace import Lost, Row, Scope, Trace
from equinet.symmetry.window_rule import fixes_nodes, same_moves, tap_action, unwrapping, wrapping
from equinet.symmetry.windows import Reading

Reduce = Literal["taps", "sum", "max"]


@dataclass(frozen=True)
class Field:
    """The symmetry of one value of a network.

    Attributes:
        source, input_fibre: the input's domain and channels.
        grid: the value's own grid (dimension 0 after global pooling or flattening).
        fibre: its channels, and how point operations *of the source* act on them. If they move any, all operations in
            `deferred` are in its group.
        deferred: how isometries of the source act on the value, as windows on an earlier value.
        scope: the phases that adaptive layers chose.
        trace: how the value was computed.
        raw: whether this is the network's input; only an `AsFibre` sees more of it than the number of channels.
        trial: how the value varies with the input and the weights; None if this is not known.
        unfolded: after space to depth by a factor, that factor and this value on the grid before it.
        bands: which real shifts it keeps, where that is asked.
        parts: two values of which this one is a sum or a concatenation, up to an affine function of each node.
    """

    source: Domain
    input_fibre: Fibre
    grid: Domain
    fibre: Fibre
    deferred: Deferred
    scope: Scope = field(default=Scope())
    trace: Trace = field(default=Trace(), repr=False)
    raw: bool = False
    trial: Trial | None = field(default=None, repr=False)
    unfolded: tuple[tuple[int, ...], Field] | None = field(default=None, repr=False)
    bands: Bands = UNKNOWN
    parts: tuple[Field, Field] | None = field(default=None, repr=False)

    @staticmethod
    def input(source: Domain, channels: int | Fibre) -> Field:
        """The input itself; with a `Fibre` for channels, under the operations of its group."""
        fibre = as_fibre(channels)
        start, trace = Deferred.at(wrapping(source), source), Trace(spans=tuple(map(Span.of_input, source.sizes)))
        value = Field(source, fibre, source, fibre, start, trace=trace, trial=Trial.input(source, fibre.size))
        return value if fibre.is_plain else changed(value.under(fibre.group), raw=True)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.fibre.size

    def under(self, operations: Collection[Matrix]) -> Field:
        """The same field under some of the point operations of the source: a subgroup."""
        kept = set(operations)
        base = self.deferred.base
        keys = [key for key, _ in base.operations if key[0] in kept]
        if len(keys) == len(base.operations):
            return self
        fewer = self.deferred.over(base.only(keys))
        return changed(self, deferred=fewer, unfolded=None, parts=None, trial=self.trial, bands=self.bands)

    def still(self) -> Field:
        """The same field under the operations that move no channel."""
        return self if self.fibre.is_trivial else self.under(self.fibre.kernel)

    def unmoved(self) -> Field:
        """The same field under the operations that move no channel; from here on channels are plain."""
        if self.fibre.is_plain:
            return self
        kept = self.still()
        if self.input_fibre.is_plain and any(fixes_nodes(axis) for axis in self.source.axes):
            # Isometries that move the input's nodes alike move the output alike, whatever operation their matrix is.
            more = kept.deferred.over(same_moves(self.source).then(kept.deferred.base))
            kept = changed(kept, deferred=more, parts=None, trial=self.trial, bands=self.bands)
        return changed(kept, fibre=Fibre.plain(self.channels), raw=False)

    def with_fibre(self, fibre: Fibre) -> Field:
        """The same field with another way to say how the same channels move, under the operations of its group."""
        return changed(self.under(fibre.group), fibre=fibre, raw=False)

    def read_as(self, fibre: Fibre) -> Field:
        """The same field, whose channels are taken for those of a fibre: unless they are, under what moves neither."""
        if self.fibre == fibre:
            return changed(self, raw=False) if self.raw else self
        still = self.unmoved()
        return still if fibre.is_plain else still.under(fibre.kernel).with_fibre(fibre)

    @property
    def shape(self) -> tuple[Any, ...]:
        """`(*spatial, channels)` as layers see it, None along infinite axes."""
        return (*self.grid.sizes, Fibre.plain(self.fibre.size) if self.raw else self.fibre)

    @property
    def action(self) -> Relation:
        """All pairs of isometries of the input and of this value, wrapped around, that act alike.

        Parameters are the `variables`. Along a bounded axis too a layer may move its output around (a circular window
        with an even number of taps does), which a later layer may undo or not see; see `unwrapped`.
        """
        return self.deferred.action

    @property
    def variables(self) -> tuple[tuple[Phase, int], ...]:
        """The parameters of `action`: phases with their axis."""
        return self.deferred.base.parameters

    @cached_property
    def unwrapped(self) -> Relation:
        """All pairs of isometries of the input and of this value that act alike."""
        action = self.unmoved().action if self.fibre.is_trivial else self.action
        return action if self.grid.wrapped is self.grid else action.then(unwrapping(self.grid))

    @cached_property
    def strict(self) -> Relation:
        """The action where it is known in advance, whatever phases the data choose."""
        return strict_action(self.unwrapped, output_fixed=True)

    @cached_property
    def orbit(self) -> SpaceGroup:
        """The isometries that move the output by some shift, which may depend on the data."""
        return strict_action(self.unwrapped, output_fixed=False).source

    @cached_property
    def invariance(self) -> SpaceGroup:
        """The isometries of `strict` that leave every node and every channel of the output as it is.

        One that moves the nodes like the identity, on axes of one or two nodes, leaves all as it is too; it is left out
        where a `Fibre` does not say what its matrix does to channels.
        """
        return self.unmoved().strict.kernel & self.strict.source

    def at(self, path: tuple[str, ...]) -> Field:
        """The same field, seen from another place in the network."""
        return changed(self, trace=updated(self.trace, path=path))

    def record(
        self,
        layer: object,
        path: tuple[str, ...],
        before: Field,
        reason: Callable[[Field, Lost], str],
        trial: Trial,
    ) -> Field:
        """The same field with one more line in its ledger, seen from where `before` was; `trial` is how it varies."""
        rows = (*self.trace.rows, Row(path, layer, before, self, reason))
        return changed(self, trace=Trace(before.trace.path, rows, self.trace.spans), trial=trial)

    def with_rows(self, rows: tuple[Row, ...]) -> Field:
        """The same field with another ledger."""
        return changed(self, trace=updated(self.trace, rows=rows))

    def with_spans(self, spans: Sequence[Span]) -> Field:
        """The same field with other receptive fields."""
        return changed(self, trace=updated(self.trace, spans=tuple(spans)))

    def reading_all(self) -> Field:
        """The same field, of a value that depends on all nodes."""
        return self.with_spans(everything(self.trace.spans))

    def within(self, scope: Scope) -> Field:
        """The same field in another scope of phases."""
        return changed(self, scope=scope)

    def _in_place_of(self, value: Field) -> Field:
        """The same field where a value stands in the network, which is computed otherwise."""
        return self.within(value.scope).with_rows(value.trace.rows).at(value.trace.path)

    def fork(self) -> Field:
        """The same field at the start of a branch."""
        return self if self.trial is None else changed(self, trial=self.trial.fork())

    def rebase(self) -> Field:
        """The same field with this value as the base."""
        return changed(self, deferred=self.deferred.as_base(), trial=self.trial, bands=self.bands)

    def based(self, action: Relation, grid: Domain | None = None, bands: Bands = UNKNOWN) -> Field:
        """This value as a base that moves by the given action; on another grid, if one is given."""
        grid = self.grid if grid is None else grid
        return changed(self, grid=grid, deferred=Deferred.at(action, grid), unfolded=None, parts=None, bands=bands)

    def rename_constants(self) -> Field:
        """The same field with its constants renamed, so that a zero filled in later is not taken for one of them."""
        return changed(self, deferred=self.deferred.rename_constants(), unfolded=None, bands=self.bands)

    def pointwise(self, kind: Pointwise = "any", channels: int | None = None, degree: int | None = None) -> Field:
        """Apply one function to every node.

        Args:
            kind: "linear" in the value (zeros stay zeros), "affine" (a bias, frozen batch statistics, a 1×1
                convolution), "monotone" and the same for every channel (relu), or "any".
            channels: the new number of channels, if the function mixes them (freely: no operation may move one).
            degree: of the polynomial, if it is one.
        """
        if channels is not None:
            return self.unmoved()._pointwise(kind, channels, degree)
        return self._pointwise(kind, None, degree)

    def mix(self, kind: Literal["affine", "any"] = "any", fibre: int | Fibre | None = None) -> Field:
        """Apply a function to every node that mixes its channels and commutes with all that moves them."""
        return self._pointwise(kind, self.fibre if fibre is None else fibre, None)

    def _pointwise(self, kind: Pointwise, channels: int | Fibre | None, degree: int | None) -> Field:
        affine, mixes = kind in ("linear", "affine"), channels is not None
        unfolded = None
        if self.unfolded is not None and not affine and not mixes:
            factor, value = self.unfolded
            unfolded = factor, value.pointwise(kind, degree=degree)
        return changed(
            self,
            deferred=self.deferred.pointwise(kind, mixes),
            unfolded=unfolded,
            parts=self.parts if affine else None,
            bands=self.bands.function(1 if affine else degree),
            fibre=self.fibre if channels is None else as_fibre(channels),
        )

    def globally(self) -> Field:
        """Apply a function of each node and of all nodes in no order (attention)."""
        value = changed(self.rebase().reading_all(), unfolded=None)
        return changed(value.pointwise("any"), bands=self.bands.on_nodes)

    def standardise(self) -> Field:
        """Apply an affine function whose coefficients depend on means and mean squares over all nodes."""
        return changed(self.globally(), bands=self.bands.scale(2))

    def normalise(self) -> Field:
        """Take the mean over all nodes from each channel, and divide by a function of the mean square.

        The mean is 0 then, or a bias: a constant, as is that of sums of it in which every node counts alike.
        """
        value = self.standardise()
        balanced = updated(value.deferred.as_base(), balanced=self.fibre.is_plain)
        return changed(value, deferred=balanced, trial=value.trial, bands=value.bands)

    def scale(self) -> Field:
        """Multiply each channel by a function of the averages over all nodes.

        For an isometry that leaves the averages alone, the factors are as good as fixed.
        """
        averages, base = self.collapse(maximum=False).action, self.deferred.base
        if averages != base.forget_target():
            if self.variables:
                return self.globally()
            base = base.restrict(averages.source)
        value = changed(self, deferred=updated(self.deferred.over(base), balanced=False), bands=self.bands.scale(1))
        return value.reading_all().pointwise("affine")

    def read(
        self, readings: Sequence[Reading], reduce: Reduce, channels: int | None = None, *, crossable: bool = False
    ) -> Field:
        """Sum windows, one `Reading` per axis, or take maxima. For another function of them `pointwise("any")` follows.

        `y[i] = Σ_k W_k Σ_e w_e x[p_ke(i)]` over the taps k and the entries e of each, or a maximum over them. Where g
        moves x, h moves y if `p_ke(h i) = g p_ke(i)` for every i: tap by tap if their weights are free, else with the
        nodes of a window in any order that keeps their weights.

        Args:
            reduce: "taps" (free weights, which tell taps and channels apart), "sum" or "max" (per channel).
            channels: the new number of channels.
            crossable: whether exchanging axes may match ordered taps (they carry no weights).
        """
        value = self if channels is None else self.unmoved()
        grid, lines = value.moved_grid(readings), value._lines(readings, reduce, crossable)
        degree = None if reduce == "max" else 1
        value = value._through(readings, grid, value.deferred.read(lines, grid.wrapped), degree)
        if channels is None:
            return value
        return value.pointwise("affine", channels) if reduce == "taps" else changed(value, fibre=as_fibre(channels))

    def _lines(self, readings: Sequence[Reading], reduce: Reduce, crossable: bool = False) -> tuple[Line, ...]:
        """What a window system reads of this value, along each axis."""
        return tuple(
            reading_line(reading, axis, reduce == "max", reduce == "taps" and not crossable)
            for reading, axis in zip(readings, self.grid.wrapped.axes, strict=True)
        )

    def _through(self, readings: Sequence[Reading], grid: Domain, deferred: Deferred, degree: int | None) -> Field:
        """The value of a window system, given its grid, how it moves, and the degree of what is made of a window."""
        bands = self.bands.read(readings, degree)
        spans = read_spans(self.trace.spans, readings, self.grid.sizes, grid.sizes)
        trace = updated(self.trace, spans=spans)
        return changed(self, grid=grid, deferred=deferred, unfolded=None, parts=None, bands=bands, trace=trace)

    def read_taps(self, readings: Sequence[Reading], fibre: Fibre) -> Field:
        """Apply a window system whose taps the operations of a group permute as they permute the nodes around a window:
        `f(g·x) = g'·f(x)` if g moves each window to a window *and* each tap to the tap where the operation sends it.

        The channels must move as the layer's weights expect (see `with_fibre`).
        """
        value, grid = self.under(fibre.group), self.moved_grid(readings)
        inner, lines = value.deferred.read_taps(self._lines(readings, "sum"))
        action = tap_action(inner.base, lines, inner.base_grid, grid.wrapped)
        return changed(value._through(readings, grid, Deferred.at(action, grid), 1), fibre=fibre)

    def moved_grid(self, readings: Sequence[Reading]) -> Domain:
        """The grid after a window system."""
        return self.resized([n and reading.size(n) for reading, n in zip(readings, self.grid.sizes, strict=True)])

    def resized(self, sizes: Sequence[int | None]) -> Domain:
        """The grid with other numbers of nodes."""
        if tuple(sizes) == self.grid.sizes:
            return self.grid
        axes = zip(sizes, self.grid.axes, strict=True)
        return Domain(tuple(Axis(n, axis.boundary) if n else axis for n, axis in axes))

    def collapse(self, *, maximum: bool) -> Field:
        """Global pooling: the average or the maximum over all nodes."""
        if self.parts is not None and not maximum:
            one, other = (part.collapse(maximum=False) for part in self.parts)
            return changed(one.join(other, self.fibre)._in_place_of(self), bands=self.bands.pool(maximum=False))
        total = self.deferred.collapse(maximum=maximum)
        if total is None:
            still = Field.input(self.source, self.input_fibre).unmoved()
            return self.based(still.action, self.source)._without_axes(self.bands.pool(maximum=maximum))
        return changed(self, deferred=total)._without_axes(self.bands.pool(maximum=maximum))

    def _without_axes(self, bands: Bands, channels: int | None = None) -> Field:
        value = self.based(self.action.forget_target(), Domain(()), bands).reading_all()
        return value if channels is None else changed(value, fibre=as_fibre(channels))

    def fix_positions(self) -> Field:
        """Keep only what leaves every node in place (a table of values, one per position, is added)."""
        still = SpaceGroup.trivial(self.grid.dim, self.grid.wrapped.periods)
        return self.based(self.action.restrict_target(still), bands=self.bands.at_rest)

    def flatten(self, channels: int | None) -> Field:
        """Turn nodes into channels: only what leaves every node in place is kept, as invariance."""
        return self.unmoved().fix_positions()._without_axes(self.bands.flattened, channels)

    def _joining(self, fibre: Fibre) -> Field:
        """The same field as part of a value with that fibre: under the operations that move its channels so."""
        if fibre.is_plain:
            return self.unmoved()
        return self if self.fibre.is_trivial and fibre.is_trivial else self.under(fibre.group)

    def join(
        self,
        other: Field,
        channels: Fibre | None = None,
        shared: Sequence[tuple[Phase, Phase]] = (),
        *,
        linear: bool = False,
    ) -> Field:
        """The sum, product or concatenation of two values of one grid: (g, g') is kept where it moves both alike.

        Args:
            channels: the fibre of a concatenation; None for a sum or product, where the fibres must be equal too.
            linear: whether it is a sum or a concatenation, so that affine branches join to an affine value.
            shared: pairs of a phase of this branch and one of the other that are the same by construction.
        """
        fibre = agree(self.fibre, other.fibre) if channels is None else channels
        one, two = self._joining(fibre), other._joining(fibre)
        chosen = [(mine, theirs) for mine, theirs in shared if max(mine.stride) > 1]
        action = same_phases(one.action & two.action, chosen)
        spans = joined(self.trace.spans, other.trace.spans)
        join = changed(one, fibre=fibre, parts=None).with_spans(spans)
        bands = self.bands.join(other.bands, product=not linear)
        stays_affine = linear and not chosen
        if not stays_affine:
            return join.based(action, bands=bands)
        deferred = one.deferred.join(two.deferred)
        # The windows of both, matched as one, keep what each of them keeps; if not, the intersection stands.
        if deferred is not None and deferred.action & action == action:
            return changed(join, deferred=deferred, unfolded=None, bands=bands)
        return changed(join.based(action, bands=bands), parts=(one.with_rows(()), two.with_rows(())))

    def unfold(self, factor: tuple[int, ...], readings: Sequence[Reading]) -> Field:
        """Space to depth; remembered, so that the matching depth to space undoes it."""
        value = self.unmoved()
        grid = value.moved_grid(readings)
        deferred = value.deferred.read(value._lines(readings, "taps"), grid.wrapped, labelled=True)
        before = factor, value.with_rows(())
        return changed(value._through(readings, grid, deferred, 1), fibre=prod(factor) * value.fibre, unfolded=before)

    def fold(self, factor: tuple[int, ...], readings: Sequence[Reading], channels: int) -> Field:
        """Depth to space."""
        value = self.unmoved()
        if value.unfolded is not None and value.unfolded[0] == factor:
            return value.unfolded[1]._in_place_of(value)
        # Constants carry no label, yet a bias may have made them differ from one group of channels to the next.
        labelled = value.rebase() if any(line.has_constants for line in value.deferred.lines) else value
        return labelled.read(readings, "sum", channels)


def changed(value: Field, **changes: Any) -> Field:
    """The same field but for some attributes; without its `trial` and `bands` where it is another value."""
    # Fields of different values differ in these: how the one varies says nothing of how the other does.
    if "deferred" in changes or "grid" in changes:
        changes = {"trial": None, "bands": UNKNOWN} | changes
    return updated(value, **changes)
