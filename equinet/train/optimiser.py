"""From settings to an optimiser."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import optax

from equinet.train.settings import MOST, OptimiserSettings

_SCALINGS: dict[str, Callable[[OptimiserSettings], optax.GradientTransformation]] = {
    "adamw": lambda _: optax.scale_by_adam(),
    "adam": lambda _: optax.scale_by_adam(),
    "lamb": lambda _: optax.scale_by_adam(),
    "lion": lambda _: optax.scale_by_lion(),
    "sgd": lambda settings: optax.trace(decay=settings.momentum, nesterov=True),
}


def optimiser(settings: OptimiserSettings, steps: int) -> optax.GradientTransformation:
    """The optimiser for a run of `steps` steps; weight decay leaves biases and norms (fewer than two axes) alone.

    Raises:
        ValueError: more steps than can be counted, or a warm-up that does not end in them.
    """
    if steps > MOST:
        raise ValueError(f"a run of {steps} steps: make it {MOST} at most, by a smaller config.epochs")
    if settings.warmup_steps > steps:
        raise ValueError(
            f"config.optimiser.warmup_steps is {settings.warmup_steps}, but the run has {steps} steps: make it "
            f"shorter, or config.epochs larger"
        )
    scaling = _SCALINGS[settings.name](settings)
    decay = optax.add_decayed_weights(settings.weight_decay, mask=_kernels)
    parts = [optax.clip_by_global_norm(settings.clip)] if settings.clip else []
    if settings.name == "sgd":
        parts += [decay, scaling]
    elif settings.name == "adam":
        parts += [scaling]
    else:
        parts += [scaling, decay]
    if settings.name == "lamb":
        parts.append(optax.scale_by_trust_ratio())
    return _promoting(optax.chain(*parts, optax.scale_by_learning_rate(schedule(settings, steps))))


def schedule(settings: OptimiserSettings, steps: int) -> optax.Schedule:
    """The learning rate of every step: a linear warm-up, then what `settings.schedule` says.

    >>> rate = schedule(OptimiserSettings(learning_rate=1.0, warmup_steps=10, schedule="step"), 100)
    >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 50, 75)]
    [0.0, 0.5, 1.0, 0.1, 0.01]
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    rest = max(steps - warmup, 1)
    drops = [max(round(share * steps) - warmup, 0) for share in settings.milestones]
    after: dict[str, Callable[[], optax.Schedule]] = {
        "cosine": lambda: optax.cosine_decay_schedule(peak, rest),
        "linear": lambda: optax.linear_schedule(peak, 0.0, rest),
        "constant": lambda: optax.constant_schedule(peak),
        "step": lambda: optax.piecewise_constant_schedule(
            peak, {place: 0.1**count for place, count in Counter(drops).items()}
        ),
    }
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), after[settings.schedule]()], [warmup])


def _promoting(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner` under JAX's standard promotion: optax mixes integer counts and floats, which the strict mode forbids."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):
            return inner.update(updates, state, params)

    return optax.GradientTransformation(inner.init, update)


def _kernels(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
