"""`infer`: what a user calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, groupby
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_choice, as_flag, is_function, is_integer, or_instance, shown
from equinet.groups.domain import MOST_ALONG, Domain, as_domain
from equinet.groups.fibre import Fibre, as_channels, as_fibre
from equinet.infer.arrays import (
    BATCH,
    LAYOUTS,
    Arrays,
    Output,
    arrays_of,
    laid_out,
    shape_in,
    taken,
    taken_layout,
)
from equinet.infer.bands.run import bands_of
from equinet.infer.compat import trace
from equinet.infer.digits import Digit, Layout
from equinet.infer.evaluate import Runs
from equinet.infer.fields import forget_axes
from equinet.infer.interpret import Interpreter, read
from equinet.infer.ledger import rows
from equinet.infer.output import as_a_whole, as_output, is_map_without_channels, on_the_map
from equinet.infer.pruning import pruned
from equinet.infer.rules.spectra import settled
from equinet.infer.values import Constant, Tokens, Value
from equinet.infer.views import MOST_AXES
from equinet.infer.whole import Traced
from equinet.ops.arrays import as_dtype
from equinet.ops.traced import as_traced
from equinet.readers import reader_of
from equinet.symmetry.certificate import Certificate
from equinet.symmetry.continuous import Bands
from equinet.symmetry.field import Field, changed
from equinet.symmetry.real import RealCertificate, real_domain
from equinet.symmetry.ties import Trial, drawn_weights
from equinet.symmetry.trace import Lost, Row


def infer(
    fn: Callable[..., Any],
    domain: Domain,
    channels: int | Fibre | None = None,
    *,
    layout: str | None = None,
    output_layout: str | None = None,
    size: int | Sequence[int] | None = None,
    params: Any = None,
    generic: bool = False,
    dtype: Any = jnp.float32,
    inputs: Any = None,
    output: Output = None,
    fibre: int | Fibre | None = None,
    translations: Literal["nodes", "real"] = "nodes",
) -> Certificate:
    """The symmetry of any JAX function, or of a module of PyTorch, from its program.

    The function is traced with `jax.make_jaxpr`. The rule of each operation determines how isometries of the input act
    on its result, as the declaration of a layer does for `certify`. The certificate is a lower bound that holds for
    every input. An operation without a rule keeps only the identity, and the ledger names the operation and its line.
    Examples of a batch are taken to be independent: the same isometry acts on all of them. Of a function that mixes
    them (a batch norm in training) the claim is one about the whole batch, and says nothing of examples that are moved
    each by itself. `verify` moves them so, and refuses such functions.

    Args:
        fn: a function of one array that closes over its parameters: a Flax or Equinox model, or any function.
            Or a `torch.nn.Module` in evaluation mode: no values are read, and the claim is for all its parameters
            (`equinet.interop.from_torch`).
        domain: the input's grid: `torus(…)`, `box(…)`, `plane(d)`. On the plane, padding and the ends of the array
            have no effect.
        channels: of the input, unless fn is a network with its variables, which tell it, or `inputs` do. A `Fibre` if
            point operations act on them: a vector field has `Fibre.vector("4mm")`. Then only isometries with
            operations of its group are in the claim.
        layout: the axes of input and output: B for the batch, S for all spatial axes, C for the channels. "BSC" is
            `[batch, *spatial, channels]`, "BCS" puts channels first, "CS" is one example with channels first. An output
            without spatial axes has batch and channels in this order. The default is "BSC", or what the library of a
            model uses: "BCS" for a module of PyTorch.
        output_layout: the axes of the output, where they are others. An output on two or more axes that lacks only the
            channels, such as a map of labels `[batch, *spatial]`, is understood without it.
        size: the size at which to trace along infinite axes, an int or one per axis; a finite one has its own. The
            model must run at this size, and its strides should divide it.
        params: a pytree of parameters, or of their shapes (`jax.eval_shape`). The function is then called as
            `fn(params, x)`, and the claim is for all their values.
        generic: whether arrays of real or complex numbers that the function closes over count as arbitrary too; whole
            numbers, which say places, keep their values. If not, all actual values count: the symmetry of a kernel or a
            table of positions that happens to be symmetric is part of the claim, which is then about this function
            only.
        dtype: of the input.
        inputs: of a function of several arrays, its arguments: a tuple, or a dict (in the order of its names), that has
            the number of channels in the place of each array. `(3, 1)` is for two arrays, `((1, 1),)` for one pair.
            An isometry moves all of them, and `channels` are those of all, one after the other.
        output: which array is meant, if fn returns several: its key, field or number (`"features.0"` for the first of
            those under a key). A tuple of them takes several together, their channels one after the other.
        fibre: how point operations act on the channels of the output, a `Fibre` of the group of `channels`, where that
            is one. By default as on those of the input, if there are as many, or not at all, whichever is kept by more.
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
    reader = reader_of(fn)
    if reader is None and not is_function(fn):
        remedy = or_instance(fn, "bind a layer's variables with bind")
        raise TypeError(f"infer needs a function of one array; got {shown(fn)}: {remedy}")
    as_domain(domain, "infer")
    asked = ("BSC" if reader is None else reader.layout(fn)) if layout is None else layout
    layout = str(as_choice(asked, LAYOUTS, "infer: a layout"))
    arrays = arrays_of(layout, inputs)
    if channels is None and (inputs is not None or "C" not in layout):
        channels = sum(jax.tree.leaves(arrays.inputs)) or 1  # an array without channels
    moved = as_channels(channels, "infer", fn, domain.sizes)
    _check_channels(moved, fibre, arrays, domain)
    as_flag(generic, "infer: generic")
    as_choice(translations, ("nodes", "real"), "infer: translations")
    if translations == "real":
        real_domain(domain)
    dtype = as_dtype(dtype, "infer")
    sizes = _sizes(domain, size)
    if reader is not None:
        if params is not None:
            raise ValueError("infer: a model of another library has its parameters: leave out params=")
        like, named = jax.eval_shape(arrays.arguments, jax.ShapeDtypeStruct(arrays.shape(sizes, moved.size), dtype))
        fn, params = reader.program(fn, *like, **named)
    read_as = layout if output_layout is None else str(as_choice(output_layout, LAYOUTS, "infer: an output layout"))
    # Rules follow channels that operations move only where they come last.
    followed = moved if arrays.layout.endswith("C") else Fibre.plain(moved.size)
    start = changed(Field.input(domain, moved), trial=Trial.input(domain, moved.size, sizes))
    start = start if followed is moved else start.unmoved()
    value, traced = _pushed(fn, start, sizes, arrays, params, generic, dtype, output, read_as)
    if output_layout is None and is_map_without_channels(value, domain.dim, traced.output_layout):
        traced = replace(traced, output_layout=traced.output_layout.replace("C", ""))
    field = as_output(value, domain.dim, traced.output_layout)
    ledger = rows(traced.steps)
    result = traced.values.get(traced.program.outputs[0])
    if isinstance(result, Tokens):
        ledger += (Row(("output",), f"read as {traced.output_layout}", result.nodes.field, field, _beside_nodes),)
    elif value.dim <= MOST_AXES and field.strict != value.field.strict:
        lacks_channels = (
            output_layout is None and domain.dim > 1 and len(value.layout) == len(traced.output_layout) - 2 + domain.dim
        )
        alone = traced.output_layout.replace("C", "")
        why = partial(_read_without_channels, alone) if lacks_channels else _read_otherwise
        ledger += (Row(("output",), f"read as {traced.output_layout}", value.field, field, why),)
    whole = as_a_whole(field, traced, value.shape, fibre)
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
    return Certificate(domain, on_the_map(field, value.shape, sizes, traced.output_layout).with_rows(ledger))


