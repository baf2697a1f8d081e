"""Combinators: layers made of layers, with visible children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import reduce
from operator import add, mul
from typing import Literal

import jax
import jax.numpy as jnp

from equinet.checks import as_kind, shown
from equinet.groups.fibre import Fibre, agree, concatenate
from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State, set_up, within
from equinet.layers.fibres import AsFibre
from equinet.layers.hyperparameters import check, choice
from equinet.layers.trials import joined as joined_trials
from equinet.layers.trials import through
from equinet.symmetry.field import Field, changed
from equinet.symmetry.polyphase import Phase
from equinet.symmetry.trace import Lost, Scope

Join = Literal["add", "concat", "mul"]


def label(name: str, layer: Layer) -> str:
    """How errors and ledgers name a child: `layer 2 (MaxPool)`, or the name given."""
    if isinstance(layer, Named):
        return f"{name} ({layer.name})" if not name.isdigit() else layer.name
    return f"layer {name} ({type(layer).__name__})" if name.isdigit() else f"{name} ({type(layer).__name__})"


def same_sizes(a: Shape, b: Shape) -> bool:
    """Whether two shapes have the same numbers of nodes and channels."""
    return a[:-1] == b[:-1] and int(a[-1] or 0) == int(b[-1] or 0)


def shape_of(name: str, layer: Layer, shape: Shape) -> Shape:
    """A child's output shape; errors carry its name."""
    with within(label(name, layer)):
        return layer.typed_shape(shape)


def step(name: str, layer: Layer, field: Field) -> Field:
    """Push a field through a child, recording leaves in the field's ledger."""
    path = (*field.trace.path, layer.name if isinstance(layer, Named) else name)
    with within(label(name, layer)):
        if not layer.children:
            shown = layer.unnamed
            seen = field.unmoved() if field.raw and not isinstance(shown, AsFibre) else field
            made = layer.conform(seen, layer.symmetry(seen.at(path)))
            made = changed(made, trial=through(layer, seen.at(path), made))
            return made.recorded(shown, path, field, layer.reason)
        return layer.conform(field, layer.symmetry(field.at(path))).at(field.trace.path)


def forward(
    name: str, layer: Layer, params: Params, state: State, index: int, x: jax.Array, context: Context
) -> tuple[jax.Array, State]:
    """Run child number `index`; errors carry its name."""
    with within(label(name, layer)):
        if not isinstance(params, tuple) or not isinstance(state, tuple) or len(params) <= index:
            raise LayerError("the variables are those of another network: they have no entry for this layer")
        shown = layer.name if isinstance(layer, Named) else f"{name}.{type(layer).__name__}"
        with jax.named_scope(shown):
            return layer.run(params[index], state[index], x, context)


def _setup_all(
    children: Sequence[tuple[str, Layer]], key: jax.Array, shapes: Sequence[Shape]
) -> tuple[tuple[Params, ...], tuple[State, ...]]:
    made = [
        set_up(layer, jax.random.fold_in(key, i), shape)
        for i, ((_, layer), shape) in enumerate(zip(children, shapes, strict=True))
    ]
    return tuple(p for p, _ in made), tuple(s for _, s in made)


def join_shapes(layer: Layer, shapes: Sequence[Shape], join: Join) -> Shape:
    """Shape of the sum, product or concatenation of branches.

    Raises:
        LayerError: if the branches' grids differ, or (unless concatenated) their channels.
    """
    for i, shape in enumerate(shapes[1:], start=1):
        if shape[:-1] != shapes[0][:-1] or (join != "concat" and not same_sizes(shape, shapes[0])):
            raise LayerError(
                f"{type(layer).__name__}: branches 0 and {i} do not join by {join!r}: their outputs have shapes "
                f"{shapes[0]} and {shape}; make strides, paddings and features of the two agree"
            )
    if join == "concat":
        return (*shapes[0][:-1], concatenate([shape[-1] or 0 for shape in shapes]))
    fibres = [shape[-1] or 0 for shape in shapes]
    return (*shapes[0][:-1], reduce(agree, fibres if join == "add" else map(_unsigned, fibres)))


