"""Rules of programs on several devices, as they are on one: collectives over named axes leave an array as it is.

Over an axis of an array, which `vmap` makes of a named one, they are reductions.
"""

from __future__ import annotations

from collections.abc import Sequence

from equinet.infer.compat import Equation
from equinet.infer.primitives import NoRule, Primitive, Rule, enter, value_of
from equinet.infer.reduced import Kind, reduced
from equinet.infer.rules.concatenation import with_new_axis
from equinet.infer.values import Operand, Value


def _sharded(_: Equation, __: Sequence[Operand]) -> list[Value]:
    """A call on one device, where the part of an array is the whole of it; on several nothing is known."""
    raise NoRule("each of several devices sees a part of the array")


def _collective(kind: Kind) -> Rule:
    """The rule of one that reduces: of all devices, or of an axis."""

    def rule(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
        value = value_of(arguments[0])
        if equation.params.get("axis_index_groups") is not None or len(arguments) > 1:
            raise NoRule("it runs over groups of devices")
        return [value if equation.is_collective else reduced(value, equation.params["axes"], kind)]

    return rule


_TOTAL = _collective("sum")


def _gathered(equation: Equation, arguments: Sequence[Operand]) -> list[Operand]:
    """What all devices have, one after the other: what one has; along an axis of its own, if it is not tiled."""
    if equation.params["axis_size"] != 1:
        raise NoRule("it puts together what several devices have")
    value = value_of(arguments[0])
    return [value if equation.params["tiled"] else with_new_axis(value, equation.params["all_gather_dimension"])]


def _passed_on(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    if list(equation.params["perm"]) != [(0, 0)]:
        raise NoRule("devices hand on what they have")
    return [value_of(arguments[0])]


enter(
    Primitive("shard_map", _sharded, call="jaxpr"),
    Primitive("psum", _TOTAL),
    Primitive("psum_invariant", _TOTAL),
    Primitive("pmax", _collective("max")),
    Primitive("pmin", _collective("other")),
    Primitive("all_gather", _gathered),
    Primitive("ppermute", _passed_on),
    Primitive("axis_index", repeatable=False),
)
