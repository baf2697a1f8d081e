"""What an error is compared with: per channel, how much it varies, and what rounding hides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BREAKING = 1e-3
"""The smallest relative error taken for a broken symmetry."""

HEADROOM = 4.0
"""The least ratio of the tolerance to the noise floor."""

COARSE = 64
"""Units in the last place that may be hidden in types whose rounding alone exceeds `BREAKING`."""

STILL = 4
"""Units in the last place by which a channel that is constant may vary."""


LISTED = 4
"""Hidden channels listed."""


ROUNDED = 2.0**-20
"""The largest ratio of what double and single precision show of a channel that shows nothing but rounding."""

SPECK = 16
"""Units in the last place of the loudest channel below which one that shows nothing but noise is taken for zero."""


@dataclass(frozen=True)
class Channel:
    """A channel of the output, and whether its real or its imaginary part is meant, where there are two."""

    index: int
    part: str = ""

    def __str__(self) -> str:
        return f"channel {self.index}" + (f" ({self.part} part)" if self.part else "")


@dataclass(frozen=True)
class Hidden:
    """A channel of which nothing can be told: rounding hides errors below `error` times its variation."""

    channel: Channel
    error: float


def hidden_lines(hidden: Sequence[Hidden], dtype: str) -> Iterator[str]:
    """Why there is no verdict, a line for each channel, and what would help."""
    for part in hidden[:LISTED]:
        yield (
            f"  cannot tell: rounding in {dtype} hides errors below {part.error:.1e} of the variation of {part.channel}"
        )
    if len(hidden) > LISTED:
        yield f"  … and of {len(hidden) - LISTED} more channels"
    if hidden:
        wider = "use dtype=jnp.float64, or" if dtype != "float64" else "use"
        yield f"  {wider} inputs on which the output varies more, or state the error that you accept as tol="


@dataclass(frozen=True)
class Gauge:
    """The measure of errors.

    Attributes:
        unit: for each example and channel the output difference that counts as an error of 1,
            `[entries, batch, C']`.
        scale: how much the loudest channel varies.
        floor: the largest noise floor of a channel that is judged.
        tol: the largest error taken for rounding.
        hidden: the channels, by their index, whose floor is too high, with the error that it hides.
        still: the channels, by their index, that are constant up to rounding, and not zero.
        chaotic: the channels, by their index, that vary hardly more than rounding makes them vary: nothing they show
            counts as an error.
    """

    unit: np.ndarray
    scale: float
    floor: float
    tol: float
    hidden: tuple[tuple[int, float], ...]
    still: tuple[int, ...]
    chaotic: tuple[int, ...] = ()


def resolution(eps: float) -> float:
    """The error that no tolerance may hide, relative to a channel's variation."""
    return max(BREAKING, COARSE * eps)


