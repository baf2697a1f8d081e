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

    def leaves(self, constant: Constant) -> bool:
        """Whether a constant is one number for all nodes, so that whatever moves them leaves it as it is."""
        if constant.array is None:
            return False
        values = np.moveaxis(constant.array, self.places, range(len(self.places)))
        return bool((values == values[(slice(0, 1),) * len(self.places)]).all())


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
        carried.under(found, value) if isinstance(value, Value) and carried else value
        for value, carried in zip(kept, loop.carried, strict=True)
        if isinstance(value, Value | Constant)
    ]


@dataclass(frozen=True)
class _Carried:
    """An array that is carried on.

    Attributes:
        motion: how it moves before the first turn.
        value: an array that is laid out as it is.
        known: pairs of isometries that are known to move it after any turn.
    """

    motion: _Motion
    value: Value
    known: Relation

    @staticmethod
    def of(start: Held, kept: Value, others: Sequence[Value]) -> _Carried | None:
        """None if it is not known how it moves.

        A constant moves as another array does that is on such a grid, or of its shape, if that leaves it as it is. It
        may be wrong, which the formula shows.
        """
        now = _motion(kept)
        if isinstance(start, Value):
            first = _motion(start)
            if (first.grid, first.places) == (now.grid, now.places):
                return _Carried(first, kept, kept.field.action)
            return _Carried(first, start, _nothing(first.action))
        assert isinstance(start, Constant)
        for other in others:
            moves = _motion(other)
            if now.places and moves.grid == now.grid:
                found = _Carried(_Motion(moves.action, now.grid, now.places), kept, kept.field.action)
            elif not now.places and moves.places and other.shape == kept.shape:
                found = _Carried(moves, other, _nothing(moves.action))
            else:
                continue
            return found if found.motion.leaves(start) else None
        if now.places or not others:
            return None
        return _Carried(_Motion(_motion(others[0]).action.forget_target(), now.grid, ()), kept, kept.field.action)

    def under(self, isometries: Sequence[Isometry], otherwise: Value) -> Value:
        """The array under these too; otherwise another one, if that is known to move under others."""
        action = generated(self.known, [(g, self.motion.action(g)) for g in isometries])
        if not otherwise.field.action.source <= action.source:
            return otherwise
        return self.value.known(self.value.field.based(action).reading_all())


def _nothing(action: Relation) -> Relation:
    """The pair of identities alone."""
    still = [SpaceGroup.trivial(dim, periods) for dim, periods in (
        (action.source_dim, action.source_periods), (action.target_dim, action.target_periods))]  # fmt: skip
    return action.restrict(still[0]).restrict_target(still[1])


@dataclass(frozen=True)
class _Loop:
    """A loop whose arrays move as far as is known.

    Attributes:
        kept: what holds of the arrays that are carried on, after any turn.
        carried: how they move; None for constants.
        all, known: the isometries that move all arrays before the first turn; those that do afterwards.
    """

    turn: Turn
    test: Turn | None
    kept: Sequence[Operand]
    carried: Sequence[_Carried | None]
    all: SpaceGroup
    known: SpaceGroup

    @staticmethod
    def of(turn: Turn, test: Turn | None, start: Sequence[Held], kept: Sequence[Held]) -> _Loop | None:
        """None if an array moves otherwise, or nothing is lost."""
        read = [*turn.before, *turn.after, *(test.before if test else ()), *start]
        values = [each for each in kept if isinstance(each, Value)]
        if not values or not all(map(_is_plain, (*read, *kept))):
            return None
        before = [each for each in read if isinstance(each, Value)]
        carried, now = [], []
        for first, last in zip(start, kept, strict=True):
            assert isinstance(last, Value | Constant)
            found = _Carried.of(first, last, before) if isinstance(last, Value) else None
            starts_otherwise = isinstance(last, Constant) and isinstance(first, Value) and bool(first.moved_axes)
            if starts_otherwise or (found is None and isinstance(last, Value)):
                return None
            carried.append(found)
            is_known = first is last or isinstance(last, Value)
            now.append(last if is_known else Constant.arbitrary(last.shape))
        everything = reduce(and_, (each.field.action.source for each in before))
        everything = reduce(and_, (each.motion.action.source for each in carried if each), everything)
        known = reduce(and_, (each.field.action.source for each in values))
        return None if everything <= known else _Loop(turn, test, now, carried, everything, known)

    def found(self) -> list[Isometry]:
        """Isometries that a turn keeps: of each operation one, and steps along each axis.

        Those that are known are asked about too, if rules have lost how an array moves.
        """
        candidates = [Isometry(*operation) for operation in self.all.operations]
        candidates += [g for g in self.all.generators if g.is_translation]
        programs = [self.turn.program, *([self.test.program] if self.test else ())]
        most = MOST / 8 if any(map(has_products, programs)) else MOST
        each = ROWS * sum(cost(program, most) for program in programs)
        is_all_lost = any(one and one.value is not last for one, last in zip(self.carried, self.kept, strict=True))
        asked = [g for g in candidates if is_all_lost or g not in self.known]
        left = asked[: max(int(most / max(each, 1)) - 1, 0)]
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
            _cases(f"carried {at}", value, one and one.motion, var, isometries)
            for at, (value, one, var) in enumerate(zip(self.kept, self.carried, variables, strict=True))
        ]
        holds = np.ones(len(isometries), bool)
        found = _run(self.turn, "read", carried, isometries)
        for array, one in zip(found[: len(carried)], self.carried, strict=True):
            holds &= _agree(given(array), one and one.motion, isometries)
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
