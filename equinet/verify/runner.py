"""Jobs run in chunks through one compiled step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from equinet.groups import Isometry
from equinet.verify.act import Bounds, ChannelAction
from equinet.verify.inputs import Inputs
from equinet.verify.program import Bank, Program, Spread, make_move
from equinet.verify.progress import progress_bar


@dataclass(frozen=True)
class Job:
    """One evaluation: the element g, its output isometry h, the entry of the bank it is tested on, and whether output
    channels are compared as they are, rather than moved as g moves them."""

    g: Isometry
    h: Isometry
    which: int = 0
    still: bool = False


@dataclass(frozen=True, eq=False)
class Runner:
    """A program on its grids.

    Attributes:
        program: what is evaluated, its variables on all devices.
        spread: the devices that share a chunk, None for one.
        sizes, channels: of the input; `channels` can be called if point operations move them.
        out_sizes: of the grid that is acted on, none where none is.
        back: what point operations do to the channels of the output, or None.
        bounds: the outputs that are trusted; see `sources`.
        features: channels of the references, imaginary parts counted by themselves.
        dtype: of inputs and arithmetic.
        eps: a unit in the last place, of the coarser of the types that go in and come out.
        is_complex: whether outputs are complex.
        batch: examples of a job.
        chunk: jobs of a step, a multiple of the number of devices.
        progress: whether to show a progress bar; None: on long sweeps in a terminal.
    """

    program: Program
    spread: Spread | None
    sizes: tuple[int, ...]
    channels: int
    out_sizes: tuple[int, ...]
    back: ChannelAction | None
    bounds: Bounds | None
    features: int
    dtype: Any
    eps: float
    is_complex: bool
    batch: int
    chunk: int
    progress: bool | None

    @property
    def out_points(self) -> int:
        """Number of points of the output grid."""
        return prod(self.out_sizes)

    @property
    def one(self) -> tuple[Isometry, Isometry]:
        """The identity of the input grid and that of the output grid."""
        return Isometry.identity(len(self.sizes)), Isometry.identity(len(self.out_sizes))

    def unmoved(self, which: int = 0) -> Job:
        """The evaluation of an entry of the bank as it is."""
        return Job(*self.one, which)

    def kept(self, array: np.ndarray) -> Any:
        """An array that every step reads, where it is read."""
        if self.spread is not None:
            return self.spread.everywhere(array)
        return jnp.asarray(array) if self.program.traced else array

    def placed(self, elements: Any) -> Any:
        """Arrays with a part for each element, shared out among the devices."""
        return elements if self.spread is None else self.spread.shared(elements)

    def chunks(self, things: Sequence[Any]) -> list[Sequence[Any]]:
        """Parts that one step takes."""
        return [things[start : start + self.chunk] for start in range(0, len(things), self.chunk)]

    def blank(self, inputs: Inputs) -> Bank:
        """A bank of the shapes of every other, before any output is known: a step that runs on it compiles for all."""
        entries, wide = len(inputs.bank), np.float64 if self.dtype == np.float64 else np.float32
        return Bank(
            inputs=self.kept(inputs.bank),
            refs=self.kept(np.zeros((entries, self.batch, self.out_points, self.features), wide)),
            unit=self.kept(np.ones((entries, self.batch, self.features), wide)),
        )

    def run(self, bank: Bank, jobs: Sequence[Job]) -> Iterator[tuple[Sequence[Job], Any, Any, Any]]:
        """Each chunk of jobs, with what `compare` returns for it."""
        parts = self.chunks(jobs)
        started = ((part, *self.program.step(*self._arguments(bank, part), **self._grids)) for part in parts)
        with progress_bar(len(parts), self.progress) as advance:
            # The next chunk is dispatched before the results of this one are awaited.
            for results, _ in pairwise(chain(started, [None])):
                assert results is not None
                yield results
                advance()

    def evaluate(self, bank: Bank, entries: Sequence[int] | np.ndarray) -> np.ndarray:
        """f on entries of a bank, finite or not, imaginary parts apart: `[len(entries), batch, P', C']`."""
        jobs = [self.unmoved(int(k)) for k in entries]
        return np.concatenate([np.asarray(y) for *_, y in self.run(bank, jobs)])[: len(jobs)]

    def within(self, memory: int, bank: Bank) -> Runner:
        """The same with so small a chunk that a step's intermediate values take no more than `memory` bytes.

        Raises:
            ValueError: if a chunk of one job takes more.
        """
        runner, devices = self, 1 if self.spread is None else self.spread.mesh.size
        while (taken := runner._temporary(bank)) > memory:
            if runner.chunk == devices:
                raise ValueError(
                    f"one element with batch={self.batch} takes {taken / 2**20:.0f} MiB of intermediate values, more "
                    f"than memory={memory} bytes ({memory / 2**20:.0f} MiB): lower batch, or raise memory"
                )
            runner = replace(runner, chunk=max(1, runner.chunk * memory // (taken * devices)) * devices)
        return runner

    def _temporary(self, bank: Bank) -> int:
        moved = jax.ShapeDtypeStruct((self.chunk * self.batch, *self.sizes, int(self.channels)), self.dtype)
        return self.program.temporary(self._arguments(bank, [self.unmoved()]), moved, **self._grids)

    @property
    def _grids(self) -> dict[str, Any]:
        return {"sizes": self.sizes, "out_sizes": self.out_sizes, "bounds": self.bounds}

    def _arguments(self, bank: Bank, part: Sequence[Job]) -> tuple[Any, ...]:
        padded = [*part, *[part[-1]] * (self.chunk - len(part))]
        which, turns = np.array([job.which for job in padded], np.int32), [job.g for job in padded]
        one, _ = self.one
        turned = [one if job.still else job.g.inverse() for job in padded] if self.back is not None else []
        forth = make_move(which, turns, self.channels, turns)
        back = make_move(which, [job.h for job in padded], self.back, turned)
        return (self.program.variables, bank, *self.placed((forth, back)))
