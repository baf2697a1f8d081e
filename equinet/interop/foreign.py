"""Layers made from code written elsewhere: shapes by tracing, symmetry by a rule or by inference."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from equinet.checks import is_integer, shown
from equinet.groups.domain import MOST_ALONG
from equinet.groups.fibre import Fibre
from equinet.layers import Context, Layer, LayerError
from equinet.layers.base import Shape
from equinet.layers.join import same_sizes
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost

Rule = Callable[[Field], Field]

MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}
"""Arguments by which code written elsewhere is told that it is in training, and what they are then."""


@dataclass(frozen=True)
class Foreign(Layer):
    """A function of an array `[batch, *spatial, channels]` that was not written as a layer.

    Subclasses define `setup` and `forward`. They tell channels apart, as far as anyone knows.

    Attributes:
        rule: how the function moves what goes through it, or None to have this inferred from its program.
        size: number of nodes to trace with along an infinite axis.
    """

    rule: Rule | None
    size: int

    treats_channels = "each"

    def __post_init__(self) -> None:
        if not is_integer(self.size) or not 1 <= self.size <= MOST_ALONG:
            raise ValueError(f"{self}: size must be at least 1; got {shown(self.size)}")
        if self.rule is not None and not callable(self.rule):
            raise TypeError(f"{self}: symmetry is a rule, a function from a field to one; got {shown(self.rule)}")

    def output_shape(self, shape: Shape) -> Shape:
        result = _traced_shape(self, self._concrete(shape))
        if len(result) == len(shape):
            return (*(None if n is None else m for n, m in zip(shape[:-1], result[:-1], strict=True)), result[-1])
        if len(result) != 1:
            raise LayerError(
                f"{self} turns an input of shape {self._concrete(shape)} into one of shape {result}: "
                f"it must keep the spatial axes, or reduce all of them"
            )
        return result

    def _concrete(self, shape: Shape) -> tuple[int, ...]:
        return (*(self.size if n is None else n for n in shape[:-1]), int(shape[-1]))

    def symmetry(self, field: Field) -> Field:
        result = self._inferred(field.unmoved()) if self.rule is None else self.rule(field)
        promised = self.output_shape(field.shape)
        if not same_sizes(result.shape, promised):
            raise LayerError(f"{self}: the rule makes a field of shape {result.shape}, the function one of {promised}")
        return result

    def _inferred(self, field: Field) -> Field:
        # Imported where it is used: a declared function needs no interpreter.
        from equinet.infer import push

        return push(*self._program(field))

    def _program(self, field: Field) -> tuple[Callable[..., Any], Field, tuple[int, ...], tuple[Any, Any]]:
        """The function of variables and an array, its input's field and sizes, and the shapes of the variables."""
        shape = self._concrete(field.shape)

        def fn(variables: tuple[Any, Any], x: jax.Array) -> jax.Array:
            params, state = variables
            return self.forward(params, state, x, Context(fibre=Fibre.plain(shape[-1])))[0]

        return fn, field, shape[:-1], self.abstract(shape)

    def abstract(self, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Shapes of the parameters and of the state, for an input of some shape."""
        return jax.eval_shape(lambda: self.setup(jax.random.key(0), shape))

    def reason(self, before: Field, lost: Lost) -> str:
        del lost
        if self.rule is not None:
            return "as its rule declares"
        from equinet.infer import why_lost

        return why_lost(*self._program(before.unmoved())) or "as its program shows"


def mode_arguments(call: Callable[..., Any], train: bool) -> dict[str, Any]:
    """The arguments of a function that say whether it is in training."""
    known = inspect.signature(call).parameters
    return {name: train == meaning for name, meaning in MODES.items() if name in known}


@lru_cache(maxsize=1 << 10)
def _traced_shape(layer: Foreign, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the output without the batch."""

    def run(variables: tuple[Any, Any]) -> Any:
        # As many examples as inference has.
        return layer.forward(*variables, jnp.zeros((2, *shape)), Context(fibre=Fibre.plain(shape[-1])))[0]

    try:
        output = jax.eval_shape(run, layer.abstract(shape))
    except Exception as error:
        # What goes wrong inside is another library's to say; where it does is ours.
        raise LayerError(f"{layer} cannot run on an input of shape {shape}: {error}") from error
    if not hasattr(output, "shape") or output.ndim < 2 or output.shape[0] != 2:
        raise LayerError(f"{layer} must turn [batch, *spatial, channels] into one such array; it returns {output}")
    return output.shape[1:]
