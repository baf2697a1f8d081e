"""Claims put to the test: of a whole group, or of some isometries."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from equinet.checks import as_flag, as_items, shown
from equinet.groups import Isometry, SpaceGroup
from equinet.groups.domain import Domain, as_domain
from equinet.verify.act import ChannelAction
from equinet.verify.bench import Bench, make_bench
from equinet.verify.claims import Action, Claim, read_claim
from equinet.verify.modes import by_cosets, by_elements, by_generators, make_report
from equinet.verify.options import MEMORY, Options, as_options, by_its_framework
from equinet.verify.program import precision
from equinet.verify.report import Report
from equinet.verify.shared import Stage

MODES = ("generators", "sweep", "cosets", "shared")


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

    The error of g is `max |f(g·x) − φ(g)·f(x)|` over batch and positions, divided by how much the channel varies; the
    largest over channels, where real and imaginary parts are separate channels. `Probe` describes how variation, noise
    floor and tolerance are derived. Inputs are standard normal, and for up to half of the examples few-valued, large,
    sparse, of one sign, or tied between polyphase components; or your own (`inputs`). The verdict is "passed",
    "failed", or "cannot tell". It is "cannot tell" if rounding hides errors above 1e-3 of the variation of some channel
    (64 units in the last place in bfloat16 and float16). The verdict is about these inputs: a function that fails on
    none of them passes.

    - `"generators"`: each generator of H on `trials` batches. If they hold, so does H, since φ is a homomorphism (if
      φ(g k) is not φ(g) φ(k) for generators g and k, their product is measured too). But their errors add up. So the
      2nd, 4th, 8th, … powers of the translations and the translations half way around are measured too, on one batch
      or two each. With the largest of these errors ε, and the number L of elements needed to compose any h in H, no h
      has an error above `bound` = ε·L (on the inputs tried). This mode says nothing about elements outside H.
    - `"sweep"`: every element of the domain's group. Elements of H are tested with φ. An element outside H holds if
      *some* isometry of the output grid explains it. So the report contains both sound and tight. Each element of H is
      tested on one batch, in turn, and the generators on all batches.
    - `"cosets"`: H as by its generators, then one element g of each right coset `H g` outside. For h in H,
      `f(h g x) = φ(h) f(g x)` up to h's error at `g x`, and φ(h) only permutes entries, so the errors of `h g` under
      `φ(h) ψ` and of g under ψ differ by at most `bound` = ε·L. Hence if g fails at `tol + bound` the whole coset fails
      at `tol`, and if g holds the whole coset holds at `tol + bound`: the full sweep's verdict, for one element per
      coset, unless errors lie within `bound` of the tolerance.
    - `"shared"`: the same elements, for a bound network and its certificate. If a part of the network is equivariant
      under a group K, it runs once per coset of K, and the action of K gives its other outputs. Each K is measured
      before it is used (its generators, on two batches, at the tolerance of the part), and so is a chunk of elements
      without sharing. Nothing is shared if K does not hold, if these differ (with a warning), or if the values of the
      cosets would take more than `memory`. `bound` includes the errors of these groups, as if the rest of the network
      passed them on unchanged. Needs a finite domain.

    If a network chooses from the data which nodes to keep, its certificate excepts inputs for which no equivariant
    choice exists: an isometry that exchanges the choices leaves them unchanged. So few-valued inputs that an
    element of H fixes are left out unless their outputs are fixed too (not if the certificate states that it excepts
    none). Under such a certificate, inputs on which `f(g·x)` is another isometry of `f(x)` are left out too, if claimed
    elements fail nowhere else. Those on which elements fail in less than double precision are measured again in it, and
    count if any claimed element fails there.

    On a domain with infinite axes, `plane` above all, elements are applied on a canvas sized from the claim's
    `receptive_field` and outputs compared only where they see none of its border (modes "generators" and "cosets");
    a finite `domain` then sets the canvas, so that a claim about the plane is tested on the image size in use.

    Args:
        fn: `[batch, *spatial, channels]` to an array of the same batch: any callable, or `net.bind(variables)`, which
            is compiled once per network, whatever the weights. Or a `torch.nn.Module` in evaluation mode, which runs
            in PyTorch, channels first. It treats each example by itself.
        claim: a certificate (any object with `domain`, `channels`, `strict`, `action`, `output`), or a `SpaceGroup`.
        domain: the domain of a `SpaceGroup` claim, or the canvas of a claim on an infinite one.
        mode: one of `MODES`.
        key: a JAX key, or an int seed.
        action: φ, from isometries of the input to isometries of the output grid. By default the certificate's; for a
            `SpaceGroup`, the trivial action if the output has no spatial axes (`[batch, channels]`: invariance), and
            g ↦ g if the output grid has the input's sizes.
        output: the output grid, by default the certificate's, else the array's sizes with the input's boundaries.
        channels: of the input, by default the certificate's, else what the weights of a bound network or `inputs`
            tell; a `Fibre` if point operations act on them.
        fibre: how point operations act on the channels of the output, by default as in the certificate, or trivially.
        batch: examples per element.
        trials: batches for each generator, and for elements outside H that one batch cannot tell from a symmetry.
        dtype: float32, float64 (needs no global flag), bfloat16 or float16; weights of a bound network are cast to it.
            In bfloat16 the tolerance is several percent, so an element with a smaller error seems to hold.
        jit: False for code that is not JAX: `fn` then receives and returns numpy arrays.
        chunk: elements per compiled step; by default as many as make 32 examples on a CPU (more if they are small),
            since more run no faster, and 256 on an accelerator; in mode "shared" as few as the cosets of its parts
            fill.
        memory: bytes that a compiled step may take for intermediate values, on each device; by default 4 GiB. The chunk
            shrinks until it takes no more. Mode "shared" counts the values within the parts of a network, and keeps the
            values between two parts if they take no more than this; while these are moved there are up to three copies.
        tol: replaces the derived tolerance: the error, relative to the variation of a channel, that you accept. Then
            nothing is hidden.
        inputs: your own examples `[n, *sizes, channels]` to measure on, in place of random ones: `batch · trials` of
            them, spread evenly over all. What elements that fail do to all of them, `consistency` says.
        shifts_only: test translations only.
        progress: True or False to force or forbid a progress bar (on long sweeps by default).

    Raises:
        ValueError: for an unknown mode, a domain of the wrong dimension, an action that leaves the output grid, a
            function that does not keep the batch or mixes its examples, as a batch norm in training does, or one
            element that takes more than `memory`.
        FloatingPointError: if the function returns NaN or inf.

    >>> import jax.numpy as jnp
    >>> from equinet.groups.domain import torus
    >>> from equinet.groups import Lattice, SpaceGroup
    >>> grid = torus(8)
    >>> shifts = SpaceGroup.of_translations(Lattice.full(1), grid.periods)
    >>> report = verify(lambda x: jnp.roll(x, 1, 1) * x**2, shifts, grid, channels=1, mode="sweep", key=0)
    >>> report.sound, report.tight
    (True, True)
    """
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"unknown mode {shown(mode)}: choose one of {', '.join(MODES)}")
    asked = as_options(Options(key, batch, trials, dtype, jit, chunk, memory, tol, inputs, progress), "verify")
    model, (fn, options) = fn, by_its_framework(fn, asked)
    read, canvas_domain = read_claim(claim, domain, channels, action, output, fibre, fn, options.inputs)
    if mode == "shared" and not options.jit:
        raise ValueError("mode='shared' runs the parts of a network compiled, each by itself: leave out jit=False")
    if mode in ("sweep", "shared") and not read.domain.is_finite:
        raise ValueError(f"mode={mode!r} needs a finite domain, and {read.domain} is not: use mode='cosets'")
    stages = _stages(fn, read) if mode == "shared" else ()
    if as_flag(shifts_only, "verify: shifts_only"):
        read = read.about_shifts()
    generators = read.group.generators or (Isometry.identity(read.domain.dim),)

    def measure(bench: Bench) -> Report:
        if mode == "sweep":
            return by_elements(bench)
        if mode == "generators":
            return by_generators(bench, generators)
        return by_cosets(bench, generators, mode, stages, options.memory)

    jobs = len(generators) * options.trials if mode == "generators" else None

    def measured(fn: Any, options: Options) -> tuple[Bench, Report]:
        with precision(options.dtype):
            bench = make_bench(fn, read, options, canvas_domain=canvas_domain, jobs=jobs, stages=stages)
            bench = bench.where_choices_are_possible(read.group)
            report = measure(bench)
            while read.is_adaptive and report.sound is False:
                fewer = bench.where_not_only_the_choice_differs(report)
                if fewer is None:
                    break
                bench, report = fewer, measure(fewer)
        return bench, report

    bench, report = measured(fn, options)
    if not read.is_adaptive or stages or jnp.finfo(options.dtype).bits == 64:
        return report

    def holds_in_double(examples: Any) -> bool:
        finer = replace(asked, dtype=jnp.float64, inputs=examples)
        return measured(*by_its_framework(model, finer))[1].sound is True

    with precision(options.dtype):
        return _but_for_near_ties(bench, report, measure, holds_in_double)


