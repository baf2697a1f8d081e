"""Edits of a network or of its domain, each with a price.

A network of layers is a tree of frozen dataclasses, so an edit is a function from the leaves to their replacements.
Readers say which edits of other frameworks' models there are (`equinet.readers.Editor`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from equinet.groups.domain import Axis, Domain
from equinet.groups.fibre import Fibre
from equinet.groups.symbols.point import PointGroup
from equinet.layers import (
    AliasFree,
    AvgPool,
    BlurPool,
    Conv,
    ConvTranspose,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupConv,
    GroupConvTranspose,
    GroupPool,
    Hourglass,
    IdealDownsample,
    IdealUpsample,
    Identity,
    Layer,
    LayerNorm,
    LearnedPolyphasePool,
    MaxBlurPool,
    MaxPool,
    Named,
    Polynomial,
    PolyphasePool,
    PolyphaseRoll,
    PolyphaseUnroll,
    PolyphaseUpsample,
    PositionalEmbedding,
    Sequential,
    Upsample,
    WindowedAttention,
)
from equinet.layers.combine import with_children
from equinet.layers.local import PaddingSpec, kept_size
from equinet.layers.pointwise import Elementwise
from equinet.readers import Editor

Path = tuple[str, ...]
Rule = Callable[[Any, Any], Any]
"""A leaf, and whether it is in the way up of an hourglass, to its replacement, or None to leave it."""

POOLS = (MaxPool, AvgPool)
CONVS = (Conv, GroupConv)
TRANSPOSES = (ConvTranspose, GroupConvTranspose)
WINDOWED = (*CONVS, *TRANSPOSES, MaxPool, AvgPool, BlurPool, MaxBlurPool)


def _maximum(value: int | tuple[int, ...]) -> int:
    return max(value) if isinstance(value, tuple) else value


def _minimum(value: int | tuple[int, ...]) -> int:
    return min(value) if isinstance(value, tuple) else value


def _extent(layer: Layer) -> int | tuple[int, ...]:
    if isinstance(layer, (*CONVS, *TRANSPOSES)):
        return layer.kernel
    return layer.window if isinstance(layer, MaxPool | AvgPool) else 3


def _stride(layer: Layer) -> int | tuple[int, ...]:
    stride = getattr(layer, "stride", 1)
    return _extent(layer) if stride is None else stride


def _repadded(layer: Any, padding: PaddingSpec, **changes: Any) -> Layer:
    """The layer with another padding, and no window beyond it: a padding that keeps the size needs none."""
    return replace(layer, padding=padding, **({"ceil_mode": False} if isinstance(layer, POOLS) else {}), **changes)


def circular(layer: Layer, upward: bool) -> Layer | None:
    """Pad as if the image were periodic; windows that tile need no padding."""
    del upward
    if not isinstance(layer, WINDOWED) or _maximum(_extent(layer)) == 1:
        return None
    if layer.padding == "circular" or (isinstance(layer.padding, tuple) and set(layer.padding) == {"circular"}):
        return None
    if layer.padding == "valid" and _extent(layer) == _stride(layer):
        return None
    return _repadded(layer, "circular")


def polyphase(layer: Layer, upward: bool) -> Layer | None:
    """Keep the stride out of a layer and go down by a polyphase layer; come up by its counterpart."""
    if upward and isinstance(layer, Upsample):
        return None if layer.whole is None else PolyphaseUpsample(layer.whole)
    if upward and isinstance(layer, TRANSPOSES) and _maximum(layer.stride) > 1:
        odd = _maximum(layer.kernel) // 2 * 2 + 1
        plain = isinstance(layer, ConvTranspose)
        conv = Conv(layer.features, odd, padding="circular") if plain else GroupConv(layer.out, odd, padding="circular")
        return Sequential(PolyphaseUpsample(layer.stride), conv)
    stride = _stride(layer)
    if not isinstance(layer, (*CONVS, *POOLS, BlurPool, MaxBlurPool)) or _maximum(stride) == 1:
        return None
    if isinstance(layer, POOLS) and _maximum(layer.window) == 1:
        return PolyphasePool(stride)
    return Sequential(_repadded(layer, kept_size(layer.padding), stride=1), PolyphasePool(stride))


def tiling(layer: Layer, upward: bool) -> Layer | None:
    """Pool over windows that tile, their centres between nodes where the stride is even."""
    del upward
    if not isinstance(layer, POOLS) or _minimum(_stride(layer)) == 1:
        return None
    new = _repadded(layer, "valid", window=_stride(layer), stride=_stride(layer), dilation=1)
    return None if str(new) == str(replace(layer, stride=_stride(layer))) else new


def centred(layer: Layer, upward: bool) -> Layer | None:
    """Pool over windows of odd size, centred on nodes and padded alike on both sides."""
    del upward
    stride = _stride(layer)
    if not isinstance(layer, POOLS) or isinstance(stride, tuple) or stride == 1:
        return None
    new = _repadded(layer, stride // 2, window=stride // 2 * 2 + 1, stride=stride, dilation=1)
    return None if new == layer else new


def pooled(layer: Layer, upward: bool) -> Layer | None:
    """Global pooling in place of flattening."""
    del upward
    return GlobalAvgPool() if isinstance(layer, Flatten) else None


def unplaced(layer: Layer, upward: bool) -> Layer | None:
    """No table of positions."""
    del upward
    return Identity() if isinstance(layer, PositionalEmbedding) else None


def anchored(layer: Layer, upward: bool) -> Layer | None:
    """Windows that start where the data say; by the 1-norm, since a `LayerNorm` makes the 2-norm of all nodes alike."""
    del upward
    if not isinstance(layer, WindowedAttention) or _maximum(layer.window) == 1:
        return None
    return Hourglass(PolyphaseRoll(layer.window, norm=1), layer, PolyphaseUnroll(layer.window))


def ideal(layer: Layer, upward: bool) -> Layer | None:
    """Go down and up without folding frequencies; no maxima, and norms over channels and space together."""
    del upward
    if isinstance(layer, Upsample):
        return None if layer.whole is None else IdealUpsample(layer.whole)
    if isinstance(layer, LayerNorm) and layer.axes == "channels":
        return replace(layer, axes="all")
    stride = _stride(layer)
    if isinstance(layer, PolyphasePool | LearnedPolyphasePool | MaxPool | MaxBlurPool) and _maximum(stride) > 1:
        return IdealDownsample(stride)
    if not isinstance(layer, (*CONVS, AvgPool, BlurPool)) or _maximum(stride) == 1:
        return None
    return Sequential(_repadded(layer, kept_size(layer.padding), stride=1), IdealDownsample(stride))


def smooth(layer: Layer, upward: bool) -> Layer | None:
    """A quadratic polynomial at twice as many nodes in place of other functions of each value."""
    smoother = None if isinstance(layer, Polynomial) else AliasFree(Polynomial(2))
    return smoother if isinstance(layer, Elementwise) else ideal(layer, upward)


def finer(layer: Layer, upward: bool) -> Layer | None:
    """Functions of each value at twice as many nodes."""
    return AliasFree(layer) if isinstance(layer, Elementwise) else ideal(layer, upward)


REAL_RULES: tuple[tuple[Rule, float, str], ...] = (
    (ideal, 3.0, "ideal resampling, and norms over space too, for {layers}"),
    (finer, 4.0, "functions at twice as many nodes (AliasFree), and ideal resampling, for {layers}"),
    (smooth, 5.0, "AliasFree(Polynomial(2)), and ideal resampling, for {layers}"),
)
"""Tried where real shifts are required, beside the others."""

RULES: tuple[tuple[Rule, float, str], ...] = (
    (circular, 1.0, "circular padding in {layers}"),
    (tiling, 2.0, "windows that tile (as wide as the stride) in {layers}"),
    (centred, 2.0, "windows centred on nodes, padded alike on both sides, in {layers}"),
    (pooled, 2.0, "global average pooling instead of {layers}"),
    (unplaced, 2.0, "no positions: drop {layers}"),
    (polyphase, 3.0, "polyphase sampling instead of the stride of {layers}"),
    (anchored, 3.0, "windows that start where the data say, between PolyphaseRoll and PolyphaseUnroll, in {layers}"),
)


@dataclass(frozen=True)
class Edit:
    """A change of the network at some leaves, or of the domain.

    Attributes:
        kind: text with a place for the layers, or the whole text of a change of domain.
        cost: of the first leaf; each further one adds a tenth of it.
        rule: what happens to the leaves at `paths`.
        paths: the leaves, with the text of each.
        domain: the new domain, if that is what changes.
        editor: of the network.
    """

    kind: str
    cost: float
    rule: Rule | None = field(default=None, repr=False)
    paths: tuple[tuple[Path, str], ...] = ()
    domain: Domain | None = None
    editor: Editor | None = field(default=None, repr=False, compare=False)

    @property
    def price(self) -> float:
        """The cost of the whole edit."""
        return self.cost * (1 + 0.1 * max(len(self.paths) - 1, 0))

    @property
    def is_whole(self) -> bool:
        """Whether all leaves change or none."""
        return self.rule is None or (self.editor is not None and self.rule in self.editor.whole)

    def apply(self, net: Any, domain: Domain) -> tuple[Any, Domain]:
        """The network and the domain after the edit."""
        if self.rule is not None and self.editor is not None:
            chosen, rule = {path for path, _ in self.paths}, self.rule
            net = self.editor.rewrite(net, lambda path, leaf, where: rule(leaf, where) if path in chosen else None)
        return net, domain if self.domain is None else self.domain

    def __str__(self) -> str:
        if len(self.paths) <= 3:
            return self.kind.format(layers=", ".join(f"{text} (layer {'.'.join(path)})" for path, text in self.paths))
        shown = ", ".join(".".join(path) for path, _ in self.paths[:6])
        more = f" and {len(self.paths) - 6} more" if len(self.paths) > 6 else ""
        return self.kind.format(layers=f"{len(self.paths)} layers ({shown}{more})")


Change = Callable[[Path, Layer, bool], Layer | None]


def rewrite(net: Layer, change: Change) -> Layer:
    """The network with its leaves replaced: `change(path, leaf, upward)` gives the new leaf, or None to keep it.

    Paths are those of a certificate's ledger.
    """
    return _inside(net, (), change, False) if net.children else _replaced(net, ("0",), change, False)


def _replaced(layer: Layer, path: Path, change: Change, upward: bool) -> Layer:
    """`layer` after the change of its leaves; `path` ends with what its parent calls it."""
    if layer.children:
        return _inside(layer, (*path[:-1], layer.name) if isinstance(layer, Named) else path, change, upward)
    if isinstance(layer, Named):
        return replace(layer, layer=_replaced(layer.layer, path, change, upward))
    return change(path, layer, upward) or layer


def _inside(layer: Layer, path: Path, change: Change, upward: bool) -> Layer:
    if isinstance(layer, Named):
        return replace(layer, layer=_inside(layer.layer, path, change, upward))
    new = [
        _replaced(child, (*path, name), change, upward or (isinstance(layer, Hourglass) and name == "up"))
        for name, child in layer.children
    ]
    return with_children(layer, new)


def over_group(net: Layer, operations: PointGroup) -> Layer | None:
    """The network with group convolutions over a point group in place of its convolutions; None if it has none.

    Each gives copies of the regular representation, about as many channels as before; the last one, where a map comes
    out, scalars. Global pooling and flattening pool over the group first.
    """
    convolutions: list[Path] = []
    rewrite(net, lambda path, leaf, upward: convolutions.append(path) if isinstance(leaf, Conv) else None)
    if not convolutions:
        return None
    dim = len(operations[0])
    regular, scalar = Fibre.regular(operations), Fibre.trivial(operations, dim)
    leaves: list[Layer] = []
    rewrite(net, lambda path, leaf, upward: leaves.append(leaf))
    readout = any(isinstance(leaf, GlobalAvgPool | GlobalMaxPool | Flatten) for leaf in leaves)

    def change(path: Path, leaf: Layer, upward: bool) -> Layer | None:
        del upward
        if isinstance(leaf, GlobalAvgPool | GlobalMaxPool | Flatten):
            return Sequential(GroupPool(), leaf)
        if not isinstance(leaf, Conv) or leaf.groups != 1:
            return None
        last = path == convolutions[-1] and not readout
        out = leaf.features * scalar if last else max(leaf.features // int(regular), 1) * regular
        return GroupConv(
            out, leaf.kernel, stride=leaf.stride, dilation=leaf.dilation, padding=leaf.padding, bias=leaf.bias
        )

    return rewrite(net, change)


class LayerEditor:
    """How a network of layers is edited, where real shifts are required or not; see `equinet.readers.Editor`."""

    together: Sequence[Rule] = (circular, unplaced, pooled, polyphase, anchored)
    whole: Sequence[Rule] = ()
    budget: int = 400

    def __init__(self, real: bool = False) -> None:
        self.rules: Sequence[tuple[Rule, float, str]] = (*RULES, *(REAL_RULES if real else ()))

    def wrap(self, part: Any, where: Any, /) -> Any:
        """See `circular`."""
        return circular(part, where)

    def rewrite(self, net: Layer, change: Change) -> Layer:
        """See `rewrite`."""
        return rewrite(net, change)

    def describe(self, part: Layer) -> str:
        """A leaf, as text."""
        return str(part)

    def unedited(self, net: Layer) -> str:
        """All leaves can be edited."""
        del net
        return ""

    def averaged(self, net: Layer) -> Layer:
        """With a global average at the end."""
        return Sequential(net, GlobalAvgPool())

    def separate(self, net: Layer) -> Layer:
        """Layers hold no weights."""
        return net


def leaf_edits(net: Any, editor: Editor | None = None) -> Iterator[Edit]:
    """One edit per rule that changes any leaf: every leaf at once."""
    edits = LayerEditor() if editor is None else editor
    for rule, cost, kind in edits.rules:
        found: list[tuple[Path, str]] = []

        def note(path: Path, leaf: Any, where: Any, rule: Rule = rule, found: list = found) -> None:
            if rule(leaf, where) is not None:
                found.append((path, edits.describe(leaf)))

        edits.rewrite(net, note)
        if found:
            yield Edit(kind, cost, rule, tuple(found), editor=edits)


def size_edits(domain: Domain, steps: int = 16) -> Iterator[Edit]:
    """Other sizes of the finite axes, nearest first: by up to so many nodes, or to a multiple of a power of two or one
    more.

    All axes change by the same rule, so that a square stays square.
    """
    if not any(domain.sizes):
        return
    sizes = [axis.size or 0 for axis in domain.axes]
    found: dict[tuple[int, ...], None] = {}
    for delta in range(1, steps + 1):
        for sign in (1, -1):
            found[tuple(n + sign * delta for n in sizes)] = None
    for power in (4, 8, 16, 32):
        for extra in (0, 1):
            found[tuple((n + power - 1 - extra) // power * power + extra for n in sizes)] = None
            found[tuple((n - extra) // power * power + extra for n in sizes)] = None

    def distance(new: tuple[int, ...]) -> float:
        return max(abs(a - b) / b for a, b in zip(new, sizes, strict=True) if b)

    for new in sorted(found, key=lambda new: (distance(new), new)):
        moved = [n for n, axis in zip(new, domain.axes, strict=True) if axis.size is not None]
        # On a circle of one or two nodes reflections are shifts, and little is asked.
        if (
            min(moved) < min(3, *(axis.size for axis in domain.axes if axis.size is not None))
            or not 0 < distance(new) <= 0.5
        ):
            continue
        axes = tuple(
            axis if axis.size is None else Axis(n, axis.boundary) for n, axis in zip(new, domain.axes, strict=True)
        )
        resized = Domain(axes)
        yield Edit(f"size {resized} instead of {domain}", 1.0 + 4 * distance(new), domain=resized)
