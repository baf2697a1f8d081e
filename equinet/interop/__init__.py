"""equinet layers as Flax modules, and Flax modules and plain functions as equinet layers.

Nothing here is re-exported by `equinet`, which needs no Flax: say `import equinet.interop`. It needs the extra
`interop` (`pip install equinet-jax[interop]`).
"""

from equinet.interop.function import from_fn as from_fn
from equinet.interop.linen import from_linen as from_linen
from equinet.interop.linen import to_linen as to_linen
from equinet.interop.nnx import from_nnx as from_nnx
from equinet.interop.nnx import to_nnx as to_nnx
