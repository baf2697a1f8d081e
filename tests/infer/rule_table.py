"""The rules of inference: for each what it claims, and what refutes it outside its condition.

`docs/theory.md` has the same rows in words. A case inside a rule's condition is claimed, and holds; one outside is not
claimed, and an input shows why: the rule would be wrong there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import equinet as eq

Function = Callable[..., Any]
T8, B8, P1, P2 = eq.torus(8), eq.box(8), eq.plane(1), eq.plane(2)
T48, ROWS = eq.torus(4, 8), "4Z × Z ⋊ m_y (pm, index 4)"
T44, SQUARE = eq.torus(4, 4), "Z × Z ⋊ 4mm (p4m, index 1)"
ANY_ROWS = "Z × Z ⋊ 2mm (pmm, index 1)"
ALL, FLIPS = "Z ⋊ m (index 1)", "m at (7/2) (order 2)"


@dataclass(frozen=True)
class Inside:
    """A function of `[batch, 8, 1]`, or on two axes, and its group: strict, or invariance where the output has no grid.

    On the plane it is traced at 32 nodes.
    """

    fn: Function
    group: str = ALL
    domain: eq.Domain = T8
    params: Any = None


@dataclass(frozen=True)
class Outside:
    """A function, a shift that is not claimed, and an input that shows why: `f(x)` moved by `moved` is not `f(g·x)`.

    Attributes:
        moved: how far the output would move; None if not at all.
        flips: whether the element is the reversal of all nodes rather than a shift.
    """

    fn: Function
    x: Sequence[float] | np.ndarray
    shift: int | tuple[int, ...] = 1
    moved: int | tuple[int, ...] | None = 1
    flips: bool = False
    domain: eq.Domain = T8


@dataclass(frozen=True)
class Rule:
    """A row: the name that the page gives it, its primitives, and cases inside and outside its condition."""

    name: str
    primitives: tuple[str, ...]
    inside: tuple[Inside, ...]
    outside: tuple[Outside, ...] = ()


def halves(x):
    """The maximum of each two nodes."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), "VALID")


def means(x):
    """The mean of each two nodes."""
    return (x[:, ::2] + x[:, 1::2]) / 2


def table(*values: float):
    """One number for each node."""
    return jnp.asarray(values, jnp.float32)[None, :, None]


def whole(x):
    """As integers."""
    return x.astype(jnp.int32)


def count(x):
    """A number of turns that the first node decides."""
    return jnp.clip(x[0, 0, 0], 0, 5).astype(int)


def levels(x):
    """Which of four bins each node is in."""
    return jnp.clip(x[..., 0] // 2, 0, 3).astype(int)


def histogram(x, method: str):
    """Four bins, with the nodes that are in each of them put together."""
    return jax.vmap(lambda i, y: getattr(jnp.zeros(4).at[i], method)(y))(levels(x), x[..., 0])


def in_rows(x, counts):
    """`x[b, i, j]`, at places i along the first axis that the data choose, and at `counts` along the other."""
    first = jnp.int32(jnp.abs(x[..., 0])) % x.shape[1]
    return x[jnp.arange(len(x))[:, None, None], first, counts, 0][..., None]


def landing(x, rows):
    """`x.at[b, i, j, c].add(1)` at a channel that the data choose, of two, and at `rows` along the first axis."""
    both = jnp.concatenate([x, x**2], -1)
    return both.at[jnp.arange(len(x))[:, None, None], rows[:, None], jnp.arange(8), jnp.argmax(both, -1)].add(1.0)


def diagonal(x):
    """One added on the diagonal, at a channel that the sum chooses, of two."""
    both, i = jnp.concatenate([x, x**2], -1), jnp.arange(4)
    return both.at[jnp.arange(len(x))[:, None], i, i, jnp.argmax(both.sum((1, 2)), -1)[:, None]].add(1.0)


def in_bins(x, numbers):
    """What lies in each of four bins, added up."""
    return jax.vmap(lambda y: jax.ops.segment_sum(y, jnp.asarray(numbers), 4))(x)


UP = [0.0, 1, 2, 3, 4, 5, 6, 7]
ONE = [1.0, 0, 0, 0, 0, 0, 0, 0]
SIGNS = [1.0, -1, -1, 1, 1, -1, -1, 1]
REPEATED = jnp.asarray([0, 0, 1, 2, 3, 4, 5, 6, 7])
EVERY_OTHER = jnp.asarray([1.0, 2] * 16, jnp.float32)[None, :, None]
AROUND, OVERLAPPING = ((0, 0), (1, 1), (0, 0)), 4 * np.arange(8)[:, None] + np.arange(6)
THREE = np.asarray([1, 2, 3])
STRIPED = [1.0, 2, 1, 2, 1, 2, 1, 2]
CONVOLVED = ("NWC", "WIO", "NWC")


def convolved(x, kernel, padding="SAME"):
    """A convolution with the given weights."""
    kernel = jnp.asarray(kernel)[:, None, None]
    return lax.conv_general_dilated(x, kernel, (1,), padding, dimension_numbers=CONVOLVED)


MIDDLE = [0.0] * 47 + [1, 2] + [0] * 47
UNEVEN = jnp.asarray([2.0, 3.0, *[1.0] * 32**2])
SPOT = np.eye(4)[:, ::-1] + np.diag([3.0, 0, 0, 1])
CORNER = np.pad([[3.0]], (0, 3))
SOBEL = np.outer([1.0, 2, 1], [1.0, 0, -1])[:, :, None, None]


def far(x, steps):
    """A function of each node and of another one so many steps further."""
    kernel = jnp.asarray([1.0, 2])[:, None, None]
    padding = [(0, steps)]
    reads = lax.conv_general_dilated(x, kernel, (1,), padding, rhs_dilation=(steps,), dimension_numbers=CONVOLVED)
    return jnp.tanh(reads)


def sobel(x):
    """The length of the gradient, by Sobel's filters."""
    numbers = ("NHWC", "HWIO", "NHWC")
    along = [
        lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=numbers) for k in (SOBEL, SOBEL.swapaxes(0, 1))
    ]
    return jnp.sqrt(along[0] ** 2 + along[1] ** 2)


GRID = np.asarray(
    [[3.0, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 7, 9, 3], [2, 3, 8, 4, 6, 2, 6, 4], [3, 8, 3, 2, 7, 9, 5, 0]]
)
WINDOWS = 2 * np.arange(4)[:, None] + np.arange(3)


