"""What transforms of one's own images do to the answers of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_function, as_integer, as_kind, shown
from equinet.degree.result import Consistency, Counts
from equinet.degree.transforms import Transform, labels_of
from equinet.groups import Isometry
from equinet.layers.base import BATCH, LayerError
from equinet.ops.arrays import as_dtype, as_key
from equinet.ops.traced import as_traced
from equinet.readers import reader_of
from equinet.verify.program import Program, make_program, precision
from equinet.verify.progress import progress_bar

MOST_PAIRS = 1 << 28
"""Pairs of an image and a transform, whose answers are kept."""

Decide = Callable[[jax.Array], jax.Array]


def consistency(
    model: Callable[[Any], Any],
    images: Any,
    transform: Transform,
    *,
    draws: int | None = None,
    key: jax.Array | int | None = None,
    labels: Any = None,
    action: Any = None,
    decide: Decide | None = None,
    batch: int = 250,
    dtype: Any = jnp.float32,
    jit: bool = True,
    progress: bool | None = None,
) -> Consistency:
    """Transform images, and compare the answers f(g·x) with f(x), or with φ(g)·f(x) where they are maps.

    A certificate says for which g the two are equal. This says how far they are apart for the others, on images of
    yours: how many answers stay the same, and by how much outputs change relative to how much they differ between
    images. Intervals are over images: those of a whole population from which yours are drawn independently.

    Where the output is a map `[n, *nodes, channels]`, f(x) is transformed as the image was, or by `action`, and nodes
    are compared of which this is known: those that a crop shows both times, and those of a rotation's disc. A shift by
    t pixels moves a map of half as many nodes by t/2 nodes, between its nodes as the images are.

    Args:
        model: `[n, *spatial, channels]` to `[n, classes]` or a map: any function, `net.bind(variables)` (compiled once
            per network), or a `torch.nn.Module` in evaluation mode, which runs in PyTorch.
        images: `[n, *spatial, channels]` of numbers, two or more: an array of any kind, also one on disk (`np.memmap`).
            They are read in batches, and no copy of all is made.
        transform: a family of `equinet.transforms`, such as `transforms.Circular(within=4)`.
        draws: how many members to draw for each image, independently. By default all members, the same for all images.
        key: of the draws: a JAX key, or an int seed.
        labels: the right class of each image, `[n]`, to count right answers too.
        action: for maps, a certificate, or a function from shifts of the image to shifts of the map, both of type
            `Isometry`. It is asked about whole shifts only.
        decide: from outputs `[…, channels]` to answers `[…]`, integers from 0 (of maps, fewer than channels, or two) or
            flags; by default the channel of the largest value. With one channel there are no answers, unless this says
            what they are.
        batch: images per compiled step.
        dtype: of the arithmetic.
        jit: False for code that is not JAX: `model` then receives and returns numpy arrays.
        progress: True or False to force or forbid a progress bar (on long runs by default).

    Raises:
        ValueError: for images, labels or transforms that do not fit each other, a family with a member for every real
            number and no draws, or an output of another shape than these.
        FloatingPointError: if the model returns NaN or inf; the message says for which image and which transform.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(4, 3), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool(), eq.Dense(3))
    >>> images = np.random.default_rng(0).normal(size=(50, 8, 8, 1))
    >>> found = consistency(net.bind(net.init(0, (8, 8, 1))), images, eq.transforms.Circular(((0, 0), (1, 0))))
    >>> found.by_member.tolist()[0]
    1.0
    >>> found.kept.n
    50
    """
    as_kind(transform, Transform, "consistency needs a transform, such as eq.transforms.Circular(within=4)")
    x = as_images(images)
    classes = None if labels is None else _as_labels(labels, len(x))
    batch = as_integer(batch, "consistency: batch", least=1)
    as_dtype(dtype, "consistency", floating=True)
    window = transform.window(x.shape[1:-1])
    rows = _rows(transform, x.shape[:-1], draws, key)
    reader = reader_of(model)
    if reader is not None:
        model, jit = reader.as_function(model, dtype), jit and reader.in_jax
    as_function(model, "consistency needs a function of one array", "of a layer, net.bind(variables)")
    with precision(dtype), as_read(x.shape):
        run = _Run(make_program(model, dtype, jit), transform, window, decide, _acting(action))
        steps = -(-len(x) // batch)
        parts: list[Counts] = []
        with progress_bar(steps * rows.shape[1], progress) as advance:
            for start in range(0, len(x), batch):
                taken = _floats(x, start, min(batch, len(x)), dtype)
                own = rows[:1] if len(rows) == 1 else rows[start : start + batch]
                parts.append(run.counts(taken, min(batch, len(x) - start), own, start, advance))
    return Consistency.of(transform, rows, parts, classes)


def as_images(images: Any) -> Any:
    """An array `[n, *spatial, channels]` of numbers, of two images or more, where it is.

    Raises:
        ValueError: for anything else.
    """
    if not all(hasattr(images, name) for name in ("shape", "dtype", "__getitem__")):
        try:
            images = np.asarray(images)
        except (RecursionError, TypeError, ValueError):
            images = np.asarray(None)
    kind = getattr(images.dtype, "kind", "O")
    if kind not in "biuf" and not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"images are an array of real numbers; got {shown(images)}")
    if len(images.shape) < 3 or 0 in images.shape:
        raise ValueError(f"images are [n, *spatial, channels], with channels for grey ones too; got {images.shape}")
    if len(images) < 2:
        raise ValueError("images: two or more, as changes are told relative to how images differ; got one")
    return images


@contextmanager
def as_read(shape: tuple[int, ...]) -> Iterator[None]:
    """Run a network, traced, on images of a shape `(n, *spatial, channels)`.

    Raises:
        ValueError: if it cannot run on them; the message says how the shape was read.
        TypeError: as `as_traced` does.
    """
    try:
        with as_traced():
            yield
    except LayerError as error:
        n, *sizes, channels = shape
        nodes = " × ".join(map(str, sizes))
        raise ValueError(
            f"images are [n, *spatial, channels]; got {shape}, {n} of {nodes} nodes with channels {channels}, which "
            f"the network does not take: {str(error).removesuffix(f': {BATCH}')}"
        ) from error


def _floats(x: Any, start: int, batch: int, dtype: Any) -> np.ndarray:
    """A batch, filled up with its last image."""
    taken = np.asarray(x[start : start + batch]).astype(dtype)
    if not np.isfinite(taken).all():
        place = int(np.flatnonzero(~np.isfinite(taken).all(axis=tuple(range(1, taken.ndim))))[0])
        raise ValueError(f"image {start + place} holds NaN or inf")
    return np.concatenate([taken, np.repeat(taken[-1:], batch - len(taken), axis=0)])


def _as_labels(labels: Any, n: int) -> np.ndarray:
    try:
        found = np.asarray(labels)
    except (RecursionError, TypeError, ValueError):
        found = np.asarray(None)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ValueError(f"labels are whole numbers, one for each of {n} images; got {found.dtype} of {found.shape}")
    return found


def _rows(transform: Transform, shape: tuple[int, ...], draws: int | None, key: Any) -> np.ndarray:
    """The members, `[1, m, k]`, or those drawn for each image, `[n, m, k]`."""
    n, sizes = shape[0], shape[1:]
    if draws is None:
        if key is not None:
            raise ValueError("consistency: key= goes with draws=, how many members to draw for each image")
        members = transform.members(sizes)
        if members is None:
            raise ValueError(f"{transform} has a member for every real number: say draws= for each image, and key=")
        rows = members[None]
    else:
        count = as_integer(draws, "consistency: draws", least=1)
        if key is None:
            raise ValueError("consistency: draws need key=, a JAX key or an int seed")
        seed = as_key(key, "consistency")
        keys = jax.random.split(jax.random.key(seed) if isinstance(seed, int) else seed, count)
        rows = np.stack([transform.draw(each, n, sizes) for each in keys], axis=1)
    if n * rows.shape[1] > MOST_PAIRS:
        raise ValueError(
            f"consistency: {n} images under {rows.shape[1]} transforms are more than {MOST_PAIRS} pairs: "
            f"give fewer images, or draws="
        )
    return rows


def _acting(action: Any) -> Callable[[Isometry], Isometry] | None:
    if action is None:
        return None
    return as_function(
        getattr(action, "action", action), "consistency: action is a certificate or a function of isometries"
    )


@dataclass(frozen=True)
class _Run:
    """A model, and what is done to its images."""

    program: Program
    transform: Transform
    window: tuple[int, ...]
    decide: Decide | None
    action: Callable[[Isometry], Isometry] | None

    def counts(self, x: np.ndarray, n: int, rows: np.ndarray, start: int, advance: Callable[[], object]) -> Counts:
        """What is counted on a batch, of which the first n images are new, for all members of its rows."""
        images = jnp.asarray(x)
        plain = self._outputs(self.transform.view(images), n, start, "as they are")
        decide = self._decide(plain)
        each: list[tuple[Any, ...]] = []
        for at in range(rows.shape[1]):
            own = np.broadcast_to(rows[:, at], (n, rows.shape[-1]))
            own = np.concatenate([own, np.repeat(own[-1:], len(x) - n, axis=0)])
            named = partial(_named, own)
            moved = self._outputs(self.transform.move(images, own), n, start, named)
            if plain.ndim == 2:
                each.append(jax.device_get(_compared(plain, moved, decide)))
            else:
                expected, seen = self._expected(plain, own)
                _check_seen(np.asarray(seen[:n]), named, start)
                each.append(jax.device_get(_compared_maps(expected, moved, seen, decide)))
            advance()
        means, spread = _variation(np.asarray(plain[:n], np.float64))
        answers = None if plain.ndim > 2 or decide is None else np.asarray(decide(plain))[:n]
        found, same, error, shared, joint = (
            None if values[0] is None else np.stack(values, 1)[:n] for values in zip(*each, strict=True)
        )
        assert error is not None
        return Counts(answers, found, same, error, shared, joint, means, spread)

    def _outputs(self, x: jax.Array, n: int, start: int, named: Any) -> jax.Array:
        given = x if self.program.traced else np.asarray(x)
        y = self.program.evaluate(self.program.variables, given)
        shape = tuple[int, ...](getattr(y, "shape", ()))
        if len(shape) not in (2, x.ndim) or shape[0] != len(x) or 0 in shape:
            raise ValueError(
                f"consistency: for images {x.shape} the model should return [{len(x)}, classes] or a map "
                f"[{len(x)}, *nodes, channels]; got {shape or type(y).__name__}"
            )
        if jnp.issubdtype(y.dtype, jnp.complexfloating):
            raise ValueError("consistency: the model returns complex numbers: give a function that returns real ones")
        y = jnp.asarray(y)
        y = y if jnp.issubdtype(y.dtype, jnp.floating) else y.astype(x.dtype)
        finite = np.asarray(_finite(y))[:n]
        if not finite.all():
            place = int(np.flatnonzero(~finite)[0])
            told = named if isinstance(named, str) else named(place)
            raise FloatingPointError(f"the model returns NaN or inf for image {start + place}, {told}")
        return y

    def _decide(self, y: jax.Array) -> Decide | None:
        if self.decide is None:
            return None if y.shape[-1] == 1 else _largest
        as_function(self.decide, "consistency: decide is a function from outputs to answers")
        answers = self.decide(y)
        is_array = isinstance(answers, jax.Array | np.ndarray)
        if not is_array or answers.shape != y.shape[:-1] or answers.dtype.kind not in "biu":
            got = f"{answers.dtype} {answers.shape}" if is_array else shown(answers)
            raise ValueError(f"consistency: decide gives whole numbers {y.shape[:-1]} for outputs {y.shape}; got {got}")
        classes = _classes(y)
        if y.ndim > 2 and (np.asarray(answers) >= classes).any():
            raise ValueError(f"consistency: of maps decide gives answers below {classes}, as there are channels")
        return self.decide

    def _expected(self, plain: jax.Array, rows: np.ndarray) -> tuple[jax.Array, jax.Array]:
        nodes = plain.shape[1:-1]
        if self.action is None:
            return self.transform.carry(plain, self.transform.on_output(rows, self.window, nodes))
        if not self.transform.moves_by_nodes or (rows != np.round(rows)).any():
            raise ValueError(f"consistency: action= is about whole shifts; {self.transform} makes others: leave it out")
        images = {row: self.action(Isometry.translation(tuple(map(int, row)))) for row in set(map(tuple, rows))}
        strange = next((g for g in images.values() if not g.is_translation or g.dim != len(nodes)), None)
        if strange is not None:
            raise ValueError(f"consistency: action= must give shifts of a map of sizes {nodes}; got ({strange})")
        return self.transform.carry(plain, np.asarray([images[tuple(row)].shift for row in rows], float))


def _named(rows: np.ndarray, place: int) -> str:
    return f"transformed by {labels_of(rows[place : place + 1])[0]}"


def _check_seen(seen: np.ndarray, named: Any, start: int) -> None:
    blind = ~seen.reshape(len(seen), -1).any(1)
    if blind.any():
        place = int(np.flatnonzero(blind)[0])
        raise ValueError(f"no node of the map of image {start + place} is known once it is {named(place)}: do less")


def _classes(y: jax.Array) -> int:
    """How many answers there can be at a node of a map."""
    return max(y.shape[-1], 2)


def _largest(y: jax.Array) -> jax.Array:
    return jnp.argmax(y, axis=-1)


@jax.jit
def _finite(y: jax.Array) -> jax.Array:
    return jnp.isfinite(y).all(axis=tuple(range(1, y.ndim)))


@partial(jax.jit, static_argnums=2)
def _compared(plain: jax.Array, moved: jax.Array, decide: Decide | None) -> tuple[Any, ...]:
    """Answers, whether they are the same, squared changes; and nothing of maps."""
    error = jnp.square(moved - plain).sum(-1)
    if decide is None:
        return None, None, error, None, None
    answers = decide(moved)
    return answers, (answers == decide(plain)).astype(jnp.float32), error, None, None


@partial(jax.jit, static_argnums=3)
def _compared_maps(expected: jax.Array, moved: jax.Array, seen: jax.Array, decide: Decide | None) -> tuple[Any, ...]:
    """The share of nodes answered as expected, squared changes per node, and nodes of each class in both and either."""
    known = seen.reshape(len(seen), -1).astype(moved.dtype)
    count = known.sum(1)
    error = (jnp.square(moved - expected).sum(-1).reshape(known.shape) * known).sum(1) / count
    if decide is None:
        return None, None, error, None, None
    ought, found = (decide(y).astype(jnp.int32).reshape(known.shape) for y in (expected, moved))
    same = ((ought == found).astype(moved.dtype) * known).sum(1) / count
    classes = _classes(moved)
    ones = [jax.nn.one_hot(labels, classes, dtype=moved.dtype) * known[..., None] for labels in (ought, found)]
    shared = (ones[0] * ones[1]).sum(1)
    return None, same, error, shared, ones[0].sum(1) + ones[1].sum(1) - shared


def _variation(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each output the mean over nodes `[n, channels]`, and the mean squared distance of nodes from it `[n]`."""
    nodes = y.reshape(len(y), -1, y.shape[-1])
    means = nodes.mean(1)
    return means, np.square(nodes - means[:, None]).sum(-1).mean(1)
