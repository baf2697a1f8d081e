"""What an array of a program is, as far as symmetry goes: an immutable value per array.

A `Constant` does not depend on the network's input. A `Value` does; it says how its axes are made up of the axes of a
`Field`, whose isometries are known, and which nodes of an earlier value it copies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import copysign, prod
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups.domain import Axis, Domain
from equinet.infer.digits import Digit, Layout, tidy
from equinet.infer.fields import irregular
from equinet.infer.lazy import Lazy
from equinet.infer.strips import Strip
from equinet.symmetry.field import Field
from equinet.symmetry.polyphase import Phase
from equinet.symmetry.tables import Table

Kind = Literal["gather", "sum", "max"]
LEAST = -sys.float_info.max
"""How the least finite number of a type of floats is written as padding, which is another one than −∞."""


def bits(array: np.ndarray) -> np.ndarray:
    """Integers that are equal where numbers are equal to the last bit, which 0 and −0 are not."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind == "c":
        return np.stack([bits(np.real(array)), bits(np.imag(array))], axis=-1)
    return array.view(f"u{array.dtype.itemsize}")


def named(rows: np.ndarray) -> np.ndarray:
    """An integer for each row of numbers, the same where rows are equal to the last bit."""
    names: dict[bytes, int] = {}
    return np.asarray([names.setdefault(row.tobytes(), len(names)) for row in bits(rows).reshape(len(rows), -1)])


def same_number(a: float, b: float) -> bool:
    """Whether two numbers are the same, which 0 and −0 are not."""
    return a == b and copysign(1, a) == copysign(1, b)


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that does not depend on the input.

    Attributes:
        shape: its shape.
        lazy: the array; None if its values are arbitrary (a parameter taken as generic).
        varies: per axis, whether it may vary along it; along the others it is proved to be the same, by how it is made
            and without a look at its values.
    """

    shape: tuple[int, ...]
    lazy: Lazy | None
    varies: tuple[bool, ...]

    @staticmethod
    def of(array: Any) -> Constant:
        """A given array."""
        return Constant(tuple(array.shape), Lazy(lambda: array), tuple(n > 1 for n in array.shape))

    @staticmethod
    def arbitrary(shape: Sequence[int]) -> Constant:
        """An array of which nothing is known."""
        return Constant(tuple(shape), None, tuple(n > 1 for n in shape))

    @staticmethod
    def empty(aval: Any) -> Constant:
        """An array without elements: all of them are known."""
        return Constant(tuple(aval.shape), Lazy(lambda: jnp.zeros(aval.shape, aval.dtype)), (False,) * len(aval.shape))

    def mapped(self, function: Callable[[Any], Any], shape: Sequence[int], varies: Sequence[bool]) -> Constant:
        """A function of it, with the result's shape and the axes along which that may vary."""
        return Constant(tuple(shape), None if self.lazy is None else Lazy(function, self.lazy), tuple(varies))

    @cached_property
    def array(self) -> np.ndarray | None:
        """Its values as numbers; None if arbitrary, or not numbers."""
        raw = None if self.lazy is None else self.lazy.value
        kind = getattr(raw, "dtype", None)
        if kind is None or jnp.issubdtype(kind, jax.dtypes.extended):
            return None
        found = np.asarray(raw)
        return found if found.dtype.kind in "biufc" else found.astype(np.float32)

    @cached_property
    def scalar(self) -> float | None:
        """Its value, if it has only one and that is known."""
        if self.array is None or any(self.actually_varies) or self.array.size == 0:
            return None
        first = self.array.ravel()[0]
        if np.issubdtype(self.array.dtype, np.integer):
            return int(first)  # a float does not hold all of them
        return float(first) if np.issubdtype(self.array.dtype, np.floating) else None

    @cached_property
    def fill(self) -> float | None:
        """Its value as padding: −∞, or `LEAST` of finite ones, if no number is less: maxima do not see it."""
        if self.scalar is None or self.lazy is None:
            return None
        kind = self.lazy.value.dtype
        if jnp.issubdtype(kind, jnp.floating):
            return LEAST if self.scalar == float(jnp.finfo(kind).min) else self.scalar
        least = jnp.iinfo(kind).min if jnp.issubdtype(kind, jnp.integer) else None
        return -np.inf if self.scalar == least else self.scalar

    @cached_property
    def actually_varies(self) -> tuple[bool, ...]:
        """Per axis, whether it varies along it; as `varies` where values are arbitrary."""
        return tuple(may and self.varies_among(axis) for axis, may in enumerate(self.varies))

    def varies_among(self, axis: int, nodes: np.ndarray | None = None) -> bool:
        """Whether it varies among some nodes of an axis (all of them, unless given); yes, if those are arbitrary."""
        if self.array is None:
            return self.varies[axis]
        values = np.moveaxis(self.array, axis, 0)
        values = bits(values if nodes is None else values[nodes])
        return bool((values != values[:1]).any())


