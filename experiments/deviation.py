"""Where a network stops moving with its input: the deviation from equivariance after each of its layers."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq


@jax.default_matmul_precision("highest")
def deviation_by_layer(
    net: eq.Sequential, variables: dict[str, Any], inputs: np.ndarray, shift: Sequence[int]
) -> dict[str, float]:
    """How far the map after each layer is from being a shifted copy, when the input is shifted around its torus.

    After layer l it is the square root of `min_τ ‖f_l(T_t x) − T_τ f_l(x)‖² / ‖f_l(x) − m‖²`, m the mean of each
    channel, numerator and denominator summed over the inputs, the best cyclic shift τ taken for each input: 0 where the
    map moves as a whole, up to √2 where the two have nothing to do with each other.

    Args:
        net: a stack; its layers are told apart by their index and name.
        variables: of `net`.
        inputs: `[n, *spatial, channels]`.
        shift: t, one per axis.
    """
    axes = tuple(range(1, inputs.ndim - 1))
    x = jnp.asarray(inputs)
    pairs = jnp.concatenate([x, jnp.roll(x, tuple(shift), axes)])
    found = {}
    for name, values in _after_each(net, variables, pairs):
        y = np.asarray(values, np.float64)
        still, moved = y[: len(inputs)], y[len(inputs) :]
        spread = still - still.mean(axis=tuple(range(y.ndim - 1)), keepdims=True)
        found[name] = float(np.sqrt(_gaps(still, moved).sum() / max((spread**2).sum(), 1e-300)))
    return found


def _after_each(net: eq.Sequential, variables: dict[str, Any], x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
    parts = {part: net.parts(tree) for part, tree in variables.items()}
    for place, layer in enumerate(net.layers):
        x = jax.jit(layer.apply)({part: own[place] for part, own in parts.items()}, x)
        yield f"{place} {layer}", x


def _gaps(still: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """`min_τ ‖moved − T_τ still‖²` for each of n maps `[n, *spatial, channels]`, by correlation; τ = 0 without axes."""
    axes = tuple(range(1, still.ndim - 1))
    if not axes:
        return ((moved - still) ** 2).sum(axis=-1)
    spectra = np.fft.rfftn(moved, axes=axes) * np.conj(np.fft.rfftn(still, axes=axes))
    correlation = np.fft.irfftn(spectra.sum(axis=-1), s=still.shape[1:-1], axes=axes)
    best = correlation.reshape(len(still), -1).argmax(axis=1)
    gaps = np.empty(len(still))
    for place, flat in enumerate(best):
        by = np.unravel_index(flat, still.shape[1:-1])
        gaps[place] = ((moved[place] - np.roll(still[place], by, tuple(range(len(by))))) ** 2).sum()
    return gaps
