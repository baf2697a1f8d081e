"""What a trained network is judged by: whether it is right, and whether its answer moves with the input.

*Circular* consistency rolls an input around its torus. *Crop* consistency moves it by a few nodes against a background,
without wrapping; the two are different quantities.

Networks answer in full precision: a GPU would round the factors of products to eleven bits, which alone changes
answers.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.train.data import Dataset, Examples
from equinet.train.devices import Layout

Predict = Callable[[Any, jax.Array], jax.Array]
"""`(variables, inputs [batch, *spatial, channels]) -> logits [batch, (*spatial,) classes]`, free of side effects."""
Array = jax.Array | np.ndarray
BINS = 15
"""Of confidence, for the calibration error."""
AT_ONCE = 2000
"""Examples that are held as floats at a time."""


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of `n` independent examples, with its 95 % Wilson interval.

    The interval is ((p + z²/2n) ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with z = 1.96; unlike p ± z √(p(1−p)/n) it does
    not shrink to a point when every example agrees.

    >>> Share(1.0, 2000)
    1.0000 [0.9981, 1.0000] (n=2000)
    """

    value: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        z2n = 1.96**2 / self.n
        centre = (self.value + z2n / 2) / (1 + z2n)
        half = math.sqrt(1.96**2 * self.value * (1 - self.value) / self.n + z2n**2 / 4) / (1 + z2n)
        return max(0.0, centre - half), min(1.0, centre + half)

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "n": self.n, "interval95": list(self.interval)}

    def __repr__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} [{low:.4f}, {high:.4f}] (n={self.n})"


@dataclasses.dataclass(frozen=True)
class Measured:
    """Metrics by name; the one that says which checkpoint is best comes first."""

    values: Mapping[str, Share | float]

    def __getitem__(self, name: str) -> Share | float:
        return self.values[name]

    @property
    def score(self) -> float:
        """The first metric, as a number."""
        first = next(iter(self.values.values()))
        return first.value if isinstance(first, Share) else first

    def to_json(self) -> dict[str, Any]:
        return {name: v.to_json() if isinstance(v, Share) else v for name, v in self.values.items()}

    def __str__(self) -> str:
        shown = {name: f"{v:.4g}" if isinstance(v, float) else str(v) for name, v in self.values.items()}
        return "\n".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


@dataclasses.dataclass(frozen=True)
class EveryShift:
    """What every shift of some images does to a classifier's answer.

    Attributes:
        consistency: the chance that two shifts drawn independently and uniformly give one answer, exactly: the mean
            over images of Σ_c (n_c / S)², where n_c of the S shifts are answered with class c.
        unanimous: the share of images that all shifts answer alike.
        plane: `[height, width]`, for each shift the share of images answered as without it.
        flips: of all (image, shift) pairs, those answered otherwise than the unshifted image.
        images: how many images were shifted.
    """

    consistency: float
    unanimous: float
    plane: np.ndarray
    flips: int
    images: int

    @property
    def shifts(self) -> int:
        """S, how many shifts every image went through."""
        return self.plane.size

    def to_json(self) -> dict[str, Any]:
        return {
            "consistency": self.consistency,
            "unanimous": self.unanimous,
            "images": self.images,
            "shifts": self.shifts,
            "pairs": self.images * self.shifts,
            "flips": self.flips,
        }


