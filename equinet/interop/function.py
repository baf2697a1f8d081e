"""Any function of an array as a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from equinet.checks import is_function, shown
from equinet.interop.foreign import Foreign, Rule
from equinet.layers import Context, Layer
from equinet.layers.base import Params, State

Init = Callable[[jax.Array, tuple[int, ...]], Any]


@dataclass(frozen=True)
class FromFunction(Foreign):
    fn: Callable[..., Any]
    init_params: Init | None

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return ({} if self.init_params is None else self.init_params(key, shape)), {}

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del context
        return (self.fn(x) if self.init_params is None else self.fn(params, x)), state

    def __str__(self) -> str:
        return f"from_fn({getattr(self.fn, '__name__', type(self.fn).__name__)})"


def from_fn(fn: Callable[..., Any], init: Init | None = None, *, symmetry: Rule | None = None, size: int = 64) -> Layer:
    """A function of an array as a layer.

    A function f with parameters θ, written in any library of JAX, becomes a part of a network. Its declaration is a
    group H of isometries h and their action φ on the output,

        f(θ, h·x) = φ(h)·f(θ, x)   for every x, every h in H and every θ.

    Nothing is known about its effect on fibres: only operations that act trivially on the channels survive, and a
    `GroupConv` does not accept its output as scalars (see `Mask`, `Pointwise`, `AsFibre`).

    Args:
        fn: `x -> y`, or `(params, x) -> y` where `init` is given; arrays are `[batch, *spatial, channels]`. The output
            keeps the spatial axes or has none.
        init: `(key, shape) -> params` makes the parameters, a pytree of arrays, for an input of shape
            `(*spatial, channels)`.
        symmetry: a rule `Field -> Field` that declares H and φ. It is trusted: test it with `verify`. By default they
            are inferred from the program of the function, for all values of the parameters and of the arrays that it
            closes over; or, without `init`, for the values that it closes over.
        size: number of nodes to trace with along an infinite axis.

    Raises:
        ValueError: if size < 1.
        LayerError: from init, apply and certify, if the function cannot run on the input, or its output does not
            have the shape that the rule states.

    >>> import jax.numpy as jnp
    >>> import equinet as eq
    >>> soften = from_fn(lambda x: jnp.tanh(x) / 2, symmetry=lambda field: field.pointwise("any"))
    >>> print(eq.certify(eq.Sequential(eq.MaxPool(2), soften), eq.torus(8, 8), channels=1).strict)
    2Z × 2Z ⋊ 4mm (p4m, index 4)
    """
    for name, given in (("fn", fn), ("init", init)):
        if not is_function(given) and not (name == "init" and given is None):
            raise TypeError(f"from_fn: {name} is a function; got {shown(given)}")
    return FromFunction(symmetry, size, fn, init)
