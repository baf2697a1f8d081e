"""Phases: what products, quotients, powers and conjugates of spectra do to them.

The frequencies of entries add up in a product and are subtracted in a quotient, so that entries whose frequencies come
to 0 are translated by nothing. Point operations are kept by products with constants alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from equinet.infer.compat import Equation
from equinet.infer.fields import forget_axes
from equinet.infer.join import join, mixed
from equinet.infer.rules.frequencies import balanced, upright
from equinet.infer.rules.spectra import Entry, added, as_table, by_rule, first_of
from equinet.infer.values import Constant, Frequencies, Held, Spectrum, Value
from equinet.infer.views import renamed


def multiplied(equation: Equation, arguments: Sequence[Held]) -> Spectrum | Value | None:
    """The product with a constant, which may differ from entry to entry; with a spectrum, or what is not translated."""
    first = first_of(arguments)
    a, b = arguments
    if isinstance(a, Spectrum) and isinstance(b, Spectrum):
        return _together(a, b, 1)
    other = b if a is first else a
    if isinstance(other, Value):
        return _with_still(first, other)
    wide = equation.shapes[0]
    if not isinstance(other, Constant) or any(
        entry is not None and n != m for entry, n, m in zip(first.axes, first.shape, wide, strict=True)
    ):
        return None
    operands = [balanced(a, as_table(other, a.shape)) if isinstance(a, Spectrum) else a for a in arguments]
    return by_rule(equation, operands, first.axes, moves=False)


def divided(equation: Equation, arguments: Sequence[Held]) -> Spectrum | Value | None:
    """The quotient by a constant, or by another spectrum; a constant by a spectrum turns its phases back."""
    a, b = arguments
    if isinstance(a, Spectrum) and isinstance(b, Spectrum):
        return _together(a, b, -1)
    return multiplied(equation, arguments) if isinstance(a, Spectrum) else None


def _together(a: Spectrum, b: Spectrum, sign: int) -> Spectrum | Value | None:
    """A product (a quotient, if the sign is −1) of entries in one place: their frequencies add up (are subtracted).

    exp(−2πi κ t / n) exp(∓2πi λ t / n) = exp(−2πi (κ ± λ) t / n). A quotient by an entry that is zero has none.
    """
    axes: list[Entry] = []
    for one, two in zip(a.axes, b.axes, strict=True):
        if one is None or two is None:
            if one is not two:
                return None
            axes.append(None)
            continue
        if one[0] != two[0] or (sign < 0 and None in two[1]):
            return None
        axes.append((one[0], _added_up(one[1], two[1], sign, a.value.extents[one[0]])))
    result = added(replace(upright(a), axes=tuple(axes)), replace(upright(b), axes=tuple(axes)))
    return None if result is None else _without_still(replace(result, value=mixed(result.value, "any")))


def _added_up(one: Frequencies, two: Frequencies, sign: int, size: int) -> Frequencies:
    pairs = zip(one, two, strict=True)
    return tuple(None if f is None or g is None else (f + sign * g) % size for f, g in pairs)


def _without_still(spectrum: Spectrum) -> Spectrum | Value:
    """A spectrum without axes along which all entries have frequency 0: translations leave it alone."""
    still = {entry[0] for entry in spectrum.axes if entry is not None and not any(entry[1])}
    if not still:
        return spectrum
    value = upright(spectrum).value
    kept = [i for i in range(value.dim) if i not in still]
    names = {old: new for new, old in enumerate(kept)}
    left = value.known(forget_axes(value.field, still), renamed(value.layout, names), axes=kept)
    axes = tuple(None if a is None or a[0] in still else (names[a[0]], a[1]) for a in spectrum.axes)
    return Spectrum(left, axes) if any(axes) else left


def _with_still(spectrum: Spectrum, other: Value) -> Spectrum | None:
    """The product with an array without nodes that are moved: under what leaves that alone."""
    if other.dim or other.shape not in ((), spectrum.shape):
        return None
    value = upright(spectrum).value
    whole = join(value, other, linear=False)
    return Spectrum(whole, spectrum.axes) if whole.extents == value.extents else None


def conjugated(equation: Equation, arguments: Sequence[Held]) -> Spectrum | None:
    """The conjugates: phases turn the other way, so that entries of frequency κ are of −κ."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum) or equation.shapes[0] != atom.shape:
        return None
    sizes = atom.value.extents
    axes = [
        None if a is None else (a[0], tuple(None if f is None else -f % sizes[a[0]] for f in a[1])) for a in atom.axes
    ]
    return by_rule(equation, [replace(upright(atom), half=None)], axes, moves=False)


def raised(equation: Equation, arguments: Sequence[Held]) -> Spectrum | Value | None:
    """An integer power p of each entry: its frequency is p κ. Of 0 a power that is negative is none."""
    (atom,) = arguments
    power = equation.params.get("y", 2)
    if not isinstance(atom, Spectrum) or (power <= 0 and any(a is not None and None in a[1] for a in atom.axes)):
        return None
    sizes = atom.value.extents
    axes = [
        None if a is None else (a[0], tuple(None if f is None else power * f % sizes[a[0]] for f in a[1]))
        for a in atom.axes
    ]
    found = by_rule(equation, [replace(upright(atom), half=None)], axes, moves=False)
    return None if found is None else _without_still(found)


def magnitude(_: Equation, arguments: Sequence[Held]) -> Value | None:
    """|z|: a phase leaves it alone, so it is translated by nothing."""
    (atom,) = arguments
    if not isinstance(atom, Spectrum):
        return None
    value, hidden = upright(atom).value, {entry[0] for entry in atom.axes if entry is not None}
    kept = [i for i in range(value.dim) if i not in hidden]
    layout = renamed(value.layout, {old: new for new, old in enumerate(kept)})
    return value.known(forget_axes(value.field, hidden).pointwise("any"), layout, axes=kept)
