"""Spectra: what linear operations do to arrays that are Fourier transformed along some axes.

A translation by t multiplies the entry of frequency κ along a transformed axis of n nodes by the phase
exp(−2πi κ t / n). Whatever multiplies entries, mixes channels or chooses frequencies commutes with that. So each
function here gives what the ordinary rule makes of the array, with the frequencies that its entries have then; and
None where an operation sees more of a phase. What only moves entries keeps the function that they are entries of, and
its point operations; what computes with them keeps those that map the entries there are onto themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TypeGuard

import numpy as np

from equinet.infer.compat import Equation, landed, update_of
from equinet.infer.digits import Digit, Layout, with_item
from equinet.infer.fields import forget_axes
from equinet.infer.join import broadcast, common_shape, mixed, with_constant
from equinet.infer.primitives import row_of
from equinet.infer.rules.frequencies import balanced, upright
from equinet.infer.values import Atom, Constant, Ends, Frequencies, Held, Spectrum, Tokens, Value
from equinet.infer.views import renamed, without_tokens
from equinet.symmetry.patterns import fix_axes

Entry = tuple[int, Frequencies] | None
"""The grid axis that an array axis is the transform of, and its frequencies; None if it is no transform."""


def settled(atom: Held) -> Atom:
    """A spectrum as an array like any other: only what turns no phase is kept. Ends as what they are. Of tokens nodes
    stay in place."""
    if isinstance(atom, Ends):
        return atom.value
    if isinstance(atom, Tokens):
        return without_tokens(atom)
    return without(atom, range(len(atom.axes))).value if isinstance(atom, Spectrum) else atom


def without(spectrum: Spectrum, array_axes: Sequence[int]) -> Spectrum:
    """The same spectrum with some of its transformed axes free: nothing is translated along them.

    Where half of the frequencies are kept, a reversal of one axis moves entries along all: no frequency is moved then.
    """
    gone = {entry[0] for i in array_axes if (entry := spectrum.axes[i]) is not None}
    if not gone:
        return spectrum
    spectrum = spectrum if spectrum.half is None else upright(spectrum)
    value = spectrum.value
    kept = [i for i in range(value.dim) if i not in gone]
    names = {old: new for new, old in enumerate(kept)}
    still = value.known(forget_axes(fix_axes(value.field, gone), gone), renamed(value.layout, names), axes=kept)
    axes = tuple(None if a is None or a[0] in gone else (names[a[0]], a[1]) for a in spectrum.axes)
    return Spectrum(still, axes, None if spectrum.half is None else names.get(spectrum.half))


def by_rule(equation: Equation, arguments: Sequence[Held], axes: Sequence[Entry], *, moves: bool) -> Spectrum | None:
    """What the ordinary rule makes of the arrays under spectra, whose axes are then these.

    Args:
        moves: whether all entries are those of the first spectrum, or zero.
    """
    rule = row_of(equation).rule
    assert rule is not None, f"{equation.name} has a rule for spectra and none for arrays"
    first = first_of(arguments)
    (result,) = rule(equation, [a.value if isinstance(a, Spectrum | Ends) else a for a in arguments])
    if not isinstance(result, Value) or result.extents != first.value.extents:
        return None
    return Spectrum(result, tuple(axes), first.half, *([first.whole] if moves else []))


def first_of(arguments: Sequence[Held]) -> Spectrum:
    """The first operand that is a spectrum."""
    return next(a for a in arguments if isinstance(a, Spectrum))


def same(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The same complex numbers, rounded at most, or their negatives."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum) or "complex" not in str(equation.outputs[0].aval.dtype):
        return None
    return by_rule(equation, arguments, atom.axes, moves=row_of(equation).moves)


def as_table(constant: Constant, shape: Sequence[int]) -> np.ndarray | None:
    """A constant as a table over the axes of an array; None if its values are not known."""
    return constant.array if constant.array is None or constant.shape else constant.array.reshape([1] * len(shape))


def summed(_: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The sum of two spectra whose entries have the same frequencies."""
    a, b = arguments
    return added(a, b) if isinstance(a, Spectrum) and isinstance(b, Spectrum) and a.axes == b.axes else None


def added(a: Spectrum, b: Spectrum) -> Spectrum | None:
    """Two arrays of entries of the same frequencies, of which the operations are kept that move both alike."""
    if a.half != b.half:
        a, b = (replace(upright(spectrum), half=None) for spectrum in (a, b))
    shape = common_shape([a.shape, b.shape])
    one, two = (broadcast(spectrum.value, shape) for spectrum in (a, b))
    if one.layout != two.layout or one.extents != two.extents or one.stem.grid != two.stem.grid:
        return None
    joint = one.known(one.field.join(replace(two.field, fibre=one.field.fibre), linear=True))
    return Spectrum(joint, a.axes, a.half)


