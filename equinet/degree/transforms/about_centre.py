"""Images turned about their centre by any angle, or magnified from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_choice, as_items, as_real, shown
from equinet.degree.transforms.family import INTERPOLATIONS, LEAST, Transform, listed, some_of
from equinet.ops import moves


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
            object.__setattr__(self, "angles", tuple(row[0] for row in listed(self.angles, "Rotation: angles", 1)))
            if self.within is not None:
                raise ValueError("Rotation: angles are listed, so leave out within")
        elif self.within is not None:
            as_real(self.within, "Rotation: within", least=0, most=180)

    def members(self, sizes: Sequence[int]) -> np.ndarray | None:
        return None if self.angles is None else np.asarray(self.angles)[:, None]

    def draw(self, key: jax.Array, n: int, sizes: Sequence[int]) -> np.ndarray:
        if self.angles is not None:
            return some_of(self.angles, key, n)[:, None]
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
        turned = moves.turned(y, jnp.asarray(_turns(rows), y.dtype), 0.0)
        return turned, jnp.broadcast_to(_on_disc(y)[..., 0], y.shape[:-1])

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
            found = tuple(row[0] for row in listed(self.factors, "Scale: factors", 1))
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
            return some_of(self.factors, key, n)[:, None]
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
