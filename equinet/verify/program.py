"""The compiled step of a sweep: move inputs, evaluate, move reference outputs, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.verify.act import Bounds, sources

Step = Callable[..., tuple[Any, Any, Any]]


@dataclass(frozen=True)
class Program:
    """A function made ready for sweeping.

    Args:
        variables: weights passed to the compiled code as arguments, or None if they are part of it.
        evaluate: `(variables, x) -> y`.
        step: `(variables, bank, refs, which, g, h, sizes=, out_sizes=, bounds=) -> (errors, finite, y)`; see `compare`.
        traced: whether `evaluate` is JAX code under `jit`.
    """

    variables: Any
    evaluate: Callable[[Any, Any], Any]
    step: Step
    traced: bool


def compare(
    xp: Any,
    evaluate: Callable[[Any, Any], Any],
    variables: Any,
    bank: Any,
    refs: Any,
    which: Any,
    g: tuple[Any, Any],
    h: tuple[Any, Any],
    into: tuple[Any, Any] | None,
    back: tuple[Any, Any] | None,
    *,
    sizes: tuple[int, ...],
    out_sizes: tuple[int, ...],
    bounds: Bounds | None,
) -> tuple[Any, Any, Any]:
    """Errors of n elements at once.

    Args:
        xp: numpy or jax.numpy.
        evaluate, variables: the function, `[n·batch, *sizes, C] -> [n·batch, *out_sizes, C']`.
        bank: `[inputs, batch, P, C]`.
        refs: `[inputs, batch, P', C']`, the function's outputs on the bank.
        which: `[n]`, the entry of the bank that each element is tested on.
        g, h: matrices and shifts of the n input isometries and their n output isometries.
        into, back: for each of them where every channel comes from and with what sign, `[n, C]` each: of the inputs,
            as g moves their channels, and of the outputs, as g moves them backwards. None where nothing does.
        sizes, out_sizes: the two grids.
        bounds: trusted output positions, as in `sources`.

    Returns:
        `max |f(g·x) − h·f(x)|` per element `[n]`, whether all of f(g·x) is finite `[n]`, and f(g·x) itself,
        `[n, batch, P', C']`, its channels moved back.
    """
    count, batch = which.shape[0], bank.shape[1]
    source, _ = sources(sizes, *g)
    rows = which[:, None, None], np.arange(batch, dtype=np.int32)[None, :, None]
    moved = _exchanged(xp, bank[(*rows, source[:, None, :])], into)
    y = evaluate(variables, moved.reshape(count * batch, *sizes, bank.shape[-1]))
    y = _exchanged(xp, y.reshape(count, batch, *refs.shape[2:]).astype(refs.dtype), back)
    target, mask = sources(out_sizes, *h, bounds)
    difference = xp.abs(y - refs[(*rows, target[:, None, :])])
    if mask is not None:
        difference = xp.where(mask[:, None, :, None], difference, xp.zeros((), difference.dtype))
    return difference.max(axis=(1, 2, 3)), xp.isfinite(y).all(axis=(1, 2, 3)), y


def _exchanged(xp: Any, x: Any, channels: tuple[Any, Any] | None) -> Any:
    """`[n, batch, P, C]` with channel c taken from `index[c]` times `sign[c]`, element by element."""
    if channels is None:
        return x
    index, sign = (table[:, None, None, :] for table in channels)
    return xp.take_along_axis(x, index, -1) * sign.astype(x.dtype)


def _compile(evaluate: Callable[[Any, Any], Any]) -> tuple[Callable[[Any, Any], Any], Step]:
    inner = jax.jit(evaluate)
    step = jax.jit(partial(compare, jnp, inner), static_argnames=("sizes", "out_sizes", "bounds"))
    return inner, step


@lru_cache(maxsize=64)
def _compile_layer(layer: Any) -> tuple[Callable[[Any, Any], Any], Step]:
    def evaluate(variables: Any, x: Any) -> Any:
        return layer.apply(variables, x)

    return _compile(evaluate)


def make_program(fn: Callable[[Any], Any], dtype: Any, jit: bool) -> Program:
    """Prepare a callable.

    One with `.layer` and `.variables` (`net.bind(variables)`) is compiled once per layer with its weights as
    arguments, cast to `dtype`: new weights compile nothing. Any other callable is compiled with what it closes over.
    """
    if not jit:

        def call(_: Any, x: np.ndarray) -> np.ndarray:
            return np.asarray(fn(x))

        return Program(None, call, partial(compare, np, call), False)
    if hasattr(fn, "layer") and hasattr(fn, "variables"):
        bound: Any = fn

        def cast(leaf: Any) -> Any:
            return jnp.asarray(leaf, dtype) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf

        return Program(jax.tree.map(cast, bound.variables), *_compile_layer(bound.layer), True)

    def evaluate(_: Any, x: Any) -> Any:
        return fn(x)

    return Program(None, *_compile(evaluate), True)


@dataclass(frozen=True)
class Spread:
    """The devices of this host, in a line: the elements of a chunk are shared out among them."""

    mesh: jax.sharding.Mesh

    @staticmethod
    def over_local_devices() -> Spread | None:
        """All devices of this host, or None if there is one only."""
        found = jax.local_devices()
        return Spread(jax.sharding.Mesh(np.array(found), ("elements",))) if len(found) > 1 else None

    def everywhere(self, tree: Any) -> Any:
        """The same arrays on every device."""
        return jax.device_put(tree, jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec()))

    def shared(self, tree: Any) -> Any:
        """Arrays cut along their first axis, a part for each device."""
        return jax.device_put(tree, jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec("elements")))


@contextmanager
def precision(dtype: Any) -> Iterator[None]:
    """Full-precision products, and 64-bit types where `dtype` needs them, for the code inside."""
    with ExitStack() as stack:
        stack.enter_context(jax.default_matmul_precision("highest"))
        if jnp.dtype(dtype) == jnp.float64:
            stack.enter_context(jax.enable_x64(True))
        yield
