"""Claims to judge in place of `infer`'s: too small, too large, or enlarged by one element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import equinet as eq
from tests.oracle import Claim

Action = Callable[[eq.Isometry], eq.Isometry]


@dataclass(frozen=True)
class Stated:
    """A claim in so many words; the orbit group is the strict one."""

    strict: eq.SpaceGroup
    invariance: eq.SpaceGroup
    output: eq.Domain
    act: Action
    fibre: int = 0

    @property
    def orbit(self) -> eq.SpaceGroup:
        """All that the strict group says."""
        return self.strict

    def action(self, g: eq.Isometry, /) -> eq.Isometry:
        """The image of g."""
        return self.act(g)


POINT = eq.Domain(())


def nothing(domain: eq.Domain) -> Stated:
    """The trivial group: true of everything."""
    trivial = eq.SpaceGroup.trivial(domain.dim, domain.periods)
    return Stated(trivial, trivial, POINT, lambda g: eq.Isometry.identity(0))


def invariant(domain: eq.Domain) -> Stated:
    """Invariance under everything."""
    return Stated(domain.group, domain.group, POINT, lambda g: eq.Isometry.identity(0))


def equivariant(domain: eq.Domain) -> Stated:
    """Everything moves the output as it moves the input."""
    trivial = eq.SpaceGroup.trivial(domain.dim, domain.periods)
    return Stated(domain.group, trivial, domain, lambda g: g)


def enlarged(claim: Claim, domain: eq.Domain, g: eq.Isometry) -> list[Stated]:
    """Every claim that g acts too, in some way."""
    group = eq.SpaceGroup.generate(domain.dim, [g], domain.periods)
    images = claim.output.group.elements() if claim.output.dim else [eq.Isometry.identity(0)]

    def acting(image: eq.Isometry) -> Action:
        return lambda h: claim.action(h) if h in claim.strict else image

    trivial = eq.SpaceGroup.trivial(domain.dim, domain.periods)
    return [Stated(group, trivial, claim.output, acting(image), claim.fibre) for image in images]
