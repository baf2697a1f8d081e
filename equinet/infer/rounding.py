"""Known numbers up to what rounding leaves of equal ones."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from equinet.symmetry.tables import nearest_fraction

_ULPS = 8
"""Units in the last place by which weights may differ that count as equal: what rounding leaves of equal ones."""


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether numbers are equal, each but for a few units in its last place."""
    if a.dtype.kind == "c":
        return equal(np.real(a), np.real(b)) and equal(np.imag(a), np.imag(b))
    if a.dtype.kind != "f":
        return bool((a == b).all())
    rounding = _ULPS * float(jnp.finfo(a.dtype).eps)
    one, two = a.astype(np.float64), b.astype(np.float64)
    return bool((np.abs(one - two) <= rounding * np.minimum(np.abs(one), np.abs(two))).all())


def snapped(array: np.ndarray) -> np.ndarray:
    """The same numbers in double precision, where those that differ by a few units in the last place become one, and
    simple fractions what they were before they were rounded.

    Each is compared with its like, never with the largest: a small one is not zero beside a large one.
    """
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    rounding = _ULPS * float(jnp.finfo(array.dtype).eps)
    sizes, where = np.unique(np.abs(array.astype(np.float64)), return_inverse=True)
    kept = sizes.copy()
    for at in range(1, len(sizes)):
        if sizes[at] <= kept[at - 1] * (1 + rounding):
            kept[at] = kept[at - 1]
    simple = np.asarray([float(nearest_fraction(v)) for v in kept.tolist()])
    close = np.abs(simple - kept) <= rounding / 2 * kept
    if len(np.unique(simple[close])) == len(np.unique(kept[close])):
        kept = np.where(close, simple, kept)
    return np.copysign(kept[where.ravel()].reshape(array.shape), array)
