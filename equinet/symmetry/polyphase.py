"""Adaptive polyphase layers in the algebra: an action with the change of phase as a parameter.

With stride s and chosen offset o*, `y[i] = x[s i + o*]`. Moving x by `(A, t)` moves y by `(A, τ)` with
`s τ = t + A c − c + δ`, c = (s−1)/2 the centre of a block of s nodes and δ = (A o* − o*') − (A c − c) the change of
phase. The realised δ depends on the data: δ ≡ −(t + A c − c) mod s and |δ| < s. So δ = 0 where s divides
t + A c − c, and elsewhere both of two values, s apart, occur.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from equinet.groups import Lattice, Matrix
from equinet.groups.domain import Domain
from equinet.groups.relation import Relation
from equinet.symmetry.ties import Later
from equinet.symmetry.window_rule import Images, canonical_operations, fixes_nodes, matrix_of


@dataclass(frozen=True, eq=False)
class Phase:
    """One choice of a polyphase component.

    Attributes:
        stride: s, per axis.
        grid: the grid it was chosen on.
        operations: for each point operation of the network's input, the one that acts on that grid.
        chosen: the offsets that were chosen in each run of the network (`equinet.symmetry.ties.Trial`).
    """

    stride: tuple[int, ...]
    grid: Domain
    operations: tuple[tuple[Matrix, Matrix], ...] = ()
    chosen: Later = field(default_factory=Later, repr=False)


def polyphase_action(
    phase: Phase, coarse: Domain, *, down: bool, translations_only: bool
) -> tuple[Relation, tuple[int, ...]]:
    """The action of a polyphase layer (`down`) or of putting its output back; and the axes that have a parameter."""
    return _action(phase.grid.wrapped, coarse.wrapped, phase.stride, down, translations_only)


@lru_cache(maxsize=1 << 10)
def _action(
    fine: Domain, coarse: Domain, stride: tuple[int, ...], down: bool, translations_only: bool
) -> tuple[Relation, tuple[int, ...]]:
    dim = fine.dim
    moving = tuple(i for i in range(dim) if stride[i] > 1)
    size = 2 * dim + len(moving)

    def row(t: dict[int, int], there: dict[int, int], delta: dict[int, int]) -> tuple[int, ...]:
        wide = [0] * size
        for i, v in t.items():
            wide[i] = v
        for i, v in there.items():
            wide[dim + i] = v
        for i, v in delta.items():
            wide[2 * dim + moving.index(i)] = v
        return tuple(wide)

    rows = []
    for i, axis in enumerate(fine.axes):
        rows.append(row({i: stride[i]}, {i: 1}, {}))
        if i in moving:
            rows.append(row({i: 1}, {}, {i: -1}))
        if axis.boundary == "periodic":
            rows += [row({i: axis.size or 0}, {}, {}), row({}, {i: coarse.axes[i].size or 0}, {})]
    operations = {}
    for images in canonical_operations(fine):
        if (translations_only and not _moves_components_cyclically(images, coarse)) or any(
            stride[axis] != stride[image] for axis, (image, _) in enumerate(images)
        ):
            continue
        t, signed = {}, []
        for axis, (image, sign) in enumerate(images):
            if sign < 0:
                t[image] = stride[image] - 1
            trivial = fixes_nodes(coarse.axes[axis])
            signed.append((axis if coarse.axes[axis].size == 1 else image, 1 if trivial else sign))
        operations[matrix_of(images), matrix_of(tuple(signed))] = row(t, {}, {})
    made = Relation(dim, dim, Lattice.span(rows, size), tuple(operations.items()), fine.periods, coarse.periods)
    return (made if down else made.inverse()), moving


def _moves_components_cyclically(images: Images, coarse: Domain) -> bool:
    """Whether a point operation moves every component by a cyclic shift: reversed axes have at most two nodes."""
    sizes = coarse.sizes
    return all(
        (image == axis or sizes[axis] == sizes[image] == 1) and (sign > 0 or sizes[axis] in (1, 2))
        for axis, (image, sign) in enumerate(images)
    )


def same_phases(
    action: Relation, variables: Sequence[tuple[Phase, int]], pairs: Iterable[tuple[Phase, Phase]]
) -> tuple[Relation, tuple[tuple[Phase, int], ...]]:
    """An action where the phases of each pair are one and the same, and what its parameters belong to then."""
    kept = list(variables)
    for mine, theirs in pairs:
        alike = {a for a, _ in set(mine.operations) & set(theirs.operations)}
        action = action.only(key for key, _ in action.operations if key[0] in alike)
        for axis in range(len(mine.stride)):
            if (mine, axis) in kept and (theirs, axis) in kept:
                dropped = kept.index((theirs, axis))
                action = action.identify(kept.index((mine, axis)), dropped)
                kept.pop(dropped)
    return action, tuple(kept)


def put_back(action: Relation, variables: Sequence[tuple[Phase, int]], phase: Phase, moving: Sequence[int]) -> Relation:
    """An action whose last parameters are those of a phase put back: now those of the choice, or 0 if none moves it."""
    for axis in reversed(moving):
        fresh = len(variables) + moving.index(axis)
        known = (phase, axis) in variables
        action = action.identify(variables.index((phase, axis)), fresh) if known else action.fix(fresh)
    return action


def strict_action(action: Relation, variables: tuple[tuple[Phase, int], ...], *, output_fixed: bool) -> Relation:
    """Eliminate the parameters: the pairs that hold whatever phases the data choose.

    From the last choice to the first: where both realised values of a parameter stay in the relation (and, with
    `output_fixed`, move the output alike), it may be anything; else only elements that leave the phase as it is remain.
    """
    for parameter in reversed(range(action.parameters)):
        phase, axis = variables[parameter]
        free = action.parameter_moves(parameter, phase.stride[axis], output_fixed=output_fixed)
        action = action.drop(parameter) if free else action.fix(parameter)
    return action
