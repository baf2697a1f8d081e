"""The trainer's knobs, typed, with their defaults."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import ml_collections

from experiments.names import check_name


@dataclasses.dataclass(frozen=True)
class OptimiserSettings:
    """An optimiser of `experiments.optimiser`.

    Attributes:
        name: `adamw` or `sgd` (Nesterov momentum 0.9).
        learning_rate: its peak; a linear warm-up leads to it, a cosine from it to zero.
        weight_decay: decoupled for adamw, added to the gradient for sgd; kernels only.
        warmup_steps: length of the warm-up.
    """

    name: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 50


@dataclasses.dataclass(frozen=True)
class Settings:
    """One training run.

    Attributes:
        name: what the run is called in records and progress bars.
        seed: all randomness derives from it.
        dataset: a name of `experiments.data.DATASETS`.
        data_dir: the folder with the full set's IDX files; empty for the shipped subset.
        size: images are padded or cropped to this many pixels a side.
        model: `name`, a function of `equinet.models`, and its arguments.
        optimiser: see `OptimiserSettings`.
        batch: images a step.
        epochs: passes over the training split; what does not fill a batch is left out of a pass.
        log_every: steps between two lines of training metrics.
        eval_epochs: epochs between two evaluations; 0 evaluates at the end only.
        progress: whether a progress bar is shown.
        smoke: train on 256 images and test on 64, to see that everything works.
    """

    name: str = ""
    seed: int = 0
    dataset: str = "fashion_mnist_12k"
    data_dir: str = ""
    size: int = 32
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    optimiser: OptimiserSettings = OptimiserSettings()
    batch: int = 100
    epochs: int = 5
    log_every: int = 25
    eval_epochs: int = 1
    progress: bool = True
    smoke: bool = False

    def __post_init__(self) -> None:
        for field in ("size", "batch", "epochs", "log_every"):
            if getattr(self, field) < 1:
                raise ValueError(f"config.{field} must be at least 1, got {getattr(self, field)}")

    @staticmethod
    def of(config: ml_collections.ConfigDict | Mapping[str, Any]) -> "Settings":
        """Settings from a config; missing entries take their defaults.

        Raises:
            UnknownName: an entry that no setting is called; the message lists the near ones.
        """
        entries = config.to_dict() if isinstance(config, ml_collections.ConfigDict) else dict(config)
        _check(entries, Settings, "config entry")
        optimiser = dict(entries.pop("optimiser", {}))
        _check(optimiser, OptimiserSettings, "entry of config.optimiser")
        model = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entries.pop("model", {}).items()
        }
        return Settings(**entries, model=model, optimiser=OptimiserSettings(**optimiser))


def _check(entries: Mapping[str, Any], kind: type, what: str) -> None:
    for name in entries:
        check_name(name, [field.name for field in dataclasses.fields(kind)], what)
