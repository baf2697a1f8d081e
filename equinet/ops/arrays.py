"""Random keys and types of numbers as users give them, and whether arrays fit."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp

from equinet.checks import as_integer, is_integer, shown

MOST = (1 << 63) - 1
"""The largest seed that JAX takes."""


def as_key(key: jax.Array | int, asker: str) -> jax.Array | int:
    """A key array, or a seed as an int.

    Args:
        key: what was given.
        asker: who needs it, for the error.

    Raises:
        TypeError: if it is neither.
        ValueError: for a seed that does not fit into 64 bits.
    """
    if is_integer(key) and not isinstance(key, jax.Array):
        return as_integer(key, f"{asker}: a seed", least=-MOST, most=MOST)
    if isinstance(key, jax.Array):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if key.ndim == (0 if typed else 1) and (typed or key.dtype == jnp.uint32):
            return key
    raise TypeError(f"{asker} needs a random key, such as jax.random.key(0), or an int seed; got {shown(key)}")


def as_dtype(dtype: Any, asker: str, *, floating: bool = False) -> Any:
    """A type of numbers.

    Args:
        dtype: what was given: `jnp.float32`, "float32", …
        asker: who needs it, for the error.
        floating: whether it must be a floating-point type.

    Raises:
        ValueError: if it is none.
    """
    wanted = jnp.floating if floating else jnp.number
    try:
        found = None if dtype is None else jnp.dtype(dtype)
    except Exception:
        # numpy raises whatever comes up while it looks at what it is given.
        found = None
    if found is None or not jnp.issubdtype(found, wanted):
        kind = "a floating-point type" if floating else "a type of numbers"
        got = shown(dtype) if found is None else found.name
        raise ValueError(f"{asker}: dtype must be {kind}, such as jnp.float32; got {got}")
    return dtype


def check_room(tree: Any, what: str) -> None:
    """Raise unless arrays of the shapes and types in `tree` fit into the memory of one device.

    Raises:
        ValueError: they do not; the message says how large `what` is, and how large the memory.
    """
    stats = jax.local_devices()[0].memory_stats()
    room = stats["bytes_limit"] if stats else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
    if needed > room:
        raise ValueError(
            f"{what} would take {needed / 2**30:,.1f} GiB, the memory has {room / 2**30:,.1f}: make it smaller"
        )
