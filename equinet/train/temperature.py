"""The temperature of learned polyphase sampling, lowered in the course of training."""

from typing import Any

import jax
import jax.numpy as jnp


def annealed(state: Any, ends: tuple[float, ...], step: jax.Array, steps: int) -> Any:
    """`state` with every temperature at τ = start · (end / start)^(step / steps), for a step counted from 1.

    A temperature is a leaf that its layer calls so, as `LearnedPolyphasePool` does. Without `ends` nothing changes.

    >>> state = [{"temperature": jnp.ones(())}, {"mean": jnp.ones(())}]
    >>> [[round(float(leaf), 3) for leaf in jax.tree.leaves(annealed(state, (1.0, 0.01), k, 2))] for k in (1, 2)]
    [[0.1, 1.0], [0.01, 1.0]]
    """
    if not ends:
        return state
    start, end = ends
    now = start * (end / start) ** (step / steps)

    def changed(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        return jnp.full_like(leaf, now) if path[-1:] == (jax.tree_util.DictKey("temperature"),) else leaf

    return jax.tree_util.tree_map_with_path(changed, state)
