"""The compiled step of a sweep: move inputs, evaluate, move reference outputs, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups import Isometry
from equinet.ops.traced import as_traced
from equinet.verify.act import Bounds, pack, pack_channels, sources

Step = Callable[..., tuple[Any, Any, Any]]

_WITHOUT_JIT = ", or say jit=False: the function is then given arrays of numpy"


@dataclass(frozen=True)
class Program:
    """A function made ready for sweeping.

    Args:
        variables: weights passed to the compiled code as arguments, or None if they are part of it.
        evaluate: `(variables, x) -> y`.
        step: `(variables, bank, there, back, sizes=, out_sizes=, bounds=)` to `(errors, finite, y)`; see `compare`.
        traced: whether `evaluate` is JAX code under `jit`.
        stages: the functions that `evaluate` applies one after the other, each compiled apart, `variables` being a
            tuple of theirs; none if it is compiled as a whole.
    """

    variables: Any
    evaluate: Callable[[Any, Any], Any]
    step: Step
    traced: bool
    stages: tuple[Callable[[Any, Any], Any], ...] = ()

    def temporary(self, arguments: Sequence[Any], shape: Any, **grids: Any) -> int:
        """Bytes that compiled code takes for intermediate values: of a step, or of the largest stage.

        Args:
            arguments: those of `step`.
            shape: shape and dtype of the moved inputs.
            **grids: the static arguments of `step`.
        """
        if not self.traced:
            return 0
        if not self.stages:
            return _temporary(self.step, *arguments, **grids)
        taken = []
        for stage, variables in zip(self.stages, self.variables, strict=True):
            taken.append(_temporary(stage, variables, shape))
            shape = jax.eval_shape(stage, variables, shape)
        return max(taken)


def _temporary(fn: Any, *arguments: Any, **static: Any) -> int:
    """Bytes of intermediate values in a compiled function; 0 on a device that does not say. It compiles only once."""
    analysis = fn.lower(*arguments, **static).compile().memory_analysis()
    return 0 if analysis is None else int(analysis.temp_size_in_bytes)


class Bank(NamedTuple):
    """What elements are tested on.

    Attributes:
        inputs: `[entries, batch, P, C]`.
        refs: the function's outputs on them, `[entries, batch, P', C']`, of complex ones the real parts and then the
            imaginary parts.
        unit: by how much outputs differ where the error is 1, `[entries, batch, C']`.
    """

    inputs: Any
    refs: Any
    unit: Any


class Move(NamedTuple):
    """How n elements at once move arrays.

    Attributes:
        which: `[n]`, the entry of the bank that each is tested on.
        isometries: their matrices and shifts on the array's grid.
        channels: for each of them where every channel comes from and with what sign, `[n, C]` each, or None where no
            channel is moved.
    """

    which: Any
    isometries: tuple[Any, Any]
    channels: tuple[Any, Any] | None


def make_move(
    which: Sequence[int] | np.ndarray, isometries: Sequence[Isometry], fibre: Any, turns: Sequence[Isometry]
) -> Move:
    """The move by isometries of the grid, and by `turns` of the channels of a fibre, if that is one that moves them."""
    moves: Any = fibre if callable(fibre) else None
    channels = None if moves is None else pack_channels(moves, turns)
    return Move(np.asarray(which, np.int32), pack(isometries), channels)


def transformed(xp: Any, inputs: Any, forth: Move, *, sizes: tuple[int, ...]) -> Any:
    """g·x for n elements at once, `[n·batch, *sizes, C]`; see `compare`."""
    count, batch = forth.which.shape[0], inputs.shape[1]
    source, _ = sources(sizes, *forth.isometries)
    rows = forth.which[:, None, None], np.arange(batch, dtype=np.int32)[None, :, None]
    moved = exchanged(xp, inputs[(*rows, source[:, None, :])], forth.channels)
    return moved.reshape(count * batch, *sizes, inputs.shape[-1])


def difference(
    xp: Any, y: Any, refs: Any, unit: Any, back: Move, *, out_sizes: tuple[int, ...], bounds: Bounds | None
) -> tuple[Any, Any, Any]:
    """What `compare` returns, from `y = f(g·x)`."""
    count, batch = back.which.shape[0], refs.shape[1]
    rows = back.which[:, None, None], np.arange(batch, dtype=np.int32)[None, :, None]
    y = y.reshape(count, batch, refs.shape[2], -1)
    parts = (y.real, y.imag) if xp.iscomplexobj(y) else (y,)
    y = xp.concatenate([exchanged(xp, part.astype(refs.dtype), back.channels) for part in parts], axis=-1)
    target, mask = sources(out_sizes, *back.isometries, bounds)
    gap = xp.abs(y - refs[(*rows, target[:, None, :])])
    if mask is not None:
        gap = xp.where(mask[:, None, :, None], gap, xp.zeros((), gap.dtype))
    return (gap.max(axis=2) / unit[back.which]).max(axis=(1, 2)), xp.isfinite(y).all(axis=(1, 2, 3)), y


def compare(
    xp: Any,
    evaluate: Callable[[Any, Any], Any],
    variables: Any,
    bank: Bank,
    forth: Move,
    back: Move,
    *,
    sizes: tuple[int, ...],
    **out: Any,
) -> tuple[Any, Any, Any]:
    """Errors of n elements at once.

    Args:
        xp: numpy or jax.numpy.
        evaluate, variables: the function, `[n·batch, *sizes, C] -> [n·batch, *out_sizes, C']`.
        bank: what elements are tested on.
        there: the n isometries of the input, its channels moved as they move them.
        back: their n output isometries, channels of the output moved backwards.
        sizes: of the input grid.
        **out: `out_sizes`, of the other grid, and `bounds`, trusted positions there, as in `sources`.

    Returns:
        `max |f(g·x) − h·f(x)| / unit` per element `[n]`, whether all of f(g·x) is finite `[n]`, and f(g·x) itself,
        `[n, batch, P', C']`, its channels moved back.
    """
    y = evaluate(variables, transformed(xp, bank.inputs, forth, sizes=sizes))
    return difference(xp, y, bank.refs, bank.unit, back, **out)


def exchanged(xp: Any, x: Any, channels: tuple[Any, Any] | None) -> Any:
    """`[n, batch, P, C]` with channel c taken from `index[c]` times `sign[c]`, element by element."""
    if channels is None:
        return x
    index, sign = (table[:, None, None, :] for table in channels)
    return xp.take_along_axis(x, index, -1) * sign.astype(x.dtype)


def _compile(fn: Callable[[Any, Any], Any]) -> tuple[Callable[[Any, Any], Any], Step]:
    def evaluate(variables: Any, x: Any) -> Any:
        with as_traced(_WITHOUT_JIT):
            return fn(variables, x)

    inner = jax.jit(evaluate)
    step = jax.jit(partial(compare, jnp, inner), static_argnames=("sizes", "out_sizes", "bounds"))
    return inner, step


move = jax.jit(partial(transformed, jnp), static_argnames="sizes")
"""`transformed`, compiled apart."""

_differ = jax.jit(partial(difference, jnp), static_argnames=("out_sizes", "bounds"))


def _step_in_stages(
    evaluate: Callable[[Any, Any], Any],
    variables: Any,
    bank: Bank,
    forth: Move,
    back: Move,
    *,
    sizes: tuple[int, ...],
    **out: Any,
) -> tuple[Any, Any, Any]:
    y = evaluate(variables, move(bank.inputs, forth, sizes=sizes))
    return _differ(y, bank.refs, bank.unit, back, **out)


@lru_cache(maxsize=64)
def _compile_layer(layer: Any) -> tuple[Callable[[Any, Any], Any], Step]:
    return _compile(layer.apply)


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

    return Program(None, *_compile(lambda _, x: fn(x)), True)


def make_staged(fns: Sequence[Callable[[Any], Any]], dtype: Any) -> Program:
    """Prepare bound layers that are applied one after the other, each compiled once per layer."""
    programs = [make_program(fn, dtype, True) for fn in fns]
    stages = tuple(program.evaluate for program in programs)

    def evaluate(variables: Any, x: Any) -> Any:
        for stage, own in zip(stages, variables, strict=True):
            x = stage(own, x)
        return x

    variables = tuple(program.variables for program in programs)
    return Program(variables, evaluate, partial(_step_in_stages, evaluate), True, stages)


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