def _unsigned(fibre: int) -> int:
    """What is known of channels that are multiplied: nothing where operations change signs."""
    return fibre if isinstance(fibre, Fibre) and fibre.is_permutation else int(fibre)


def join_arrays(arrays: Sequence[jax.Array], join: Join) -> jax.Array:
    """Add, multiply, or concatenate along the channels."""
    if join == "concat":
        return jnp.concatenate(arrays, axis=-1)
    return reduce(add if join == "add" else mul, arrays)


def join_fields(name: str, fields: Sequence[Field], join: Join, shared: Sequence[tuple[Phase, Phase]] = ()) -> Field:
    """The field of a join of branches; the ledger says what the branches do not agree on."""
    first = fields[0]
    for i, other in enumerate(fields[1:], start=1):
        for axis, (a, b) in enumerate(zip(first.trace.spans, other.trace.spans, strict=True)):
            if first.grid.dim and first.grid.axes[axis].size is None and a.stride != b.stride:
                raise LayerError(
                    f"{name}: branches 0 and {i} step over {a.stride} and {b.stride} input nodes along axis {axis}: "
                    f"make their strides agree"
                )
    joined, trial = first, joined_trials([field.trial for field in fields], join)
    for other in fields[1:]:
        if join == "mul":
            joined, other = (f if f.fibre == _unsigned(f.fibre) else f.unmoved() for f in (joined, other))
        both = concatenate([joined.fibre, other.fibre]) if join == "concat" else None
        joined = joined.joined(other, both, shared, linear=join != "mul")
    return changed(joined, trial=trial).recorded(
        name, (*first.trace.path, "join"), first, lambda _, __: "the branches move their outputs differently"
    )


@dataclass(frozen=True)
class Named(Layer):
    """A layer with a name for ledgers and errors."""

    name: str
    layer: Layer

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise LayerError(f"Named: name must be text of one line; got {shown(self.name)}")
        _check_layers("Named", (self.layer,), start=1)

    @property
    def unnamed(self) -> Layer:
        return self.layer

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return self.layer.children

    def output_shape(self, shape: Shape) -> Shape:
        return self.layer.output_shape(shape)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return self.layer.setup(key, shape)

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


@dataclass(frozen=True, init=False)
class Sequential(Layer):
    """Layers one after the other: `Sequential(Conv(8, 3), Relu(), GlobalAvgPool())`."""

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        _check_layers(type(self).__name__, layers)
        object.__setattr__(self, "layers", layers)

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return tuple((str(i), layer) for i, layer in enumerate(self.layers))

    def chain(self, params: Params, state: State) -> tuple[tuple[Layer, Params, State], ...]:
        if not len(self.layers) == len(params) == len(state):
            raise LayerError(f"the variables are those of another network: {len(params)} for {len(self.layers)} layers")
        links = zip(self.layers, params, state, strict=True)
        return tuple(link for layer, own, kept in links for link in layer.chain(own, kept))

    def _shapes(self, shape: Shape) -> list[Shape]:
        shapes = [shape]
        for name, layer in self.children:
            shapes.append(shape_of(name, layer, shapes[-1]))
        return shapes

    def output_shape(self, shape: Shape) -> Shape:
        return self._shapes(shape)[-1]

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return _setup_all(self.children, key, self._shapes(shape)[:-1])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        states, shapes = [], self._shapes(context.shape(x))
        for i, (name, layer) in enumerate(self.children):
            x, new = forward(name, layer, params, state, i, x, context.child(i, shapes[i][-1] or 0))
            states.append(new)
        return x, tuple(states)

    def symmetry(self, field: Field) -> Field:
        for name, layer in self.children:
            field = step(name, layer, field)
        return field

    def __str__(self) -> str:
        return f"Sequential({', '.join(map(str, self.layers))})"


