"""Parameters and statistics per orbit of channels, which commute with what moves channels.

Operations permute the channels of an orbit, up to signs. A scale must be the same for all of them; a bias or a mean
must be a multiple of the orbit's invariant vector, whose entries are ±1, or 0 where it has none.
"""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups.fibre import Fibre


def orbit_count(fibre: Fibre) -> int:
    """How many orbits there are: as many as channels, where no operation moves them."""
    return fibre.size if fibre.is_trivial else max(fibre.orbits) + 1


def _invariants(fibre: Fibre, like: jax.Array) -> jax.Array:
    """The invariant vectors, ready to broadcast over the last axis of an array."""
    return jnp.asarray(np.asarray(fibre.invariants), like.dtype).reshape((1,) * (like.ndim - 1) + (-1,))


def spread(values: jax.Array, fibre: Fibre) -> jax.Array:
    """`[…, orbits]` to `[…, channels]`: the same value for every channel of an orbit."""
    if fibre.is_trivial:
        return values
    return jnp.take(values, np.asarray(fibre.orbits), axis=-1)


def spread_invariant(values: jax.Array, fibre: Fibre) -> jax.Array:
    """`[…, orbits]` to `[…, channels]`: that multiple of each orbit's invariant vector."""
    if fibre.is_trivial:
        return values
    wide = spread(values, fibre)
    return wide * _invariants(fibre, wide)


@lru_cache(maxsize=1 << 6)
def _averaging(fibre: Fibre) -> np.ndarray:
    """`[channels, orbits]`, the matrix that averages over each orbit."""
    orbits = np.asarray(fibre.orbits)
    member = orbits[:, None] == np.arange(orbits.max() + 1)
    return member / member.sum(0)


def orbit_means(values: jax.Array, fibre: Fibre) -> jax.Array:
    """`[…, channels]` to `[…, orbits]`: the mean over the channels of each orbit."""
    if fibre.is_trivial:
        return values
    return jnp.matmul(values, jnp.asarray(_averaging(fibre), values.dtype), precision="highest")


def orbit_invariants(values: jax.Array, fibre: Fibre) -> jax.Array:
    """`[…, channels]` to `[…, orbits]`: the component along each orbit's invariant vector."""
    if fibre.is_trivial:
        return values
    return orbit_means(values * _invariants(fibre, values), fibre)
