"""Discrete Fourier transforms: nodes to coefficients, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equinet.infer.bands.arithmetic import summed
from equinet.infer.bands.values import Nodes, Turning, as_turning, nothing
from equinet.infer.compat import Equation
from equinet.infer.values import Constant
from equinet.symmetry.continuous import Band

Known = Nodes | Turning | Constant


def transformed(equation: Equation, argument: Known) -> Nodes | Turning:
    """The transform along the last axes, one after the other: a real one begins with the last axis and its inverse ends
    with it. Along other axes than that of the nodes it is a sum over channels."""
    shape, kind = equation.shapes[0], equation.params["fft_type"].name
    count = len(equation.params["fft_lengths"])
    axes = list(range(len(shape) - count, len(shape)))
    if kind == "RFFT":
        axes = axes[::-1]
    value: Known = argument
    for axis in axes:
        half = axis == len(shape) - 1 and "R" in kind
        value = _along(value, axis, shape[axis], -1 if kind.startswith("I") else 1, half)
    return value if isinstance(value, Nodes | Turning) else as_turning(value)


def _along(value: Known, axis: int, size: int, sign: int, half: bool) -> Nodes | Turning:
    """Along one axis: exp(−2πi j u / m) for sign 1, and −1 for its inverse; of real numbers, or to them, if `half`."""
    shape = tuple(size if at == axis else n for at, n in enumerate(value.shape))
    if isinstance(value, Nodes):
        if value.axis != axis:
            return value.linear(shape, value.axis)
        return nothing(shape) if half and sign < 0 else coefficients(value, shape, sign)
    turning = as_turning(value)
    if half and (turning.frequency.any() or sign < 0):
        # To real numbers: parts of what turns, unless it turns into nodes.
        found = functions(turning, axis, size, sign) if sign < 0 else None
        staying = np.gcd.reduce(turning.staying, axis=axis, keepdims=True)
        return found or Turning.of(
            *_spread(np.zeros_like(staying), staying, np.zeros(staying.shape, bool), shape=shape)
        )
    mixed = summed(turning, [axis])
    uniform = [np.expand_dims(each, axis) for each in (mixed.frequency, mixed.shifts, mixed.zero)]
    lone = bool(((~turning.zero).sum(axis=axis) <= 1).all())
    loses = (mixed.shifts != np.gcd.reduce(turning.shifts, axis=axis)).any()
    if lone or loses:
        found = functions(turning, axis, size, sign)
        if found is not None:
            return found
    return Turning.of(*_spread(*uniform, shape=shape))


def _spread(*arrays: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    return [np.broadcast_to(each, shape) for each in arrays]


def coefficients(value: Nodes, shape: Sequence[int], sign: int) -> Turning:
    """Of functions with frequencies up to K at n nodes, coefficient k is that of the functions if |k| + K < n, and 0
    above K; else others have folded onto it, and it turns with them by shifts of whole nodes."""
    band, count = value.band, value.shape[value.axis]
    found = [_coefficient(band, count, sign * k) for k in range(shape[value.axis])]
    wide = [-1 if at == value.axis else 1 for at in range(len(shape))]
    frequency, shifts, zero = (np.broadcast_to(np.reshape(row, wide), tuple(shape)) for row in zip(*found, strict=True))
    return Turning.of(frequency, shifts, zero.astype(bool))


def _coefficient(band: Band, count: int, at: int) -> tuple[int, int, bool]:
    """The frequency of a coefficient, the shifts by which it turns, and whether it is 0."""
    signed = (at + (count - 1) // 2) % count - (count - 1) // 2
    if band.top is not None and abs(signed) + band.top < band.nodes:
        return signed, band.shifts, abs(signed) > band.top
    if band.low is not None and abs(signed) <= band.low[0]:
        return signed, band.low[1], False
    return signed, band.whole, False


def functions(value: Turning, axis: int, size: int, sign: int) -> Nodes | None:
    """Numbers that turn, put where their frequencies belong, are the coefficients of functions: then their sums are
    nodes. None if one is elsewhere: entry j of m is of the frequencies κ = j modulo m."""
    count = value.shape[axis]
    places = np.arange(count).reshape([-1 if at == axis else 1 for at in range(len(value.shape))])
    is_sum_zero = (value.frequency + sign * places) % size == 0
    if not (is_sum_zero | value.zero).all():
        return None
    shape = tuple(size if at == axis else n for at, n in enumerate(value.shape))
    top = int(np.abs(value.frequency).max(initial=0))
    return Nodes(shape, axis, Band(size, int(np.gcd.reduce(value.shifts.reshape(-1))), top))
