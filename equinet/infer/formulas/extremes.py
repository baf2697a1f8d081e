"""Formulas of extremes and of orders, and of where they are: read there, an array gives the extreme itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.formulas.elements import as_integers
from equinet.infer.formulas.operands import LEAD, Formula, Unfollowed, named, spelled
from equinet.infer.formulas.residues import (
    Residues,
    as_terms,
    function,
    multiset,
    numbers,
    of_terms,
    plus,
    sequence,
    symbols,
)
from equinet.infer.values import Constant

_MOST = 1 << 20
"""Numbers that may be looked at to find what is read."""


def place(name: str, array: Residues, axis: int) -> Residues:
    """Where an extreme is: a function of all elements in their order, since the first of those that tie is taken."""
    return sequence(f"{name} along an axis", array, [axis])


def holds(kind: Any, count: int) -> bool:
    """Whether a type of whole numbers has all places among so many elements."""
    return count - 1 <= jnp.iinfo(kind).max


def in_order(name: str, array: Residues, axis: int, count: int) -> list[Residues]:
    """The elements in an order, so many of them, and where each was: a function of its number, and of all elements; of
    where they are too, since equal ones stay in their order."""
    totals = multiset(f"{name}, elements", array, axis), sequence(f"{name}, places", array, [axis])
    return [numbered(total, axis, count) for total in totals]


def numbered(total: Residues, axis: int, count: int) -> Residues:
    """Elements 0, 1, … along an axis, each a function of its number and of a total."""
    wide = np.expand_dims(total, axis)
    numbers_ = symbols("number in an order", (count,))
    sizes = (count if i == axis else 1 for i in range(LEAD, wide.ndim))
    return function("in order", [wide, numbers_.reshape(*numbers_.shape[:LEAD], *sizes)])


def counts_along(others: Sequence[Formula], axis: int) -> bool:
    """Whether one array alone is sorted beside another, and holds the places 0, 1, … of its elements."""
    if len(others) != 1 or not isinstance(others[0], Constant) or others[0].array is None:
        return False
    found = np.moveaxis(others[0].array, axis - LEAD, -1)
    return bool((found == np.arange(found.shape[-1])).all())


def read_there(equation: Equation, array: Residues, indices: Residues) -> Residues:
    """A gather at places that depend on the input, along one axis.

    Let x be the elements along that axis. Where the place is that of an extreme of x, what is read is the extreme;
    where it is number k of the places that sort x, it is number k of the sorted elements. These do not depend on the
    order of elements that tie, though their places do. Else what is read is a function of x and of the place.
    """
    shape = equation.input_shape(0)
    numbers_ = equation.params["dimension_numbers"]
    known, at = _one_unknown(indices, [shape[axis] for axis in numbers_.start_index_map])
    axis = numbers_.start_index_map[at]
    if equation.params["slice_sizes"][axis] != 1:
        raise Unfollowed("a part at a place that depends on the input")
    entries = np.arange(1, 1 + prod(shape), dtype=np.int32).reshape(shape)
    first = np.asarray(equation.run([entries, known.astype(equation.inputs[1].aval.dtype)])[0]) - 1
    count = shape[axis]
    if (first < 0).any() or first.size * count > _MOST:
        raise Unfollowed("places that depend on the input")
    column = first[..., None] + np.arange(count) * prod(shape[axis + 1 :])
    x = array.reshape(*array.shape[:LEAD], -1)[:, :, column]
    sizes = [1 if i in numbers_.offset_dims else n for i, n in enumerate(equation.shapes[0])]
    where = indices[..., at].reshape(*indices.shape[:LEAD], *sizes)
    result = function(f"read by {named(equation)}", [sequence("column", x, [x.ndim - 1]), where])
    for places, elements in _extremes_of(x):
        for counted in _spelled(places, count, equation.inputs[1].aval.dtype):
            same = (where[..., None] == counted).all(0)
            result = np.where(same.any(-1), (elements * same).sum(-1, dtype=np.uint64), result)
    return result


def _extremes_of(x: Residues) -> Iterator[tuple[Residues, Residues]]:
    """Along the last axis: some places that depend on all its elements, and what is read there."""
    last = x.ndim - 1
    for which in ("max", "min"):
        found = of_terms(which, as_terms(which, x).sum(last, dtype=np.uint64))
        yield place(f"arg{which}", x, last)[..., None], found[..., None]
    for name in ("sort", "top_k"):
        elements, places = in_order(name, x, last, x.shape[last])
        yield places, elements


def _spelled(places: Residues, count: int, kind: Any) -> Iterator[Residues]:
    """Places as they are, in another type of whole numbers, and as JAX makes them of numbers that may be negative,
    which count from the end. None in a type that does not hold them all: they wrap around."""
    if not holds(kind, count):
        return
    nothing, size = (numbers(np.full((1,) * (places.ndim - LEAD), n)) for n in (0, count))
    for one in (places, *(as_integers(old, kind, places) for old in ("int32", "int64") if old != str(kind))):
        is_negative = function(spelled("lt", [kind, kind], {}), [one, nothing])
        yield from (one, function("chosen", [is_negative, one, plus(one, size)]))


def _one_unknown(indices: Residues, sizes: Sequence[int]) -> tuple[np.ndarray, int]:
    """The numbers of an index, 0 for the one component of it that is not known, and which that is."""
    known, unknown = np.zeros(indices.shape[LEAD:], np.int64), []
    for at, size in enumerate(sizes):
        candidates = numbers(np.arange(size)).reshape(indices.shape[0], *(1,) * (indices.ndim - 2), size)
        same = (indices[..., at, None] == candidates).all((0, 1))
        known[..., at] = same.argmax(-1)
        if not same.any(-1).all():
            unknown.append(at)
    if len(unknown) != 1:
        raise Unfollowed("places that depend on the input along several axes")
    known[..., unknown[0]] = 0
    return known, unknown[0]
