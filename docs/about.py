"""What the front page says of the package: its version, its licence, and where its source is, from CITATION.cff."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CITATION = Path(__file__).resolve().parent.parent / "CITATION.cff"


def about(citation: Mapping[str, Any] | None = None) -> str:
    """A line in Markdown; the entry `repository-code`, if there is one, is the address of the source."""
    told = yaml.safe_load(CITATION.read_text(encoding="utf-8")) if citation is None else citation
    parts = [f"Version {told['version']}", f"{told['license']} licence"]
    if "repository-code" in told:
        parts.append(f"[source code]({told['repository-code']})")
    return " · ".join(parts)
