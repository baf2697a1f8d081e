"""Rules of control flow: scan, while and cond, which run programs.

A loop whose turns are known is run turn by turn. Of any other, what every turn keeps is kept: an isometry that the
values carried on are moved by before a turn and after it, whatever they are, moves them so after any number of turns.
What decides on the number of turns, or on a branch, must stay as it is under that isometry too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from equinet.infer.compat import Equation, Program, at_once, each_turn
from equinet.infer.digits import Digit
from equinet.infer.fields import restrict_source
from equinet.infer.join import held, mixed, of_all, pointwise, with_constant
from equinet.infer.lazy import Lazy
from equinet.infer.primitives import NoRule, Part, Primitive, Run, Wiring, enter, operand, whole
from equinet.infer.rows import picked
from equinet.infer.rules.concatenation import concatenated, with_new_axis
from equinet.infer.rules.spectra import in_common, settled
from equinet.infer.rules.turns import Turn, kept_by_formula
from equinet.infer.values import Atom, Constant, Operand, Spectrum, Value
from equinet.infer.views import freed, unmoved

Carried = Atom | Spectrum
"""What a loop carries on, and a branch gives: a spectrum is one in every turn, if its frequencies stay the same."""
UNROLLED = 64
"""Turns of a loop that are followed one by one; of a longer loop, what every turn keeps."""
COUNTED = 1024
"""Turns of a loop with a known end that are followed before it is treated as endless."""
SETTLED = 64
"""Rounds after which a loop that keeps losing symmetry is given up."""


def _scan(equation: Equation, arguments: Sequence[Carried], run: Run) -> Sequence[Carried]:
    """A loop over rows. If it carries nothing on from turn to turn, it is the body of all rows at once."""
    body, length = Program.of(equation.params["jaxpr"]), equation.params["length"]
    same, carried = equation.loop()
    fixed, carry, rows = arguments[:same], arguments[same : same + carried], arguments[same + carried :]
    if not length:
        return [*carry, *(Constant(shape, None, (False,) * len(shape)) for shape in equation.shapes[carried:])]
    if not carried and any(isinstance(row, Value) and 0 in row.moved_axes for row in rows):
        program = at_once(equation)
        if program is not None:
            return run(program, arguments)
    some = [_some_row(row) for row in rows]
    turn = Turn(body, fixed, some)
    if length <= UNROLLED:
        results = each_turn(equation, arguments, run, _row, _stack)
        return [*(kept_by_formula(turn, None, carry, results[:carried]) or results[:carried]), *results[carried:]]
    kept = _kept_by_turns(carry, lambda now: run(body, [*fixed, *now, *some])[:carried])
    carry = kept_by_formula(turn, None, carry, kept) or kept
    results = run(body, [*fixed, *carry, *some])
    return [*carry, *(_repeated(out, length) for out in results[carried:])]


def _kept_by_turns(
    carry: Sequence[Carried], turn: Callable[[Sequence[Carried]], Sequence[Carried]]
) -> Sequence[Carried]:
    """What holds of the values that a loop carries on, however often it turns.

    The greatest fixed point below what holds before the first turn: from `v ← v or turn(v)`, either of which it may be,
    until nothing more is lost. Groups shrink, so it ends; but for views that change with each turn, which are given up.
    What reads more with each turn, in the end reads everything.
    """
    now: Sequence[Carried] = [pointwise(c, "any") if isinstance(c, Value) else c for c in carry]
    for rounds in range(SETTLED):
        either = [_in_view(a, _either(a, b)) for a, b in zip(now, turn(now), strict=True)]
        if rounds:
            either = [_reading_all(a, b) for a, b in zip(now, either, strict=True)]
        if all(_same(a, b) for a, b in zip(now, either, strict=True)):
            return either
        now = either
    raise NoRule(f"after {SETTLED} turns the loop still loses symmetry")


def _while(equation: Equation, arguments: Sequence[Carried], run: Run) -> Sequence[Carried]:
    params = equation.params
    test, body = Program.of(params["cond_jaxpr"]), Program.of(params["body_jaxpr"])
    n, m = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    to_test, to_body, start = arguments[:n], arguments[n:m], arguments[m:]
    turn, carry = Turn(body, to_body), start
    turns_alike = not test.outputs[0].aval.shape
    for _ in range(COUNTED):
        (going,) = run(test, [*to_test, *carry])
        if not isinstance(going, Constant) or going.array is None:
            break
        if not going.array.any():
            return (kept_by_formula(turn, None, start, carry) if turns_alike else None) or carry
        after = run(body, [*to_body, *carry])
        # A loop of which `vmap` made many turns where some of them still do; the others keep what they have.
        turns_all = going.array.all()
        carry = after if turns_all else [_where(going, a, b) for a, b in zip(after, carry, strict=True)]

    # What the body hands on as it is stays what it is; of the rest, the number of turns decides.
    still = [out is var for out, var in zip(body.outputs, body.inputs[m - n :], strict=True)]

    def decided(values: Sequence[Carried], now: Sequence[Carried]) -> list[Carried]:
        (going,) = run(test, [*to_test, *now])
        return [a if same else _decided(a, going) for a, same in zip(values, still, strict=True)]

    kept = _kept_by_turns(carry, lambda now: decided(run(body, [*to_body, *now]), now))
    last = decided(kept, kept)
    return (kept_by_formula(turn, Turn(test, to_test), start, last) if turns_alike else None) or last


def _cond(equation: Equation, arguments: Sequence[Carried], run: Run) -> Sequence[Carried]:
    which, *operands = arguments
    branches = [Program.of(branch) for branch in equation.params["branches"]]
    if isinstance(which, Constant) and which.array is not None:
        at = int(np.clip(int(np.asarray(which.array).ravel()[0]), 0, len(branches) - 1))
        return run(branches[at], operands)
    results: Sequence[Carried]
    results, *others = [run(branch, operands) for branch in branches]
    for other in others:
        results = [_either(a, b) for a, b in zip(results, other, strict=True)]
    return [_decided(a, which) for a in results]


def _solved(equation: Equation, arguments: Sequence[Carried], run: Run) -> Sequence[Carried]:
    """What a linear solver gives: that of the program which solves, of its own constants and the right side."""
    counts, programs = equation.params["const_lengths"], equation.params["jaxprs"]
    start = counts.matvec + counts.vecmat
    right = arguments[start + counts.solve + counts.transpose_solve :]
    return run(Program.of(programs.solve), [*arguments[start : start + counts.solve], *right])


def _row(atom: Carried, at: int) -> Operand:
    """Row `at` of an array that a loop runs over."""
    array = operand(settled(atom), "a loop runs over")
    if isinstance(array, Constant):
        return array.mapped(lambda numbers: numbers[at], array.shape[1:], array.varies[1:])
    one = picked(array, 0, np.asarray([at]))
    return one.laid_out(one.layout[1:])


def _some_row(atom: Carried) -> Operand:
    """What is true of every row of an array that a loop runs over."""
    array = operand(settled(atom), "a loop runs over")
    if isinstance(array, Constant):
        return Constant(array.shape[1:], None, array.varies[1:])
    loose = freed(array, [0])
    return mixed(loose, "any", loose.layout[1:])


def _stack(atoms: Sequence[Carried]) -> Operand:
    """What a loop gives at each turn, one row after the other."""
    rows = [operand(settled(a), "a loop gives") for a in atoms]
    shape = (len(rows), *rows[0].shape)
    constants = [a for a in rows if isinstance(a, Constant)]
    if len(constants) < len(rows):
        return concatenated([with_new_axis(unmoved(a) if isinstance(a, Value) else a, 0) for a in rows], 0, shape)
    varies = tuple(any(a.varies[i] for a in constants) for i in range(len(shape) - 1))
    arrays = [a.lazy for a in constants if a.lazy is not None]
    lazy = Lazy(lambda *each: np.stack([np.asarray(a) for a in each]), *arrays)
    return Constant(shape, lazy if len(arrays) == len(rows) else None, (shape[0] > 1, *varies))


def _repeated(atom: Carried, length: int) -> Operand:
    """Some row for each turn of a loop."""
    array = operand(settled(atom), "a loop gives")
    if isinstance(array, Constant):
        return Constant((length, *array.shape), None, (length > 1, *array.varies))
    return mixed(array, "any", ((Digit(length),), *array.layout))


def _either(a: Carried, b: Carried) -> Operand | Spectrum:
    """One of two arrays, whichever it may be: what moves both alike moves it."""
    if isinstance(a, Spectrum) and isinstance(b, Spectrum):
        both = in_common(a, b)
        if both is not None:
            return both
    one, two = (operand(settled(atom), "a loop or a branch carries") for atom in (a, b))
    if isinstance(one, Value) or isinstance(two, Value):
        return pointwise(of_all([one, two]), "any")
    if one is two:
        return one
    return Constant(one.shape, None, tuple(x or y for x, y in zip(one.varies, two.varies, strict=True)))


def _in_view(before: Carried, after: Operand | Spectrum) -> Operand | Spectrum:
    """What a turn of a loop leaves of an array. Where the view of an infinite axis moves on, as it may with every turn,
    nodes are kept in place."""
    if not isinstance(before, Value) or not isinstance(after, Value) or before.layout != after.layout:
        return after
    drifting = {i for i in range(after.dim) if after.endless(i) and before.canvas[i] != after.canvas[i]}
    return held(after, drifting)


def _reads_more(before: Carried, after: Carried) -> bool:
    """Whether what a node depends on is another part of the input than it was."""
    if not isinstance(before, Value) or not isinstance(after, Value):
        return False
    spans = zip(before.field.trace.spans, after.field.trace.spans, strict=False)
    return any(a != b and not (a.everything and b.everything) for a, b in spans)


def _reading_all(before: Carried, after: Operand | Spectrum) -> Operand | Spectrum:
    """What a turn leaves of an array: of one that reads more than before, one that reads everything."""
    if isinstance(after, Value) and _reads_more(before, after):
        return after.known(after.field.reading_all())
    return after


def _same(a: Carried, b: Carried) -> bool:
    """Whether the same is known of two arrays."""
    if isinstance(a, Spectrum) and isinstance(b, Spectrum):
        return (a.axes, a.half) == (b.axes, b.half) and _same(a.value, b.value)
    if isinstance(a, Value) and isinstance(b, Value):
        return a.layout == b.layout and a.field.action == b.field.action and not _reads_more(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a is b or (a.lazy is None and b.lazy is None and a.varies == b.varies)
    return False


def _decided(atom: Carried, which: Carried) -> Operand | Spectrum:
    """One of several arrays of which one thing is known, whichever another array says: it depends on that one too.

    An isometry g that moves the array by g′, whichever it is, moves the chosen one by g′ if the choice at `g·x` is that
    at x. A number must stay as it is; of an array, one choice for each entry along the first axes, the choices must
    move as the entries do.
    """
    if isinstance(atom, Spectrum) and isinstance(which, Value) and not which.shape:
        value = atom.value
        return replace(atom, value=value.known(restrict_source(value.field, which.field)))
    array, choice = (operand(settled(a), "a loop or a branch decides on") for a in (atom, which))
    if not choice.shape and isinstance(array, Value):
        return array.known(restrict_source(array.field, choice.field)) if isinstance(choice, Value) else array
    rest = array.shape[len(choice.shape) :]
    if isinstance(choice, Constant):
        if isinstance(array, Constant):
            return Constant.arbitrary(array.shape)
        return with_constant(array, Constant.arbitrary((*choice.shape, *(1 for _ in rest))), "any")
    wide = choice.laid_out((*choice.layout, *((Digit(n, uniform=True),) for n in rest)))
    return _either(wide, Constant.arbitrary(array.shape) if isinstance(array, Constant) else array)


def _where(going: Constant, new: Carried, old: Carried) -> Operand:
    """Where something known says so the new array, elsewhere the old one."""
    if isinstance(new, Constant) and isinstance(old, Constant):
        if going.lazy is None or new.lazy is None or old.lazy is None:
            return Constant.arbitrary(new.shape)
        lazy = Lazy(lambda g, a, b: np.where(_along_first(g, np.ndim(a)), a, b), going.lazy, new.lazy, old.lazy)
        return Constant(new.shape, lazy, tuple(n > 1 for n in new.shape))
    either = _either(new, old)
    assert isinstance(either, Value)
    rest = len(either.shape) - len(going.shape)
    shape, varies = (*going.shape, *(1,) * rest), (*going.varies, *(False,) * rest)
    return with_constant(either, going.mapped(lambda g: _along_first(g, len(shape)), shape, varies), "any")


def _along_first(array: Any, rank: int) -> np.ndarray:
    """An array along the first of so many axes."""
    found = np.asarray(array)
    return found.reshape(*found.shape, *(1,) * (rank - found.ndim))


def _scanned(equation: Equation) -> Wiring:
    """What it carries goes in again at the next turn, and is what it was if there is none; rows go in one by one."""
    (same, carried), count = equation.loop(), len(equation.inputs)
    fed = [at - same if same <= at < same + carried else None for at in range(count)]
    results = range(len(equation.outputs))
    body = Part(("jaxpr", None), [[at] for at in range(count)], fed, results)
    return Wiring(apart=[[same + at] if at < carried else [] for at in results], parts=[body])


def _tested(equation: Equation) -> Wiring:
    """The test sees what is carried, and all turns on it."""
    n, m, carried = equation.params["cond_nconsts"], equation.params["body_nconsts"], range(len(equation.outputs))

    def part(name: str, constants: range, results: Sequence[int | None]) -> Part:
        operands = [[at] for at in (*constants, *(n + m + at for at in carried))]
        return Part((name, None), operands, [*(None for _ in constants), *carried], results)

    parts = [part("cond_jaxpr", range(n), [None]), part("body_jaxpr", range(n, n + m), carried)]
    return Wiring(apart=[[n + m + at] for at in carried], parts=parts)


def _branched(equation: Equation) -> Wiring:
    places = [("branches", at) for at in range(len(equation.params["branches"]))]
    return Wiring(always=[0], parts=[whole(equation, place) for place in places])


_WHY_REPEATED = "a turn of the loop loses it, its operations judged one by one, or the loop goes over nodes in order"
_WHY_WHILE = "a turn of the loop or its test loses it, their operations judged one by one"
_WHY_BRANCHES = "the branches do not move alike, or the choice between them changes"
enter(
    Primitive("scan", control=_scan, wiring=_scanned, takes_phases=True, reason=_WHY_REPEATED),
    Primitive("while", control=_while, wiring=_tested, takes_phases=True, reason=_WHY_WHILE),
    Primitive("cond", control=_cond, wiring=_branched, takes_phases=True, reason=_WHY_BRANCHES),
    Primitive("custom_linear_solve", control=_solved),
)
