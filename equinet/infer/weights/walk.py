"""What is known of all variables of a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, count
from typing import Any

import jax.numpy as jnp

from equinet.declare import declaration
from equinet.infer.compat import Equation, Program, is_literal
from equinet.infer.constants import as_operands
from equinet.infer.primitives import called, row_of
from equinet.infer.weights.arrays import mark_places, of_weights, shared
from equinet.infer.weights.states import Judged, Known, Nodes, State, Weighed, Weights, are_apart

_PRODUCTS = ("dot_general", "conv_general_dilated")
_REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min")
_BY_NUMBERS = ("gather", "dynamic_slice")
_SUMS = ("add", "add_any", "sub", "neg", "real", "imag")
"""Of sums sums."""
_POWERS = ("mul", "integer_pow", "square")
"""Of sums sums of products."""
_SYMMETRIC = ("add", "add_any", "sub", "mul", "max", "min", "eq", "ne", "and", "or", "xor")
"""Functions that need not tell their operands apart."""


@dataclass
class Walk:
    """One walk through a program, whose products and places are numbered."""

    generic: bool
    nodes: Nodes
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def states(self, program: Program, given: Sequence[State]) -> dict[Any, State]:
        """What is known of each variable."""
        held: dict[Any, State] = {}
        for var, array in program.constants:
            is_weight = self.generic and jnp.issubdtype(array.dtype, jnp.inexact)
            held[var] = Weights() if is_weight else Known()
        held.update(zip(program.inputs, given, strict=True))
        repeated = shared(program)
        for equation in program.equations:
            atoms = [Known() if is_literal(atom) else held[atom] for atom in equation.inputs]
            for at, atom in enumerate(equation.inputs):
                if isinstance(atoms[at], Weights) and atom in repeated:
                    atoms[at] = Weights(own=False)
            held.update(zip(equation.outputs, self._step(equation, atoms), strict=True))
        return held

    def _run(self, program: Program, given: Sequence[State]) -> list[State]:
        held = self.states(program, given)
        return [Known() if is_literal(atom) else held[atom] for atom in program.outputs]

    def _step(self, equation: Equation, given: Sequence[State]) -> Sequence[State]:
        inner = called(equation)
        if inner is not None:
            return self._run(inner, given[len(given) - len(inner.inputs) :])
        if equation.name == "scan":
            return self._turns(equation, given)
        weights = [state for state in given if isinstance(state, Weights)]
        judged = [state for state in given if isinstance(state, Judged)]
        result: State = None
        if any(state is None or isinstance(state, Weighed) for state in given):
            result = self._bounded(equation, given)
        elif not judged:
            result = of_weights(equation, given) if weights else Known()
        elif all(one.own for one in weights) and declaration(equation.eqn) is None:
            result = self._judged(equation, judged, weights)
            if isinstance(result, Judged) and equation.name in _SUMS and self._marks_places(equation, given):
                result = replace(result, sums=True)
        return [result] * len(equation.outputs)

    def _marks_places(self, equation: Equation, given: Sequence[State]) -> bool:
        """Whether it adds numbers that may differ from node to node, which a sum over all nodes does not see."""
        for at, one in enumerate(given):
            repeated = one.repeated if isinstance(one, Weights) and one.independent else ()
            varies = [i for i, n in enumerate(equation.input_shape(at)) if n > 1 and i not in repeated]
            if not isinstance(one, Judged) and varies and self.nodes(equation, varies) != "none":
                return True
        return False

    def _turns(self, equation: Equation, given: Sequence[State]) -> Sequence[State]:
        """What is carried through a loop. That a weight is read in every turn does not matter: what functions are
        applied to in the first turn depends on no other functions, as it does in the later ones."""
        body, (same, carried) = Program.of(equation.params["jaxpr"]), equation.loop()
        carry = [*given[same : same + carried]]
        for _ in range(2):
            before, carry = carry, self._run(body, [*given[:same], *carry, *given[same + carried :]])[:carried]
            if any(type(one) is not type(other) for one, other in zip(before, carry, strict=True)):
                carry = [None] * carried
        return [*carry, *[None] * (len(equation.outputs) - carried)]

    def _judged(self, equation: Equation, judged: Sequence[Judged], weights: Sequence[Weights]) -> State:
        """The results of an operation on judged arrays and weights of their own."""
        name, row, first = equation.name, row_of(equation), judged[0]
        moved = replace(first, place=first.place if first.total else next(self.numbers))
        if name == "fft":
            return self._transformed(equation, moved)
        if len(judged) == 1 and (name in _PRODUCTS or (name == "mul" and weights and first.waves)):
            return self._product(equation, moved, weights)
        if row.varies is as_operands:
            return self._together(equation, judged, weights)
        if name == "concatenate":
            return self._joined(equation, judged, weights, moved)
        if first.waves and name == "scatter" and not weights:
            return moved if len(judged) == 1 else self._together(equation, judged, weights)
        if len(judged) > 1 or weights or first.fixed is not None:
            return None
        if row.moves:
            return None if name in _BY_NUMBERS or name == "scatter" else moved
        if first.pieces or first.waves:
            return None
        if name.startswith("reduce_window_"):
            result = replace(moved, entries=next(self.numbers), origin=next(self.numbers))
            return replace(result, sums=name == "reduce_window_sum" or (first.sums and not first.products))
        return self._total(equation, moved) if name in _REDUCTIONS else None

    def _bounded(self, equation: Equation, given: Sequence[State]) -> State:
        """Weights of its own times what is open, and sums of that and of what does not depend on the weights."""
        unknown = [one for one in given if one is None or isinstance(one, Weighed)]
        others = [one for one in given if one is not None and not isinstance(one, Weighed | Known)]
        (one, *more), is_moved = unknown, row_of(equation).moves and equation.name not in _BY_NUMBERS
        if more or len(others) > 1:
            return None
        if not others:
            return one if is_moved or equation.name == "neg" else None
        (other,) = others
        if isinstance(other, Weights):
            is_product = other.own and other.independent and equation.name in (*_PRODUCTS, "mul")
            return Weighed(1 << next(self.numbers)) if is_product else one if equation.name in _SUMS else None
        assert isinstance(other, Judged)
        if equation.name not in _SUMS or one is None or other.regains or other.waves or other.fixed is not None:
            return None
        products = other.products | one.products
        bound = other.bound or other.entries
        return replace(self.new(other), products=products, last=other.last | one.products, bound=bound)

    def new(self, state: Judged) -> Judged:
        """The same of an array of its own."""
        numbers = self.numbers
        return replace(state, entries=next(numbers), place=next(numbers), origin=next(numbers))

    def _product(self, equation: Equation, of: Judged, weights: Sequence[Weights]) -> State:
        """Times weights of its own, or a known kernel."""
        if of.regains or of.fixed is not None or not all(one.independent and not one.repeated for one in weights):
            return None
        result = replace(self.new(of), total=False, sums=True, pieces=False)
        if not weights:
            return result if equation.name == "conv_general_dilated" and not of.pieces else None
        bit = 1 << next(self.numbers)
        return replace(result, products=of.products | bit, last=bit, waves="weighed" if of.waves else "")

    def _transformed(self, equation: Equation, of: Judged) -> State:
        """Fourier transformed; back from there only of what was multiplied by weights of its own."""
        inverse = "I" in equation.params["fft_type"].name
        if of.fixed is not None or of.regains or of.pieces or of.waves != ("weighed" if inverse else ""):
            return None
        result = replace(of, entries=next(self.numbers), origin=next(self.numbers), total=False, sums=True)
        return replace(result, waves="" if inverse else "raw")

    def _total(self, equation: Equation, of: Judged) -> State:
        over, is_sum = self.nodes(equation, equation.params["axes"]), equation.name == "reduce_sum"
        result = replace(of, entries=next(self.numbers), sums=of.sums and is_sum)
        if over == "some":  # as a pool does
            return replace(result, place=next(self.numbers), origin=next(self.numbers), sums=is_sum or result.sums)
        regains = of.regains or (over == "all" and result.sums)
        return replace(result, total=True, uniform=of.uniform or over == "all", regains=regains)

    def _joined(self, equation: Equation, judged: Sequence[Judged], weights: Sequence[Weights], moved: Judged) -> State:
        """One after the other: pieces of one array; different ones, along channels or along nodes."""
        if any(one.fixed is not None for one in judged):
            return None
        axis = equation.params["dimension"]
        if self.nodes(equation, (axis,)) == "none":
            if weights or any(one.regains or one.waves for one in judged):
                return None
            apart = all(are_apart(one, other) for one, other in combinations(judged, 2))
            result = self._both(judged, place=next(self.numbers))
            return replace(result, pieces=result.pieces or not apart, sums=any(one.sums for one in judged))
        if not weights and all(one.entries == moved.entries for one in judged):
            return moved
        if len(judged) > 1 or moved.waves or moved.regains or moved.pieces:
            return None
        rank = len(equation.shapes[0])
        return replace(moved, fixed=tuple(i for i in range(rank) if self.nodes(equation, (i,)) == "none"))

    def _together(self, equation: Equation, judged: Sequence[Judged], weights: Sequence[Weights]) -> State:
        """A function of entries of one or several arrays, and of weights."""
        result, moves = judged[0], row_of(equation).moves
        waves: set[str] = {one.waves for one in judged}
        if len(waves) > 1 or (waves != {""} and not (moves or equation.name in _SUMS)):
            return None
        for other in judged[1:]:
            beside = result.place == other.place
            if (result.fixed, other.fixed) != (None, None) and not beside:
                return None
            if not (beside or result.total or other.total or are_apart(result, other) or _tells(equation, judged)):
                return None
            whole = other if result.total else result
            place = whole.place if beside or result.total or other.total else next(self.numbers)
            result = replace(self._both([result, other], place), origin=whole.origin, fixed=whole.fixed)
        if result.fixed is not None and equation.name == "add" and mark_places(weights, result.fixed):
            result = replace(result, fixed=None, place=next(self.numbers), origin=next(self.numbers))
        kept = moves and len(judged) == 1
        return replace(
            result,
            entries=result.entries if kept else next(self.numbers),
            sums=_makes_sums(equation, judged),
        )

    def _both(self, judged: Sequence[Judged], place: int) -> Judged:
        """What holds of functions of several arrays."""
        result = judged[0]
        for other in judged[1:]:
            same = result.origin == other.origin
            result = Judged(
                products=result.products | other.products,
                last=result.last | other.last,
                entries=next(self.numbers),
                place=place,
                origin=result.origin if same else next(self.numbers),
                total=result.total and other.total,
                uniform=result.uniform and other.uniform,
                regains=result.regains and other.regains if same else result.regains or other.regains,
                pieces=result.pieces or other.pieces,
                waves=result.waves,
                bound=result.bound or other.bound,
            )
        return result


def _tells(equation: Equation, judged: Sequence[Judged]) -> bool:
    """Whether a function tells its operands apart: a product does a polynomial from what a function was applied to."""
    if equation.name == "mul":
        return len({one.sums for one in judged}) > 1
    return equation.name not in _SYMMETRIC


def _makes_sums(equation: Equation, judged: Sequence[Judged]) -> bool:
    """Whether a function gives sums: polynomials of sums do, unless a factor is another one at each node."""
    name = equation.name
    if not any(one.sums for one in judged):
        return False
    if name in _SUMS or row_of(equation).moves or (name == "div" and len(judged) == 1):
        return True
    if name == "select_n":
        return len(judged) == len(equation.inputs) - 1
    if name in _POWERS or name == "div":
        return not any(not one.sums and not one.uniform for one in judged)
    return False
