"""Z^n as a sum of named blocks, so that equations between vectors are written by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from equinet.groups.isometry import Vector, identity_matrix


@dataclass(frozen=True)
class Blocks:
    """Z^n as the sum of blocks of coordinates, one after the other.

    Args:
        sizes: number of coordinates of each block.

    >>> pairs = Blocks.of(t=2, tau=1)
    >>> pairs.row(t={1: 4}, tau=(5,)), pairs.rows(t=[(1, 2)], tau=[(3,)])
    ((0, 4, 5), [(1, 2, 0), (0, 0, 3)])
    >>> pairs.split((7, 8, 9)), pairs.part((7, 8, 9), "tau"), pairs.coordinates("tau", "t")
    ([(7, 8), (9,)], (9,), [2, 0, 1])
    """

    sizes: Mapping[str, int]

    @staticmethod
    def of(**sizes: int) -> Blocks:
        """Blocks of the given sizes, in that order."""
        return Blocks(sizes)

    @cached_property
    def _places(self) -> dict[str, slice]:
        ends = [0, *accumulate(self.sizes.values())]
        return {name: slice(*ends_of) for name, ends_of in zip(self.sizes, pairwise(ends), strict=True)}

    @cached_property
    def dim(self) -> int:
        """n."""
        return sum(self.sizes.values())

    def coordinates(self, *names: str) -> list[int]:
        """Where the named blocks stand, one after the other."""
        return [i for name in names for i in range(self.dim)[self._places[name]]]

    def part(self, row: Vector, name: str) -> Vector:
        """The named block of a vector."""
        return row[self._places[name]]

    def split(self, row: Vector) -> list[Vector]:
        """All blocks of a vector."""
        return [row[place] for place in self._places.values()]

    def row(self, **parts: Sequence[int] | dict[int, int]) -> Vector:
        """The vector with the given parts, and zeros elsewhere; a part is a whole block, or some of it by place.

        Raises:
            ValueError: if a part is longer or shorter than its block.
        """
        wide = [0] * self.dim
        for name, part in parts.items():
            place = self._places[name]
            if isinstance(part, dict):
                for at, value in part.items():
                    wide[place.start + at] = value
            else:
                wide[place] = part
        if len(wide) != self.dim:
            raise ValueError(f"the blocks have the sizes {dict(self.sizes)}; got {parts}")
        return tuple(wide)

    def rows(self, **bases: Iterable[Vector]) -> list[Vector]:
        """Each vector of each basis in its own block: a basis of the direct sum."""
        return [self.row(**{name: vector}) for name, basis in bases.items() for vector in basis]

    def free(self, *names: str) -> list[Vector]:
        """A basis of the named blocks, for parts that may be anything."""
        return self.rows(**{name: identity_matrix(self.sizes[name]) for name in names})
