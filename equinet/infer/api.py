"""`infer`: what a user calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from math import prod
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_choice, as_flag, is_function, is_integer, shown
from equinet.groups.domain import MOST_ALONG, Axis, Boundary, Domain, as_domain
from equinet.groups.fibre import as_channels
from equinet.infer.bands.run import bands_of
from equinet.infer.compat import trace
from equinet.infer.evaluate import Runs
from equinet.infer.fields import forget_axes, of_channels, permuted, with_axes
from equinet.infer.interpret import Interpreter, read
from equinet.infer.ledger import rows
from equinet.infer.rules.spectra import settled
from equinet.infer.values import Constant, Digit, Layout, Value
from equinet.infer.views import MOST_AXES, freed, plain
from equinet.infer.whole import Traced, widened
from equinet.ops.arrays import as_dtype
from equinet.readers import reader_of
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.continuous import Bands
from equinet.symmetry.field import Field, changed
from equinet.symmetry.real import RealCertificate, real_domain
from equinet.symmetry.spans import Span
from equinet.symmetry.ties import Trial, drawn_weights
from equinet.symmetry.trace import Lost, Row

LAYOUTS = ("BSC", "BCS", "SC", "CS", "BS", "S")
BATCH = 2
"""Examples in the array that a function is traced with."""


def infer(
    fn: Callable[..., Any],
    domain: Domain,
    channels: int | None = None,
    *,
    layout: str | None = None,
    size: int | Sequence[int] | None = None,
    params: Any = None,
    generic: bool = False,
    dtype: Any = jnp.float32,
    output: str | int | None = None,
    translations: Literal["nodes", "real"] = "nodes",
) -> Certificate:
    """The symmetry of any JAX function, or of a module of PyTorch, from its program.

    The function is traced with `jax.make_jaxpr`. The rule of each operation determines how isometries of the input act
    on its result, as the declaration of a layer does for `certify`. The certificate is a lower bound that holds for
    every input. An operation without a rule keeps only the identity, and the ledger names the operation and its line.
    The same isometry acts on all examples of a batch, which matters if a function mixes them (a batch norm in
    training). `verify` moves examples separately, and refuses such functions.

    Args:
        fn: a function of one array that closes over its parameters: a Flax or Equinox model, or any function.
            Or a `torch.nn.Module` in evaluation mode: no values are read, and the claim is for all its parameters
            (`equinet.interop.from_torch`).
        domain: the input's grid: `torus(…)`, `box(…)`, `plane(d)`. On the plane, padding and the ends of the array
            have no effect.
        channels: of the input, unless fn is a network with its variables, which tell it.
        layout: the axes of input and output: B for the batch, S for all spatial axes, C for the channels. "BSC" is
            `[batch, *spatial, channels]`, "BCS" puts channels first, "CS" is one example with channels first. An output
            without spatial axes has batch and channels in this order. The default is "BSC", and "BCS" for a module
            of PyTorch.
        size: the size at which to trace along infinite axes, an int or one per axis. The model must run at this
            size, and its strides should divide it.
        params: a pytree of parameters, or of their shapes (`jax.eval_shape`). The function is then called as
            `fn(params, x)`, and the claim is for all their values.
        generic: whether arrays of real or complex numbers that the function closes over count as arbitrary too; whole
            numbers, which say places, keep their values. If not, all actual values count: the symmetry of a kernel or a
            table of positions that happens to be symmetric is part of the claim, which is then about this function
            only.
        dtype: of the input.
        output: the key, field or number of one array, if a module of PyTorch returns several.
        translations: "nodes" asks about shifts by whole numbers of nodes; "real" about all of them, of inputs on a
            torus that have no frequency at or above half a turn a node. Frequencies are followed through Fourier
            transforms, masks and cuts of spectra, and products and polynomials of nodes, as in exact arithmetic. Where
            they are lost, the shifts of whole nodes are kept.

    Raises:
        TypeError: if fn is no function or domain is no `Domain`.
        ValueError: for an unknown layout, or an infinite domain without a size; for a module of PyTorch in training
            mode, or one that cannot be read: the message names the operation and its submodule.

    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.Relu(), eq.MaxPool(2), eq.GlobalAvgPool())
    >>> model = net.bind(net.init(jax.random.key(0), (8, 8, 1)))
    >>> str(infer(model, eq.torus(8, 8)).invariance)
    '2Z × 2Z (p1, index 4)'
    >>> str(infer(lambda x: x[:, ::2], eq.torus(8), channels=1).strict)
    '2Z ⋊ m at (0) (index 2)'
    >>> low = lambda x: jnp.fft.irfft(jnp.fft.rfft(x, axis=1)[:, :4], n=16, axis=1)
    >>> str(infer(low, eq.torus(16), channels=1, translations="real").strict)
    'R ⋊ m'
    """
    if not is_function(fn):
        raise TypeError(f"infer needs a function of one array; got {shown(fn)}: bind a layer's variables with bind")
    as_domain(domain, "infer")
    reader = reader_of(fn)
    asked = ("BSC" if reader is None else reader.LAYOUT) if layout is None else layout
    layout = str(as_choice(asked, LAYOUTS, "infer: a layout"))
    if channels is None and "C" not in layout:
        channels = 1  # an array without channels
    fibre = as_channels(channels, "infer", fn, domain.sizes)
    if not fibre.is_plain:
        raise ValueError(f"infer needs a whole number of input channels, at least one; got {fibre}")
    as_flag(generic, "infer: generic")
    as_choice(translations, ("nodes", "real"), "infer: translations")
    if translations == "real":
        real_domain(domain)
    dtype = as_dtype(dtype, "infer")
    sizes = _sizes(domain, size)
    if reader is not None:
        if params is not None:
            raise ValueError("infer: a module of PyTorch has its parameters: leave out params=")
        fn, params = reader.program(fn, _shape(layout, sizes, fibre.size), output)
    elif output is not None:
        raise ValueError(f"infer: output={output!r} is for modules of PyTorch; take that output in the function")
    start = changed(Field.input(domain, fibre), trial=Trial.input(domain, fibre.size, sizes))
    value, traced = _pushed(fn, start, sizes, layout, params, generic, dtype)
    field = _as_output(value, domain.dim, layout)
    ledger = rows(traced.steps)
    if value.dim <= MOST_AXES and field.strict != value.field.strict:
        ledger += (Row(("output",), f"read as {layout}", value.field, field, _read_otherwise),)
    whole = _as_a_whole(field, traced, value.shape)
    if whole is not field:
        ledger += (Row(("output",), "the formula as a whole", field, whole, _read_otherwise),)
        field = whole
    if translations == "real":
        bands, why = bands_of(traced, domain, sizes, field.grid, dtype)
        before, finer = (
            changed(field, bands=replace(Bands.input(domain), pooled=bands.pooled)),
            changed(field, bands=bands),
        )
        ledger += (Row(("output",), "by its frequencies", before, finer, lambda before, lost: why),)
        return RealCertificate(domain, finer.with_rows(ledger))
    return Certificate(domain, field.with_rows(ledger))


def _shape(layout: str, sizes: Sequence[int], channels: int) -> tuple[int, ...]:
    """The shape of an input in a layout."""
    counts = {"B": (BATCH,), "S": tuple(sizes), "C": (channels,)}
    return tuple(n for part in layout for n in counts[part])


def _read_otherwise(before: Field, lost: Lost) -> str:
    del before, lost
    return "nodes became channels, which nothing is known to move"


def _sizes(domain: Domain, size: int | Sequence[int] | None) -> tuple[int, ...]:
    given = (size,) * domain.dim if size is None or is_integer(size) else size
    if not isinstance(given, Iterable) or not all(one is None or (is_integer(one) and one >= 1) for one in given):
        raise ValueError(f"infer: size is an integer of at least 1, or one per axis; got {shown(size)}")
    given = tuple(given)
    if any(one is not None and one > MOST_ALONG for one in given):
        raise ValueError(f"infer: size is at most {MOST_ALONG}, to trace the function at; got {shown(size)}")
    if len(given) != domain.dim:
        raise ValueError(f"infer: size {size} has {len(given)} entries, the domain {domain} {domain.dim} axes")
    sizes = []
    for axis, one in zip(domain.axes, given, strict=True):
        if axis.size is None and one is None:
            raise ValueError(f"infer: {domain} has no size: say with size= at which one to trace the function")
        sizes.append(axis.size or int(one or 1))
    return tuple(sizes)


def push(fn: Callable[..., Any], field: Field, sizes: Sequence[int], params: Any = None) -> Field:
    """Push a field through a function `[batch, *spatial, channels] → [batch, *spatial, channels]`, by inference.

    Args:
        fn: of one array, or of parameters and an array.
        field: of its input.
        sizes: the input's spatial sizes; where the grid is infinite, those to trace at.
        params: as for `infer`.
    """
    made, _ = _pushed(fn, field.unmoved(), sizes, "BSC", params, False, jnp.float32)
    return _as_output(made, field.grid.dim, "BSC").within(field.scope).with_rows(field.trace.rows).at(field.trace.path)


def _pushed(
    fn: Callable[..., Any],
    start: Field,
    sizes: Sequence[int],
    layout: str,
    params: Any,
    generic: bool,
    dtype: Any,
) -> tuple[Value, Traced]:
    """A function's output, and its program with all that led to it."""
    channels = start.channels
    digits: dict[str, Layout] = {
        "B": ((Digit(BATCH),),),
        "S": tuple((Digit(n, i),) for i, n in enumerate(sizes)),
        "C": ((Digit(channels),),),
    }
    shape = _shape(layout, sizes, channels)
    held = jax.eval_shape(lambda given: given, params)
    like = jax.ShapeDtypeStruct(shape, dtype)
    try:
        program, out = trace(fn, [like] if params is None else [held, like])
    except TypeError as error:
        if params is None and _takes_two(fn):
            raise TypeError(
                f"infer called the function with one array of shape {shape}, and it takes more arguments: bind them, "
                f"or give its parameters with params=, if it is called as fn(params, x)"
            ) from error
        raise
    leaves = jax.tree.leaves(out)
    if len(leaves) != 1:
        raise TypeError(f"infer needs a function that returns one array; it returns {len(leaves)}: {out}")
    value = Value(start, tuple(sizes), tuple(d for part in layout for d in digits[part]))
    runs = Runs.of(program, lambda: _arguments(start, layout, held, shape, dtype))
    interpreter = Interpreter(Field.input(start.source, start.input_fibre), runs, generic)
    arbitrary = [Constant.arbitrary(leaf.shape) for leaf in jax.tree.leaves(held)]
    values = interpreter.values(program, [*arbitrary, value])
    result = settled(read(program.outputs[0], values))
    if not isinstance(result, Value):
        result = _independent(start, tuple(leaves[0].shape))
    shapes = *(tuple(leaf.shape) for leaf in jax.tree.leaves(held)), shape
    return result, Traced(program, shapes, layout, generic, values, interpreter.steps)


