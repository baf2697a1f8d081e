"""The atlas's figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from equinet.train.drawing import BLUE, SKY, VERMILLION, drawing
from experiments.atlas.page import families
from experiments.atlas.table import TABLE, Row, inferred, kept, sizes_of, step_of
from experiments.plots import handles
from experiments.summary import group_text

FITS = {"color": BLUE, "marker": "o", "label": "its step divides its size"}
ODD = {"color": VERMILLION, "marker": "s", "label": "it does not"}


def draw() -> Iterator[Path]:
    """All figures, from the table."""
    rows = inferred(kept())
    yield draw_groups(rows, TABLE.parent / "groups.png")
    yield draw_sizes(rows, TABLE.parent / "sizes.png")
    yield draw_years(rows, TABLE.parent / "years.png")


def draw_groups(rows: Sequence[Row], path: Path) -> Path:
    """For each group of the plane, how many families have an architecture that keeps it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(group_text(row["plane"]), []).append(row)
    counts = {group: len(families(members)) for group, members in found.items()}
    ordered = sorted(counts, key=lambda group: (counts[group], group))
    with drawing(path, 7.0, 0.32 * len(ordered) + 1.0) as figure:
        axes = figure.subplots()
        axes.barh(ordered, [counts[group] for group in ordered], color=BLUE)
        for place, group in enumerate(ordered):
            axes.annotate(f"{counts[group]}", (counts[group], place), (4, 0), textcoords="offset points", va="center")
        axes.set_xlabel(f"families with such an architecture, of {len(families(rows))} that were looked at")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", visible=False)
    return path


def draw_sizes(rows: Sequence[Row], path: Path) -> Path:
    """The size that architectures were published for, and the step of their shifts; the area counts architectures."""
    points: Counter[tuple[int, int]] = Counter()
    for row in rows:
        if step_of(row) and len(step_of(row)) == 2:
            points[sizes_of(row)[-1], step_of(row)[-1]] += 1
    with drawing(path, 7.0, 4.0) as figure:
        axes = figure.subplots()
        for (size, step), count in sorted(points.items()):
            look = ODD if size % step else FITS
            axes.scatter(size, step, 24 * count**0.7, color=look["color"], marker=look["marker"], alpha=0.8, zorder=2)
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("published for, pixels along an axis")
        axes.set_ylabel("step of the shifts kept on the plane, pixels")
        figure.legend(handles=handles([FITS, ODD]), loc="outside upper center", ncols=2)
    return path


KINDS = {
    "32 pixels": {"color": BLUE, "label": "32 pixels along each axis"},
    "other": {"color": SKY, "label": "another step"},
    "none": {"color": VERMILLION, "label": "no shift"},
}
"""Which shifts of the plane are kept."""


def kind_of(row: Row) -> str:
    """Of `KINDS`.

    >>> kind_of({"steps": "32×32"}), kind_of({"steps": "8×16×16"}), kind_of({"steps": "0×0"})
    ('32 pixels', 'other', 'none')
    """
    steps = step_of(row)
    return "none" if not steps else "32 pixels" if set(steps) == {32} else "other"


def draw_years(rows: Sequence[Row], path: Path) -> Path:
    """For each year, how many families have an architecture that keeps a kind of shifts."""
    years = sorted({row["year"] for row in rows if row["year"]})
    with drawing(path, 7.0, 3.2) as figure:
        axes = figure.subplots()
        for at, kind in enumerate(KINDS):
            counts = [len(families([row for row in rows if (row["year"], kind_of(row)) == (y, kind)])) for y in years]
            places = [i + 0.27 * (at - 1) for i in range(len(years))]
            axes.bar(places, counts, 0.27, color=KINDS[kind]["color"], label=KINDS[kind]["label"])
        axes.set_xticks(range(len(years)), years)
        axes.set_xlabel("year of the first paper that the family's file cites")
        axes.set_ylabel("families")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)
        figure.legend(loc="outside upper center", ncols=3)
    return path
