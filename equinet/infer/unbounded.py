"""Point operations of a small program on the plane, judged as a whole on the array that it was traced at.

Rules tell what moves a map along all of an infinite grid. Of what they lose, turns and reflections about the middle of
the array are tried as `whole.py` does on a finite grid. That is a proof for the infinite one, by translation: let L be
the translations kept, of full rank, and (g, h) a pair with `f(g·x) = h·f(x)` on the array, where h normalises what L
does. An output in whose window no end of the array lies is what the infinite map has there. If some outputs j, one for
each class modulo L, and h·j are such, then `F(g·x)[h·j] = F(x)[j]` holds for these j, and with L for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from equinet.groups import Isometry, Vector, axis_images
from equinet.groups.domain import box
from equinet.groups.relation import Relation
from equinet.infer.formulas.operands import Unfollowed
from equinet.infer.whole import Traced, Trial, affordable, generated, images, turned, within
from equinet.symmetry.field import Field


def turned_about_the_middle(traced: Traced, field: Field, shape: Sequence[int]) -> Relation:
    """What is known of a map on an infinite grid, and what the formula shows of turns of the array.

    Args:
        shape: of the output.
    """
    known, dim = field.unwrapped, field.source.dim
    at_in, at_out = traced.layout.index("S"), traced.output_layout.index("S")
    sizes, outputs = traced.shapes[-1][at_in : at_in + dim], tuple(shape[at_out : at_out + dim])
    ranges = _inner(field, sizes, outputs)
    if known.parameters or ranges is None or len({*sizes}) > 1 or len({*outputs}) > 1:
        return known
    left = affordable(traced)
    kept, source, output = known.source, box(*sizes), box(*outputs)
    lost = within(traced, field.source, kept).point_group
    if left < 2 or len(lost) == len(kept.point_group):
        return known
    trial = Trial(traced, source, output, None)
    try:
        before = trial.nodes([Isometry.identity(dim)])[0]
        for g in turned(source, source.group, known.source, set()):
            if g.matrix in known.source.point_group or g.matrix not in lost or left < 2:
                continue
            left -= 1
            for h in images(before, trial.nodes([g])[0], output, g.matrix):
                found = generated(known, [(g, h)])
                if _sees(ranges, h, known) and found.lattice == known.lattice:
                    known = found
                    break
    except Unfollowed:
        pass
    return known


def _inner(field: Field, sizes: Sequence[int], outputs: Sequence[int]) -> list[range] | None:
    """Along each axis the outputs whose windows lie in the middle half of the array, where no end has a part in them;
    None if that is not known of all axes, or a grid is not infinite."""
    spans = field.trace.spans
    if any(n is not None for n in (*field.source.sizes, *field.grid.sizes)) or field.grid.dim != field.source.dim:
        return None
    if len(spans) != len(sizes) or any(span.everything or span.stride <= 0 for span in spans):
        return None
    found = []
    for span, n, m in zip(spans, sizes, outputs, strict=True):
        first, last = ceil((n / 4 - span.lo) / span.stride), floor((3 * n / 4 - 1 - span.hi) / span.stride)
        found.append(range(max(first, 0), min(last, m - 1) + 1))
    return found


def _sees(ranges: Sequence[range], h: Isometry, known: Relation) -> bool:
    """Whether, along each axis, inner outputs that h takes to inner ones are at least a period of what is kept."""
    lattice = known.inverse().source.translations
    if lattice.rank < len(ranges) or known.source.translations.rank < known.source_dim:
        return False
    for axis, (image, sign) in enumerate(axis_images(h.matrix)):
        taken = [j for j in ranges[axis] if sign * j + h.whole_shift[image] in ranges[image]]
        period = next(p for p in range(1, abs(lattice.determinant) + 1) if _step(len(ranges), axis, p) in lattice)
        if len(taken) < period:
            return False
    return True


def _step(dim: int, axis: int, count: int) -> Vector:
    return tuple(count * (i == axis) for i in range(dim))
