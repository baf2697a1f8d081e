"""Declared symmetry: a mark on a region of a program that says how it moves what flows through it.

The mark is one JAX primitive. It lowers to the marked function itself, so that compiled code does not know of it; its
derivative is the derivative of that function, as ordinary code; and under `vmap` it marks the mapped function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
from jax.core import Tracer, eval_jaxpr
from jax.extend.core import jaxpr_as_fun, valid_jaxtype
from jax.interpreters import ad, batching

from equinet.checks import is_function, shown
from equinet.ops.primitive import in_front, mapped, mark

if TYPE_CHECKING:
    from jax.extend.core import ClosedJaxpr, JaxprEqn

    from equinet.symmetry.field import Field
    from equinet.symmetry.polyphase import Phase

Function = TypeVar("Function", bound=Callable[..., Any])
Mapped = tuple[bool, ...]


def declare(rule: Callable[..., Any], *, name: str | None = None) -> Callable[[Function], Function]:
    """Declare the symmetry of a function of arrays: the `custom_jvp` of symmetry.

    For a function f, the rule claims a group H of isometries h of its input, and for each the isometry φ(h) of the
    output, with

        f(h·x) = φ(h)·f(x)   for every x, every h in H and every value of the other arguments.

    The rule works on fields: it computes the `Field` of each output from the `Field` of each argument, by the methods
    that layers use (`read`, `pointwise`, `collapse`, …). Only `infer` calls it, and then does not look into the
    function. `infer` checks the structure of the result of the rule, but trusts the claim: test it with `verify`.
    Running the function never calls the rule, and the mark does not change the compiled code. The mark
    survives `jit`, `vmap`, `jax.checkpoint` and control flow; derivatives of the function are ordinary code.

    Args:
        rule: called as `rule(*args)`, with the structure of the function's arguments. An array that depends on
            the network's input is replaced by its `Field` (the chosen phase of an adaptive polyphase layer by its
            `Phase`), any other array by None. Fields describe arrays `[batch, *spatial, channels]`; axes added by
            `vmap` are batch axes. The rule returns the structure of the outputs, with a `Field` or a `Phase` for each
            array, or None for an array that does not depend on the input.
        name: the name of the function in a ledger; by default its own name.

    Returns:
        A decorator. The function must take positional arguments that are pytrees of arrays, and close over everything
        else. It may close over arrays too, if they do not depend on the network's input.

    Raises:
        TypeError: from the function, if an argument holds something that is no array.

    >>> @declare(lambda gain, field: field.pointwise("affine"))
    ... def scale(gain, x):
    ...     return gain * x
    >>> scale(2.0, jnp.arange(3.0)).tolist()
    [0.0, 2.0, 4.0]
    >>> [eqn] = jax.make_jaxpr(jax.vmap(scale, (None, 0)))(2.0, jnp.ones((5, 8, 8, 1))).eqns
    >>> mark = declaration(eqn)
    >>> mark.name, mark.vmapped, mark.mapped_in
    ('scale', 1, ((False, True),))
    """

    if not callable(rule):
        raise TypeError(f"declare needs a rule, a function from fields to fields; got {shown(rule)}")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"declare: name is text, what a ledger calls the function; got {shown(name)}")

    def decorate(fn: Function) -> Function:
        if not is_function(fn):
            raise TypeError(f"declare marks a function of arrays; got {shown(fn)}")
        label = name or getattr(fn, "__name__", type(fn).__name__)

        @wraps(fn)
        def marked(*args: Any) -> Any:
            leaves, in_tree = jax.tree.flatten(args)
            for leaf in leaves:
                if not valid_jaxtype(leaf):
                    raise TypeError(f"{label} is declared as a function of arrays; got {leaf!r}: close over it instead")
            if not any(isinstance(leaf, Tracer) for leaf in leaves):
                # Nothing here depends on the input of a program being traced.
                return fn(*args)
            closed, outputs = jax.make_jaxpr(lambda *flat: fn(*in_tree.unflatten(flat)), return_shape=True)(*leaves)
            # What the function closes over becomes an operand, since it may belong to a trace in progress.
            consts, jaxpr = closed.consts, closed.jaxpr
            call = closed
            if consts:
                call = jax.make_jaxpr(lambda held, *flat: eval_jaxpr(jaxpr, held, *flat))(consts, *leaves)
            out_tree = jax.tree.structure(outputs)
            found = declared_p.bind(
                *consts,
                *leaves,
                name=label,
                rule=rule,
                call=call,
                held=len(consts),
                in_tree=in_tree,
                out_tree=out_tree,
                mapped_in=(),
                mapped_out=(),
            )
            return out_tree.unflatten(found)

        return marked  # pyright: ignore[reportReturnType]

    return decorate


@dataclass(frozen=True, eq=False)
class Declared:
    """What an equation of a jaxpr declares.

    Attributes:
        name: what to call the function.
        rule: its rule, in the terms of `declare`.
        call: the function, of the equation's operands.
        held: how many operands, the first ones, are values that the function closes over: the rule knows nothing of
            them, so that the declaration says nothing where one of them depends on the input.
        in_tree: tree structure of the tuple of arguments, whose leaves are the other operands.
        out_tree: tree structure of the outputs.
        mapped_in: for each axis that `vmap` added, outermost first, which operands have it. An operand has its added
            axes in front, in this order.
        mapped_out: the same of the outputs.
    """

    name: str
    rule: Callable[..., Any]
    call: ClosedJaxpr
    held: int
    in_tree: Any
    out_tree: Any
    mapped_in: tuple[Mapped, ...]
    mapped_out: tuple[Mapped, ...]

    @property
    def vmapped(self) -> int:
        """How many axes `vmap` added."""
        return len(self.mapped_in)

    def push(self, values: Sequence[Field | Phase | None]) -> list[Field | Phase | None]:
        """What the rule says of the outputs, leaf by leaf.

        Args:
            values: what is known of the arguments, leaf by leaf; None where one does not depend on the input.

        Raises:
            ValueError: if the rule returns another structure than the function.
        """
        outputs = self.rule(*self.in_tree.unflatten(values))
        try:
            return self.out_tree.flatten_up_to(outputs)
        except ValueError as error:
            raise ValueError(
                f"the rule of {self.name} returns {outputs!r}, the function the structure {self.out_tree}: {error}"
            ) from None


def declaration(eqn: JaxprEqn) -> Declared | None:
    """What an equation of a jaxpr declares, if it is the mark that `declare` leaves."""
    return Declared(**eqn.params) if eqn.primitive is declared_p else None


declared_p = mark("declared")


def _reached(call: ClosedJaxpr, starts: Sequence[bool]) -> list[bool]:
    """Which outputs depend on some of the operands (or may, where the function has effects)."""
    if call.effects:
        return [True] * len(call.out_avals)
    jaxpr = call.jaxpr
    reached = {id(var) for var, start in zip(jaxpr.invars, starts, strict=True) if start}
    for eqn in jaxpr.eqns:
        if any(id(atom) in reached for atom in eqn.invars):
            reached.update(map(id, eqn.outvars))
    return [id(atom) in reached for atom in jaxpr.outvars]


def _differentiate(primals: Sequence[Any], tangents: Sequence[Any], *, call: ClosedJaxpr, **_: Any) -> Any:
    """Differentiate the function along the operands that move; the other outputs and tangents cost nothing."""
    moving = [not isinstance(tangent, ad.Zero) for tangent in tangents]
    smooth = [
        reached and jnp.issubdtype(aval.dtype, jnp.inexact)
        for reached, aval in zip(_reached(call, moving), call.out_avals, strict=True)
    ]

    def along(*varying: Any) -> tuple[list[Any], list[Any]]:
        given = iter(varying)
        outs = jaxpr_as_fun(call)(*(next(given) if moves else x for moves, x in zip(moving, primals, strict=True)))
        moved = [out for out, is_smooth in zip(outs, smooth, strict=True) if is_smooth]
        return moved, [out for out, is_smooth in zip(outs, smooth, strict=True) if not is_smooth]

    points = [x for moves, x in zip(moving, primals, strict=True) if moves]
    directions = [x for moves, x in zip(moving, tangents, strict=True) if moves]
    moved, derivatives, still = jax.jvp(along, points, directions, has_aux=True)
    pairs, rest = iter(zip(moved, derivatives, strict=True)), iter(still)
    results = []
    for is_smooth in smooth:
        if is_smooth:
            results.append(next(pairs))
        else:
            out = next(rest)
            results.append((out, ad.Zero(jax.typeof(out).to_tangent_aval())))
    return [out for out, _ in results], [tangent for _, tangent in results]


def _batch(
    axis: Any,
    operands: Sequence[Any],
    positions: Sequence[int | None],
    *,
    call: ClosedJaxpr,
    mapped_in: tuple[Mapped, ...],
    mapped_out: tuple[Mapped, ...],
    **params: Any,
) -> Any:
    """Mark the mapped function, with the new axis in front wherever there is one."""
    into = tuple(position is not None for position in positions)
    if not any(into):
        outs = declared_p.bind(*operands, call=call, mapped_in=mapped_in, mapped_out=mapped_out, **params)
        return outs, [None] * len(outs)
    out = tuple(_reached(call, into))
    fronted = in_front(operands, positions)
    over = mapped(axis, jaxpr_as_fun(call), into, [0 if has else None for has in out])
    outs = declared_p.bind(
        *fronted,
        call=jax.make_jaxpr(over)(*fronted),
        mapped_in=(into, *mapped_in),
        mapped_out=(out, *mapped_out),
        **params,
    )
    return outs, [0 if has else None for has in out]


ad.primitive_jvps[declared_p] = _differentiate
batching.fancy_primitive_batchers[declared_p] = _batch
