"""Operations on constants: evaluated only if their values are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.lazy import Lazy
from equinet.infer.primitives import Flags, Primitive, Shape, enter, row_of
from equinet.infer.values import Constant


def folded(equation: Equation, arguments: Sequence[Constant]) -> list[Constant]:
    """The outputs of an operation on constants."""
    row, shapes = row_of(equation), equation.shapes
    proved = row.varies or (lambda _, __, shape: tuple(n > 1 for n in shape))
    varies = [proved(equation, arguments, shape) for shape in shapes]
    if not row.repeatable or any(a.lazy is None for a in arguments):
        return [Constant(shape, None, flags) for shape, flags in zip(shapes, varies, strict=True)]
    run = Lazy(lambda *arrays: equation.run(arrays), *(a.lazy for a in arguments if a.lazy is not None))
    return [
        Constant(shape, Lazy(lambda found, at=at: found[at], run), flags)
        for at, (shape, flags) in enumerate(zip(shapes, varies, strict=True))
    ]


def as_operands(_: Equation, arguments: Sequence[Constant], shape: Shape) -> Flags:
    """Of what does the same at every place: along the axes that some operand varies along."""
    if not all(a.shape == () or len(a.shape) == len(shape) for a in arguments):
        return tuple(n > 1 for n in shape)
    wide = [a.varies for a in arguments if a.shape]
    return tuple(any(flags[i] for flags in wide) for i in range(len(shape)))


def as_spread(equation: Equation, arguments: Sequence[Constant], shape: Shape) -> Flags:
    """Of a broadcast: along no new axis."""
    varies = [False] * len(shape)
    for i, at in enumerate(equation.params["broadcast_dimensions"]):
        varies[at] = arguments[0].varies[i]
    return tuple(varies)


def as_tiled(_: Equation, arguments: Sequence[Constant], shape: Shape) -> Flags:
    """Of copies one after the other: along the axes that it varied along."""
    del shape
    return arguments[0].varies


def as_transposed(equation: Equation, arguments: Sequence[Constant], _: Shape) -> Flags:
    """Of a transpose: as the axes that it puts there."""
    return tuple(arguments[0].varies[i] for i in equation.params["permutation"])


def as_reshaped(equation: Equation, arguments: Sequence[Constant], shape: Shape) -> Flags:
    """Of a reshape: as before, where only axes of size 1 come and go; else along all, unless all entries are equal."""
    (constant,) = arguments
    order = range(len(constant.shape)) if equation.order is None else equation.order
    old = [i for i in order if constant.shape[i] > 1]
    new = [i for i, n in enumerate(shape) if n > 1]
    if [constant.shape[i] for i in old] != [shape[i] for i in new]:
        uniform = not any(constant.varies)
        return tuple(n > 1 and not uniform for n in shape)
    varies = np.zeros(len(shape), bool)
    varies[new] = [constant.varies[i] for i in old]
    return tuple(varies.tolist())


enter(
    Primitive("rng_uniform", repeatable=False),
    Primitive("rng_bit_generator", repeatable=False),
    Primitive("io_callback", repeatable=False),
    Primitive("debug_callback", repeatable=False, only_shows=True),
    Primitive("debug_print", repeatable=False, only_shows=True),
)
