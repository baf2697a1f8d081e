"""Regions of a program that declare their symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from equinet.declare import Declared
from equinet.infer.compat import Equation
from equinet.infer.digits import Digit, Layout, free
from equinet.infer.evaluate import Runs
from equinet.infer.fields import of_channels, permuted, restrict_source
from equinet.infer.join import held
from equinet.infer.primitives import NoRule, Primitive, enter
from equinet.infer.values import Atom, Chosen, Constant, Value
from equinet.infer.views import freed, plain
from equinet.symmetry.field import Field, changed
from equinet.symmetry.polyphase import Phase, replace_phase


def push_declared(
    region: Declared, equation: Equation, arguments: Sequence[Atom], source: Field, runs: Runs
) -> list[Atom]:
    """What a region's rule says of its outputs.

    Args:
        source: the input's field.
        runs: of the program that it is in.
    """
    if any(not isinstance(a, Constant) for a in arguments[: region.held]):
        raise NoRule(
            f"{region.name} closes over an array that depends on the input, of which its declaration is silent"
        )
    shown: list[Atom] = [*arguments[: region.held]]
    for at, argument in enumerate(arguments[region.held :], start=region.held):
        mapped = sum(axes[at] for axes in region.mapped_in)
        shown.append(_on_grid(argument, mapped) if isinstance(argument, Value) else argument)
    tracked = [a for a in shown if not isinstance(a, Constant)]
    if all(isinstance(a, Value) and a.dim == 0 and a.stem.fibre.is_plain for a in tracked):
        # Nothing moves what goes in: nor what comes out.
        whole = reduce(restrict_source, [a.field for a in tracked if isinstance(a, Value)]).pointwise("any")
        return [Value(whole, (), free(*shape)) for shape in equation.shapes]
    given = [_shown(argument) for argument in shown[region.held :]]
    for at, value in enumerate(given):
        if isinstance(value, Field):
            operand = region.held + at
            vmapped = sum(axes[operand] for axes in region.mapped_in)
            given[at] = changed(value, trial=runs.into(equation, operand, vmapped))
    results = region.push(given)
    kept = [phase for phase in given if isinstance(phase, Phase)]
    fresh = [phase for phase in results if isinstance(phase, Phase)]
    if len(kept) == len(fresh):
        # A phase that was given and kept is one and the same.
        for one, other in zip(kept, fresh, strict=True):
            results = [_identified(result, one, other) for result in results]
    mapped = [sum(axes[at] for axes in region.mapped_out) for at in range(len(results))]
    outputs = zip(results, equation.shapes, mapped, strict=True)
    return [_value(region, result, shape, count, source) for result, shape, count in outputs]


def _identified(result: Field | Phase | None, kept: Phase, fresh: Phase) -> Field | Phase | None:
    """A result in terms of the phase that was given, under the operations that both say the same of."""
    if result is None or result is fresh:
        return None if result is None else kept
    if isinstance(result, Phase) or kept is fresh:
        return result
    return result.based(replace_phase(result.action, fresh, kept))


def _on_grid(value: Value, mapped: int) -> Value:
    """An operand `[mapped…, batch, *spatial, channels]` whose spatial axes are its grid's in order, or none is."""
    rank = len(value.layout)
    spatial = list(range(mapped + 1, rank - 1))
    others = [i for i in range(rank) if i not in spatial]
    value = freed(value, [i for i in others if any(d.axis is not None for d in value.layout[i])])
    for i in spatial:
        value = plain(value, i)
    value = held(value, {axis for axis in range(value.dim) if value.is_partial(axis)})
    axes = [axis for axis in map(value.grid_axis, spatial) if axis is not None]
    if value.dim and len(axes) == len(spatial) == value.dim:
        layout = tuple(
            (Digit(value.shape[i], i - mapped - 1),) if i in spatial else old for i, old in enumerate(value.layout)
        )
        return value.known(permuted(value.field, axes), layout, axes=axes)
    value = freed(value, spatial)
    if value.dim:
        raise NoRule("its operand has lost an axis of the grid")
    return value


def _shown(argument: Atom) -> Field | Phase | None:
    """What a rule gets to see of an operand."""
    if isinstance(argument, Constant):
        return None
    if isinstance(argument, Chosen):
        return argument.phase
    channels = argument.shape[-1] if argument.layout else 1
    return of_channels(argument.field, channels)


def _value(region: Declared, result: Field | Phase | None, shape: tuple[int, ...], mapped: int, source: Field) -> Atom:
    if result is None:
        return Constant.arbitrary(shape)
    if isinstance(result, Phase):
        return Chosen(result)
    dim = result.grid.dim
    if result.source != source.source:
        raise ValueError(f"the rule of {region.name} returns a field of another input")
    adaptive = bool(result.variables)
    layout: Layout = tuple((Digit(n, chooses=adaptive and i <= mapped),) for i, n in enumerate(shape))
    if not dim:
        return Value(result, (), layout)
    first = mapped + 1
    if len(shape) != first + dim + 1:
        raise ValueError(
            f"the rule of {region.name} returns a field on {result.grid}; the array has shape {shape}, which is not "
            f"[batch, *spatial, channels]"
        )
    spatial = shape[first : first + dim]
    if any(n is not None and n != size for n, size in zip(result.grid.sizes, spatial, strict=True)):
        raise ValueError(f"the rule of {region.name} returns a field on {result.grid}; the array has shape {shape}")
    layout = tuple(
        (Digit(n, i - first),) if first <= i < first + dim else old
        for i, (n, old) in enumerate(zip(shape, layout, strict=True))
    )
    return Value(result, tuple(spatial), layout)


enter(Primitive("declared", fibres="declared", takes_phases=True))
