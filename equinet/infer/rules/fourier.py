"""Rules of the Fourier transform, and of what linear operations do to a spectrum.

A transform turns translations along an axis into phases, entry by entry. Factors per frequency, mixtures of channels
and a choice of frequencies commute with phases, and the inverse transform turns them into translations again.
Reflections of a transformed axis are given up, and so is whatever any other operation would see of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.fields import forget_axes
from equinet.infer.join import mixed
from equinet.infer.rules.indexing import landed
from equinet.infer.rules.table import RULES, NoRule
from equinet.infer.values import Atom, Chosen, Constant, Digit, Ends, Frequencies, Held, Layout, Spectrum, Value
from equinet.infer.views import MOST_AXES, freed, plain
from equinet.symmetry.patterns import fix_axes

Axes = tuple[tuple[int, Frequencies] | None, ...]


def settled(atom: Held) -> Atom:
    """A spectrum as an array like any other: only what turns no phase is kept. Ends as what they are."""
    if isinstance(atom, Ends):
        return atom.value
    return _without(atom, range(len(atom.axes))).value if isinstance(atom, Spectrum) else atom


def _without(spectrum: Spectrum, array_axes: Sequence[int]) -> Spectrum:
    """The same spectrum with some of its transformed axes free: nothing is translated along them."""
    gone = {entry[0] for i in array_axes if (entry := spectrum.axes[i]) is not None}
    if not gone:
        return spectrum
    value = spectrum.value
    kept = [i for i in range(value.dim) if i not in gone]
    names = {old: new for new, old in enumerate(kept)}
    layout = _renumbered(value, kept)
    made = value.known(forget_axes(fix_axes(value.field, gone), gone), layout, axes=kept)
    axes = tuple(None if a is None or a[0] in gone else (names[a[0]], a[1]) for a in spectrum.axes)
    return Spectrum(made, axes)


def _renumbered(value: Value, kept: Sequence[int]) -> Layout:
    """A value's layout in terms of some of its grid axes."""
    names = {old: new for new, old in enumerate(kept)}
    return tuple(
        tuple(d if d.axis is None else replace(d, axis=names[d.axis]) for d in digits) for digits in value.layout
    )


def _as_atom(spectrum: Spectrum) -> Held:
    return spectrum if any(spectrum.axes) else spectrum.value


def _transform(equation: Equation, atom: Held) -> Held:
    """The transform along the last axes, or its inverse."""
    if isinstance(atom, Chosen | Constant | Ends):
        raise NoRule("it is applied to the phase that a polyphase layer chose")
    kind = str(getattr(equation.params["fft_type"], "name", equation.params["fft_type"])).upper()
    kind = {"0": "FFT", "1": "IFFT", "2": "RFFT", "3": "IRFFT"}.get(kind, kind)
    spectrum = atom if isinstance(atom, Spectrum) else Spectrum(atom, (None,) * len(atom.shape))
    count, shape = len(equation.params["fft_lengths"]), equation.shapes[0]
    last = range(len(shape) - count, len(shape))
    if kind in ("FFT", "RFFT"):
        return _as_atom(_forward(spectrum, last, shape))
    return _as_atom(_inverse(spectrum, last, shape, half=kind == "IRFFT"))


def _forward(spectrum: Spectrum, array_axes: Sequence[int], shape: Sequence[int]) -> Spectrum:
    """Transform some axes; where only half of the frequencies are kept, it is from 0 on."""
    spectrum = _without(spectrum, array_axes)
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
    turned = {axis for axis in grid if axis is not None}
    field = value.field.rebase()
    keys = [(a, b) for (a, b), _ in field.action.operations if all(b[k][k] == 1 for k in turned)]
    field = field.based(field.action.only(keys))
    layout = list(value.layout)
    for i, axis in zip(array_axes, grid, strict=True):
        layout[i] = (Digit(shape[i]),)
        axes[i] = None if axis is None else (axis, tuple(range(shape[i])))
    made = value.known(field, tuple(layout))
    return Spectrum(mixed(made, "linear"), tuple(axes))


