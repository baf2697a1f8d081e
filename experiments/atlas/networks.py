"""An architecture that runs in double precision, by its own library, with drawn weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np
import torch

import equinet as eq
from equinet.interop.torch import as_function
from experiments.atlas import around, around_jax
from experiments.atlas.flips import is_kernel, made_symmetric, with_symmetric_kernels
from experiments.atlas.read import Read, read
from experiments.atlas.sources import AFTER_CHANNELS, Source, make, source_of

GAIN = 2**0.5
"""A factor of drawn weights in JAX, where means of batches are about 1, as far from 0 as what is added afterwards."""
Call = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Network:
    """An architecture on inputs of some sizes.

    Attributes:
        name: such as `timm:resnet50`.
        output: the name of its output that is looked at, if it has several; else empty.
        sizes: of its input.
        circular: whether its paddings are circular.
        symmetric: whether its kernels are.
    """

    name: str
    output: str
    sizes: tuple[int, ...]
    circular: bool = False
    symmetric: bool = False

    @property
    def _source(self) -> Source:
        return source_of(self.name)

    @property
    def of_torch(self) -> bool:
        """Whether PyTorch runs it; else JAX does."""
        return not self._source.reader.in_jax

    def claim(self, domain: eq.Domain) -> eq.Certificate:
        """What is inferred of it."""
        with ExitStack() as stack:
            if self.circular and self.of_torch:
                stack.enter_context(around.around_the_torus())
            given = self._around(read(self.name, self.sizes))
            return (with_symmetric_kernels(given) if self.symmetric else given).infer(domain)

    def _around(self, given: Read) -> Read:
        """With circular paddings, if JAX runs it."""
        if self.of_torch or not self.circular:
            return given
        return replace(given, call=around_jax.around_the_torus(given.call))

    def drawn(self, seed: int, width: float) -> Call:
        """A function of images `[batch, *sizes, channels]`, of the first output.

        Args:
            width: a factor of the weights of convolutions and dense layers.
        """
        return self._in_torch(seed, width) if self.of_torch else self._in_jax(seed, width)

    def _in_torch(self, seed: int, width: float) -> Call:
        draw(self._module, seed, width, len(self.sizes) if self.symmetric else 0)
        call = as_function(self._module, np.float64, self.output or None)

        def run(x: np.ndarray) -> np.ndarray:
            with ExitStack() as stack:
                if self.circular:
                    stack.enter_context(around.around_the_torus())
                stack.enter_context(around.in_double_precision())
                return call(x)

        return run

    @cached_property
    def _module(self) -> Any:
        return make(self.name, values=True)[0]

    def _in_jax(self, seed: int, width: float) -> Call:
        draws, given = np.random.default_rng(seed), read(self.name, self.sizes)

        def normal(held: Any) -> Any:
            """Parameters and statistics: of several axes around 0, of one around 1, where variances belong."""
            if len(held.shape) < 2:
                return np.abs(1 + 0.2 * draws.standard_normal(held.shape))
            each = held.shape[:-1] if held.shape[-1] > 1 else held.shape[:-2]  # each channel by itself
            values = width * GAIN * np.prod(each) ** -0.5 * draws.standard_normal(held.shape)
            is_folded = self.symmetric and is_kernel("", held.shape, given.space, len(self.sizes))
            return made_symmetric(values, given.space) if is_folded else values

        call = self._around(given).call
        with jax.enable_x64(True):
            run = jax.jit(around_jax.in_double_precision(partial(call, jax.tree.map(normal, given.variables))))
        return lambda x: _first(run, x)


def draw(module: Any, seed: int, width: float = 1.0, dim: int = 0) -> None:
    """Draw every parameter and statistic of a module: what is 0 or 1 at first may hide a branch.

    Args:
        width: a factor of the weights of convolutions and dense layers.
        dim: if given, kernels along so many axes are symmetric.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(held: Any, scale: float) -> Any:
        return scale * torch.randn(held.shape, generator=generator)

    with torch.no_grad():
        for name, held in module.named_parameters():
            inputs = held[0].numel() if held.ndim > 1 else 0
            held.copy_(normal(held, width * inputs**-0.5) if inputs else 1 + normal(held, 0.2))
            if dim and is_kernel(name, held.shape, AFTER_CHANNELS, dim):
                held.copy_(made_symmetric(held, AFTER_CHANNELS))
        for name, held in module.named_buffers():
            if name.endswith("running_mean"):
                held.copy_(normal(held, 0.2))
            if name.endswith("running_var"):
                held.copy_((1 + normal(held, 0.2)).abs())


def _first(run: Callable[..., Any], x: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(jax.tree.leaves(run(x.astype(np.float64)))[0])
