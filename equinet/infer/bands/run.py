"""A program run on what is known of its arrays when the input moves along one axis, and what its output keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.groups.domain import Domain
from equinet.infer.bands.arithmetic import Known, elementwise, product, reduced
from equinet.infer.bands.control import at_any_turn, choosing, chosen, covers, either
from equinet.infer.bands.fourier import transformed
from equinet.infer.bands.movement import Held, moved
from equinet.infer.bands.values import MOST, Nodes, Turning, nothing, settled
from equinet.infer.bands.windows import spelled_out
from equinet.infer.compat import Equation, Program, each_turn, is_literal
from equinet.infer.constants import folded
from equinet.infer.primitives import called
from equinet.infer.values import Constant
from equinet.infer.whole import Traced
from equinet.symmetry.continuous import Band, Bands

TURNS = 16
"""Of a loop, until what is known of its arrays stays the same, or that are followed one by one."""


@dataclass
class _Runner:
    """One run.

    Attributes:
        generic: whether what the program closes over is arbitrary.
        gaps: why something was lost, in the order of the program.
        place: the line of the model from which what has no line of its own was called.
    """

    generic: bool
    gaps: list[str] = field(default_factory=list)
    place: str = ""

    def run(self, program: Program, arguments: Sequence[Held]) -> list[Held]:
        """The values of a program's outputs."""
        held: dict[Any, Held] = {}
        for var, array in program.constants:
            is_weight = self.generic and jnp.issubdtype(array.dtype, jnp.inexact)
            held[var] = Constant.arbitrary(array.shape) if is_weight else Constant.of(array)
        held.update(zip(program.inputs, arguments, strict=True))

        def read(var: Any) -> Held:
            return Constant.of(np.asarray(var.val)) if is_literal(var) else held[var]

        for equation in program.equations:
            held.update(zip(equation.outputs, self.step(equation, [*map(read, equation.inputs)]), strict=True))
        return [*map(read, program.outputs)]

    def step(self, equation: Equation, arguments: list[Held]) -> list[Held]:
        """The results of one operation."""
        constants = [each for each in arguments if isinstance(each, Constant)]
        if len(constants) == len(arguments) and equation.name != "scan" and called(equation) is None:
            return list(folded(equation, constants))
        program = called(equation)
        if program is not None:
            outer, self.place = self.place, self._place_of(equation)
            results = self.run(program, arguments[len(arguments) - len(program.inputs) :])
            self.place = outer
            return results
        if any(np.prod(shape) > MOST for shape in equation.shapes):
            return self._lost(equation)
        if equation.name in CONTROL:
            found = CONTROL[equation.name](self, equation, arguments)
            return self._lost(equation) if found is None else found
        depends = [each for each in arguments if not isinstance(each, Constant)]
        # A mask may leave zeros where nothing is known.
        if equation.name != "mul" and all(isinstance(each, Turning) and each.is_unknown for each in depends):
            return [nothing(shape) for shape in equation.shapes]
        windows = spelled_out(equation)
        if windows is not None:
            return self._slid(equation, windows, arguments)
        found = moved(equation, arguments) or self._computed(equation, [*map(settled, arguments)])
        return self._lost(equation) if found is None else found

    def _slid(self, equation: Equation, windows: Program, arguments: Sequence[Held]) -> list[Held]:
        """What windows give; a border shows in that nothing is known of them."""
        outer, self.place = self.place, self._place_of(equation)
        results = [settled(each) for each in self.run(windows, arguments)]
        self.place = outer
        is_lost = all(isinstance(each, Turning) and each.is_unknown for each in results)
        return self._lost(equation) if is_lost else [*results]

    def _computed(self, equation: Equation, arguments: Sequence[Known]) -> list[Held] | None:
        if equation.name == "fft":
            result = transformed(equation, arguments[0])
            self._note_folding(equation, arguments[0], result)
            return [result]
        if equation.name == "dot_general":
            return [product(equation, arguments)]
        found = elementwise(equation, arguments)
        found = reduced(equation, arguments[0]) if found is None else found
        return None if found is None else [found]

    def _note_folding(self, equation: Equation, before: Known, after: Known) -> None:
        """Remember where coefficients are those of several frequencies."""
        if isinstance(before, Nodes) and isinstance(after, Turning):
            band = before.band
            if np.gcd.reduce(after.shifts.reshape(-1)) != band.shifts:
                top = "without bound" if band.top is None else f"up to {band.top}"
                where = f"on {band.nodes} nodes that are transformed ({self._place_of(equation)})"
                self.gaps.append(f"frequencies {top} fold {where}")

    def _lost(self, equation: Equation) -> list[Held]:
        self.gaps.append(f"what {equation.name} does to frequencies is not known ({self._place_of(equation)})")
        return [nothing(shape) for shape in equation.shapes]

    def _place_of(self, equation: Equation) -> str:
        mine, any_of = equation.sources
        return mine or self.place or any_of

    def _loop(self, equation: Equation, arguments: Sequence[Held]) -> list[Held] | None:
        """A scan: over nothing, what every turn keeps; over constants, turn by turn. None if over anything else."""
        body, (same, carried) = Program.of(equation.params["jaxpr"]), equation.loop()
        rows = arguments[same + carried :]
        if len(equation.shapes) != carried or not all(isinstance(each, Constant) for each in rows):
            return None
        if rows and equation.params["length"] <= TURNS:
            return each_turn(equation, arguments, self.run, _row, list)
        if rows:
            return None
        return self._kept_by_turns(arguments[same:], lambda carry: self.run(body, [*arguments[:same], *carry]))

    def _while(self, equation: Equation, arguments: Sequence[Held]) -> list[Held] | None:
        """Of a loop that ends by itself, what every turn keeps, by the shifts that leave the number of turns alone."""
        how = equation.params
        first, last = how["cond_nconsts"], how["cond_nconsts"] + how["body_nconsts"]
        body = Program.of(how["body_jaxpr"])
        carry = self._kept_by_turns(arguments[last:], lambda carry: self.run(body, [*arguments[first:last], *carry]))
        if carry is None:
            return None
        (going,) = self.run(Program.of(how["cond_jaxpr"]), [*arguments[:first], *carry])
        shifts = choosing(settled(going))
        return [chosen(settled(each), shifts) for each in carry]

    def _kept_by_turns(self, start: Sequence[Held], turn: Callable[[list[Held]], list[Held]]) -> list[Held] | None:
        """The body of a loop again and again, until what is carried is known no less than a turn before."""
        carry = [at_any_turn(settled(each)) for each in start]
        for _ in range(TURNS):
            after = [settled(each) for each in turn([*carry])]
            if all(covers(one, two) for one, two in zip(carry, after, strict=True)):
                return [*carry]
            carry = [either(one, two) for one, two in zip(carry, after, strict=True)]
        return None

    def _branches(self, equation: Equation, arguments: Sequence[Held]) -> list[Held]:
        """A branch that is known, or what all keep, by the shifts that leave the choice alone."""
        which, *operands = arguments
        which, branches = settled(which), [Program.of(branch) for branch in equation.params["branches"]]
        if isinstance(which, Constant) and which.array is not None:
            return self.run(branches[int(np.clip(which.array, 0, len(branches) - 1))], operands)
        results = [[settled(each) for each in self.run(branch, operands)] for branch in branches]
        return [chosen(reduce(either, each), choosing(which)) for each in zip(*results, strict=True)]


