"""Groups as text and back: `2Z × 2Z ⋊ 4mm (p4m, index 4)`.

The text is `trivial`, a plane symbol, or up to six parts in this order:

- *translations*: `2Z × Z`, or a basis `⟨(1, 1), (0, 2)⟩`; absent if the periods are the only translations;
- `⋊` where some point is fixed by a copy of the point group (modulo the translations), `·` where none is; between
  translations and point operations, nowhere else;
- *point group*: an oriented Hermann–Mauguin symbol, see `equinet.groups.symbols.point`;
- *centre*, such a fixed point: `at (7/2, 0)`. Absent, it is the centre of the cell {0 … s_i − 1} along each axis, s_i
  the smallest translation along it, and 0 where there is none. On a torus that is the centre of the image; on a box
  (no translations) the centre is written unless it is the origin;
- *generators*, where no point is fixed (glides, screws): for each generator of the point group one representative, as a
  coordinate triplet: `{-x, y+1}`;
- *notes* in parentheses: the plane group and the index of the translations in Z^d, or the order. Checked when read.

The periods are not in the text: they belong to the domain. `x` is read as `×`, `:` as `⋊`, `.` as `·`. A plane symbol
stands for the smallest instance in the standard setting, `p4m` for Z² ⋊ 4mm; generators after it place the point
operations elsewhere, modulo its translations: `pg {-x+1, y+1}`. Text is read from left to right, in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from equinet.checks import as_integer, as_kind, shown
from equinet.groups.isometry import Isometry, Matrix, Vector, matvec
from equinet.groups.lattice import Lattice, solve
from equinet.groups.symbols.plane import full_plane_symbol, is_plane_symbol, plane_group_symbol, standard_instance
from equinet.groups.symbols.point import parse_point_group, point_group_symbol

if TYPE_CHECKING:
    from equinet.groups.space_group import SpaceGroup

LONGEST = 100_000
"""Characters of a text that is read."""

MOST_AXES = 4
"""Axes that the text of a group may have."""

_STEP = r"(?:[0-9]{0,30}Z|0)"
_INTEGER = r"[+-]?[0-9]{1,30}"
_VECTOR = rf"\( ?{_INTEGER}(?: ?, ?{_INTEGER})*+ ?\)"
_SPAN = re.compile(rf" ?{_VECTOR}(?: ?, ?{_VECTOR})*+ ?")
# The parts of a text in order, each read where the last one ended. Possessive quantifiers: nothing is read twice.
_PARTS = {
    "lattice": re.compile(rf"⟨[^⟨⟩]*+⟩|<[^<>]*+>|{_STEP}(?: ?[×x] ?{_STEP})*+"),
    "joint": re.compile(r"[⋊:·.]"),
    "symbol": re.compile(r"(?!at\b)-?[0-9A-Za-z][-0-9A-Za-z_/]*+"),
    "centre": re.compile(r"at ?\(([^()]*+)\)"),
    "generators": re.compile(r"\{([^{}]*+)\}"),
    "notes": re.compile(r"\(([^()]*+)\)"),
}
_COORDINATE = re.compile(r"(-?) ?(x[0-9]|[xyz])(?: ?([+-]) ?([0-9]{1,30}))?+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:/[0-9]{1,30}|\.[0-9]{1,30})?+")


def _default_centre(lattice: Lattice) -> Vector:
    """Twice the centre of the cell {0 … s_i − 1}, s_i the smallest translation along axis i (1 if there is none)."""
    doubled = []
    for axis in range(lattice.dim):
        line = Lattice.diagonal([int(i == axis) for i in range(lattice.dim)]) & lattice
        doubled.append(line.basis[0][axis] - 1 if line.basis else 0)
    return tuple(doubled)


def solve_centre(lattice: Lattice, operations: Sequence[Isometry]) -> tuple[Vector | None, Lattice]:
    """The points c with `(1 − A) c ∈ t_A + L` for the operations given, doubled: one (or None), and all differences."""
    dim, size = lattice.dim, lattice.dim * len(operations)
    units = [tuple(int(i == j) for j in range(dim)) for i in range(dim)]
    rows = [
        (*(x - y for g in operations for x, y in zip(unit, matvec(g.matrix, unit), strict=True)), *unit)
        for unit in units
    ]
    for block in range(0, size, dim):
        for row in lattice.basis:
            rows.append((*(0,) * block, *(2 * v for v in row), *(0,) * (size - block)))
    stacked = Lattice.span(rows, size + dim)
    start = [-2 * t for g in operations for t in g.shift]
    return solve(stacked, size, (*start, *(0,) * dim)), stacked.fibre(size)


def _notes(group: SpaceGroup) -> list[str]:
    symbol = plane_group_symbol(group.lattice, group.operations)
    if group.lattice != group.periods and group.index is not None:
        return [*([symbol] if symbol else []), f"index {group.index}"]
    return [] if group.order is None else [f"order {group.order}"]


def write_group(group: SpaceGroup) -> str:
    """The text of a group, which `read_group` reads back."""
    if group.is_trivial:
        return "trivial"
    parts = [str(group.lattice)] if group.lattice != group.periods else []
    operations = [g for g in group.generators if not g.is_translation]
    if operations:
        centre, differences = solve_centre(group.lattice, operations)
        if parts:
            parts.append("·" if centre is None else "⋊")
        if group.dim <= 3:
            parts.append(point_group_symbol(group.point_group))
        if centre is None or group.dim > 3:
            parts.append("{" + "; ".join(map(str, operations)) + "}")
        else:
            default = _default_centre(group.lattice)
            if tuple(a - b for a, b in zip(centre, default, strict=True)) not in differences:
                parts.append(f"at ({', '.join(str(Fraction(v, 2)) for v in differences.reduce(centre))})")
    notes = _notes(group)
    if notes:
        parts.append(f"({', '.join(notes)})")
    return " ".join(parts)


def _spaced(text: str, what: str) -> str:
    """Text with single blanks.

    Raises:
        ValueError: if it is no text.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what} is read from text; got {shown(text)}")
    if len(text) > LONGEST:
        raise ValueError(f"{what} is named in at most {LONGEST} characters; got {len(text)}, {shown(text)}")
    return " ".join(text.split())


