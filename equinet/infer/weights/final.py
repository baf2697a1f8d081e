"""Where a program has lost something for good."""

from __future__ import annotations

from typing import Any

from equinet.infer.compat import Program, is_literal
from equinet.infer.weights.states import Judged, Known, Nodes, Weights, is_final, is_firm
from equinet.infer.weights.walk import Walk


def judged(program: Program, parameters: int, generic: bool, nodes: Nodes) -> list[Any]:
    """Variables by which all that is lost up to there is lost for good, and that all later ones depend on.

    Args:
        parameters: how many of the inputs are arbitrary: the first ones.
        generic: whether arrays of real or complex numbers that it closes over are.
        nodes: of some axes of an operation's operands.
    """
    walk = Walk(generic, nodes)
    given = [Weights() if at < parameters else walk.new(Judged()) for at in range(len(program.inputs))]
    held = walk.states(program, given)
    last = dict.fromkeys((var for var in program.outputs if not is_literal(var)), len(program.equations))
    for at, equation in reversed([*enumerate(program.equations)]):
        if any(var in last for var in equation.outputs):
            for var in (var for var in equation.inputs if not is_literal(var)):
                last.setdefault(var, at)
    first = {state.entries: var for var, state in reversed(held.items()) if isinstance(state, Judged)}
    found, waiting = [], []
    alive = {var for var in program.inputs[parameters:] if var in last}
    for at, equation in enumerate(program.equations):
        outputs = [var for var in equation.outputs if var in last and not isinstance(held[var], Weights | Known)]
        alive.update(outputs)
        alive.difference_update([var for var in equation.inputs if not is_literal(var) and last.get(var) == at])
        if len(alive) == 1 and is_final(state := held[next(iter(alive))]):
            waiting += [first[state.bound]] if state.bound in first else [] if state.bound else alive
        if any(is_firm(held[var]) for var in outputs):
            found, waiting = [*found, *waiting], []
    return found
