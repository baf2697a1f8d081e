"""Claims put to the test: generators, cosets, or every element of the domain's group."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.domain import Domain
from equinet.groups import Isometry, SpaceGroup
from equinet.verify.act import Bounds, ChannelAction, pack, pack_channels, sources
from equinet.verify.claims import Action, Claim, output_action, output_grid, read_claim
from equinet.verify.cosets import doublings, half_turns, outside_cosets, word_length
from equinet.verify.gauge import Channel
from equinet.verify.inputs import FEW_VALUED, stabiliser
from equinet.verify.interior import Canvas
from equinet.verify.match import Matcher
from equinet.verify.probe import MEMORY, Job, Probe, default_chunk, fitting_chunk
from equinet.verify.program import difference, make_program, make_staged, precision
from equinet.verify.report import Report
from equinet.verify.shared import Amplified, Shared, Stage, runs

MODES = ("generators", "sweep", "cosets", "shared")

KEPT = 1 << 14
"""Groups up to this order keep their list of elements for the next sweep."""


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
        if self.canvas is not None:
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


def _takes_one(fn: Callable[..., Any]) -> bool:
    try:
        inspect.signature(fn).bind(None)
    except TypeError:
        return False
    except ValueError:  # it does not say
        return True
    return True


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
    **options: Any,
) -> Bench:
    """Evaluate the references of `fn` and settle its output grid; call within `precision`.

    Args:
        fn, claim, canvas_domain: what is measured, for what, and on what canvas where the domain is infinite.
        jobs: how many elements there are to measure, if they are few.
        stages: the parts of `fn`, if it is to be evaluated part by part.
        chunk, batch, trials, dtype, jit: as for `verify`.
        **options: for `Probe`.
    """
    if not callable(fn) or not _takes_one(fn):
        raise TypeError(f"what is measured is a function of one array; got {fn}: of a layer, net.bind(variables)")
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype must be a floating-point type, such as jnp.float32; got {jnp.dtype(dtype).name}")
    counts = {"batch": batch, "trials": trials, "chunk": 1 if chunk is None else chunk, "channels": claim.channels}
    if min(counts.values()) < 1:
        shown = ", ".join(f"{name}={int(count)}" for name, count in counts.items())
        raise ValueError(f"batch, trials, chunk and channels must be at least 1; got {shown}")
    finite = claim.domain.is_finite
    canvas = None if finite else Canvas(claim.domain, claim.group, claim.source, canvas_domain)
    sizes = tuple(n for n in claim.domain.sizes if n is not None) if canvas is None else canvas.sizes
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
    program = make_staged([stage.fn for stage in stages], dtype) if stages else make_program(fn, dtype, jit)
    probe = Probe(
        program, sizes, claim.channels, grid,
        fibre=claim.moves, chunk=chunk, batch=batch, trials=trials, dtype=dtype, **options,
    )  # fmt: skip
    return Bench(claim, settled[0], probe, canvas)


def verify(
    fn: Callable[[Any], Any],
    claim: Any,
    domain: Domain | None = None,
    *,
    mode: str = "generators",
    key: jax.Array | int,
    action: Action | None = None,
    output: Domain | None = None,
    channels: int | None = None,
    fibre: ChannelAction | None = None,
    batch: int = 2,
    trials: int = 8,
    dtype: Any = jnp.float32,
    jit: bool = True,
    chunk: int | None = None,
    memory: int = MEMORY,
    tol: float | None = None,
    inputs: Any = None,
    shifts_only: bool = False,
    progress: bool | None = None,
) -> Report:
    """Measure whether `f(g·x) = φ(g)·f(x)` for every g of a claimed group H, and for no g outside it.

    The error of g is `max |f(g·x) − φ(g)·f(x)|` over batch, positions and channels, divided by the scale of f, the
    largest deviation of its outputs from their channel means; `Probe` says how scale, noise floor and tolerance are
    derived. Inputs are standard normal.

    - `"generators"`: each generator of H on `trials` batches. If they hold, so does H, since φ is a homomorphism (where
      φ(g k) is not φ(g) φ(k) for generators g and k, their product is measured too). Says nothing about elements
      outside H.
    - `"sweep"`: every element of the domain's group. Those of H are tested with φ. One outside H holds if *some*
      isometry of the output grid explains it, so that the report says sound and tight at once.
    - `"cosets"`: H by its generators and the 2nd, 4th, 8th, … powers of its translations, then one element g of each
      right coset `H g` outside. For h in H, `f(h g x) = φ(h) f(g x)` up to h's error at `g x`, and φ(h) only permutes
      entries, so the errors of `h g` under `φ(h) ψ` and of g under ψ differ by at most `bound` = ε·L, ε the largest
      error of those elements of H (on the inputs tried) and L the number of them needed for any h. Hence if g fails at
      `tol + bound` the whole coset fails at `tol`, and if g holds the whole coset holds at `tol + bound`: the full
      sweep's verdict, for one element per coset, unless errors lie within `bound` of the tolerance.
    - `"shared"`: the same elements, for a bound network and its certificate. A part of the network whose output a group
      K acts on runs once per coset of K, and its output is moved as K acts on it. Each K is measured before it is
      relied on (its generators, on two batches, at the part's own tolerance), and a chunk of elements without sharing
      too; where K does not hold, or these differ, with a warning, or the values of its cosets would take more than
      `memory`, nothing is shared. `bound` includes the errors of these groups, as if the rest of the network passed
      them on as they are. Needs a finite domain.

    On a domain with infinite axes, `plane` above all, elements are applied on a canvas sized from the claim's
    `receptive_field` and outputs compared only where they see none of its border (modes "generators" and "cosets");
    a finite `domain` then sets the canvas, so that a claim about the plane is tested on the image size in use.

    Args:
        fn: `[batch, *spatial, channels]` to an array of the same batch: any callable, or `net.bind(variables)`, which
            is compiled once per network, whatever the weights.
        claim: a certificate (anything with its `domain`, `channels`, `strict`, `action`, `output`), or a `SpaceGroup`.
        domain: the domain of a `SpaceGroup` claim, or the canvas of a claim on an infinite one.
        mode: one of `MODES`.
        key: a JAX key, or an int seed.
        action: φ, from isometries of the input to isometries of the output grid. By default the certificate's; for a
            `SpaceGroup`, the trivial action if the output has no spatial axes (`[batch, channels]`: invariance), and
            g ↦ g if the output grid has the input's sizes.
        output: the output grid, by default the certificate's, else the array's sizes with the input's boundaries.
        channels: of the input, by default the certificate's, or 1; a `Fibre` if point operations move them.
        fibre: what point operations do to the channels of the output, by default the certificate's, or nothing.
        batch: examples per element.
        trials: batches for each generator, and for elements outside H that one batch cannot tell from a symmetry.
        dtype: float32, float64 (needs no global flag) or bfloat16; weights of a bound network are cast to it. In
            bfloat16 the tolerance is several percent, so that elements which break a symmetry by less seem to hold.
        jit: False for code that is not JAX: `fn` then receives and returns numpy arrays.
        chunk: elements per compiled step; by default 32 examples of them on a CPU (more if they are small), where more
            run no faster, and 256 on an accelerator; in mode "shared" as few as the cosets of its parts fill.
        memory: bytes that a compiled step may take for intermediate values, on each device; by default 4 GiB. The chunk
            shrinks until it takes no more. Mode "shared" counts those within the parts of a network, and keeps values
            between two parts if they take no more than this; while they are moved there are up to three copies.
        tol: overrides the derived tolerance.
        shifts_only: test what the claim says of translations, and no other isometries.
        progress: True or False to force or forbid a progress bar (on long sweeps by default).

    Raises:
        ValueError: for an unknown mode, a domain of the wrong dimension, an action that leaves the output grid, a
            function that does not keep the batch, or one element that takes more than `memory`.
        FloatingPointError: if the function returns NaN or inf.

    >>> import jax.numpy as jnp
    >>> from equinet.domain import torus
    >>> from equinet.groups import Lattice, SpaceGroup
    >>> grid = torus(8)
    >>> shifts = SpaceGroup.of_translations(Lattice.full(1), grid.periods)
    >>> report = verify(lambda x: jnp.roll(x, 1, 1) * x**2, shifts, grid, mode="sweep", key=0)
    >>> report.sound, report.tight
    (True, True)
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}: choose one of {', '.join(MODES)}")
    read, canvas_domain = read_claim(claim, domain, channels, action, output, fibre)
    if mode == "shared" and not jit:
        raise ValueError("mode='shared' runs the parts of a network compiled, each by itself: leave out jit=False")
    if mode in ("sweep", "shared") and not read.domain.is_finite:
        raise ValueError(f"mode={mode!r} needs a finite domain, and {read.domain} is not: use mode='cosets'")
    stages = _stages(fn, read) if mode == "shared" else ()
    if shifts_only:
        read = read.about_shifts()
    generators = read.group.generators or (Isometry.identity(read.domain.dim),)
    jobs = len(generators) * trials if mode == "generators" else None
    with precision(dtype):
        bench = make_bench(
            fn, read, canvas_domain, jobs, stages=stages,
            key=key, batch=batch, trials=trials, dtype=dtype, jit=jit, chunk=chunk, memory=memory, tol=tol,
            own=inputs, progress=progress,
        )  # fmt: skip
        bench.leave_out_inputs_without_a_choice(read.group)

        def measured() -> Report:
            if mode == "sweep":
                return _sweep(bench)
            shared = Shared(bench.probe, stages, read.whole, read.group, memory) if stages else None
            return _by_generators(bench, generators, mode, shared)

        report = measured()
        while read.is_adaptive and report.sound is False and bench.leave_out_where_only_the_choice_differs(report):
            report = measured()
        return report