CONTROL: dict[str, Callable[[_Runner, Equation, Sequence[Held]], list[Held] | None]] = {
    "scan": _Runner._loop,
    "while": _Runner._while,
    "cond": _Runner._branches,
}


def _row(rows: Held, at: int) -> Held:
    """What a turn of a loop reads of a constant."""
    assert isinstance(rows, Constant)
    return rows.mapped(lambda array: array[at], rows.shape[1:], rows.varies[1:])


def bands_of(traced: Traced, domain: Domain, sizes: Sequence[int], output: Domain, dtype: Any) -> tuple[Bands, str]:
    """The bands of a program's output, and why shifts are lost that nothing folds for, as text.

    Each axis of the input is followed by itself, the others being channels to it.

    Args:
        sizes: of the input's axes.
        output: the grid of the output; without axes, its bands say what it is invariant under.
    """
    if output.dim not in (0, domain.dim):
        return Bands(tuple(Band(n, 1, n // 2) for n in sizes)), "the output has other axes than the input"
    found, gaps = [], []
    for axis, along in enumerate(domain.axes):
        count = sizes[axis]
        if along.boundary != "periodic" or count == 1 or not jnp.issubdtype(dtype, jnp.inexact):
            found.append(Band(count, 1, count // 2))
            continue
        runner = _Runner(traced.generic)
        *parameters, shape = traced.shapes
        place = traced.layout.index("S") + axis
        start = Nodes(shape, place, Band.input(count))
        result = settled(*runner.run(traced.program, [*map(Constant.arbitrary, parameters), start]))
        array_axis = traced.output_layout.index("S") + axis
        band = _output_band(result, array_axis, output.sizes[axis] if output.dim else None)
        found.append(band)
        if band.shifts == 1 or (band.shifts and not (output.dim and band.folded)):
            gaps.append(next(iter(runner.gaps), "frequencies that fold, or that are not followed, are in the output"))
    return Bands(tuple(found), pooled=not output.dim), "; ".join(dict.fromkeys(filter(None, gaps)))


def _output_band(result: Known, place: int, size: int | None) -> Band:
    """Along the output's axis at the input's place; of an output without axes, what leaves it as it is."""
    if size is None:
        if isinstance(result, Nodes):
            return Band(1, 0 if result.band.top == 0 and result.band.shifts == 0 else 1)
        staying = 0 if isinstance(result, Constant) else int(np.gcd.reduce(result.staying.reshape(-1)))
        return Band(1, staying)
    if isinstance(result, Nodes) and result.axis == place and result.shape[place] == size:
        return result.band
    return Band(size, 1, size // 2)
