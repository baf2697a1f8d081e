"""The interpreter: runs a program on values that say how isometries of the network's input move an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equinet.declare import declaration
from equinet.groups.fibre import Fibre
from equinet.infer.compat import Equation, Program, is_literal
from equinet.infer.constants import folded
from equinet.infer.evaluate import Runs
from equinet.infer.fields import nothing, restrict_source
from equinet.infer.join import held, join, mixed, pointwise, with_constant
from equinet.infer.lazy import Lazy
from equinet.infer.ledger import Place, Step
from equinet.infer.regions import push_declared
from equinet.infer.rows import picked
from equinet.infer.rules import RULES, NoRule
from equinet.infer.rules.concatenation import concatenated
from equinet.infer.rules.fourier import settled, spectral
from equinet.infer.rules.movement import SEES_ENDS
from equinet.infer.values import Atom, Chosen, Constant, Digit, Ends, Held, Spectrum, Value, free
from equinet.infer.views import freed, without_spare_axes
from equinet.symmetry.field import Field

UNROLLED = 64
"""Steps of a loop that are followed one by one; of a longer loop, what every step keeps."""
COUNTED = 1024
"""Steps of a loop with a known end that are followed before it is treated as endless."""
SETTLED = 64
"""Rounds after which a loop that keeps losing symmetry is given up."""
KEEPS_FIBRES = {"max", "min", "logistic", "tanh", "exp", "sin", "cos", "erf", "copy", "stop_gradient"}
"""Primitives that do the same to every channel, if their other operand is a number."""


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
        generic: whether closed-over arrays are taken to have arbitrary values.
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
        held: dict[Any, Held] = {}
        for var, array in program.constants:
            held[var] = Constant.arbitrary(array.shape) if self.generic else Constant.of(array)
        held.update(zip(program.inputs, arguments, strict=True))

        def read(var: Any) -> Held:
            return Constant.of(np.asarray(var.val)) if is_literal(var) else held[var]

        for equation in program.equations:
            results = self.step(equation, [read(var) for var in equation.inputs])
            held.update(zip(equation.outputs, results, strict=True))
        return [read(var) for var in program.outputs]

    def step(self, equation: Equation, arguments: list[Held]) -> list[Held]:
        """The results of one operation."""
        called = equation.called()
        if called is not None:
            return self._inside(equation, lambda: self.run(called, self._operands(called, arguments)))
        constants = [a for a in arguments if isinstance(a, Constant)]
        if len(constants) == len(arguments):
            return list(folded(equation, constants))
        if all(0 in shape for shape in equation.shapes):
            return [Constant(shape, None, (False,) * len(shape)) for shape in equation.shapes]
        arguments = [self._without_fibre(equation, a, arguments) for a in arguments]
        try:
            results = self._apply(equation, arguments)
        except NoRule as gap:
            results: list[Held] = [Value(nothing(self.source), (), free(*shape)) for shape in equation.shapes]
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

    def _operands(self, called: Program, arguments: list[Held]) -> list[Held]:
        return arguments[len(arguments) - len(called.inputs) :]

    def _without_fibre(self, equation: Equation, argument: Held, arguments: Sequence[Held]) -> Held:
        """An operand whose channels no operation moves, unless the operation treats all channels alike."""
        if not isinstance(argument, Value) or not isinstance(argument.stem.fibre, Fibre):
            return argument
        if declaration(equation.eqn) is not None:
            return argument
        if equation.name in ("add", "sub", "concatenate") and all(isinstance(a, Value) for a in arguments):
            return argument
        alike = equation.name in KEEPS_FIBRES and argument.stem.fibre.is_permutation
        alike &= all(a is argument or (isinstance(a, Constant) and a.shape == ()) for a in arguments)
        return argument if alike else argument.known(argument.field.unmoved())

    def _apply(self, equation: Equation, arguments: list[Held]) -> list[Held]:
        if equation.name == "fft" or any(isinstance(a, Spectrum) for a in arguments):
            # Frequencies are not followed through choices.
            still = [_without_choices(a) if isinstance(a, Value) and a.stem.variables else a for a in arguments]
            found = spectral(equation, still)
            if found is not None:
                return found
        # What is computed of the ends of an axis alone depends on the ends alone.
        at_ends = all(isinstance(a, Constant | Ends) for a in arguments)
        if at_ends or equation.name not in SEES_ENDS:
            arguments = [settled(a) for a in arguments]
        else:
            arguments = [a if isinstance(a, Ends) else settled(a) for a in arguments]
        results = [_with_common_choices(equation, arguments, a) for a in self._apply_rule(equation, arguments)]
        kept = [without_spare_axes(a) if isinstance(a, Value) else a for a in results]
        return [Ends(a) if at_ends and isinstance(a, Value) else a for a in kept]

    def _apply_rule(self, equation: Equation, arguments: Sequence[Any]) -> Sequence[Held]:
        region = declaration(equation.eqn)
        if region is not None:
            return push_declared(region, equation, arguments, self.source, self.runs)
        control = {"scan": self._scan, "while": self._while, "cond": self._cond}.get(equation.name)
        if control is not None:
            return [settled(a) for a in self._inside(equation, lambda: list(control(equation, list(arguments))))]
        rule = RULES.get(equation.name)
        if rule is None:
            raise NoRule(
                f"no rule for the primitive {equation.name} ({self._place_of(equation)[1]}): give it one with "
                f"equinet.infer.rule, or declare the symmetry of the function that uses it with equinet.declare"
            )
        return rule(equation, arguments)

    def _record(self, equation: Equation, arguments: Sequence[Held], results: Sequence[Held], gap: str) -> None:
        before = [_below(a) for a in arguments if isinstance(a, Value | Spectrum | Ends)]
        after = [_below(r) for r in results if isinstance(r, Value | Spectrum | Ends)]
        if before and after:
            constants = [a for a in arguments if isinstance(a, Constant)]
            self.steps.append(Step(equation, self._place_of(equation), before, constants, after[0], gap))

    def _plainly(self, program: Program, arguments: Sequence[Atom]) -> list[Atom]:
        """The values of a program's outputs, none of them a spectrum."""
        return [settled(a) for a in self.run(program, arguments)]

    def _scan(self, equation: Equation, arguments: list[Atom]) -> list[Atom]:
        params = equation.params
        body, length = Program.of(params["jaxpr"]), params["length"]
        same, carried = equation.loop()
        held, carry, rows = arguments[:same], arguments[same : same + carried], arguments[same + carried :]
        outputs: list[list[Atom]] = []
        if not length:
            return [*carry, *(Constant(shape, None, (False,) * len(shape)) for shape in equation.shapes[carried:])]
        if length <= UNROLLED:
            order = range(length - 1, -1, -1) if params["reverse"] else range(length)
            for at in order:
                made = self._plainly(body, [*held, *carry, *(_row(row, at) for row in rows)])
                carry = made[: len(carry)]
                outputs.append(made[len(carry) :])
            outputs = outputs[::-1] if params["reverse"] else outputs
            return [*carry, *(_stack(stack) for stack in zip(*outputs, strict=True))]
        some = [_some_row(row) for row in rows]
        carry = self._settled(carry, lambda now: self._plainly(body, [*held, *now, *some])[: len(carry)])
        made = self._plainly(body, [*held, *carry, *some])
        return [*carry, *(_repeated(out, length) for out in made[len(carry) :])]

    def _settled(self, carry: list[Atom], turn: Any) -> list[Atom]:
        """What a loop keeps, however often it turns."""
        carry = [pointwise(c, "any") if isinstance(c, Value) else c for c in carry]
        for _ in range(SETTLED):
            after = turn(carry)
            met = [_in_view(a, _met(a, b)) for a, b in zip(carry, after, strict=True)]
            if all(_same(a, b) for a, b in zip(carry, met, strict=True)):
                return met
            carry = met
        return [Value(nothing(self.source), (), free(*c.shape)) for c in carry if not isinstance(c, Chosen)]

    def _while(self, equation: Equation, arguments: list[Atom]) -> list[Atom]:
        params = equation.params
        test, body = Program.of(params["cond_jaxpr"]), Program.of(params["body_jaxpr"])
        n, m = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        to_test, to_body, carry = arguments[:n], arguments[n:m], arguments[m:]
        for _ in range(COUNTED):
            (going,) = self._plainly(test, [*to_test, *carry])
            if not isinstance(going, Constant) or going.array is None:
                break
            if not going.array.any():
                return carry
            made = self._plainly(body, [*to_body, *carry])
            # A loop of which `vmap` made many turns where some of them still do; the others keep what they have.
            carry = made if going.array.all() else [_kept(going, a, b) for a, b in zip(made, carry, strict=True)]

        # What the body hands on as it is stays what it is; of the rest, the number of turns decides.
        still = [out is var for out, var in zip(body.outputs, body.inputs[m - n :], strict=True)]

        def decided(made: list[Atom], now: list[Atom]) -> list[Atom]:
            (going,) = self._plainly(test, [*to_test, *now])
            return [a if same else _decided(a, going) for a, same in zip(made, still, strict=True)]

        loose = [
            Constant.arbitrary(c.shape) if isinstance(c, Constant) and not same else c
            for c, same in zip(carry, still, strict=True)
        ]
        kept = self._settled(loose, lambda now: decided(self._plainly(body, [*to_body, *now]), now))
        return decided(kept, kept)

    def _cond(self, equation: Equation, arguments: list[Atom]) -> list[Atom]:
        which, *operands = arguments
        branches = [Program.of(branch) for branch in equation.params["branches"]]
        if isinstance(which, Constant) and which.array is not None:
            at = int(np.clip(int(np.asarray(which.array).ravel()[0]), 0, len(branches) - 1))
            return self._plainly(branches[at], operands)
        results = [self._plainly(branch, operands) for branch in branches]
        made = results[0]
        for other in results[1:]:
            made = [_met(a, b) for a, b in zip(made, other, strict=True)]
        return [_decided(a, which) for a in made]


