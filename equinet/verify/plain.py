"""Results in plain types: numbers that JSON has, and text that goes to a file as well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from equinet.checks import as_target


def finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and isfinite(value) else None


def no_axes_lines(dim: int, returned: Sequence[int]) -> Iterator[str]:
    """What a report says if an output has spatial axes where the claim has none: why elements fail, most likely.

    Args:
        dim: the number of spatial axes that the claim says the output has.
        returned: the shape of the output for one input.
    """
    if dim == 0 and len(returned) > 1:
        axes = ", ".join(map(str, returned))
        yield f"  the claim's output has no spatial axes, so that nothing in it moves; the function returns [n, {axes}]"


def written(value: Any, path: str | Path | None, *, allow_nan: bool = True) -> str:
    """Plain types as JSON text, which is also written to `path` if one is given.

    Raises:
        ValueError: for a path that cannot be written, before anything else; for NaN or infinity, if not allowed.
    """
    target = None if path is None else as_target(path, "to_json")
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=allow_nan)
    if target is not None:
        target.write_text(text + "\n", encoding="utf-8")
    return text
