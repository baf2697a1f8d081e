"""The rule of the Fourier transform.

A transform turns translations along an axis into phases, entry by entry, and the inverse transform turns them into
translations again; `spectra` says what passes between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.digits import Digit
from equinet.infer.formulas import totals
from equinet.infer.join import mixed
from equinet.infer.primitives import NoRule, Primitive, enter
from equinet.infer.rules.frequencies import balanced, keeping, upright
from equinet.infer.rules.spectra import without
from equinet.infer.values import Ends, Held, Spectrum, Value
from equinet.infer.views import MOST_AXES, freed, plain


def _transform(equation: Equation, arguments: Sequence[Held]) -> Spectrum | Value:
    """The transform along the last axes, or its inverse."""
    (atom,) = arguments
    atom = atom.value if isinstance(atom, Ends) else atom
    assert isinstance(atom, Value | Spectrum)
    kind = equation.params["fft_type"].name
    spectrum = atom if isinstance(atom, Spectrum) else Spectrum(atom, (None,) * len(atom.shape))
    count, shape = len(equation.params["fft_lengths"]), equation.shapes[0]
    last = range(len(shape) - count, len(shape))
    if kind in ("FFT", "RFFT"):
        result = _forward(spectrum, last, shape, half=kind == "RFFT")
    else:
        result = _inverse(spectrum, last, shape, half=kind == "IRFFT")
    return result if any(result.axes) else result.value


def _forward(spectrum: Spectrum, array_axes: Sequence[int], shape: Sequence[int], *, half: bool) -> Spectrum:
    """Transform some axes; where only half of the frequencies are kept, it is from 0 on.

    Entry κ of n nodes is multiplied by exp(−2πi κ t / n) when they are moved by t. Along an axis that is infinite, or
    not one whole grid axis, nodes stay. Point operations are kept that map the transformed axes onto themselves: with
    x moved by p ↦ B p + t, X(κ) becomes exp(−2πi κ·t / n) X(Bᵀκ). Of the transform of real numbers X(−κ) is the
    conjugate of X(κ); it is along the axes of nodes that are left, but not along an axis that was free.
    """
    spectrum = without(spectrum, array_axes)
    value, axes = spectrum.value, list(spectrum.axes)
    hidden = {entry[0] for entry in axes if entry is not None}
    for i in array_axes:
        if not hidden:
            value = plain(value, i)
        axis = value.grid_axis(i)
        endless = axis is not None and value.endless(axis)
        partial = axis is None and any(digit.axis is not None for digit in value.layout[i])
        if partial or endless or (axis is not None and value.dim > MOST_AXES):
            if hidden:
                raise NoRule("only a part of an axis is transformed")
            value = freed(value, [i])
    grid = [value.grid_axis(i) for i in array_axes]
    transformed = {axis for axis in grid if axis is not None}
    field = keeping(keeping(value.field.rebase(), hidden), transformed)
    layout = list(value.layout)
    for i, axis in zip(array_axes, grid, strict=True):
        layout[i] = (Digit(shape[i]),)
        axes[i] = None if axis is None else (axis, tuple(range(shape[i])))
    result = Spectrum(mixed(value.known(field, tuple(layout)), "linear"), tuple(axes), spectrum.half)
    if half:
        return replace(result, half=grid[-1]) if grid[-1] is not None else upright(result)
    return upright(result) if spectrum.half is not None and None in grid else result


def _inverse(spectrum: Spectrum, array_axes: Sequence[int], shape: Sequence[int], *, half: bool) -> Spectrum:
    """Transform some axes back: entries that a phase was for each are nodes that are moved.

    So it is if the entry at place κ has frequency κ, or is zero, and there are as many as there were nodes. If not, the
    phases of that axis are given up. Point operations are kept that map the axes transformed back onto themselves, and
    the frequencies there are. Half of the frequencies stand for all in the last axis of a transform of halves alone.
    """
    lost = [i for i in array_axes if not _is_in_place(spectrum, i, shape[i])]
    if half:
        # The last transform takes what belongs to the first frequency for real, which phases of other axes are not.
        lost += [i for i in range(len(shape)) if i not in array_axes]
    spectrum = balanced(without(spectrum, lost), np.ones([1] * len(shape)))
    if not _fits_halves(spectrum, array_axes, half=half):
        spectrum = upright(spectrum)
    back = [entry[0] for i in array_axes if (entry := spectrum.axes[i]) is not None]
    value = spectrum.value
    value = value.known(keeping(value.field, back))
    layout = list(value.layout)
    if any(digit.axis is not None for i in array_axes for digit in layout[i]):
        raise NoRule("an inverse transform runs over nodes")
    for i in array_axes:
        entry = spectrum.axes[i]
        layout[i] = (Digit(shape[i]),) if entry is None else (Digit(shape[i], entry[0]),)
    axes = tuple(None if i in array_axes else entry for i, entry in enumerate(spectrum.axes))
    left = None if spectrum.half in back else spectrum.half
    return Spectrum(value.known(value.field.pointwise("linear", 1), tuple(layout)), axes, left)


def _is_in_place(spectrum: Spectrum, array_axis: int, size: int) -> bool:
    """Whether each entry at place κ has frequency κ or is zero, and there are as many as nodes; if phases are known."""
    entry = spectrum.axes[array_axis]
    if entry is None:
        return True
    axis, frequencies = entry
    return spectrum.value.extents[axis] == size and all(f in (None, at) for at, f in enumerate(frequencies))


def _fits_halves(spectrum: Spectrum, array_axes: Sequence[int], *, half: bool) -> bool:
    """Whether half of the frequencies stand for all along the last axis of a transform of halves, and no other axis
    that is transformed. A free axis may be the one along which they do."""
    entries = [spectrum.axes[i] for i in array_axes]
    axes = [None if entry is None else entry[0] for entry in entries]
    if half:
        return None not in axes and axes[-1] == spectrum.half
    return spectrum.half is None or (None not in axes and spectrum.half not in axes)


_TURNED = "a Fourier transform lies by frequency and shifts turn its phases"
enter(Primitive("fft", None, totals.transformed, of_complex=True, spectral=_transform, reason=_TURNED))
