"""Commands run in this process."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scripts.lines import Ended, run_line


@pytest.fixture
def run_command(tmp_path: Path) -> Callable[..., Ended]:
    """`run_command("query", "--model=fcn")` runs `equinet query --model=fcn` in a folder of its own."""
    return lambda command, *flags: run_line(importlib.import_module(f"equinet.cli.{command}"), flags, tmp_path)
