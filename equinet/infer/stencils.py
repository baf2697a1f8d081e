"""Stencils: weighted sums of translates of one stem, along several axes at once.

Tables are for one axis at a time. A sum of rolls along two is none, but a convolution with a kernel that is known by
value, and the kernel says which point operations it commutes with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from math import prod

import numpy as np

from equinet.groups import Matrix, Vector, axis_images
from equinet.infer.values import Stencil, Value
from equinet.symmetry.field import Field
from equinet.symmetry.tables import Table

_MOST = 512
"""Weights of a stencil, at most: a larger one is not followed."""
_STEMS = 16
"""Stems of a stencil, at most: what a long loop adds up begins anew."""

Weights = Mapping[Vector, float]


@dataclass(frozen=True)
class _Kernel:
    """The weight of each translate: y[p] = Σ K[s] x[p − s], s along axes of these sizes (None for an infinite one)."""

    weights: Weights
    sizes: tuple[int | None, ...]

    def wrapped(self, shift: Sequence[int]) -> Vector:
        """A shift on this grid."""
        return tuple(s if n is None else s % n for s, n in zip(shift, self.sizes, strict=True))

    def centre(self, b: Matrix) -> Vector | None:
        """The shift c with K[B s + c] = K[s] for all s; None if there is none, or more than one."""
        images = axis_images(b)
        if any(self.sizes[i] != self.sizes[image] for i, (image, _) in enumerate(images)):
            return None
        first, *_ = self.weights
        turned = {s: _turned(images, s) for s in self.weights}
        ends = (s for s, w in self.weights.items() if w == self.weights[first])
        shifts = {self.wrapped([p - q for p, q in zip(end, turned[first], strict=True)]) for end in ends}
        fitting = [c for c in shifts if self._fits(turned, c)]
        return fitting[0] if len(fitting) == 1 else None

    def _fits(self, turned: Mapping[Vector, Vector], shift: Vector) -> bool:
        moved = {s: self.wrapped([p + q for p, q in zip(t, shift, strict=True)]) for s, t in turned.items()}
        return all(self.weights.get(moved[s]) == w for s, w in self.weights.items())


def _turned(images: Sequence[tuple[int, int]], s: Vector) -> Vector:
    found = [0] * len(s)
    for axis, (image, sign) in enumerate(images):
        found[image] = sign * s[axis]
    return tuple(found)


def with_stencil(joint: Value, a: Value, b: Value) -> Value:
    """The sum of two values, as it is known otherwise; with what a stencil says of it.

    With every stem x moved by p ↦ B p + t, and K[B s + c] = K[s] for each of them, y moves by p ↦ B p + t + c: in
    y'[B p + t + c] = Σ K[s] x'[B p + t + c − s] put s = B u + c. What both readings say holds, so the larger group is
    taken. Where a weight cancels, rounding is left beside what may be less: then nothing is claimed.
    """
    one, two = stencil_of(a), stencil_of(b)
    if one is None or two is None or (a.layout, a.extents) != (b.layout, b.extents):
        return joint
    if not joint.is_stem or (joint.layout, joint.extents) != (a.layout, a.extents):
        return joint
    terms = [(base, dict(weights)) for base, weights in one.terms]
    for base, weights in two.terms:
        mine = next((known for other, known in terms if other.token is base.token), None)
        if mine is None:
            terms.append((base, dict(weights)))
        elif not _add(mine, weights):
            return joint
    if len(terms) > _STEMS or sum(len(weights) for _, weights in terms) > _MOST:
        return joint
    if len({base.stem.grid for base, _ in terms}) > 1:
        return joint
    if all(_is_as_large(joint.field, base.stem) for base, _ in terms):
        return joint  # a stem to begin anew from
    first, *others = [_moved(base.stem, _Kernel(weights, base.stem.grid.sizes)) for base, weights in terms]
    action = reduce(lambda one, two: one & two, [field.action for field in others], first.action)
    if joint.field.action != action and action & joint.field.action == joint.field.action:
        joint = joint.known(joint.field.based(action))
    return replace(joint, stencil=Stencil(tuple(terms)))


def _is_as_large(field: Field, stem: Field) -> bool:
    """Whether a field has lost nothing that a stem had: then no stencil over that says more."""
    one, other = field.action, stem.action
    return len(one.operations) == len(other.operations) and one.lattice == other.lattice


def _add(mine: dict[Vector, float], weights: Weights) -> bool:
    """Add weights to others; whether none of them cancels."""
    for s, w in weights.items():
        mine[s] = mine.get(s, 0.0) + w
        if abs(mine[s]) < 1e-3 * abs(w):
            return False
    return True


def _moved(base: Field, kernel: _Kernel) -> Field:
    """The convolution of a field with a kernel, under the operations that leave the kernel as it is."""
    if not any(map(any, kernel.weights)):
        return base
    action, blocks = base.action, base.action.blocks
    operations = []
    for (a, b), row in action.operations:
        shift = kernel.centre(b)
        if shift is not None:
            t, tau, delta = (blocks.part(row, name) for name in ("t", "tau", "delta"))
            moved = tuple(p + q for p, q in zip(tau, shift, strict=True))
            operations.append(((a, b), blocks.row(t=t, tau=moved, delta=delta)))
    return base.based(replace(action, operations=tuple(operations)))


def stencil_of(value: Value) -> Stencil | None:
    """A value as a stencil over stems; None if it is none."""
    if value.kind == "max" or value.dim == 0 or value.stem.variables:
        return None
    if any(t.has_constants for t in value.tables) and (value.fill or value.kind == "gather"):
        return None
    sizes = value.stem.grid.sizes
    rows = [_shifts(table, n) for table, n in zip(value.tables, sizes, strict=True)]
    known = [row for row in rows if row]
    if len(known) < len(rows) or prod(map(len, known)) > _MOST:
        return None
    weights: dict[Vector, float] = {}
    for entries in product(*(row.items() for row in known)):
        weights[tuple(s for s, _ in entries)] = value.factor * prod(w for _, w in entries)
    if value.stencil is None:
        return Stencil(((value, weights),))
    terms = []
    for base, inner in value.stencil.terms:
        composed = _composed(weights, inner, sizes)
        if composed is None:
            return None
        terms.append((base, composed))
    return Stencil(tuple(terms))


def _composed(outer: Weights, inner: Weights, sizes: tuple[int | None, ...]) -> Weights | None:
    """The weights of one stencil after another; None where some cancel, or are too many."""
    if len(outer) * len(inner) > _MOST:
        return None
    if [*outer.items()] == [((0,) * len(sizes), 1.0)]:
        return inner
    kernel, found = _Kernel({}, sizes), dict[Vector, float]()
    for (s, w), (r, v) in product(outer.items(), inner.items()):
        at = kernel.wrapped([p + q for p, q in zip(s, r, strict=True)])
        found[at] = found.get(at, 0.0) + w * v
    sizes_of = [abs(w) for w in found.values()]
    return found if min(sizes_of) > 1e-3 * max(sizes_of) else None


def _shifts(table: Table, size: int | None) -> dict[int, float] | None:
    """A table that does the same at every node, as weights of shifts; None if it does not."""
    if table.is_identity and size == (len(table.nodes) if table.advance == 0 else None):
        return {0: 1.0}
    rows = len(table.nodes)
    present = table.present
    is_read = present.seen
    if size is None:
        if table.advance != rows or rows != 1 or not is_read.all():
            return None
        found: dict[int, float] = {}
        for node, weight in zip(table.nodes[0], table.weights[0], strict=True):
            found[-int(node)] = found.get(-int(node), 0.0) + float(weight)
        return found if all(found.values()) else None
    if rows != size or (present.weights[~is_read] != 0).any() or size > 4096:
        return None
    counts = np.zeros((rows, size))
    at, entry = np.nonzero(is_read)
    shifts = (at - present.nodes[at, entry]) % size
    np.add.at(counts, (at, shifts), present.weights[at, entry])
    if (counts != counts[:1]).any() or ((counts[0] != 0).sum() != len(np.unique(shifts))):
        return None
    return {int(s): float(counts[0, s]) for s in np.nonzero(counts[0])[0]}