def _check_channels(channels: Fibre, output: int | Fibre | None, arrays: Arrays, domain: Domain) -> None:
    """
    Raises:
        ValueError: for channels that do not fit the domain, the arrays or what the output's are said to be.
    """
    if not channels.is_plain and channels.dim != domain.dim:
        raise ValueError(f"infer: the operations of {channels} are of dimension {channels.dim}; the domain is {domain}")
    width = sum(jax.tree.leaves(arrays.inputs)) if arrays.inputs is not None else 1
    if (arrays.inputs is not None or "C" not in arrays.each) and width != channels.size:
        raise ValueError(f"infer: the arrays that go in have {width} channels together; channels={channels}")
    if output is None:
        return
    given = as_fibre(output, "infer: fibre")
    if not given.is_plain and given.group != channels.group:
        raise ValueError(
            f"infer: fibre={given} says what operations do to the output; channels={channels} does not say what the "
            f"same ones do to the input"
        )


def _read_otherwise(before: Field, lost: Lost) -> str:
    del before, lost
    return "nodes became channels, which nothing is known to move"


def _read_without_channels(layout: str, before: Field, lost: Lost) -> str:
    return f'{_read_otherwise(before, lost)}; of a map without channels say output_layout="{layout}"'


def _beside_nodes(before: Field, lost: Lost) -> str:
    del before, lost
    return "entries of their own lie beside nodes, as a class token does"


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
    value, _ = _pushed(fn, field.unmoved(), sizes, Arrays("BSC"), params, False, jnp.float32, None, "BSC")
    return as_output(value, field.grid.dim, "BSC").within(field.scope).with_rows(field.trace.rows).at(field.trace.path)


