"""Find a Chromium for the tests of the pages, or install one.

    python -m scripts.get_browser

prints its path. Where none is found, Debian's is installed if this is root on Debian, else the one that Playwright
brings.
"""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> Path | None:
    """The path of an installed Chromium; None if there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return _of_playwright() if found is None else Path(found)


def _of_playwright() -> Path | None:
    """The one that Playwright has downloaded."""
    try:
        api = import_module("playwright.sync_api")
    except ModuleNotFoundError:
        return None
    with api.sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


def install() -> None:
    """Install one.

    Raises:
        subprocess.CalledProcessError: if that fails.
    """
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "--quiet"], check=True)
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"], check=True)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def main() -> None:
    if find_browser() is None:
        install()
    path = find_browser()
    if path is None:
        raise SystemExit("no Chromium was found or installed: install one by hand")
    print(path)


if __name__ == "__main__":
    main()
