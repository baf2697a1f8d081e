"""Arguments from outside: the one place that says what is a whole number, a flag, a choice, and how errors show values.

A value of another kind than a layer, a domain, a group, an array or a function where one is needed is a `TypeError`.
Everything else that is wrong with an argument is a `ValueError`, numbers that are not whole included; from a layer it
is a `LayerError`, which is one. Every message is one line: what is asked, what came, what to do.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterable, Mapping, Set
from fractions import Fraction
from itertools import islice
from numbers import Integral, Real
from operator import index
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

Kind = TypeVar("Kind")

MOST_AXES = 64
"""Dimensions of a grid that are taken by number alone, where a matrix of that size is made."""

MOST_DIMENSIONS = 1 << 12
"""Of a lattice, which may hold many parameters beside the axes of a grid."""

MOST = 1 << 24
"""Channels, taps, steps and nodes along an axis that a layer may ask for: beyond it, a slip of the pen."""

MOST_ITEMS = 1 << 20
"""Entries of a sequence from outside."""

_INT = frozenset({int})
_NONE = object()
_LONGEST = 80


def as_integer(value: Any, what: str, least: int | None = None, most: int | None = None) -> int:
    """An exact integer as an `int`: no bool, no float (whole or not), no text.

    Args:
        value: an int or one of numpy's integers.
        what: what it is, for the error.
        least: the smallest that is accepted.
        most: the largest.

    Raises:
        ValueError: for anything else; the message names `what`.

    >>> import numpy as np
    >>> as_integer(np.int64(8), "the size")
    8
    """
    found = value if type(value) is int else _exact(value)
    if found is None or (least is not None and found < least) or (most is not None and found > most):
        bound = "" if least is None else f" of at least {least}"
        bound += "" if most is None else f"{' and' if bound else ' of'} at most {most}"
        raise ValueError(f"{what} must be a whole number{bound}; got {shown(value)}{_remedy(value)}")
    return found


def as_integers(values: Iterable[Any], what: str) -> tuple[int, ...]:
    """Exact integers as a tuple.

    Args:
        values: a sequence of them, or an array; not text, nor a collection without an order.
        what: what they are, for the error.

    Raises:
        ValueError: if some value is no exact integer; the message names `what`.
    """
    if type(values) is tuple and _INT.issuperset(map(type, values)):
        return values
    given = as_items(values, f"{what} must be a sequence of whole numbers")
    found = tuple(v if type(v) is int else _exact(v) for v in given)
    wrong = next((v for v, exact in zip(given, found, strict=True) if exact is None), None)
    kept = tuple(v for v in found if v is not None)
    if len(kept) < len(found):
        raise ValueError(f"{what} must be whole numbers; got {shown(given)}{_remedy(wrong)}")
    return kept


def as_rationals(values: Iterable[Any], what: str) -> tuple[int | Fraction, ...]:
    """Exact rational numbers as a tuple; those that are whole as ints.

    Floats are refused, whole or not: what was computed in them is hardly ever the fraction that is meant.

    Args:
        values: a sequence of ints, numpy's integers and fractions.
        what: what they are, for the error.

    Raises:
        ValueError: if some value is no exact rational; the message names `what`.
    """
    if type(values) is tuple and _INT.issuperset(map(type, values)):
        return values
    given = as_items(values, f"{what} must be a sequence of whole numbers or fractions")
    found = tuple(v if isinstance(v, Fraction) else _exact(v) for v in given)
    kept = tuple(v if type(v) is int or v.denominator > 1 else int(v) for v in found if v is not None)
    if len(kept) < len(found):
        wrong = next(v for v, exact in zip(given, found, strict=True) if exact is None)
        raise ValueError(f"{what} must be whole numbers or fractions; got {shown(given)}{_exactly(wrong)}")
    return kept


def as_items(values: Any, rule: str) -> tuple[Any, ...]:
    """The entries of a sequence in order: of anything but text, sets, mappings and what cannot be gone through.

    Args:
        values: the sequence.
        rule: what is asked, for the error.

    Raises:
        ValueError: for anything else.
    """
    if type(values) is tuple:
        return values
    if isinstance(values, str | bytes | bytearray | memoryview | Set | Mapping) or not is_iterable(values):
        raise ValueError(f"{rule}; got {shown(values)}")
    given = tuple(islice(values, MOST_ITEMS + 1))
    if len(given) > MOST_ITEMS:
        raise ValueError(f"{rule}, at most {MOST_ITEMS} of them; got {shown(values)}")
    return given


def as_real(value: Any, what: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite real number, as it is: no bool, no text, no array.

    Args:
        value: Python's or numpy's.
        what: what it is, for the error.
        least, most: the bounds, which are accepted.

    Raises:
        ValueError: for anything else; the message names `what`.
    """
    if not is_real(value) or not least <= value <= most:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        bound += "" if most == math.inf else f"{' and' if bound else ' of'} at most {most:g}"
        raise ValueError(f"{what} must be a finite number{bound}; got {shown(value)}")
    return value


