"""equinet: the exact symmetry group of an architecture, declared, composed and measured.

A name loads the part that it comes from when it is first used. `__init__.pyi` lists them, for type checkers and here.
"""

import sys
from types import ModuleType
from typing import Any

from equinet.lazy import homes, page

__version__ = "0.1.0"

_HOMES = homes(__file__)
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = page(__name__, _HOMES)


class _Page(ModuleType):
    """A module whose functions keep the names that they share with a part: `equinet.verify` is always the function.

    Python sets a package's attribute to a part once the part is imported, by whomever.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, ModuleType) or _HOMES.get(name, __name__) == __name__:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Page
