"""What the wanted results of a program do not depend on, left out of it: in loops, branches and calls too.

A result is read back through the program: an operation of which no result is read can go. Of one that holds programs
itself, what goes in and out of these is known, and what they hand on is followed in turn: what a loop carries is read
if a wanted result of its body reads it, or what decides on another turn. That is a closed set: the values in it are
computed from each other alone, in as many turns, whatever stands in the place of the rest.

So no signature changes. In the place of what is not read stands 0, which depends on nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from equinet.infer.compat import Equation, Program, blank, is_literal
from equinet.infer.primitives import Wiring, row_of, whole


def pruned(program: Program) -> Program:
    """A program without what none of its outputs depends on."""
    return _pruned(program, [True] * len(program.outputs))[0]


def _pruned(program: Program, wanted: Sequence[bool]) -> tuple[Program, list[bool]]:
    """A program of which some outputs are wanted, with 0 in the place of the others, and which inputs these read."""
    outputs = [out if one else blank(out) for out, one in zip(program.outputs, wanted, strict=True)]
    read = {out for out in outputs if not is_literal(out)}
    kept: list[Equation] = []
    for equation in reversed(program.equations):
        results = [var in read for var in equation.outputs]
        if any(results) or _lasts(equation):
            kept.append(_without(equation, results))
            read.update(var for var in kept[-1].inputs if not is_literal(var))
    return program.holding(kept[::-1], outputs), [var in read for var in program.inputs]


def _lasts(equation: Equation) -> bool:
    """Whether an operation does something beside giving its results, but for showing arrays."""
    if not equation.has_effects or row_of(equation).only_shows:
        return False
    parts = _wiring(equation).parts
    return not parts or any(_lasts(inner) for part in parts for inner in equation.held(part.at).equations)


def _without(equation: Equation, wanted: Sequence[bool]) -> Equation:
    """An operation without what its wanted results do not depend on."""
    wiring = _wiring(equation)
    results = {at for at, var in enumerate(equation.outputs) if wanted[at] or blank(var) is var}
    while True:
        inner = {
            part: _pruned(equation.held(part.at), [r is None or r in results for r in part.results])
            for part in wiring.parts
        }
        entered = [(part, at) for part, (_, read) in inner.items() for at, is_read in enumerate(read) if is_read]
        fed = {result for part, at in entered if (result := part.fed[at]) is not None}
        if fed <= results:
            break
        results |= fed
    operands = {*wiring.always, *(at for result in results if wiring.apart for at in wiring.apart[result])}
    operands |= {operand for part, at in entered for operand in part.operands[at]}
    inputs = [var if at in operands else blank(var) for at, var in enumerate(equation.inputs)]
    programs = {part.at: program for part, (program, _) in inner.items()}
    return equation.holding(inputs, wanted, programs)


def _wiring(equation: Equation) -> Wiring:
    row = row_of(equation)
    if row.call:
        return Wiring(parts=[whole(equation, (row.call, None))])
    return row.wiring(equation) if row.wiring else Wiring(always=range(len(equation.inputs)))
