"""Products of matrices, and attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.interop.torch.table.arrays import Array, Unsupported, along, ranked, together


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    y = jnp.tensordot(x, weight, ((x.ndim - 1,), (weight.ndim - 1,)))
    return y if bias is None else y + along(bias, y.ndim, y.ndim - 1)


def matmul(x: Array, y: Array) -> Array:
    """As PyTorch multiplies: vectors, matrices, and batches of them, whose axes in front are lined up."""
    if min(x.ndim, y.ndim) > 2:
        x, y = together(x, y)
        front = jnp.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = (jnp.broadcast_to(v, (*front, *v.shape[-2:])) for v in (x, y))
    elif x.ndim > 2 or y.ndim <= 2:
        return jnp.tensordot(x, y, ((x.ndim - 1,), (max(y.ndim - 2, 0),)))
    elif x.ndim == 1:
        return jnp.tensordot(y, x, ((y.ndim - 2,), (0,)))
    else:
        return jnp.moveaxis(jnp.tensordot(y, x, ((y.ndim - 2,), (1,))), -1, -2)
    return jnp.matmul(x, y)


def _sum_of(x: Array, product: Array, beta: Any, alpha: Any) -> Array:
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return product + ranked(x if beta == 1 else x * beta, product.ndim)


def addmm(x: Array, a: Array, b: Array, beta: Any = 1, alpha: Any = 1) -> Array:
    return _sum_of(x, matmul(a, b), beta, alpha)


def einsum(equation: str, operands: Sequence[Array], path: Any = None) -> Array:
    del path
    return jnp.einsum(equation, *together_types(operands))


def together_types(operands: Sequence[Array]) -> list[Array]:
    first = operands[0].dtype
    return [x.astype(first) for x in operands]


def tensordot(x: Array, y: Array, dims_self: Sequence[int], dims_other: Sequence[int]) -> Array:
    return jnp.tensordot(x, y, (tuple(dims_self), tuple(dims_other)))


def softmax(x: Array, dim: int, dtype: Any = None) -> Array:
    x = x if not isinstance(dtype, np.dtype) else x.astype(dtype)
    return jax.nn.softmax(x, dim)


def log_softmax(x: Array, dim: int, dtype: Any = None) -> Array:
    x = x if not isinstance(dtype, np.dtype) else x.astype(dtype)
    return jax.nn.log_softmax(x, dim)


def attention(
    q: Array,
    k: Array,
    v: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """softmax(scale · q kᵀ + mask) v over the last two axes. A mask of truth values says where to look."""
    if dropout_p:
        raise Unsupported("attention with dropout draws random numbers: call module.eval()")
    if enable_gqa:
        k, v = (jnp.repeat(part, q.shape[-3] // part.shape[-3], part.ndim - 3) for part in (k, v))
    scores = matmul(q * (q.shape[-1] ** -0.5 if scale is None else scale), k.swapaxes(-1, -2))
    if is_causal:
        attn_mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    if attn_mask is not None and attn_mask.dtype == bool:
        wide = jnp.broadcast_to(ranked(attn_mask, scores.ndim), scores.shape)
        scores = jnp.where(wide, scores, jnp.full_like(scores, -jnp.inf))
    elif attn_mask is not None:
        scores = scores + ranked(attn_mask, scores.ndim)
    return matmul(jax.nn.softmax(scores, -1), v)


TABLE: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "matmul": matmul,
    "mm": matmul,
    "bmm": matmul,
    "mv": matmul,
    "dot": matmul,
    "__matmul__": matmul,
    "addmm": addmm,
    "addbmm": lambda x, a, b, beta=1, alpha=1: _sum_of(x, matmul(a, b).sum(0), beta, alpha),
    "baddbmm": addmm,
    "addmv": addmm,
    "einsum": einsum,
    "tensordot": tensordot,
    "outer": lambda x, y: jnp.expand_dims(x, 1) * jnp.expand_dims(y, 0),
    "scaled_dot_product_attention": attention,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "_softmax": lambda x, dim, half_to_float: softmax(x, dim),
    "_log_softmax": lambda x, dim, half_to_float: log_softmax(x, dim),
    "_safe_softmax": softmax,
}
"""Operations by name: sums of products, and the weights that attention makes of them."""
