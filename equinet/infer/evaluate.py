"""Running a program on arrays, to see what flows into the regions that declare their symmetry.

Where such a region chooses between values, its claim rests on their not being equal by construction: the program says
whether they are (`equinet.symmetry.ties`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp

from equinet.declare import declaration
from equinet.infer.compat import Equation, Program, each_turn, is_literal
from equinet.infer.primitives import called
from equinet.symmetry.ties import QUICKLY, Cases, Later, Trial, mapped

TURNS = 64
"""Turns of a loop that are followed; of a longer one nothing is said."""

Seen = dict[int, list[list[Any]]]
"""For each marked equation the operands of all times that it ran."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of a program, made when something is asked of them.

    Attributes:
        seen: what was seen in each, or None where the program could not be run.
    """

    seen: Later = field(default_factory=Later)

    @staticmethod
    def of(program: Program, inputs: Callable[[], Sequence[Sequence[Sequence[Any]]] | None]) -> Runs:
        """Runs of a program.

        Args:
            inputs: the arguments of each run of each case; None where there are none.
        """

        names: list[int] = []

        def traced(*arguments: Any) -> list[list[list[Any]]]:
            seen: Seen = {}
            _run(program, arguments, seen)
            names[:] = seen
            return list(seen.values())

        compiled = jax.jit(traced, compiler_options=QUICKLY)

        def run(arguments: Sequence[Any]) -> Seen:
            found = compiled(*arguments)
            return dict(zip(names, jax.device_get(found), strict=True))

        def make() -> list[list[Seen]] | None:
            try:
                with jax.ensure_compile_time_eval():
                    return mapped(run, inputs())
            except (TimeoutError, MemoryError):
                raise
            except Exception:
                # Whatever a function of the user's raises on drawn numbers: then nothing is known.
                return None

        return Runs(Later(make))

    def into(self, equation: Equation, operand: int, vmapped: int) -> Trial:
        """How an operand of a marked equation varies.

        Args:
            vmapped: how many axes `vmap` has put in front of it.
        """

        def make() -> Cases | None:
            cases = self.seen()
            if cases is None:
                return None
            found = []
            for runs in cases:
                turns = [seen.get(id(equation.eqn), []) for seen in runs]
                if not turns[0] or any(len(one) != len(turns[0]) for one in turns):
                    return None
                arrays = [[one[turn][operand] for one in turns] for turn in range(len(turns[0]))]
                found += [[x.reshape(-1, *x.shape[vmapped + 1 :]) for x in one] for one in arrays]
            return found

        return Trial(drawn=Later(make))


def _is_marked(program: Program) -> bool:
    """Whether some equation, however deep, declares its symmetry."""
    return any(
        declaration(equation.eqn) is not None or any(map(_is_marked, _inner(equation)))
        for equation in program.equations
    )


def _inner(equation: Equation) -> list[Program]:
    held = []
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, jex.ClosedJaxpr | jex.Jaxpr):
                held.append(Program.of(one))
    return held


def _run(program: Program, arguments: Sequence[Any], seen: Seen) -> list[Any]:
    held: dict[Any, Any] = dict(program.constants)
    held.update(zip(program.inputs, arguments, strict=True))

    def read(var: Any) -> Any:
        return var.val if is_literal(var) else held[var]

    for equation in program.equations:
        results = _step(equation, [read(var) for var in equation.inputs], seen)
        held.update(zip(equation.outputs, results, strict=True))
    return [read(var) for var in program.outputs]


def _step(equation: Equation, arguments: list[Any], seen: Seen) -> list[Any]:
    if declaration(equation.eqn) is not None:
        seen.setdefault(id(equation.eqn), []).append(arguments)
        return equation.bind(arguments)
    if not any(map(_is_marked, _inner(equation))):
        return equation.bind(arguments)
    program = called(equation)
    if program is not None:
        return _run(program, arguments[len(arguments) - len(program.inputs) :], seen)
    if equation.name == "scan":
        if equation.params["length"] > TURNS:
            raise NotImplementedError(f"a loop of more than {TURNS} turns around a declared region is not followed")
        stack = lambda rows: jnp.stack(list(rows))  # noqa: E731
        return each_turn(equation, arguments, lambda body, x: _run(body, x, seen), lambda x, at: x[at], stack)
    if equation.name == "cond":
        # All branches are looked into: an operand is the same whether its branch is taken or not.
        branches = [_run(Program.of(branch), arguments[1:], seen) for branch in equation.params["branches"]]
        which = jnp.clip(jnp.asarray(arguments[0], jnp.int32), 0, len(branches) - 1)
        return [jax.lax.select_n(which, *results) for results in zip(*branches, strict=True)]
    raise NotImplementedError(f"{equation.name} around a declared region is not followed")
