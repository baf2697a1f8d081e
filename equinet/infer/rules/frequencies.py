"""Point operations of spectra: which of them leave a table of numbers, one for each frequency, as it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from equinet.groups import Matrix, axis_images
from equinet.infer.values import Spectrum, named
from equinet.symmetry.field import Field


def keeping(field: Field, axes: Collection[int]) -> Field:
    """The same field under the operations that map some grid axes onto themselves."""
    keys = [key for key, _ in field.action.operations if {axis_images(key[1])[i][0] for i in axes} == set(axes)]
    return _only(field, keys)


def upright(spectrum: Spectrum) -> Spectrum:
    """The same spectrum under operations that move no frequency."""
    hidden = {entry[0] for entry in spectrum.axes if entry is not None}
    return _under(spectrum, [key for key in _keys(spectrum) if _is_still(key[1], hidden)])


def balanced(spectrum: Spectrum, table: np.ndarray | None) -> Spectrum:
    """The same spectrum under operations B that map its frequencies κ onto themselves, and leave a table as it is.

    T(Bκ) = T(κ): then X(Bᵀκ) T(κ) is the product of both at Bᵀκ. Where half of the frequencies are kept, the product
    is half of one again if T(−κ) is the conjugate of T(κ), which the entries of both must agree to. One with two
    entries of one frequency, or an unknown table, keeps operations that move none.

    Args:
        table: numbers along the axes of the array, of size 1 where they are all the same; None where nothing is known.
    """
    hidden = {entry[0]: i for i, entry in enumerate(spectrum.axes) if entry is not None}
    keys = _keys(spectrum)
    if all(_is_still(b, hidden) for _, b in keys):
        return spectrum
    numbers = None if table is None else _over_frequencies(spectrum, hidden, table)
    axes = list(hidden)
    kept = [k for k in keys if _is_still(k[1], hidden) or (numbers is not None and _leaves(numbers, k[1], axes))]
    return _under(spectrum, kept)


def _keys(spectrum: Spectrum) -> list[tuple[Matrix, Matrix]]:
    return [key for key, _ in spectrum.value.field.action.operations]


def _is_still(b: Matrix, axes: Collection[int]) -> bool:
    return all(b[i][i] == 1 for i in axes)


def _under(spectrum: Spectrum, keys: Collection[tuple[Matrix, Matrix]]) -> Spectrum:
    if len(keys) == len(spectrum.value.field.action.operations):
        return spectrum
    return replace(spectrum, value=spectrum.value.known(_only(spectrum.value.field, keys)))


def _only(field: Field, keys: Collection[tuple[Matrix, Matrix]]) -> Field:
    return field if len(keys) == len(field.action.operations) else field.based(field.action.only(keys))


def _over_frequencies(spectrum: Spectrum, hidden: dict[int, int], table: np.ndarray) -> np.ndarray | None:
    """An integer for each frequency of all axes that says what the table has there; 0 where the array has no entry.

    None if two entries of one frequency differ, as numbers or as arrays.
    """
    places, frequencies = [], []
    for i in hidden.values():
        entry = spectrum.axes[i]
        assert entry is not None
        at = [j for j, f in enumerate(entry[1]) if f is not None]
        found = [f for f in entry[1] if f is not None]
        if len(set(found)) < len(found):
            return None
        places.append(at)
        frequencies.append(found)
    order = [*hidden.values(), *(i for i in range(table.ndim) if i not in hidden.values())]
    wide = np.broadcast_to(table, [n if i in hidden.values() else m for i, (n, m) in _sizes(spectrum, table)])
    rows = wide.transpose(order)[np.ix_(*places)].reshape(int(np.prod([len(at) for at in places])), -1) + 0
    if spectrum.half is None:
        labels, mirrored = named(rows) + 1, None
    else:
        both = named(np.concatenate([rows, np.conj(rows) + 0])) + 1
        labels, mirrored = both[: len(rows)], both[len(rows) :]
    sizes = [spectrum.value.extents[axis] for axis in hidden]
    full = np.zeros(sizes, np.int64)
    full[np.ix_(*frequencies)] = labels.reshape([len(at) for at in places])
    if mirrored is None:
        return full
    negative = np.ix_(*(-np.asarray(f, np.int64) % n for f, n in zip(frequencies, sizes, strict=True)))
    theirs = mirrored.reshape([len(at) for at in places])
    if ((full[negative] != 0) & (full[negative] != theirs)).any():
        return None
    full[negative] = theirs
    return full


def _sizes(spectrum: Spectrum, table: np.ndarray) -> list[tuple[int, tuple[int, int]]]:
    return list(enumerate(zip(spectrum.shape, table.shape, strict=True)))


def _leaves(numbers: np.ndarray, b: Matrix, axes: list[int]) -> bool:
    """Whether an operation that maps these grid axes onto themselves leaves numbers, one for each frequency, alone."""
    images = axis_images(b)
    if any(images[axis][0] not in axes for axis in axes):
        return False
    at = {axis: i for i, axis in enumerate(axes)}
    moved: list[np.ndarray | None] = [None] * len(axes)
    for i, axis in enumerate(axes):
        image, sign = images[axis]
        if numbers.shape[i] != numbers.shape[at[image]]:
            return False
        shape = [-1 if j == i else 1 for j in range(len(axes))]
        moved[at[image]] = (sign * np.arange(numbers.shape[i]) % numbers.shape[i]).reshape(shape)
    return bool((numbers[tuple(index for index in moved if index is not None)] == numbers).all())
