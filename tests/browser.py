"""Pages in a headless Chromium, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scripts.get_browser import find_browser

WIDE, PHONE = (1280, 900), (390, 800)


@contextmanager
def browser() -> Iterator[Any]:
    """A browser; the test is skipped where there is none: `make test-pages` installs one."""
    api = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
    path = find_browser()
    if path is None:
        pytest.skip("there is no Chromium: python -m scripts.get_browser")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(path), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(browser: Any, address: str, size: tuple[int, int] = WIDE) -> Iterator[tuple[Any, list[str]]]:
    """A page, and the errors and warnings that it has logged so far."""
    page, complaints = browser.new_page(viewport={"width": size[0], "height": size[1]}), []
    page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    try:
        yield page, complaints
    finally:
        page.close()


def finished(page: Any, turn: int = 1) -> None:
    """Wait until the explorer has answered as many questions, the strip of sizes included."""
    page.wait_for_function(f"Number(document.querySelector('.eqx-answer')?.dataset.done) >= {turn}", timeout=120_000)


def text(page: Any, selector: str) -> str:
    return page.locator(selector).first.inner_text()
