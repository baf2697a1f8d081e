"""The trainer's knobs, typed, with their defaults."""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from math import inf
from typing import Any

import ml_collections

from equinet.names import check_name, name_of
from equinet.train.data.registry import DATASETS

PRECISIONS = ("float32", "bfloat16")
OPTIMISERS = ("adamw", "adam", "lamb", "lion", "sgd")
SCHEDULES = ("cosine", "linear", "step", "constant")
MOST_SEED = 2**32 - 1
"""JAX's keys and grain's orders take 32 bits: of a larger seed they would drop the rest."""
MOST = 2**31 - 1
"""Of everything that is counted: steps, and the numbers in a batch, are counted in 32 bits."""


@dataclasses.dataclass(frozen=True)
class OptimiserSettings:
    """An optimiser of `equinet.train.optimiser`.

    Attributes:
        name: `adamw`, `adam`, `lamb`, `lion` or `sgd` (Nesterov momentum).
        learning_rate: its peak, reached by a linear warm-up.
        schedule: what follows the warm-up: `cosine` or `linear` (to zero), `step` (times 0.1 at each of `milestones`)
            or `constant`.
        warmup_steps: length of the warm-up.
        milestones: shares of all steps at which `step` drops the rate.
        weight_decay: decoupled, except for sgd, where it is added to the gradient; kernels only.
        momentum: of sgd.
        clip: the largest global norm of a gradient; 0 leaves it as it is.
    """

    name: str = "adamw"
    learning_rate: float = 3e-3
    schedule: str = "cosine"
    warmup_steps: int = 50
    milestones: tuple[float, ...] = (0.5, 0.75)
    weight_decay: float = 1e-2
    momentum: float = 0.9
    clip: float = 0.0

    def __post_init__(self) -> None:
        _check_types(self, "config.optimiser")
        check_name(self.name, OPTIMISERS, "optimiser")
        check_name(self.schedule, SCHEDULES, "schedule")
        _check_range("config.optimiser.learning_rate", self.learning_rate, 0, 1000)
        _check_range("config.optimiser.warmup_steps", self.warmup_steps, 0, MOST)
        _check_range("config.optimiser.weight_decay", self.weight_decay, 0, 1000)
        _check_range("config.optimiser.momentum", self.momentum, 0, below=1)
        _check_range("config.optimiser.clip", self.clip, 0, 1e9)
        rising = all(a < b for a, b in pairwise((0, *self.milestones, 1)))
        if self.milestones and not rising:
            raise ValueError(
                f"config.optimiser.milestones must rise between 0 and 1, such as (0.5, 0.75); got {self.milestones}"
            )


