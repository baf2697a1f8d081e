"""Equivariant kernels on the grid, exactly: `W[A τ] ρ_in(A) = ρ_out(A) W[τ]` for every operation A of a point group.

Operations permute the entries (tap τ, input b, output a) of a kernel up to signs:
`W[A τ, ρ_in(A) b, ρ_out(A) a] = ± W[τ, b, a]`. So all entries of an orbit are one free coefficient, up to signs, and
an orbit in which some operation sends an entry to minus itself holds zeros. These coefficients are a basis; their
number is

    (1 / |P|) Σ_A  χ_taps(A) χ_in(A) χ_out(A),

χ_taps(A) the number of taps that A leaves in place. (Cohen and Welling 2016, for regular representations; Weiler and
Cesa 2019, for the constraint in general.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from equinet.groups.isometry import Matrix, axis_images
from equinet.groups.representation import Images, Representation


@dataclass(frozen=True, eq=False)
class KernelBasis:
    """The equivariant kernels between two representations.

    Attributes:
        coefficients: K, how many there are.
        index: int32 `[*taps, in, out]`, the coefficient of each entry; 0 where the entry is zero.
        sign: int8 `[*taps, in, out]`, ±1, or 0 where the entry is zero.
    """

    coefficients: int
    index: np.ndarray
    sign: np.ndarray


def is_mapped_to_itself(taps: tuple[int, ...], matrix: Matrix) -> bool:
    """Whether an operation about the centre of a block of taps maps it to itself: exchanged axes are equally long."""
    return all(taps[axis] == taps[image] for axis, (image, _) in enumerate(axis_images(matrix)))


def moved_taps(taps: tuple[int, ...], matrix: Matrix) -> np.ndarray:
    """For each tap in row-major order, the tap that an operation about the centre sends it to."""
    places = np.indices(taps).reshape(len(taps), -1)
    moved = np.empty_like(places)
    for axis, (image, sign) in enumerate(axis_images(matrix)):
        moved[image] = places[axis] if sign > 0 else taps[axis] - 1 - places[axis]
    return np.ravel_multi_index(tuple(moved), taps)


def _arrays(images: Images) -> tuple[np.ndarray, np.ndarray]:
    return np.array([i for i, _ in images]), np.array([s for _, s in images])


@lru_cache(maxsize=1 << 8)
def kernel_basis(taps: tuple[int, ...], source: Representation, target: Representation) -> KernelBasis:
    """All equivariant kernels with these taps, from one representation of a group to another.

    Raises:
        ValueError: if the groups differ, or some operation does not map the block of taps to itself.

    >>> from equinet.groups.representation import point_group, trivial_representation
    >>> scalar = trivial_representation(point_group("4mm"))
    >>> kernel_basis((3, 3), scalar, scalar).index[..., 0, 0].tolist()
    [[0, 1, 0], [1, 2, 1], [0, 1, 0]]
    """
    if source.group != target.group:
        raise ValueError(f"a kernel needs one group; got {source} and {target}")
    bad = next((a for a in source.group if not is_mapped_to_itself(taps, a)), None)
    if bad is not None:
        raise ValueError(f"the operation {bad} does not map a kernel of {taps} taps to itself")
    count, b, a = prod(taps), source.size, target.size
    entries = np.arange(count * b * a)
    least, sign = entries.copy(), np.ones(len(entries), np.int8)
    zero = np.zeros(len(entries), bool)
    for matrix in source.group:
        tap = moved_taps(taps, matrix)[:, None, None]
        (into, s), (out, t) = _arrays(source(matrix)), _arrays(target(matrix))
        moved = ((tap * b + into[:, None]) * a + out).reshape(-1)
        turned = np.broadcast_to(s[:, None] * t, (count, b, a)).reshape(-1)
        zero |= (moved == entries) & (turned < 0)
        lower = moved < least
        least, sign = np.where(lower, moved, least), np.where(lower, turned, sign).astype(np.int8)
    zero = zero[least]
    kept, index = np.unique(least[~zero], return_inverse=True)
    full = np.zeros(len(entries), np.int32)
    full[~zero] = index
    shape = (*taps, b, a)
    return KernelBasis(len(kept), full.reshape(shape), np.where(zero, 0, sign).astype(np.int8).reshape(shape))


def kernel_dimension(taps: tuple[int, ...], source: Representation, target: Representation) -> int:
    """How many equivariant kernels there are, by the characters alone.

    >>> from equinet.groups.representation import point_group, quotient_representation
    >>> regular = quotient_representation(point_group("4"), point_group("1"))
    >>> kernel_dimension((3, 3), regular, regular)
    36
    """
    total = 0
    for matrix in source.group:
        fixed = int((moved_taps(taps, matrix) == np.arange(prod(taps))).sum())
        total += fixed * source.character(matrix) * target.character(matrix)
    return total // len(source.group)
