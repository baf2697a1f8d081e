"""The page in a browser: it says what the package says, and its console stays empty."""

import threading
from collections.abc import Iterator

import pytest

import equinet as eq
from equinet.explore import Network, Setting
from equinet.explore.server import Explorer, address, make_server
from equinet.explore.setting import OWN, default
from tests.browser import PHONE, browser, finished, opened, text

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with browser() as started:
        yield started


def served(explorer: Explorer) -> Iterator[str]:
    server = make_server(explorer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address(server)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    yield from served(Explorer(default("small_cnn"), arguments={"features": (2, 2)}))


@pytest.fixture(scope="module")
def mine() -> Iterator[str]:
    net = eq.Sequential(eq.Conv(2, 3), eq.MaxPool(2), eq.GlobalAvgPool())
    own = Network("my net <b>", net, 1, 2, lambda domain: eq.certify(net, domain, 1))
    yield from served(Explorer(Setting(OWN, size=8, wish="2Z × 2Z"), own))


def says(page, sentence: str) -> None:
    """Wait until the page's answer is a sentence."""
    page.wait_for_function(f"document.querySelector('.eqx-sentence')?.innerText == {sentence!r}")


@pytest.mark.parametrize("size", [(1280, 900), PHONE])
def test_controls_change_the_answer(chromium, site: str, size: tuple[int, int]) -> None:
    with opened(chromium, site, size) as (page, complaints):
        finished(page)
        assert text(page, ".eqx-sentence") == "Invariant under shifts by multiples of 2 along each axis"
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert text(page, ".eqx-lost").splitlines() == [
            "stage 0.0 loses point group 4mm → 1",
            "a free kernel tells directions apart",
        ]
        assert page.locator(".eqx-strip span").count() == 57
        assert page.locator(".eqx-turns svg").count() == 8
        page.select_option("select[name=padding]", "zero")
        page.wait_for_function(
            "document.querySelector('.eqx-sentence').innerText == 'Invariant under the identity alone'"
        )
        assert "padding=zero" in page.url
        assert page.locator("[role=status]").text_content() == "invariant under the identity alone"
        page.select_option("select[name=domain]", "box")
        page.wait_for_function("document.body.innerText.includes('about the centre of the image')")
        page.select_option("select[name=domain]", "plane")
        page.wait_for_function("!document.querySelector('input[name=size]')")
        assert not complaints


def test_the_slider_goes_on_while_it_is_dragged(chromium, site: str) -> None:
    with opened(chromium, site) as (page, complaints):
        finished(page)
        page.focus("input[name=size]")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.wait_for_function("new URLSearchParams(location.search).get('size') == '35'")
        finished(page, 4)
        assert page.evaluate("document.activeElement.name") == "size"
        assert text(page, ".eqx-sentence") == "Invariant under the identity alone"
        page.select_option("select[name=down]", "stride")
        page.wait_for_function("location.search.includes('down=stride') && location.search.includes('size=35')")
        assert not complaints


def test_a_repair_is_applied_and_the_way_back(chromium, site: str, mine: str) -> None:
    with opened(chromium, site) as (page, complaints):
        finished(page)
        page.click("button[name=apply]")
        says(page, "Invariant under every shift")
        assert page.locator("select[name=down]").input_value() == "aps"
        page.go_back()
        page.wait_for_function("document.querySelector('select[name=down]').value == 'max'")
        assert not complaints
    with opened(chromium, mine) as (page, complaints):
        finished(page)
        assert page.locator(".eqx-answer").inner_text().startswith("my net <b>")
        page.click("button[name=apply]")
        page.wait_for_selector("button[name=undo]")
        assert "2Z × 2Z" in page.locator(".eqx-repair").inner_text()
        page.click("button[name=undo]")
        page.wait_for_function(
            "document.querySelector('.eqx-sentence').innerText == 'Invariant under the identity alone'"
        )
        assert not complaints


def test_a_permalink_opens_what_it_says(chromium, site: str) -> None:
    with opened(chromium, f"{site}?model=fcn&down=aps&size=16&readout=flatten") as (page, complaints):
        finished(page)
        assert page.locator("select[name=model]").input_value() == "fcn"
        link = page.get_by_text("link to this setting").get_attribute("href")
        assert all(part in link for part in ("model=fcn", "down=aps", "size=16", "readout=flatten", "padding=circular"))
        page.goto(f"{site}{link}")
        finished(page)
        assert page.url.endswith(link)
        assert not complaints
    with opened(chromium, f"{site}?model=swin&size=40") as (page, complaints):
        finished(page)
        assert "must divide the sizes" in text(page, ".eqx-error")
        assert "It cannot run. Cheapest change after which it runs: size 128 instead of 40" in text(page, ".eqx-repair")
        page.click("button[name=apply]")
        says(page, "Invariant under shifts by multiples of 64 along each axis")
        assert not complaints
    with opened(chromium, f"{site}?model=nothing") as (page, complaints):
        page.wait_for_selector(".eqx-error")
        assert "no network 'nothing'" in text(page, ".eqx-error") and not complaints


def test_what_was_measured_is_drawn(chromium, mine: str) -> None:
    with opened(chromium, mine) as (page, complaints):
        finished(page)
        before = page.evaluate("document.querySelector('canvas').toDataURL()")
        page.click("button[name=measure]")
        page.wait_for_function(
            "document.querySelector('button[name=measure]').innerText == 'measured'", timeout=120_000
        )
        assert page.evaluate("document.querySelector('canvas').toDataURL()") != before
        assert "measured on random weights: passed" in page.locator(".eqx-answer").inner_text()
        assert not complaints