def rooted(x):
    """The root of 1 + x², by a primitive without a rule."""
    return lax.linalg.cholesky(1 + x[:, :, None] ** 2)[..., 0]


def wide(x):
    """Two channels."""
    return jnp.concatenate([x, jnp.sin(x)], -1)


def tokens_and_blocks(p, x):
    """All nodes in a row, and with them a matrix over the rows of each block."""
    mixed = jnp.einsum("biawc,ak->bikwc", x.reshape(-1, 2, 2, 8, 1), p)
    return (x.reshape(-1, 32, 1) + mixed.reshape(-1, 32, 1)).reshape(x.shape)


def tied_channels(x):
    """A channel for each node, by its value."""
    return (x > 0).astype(int)


def where_largest(x, y):
    """What one array has where another one is largest."""
    return jnp.take_along_axis(y, jnp.argmax(x, 1, keepdims=True), 1)[:, 0]


def in_rings(x):
    """Nodes of 4 × 4 added up by their distance to the centre."""
    places = np.arange(4) - 1.5
    rings = np.round(np.hypot(places[:, None], places)).astype(int)
    return jnp.zeros((x.shape[0], 3)).at[:, rings].add(x[..., 0])


def tied(x):
    """Which of the nodes is the largest."""
    return jnp.argmax(x, 1).astype(x.dtype)


def by_its_number(v):
    """Times the number of a node."""
    return v * jnp.float32(lax.axis_index("nodes"))


def on_one_device(x):
    """A program for one device of a mesh, with what it hands to others and has from them."""
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))

    def part(v):
        return v - lax.pmean(v.mean(), "i") + lax.all_gather(v, "i", tiled=True) * lax.ppermute(v, "i", [(0, 0)])

    spec = jax.sharding.PartitionSpec("i")
    return jax.shard_map(part, mesh=mesh, in_specs=spec, out_specs=spec)(x)


def twice_as_fine(x):
    """Linear interpolation by indices and weights."""
    place = jnp.clip(jnp.arange(0.0, x.shape[1], 0.5) - 0.25, 0)
    share = (place - jnp.floor(place))[None, :, None]
    low = place.astype(int)
    return x[:, low] * (1 - share) + x[:, jnp.minimum(low + 1, x.shape[1] - 1)] * share


def by_pairs(x):
    """The nodes of the plane in pairs."""
    return x.reshape(-1, 16, 2, 1)


def nearby(x):
    """A circular convolution of what has two channels."""
    wide = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap")
    return lax.conv_general_dilated(wide, jnp.arange(6.0).reshape(3, 2, 1), (1,), "VALID", dimension_numbers=CONVOLVED)


def neighbours(x):
    """Those along both axes."""
    return [jnp.roll(x, step, axis) for axis in (1, 2) for step in (1, -1)]


def largest_neighbour(x):
    """The largest of them."""
    one, two, three, four = neighbours(x)
    return jnp.maximum(jnp.maximum(jnp.maximum(one, two), three), four)


