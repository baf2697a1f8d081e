"""Heat maps of a report: the error over the shift plane."""

from __future__ import annotations
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equinet.verify.report import Report


def plot_report(report: Report, path: str | Path, *, title: str | None = None) -> Path:
    raise NotImplementedError
