"""Groups as text and back: `2Z × 2Z ⋊ 4mm (p4m, index 4)`.

The text is `trivial`, a plane symbol, or up to six parts in this order:

- *translations*: `2Z × Z`, or a basis `⟨(1, 1), (0, 2)⟩`; absent if the periods are the only translations. For a
  `RealGroup` also `½Z × R`, fractions written `½`, `1/2` or `(5/7)`, and in a basis R for the axis that a vector spans;
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
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from equinet.checks import as_integer, as_kind, shown
from equinet.groups.isometry import Isometry, Matrix, Vector, axis_images, matvec
from equinet.groups.lattice import Lattice, solve
from equinet.groups.symbols.plane import full_plane_symbol, is_plane_symbol, plane_group_symbol, standard_instance
from equinet.groups.symbols.point import parse_point_group, point_group_symbol

if TYPE_CHECKING:
    from equinet.groups.space_group import SpaceGroup

LONGEST = 100_000
"""Characters of a text that is read."""

MOST_AXES = 4
"""Axes that the text of a group may have."""

_VULGAR = {Fraction(n, d): glyph for n, d, glyph in (
    (1, 2, "½"), (1, 3, "⅓"), (2, 3, "⅔"), (1, 4, "¼"), (3, 4, "¾"), (1, 5, "⅕"), (2, 5, "⅖"), (3, 5, "⅗"), (4, 5, "⅘"),
    (1, 6, "⅙"), (5, 6, "⅚"), (1, 7, "⅐"), (1, 8, "⅛"), (3, 8, "⅜"), (5, 8, "⅝"), (7, 8, "⅞"), (1, 9, "⅑"),
    (1, 10, "⅒"),
)}  # fmt: skip
_FRACTION = "[0-9]{1,30}/[0-9]{1,30}"
_STEP = rf"(?:(?:\({_FRACTION}\)|{_FRACTION}|[{''.join(_VULGAR.values())}]|[0-9]{{0,30}}+)Z|0|R)"
_ENTRY = r"(?:[+-]?[0-9]{1,30}(?:/[0-9]{1,30})?+|R)"
_VECTOR = rf"\( ?{_ENTRY}(?: ?, ?{_ENTRY})*+ ?\)"
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
_COORDINATE = re.compile(r"(-?) ?(x[0-9]|[xyz])(?: ?([+-]) ?([0-9]{1,30}(?:/[0-9]{1,30})?+))?+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:/[0-9]{1,30}|\.[0-9]{1,30})?+")


def _default_centre(lattice: Lattice, unit: int = 1, real: Sequence[int] = ()) -> Vector:
    """Twice the centre of the cell {0 … s_i − 1}, s_i the smallest translation along axis i (1 if there is none).

    Args:
        lattice: translations, on a grid of `unit` points a node, as the centre is.
        real: axes along which all shifts are translations.
    """
    doubled = []
    for axis in range(lattice.dim):
        line = Lattice.diagonal([int(i == axis) for i in range(lattice.dim)]) & lattice
        doubled.append(line.basis[0][axis] - unit if line.basis and axis not in real else 0)
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
    start = [-2 * t for g in operations for t in g.whole_shift]
    return solve(stacked, size, (*start, *(0,) * dim)), stacked.fibre(size)


def _notes(group: SpaceGroup, is_whole: bool) -> list[str]:
    symbol = plane_group_symbol(group.lattice, group.operations)
    if group.lattice != group.periods and group.index is not None:
        return [*([symbol] if symbol else []), *([f"index {group.index}"] if is_whole else [])]
    return [] if group.order is None else [f"order {group.order}"]


def _step(value: Fraction) -> str:
    if value.denominator > 1:
        return f"{_VULGAR.get(value, f'({value})')}Z"
    return "0" if value == 0 else "Z" if value == 1 else f"{value}Z"


def write_translations(lattice: Lattice, unit: int, real: Sequence[int]) -> str:
    """The translations of a group that is given as to `write_group`."""
    if unit == 1 and not real:
        return str(lattice)
    if lattice.steps is not None:
        steps = [Fraction(step, unit) for step in lattice.steps]
        return " × ".join("R" if axis in real else _step(step) for axis, step in enumerate(steps))
    rows = [
        ["R" if v and axis in real else str(Fraction(v, unit)) for axis, v in enumerate(row)] for row in lattice.basis
    ]
    return "⟨" + ", ".join(f"({', '.join(row)})" for row in rows) + "⟩"


def write_group(group: SpaceGroup, unit: int = 1, real: Sequence[int] = ()) -> str:
    """The text of a group, which `read_parts` reads back.

    Args:
        group: on a grid of `unit` points a node.
        unit: 1 for a group of isometries of the grid.
        real: axes along which all real shifts belong to it.
    """
    if group.is_trivial and not real:
        return "trivial"
    parts = [write_translations(group.lattice, unit, real)] if group.lattice != group.periods or real else []
    operations = [g for g in group.generators if not g.is_translation]
    if operations:
        centre, differences = solve_centre(group.lattice, operations)
        if parts:
            parts.append("·" if centre is None else "⋊")
        if group.dim <= 3:
            parts.append(point_group_symbol(group.point_group))
        if centre is None or group.dim > 3:
            moved = [Isometry(g.matrix, tuple(Fraction(t, unit) for t in g.shift)) for g in operations]
            parts.append("{" + "; ".join(map(str, moved)) + "}")
        else:
            default = _default_centre(group.lattice, unit, real)
            if tuple(a - b for a, b in zip(centre, default, strict=True)) not in differences:
                parts.append(f"at ({', '.join(str(Fraction(v, 2 * unit)) for v in differences.reduce(centre))})")
    notes = [] if real else _notes(group, unit == 1)
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
    >>> print(parse_isometry("x + 1/2"))
    x+1/2
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
        shift.append(_numbers(f"{found[3]}{found[4]}")[0] if found[3] else 0)
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


def _parse_translations(text: str) -> tuple[list[tuple[Fraction, ...]], tuple[int, ...]]:
    """The vectors that span the translations, and the axes along which all shifts are some (with a vector there)."""
    if text[0] in "⟨<":
        inside = text[1:-1] if _SPAN.fullmatch(text[1:-1]) else ""
        listed = [[entry.strip() for entry in row.split(",")] for row in re.findall(r"\(([^)]*+)\)", inside)]
        spanned = [row for row in listed if "R" in row]
        if len({len(row) for row in listed}) != 1 or any(
            set(row) - {"R", "0"} or row.count("R") > 1 for row in spanned
        ):
            raise ValueError(f"cannot read {shown(text)} as a lattice; write its basis, such as ⟨(1, 1), (0, 2)⟩")
        rows = [_numbers(",".join("1" if entry == "R" else entry for entry in row)) for row in listed]
        return [tuple(row) for row in rows], tuple(row.index("R") for row in spanned)
    steps = [step.strip() for step in re.split("[×x]", text)]
    _check_axes(text, len(steps))
    lengths = [_length(step) for step in steps]
    rows = [tuple(s if i == j else Fraction(0) for j in range(len(steps))) for i, s in enumerate(lengths)]
    return rows, tuple(axis for axis, step in enumerate(steps) if step == "R")


def _length(step: str) -> Fraction:
    """The length of a step: of R, any one will do."""
    if step in ("0", "R"):
        return Fraction(step == "R")
    digits = step[:-1].strip("()")
    glyph = next((value for value, glyph in _VULGAR.items() if glyph == digits), None)
    return glyph if glyph is not None else _numbers(digits or "1")[0]


def _check_axes(text: str, axes: int) -> None:
    if axes > MOST_AXES:
        raise ValueError(f"cannot read {shown(text)}: it has {axes} axes; groups are read in up to {MOST_AXES}")


def _one_dimension(text: str, own: Iterable[int], asked: Iterable[int]) -> int:
    """The one dimension of what a text says, and of the grid it is asked on."""
    said, grid = set(own), set(asked)
    dims = said | grid
    if not dims:
        raise ValueError(f"{shown(text)} does not tell its dimension: pass dim= or periods=")
    if len(said) == len(grid) == 1 < len(dims):
        wanted = grid.pop()
        steps = f": name a step for each axis, such as {' × '.join('Z' * wanted)!r}" if 0 < wanted <= 4 else ""
        raise ValueError(f"{shown(text)} is about dimension {said.pop()}, asked of dimension {wanted}{steps}")
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


Generate = Callable[[int, Iterable[Isometry], Lattice | None], "SpaceGroup"]
"""From a dimension, generators and periods to the group that they generate."""


@dataclass(frozen=True)
class Parts:
    """What the text of a group says, on the grid of `unit` points a node: 1 unless it has fractions or R.

    Attributes:
        text: the text.
        symbol: of the point group or the plane group; empty for none.
        lattice: the translations; None for those that are periods.
        centre: of the point group; None if it is not said.
        explicit: representatives of the point operations.
        notes: in parentheses; None for none.
        real: the axes along which all shifts belong to the group.
    """

    text: str
    symbol: str
    lattice: Lattice | None
    centre: tuple[Fraction, ...] | None
    explicit: tuple[Isometry, ...]
    notes: str | None
    unit: int
    real: tuple[int, ...]

    def group(self, dim: int | None, periods: Lattice | None, generate: Generate) -> SpaceGroup:
        """The smallest group that contains the named one and the periods, on the grid of `unit` points a node.

        Raises:
            ValueError: if a symbol is unknown (the near ones are listed), dimensions differ, the point group does not
                map the translations or the periods to themselves, or a note is wrong.
        """
        named = _standard(self.symbol, generate) if is_plane_symbol(self.symbol) else None
        if periods is not None:
            as_kind(periods, Lattice, "the periods of a group are a lattice, such as Lattice.diagonal((8, 8))")
        own = [thing.dim for thing in (self.lattice, named, *self.explicit) if thing is not None]
        asked = [] if periods is None else [periods.dim]
        _check_axes(self.text, max([*own, *asked], default=0))
        asked += [] if dim is None else [as_integer(dim, "dim", least=0)]
        size = _one_dimension(self.text, own + ([len(self.centre)] if self.centre else []), asked)
        kept = Lattice.zero(size) if periods is None else periods
        if named is not None and (self.lattice or self.centre):
            raise ValueError(
                f"{shown(self.text)}: a plane symbol stands alone, or with generators; write the point group after "
                f"translations"
            )
        if named is not None and self.explicit:
            return self._placed(named, kept, generate)
        return self._assembled(kept, generate) if named is None else generate(size, named.generators, kept)

    def check_notes(self, group: SpaceGroup, unit: int = 1, real: Sequence[int] = ()) -> None:
        """Refuse notes that are not true of the group that was read, which is given as to `write_group`.

        Raises:
            ValueError: naming the first that is not.
        """
        if self.notes is None:
            return
        notes, true = self.notes, [] if real else _notes(group, unit == 1)
        accepted = {*true, *(full_plane_symbol(note) for note in true if is_plane_symbol(note))}
        wrong = [note.strip() for note in notes.split(",") if note.strip() not in accepted]
        if wrong:
            listed = ", ".join(true) or "none"
            raise ValueError(
                f"{shown(self.text)}: the note {shown(wrong[0])} is not true of this group; it has {listed}"
            )

    def _placed(self, named: SpaceGroup, kept: Lattice, generate: Generate) -> SpaceGroup:
        """A plane group with other representatives of its point operations."""
        moved = [Isometry.translation([self.unit * v for v in row]) for row in named.lattice.basis]
        group = generate(2, [*moved, *self.explicit], None)
        wanted, actual = (plane_group_symbol(each.lattice, each.operations) for each in (named, group))
        if (actual, group.lattice) != (wanted, generate(2, moved, None).lattice):
            raise ValueError(
                f"{shown(self.text)}: with the translations {named.lattice} of {wanted} these generators make "
                f"{actual} on {write_translations(group.lattice, self.unit, ())}; write the translations: "
                f"{write_group(group, self.unit)}"
            )
        return generate(2, group.generators, kept)

    def _assembled(self, kept: Lattice, generate: Generate) -> SpaceGroup:
        """A group from its translations and its point group, about a centre or by generators."""
        translations = kept if self.lattice is None else self.lattice + kept
        size = translations.dim
        point_group = None if self.symbol in ("", "trivial") else parse_point_group(self.symbol, size)
        matrices = [*(point_group or ()), *(g.matrix for g in self.explicit)]
        if any(axis_images(a)[axis][0] not in self.real for a in matrices for axis in self.real):
            raise ValueError(f"{shown(self.text)}: the point group takes the axes of R to others")
        operations = self.explicit
        if point_group and not self.explicit:
            default = tuple(Fraction(v, 2) for v in _default_centre(translations, self.unit, self.real))
            operations = _about(default if self.centre is None else self.centre, point_group, self.text)
        moved = [Isometry.translation(row) for row in translations.basis]
        group = generate(size, [*moved, *operations], kept)
        if group.lattice != translations:
            generated, said = (write_translations(each, self.unit, self.real) for each in (group.lattice, translations))
            raise ValueError(f"{shown(self.text)}: the operations generate more translations: {generated}, not {said}")
        if point_group and group.point_group != point_group:
            raise ValueError(
                f"{shown(self.text)}: the generators have point group {point_group_symbol(group.point_group)}"
            )
        return group


def read_parts(text: str, *, between: bool = False) -> Parts:
    """What the text of a group says.

    Args:
        text: see the module.
        between: whether point operations may move nodes to points between, where all translations are whole.

    Raises:
        ValueError: if it is not such a text.
    """
    found = _read_parts(_spaced(text, "a group"))
    if found is None:
        raise ValueError(
            f"cannot read {shown(text)} as a group; "
            f"write '2Z × 2Z ⋊ 4mm', 'Z × 2Z', '4mm at (0, 0)', 'p4m' or 'trivial'"
        )
    rows, real = _parse_translations(found["lattice"]) if "lattice" in found else (None, ())
    centre = _numbers(found["centre"]) if "centre" in found else None
    explicit = [parse_isometry(part) for part in found["generators"].split(";")] if "generators" in found else []
    finest = lcm(
        *(v.denominator for row in rows or [] for v in row), *(t.denominator for g in explicit for t in g.shift)
    )
    # The point group about a centre between the points needs the grid of half the steps.
    is_fine = finest > 1 or real or (between and "symbol" in found and not is_plane_symbol(found["symbol"]))
    unit = 2 * finest * lcm(*(c.denominator for c in centre or [])) if is_fine else 1
    lattice = None if rows is None else Lattice.span([[int(v * unit) for v in row] for row in rows], len(rows[0]))
    if lattice is not None and real:
        lattice = lattice + Lattice.diagonal([int(axis in real) for axis in range(lattice.dim)])
    return Parts(
        text=text,
        symbol=found.get("symbol", ""),
        lattice=lattice,
        centre=None if centre is None else tuple(unit * c for c in centre),
        explicit=tuple(replace(g, shift=tuple(unit * t for t in g.shift)) for g in explicit),
        notes=found.get("notes"),
        unit=unit,
        real=real,
    )


def _standard(symbol: str, generate: Generate) -> SpaceGroup:
    basis, operations = standard_instance(symbol)
    return generate(2, [*map(Isometry.translation, basis), *(Isometry(a, t) for a, t in operations)], None)