def as_flag(value: Any, what: str) -> bool:
    """True or False, and nothing that merely counts as one.

    Raises:
        ValueError: for anything else; the message names `what`.
    """
    if value is not True and value is not False and type(value).__name__ not in ("bool", "bool_"):
        raise ValueError(f"{what} must be True or False; got {shown(value)}")
    return bool(value)


def as_choice(value: Any, choices: Collection[Any], what: str) -> Any:
    """One of some texts or numbers.

    Raises:
        ValueError: for anything else; the message lists the choices.
    """
    found = next((choice for choice in choices if is_choice(value, (choice,))), _NONE)
    if found is not _NONE:
        return found
    *first, last = [repr(choice) for choice in choices]
    listed = f"{', '.join(first)} or {last}" if first else last
    raise ValueError(f"{what} must be {listed}; got {shown(value)}")


def as_kind(value: Any, kind: type[Kind] | tuple[type[Kind], ...], what: str) -> Kind:
    """An object of a class.

    Args:
        value: the object.
        kind: its class.
        what: who needs what, with an example, for the error: "certify needs a domain, such as eq.torus(32, 32)".

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(value, kind):
        do = or_instance(value, "")
        raise TypeError(f"{what}; got {shown(value)} of type {type(value).__name__}{': ' if do else ''}{do}")
    return value


def is_function(value: Any) -> bool:
    """Whether something can be called with an array. A class cannot, nor a layer without its variables."""
    return callable(value) and not isinstance(value, type) and not getattr(value, "is_unbound", False)


def or_instance(value: Any, remedy: str) -> str:
    """What to do about something that is no function, layer or model: a remedy of one's own, unless it is a class."""
    return f"it is a class: make an instance, {value.__name__}(…)" if isinstance(value, type) else remedy


def as_function(value: Any, what: str, remedy: str = "") -> Any:
    """Something that can be called with one argument.

    Args:
        value: the function.
        what: who needs what, with an example, for the error.
        remedy: what to do, likewise.

    Raises:
        TypeError: for anything else.
    """
    if is_function(value):
        try:
            inspect.signature(value).bind(None)
            return value
        except ValueError:  # it does not say
            return value
        except TypeError:
            pass
    do = or_instance(value, remedy)
    raise TypeError(f"{what}; got {shown(value)}{': ' if do else ''}{do}")


def is_choice(value: Any, choices: Collection[Any]) -> bool:
    """Whether a value is one of some texts or numbers; no bool is a number, and nothing is compared with an array."""
    for choice in choices:
        if value is choice or (type(value) is type(choice) and value == choice):
            return True
        if is_integer(choice) and is_integer(value) and int(value) == choice:
            return True
    return False


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether a value is an exact integer."""
    return type(value) is int or _exact(value) is not None


def is_real(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_iterable(values: Any) -> bool:
    """Whether a value can be gone through."""
    try:
        iter(values)
    except TypeError:
        return False
    return True


def shown(value: Any) -> str:
    """A value as errors show it: one line, and not a long one."""
    try:
        text = f"({', '.join(map(shown, value))}{',' * (len(value) == 1)})" if type(value) is tuple else repr(value)
    except (RecursionError, ValueError, TypeError):
        # Nested too deeply, or more digits than Python prints.
        text = f"{type(value).__name__}(…)"
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _exact(value: Any) -> int | None:
    # What can be an index need not be a number: a fibre can.
    if isinstance(value, bool) or not (isinstance(value, Integral) or getattr(value, "shape", None) == ()):
        return None
    try:
        return int(index(value))
    except TypeError:
        return None


def _remedy(value: Any) -> str:
    if not isinstance(value, float) or not math.isfinite(value):
        return ""
    return f": write {int(value)}" if value.is_integer() else ": round it first, if that is what is meant"


def _exactly(value: Any) -> str:
    if not isinstance(value, float) or not math.isfinite(value):
        return ""
    if value.is_integer():
        return f": write {int(value)}"
    near = Fraction(value).limit_denominator(1000)
    return f": write Fraction({near.numerator}, {near.denominator}), if that is what is meant"


def as_target(path: str | Path, asker: str) -> Path:
    """A file to write, in a folder that is there.

    Raises:
        TypeError: if it is no path.
        ValueError: if no file can have such a name.
        FileNotFoundError: if there is no such folder.
        IsADirectoryError: if it is a folder itself.
    """
    if not isinstance(path, str | Path) or "\0" in str(path):
        raise TypeError(
            f"{asker} writes to a path, such as 'report.json'; got {shown(path)} of type {type(path).__name__}"
        )
    target = Path(path)
    try:
        within, taken = target.parent.is_dir(), target.is_dir()
    except OSError as error:
        raise ValueError(f"{asker} cannot write to {shown(str(target))}: {error.strerror}") from None
    if not within:
        raise FileNotFoundError(f"{asker}: there is no folder {shown(str(target.parent))} to write to: make it first")
    if taken:
        raise IsADirectoryError(f"{asker}: {shown(str(target))} is a folder: name a file in it")
    return target
