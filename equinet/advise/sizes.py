"""The image sizes at which a network keeps a required group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from equinet import markup
from equinet.advise.networks import certified, network_of
from equinet.advise.period import Period, classes, coarsest, likely, period, seen
from equinet.advise.require import Of, Require, Requirement
from equinet.advise.why import Lack, lack
from equinet.checks import as_choice, as_integers, as_items, shown
from equinet.groups.domain import MOST_ALONG, Domain, box, plane, torus
from equinet.groups.fibre import Fibre, as_channels
from equinet.layers import Layer, LayerError

MOST_SIZES = 1 << 16
"""Sizes that are tried one by one."""

MOST_SMALL = 1 << 10
"""Sizes below the period of a network that are tried for exceptions."""

STRIP = 64
"""Squares in a row of the picture of sizes, which has as many rows at most."""


@dataclass(frozen=True, repr=False)
class LegalSizes:
    """The sizes found, and the rule that they follow.

    Attributes:
        sizes: the legal sizes among those tried, ascending.
        tried: all sizes requested, ascending.
        modulus, residues: the smallest modulus m such that, from `start` on, n is legal exactly if n mod m is one of
            the residues; 0 and () if none is known. It follows from the strides of the network and the steps of the
            group where these are known; else it is what the sizes tried show.
        start: the size from which the rule holds.
        next: the first legal size beyond those requested, if none of them is legal; None if none is known.
        lack: if no size is legal, the reason, and what would help.
    """

    sizes: tuple[int, ...]
    tried: tuple[int, ...]
    modulus: int
    residues: tuple[int, ...]
    start: int
    next: int | None = None
    lack: Lack | None = None

    @property
    def congruence(self) -> str:
        """The rule as text: `n ≡ 1 (mod 8)`, `every n`, `no n`; `no n tried` if it is not known of others."""
        if not self.modulus:
            return "no congruence" if self.sizes or self.next else "no n tried"
        if not self.residues:
            return "no n"
        if self.modulus == 1:
            return "every n"
        return f"n ≡ {', '.join(map(str, self.residues))} (mod {self.modulus})"

    @property
    def exceptions(self) -> tuple[int, ...]:
        """Sizes below `start` that are legal although the rule does not give them."""
        legal = self.sizes if self.next is None else (*self.sizes, self.next)
        return tuple(n for n in legal if n < self.start and (n % (self.modulus or 1)) not in self.residues)

    def __repr__(self) -> str:
        return f"LegalSizes({self})"

    def __str__(self) -> str:
        rule = self.congruence
        follows = {n for n in self.tried if n < self.start and n % (self.modulus or 1) in self.residues}
        skipped = len([n for n in self.tried if n < self.start]) < self.start - self.tried[0]
        if not follows <= set(self.sizes) or self.next in self.exceptions or (self.modulus and skipped):
            rule += f" from {self.start} on"
        if self.exceptions:
            rule += f", also {', '.join(map(str, self.exceptions))}"
        if self.next is not None:
            rule += f": none of the sizes tried, {self.tried[0]} to {self.tried[-1]}; the next is {self.next}"
        shown = ", ".join(map(str, self.sizes[:12])) + (", …" if len(self.sizes) > 12 else "")
        rule = f"{rule}: {shown}" if self.sizes else rule
        return rule if self.lack is None else f"{rule}: {self.lack}"

    def _repr_html_(self) -> str:
        legal = set(self.sizes)
        strip = [
            ("held" if n in legal else "lost", f"{n}: {'legal' if n in legal else 'not legal'}") for n in self.tried
        ]
        rows = [strip[start : start + STRIP] for start in range(0, len(strip[: STRIP * STRIP]), STRIP)]
        return markup.block(
            markup.line(self.congruence, bold=True),
            markup.quiet(str(self)) if self.lack is None else markup.line(self.lack.reason),
            "" if self.lack is None else markup.bullets(self.lack.remedies),
            markup.cells(rows, 12),
            markup.quiet(f"sizes {self.tried[0]} to {self.tried[-1]}, {STRIP} a row: blue is legal"),
        )


def explain(legal: Iterable[int], tried: Sequence[int], first: int) -> tuple[int, tuple[int, ...], int]:
    """The smallest modulus, its residues and where the rule begins; (0, (), first) if there is none.

    A rule that holds from `first` (the smallest size at which the network runs) is preferred; else one may begin later,
    as long as it explains three quarters of the sizes. Every class must have been seen twice, so sizes that leave out
    others show none.

    >>> explain([9, 17, 25, 33], range(8, 40), 8)
    (8, (1,), 8)
    """
    kept, sizes = set(legal), [n for n in tried if n >= first]
    if sizes and len(sizes) <= sizes[-1] - sizes[0]:
        return 0, (), first
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
    net: Any,
    require: Require,
    sizes: Iterable[int] = range(8, 257),
    boundary: Literal["torus", "box", "plane"] = "torus",
    channels: int | Fibre | None = None,
    dim: int | None = None,
    of: Of = "strict",
) -> LegalSizes:
    """The sizes n at which the network on an n × … × n input contains a required group.

    A size at which the network cannot run is not legal.

    Args:
        net: any layer, or one with its variables; or a model of PyTorch, Flax (Linen and NNX), Equinox, Haiku or
            Keras, which is read again at each size: try few.
        require: a `SpaceGroup`, the name of one, or a function from a certificate to a bool; `Requirement` describes
            what a name requires. On a box, point groups are about the centre of the image.
        sizes: the sizes to try. If they do not show each class of sizes, modulo the strides of the network and the
            steps of the required group, others are tried too; not of a model of another library, if some are legal. If
            a function says what is required, they must be consecutive to show a rule.
        boundary: the domain at each size; on the plane the size has no effect, so all are legal or none.
        channels: of the input, unless variables tell it.
        dim: of the domain, if `require` does not tell; 2 by default.
        of: which group must contain it, "strict", "orbit" or "invariance".

    Raises:
        TypeError: if net is no layer and no model of these libraries.
        ValueError: if the requirement cannot be read, the boundary is unknown or there are no sizes.

    >>> import equinet as eq
    >>> pool = eq.MaxPool(3, stride=2, padding=1)
    >>> print(legal_sizes(pool, "4mm", range(8, 40), boundary="box", channels=1).congruence)
    n ≡ 1 (mod 2)
    >>> print(legal_sizes(eq.MaxPool(323), "323Z", range(8, 257), channels=1, dim=1))
    n ≡ 0 (mod 323): none of the sizes tried, 8 to 256; the next is 323
    """
    layer = network_of(net, "legal_sizes")
    as_choice(boundary, ("torus", "box", "plane"), "boundary")
    rule = f"legal_sizes needs sizes of at least 1, up to {MOST_SIZES} of them and none above {MOST_ALONG}"
    if isinstance(sizes, range) and len(range(sizes.start, sizes.stop, sizes.step)[: MOST_SIZES + 1]) > MOST_SIZES:
        raise ValueError(f"{rule}; got {shown(sizes)}")
    tried = tuple(sorted(set(as_integers(as_items(sizes, rule), "legal_sizes: the sizes"))))
    if not tried or tried[0] < 1 or tried[-1] > MOST_ALONG or len(tried) > MOST_SIZES:
        raise ValueError(f"{rule}; got {shown(tried)}")
    requirement = Requirement(require, of, dim)
    axes = requirement.dim or 2
    fibre = as_channels(channels, "legal_sizes", net, (None,) * axes)
    if boundary == "plane":
        holds = _holds(layer, plane(axes), fibre, requirement)
        why = None if holds else lack(layer, plane(axes), fibre, requirement)
        return LegalSizes(tried if holds else (), tried, 1, (0,) if holds else (), tried[0], None, why)
    make_domain = torus if boundary == "torus" else box

    def verdict(n: int) -> bool | None:
        return _holds(layer, make_domain(*(n,) * axes), fibre, requirement)

    verdicts = {n: verdict(n) for n in tried}
    first = next((n for n in tried if verdicts[n] is not None), tried[0])
    legal = tuple(n for n in tried if verdicts[n])
    known = period(layer, fibre, requirement)
    if known is None:
        found = LegalSizes(legal, tried, *(explain(legal, tried, first) if legal else (0, (), first)))
    elif legal and not isinstance(layer, Layer) and len(seen(known.modulus, verdicts)) < known.modulus:
        found = LegalSizes(legal, tried, 0, (), first)  # a model is read again at each size, which takes long
    else:
        found = _by_classes(verdicts, verdict, known, first, requirement)
    if legal or found.next is not None:
        return found
    modulus = 1 if known is None else known.modulus
    even_first = sorted(tried, key=lambda n: (n % modulus > 0, -n))
    runs = next((n for n in even_first if verdicts[n] is not None), likely(modulus, tried[-1], requirement)[0])
    return replace(found, lack=lack(layer, make_domain(*(runs,) * axes), fibre, requirement))


def _by_classes(
    tried: dict[int, bool | None],
    verdict: Callable[[int], bool | None],
    known: Period,
    first: int,
    requirement: Requirement,
) -> LegalSizes:
    """The rule that all classes of sizes show, also those that the sizes given do not have, and the next legal size."""
    legal, sizes, modulus = tuple(n for n, held in tried.items() if held), tuple(tried), known.modulus
    found, beyond = classes(modulus, tried, verdict, requirement)
    if not any(found.values()) and len(found) < modulus and (legal or known.on_the_plane):
        return LegalSizes(legal, sizes, 0, (), first, None if legal else _next(sizes[-1], (), beyond, verdict))
    coarse = coarsest(modulus, found)
    residues = tuple(sorted({r % coarse for r, held in found.items() if held}))
    # Small sizes may be exceptions, also those between the ones given.
    small = [n for n in range(first, 2 * modulus) if n not in tried and n not in beyond]
    few = len(small) <= MOST_SMALL
    beyond |= {n: verdict(n) for n in small} if few else {}
    every = [n for n in sorted(tried | beyond) if n >= first]
    wrong = [n for n in every if bool((tried | beyond)[n]) != (n % coarse in residues)]
    start = next((n for n in every if n > max(wrong, default=0) and (few or n >= 2 * modulus)), 2 * modulus)
    ahead = range(sizes[-1] + 1, max(sizes[-1], start) + 2 * coarse + 1)
    ruled = (n for n in ahead if n % coarse in residues)  # gone through only where no size is legal
    return LegalSizes(
        legal, sizes, coarse, residues, start, None if legal else _next(sizes[-1], ruled, beyond, verdict)
    )


def _next(
    last: int, ruled: Iterable[int], beyond: Mapping[int, bool | None], verdict: Callable[[int], bool | None]
) -> int | None:
    """The first legal size after the last given: one that the rule gives, which is tried, or one that was tried."""
    held = {n for n, holds in beyond.items() if holds and n > last}
    return next((n for n in sorted({*held, *ruled}) if n in held or verdict(n)), None)


def _holds(net: Any, domain: Domain, channels: Fibre, requirement: Requirement) -> bool | None:
    """Whether the requirement is met; None if the network cannot run."""
    try:
        return requirement.holds_for(certified(net, domain, channels))
    except LayerError:
        return None
