"""Rules of sliding windows: convolutions and window reductions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from equinet.infer.compat import Equation, Program, is_literal
from equinet.infer.digits import Digit, free
from equinet.infer.fields import restrict_source
from equinet.infer.formulas import totals
from equinet.infer.join import held, mixed, of_all, pointwise
from equinet.infer.kernel import Kernel, Placement
from equinet.infer.ledger import Step, has_border, shown
from equinet.infer.primitives import Combination, Formulas, NoRule, Part, Primitive, Wiring, enter, row_of, value_of
from equinet.infer.reduced import reduced
from equinet.infer.rounding import equal, snapped
from equinet.infer.rows import picked
from equinet.infer.values import Constant, Operand, Value
from equinet.infer.views import MOST_AXES, freed, plain
from equinet.symmetry.field import Field, Reduce
from equinet.symmetry.tables import whole
from equinet.symmetry.windows import Reading, Rolled

Taps = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class _Slide(Placement):
    """How a window moves along one array axis."""

    def kernel(self, taps: Taps, scale: int = 1, *, maximum: bool = False) -> Kernel:
        """The window as a reading."""
        return Kernel(self.extent, self.stride, self.dilation, self.base, self.lo, self.hi, taps, scale, maximum)

    def among(self, rows: np.ndarray | None) -> tuple[_Slide, np.ndarray]:
        """The window without the taps before and after some rows, if any are given; and the rows that are left."""
        if rows is None or not rows.size or self.base > 1:
            return self, np.arange(self.extent)
        first, last = int(rows[0]), int(rows[-1])
        lo, hi = self.lo - first * self.dilation, self.hi - (self.extent - 1 - last) * self.dilation
        return replace(self, extent=last + 1 - first, lo=lo, hi=hi), np.arange(first, last + 1)

    def is_all_of(self, size: int) -> bool:
        """Whether a window at the first place reads so many nodes, each once, and no padding."""
        return (self.extent, self.dilation, self.base, self.lo, self.hi) == (size, 1, 1, 0, 0) and size > 1

    @property
    def is_still(self) -> bool:
        """Whether every output reads the input at its own place alone."""
        return (self.extent, self.stride, self.base, self.lo, self.hi) == (1, 1, 1, 0, 0)


def slid(
    value: Value,
    slides: dict[int, _Slide],
    shape: Sequence[int],
    reduce: Reduce,
    taps: dict[int, tuple[Taps, int]],
    *,
    crossable: bool = False,
    any_size: bool = False,
) -> Value:
    """Move windows over some array axes; over free ones they mix what is not moved anyway.

    Exact along grid axes: an isometry is kept if it takes every window to a window, entry by entry as `reduce` and the
    taps tell them apart. Zeros of padding are nodes like any other, at the ends. On an infinite axis there are no ends:
    negative padding cuts first, and where the array lacks inner nodes, padding would stand in their place, so all nodes
    stay.

    Args:
        shape: of the result, axis by axis as in `value`.
        taps: for each array axis, which offsets share a weight.
        crossable: whether the weights stay as they are when axes are exchanged.
        any_size: whether the windows are as wide on an input of any size.
    """
    slides = dict(slides)
    for i, slide in slides.items():
        value = value if slide.is_still else plain(value, i)
        axis = value.grid_axis(i)
        is_cut = min(slide.lo, slide.hi) < 0
        if axis is not None and value.endless(axis) and is_cut:
            value, slides[i] = _cropped(value, i, slide)
        axis = value.grid_axis(i)
        is_padded = max(slides[i].lo, slides[i].hi) >= slide.base
        if axis is not None and value.is_partial(axis) and is_padded:
            value = held(value, {axis})
    if value.dim > MOST_AXES:
        value = freed(value, [i for i, slide in slides.items() if not slide.is_still])
    readings: list[Reading] = [Rolled(0)] * value.dim
    layout, extents, canvas, loose = list(value.layout), list(value.extents), list(value.canvas), False
    for i, slide in slides.items():
        if slide.is_still:
            continue
        axis = value.grid_axis(i)
        if axis is None:
            layout[i], loose = (Digit(shape[i]),), True
            continue
        offsets, scale = taps[i]
        readings[axis] = kernel = slide.kernel(offsets, scale, maximum=reduce == "max")
        canvas[axis] = canvas[axis].under(extents[axis], kernel, shape[i], any_size=any_size)
        layout[i], extents[axis] = (Digit(shape[i], axis),), shape[i]
    if loose:
        value = mixed(value, "affine" if reduce != "max" else "any")
    moves = any(not isinstance(reading, Rolled) for reading in readings)
    field = _read(value.field, readings, reduce, crossable) if moves else value.field
    return value.known(field, tuple(layout), extents, canvas=canvas)


def _read(field: Field, readings: Sequence[Reading], reduce: Reduce, crossable: bool) -> Field:
    """A field through windows. A maximum over nothing is −∞, another constant than the zeros before it and after it."""
    sizes = zip(readings, field.grid.sizes, strict=True)
    if reduce == "max" and any(isinstance(reading, Kernel) and reading.reads_nothing(n) for reading, n in sizes):
        return field.rename_constants().read(readings, reduce).rename_constants()
    return field.read(readings, reduce, crossable=crossable)


def _cropped(value: Value, array_axis: int, slide: _Slide) -> tuple[Value, _Slide]:
    """Negative padding as what it is, a cut; on an infinite axis it may leave inner nodes out."""
    if slide.base > 1:
        return freed(value, [array_axis]), slide
    rows = np.arange(max(-slide.lo, 0), value.shape[array_axis] - max(-slide.hi, 0))
    return picked(value, array_axis, rows), replace(slide, lo=max(slide.lo, 0), hi=max(slide.hi, 0))


def _convolution(equation: Equation, arguments: Sequence[Operand]) -> list[Value | Constant]:
    params, numbers = equation.params, equation.params["dimension_numbers"]
    lhs, rhs = arguments
    kernel_shape = equation.input_shape(1)
    if not isinstance(lhs, Value):
        lhs, rhs = _weights_that_depend_on_the_input(equation, value_of(rhs))
    elif isinstance(rhs, Value):
        lhs = _with_moving_weights(lhs, rhs)
    batch, feature, *spatial = numbers.lhs_spec
    if params["batch_group_count"] != 1:
        lhs = freed(lhs, [batch])
    lhs = plain(lhs, feature)
    if lhs.grid_axis(feature) is not None:
        lhs = freed(lhs, [feature])
    slides = {
        axis: _Slide(kernel_shape[numbers.rhs_spec[2 + i]], stride, dilation, base, lo, hi)
        for i, (axis, stride, dilation, base, (lo, hi)) in enumerate(
            zip(
                spatial,
                params["window_strides"],
                params["rhs_dilation"],
                params["lhs_dilation"],
                params["padding"],
                strict=True,
            )
        )
    }
    # A kernel of one tap needs no look at its weights.
    wide = any(slide.extent > 1 for slide in slides.values())
    weights = rhs.array if isinstance(rhs, Constant) and wide else None
    taps = {}
    for axis, of_kernel in zip(spatial, numbers.rhs_spec[2:], strict=True):
        slides[axis], rows = slides[axis].among(_nonzero(weights, of_kernel))
        taps[axis] = _shared(None if weights is None else weights.take(rows, of_kernel), of_kernel, slides[axis].extent)
    crossable = weights is not None and _is_symmetric(weights, list(numbers.rhs_spec[2:]))
    out_shape = equation.shapes[0]
    shape = [0] * len(out_shape)
    for at, place in zip(numbers.lhs_spec, numbers.out_spec, strict=True):
        shape[at] = out_shape[place]
    # A kernel whose numbers are known may have been made for the size that is traced.
    any_size = isinstance(rhs, Constant) and rhs.array is None
    result = slid(lhs, slides, shape, "taps", taps, crossable=crossable, any_size=any_size)
    layout = list(result.layout)
    layout[feature] = (Digit(shape[feature]),)
    if params["batch_group_count"] != 1:
        layout[batch] = (Digit(shape[batch]),)
    order = [numbers.lhs_spec[numbers.out_spec.index(place)] for place in range(len(layout))]
    return [mixed(result, "linear", tuple(layout)).laid_out(tuple(layout[at] for at in order))]


def _with_moving_weights(lhs: Value, rhs: Value) -> Value:
    """The input of a convolution whose weights depend on the network's input: only where they stay as they are."""
    still = freed(rhs, list(range(len(rhs.layout))))
    return lhs.known(restrict_source(lhs.field, still.field))


