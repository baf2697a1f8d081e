"""One step of training: the state that it reads and writes, and the compiled function."""

from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import equinet as eq
from equinet.train.augment import augment
from equinet.train.optimiser import optimiser
from equinet.train.settings import AugmentSettings, OptimiserSettings
from equinet.train.temperature import annealed

NO_CHANGES = AugmentSettings()


class TrainState(NamedTuple):
    """All that a step reads and writes, a pytree; what a checkpoint holds.

    Attributes:
        variables: of the network.
        optimiser: of optax.
        average: the moving average of the parameters; None without one.
        sums: of the metrics since the last line of the log.
    """

    variables: dict[str, Any]
    optimiser: Any
    average: Any
    sums: dict[str, jax.Array]


StepFunction = Callable[[TrainState, jax.Array, jax.Array, jax.Array, int], TrainState]
"""`(state, inputs, targets, key, number of the step, from 1) -> state`"""


@lru_cache(maxsize=64)
def make_step(
    net: eq.Layer,
    settings: OptimiserSettings,
    steps: int,
    changes: AugmentSettings = NO_CHANGES,
    precision: str = "float32",
    decay: float = 0.0,
    background: float = -1.0,
    temperature: tuple[float, ...] = (),
) -> StepFunction:
    """One jitted step of gradient descent on the mean cross-entropy; variables are arguments, so it compiles once.

    A step takes the memory of the state that it is given for the one that it returns: neither is held twice.

    Args:
        net: the network.
        settings, steps: the optimiser's, and the length of the run.
        changes, background: what `augment` does.
        precision: of the forward and backward pass.
        decay: of the moving average of the parameters.
        temperature: at the start and at the end, see `annealed`.

    Raises:
        ValueError: from the step, for a state that another step has taken.
    """
    compute, tx = jnp.dtype(precision), optimiser(settings, steps)

    def cast(tree: Any) -> Any:
        return jax.tree.map(lambda v: v.astype(compute) if jnp.issubdtype(v.dtype, jnp.floating) else v, tree)

    def loss_of(params: Any, old: Any, inputs: jax.Array, targets: jax.Array, key: jax.Array) -> Any:
        logits, new = net.apply({"params": cast(params), "state": old}, cast(inputs), train=True, key=key)
        logits = logits.astype(jnp.float32)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
        return loss, (new, (jnp.argmax(logits, axis=-1) == targets).mean(dtype=jnp.float32))

    @partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, inputs: jax.Array, targets: jax.Array, key: jax.Array, number: jax.Array) -> TrainState:
        augment_key, drop_key = jax.random.split(key)
        inputs, targets = augment(changes, augment_key, inputs, targets, background)
        params, old = state.variables["params"], annealed(state.variables["state"], temperature, number, steps)
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (new, hits)), slopes = gradient(params, old, inputs, targets, drop_key)
        updates, memory = tx.update(slopes, state.optimiser, params)
        params = optax.apply_updates(params, updates)
        average = state.average
        if average is not None:
            average = optax.incremental_update(params, average, 1 - decay)
        bad = jnp.where(jnp.isfinite(loss), 0.0, 1.0)
        now = {"loss": loss, "accuracy": hits, "steps": jnp.ones(()), "bad_steps": bad}
        sums = {name: state.sums[name] + value for name, value in now.items()}
        return TrainState({"params": params, "state": new}, memory, average, sums)

    @wraps(step)
    def checked(state: TrainState, *arguments: Any) -> TrainState:
        if any(leaf.is_deleted() for leaf in jax.tree.leaves(state)):
            raise ValueError(
                "a training step was given a state that an earlier step has taken, memory and all: give it the state "
                "that that step returned, or copy a state first, jax.tree.map(jnp.copy, state)"
            )
        return step(state, *arguments)

    return checked