def _stages(fn: Any, claim: Claim) -> Sequence[Stage]:
    if not (hasattr(claim.source, "stages") and hasattr(fn, "layer") and hasattr(fn, "variables")):
        raise ValueError(
            "mode='shared' runs the parts of a network apart: give it net.bind(variables) and the certificate of net "
            "from certify. For any other function use mode='cosets'"
        )
    return claim.source.stages(fn)


def _sweep(bench: Bench) -> Report:
    claim, probe = bench.claim, bench.probe
    whole = claim.whole
    split = _split if whole.order is not None and whole.order <= KEPT else _split.__wrapped__
    claimed, outside = split(whole, claim.group)
    point = Isometry.identity(bench.grid.dim)
    actions = {g: bench.action(g) for g in claimed}
    # Elements take the batches in turn, in no order of their own; generators take all, for what fails seldom.
    turns = np.random.default_rng(0).integers(probe.trials, size=len(claimed)).tolist()
    sure = [g for g in claim.group.generators if g in actions]
    jobs = [Job(g, h, k) for (g, h), k in zip(actions.items(), turns, strict=True)]
    jobs += [Job(g, actions[g], k) for g in sure for k in range(probe.trials)]
    # One run for all, so that all chunks but the last are full.
    measured = probe.measure([*jobs, *(Job(g, point) for g in outside)])
    errors: dict[Isometry, float] = {}
    for job, (error, _) in zip(jobs, islice(measured, len(jobs)), strict=True):
        errors[job.g] = max(error, errors.get(job.g, 0.0))
    explained = dict(zip(outside, bench.explain(outside, probe.tol, measured), strict=True))
    errors.update({g: error for g, (error, _) in explained.items()})
    actions.update({g: h for g, (_, h) in explained.items()})
    return _report(bench, "sweep", errors, actions, measured_outside=True)