def _arguments(
    start: Field, layout: str, held: Any, shape: tuple[int, ...], dtype: Any
) -> list[list[list[np.ndarray]]] | None:
    """Drawn parameters, and an input of that shape, for each run."""
    drawn = None if start.trial is None else start.trial.drawn()
    if drawn is None:
        return None

    def arguments(x: np.ndarray, seed: int) -> list[Any]:
        rng = np.random.default_rng(seed)
        draw = lambda path, leaf: drawn_weights(rng, leaf.shape, jax.tree_util.keystr(path))  # noqa: E731
        leaves = jax.tree.leaves(jax.tree_util.tree_map_with_path(draw, held))
        like = jax.tree.leaves(held)
        given = [leaf.astype(wanted.dtype) for leaf, wanted in zip(leaves, like, strict=True)]
        x = _laid_out(x[:BATCH], layout).astype(dtype)
        if x.shape != shape:
            raise ValueError(f"the input of a run has shape {x.shape}, the program's {shape}")
        return [*given, x]

    return [[arguments(x, seed) for seed, x in enumerate(chain.from_iterable(drawn))]]


def _laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    """An array `[batch, *spatial, channels]` in another layout."""
    if layout.endswith("CS"):
        x = np.moveaxis(x, -1, 1)
    elif "C" not in layout:
        x = x[..., 0]
    return x if "B" in layout else x[0]


