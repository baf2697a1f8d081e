"""The letter F, which no turn or mirror leaves as it is, drawn after a point operation beside what is said of it."""

from __future__ import annotations

from typing import Any

from equinet.groups import Matrix

OUTLINE = ((-9, -5), (-9, 6), (-6, 6), (-6, -2), (-2, -2), (-2, 4), (1, 4), (1, -2), (9, -2), (9, -5))
"""Corners of an upright F: along axis 0 downwards, along axis 1 to the right."""
HALF = 9
"""Of the square that holds it, in these units."""


def moved(matrix: Matrix) -> list[tuple[int, int]]:
    """The corners after a point operation of the plane, to the right and upwards as figures have them.

    >>> moved(((0, -1), (1, 0)))[0]  # a quarter turn of the upper left corner, clockwise with axis 0 downwards
    (-9, -5)
    """
    (a, b), (c, d) = matrix
    return [(c * down + d * right, -(a * down + b * right)) for down, right in OUTLINE]


def add_letter(axes: Any, matrix: Matrix, at: tuple[float, float], *, beside: str, colour: str = "0.25") -> None:
    """Draw it in points, outside of an axes.

    Args:
        axes: beside which.
        matrix: of two dimensions.
        at: where, as fractions of the axes; along a row of bars, the place of the bar.
        beside: "title", above the left end, or "bar", at the right end.
        colour: of the letter.
    """
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea
    from matplotlib.patches import Polygon

    size = 11.0
    area = DrawingArea(size, size)
    scale = size / 2 / HALF
    corners = [((x + HALF) * scale, (y + HALF) * scale) for x, y in moved(matrix)]
    area.add_artist(Polygon(corners, closed=True, facecolor=colour, edgecolor="none"))
    above = beside == "title"
    axes.add_artist(
        AnnotationBbox(
            area,
            at,
            xycoords="axes fraction" if above else ("axes fraction", "data"),
            box_alignment=(0, -0.3) if above else (-0.3, 0.5),
            frameon=False,
            pad=0,
            annotation_clip=False,
        )
    )
