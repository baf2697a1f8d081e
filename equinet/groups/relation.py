"""Relations between groups of isometries: how a layer moves its output with its input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from equinet.checks import as_kind
from equinet.groups.blocks import Blocks
from equinet.groups.isometry import Isometry, Matrix, Vector, restriction
from equinet.groups.lattice import Lattice, solve
from equinet.groups.space_group import SpaceGroup, meet_cosets

Key = tuple[Matrix, Matrix]
Operation = TypeVar("Operation")


@lru_cache(maxsize=1 << 8)
def pair_blocks(source_dim: int, target_dim: int, parameters: int = 0) -> Blocks:
    """The blocks of a translation in a relation: t of the source, τ of the target, δ of the parameters."""
    return Blocks.of(t=source_dim, tau=target_dim, delta=parameters)


@dataclass(frozen=True)
class Relation:
    """A subgroup Γ of pairs (g, g'), the graph of an action: g moves the input, g' moves the output.

    Γ is itself a space group, in the sum of the two spaces: `lattice` holds the pairs of translations `(t, τ)`, and
    `operations` one pair of shifts for each pair of point operations `(A, A')`. For a layer f, Γ is the set of *all*
    pairs with `f(g·x) = g'·f(x)`; g' is unique up to the output isometries that fix every output. So composition of
    layers composes relations, a join of branches intersects them, and the invariance group is the fibre over the
    identity.

    A third block of coordinates has *parameters*: integers δ on which the output action depends although g does not fix
    them (the change of phase of an adaptive polyphase layer, known only from the data). They go by name: where two
    relations meet, parameters of one name are one.

    Args:
        lattice: in Z^(d + d' + parameters), with the `blocks` t, τ and δ; contains the periods of both sides.
        operations: pairs `((A, A'), (t, τ, δ))`. Of several for one key the first is kept: without parameters the
            differences are translations, which join the lattice; with them a smaller relation is left, since another
            one may act otherwise on the parameters.
        source_periods, target_periods: the translations that act as the identity on either side.
        parameters: the name of each δ.
    """

    lattice: Lattice
    operations: tuple[tuple[Key, Vector], ...]
    source_periods: Lattice
    target_periods: Lattice
    parameters: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        lattice, shifts = one_shift_each(self.lattice, self.operations, differences=not self.parameters)
        object.__setattr__(self, "lattice", lattice)
        object.__setattr__(self, "operations", tuple(sorted((key, lattice.reduce(s)) for key, s in shifts.items())))

    @cached_property
    def _hash(self) -> int:
        return hash((self.lattice, self.operations, self.parameters))

    def __hash__(self) -> int:
        return self._hash

    @staticmethod
    def identity(group: SpaceGroup) -> Relation:
        """g ↦ g on `group`: (t, τ) with t in its lattice, and τ − t a period."""
        blocks = pair_blocks(group.dim, group.dim)
        rows = [blocks.row(t=t, tau=t) for t in group.lattice.basis] + blocks.rows(t=group.periods.basis)
        operations = tuple(((a, a), blocks.row(t=t, tau=t)) for a, t in group.operations)
        return Relation(Lattice.span(rows, blocks.dim), operations, group.periods, group.periods)

    @property
    def source_dim(self) -> int:
        """Dimension d of the space that g moves."""
        return self.source_periods.dim

    @property
    def target_dim(self) -> int:
        """Dimension d' of the space that g' moves."""
        return self.target_periods.dim

    @cached_property
    def blocks(self) -> Blocks:
        """The blocks t, τ and δ of coordinates."""
        return pair_blocks(self.source_dim, self.target_dim, len(self.parameters))

    def with_names(self, parameters: tuple[Any, ...]) -> Relation:
        """The same pairs, with these names for the parameters."""
        return self if parameters == self.parameters else replace(self, parameters=parameters)

    def by_name(self, row: Vector) -> dict[Any, int]:
        """The δ of a translation."""
        return dict(zip(self.parameters, self.blocks.part(row, "delta"), strict=True))

    @cached_property
    def source(self) -> SpaceGroup:
        """The group of all g that occur (for some value of the parameters)."""
        places = self.blocks.coordinates("t")
        lattice = self.lattice.project(places) + self.source_periods
        shifts = [(a, self.blocks.part(shift, "t")) for (a, _), shift in self.operations]
        lattice, found = one_shift_each(lattice, shifts, differences=not self.parameters)
        return SpaceGroup(lattice, tuple(found.items()), self.source_periods)

    @cached_property
    def kernel(self) -> SpaceGroup:
        """The g that pair with the identity: they act trivially on the output."""
        return self.restrict_target(SpaceGroup.trivial(self.target_dim, self.target_periods)).source

    @cached_property
    def stabiliser(self) -> SpaceGroup:
        """The g' that pair with the identity: output isometries that fix every output."""
        return self.inverse().kernel

    def inverse(self) -> Relation:
        """The relation with its two sides exchanged: (τ, t, δ) for each (t, τ, δ)."""
        order = self.blocks.coordinates("tau", "t", "delta")
        operations = tuple(((b, a), tuple(shift[i] for i in order)) for (a, b), shift in self.operations)
        return Relation(
            self.lattice.project(order), operations, self.target_periods, self.source_periods, self.parameters
        )

    def __call__(self, g: Isometry) -> Isometry:
        """An image of g (the point operation of g itself where that is one of several).

        Raises:
            ValueError: if g is not in `source`.
        """
        d = self.source_dim
        if as_kind(g, Isometry, "an action is one of isometries").dim != d:
            raise ValueError(f"{g} is an isometry of Z^{g.dim}; this action is one of isometries of Z^{d}")
        options = [(b, shift) for (a, b), shift in self.operations if a == g.matrix and g.is_whole]
        for b, shift in sorted(options, key=lambda option: option[0] != g.matrix):
            # Of the shifts (t, τ, δ) of this operation, one with the t of g.
            gap = [x - y for x, y in zip(shift, g.whole_shift, strict=False)]
            image = solve(self.lattice, d, (*gap, *shift[d:]))
            if image is not None:
                return Isometry(b, self.target_periods.reduce(image[: self.target_dim]))
        raise ValueError(f"{g} is not in {self.source}, the group this action is defined on")

    def then(self, other: Relation) -> Relation:
        """The composition: pairs (g, g'') with (g, g') here and (g', g'') in `other` for some g'."""
        if self.target_dim != other.source_dim:
            raise ValueError(
                f"cannot compose: the first maps to dimension {self.target_dim}, "
                f"the second starts from dimension {other.source_dim}"
            )
        names = joint_parameters(self, other)
        # A memo of relations whose parameters are numbers serves other networks too, and keeps no phase alive.
        first, second = (r.with_names(tuple(map(names.index, r.parameters))) for r in (self, other))
        return _compose(first, second).with_names(names)

    def __and__(self, other: Relation) -> Relation:
        """The equalizer: the pairs in both, so all g on which the two actions agree."""
        if (self.source_dim, self.target_dim) != (other.source_dim, other.target_dim):
            raise ValueError("an equalizer needs two actions between the same spaces")
        if self == other:
            return self
        names = joint_parameters(self, other)
        theirs = other.over(names)
        return self.over(names)._meet(theirs.lattice, dict(theirs.operations).get)

    def _meet(self, lattice: Lattice, shift_of: Callable[[Key], Vector | None]) -> Relation:
        """The pairs here that lie in another relation too, given its lattice and the shift of a key, None for none."""
        common = []
        for key, shift in self.operations:
            theirs = shift_of(key)
            coset = None if theirs is None else meet_cosets(self.lattice, shift, lattice, theirs)
            if coset is not None:
                common.append((key, coset))
        return replace(self, lattice=self.lattice & lattice, operations=tuple(common))

    def restrict(self, group: SpaceGroup) -> Relation:
        """The pairs whose g lies in `group`."""
        return self.inverse().restrict_target(group).inverse()

    def restrict_target(self, group: SpaceGroup) -> Relation:
        """The pairs whose g' lies in `group`: τ is a shift of A' there, t and δ may be anything."""
        blocks = self.blocks
        slab = Lattice.span(blocks.rows(tau=group.lattice.basis) + blocks.free("t", "delta"), blocks.dim)

        def shift_of(key: Key) -> Vector | None:
            inside = group.shift_of(key[1])
            return None if inside is None else blocks.row(tau=inside)

        kept = self._meet(slab, shift_of)
        periods = blocks.rows(t=self.source_periods.basis, tau=self.target_periods.basis)
        return replace(kept, lattice=kept.lattice + Lattice.span(periods, blocks.dim))

    def only(self, keys: Iterable[Key]) -> Relation:
        """The pairs whose point operations `(A, A')` are among `keys`."""
        kept = set(keys)
        return replace(self, operations=tuple(entry for entry in self.operations if entry[0] in kept))

    def on_axes(self, axes: Sequence[int]) -> Relation:
        """The action on some axes of the output, in that order, by the pairs whose g' keeps them among themselves."""
        blocks = self.blocks
        tau = blocks.coordinates("tau")
        kept = [*blocks.coordinates("t"), *(tau[axis] for axis in axes), *blocks.coordinates("delta")]
        operations = []
        for (a, b), shift in self.operations:
            inside = restriction(b, axes)
            if inside is not None:
                operations.append(((a, inside), tuple(shift[i] for i in kept)))
        periods = self.target_periods.project(axes)
        return replace(self, lattice=self.lattice.project(kept), operations=tuple(operations), target_periods=periods)

    def forget_target(self) -> Relation:
        """The action on an output without spatial axes: every g that occurs acts trivially."""
        return self.on_axes(())

    def over(self, parameters: tuple[Any, ...]) -> Relation:
        """The same pairs with these parameters, the present ones among them; each other one may be anything."""
        if parameters == self.parameters:
            return self
        blocks = pair_blocks(self.source_dim, self.target_dim, len(parameters))

        def wide(row: Vector) -> Vector:
            t, tau, _ = self.blocks.split(row)
            delta = self.by_name(row)
            return blocks.row(t=t, tau=tau, delta=[delta.get(name, 0) for name in parameters])

        free = [blocks.row(delta={i: 1}) for i, name in enumerate(parameters) if name not in self.parameters]
        lattice = Lattice.span([*map(wide, self.lattice.basis), *free], blocks.dim)
        operations = tuple((key, wide(shift)) for key, shift in self.operations)
        return replace(self, lattice=lattice, operations=operations, parameters=parameters)

    def identify(self, kept: Any, dropped: Any) -> Relation:
        """The pairs in which two parameters are equal; the second is dropped."""
        return self._where_zero({kept: 1, dropped: -1}).drop(dropped)

    def fix(self, parameter: Any) -> Relation:
        """The pairs in which a parameter is 0; it is dropped."""
        return self._where_zero({parameter: 1}).drop(parameter)

    def drop(self, parameter: Any) -> Relation:
        """The pairs that occur for some value of a parameter, without it."""
        at = self.blocks.coordinates("delta")[self.parameters.index(parameter)]
        kept = [i for i in range(self.lattice.dim) if i != at]
        operations = tuple((key, tuple(shift[i] for i in kept)) for key, shift in self.operations)
        names = tuple(name for name in self.parameters if name != parameter)
        return replace(self, lattice=self.lattice.project(kept), operations=operations, parameters=names)

    def _where_zero(self, form: dict[Any, int]) -> Relation:
        """The pairs whose parameters solve Σ form(δ)·δ = 0."""

        def stacked(row: Vector) -> Vector:
            delta = self.by_name(row)
            return (sum(factor * delta[name] for name, factor in form.items()), *row)

        lattice = Lattice.span([stacked(row) for row in self.lattice.basis], self.lattice.dim + 1)
        solutions = [(key, solve(lattice, 1, stacked(shift))) for key, shift in self.operations]
        operations = tuple((key, shift) for key, shift in solutions if shift is not None)
        return replace(self, lattice=lattice.fibre(1), operations=operations)

    def parameter_moves(self, parameter: Any, step: int, *, output_fixed: bool) -> bool:
        """Whether changing one parameter by `step` stays in the relation with g = 1 and all earlier parameters as is.

        With `output_fixed` the output must stay as it is too: (t, τ, earlier δ) = 0 and δ = step for some later δ.
        """
        blocks, place = self.blocks, self.parameters.index(parameter)
        still = blocks.coordinates("t", "tau") if output_fixed else blocks.coordinates("t")
        order = [*still, *blocks.coordinates("delta")[: place + 1]]
        return (*[0] * (len(order) - 1), step) in self.lattice.project(order)


def one_shift_each(
    lattice: Lattice, operations: Iterable[tuple[Operation, Vector]], *, differences: bool
) -> tuple[Lattice, dict[Operation, Vector]]:
    """The first shift of each operation; with `differences`, those from further ones join the lattice."""
    first: dict[Operation, Vector] = {}
    translations = []
    for key, shift in operations:
        known = first.setdefault(key, shift)
        if differences and known != shift:
            translations.append([x - y for x, y in zip(shift, known, strict=True)])
    return (lattice + Lattice.span(translations, lattice.dim) if translations else lattice), first


def joint_parameters(first: Relation, second: Relation) -> tuple[Any, ...]:
    """The parameters of two relations, those of the first before others."""
    return first.parameters + tuple(name for name in second.parameters if name not in first.parameters)


@lru_cache(maxsize=1 << 14)
def _compose(first: Relation, second: Relation) -> Relation:
    """All (t, τ', δ) with (t, τ, δ) in the first relation and (τ, τ', δ) in the second for some τ.

    A translation of the first is written with gap (τ, δ), δ of the shared parameters, one of the second with minus that
    gap: the sums of gap 0 are those of the composition. Likewise for the shifts of (A, B) in the first and of (B, C) in
    the second.
    """
    shared = [
        (i, second.parameters.index(name)) for i, name in enumerate(first.parameters) if name in second.parameters
    ]
    fresh = [j for j, name in enumerate(second.parameters) if name not in first.parameters]
    gap, known = first.target_dim + len(shared), len(first.parameters)
    blocks = Blocks.of(gap=gap, t=first.source_dim, tau=second.target_dim, known=known, fresh=len(fresh))

    def ahead(row: Vector) -> Vector:
        t, tau, delta = first.blocks.split(row)
        return blocks.row(gap=tau + tuple(delta[i] for i, _ in shared), t=t, known=delta)

    def behind(row: Vector) -> Vector:
        t, tau, delta = second.blocks.split(row)
        minus = [-v for v in (*t, *(delta[j] for _, j in shared))]
        return blocks.row(gap=minus, tau=tau, fresh=[delta[j] for j in fresh])

    stacked = Lattice.span([*map(ahead, first.lattice.basis), *map(behind, second.lattice.basis)], blocks.dim)
    by_matrix: dict[Matrix, list[tuple[Matrix, Vector]]] = {}
    for (b, c), shift in second.operations:
        by_matrix.setdefault(b, []).append((c, behind(shift)))
    operations = []
    for (a, b), shift in first.operations:
        left = ahead(shift)
        for c, right in by_matrix.get(b, ()):
            both = solve(stacked, gap, [x + y for x, y in zip(left, right, strict=True)])
            if both is not None:
                operations.append(((a != b) + (b != c), (a, c), both))
    # Where several operations lie between, the plainest comes first: it is the one that is kept.
    plainest_first = sorted(operations, key=lambda operation: operation[0])
    kept = tuple((key, shift) for _, key, shift in plainest_first)
    periods, names = (first.source_periods, second.target_periods), joint_parameters(first, second)
    return Relation(stacked.fibre(gap), kept, *periods, names)
