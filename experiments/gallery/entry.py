"""What the gallery keeps of a model: the network as published and in small, and where it was published."""

from dataclasses import dataclass
from typing import Literal

import equinet as eq
from experiments.gallery.network import Filled, Network, PerExample, count, fill

Layout = Literal["BSC", "CS"]


@dataclass(frozen=True)
class Entry:
    """A model of the gallery.

    Attributes:
        title: its name.
        paper: where it was published.
        network: as published.
        size: of its input, per axis, in use.
        small: the same architecture, narrow and shallow enough to be measured element by element.
        small_size: the input's sizes for that.
        channels: of the input; `small_channels` if there are fewer in small.
        parameters: how many the paper or its reference implementation has, where one of them says.
        written: in what: "Linen", "NNX" or "JAX".
        layout: of the input's axes: "BSC" is a batch with channels last, "CS" one example with channels first.
        local: the small network, or what is left of it without a readout of the whole image: what is measured on the
            plane. None if every output depends on the whole image.
        canvas: the sizes of the image that the plane is measured on.
        traced: the sizes that the published network is traced at on the plane, if not its own: at those a window is
            as large as its map, so that nothing there can move.
    """

    title: str
    paper: str
    network: Network
    size: tuple[int, ...]
    small: Network
    small_size: tuple[int, ...]
    channels: int = 3
    small_channels: int | None = None
    parameters: int | None = None
    written: Literal["Linen", "NNX", "JAX"] = "Linen"
    layout: Layout = "BSC"
    local: Network | None = None
    canvas: tuple[int, ...] = ()
    traced: tuple[int, ...] = ()

    @property
    def dim(self) -> int:
        """Number of spatial axes."""
        return len(self.size)

    @property
    def few(self) -> int:
        """Channels of the small network's input."""
        return self.small_channels or self.channels

    def shape(self, size: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """Of an input, in this model's layout."""
        return (1, *size, channels) if self.layout == "BSC" else (channels, *size)

    def build(self, seed: int = 0, size: tuple[int, ...] | None = None) -> Filled:
        """The published network with random parameters, a function of an input in this model's layout."""
        return fill(self.network, self.shape(size or self.size, self.channels), seed)

    def build_small(self, seed: int = 0) -> Filled:
        """The small network likewise."""
        return fill(self.small, self.shape(self.small_size, self.few), seed)

    def build_local(self, seed: int = 0) -> Filled:
        """What is measured on the plane, likewise.

        Raises:
            ValueError: every output depends on the whole image.
        """
        if self.local is None:
            raise ValueError(f"every output of {self.title} depends on the whole image: it has no local part")
        return fill(self.local, self.shape(self.canvas, self.few), seed)

    def batched(self, made: Filled) -> Filled:
        """A function of `[batch, *spatial, channels]`, whatever the model's layout."""
        return made if self.layout == "BSC" else Filled(PerExample(made.layer), made.variables)

    def count(self) -> int:
        """How many parameters the published network has."""
        return count(self.network, self.shape(self.size, self.channels))

    def plane(self) -> eq.Domain:
        """The plane of this model's dimension."""
        return eq.plane(self.dim)
