"""Random JAX programs, small enough for brute force: straight lines of steps on a pool of arrays, seeded and printable.

>>> program = random_program(5)
>>> program.domain.dim == len(program.example.shape) - 2
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from tests.infer.steps import (
    apart,
    contractions,
    control,
    indexing,
    layers,
    loops,
    made_tables,
    numbers,
    pointwise,
    reductions,
    scatters,
    shapes,
    wholes,
    windows,
)
from tests.infer.steps.dice import Dice, Made, Value, like

Draw = Callable[[Dice, Value], Made | None]
CHANNELS = 2
LARGEST = (60, 400)
"""Nodes and entries of the largest array, per example."""
ON_THE_PLANE = {1: 64, 2: 28}
"""Nodes along each axis of an input that stands for a part of the plane."""
REACH = {
    "convolution": 4,
    "pool": 4,
    "layer": 6,
    "resizing": 4,
    "looped": 4,
    "until_settled": 4,
    "scanned": 3,
    "wrapped": 2,
    "windows_by_index": 4,
    "with_blocks": 8,
    "of_neighbours": 2,
    "gradient": 2,
    "turned_kernels": 2,
    "among_offsets": 8,
    "pooled_by_slices": 8,
    "streamed": 2,
    "roll": 2,
    "padding": 2,
}
"""How many nodes windows of a step reach at most; 1 unless said."""


@dataclass(frozen=True, eq=False)
class Step:
    """A line of a program: what it computes from earlier arrays (by their places in the pool)."""

    made: Made
    args: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """A function of `[batch, *spatial, channels]`: array 0 is the input, array i + 1 the result of step i.

    The output is the last array, `[batch, *spatial, channels]` or `[batch, channels]`.
    """

    domain: eq.Domain
    steps: tuple[Step, ...]
    channels: int = CHANNELS

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the input's spatial axes."""
        return tuple(n or ON_THE_PLANE[self.domain.dim] for n in self.domain.sizes)

    @property
    def largest(self) -> tuple[int, int]:
        """Nodes and entries of the largest array allowed, per example."""
        many = int(np.prod(self.sizes))
        return LARGEST if self.domain.is_finite else (2 * many, 8 * many)

    @property
    def reach(self) -> float:
        """How far windows reach at most, as a part of the input."""
        total, values = 0.0, self.values()
        for step in self.steps:
            sizes = [values[at].shape[axis] for at in step.args for axis in values[at].space]
            total += REACH.get(getattr(step.made.fn, "__qualname__", "").split(".")[0], 1) / max(
                min(sizes, default=1), 1
            )
        return total

    @property
    def is_adaptive(self) -> bool:
        """Whether its inputs must have no ties: there is no way to choose between phases that are alike."""
        return "olyphase" in str(self)

    def pool(self, x: jax.Array) -> list[jax.Array]:
        """Every array."""
        arrays = [x]
        for step in self.steps:
            arrays.append(step.made.fn(*(arrays[i] for i in step.args), *step.made.constants))
        return arrays

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.pool(x)[-1]

    @property
    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and type of an input, a batch of two."""
        return jax.ShapeDtypeStruct((2, *self.sizes, self.channels), jnp.float64)

    @property
    def roles(self) -> list[str]:
        """The roles of the axes of every array."""
        return ["b" + "s" * self.domain.dim + "c", *(step.made.roles for step in self.steps)]

    def values(self) -> list[Value]:
        """Shapes and roles of every array.

        Raises:
            Exception: of any kind, if some step cannot run.
        """
        with jax.enable_x64(True):
            shapes_ = [a.shape for a in jax.eval_shape(self.pool, self.example)]
        return [Value(shape, roles) for shape, roles in zip(shapes_, self.roles, strict=True)]

    def redrawn(self, seed: int) -> Program:
        """The same program with other arrays of real numbers closed over: arbitrary ones, peculiar ones for odd seeds.

        Single numbers stay, since tracing does not tell them from those in the code.
        """
        rng = np.random.default_rng(seed)
        dice = Dice(rng, 0, 1.0 if seed % 2 else 0.0)

        def draw(constant: np.ndarray) -> np.ndarray:
            if not constant.ndim or not np.issubdtype(constant.dtype, np.floating):
                return constant
            return dice.normal(*constant.shape) * (np.abs(constant).mean() if constant.size else 1)

        steps = (replace(s, made=replace(s.made, constants=tuple(map(draw, s.made.constants)))) for s in self.steps)
        return replace(self, steps=tuple(steps))

    def pruned(self) -> Program:
        """Without the steps that the output does not depend on."""
        needed = {len(self.steps)}
        for i in reversed(range(len(self.steps))):
            if i + 1 in needed:
                needed.update(self.steps[i].args)
        places = {old: new for new, old in enumerate(sorted(needed | {0}))}
        kept = [
            replace(step, args=tuple(places[a] for a in step.args))
            for i, step in enumerate(self.steps)
            if i + 1 in needed
        ]
        return replace(self, steps=tuple(kept))

    def __str__(self) -> str:
        lines = [f"on {self.domain}, {self.channels} channels"]
        for i, step in enumerate(self.steps, 1):
            lines.append(f"  v{i} = {', '.join(f'v{a}' for a in step.args)} | {step.made.text} -> {step.made.roles}")
        return "\n".join(lines)


ONE: dict[Draw, float] = {
    pointwise.unary: 10,
    pointwise.with_scalar: 2,
    pointwise.with_constant: 5,
    pointwise.affine: 2,
    pointwise.masked: 1,
    pointwise.noise: 1,
    pointwise.identity_of_constants: 1,
    windows.convolution: 9,
    windows.pool: 6,
    windows.running: 1,
    windows.gradient_of_pool: 1,
    reductions.reduction: 3,
    reductions.dropping: 0.5,
    reductions.order: 2,
    reductions.sort_of_pairs: 0.5,
    reductions.normalisation: 3,
    reductions.group_normalisation: 1,
    reductions.squeeze_excite: 2,
    indexing.slicing: 3,
    indexing.reversal: 1,
    indexing.roll: 3,
    indexing.flattened_roll: 0.5,
    indexing.padding: 3,
    indexing.interior_padding: 1,
    indexing.taking: 3,
    indexing.taking_points: 1,
    indexing.dynamic: 1.5,
    indexing.scattering: 1.5,
    indexing.scatter_to_zeros: 1,
    indexing.by_data: 1,
    indexing.concatenation: 2,
    indexing.repetition: 1.5,
    indexing.position: 1,
    shapes.transpose: 2,
    shapes.symmetrised: 0.5,
    shapes.split: 1.5,
    shapes.merge: 1,
    shapes.patches: 3,
    shapes.depth_to_space: 1,
    shapes.channel_shuffle: 0.5,
    shapes.tokens: 1.5,
    shapes.class_token: 1,
    shapes.as_batch: 1,
    shapes.new_axis: 0.5,
    shapes.squeeze: 1,
    shapes.spread: 1,
    shapes.flatten: 0.2,
    contractions.mixing_channels: 4,
    contractions.mixing_nodes: 2,
    contractions.mixing_tokens: 1.5,
    contractions.interpolating: 1.5,
    contractions.resizing: 2,
    contractions.attention: 3,
    contractions.channel_attention: 0.5,
    contractions.products: 0.7,
    contractions.fourier: 2,
    contractions.stencil: 2,
    control.wrapped: 2.5,
    control.scanned: 1.5,
    control.mapped: 1,
    control.looped: 1.5,
    control.branched: 1.5,
    control.chained: 1,
    layers.layer: 3,
    numbers.conversion: 2,
    numbers.integers: 3,
    numbers.counts: 1,
    loops.carrying: 2.5,
    loops.of_each: 2,
    loops.stepping: 1,
    loops.until_settled: 1,
    scatters.repeated: 3,
    scatters.segments: 1,
    scatters.counted: 2,
    scatters.own_rows: 1,
    scatters.landing_in_own_rows: 0.7,
    apart.different_parts: 1,
    apart.looked_up: 0.7,
    apart.taken_along: 1,
    apart.windows_by_index: 1.5,
    apart.with_blocks: 2,
    apart.set_by_place: 1,
    apart.mapped: 1,
    apart.dense: 0.5,
    apart.unknown: 0.3,
    wholes.of_neighbours: 2,
    wholes.gradient: 0.7,
    wholes.turned_kernels: 1.5,
    wholes.beside_tokens: 1.5,
    wholes.below_a_row: 0.7,
    wholes.among_offsets: 1,
    wholes.pooled_by_slices: 1,
    wholes.streamed: 0.7,
    wholes.cancelled: 0.7,
    made_tables.made_table: 2,
    made_tables.near_table: 2.5,
    made_tables.near_weights: 1,
    made_tables.steep: 3,
}
TWO: dict[Draw, float] = {pointwise.two: 3, pointwise.gate: 1}


def random_domain(rng: np.random.Generator) -> eq.Domain:
    """A torus, a box or a mixed domain of one or two dimensions, now and then three."""
    dim = int(rng.choice([1, 2, 3], p=[0.4, 0.54, 0.06]))
    sizes = [int(n) for n in rng.integers(*((3, 7), (3, 7), (2, 4))[dim - 1], dim)]
    if dim > 1 and rng.random() < 0.6:
        sizes = [int(rng.choice(((4, 6), (3, 4, 4, 5, 6), (2, 3))[dim - 1]))] * dim
    kind = rng.random()
    if kind < 0.6 and dim < 3:
        return eq.torus(*sizes)
    if kind < 0.85:
        return eq.box(*sizes)
    return eq.Domain(tuple(eq.periodic(n) if rng.random() < 0.5 else eq.bounded(n) for n in sizes))


def random_program(seed: int, most: int = 8, domain: eq.Domain | None = None) -> Program:
    """A random program that runs; most keep some symmetry, few keep all.

    Args:
        most: the largest number of steps, not counting what brings the output into form.
    """
    rng = np.random.default_rng(seed)
    domain = domain or random_domain(rng)
    wild = float(rng.choice([0.0, 0.05, 0.15, 0.5], p=[0.35, 0.3, 0.25, 0.1]))
    dice = Dice(rng, wild, float(rng.choice([0.0, 0.3])))
    program = Program(domain, ())
    wanted = dice.number(min(2, most), most)
    values = program.values()
    for _ in range(8 * wanted):
        if len(program.steps) >= wanted:
            break
        longer = replace(program, steps=(*program.steps, step)) if (step := _next(dice, values)) else None
        if longer is not None and (found := _sound(longer)):
            program, values = longer, found
    return _finished(dice, program, values).pruned()


def random_program_on_the_plane(seed: int) -> Program:
    """A random program of a few steps on an array that stands for a part of the plane."""
    return random_program(seed, 4, eq.plane(1 + seed % 2))


def _sound(program: Program) -> list[Value] | None:
    """The values of a program that runs and stays small."""
    try:
        values = program.values()
    except (TypeError, ValueError, IndexError, NotImplementedError, ZeroDivisionError):
        return None
    last = values[-1]
    if last.roles.count("b") != 1:
        return None
    nodes = np.prod([last.shape[a] for a in last.space])
    most_nodes, most = program.largest
    if 0 in last.shape or nodes > most_nodes or np.prod(last.shape[1:]) > most or len(last.shape) > 6:
        return None
    if last.shape[last.roles.index("b")] != 2 or max(last.shape) > max(32, 2 * max(program.sizes)):
        return None
    return values


def _next(dice: Dice, values: list[Value]) -> Step | None:
    last = len(values) - 1
    place = last if dice.chance(0.85) else dice.number(0, last)
    others = [i for i, value in enumerate(values) if value == values[place] and i != place]
    if others and dice.chance(0.35):
        draw = _weighted(dice, TWO)
        made = draw(dice, values[place]) if values[place].is_map or draw is pointwise.two else None
        return Step(made, (place, dice.pick(others))) if made else None
    made = _weighted(dice, ONE)(dice, values[place]) if len(values[place].roles) > 1 else None
    return Step(made, (place,)) if made else None


def _weighted(dice: Dice, table: dict[Draw, float]) -> Draw:
    weights = np.asarray(list(table.values()))
    return list(table)[int(dice.rng.choice(len(table), p=weights / weights.sum()))]


def _finished(dice: Dice, program: Program, values: list[Value]) -> Program:
    """The program with its output brought into the form of a map or of features."""
    last = values[-1]
    order = [*last.axes("b"), *last.space, *last.axes("c")]
    dim = program.domain.dim
    features = len(last.space) != dim or dice.chance(0.35)
    shape = [last.shape[a] for a in order]
    lead = 1 + len(last.space)
    how = dice.pick(["mean", "mean", "max", "sum of squares", "flatten", "every channel's largest place"])
    matrix = dice.normal(int(np.prod(shape[1:])), 3)

    def form(x: Any, *constants: Any) -> Any:
        x = jnp.transpose(x, order)
        x = x.reshape(*x.shape[:lead], -1)
        if not features:
            return x
        row = x.reshape(x.shape[0], -1, x.shape[-1])
        if how == "flatten":
            return jnp.tanh(row.reshape(x.shape[0], -1)) @ like(constants[0], x)
        if how == "mean":
            return jnp.mean(row, 1)
        if how == "max":
            return jnp.max(row, 1)
        if how == "sum of squares":
            return jnp.sum(jnp.sin(row) ** 2, 1)
        return jnp.argmax(row, 1).astype(x.dtype)

    if not features and last.roles == "b" + "s" * dim + "c":
        return program
    if features and not last.space and last.roles == "bc":
        return program
    text = f"to the order {order}, " + (f"then {how}" if features else "channels merged")
    roles = "bc" if features else "b" + "s" * dim + "c"
    made = Made(text, form, roles, (matrix,) if features and how == "flatten" else ())
    return replace(program, steps=(*program.steps, Step(made, (len(values) - 1,))))


def shrunk(program: Program, bad: Callable[[Program], bool]) -> Program:
    """A smallest program, dropping steps, that is still bad."""
    found = True
    while found:
        found = False
        for smaller in _smaller(program):
            if _runs(smaller) and bad(smaller):
                program, found = smaller, True
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    """Programs that end earlier, or without one step, its result replaced by what it reads."""
    forms = {"bc", "b" + "s" * program.domain.dim + "c"}
    for end in range(1, len(program.steps)):
        if program.roles[end] in forms:
            yield replace(program, steps=program.steps[:end]).pruned()
    for i, step in enumerate(program.steps[:-1]):
        for arg in step.args:
            moved = [
                replace(later, args=tuple(arg if a == i + 1 else a - (a > i + 1) for a in later.args))
                for later in program.steps[i + 1 :]
            ]
            yield replace(program, steps=(*program.steps[:i], *moved)).pruned()


def _runs(program: Program) -> bool:
    forms = {"bc": 2, "b" + "s" * program.domain.dim + "c": program.domain.dim + 2}
    try:
        last = program.values()[-1]
    except (TypeError, ValueError, IndexError, NotImplementedError, ZeroDivisionError):
        return False
    return len(last.shape) == forms.get(last.roles) and 0 not in last.shape and last.shape[0] == 2