def _inverse(spectrum: Spectrum, array_axes: Sequence[int], shape: Sequence[int], *, half: bool) -> Spectrum:
    def in_place(i: int) -> bool:
        entry = spectrum.axes[i]
        if entry is None:
            return False
        size = spectrum.value.extents[entry[0]]
        return size == shape[i] and all(f is None or f == at for at, f in enumerate(entry[1]))

    lost = [i for i in array_axes if spectrum.axes[i] is not None and not in_place(i)]
    if half:
        # The last transform takes what belongs to the first frequency for real, which phases of other axes are not.
        lost += [i for i in range(len(shape)) if i not in array_axes]
    spectrum = _without(spectrum, lost)
    value = spectrum.value
    layout = list(value.layout)
    if any(digit.axis is not None for i in array_axes for digit in layout[i]):
        raise NoRule("an inverse transform runs over nodes")
    for i in array_axes:
        entry = spectrum.axes[i]
        layout[i] = (Digit(shape[i]),) if entry is None else (Digit(shape[i], entry[0]),)
    axes = tuple(None if i in array_axes else entry for i, entry in enumerate(spectrum.axes))
    made = value.known(value.field.pointwise("linear", 1), tuple(layout))
    return Spectrum(made, axes)


def spectral(equation: Equation, arguments: Sequence[Held]) -> list[Held] | None:
    """What a linear operation does to a spectrum; None for any other operation."""
    arguments = [a.value if isinstance(a, Ends) else a for a in arguments]
    if equation.name == "fft":
        return [_transform(equation, arguments[0])]
    step = _STEPS.get(equation.name)
    made = None if step is None else step(equation, arguments)
    return None if made is None else [_as_atom(made) if isinstance(made, Spectrum) else made]


def _by_rule(equation: Equation, arguments: Sequence[Held]) -> Value | None:
    """The value under a spectrum after the ordinary rule of an operation."""
    plainly: list[Atom] = [a.value if isinstance(a, Spectrum | Ends) else a for a in arguments]
    (made,) = RULES[equation.name](equation, plainly)
    return made if isinstance(made, Value) else None


