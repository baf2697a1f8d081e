"""A claim and its function, ready to be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from equinet.checks import as_flag, as_function, as_integer, as_real, is_integer, shown
from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain
from equinet.ops.arrays import as_key
from equinet.verify.act import Bounds, pack, pack_channels, sources
from equinet.verify.chunks import default_chunk, fitting_chunk
from equinet.verify.claims import Action, Claim, output_action, output_grid
from equinet.verify.gauge import Channel
from equinet.verify.inputs import FEW_VALUED, SETTLED, stabiliser
from equinet.verify.interior import Canvas
from equinet.verify.match import Matcher
from equinet.verify.probe import Job, Probe
from equinet.verify.program import difference, make_program, make_staged
from equinet.verify.report import Report
from equinet.verify.shared import Stage, runs

MOST_AT_ONCE = 1 << 16
"""Elements per compiled step, whatever is asked for."""


@dataclass
class Bench:
    """A claim, its function under measurement, and where outputs are compared."""

    claim: Claim
    grid: Domain
    probe: Probe
    canvas: Canvas | None

    @cached_property
    def action(self) -> Action:
        """The claimed action on the output."""
        return output_action(self.claim, self.grid)

    def explain(
        self, elements: Sequence[Isometry], tol: float, seen: Iterable[tuple[float, np.ndarray]] | None = None
    ) -> list[tuple[float, Isometry]]:
        """The smallest error of each element over all output isometries, and the isometry that gives it.

        An element that one batch cannot tell from a symmetry is tested on all trials, with one and the same isometry:
        that is what tells a data-dependent shift from an action.

        Args:
            elements: the elements.
            tol: the largest error of a match.
            seen: what `Probe.measure` says of each on the first batch, under the identity, if known.
        """
        probe, one = self.probe, Isometry.identity(self.grid.dim)
        if seen is None:
            seen = probe.measure([Job(g, one) for g in elements])
        if self.grid.dim == 0:
            errors = [error for error, _ in seen]
            again = [at for at, error in enumerate(errors) if error <= tol]
            for at, error in zip(again, self.worst([elements[at] for at in again], [one] * len(again)), strict=True):
                errors[at] = error
            return [(error, one) for error in errors]
        # In units of an error, of which a channel that is compared no more has infinitely few.
        unit, trials = probe.unit, range(probe.trials)
        match = Matcher(probe.references / unit, probe.out_sizes, self.grid, probe.bounds, tol)
        found = [match(y[None] / unit[:1], [0]) for _, y in seen]
        again = [at for at, (error, _) in enumerate(found) if error <= tol]
        outputs = probe.outputs([Job(elements[at], one, k) for at in again for k in trials])
        for at in again:
            found[at] = match(np.stack(list(islice(outputs, len(trials)))) / unit, trials)
        return found

    def worst(self, elements: Sequence[Isometry], images: Sequence[Isometry], *, still: bool = False) -> list[float]:
        """The error of each element under a given output isometry, over all trials.

        Args:
            still: whether output channels are compared as they are.
        """
        trials = range(self.probe.trials)
        jobs = [Job(g, h, k, still) for g, h in zip(elements, images, strict=True) for k in trials]
        errors = self.errors(jobs)
        return [max(errors[at * len(trials) :][: len(trials)]) for at in range(len(elements))]

    def errors(self, jobs: Sequence[Job]) -> list[float]:
        """`Probe.errors`, and an unmoved input among moved ones, to see that its output is what it was.

        Raises:
            ValueError: if it is not.
        """
        if not len(jobs) % self.probe.chunk:
            return self.probe.errors(jobs)
        # There is room for it in the last chunk.
        *errors, again = self.probe.errors([*jobs, self.probe.unmoved()])
        self.probe.check_slots(again)
        return errors

    def leave_out_inputs_without_a_choice(self, group: SpaceGroup, *, acts: bool = True) -> None:
        """Compare no more on inputs that elements s of a group fix, unless φ(s) fixes their outputs.

        From such an input a layer that chooses between its values by what they are cannot choose.

        Args:
            group: whose elements.
            acts: whether φ is known; if not, no input is kept that any element fixes.
        """
        probe, left = self.probe, []
        if self.canvas is not None or self.claim.is_adaptive is False:
            return
        for place in np.argwhere(np.isin(probe.inputs.kinds[: probe.trials], FEW_VALUED)):
            entry, example = map(int, place)
            fixing = stabiliser(probe.inputs.batches[entry, example], probe.sizes, group, probe.into)
            if fixing and not (acts and self._fix_output(fixing, entry, example)):
                left.append((entry, example))
        probe.leave_out(left)

    def _fix_output(self, elements: Sequence[Isometry], entry: int, example: int) -> bool:
        probe, images = self.probe, [self.action(s) for s in elements]
        refs = probe.references[entry : entry + 1, example : example + 1]
        y = refs
        if probe.is_complex:
            real, imaginary = np.split(refs, 2, axis=-1)
            y = real + 1j * imaginary
        back = None if probe.back is None else pack_channels(probe.back, [s.inverse() for s in elements])
        errors, _, _ = difference(
            np, np.repeat(y, len(elements), axis=0), refs, probe.gauge.unit[entry : entry + 1, example : example + 1],
            np.zeros(len(elements), np.int32), pack(images), back, out_sizes=probe.out_sizes, bounds=probe.bounds,
        )  # fmt: skip
        return bool(errors.max() <= probe.tol)

    def leave_out_where_only_the_choice_differs(self, report: Report) -> bool:
        """Compare no more on few-valued inputs on which claimed elements move the output along its orbit.

        Where an adaptive layer meets a map that an isometry s leaves as it is, it may keep either of what s exchanges,
        and f(g·x) is φ(g) φ(s) f(x). What no isometry explains is no such choice, and stays.

        Returns:
            Whether there are any, and no other inputs on which one of the five worst elements fails.
        """
        probe, trials, left = self.probe, range(self.probe.trials), set()
        for g in report.counterexamples[:5]:
            if g not in report.group:
                break
            outputs = np.stack(list(probe.outputs([Job(g, report.actions[g], k) for k in trials]))) / probe.unit
            refs = probe.references / probe.unit
            target, _ = sources(probe.out_sizes, *pack([report.actions[g]]))
            errors = np.abs(outputs - refs[:, :, target[0]]).max(axis=(2, 3))
            for entry, example in np.argwhere(errors > probe.tol).tolist():
                match = Matcher(
                    refs[entry : entry + 1, example : example + 1], probe.out_sizes, self.grid, probe.bounds, probe.tol
                )
                few = probe.inputs.kinds[entry, example] in FEW_VALUED
                if not few or match(outputs[entry, example][None], [0])[0] > probe.tol:
                    return False
                left.add((entry, example))
        probe.leave_out(sorted(left))
        return bool(left)

    def blame(self, g: Isometry, h: Isometry) -> Channel:
        """The channel in which an element's error is largest."""
        probe, trials = self.probe, range(self.probe.trials)
        outputs = np.stack(list(probe.outputs([Job(g, h, k) for k in trials])))
        target, mask = sources(probe.out_sizes, *pack([h]), probe.bounds)
        gaps = np.abs(outputs - probe.references[:, :, target[0]]) / probe.unit
        if mask is not None:
            gaps = gaps[:, :, mask[0]]
        return probe.channel(int(gaps.max(axis=(0, 1, 2)).argmax()))