@dataclass(frozen=True, init=False)
class Parallel(Layer):
    """Branches of one input, joined by sum, product or concatenation along the channels.

    An isometry survives only if its action on the output is the same for all branches (the equalizer of the actions).

    Raises:
        LayerError: from init and apply, if the branches' outputs do not fit together.
    """

    branches: tuple[Layer, ...]
    join: Join

    def __init__(self, *branches: Layer, join: Join = "add") -> None:
        _check_layers(type(self).__name__, branches)
        if not branches:
            raise LayerError("Parallel: needs at least one branch, got none: use Identity to change nothing")
        object.__setattr__(self, "branches", branches)
        object.__setattr__(self, "join", join)
        check(self, join=choice("add", "concat", "mul"))

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return tuple((str(i), layer) for i, layer in enumerate(self.branches))

    def output_shape(self, shape: Shape) -> Shape:
        return join_shapes(self, [shape_of(name, layer, shape) for name, layer in self.children], self.join)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return _setup_all(self.children, key, [shape] * len(self.branches))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        replay, restoring = context.replay, context.restoring
        contexts = [context.scope(i, context.fibre, replay, restoring) for i in range(len(self.branches))]
        made = [forward(name, layer, params, state, i, x, contexts[i]) for i, (name, layer) in enumerate(self.children)]
        return join_arrays([y for y, _ in made], self.join), tuple(s for _, s in made)

    def symmetry(self, field: Field) -> Field:
        return _fork(field, self.children, f"Parallel(join={self.join})", self.join)

    def __str__(self) -> str:
        return f"Parallel({', '.join(map(str, self.branches))}, join={self.join})"


def _fork(field: Field, children: Sequence[tuple[str, Layer]], name: str, join: Join) -> Field:
    start, root = len(field.trace.rows), field.forked().within(replace(field.scope, phases=()))
    fields = [step(child, layer, root) for child, layer in children]
    rows = field.trace.rows + tuple(row for f in fields for row in f.trace.rows[start:])
    first, *others = fields
    joined = join_fields(name, [first.with_rows(rows), *others], join)
    return joined.within(field.scope)


@dataclass(frozen=True)
class Residual(Layer):
    """`shortcut(x) + body(x)`; the shortcut is the identity by default.

    Polyphase layers of the shortcut make no choice of their own. They use the phases that the polyphase layers of the
    body chose, in order, so that the two branches stay aligned.

    Args:
        body: the residual branch.
        shortcut: the other branch, or None for the identity.

    Raises:
        LayerError: from init and apply, if the outputs' shapes differ, or the shortcut has more polyphase layers
            than the body.
    """

    body: Layer
    _: KW_ONLY
    shortcut: Layer | None = None

    def __post_init__(self) -> None:
        _check_layers("Residual", (self.body,) + (() if self.shortcut is None else (self.shortcut,)))

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        shortcut = () if self.shortcut is None else (("shortcut", self.shortcut),)
        return (("body", self.body), *shortcut)

    def output_shape(self, shape: Shape) -> Shape:
        body = shape_of("body", self.body, shape)
        other = shape if self.shortcut is None else shape_of("shortcut", self.shortcut, shape)
        if not same_sizes(body, other):
            raise LayerError(
                f"Residual: the body turns {shape} into {body}, the shortcut into {other}; "
                f"give a shortcut (a strided or polyphase layer and a 1×1 convolution) with the body's output shape"
            )
        return join_shapes(self, [body, other], "add")

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return _setup_all(self.children, key, [shape] * len(self.children))

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        inner = context.scope(0, context.fibre)
        y, new = forward("body", self.body, params, state, 0, x, inner)
        if self.shortcut is None:
            return x + y, (new,)
        follow = context.scope(1, context.fibre, inner.chosen)
        z, other = forward("shortcut", self.shortcut, params, state, 1, x, follow)
        return z + y, (new, other)

    def symmetry(self, field: Field) -> Field:
        start = field.forked().within(Scope())
        body = step("body", self.body, start)
        other, shared = start, ()
        if self.shortcut is not None:
            phases = body.scope.phases
            other = step("shortcut", self.shortcut, start.within(Scope(replay=phases)).with_rows(body.trace.rows))
            shared = tuple(zip(phases, other.scope.phases, strict=False))
            body = body.with_rows(other.trace.rows)
        joined = join_fields("Residual(join=add)", [body, other], "add", shared)
        return joined.within(field.scope)

    def __str__(self) -> str:
        return f"Residual({self.body}{'' if self.shortcut is None else f', shortcut={self.shortcut}'})"


