"""Functions of JAX computed in another way: around the torus, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

POOLS = ("reduce_window_max", "reduce_window_min", "reduce_window_sum")
DTYPES = ("new_dtype", "dtype", "preferred_element_type")
Run = Callable[[JaxprEqn, list[Any]], Any]
"""How an equation is computed, of the arrays that it is given."""


def around_the_torus(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose padded convolutions, pools and arrays continue periodically.

    Padding is circular along every axis of an array of at least two more axes than those that are padded: batch and
    channels come beside the axes of space. Left as they are: convolutions of inputs with holes, resizing.
    """
    return _computed(call, _circular)


def in_double_precision(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes in double precision, whatever it casts to; called where JAX allows that.

    Keras normalises batches in single precision; its rounding would count as an error of the group.
    """
    return _computed(call, _double)


def _computed(call: Callable[..., Any], run: Run) -> Callable[..., Any]:
    def computed(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(call, return_shape=True)(*args)
        found = _evaluate(run, closed, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), found)

    return computed


def _evaluate(run: Run, closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    jaxpr: Jaxpr = closed.jaxpr
    known = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*closed.consts, *args), strict=True))

    def value(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        given = [value(atom) for atom in equation.invars]
        body = next((equation.params[name] for name in ("jaxpr", "call_jaxpr") if name in equation.params), None)
        if body is None:
            found = run(equation, given)
            found = found if equation.primitive.multiple_results else [found]
        else:  # of a call; no model of the atlas has a loop
            found = _evaluate(run, body if isinstance(body, ClosedJaxpr) else ClosedJaxpr(body, ()), given)
        known.update(zip(equation.outvars, found, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


def _double(equation: JaxprEqn, given: list[Any]) -> Any:
    arrays = [jnp.asarray(x, jnp.float64) if _is_single(getattr(x, "dtype", None)) else x for x in given]
    named = {name: jnp.float64 for name in DTYPES if _is_single(equation.params.get(name))}
    return equation.primitive.bind(*arrays, **{**equation.params, **named})


def _is_single(dtype: Any) -> bool:
    return dtype is not None and np.dtype(dtype) == np.float32


def _circular(equation: JaxprEqn, given: list[Any]) -> Any:
    params, name = dict(equation.params), equation.primitive.name
    if name == "conv_general_dilated" and set(params["lhs_dilation"]) == {1}:
        pads = dict(zip(params["dimension_numbers"].lhs_spec[2:], params["padding"], strict=True))
        given = [_wrapped(given[0], pads), given[1]]
    elif name in POOLS and set(params["base_dilation"]) == {1}:
        given = [_wrapped(given[0], dict(enumerate(params["padding"])))]
    elif name == "pad" and _is_of_space(params["padding_config"]):
        return _wrapped(given[0], {i: (lo, hi) for i, (lo, hi, _) in enumerate(params["padding_config"])})
    else:
        return equation.primitive.bind(*given, **params)
    params["padding"] = ((0, 0),) * len(params["padding"])
    return equation.primitive.bind(*given, **params)


def _is_of_space(config: Sequence[tuple[int, int, int]]) -> bool:
    padded = [each for each in config if any(each[:2])]
    return bool(padded) and len(config) - len(padded) >= 2 and all(between == 0 for _, _, between in config)


def _wrapped(x: Any, pads: dict[int, tuple[int, int]]) -> Any:
    """An array with some more nodes before and after axes, from the other end; or with fewer, for negative numbers."""
    for axis, (before, after) in pads.items():
        if before or after:
            x = jnp.take(x, jnp.arange(-before, x.shape[axis] + after) % x.shape[axis], axis)
    return x
