"""How to measure: what `verify`, `discover` and `assert_equivariant` are asked for beside a function and a claim."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag, as_integer, as_real
from equinet.ops.arrays import as_dtype, as_key
from equinet.readers import reader_of
from equinet.verify.inputs import words

MEMORY = 4 << 30
"""Bytes that a compiled step may take for intermediate values unless a caller says otherwise."""

MOST_TRIALS = 1 << 12
"""Batches for each generator."""


@dataclass(frozen=True)
class Options:
    """The options of a measurement; `verify` says what each of them does."""

    key: jax.Array | int
    batch: int = 2
    trials: int = 8
    dtype: Any = jnp.float32
    jit: bool = True
    chunk: int | None = None
    memory: int = MEMORY
    tol: float | None = None
    inputs: Any = None
    progress: bool | None = None

    def anew(self, number: int) -> Options:
        """The same for inputs of another number: drawn with a key of their own, or others of the user's."""
        seed = int(np.random.default_rng([*words(self.key), number]).integers(1 << 62))
        inputs = None if self.inputs is None else np.roll(np.asarray(self.inputs), number, axis=0)
        return replace(self, key=seed, inputs=inputs)


def as_options(options: Options, asker: str) -> Options:
    """The options, if they make sense.

    Args:
        options: from outside.
        asker: who needs them, for the error.

    Raises:
        ValueError: for a number, a type or a flag that is none.
        TypeError: for a key that is none.
    """
    if options.tol is not None:
        as_real(options.tol, "tol", least=0)
    if options.progress is not None:
        as_flag(options.progress, "progress")
    return replace(
        options,
        key=as_key(options.key, "a measurement"),
        dtype=as_dtype(options.dtype, asker, floating=True),
        batch=as_integer(options.batch, f"{asker}: batch", least=1),
        trials=as_integer(options.trials, f"{asker}: trials", least=1, most=MOST_TRIALS),
        chunk=None if options.chunk is None else as_integer(options.chunk, f"{asker}: chunk", least=1),
        jit=as_flag(options.jit, f"{asker}: jit"),
        memory=as_integer(options.memory, "memory, a number of bytes,", least=1),
    )


def by_its_framework(fn: Any, options: Options) -> tuple[Any, Options]:
    """A function to measure and how: a model of another framework is run by that framework."""
    reader = reader_of(fn)
    if reader is None:
        return fn, options
    return reader.as_function(fn, options.dtype), replace(options, jit=options.jit and reader.in_jax)