def _with_common_choices(equation: Equation, arguments: Sequence[Held], result: Held) -> Held:
    """A result that mixes parts of an array for which an adaptive layer chose apart, as examples are.

    Each part moves by a shift of its own, so only isometries are kept under which no choice changes. Where no node is
    left, nothing moves.
    """
    if not isinstance(result, Value) or not result.stem.variables:
        return result
    summed = equation.params["dimension_numbers"][0] if equation.name == "dot_general" else [()] * len(arguments)
    for argument, axes in zip(arguments, summed, strict=True):
        if not isinstance(argument, Value) or not argument.dim or not argument.stem.variables:
            continue
        if argument.choices > result.choices or any(digit.chooses for i in axes for digit in argument.layout[i]):
            return _without_choices(result)
    return result


def _without_choices(value: Value) -> Value:
    """The same value under isometries that change no choice of an adaptive layer."""
    action = value.field.action
    for name in reversed(action.parameters):
        action = action.fix(name)
    return value.known(value.field.based(action))


def _below(atom: Value | Spectrum | Ends) -> Value:
    return atom if isinstance(atom, Value) else atom.value


def _row(atom: Atom, at: int) -> Atom:
    """Row `at` of an array that a loop runs over."""
    if isinstance(atom, Constant):
        return atom.mapped(lambda array: array[at], atom.shape[1:], atom.varies[1:])
    if isinstance(atom, Chosen):
        raise NoRule("a loop runs over the phase that a polyphase layer chose")
    one = picked(atom, 0, np.asarray([at]))
    return one.laid_out(one.layout[1:])


