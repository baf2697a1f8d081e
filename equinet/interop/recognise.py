"""A network written in any of the libraries that are read, as a layer."""

from __future__ import annotations

from typing import Any

from equinet.checks import is_function
from equinet.interop.function import from_fn
from equinet.layers import Bound, Layer
from equinet.layers.combination import layer_given
from equinet.readers import reader_of


def as_layer(model: Any, *, size: int = 64) -> Layer:
    """A layer, a bound network, a model of a library that is read, or a function of one array as a layer.

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
    reader = reader_of(model)
    if reader is not None:
        return reader.as_layer(model, size=size)
    if is_function(model):
        return from_fn(model, size=size)
    return layer_given(
        model,
        "a network is an equinet layer, a model of PyTorch, Flax, Equinox, Haiku or Keras, or a function of one array",
    )
