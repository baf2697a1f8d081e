"""The protocol of a layer: what it computes, and what it declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import register_dataclass

from equinet.checks import MOST, MOST_AXES, as_flag, as_items, is_integer, shown
from equinet.groups.fibre import Fibre, as_fibre
from equinet.layers.spelling import check_arguments
from equinet.ops.arrays import as_key
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost

Shape = tuple[Any, ...]
"""`(*spatial, channels)`: sizes, None along an infinite axis; and a `Fibre`, or the number of channels for a layer that
treats them "apart" or "each"."""
Params = Any
State = Any
Variables = dict[str, Any]


class _Placed(Exception):
    """An error whose message begins with the path of a layer in the network."""

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        self.message, self.path = message, path
        super().__init__(": ".join((" → ".join(path), message)) if path else message)


class LayerError(_Placed, ValueError):
    """A layer cannot run on its input or variables. The message names the layer by its path in the network."""


class UndefinedError(_Placed, NotImplementedError):
    """A layer lacks a method that it is asked for: whatever it is given, it cannot answer."""


class within:
    """Prefix the path of any error about a layer raised inside with `name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _Placed):
            raise type(error)(error.message, (self.name, *error.path)) from None


BATCH = "init takes a shape without the batch, (*spatial, channels), and apply an array with it"


@dataclass
class Context:
    """What a forward pass carries besides arrays; lives for one trace only.

    Attributes:
        train: whether statistics are updated and random layers are random.
        key: randomness of this layer in training, or None.
        chosen: phases chosen so far in the enclosing scope, appended to by polyphase layers.
        replay: phases of another part of the network to use, first to last, or None.
        restoring: whether `replay` is there for layers that put values back, rather than for those that keep them.
        fibre: the channels of the input.
    """

    train: bool = False
    key: jax.Array | None = None
    chosen: list[jax.Array] = field(default_factory=list)
    replay: list[jax.Array] | None = None
    restoring: bool = False
    fibre: Fibre = field(default_factory=lambda: Fibre.plain(0))

    def _child_key(self, index: int) -> jax.Array | None:
        return None if self.key is None else jax.random.fold_in(self.key, index)

    def child(self, index: int, fibre: Fibre) -> Context:
        """The context of child number `index`, which reads `fibre`: randomness of its own, the same scope of phases."""
        return replace(self, key=self._child_key(index), fibre=fibre)

    def scope(
        self, index: int, fibre: Fibre, replay: Sequence[jax.Array] | None = None, restoring: bool = False
    ) -> Context:
        """The context of a child with a scope of phases of its own."""
        phases = None if replay is None else list(replay)
        return Context(self.train, self._child_key(index), [], phases, restoring, fibre)

    def shape(self, x: jax.Array) -> Shape:
        """The shape `(*spatial, channels)` of the input x, with its fibre."""
        return (*x.shape[1:-1], self.fibre)

    def randomness(self, layer: Layer) -> jax.Array:
        """The key of a random layer in training.

        Raises:
            LayerError: if `apply` was given none.
        """
        if self.key is None:
            raise LayerError(
                f"{layer} draws random numbers in training: pass key= to apply(..., train=True); "
                f"as a Flax module it takes them from the stream 'dropout'"
            )
        return self.key


class Layer:
    """A layer: a frozen dataclass of static hyperparameters with pure methods.

    Subclasses define `output_shape`, `setup`, `forward` and `symmetry`; users call `init`, `apply` and `bind`.
    Arrays are `[batch, *spatial, channels]`. Parameters and state are explicit pytrees, so a change of weights never
    recompiles.
    """

    treats_channels: ClassVar[Literal["alike", "by fibre", "each", "apart"]] = "apart"
    """Whether it does the same to every channel, or what commutes with what moves them (`context.fibre` says how), or
    something else to each, or tells them apart, as any layer may that does not say otherwise. The last two are given a
    number of channels in a shape, not a `Fibre`, and only what moves no channel survives them. After the third, a layer
    that reads fibres is an error where operations moved the channels before."""

    marked: ClassVar[Literal["where channels move", "always", "inside"]] = "where channels move"
    """Where `infer` takes what `symmetry` declares rather than what code shows: where operations move channels, always,
    or in regions that `forward` declares itself."""

    is_unbound: ClassVar[bool] = True
    """Whether it is no function of arrays, though it can be called, which says what to do."""

    def __new__(cls, *given: Any, **named: Any) -> Self:
        check_arguments(cls, len(given), tuple(named))
        return super().__new__(cls)

    def __call__(self, *_: Any, **__: Any) -> Any:
        """A layer holds no weights, so it is not called: see `apply` and `bind`.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{type(self).__name__} is called without its variables: net.bind(variables)(x), or net.apply(variables, "
            f"x), with variables = net.init(key, (*spatial, channels))"
        )

    def output_shape(self, shape: Shape) -> Shape:
        """Shape `(*spatial, channels)` of the output for an input of that shape (None: an infinite axis).

        Channels are a `Fibre` that describes how point operations act on them, or a number of plain ones.

        Raises:
            LayerError: if the layer cannot run on such an input.
        """
        raise _undefined(self, "output_shape(self, shape), the shape of its output")

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        """Initial parameters and state, two dicts; none by default."""
        del key, shape
        return {}, {}

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        """Output and new state."""
        raise _undefined(self, "forward(self, params, state, x, context), which returns its output and new state")

    def channels_read(self, params: Params) -> int | None:
        """How many channels the input has, as far as the parameters tell: None if they do not."""
        del params
        return None

    def symmetry(self, field: Field) -> Field:
        """The symmetry of the output, from the symmetry of the input."""
        raise _undefined(
            self, "symmetry(self, field), the symmetry of its output: field.fix_positions() is always right"
        )

    def reason(self, before: Field, lost: Lost) -> str:
        """Why isometries are lost here, for the ledger.

        Args:
            before: the field of the input.
            lost: which of "translations" and "operations" (point operations) are lost.
        """
        del before, lost
        return ""

    def init(self, key: jax.Array | int, shape: Sequence[int | Fibre]) -> Variables:
        """Initial variables `{"params": …, "state": …}`.

        Args:
            key: a JAX random key, or an int seed.
            shape: `(*spatial, channels)` of the input, without the batch; channels may be a `Fibre`.

        Raises:
            LayerError: if some layer cannot run on an input of this shape.
        """
        sizes = as_shape(shape, "init")
        seed = as_key(key, "init")
        shape_out(self, sizes)
        params, state = set_up(self, jax.random.key(seed) if isinstance(seed, int) else seed, sizes)
        return {"params": params, "state": state}

    def apply(
        self, variables: Variables, x: jax.Array, *, train: bool = False, key: jax.Array | int | None = None
    ) -> Any:
        """The output `[batch, *spatial, channels]`; with `train=True` the pair (output, new state).

        Raises:
            TypeError: if x is no array.
            LayerError: if some layer cannot run on an input of this shape, or draws random numbers without a key, or
                the variables are those of another network.
        """
        if not isinstance(x, jax.Array | np.ndarray):
            raise TypeError(
                f"apply(variables, x) needs an array x, [batch, *spatial, channels]; got {shown(x)} of type "
                f"{type(x).__name__}"
            )
        if x.ndim < 2 or 0 in x.shape:
            raise LayerError(
                f"apply needs an array [batch, *spatial, channels] without empty axes; got shape {x.shape}"
            )
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise LayerError(f"apply needs floating-point numbers; got {x.dtype}: convert with x.astype(jnp.float32)")
        x = jnp.asarray(x)  # numpy's doubles are taken as JAX takes them
        train = as_flag(train, "apply: train")
        seed = None if key is None else as_key(key, "apply")
        shape = (*x.shape[1:-1], Fibre.plain(x.shape[-1]))
        context = Context(train, jax.random.key(seed) if isinstance(seed, int) else seed, fibre=shape[-1])
        held = as_variables(variables, "apply")
        shape_out(self, shape)
        try:
            y, state = self.run(held["params"], held["state"], x, context)
        except LayerError:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            wrong = misfit(self, held, shape)
            if wrong:
                raise LayerError(f"apply: {wrong}") from None
            raise
        return (y, state) if train else y

    def bind(self, variables: Variables) -> Bound:
        """The layer with its variables: a function of x, in evaluation mode.

        Raises:
            LayerError: if the variables are no `{"params": …, "state": …}`.
        """
        as_variables(variables, "bind")
        return Bound(self, variables)

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        """Layers inside this one, with their names."""
        return ()

    def chain(self, params: Params, state: State) -> tuple[tuple[Layer, Params, State], ...]:
        """The layers that are applied one after the other, with their variables: one, itself, unless it says so."""
        return ((self, params, state),)

    @property
    def unnamed(self) -> Layer:
        """The layer itself, without a name given to it."""
        return self

    def run(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        """`forward`; in evaluation a region that declares what code does not show, such as how channels are moved.

        So `infer` finds in any program what `certify` finds in the network.
        """
        layer = self.unnamed
        if context.train or layer.children or layer.marked == "inside":
            return layer.forward(params, state, x, context)
        fibres = (context.fibre, shape_out(layer, context.shape(x))[-1])
        if layer.marked != "always" and all(fibre.is_plain for fibre in fibres):
            return layer.forward(params, state, x, context)

        @region(layer, lambda _params, _state, field: field_out(layer, field))
        def forward(params: Params, state: State, x: jax.Array) -> jax.Array:
            return layer.forward(params, state, x, context)[0]

        return forward(params, state, x), state

    def __str__(self) -> str:
        shown = []
        for f in fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, f.name)
            if not f.repr or value == f.default:
                continue
            required = f.default is f.default_factory  # both MISSING
            shown.append(f"{value}" if required else f"{f.name}={value}")
        return f"{type(self).__name__}({', '.join(shown)})"


def region(layer: Layer, rule: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares the symmetry of a part of what a layer computes, in the layer's name."""
    # It loads JAX's parts for primitives, as slow as half of equinet. A certificate does not need them.
    from equinet.declare import declare

    return declare(rule, name=str(layer))


def _undefined(layer: Layer, method: str) -> UndefinedError:
    return UndefinedError(f"{type(layer).__name__} is a layer of yours that does not define {method}")


@register_dataclass
@dataclass(frozen=True, eq=False)
class Bound:
    """A layer with its variables. Calling it applies the layer in evaluation mode.

    It is a pytree whose leaves are the variables, so it can be passed through `jax.jit` and `jax.grad`.
    """

    layer: Layer = field(metadata={"static": True})
    variables: Variables

    def __call__(self, x: jax.Array) -> jax.Array:
        """`layer.apply(variables, x)`."""
        return self.layer.apply(self.variables, x)

    def input_channels(self, sizes: Sequence[int | None]) -> int | None:
        """How many channels an input `[batch, *sizes, channels]` has, as far as the variables tell: None if they do
        not, since there are none, or those that tell stand behind a layer that changes the channels.
        """
        held = as_variables(self.variables, "input_channels")
        sizes = tuple(as_items(sizes, "input_channels needs the sizes of the input's axes"))
        as_shape((*(1 if n is None else n for n in sizes), 1), "input_channels")
        try:
            told = self.layer.channels_read(held["params"])
        except (AttributeError, IndexError, KeyError, TypeError):
            told = None
        # Behind a layer that changes the channels, what tells is wrong: then init gives other weights.
        return None if told is None or _is_misfit(self.layer, held, (*sizes, Fibre.plain(told))) else told


def as_shape(shape: Sequence[int | Fibre], asker: str) -> Shape:
    """A shape `(*spatial, channels)`, whose channels may be a number.

    Raises:
        LayerError: if it is none.
    """
    rule = f"{asker} needs a shape (*spatial, channels) of positive integers"
    is_one = isinstance(shape, Sequence) and not isinstance(shape, str | bytes) and len(shape) <= MOST_AXES
    sizes = tuple(shape) if is_one else ()
    numbers = (*sizes[:-1], *(n.size if isinstance(n, Fibre) else n for n in sizes[-1:]))
    if isinstance(shape, jax.Array | np.ndarray) and shape.ndim > 1:
        raise LayerError(f"{rule}; got an array of shape {shape.shape}: give x.shape[1:], without the batch")
    if len(sizes) < 1 or not all(is_integer(n) and 1 <= n <= MOST for n in numbers):
        raise LayerError(f"{rule}, none above {MOST}; got {shown(shape)}")
    return (*map(int, sizes[:-1]), as_fibre(sizes[-1]))


def as_variables(variables: Variables, asker: str) -> Mapping[str, Any]:
    """Variables as `init` makes them.

    Raises:
        LayerError: if they are none.
    """
    if isinstance(variables, Mapping) and {"params", "state"} <= set(variables):
        return variables
    rule = f'{asker} needs variables {{"params": …, "state": …}}, as init makes them'
    if not isinstance(variables, Mapping):
        raise LayerError(f"{rule}; got {shown(variables)}")
    if "params" in variables:
        raise LayerError(
            f'{rule}; got no "state": give that of init, or the one that apply(…, train=True) gave; {{}} where no '
            f"layer has any"
        )
    listed = shown(", ".join(map(str, variables)))
    raise LayerError(f"{rule}; got a dict of {listed}: if these are the parameters, give all that init made")


def _reads_fibres(layer: Layer) -> bool:
    """Whether it is a `Fibre` that a shape has in the place of channels, rather than their number."""
    return bool(layer.children) or layer.unnamed.treats_channels in ("alike", "by fibre")


def shape_out(layer: Layer, shape: Shape) -> Shape:
    """The shape of a layer's output; the channels of one that reads no fibres are plain, whatever it says."""
    *sizes, fibre = (*shape[:-1], as_fibre(shape[-1]))
    reads = _reads_fibres(layer)
    *sizes_out, channels = layer.output_shape((*sizes, fibre if reads else fibre.size))
    after = as_fibre(channels)
    if not reads:
        is_forgotten = layer.unnamed.treats_channels == "each" and after.size == fibre.size
        after = fibre.forget(layer.unnamed) if is_forgotten else Fibre.plain(after.size)
    return (*sizes_out, after)


def field_out(layer: Layer, field: Field) -> Field:
    """The field of a layer's output, whose channels move as its shape says: so the layers that follow compute."""
    result = layer.symmetry(field)
    # Plain channels of plain ones need no telling, and the shape of a whole network takes time.
    is_plain = field.fibre.is_plain and result.fibre.is_plain
    return result if is_plain else result.read_as(shape_out(layer, field.shape)[-1])


def set_up(layer: Layer, key: jax.Array, shape: Shape) -> tuple[Params, State]:
    """What `setup` gives, on infinite axes too: there a layer without children has the weights of a single node."""
    if layer.children:
        return layer.setup(key, shape)
    sizes, fibre = (n or 1 for n in shape[:-1]), as_fibre(shape[-1] or 1)
    return layer.setup(key, (*sizes, fibre if _reads_fibres(layer) else fibre.size))


def _is_misfit(layer: Layer, variables: Mapping[str, Any], shape: Shape) -> bool:
    """Whether a network cannot run on inputs of a shape, or its variables are not made for them."""
    try:
        shape_out(layer, shape)
    except LayerError:
        return True
    return bool(misfit(layer, variables, shape))


def misfit(layer: Layer, variables: Mapping[str, Any], shape: Shape) -> str:
    """What tells variables from those that `init` makes for inputs of a shape; nothing if they are like them.

    Asked where a layer could not run, so that what runs pays nothing for it.
    """
    outline = jax.eval_shape(lambda: set_up(layer, jax.random.key(0), shape))
    for part, expected in zip(("params", "state"), outline, strict=True):
        given, like = (dict(jax.tree_util.tree_flatten_with_path(t)[0]) for t in (variables[part], expected))
        for path in {**like, **given}:
            place = f"{part}{jax.tree_util.keystr(path)}"
            found = jnp.shape(given[path]) if isinstance(given.get(path), jax.Array | np.ndarray) else None
            wanted = like[path].shape if path in like else None
            if found != wanted:
                came = shown(given[path]) if found is None and path in given else f"shape {found}"
                return (
                    f"the variables are those of another network or input: {place} should be "
                    f"{'absent' if wanted is None else f'an array of shape {wanted}'}; got "
                    f"{came if path in given else 'nothing'}: make them with init on an input of shape {shape}, "
                    f"without the batch"
                )
    return ""