def _but_for_near_ties(
    bench: Bench, report: Report, measure: Callable[[Bench], Report], holds_in_double: Callable[[Any], bool]
) -> Report:
    """The report without few-valued inputs on which elements fail, but not in double precision.

    There a network chooses between values that differ by less than rounding does.
    """
    while report.sound is False:
        near_ties = bench.few_valued_failures(report)
        if not near_ties or not holds_in_double(bench.examples(near_ties)):
            break
        bench = bench.without_examples(near_ties)
        report = measure(bench)
    return report


def _stages(fn: Any, claim: Claim) -> Sequence[Stage]:
    if not (getattr(claim.source, "stages", None) and hasattr(fn, "layer") and hasattr(fn, "variables")):
        raise ValueError(
            "mode='shared' runs the parts of a network apart: give it net.bind(variables) and the certificate of net "
            "from certify. For any other function use mode='cosets'"
        )
    return claim.source.stages(fn)


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

    >>> from equinet.groups.domain import torus
    >>> flip = Isometry(((-1,),), (7,))
    >>> assert_equivariant(lambda x: x * x, flip, flip, torus(8), channels=1, key=0)
    """
    as_domain(domain, "assert_equivariant", finite=True)
    if action is not None and not isinstance(action, Isometry) and not callable(action):
        raise TypeError(f"assert_equivariant: action is φ(g) for a single g, or φ as a function; got {shown(action)}")
    known = set(inspect.signature(verify).parameters)
    if not isinstance(group, SpaceGroup):
        known -= {"mode", "shifts_only"}
    if strange := sorted(options.keys() - known):
        raise TypeError(f"assert_equivariant takes options of verify: {', '.join(sorted(known))}; got {strange[0]}")
    phi: Any = (lambda _: action) if isinstance(action, Isometry) else action
    if isinstance(group, SpaceGroup):
        report = verify(fn, group, domain, key=key, action=phi, **options)
    else:
        rule = "assert_equivariant tests an isometry, several or a SpaceGroup"
        elements = [group] if isinstance(group, Isometry) else list(as_items(group, rule))
        if not elements:
            raise ValueError(f"{rule}; got none")
        report = _verify_elements(fn, elements, domain, phi, key=key, **options)
    if not report.passed:
        raise AssertionError(str(report))


def _verify_elements(
    fn: Callable[[Any], Any],
    elements: Sequence[Isometry],
    domain: Domain,
    action: Action | None,
    *,
    output: Domain | None = None,
    channels: int | None = None,
    fibre: ChannelAction | None = None,
    **options: Any,
) -> Report:
    how = as_options(Options(**options), "verify")
    claimed = SpaceGroup.generate(domain.dim, elements, domain.periods)
    claim, _ = read_claim(claimed, domain, channels, action, output, fibre, fn, how.inputs)
    with precision(how.dtype):
        bench = make_bench(fn, claim, how, jobs=len(elements) * how.trials).where_choices_are_possible(claim.group)
        actions = {g: bench.action(g) for g in elements}
        errors = dict(zip(actions, bench.probe.worst(list(actions), list(actions.values())), strict=True))
        return make_report(bench, "elements", errors, actions)
