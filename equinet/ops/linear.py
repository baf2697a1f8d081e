"""The primitive that marks linear functions with transposes of their own.

It lowers to the function itself; derivatives of both modes and of any order, and `vmap`, are those of the function;
only reverse mode calls the given transpose in place of the derived one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.interpreters import ad, batching

from equinet.ops.primitive import in_front, mapped, mark

Transposes = tuple[tuple[int, Callable[..., jax.Array]], ...]
"""Operands and transposes in them; parameters of a primitive are hashed, so no dict."""

linear_p = mark("linear_with_transposes")


def _differentiate(primals: Sequence[Any], tangents: Sequence[Any], *, call: ClosedJaxpr, transposes: Transposes):
    """The sum of the derivatives along each operand that moves; along one with a transpose it is the function again."""
    bind = lambda *args: linear_p.bind(*args, call=call, transposes=transposes)[0]  # noqa: E731
    moving = [i for i, tangent in enumerate(tangents) if not isinstance(tangent, ad.Zero)]
    terms = [bind(*primals[:i], tangents[i], *primals[i + 1 :]) for i in moving if i in dict(transposes)]
    others = [i for i in moving if i not in dict(transposes)]
    if others:

        def along(*varying: Any) -> Any:
            args = list(primals)
            for i, value in zip(others, varying, strict=True):
                args[i] = value
            return jaxpr_as_fun(call)(*args)[0]

        terms.append(jax.jvp(along, [primals[i] for i in others], [tangents[i] for i in others])[1])
    out = bind(*primals)
    return [out], [reduce(jnp.add, terms) if terms else ad.Zero(jax.typeof(out).to_tangent_aval())]


def _transpose(cotangents: Sequence[Any], *args: Any, call: ClosedJaxpr, transposes: Transposes) -> list[Any]:
    [cotangent], [at] = cotangents, [i for i, arg in enumerate(args) if ad.is_undefined_primal(arg)]
    found: list[Any] = [None] * len(args)
    before, after = args[:at], args[at + 1 :]
    if isinstance(cotangent, ad.Zero):
        found[at] = ad.Zero(args[at].aval)
    elif at in dict(transposes):
        found[at] = dict(transposes)[at](*before, cotangent, *after)
    else:
        derived = jax.linear_transpose(lambda x: jaxpr_as_fun(call)(*before, x, *after), args[at].aval)
        [found[at]] = derived([cotangent])
    return found


def _batch(axis: Any, args: Sequence[Any], positions: Sequence[Any], *, call: ClosedJaxpr, transposes: Transposes):
    has = [position is not None for position in positions]
    if not any(has):
        return linear_p.bind(*args, call=call, transposes=transposes), [None]
    fronted = in_front(args, positions)
    batched = jax.make_jaxpr(mapped(axis, jaxpr_as_fun(call), has, 0))(*fronted)
    kept = tuple((i, mapped(axis, transpose, has, 0)) for i, transpose in transposes if has[i])
    return linear_p.bind(*fronted, call=batched, transposes=kept), [0]


ad.primitive_jvps[linear_p] = _differentiate
ad.primitive_transposes[linear_p] = _transpose
batching.fancy_primitive_batchers[linear_p] = _batch
