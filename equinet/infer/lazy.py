"""Values that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Lazy:
    """A function of other lazy values, computed once and only if it is asked for.

    Without recursion: a program may compute a number from a number hundreds of times before anybody asks.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Lazy) -> None:
        self._function: Callable[..., Any] | None = function
        self._arguments = arguments
        self._value: Any = None

    @property
    def value(self) -> Any:
        """The value."""
        waiting = [self]
        while waiting:
            one = waiting[-1]
            if one._function is None:
                waiting.pop()
                continue
            first = [a for a in one._arguments if a._function is not None]
            if first:
                waiting += first
                continue
            one._value = one._function(*(a._value for a in one._arguments))
            one._function, one._arguments = None, ()
        return self._value
