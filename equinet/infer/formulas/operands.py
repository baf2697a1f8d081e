"""What rules of formulas are given: residues, and constants that may become residues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.formulas.residues import Residues, numbers
from equinet.infer.values import Constant

Formula = Residues | Constant
"""An array of formulas, or one that depends neither on the input nor on arbitrary parameters."""
LEAD = 2
"""Axes of residues before those of the array: rows and cases."""


class Unfollowed(Exception):
    """Some operation is not followed."""


class IsComplex(Exception):
    """Some operation needs conjugates."""


def given(atom: Formula, **how: bool) -> Residues:
    """Residues, whatever it is."""
    if not isinstance(atom, Constant):
        return atom
    if atom.array is None:
        raise Unfollowed("a constant that is no number")
    return numbers(atom.array, **how)


def named(equation: Equation) -> str:
    return spelled(equation.name, [var.aval.dtype for var in equation.inputs], equation.params)


def spelled(primitive: str, kinds: Sequence[Any], params: Mapping[str, Any]) -> str:
    """The name of what a primitive does to arrays of some types."""
    return f"{primitive} {[*map(str, kinds)]} {sorted((key, str(value)) for key, value in params.items())}"


def is_float(equation: Equation, at: int = 0) -> bool:
    return bool(jnp.issubdtype(equation.inputs[at].aval.dtype, jnp.inexact))


def wide(equation: Equation, array: Residues) -> Residues:
    """Spread over the shape of the result: numbers, and axes of size 1."""
    shape = equation.shapes[0]
    array = array.reshape(*array.shape, *(1,) * len(shape)) if array.ndim == LEAD else array
    return np.broadcast_to(array, (*array.shape[:LEAD], *shape))


def places_of(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis + LEAD for axis in axes)


def alike(arrays: Sequence[Residues]) -> list[Residues]:
    """With as many cases."""
    most = max(a.shape[1] for a in arrays)
    return [np.broadcast_to(a, (a.shape[0], most, *a.shape[LEAD:])) for a in arrays]


def known_places(indices: Sequence[Formula]) -> list[np.ndarray]:
    found = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    if len(found) < len(indices):
        raise Unfollowed("places that depend on the input")
    return found
