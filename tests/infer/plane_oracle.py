"""Brute force on the plane: content far from every border of a large array, moved; all outputs are compared.

Of an infinite signal that is constant but for a bounded content, an array shows a part, and isometries move the
content. Padding and the ends of the array play no part as long as it stays away from them; but every place in the
middle is reached, so that a cut there, or weights that differ from one half to the other, are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from tests.infer.inputs import KINDS
from tests.infer.oracle import BATCH, PLAINLY, differences, excess, infer
from tests.oracle import Claim, Verdict

Function = Callable[[Any], Any]
Box = tuple[np.ndarray, np.ndarray]
"""The first node of a block of nodes, and the one after its last."""
CONTENT = {1: 6, 2: 4, 3: 2}
"""Nodes of the content along each axis."""
LOCAL = 0.7
"""A function is local if fewer of its outputs feel the ends of the input."""
MOVES = 6
"""Moves tried of each point operation."""


@dataclass(frozen=True)
class Canvas:
    """An array that shows a part of the plane: content stays within its middle half.

    Attributes:
        sizes: of the array.
    """

    sizes: tuple[int, ...]

    @property
    def middle(self) -> Box:
        """Where content may lie."""
        n = np.asarray(self.sizes)
        return n // 4, n - n // 4

    def draw(self, rng: np.random.Generator, channels: int) -> tuple[np.ndarray, np.ndarray, Box]:
        """Contents and backgrounds `[examples, *nodes, channels]`, one batch of each kind, and where contents lie."""
        dim = len(self.sizes)
        shape = (BATCH, *(CONTENT[dim],) * dim, channels)
        contents = np.concatenate([draw(rng, shape) for draw in KINDS.values()])
        grounds = rng.integers(-2, 3, (len(contents), *(1,) * dim, channels)) / 2
        grounds[::2] *= rng.random((len(grounds[::2]), *(1,) * dim, 1)) < 0.5
        low, high = self.middle
        start = np.asarray([rng.integers(a, b - CONTENT[dim] + 1) for a, b in zip(low, high, strict=True)])
        return contents, np.broadcast_to(grounds, contents.shape), (start, start + CONTENT[dim])

    def shown(self, contents: np.ndarray, grounds: np.ndarray, box: Box, g: eq.Isometry) -> np.ndarray:
        """The arrays `[examples, *sizes, channels]` with their contents moved by g."""
        dim = len(self.sizes)
        ground = grounds[(slice(None), *(slice(1),) * dim)]
        x = np.broadcast_to(ground, (len(contents), *self.sizes, contents.shape[-1])).copy()
        places = np.indices(contents.shape[1:-1]).reshape(dim, -1) + box[0][:, None]
        moved = np.asarray(g.matrix) @ places + np.asarray(g.shift)[:, None]
        x[(slice(None), *moved)] = contents.reshape(len(contents), -1, contents.shape[-1])
        return x

    def with_other_ends(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The arrays with anything near the ends: an eighth of the nodes on each side."""
        noise = rng.standard_normal(x.shape)
        inside = (slice(None), *(slice(n // 8, n - n // 8) for n in self.sizes))
        noise[inside] = 0
        return x + noise

    def moves(self, group: eq.SpaceGroup, box: Box, rng: np.random.Generator) -> Iterator[eq.Isometry]:
        """Elements of a group that keep a block in the middle: of each point operation some, near and far."""
        low, high = self.middle
        corners = np.stack([box[0], box[1] - 1], 1)
        reach = [range(-max(self.sizes), max(self.sizes) + 1) for _ in group.translations.basis]
        for matrix, shift in group.operations:
            found = []
            turned = np.asarray(matrix) @ corners
            first, last = turned.min(1), turned.max(1)
            for numbers in _few(reach, rng):
                steps = sum((k * np.asarray(row) for k, row in zip(numbers, group.translations.basis, strict=True)), 0)
                t = np.asarray(shift) + steps
                if (first + t >= low).all() and (last + t < high).all():
                    found.append(tuple(int(v) for v in t))
            for at in rng.permutation(len(found))[:MOVES]:
                yield eq.Isometry(matrix, found[at])


def _few(reach: Sequence[range], rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """All numbers of lattice rows, or many drawn ones."""
    if len(reach) < 3:
        yield from product(*reach)
        return
    for _ in range(4000):
        yield tuple(int(rng.integers(r.start, r.stop)) // 4 for r in reach)


def judge_on_the_plane(
    fn: Function, sizes: tuple[int, ...], channels: int = 2, *, claim: Claim | None = None, seed: int = 0
) -> Verdict:
    """What `infer` claims of a function on the plane, traced at some sizes, that moved content refutes.

    Args:
        fn: of `[batch, *sizes, channels]`. Windows must reach less than 3/16 of the array.
        claim: what to judge instead.
    """
    dim, rng = len(sizes), np.random.default_rng(seed)
    canvas = Canvas(sizes)
    with jax.enable_x64(True):
        made = claim or infer(fn, eq.plane(dim), channels, size=sizes, dtype=jnp.float64)
        contents, grounds, box = canvas.draw(rng, channels)
        elements = list(canvas.moves(made.strict, box, rng))
        if len(elements) < 2:
            return Verdict([], [])
        still = canvas.shown(contents, grounds, box, eq.Isometry.identity(dim))
        other = canvas.with_other_ends(still, rng)
        inputs = np.stack([still, other, *(canvas.shown(contents, grounds, box, g) for g in elements)])
        batches = jnp.asarray(inputs.reshape(-1, BATCH, *sizes, channels))
        y = np.asarray(jax.jit(lambda all_: jax.lax.map(fn, all_), compiler_options=PLAINLY)(batches))
        y = y.reshape(len(inputs), len(still), *y.shape[2:])
        y = y if np.iscomplexobj(y) else y.astype(float)
        unsound, ends = [], (differences(y[0], y[1]) > 0).any((0, -1))
        for g, x, after in zip(elements, inputs[2:], y[2:], strict=True):
            said = [("strict", made.action(g) if made.output.dim else None)]
            said += [("invariance", None)] * (g in made.invariance)
            for name, image in said:
                spatial = bool(made.output.dim)
                where = _compared(ends, image) if spatial else None
                want, got = (y[0], after) if where is None else _at(y[0], after, *where)
                worst = excess(_flattened(fn, where), want, got, still, _lookup(still, x))
                if worst:
                    image_ = f" ↦ {image}" if image is not None else ""
                    unsound.append(f"{name} claims {g}{image_} (off by {worst:.1e}), content at {box[0].tolist()}")
        return Verdict(unsound[:3], [])


def _compared(ends: np.ndarray, image: eq.Isometry | None) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the output far from its ends, and the nodes they go to.

    Args:
        ends: which nodes feel the ends of the input; if most do, the function is no local one.
    """
    n = np.asarray(ends.shape)[:, None]
    places = np.indices(ends.shape).reshape(ends.ndim, -1)
    moved = places if image is None else np.asarray(image.matrix) @ places + np.asarray(image.shift)[:, None]
    kept = np.ones(places.shape[1], bool)
    for p in (places, moved):
        kept &= ((p >= 3 * n / 16) & (p < n - 3 * n / 16)).all(0)
        if ends.mean() < LOCAL:
            kept &= ~ends[tuple(np.clip(p, 0, n - 1))]
    return places[:, kept], moved[:, kept]


def _at(before: np.ndarray, after: np.ndarray, here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return before[(slice(None), *here)], after[(slice(None), *there)]


def _flattened(fn: Function, where: tuple[np.ndarray, np.ndarray] | None) -> Function:
    """The function's values far from the ends."""
    return fn if where is None else lambda x: fn(x)[(slice(None), *where[0])]


def _lookup(still: np.ndarray, moved: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The moved batch that belongs to a batch."""

    def find(x: np.ndarray) -> np.ndarray:
        first = next(i for i in range(0, len(still), BATCH) if np.array_equal(still[i : i + BATCH], x))
        return moved[first : first + BATCH]

    return find
