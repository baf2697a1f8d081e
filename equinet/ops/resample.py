"""Resampling of arrays at evenly spaced positions along one axis."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from equinet.ops.windows import pad_axis, pick
from equinet.symmetry.resampling import Resample
from equinet.symmetry.windows import pad_table


def resample(x: jax.Array, axis: int, reading: Resample) -> jax.Array:
    """`y[i] = Σ_k w[i, k] x[p[i, k]]` along an array axis, with the nodes and weights of the reading."""
    n = x.shape[axis]
    if reading.factor is not None and reading.factor.denominator == 1 and not reading.corners:
        return _in_blocks(x, axis, reading)
    nodes, weights, whole = reading.weighed(n)
    nodes = pad_table(n, reading.wide, reading.wide, str(reading.padding))[nodes + reading.wide]
    # On a node only that one is read, in equal parts: 0 · ∞ is no number.
    on = (weights != 0).sum(1, keepdims=True) == 1
    nodes = np.where(on, np.take_along_axis(nodes, weights.argmax(1)[:, None], 1), nodes)
    weights = np.where(on, 1 / reading.reads, weights / whole)
    column = tuple(i for i in range(x.ndim) if i != axis)
    parts = [
        pick(x, axis, places) * jnp.asarray(np.expand_dims(weight, column), x.dtype)
        for places, weight in zip(nodes.T, weights.T, strict=True)
    ]
    return sum(parts[1:], start=parts[0])


def _in_blocks(x: jax.Array, axis: int, reading: Resample) -> jax.Array:
    """The same for an integer factor: the offsets within a block of outputs are weighted sums of shifted inputs."""
    n, beyond = x.shape[axis], reading.wide
    if reading.method == "nearest":
        return jnp.repeat(x, reading.period, axis=axis)
    wide = pad_axis(x, axis, beyond, beyond, str(reading.padding))
    nodes, weights, whole = reading.weighed(None)
    blocks = []
    for first, row in zip(nodes[:, 0] + beyond, weights, strict=True):
        parts = [
            jax.lax.slice_in_dim(wide, first + at, first + at + n, axis=axis) * jnp.asarray(weight / whole, x.dtype)
            for at, weight in enumerate(row.tolist())
            if weight
        ]
        blocks.append(sum(parts[1:], start=parts[0]))
    return jnp.stack(blocks, axis=axis + 1).reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
