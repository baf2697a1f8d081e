"""The trainer: `train_and_evaluate(config, workdir)`."""

import dataclasses
import inspect
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

import equinet as eq
from equinet import models
from equinet.names import source_of
from equinet.ops.arrays import check_room
from equinet.train.augment import check_crop
from equinet.train.checkpoint import Checkpoints
from equinet.train.data import Dataset, load
from equinet.train.data.fingerprint import fingerprint
from equinet.train.data.registry import BUILT_IN, DATASETS
from equinet.train.devices import Layout, is_main_process
from equinet.train.metrics import Measured, Share, evaluate
from equinet.train.networks import build
from equinet.train.optimiser import optimiser
from equinet.train.pipeline import batches
from equinet.train.progress import progress_bar
from equinet.train.record import JsonLines, write_json
from equinet.train.settings import OptimiserSettings, Settings
from equinet.train.step import TrainState, make_step
from equinet.train.stopping import Signals, Stopped
from equinet.train.tensorboard import Events
from equinet.train.workdir import METRICS, RESULT, Workdir

SMOKE_BATCH, SMOKE_TEST = 16, 32


class Diverged(RuntimeError):
    """Training met a loss that is not finite."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A trained network, and how it does on the test split."""

    net: eq.Layer
    variables: dict[str, Any]
    metrics: Measured
    steps: int

    def share(self, name: str) -> Share:
        """The metric `name`, a share of examples."""
        value = self.metrics[name]
        if not isinstance(value, Share):
            raise TypeError(f"{name} is a number, not a share of examples: {value}")
        return value


def train_and_evaluate(
    config: ml_collections.ConfigDict | Mapping[str, Any], workdir: str | Path, report: Callable[[str], None] = print
) -> Outcome:
    """Train `config.model` on `config.dataset`; everything about the run goes to `workdir`.

    `run.json` holds what it takes to make the run again, `metrics.jsonl` a line every `config.log_every` steps and one
    for every evaluation, `checkpoints/` the last states and the best, `result.json` the final metrics. All randomness
    derives from `config.seed`. A run that was cut off goes on from its last checkpoint, to the same last bit, and one
    that is done is only evaluated again. At Ctrl-C and SIGTERM the state is saved before the run ends.

    Args:
        config: see `Settings`.
        workdir: a folder of its own; may be there already if it holds a run of the same config.
        report: called with a line of text where something unusual happens.

    Raises:
        ValueError: a model, argument, optimiser or data set that does not exist (the near ones are listed); a model
            that does not give what the data set asks for; a batch larger than the data or not divisible among the
            devices; another run in `workdir` (another config, other data), or one whose record or log is damaged.
        FileNotFoundError: the data is not there; the message says how to get it.
        InUse: another process works in `workdir`.
        Unwritable: `workdir` cannot be written, or no longer: the disk is full. Once it can, the run goes on.
        CorruptCheckpoint: no checkpoint of the run can be read.
        Diverged: the loss became NaN or infinite; the last checkpoint before that stays.
        Stopped: a signal ended the run; the same call goes on from there.
    """
    with Signals() as signals:
        outcome = _train(Settings.of(config), Path(workdir), report, signals)
        signals.check()  # one that came as the run ended is not lost on whoever starts the next
    return outcome


