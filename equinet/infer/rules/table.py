"""The table of rules: primitive → what it does to the values that inference carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from equinet.infer.compat import Equation
from equinet.infer.values import Atom, Ends, Value

Rule = Callable[[Equation, Sequence[Atom]], Sequence[Atom | Ends]]
RULES: dict[str, Rule] = {}


class NoRule(Exception):
    """Nothing is known of an operation, or of this use of it; the message says of which."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function into the table, as the rule of the primitives of these names.

    It is called with the equation and its operands (at least one depends on the input) and gives the results. Where it
    has nothing to say it raises `NoRule`.
    """

    def enter(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"primitive {name} has a rule already")
            RULES[name] = function
        return function

    return enter


def value_of(atom: Atom) -> Value:
    """An operand that depends on the input.

    Raises:
        NoRule: if it is a phase.
    """
    if not isinstance(atom, Value):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    return atom
