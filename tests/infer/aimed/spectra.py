"""Aimed at spectra: products that are no filter, frequencies out of place, tables that are even but for one entry."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq
from tests.infer.aimed.common import Aimed, Function

S4 = eq.torus(4, 4)


def promoting(fn: Function) -> Function:
    """The function with real and complex numbers mixed freely."""

    @wraps(fn)
    def wide(x: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return fn(x)

    return wide


def row(*numbers: complex) -> Any:
    """One number for each frequency."""
    return np.asarray(numbers)[None, :, None]


def half(x: Any) -> Any:
    """Half of the frequencies."""
    return jnp.fft.rfft(x, axis=1)


def back(spectrum: Any) -> Any:
    """From half of the frequencies."""
    return jnp.fft.irfft(spectrum, 8, axis=1)


def full(x: Any) -> Any:
    """All frequencies."""
    return jnp.fft.fft(x, axis=1)


def real(spectrum: Any) -> Any:
    """From all frequencies."""
    return jnp.fft.ifft(spectrum, axis=1).real


def parts(spectrum: Any) -> Any:
    """From all frequencies, with what is not real."""
    found = jnp.fft.ifft(spectrum, axis=1)
    return found.real + 2 * found.imag


def both(x: Any, table: Any) -> Any:
    """A filter along two axes, in halves."""
    spectrum = jnp.fft.rfft2(x, axes=(1, 2))
    return jnp.fft.irfft2(spectrum * table(*waves(True))[None, ..., None].astype(spectrum.dtype), axes=(1, 2))


def both_full(x: Any, table: Any) -> Any:
    """A filter along two axes."""
    spectrum = jnp.fft.fft2(x, axes=(1, 2))
    found = jnp.fft.ifft2(spectrum * table(*waves(False))[None, ..., None].astype(spectrum.dtype), axes=(1, 2))
    return found.real + 2 * found.imag


def waves(halved: bool) -> tuple[Any, Any]:
    """The frequencies of a grid of 4 × 4."""
    return np.fft.fftfreq(4)[:, None], (np.fft.rfftfreq(4) if halved else np.fft.fftfreq(4))[None]


EVEN, ODD = row(1, 0.5, 0.3, 0.2, 0.1), 1j * row(0, 1, 2, 3, 0)
WHOLE = row(1, 2, 3, 4, 5, 4, 3, 2)
NEARLY = row(1, 2, 3, 4, 5, 4, 3, 2.001)

CASES = (
    Aimed("an even filter", lambda x: back(half(x) * EVEN), tight=True),
    Aimed("an odd filter", lambda x: back(half(x) * ODD), tight=True),
    Aimed("an even filter of all", lambda x: parts(full(x) * WHOLE), tight=True),
    Aimed("a filter that is even but for one entry", lambda x: parts(full(x) * NEARLY), tight=True),
    Aimed("an even filter times i, halved", lambda x: back(half(x) * 1j * EVEN), tight=True),
    Aimed("an even filter times i", lambda x: parts(full(x) * 1j * WHOLE), tight=True),
    Aimed("one number for all, complex", lambda x: back(half(x) * (1 + 2j)), tight=True),
    Aimed("without the mean", lambda x: back(half(x).at[:, 0].set(0)), tight=True),
    Aimed("without one of two", lambda x: parts(full(x).at[:, 1].set(0)), tight=True),
    Aimed("without both", lambda x: parts(full(x).at[:, 1].set(0).at[:, 7].set(0))),
    Aimed("low frequencies", lambda x: back(jnp.where(np.arange(5)[None, :, None] < 3, half(x), 0)), tight=True),
    Aimed("frequencies of one sign", lambda x: parts(jnp.where(np.arange(8)[None, :, None] < 4, full(x), 0))),
    Aimed("halves taken for all", lambda x: parts(jnp.pad(half(x), ((0, 0), (0, 3), (0, 0)))), tight=True),
    Aimed("dealiasing", lambda x: back(jnp.pad(half(x)[:, :3], ((0, 0), (0, 2), (0, 0)))), tight=True),
    Aimed(
        "shifted, filtered, shifted back",
        lambda x: parts(jnp.fft.ifftshift(jnp.fft.fftshift(full(x), 1) * np.fft.fftshift(WHOLE, 1), 1)),
        tight=True,
    ),
    Aimed("shifted, filtered, shifted back by one less", lambda x: parts(jnp.roll(jnp.roll(full(x), 4, 1), 3, 1))),
    Aimed("shifted, not back", lambda x: parts(full(x) * jnp.roll(full(x), 1, 1))),
    Aimed(
        "half of one function, half of another",
        lambda x: parts(jnp.concatenate([full(x)[:, :4], full(x**2)[:, 4:]], 1)),
    ),
    Aimed("reversed frequencies", lambda x: real(full(x)[:, ::-1])),
    Aimed("reversed twice", lambda x: parts(full(x)[:, ::-1][:, ::-1] * WHOLE), tight=True),
    Aimed("two filters, stacked", lambda x: back((half(x)[None] * np.stack([EVEN, EVEN**2])).sum(0)), tight=True),
    Aimed("two spectra, stacked", lambda x: back((jnp.stack([half(x), half(x**2)]) * ODD[None]).sum(0)), tight=True),
    Aimed("two spectra, side by side", lambda x: back(jnp.concatenate([half(x), half(x**2)], -1)), tight=True),
    Aimed("the power spectrum by conjugates", lambda x: (half(x) * jnp.conj(half(x))).real.sum((1, 2))[:, None]),
    Aimed("a triple product", lambda x: jnp.real(half(x)[:, 2] * jnp.conj(half(x)[:, 1]) ** 2)),
    Aimed("a triple product, one too many", lambda x: jnp.real(half(x)[:, 3] * jnp.conj(half(x)[:, 1]) ** 2)),
    Aimed("a square", lambda x: jnp.real(half(x)[:, 1] ** 2)),
    Aimed("an eighth power", lambda x: jnp.real(full(x)[:, 1] ** 8)),
    Aimed("phases alone", lambda x: back(half(x) / (1 + jnp.abs(half(x))))),
    Aimed("a spectrum times another", lambda x: back(half(x) * half(x**2))),
    Aimed("a spectrum by another", lambda x: back(half(x) / (1 + half(x**2)))),
    Aimed("times the mean", lambda x: back(half(x) * x.mean())),
    Aimed("times one entry", lambda x: back(half(x) * x[0, 0, 0])),
    Aimed("the real parts alone", lambda x: back(half(x).real + 0j)),
    Aimed("conjugates", lambda x: real(jnp.conj(full(x)))),
    Aimed(
        "a scan",
        lambda x: back(lax.scan(lambda s, _: (s * EVEN.astype(s.dtype), None), half(x), None, length=3)[0]),
        tight=True,
    ),
    Aimed("a long loop", lambda x: back(lax.fori_loop(0, 99, lambda _, s: s * ODD.astype(s.dtype), half(x)))),
    Aimed(
        "a loop that reads a phase",
        lambda x: back(lax.while_loop(lambda s: s.real.sum() > 1, lambda s: s / 2, half(x))),
    ),
    Aimed(
        "a loop that reads magnitudes",
        lambda x: back(lax.while_loop(lambda s: jnp.abs(s).sum() > 1, lambda s: s / 2, half(x))),
    ),
    Aimed("a Laplacian", lambda x: both(x, lambda k, m: k**2 + m**2), S4, tight=True),
    Aimed("a Laplacian of all", lambda x: both_full(x, lambda k, m: k**2 + m**2), S4, tight=True),
    Aimed("along one axis", lambda x: both(x, lambda k, m: k**2 + 0 * m), S4, tight=True),
    Aimed("odd along one axis", lambda x: both(x, lambda k, m: 1j * k + 0 * m), S4),
    Aimed("odd along both", lambda x: both_full(x, lambda k, m: k * m), S4),
    Aimed("a diagonal", lambda x: both_full(x, lambda k, m: np.abs(k + m)), S4),
    Aimed("a circle", lambda x: both(x, lambda k, m: k**2 + m**2 < 0.2), S4, tight=True),
    Aimed("an oval", lambda x: both(x, lambda k, m: k**2 + 2 * m**2 < 0.2), S4),
    Aimed(
        "a table of nodes",
        lambda x: jnp.fft.irfft(jnp.fft.rfft(x, axis=1) * np.arange(4)[None, None, :, None], 4, axis=1),
        S4,
    ),
)
SPECTRA = tuple(replace(case, fn=promoting(case.fn)) for case in CASES)
