"""Normalisations, each of what it counts as one sample: a channel, a group of them, all features of a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from equinet.interop.torch.table.arrays import Array, Missing, along

STATISTICS = Missing("the statistics of a normalisation: take its values alone")


def _normalised(x: Array, axes: Sequence[int], eps: float) -> Array:
    centred = x - jnp.mean(x, axes, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(lax.square(centred), axes, keepdims=True) + eps)


def _affine(x: Array, weight: Array | None, bias: Array | None, axis: int = 1) -> Array:
    x = x if weight is None else x * along(weight, x.ndim, axis)
    return x if bias is None else x + along(bias, x.ndim, axis)


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Array:
    """By the statistics that it keeps, or, where it keeps none, by those of the batch."""
    del momentum, cudnn_enabled
    if training or running_mean is None or running_var is None:
        return _affine(_normalised(x, [i for i in range(x.ndim) if i != 1], eps), weight, bias)
    scale = lax.rsqrt(running_var + eps)
    scale = scale if weight is None else scale * weight
    return _affine((x - along(running_mean, x.ndim)) * along(scale, x.ndim), None, bias)


def frozen_batch_norm(
    x: Array, weight: Any, bias: Any, running_mean: Array, running_var: Array, momentum: float, eps: float
) -> tuple[Any, ...]:
    y = batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps)
    return y, STATISTICS, STATISTICS


def instance_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Array:
    del cudnn_enabled
    if not use_input_stats:
        return batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps)
    return _affine(_normalised(x, range(2, x.ndim), eps), weight, bias)


def layer_norm(
    x: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Array:
    del cudnn_enable
    y = _normalised(x, range(x.ndim - len(normalized_shape), x.ndim), eps)
    return _at_the_end(y, weight, bias)


def _at_the_end(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Scales and shifts that have the last axes."""
    for given, fn in ((weight, jnp.multiply), (bias, jnp.add)):
        if given is not None:
            x = fn(x, jnp.expand_dims(given, tuple(range(x.ndim - given.ndim))))
    return x


def rms_norm(x: Array, normalized_shape: Sequence[int], weight: Array | None = None, eps: float | None = None) -> Array:
    axes = range(x.ndim - len(normalized_shape), x.ndim)
    eps = float(np.finfo(np.float32 if x.dtype.itemsize < 8 else np.float64).eps) if eps is None else eps
    return _at_the_end(x * lax.rsqrt(jnp.mean(lax.square(x), axes, keepdims=True) + eps), weight, None)


def group_norm(
    x: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Array:
    del cudnn_enabled
    split = x.reshape(x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:])
    return _affine(_normalised(split, range(2, split.ndim), eps).reshape(x.shape), weight, bias)


TABLE: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "_native_batch_norm_legit_no_training": frozen_batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "native_layer_norm": lambda x, shape, weight, bias, eps: (
        *(layer_norm(x, shape, weight, bias, eps), STATISTICS, STATISTICS),
    ),
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "native_group_norm": lambda x, weight, bias, n, c, hw, groups, eps: (
        *(group_norm(x, groups, weight, bias, eps), STATISTICS, STATISTICS),
    ),
}
"""Operations by name: what is centred and scaled by statistics."""
