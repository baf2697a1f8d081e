"""A claim and its function, ready to be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.checks import as_function
from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain
from equinet.verify.act import pack, sources
from equinet.verify.calibrate import calibrate
from equinet.verify.chunks import default_chunk, fitting_chunk
from equinet.verify.claims import Action, Claim, as_claimed, output_action, output_grid
from equinet.verify.gauge import Channel
from equinet.verify.inputs import FEW_VALUED, SETTLED, Inputs, drawn, given, stabiliser
from equinet.verify.interior import Canvas
from equinet.verify.match import Explainer, Matcher
from equinet.verify.options import Options
from equinet.verify.probe import Probe
from equinet.verify.program import Program, Spread, difference, make_move, make_program, make_staged
from equinet.verify.report import Report
from equinet.verify.runner import Job, Runner
from equinet.verify.shared import Stage, runs

MOST_AT_ONCE = 1 << 16
"""Elements per compiled step, whatever is asked for."""


@dataclass(frozen=True, eq=False)
class Bench:
    """A claim, its function under measurement, and where outputs are compared.

    Attributes:
        claim: what is said of the function.
        grid: of the output, as it is acted on.
        returned: the shape of the output for one input.
        probe: the function under measurement.
        canvas: on which inputs are moved, where the domain is infinite.
    """

    claim: Claim
    grid: Domain
    returned: tuple[int, ...]
    probe: Probe
    canvas: Canvas | None

    @cached_property
    def action(self) -> Action:
        """The claimed action on the output."""
        return output_action(self.claim, self.grid)

    def align(self, g: Isometry) -> Isometry:
        """An element as near to the identity as the canvas needs it; see `Canvas.align`."""
        return g if self.canvas is None else self.canvas.align(g)

    def explainer(self, tol: float) -> Explainer:
        """What finds the output isometries of elements, up to errors of `tol`."""
        return Explainer(self.probe, self.grid, tol)

    def without_examples(self, examples: Sequence[tuple[int, int]]) -> Bench:
        """The same, comparing no more on some examples."""
        return replace(self, probe=self.probe.without(examples)) if examples else self

    def on_others(self, options: Options) -> Bench:
        """The same on other inputs, as many of them: nothing is compiled again."""
        runner = self.probe.runner
        inputs = _inputs(options, runner.sizes, int(runner.channels), runner.dtype)
        return replace(self, probe=calibrate(runner, inputs, options.memory, options.tol))

    def where_choices_are_possible(self, group: SpaceGroup, *, acts: bool = True) -> Bench:
        """The same, comparing no more on inputs that elements s of a group fix, unless φ(s) fixes their outputs.

        From such an input a layer that chooses between its values by what they are cannot choose.

        Args:
            group: whose elements.
            acts: whether φ is known; if not, no input is kept that any element fixes.
        """
        probe, left = self.probe, []
        if self.canvas is not None or self.claim.is_adaptive is False:
            return self
        for place in np.argwhere(np.isin(probe.inputs.kinds[: probe.trials], FEW_VALUED)):
            entry, example = map(int, place)
            fixing = stabiliser(probe.inputs.batches[entry, example], probe.runner.sizes, group, self.claim.channels)
            if fixing and not (acts and self._fix_output(fixing, entry, example)):
                left.append((entry, example))
        return self.without_examples(left)

    def _fix_output(self, elements: Sequence[Isometry], entry: int, example: int) -> bool:
        probe, runner, images = self.probe, self.probe.runner, [self.action(s) for s in elements]
        refs = probe.references[entry : entry + 1, example : example + 1]
        y = refs
        if runner.is_complex:
            real, imaginary = np.split(refs, 2, axis=-1)
            y = real + 1j * imaginary
        unit = probe.gauge.unit[entry : entry + 1, example : example + 1]
        back = make_move([0] * len(images), images, runner.back, [s.inverse() for s in elements])
        y = np.repeat(y, len(images), axis=0)
        errors, _, _ = difference(np, y, refs, unit, back, out_sizes=runner.out_sizes, bounds=runner.bounds)
        return bool(errors.max() <= probe.tol)

    def where_not_only_the_choice_differs(self, report: Report) -> Bench | None:
        """The same, comparing no more on few-valued inputs on which claimed elements move the output along its orbit.

        Where an adaptive layer meets a map that an isometry s leaves as it is, it may keep either of what s exchanges,
        and f(g·x) is φ(g) φ(s) f(x). What no isometry explains is no such choice, and stays.

        Returns:
            None if there are none, or one of the five worst elements fails on other inputs too.
        """
        if self.grid.dim == 0:
            return None  # nothing moves an output without axes but the identity
        probe, runner, left = self.probe, self.probe.runner, set()
        refs = probe.references / probe.unit
        for outputs, failing in self._failures(report):
            for entry, example in failing:
                one = refs[entry : entry + 1, example : example + 1]
                match = Matcher(one, runner.out_sizes, self.grid, runner.bounds, probe.tol)
                few = probe.inputs.kinds[entry, example] in FEW_VALUED
                if not few or match(outputs[entry, example][None], [0])[0] > probe.tol:
                    return None
                left.add((entry, example))
        return self.without_examples(sorted(left)) if left else None

    def few_valued_failures(self, report: Report) -> list[tuple[int, int]]:
        """The examples on which the five worst elements fail; none if they fail on others than few-valued ones."""
        failing = sorted({place for _, places in self._failures(report) for place in places})
        return failing if all(self.probe.inputs.kinds[place] in FEW_VALUED for place in failing) else []

    def examples(self, places: Sequence[tuple[int, int]]) -> np.ndarray:
        """Some examples, `[n, *sizes, channels]`."""
        inputs, runner = self.probe.inputs, self.probe.runner
        return np.stack([inputs.batches[place] for place in places]).reshape(-1, *runner.sizes, int(runner.channels))

    def _failures(self, report: Report) -> Iterator[tuple[np.ndarray, list[tuple[int, int]]]]:
        """Of each of the five worst claimed elements that fail, its outputs, and the examples on which it does."""
        probe, runner = self.probe, self.probe.runner
        refs = probe.references / probe.unit
        for g in report.counterexamples[:5]:
            if g not in report.group:
                return
            jobs = [Job(g, report.actions[g], k) for k in range(probe.trials)]
            outputs = np.stack(list(probe.outputs(jobs))) / probe.unit
            target, _ = sources(runner.out_sizes, *pack([report.actions[g]]))
            errors = np.abs(outputs - refs[:, :, target[0]]).max(axis=(2, 3))
            yield outputs, [(entry, example) for entry, example in np.argwhere(errors > probe.tol).tolist()]

    def blame(self, g: Isometry, h: Isometry) -> Channel:
        """The channel in which an element's error is largest."""
        probe, trials = self.probe, range(self.probe.trials)
        outputs = np.stack(list(probe.outputs([Job(g, h, k) for k in trials])))
        target, mask = sources(probe.runner.out_sizes, *pack([h]), probe.runner.bounds)
        gaps = np.abs(outputs - probe.references[:, :, target[0]]) / probe.unit
        if mask is not None:
            gaps = gaps[:, :, mask[0]]
        return probe.channel(int(gaps.max(axis=(0, 1, 2)).argmax()))