def _some_row(atom: Atom) -> Atom:
    """What is true of every row of an array that a loop runs over."""
    if isinstance(atom, Constant):
        return Constant(atom.shape[1:], None, atom.varies[1:])
    if isinstance(atom, Chosen):
        raise NoRule("a loop runs over the phase that a polyphase layer chose")
    loose = freed(atom, [0])
    return mixed(loose, "any", loose.layout[1:])


def _stack(atoms: Sequence[Atom]) -> Atom:
    """What a loop gives at each step, one row after the other."""
    shape = (len(atoms), *(atoms[0].shape if not isinstance(atoms[0], Chosen) else ()))
    constants = [a for a in atoms if isinstance(a, Constant)]
    if len(constants) == len(atoms):
        varies = tuple(any(a.varies[i] for a in constants) for i in range(len(shape) - 1))
        made = [a.lazy for a in constants if a.lazy is not None]
        lazy = Lazy(lambda *arrays: np.stack([np.asarray(a) for a in arrays]), *made)
        return Constant(shape, lazy if len(made) == len(constants) else None, (shape[0] > 1, *varies))
    rows: list[Atom] = []
    for a in atoms:
        if isinstance(a, Value):
            rows.append(a.laid_out(((), *a.layout)))
        elif isinstance(a, Constant):
            rows.append(a.mapped(lambda array: np.asarray(array)[None], (1, *a.shape), (False, *a.varies)))
    return concatenated(rows, 0, shape)


