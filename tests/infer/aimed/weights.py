"""Weights that are nearly equal, or tiny beside others, made to show; zeros of either sign."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq
from tests.infer.aimed.common import Aimed, Function, by


def steep(x: Any) -> Any:
    """Of which the order of magnitude shows."""
    return jnp.log(jnp.abs(x) + 1e-300)


def mixed_by(kernel: Any, n: int = 8) -> Function:
    """A circulant matrix along the line."""
    i = np.arange(n)
    row = np.zeros(n)
    row[: len(kernel)] = kernel
    matrix = row[(i[:, None] - i) % n]
    return lambda x: jnp.einsum("nm,bmc->bnc", jnp.asarray(matrix, x.dtype), x)


def convolved(kernel: Any, stride: int = 1) -> Function:
    """A circular convolution with a given kernel."""

    def fn(x: Any) -> Any:
        w = jnp.asarray(kernel, x.dtype)[:, None, None]
        wide = jnp.pad(x, ((0, 0), ((len(kernel) - 1) // 2, len(kernel) // 2), (0, 0)), mode="wrap")
        return lax.conv_general_dilated(wide, w, (stride,), "VALID", dimension_numbers=("NHC", "HIO", "NHC"))

    return fn


def along(row: Any) -> Function:
    """Times a table."""
    return lambda x: by(x, jnp.asarray(row))


TINY = {
    "1e-8 and 2e-8": [1, 1e-8, 1, 2e-8] * 2,
    "1e-12 and 0": [1, 1e-12, 1, 0] * 2,
    "1 and 1 + 1e-9": [1, 1, 1, 1 + 1e-9] * 2,
    "1e-20 and −1e-20": [1, 1e-20, 1, -1e-20] * 2,
    "1e-200 and 3e-200": [1, 1e-200, 1, 3e-200] * 2,
    "1/3 and its float32": [1 / 3, float(np.float32(1 / 3))] * 4,
    "1e12 and 1e12 + 1": [1e12, 1e12 + 1] * 4,
    "0.1 and 0.1 + 1e-8": [0.1, 0.1 + 1e-8] * 4,
}
WEIGHTS = (
    *(
        Aimed(f"a table of {name}", lambda x, r=row: steep(by(x, jnp.asarray(r, x.dtype))))
        for name, row in TINY.items()
        if "1 +" not in name and "+ 1" not in name and "float32" not in name
    ),
    *(
        Aimed(
            f"differences by a table of {name}",
            lambda x, r=row: jnp.tanh(1e10 * (by(x, jnp.asarray(r, x.dtype)) - r[0] * x)),
        )
        for name, row in TINY.items()
    ),
    *(
        Aimed(
            f"a table of {name}, then a sum with its neighbour",
            lambda x, r=row: steep(by(x, jnp.asarray(r, x.dtype)) + jnp.roll(by(x, jnp.asarray(r, x.dtype)), 1, 1)),
        )
        for name, row in TINY.items()
    ),
    *(
        Aimed(
            f"{how.__name__} by {kernel}",
            lambda x, k=kernel, h=how: jnp.tanh(1e9 * (h(k)(x) - h([v if i == 1 else 0 for i, v in enumerate(k)])(x))),
        )
        for kernel in (
            [9e-8, 1, 2e-8],
            [1e-9, 1, 3e-9],
            [1e-12, 1, 0],
            [1, 5, 1 + 1e-9],
            [1 / 3, 1, 0.33333334],
            [1, 2, -1],
            [1e-30, 1, 2e-30],
        )
        for how in (mixed_by, convolved)
    ),
    Aimed(
        "a matrix with entries of 9e-8",
        lambda x: jnp.tanh(
            1e8
            * (
                jnp.einsum(
                    "nm,bmc->bnc",
                    jnp.asarray(np.eye(8) + 9e-8 * np.eye(8, k=1) * (np.arange(8) == 2)[:, None], x.dtype),
                    x,
                )
                - x
            )
        ),
    ),
    Aimed("weights that cancel", lambda x: steep(x + 1e-9 * jnp.roll(x, 1, 1) - x)),
    Aimed("tables that cancel", lambda x: steep(by(x, jnp.asarray([1.0, 2] * 4)) - by(x, jnp.asarray([1.0, 1] * 4)))),
    Aimed(
        "pairs with weights that differ by 1e-8",
        lambda x: jnp.tanh(1e9 * ((x[:, ::2] + (1 + 1e-8) * x[:, 1::2]) - (x[:, ::2] + x[:, 1::2]))),
    ),
    Aimed("pairs with a weight of 1e-9", lambda x: steep((x[:, ::2] + 1e-9 * x[:, 1::2]) - x[:, ::2])),
    Aimed(
        "concatenated pieces of nearly one factor",
        lambda x: jnp.tanh(1e9 * (jnp.concatenate([x[:, :4], (1 + 1e-8) * x[:, 4:]], 1) - x)),
    ),
    Aimed(
        "a Fourier filter with entries of 1e-9",
        lambda x: jnp.tanh(
            1e8
            * (
                jnp.real(
                    jnp.fft.ifft(
                        jnp.fft.fft(x, axis=1) * jnp.asarray([1, 1 + 1e-7j, 1, 1, 1, 1, 1, 1], complex)[None, :, None],
                        axis=1,
                    )
                )
                - x
            )
        ),
    ),
    Aimed("equal weights, zero bias", lambda x: jnp.tanh(convolved([0.5, 0.5, 0.5])(x)), tight=True),
    Aimed("zero weights", lambda x: convolved([0.0, 0.0, 0.0])(x) + x),
    Aimed("one weight among zeros", lambda x: convolved([0.0, 0.0, 1.0])(x) + x),
    Aimed(
        "weights whose product is 2⁶⁵ + 1", lambda x: convolved([1.0, 998724481.0])(convolved([1.0, 36940606593.0])(x))
    ),
    Aimed("weights whose digests of 40 bits are equal", along([1.9029825654200372, *[1.0] * 6, 1.7593396292101167])),
    Aimed("symmetric weights", lambda x: jnp.tanh(convolved([0.5, 2.0, 0.5])(x)), tight=True),
    Aimed("opposite weights", lambda x: jnp.abs(convolved([-0.5, 0.0, 0.5])(x))),
    Aimed("weights of a bias table", lambda x: x + jnp.asarray([1.0, 1 + 1e-8] * 4, x.dtype)[None, :, None]),
    Aimed(
        "a table of 2⁵³ and 2⁵³ + 1",
        lambda x: jnp.where((jnp.asarray([2**53, 2**53 + 1] * 4) % 2 == 0)[None, :, None], x, 2 * x),
    ),
    Aimed(
        "a comparison with 1e-9",
        lambda x: jnp.where(jnp.abs(x) * 0 > jnp.asarray([0, -1e-300] * 4, x.dtype)[None, :, None], x, 2 * x),
    ),
)

SIGNS = [0.0, -0.0] * 4
ZEROS = (
    Aimed(
        "an angle from a table of zeros",
        lambda x: jnp.arctan2(jnp.broadcast_to(jnp.asarray(SIGNS, x.dtype)[None, :, None], x.shape), -jnp.abs(x) - 1),
    ),
    Aimed(
        "a quotient by a table of zeros", lambda x: jnp.tanh(jnp.square(x) / jnp.asarray(SIGNS, x.dtype)[None, :, None])
    ),
    Aimed(
        "a copied sign",
        lambda x: jnp.copysign(x, jnp.broadcast_to(jnp.asarray(SIGNS, x.dtype)[None, :, None], x.shape)),
    ),
    Aimed(
        "zeros of a constant product",
        lambda x: jnp.tanh(jnp.square(x) / (jnp.asarray([1.0, -1.0] * 4, x.dtype) * 0)[None, :, None]),
    ),
    Aimed(
        "padded by 0 and −0",
        lambda x: jnp.tanh(1 / jnp.concatenate([jnp.zeros_like(x[:, :1]), jnp.abs(x), -jnp.zeros_like(x[:, :1])], 1)),
        eq.box(8),
    ),
    Aimed("set to 0 and −0", lambda x: jnp.tanh(1 / jnp.abs(x).at[:, 0].set(0.0).at[:, 4].set(-0.0))),
    Aimed("times 0 and −0", lambda x: jnp.tanh(1 / by(jnp.abs(x), jnp.asarray(SIGNS)))),
    Aimed("sums with 0 and −0", lambda x: jnp.tanh(1 / (-jnp.abs(x) * 0 + jnp.asarray(SIGNS, x.dtype)[None, :, None]))),
    Aimed(
        "the bits of zeros", lambda x: by(x, lax.bitcast_convert_type(jnp.asarray(SIGNS, jnp.float32), jnp.int32) >> 30)
    ),
    Aimed("branches at zeros", lambda x: jnp.where(jnp.signbit(jnp.asarray(SIGNS, x.dtype))[None, :, None], x, 2 * x)),
    Aimed("NaN in a table", lambda x: jnp.nan_to_num(x * jnp.asarray([np.nan, 1.0] * 4, x.dtype)[None, :, None])),
    Aimed(
        "complex zeros",
        lambda x: jnp.angle(
            lax.complex(-jnp.abs(x) - 1, 0 * x) + jnp.asarray([0j, complex(0, -0.0)] * 4)[None, :, None]
        ),
    ),
)
