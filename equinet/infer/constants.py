"""Operations on constants: evaluated only if their values are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.lazy import Lazy
from equinet.infer.rules.elementwise import ELEMENTWISE
from equinet.infer.values import Constant

_UNREPEATABLE = {"rng_uniform", "rng_bit_generator", "io_callback", "debug_callback", "infeed"}
"""Operations whose results may differ from call to call."""
Flags = tuple[bool, ...]


def folded(equation: Equation, arguments: Sequence[Constant]) -> list[Constant]:
    """The outputs of an operation on constants."""
    varies = [_varies(equation, arguments, shape) for shape in equation.shapes]
    if equation.name in _UNREPEATABLE or any(a.lazy is None for a in arguments):
        return [Constant(shape, None, flags) for shape, flags in zip(equation.shapes, varies, strict=True)]
    run = Lazy(lambda *arrays: equation.run(arrays), *(a.lazy for a in arguments if a.lazy is not None))
    return [
        Constant(shape, Lazy(lambda found, at=at: found[at], run), flags)
        for at, (shape, flags) in enumerate(zip(equation.shapes, varies, strict=True))
    ]


def _varies(equation: Equation, arguments: Sequence[Constant], shape: tuple[int, ...]) -> Flags:
    """Along which axes an output may vary, by how it is made: the others are proved to be uniform, whatever the values.

    Of most operations nothing is proved; the values decide, where they are known.
    """
    if equation.name == "broadcast_in_dim":
        varies = [False] * len(shape)
        for i, at in enumerate(equation.params["broadcast_dimensions"]):
            varies[at] = arguments[0].varies[i]
        return tuple(varies)
    if equation.name == "transpose":
        return tuple(arguments[0].varies[i] for i in equation.params["permutation"])
    if equation.name in ("reshape", "squeeze", "expand_dims"):
        return _reshaped(arguments[0], shape)
    if equation.name in ELEMENTWISE and all(a.shape == () or len(a.shape) == len(shape) for a in arguments):
        wide = [a.varies for a in arguments if a.shape]
        return tuple(any(flags[i] for flags in wide) for i in range(len(shape)))
    return tuple(n > 1 for n in shape)


def _reshaped(constant: Constant, shape: tuple[int, ...]) -> Flags:
    old = [i for i, n in enumerate(constant.shape) if n > 1]
    new = [i for i, n in enumerate(shape) if n > 1]
    if [constant.shape[i] for i in old] != [shape[i] for i in new]:
        uniform = not any(constant.varies)
        return tuple(n > 1 and not uniform for n in shape)
    varies = np.zeros(len(shape), bool)
    varies[new] = [constant.varies[i] for i in old]
    return tuple(varies.tolist())
