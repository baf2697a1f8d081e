"""What is known of an array while a program is walked through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from equinet.infer.compat import Equation


@dataclass(frozen=True)
class Known:
    """What depends neither on the input nor on arbitrary parameters."""


@dataclass(frozen=True)
class Weights:
    """What depends on arbitrary parameters alone.

    Attributes:
        own: whether nothing else depends on them.
        independent: whether each entry is an arbitrary number by itself.
        repeated: axes along which it is repeated all the same.
    """

    own: bool = True
    independent: bool = True
    repeated: tuple[int, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What depends on the input, and moves just as the rules say.

    Attributes:
        products: those that it depends on, as bits.
        last: those that its entries are functions of one by one.
        entries: arrays of one number here hold entries of one array, moved about.
        place: those of one number here stand side by side, entry by entry.
        origin: those of one number here are made of the same nodes' entries.
        total: whether it was added up along some axes, so that it stands beside all of what it is a total of.
        uniform: whether that was along axes of nodes.
        sums: whether its entries are polynomials: no function has been applied to them.
        regains: whether it is a sum of such sums; then more may be true of it by itself than what the rules say.
        pieces: whether it has copies of one array side by side, of which sums may show more.
        fixed: if it has different arrays one after the other along nodes, the axes without nodes: then rules are
            exact only about what leaves all of it in place.
        waves: whether it is Fourier transformed: by itself, or times weights of its own.
        bound: the `entries` of an array that it is the sum of, and of what weights of its own multiply, of which
            nothing is known. Then what was lost there is lost here, and maybe less than the rules say.
    """

    products: int = 0
    last: int = 0
    entries: int = 0
    place: int = 0
    origin: int = 0
    total: bool = False
    uniform: bool = False
    sums: bool = True
    regains: bool = False
    pieces: bool = False
    fixed: tuple[int, ...] | None = None
    waves: Literal["", "raw", "weighed"] = ""
    bound: int = 0


@dataclass(frozen=True)
class Weighed:
    """What is open, times weights of its own.

    Attributes:
        products: of these, as bits.
    """

    products: int


State = Judged | Weighed | Weights | Known | None
"""None if it is open."""
Along = Literal["none", "some", "all"]
"""Whether nodes lie along some axes: none, some or all of a grid axis."""
Nodes = Callable[[Equation, Sequence[int]], Along]


def is_final(state: State) -> TypeGuard[Judged]:
    """Whether what is lost up to there is lost in every formula of it."""
    if not isinstance(state, Judged) or state.fixed is not None:
        return False
    return not (state.regains or state.pieces) and state.waves == ""


def is_firm(state: State) -> bool:
    """Whether a function was applied to its entries after a product, so that sums of them regain nothing."""
    if not isinstance(state, Judged) or not state.products:
        return False
    return not (state.sums or state.regains)


def are_apart(one: Judged, other: Judged) -> bool:
    """Whether the entries of one are functions of products whose weights the other does not depend on."""
    return bool(one.last & ~other.products or other.last & ~one.products)
