"""The style of the figures: one look for a way down, intervals that are those of the tables, the same bytes again."""

import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from configs import fcn_vs_maxpool, why
from equinet.names import UnknownName
from equinet.train.drawing import drawing
from equinet.train.intervals import interval_of
from experiments import plots
from experiments.study import DOCS, STUDIES, kept_records, load_study


def test_ways_down_are_told_apart() -> None:
    looks = [plots.style(way) for way in plots.WAYS]
    assert set(plots.WAYS) == {"max", "stride", "conv", "conv_max", "blur", "avg", "maxblur", "aps", "lps", "none"}
    assert len({look["marker"] for look in looks}) == len(looks) == len({look["label"] for look in looks})
    # Every figure of a study has all of its ways: there colours differ too.
    for ways in (fcn_vs_maxpool.DOWNS, why.WAYS):
        assert len({plots.style(way)["color"] for way in ways}) == len(ways)
    with pytest.raises(UnknownName, match="no way down 'maxx': did you mean max"):
        plots.style("maxx")
    with pytest.raises(ValueError, match="5 things to tell apart, expected at most 4"):
        plots.series(dict.fromkeys("abcde", ""))


def drawn(x: Any, values: Any, **more: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """The mean that is drawn, the ends of its interval, and how many single seeds."""
    axes = Figure().subplots()
    plots.interval(axes, x, values, color="C0", marker="o", label="", **more)
    (container,) = axes.containers
    line, _, (bars,) = container
    ends = np.array([segment[:, 0 if more.get("flat") else 1] for segment in bars.get_segments()])
    return np.asarray(line.get_xdata() if more.get("flat") else line.get_ydata()), ends, len(axes.lines) - 1


@pytest.mark.parametrize("flat", [False, True])
def test_intervals_are_those_of_the_tables(flat: bool) -> None:
    values = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    means, ends, seeds = drawn([0, 1], values, flat=flat)
    np.testing.assert_allclose(means, [7 / 3, 5])
    np.testing.assert_allclose(ends, [interval_of([1, 2, 4]), (5, 5)])
    assert seeds == 3
    means, ends, seeds = drawn(0, [1.0, 2.0, 4.0], flat=flat, within=(0, 3))
    np.testing.assert_allclose(ends, [(0, 3)])
    # One run: a point, and nothing around it.
    means, ends, seeds = drawn(0, [2.0], flat=flat)
    assert (means.tolist(), ends.tolist(), seeds) == ([2.0], [[2.0, 2.0]], 0)
    for wrong in ([], np.ones((3, 3)), 1.0):
        with pytest.raises(ValueError, match=r"expected \[seeds, 2\], one seed or more"):
            drawn([0, 1], wrong)


def test_rows_are_named_from_the_top() -> None:
    axes = Figure().subplots()
    plots.dots(axes, [("one", [1.0, 2.0], plots.style("max")), ("none", [], plots.style("aps"))])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "none"]
    assert axes.get_ylim() == (1.5, -0.5)
    assert len(axes.containers) == 1
    plots.linear(axes, 3, flat=True)
    assert axes.lines[-1].get_xdata() == [3, 3]


def test_figures_are_the_same_bytes_whoever_draws(tmp_path: Path) -> None:
    def draw(path: Path, value: float = 1.0) -> bytes:
        with drawing(path, 2, 2) as figure:
            plots.interval(figure.subplots(), 0, [value, 2.0], **plots.style("max"))
            figure.legend(handles=plots.handles([plots.style("max"), plots.LINEAR]))
        return path.read_bytes()

    first = draw(tmp_path / "new" / "one.png")
    with matplotlib.rc_context({"axes.grid": False, "font.size": 20, "savefig.dpi": 50, "lines.linewidth": 9}):
        assert draw(tmp_path / "two.png") == first
    assert draw(tmp_path / "three.png", 1.1) != first
    with Image.open(tmp_path / "two.png") as image:
        assert "Software" not in image.info
    assert matplotlib.rcParams["axes.grid"] is matplotlib.rcParamsDefault["axes.grid"]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_draws_what_its_page_shows(name: str, tmp_path: Path) -> None:
    found = load_study(name).figures(kept_records(name), tmp_path)
    assert {path.name for path in found} == shown(name)
    for path in found:
        # Other versions of matplotlib may draw other bytes; sizes are those of the style.
        kept = DOCS / "figures" / path.name
        assert size_of(path) == size_of(kept), f"{kept}: python -m scripts.study --write"


def shown(name: str) -> set[str]:
    return set(re.findall(r"\]\(figures/([^)]*)\)", (DOCS / f"{name}.md").read_text(encoding="utf-8")))


def test_kept_figures_are_shown() -> None:
    assert {path.name for path in (DOCS / "figures").iterdir()} == set().union(*map(shown, STUDIES))


def test_colours_are_those_of_okabe_and_ito() -> None:
    known = {"#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999"}
    assert {to_hex(color) for color, *_ in (*plots.WAYS.values(), *plots.SERIES)} <= known
