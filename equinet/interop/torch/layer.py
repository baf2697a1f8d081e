"""Modules of PyTorch as layers, as functions of JAX, and as functions of numpy that run in PyTorch itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_kind
from equinet.infer.arrays import ONE_OF, Name, chosen, named_leaves
from equinet.interop.foreign import Foreign, Rule
from equinet.interop.names import nest_paths
from equinet.interop.torch.export import (
    Exported,
    array_of,
    check_mode,
    export,
    is_learned,
    leaves,
    pytorch,
    shape_of,
    shown_name,
)
from equinet.interop.torch.run import run
from equinet.layers import Context, Layer, LayerError
from equinet.layers.base import Params, State
from equinet.readers import home_of


def as_module(module: Any, who: str) -> Any:
    """A module of PyTorch.

    Raises:
        TypeError: for anything else.
    """
    if home_of(type(module)) != "equinet.interop.torch":
        as_kind(module, (), f"{who} needs a torch.nn.Module")
    return module


def program(module: Any, *like: Any, **named: Any) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A module as `(variables, *arguments) -> what it returns`, and the shapes of its variables by name.

    Variables are the parameters and the statistics of batch norms; other buffers are read as they are.

    Args:
        like, named: its arguments, with shapes in PyTorch's order of axes in place of arrays.
    """
    exported = export(module, *like, who="infer", **named)
    return lambda variables, *given, **by_name: run(exported, variables, *given, **by_name), exported.abstract


@dataclass(frozen=True, eq=False)
class FromTorch(Foreign):
    """See `from_torch`. Two of them are never equal: a module may change between two calls of `from_torch`."""

    module: Any
    output: Name | None
    programs: dict[tuple[int, ...], Exported] = field(default_factory=dict, repr=False)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def _exported(self, shape: tuple[int, ...]) -> Exported:
        """The program for inputs `[batch, channels, *spatial]`."""
        if shape not in self.programs:
            self.programs[shape] = export(self.module, shape)
        return self.programs[shape]

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        del key, shape
        learned, fitted = self._held()
        return _nested(learned, _values), _nested(fitted, _values)

    def abstract(self, shape: tuple[int, ...]) -> tuple[Any, Any]:
        del shape
        learned, fitted = self._held()
        return _nested(learned, shape_of), _nested(fitted, shape_of)

    def _held(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters, and the buffers that are as free as they are."""
        # One that has several names is a parameter by each.
        learned = dict(self.module.named_parameters(remove_duplicate=False))
        return learned, {n: b for n, b in self.module.named_buffers() if is_learned(n, b)}

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        if context.train:
            raise LayerError(f"{self} has no training mode: train the module in PyTorch")
        found = run(self._exported(_first(x.shape)), {**_flat(params), **_flat(state)}, jnp.moveaxis(x, -1, 1))
        y = chosen(named_leaves(found), self.output, str(self))
        return (jnp.moveaxis(y, 1, -1) if y.ndim > 1 else y), state

    def __str__(self) -> str:
        return f"from_torch({shown_name(self.module)})"


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with its channels after the batch."""
    return (shape[0], shape[-1], *shape[1:-1])


def _nested(held: dict[str, Any], read: Callable[[Any, str], Any]) -> dict[str, Any]:
    return nest_paths([tuple(name.split(".")) for name in held], [read(value, name) for name, value in held.items()])


def _values(value: Any, name: str) -> jax.Array:
    return jnp.asarray(array_of(value, name))


def _flat(tree: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {".".join(path): tree}
    return {name: value for key, part in tree.items() for name, value in _flat(part, (*path, key)).items()}


def from_torch(module: Any, *, output: Name | None = None, symmetry: Rule | None = None, size: int = 64) -> Layer:
    """A module of PyTorch as a layer.

    The module is exported by `torch.export` in evaluation mode, and its operations run in JAX. The layer takes
    `[batch, *spatial, channels]` and gives the module `[batch, channels, *spatial]`. Its parameters are the module's,
    its state the statistics of batch norms, both nested as their names are: `params["layer1"]["0"]["conv1"]["weight"]`.
    `init` gives the values that the module has now, whatever the key; other buffers are read as they are. For every x,
    every h of the group H that is declared or inferred and every value of the parameters, `f(h·x) = φ(h)·f(x)`.

    To ask for a module's group alone, give it to `equinet.infer`: that needs no values, so that the module may be made
    under `torch.device("meta")`.

    Args:
        module: of one array, in evaluation mode. What it is made of is read when it first runs at some size.
        output: which array is meant, if the module returns several: a key, a field or a number; `"features.0"` for
            the first of those under a key.
        symmetry: a rule `Field -> Field` that declares H and φ, taken on trust: test it with `verify`. By default they
            are inferred from the module's program, for all values of its parameters.
        size: number of nodes to trace with along an infinite axis.

    Raises:
        TypeError: if module is none of PyTorch.
        ValueError: if size < 1, the module is in training mode, or has layers that wait for their shapes.
        LayerError: from init, apply and certify, if the module cannot be exported at a size, uses an operation that
            is not known (the message names it and its submodule), or returns several arrays of which none is chosen.

    >>> import equinet as eq
    >>> import torch  # doctest: +SKIP
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular"))  # doctest: +SKIP
    >>> print(eq.certify(from_torch(net.eval()), eq.torus(8, 8), 3).strict)  # doctest: +SKIP
    Z × Z (p1, index 1)
    """
    check_mode(as_module(module, "from_torch"), "from_torch")
    return FromTorch(symmetry, size, module, output)


def as_function(module: Any, dtype: Any = np.float32, output: Name | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A module as a function of numpy's arrays `[batch, *spatial, channels]`, computed by PyTorch itself.

    It computes in `dtype`, on a copy of the module if that has another type, for `verify(…, jit=False)`, which takes a
    module itself too.

    Raises:
        TypeError: if module is none of PyTorch.
        ValueError: if it is in training mode, has no values, or returns several arrays of which none is chosen.
    """
    torch = pytorch()
    check_mode(as_module(module, "verify"), "verify")
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    bare = next((name for name, value in held.items() if value.is_meta), None)
    if bare is not None:
        raise ValueError(f"verify: {bare} of {shown_name(module)} has no values: it is on the device 'meta'")
    kind = getattr(torch, str(jnp.dtype(dtype)))
    if any(value.is_floating_point() and value.dtype != kind for value in held.values()):
        module = copy.deepcopy(module).to(kind)
    device = next((value.device for value in held.values()), torch.device("cpu"))

    def call(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            # A copy: in-place operations may write into their input.
            image = np.ascontiguousarray(np.moveaxis(np.asarray(x), -1, 1))
            given = torch.tensor(image, dtype=kind, device=device)
            y = chosen(_named(module(given)), output, "verify", ONE_OF)
            return np.moveaxis(array_of(y, "the output"), 1, -1) if y.ndim > 1 else array_of(y, "the output")

    return call


def _named(found: Any) -> dict[str, Any]:
    """The arrays that a module returns, by name."""
    return {path: value for path, value in leaves(found) if hasattr(value, "is_meta")}
