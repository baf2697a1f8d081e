"""Spectra: what linear operations do to arrays that are Fourier transformed along some axes.

A translation by t multiplies the entry of frequency κ along a transformed axis of n nodes by the phase
exp(−2πi κ t / n). Whatever multiplies entries, mixes channels or chooses frequencies commutes with that. So each
function here gives what the ordinary rule makes of the array, with the frequencies that its entries have then; and
None where an operation sees more of a phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from equinet.infer.compat import Equation, landed, update_of
from equinet.infer.fields import forget_axes
from equinet.infer.join import mixed
from equinet.infer.primitives import row_of
from equinet.infer.values import Atom, Constant, Digit, Ends, Frequencies, Held, Layout, Spectrum, Value
from equinet.infer.views import renamed
from equinet.symmetry.patterns import fix_axes

Entry = tuple[int, Frequencies] | None
"""The grid axis that an array axis is the transform of, and its frequencies; None if it is no transform."""


def settled(atom: Held) -> Atom:
    """A spectrum as an array like any other: only what turns no phase is kept. Ends as what they are."""
    if isinstance(atom, Ends):
        return atom.value
    return without(atom, range(len(atom.axes))).value if isinstance(atom, Spectrum) else atom


def without(spectrum: Spectrum, array_axes: Sequence[int]) -> Spectrum:
    """The same spectrum with some of its transformed axes free: nothing is translated along them."""
    gone = {entry[0] for i in array_axes if (entry := spectrum.axes[i]) is not None}
    if not gone:
        return spectrum
    value = spectrum.value
    kept = [i for i in range(value.dim) if i not in gone]
    names = {old: new for new, old in enumerate(kept)}
    still = value.known(forget_axes(fix_axes(value.field, gone), gone), renamed(value.layout, names), axes=kept)
    axes = tuple(None if a is None or a[0] in gone else (names[a[0]], a[1]) for a in spectrum.axes)
    return Spectrum(still, axes)


def _by_rule(equation: Equation, arguments: Sequence[Held], axes: Sequence[Entry]) -> Spectrum | None:
    """What the ordinary rule makes of the arrays under spectra, whose axes are then these."""
    rule = row_of(equation).rule
    assert rule is not None, f"{equation.name} has a rule for spectra and none for arrays"
    (result,) = rule(equation, [a.value if isinstance(a, Spectrum | Ends) else a for a in arguments])
    return Spectrum(result, tuple(axes)) if isinstance(result, Value) else None


def multiplied(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The product with a constant, which may differ from entry to entry; or the same complex numbers."""
    first = next(a for a in arguments if isinstance(a, Spectrum))
    if not all(isinstance(a, Constant) for a in arguments if a is not first):
        return None
    stays = equation.shapes[0] == first.shape and "complex" in str(equation.outputs[0].aval.dtype)
    return _by_rule(equation, arguments, first.axes) if stays else None


