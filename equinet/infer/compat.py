"""Everything inference asks of JAX's intermediate language, in one place; public modules only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.ops.traced import LIBRARIES, PACKAGE, shown_line

_READERS = str(Path(PACKAGE, "interop"))
"""Where models of other libraries are read: no frame of ours is a line of theirs."""
LINE = "@"
"""Begins a named scope that is no module: the line of a program that was read from another framework."""

Place = tuple[str, int | None]
"""Where an equation holds a program: a parameter, and which of several it is there."""
_COLLECTIVES = ("pvary", "psum", "psum_invariant", "pmax", "pmin")


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

    def holding(self, equations: Sequence[Equation], outputs: Sequence[Any]) -> Program:
        """It with other equations and outputs; itself, if they are its own."""
        if _are_same(equations, self.equations) and _are_same(outputs, self.outputs):
            return self
        jaxpr = self.closed.jaxpr.replace(eqns=[one.eqn for one in equations], outvars=list(outputs))
        return Program(jex.ClosedJaxpr(jaxpr, self.closed.consts))

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

    @property
    def order(self) -> tuple[int, ...] | None:
        """The order in which a reshape reads the axes of its operand; None for the one that they have."""
        return self.params["dimensions"] if self.name == "reshape" else None

    def input_shape(self, at: int) -> tuple[int, ...]:
        """Shape of what it reads."""
        return tuple(self.eqn.invars[at].aval.shape)

    def run(self, arguments: Sequence[Any]) -> list[Any]:
        """Its outputs for given arrays; on one device, in which collectives over named axes do nothing."""
        if self.is_collective:
            return list(arguments)
        with jax.ensure_compile_time_eval():
            return self.bind(arguments)

    def bind(self, arguments: Sequence[Any]) -> list[Any]:
        """The operation once more, as part of what is traced now."""
        bound = self.eqn.primitive.get_bind_params(self.eqn.params)
        # Older versions give the functions among the parameters apart.
        functions, params = ((), bound) if isinstance(bound, dict) else bound
        found = self.eqn.primitive.bind(*functions, *arguments, **params)
        return list(found) if self.eqn.primitive.multiple_results else [found]

    @property
    def has_effects(self) -> bool:
        """Whether it does something beside giving its results."""
        return bool(self.eqn.effects)

    def held(self, at: Place) -> Program:
        """A program among its parameters."""
        return Program.of(self._parameter(at))

    def _parameter(self, at: Place) -> Any:
        name, number = at
        return self.params[name] if number is None else self.params[name][number]

    def holding(self, inputs: Sequence[Any], read: Sequence[bool], programs: Mapping[Place, Program]) -> Equation:
        """It with other operands and programs, and without names for results that are not read; itself, if all that is
        so already."""
        outputs = [
            var if one or isinstance(var, jex.DropVar) else jex.DropVar(var.aval)
            for var, one in zip(self.outputs, read, strict=True)
        ]
        changed = {at: new for at, new in programs.items() if new.closed.jaxpr is not self.held(at).closed.jaxpr}
        if not changed and _are_same(inputs, self.inputs) and _are_same(outputs, self.outputs):
            return self
        params = dict(self.params)
        for (name, number), new in changed.items():
            is_closed = isinstance(self._parameter((name, number)), jex.ClosedJaxpr)
            one = new.closed if is_closed else new.closed.jaxpr
            params[name] = one if number is None else (*params[name][:number], one, *params[name][number + 1 :])
        return Equation(self.eqn.replace(invars=list(inputs), outvars=outputs, params=params))

    @property
    def is_collective(self) -> bool:
        """Whether it puts together what several devices have, for each element by itself."""
        return self.name in _COLLECTIVES and not any(isinstance(axis, int) for axis in self.params.get("axes", ()))

    def resized(self, inputs: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]], **params: Any) -> Equation:
        """The same operation on arrays of other shapes, with the parameters that say so."""

        def like(var: Any, shape: Sequence[int]) -> Any:
            return SimpleNamespace(aval=jax.ShapeDtypeStruct(tuple(shape), var.aval.dtype))

        read = [like(var, shape) for var, shape in zip(self.inputs, inputs, strict=True)]
        written = [like(var, shape) for var, shape in zip(self.outputs, outputs, strict=True)]
        about = {"primitive": self.eqn.primitive, "source_info": self.eqn.source_info}
        return Equation(SimpleNamespace(**about, params=self.params | params, invars=read, outvars=written))

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
        return tuple(part for part in self._named if not part.startswith(LINE))

    @property
    def _named(self) -> list[str]:
        return [part for part in str(self.eqn.source_info.name_stack).split("/") if part]

    @cached_property
    def sources(self) -> tuple[str, str]:
        """The innermost line outside installed libraries and equinet that it comes from, and the one outside the
        former; empty if there is none. In a program that was read from another framework that of a scope `LINE`."""
        read = [part.removeprefix(LINE) for part in self._named if part.startswith(LINE)]
        return (read[-1], read[-1]) if read else _lines_of(self.eqn.source_info.traceback)


@lru_cache(maxsize=1 << 12)
def _lines_of(traceback: Any) -> tuple[str, str]:
    """The lines of `Equation.sources`: many operations of a long program come from one."""
    frames = list(traceback.frames) if traceback is not None else []
    outside = [f for f in frames if not str(f.file_name).startswith(LIBRARIES)]
    if outside and str(outside[0].file_name).startswith(_READERS):
        return "", ""
    users = [f for f in outside if not str(f.file_name).startswith(PACKAGE)]
    shown = [next(iter(found), None) for found in (users, outside)]
    mine, any_of = (shown_line(f.file_name, f.line_num, f.function_name) if f else "" for f in shown)
    return mine, any_of


def each_turn(
    equation: Equation,
    arguments: Sequence[Any],
    run: Callable[[Program, list[Any]], list[Any]],
    row: Callable[[Any, int], Any],
    stack: Callable[[Sequence[Any]], Any],
) -> list[Any]:
    """The results of a scan, turn by turn.

    Args:
        run: the body.
        row: one of an array's rows.
        stack: an array, given its rows.
    """
    body, length = Program.of(equation.params["jaxpr"]), equation.params["length"]
    same, carried = equation.loop()
    held, carry, rows = arguments[:same], list(arguments[same : same + carried]), arguments[same + carried :]
    outputs: list[list[Any]] = []
    order = range(length)[::-1] if equation.params["reverse"] else range(length)
    for at in order:
        results = run(body, [*held, *carry, *(row(one, at) for one in rows)])
        carry = results[:carried]
        outputs.append(results[carried:])
    outputs = outputs[::-1] if equation.params["reverse"] else outputs
    return [*carry, *map(stack, zip(*outputs, strict=True))]


def at_once(equation: Equation) -> Program | None:
    """The program of a scan that carries nothing, all turns at once; None if an operation in it has no such form."""
    body, (same, _) = Program.of(equation.params["jaxpr"]), equation.loop()
    like = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in equation.inputs]
    axes = [None if at < same else 0 for at in range(len(like))]
    try:
        return trace(lambda *arrays: jax.vmap(lambda *rows: body.run(rows), axes)(*arrays), like)[0]
    except NotImplementedError:
        return None


def update_of(equation: Equation, arguments: Sequence[Any]) -> tuple[Any, Any, Sequence[Any]]:
    """The operand, the updates and the indices of an operation that updates elements at given places."""
    if equation.name == "dynamic_update_slice":
        return arguments[0], arguments[1], arguments[2:]
    return arguments[0], arguments[2], arguments[1:2]


def updated(equation: Equation, operand: Any, updates: Any, indices: Sequence[Any]) -> np.ndarray:
    """What such an operation gives for arrays."""
    is_slice = equation.name == "dynamic_update_slice"
    return np.asarray(equation.run([operand, updates, *indices] if is_slice else [operand, *indices, updates])[0])


def landed(equation: Equation, numbers: np.ndarray, indices: Sequence[Any]) -> np.ndarray:
    """Whole numbers in place of its updates, added up where they land; 0 where none does."""
    blank = jnp.zeros(equation.shapes[0], jnp.int32)
    with jax.ensure_compile_time_eval():
        if equation.name == "dynamic_update_slice":
            return np.asarray(lax.dynamic_update_slice(blank, jnp.asarray(numbers), indices))
        how = equation.params
        added = lax.scatter_add(
            blank, jnp.asarray(indices[0]), jnp.asarray(numbers), how["dimension_numbers"], mode=how["mode"]
        )
        return np.asarray(added)


def is_literal(var: Any) -> bool:
    """Whether an operand is a number written into the program."""
    return isinstance(var, jex.Literal)


def is_read(var: Any) -> bool:
    """Whether something reads a result."""
    return not isinstance(var, jex.DropVar)


def blank(var: Any) -> Any:
    """0 in the place of a variable, written into the program; the variable, if there is no 0 of its type."""
    kind = getattr(var.aval, "dtype", None)
    if is_literal(var) or kind is None or jnp.issubdtype(kind, jax.dtypes.extended):
        return var
    return jex.Literal(np.broadcast_to(np.zeros((), kind), var.aval.shape), var.aval)


def _are_same(ones: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(ones) == len(others) and all(one is other for one, other in zip(ones, others, strict=True))


def trace(fn: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Program, Any]:
    """The program of a function, given the shapes of its arguments, and the structure of what it returns."""
    closed, out = jax.make_jaxpr(fn, return_shape=True)(*arguments)
    return Program(closed), out
