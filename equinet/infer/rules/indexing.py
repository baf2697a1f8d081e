"""Rules of gathers and scatters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import GatherScatterMode

from equinet.infer.compat import Equation
from equinet.infer.join import join, mixed, pointwise, with_constant
from equinet.infer.rows import part_of, picked
from equinet.infer.rules.table import NoRule, rule
from equinet.infer.values import Atom, Chosen, Constant, Digit, Ends, Value, same_number
from equinet.infer.views import freed
from equinet.symmetry.windows import FILL


@rule("gather", "dynamic_slice")
def _gather(equation: Equation, arguments: Sequence[Atom]) -> list[Value | Ends]:
    value, *indices = arguments
    if not isinstance(value, Value) or not all(isinstance(i, Constant) and i.array is not None for i in indices):
        return [_unordered(equation, arguments)]
    given = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    return [_moved(value, _places(equation, given), equation.shapes[0])]


@dataclass(frozen=True)
class _Places:
    """Where a gather reads along one axis of its operand: numbers, given along some axes of its result."""

    numbers: np.ndarray
    axes: Sequence[int]

    @property
    def varying(self) -> list[int]:
        """The axes of the result along which the numbers differ."""
        return [axis for i, axis in enumerate(self.axes) if (self.numbers != self.numbers.take([0], axis=i)).any()]

    def row(self, axis: int | None) -> np.ndarray:
        """The numbers along one axis of the result, at the first place of the others; without an axis, one number."""
        return np.atleast_1d(self.numbers[tuple(slice(None) if a == axis else 0 for a in self.axes)])


def _places(equation: Equation, indices: Sequence[np.ndarray]) -> list[_Places]:
    """Where a gather reads, for each axis of its operand.

    Raises:
        NoRule: if it reads out of bounds.
    """
    shape, sizes = equation.input_shape(0), equation.params["slice_sizes"]
    if equation.name == "dynamic_slice":
        starts = [np.clip(int(start), 0, n - size) for start, n, size in zip(indices, shape, sizes, strict=True)]
        return [
            _Places(start + np.arange(size), [at]) for at, (start, size) in enumerate(zip(starts, sizes, strict=True))
        ]
    numbers = equation.params["dimension_numbers"]
    inside = iter(numbers.offset_dims)
    outside = [axis for axis in range(len(equation.shapes[0])) if axis not in numbers.offset_dims]
    batched = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    components = {axis: at for at, axis in enumerate(numbers.start_index_map)}
    found = []
    for axis, (n, size) in enumerate(zip(shape, sizes, strict=True)):
        if axis in batched:
            found.append(_Places(np.arange(n), [outside[batched[axis]]]))
            continue
        starts, along = np.asarray(0), []
        if axis in components:
            starts, along = indices[0][..., components[axis]].astype(np.int64), outside
        if equation.params["mode"] == GatherScatterMode.CLIP:
            starts = np.clip(starts, 0, n - size)
        if ((starts < 0) | (starts > n - size)).any():
            raise NoRule("some of its indices are out of bounds")
        if axis in numbers.collapsed_slice_dims:
            found.append(_Places(starts, along))
        else:
            found.append(_Places(starts[..., None] + np.arange(size), [*along, next(inside)]))
    return found


def _moved(value: Value, places: Sequence[_Places], shape: Sequence[int]) -> Value | Ends:
    """A copy of elements, given the place that each comes from, where each axis is indexed by itself."""
    varying = [read.varying for read in places]
    taken = [axis for axes in varying for axis in axes]
    if any(len(axes) > 1 for axes in varying) or len(set(taken)) != len(taken):
        return _shuffled(value, shape)
    old = value.shape
    sources: list[int | None] = [next(iter(axes), None) for axes in varying]
    for i, read in enumerate(places):
        if sources[i] is None and any(digit.axis is not None for digit in value.layout[i]):
            # One node, again and again, along an axis of the result that nothing else varies along.
            sources[i] = next((axis for axis in reversed(read.axes) if axis not in sources), None)
    changed = {
        i: row
        for i, (read, axis) in enumerate(zip(places, sources, strict=True))
        if not np.array_equal(row := read.row(axis), np.arange(old[i]))
    }
    if len(changed) == 1 and sources == list(range(len(shape))):
        [(i, row)] = changed.items()
        return part_of(value, i, row)
    for i, row in changed.items():
        value = picked(value, i, row)
    spent = [i for i, axis in enumerate(sources) if axis is None]
    if any(digit.axis is not None for i in spent for digit in value.layout[i]):
        # One node alone was kept of these axes; it is there no more.
        value = freed(value, spent)
    layout: list[tuple[Digit, ...]] = [(Digit(n, uniform=True),) for n in shape]
    for i, axis in enumerate(sources):
        if axis is not None:
            layout[axis] = value.layout[i]
    return value.laid_out(tuple(layout))


def _shuffled(value: Value, shape: Sequence[int]) -> Value:
    """A copy of elements in another order: nothing that moves a node survives."""
    free = freed(value, list(range(len(value.layout))))
    return mixed(free, "affine", tuple((Digit(n),) for n in shape))


def _unordered(equation: Equation, arguments: Sequence[Atom]) -> Value:
    """A gather or scatter at places that depend on the input: all nodes are kept in place, in every operand."""
    made: Value | None = None
    shape = equation.shapes[0]
    for a in arguments:
        if isinstance(a, Chosen):
            raise NoRule("it is applied to the phase that a polyphase layer chose")
        if isinstance(a, Value):
            loose = _shuffled(a, shape)
            made = loose if made is None else join(made, loose, linear=False)
    assert made is not None
    return pointwise(made, "any")


_SETS = ("dynamic_update_slice", "scatter")


@rule("dynamic_update_slice", "scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max")
def _scatter(equation: Equation, arguments: Sequence[Atom]) -> list[Atom]:
    """Updates that change the operand where they land; if they add up or multiply, as often as they do."""
    operand, updates, indices = _scattered(equation, arguments)
    if isinstance(operand, Chosen) or isinstance(updates, Chosen):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    given = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    if len(given) < len(indices):
        return [_unordered(equation, arguments)]
    shape = equation.shapes[0]
    counts = landed(equation, np.ones(updates.shape, np.int32), given)
    applies = equation.name == "scatter" and equation.params.get("update_jaxpr") is not None
    if isinstance(updates, Value):
        if applies:
            raise NoRule("it applies a function of its own where it lands")
        made = _placed(equation, updates, given, counts, _fill(equation, operand))
        if isinstance(operand, Constant) and made is not None:
            return [made]
        made = _shuffled(updates, shape) if made is None else made
        made = join(operand, made, linear=False) if isinstance(operand, Value) else made
    elif isinstance(operand, Value):
        made = operand
        if updates.array is not None and not applies:
            made = with_constant(made, Constant.of(_combined(equation, updates.array, given)), "any")
        elif any(updates.varies):
            made = with_constant(made, Constant.arbitrary(shape), "any")
    else:
        raise NoRule("nothing that it moves depends on the input")
    once = equation.name in (*_SETS, "scatter-min", "scatter-max") and not applies
    where = Constant.of(counts > 0 if once else counts)
    return [pointwise(with_constant(made, where, "any"), "any")]


def _fill(equation: Equation, operand: Atom) -> float | None:
    """What is where no update lands, and nothing else is: None if that is no number, or if updates change it."""
    if isinstance(operand, Value):
        return 0.0
    if not isinstance(operand, Constant) or operand.fill is None:
        return None
    adds = equation.name == "scatter-add" and same_number(operand.fill, 0.0)
    return operand.fill if equation.name in _SETS or adds else None


def _placed(
    equation: Equation, updates: Value, indices: Sequence[np.ndarray], counts: np.ndarray, fill: float | None
) -> Value | None:
    """Updates at the places they land at, a number elsewhere; None unless each has a place of its own, found axis by
    axis."""
    given, shape = updates.shape, equation.shapes[0]
    if fill is None or len(given) != len(shape) or counts.max() > 1 or int(counts.sum()) != prod(given):
        return None
    lands = counts > 0
    numbers = landed(equation, np.arange(prod(given), dtype=np.int32).reshape(given), indices)
    for axis, (found, size) in enumerate(zip(np.unravel_index(numbers, given), given, strict=True)):
        others = tuple(i for i in range(len(shape)) if i != axis)
        row = found.max(others, where=lands, initial=FILL)
        if not np.array_equal(np.sort(row[row != FILL]), np.arange(size)):
            return None
        if (lands & (found != row.reshape([-1 if i == axis else 1 for i in range(len(shape))]))).any():
            return None
        if not np.array_equal(row, np.arange(size)):
            updates = picked(updates, axis, row, fill)
    return updates


def landed(equation: Equation, numbers: np.ndarray, indices: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers in place of updates at known places, added up where they land; 0 where none does."""
    blank = jnp.zeros(equation.shapes[0], jnp.int32)
    with jax.ensure_compile_time_eval():
        if equation.name == "dynamic_update_slice":
            return np.asarray(jax.lax.dynamic_update_slice(blank, jnp.asarray(numbers), indices))
        params = equation.params
        made = jax.lax.scatter_add(
            blank, jnp.asarray(indices[0]), jnp.asarray(numbers), params["dimension_numbers"], mode=params["mode"]
        )
        return np.asarray(made)


def _combined(equation: Equation, updates: np.ndarray, indices: Sequence[np.ndarray]) -> np.ndarray:
    """What known updates make of the number that they leave no trace of: of 0, of 1, of the largest, of the least."""
    kind = equation.inputs[0].aval.dtype
    if equation.name in ("scatter-min", "scatter-max"):
        least = equation.name == "scatter-max"
        if jnp.issubdtype(kind, jnp.floating):
            neutral = -np.inf if least else np.inf
        elif jnp.issubdtype(kind, jnp.bool_):
            neutral = not least
        else:
            neutral = jnp.iinfo(kind).min if least else jnp.iinfo(kind).max
    else:
        neutral = 1 if equation.name == "scatter-mul" else 0
    operand, updates = np.full(equation.shapes[0], neutral, kind), updates.astype(kind)
    slicing = equation.name == "dynamic_update_slice"
    return np.asarray(equation.run([operand, updates, *indices] if slicing else [operand, *indices, updates])[0])


def _scattered(equation: Equation, arguments: Sequence[Atom]) -> tuple[Atom, Atom, list[Atom]]:
    if equation.name == "dynamic_update_slice":
        operand, updates, *indices = arguments
        return operand, updates, indices
    operand, index, updates = arguments
    return operand, updates, [index]