def make_bench(
    fn: Callable[[Any], Any],
    claim: Claim,
    options: Options,
    *,
    canvas_domain: Domain | None = None,
    jobs: int | None = None,
    stages: Sequence[Stage] = (),
) -> Bench:
    """Settle the grids of `fn` and evaluate its references; call within `precision`.

    Args:
        fn, claim: what is measured, and for what.
        options: how.
        canvas_domain: on what canvas, where the domain is infinite.
        jobs: how many elements there are to measure, if they are few.
        stages: the parts of `fn`, if it is to be evaluated part by part.
    """
    as_function(fn, "what is measured is a function of one array", "of a layer, net.bind(variables)")
    canvas = None if claim.domain.is_finite else Canvas(claim.domain, claim.group, claim.source, canvas_domain)
    sizes = tuple(n for n in claim.domain.sizes if n is not None) if canvas is None else canvas.sizes
    chunk = _chunk(claim, options, sizes, jobs, stages)
    dtype, channels = jnp.dtype(options.dtype), int(claim.channels)
    program = make_staged([stage.fn for stage in stages], dtype) if stages else make_program(fn, dtype, options.jit)
    spread = Spread.over_local_devices() if program.traced else None
    if spread is not None:
        program = replace(program, variables=spread.everywhere(program.variables))
        chunk = -(-chunk // spread.mesh.size) * spread.mesh.size
    inputs = _inputs(options, sizes, channels, dtype)
    with as_claimed(fn, sizes, channels):
        shape, kind = _output(program, (chunk * options.batch, *sizes, channels), inputs.batches)
    grid = output_grid(claim, shape[1:-1])
    out_sizes, is_complex = shape[1:-1] if grid.dim else (), jnp.issubdtype(kind, jnp.complexfloating)
    _check_fibre(claim, prod(shape[1:]) // prod(out_sizes))
    runner = Runner(
        program=program,
        spread=spread,
        sizes=sizes,
        channels=claim.channels,
        out_sizes=out_sizes,
        back=claim.moves,
        bounds=None if canvas is None else canvas.bounds(shape[1:-1]),
        features=(1 + is_complex) * (prod(shape[1:]) // prod(out_sizes)),
        dtype=dtype,
        eps=max(float(jnp.finfo(t).eps) for t in (dtype, kind) if jnp.issubdtype(t, jnp.inexact)),
        is_complex=is_complex,
        batch=options.batch,
        chunk=chunk,
        progress=options.progress,
    )
    return Bench(claim, grid, shape[1:], calibrate(runner, inputs, options.memory, options.tol), canvas)


def _inputs(options: Options, sizes: tuple[int, ...], channels: int, dtype: Any) -> Inputs:
    examples = options.trials, options.batch, sizes, channels, dtype
    return drawn(options.key, *examples) if options.inputs is None else given(options.inputs, *examples)


def _chunk(claim: Claim, options: Options, sizes: tuple[int, ...], jobs: int | None, stages: Sequence[Stage]) -> int:
    """Elements per step, before it is known what intermediate values take.

    Raises:
        ValueError: if the inputs to measure on take more memory than there is.
    """
    batch, trials, memory = options.batch, options.trials, options.memory
    entries = batch * prod(sizes) * int(claim.channels)
    moved = entries * jnp.dtype(options.dtype).itemsize
    held = 2 * (trials + SETTLED) * moved
    if held > memory:
        raise ValueError(
            f"the inputs to measure on take {held >> 20} MiB, more than memory={memory} bytes ({memory >> 20} MiB): "
            f"lower batch or trials, measure on a smaller domain, or raise memory"
        )
    chunk = options.chunk
    if chunk is None:
        chunk = default_chunk(max(jobs or 64, 3 * trials), batch, entries)
        if stages:
            measured = 3 * trials, trials * max(1, len(claim.group.generators))
            chunk = fitting_chunk([*measured, *runs(stages, claim.whole, claim.group, trials)], chunk)
    # Their moved inputs alone take as much.
    return min(chunk, max(memory // moved, 1), MOST_AT_ONCE)


def _check_fibre(claim: Claim, width: int) -> None:
    """
    Raises:
        ValueError: if the claim's fibre moves another number of channels than the output has.
    """
    moves: Any = claim.moves
    if callable(moves):
        named: Any = moves(Isometry.identity(claim.domain.dim).matrix)
        if len(named) != width:
            raise ValueError(f"the fibre of the output has {len(named)} channels; the function's output has {width}")


def _output(program: Program, asked: tuple[int, ...], batches: np.ndarray) -> tuple[tuple[int, ...], Any]:
    """Shape and type of the output of a chunk.

    Raises:
        ValueError: if it is no array with the input's batch size, or empty.
    """
    if program.traced:
        y = jax.eval_shape(program.evaluate, program.variables, jax.ShapeDtypeStruct(asked, batches.dtype))
    else:
        y = program.evaluate(None, np.resize(batches, asked))
    shape = getattr(y, "shape", None)
    if shape is None or len(shape) < 1 or shape[0] != asked[0]:
        got = f"one of shape {shape}" if shape is not None else f"{type(y).__name__}"
        raise ValueError(
            f"the function must keep the batch: for an input of shape {asked} it should return an array "
            f"[{asked[0]}, *spatial, channels]; got {got}"
        )
    if prod(shape) == 0:
        raise ValueError(f"the function's output is empty: input {asked}, output {shape}")
    return tuple(shape), jnp.dtype(y.dtype)
