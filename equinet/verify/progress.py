"""A progress bar over the chunks of a sweep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from equinet.markup import can_draw_bars

LONG = 50
"""Chunks from which a sweep is long enough for a progress bar."""


@contextmanager
def progress_bar(total: int, wanted: bool | None) -> Iterator[Callable[[], object]]:
    """Gives what to call after each chunk; `wanted` None: a bar on long sweeps in a terminal."""
    show = total >= LONG and sys.stderr.isatty() if wanted is None else wanted
    if not (show and can_draw_bars()):
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("sweeping", total=total)
        yield lambda: bar.advance(task)
