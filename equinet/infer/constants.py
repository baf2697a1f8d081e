"""Operations on constants: evaluated only if their values are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.values import Constant

_RANDOM = {"rng_uniform", "rng_bit_generator"}
Flags = tuple[bool, ...]


def folded(equation: Equation, arguments: Sequence[Constant]) -> list[Constant]:
    """The outputs of an operation on constants."""
    known = all(a.evaluate is not None for a in arguments) and equation.name not in _RANDOM

    @cache
    def run() -> list[Any]:
        return equation.run([a.raw for a in arguments])

    made = []
    for at, shape in enumerate(equation.shapes):
        varies, at_ends = _varies(equation, arguments, shape)
        evaluate = (lambda at=at: run()[at]) if known else None
        made.append(Constant(shape, evaluate, varies, at_ends))
    return made


def _varies(equation: Equation, arguments: Sequence[Constant], shape: tuple[int, ...]) -> tuple[Flags, Flags]:
    """Along which axes an output may vary, and along which near the ends at most, whatever the values."""
    never: Flags = (False,) * len(shape)
    if equation.name == "broadcast_in_dim":
        varies, ends = [False] * len(shape), [False] * len(shape)
        for i, at in enumerate(equation.params["broadcast_dimensions"]):
            varies[at], ends[at] = arguments[0].varies[i], arguments[0].at_ends[i]
        return tuple(varies), tuple(ends)
    if equation.name == "transpose":
        order = equation.params["permutation"]
        return tuple(arguments[0].varies[i] for i in order), tuple(arguments[0].at_ends[i] for i in order)
    if equation.name in ("reshape", "squeeze", "expand_dims") and arguments:
        return _reshaped(arguments[0], shape)
    if equation.name.startswith("reduce_window") or equation.name == "pad":
        first = arguments[0]
        others = any(any(a.varies) for a in arguments[1:])
        if not others and first.shape and len(first.shape) == len(shape):
            # Windows over something uniform see a difference only at the padding.
            ends = tuple(n > 1 and (not v or e) for n, v, e in zip(shape, first.varies, first.at_ends, strict=True))
            inner = equation.name == "pad" and any(between for *_, between in equation.params["padding_config"])
            return tuple(n > 1 for n in shape), never if inner else ends
    if arguments and all(a.shape in (shape, ()) for a in arguments) and equation.name not in _RANDOM | _ORDERED:
        return _united([a for a in arguments if a.shape == shape], shape)
    return tuple(n > 1 for n in shape), never


_ORDERED = {"rev", "cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort", "fft", "random_bits", "gather"} | {
    "scatter",
    "scatter-add",
    "scatter-mul",
    "scatter-min",
    "scatter-max",
    "dynamic_update_slice",
    "scan",
    "while",
    "cond",
    "jit",
    "pjit",
    "iota",
    "dot_general",
    "conv_general_dilated",
    "custom_jvp_call",
    "custom_vjp_call",
    "triangular_solve",
    "cholesky",
    "declared",
}
"""Operations whose output may vary along an axis although no operand of the same shape does, or the other way round."""


def _united(arguments: Sequence[Constant], shape: tuple[int, ...]) -> tuple[Flags, Flags]:
    varies = tuple(any(a.varies[i] for a in arguments) for i in range(len(shape)))
    ends = tuple(varies[i] and all(a.at_ends[i] for a in arguments if a.varies[i]) for i in range(len(shape)))
    return varies, ends


def _reshaped(constant: Constant, shape: tuple[int, ...]) -> tuple[Flags, Flags]:
    old = [i for i, n in enumerate(constant.shape) if n > 1]
    new = [i for i, n in enumerate(shape) if n > 1]
    if [constant.shape[i] for i in old] != [shape[i] for i in new]:
        uniform = not any(constant.varies)
        return tuple(n > 1 and not uniform for n in shape), (False,) * len(shape)
    varies, ends = np.zeros(len(shape), bool), np.zeros(len(shape), bool)
    varies[new], ends[new] = [constant.varies[i] for i in old], [constant.at_ends[i] for i in old]
    return tuple(varies.tolist()), tuple(ends.tolist())