def _same(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """A factor, or nothing at all."""
    first = next(a for a in arguments if isinstance(a, Spectrum))
    others = [a for a in arguments if a is not first]
    if not all(isinstance(a, Constant) for a in others) or (equation.name == "div" and arguments[0] is not first):
        return None
    if equation.shapes[0] != first.shape or "complex" not in str(equation.outputs[0].aval.dtype):
        return None
    made = _by_rule(equation, arguments)
    return None if made is None else Spectrum(made, first.axes)


def _sum(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    del equation
    a, b = arguments
    return _joined(a, b) if isinstance(a, Spectrum) and isinstance(b, Spectrum) and a.axes == b.axes else None


def _joined(a: Spectrum, b: Spectrum) -> Spectrum | None:
    """Two spectra over one grid, added up."""
    one, two = a.value, b.value
    if one.layout != two.layout or one.extents != two.extents or one.stem.grid != two.stem.grid:
        return None
    field = one.field.joined(replace(two.field, fibre=one.field.fibre), linear=True)
    return Spectrum(one.known(field), a.axes)


def _magnitude(equation: Equation, arguments: Sequence[Held]) -> Value | None:
    """Phases leave it alone, and so do translations."""
    del equation
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    value, hidden = atom.value, {entry[0] for entry in atom.axes if entry is not None}
    kept = [i for i in range(value.dim) if i not in hidden]
    layout = _renumbered(value, kept)
    return value.known(forget_axes(value.field, hidden).pointwise("any"), layout, axes=kept)


def _transposed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    (atom,) = arguments
    made = _by_rule(equation, arguments)
    if made is None or not isinstance(atom, Spectrum):
        return None
    return Spectrum(made, tuple(atom.axes[i] for i in equation.params["permutation"]))


def _sliced(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    (atom,) = arguments
    made = _by_rule(equation, arguments)
    if made is None or not isinstance(atom, Spectrum):
        return None
    params = equation.params
    steps = params["strides"] or (1,) * len(atom.axes)
    ranges = zip(atom.axes, params["start_indices"], params["limit_indices"], steps, strict=True)
    axes: Axes = tuple(None if a is None else (a[0], a[1][start:stop:step]) for a, start, stop, step in ranges)
    return Spectrum(made, axes)


def _padded(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    atom, fill = arguments
    if not isinstance(atom, Spectrum) or not isinstance(fill, Constant) or fill.array is None or fill.array.any():
        return None
    made = _by_rule(equation, arguments)
    axes: list[tuple[int, Frequencies] | None] = []
    for entry, (lo, hi, between) in zip(atom.axes, equation.params["padding_config"], strict=True):
        if entry is not None and (lo < 0 or hi < 0 or between):
            return None
        axes.append(None if entry is None else (entry[0], (None,) * int(lo) + entry[1] + (None,) * int(hi)))
    return None if made is None else Spectrum(made, tuple(axes))


def _mixed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """A product with constant weights that sums over no transformed axis."""
    sums, batches = equation.params["dimension_numbers"]
    which = 0 if isinstance(arguments[0], Spectrum) else 1
    atom = arguments[which]
    if not isinstance(atom, Spectrum) or not isinstance(arguments[1 - which], Constant):
        return None
    summed, batch = sums[which], batches[which]
    if any(atom.axes[i] is not None for i in summed):
        return None
    made = _by_rule(equation, arguments)
    left = [i for i in range(len(atom.axes)) if i not in summed and i not in batch]
    weights = len(equation.input_shape(1 - which)) - len(summed) - len(batch)
    fresh: list[tuple[int, Frequencies] | None] = [None] * weights
    mine = [atom.axes[i] for i in left]
    axes = [atom.axes[i] for i in batch] + (mine + fresh if which == 0 else fresh + mine)
    return None if made is None else Spectrum(made, tuple(axes))


def _placed(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """A spectrum put at fixed places of another, or of zeros."""
    slicing = equation.name == "dynamic_update_slice"
    operand, update = arguments[0], arguments[1 if slicing else 2]
    indices = list(arguments[2:] if slicing else arguments[1:2])
    given = [i.array for i in indices if isinstance(i, Constant) and i.array is not None]
    if len(given) < len(indices) or not isinstance(update, Spectrum) or isinstance(operand, Value):
        return None
    if isinstance(operand, Constant) and (operand.array is None or operand.array.any()):
        return None
    shape, rank = equation.shapes[0], len(equation.shapes[0])
    if len(update.axes) != rank or {i for i, a in enumerate(update.axes) if a} != {
        i for i, a in enumerate(operand.axes if isinstance(operand, Spectrum) else update.axes) if a
    }:
        return None
    where = landed(equation, np.ones(update.shape, np.int32), given)
    if where.max() > 1:
        return None
    axes: list[tuple[int, Frequencies] | None] = []
    for i, entry in enumerate(update.axes):
        if entry is None:
            axes.append(None)
            continue
        before = operand.axes[i] if isinstance(operand, Spectrum) else (entry[0], (None,) * shape[i])
        codes = np.asarray([-1 if f is None else f for f in entry[1]]) + 2
        row = codes.reshape([-1 if j == i else 1 for j in range(rank)])
        found = landed(equation, np.broadcast_to(row, update.shape).astype(np.int32), given)
        merged = _merged(found, i, before)
        if merged is None or before is None or before[0] != entry[0]:
            return None
        axes.append((entry[0], merged))
    free = [all(digit.axis is None for digit in digits) for digits in update.value.layout]
    whole = tuple(
        (Digit(n),) if loose else digits for n, loose, digits in zip(shape, free, update.value.layout, strict=True)
    )
    made = Spectrum(mixed(update.value, "linear", whole), tuple(axes))
    if made.shape != shape:
        return None
    if isinstance(operand, Spectrum):
        base = operand.value.laid_out(whole) if operand.value.shape == shape else operand.value
        return _joined(Spectrum(base, tuple(axes)), made)
    return made


def _merged(found: np.ndarray, axis: int, before: tuple[int, Frequencies] | None) -> Frequencies | None:
    """The frequencies along an axis after an update: each place holds those of before or of the update, which agree."""
    if before is None:
        return None
    flat = np.moveaxis(found, axis, 0).reshape(found.shape[axis], -1)
    made: list[int | None] = []
    for row, old in zip(flat, before[1], strict=True):
        values = {int(v) - 2 for v in np.unique(row) if v} - {-1}
        if len(values) > 1:
            return None
        new = values.pop() if values else None
        if new is not None and old is not None and new != old:
            return None
        made.append(old if new is None else new)
    return tuple(made)


_STEPS: dict[str, Callable[[Equation, Sequence[Held]], Spectrum | Value | None]] = {
    **dict.fromkeys(("mul", "div", "neg", "convert_element_type", "copy", "stop_gradient"), _same),
    **dict.fromkeys(("add", "sub", "add_any"), _sum),
    **dict.fromkeys(("scatter", "scatter-add", "dynamic_update_slice"), _placed),
    "abs": _magnitude,
    "transpose": _transposed,
    "slice": _sliced,
    "pad": _padded,
    "dot_general": _mixed,
}