def _takes_two(fn: Callable[..., Any]) -> bool:
    """Whether a function may be one of parameters and an array."""
    try:
        inspect.signature(fn).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _independent(start: Field, shape: tuple[int, ...]) -> Value:
    """An output that does not depend on the input: everything leaves it as it is."""
    field = forget_axes(start.rebase(), range(start.grid.dim))
    return Value(field, (), tuple((Digit(n),) for n in shape))


def _as_output(value: Value, dim: int, layout: str) -> Field:
    """The field of an output: on a grid, if the array has all the grid's axes in the layout's place."""
    at = layout.index("S")
    rank = len(layout) - 1 + dim
    channel_axis = (
        layout.index("C") + (dim - 1 if "C" in layout and layout.index("C") > at else 0) if "C" in layout else -1
    )
    if len(value.layout) == rank:
        spatial = list(range(at, at + dim))
        for i in spatial:
            value = plain(value, i)
        for i in range(rank):
            if i not in spatial and any(d.axis is not None for d in value.layout[i]):
                value = freed(value, [i])
        found = _on_all_axes(value, spatial)
        if found is not None:
            return of_channels(found, value.shape[channel_axis] if channel_axis >= 0 else 1)
    value = freed(value, list(range(len(value.layout))))
    field = forget_axes(value.field, range(value.dim))
    spans = tuple(Span(everything=True) for _ in range(field.source.dim))
    features = value.shape[-1] if value.layout else 1
    return of_channels(field.with_spans(spans), features or prod(value.shape))


