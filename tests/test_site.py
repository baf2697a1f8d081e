"""The site of the documentation in a browser: no page has an error in its console, and the front page is fast."""

import contextlib
import functools
import importlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from experiments.atlas.page import html_table
from experiments.atlas.table import kept, looked_at
from scripts import draw_explorer
from tests.browser import PHONE, WIDE, browser, finished, opened

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent


class Quiet(SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        """To a page that may have gone on to another."""
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of the built site, and its pages."""
    for name in ("sphinx", "furo", "myst_nb"):
        pytest.importorskip(name, reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "--quiet", "-d", str(folder / "trees"), "docs", str(folder / "html")]
    subprocess.run(build, check=True, cwd=ROOT)
    html = folder / "html"
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = [str(path.relative_to(html)) for path in sorted(html.rglob("*.html"))]
    yield f"http://127.0.0.1:{server.server_address[1]}/", pages
    server.shutdown()
    server.server_close()


def test_no_page_has_an_error_in_its_console_or_asks_another_server(site: tuple[str, list[str]]) -> None:
    address, pages = site
    local, faults, elsewhere = (address, "data:", "blob:"), [], list[str]()
    with browser() as started, opened(started, f"{address}index.html") as (page, complaints):
        page.on("request", lambda asked: None if asked.url.startswith(local) else elsewhere.append(asked.url))
        for name in pages:
            if name.startswith("_modules/"):
                continue
            complaints.clear()
            page.goto(f"{address}{name}", wait_until="load")
            faults += [f"{name}: {complaint}" for complaint in complaints]
    assert len(pages) > 30 and not faults, faults[:20]
    assert not elsewhere, elsewhere[:20]


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_formulas_are_typeset_by_the_browser_alone(site: tuple[str, list[str]], size: tuple[int, int]) -> None:
    with browser() as started, opened(started, f"{site[0]}theory.html", size) as (page, complaints):
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        formulas = page.locator("article math")
        assert formulas.count() > 200 and "\\" not in "".join(formulas.all_text_contents())
        raised = page.locator("article math msup").first
        whole, exponent = raised.bounding_box(), raised.locator("> *").last.bounding_box()
        assert exponent["y"] + exponent["height"] < whole["y"] + whole["height"], "an exponent stands above the line"
        assert not complaints


@pytest.mark.parametrize("wrong", ["x_1_2", r"\left( a", r"\nosuchthing + 1"])
def test_what_is_no_formula_is_refused(wrong: str) -> None:
    pytest.importorskip("latex2mathml", reason="the extra docs is not installed")
    with pytest.raises(ValueError, match="formula"):
        importlib.import_module("docs.formulas").mathml(wrong)


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_front_page_is_there_within_a_second_and_its_explorer_answers(
    site: tuple[str, list[str]], size: tuple[int, int]
) -> None:
    with browser() as started, opened(started, f"{site[0]}index.html", size) as (page, complaints):
        times = []
        for _ in range(5):
            page.reload(wait_until="load")
            times.append(page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"))
        assert min(times) < 1000, times
        finished(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.select_option("select[name=padding]", "zero")
        said = "Invariant under the identity alone"
        page.wait_for_function(f"document.querySelector('.eqx-sentence').innerText == {said!r}")
        assert not complaints


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_table_of_the_atlas_is_searched_filtered_and_sorted(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "_static").mkdir()
    for path in (*(ROOT / "docs" / "atlas").iterdir(), *(ROOT / "docs" / "tabulator").iterdir()):
        (tmp_path / "_static" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "atlas.html").write_text(f"<meta charset='utf-8'>{html_table(kept())}", encoding="utf-8")
    rows = looked_at(kept())
    with browser() as started, opened(started, (tmp_path / "atlas.html").as_uri(), size) as (page, complaints):
        page.wait_for_selector("#atlas[data-ready=yes]")

        def said(count: int) -> str:
            return f"{count} of the {len(rows)} architectures of this table"

        def told(count: int) -> None:
            page.wait_for_function(f"document.getElementById('atlas-count').innerText == '{said(count)}'")

        assert page.inner_text("#atlas-count") == f"{len(rows)} architectures"
        named = [row for row in rows if "resnet" in f"{row['name']} {row['family']} {row['plane_loss']}"]
        searched = [row for row in named if "32Z" in row["plane"]]
        assert 0 < len(searched) < len(rows)
        page.fill("#atlas-search", "32z resnet")
        told(len(searched))
        page.fill("#atlas-search", "")
        told(len(rows))
        names = page.locator(".tabulator-col[tabulator-field=name] input")
        names.press_sequentially("torchvision:")
        told(sum(row["name"].startswith("torchvision:") for row in rows))
        names.press("Control+A")
        names.press("Backspace")
        told(len(rows))
        page.click(".tabulator-col[tabulator-field=input] .tabulator-col-sorter")
        smallest = min(int(row["sizes"].partition("×")[0]) for row in rows if row["sizes"])
        page.wait_for_function(
            f"document.querySelector('.tabulator-row [tabulator-field=input]').innerText.startsWith('{smallest}')"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert not complaints


UNSORTED = {
    "name": ["b", "", "a", "c", "", "d", "e", "f"],
    "number": ["10,000 ± 3", "−0.5 [−1, 0]", "3e-07", "–", "0.45", "all", "0.5 %", "0.5"],
    "group": ["16Z × 16Z", "2Z × 2Z", "trivial", "Z × Z", "", "2Z × 4Z", "10Z", "3-D"],
}
SORTED = {
    "name": ["a", "b", "b", "c", "c", "d", "e", "f"],
    "number": ["−0.5 [−1, 0]", "3e-07", "0.45", "0.5", "0.5 %", "10,000 ± 3", "all", "–"],
    "group": ["2Z × 2Z", "2Z × 4Z", "3-D", "10Z", "16Z × 16Z", "trivial", "Z × Z", ""],
}
"""Numbers are less than words, and blanks come last. A blank name is that of the row above."""


def _page_of_tables(folder: Path) -> Path:
    """A page with the table above, with one that is a row shorter, and with one that has no rows."""
    rows = list(zip(*UNSORTED.values(), strict=True))

    def shown(rows: list[tuple[str, ...]]) -> str:
        cells = ("".join(f"<td><p>{cell}</p></td>" for cell in row) for row in rows)
        head = "".join(f"<th><p>{name}</p></th>" for name in (*UNSORTED, ""))
        body = "".join(f"<tr>{row}<td></td></tr>" for row in cells)
        return f'<div class="table-wrapper"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

    script = (ROOT / "docs" / "style" / "sort.js").as_uri()
    text = f"<meta charset='utf-8'><script src='{script}' defer></script>{shown(rows)}{shown(rows[:-1])}"
    text += shown([]).replace("<tbody></tbody>", "")
    (folder / "tables.html").write_text(text, encoding="utf-8")
    return folder / "tables.html"


def _column(page: Any, number: int) -> list[str]:
    return [cell.strip() for cell in page.locator(f"tbody >> nth=0 >> td:nth-child({number + 1})").all_inner_texts()]


def test_tables_with_many_rows_are_sorted_by_a_click_on_a_head(tmp_path: Path) -> None:
    with browser() as started, opened(started, _page_of_tables(tmp_path).as_uri()) as (page, complaints):
        assert page.locator("table >> nth=0 >> button").count() == 3, "a head without a title sorts nothing"
        assert page.locator("table >> nth=1 >> button").count() == 0
        for number, name in enumerate(UNSORTED):
            button = page.locator("button", has_text=name)
            button.click()
            assert _column(page, number) == SORTED[name]
            assert page.locator("th[aria-sort]").all_inner_texts() == [name]
            button.press("Enter")
            last = [cell for cell in SORTED[name] if cell in ("", "–", "all")]
            assert _column(page, number) == [*reversed(SORTED[name][: 8 - len(last)]), *last]
            assert page.get_attribute("th[aria-sort]", "aria-sort") == "descending"
        assert {(name, number) for name, number in zip(_column(page, 0), _column(page, 1), strict=True)} == set(
            zip(["b", "b", "a", "c", "c", "d", "e", "f"], UNSORTED["number"], strict=True)
        ), "rows stay whole"
        assert not complaints


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("name", ["gallery", "packages", "layers", "choose", "performance", "studies/fcn_vs_maxpool"])
def test_wide_tables_sort_and_scroll_within_their_page(
    site: tuple[str, list[str]], name: str, size: tuple[int, int]
) -> None:
    with browser() as started, opened(started, f"{site[0]}{name}.html", size) as (page, _):
        table = page.locator(".table-wrapper table:has(button.sort)").first
        table.locator("button").first.click()
        assert table.locator("th[aria-sort=ascending]").count() == 1
        first = [cell.casefold() for cell in table.locator("td:first-child").all_inner_texts()]
        assert len(first) >= 8 and first[0] <= first[-1]
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_column_that_says_why_is_seen_without_scrolling_aside(
    site: tuple[str, list[str]], size: tuple[int, int]
) -> None:
    with browser() as started, opened(started, f"{site[0]}gallery.html", size) as (page, _):
        place = page.locator("th", has_text=re.compile("^why$")).bounding_box()
        assert place["x"] >= 0 and place["x"] + place["width"] <= size[0]


def test_the_picture_of_the_explorer_can_be_taken_again(tmp_path: Path) -> None:
    with browser():
        pass  # it skips the test where there is none
    draw_explorer.draw(tmp_path / "page.png")
    kept, made = (imread(path) for path in (draw_explorer.PICTURE, tmp_path / "page.png"))
    assert made.shape == kept.shape and made.shape[:2] == (draw_explorer.HEIGHT, draw_explorer.WIDTH)
    assert (abs(made - kept) < 0.1).mean() > 0.9  # fonts differ between machines
