"""Tokens: what operations make of arrays in which entries of their own lie beside nodes, as class tokens do.

Let a group permute the nodes along an axis and leave the other entries there in place. An operation that does the same
to every entry, or adds all of them up, commutes with all permutations of that axis, so with these: its result is moved
as its operands are. So the ordinary rule is asked about the nodes alone, and the other entries follow. What it is
asked about is a base: a rule that sees that some nodes regain what an earlier value had lost has not seen the others.

Each function here gives that, and None where an operation tells entries apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from equinet.infer.compat import Equation
from equinet.infer.digits import Digit, with_item
from equinet.infer.fields import forget_axes
from equinet.infer.join import join, mixed
from equinet.infer.primitives import row_of
from equinet.infer.values import Beside, Constant, Ends, Operand, Spectrum, Tokens, Value
from equinet.infer.views import renamed, without_spare_axes, without_tokens

Given = Operand | Spectrum | Ends | Tokens
Found = list[Tokens | Value] | None
NONE: tuple[int, int] = (0, 0)


def each(equation: Equation, arguments: Sequence[Given]) -> Found:
    """A function of the entries of all operands at one place."""
    shapes = {a.shape for a in arguments if a.shape} | {*equation.shapes}
    beside = _common([a.beside for a in arguments if isinstance(a, Tokens)], len(equation.shapes[0]))
    if beside is None or len({*map(len, shapes)}) > 1:
        return None
    moved = _grid_axes(arguments)
    parts = [_without(a, beside if a.shape else (), moved) for a in arguments]
    return _by_rule(equation, parts, [beside] * len(equation.outputs))


def spread(equation: Equation, arguments: Sequence[Given]) -> Found:
    """An array along more axes."""
    (tokens,) = arguments
    assert isinstance(tokens, Tokens)
    beside, shape = [NONE] * len(equation.shapes[0]), [*equation.params["shape"]]
    for i, at in enumerate(equation.params["broadcast_dimensions"]):
        beside[at] = tokens.beside[i]
        shape[at] -= sum(tokens.beside[i])
    return _by_rule(equation, [tokens.nodes], [tuple(beside)], shape=tuple(shape))


def reshaped(equation: Equation, arguments: Sequence[Given]) -> Found:
    """An array whose axes with tokens stay as they are, whatever becomes of those before and after them."""
    (tokens,), shape = arguments, [*equation.shapes[0]]
    assert isinstance(tokens, Tokens)
    if equation.order is not None:
        return None
    beside = [NONE] * len(shape)
    for i, pair in enumerate(tokens.beside):
        if pair != NONE:
            ahead, size = prod(tokens.shape[:i]), tokens.shape[i]
            at = next((k for k, n in enumerate(shape) if n == size and prod(equation.shapes[0][:k]) == ahead), None)
            if at is None:
                return None
            beside[at], shape[at] = pair, size - sum(pair)
    sizes = {"new_sizes": tuple(shape)} if "new_sizes" in equation.params else {}
    return _by_rule(equation, [tokens.nodes], [tuple(beside)], **sizes)


def transposed(equation: Equation, arguments: Sequence[Given]) -> Found:
    """Its axes in another order."""
    (tokens,) = arguments
    assert isinstance(tokens, Tokens)
    return _by_rule(equation, [tokens.nodes], [tuple(tokens.beside[i] for i in equation.params["permutation"])])


def reduced(equation: Equation, arguments: Sequence[Given]) -> Found:
    """A symmetric function of all entries along some axes, nodes and others."""
    (tokens,), axes = arguments, equation.params["axes"]
    assert isinstance(tokens, Tokens)
    return _by_rule(equation, [tokens.nodes], [tuple(p for i, p in enumerate(tokens.beside) if i not in axes)])


def multiplied(equation: Equation, arguments: Sequence[Given]) -> Found:
    """A product, summed over some axes; not with weights for each entry, which make nodes of their own."""
    (summed, batch), found = equation.params["dimension_numbers"], [[NONE] * len(a.shape) for a in arguments]
    for at, argument in enumerate(arguments):
        if isinstance(argument, Tokens):
            found[at] = [*argument.beside]
    for kind in (summed, batch):
        for i, j in zip(*kind, strict=True):
            both = _common([(found[0][i],), (found[1][j],)], 1)
            weighs = kind is summed and any(isinstance(a, Constant) for a in arguments)
            if both is None or (weighs and both != (NONE,)):
                return None
            found[0][i] = found[1][j] = both[0]
    parts = [_without(a, tuple(beside), range(len(beside))) for a, beside in zip(arguments, found, strict=True)]
    rest = [
        [pair for i, pair in enumerate(beside) if i not in (*summed[at], *batch[at])] for at, beside in enumerate(found)
    ]
    return _by_rule(equation, parts, [(*(found[0][i] for i in batch[0]), *rest[0], *rest[1])])


def sliced(equation: Equation, arguments: Sequence[Given]) -> Found:
    """A part of an array: along an axis with tokens all its nodes, or none."""
    (tokens,) = arguments
    assert isinstance(tokens, Tokens)
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    rest = [*starts], [*limits]
    for i, pair in enumerate(tokens.beside):
        if pair != NONE:
            cut = _cut(tokens, i, starts[i], limits[i]) if steps[i] == 1 else None
            if cut is None:
                return None
            tokens, rest[0][i], rest[1][i] = cut, 0, cut.nodes.shape[i]
    return _by_rule(
        equation, [tokens.nodes], [tokens.beside], start_indices=tuple(rest[0]), limit_indices=tuple(rest[1])
    )


def split(equation: Equation, arguments: Sequence[Given]) -> Found:
    """Its parts: along an axis with tokens each with all nodes, or none."""
    (tokens,), axis, sizes = arguments, equation.params["axis"], equation.params["sizes"]
    assert isinstance(tokens, Tokens)
    if tokens.beside[axis] == NONE:
        return _by_rule(equation, [tokens.nodes], [tokens.beside] * len(sizes))
    ends = np.cumsum(sizes).tolist()
    found = [_cut(tokens, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return [_plain(one) for one in found if one is not None] if None not in found else None


def joined(equation: Equation, arguments: Sequence[Given]) -> Found:
    """Arrays beside each other, along an axis with tokens or another one."""
    at, rank = equation.params["dimension"], len(equation.shapes[0])
    beside = _common([a.beside for a in arguments if isinstance(a, Tokens)], rank)
    if beside is None or beside[at] != NONE:
        result = beside_nodes(arguments, at)
        return None if result is None else [result]
    moved = _grid_axes(arguments)
    return _by_rule(equation, [_without(a, beside, moved) for a in arguments], [beside])


def padded(equation: Equation, arguments: Sequence[Given]) -> Found:
    """A number before and after all entries along one axis."""
    whole, number = arguments
    config = equation.params["padding_config"]
    wide = [i for i, edges in enumerate(config) if any(edges)]
    if len(wide) != 1 or not isinstance(number, Constant):
        return None
    at, (lo, hi, between) = wide[0], config[wide[0]]
    if min(lo, hi) < 0 or between:
        return None
    sides = [Constant(with_item(whole.shape, at, n), None, (False,) * len(config)) for n in (lo, hi)]
    result = beside_nodes([sides[0], whole, sides[1]], at)
    return None if result is None else [result]


def beside_nodes(parts: Sequence[Given], at: int) -> Tokens | Value | None:
    """Arrays one after the other along an axis, of which one holds nodes there; None if more do, or none."""
    holding = [i for i, part in enumerate(parts) if _holds_nodes(part, at)]
    if len(holding) != 1:
        return None
    [here] = holding
    whole = parts[here]
    nodes = whole.nodes if isinstance(whole, Tokens) else whole
    beside = whole.beside if isinstance(whole, Tokens) else (NONE,) * len(whole.shape)
    others = [*parts[:here], *parts[here + 1 :]]
    if not isinstance(nodes, Value) or not all(isinstance(part, Value | Constant) for part in others):
        return None
    if any(pair != NONE for i, pair in enumerate(beside) if i != at):
        return None
    moved = _grid_axes([nodes]) - {at}
    if any(isinstance(part, Constant) and any(map(part.varies_among, moved)) for part in others):
        return None
    for part in others:
        if isinstance(part, Value):
            like = with_item(part.layout, at, (Digit(nodes.shape[at], uniform=True),))
            nodes = join(nodes, mixed(part, "any", like), linear=False)
    before, after = (sum(part.shape[at] for part in some) for some in (parts[:here], parts[here + 1 :]))
    lo, hi = beside[at]
    return _tokens(nodes, with_item(beside, at, (lo + before, hi + after)))


def _holds_nodes(part: Given, at: int) -> bool:
    """Whether an array has all nodes of some grid axes along an axis, and nothing else but tokens."""
    value = part.nodes if isinstance(part, Tokens) else part
    if not isinstance(value, Value) or not value.layout[at] or value.stem.variables or not value.stem.fibre.is_plain:
        return False
    digits = value.layout[at]
    axes = {digit.axis for digit in digits}
    return None not in axes and all(len(value.digits_of(axis or 0)) == _count(digits, axis) for axis in axes)


def _count(digits: Sequence[Digit], axis: int | None) -> int:
    return sum(digit.axis == axis for digit in digits)


def _common(found: Sequence[Beside], rank: int) -> Beside | None:
    """What lies beside nodes along each axis, where some arrays have it and others are to be without; None if two have
    different numbers of it."""
    kinds = [{one[i] for one in found} - {NONE} for i in range(rank)]
    return None if any(len(kind) > 1 for kind in kinds) else tuple(next(iter(kind), NONE) for kind in kinds)


def _grid_axes(arguments: Sequence[Given]) -> set[int]:
    """The array axes along which some have nodes."""
    held = [a.nodes if isinstance(a, Tokens) else a for a in arguments]
    return {axis for value in held if isinstance(value, Value) for axis in value.moved_axes}


def _is_alike(constant: Constant, beside: Beside, moved: Collection[int]) -> bool:
    """Whether what a constant has beside nodes is the same for all nodes along the axes that may be moved.

    Else the part on nodes does not say what keeps the whole: of a mask a token may see one node and not another.
    """
    for i, (lo, hi) in enumerate(beside):
        n, cut = constant.shape[i], lo + hi > 0 and constant.varies[i]
        for start, end in ((0, lo), (n - hi, n)) if cut else ():
            part = _rows(constant, [(start, end) if k == i else (0, size) for k, size in enumerate(constant.shape)])
            for j in moved:
                nodes = np.arange(beside[j][0], constant.shape[j] - beside[j][1])
                if start < end and j != i and len(nodes) > 1 and part.varies_among(j, nodes):
                    return False
    return True


def _rows(constant: Constant, ends: Sequence[tuple[int, int]]) -> Constant:
    """The entries between two numbers along each axis."""
    rows = tuple(slice(*pair) for pair in ends)
    return constant.mapped(lambda array: np.asarray(array)[rows], [end - start for start, end in ends], constant.varies)


def _without(argument: Given, beside: Beside, moved: Collection[int]) -> Operand | None:
    """The nodes of an array; of one that has no tokens along an axis, as many entries, where they are all alike; of a
    constant, those that lie on nodes, if all else is the same for all nodes. None if there is no such part. What has
    one entry is spread over all.

    Args:
        moved: the axes along which the nodes of some operand lie.
    """
    if not isinstance(argument, Constant | Value | Tokens):
        return None
    beside = tuple(pair if n > 1 else NONE for n, pair in zip(argument.shape, beside, strict=True))
    if isinstance(argument, Constant):
        ends = [(lo, n - hi) for n, (lo, hi) in zip(argument.shape, beside, strict=True)]
        return _rows(argument, ends) if _is_alike(argument, beside, moved) else None
    value = argument.nodes if isinstance(argument, Tokens) else argument
    if value.stem.variables:
        return None
    own = argument.beside if isinstance(argument, Tokens) else (NONE,) * len(value.layout)
    for i, (mine, pair) in enumerate(zip(own, beside, strict=True)):
        if mine == pair:
            continue
        if not all(digit.uniform for digit in value.layout[i]):
            return None
        value = value.laid_out(with_item(value.layout, i, (Digit(value.shape[i] - sum(pair), uniform=True),)))
    return value


def _cut(tokens: Tokens, axis: int, start: int, limit: int) -> Tokens | None:
    """The entries of some numbers along an axis with tokens: all its nodes, or none of them; None if it is a part of
    these, or there are no entries."""
    (lo, _), nodes = tokens.beside[axis], tokens.nodes
    end = lo + nodes.shape[axis]
    if start <= lo and end <= limit:
        return replace(tokens, beside=with_item(tokens.beside, axis, (lo - start, limit - end)))
    if start == limit or (start < end and limit > lo):
        return None
    axes = {digit.axis for digit in nodes.layout[axis] if digit.axis is not None}
    kept = [i for i in range(nodes.dim) if i not in axes]
    layout = renamed(nodes.layout, {old: new for new, old in enumerate(kept)})
    # What moves the nodes along the axis leaves the others as they are.
    others = nodes.known(forget_axes(nodes.field, axes), with_item(layout, axis, (Digit(limit - start),)), axes=kept)
    return Tokens(others, with_item(tokens.beside, axis, NONE))


def _by_rule(equation: Equation, parts: Sequence[Operand | None], beside: Sequence[Beside], **params: object) -> Found:
    """What the ordinary rule makes of nodes, with what lies beside them then."""
    arguments = [part for part in parts if part is not None]
    rule = row_of(equation).rule
    if rule is None or len(arguments) < len(parts):
        return None
    pairs = zip(equation.shapes, beside, strict=True)
    shapes = [[n - lo - hi for n, (lo, hi) in zip(shape, sides, strict=True)] for shape, sides in pairs]
    resized = equation.resized([part.shape for part in arguments], shapes, **params)
    results = [found for found in rule(resized, arguments) if isinstance(found, Value)]
    if len(results) < len(beside):
        return None
    return [_tokens(value, sides) for value, sides in zip(results, beside, strict=True)]


def _tokens(value: Value, beside: Beside) -> Tokens | Value:
    """Nodes with tokens beside them, as a base."""
    value = without_spare_axes(value)
    return _plain(Tokens(value.known(value.field.rebase()), beside))


def _plain(tokens: Tokens) -> Tokens | Value:
    """An array without tokens as what it is; one whose nodes are held, or not moved, as an array like any other."""
    cut = [i for i, pair in enumerate(tokens.beside) if pair != NONE]
    if not cut:
        return tokens.nodes
    field = tokens.nodes.field
    moves = bool(field.variables) or not field.strict.source.is_trivial
    return tokens if moves and all(_holds_nodes(tokens, i) for i in cut) else without_tokens(tokens)