@dataclass(frozen=True)
class Hourglass(Layer):
    """`up(inner(down(x)))`, with an optional skip connection from x.

    The polyphase upsampling layers of `up` use the phases that the polyphase layers of `down` chose, the last choice
    first. So the structure of the network passes the indices on.

    Args:
        down, inner, up: the three parts.
        skip: None, "add" or "concat": how x joins the output.

    Raises:
        LayerError: from init and apply, if shapes do not fit, or `up` has more polyphase layers than `down`.
    """

    down: Layer
    inner: Layer
    up: Layer
    _: KW_ONLY
    skip: Literal["add", "concat"] | None = None

    def __post_init__(self) -> None:
        _check_layers("Hourglass", (self.down, self.inner, self.up))
        check(self, skip=choice(None, "add", "concat"))

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return ("down", self.down), ("inner", self.inner), ("up", self.up)

    def _shapes(self, shape: Shape) -> list[Shape]:
        shapes = [shape]
        for name, layer in self.children:
            shapes.append(shape_of(name, layer, shapes[-1]))
        return shapes

    def output_shape(self, shape: Shape) -> Shape:
        out = self._shapes(shape)[-1]
        return out if self.skip is None else join_shapes(self, [shape, out], self.skip)

    def setup(self, key: jax.Array, shape: tuple[int, ...]) -> tuple[Params, State]:
        return _setup_all(self.children, key, self._shapes(shape)[:-1])

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        fibres = [shape[-1] or 0 for shape in self._shapes(context.shape(x))]
        below = context.scope(0, fibres[0])
        y, down = forward("down", self.down, params, state, 0, x, below)
        y, inner = forward("inner", self.inner, params, state, 1, y, context.scope(1, fibres[1]))
        back = context.scope(2, fibres[2], below.chosen[::-1], restoring=True)
        y, up = forward("up", self.up, params, state, 2, y, back)
        return (y if self.skip is None else join_arrays([x, y], self.skip)), (down, inner, up)

    def symmetry(self, field: Field) -> Field:
        down = step("down", self.down, field.forked().within(Scope()))
        inner = step("inner", self.inner, down.within(Scope()))
        up = step("up", self.up, inner.within(Scope(replay=down.scope.phases[::-1], restoring=True)))
        if self.skip is not None:
            skipped = field.forked().with_rows(up.trace.rows)
            up = join_fields(f"Hourglass(skip={self.skip})", [skipped, up], self.skip)
        return up.within(field.scope)

    def __str__(self) -> str:
        skip = "" if self.skip is None else f", skip={self.skip}"
        return f"Hourglass({self.down}, {self.inner}, {self.up}{skip})"


def _check_layers(owner: str, layers: Sequence[object], start: int = 0) -> None:
    for i, layer in enumerate(layers, start):
        as_kind(layer, Layer, f"{owner}: argument {i} must be a layer")


def with_children(layer: Layer, children: Sequence[Layer]) -> Layer:
    """The same combination of other layers.

    Raises:
        TypeError: for a layer that is no combination known here.
    """
    if isinstance(layer, Sequential):
        return Sequential(*children)
    if isinstance(layer, Parallel):
        return Parallel(*children, join=layer.join)
    if isinstance(layer, Residual):
        return Residual(children[0], shortcut=children[1] if len(children) > 1 else None)
    if isinstance(layer, Hourglass):
        return Hourglass(*children, skip=layer.skip)
    raise TypeError(f"{layer} has children, and how to put others in their place is not known")
