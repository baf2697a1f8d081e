"""The ledger of an inference: a row per line of the model, with what it lost and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from itertools import groupby

from equinet.declare import declaration
from equinet.groups import SpaceGroup
from equinet.groups.fibre import Fibre
from equinet.infer.compat import Equation
from equinet.infer.formulas.elements import product
from equinet.infer.primitives import row_of
from equinet.infer.values import Constant, Value
from equinet.infer.views import MOST_AXES
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost, Row

Place = tuple[tuple[str, ...], str]


@dataclass(frozen=True, eq=False)
class Step:
    """One operation that was interpreted.

    Attributes:
        equation: the operation.
        place: the named scopes it is in, and the line of the model it comes from.
        before: its operands that depend on the input.
        constants: those that do not.
        after: its first result that is read.
        gap: why nothing is known of it, or empty.
    """

    equation: Equation
    place: Place
    before: list[Value]
    constants: list[Constant]
    after: Value
    gap: str

    @cached_property
    def lost(self) -> Lost:
        """What it loses of what all its operands had."""
        if any(value.dim > MOST_AXES for value in (*self.before, self.after)):
            return frozenset(("translations", "operations"))
        left = self.had & self.after.field.strict.source
        turns = ["operations"] * (len(left.point_group) < len(self.had.point_group))
        return frozenset((*turns, *["translations"] * (left.lattice != self.had.lattice)))

    @cached_property
    def had(self) -> SpaceGroup:
        """What all its operands had."""
        return reduce(lambda one, two: one & two, (value.field.strict.source for value in self.before))


def rows(steps: Sequence[Step]) -> tuple[Row, ...]:
    """The ledger of some steps: those that come from one line of the model in one row.

    What only sets up the next line is part of its row: a circular padding is slices and joints that keep no
    translation, until a convolution over them keeps them all.
    """
    order = {id(step.after): i for i, step in enumerate(steps)}
    found: list[tuple[Row, list[Step]]] = []
    for _, group in groupby(steps, lambda step: step.place):
        run = list(group)
        row = _row(run, order)
        if row is None:
            continue
        while found and _prepares(*found[-1], row, run):
            earlier, moves = found.pop()
            row = replace(row, layer=_text(run, moves), before=earlier.before, reason=partial(_reason, run, moves))
        found.append((row, run))
    return tuple(row for row, _ in found)


def _prepares(earlier: Row, moves: Sequence[Step], row: Row, run: Sequence[Step]) -> bool:
    """Whether steps only move elements about, and the next ones, of their result, regain what that lost."""
    if any(step.gap or not row_of(step.equation).moves for step in moves):
        return False
    results = {id(step.after) for step in moves}
    if not any(id(value) in results for step in run for value in step.before):
        return False
    return not row.after.strict.source <= earlier.after.strict.source


def _row(run: Sequence[Step], order: dict[int, int]) -> Row | None:
    """One row for steps in a row, unless they only move axes about."""
    last = next((step for step in reversed(run) if step.after.dim <= MOST_AXES), None)
    entering = [v for v in _entering(run) if v.dim <= MOST_AXES]
    if last is None or not entering:
        return None
    scopes, source = last.place
    before, after = _counted(_poorest(entering, order)), _counted(last.after)
    return Row(scopes or (source,), _text(run, ()), before, after, partial(_reason, run, ()))


def _poorest(entering: Sequence[Value], order: dict[int, int]) -> Value:
    """Of several operands the one that has lost what any of them has; if none has, the one made last."""
    latest = max(entering, key=lambda v: order.get(id(v), -1))
    if all(v is latest for v in entering):
        return latest
    groups = [(v, v.field.strict.source) for v in entering]
    return next((v for v, mine in groups if all(mine <= other for _, other in groups)), latest)


def _regains_shifts(before: Value, after: Value) -> bool:
    return not after.field.strict.source.lattice <= before.field.strict.source.lattice


def _text(run: Sequence[Step], moves: Sequence[Step]) -> str:
    """What some steps do, and their line; `moves` prepared them."""
    circular, last = _wrapped([*moves, *run]), run[-1]
    spoken = [step for step in run if step.gap or not row_of(step.equation).quiet]
    names = [circular.get(id(step), _name(step.equation)) for step in spoken]
    shown = ", ".join(filter(None, dict.fromkeys(names))) or _name(last.equation)
    scopes, source = last.place
    return f"{shown}  {source}" if source and scopes else shown


def _entering(run: Sequence[Step]) -> list[Value]:
    """What steps in a row read that none of them made; some hand on the very value they read."""
    produced: set[int] = set()
    entering: list[Value] = []
    for step in run:
        entering += [v for v in step.before if id(v) not in produced]
        produced |= {id(step.after)} - {id(v) for v in entering}
    return entering


def _wrapped(run: Sequence[Step]) -> dict[int, str]:
    """What to call steps by whose array was put together out of its own parts before, so that it is circular.

    The parts by themselves keep fewer translations; the window that runs over them has them back. Moves that make such
    an array have no name of their own.
    """
    found: dict[int, str] = {}
    moves: list[Step] = []
    for step in run:
        row = row_of(step.equation)
        if row.moves and not step.gap:
            moves.append(step)
            continue
        produced = {id(move.after) for move in moves}
        reads = next((v for v in step.before if id(v) in produced), None)
        if row.circular and reads is not None and _regains_shifts(reads, step.after):
            found |= {id(move): "" for move in moves} | {id(step): row.circular}
        moves = []
    return found


def _reason(run: Sequence[Step], moves: Sequence[Step], before: Field, lost: Lost) -> str:
    """Why some steps lose something: what those say that do. All of them, if none does by itself; and what only moved
    elements about for them, if they say nothing."""
    del before
    circular = _wrapped([*moves, *run])
    losing = [step for at, step in enumerate(run) if step.lost & lost and not _undone(step, run[at + 1 :])]
    spoken = [[step for step in steps if circular.get(id(step), "said")] for steps in (losing, run, moves)]
    facts = ([fact for step in steps for fact in (step.gap or _why(step)).split("; ")] for steps in spoken)
    texts = ("; ".join(filter(None, dict.fromkeys(said))) for said in facts)
    names = dict.fromkeys(_name(step.equation) for step in losing or run if not row_of(step.equation).quiet)
    text = next(filter(None, texts), f"{', '.join(names)} tells nodes apart")
    return f"{text}; a term with a factor 0 counts too" if any(map(_is_weighed_by_0, run)) else text


def _is_weighed_by_0(step: Step) -> bool:
    """Whether an operand is multiplied by 0, which makes NaN of an infinity: it is a term like others."""
    return row_of(step.equation).formula is product and any(constant.scalar == 0 for constant in step.constants)


def _undone(step: Step, later: Sequence[Step]) -> bool:
    """Whether a later step, of what this one gives, keeps all that its operands had: parts are put together again."""
    made = {id(step.after)}
    for one in later:
        if not any(id(value) in made for value in one.before):
            continue
        made.add(id(one.after))
        if all(v.dim <= MOST_AXES for v in (*step.before, one.after)) and step.had <= one.after.field.strict.source:
            return True
    return False


def _counted(value: Value) -> Field:
    """A value's field with its number of channels: the array's last axis, or the second where nodes come last."""
    field, nodes = value.field, [any(d.axis is not None for d in digits) for digits in value.layout]
    if not field.fibre.is_plain or not nodes:
        return field
    at = len(nodes) - 1 if not nodes[-1] else 1
    return field if at >= len(nodes) or nodes[at] else replace(field, fibre=Fibre.plain(value.shape[at]))


def _name(equation: Equation) -> str:
    region = declaration(equation.eqn)
    return equation.name if region is None else region.name


def _why(step: Step) -> str:
    """Why an operation may lose something."""
    if declaration(step.equation.eqn) is not None:
        return "as it declares"
    reason = row_of(step.equation).reason
    text = reason(step) if callable(reason) else reason
    return text or ("two arrays meet that do not move alike" if len(step.before) > 1 else "")


def tells_nodes_apart(step: Step) -> bool:
    """Whether an operand that does not depend on the input varies along an axis of nodes."""
    rank = len(step.after.layout)
    layouts = [value.layout for value in (step.after, *step.before) if len(value.layout) == rank]
    nodes = [any(digit.axis is not None for layout in layouts for digit in layout[i]) for i in range(rank)]
    tables = [constant.actually_varies for constant in step.constants if len(constant.shape) == len(nodes)]
    return any(varies and is_node for table in tables for varies, is_node in zip(table, nodes, strict=True))


def has_border(step: Step) -> bool:
    """Whether an operand has a finite axis: an infinite one has no border that padding could mark."""
    return any(axis.size is not None for value in step.before for axis in value.stem.grid.axes)


def shown(sizes: Sequence[int]) -> str:
    """Sizes as text, those of 1 left out."""
    inner = [n for n in sizes if n > 1]
    return "×".join(map(str, inner))
