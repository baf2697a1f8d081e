"""What the readers of JAX's libraries of models share: a model as a program, a function, and a layer."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod
from threading import Lock
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.infer.arrays import ONE_OF, chosen, named_leaves
from equinet.interop.foreign import mode_arguments
from equinet.interop.function import from_fn
from equinet.layers import Layer

Run = Callable[..., Any]
"""`(variables, *arguments) -> what a model returns`."""


class NotReady(ValueError):
    """A model has to be put in another state before it can be read; the message says how."""


@dataclass(frozen=True)
class Opened:
    """A model as a function of what may change in it.

    Attributes:
        run: the function.
        variables: those that a claim holds for all values of: shapes, or arrays.
    """

    run: Run
    variables: Any

    @property
    def has_values(self) -> bool:
        """Whether it can be run."""
        return not any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(self.variables))


@dataclass(frozen=True)
class Family:
    """A library of models, as `equinet.readers.Reader` wants to know it.

    Attributes:
        open: a model as it computes in evaluation mode, given its arguments with shapes in place of arrays. It raises
            whatever the library raises.
        layout: the axes of input and output of a model.
        convert: a model as a layer; None for a function with the model's present variables, if it has values.
        values: how a model gets values, for the error where it has none.
        fill: a model with drawn values, for an input with a shape in place of its array; None if it has them.
        edits: how a model is edited, for an input with a shape in place of its array; None if by its size alone.
    """

    open: Callable[..., Opened]
    layout: Callable[[Any], str]
    values: str
    convert: Callable[..., Layer] | None = None
    edits: Callable[[Any, Any], Sizes] | None = None
    fill: Callable[[Any, Any, int], Any] | None = None
    in_jax: bool = True

    def program(self, model: Any, *like: Any, **named: Any) -> tuple[Run, Any]:
        """The model as a function of variables and arguments, and the shapes of its variables.

        Raises:
            ValueError: if it cannot run on such arguments; the message says what its library says.
        """
        opened = self._opened(model, "infer", *like, **named)

        def run(variables: Any, *given: Any, **by_name: Any) -> Any:
            return _guarded(model, "infer", (given, by_name), lambda: opened.run(variables, *given, **by_name))

        return run, jax.eval_shape(lambda given: given, opened.variables)

    def as_function(self, model: Any, dtype: Any = jnp.float32) -> Callable[[Any], Any]:
        """The model as a function of `[batch, *spatial, channels]`, with its values.

        Raises:
            ValueError: if it has no values.
        """
        layout = self.layout(model)

        def call(x: Any) -> Any:
            x = jnp.asarray(x, dtype)
            like = jax.eval_shape(lambda x: _example(_given(x, layout), layout), x)
            opened = self._opened(model, "verify", like)
            if not opened.has_values:
                raise ValueError(f"verify: {shown_name(model)} has no values: {self.values}")
            variables = jax.tree.map(lambda v: _cast(v, dtype), opened.variables)
            run = lambda x: chosen(named_leaves(opened.run(variables, x)), None, "verify", ONE_OF)  # noqa: E731
            return _taken(jax.vmap(run) if "B" not in layout else run, _given(x, layout), layout)

        return call

    def as_layer(self, model: Any, *, size: int = 64, **options: Any) -> Layer:
        """The model as a layer."""
        if self.convert is not None:
            return self.convert(model, size=size, **options)
        layout = self.layout(model)

        def like(shape: Sequence[int]) -> Any:
            x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
            return jax.eval_shape(lambda x: _example(_given(x, layout), layout), x)

        def init(key: jax.Array, shape: tuple[int, ...]) -> Any:
            del key
            opened = self._opened(model, "init", like(shape))
            if not opened.has_values:
                raise ValueError(f"{shown_name(model)} has no values: {self.values}")
            return jax.tree.map(jnp.asarray, opened.variables)

        def fn(variables: Any, x: jax.Array) -> Any:
            opened = self._opened(model, "apply", like(x.shape[1:]))
            run = lambda x: chosen(named_leaves(opened.run(variables, x)), None, "apply", ONE_OF)  # noqa: E731
            return _taken(jax.vmap(run) if "B" not in layout else run, _given(x, layout), layout)

        return from_fn(fn, init, size=size)

    def drawn(self, model: Any, shape: tuple[int, ...], seed: int) -> Any:
        """The model, with drawn values if it has none."""
        if self.fill is None:
            return model
        fill, like = self.fill, self._like(model, shape)
        return _guarded(model, "init", like, lambda: fill(model, like, seed))

    def editor(self, model: Any, shape: tuple[int, ...]) -> Sizes:
        """How the model is edited, for inputs `[batch, channels, *spatial]`."""
        return Sizes() if self.edits is None else self.edits(model, self._like(model, shape))

    def _like(self, model: Any, shape: tuple[int, ...]) -> Any:
        """The shape of what a model is called with, for inputs `[batch, channels, *spatial]`."""
        layout = self.layout(model)
        x = jax.ShapeDtypeStruct((shape[0], *shape[2:], shape[1]), jnp.float32)
        return jax.eval_shape(lambda x: _example(_given(x, layout), layout), x)

    def expense(self, model: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The number of its parameters, and of floating point operations on an input `[batch, channels, *spatial]`."""
        like = self._like(model, shape)
        try:
            run, variables = self.program(model, like)
            costs: Any = jax.jit(run).lower(variables, like).cost_analysis()
        except (NotImplementedError, ValueError):
            return None
        return sum(prod(leaf.shape) for leaf in jax.tree.leaves(variables)), int((costs or {}).get("flops", 0))

    def _opened(self, model: Any, who: str, *like: Any, **named: Any) -> Opened:
        return _guarded(model, who, (like, named), lambda: self.open(model, *like, **named))