def _as_a_whole(field: Field, traced: Traced, shape: Sequence[int]) -> Field:
    """The field of an output with what its formula shows beside what is known, on the grid that its shape has."""
    source, layout = field.source, traced.layout
    if field.grid.dim or len(shape) != len(layout) - 1 + source.dim:
        action = widened(traced, source, field.grid, field.unwrapped)
        return field if action == field.unwrapped else field.based(action)
    at = layout.index("S")
    sizes = zip(shape[at : at + source.dim], source.axes, strict=True)
    grid = Domain(tuple(_axis(n, axis.boundary) for n, axis in sizes))
    still = with_axes(field, grid.axes, [False] * grid.dim).unwrapped
    action = widened(traced, source, grid, still)
    if action == still:
        return field
    if action.inverse().source.is_trivial:
        return field.based(action.forget_target())
    return field.based(action, grid).with_spans([Span(everything=True)] * grid.dim)


def _on_all_axes(value: Value, spatial: Sequence[int]) -> Field | None:
    """The field of an array on the grid of its spatial axes, whose other axes are free. None if no isometry moves it.

    A spatial axis that is no axis of the value's grid is free: nodes along it stay in place, but where the array is the
    same all along it.
    """
    source = value.stem.source
    free = [i for i in spatial if value.grid_axis(i) is None]
    uniform = [all(digit.uniform for digit in value.layout[i]) for i in free]
    if len(spatial) - len(free) != value.dim or (not value.dim and not any(uniform)):
        return None
    axes = [_axis(value.shape[i], source.axes[spatial.index(i)].boundary) for i in free]
    order = [value.dim + free.index(i) if i in free else value.grid_axis(i) or 0 for i in spatial]
    return permuted(with_axes(value.field, axes, uniform), order)


def _axis(size: int, boundary: Boundary) -> Axis:
    """An axis of so many nodes, like one of the input; a single node is all of an axis on the plane too."""
    if boundary == "infinite":
        return Axis(None, boundary) if size > 1 else Axis(1, "periodic")
    return Axis(size, boundary)
