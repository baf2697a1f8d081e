"""Layers that work on the channels of a fibre: nonlinearities for signs, pooling over channels, restriction."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups.fibre import Fibre, Group, as_fibre
from equinet.groups.representation import Representation, coset_numbers, point_group, quotient_representation
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.hyperparameters import channels, check, choice, positive
from equinet.layers.orbits import orbit_count, orbit_means, spread
from equinet.layers.pointwise import check_signs
from equinet.ops.pool import maximum
from equinet.symmetry.field import Field, changed
from equinet.symmetry.trace import Lost


def _needs_fibre(layer: Layer, channels: int | Fibre) -> Fibre:
    fibre = as_fibre(channels)
    if fibre.is_plain:
        raise LayerError(
            f"{layer} works on the channels of a fibre; got {fibre} channels that nothing moves: put it after a "
            f"GroupConv, or drop it"
        )
    return fibre


def _symbol_or_operations(value: Any, what: str) -> Group:
    """A symbol, which is read in the dimension of the input, or the operations of a point group."""
    del what
    return value if isinstance(value, str) else point_group(value)


def _norms(x: jax.Array, fibre: Fibre, epsilon: float) -> jax.Array:
    """The root mean square of each orbit of channels, `[…, orbits]`."""
    return jnp.sqrt(orbit_means(jnp.square(x), fibre) + jnp.asarray(epsilon, x.dtype))


@dataclass(frozen=True)
class NormRelu(Layer):
    """Change the length of each orbit of channels, and not its direction: `y = x · relu(‖x‖ + b) / ‖x‖`.

    ‖x‖ is the root mean square over the orbit, and b is one number per orbit. Commutes with every signed permutation.
    (Worrall et al. 2017, "Harmonic networks".)

    Args:
        epsilon: added to ‖x‖².

    Raises:
        ValueError: unless ε > 0.
    """

    treats_channels = "by fibre"

    _: KW_ONLY
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        check(self, epsilon=positive)

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        del key
        return {"bias": jnp.zeros(orbit_count(shape[-1]))}, {}

    def channels_read(self, params: Params) -> int | None:
        return params["bias"].shape[0]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        length = _norms(x, context.fibre, self.epsilon)
        bias = params["bias"].astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))
        factor = jnp.maximum(length + bias, jnp.zeros((), x.dtype)) / length
        return x * spread(factor, context.fibre), state

    def symmetry(self, field: Field) -> Field:
        return field.mix("any")


@dataclass(frozen=True)
class Gated(Layer):
    """Multiply each copy of a representation by the sigmoid of its own scalar; the output no longer has the scalars.

    The input is a fibre whose last term is `n·trivial`, where n is the number of copies in the terms before it. The
    output is the fibre of these terms.
    (Weiler et al. 2018, "3D steerable CNNs".)

    Raises:
        LayerError: from init and apply, if the fibre of the input does not end in n scalars.

    >>> import equinet as eq
    >>> fields = 2 * Fibre.vector("4mm") + 2 * Fibre.trivial("4mm")
    >>> net = eq.Sequential(eq.GroupConv(fields, 3, padding="circular"), Gated())
    >>> certificate = eq.certify(net, eq.torus(8, 8), channels=1)
    >>> print(certificate.strict, "|", certificate.fibre)
    Z × Z ⋊ 4mm (p4m, index 1) | 2·vector(4mm)
    """

    treats_channels = "by fibre"

    def _split(self, channels: int | Fibre) -> Fibre:
        fibre = _needs_fibre(self, channels)
        *fields, (gates, last) = fibre.terms
        copies = sum(count for count, _ in fields)
        if not fields or not last.is_trivial or gates * last.size != copies:
            raise LayerError(
                f"{self} needs a fibre that ends in a scalar for each copy before, such as 4·vector ⊕ 4·trivial; "
                f"got {fibre}"
            )
        return Fibre(tuple(fields))

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self._split(shape[-1]))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params
        fields = self._split(context.fibre)
        sizes = [rep.size for copies, rep in fields.terms for _ in range(copies)]
        gates = jax.nn.sigmoid(x[..., fields.size :])
        return x[..., : fields.size] * jnp.take(gates, np.repeat(np.arange(len(sizes)), sizes), axis=-1), state

    def symmetry(self, field: Field) -> Field:
        return field.mix("any", self._split(field.fibre))


@dataclass(frozen=True)
class GroupPool(Layer):
    """Reduce each orbit of channels to a scalar, on which operations act trivially.

    Args:
        kind: "max", "mean", or "norm" (the root mean square), the only one that is invariant under changes of sign.

    Raises:
        ValueError: for another kind.
        LayerError: from init and apply, if the channels are plain numbers, or change signs under "max" or "mean".
    """

    treats_channels = "by fibre"

    _: KW_ONLY
    kind: Literal["max", "mean", "norm"] = "max"

    def __post_init__(self) -> None:
        check(self, kind=choice("max", "mean", "norm"))

    def output_shape(self, shape: Shape) -> Shape:
        fibre = _needs_fibre(self, shape[-1])
        if self.kind != "norm":
            check_signs(self, shape, "GroupPool(kind='norm')")
        return (*shape[:-1], orbit_count(fibre))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params
        if self.kind == "norm":
            return _norms(x, context.fibre, 1e-12), state
        if self.kind == "mean":
            return orbit_means(x, context.fibre), state
        orbits = np.asarray(context.fibre.orbits)
        return _maxima(x, [np.flatnonzero(orbits == number) for number in range(orbits.max() + 1)]), state

    def symmetry(self, field: Field) -> Field:
        return field.mix("affine" if self.kind == "mean" else "any", orbit_count(field.fibre))


def _maxima(x: jax.Array, groups: list[np.ndarray]) -> jax.Array:
    """The maximum over each of some sets of channels; of equal sizes at once."""
    if len({len(group) for group in groups}) == 1:
        return maximum(jnp.take(x, np.stack(groups), axis=-1), (-1,))
    return jnp.stack([maximum(jnp.take(x, group, axis=-1), (-1,)) for group in groups], axis=-1)


@dataclass(frozen=True)
class CosetPool(Layer):
    """Reduce a regular representation over the cosets of a subgroup K, to functions on P / K.

    The channels h k, for all k in K, become one channel, for each h. With K = P this is `GroupPool`.

    Args:
        subgroup: K, as for `Fibre.regular`.
        kind: "max" or "mean".

    Raises:
        ValueError: for another kind.
        LayerError: from init and apply, if the channels are not copies of a regular representation, or K no subgroup.
    """

    treats_channels = "by fibre"

    subgroup: Group
    _: KW_ONLY
    kind: Literal["max", "mean"] = "max"

    def __post_init__(self) -> None:
        check(self, subgroup=_symbol_or_operations, kind=choice("max", "mean"))

    def _target(self, channels: int | Fibre) -> tuple[int, Representation]:
        """Copies, and the representation on cosets."""
        fibre = _needs_fibre(self, channels)
        copies, rep = fibre.terms[0]
        if len(fibre.terms) > 1 or rep != quotient_representation(fibre.group, point_group("1", fibre.dim)):
            raise LayerError(
                f"{self} needs copies of a regular representation; got {fibre}: make one, or use GroupPool"
            )
        try:
            return copies, quotient_representation(fibre.group, point_group(self.subgroup, fibre.dim))
        except ValueError as error:
            raise LayerError(f"{self}, on {fibre}: {error}; pool over a subgroup, or over all with GroupPool") from None

    def output_shape(self, shape: Shape) -> Shape:
        copies, target = self._target(shape[-1])
        return (*shape[:-1], Fibre(((copies, target),)))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params
        fibre = context.fibre
        copies, target = self._target(fibre)
        coset = coset_numbers(fibre.group, point_group(self.subgroup, fibre.dim))
        members = [[h for h, number in enumerate(coset) if number == c] for c in range(target.size)]
        split = x.reshape(*x.shape[:-1], copies, len(coset))
        parts = jnp.take(split, np.asarray(members), axis=-1)
        pooled = maximum(parts, (-1,)) if self.kind == "max" else parts.mean(-1)
        return pooled.reshape(*x.shape[:-1], copies * target.size), state

    def symmetry(self, field: Field) -> Field:
        copies, target = self._target(field.fibre)
        return field.mix("affine" if self.kind == "mean" else "any", Fibre(((copies, target),)))


@dataclass(frozen=True)
class Restrict(Layer):
    """Restrict the equivariance of the layers after this one to a subgroup.

    The values do not change, but channels that the subgroup permutes among themselves become adjacent. So the fibre is
    again a sum of representations of the subgroup: `regular(4mm)` becomes `2·regular(4)`.

    Args:
        group: the subgroup, as for `Fibre.regular`.

    Raises:
        LayerError: from init and apply, if the channels are plain numbers, or the group is no subgroup of theirs.

    >>> Restrict("4").output_shape((8, 8, Fibre.regular("4mm")))
    (8, 8, 2·regular(4))
    """

    treats_channels = "by fibre"

    group: Group

    def __post_init__(self) -> None:
        check(self, group=_symbol_or_operations)

    def _split(self, channels: int | Fibre) -> tuple[Fibre, tuple[int, ...]]:
        """The fibre of the output, and for each of its channels that of the input."""
        fibre = _needs_fibre(self, channels)
        try:
            restricted = fibre.restrict(self.group)
        except ValueError as error:
            raise LayerError(f"{self}: {error}") from None
        return restricted.split

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self._split(shape[-1])[0])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params
        _, order = self._split(context.fibre)
        return (x if order == tuple(range(len(order))) else jnp.take(x, np.asarray(order), axis=-1)), state

    def symmetry(self, field: Field) -> Field:
        fibre, order = self._split(field.shape[-1])
        result = field.with_fibre(fibre)
        if order == tuple(range(len(order))):
            return result
        # Channels that were nodes before are not where a matching layer would look for them.
        apart = replace(result.deferred, unmixed=False)
        return changed(result, deferred=apart, unfolded=None, trial=result.trial, bands=result.bands)

    def reason(self, before: Field, lost: Lost) -> str:
        del before, lost
        return "only a subgroup is asked from here on"


@dataclass(frozen=True)
class AsFibre(Layer):
    """State that the channels of the input are a fibre; the values do not change.

    If an operation acts on the channels differently from the fibre, nothing is claimed under that operation. So
    if the inputs are vectors, pass `certify(net, domain, channels=fibre)`, and start the network with this layer.

    Args:
        fibre: the fibre.

    Raises:
        LayerError: from init and apply, if the number of channels is not the fibre's.
    """

    treats_channels = "by fibre"

    fibre: Fibre

    def __post_init__(self) -> None:
        check(self, fibre=channels)

    def output_shape(self, shape: Shape) -> Shape:
        _needs_fibre(self, self.fibre)
        if int(shape[-1]) != self.fibre.size:
            raise LayerError(f"{self}: this fibre has {self.fibre.size} channels; got shape {shape}")
        return (*shape[:-1], self.fibre)

    def channels_read(self, params: Params) -> int | None:
        del params
        return self.fibre.size

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params, context
        return x, state

    def symmetry(self, field: Field) -> Field:
        return field.read_as(self.fibre)

    def reason(self, before: Field, lost: Lost) -> str:
        del lost
        return f"the input's channels, {before.fibre}, do not move as this fibre says"
