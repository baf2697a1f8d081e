"""Whole numbers from outside: Python's and numpy's integers, and nothing that is only near one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from operator import index
from typing import Any, TypeGuard


def as_integer(value: Any, what: str, least: int | None = None) -> int:
    """An exact integer as an `int`: no bool, no float (whole or not), no text.

    Args:
        value: an int or one of numpy's integers.
        what: what it is, for the error.
        least: the smallest that is accepted.

    Raises:
        ValueError: for anything else; the message names `what`.

    >>> import numpy as np
    >>> as_integer(np.int64(8), "the size")
    8
    """
    found = value if type(value) is int else _exact(value)
    if found is None or (least is not None and found < least):
        bound = "" if least is None else f" of at least {least}"
        raise ValueError(f"{what} must be a whole number{bound}; got {value!r}{_remedy(value)}")
    return found


def as_integers(values: Iterable[Any], what: str) -> tuple[int, ...]:
    """Exact integers as a tuple.

    Args:
        values: a sequence of them, or an array; not text, nor a collection without an order.
        what: what they are, for the error.

    Raises:
        ValueError: if some value is no exact integer; the message names `what`.
    """
    if type(values) is tuple and all(type(v) is int for v in values):
        return values
    if isinstance(values, str | bytes | bytearray | Set | Mapping) or not _is_iterable(values):
        raise ValueError(f"{what} must be a sequence of whole numbers; got {values!r}")
    given = tuple(values)
    found = tuple(v if type(v) is int else _exact(v) for v in given)
    wrong = next((v for v, exact in zip(given, found, strict=True) if exact is None), None)
    kept = tuple(v for v in found if v is not None)
    if len(kept) < len(found):
        raise ValueError(f"{what} must be whole numbers; got {_shown(given)}{_remedy(wrong)}")
    return kept


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether a value is an exact integer."""
    return type(value) is int or _exact(value) is not None


def _exact(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return int(index(value))
    except TypeError:
        return None


def _is_iterable(values: Any) -> bool:
    try:
        iter(values)
    except TypeError:
        return False
    return True


def _shown(values: tuple[Any, ...]) -> str:
    return f"({', '.join(map(repr, values))}{',' if len(values) == 1 else ''})"


def _remedy(value: Any) -> str:
    if not isinstance(value, float):
        return ""
    return f": write {int(value)}" if value.is_integer() else ": round it first, if that is what is meant"
