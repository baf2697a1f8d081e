"""Convolutions and pools, spelled out: sums, or maxima, of what their windows read tap by tap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.infer.compat import Equation, Program, trace

MOST_TAPS = 256
"""Of a window that is spelled out; a larger one is not followed."""

Padding = Sequence[tuple[int, int, int]]
"""Per axis the nodes before and after, and those between two."""
POOLS: dict[str, tuple[Callable[[jax.Array, jax.Array], jax.Array], float]] = {
    "reduce_window_sum": (lax.add, 0.0),
    "reduce_window_max": (lax.max, -np.inf),
    "reduce_window_min": (lax.min, np.inf),
}


def spelled_out(equation: Equation) -> Program | None:
    """A convolution or a pool as slices of its input, one for each tap of its window, which are weighed and added.

    What is true of slices and sums is so true of windows: around a circle, each slice is nodes of the function that was
    read, moved by the place of the tap, and so is their sum; past an end it is nothing that is known. None if the
    operation is none of these.
    """
    fn: Callable[..., jax.Array]
    if equation.name == "conv_general_dilated" and equation.params["batch_group_count"] == 1:
        taps, fn = _taps_of(equation), _convolution(equation)
    elif equation.name in POOLS:
        taps, fn = prod(equation.params["window_dimensions"]), _pool(equation)
    else:
        return None
    if taps > MOST_TAPS:
        return None
    return trace(fn, [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in equation.inputs])[0]


def _taps_of(equation: Equation) -> int:
    shape = equation.input_shape(1)
    return prod(shape[axis] for axis in equation.params["dimension_numbers"].rhs_spec[2:])


def _convolution(equation: Equation) -> Callable[[jax.Array, jax.Array], jax.Array]:
    how, numbers = equation.params, equation.params["dimension_numbers"]
    (batch, feature, *axes), (out, into, *offsets) = numbers.lhs_spec, numbers.rhs_spec
    groups, dim = how["feature_group_count"], len(axes)
    padding = [(lo, hi, base - 1) for (lo, hi), base in zip(how["padding"], how["lhs_dilation"], strict=True)]
    counts = [equation.shapes[0][axis] for axis in numbers.out_spec[2:]]

    def fn(x: jax.Array, kernel: jax.Array) -> jax.Array:
        x, kernel = lax.transpose(x, (batch, *axes, feature)), lax.transpose(kernel, (*offsets, into, out))
        x = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
        kernel = kernel.reshape(*kernel.shape[:-1], groups, kernel.shape[-1] // groups)
        wide = _padded(x, [(0, 0, 0), *padding, (0, 0, 0), (0, 0, 0)], 0.0)
        total = None
        for tap in np.ndindex(*kernel.shape[:dim]):
            starts = [0, *(d * at for d, at in zip(how["rhs_dilation"], tap, strict=True)), 0, 0]
            sizes = [len(wide), *counts, *wide.shape[-2:]]
            part = _read(wide, starts, sizes, [1, *how["window_strides"], 1, 1])
            weighed = jnp.einsum("...gi,igo->...go", part, kernel[tap])
            total = weighed if total is None else total + weighed
        assert total is not None
        order = np.argsort([numbers.out_spec[0], *numbers.out_spec[2:], numbers.out_spec[1]])
        return lax.transpose(total.reshape(*total.shape[:-2], -1), [int(at) for at in order])

    return fn


def _pool(equation: Equation) -> Callable[[jax.Array], jax.Array]:
    how, (combine, outside) = equation.params, POOLS[equation.name]
    rank = len(how["window_dimensions"])
    dilation, base = (how.get(key) or (1,) * rank for key in ("window_dilation", "base_dilation"))

    def fn(x: jax.Array) -> jax.Array:
        wide = _padded(x, [(lo, hi, b - 1) for (lo, hi), b in zip(how["padding"], base, strict=True)], outside)
        total = None
        for tap in np.ndindex(*how["window_dimensions"]):
            starts = [d * at for d, at in zip(dilation, tap, strict=True)]
            part = _read(wide, starts, equation.shapes[0], how["window_strides"])
            total = part if total is None else combine(total, part)
        assert total is not None
        return total

    return fn


def _padded(x: jax.Array, padding: Padding, outside: float) -> jax.Array:
    if not any(map(any, padding)):
        return x
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        outside = 0
    return lax.pad(x, jnp.asarray(outside, x.dtype), padding)


def _read(x: jax.Array, starts: Sequence[int], sizes: Sequence[int], strides: Sequence[int]) -> jax.Array:
    """What one tap of all windows reads."""
    ends = [start + (n - 1) * stride + 1 for start, n, stride in zip(starts, sizes, strides, strict=True)]
    return lax.slice(x, starts, ends, strides)
