"""Rules of gathers and scatters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from jax.lax import GatherDimensionNumbers, GatherScatterMode

from equinet.infer.compat import Equation, landed, update_of, updated
from equinet.infer.digits import Digit
from equinet.infer.formulas import places
from equinet.infer.join import mixed, of_all, pointwise, with_constant
from equinet.infer.primitives import Combination, Formulas, NoRule, Primitive, enter, neutral, row_of, value_of
from equinet.infer.reduced import reduced
from equinet.infer.rows import part_of, picked
from equinet.infer.rules import spectra
from equinet.infer.values import Constant, Ends, Operand, Value, same_number
from equinet.infer.views import MOST_AXES, freed, plain, regrouped, retabled
from equinet.symmetry.tables import Table
from equinet.symmetry.windows import FILL


def _gather(equation: Equation, arguments: Sequence[Operand]) -> list[Value | Ends]:
    value, *indices = arguments
    known = _known(indices)
    if isinstance(value, Constant):
        return [_looked_up(equation, indices[0]) or _unordered(equation, arguments)]
    if known is None:
        return [_unordered(equation, arguments)]
    return [_moved(value, _places(equation, known[0]), equation.shapes[0])]


def _looked_up(equation: Equation, indices: Operand) -> Value | None:
    """Entries of a known array at places that depend on the input: a function of the numbers that say each place.

    Whatever the array holds, and whatever is done with places out of bounds, what is read at one place of the result
    depends on the numbers there alone. None if the array is read in batches, or the numbers of a place lie along nodes.
    """
    numbers = equation.params["dimension_numbers"]
    if not isinstance(indices, Value) or numbers.operand_batching_dims:
        return None
    *places, last = indices.layout
    if any(digit.axis is not None for digit in last):
        return None
    outside = iter(places)
    shape = equation.shapes[0]
    layout = [(Digit(n),) if i in numbers.offset_dims else next(outside) for i, n in enumerate(shape)]
    return mixed(indices, "any", tuple(layout))


def _dynamic_slice(equation: Equation, arguments: Sequence[Operand]) -> list[Value | Ends]:
    value, *indices = arguments
    known, sizes = _known(indices), equation.params["slice_sizes"]
    if not isinstance(value, Value) or known is None:
        return [_unordered(equation, arguments)]
    starts = [np.clip(int(start), 0, n - size) for start, n, size in zip(known, value.shape, sizes, strict=True)]
    ranges = enumerate(zip(starts, sizes, strict=True))
    return [_moved(value, [_Places(start + np.arange(n), [at]) for at, (start, n) in ranges], equation.shapes[0])]


def _known(indices: Sequence[Operand]) -> list[np.ndarray] | None:
    """The values of constants; None unless all are known."""
    known = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    return known if len(known) == len(indices) else None


@dataclass(frozen=True)
class _Places:
    """Where a gather reads along one axis of its operand: numbers, given along some axes of its result."""

    numbers: np.ndarray
    axes: Sequence[int]

    @property
    def varying(self) -> list[int]:
        """The axes of the result along which the numbers differ."""
        return [axis for i, axis in enumerate(self.axes) if (self.numbers != self.numbers.take([0], axis=i)).any()]

    def row(self, axes: Sequence[int]) -> np.ndarray:
        """The numbers along some axes of the result in a row, at the first place of the others; of none, one number."""
        return self.numbers[tuple(slice(None) if a in axes else 0 for a in self.axes)].reshape(-1)


def _places(equation: Equation, indices: np.ndarray) -> list[_Places]:
    """Where a gather reads, for each axis of its operand.

    Raises:
        NoRule: if it reads out of bounds.
    """
    shape, sizes = equation.input_shape(0), equation.params["slice_sizes"]
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
            starts, along = indices[..., components[axis]].astype(np.int64), outside
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
    """A copy of elements, given the place that each comes from.

    It is taken axis by axis. Entry j of the result is entry (r₁(j), r₂(j), …) of the operand. If rᵢ varies along some
    axes of the result that no other rₖ varies along, these numbers in a row are a table of copies of axis i, whose rows
    are then dealt out among those axes: one axis, or several as `s·j₁ + j₂` does, which are windows. Along the axes of
    the operand whose numbers share an axis of the result, nodes stay in place.
    """
    varying = [read.varying for read in places]
    taken = [axis for axes in varying for axis in axes]
    tangled = [i for i, axes in enumerate(varying) if any(taken.count(axis) > 1 for axis in axes)]
    if tangled:
        value = mixed(freed(value, tangled), "affine")
    sources: list[list[int]] = [[] if i in tangled else axes for i, axes in enumerate(varying)]
    for i, read in enumerate(places):
        if not varying[i] and any(digit.axis is not None for digit in value.layout[i]):
            # One node, time after time, along an axis of the result that nothing else varies along.
            spare = [axis for axis in reversed(read.axes) if axis not in taken and [axis] not in sources]
            sources[i] = spare[:1]
    rows = {i: read.row(sources[i]) for i, read in enumerate(places) if i not in tangled}
    other = {i: row for i, row in rows.items() if not np.array_equal(row, np.arange(value.shape[i]))}
    if len(other) == 1 and sources == [[axis] for axis in range(len(shape))]:
        [(i, row)] = other.items()
        return part_of(value, i, row)
    for i, row in other.items():
        value = picked(value, i, row)
    spent = [i for i, axes in enumerate(sources) if not axes]
    if any(digit.axis is not None for i in spent for digit in value.layout[i]):
        # One node alone was kept of these axes; it is there no more.
        value = freed(value, spent)
    uniform = [axis not in {axis for i in tangled for axis in varying[i]} for axis in range(len(shape))]
    layout: list[tuple[Digit, ...]] = [(Digit(n, uniform=same),) for n, same in zip(shape, uniform, strict=True)]
    for i, axes in enumerate(sources):
        dealt = regrouped((value.layout[i],), [shape[axis] for axis in axes]) if axes else ()
        if dealt is None:
            value = freed(value, [i])
            dealt = [(Digit(shape[axis]),) for axis in axes]
        for axis, digits in zip(axes, dealt, strict=True):
            layout[axis] = digits
    return value.laid_out(tuple(layout))


@dataclass(frozen=True)
class _Axes:
    """Which axes of the arrays of a gather or a scatter lie on each other, whatever its indices are.

    A whole axis is read or written at its own places: a window as wide as the array starts at 0, if it is not left out
    altogether; a batch axis belongs to one of the indices.

    Attributes:
        pairs: axis of the whole array, and of the part that is read of it or lands in it.
        of_indices: axis of the indices, and of that part.
    """

    pairs: tuple[tuple[int, int], ...]
    of_indices: tuple[tuple[int, int], ...]

    @staticmethod
    def of(equation: Equation, whole: Sequence[int], part: Sequence[int]) -> _Axes:
        """Those of an operation on arrays of the two shapes."""
        numbers = equation.params.get("dimension_numbers")
        if numbers is None:
            return _Axes(tuple((i, i) for i, n in enumerate(whole) if part[i] == n), ())
        is_gather = isinstance(numbers, GatherDimensionNumbers)
        inside = numbers.offset_dims if is_gather else numbers.update_window_dims
        gone = numbers.collapsed_slice_dims if is_gather else numbers.inserted_window_dims
        batched = numbers.start_indices_batching_dims if is_gather else numbers.scatter_indices_batching_dims
        outside = [axis for axis in range(len(part)) if axis not in inside]
        kept = [i for i in range(len(whole)) if i not in gone and i not in numbers.operand_batching_dims]
        windows = [(i, at) for i, at in zip(kept, inside, strict=True) if part[at] == whole[i]]
        batches = [(i, outside[at]) for i, at in zip(numbers.operand_batching_dims, batched, strict=True)]
        return _Axes((*windows, *batches), tuple(enumerate(outside)))


def _spread(
    atom: Operand, shape: Sequence[int], pairs: Sequence[tuple[int, int]], apart: Collection[int] = ()
) -> Operand:
    """An array of which only some axes are followed, `(own, result's)`, as one of another shape.

    Args:
        apart: the result's axes along which it may hold something else at each place; it is the same along the others.
    """
    here = {to: own for own, to in pairs}
    if isinstance(atom, Constant):
        sizes = [n if i in here or i in apart else 1 for i, n in enumerate(shape)]
        varies = [n > 1 and (i not in here or atom.varies[here[i]]) for i, n in enumerate(sizes)]
        return Constant(tuple(sizes), None, tuple(varies))
    value = freed(atom, [i for i in range(len(atom.layout)) if i not in here.values()])
    blank = [(Digit(n, uniform=i not in apart),) for i, n in enumerate(shape)]
    return mixed(value, "any", tuple(value.layout[here[i]] if i in here else blank[i] for i in range(len(shape))))


def _unordered(equation: Equation, arguments: Sequence[Operand]) -> Value:
    """A gather at places that depend on the input: along what it reads whole, a function of the operand and of indices.

    Along other axes of the operand nodes stay in place, and so they do along the components of an index. Along the axes
    of the result that are a part of the operand's its places differ.
    """
    whole, *indices = arguments
    shape = equation.shapes[0]
    axes, indices = _at_their_own_places(equation, _Axes.of(equation, whole.shape, shape), indices)
    outside = {to for _, to in axes.of_indices}
    parts = [_spread(whole, shape, axes.pairs, {i for i in range(len(shape)) if i not in outside})]
    parts += [_spread(one, shape, axes.of_indices if one.shape else ()) for one in indices]
    return pointwise(of_all(parts), "any")


def _at_their_own_places(
    equation: Equation, axes: _Axes, indices: Sequence[Operand]
) -> tuple[_Axes, Sequence[Operand]]:
    """Which axes lie on each other too, since an index counts through them, and what is left of the indices.

    So it does if an index was put together of columns and the one of an axis counts along an axis of the part:
    `x[arange(B)[:, None], i]` reads each example in its own row, and an update at such a place lands there.
    """
    numbers = equation.params.get("dimension_numbers")
    columns = indices[0].memo.get("columns", ()) if len(indices) == 1 and isinstance(indices[0], Value) else ()
    if numbers is None or not columns:
        return axes, indices
    is_gather = isinstance(numbers, GatherDimensionNumbers)
    components = numbers.start_index_map if is_gather else numbers.scatter_dims_to_operand_dims
    gone = numbers.collapsed_slice_dims if is_gather else numbers.inserted_window_dims
    pairs, rest = dict(axes.pairs), []
    for axis, column in zip(components, columns, strict=True):
        counts = _counted_axis(column, equation.input_shape(0)[axis])
        part = None if counts is None else dict(axes.of_indices)[counts]
        # Of two axes that count along one, as a diagonal does, the second keeps its nodes in place.
        if part is not None and axis in gone and part not in pairs.values():
            pairs[axis] = part
        else:
            rest.append(column)
    return replace(axes, pairs=tuple(pairs.items())), rest


def _counted_axis(column: Operand, size: int) -> int | None:
    """The axis of a column of an index along which its numbers are 0, 1, … up to a size, whatever the others are."""
    if not isinstance(column, Constant) or column.array is None:
        return None
    for axis, n in enumerate(column.shape):
        if n == size > 1 and not any(varies for i, varies in enumerate(column.actually_varies) if i != axis):
            own = np.moveaxis(column.array, axis, 0).reshape(size, -1)[:, 0]
            return axis if np.array_equal(own, np.arange(size)) else None
    return None


def _counted_up(equation: Equation, arguments: Sequence[Operand]) -> Value:
    """A scatter to places that depend on the input, of updates that change an element in any order alike.

    What lands at a place is a symmetric function of all pairs of an index and its update, as a histogram is: where an
    isometry permutes these pairs, it is the same.
    """
    whole, updates, indices = update_of(equation, arguments)
    shape = equation.shapes[0]
    axes, indices = _at_their_own_places(equation, _Axes.of(equation, shape, updates.shape), indices)
    pairs = pointwise(of_all([updates, *(_spread(one, updates.shape, axes.of_indices) for one in indices)]), "any")
    part_of = dict(axes.pairs)
    windows = equation.params["dimension_numbers"].update_window_dims
    gone = [at for at in range(len(updates.shape)) if at not in part_of.values()]
    landed_there = reduced(freed(pairs, [at for at in gone if at in windows]), gone, "other")
    rest = [at for at in range(len(updates.shape)) if at not in gone]
    layout = [landed_there.layout[rest.index(part_of[i])] if i in part_of else (Digit(n),) for i, n in enumerate(shape)]
    return pointwise(of_all([whole, mixed(landed_there, "any", tuple(layout))]), "any")


def _landing(equation: Equation, arguments: Sequence[Operand]) -> Value:
    """A scatter to places that depend on the input: as such a gather, the other way around."""
    whole, updates, indices = update_of(equation, arguments)
    shape = equation.shapes[0]
    axes, indices = _at_their_own_places(equation, _Axes.of(equation, shape, updates.shape), indices)
    at = {part: i for i, part in axes.pairs}
    of_indices = [(own, at[part]) for own, part in axes.of_indices if part in at]
    anywhere = range(len(shape))
    parts = [_spread(whole, shape, [(i, i) for i, _ in axes.pairs], anywhere)]
    parts += [_spread(updates, shape, [(part, i) for i, part in axes.pairs], anywhere)]
    parts += [_spread(one, shape, of_indices if one.shape else ()) for one in indices]
    return pointwise(of_all(parts), "any")


def _scatter(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """Updates that change the operand where they land; if they add up or multiply, as often as they do.

    The result at a place is a function of the operand there and of what lands there. So it is kept what moves the
    operand, the updates at their places, and the number of updates that land (whether any does, where more make no
    difference) alike. Where the updates are known, their own effect on a number without a trace takes their place.
    """
    operand, updates, indices = update_of(equation, arguments)
    combination, known = _combination(equation), _known(indices)
    if known is None:
        in_any_order = combination != "last" or (isinstance(updates, Constant) and not any(updates.varies))
        at_indices = "dimension_numbers" in equation.params  # and not one block, whose corner is given
        return [(_counted_up if in_any_order and at_indices else _landing)(equation, arguments)]
    shape, applies = equation.shapes[0], combination == "last" and equation.params.get("update_jaxpr") is not None
    counts = landed(equation, np.ones(updates.shape, np.int32), known)
    if isinstance(updates, Value):
        if applies:
            raise NoRule("it applies a function of its own where it lands")
        fill = _fill(equation, operand)
        placed = _placed(equation, updates, known, counts, fill)
        if placed is None and fill is not None and combination == "sum":
            placed = _in_bins(equation, updates, known)
        if isinstance(operand, Constant) and placed is not None:
            return [placed]
        pairs = [(part, i) for i, part in _Axes.of(equation, shape, updates.shape).pairs]
        result = of_all([operand, placed or _spread(updates, shape, pairs, range(len(shape)))])
    else:
        result = value_of(operand)
        if updates.array is not None and not applies:
            kind = equation.inputs[0].aval.dtype
            blank = np.full(shape, neutral(combination, kind), kind)
            effect = Constant.of(updated(equation, blank, updates.array.astype(kind), known))
            result = with_constant(result, effect, "any")
        elif any(updates.varies):
            result = with_constant(result, Constant.arbitrary(shape), "any")
    once = combination in ("last", "min", "max") and not applies
    where = Constant.of(counts > 0 if once else counts)
    return [pointwise(with_constant(result, where, "any"), "any")]


def _combination(equation: Equation) -> Combination:
    """What an update makes of what was there."""
    combination = row_of(equation).combination
    assert combination is not None
    return combination


def _fill(equation: Equation, operand: Operand) -> float | None:
    """What is where no update lands, and nothing else is: None if that is no number, or if updates change it."""
    if isinstance(operand, Value):
        return 0.0
    combination, fill = _combination(equation), operand.fill
    adds_to_zero = combination == "sum" and fill is not None and same_number(fill, 0.0)
    return fill if combination == "last" or adds_to_zero else None


def _placed(
    equation: Equation, updates: Value, indices: Sequence[np.ndarray], counts: np.ndarray, fill: float | None
) -> Value | None:
    """Updates at the places they land at, a number elsewhere: a table of copies along each axis.

    So it is if each update lands, none beside another, and the places are a product: an update's place along each axis
    depends on its own number along that axis alone. Numbers of updates are sent to their places to see that.
    """
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


def _in_bins(equation: Equation, updates: Value, indices: Sequence[np.ndarray]) -> Value | None:
    """Updates added up in the bins that known numbers give along one axis, the same along the others: sums of nodes,
    and 0 in a bin that none lands in. None if it is something else."""
    shape, numbers = equation.shapes[0], equation.params.get("dimension_numbers")
    axes = _Axes.of(equation, shape, updates.shape)
    part_of = dict(axes.pairs)
    target = [i for i in range(len(shape)) if i not in part_of]
    source = [own for own, part in axes.of_indices if part not in part_of.values()]
    if numbers is None or len(target) != 1 or len(source) != 1:
        return None
    if target != [*numbers.scatter_dims_to_operand_dims] or target != [*numbers.inserted_window_dims]:
        return None
    rows = np.moveaxis(indices[0][..., 0], source[0], 0).reshape(indices[0].shape[source[0]], -1)
    at, count = dict(axes.of_indices)[source[0]], shape[target[0]]
    value = plain(updates, at).restem()
    axis = value.grid_axis(at)
    if axis is None or value.endless(axis) or value.dim > MOST_AXES or (rows != rows[:, :1]).any():
        return None
    bins = rows[:, 0] if equation.params["mode"] != GatherScatterMode.CLIP else np.clip(rows[:, 0], 0, count - 1)
    landing = [np.flatnonzero(bins == number) for number in range(count)]
    nodes = np.full((count, max(1, *map(len, landing))), FILL)
    weights = np.zeros(nodes.shape)
    weights[:, 0] = 1
    for number, found in enumerate(landing):
        nodes[number, : len(found)] = found
        weights[number, : len(found)] = 1
    layout = [value.layout[part_of.get(i, at)] for i in range(len(shape))]
    table = Table(nodes, weights)
    return replace(retabled(value.laid_out(tuple(layout)), target[0], axis, table, count), kind="sum")


_BY_PLACE = "elements are set by position"


def _placing(name: str, formula: Formulas = places.scattered, **facts: Any) -> Primitive:
    return Primitive(name, _scatter, formula, **facts)


_SETTING = {"combination": "last", "moves": True, "spectral": spectra.placed, "reason": _BY_PLACE}
_BY_NUMBER = "elements are picked by position"
enter(
    Primitive("gather", _gather, places.gathered, moves=True, reason=_BY_NUMBER),
    Primitive("dynamic_slice", _dynamic_slice, places.dynamic_slice, moves=True, reason=_BY_NUMBER),
    _placing("dynamic_update_slice", places.dynamic_update, **_SETTING),
    _placing("scatter", **_SETTING),
    _placing("scatter-add", of_complex=True, combination="sum", spectral=spectra.placed, reason=_BY_PLACE),
    _placing("scatter-sub", of_complex=True, combination="difference"),
    _placing("scatter-mul", of_complex=True, combination="product"),
    _placing("scatter-min", combination="min"),
    _placing("scatter-max", combination="max"),
)
