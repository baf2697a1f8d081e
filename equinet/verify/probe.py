"""A function under measurement: its random inputs, reference outputs, noise floor and tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups import Isometry
from equinet.verify.act import Bounds, ChannelAction, pack, pack_channels
from equinet.verify.program import Program, Spread

Grid = Callable[[tuple[int, ...]], tuple[tuple[int, ...], Bounds | None]]

BREAKING = 1e-3
"""The smallest relative error taken for a broken symmetry."""

HEADROOM = 4.0
"""The least ratio of the tolerance to the noise floor."""

EXAMPLES = {"cpu": 32}
"""Examples in a chunk of large inputs, where the chunk is chosen here; more do not run faster on a CPU."""

MANY = 256
"""The same on an accelerator."""

SMALL = 1 << 15
"""Entries up to which a chunk of small inputs grows."""

MEMORY = 4 << 30
"""Bytes that a compiled step may take for intermediate values unless a caller says otherwise."""

STARTING = 4
"""Elements that take as long as it takes to start a chunk, about."""

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

    The *bank* holds `trials` batches x_k of standard normal inputs, and for each a copy with every entry moved by one
    unit in the last place. The *scale* of all errors is the largest deviation of an output entry on the bank from its
    channel's mean, so that an error of 1 is as large as what the inputs change (where an output hardly varies, √ε of
    its magnitude is taken instead).

    The *noise floor* needs no claim. It is the largest of: the response of f to the perturbed copies (the median over
    k, so that one flip of a near tie in a data-dependent layer does not count), the difference between evaluations of
    one input in different slots of a batch, and ε of the output's magnitude. The first is the condition of f times ε,
    which is what another order of summation costs; a function that cancels large values inside itself, unseen in its
    input and output, may need float64 or `tol`. The *tolerance* is the geometric mean of the floor and `BREAKING` =
    1e-3, as far from rounding as from breaking: about 1e-9 in float64, where nine orders lie between, and 1e-5 in
    float32. In bfloat16 the floor itself is above 1e-3 and the tolerance is `HEADROOM` = 4 times the floor.

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
        tol: overrides the derived tolerance.
        progress: whether to show a progress bar; None: on long sweeps in a terminal.

    Attributes:
        references: f on the bank's unperturbed inputs, `[trials, batch, P', C']`, float64.
        scale, floor, tol: as above.

    Raises:
        ValueError: if the output is no array with the input's batch size, or mixes the examples of a batch, or takes
            too much memory, or no tolerance separates rounding from breaking.
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
        self.bank: Any = self.kept(draw(key, (trials, batch, prod(sizes), channels), self.dtype))
        shape = self._output_shape()
        self.out_sizes, self.bounds = grid(shape[1:-1])
        refs = 2 * trials, batch, self.out_points, prod(shape[1:]) // self.out_points
        self._refs: Any = self.kept(np.zeros(refs, np.float64 if self.dtype == np.float64 else np.float32))
        self._fit_into(memory)
        self._measure_references()
        self.tol = tolerance(self.floor, self.dtype) if tol is None else tol

    def _output_shape(self) -> tuple[int, ...]:
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
        return tuple(shape)

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

    def _measure_references(self) -> None:
        one = Isometry.identity(len(self.sizes))
        same = Isometry.identity(len(self.out_sizes))
        order = [*range(2 * self.trials), *range(self.trials)]
        parts = [np.asarray(y) for _, _, y in self._run([Job(one, same, k) for k in order], outputs=True)]
        outputs = np.concatenate(parts)[: len(order)]
        refs = outputs[: 2 * self.trials]
        self._refs = self.kept(refs)
        kept, nudged, again = np.split(outputs, 3)
        self.references = kept.astype(np.float64)
        self.scale, self.floor = noise(kept, again, nudged, self.dtype)

    def check_apart(self) -> None:
        """Raise an error if an input among copies of itself gives another output than among others.

        Raises:
            ValueError: the function mixes the examples of a batch.
        """
        one, same = Isometry.identity(len(self.sizes)), Isometry.identity(len(self.out_sizes))
        # What is left of a chunk is filled with copies.
        _check_slots(max(self.errors([Job(one, same, k)])[0] for k in range(min(2, self.trials))), self.dtype)

    def errors(self, jobs: Sequence[Job]) -> list[float]:
        """The error of each job: `max |f(g·x) − h·f(x)|` over batch, positions and channels, over the scale."""
        found: list[float] = []
        for part, errors, _ in self._run(jobs):
            found.extend(float(e) / self.scale for e in np.asarray(errors)[: len(part)])
        return found

    def outputs(self, jobs: Sequence[Job]) -> Iterator[np.ndarray]:
        """`f(g·x)` of each job, `[batch, P', C']`."""
        return (y for _, y in self.measure(jobs))

    def measure(self, jobs: Sequence[Job]) -> Iterator[tuple[float, np.ndarray]]:
        """Both of each job."""
        for part, errors, y in self._run(jobs, outputs=True):
            values, gaps = np.asarray(y), np.asarray(errors)
            for at in range(len(part)):
                yield float(gaps[at]) / self.scale, values[at]

    def _run(self, jobs: Sequence[Job], outputs: bool = False) -> Iterator[tuple[Sequence[Job], Any, Any]]:
        parts = self.chunks(jobs)
        with progress_bar(len(parts), self.progress) as advance:
            previous = None
            # The next chunk is dispatched before the results of the previous one are awaited.
            for part in parts:
                current = (part, *self._step(part))
                if previous is not None:
                    yield self._checked(*previous, outputs)
                    advance()
                previous = current
            if previous is not None:
                yield self._checked(*previous, outputs)
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
        return (self.program.variables, self.bank, self._refs, *self.placed(elements))

    def chunks(self, things: Sequence[Any]) -> list[Sequence[Any]]:
        """Parts that one step takes."""
        return [things[start : start + self.chunk] for start in range(0, len(things), self.chunk)]

    def placed(self, elements: Any) -> Any:
        """Arrays with a part for each element, shared out among the devices."""
        return elements if self._spread is None else self._spread.shared(elements)

    def _checked(
        self, part: Sequence[Job], errors: Any, finite: Any, y: Any, outputs: bool
    ) -> tuple[Sequence[Job], Any, Any]:
        for ok, job in zip(np.asarray(finite), part, strict=False):
            self.check_finite(bool(ok), job.g)
        return part, errors, y if outputs else None

    def check_finite(self, ok: bool, g: Isometry) -> None:
        """Raise an error if the output for g is not finite.

        Raises:
            FloatingPointError: naming g.
        """
        if not ok:
            on = "before any transformation" if g == Isometry.identity(g.dim) else f"transformed by ({g})"
            raise FloatingPointError(f"the function returned NaN or inf on standard normal inputs {on}")


def noise(kept: np.ndarray, again: np.ndarray, nudged: np.ndarray, dtype: Any) -> tuple[float, float]:
    """The scale of a function's outputs and the noise floor relative to it; see `Probe`.

    Args:
        kept, again, nudged: outputs `[trials, batch, P', C']` for the same inputs in two slots of a batch each, and for
            perturbed ones.
        dtype: of the arithmetic.

    Raises:
        ValueError: if the slots differ by more than rounding.
    """
    kept = kept.astype(np.float64)
    eps = float(jnp.finfo(dtype).eps)
    magnitude = float(np.abs(kept).max())
    spread = float(np.abs(kept - kept.mean(axis=(0, 1, 2))).max())
    scale = max(spread, sqrt(eps) * magnitude) or 1.0
    slots = float(np.abs(again - kept).max()) / scale
    _check_slots(slots, dtype)
    moved = np.abs(nudged.astype(np.float64) - kept).max(axis=(1, 2, 3)) / scale
    return scale, max(float(np.median(moved)), slots, eps * max(1.0, magnitude / scale))


def _check_slots(difference: float, dtype: Any) -> None:
    if difference > max(BREAKING, 64 * float(jnp.finfo(dtype).eps)):
        raise ValueError(
            f"the function mixes the examples of a batch: one input evaluated in two slots differs by "
            f"{difference:.1e}. Use it in evaluation mode, without randomness"
        )


def tolerance(floor: float, dtype: Any) -> float:
    """The largest error taken for rounding above a noise floor; see `Probe`.

    Raises:
        ValueError: if none separates rounding from a broken symmetry.
    """
    tol = max(sqrt(floor * BREAKING), HEADROOM * floor)
    if tol >= 0.5:
        raise ValueError(
            f"the noise floor of this function in {jnp.dtype(dtype).name} is {floor:.1e} of its output's variation: "
            "no tolerance separates rounding from a broken symmetry. Use a wider dtype, or give tol="
        )
    return tol


def draw(key: jax.Array | int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Standard normal inputs of a shape, then the same with every entry moved by about one unit in the last place.

    Drawn on the host from the words of the key: nothing is compiled.
    """
    if isinstance(key, int | np.integer):
        key = int(key)
        words = [(key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF]
    else:
        words = np.asarray(jax.random.key_data(key)).ravel().tolist()
    rng = np.random.default_rng(words)
    x = rng.normal(size=shape).astype(dtype)
    signs = rng.choice([-1.0, 1.0], size=shape).astype(dtype)
    return np.concatenate([x, x + x * signs * np.asarray(jnp.finfo(dtype).eps, dtype)])


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


def default_chunk(jobs: int, batch: int, entries: int) -> int:
    """Elements per step: all of few, 64 at most (256 on an accelerator), fewer with many examples or entries.

    Args:
        jobs: elements to measure.
        batch: examples of each.
        entries: of the inputs of each.

    >>> default_chunk(5, 2, 128), default_chunk(5000, 2, 128), default_chunk(5000, 2, 2 * 32 * 32 * 3)
    (8, 64, 16)
    """
    examples = EXAMPLES.get(jax.default_backend(), MANY)
    room = max(1, examples // batch, min(64, SMALL // entries))
    return min(1 << (jobs - 1).bit_length(), 1 << (room.bit_length() - 1))


def fitting_chunk(runs: Sequence[int], most: int) -> int:
    """Elements per step for several runs of few: what the last chunk of a run lacks is evaluated all the same.

    The power of two c that takes least, with `c + STARTING` for each chunk.

    Args:
        runs: how many elements each run measures.
        most: the largest chunk.

    >>> fitting_chunk([1, 4, 16, 63], 32), fitting_chunk([1024], 32)
    (16, 32)
    """

    def taken(chunk: int) -> int:
        return sum(-(-run // chunk) * (chunk + STARTING) for run in runs)

    return min((1 << k for k in reversed(range(most.bit_length()))), key=taken)
