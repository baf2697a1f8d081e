"""Functions applied to every node alike: they commute with every isometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from math import factorial, pi, sqrt

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag, is_function, shown
from equinet.groups.fibre import as_fibre
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import check, count, fraction, number
from equinet.layers.orbits import orbit_count, spread
from equinet.symmetry.field import Field


def check_signs(layer: Layer, shape: Shape, instead: str) -> None:
    """Refuse channels whose signs operations change, for a layer that does not commute with that.

    Raises:
        LayerError: naming the fibre and what to use instead.
    """
    if not as_fibre(shape[-1]).is_permutation:
        raise LayerError(
            f"{layer} treats x and −x differently, and operations change signs in {shape[-1]}: use {instead}"
        )


class Elementwise(Layer):
    """A fixed function of one number; `_monotone` if it never decreases (maxima then pass through it), `_odd` if
    f(−x) = −f(x) (it then commutes with changes of sign)."""

    treats_channels = "alike"
    _monotone = False
    _odd = False

    def _call(self, x: jax.Array) -> jax.Array:
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        if not self._odd:
            check_signs(self, shape, "an odd function such as Tanh, NormRelu, or Gated")
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return self._call(x), state

    def symmetry(self, field: Field) -> Field:
        return field.pointwise("monotone" if self._monotone else "any")


@dataclass(frozen=True)
class Relu(Elementwise):
    """max(x, 0)."""

    _monotone = True

    def _call(self, x: jax.Array) -> jax.Array:
        return jnp.maximum(x, x.dtype.type(0))


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """x where positive, `slope`·x elsewhere (0 ≤ slope).

    Raises:
        ValueError: if the slope is negative.
    """

    _: KW_ONLY
    slope: float = 0.01
    _monotone = True

    def __post_init__(self) -> None:
        check(self, slope=number(least=0))

    def _call(self, x: jax.Array) -> jax.Array:
        return jax.nn.leaky_relu(x, self.slope)


@dataclass(frozen=True)
class Elu(Elementwise):
    """x where positive, eˣ − 1 elsewhere."""

    _monotone = True

    def _call(self, x: jax.Array) -> jax.Array:
        return jax.nn.elu(x)


@dataclass(frozen=True)
class Softplus(Elementwise):
    """log(1 + eˣ)."""

    _monotone = True

    def _call(self, x: jax.Array) -> jax.Array:
        return jax.nn.softplus(x)


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """1 / (1 + e⁻ˣ)."""

    _monotone = True

    def _call(self, x: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(x)


@dataclass(frozen=True)
class Tanh(Elementwise):
    """tanh x, an odd function."""

    _monotone = True
    _odd = True

    def _call(self, x: jax.Array) -> jax.Array:
        return jnp.tanh(x)


@dataclass(frozen=True)
class Gelu(Elementwise):
    """x Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016).

    Args:
        exact: whether Φ is computed by the error function, and not by its tanh approximation.
    """

    _: KW_ONLY
    exact: bool = False

    def __post_init__(self) -> None:
        as_flag(self.exact, "Gelu: exact")

    def _call(self, x: jax.Array) -> jax.Array:
        return jax.nn.gelu(x, approximate=not self.exact)


@dataclass(frozen=True)
class Silu(Elementwise):
    """x / (1 + e⁻ˣ)."""

    def _call(self, x: jax.Array) -> jax.Array:
        return jax.nn.silu(x)


@dataclass(frozen=True)
class Pointwise(Elementwise):
    """Any function that applies the same scalar function to every element of an array.

    Args:
        fn: an elementwise function. `certify` cannot check that it is one; `verify` can.
        monotone: whether it never decreases (then max pools before and after it compose).
        odd: whether f(−x) = −f(x) (then channels may change their signs).
    """

    fn: Callable[[jax.Array], jax.Array]
    _: KW_ONLY
    monotone: bool = False
    odd: bool = False

    def __post_init__(self) -> None:
        check(self, monotone=as_flag, odd=as_flag)
        if not is_function(self.fn):
            raise TypeError(f"Pointwise needs a function of one array, such as jnp.tanh; got {shown(self.fn)}")

    @property
    def _monotone(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.monotone

    @property
    def _odd(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.odd

    def _call(self, x: jax.Array) -> jax.Array:
        y = self.fn(x)
        if y.shape != x.shape:
            raise LayerError(f"{self}: an elementwise function keeps the shape; it turned {x.shape} into {y.shape}")
        return y

    def __str__(self) -> str:
        return f"Pointwise({getattr(self.fn, '__name__', 'function')})"


@dataclass(frozen=True)
class Polynomial(Elementwise):
    """`y = Σ_k c_k x^k` up to a degree p, with coefficients per channel (per orbit, where operations move channels).

    They start as those of the polynomial that is nearest to relu on a normal distribution. If x has no frequency above
    K, y has none above p·K: with few frequencies, or after `IdealUpsample`, it keeps all real shifts.

    Args:
        degree: p.

    Raises:
        ValueError: unless p is an integer from 1 to 16.
    """

    degree: int
    treats_channels = "by fibre"

    def __post_init__(self) -> None:
        check(self, degree=count)
        if self.degree > len(_HERMITE_OF_RELU) - 1:
            raise LayerError(f"{self}: degrees go up to {len(_HERMITE_OF_RELU) - 1}: put several in a row")

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        del key
        powers = np.polynomial.hermite_e.herme2poly(_HERMITE_OF_RELU[: self.degree + 1])
        wide = np.zeros(self.degree + 1)
        wide[: len(powers)] = powers
        return {"coefficients": jnp.tile(jnp.asarray(wide, float)[:, None], orbit_count(shape[-1]))}, {}

    def channels_read(self, params: Params) -> int | None:
        return params["coefficients"].shape[1]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        wide = spread(params["coefficients"].astype(x.dtype), context.fibre)
        *others, last = wide.reshape(-1, *(1,) * (x.ndim - 1), x.shape[-1])
        y = jnp.broadcast_to(last, x.shape)
        for coefficient in reversed(others):
            y = y * x + coefficient
        return y, state

    def symmetry(self, field: Field) -> Field:
        return field.pointwise("affine" if self.degree == 1 else "any", degree=self.degree)


def _hermite_of_relu(degree: int) -> np.ndarray:
    """Relu in the Hermite polynomials He_k, which are orthogonal for the normal distribution of density φ.

    The coefficients are `E[relu He_k] / k!`, where `E[relu He_k] = E[relu⁽ᵏ⁾] = He_{k−2}(0) φ(0)` from k = 2 on.
    """
    density = 1 / sqrt(2 * pi)
    at_zero = [1.0, 0.0]
    for k in range(1, degree - 2):
        at_zero.append(-k * at_zero[k - 1])  # He_{k+1}(x) = x He_k(x) − k He_{k−1}(x)
    return np.asarray([density, 0.5, *(density * at / factorial(k) for k, at in enumerate(at_zero, start=2))])


_HERMITE_OF_RELU = _hermite_of_relu(16)


@dataclass(frozen=True)
class Identity(Layer):
    """The input itself."""

    treats_channels = "alike"

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return x, state

    def symmetry(self, field: Field) -> Field:
        return field


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, zero each element with probability `rate` and divide the others by 1 − rate; else the identity.

    Channels that operations permute are dropped together: a whole orbit at a node.

    Raises:
        ValueError: unless 0 ≤ rate < 1.
        LayerError: from apply in training, without a key.
    """

    treats_channels = "by fibre"

    rate: float

    def __post_init__(self) -> None:
        check(self, rate=fraction)

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params
        if not context.train or self.rate == 0:
            return x, state
        shape = (*x.shape[:-1], orbit_count(context.fibre))
        kept = spread(jax.random.bernoulli(context.randomness(self), 1 - self.rate, shape), context.fibre)
        return jnp.where(kept, x / jnp.asarray(1 - self.rate, x.dtype), jnp.zeros((), x.dtype)), state

    def symmetry(self, field: Field) -> Field:
        return field
