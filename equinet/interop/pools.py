"""Pools of Flax, which are functions and no modules: what meets their calls while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any

import jax
from flax.linen import pooling
from jax import lax

from equinet.interop.mending import Windows

Meet = Callable[[Windows, Any, Callable[..., Any]], Any]
"""What meets a pool: `(windows, x, compute) -> y`, with `compute(x, padding)`; its own padding if none is given."""

NAMES = {lax.max: "max_pool", lax.add: "avg_pool", lax.min: "min_pool"}

_meeting: ContextVar[tuple[tuple[Meet, Hashable], ...]] = ContextVar("_meeting", default=())
# What jit keeps of a function that calls pools is of these keys only.
_traced = jax.make_user_context(None)
_pool = pooling.pool
_lock = Lock()
_runs = 0


@contextmanager
def met(meet: Meet, key: Hashable) -> Iterator[None]:
    """All pools of this thread are met meanwhile, by the outermost first.

    Args:
        key: what `meet` does to the program, by value.
    """
    met_by = (*_meeting.get(), (meet, key))
    token = _meeting.set(met_by)
    _count(1)
    try:
        with _traced(tuple(key for _, key in met_by)):
            yield
    finally:
        _count(-1)
        _meeting.reset(token)


def _count(step: int) -> None:
    """Flax's pools all call one function of their file; while a model runs in any thread, it is that below."""
    global _runs
    with _lock:
        _runs += step
        pooling.pool = _met if _runs else _pool  # pyright: ignore[reportAttributeAccessIssue]


def _met(inputs: Any, init: Any, reduce_fn: Any, window_shape: Any, strides: Any, padding: Any) -> Any:
    windows = Windows(
        NAMES.get(reduce_fn, "pool"),
        tuple(window_shape),
        None if strides is None else tuple(strides),
        padding if isinstance(padding, str) else tuple(map(tuple, padding)),
    )

    def plain(x: Any, padding: Any = padding) -> Any:
        return _pool(x, init, reduce_fn, window_shape, strides, padding)

    compute: Callable[..., Any] = plain
    for meet, _ in reversed(_meeting.get()):
        compute = partial(_next, meet, windows, compute)
    return compute(inputs)


def _next(meet: Meet, windows: Windows, compute: Callable[..., Any], x: Any, padding: Any = None) -> Any:
    """What meets a pool for another that has met it before, and may have padded its map."""
    if padding is not None:
        return compute(x, padding)
    return meet(windows, x, compute)
