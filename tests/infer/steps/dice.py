"""What steps of random programs are made of: values with named axes, random choices, constants of known symmetry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Value:
    """The shape of an array and the role of each axis: "b" batch, "s" spatial, "c" channels."""

    shape: tuple[int, ...]
    roles: str

    def axes(self, role: str) -> list[int]:
        """The axes of a role."""
        return [i for i, r in enumerate(self.roles) if r == role]

    @property
    def space(self) -> list[int]:
        """The spatial axes."""
        return self.axes("s")

    @property
    def is_map(self) -> bool:
        """Whether it is `[batch, *spatial, channels]`."""
        return bool(self.space) and self.roles == "b" + "s" * len(self.space) + "c"


@dataclass(frozen=True, eq=False)
class Made:
    """A step: its text, what it computes from its arrays and constants, and the roles of the result's axes."""

    text: str
    fn: Callable[..., Any]
    roles: str
    constants: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Dice:
    """Random choices.

    Attributes:
        wild: how often one is made that breaks symmetry for sure.
        peculiar: how often weights are: equal, zero, symmetric, whole, tiny beside huge, nearly equal.
    """

    rng: np.random.Generator
    wild: float
    peculiar: float = 0.0

    def chance(self, p: float) -> bool:
        """Whether something of probability p happens."""
        return bool(self.rng.random() < p)

    def goes_wild(self) -> bool:
        """Whether to break symmetry."""
        return self.chance(self.wild)

    def number(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of several."""
        return options[int(self.rng.integers(len(options)))]

    def some(self, options: Sequence[T]) -> list[T]:
        """One or more of several, in their order; all of them half of the time."""
        if len(options) < 2 or self.chance(0.5):
            return list(options)
        count = self.number(1, len(options) - 1)
        return [options[i] for i in sorted(self.rng.choice(len(options), count, replace=False))]

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Random numbers of order `scale`, peculiar ones now and then."""
        made = self.rng.standard_normal(shape)
        if self.peculiar and made.size > 1 and self.chance(self.peculiar):
            made = self._made_peculiar(made)
        return made * scale

    def _made_peculiar(self, made: np.ndarray) -> np.ndarray:
        axis = self.number(0, made.ndim - 1)
        return self.pick(
            [
                lambda: np.full(made.shape, made.flat[0]),
                lambda: np.zeros(made.shape),
                lambda: (made + np.flip(made, axis)) / 2,
                lambda: (made - np.flip(made, axis)) / 2,
                lambda: np.rint(2 * made),
                lambda: np.where(self.rng.random(made.shape) < 0.5, made, 1e-9 * made),
                lambda: made.flat[0] * (1 + 1e-9 * np.rint(2 * made)),
                lambda: np.where(self.rng.random(made.shape) < 0.5, made.flat[0], np.float32(made.flat[0])),
                lambda: np.where(self.rng.random(made.shape) < 0.6, 0.0, made),
            ]
        )()

    def pattern(self, n: int) -> tuple[str, np.ndarray]:
        """For a table along an axis of n nodes: a name, and which nodes have equal entries."""
        i = np.arange(n)
        if self.goes_wild():
            return "generic", i
        kind = self.number(0, 3)
        divisors = [p for p in range(2, n) if n % p == 0]
        if kind == 1 and divisors:
            p = self.pick(divisors)
            return f"periodic {p}", i % p
        if kind == 2:
            return "mirror", np.minimum(i, n - 1 - i)
        if kind == 3:
            c = self.number(0, n - 1)
            return f"mirror about {c}/2", np.minimum(i, (c - i) % n)
        return "uniform", 0 * i

    def table(self, value: Value) -> tuple[str, np.ndarray]:
        """A constant that broadcasts against a value: its name, and the array, which varies along some axes."""
        shape = [1 if role == "b" else n for n, role in zip(value.shape, value.roles, strict=True)]
        for axis in value.axes("c"):
            shape[axis] = value.shape[axis] if self.chance(0.7) else 1
        made = self.normal(*shape)
        names = []
        for axis in value.space:
            name, nodes = self.pattern(value.shape[axis])
            names.append(name)
            made = np.take(made, nodes, axis)
            if name == "uniform" and self.chance(0.7):
                made = made.take([0], axis)
        square = len(value.space) == 2 and made.shape[value.space[0]] == made.shape[value.space[1]]
        if square and self.chance(0.3):
            made, names = (made + np.swapaxes(made, *value.space)) / 2, [*names, "symmetric"]
        return f"constant[{'×'.join(map(str, made.shape))} {', '.join(names)}]", made


def like(constant: np.ndarray, x: Any) -> Any:
    """A constant in the number type of x."""
    return jnp.asarray(constant, x.dtype)


def fit(constant: np.ndarray, x: Any) -> Any:
    """A constant in the number type and the shape of x."""
    return jnp.broadcast_to(like(constant, x), x.shape)
