"""Functions that Haiku has transformed, read."""

from __future__ import annotations

import inspect
from typing import Any

import jax

from equinet.interop.family import Family, NotReady, Opened, in_evaluation
from equinet.interop.foreign import mode_arguments


def _opened(model: Any, *like: Any, **named: Any) -> Opened:
    """All parameters and states are free.

    Raises:
        NotReady: for a module that no `hk.transform` has been given.
    """
    if not hasattr(model, "init") or not hasattr(model, "apply"):
        raise NotReady("a module of Haiku is no function yet: give hk.transform(lambda x: Net()(x))")
    arguments = inspect.signature(model.apply).parameters
    mode, has_state = in_evaluation(model.apply), "state" in arguments
    # Some states, as those of batch norms, are made in training only.
    start = mode_arguments(model.init, True)
    init = lambda *given, **by_name: model.init(jax.random.key(0), *given, **start, **by_name)  # noqa: E731
    outline = jax.eval_shape(init, *like, **named)

    def run(variables: Any, *given: Any, **by_name: Any) -> Any:
        held = variables if has_state else (variables,)
        # A random stream would be a part of training.
        key = (None,) if "rng" in arguments else ()
        found = model.apply(*held, *key, *given, **mode, **by_name)
        return found[0] if has_state else found

    return Opened(run, outline)


READER = Family(_opened, lambda model: "BSC", "ask about it with lambda x: model.apply(params, None, x)")
