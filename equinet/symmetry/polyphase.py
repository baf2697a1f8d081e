"""Adaptive polyphase layers in the algebra: an action with the change of phase as a parameter.

With stride s and chosen offset o*, `y[i] = x[s i + o*]`. Moving x by `(A, t)` moves y by `(A, τ)` with
`s τ = t + A c − c + δ`, c = (s−1)/2 the centre of a block of s nodes and δ = (A o* − o*') − (A c − c) the change of
phase. The realised δ depends on the data: δ ≡ −(t + A c − c) mod s and |δ| < s. So δ = 0 where s divides
t + A c − c, and elsewhere both of two values, s apart, occur.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from equinet.groups import Lattice, Matrix, matrix_of
from equinet.groups.domain import Domain
from equinet.groups.isometry import Images
from equinet.groups.relation import Key, Relation, pair_blocks
from equinet.symmetry.ties import Later
from equinet.symmetry.window_rule import canonical_matrix, canonical_operations


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


def polyphase_action(phase: Phase, coarse: Domain, *, translations_only: bool = False) -> Relation:
    """The action of a polyphase layer; its parameters are `(phase, axis)` for each axis with a choice."""
    steps = tuple((s, 1) for s in phase.stride)
    return _named(phase, _action(phase.grid.wrapped, coarse.wrapped, phase.stride, steps, translations_only))


def roll_action(phase: Phase) -> Relation:
    """The action of a roll that brings the phase to the origin, `y[p] = x[p + o*]`; parameters as `polyphase_action`.

    y moves by `t + A o* − o*′`. Where the phase is that of x, this is a multiple of s: s τ, as the kept component,
    which lies at the multiples of s, moves by τ.
    """
    grid, steps = phase.grid.wrapped, tuple((s, s) for s in phase.stride)
    return _named(phase, _action(grid, grid, phase.stride, steps, False))


def unroll_action(phase: Phase) -> Relation:
    """The action of the roll back, of any value, however it moves: `y[p + o*] = x[p]`."""
    grid, steps = phase.grid.wrapped, ((1, 1),) * len(phase.stride)
    return _named(phase, _action(grid, grid, phase.stride, steps, False).inverse())


def _named(phase: Phase, action: Relation) -> Relation:
    return action.with_names(tuple((phase, axis) for axis in action.parameters))


@lru_cache(maxsize=1 << 10)
def _action(
    fine: Domain,
    coarse: Domain,
    stride: tuple[int, ...],
    steps: tuple[tuple[int, int], ...],
    translations_only: bool,
) -> Relation:
    """All (A, t, τ, δ) with `(k / u) τ = t + A c − c + δ` along each axis, where A exchanges axes of one stride alone.

    For A = 1 they are spanned by (t, τ, δ) = (k, u, 0), a step of the axis, and (1, 0, −1). With a reversed axis
    t = c − A c = s − 1 solves the equation for τ = δ = 0. δ is left out where s = 1.
    """
    moving = tuple(axis for axis, s in enumerate(stride) if s > 1)
    blocks = pair_blocks(fine.dim, fine.dim, len(moving))
    rows = blocks.rows(t=fine.periods.basis, tau=coarse.periods.basis)
    rows += [blocks.row(t={axis: k}, tau={axis: u}) for axis, (k, u) in enumerate(steps)]
    rows += [blocks.row(t={axis: 1}, delta={place: -1}) for place, axis in enumerate(moving)]
    operations = []
    for images in canonical_operations(fine):
        if translations_only and not _moves_components_cyclically(images, coarse):
            continue
        if any(stride[axis] != stride[image] for axis, (image, _) in enumerate(images)):
            continue
        t = {image: stride[image] - 1 for image, sign in images if sign < 0}
        operations.append(((matrix_of(images), canonical_matrix(coarse, images)), blocks.row(t=t)))
    return Relation(Lattice.span(rows, blocks.dim), tuple(operations), fine.periods, coarse.periods, moving)


def _moves_components_cyclically(images: Images, coarse: Domain) -> bool:
    """Whether a point operation moves every component by a cyclic shift: reversed axes have at most two nodes."""
    sizes = coarse.sizes
    return all(
        (image == axis or sizes[axis] == sizes[image] == 1) and (sign > 0 or sizes[axis] in (1, 2))
        for axis, (image, sign) in enumerate(images)
    )


def same_phases(action: Relation, pairs: Iterable[tuple[Phase, Phase]]) -> Relation:
    """An action where the phases of each pair are one: along each axis both change alike."""
    for mine, theirs in pairs:
        action = action.only(_alike(action, mine, theirs))
        for axis in range(len(mine.stride)):
            if {(mine, axis), (theirs, axis)} <= set(action.parameters):
                action = action.identify((mine, axis), (theirs, axis))
    return action


def replace_phase(action: Relation, phase: Phase, known: Phase) -> Relation:
    """An action where a phase is one that was chosen elsewhere."""
    names = tuple((known if chosen is phase else chosen, axis) for chosen, axis in action.parameters)
    kept = action.only(_alike(action, phase, known)) if max(phase.stride) > 1 else action
    return kept.with_names(names)


def _alike(action: Relation, one: Phase, other: Phase) -> list[Key]:
    """The operations that act alike on the grids of two phases."""
    alike = {a for a, _ in set(one.operations) & set(other.operations)}
    return [key for key, _ in action.operations if key[0] in alike]


def put_back(action: Relation, phase: Phase, back: Relation) -> Relation:
    """The action on a value that is put back at a phase: its change of phase is that of the choice, where `action` has
    it among its parameters, and else 0.

    Args:
        back: how the layer that puts back moves what it is given.
    """
    result = action.then(back).only(phase.operations)
    for name in reversed(result.parameters[len(action.parameters) :]):
        result = result.fix(name)
    return result


def strict_action(action: Relation, *, output_fixed: bool) -> Relation:
    """Eliminate the parameters: the pairs that hold whatever phases the data choose.

    From the last choice to the first: where both realised values of a parameter stay in the relation (and, with
    `output_fixed`, move the output alike), it may be anything; else only elements that leave the phase as it is remain.
    """
    for name in reversed(action.parameters):
        phase, axis = name
        free = action.parameter_moves(name, phase.stride[axis], output_fixed=output_fixed)
        action = action.drop(name) if free else action.fix(name)
    return action