@dataclasses.dataclass(frozen=True)
class AugmentSettings:
    """What is done to training examples, at random, on the device; to the masks of a segmentation likewise.

    Attributes:
        shift: circular shifts, uniform over the whole torus.
        crop: up to so many pixels of shift in each direction, without wrapping: what comes in is background.
        flip: reversal of the last spatial axis, for every second example.
    """

    shift: bool = False
    crop: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        _check_types(self, "config.augment")
        _check_range("config.augment.crop", self.crop, 0, MOST)


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        name: what the run is called in records and progress bars.
        seed: all randomness derives from it.
        dataset: a name of `equinet.train.data.DATASETS`, which `register_dataset` adds to.
        data_dir: the folder with the full set's files; empty for `data/DATASET`, or what ships with the repository.
        examples: how many of the first examples of the training split are learned from; 0 for all.
        validation: how many of the last ones are held out. During training these are judged instead of the test split,
            and decide which state is the best; 0 holds out none.
        size: examples are padded or cropped to this many nodes along each axis; 0 leaves them as they are.
        model: `name`, a function of `equinet.models`, and its arguments; or `builder` in place of a name, a function of
            one's own: the function, or `FILE.py:function`. It gives a layer, a Flax module or a function of an array.
        optimiser: see `OptimiserSettings`.
        augment: see `AugmentSettings`.
        precision: `float32`, or `bfloat16` for the forward and backward pass; parameters and state stay in float32.
        temperature: τ of every `LearnedPolyphasePool` at the start and at the end of training, in between geometric in
            the step; empty leaves it as the layer has it. Other layers have none.
        ema: decay of an exponential moving average of the parameters, which is then what is evaluated; 0 for none.
        batch: examples a step, over all devices.
        epochs: passes over the training split.
        log_every: steps between two lines of training metrics.
        eval_epochs: epochs between two evaluations; 0 evaluates at the end only.
        checkpoint_every: steps between two checkpoints; 0 for one an epoch. The last and the best are kept.
        tensorboard: whether metrics are written as TensorBoard events too.
        progress: whether a progress bar is shown.
        smoke: one pass over a few examples, to see that everything works.
    """

    name: str = ""
    seed: int = 0
    dataset: str = "fashion_mnist_12k"
    data_dir: str = ""
    examples: int = 0
    validation: int = 0
    size: int = 32
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    optimiser: OptimiserSettings = dataclasses.field(default_factory=OptimiserSettings)
    augment: AugmentSettings = dataclasses.field(default_factory=AugmentSettings)
    precision: str = "float32"
    temperature: tuple[float, ...] = ()
    ema: float = 0.0
    batch: int = 100
    epochs: int = 5
    log_every: int = 25
    eval_epochs: int = 1
    checkpoint_every: int = 0
    tensorboard: bool = False
    progress: bool = True
    smoke: bool = False

    def __post_init__(self) -> None:
        _check_types(self, "config")
        _check_range("config.seed", self.seed, 0, MOST_SEED)
        for field in ("batch", "epochs", "log_every"):
            _check_range(f"config.{field}", getattr(self, field), 1, MOST)
        for field in ("size", "examples", "validation", "eval_epochs", "checkpoint_every"):
            _check_range(f"config.{field}", getattr(self, field), 0, MOST)
        check_name(self.precision, PRECISIONS, "precision")
        _check_range("config.ema", self.ema, 0, below=1)
        if len(self.temperature) not in (0, 2) or not all(1e-6 <= value <= 1e6 for value in self.temperature):
            raise ValueError(
                f"config.temperature must be empty or two positive numbers, at the start and at the end of training, "
                f"e.g. (1.0, 0.1); got {self.temperature}"
            )
        entry = DATASETS[check_name(self.dataset, DATASETS, "data set")]
        if self.batch * self.size**entry.dim * entry.channels > MOST:
            shape = "×".join([str(self.size)] * entry.dim + [str(entry.channels)])
            raise ValueError(
                f"config.batch is {self.batch}, of examples of {shape}: a batch holds {MOST} numbers at most; make "
                f"config.batch or config.size smaller"
            )

    @staticmethod
    def of(config: ml_collections.ConfigDict | Mapping[str, Any]) -> "Settings":
        """Settings from a config; missing entries take their defaults.

        Raises:
            UnknownName: an entry that no setting is called, an optimiser, a schedule, a precision or a data set that is
                not known; the message lists the near ones.
            ValueError: a value of another kind than the default's, or one that makes no sense.
        """
        entries = config.to_dict() if isinstance(config, ml_collections.ConfigDict) else dict(config)
        _check_names(entries, Settings, "config entry")
        parts = {
            name: _part(kind, entries.pop(name, {}), name)
            for name, kind in (("optimiser", OptimiserSettings), ("augment", AugmentSettings))
        }
        entries["model"] = _entries(entries, "model")
        if callable(entries["model"].get("builder")):
            entries["model"]["builder"] = name_of(entries["model"]["builder"])
        model = {key: _plain(value, f"config.model.{key}") for key, value in entries["model"].items()}
        for entry in ("name", "builder"):
            if not isinstance(model.get(entry, ""), str):
                raise ValueError(f"config.model.{entry} must be the name of an architecture, got {model[entry]!r}")
        entries.pop("model", None)
        return Settings(**{key: _frozen(value) for key, value in entries.items()}, **parts, model=model)


def base() -> ml_collections.ConfigDict:
    """Every setting at its default; a config changes some and adds its model."""
    return ml_collections.ConfigDict(dataclasses.asdict(Settings()))


def _part(kind: type, entries: Any, name: str) -> Any:
    entries = _entries({name: entries}, name)
    _check_names(entries, kind, f"entry of config.{name}")
    return kind(**{key: _frozen(value) for key, value in entries.items()})


def _entries(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name, {})
    if not isinstance(found, Mapping):
        raise ValueError(f"config.{name} must be entries by name, got {found!r}")
    return dict(found)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list | tuple) else value


def _plain(value: Any, name: str) -> Any:
    """`value` with tuples for lists; it is compared and written to the record of the run, so it must be plain."""
    frozen = _frozen(value)
    for each in frozen if isinstance(frozen, tuple) else (frozen,):
        if isinstance(each, tuple):
            _plain(each, name)
        elif not isinstance(each, str | int | float | bool | None) or each in (inf, -inf) or each != each:
            raise ValueError(f"{name} must be made of text and finite numbers, got {_shown(value)}")
    return frozen


def _check_names(entries: Mapping[str, Any], kind: type, what: str) -> None:
    for name in entries:
        check_name(name, [field.name for field in dataclasses.fields(kind)], what)


def _check_types(settings: Any, where: str) -> None:
    """Raise unless every entry is of its default's kind; a whole number may stand for any other."""
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), f"{where}.{field.name}"
        default = field.default_factory() if callable(field.default_factory) else field.default
        if isinstance(default, tuple):
            fits, kind = isinstance(value, tuple) and all(_is_number(each) for each in value), "a tuple of numbers"
        elif isinstance(default, float):
            fits, kind = _is_number(value), "a number"
        elif isinstance(default, Mapping):
            fits, kind = isinstance(value, Mapping), "a dict"
        else:
            fits, kind = type(value) is type(default), type(default).__name__
        if not fits:
            raise ValueError(f"{name} must be {kind}, such as {default!r}; got {_shown(value)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_range(name: str, value: float, least: float, most: float = inf, below: float = inf) -> None:
    """Raise unless `value` is from `least` to `most` and below `below`; NaN is nowhere."""
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, got {_shown(value)}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}, got {_shown(value)}")
    if value >= below:
        raise ValueError(f"{name} must be below {below}, got {_shown(value)}")


def _shown(value: Any) -> str:
    """A value as an error shows it: on a line, and short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python prints no number of more than 4300 digits
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:100]}…"
