"""Canvases for claims about an unbounded grid: sizes, trusted outputs, and elements that stay in sight.

A claim on `plane` speaks of a signal X on all of Z^d and the network F without borders. On a canvas V the function
gives f(X|V), equal to F(X) at every output whose receptive field lies in V. For an element g, with outputs j and
φ(g)⁻¹ j both of that kind, the receptive field of j holds values of g·X that come from within V; so there
`f((g·X)|V)[j]` must be `f(X|V)[φ(g)⁻¹ j]`, and what was wrapped into the canvas from the other side is never compared.

With a receptive field of r inputs and a stride of s, an output less than `m = ⌈(r − 1) / s⌉` outputs from the end may
see the border, whatever the padding (up to r − 1 on either side) and the kernel; all others are trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, lcm
from typing import Any

from equinet.groups import Isometry, SpaceGroup, axis_images
from equinet.groups.domain import Domain
from equinet.verify.act import Bounds, pack, sources

COMPARED = 8
"""Trusted outputs along an axis of a canvas sized here."""


def _per_axis(source: Any, name: str, dim: int) -> tuple[Fraction, ...]:
    value: Any = getattr(source, name, None)
    entries: tuple[Any, ...] = tuple(value) if isinstance(value, Sequence) else (value,) * dim
    if len(entries) != dim or any(v is None or v == float("inf") for v in entries):
        raise ValueError(
            f"a claim on an unbounded domain is checked away from the border, which needs its {name}, a number per "
            f"axis ({dim}); got {value!r}. A network that reads the whole image has no interior: check it on a torus"
        )
    return tuple(Fraction(v) for v in entries)


class Canvas:
    """The finite stand-in for a domain with infinite axes.

    Args:
        domain: the claim's.
        group: the claimed group; its translations must span the infinite axes.
        source: the claim, with `.receptive_field` (inputs per axis) and `.stride` (inputs per output, 1 if absent).
        asked: a finite domain whose sizes to use along the infinite axes, or None.

    Raises:
        ValueError: if the receptive field is unknown or unbounded, or the group's translations are too few.
    """

    def __init__(self, domain: Domain, group: SpaceGroup, source: Any, asked: Domain | None) -> None:
        dim = domain.dim
        self.domain, self.group = domain, group
        self.fields = _per_axis(source, "receptive_field", dim)
        self.strides = _per_axis(source, "stride", dim) if hasattr(source, "stride") else (Fraction(1),) * dim
        if group.lattice.rank < domain.group.lattice.rank:
            raise ValueError(
                f"the claimed translations {group.lattice} do not span the domain's {domain.group.lattice}: "
                "no element can be moved to where its image overlaps the canvas"
            )
        self.sizes = tuple(self._size(axis, asked) for axis in range(dim))

    def _size(self, axis: int, asked: Domain | None) -> int:
        known = self.domain.axes[axis].size
        if known is not None:
            return known
        given = asked.axes[axis].size if asked is not None else None
        if given is not None:
            return given
        step = max(abs(row[axis]) for row in self.group.lattice.basis)
        stride = ceil(self.strides[axis])
        whole = lcm(step, stride)
        return whole * ceil((2 * ceil(self.fields[axis]) + 2 * step + COMPARED * stride) / whole)

    def bounds(self, out_sizes: tuple[int, ...]) -> Bounds:
        """The trusted outputs along each axis, None along those that are not infinite.

        Raises:
            ValueError: if there are none.
        """
        if len(out_sizes) != self.domain.dim:
            raise ValueError(
                f"the output has {len(out_sizes)} spatial axes and {self.domain} has {self.domain.dim}: "
                "a claim on an unbounded domain is checked output by output"
            )
        found = []
        for axis, size in enumerate(out_sizes):
            margin = ceil((self.fields[axis] - 1) / self.strides[axis])
            limit = (margin, size - margin)
            infinite = self.domain.axes[axis].size is None
            if infinite and limit[0] >= limit[1]:
                raise ValueError(
                    f"on a canvas of {self.sizes} no output sees only the inside: axis {axis} has {size} outputs and "
                    f"a receptive field of {self.fields[axis]}. Use a larger canvas, or leave domain= out"
                )
            found.append(limit if infinite else None)
        return tuple(found)

    def check_overlap(self, images: Sequence[Isometry], out_sizes: tuple[int, ...]) -> None:
        """Raise an error if an output isometry leaves nothing to compare.

        Raises:
            ValueError: if nothing of the trusted outputs is moved to trusted outputs.
        """
        for h in images:
            _, mask = sources(out_sizes, *pack([h]), self.bounds(out_sizes))
            if mask is not None and not mask.any():
                raise ValueError(
                    f"on a canvas of {self.sizes} nothing can be compared: ({h}) moves all outputs that see only the "
                    "inside to where none does. Use a larger canvas, or leave domain= out"
                )

    def far(self, out_sizes: tuple[int, ...]) -> list[Isometry]:
        """The claimed translations by 2, 4, 8, … steps along infinite axes that leave half of an axis to compare."""
        found = []
        for row in self.group.lattice.basis:
            room = [
                (limit[1] - limit[0]) * self.strides[axis] / 2 / abs(row[axis])
                for axis, limit in enumerate(self.bounds(out_sizes))
                if limit is not None and row[axis]
            ]
            if room:
                found += [
                    Isometry.translation(tuple((1 << k) * v for v in row))
                    for k in range(1, int(min(room)).bit_length())
                ]
        return found

    def align(self, g: Isometry) -> Isometry:
        """`g` times a claimed translation, such that it maps the canvas nearly onto itself."""
        wanted = [0] * g.dim
        for image, sign in axis_images(g.matrix):
            if sign < 0 and self.domain.axes[image].size is None:
                wanted[image] = self.sizes[image] - 1
        if g.is_translation:
            return g
        rest = self.group.lattice.reduce([t - w for t, w in zip(g.whole_shift, wanted, strict=True)])
        return Isometry(g.matrix, tuple(w + r for w, r in zip(wanted, rest, strict=True)))