def evaluate(
    dataset: Dataset,
    predict: Predict,
    variables: Any,
    *,
    layout: Layout | None = None,
    key: jax.Array | None = None,
    quick: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Measured:
    """All metrics of a data set's task on its test split; with `quick` the score alone.

    Args:
        layout: the devices to spread batches over.
        key: of the random shifts; needed unless `quick`.
        between: called before every batch; what it raises ends the evaluation.
    """
    judge = _judge_masks if dataset.task == "segmentation" else _judge_labels
    ask = partial(answers, predict, variables, layout=layout, between=between)
    parts = []
    for place, (inputs, targets) in enumerate(in_parts(dataset.test)):
        part_key = None if quick else jax.random.fold_in(_needed(key), place)
        parts.append(judge(dataset, ask, inputs, targets, part_key))
    counts = {name: sum(part[name] for part in parts) for name in parts[0]}
    return _metrics_of_masks(counts) if dataset.task == "segmentation" else _metrics_of_labels(counts)


Ask = Callable[[Array], tuple[np.ndarray, np.ndarray]]
Counts = dict[str, Any]


def in_parts(examples: Examples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The examples, as many at a time as memory holds at ease."""
    for start in range(0, len(examples), AT_ONCE):
        rows = [examples[place] for place in range(start, min(start + AT_ONCE, len(examples)))]
        yield np.stack([row["input"] for row in rows]), np.stack([row["target"] for row in rows])


def _judge_labels(dataset: Dataset, ask: Ask, inputs: np.ndarray, targets: np.ndarray, key: jax.Array | None) -> Counts:
    plain, confidence = ask(inputs)
    counts: Counts = {"n": len(targets), "right": int((plain == targets).sum())}
    if key is None:
        return counts
    # Shifts are drawn anew for every input, uniform over the whole torus: one pair in height · width coincides.
    first, second, third, fourth = jax.random.split(key, 4)
    one, other = (ask(_rolled(k, inputs)[1]) for k in (first, second))
    here, there = (ask(_displaced(k, inputs, dataset.background))[0] for k in (third, fourth))
    counts["circular"] = int((one[0] == other[0]).sum())
    counts["crop"] = int((here == there).sum())
    counts["bins"] = _binned(confidence, plain == targets)
    counts["bins_shifted"] = _binned(one[1], one[0] == targets)
    return counts


def _metrics_of_labels(counts: Counts) -> Measured:
    n = counts["n"]
    values: dict[str, Share | float] = {"accuracy": Share(counts["right"] / n, n)}
    if "bins" in counts:
        values["circular_consistency"] = Share(counts["circular"] / n, n)
        values["crop_consistency"] = Share(counts["crop"] / n, n)
        values["calibration_error"] = calibration_error(counts["bins"])
        values["calibration_error_shifted"] = calibration_error(counts["bins_shifted"])
    return Measured(values)


def _judge_masks(dataset: Dataset, ask: Ask, inputs: np.ndarray, targets: np.ndarray, key: jax.Array | None) -> Counts:
    plain, _ = ask(inputs)
    counts: Counts = {"confusion": confusion(plain, targets, dataset.classes)}
    if key is not None:
        shifts, moved = _rolled(key, inputs)
        expected = np.asarray(roll_each(plain[..., None], shifts))[..., 0]
        counts["moved"] = int((ask(moved)[0] == expected).sum())
    return counts


def _metrics_of_masks(counts: Counts) -> Measured:
    table = counts["confusion"]
    values: dict[str, Share | float] = {"mean_iou": mean_iou(table)}
    if "moved" in counts:
        values["pixel_accuracy"] = float(np.trace(table) / table.sum())
        values["shift_equivariance"] = float(counts["moved"] / table.sum())
    return Measured(values)


def every_shift(predict: Predict, variables: Any, images: Array, batch: int = 100) -> EveryShift:
    """Answer every image under every circular shift. Costs height · width evaluations an image."""
    height, width = images.shape[1:3]
    counts, same = [], np.zeros(height * width, np.int64)
    for start in range(0, len(images), batch):
        found, alike = jax.device_get(_sweep_answers(predict, variables, jnp.asarray(images[start : start + batch])))
        counts.append(found)
        same += alike
    shares = np.concatenate(counts) / (height * width)
    return EveryShift(
        consistency=float((shares**2).sum(axis=1).mean()),
        unanimous=float((shares.max(axis=1) == 1).mean()),
        plane=(same / len(images)).reshape(height, width),
        flips=int(len(images) * height * width - same.sum()),
        images=len(images),
    )


def confusion(found: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """`[classes, classes]`: how many points of each class (rows) were given each answer (columns)."""
    return np.bincount(classes * targets.ravel() + found.ravel(), minlength=classes**2).reshape(classes, classes)


def mean_iou(table: np.ndarray) -> float:
    """The mean over classes of |answered ∩ true| / |answered ∪ true|, from a confusion table.

    Classes that neither occur nor are answered have no part in it.
    """
    shared = np.diagonal(table)
    joint = table.sum(0) + table.sum(1) - shared
    return float((shared[joint > 0] / joint[joint > 0]).mean())


def calibration_error(bins: np.ndarray) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy in equal bins of confidence.

    Σ_b (n_b / n) |accuracy_b − confidence_b| (Guo et al. 2017, "On calibration of modern neural networks").

    Args:
        bins: `[3, bins]`, per bin the number of answers, of right ones, and the sum of confidences.
    """
    count, right, confidence = bins
    return float(np.abs(right - confidence).sum() / count.sum())


def _binned(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return np.stack([np.bincount(place, weights, BINS) for weights in (np.ones(len(place)), right, confidence)])


def answers(
    predict: Predict,
    variables: Any,
    inputs: Array,
    layout: Layout | None = None,
    batch: int = 250,
    between: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """The most likely class of every input (or pixel), int, and the probability it is given, float."""
    devices = 1 if layout is None else layout.mesh.size
    batch += -batch % devices
    found = []
    for start in range(0, len(inputs), batch):
        between()
        part = np.asarray(inputs[start : start + batch])
        missing = batch - len(part) if start else -len(part) % devices
        full = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        placed = jnp.asarray(full) if layout is None else layout.cut(full)
        label, confidence = jax.device_get(_answer_batch(predict, layout, variables, placed))
        found.append((label[: len(part)], confidence[: len(part)]))
    return np.concatenate([label for label, _ in found]), np.concatenate([sure for _, sure in found])


def roll_each(inputs: Array, shifts: Array) -> jax.Array:
    """Roll every input `[n, *spatial, c]` by its own shift `[n, d]`: the node at p goes to p + shift, mod the size."""
    axes = tuple(range(inputs.ndim - 2))
    return _roll_each(jnp.asarray(inputs), jnp.asarray(shifts), axes)


@partial(jax.jit, static_argnums=2)
def _roll_each(inputs: jax.Array, shifts: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return jax.vmap(lambda one, shift: jnp.roll(one, shift, axis=axes))(inputs, shifts)


def _rolled(key: jax.Array, inputs: Array) -> tuple[np.ndarray, np.ndarray]:
    """Random shifts, and the inputs rolled by them."""
    sizes = jnp.asarray(inputs.shape[1:-1], jnp.int32)
    shape = (len(inputs), len(sizes))
    shifts = jax.random.randint(key, shape, jnp.zeros((1, len(sizes)), jnp.int32), sizes[None, :])
    return np.asarray(shifts), np.asarray(roll_each(inputs, shifts))


def displaced(inputs: np.ndarray, shifts: np.ndarray, background: float) -> np.ndarray:
    """Every input `[n, *spatial, c]` moved by its own shift `[n, d]` against a background: the node at p goes to
    p + shift, and what leaves the image is lost."""
    reach = int(np.abs(shifts).max(initial=0))
    dim = inputs.ndim - 2
    wide = np.pad(inputs, [(0, 0), *[(reach, reach)] * dim, (0, 0)], constant_values=background)
    made = np.empty_like(inputs)
    for place, shift in enumerate(shifts):
        window = tuple(slice(reach - t, reach - t + n) for t, n in zip(shift, inputs.shape[1:-1], strict=True))
        made[place] = wide[(place, *window)]
    return made


def _displaced(key: jax.Array, inputs: np.ndarray, background: float) -> np.ndarray:
    """The inputs moved at random by up to an eighth of their size, against a background."""
    reach = [max(size // 8, 1) for size in inputs.shape[1:-1]]
    ends = jnp.asarray([[2 * r + 1 for r in reach]], jnp.int32)
    starts = np.asarray(jax.random.randint(key, (len(inputs), len(reach)), jnp.zeros_like(ends), ends))
    return displaced(inputs, np.asarray(reach) - starts, background)


def _needed(key: jax.Array | None) -> jax.Array:
    if key is None:
        raise ValueError("metrics under random shifts need a key")
    return key


@partial(jax.jit, static_argnums=(0, 1))
@jax.default_matmul_precision("highest")
def _answer_batch(
    predict: Predict, layout: Layout | None, variables: Any, inputs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    logits = predict(variables, inputs)
    found = jnp.argmax(logits, axis=-1), jax.nn.softmax(logits, axis=-1).max(-1)
    return found if layout is None else jax.lax.with_sharding_constraint(found, layout.everywhere)


@partial(jax.jit, static_argnums=0)
@jax.default_matmul_precision("highest")
def _sweep_answers(predict: Predict, variables: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How often each image is answered with each class, and per shift how many are answered as without it."""
    height, width = images.shape[1:3]
    logits = predict(variables, images)
    unshifted = jnp.argmax(logits, axis=-1)

    def one(counts: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        shifted = jnp.roll(images, jnp.stack([index // width, index % width]), axis=(1, 2))
        found = jnp.argmax(predict(variables, shifted), axis=-1)
        return counts + jax.nn.one_hot(found, counts.shape[1]), (found == unshifted).sum()

    return jax.lax.scan(one, jnp.zeros_like(logits), jnp.arange(height * width))
