"""A function under measurement: its random inputs, reference outputs, noise floor and tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups import Isometry
from equinet.verify.act import Bounds, ChannelAction, pack, pack_channels, within
from equinet.verify.chunks import default_chunk as default_chunk
from equinet.verify.chunks import fitting_chunk as fitting_chunk
from equinet.verify.gauge import BREAKING, COARSE, ROUNDED, STILL, Channel, Gauge, Hidden, gauge
from equinet.verify.inputs import FEW_VALUED, drawn, given
from equinet.verify.inputs import draw as draw
from equinet.verify.program import Program, Spread, precision

Grid = Callable[[tuple[int, ...]], tuple[tuple[int, ...], Bounds | None]]

MEMORY = 4 << 30
"""Bytes that a compiled step may take for intermediate values unless a caller says otherwise."""

LONG = 50
"""Chunks from which a sweep is long enough for a progress bar."""


@dataclass(frozen=True)
class Job:
    """One evaluation: the element g, its output isometry h, the entry of the bank it is tested on, and whether output
    channels are compared as they are, rather than moved as g moves them."""

    g: Isometry
    h: Isometry
    which: int = 0
    still: bool = False


class Probe:
    """Evaluates a function on transformed random inputs, in chunks through one compiled step.

    The *bank* holds `trials` batches. Up to half of their examples, the last ones, are few-valued, large, sparse, of
    one sign, or tied between polyphase components; the others standard normal (see `inputs`; or all are the user's).
    Those on which the function is not finite are replaced by normal ones. For each example there is a copy with every
    entry moved by one unit in the last place.

    Errors are measured channel by channel, real and imaginary parts apart. The *variation* of a channel is the largest
    deviation of an entry from the channel's mean on normal inputs, and on an input of another kind also its deviation
    there. So an error of 1 is as large as what the inputs change.

    The *noise* of a channel needs no claim. It is the larger of: the response to the perturbed copies (the third
    quartile over the examples that respond, so that one flip of a near tie in a data-dependent layer does not count),
    and ε of the channel's magnitude. The first is the condition of f times ε, which is what another order of summation
    costs; a function that cancels large values inside itself, unseen in its input and output, may need float64 or
    `tol`. Noise over variation is the channel's *floor*, and its tolerance the geometric mean of the floor and
    `BREAKING` = 1e-3, as far from rounding as from breaking, at least `HEADROOM` = 4 times the floor: about 1e-9 in
    float64, where nine orders lie between, and 1e-5 in float32.

    No tolerance may exceed `BREAKING` (or `COARSE` = 64 units in the last place: more, in bfloat16 and float16). A
    channel whose floor would need more is *hidden*: of what is not broken beyond its noise nothing can be told. All
    others share the largest of their tolerances. A channel that is constant up to `STILL` = 4 units in the last place,
    on all inputs and on inputs 10^8 and 10^16 times as large, is held to be constant up to twice that. One that varies
    less than eight times its noise shows nothing: it is *chaotic*, and hidden whatever its errors. But if single and
    double precision differ in how much it varies as their units do, it is a constant but for the rounding of what it is
    made of, and held to be one.

    Args:
        program: `[batch, *sizes, channels] -> [batch, *out_sizes, channels']`, or `[batch, channels']`.
        sizes: of the input grid.
        channels: of the input; if it can be called, with what point operations do to them, as a `Fibre` can.
        fibre: what point operations do to the channels of the output, likewise; None: nothing.
        grid: from the spatial sizes of the output array, the sizes acted on (none: trivially) and the trusted bounds.
        key: a JAX key, or an int seed.
        batch: examples per element and trial.
        trials: batches in the bank.
        dtype: of inputs and arithmetic.
        chunk: elements per compiled step; where the host has several devices, made a multiple of their number and
            shared out among them.
        memory: bytes that a compiled step may take for intermediate values on a device: the chunk shrinks until it
            takes no more.
        tol: overrides the derived tolerance; nothing is hidden then.
        own: the user's examples `[n, *sizes, channels]` to measure on, or None.
        progress: whether to show a progress bar; None: on long sweeps in a terminal.

    Attributes:
        references: f on the bank's unperturbed inputs, `[trials, batch, P', C']`, float64. Of a complex output the
            imaginary parts follow as further channels.
        gauge: variation, noise and tolerance.
        inputs: the bank.

    Raises:
        ValueError: if the output is no array with the input's batch size, or mixes the examples of a batch, or takes
            too much memory.
        FloatingPointError: if an output is NaN or infinite.
    """

    def __init__(
        self,
        program: Program,
        sizes: tuple[int, ...],
        channels: int,
        grid: Grid,
        *,
        key: jax.Array | int,
        fibre: ChannelAction | None,
        batch: int,
        trials: int,
        dtype: Any,
        chunk: int,
        memory: int,
        tol: float | None,
        own: Any = None,
        progress: bool | None,
    ) -> None:
        self.into: Any = channels if callable(channels) else None
        self.back: Any = fibre if callable(fibre) else None
        channels = int(channels)
        self.sizes, self.channels, self.batch, self.trials, self.chunk = sizes, channels, batch, trials, chunk
        self.dtype, self.progress = jnp.dtype(dtype), progress
        self.program = program
        self._spread = Spread.over_local_devices() if self.program.traced else None
        self._devices = 1 if self._spread is None else self._spread.mesh.size
        self.chunk = -(-chunk // self._devices) * self._devices
        if self._spread is not None:
            self.program = replace(self.program, variables=self._spread.everywhere(self.program.variables))
        if own is None:
            self.inputs = drawn(key, trials, batch, sizes, channels, self.dtype)
        else:
            self.inputs = given(own, trials, batch, sizes, channels, self.dtype)
        self.bank: Any = self.kept(self.inputs.bank)
        shape, made = self._output_shape()
        self.out_sizes, self.bounds = grid(shape[1:-1])
        self.is_complex = jnp.issubdtype(made, jnp.complexfloating)
        self.eps = max(float(jnp.finfo(t).eps) for t in (self.dtype, made) if jnp.issubdtype(t, jnp.inexact))
        entries, features = len(self.inputs.bank), (1 + self.is_complex) * (prod(shape[1:]) // self.out_points)
        wide = np.float64 if self.dtype == np.float64 else np.float32
        self._refs: Any = self.kept(np.zeros((entries, batch, self.out_points, features), wide))
        self._unit: Any = self.kept(np.ones((entries, batch, features), wide))
        self._fit_into(memory)
        self.gauge = self._measure_references(tol)
        self._settle()

    def _output_shape(self) -> tuple[tuple[int, ...], Any]:
        asked = (self.chunk * self.batch, *self.sizes, self.channels)
        if self.program.traced:
            y = jax.eval_shape(self.program.evaluate, self.program.variables, jax.ShapeDtypeStruct(asked, self.dtype))
        else:
            y = self.program.evaluate(None, np.resize(self.bank, asked))
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

    def _fit_into(self, memory: int) -> None:
        job = Job(Isometry.identity(len(self.sizes)), Isometry.identity(len(self.out_sizes)))
        while True:
            moved = jax.ShapeDtypeStruct((self.chunk * self.batch, *self.sizes, self.channels), self.dtype)
            taken = self.program.temporary(self._arguments([job]), moved, **self._grids)
            if taken <= memory:
                return
            if self.chunk == self._devices:
                raise ValueError(
                    f"one element with batch={self.batch} takes {taken / 2**20:.0f} MiB of intermediate values, more "
                    f"than memory={memory} bytes ({memory / 2**20:.0f} MiB): lower batch, or raise memory"
                )
            self.chunk = max(1, self.chunk * memory // (taken * self._devices)) * self._devices

    def kept(self, array: np.ndarray) -> Any:
        """An array that every step reads, where it is read."""
        if self._spread is not None:
            return self._spread.everywhere(array)
        return jnp.asarray(array) if self.program.traced else array

    @property
    def out_points(self) -> int:
        """Number of points of the output grid."""
        return prod(self.out_sizes)

    def _measure_references(self, tol: float | None) -> Gauge:
        inputs, entries = self.inputs, len(self.inputs.batches)
        outputs = self._evaluated(range(len(inputs.bank)))
        undefined = np.asarray(~np.isfinite(outputs).all(axis=(2, 3)))
        undefined, nudged = undefined[:entries], undefined[entries:]
        undefined[: self.trials] |= nudged
        self.check_finite(not undefined[inputs.generic].any(), Isometry.identity(len(self.sizes)))
        if undefined.any():
            self.inputs = inputs = inputs.without(undefined)
            self.bank = self.kept(inputs.bank)
            again = np.flatnonzero(undefined.any(axis=1))
            again = np.concatenate([again, entries + again[again < self.trials]])
            outputs[again] = self._evaluated(again)
            self.check_finite(bool(np.isfinite(outputs).all()), Isometry.identity(len(self.sizes)))
        self._refs = self.kept(outputs)
        kept, nudged = outputs[:entries], outputs[entries:]
        self.references = kept[: self.trials].astype(np.float64)
        trusted = within(self.out_sizes, self.bounds)

        def measure(varying: frozenset[int] = frozenset(), rounded: frozenset[int] = frozenset()) -> Gauge:
            return gauge(
                kept[:, :, trusted], nudged[:, :, trusted], inputs.generic, self.eps,
                exact=np.isin(inputs.kinds, FEW_VALUED), louder=inputs.louder, tol=tol, varying=varying,
                rounded=rounded,
            )  # fmt: skip

        found = measure()
        varying = self._varying(kept[0], found.still)
        found = measure(varying) if varying else found
        rounded = self._rounded(kept[:, :, trusted], (*found.chaotic, *found.still), trusted)
        return measure(varying, rounded) if rounded else found

    def _rounded(self, kept: np.ndarray, among: tuple[int, ...], trusted: np.ndarray) -> frozenset[int]:
        """The channels, of those that vary with rounding, that vary with nothing else.

        What they show shrinks on all inputs as the unit in the last place does, from single to double precision.
        """
        if not among or self.dtype.itemsize < 4:
            return frozenset()
        other = np.float32 if self.dtype == np.float64 else np.float64
        entries = self.inputs.bank[: len(kept)].astype(other).reshape(*kept.shape[:2], *self.sizes, self.channels)
        try:
            with precision(other):
                made = [self.program.evaluate(self.program.variables, jnp.asarray(x) if self.program.traced else x)
                        for x in entries]  # fmt: skip
            made = np.stack([np.asarray(y) for y in made])
        except (TimeoutError, MemoryError):
            raise
        except Exception:
            # A function may be made for one type only: then nothing is known.
            return frozenset()
        if np.iscomplexobj(made):
            made = np.concatenate([np.real(made), np.imag(made)], axis=-1)
        made = made.reshape(*kept.shape[:2], self.out_points, -1)[:, :, trusted].astype(np.float64)
        if made.shape != kept.shape or not np.isfinite(made).all():
            return frozenset()
        generic = self.inputs.generic
        coarse, fine = (kept.astype(np.float64), made) if other == np.float64 else (made, kept.astype(np.float64))
        moved, left = (np.abs(y - y[generic].mean((0, 1))).max(2) for y in (coarse, fine))
        bound = ROUNDED * np.maximum(moved, moved[generic].max(0))
        return frozenset(c for c in among if (left <= bound)[..., c].all())

    def _evaluated(self, entries: Sequence[int] | np.ndarray) -> np.ndarray:
        """f on entries of the bank, finite or not, imaginary parts apart."""
        one, same = Isometry.identity(len(self.sizes)), Isometry.identity(len(self.out_sizes))
        jobs = [Job(one, same, int(k)) for k in entries]
        parts = [np.asarray(y) for _, _, y in self._run(jobs, outputs=True, check=False)]
        return np.concatenate(parts)[: len(jobs)]

    def _varying(self, kept: np.ndarray, still: tuple[int, ...]) -> frozenset[int]:
        """The channels, of those that seem constant, that inputs of other magnitudes change."""
        found: set[int] = set()
        if not still:
            return frozenset()
        bank, level = self.inputs.bank, kept.mean(axis=(0, 1))
        for factor in (1e8, 1e16):
            with np.errstate(over="ignore"):
                self.bank = self.kept(bank * np.asarray(factor, bank.dtype))
            outputs = self._evaluated([0])[0]
            gaps = np.abs(outputs[np.isfinite(outputs).all(axis=(1, 2))] - level).max(axis=(0, 1), initial=0.0)
            found |= {c for c in still if gaps[c] > 2 * STILL * self.eps * abs(level[c])}
        self.bank = self.kept(bank)
        return frozenset(found)

    def _settle(self) -> None:
        """Compare with the gauge's units from here on."""
        unit = np.ones(self._unit.shape, self._unit.dtype)
        unit[: len(self.gauge.unit)] = np.minimum(self.gauge.unit, np.finfo(unit.dtype).max)
        self._unit = self.kept(np.maximum(unit, np.finfo(unit.dtype).tiny))

    def leave_out(self, examples: Sequence[tuple[int, int]]) -> None:
        """Compare no more on some examples, `(entry, place in the batch)`."""
        unit = self.gauge.unit.copy()
        for place in examples:
            unit[place] = np.inf
        self.gauge = replace(self.gauge, unit=unit)
        self._settle()

    @property
    def tol(self) -> float:
        """The largest error taken for rounding."""
        return self.gauge.tol

    @property
    def scale(self) -> float:
        """How much the loudest channel varies."""
        return self.gauge.scale

    @property
    def unit(self) -> np.ndarray:
        """What an error of 1 is, `[trials, batch, 1, C']`."""
        return self.gauge.unit[: self.trials, :, None, :]

    @property
    def hidden(self) -> tuple[Hidden, ...]:
        """The channels of which nothing can be told."""
        return tuple(Hidden(self.channel(c), error) for c, error in self.gauge.hidden)

    def channel(self, index: int) -> Channel:
        """The channel of the output that one of the references' is."""
        count = self.references.shape[-1] // 2
        if not self.is_complex:
            return Channel(index)
        return Channel(index % count, "imaginary" if index >= count else "real")

    def check_apart(self) -> None:
        """Raise an error if an input among copies of itself gives another output than among others.

        Raises:
            ValueError: the function mixes the examples of a batch.
        """
        # What is left of a chunk is filled with copies.
        self.check_slots(max(self.errors([self.unmoved(k)])[0] for k in range(min(2, self.trials))))

    def unmoved(self, which: int = 0) -> Job:
        """The evaluation of an entry of the bank as it is."""
        return Job(Isometry.identity(len(self.sizes)), Isometry.identity(len(self.out_sizes)), which)

    def check_slots(self, difference: float) -> None:
        """Raise an error if an unmoved input's output differs by more than rounding from what it was before."""
        _check_slots(difference, self.eps)

    def errors(self, jobs: Sequence[Job]) -> list[float]:
        """The error of each job: `max |f(g·x) − h·f(x)|` over positions, over batch and channels in their units."""
        found: list[float] = []
        for part, errors, _ in self._run(jobs):
            found.extend(float(e) for e in np.asarray(errors)[: len(part)])
        return found

    def outputs(self, jobs: Sequence[Job]) -> Iterator[np.ndarray]:
        """`f(g·x)` of each job, `[batch, P', C']`."""
        return (y for _, y in self.measure(jobs))

    def measure(self, jobs: Sequence[Job]) -> Iterator[tuple[float, np.ndarray]]:
        """Both of each job."""
        for part, errors, y in self._run(jobs, outputs=True):
            values, gaps = np.asarray(y), np.asarray(errors)
            for at in range(len(part)):
                yield float(gaps[at]), values[at]

    def _run(
        self, jobs: Sequence[Job], outputs: bool = False, check: bool = True
    ) -> Iterator[tuple[Sequence[Job], Any, Any]]:
        parts = self.chunks(jobs)
        with progress_bar(len(parts), self.progress) as advance:
            previous = None
            # The next chunk is dispatched before the results of the previous one are awaited.
            for part in parts:
                current = (part, *self._step(part))
                if previous is not None:
                    yield self._checked(*previous, outputs, check)
                    advance()
                previous = current
            if previous is not None:
                yield self._checked(*previous, outputs, check)
                advance()

    def _step(self, part: Sequence[Job]) -> tuple[Any, Any, Any]:
        return self.program.step(*self._arguments(part), **self._grids)

    @property
    def _grids(self) -> dict[str, Any]:
        return {"sizes": self.sizes, "out_sizes": self.out_sizes, "bounds": self.bounds}

    def _arguments(self, part: Sequence[Job]) -> tuple[Any, ...]:
        padded = [*part, *[part[-1]] * (self.chunk - len(part))]
        which = np.array([job.which for job in padded], np.int32)
        into = None if self.into is None else pack_channels(self.into, [job.g for job in padded])
        back = None
        if self.back is not None:
            still = [Isometry.identity(job.g.dim) if job.still else job.g.inverse() for job in padded]
            back = pack_channels(self.back, still)
        elements = which, pack([job.g for job in padded]), pack([job.h for job in padded]), into, back
        return (self.program.variables, self.bank, self._refs, self._unit, *self.placed(elements))

    def chunks(self, things: Sequence[Any]) -> list[Sequence[Any]]:
        """Parts that one step takes."""
        return [things[start : start + self.chunk] for start in range(0, len(things), self.chunk)]

    def placed(self, elements: Any) -> Any:
        """Arrays with a part for each element, shared out among the devices."""
        return elements if self._spread is None else self._spread.shared(elements)

    def _checked(
        self, part: Sequence[Job], errors: Any, finite: Any, y: Any, outputs: bool, check: bool
    ) -> tuple[Sequence[Job], Any, Any]:
        for ok, job in zip(np.asarray(finite), part, strict=False):
            self.check_finite(bool(ok) or not check, job.g)
        return part, errors, y if outputs else None

    def check_finite(self, ok: bool, g: Isometry) -> None:
        """Raise an error if the output for g is not finite.

        Raises:
            FloatingPointError: naming g.
        """
        if not ok:
            on = "before any transformation" if g == Isometry.identity(g.dim) else f"transformed by ({g})"
            raise FloatingPointError(f"the function returned NaN or inf on standard normal inputs {on}")


def _check_slots(difference: float, eps: float) -> None:
    if difference > max(BREAKING, COARSE * eps):
        raise ValueError(
            f"the function mixes the examples of a batch: one input evaluated in two slots differs by "
            f"{difference:.1e}. Use it in evaluation mode, without randomness"
        )


class _Bar:
    def __init__(self, total: int) -> None:
        from rich.progress import Progress

        self._progress = Progress(transient=True)
        self._task = self._progress.add_task("sweeping", total=total)

    def __enter__(self) -> Callable[[], None]:
        self._progress.start()
        return lambda: self._progress.advance(self._task)

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()


def progress_bar(total: int, wanted: bool | None) -> Any:
    import sys

    show = total >= LONG and sys.stderr.isatty() if wanted is None else wanted
    if show:
        try:
            return _Bar(total)
        except ImportError:
            pass
    return nullcontext(lambda: None)
