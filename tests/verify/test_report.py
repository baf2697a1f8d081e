"""What a report says, writes and draws."""

import html
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import equinet as eq
from equinet.groups import Isometry
from equinet.groups.domain import torus
from equinet.verify import Report, discover, verify
from equinet.verify.plot import by_coset
from tests.compiled import init
from tests.verify.functions import T6, Case, case, conv, shifts


def measure(c: Case, mode: str = "sweep") -> Report:
    return verify(c.once, c.group, c.domain, channels=1, action=c.action, mode=mode, key=0)


def test_text_of_a_sweep() -> None:
    text = str(measure(case("circular conv, pooled")))
    assert text.startswith("PASSED: 2Z × 2Z (p1, index 4) on torus(8, 8), mode sweep, float32")
    assert "sound: yes   tight: yes   elements measured: 512" in text
    assert "errors: those that hold reach" in text
    assert "those that break start at" in text
    rows = {line.split("   ")[0].strip(): line.split() for line in text.splitlines()}
    assert rows["point operation"][-1] == "hold"
    assert rows["x, y"][-1] == "16"
    assert rows["-y, x"][-1] == "0"


def test_text_of_a_failure_names_the_elements() -> None:
    report = verify(conv, T6.group, T6, channels=1, key=0)
    text = str(report)
    assert text.startswith("FAILED")
    assert "sound: NO   tight: not measured" in text
    assert "claimed, fails: (" in text
    element, error = report.worst
    assert error == max(report.errors.values()) == report.errors[element]
    loose = str(verify(conv, shifts(T6, 2, 2), T6, channels=1, mode="sweep", key=0))
    assert "not claimed, holds: (x, y+1) with output (x, y+1)" in loose
    assert "… and " in loose


def test_errors_map_isometries_to_numbers() -> None:
    report = measure(case("circular conv"))
    assert all(isinstance(g, Isometry) and isinstance(e, float) for g, e in report.errors.items())
    assert report.errors[Isometry.translation((1, 2))] <= report.tol
    assert report.errors[Isometry(((-1, 0), (0, 1)), (0, 0))] > report.tol


def test_separation_is_the_gap_between_rounding_and_breaking() -> None:
    report = measure(case("circular conv"))
    held, broken = report.separation
    assert held == max(report.claimed.values())
    assert broken == min(report.outside.values())
    assert measure(case("pointwise")).separation[1] is None


def test_json(tmp_path: Path) -> None:
    report = measure(case("padded pool, even box"))
    path = tmp_path / "report.json"
    text = report.to_json(path)
    assert json.loads(path.read_text()) == json.loads(text)
    record = json.loads(text)
    assert record["passed"] is record["sound"] is record["tight"] is True
    assert record["domain"] == "box(8, 8)"
    assert len(record["elements"]) == 8
    assert {row["element"] for row in record["elements"] if row["claimed"]} == {"x, y", "y, x"}
    assert record["tolerance"] == report.tol


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("circular conv, pooled", "sweep"),
        ("circular conv, pooled", "cosets"),
        ("circular conv, pooled", "generators"),
        ("1-D slices", "sweep"),
        ("3-D", "sweep"),
        ("padded pool, even box", "sweep"),
        ("running sum of a cylinder", "sweep"),
    ],
)
def test_plots_have_ink(name: str, mode: str, tmp_path: Path) -> None:
    path = measure(case(name), mode).plot(tmp_path / "figure.png")
    picture = np.asarray(imread(path))[..., :3]
    assert min(picture.shape[:2]) > 200
    blue = (picture[..., 2] > picture[..., 0] + 0.2).mean()
    assert blue > 0.0003, "elements that hold are blue"


@pytest.mark.thorough
def test_title_and_format(tmp_path: Path) -> None:
    path = measure(case("circular conv")).plot(tmp_path / "figure.svg", title="Shifts of one layer")
    assert "<svg" in path.read_text()


@pytest.mark.thorough
def test_a_figure_in_hand_and_in_the_place_of_axes(tmp_path: Path) -> None:
    report = measure(case("circular conv"), "sweep")
    figure = report.plot()
    assert isinstance(figure, Figure) and figure.get_axes()
    assert figure._repr_png_().startswith(b"\x89PNG")  # pyright: ignore[reportAttributeAccessIssue]
    mine = Figure(figsize=(12, 5))
    left, right = mine.subplots(1, 2)
    left.plot([0, 1])
    assert report.plot(ax=right) is mine
    assert left in mine.axes and right not in mine.axes and len(mine.axes) > 2
    mine.savefig(tmp_path / "mine.png")
    with pytest.raises(TypeError, match="plot: ax is an Axes of matplotlib"):
        report.plot(ax=3)
    with pytest.raises(ValueError, match="has a place in a grid"):
        report.plot(ax=mine.add_axes((0.1, 0.1, 0.2, 0.2)))


POOLED = (
    eq.MaxPool(2),
    eq.Conv(2, 3, stride=2, padding="circular"),
    eq.Sequential(eq.AvgPool(3), eq.GlobalAvgPool()),
)


@pytest.mark.parametrize("layer", POOLED, ids=str)
def test_cosets_are_drawn_whole_and_as_a_sweep_finds_them(layer: eq.Layer) -> None:
    domain = eq.torus(6, 6)
    certificate, bound = eq.certify(layer, domain, 1), layer.bind(init(layer, 0, (6, 6, 1)))
    few, every = (eq.verify(bound, certificate, key=0, mode=mode) for mode in ("cosets", "sweep"))
    assert len(few.errors) < len(every.errors)
    drawn = {g: error for part in by_coset(few).values() for g, error in part.items()}
    assert drawn.keys() == every.errors.keys() == set(domain.group.elements())
    assert {g for g, e in drawn.items() if e <= few.tol} == {g for g, e in every.errors.items() if e <= every.tol}
    assert all(drawn[g] == error for g, error in few.errors.items())
    kept = [g for part in by_coset(every).values() for g in part]
    assert len(kept) == len(every.errors)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["circular conv", "1-D slices", "padded pool, even box"])
def test_reports_as_html(name: str) -> None:
    report = measure(case(name))
    page = report._repr_html_()
    assert html.escape(str(report).splitlines()[0]) in page and "<script" not in page
    assert "data:image/png;base64," in page and report.verdict.upper() in page


def test_what_is_discovered_as_html() -> None:
    found = discover(lambda x: x[:, ::2], torus(8), channels=1, key=0)
    page = found._repr_html_()
    assert str(found.strict) in page and "x+2" in page and "<script" not in page
    assert repr(found) == f"Discovered(torus(8): strict {found.strict}, invariance {found.invariance})"


def test_an_output_that_never_varies_shows_nothing_and_the_report_says_so() -> None:
    """As of a network whose last layer starts with zeros."""
    ramp = jnp.arange(8.0).reshape(1, 8, 1)
    everything = eq.torus(8).group
    dead = eq.verify(lambda x: jax.nn.relu(x - 1e9) * ramp, everything, eq.torus(8), channels=1, key=0)
    assert dead.passed and dead.constant
    assert "the output is the same on all these inputs and at all nodes, so that any claim holds" in str(dead)
    alive = eq.verify(lambda x: x, everything, eq.torus(8), channels=1, key=0)
    assert alive.passed and not alive.constant and "so that any claim holds" not in str(alive)
