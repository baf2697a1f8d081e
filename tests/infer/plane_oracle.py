"""Brute force on the plane: content far from every border of a large array, moved; all outputs are compared.

Of an infinite signal that is constant but for a bounded content, an array shows a part, and isometries move the
content. Padding and the ends of the array play no part as long as it stays away from them; but every place in the
middle is reached, so that a cut there, or weights that differ from one half to the other, are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from tests.infer.inputs import KINDS
from tests.infer.oracle import BATCH, PLAINLY, Rounding, differences, excess, infer
from tests.oracle import Claim, Verdict

Function = Callable[[Any], Any]
Box = tuple[np.ndarray, np.ndarray]
"""The first node of a block of nodes, and the one after its last."""
CONTENT = {1: 6, 2: 4, 3: 2}
"""Nodes of the content along each axis."""


@dataclass(frozen=True)
class Canvas:
    """An array that shows a part of the plane: content stays away from a part of it at each end.

    Attributes:
        sizes: of the array.
        margin: that part of it.
    """

    sizes: tuple[int, ...]
    margin: float = 0.2

    @property
    def middle(self) -> Box:
        """Where content may lie."""
        n = np.asarray(self.sizes)
        width = (n * self.margin).astype(int)
        return width, n - width

    def draw(self, rng: np.random.Generator, channels: int, kinds: Iterable[str]) -> tuple[np.ndarray, np.ndarray, Box]:
        """Contents and backgrounds `[examples, *nodes, channels]`, one batch of each kind, and where contents lie."""
        dim = len(self.sizes)
        shape = (BATCH, *(CONTENT[dim],) * dim, channels)
        contents = np.concatenate([KINDS[kind](rng, shape) for kind in kinds])
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

    def moves(self, group: eq.SpaceGroup, box: Box, rng: np.random.Generator, most: int) -> list[eq.Isometry]:
        """Elements of a group that keep a block in the middle, near and far: as many as asked for, if there are."""
        each = list(self._of_each_operation(group, box, rng))
        many = max(most // max(len(each), 1), 1)
        return [g for found in each for g in found[:many]][:most]

    def _of_each_operation(
        self, group: eq.SpaceGroup, box: Box, rng: np.random.Generator
    ) -> Iterator[list[eq.Isometry]]:
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
            if found:
                yield [eq.Isometry(matrix, found[at]) for at in rng.permutation(len(found))]


def _few(reach: Sequence[range], rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """All numbers of lattice rows, or many drawn ones."""
    if len(reach) < 3:
        yield from product(*reach)
        return
    for _ in range(4000):
        yield tuple(int(rng.integers(r.start, r.stop)) // 4 for r in reach)


def judge_on_the_plane(
    fn: Function,
    sizes: tuple[int, ...],
    channels: int = 2,
    *,
    claim: Claim | None = None,
    seed: int = 0,
    generic: Sequence[Function] = (),
    kinds: Iterable[str] = tuple(KINDS),
    most: int = 24,
    margin: float = 0.2,
) -> Verdict:
    """What `infer` claims of a function on the plane, traced at some sizes, that moved content refutes.

    Args:
        fn: of `[batch, *sizes, channels]`.
        claim: what to judge instead.
        generic: the same function with other arrays closed over, for which the claim must hold too.
        kinds: of contents.
        most: moves that are tried.
        margin: the part of the array at each end that content stays away from; half of it must be more than windows
            reach.
    """
    dim, rng = len(sizes), np.random.default_rng(seed)
    canvas = Canvas(sizes, margin)
    with jax.enable_x64(True):
        made = claim or infer(fn, eq.plane(dim), channels, size=sizes, generic=bool(generic), dtype=jnp.float64)
        contents, grounds, box = canvas.draw(rng, channels, kinds)
        elements = canvas.moves(made.strict, box, rng, most)
        if len(elements) < 2:
            return Verdict([], [])
        still = canvas.shown(contents, grounds, box, eq.Isometry.identity(dim))
        empty = canvas.shown(grounds, grounds, box, eq.Isometry.identity(dim))
        inputs = np.stack([empty, still, *(canvas.shown(contents, grounds, box, g) for g in elements)])
        unsound = []
        for one in (fn, *generic):
            unsound += _refuted(one, made, elements, inputs, margin / 2)
    return Verdict([f"{line}, content at {box[0].tolist()}" for line in unsound[:3]], [])


def _refuted(
    fn: Function, claim: Claim, elements: Sequence[eq.Isometry], inputs: np.ndarray, ends: float
) -> Iterator[str]:
    """What is claimed and is not so.

    Args:
        inputs: `[2 + elements, examples, ...]`: without content, with it, and with it moved by each element.
        ends: the part of the output at each end that is left out.
    """
    batches = jnp.asarray(inputs.reshape(-1, BATCH, *inputs.shape[2:]))
    y = np.asarray(jax.jit(lambda all_: jax.lax.map(fn, all_), compiler_options=PLAINLY)(batches))
    y = y.reshape(*inputs.shape[:2], *y.shape[2:])
    y = y if np.iscomplexobj(y) else y.astype(float)
    shows = np.any(differences(y, y[:1]) > 0, axis=(1, -1))
    still = inputs[1]
    for g, x, after, showing in zip(elements, inputs[2:], y[2:], shows[2:], strict=True):
        said = [("strict", claim.action(g) if claim.output.dim else None)]
        said += [("invariance", None)] * (g in claim.invariance and bool(claim.output.dim))
        for name, image in said:
            where = _compared(shows[1], showing, image, ends) if claim.output.dim else None
            want, got = (y[1], after) if where is None else _at(y[1], after, *where)
            worst = excess(Rounding(_flattened(fn, where)), want, got, still, _lookup(still, x))
            if worst:
                yield f"{name} claims {g}" + (f" ↦ {image}" if image is not None else "") + f" (off by {worst:.1e})"
                return


def _compared(
    before: np.ndarray, after: np.ndarray, image: eq.Isometry | None, ends: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the output far from its ends, and the nodes they go to, where the content shows at one of both.

    Args:
        before, after: where the content shows, and where the moved one does.
    """
    n = np.asarray(before.shape)[:, None]
    places = np.indices(before.shape).reshape(before.ndim, -1)
    moved = places if image is None else np.asarray(image.matrix) @ places + np.asarray(image.shift)[:, None]
    inside = [((p >= ends * n) & (p < n - ends * n)).all(0) for p in (places, moved)]
    kept = inside[0] & inside[1]
    here, there = places[:, kept], moved[:, kept]
    shown = before[tuple(here)] | after[tuple(there)]
    return here[:, shown], there[:, shown]


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
