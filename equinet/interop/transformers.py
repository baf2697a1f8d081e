"""Flax models of Hugging Face's transformers read: images with their channels first."""

from __future__ import annotations

from typing import Any

import jax

from equinet.interop.family import Family, Opened, in_evaluation


def _opened(model: Any, *like: Any, **named: Any) -> Opened:
    """All parameters and statistics are free."""
    del like, named
    held = getattr(model, "_params", None)
    variables = model.params_shape_tree if held is None else model.params

    def run(variables: Any, *given: Any, **by_name: Any) -> Any:
        found = model(*given, params=variables, **by_name, **in_evaluation(type(model).__call__), return_dict=True)
        return dict(found)

    return Opened(run, jax.tree.map(lambda leaf: leaf, dict(variables)))


READER = Family(_opened, lambda model: "BCS", "make it without _do_init=False")
