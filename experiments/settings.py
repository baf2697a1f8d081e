"""The trainer's knobs, typed, with their defaults."""

import dataclasses
from collections.abc import Mapping
from math import inf
from typing import Any

import ml_collections

from experiments.names import check_name

PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class OptimiserSettings:
    """An optimiser of `experiments.optimiser`.

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
        if not 0 <= self.learning_rate < inf:
            raise ValueError(f"config.optimiser.learning_rate must be a number, 0 or more; got {self.learning_rate}")


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


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        name: what the run is called in records and progress bars.
        seed: all randomness derives from it.
        dataset: a name of `experiments.data.DATASETS`.
        data_dir: the folder with the full set's files; empty for `data/DATASET`, or what ships with the repository.
        size: examples are padded or cropped to this many nodes along each axis; 0 leaves them as they are.
        model: `name`, a function of `equinet.models`, and its arguments.
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
    size: int = 32
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    optimiser: OptimiserSettings = OptimiserSettings()
    augment: AugmentSettings = AugmentSettings()
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
        for field, least in (
            *(("seed", 0), ("batch", 1), ("epochs", 1), ("log_every", 1)),
            *(("size", 0), ("eval_epochs", 0), ("checkpoint_every", 0)),
        ):
            if getattr(self, field) < least:
                raise ValueError(f"config.{field} must be at least {least}, got {getattr(self, field)}")
        check_name(self.precision, PRECISIONS, "precision")
        if not 0 <= self.ema < 1:
            raise ValueError(f"config.ema must be at least 0 and below 1, got {self.ema}")
        if len(self.temperature) not in (0, 2) or not all(0 < value < inf for value in self.temperature):
            raise ValueError(
                f"config.temperature must be empty or two positive numbers, at the start and at the end of training, "
                f"e.g. (1.0, 0.1); got {self.temperature}"
            )

    @staticmethod
    def of(config: ml_collections.ConfigDict | Mapping[str, Any]) -> "Settings":
        """Settings from a config; missing entries take their defaults.

        Raises:
            UnknownName: an entry that no setting is called; the message lists the near ones.
        """
        entries = config.to_dict() if isinstance(config, ml_collections.ConfigDict) else dict(config)
        _check(entries, Settings, "config entry")
        parts = {
            name: _part(kind, entries.pop(name, {}), name)
            for name, kind in (("optimiser", OptimiserSettings), ("augment", AugmentSettings))
        }
        model = {key: _frozen(value) for key, value in dict(entries.pop("model", {})).items()}
        return Settings(**{key: _frozen(value) for key, value in entries.items()}, **parts, model=model)


def _part(kind: type, entries: Mapping[str, Any], name: str) -> Any:
    _check(entries, kind, f"entry of config.{name}")
    return kind(**{key: _frozen(value) for key, value in entries.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check(entries: Mapping[str, Any], kind: type, what: str) -> None:
    for name in entries:
        check_name(name, [field.name for field in dataclasses.fields(kind)], what)