def _train(run: Settings, workdir: Path, report: Callable[[str], None], signals: Signals) -> Outcome:
    layout, net = Layout.of_all_devices(), build_model(run)
    layout.share(run.batch)
    dataset = load(run.dataset, run.data_dir or None, run.size or None)
    data = fingerprint(dataset) if is_main_process() else ""
    dataset, held_out = split(dataset, run.examples, run.validation)
    signals.check()
    _check_output(net, dataset)
    check_crop(run.augment, dataset.shape)
    if run.smoke:
        dataset, run = _reduced(dataset, run, layout)
        held_out = dataclasses.replace(held_out, test=held_out.test.take(SMOKE_TEST))
    steps_an_epoch = len(dataset.train) // run.batch
    if steps_an_epoch == 0:
        raise ValueError(f"a batch of {run.batch} is larger than the training split of {len(dataset.train)} examples")
    steps = steps_an_epoch * run.epochs
    save_every = run.checkpoint_every or steps_an_epoch
    eval_every = run.eval_epochs * steps_an_epoch or steps
    init_key, step_key, test_key = jax.random.split(jax.random.key(run.seed), 3)

    step_function = make_step(
        net, run.optimiser, steps, run.augment, run.precision, run.ema, dataset.background, run.temperature
    )
    state = init_state(net, run.optimiser, steps, init_key, dataset.shape, bool(run.ema), layout)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.variables["params"]))
    signals.check()
    judged_by = "validation" if run.validation else "test"

    def measure(dataset: Dataset, state: TrainState, **options: Any) -> Measured:
        return evaluate(dataset, net.apply, evaluated(state), layout=layout, between=signals.check, **options)

    with ExitStack() as stack:
        folder = stack.enter_context(
            Workdir(workdir, run, data, report, own_sources(run), steps=steps, parameters=parameters)
        )
        checkpoints = stack.enter_context(Checkpoints(workdir, folder.id))
        found = checkpoints.restore(state, warn=report)
        start, state = found if found else (0, state)
        folder.check_start(start)
        judged = checkpoints.score(start) is not None
        log = stack.enter_context(_Log(workdir, run, start, judged))
        folder.started(start)
        if start:
            report(f"{run.name}: goes on from step {start} of {steps}")
        bar = stack.enter_context(progress_bar(run.progress and is_main_process()))
        task = bar.add_task(run.name, total=steps * run.batch, completed=start * run.batch, loss="")

        def judge_and_save(step: int, state: TrainState) -> None:
            """What is due after a step besides the log."""
            due = step % eval_every == 0
            if not due and step % save_every:
                return
            _check_finite(state, run, step)
            score = None
            if due:
                reached = measure(held_out, state, quick=True)
                score = reached.score
                log.judged(judged_by, step, reached)
            checkpoints.save(step, state, score)

        step = start
        try:
            if 0 < start < steps and not judged:
                judge_and_save(start, state)  # the run may have been stopped in the midst of it
            rows = batches(dataset.train, run.batch, run.seed, start, steps, layout)
            for step, (inputs, targets) in enumerate(rows, start=start + 1):
                state = step_function(state, inputs, targets, jax.random.fold_in(step_key, step), step)
                bar.advance(task, run.batch)
                if step % run.log_every == 0 or step == steps:
                    _check_finite(state, run, step)
                    row, state = _read_sums(state, layout)
                    log.train(step, step / steps_an_epoch, row)
                    bar.update(task, loss=f"loss {row['loss']:.3f}")
                if step < steps:
                    judge_and_save(step, state)
                signals.check(step)
            final = measure(dataset, state, key=test_key)
            reached = measure(held_out, state, quick=True) if run.validation else final
        except Stopped as stop:
            if step:
                _check_finite(state, run, step)
                checkpoints.save(step, state)
            raise Stopped(
                f"{run.name}: {stop} after step {step} of {steps}; the same command goes on from there", stop.number
            ) from None
        if not (start == steps and judged):
            log.judged("test", steps, final)
            if run.validation:
                log.judged(judged_by, steps, reached)
        if run.validation:
            final = Measured({**final.values, **{f"validation_{name}": v for name, v in reached.values.items()}})
        checkpoints.save(steps, state, reached.score)
        checkpoints.wait()
        if is_main_process():
            write_json(workdir / RESULT, {"step": steps, "best_step": checkpoints.best, **final.to_json()})
    return Outcome(net, evaluated(state), final, steps)


