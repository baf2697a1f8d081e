"""The plane groups of the square grid: twelve of the seventeen, the others having threefold axes.

Reference: International Tables for Crystallography A, chapter 2.2; the short symbols are the traditional ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from equinet.checks import shown
from equinet.groups.isometry import Matrix, Vector, matvec
from equinet.groups.lattice import Lattice
from equinet.groups.symbols.point import determinant, order_of

Operations = Sequence[tuple[Matrix, Vector]]
"""Point operations, each with a shift."""

# Short symbol: (full symbol, lattice basis, coset representatives), the smallest instance in the standard setting.
_TURN, _HALF, _FLIP_X, _FLIP_Y = ((0, -1), (1, 0)), ((-1, 0), (0, -1)), ((-1, 0), (0, 1)), ((1, 0), (0, -1))
_STANDARD: dict[str, tuple[str, tuple[Vector, ...], tuple[tuple[Matrix, Vector], ...]]] = {
    "p1": ("p1", ((1, 0), (0, 1)), ()),
    "p2": ("p2", ((1, 0), (0, 1)), ((_HALF, (0, 0)),)),
    "pm": ("pm", ((1, 0), (0, 1)), ((_FLIP_X, (0, 0)),)),
    "pg": ("pg", ((1, 0), (0, 2)), ((_FLIP_X, (0, 1)),)),
    "cm": ("cm", ((1, 1), (0, 2)), ((_FLIP_X, (0, 0)),)),
    "pmm": ("p2mm", ((1, 0), (0, 1)), ((_HALF, (0, 0)), (_FLIP_X, (0, 0)))),
    "pmg": ("p2mg", ((2, 0), (0, 1)), ((_HALF, (0, 0)), (_FLIP_X, (1, 0)))),
    "pgg": ("p2gg", ((2, 0), (0, 2)), ((_HALF, (0, 0)), (_FLIP_X, (1, 1)))),
    "cmm": ("c2mm", ((1, 1), (0, 2)), ((_HALF, (0, 0)), (_FLIP_X, (0, 0)))),
    "p4": ("p4", ((1, 0), (0, 1)), ((_TURN, (0, 0)),)),
    "p4m": ("p4mm", ((1, 0), (0, 1)), ((_TURN, (0, 0)), (_FLIP_X, (0, 0)))),
    "p4g": ("p4gm", ((2, 0), (0, 2)), ((_TURN, (0, 0)), (_FLIP_X, (1, 1)))),
}
_HEXAGONAL = ("p3", "p3m1", "p31m", "p6", "p6m", "p6mm")


def full_plane_symbol(short: str) -> str:
    """The full symbol of the International Tables: `p4mm` for `p4m`."""
    return _STANDARD[short][0]


def _plus_identity(matrix: Matrix) -> Matrix:
    return tuple(tuple(v + int(i == j) for j, v in enumerate(row)) for i, row in enumerate(matrix))


def has_reflection(lattice: Lattice, mirror: Matrix, shift: Vector) -> bool:
    """Whether the coset `(M, t + L)` holds an involution, `(1 + M)(t + l) = 0`; otherwise all are proper glides."""
    doubled = _plus_identity(mirror)
    return matvec(doubled, shift) in lattice.image(doubled)


def _is_centred(lattice: Lattice, mirror: Matrix) -> bool:
    """Whether L is more than the sum of its vectors along the mirror and of those across it."""
    zero = Lattice.zero(2)
    along = lattice & zero.preimage(_plus_identity(tuple(tuple(-v for v in row) for row in mirror)), 2)
    across = lattice & zero.preimage(_plus_identity(mirror), 2)
    return along + across != lattice


def plane_group_symbol(lattice: Lattice, operations: Operations) -> str | None:
    """The short symbol of the abstract plane group, or None unless the translations span the plane.

    The mirrors decide: whether the lattice is centred with respect to them, and which of them are glides only.

    Args:
        lattice: the translations.
        operations: all point operations, each with a shift modulo these.

    >>> identity, flip = ((1, 0), (0, 1)), ((-1, 0), (0, 1))
    >>> plane_group_symbol(Lattice.diagonal((1, 2)), [(identity, (0, 0)), (flip, (0, 1))])
    'pg'
    """
    if lattice.dim != 2 or lattice.rank != 2:
        return None
    mirrors = [(a, t) for a, t in operations if determinant(a) < 0]
    turns = max(order_of(a) for a, _ in operations if determinant(a) > 0)
    if not mirrors:
        return f"p{turns}"
    glides = sum(not has_reflection(lattice, a, t) for a, t in mirrors)
    if turns == 4:
        return "p4g" if glides else "p4m"
    if _is_centred(lattice, mirrors[0][0]):
        return "cm" if turns == 1 else "cmm"
    return ("pm", "pg")[glides] if turns == 1 else ("pmm", "pmg", "pgg")[glides]


def is_plane_symbol(symbol: str) -> bool:
    """Whether a symbol is spelt as a plane group's, `p…` or `c…`."""
    return symbol[:1] in ("p", "c")


def standard_instance(symbol: str) -> tuple[tuple[Vector, ...], Operations]:
    """Basis and generating point operations of the smallest instance on Z² of a plane group, in the standard setting
    and with the standard origin.

    Raises:
        ValueError: if the symbol is unknown, or needs a hexagonal lattice.

    >>> standard_instance("p4mm") == standard_instance("p4m"), standard_instance("p2gg")[0]
    (True, ((2, 0), (0, 2)))
    """
    if symbol in _HEXAGONAL:
        raise ValueError(f"plane group {symbol!r} has threefold axes: it does not act on the square grid")
    for short, (full, basis, operations) in _STANDARD.items():
        if symbol in (short, full):
            return basis, operations
    known = [*_STANDARD, *(full for full, _, _ in _STANDARD.values())]
    near = list(dict.fromkeys(get_close_matches(symbol, known, n=6, cutoff=0.5))) or list(_STANDARD)
    raise ValueError(f"unknown plane group {shown(symbol)}; did you mean one of {', '.join(near)}?")
