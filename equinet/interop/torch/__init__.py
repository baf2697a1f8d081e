"""Modules of PyTorch read: `torch.export`, then a table of our own that says each operation in JAX.

Importing this does not import PyTorch. It needs the extra `torch` (`pip install equinet-jax[torch]`) once a module is
at hand. `equinet.readers` says what `infer`, `verify` and `legal_sizes` ask of it.
"""

from equinet.interop.torch.layer import as_function as as_function
from equinet.interop.torch.layer import from_torch as from_torch
from equinet.interop.torch.layer import program as program

LAYOUT = "BCS"
as_layer = from_torch