@lru_cache(maxsize=4)
def _split(whole: SpaceGroup, claimed: SpaceGroup) -> tuple[tuple[Isometry, ...], tuple[Isometry, ...]]:
    """The elements of a finite group inside and outside a claimed one."""
    inside: list[Isometry] = []
    outside: list[Isometry] = []
    for g in whole.elements():
        (inside if g in claimed else outside).append(g)
    return tuple(inside), tuple(outside)


def _by_generators(bench: Bench, generators: Sequence[Isometry], mode: str, shared: Shared | None = None) -> Report:
    claim, probe = bench.claim, bench.probe
    align = (lambda g: g) if bench.canvas is None else bench.canvas.align
    aligned = [align(g) for g in generators]
    if bench.canvas is not None:
        bench.canvas.check_overlap([bench.action(g) for g in aligned], probe.out_sizes)
    finite = bench.canvas is None
    far = doublings(claim.group) if finite else bench.canvas.far(probe.out_sizes)
    halves = half_turns(claim.group) if finite else far
    actions = {g: bench.action(g) for g in aligned}
    actions.update({g: bench.action(g) for g in map(align, _doubtful_products(bench, aligned))})
    beyond = {g: bench.action(g) for g in (*far, *halves) if g not in actions}
    jobs = [Job(g, h, k) for g, h in actions.items() for k in range(probe.trials)]
    # Errors of generators add up; what they add up to is seen on one batch for each element far away. Which of equal
    # values comes first is seen from farthest away.
    once = [Job(g, h, at % probe.trials) for at, (g, h) in enumerate(beyond.items()) if g not in halves]
    once += [Job(g, beyond[g], k) for g in halves if g in beyond for k in probe.inputs.entries_of("few-valued", "tied")]
    found = bench.errors([*jobs, *once])
    errors: dict[Isometry, float] = {}
    for job, error in zip(jobs, found, strict=False):
        errors[job.g] = max(error, errors.get(job.g, 0.0))
    seen: dict[Isometry, float] = {}
    if max(errors.values()) <= probe.tol:
        for job, error in zip(once, found[len(jobs) :], strict=True):
            seen[job.g] = max(error, seen.get(job.g, 0.0))
    actions.update({g: beyond[g] for g in seen})
    worst = max((*errors.values(), *seen.values()))
    length = word_length(claim.group, doubled=bench.canvas is None)
    bound = None if length is None else length * worst
    if mode == "generators":
        return _report(bench, mode, errors, actions, far=seen, measured_outside=False, bound=bound)
    if shared is not None:
        bound = (bound or 0.0) + shared.slack
    slack = probe.tol + (bound or 0.0) if worst <= probe.tol else probe.tol
    outside = list(dict.fromkeys(align(g) for g in outside_cosets(claim.whole, claim.group)))
    try:
        explained = bench.explain(outside, slack, None if shared is None else shared.measure(outside))
    except Amplified:
        warnings.warn(
            "a stage keeps its group to its own tolerance, and what it leaves is amplified by those that follow: no "
            "work is shared",
            stacklevel=3,
        )
        explained = bench.explain(outside, slack)
    for g, (error, h) in zip(outside, explained, strict=True):
        errors[g], actions[g] = error, h
    return _report(bench, mode, errors, actions, far=seen, measured_outside=True, bound=bound)


