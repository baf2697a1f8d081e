"""Layers that work on frequencies: how they move values."""

from __future__ import annotations

from collections.abc import Sequence

from equinet.groups import SpaceGroup
from equinet.groups.isometry import axis_images, identity_matrix
from equinet.symmetry.field import Field, changed
from equinet.symmetry.windows import Nearest, Transposed, Window

Tops = Sequence[int | None]
"""Per axis the highest frequency that is kept, in turns around the axis; None for all."""


def highest(nodes: int) -> int:
    """The highest frequency below half a turn a node."""
    return (nodes - 1) // 2


def filtered(field: Field, tops: Tops, *, is_symmetric: bool = True) -> Field:
    """Multiply each frequency by a number, and those above the tops by 0.

    Args:
        is_symmetric: whether the number depends on the tops alone, so that it is the same for every direction; else
            the weights are free, and only translations survive.
    """
    grid, one = field.grid.wrapped, identity_matrix(field.grid.dim)
    kept = tuple(
        (a, t)
        for a, t in grid.group.operations
        if a == one or (is_symmetric and all(tops[i] == tops[j] for i, (j, _) in enumerate(axis_images(a))))
    )
    action = field.action.restrict_target(SpaceGroup(grid.group.lattice, kept, grid.periods))
    bands = field.bands.lowpass(tops)
    return field.based(action, bands=bands).reading_all()


def downsampled(field: Field, strides: Sequence[int]) -> Field:
    """Keep the frequencies that every s-th node can tell apart, and then these nodes. One or two nodes can tell none
    apart: they hold the mean."""
    each = [*zip(field.grid.sizes, strides, strict=True)]
    tops = [None if s == 1 or n is None else highest(n // s) for n, s in each]
    nodes = [Window(1, s) for s in strides]
    if 0 not in tops:
        return filtered(field, tops).read(nodes, "sum")
    # A mean is that of what is filtered, and of what is not.
    others = [top or None for top in tops]
    low = filtered(field, others) if any(others) else field
    mean = low.read(
        [Window(n, n, reduce="sum") if n and top == 0 else w for (n, _), top, w in zip(each, tops, nodes, strict=True)],
        "sum",
    )
    spread = mean.read(
        [Nearest(n // s if n and top == 0 else 1) for (n, s), top in zip(each, tops, strict=True)], "sum"
    )
    return changed(spread, bands=field.bands.lowpass(tops).read(nodes, 1))


def upsampled(field: Field, factors: Sequence[int]) -> Field:
    """Put f − 1 nodes after each, without new frequencies; where f > 1, that of half a turn a node goes."""
    tops = [None if f == 1 or n is None else highest(n) for n, f in zip(field.grid.sizes, factors, strict=True)]
    wide = field.read([Transposed(1, f, padding="circular") for f in factors], "sum")
    bands = field.bands.lowpass(tops).resampled(wide.grid.sizes)
    return changed(filtered(wide, tops), bands=bands)
