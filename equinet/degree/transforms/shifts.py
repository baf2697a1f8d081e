"""Images shifted: around a torus, or cropped from a larger image."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_choice, as_flag, as_integers, as_real, is_iterable, shown
from equinet.degree.transforms.family import INTERPOLATIONS, LEAST, Transform, listed, some_of
from equinet.ops import moves

MOST_MEMBERS = 1 << 22
"""That are listed."""


def _is_whole(rows: np.ndarray) -> bool:
    return bool((rows == np.round(rows)).all())


def _whole(rows: np.ndarray) -> jax.Array:
    return jnp.asarray(np.round(rows), jnp.int32)


@dataclass(frozen=True, repr=False)
class _Shifts(Transform):
    """Shifts by one number for each axis: listed, or from a range.

    Attributes:
        shifts: one shift `(t, …)`, or several; None for those of a range.
        within: how far a shift goes along each axis, at most, to both sides.
        real: whether the shifts of the range are real numbers.
    """

    shifts: Any = None
    _: KW_ONLY
    within: float | None = None
    real: bool = False

    def __post_init__(self) -> None:
        who = type(self).__name__
        as_flag(self.real, f"{who}: real")
        if self.shifts is not None:
            if self.within is not None or self.real:
                raise ValueError(f"{who}: shifts are listed, so leave out within and real")
            object.__setattr__(self, "shifts", listed(self.shifts, f"{who}: shifts"))
        if self.within is not None:
            as_real(self.within, f"{who}: within", least=0)
            if not self.real and self.within != round(self.within):
                raise ValueError(f"{who}: whole shifts go up to a whole number; got within={self.within}: or real=True")

    @property
    def moves_by_nodes(self) -> bool:
        return True

    @abstractmethod
    def _ends(self, sizes: Sequence[int]) -> list[tuple[float, float]]:
        """The range of shifts along each axis, ends included."""

    def members(self, sizes: Sequence[int]) -> np.ndarray | None:
        if self.shifts is not None:
            return np.asarray(self.shifts)
        if self.real:
            return None
        ends = np.asarray(self._ends(sizes), int)
        counts = [int(n) for n in ends[:, 1] - ends[:, 0] + 1]
        if math.prod(counts) > MOST_MEMBERS:
            raise ValueError(
                f"{self} has more than {MOST_MEMBERS} members on images of sizes {tuple(sizes)}: say draws="
            )
        return (np.indices(counts).reshape(len(counts), -1).T + ends[:, 0]).astype(float)

    def draw(self, key: jax.Array, n: int, sizes: Sequence[int]) -> np.ndarray:
        if self.shifts is not None:
            return some_of(self.shifts, key, n)
        ends = np.asarray(self._ends(sizes))
        shape = (n, len(ends))
        if self.real:
            return ends[:, 0] + np.asarray(jax.random.uniform(key, shape)) * (ends[:, 1] - ends[:, 0])
        width = jnp.asarray(ends[:, 1] - ends[:, 0] + 1, jnp.int32)[None, :]
        return self._counted(np.asarray(jax.random.randint(key, shape, jnp.zeros_like(width), width)), ends)

    def _counted(self, steps: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Whole shifts, from how many steps each is away from an end of the range."""
        return ends[:, 0] + steps

    def _check_axes(self, sizes: Sequence[int]) -> None:
        if self.shifts is not None and len(self.shifts[0]) != len(sizes):
            raise ValueError(
                f"{type(self).__name__}: shifts have {len(self.shifts[0])} numbers, and images {len(sizes)} axes; "
                f"got {shown(self.shifts[0])}"
            )

    def on_output(self, rows: np.ndarray, window: Sequence[int], nodes: Sequence[int]) -> np.ndarray:
        return rows * np.asarray(nodes) / np.asarray(window)


@dataclass(frozen=True, repr=False)
class Circular(_Shifts):
    """Shifts around a torus: what leaves an image on one side comes back on the other.

    Whole shifts permute pixels. Real ones multiply frequency k of an axis of N pixels by exp(−2πi k t / N), which
    shifts the band-limited signal through the pixels (on an even axis frequency N/2 is multiplied by cos(π t)).

    Args:
        shifts: one shift, a number for each axis, or several. By default all whole shifts of the torus.
        within: all whole shifts by at most that much along each axis.
        real: real shifts of the same range, of which `consistency` draws some.

    >>> Circular(within=1).members((8, 8)).tolist()[:3]
    [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0]]
    >>> len(Circular().members((8, 8)))
    64
    """

    names: ClassVar[tuple[str, ...]] = ("shift",)

    def _ends(self, sizes: Sequence[int]) -> list[tuple[float, float]]:
        if self.within is None:
            return [(0, n if self.real else n - 1) for n in sizes]
        return [(-self.within, self.within) for _ in sizes]

    def window(self, sizes: Sequence[int]) -> tuple[int, ...]:
        self._check_axes(sizes)
        return tuple(sizes)

    def view(self, x: jax.Array) -> jax.Array:
        return x

    def move(self, x: jax.Array, rows: np.ndarray) -> jax.Array:
        return moves.rolled(x, _whole(rows)) if _is_whole(rows) else moves.phased(x, jnp.asarray(rows, x.dtype))

    def carry(self, y: jax.Array, rows: np.ndarray) -> tuple[jax.Array, jax.Array]:
        return self.move(y, rows), jnp.ones(y.shape[:-1], bool)


