"""Models of other frameworks as equinet layers, and layers as Flax modules.

Nothing here is re-exported by `equinet`. What concerns Flax needs the extra `interop`
(`pip install equinet-jax[interop]`), `from_torch` the extra `torch`. A name loads what it needs when it is first used.
"""

from equinet.lazy import homes, page

__getattr__, __dir__ = page(__name__, homes(__file__))
