"""Arbitrary parameters, known numbers, and what is computed of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from equinet.infer.compat import Equation, Program, is_literal
from equinet.infer.primitives import row_of
from equinet.infer.weights.states import State, Weights


def shared(program: Program) -> set[Any]:
    """Variables that are read more than once, but for slices of theirs that do not overlap."""
    readers: dict[Any, list[Equation | None]] = {}
    for equation in program.equations:
        for atom in equation.inputs:
            if not is_literal(atom):
                readers.setdefault(atom, []).append(equation)
    for atom in program.outputs:
        if not is_literal(atom):
            readers.setdefault(atom, []).append(None)
    return {var for var, found in readers.items() if len(found) > 1 and not _are_disjoint(found)}


def _are_disjoint(readers: Sequence[Equation | None]) -> bool:
    boxes = []
    for reader in readers:
        if reader is None or reader.name != "slice":
            return False
        boxes.append([*zip(reader.params["start_indices"], reader.params["limit_indices"], strict=True)])
    return all(
        any(b <= c or d <= a for (a, b), (c, d) in zip(one, other, strict=True))
        for one, other in combinations(boxes, 2)
    )


def of_weights(equation: Equation, given: Sequence[State]) -> Weights:
    """What is computed of parameters alone: still independent if their numbers are moved about or masked."""
    weights = [one for one in given if isinstance(one, Weights)]
    row, first = row_of(equation), weights[0]
    other = Weights(all(one.own for one in weights), independent=False)
    if not all(one.own and one.independent and not one.repeated for one in weights):
        return other
    if equation.name == "mul" and len(weights) == 1:  # a mask: to a formula, 0 is a factor like any other
        at = next(i for i, one in enumerate(given) if isinstance(one, Weights))
        return first if equation.input_shape(at) == equation.shapes[0] else other
    if equation.name == "complex" or (row.moves and len(given) == 1 and equation.name != "tile"):
        if equation.name != "broadcast_in_dim":
            return first
        at = equation.params["broadcast_dimensions"]
        old = dict(zip(at, equation.input_shape(0), strict=True))
        return replace(first, repeated=tuple(i for i, n in enumerate(equation.shapes[0]) if old.get(i, 1) != n))
    return other


def mark_places(weights: Sequence[Weights], still: Sequence[int]) -> bool:
    """Whether weights differ from node to node, so that what they are added to must stay in place."""
    return len(weights) == 1 and weights[0].independent and set(weights[0].repeated) <= set(still)