@dataclass(frozen=True, eq=False)
class Chosen:
    """The array that says which phase an adaptive polyphase layer chose."""

    phase: Phase


@dataclass(frozen=True, eq=False)
class Value:
    """An array that depends on the input.

    Attributes:
        stem: the symmetry of the value that this one is a table over; its grid axes are the axes of digits.
        token: stands for the stem: two values with one token read the same stem.
        tables, kind: per grid axis, what is read of the stem; copies, weighted sums or maxima of its nodes.
        factor: what copies and sums are multiplied by.
        fill: the constant that tables speak of.
        extents: per grid axis its size in this program (that of the traced array, where the grid is infinite).
        layout: the digits of each array axis.
        canvas: per grid axis, where its nodes lie in the traced input; see `Strip`.
        stencil: the stem as a weighted sum of translates of earlier ones, if it is known as one.
        maximum: a maximum as a stem of its own, for sums of its copies; None unless `kind` is "max".
        memo: other forms of this very value, so that each is made once and its pieces are known to belong together; and
            the arrays that it was put together of, if these are columns of an index; and its form with tokens.
    """

    stem: Field
    extents: tuple[int, ...]
    layout: Layout
    tables: tuple[Table, ...] = ()
    kind: Kind = "gather"
    factor: float = 1.0
    fill: float = 0.0
    token: object = field(default_factory=object)
    maximum: Value | None = None
    canvas: tuple[Strip, ...] = ()
    stencil: Stencil | None = None
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.canvas:
            object.__setattr__(self, "canvas", tuple(Strip.whole(n) for n in self.extents))
        if not self.tables:
            object.__setattr__(self, "tables", tuple(Table.identity(n) for n in self.stem.grid.sizes))
        object.__setattr__(self, "layout", tuple(tidy(digits) for digits in self.layout))
        if self.maximum is not None and self.maximum.layout != self.layout:
            object.__setattr__(self, "maximum", replace(self.maximum, layout=self.layout))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(prod(digit.size for digit in digits) for digits in self.layout)

    @property
    def dim(self) -> int:
        """Number of grid axes."""
        return len(self.extents)

    @property
    def is_stem(self) -> bool:
        """Whether the value is its stem itself."""
        sizes = self.stem.grid.sizes
        return all(t.is_identity and n in (None, len(t.nodes)) for t, n in zip(self.tables, sizes, strict=True))

    @cached_property
    def field(self) -> Field:
        """The value's symmetry: that of its stem, read through its tables.

        Layers pad with zeros, which are all one constant. Where tables read another number, constants of the stem and
        zeros that come later are other ones: so those of the field are renamed before it is read, and after.
        """
        if self.is_stem:
            return self.stem if self.factor > 0 else self.stem.pointwise("affine")
        maximum = self.kind == "max"
        tables = self.tables
        if maximum and self.fill <= LEAST:
            tables = tuple(table.present for table in tables)
        other = not same_number(self.fill, 0.0) and any(table.has_constants for table in tables)
        stem = self.stem.rename_constants() if other else self.stem
        result = stem.read(tables, "max" if maximum else "sum")
        result = result.rename_constants() if other else result
        result = result if self.factor > 0 else result.pointwise("affine")
        return irregular(result, [table.stride is None for table in tables])

    @property
    def grid(self) -> Domain:
        """The value's grid."""
        axes = []
        for axis, table in zip(self.stem.grid.axes, self.tables, strict=True):
            axes.append(axis if axis.size is None else Axis(len(table.nodes), axis.boundary))
        return Domain(tuple(axes))

    def known(
        self,
        stem: Field,
        layout: Layout | None = None,
        extents: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        canvas: Sequence[Strip] | None = None,
    ) -> Value:
        """A new stem of the given symmetry, laid out as this value unless said otherwise.

        Args:
            axes: the grid axes of this value that the new one's are; all, in order, unless given.
            canvas: of the new one; the strips of those axes, unless given.
        """
        axes = range(self.dim) if axes is None else axes
        extents = [self.extents[i] for i in axes] if extents is None else extents
        if canvas is None:
            canvas = [self.canvas[i].cut_into(n, self.extents[i]) for i, n in zip(axes, extents, strict=True)]
        return Value(stem, tuple(extents), self.layout if layout is None else layout, canvas=tuple(canvas))

    def endless(self, axis: int) -> bool:
        """Whether a grid axis is infinite."""
        return self.stem.grid.axes[axis].size is None

    def inside(self, axis: int) -> np.ndarray:
        """Which nodes along a grid axis are not at its ends."""
        return self.canvas[axis].inside(self.extents[axis])

    def is_partial(self, axis: int) -> bool:
        """Whether the array is a view of an infinite axis that lacks some of its inner nodes."""
        return self.endless(axis) and not self.canvas[axis].covers(self.extents[axis])

    def laid_out(self, layout: Layout) -> Value:
        """The same value as another view of its nodes."""
        return replace(self, layout=layout)

    def restem(self) -> Value:
        """The same value as a stem of its own."""
        if self.is_stem and self.factor == 1:
            return self
        if "restem" not in self.memo:
            self.memo["restem"] = self.known(self.field)
        return self.memo["restem"]

    @property
    def other(self) -> Tokens | None:
        """The same array with what lies at the ends of an infinite axis taken for tokens, if it has that form too."""
        return self.memo.get("tokens")

    def also(self, other: Tokens) -> Value:
        """The same value, with that other form."""
        found = replace(self)
        found.memo["tokens"] = other
        return found

    def digits_of(self, axis: int) -> list[Digit]:
        """All digits that count the nodes of a grid axis."""
        return [digit for digits in self.layout for digit in digits if digit.axis == axis]

    def is_whole(self, digit: Digit) -> bool:
        """Whether a digit is all of a grid axis."""
        return digit.axis is not None and digit.stride == 1 and digit.size == self.extents[digit.axis]

    def grid_axis(self, array_axis: int) -> int | None:
        """The grid axis that an array axis is, if it is one."""
        digits = self.layout[array_axis]
        if len(digits) == 1 and self.is_whole(digits[0]):
            return digits[0].axis
        return None

    @cached_property
    def choices(self) -> int:
        """How many choices of their own adaptive layers made for parts of the array."""
        return prod(digit.size for digits in self.layout for digit in digits if digit.chooses)

    @cached_property
    def moved_axes(self) -> tuple[int, ...]:
        """The array axes along which isometries may move it."""
        return tuple(i for i, digits in enumerate(self.layout) if any(digit.axis is not None for digit in digits))