def parse_isometry(text: str) -> Isometry:
    """The isometry that `str` prints as a coordinate triplet.

    Raises:
        ValueError: if the text is no such triplet.

    >>> parse_isometry("-y+7, x")
    Isometry(matrix=((0, -1), (1, 0)), shift=(7, 0))
    """
    if _spaced(text, "an isometry") == "identity":
        return Isometry.identity(0)
    parts = [part.strip() for part in _spaced(text, "an isometry").split(",")]
    letters = list("xyz")[: len(parts)] if len(parts) <= 3 else [f"x{i}" for i in range(len(parts))]
    rows, shift = [], []
    for part in parts:
        found = _COORDINATE.fullmatch(part)
        if found is None or found[2] not in letters or len(parts) > 10:
            raise ValueError(f"cannot read {shown(text)} as an isometry; write a coordinate triplet such as '-y+7, x'")
        rows.append(tuple((-1 if found[1] else 1) * (letter == found[2]) for letter in letters))
        shift.append(int(f"{found[3]}{found[4]}") if found[3] else 0)
    return Isometry(tuple(rows), tuple(shift))


def _numbers(text: str) -> tuple[Fraction, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(map(_NUMBER.fullmatch, parts)):
        raise ValueError(f"cannot read {shown(text)} as coordinates; write numbers such as '7/2, 0'")
    try:
        return tuple(map(Fraction, parts))
    except ZeroDivisionError:
        raise ValueError(f"cannot read {shown(text)} as coordinates: a denominator is 0") from None


def _read_parts(text: str) -> dict[str, str] | None:
    """The parts of a group's text that are there, or None if it does not consist of them."""
    found: dict[str, str] = {}
    at = 0
    for name, pattern in _PARTS.items():
        match = pattern.match(text, at)
        if match is not None:
            found[name] = match[match.lastindex or 0].strip()
            at = match.end() + text.startswith(" ", match.end())
    operations = "symbol" in found or "generators" in found
    if at < len(text) or not ("lattice" in found or operations):
        return None
    joint = found.get("joint", "")
    if bool(joint) != ("lattice" in found and operations) or (joint in tuple("·.") and "generators" not in found):
        return None
    if "centre" in found and ("symbol" not in found or "generators" in found):
        return None
    return None if "" in found.values() or ("trivial" in found.values() and len(found) > 1) else found


def says_where(text: str) -> bool:
    """Whether the name of a group says where its point operations are: by a centre, or by generators.

    >>> says_where("4mm at (0, 0)"), says_where("4mm")
    (True, False)
    """
    found = _read_parts(_spaced(text, "a group")) or {}
    return "centre" in found or "generators" in found


def _parse_translations(text: str) -> Lattice:
    if text[0] in "⟨<":
        inside = text[1:-1] if _SPAN.fullmatch(text[1:-1]) else ""
        rows = [tuple(map(int, row.split(","))) for row in re.findall(r"\(([^)]*+)\)", inside)]
        if len({len(row) for row in rows}) != 1:
            raise ValueError(f"cannot read {shown(text)} as a lattice; write its basis, such as ⟨(1, 1), (0, 2)⟩")
        return Lattice.span(rows, len(rows[0]))
    steps = [step.strip() for step in re.split("[×x]", text)]
    _check_axes(text, len(steps))
    return Lattice.diagonal([0 if step == "0" else int(step[:-1] or 1) for step in steps])


def _check_axes(text: str, axes: int) -> None:
    if axes > MOST_AXES:
        raise ValueError(f"cannot read {shown(text)}: it has {axes} axes; groups are read in up to {MOST_AXES}")


def _one_dimension(text: str, claims: Iterable[int]) -> int:
    dims = set(claims)
    if not dims:
        raise ValueError(f"{shown(text)} does not tell its dimension: pass dim= or periods=")
    if len(dims) > 1:
        listed = ", ".join(map(str, sorted(dims)))
        raise ValueError(f"{shown(text)} mixes dimensions {listed}; check dim= and periods=")
    return dims.pop()


def _about(centre: Sequence[Fraction], point_group: Iterable[Matrix], text: str) -> list[Isometry]:
    found = []
    for matrix in point_group:
        image = [sum(a * c for a, c in zip(row, centre, strict=True)) for row in matrix]
        shift = [c - i for c, i in zip(centre, image, strict=True)]
        if any(t.denominator != 1 for t in shift):
            listed = ", ".join(map(str, centre))
            raise ValueError(f"{shown(text)}: the point group about ({listed}) does not map the grid to itself")
        found.append(Isometry(matrix, tuple(int(t) for t in shift)))
    return found


def _check_notes(text: str, notes: str, group: SpaceGroup) -> None:
    true = _notes(group)
    accepted = {*true, *(full_plane_symbol(note) for note in true if is_plane_symbol(note))}
    wrong = [note.strip() for note in notes.split(",") if note.strip() not in accepted]
    if wrong:
        raise ValueError(
            f"{shown(text)}: the note {shown(wrong[0])} is not true of this group; it has {', '.join(true)}"
        )


Generate = Callable[[int, Iterable[Isometry], Lattice | None], "SpaceGroup"]
"""From a dimension, generators and periods to the group that they generate."""


def read_group(text: str, dim: int | None, periods: Lattice | None, generate: Generate) -> SpaceGroup:
    """The group with a name; the smallest one that contains it together with the periods.

    Args:
        text: see the module; notes in parentheses may be left out.
        dim: d, needed if neither the text nor `periods` tells it.
        periods: the translations that act as the identity; None for none.
        generate: makes the group.

    Raises:
        ValueError: if the text is not such a name, a symbol is unknown (the near ones are listed), dimensions differ,
            the point group does not map the translations or the periods to themselves, or a note is wrong.
    """
    found = _read_parts(_spaced(text, "a group"))
    if found is None:
        raise ValueError(
            f"cannot read {shown(text)} as a group; "
            f"write '2Z × 2Z ⋊ 4mm', 'Z × 2Z', '4mm at (0, 0)', 'p4m' or 'trivial'"
        )
    symbol = found.get("symbol", "")
    lattice = _parse_translations(found["lattice"]) if "lattice" in found else None
    centre = _numbers(found["centre"]) if "centre" in found else None
    explicit = [parse_isometry(part) for part in found["generators"].split(";")] if "generators" in found else []
    named = _standard(symbol, generate) if is_plane_symbol(symbol) else None
    if periods is not None:
        as_kind(periods, Lattice, "the periods of a group are a lattice, such as Lattice.diagonal((8, 8))")
    claims = [thing.dim for thing in (lattice, named, periods, *explicit) if thing is not None]
    _check_axes(text, max(claims, default=0))
    given = [] if dim is None else [as_integer(dim, "dim", least=0)]
    size = _one_dimension(text, [*claims, *([len(centre)] if centre else []), *given])
    kept = Lattice.zero(size) if periods is None else periods
    if named is not None and (lattice or centre):
        raise ValueError(
            f"{shown(text)}: a plane symbol stands alone, or with generators; write the point group after translations"
        )
    if named is not None and explicit:
        return _placed(named, explicit, kept, text, generate)
    if named is not None:
        group = generate(size, named.generators, kept)
    else:
        group = _assembled(text, symbol, kept if lattice is None else lattice + kept, centre, explicit, kept, generate)
    if "notes" in found:
        _check_notes(text, found["notes"], group)
    return group


def _standard(symbol: str, generate: Generate) -> SpaceGroup:
    basis, operations = standard_instance(symbol)
    return generate(2, [*map(Isometry.translation, basis), *(Isometry(a, t) for a, t in operations)], None)


def _placed(
    named: SpaceGroup, explicit: Sequence[Isometry], kept: Lattice, text: str, generate: Generate
) -> SpaceGroup:
    """A plane group with other representatives of its point operations."""
    moved = [Isometry.translation(row) for row in named.lattice.basis]
    group = generate(2, [*moved, *explicit], None)
    wanted, made = (plane_group_symbol(each.lattice, each.operations) for each in (named, group))
    if (made, group.lattice) != (wanted, named.lattice):
        raise ValueError(
            f"{shown(text)}: with the translations {named.lattice} of {wanted} these generators make "
            f"{made} on {group.lattice}; write the translations: {group}"
        )
    return generate(2, group.generators, kept)


def _assembled(
    text: str,
    symbol: str,
    translations: Lattice,
    centre: Sequence[Fraction] | None,
    explicit: list[Isometry],
    kept: Lattice,
    generate: Generate,
) -> SpaceGroup:
    """A group from its translations and its point group, about a centre or by generators."""
    size = translations.dim
    point_group = None if symbol in ("", "trivial") else parse_point_group(symbol, size)
    operations = explicit
    if point_group and not explicit:
        default = [Fraction(v, 2) for v in _default_centre(translations)]
        operations = _about(default if centre is None else centre, point_group, text)
    moved = [Isometry.translation(row) for row in translations.basis]
    group = generate(size, [*moved, *operations], kept)
    if group.lattice != translations:
        raise ValueError(
            f"{shown(text)}: the operations generate more translations: {group.lattice}, not {translations}"
        )
    if point_group and group.point_group != point_group:
        raise ValueError(f"{shown(text)}: the generators have point group {point_group_symbol(group.point_group)}")
    return group
