"""The image sizes at which a network keeps a required group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from equinet.advise.require import Of, Require, Requirement
from equinet.certify import certify
from equinet.domain import Domain, box, plane, torus
from equinet.layers import Layer, LayerError


@dataclass(frozen=True)
class LegalSizes:
    """The sizes found, and the rule they follow.

    Attributes:
        sizes: the legal sizes among those tried, ascending.
        tried: all sizes tried, ascending.
        modulus, residues: the smallest modulus m such that, from `start` on, n is legal exactly if n mod m is one of
            the residues; 0 and () if no modulus up to half the number of sizes tried explains the list.
        start: where the rule begins.
    """

    sizes: tuple[int, ...]
    tried: tuple[int, ...]
    modulus: int
    residues: tuple[int, ...]
    start: int

    @property
    def congruence(self) -> str:
        """The rule as text: `n ≡ 1 (mod 8)`, `every n`, `no n`."""
        if not self.modulus:
            return "no congruence"
        if not self.residues:
            return "no n"
        if self.modulus == 1:
            return "every n"
        return f"n ≡ {', '.join(map(str, self.residues))} (mod {self.modulus})"

    @property
    def exceptions(self) -> tuple[int, ...]:
        """Sizes below `start` that are legal although the rule does not give them."""
        return tuple(n for n in self.sizes if n < self.start and (n % (self.modulus or 1)) not in self.residues)

    def __str__(self) -> str:
        rule = self.congruence
        follows = {n for n in self.tried if n < self.start and n % (self.modulus or 1) in self.residues}
        if not follows <= set(self.sizes):
            rule += f" from {self.start} on"
        if self.exceptions:
            rule += f", also {', '.join(map(str, self.exceptions))}"
        shown = ", ".join(map(str, self.sizes[:12])) + (", …" if len(self.sizes) > 12 else "")
        return f"{rule}: {shown}" if self.sizes else rule


def explain(legal: Iterable[int], tried: Sequence[int], first: int) -> tuple[int, tuple[int, ...], int]:
    """The smallest modulus, its residues and where the rule begins; (0, (), first) if there is none.

    A rule that holds from `first` (the smallest size at which the network runs) is preferred; else one may begin later,
    as long as it explains three quarters of the sizes. Every class must have been seen twice.

    >>> explain([9, 17, 25, 33], range(8, 40), 8)
    (8, (1,), 8)
    """
    kept, sizes = set(legal), [n for n in tried if n >= first]
    late: tuple[int, tuple[int, ...], int] | None = None
    for modulus in range(1, len(sizes) // 2 + 1):
        verdict: dict[int, bool] = {}
        start, count = first, len(sizes)
        for at in range(len(sizes) - 1, -1, -1):
            n = sizes[at]
            if verdict.setdefault(n % modulus, n in kept) != (n in kept):
                start, count = sizes[at + 1], len(sizes) - at - 1
                break
        residues = tuple(sorted(r for r, holds in verdict.items() if holds))
        if start == first:
            return modulus, residues, start
        if late is None and count >= 2 * modulus and 4 * count >= 3 * len(sizes):
            late = modulus, residues, start
    return late or (0, (), first)


def legal_sizes(
    net: Layer,
    require: Require,
    sizes: Iterable[int] = range(8, 257),
    boundary: Literal["torus", "box", "plane"] = "torus",
    channels: int = 1,
    dim: int | None = None,
    of: Of = "strict",
) -> LegalSizes:
    """The sizes n at which the network on an n × … × n input contains a required group.

    A size at which the network cannot run is not legal.

    Args:
        net: any layer.
        require: a `SpaceGroup`, the name of one, or a function from a certificate to a bool: see `Requirement` for what
            a name asks for. On a box, point groups are about the image's centre.
        sizes: the sizes to try.
        boundary: the domain at each size; on the plane the size plays no part, so all are legal or none.
        channels: of the input.
        dim: of the domain, if `require` does not tell; 2 by default.
        of: which group is asked, "strict", "orbit" or "invariance".

    Raises:
        ValueError: if the requirement cannot be read, the boundary is unknown or there are no sizes.

    >>> import equinet as eq
    >>> print(legal_sizes(eq.MaxPool(3, stride=2, padding=1), "4mm", range(8, 40), boundary="box").congruence)
    n ≡ 1 (mod 2)
    """
    if boundary not in ("torus", "box", "plane"):
        raise ValueError(f"boundary must be 'torus', 'box' or 'plane'; got {boundary!r}")
    tried = tuple(sorted(set(sizes)))
    if not tried or tried[0] < 1:
        raise ValueError("legal_sizes needs sizes of at least 1")
    requirement = Requirement(require, of, dim)
    axes = requirement.dim or 2
    if boundary == "plane":
        met = _met(net, plane(axes), channels, requirement)
        return LegalSizes(tried if met else (), tried, 1, (0,) if met else (), tried[0])
    made = torus if boundary == "torus" else box
    verdicts = {n: _met(net, made(*(n,) * axes), channels, requirement) for n in tried}
    first = next((n for n in tried if verdicts[n] is not None), tried[0])
    legal = tuple(n for n in tried if verdicts[n])
    return LegalSizes(legal, tried, *explain(legal, tried, first))


def _met(net: Layer, domain: Domain, channels: int, requirement: Requirement) -> bool | None:
    """Whether the requirement is met; None if the network cannot run."""
    try:
        return requirement.met(certify(net, domain, channels))
    except LayerError:
        return None
