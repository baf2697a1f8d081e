"""From settings to an optimiser."""

from typing import Any

import jax
import optax

from experiments.names import check_name
from experiments.settings import OptimiserSettings


def optimiser(settings: OptimiserSettings, steps: int) -> optax.GradientTransformation:
    """The optimiser for a run of `steps` steps; weight decay leaves biases and norms (fewer than two axes) alone.

    Raises:
        UnknownName: an optimiser other than `adamw` and `sgd`.
    """
    check_name(settings.name, ("adamw", "sgd"), "optimiser")
    warmup = min(settings.warmup_steps, steps)
    rate = optax.warmup_cosine_decay_schedule(0.0, settings.learning_rate, warmup, max(steps, warmup + 1))
    decay = optax.add_decayed_weights(settings.weight_decay, mask=_kernels)
    if settings.name == "adamw":
        return _promoting(optax.chain(optax.scale_by_adam(), decay, optax.scale_by_learning_rate(rate)))
    return _promoting(optax.chain(decay, optax.trace(decay=0.9, nesterov=True), optax.scale_by_learning_rate(rate)))


def _promoting(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner` under JAX's standard promotion: optax mixes integer counts and floats, which the strict mode forbids."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):
            return inner.update(updates, state, params)

    return optax.GradientTransformation(inner.init, update)


def _kernels(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
