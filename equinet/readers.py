"""Models of other frameworks: which part of equinet reads them, imported when one is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol


class Reader(Protocol):
    """What is known of a library's models."""

    @property
    def in_jax(self) -> bool:
        """Whether they run in JAX."""
        ...

    @property
    def layout(self) -> Callable[[Any], str]:
        """The order of a model's axes, as `infer` takes it."""
        ...

    def program(self, model: Any, *like: Any, **named: Any) -> tuple[Callable[..., Any], Any]:
        """The model as `(variables, *arguments) -> what it returns` in JAX, and the shapes of its variables.

        Args:
            like, named: its arguments, with shapes (`jax.ShapeDtypeStruct`) in the place of arrays.
        """
        ...

    def as_function(self, model: Any, dtype: Any) -> Callable[[Any], Any]:
        """The model as a function of arrays `[batch, *spatial, channels]` that its own library computes."""
        ...

    def drawn(self, model: Any, shape: tuple[int, ...], seed: int) -> Any:
        """The model, with drawn values for inputs `[batch, channels, *spatial]` if its library keeps them apart."""
        ...

    def as_layer(self, model: Any, *, size: int = 64) -> Any:
        """The model as a layer."""
        ...

    def editor(self, model: Any, shape: tuple[int, ...]) -> Editor:
        """How the model is edited, for inputs `[batch, channels, *spatial]`."""
        ...

    def expense(self, model: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The number of the model's parameters, and of its floating point operations on an input of that shape; None if
        they cannot be counted."""
        ...


class Editor(Protocol):
    """How networks of one kind are edited.

    A rule takes a part and where it stands, to the part that takes its place, or to None.

    Attributes:
        rules: each with the cost of its first part, and a text with a place for the parts.
        together: rules that do not exclude each other.
        whole: rules that are followed everywhere or not at all.
        budget: the number of networks that a search may look at.
    """

    rules: Sequence[tuple[Callable[[Any, Any], Any], float, str]]
    together: Sequence[Callable[[Any, Any], Any]]
    whole: Sequence[Callable[[Any, Any], Any]]
    budget: int

    def wrap(self, part: Any, where: Any, /) -> Any:
        """The rule that pads around the torus."""
        ...

    def rewrite(self, net: Any, change: Callable[[tuple[str, ...], Any, Any], Any]) -> Any:
        """Another network, in which `change(path, part, where)` takes the place of a part unless it is None."""
        ...

    def describe(self, part: Any) -> str:
        """A part, as text."""
        ...

    def unedited(self, net: Any) -> str:
        """What to write so that more of a network can be edited, as text; empty if nothing is known."""
        ...

    def averaged(self, net: Any) -> Any:
        """The network with a mean over all nodes of its output after it."""
        ...

    def separate(self, net: Any) -> Any:
        """A network that shares no weights with that which it was made from."""
        ...


HOMES = {
    "torch.nn.modules.module": "equinet.interop.torch",
    "transformers.modeling_flax_utils": "equinet.interop.transformers",
    "flax.linen": "equinet.interop.linen",
    "flax.nnx": "equinet.interop.nnx",
    "equinox": "equinet.interop.equinox",
    "haiku": "equinet.interop.haiku",
    "keras": "equinet.interop.keras",
}
"""The modules that classes of other libraries come from, and the part of equinet that reads their models."""


def home_of(kind: type[Any]) -> str | None:
    """The part of equinet that reads a library's models, by the class of one; None for any other class.

    Its module tells, so that no library is imported that a model does not come from.
    """
    modules = [f"{each.__module__}." for each in kind.__mro__]
    return next((home for start, home in HOMES.items() if any(name.startswith(f"{start}.") for name in modules)), None)


def reader_of(model: Any) -> Reader | None:
    """Who reads a model; None where `infer` and `verify` take it for a function, and for a class of models."""
    home = None if isinstance(model, type) else home_of(type(model))
    return None if home is None else import_module(home).READER
