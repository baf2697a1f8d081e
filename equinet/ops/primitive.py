"""JAX primitives that stand for a function of arrays and lower to it, so that compiled code does not know of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import mlir


def mark(name: str) -> Primitive:
    """A primitive with the parameter `call`, a closed jaxpr of its operands: what it evaluates, outlines and lowers to.

    It has as many results as that. Its derivatives and what `vmap` makes of it are up to whoever marks with it.
    """

    def evaluate(*operands: Any, call: ClosedJaxpr, **_: Any) -> Any:
        return jaxpr_as_fun(call)(*operands)

    def outline(*_avals: Any, call: ClosedJaxpr, **_: Any) -> Any:
        return call.out_avals, call.effects

    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_impl(evaluate)
    primitive.def_effectful_abstract_eval(outline)
    mlir.register_lowering(primitive, mlir.lower_fun(evaluate, multiple_results=True))
    return primitive


def mapped(axis: Any, fn: Any, has: Sequence[bool], out: Any) -> Any:
    """`fn` under `vmap` along a new axis in front of the operands that have it.

    Args:
        axis: as a batching rule is given it.
        fn: a function of arrays.
        has: which operands have it.
        out: `out_axes`.
    """
    axes = tuple(0 if one else None for one in has)
    return jax.vmap(fn, axes, out, axis_name=axis.name, axis_size=axis.size, spmd_axis_name=axis.spmd_name)


def in_front(operands: Sequence[Any], positions: Sequence[int | None]) -> list[Any]:
    """Operands with their mapped axis, where they have one, moved to the front."""
    return [x if i is None else jnp.moveaxis(x, i, 0) for x, i in zip(operands, positions, strict=True)]
