"""A network written in any of the libraries that are read, as a layer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from equinet.checks import is_function, shown
from equinet.interop.function import from_fn
from equinet.layers import Bound, Layer
from equinet.readers import home_of


def as_layer(model: Any, *, size: int = 64) -> Layer:
    """A layer, a bound network, a Linen, NNX or PyTorch module, or a function of one array as a layer.

    Args:
        model: the network; a function is one of an array `[batch, *spatial, channels]`.
        size: number of nodes to trace with along an infinite axis.

    Raises:
        TypeError: for anything else.

    >>> print(as_layer(lambda x: x[:, ::2]))
    from_fn(<lambda>)
    """
    if isinstance(model, Layer):
        return model
    if isinstance(model, Bound):
        return model.layer
    home = home_of(model)
    if home is not None:
        return import_module(home).as_layer(model, size=size)
    if is_function(model):
        return from_fn(model, size=size)
    raise TypeError(
        f"a network is an equinet layer, a Linen, NNX or PyTorch module, or a function of one array; got {shown(model)}"
    )
