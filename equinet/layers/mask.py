"""A fixed table of factors, one per node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import shown
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.symmetry.field import Field
from equinet.symmetry.patterns import restrict_to_table
from equinet.symmetry.trace import Lost


@dataclass(frozen=True)
class Mask(Layer):
    """Multiply each node by a fixed number, `y[p] = m[p] x[p]`, the same for all channels.

    Declares the isometries that leave the table unchanged, `m[g p] = m[p]`, compared bit by bit. The action on the
    channels of a fibre does not change.

    Args:
        table: m, an array `[*spatial]` of finite numbers or truth values; size 1 along an axis means constant.

    Raises:
        ValueError: if the table has no axes, or more than three, or is not of finite real numbers.
        LayerError: from init, apply and certify, if the input's grid is not the table's; on an infinite axis the table
            must be constant.

    >>> import equinet as eq
    >>> stripes = Mask(np.arange(8)[:, None] % 4 == 0)
    >>> print(eq.certify(stripes, eq.torus(8, 8), channels=1).strict)
    4Z × Z ⋊ 2mm at (0, 0) (pmm, index 4)
    """

    treats_channels = "alike"

    table: Any = field(compare=False)
    _bits: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            given = np.asarray(self.table)
        except (RecursionError, TypeError, ValueError):
            raise LayerError(f"Mask: a table is an array of finite real numbers; got {shown(self.table)}") from None
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise LayerError(f"Mask: a table is an array of finite real numbers; got {_shown(given)}")
        if not 1 <= given.ndim <= 3 or 0 in given.shape:
            raise LayerError(
                f"Mask: a table has one to three axes, [*spatial], and the same number for all channels; "
                f"got {_shown(given)}"
            )
        table = given.astype(np.float64)
        table.setflags(write=False)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "_bits", repr(table.shape).encode() + table.tobytes())

    def output_shape(self, shape: Shape) -> Shape:
        sizes = self.table.shape
        if len(shape) - 1 != len(sizes):
            raise LayerError(f"{self}: a table of {len(sizes)} axes needs as many spatial axes; got shape {shape}")
        for axis, (n, given) in enumerate(zip(shape[:-1], sizes, strict=True)):
            if given not in (1, n):
                raise LayerError(
                    f"{self}: the table has {given} entries along axis {axis}; got shape {shape}: "
                    + (
                        "on an axis without ends a table has no place, ask on a torus or a box"
                        if n is None
                        else f"make it of size {n}, or 1 where it is constant"
                    )
                )
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return x * jnp.asarray(self.table, x.dtype)[None, ..., None], state

    def symmetry(self, field: Field) -> Field:
        _, codes = np.unique(self.table.view(np.int64), return_inverse=True)
        codes = codes.reshape(self.table.shape)
        return restrict_to_table(field, codes) if codes.max() else field.pointwise("linear")

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return "its table tells nodes apart"

    def __str__(self) -> str:
        return f"Mask({_shown(self.table)})"


def _shown(table: np.ndarray) -> str:
    return f"{'×'.join(map(str, table.shape)) or 'one number'} of {table.dtype}"
