"""A family of transforms of images, with parameters: shifts in nodes, degrees, factors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import jax
import numpy as np

from equinet.checks import as_items, as_real, is_iterable, shown

INTERPOLATIONS = ("linear", "cubic")
"""Between nodes, as `jax.image` has them: a triangle, and Keys' cubic with a = −1/2."""
LEAST = 1e-3
"""How little of a node may come from outside for it to count as seen."""
Row = tuple[float, ...]


class Transform(ABC):
    """A family of transforms of images `[n, *spatial, channels]`.

    A member is a row of numbers. Every method takes a row for each image, `[n, k]`.
    """

    names: ClassVar[tuple[str, ...]] = ()
    """What the numbers of a row are, for tables; of shifts there is one for each axis."""

    @abstractmethod
    def members(self, sizes: Sequence[int]) -> np.ndarray | None:
        """All members on images of those sizes, `[m, k]`; None if they are too many to list."""

    @abstractmethod
    def draw(self, key: jax.Array, n: int, sizes: Sequence[int]) -> np.ndarray:
        """Independent members, each as likely as any other, `[n, k]`."""

    @abstractmethod
    def window(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The sizes of what a model is given, of images of those sizes.

        Raises:
            ValueError: if the family does not act on such images.
        """

    @abstractmethod
    def view(self, x: jax.Array) -> jax.Array:
        """What a model is given of images that are left as they are."""

    @abstractmethod
    def move(self, x: jax.Array, rows: np.ndarray) -> jax.Array:
        """What it is given of transformed ones."""

    @abstractmethod
    def carry(self, y: jax.Array, rows: np.ndarray) -> tuple[jax.Array, jax.Array]:
        """Maps `[n, *nodes, channels]` made of the view, transformed likewise; and the nodes of which that is known.

        Args:
            rows: as `on_output` gives them.
        """

    @abstractmethod
    def on_output(self, rows: np.ndarray, window: Sequence[int], nodes: Sequence[int]) -> np.ndarray:
        """The members that transform a map as `rows` transform a window, if its nodes are spread evenly over it."""

    @property
    def moves_by_nodes(self) -> bool:
        """Whether a row is a shift, which an action of isometries sends to another."""
        return False

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]  # pyright: ignore[reportArgumentType]
        return f"{type(self).__name__}({', '.join(f'{name}={shown(value)}' for name, value in given)})"


def listed(given: Any, what: str, width: int | None = None) -> tuple[Row, ...]:
    """Rows of numbers, from one number, one row, or several of either."""
    items = tuple(given) if is_iterable(given) and not isinstance(given, str) else (given,)
    if not items:
        raise ValueError(f"{what}: none is listed")
    if width == 1:
        rows = [(as_real(item, what),) for item in items]
    elif all(is_iterable(item) for item in items):
        rows = [tuple(as_real(_plain(each), what) for each in as_items(tuple(item), what)) for item in items]
    else:
        rows = [tuple(as_real(_plain(each), what) for each in items)]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{what} have one number for each axis; got {shown(tuple(rows))}")
    return tuple(tuple(map(float, row)) for row in rows)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray | np.generic | jax.Array) and np.ndim(value) == 0 else value


def some_of(rows: Any, key: jax.Array, n: int) -> np.ndarray:
    """`n` of some rows, each as likely as any other."""
    return np.asarray(rows)[np.asarray(jax.random.randint(key, (n,), 0, len(rows)))]


def labels_of(rows: Iterable[Sequence[float]]) -> list[str]:
    """How tables write members: `1` and `(1, 0.5)`."""
    texts = [[f"{value:g}" for value in row] for row in rows]
    return [row[0] if len(row) == 1 else f"({', '.join(row)})" for row in texts]
