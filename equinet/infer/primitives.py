"""The table of primitives: a row for each that inference knows, with everything that it knows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation, Place, Program
from equinet.infer.values import Atom, Chosen, Constant, Ends, Held, Operand, Spectrum, Tokens, Value

if TYPE_CHECKING:
    from equinet.infer.ledger import Step

Rule = Callable[[Equation, Sequence[Any]], Sequence[Atom | Ends | Tokens]]
Run = Callable[[Program, Sequence[Atom | Spectrum]], list[Atom | Spectrum]]
Control = Callable[[Equation, Sequence[Atom | Spectrum], Run], Sequence[Atom | Spectrum]]
Formulas = Callable[[Equation, Sequence[Any]], Sequence[Any]]
Spectral = Callable[[Equation, Sequence[Held]], Spectrum | Value | None]
OfTokens = Callable[[Equation, Sequence[Operand | Spectrum | Ends | Tokens]], Sequence[Tokens | Value] | None]
Flags = tuple[bool, ...]
Shape = tuple[int, ...]
Varies = Callable[[Equation, Sequence[Constant], Shape], Flags]
Array = TypeVar("Array", bound=Operand | Spectrum | Ends | Tokens)
Combination = Literal["sum", "difference", "product", "max", "min", "last"]


@dataclass(frozen=True, eq=False)
class Part:
    """A program within an operation.

    Attributes:
        at: where the operation holds it.
        operands: for each input the operands that may go in.
        fed: for each input the result that may go in, at another turn; None if there is none.
        results: for each output the result that it gives; None if all turn on it.
    """

    at: Place
    operands: Sequence[Sequence[int]]
    fed: Sequence[int | None]
    results: Sequence[int | None]


@dataclass(frozen=True)
class Wiring:
    """Which results of an operation depend on which of its operands.

    Attributes:
        always: operands on which all results depend.
        apart: for each result the operands that go into it without a program; empty if none do.
        parts: programs between operands and results.
    """

    always: Sequence[int] = ()
    apart: Sequence[Sequence[int]] = ()
    parts: Sequence[Part] = ()


class NoRule(Exception):
    """Nothing is known of an operation, or of this use of it; the message says of which."""


@dataclass(frozen=True)
class Primitive:
    """What inference knows of one primitive of JAX.

    Attributes:
        name: the primitive's.
        rule: from the equation and its operands, of which one at least depends on the input, it gives the results, each
            with a group that truly moves it. It raises `NoRule` where it has nothing to say. None if `control`,
            `spectral` or `call` says it all.
        formula: its results as formulas (`equinet.infer.formulas`), given those of its operands: two entries have one
            formula only if they are equal, whatever the input. It raises `Unfollowed` where it cannot say. None: the
            program that it is in is not judged as a whole.
        of_complex: whether the formula is one of complex numbers too. Of what only moves elements it is, unless said.
        control: a rule of control flow: as `rule`, and with a function that runs a program on such values.
        spectral: a rule of what is linear, for operands that are Fourier transformed along some axes. None, as such a
            rule may return: nothing is known of phases, and the operands are taken as arrays like any other.
        tokens: such a rule for arrays in which tokens lie beside nodes; None where it tells entries apart.
        call: the parameter that holds the program which it runs on its last operands, and no more; empty if it is no
            mere call.
        varies: along which axes a result of a shape may differ, given along which axes its operands may, which do not
            depend on the input; False is a proof, whatever their values. None: it may along all.
        combination: what it makes of several numbers, two operands or elements of one; None for anything else.
        summed: the axes of each operand that it sums over, where the result's layout does not show it.
        fibres: what becomes of channels that operations move. "permuted": it does the same to every channel, so that
            permutations pass, if all other operands are single numbers. "together": the results' channels move as those
            of its operands do, if all depend on the input. "declared": its rule sees to it. None: they must not move.
        sees_ends: whether its rule takes `Ends` as what they are. Other rules are given the array.
        takes_phases: whether its rule takes the phase that an adaptive layer chose. Others are never given one.
        wiring: which of several results depend on which operands. None: all on all, if there is no `call` that says it.
        only_shows: whether it gives nothing, and shows arrays to the user.
        repeatable: whether it gives the same results each time.
        moves: whether its results hold elements of its operands, converted at most, and nothing else.
        quiet: whether it moves, and all elements of its operand are still there: the ledger does not speak of it.
        circular: what it is called where the array it runs over was continued around the border before.
        reason: why it may lose something, or a function that says so of one step of a ledger; empty if it never does.
    """

    name: str
    rule: Rule | None = None
    formula: Formulas | None = None
    of_complex: bool = False
    control: Control | None = None
    spectral: Spectral | None = None
    tokens: OfTokens | None = None
    call: str = ""
    varies: Varies | None = None
    combination: Combination | None = None
    summed: Callable[[Equation], Sequence[Sequence[int]]] | None = None
    fibres: Literal["permuted", "together", "declared"] | None = None
    sees_ends: bool = False
    takes_phases: bool = False
    wiring: Callable[[Equation], Wiring] | None = None
    only_shows: bool = False
    repeatable: bool = True
    moves: bool = False
    quiet: bool = False
    circular: str = ""
    reason: str | Callable[[Step], str] = ""


PRIMITIVES: dict[str, Primitive] = {}
"""The table. Each family of rules enters its rows, at the end of its file in `equinet/infer/rules/`."""


def enter(*rows: Primitive) -> None:
    """Enter rows into the table.

    Raises:
        ValueError: if a primitive has one already.
    """
    for row in rows:
        if row.name in PRIMITIVES:
            raise ValueError(f"primitive {row.name} has a rule already")
        PRIMITIVES[row.name] = row


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function into the table, as the rule of the primitives of these names.

    It is called with the equation and its operands (at least one depends on the input) and gives the results. Where it
    has nothing to say it raises `NoRule`.
    """

    def entered(function: Rule) -> Rule:
        enter(*(Primitive(name, function) for name in names))
        return function

    return entered


