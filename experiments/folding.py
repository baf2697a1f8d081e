"""What a network's ways down fold: how much of a map's variation lies above what the coarser grid can hold, and how
rough the filters are."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq

Strided = eq.Conv | eq.MaxPool | eq.BlurPool


@jax.default_matmul_precision("highest")
def folded_energy(net: eq.Sequential, variables: dict[str, Any], inputs: np.ndarray) -> list[float]:
    """For each layer that goes down by s along all axes, the share of energy above the folding frequency 1/(2s).

    That layer, and the relu after a convolution, is made at stride 1: of that map y, whose every s-th node the network
    goes on with, it is `Σ_{max_i |f_i| > 1/(2s)} |ŷ(f)|² / Σ_{f ≠ 0} |ŷ(f)|²`, summed over inputs and channels. For
    an adaptive polyphase layer, y is its input.

    Args:
        net: a stack.
        inputs: `[n, *spatial, channels]`.
    """
    x = jnp.asarray(inputs)
    links, found = net.chain(variables["params"], variables["state"]), []
    for place, (layer, params, state) in enumerate(links):
        own, stride = {"params": params, "state": state}, getattr(layer, "stride", 1)
        if stride not in (1, (1, 1)):
            after = links[place + 1][0] if place + 1 < len(links) else None
            found.append(_share_above(_at_stride_one(layer, own, x, isinstance(after, eq.Relu)), _number(stride)))
        x = jax.jit(layer.apply)(own, x)
    return found


def _at_stride_one(layer: eq.Layer, own: dict[str, Any], x: jax.Array, relu: bool) -> jax.Array:
    if isinstance(layer, eq.PolyphasePool):
        return x
    if not isinstance(layer, Strided):
        raise TypeError(f"no way down that is known here: {layer}")
    y = jax.jit(replace(layer, stride=1).apply)(own, x)
    return jax.nn.relu(y) if relu and isinstance(layer, eq.Conv) else y


def _number(stride: int | tuple[int, ...]) -> int:
    each = {stride} if isinstance(stride, int) else set(stride)
    if len(each) > 1:
        raise ValueError(f"one stride along all axes is expected, got {stride}")
    return each.pop()


def _share_above(y: jax.Array, stride: int) -> float:
    """The share of energy, but for the mean, at frequencies above 1/(2 stride) cycles a node along some axis."""
    maps = np.asarray(y, np.float64)
    axes = tuple(range(1, maps.ndim - 1))
    energy = (np.abs(np.fft.fftn(maps, axes=axes)) ** 2).sum(axis=(0, -1))
    energy[(0,) * len(axes)] = 0
    each = np.meshgrid(*(np.abs(np.fft.fftfreq(n)) for n in energy.shape), indexing="ij")
    above = np.max(each, axis=0) > 1 / (2 * stride) + 1e-12
    return float(energy[above].sum() / max(energy.sum(), 1e-300))


def roughness(net: eq.Sequential, variables: dict[str, Any]) -> list[float]:
    """For each convolution of more than one node: the mean squared difference of neighbouring taps over the mean
    squared tap. 2 in the mean for independent taps, less for smooth filters, more for alternating ones.

    After the "smoothness" of Ruderman et al. 2018, "Pooling is neither necessary nor sufficient for appropriate
    deformation stability in CNNs", which is made of differences likewise.
    """
    found = []
    for layer, params, _ in net.chain(variables["params"], variables["state"]):
        if not isinstance(layer, eq.Conv):
            continue
        kernel = np.asarray(params["kernel"], np.float64)
        axes = [axis for axis in range(kernel.ndim - 2) if kernel.shape[axis] > 1]
        if axes:
            steps = [float((np.diff(kernel, axis=axis) ** 2).mean()) for axis in axes]
            found.append(float(np.mean(steps) / max((kernel**2).mean(), 1e-300)))
    return found
