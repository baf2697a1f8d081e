"""One entry an operation of PyTorch: what it does to arrays of JAX, written so that its symmetry shows.

A key is the operation's name, `conv2d`, or with its overload, `max.dim`, where overloads differ. An entry takes what
the operation takes, less devices and layouts of memory. What it does not do it refuses with `Unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from equinet.interop.torch.table import (
    convolution,
    elementwise,
    indexing,
    normalisation,
    phases,
    pooling,
    products,
    reductions,
    resizing,
    shape,
    spectra,
)
from equinet.interop.torch.table.arrays import Missing as Missing
from equinet.interop.torch.table.arrays import Unsupported as Unsupported

FAMILIES = (
    convolution,
    elementwise,
    indexing,
    normalisation,
    phases,
    pooling,
    products,
    reductions,
    resizing,
    shape,
    spectra,
)
TABLE: dict[str, Callable[..., Any]] = {name: entry for family in FAMILIES for name, entry in family.TABLE.items()}
"""All operations that are known."""
