"""What a trained network is judged by: whether it is right, and whether its answer moves with the input.

*Circular* consistency rolls an input around its torus. *Crop* consistency moves it by a few nodes against a background,
without wrapping; the two are different quantities. Both are the `agreement` of `equinet.consistency` for two draws.

Networks answer in full precision: a GPU would round the factors of products to eleven bits, which alone changes
answers.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.degree.shares import Share, mean_iou
from equinet.degree.transforms import Circular, Crop, Transform
from equinet.train.data import Dataset, Examples
from equinet.train.devices import Layout

Predict = Callable[[Any, jax.Array], jax.Array]
"""`(variables, inputs [batch, *spatial, channels]) -> logits [batch, (*spatial,) classes]`, free of side effects."""
Array = jax.Array | np.ndarray
BINS = 15
"""Of confidence, for the calibration error."""
AT_ONCE = 2000
"""Examples that are held as floats at a time."""
CIRCULAR = Circular()


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
    one, other = (ask(_moved(CIRCULAR, k, inputs)) for k in (first, second))
    crop = Crop(background=dataset.background)
    cut, cut_otherwise = (ask(_moved(crop, k, inputs))[0] for k in (third, fourth))
    counts["circular"] = int((one[0] == other[0]).sum())
    counts["crop"] = int((cut == cut_otherwise).sum())
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
        shifts = CIRCULAR.draw(key, len(inputs), inputs.shape[1:-1])
        expected, moved = (np.asarray(CIRCULAR.move(jnp.asarray(x), shifts)) for x in (plain[..., None], inputs))
        counts["moved"] = int((ask(moved)[0] == expected[..., 0]).sum())
    return counts


def _metrics_of_masks(counts: Counts) -> Measured:
    table = counts["confusion"]
    shared = np.diagonal(table)
    values: dict[str, Share | float] = {"mean_iou": float(mean_iou(shared, table.sum(0) + table.sum(1) - shared))}
    if "moved" in counts:
        values["pixel_accuracy"] = float(np.trace(table) / table.sum())
        values["shift_equivariance"] = float(counts["moved"] / table.sum())
    return Measured(values)


def confusion(found: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    """`[classes, classes]`: how many points of each class (rows) were given each answer (columns)."""
    return np.bincount(classes * targets.ravel() + found.ravel(), minlength=classes**2).reshape(classes, classes)


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


def _moved(transform: Transform, key: jax.Array, inputs: np.ndarray) -> np.ndarray:
    """The inputs, each moved by a member of its own."""
    return np.asarray(transform.move(jnp.asarray(inputs), transform.draw(key, len(inputs), inputs.shape[1:-1])))


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