def _guarded(model: Any, who: str, given: Any, work: Callable[[], Any]) -> Any:
    """What a library does; where it raises, an error of one line that says so.

    Raises:
        ValueError: for whatever it raises.
    """
    try:
        return work()
    except (MemoryError, TimeoutError):
        raise
    except NotReady as error:
        raise ValueError(f"{who}: {error}") from None
    except Exception as error:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in jax.tree.leaves(given))
        text = " ".join(str(error).split("\n--------")[0].split())
        raise ValueError(
            f"{who}: {shown_name(model)} cannot run on an array of shape {shapes} in evaluation mode: "
            f"{type(error).__name__}: {text[:300]}"
        ) from error


class Sizes:
    """An editor without edits, for models of which only the size of the input is changed; see `readers.Editor`."""

    rules: Sequence[Any] = ()
    together: Sequence[Any] = ()
    whole: Sequence[Any] = ()
    budget: int = 60

    def wrap(self, part: Any, where: Any, /) -> Any:
        """No rule pads around the torus."""
        del part, where

    def rewrite(self, net: Any, change: Callable[[tuple[str, ...], Any, Any], Any]) -> Any:
        """The same network."""
        del change
        return net

    def describe(self, part: Any) -> str:
        """A part, as text."""
        return shown_name(part)

    def unedited(self, net: Any) -> str:
        """Nothing is known."""
        del net
        return ""

    def averaged(self, net: Any) -> Any:
        """The same network: its mean is not asked."""
        return net

    def separate(self, net: Any) -> Any:
        """The same network."""
        return net


def shown_name(model: Any) -> str:
    return type(model).__name__


def in_evaluation(call: Callable[..., Any]) -> dict[str, Any]:
    """The arguments that tell a function that it is not in training."""
    return mode_arguments(call, False)


def refuse_training(model: Any, parts: Iterable[tuple[str, Any]], remedy: str) -> None:
    """
    Raises:
        NotReady: if a part behaves as in training, by what Flax and Equinox call their attributes.
    """
    for name, part in parts:
        drops = getattr(part, "rate", getattr(part, "p", 1)) != 0
        training = (
            getattr(part, "deterministic", None) is False and drops,
            getattr(part, "use_running_average", None) is False,
            getattr(part, "inference", None) is False and drops,
        )
        if any(training):
            where = f"its part {name}" if name else "it"
            raise NotReady(f"{shown_name(model)} runs in training mode: {where} does; {remedy}")


def _given(x: Any, layout: str) -> Any:
    """`[batch, *spatial, channels]` in the order of a layout, its batch in front."""
    return jnp.moveaxis(x, -1, 1) if layout.endswith("CS") else x


def _example(x: Any, layout: str) -> Any:
    """What a model is called with: one example, if its layout has no batch."""
    return x if "B" in layout else x[0]


def _taken(run: Callable[[Any], Any], x: Any, layout: str) -> Any:
    y = run(x)
    return jnp.moveaxis(y, 1, -1) if layout.endswith("CS") and y.ndim > 2 else y


def _cast(value: Any, dtype: Any) -> Any:
    value = jnp.asarray(value)
    return value.astype(dtype) if jnp.issubdtype(value.dtype, jnp.floating) else value


_PATH: ContextVar[str] = ContextVar("_PATH", default="")
_NAMES: ContextVar[Mapping[int, str]] = ContextVar("_NAMES", default=MappingProxyType({}))
_lock = Lock()
_runs: Counter[type[Any]] = Counter()
_own: dict[type[Any], Any] = {}


@contextmanager
def named_calls(parts: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Calls of these objects are traced in scopes with these names (`layers.0.conv`), as Flax's Linen does by itself.

    While a model runs in any thread, the classes of its parts have another `__call__`.
    """
    kinds = {type(part) for _, part in parts if callable(part)}
    token = _NAMES.set({**_NAMES.get(), **{id(part): name for name, part in parts if name}})
    _count(kinds, 1)
    try:
        yield
    finally:
        _count(kinds, -1)
        _NAMES.reset(token)


def _count(kinds: Iterable[type[Any]], step: int) -> None:
    with _lock:
        for kind in kinds:
            if not _runs[kind]:
                _own[kind] = vars(kind).get("__call__")
                kind.__call__ = _in_scope(kind.__call__)
            _runs[kind] += step
            if not _runs[kind]:
                own = _own.pop(kind)
                if own is None:
                    del kind.__call__
                else:
                    kind.__call__ = own


def _in_scope(call: Callable[..., Any]) -> Callable[..., Any]:
    def scoped(self: Any, *args: Any, **kwargs: Any) -> Any:
        name, outer = _NAMES.get().get(id(self)), _PATH.get()
        if name is None or name == outer:
            return call(self, *args, **kwargs)
        token = _PATH.set(name)
        try:
            with jax.named_scope(name.removeprefix(f"{outer}.").replace(".", "/")):
                return call(self, *args, **kwargs)
        finally:
            _PATH.reset(token)

    scoped.__signature__ = inspect.signature(call)  # pyright: ignore[reportFunctionMemberAccess]
    return scoped


def is_number(leaf: Any) -> bool:
    """Whether a leaf is an array, or the shape of one, of real or complex numbers."""
    kinds = (jax.Array, jax.ShapeDtypeStruct, np.ndarray)
    return isinstance(leaf, kinds) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def joined(leaves: Sequence[Any], free: Sequence[bool], values: Iterable[Any]) -> list[Any]:
    """Leaves, with values in the place of those that are free."""
    new = iter(values)
    return [next(new) if is_free else leaf for leaf, is_free in zip(leaves, free, strict=True)]
