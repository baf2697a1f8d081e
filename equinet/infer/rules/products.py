"""The rule of `dot_general`: a product of two arrays, summed over some axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.digits import Digit
from equinet.infer.formulas import totals
from equinet.infer.join import join, mixed, with_constant
from equinet.infer.ledger import Step
from equinet.infer.primitives import Primitive, enter, value_of
from equinet.infer.reduced import reduced
from equinet.infer.rounding import snapped
from equinet.infer.rules import spectra, tokens
from equinet.infer.values import Constant, Operand, Value, named
from equinet.infer.views import MOST_AXES, freed, freed_axes, plain, retabled
from equinet.symmetry.tables import Table


def _product(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    a, b = arguments
    if isinstance(a, Constant):
        product = _with_weights(value_of(b), a, right_sum, right_batch, left_sum, left_batch)
        # Axes: batch, what is left of the value, what is left of the weights; lax puts the first operand's first.
        value_left = len(equation.input_shape(1)) - len(right_sum) - len(right_batch)
        n, m = len(left_batch), len(product.layout)
        order = [*range(n), *range(n + value_left, m), *range(n, n + value_left)]
        return [product.laid_out(tuple(product.layout[i] for i in order))]
    if isinstance(b, Constant):
        return [_with_weights(value_of(a), b, left_sum, left_batch, right_sum, right_batch)]
    return [_of_values(value_of(a), value_of(b), (left_sum, right_sum), (left_batch, right_batch))]


def _rest(count: int, *taken: Sequence[int]) -> list[int]:
    return [i for i in range(count) if not any(i in axes for axes in taken)]


def _with_weights(
    value: Value,
    weights: Constant,
    summed: Sequence[int],
    batch: Sequence[int],
    weights_summed: Sequence[int],
    weights_batch: Sequence[int],
) -> Value:
    """The product with a constant: axes of the result are batch, the value's, the constant's."""
    left, fresh = _rest(len(value.layout), summed, batch), _rest(len(weights.shape), weights_summed, weights_batch)
    sizes = [weights.shape[i] for i in fresh]
    lines = _along_an_axis(value, weights, summed, weights_summed, weights_batch, sizes)
    if lines is not None:
        product, at = lines
        order = [*batch, *left, *([at] if sizes else [])]
        axis = product.grid_axis(at)
        product = product.laid_out(tuple(product.layout[i] for i in order))
        # One weighted sum of all nodes is an axis of one node, which is not moved.
        return product if sizes or axis is None else freed_axes(product, {axis})
    for i in summed:
        if any(digit.axis is not None for digit in value.layout[i]):
            value = plain(value, i)
            if value.grid_axis(i) is not None:
                value = freed(value, [i])
    varies = weights.actually_varies if any(i in value.moved_axes for i in batch) else weights.varies
    if any(varies[j] and i in value.moved_axes for i, j in zip(batch, weights_batch, strict=True)):
        # Weights of their own for each node: as a table of values.
        axes = [j for j in range(len(weights.shape)) if j not in weights_batch]
        value = _restricted(value, weights, batch, weights_batch, axes)
    layout = tuple(
        tuple(replace(d, uniform=False) for d in digits) if i in batch else digits
        for i, digits in enumerate(value.layout)
    )
    # Of one number a look at the weights is short; it is spread where they are equal.
    differs = weights.actually_varies if all(value.shape[i] == 1 for i in summed) else weights.varies
    spread = tuple((Digit(weights.shape[j], uniform=not differs[j]),) for j in fresh)
    return mixed(value, "linear", tuple(layout[i] for i in (*batch, *left)) + spread)


def _restricted(value: Value, weights: Constant, batch: Sequence[int], places: Sequence[int], rest: list[int]) -> Value:
    """Keep only what leaves the weights of each node as they are."""
    array = None if weights.array is None else weights.array.transpose(*places, *rest)
    count = len(batch)
    if array is None:
        shape = tuple(value.shape[i] if i in batch else 1 for i in range(len(value.layout)))
        wide = Constant.arbitrary(shape)
    else:
        names = named(array.reshape(prod(array.shape[:count]), -1))
        shape = [1] * len(value.layout)
        for i in batch:
            shape[i] = value.shape[i]
        order = np.argsort(batch)
        wide = Constant.of(names.reshape(array.shape[:count]).transpose(*order).reshape(shape))
    return with_constant(value, wide, "affine")


def _along_an_axis(
    value: Value,
    weights: Constant,
    summed: Sequence[int],
    weights_summed: Sequence[int],
    weights_batch: Sequence[int],
    sizes: Sequence[int],
) -> tuple[Value, int] | None:
    """A known matrix along one grid axis (interpolation, say): a table of weighted sums of nodes, and the array axis.

    `y_j = Σ_i W_ij x_i`, for any x. So it is if all weights are finite floats, each output has one that is not 0, and x
    is no maximum (whose sums are no table over its stem).
    """
    is_matrix = len(summed) == 1 and len(sizes) <= 1 and not weights_batch
    if not is_matrix or weights.array is None or value.kind == "max":
        return None
    if weights.array.dtype.kind != "f" or not np.isfinite(weights.array).all():
        return None
    (at,), (place,) = summed, weights_summed
    axis = value.grid_axis(at)
    if axis is None or value.dim > MOST_AXES:
        return None
    matrix = np.moveaxis(snapped(weights.array), place, 0).reshape(weights.array.shape[place], -1)
    if not matrix.any(0).all():
        return None
    value = value.restem()
    entries = int((matrix != 0).sum(0).max())
    rows = np.argsort(matrix == 0, axis=0, kind="stable")[:entries].T
    table = Table(rows, np.take_along_axis(matrix.T, rows, 1))
    if value.endless(axis):
        table = value.canvas[axis].continued(table, value.extents[axis])
    if table is None:
        return None
    strip = value.canvas[axis].reading(*table.course) if value.endless(axis) else None
    return replace(retabled(value, at, axis, table, matrix.shape[1], strip), kind="sum"), at


def _of_values(
    a: Value, b: Value, summed: tuple[Sequence[int], Sequence[int]], batch: tuple[Sequence[int], Sequence[int]]
) -> Value:
    """The product of two arrays that both depend on the input: element by element, then summed."""
    left_a, left_b = (_rest(len(v.layout), summed[i], batch[i]) for i, v in enumerate((a, b)))
    blank_a = [(Digit(a.shape[i], uniform=True),) for i in left_a]
    blank_b = [(Digit(b.shape[i], uniform=True),) for i in left_b]
    shared_a = [a.layout[i] for i in (*batch[0], *summed[0])]
    shared_b = [b.layout[i] for i in (*batch[1], *summed[1])]
    n = len(batch[0])
    first = a.laid_out((*shared_a[:n], *(a.layout[i] for i in left_a), *blank_b, *shared_a[n:]))
    second = b.laid_out((*shared_b[:n], *blank_a, *(b.layout[i] for i in left_b), *shared_b[n:]))
    product = join(first, second, linear=False)
    count = n + len(left_a) + len(left_b)
    return reduced(product, range(count, len(product.layout)), "sum") if summed[0] else product


def _why_weighed(step: Step) -> str:
    if len(step.before) > 1:
        return "nodes meet those of one block"
    return "each node has weights of its own (a dense layer over nodes)"


enter(
    Primitive(
        "dot_general",
        _product,
        totals.contracted,
        of_complex=True,
        spectral=spectra.weighed,
        tokens=tokens.multiplied,
        summed=lambda equation: equation.params["dimension_numbers"][0],
        reason=_why_weighed,
    )
)