def _doubtful_products(bench: Bench, generators: Sequence[Isometry]) -> list[Isometry]:
    """Products g k of two generators for which φ(g k) is not φ(g) φ(k): no generator vouches for them."""
    periods, identity = bench.grid.periods, Isometry.identity(bench.grid.dim)
    found = []
    for g in generators:
        for k in generators:
            ratio = bench.action(g * k).inverse() * bench.action(g) * bench.action(k)
            if ratio.matrix != identity.matrix or ratio.shift not in periods:
                found.append(_reduced(g * k, bench.claim.domain))
    return found


def _reduced(g: Isometry, domain: Domain) -> Isometry:
    return Isometry(g.matrix, domain.periods.reduce(g.shift))


def _report(
    bench: Bench,
    mode: str,
    errors: dict[Isometry, float],
    actions: dict[Isometry, Isometry],
    *,
    measured_outside: bool,
    far: dict[Isometry, float] | None = None,
    bound: float | None = None,
) -> Report:
    claim, probe = bench.claim, bench.probe
    report = Report(
        mode=mode,
        domain=claim.domain,
        group=claim.group,
        errors=errors,
        actions=actions,
        tol=probe.tol,
        floor=probe.gauge.floor,
        scale=probe.scale,
        dtype=probe.dtype.name,
        sizes=probe.sizes,
        measured_outside=measured_outside,
        bound=bound,
        examples=probe.batch * probe.trials,
        far=far or {},
        hidden=probe.hidden,
    )
    if not report.passed:
        # Elements of one chunk are not moved alike.
        probe.check_apart()
    if report.sound is not False:
        return report
    worst, _ = report.worst
    return replace(report, culprit=bench.blame(worst, actions[worst]))


