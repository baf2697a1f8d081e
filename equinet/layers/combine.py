"""Combinators: layers made of layers, with visible children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

import jax

from equinet.layers.base import Context, Layer, LayerError, Params, Shape, State
from equinet.layers.combination import Combination, Series, check_layers, shape_of, step
from equinet.layers.hyperparameters import check, choice
from equinet.layers.join import Join, join_arrays, join_fields, join_shapes, same_sizes
from equinet.symmetry.field import Field
from equinet.symmetry.trace import Scope


@dataclass(frozen=True, init=False)
class Sequential(Series):
    """Layers one after the other: `Sequential(Conv(8, 3), Relu(), GlobalAvgPool())`.

    Its parameters are a dict: of a `Named` layer by its name, of another by its place and kind.

    Raises:
        LayerError: if two layers have the same name.

    >>> import equinet as eq
    >>> net = Sequential(eq.Named("stem", eq.Conv(8, 3)), eq.Relu(), eq.Conv(8, 3))
    >>> params = net.init(0, (8, 8, 1))["params"]
    >>> list(params), params["stem"]["kernel"].shape
    (['stem', '2_conv'], (3, 3, 1, 8))
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        check_layers(type(self).__name__, layers)
        object.__setattr__(self, "layers", layers)
        self.check_names()

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return tuple((str(i), layer) for i, layer in enumerate(self.layers))

    def chain(self, params: Params, state: State) -> tuple[tuple[Layer, Params, State], ...]:
        links = zip(self.layers, self.parts(params), self.parts(state), strict=True)
        return tuple(link for layer, own, kept in links for link in layer.chain(own, kept))

    def output_shape(self, shape: Shape) -> Shape:
        return self.shapes(shape)[-1]

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        own, kept, states = self.parts(params), self.parts(state), []
        for i, shape in enumerate(self.inputs(context.shape(x))):
            x, new = self.run_child(i, own, kept, x, context.child(i, shape[-1]))
            states.append(new)
        return x, self.by_name(states)

    def symmetry(self, field: Field) -> Field:
        for name, layer in self.children:
            field = step(name, layer, field)
        return field

    def __str__(self) -> str:
        return f"Sequential({', '.join(map(str, self.layers))})"


@dataclass(frozen=True, init=False)
class Parallel(Combination):
    """Branches of one input, joined by sum, product or concatenation along the channels.

    An isometry survives only if its action on the output is the same for all branches (the equalizer of the actions).

    Raises:
        LayerError: from init and apply, if the branches' outputs do not fit together.
    """

    branches: tuple[Layer, ...]
    join: Join

    def __init__(self, *branches: Layer, join: Join = "add") -> None:
        check_layers(type(self).__name__, branches)
        if not branches:
            raise LayerError("Parallel: needs at least one branch, got none: use Identity to change nothing")
        object.__setattr__(self, "branches", branches)
        object.__setattr__(self, "join", join)
        check(self, join=choice("add", "concat", "mul"))
        self.check_names()

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return tuple((str(i), layer) for i, layer in enumerate(self.branches))

    def output_shape(self, shape: Shape) -> Shape:
        return join_shapes(self, [shape_of(name, layer, shape) for name, layer in self.children], self.join)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        replay, restoring = context.replay, context.restoring
        own, kept = self.parts(params), self.parts(state)
        contexts = [context.scope(i, context.fibre, replay, restoring) for i in range(len(self.branches))]
        results = [self.run_child(i, own, kept, x, inner) for i, inner in enumerate(contexts)]
        return join_arrays([y for y, _ in results], self.join), self.by_name([s for _, s in results])

    def symmetry(self, field: Field) -> Field:
        return _fork(field, self.children, f"Parallel(join={self.join})", self.join)

    def __str__(self) -> str:
        return f"Parallel({', '.join(map(str, self.branches))}, join={self.join})"


def _fork(field: Field, children: Sequence[tuple[str, Layer]], name: str, join: Join) -> Field:
    start, root = len(field.trace.rows), field.fork().within(replace(field.scope, phases=()))
    fields = [step(child, layer, root) for child, layer in children]
    rows = field.trace.rows + tuple(row for f in fields for row in f.trace.rows[start:])
    first, *others = fields
    return join_fields(name, [first.with_rows(rows), *others], join).within(field.scope)


