"""The letter F beside a point operation is turned as images are, and no two operations look alike."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import equinet as eq
from equinet.groups import Isometry
from equinet.verify.letters import HALF, OUTLINE, add_letter, moved
from scripts import draw_operations

OPERATIONS = [Isometry(matrix, (0, 0)) for matrix in eq.plane(2).group.point_group]


def drawn(corners: list[tuple[int, int]]) -> np.ndarray:
    """A picture of a polygon given to the right and upwards, axis 0 downwards: the squares within it."""
    size = 2 * HALF
    picture = np.zeros((size, size), bool)
    for i in range(size):
        for j in range(size):
            x, y = j - HALF + 0.5, HALF - i - 0.5
            crossings = 0
            for (a, b), (c, d) in zip(corners, corners[1:] + corners[:1], strict=True):
                if (b > y) != (d > y) and x < a + (y - b) * (c - a) / (d - b):
                    crossings += 1
            picture[i, j] = crossings % 2
    return picture


@pytest.mark.parametrize("g", OPERATIONS, ids=str)
def test_a_letter_is_moved_as_an_image_is(g: Isometry) -> None:
    upright = drawn([(right, -down) for down, right in OUTLINE])
    matrix = np.array(g.matrix)
    expected = np.zeros_like(upright)
    for place in np.argwhere(upright):
        centred = 2 * place - (2 * HALF - 1)
        expected[tuple((matrix @ centred + 2 * HALF - 1) // 2)] = True
    np.testing.assert_array_equal(drawn(moved(g.matrix)), expected)


def test_no_two_operations_look_alike() -> None:
    assert len({tuple(sorted(moved(g.matrix))) for g in OPERATIONS}) == len(OPERATIONS) == 8


def test_letters_have_ink() -> None:
    blank, figure = Figure(), Figure()
    blank.subplots()
    add_letter(figure.subplots(), ((0, -1), (1, 0)), (0.5, 1), beside="title")
    pictures = []
    for each in (blank, figure):
        held = BytesIO()
        each.savefig(held, format="png")
        held.seek(0)
        pictures.append(imread(held))
    assert (pictures[0] != pictures[1]).any()


def test_the_picture_of_the_point_groups_is_up_to_date() -> None:
    assert draw_operations.PICTURE.read_text() == draw_operations.draw(), "python -m scripts.draw_operations"
    assert set(draw_operations.OPERATIONS) == {g.matrix for g in OPERATIONS}
    rows = draw_operations.draw().split(' font-weight="bold" text-anchor="start"')[1:]
    blue = [row.count(draw_operations.BLUE) for row in rows]
    assert blue == [len(eq.SpaceGroup.parse(name, 2).point_group) for name in draw_operations.GROUPS]
