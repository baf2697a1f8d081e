"""A network written in any of the libraries that are read, as a layer."""

from __future__ import annotations

from typing import Any

from equinet.checks import is_function, shown
from equinet.interop.function import from_fn
from equinet.interop.torch import from_torch
from equinet.layers import Bound, Layer
from equinet.readers import reader_of


def as_layer(model: Any, *, size: int = 64) -> Layer:
    """A layer, a bound network, a Linen, NNX or PyTorch module, or a function of one array as a layer.

    Libraries are recognised by the module of a class, so none is imported that the model does not come from.

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
    libraries = {each.__module__ for each in type(model).__mro__}
    if any(name.startswith("flax.linen") for name in libraries):
        from equinet.interop.linen import from_linen

        return from_linen(model, size=size)
    if any(name.startswith("flax.nnx") for name in libraries):
        from equinet.interop.nnx import from_nnx

        return from_nnx(model, size=size)
    if reader_of(model) is not None:
        return from_torch(model, size=size)
    if is_function(model):
        return from_fn(model, size=size)
    raise TypeError(
        f"a network is an equinet layer, a Linen, NNX or PyTorch module, or a function of one array; got {shown(model)}"
    )
