"""What the architectures share: convolutions, downsampling of every kind, norms, readouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from equinet.checks import MOST, is_choice, is_integer, shown
from equinet.layers import (
    AliasFree,
    AvgPool,
    BatchNorm,
    BlurPool,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    IdealDownsample,
    InstanceNorm,
    Layer,
    LayerNorm,
    LearnedPolyphasePool,
    MaxBlurPool,
    MaxPool,
    Polynomial,
    PolyphasePool,
    Relu,
)
from equinet.layers.local import kept_size
from equinet.models.filters import MATCHES, Filters, read_group
from equinet.models.shared import (
    ACTIVATIONS,
    DEFAULTS,
    DOWNS,
    NORMS,
    PADDINGS,
    READOUTS,
    Activation,
    Down,
    Norm,
    Padding,
)

MOST_BLOCKS, MOST_TAPS = 1000, 1 << 16
"""Blocks of a network, and stages."""


def check_choice(model: str, argument: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise a ValueError that lists the choices unless `value` is one of them."""
    if not is_choice(value, choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{model}: {argument} must be one of {listed}; got {shown(value)}")


def check_counts(
    model: str, *, least: int = 1, most: int = MOST, several: bool = False, **counts: int | Sequence[int]
) -> None:
    """Raise a ValueError unless arguments are integers within bounds; where `several`, non-empty sequences of them."""
    for argument, value in counts.items():
        listed = tuple(value) if several and isinstance(value, list | tuple) else () if several else (value,)
        if not 1 <= len(listed) <= MOST_BLOCKS or not all(is_integer(n) and least <= n <= most for n in listed):
            large = any(is_integer(n) and n > most for n in listed)
            bound = f"at most {most}" if large else f"at least {least}"
            raise ValueError(f"{model}: {argument} must be integers of {bound}; got {shown(value)}")


def downsample(down: Down, stride: int, padding: Padding) -> tuple[Layer, ...]:
    """What follows a convolution (of stride `Parts.stride`) and its nonlinearity to go down by `stride`.

    - "stride": nothing, the convolution itself is strided;
    - "max", "avg": pooling over windows that tile;
    - "blur": a binomial filter of 2 `stride` − 1 taps (7 at most), then every `stride`-th node: conv → relu → blur ↓;
    - "maxblur": maxima over `stride` nodes at stride 1, then "blur";
    - "ideal": the frequencies that every `stride`-th node can tell apart, then these nodes;
    - "aps": the polyphase component of the largest norm; "lps": the one that a learned score prefers.

    On a padding of "valid" the blur is padded as if circular, so that maps do not shrink twice.
    """
    if stride == 1 or down == "stride":
        return ()
    border = kept_size(padding)
    if down == "max":
        return (MaxPool(stride),)
    if down == "avg":
        return (AvgPool(stride),)
    if down == "ideal":
        return (IdealDownsample(stride),)
    taps = min(2 * stride - 1, 7)
    if down == "blur":
        return (BlurPool(stride, size=taps, padding=border),)
    if down == "maxblur":
        return (MaxBlurPool(stride, window=stride, size=taps, padding=border),)
    return (PolyphasePool(stride),) if down == "aps" else (LearnedPolyphasePool(stride),)


def pool_stage(down: Down, window: int, stride: int, padding: Padding) -> tuple[Layer, ...]:
    """A max pooling of overlapping windows, made in the manner of `down`.

    "stride" and "max" are the textbook's; "avg" averages; "ideal" takes no maximum; for the others the maximum is taken
    at stride 1 and `downsample` goes down ("blur" and "maxblur" are then the same).
    """
    if down in ("stride", "max"):
        return (MaxPool(window, stride=stride, padding=padding),)
    if down == "avg":
        return (AvgPool(window, stride=stride, padding=padding),)
    if down == "ideal":
        return downsample(down, stride, padding)
    return (
        MaxPool(window, stride=1, padding=padding),
        *downsample("blur" if down == "maxblur" else down, stride, padding),
    )


@dataclass(frozen=True)
class Parts:
    """What the blocks of a model are made of; `make_parts` checks the choices."""

    down: Down
    padding: Padding
    norm: Norm
    readout: str
    filters: Filters
    activation: Activation = "pointwise"

    @property
    def bias(self) -> bool:
        """Whether convolutions have a bias: where no norm follows that adds one."""
        return self.norm == "none"

    def stride(self, stride: int) -> int:
        """The stride of a convolution that `downsample` follows: `stride` itself for down="stride", else 1."""
        return stride if self.down == "stride" else 1

    def downsample(self, stride: int) -> tuple[Layer, ...]:
        """See `downsample`."""
        return downsample(self.down, stride, self.padding)

    def pool_stage(self, window: int, stride: int) -> tuple[Layer, ...]:
        """See `pool_stage`."""
        return pool_stage(self.down, window, stride, self.padding)

    def conv(self, width: int, kernel: int, stride: int = 1, padding: Padding | None = None) -> Layer:
        """A convolution, with the padding of the model unless one is given."""
        return self.filters.conv(width, kernel, stride=stride, padding=padding or self.padding, bias=self.bias)

    def normalise(self, width: int) -> tuple[Layer, ...]:
        """The norm of a map with `width` channels: one layer, or none.

        "group" uses groups of 8 channels or fewer; "layer" is `layer_norm`.
        """
        if self.norm == "batch":
            return (BatchNorm(),)
        if self.norm == "group":
            return (GroupNorm(width // gcd(width, 8)),)
        if self.norm == "instance":
            return (InstanceNorm(),)
        return (self.layer_norm,) if self.norm == "layer" else ()

    @property
    def layer_norm(self) -> LayerNorm:
        """Over the channels of each node; with other activations than pointwise ones over channels and space."""
        return LayerNorm(axes="channels" if self.activation == "pointwise" else "all")

    def function(self, plain: Layer) -> Layer:
        """A nonlinearity, given the one that the model has.

        "aliasfree" applies it at twice as many nodes, which keeps shifts by half a node; "polynomial" puts a polynomial
        of degree 2 there, which keeps all real shifts.
        """
        if self.activation == "pointwise":
            return plain
        return AliasFree(plain if self.activation == "aliasfree" else Polynomial(2))

    def block(self, width: int, kernel: int, stride: int = 1, padding: Padding | None = None) -> tuple[Layer, ...]:
        """Convolution → norm → relu, or what `function` makes of it → `downsample`."""
        conv = self.conv(width, kernel, self.stride(stride), padding)
        return (conv, *self.normalise(width), self.function(Relu()), *self.downsample(stride))

    def patches(self, width: int, size: int, heads: int = 1) -> tuple[Layer, ...]:
        """Embed patches: a linear map of `size`-wide patches that tile, for down="stride", and for the other kinds the
        same map at every node, then `downsample`. Over a group the copies are a multiple of `heads`."""
        if self.down == "stride":
            return (self.filters.conv(width, size, stride=size, padding="valid", multiple=heads),)
        return (self.filters.conv(width, size, padding=self.padding, multiple=heads), *self.downsample(size))

    def head(self, classes: int) -> tuple[Layer, ...]:
        """From a map to `classes` numbers.

        "gap" and "gmp" pool over all nodes and are invariant to whatever moves the map; "flatten" keeps only what
        leaves every node in place. Over a group the channels of each copy are pooled as well.
        """
        pooled, dense = self.filters.pooled(), Dense(classes)
        if self.readout == "flatten":
            return (*pooled, Flatten(), dense)
        return (GlobalAvgPool() if self.readout == "gap" else GlobalMaxPool(), *pooled, dense)


def make_parts(model: str, *, keep_size: bool = False, readouts: tuple[str, ...] = READOUTS, **shared: Any) -> Parts:
    """The parts that the arguments shared by all models ask for.

    - `down`, `padding`, `norm`, `readout`: see `Down`, `Padding`, `Norm`, `Readout`;
    - `activation`: "pointwise", or what keeps real shifts: see `Parts.function`, and `Parts.layer_norm`;
    - `group`: None for plain convolutions; else the point group P that all convolutions commute with, a symbol of a
      point group or of a plane group, or matrices that generate it;
    - `dim`: the dimension that a symbol is read in; matrices have their own;
    - `match`: what a network over P shares with the plain one of the same widths, see `Filters`.

    Args:
        model: the model's name, for messages.
        keep_size: whether the model needs a padding that keeps the size (so not "valid").
        readouts: those that the model has.
        **shared: the arguments above; `DEFAULTS` has the others.

    Raises:
        ValueError: for a value that is none of the choices (the message lists them), or norm="group" over a group.
    """
    told: dict[str, Any] = {**DEFAULTS, **shared}
    choices = {
        "down": DOWNS,
        "activation": ACTIVATIONS,
        "padding": tuple(p for p in PADDINGS if p != "valid") if keep_size else PADDINGS,
        "readout": readouts,
        "norm": NORMS,
        "match": MATCHES,
        "dim": (1, 2, 3),
    }
    for argument, known in choices.items():
        check_choice(model, argument, told[argument], known)
    group = told["group"]
    if group is not None and told["norm"] == "group":
        raise ValueError(
            f"{model}: norm='group' splits channels by their index, and the operations of {group!r} move them: use "
            f"'batch', 'instance' or 'layer'"
        )
    filters = Filters(read_group(model, group, told["dim"]), told["match"])
    return Parts(told["down"], told["padding"], told["norm"], told["readout"], filters, told["activation"])
