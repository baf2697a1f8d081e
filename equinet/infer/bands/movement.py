"""Operations that put elements of arrays elsewhere: slices, joints, transposes, padding, lookups at known places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from equinet.infer.bands.values import MOST, Moved, Nodes, Turning, as_turning, nothing
from equinet.infer.compat import Equation, landed, update_of
from equinet.infer.values import Constant

Held = Nodes | Turning | Constant | Moved
Put = Callable[[Equation, Sequence[np.ndarray]], np.ndarray | Sequence[np.ndarray]]


def _broadcast(equation: Equation, arrays: Sequence[np.ndarray]) -> np.ndarray:
    shape, (array,) = equation.shapes[0], arrays
    wide = [1] * len(shape)
    for n, at in zip(array.shape, equation.params["broadcast_dimensions"], strict=True):
        wide[at] = n
    return np.broadcast_to(array.reshape(wide), shape)


def _sliced(equation: Equation, arrays: Sequence[np.ndarray]) -> np.ndarray:
    how = equation.params
    strides = how["strides"] or (1,) * arrays[0].ndim
    return arrays[0][tuple(map(slice, how["start_indices"], how["limit_indices"], strides))]


def _split(equation: Equation, arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return np.split(arrays[0], np.cumsum(equation.params["sizes"])[:-1], axis=equation.params["axis"])


PUT: dict[str, Put] = {
    "slice": _sliced,
    "broadcast_in_dim": _broadcast,
    "reshape": lambda equation, arrays: arrays[0].reshape(equation.shapes[0]),
    "squeeze": lambda equation, arrays: arrays[0].reshape(equation.shapes[0]),
    "expand_dims": lambda equation, arrays: arrays[0].reshape(equation.shapes[0]),
    "transpose": lambda equation, arrays: np.transpose(arrays[0], equation.params["permutation"]),
    "rev": lambda equation, arrays: np.flip(arrays[0], equation.params["dimensions"]),
    "concatenate": lambda equation, arrays: np.concatenate(arrays, axis=equation.params["dimension"]),
    "split": _split,
    "pad": lambda equation, arrays: np.asarray(equation.run([each.astype(np.int32) for each in arrays])[0]),
}
"""Operations all of whose operands hold elements."""


def moved(equation: Equation, arguments: Sequence[Held]) -> list[Held] | None:
    """The results of an operation that puts elements elsewhere; None if it is none.

    It is carried out on the places of the elements.
    """
    if equation.name == "select_n":
        return _chosen(arguments)
    if equation.name in ("gather", "dynamic_slice"):
        return _looked_up(equation, arguments)
    if equation.name in ("scatter", "dynamic_update_slice"):
        return _updated(equation, arguments)
    if equation.name not in PUT or equation.order is not None:
        return None
    indices = PUT[equation.name](equation, _numbered(arguments))
    return [_elements(arguments, index) for index in ([indices] if isinstance(indices, np.ndarray) else indices)]


def _numbered(arguments: Sequence[Held]) -> list[np.ndarray]:
    """The places of all elements, one array after the other."""
    start, found = 0, []
    for each in arguments:
        found.append(start + np.arange(prod(each.shape)).reshape(each.shape))
        start += prod(each.shape)
    return found


def _elements(arguments: Sequence[Held], index: np.ndarray) -> Held:
    """The array with elements of some arrays."""
    if sum(prod(each.shape) for each in arguments) > MOST or index.size > MOST:
        return nothing(index.shape)
    if any(isinstance(each, Turning) for each in arguments):
        parts = [
            as_turning(each) if isinstance(each, Turning | Constant) else nothing(each.shape) for each in arguments
        ]
        return joined(parts).taken(index)
    starts: dict[int, tuple[Nodes | Constant, int]] = {}
    inner = []

    def start_of(source: Nodes | Constant) -> int:
        """Where its elements begin: one array is one source, however often it is read."""
        if id(source) not in starts:
            starts[id(source)] = source, sum(prod(each.shape) for each, _ in starts.values())
        return starts[id(source)][1]

    for each in arguments:
        if isinstance(each, Moved):
            sizes = [prod(source.shape) for source in each.sources]
            number = np.searchsorted(np.cumsum(sizes), each.index, side="right")
            shifted = np.array([start_of(source) for source in each.sources]) - np.cumsum([0, *sizes[:-1]])
            inner.append((each.index + shifted[number]).reshape(-1))
        else:
            assert not isinstance(each, Turning)
            inner.append(start_of(each) + np.arange(prod(each.shape)))
    return Moved(tuple(source for source, _ in starts.values()), np.concatenate(inner)[index])


def joined(parts: Sequence[Turning]) -> Turning:
    """Numbers of several arrays in a row; names of different arrays differ."""
    names, start = [], 0
    for each in parts:
        name = np.arange(each.zero.size) if each.name is None else each.name.reshape(-1)
        names.append(name + start)
        start += int(name.max(initial=-1)) + 1
    frequency, shifts, zero = (
        np.concatenate([getattr(each, kind).reshape(-1) for each in parts]) for kind in ("frequency", "shifts", "zero")
    )
    return Turning(frequency, shifts, zero, np.concatenate(names))


def _known(indices: Sequence[Held]) -> list[np.ndarray] | None:
    """Numbers that do not depend on the input; None unless all are known."""
    found = [each.array for each in indices if isinstance(each, Constant) and each.array is not None]
    return found if len(found) == len(indices) else None


def _chosen(arguments: Sequence[Held]) -> list[Held] | None:
    """Elements of several arrays, as a known mask says."""
    mask, cases = _known(arguments[:1]), arguments[1:]
    if mask is None:
        return None
    places = np.stack(_numbered(cases))
    which = np.broadcast_to(mask[0].astype(int), places[0].shape)
    return [_elements(cases, np.take_along_axis(places, which[None], axis=0)[0])]


def _looked_up(equation: Equation, arguments: Sequence[Held]) -> list[Held] | None:
    """Elements at known places; None if some are out of bounds."""
    array, *indices = arguments
    known = _known(indices)
    size = prod(array.shape)
    if known is None or isinstance(array, Constant) or size > MOST:
        return None
    (places,) = _numbered([array])
    given = [raw.lazy.value for raw in indices if isinstance(raw, Constant) and raw.lazy is not None]
    index = np.asarray(equation.run([places.astype(np.int32), *given])[0])
    inside = index.size == 0 or (index.min() >= 0 and index.max() < size)
    return [_elements([array], index)] if inside else None


def _updated(equation: Equation, arguments: Sequence[Held]) -> list[Held] | None:
    """An array with other elements at known places, none of which is written to twice."""
    operand, updates, indices = update_of(equation, arguments)
    if _known(indices) is None or prod(operand.shape) + prod(updates.shape) > MOST:
        return None
    given = [raw.lazy.value for raw in indices]
    size, count = prod(operand.shape), prod(updates.shape)
    written = landed(equation, np.ones(updates.shape, np.int32), given)
    if written.max(initial=0) > 1:
        return None
    numbers = landed(equation, np.arange(count, dtype=np.int32).reshape(updates.shape), given)
    index = np.where(written > 0, size + numbers, np.arange(size).reshape(operand.shape))
    return [_elements([operand, updates], index)]
