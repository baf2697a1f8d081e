"""What a trained classifier is judged by: accuracy, and whether its answer survives a circular shift.

*Circular* consistency rolls the image around its torus. Consistency under crops of a larger image is another quantity
and is not measured here.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Predict = Callable[[Any, jax.Array], jax.Array]
"""`(variables, images [batch, height, width, channels]) -> logits [batch, classes]`, free of side effects."""


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of `n` independent examples, with its 95 % Wilson interval.

    The interval is ((p + z²/2n) ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with z = 1.96; unlike p ± z √(p(1−p)/n) it does
    not shrink to a point when every example agrees.

    >>> Share(1.0, 2000)
    1.0000 [0.9981, 1.0000] (n=2000)
    """

    value: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        z2n = 1.96**2 / self.n
        centre = (self.value + z2n / 2) / (1 + z2n)
        half = math.sqrt(1.96**2 * self.value * (1 - self.value) / self.n + z2n**2 / 4) / (1 + z2n)
        return max(0.0, centre - half), min(1.0, centre + half)

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "n": self.n, "interval95": list(self.interval)}

    def __repr__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} [{low:.4f}, {high:.4f}] (n={self.n})"


@dataclasses.dataclass(frozen=True)
class EveryShift:
    """What every shift of some images does to a classifier's answer.

    Attributes:
        consistency: the chance that two shifts drawn independently and uniformly give one answer, exactly: the mean
            over images of Σ_c (n_c / S)², where n_c of the S shifts are answered with class c.
        unanimous: the share of images that all shifts answer alike.
        plane: `[height, width]`, for each shift the share of images answered as without it.
        images: how many images were shifted.
    """

    consistency: float
    unanimous: float
    plane: np.ndarray
    images: int

    @property
    def shifts(self) -> int:
        """S, how many shifts every image went through."""
        return self.plane.size

    def to_json(self) -> dict[str, Any]:
        return {
            "consistency": self.consistency,
            "unanimous": self.unanimous,
            "images": self.images,
            "shifts": self.shifts,
        }


def accuracy(predict: Predict, variables: Any, images: jax.Array, labels: jax.Array, batch: int = 250) -> Share:
    """Share of images whose largest logit is their label's."""
    hits = _answers(predict, variables, images, batch) == labels
    return Share(int(hits.sum()) / len(hits), len(hits))


def circular_consistency(
    predict: Predict, variables: Any, images: jax.Array, key: jax.Array, batch: int = 250
) -> Share:
    """Share of images answered alike under two circular shifts, both drawn anew for every image.

    Shifts are uniform over the whole torus, so some pairs coincide (one in height · width).
    """
    first, second = jax.random.split(key)
    answers = [
        _answers(predict, variables, roll_each(images, _draw_shifts(one, images)), batch) for one in (first, second)
    ]
    return Share(int((answers[0] == answers[1]).sum()) / len(images), len(images))


def every_shift(predict: Predict, variables: Any, images: jax.Array) -> EveryShift:
    """Answer every image under every circular shift. Costs height · width evaluations an image: pass a few."""
    height, width = images.shape[1:3]
    counts, plane = jax.device_get(_sweep_answers(predict, variables, images))
    shares = counts / (height * width)
    return EveryShift(
        consistency=float((shares**2).sum(axis=1).mean()),
        unanimous=float((counts.max(axis=1) == height * width).mean()),
        plane=plane.reshape(height, width),
        images=len(images),
    )


def roll_each(images: jax.Array, shifts: jax.Array) -> jax.Array:
    """Roll every image `[n, h, w, c]` by its own shift `[n, 2]`: the pixel at p goes to p + shift, mod the size."""
    return jax.vmap(lambda image, shift: jnp.roll(image, shift, axis=(0, 1)))(images, shifts)


def _draw_shifts(key: jax.Array, images: jax.Array) -> jax.Array:
    sizes = jnp.asarray(images.shape[1:3], jnp.int32)
    return jax.random.randint(key, (len(images), 2), jnp.zeros((1, 2), jnp.int32), sizes[None, :])


def _answers(predict: Predict, variables: Any, images: jax.Array, batch: int) -> jax.Array:
    starts = range(0, len(images), batch)
    return jnp.concatenate([_answer_batch(predict, variables, images[start : start + batch]) for start in starts])


@partial(jax.jit, static_argnums=0)
def _answer_batch(predict: Predict, variables: Any, images: jax.Array) -> jax.Array:
    return jnp.argmax(predict(variables, images), axis=-1)


@partial(jax.jit, static_argnums=0)
def _sweep_answers(predict: Predict, variables: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How often each image is answered with each class, and per shift the share answered as without it."""
    height, width = images.shape[1:3]
    logits = predict(variables, images)
    unshifted = jnp.argmax(logits, axis=-1)

    def one(counts: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        shifted = jnp.roll(images, jnp.stack([index // width, index % width]), axis=(1, 2))
        answers = jnp.argmax(predict(variables, shifted), axis=-1)
        return counts + jax.nn.one_hot(answers, counts.shape[1]), (answers == unshifted).mean()

    return jax.lax.scan(one, jnp.zeros_like(logits), jnp.arange(height * width))
