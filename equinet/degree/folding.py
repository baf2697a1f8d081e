"""What a stride folds: the energy of a signal that the coarser grid cannot hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from equinet.checks import as_integers, is_iterable
from equinet.degree.consistency import as_images

AT_ONCE = 64
"""Images that are transformed at a time."""


def folded_energy(x: Any, stride: int | Sequence[int]) -> float:
    """The share of a signal's variation that a stride folds: frequencies at or above half of the coarser grid's rate.

    Let D keep every s-th node of a torus of N, and let L remove from x all frequencies k with `|k| ≥ N / 2s` along some
    axis. The coarser grid holds what is left: D L x moves by τ/s whenever x moves by τ, for every real τ. The rest is
    aliased by D, and it is the error of the stride, exactly: over the s phases o (s^d on d axes) at which D can start,

    `mean over o of |D T_o x − D T_o L x|²  /  mean over o of |D T_o (x − x̄)|²  =  |x − L x|² / |x − x̄|²`,

    which is returned; x̄ is the mean of each image and channel, and `|·|²` sums over images, nodes and channels. See
    "What a stride folds" in `docs/theory.md`.

    Args:
        x: `[n, *spatial, channels]`, what the stride is applied to: images, or the map before it at stride 1.
        stride: s, a number or one for each axis.

    Returns:
        A number from 0 to 1; 0 if x does not vary.

    Raises:
        ValueError: for an array of another kind, or a stride that does not divide a size.

    >>> wave = lambda k: np.cos(2 * np.pi * k * np.arange(16) / 16)[None, :, None]
    >>> two = np.concatenate([wave(2) + wave(3), 2 * wave(1) + wave(5)])
    >>> round(folded_energy(two, 2), 6), round(folded_energy(two, 4), 6)
    (0.142857, 0.428571)
    """
    images = as_images(x)
    sizes = images.shape[1:-1]
    given: Any = stride if is_iterable(stride) else (stride,) * len(sizes)
    steps = as_integers(tuple(given), "folded_energy: stride")
    if len(steps) != len(sizes) or min(steps) < 1 or any(n % s for n, s in zip(sizes, steps, strict=True)):
        raise ValueError(f"folded_energy: a stride divides each size; got {steps} of an array with sizes {sizes}")
    axes, folded = tuple(range(1, 1 + len(sizes))), np.zeros(sizes, bool)
    for axis, (n, s) in enumerate(zip(sizes, steps, strict=True)):
        is_high = 2 * s * np.abs(np.rint(np.fft.fftfreq(n, 1 / n))) >= n
        # Nothing folds where no node is left out.
        folded |= np.expand_dims(is_high & (s > 1), [a for a in range(len(sizes)) if a != axis])
    above = total = 0.0
    for start in range(0, len(images), AT_ONCE):
        part = np.asarray(images[start : start + AT_ONCE]).astype(np.float64)
        energy = (np.abs(np.fft.fftn(part, axes=axes)) ** 2).sum(axis=(0, -1))
        above += float(energy[folded].sum())
        total += float(energy.sum() - energy[(0,) * len(sizes)])
    return above / total if total > 0 else 0.0
