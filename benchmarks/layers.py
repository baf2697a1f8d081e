"""Pooling and sampling layers, forward and backward, against the obvious formulation in plain JAX.

python -m benchmarks.layers
"""

import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp

import equinet as eq
from benchmarks.common import Busy, alternate, report
from equinet.runtime import tune_cpu
from equinet.windows import binomial

SHAPE = (32, 32, 32, 64)


def gradient(fn: Callable[[jax.Array], jax.Array]) -> Callable[[], jax.Array]:
    """Value and gradient of the sum of squares of `fn`, compiled."""
    x = jax.random.normal(jax.random.key(0), SHAPE)
    compiled = jax.jit(jax.grad(lambda a: (fn(a) ** 2).sum()))
    return lambda: compiled(x)


def layer(net: eq.Layer) -> Callable[[], jax.Array]:
    """Forward and backward of a layer without parameters."""
    variables = net.init(jax.random.key(0), SHAPE[1:])
    return gradient(lambda x: net.apply(variables, x))


def reduce_window_max(x: jax.Array) -> jax.Array:
    """Max pooling 2/2 as XLA's reduce-window."""
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def depthwise_blur(x: jax.Array) -> jax.Array:
    """Blur pooling 3/2 as a depthwise convolution."""
    taps = jnp.asarray(binomial(3), x.dtype) / 4
    kernel = jnp.tile((taps[:, None] * taps)[:, :, None, None], (1, 1, 1, x.shape[-1]))
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
    return jax.lax.conv_general_dilated(
        padded, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=x.shape[-1]
    )


def gathered_polyphase(x: jax.Array) -> jax.Array:
    """Adaptive polyphase sampling by stacking all components and gathering one; float norms, ties by index."""
    parts = jnp.stack([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=1)
    chosen = jnp.argmax((parts**2).sum((2, 3, 4)), axis=1)
    return jnp.take_along_axis(parts, chosen[:, None, None, None, None], axis=1)[:, 0]


def main() -> None:
    """Print a table per layer."""
    tune_cpu()
    pairs = {
        "max pool": (gradient(reduce_window_max), layer(eq.MaxPool(2)), "reduce-window"),
        "blur pool": (gradient(depthwise_blur), layer(eq.BlurPool(2)), "depthwise convolution"),
        "polyphase": (gradient(gathered_polyphase), layer(eq.PolyphasePool(2)), "stack and gather"),
    }
    for title, (peer, ours, name) in pairs.items():
        report(f"{title} forward and backward", alternate({name: peer, "equinet": ours}, name), name)


if __name__ == "__main__":
    try:
        main()
    except Busy as busy:
        sys.exit(f"benchmarks.layers: {busy}")