def _repeated(atom: Atom, length: int) -> Atom:
    """Some row for each step of a loop."""
    if isinstance(atom, Constant):
        return Constant((length, *atom.shape), None, (length > 1, *atom.varies))
    if isinstance(atom, Chosen):
        raise NoRule("a loop gives the phase that a polyphase layer chose")
    return mixed(atom, "any", ((Digit(length),), *atom.layout))


def _met(a: Atom, b: Atom) -> Atom:
    """One of two arrays, whichever it may be."""
    if isinstance(a, Value) and isinstance(b, Value):
        return pointwise(join(a, b, linear=False), "any")
    if isinstance(a, Value) and isinstance(b, Constant):
        return with_constant(a, b, "any")
    if isinstance(a, Constant) and isinstance(b, Value):
        return with_constant(b, a, "any")
    if isinstance(a, Constant) and isinstance(b, Constant):
        if a is b:
            return a
        varies = tuple(x or y for x, y in zip(a.varies, b.varies, strict=True))
        return Constant(a.shape, None, varies)
    raise NoRule("a loop or a branch carries the phase that a polyphase layer chose")


def _in_view(before: Atom, after: Atom) -> Atom:
    """What a turn of a loop leaves of an array. Where the view of an infinite axis moves on, as it may with every turn,
    nodes are kept in place."""
    if not isinstance(before, Value) or not isinstance(after, Value) or before.layout != after.layout:
        return after
    drifting = {i for i in range(after.dim) if after.endless(i) and before.canvas[i] != after.canvas[i]}
    return held(after, drifting)


def _same(a: Atom, b: Atom) -> bool:
    if isinstance(a, Value) and isinstance(b, Value):
        return a.layout == b.layout and a.field.action == b.field.action
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a is b or (a.lazy is None and b.lazy is None and a.varies == b.varies)
    return False


def _decided(atom: Atom, which: Atom) -> Atom:
    """One of several arrays of which one thing is known, whichever another array says: it depends on that one too.

    Args:
        which: a number, or one for each entry along the first axes.
    """
    if isinstance(atom, Chosen) or isinstance(which, Chosen):
        raise NoRule("a loop or a branch decides on the phase that a polyphase layer chose")
    if not which.shape and isinstance(atom, Value):
        return atom.known(restrict_source(atom.field, which.field)) if isinstance(which, Value) else atom
    rest = atom.shape[len(which.shape) :]
    if isinstance(which, Constant):
        if isinstance(atom, Constant):
            return Constant.arbitrary(atom.shape)
        return with_constant(atom, Constant.arbitrary((*which.shape, *(1 for _ in rest))), "any")
    wide = which.laid_out((*which.layout, *((Digit(n, uniform=True),) for n in rest)))
    return _met(wide, Constant.arbitrary(atom.shape) if isinstance(atom, Constant) else atom)


def _kept(going: Constant, new: Atom, old: Atom) -> Atom:
    """Where something known says so the new array, elsewhere the old one."""
    if isinstance(new, Constant) and isinstance(old, Constant):
        if going.lazy is None or new.lazy is None or old.lazy is None:
            return Constant.arbitrary(new.shape)
        lazy = Lazy(lambda g, a, b: np.where(_along_first(g, np.ndim(a)), a, b), going.lazy, new.lazy, old.lazy)
        return Constant(new.shape, lazy, tuple(n > 1 for n in new.shape))
    met = _met(new, old)
    assert isinstance(met, Value)
    rest = len(met.shape) - len(going.shape)
    wide = going.mapped(
        lambda g: _along_first(g, len(met.shape)), (*going.shape, *(1,) * rest), (*going.varies, *(False,) * rest)
    )
    return with_constant(met, wide, "any")


def _along_first(array: Any, rank: int) -> np.ndarray:
    """An array along the first of so many axes."""
    found = np.asarray(array)
    return found.reshape(*found.shape, *(1,) * (rank - found.ndim))
