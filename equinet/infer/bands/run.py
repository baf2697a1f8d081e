"""A program run on what is known of its arrays when the input moves along one axis, and what its output keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.groups.domain import Domain
from equinet.infer.bands.arithmetic import Known, elementwise, product, reduced
from equinet.infer.bands.fourier import transformed
from equinet.infer.bands.movement import Held, moved
from equinet.infer.bands.values import MOST, Nodes, Turning, nothing, settled
from equinet.infer.compat import Equation, Program, is_literal
from equinet.infer.constants import folded
from equinet.infer.primitives import called
from equinet.infer.values import Constant
from equinet.infer.whole import Traced
from equinet.symmetry.continuous import Band, Bands

TURNS = 16
"""Of a loop, until what is known of its arrays stays the same."""


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
        if equation.name == "scan":
            return self._loop(equation, arguments) or self._lost(equation)
        depends = [each for each in arguments if not isinstance(each, Constant)]
        # A mask may leave zeros where nothing is known.
        if equation.name != "mul" and all(isinstance(each, Turning) and each.is_unknown for each in depends):
            return [nothing(shape) for shape in equation.shapes]
        found = moved(equation, arguments) or self._computed(equation, [*map(settled, arguments)])
        return self._lost(equation) if found is None else found

    def _computed(self, equation: Equation, arguments: Sequence[Known]) -> list[Held] | None:
        if equation.name == "fft":
            made = transformed(equation, arguments[0])
            self._note_folding(equation, arguments[0], made)
            return [made]
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
        """A scan over nothing: its body again and again, until what is carried is known no less than a turn before."""
        body, (same, carried) = Program.of(equation.params["jaxpr"]), equation.loop()
        if len(arguments) != same + carried or len(equation.shapes) != carried:
            return None
        held, carry = list(arguments[:same]), [settled(each) for each in arguments[same:]]
        if any(isinstance(each, Constant) and each.shape for each in carry):
            return None
        carry = [_at_any_turn(each) for each in carry]
        for _ in range(TURNS):
            after = [settled(each) for each in self.run(body, [*held, *carry])]
            if all(_covers(one, two) for one, two in zip(carry, after, strict=True)):
                return [*carry]
            carry = [_either(one, two) for one, two in zip(carry, after, strict=True)]
        return None


def _at_any_turn(value: Known) -> Known:
    """What is carried, without what holds of its numbers in the first turn only: those that count turns are any, and
    none that turn are known to be equal."""
    if isinstance(value, Constant):
        return Constant.arbitrary(value.shape)
    return Turning.of(value.frequency, value.shifts, value.zero) if isinstance(value, Turning) else value


def _covers(known: Known, found: Known) -> bool:
    """Whether what is found is at least what is known."""
    if isinstance(known, Nodes) and isinstance(found, Nodes):
        return known.axis == found.axis and _wider(known.band, found.band) == known.band
    if isinstance(known, Turning) and isinstance(found, Turning):
        merged = _either(known, found)
        assert isinstance(merged, Turning)
        pairs = ((merged.frequency, known.frequency), (merged.shifts, known.shifts), (merged.zero, known.zero))
        return all(np.array_equal(one, two) for one, two in pairs)
    return isinstance(known, Constant) and isinstance(found, Constant)


def _either(one: Known, two: Known) -> Known:
    """What is known of an array that may be either."""
    if isinstance(one, Nodes) and isinstance(two, Nodes) and one.axis == two.axis and one.shape == two.shape:
        return Nodes(one.shape, one.axis, _wider(one.band, two.band))
    if isinstance(one, Turning) and isinstance(two, Turning):
        shifts = np.gcd(np.gcd(one.shifts, two.shifts), np.where(one.zero | two.zero, 0, one.frequency - two.frequency))
        return Turning.of(np.where(one.zero, two.frequency, one.frequency), shifts, one.zero & two.zero)
    return one if isinstance(one, Constant) and isinstance(two, Constant) else nothing(one.shape)


def _wider(one: Band, two: Band) -> Band:
    return one.join(two, product=False)


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
        band = _output_band(result, place, output.sizes[axis] if output.dim else None)
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
