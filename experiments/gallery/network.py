"""Networks as functions with their parameters apart, whatever they are written in, and parameters drawn at random."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Network(Protocol):
    """A function with its parameters apart. A Linen module is one as it is."""

    def init(self, rngs: Any, *args: Any) -> Any:
        """Variables for an input such as `args[0]`: a dict of collections, one of them `params`."""
        ...

    def apply(self, variables: Any, *args: Any) -> Any:
        """The output for the input `args[0]`."""
        ...


@dataclass(frozen=True)
class Nnx:
    """An NNX module as a `Network`.

    Args:
        make: the module, from its random streams.
    """

    make: Callable[[nnx.Rngs], nnx.Module]

    def init(self, rngs: Any, *args: Any) -> Any:
        _, params, rest = nnx.split(self.make(nnx.Rngs(rngs)), nnx.Param, ...)
        return {"params": nnx.to_pure_dict(params), "rest": nnx.to_pure_dict(rest)}

    def apply(self, variables: Any, *args: Any) -> Any:
        outline = nnx.eval_shape(lambda: self.make(nnx.Rngs(0)))
        graph, params, rest = nnx.split(outline, nnx.Param, ...)
        nnx.replace_by_pure_dict(params, variables["params"])
        nnx.replace_by_pure_dict(rest, variables["rest"])
        module: Any = nnx.merge(graph, params, rest)
        return module(*args)


@dataclass(frozen=True)
class Written:
    """Two plain functions as a `Network`.

    Args:
        make: parameters, from a key and the input's shape.
        run: the output, from parameters and input.
    """

    make: Callable[[Any, tuple[int, ...]], Any]
    run: Callable[[Any, Any], Any]

    def init(self, rngs: Any, *args: Any) -> Any:
        return {"params": self.make(rngs, args[0].shape)}

    def apply(self, variables: Any, *args: Any) -> Any:
        return self.run(variables["params"], *args)


@dataclass(frozen=True)
class PerExample:
    """A network on one example, its channels first, as one on a batch whose channels are last."""

    single: Network

    def init(self, rngs: Any, *args: Any) -> Any:
        return self.single.init(rngs, jnp.moveaxis(args[0], -1, 1)[0])

    def apply(self, variables: Any, *args: Any) -> Any:
        y = jax.vmap(lambda x: self.single.apply(variables, x))(jnp.moveaxis(args[0], -1, 1))
        return jnp.moveaxis(y, 1, -1)


@dataclass(frozen=True, eq=False)
class Filled:
    """A network with its variables: a function of the input alone."""

    layer: Network
    variables: Any

    def __call__(self, x: Any) -> Any:
        return self.layer.apply(self.variables, x)


def outline(network: Network, shape: tuple[int, ...]) -> Any:
    """Shapes of a network's variables for an input of a shape; nothing is computed."""
    return jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32))


def count(network: Network, shape: tuple[int, ...]) -> int:
    """How many parameters a network has."""
    return sum(prod(leaf.shape) for leaf in jax.tree.leaves(outline(network, shape)["params"]))


def fill(network: Network, shape: tuple[int, ...], seed: int = 0) -> Filled:
    """A network with every variable drawn at random, so that no symmetry is owed to the values that training starts
    from: zero biases, unit scales, gates that are shut.

    Kernels are normal and keep variances, scales and variances lie between 1 and 1.5, all else is normal and small.
    """

    def drawn(path: tuple[Any, ...], leaf: Any) -> jax.Array:
        name = jax.tree_util.keystr(path)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        if any(word in name for word in ("scale", "var", "gamma")):
            return jnp.asarray(rng.uniform(1.0, 1.5, leaf.shape), leaf.dtype)
        width = 1.6 / prod(leaf.shape[:-1]) if "kernel" in name else 0.04
        return jnp.asarray(rng.standard_normal(leaf.shape, np.float32) * np.float32(width**0.5), leaf.dtype)

    return Filled(network, jax.tree_util.tree_map_with_path(drawn, outline(network, shape)))
