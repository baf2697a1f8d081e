"""Checks of what layers are made with, each where the layer is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from equinet.checks import MOST, as_choice, as_real, is_integer, shown
from equinet.groups.fibre import Fibre, as_fibre
from equinet.layers.base import Layer, LayerError, Shape

Check = Callable[[Any, str], Any]
"""A hyperparameter, checked and held as plain numbers, from what was given and what to call it."""


def check(layer: Layer, **checks: Check) -> None:
    """Check hyperparameters where a layer is made: each by what a keyword of its name says.

    Raises:
        LayerError: naming the layer and the hyperparameter.
    """
    for name, as_checked in checks.items():
        try:
            found = as_checked(getattr(layer, name), name)
        except (TypeError, ValueError) as error:
            raise LayerError(f"{type(layer).__name__}: {error}") from None
        object.__setattr__(layer, name, found)


def count(value: Any, what: str) -> int:
    """An integer from 1 on."""
    if not is_integer(value) or not 1 <= value <= MOST:
        raise ValueError(f"{what} must be an integer of at least 1 and at most {MOST}; got {shown(value)}")
    return int(value)


def counts(value: Any, what: str, least: int = 1) -> int | tuple[int, ...]:
    """An integer from `least` on, or one per axis."""
    if type(value) is int and least <= value <= MOST:
        return value
    single = not isinstance(value, list | tuple)
    entries = (value,) if single else tuple(value)
    if not all(map(is_integer, entries)) or not entries:
        raise ValueError(f"{what} must be an integer or one per axis; got {shown(value)}")
    if not least <= min(entries) <= max(entries) <= MOST:
        raise ValueError(f"{what} must be integers of at least {least} and at most {MOST}; got {shown(value)}")
    return int(value) if single else tuple(map(int, entries))


def choice(*choices: Any) -> Check:
    """One of some texts or numbers."""
    return lambda value, what: as_choice(value, choices, what)


def number(least: float = -math.inf, most: float = math.inf) -> Check:
    """A finite number within bounds, which are accepted."""
    return lambda value, what: as_real(value, what, least, most)


def positive(value: Any, what: str) -> float:
    """A finite number above 0."""
    if as_real(value, what) <= 0:
        raise ValueError(f"{what} must be positive; got {shown(value)}")
    return value


def fraction(value: Any, what: str) -> float:
    """A number from 0 on and below 1."""
    if not 0 <= as_real(value, what) < 1:
        raise ValueError(f"{what} must be in [0, 1); got {shown(value)}")
    return value


def channels(value: Any, what: str) -> Fibre:
    """A `Fibre`, or a number of plain channels."""
    return value if isinstance(value, Fibre) else as_fibre(count(value, what))


def optional(as_checked: Check) -> Check:
    """None, or what passes a check."""
    return lambda value, what: None if value is None else as_checked(value, what)


def per_axis(value: Any, shape: Shape, what: str, layer: Layer, as_checked: Check = counts) -> tuple[Any, ...]:
    """One value per spatial axis of `shape`, from one for all or a tuple.

    Raises:
        LayerError: if there are too few or too many, or they do not pass the check.
    """
    dim = len(shape) - 1
    if not 1 <= dim <= 3:
        raise LayerError(
            f"{layer} needs an input with one to three spatial axes; got shape {shape}: init takes (*spatial, "
            f"channels), without the batch"
        )
    try:
        found = as_checked(value, what)
    except ValueError as error:
        raise LayerError(f"{layer}: {error}") from None
    values = found if isinstance(found, tuple) else (found,) * dim
    if len(values) != dim:
        raise LayerError(f"{layer}: {what} {value} has {len(values)} entries, the input of shape {shape} {dim} axes")
    return values
