"""Formulas whose operations move elements about."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation, landed, update_of
from equinet.infer.formulas import extremes
from equinet.infer.formulas.operands import (
    LEAD,
    Formula,
    Unfollowed,
    alike,
    given,
    is_float,
    known_places,
    places_of,
)
from equinet.infer.formulas.residues import Residues, as_terms, negative, numbers, of_terms, plus, reduced, times
from equinet.infer.primitives import row_of
from equinet.infer.values import Constant


def shaped(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array = given(arguments[0])
    if equation.order is not None:
        array = array.transpose(0, 1, *places_of(equation.order))
    return [array.reshape(*array.shape[:LEAD], *equation.shapes[0])]


def transposed(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [given(arguments[0]).transpose(0, 1, *places_of(equation.params["permutation"]))]


def spread(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, shape = given(arguments[0]), equation.shapes[0]
    sizes = [1] * len(shape)
    for i, at in enumerate(equation.params["broadcast_dimensions"]):
        sizes[at] = array.shape[LEAD + i]
    return [np.broadcast_to(array.reshape(*array.shape[:LEAD], *sizes), (*array.shape[:LEAD], *shape))]


def tiled(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [np.tile(given(arguments[0]), (1, 1, *equation.params["reps"]))]


def sliced(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    params = equation.params
    steps = params["strides"] or (1,) * len(params["start_indices"])
    ranges = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    return [given(arguments[0])[(slice(None), slice(None), *(slice(*one) for one in ranges))]]


def split(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    ends = np.cumsum(equation.params["sizes"])[:-1].tolist()
    return np.split(given(arguments[0]), ends, equation.params["axis"] + LEAD)


def turned(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [np.flip(given(arguments[0]), places_of(equation.params["dimensions"]))]


def joined(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [np.concatenate(alike([given(a) for a in arguments]), equation.params["dimension"] + LEAD)]


def stacked(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    return [np.stack(alike([given(a) for a in arguments]), equation.params["axis"] + LEAD)]


def unstacked(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, axis = given(arguments[0]), equation.params["axis"] + LEAD
    return [array.take(at, axis) for at in range(array.shape[axis])]


def padded(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, fill = alike([given(a) for a in arguments])
    return [with_padding(array, equation.params["padding_config"], fill)]


def with_padding(array: Residues, config: Sequence[tuple[int, int, int]], fill: Residues) -> Residues:
    """An array with numbers around and between its elements; with fewer where widths are negative."""
    gaps = [between + 1 for _, _, between in config]
    sizes = [(n - 1) * gap + 1 if n else 0 for n, gap in zip(array.shape[LEAD:], gaps, strict=True)]
    low, high = ([max(one[i], 0) for one in config] for i in (0, 1))
    shape = [n + lo + hi for n, lo, hi in zip(sizes, low, high, strict=True)]
    fill = fill.reshape(*fill.shape[:LEAD], *(1,) * len(shape))
    result = np.broadcast_to(fill, (array.shape[0], max(array.shape[1], fill.shape[1]), *shape)).copy()
    inside = [slice(lo, lo + n, gap) for lo, n, gap in zip(low, sizes, gaps, strict=True)]
    result[(slice(None), slice(None), *inside)] = array
    cut = [slice(max(-lo, 0), n - max(-hi, 0)) for n, (lo, hi, _) in zip(shape, config, strict=True)]
    return result[(slice(None), slice(None), *cut)]


def _starts(equation: Equation, indices: Sequence[Formula], whole: Sequence[int], sizes: Sequence[int]) -> list[slice]:
    starts = [np.clip(int(i), 0, n - size) for i, n, size in zip(known_places(indices), whole, sizes, strict=True)]
    return [slice(None), slice(None), *(slice(at, at + size) for at, size in zip(starts, sizes, strict=True))]


def dynamic_slice(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, sizes = given(arguments[0]), equation.params["slice_sizes"]
    return [array[tuple(_starts(equation, arguments[1:], array.shape[LEAD:], sizes))]]


def dynamic_update(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    array, part = alike([given(a) for a in arguments[:2]])
    array = array.copy()
    array[tuple(_starts(equation, arguments[2:], array.shape[LEAD:], part.shape[LEAD:]))] = part
    return [array]


def gathered(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """The numbers of entries in place of entries say where each comes from."""
    if not isinstance(arguments[1], Constant):
        return [extremes.read_there(equation, *alike([given(a) for a in arguments]))]
    (indices,), shape = known_places(arguments[1:]), equation.input_shape(0)
    array = given(arguments[0])
    fill = equation.params.get("fill_value")
    if fill not in (None, 0):
        raise Unfollowed("a gather with a number of its own out of bounds")
    entries = np.arange(1, 1 + prod(shape), dtype=np.int32).reshape(shape)
    found = np.asarray(equation.run([entries, jnp.asarray(indices)])[0])
    read = array.reshape(*array.shape[:LEAD], -1)[:, :, np.maximum(found, 1) - 1]
    if (found >= 1).all():
        return [read]
    if not is_float(equation):
        raise Unfollowed("whole numbers read out of bounds")
    beyond = numbers(np.full((1,) * found.ndim, np.nan if fill is None else fill))
    return [np.where(found < 1, beyond, read)]


def scattered(equation: Equation, arguments: Sequence[Formula]) -> list[Residues]:
    """Several updates at one place are followed where they add up, or the largest or the least counts."""
    whole, updates, indices = update_of(equation, arguments)
    combination, places = row_of(equation).combination, known_places(indices)
    if combination == "last" and equation.params.get("update_jaxpr") is not None:
        raise Unfollowed("a function applied to some places")
    array, part = alike([given(whole), given(updates)])
    shape = part.shape[LEAD:]
    counts = landed(equation, np.ones(shape, np.int32), places)

    def added_up(terms: Residues) -> Residues:
        flat = terms.reshape(-1, *shape)
        return np.stack([_landed_terms(equation, one, places) for one in flat]).reshape(array.shape)

    if combination in ("sum", "difference"):
        after = plus(array, reduced(added_up(part if combination == "sum" else negative(part))))
    elif combination in ("max", "min"):
        terms = reduced(added_up(as_terms(combination, part)))
        after = of_terms(combination, as_terms(combination, array) + terms)
    elif counts.max(initial=0) > 1:
        raise Unfollowed("several updates at one place")
    else:
        source = landed(equation, np.arange(prod(shape), dtype=np.int32).reshape(shape), places)
        moved = part.reshape(*part.shape[:LEAD], -1)[:, :, source]
        after = times(array, moved) if combination == "product" else moved
    return [np.where(counts > 0, after, array)]


def _landed_terms(equation: Equation, terms: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers of 31 bits added up where they land, in halves: up to 2¹⁵ of them fit."""
    low, high = terms & np.uint64(0xFFFF), terms >> np.uint64(16)
    found = (landed(equation, half.astype(np.int32), places).astype(np.uint64) for half in (high, low))
    return (next(found) << np.uint64(16)) + next(found)
