"""Layers as Flax Linen modules, and Linen modules as layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from equinet.checks import as_items, as_kind, shown
from equinet.interop import pools
from equinet.interop.family import Family, Opened
from equinet.interop.foreign import Foreign, Rule, mode_arguments
from equinet.interop.mending import Calls, Change, Edited, Mender, Path, Resizing, Windows, several
from equinet.interop.names import leaf_paths, lookup, nest_paths, outline
from equinet.layers import Context, Layer
from equinet.layers.base import Params, State
from equinet.layers.combination import layer_given


class LinenLayer(nn.Module):
    """A layer of equinet as a Linen module; see `to_linen`."""

    layer: Layer

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """The output `[batch, *spatial, channels]`."""
        layer, like = self.layer, outline(self.layer, x.shape[1:])
        if self.is_initializing():
            initial = layer.init(self.make_rng("params"), x.shape[1:])
            for name, value in _nested(initial["params"]).items():
                self.param(name, lambda _, value=value: value)
            for name, value in _nested(initial["state"]).items():
                self.variable("batch_stats", name, lambda value=value: value)
        params, state = (
            jax.tree.unflatten(jax.tree.structure(tree), lookup(layer, held, leaf_paths(tree)))
            for held, tree in (
                (self.variables.get("params", {}), like["params"]),
                (self.variables.get("batch_stats", {}), like["state"]),
            )
        )
        variables = {"params": params, "state": state}
        if not train:
            return layer.apply(variables, x)
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        y, state = layer.apply(variables, x, train=True, key=key)
        if not self.is_initializing():
            for name, value in _nested(state).items():
                self.put_variable("batch_stats", name, value)
        return y


def _nested(tree: Any) -> dict[str, Any]:
    return nest_paths(leaf_paths(tree), jax.tree.leaves(tree))


def to_linen(layer: Layer) -> nn.Module:
    """A layer as a Linen module `(x, train=False) -> y`.

    It computes what the layer does on `[batch, *spatial, channels]`. Its parameters are nested dictionaries in the
    collection `params`, its state (statistics of batch norms) in `batch_stats`, called as the layer calls them
    (`params/0_conv/kernel`). Random layers draw from the stream `dropout` in training.

    Raises:
        LayerError: from init and apply, as the layer does.

    >>> import equinet as eq
    >>> model = to_linen(eq.Sequential(eq.Conv(8, 3), eq.BatchNorm(), eq.Named("scores", eq.Dense(10))))
    >>> x = jnp.ones((2, 8, 8, 1))
    >>> variables = model.init(jax.random.key(0), x)
    >>> jax.tree.map(jnp.shape, variables)["params"]["0_conv"]
    {'bias': (8,), 'kernel': (3, 3, 1, 8)}
    >>> y, updated = model.apply(variables, x, train=True, mutable=["batch_stats"])
    """
    return LinenLayer(layer_given(layer, "to_linen needs an equinet layer"))


@dataclass(frozen=True)
class FromLinen(Foreign):
    module: nn.Module
    streams: tuple[str, ...]

    def _mode(self, train: bool) -> dict[str, Any]:
        return mode_arguments(type(self.module).__call__, train)  # pyright: ignore[reportFunctionMemberAccess]

    def _keys(self, key: jax.Array) -> dict[str, jax.Array]:
        return {name: jax.random.fold_in(key, i) for i, name in enumerate(self.streams, start=1)}

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        keys = {**self._keys(key), "params": jax.random.fold_in(key, 0)}
        variables = dict(self.module.init(keys, jnp.zeros((1, *shape)), **self._mode(False)))
        return variables.pop("params", {}), variables

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        variables, mode = {"params": params, **state}, self._mode(context.train)
        if not context.train:
            return self.module.apply(variables, x, **mode), state  # pyright: ignore[reportReturnType]
        keys = None if context.key is None else self._keys(context.key)
        y, updated = self.module.apply(variables, x, **mode, rngs=keys, mutable=list(state))
        return y, {**state, **updated}

    def __str__(self) -> str:
        return f"from_linen({type(self.module).__name__})"


def from_linen(
    module: nn.Module, *, symmetry: Rule | None = None, size: int = 64, streams: tuple[str, ...] = ("dropout",)
) -> Layer:
    """A Linen module as a layer.

    The layer's parameters are the module's collection `params`, its state all others. For every x, every h of the
    group H that is declared or inferred and every value of the parameters, `f(h·x) = φ(h)·f(x)`.

    Args:
        module: of one array `[batch, *spatial, channels]`; the output keeps the spatial axes or has none. In training
            it is told so by its argument `train`, `training`, `is_training`, `deterministic` or `use_running_average`,
            if it has one.
        symmetry: a rule `Field -> Field` that declares H and φ, taken on trust: test it with `verify`. By default they
            are inferred from the module's program, for all values of its variables.
        size: number of nodes to trace with along an infinite axis.
        streams: the random streams that the module draws from.

    Raises:
        ValueError: if size < 1, or the module holds what cannot be hashed. `nn.Sequential([…])` may hold lists.
        LayerError: from init, apply and certify, if the module cannot run on the input, or its output does not have
            the shape that the rule says.

    >>> import equinet as eq
    >>> body = from_linen(nn.Conv(4, (1, 1)), symmetry=lambda field: field.pointwise("affine", 4))
    >>> net = eq.Sequential(body, eq.MaxPool(2))
    >>> net.init(jax.random.key(0), (8, 8, 1))["params"]["0_from_linen"]["kernel"].shape
    (1, 1, 1, 4)
    >>> print(eq.certify(net, eq.torus(8, 8), channels=1).strict)
    2Z × 2Z ⋊ 4mm (p4m, index 4)
    """
    as_kind(module, nn.Module, "from_linen needs a Linen module")
    names = as_items(streams, "from_linen: streams are names, such as ('dropout',)")
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"from_linen: streams are names, such as ('dropout',); got {shown(names)}")
    return FromLinen(symmetry, size, _hashable(module), names)


def _hashable(module: nn.Module) -> nn.Module:
    """The module, the lists of layers of `nn.Sequential` as tuples: layers are compared by value.

    Raises:
        ValueError: if it holds anything else that cannot be hashed.
    """
    held = {each.name: getattr(module, each.name) for each in fields(module) if each.name not in ("parent", "name")}
    if type(module) is nn.Sequential:
        held = {"layers": tuple(map(_part, module.layers))}
    made = {name: _part(value) for name, value in held.items()}
    for name, value in made.items():
        try:
            hash(value)
        except TypeError:
            raise ValueError(
                f"from_linen: {name} of {type(module).__name__} cannot be hashed, as layers are: give a tuple for a "
                f"list, flax.core.freeze(…) for a dict; got {shown(value)}"
            ) from None
    return module.clone(**made)


def _part(value: Any) -> Any:
    return _hashable(value) if isinstance(value, nn.Module) else value


class Mended(nn.Module):
    """A model with other inputs of some of its submodules and pools; its variables have the same names.

    Attributes:
        model: as it was.
        changes: what is computed before which of them, and by their paths.
    """

    model: nn.Module
    changes: tuple[tuple[Path, Change], ...]

    def setup(self) -> None:
        """The variables are the model's own."""
        nn.share_scope(self, self.model)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model makes of it."""
        with _intercepted(Edited(dict(self.changes)).meet, self.changes):
            return self.model(*args, **kwargs)


EDITED = (nn.Conv, nn.ConvTranspose, nn.Dense)
"""They take one array."""


@contextmanager
def _intercepted(meet: Callable[..., Any], key: Any) -> Iterator[None]:
    """Parts of models are met meanwhile: `(path, part, x, compute) -> y`; see `pools.intercepted`."""
    calls = Calls()

    def module(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        part, method = context.module, context.method_name
        if type(part) not in EDITED or method != "__call__":
            with calls.within(part.path if method == "__call__" else (*part.path, method)):
                return call(*args, **kwargs)

        def compute(x: Any, padding: Any = None) -> Any:
            if padding is None:
                return call(x)
            before = part.padding
            object.__setattr__(part, "padding", padding)  # for this call
            try:
                return call(x)
            finally:
                object.__setattr__(part, "padding", before)

        return meet(part.path, part, args[0] if args else kwargs["inputs"], compute)

    def call(part: Windows | Resizing, x: Any, compute: Any) -> Any:
        return meet(calls.named(part.name), part, x, compute)

    with pools.intercepted(call, key), nn.intercept_methods(module):
        yield


def _editor(module: nn.Module, like: Any) -> Mender:
    watch, like = several(like)

    def meet(path: Path, part: Any, x: Any, compute: Any) -> Any:
        return watch.meet(path, part.clone(parent=None) if isinstance(part, nn.Module) else part, x, compute)

    run, variables = READER.program(module, like)
    with _intercepted(meet, object()):
        jax.eval_shape(run, variables, like)
    return Mender(watch, _mended)


def _mended(module: nn.Module, changes: dict[Path, Change]) -> nn.Module:
    bare, variables = (module, None) if module.scope is None else module.unbind()
    model, before = (bare.model, dict(bare.changes)) if isinstance(bare, Mended) else (bare, {})
    result = Mended(model, tuple((before | changes).items()))
    return result if variables is None else result.bind(variables)


def _filled(module: nn.Module, like: Any, seed: int) -> nn.Module:
    """Bound to the values that it draws at first, unless it is bound."""
    if module.scope is not None:
        return module
    mode = mode_arguments(type(module).__call__, False)  # pyright: ignore[reportFunctionMemberAccess]
    keys = {name: jax.random.fold_in(jax.random.key(seed), i) for i, name in enumerate(("params", "dropout"))}
    return module.bind(module.init(keys, jnp.zeros(like.shape, like.dtype), **mode))


def _opened(module: nn.Module, *like: Any, **named: Any) -> Opened:
    """Parameters and statistics of batch norms are free, and so are all variables of a module that is not bound."""
    model = module.model if isinstance(module, Mended) else module
    mode = mode_arguments(type(model).__call__, False)  # pyright: ignore[reportFunctionMemberAccess]
    if module.scope is None:
        keys = {name: jax.random.key(i) for i, name in enumerate(("params", "dropout"))}
        free = jax.eval_shape(lambda *args, **kwargs: module.init(keys, *args, **mode, **kwargs), *like, **named)
        bare, held = module, {}
    else:
        bare, variables = module.unbind()
        free = {name: variables[name] for name in variables if name in ("params", "batch_stats")}
        held = {name: variables[name] for name in variables if name not in free}

    def run(variables: Any, *given: Any, **by_name: Any) -> Any:
        return bare.apply({**held, **variables}, *given, **mode, **by_name)

    return Opened(run, dict(free))


READER = Family(
    _opened, lambda module: "BSC", "bind its variables, module.bind(variables)", from_linen, _editor, _filled
)