def in_common(a: Spectrum, b: Spectrum) -> Spectrum | None:
    """One of two spectra, whichever it may be; None if their entries have not the same frequencies.

    The frequencies there are map onto themselves under the operations that are kept, so that it is one function.
    """
    if a.axes != b.axes:
        return None
    one, two = (balanced(spectrum, np.ones([1] * len(spectrum.axes))) for spectrum in (a, b))
    return added(one, two)


def chosen(_: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Entries of spectra, or zeros, as something known says: each is multiplied by 1 where it is chosen, by 0 else."""
    which, *cases = arguments
    spectra = [a for a in cases if isinstance(a, Spectrum)]
    if not isinstance(which, Constant) or not all(isinstance(a, Spectrum) or _is_zero(a) for a in cases):
        return None
    if any(a.axes != spectra[0].axes for a in spectra):
        return None
    parts = []
    for a, case in zip(range(len(cases)), cases, strict=True):
        table = as_table(which, spectra[0].shape)
        if isinstance(case, Spectrum):
            case = balanced(case, None if table is None else np.asarray(table == a))
            parts.append(_masked(case, which))
    whole, *others = parts
    for other in others:
        whole = None if whole is None or other is None else added(whole, other)
    return whole


def _masked(spectrum: Spectrum, which: Constant) -> Spectrum | None:
    value = with_constant(spectrum.value, which, "any")
    same_axes = value.extents == spectrum.value.extents and value.shape == spectrum.shape
    return Spectrum(value, spectrum.axes, spectrum.half) if same_axes else None


def transposed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The same entries with their axes in another order."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    return by_rule(equation, arguments, [atom.axes[i] for i in equation.params["permutation"]], moves=True)


def reshaped(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The same entries, where each transformed axis stays one: as many entries come before and after its own."""
    atom, *_ = arguments
    if not isinstance(atom, Spectrum) or equation.order is not None:
        return None
    new = equation.shapes[0]
    ends = {(n, prod(new[i + 1 :])): i for i, n in enumerate(new)}
    axes: list[Entry] = [None] * len(new)
    for i, entry in enumerate(atom.axes):
        if entry is not None:
            at = ends.get((atom.shape[i], prod(atom.shape[i + 1 :])))
            if at is None or axes[at] is not None:
                return None
            axes[at] = entry
    return by_rule(equation, arguments, axes, moves=True)


def spread(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The same entries along new axes; no transformed axis is repeated."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    axes: list[Entry] = [None] * len(equation.shapes[0])
    for i, at in enumerate(equation.params["broadcast_dimensions"]):
        if atom.axes[i] is not None and atom.shape[i] != equation.shapes[0][at]:
            return None
        axes[at] = atom.axes[i]
    return by_rule(equation, arguments, axes, moves=True)


def sliced(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Some of the frequencies."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    params = equation.params
    steps = params["strides"] or (1,) * len(atom.axes)
    ranges = zip(atom.axes, params["start_indices"], params["limit_indices"], steps, strict=True)
    axes = [None if a is None else (a[0], a[1][start:stop:step]) for a, start, stop, step in ranges]
    return by_rule(equation, arguments, axes, moves=True)


def turned(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The frequencies in reversed order."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    over = equation.params["dimensions"]
    axes = [a if a is None or i not in over else (a[0], a[1][::-1]) for i, a in enumerate(atom.axes)]
    return by_rule(equation, arguments, axes, moves=True)


def padded(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Zeros, which have every frequency, before and after a spectrum; with a negative width fewer frequencies."""
    atom, fill = arguments
    if not isinstance(atom, Spectrum) or not _is_zero(fill):
        return None
    axes: list[Entry] = []
    for entry, (lo, hi, between) in zip(atom.axes, equation.params["padding_config"], strict=True):
        if entry is not None and between:
            return None
        if entry is None:
            axes.append(None)
            continue
        kept = entry[1][max(-lo, 0) : len(entry[1]) - max(-hi, 0)]
        axes.append((entry[0], (None,) * max(int(lo), 0) + kept + (None,) * max(int(hi), 0)))
    return by_rule(equation, arguments, axes, moves=True)


def beside(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Spectra, and zeros, one after the other along an axis.

    Along a transformed one their frequencies lie one after the other; point operations are kept if all are entries of
    one function. Along any other, parts have the same frequencies, and are the entries of one function of many numbers.
    """
    parts = [a for a in arguments if isinstance(a, Spectrum)]
    if len(parts) < len(arguments) and not all(_is_zero(a) for a in arguments if not isinstance(a, Spectrum)):
        return None
    is_new_axis = "axis" in equation.params
    at = equation.params["axis" if is_new_axis else "dimension"]
    if is_new_axis:
        parts = [_with_new_axis(a, at) for a in parts]
    first, size = parts[0], equation.shapes[0][at]
    axes, moves = first.axes, False
    if any(with_item(a.axes, at, None) != with_item(axes, at, None) for a in parts):
        return None
    if any(digit.axis is not None for a in parts for digit in a.value.layout[at]):
        return None
    if any(a.axes[at] is not None for a in parts):
        entry = _one_after_another(arguments, at)
        if entry is None:
            return None
        axes, moves = with_item(axes, at, entry), all(a.whole is first.whole for a in parts)
        parts = parts if moves else [upright(a) for a in parts]
    wide = [replace(a, axes=axes, value=_widened(a.value, at, size)) for a in parts]
    whole: Spectrum | None = wide[0]
    for other in wide[1:]:
        whole = None if whole is None else added(whole, other)
    return replace(whole, whole=first.whole) if whole is not None and moves else whole


def _with_new_axis(spectrum: Spectrum, at: int) -> Spectrum:
    layout, axes = spectrum.value.layout, spectrum.axes
    value = spectrum.value.laid_out((*layout[:at], (), *layout[at:]))
    return replace(spectrum, value=value, axes=(*axes[:at], None, *axes[at:]))


def _widened(value: Value, at: int, size: int) -> Value:
    return mixed(value, "linear", with_item(value.layout, at, (Digit(size),)))


def _one_after_another(parts: Sequence[Held], at: int) -> Entry:
    """The frequencies of spectra along one transformed axis, one after the other; zeros among them have none."""
    entries = [a.axes[at] for a in parts if isinstance(a, Spectrum)]
    grid_axes = {None if entry is None else entry[0] for entry in entries}
    if len(grid_axes) > 1 or None in grid_axes:
        return None
    found: list[int | None] = []
    for part in parts:
        mine = part.axes[at] if isinstance(part, Spectrum) else None
        if mine is not None:
            found += mine[1]
        elif isinstance(part, Constant):
            found += [None] * part.shape[at]
    [axis] = grid_axes
    return None if axis is None else (axis, tuple(found))


def totalled(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """Sums over axes on which nothing is transformed or moved."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    over = equation.params["axes"]
    if any(atom.axes[i] is not None or any(d.axis is not None for d in atom.value.layout[i]) for i in over):
        return None
    return by_rule(equation, arguments, [a for i, a in enumerate(atom.axes) if i not in over], moves=False)


def _is_zero(atom: Held) -> TypeGuard[Constant]:
    return isinstance(atom, Constant) and atom.array is not None and not atom.array.any()


def weighed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """A product with constant weights that sums over no transformed axis, nor over nodes.

    Weights that are the same for all frequencies, and real, commute with point operations too.
    """
    sums, batches = equation.params["dimension_numbers"]
    which = 0 if isinstance(arguments[0], Spectrum) else 1
    atom, weights = arguments[which], arguments[1 - which]
    if not isinstance(atom, Spectrum) or not isinstance(weights, Constant):
        return None
    over, batch = sums[which], batches[which]
    if any(atom.axes[i] is not None or any(d.axis is not None for d in atom.value.layout[i]) for i in over):
        return None
    real = weights.array is not None and not np.any(np.imag(weights.array))
    if not real or any(atom.axes[i] is not None for i in batch):
        atom = upright(atom)
    mine = [atom.axes[i] for i in range(len(atom.axes)) if i not in over and i not in batch]
    fresh: list[Entry] = [None] * (len(equation.input_shape(1 - which)) - len(over) - len(batch))
    axes = [atom.axes[i] for i in batch] + (mine + fresh if which == 0 else fresh + mine)
    operands = [atom, weights] if which == 0 else [weights, atom]
    return by_rule(equation, operands, axes, moves=False)


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
    if is_known and isinstance(operand, Spectrum) and _is_zero(update) and row_of(equation).combination == "last":
        return _blanked(equation, operand, update, known)
    if not (is_known and isinstance(update, Spectrum) and (isinstance(operand, Spectrum) or _is_zero(operand))):
        return None
    update = upright(update)
    operand = upright(operand) if isinstance(operand, Spectrum) else operand
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
        return added(Spectrum(value, tuple(axes)), result)
    return result


def _blanked(equation: Equation, operand: Spectrum, zeros: Constant, indices: Sequence[np.ndarray]) -> Spectrum | None:
    """A spectrum with zeros put at known places: each entry is multiplied by 0 there, by 1 elsewhere."""
    if equation.params.get("update_jaxpr") is not None:
        return None
    counts = landed(equation, np.ones(zeros.shape, np.int32), indices)
    return _masked(balanced(operand, counts > 0), Constant.of(counts > 0))


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