def assert_equivariant(
    fn: Callable[[Any], Any],
    group: Isometry | Iterable[Isometry] | SpaceGroup,
    action: Action | Isometry | None,
    domain: Domain,
    *,
    key: jax.Array | int,
    **options: Any,
) -> None:
    """Fail unless `f(g·x) = φ(g)·f(x)` for an isometry, some isometries, or a group by its generators.

    Args:
        fn: the function, as for `verify`.
        group: an isometry of the domain, several, or a `SpaceGroup`.
        action: φ(g) for a single g, or φ as a function; None for the default of `verify`.
        domain: the finite domain of the input.
        key: a JAX key, or an int seed.
        **options: as for `verify`.

    Raises:
        AssertionError: with the report as its text.
        ValueError: as for `verify`.

    >>> from equinet.domain import torus
    >>> flip = Isometry(((-1,),), (7,))
    >>> assert_equivariant(lambda x: x * x, flip, flip, torus(8), key=0)
    """
    if isinstance(group, SpaceGroup):
        claimed, elements = group, None
    else:
        elements = [group] if isinstance(group, Isometry) else list(group)
        claimed = SpaceGroup.generate(domain.dim, elements, domain.periods)
    given = action
    phi = (lambda g: given) if isinstance(given, Isometry) else given
    if elements is None:
        report = verify(fn, claimed, domain, key=key, action=phi, **options)
    else:
        report = _verify_elements(fn, claimed, domain, elements, phi, key=key, **options)
    if not report.passed:
        raise AssertionError(str(report))


def _verify_elements(
    fn: Callable[[Any], Any],
    claimed: SpaceGroup,
    domain: Domain,
    elements: Sequence[Isometry],
    action: Action | None,
    *,
    key: jax.Array | int,
    output: Domain | None = None,
    channels: int | None = None,
    fibre: ChannelAction | None = None,
    batch: int = 2,
    trials: int = 8,
    dtype: Any = jnp.float32,
    jit: bool = True,
    chunk: int | None = None,
    memory: int = MEMORY,
    tol: float | None = None,
    inputs: Any = None,
) -> Report:
    read, _ = read_claim(claimed, domain, channels, action, output, fibre)
    with precision(dtype):
        bench = make_bench(
            fn, read, None, len(elements) * trials,
            key=key, batch=batch, trials=trials, dtype=dtype, jit=jit, chunk=chunk, memory=memory, tol=tol,
            own=inputs, progress=False,
        )  # fmt: skip
        bench.leave_out_inputs_without_a_choice(read.group)
        actions = {g: bench.action(g) for g in elements}
        errors = dict(zip(actions, bench.worst(list(actions), list(actions.values())), strict=True))
        return _report(bench, "elements", errors, actions, measured_outside=False)
