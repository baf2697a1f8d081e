"""Formulas of many elements: sums, extremes, products, windows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.formulas import extremes
from equinet.infer.formulas.elements import as_integers
from equinet.infer.formulas.operands import LEAD, Formula, Unfollowed, alike, given, named, places_of
from equinet.infer.formulas.places import with_padding
from equinet.infer.formulas.residues import (
    ROWS,
    Residues,
    as_terms,
    conjugated,
    function,
    has_root_of_unity,
    inverted,
    multiset,
    multisets,
    of_terms,
    real_part,
    reduced,
    root_of_unity,
    sequence,
    times,
)
from equinet.infer.values import Constant


def summed(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [reduced(given(arguments[0]).sum(places_of(equation.params["axes"]), dtype=np.uint64))]


def largest(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    which = equation.name.removeprefix("reduce_")
    terms = as_terms(which, given(arguments[0]))
    return [of_terms(which, terms.sum(places_of(equation.params["axes"]), dtype=np.uint64))]


def multiplied(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, axes = given(arguments[0]), equation.params["axes"]
    count = prod(array.shape[LEAD + axis] for axis in axes)
    first = np.moveaxis(array, places_of(axes), range(LEAD, LEAD + len(axes)))
    first = first.reshape(*array.shape[:LEAD], count, *first.shape[LEAD + len(axes) :])
    result = first[:, :, 0]
    for at in range(1, count):
        result = times(result, first[:, :, at])
    return [result]


def of_all(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [multiset(named(equation), given(arguments[0]), places_of(equation.params["axes"]))]


def of_all_in_order(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [sequence(named(equation), given(arguments[0]), places_of(equation.params["axes"]))]


def running(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, axis = given(arguments[0]), equation.params["axis"] + LEAD
    back = equation.params["reverse"]
    array = np.flip(array, axis) if back else array
    if equation.name == "cumsum":
        found = reduced(np.cumsum(array, axis, dtype=np.uint64))
    elif equation.name in ("cummax", "cummin"):
        which = equation.name.removeprefix("cum")
        found = of_terms(which, np.cumsum(as_terms(which, array), axis, dtype=np.uint64))
    else:
        found = multisets(f"{equation.name} {array.dtype}", array, axis)
    return [np.flip(found, axis) if back else found]


def place_of_extreme(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    (axis,) = places_of(equation.params["axes"])
    kind, array = equation.params["index_dtype"], given(arguments[0])
    name = equation.name if extremes.holds(kind, array.shape[axis]) else named(equation)
    return [extremes.place(name, array, axis)]


def in_order(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """Number k in order is a function of k and of all values; of places, and of what is sorted by other arrays, of all
    arrays in order. What is sorted by is in an order of its own, whatever lies beside it."""
    rank = len(equation.input_shape(0))
    axis = LEAD + equation.params.get("dimension", equation.params.get("axis", rank - 1)) % rank
    count, (first, *others) = equation.shapes[0][axis - LEAD], arguments
    if not others or extremes.counts_along(others, axis):
        return extremes.in_order(equation.name, given(first), axis, count)[: len(equation.shapes)]
    keys = [given(key) for key in arguments[: equation.params["num_keys"]]]
    if len(keys) == 1:
        elements = extremes.in_order(equation.name, keys[0], axis, count)[:1]
    else:
        tuples = function("together", alike(keys))
        elements = [extremes.in_order(f"{equation.name} {at}", tuples, axis, count)[0] for at in range(len(keys))]
    if len(keys) == len(arguments):
        return elements
    joint = function("together", alike([given(a) for a in arguments]))
    totals = [sequence(f"{named(equation)} {at}", joint, [axis]) for at in range(len(keys), len(arguments))]
    return [*elements, *(extremes.numbered(total, axis, count) for total in totals)]


def contracted(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    sums, batches = equation.params["dimension_numbers"]
    turned = []
    for array, over, batch in zip(_factors(equation, arguments), sums, batches, strict=True):
        rest = [i for i in range(array.ndim - LEAD) if i not in over and i not in batch]
        sizes = [prod(array.shape[LEAD + i] for i in axes) for axes in (batch, rest, over)]
        array = array.transpose(0, 1, *places_of(batch), *places_of(rest), *places_of(over))
        turned.append(array.reshape(*array.shape[:LEAD], *sizes))
    a, b = turned
    result = _matrix_product(a, b.swapaxes(-1, -2))
    return [result.reshape(*result.shape[:LEAD], *equation.shapes[0])]


def _factors(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """Two arrays that are multiplied, and added up in the type of the result: sums of whole numbers may have wrapped
    around in another one before."""
    kind, found = equation.outputs[0].aval.dtype, []
    for atom, var in zip(arguments, equation.inputs, strict=True):
        array, old = given(atom, factor=True), var.aval.dtype
        is_cast = old != kind and jnp.issubdtype(old, jnp.integer) and not isinstance(atom, Constant)
        found.append(as_integers(old, kind, array) if is_cast else array)
    return found


def _matrix_product(a: Residues, b: Residues) -> Residues:
    """Of 31 bits and twice 16: sums of up to 2¹⁶ products fit."""
    if a.shape[-1] >= 1 << 16:
        raise Unfollowed("a sum of very many products")
    half = np.uint64(16)
    high, low = reduced(a @ (b >> half)), reduced(a @ (b & np.uint64((1 << 16) - 1)))
    return reduced((high << half) + low)


def _windows(
    array: Residues, extents: Sequence[int], strides: Sequence[int], dilations: Sequence[int], count: Sequence[int]
) -> list[Residues]:
    """What each tap of a window reads, given the number of windows along the last axes."""
    found = []
    for tap in np.ndindex(*extents):
        starts = [t * d for t, d in zip(tap, dilations, strict=True)]
        cut = [slice(s, s + (n - 1) * step + 1, step) for s, n, step in zip(starts, count, strides, strict=True)]
        found.append(array[(..., *cut)])
    return found


def reduced_windows(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    params, rank = equation.params, len(equation.shapes[0])
    which, array = equation.name.removeprefix("reduce_window_"), given(arguments[0])
    terms = array if which == "sum" else as_terms(which, array)
    base = params.get("base_dilation") or (1,) * rank
    config = [(lo, hi, b - 1) for (lo, hi), b in zip(params["padding"], base, strict=True)]
    wide = with_padding(terms, config, np.zeros((terms.shape[0], 1), np.uint64))
    dilations = params.get("window_dilation") or (1,) * rank
    shape = equation.shapes[0]
    taps = _windows(wide, params["window_dimensions"], params["window_strides"], dilations, shape)
    total = taps[0]
    for part in taps[1:]:
        total = total + part
    return [reduced(total) if which == "sum" else of_terms(which, total)]


def convolved(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    params, numbers_ = equation.params, equation.params["dimension_numbers"]
    groups = params["feature_group_count"]
    if params["batch_group_count"] != 1:
        raise Unfollowed("a convolution in groups of examples")
    image, kernel = _factors(equation, arguments)
    image = image.transpose(0, 1, *places_of(numbers_.lhs_spec))
    kernel = kernel.transpose(0, 1, *places_of(numbers_.rhs_spec))
    config = [(lo, hi, b - 1) for (lo, hi), b in zip(params["padding"], params["lhs_dilation"], strict=True)]
    nothing = np.zeros((image.shape[0], 1), np.uint64)
    image = with_padding(image, [(0, 0, 0), (0, 0, 0), *config], nothing)
    count = [equation.shapes[0][axis] for axis in numbers_.out_spec[2:]]
    outputs, inputs, *extents = kernel.shape[LEAD:]
    taps = np.stack(_windows(image, extents, params["window_strides"], params["rhs_dilation"], count), LEAD + 2)
    # [batch, groups, nodes, inputs and taps] times [groups, inputs and taps, outputs of a group].
    size = inputs * prod(extents)
    nodes = taps.reshape(*taps.shape[: LEAD + 1], groups, size, prod(count)).swapaxes(-1, -2)
    weights = kernel.reshape(*kernel.shape[:LEAD], 1, groups, outputs // groups, size)
    total = _matrix_product(nodes, weights.swapaxes(-1, -2))
    total = total.swapaxes(-1, -2).reshape(*total.shape[:LEAD], total.shape[LEAD], outputs, *count)
    order = [numbers_.out_spec.index(axis) for axis in range(len(count) + 2)]
    return [total.transpose(0, 1, *places_of(order))]


def transformed(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """Fourier transforms of the last axes, with roots of unity modulo the prime."""
    kind, lengths, array = equation.params["fft_type"].name, equation.params["fft_lengths"], given(arguments[0])
    axes = [array.ndim - len(lengths) + i for i in range(len(lengths))]
    if not all(map(has_root_of_unity, lengths)):
        raise Unfollowed("a transform of a length without a root of unity")
    if kind == "RFFT":
        array = _spectrum(array, axes[-1], -1)[..., : lengths[-1] // 2 + 1]
        axes = axes[:-1]
    for axis in axes[:-1] if kind == "IRFFT" else axes:
        array = _spectrum(array, axis, 1 if kind in ("IFFT", "IRFFT") else -1)
    if kind != "IRFFT":
        return [array]
    # The other half are conjugates; of the entries that have none, the real parts count.
    size = lengths[-1]
    inner = array[..., 1 : (size + 1) // 2]
    middle = [real_part(array[..., size // 2 :])] if size % 2 == 0 else []
    parts = [real_part(array[..., :1]), inner, *middle, np.flip(conjugated(inner), -1)]
    return [_spectrum(np.concatenate(parts, -1), axes[-1], 1)]


def _spectrum(array: Residues, axis: int, sign: int) -> Residues:
    """Σ exp(± 2πi κ p / n) x(p), over n if the sign is +."""
    size = array.shape[axis]
    root = root_of_unity(size)[:, None]
    powers = np.ones((ROWS, size), np.uint64)
    for at in range(1, size):
        powers[:, at : at + 1] = times(powers[:, at - 1 : at], root)
    table = powers[:, sign * np.outer(np.arange(size), np.arange(size)) % size]
    moved = np.moveaxis(array, axis, -1)
    flat = moved.reshape(*moved.shape[:LEAD], -1, size)
    found = _matrix_product(flat, table[:, None]).reshape(moved.shape)
    if sign > 0:
        found = times(found, inverted(np.full((ROWS, *(1,) * (found.ndim - 1)), size, np.uint64)))
    return np.moveaxis(found, -1, axis)