def one_axis_apart(values: Sequence[Value]) -> int | None:
    """The only grid axis along which tables over one stem differ (any, if none), an infinite one at one pace; None if
    there are more, or the values are laid out otherwise."""
    first = values[0]
    alike = all(v.token is first.token and (v.layout, v.extents) == (first.layout, first.extents) for v in values)
    if not alike or not first.dim:
        return None
    apart = {i for v in values for i, (one, two) in enumerate(zip(first.tables, v.tables, strict=True)) if one != two}
    axis = min(apart, default=0)
    one_pace = not first.endless(axis) or len({v.tables[axis].pace for v in values}) == 1
    return axis if one_pace and len(apart) <= 1 else None


@dataclass(frozen=True, eq=False)
class Stencil:
    """A weighted sum of translates of stems: y[p] = Σ K[s] x[p − s], over all its stems x.

    Attributes:
        terms: for each stem a value over it, of which the stem alone is meant, and the weight K[s] of each shift s.
    """

    terms: tuple[tuple[Value, Mapping[tuple[int, ...], float]], ...]


@dataclass(frozen=True, eq=False)
class Ends:
    """An array that depends on nothing but the ends of an infinite axis: what isometries move is not in it.

    Attributes:
        value: the same as an array like any other.
    """

    value: Value

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape


Frequencies = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """An array in which some grid axes are Fourier transformed: a translation by t turns entry κ by exp(−2πi κ t / n).

    Its entries are numbers X(κ) of a function X of all frequencies. An operation B of the point group puts X(Bᵀκ) in
    the place of X(κ): it moves entries, and takes conjugates where the one at −κ alone is in the array.

    Attributes:
        value: the array; transformed axes are free in its layout, their translations are those of a grid axis without
            digits, and so are their point operations, which are those of X.
        axes: per array axis, the grid axis that it is the transform of and the frequency κ of each entry (None for
            one that is zero); or None.
        half: the grid axis of which half of the frequencies are kept, since X(−κ) is the conjugate of X(κ); or None.
        whole: stands for X: the entries of two spectra with one token are those of one function.
    """

    value: Value
    axes: tuple[tuple[int, Frequencies] | None, ...]
    half: int | None = None
    whole: object = field(default_factory=object)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape


Beside = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Tokens:
    """An array in which entries of their own lie before or after nodes along some axes, as a class token does.

    Isometries move the nodes among themselves, and the others stay where they are along such an axis. Along the other
    axes both move alike.

    Attributes:
        nodes: the part that holds the nodes. What its field keeps moves the whole array so.
        beside: per array axis, how many entries lie before and after the nodes; none but along axes that hold all
            nodes of some grid axes, and nothing else.
    """

    nodes: Value
    beside: Beside

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(n + sum(pair) for n, pair in zip(self.nodes.shape, self.beside, strict=True))


Operand = Value | Constant
Atom = Operand | Chosen
Held = Atom | Spectrum | Ends | Tokens
Order = Literal["linear", "any"]
