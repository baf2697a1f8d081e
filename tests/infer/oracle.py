"""Brute force for any JAX function: its true symmetry on a small domain, from nothing but its values.

Every isometry of the input grid moves the whole batch; the outputs are compared with every isometry of the output grid,
by index maps only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from tests.infer.inputs import KINDS, gaussian
from tests.infer.rounding import noise
from tests.oracle import QUICKLY, TOLERANCE, Claim, Truth, Verdict, _with_channels, acted, compare, matched, merged

Function = Callable[[Any], Any]
OLDER = {"xla_cpu_use_fusion_emitters": False} if jax.__version_info__ < (0, 11) else {}
PLAINLY = QUICKLY | {"xla_disable_hlo_passes": "algsimp"} | OLDER
"""Either of these ends the process on some of the programs that `random_program` draws: the compiler is at fault. Newer
versions do not have the second."""
DRAWS, BATCH = 4, 2
"""Batches tried on each function, and examples in each: functions may mix the examples of a batch."""
FLOOR, CLEARLY, CLOSELY = 1e-14, 100, 6
"""Relative to the input, what is nothing; how much more than rounding is needed to refute; in how many parts of the
examples the worst is asked for that."""
EVERY_KIND = {kind: 6 for kind in KINDS if kind != "gaussian"}
"""Batches of each kind of input, for functions that are aimed at something."""


def as_bsc(fn: Function, layout: str) -> Function:
    """The same function from `[batch, *spatial, channels]` to such arrays, or to features `[batch, channels]`.

    Args:
        layout: of the function's own arrays: S and with it B (else it is a function of one example) and C (else there
            is one channel), in any order.
    """
    if sorted(layout) not in ([*"BCS"], [*"CS"], [*"BS"], [*"S"]):
        raise ValueError(f"a layout is S with B and C or without; got {layout!r}")
    if "B" not in layout:
        return as_bsc(jax.vmap(fn), "B" + layout)

    def turned(x: jax.Array) -> jax.Array:
        axes = {"B": [0], "S": [*range(1, x.ndim - 1)], "C": [x.ndim - 1] * ("C" in layout)}
        order = [a for letter in layout for a in axes[letter]]
        y = fn(jnp.transpose(x if "C" in layout else x[..., 0], order))
        if y.ndim == len(order):
            y = jnp.transpose(y, np.argsort(order))
        elif "C" in layout and layout.index("C") < layout.index("B"):
            y = jnp.moveaxis(y, -1, 0)
        return y if "C" in layout else y[..., None]

    return turned


@dataclass(frozen=True)
class Rounding:
    """What rounding can do to a function's outputs; of one batch and one number of draws it is found once.

    Attributes:
        fn: the function of a batch.
        known: what was found, by the batch's bytes and the number of draws: other claims about the same function, and
            other elements, ask for the same again.
    """

    fn: Function
    known: dict[tuple[bytes, int], np.ndarray] = field(default_factory=dict)

    def of(self, x: np.ndarray, draws: int) -> np.ndarray:
        """`noise` of a batch; under 64-bit floats. All batches of a function have one shape."""
        key = (np.ascontiguousarray(x).tobytes(), draws)
        if key not in self.known:
            with jax.enable_x64(True):
                self.known[key] = noise(self.fn, x, draws, seed=draws)
        return self.known[key]


@dataclass(frozen=True)
class Values:
    """What a function gives for some inputs and for every isometry of them.

    Attributes:
        rounding: the function, and what rounding does to it.
        domain: the input's grid.
        elements: its isometries.
        inputs: `[examples, *grid, channels]`, Gaussian ones first.
        gaussian: how many of them are.
        before: outputs `[examples, ...]`.
        after: outputs `[elements, examples, ...]` for the moved inputs.
    """

    rounding: Rounding
    domain: eq.Domain
    elements: list[eq.Isometry]
    inputs: np.ndarray
    gaussian: int
    before: np.ndarray
    after: np.ndarray

    def truth(self, output: eq.Domain, fibre: int = 0) -> Truth:
        """What holds on Gaussian inputs, for outputs on that grid.

        Raises:
            FloatingPointError: if they give NaN or infinity.
            ValueError: if the outputs do not lie on the grid.
        """
        before, after = self.before[: self.gaussian], self.after[:, : self.gaussian]
        if output.dim and before.shape[1:-1] != output.sizes:
            raise ValueError(f"outputs {before.shape} do not lie on {output}")
        if not np.isfinite(before).all():
            raise FloatingPointError(f"{self.rounding.fn} gives NaN or infinity")
        return matched(before, after, self.elements, output, fibre, np.abs(before).max(initial=0))

    def error(self, g: eq.Isometry, image: eq.Isometry | None, output: eq.Domain, fibre: int = 0) -> float:
        """The largest difference between f(g·x) and g'·f(x) that is not due to rounding, relative to its channel.

        Args:
            image: g'; None if the output stays as it is.
            fibre: how the output's channels move.
        """
        after = self.after[self.elements.index(g)]
        want = acted(self.before, output, [image])[0] if image is not None and output.dim else self.before
        want = want if image is None else _with_channels(want, fibre, g.matrix)
        return excess(self.rounding, want, after, self.inputs, lambda x: acted(x, self.domain, [g])[0].reshape(x.shape))

    @property
    def natural_output(self) -> eq.Domain:
        """The grid that a map of as many axes as the input would lie on; of dimension 0 for anything else."""
        sizes = self.before.shape[1:-1]
        if len(sizes) != self.domain.dim or 0 in sizes:
            return eq.Domain(())
        return eq.Domain(tuple(eq.Axis(n, axis.boundary) for n, axis in zip(sizes, self.domain.axes, strict=True)))


def excess(
    rounding: Rounding, want: np.ndarray, got: np.ndarray, inputs: np.ndarray, moved: Callable[[np.ndarray], np.ndarray]
) -> float:
    """The largest difference between two outputs, relative to its channel; 0 if rounding can explain it.

    Args:
        rounding: what it does to the function of a batch.
        want, got: `[examples, ...]`.
        inputs: those of the first, batches one after the other.
        moved: gives those of the second, batch by batch.
    """
    count = len(want)
    want, got = (a.reshape(count, -1, a.shape[-1] if a.ndim > 1 else 1) for a in (want, got))
    wrong = differences(want, got)
    scale = np.nan_to_num(np.abs(np.stack([want, got])), nan=0, posinf=0).max((0, 2), initial=0)
    floor = FLOOR * np.maximum(np.abs(inputs).reshape(count, -1).max(1), 1)
    ratio = (wrong / (TOLERANCE * scale + floor[:, None])[:, None]).max((1, 2), initial=0)
    worst_of_each = [part[ratio[part].argmax()] for part in np.array_split(np.arange(count), min(CLOSELY, count))]
    for example in sorted(worst_of_each, key=lambda at: -ratio[at]):
        if ratio[example] <= 1:
            return 0.0
        at = int(example) % BATCH
        x = inputs[int(example) - at : int(example) - at + BATCH]
        # A few disturbances dismiss most; before anything is refuted, many must leave it as it is.
        if not any(_explains(rounding, (x, moved(x)), at, wrong[example], draws) for draws in (3, 15)):
            return float((wrong[example] / np.maximum(scale[example], 1e-300)).max())
    return 0.0


def _explains(rounding: Rounding, batches: Sequence[np.ndarray], at: int, wrong: np.ndarray, draws: int) -> bool:
    """Whether rounding explains a difference `[nodes, channels]` between the examples of that number in two batches."""
    found = [rounding.of(x, draws)[at].reshape(-1, wrong.shape[-1]).max(0, initial=0) for x in batches]
    return bool((wrong.max(0) <= CLEARLY * np.max(found, axis=0)).all())


def differences(want: np.ndarray, got: np.ndarray) -> np.ndarray:
    """Absolute differences; infinite where one is NaN or infinite and the other is not."""
    with np.errstate(invalid="ignore"):
        wrong = np.where((want == got) | (np.isnan(want) & np.isnan(got)), 0.0, np.abs(want - got))
    return np.nan_to_num(wrong, nan=np.inf, posinf=np.inf)


def evaluate(
    fn: Function,
    domain: eq.Domain,
    channels: int,
    seed: int = 0,
    draws: int = DRAWS,
    kinds: Mapping[str, int] | None = None,
) -> Values:
    """Run a function `[batch, *spatial, channels]` on random inputs and all their images; under 64-bit floats.

    Args:
        draws: batches of Gaussian inputs.
        kinds: batches of each other kind of input; none unless said.

    Raises:
        FloatingPointError: if it gives nothing but NaN or infinity.
        ValueError: if its output has another batch.
    """
    rng = np.random.default_rng(seed)
    shape = (*(n or 1 for n in domain.sizes), channels)
    elements = list(domain.group.elements())
    parts = [gaussian(rng, (draws * BATCH, *shape))]
    parts += [KINDS[kind](rng, (number * BATCH, *shape)) for kind, number in (kinds or {}).items()]
    x = np.concatenate(parts)
    count = len(x)
    inputs = np.concatenate([x[None], acted(x, domain, elements).reshape(len(elements), count, *shape)])
    batches = jnp.asarray(inputs.reshape(-1, BATCH, *shape))
    y = np.asarray(jax.jit(lambda all_: jax.lax.map(fn, all_), compiler_options=PLAINLY)(batches))
    if y.ndim < 2 or y.shape[1] != BATCH:
        raise ValueError(f"a batch of {BATCH} gives an output of shape {y.shape[1:]}")
    y = y.reshape(len(elements) + 1, count, *y.shape[2:])
    y = y if np.iscomplexobj(y) else y.astype(float)
    if not np.isfinite(y).any():
        raise FloatingPointError(f"{fn} gives NaN or infinity")
    return Values(Rounding(fn), domain, elements, x, len(parts[0]), y[0], y[1:])


def judge(
    fn: Function,
    domain: eq.Domain,
    channels: int = 2,
    *,
    layout: str = "BSC",
    claim: Claim | None = None,
    generic: Sequence[Function] = (),
    seed: int = 0,
    retries: int = 2,
    kinds: Mapping[str, int] | None = None,
    loosely: bool = False,
) -> Verdict:
    """Compare what `infer` says of a function with brute force: every claim must hold, and nothing else may.

    What seems to be missed is tried again on fresh inputs, since it may be a coincidence of these.

    Args:
        claim: what to judge instead.
        generic: the same function with other arrays closed over, for which the claim must hold too.
        kinds: as for `evaluate`.
        loosely: do not ask what else holds.
    """
    with jax.enable_x64(True):
        made = claim or infer(fn, domain, channels, layout=layout, generic=bool(generic), dtype=jnp.float64)
        if loosely and made.orbit.order == 1:
            return Verdict([], [])
        functions = [as_bsc(one, layout) for one in (fn, *generic)]
        values = [evaluate(one, domain, channels, seed, kinds=kinds) for one in functions]
        unsound, loose = against(made, values, loosely=loosely)
        for retry in range(retries):
            if unsound or not loose:
                break
            values += [evaluate(one, domain, channels, seed + 1000 * (retry + 1), 3 * DRAWS) for one in functions]
            unsound, loose = against(made, values)
    return Verdict(unsound, loose)


def infer(fn: Function, domain: eq.Domain, channels: int, **options: Any) -> eq.Certificate:
    """`eq.infer`."""
    return eq.infer(fn, domain, channels, **options)


def against(claim: Claim, values: Sequence[Values], *, loosely: bool = False) -> tuple[list[str], list[str]]:
    """What a claim says that is not so of some values, with how far off it is, and what it misses."""
    shapes = {one.before.shape[1:] for one in values}
    sizes = next(iter(shapes))[:-1]
    if len(shapes) > 1 or (claim.output.dim and claim.output.sizes != sizes):
        return [f"claims an output on {claim.output}; it has the shape {shapes}"], []
    unsound = refuted(claim, values)
    if loosely and claim.orbit == claim.strict:
        return unsound, []
    found = together([one.truth(claim.output, claim.fibre) for one in values])
    others, loose = compare(claim, found)
    # What a strict claim says too was judged with it, and rounding with that.
    judged = {f"orbit claims {g}" for g in values[0].elements if g in claim.strict}
    unsound += [line for line in others if line.startswith("orbit") and line not in judged]
    grid = values[0].natural_output
    if not claim.output.dim and grid.dim:
        moved = together([one.truth(grid) for one in values]).strict
        loose += [f"strict misses {g}, which acts on {grid}" for g in moved if g not in claim.strict]
    return unsound, loose


def refuted(claim: Claim, values: Sequence[Values]) -> list[str]:
    """What a claim says that some input refutes, and how far off it is."""
    lines = []
    for g in values[0].elements:
        said: dict[str, eq.Isometry | None] = {}
        if g in claim.strict:
            image = claim.action(g)
            said[f"strict claims {g} ↦ {image}"] = image
        if g in claim.invariance:
            said[f"invariance claims {g}"] = None
        for line, image in said.items():
            worst = max(one.error(g, image, claim.output, claim.fibre) for one in values)
            if worst:
                lines.append(f"{line} (off by {worst:.1e})")
                if len(lines) > 1:
                    return lines
    return lines


def together(truths: Sequence[Truth]) -> Truth:
    """What holds in all."""
    first, *others = truths
    for other in others:
        first = merged(first, other)
    return first
