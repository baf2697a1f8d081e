"""Modules of Equinox read: one example with its channels first."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import jax

from equinet.interop.family import Family, Opened, in_evaluation, is_number, joined, named_calls, refuse_training


def _parts(module: Any) -> list[tuple[str, Any]]:
    """The modules within a module by their names, itself first."""
    kind = import_module("equinox").Module
    found: list[tuple[str, Any]] = [("", module)]

    def within(name: str, part: Any) -> None:
        if isinstance(part, kind):
            children = [(field, getattr(part, field, None)) for field in getattr(part, "__dataclass_fields__", ())]
        elif isinstance(part, dict):
            children = [(str(key), child) for key, child in part.items()]
        elif isinstance(part, list | tuple):
            children = [(str(i), child) for i, child in enumerate(part)]
        else:
            return
        for own, child in children:
            path = f"{name}.{own}" if name else own
            if isinstance(child, kind):
                found.append((path, child))
            within(path, child)

    within("", module)
    return found


def _opened(module: Any, *like: Any, **named: Any) -> Opened:
    """Arrays of real and complex numbers are free; whole numbers and all else are as they are.

    Raises:
        ValueError: in training mode.
    """
    del like, named
    refuse_training(module, _parts(module), "use equinox.nn.inference_mode(model)")
    leaves, tree = jax.tree.flatten(module)
    free = [is_number(leaf) for leaf in leaves]

    def run(variables: list[Any], *given: Any, **by_name: Any) -> Any:
        network = jax.tree.unflatten(tree, joined(leaves, free, variables))
        with named_calls(_parts(network)):
            return network(*given, **by_name, **in_evaluation(type(network).__call__))

    return Opened(run, [leaf for leaf, is_free in zip(leaves, free, strict=True) if is_free])


READER = Family(_opened, lambda module: "CS", "make it outside of equinox.filter_eval_shape")
