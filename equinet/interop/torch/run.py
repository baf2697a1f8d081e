"""A program of PyTorch run on arrays of JAX."""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.infer.compat import LINE
from equinet.interop.torch.export import SPARE, Exported, entry_of, name_of, type_of, writes
from equinet.interop.torch.table import Missing, Unsupported
from equinet.ops.traced import is_own, shown_line

WRAPPED = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Operations that run a part of the program, and how many settings they are given before it."""


_FRAME = re.compile(r'File "(?!<eval_with_key>)(.*)", line (\d+), in (.*)')
"""Of a trace as PyTorch keeps it: file, line and function, but for code that PyTorch has made itself."""


@dataclass(frozen=True)
class Types:
    """How PyTorch's types are read, for inputs of some type.

    The type that the module's own numbers have becomes the input's, and so does every wider one, unless it is wider
    than the input's as well: a network in float32 that is given float64 computes in float64 throughout.
    """

    own: np.dtype
    given: np.dtype

    def __call__(self, kind: Any) -> np.dtype:
        found = type_of(kind)
        if kind.is_floating_point and found.itemsize >= self.own.itemsize:
            found = found if found.itemsize > self.given.itemsize else self.given
        elif kind.is_complex:
            found = np.dtype(np.complex128 if self.given == np.float64 else np.complex64)
        return jax.dtypes.canonicalize_dtype(found)


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a program.

    Attributes:
        types: how types are read.
        root: the name that operations of no submodule are shown under.
    """

    types: Types
    root: str

    def graph(self, graph: Any, inputs: Sequence[Any]) -> list[Any]:
        """The results of a graph.

        A node that changes its operand takes its place: what both are called stands for one array from then on.
        """
        held: dict[Any, Any] = {}
        place: dict[Any, Any] = {}
        given = iter(inputs)

        def read(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return [read(one) for one in value]
            if isinstance(value, slice):
                return slice(*map(read, (value.start, value.stop, value.step)))
            if not hasattr(value, "op"):
                return self._plain(value)
            found = held[place.get(value, value)]
            if isinstance(found, Missing):
                raise Unsupported(found.what)
            return found

        for node in graph.graph.nodes:
            if node.op == "placeholder":
                held[node] = next(given)
            elif node.op == "get_attr":
                held[node] = operator.attrgetter(node.target)(graph)
            elif node.op == "call_function":
                at = module_path(node) or (self.root,)
                with jax.named_scope("/".join((*at, *own_line(node)))):
                    try:
                        result = self.step(node, read)
                    except (Unsupported, NotImplementedError) as error:
                        raise ValueError(f"no entry for this use of {node.target} at {'.'.join(at)}: {error}") from None
                if writes(node):
                    place[node] = place.get(node.args[0], node.args[0])
                held[place.get(node, node)] = result
            elif node.op == "output":
                # One that is missing is an error where it is asked for, which is not here.
                return [held[place.get(one, one)] if hasattr(one, "op") else one for one in node.args[0]]
        return []

    def step(self, node: Any, read: Callable[[Any], Any]) -> Any:
        """The result of one operation, of the shape and the kind that PyTorch says."""
        if node.target is operator.getitem:
            return held_item(read, node)
        if name_of(node).startswith("_assert_"):
            return None
        if name_of(node) in WRAPPED:
            inner, *arguments = read(node.args[WRAPPED[name_of(node)] :])
            return self.graph(inner, arguments)
        entry = entry_of(node)
        if entry is None:
            raise Unsupported("the operation is not known; write the part with operations that are, or leave it out")
        arguments = read(node.args)
        named = {name: read(value) for name, value in node.kwargs.items() if name not in SPARE}
        try:
            inspect.signature(entry).bind(*arguments, **named)
        except TypeError as error:
            raise Unsupported(f"its arguments are not known: {error}") from None
        return self._as_promised(node, entry(*arguments, **named))

    def _plain(self, value: Any) -> Any:
        """A number, text or type of PyTorch; devices and layouts become nothing."""
        if value is None or isinstance(value, bool | int | float | complex | str):
            return value
        if type(value).__name__ == "dtype":
            return self.types(value)
        return None

    def _as_promised(self, node: Any, result: Any) -> Any:
        """Results in the types that PyTorch gives them.

        Raises:
            AssertionError: if one has another shape: a mistake of the table.
        """
        promised = node.meta["val"]
        if isinstance(promised, list | tuple):
            return [self._one_promised(node, a, b) for a, b in zip(result, promised, strict=True)]
        return self._one_promised(node, result, promised)

    def _one_promised(self, node: Any, result: Any, promised: Any) -> Any:
        if isinstance(result, Missing) or promised is None:
            return result
        wanted = tuple(promised.shape)
        assert np.shape(result) == wanted, f"{node.target} makes {np.shape(result)}, not {wanted}: please report it"
        result = jnp.asarray(result)
        kind = self.types(promised.dtype)
        return result if result.dtype == kind else result.astype(kind)


def held_item(read: Callable[[Any], Any], node: Any) -> Any:
    """One of several results; it may be one that is missing, as long as nothing uses it."""
    items, at = node.args
    return read(items)[at]


def module_path(node: Any) -> tuple[str, ...]:
    """The names of the submodules that an operation is in, outermost first: `("layer2", "0", "conv1")`."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next(reversed([path for path, _ in stack.values()]), "") if stack else ""
    return tuple(part for part in path.split(".") if part)


def own_line(node: Any) -> tuple[str, ...]:
    """The scope that says the line of an operation, if that is the user's own: within a module of a library, the module
    says enough."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    return (f"{LINE}{shown_line(*frames[-1])}",) if frames and is_own(frames[-1][0]) else ()


def run(exported: Exported, values: Mapping[str, Any], *arguments: Any, **named: Any) -> Any:
    """What a module returns, in JAX.

    Args:
        exported: its program.
        values: arrays for its parameters and buffers, by name; buffers that are not given are as they are.
        arguments, named: its input, in PyTorch's order of axes and of the shapes that the program was made for.

    Returns:
        An array, or a dictionary of them by name.

    Raises:
        ValueError: for an operation that has no entry in the table; the message names it and its module.
    """
    given: list[jax.Array] = jax.tree.leaves((arguments, named))
    dtype = given[0].dtype
    types = Types(type_of(exported.real), np.dtype(dtype))
    known = {**exported.values(learned=False), **values}

    def as_given(name: str) -> jax.Array:
        value = jnp.asarray(known[name])
        return value.astype(dtype) if jnp.issubdtype(value.dtype, jnp.floating) else value

    inputs = [given[name] if isinstance(name, int) else as_given(name) for name in exported.inputs]
    results = Run(types, exported.root).graph(exported.graph, inputs)
    found = [results[at] for at in exported.returned]
    return found[0] if exported.outputs == ("",) else dict(zip(exported.outputs, found, strict=True))
