"""What layers made of layers share: names for their children, and parameters and state by these names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from equinet.checks import or_instance, shown
from equinet.layers.base import (
    Bound,
    Context,
    Layer,
    LayerError,
    Params,
    Shape,
    State,
    field_out,
    set_up,
    shape_out,
    within,
)
from equinet.layers.fibres import AsFibre
from equinet.layers.trials import through
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Lost


@dataclass(frozen=True)
class Named(Layer):
    """A layer with a name: what ledgers and errors call it, and its parameters go by.

    >>> import equinet as eq
    >>> net = eq.Sequential(Named("stem", eq.Conv(8, 3)), eq.Relu())
    >>> net.init(0, (8, 8, 1))["params"]["stem"]["bias"].shape
    (8,)
    """

    name: str
    layer: Layer

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise LayerError(f"Named: name must be text of one line; got {shown(self.name)}")
        check_layers("Named", (self.layer,), start=1)

    @property
    def unnamed(self) -> Layer:
        return self.layer

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return self.layer.children

    def output_shape(self, shape: Shape) -> Shape:
        return self.layer.output_shape(shape)

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        return set_up(self.layer, key, shape)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        return self.layer.forward(params, state, x, context)

    def channels_read(self, params: Params) -> int | None:
        return self.layer.channels_read(params)

    def chain(self, params: Params, state: State) -> tuple[tuple[Layer, Params, State], ...]:
        links = self.layer.chain(params, state)
        return links if len(links) > 1 else ((self, params, state),)

    def symmetry(self, field: Field) -> Field:
        return self.layer.symmetry(field)

    def reason(self, before: Field, lost: Lost) -> str:
        return self.layer.reason(before, lost)

    def __str__(self) -> str:
        return f"{self.name}: {self.layer}"


def label(name: str, layer: Layer) -> str:
    """How errors and ledgers name a child: `layer 2 (MaxPool)`, or the name given."""
    if isinstance(layer, Named):
        return f"{name} ({layer.name})" if not name.isdigit() else layer.name
    return f"layer {name} ({type(layer).__name__})" if name.isdigit() else f"{name} ({type(layer).__name__})"


def key_of(name: str, layer: Layer) -> str:
    """What the parameters of a child are called: the name given to it, else its place: `0_conv`, `body`."""
    if isinstance(layer, Named):
        return layer.name
    return f"{name}_{re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', type(layer).__name__).lower()}" if name.isdigit() else name


def shape_of(name: str, layer: Layer, shape: Shape) -> Shape:
    """A child's output shape; errors carry its name."""
    with within(label(name, layer)):
        return shape_out(layer, shape)


def step(name: str, layer: Layer, field: Field) -> Field:
    """Push a field through a child, recording leaves in the field's ledger."""
    path = (*field.trace.path, layer.name if isinstance(layer, Named) else name)
    with within(label(name, layer)):
        if not layer.children:
            shown = layer.unnamed
            seen = field.unmoved() if field.raw and not isinstance(shown, AsFibre) else field
            seen = seen.at(path)
            result = field_out(layer, seen)
            return result.record(shown, path, field, layer.reason, through(layer, seen, result))
        return field_out(layer, field.at(path)).at(field.trace.path)


class Combination(Layer):
    """Layers made of layers. Parameters and state are dicts by the children's names, without those that have none."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the children's parameters."""
        return tuple(key_of(name, layer) for name, layer in self.children)

    def inputs(self, shape: Shape) -> list[Shape]:
        """The shape that each child reads, for an input of a shape: that of the input, unless it says otherwise."""
        return [shape] * len(self.children)

    def check_names(self) -> None:
        """Raise unless every child has a name of its own.

        Raises:
            LayerError: naming two that have not.
        """
        keys = self.keys
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise LayerError(
                    f"{type(self).__name__}: layers {keys.index(key)} and {i} are both called {key!r}, which is what "
                    f"their parameters go by: give each a name of its own"
                )

    def by_name(self, parts: Sequence[Any]) -> dict[str, Any]:
        """Parameters or state of the children as one dict."""
        pairs = zip(self.keys, parts, strict=True)
        return {key: part for key, part in pairs if not (isinstance(part, dict | tuple) and not part)}

    def parts(self, tree: Any) -> list[Any]:
        """The children's own parameters or state, {} of a child that has none.

        Raises:
            LayerError: if there is one of a child that is not there.
        """
        keys = self.keys
        strange = (
            [key for key in tree if key not in keys] if isinstance(tree, Mapping) else [f"no names, {shown(tree)}"]
        )
        if strange:
            listed = ", ".join(keys)
            raise LayerError(f"the variables are those of another network: its layers are {listed}; got {strange[0]}")
        return [tree.get(key, {}) for key in keys]

    def channels_read(self, params: Params) -> int | None:
        pairs = zip(self.children, self.parts(params), strict=True)
        told = (layer.channels_read(own) for (_, layer), own in pairs)
        return next((channels for channels in told if channels is not None), None)

    def setup(self, key: jax.Array, shape: Shape) -> tuple[Params, State]:
        children = enumerate(zip(self.children, self.inputs(shape), strict=True))
        pairs = [set_up(layer, jax.random.fold_in(key, i), read) for i, ((_, layer), read) in children]
        return self.by_name([params for params, _ in pairs]), self.by_name([state for _, state in pairs])

    def run_child(
        self, index: int, params: Sequence[Params], state: Sequence[State], x: jax.Array, context: Context
    ) -> tuple[jax.Array, State]:
        """Run child number `index` on `parts` of parameters and state; errors carry its name."""
        name, layer = self.children[index]
        shown = layer.name if isinstance(layer, Named) else f"{name}.{type(layer).__name__}"
        with within(label(name, layer)), jax.named_scope(shown):
            return layer.run(params[index], state[index], x, context)


class Series(Combination):
    """Children each of which reads what the one before gives."""

    def inputs(self, shape: Shape) -> list[Shape]:
        return self.shapes(shape)[:-1]

    def shapes(self, shape: Shape) -> list[Shape]:
        """The shape of the input, and of the output of each child."""
        shapes = [shape]
        for name, layer in self.children:
            shapes.append(shape_of(name, layer, shapes[-1]))
        return shapes


def check_layers(owner: str, layers: Sequence[object], start: int = 0) -> None:
    """Raise unless the arguments of a layer, counted from `start`, are layers."""
    for i, layer in enumerate(layers, start):
        layer_given(
            layer,
            f"{owner}: argument {i} must be a layer",
            "a function of each element is Pointwise(fn), one of arrays interop.from_fn(fn)",
        )


def layer_given(value: object, what: str, remedy: str = "of a function or a model give interop.as_layer(…)") -> Layer:
    """A layer.

    Args:
        value: what was given.
        what: who needs it, for the error.
        remedy: what to do with something that can be called and is no layer, such as a function or a model.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(value, Layer):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, Layer) for each in value):
        remedy = "unpack its layers, Sequential(*layers)"
    elif isinstance(value, Bound):
        remedy = "of a bound network give its layer, net.layer"
    elif isinstance(value, type) or not callable(value):
        remedy = or_instance(value, "")
    raise TypeError(f"{what}; got {shown(value)} of type {type(value).__name__}{': ' if remedy else ''}{remedy}")
