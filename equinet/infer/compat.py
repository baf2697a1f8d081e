"""Everything inference asks of JAX's intermediate language, in one place; public modules only."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np

_LIBRARIES = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_HERE = str(Path(__file__).resolve().parent.parent)
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "custom_lin": "call_jaxpr",
    "linear_with_transposes": "call",
}
"""Primitives that run one program on their operands, and the name of the parameter that holds it."""


@dataclass(frozen=True, eq=False)
class Program:
    """A jaxpr with its constants: numbered variables, equations in order."""

    closed: Any

    @staticmethod
    def of(held: Any) -> Program:
        """A program from what an equation's parameter holds: with its constants or without."""
        return Program(held if isinstance(held, jex.ClosedJaxpr) else jex.ClosedJaxpr(held, ()))

    @property
    def inputs(self) -> Sequence[Any]:
        """Its input variables."""
        return self.closed.jaxpr.invars

    @property
    def outputs(self) -> Sequence[Any]:
        """What it returns: variables and literals."""
        return self.closed.jaxpr.outvars

    @property
    def constants(self) -> list[tuple[Any, np.ndarray]]:
        """The arrays it closes over, with their variables."""
        return list(zip(self.closed.jaxpr.constvars, self.closed.consts, strict=True))

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """Its equations."""
        return tuple(Equation(eqn) for eqn in self.closed.jaxpr.eqns)

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """Its outputs for given arrays."""
        return jex.jaxpr_as_fun(self.closed)(*arguments)


@dataclass(frozen=True, eq=False)
class Equation:
    """One operation of a program."""

    eqn: Any

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.eqn.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """Its static parameters."""
        return self.eqn.params

    @property
    def inputs(self) -> Sequence[Any]:
        """Variables and literals it reads."""
        return self.eqn.invars

    @property
    def outputs(self) -> Sequence[Any]:
        """Variables it writes."""
        return self.eqn.outvars

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of what it writes."""
        return [tuple(getattr(var.aval, "shape", ())) for var in self.eqn.outvars]

    def input_shape(self, at: int) -> tuple[int, ...]:
        """Shape of what it reads."""
        return tuple(self.eqn.invars[at].aval.shape)

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """Its outputs for given arrays."""
        with jax.ensure_compile_time_eval():
            return self.bind(arguments)

    def bind(self, arguments: Sequence[Any]) -> list[Any]:
        """The operation once more, as part of what is traced now."""
        bound = self.eqn.primitive.get_bind_params(self.eqn.params)
        # Older versions give the functions among the parameters apart.
        functions, params = ((), bound) if isinstance(bound, dict) else bound
        found = self.eqn.primitive.bind(*functions, *arguments, **params)
        return list(found) if self.eqn.primitive.multiple_results else [found]

    def called(self) -> Program | None:
        """The program that it runs on its operands, if it is a mere call."""
        name = CALLS.get(self.name)
        return None if name is None or name not in self.params else Program.of(self.params[name])

    def loop(self) -> tuple[int, int]:
        """How many operands of a scan are the same in every turn, and how many, after those, are carried on."""
        if "ft_in" not in self.params:
            return self.params["num_consts"], self.params["num_carry"]
        # Newer versions give the three kinds of operands as trees.
        same, carried, _ = self.params["ft_in"].unpack()
        return len(same), len(carried)

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """The named scopes it was traced in (Flax: the modules), outermost first."""
        return tuple(part for part in str(self.eqn.source_info.name_stack).split("/") if part)

    @cached_property
    def sources(self) -> tuple[str, str]:
        """The innermost line outside installed libraries and equinet that it comes from, and the one outside the
        former; empty if there is none."""
        traceback = self.eqn.source_info.traceback
        frames = list(traceback.frames) if traceback is not None else []
        outside = [f for f in frames if not any(str(f.file_name).startswith(library) for library in _LIBRARIES)]
        users = [f for f in outside if not str(f.file_name).startswith(_HERE)]
        shown = [next(iter(found), None) for found in (users, outside)]
        mine, any_of = (f"{Path(f.file_name).name}:{f.line_num} ({f.function_name})" if f else "" for f in shown)
        return mine, any_of


def is_literal(var: Any) -> bool:
    """Whether an operand is a number written into the program."""
    return isinstance(var, jex.Literal)


def trace(fn: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Program, Any]:
    """The program of a function, given the shapes of its arguments, and the structure of what it returns."""
    closed, out = jax.make_jaxpr(fn, return_shape=True)(*arguments)
    return Program(closed), out
