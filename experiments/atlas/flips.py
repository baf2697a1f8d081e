"""Flips and quarter turns: what an architecture keeps of them, and at which sizes, if its kernels are symmetric.

A free kernel tells directions apart, so that no published architecture keeps a flip for all weights. Where its strides
and paddings let flips through shows once its kernels are drawn symmetric: alike under flips along each axis, and under
exchanges of axes along which they are equally wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod
from typing import Any

import jax
import numpy as np

import equinet as eq
from experiments.atlas.read import Read

MOST = 1 << 26
"""Numbers that one kernel has at most, if it is to be drawn and looked at."""


def representatives(widths: Sequence[int]) -> np.ndarray:
    """For each tap of a window, in order, the first one that flips and exchanges of axes take it to.

    Axes are exchanged where a window is equally wide along them.

    >>> representatives((3,)).tolist(), representatives((2, 2)).tolist()
    ([0, 1, 0], [0, 0, 0, 0])
    >>> representatives((3, 3)).reshape(3, 3).tolist()
    [[0, 1, 0], [1, 4, 1], [0, 1, 0]]
    """
    centred = [np.abs(2 * nodes - (n - 1)).ravel() for nodes, n in zip(np.indices(widths), widths, strict=True)]
    order = sorted(range(len(widths)), key=lambda axis: widths[axis])
    alike = [np.sort([centred[axis] for axis in axes], axis=0) for _, axes in groupby(order, lambda axis: widths[axis])]
    _, first, which = np.unique(np.concatenate(alike), axis=1, return_index=True, return_inverse=True)
    return first[which.ravel()]


def is_kernel(name: str, shape: Sequence[int], space: slice, dim: int) -> bool:
    """Whether a parameter is a kernel of several taps. What has another name is a table, of positions say."""
    named = name.endswith(("weight", "kernel")) or not name
    return named and len(shape) == dim + 2 and max(shape[space]) > 1


def is_gain(shape: Sequence[int], dim: int) -> bool:
    """Whether a parameter multiplies the kernels of one channel each: of a free one nothing would be known any more."""
    return len(shape) == dim + 2 and max(shape) == prod(shape)


def made_symmetric(kernel: Any, space: slice) -> Any:
    """An array of NumPy or PyTorch with some of its numbers repeated, so that its taps are symmetric."""
    start, stop, _ = space.indices(kernel.ndim)
    before, widths, after = kernel.shape[:start], kernel.shape[start:stop], kernel.shape[stop:]
    flat = kernel.reshape(*before, -1, *after)
    index = (slice(None),) * start + (representatives(tuple(widths)),)
    return flat[index].reshape(kernel.shape)


def with_symmetric_kernels(given: Read, seed: int = 0) -> Read:
    """An architecture whose kernels are drawn, symmetric; its other parameters stay free.

    Raises:
        ValueError: if a kernel has too many numbers.
    """
    draws, dim = np.random.default_rng(seed), len(given.sizes)
    leaves, tree = jax.tree_util.tree_flatten_with_path(given.variables)
    named = [(str(getattr(path[-1], "key", "")) if path else "", leaf) for path, leaf in leaves]
    for name, leaf in named:
        if is_kernel(name, leaf.shape, given.space, dim) and prod(leaf.shape) > MOST:
            raise ValueError(f"{name} has {prod(leaf.shape):,} numbers, too many to be drawn")
    drawn = {
        at: made_symmetric(draws.standard_normal(leaf.shape, dtype=np.float32), given.space)
        for at, (name, leaf) in enumerate(named)
        if is_kernel(name, leaf.shape, given.space, dim) or is_gain(leaf.shape, dim)
    }

    def call(free: Sequence[Any], *inputs: Any, **more: Any) -> Any:
        rest = iter(free)
        every = [jax.numpy.asarray(drawn[at]) if at in drawn else next(rest) for at in range(len(leaves))]
        return given.call(jax.tree.unflatten(tree, every), *inputs, **more)

    return given.changed(call, [leaf for at, (_, leaf) in enumerate(named) if at not in drawn])


def flip(axis: int, sizes: Sequence[int]) -> eq.Isometry:
    """The flip of a box along an axis, about its centre."""
    dim = len(sizes)
    matrix = tuple(tuple((-1 if i == axis else 1) * (i == j) for j in range(dim)) for i in range(dim))
    return eq.Isometry(matrix, tuple((sizes[axis] - 1) * (i == axis) for i in range(dim)))


def turn(sizes: Sequence[int]) -> eq.Isometry | None:
    """The quarter turn of a box in its last two axes, about its centre; None unless these are equally long."""
    dim = len(sizes)
    if dim < 2 or sizes[-1] != sizes[-2]:
        return None
    images = {dim - 2: (dim - 1, -1), dim - 1: (dim - 2, 1)}
    rows = [images.get(i, (i, 1)) for i in range(dim)]
    matrix = tuple(tuple(sign * (j == at) for j in range(dim)) for at, sign in rows)
    return eq.Isometry(matrix, tuple((sizes[-1] - 1) * (i == dim - 2) for i in range(dim)))


def candidates(plane: eq.SpaceGroup, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Sizes that may keep the flips of a box: the nearest to some others whose flips are in a group of the plane.

    Paddings may be placed otherwise at other sizes, so that one more is worth a try: of odd multiples of the step and
    one, where every window of a stride in common use lies about its middle.

    >>> group = eq.infer(lambda x: x[:, ::4, ::4], eq.plane(2), channels=1, size=24).strict
    >>> candidates(group, (24, 24))
    [(25, 25)]
    """
    steps = plane.lattice.steps
    if not steps or not all(steps):
        return []
    near = [
        sorted(range(max(size - step, 2), size + step + 1), key=lambda n, size=size: (abs(n - size), -n))
        for size, step in zip(sizes, steps, strict=True)
    ]
    flipped = [
        next((n for n in ns if flip(axis, (*sizes[:axis], n, *sizes[axis + 1 :])) in plane), 0)
        for axis, ns in enumerate(near)
    ]
    centred = [next(n for n in ns if n % step == 1 % step) for ns, step in zip(near, steps, strict=True)]
    return [tuple(each) for each in (flipped, centred) if all(each)][: 2 - (flipped == centred)]
