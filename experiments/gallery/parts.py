"""What many of the networks are made of: convolution, normalisation and pooling, in evaluation mode."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

Array = jax.Array


def conv(
    x: Array,
    features: int,
    kernel: int,
    stride: int = 1,
    *,
    pad: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    wrap: bool = False,
) -> Array:
    """A convolution, padded with zeros by half the kernel on either side unless `pad` says by how much; `wrap` pads
    with the other end instead."""
    pad = dilation * (kernel // 2) if pad is None else pad
    if wrap:
        x, pad = wrapped(x, pad), 0
    dim = x.ndim - 2
    return nn.Conv(
        features,
        (kernel,) * dim,
        strides=stride,
        padding=[(pad, pad)] * dim,
        kernel_dilation=dilation,
        feature_group_count=groups,
        use_bias=bias,
    )(x)


def batch_norm(x: Array, epsilon: float = 1e-5) -> Array:
    """Batch normalisation with its running statistics."""
    return nn.BatchNorm(use_running_average=True, epsilon=epsilon)(x)


def conv_norm_relu(x: Array, features: int, kernel: int, stride: int = 1, **options: Any) -> Array:
    """What most convolutional networks repeat."""
    return nn.relu(batch_norm(conv(x, features, kernel, stride, **options)))


def wrapped(x: Array, pad: int) -> Array:
    """Every spatial axis continued by its other end."""
    return jnp.pad(x, ((0, 0), *((pad, pad),) * (x.ndim - 2), (0, 0)), mode="wrap") if pad else x


Ends = int | tuple[int, int]
"""How much is added along an axis: at both ends, or at each."""


def max_pool(x: Array, window: int, stride: int | None = None, pad: Ends = 0) -> Array:
    """The largest of each window; what `pad` adds is never the largest."""
    return nn.max_pool(x, *_windows(x, window, stride, pad))


def avg_pool(x: Array, window: int, stride: int | None = None, pad: Ends = 0, **options: bool) -> Array:
    """The mean of each window."""
    return nn.avg_pool(x, *_windows(x, window, stride, pad), **options)


def _windows(x: Array, window: int, stride: int | None, pad: Ends) -> tuple[Any, Any, Any]:
    dim = x.ndim - 2
    ends = pad if isinstance(pad, tuple) else (pad, pad)
    return (window,) * dim, (stride or window,) * dim, [ends] * dim


def global_mean(x: Array, *, keepdims: bool = False) -> Array:
    """The mean over all spatial axes."""
    return jnp.mean(x, axis=tuple(range(1, x.ndim - 1)), keepdims=keepdims)


def read_out(x: Array, classes: int | None) -> Array:
    """Global average pooling and a dense layer; the feature map as it is where there are no classes."""
    return x if classes is None else nn.Dense(classes)(global_mean(x))


def scaled(widths: Sequence[int], factor: float) -> tuple[int, ...]:
    """Channels times a factor, at least one of each.

    >>> scaled((64, 128), 0.25)
    (16, 32)
    """
    return tuple(max(1, round(width * factor)) for width in widths)
