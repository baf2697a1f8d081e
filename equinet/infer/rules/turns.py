"""A turn of a loop as a whole: isometries that its formula keeps, whatever its operations do one by one.

Let an isometry g move each array that a loop reads or carries on by a known g′ before the first turn. If a turn gives,
as a formula of all these arrays, the arrays moved so for the arrays moved so, then so does any number of turns, by
induction; and the loop has as many, if its test gives the same. So formulas of one turn are judged, of arrays of which
nothing is known: a loop of a million turns takes no longer than one of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

import numpy as np

from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain
from equinet.groups.relation import Relation
from equinet.infer.compat import Program
from equinet.infer.formulas.operands import LEAD, Formula, IsComplex, Unfollowed, given
from equinet.infer.formulas.program import cost, evaluated, has_products, unknowns
from equinet.infer.formulas.residues import ROWS, Residues, drawn
from equinet.infer.values import Constant, Held, Operand, Value
from equinet.infer.whole import generated

MOST = 2.0**24
"""Numbers that may be made for all isometries of one loop, as `cost` counts them; fewer of a turn of a network."""


@dataclass(frozen=True)
class _Motion:
    """How isometries of the input move an array.

    Attributes:
        action: pairs (g, g′) of isometries of the input and of the grid.
        grid: of the nodes, wrapped around.
        places: for each grid axis the axis of the array.
    """

    action: Relation
    grid: Domain
    places: tuple[int, ...]

    def moved(self, array: Residues, g: Isometry) -> Residues:
        """An array `[rows, cases, *shape]` as g moves it."""
        if not self.places:
            return array
        axes = [LEAD + place for place in self.places]
        first = np.moveaxis(array, axes, range(len(axes)))
        flat = first.reshape(-1, *first.shape[len(axes) :])
        result = np.empty_like(flat)
        result[self.grid.index_map(self.action(g))] = flat
        return np.moveaxis(result.reshape(first.shape), range(len(axes)), axes)


@dataclass(frozen=True)
class Turn:
    """A program that a loop runs at each turn.

    Attributes:
        program: of the arrays before those that are carried, of these, and of the arrays after them.
        before, after: the arrays that are the same at each turn, or of which the same is known.
    """

    program: Program
    before: Sequence[Held]
    after: Sequence[Held] = ()


def kept_by_formula(
    turn: Turn, test: Turn | None, start: Sequence[Held], kept: Sequence[Held]
) -> Sequence[Operand] | None:
    """What a loop carries on under all isometries that a turn keeps as a formula; None if these are no more than are
    known.

    Args:
        turn, test: what gives the arrays that are carried on, and whether there is another turn.
        start: what is carried before the first turn.
        kept: what is known of it, by rules, after any turn but some first ones; or after the last.
    """
    loop = _Loop.of(turn, test, start, kept)
    found = [] if loop is None else loop.found()
    if loop is None or not found:
        return None
    return [
        value.known(value.field.based(generated(value.field.action, [(g, motion.action(g)) for g in found])))
        if isinstance(value, Value) and motion
        else value
        for value, motion in zip(kept, loop.motions, strict=True)
        if isinstance(value, Value | Constant)
    ]


@dataclass(frozen=True)
class _Loop:
    """A loop whose arrays move as far as is known.

    Attributes:
        kept: what holds of the arrays that are carried on, at any turn.
        motions: how they move before the first turn; None for constants.
        all, known: the isometries that move all arrays before the first turn; those that do afterwards.
    """

    turn: Turn
    test: Turn | None
    kept: Sequence[Operand]
    motions: Sequence[_Motion | None]
    all: SpaceGroup
    known: SpaceGroup

    @staticmethod
    def of(turn: Turn, test: Turn | None, start: Sequence[Held], kept: Sequence[Held]) -> _Loop | None:
        """None if an array moves otherwise, or nothing is lost."""
        read = [*turn.before, *turn.after, *(test.before if test else ())]
        carried = [each for each in kept if isinstance(each, Value | Constant)]
        known = [each.field.action.source for each in carried if isinstance(each, Value)]
        if len(carried) < len(kept) or not known or not all(map(_is_plain, (*read, *start, *kept))):
            return None
        before = [_motion(each) for each in (*read, *start) if isinstance(each, Value)]
        motions = [_of_carried(*pair, before) for pair in zip(start, carried, strict=True)]
        if any(m is None and isinstance(each, Value) for each, m in zip(carried, motions, strict=True)):
            return None
        everything = reduce(and_, (m.action.source for m in (*before, *motions) if m))
        least = reduce(and_, known)
        carried = [b if a is b or isinstance(b, Value) else Constant.arbitrary(b.shape)
                   for a, b in zip(start, carried, strict=True)]  # fmt: skip
        return None if everything <= least else _Loop(turn, test, carried, motions, everything, least)

    def found(self) -> list[Isometry]:
        """Isometries that are not known and that a turn keeps: of each operation one, and steps along each axis."""
        candidates = [Isometry(*operation) for operation in self.all.operations]
        candidates += [g for g in self.all.generators if g.is_translation]
        programs = [self.turn.program, *([self.test.program] if self.test else ())]
        most = MOST / 8 if any(map(has_products, programs)) else MOST
        each = ROWS * sum(cost(program, most) for program in programs)
        left = [g for g in candidates if g not in self.known][: max(int(most / max(each, 1)) - 1, 0)]
        try:
            return self._kept(left)
        except Unfollowed:
            return []

    def _kept(self, isometries: Sequence[Isometry]) -> list[Isometry]:
        if not isometries:
            return []
        try:
            with drawn(0, conjugate=False):
                holds = self._holds(isometries)
        except IsComplex:
            holds = np.ones(len(isometries), bool)
            for number in range(2):
                with drawn(number, conjugate=True):
                    holds &= self._holds(isometries)
        return [g for g, is_kept in zip(isometries, holds, strict=True) if is_kept]

    def _holds(self, isometries: Sequence[Isometry]) -> np.ndarray:
        """For each isometry, whether a turn moves what it gives as it is moved, and the test stays as it is."""
        first = len(self.turn.before)
        variables = self.turn.program.inputs[first : first + len(self.kept)]
        carried = [
            _cases(f"carried {at}", value, motion, var, isometries)
            for at, (value, motion, var) in enumerate(zip(self.kept, self.motions, variables, strict=True))
        ]
        holds = np.ones(len(isometries), bool)
        found = _run(self.turn, "read", carried, isometries)
        for array, motion in zip(found[: len(carried)], self.motions, strict=True):
            holds &= _agree(given(array), motion, isometries)
        if self.test is not None:
            (going,) = _run(self.test, "tested", carried, isometries)
            holds &= _agree(given(going), None, isometries)
        return holds


def _run(turn: Turn, name: str, carried: Sequence[Formula], isometries: Sequence[Isometry]) -> list[Formula]:
    variables, count = turn.program.inputs, len(turn.before)
    places = [*range(count), *range(count + len(carried), len(variables))]
    read = [
        _cases(f"{name} {at}", value, _motion(value) if isinstance(value, Value) else None, variables[at], isometries)
        for at, value in zip(places, (*turn.before, *turn.after), strict=True)
        if isinstance(value, Value | Constant)
    ]
    return evaluated(turn.program, [*read[:count], *carried, *read[count:]], generic=True)


def _is_plain(held: Held) -> bool:
    """Whether an array moves by nodes along axes of its own, each of a size, if it moves."""
    if not isinstance(held, Value):
        return isinstance(held, Constant)
    places = [held.grid_axis(i) for i in held.moved_axes]
    return not held.stem.variables and sorted(places, key=str) == [*range(held.dim)] and None not in held.grid.sizes


def _motion(value: Value) -> _Motion:
    places = {value.grid_axis(i): i for i in value.moved_axes}
    return _Motion(value.field.action, value.grid.wrapped, tuple(places[axis] for axis in range(value.dim)))


def _of_carried(start: Held, kept: Operand, others: Sequence[_Motion]) -> _Motion | None:
    """How an array moves that is carried on: as before the first turn. A constant moves as another array on such a grid
    does, if that leaves it as it is."""
    if isinstance(kept, Constant):
        return None
    now = _motion(kept)
    if isinstance(start, Value):
        first = _motion(start)
        return first if (first.grid, first.places) == (now.grid, now.places) else None
    if not now.places:
        return _Motion(others[0].action.forget_target(), now.grid, ()) if others else None
    alike = next((one.action for one in others if one.grid == now.grid), None)
    if alike is None or not isinstance(start, Constant) or start.array is None:
        return None
    values = np.moveaxis(start.array, now.places, range(len(now.places)))
    # One number for all nodes: whatever moves them leaves them as they are.
    is_even = bool((values == values[(slice(0, 1),) * len(now.places)]).all())
    return _Motion(alike, now.grid, now.places) if is_even else None


def _cases(name: str, value: Operand, motion: _Motion | None, var: Any, isometries: Sequence[Isometry]) -> Formula:
    """Unknowns in place of an array, then these moved by each isometry; what is known of a constant, as it is."""
    if isinstance(value, Constant) and value.lazy is not None:
        return value
    array = unknowns(name, value.shape, var.aval.dtype)
    if motion is None:
        return array
    return np.concatenate([array, *(motion.moved(array, g) for g in isometries)], 1)


def _agree(found: Residues, motion: _Motion | None, isometries: Sequence[Isometry]) -> np.ndarray:
    """For each isometry, whether its case is the first one, moved by it."""
    wide = np.broadcast_to(found, (len(found), 1 + len(isometries), *found.shape[LEAD:]))
    first = wide[:, :1]
    expected = [motion.moved(first, g) if motion else first for g in isometries]
    return np.asarray([np.array_equal(wide[:, at : at + 1], each) for at, each in enumerate(expected, start=1)])