def _weights_that_depend_on_the_input(equation: Equation, rhs: Value) -> tuple[Value, Constant]:
    """A constant convolved with weights that depend on the input, as an input of which nothing moves."""
    still = freed(rhs, list(range(len(rhs.layout))))
    shape = equation.input_shape(0)
    return still.known(still.field, free(*shape), ()), Constant(equation.input_shape(1), None, ())


def _nonzero(weights: np.ndarray | None, axis: int) -> np.ndarray | None:
    """The offsets along an axis of a kernel that have a weight; None if that is not known."""
    return None if weights is None else np.flatnonzero(np.moveaxis(weights, axis, 0).any(tuple(range(1, weights.ndim))))


def _shared(weights: np.ndarray | None, axis: int, extent: int) -> tuple[Taps, int]:
    """Which offsets along an axis share a weight, up to a factor: `((offset, factor), …)` per weight, and the scale."""
    if weights is None or extent == 1 or weights.dtype.kind == "c":
        return Kernel.free(extent), 1
    slices = np.moveaxis(weights, axis, 0).reshape(extent, -1)
    # A look at a few entries tells most kernels, which are free.
    few = slices[:, :: max(slices.shape[1] // 7, 1)]
    may_share = any(_proportion(few[i], few[j]) for i in range(extent) for j in range(i))
    if not may_share or not np.isfinite(slices).all():
        return Kernel.free(extent), 1
    groups: list[list[tuple[int, float]]] = []
    for offset in range(extent):
        for group in groups:
            factor = _proportion(slices[offset], slices[group[0][0]])
            if factor:
                group.append((offset, factor))
                break
        else:
            groups.append([(offset, 1.0)])
    if len(groups) == extent:
        return Kernel.free(extent), 1
    factors = snapped(np.asarray([factor for group in groups for _, factor in group], weights.dtype))
    wholes, scale = whole(factors)
    numbers = iter(wholes.tolist())
    return tuple(tuple((offset, next(numbers)) for offset, _ in group) for group in groups), scale


def _proportion(row: np.ndarray, other: np.ndarray) -> float:
    """The factor by which one row of numbers is another, each but for its rounding; 0 if it is not. Of integers it is
    one too."""
    at = int(np.abs(other).argmax())
    if not other[at] or not np.isfinite(row[at]):
        return 0.0
    factor = float(row[at]) / float(other[at])
    if row.dtype.kind != "f":
        exact = factor.is_integer() and abs(factor) < 2**31
        exact = exact and bool((row.astype(np.int64) == int(factor) * other.astype(np.int64)).all())
        return factor if exact else 0.0
    return factor if equal(row, (factor * other.astype(np.float64)).astype(row.dtype)) else 0.0


def _is_symmetric(weights: np.ndarray, axes: list[int]) -> bool:
    """Whether exchanging any two spatial axes leaves a kernel as it is."""
    if len(axes) < 2 or len({weights.shape[axis] for axis in axes}) > 1:
        return False
    for order in permutations(axes):
        exchange = list(range(weights.ndim))
        for axis, other in zip(axes, order, strict=True):
            exchange[axis] = other
        if not equal(weights, weights.transpose(exchange)):
            return False
    return True


def _window_reduction(equation: Equation, arguments: Sequence[Operand]) -> list[Value | Constant]:
    count = len(equation.shapes)
    if not all(isinstance(a, Constant) for a in arguments[count:]):
        raise NoRule("it reduces from a start that depends on the input")
    combination = row_of(equation).combination
    kinds: Sequence[Combination | None] | None = [combination] if combination else combined(equation)
    if kinds is None:
        whole = pointwise(of_all(arguments[:count]), "any")
        return [_reduced(equation, whole, shape, None) for shape in equation.shapes]
    return [
        _reduced(equation, value_of(a), shape, kind) if not isinstance(a, Constant) else Constant.arbitrary(shape)
        for a, shape, kind in zip(arguments[:count], equation.shapes, kinds, strict=True)
    ]


def _reduced(equation: Equation, value: Value, shape: Sequence[int], kind: Combination | None) -> Value:
    params, rank = equation.params, len(value.layout)
    slides = {
        i: _Slide(size, stride, dilation, base, lo, hi)
        for i, (size, stride, dilation, base, (lo, hi)) in enumerate(
            zip(
                params["window_dimensions"],
                params["window_strides"],
                params.get("window_dilation") or (1,) * rank,
                params.get("base_dilation") or (1,) * rank,
                params["padding"],
                strict=True,
            )
        )
    }
    value = _over_all(value, slides, shape, kind)
    reduce: Reduce = "sum" if kind == "sum" else "max" if kind in ("max", "min") else "taps"
    starts = row_of(equation).combination is None
    taps = {i: (Kernel.free(s.extent) if reduce == "taps" else Kernel.equal(s.extent), 1) for i, s in slides.items()}
    if kind == "min" and any(line.maximum for line in value.field.deferred.lines):
        # A minimum of maxima is no maximum of anything; a minimum of anything else is matched as a maximum is.
        value = value.known(value.field.rebase())
    if starts:
        # The start of the reduction is one more entry of every window, and what lies beyond the border.
        value = value.known(value.field.rename_constants())
    result = slid(value, slides, shape, reduce, taps)
    if starts and reduce != "taps":
        result = pointwise(result, "affine" if kind == "sum" else "monotone")
    return result if kind in ("sum", "max") else pointwise(result, "any")


def _over_all(value: Value, slides: dict[int, _Slide], shape: Sequence[int], kind: Combination | None) -> Value:
    """The same value, already reduced along infinite axes that one window covers from end to end.

    Such a window is no step of a lattice: it is all that there is, as a mean over space is.
    """
    if kind is None:
        return value
    over = [i for i, slide in slides.items() if shape[i] == 1 and slide.is_all_of(value.shape[i])]
    over = [i for i in over if (axis := value.grid_axis(i)) is not None and value.endless(axis)]
    if not over:
        return value
    result = reduced(value, over, kind if kind in ("sum", "max") else "other")
    for i in over:
        result = result.laid_out((*result.layout[:i], (), *result.layout[i:]))
        slides[i] = _Slide(1, 1, 1, 1, 0, 0)
    return result


def combined(equation: Equation) -> Sequence[Combination | None] | None:
    """How a reduction that is written out combines the elements of each array; None if it is nothing known.

    The body takes two elements of each array, `(a₁, …, aₙ, b₁, …, bₙ)`. If its output i is one known operation on aᵢ
    and bᵢ, in either order, array i is reduced by itself, and in no order. Of one array alone the taps may be in order,
    as for a result that depends on none. In place of all: None, if what becomes of one array depends on another one.
    """
    program = Program.of(equation.params["jaxpr"])
    count = len(program.outputs)
    found: list[Combination | None] = []
    for at, output in enumerate(program.outputs):
        mine = {id(program.inputs[at]), id(program.inputs[count + at])}
        step = next((step for step in program.equations if step.outputs[0] is output), None)
        is_of_two = step is not None and {id(var) for var in step.inputs} == mine
        if not is_of_two and not is_literal(output) and count > 1:
            return None
        found.append(row_of(step).combination if step is not None and is_of_two else None)
    return found


def body_of_pairs(equation: Equation) -> Wiring:
    """Of a reduction that is written out: elements of its arrays, their starts and what was found of both go in."""
    results = range(len(equation.outputs))
    pairs = [[at, len(results) + at] for at in results]
    return Wiring(apart=pairs, parts=[Part(("jaxpr", None), pairs * 2, [*results, *results], results)])


def _selected(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """What another array has where each window has its largest entry: a function of the taps of both, in order."""
    return [_reduced(equation, pointwise(of_all(arguments), "any"), equation.shapes[0], None)]


def _scattered(equation: Equation, arguments: Sequence[Operand]) -> list[Value]:
    """The gradient of a pool: each window's number goes to the place of its largest entry, where they add up.

    Window w gives a vector, its number at the tap that is chosen and 0 at the others: a function of its taps in order.
    Node p adds up entry τ of the windows w with `p = s w + τ − lo`: a sum over taps of the windows, s nodes apart.
    """
    source, whole = arguments
    params, shape = equation.params, equation.shapes[0]
    sizes = zip(params["window_dimensions"], params["window_strides"], params["padding"], strict=True)
    slides = {i: _Slide(n, stride, 1, 1, lo, hi) for i, (n, stride, (lo, hi)) in enumerate(sizes)}
    taps = {i: (Kernel.free(slide.extent), 1) for i, slide in slides.items()}
    windows = equation.input_shape(0)
    of_taps = slid(whole, slides, windows, "taps", taps) if isinstance(whole, Value) else _any_of(whole, windows)
    backward = {}
    for i, slide in slides.items():
        lo = slide.extent - 1 - slide.lo
        hi = shape[i] + slide.extent - 2 - (windows[i] - 1) * slide.stride - lo
        backward[i] = _Slide(slide.extent, 1, 1, slide.stride, lo, hi)
    vectors = pointwise(of_all([source, of_taps]), "any")
    return [pointwise(slid(vectors, backward, shape, "taps", taps), "any")]


def _any_of(constant: Constant, shape: Sequence[int]) -> Constant:
    """Windows of a constant, which may all differ."""
    return Constant.arbitrary(shape) if any(constant.varies) else Constant(tuple(shape), None, (False,) * len(shape))


def _why_convolved(step: Step) -> str:
    params, facts = step.equation.params, []
    if max(params["window_strides"]) > 1:
        facts.append(f"stride {shown(params['window_strides'])}")
    if has_border(step) and any(any(pair) for pair in params["padding"]):
        facts.append("zero padding")
    axes = params["dimension_numbers"].rhs_spec[2:]
    kernel = next((constant.array for constant in step.constants if constant.lazy is not None), None)
    is_even = kernel is not None and all(np.array_equal(kernel, np.flip(kernel, axis)) for axis in axes)
    is_wide = max((step.equation.input_shape(1)[axis] for axis in axes), default=1) > 1
    if is_wide and (not facts or ("operations" in step.lost and not is_even)):
        facts.append(f"{'a free' if kernel is None else 'the'} kernel tells directions apart")
    return "; ".join(facts)


def _why_pooled(step: Step) -> str:
    params = step.equation.params
    facts = [f"stride {shown(params['window_strides'])}"] if max(params["window_strides"]) > 1 else []
    return "; ".join(facts + ["padding"] * (has_border(step) and any(any(pair) for pair in params["padding"])))


def _why_chosen(step: Step) -> str:
    """Of what reads one entry of each window, the largest, or writes to it."""
    ties = "of equal values of a window one is chosen, by its place"
    facts = [_why_pooled(step)] * ("translations" in step.lost) + [ties] * ("operations" in step.lost)
    return "; ".join(filter(None, facts))


def _pool(name: str, formula: Formulas | None = None, **facts: Any) -> Primitive:
    return Primitive(name, _window_reduction, formula, circular="circular pool", reason=_why_pooled, **facts)


_AROUND = "circular convolution"
enter(
    Primitive("conv_general_dilated", _convolution, totals.convolved, circular=_AROUND, reason=_why_convolved),
    _pool("reduce_window_sum", totals.reduced_windows, combination="sum"),
    _pool("reduce_window_max", totals.reduced_windows, combination="max"),
    _pool("reduce_window_min", totals.reduced_windows, combination="min"),
    _pool("reduce_window", wiring=body_of_pairs),
    Primitive("select_and_gather_add", _selected, reason=_why_chosen),
    Primitive("select_and_scatter_add", _scattered, reason=_why_chosen),
)