def row_of(equation: Equation) -> Primitive:
    """An operation's row; one that says nothing, if the table has none."""
    return PRIMITIVES.get(equation.name) or Primitive(equation.name)


def called(equation: Equation) -> Program | None:
    """The program that an operation runs on its operands, if it is a mere call: on one device."""
    call, mesh = row_of(equation).call, equation.params.get("mesh")
    is_apart = mesh is not None and mesh.size > 1
    return Program.of(equation.params[call]) if call and not is_apart else None


def whole(equation: Equation, at: Place) -> Part:
    """A program that an operation runs on its last operands, for all its results."""
    inputs = len(equation.held(at).inputs)
    operands = range(len(equation.inputs) - inputs, len(equation.inputs))
    return Part(at, [[k] for k in operands], [None] * inputs, range(len(equation.outputs)))


def one_by_one(equation: Equation) -> Wiring:
    """Each result is made of the operand in its place."""
    return Wiring(apart=[[at] for at in range(len(equation.outputs))])


def neutral(combination: Combination, kind: Any) -> Any:
    """The number n of a type that leaves no trace of itself: from n ∘ x one can tell x.

    n ∘ x = x for a sum, a product, a maximum or minimum, and the last of two; n ∘ x = −x for a difference.
    """
    if combination in ("sum", "difference", "last"):
        return 0
    if combination == "product":
        return 1
    if jnp.issubdtype(kind, jnp.bool_):
        return combination == "min"
    bounds = (-np.inf, np.inf) if jnp.issubdtype(kind, jnp.floating) else (jnp.iinfo(kind).min, jnp.iinfo(kind).max)
    return bounds[combination == "min"]


def operand(atom: Array | Chosen, use: str = "it is applied to") -> Array:
    """An array that is no phase: the one place where a phase is refused.

    Raises:
        NoRule: if it is one.
    """
    if isinstance(atom, Chosen):
        raise NoRule(f"{use} the phase that a polyphase layer chose")
    return atom


def value_of(atom: Operand) -> Value:
    """The operand of a rule, where it is known to depend on the input."""
    assert isinstance(atom, Value), "a rule is called if an operand depends on the input"
    return atom