def split(dataset: Dataset, examples: int, validation: int) -> tuple[Dataset, Dataset]:
    """The data set with the first `examples` of its training split (0 for all) without the last `validation` ones, and
    the same with these for a test split; with its own if there are none.

    Raises:
        ValueError: the training split has fewer examples than that.
    """
    have = len(dataset.train)
    if examples + validation > have or validation == have:
        asked = " and ".join(
            f"config.{name}={n}" for name, n in (("examples", examples), ("validation", validation)) if n
        )
        raise ValueError(f"{dataset.name} has {have} training examples, too few for {asked}: make these smaller")
    train = dataset.train.take(examples or have - validation)
    test = dataset.train.take(validation, have - validation) if validation else dataset.test
    return dataclasses.replace(dataset, train=train), dataclasses.replace(dataset, train=train, test=test)


def _reduced(dataset: Dataset, run: Settings, layout: Layout) -> tuple[Dataset, Settings]:
    """What a smoke run needs: two small batches, one pass, a few examples to test on."""
    devices = layout.mesh.size
    batch = max(min(run.batch, SMOKE_BATCH, len(dataset.train)) // devices, 1) * devices
    train, test = dataset.train.take(2 * batch), dataset.test.take(SMOKE_TEST)
    rates = dataclasses.replace(run.optimiser, warmup_steps=min(run.optimiser.warmup_steps, len(train) // batch))
    run = dataclasses.replace(run, batch=batch, epochs=1, optimiser=rates)
    return dataclasses.replace(dataset, train=train, test=test), run


def _check_output(net: eq.Layer, dataset: Dataset) -> None:
    """Raise unless the network gives a score for each label, for the image or for each of its points."""
    *sizes, found = map(int, net.output_shape(dataset.shape))
    wanted = list(dataset.shape[:-1]) if dataset.task == "segmentation" else []
    if sizes != wanted:
        one = "a label for each point" if wanted else "one label for an input"
        raise ValueError(
            f"{dataset.name} asks for {one}, so for an output of shape {[*wanted, dataset.classes]}; this model gives "
            f"{[*sizes, found]}: choose another --config.dataset, --config.model.name or readout"
        )
    if found < dataset.classes:
        raise ValueError(
            f"{dataset.name} has {dataset.classes} labels, this model scores {found}: "
            f"--config.model.classes={dataset.classes}"
        )


def own_sources(run: Settings) -> dict[str, str]:
    """The user's own files that a run is made of, as text by path: of the builder, and of a registered data set."""
    builder, load = run.model.get("builder"), DATASETS[run.dataset].load
    files = [source_of(builder)] if builder else []
    if run.dataset not in BUILT_IN and inspect.isfunction(load):
        files.append(Path(inspect.getsourcefile(load) or ""))
    return {os.path.relpath(path): path.read_text(encoding="utf-8") for path in files if path and path.is_file()}


def build_model(run: Settings) -> eq.Layer:
    """The network that `run.model` names.

    Raises:
        ValueError: no model is named, or none of that name, or it has no such argument; the near ones are listed.
    """
    if not run.model.get("name") and not run.model.get("builder"):
        raise ValueError(f"config.model names no architecture; known are {', '.join(models.MODELS)}")
    return _build(tuple(sorted(run.model.items())))


@lru_cache(maxsize=64)
def _build(arguments: tuple[tuple[str, Any], ...]) -> eq.Layer:
    """One network for the same arguments, so that runs in one process share what is compiled."""
    return build(**dict(arguments))


def init_state(
    net: eq.Layer,
    settings: OptimiserSettings,
    steps: int,
    key: jax.Array,
    shape: tuple[int, ...],
    averaged: bool,
    layout: Layout,
) -> TrainState:
    """The state before the first step, on every device.

    Raises:
        ValueError: there is not enough memory for it.
    """
    initial = _initial(net, settings, steps, shape, averaged, layout)
    check_room(jax.eval_shape(initial, key), "this network with its optimiser")
    return initial(key)


@lru_cache(maxsize=64)
def _initial(
    net: eq.Layer, settings: OptimiserSettings, steps: int, shape: tuple[int, ...], averaged: bool, layout: Layout
) -> Callable[[jax.Array], TrainState]:
    def initial(key: jax.Array) -> TrainState:
        variables = net.init(key, shape)
        # Buffers of its own: a step takes those of the whole state, each once.
        average = jax.tree.map(jnp.copy, variables["params"]) if averaged else None
        return TrainState(variables, optimiser(settings, steps).init(variables["params"]), average, _no_sums())

    return jax.jit(initial, out_shardings=layout.everywhere)


def evaluated(state: TrainState) -> dict[str, Any]:
    """The variables to judge: with the averaged parameters, if there are."""
    if state.average is None:
        return state.variables
    return {"params": state.average, "state": state.variables["state"]}


def _no_sums() -> dict[str, jax.Array]:
    return {name: jnp.zeros(()) for name in ("loss", "accuracy", "steps", "bad_steps")}


def _read_sums(state: TrainState, layout: Layout) -> tuple[dict[str, float], TrainState]:
    """The means since the last line of the log, and the state with the sums at zero again."""
    sums = {name: float(value) for name, value in jax.device_get(state.sums).items()}
    means = {name: sums[name] / sums["steps"] for name in ("loss", "accuracy")}
    return {**means, "steps": sums["steps"]}, state._replace(sums=layout.replicate(_no_sums()))


def _check_finite(state: TrainState, run: Settings, step: int) -> None:
    count = int(state.sums["bad_steps"])
    sound = math.isfinite(state.sums["loss"]) and not count
    if sound and bool(_all_finite(state.variables["params"])):
        return
    what, where = ("the loss", f"in {count or 'some'} of the steps up to") if not sound else ("a parameter", "by step")
    raise Diverged(
        f"{what} of {run.name or 'the run'} was NaN or infinite {where} {step}: "
        f"training has diverged. Lower --config.optimiser.learning_rate (now {run.optimiser.learning_rate}), lengthen "
        f"--config.optimiser.warmup_steps (now {run.optimiser.warmup_steps}) or set --config.optimiser.clip; the last "
        f"checkpoint before that is kept"
    )


@jax.jit
def _all_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)] or [jnp.array(True)]).all()


