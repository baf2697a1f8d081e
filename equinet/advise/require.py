"""Requirements on a certificate: a group, the name of one, or any predicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from equinet.checks import as_choice, as_integer, as_kind, shown
from equinet.groups import Isometry, RealGroup, SpaceGroup
from equinet.groups.symbols.text import says_where, solve_centre
from equinet.symmetry.certificate import Certificate

_FINER = (*"R/½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒",)
"""What the name of a group with real shifts may have."""
Of = Literal["strict", "orbit", "invariance"]
Require = SpaceGroup | RealGroup | str | Callable[[Certificate], bool]


@dataclass(frozen=True)
class Requirement:
    """What a certificate must contain.

    Args:
        require: what is required, on every domain it is asked on.

            - A `SpaceGroup` or `RealGroup`: each of its elements, taken literally.
            - A name such as "Z × Z", "2Z × 2Z ⋊ 4mm", "4mm" or "p4m": its translations, and its point operations about
              *some* common centre. On a bounded axis only the image's own centre can be one; on a periodic or infinite
              axis any node or midpoint can, since where a cyclic image begins is a convention.
            - A name with shifts finer than a node, "½Z × ½Z" or "R × R ⋊ 4mm": the `RealGroup`, literally; asked of a
              certificate of real shifts.
            - A name that says where, "4mm at (0, 0)" or "pg {-x, y+1}": literally, modulo the periods of the domain.
            - A function from a certificate to a bool.
        of: which of the certificate's groups is asked.
        dim: of the domain, where a name such as "4mm" does not tell; 2 by default.

    Raises:
        ValueError: if a name cannot be read, or `of` is no group of a certificate.
    """

    require: Require
    of: Of = "strict"
    dim: int | None = None

    def __post_init__(self) -> None:
        as_choice(self.of, ("strict", "orbit", "invariance"), "of")
        if not isinstance(self.require, (SpaceGroup, RealGroup, str)) and not callable(self.require):
            raise ValueError(f"require is a SpaceGroup, a name such as '4mm' or a predicate; got {shown(self.require)}")
        if self.dim is not None:
            object.__setattr__(self, "dim", as_integer(self.dim, "dim", least=1))
        known = self.named or self.real
        dim = self.dim if known is None else known.dim
        if self.dim is not None and dim != self.dim:
            raise ValueError(f"{self} is about dimension {dim}; dim={self.dim}")
        object.__setattr__(self, "dim", 2 if dim is None else dim)

    @cached_property
    def named(self) -> SpaceGroup | None:
        """The group that is required; None for a function of the certificate, and for real shifts."""
        if self.real is not None:
            return None
        if isinstance(self.require, str):
            return self._read_name(self.require)
        return self.require if isinstance(self.require, SpaceGroup) else None

    @cached_property
    def real(self) -> RealGroup | None:
        """The group that is required, if it has shifts finer than a node."""
        if isinstance(self.require, str) and any(sign in self.require for sign in _FINER):
            try:
                group = RealGroup.parse(self.require, self.dim)
            except ValueError:
                return None  # the name says where a centre is, or is none; read as another says why
            return None if group.is_whole else group
        return self.require if isinstance(self.require, RealGroup) else None

    @cached_property
    def says_where(self) -> bool:
        """Whether point operations are required where they are said to be, rather than about some common centre."""
        return isinstance(self.require, SpaceGroup) or (isinstance(self.require, str) and says_where(self.require))

    def _read_name(self, name: str) -> SpaceGroup:
        if name.strip() == "trivial":
            return SpaceGroup.trivial(self.dim or 2)
        try:
            return SpaceGroup.parse(name, self.dim)
        except ValueError as error:
            if self.dim is None and "does not tell its dimension" in str(error):
                return SpaceGroup.parse(name, 2)
            raise

    def holds_for(self, certificate: Certificate) -> bool:
        """Whether the certificate contains what is required.

        Raises:
            ValueError: if the requirement is about another dimension.
        """
        as_kind(certificate, Certificate, "a requirement is met by a certificate")
        if callable(self.require):
            return bool(self.require(certificate))
        group = getattr(certificate, self.of)
        if group.dim != self.dim:
            raise ValueError(f"{self} is about dimension {self.dim}; the domain {certificate.domain} has {group.dim}")
        if isinstance(group, RealGroup):
            return self._within_real(group)
        if self.real is not None:
            raise ValueError(
                f"{self} has shifts finer than a node, of which this certificate says nothing: ask "
                f"certify(net, torus, translations='real')"
            )
        return self.within(group)

    def _within_real(self, group: RealGroup) -> bool:
        """Whether a group with real shifts contains the required one."""
        if self.real is None:
            return self.within(group.whole)
        return set(self.real.real) <= set(group.real) and all(g in group for g in self.real.generators)

    def within(self, group: SpaceGroup) -> bool:
        """Whether a group contains the required one; that of a function of the certificate is not known: False."""
        if as_kind(group, SpaceGroup, "a requirement lies within a group").dim != self.dim:
            raise ValueError(f"{self} is about dimension {self.dim}; {group} acts on Z^{group.dim}")
        if self.named is None:
            return False
        if self.says_where:
            return all(g in group for g in self.named.generators)
        return contains_somewhere(group, self.named)

    def __str__(self) -> str:
        if callable(self.require):
            return getattr(self.require, "__name__", "a function of the certificate")
        return str(self.require)


def contains_somewhere(group: SpaceGroup, part: SpaceGroup) -> bool:
    """Whether `group` contains `part` moved by some v, integral or half-integral.

    Moving by v turns `(A, t)` into `(A, t + v − A v)` and leaves translations alone, so v must solve
    `(1 − A) v ∈ t'_A − t_A + L'` for every generator of the point group, `t'` and L' those of `group`.

    >>> at_node = SpaceGroup.parse("2Z ⋊ m at (0)")
    >>> between = SpaceGroup.parse("2Z ⋊ m at (1/2)")
    >>> contains_somewhere(at_node, between), between <= at_node
    (True, False)
    """
    if not part.lattice <= group.lattice:
        return False
    moved = []
    for g in part.generators:
        if g.is_translation:
            continue
        shift = group.shift_of(g.matrix)
        if shift is None:
            return False
        moved.append(Isometry(g.matrix, tuple(a - b for a, b in zip(shift, g.whole_shift, strict=True))))
    return not moved or solve_centre(group.lattice, moved)[0] is not None
