"""The interpreter: runs a program on values that say how isometries of the network's input move an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.declare import declaration
from equinet.infer.compat import Equation, Program, is_literal, is_read
from equinet.infer.constants import folded
from equinet.infer.digits import free
from equinet.infer.evaluate import Runs
from equinet.infer.fields import nothing, restrict_source
from equinet.infer.ledger import Place, Step
from equinet.infer.primitives import NoRule, OfTokens, called, operand, row_of
from equinet.infer.regions import push_declared
from equinet.infer.rules.spectra import settled
from equinet.infer.values import Atom, Chosen, Constant, Ends, Held, Operand, Spectrum, Tokens, Value
from equinet.infer.views import freed, unmoved, without_spare_axes, without_tokens
from equinet.symmetry.field import Field


class InferenceError(Exception):
    """Inference failed because of a mistake in an operation's rule; the message names the operation and its line."""


_MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)
"""What a mistake of a rule looks like. Interrupts, time-outs and a lack of memory are none."""


@dataclass
class Interpreter:
    """One run of `infer`.

    Attributes:
        source: the input's field.
        runs: of the program on drawn inputs.
        generic: whether closed-over arrays of real or complex numbers are taken to have arbitrary values.
        steps: what was done, for the ledger.
        place: where the program that is being run was called.
    """

    source: Field
    runs: Runs = field(default_factory=Runs)
    generic: bool = False
    steps: list[Step] = field(default_factory=list)
    place: Place = ((), "")

    def run(self, program: Program, arguments: Sequence[Held]) -> list[Held]:
        """The values of a program's outputs."""
        held = self.values(program, arguments)
        return [read(var, held) for var in program.outputs]

    def values(self, program: Program, arguments: Sequence[Held]) -> dict[Any, Held]:
        """The values of a program's variables."""
        held: dict[Any, Held] = {}
        for var, array in program.constants:
            # Whole numbers are places, and truth values masks: no weights, which are arbitrary.
            is_weight = jnp.issubdtype(array.dtype, jnp.inexact)
            held[var] = Constant.arbitrary(array.shape) if self.generic and is_weight else Constant.of(array)
        held.update(zip(program.inputs, arguments, strict=True))
        for equation in program.equations:
            results = self.step(equation, [read(var, held) for var in equation.inputs])
            held.update(zip(equation.outputs, results, strict=True))
        return held

    def step(self, equation: Equation, arguments: list[Held]) -> list[Held]:
        """The results of one operation."""
        program = called(equation)
        if program is not None:
            operands = arguments[len(arguments) - len(program.inputs) :]
            return self._inside(equation, lambda: self.run(program, operands))
        constants = [a for a in arguments if isinstance(a, Constant)]
        if len(constants) == len(arguments):
            return list(folded(equation, constants))
        if all(0 in shape for shape in equation.shapes):
            return [Constant.empty(var.aval) for var in equation.outputs]
        arguments = [_with_still_channels(equation, a, arguments) for a in arguments]
        try:
            results = self._apply(equation, arguments)
        except NoRule as gap:
            results: list[Held] = [*_of_still_arrays(equation, arguments, self.source)]
            self._record(equation, arguments, results, str(gap) or f"nothing is known of this use of {equation.name}")
            return results
        except _MISTAKES as error:
            raise InferenceError(
                f"the rule of {equation.name} failed at {self._place_of(equation)[1]}: "
                f"{type(error).__name__}: {error}; please report it"
            ) from error
        for result, shape in zip(results, equation.shapes, strict=True):
            if not isinstance(result, Chosen) and result.shape != shape:
                raise InferenceError(
                    f"the rule of {equation.name} gives shape {result.shape}, not {shape}: please report it"
                )
        self._record(equation, arguments, results, "")
        return results

    def _inside(self, equation: Equation, run: Callable[[], list[Held]]) -> list[Held]:
        """Run a program inside an operation, which says where what has no place of its own comes from."""
        outer = self.place
        self.place = self._place_of(equation)
        try:
            return run()
        finally:
            self.place = outer

    def _place_of(self, equation: Equation) -> Place:
        """The named scopes that an operation is in, and the line of the model that it comes from."""
        mine, any_of = equation.sources
        return (*self.place[0], *equation.scopes), mine or self.place[1] or any_of

    def _apply(self, equation: Equation, arguments: list[Held]) -> list[Held]:
        """What an operation's row says of its results.

        Spectra first, while the operation is one that they pass; else they are arrays like any other. What is computed
        of the ends of an infinite axis alone depends on the ends alone.
        """
        row = row_of(equation)
        transforms = row.rule is None and row.spectral is not None
        if not row.takes_phases:
            for argument in arguments:
                operand(argument)
        arrays = [a for a in arguments if not isinstance(a, Chosen)]
        if row.tokens is not None and len(arrays) == len(arguments) and any(isinstance(a, Tokens) for a in arrays):
            found = row.tokens(equation, arrays)
            if found is not None:
                return [*found]
        others = None if row.tokens is None else _in_other_form(row.tokens, equation, arguments)
        arguments = [without_tokens(a) if isinstance(a, Tokens) else a for a in arguments]
        if row.spectral is not None and (transforms or any(isinstance(a, Spectrum) for a in arguments)):
            # Frequencies are not followed through choices.
            still = [_without_choices(a) if isinstance(a, Value) and a.stem.variables else a for a in arguments]
            result = row.spectral(equation, still)
            if result is not None:
                return [result]
        at_ends = all(isinstance(a, Constant | Ends) for a in arguments)
        shows_ends = row.sees_ends and not at_ends
        runs = row.control is not None
        arguments = [a if (shows_ends and isinstance(a, Ends)) or runs else settled(a) for a in arguments]
        results = [_with_common_choices(equation, arguments, a) for a in self._by_rule(equation, arguments)]
        results = [without_spare_axes(a) if isinstance(a, Value) else a for a in results]
        results = [Ends(a) if at_ends and isinstance(a, Value) else a for a in results]
        return (
            results if others is None else [_of_two_forms(a, other) for a, other in zip(results, others, strict=True)]
        )

    def _by_rule(self, equation: Equation, arguments: Sequence[Any]) -> Sequence[Held]:
        """The results, without frequencies."""
        row, region = row_of(equation), declaration(equation.eqn)
        if region is not None:
            return push_declared(region, equation, arguments, self.source, self.runs)
        control = row.control
        if control is not None:
            return self._inside(equation, lambda: [*control(equation, arguments, self._run_known)])
        if row.rule is None:
            raise NoRule(
                f"no rule for the primitive {equation.name} ({self._place_of(equation)[1]}): give it one with "
                f"equinet.infer.rule, or declare the symmetry of the function that uses it with equinet.declare"
            )
        return row.rule(equation, arguments)

    def _run_known(self, program: Program, arguments: Sequence[Atom | Spectrum]) -> list[Atom | Spectrum]:
        """The values of a program's outputs, which a loop or a branch hands on: spectra too, but no ends."""
        return [a if isinstance(a, Spectrum) else settled(a) for a in self.run(program, arguments)]

    def _record(self, equation: Equation, arguments: Sequence[Held], results: Sequence[Held], gap: str) -> None:
        before = [_below(a) for a in arguments if isinstance(a, Value | Spectrum | Ends | Tokens)]
        wanted = [r for var, r in zip(equation.outputs, results, strict=True) if is_read(var)]
        after = [_below(r) for r in wanted if isinstance(r, Value | Spectrum | Ends | Tokens)]
        if before and after:
            constants = [a for a in arguments if isinstance(a, Constant)]
            self.steps.append(Step(equation, self._place_of(equation), before, constants, after[0], gap))


