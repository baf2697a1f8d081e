"""What every family of the table needs: operands of one type and rank, and axes counted from the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Ints = int | Sequence[int]
KINDS = "biufc"
"""Kinds of numbers from the narrowest to the widest: logical, whole, real, complex."""


class Unsupported(Exception):
    """An operation that the table has, asked for what it does not do; the text says what."""


class Missing:
    """A result that the table does not compute. It is an error to use it, none to leave it."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __str__(self) -> str:
        return self.what


def is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def wide_kind(values: Sequence[Any]) -> np.dtype:
    """The type that PyTorch computes in: of the widest kind, and among arrays of that kind the widest.

    A number without an array's type only says of which kind it is. Whole numbers beside a real one become what the
    widest real type is, the default one if there is none.
    """
    given = [np.dtype(v.dtype) if is_array(v) else np.dtype(type(v)) for v in values]
    kinds = ["i" if t.kind == "u" else "f" if t.kind == "V" else t.kind for t in given]
    widest = max(kinds, key=KINDS.index)
    typed = [t for t, kind, v in zip(given, kinds, values, strict=True) if kind == widest and is_array(v)]
    if not typed:
        reals = [t for t, kind, v in zip(given, kinds, values, strict=True) if kind == "f" and is_array(v)]
        plain = {"b": bool, "i": int, "f": float, "c": complex}[widest]
        return jax.dtypes.canonicalize_dtype(jnp.result_type(reals[0], complex) if reals else plain)
    result = typed[0]
    for other in typed[1:]:
        result = result if result == other else np.promote_types(result, other)
    return result


def together(*values: Any) -> list[Any]:
    """Operands in one type, arrays in one rank, as PyTorch and numpy line them up: at the last axis."""
    dtype = wide_kind(values)
    rank = max((np.ndim(v) for v in values if is_array(v)), default=0)
    return [ranked(v.astype(dtype), rank) if is_array(v) else np.asarray(v, dtype)[()] for v in values]


def ranked(x: Array, rank: int) -> Array:
    """An array with axes of size 1 put in front."""
    return x if x.ndim == rank else jnp.expand_dims(x, tuple(range(rank - x.ndim)))


def along(x: Array, rank: int, axis: int = 1) -> Array:
    """A vector as an array of that rank that varies along one axis."""
    return jnp.expand_dims(x, tuple(i for i in range(rank) if i != axis))


def floating(x: Array) -> Array:
    """An array of real or complex numbers: whole ones become real."""
    return x if np.dtype(x.dtype).kind in "fcV" else x.astype(jax.dtypes.canonicalize_dtype(float))


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front. A number has one axis, as PyTorch counts."""
    return axis % max(rank, 1)


def axes_of(axes: Ints | None, rank: int) -> tuple[int, ...]:
    """Axes counted from the front; all if none is named."""
    if axes is None or (not isinstance(axes, int) and not len(axes)):
        return tuple(range(rank))
    return tuple(axis_of(axis, rank) for axis in ((axes,) if isinstance(axes, int) else axes))


def per_axis(value: Ints, dim: int) -> tuple[int, ...]:
    """One number per spatial axis, from one for all or from one each."""
    given = (value,) if isinstance(value, int) else tuple(value)
    return given * dim if len(given) == 1 else given


def cut(x: Array, axis: int, start: int, stop: int, step: int = 1) -> Array:
    """Elements along one axis; nothing happens where all are kept."""
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    return jax.lax.slice_in_dim(x, start, stop, step, axis)


def applied(matrix: np.ndarray, x: Array, axis: int) -> Array:
    """A matrix `[out, in]` along one axis."""
    result = jnp.tensordot(x, jnp.asarray(matrix, x.dtype), ((axis,), (1,)))
    return jnp.moveaxis(result, -1, axis)
