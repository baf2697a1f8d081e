"""The networks that a config can name: those of `equinet.models`, and stacks written out layer by layer, since the
networks of papers are seldom what a function of a few arguments gives."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from equinet import models
from equinet.interop.recognise import as_layer
from equinet.names import check_name, find, guarded

STACK = "stack"
PADDINGS = ("valid", "same", "full", "circular")
NORMS = ("none", "batch")


def build(name: str = "", *, builder: str = "", **arguments: Any) -> eq.Layer:
    """The network `name`, `stack` or a model of `equinet.models`, called with `arguments`.

    Args:
        name: the network, if `builder` is empty.
        builder: a function of one's own that makes the network, as `module:name` or `FILE.py:name`.
        arguments: of either.

    Raises:
        ValueError: no such network, or it has no such argument; the near ones are listed. Or a value that it refuses.
    """
    if builder:
        return _own(builder, name, arguments)
    if name != STACK:
        return models.build(name, **arguments)
    for argument in arguments:
        check_name(argument, inspect.signature(stack).parameters, f"argument of {STACK}")
    return stack(**arguments)


def _own(builder: str, name: str, arguments: dict[str, Any]) -> eq.Layer:
    if name:
        raise ValueError(f"a model has a name or a builder; got name={name} and builder={builder}")
    make = find(builder, "config.model.builder")
    if not callable(make):
        raise ValueError(f"config.model.builder={builder} must be a function that makes a network; got {make!r}")
    built = guarded(f"config.model.builder={builder}", lambda: make(**arguments))
    try:
        return as_layer(built)
    except TypeError as error:
        raise ValueError(f"config.model.builder={builder}: {error}") from None


@dataclass(frozen=True)
class SmoothConv(eq.Conv):
    """A `Conv` whose kernel is smooth at the start: drawn as ever, convolved with a Gaussian along its spatial axes,
    and scaled back to its norm (Ruderman et al. 2018).

    Args:
        smooth: the Gaussian's standard deviation, in nodes.
    """

    smooth: float = 1.0

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Any, Any]:
        params, state = super().setup(key, shape)
        return {**params, "kernel": smoothed(params["kernel"], self.smooth)}, state


def smoothed(kernel: jax.Array, sigma: float) -> jax.Array:
    """A kernel `[*taps, in, out]`, zero outside, convolved with a Gaussian of that standard deviation in nodes; its
    norm stays."""
    result = kernel
    for axis in range(kernel.ndim - 2):
        place = np.arange(kernel.shape[axis])
        weights = np.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
        result = jnp.moveaxis(jnp.tensordot(jnp.asarray(weights, kernel.dtype), result, (1, axis)), 0, axis)
    return result * jnp.linalg.norm(kernel.ravel()) / jnp.linalg.norm(result.ravel())


def stack(
    layers: Sequence[str] = ("conv 8 3", "mean", "dense 10"),
    *,
    group: str = "",
    padding: str = "same",
    norm: str = "none",
    bias: bool = True,
    smooth: float = 0.0,
) -> eq.Sequential:
    """A stack with a layer for each word group:

    - `conv WIDTH KERNEL [STRIDE]`: a convolution, the norm and relu; `scores WIDTH KERNEL`: a convolution alone;
    - `max N`, `avg N`, `every N`: tiles of N×N are pooled, or of each the first node is kept;
    - `dropout RATE`;
    - `mean`, `largest`: over all nodes; `orbits`: the largest of the channels that operations exchange;
    - `dense WIDTH`.

    Args:
        group: a point group that the convolutions commute with; their widths are copies of its regular representation.
        padding: of convolutions: "valid"; "same" (k − 1)/2 zeros on each side, for every stride; "full" k − 1 zeros on
            each side; "circular". A kernel of even size has no node in its middle and is "valid" with all of them.
        norm: "none" or "batch".
        bias: whether convolutions have one where no norm follows.
        smooth: the standard deviation of `SmoothConv`; 0 leaves kernels as they are drawn.

    Raises:
        ValueError: a word that is not known, numbers that are missing or too many, or a choice that does not exist.
    """
    check_name(padding, PADDINGS, "padding of a stack")
    check_name(norm, NORMS, "norm of a stack")
    if smooth and group:
        raise ValueError(f"a stack starts smooth (smooth={smooth}) without a group; got group={group!r}")

    def conv(width: int, kernel: int, stride: int, biased: bool) -> eq.Layer:
        border: Any = "circular" if padding == "circular" else "valid"
        zeros = {"same": (kernel - 1) // 2, "full": kernel - 1}.get(padding, 0)
        if zeros and kernel % 2:
            border = ((zeros, zeros),) * 2
        elif kernel % 2 == 0:
            border = "valid"
        if group:
            out = width * eq.Fibre.regular(group)
            return eq.GroupConv(out, kernel, stride=stride, padding=border, bias=biased)
        if smooth and kernel > 1:
            return SmoothConv(width, kernel, stride=stride, padding=border, bias=biased, smooth=smooth)
        return eq.Conv(width, kernel, stride=stride, padding=border, bias=biased)

    def block(width: int, kernel: int, stride: int = 1) -> list[eq.Layer]:
        normed = norm == "batch"
        return [conv(width, kernel, stride, bias and not normed), *([eq.BatchNorm()] if normed else []), eq.Relu()]

    words: dict[str, tuple[Callable[..., list[eq.Layer]], tuple[int, ...]]] = {
        "conv": (block, (2, 3)),
        "scores": (lambda width, kernel: [conv(width, kernel, 1, True)], (2,)),
        "max": (lambda window: [eq.MaxPool(window)], (1,)),
        "avg": (lambda window: [eq.AvgPool(window)], (1,)),
        "every": (lambda step: [eq.MaxPool(1, stride=step)], (1,)),
        "dropout": (lambda rate: [eq.Dropout(rate)], (1,)),
        "mean": (lambda: [eq.GlobalAvgPool()], (0,)),
        "largest": (lambda: [eq.GlobalMaxPool()], (0,)),
        "orbits": (lambda: [eq.GroupPool()], (0,)),
        "dense": (lambda width: [eq.Dense(width)], (1,)),
    }
    stacked: list[eq.Layer] = []
    for place, text in enumerate(layers):
        word, *rest = text.split() or [""]
        make, counts = words[check_name(word, words, f"layer {place} of a stack")]
        stacked += make(*_numbers(place, text, rest, counts))
    return eq.Sequential(*stacked)


def _numbers(place: int, text: str, given: list[str], counts: tuple[int, ...]) -> list[float]:
    try:
        found = [float(each) if "." in each else int(each) for each in given]
    except ValueError:
        found = None
    if found is None or len(found) not in counts:
        expected = " or ".join(map(str, counts))
        raise ValueError(f"layer {place} of a stack, {text!r}: expected {expected} numbers after the first word")
    return found