def why_lost(fn: Callable[..., Any], field: Field, sizes: Sequence[int], params: Any = None) -> str:
    """What a function loses of a field and where, as text: the reason and the line of each loss that stays; empty if no
    line says.

    Args:
        fn, field, sizes, params: as for `push`.
    """
    value, traced = _pushed(fn, field.unmoved(), sizes, Arrays("BSC"), params, False, jnp.float32, None, "BSC")
    left = as_output(value, field.grid.dim, "BSC").strict.source
    steps = rows(traced.steps)
    ledger = Certificate(field.source, field.with_rows(steps)).ledger
    losses = [
        (line.reason, line.index)
        for line, row in zip(ledger, steps, strict=True)
        if line.reason and not row.before.strict.source <= left
    ]
    reasons = [
        f"{reason} at {', '.join(dict.fromkeys(at for _, at in each))}"
        for reason, each in groupby(losses, key=lambda loss: loss[0])
    ]
    return "; ".join(reasons)


def _pushed(
    fn: Callable[..., Any],
    start: Field,
    sizes: Sequence[int],
    arrays: Arrays,
    params: Any,
    generic: bool,
    dtype: Any,
    output: Output,
    output_layout: str,
) -> tuple[Value, Traced]:
    """A function's output, and its program with all that led to it."""
    channels, layout = start.channels, arrays.layout
    digits: dict[str, Layout] = {
        "B": ((Digit(BATCH),),),
        "S": tuple((Digit(n, i),) for i, n in enumerate(sizes)),
        "C": ((Digit(channels),),),
    }
    shape = shape_in(layout, sizes, channels)
    held = jax.tree.map(_shape_of, params)
    like = jax.ShapeDtypeStruct(shape, dtype)

    def of_one(*given: Any) -> Any:
        arguments, named = arrays.arguments(given[-1])
        with as_traced():
            found = fn(*given[:-1], *arguments, **named)
        return taken(found, output, output_layout)

    try:
        program, out = trace(of_one, [like] if params is None else [held, like])
    except TypeError as error:
        if params is None and arrays.inputs is None and _takes_two(fn):
            raise TypeError(
                f"infer called the function with one array of shape {shape}, and it takes more arguments: bind them, "
                f"give its parameters with params=, if it is called as fn(params, x), or say which arrays it takes "
                f"with inputs="
            ) from error
        raise
    if 0 in out.shape:
        raise ValueError(
            f"infer: of an input of shape {shape} the function returns an array of shape {tuple(out.shape)}, which "
            f"holds nothing: are its windows or slices larger than the input?"
        )
    batches = layout.startswith("B") and output_layout.startswith("B")
    if batches and 1 < len(out.shape) < len(shape) and out.shape[0] not in (1, BATCH):
        raise ValueError(
            f"infer: of an input of shape {shape} the function returns an array of shape {tuple(out.shape)}, which has "
            f"no batch of {BATCH} first: keep that axis, or say with output_layout= how to read the output"
        )
    program = pruned(program)
    value = Value(start, tuple(sizes), tuple(d for part in layout for d in digits[part]))
    runs = Runs.of(program, lambda: _arguments(start, layout, held, shape, dtype))
    interpreter = Interpreter(Field.input(start.source, start.input_fibre), runs, generic)
    arbitrary = [Constant.arbitrary(leaf.shape) for leaf in jax.tree.leaves(held)]
    values = interpreter.values(program, [*arbitrary, value])
    result = settled(read(program.outputs[0], values))
    if not isinstance(result, Value):
        result = _independent(start, tuple(out.shape))
    shapes = *(tuple(leaf.shape) for leaf in jax.tree.leaves(held)), shape
    laid_out = taken_layout(output_layout, output)
    return result, Traced(program, shapes, layout, laid_out, generic, values, interpreter.steps)


def _shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """That of a parameter, as a traced program is given it."""
    kind = jax.typeof(leaf) if not isinstance(leaf, jax.ShapeDtypeStruct) else leaf
    return jax.ShapeDtypeStruct(kind.shape, kind.dtype, weak_type=kind.weak_type)


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
        x = laid_out(x[:BATCH], layout).astype(dtype)
        if x.shape != shape:
            raise ValueError(f"the input of a run has shape {x.shape}, the program's {shape}")
        return [*given, x]

    return [[arguments(x, seed) for seed, x in enumerate(chain.from_iterable(drawn))]]


def _takes_two(fn: Callable[..., Any]) -> bool:
    """Whether a function is one of two arguments, such as parameters and an array, and not of one."""
    try:
        signature = inspect.signature(fn)
        signature.bind(None, None)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind(None)
    except TypeError:
        return True
    return False


def _independent(start: Field, shape: tuple[int, ...]) -> Value:
    """An output that does not depend on the input: everything leaves it as it is."""
    field = forget_axes(start.rebase(), range(start.grid.dim))
    return Value(field, (), tuple((Digit(n),) for n in shape))
