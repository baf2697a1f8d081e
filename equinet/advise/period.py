"""How what a network keeps depends on the size of its input: periodically, once the input is large enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm
from typing import Any

from equinet.advise.edits import pooled, rewrite, unplaced
from equinet.advise.networks import certified
from equinet.advise.require import Requirement
from equinet.groups import SpaceGroup
from equinet.groups.domain import plane
from equinet.groups.fibre import Fibre
from equinet.layers import Layer, LayerError

MOST_CLASSES = 64
"""Classes of sizes that are tried one by one, where none of their sizes was asked for."""


@dataclass(frozen=True)
class Period:
    """For large sizes n it depends on n mod `modulus` alone whether a requirement is met.

    Attributes:
        modulus: the least common multiple of the strides at which any layer reads the input, of the steps of the
            translations that it keeps, and of those that are required; and of 4, where point operations are, whose
            centres lie on nodes or between.
        on_the_plane: whether it is met on the plane, where neither size nor padding stands in its way.
    """

    modulus: int
    on_the_plane: bool


def period(net: Any, channels: Fibre, requirement: Requirement) -> Period | None:
    """The period of a network and a requirement; None if it is not known."""
    if requirement.named is None or requirement.dim is None:
        return None
    # A table of one size has no place on the plane, and no stride.
    if isinstance(net, Layer):
        net = rewrite(net, lambda path, leaf, upward: pooled(leaf, upward) or unplaced(leaf, upward))
    try:
        certificate = certified(net, plane(requirement.dim), channels)
    except LayerError:
        return None
    steps = [4] if len(requirement.named.operations) > 1 else [1]
    lattices = [requirement.named.lattice]
    for row in certificate.ledger:
        steps += [span.stride.numerator for span in row.spans]
        lattices += [group.lattice for group in (row.strict, row.orbit) if isinstance(group, SpaceGroup)]
    steps += [next(v for v in row if v) for lattice in lattices for row in lattice.basis]
    return Period(lcm(*steps), requirement.holds_for(certificate))


def likely(modulus: int, above: int, requirement: Requirement) -> list[int]:
    """The first size past a given one that M divides; for point operations, those a node or two beside it too."""
    base = (above // modulus + 1) * modulus
    centred = requirement.named is not None and len(requirement.named.operations) > 1
    return [n for n in (base, base + 1, base - 1, base + 2, base - 2)[: 5 if centred else 1] if n > above]


def seen(modulus: int, verdicts: dict[int, bool | None]) -> dict[int, bool]:
    """The verdict on each class of sizes modulo M that sizes of it show.

    Only sizes n ≥ 2M count, since on smaller ones required translations may move nothing, and one output node may be
    left, which moves with everything; and none below the least on which the network runs.
    """
    least = next((n for n, held in sorted(verdicts.items()) if held is not None), None)
    return {
        n % modulus: bool(held)
        for n, held in sorted(verdicts.items())
        if least is not None and n >= max(least, 2 * modulus)
    }


def classes(
    modulus: int,
    tried: dict[int, bool | None],
    verdict: Callable[[int], bool | None],
    requirement: Requirement,
) -> tuple[dict[int, bool], dict[int, bool | None]]:
    """The verdict on classes of sizes modulo M, as far as it is found; and on the sizes tried for it, beyond the given.

    Where those given do not show every class, a few likely ones are tried twice; where one is legal, also what lies
    M / p beyond, p the primes in M, which would show a coarser rule; then, if few are left, every class.

    Args:
        modulus: M.
        tried: the verdicts on the sizes given; None where the network does not run.
        verdict: the verdict on a size.
        requirement: what is required.
    """
    last, beyond = max(tried), {}

    def known() -> dict[int, bool]:
        return seen(modulus, tried | beyond)

    if len(known()) < modulus:
        near = likely(modulus, last, requirement)
        beyond = {n: verdict(n) for n in sorted({*near, *(n + modulus for n in near)})}
        held = [n for n in near if beyond[n + modulus]]
        steps = [modulus // p for p in _primes(modulus)]
        beyond |= {n: verdict(n) for n in sorted({n + modulus + step for n in held for step in steps} - set(beyond))}
        missing = set(range(modulus)) - set(known())
        if len(missing) <= MOST_CLASSES:
            start = max(last + 1, 2 * modulus)
            beyond |= {n: verdict(n) for n in range(start, start + modulus) if n % modulus in missing}
    return known(), beyond


def coarsest(modulus: int, found: dict[int, bool]) -> int:
    """The smallest divisor of M modulo which the classes found still have one verdict each."""
    for divisor in range(1, modulus + 1):
        if modulus % divisor == 0:
            verdicts: dict[int, bool] = {}
            if all(verdicts.setdefault(r % divisor, held) == held for r, held in found.items()):
                return divisor
    return modulus


def _primes(n: int) -> list[int]:
    return [p for p in range(2, n + 1) if n % p == 0 and all(p % q for q in range(2, p))]
