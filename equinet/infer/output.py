"""The field of what a function returns, read in the layout that a user means."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from equinet.checks import shown
from equinet.groups.domain import Axis, Boundary, Domain
from equinet.groups.fibre import Fibre, as_fibre
from equinet.infer.arrays import channels_of, output_channels_of
from equinet.infer.fields import forget_axes, of_channels, permuted, with_axes
from equinet.infer.unbounded import turned_about_the_middle
from equinet.infer.values import Value
from equinet.infer.views import freed, plain
from equinet.infer.whole import Traced, widened
from equinet.symmetry.field import Field
from equinet.symmetry.spans import Span


def as_output(value: Value, dim: int, layout: str) -> Field:
    """The field of an output: on a grid, if the array has all the grid's axes in the layout's place."""
    at = layout.index("S")
    rank = len(layout) - 1 + dim
    channel_axis = channels_of(layout, dim)
    if len(value.layout) == rank:
        spatial = list(range(at, at + dim))
        for i in spatial:
            value = plain(value, i)
        for i in range(rank):
            if i not in spatial and any(d.axis is not None for d in value.layout[i]):
                value = freed(value, [i])
        found = _on_all_axes(value, spatial)
        if found is not None:
            return of_channels(found, 1 if channel_axis is None else value.shape[channel_axis])
    value = freed(value, list(range(len(value.layout))))
    field = forget_axes(value.field, range(value.dim))
    spans = tuple(Span(everything=True) for _ in range(field.source.dim))
    features = value.shape[-1] if value.layout else 1
    return of_channels(field.with_spans(spans), features or prod(value.shape))


def is_map_without_channels(value: Value, dim: int, layout: str) -> bool:
    """Whether an array is a map of the grid that lacks only the layout's channels: labels `[batch, *spatial]`.

    On one axis it might as well be `[batch, channels]`. If the program dropped an axis on the way, so that nodes along
    it stay in place or are all alike, it might be channels too, unless nodes lie where channels would, or equal ones.
    """
    if "C" not in layout or dim < 2 or len(value.layout) != len(layout) - 2 + dim:
        return False
    at = channels_of(layout, dim - 1)
    digits = () if at is None else value.layout[at]
    is_free = value.dim < dim and not any(digit.axis is not None or digit.uniform for digit in digits)
    return not is_free and as_output(value, dim, layout.replace("C", "")).grid.dim == dim


def as_a_whole(field: Field, traced: Traced, shape: Sequence[int], fibre: int | Fibre | None) -> Field:
    """The field of an output with what its formula shows beside what is known, on the grid that its shape has.

    Where operations move the channels of the input, they may move those of the output.

    Args:
        fibre: how they do; None for whatever keeps more: nothing, or what the input's do if there are as many.

    Raises:
        ValueError: if there are not as many channels.
    """
    moved, at = field.input_fibre, output_channels_of(traced.output_layout, field.source.dim, len(shape))
    width = 1 if at is None else shape[at]
    if fibre is not None and int(fibre) != width:
        raise ValueError(f"infer: the output has {width} channels; fibre={shown(fibre)} has {int(fibre)}")
    if moved.is_plain:
        return _with_formula(field, traced, shape)
    if fibre is not None:
        candidates = [as_fibre(fibre)]
    elif not field.fibre.is_plain:
        candidates = [field.fibre]
    else:
        candidates = [Fibre.plain(field.channels), *([moved] if width == moved.size == field.channels else [])]
    found = [_with_formula(field.read_as(one), traced, shape, (moved, one)) for one in candidates]
    return max(found, key=lambda each: each.strict.source.order or 0)


def _with_formula(
    field: Field, traced: Traced, shape: Sequence[int], moves: tuple[Fibre, Fibre] | None = None
) -> Field:
    source, layout = field.source, traced.output_layout
    if not source.is_finite:
        action = field.unwrapped if moves else turned_about_the_middle(traced, field, shape)
        return field if action == field.unwrapped else field.based(action)
    if field.grid.dim or len(shape) != len(layout) - 1 + source.dim:
        action = widened(traced, source, field.grid, field.unwrapped, moves)
        return field if action == field.unwrapped else field.based(action)
    at = layout.index("S")
    sizes = zip(shape[at : at + source.dim], source.axes, strict=True)
    grid = Domain(tuple(_axis(n, axis.boundary) for n, axis in sizes))
    still = with_axes(field, grid.axes, [False] * grid.dim).unwrapped
    action = widened(traced, source, grid, still, moves)
    if action == still:
        return field
    if action.inverse().source.is_trivial:
        return field.based(action.forget_target())
    return field.based(action, grid).with_spans([Span(everything=True)] * grid.dim)


def on_the_map(field: Field, shape: Sequence[int], sizes: Sequence[int], layout: str) -> Field:
    """The field of an output of which nothing is known but the identity, on its grid if it is a map as large as the
    input's."""
    dim, at = len(sizes), layout.index("S")
    is_map = len(shape) == len(layout) - 1 + dim and tuple(shape[at : at + dim]) == tuple(sizes)
    if field.grid.dim or not is_map or field.action.parameters or not field.strict.source.is_trivial:
        return field
    return with_axes(field, field.source.axes, [False] * dim).with_spans([Span(everything=True)] * dim)


def _on_all_axes(value: Value, spatial: Sequence[int]) -> Field | None:
    """The field of an array on the grid of its spatial axes, whose other axes are free. None if no isometry moves it.

    A spatial axis that is no axis of the value's grid is free: nodes along it stay in place, but where the array is the
    same all along it.
    """
    source = value.stem.source
    free = [i for i in spatial if value.grid_axis(i) is None]
    uniform = [all(digit.uniform for digit in value.layout[i]) for i in free]
    if len(spatial) - len(free) != value.dim or (not value.dim and not any(uniform)):
        return None
    axes = [_axis(value.shape[i], source.axes[spatial.index(i)].boundary) for i in free]
    order = [value.dim + free.index(i) if i in free else value.grid_axis(i) or 0 for i in spatial]
    return permuted(with_axes(value.field, axes, uniform), order)


def _axis(size: int, boundary: Boundary) -> Axis:
    """An axis of so many nodes, like one of the input; a single node is all of an axis on the plane too."""
    if boundary == "infinite":
        return Axis(None, boundary) if size > 1 else Axis(1, "periodic")
    return Axis(size, boundary)