class _Log:
    """The metrics of a run: lines of JSON, and TensorBoard events if asked for; on the main process alone."""

    def __init__(self, workdir: Path, run: Settings, start: int, judged: bool) -> None:
        path = workdir / METRICS

        def still_true(row: dict[str, Any]) -> bool:
            if not isinstance(row.get("step"), int) or not isinstance(row.get("split"), str):
                raise ValueError(
                    f"{path} is damaged (a row without step or split: {str(row)[:80]}): bring back a copy of it, or "
                    f"move it away; checkpoints are not touched by it"
                )
            return row["step"] < start or (row["step"] == start and (judged or row["split"] == "train"))

        self._batch = run.batch
        self._since = time.perf_counter()
        main = is_main_process()
        self._lines = JsonLines(path, keep=still_true) if main else None
        self._events = Events(workdir, start) if main and run.tensorboard else None

    def train(self, step: int, epoch: float, row: dict[str, float]) -> None:
        now = time.perf_counter()
        speed, self._since = row["steps"] * self._batch / (now - self._since), now
        means = {name: row[name] for name in ("loss", "accuracy")}
        self._write("train", step, {"epoch": round(epoch, 4), **means, "images_per_second": round(speed)})

    def judged(self, split: str, step: int, measured: Measured) -> None:
        """What `split`, "test" or "validation", gives."""
        self._write(split, step, measured.to_json())

    def _write(self, split: str, step: int, values: dict[str, Any]) -> None:
        if self._lines:
            self._lines.write({"split": split, "step": step, **values})
        if self._events:
            self._events.write(split, step, values)

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_: object) -> None:
        for sink in (self._lines, self._events):
            if sink:
                sink.close()
