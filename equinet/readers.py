"""Models of other frameworks: which part of equinet reads them, imported when one is met."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np


class Reader(Protocol):
    """What is known of a framework's models.

    Attributes:
        LAYOUT: the order of their axes, as `infer` takes it.
    """

    LAYOUT: str

    def program(
        self, model: Any, shape: tuple[int, ...], output: str | int | None
    ) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        """The model as `(variables, x) -> y` in JAX for inputs of that shape, and the shapes of its variables."""
        ...

    def as_function(self, model: Any, dtype: Any) -> Callable[[np.ndarray], np.ndarray]:
        """The model as a function of arrays `[batch, *spatial, channels]` that its own framework computes."""
        ...

    def as_layer(self, model: Any) -> Any:
        """The model as a layer."""
        ...


def reader_of(model: Any) -> Reader | None:
    """Who reads a model; None for what is no model of another framework.

    No framework is imported: one that is not has no models yet.
    """
    torch = sys.modules.get("torch")
    is_torch = hasattr(torch, "nn") and isinstance(model, torch.nn.Module)  # pyright: ignore[reportOptionalMemberAccess]
    return import_module("equinet.interop.torch") if is_torch else None  # pyright: ignore[reportReturnType]