@dataclass(frozen=True, repr=False)
class Crop(_Shifts):
    """A window that moves over a larger image, or over a background: what leaves it is lost, and other things come in.

    The window of the shift 0 lies in the middle of the image. A shift by t moves what is seen by t, so the window by
    −t. Whole shifts cut pixels out. Between pixels, values are interpolated.

    Args:
        shifts: one shift, a number for each axis, or several. By default all whole shifts up to an eighth of the window
            (of the size of the image, before a background), or as far as the image goes.
        within: all whole shifts by at most that much along each axis.
        real: real shifts of the same range, of which `consistency` draws some.
        size: of the window, a number or one for each axis; by default that of the image, which needs a background.
        background: what is outside of the image, a number; by default a window must lie within the image.
        interpolation: "linear" or "cubic" (Keys 1981), for shifts that are not whole.
    """

    names: ClassVar[tuple[str, ...]] = ("shift",)
    _: KW_ONLY
    size: Any = None
    background: float | None = None
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        as_choice(self.interpolation, INTERPOLATIONS, "Crop: interpolation")
        if self.background is not None:
            as_real(self.background, "Crop: background")
        if self.size is None and self.background is None:
            raise ValueError("Crop: say size=, of a window in larger images, or background=, of what surrounds them")
        if self.size is not None:
            given = self.size if is_iterable(self.size) else (self.size,)
            sizes = as_integers(tuple(given), "Crop: size")
            if min(sizes) < 1:
                raise ValueError(f"Crop: size must be at least 1; got {shown(sizes)}")
            object.__setattr__(self, "size", sizes)

    def window(self, sizes: Sequence[int]) -> tuple[int, ...]:
        self._check_axes(sizes)
        window = self._window(sizes)
        if len(window) != len(sizes) or any(n > whole for n, whole in zip(window, sizes, strict=True)):
            raise ValueError(f"Crop: a window of size {window} does not fit into images of size {tuple(sizes)}")
        if self.background is None:
            low, high = np.asarray(self._room(sizes)).T
            far = None if self.shifts is None else np.asarray(self.shifts)
            if far is not None and ((far < low) | (far > high)).any():
                shift = tuple(far[((far < low) | (far > high)).any(1)][0].tolist())
                raise ValueError(
                    f"Crop: under the shift {shown(shift)} a window of size {window} leaves images of size "
                    f"{tuple(sizes)}: shift less far, or say what is there by background="
                )
            if self.within is not None and (self.within > np.minimum(-low, high)).any():
                raise ValueError(
                    f"Crop: within={self.within:g} takes a window of size {window} out of images of size "
                    f"{tuple(sizes)}: shift less far, or say what is there by background="
                )
        return tuple(window)

    def _window(self, sizes: Sequence[int]) -> tuple[int, ...]:
        if self.size is None:
            return tuple(sizes)
        return self.size * len(sizes) if len(self.size) == 1 else self.size

    def _base(self, sizes: Sequence[int], window: Sequence[int]) -> np.ndarray:
        """The first node of the window in the middle."""
        return (np.asarray(sizes) - np.asarray(window)) // 2

    def _room(self, sizes: Sequence[int]) -> list[tuple[float, float]]:
        """How far a window can be shifted within images of those sizes."""
        window = self._window(sizes)
        base = self._base(sizes, window)
        return [(int(b) - (whole - n), int(b)) for b, whole, n in zip(base, sizes, window, strict=True)]

    def _ends(self, sizes: Sequence[int]) -> list[tuple[float, float]]:
        if self.within is not None:
            return [(-self.within, self.within) for _ in sizes]
        if self.background is None:
            return self._room(sizes)
        return [(-max(n // 8, 1), max(n // 8, 1)) for n in self.window(sizes)]

    def _counted(self, steps: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return ends[:, 1] - steps

    def view(self, x: jax.Array) -> jax.Array:
        return self.move(x, np.zeros((len(x), x.ndim - 2)))

    def move(self, x: jax.Array, rows: np.ndarray) -> jax.Array:
        window = self.window(x.shape[1:-1])
        return self._cut(x, self._base(x.shape[1:-1], window) - rows, window, self.background or 0.0)

    def _cut(self, x: jax.Array, starts: np.ndarray, window: tuple[int, ...], background: float) -> jax.Array:
        if not _is_whole(starts):
            ones = np.ones_like(starts)
            return moves.resampled(
                x, jnp.asarray(ones), jnp.asarray(-starts), window, self.interpolation, float(background)
            )
        beyond = np.maximum(-starts.min(0), starts.max(0) + np.asarray(window) - np.asarray(x.shape[1:-1]))
        # A reach of few sizes, so that few programs are compiled.
        reach = tuple(0 if b <= 0 else 1 << math.ceil(math.log2(b)) for b in beyond)
        return moves.windowed(x, _whole(starts), window, reach, float(background))

    def carry(self, y: jax.Array, rows: np.ndarray) -> tuple[jax.Array, jax.Array]:
        nodes = y.shape[1:-1]
        seen = self._cut(jnp.ones((*y.shape[:-1], 1), y.dtype), -rows, nodes, 0.0)[..., 0]
        return self._cut(y, -rows, nodes, 0.0), seen > 1 - LEAST
