"""Aimed at stencils: kernels that are symmetric but for one weight, one shift, one stem or one rounding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

import equinet as eq
from tests.infer.aimed.common import Aimed

S4, S5, R64 = eq.torus(4, 4), eq.torus(5, 5), eq.torus(6, 4)
STAR = ((1, 0), (-1, 0), (0, 1), (0, -1))
CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
KNIGHT = ((1, 2), (-2, 1), (-1, -2), (2, -1))


def by(x: Any, *shift: int) -> Any:
    """A translate."""
    return jnp.roll(x, shift, (1, 2))


def summed(x: Any, shifts: Any, *weights: float) -> Any:
    """A weighted sum of translates."""
    weights = weights or (1,) * len(shifts)
    return sum(w * by(x, *s) for s, w in zip(shifts, weights, strict=True))


def laplacian(x: Any) -> Any:
    """Of the four neighbours."""
    return summed(x, STAR) - 4 * x


def differences(x: Any) -> tuple[Any, Any]:
    """Along both axes."""
    return by(x, 1, 0) - x, by(x, 0, 1) - x


STENCILS = (
    Aimed("a Laplacian", laplacian, S4, tight=True),
    Aimed("a Laplacian on a rectangle", laplacian, R64, tight=True),
    Aimed("a Laplacian twice", lambda x: laplacian(laplacian(x)), S4, tight=True),
    Aimed("a step of diffusion", lambda x: x + 0.1 * laplacian(x) - x**3, S4, tight=True),
    Aimed("nine points", lambda x: 0.2 * summed(x, STAR) + 0.05 * summed(x, CORNERS) - x, S4, tight=True),
    Aimed("nine points, one of another weight", lambda x: summed(x, STAR) + summed(x, CORNERS, 1, 1, 1, 1.001), S4),
    Aimed("three neighbours", lambda x: summed(x, STAR[:3]), S4),
    Aimed("a knight's moves", lambda x: summed(x, KNIGHT), S5, tight=True),
    Aimed("a knight's moves, one mirrored", lambda x: summed(x, (*KNIGHT[:3], (-2, -1))), S5),
    Aimed("another weight along one axis", lambda x: summed(x, STAR, 1, 1, 2, 2), S4, tight=True),
    Aimed("upwind", lambda x: by(x, 1, 0) - x + by(x, 0, -1) - x, S4),
    Aimed("half of the shifts", lambda x: by(x, 1, 0) + by(x, 0, 1), S4),
    Aimed("a kernel with a period", lambda x: by(x, 0, 0) + by(x, 2, 2) + by(x, 2, 0) + by(x, 0, 2), S4),
    Aimed("a kernel with a period, and another", lambda x: by(x, 1, 0) + by(x, 3, 2) + by(jnp.sin(x), 0, 1), S4),
    Aimed("two stems about two centres", lambda x: by(x, 1, 0) + by(x, -1, 0) + by(x**2, 1, 0) + x**2, S4),
    Aimed("two stems about one centre", lambda x: by(x, 1, 0) + x + by(x**2, 1, 0) + x**2, S4),
    Aimed(
        "what cancels", lambda x: jnp.tanh(1e9 * (by(x, 1, 0) + by(x, 0, 1) - by(x, 1, 0) - by(x, 0, 1) + 1e-9 * x)), S4
    ),
    Aimed("what nearly cancels", lambda x: jnp.tanh(1e9 * (x + by(x, 0, 1) - (1 + 1e-9) * by(x, 0, 1) - x)), S4),
    Aimed("a transposed one", lambda x: laplacian(x) + by(x, 1, 2).swapaxes(1, 2), S4),
    Aimed("one with a table", lambda x: laplacian(x * jnp.arange(4.0)[None, :, None, None].astype(x.dtype)), S4),
    Aimed("of integers", lambda x: laplacian(jnp.clip(x, -9, 9).astype(jnp.int32)).astype(x.dtype), S4),
    Aimed(
        "with zeros at the border",
        lambda x: sum(jnp.pad(x, 1)[1:-1, 1 + a : 5 + a, 1 + b : 5 + b, 1:-1] for a, b in STAR),
        S4,
    ),
    Aimed("a gradient of squares", jax.grad(lambda x: sum((d**2).sum() for d in differences(x))), S4, tight=True),
    Aimed("a gradient of cubes", jax.grad(lambda x: sum((d**3).sum() for d in differences(x))), S4),
    Aimed("a gradient of products", jax.grad(lambda x: -(x * (by(x, 1, 0) + by(x, 0, 1))).sum()), S4, tight=True),
    Aimed(
        "a gradient of one axis's", jax.grad(lambda x: (differences(x)[0] ** 2).sum() + (x**4).sum()), S4, tight=True
    ),
    Aimed("signed zeros", lambda x: jnp.arctan2(jnp.pad(-x, ((0, 0), (1, 1), (0, 0), (0, 0)))[:, :4], -jnp.abs(x)), S4),
)
