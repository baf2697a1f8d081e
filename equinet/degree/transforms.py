"""What is done to images: moved around a torus, cropped from a larger image, turned by any angle, magnified.

Each is a family with parameters: shifts in nodes, degrees, factors. Its members are listed, or come from a range: whole
numbers, all of which can be tried, or real ones, of which some are drawn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_choice, as_flag, as_integers, as_items, as_real, is_iterable, shown
from equinet.ops import moves

INTERPOLATIONS = ("linear", "cubic")
"""Between nodes, as `jax.image` has them: a triangle, and Keys' cubic with a = −1/2."""
LEAST = 1e-3
"""How little of a node may come from outside for it to count as seen."""

MOST_MEMBERS = 1 << 22
"""That are listed."""

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


def _listed(given: Any, what: str, width: int | None = None) -> tuple[Row, ...]:
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
            object.__setattr__(self, "shifts", _listed(self.shifts, f"{who}: shifts"))
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
            return np.asarray(self.shifts)[np.asarray(jax.random.randint(key, (n,), 0, len(self.shifts)))]
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


@dataclass(frozen=True, repr=False)
class Rotation(Transform):
    """Rotations of images about their centre, by angles in degrees, from the first axis towards the second.

    All that is outside of the largest disc about the centre is background, in the images that are not rotated too, so
    that nothing leaves or comes in. Between pixels, values are interpolated linearly. A rotation of a square image by
    90 degrees permutes its pixels.

    Args:
        angles: one, or several.
        within: real angles by at most that much to both sides, of which `consistency` draws some; 180 by default.
        background: what is outside of the disc.
    """

    names: ClassVar[tuple[str, ...]] = ("angle",)
    angles: Any = None
    _: KW_ONLY
    within: float | None = None
    background: float = 0.0

    def __post_init__(self) -> None:
        as_real(self.background, "Rotation: background")
        if self.angles is not None:
            object.__setattr__(self, "angles", tuple(row[0] for row in _listed(self.angles, "Rotation: angles", 1)))
            if self.within is not None:
                raise ValueError("Rotation: angles are listed, so leave out within")
        elif self.within is not None:
            as_real(self.within, "Rotation: within", least=0, most=180)

    def members(self, sizes: Sequence[int]) -> np.ndarray | None:
        return None if self.angles is None else np.asarray(self.angles)[:, None]

    def draw(self, key: jax.Array, n: int, sizes: Sequence[int]) -> np.ndarray:
        if self.angles is not None:
            return np.asarray(self.angles)[np.asarray(jax.random.randint(key, (n,), 0, len(self.angles)))][:, None]
        reach = 180.0 if self.within is None else self.within
        return np.asarray(jax.random.uniform(key, (n, 1), minval=-reach, maxval=reach), float)

    def window(self, sizes: Sequence[int]) -> tuple[int, ...]:
        if len(sizes) != 2:
            raise ValueError(f"Rotation turns images of two axes; got {len(sizes)}, of sizes {tuple(sizes)}")
        return tuple(sizes)

    def view(self, x: jax.Array) -> jax.Array:
        return jnp.where(_on_disc(x), x, jnp.asarray(self.background, x.dtype))

    def move(self, x: jax.Array, rows: np.ndarray) -> jax.Array:
        return self.view(moves.turned(x, jnp.asarray(_turns(rows), x.dtype), float(self.background)))

    def carry(self, y: jax.Array, rows: np.ndarray) -> tuple[jax.Array, jax.Array]:
        made = moves.turned(y, jnp.asarray(_turns(rows), y.dtype), 0.0)
        return made, jnp.broadcast_to(_on_disc(y)[..., 0], y.shape[:-1])

    def on_output(self, rows: np.ndarray, window: Sequence[int], nodes: Sequence[int]) -> np.ndarray:
        return rows


def _on_disc(x: jax.Array) -> jax.Array:
    return moves.disc(x.shape[1:-1])[None, :, :, None]


