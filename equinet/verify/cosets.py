"""Right cosets of a claimed group, and how far an element's error can be from its representative's."""

from __future__ import annotations

from collections.abc import Iterator

from equinet.groups import Isometry, Matrix, SpaceGroup, Vector, identity_matrix, matmul, matvec

Operation = tuple[Matrix, Vector]


def outside_cosets(whole: SpaceGroup, claimed: SpaceGroup) -> Iterator[Isometry]:
    """One element g of each right coset `H g` of the claimed group H in `whole`, H itself left out.

    Raises:
        ValueError: if there are infinitely many.
    """
    if claimed.index_in(whole) is None:
        raise ValueError(
            f"infinitely many cosets: the claimed translations are {claimed.lattice}, the domain's {whole.lattice}"
        )
    seen = set()
    for a, start in whole.operations:
        for step in whole.lattice.representatives(claimed.lattice):
            shift = claimed.lattice.reduce(tuple(x + y for x, y in zip(start, step, strict=True)))
            if (a, shift) in seen:
                continue
            seen.update(_members(Isometry(a, shift), claimed))
            g = Isometry(a, whole.periods.reduce(shift))
            if g not in claimed:
                yield g


def coset(g: Isometry, group: SpaceGroup) -> Operation:
    """What all elements of the right coset `H g` have in common, and no others: the least of its operations."""
    return min(_members(g, group))


def _members(g: Isometry, group: SpaceGroup) -> Iterator[Operation]:
    """The operations of `H g`, shifts modulo the translations of H."""
    for b, offset in group.operations:
        moved = tuple(x + y for x, y in zip(matvec(b, g.whole_shift), offset, strict=True))
        yield matmul(b, g.matrix), group.lattice.reduce(moved)


def doublings(group: SpaceGroup) -> list[Isometry]:
    """The translations of a finite group by 2, 4, 8, … times each basis vector, up to half way around."""
    return [
        Isometry.translation(group.periods.reduce(tuple((1 << k) * v for v in row)))
        for row, half in _half_turns(group)
        for k in range(1, half.bit_length())
    ]


def half_turns(group: SpaceGroup) -> list[Isometry]:
    """The translations of a finite group half way around along each basis vector, the farthest there are."""
    return [
        Isometry.translation(group.periods.reduce(tuple(half * v for v in row)))
        for row, half in _half_turns(group)
        if half
    ]


def _half_turns(group: SpaceGroup) -> Iterator[tuple[Vector, int]]:
    """Each basis vector of the translations, with half the number of steps that lead around."""
    pivots = {next(i for i, v in enumerate(row) if v): row for row in group.periods.basis}
    for row in group.lattice.basis:
        at = next(i for i, v in enumerate(row) if v)
        yield row, pivots[at][at] // row[at] // 2


def word_length(group: SpaceGroup, doubled: bool = False) -> int | None:
    """A bound on the number of generators, or their inverses, whose product is any given element; None if infinite.

    Every element is a translation, at most half way around each basis vector, times a shortest word for its point
    operation.

    Args:
        group: whose generators.
        doubled: whether `doublings` count as generators too.
    """
    if group.periods.index_in(group.lattice) is None:
        return None
    along = sum(half.bit_length() if doubled else half for _, half in _half_turns(group))
    steps = [g.matrix for g in group.generators if not g.is_translation]
    distance = {identity_matrix(group.dim): 0}
    frontier = list(distance)
    while frontier:
        found = []
        for a in frontier:
            for b in steps:
                product = matmul(b, a)
                if product not in distance:
                    distance[product] = distance[a] + 1
                    found.append(product)
        frontier = found
    return along + max(distance.values())
