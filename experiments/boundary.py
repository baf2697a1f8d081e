"""How far inwards a border is felt: errors of a map node by node, and a probe of what a node knows of its place.

The map is that of a fully convolutional network before its readout. Its scenes are mosaics on a torus, rolled at
random: their content is stationary, so that a place can be told only by what the border adds.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from equinet.train.data import load
from equinet.train.data.scenes import CANVAS

CROP, MARGIN = 128, 32
"""Size of a scene, and how much more of the canvas there is on each side of it."""
TOLERANCE = 1e-10
"""Relative errors up to this are rounding: sums of some hundred float64 terms leave 1e-14."""
EDGE, MIDDLE = 6, 4
"""Rows next to either border that are told from so many in the middle."""
Interval = tuple[int, int] | None
"""First and last node along an axis, or None if there is none or they do not form an interval."""


def mosaics(count: int, size: int, seed: int) -> np.ndarray:
    """Torus scenes `[count, size, size, 1]` of test scenes side by side, each rolled by a shift of its own."""
    rng, across = np.random.default_rng(seed), size // CANVAS
    test = load("fashion_scenes").test
    made = np.empty((count, size, size, 1), np.float32)
    for place in range(count):
        chosen = (place * across**2 + np.arange(across**2)) % len(test)
        tiles = np.stack([test[index]["input"] for index in chosen]).reshape(across, across, CANVAS, CANVAS)
        scene = tiles.swapaxes(1, 2).reshape(size, size, 1)
        made[place] = np.roll(scene, rng.integers(size, size=2), (0, 1))
    return made


def crop_error(net: eq.Layer, variables: Any, canvases: np.ndarray, stride: int) -> np.ndarray:
    """`[n, n]`: how far the map of a crop is from that crop of the canvas's map.

    At each node the root of the mean square over scenes and channels, relative to that of the canvas's map.
    """
    kept = slice(MARGIN, MARGIN + CROP)
    whole = _exact_maps(net, variables, canvases)
    inner = slice(MARGIN // stride, (MARGIN + CROP) // stride)
    return _relative(_exact_maps(net, variables, canvases[:, kept, kept]), whole[:, inner, inner])


def cyclic_error(net: eq.Layer, variables: Any, scenes: np.ndarray, stride: int) -> np.ndarray:
    """`[n, n]`: how far the map of scenes rolled by the total stride along each axis is from the map rolled by 1."""
    rolled = np.roll(scenes, (stride, stride), (1, 2))
    expected = np.roll(_exact_maps(net, variables, scenes), (1, 1), (1, 2))
    return _relative(_exact_maps(net, variables, rolled), expected)


def _relative(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    gaps = np.sqrt(((found - expected) ** 2).mean(axis=(0, 3)))
    return gaps / np.sqrt((expected**2).mean())


def interior(net: eq.Layer, size: int) -> Interval:
    """Along an axis, the first and last node that no border reaches, computed from the layers."""
    found = eq.certify(net, eq.box(size, size), channels=1).valid_interior
    return found[0] if found[0] == found[1] else None


def rolled_interior(net: eq.Layer, size: int, stride: int) -> Interval:
    """The nodes for which rolling the scene by the total stride is rolling the map by a node, computed from the layers.

    All of them if the torus keeps that shift; else those that no border reaches before and after it.
    """
    if eq.Isometry.translation((stride, stride)) in eq.certify(net, eq.torus(size, size), channels=1).strict:
        return 0, size // stride - 1
    free = interior(net, size)
    return free and (free[0] + 1, free[1])


def exact_square(errors: np.ndarray) -> Interval:
    """The interval whose square holds exactly the nodes without error; None if they form no such square."""
    exact = errors <= TOLERANCE
    rows = np.flatnonzero(exact.any(axis=1))
    if not len(rows):
        return None
    first, last = int(rows[0]), int(rows[-1])
    square = np.zeros_like(exact)
    square[first : last + 1, first : last + 1] = True
    return (first, last) if (square == exact).all() else None


def edge_rows(size: int) -> list[int]:
    """The rows next to the first border, from it inwards, and then those next to the last."""
    return [*range(EDGE), *range(size - 1, size - 1 - EDGE, -1)]


def by_row(errors: np.ndarray, free: Interval) -> list[float]:
    """Of each edge row, the root of the mean square of the errors in the columns that are free of error."""
    columns = slice(free[0], free[1] + 1) if free else slice(None)
    return [float(np.sqrt((errors[row, columns] ** 2).mean())) for row in edge_rows(len(errors))]


def probe(net: eq.Layer, variables: Any, scenes: np.ndarray, free: Interval) -> list[float]:
    """How well a linear function of one node's channels tells each edge row from the middle: balanced accuracies.

    Least squares on the first half of the scenes, both classes weighted alike, judged on the second; 0.5 is chance.
    Only columns that no border reaches are used, so that one border is asked about at a time.
    """
    columns = slice(free[0], free[1] + 1) if free else slice(None)
    maps = _maps(net, variables, scenes)[:, :, columns]
    half, middle = len(maps) // 2, maps.shape[1] // 2 - MIDDLE // 2
    inner = maps[:, middle : middle + MIDDLE]
    spread = inner.std(axis=(0, 1, 2)) + 1e-6
    found = []
    for row in edge_rows(maps.shape[1]):
        learned, asked = ((maps[part, row] / spread, inner[part] / spread) for part in (slice(half), slice(half, None)))
        weights = _least_squares(*map(_with_one, learned))
        hits = [(sign * (_with_one(part) @ weights) > 0).mean() for part, sign in zip(asked, (1, -1), strict=True)]
        found.append(float(np.mean(hits)))
    return found


def _least_squares(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The linear function nearest to 1 here and −1 there, both weighted alike."""
    inputs = [part / np.sqrt(len(part)) for part in (here, there)]
    signs = [np.full(len(part), sign / np.sqrt(len(part))) for part, sign in ((here, 1), (there, -1))]
    return np.linalg.lstsq(np.concatenate(inputs), np.concatenate(signs), rcond=None)[0]


def _with_one(part: np.ndarray) -> np.ndarray:
    """The channels of all nodes and a constant, `[nodes, channels + 1]`."""
    flat = part.reshape(-1, part.shape[-1]).astype(np.float64)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)


def _exact_maps(net: eq.Layer, variables: Any, scenes: np.ndarray) -> np.ndarray:
    """The maps in float64, where rounding is far below any other error."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        return _maps(net, wide, scenes.astype(np.float64))


def _maps(net: eq.Layer, variables: Any, scenes: np.ndarray, batch: int = 16) -> np.ndarray:
    parts = [_map(net, variables, jnp.asarray(scenes[at : at + batch])) for at in range(0, len(scenes), batch)]
    return np.concatenate([np.asarray(part) for part in parts])


@partial(jax.jit, static_argnums=0)
@jax.default_matmul_precision("highest")
def _map(net: eq.Layer, variables: Any, scenes: jax.Array) -> jax.Array:
    return net.apply(variables, scenes)
