"""The keywords that architectures share: their choices, their defaults, and what declares them for a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from typing import Any, Literal, ParamSpec, TypedDict, get_args

from equinet.checks import shown
from equinet.layers import Layer
from equinet.models.filters import Group, Match

Down = Literal["stride", "max", "avg", "blur", "maxblur", "ideal", "aps", "lps"]
Activation = Literal["pointwise", "aliasfree", "polynomial"]
Padding = Literal["circular", "zero", "zero_lower", "reflect", "edge", "valid"]
Readout = Literal["gap", "gmp", "flatten"]
Norm = Literal["none", "batch", "group", "instance", "layer"]

DOWNS: tuple[str, ...] = get_args(Down)
ACTIVATIONS: tuple[str, ...] = get_args(Activation)
PADDINGS: tuple[str, ...] = get_args(Padding)
READOUTS: tuple[str, ...] = get_args(Readout)
NORMS: tuple[str, ...] = get_args(Norm)


class Active(TypedDict, total=False):
    """What every architecture takes."""

    activation: Activation


class Shared(Active, total=False):
    """What one takes besides that is made of convolutions or patches."""

    padding: Padding
    group: Group
    dim: int
    match: Match


class Sampled(Shared, total=False):
    """What one takes besides that goes down and reads out in one of the ways that all know."""

    down: Down
    readout: Readout


class Normed(Sampled, total=False):
    """What one takes besides whose convolutions a norm may follow."""

    norm: Norm


DEFAULTS = Normed(
    down="stride",
    activation="pointwise",
    padding="circular",
    readout="gap",
    norm="none",
    group=None,
    dim=2,
    match="parameters",
)

P = ParamSpec("P")


def shares(kind: type, **defaults: Any) -> Callable[[Callable[P, Layer]], Callable[P, Layer]]:
    """Declare the shared keywords of a model `(…, **shared: Unpack[kind])`.

    Its signature lists them with their defaults, and keywords that are not there are refused.

    Args:
        kind: `Shared`, or one of those that have more.
        **defaults: those of the model, where it has others than `DEFAULTS`.
    """
    told = {name: value for name, value in {**DEFAULTS, **defaults}.items() if name in kind.__annotations__}

    def declared(model: Callable[P, Layer]) -> Callable[P, Layer]:
        signature = inspect.signature(model)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        kinds = {name: hint.__forward_arg__ for name, hint in kind.__annotations__.items()}
        keywords = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=kinds[name])
            for name, value in told.items()
        ]
        known = [parameter.name for parameter in (*own, *keywords)]

        @wraps(model)
        def builder(*args: P.args, **kwargs: P.kwargs) -> Layer:
            for name in kwargs:
                if name not in known:
                    near = get_close_matches(name, known)
                    hint = f": did you mean {' or '.join(near)}" if near else ""
                    raise TypeError(
                        f"{model.__name__} has no argument {shown(name)}{hint}; its arguments are {', '.join(known)}"
                    )
            return model(*args, **{**told, **kwargs})  # pyright: ignore[reportCallIssue]

        builder.__signature__ = signature.replace(parameters=[*own, *keywords])  # pyright: ignore[reportAttributeAccessIssue]
        return builder

    return declared
