"""Pools and resizing in models of Flax, which are functions and no modules: what meets their calls while one runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import pooling
from jax import lax

from equinet.interop.mending import Resizing, Windows

Meet = Callable[[Windows | Resizing, Any, Callable[..., Any]], Any]
"""What meets a call: `(part, x, compute) -> y`, with `compute(x, padding)`; by its own padding if none is given."""

NEAREST = ("nearest", jax.image.ResizeMethod.NEAREST)
FURTHEST = 5
"""Nodes that any method reads on either side, that of Lanczos."""
NAMES = {lax.max: "max_pool", lax.add: "avg_pool", lax.min: "min_pool"}

_meeting: ContextVar[tuple[tuple[Meet, Hashable], ...]] = ContextVar("_meeting", default=())
# What jit keeps of a function that calls pools is of these keys only.
_traced = jax.make_user_context(None)
_pool = pooling.pool
_resize = jax.image.resize
_lock = Lock()
_runs = 0


@contextmanager
def intercepted(meet: Meet, key: Hashable) -> Iterator[None]:
    """All pools of this thread, and what it calls as `jax.image.resize`, are met meanwhile, by the outermost first.

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
    """Flax's pools all call one function of their file; while a model runs in any thread, it is that below, and so is
    `jax.image.resize`."""
    global _runs
    with _lock:
        _runs += step
        pooling.pool = _intercept if _runs else _pool  # pyright: ignore[reportAttributeAccessIssue]
        jax.image.resize = _intercept_resize if _runs else _resize  # pyright: ignore[reportAttributeAccessIssue]


def _intercept(inputs: Any, init: Any, reduce_fn: Any, window_shape: Any, strides: Any, padding: Any) -> Any:
    windows = Windows(
        NAMES.get(reduce_fn, "pool"),
        tuple(window_shape),
        None if strides is None else tuple(strides),
        padding if isinstance(padding, str) else tuple(map(tuple, padding)),
    )

    def plain(x: Any, padding: Any = padding) -> Any:
        return _pool(x, init, reduce_fn, window_shape, strides, padding)

    return _through(windows, plain)(inputs)


def _intercept_resize(image: Any, shape: Any, method: Any, *args: Any, **kwargs: Any) -> Any:
    before, after = tuple(jnp.shape(image)), tuple(shape)
    inner = [m // n if n and not m % n else 0 for n, m in zip(before[1:-1], after[1:-1], strict=False)]
    is_finer = len(before) == len(after) > 2 and (before[0], before[-1]) == (after[0], after[-1])
    if not is_finer or not all(inner) or max(inner) == 1:
        return _resize(image, shape, method, *args, **kwargs)

    def plain(x: Any, padding: Any = None) -> Any:
        del padding
        sizes = (n * s for n, s in zip(x.shape[1:-1], inner, strict=True))
        return _resize(x, (x.shape[0], *sizes, x.shape[-1]), method, *args, **kwargs)

    return _through(Resizing("resize", 0 if method in NEAREST else FURTHEST), plain)(image)


def _through(part: Windows | Resizing, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A call by way of what meets it in this thread."""
    compute = plain
    for meet, _ in reversed(_meeting.get()):
        compute = partial(_next, meet, part, compute)
    return compute


def _next(meet: Meet, part: Windows | Resizing, compute: Callable[..., Any], x: Any, padding: Any = None) -> Any:
    """What meets a pool for another that has met it before, and may have padded its map."""
    if padding is not None:
        return compute(x, padding)
    return meet(part, x, compute)
