"""Certificates of real shifts, for inputs without frequencies at or above half a turn a node."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm

from equinet.groups import Isometry, Lattice, RealGroup, SpaceGroup
from equinet.groups.domain import Domain
from equinet.groups.isometry import axis_images
from equinet.groups.real_group import scaled_lattice
from equinet.groups.space_group import meet_cosets
from equinet.symmetry.certificate import Certificate, LedgerRow, ledger_row
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Row


@dataclass(frozen=True)
class RealShifts:
    """The shifts along each axis of a torus that a value keeps: multiples of size/n, all if n is 0, none if n is None.

    They are mapped to themselves by all the operations of the group that they are to extend.
    """

    sizes: tuple[int, ...]
    counts: tuple[int | None, ...]

    @staticmethod
    def of(field: Field) -> RealShifts:
        """Those that a field's bands tell, as far as they have the symmetry of its group."""
        source = field.source
        bands = field.bands.shifts or (1,) * source.dim
        known = [n if axis.boundary == "periodic" else None for n, axis in zip(bands, source.axes, strict=True)]
        images = [axis_images(matrix) for matrix in field.strict.source.point_group]
        counts = list(known)
        for axis, n in enumerate(known):
            if n is not None:
                # The axes that operations exchange with this one: their shifts meet.
                counts[axis] = gcd(*(known[image[axis][0]] or 0 for image in images))
        return RealShifts(tuple(size or 1 for size in source.sizes), tuple(counts))

    @property
    def steps(self) -> tuple[Fraction | None, ...]:
        """The least shift along each axis; None where there is none, 0 where all are there."""
        return tuple(
            None if n is None else Fraction(size, n) if n else Fraction(0)
            for size, n in zip(self.sizes, self.counts, strict=True)
        )

    @property
    def real(self) -> tuple[int, ...]:
        """The axes with all shifts."""
        return tuple(axis for axis, n in enumerate(self.counts) if n == 0)

    @property
    def generators(self) -> list[Isometry]:
        """The least shifts along the other axes."""
        units = [(axis, step) for axis, step in enumerate(self.steps) if step]
        dim = len(self.sizes)
        return [Isometry.translation([step if i == axis else 0 for i in range(dim)]) for axis, step in units]

    def added(self, group: SpaceGroup) -> RealGroup:
        """The group that a group of the domain and the shifts generate."""
        return RealGroup.generate(group.dim, [*group.generators, *self.generators], group.periods, self.real)

    def on(self, unit: int) -> Lattice:
        """The shifts that are multiples of 1/unit, in these; `unit` is a common denominator of the steps."""
        return Lattice.diagonal([0 if step is None else int(step * unit) or 1 for step in self.steps])


def split(g: Isometry, group: SpaceGroup, shifts: RealShifts) -> tuple[tuple[Fraction, ...], Isometry] | None:
    """`g = T_f · h` with f among the shifts and h in the group; None if there are no such two."""
    shift = group.shift_of(g.matrix)
    if shift is None:
        return None
    unit = lcm(*(t.denominator for t in g.shift), *(step.denominator for step in shifts.steps if step is not None))
    nodes = scaled_lattice(group.lattice, unit)
    coset = meet_cosets(nodes, [unit * t for t in shift], shifts.on(unit), [int(unit * t) for t in g.shift])
    if coset is None:
        return None
    h = Isometry(g.matrix, tuple(t // unit for t in coset))
    return tuple(Fraction(t) - s for t, s in zip(g.shift, h.whole_shift, strict=True)), h


@dataclass(frozen=True, eq=False, repr=False)
class RealCertificate(Certificate):
    """What `certify(…, translations="real")` proves, for inputs without frequencies at or above half a turn a node.

    `strict`, `orbit` and `invariance` are of type `RealGroup`, and contain those of the plain certificate. A shift that
    is not whole moves the output as the trigonometric polynomial through its nodes.

    Reference: the sampling theorem; Karras et al. 2021, "Alias-free generative adversarial networks".
    """

    @cached_property
    def _shifts(self) -> RealShifts:
        return RealShifts.of(self.field)

    @cached_property
    def strict(self) -> RealGroup:  # pyright: ignore[reportIncompatibleVariableOverride]
        """H: all g with `f(g·x) = φ(g)·f(x)`, φ known in advance."""
        return self._shifts.added(self.field.strict.source)

    @cached_property
    def orbit(self) -> RealGroup:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All g for which `f(g·x)` is some shift of `φ(g)·f(x)`. Contains `strict`."""
        return self.strict | self.field.orbit

    @cached_property
    def invariance(self) -> RealGroup:  # pyright: ignore[reportIncompatibleVariableOverride]
        """ker φ: all g with `f(g·x) = f(x)`."""
        return invariance_of(self.field)

    def action(self, g: Isometry) -> Isometry:
        """φ(g), an isometry of the torus of the output; its shift may be a fraction. Channels move by g's operation.

        Raises:
            ValueError: if g is not in `strict`.
        """
        strict = self.field.strict
        found = split(g, strict.source, self._shifts) if g in self.strict else None
        if found is None:
            raise ValueError(f"{g} is not in {self.strict}, the group this action is defined on")
        shift, h = found
        image = strict(h)
        if not self.output.dim:
            return image
        scales = [Fraction(m or 1, n or 1) for m, n in zip(self.output.sizes, self.domain.sizes, strict=True)]
        moved = (t + s * f for t, s, f in zip(image.shift, scales, shift, strict=True))
        periods = [n if axis.boundary == "periodic" else None for n, axis in zip(
            self.output.sizes, self.output.axes, strict=True)]  # fmt: skip
        return Isometry(image.matrix, tuple(t % n if n else t for t, n in zip(moved, periods, strict=True)))

    @cached_property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """A row per layer: the groups of the network up to it, and what it lost and why: which frequencies fold."""
        return tuple(_ledger_row(row) for row in self.field.trace.rows)


def invariance_of(field: Field) -> RealGroup:
    """The isometries that leave a value as it is, for all that its bands tell."""
    if not field.bands.pooled:
        return RealGroup.of(field.invariance)
    return RealShifts.of(field).added(field.invariance)


def _ledger_row(row: Row) -> LedgerRow:
    def groups(field: Field) -> tuple[RealGroup, RealGroup]:
        strict = RealShifts.of(field).added(field.strict.source)
        return strict, strict | field.orbit

    before, after = groups(row.before), groups(row.after)
    return ledger_row(row, before, (*after, invariance_of(row.after)), _why(row))


def _why(row: Row) -> str:
    """Which frequencies fold here, as text; nothing where no shift is lost or won."""
    before, after = row.before.bands, row.after.bands
    if before.shifts == after.shifts:
        return ""
    return (before if after.pooled else after).folded


def real_domain(domain: Domain) -> Domain:
    """A domain whose real shifts can be asked about: with a size along every axis, and one that wraps around.

    Raises:
        ValueError: if it is none.
    """
    if not domain.is_finite or all(axis.boundary != "periodic" for axis in domain.axes):
        raise ValueError(
            f"translations='real' asks about a torus, which tells the frequencies of an input; got {domain}: use "
            f"torus({', '.join(str(n or 32) for n in domain.sizes)})"
        )
    return domain
