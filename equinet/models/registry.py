"""Architectures by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from equinet.checks import shown
from equinet.layers import Layer
from equinet.models.attention import swin, vit
from equinet.models.encoder_decoder import unet
from equinet.models.operator import fno
from equinet.models.residual import convnext, resnet, wide_resnet
from equinet.models.simple import fcn, small_cnn, vgg
from equinet.names import check_name

MODELS: dict[str, Callable[..., Layer]] = {
    "small_cnn": small_cnn,
    "fcn": fcn,
    "vgg": vgg,
    "resnet": resnet,
    "wide_resnet": wide_resnet,
    "unet": unet,
    "fno": fno,
    "convnext": convnext,
    "vit": vit,
    "swin": swin,
}
"""Every architecture of this package, by name."""


def build(name: str, **arguments: Any) -> Layer:
    """The architecture `name`, called with `arguments`; for `group` a number is read as its digits (4 as "4").

    Raises:
        ValueError: no such model, or the model has no such argument (the near matches are listed), or a value is of
            the wrong kind, or the model refuses it.

    >>> build("resnt")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    equinet.names.UnknownName: no model 'resnt': did you mean resnet or wide_resnet or unet? Known: ...
    """
    model = MODELS[check_name(name, MODELS, "model")]
    known = inspect.signature(model).parameters
    for argument, value in arguments.items():
        check_name(argument, known, f"argument of {name}")
        default = known[argument].default
        if argument == "group" and type(value) is int:
            arguments[argument] = str(value)
        elif not _alike(value, default):
            raise ValueError(f"{name}: {argument} must be of the kind of its default, {default!r}; got {shown(value)}")
    return model(**arguments)


def _alike(value: object, default: object) -> bool:
    if default is None:
        return True
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(_alike(v, default[0]) for v in value)
    if isinstance(default, str) and isinstance(value, list | tuple):  # one for each stage, where a model takes that
        return all(isinstance(v, str) for v in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)