def make_bench(
    fn: Callable[[Any], Any],
    claim: Claim,
    canvas_domain: Domain | None,
    jobs: int | None,
    *,
    stages: Sequence[Stage] = (),
    chunk: int | None,
    batch: int,
    trials: int,
    dtype: Any,
    jit: bool,
    memory: int,
    **options: Any,
) -> Bench:
    """Evaluate the references of `fn` and settle its output grid; call within `precision`.

    Args:
        fn, claim, canvas_domain: what is measured, for what, and on what canvas where the domain is infinite.
        jobs: how many elements there are to measure, if they are few.
        stages: the parts of `fn`, if it is to be evaluated part by part.
        chunk, batch, trials, dtype, jit, memory: as for `verify`.
        **options: for `Probe`.
    """
    as_function(fn, "what is measured is a function of one array", ": of a layer, net.bind(variables)")
    counts = {"batch": batch, "trials": trials, "chunk": 1 if chunk is None else chunk, "channels": claim.channels}
    if not all(is_integer(count) and count >= 1 for count in counts.values()):
        listed = ", ".join(f"{name}={shown(count)}" for name, count in counts.items())
        raise ValueError(f"batch, trials, chunk and channels must be at least 1, whole numbers; got {listed}")
    as_integer(memory, "memory, a number of bytes,", least=1)
    if options["tol"] is not None:
        as_real(options["tol"], "tol", least=0)
    if options["progress"] is not None:
        as_flag(options["progress"], "progress")
    options["key"] = as_key(options["key"], "a measurement")
    finite = claim.domain.is_finite
    canvas = None if finite else Canvas(claim.domain, claim.group, claim.source, canvas_domain)
    sizes = tuple(n for n in claim.domain.sizes if n is not None) if canvas is None else canvas.sizes
    example = prod(sizes) * int(claim.channels) * jnp.dtype(dtype).itemsize
    held = 2 * (trials + SETTLED) * batch * example
    if held > memory:
        raise ValueError(
            f"the inputs to measure on take {held >> 20} MiB, more than memory={memory} bytes ({memory >> 20} MiB): "
            f"lower batch or trials, measure on a smaller domain, or raise memory"
        )
    settled: list[Domain] = []

    def grid(spatial: tuple[int, ...]) -> tuple[tuple[int, ...], Bounds | None]:
        settled.append(output_grid(claim, spatial))
        bounds = None if canvas is None else canvas.bounds(spatial)
        return (spatial if settled[0].dim else ()), bounds

    if chunk is None:
        chunk = default_chunk(max(jobs or 64, 3 * trials), batch, batch * prod(sizes) * claim.channels)
        if stages:
            measured = 3 * trials, trials * max(1, len(claim.group.generators))
            chunk = fitting_chunk([*measured, *runs(stages, claim.whole, claim.group, trials)], chunk)
    # Their moved inputs alone take as much.
    chunk = min(chunk, max(memory // (batch * example), 1), MOST_AT_ONCE)
    program = make_staged([stage.fn for stage in stages], dtype) if stages else make_program(fn, dtype, jit)
    probe = Probe(
        program, sizes, claim.channels, grid,
        fibre=claim.moves, chunk=chunk, batch=batch, trials=trials, dtype=dtype, memory=memory, **options,
    )  # fmt: skip
    return Bench(claim, settled[0], probe, canvas)
