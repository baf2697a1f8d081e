"""Models of other frameworks as equinet layers, and layers as Flax modules.

Nothing here is re-exported by `equinet`. What concerns Flax needs the extra `interop`
(`pip install equinet-jax[interop]`), and imports it when it is first asked for; `from_torch` needs the extra `torch`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from equinet.interop.function import from_fn as from_fn
from equinet.interop.recognise import as_layer as as_layer
from equinet.interop.torch import from_torch as from_torch

if TYPE_CHECKING:
    from equinet.interop.linen import from_linen as from_linen
    from equinet.interop.linen import to_linen as to_linen
    from equinet.interop.nnx import from_nnx as from_nnx
    from equinet.interop.nnx import to_nnx as to_nnx

_HOMES = {"from_linen": "linen", "to_linen": "linen", "from_nnx": "nnx", "to_nnx": "nnx"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({"as_layer", "from_fn", *_HOMES})
