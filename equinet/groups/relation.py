"""Homomorphisms between groups of isometries, held as their graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from equinet.checks import as_kind
from equinet.groups.isometry import Isometry, Matrix, Vector, identity_matrix, matvec
from equinet.groups.lattice import Lattice, lift
from equinet.groups.space_group import SpaceGroup, meet_cosets

Key = tuple[Matrix, Matrix]


def _block(a: Matrix, b: Matrix) -> Matrix:
    return tuple(row + (0,) * len(b) for row in a) + tuple((0,) * len(a) + row for row in b)


def _add(a: Sequence[int], b: Sequence[int]) -> Vector:
    return tuple(x + y for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class Relation:
    """A subgroup Γ of pairs (g, g'), the graph of an action: g moves the input, g' moves the output.

    Γ is itself a space group, in the sum of the two spaces: `lattice` holds the pairs of translations `(t, t')`, and
    `operations` one pair of shifts for each pair of point operations `(A, A')`. For a layer f, Γ is the set of *all*
    pairs with `f(g·x) = g'·f(x)`; g' is unique up to the output isometries that fix every output. So composition of
    layers composes relations, a join of branches intersects them, and the invariance group is the fibre over the
    identity.

    Coordinates past `source_dim + target_dim` are *parameters*: integers δ on which the output action depends although
    g does not fix them (the change of phase of an adaptive polyphase layer, known only from the data).

    Args:
        source_dim, target_dim: dimensions d and d' of the two spaces.
        lattice: in Z^(d + d' + parameters); contains the periods of both sides.
        operations: pairs `((A, A'), (t, t', δ))`.
        source_periods, target_periods: the translations that act as the identity on either side.
    """

    source_dim: int
    target_dim: int
    lattice: Lattice
    operations: tuple[tuple[Key, Vector], ...]
    source_periods: Lattice
    target_periods: Lattice

    def __post_init__(self) -> None:
        reduced = sorted((key, self.lattice.reduce(shift)) for key, shift in self.operations)
        object.__setattr__(self, "operations", tuple(reduced))

    @cached_property
    def _hash(self) -> int:
        return hash((self.source_dim, self.target_dim, self.lattice, self.operations))

    def __hash__(self) -> int:
        return self._hash

    @staticmethod
    def identity(group: SpaceGroup) -> Relation:
        """g ↦ g on `group`."""
        rows = [row + row for row in group.lattice.basis]
        none = (0,) * group.dim
        rows += [row + none for row in group.periods.basis]
        ops = tuple(((a, a), t + t) for a, t in group.operations)
        lattice = Lattice.span(rows, 2 * group.dim)
        return Relation(group.dim, group.dim, lattice, ops, group.periods, group.periods)

    @staticmethod
    def affine(source: SpaceGroup, target: SpaceGroup, scale: Sequence[int], offset: Sequence[int]) -> Relation:
        """The action induced by sampling: `σ(p') = S p' + c` with S diagonal; pairs with `g σ = σ g'`.

        So `A' = S⁻¹ A S` and `t' = S⁻¹ (t + A c − c)`, where these are integral and lie in `target`.
        Where σ does not carry the target's periods to the source's, only the identity remains.

        >>> whole = SpaceGroup.of_translations(Lattice.full(1))
        >>> half = Relation.affine(whole, whole, scale=(2,), offset=(0,))
        >>> str(half.source.lattice), str(half(Isometry.translation((6,))))
        ('2Z', 'x+3')
        """
        dim = source.dim
        if len(scale) != dim or len(offset) != dim or target.dim != dim or 0 in scale:
            raise ValueError(f"scale and offset need {dim} entries each, scale without zeros; got {scale} and {offset}")
        matrix = tuple(tuple(s if i == j else 0 for j in range(dim)) for i, s in enumerate(scale))
        none = (0,) * dim
        rows = [matvec(matrix, row) + row for row in target.lattice.basis]
        periods = [row + none for row in source.periods.basis] + [none + row for row in target.periods.basis]
        pairs = Lattice.span(rows, 2 * dim) & Lattice.span(
            [row + none for row in source.lattice.basis] + [none + row for row in target.lattice.basis], 2 * dim
        )
        if not target.periods.image(matrix) <= source.periods:
            # The sampled grid does not close up around the torus: only the identity is known to remain.
            identity = (identity_matrix(dim), identity_matrix(dim))
            only = ((identity, none + none),)
            return Relation(dim, dim, Lattice.span(periods, 2 * dim), only, source.periods, target.periods)
        lattice = pairs + Lattice.span(periods, 2 * dim)
        found = []
        for a, t in source.operations:
            if matmul_scaled(a, scale) and (there := target.shift_of(a)) is not None:
                # Solve t + λ + A c − c = S (t' + λ') over λ in the source lattice, λ' in the target lattice.
                wanted = tuple(
                    x + y - c - z
                    for x, y, c, z in zip(t, matvec(a, offset), offset, matvec(matrix, there), strict=True)
                )
                stacked = Lattice.span(
                    [matvec(matrix, row) + none + row for row in target.lattice.basis]
                    + [tuple(-v for v in row) + row + none for row in source.lattice.basis],
                    3 * dim,
                )
                tail = lift(stacked, dim, wanted)
                if tail is not None:
                    found.append(((a, a), _add(t + there, tail)))
        return Relation(dim, dim, lattice, tuple(found), source.periods, target.periods)

    @staticmethod
    def generate(
        pairs: Iterable[tuple[Isometry, Isometry]], source_periods: Lattice, target_periods: Lattice
    ) -> Relation:
        """The smallest relation that contains the given pairs (g, g')."""
        d, e = source_periods.dim, target_periods.dim
        joint = [Isometry(_block(g.matrix, h.matrix), g.shift + h.shift) for g, h in pairs]
        periods = Lattice.span(
            [row + (0,) * e for row in source_periods.basis] + [(0,) * d + row for row in target_periods.basis], d + e
        )
        graph = SpaceGroup.generate(d + e, joint, periods)
        ops = tuple(
            ((tuple(row[:d] for row in m[:d]), tuple(row[d:] for row in m[d:])), shift) for m, shift in graph.operations
        )
        return Relation(d, e, graph.lattice, ops, source_periods, target_periods)

    @staticmethod
    def from_images(
        images: Mapping[Isometry, Isometry] | Iterable[tuple[Isometry, Isometry]],
        source_periods: Lattice,
        target_periods: Lattice,
    ) -> Relation:
        """The homomorphism that sends each generator to its image.

        Raises:
            ValueError: if no homomorphism does: some relation among the generators fails among the images.
        """
        made = Relation.generate(dict(images).items(), source_periods, target_periods)
        if not made.is_single_valued:
            raise ValueError("the images of the generators do not define a homomorphism: a relation fails among them")
        return made

    @property
    def parameters(self) -> int:
        """Number of parameters δ."""
        return self.lattice.dim - self.source_dim - self.target_dim

    def _coordinates(self, *, source: bool = False, target: bool = False, parameters: bool = False) -> list[int]:
        d, e = self.source_dim, self.target_dim
        kept = list(range(d)) if source else []
        kept += list(range(d, d + e)) if target else []
        return kept + (list(range(d + e, self.lattice.dim)) if parameters else [])

    @cached_property
    def source(self) -> SpaceGroup:
        """The group of all g that occur (for some value of the parameters)."""
        return _project(self, 0, self.source_dim, self.source_periods)

    @cached_property
    def image(self) -> SpaceGroup:
        """The group of all g' that occur."""
        return _project(self, 1, self.target_dim, self.target_periods)

    @cached_property
    def kernel(self) -> SpaceGroup:
        """The g that pair with the identity: they act trivially on the output."""
        return self.restrict_target(SpaceGroup.trivial(self.target_dim, self.target_periods)).source

    @cached_property
    def stabiliser(self) -> SpaceGroup:
        """The g' that pair with the identity: output isometries that fix every output."""
        return self.inverse().kernel

    @property
    def is_single_valued(self) -> bool:
        """Whether each g has one image, modulo the target's periods."""
        return self.stabiliser.is_trivial

    def inverse(self) -> Relation:
        """The relation with its two sides exchanged."""
        order = [
            *self._coordinates(target=True),
            *self._coordinates(source=True),
            *self._coordinates(parameters=True),
        ]
        ops = tuple(((b, a), tuple(shift[i] for i in order)) for (a, b), shift in self.operations)
        return Relation(
            self.target_dim,
            self.source_dim,
            self.lattice.project(order),
            ops,
            self.target_periods,
            self.source_periods,
        )

    def __call__(self, g: Isometry) -> Isometry:
        """An image of g (the point operation of g itself where that is one of several).

        Raises:
            ValueError: if g is not in `source`.
        """
        d, e = self.source_dim, self.target_dim
        if as_kind(g, Isometry, "an action is one of isometries").dim != d:
            raise ValueError(f"{g} is an isometry of Z^{g.dim}; this action is one of isometries of Z^{d}")
        options = [(b, shift) for (a, b), shift in self.operations if a == g.matrix]
        for b, shift in sorted(options, key=lambda option: option[0] != g.matrix):
            tail = lift(self.lattice, d, [x - y for x, y in zip(g.shift, shift[:d], strict=True)])
            if tail is not None:
                kept = tuple(x + y for x, y in zip(shift[d : d + e], tail[:e], strict=True))
                return Isometry(b, self.target_periods.reduce(kept))
        raise ValueError(f"{g} is not in {self.source}, the group this action is defined on")

    def __contains__(self, pair: tuple[Isometry, Isometry]) -> bool:
        """Whether (g, g') is one of the pairs, for some value of the parameters."""
        g, h = pair
        both = self.source_dim + self.target_dim
        for key, shift in self.operations:
            if key == (g.matrix, h.matrix):
                gap = [x - y for x, y in zip(g.shift + h.shift, shift[:both], strict=True)]
                return lift(self.lattice, both, gap) is not None
        return False

    def then(self, other: Relation) -> Relation:
        """The composition: pairs (g, g'') with (g, g') here and (g', g'') in `other` for some g'."""
        if self.target_dim != other.source_dim:
            raise ValueError(
                f"cannot compose: the first maps to dimension {self.target_dim}, "
                f"the second starts from dimension {other.source_dim}"
            )
        return _compose(self, other)

    def __and__(self, other: Relation) -> Relation:
        """The equalizer: the pairs in both, so all g on which the two actions agree."""
        if (self.source_dim, self.target_dim, self.parameters) != (
            other.source_dim,
            other.target_dim,
            other.parameters,
        ):
            raise ValueError("an equalizer needs two actions between the same spaces, with the same parameters")
        if self == other:
            return self
        theirs = dict(other.operations)
        common = []
        for key, shift in self.operations:
            if key in theirs:
                met = meet_cosets(self.lattice, shift, other.lattice, theirs[key])
                if met is not None:
                    common.append((key, met))
        return self._with(self.lattice & other.lattice, common)

    def equalizer(self, other: Relation) -> SpaceGroup:
        """The group of all g on which two actions agree."""
        return (self & other).source

    def preimage(self, group: SpaceGroup) -> SpaceGroup:
        """All g with an image in `group`."""
        return self.restrict_target(group).source

    def image_of(self, group: SpaceGroup) -> SpaceGroup:
        """All images of the elements of `group`."""
        return self.inverse().preimage(group)

    def restrict(self, group: SpaceGroup) -> Relation:
        """The pairs whose g lies in `group`."""
        return self.inverse().restrict_target(group).inverse()

    def restrict_target(self, group: SpaceGroup) -> Relation:
        """The pairs whose g' lies in `group`."""
        d, e, m = self.source_dim, self.target_dim, self.parameters
        free = [tuple(int(i == j) for j in range(self.lattice.dim)) for i in (*range(d), *range(d + e, d + e + m))]
        slab = Lattice.span([(0,) * d + row + (0,) * m for row in group.lattice.basis] + free, self.lattice.dim)
        kept = []
        for key, shift in self.operations:
            inside = group.shift_of(key[1])
            if inside is not None:
                met = meet_cosets(self.lattice, shift, slab, (0,) * d + inside + (0,) * m)
                if met is not None:
                    kept.append((key, met))
        return self._with((self.lattice & slab) + self._periods, kept)

    def only(self, keys: Iterable[Key]) -> Relation:
        """The pairs whose point operations `(A, A')` are among `keys`."""
        wanted = set(keys)
        return self._with(self.lattice, [(key, shift) for key, shift in self.operations if key in wanted])

    def forget_target(self) -> Relation:
        """The action on an output without spatial axes: every g that occurs acts trivially."""
        keep = self._coordinates(source=True, parameters=True)
        ops: list[tuple[Key, Vector]] = [((a, ()), tuple(s[i] for i in keep)) for (a, _), s in self.operations]
        lattice, operations = merge_operations(self.lattice.project(keep), ops, self.parameters)
        return Relation(self.source_dim, 0, lattice, operations, self.source_periods, Lattice.zero(0))

    def with_parameters(self, positions: Sequence[int], count: int) -> Relation:
        """The same action with `count` parameters: the present ones at `positions`, the others free."""
        base = self.source_dim + self.target_dim
        if tuple(positions) == tuple(range(count)):
            return self
        size = base + count

        def spread(row: Vector) -> Vector:
            wide = list(row[:base]) + [0] * count
            for value, position in zip(row[base:], positions, strict=True):
                wide[base + position] = value
            return tuple(wide)

        units = [
            tuple(int(i == base + free) for i in range(size)) for free in range(count) if free not in set(positions)
        ]
        lattice = Lattice.span([*map(spread, self.lattice.basis), *units], size)
        return self._with(lattice, [(key, spread(shift)) for key, shift in self.operations])

    def identify(self, kept: int, dropped: int) -> Relation:
        """The pairs in which two parameters are equal; the second is dropped."""
        base = self.source_dim + self.target_dim
        functional = [0] * self.lattice.dim
        functional[base + kept], functional[base + dropped] = 1, -1
        return self._where_zero(functional).drop(dropped)

    def fix(self, parameter: int) -> Relation:
        """The pairs in which a parameter is 0; it is dropped."""
        functional = [0] * self.lattice.dim
        functional[self.source_dim + self.target_dim + parameter] = 1
        return self._where_zero(functional).drop(parameter)

    def drop(self, parameter: int) -> Relation:
        """The pairs that occur for some value of a parameter, without it."""
        at = self.source_dim + self.target_dim + parameter
        keep = [i for i in range(self.lattice.dim) if i != at]
        ops = [(key, tuple(shift[i] for i in keep)) for key, shift in self.operations]
        return self._with(self.lattice.project(keep), ops)

    def _where_zero(self, functional: Sequence[int]) -> Relation:
        def value(row: Sequence[int]) -> int:
            return sum(x * y for x, y in zip(functional, row, strict=True))

        stacked = Lattice.span([(value(row), *row) for row in self.lattice.basis], self.lattice.dim + 1)
        kept = []
        for key, shift in self.operations:
            tail = lift(stacked, 1, (-value(shift),))
            if tail is not None:
                kept.append((key, _add(shift, tail)))
        return self._with(stacked.fibre(1), kept)

    def parameter_moves(self, parameter: int, step: int, *, output_fixed: bool) -> bool:
        """Whether changing one parameter by `step` stays in the relation with g = 1 and all earlier parameters as is.

        With `output_fixed` the output must stay as it is too.
        """
        d, e = self.source_dim, self.target_dim
        at = d + e + parameter
        zeros = [*range(d), *(range(d, d + e) if output_fixed else ()), *range(d + e, at)]
        order = [*zeros, at]
        return self.lattice.project(order).__contains__([0] * len(zeros) + [step])

    @cached_property
    def _periods(self) -> Lattice:
        m = self.parameters
        rows = [row + (0,) * (self.target_dim + m) for row in self.source_periods.basis]
        rows += [(0,) * self.source_dim + row + (0,) * m for row in self.target_periods.basis]
        return Lattice.span(rows, self.lattice.dim)

    def _with(self, lattice: Lattice, operations: Iterable[tuple[Key, Vector]]) -> Relation:
        return Relation(
            self.source_dim, self.target_dim, lattice, tuple(operations), self.source_periods, self.target_periods
        )


def matmul_scaled(a: Matrix, scale: Sequence[int]) -> bool:
    """Whether `S⁻¹ A S` is again a signed permutation: A exchanges only axes of equal scale."""
    return all(not v or scale[i] == scale[j] for i, row in enumerate(a) for j, v in enumerate(row))


def _project(graph: Relation, side: int, dim: int, periods: Lattice) -> SpaceGroup:
    start = graph.source_dim if side else 0
    lattice = graph.lattice.project(range(start, start + dim)) + periods
    pairs = [((key[side], ()), shift[start : start + dim]) for key, shift in graph.operations]
    lattice, operations = merge_operations(lattice, pairs, graph.parameters)
    return SpaceGroup(lattice, tuple((key[0], shift) for key, shift in operations), periods)


def merge_operations(
    lattice: Lattice, operations: Iterable[tuple[Key, Vector]], parameters: int = 0
) -> tuple[Lattice, tuple[tuple[Key, Vector], ...]]:
    """One shift for each pair of point operations; two for one pair differ by a translation, which joins the lattice.

    With parameters the first shift is kept alone, since a second may act otherwise on them: a smaller relation.
    """
    found: dict[Key, Vector] = {}
    translations = []
    for key, shift in operations:
        known = found.setdefault(key, shift)
        if known != shift and not parameters:
            translations.append([x - y for x, y in zip(shift, known, strict=True)])
    if translations:
        lattice = lattice + Lattice.span(translations, lattice.dim)
    return lattice, tuple(found.items())


@lru_cache(maxsize=1 << 14)
def _compose(first: Relation, second: Relation) -> Relation:
    d, e, f = first.source_dim, first.target_dim, second.target_dim
    m, n = first.parameters, second.parameters
    rows = [row[d : d + e] + row[:d] + (0,) * f + row[d + e :] + (0,) * n for row in first.lattice.basis]
    rows += [
        tuple(-v for v in row[:e]) + (0,) * d + row[e : e + f] + (0,) * m + row[e + f :] for row in second.lattice.basis
    ]
    stacked = Lattice.span(rows, e + d + f + m + n)
    by_matrix: dict[Matrix, list[tuple[Matrix, Vector]]] = {}
    for (b, c), shift in second.operations:
        by_matrix.setdefault(b, []).append((c, shift))
    found, plain = [], []
    for (a, b), left in first.operations:
        for c, right in by_matrix.get(b, ()):
            tail = lift(stacked, e, [x - y for x, y in zip(right[:e], left[d : d + e], strict=True)])
            if tail is not None:
                found.append(((a, c), _add(left[:d] + right[e : e + f] + left[d + e :] + right[e + f :], tail)))
                # Where several operations lie between, the plainest comes first: it is the one that is kept.
                plain.append((a != b) + (b != c))
    found = [entry for _, entry in sorted(zip(plain, found, strict=True), key=lambda pair: pair[0])]
    lattice, operations = merge_operations(stacked.fibre(e), found, parameters=m + n)
    return Relation(d, f, lattice, operations, first.source_periods, second.target_periods)
