"""Take the picture of `equinet explore` that the documentation shows.

    python -m scripts.draw_explorer

writes docs/images/explore.png. It needs the extra `browser` and a Chromium: `python -m scripts.get_browser`.
"""

import threading
from importlib import import_module
from pathlib import Path

from equinet.explore.server import Explorer, address, make_server
from equinet.explore.setting import default
from scripts.get_browser import find_browser

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "explore.png"
WIDTH, HEIGHT = 1080, 800


def draw(target: Path = PICTURE) -> None:
    """Open the page of a small network, and take its picture.

    Raises:
        RuntimeError: without a Chromium.
    """
    browser = find_browser()
    if browser is None:
        raise RuntimeError("there is no Chromium: python -m scripts.get_browser")
    server = make_server(Explorer(default("small_cnn")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with import_module("playwright.sync_api").sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=str(browser), args=["--no-sandbox"])
            page = started.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"{address(server)}?model=small_cnn&size=24")
            page.wait_for_selector(".eqx-answer[data-done]", timeout=120_000)
            page.screenshot(path=target)
            started.close()
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    draw()
    print(PICTURE)
