"""Functions of several arrays as functions of one: what goes in and what comes out, with channels beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from equinet.checks import is_integer, shown

LAYOUTS = ("BSC", "BCS", "SC", "CS", "BS", "S")
BATCH = 2
"""Examples in the array that a function is traced with."""
Name = str | int
Output = Name | tuple[Name, ...] | None


@dataclass(frozen=True)
class Arrays:
    """The arrays that a function takes, as parts of one.

    Attributes:
        each: the axes of each of them: B for the batch, S for all spatial axes, C for the channels.
        inputs: the number of channels of each, in a tuple or dict of arguments; None if the function takes one array.
    """

    each: str
    inputs: Any = None

    @property
    def layout(self) -> str:
        """The axes of the one array that they are parts of."""
        return self.each if self.inputs is None or "C" in self.each else f"{self.each}C"

    def shape(self, sizes: Sequence[int], channels: int) -> tuple[int, ...]:
        """The shape of that array."""
        return shape_in(self.layout, sizes, channels)

    def arguments(self, x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the function, positional ones and those by name, given that array."""
        if self.inputs is None:
            return (x,), {}
        counts, tree = jax.tree.flatten(self.inputs)
        at = channels_of(self.layout, x.ndim - len(self.layout) + 1) or 0
        ends = np.cumsum(counts).tolist()
        parts = [jax.lax.slice_in_dim(x, end - n, end, axis=at) for n, end in zip(counts, ends, strict=True)]
        if "C" not in self.each:
            parts = [part.squeeze(at) for part in parts]
        given = jax.tree.unflatten(tree, parts)
        return ((), given) if isinstance(given, dict) else (given, {})


def arrays_of(layout: str, inputs: Any) -> Arrays:
    """The arrays that a user says a function takes.

    Raises:
        ValueError: if inputs is no tuple or dict of arguments, made of numbers of channels.
    """
    if inputs is None:
        return Arrays(layout)
    counts = jax.tree.leaves(inputs)
    if not isinstance(inputs, tuple | dict) or not counts or not all(is_integer(n) and n >= 1 for n in counts):
        raise ValueError(
            f"infer: inputs are the arguments of the function, a tuple or a dict with the number of channels of each "
            f"array, such as (3, 1), or ((1, 1),) for one argument that is a pair; got {shown(inputs)}"
        )
    if isinstance(inputs, dict) and not all(isinstance(name, str) for name in inputs):
        raise ValueError(f"infer: inputs by name are a dict whose keys are names; got {shown(inputs)}")
    if "C" not in layout and set(counts) != {1}:
        raise ValueError(f"infer: arrays in the layout {layout} have no channels: inputs are ones; got {shown(inputs)}")
    return Arrays(layout, jax.tree.map(int, inputs))


def shape_in(layout: str, sizes: Sequence[int], channels: int) -> tuple[int, ...]:
    """The shape of an array in a layout."""
    counts = {"B": (BATCH,), "S": tuple(sizes), "C": (channels,)}
    return tuple(n for part in layout for n in counts[part])


def laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    """An array `[batch, *spatial, channels]` in another layout."""
    if layout.endswith("CS"):
        x = np.moveaxis(x, -1, 1)
    elif "C" not in layout:
        x = x[..., 0]
    return x if "B" in layout else x[0]


def named_leaves(found: Any) -> dict[str, Any]:
    """What a function returns, by keys, fields and places: `logits`, `features.0`; one array has no name."""
    return {keystr(path, simple=True, separator="."): leaf for path, leaf in tree_flatten_with_path(found)[0]}


ONE_OF = "give a model that returns one of"
"""What to do where several arrays are returned and no output= can be said."""


class SeveralOutputs(ValueError):
    """A function returns several arrays, and it is not said which one is meant.

    Attributes:
        asked: how many there are, and what was asked for.
        listed: their names and shapes.
    """

    def __init__(self, who: str, asked: str, listed: str, remedy: str) -> None:
        self.asked, self.listed = asked, listed
        super().__init__(f"{who}: {asked}: {remedy} {listed}")


def chosen(named: Mapping[str, Any], output: Name | None, who: str, remedy: str = "say output= one of") -> Any:
    """One of the arrays that a function returns.

    Args:
        remedy: what to do where none is chosen, for the error.

    Raises:
        SeveralOutputs: if it returns several and none, or one that is not there, is asked for.
        ValueError: if it returns none, or one that is no array.
    """
    if output is None and len(named) == 1:
        (output,) = named
    if "" in named and output != "":
        raise ValueError(f"{who}: output={output!r} is asked for, and the function returns one array: leave it out")
    if not named:
        raise ValueError(f"{who}: the function returns no array")
    if str(output) not in named:
        asked = "none is chosen" if output is None else f"{output!r} is none of them"
        listed = ", ".join(f"{name!r} {tuple(getattr(value, 'shape', ()))}" for name, value in named.items())
        raise SeveralOutputs(who, f"the function returns {len(named)} arrays, and {asked}", listed, remedy)
    found = named[str(output)]
    if not hasattr(found, "shape"):
        what = f"the output {str(output)!r}" if str(output) else "what the function returns"
        got = shown(found) if isinstance(found, str) else found
        raise ValueError(f"{who}: {what} is no array that is computed: it is {got}")
    return found


def taken(found: Any, output: Output, layout: str) -> Any:
    """One array of what a function returns: one of its outputs, or several with their channels beside each other.

    Args:
        output: the name of one; or a tuple of names.
        layout: the axes of each.

    Raises:
        ValueError: for a name that is none, and arrays that cannot be put together.
    """
    named = named_leaves(found)
    if not isinstance(output, tuple):
        return chosen(named, output, "infer")
    parts = [chosen(named, name, "infer") for name in output]
    shapes = [part.shape for part in parts]
    if not parts or len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"infer: outputs that are taken together need one number of axes; got {shapes} of {output}")
    if "C" not in layout:
        return jnp.stack(parts, -1)
    # Outputs without spatial axes have batch and channels in that order.
    last = layout.endswith("C") or parts[0].ndim < len(layout)
    at = parts[0].ndim - 1 if last else layout.index("C")
    if len({tuple(n for i, n in enumerate(shape) if i != at) for shape in shapes}) > 1:
        raise ValueError(f"infer: outputs that are taken together differ in their channels only; got {shapes}")
    return jnp.concatenate(parts, at)


def taken_layout(layout: str, output: Output) -> str:
    """The axes of what `taken` gives."""
    return f"{layout}C" if isinstance(output, tuple) and "C" not in layout else layout


def channels_of(layout: str, dim: int) -> int | None:
    """The axis of the channels of an array on a grid of some dimension; None if it has none."""
    if "C" not in layout:
        return None
    at = layout.index("C")
    return at if at < layout.index("S") else at + dim - 1


def output_channels_of(layout: str, dim: int, rank: int) -> int | None:
    """The axis of the channels of an output with so many axes, on the input's grid or without spatial axes; None if it
    has none."""
    if rank == len(layout) - 1 + dim:
        return channels_of(layout, dim)
    return rank - 1 if "C" in layout and rank == len(layout) - 1 else None
