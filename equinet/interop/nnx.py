"""Layers as Flax NNX modules, and NNX modules as layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from equinet.checks import as_kind
from equinet.interop import pools
from equinet.interop.family import Family, Opened, named_calls, refuse_training
from equinet.interop.foreign import Foreign, Rule, mode_arguments
from equinet.interop.mending import Around, Calls, Change, Edited, Mender, Path, Spread, Upward, Watch, Windows, several
from equinet.interop.names import leaf_paths, lookup, nest_paths, outline
from equinet.layers import Context, Layer
from equinet.layers.base import Params, State, as_shape
from equinet.layers.combination import layer_given


class NnxLayer(nnx.Module):
    """A layer of equinet as an NNX module; see `to_nnx`."""

    def __init__(self, layer: Layer, shape: Sequence[int], rngs: nnx.Rngs) -> None:
        self.layer, self.shape = layer, tuple(shape)
        variables = layer.init(rngs.params(), self.shape)

        def held(tree: Any, kind: type[nnx.Variable]) -> dict[str, Any]:
            return nnx.data(nest_paths(leaf_paths(tree), [kind(leaf) for leaf in jax.tree.leaves(tree)]))

        self.params, self.state = held(variables["params"], nnx.Param), held(variables["state"], nnx.BatchStat)
        # An attribute that the methods `train` and `eval` of modules set.
        self.deterministic = True
        self.rngs = rngs["dropout"].fork() if "dropout" in rngs or "default" in rngs else None

    def __call__(self, x: jax.Array, *, train: bool | None = None) -> jax.Array:
        """The output `[batch, *spatial, channels]`."""
        layer, like = self.layer, outline(self.layer, self.shape)

        def held(tree: dict[str, Any], like: Any) -> list[nnx.Variable]:
            return lookup(layer, tree, leaf_paths(like))

        def values(variables: list[nnx.Variable], like: Any) -> Any:
            return jax.tree.unflatten(jax.tree.structure(like), [variable.get_value() for variable in variables])

        statistics = held(self.state, like["state"])
        variables = {
            "params": values(held(self.params, like["params"]), like["params"]),
            "state": values(statistics, like["state"]),
        }
        if self.deterministic if train is None else not train:
            return layer.apply(variables, x)
        key = None if self.rngs is None else self.rngs()
        y, state = layer.apply(variables, x, train=True, key=key)
        for variable, value in zip(statistics, jax.tree.leaves(state), strict=True):
            variable.set_value(value)
        return y


def to_nnx(layer: Layer, shape: Sequence[int], rngs: nnx.Rngs) -> nnx.Module:
    """A layer as an NNX module `(x, *, train=None) -> y`.

    It computes what the layer does on `[batch, *spatial, channels]`. Its parameters are variables of type
    `nnx.Param` in nested dictionaries under `params`, its state (statistics of batch norms) of type `nnx.BatchStat`
    under `state`, called as the layer calls them (`params["0_conv"]["kernel"]`).

    The module starts in evaluation mode; its methods `train()` and `eval()` switch, and `train=` overrides them for
    one call.

    Args:
        layer: the layer.
        shape: `(*spatial, channels)` of the input, without the batch.
        rngs: its stream `params` draws the parameters. What random layers draw in training comes from a fork of its
            stream `dropout`; where it has neither that nor a default stream the module holds no random state.

    Raises:
        LayerError: as the layer does: if it cannot run on an input of this shape, or in training if it draws random
            numbers and the module holds no random state.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(8, 3), eq.BatchNorm(), eq.Named("scores", eq.Dense(10)))
    >>> model = to_nnx(net, (8, 8, 1), nnx.Rngs(params=0))
    >>> model.params["0_conv"]["kernel"].shape
    (3, 3, 1, 8)
    >>> model(jnp.ones((2, 8, 8, 1)), train=True).shape
    (2, 8, 8, 10)
    """
    layer_given(layer, "to_nnx needs an equinet layer")
    as_kind(rngs, nnx.Rngs, "to_nnx needs random streams, such as nnx.Rngs(params=0)")
    return NnxLayer(layer, as_shape(shape, "to_nnx"), rngs)


@dataclass(frozen=True)
class FromNnx(Foreign):
    graph: nnx.GraphDef[nnx.Module]
    name: str
    held: tuple[nnx.State, nnx.State, nnx.State] = field(compare=False)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        del key, shape
        params, _, state = self.held
        return _values(params), _values(state)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        params_like, rngs, state_like = self.held
        if context.train and jax.tree.leaves(rngs):
            rngs = _reseeded(rngs, context.randomness(self))
        model = nnx.merge(self.graph, self._filled(params_like, params), rngs, self._filled(state_like, state))
        model.train() if context.train else model.eval()
        y = model(x, **mode_arguments(type(model).__call__, context.train))
        if not context.train:
            return y, state
        *_, after = nnx.split(model, nnx.Param, nnx.RngState, ...)
        return y, nest_paths(_paths(state_like), lookup(self, _values(after), _paths(state_like)))

    def _filled(self, like: nnx.State, values: Any) -> nnx.State:
        found = zip(nnx.to_flat_state(like), lookup(self, values, _paths(like)), strict=True)
        return nnx.from_flat_state([(path, variable.replace(value)) for (path, variable), value in found])

    def __str__(self) -> str:
        return f"from_nnx({self.name})"


def _paths(state: nnx.State) -> list[tuple[str, ...]]:
    return [tuple(map(str, path)) for path, _ in nnx.to_flat_state(state)]


def _values(state: nnx.State) -> dict[str, Any]:
    return nest_paths(_paths(state), [variable.get_value() for _, variable in nnx.to_flat_state(state)])


def _reseeded(rngs: nnx.State, key: jax.Array) -> nnx.State:
    """Random streams that all start anew, each from a key of its own."""
    leaves, structure = jax.tree.flatten(rngs)
    fresh = [
        jax.random.fold_in(key, i) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jnp.zeros_like(leaf)
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, fresh)


def from_nnx(module: nnx.Module, *, symmetry: Rule | None = None, size: int = 64) -> Layer:
    """An NNX module as a layer.

    The layer's parameters are the module's variables of type `nnx.Param`, its state all others but random streams.
    `init` gives the values that the module has now, whatever the key; the module itself is not changed. For every x,
    every h of the group H that is declared or inferred and every value of the parameters, `f(h·x) = φ(h)·f(x)`.

    Args:
        module: of one array `[batch, *spatial, channels]`; the output keeps the spatial axes or has none. It is put
            in training or evaluation mode by its methods `train` and `eval`, and by an argument `train`, `training`,
            `is_training`, `deterministic` or `use_running_average`, if it has one. In training its random streams
            start from the key given to `apply`.
        symmetry: a rule `Field -> Field` that declares H and φ, taken on trust: test it with `verify`. By default they
            are inferred from the module's program, for all values of its variables.
        size: number of nodes to trace with along an infinite axis.

    Raises:
        ValueError: if size < 1.
        LayerError: from init, apply and certify, if the module cannot run on the input, or its output does not have
            the shape that the rule says; from apply in training, if it has random streams and no key is given.

    >>> import equinet as eq
    >>> mix = nnx.Conv(1, 4, (1, 1), rngs=nnx.Rngs(0))
    >>> net = eq.Sequential(from_nnx(mix, symmetry=lambda field: field.pointwise("affine", 4)), eq.MaxPool(2))
    >>> net.init(jax.random.key(0), (8, 8, 1))["params"]["0_from_nnx"]["kernel"].shape
    (1, 1, 1, 4)
    >>> print(eq.certify(net, eq.torus(8, 8), channels=1).strict)
    2Z × 2Z ⋊ 4mm (p4m, index 4)
    """
    as_kind(module, nnx.Module, "from_nnx needs an NNX module")
    graph, params, rngs, state = nnx.split(module, nnx.Param, nnx.RngState, ...)
    return FromNnx(symmetry, size, graph, type(module).__name__, (params, rngs, state))


EDITED = (nnx.Conv, nnx.ConvTranspose, nnx.Linear)
_running: ContextVar[Edited | None] = ContextVar("_running", default=None)
"""The edited model that runs, which tells its parts of each other."""


def _run_of(change: Around | Upward) -> Edited:
    """The run of the edited model that a part is in; alone it has one of its own.

    Raises:
        ValueError: alone, if it shares with others which nodes are kept.
    """
    run = _running.get()
    if run is None and change.rolled:
        raise ValueError("this convolution keeps the nodes that its model chooses: call the model, not its parts")
    return Edited({}) if run is None else run


class MendedConv(nnx.Conv):
    """A convolution without padding, on a map that is continued around the torus, and may be rolled before."""

    before: Windows
    change: Around

    def __call__(self, inputs: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        """The convolution of the longer map.

        Raises:
            ValueError: outside of its model, if others choose with it which nodes are kept.
        """
        call, run = super().__call__, _run_of(self.change)
        return self.change(self.before, inputs, run.phases, lambda x, _: call(x, *args, **kwargs))


class MendedTranspose(nnx.ConvTranspose):
    """A transposed convolution of a map that is continued around the torus; its own may be rolled back."""

    change: Upward

    def __call__(self, inputs: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        """What lies over the map itself.

        Raises:
            ValueError: outside of its model, if others choose for it which nodes are kept.
        """
        call, run = super().__call__, _run_of(self.change)
        return self.change(self, inputs, run.phases, lambda x: call(x, *args, **kwargs))


class MendedLinear(nnx.Linear):
    """A dense layer, on the means of a flattened map."""

    change: Spread

    def __call__(self, inputs: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        """The dense layer of these."""
        call = super().__call__
        return self.change(self, inputs, {}, lambda x: call(x, *args, **kwargs))


@cache
def _whole(kind: type[Any]) -> type[Any]:
    """The class of an edited model, as its own but for its pools and for what its parts know of each other."""

    class Whole(kind):
        equinet_changes: tuple[tuple[Path, Change], ...] = ()

        @wraps(kind.__call__)
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            run = Edited(dict(self.equinet_changes))
            token = _running.set(run)
            try:
                with _intercepted(run.meet, self.equinet_changes):
                    return super().__call__(*args, **kwargs)
            finally:
                _running.reset(token)

    Whole.__name__, Whole.__qualname__, Whole.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Whole


def _intercepted(meet: Callable[..., Any], key: Any) -> AbstractContextManager[None]:
    """Pools and resizing are met meanwhile, `(path, part, x, compute) -> y`; they go by their order in the run."""
    calls = Calls()
    return pools.intercepted(lambda part, x, compute: meet(calls.named(part.name), part, x, compute), key)


@dataclass(frozen=True, eq=False)
class _Note:
    """Tells of a call."""

    watch: Watch
    path: Path
    part: nnx.Module


def _watching(kind: type[Any]) -> type[Any]:
    class Watching(kind):
        def __call__(self, inputs: jax.Array, *args: Any, **kwargs: Any) -> Any:
            call = super().__call__
            return self.note.watch.meet(self.note.path, self.note.part, inputs, lambda x: call(x, *args, **kwargs))

    return Watching


def _editor(module: nnx.Module, like: Any) -> Mender:
    (watch, like), watched = several(like), nnx.clone(module)
    parts = {path: part for path, part in _by_path(module) if type(part) in EDITED}
    for path, part in _by_path(watched):
        if path in parts:
            part.__class__ = _watching(type(part))
            part.note = _Note(watch, path, parts[path])
    run, variables = READER.program(watched, like)
    with _intercepted(watch.meet, object()):
        jax.eval_shape(run, variables, like)
    return Mender(watch, _mended)


def _mended(module: nnx.Module, changes: dict[Path, Change]) -> nnx.Module:
    result: Any = nnx.clone(module)
    for path, part in _by_path(result):
        change = changes.get(path)
        if isinstance(change, Around):
            padding = part.padding if isinstance(part.padding, str | int) else tuple(map(_fixed, part.padding))
            size, strides = map(_fixed, (part.kernel_size, part.strides))
            before = Windows("Conv", size, strides, padding, _fixed(part.kernel_dilation))
            part.__class__, part.before, part.change, part.padding = MendedConv, before, change, "VALID"
        elif isinstance(change, Upward):
            part.__class__, part.change = MendedTranspose, change
        elif isinstance(change, Spread):
            part.__class__, part.change = MendedLinear, change
    known = dict(getattr(result, "equinet_changes", ()))
    if not known:
        result.__class__ = _whole(type(result))
    result.equinet_changes = tuple((known | changes).items())
    return result


def _by_path(module: nnx.Module) -> list[tuple[Path, Any]]:
    return [(tuple(map(str, path)), part) for path, part in nnx.iter_modules(module)]


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _opened(module: nnx.Module, *like: Any, **named: Any) -> Opened:
    """Parameters and statistics of batch norms are free, other variables as they are, if they have values.

    Raises:
        ValueError: in training mode.
    """
    del like, named
    refuse_training(module, _parts(module), "call model.eval() first")
    mode = mode_arguments(type(module).__call__, False)
    graph, learned, rest = nnx.split(module, nnx.Any(nnx.Param, nnx.BatchStat), ...)
    is_bare = any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(rest))
    free = (learned, rest) if is_bare else (learned,)

    def run(variables: tuple[Any, ...], *given: Any, **by_name: Any) -> Any:
        network = nnx.merge(graph, *variables, *(() if is_bare else (rest,)))
        with named_calls(_parts(network)):
            return network(*given, **mode, **by_name)

    return Opened(run, free)


def _parts(module: nnx.Module) -> list[tuple[str, Any]]:
    """The modules within a module by their names."""
    return [(".".join(path), part) for path, part in _by_path(module)]


READER = Family(_opened, lambda module: "BSC", "make it outside of nnx.eval_shape", from_nnx, _editor)