def read(var: Any, held: Mapping[Any, Held]) -> Held:
    """What an equation reads: the value of a variable, or a number that is written into the program."""
    return Constant.of(np.asarray(var.val)) if is_literal(var) else held[var]


def _with_still_channels(equation: Equation, argument: Held, arguments: Sequence[Held]) -> Held:
    """An operand whose channels no operation moves, unless the primitive's row lets them pass."""
    if not isinstance(argument, Value) or argument.stem.fibre.is_plain:
        return argument
    fibres = row_of(equation).fibres
    is_alone = all(a is argument or (isinstance(a, Constant) and a.shape == ()) for a in arguments)
    permutes = fibres == "permuted" and argument.stem.fibre.is_permutation and is_alone
    joins = fibres == "together" and all(isinstance(a, Value) for a in arguments)
    return argument if permutes or joins or fibres == "declared" else unmoved(argument)


def _of_still_arrays(equation: Equation, arguments: Sequence[Held], source: Field) -> list[Value]:
    """Results of which no more is known than that they are functions of the operands: where these stay, so do they.

    That is kept what leaves every node of every operand in place. Of what may give other results each time, and of
    choices of adaptive layers, nothing is known.
    """
    settle = [a if isinstance(a, Chosen) else settled(a) for a in arguments]
    values = [a for a in settle if isinstance(a, Value)]
    whole = nothing(source)
    if row_of(equation).repeatable and not any(isinstance(a, Chosen) for a in settle):
        still = [_without_choices(freed(unmoved(value), range(len(value.layout)))).field for value in values]
        whole = reduce(restrict_source, still).pointwise("any")
    return [Value(whole, (), free(*shape)) for shape in equation.shapes]


def _with_common_choices(equation: Equation, arguments: Sequence[Held], result: Held) -> Held:
    """A result that mixes parts of an array for which an adaptive layer chose apart, as examples are.

    Each part moves by a shift of its own, so only isometries are kept under which no choice changes. Where no node is
    left, nothing moves.
    """
    if not isinstance(result, Value) or not result.stem.variables:
        return result
    summed = row_of(equation).summed
    axes_of = summed(equation) if summed else [()] * len(arguments)
    for argument, axes in zip(arguments, axes_of, strict=True):
        if not isinstance(argument, Value) or not argument.dim or not argument.stem.variables:
            continue
        if argument.choices > result.choices or any(digit.chooses for i in axes for digit in argument.layout[i]):
            return _without_choices(result)
    return result


def _in_other_form(rule: OfTokens, equation: Equation, arguments: Sequence[Held]) -> Sequence[Tokens | Value] | None:
    """The results, where what was taken for padding of an infinite axis is taken for tokens beside its nodes."""
    arrays = [a for a in arguments if isinstance(a, Operand | Ends)]
    forms = [a.other or a if isinstance(a, Value) else a for a in arrays]
    if len(arrays) < len(arguments) or not any(isinstance(a, Tokens) for a in forms):
        return None
    return rule(equation, forms)


def _of_two_forms(result: Held, other: Tokens | Value) -> Held:
    """Of two forms of a result both, or the one that keeps more where one is left."""
    if not isinstance(result, Value | Ends):
        return result
    if isinstance(other, Tokens):
        return result.also(other) if isinstance(result, Value) else result
    mine, its = _below(result).field.strict.source, other.field.strict.source
    return other if mine <= its and mine != its else result


def _without_choices(value: Value) -> Value:
    """The same value under isometries that change no choice of an adaptive layer."""
    action = value.field.action
    for name in reversed(action.parameters):
        action = action.fix(name)
    return value.known(value.field.based(action))


def _below(atom: Value | Spectrum | Ends | Tokens) -> Value:
    return atom if isinstance(atom, Value) else atom.nodes if isinstance(atom, Tokens) else atom.value
