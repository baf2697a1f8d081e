"""Draw the point operations of the square and the point groups that they make up, by what they do to the letter F.

    python -m scripts.draw_operations

writes docs/images/operations.svg.
"""

from pathlib import Path

from equinet import Isometry, SpaceGroup
from equinet.groups.symbols.words import in_words
from equinet.verify.letters import moved

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "operations.svg"
OPERATIONS = {
    ((1, 0), (0, 1)): "nothing",
    ((-1, 0), (0, -1)): "half turn",
    ((0, 1), (-1, 0)): "quarter turn",
    ((0, -1), (1, 0)): "quarter turn",
    ((-1, 0), (0, 1)): "mirror",
    ((1, 0), (0, -1)): "mirror",
    ((0, 1), (1, 0)): "mirror",
    ((0, -1), (-1, 0)): "mirror",
}
"""Every operation on (axis 0, axis 1), in the order of the columns."""
GROUPS = ("1", "2", "m_x", "m_y", "2mm", "4", "4mm")
BLUE, GREY = "#0072b2", "#d0d0d0"
LEFT, STEP, TOP, ROW = 190, 80, 62, 46


def draw() -> str:
    """The picture, as SVG."""
    width, height = LEFT + STEP * len(OPERATIONS), TOP + ROW * len(GROUPS) + 6
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img">',
        "<title>The point operations of the square, and which of them each point group has</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for column, (matrix, name) in enumerate(OPERATIONS.items()):
        x = LEFT + STEP * (column + 0.5)
        lines += [_text(x, 22, str(Isometry(matrix, (0, 0))), "bold"), _text(x, 40, name)]
    for row, name in enumerate(GROUPS):
        group, y = SpaceGroup.parse(name, 2), TOP + ROW * (row + 0.5)
        words = in_words(group) if not group.is_trivial else "nothing moves"
        lines += [_text(12, y, name, "bold", "start"), _text(60, y, words, anchor="start")]
        for column, matrix in enumerate(OPERATIONS):
            place = f"translate({LEFT + STEP * (column + 0.5):g} {y - 4:g}) scale(1.6 -1.6)"
            colour = BLUE if matrix in group.point_group else GREY
            corners = " ".join(f"{x},{y}" for x, y in moved(matrix))
            lines.append(f'<polygon points="{corners}" transform="{place}" fill="{colour}"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, weight: str = "normal", anchor: str = "middle") -> str:
    look = f'font-size="13" font-weight="{weight}" text-anchor="{anchor}" fill="#111"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{text}</text>'


def main() -> None:
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
