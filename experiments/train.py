"""The trainer: `train_and_evaluate(config, workdir)`."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

import equinet as eq
from equinet import models
from experiments import checkpoint
from experiments.data import Dataset, Examples, load
from experiments.metrics import Share, accuracy, circular_consistency
from experiments.optimiser import optimiser
from experiments.record import JsonLines, run_record, write_json
from experiments.settings import Settings

METRICS, RUN = "metrics.jsonl", "run.json"


class Diverged(RuntimeError):
    """Training met a loss that is not finite."""


class TrainState(NamedTuple):
    """All that a step reads and writes: a pytree."""

    variables: dict[str, Any]
    optimiser: Any


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A trained network, and how it does on the test split."""

    net: eq.Layer
    variables: dict[str, Any]
    accuracy: Share
    consistency: Share
    steps: int


StepFunction = Callable[[TrainState, jax.Array, jax.Array, jax.Array], tuple[TrainState, dict[str, jax.Array]]]


def train_and_evaluate(config: ml_collections.ConfigDict | Mapping[str, Any], workdir: str | Path) -> Outcome:
    """Train `config.model` on `config.dataset`; everything about the run goes to `workdir`.

    Images are padded (or cropped) to `config.size` on each side; 28 → 32 lets strides of 2, 4 and 8 divide it.
    `run.json` holds what it takes to make the run again, `metrics.jsonl` a line every `config.log_every` steps and one
    for every evaluation, `checkpoint/` the trained variables. All randomness derives from `config.seed`.

    Raises:
        ValueError: a model, argument, optimiser or data set that does not exist; the near ones are listed.
        FileNotFoundError: the data is not there; the message says how to get it.
        Diverged: the loss became NaN or infinite.
    """
    workdir, run = Path(workdir), Settings.of(config)
    dataset = load(run.dataset, run.data_dir or None, run.size)
    if run.smoke:
        dataset = dataclasses.replace(dataset, train=dataset.train.take(256), test=dataset.test.take(64))
    net = build_model(run)
    steps_an_epoch = len(dataset.train) // run.batch
    if steps_an_epoch == 0:
        raise ValueError(f"a batch of {run.batch} is larger than the training split of {len(dataset.train)} images")
    steps = steps_an_epoch * run.epochs
    tx = optimiser(run.optimiser, steps)
    init_key, order_key, step_key, shift_key = jax.random.split(jax.random.key(run.seed), 4)

    variables = jax.jit(net.init, static_argnums=1)(init_key, dataset.shape)
    state = TrainState(variables, tx.init(variables["params"]))
    step_function = make_step(net, tx)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    write_json(workdir / RUN, run_record(dataclasses.asdict(run), steps=steps, parameters=parameters))

    test = to_device(dataset.test)
    with JsonLines(workdir / METRICS) as log, _progress(run.progress) as progress:
        task = progress.add_task(run.name, total=steps * run.batch, loss="")
        window = _Window(run)
        for step, (images, labels) in enumerate(_batches(dataset, run, order_key), start=1):
            state, metrics = step_function(state, images, labels, jax.random.fold_in(step_key, step))
            window.add(metrics)
            progress.advance(task, run.batch)
            if step % run.log_every == 0 or step == steps:
                row = window.close(step, step / steps_an_epoch)
                progress.update(task, loss=f"loss {row['loss']:.3f}")
                log.write(row)
            if run.eval_epochs and step % (run.eval_epochs * steps_an_epoch) == 0 and step < steps:
                reached = accuracy(net.apply, state.variables, *test)
                log.write({"split": "test", "step": step, "accuracy": reached.to_json()})
        outcome = Outcome(
            net,
            state.variables,
            accuracy(net.apply, state.variables, *test),
            circular_consistency(net.apply, state.variables, test[0], shift_key),
            steps,
        )
        final = {"accuracy": outcome.accuracy.to_json(), "circular_consistency": outcome.consistency.to_json()}
        log.write({"split": "test", "step": steps, **final})
    checkpoint.save(workdir, state.variables)
    return outcome


def build_model(run: Settings) -> eq.Layer:
    """The network that `run.model` names.

    Raises:
        ValueError: no model is named, or none of that name, or it has no such argument; the near ones are listed.
    """
    arguments = dict(run.model)
    if "name" not in arguments:
        raise ValueError(f"config.model names no architecture; known are {', '.join(models.MODELS)}")
    return models.build(**arguments)


def make_step(net: eq.Layer, tx: optax.GradientTransformation) -> StepFunction:
    """One jitted step of gradient descent on the mean cross-entropy; variables are arguments, so it compiles once."""

    def loss_of(params: Any, state: Any, images: jax.Array, labels: jax.Array, key: jax.Array) -> Any:
        logits, new_state = net.apply({"params": params, "state": state}, images, train=True, key=key)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        hits = (jnp.argmax(logits, axis=-1) == labels).mean()
        return loss, (new_state, hits)

    @jax.jit
    def step(
        state: TrainState, images: jax.Array, labels: jax.Array, key: jax.Array
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        params = state.variables["params"]
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (new_state, hits)), slopes = gradient(params, state.variables["state"], images, labels, key)
        updates, memory = tx.update(slopes, state.optimiser, params)
        variables = {"params": optax.apply_updates(params, updates), "state": new_state}
        return TrainState(variables, memory), {"loss": loss, "accuracy": hits}

    return step


def to_device(split: Examples) -> tuple[jax.Array, jax.Array]:
    """Images `[n, size, size, 1]` as float32 and labels `[n]` as int32."""
    images, labels = split.arrays()
    return jnp.asarray(images), jnp.asarray(labels)


def _batches(dataset: Dataset, run: Settings, key: jax.Array) -> Iterator[tuple[jax.Array, jax.Array]]:
    """Every epoch in an order of its own; what does not fill a batch waits for another epoch's order."""
    images, labels = dataset.train.arrays()
    for epoch in range(run.epochs):
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), len(labels)))
        for start in range(0, len(labels) - run.batch + 1, run.batch):
            chosen = order[start : start + run.batch]
            yield jnp.asarray(images[chosen]), jnp.asarray(labels[chosen])


class _Window:
    """Metrics between two log lines; read from the device only when the line is due."""

    def __init__(self, run: Settings) -> None:
        self._run = run
        self._waiting: list[dict[str, jax.Array]] = []
        self._since = time.perf_counter()

    def add(self, metrics: dict[str, jax.Array]) -> None:
        self._waiting.append(metrics)

    def close(self, step: int, epoch: float) -> dict[str, Any]:
        first = step - len(self._waiting) + 1
        rows = jax.device_get(self._waiting)
        self._waiting = []
        for place, row in enumerate(rows):
            if not math.isfinite(row["loss"]):
                rate = self._run.optimiser.learning_rate
                raise Diverged(
                    f"the loss of {self._run.name} is {row['loss']} at step {first + place}: training has diverged. "
                    f"Lower --config.optimiser.learning_rate (now {rate}) or lengthen "
                    f"--config.optimiser.warmup_steps (now {self._run.optimiser.warmup_steps})"
                )
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        now = time.perf_counter()
        speed, self._since = len(rows) * self._run.batch / (now - self._since), now
        return {"split": "train", "step": step, "epoch": round(epoch, 4), **means, "images_per_second": round(speed)}


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} images/s")


def _progress(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _ImagesPerSecond(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        disable=not shown,
    )
