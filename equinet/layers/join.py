"""Branches whole: shapes, arrays and fields of their sum, product or concatenation along the channels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, mul
from typing import Literal

import jax
import jax.numpy as jnp

from equinet.groups.fibre import Fibre, agree, as_fibre, concatenate
from equinet.layers.base import Layer, LayerError, Shape
from equinet.layers.trials import join_trials
from equinet.symmetry.field import Field
from equinet.symmetry.polyphase import Phase

Join = Literal["add", "concat", "mul"]


def same_sizes(a: Shape, b: Shape) -> bool:
    """Whether two shapes have the same numbers of nodes and channels."""
    return a[:-1] == b[:-1] and int(a[-1]) == int(b[-1])


def join_shapes(layer: Layer, shapes: Sequence[Shape], join: Join) -> Shape:
    """Shape of the sum, product or concatenation of branches.

    Raises:
        LayerError: if the branches' grids differ, or (unless concatenated) their channels.
    """
    for i, shape in enumerate(shapes[1:], start=1):
        if shape[:-1] != shapes[0][:-1] or (join != "concat" and not same_sizes(shape, shapes[0])):
            raise LayerError(
                f"{type(layer).__name__}: branches 0 and {i} do not join by {join!r}: their outputs have shapes "
                f"{shapes[0]} and {shape}; make strides, paddings and features of the two agree"
            )
    fibres = [as_fibre(shape[-1]) for shape in shapes]
    if join == "concat":
        return (*shapes[0][:-1], concatenate(fibres))
    return (*shapes[0][:-1], reduce(agree, fibres if join == "add" else map(_unsigned, fibres)))


def _unsigned(fibre: Fibre) -> Fibre:
    """What is known of channels that are multiplied: nothing where operations change signs."""
    return fibre if fibre.is_permutation else Fibre.plain(fibre.size)


def join_arrays(arrays: Sequence[jax.Array], join: Join) -> jax.Array:
    """Add, multiply, or concatenate along the channels."""
    if join == "concat":
        return jnp.concatenate(arrays, axis=-1)
    return reduce(add if join == "add" else mul, arrays)


def join_fields(name: str, fields: Sequence[Field], join: Join, shared: Sequence[tuple[Phase, Phase]] = ()) -> Field:
    """The field of a join of branches; the ledger says what the branches do not agree on."""
    first = fields[0]
    for i, other in enumerate(fields[1:], start=1):
        for axis, (a, b) in enumerate(zip(first.trace.spans, other.trace.spans, strict=True)):
            if first.grid.dim and first.grid.axes[axis].size is None and a.stride != b.stride:
                raise LayerError(
                    f"{name}: branches 0 and {i} step over {a.stride} and {b.stride} input nodes along axis {axis}: "
                    f"make their strides agree"
                )
    whole, trial = first, join_trials([field.trial for field in fields], join)
    for other in fields[1:]:
        if join == "mul":
            whole, other = (f if f.fibre == _unsigned(f.fibre) else f.unmoved() for f in (whole, other))
        both = concatenate([whole.fibre, other.fibre]) if join == "concat" else None
        whole = whole.join(other, both, shared, linear=join != "mul")
    reason = "the branches move their outputs differently"
    return whole.record(name, (*first.trace.path, "join"), first, lambda _, __: reason, trial)
