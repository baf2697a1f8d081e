"""Names of a package that load the part that they come from when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any


def homes(file: str) -> dict[str, str]:
    """The names that the stub beside a file lists, each with the module that it comes from."""
    stub = Path(file).with_suffix(".pyi").read_text(encoding="utf-8")
    return {words[3]: words[1] for line in stub.splitlines() if (words := line.split())[:1] == ["from"]}


def page(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package with such names."""
    own = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        home = homes[name]
        own[name] = import_module(f"{home}.{name}") if home == package else getattr(import_module(home), name)
        return own[name]

    return load, lambda: sorted({*homes, *(name for name in own if name.startswith("__"))})
