"""Models of Keras on JAX read, and its published architectures by their names."""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp

from equinet.interop.family import Family, Opened, joined
from equinet.names import check_name, guarded

USUAL = 224
"""Nodes along an axis of what has no size of its own."""


def library() -> Any:
    """Keras itself, on JAX.

    Raises:
        ValueError: if it runs on another library.
    """
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = import_module("keras")
    if keras.backend.backend() != "jax":
        raise ValueError(f"Keras runs on {keras.backend.backend()} here: set KERAS_BACKEND=jax before it is imported")
    return keras


def _layout(model: Any) -> str:
    del model
    return "BSC" if library().config.image_data_format() == "channels_last" else "BCS"


def _opened(model: Any, *like: Any, **named: Any) -> Opened:
    """All variables of real numbers are free; whole ones, as the state of random streams, are as they are."""
    if not model.built:
        model.build(*(tuple(one.shape) for one in like), **{name: tuple(one.shape) for name, one in named.items()})
    held = [*model.trainable_variables, *model.non_trainable_variables]
    learned = len(model.trainable_variables)
    free = [jnp.issubdtype(v.dtype, jnp.floating) for v in held]

    def run(variables: list[Any], *given: Any, **by_name: Any) -> Any:
        kept = [None if is_free else v.value for v, is_free in zip(held, free, strict=True)]
        filled = joined(kept, free, variables)
        return model.stateless_call(filled[:learned], filled[learned:], *given, **by_name, training=False)[0]

    return Opened(run, [_value(v) for v, is_free in zip(held, free, strict=True) if is_free])


def _value(variable: Any) -> Any:
    """The value of a variable, or its shape where it has none yet."""
    if getattr(variable, "_value", None) is None:
        return jax.ShapeDtypeStruct(tuple(variable.shape), jnp.dtype(variable.dtype))
    return variable.value


def applications() -> dict[str, Any]:
    """The builders of `keras.applications` by their names."""
    found = vars(library().applications)
    return {name: each for name, each in found.items() if name[0].isupper() and callable(each)}


def application(
    name: str, values: bool, sizes: tuple[int, ...] | None = None, channels: int | None = None, **arguments: Any
) -> tuple[Any, tuple[int, ...]]:
    """A published architecture without trained weights, and the shape `(*sizes, channels)` of its input.

    Args:
        name: as `keras.applications` knows it.
        values: whether its variables need values: drawing them takes longer than a query.
        sizes, channels: of its input, instead of those that it was published with.
        arguments: of its builder, such as `include_top=False`.

    Raises:
        UnknownName: if there is none of that name.
        ValueError: if the builder raises anything.
    """
    known = applications()
    build = known[check_name(name, known, "architecture of keras.applications")]

    def make(values: bool, **more: Any) -> Any:
        with nullcontext() if values else library().StatelessScope(initialize_variables=False):
            return guarded(f"--keras={name}", lambda: build(**{"weights": None, **arguments, **more}))

    if sizes is None and channels is None:
        model = make(values)
        return model, tuple(n or USUAL for n in model.input_shape[1:])
    usual = make(False).input_shape[1:]
    shape = (*(sizes or (n or USUAL for n in usual[:-1])), channels or usual[-1])
    return make(values, input_shape=shape), shape


READER = Family(_opened, _layout, "build it outside of keras.StatelessScope")
