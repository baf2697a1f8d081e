"""Brute force for any JAX function: its true symmetry on a small domain, from nothing but its values.

Every isometry of the input grid moves the whole batch; the outputs are compared with every isometry of the output grid,
by index maps only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import equinet as eq
from tests.oracle import QUICKLY, Claim, Truth, Verdict, acted, compare, matched, merged

Function = Callable[[Any], Any]
OLDER = {"xla_cpu_use_fusion_emitters": False} if jax.__version_info__ < (0, 11) else {}
PLAINLY = QUICKLY | {"xla_disable_hlo_passes": "algsimp"} | OLDER
"""Either of these ends the process on some of the programs that `random_program` draws: the compiler is at fault. Newer
versions do not have the second."""
DRAWS, BATCH = 4, 2
"""Batches tried on each function, and examples in each: functions may mix the examples of a batch."""


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
class Values:
    """What a function gives for some inputs and for every isometry of them.

    Attributes:
        domain: the input's grid.
        elements: its isometries.
        before: outputs `[examples, ...]`.
        after: outputs `[elements, examples, ...]` for the moved inputs.
    """

    domain: eq.Domain
    elements: list[eq.Isometry]
    before: np.ndarray
    after: np.ndarray

    def truth(self, output: eq.Domain, fibre: int = 0) -> Truth:
        """What holds, for outputs on that grid.

        Raises:
            ValueError: if the outputs do not lie on it.
        """
        if output.dim and self.before.shape[1:-1] != output.sizes:
            raise ValueError(f"outputs {self.before.shape} do not lie on {output}")
        return matched(self.before, self.after, self.elements, output, fibre, np.abs(self.before).max(initial=0))

    def error(self, g: eq.Isometry, image: eq.Isometry, output: eq.Domain) -> float:
        """The largest difference between f(g·x) and g'·f(x), relative to the largest output."""
        after = self.after[self.elements.index(g)].reshape(len(self.before), -1)
        want = acted(self.before, output, [image])[0] if output.dim else self.before
        return float(np.abs(want.reshape(after.shape) - after).max() / max(np.abs(want).max(), 1e-3))

    @property
    def natural_output(self) -> eq.Domain:
        """The grid that a map of as many axes as the input would lie on; of dimension 0 for anything else."""
        sizes = self.before.shape[1:-1]
        if len(sizes) != self.domain.dim or 0 in sizes:
            return eq.Domain(())
        return eq.Domain(tuple(eq.Axis(n, axis.boundary) for n, axis in zip(sizes, self.domain.axes, strict=True)))


def evaluate(fn: Function, domain: eq.Domain, channels: int, seed: int = 0, draws: int = DRAWS) -> Values:
    """Run a function `[batch, *spatial, channels]` on random inputs and all their images; under 64-bit floats.

    Raises:
        FloatingPointError: if it gives NaN or infinity.
        ValueError: if its output has another batch.
    """
    rng = np.random.default_rng(seed)
    shape = (*(n or 1 for n in domain.sizes), channels)
    elements = list(domain.group.elements())
    count = draws * BATCH
    x = rng.standard_normal((count, *shape)) * rng.uniform(0.5, 1.5, (count, *(1,) * len(shape)))
    x += rng.standard_normal((count, *(1,) * domain.dim, channels))
    inputs = np.concatenate([x[None], acted(x, domain, elements).reshape(len(elements), count, *shape)])
    batches = jnp.asarray(inputs.reshape(-1, BATCH, *shape))
    y = np.asarray(jax.jit(lambda all_: jax.lax.map(fn, all_), compiler_options=PLAINLY)(batches))
    if y.ndim < 2 or y.shape[1] != BATCH:
        raise ValueError(f"a batch of {BATCH} gives an output of shape {y.shape[1:]}")
    y = y.reshape(len(elements) + 1, count, *y.shape[2:]).astype(float)
    if not np.isfinite(y).all():
        raise FloatingPointError(f"{fn} gives NaN or infinity")
    return Values(domain, elements, y[0], y[1:])


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
) -> Verdict:
    """Compare what `infer` says of a function with brute force: every claim must hold, and nothing else may.

    What seems to be missed is tried again on fresh inputs, since it may be a coincidence of these.

    Args:
        claim: what to judge instead.
        generic: the same function with other arrays closed over, for which the claim must hold too.
    """
    with jax.enable_x64(True):
        made = claim or infer(fn, domain, channels, layout=layout, generic=bool(generic), dtype=jnp.float64)
        functions = [as_bsc(one, layout) for one in (fn, *generic)]
        values = [evaluate(one, domain, channels, seed) for one in functions]
        unsound, loose = against(made, values)
        for retry in range(retries):
            if unsound or not loose:
                break
            values += [evaluate(one, domain, channels, seed + 1000 * (retry + 1), 3 * DRAWS) for one in functions]
            unsound, loose = against(made, values)
    return Verdict(unsound, loose)


def infer(fn: Function, domain: eq.Domain, channels: int, **options: Any) -> eq.Certificate:
    """`eq.infer`."""
    return eq.infer(fn, domain, channels, **options)


def against(claim: Claim, values: Sequence[Values]) -> tuple[list[str], list[str]]:
    """What a claim says that is not so of some values, with how far off it is, and what it misses."""
    shapes = {one.before.shape[1:] for one in values}
    sizes = next(iter(shapes))[:-1]
    if len(shapes) > 1 or (claim.output.dim and claim.output.sizes != sizes):
        return [f"claims an output on {claim.output}; it has the shape {shapes}"], []
    found = together([one.truth(claim.output, claim.fibre) for one in values])
    unsound, loose = compare(claim, found)
    if unsound:
        unsound = [f"{line} (off by {_worst(claim, values):.1e})" for line in unsound]
    grid = values[0].natural_output
    if not claim.output.dim and grid.dim:
        moved = together([one.truth(grid) for one in values]).strict
        loose += [f"strict misses {g}, which acts on {grid}" for g in moved if g not in claim.strict]
    return unsound, loose


def together(truths: Sequence[Truth]) -> Truth:
    """What holds in all."""
    first, *others = truths
    for other in others:
        first = merged(first, other)
    return first


def _worst(claim: Claim, values: Sequence[Values]) -> float:
    claimed = [g for g in values[0].elements if g in claim.strict]
    images = {g: claim.action(g) for g in claimed}
    return max(one.error(g, images[g], claim.output) for one in values for g in claimed)
