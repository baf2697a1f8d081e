"""Adaptive polyphase layers: downsampling that lets the data choose which nodes to keep, and its inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from math import inf
from typing import Any

import jax
import jax.numpy as jnp

from equinet.checks import as_flag, is_integer, shown
from equinet.groups.fibre import Fibre
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State, region, set_up, shape_out
from equinet.layers.blur import blur_windows
from equinet.layers.conv import Conv
from equinet.layers.group_conv import GroupConv
from equinet.layers.hyperparameters import check, count, counts, optional, per_axis, positive
from equinet.ops.blur import blur
from equinet.ops.selection import choose, keep_phase, largest_norm, leaders, place_phase, stack_phases
from equinet.symmetry.choices import Tied, keep_component, restore_component, tied
from equinet.symmetry.field import Field, changed
from equinet.symmetry.polyphase import Phase
from equinet.symmetry.trace import Lost, Scope
from equinet.symmetry.windows import Window

Ints = int | tuple[int, ...]


def checked_strides(layer: Layer, stride: Ints, shape: Shape) -> tuple[int, ...]:
    strides = per_axis(stride, shape, "stride", layer)
    if any(n is not None and n % s for n, s in zip(shape[:-1], strides, strict=True)):
        nearest = tuple(None if n is None else -(-n // s) * s for n, s in zip(shape[:-1], strides, strict=True))
        raise LayerError(
            f"{layer}: stride {strides} must divide the sizes, for components of unequal sizes preserve no shift; "
            f"got sizes {shape[:-1]}: resize or pad the input so that they become e.g. {nearest}"
        )
    return strides


def as_norm(value: Any, what: str) -> float:
    if is_integer(value) and value in (1, 2):
        return int(value)
    if isinstance(value, float) and value in (1, 2, inf):
        return value
    raise ValueError(f"{what} must be 1, 2 or math.inf; got {shown(value)}")


def _odd_filter(value: Any, what: str) -> int:
    if not is_integer(value) or value not in (1, 3, 5, 7):
        raise ValueError(
            f"{what} must be an odd filter size from 1 to 7 (an even one moves the image by half a node), or None; "
            f"got {shown(value)}"
        )
    return int(value)


def phase_of_largest(x: jax.Array, strides: tuple[int, ...], norm: float, fibre: Fibre) -> jax.Array:
    """The offset of the component whose norm is the largest, `[batch, d]`."""
    return choose(x, strides, largest_norm(x, strides, norm), fibre)


class PhaseChoice(Layer):
    """What layers share that choose a phase: the phase that a residual shortcut takes over from its body."""

    treats_channels = "by fibre"
    marked = "inside"

    stride: Ints

    def output_shape(self, shape: Shape) -> Shape:
        strides = checked_strides(self, self.stride, shape)
        return (*(None if n is None else n // s for n, s in zip(shape[:-1], strides, strict=True)), shape[-1])

    def _knows_translations_only(self, fibre: Fibre) -> bool:
        """Whether the choice commutes with translations alone, rather than with what moves nodes and channels."""
        del fibre
        return False

    def looks_at(self, field: Field) -> Field:
        """What the choice depends on."""
        return field

    def _smooth(self, field: Field) -> Field:
        """What a component of is kept, as far as it moves with what the choice depends on."""
        return field

    def _replayed(self, context: Context) -> jax.Array | None:
        """The phase to keep instead of choosing, if this layer runs in a shortcut."""
        if context.replay is None:
            return None
        if context.restoring:
            raise LayerError(self._in_up())
        if not context.replay:
            raise LayerError(self._no_phase())
        return context.replay.pop(0)

    def _in_up(self) -> str:
        return f"{self}: an Hourglass cannot choose phases in `up`; use it in `down` or `inner`"

    def _no_phase(self) -> str:
        return (
            f"{self}: a polyphase layer of a shortcut keeps the phase that the body chose, and the body has no further "
            f"one: give body and shortcut equally many polyphase layers"
        )

    def sampled(
        self,
        sample: Callable[[Params, jax.Array, jax.Array | None], tuple[jax.Array, jax.Array]],
        params: Params,
        x: jax.Array,
        context: Context,
    ) -> jax.Array:
        """Run `sample`, which keeps a given phase or chooses one, as a function that declares its symmetry."""

        def rule(_params: Params, field: Field, phase: Phase | None) -> tuple[Field, Phase]:
            result = self.symmetry(field.within(Scope(replay=None if phase is None else (phase,))))
            return result.within(field.scope), result.scope.phases[-1]

        y, offset = region(self, rule)(sample)(params, x, self._replayed(context))
        context.chosen.append(offset)
        return y

    def symmetry(self, field: Field) -> Field:
        strides = checked_strides(self, self.stride, field.shape)
        replay = field.scope.replay
        if replay is not None:
            if field.scope.restoring:
                raise LayerError(self._in_up())
            if not replay:
                raise LayerError(self._no_phase())
            phase, replay = replay[0], replay[1:]
            if phase.stride != strides or phase.grid.sizes != field.grid.sizes:
                raise LayerError(
                    f"{self}: takes over a phase chosen with stride {phase.stride} on sizes {phase.grid.sizes}; "
                    f"got sizes {field.grid.sizes}: use the same stride at the same size in body and shortcut"
                )
        ties = tied(self.looks_at(field)) if max(strides) > 1 else ""
        result = self.at_phase(field, strides, ties)
        return result.within(replace(result.scope, replay=replay))

    def at_phase(self, field: Field, strides: tuple[int, ...], ties: Tied) -> Field:
        """What is made of the value at the phase that is chosen: by default, its component is kept."""
        translations_only = self._knows_translations_only(field.fibre)
        return keep_component(self._smooth(field), strides, tied=ties, translations_only=translations_only)

    def reason(self, before: Field, lost: Lost) -> str:
        del lost
        seen = before.unmoved() if before.raw else before
        ties = tied(self.looks_at(seen))
        if ties:
            kept = "shifts only" if ties == "by operations" else "only what moves no node is kept"
            return f"an isometry may leave what is chosen from as it is, for every input: {kept}"
        return "the data choose which nodes are kept, so how far the output moves is known only for some shifts"


@dataclass(frozen=True)
class PolyphasePool(PhaseChoice):
    """Adaptive polyphase sampling: `y[i] = x[s i + o*]`, o* = argmax_o ‖x_o‖ over the components `x_o[i] = x[s i + o]`.

    There is one choice per example, over all channels. A shift t changes o* to (o* + t) mod s, so y moves by a shift
    that depends on x. The strict group has the multiples of s, the orbit group all shifts, and a `PolyphaseUpsample` in
    an `Hourglass` undoes the choice. (Chaman and Dokmanić 2021, "Truly shift-invariant convolutional neural networks".)

    The choice does not depend on the order of summation: if rounding could change it, sums of integers decide. It is
    the same for the same components, wherever a shift, flip or rotation has put them. Between components of equal norm,
    their content decides, not their index. No rule that commutes with shifts can distinguish components that are shifts
    of each other, and no rule that also commutes with flips can distinguish mirror images. In the first case y is
    the same up to a shift whichever is kept. Norms are computed in single precision: beyond its range (10^±38), values
    count as 0 or infinite. The choice has no gradient; y has the gradient of the kept component.

    Args:
        stride: s, an int or one per axis.
        norm: p of the norm: 1, 2 or `math.inf`.
        blur: taps of a binomial filter (odd, 1 to 7, wrapped around), or None.
        blur_first: whether the norm is that of the filtered input. If False, it is that of the input itself, and the
            chosen component of the filtered input is kept. Use False with `norm=1`: a binomial filter is zero at the
            highest frequency, so for a map of one sign all components of the filtered map have equal 1-norms.

    Raises:
        ValueError: for another norm or an even filter.
        LayerError: from init and apply, if the stride does not divide a size.

    >>> import equinet as eq
    >>> certificate = eq.certify(PolyphasePool(2), eq.torus(8), channels=1)
    >>> print(certificate.strict, "|", certificate.orbit)
    2Z ⋊ m (index 2) | Z ⋊ m (index 1)
    >>> print(eq.certify(eq.Sequential(PolyphasePool(2), eq.GlobalAvgPool()), eq.torus(8), channels=1).invariance)
    Z ⋊ m (index 1)
    """

    stride: Ints
    _: KW_ONLY
    norm: float = 2
    blur: int | None = None
    blur_first: bool = True

    def __post_init__(self) -> None:
        check(self, stride=counts, norm=as_norm, blur=optional(_odd_filter), blur_first=as_flag)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        shape = x.shape[1:]
        strides = checked_strides(self, self.stride, shape)

        def sample(_params: Params, x: jax.Array, offset: jax.Array | None) -> tuple[jax.Array, jax.Array]:
            smooth = x if self.blur is None else blur(x, blur_windows(self, shape, self.blur, 1, "circular"))
            if offset is None:
                judged = jax.lax.stop_gradient(smooth if self.blur_first else x)
                offset = phase_of_largest(judged, strides, self.norm, context.fibre)
            return keep_phase(smooth, offset, strides), offset

        return self.sampled(sample, params, x, context), state

    def filters(self, shape: Shape) -> tuple[Window, ...]:
        """What the filter reads along each axis; nothing without one."""
        return () if self.blur is None else blur_windows(self, shape, self.blur, 1, "circular")

    def _filtered(self, field: Field) -> Field:
        readings = self.filters(field.shape)
        if not readings:
            return field

        def smooth(x: jax.Array) -> jax.Array:
            with jax.ensure_compile_time_eval():
                return blur(jnp.asarray(x), readings)

        trial = None if field.trial is None else field.trial.filtered(readings, field.shape, smooth)
        return changed(field.read(readings, "sum"), trial=trial)

    def looks_at(self, field: Field) -> Field:
        return self._filtered(field) if self.blur_first else field

    def _smooth(self, field: Field) -> Field:
        smooth = self._filtered(field)
        # A choice that looks at the input itself commutes with what moves it and the filtered input alike.
        chooses = not self.blur_first and max(per_axis(self.stride, field.shape, "stride", self)) > 1
        return field.join(smooth) if chooses and self.blur is not None else smooth


@dataclass(frozen=True)
class LearnedPolyphasePool(PhaseChoice):
    """Learned polyphase sampling: `y = x_o*`, o* = argmax_o of a logit that a small network gives each component.

    The logit of a component is the mean over its nodes of `conv3(relu(conv3(x_o)))`, with circular padding and
    weights shared by all components. On a fibre these are group convolutions over its group, and the
    choice commutes with its operations (up to rounding if two logits nearly tie). On plain channels it commutes
    with translations alone. In training the components are mixed, `y = Σ_o w_o x_o`, with Gumbel-softmax weights
    `w = softmax((logits + noise) / τ)`. Evaluation keeps the best component; only then is the declared symmetry exact.
    The logits are summed in fixed point, so that the order of nodes does not matter. (Rojas-Gomez et al. 2022,
    "Learnable polyphase sampling for shift invariant and equivariant convolutional networks".)

    Args:
        stride: s, an int or one per axis.
        hidden: channels between the two convolutions.
        temperature: initial τ; it is kept in the state (`{"temperature": τ}`) so that training can lower it without
            recompiling.

    Raises:
        LayerError: from init and apply, if the stride does not divide a size; from apply in training, without a key.
    """

    stride: Ints
    _: KW_ONLY
    hidden: int = 16
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check(self, stride=counts, hidden=count, temperature=positive)

    def _knows_translations_only(self, fibre: Fibre) -> bool:
        return fibre.is_plain

    def _smooth(self, field: Field) -> Field:
        # The fibre of scalars may be one of fewer operations than those which move no channel.
        return field if field.fibre.is_plain else field.under(field.fibre.group)

    def _convolutions(self, fibre: Fibre) -> tuple[Layer, Layer]:
        """The two layers of the network that gives logits: over the fibre's group, if the channels have one."""
        if fibre.is_plain:
            return Conv(self.hidden, 3, padding="circular"), Conv(1, 3, padding="circular", bias=False)
        regular = Fibre.regular(fibre.group)
        hidden = regular * max(self.hidden // regular.size, 1)
        second = GroupConv(Fibre.trivial(fibre.group), 3, padding="circular", bias=False)
        return GroupConv(hidden, 3, padding="circular"), second

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        first, second = self._convolutions(shape[-1])
        one, other = jax.random.split(key)
        params = {"first": set_up(first, one, shape)[0], "second": set_up(second, other, shape_out(first, shape))[0]}
        return params, {"temperature": jnp.asarray(self.temperature, jnp.float32)}

    def _scores(self, params: Params, components: jax.Array, fibre: Fibre) -> jax.Array:
        """The network's value at every node, `[batch, phases, nodes]`."""
        x = components.reshape(-1, *components.shape[2:])
        first, second = self._convolutions(fibre)
        hidden = shape_out(first, (*x.shape[1:-1], fibre))[-1]
        x, _ = first.forward(params["first"], (), x, Context(fibre=fibre))
        x, _ = second.forward(params["second"], (), jnp.maximum(x, jnp.zeros((), x.dtype)), Context(fibre=hidden))
        return x.reshape(*components.shape[:2], -1)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        strides = checked_strides(self, self.stride, x.shape[1:])

        def sample(params: Params, x: jax.Array, offset: jax.Array | None) -> tuple[jax.Array, jax.Array]:
            if offset is None:
                scores = self._scores(params, stack_phases(x, strides), context.fibre)
                offset = choose(x, strides, leaders([_order_of_means(scores)]), context.fibre)
            return keep_phase(x, offset, strides), offset

        if not context.train or context.replay is not None:
            return self.sampled(sample, params, x, context), state
        components = stack_phases(x, strides)
        scores = self._scores(params, components, context.fibre)
        context.chosen.append(choose(x, strides, leaders([_order_of_means(scores)]), context.fibre))
        logits = scores.astype(jnp.float32).mean(-1)
        noise = jax.random.gumbel(context.randomness(self), logits.shape, logits.dtype)
        weights = jax.nn.softmax((logits + noise) / state["temperature"].astype(logits.dtype), axis=1)
        weights = weights.astype(x.dtype).reshape(*weights.shape, *(1,) * (x.ndim - 1))
        return (components * weights).sum(1), state


def _order_of_means(scores: jax.Array) -> jax.Array:
    """Unsigned integers `[batch, phases]` that order the means of `scores` `[batch, phases, nodes]`.

    Scores are rounded to a grid that is a power of two relative to the largest of the example, and added as integers.
    """
    scores = jax.lax.stop_gradient(scores).astype(jnp.float32)
    nodes = scores.shape[-1]
    bits = max(30 - (nodes - 1).bit_length(), 4)
    largest = jnp.abs(scores).max((1, 2), keepdims=True)
    _, exponent = jnp.frexp(largest)
    grid = jnp.ldexp(scores, jnp.broadcast_to(min(bits, 20) - exponent, scores.shape))
    whole = jnp.where(jnp.isfinite(grid), jnp.round(grid), jnp.zeros((), grid.dtype)).astype(jnp.int32)
    total = whole.sum(-1, dtype=jnp.int32)
    return jax.lax.bitcast_convert_type(total, jnp.uint32) ^ jnp.asarray(1 << 31, jnp.uint32)


@dataclass(frozen=True)
class PhaseReturn(Layer):
    """What layers share that put values back at a phase, which the `down` of an `Hourglass` chose.

    Args:
        stride: s of the layer that chose it, an int or one per axis.
    """

    treats_channels = "alike"
    marked = "inside"

    stride: Ints

    def __post_init__(self) -> None:
        check(self, stride=counts)

    def put(self, x: jax.Array, offset: jax.Array, strides: tuple[int, ...]) -> jax.Array:
        """The values at that phase."""
        raise NotImplementedError

    def put_field(self, field: Field, phase: Phase) -> Field:
        """The field of what `put` gives."""
        raise NotImplementedError

    def _no_phase(self) -> str:
        return (
            f"{self}: no phase to put values back at: use it in the `up` part of an Hourglass whose `down` part has "
            f"as many layers that choose one"
        )

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        del params
        if not context.replay or not context.restoring:
            raise LayerError(self._no_phase())
        strides = per_axis(self.stride, x.shape[1:], "stride", self)

        @region(self, lambda field, phase: self.symmetry(field.within(Scope(replay=(phase,), restoring=True))))
        def put(x: jax.Array, offset: jax.Array) -> jax.Array:
            return self.put(x, offset, strides)

        return put(x, context.replay.pop(0)), state

    def symmetry(self, field: Field) -> Field:
        if not field.scope.replay or not field.scope.restoring:
            raise LayerError(self._no_phase())
        phase, *rest = field.scope.replay
        sizes = self.output_shape(field.shape)[:-1]
        strides = per_axis(self.stride, field.shape, "stride", self)
        if phase.stride != strides or phase.grid.sizes != sizes:
            raise LayerError(
                f"{self}: would make sizes {sizes} from a phase chosen with stride {phase.stride} on sizes "
                f"{phase.grid.sizes}: the polyphase layers of `up` must mirror those of `down`, last first"
            )
        return self.put_field(field, phase).within(replace(field.scope, replay=tuple(rest)))


@dataclass(frozen=True)
class PolyphaseUpsample(PhaseReturn):
    """Upsample to the phase that a polyphase pool chose: `y[s i + o*] = x[i]`, zeros elsewhere.

    Works only in the `up` part of an `Hourglass`, which passes on the phase o* that the matching layer of `down` chose.
    The pair is equivariant under every shift.

    Args:
        stride: s of the matching pool, an int or one per axis.

    Raises:
        LayerError: from apply and certify, outside an `Hourglass`, or if `down` has no matching layer.
    """

    def output_shape(self, shape: Shape) -> Shape:
        strides = per_axis(self.stride, shape, "stride", self)
        return (*(None if n is None else n * s for n, s in zip(shape[:-1], strides, strict=True)), shape[-1])

    def put(self, x: jax.Array, offset: jax.Array, strides: tuple[int, ...]) -> jax.Array:
        return place_phase(x, offset, strides)

    def put_field(self, field: Field, phase: Phase) -> Field:
        return restore_component(field, phase)