@dataclass(frozen=True)
class Residual(Combination):
    """`shortcut(x) + body(x)`; the shortcut is the identity by default.

    Polyphase layers of the shortcut make no choice of their own. They use the phases that the polyphase layers of the
    body chose, in order, so that the two branches stay aligned.

    Args:
        body: the residual branch.
        shortcut: the other branch, or None for the identity.

    Raises:
        LayerError: from init and apply, if the outputs' shapes differ, or the shortcut has more polyphase layers
            than the body.

    Branches that move differently keep less than either does by itself:

    >>> import equinet as eq
    >>> for body in (eq.MaxPool(2), eq.MaxPool(3, 2, padding="circular")):
    ...     nets = body, Residual(body, shortcut=eq.AvgPool(2))
    ...     print(*(eq.certify(net, eq.torus(8), channels=4).strict for net in nets), sep=" | ")
    2Z ⋊ m (index 2) | 2Z ⋊ m (index 2)
    2Z ⋊ m at (0) (index 2) | 2Z (index 2)
    """

    body: Layer
    _: KW_ONLY
    shortcut: Layer | None = None

    def __post_init__(self) -> None:
        check_layers("Residual", (self.body,) + (() if self.shortcut is None else (self.shortcut,)))
        self.check_names()

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

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        own, kept = self.parts(params), self.parts(state)
        inner = context.scope(0, context.fibre)
        y, new = self.run_child(0, own, kept, x, inner)
        if self.shortcut is None:
            return x + y, self.by_name([new])
        z, other = self.run_child(1, own, kept, x, context.scope(1, context.fibre, inner.chosen))
        return z + y, self.by_name([new, other])

    def symmetry(self, field: Field) -> Field:
        start = field.fork().within(Scope())
        body = step("body", self.body, start)
        other, shared = start, ()
        if self.shortcut is not None:
            phases = body.scope.phases
            other = step("shortcut", self.shortcut, start.within(Scope(replay=phases)).with_rows(body.trace.rows))
            shared = tuple(zip(phases, other.scope.phases, strict=False))
            body = body.with_rows(other.trace.rows)
        return join_fields("Residual(join=add)", [body, other], "add", shared).within(field.scope)

    def __str__(self) -> str:
        return f"Residual({self.body}{'' if self.shortcut is None else f', shortcut={self.shortcut}'})"


@dataclass(frozen=True)
class Hourglass(Series):
    """`up(inner(down(x)))`, with an optional skip connection from x.

    The polyphase upsampling layers of `up` use the phases that the polyphase layers of `down` chose, the last choice
    first. So the structure of the network passes the indices on.

    Args:
        down, inner, up: the three parts.
        skip: None, "add" or "concat": how x joins the output.

    Raises:
        LayerError: from init and apply, if shapes do not fit, or `up` has more polyphase layers than `down`.

    >>> import equinet as eq
    >>> inner = eq.Conv(4, 3, padding="circular")
    >>> for down, up in ((eq.MaxPool(2), eq.Upsample(2)), (eq.PolyphasePool(2), eq.PolyphaseUpsample(2))):
    ...     print(eq.certify(Hourglass(down, inner, up), eq.torus(8), channels=4).strict)
    2Z (index 2)
    Z (index 1)
    """

    down: Layer
    inner: Layer
    up: Layer
    _: KW_ONLY
    skip: Literal["add", "concat"] | None = None

    def __post_init__(self) -> None:
        check_layers("Hourglass", (self.down, self.inner, self.up))
        check(self, skip=choice(None, "add", "concat"))
        self.check_names()

    @property
    def children(self) -> tuple[tuple[str, Layer], ...]:
        return ("down", self.down), ("inner", self.inner), ("up", self.up)

    def output_shape(self, shape: Shape) -> Shape:
        out = self.shapes(shape)[-1]
        return out if self.skip is None else join_shapes(self, [shape, out], self.skip)

    def forward(self, params: Params, state: State, x: jax.Array, context: Context) -> tuple[jax.Array, State]:
        own, kept = self.parts(params), self.parts(state)
        fibres = [shape[-1] for shape in self.inputs(context.shape(x))]
        below = context.scope(0, fibres[0])
        y, down = self.run_child(0, own, kept, x, below)
        y, inner = self.run_child(1, own, kept, y, context.scope(1, fibres[1]))
        back = context.scope(2, fibres[2], below.chosen[::-1], restoring=True)
        y, up = self.run_child(2, own, kept, y, back)
        return (y if self.skip is None else join_arrays([x, y], self.skip)), self.by_name([down, inner, up])

    def symmetry(self, field: Field) -> Field:
        down = step("down", self.down, field.fork().within(Scope()))
        inner = step("inner", self.inner, down.within(Scope()))
        up = step("up", self.up, inner.within(Scope(replay=down.scope.phases[::-1], restoring=True)))
        if self.skip is not None:
            skipped = field.fork().with_rows(up.trace.rows)
            up = join_fields(f"Hourglass(skip={self.skip})", [skipped, up], self.skip)
        return up.within(field.scope)

    def __str__(self) -> str:
        skip = "" if self.skip is None else f", skip={self.skip}"
        return f"Hourglass({self.down}, {self.inner}, {self.up}{skip})"


def in_a_row(links: Sequence[tuple[Layer, Params, State]]) -> tuple[Sequential, Params, State]:
    """Layers with their variables as one network, without the names that were given to them where each came from."""
    net = Sequential(*(layer.unnamed for layer, _, _ in links))
    return net, net.by_name([params for _, params, _ in links]), net.by_name([state for _, _, state in links])


def with_children(layer: Layer, children: Sequence[Layer]) -> Combination:
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