def gauge(
    kept: np.ndarray,
    nudged: np.ndarray,
    generic: np.ndarray,
    eps: float,
    *,
    exact: np.ndarray | None = None,
    louder: np.ndarray | None = None,
    tol: float | None = None,
    varying: frozenset[int] = frozenset(),
    rounded: frozenset[int] = frozenset(),
) -> Gauge:
    """Measure a function by its outputs; `Probe` says how.

    Args:
        kept: outputs `[entries, batch, P', C']`.
        nudged: those of the first entries for perturbed inputs.
        generic: the examples to read variation and noise from, `[entries, batch]`.
        eps: of the arithmetic.
        exact: the examples that a perturbation makes other ones than they are (values are no longer equal, or whole),
            so that the response to it is no noise.
        louder: by how much each example's input is larger than normal ones; so is at least the noise.
        tol: a tolerance to use instead; nothing is hidden then.
        varying: channels known to vary where these inputs show none of it.
        rounded: channels known to be constant but for the rounding of what they are made of.
    """
    kept = kept.astype(np.float64)
    normal, nudged_too = kept[generic], slice(len(nudged))
    deviation = np.abs(kept - normal.mean(axis=(0, 1))).max(axis=2)
    magnitude = np.abs(kept).max(axis=2)
    response = np.abs(nudged.astype(np.float64) - kept[nudged_too]).max(axis=2)
    if exact is not None:
        response[exact[nudged_too]] = 0.0
    varies, loud = deviation[generic].max(axis=0), magnitude[generic].max(axis=0)
    # Constant on normal inputs (a test that all of them pass, a bound that all are above), it varies as on the others.
    flat = (normal == normal[:1, :1]).all(axis=(0, 1)) & (loud > 0)
    varies = np.where(flat, deviation.max(axis=(0, 1)), varies)
    condition = _typical_response(response[generic[nudged_too]])
    noise = np.maximum(condition, eps * loud)
    still = (deviation <= STILL * eps * magnitude).all(axis=(0, 1)) & (magnitude.max(axis=(0, 1)) > 0)
    still[list(varying)] = False
    still[list(rounded)] = True
    loudest = float(varies[~still].max(initial=0.0)) or 1.0
    # What is zero, behind a relu or up to the rounding of other channels, is compared with what is not.
    speck = (loud <= SPECK * eps * loud.max()) & (HEADROOM * noise > resolution(eps) * varies) & (varies < loudest)
    silent = (varies == 0) & (loud == 0) | speck
    varies, noise = np.where(silent, loudest, varies), np.where(silent, eps * loudest, noise)
    relative = np.where(varies > 0, np.minimum(noise, varies) / np.where(varies > 0, varies, 1.0), 1.0)
    drowned = (HEADROOM * relative > resolution(eps)) & ~still
    chaotic = drowned & (HEADROOM * relative >= 0.5) & (tol is None)
    floor = max(eps, float(relative[~drowned & ~still].max(initial=0.0)))
    limit = float(tolerance(floor, 1.0)) if tol is None else tol
    size = np.where(generic[:, :, None], varies, np.maximum(np.where(silent & ~speck, 0.0, varies), deviation))
    size = np.where(size > 0, size, np.maximum(eps * magnitude, eps * loudest))
    unit = size
    if tol is None:
        own = np.maximum(relative * size, np.where(generic[:, :, None], noise, eps * magnitude))
        own = own if louder is None else np.maximum(own, np.minimum(noise * louder[:, :, None], size))
        own[nudged_too] = _at_special(own[nudged_too], response, size[nudged_too], generic[nudged_too])
        unit = np.maximum(size, tolerance(own, size) / limit)
    unit = np.where(chaotic, np.inf, np.where(still, 2 * STILL * eps * magnitude.max(axis=(0, 1)) / limit, unit))
    times = np.ones(generic.shape) if louder is None else louder
    for c in rounded:
        # Rounding grows with the input, and what shows none of it where it lies may do so elsewhere.
        shown = max(varies[c], (np.maximum(deviation, STILL * eps * magnitude)[..., c] / times).max())
        unit[..., c] = 2 * HEADROOM * shown * times / limit
    return Gauge(
        unit=unit,
        scale=loudest,
        floor=floor,
        tol=limit,
        hidden=tuple(
            (int(c), min(1.0, float(HEADROOM * relative[c]))) for c in np.flatnonzero(drowned & (tol is None))
        ),
        still=tuple(np.flatnonzero(still).tolist()),
        chaotic=tuple(np.flatnonzero(chaotic).tolist()),
    )


def tolerance(noise: Any, varies: Any) -> Any:
    """The largest difference taken for rounding, from the noise and the variation of a channel.

    The geometric mean of the noise and a difference that breaks, at least `HEADROOM` times the noise.
    """
    return np.maximum(np.sqrt(noise * varies * BREAKING), HEADROOM * noise)


def _typical_response(response: np.ndarray) -> np.ndarray:
    """The third quartile over examples, those left out in which nothing responds (behind a relu, say)."""
    ordered = np.sort(np.where(response > 0, response, np.inf), axis=0)
    count = (response > 0).sum(axis=0)
    chosen = np.take_along_axis(ordered, np.minimum(3 * count // 4, len(ordered) - 1)[None], axis=0)[0]
    return np.where(count > 0, chosen, 0.0)


def _at_special(own: np.ndarray, response: np.ndarray, size: np.ndarray, generic: np.ndarray) -> np.ndarray:
    """The noise of examples of other kinds: what each shows itself, in one channel or in half of them."""
    typical = np.sort(response / np.maximum(size, np.finfo(float).tiny), axis=-1)
    shared = typical[..., (typical.shape[-1] - 1) // 2, None] * size
    return np.where(generic[:, :, None], own, np.maximum(own, np.maximum(response, shared)))
