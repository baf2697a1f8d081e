"""How far small deformations of an image move a network's maps (Ruderman et al. 2018)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

import equinet as eq

POINTS, FARTHEST = 3, 2.0
"""Control points along an axis, and how many pixels each may move along each axis: the paper's for CIFAR-10."""


def field(size: int, rng: np.random.Generator, farthest: float = FARTHEST, points: int = POINTS) -> np.ndarray:
    """Displacements `[size, size, 2]`: of an evenly spaced grid of control points, corner to corner, uniform from
    −farthest to farthest along each axis; in between by thin plate splines."""
    across = np.linspace(0, size - 1, points)
    control = np.stack(np.meshgrid(across, across, indexing="ij"), -1).reshape(-1, 2)
    moved = rng.uniform(-farthest, farthest, control.shape)
    spline = RBFInterpolator(control, moved, kernel="thin_plate_spline")
    nodes = np.stack(np.meshgrid(*[np.arange(size, dtype=float)] * 2, indexing="ij"), -1)
    return spline(nodes.reshape(-1, 2)).reshape(size, size, 2)


def warped(image: np.ndarray, displacements: np.ndarray, background: float = -1.0) -> np.ndarray:
    """An image `[size, size, c]` whose node p holds what was at p + displacement, interpolated bilinearly."""
    nodes = np.stack(np.meshgrid(*map(np.arange, image.shape[:2]), indexing="ij"), -1) + displacements
    channels = [
        map_coordinates(image[..., c], np.moveaxis(nodes, -1, 0), order=1, mode="constant", cval=background)
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, -1).astype(image.dtype)


def deformed(images: np.ndarray, seed: int) -> np.ndarray:
    """Each of `images` `[n, size, size, c]`, by a deformation of its own."""
    rng = np.random.default_rng(seed)
    return np.stack([warped(image, field(len(image), rng)) for image in images])


def sensitivities(net: eq.Layer, variables: dict[str, Any], images: np.ndarray, moved: np.ndarray) -> list[float]:
    """Of the image and of the map after each relu and pool: the mean cosine distance of what belongs to an image and to
    its deformation, over the median of that between two images, all pairs taken.

    0 where a deformation changes nothing, 1 where it changes as much as another image does.
    """
    found = zip(*(_maps(net, variables, jnp.asarray(part)) for part in (images, moved)), strict=True)
    return [normalised_distance(*(np.asarray(each, np.float64) for each in pair)) for pair in found]


def normalised_distance(still: np.ndarray, moved: np.ndarray) -> float:
    """The mean of d(still, moved) over rows `[n, …]`, over the median of d(still, other row); d = 1 − cosine."""
    units = [rows.reshape(len(rows), -1) for rows in (still, moved)]
    here, there = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30) for rows in units)
    pairs = (1 - here @ here.T)[np.triu_indices(len(here), 1)]
    return float((1 - (here * there).sum(1)).mean() / np.median(pairs))


@partial(jax.jit, static_argnums=0)
@jax.default_matmul_precision("highest")
def _maps(net: eq.Layer, variables: dict[str, Any], x: jax.Array) -> list[jax.Array]:
    found = [x]
    for layer, params, state in net.chain(variables["params"], variables["state"]):
        x = layer.apply({"params": params, "state": state}, x)
        if isinstance(layer, eq.Relu | eq.MaxPool | eq.AvgPool):
            found.append(x)
    return found


def variation(net: eq.Layer, variables: dict[str, Any]) -> list[float]:
    """The normalised total variation of each kernel of more than two nodes along each axis: the sum of the absolute
    differences of neighbouring taps over the sum of the absolute taps. 4√2/3 = 1.886 in the mean for 3×3 independent
    normal taps, 0 for constant ones."""
    found = []
    for layer, params, _ in net.chain(variables["params"], variables["state"]):
        if isinstance(layer, eq.Conv) and min(params["kernel"].shape[:2]) > 2:
            kernel = np.asarray(params["kernel"], np.float64)
            steps = sum(np.abs(np.diff(kernel, axis=axis)).sum() for axis in (0, 1))
            found.append(float(steps / np.abs(kernel).sum()))
    return found
