"""What a border can touch, from the outputs that see none."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from equinet.checks import as_integers, as_kind
from equinet.groups import Isometry
from equinet.groups.domain import Domain

if TYPE_CHECKING:
    from equinet.symmetry.certificate import Certificate


def border_share(finite: Certificate, shift: Sequence[int], unbounded: Certificate) -> Fraction:
    """See `Certificate.border_share`."""
    dim, needs = finite.domain.dim, "border_share needs the certificate of the same network without ends, on eq.plane"
    domain = as_kind(getattr(unbounded, "domain", None), Domain, f"{needs}({finite.domain.dim})")
    if any(n is None for n in finite.domain.sizes) or not finite.output.dim:
        raise ValueError(
            f"border_share is about maps of finite images; got an output on {finite.output} of inputs on "
            f"{finite.domain}: certify the layers before a global pooling, on a box"
        )
    pairs = list(zip(domain.axes, finite.domain.axes, strict=False))
    endless = [axis.size is None for axis in domain.axes]
    if domain.dim != dim or not any(endless) or any(a.size is not None and a != b for a, b in pairs):
        raise ValueError(f"{needs}({dim}), or with some axes as those of {finite.domain}; got one on {domain}")
    t = Isometry.translation(as_integers(shift, "border_share: a shift"))
    if t.dim != dim or t not in unbounded.strict:
        raise ValueError(f"border_share: the shift {t.shift} is not in the strict group {unbounded.strict} on {domain}")
    mine, theirs = (
        [(s.stride, s.lo, s.hi, s.everything) for s in each.field.trace.spans] for each in (finite, unbounded)
    )
    if mine != theirs:
        raise ValueError(
            f"border_share: on {finite.domain} windows lie otherwise than on {domain}: take a size that the strides "
            f"divide, or pad by explicit numbers"
        )
    steps, sizes = unbounded.action(t).shift, [m or 0 for m in finite.output.sizes]
    both = [max(m - abs(step), 0) for m, step in zip(sizes, steps, strict=True)]
    if not all(both):
        raise ValueError(f"border_share: after the shift {t.shift} no node of the output shows what one did before")
    inner = [0 if each is None else each[1] - each[0] + 1 for each in finite.valid_interior]
    untouched = [
        max(n - abs(step), 0) if is_endless else whole
        for n, step, whole, is_endless in zip(inner, steps, both, endless, strict=True)
    ]
    return 1 - Fraction(prod(untouched), prod(both))