def around(x, kernel):
    """A circular convolution."""
    return convolved(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap"), kernel, "VALID")


def below_a_row(x, row):
    """A map with one more row, of numbers."""
    return jnp.concatenate([jnp.broadcast_to(row[None, None, :, None], (len(x), 1, x.shape[2], x.shape[3])), x], 1)


def seen_by_a_token(x, mask):
    """Products of a token, the maximum, and all nodes after it with those that a mask lets each of them see."""
    t = jnp.concatenate([x.max(1, keepdims=True), x], 1)
    return (jnp.where(mask[None], jnp.einsum("bnc,bmc->bnm", t, t), 0.0) @ t)[:, 1:]


NEXT_TO = np.abs(np.arange(9)[:, None] - np.arange(9)) < 2
ON_A_RING = np.isin((np.arange(9)[:, None] - np.arange(9)) % 8, (0, 1, 7))
ON_A_RING[0], ON_A_RING[:, 0] = True, True


def beside_tokens(x, tokens, weights=1.0):
    """Attention among tokens and all nodes after them, times a number for each."""
    t = jnp.concatenate([tokens, x.reshape(len(x), -1, x.shape[-1])], 1)
    share = jax.nn.softmax(jnp.einsum("bnc,bmc->bnm", t, t), -1)
    return jnp.einsum("bnm,bmc->bnc", share, t) * jnp.broadcast_to(weights, t.shape[1])[None, :, None]


def beside_a_token(p, x):
    """Attention among nodes and one token, which has no place."""
    t = jnp.concatenate([jnp.broadcast_to(p, x[:, :1].shape), x], 1)
    share = jax.nn.softmax(jnp.einsum("bnc,bmc->bnm", t, t), -1)
    return jnp.einsum("bnm,bmc->bnc", share, t)[:, 0]


def among_offsets(x):
    """Attention among the nodes at one offset of all blocks."""
    t = x.reshape(-1, 4, 2, 1).swapaxes(1, 2)
    share = jax.nn.softmax(jnp.einsum("bonc,bomc->bonm", t, t), -1)
    return jnp.einsum("bonm,bomc->bonc", share, t).swapaxes(1, 2).reshape(x.shape)


@eq.declare(lambda field: field.pointwise("any"))
def declared(x):
    """Declared a function of each node."""
    return jnp.cumsum(jnp.zeros_like(x), 1) + x**2


RULES: tuple[Rule, ...] = (
    Rule("the same number", ("copy", "stop_gradient", "…"), (Inside(lambda x: lax.stop_gradient(x)),)),
    Rule(
        "increasing functions",
        ("exp", "tanh", "…"),
        (Inside(lambda x: jnp.tanh(halves(x)).max(1)), Inside(lambda x: jnp.round(halves(x)).max(1))),
        (
            Outside(lambda x: jnp.tan(halves(x)).max(1), [0, 2, 1, 0, 0, 0, 0, 0], moved=None),
            Outside(lambda x: jnp.nan_to_num(jnp.log(halves(x)).max(1), nan=9.0), SIGNS, moved=None),
            Outside(lambda x: jnp.nan_to_num(jnp.sqrt(halves(x)).max(1), nan=9.0), SIGNS, moved=None),
        ),
    ),
    Rule(
        "functions of one number",
        ("abs", "log", "…"),
        (Inside(lambda x: jnp.log(jnp.abs(x) + 1)), Inside(lambda x: (x**2).mean(1))),
        (Outside(lambda x: (means(x) ** 2).mean(1), [1, 1, 0, 0, 0, 0, 0, 0], moved=None),),
    ),
    Rule(
        "conversions",
        ("convert_element_type",),
        (
            Inside(lambda x: whole(x).astype(x.dtype)),
            Inside(
                lambda x: (
                    lax.reduce_window(whole(x), np.int32(-(2**31)), lax.max, (1, 2, 1), (1, 2, 1), "VALID")
                    .astype(jnp.float32)
                    .max(1)
                )
            ),
        ),
        (
            Outside(lambda x: halves(x).astype(bool).astype(x.dtype).max(1), [0, 0, -1, -1] * 2, moved=None),
            Outside(
                lambda x: (
                    lax.reduce_window(whole(x), np.int32(-(2**31)), lax.max, (1, 2, 1), (1, 2, 1), "VALID")
                    .astype(jnp.uint8)
                    .max(1)
                    .astype(x.dtype)
                ),
                [0, 256, 7, 0, 0, 0, 0, 0],
                moved=None,
            ),
            Outside(
                lambda x: means(x).astype(jnp.float16).astype(x.dtype).sum(1),
                [4096, 2, 0, 0, 0, 0, 0, 0],
                moved=None,
            ),
        ),
    ),
    Rule(
        "negation",
        ("neg",),
        (Inside(lambda x: -x), Inside(lambda x: (-means(x)).mean(1))),
        (Outside(lambda x: (-halves(x)).max(1), [2, 2, 1, 1, 3, 3, 4, 4], moved=None),),
    ),
    Rule(
        "multiples",
        ("mul", "div"),
        (
            Inside(lambda x: x * 3),
            Inside(lambda x: (3 * means(x)).sum(1)),
            Inside(lambda x: x * table(*STRIPED), "2Z ⋊ m at (0) (index 2)"),
            Inside(lambda x: x / (1 + x.mean(1, keepdims=True) ** 2)),
            Inside(lambda x: x * EVERY_OTHER, "2Z ⋊ m at (0) (index 2)", P1),
            Inside(twice_as_fine, domain=P1),
        ),
        (
            Outside(lambda x: lax.div(whole(x)[:, ::2] + whole(x)[:, 1::2], 2).sum(1), [1, 1] + [0] * 6, moved=None),
            Outside(
                lambda x: (
                    lax.reduce_window(whole(x), np.int32(-(2**31)), lax.max, (1, 2, 1), (1, 2, 1), "VALID")
                    * jnp.int32(2**24)
                ).max(1),
                [0, 130, 100, 0, 0, 0, 0, 0],
                moved=None,
            ),
            Outside(lambda x: jnp.log(jnp.abs(x * table(*[1, 1e-8, 1, 2e-8] * 2))), [1.0] * 8, shift=2, moved=2),
            Outside(lambda x: jnp.arctan2(jnp.abs(x) * table(*[0.0, -0.0] * 4), -jnp.abs(x) - 1), [1.0] * 8),
        ),
    ),
    Rule(
        "sums of two",
        ("add", "sub", "add_any"),
        (
            Inside(lambda x: x + jnp.roll(x, 2, 1), ALL),
            Inside(lambda x: x + 1),
            Inside(lambda x: (means(x) + 1).mean(1)),
            Inside(lambda x: jnp.tanh(x + EVERY_OTHER), "2Z ⋊ m at (0) (index 2)", P1),
        ),
        (
            Outside(lambda x: x + x[:, :1], UP),
            Outside(lambda x: x + table(*UP), UP),
            Outside(lambda x: x + EVERY_OTHER, [0.0] * 15 + [1] + [0] * 16, domain=P1),
        ),
    ),
    Rule(
        "stencils",
        ("add", "sub"),
        (
            Inside(lambda x: jnp.roll(y := jnp.tanh(x), 1, 1) + x + jnp.roll(y, -1, 1)),
            Inside(jax.grad(lambda x: jnp.sum((jnp.roll(x, 1, 1) - x) ** 2 + x**4))),
        ),
        (
            Outside(lambda x: jnp.roll(y := x**2, 1, 1) + x + 2 * jnp.roll(y, -1, 1), ONE, flips=True),
            Outside(
                lambda x: jnp.roll(y := x**2, 1, 1) + x + jnp.roll(y, -2, 1), [1.0, 2, 0, 5, 0, 0, 3, 0], flips=True
            ),
            Outside(jax.grad(lambda x: jnp.sum((jnp.roll(x, 1, 1) - x) ** 3 + x**4)), ONE, flips=True),
        ),
    ),
    Rule(
        "maxima of two",
        ("max", "min"),
        (
            Inside(lambda x: jnp.maximum(x[:, ::2], x[:, 1::2]).max(1)),
            Inside(lambda x: jnp.maximum(halves(x), 0).max(1)),
        ),
        (
            Outside(
                lambda x: jnp.minimum(halves(x), jnp.roll(halves(x), 1, 1)).max(1), [5, 5, 4, 0, 0, 0, 0, 0], moved=None
            ),
        ),
    ),
    Rule(
        "functions of two numbers",
        ("pow", "atan2", "…"),
        (Inside(lambda x: jnp.arctan2(x, jnp.roll(x, 1, 1)), "Z (index 1)"),),
        (Outside(lambda x: jnp.arctan2(x, table(*UP)), UP),),
    ),
    Rule(
        "choices",
        ("select_n", "clamp"),
        (Inside(lambda x: jnp.where(x > 0, x, 2 * x)), Inside(lambda x: jnp.clip(halves(x), -1, 1).max(1))),
        (Outside(lambda x: jnp.where(jnp.arange(8)[None, :, None] < 4, x, 2 * x), UP),),
    ),
    Rule(
        "views",
        ("reshape", "squeeze", "tile", "unstack", "transpose", "broadcast_in_dim"),
        (
            Inside(lambda x: x + jnp.tile(x.mean(1, keepdims=True), (1, 8, 1))),
            Inside(lambda x: (x.reshape(-1, 4, 2) * x.reshape(-1, 4, 2).max(1, keepdims=True)).reshape(x.shape)),
            Inside(lambda x: x + jax.image.resize(x.mean(1, keepdims=True), x.shape, "bilinear")),
            Inside(tokens_and_blocks, "2Z × Z ⋊ m_y (pm, index 2)", T48, params=jnp.ones((2, 2))),
            Inside(lambda x: jnp.maximum(*jnp.unstack(wide(x), axis=-1))[..., None]),
            Inside(lambda x: jnp.tanh(x.reshape(-1, 4, 2)).reshape(x.shape)),
            Inside(lambda x: x.reshape(-1, 4, 2).transpose(0, 2, 1).max(1)[..., None], "2Z ⋊ m (index 2)"),
        ),
        (
            Outside(lambda x: x.reshape(-1, 4, 2).transpose(0, 2, 1).reshape(x.shape), UP),
            Outside(lambda x: x + jnp.tile(x[:, :4], (1, 2, 1)), UP),
            Outside(lambda x: jnp.unstack(x, axis=1)[1], UP, moved=None),
            Outside(lambda x: (x.reshape(-1, 4, 2) * x.reshape(-1, 4, 2)[:, :1]).reshape(x.shape), UP),
            Outside(lambda x: (x.reshape(-1, 4, 2) * x.reshape(-1, 4, 2).max(2, keepdims=True)).reshape(x.shape), UP),
        ),
    ),
    Rule(
        "parts of an axis",
        ("slice", "split", "rev", "gather", "dynamic_slice"),
        (
            Inside(lambda x: x[:, ::2], "2Z ⋊ m at (0) (index 2)"),
            Inside(lambda x: x[:, ::-1]),
            Inside(lambda x: x[:, jnp.asarray([1, 2, 3, 4, 5, 6, 7, 0])]),
            Inside(lambda x: x[:, 1:-1], domain=P1),
            Inside(lambda x: jnp.take(x, WINDOWS % 8, 1).max(2), "2Z ⋊ m at (0) (index 2)"),
            Inside(lambda x: jnp.take(jnp.pad(x, AROUND), OVERLAPPING, 1).max(2), "4Z ⋊ m (index 4)", P1),
            Inside(lambda x: nearby(x.reshape(-1, 16, 2)), "2Z (index 2)", P1),
            Inside(lambda x: jnp.take_along_axis(wide(x), tied_channels(x), -1)),
            Inside(lambda x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1), ANY_ROWS, T48),
            Inside(
                lambda x: lax.dynamic_slice_in_dim(x[:, :, ::4], count(x.mean(2)) // 4, 3, 1),
                "4Z × 4Z ⋊ m_y at (0, 0) (pm, index 16)",
                T48,
            ),
            Inside(lambda x: jnp.arange(4.0)[jnp.clip(x, 0, 3).astype(int)]),
            Inside(lambda x: in_rows(x, jnp.arange(8)), "4Z × Z ⋊ m_y (pm, index 4)", T48),
        ),
        (
            Outside(lambda x: in_rows(x, jnp.arange(8) // 2), GRID, (0, 1), (0, 1), domain=T48),
            Outside(lambda x: jnp.take(x, jnp.asarray([[0, 1], [2, 3], [4, 5], [0, 7]]), 1).max(2), UP, 2),
            Outside(lambda x: jnp.take_along_axis(x, jnp.argsort(x**2, 1), 1), GRID, (1, 0), (1, 0), domain=T48),
            Outside(lambda x: x[:, jnp.arange(4), 2 * jnp.arange(4)], GRID, (0, 2), (1,), domain=T48),
            Outside(lambda x: x[:, :4].max(1), UP, moved=None),
            Outside(lambda x: x[:, x[0, :, 0].argsort()], UP),
            Outside(lambda x: x[:, :16].max(1), [0.0] * 14 + [1, 2] + [0] * 16, shift=2, moved=None, domain=P1),
            Outside(lambda x: x[:, 12:20].max(1), [0.0] * 18 + [1, 2] + [0] * 12, shift=2, moved=None, domain=P1),
        ),
    ),
    Rule(
        "look-ups",
        ("gather",),
        (
            Inside(lambda x: jnp.arange(4.0)[jnp.clip(x, 0, 3).astype(int)]),
            Inside(lambda x: jnp.arange(12.0).reshape(4, 3)[jnp.clip(x[..., 0], 0, 3).astype(int)]),
            Inside(lambda x: jnp.interp(x, jnp.asarray([-1.0, 0.0, 2.0]), jnp.asarray([0.0, 3.0, 1.0]))),
            Inside(lambda x: jnp.digitize(x, jnp.asarray([-1.0, 0.0, 1.0])).astype(x.dtype)),
        ),
        (
            Outside(lambda x: jnp.arange(32.0).reshape(8, 4)[jnp.arange(8)[None, :, None], jnp.int32(x > 0)], ONE),
            Outside(
                lambda x: jnp.take_along_axis(jnp.arange(8.0)[None, :, None] * 0 + x, jnp.int32(jnp.clip(x, 0, 7)), 1),
                UP,
            ),
            Outside(
                lambda x: jnp.arange(64.0).reshape(8, 8)[jnp.int32(x[0, 0, 0]), jnp.int32(x[0, 1, 0])], UP, moved=None
            ),
        ),
    ),
    Rule(
        "padding and joints",
        ("pad", "concatenate", "stack"),
        (
            Inside(lambda x: jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="reflect"), FLIPS, B8),
            Inside(lambda x: jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap"), domain=P1),
            Inside(lambda x: jnp.concatenate([x[:, 3:], x[:, :3]], 1)),
            Inside(lambda x: jnp.concatenate([x, jnp.tanh(x)], 1), "4Z × Z ⋊ 2mm (pmm, index 4)", T48),
        ),
        (
            Outside(lambda x: jnp.pad(x, ((0, 0), (1, 1), (0, 0)))[:, 1:] * 1, ONE, flips=True, domain=B8, moved=None),
            Outside(lambda x: jnp.concatenate([x[:, :4], 2 * x[:, 4:]], 1), UP),
            Outside(
                lambda x: jnp.concatenate([x[:, :20], 2 * x[:, 20:]], 1),
                [0.0] * 17 + [1, 2] + [0] * 13,
                shift=3,
                moved=3,
                domain=P1,
            ),
            Outside(
                lambda x: jnp.tanh(
                    1 / jnp.concatenate([jnp.zeros_like(x[:, :1]), x**2 + 1, -jnp.zeros_like(x[:, :1])], 1)
                ),
                UP,
                flips=True,
                domain=B8,
            ),
        ),
    ),
    Rule(
        "tokens",
        ("concatenate", "pad"),
        (
            Inside(lambda x: beside_tokens(x, x.mean((1, 2))[:, None])[:, 1:].reshape(x.shape), SQUARE, T44),
            Inside(
                lambda p, x: beside_tokens(x, jnp.broadcast_to(p, (len(x), 2, 1)))[:, 0], SQUARE, P2, jnp.ones((2, 1))
            ),
            Inside(lambda x: beside_tokens(x, x.max((1, 2))[:, None])[:, 1:].reshape(x.shape), SQUARE, P2),
            Inside(
                lambda p, x: beside_tokens(x, jnp.broadcast_to(p, (len(x), 2, 1)))[:, 0],
                domain=P1,
                params=jnp.ones((2, 1)),
            ),
            Inside(lambda x: beside_tokens(x, x.mean(1, keepdims=True))[:, 0], domain=P1),
            Inside(lambda x: below_a_row(x, jnp.ones(4)).max(1).sum(1), ANY_ROWS, T44),
            Inside(lambda x: seen_by_a_token(x, ON_A_RING)),
            Inside(
                lambda x: beside_tokens(x, jnp.zeros((2, 2, 1)), UNEVEN)[:, 2:].reshape(x.shape),
                SQUARE,
                P2,
            ),
        ),
        (
            Outside(lambda x: beside_tokens(x, x[:, 0, :1])[:, 1:].reshape(x.shape), SPOT, (1, 0), (1, 0), domain=T44),
            Outside(
                lambda x: beside_tokens(x, x.mean((1, 2))[:, None], jnp.arange(17.0))[:, 1:].reshape(x.shape),
                SPOT,
                (1, 0),
                (1, 0),
                domain=T44,
            ),
            Outside(
                lambda x: jnp.einsum("bnc,n->bc", beside_tokens(x, x.mean((1, 2))[:, None]), jnp.arange(17.0)),
                SPOT,
                (1, 0),
                None,
                domain=T44,
            ),
            Outside(
                lambda x: beside_tokens(x, jnp.zeros((len(x), 2, 1)))[:, 2], [1.0] + [0] * 31, moved=None, domain=P1
            ),
            Outside(
                lambda x: jnp.einsum("bnc,n->bc", beside_tokens(x, jnp.zeros((len(x), 2, 1))), jnp.arange(34.0)),
                [0.0] * 10 + [1] + [0] * 21,
                moved=None,
                domain=P1,
            ),
            Outside(lambda x: beside_tokens(x, x[:, 16:17])[:, 0], [0.0] * 16 + [1] + [0] * 15, moved=None, domain=P1),
            Outside(lambda x: below_a_row(x, jnp.arange(4.0)).max(1).sum(1), CORNER, (0, 1), None, domain=T44),
            Outside(lambda x: seen_by_a_token(x, NEXT_TO), [1.0] * 8, 0, 0, flips=True),
        ),
    ),
    Rule(
        "scatters",
        ("scatter", "scatter-add", "dynamic_update_slice", "…"),
        (
            Inside(lambda x: in_bins(x, [0, 0, 1, 1, 2, 2, 3, 3]), "2Z ⋊ m (index 2)"),
            Inside(lambda x: in_bins(x, [0, 1, 2, 2, 1, 0, 9, 9])[:, :3].reshape(len(x), -1), "m at (5/2) (order 2)"),
            Inside(lambda p, x: x.at[:, jnp.arange(8)].add(p), params=1.0),
            Inside(lambda x: jnp.zeros_like(x).at[:, jnp.asarray([1, 2, 3, 4, 5, 6, 7, 0])].set(x)),
            Inside(lambda x: x.at[:, ::2].set(0), "2Z ⋊ m at (0) (index 2)"),
            Inside(lambda p, x: x.at[:, REPEATED].min(p), params=1.0),
            Inside(lambda x: x.at[:, 0].set(jnp.tanh(x[:, 1])), ROWS, T48),
            Inside(lambda x: x.at[:, count(x.mean(2))].multiply(2), "4Z × Z ⋊ m_y (pm, index 4)", T48),
            Inside(lambda x: histogram(x, "add")),
            Inside(lambda x: histogram(x, "max")),
            Inside(lambda x: jnp.zeros((x.shape[0], 4)).at[jnp.arange(x.shape[0])[:, None], levels(x)].set(1.0)),
            Inside(lambda x: landing(x, jnp.arange(4)), ANY_ROWS, T48),
        ),
        (
            Outside(lambda x: in_bins(x, [0, 0, 0, 1, 1, 2, 2, 3]), ONE, shift=2, moved=1),
            Outside(lambda x: x.at[:, 0].set(jnp.tanh(x[:, 1])), GRID, (1, 0), (1, 0), domain=T48),
            Outside(lambda x: x.at[:, :, count(x.mean(2))].multiply(2), GRID, (0, 1), (0, 1), domain=T48),
            Outside(lambda x: histogram(x, "set"), [0.0, 1, 0, 0, 0, 0, 0, 1], moved=None),
            Outside(
                lambda x: histogram(x * jnp.arange(8.0)[None, :, None], "add"), [0.0, 2, 0, 0, 0, 0, 0, 0], moved=None
            ),
            Outside(lambda x: landing(x, jnp.arange(4)[::-1]), GRID / 5, (1, 0), (1, 0), domain=T48),
            Outside(diagonal, np.arange(16.0).reshape(4, 4), (0, 1), (0, 1), domain=T44),
            Outside(lambda x: x.at[:, REPEATED].add(1.0), UP),
            Outside(lambda x: x.at[:, REPEATED].multiply(2.0), UP),
            Outside(lambda x: x.at[:, jnp.asarray([0, 0])].apply(lambda v: 2 * v), UP),
            Outside(lambda x: x.astype(jnp.int8).at[:, 0].min(jnp.int8(3)).astype(x.dtype), [7.0] * 8),
        ),
    ),
    Rule(
        "products",
        ("dot_general",),
        (
            Inside(lambda x: x @ jnp.ones((1, 1))),
            Inside(lambda x: jnp.einsum("bnc,bmc->bnm", x, x).max(2)[..., None]),
            Inside(lambda x: jnp.einsum("bnc,nm->bmc", x, jnp.repeat(jnp.eye(4), 2, 0)), "2Z ⋊ m (index 2)"),
        ),
        (
            Outside(lambda x: jnp.einsum("bnc,nm->bmc", x, jnp.asarray(np.tri(8))), ONE),
            Outside(
                lambda x: jnp.tanh(1e8 * (x @ jnp.ones((1, 1)) - jnp.einsum("bnc,nm->bmc", x, _nearly_identical()))),
                ONE,
                flips=True,
            ),
        ),
    ),
    Rule(
        "reductions",
        ("reduce_sum", "reduce_max", "reduce", "approx_top_k", "…"),
        (
            Inside(lambda x: x.sum(1)),
            Inside(lambda x: halves(x).max(1)),
            Inside(lambda x: means(x).mean(1)),
            Inside(lambda x: jnp.prod(x, 1)),
            Inside(lambda x: lax.reduce(halves(x), 0.0, jnp.maximum, (1,))),
            Inside(lambda x: lax.reduce(x, 0.0, lambda a, b: a + 2 * b, (1,))[:, None] + x, ROWS, T48),
            Inside(lambda x: lax.approx_max_k(x, 2, 1)[0], ROWS, T48),
            Inside(lambda x: (by_pairs(x) * by_pairs(x).max(1, keepdims=True)).reshape(x.shape), domain=P1),
            Inside(lambda x: (by_pairs(x) - by_pairs(x).sum(1, keepdims=True)).reshape(x.shape), domain=P1),
        ),
        (
            Outside(lambda x: by_pairs(x).max(1)[:, 0], [0.0] * 15 + [1] + [0] * 16, moved=None, domain=P1),
            Outside(lambda x: lax.reduce((x, table(*UP)), (0.0, 0.0), _first_largest, (0, 1))[1], UP, 3, moved=None),
            Outside(lambda x: lax.approx_max_k(x[..., 0], 3)[1].astype(x.dtype), UP, moved=None),
            Outside(lambda x: halves(x).sum(1), [1, 1, 0, 0, 0, 0, 0, 0], moved=None),
            Outside(lambda x: means(x).max(1), [1, 1, 0, 0, 0, 0, 0, 0], moved=None),
        ),
    ),
    Rule(
        "places",
        ("argmax", "argmin"),
        (
            Inside(lambda x: jnp.argmax(jnp.concatenate([x, x**2], -1), -1, keepdims=True)),
            Inside(lambda x: x + jnp.argmax(x, 1, keepdims=True).astype(x.dtype), ROWS, T48),
        ),
        (Outside(tied, ONE, moved=None),),
    ),
    Rule(
        "running totals",
        ("cumsum", "cumprod", "…"),
        (Inside(lambda x: jnp.cumsum(jnp.concatenate([x, x**2], -1), -1)),),
        (Outside(lambda x: jnp.cumsum(x, 1), ONE),),
    ),
    Rule(
        "sorting",
        ("sort", "top_k"),
        (
            Inside(lambda x: jnp.sort(x, 1)[:, -1]),
            Inside(lambda x: lax.top_k(x[..., 0], 3)[0]),
            Inside(lambda x: jnp.argsort(x, 1), ROWS, T48),
            Inside(lambda x: lax.sort((jnp.sin(x), x), dimension=1, num_keys=1)[1], ROWS, T48),
            Inside(lambda x: lax.sort((jnp.round(x), x), dimension=1, num_keys=2)[1][:, -1]),
        ),
        (
            Outside(lambda x: jnp.argsort(x, 1), GRID, (1, 0), (0, 0), domain=T48),
            Outside(lambda x: lax.top_k(x[..., 0], 3)[1].astype(x.dtype), UP, moved=None),
            Outside(lambda x: jnp.sort(x, 1)[:, :4] * x[:, :4], UP),
            Outside(lambda x: lax.sort((jnp.round(x / 9), x), dimension=1, num_keys=1)[1][:, -1], UP, moved=None),
        ),
    ),
    Rule(
        "convolutions",
        ("conv_general_dilated",),
        (
            Inside(lambda x: convolved(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="wrap"), [1.0, 2, 1], "VALID")),
            Inside(lambda x: convolved(x, [1.0, 2, 3]), "Z (index 1)", P1),
            Inside(lambda w, x: convolved(x, w, "VALID").mean(1), domain=P1, params=np.ones(31, np.float32)),
        ),
        (
            Outside(lambda x: convolved(x, [1.0, 2, 1]), [1.0] * 8),
            Outside(lambda x: convolved(x, [1.0, 2, 3]), ONE, flips=True, domain=B8),
            Outside(
                lambda x: jnp.log(jnp.abs(convolved(x, [1e-8, 1.0, 2e-8]))),
                [0, 0, 0, 1, 0, 0, 0, 0],
                flips=True,
                domain=B8,
            ),
            Outside(
                lambda x: convolved(x, np.arange(1.0, 33), "VALID").mean(1), [1.0] + [0] * 31, moved=None, domain=P1
            ),
            Outside(
                lambda x: convolved(x, [1.0], [(-16, 0)]).max(1),
                [0.0] * 14 + [1, 2] + [0] * 16,
                shift=2,
                moved=None,
                domain=P1,
            ),
        ),
    ),
    Rule(
        "windows",
        ("reduce_window", "reduce_window_max", "select_and_scatter_add", "select_and_gather_add", "…"),
        (
            Inside(lambda x: jax.grad(lambda z: jnp.sin(halves(z)).sum())(x), "2Z (index 2)"),
            Inside(lambda x: jax.jvp(halves, (x,), (jnp.sin(x),))[1], "2Z (index 2)"),
            Inside(
                lambda x: lax.reduce_window(
                    (x, jnp.sin(x)), (-jnp.inf, 0.0), _first_largest, (1, 2, 1), (1, 2, 1), "VALID"
                )[1],
                "2Z (index 2)",
            ),
            Inside(lambda x: halves(x), "2Z ⋊ m (index 2)"),
            Inside(lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 32, 1), (1, 32, 1), "VALID")[:, 0], domain=P1),
            Inside(lambda x: lax.reduce_window(x, jnp.inf, lax.min, (1, 32, 1), (1, 1, 1), "VALID")[:, 0], domain=P1),
            Inside(
                lambda x: lax.reduce_window((x, x), (-jnp.inf, 0.0), _largest_and_sum, (1, 2, 1), (1, 2, 1), "VALID")[
                    0
                ],
                "2Z ⋊ m (index 2)",
            ),
        ),
        (
            Outside(lambda x: jax.grad(lambda z: jnp.sin(halves(z)).sum())(x), UP),
            Outside(lambda x: jax.grad(lambda z: halves(z).sum())(x), [1.0] * 8, flips=True, domain=B8),
            Outside(
                lambda x: lax.reduce_window(x, 0.0, lambda a, b: b + b, (1, 3, 1), (1, 1, 1), ((0, 0), (1, 1), (0, 0))),
                [0, 0, 1, 0, 0, 0, 0, 0],
                flips=True,
                domain=B8,
            ),
        ),
    ),
    Rule(
        "spectra",
        ("fft",),
        (
            Inside(
                lambda x: jnp.fft.irfft(jnp.fft.rfft(x, axis=1) * table(1, 2, 3, 4, 5).astype(jnp.complex64), 8, axis=1)
            ),
            Inside(
                lambda x: jnp.fft.irfft(
                    jnp.fft.rfft(x, axis=1) * (1j * table(0, 1, 2, 3, 0).astype(jnp.complex64)), 8, axis=1
                ),
                "Z (index 1)",
            ),
            Inside(lambda x: jnp.fft.irfft(jnp.fft.rfft(x, axis=1).at[:, 0].set(0), 8, axis=1)),
            Inside(lambda x: jnp.real(jnp.fft.rfft(x, axis=1) * jnp.conj(jnp.fft.rfft(x, axis=1))).sum(1)),
            Inside(lambda x: jnp.abs(jnp.fft.fft(x, axis=1)).sum(1)),
        ),
        (
            Outside(lambda x: jnp.real(jnp.fft.fft(x, axis=1))[:, 1], ONE, moved=None),
            Outside(lambda x: x + jnp.real(jnp.fft.ifft(jnp.conj(jnp.fft.fft(x, axis=1)), axis=1)), ONE),
            Outside(
                lambda x: jnp.fft.irfft(
                    jnp.fft.rfft(x, axis=1) * (1j * table(0, 1, 2, 3, 0).astype(jnp.complex64)), 8, axis=1
                ),
                ONE,
                flips=True,
            ),
            Outside(
                lambda x: x + jnp.imag(jnp.fft.ifft(jnp.fft.fft(x, axis=1).at[:, 1].set(0), axis=1)),
                [1.0, 2, 0, 5, 0, 0, 3, 0],
                flips=True,
            ),
        ),
    ),
    Rule(
        "loops and branches",
        ("scan", "while", "cond", "custom_linear_solve"),
        (
            Inside(lambda x: lax.fori_loop(0, 3, lambda i, c: jnp.tanh(c), x)),
            Inside(lambda x: lax.while_loop(lambda c: (c**2).sum() > 1, lambda c: c / 2, x)),
            Inside(lambda x: lax.while_loop(lambda u: ((u - x) ** 2).sum() > 1e-3, lambda u: (u + x) / 2, 0 * x)),
            Inside(lambda x: lax.while_loop(lambda u: ((u - x) ** 2).sum() > 1e-3, _halfway(x), jnp.zeros(x.shape))),
            Inside(lambda x: lax.custom_linear_solve(lambda v: 2 * v, x, lambda _, b: b / 2, symmetric=True)),
            Inside(lambda x: lax.cond(x.sum() > 0, jnp.tanh, jnp.exp, x)),
        ),
        (
            Outside(lambda x: x * lax.fori_loop(0, count(x), lambda i, c: c + 1.0, 1.0), UP[1:] + UP[:1]),
            Outside(
                lambda x: lax.while_loop(lambda u: (u**2).sum() > 99, _halfway(x), table(*UP) * jnp.ones(x.shape)), ONE
            ),
            Outside(
                lambda x: lax.custom_linear_solve(
                    lambda v: table(*UP) * v + v, x, lambda _, b: b / (1 + table(*UP)), symmetric=True
                ),
                ONE,
            ),
            Outside(lambda x: lax.cond(x[0, 0, 0] > 0, jnp.tanh, jnp.exp, x), [1.0, -1] * 4),
            Outside(
                lambda x: jax.vmap(lambda k, r: lax.fori_loop(0, k, lambda i, c: 2 * c, r), (0, 1), 1)(
                    jnp.arange(8), x
                ),
                UP,
            ),
        ),
    ),
    Rule(
        "a turn of a loop",
        (),
        (
            Inside(lambda x: lax.fori_loop(0, 9**6, lambda i, u: jnp.tanh(slope(u)), x)),
            Inside(lambda x: lax.fori_loop(0, 9**6, lambda i, u: (x + jnp.tanh(slope(u))) / 2, 0 * x)),
            Inside(lambda x: lax.while_loop(lambda u: (u**2).max() > 1, lambda u: jnp.sin(slope(u)) * u, x)),
            Inside(lambda x: lax.scan(lambda u, w: (jnp.tanh(w * slope(u)), None), x, jnp.linspace(0, 1, 999))[0]),
        ),
        (
            Outside(lambda x: lax.fori_loop(0, 999, lambda i, u: jnp.tanh(slope(u, 1)), x), UP, flips=True),
            Outside(lambda x: lax.fori_loop(0, 999, lambda i, u: u + slope(x) / 999, table(*UP) + x), UP, flips=True),
            Outside(
                lambda x: lax.while_loop(lambda u: (u * jnp.roll(u, 1, 1) ** 2).sum() > 600, lambda u: 0.9 * u, x),
                UP[:2] + UP[2:][::-1],
                flips=True,
            ),
            Outside(
                lambda x: lax.scan(
                    lambda u, w: (w + slope(u) / 99, None), x, table(*UP)[None] + jnp.zeros((99, 1, 1, 1))
                )[0],
                UP,
                flips=True,
            ),
        ),
    ),
    Rule(
        "calls",
        ("jit", "custom_jvp_call", "composite", "shard_map", "psum", "pmax", "pmin", "all_gather", "ppermute"),
        (
            Inside(lambda x: jax.jit(jax.nn.relu)(x)),
            Inside(lambda x: lax.composite(jnp.tanh, "tests.one")(x)),
            Inside(on_one_device),
            Inside(lambda x: jax.vmap(lambda v: v - lax.psum(v, "nodes"), 1, 1, axis_name="nodes")(x)),
        ),
        (
            Outside(lambda x: jax.jit(lambda v: jnp.cumsum(v, 1))(x), ONE),
            Outside(
                lambda x: jax.vmap(lambda v: v * jnp.float32(lax.axis_index("nodes")), 1, 1, axis_name="nodes")(x), ONE
            ),
        ),
    ),
    Rule("declared regions", ("declared",), (Inside(declared),)),
    Rule(
        "constants",
        ("iota", "random_bits", "…"),
        (
            Inside(lambda x: x * jnp.ones((1, 8, 1)).cumsum(1)[:, -1:]),
            Inside(lambda x: x * jnp.tile(table(1.0, 2.0), (1, 4, 1)), "2Z ⋊ m at (0) (index 2)"),
        ),
        (
            Outside(lambda x: x * jax.random.gamma(jax.random.key(0), 1.0, (1, 8, 1)), UP),
            Outside(lambda x: x * lax.top_k(jnp.ones(8), 8)[1].astype(x.dtype)[None, :, None], UP),
            Outside(lambda x: x * jnp.linalg.qr(jnp.ones((8, 8)))[0][None, :, 1:2], UP),
            Outside(
                lambda x: x + jnp.pad(jnp.ones(8), 12)[None, :, None],
                [0.0] * 16 + [1] + [0] * 15,
                shift=3,
                moved=3,
                domain=P1,
            ),
        ),
    ),
    Rule(
        "outputs",
        (),
        (
            Inside(lambda p, x: jnp.einsum("bhwc,hk->bkwc", x, p), ROWS, T48, params=jnp.eye(4)),
            Inside(lambda x: jnp.broadcast_to(x.mean(1, keepdims=True), (*x.shape[:1], 3, 8, 1)), ANY_ROWS, T48),
        ),
        (Outside(lambda x: jnp.cumsum(x, 1), GRID, (1, 0), (1, 0), domain=T48),),
    ),
    Rule(
        "anything else",
        ("no rule",),
        (Inside(lambda x: rooted(x.mean(1))), Inside(lambda x: x + rooted(x.mean(1))[:, None])),
        (Outside(lambda x: lax.linalg.cholesky(jnp.eye(8)[None] + x @ x.swapaxes(1, 2))[..., :1], UP),),
    ),
    Rule(
        "the whole formula",
        (),
        (
            Inside(largest_neighbour, SQUARE, T44),
            Inside(lambda x: jnp.median(jnp.stack(neighbours(x)), 0), SQUARE, T44),
            Inside(jax.grad(lambda x: sum(((roll - x) ** 4).sum() for roll in neighbours(x)[::2])), SQUARE, T44),
            Inside(lambda p, x: jnp.maximum(around(x, p), around(x, p[::-1])), params=jnp.asarray([1.0, 2, 5])),
            Inside(lambda p, x: around(x, (p + p[::-1]) / 2), params=jnp.asarray([1.0, 2, 5])),
            Inside(lambda x: jnp.stack([x[:, 2 * i : 2 * i + 2].max(1) for i in range(4)], 1), "2Z ⋊ m (index 2)"),
            Inside(lambda x: jax.vmap(lambda s: jnp.roll(x, s, 1) ** 2)(THREE).sum(0)),
            Inside(beside_a_token, params=jnp.ones((1, 1, 1))),
            Inside(among_offsets),
            Inside(lambda x: jnp.maximum(far(x, 1), jnp.tanh(convolved(x, [2.0, 1], [(1, 0)]))), domain=P1),
            Inside(sobel, SQUARE, P2),
            Inside(lambda x: where_largest(x, x)),
            Inside(lambda x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1)[:, :3, 0]),
            Inside(in_rings, "4mm (order 8)", T44),
        ),
        (
            Outside(lambda x: far(x, 10), MIDDLE, flips=True, domain=P1),
            Outside(lambda x: far(x, 40), MIDDLE, flips=True, domain=P1),
            Outside(lambda x: jnp.maximum(far(x, 10), far(x[:, ::-1], 40)[:, ::-1]), MIDDLE, flips=True, domain=P1),
            Outside(lambda x: jnp.maximum(around(x, [1.0, 2, 5]), around(x, [2.0, 5, 1])), ONE, flips=True),
            Outside(lambda x: jnp.tanh(1e6 * ((x + table(*UP)) - table(*UP) - x)), [0.1] * 8),
            Outside(lambda x: jax.vmap(lambda s, w: w * jnp.roll(x, s, 1))(THREE, 1.0 + THREE).sum(0), ONE, flips=True),
            Outside(lambda x: sum(x[:, a:b].max(1) for a, b in ((0, 3), (3, 5), (5, 8))), UP, moved=None),
            Outside(lambda x: jnp.argmax(jnp.stack([jnp.roll(x, s, 1) for s in (1, 0, -1)]), 0), UP, flips=True),
            Outside(lambda x: where_largest(x**2, x), [2.0, -2, 0, 0, 0, 0, 0, 0], flips=True, moved=None),
            Outside(lambda x: where_largest(x, jnp.roll(x, 1, 1)), [2.0, 2, 0, 0, 0, 0, 0, 0], 7, moved=None),
            Outside(in_rings, np.arange(16.0).reshape(4, 4), (1, 0), None, domain=T44),
        ),
    ),
)


def slope(u, ahead=-1):
    """A function of each node and what lies on both sides, or twice on one, which no single operation keeps."""
    return (u - jnp.roll(u, 1, 1)) ** 2 * (u - jnp.roll(u, ahead, 1)) ** 2 + u


def _halfway(x):
    return lambda u: (u + x) / 2


def _nearly_identical() -> jax.Array:
    return jnp.eye(8) + 9e-8 * jnp.roll(jnp.eye(8), 1, 1)


def _first_largest(a, b):
    return jnp.maximum(a[0], b[0]), jnp.where(a[0] >= b[0], a[1], b[1])


def _largest_and_sum(a, b):
    return jnp.maximum(a[0], b[0]), a[1] + b[1]
