"""equinet: the exact symmetry group of an architecture, declared, composed and measured.

A name loads the part that it comes from when it is first used. `__init__.pyi` lists them, for type checkers and here.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    words[3]: words[1]
    for line in Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines()
    if (words := line.split())[:1] == ["from"]
}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    home = _HOMES[name]
    found = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*_HOMES, *(name for name in globals() if name.startswith("__"))})


class _Page(ModuleType):
    """A module whose functions keep the names that they share with a part: `equinet.verify` is always the function.

    Python sets a package's attribute to a part once the part is imported, by whomever.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, ModuleType) or _HOMES.get(name, __name__) == __name__:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Page
