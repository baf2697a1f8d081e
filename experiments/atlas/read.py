"""An architecture read as a function of arrays, of which anything can be inferred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax

import equinet as eq
from experiments.atlas.sources import make, parameters, source_of


@dataclass(frozen=True)
class Read:
    """An architecture on inputs of some sizes.

    Attributes:
        call, variables: a function of these arrays and an image; they may have shapes alone.
        space: where a kernel has its spatial axes.
        layout: of the image.
        sizes, channels: of the image.
        output: the name of the first output, if it has several; else empty.
        parameters: how many numbers are learned.
    """

    call: Callable[..., Any]
    variables: Any
    space: slice
    layout: str
    sizes: tuple[int, ...]
    channels: int
    output: str
    parameters: int

    def infer(self, domain: eq.Domain) -> eq.Certificate:
        """What it keeps on a domain."""
        of = {"layout": self.layout, "size": self.sizes, "params": self.variables, "output": self.output or None}
        return eq.infer(self.call, domain, self.channels, **of)

    def changed(self, call: Callable[..., Any], variables: Any) -> Read:
        """Another function of other arrays, otherwise the same."""
        return replace(self, call=call, variables=variables)


def read(name: str, sizes: tuple[int, ...] | None = None) -> Read:
    """An architecture such as `timm:resnet50`.

    Args:
        sizes: of the input, instead of those that it was published with.
    """
    source = source_of(name)
    model, given = make(name, values=False, sizes=sizes)
    layout = source.reader.layout(model)
    axes = {"B": (2,), "S": sizes or given.sizes, "C": (given.channels,)}
    x = jax.ShapeDtypeStruct(tuple(n for kind in layout for n in axes[kind]), "float32")
    call, variables = source.reader.program(model, x)
    return Read(
        call,
        variables,
        source.space,
        layout,
        axes["S"],
        given.channels,
        _first_output(call, variables, x),
        parameters(model),
    )


def _first_output(call: Callable[..., Any], variables: Any, x: Any) -> str:
    """The name of the first output of a program, if it has several."""
    found = jax.eval_shape(call, variables, x)
    return next(iter(found)) if isinstance(found, dict) else ""