def divided(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The quotient by a constant; a constant by a spectrum turns its phases back."""
    return multiplied(equation, arguments) if isinstance(arguments[0], Spectrum) else None


def summed(_: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The sum of two spectra whose entries have the same frequencies."""
    a, b = arguments
    return _added(a, b) if isinstance(a, Spectrum) and isinstance(b, Spectrum) and a.axes == b.axes else None


def _added(a: Spectrum, b: Spectrum) -> Spectrum | None:
    one, two = a.value, b.value
    if one.layout != two.layout or one.extents != two.extents or one.stem.grid != two.stem.grid:
        return None
    return Spectrum(one.known(one.field.joined(replace(two.field, fibre=one.field.fibre), linear=True)), a.axes)


def magnitude(_: Equation, arguments: Sequence[Held]) -> Value | None:
    """|z|: a phase leaves it alone, so it is translated by nothing."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    value, hidden = atom.value, {entry[0] for entry in atom.axes if entry is not None}
    kept = [i for i in range(value.dim) if i not in hidden]
    layout = renamed(value.layout, {old: new for new, old in enumerate(kept)})
    return value.known(forget_axes(value.field, hidden).pointwise("any"), layout, axes=kept)


def transposed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The same entries with their axes in another order."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    return _by_rule(equation, arguments, [atom.axes[i] for i in equation.params["permutation"]])


def sliced(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Some of the frequencies."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    params = equation.params
    steps = params["strides"] or (1,) * len(atom.axes)
    ranges = zip(atom.axes, params["start_indices"], params["limit_indices"], steps, strict=True)
    axes = [None if a is None else (a[0], a[1][start:stop:step]) for a, start, stop, step in ranges]
    return _by_rule(equation, arguments, axes)


def padded(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Zeros, which have every frequency, before and after a spectrum."""
    atom, fill = arguments
    if not isinstance(atom, Spectrum) or not _is_zero(fill):
        return None
    axes: list[Entry] = []
    for entry, (lo, hi, between) in zip(atom.axes, equation.params["padding_config"], strict=True):
        if entry is not None and (lo < 0 or hi < 0 or between):
            return None
        axes.append(None if entry is None else (entry[0], (None,) * int(lo) + entry[1] + (None,) * int(hi)))
    return _by_rule(equation, arguments, axes)


def _is_zero(atom: Held) -> bool:
    return isinstance(atom, Constant) and atom.array is not None and not atom.array.any()


def weighed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """A product with constant weights that sums over no transformed axis."""
    sums, batches = equation.params["dimension_numbers"]
    which = 0 if isinstance(arguments[0], Spectrum) else 1
    atom = arguments[which]
    if not isinstance(atom, Spectrum) or not isinstance(arguments[1 - which], Constant):
        return None
    over, batch = sums[which], batches[which]
    if any(atom.axes[i] is not None for i in over):
        return None
    mine = [atom.axes[i] for i in range(len(atom.axes)) if i not in over and i not in batch]
    fresh: list[Entry] = [None] * (len(equation.input_shape(1 - which)) - len(over) - len(batch))
    axes = [atom.axes[i] for i in batch] + (mine + fresh if which == 0 else fresh + mine)
    return _by_rule(equation, arguments, axes)


def placed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """A spectrum put at known places of another one, or of zeros.

    It is a spectrum again if along each transformed axis every place has one frequency: that of the updates that land
    there, that of the operand, or both if they agree. Zeros have every frequency, so a place of nothing else has none
    of its own. An update that is put in twice, or added to another, would be two entries in one: the places it lands
    at are told apart.
    """
    operand, update, indices = update_of(equation, arguments)
    known = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    is_known = len(known) == len(indices)
    if not (is_known and isinstance(update, Spectrum) and (isinstance(operand, Spectrum) or _is_zero(operand))):
        return None
    shape, base = equation.shapes[0], operand.axes if isinstance(operand, Spectrum) else update.axes
    if len(update.axes) != len(shape) or [a is None for a in update.axes] != [a is None for a in base]:
        return None
    if landed(equation, np.ones(update.shape, np.int32), known).max() > 1:
        return None
    axes: list[Entry] = []
    for i, (entry, below) in enumerate(zip(update.axes, base, strict=True)):
        if entry is None or below is None:
            axes.append(None)
            continue
        before = below[1] if isinstance(operand, Spectrum) else (None,) * shape[i]
        frequencies = _frequencies(equation, update, i, known, before)
        if frequencies is None or below[0] != entry[0]:
            return None
        axes.append((entry[0], frequencies))
    free = [all(digit.axis is None for digit in digits) for digits in update.value.layout]
    layout: Layout = tuple(
        (Digit(n),) if loose else digits for n, loose, digits in zip(shape, free, update.value.layout, strict=True)
    )
    result = Spectrum(mixed(update.value, "linear", layout), tuple(axes))
    if result.shape != shape:
        return None
    if isinstance(operand, Spectrum):
        value = operand.value.laid_out(layout) if operand.value.shape == shape else operand.value
        return _added(Spectrum(value, tuple(axes)), result)
    return result


def _frequencies(
    equation: Equation, update: Spectrum, axis: int, indices: Sequence[np.ndarray], before: Frequencies
) -> Frequencies | None:
    """The one frequency of each place along an axis after an update; None where two meet.

    Frequencies are sent to their places as numbers: 0 where nothing lands, 1 for an entry that is zero, κ + 2 else.
    """
    entry = update.axes[axis]
    assert entry is not None
    codes = np.asarray([1 if f is None else f + 2 for f in entry[1]], np.int32)
    row = codes.reshape([-1 if i == axis else 1 for i in range(len(update.axes))])
    found = np.moveaxis(landed(equation, np.broadcast_to(row, update.shape), indices), axis, 0)
    result: list[int | None] = []
    for codes, old in zip(found.reshape(len(found), -1), before, strict=True):
        present = {int(code) - 2 for code in np.unique(codes) if code > 1} | ({old} - {None})
        if len(present) > 1:
            return None
        result.append(present.pop() if present else None)
    return tuple(result)