def _turns(angles: np.ndarray) -> np.ndarray:
    """Cosines and sines `[n, 2]` of degrees, exact for quarter turns."""
    quarters, rest = np.divmod(np.asarray(angles[:, 0], float), 90)
    cosine, sine = np.cos(np.deg2rad(rest)), np.sin(np.deg2rad(rest))
    signs = np.asarray([[1, 0], [0, 1], [-1, 0], [0, -1]], float)[quarters.astype(int) % 4]
    return np.stack([signs[:, 0] * cosine - signs[:, 1] * sine, signs[:, 1] * cosine + signs[:, 0] * sine], 1)


@dataclass(frozen=True, repr=False)
class Scale(Transform):
    """Images magnified about their centre, to the same size: a factor above 1 cuts the border off, one below 1 leaves a
    background around them.

    Between pixels, values are interpolated, after a low-pass of the same form where an image becomes smaller.

    Args:
        factors: one, or several.
        within: the least and the largest of a range, of which `consistency` draws some, their logarithms uniformly.
        background: what is outside of an image.
        interpolation: "linear" or "cubic".
    """

    names: ClassVar[tuple[str, ...]] = ("factor",)
    factors: Any = None
    _: KW_ONLY
    within: tuple[float, float] | None = None
    background: float = 0.0
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        as_choice(self.interpolation, INTERPOLATIONS, "Scale: interpolation")
        as_real(self.background, "Scale: background")
        if (self.factors is None) == (self.within is None):
            raise ValueError("Scale: say factors, such as (0.9, 1.1), or a range within=(0.8, 1.25)")
        if self.factors is not None:
            found = tuple(row[0] for row in _listed(self.factors, "Scale: factors", 1))
            object.__setattr__(self, "factors", found)
        else:
            found = tuple(as_items(self.within, "Scale: within is the least and the largest factor"))
            if len(found) != 2 or as_real(found[0], "Scale: within") > as_real(found[1], "Scale: within"):
                raise ValueError(f"Scale: within is the least and the largest factor; got {shown(found)}")
        if min(found) < 0.05 or max(found) > 20:
            raise ValueError(f"Scale: factors are between 0.05 and 20; got {shown(found)}")

    def members(self, sizes: Sequence[int]) -> np.ndarray | None:
        return None if self.factors is None else np.asarray(self.factors)[:, None]

    def draw(self, key: jax.Array, n: int, sizes: Sequence[int]) -> np.ndarray:
        if self.factors is not None:
            return np.asarray(self.factors)[np.asarray(jax.random.randint(key, (n,), 0, len(self.factors)))][:, None]
        low, high = map(math.log, self.within or (1, 1))
        return np.exp(np.asarray(jax.random.uniform(key, (n, 1), minval=low, maxval=high), float))

    def window(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(sizes)

    def view(self, x: jax.Array) -> jax.Array:
        return x

    def move(self, x: jax.Array, rows: np.ndarray) -> jax.Array:
        return self._magnified(x, rows, self.background)

    def _magnified(self, x: jax.Array, rows: np.ndarray, background: float) -> jax.Array:
        sizes = x.shape[1:-1]
        scales = np.repeat(rows, len(sizes), axis=1)
        centred = np.asarray(sizes) / 2 * (1 - scales)
        return moves.resampled(
            x, jnp.asarray(scales), jnp.asarray(centred), sizes, self.interpolation, float(background)
        )

    def carry(self, y: jax.Array, rows: np.ndarray) -> tuple[jax.Array, jax.Array]:
        seen = self._magnified(jnp.ones((*y.shape[:-1], 1), y.dtype), rows, 0.0)[..., 0]
        return self._magnified(y, rows, 0.0), seen > 1 - LEAST

    def on_output(self, rows: np.ndarray, window: Sequence[int], nodes: Sequence[int]) -> np.ndarray:
        return rows


def labels_of(rows: Iterable[Sequence[float]]) -> list[str]:
    """How tables write members: `1` and `(1, 0.5)`."""
    texts = [[f"{value:g}" for value in row] for row in rows]
    return [row[0] if len(row) == 1 else f"({', '.join(row)})" for row in texts]
