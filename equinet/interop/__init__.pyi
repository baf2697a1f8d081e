from equinet.interop.function import from_fn as from_fn
from equinet.interop.linen import from_linen as from_linen
from equinet.interop.linen import to_linen as to_linen
from equinet.interop.nnx import from_nnx as from_nnx
from equinet.interop.nnx import to_nnx as to_nnx
from equinet.interop.recognise import as_layer as as_layer
from equinet.interop.torch import from_torch as from_torch
